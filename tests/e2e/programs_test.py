"""Several programs in one model: plans, kills in any stage, what is trained by whom; weights of other models; reports;
watching."""
import json
import signal
import subprocess
import time
import unittest

import numpy as np

from support import GRADC, SOURCE, CommandTest

TWO = {
    'name': 'two',
    'inputs': {'x': 'f32[N,2]', 'label': 'i32[N]'},
    'graph': [
        {'op': 'linear', 'name': 'hidden', 'x': 'x', 'units': 16}, {'op': 'relu', 'name': 'active'},
        {'op': 'dropout', 'rate': 0.1},
        {'op': 'linear', 'name': 'logits', 'units': 3}],
    'outputs': {'logits': 'logits'},
    'programs': {
        'top': {'minimize': 'mean(softmax_cross_entropy(logits, label))', 'parameters': 'logits.*',
                'optimizer': {'kind': 'adam', 'learning_rate': {'schedule': 'cosine', 'start': 0.05, 'epochs': 4}}},
        'train': {'minimize': 'mean(softmax_cross_entropy(logits, label))', 'accumulate': 2,
                  'optimizer': {'kind': 'rmsprop', 'clip_norm': 1, 'momentum': 0.5,
                                'learning_rate': {'schedule': 'plateau', 'start': 0.02, 'patience': 0, 'factor': 0.5}}},
        'test': {'report': {
            'accuracy': 'argmax(logits, axis=1) == label',
            'perplexity': {'value': 'softmax_cross_entropy(logits, label)', 'reduce': 'exp_mean'},
            'worst': {'value': 'softmax_cross_entropy(logits, label)', 'reduce': 'max'},
            'confusion': {'value': 'logits', 'target': 'label', 'reduce': 'confusion'}}}},
    'plan': [{'program': 'top', 'epochs': 3, 'batch': 30},
             {'alternate': {'train': 2, 'top': 1}, 'name': 'both', 'epochs': 4}],
    'data': {'train': {'generate': {'kind': 'spiral', 'examples': 300, 'seed': 1}},
             'test': {'generate': {'kind': 'spiral', 'examples': 90, 'seed': 2}}, 'batch': 16}}


