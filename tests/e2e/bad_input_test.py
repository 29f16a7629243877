"""What a user may do wrong: each mistake exits with 1, says where it is and what is wrong, and writes nothing."""
import copy
import json
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import unittest

from support import GRADC, CommandTest

# One node a line, so that a position is easy to name: the graph begins in line 5.
TEXT = '''{
"gradc": 1, "name": "m",
"inputs": { "x": "f32[N,4]", "label": "i32[N]" },
"graph": [
{ "op": "linear", "name": "hidden", "x": "x", "units": 5 },
{ "op": "relu" },
{ "op": "linear", "name": "logits", "units": 3 }
],
"outputs": { "p": "softmax(logits)" },
"programs": {
"train": { "minimize": "mean(softmax_cross_entropy(logits, label))",
"optimizer": { "kind": "sgd", "learning_rate": 0.1 }, "epochs": 2, "batch": 8 },
"test": { "report": { "accuracy": "argmax(logits, axis=1) == label" } } },
"data": {
"train": { "format": "npy", "x": "x.npy", "label": "label.npy" },
"test": { "format": "npy", "x": "x.npy", "label": "label.npy" } }
}
'''
CONVOLUTION = '''{ "gradc": 1, "name": "m", "inputs": { "x": "f32[N,3,5,5]" },
"graph": [
{ "op": "conv2d", "name": "c", "x": "x", "filters": 4,
"kernel": KERNEL }
], "outputs": { "y": "c" } }
'''


def npy(kind, shape, content):
    header = repr({'descr': kind, 'fortran_order': False, 'shape': shape}).encode()
    header += b' ' * (117 - len(header)) + b'\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + content


class BadInput(CommandTest):
    def setUp(self):
        super().setUp()
        self.inputs(20)

    def inputs(self, count, value=None, labels=None):
        values = [((7 * i) % 11 - 5) / 4 for i in range(4 * count)]
        if value is not None:
            values[14] = value
        labels = [i % 3 for i in range(count)] if labels is None else labels
        (self.folder / 'x.npy').write_bytes(npy('<f4', (count, 4), struct.pack(f'<{len(values)}f', *values)))
        (self.folder / 'label.npy').write_bytes(npy('<i4', (len(labels),), struct.pack(f'<{len(labels)}i', *labels)))

    def listing(self):
        return {str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else None
                for path in self.folder.rglob('*')}

    def refused(self, *arguments, says=(), at=None, **options):
        """Runs gradc, which must exit with 1, say these words (at this place) and leave all files as they are."""
        before = self.listing()
        done = self.run_command(*arguments, check=1, **options)
        self.assertIn('error: ', done.stderr)
        if at:
            self.assertIn(f'{at}: error: ', done.stderr)
            self.assertIn('^', done.stderr)
        for word in says:
            self.assertIn(word, done.stderr)
        self.assertEqual(self.listing(), before)
        return done.stderr

    def refused_spec(self, text, at=None, says=(), command='check', arguments=()):
        if isinstance(text, bytes):
            (self.folder / 'm.json').write_bytes(text)
        else:
            self.write('m.json', text)
        return self.refused(command, 'm.json', *arguments, at=at and f'm.json:{at}', says=says)


