"""`gradc sample`: what is drawn by seed, what is given, and how it is written."""
import json
import unittest

import numpy as np

from pictures import read_png
from support import CommandTest


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


if __name__ == '__main__':
    unittest.main()
