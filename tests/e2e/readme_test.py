"""The README's snippets: its JSON files, and its console sessions with the output that they show (… is any text)."""
import os
import pathlib
import re
import subprocess
import unittest

from support import GRADC, SOURCE, CommandTest


def blocks(text):
    """Fenced blocks as (info string, content)."""
    return re.findall(r'^```([^\n]*)\n(.*?)^```$', text, re.M | re.S)


def sessions(content):
    """Commands of a console block with the output shown below each."""
    parts = re.split(r'^\$ (.*)\n', content, flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2]))


def pattern_of(shown):
    """A line `…` stands for any number of lines, `…` inside a line for any text of that line."""
    lines = []
    for line in shown.splitlines(keepends=True):
        lines.append('(?:.*\n)*' if line.strip() == '…' else '.*'.join(map(re.escape, line.split('…'))))
    return re.compile(''.join(lines))


class Readme(CommandTest):
    def test_what_it_shows_is_what_comes_out(self):
        text = (SOURCE / 'README.md').read_text()
        environment = dict(os.environ, PATH=f'{pathlib.Path(GRADC).parent}:{os.environ["PATH"]}')
        shown = 0
        for info, content in blocks(text):
            kind, _, name = info.partition(' ')
            if kind == 'json':
                self.write(name, content)
            if kind != 'console':
                continue
            for command, output in sessions(content):
                done = subprocess.run(command, shell=True, cwd=self.folder, env=environment, text=True, timeout=300,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertRegex(done.stdout, re.compile(r'\A' + pattern_of(output).pattern + r'\Z'), command)
                shown += 1
        self.assertGreater(shown, 5)

    def test_every_link_leads_somewhere(self):
        for page in SOURCE.rglob('*.md'):
            if 'build' in page.relative_to(SOURCE).parts[0]:
                continue
            for link in re.findall(r'\]\(([^)#:\s]+)\)', page.read_text()):
                self.assertTrue((page.parent / link).exists(), f'{page.relative_to(SOURCE)}: {link}')


if __name__ == '__main__':
    unittest.main()
