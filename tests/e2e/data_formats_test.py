"""Images and text as data: files of all forms, the vocabulary in the weights, hostile files."""
import json
import unittest

import numpy as np

from pictures import write_png
from support import CommandTest


class Images(CommandTest):
    def read(self, name, type_='f32[N,1,13,11]'):
        spec = self.write('model.json', {'inputs': {'x': type_}, 'graph': [{'name': 'y', 'value': 'x * 255'}]})
        self.run_command('predict', spec, '--input', f'x={name}', '--output', 'y.npy', check=0)
        return np.rint(np.load(self.folder / 'y.npy')[0]).astype(int)

    def test_png_of_every_form(self):
        random = np.random.default_rng(1)
        for interlaced in (False, True):
            grey = random.integers(0, 256, (13, 11, 1))
            write_png(self.folder / 'a.png', grey, 0, 8, interlaced)
            np.testing.assert_array_equal(self.read('a.png')[0], grey[..., 0])
            color = random.integers(0, 256, (13, 11, 3))
            write_png(self.folder / 'a.png', color, 2, 8, interlaced)
            np.testing.assert_array_equal(self.read('a.png', 'f32[N,3,13,11]'), color.transpose(2, 0, 1))
            opaque = np.concatenate([color, np.full((13, 11, 1), 255)], 2)
            write_png(self.folder / 'a.png', opaque, 6, 8, interlaced)
            np.testing.assert_array_equal(self.read('a.png', 'f32[N,3,13,11]'), color.transpose(2, 0, 1))
            for depth in (1, 2, 4):
                few = random.integers(0, 2 ** depth, (13, 11, 1))
                write_png(self.folder / 'a.png', few, 0, depth, interlaced)
                np.testing.assert_array_equal(self.read('a.png')[0], few[..., 0] * 255 // (2 ** depth - 1))
                palette = random.integers(0, 256, (2 ** depth, 3))
                write_png(self.folder / 'a.png', few, 3, depth, interlaced, palette)
                np.testing.assert_array_equal(self.read('a.png', 'f32[N,3,13,11]'), palette[few[..., 0]].transpose(2, 0, 1))

    def test_folders_of_images_are_data(self):
        images = np.random.default_rng(2).integers(0, 256, (6, 13, 11, 1))
        for i, image in enumerate(images):
            write_png(self.folder / f'i{i}.png', image, 0)
        spec = self.write('model.json', {'inputs': {'x': 'f32[N,1,13,11]'}, 'graph': [{'name': 'y', 'value': 'x * 255'}],
                                         'data': {'test': {'format': 'image', 'x': 'i*.png'}}})
        self.run_command('predict', spec, '--output', 'y.npy', check=0)
        np.testing.assert_array_equal(np.rint(np.load(self.folder / 'y.npy')[:, 0]), images[..., 0])

    def test_what_can_not_be_read_is_told(self):
        spec = self.write('model.json', {'inputs': {'x': 'f32[N,1,4,4]'}, 'graph': [{'name': 'y', 'value': 'x * 255'}]})

        def error():
            return self.run_command('predict', spec, '--input', 'x=a.png', check=1).stderr
        write_png(self.folder / 'a.png', np.zeros((4, 4, 2), int), 4)
        self.assertIn('the image has transparent pixels; flatten it', error())
        write_png(self.folder / 'a.png', np.full((4, 4, 1), 3), 3, 4, palette=np.zeros((2, 3)))
        self.assertIn('pixel 0, 0 is outside of the palette', error())
        write_png(self.folder / 'a.png', np.zeros((5, 4, 1), int), 0)
        self.assertIn('an example of `x` is u8[1,5,4], which does not fit', error())
        write_png(self.folder / 'a.png', np.zeros((4, 4, 1), int), 0)
        whole = (self.folder / 'a.png').read_bytes()
        (self.folder / 'a.png').write_bytes(whole[:-30])
        self.assertIn('truncated', error())
        (self.folder / 'a.png').write_bytes(whole[:45] + bytes([whole[45] ^ 1]) + whole[46:])
        self.assertIn('the checksum of a chunk is wrong', error())


class Text(CommandTest):
    """Characters are numbered by the training text, and the weights bring its vocabulary."""

    def spec(self, format_, length):
        return self.write('model.json', {
            'inputs': {'x': f'i32[N,{length}]'}, 'parameters': {'w': {'type': 'f32[]', 'init': 0}},
            'graph': [{'name': 'y', 'value': 'cast(x, dtype=f32)'}], 'outputs': {'x': 'x'},
            'programs': {'train': {'minimize': 'mean(square(y - w))', 'epochs': 1}, 'test': {'report': {'x': 'mean(y, axis=[1])'}}},
            'data': {'train': {'format': format_, 'x': 'train.txt'}, 'test': {'format': format_, 'x': 'test.txt'}}})

    def predict(self, spec, *arguments):
        done = self.run_command('predict', spec, *arguments, check=0)
        return [json.loads(line)['x'] for line in done.stdout.splitlines()]

    def test_the_test_text_is_numbered_as_the_training_text(self):
        self.write('train.txt', 'dbca' * 3)
        self.write('test.txt', 'dadada')
        spec = self.spec('text', 3)
        self.run_command('train', spec, '-o', 'run', '--quiet', check=0)
        self.assertEqual(self.predict(spec, '--weights', 'run/last.safetensors'), [[3, 0, 3], [0, 3, 0]])
        self.assertEqual(self.predict(spec), [[1, 0, 1], [0, 1, 0]])  # without weights by its own
        done = self.run_command('eval', spec, '--weights', 'run/last.safetensors', '--json', check=0)
        self.assertEqual(json.loads(done.stdout)['x'], 1.5)
        self.write('test.txt', 'dax')
        self.assertIn('byte 2: the character `x` is not in the vocabulary, which is that of the training examples',
                      self.run_command('predict', spec, '--weights', 'run/last.safetensors', check=1).stderr)

    def test_lines_begin_and_end_with_number_zero(self):
        self.write('train.txt', 'anna\nbob\n\nb\u00e9a\n')
        self.write('test.txt', 'b\u00e9a\nno')
        spec = self.spec('lines', 7)
        self.run_command('train', spec, '-o', 'run', '--quiet', check=0)
        # \n a b n o 0xa9 0xc3
        self.assertEqual(self.predict(spec, '--weights', 'run/best.safetensors'), [[0, 2, 6, 5, 1, 0, 0], [0, 3, 4, 0, 0, 0, 0]])
        self.write('test.txt', 'a\nababab\n')
        self.assertIn('line 2 has 6 characters, `x` holds 7 with a start and an end', self.run_command('predict', spec, check=1).stderr)


if __name__ == '__main__':
    unittest.main()
