"""The examples of several programs reach what examples/README.md says of them."""
import json
import unittest

import numpy as np

from pictures import read_png
from support import EXAMPLES, CommandTest


class ProgramExamples(CommandTest):
    def last(self, name, *arguments):
        """The last epoch of a run."""
        self.run_command('train', EXAMPLES / f'{name}.json', '-o', 'run', '--quiet', *arguments, check=0)
        lines = (self.folder / 'run' / 'metrics.jsonl').read_text().splitlines()
        return [json.loads(line) for line in lines][-2]

    def ink(self, examples=500):
        """Mean brightness of drawn digits, as a report of a model without anything else."""
        data = {'generate': {'kind': 'glyphs', 'examples': examples, 'seed': 1}}
        self.write('ink.json', {
            'inputs': {'image': 'f32[N,1,28,28]'}, 'parameters': {'w': 'f32[1]'}, 'data': {'train': data},
            'programs': {'train': {'minimize': 'sum(square(w))', 'report': {'ink': 'mean(image, axis=[1, 2, 3])'}, 'epochs': 1}}})
        self.run_command('train', 'ink.json', '-o', 'ink', '--quiet', check=0)
        return json.loads((self.folder / 'ink' / 'metrics.jsonl').read_text().splitlines()[0])['train']['ink']

    def test_two_players(self):
        ink = self.ink()
        for name in ('gan', 'dcgan'):
            with self.subTest(name):
                last = self.last(name)
                self.assertEqual(last['programs'], ['discriminator', 'generator'])
                train = last['train']
                # Neither has won: a discriminator that is always right has a loss of 0.33 with these targets, one that
                # can't tell 1.39.
                self.assertTrue(0.6 < train['discriminator.loss'] < 1.5, train)
                self.assertTrue(0.6 * ink < train['generator.ink'] < 1.6 * ink, (ink, train))
                self.arithmetic_on_latent_vectors(name, {'gan': 16, 'dcgan': 32}[name], ink)

    def arithmetic_on_latent_vectors(self, name, size, ink):
        sample = ['sample', EXAMPLES / f'{name}.json', '--weights', 'run/last.safetensors']
        self.run_command(*sample, '--count', 20, '-o', 'digits.png', check=0)
        self.assertGreater(read_png(self.folder / 'digits.png').std(), 20)  # white on black
        a, b, c = np.random.default_rng(1).normal(size=(3, size)).astype('f4')
        np.save(self.folder / 'z.npy', np.stack([a, b, c, a - b + c, a - b + b]))
        self.run_command(*sample, '--input', 'z=z.npy', '-o', 'made.npy', check=0)
        made = np.load(self.folder / 'made.npy')
        self.assertEqual(made.shape, (5, 1, 28, 28))
        np.testing.assert_allclose(made[4], made[0], atol=1e-4)
        for one, other in ((0, 1), (0, 3), (1, 3), (2, 3)):
            self.assertGreater(abs(made[one] - made[other]).max(), 0.1)
        self.assertTrue(0.3 * ink < made.mean() < 2.5 * ink, (ink, made.mean()))

    def test_boltzmann_machines(self):
        self.assertLess(self.last('rbm')['test']['rmse'], 0.15)
        self.assertGreater(self.last('dbn')['test']['accuracy'], 0.9)

    def test_pre_training_helps_deep_sigmoid_nets(self):
        for name, wanted in (('layerwise-supervised', 0.9), ('layerwise-unsupervised', 0.75)):
            with self.subTest(name):
                with_it = self.last(name)['test']['accuracy']
                without = self.last(name, '--program', 'train')['test']['accuracy']
                self.assertGreater(with_it, wanted)
                self.assertGreater(with_it, without + 0.08)

    def test_regularisers(self):
        plain = self.last('regularized')
        self.assertEqual(plain['train']['accuracy'], 1)
        self.assertLess(plain['test']['error'], 0.2)
        self.assertEqual(sum(map(sum, plain['test']['confusion'])), 2000)
        for setting in ('l1=3e-5', 'l2=3e-4', 'dropout=0.35'):
            with self.subTest(setting):
                self.assertLess(self.last('regularized', '--set', f'variables.{setting}')['test']['error'], plain['test']['error'])


if __name__ == '__main__':
    unittest.main()
