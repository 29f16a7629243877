#!/usr/bin/env python3
"""Times how long models take to compile, without the disk cache and from it, `gradc train` on spiral as a process, and an epoch
of a tiny network (4-32-16-4, 10,000 examples, batch 32, Adam) within `gradc train`.

Usage: compile_times.py [--rounds R]
Least of R rounds (3). GRADC names the command (build/gradc).
"""
import argparse
import json
import os
import pathlib
import random
import struct
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
GRADC = os.environ.get('GRADC', str(SOURCE / 'build' / 'gradc'))
SPECS = [('lenet5', HERE / 'workloads' / 'lenet5.json', []), ('vgg-cifar', HERE / 'workloads' / 'vgg-cifar.json', []),
         ('googlenet, batch 8', SOURCE / 'examples' / 'googlenet.json', ['--batch', '8'])]


def compile_ms(spec, arguments, environment):
    """From reading the spec to code that can be called."""
    done = subprocess.run([GRADC, 'bench', spec, '--seconds', '0', *arguments], env=environment, capture_output=True,
                          text=True, check=True)
    return json.loads(done.stdout)['compile_ms']


def process_ms(command, environment):
    start = time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return 1e3 * (time.perf_counter() - start)


def tiny_network(folder):
    """Its spec, and its data beside it."""
    random.seed(0)
    points = [[random.uniform(-1, 1) for _ in range(4)] for _ in range(10_000)]
    write_npy(folder / 'x.npy', '<f4', 'f', points)
    write_npy(folder / 'label.npy', '<i4', 'i', [[max(range(4), key=point.__getitem__)] for point in points])
    layers = [{'op': 'linear', 'name': 'a', 'x': 'x', 'units': 32}, {'op': 'relu'}, {'op': 'linear', 'name': 'b', 'units': 16},
              {'op': 'relu'}, {'op': 'linear', 'name': 'logits', 'units': 4}]
    train = {'minimize': 'mean(softmax_cross_entropy(logits, label))', 'optimizer': {'kind': 'adam', 'learning_rate': 0.001},
             'epochs': 30, 'batch': 32}
    spec = {'name': 'tiny', 'inputs': {'x': 'f32[N,4]', 'label': 'i32[N]'}, 'graph': layers, 'programs': {'train': train},
            'data': {'train': {'format': 'npy', 'x': 'x.npy', 'label': 'label.npy'}}}
    path = folder / 'tiny.json'
    path.write_text(json.dumps(spec))
    return path


def write_npy(path, dtype, code, rows):
    """NumPy's format, version 1.0; a single column is an array of one dimension."""
    shape = f'({len(rows)},)' if len(rows[0]) == 1 else f'({len(rows)}, {len(rows[0])})'
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header += ' ' * (-(len(header) + 11) % 64) + '\n'
    with open(path, 'wb') as out:
        out.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode())
        for row in rows:
            out.write(struct.pack(f'<{len(row)}{code}', *row))


def epoch_ms(folder):
    """The shortest epoch of a run with one thread, by the times in its metrics."""
    subprocess.run([GRADC, 'train', tiny_network(folder), '--quiet', '--threads', '1', '-o', folder / 'tiny-run'], check=True,
                   capture_output=True)
    events = map(json.loads, (folder / 'tiny-run' / 'metrics.jsonl').read_text().splitlines())
    seconds = [event['seconds'] for event in events if event['event'] == 'epoch']
    return 1e3 * min(after - before for before, after in zip(seconds, seconds[1:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--rounds', type=int, default=3)
    rounds = parser.parse_args().rounds
    off = dict(os.environ, GRADC_CACHE='off')
    with tempfile.TemporaryDirectory() as folder:
        cached = dict(os.environ, GRADC_CACHE='on', XDG_CACHE_HOME=folder)
        for name, spec, arguments in SPECS:
            cold = min(compile_ms(spec, arguments, off) for _ in range(rounds))
            compile_ms(spec, arguments, cached)
            warm = min(compile_ms(spec, arguments, cached) for _ in range(rounds))
            print(f'{name:<24} compile {cold:8.1f} ms   from the disk cache {warm:8.1f} ms', flush=True)
        train = [GRADC, 'train', SOURCE / 'examples' / 'spiral.json', '--quiet', '-o']
        cold = min(process_ms([*train, f'{folder}/cold{i}'], off) for i in range(rounds))
        process_ms([*train, f'{folder}/first'], cached)
        warm = min(process_ms([*train, f'{folder}/warm{i}'], cached) for i in range(rounds))
        print(f'{"gradc train spiral":<24} process {cold:8.1f} ms   from the disk cache {warm:8.1f} ms', flush=True)
        print(f'{"epoch of 4-32-16-4":<24}         {min(epoch_ms(pathlib.Path(folder)) for _ in range(rounds)):8.2f} ms')


if __name__ == '__main__':
    main()
