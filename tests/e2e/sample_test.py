"""`gradc sample`: what is drawn by seed, what is given, and how it is written."""
import json
import re
import unittest

import numpy as np

from pictures import read_png
from support import EXAMPLES, TEXTS, CommandTest


class Sample(CommandTest):
    def spec(self):
        return self.write('model.json', {
            'inputs': {'x': 'f32[N,4]'}, 'parameters': {'w': {'type': 'f32[3,4]', 'init': [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 4]]}},
            'graph': [{'name': 'z', 'op': 'random_normal', 'key': 'key', 'offset': 'step', 'shape': ['N', 3]},
                      {'name': 'made', 'value': 'sigmoid(z @ w)'}, {'name': 'off', 'value': 'x - made'}],
            'outputs': {'x': 'off'},
            'programs': {'train': {'minimize': 'mean(square(off))'}},
            'sample': {'outputs': {'image': 'made'}}})

    def draw(self, *arguments):
        self.run_command('sample', self.spec(), '-o', 'y.npy', *arguments, check=0)
        return np.load(self.folder / 'y.npy')

    def test_draws_by_its_seed(self):
        first = self.draw('--count', 100)
        self.assertEqual(first.shape, (100, 4))
        self.assertEqual(len(np.unique(first[:, 0])), 100)
        np.testing.assert_array_equal(first, self.draw('--count', 100, '--seed', 0, '--threads', 2))
        self.assertFalse(np.array_equal(first, self.draw('--count', 100, '--seed', 1)))
        z = np.log(first[:, 0] / (1 - first[:, 0]))  # the inverse of the sigmoid
        self.assertLess(abs(z.mean()), 0.4)  # four deviations of the mean
        self.assertTrue(0.7 < z.std() < 1.3)

    def test_takes_latent_vectors_from_a_file(self):
        z = np.random.default_rng(3).normal(size=(5, 3)).astype('f4')
        np.save(self.folder / 'z.npy', z)
        w = np.array([[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 4]])
        np.testing.assert_allclose(self.draw('--input', 'z=z.npy'), 1 / (1 + np.exp(-z @ w)), rtol=1e-5)
        self.assertIn('--count 4: the inputs have 5 examples',
                      self.run_command('sample', self.spec(), '--input', 'z=z.npy', '--count', 4, check=1).stderr)
        self.assertIn('--input zz: the program `sample` computes no such node; did you mean `z`?',
                      self.run_command('sample', self.spec(), '--input', 'zz=z.npy', check=1).stderr)

    def test_writes_grids_and_lines(self):
        done = self.run_command('sample', self.spec(), '--count', 3, check=0)
        rows = np.array([json.loads(line)['image'] for line in done.stdout.splitlines()], 'f4')
        np.testing.assert_allclose(rows, self.draw('--count', 3), rtol=1e-6)
        self.run_command('sample', self.spec(), '--count', 3, '-o', 'grid.png', '--columns', 3, check=0)
        pixels = read_png(self.folder / 'grid.png').astype(int)
        zoom = (pixels.shape[0]) // 2
        self.assertGreater(zoom, 1)
        values = {int(round(v * 255)) for v in rows.ravel()} | {255}
        self.assertTrue(set(np.unique(pixels)) <= values)
        self.assertGreater(len(np.unique(pixels)), 8)

    def test_mistakes(self):
        spec = json.loads(self.spec().read_text())
        spec['sample'] = {'output': {'image': 'made'}}
        self.assertIn('sample: unknown key `output`; did you mean `outputs`?',
                      self.run_command('check', self.write('a.json', spec), check=1).stderr)
        del spec['sample']
        self.assertIn('has no `sample` section', self.run_command('sample', self.write('a.json', spec), check=1).stderr)
        spec['programs']['sample'] = {'report': {'x': 'x'}}
        self.assertIn('`sample` is made from `sample`; give the program another name',
                      self.run_command('check', self.write('a.json', spec), check=1).stderr)


