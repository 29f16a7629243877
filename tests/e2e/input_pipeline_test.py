"""The input pipeline: statistics of the training examples, one-hot labels, random changes in training and none in evaluation."""
import json
import struct
import unittest

import numpy as np

from support import CommandTest


def state_of(path):
    """The arrays of a safetensors file."""
    raw = path.read_bytes()
    size, = struct.unpack('<Q', raw[:8])
    header = json.loads(raw[8:8 + size])
    kinds = {'F32': '<f4', 'F64': '<f8', 'I64': '<i8', 'U32': '<u4'}
    arrays = {}
    for name, entry in header.items():
        if name != '__metadata__':
            begin, end = entry['data_offsets']
            arrays[name] = np.frombuffer(raw[8 + size + begin:8 + size + end], kinds[entry['dtype']]).reshape(entry['shape'])
    return arrays


class InputPipeline(CommandTest):
    def spec(self, prepare, shape='N,2,9,7', **more):
        spec = {
            'inputs': {'x': {'type': f'f32[{shape}]', 'prepare': prepare}},
            'parameters': {'w': {'type': 'f32[]', 'init': 0}},
            'graph': [{'name': 'seen', 'value': 'x * 1'}],
            'programs': {'train': {'minimize': 'mean(square(seen + w))', 'epochs': 1},
                         'test': {'report': {'zero': 'sum(x, axis=[1]) * 0'}}},
            'data': {'train': {'format': 'npy', 'x': 'x.npy'}},
        }
        spec.update(more)
        return self.write('model.json', spec)

    def save(self, name, array):
        np.save(self.folder / name, array)

    def seen(self, spec, x, program='train', *arguments):
        self.save('input.npy', x)
        self.run_command('predict', spec, '--program', program, '--node', 'seen', '--input', 'x=input.npy', '--output', 'seen.npy',
                         '--batch', len(x), *arguments, check=0)
        return np.load(self.folder / 'seen.npy')

    def test_statistics_are_those_of_the_training_examples(self):
        x = np.random.default_rng(1).normal(3, 5, (50, 2, 9, 7)).astype('f4')
        x[:, 1, 0, 0] = 4  # does not vary
        self.save('x.npy', x)
        wide = x.astype('f8')
        for extent, axes in (('all', (0, 1, 2, 3)), ('channel', (0, 2, 3)), ('element', (0,))):
            with self.subTest(extent):
                spec = self.spec([{'standardize': extent}])
                self.run_command('train', spec, '-o', extent, '--quiet', check=0)
                state = state_of(self.folder / extent / 'last.safetensors')
                deviation = wide.std(axis=axes)
                deviation = np.where(deviation > 0, deviation, 1)
                np.testing.assert_allclose(state['x.mean'], wide.mean(axis=axes), rtol=1e-6)  # f32
                np.testing.assert_allclose(state['x.deviation'], deviation, rtol=1e-6)
                keep = [1 if d in axes else n for d, n in enumerate(x.shape)]
                expected = (x[:5] - state['x.mean'].reshape(keep)) / state['x.deviation'].reshape(keep)
                # The same for data that was not trained on, from the weights alone.
                np.testing.assert_allclose(self.seen(spec, x[:5], 'train', '--weights', self.folder / extent / 'best.safetensors'),
                                           expected, rtol=1e-6, atol=1e-6)

    def test_statistics_leave_out_the_validation_split(self):
        self.save('x.npy', 2.0 ** np.arange(10, dtype='f4'))
        spec = self.spec([{'center': 'all'}], 'N', data={'train': {'format': 'npy', 'x': 'x.npy'}, 'validation': {'fraction': 0.3}},
                         programs={'train': {'minimize': 'mean(square(seen + w))', 'epochs': 1}})
        self.run_command('train', spec, '-o', 'run', '--quiet', check=0)
        total = float(state_of(self.folder / 'run' / 'last.safetensors')['x.mean']) * 7
        self.assertEqual(bin(round(total)).count('1'), 7)  # a sum of seven of the powers of two
        self.assertAlmostEqual(total, round(total), 3)

    def two_inputs(self, test='sum(b, axis=[1]) * 0'):
        """Programs `first` and `second` read one standardized input each, `test` both or what it is told."""
        rng = np.random.default_rng(7)
        a, b = rng.normal(3, 5, (40, 2)).astype('f4'), rng.normal(-2, 0.5, (40, 2)).astype('f4')
        self.save('a.npy', a)
        self.save('b.npy', b)
        inputs = {name: {'type': 'f32[N,2]', 'prepare': [{'standardize': 'channel'}]} for name in 'ab'}
        split = {'format': 'npy', 'a': 'a.npy', 'b': 'b.npy'}
        spec = {'inputs': inputs, 'parameters': {'w': {'type': 'f32[]', 'init': 0}},
                'graph': [{'name': 'see_a', 'value': 'a * 1'}, {'name': 'see_b', 'value': 'b * 1'}],
                'programs': {'first': {'minimize': 'mean(square(see_a + w))'}, 'second': {'minimize': 'mean(square(see_b + w))'},
                             'test': {'report': {'zero': test}}},
                'plan': [{'program': 'first', 'epochs': 1}], 'data': {'train': split}}
        return spec, split, a.astype('f8'), b.astype('f8')

    def test_weights_of_a_run_that_did_not_read_an_input_do_not_set_its_statistics(self):
        spec, split, a, b = self.two_inputs()
        path = self.write('two.json', spec)
        train = ['train', path, '--epochs', 1]
        self.run_command(*train, '--program', 'first', '-o', 'first', check=0)
        weights = self.folder / 'first' / 'last.safetensors'
        done = self.run_command(*train, '--program', 'second', '--weights', weights, '-o', 'second', check=0)
        self.assertIn('nothing had set `b.mean`, `b.deviation` there', done.stderr)
        state = state_of(self.folder / 'second' / 'last.safetensors')
        np.testing.assert_allclose(state['b.mean'], b.mean(0), rtol=1e-6)  # f32
        np.testing.assert_allclose(state['b.deviation'], b.std(0), rtol=1e-6)
        np.testing.assert_allclose(state['a.mean'], a.mean(0), rtol=1e-6)  # of the first run
        # What reads `b` refuses weights for which nothing did; what reads `a` alone takes them.
        arguments = ['predict', path, '--weights', weights]
        refused = self.run_command(*arguments, '--program', 'second', '--node', 'see_b', '--input', 'b=b.npy', check=1)
        self.assertIn('nothing has set `b.mean`', refused.stderr)
        self.run_command(*arguments, '--program', 'first', '--node', 'see_a', '--input', 'a=a.npy', check=0)
        self.run_command('eval', path, '--weights', weights, '--split', 'train', check=1)
        self.run_command('eval', path, '--weights', self.folder / 'second' / 'last.safetensors', '--split', 'train', check=0)
        # A third run, resumed by the other program: set before its first step.
        self.run_command(*train, '--program', 'first', '-o', 'third', check=0)
        self.run_command('train', path, '--epochs', 2, '--program', 'second', '-o', 'third', '--resume', check=0)
        np.testing.assert_allclose(state_of(self.folder / 'third' / 'last.safetensors')['b.mean'], b.mean(0), rtol=1e-6)

    def test_statistics_of_what_only_evaluation_reads(self):
        spec, split, a, b = self.two_inputs()
        spec['data']['test'] = split
        self.run_command('train', self.write('two.json', spec), '-o', 'run', check=0)
        np.testing.assert_allclose(state_of(self.folder / 'run' / 'last.safetensors')['b.mean'], b.mean(0), rtol=1e-6)
        spec['data']['train'] = {'format': 'npy', 'a': 'a.npy'}
        done = self.run_command('train', self.write('two.json', spec), '-o', 'other', check=1)
        self.assertIn('`b`', done.stderr)
        self.assertFalse((self.folder / 'other').exists())

    def test_the_same_bits_on_any_number_of_threads_and_after_a_resumption(self):
        self.save('x.npy', np.random.default_rng(2).normal(size=(300, 2, 9, 7)).astype('f4'))
        steps = [{'standardize': 'channel'}, {'shift': [2, 1]}, {'flip': 'vertical'}, {'cutout': 3}, {'noise': 0.1}, {'mixup': 0.3}]
        spec = self.spec(steps)
        for run, threads, epochs in (('a', 1, 3), ('b', 2, 3), ('c', 2, 1)):
            self.run_command('train', spec, '-o', run, '--threads', threads, '--epochs', epochs, '--quiet', check=0)
        self.run_command('train', spec, '-o', 'c', '--epochs', 3, '--resume', '--quiet', check=0)
        first = (self.folder / 'a' / 'last.safetensors').read_bytes()
        self.assertEqual(first, (self.folder / 'b' / 'last.safetensors').read_bytes())
        self.assertEqual(first, (self.folder / 'c' / 'last.safetensors').read_bytes())

    def test_random_steps_are_the_identity_in_evaluation(self):
        x = np.random.default_rng(3).normal(size=(8, 2, 9, 7)).astype('f4')
        spec = self.spec([{'shift': 2}, {'flip': 'horizontal'}, {'cutout': 3}, {'noise': 1}, {'mixup': 1}],
                         programs={'test': {'report': {'seen': 'seen'}}})
        np.testing.assert_array_equal(self.seen(spec, x, 'test'), x)

    def test_shift_moves_each_example_and_brings_in_zeros(self):
        x = np.random.default_rng(4).normal(size=(200, 2, 9, 7)).astype('f4')
        seen = self.seen(self.spec([{'shift': [2, 1]}]), x)
        padded = np.pad(x, [(0, 0), (0, 0), (2, 2), (1, 1)])
        counts = {}
        for i in range(200):
            found = [(dy, dx) for dy in range(5) for dx in range(3)
                     if np.array_equal(seen[i], padded[i, :, dy:dy + 9, dx:dx + 7])]
            self.assertEqual(len(found), 1)
            counts[found[0]] = counts.get(found[0], 0) + 1
        self.assertEqual(len(counts), 15)  # a way that 200 draws of 15 miss has probability 15 · (14/15)^200 < 2e-5
        self.assertLess(max(counts.values()), 40)

    def test_flip_mirrors_about_half(self):
        x = np.random.default_rng(5).normal(size=(200, 2, 9, 7)).astype('f4')
        for word, axis in (('horizontal', 3), ('vertical', 2)):
            seen = self.seen(self.spec([{'flip': word}]), x)
            mirrored = [np.array_equal(seen[i], np.flip(x, axis)[i]) for i in range(200)]
            self.assertTrue(all(m or np.array_equal(seen[i], x[i]) for i, m in enumerate(mirrored)))
            self.assertTrue(60 < sum(mirrored) < 140)  # 5.6 deviations

    def test_cutout_is_a_square_cut_at_the_border(self):
        seen = self.seen(self.spec([{'cutout': 3}]), np.ones((300, 2, 9, 7), 'f4'))
        corners = 0
        for image in seen:
            np.testing.assert_array_equal(image[0], image[1])
            rows, columns = np.nonzero((image[0] == 0).any(1))[0], np.nonzero((image[0] == 0).any(0))[0]
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            self.assertEqual((image[0] == 0).sum(), height * width)  # a full box
            self.assertTrue(height == 3 or rows[0] == 0 or rows[-1] == 8)
            self.assertTrue(width == 3 or columns[0] == 0 or columns[-1] == 6)
            self.assertLessEqual(max(height, width), 3)
            corners += (height, width) == (2, 2)
        self.assertGreater(corners, 3)  # probability 4/63 each

    def test_noise_has_its_deviation(self):
        seen = self.seen(self.spec([{'noise': 0.5}]), np.zeros((200, 2, 9, 7), 'f4'))
        self.assertAlmostEqual(seen.std(), 0.5, 2)
        self.assertAlmostEqual(seen.mean(), 0, 2)

    def test_mixup_mixes_inputs_and_labels_in_one_proportion(self):
        x = np.random.default_rng(6).normal(size=(8, 3)).astype('f4')
        spec = self.write('mix.json', {
            'variables': {'strength': 0.3},
            'inputs': {'x': {'type': 'f32[N,3]', 'prepare': [{'mixup': 'strength', 'with': 'label'}]},
                       'label': {'type': 'i32[N]', 'prepare': [{'one_hot': 8}]}},
            'parameters': {'w': {'type': 'f32[]', 'init': 0}},
            'graph': [{'name': 'both', 'value': 'concatenate(x, label, axis=1)'}],
            'programs': {'train': {'minimize': 'mean(both + w)'}}})
        self.save('x.npy', x)
        self.save('label.npy', np.arange(8, dtype='i4'))
        shares = []
        for strength in ('0.3', '1', '20'):
            self.run_command('predict', spec, '--program', 'train', '--node', 'both', '--input', 'x=x.npy', '--input', 'label=label.npy',
                             '--output', 'both.npy', '--set', 'variables.strength=' + strength, check=0)
            both = np.load(self.folder / 'both.npy')
            share = both[0, 3]
            np.testing.assert_allclose(both[:, 3:], share * np.eye(8) + (1 - share) * np.eye(8)[::-1], atol=1e-6)
            np.testing.assert_allclose(both[:, :3], share * x + (1 - share) * x[::-1], atol=1e-6)
            shares.append(share)
        self.assertEqual(len(set(shares)), 3)

    def test_the_proportion_of_mixup_is_beta_distributed(self):
        """The formula of the pipeline over many draws: mean 1/2, variance 1 / (4 (2α + 1))."""
        # Each batch holds one pair (1, 0): its first example becomes the share, or 1 − it; squared, the variance shows.
        self.save('x.npy', np.array([[0, 1], [0, 0]], 'f4'))
        for a in (0.2, 1, 4):
            path = self.write('beta.json', {
                'inputs': {'x': {'type': 'f32[N,2]', 'prepare': [{'mixup': a}]}},
                'parameters': {'w': {'type': 'f32[]', 'init': 0}},
                'graph': [{'name': 'share', 'value': 'sum(x, axis=1)'}],
                'programs': {'train': {'minimize': 'mean(share) * w', 'report': {'square': 'square(share - 0.5)'},
                                       'optimizer': 'sgd', 'batch': 2}},
                'data': {'train': {'format': 'npy', 'x': 'x.npy'}}})
            self.run_command('train', path, '-o', 'beta', '--epochs', '3000', '--quiet', check=0)
            lines = [json.loads(line) for line in (self.folder / 'beta' / 'metrics.jsonl').read_text().splitlines()]
            squares = [line['train']['square'] for line in lines if 'train' in line and line['event'] == 'epoch']
            self.assertEqual(len(squares), 3000)
            self.assertAlmostEqual(np.mean(squares), 1 / (4 * (2 * a + 1)), delta=0.008)  # deviation of the mean < 0.002