class BadSpec(BadInput):
    def replaced(self, old, new):
        self.assertIn(old, TEXT)
        return TEXT.replace(old, new, 1)

    def test_text_that_is_no_json(self):
        for text, at in (('', '1:1'), ('  \n', '2:1'), ('{', '1:2'), (TEXT[:200], None), (TEXT + 'x', '18:1'),
                         (b'\0' * 40, '1:1'), (bytes(range(256)), '1:1'), (b'{"gradc":1,"name":"\xff"}', '1:20')):
            self.refused_spec(text, at)
        for text in ('[1]', '"x"', 'null', '3', '{}'):
            self.refused_spec(text, '1:1')

    def test_what_is_no_json_is_named(self):
        for value, column, says in (('NaN', 46, 'JSON has no number `NaN`'), ('-Infinity', 46, 'no number `-Infinity`'),
                                    ('True', 46, 'did you mean `true`?'), ('five', 46, '`five` is no JSON value; a string stands in'),
                                    ("'5'", 46, 'a string stands in double quotes')):
            self.refused_spec(self.replaced('"units": 3', f'"units": {value}'), f'7:{column}', [says])
        message = self.refused_spec(self.replaced('"units": 3 }', '"units": 3, }'), '7:49', ['expected string literal'])
        self.assertNotIn('last read', message)
        self.assertIn('there is no text in it', self.refused_spec('', '1:1'))

    def test_control_characters_of_a_spec_do_not_reach_the_terminal(self):
        self.assertNotIn('\x1b', self.refused_spec(b'\x1b[2J{'))

    def test_deep_nesting(self):
        for text in ('[' * 100000, '{"a":' * 100000, '{"name":' + '[' * 100000 + ']' * 100000 + '}'):
            self.refused_spec(text, says=['nested deeper than'])

    def test_a_key_given_twice(self):
        message = self.refused_spec('{"gradc": 1,\n"name": "a",\n"name": "b"}', '3:1', ['duplicate key `name`'])
        self.assertIn('m.json:2:1: note', message)

    def test_numbers_beyond_a_double(self):
        self.refused_spec(self.replaced('"units": 5', '"units": 1e999'), '5:56', ['1e999'])

    def test_unknown_words_get_the_nearest_known_one(self):
        for old, new, at, says in (
                ('"relu"', '"relo"', '6:9', '`relu`'),
                ('"relu"', '"ReLU"', '6:9', '`relu`'),
                ('"linear"', '"linaer"', '5:9', '`linear`'),
                ('"units"', '"unit"', '5:47', '`units`'),
                ('"graph"', '"grahp"', '4:1', '`graph`'),
                ('"x": "x"', '"x": "labl"', '5:43', '`label`'),
                ('"sgd"', '"sdg"', '12:24', '`sgd`'),
                ('"sgd"', '"lion"', '12:24', 'known: adagrad, adam, adamw, rmsprop, sgd'),
                ('"learning_rate"', '"learning_rat"', '12:31', '`learning_rate`'),
                ('"units": 5', '"units": 5, "init": "nromal(0, 1)"', '5:68', '`normal`'),
                ('mean(', 'maen(', '11:25', '`mean`'),
                ('argmax(logits', 'argmax(logit', '13:43', '`logits`'),
                ('"f32[N,4]"', '"f23[N,4]"', '3:19', 'f32'),
                ('"op": "relu"', '"opp": "relu"', '6:3', 'unknown key `opp`; did you mean `op`?'),
                ('"minimize"', '"minimise"', '11:12', '`minimize`'),
                ('"units": 5', '"units": 5, "init": "he"', '5:68', 'known: constant, glorot_normal, glorot_uniform, he_normal'),
                ('"units": 5', '"units": 5, "init": "xavier_uniform"', '5:68', 'here it is `glorot_uniform`'),
                ('"outputs"', '"freeze": [ "logits.*", "hiden.*" ], "outputs"', '9:25', '`hiden.*` matches no parameter'),
                ('"outputs"', '"regularize": [ { "l2": 1, "on": "*.wieght" } ], "outputs"', '9:34', '`*.wieght`'),
                ('"npy"', '"nyp"', None, 'npy')):
            command = 'train' if new == '"nyp"' else 'check'
            self.refused_spec(self.replaced(old, new), at, [says], command)

    def test_cycles(self):
        self.refused_spec(self.replaced('"x": "x"', '"x": "logits"'), '5:1', ['cycle: ', 'hidden', 'logits'])
        self.refused_spec(self.replaced('"relu"', '"relu", "name": "r", "x": "r"'), '6:1', ['cycle: r'])
        node = '{ "block": "b", "name": "inner" }'
        block = f'"graph": [\n{{ "block": "b", "name": "z", "x": "x" }},'
        for extra, says in (('', 'does it contain itself'), ('"args": {}, ', 'unknown key `args`')):
            self.refused_spec(self.replaced('"graph": [', f'"blocks": {{ "b": {{ {extra}"graph": [ {node} ] }} }},\n{block}'),
                              says=[says])

    def test_shapes_that_do_not_fit(self):
        node = '{{ "name": "q", "value": "{}" }},\n{{ "op": "relu"'
        for value, at, says in (('x + hidden', '6:28', ['f32[N,4]', 'f32[N,5]', 'm.json:3:13: note', 'm.json:5:1: note']),
                                ('x @ hidden', '6:28', ['f32[N,4]', 'f32[N,5]']),
                                ('x + label', '6:28', ['f32[N,4]', 'i32[N]']),
                                ('reshape(x, shape=[2,3])', '6:26', ['f32[N,4]', '[2,3]']),
                                ('sum(x, axis=5)', '6:26', ['axis 5', '2 dimensions'])):
            self.refused_spec(self.replaced('{ "op": "relu"', node.format(value)), at, says)
        self.refused_spec(self.replaced('mean(softmax', '(softmax'), '11:24', ['scalar', 'f32[N]'])

    def test_given_elements_that_do_not_fit(self):
        message = self.refused_spec(self.replaced('"units": 5', '"units": 5, "bias_init": [1, 2]'), '5:72',
                                    ['linear: `bias_init`', '[2]', 'f32[5]'])
        self.assertEqual(message.count('error: '), 1, message)

    def test_functions_are_checked_where_nothing_uses_them(self):
        for body, says in (('{ "operands": ["a"], "value": "a * sigmoid(b)" }', 'unknown name `b`; a function reads its operands'),
                           ('{ "operands": ["a", "a"], "value": "a" }', '`a` twice'),
                           ('{ "operands": [], "value": "1" }', 'no operands'),
                           ('{ "operands": ["a"], "value": "a", "gradient": { "a": "cotangnt" } }', '`cotangent`')):
            self.refused_spec(self.replaced('"graph": [', f'"functions": {{ "f": {body} }}, "graph": ['), says=[says])
        good = '{ "operands": ["a"], "arguments": { "s": 1 }, "value": "s * cast(a, dtype=f64) + pi * width" }'
        self.write('m.json', self.replaced('"graph": [', f'"variables": {{ "width": 2 }}, "functions": {{ "f": {good} }}, "graph": ['))
        self.run_command('check', 'm.json', check=0)

    def test_numbers_of_a_generator(self):
        for option, at, says in (('"examples": 1e15', '14:70', 'examples is 1e+15, not a whole number from 1 to 100000000'),
                                 ('"seed": 1.5', '14:66', 'seed is 1.5'), ('"noise": -1', '14:67', 'noise is -1'),
                                 ('"classes": 1', '14:69', 'classes is 1'), ('"sed": 1', '14:58', '`seed`')):
            self.refused_spec(self.replaced('"data": {', f'"data": {{ "validation": {{ "generate": {{ "kind": "blobs", {option} }} }},'),
                              at, [says])

    def test_one_mistake_makes_no_other(self):
        message = self.refused_spec(self.replaced('"f32[N,4]"', '"f16[N,4]"'), '3:19')
        self.assertEqual(message.count('error: '), 1, message)

    def test_sizes_that_overflow_or_are_none(self):
        for units in (0, -1, 5.5, 2**63, 10**30, 'true', 'null', '[]', '"a"', '""'):
            self.refused_spec(self.replaced('"units": 5', f'"units": {units}'), says=['m.json:5:5'])
        self.refused_spec(self.replaced('"units": 5', f'"units": {2**62}'), '5:1', [f'f32[{2**62},4]', 'hidden.weight'])
        for type, at in (('f32[N,99999999999999999999]', '3:25'), (f'f32[N,{2**62},4]', '3:19'), ('f32[N,-3]', '3:25'),
                         ('f32[N', None), ('f32', '3:22'), ('f32[N]]', '3:25')):
            self.refused_spec(self.replaced('f32[N,4]', type), at)
        # As elements it can be counted, as bytes it can't.
        self.refused_spec('{"gradc": 1, "name": "m", "inputs": {"x": "f32[4611686018427387904]"}, "outputs": {"y": "exp(x)"}}',
                          command='compile', arguments=['-o', 'm.o'], says=['overflows'])

    def test_kernels(self):
        for kernel, says in ((7, 'kernel 7x7 is larger than its padded input 5x5'), (0, 'positive integer, got 0'),
                             (5.5, 'got 5.5'), (-1, 'got -1'), ('1e999', '1e999'), (2**62, '2^30'), ('[3,3,3]', '3 numbers')):
            self.refused_spec(CONVOLUTION.replace('KERNEL', str(kernel)), '4:11', [says])
        self.refused_spec(CONVOLUTION.replace('KERNEL', '3, "stride": 0'), '4:24', ['`stride`', 'got 0'])
        self.refused_spec(CONVOLUTION.replace('KERNEL', '3, "padding": -1'), '4:25', ['`padding`', 'got -1'])
        self.refused_spec(CONVOLUTION.replace('KERNEL', '3, "groups": 2'), '4:24', ['2 groups'])

    def test_expressions_point_into_their_text(self):
        node = '{{ "name": "q", "value": {} }},\n{{ "op": "relu"'
        for value, column, says in (('', 26, 'empty'), ('x +', 29, 'found the end'), ('x + * 2', 30, '`*`'),
                                    ('(x', 28, '`(` at character 1 is open'), ('x)', 27, '`)`'), ('x $ 2', 28, '`$`'),
                                    ('relu()', 26, 'got 0'), ('relu(x, y=2)', 34, '`y`'), ('1e999', 26, 'out of range'),
                                    ('fusion(x)', 26, 'unknown function'), ('x == ', 31, 'found the end'),
                                    ('(' * 100000, None, 'too deeply'), ('-' * 100000 + 'x', None, 'too deeply'),
                                    ('x' + '+x' * 100000, None, 'too deeply'),
                                    ('one_hot(label, classes=9223372036854775807, dtype=f32)', 49, 'too large')):
            self.refused_spec(self.replaced('{ "op": "relu"', node.format(json.dumps(value))), column and f'6:{column}', [says])

    def test_the_standard_input(self):
        self.run_command('check', '-', input=TEXT, check=0)
        self.refused('check', '-', input='{"gradc": 1,\n"nmae": 2}', at='<stdin>:2:1', says=['`name`'])
        self.refused('check', '-', input='', at='<stdin>:1:1')

    def test_overrides(self):
        self.write('m.json', TEXT)
        for item, says in (('foo', 'PATH=VALUE'), ('=3', 'PATH=VALUE'), ('variables.w=3', 'variables'), ('graph.9.units=3', '`9`'),
                           ('graph.0.units=-3', 'got -3'), ('graph.0.units=' + '[' * 100000, 'too deeply')):
            self.refused('check', 'm.json', '--set', item, says=[says])


