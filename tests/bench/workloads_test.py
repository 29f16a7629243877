#!/usr/bin/env python3
"""The workloads are the networks that PyTorch's script trains, and gradc bench runs them."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
GRADC = os.environ.get('GRADC', str(HERE.parents[1] / 'build' / 'gradc'))

# Batch, and parameters as PyTorch counts them: sum(p.numel() for p in model.parameters()).
WORKLOADS = {
    'spiral-mlp': (300, 603), 'mlp-lecture': (64, 101_000), 'mlp-mnist': (128, 669_706), 'lenet5': (64, 1_256_080),
    'vgg-cifar': (32, 1_187_274), 'inception-3a': (8, 166_266), 'alexnet': (8, 62_378_344), 'char-rnn': (32, 49_729),
    'char-lstm': (32, 148_801), 'vae': (128, 652_824),
}
SMALL = ['spiral-mlp', 'mlp-lecture', 'mlp-mnist', 'lenet5', 'char-rnn', 'vae']
KEYS = ['peer', 'workload', 'threads', 'median_ms', 'min_ms', 'steps', 'gflops', 'peak_gflops', 'share_of_peak', 'bytes',
        'compile_ms', 'arena_bytes']


def run(*command):
    done = subprocess.run([GRADC, *command], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f'{command}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout


def spec(name):
    return str(HERE / 'workloads' / f'{name}.json')


class Workloads(unittest.TestCase):
    def test_all_are_known(self):
        files = sorted(path.stem for path in (HERE / 'workloads').glob('*.json'))
        self.assertEqual(files, sorted(WORKLOADS))

    def test_parameters_and_batches(self):
        for name, (batch, parameters) in WORKLOADS.items():
            with self.subTest(name):
                resolved = json.loads(run('check', spec(name), '--resolved'))
                self.assertEqual(resolved['name'], name.replace('-', '_'))
                self.assertEqual(resolved['programs']['train']['batch'], batch)
                if name not in ('vgg-cifar', 'inception-3a', 'alexnet'):  # their summary plans a large step
                    self.assertEqual(json.loads(run('summary', spec(name), '--json'))['parameters'], parameters)

    def test_parameters_of_large_ones(self):
        for name in ('vgg-cifar', 'inception-3a', 'alexnet'):
            with self.subTest(name):
                summary = json.loads(run('summary', spec(name), '--json', '--batch', '1', '--optimize', '0'))
                self.assertEqual(summary['parameters'], WORKLOADS[name][1])

    def test_bench(self):
        for name in SMALL:
            for threads in (1, 2):
                with self.subTest(name, threads=threads):
                    line = json.loads(run('bench', spec(name), '--threads', str(threads), '--seconds', '0'))
                    self.assertEqual(list(line), KEYS)
                    self.assertEqual(line['workload'], name)
                    self.assertEqual(line['threads'], threads)
                    self.assertGreaterEqual(line['steps'], 3)
                    self.assertLess(0, line['min_ms'])
                    self.assertLessEqual(line['min_ms'], line['median_ms'])
                    self.assertLess(0, line['bytes'])
                    self.assertLess(0, line['arena_bytes'])

    def test_work_of_a_step(self):
        """Two flops a multiply-add of a product: forward, weight gradient, and input gradient but for the first."""
        line = json.loads(run('bench', spec('mlp-lecture'), '--seconds', '0'))
        products = 2 * 64 * (2 * 1000 * 100 + 3 * 100 * 10)
        flops = line['gflops'] * line['min_ms'] * 1e6
        self.assertGreater(flops, 0.99 * products)
        self.assertLess(flops, 1.1 * products)


if __name__ == '__main__':
    os.chdir(HERE)
    sys.exit(unittest.main())
