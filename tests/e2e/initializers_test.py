"""Parameters that begin as arrays of files: .npy, .npz, and what gradc itself wrote; and what wrong files are told."""
import unittest

from support import CommandTest

try:
    import numpy
except ImportError:
    numpy = None


def spec(init, kind='f32[3]'):
    return {'gradc': 1, 'name': 'm', 'inputs': {'x': 'f32[]'}, 'parameters': {'w': {'type': kind, 'init': init}},
            'graph': [{'name': 'y', 'value': 'x * w'}],
            'programs': {'train': {'minimize': 'sum(y)', 'optimizer': {'kind': 'sgd', 'learning_rate': 1}, 'epochs': 1, 'batch': 1}},
            'data': {'train': {'format': 'npy', 'x': 'x.npy'}}}


@unittest.skipIf(numpy is None, 'NumPy is not installed')
class FileInitializers(CommandTest):
    def y(self, init, kind='f32[3]'):
        nodes, _ = self.trace(spec(init, kind), '--input', 'x=2')
        return numpy.array(nodes['y']['value']).flatten().tolist()

    def error(self, init, kind='f32[3]'):
        return self.run_command('check', self.write('wrong.json', spec(init, kind)), check=1).stderr

    def test_numpy_arrays(self):
        numpy.save(self.folder / 'w.npy', numpy.array([1, 2, 3], dtype=numpy.float32))
        numpy.savez(self.folder / 'w.npz', a=numpy.zeros(3), b=numpy.array([4.0, 5.0, 6.0]))
        self.assertEqual(self.y({'file': 'w.npy'}), [2, 4, 6])
        self.assertEqual(self.y({'file': 'w.npz', 'name': 'b'}), [8, 10, 12])
        self.assertEqual(self.y({'file': str(self.folder / 'w.npy')}), [2, 4, 6])

    def test_what_was_trained_is_a_start(self):
        numpy.save(self.folder / 'x.npy', numpy.array([3], dtype=numpy.float32))
        path = self.write('model.json', {**spec([1, 1, 1]), 'inputs': {'x': 'f32[N]'}, 'graph': [{'name': 'y', 'value': 'outer(x, w)'}]})
        self.run_command('train', path, '-o', 'run', '--data', self.folder, '--quiet', check=0)
        self.assertEqual(self.y({'file': 'run/last.safetensors', 'name': 'w'}), [-4, -4, -4])  # 2 (1 - 3)

    def test_the_resolved_spec_finds_the_file_from_elsewhere(self):
        numpy.save(self.folder / 'w.npy', numpy.array([1, 2, 3], dtype=numpy.float32))
        resolved = self.run_command('check', self.write('model.json', spec({'file': 'w.npy'})), '--resolved', check=0).stdout
        self.run_command('check', self.write('elsewhere/model.json', resolved), check=0)

    def test_wrong_files(self):
        numpy.save(self.folder / 'w.npy', numpy.zeros(4, dtype=numpy.float32))
        numpy.savez(self.folder / 'w.npz', a=numpy.zeros(3))
        self.write('w.txt', '1 2 3')
        self.write('broken.npy', 'no array')
        for init, message in [
            ({'file': 'w.npy'}, 'the initial elements are f32[4], the parameter is f32[3]'),
            ({'file': 'v.npy'}, 'v.npy: cannot open: No such file'),
            ({'file': 'w.npz'}, 'holds several arrays; give `name`'),
            ({'file': 'w.npz', 'name': 'b'}, '`b`'),
            ({'file': 'w.txt'}, 'is no .npy, .npz or .safetensors file'),
            ({'file': 'broken.npy'}, 'broken.npy'),
            ({'name': 'a'}, 'must have `file`'),
        ]:
            with self.subTest(init):
                error = self.error(init)
                self.assertIn(message, error)
                self.assertRegex(error, r'\Awrong\.json:\d+:\d+: error: |/wrong\.json:\d+:\d+: error: ')


if __name__ == '__main__':
    unittest.main()
