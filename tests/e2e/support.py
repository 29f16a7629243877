"""What the end-to-end tests share: the command under test, temporary folders, specs from dictionaries."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
GRADC = os.environ.get('GRADC', str(SOURCE / 'build' / 'gradc'))
EXAMPLES = SOURCE / 'examples'
MNIST = SOURCE.parent / 'shared' / 'data' / 'mnist-10k'
TEXTS = SOURCE.parent / 'shared' / 'data' / 'text'


class CommandTest(unittest.TestCase):
    """A test in a folder of its own, where it runs the command."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix='gradc-test-')
        self.folder = pathlib.Path(self._folder.name)

    def tearDown(self):
        self._folder.cleanup()

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def run_command(self, *arguments, check=None, **options):
        """Runs gradc; `check` is the exit code that is expected."""
        done = subprocess.run([GRADC, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True, errors='replace',
                              timeout=600, **options)
        if check is not None:
            self.assertEqual(done.returncode, check, f'gradc {" ".join(map(str, arguments))}\n{done.stdout}{done.stderr}')
        return done

    def trace(self, spec, *arguments):
        """The nodes of a trace by name, and the state after the step by name."""
        path = self.write('model.json', spec) if isinstance(spec, dict) else spec
        result = json.loads(self.run_command('trace', path, '--json', *arguments, check=0).stdout)
        return ({node['name']: node for node in result['nodes']}, {item['name']: item['value'] for item in result['after']})
