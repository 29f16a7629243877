"""Answers that the lectures give by hand, through `gradc trace` and `gradc summary`."""
import json
import math
import unittest

from support import EXAMPLES, CommandTest


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


class Traces(CommandTest):
    def assert_near(self, found, expected, tolerance):
        self.assertEqual(len(found), len(expected))
        for a, b in zip(found, expected):
            self.assertLessEqual(abs(a - b), tolerance, f'{found} against {expected}')

    def test_product_of_a_sum(self):
        nodes, _ = self.trace(EXAMPLES / 'trace-product.json', '--input', 'x=-2', '--input', 'y=5', '--input', 'z=-4')
        self.assertEqual(nodes['f']['value'], [-12])
        self.assertEqual([nodes[v]['adjoint'] for v in 'xyz'], [[-4], [-4], [3]])

    def test_quotient_with_sine_and_exponential(self):
        nodes, _ = self.trace(EXAMPLES / 'trace-sine.json', '--input', 'x1=1', '--input', 'x2=2', '--input',
                              'x3=' + repr(math.pi / 2))
        e2 = math.exp(2)
        self.assert_near(nodes['f']['value'], [(2 + e2) / (math.pi / 2)], 1e-12)
        self.assert_near(nodes['x1']['adjoint'], [(4 + 4 * e2) / math.pi], 1e-12)
        self.assert_near(nodes['x2']['adjoint'], [(2 + 2 * e2) / math.pi], 1e-12)
        self.assert_near(nodes['x3']['adjoint'], [(-8 - 4 * e2) / math.pi ** 2], 1e-12)

    def test_logistic_neuron(self):
        nodes, after = self.trace(EXAMPLES / 'trace-neuron.json', '--program', 'train', '--input', 'x1=-1', '--input', 'x2=-2',
                                  '--input', 'y=1')
        self.assert_near(nodes['p']['value'], [0.7311], 5e-5)
        for name, rounded, x, updated in (('w0', -0.27, 1, -2.99973), ('w1', 0.27, -1, 1.99973), ('w2', 0.54, -2, -3.00054)):
            self.assert_near(nodes[name]['adjoint'], [rounded], 5e-3)
            self.assert_near(nodes[name]['adjoint'], [(sigmoid(1) - 1) * x], 1e-12)
            self.assert_near(after[name], [updated], 5e-6)

    def test_two_layers_of_sigmoids(self):
        nodes, _ = self.trace(EXAMPLES / 'trace-hidden.json', '--input', 'x=1,-1,3,2')
        self.assert_near(nodes['hidden']['value'], [0.98, 0.62, 0.73], 5e-3)
        self.assert_near(nodes['y']['value'], [0.25], 5e-3)

    def test_three_layers_of_sigmoids(self):
        for x, expected in (('1,-1', [0.62, 0.83]), ('0,0', [0.51, 0.85])):
            nodes, _ = self.trace(EXAMPLES / 'trace-three-layers.json', '--input', 'x=' + x)
            self.assert_near(nodes['y']['value'], expected, 5e-3)
        nodes, _ = self.trace(EXAMPLES / 'trace-three-layers.json', '--input', 'x=1,-1')
        self.assert_near(nodes['a1']['value'], [0.98, 0.12], 5e-3)

    def test_softmax_of_three_scores(self):
        spec = {'gradc': 1, 'name': 'scores', 'inputs': {'s': 'f64[N,3]', 'y': 'i32[N]'},
                'graph': [{'name': 'p', 'value': 'softmax(s, axis=1)'},
                          {'name': 'loss', 'value': 'mean(softmax_cross_entropy(s, y))'}],
                'outputs': {'loss': 'loss'}}
        nodes, _ = self.trace(spec, '--input', 's=3.2,5.1,-1.7', '--input', 'y=0')
        self.assert_near(nodes['loss']['value'], [2.04], 5e-3)
        spec['outputs'] = {'p': 'p'}
        nodes, _ = self.trace(spec, '--input', 's=3.2,5.1,-1.7')
        self.assert_near(nodes['p']['value'], [0.13, 0.87, 0.00], 5e-3)

    def test_ten_equal_scores_cost_ln_10(self):
        spec = {'gradc': 1, 'name': 'equal', 'inputs': {'s': 'f64[N,10]', 'y': 'i32[N]'},
                'graph': [{'name': 'loss', 'value': 'mean(softmax_cross_entropy(s, y))'}], 'outputs': {'loss': 'loss'}}
        nodes, _ = self.trace(spec, '--input', 's=0.7', '--input', 'y=4')
        self.assert_near(nodes['loss']['value'], [math.log(10)], 1e-12)

    def test_max_pool(self):
        spec = {'gradc': 1, 'name': 'pool', 'inputs': {'x': 'f32[N,1,4,4]'},
                'graph': [{'op': 'max_pool2d', 'name': 'y', 'x': 'x', 'window': 2}], 'outputs': {'y': 'y'}}
        nodes, _ = self.trace(spec, '--input', 'x=1,1,2,4,5,6,7,8,3,2,1,0,1,2,3,4')
        self.assertEqual(nodes['y']['value'], [6, 8, 3, 4])


class Summaries(CommandTest):
    def summary(self, spec):
        path = self.write('model.json', spec) if isinstance(spec, dict) else spec
        return json.loads(self.run_command('summary', path, '--json', check=0).stdout)

    def test_lenet5_layer_by_layer(self):
        outputs = [layer['output'] for layer in self.summary(EXAMPLES / 'lenet5.json')['layers']]
        for shape in ('f32[N,20,28,28]', 'f32[N,20,14,14]', 'f32[N,50,14,14]', 'f32[N,50,7,7]', 'f32[N,2450]', 'f32[N,500]', 'f32[N,10]'):
            self.assertIn(shape, outputs)

    def test_convolution_parameters_and_multiply_adds(self):
        spec = {'gradc': 1, 'name': 'conv', 'inputs': {'x': 'f32[N,3,32,32]'},
                'graph': [{'op': 'conv2d', 'name': 'c', 'x': 'x', 'filters': 10, 'kernel': 5, 'padding': 2}],
                'outputs': {'y': 'c'}}
        summary = self.summary(spec)
        self.assertEqual(summary['parameters'], 760)
        self.assertEqual(summary['layers'][0]['multiply_adds'], 768000)

    def test_small_networks(self):
        for units, expected in (((3, 4, 2), 26), ((3, 4, 4, 1), 41)):
            graph = [{'op': 'linear', 'name': f'l{i}', 'units': n} for i, n in enumerate(units[1:])]
            graph[0]['x'] = 'x'
            spec = {'gradc': 1, 'name': 'net', 'inputs': {'x': f'f32[N,{units[0]}]'}, 'graph': graph,
                    'outputs': {'y': f'l{len(graph) - 1}'}}
            self.assertEqual(self.summary(spec)['parameters'], expected)

    def test_width_5_filter_3_padding_1(self):
        for stride, width, warns in ((1, 5, False), (2, 3, False), (3, 2, True)):
            spec = {'gradc': 1, 'name': 'width', 'inputs': {'x': 'f32[N,1,5]'},
                    'graph': [{'op': 'conv1d', 'name': 'c', 'x': 'x', 'filters': 1, 'kernel': 3, 'padding': 1, 'stride': stride}],
                    'outputs': {'y': 'c'}}
            done = self.run_command('summary', self.write('model.json', spec), '--json', check=0)
            self.assertEqual(json.loads(done.stdout)['layers'][0]['output'], f'f32[N,1,{width}]')
            self.assertEqual('warning' in done.stderr, warns, done.stderr)


if __name__ == '__main__':
    unittest.main()
