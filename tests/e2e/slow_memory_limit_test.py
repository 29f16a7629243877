"""GoogLeNet at batch 32 in 60 % of the memory that it takes by default: the same bits."""
import re
import unittest

from support import EXAMPLES, CommandTest

try:
    import numpy
except ImportError:
    numpy = None


@unittest.skipIf(numpy is None, 'NumPy is not installed')
class GoogLeNet(CommandTest):
    SPEC = EXAMPLES / 'googlenet.json'

    def memory(self, *arguments):
        text = self.run_command('dump', self.SPEC, '--stage', 'memory', '--program', 'train', '--batch', 32, *arguments, check=0).stdout
        return sum(int(word) for word in re.findall(r'\d+', text.splitlines()[0]))

    def train(self, run, *arguments):
        self.run_command('train', self.SPEC, '--data', self.folder, '-o', run, '--epochs', 1, '--batch', 32, '--seed', 1, '--quiet',
                         *arguments, check=0)
        return (self.folder / run / 'last.safetensors').read_bytes()

    def test_sixty_percent(self):
        random = numpy.random.default_rng(1)
        numpy.save(self.folder / 'images.npy', random.normal(size=(64, 3, 224, 224)).astype(numpy.float32))
        numpy.save(self.folder / 'labels.npy', numpy.arange(64, dtype=numpy.int32))
        default = self.memory()
        limit = default * 6 // 10
        self.assertLessEqual(self.memory('--memory-limit', limit), limit)
        self.assertEqual(self.train('limited', '--memory-limit', limit), self.train('whole'))
        refused = self.run_command('train', self.SPEC, '--data', self.folder, '-o', 'none', '--batch', 32, '--memory-limit',
                                   default // 100, check=1)
        self.assertRegex(refused.stderr, r'googlenet.json:\d+:\d+: error: the program `train` needs \d+ bytes of memory at least')


if __name__ == '__main__':
    unittest.main()
