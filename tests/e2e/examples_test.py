"""Every spec of examples/: it is free of mistakes, and trains with a falling loss where it names data."""
import json
import unittest

from support import EXAMPLES, CommandTest

FEW_EXAMPLES = '640'  # instead of thousands, so that the test is quick

# A difference of free energies, whose gradient counts and not its value; program_examples_test.py has it.
NO_FALLING_LOSS = {'rbm'}


class Examples(CommandTest):
    def specs(self):
        specs = sorted(EXAMPLES.glob('*.json'))
        self.assertGreaterEqual(len(specs), 10)
        return specs

    def resolved(self, spec):
        return json.loads(self.run_command('check', spec, '--resolved', check=0).stdout)

    def test_each_is_free_of_mistakes(self):
        for spec in self.specs():
            with self.subTest(spec.name):
                done = self.run_command('check', spec, check=0)
                self.assertRegex(done.stderr, r'\A\w+: no mistakes found\n\Z')  # no warning beside

    def test_what_names_data_trains(self):
        trained = []
        for spec in self.specs():
            resolved = self.resolved(spec)
            if 'data' not in resolved or 'plan' in resolved or spec.stem in NO_FALLING_LOSS:
                continue
            with self.subTest(spec.name):
                generated = 'generate' in resolved['data']['train']
                size = ['--set', 'data.train.generate.examples=' + FEW_EXAMPLES] if generated else []
                self.run_command('train', spec, '-o', spec.stem, '--epochs', '2', '--seed', '1', '--quiet', *size, check=0)
                lines = (self.folder / spec.stem / 'metrics.jsonl').read_text().splitlines()
                first, second, _ = (json.loads(line) for line in lines)
                self.assertLess(second['train']['loss'], first['train']['loss'])
                trained.append(spec.stem)
        self.assertIn('lenet5', trained)
        self.assertIn('spiral', trained)


if __name__ == '__main__':
    unittest.main()
