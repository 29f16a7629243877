"""--memory-limit: programs keep to it by computing again, with the same bits, or say what they need at least."""
import re
import unittest

from support import CommandTest

# Convolutions with what a network puts between them: enough that is cheap to compute again, and enough that is not.
SPEC = {
    'gradc': 1,
    'name': 'small',
    'inputs': {'image': 'f32[N,1,28,28]', 'label': 'i32[N]'},
    'blocks': {'unit': {'arguments': {'filters': None}, 'graph': [
        {'op': 'conv2d', 'name': 'conv', 'filters': 'filters', 'kernel': 3, 'padding': 1},
        {'op': 'batch_norm', 'name': 'norm'},
        {'op': 'gelu'},
        {'op': 'dropout', 'rate': 0.1},
    ]}},
    'graph': [
        {'block': 'unit', 'name': 'a', 'x': 'image', 'filters': 8},
        {'block': 'unit', 'name': 'b', 'filters': 8},
        {'op': 'max_pool2d', 'window': 2},
        {'block': 'unit', 'name': 'c', 'filters': 16},
        {'block': 'unit', 'name': 'd', 'filters': 16},
        {'op': 'max_pool2d', 'window': 2},
        {'op': 'flatten'},
        {'op': 'linear', 'name': 'logits', 'units': 10},
    ],
    'outputs': {'probability': 'softmax(logits)'},
    'programs': {'train': {
        'minimize': 'mean(softmax_cross_entropy(logits, label))',
        'optimizer': {'kind': 'sgd', 'learning_rate': 0.05, 'momentum': 0.9},
        'epochs': 1, 'batch': 32}},
    'data': {'train': {'format': 'idx', 'image': 'images', 'label': 'labels',
                       'generate': {'kind': 'glyphs', 'examples': 64, 'seed': 1}}},
}


class MemoryLimit(CommandTest):
    def setUp(self):
        super().setUp()
        self.write('small.json', SPEC)

    def memory(self, *arguments):
        """Bytes of arena, one worker and state that the training program takes, by the first line of the dump."""
        text = self.run_command('dump', 'small.json', '--stage', 'memory', '--program', 'train', *arguments, check=0).stdout
        return sum(int(word) for word in re.findall(r'\d+', text.splitlines()[0]))

    def train(self, run, *arguments):
        self.run_command('train', 'small.json', '-o', run, '--seed', 3, '--quiet', *arguments, check=0)
        return (self.folder / run / 'last.safetensors').read_bytes()

    def least(self):
        done = self.run_command('train', 'small.json', '-o', 'none', '--memory-limit', 1000, check=1)
        return done.stderr, int(re.search(r'needs (\d+) bytes', done.stderr)[1])

    def test_a_limit_below_the_default_trains_to_the_same_bits(self):
        default = self.memory()
        whole = self.train('whole')
        for share in (0.9, 0.6):
            with self.subTest(share):
                limit = int(share * default)
                self.assertLessEqual(self.memory('--memory-limit', limit), limit)
                self.assertEqual(self.train(f'share-{share}', '--memory-limit', limit), whole)

    def test_rungs_and_levels_give_the_same_bits(self):
        whole = self.train('whole')
        for rung in (1, 2, 3, 5, 7, 10):
            with self.subTest(rung):
                self.assertEqual(self.train(f'rung-{rung}', '--rematerialize', rung), whole)
        self.assertEqual(self.train('unfused', '--rematerialize', 2, '--optimize', 0), whole)
        self.assertEqual(self.train('threads', '--rematerialize', 7, '--threads', 2), whole)

    def test_what_is_needed_at_least(self):
        message, least = self.least()
        self.assertRegex(message, r'small.json:\d+:\d+: error: the program `train` needs \d+ bytes of memory at least')
        self.assertIn('--memory-limit allows 1000', message)
        self.assertLess(least, self.memory())
        self.assertEqual(self.memory('--memory-limit', least), least)
        self.run_command('dump', 'small.json', '--stage', 'memory', '--program', 'train', '--memory-limit', least - 1, check=1)
        self.assertFalse((self.folder / 'none').exists())


if __name__ == '__main__':
    unittest.main()