class BadCommandLine(BadInput):
    def setUp(self):
        super().setUp()
        self.write('m.json', TEXT)

    def test_subcommands_and_options(self):
        self.refused('trian', says=['`trian`', '`train`'])
        self.refused(says=['subcommand'])
        self.refused('check', 'm.json', '--bogus', says=['--bogus'])
        self.refused('check', 'm.json', 'n.json', says=['n.json'])
        self.refused('ops', 'rellu', says=['`relu`'])
        self.refused('train', 'm.json', '--epoch', '2', says=['train has no option `--epoch`; did you mean `--epochs`?'])
        self.refused('train', 'm.json', '--epoch=2', says=['`--epochs`'])
        self.refused('--jsn', 'check', 'm.json', says=['gradc has no option `--jsn`', '`--json`'])
        self.refused('plot', 'curvs', says=['plot has no subcommand `curvs`', '`curves`'])
        self.refused('train', 'm.json', '--epochs', says=['--epochs', 'See `gradc train --help`'])
        self.refused('train', 'm.json', '--program', 'tset', says=['no program is named `tset`; did you mean `test`?\n'])
        needed = {'eval': ['--weights', 'w'], 'compile': ['-o', 'm.o'], 'opt': ['--pass', 'simplify']}
        for command in ('train', 'eval', 'predict', 'compile', 'dump', 'opt', 'trace', 'summary', 'check'):
            self.refused(command)
            self.refused(command, 'nowhere.json', *needed.get(command, []), says=['nowhere.json', 'No such file'])
            self.refused(command, '.', *needed.get(command, []), says=['irectory'])

    def test_numbers_of_options(self):
        for option in ('--epochs', '--batch', '--threads'):
            for number in ('0', '-1', '1.5', 'x', '', '99999999999999999999'):
                self.refused('train', 'm.json', f'{option}={number}', says=[option])
        for number in ('1.5', 'x', '9223372036854775808'):
            self.refused('train', 'm.json', f'--seed={number}', says=['--seed'])
        for number in ('-1', 'nan', 'x', '1e7'):
            self.refused('bench', 'm.json', f'--seconds={number}', says=['--seconds', f'`{number}` is no number from 0 to'])
        for number in ('3', '-1', 'x'):
            self.refused('train', 'm.json', f'--optimize={number}', says=['--optimize', 'from 0 to 2'])
        for size in ('abc', '-1', '0', '1e400', '64XB'):
            self.refused('compile', 'm.json', '-o', 'm.o', f'--memory-limit={size}', says=[size, '64MiB'])

    def test_names_of_options(self):
        self.refused('compile', 'm.json', '-o', 'm.o', '--cpu', 'haswel', says=['`haswell`'])
        self.refused('compile', 'm.json', '-o', 'm.o', '--emit', 'exe', says=['exe', 'obj'])
        self.refused('compile', 'm.json', '-o', 'm.o', '--target', 'foo-bar', says=['foo-bar'])
        self.refused('dump', 'm.json', '--stage', 'grd', says=['grd', 'grad'])
        self.refused('dump', 'm.json', '--program', 'tain', says=['`train`'])
        self.refused('dump', 'm.json', '--stage', 'kernel', '--format', 'dot', says=['dot', 'kernel'])
        self.refused('eval', 'm.json', '--weights', 'w', '--split', 'valid', says=['`valid`', 'validation'])
        self.refused('predict', 'm.json', '--node', 'hiden', '--input', 'x=x.npy', says=['`hidden`'])
        self.refused('predict', 'm.json', '--input', 'y=x.npy', says=['`y`'])
        self.refused('train', 'm.json', '--program', 'test', says=['`test` does not train'])

    def test_values_of_a_trace(self):
        for given, says in ((['x=1,2', 'label=0'], '4 numbers, got 2'), (['x=1', 'label=3'], '0 to 2'), (['x=1', 'label=0.5'], 'i32'),
                            (['x=a', 'label=0'], '`a`'), (['x=1'], '`label`'), (['y=1'], 'no input, parameter or scalar `y`'),
                            (['hiden.bias=1'], '`hidden.bias`'), (['x'], 'expected NAME=NUMBERS')):
            self.refused('trace', 'm.json', *(word for item in given for word in ('--input', item)), says=[says])

    def test_graph_text(self):
        for content in (b'garbage', bytes(range(256)), b'func @f' + b'(' * 100000):
            (self.folder / 'g.gir').write_bytes(content)
            self.refused('opt', 'g.gir', '--pass', 'simplify', at='g.gir:1:1' if content[0] == 0 else None)
        (self.folder / 'g.gir').write_bytes(b'')
        self.refused('opt', 'g.gir', '--pass', 'simplfy', says=['`simplify`'])

    def test_files_that_cannot_be_written(self):
        self.refused('compile', 'm.json', '-o', 'nowhere/m.o', says=['nowhere/m.o'])
        self.refused('compile', 'm.json', '-o', '.', says=['irectory'])
        self.refused('compile', 'm.json', '-o', 'm.h', says=['m.h'])
        (self.folder / 'header.h').mkdir()
        self.refused('compile', 'm.json', '-o', 'header.o', says=['header.h', 'directory'])
        self.refused('dump', 'm.json', '-o', 'nowhere/m.gir', says=['nowhere/m.gir'])
        self.refused('train', 'm.json', '-o', 'm.json', says=['m.json'])
        self.refused('train', 'm.json', '-o', 'm.json/run', says=['m.json'])

    def test_a_result_does_not_replace_what_it_is_made_from(self):
        self.run_command('dump', 'm.json', '-o', 'm.gir', check=0)
        (self.folder / 'link.o').symlink_to('m.json')
        for command in (['compile', 'm.json', '-o', 'm.json'], ['compile', 'm.json', '-o', 'link.o'], ['dump', 'm.json', '-o', './m.json'],
                        ['predict', 'm.json', '--input', 'x=x.npy', '--output', 'm.json'],
                        ['profile', 'm.json', '--steps', '1', '--trace', 'm.json']):
            self.refused(*command, says=['would replace'])

    def test_files_without_a_name_or_an_end(self):
        self.refused('check', '', says=['without a name'])
        self.refused('compile', 'm.json', '-o', '', says=['without a name'])
        for command in (['check'], ['eval', 'm.json', '--weights'], ['opt']):
            self.refused(*command, '/dev/zero', says=['/dev/zero: error: ', 'device'])

    def test_what_has_no_metrics(self):
        self.run_command('train', 'm.json', '-o', 'run', '--quiet', check=0)
        self.refused('eval', 'm.json', '--weights', 'run/last.safetensors', '--program', 'predict', says=['no loss and no reports', 'predict'])

    def test_sections_that_are_missing(self):
        self.write('bare.json', {'inputs': {'x': 'f32[N,4]'}, 'outputs': {'y': 'x'}})
        for command in (['sample'], ['predict'], ['eval', '--weights', 'w']):
            self.refused(command[0], 'bare.json', *command[1:], at='bare.json:1:1')

    def test_a_full_device(self):
        self.refused('dump', 'm.json', '-o', '/dev/full', says=['/dev/full', 'No space'])
        self.assertTrue(pathlib.Path('/dev/full').is_char_device())
        with open('/dev/full', 'w') as full:
            done = subprocess.run([GRADC, 'dump', self.folder / 'm.json'], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('standard output', done.stderr)

    def test_a_memory_limit_that_is_too_small(self):
        message = self.refused('compile', 'm.json', '-o', 'm.o', '--memory-limit', '1000', says=['1000', 'needs', 'bytes'])
        self.refused('train', 'm.json', '-o', 'run', '--memory-limit', '100', says=['100', 'needs'])
        needed = int(message.split(' needs ')[1].split()[0])
        program = message.split('`')[1]
        batch = ['--batch', '8']  # of the training program, for which all are compiled
        lines = self.run_command('dump', 'm.json', '--program', program, '--stage', 'memory', *batch, check=0).stdout.splitlines()
        words = [int(word) for word in lines[0].replace(',', '').split() if word.isdigit()]
        self.assertEqual(needed, sum(words))  # arena, worker, state
        self.run_command('dump', 'm.json', '--program', program, '--stage', 'memory', *batch, '--memory-limit', needed, check=0)
        self.refused('dump', 'm.json', '--program', program, '--stage', 'memory', *batch, '--memory-limit', needed - 1)

    def test_a_model_too_large_for_memory(self):
        huge = TEXT.replace('f32[N,4]', 'f32[N,1000000]').replace('"units": 5', '"units": 1000000')
        self.write('huge.json', huge)
        (self.folder / 'x.npy').write_bytes(npy('<f4', (1, 1000000), bytes(4000000)))
        (self.folder / 'label.npy').write_bytes(npy('<i4', (1,), bytes(4)))
        for command in (['train', '-o', 'run'], ['predict'], ['eval', '--weights', 'w']):
            self.refused(command[0], 'huge.json', *command[1:], at='huge.json:5:1', says=['needs', 'GiB', '`hidden.weight`'])
        self.refused('trace', 'huge.json', '--input', 'x=1', '--input', 'label=1', at='huge.json:5:1', says=['memory', 'GiB'])
        self.refused('bench', 'huge.json', at='huge.json:5:1', says=['memory', 'GiB'])


class BadFiles(BadInput):
    def setUp(self):
        super().setUp()
        self.write('m.json', TEXT)

    def test_data_out_of_range(self):
        for value, says in ((float('nan'), 'NaN'),):
            self.inputs(20, value)
            self.refused('train', 'm.json', '-o', 'run', at='m.json:15:34', says=['x.npy', 'example 3, element 2', says])
        self.inputs(20, float('inf'))
        self.refused('train', 'm.json', '-o', 'run', '--check-finite', at='m.json:15:34', says=['x.npy', 'infinite'])
        for label in (3, -1):
            self.inputs(20, labels=[0] * 5 + [label] + [1] * 14)
            self.refused('train', 'm.json', '-o', 'run', at='m.json:15:52', says=['label.npy', 'example 5', str(label), '0 to 2'])
        # A number that is too large for the input's dtype, where the file's can hold it.
        self.inputs(20)
        (self.folder / 'x.npy').write_bytes(npy('<f8', (20, 4), struct.pack('<80d', *[1.0] * 9, 1e300, *[1.0] * 70)))
        self.refused('train', 'm.json', '-o', 'run', at='m.json:15:34', says=['example 2, element 1: 1e+300 is no value of `x`'])
        self.inputs(20, labels=[0] * 19)
        self.refused('train', 'm.json', '-o', 'run', at='m.json:15:52', says=['20', '19'])
        self.inputs(0)
        self.refused('train', 'm.json', '-o', 'run', at='m.json:15:10', says=['no examples'])

    def test_few_examples(self):
        self.inputs(4)
        for arguments in (['--batch', '1'], ['--batch', '4294967296'], []):
            self.run_command('train', 'm.json', '--epochs', '1', *arguments, check=0)

    def test_broken_arrays(self):
        whole = (self.folder / 'x.npy').read_bytes()
        for content, says in ((b'', 'truncated'), (whole[:30], 'truncated'), (whole[:-1], 'truncated'), (whole + b'x', 'too long'),
                              (bytes(range(256)), 'not an NPY'), (whole.replace(b'<f4', b'|O4'), 'dtype'),
                              (whole.replace(b'(20, 4)', b'(20,-4)'), 'corrupt'), (whole.replace(b'(20, 4)', b'(20,40)'), 'truncated')):
            (self.folder / 'x.npy').write_bytes(content)
            self.refused('train', 'm.json', '-o', 'run', says=['x.npy', says])
        (self.folder / 'x.npy').unlink()
        self.refused('train', 'm.json', '-o', 'run', at='m.json:15:34', says=['x.npy', 'No such file'])
        (self.folder / 'x.npy').mkdir()
        self.refused('train', 'm.json', '-o', 'run', at='m.json:15:34', says=['x.npy', 'directory'])

    def test_broken_weights(self):
        self.run_command('train', 'm.json', '-o', 'run', check=0)
        whole = (self.folder / 'run' / 'last.safetensors').read_bytes()
        size = struct.unpack('<Q', whole[:8])[0]
        for content in (b'', whole[:7], whole[:len(whole) // 2], whole[:-1], whole + b'x', bytes(range(256)) * 9,
                        struct.pack('<Q', 2**63) + whole[8:], struct.pack('<Q', 2**64 - 1) + whole[8:],
                        whole[:8] + b'[' * size + whole[8 + size:], whole.replace(b'"F32"', b'"F99"', 1)):
            (self.folder / 'w.safetensors').write_bytes(content)
            for command in (['eval', 'm.json'], ['predict', 'm.json'], ['train', 'm.json', '-o', 'new']):
                self.assertRegex(self.refused(*command, '--weights', 'w.safetensors'),
                                 r'^w\.safetensors: error: (byte \d+: |corrupt safetensors header: )')
            (self.folder / 'run' / 'last.safetensors').write_bytes(content)
            self.refused('train', 'm.json', '-o', 'run', '--resume', '--epochs', '9', says=['last.safetensors'])
        self.refused('eval', 'm.json', '--weights', 'run', says=['directory'])
        self.refused('eval', 'm.json', '--weights', 'nowhere', says=['nowhere'])

    def test_weights_of_another_model(self):
        self.run_command('train', 'm.json', '-o', 'run', check=0)
        self.write('other.json', TEXT.replace('"units": 5', '"units": 6').replace('"logits"', '"scores"').replace('(logits', '(scores'))
        says = ['run/last.safetensors: error: the weights don\'t fit the model\n', 'note: the file has no `scores.weight`\n',
                'note: the model has no `logits.weight`\n', 'note: `hidden.weight` is f32[5,4] in the file, f32[6,4] in the model']
        weights = ['--weights', 'run/last.safetensors']
        self.refused('eval', 'other.json', *weights, says=says)
        self.refused('predict', 'other.json', *weights, says=says)
        self.refused('train', 'other.json', '-o', 'new', *weights, says=says)
        self.refused('train', 'other.json', '-o', 'run', '--resume', says=says)
        self.refused('train', 'm.json', '-o', 'run', '--resume', '--batch', '3', says=['batch 8', 'batch 3'])
        self.refused('train', 'm.json', '-o', 'run', '--resume', '--seed', '3', says=['seed 0', 'seed 3'])

    def test_a_second_run_keeps_the_first(self):
        self.run_command('train', 'm.json', '-o', 'run', check=0)
        first = (self.folder / 'run' / 'last.safetensors').read_bytes()
        done = self.run_command('train', 'm.json', '-o', 'run', '--seed', '1', check=0)
        self.assertIn('previous-1', done.stderr)
        self.assertEqual((self.folder / 'run' / 'previous-1' / 'last.safetensors').read_bytes(), first)


@unittest.skipUnless(os.geteuid() == 0, 'mounting takes root')
class FullDisk(BadInput):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / 'disk'
        self.disk.mkdir()
        mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=200k', 'tmpfs', self.disk], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest('no mounts here')
        self.write('m.json', TEXT.replace('"units": 5', '"units": 2000'))  # 60 kB of weights
        self.run_command('train', 'm.json', '-o', 'disk/run', '--epochs', '1', check=0)
        self.last = (self.disk / 'run' / 'last.safetensors').read_bytes()

    def tearDown(self):
        subprocess.run(['umount', '-l', self.disk], capture_output=True)
        super().tearDown()

    def test_the_old_checkpoint_survives(self):
        room = os.statvfs(self.disk)
        (self.disk / 'ballast').write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - 8192)))
        done = self.run_command('train', 'm.json', '-o', 'disk/run', '--resume', '--epochs', '3', check=1)
        self.assertIn('disk/run/last.safetensors: error: cannot write: No space left', done.stderr)
        self.assertEqual((self.disk / 'run' / 'last.safetensors').read_bytes(), self.last)
        self.assertEqual([p.name for p in (self.disk / 'run').iterdir() if 'tmp' in p.name], [])
        (self.disk / 'ballast').unlink()
        self.run_command('train', 'm.json', '-o', 'disk/run', '--resume', '--epochs', '3', check=0)

    def test_a_read_only_disk(self):
        subprocess.run(['mount', '-o', 'remount,ro', self.disk], check=True)
        self.refused('train', 'm.json', '-o', 'disk/run', '--resume', '--epochs', '3', says=['Read-only'])
        self.refused('train', 'm.json', '-o', 'disk/new', says=['Read-only'])
        self.refused('compile', 'm.json', '-o', 'disk/m.o', says=['disk/m.o: error: cannot write: Read-only'])


if __name__ == '__main__':
    unittest.main()
