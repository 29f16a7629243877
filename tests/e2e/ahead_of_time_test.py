"""A model as an object and a header: linked alone, driven from C, bit for bit what the JIT computes."""
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from support import EXAMPLES, SOURCE, CommandTest

CPUS = ('x86-64', 'haswell', 'znver5')
ALLOWED = {'memcpy', 'memset', 'memmove'}


def host_runs(cpu):
    flags = set(re.findall(r'^flags\s*: (.*)$', pathlib.Path('/proc/cpuinfo').read_text(), re.M)[0].split())
    needs = {'x86-64': set(), 'haswell': {'avx2', 'fma', 'bmi2'}, 'znver5': {'avx512f', 'avx512vl', 'avx512bw'}}
    return needs[cpu] <= flags


def undefined(path):
    listing = subprocess.run(['nm', '-u', path], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split('@')[0] for line in listing.splitlines() if line.strip()}


@unittest.skipUnless(shutil.which('cc') and shutil.which('nm'), 'no C compiler or nm on this machine')
class Objects(CommandTest):
    def compile(self, cpu='native', spec=EXAMPLES / 'mlp.json'):
        self.run_command('compile', spec, '-o', 'mlp.o', '--emit', 'obj', '--cpu', cpu, check=0)
        return self.folder / 'mlp.o'

    def test_nothing_is_needed_but_memory_functions(self):
        for cpu in CPUS:
            extra = undefined(self.compile(cpu)) - ALLOWED
            self.assertFalse(extra, f'{cpu}: {extra}')

    def build(self, source, *extra):
        program = self.folder / 'program'
        compiler = 'c++' if source.endswith('.cpp') else 'cc'
        standard = '-std=c++17' if source.endswith('.cpp') else '-std=c11'
        subprocess.run([compiler, standard, '-O1', '-Wall', '-Wextra', '-Werror', '-I.', SOURCE / 'tests' / 'e2e' / source, 'mlp.o',
                        '-o', program, *extra], cwd=self.folder, check=True)
        return subprocess.run([program], capture_output=True, cwd=self.folder, check=True, timeout=120).stdout

    def test_c_program_trains_to_the_bits_of_the_jit(self):
        for cpu in CPUS:
            if not host_runs(cpu):
                continue
            self.compile(cpu)
            self.assertEqual(self.build('aot_main.c'), self.jit(cpu), cpu)

    def test_cpp_thread_pool_gives_the_same_bits(self):
        self.compile()
        self.assertEqual(self.build('aot_pool.cpp', '-pthread'), self.build('aot_main.c'))

    def jit(self, cpu):
        """State after init and 100 steps, then the prediction, from the library's JIT on the same data."""
        helper = os.environ.get('GRADC_JIT_REFERENCE', str(SOURCE / 'build' / 'tests' / 'aot_jit'))
        return subprocess.run([helper, str(EXAMPLES / 'mlp.json'), cpu], capture_output=True, check=True, timeout=120).stdout


if __name__ == '__main__':
    unittest.main()