class Sequences(CommandTest):
    """A chain of three letters: what follows each is a row of a table of logits."""
    TABLE = [[-9, 2, 1], [0, -3, 1], [3, 0.5, 1]]

    def setUp(self):
        super().setUp()
        self.write('train.txt', 'ab\nba\n' * 20)
        self.spec = self.write('model.json', {
            'inputs': {'x': 'i32[N,4]'}, 'parameters': {'table': {'type': 'f32[3,3]', 'init': self.TABLE}},
            'graph': [{'name': 'logits', 'value': 'gather(table, x, axis=0)'}],
            'programs': {'train': {'minimize': 'mean(softmax_cross_entropy(logits, x))', 'epochs': 1,
                                   'optimizer': {'kind': 'sgd', 'learning_rate': 0}}},
            'sample': {'carry': {'token': {'start': 'iota(shape=[N], dtype=i32) * 0', 'next': 'drawn'}},
                       'graph': [{'name': 'row', 'value': 'gather(table, token, axis=0)'}],
                       'draw': 'row', 'length': 6, 'stop': 0},
            'data': {'train': {'format': 'lines', 'x': 'train.txt'}}})
        self.run_command('train', self.spec, '-o', 'run', '--quiet', check=0)

    def sample(self, *arguments):
        done = self.run_command('sample', self.spec, '--weights', 'run/last.safetensors', *arguments, check=0)
        return done.stdout

    def tokens(self, *arguments):
        self.sample('-o', 'y.npy', *arguments)
        return np.load(self.folder / 'y.npy')

    def test_the_likeliest_tokens_up_to_the_stop(self):
        self.assertEqual(self.sample('--temperature', 0, '--count', 2), 'ab\nab\n')
        np.testing.assert_array_equal(self.tokens('--temperature', 0, '--count', 2, '--length', 4), [[1, 2, 0, 1]] * 2)

    def test_tokens_follow_their_distribution(self):
        for temperature in (1, 0.5):
            drawn = self.tokens('--count', 4000, '--temperature', temperature)
            self.assertEqual(drawn.shape, (4000, 6))
            before = np.concatenate([np.zeros((4000, 1), int), drawn[:, :-1]], 1)
            for token, row in enumerate(self.TABLE):
                expected = np.exp(np.array(row) / temperature)
                expected /= expected.sum()
                followers = drawn[before == token]
                measured = np.bincount(followers, minlength=3) / len(followers)
                np.testing.assert_allclose(measured, expected, atol=4 * 0.5 / np.sqrt(len(followers)))
        # Rounds are independent of each other and of other samples.
        self.assertGreater(len({tuple(row) for row in drawn}), 20)
        np.testing.assert_array_equal(drawn, self.tokens('--count', 4000, '--temperature', 0.5, '--threads', 2))
        self.assertFalse(np.array_equal(drawn, self.tokens('--count', 4000, '--temperature', 0.5, '--seed', 1)))

    def test_a_prompt_begins_the_sequence(self):
        # After b comes a at temperature 0, then b again.
        self.assertEqual(self.sample('--temperature', 0, '--count', 2, '--prompt', 'bb'), 'bb\nbb\n')
        np.testing.assert_array_equal(self.tokens('--temperature', 0, '--count', 2, '--prompt', 'ba'), [[2, 1, 2, 0, 1, 2]] * 2)
        drawn = self.tokens('--count', 4000, '--prompt', 'aa')
        np.testing.assert_array_equal(drawn[:, :2], [[1, 1]] * 4000)
        expected = np.exp(self.TABLE[1]) / np.exp(self.TABLE[1]).sum()
        np.testing.assert_allclose(np.bincount(drawn[:, 2], minlength=3) / 4000, expected, atol=0.04)
        self.assertEqual(self.sample('--prompt', '', '--count', 3), self.sample('--count', 3))

    def test_mistakes_in_a_prompt(self):
        def error(*arguments, weights=('--weights', 'run/last.safetensors')):
            return self.run_command('sample', self.spec, *weights, *arguments, check=1).stderr
        self.assertIn('lacks `c`, `é`; it has `\\nab`', error('--prompt', 'acébc'))
        self.assertIn('the token at which a sequence stops', error('--prompt', 'a\nb'))
        self.assertIn('more than the `length` of 6', error('--prompt', 'abababa'))
        self.assertIn('by the vocabulary in --weights', error('--prompt', 'a', weights=()))
        spec = json.loads(self.spec.read_text())
        spec['sample']['prompt'] = [1, 3]
        done = self.run_command('check', self.write('bad.json', spec), check=1)
        self.assertIn('`prompt` has the token 3', done.stderr)
        spec['sample'] = {'outputs': {'y': 'logits'}, 'prompt': [1]}
        done = self.run_command('check', self.write('bad.json', spec), check=1)
        self.assertIn('`prompt` is of a sequence', done.stderr)

    def test_what_is_emitted_may_be_a_number(self):
        spec = json.loads(self.spec.read_text())
        spec['sample'] = {'carry': {'h': {'start': 'random_normal(key, step, shape=[N,2]) * 0 + 1', 'next': 'h * 0.5 + cast(index, dtype=f32)'}},
                          'emit': 'h', 'length': 4}
        path = self.write('emit.json', spec)
        self.run_command('sample', path, '--count', 3, '-o', 'y.npy', check=0)
        h, expected = 1.0, []
        for index in range(4):
            expected.append(h)
            h = h * 0.5 + index
        np.testing.assert_allclose(np.load(self.folder / 'y.npy'), np.broadcast_to(np.array(expected)[None, :, None], (3, 4, 2)))

    def test_mistakes(self):
        def error(**changes):
            spec = json.loads(self.spec.read_text())
            for key, value in changes.items():
                if value is None:
                    del spec['sample'][key]
                else:
                    spec['sample'][key] = value
            return self.run_command('check', self.write('bad.json', spec), check=1).stderr
        self.assertIn('a sequence needs its `length`', error(length=None))
        self.assertIn('`temperature` must be 0 or more, got -1', error(temperature=-1))
        self.assertIn('unknown key `strat`; did you mean `start`?', error(carry={'token': {'strat': '0', 'next': 'drawn'}}))
        self.assertIn('needs `start` and `next`', error(carry={'token': {'start': '0'}}))
        self.assertIn('unknown name `drwan`; did you mean `drawn`?',
                      error(carry={'token': {'start': 'iota(shape=[N], dtype=i32)', 'next': 'drwan'}}))
        self.assertIn('becomes', error(carry={'token': {'start': 'iota(shape=[N], dtype=i32)', 'next': 'row'}}))
        self.assertIn('`draw` takes logits, floats', error(draw='token'))


