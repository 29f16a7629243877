"""Splits by seed: folds, bootstrap samples, held-out fractions; and evaluation over several trained states."""
import json
import unittest

import numpy as np

from support import CommandTest


class Resample(CommandTest):
    """The data is the powers of two, so that a sum of examples says which they are: the objective's gradient is their mean."""

    def setUp(self):
        super().setUp()
        np.save(self.folder / 'x.npy', 2.0 ** np.arange(13))

    def spec(self, data):
        return self.write('model.json', {
            'inputs': {'x': 'f64[N]'}, 'parameters': {'w': {'type': 'f64[]', 'init': 0}},
            'graph': [{'name': 'y', 'value': 'x + 0 * w'}],
            'programs': {'train': {'minimize': 'mean(y) + 0 * w', 'report': {'x': 'x'}, 'batch': 64, 'epochs': 1},
                         'test': {'report': {'x': 'x'}}},
            'data': {'train': {'format': 'npy', 'x': 'x.npy'}, **data}})

    def metrics(self, spec, *arguments):
        self.run_command('train', spec, '-o', 'run', '--quiet', *arguments, check=0)
        return json.loads((self.folder / 'run' / 'metrics.jsonl').read_text().splitlines()[0])

    def members(self, mean, count):
        """The examples of a split, each so often: digits of the sum by the powers of two, where each is there once."""
        total = round(mean * count)
        self.assertAlmostEqual(total, mean * count, 6)
        return {i for i in range(13) if total >> i & 1}

    def test_folds_partition_the_data(self):
        spec = self.spec({'resample': {'kind': 'k_fold', 'folds': 5, 'seed': 3}})
        seen = []
        for fold, count in enumerate((3, 3, 3, 2, 2)):
            line = self.metrics(spec, '--set', f'data.resample.fold={fold}', '--seed', fold)
            validation, train = self.members(line['validation']['x'], count), self.members(line['train']['x'], 13 - count)
            self.assertEqual((len(validation), len(train)), (count, 13 - count))
            self.assertFalse(validation & train)
            seen += validation
            for split, held in (('validation', validation), ('train', train)):
                done = self.run_command('eval', spec, '--weights', 'run/last.safetensors', '--split', split, '--json',
                                        '--set', f'data.resample.fold={fold}', check=0)
                self.assertEqual(self.members(json.loads(done.stdout)['x'], len(held)), held)
        self.assertEqual(sorted(seen), list(range(13)))
        self.assertNotEqual(seen, sorted(seen))

    def test_bootstrap_draws_with_replacement_by_its_seed(self):
        np.save(self.folder / 'x.npy', np.eye(40))
        columns = {f'x{i}': f'x[:, {i}]' for i in range(40)}
        spec = self.write('bootstrap.json', {
            'inputs': {'x': 'f64[N,40]'}, 'parameters': {'w': {'type': 'f64[]', 'init': 0}},
            'graph': [{'name': 'y', 'value': 'x * 1'}],
            'programs': {'train': {'minimize': 'mean(y) + 0 * w', 'batch': 64, 'epochs': 1, 'report': columns}, 'test': {'report': columns}},
            'data': {'train': {'format': 'npy', 'x': 'x.npy'}, 'resample': {'kind': 'bootstrap', 'seed': 0}}})
        draws = {}
        for seed, run in ((1, 0), (2, 0), (1, 7)):
            line = self.metrics(spec, '--set', f'data.resample.seed={seed}', '--seed', run)
            counts = [round(line['train'][f'x{i}'] * 40) for i in range(40)]
            self.assertEqual(sum(counts), 40)
            never = [i for i in range(40) if counts[i] == 0]
            self.assertGreater(max(counts), 1)
            self.assertTrue(8 <= len(never) <= 22)  # 40/e = 14.7 expected, deviation 1.9
            self.assertEqual([i for i in range(40) if line['validation'][f'x{i}'] > 0], never)
            draws[seed, run] = counts
        self.assertNotEqual(draws[1, 0], draws[2, 0])
        self.assertEqual(draws[1, 0], draws[1, 7])  # by its own seed, not the run's

    def test_eval_knows_which_examples_a_run_held_out(self):
        spec = self.spec({'validation': {'fraction': 0.3}})
        line = self.metrics(spec, '--seed', 5)
        for split in ('train', 'validation'):
            done = self.run_command('eval', spec, '--weights', 'run/best.safetensors', '--split', split, '--json', check=0)
            self.assertAlmostEqual(json.loads(done.stdout)['x'], line[split]['x'], 9)

    def test_validation_reads_what_its_program_reads(self):
        np.save(self.folder / 'label.npy', np.arange(13.0))
        np.save(self.folder / 'few.npy', np.array([3.0, 5.0]))
        files = {'format': 'npy', 'x': 'x.npy', 'label': 'label.npy'}
        for data, mean in (({'validation': {'format': 'npy', 'x': 'few.npy', 'label': 'few.npy'}}, 4.0),
                           ({'train': files, 'validation': {'fraction': 0.3}}, None),
                           ({'train': files, 'resample': {'kind': 'k_fold', 'folds': 5}}, None)):
            spec = json.loads(self.spec(data).read_text())
            spec['inputs']['label'] = 'f64[N]'
            spec['programs']['test']['report'] = {'label': 'label', 'x': 'x'}
            line = self.metrics(self.write('model.json', spec))['validation']
            if mean is None:  # example i is 2**i
                count = 4 if 'validation' in data else 3
                self.assertAlmostEqual(line['label'] * count, sum(self.members(line['x'], count)), 6)
            else:
                self.assertEqual(line['label'], mean)

    def test_mistakes(self):
        def error(data):
            return self.run_command('check', self.spec(data), check=1).stderr.splitlines()[0]
        self.assertIn('`fold` is 5, the 5 folds are 0 to 4', error({'resample': {'kind': 'k_fold', 'fold': 5}}))
        self.assertIn('`folds` must be at least 2, got 1', error({'resample': {'kind': 'k_fold', 'folds': 1}}))
        self.assertIn('unknown kind `kfold`; did you mean `k_fold`?', error({'resample': {'kind': 'kfold'}}))
        self.assertIn('unknown key `fold`', error({'resample': {'kind': 'bootstrap', 'fold': 1}}))
        self.assertIn('but `validation` asks for a `fraction` too',
                      error({'resample': {'kind': 'bootstrap'}, 'validation': {'fraction': 0.1}}))
        spec = self.spec({'resample': {'kind': 'k_fold', 'folds': 14}})
        self.assertIn("error: 13 examples can't be cut into 14 folds", self.run_command('train', spec, check=1).stderr)


