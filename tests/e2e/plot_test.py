"""Pictures: what curves, regions and grids show, read back from their files."""
import base64
import json
import re
import unittest
import xml.etree.ElementTree as xml

import numpy as np

from pictures import read_png
from support import CommandTest

SVG = '{http://www.w3.org/2000/svg}'


class Curves(CommandTest):
    def metrics(self, name, **columns):
        lines = []
        for epoch, values in enumerate(zip(*columns.values()), 1):
            line = {'event': 'epoch', 'epoch': epoch}
            for key, value in zip(columns, values):
                split, metric = key.split('_')
                line.setdefault(split, {})[metric] = value
            lines.append(json.dumps(line))
        self.write(f'{name}/metrics.jsonl', '\n'.join(lines) + '\n{"event": "end"}\n')

    def plot(self, *arguments):
        self.run_command('plot', 'curves', *arguments, '-o', 'a.svg', check=0)
        root = xml.parse(self.folder / 'a.svg').getroot()
        texts = [text.text for text in root.iter(SVG + 'text')]
        paths = [[tuple(map(float, point.split())) for point in re.split('[ML]', path.get('d'))[1:]] for path in root.iter(SVG + 'path')]
        return texts, paths

    def test_curves_go_through_their_values(self):
        self.metrics('run', train_loss=[4, 2, 1, 0.5], test_loss=[4, 3, None, 1], test_accuracy=[0, .5, .5, 1])
        texts, (train, test) = self.plot('run')
        self.assertTrue({'epoch', 'loss', 'train', 'test', '1', '4'} <= set(texts), texts)
        self.assertEqual((len(train), len(test)), (4, 3))  # what is no number is left out
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = train
        self.assertAlmostEqual(x2 - x1, x1 - x0, 1)
        self.assertAlmostEqual((y1 - y0) / (y2 - y1), 2, 1)
        self.assertAlmostEqual((y2 - y1) / (y3 - y2), 2, 1)
        self.assertGreater(y1, y0)  # down
        self.assertEqual(test[0], train[0])
        _, (train, _) = self.plot('run', '--log')
        self.assertAlmostEqual((train[1][1] - train[0][1]) / (train[3][1] - train[2][1]), 1, 1)
        texts, _ = self.plot('run/metrics.jsonl', '--metric', 'accuracy')
        self.assertIn('test accuracy', texts)

    def test_several_runs_are_told_apart(self):
        self.metrics('a', train_loss=[2, 1], test_loss=[2, 1.5])
        self.metrics('b<c', train_loss=[3, 1], test_loss=[3, 1.2])
        texts, paths = self.plot('a', 'b<c')
        self.assertTrue({'a train', 'a test', 'b<c train', 'b<c test'} <= set(texts))
        self.assertEqual(len(paths), 4)
        texts, paths = self.plot('a', 'b<c', '--split', 'test')
        self.assertTrue({'a', 'b<c', 'test loss'} <= set(texts))
        self.assertEqual(len(paths), 2)

    def test_mistakes(self):
        self.metrics('run', train_loss=[4, 2], test_accuracy=[0, 0])

        def error(*arguments):
            return self.run_command('plot', 'curves', *arguments, check=1).stderr
        self.assertIn('no run has the metric `acuracy`; did you mean `accuracy`?', error('run', '--metric', 'acuracy', '-o', 'a.svg'))
        self.assertIn('no value to draw that is greater than 0', error('run', '--metric', 'accuracy', '--log', '-o', 'a.svg'))
        self.assertIn('the picture is written as .svg', error('run', '-o', 'a.png'))
        self.assertIn("cannot open", error('nothing', '-o', 'a.svg'))
        self.write('bad/metrics.jsonl', 'x\n{}\n')
        self.assertIn('metrics.jsonl:1:1: error: not a line of metrics', error('bad', '-o', 'a.svg'))
        self.assertFalse((self.folder / 'a.svg').exists())


