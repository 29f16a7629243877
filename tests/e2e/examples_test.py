"""Every spec of examples/: it is free of mistakes, and trains with a falling loss where it names data."""
import json
import random
import unittest

from support import EXAMPLES, CommandTest

FEW_EXAMPLES = '640'  # instead of thousands, so that the test is quick

# A difference of free energies, whose gradient counts and not its value; program_examples_test.py has it.
NO_FALLING_LOSS = {'rbm'}


def write_texts(folder):
    """Small stand-ins for the texts that examples read: names of a few syllables, and plays in 65 letters."""
    folder.mkdir()
    draw = random.Random(1)
    syllables = ['an', 'be', 'el', 'ia', 'jo', 'ka', 'li', 'mar', 'na', 'ro', 'sa', 'to', 'vi', 'dix', 'fay', 'gwh', 'cuq', 'zep']
    names = [''.join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(400)]
    (folder / 'names.txt').write_text('\n'.join(names) + '\n')
    letters = '\n !$&\',-.3:;?' + ''.join(chr(c) for c in (*range(65, 91), *range(97, 123)))
    words = ['the', 'king', 'and', 'Juliet', 'shall', 'speak:', 'no', 'more,', 'sweet', 'lord.\n']
    (folder / 'tinyshakespeare.txt').write_text(letters + ' '.join(draw.choices(words, k=2000)))
    return folder


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
        texts = write_texts(self.folder / 'texts')
        for spec in self.specs():
            resolved = self.resolved(spec)
            if 'data' not in resolved or 'plan' in resolved or spec.stem in NO_FALLING_LOSS:
                continue
            with self.subTest(spec.name):
                generated = 'generate' in resolved['data']['train']
                size = ['--set', 'data.train.generate.examples=' + FEW_EXAMPLES] if generated else []
                files = [f for f in resolved['data']['train'].values() if isinstance(f, str) and (texts / f).exists()]
                size += ['--data', texts] if files else []
                if not size:
                    continue  # images that nothing here draws: slow_image_networks_test.py
                self.run_command('train', spec, '-o', spec.stem, '--epochs', '2', '--seed', '1', '--quiet', *size, check=0)
                lines = (self.folder / spec.stem / 'metrics.jsonl').read_text().splitlines()
                first, second, _ = (json.loads(line) for line in lines)
                self.assertLess(second['train']['loss'], first['train']['loss'])
                trained.append(spec.stem)
        self.assertIn('lenet5', trained)
        self.assertIn('spiral', trained)

    def trained_to_the_end(self, name, *options):
        self.run_command('train', EXAMPLES / (name + '.json'), '-o', name, '--seed', '1', '--quiet', *options, check=0)
        lines = [json.loads(line) for line in (self.folder / name / 'metrics.jsonl').read_text().splitlines()]
        return [line for line in lines if 'train' in line]

    def test_loops_and_modes_reach_what_they_state(self):
        hello = self.trained_to_the_end('rnn-hello')
        self.assertEqual(hello[-1]['test']['accuracy'], 1)
        self.assertGreaterEqual(self.trained_to_the_end('custom-activation')[-1]['test']['accuracy'], 0.98)
        newton = self.trained_to_the_end('newton')
        self.assertEqual(len(newton), 6)
        self.assertLess(newton[-1]['test']['slope'], 1e-9)
        self.assertGreater(newton[0]['test']['slope'], 1e-3)


if __name__ == '__main__':
    unittest.main()
