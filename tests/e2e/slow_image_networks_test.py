"""The large networks of examples/ take steps on one batch of noise, and their loss falls."""
import json
import os
import unittest

from support import EXAMPLES, CommandTest

try:
    import numpy
except ImportError:
    numpy = None

# Image size, examples, and what is set besides: dropout off, so that the loss of a batch is comparable from step to step, and
# a rate for a batch so small.
NETWORKS = {
    'alexnet': (227, 4, {'variables.drop': 0, 'programs.train.optimizer.learning_rate': 0.01}),
    'nin': (32, 8, {'variables.drop': 0, 'programs.train.optimizer.learning_rate': 0.001}),
    'vgg16': (224, 2, {'variables.drop': 0, 'programs.train.optimizer.learning_rate': 0.00001}),
    'googlenet': (224, 2, {'variables.drop': 0, 'programs.train.optimizer.learning_rate': 0.005}),
    'resnet18': (224, 2, {'programs.train.optimizer.learning_rate': 0.01}),
}
ONLY = os.environ.get('GRADC_NETWORK')  # one of them


@unittest.skipIf(numpy is None, 'NumPy is not installed')
class LargeNetworks(CommandTest):
    def losses(self, name, size, count, given):
        random = numpy.random.default_rng(1)
        numpy.save(self.folder / 'images.npy', random.normal(size=(count, 3, size, size)).astype(numpy.float32))
        numpy.save(self.folder / 'labels.npy', numpy.arange(count, dtype=numpy.int32))
        settings = [argument for key, value in given.items() for argument in ('--set', f'{key}={value}')]
        self.run_command('train', EXAMPLES / f'{name}.json', '--data', self.folder, '-o', name, '--epochs', 3, '--batch', count,
                         '--seed', 1, '--quiet', *settings, check=0)
        lines = (self.folder / name / 'metrics.jsonl').read_text().splitlines()
        return [json.loads(line)['train']['loss'] for line in lines[:3]]

    def test_two_steps_make_the_loss_fall(self):
        for name, (size, count, given) in NETWORKS.items():
            if ONLY not in (None, name):
                continue
            with self.subTest(name):
                first, second, third = self.losses(name, size, count, given)
                self.assertLess(second, first)
                self.assertLess(third, second)


if __name__ == '__main__':
    unittest.main()