@unittest.skipUnless((TEXTS / 'names.txt').exists(), 'there is no names.txt to learn from')
class Names(CommandTest):
    """Nets that spell: held-out names cost them 2.2 nats a letter or less, and what they draw looks like names."""

    def test_names(self):
        known = set((TEXTS / 'names.txt').read_text().split())
        for name in ('rnn-names', 'gru-names', 'attention-names'):
            with self.subTest(name):
                spec = EXAMPLES / f'{name}.json'
                self.run_command('train', spec, '-o', name, '--data', TEXTS, '--seed', 1, '--threads', 2, '--quiet', check=0)
                lines = [json.loads(line) for line in (self.folder / name / 'metrics.jsonl').read_text().splitlines()]
                best = min(line['validation']['nats'] for line in lines if 'validation' in line)
                self.assertLessEqual(best, 2.2)
                self.assertGreater(best, 1.8)  # less, and it has seen them
                sample = ['sample', spec, '--weights', f'{name}/best.safetensors', '--temperature', 0.8]
                drawn = self.run_command(*sample, '--count', 200, '--seed', 1, check=0).stdout.splitlines()
                self.assertEqual(len(drawn), 200)
                self.assertTrue(all(re.fullmatch('[a-z]{1,20}', line) for line in drawn), drawn)
                self.assertGreater(len(set(drawn)), 150)
                self.assertGreater(sum(line in known for line in drawn), 20)
                self.assertEqual(drawn, self.run_command(*sample, '--count', 200, '--seed', 1, check=0).stdout.splitlines())
                self.assertNotEqual(drawn, self.run_command(*sample, '--count', 200, '--seed', 2, check=0).stdout.splitlines())


if __name__ == '__main__':
    unittest.main()