def tensors(path):
    """Of a safetensors file, by name."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], 'little')
    header = json.loads(raw[8:8 + length])
    header.pop('__metadata__', None)
    kinds = {'F32': np.float32, 'F64': np.float64, 'I64': np.int64, 'U32': np.uint32}
    return {name: np.frombuffer(raw[8 + length:][slice(*entry['data_offsets'])], kinds[entry['dtype']]).reshape(entry['shape'])
            for name, entry in header.items()}


class ProgramsTest(CommandTest):
    def train(self, run, *arguments, spec=TWO, check=0, **options):
        self.write('model.json', spec)
        return self.run_command('train', 'model.json', '-o', run, '--quiet', *arguments, check=check, **options)

    def state(self, run, name='last'):
        return tensors(self.folder / run / f'{name}.safetensors')

    def lines(self, run, event='epoch'):
        lines = [json.loads(line) for line in (self.folder / run / 'metrics.jsonl').read_text().splitlines()]
        for line in lines:
            line.pop('seconds')
        return [line for line in lines if line['event'] == event]

    def same_state(self, one, other):
        a, b = self.state(one), self.state(other)
        self.assertEqual(sorted(a), sorted(b))
        for name, value in a.items():
            self.assertEqual(value.tobytes(), b[name].tobytes(), name)

    def test_predict_hands_out_what_has_a_value_for_each_example(self):
        np.save(self.folder / 'x.npy', np.array([[1., 2], [3, 4]]))  # as many examples as `h` has rows
        spec = {'inputs': {'x': 'f64[N,2]'}, 'graph': [{'name': 's', 'value': 'sum(square(x))'}, {'name': 'row', 'value': 'x[:, 0]'}],
                'parameters': {'w': {'type': 'f64[2]', 'init': 1}}, 'outputs': {'s': 's', 'row': 'row', 'h': 'hessian(sum(w ** 3), w)'}}
        self.write('model.json', spec)
        done = self.run_command('predict', 'model.json', '--input', 'x=x.npy', check=0)
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], [{'row': 1.0}, {'row': 3.0}])
        self.assertIn('note: the output `s` is f64[], `h` is f64[2,2], not a value for each example; left out', done.stderr)
        refused = self.run_command('predict', 'model.json', '--input', 'x=x.npy', '--node', 's', check=1)
        self.assertIn('`s` is f64[], not a value for each example', refused.stderr)

    def test_stages_train_what_they_name(self):
        self.train('run')
        lines = self.lines('run')
        self.assertEqual([line['stage'] for line in lines], ['top'] * 3 + ['both'] * 4)
        self.assertEqual(lines[0]['programs'], ['top'])
        self.assertIn('loss', lines[0]['train'])
        self.assertEqual(lines[3]['programs'], ['train', 'top'])
        self.assertEqual(sorted(lines[3]['train']), ['top.loss', 'train.loss'])
        # 19 batches of 16: six rounds of three and one step more.
        state = self.state('run')
        self.assertEqual(int(state['step']), 3 * 10 + 4 * 19)
        self.assertEqual(int(state['top.step']), 3 * 10 + 4 * 6)
        self.assertEqual(int(state['train.step']), 4 * 13)
        self.assertIn('logits.weight.top.m', state)
        self.assertIn('logits.weight.train.square', state)
        self.assertNotIn('hidden.weight.top.m', state)
        self.assertLess(lines[-1]['test']['loss'], lines[0]['test']['loss'])

    def test_what_a_program_does_not_name_stays(self):
        self.train('none', '--set', 'plan.0.epochs=1', '--set', 'plan=[{"program": "top", "epochs": 1}]')
        self.train('more', '--set', 'plan=[{"program": "top", "epochs": 5}]')
        before, after = self.state('none'), self.state('more')
        self.assertTrue((before['hidden.weight'] == after['hidden.weight']).all())
        self.assertTrue((before['logits.weight'] != after['logits.weight']).any())

    def test_the_same_bits_after_a_kill_in_any_stage(self):
        self.train('whole')
        self.write('model.json', TWO)
        for stage in ('top', 'both'):
            run = f'killed-{stage}'
            with self.subTest(stage=stage):
                process = subprocess.Popen([GRADC, 'train', 'model.json', '-o', run, '--quiet'], cwd=self.folder)
                metrics = self.folder / run / 'metrics.jsonl'
                until = time.monotonic() + 60
                while process.poll() is None and time.monotonic() < until:
                    if metrics.is_file() and f'"stage":"{stage}"' in metrics.read_text():
                        break
                    time.sleep(0.0005)
                process.send_signal(signal.SIGKILL)
                process.wait()
                self.train(run, '--resume', '--threads', 2)
                self.same_state('whole', run)
                self.assertEqual(self.lines('whole'), self.lines(run))

    def test_several_programs_without_a_plan(self):
        spec = dict(TWO)
        del spec['plan']
        said = self.train('run', spec=spec, check=1).stderr
        self.assertIn('has several programs that train, `top`, `train`; say their order in `plan`', said)
        self.train('run', '--program', 'top', '--epochs', 1, spec=spec)
        said = self.train('other', '--epochs', 3, check=1).stderr
        self.assertIn("--epochs can't say how long each stage of the plan is", said)

    def test_mistakes_in_a_plan(self):
        for stage, wanted in (({'program': 'tpo'}, "no program is named `tpo`; did you mean `top`?"),
                              ({'program': 'test'}, 'the program `test` does not train'),
                              ({'program': 'top', 'alternate': {'top': 1}}, 'either `program` or `alternate`'),
                              ({'alternate': {'top': 0}}, '`top`'),
                              ({'program': 'top', 'epohs': 1}, '`epohs`'),
                              ({'program': 'top', 'monitor': 'acuracy'}, 'no program reports `acuracy`; did you mean `accuracy`?')):
            with self.subTest(stage=stage):
                said = self.train('run', spec=dict(TWO, plan=[stage]), check=1).stderr
                self.assertIn(wanted, said)
                self.assertRegex(said, r'model.json:1:\d+: error: ')

    def test_mistakes_in_optimizers_and_reports(self):
        cosine = {'schedule': 'cosine', 'start': 0.1, 'epochs': 3}
        mistakes = [
            ({'optimizer': {'kind': 'sgd', 'learning_rate': dict(cosine, schedule='cosin')}}, 'unknown schedule `cosin`; did you mean `cosine`?'),
            ({'optimizer': {'kind': 'sgd', 'learning_rate': dict(cosine, steps=4)}}, 'cosine has both `epochs` and `steps`'),
            ({'optimizer': {'kind': 'sgd', 'learning_rate': {'schedule': 'cosine', 'start': 0.1}}}, 'cosine needs `epochs` or `steps`, its length'),
            ({'optimizer': {'kind': 'sgd', 'learning_rate': dict(cosine, end=-1)}}, 'sgd: `learning_rate` must be 0 or more, got -1 (`end` of the schedule)'),
            ({'optimizer': {'kind': 'sgd', 'learning_rate': dict(cosine, warm_up={'epoch': 1})}}, '`epoch`'),
            ({'optimizer': {'kind': 'sgd', 'momentum': {'schedule': 'plateau', 'start': 0.5}}}, '`momentum` can\'t follow `plateau`'),
            ({'optimizer': {'kind': 'rmsprop', 'alpha': 1.5}}, 'rmsprop: `alpha` must be at least 0 and less than 1, got 1.5'),
            ({'optimizer': {'kind': 'adagrad', 'clip_norm': -1}}, 'adagrad: `clip_norm` must be 0 or more, got -1'),
            ({'accumulate': 0}, '`accumulate`'),
            ({'monitor': {'highest': 'a', 'lowest': 'b'}}, '`monitor` needs either `highest` or `lowest`'),
            ({'report': {'r': {'value': 'logits', 'reduce': 'avg'}}}, 'unknown reduction `avg`'),
            ({'report': {'r': {'value': 'logits', 'reduce': 'confusion'}}}, 'needs `target`'),
            ({'report': {'r': {'value': 'logits', 'target': 'sum(x, axis=1)', 'reduce': 'confusion'}}}, 'confusion: its target must be classes'),
            ({'optimizer': {'kind': 'sgd', 'nesterov': True}}, '`nesterov` looks ahead along the momentum, and `momentum` is 0'),
            ({'report': {'r': {'value': 'sum(x)', 'weight': 'label'}}}, 'a weighted report takes a value for each example'),
            ({'report': {'r': {'value': 'label', 'weight': 'x'}}}, 'the weight, f32[N,2], does not broadcast to the value, i32[N]'),
            ({'report': {'r': {'value': 'x', 'weight': 'logits'}}}, 'the weight, f32[N,3], does not broadcast to the value, f32[N,2]'),
            ({'report': {'r': {'value': 'x', 'weight': 'x', 'reduce': 'max'}}}, 'unknown key `weight`'),
            ({'report': {'r': {'value': 'label', 'target': 'label', 'reduce': 'confusion'}}}, 'say how many `classes` there are'),
        ]
        for more, wanted in mistakes:
            with self.subTest(wanted):
                spec = dict(TWO, programs={'train': dict({'minimize': 'mean(softmax_cross_entropy(logits, label))'}, **more)})
                del spec['plan']
                self.write('model.json', spec)
                said = self.run_command('check', 'model.json', check=1).stderr
                self.assertIn(wanted, said)
                self.assertRegex(said, r'model.json:1:\d+: error: ')

    def test_weights_of_another_model_are_taken_where_they_match(self):
        self.train('first')
        wide = json.loads(json.dumps(TWO))
        wide['graph'][3]['units'] = 5
        wide['freeze'] = 'hidden.*'
        wide['programs'] = {'train': {'minimize': 'mean(softmax_cross_entropy(logits, label))', 'epochs': 1}}
        del wide['plan']
        self.write('model.json', wide)
        done = self.run_command('train', 'model.json', '-o', 'second', '--weights', 'first/last.safetensors', check=0)
        self.assertIn('2 arrays taken, 2 of the model\'s left as initialised', done.stderr)
        self.assertIn('`logits.weight` is f32[3,16] in the file, f32[5,16] in the model', done.stderr)
        taken, now = self.state('first'), self.state('second')
        self.assertTrue((taken['hidden.weight'] == now['hidden.weight']).all())
        strict = self.run_command('train', 'model.json', '--weights', 'first/last.safetensors', '--strict', check=1)
        self.assertIn("the weights don't fit the model", strict.stderr)
        other = json.loads(json.dumps(wide).replace('hidden', 'first').replace('logits', 'last'))
        self.write('model.json', other)
        nothing = self.run_command('train', 'model.json', '--weights', 'first/last.safetensors', check=1)
        self.assertIn('the file has no `first.weight`', nothing.stderr)

    def test_reports_by_their_own_reductions(self):
        self.train('run')
        weights = ('--weights', 'run/last.safetensors')
        found = json.loads(self.run_command('eval', 'model.json', *weights, '--json', check=0).stdout)
        self.run_command('predict', 'model.json', *weights, '--node', 'logits', '--output', 'logits.npy', check=0)
        logits = np.load(self.folder / 'logits.npy').astype(np.float64)
        label = np.arange(90) % 3  # as the generator draws them
        entropy = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(90), label]
        self.assertAlmostEqual(found['accuracy'], (logits.argmax(axis=1) == label).mean(), places=6)
        self.assertAlmostEqual(found['perplexity'], np.exp(entropy.mean()), places=4)
        self.assertAlmostEqual(found['worst'], entropy.max(), places=4)
        counts = np.zeros((3, 3), int)
        np.add.at(counts, (label, logits.argmax(axis=1)), 1)
        self.assertEqual(found['confusion'], counts.tolist())
        self.assertEqual(self.lines('run')[-1]['test']['confusion'], counts.tolist())
        text = self.run_command('eval', 'model.json', *weights, check=0).stdout.splitlines()
        at = text.index('test confusion, true classes down, predicted across')
        self.assertEqual([[int(n) for n in line.split()] for line in text[at + 2:]],
                         [[i, *row] for i, row in enumerate(counts.tolist())])
        self.assertEqual(len({len(line) for line in text[at + 1:]}), 1)

    def test_weighted_reports_do_not_depend_on_batches(self):
        random = np.random.default_rng(2)
        x, t = random.normal(size=(37, 5)).astype('f'), random.integers(0, 2, (37, 5)).astype('i')
        w = random.integers(0, 4, (37, 5)).astype('f') * (np.arange(5) < random.integers(0, 6, (37, 1)))
        x[w == 0] = np.inf  # what does not count may be anything
        for name, array in (('x', x), ('t', t), ('w', w)):
            np.save(self.folder / f'{name}.npy', array.astype('i' if name == 't' else 'f'))
        spec = self.write('weighted.json', {
            'inputs': {'x': 'f32[N,5]', 't': 'i32[N,5]', 'w': 'f32[N,5]'},
            'parameters': {'b': {'type': 'f32[]', 'init': 1}},
            'graph': [{'name': 'd', 'value': 'x - cast(t, dtype=f32)'}],
            'outputs': {'d': 'd'},
            'programs': {'train': {'minimize': 'b ** 2 + 0 * sum(w)', 'optimizer': 'sgd', 'epochs': 1}, 'test': {'report': {
                'mean': {'value': 'd', 'weight': 'w'},
                'rmse': {'value': 'square(d)', 'weight': 'w', 'reduce': 'sqrt_mean'},
                'perplexity': {'value': 'd', 'weight': 'w > 0', 'reduce': 'exp_mean'},
                'right': {'value': '(x > 0) == (t > 0)', 'weight': 'w'},
                'rows': {'value': 'x * 0 + 2', 'weight': 'cast(w > 1, dtype=i32)'},
                'nothing': {'value': 'd', 'weight': 'w * 0'}}}},
            'data': {split: {'format': 'npy', 'x': 'x.npy', 't': 't.npy', 'w': 'w.npy'} for split in ('train', 'test')}})
        counted = w > 0
        d, v = (x - t)[counted].astype('d'), w[counted].astype('d')
        expected = {'mean': (v * d).sum() / v.sum(), 'rmse': np.sqrt((v * d**2).sum() / v.sum()), 'perplexity': np.exp(d.mean()),
                    'right': (v * ((x > 0) == (t > 0))[counted]).sum() / v.sum(), 'rows': 2}
        for batch in (1, 8, 37):
            run = f'run-{batch}'
            self.run_command('train', spec, '-o', run, '--data', '.', '--batch', batch, '--quiet', check=0)
            found = self.lines(run)[-1]['test']
            for name, value in expected.items():
                self.assertAlmostEqual(found[name], value, delta=1e-6 * abs(value), msg=name)  # values are f32
            self.assertIsNone(found['nothing'])

    def test_watching_changes_no_bit_of_the_training(self):
        self.train('plain')
        self.train('watched', '--watch', '*.weight', '--watch', 'active')
        self.same_state('plain', 'watched')
        self.assertNotIn('watch', self.lines('plain')[0])
        first = self.lines('watched')[0]['watch']
        self.assertEqual(sorted(first), ['active', 'logits.weight'])
        self.assertEqual(sorted(first['logits.weight']), ['gradient', 'norm', 'update', 'zeros'])
        self.assertEqual(sorted(first['active']), ['gradient', 'norm', 'zeros'])
        # Of a rectifier some units are silent, of a layer's weights none is 0.
        self.assertTrue(0.1 < first['active']['zeros'] < 0.9)
        self.assertEqual(first['logits.weight']['zeros'], 0)
        both = self.lines('watched')[-1]['watch']
        self.assertIn('train.hidden.weight', both)
        self.assertIn('top.logits.weight', both)
        said = self.train('wrong', '--watch', 'hiden.*', check=1).stderr
        self.assertIn('--watch: `hiden.*` matches no parameter and no named value', said)

    def test_watched_numbers_are_those_of_the_step(self):
        spec = {'inputs': {'x': 'f64[N]'}, 'parameters': {'w': {'type': 'f64[2]', 'init': [3, 0]}},
                'graph': [{'name': 'y', 'value': 'w * mean(x)'}],
                'programs': {'train': {'minimize': 'sum(square(y))', 'optimizer': {'kind': 'sgd', 'learning_rate': 0.125}, 'epochs': 1}},
                'data': {'train': {'format': 'csv', 'x': 'x.csv'}, 'batch': 2}}
        self.write('x.csv', '1\n3\n')
        self.train('run', '--watch', '*', spec=spec)
        watch = self.lines('run')[0]['watch']
        # y = (6, 0), dL/dy = (12, 0), dL/dw = (24, 0), and 0.125 of it is the whole of w.
        self.assertEqual(watch['w'], {'norm': 3, 'gradient': 24, 'update': 1, 'zeros': 0.5})
        self.assertEqual(watch['y'], {'norm': 6, 'gradient': 12, 'zeros': 0.5})

    def test_plateaus_are_pytorch_s(self):
        """Rates as tests/golden/optimizers.py has them of PyTorch, one step an epoch, the metric from a table."""
        lines = (SOURCE / 'tests/golden/optimizers.txt').read_text().splitlines()
        metric = next([float(n) for n in line.split()[1:]] for line in lines if line.startswith('metric '))
        cases = [line.split(' | ') for line in lines if line.startswith('plateau ')]
        self.assertEqual(len(cases), 4)
        self.write('x.csv', '1\n1\n')
        for name, schedule, rates in cases:
            monitor = {'highest' if 'highest' in name else 'lowest': 'm'}
            spec = {'inputs': {'x': 'f64[N]'}, 'parameters': {'w': {'type': 'f64[1]', 'init': 'zeros'}},
                    'constants': {'table': {'type': f'f64[{len(metric)}]', 'value': metric}},
                    'programs': {'train': {
                        'minimize': 'sum(w) * mean(x)', 'epochs': len(metric), 'monitor': monitor,
                        'optimizer': {'kind': 'sgd', 'learning_rate': json.loads(schedule)},
                        'report': {'m': 'gather(table, cast(step, dtype=i32))', 'now': 'sum(w)'}}},
                    'data': {'train': {'format': 'csv', 'x': 'x.csv'}, 'batch': 2}}
            with self.subTest(name):
                self.train(name.split()[1], spec=spec)
                weights = [line['train']['now'] for line in self.lines(name.split()[1])]
                weights.append(self.state(name.split()[1])['w'][0])
                found = [a - b for a, b in zip(weights, weights[1:])]
                np.testing.assert_allclose(found, [float(n) for n in rates.split()], atol=1e-12)

    def test_early_stopping_from_spec_and_command(self):
        spec = json.loads(json.dumps(TWO))
        del spec['plan'], spec['programs']['top']
        spec['programs']['train'].update(monitor='accuracy', patience=2, epochs=200)
        self.train('spec', spec=spec)
        end = self.lines('spec', 'end')[0]
        accuracy = [line['test']['accuracy'] for line in self.lines('spec')]
        self.assertEqual(end['reason'], 'early stopping')
        self.assertEqual(end['best']['value'], max(accuracy))
        self.assertEqual(len(accuracy), accuracy.index(max(accuracy)) + 3)
        self.train('command', '--monitor', 'lowest=accuracy', '--patience', 1, spec=spec)
        self.assertEqual(self.lines('command', 'end')[0]['best']['value'], min(line['test']['accuracy'] for line in self.lines('command')))
        said = self.train('wrong', '--monitor', 'acuracy', spec=spec, check=1).stderr
        self.assertIn('no program reports `acuracy`; did you mean `accuracy`?', said)


if __name__ == '__main__':
    unittest.main()