class Ensemble(CommandTest):
    def setUp(self):
        super().setUp()
        self.spec = self.write('model.json', {
            'inputs': {'x': 'f32[N,2]', 'label': 'i32[N]'},
            'graph': [{'op': 'linear', 'name': 'hidden', 'x': 'x', 'units': 8}, {'op': 'tanh'},
                      {'op': 'linear', 'name': 'logits', 'units': 3}, {'name': 'probability', 'value': 'softmax(logits)'}],
            'outputs': {'chance': 'probability'},
            'programs': {'train': {'minimize': 'mean(softmax_cross_entropy(logits, label))', 'epochs': 2, 'optimizer': 'adam'},
                         'test': {'report': {'accuracy': 'argmax(probability, axis=1) == label', 'surest': 'max(probability, axis=[1])'}},
                         'other': {'report': {'right': 'argmax(logits, axis=1) == label'}}},
            'data': {'train': {'generate': {'kind': 'spiral', 'examples': 300}, },
                     'test': {'generate': {'kind': 'spiral', 'examples': 101, 'seed': 9}},
                     'resample': {'kind': 'bootstrap'}}})
        self.weights = []
        for member in range(3):
            self.run_command('train', self.spec, '-o', f'run{member}', '--seed', member, '--set', f'data.resample.seed={member}', '--quiet',
                             check=0)
            self.weights.append(f'run{member}/last.safetensors')

    def predict(self, weights, *arguments):
        self.run_command('predict', self.spec, '--weights', *weights, '--output', 'y.npy', *arguments, check=0)
        return np.load(self.folder / 'y.npy')

    def test_is_the_mean_of_its_members(self):
        single = [self.predict([weights]) for weights in self.weights]
        self.assertFalse(np.allclose(single[0], single[1]))
        mean = np.mean(np.array(single, 'f8'), axis=0)
        np.testing.assert_array_equal(self.predict(self.weights), mean.astype('f4'))
        label = np.arange(101) % 3
        done = self.run_command('eval', self.spec, '--weights', *self.weights, '--json', check=0)
        metrics = json.loads(done.stdout)
        self.assertEqual(sorted(metrics), ['accuracy', 'surest'])  # the loss does not follow from probabilities
        self.assertAlmostEqual(metrics['accuracy'], (mean.argmax(1) == label).mean(), 6)
        self.assertAlmostEqual(metrics['surest'], mean.max(1).mean(), 6)

    def test_averages_the_nodes_that_are_named(self):
        logits = np.mean([self.predict([weights], '--node', 'logits', '--program', 'test') for weights in self.weights], axis=0)
        done = self.run_command('eval', self.spec, '--program', 'other', '--average', 'logits', '--weights', *self.weights, '--json', check=0)
        metrics = json.loads(done.stdout)
        label = np.arange(101) % 3
        self.assertAlmostEqual(metrics['right'], (logits.argmax(1) == label).mean(), 6)
        largest = logits.max(1, keepdims=True)
        loss = np.log(np.exp(logits - largest).sum(1)) + largest[:, 0] - logits[np.arange(101), label]
        self.assertAlmostEqual(metrics['loss'], loss.mean(), 5)

    def test_mistakes(self):
        def error(*arguments):
            return self.run_command('eval', self.spec, *arguments, '--weights', *self.weights, check=1).stderr
        self.assertIn('--average logit: the program `test` computes no such node; did you mean `logits`?', error('--average', 'logit'))
        self.assertIn('the report `right` of program `other` does not follow from the averages of `hidden`',
                      error('--program', 'other', '--average', 'hidden'))
        self.assertIn('no output is a node that the program `other` computes', error('--program', 'other'))


if __name__ == '__main__':
    unittest.main()
