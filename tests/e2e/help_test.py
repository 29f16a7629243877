"""What --help teaches: every command line that a help text shows runs, on the model that `gradc --help` shows."""
import json
import os
import pathlib
import re
import subprocess
import unittest

import numpy as np
from pictures import write_png
from support import EXAMPLES, GRADC, CommandTest


def shown(text):
    """The command lines of a help text, without what stands beside them."""
    lines = [line.strip() for line in text.splitlines() if re.match(r'  gradc [a-z]', line)]
    return [re.split(r' {2,}', line)[0] for line in lines]


def listed(text):
    """The subcommands of a help text."""
    section = re.search(r'^Subcommands:\n((?:  .*\n)+)', text, re.M)
    return re.findall(r'^  (\w+) ', section.group(1), re.M) if section else []


class Help(CommandTest):
    def small(self, name):
        """An example that trains in a moment."""
        text = re.sub(r'^ *//.*\n', '', (EXAMPLES / name).read_text(), flags=re.M)
        self.write(name, re.sub(r'"examples": \d+', '"examples": 64', text))
        self.run_command('train', name, '--epochs', 1, '--quiet', '-o', f'run-{name.removesuffix(".json")}', check=0)

    def run_shown(self, text):
        environment = dict(os.environ, PATH=f'{pathlib.Path(GRADC).parent}:{os.environ["PATH"]}')
        for line in shown(text):
            done = subprocess.run(line, shell=True, cwd=self.folder, env=environment, text=True, capture_output=True, timeout=300)
            self.assertEqual(done.returncode, 0, f'{line}\n{done.stderr}')

    def test_every_command_that_is_shown_runs(self):
        lesson = self.run_command('--help', check=0).stdout
        model = re.search(r'^  \{\n.*?^  \}$', lesson, re.M | re.S).group(0)
        self.write('spiral.json', json.loads(model))
        self.run_shown(lesson)
        accuracy = float(re.search(r'test accuracy ([0-9.]+)', self.run_command(
            'eval', 'spiral.json', '--weights', 'run/best.safetensors', check=0).stdout).group(1))
        self.assertGreater(accuracy, 0.9)
        self.small('vae.json')
        self.small('lenet5.json')
        np.save(self.folder / 'points.npy', np.array([[0, 0.5], [1, -1], [0.25, 0]], 'f4'))
        write_png(self.folder / 'digit.png', np.arange(784).reshape(28, 28, 1) % 251, 0)
        commands = listed(lesson)
        self.assertGreater(len(commands), 10)
        for command in commands:
            text = self.run_command(command, '--help', check=0).stdout
            self.assertIn(f'  gradc {command}', text)
            self.run_shown(text)
            for below in listed(text):
                text = self.run_command(command, below, '--help', check=0).stdout
                self.assertIn(f'  gradc {command} {below} ', text)
                self.run_shown(text)

    def test_lines_fit_a_terminal(self):
        lesson = self.run_command('--help', check=0).stdout
        for command in [[], *([name] for name in listed(lesson))]:
            for line in self.run_command(*command, '--help', check=0).stdout.splitlines():
                self.assertLessEqual(len(line), 120 if 'gradc' in line else 100, line)

    def test_help_is_a_subcommand_too(self):
        for words, same in ((['help'], ['--help']), (['help', 'train'], ['train', '--help']),
                            (['help', 'plot', 'curves'], ['plot', 'curves', '--help'])):
            self.assertEqual(self.run_command(*words, check=0).stdout, self.run_command(*same, check=0).stdout)


if __name__ == '__main__':
    unittest.main()
