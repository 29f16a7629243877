"""Training runs through `gradc train`: what a run directory holds, same bits, resuming, interrupts, bad data."""
import gzip
import json
import os
import pathlib
import signal
import struct
import subprocess
import time
import unittest
import unittest.mock

from support import EXAMPLES, GRADC, CommandTest

# 40 examples, a convolution, a pooling, two products: every kind of kernel, and a last batch of 8.
SMALL = {
    'gradc': 1,
    'name': 'small',
    'inputs': {'image': 'f32[N,1,28,28]', 'label': 'i32[N]'},
    'graph': [
        {'op': 'conv2d', 'name': 'conv', 'x': 'image', 'filters': 4, 'kernel': 4, 'stride': 2},
        {'op': 'relu'},
        {'op': 'max_pool2d', 'window': 2},
        {'op': 'flatten'},
        {'op': 'linear', 'name': 'hidden', 'units': 17},
        {'op': 'relu'},
        {'op': 'linear', 'name': 'logits', 'units': 10},
    ],
    'programs': {
        'train': {
            'minimize': 'mean(softmax_cross_entropy(logits, label))',
            'optimizer': {'kind': 'adam', 'learning_rate': 0.003},
            'epochs': 3,
            'batch': 16,
        },
        'test': {'report': {'accuracy': 'argmax(logits, axis=1) == label'}},
    },
    'data': {
        'train': {'generate': {'kind': 'glyphs', 'examples': 40, 'seed': 1}},
        'test': {'generate': {'kind': 'glyphs', 'examples': 30, 'seed': 2}},
    },
}


