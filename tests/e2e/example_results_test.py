"""Examples reach the results that examples/README.md states."""
import json
import unittest

import numpy as np

from pictures import read_png, write_png
from support import EXAMPLES, CommandTest


class Results(CommandTest):
    def train(self, name, *arguments):
        self.run_command('train', EXAMPLES / f'{name}.json', '-o', name, '--quiet', *arguments, check=0)
        lines = [json.loads(line) for line in (self.folder / name / 'metrics.jsonl').read_text().splitlines()]
        return [line for line in lines if line['event'] == 'epoch'][-1]['test']

    def test_points_in_the_plane_are_told_apart(self):
        for name in ('spiral', 'xor', 'rings', 'rings-polar', 'three-modes'):
            with self.subTest(name):
                self.assertGreaterEqual(self.train(name)['accuracy'], 0.989)
                self.run_command('plot', 'regions', EXAMPLES / f'{name}.json', '--weights', f'{name}/best.safetensors', '-o', f'{name}.svg',
                                 check=0)
                self.assertIn('class 1', (self.folder / f'{name}.svg').read_text())

    def test_a_curve_is_fitted(self):
        self.assertLess(self.train('sine-regression')['loss'], 1e-3)

    def test_several_labels(self):
        metrics = self.train('multi-label')
        self.assertGreater(metrics['accuracy'], 0.98)
        self.assertGreater(metrics['all_right'], 0.95)

    def test_autoencoders(self):
        few = ('--set', 'data.train.generate.examples=3000')
        self.assertLess(self.train('autoencoder', *few)['squared_error'], 0.03)
        metrics = self.train('denoising-autoencoder')
        self.assertLess(metrics['after'], 0.55 * metrics['before'])
        self.assertLess(self.train('vae', *few)['squared_error'], 0.04)
        for seed, name in ((1, 'a.png'), (1, 'b.png'), (2, 'c.png')):
            self.run_command('sample', EXAMPLES / 'vae.json', '--weights', 'vae/last.safetensors', '--count', 20, '--seed', seed, '-o', name,
                             check=0)
        first, again, other = (read_png(self.folder / name) for name in ('a.png', 'b.png', 'c.png'))
        np.testing.assert_array_equal(first, again)
        self.assertFalse(np.array_equal(first, other))
        self.assertGreater(first.std(), 30)  # white on black
        z = np.random.default_rng(1).normal(size=(2, 8)).astype('f4')
        np.save(self.folder / 'z.npy', np.stack([z[0], z[1], z.mean(axis=0), z[0] - z[1] + z[1]]))
        self.run_command('sample', EXAMPLES / 'vae.json', '--weights', 'vae/last.safetensors', '--input', 'z=z.npy', '-o', 'y.npy', check=0)
        y = np.load(self.folder / 'y.npy')
        self.assertEqual(y.shape, (4, 784))
        np.testing.assert_allclose(y[3], y[0], atol=1e-4)
        self.assertTrue(all(abs(y[i] - y[j]).max() > 0.1 for i, j in ((0, 1), (0, 2), (1, 2))))

    def test_filters(self):
        image = np.random.default_rng(1).integers(0, 256, (9, 12, 1))
        write_png(self.folder / 'a.png', image, 0)
        self.run_command('predict', EXAMPLES / 'filters.json', '--input', 'image=a.png', '--set', 'variables.height=9', '--set',
                         'variables.width=12', '--output', 'y.npy', check=0)
        y = np.load(self.folder / 'y.npy')[0]
        x = image[..., 0] / 255

        def filtered(kernel):
            kernel = np.array(kernel)
            size, border = len(kernel), len(kernel) // 2
            wide = np.pad(x, border, mode='edge')
            return sum(kernel[i, j] * wide[i:i + 9, j:j + 12] for i in range(size) for j in range(size)).clip(0, 1)
        row = np.array([1, 4, 6, 4, 1]) / 16
        kernels = ([[1]], [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], [[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.full((3, 3), 1 / 9),
                   np.outer(row, row))
        for made, kernel in zip(y, kernels, strict=True):
            np.testing.assert_allclose(made, filtered(kernel), atol=1e-5)


if __name__ == '__main__':
    unittest.main()