class Regions(CommandTest):
    def test_each_place_has_the_color_of_its_class(self):
        # Class 1 where x > 0, whatever y is.
        spec = self.write('model.json', {
            'inputs': {'x': 'f32[N,2]', 'label': 'i32[N]'}, 'parameters': {'w': {'type': 'f32[2,2]', 'init': [[-9, 9], [0, 0]]}},
            'graph': [{'name': 'logits', 'value': 'x @ w'}], 'outputs': {'probability': 'softmax(logits)'},
            'programs': {'train': {'minimize': 'mean(softmax_cross_entropy(logits, label))'}},
            'data': {'train': {'generate': {'kind': 'rings', 'examples': 100, 'noise': 0}}}})
        self.run_command('plot', 'regions', spec, '-o', 'a.svg', check=0)
        root = xml.parse(self.folder / 'a.svg').getroot()
        self.assertEqual([text.text for text in root.iter(SVG + 'text')][-2:], ['class 0', 'class 1'])
        dots = [dot for dot in root.iter(SVG + 'circle') if dot.get('stroke')]
        self.assertEqual(len(dots), 100)
        self.assertEqual(len({dot.get('fill') for dot in dots}), 2)
        image, = root.iter(SVG + 'image')
        (self.folder / 'a.png').write_bytes(base64.b64decode(image.get('href').split(',')[1]))
        pixels = read_png(self.folder / 'a.png').astype(int)
        width = pixels.shape[1]
        # The points' middle is near 0 and so near the middle of the picture.
        left, right = pixels[:, :width // 2 - 40], pixels[:, width // 2 + 40:]
        self.assertTrue((left[..., 2] > left[..., 0]).all())  # class 0 is blue
        self.assertTrue((right[..., 0] > right[..., 2]).all())  # class 1 is orange
        # The inner ring is at half the outer one's distance from the middle.
        middle = [float(image.get('x')) + float(image.get('width')) / 2, float(image.get('y')) + float(image.get('height')) / 2]
        radii = {}
        for dot in dots:
            radii.setdefault(dot.get('fill'), []).append(np.hypot(float(dot.get('cx')) - middle[0], float(dot.get('cy')) - middle[1]))
        inner, outer = sorted(np.mean(r) for r in radii.values())
        self.assertAlmostEqual(outer / inner, 2, 1)

    def test_models_of_something_else_are_refused(self):
        spec = self.write('model.json', {'inputs': {'x': 'f32[N,3]'}, 'graph': [{'name': 'y', 'value': 'x * 2'}]})
        self.assertIn('regions need a model of points in the plane: one float input with two elements an example; the program '
                      '`predict` takes `x` f32[1,3]', self.run_command('plot', 'regions', spec, '-o', 'a.svg', check=1).stderr)


class Grids(CommandTest):
    def grid(self, array, *arguments):
        np.save(self.folder / 'a.npy', array)
        self.run_command('plot', 'images', '--array', 'a.npy', '-o', 'a.png', *arguments, check=0)
        return read_png(self.folder / 'a.png').astype(int)

    def test_tiles_stand_in_order_as_they_are(self):
        images = np.random.default_rng(1).random((5, 4, 3)).astype('f4')
        pixels = self.grid(images, '--columns', 2, '--zoom', 1)
        self.assertEqual(pixels.shape, (3 * 6 + 2, 2 * 5 + 2))
        for i, image in enumerate(images):
            y, x = 2 + i // 2 * 6, 2 + i % 2 * 5
            np.testing.assert_allclose(pixels[y:y + 4, x:x + 3], np.rint(image * 255), atol=1)
        self.assertTrue((pixels[-6:, -5:] == 255).all())  # nothing in the sixth place

    def test_bytes_and_colors_and_zoom(self):
        images = np.random.default_rng(2).integers(0, 256, (2, 3, 4, 4)).astype('u1')
        pixels = self.grid(images, '--zoom', 3, '--columns', 2)
        np.testing.assert_array_equal(pixels[2:14:3, 2:14:3], images[0].transpose(1, 2, 0))
        np.testing.assert_array_equal(pixels[4:15:3, 18:29:3], images[1].transpose(1, 2, 0))

    def test_scales(self):
        images = np.array([[0, 2, 4, 2], [-10, 0, 10, 0]], 'f4')
        each = self.grid(images, '--zoom', 1, '--columns', 2)
        np.testing.assert_array_equal(each[2:4, 2:4], [[0, 128], [255, 128]])
        np.testing.assert_array_equal(each[2:4, 6:8], [[0, 128], [255, 128]])
        whole = self.grid(images, '--zoom', 1, '--columns', 2, '--scale', 'all')
        np.testing.assert_allclose(whole[2:4, 2:4], (np.array([[0, 2], [4, 2]]) + 10) / 20 * 255, atol=0.51)

    def test_filters_of_weights_and_maps_of_nodes(self):
        weight = [[[[1, 0], [0, 0]]], [[[0, 0], [0, 1]]]]
        spec = self.write('model.json', {
            'inputs': {'x': 'f32[N,1,3,3]'}, 'parameters': {'k': {'type': 'f32[2,1,2,2]', 'init': weight}},
            'graph': [{'name': 'maps', 'op': 'convolution', 'x': 'x', 'w': 'k'}, {'name': 'y', 'value': 'sum(maps, axis=[1,2,3])'}],
            'programs': {'train': {'minimize': 'mean(y)', 'optimizer': {'kind': 'sgd', 'learning_rate': 0}, 'epochs': 1}},
            'data': {'train': {'format': 'npy', 'x': 'x.npy'}}})
        np.save(self.folder / 'x.npy', np.arange(9, dtype='f4').reshape(1, 1, 3, 3) / 8)
        self.run_command('train', spec, '-o', 'run', '--quiet', check=0)
        self.run_command('plot', 'images', '--weights', 'run/last.safetensors', '--name', 'k', '--zoom', 1, '-o', 'k.png', check=0)
        pixels = read_png(self.folder / 'k.png').astype(int)
        np.testing.assert_array_equal(pixels[2:4, [2, 3, 6, 7]], [[255, 0, 0, 0], [0, 0, 0, 255]])
        self.run_command('plot', 'images', spec, '--weights', 'run/last.safetensors', '--node', 'maps', '--input', 'x=x.npy', '--zoom', 1,
                         '--scale', 'all', '-o', 'm.png', check=0)
        pixels = read_png(self.folder / 'm.png').astype(int)
        np.testing.assert_allclose(pixels[2:4, 2:4], np.array([[0, 1], [3, 4]]) / 8 * 255, atol=1)
        np.testing.assert_allclose(pixels[2:4, 6:8], np.array([[4, 5], [7, 8]]) / 8 * 255, atol=1)

    def test_mistakes(self):
        np.save(self.folder / 'a.npy', np.zeros((2, 7), 'f4'))

        def error(*arguments):
            return self.run_command('plot', 'images', *arguments, '-o', 'a.png', check=1).stderr
        self.assertIn('`array` is f32[2,7]: no images follow from this shape', error('--array', 'a.npy'))
        self.assertIn('--shape 2x3: `array` has 14 elements, no multiple of 6', error('--array', 'a.npy', '--shape', '2x3'))
        self.assertIn('--shape 2x: expected height and width', error('--array', 'a.npy', '--shape', '2x'))
        self.assertIn('what is drawn?', error())
        np.save(self.folder / 'a.npy', np.zeros((20, 1000), 'f4'))
        self.assertIn('is too large', error('--array', 'a.npy', '--shape', '10x10', '--zoom', '1000'))


if __name__ == '__main__':
    unittest.main()