class Mistakes(CommandTest):
    def test_each_is_told_at_its_place(self):
        def error(x, label='"i32[N]"'):
            path = self.write('bad.json', '{ "inputs": { "x": %s,\n "label": %s },\n "graph": [ { "name": "y", "value": "1 * x" } ] }'
                              % (x, label))
            return self.run_command('check', path, check=1).stderr.splitlines()[0]

        image = '{ "type": "f32[N,3,8,8]", "prepare": [ %s ] }'
        self.assertIn('1:61: error: input `x`: unknown step `shfit`; did you mean `shift`?', error(image % '{ "shfit": 2 }'))
        self.assertIn('shift: by up to 8 leaves nothing of 8 pixels', error(image % '{ "shift": 8 }'))
        self.assertIn('shift: 3 numbers for the 2 spatial dimensions of f32[N,3,8,8]', error(image % '{ "shift": [1, 2, 3] }'))
        self.assertIn('flip: unknown word `horizontl`; did you mean `horizontal`?', error(image % '{ "flip": "horizontl" }'))
        self.assertIn('`cutout` is a step of its own', error(image % '{ "shift": 1, "cutout": 2 }'))
        self.assertIn('cutout must be a positive integer, got 0', error(image % '{ "cutout": 0 }'))
        self.assertIn('mixup must be greater than 0 and at most 1e6, got -1', error(image % '{ "mixup": -1 }'))
        self.assertIn('mixup must be the last step', error(image % '{ "mixup": 1 }, { "shift": 1 }'))
        self.assertIn('mixup: `with` names `lable`, which is no other input; did you mean `label`?',
                      error(image % '{ "mixup": 1, "with": "lable" }'))
        self.assertIn('mixup: needs a float, got i32[N]', error(image % '{ "mixup": 1, "with": "label" }'))
        self.assertIn('standardize: must be the first step of `x`', error(image % '{ "flip": "vertical" }, { "standardize": "all" }'))
        self.assertIn('shift: needs an input [N, channels, spatial…], got f32[N,64]',
                      error('{ "type": "f32[N,64]", "prepare": [ { "shift": 1 } ] }'))
        self.assertIn('one_hot: needs integers, got f32[N,3,8,8]', error(image % '{ "one_hot": 3 }'))
        self.assertIn('center: needs a float, got i32[N]', error('"f32[N]"', '{ "type": "i32[N]", "prepare": [ { "center": "all" } ] }'))
        self.assertIn('a step is an object such as { "shift": 2 }, got "shift"', error(image % '"shift"'))


if __name__ == '__main__':
    unittest.main()
