"""The examples of several programs reach what examples/README.md says of them."""
import json
import unittest

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
