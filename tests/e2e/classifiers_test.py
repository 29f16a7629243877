"""The small classifiers of examples/ reach what examples/README.md says."""
import json
import unittest

from support import EXAMPLES, MNIST, CommandTest


class Classifiers(CommandTest):
    def reports(self, name, *arguments):
        """The test reports after training."""
        self.run_command('train', EXAMPLES / f'{name}.json', '-o', name, '--seed', 0, '--quiet', *arguments, check=0)
        lines = (self.folder / name / 'metrics.jsonl').read_text().splitlines()
        return json.loads(lines[-2])['test']

    @unittest.skipUnless(MNIST.exists(), 'mnist-10k is missing')
    def test_linear_classifiers_tell_nine_digits_of_ten(self):
        for name, least in [('softmax-regression', 0.90), ('linear-svm', 0.89), ('logistic-regression', 0.88), ('perceptron', 0.82)]:
            with self.subTest(name):
                self.assertGreaterEqual(self.reports(name, '--data', MNIST)['accuracy'], least)

    @unittest.skipUnless(MNIST.exists(), 'mnist-10k is missing')
    def test_the_original_lenet_learns_digits(self):
        self.assertGreaterEqual(self.reports('lenet5-1998', '--data', MNIST, '--epochs', 3)['accuracy'], 0.94)

    def test_linear_classifiers_fail_on_the_spiral(self):
        reports = self.reports('spiral-linear')
        self.assertEqual({'loss', 'softmax', 'svm', 'logistic', 'perceptron'}, set(reports))
        for name in ('softmax', 'svm', 'logistic', 'perceptron'):
            self.assertGreater(reports[name], 0.4)
            self.assertLess(reports[name], 0.6)

    def test_kernel_units_and_learned_units_solve_the_rings(self):
        reports = self.reports('rbf-network')
        self.assertGreaterEqual(reports['kernel_accuracy'], 0.99)
        self.assertGreaterEqual(reports['learned_accuracy'], 0.99)


if __name__ == '__main__':
    unittest.main()