class Training(CommandTest):
    def train(self, run, *arguments, spec=SMALL, check=0):
        path = self.write('model.json', spec) if isinstance(spec, dict) else spec
        return self.run_command('train', path, '-o', run, '--seed', '5', *arguments, check=check)

    def bits(self, run):
        return (self.folder / run / 'last.safetensors').read_bytes()

    def metrics(self, run):
        return [json.loads(line) for line in (self.folder / run / 'metrics.jsonl').read_text().splitlines()]

    def test_a_run_tells_each_epoch_and_its_end(self):
        self.train('run')
        epochs = self.metrics('run')
        end = epochs.pop()
        self.assertEqual(end['event'], 'end')
        self.assertEqual([(e['event'], e['epoch'], e['step']) for e in epochs],
                         [('epoch', 1, 3), ('epoch', 2, 6), ('epoch', 3, 9)])  # 16 + 16 + 8 examples
        for e in epochs:
            self.assertGreater(e['seconds'], 0)
            self.assertGreater(e['train']['loss'], 0)
            self.assertEqual(e['test']['accuracy'] * 30, round(e['test']['accuracy'] * 30))
        self.assertLess(epochs[-1]['train']['loss'], epochs[0]['train']['loss'])
        for name in ('last.safetensors', 'best.safetensors', 'spec.json'):
            self.assertTrue((self.folder / 'run' / name).is_file(), name)

    def test_the_same_bits_on_any_number_of_threads(self):
        # The first run compiles, the others load what it has kept.
        cache = unittest.mock.patch.dict(os.environ, {'XDG_CACHE_HOME': str(self.folder / 'cache')})
        cache.start()
        self.addCleanup(cache.stop)
        self.train('one', '--threads', '1')
        for run, arguments in (('again', ['--threads', '1']), ('two', ['--threads', '2']), ('three', ['--threads', '3'])):
            self.train(run, *arguments)
            self.assertEqual(self.bits(run), self.bits('one'), run)
        self.run_command('train', 'model.json', '-o', 'other', '--seed', '6', check=0)
        self.assertNotEqual(self.bits('other'), self.bits('one'))

    def test_a_resumed_run_gives_the_bits_of_one_that_was_not_stopped(self):
        self.train('whole')
        self.train('parts', '--epochs', '1')
        self.assertNotEqual(self.bits('parts'), self.bits('whole'))
        self.train('parts', '--resume')
        self.assertEqual(self.bits('parts'), self.bits('whole'))

    def test_an_interrupt_finishes_the_step_and_leaves_a_checkpoint(self):
        spec = dict(SMALL, data=dict(SMALL['data'], train={'generate': {'kind': 'glyphs', 'examples': 4000, 'seed': 1}}))
        path = self.write('model.json', spec)
        process = subprocess.Popen([GRADC, 'train', path, '-o', 'run', '--epochs', '1000'], cwd=self.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        metrics = self.folder / 'run' / 'metrics.jsonl'
        until = time.monotonic() + 60
        while not (metrics.is_file() and metrics.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, output)
        self.run_command('eval', 'model.json', '--weights', 'run/last.safetensors', check=0)

    def test_the_drawn_spiral_is_learned(self):
        self.train('run', spec=EXAMPLES / 'spiral.json')
        epochs = [e for e in self.metrics('run') if e['event'] == 'epoch']
        self.assertLess(epochs[-1]['train']['loss'], 0.2 * epochs[0]['train']['loss'])


def idx(dtype, shape, content):
    return struct.pack('>BBBB', 0, 0, dtype, len(shape)) + struct.pack(f'>{len(shape)}I', *shape) + content


class BadData(CommandTest):
    """A mistake in a file is told with its name, exits with 1 and leaves no run behind."""

    def setUp(self):
        super().setUp()
        spec = dict(SMALL, data={'train': {'format': 'idx', 'image': 'images.gz', 'label': 'labels.gz'}})
        self.write('model.json', spec)
        self.images = gzip.compress(idx(8, (4, 28, 28), bytes(range(196)) * 16))
        self.labels = gzip.compress(idx(8, (4,), bytes([1, 2, 3, 4])))

    def said(self, images, labels, *arguments):
        (self.folder / 'images.gz').write_bytes(images)
        (self.folder / 'labels.gz').write_bytes(labels)
        done = self.run_command('train', 'model.json', '-o', 'run', '--data', '.', '--epochs', '1', *arguments)
        if done.returncode != 0:
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertFalse((self.folder / 'run' / 'last.safetensors').exists())
        return done.stderr

    def test_good_files_train(self):
        self.said(self.images, self.labels)
        self.assertTrue((self.folder / 'run' / 'last.safetensors').exists())

    def test_truncated_and_corrupt_archives(self):
        self.assertIn('images.gz', self.said(self.images[:-20], self.labels))
        self.assertIn('labels.gz', self.said(self.images, b'not an archive'))
        self.assertIn('labels.gz', self.said(self.images, b''))

    def test_counts_that_differ(self):
        message = self.said(self.images, gzip.compress(idx(8, (3,), bytes([1, 2, 3]))))
        self.assertIn('4', message)
        self.assertIn('3', message)

    def test_labels_out_of_range(self):
        self.assertIn('10', self.said(self.images, gzip.compress(idx(8, (4,), bytes([1, 2, 3, 10])))))

    def test_a_missing_folder(self):
        done = self.run_command('train', 'model.json', '-o', 'run', '--data', 'nowhere', check=1)
        self.assertIn('nowhere', done.stderr)

    @unittest.skipUnless(os.path.exists('/proc/self'), 'no /proc')
    def test_a_run_directory_that_cannot_be(self):
        self.said(self.images, self.labels)
        done = self.run_command('train', 'model.json', '-o', '/proc/run', '--data', '.', check=1)
        self.assertIn('/proc/run', done.stderr)

    def test_weights_of_another_model(self):
        other = json.loads(json.dumps(SMALL))
        other['graph'][4]['units'] = 19
        self.write('other.json', other)
        self.run_command('train', 'other.json', '-o', 'other', '--epochs', '1', check=0)
        self.write('model.json', SMALL)
        before = pathlib.Path(self.folder / 'other' / 'last.safetensors').read_bytes()
        done = self.run_command('eval', 'model.json', '--weights', 'other/last.safetensors', check=1)
        self.assertIn('hidden.weight', done.stderr)
        self.assertEqual(pathlib.Path(self.folder / 'other' / 'last.safetensors').read_bytes(), before)


if __name__ == '__main__':
    unittest.main()
