#!/usr/bin/env python3
"""gradc profile: what its numbers add up to, and the trace."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
GRADC = os.environ.get('GRADC', str(HERE.parents[1] / 'build' / 'gradc'))


def run(*command):
    done = subprocess.run([GRADC, *map(str, command)], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f'{command}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout


def spec(name):
    return HERE / 'workloads' / f'{name}.json'


class Profile(unittest.TestCase):
    def test_numbers(self):
        profile = json.loads(run('profile', spec('spiral-mlp'), '--steps', 5, '--json'))
        kernels, total = profile['kernels'], profile['total']
        self.assertGreater(len(kernels), 3)
        self.assertEqual(kernels, sorted(kernels, key=lambda kernel: -kernel['ms']))
        for key in ('calls', 'ms', 'flops', 'bytes', 'share'):
            self.assertAlmostEqual(sum(kernel[key] for kernel in kernels), total[key], delta=1e-6 * total[key], msg=key)
        self.assertAlmostEqual(total['share'], 1)
        self.assertLess(0, total['ms'])
        self.assertLess(total['ms'], 1.001 * profile['step_ms'])
        # 300 points, 2-100-3: both layers forward, both weight gradients, one input gradient, two flops a multiply-add.
        products = 2 * 300 * (2 * 2 * 100 + 3 * 100 * 3)
        self.assertGreater(total['flops'], products)
        self.assertLess(total['flops'], 1.5 * products)

    def test_layers_are_named(self):
        kernels = json.loads(run('profile', spec('mlp-mnist'), '--steps', 2, '--json'))['kernels']
        largest = max(kernels, key=lambda kernel: kernel['flops'])
        self.assertTrue(any('hidden1' in origin for origin in largest['from']), largest)
        # The first layer's forward or weight gradient, without padding.
        self.assertGreaterEqual(largest['flops'], 2 * 128 * 784 * 512)
        self.assertLess(largest['flops'], 1.1 * 2 * 128 * 784 * 512)

    def test_loops_are_called_once_a_trip(self):
        kernels = json.loads(run('profile', spec('char-rnn'), '--steps', 2, '--json'))['kernels']
        self.assertGreaterEqual(max(kernel['calls'] for kernel in kernels), 64)

    def test_text_and_trace(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = pathlib.Path(folder) / 'trace.json'
            lines = run('profile', spec('mlp-mnist'), '--steps', 2, '--threads', 2, '--trace', trace).splitlines()
            self.assertEqual(lines[0].split()[:4], ['kernel', 'kind', 'calls', 'us'])
            self.assertTrue(any(line.startswith('total') for line in lines))
            events = json.loads(trace.read_text())['traceEvents']
        spans = [event for event in events if event['ph'] == 'X']
        self.assertTrue(all(event['dur'] >= 0 for event in spans))
        launches = [event for event in spans if event['tid'] == 0]
        self.assertEqual(launches, sorted(launches, key=lambda event: event['ts']))
        for before, after in zip(launches, launches[1:]):
            self.assertLessEqual(before['ts'] + before['dur'], after['ts'] + 1e-3)
        pieces = [event for event in spans if event['tid'] > 0]
        self.assertTrue(pieces)  # kernels of this size are shared
        for piece in pieces:
            around = [launch for launch in launches if launch['ts'] <= piece['ts'] + 1e-3 and
                      piece['ts'] + piece['dur'] <= launch['ts'] + launch['dur'] + 1e-3]
            self.assertEqual([launch['name'] for launch in around], [piece['name']])


if __name__ == '__main__':
    sys.exit(unittest.main())
