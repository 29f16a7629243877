"""--check-finite names the step, the op and its place in the spec, and keeps the state before it."""
import unittest

from support import CommandTest

# w falls by 1 in the first step, from 0.5 to -0.5, so that its logarithm is NaN in the second.
SPEC = '''{
  "name": "fall",
  "inputs": { "x": "f32[N]" },
  "parameters": { "w": { "type": "f32[]", "init": 0.5 } },
  "graph": [
    { "name": "safe", "value": "w * x" },
    { "name": "risky", "value": "0 * log(w)" },
    { "name": "loss", "value": "mean(safe) + risky" }
  ],
  "programs": { "train": { "minimize": "loss", "optimizer": { "kind": "sgd", "learning_rate": 1 }, "batch": 2, "epochs": 2 } },
  "data": { "train": { "format": "csv", "x": "x.csv" } }
}
'''


class CheckFinite(CommandTest):
    def test_the_op_is_named_where_it_stands(self):
        self.write('fall.json', SPEC)
        self.write('x.csv', '1\n1\n1\n1\n')
        done = self.run_command('train', 'fall.json', '-o', 'run', '--check-finite', '--quiet', check=1)
        self.assertIn('fall.json:7:', done.stderr)
        self.assertIn('step 2', done.stderr)
        self.assertIn('log', done.stderr)
        self.assertIn('"risky"', done.stderr)

    def test_without_it_the_run_goes_on(self):
        self.write('fall.json', SPEC)
        self.write('x.csv', '1\n1\n1\n1\n')
        self.run_command('train', 'fall.json', '-o', 'run', '--quiet', check=0)


if __name__ == '__main__':
    unittest.main()
