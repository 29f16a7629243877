#!/usr/bin/env python3
"""Prints the table of compare.sh from its lines of JSON: minima over all rounds, ratios, share of peak.

Usage: table.py FILE
"""
import json
import sys


def read(path):
    """By (workload, threads), in order of appearance: the least milliseconds of each peer, the best share of peak."""
    rows = {}
    with open(path, encoding='utf-8') as lines:
        for line in map(json.loads, lines):
            row = rows.setdefault((line['workload'], line['threads']), {})
            peer = line['peer'].split()[0]
            row[peer] = min(row.get(peer, float('inf')), line['min_ms'])
            if line.get('share_of_peak') is not None:
                row['share'] = max(row.get('share', 0), line['share_of_peak'])
    return rows


def table(rows):
    yield ['workload', 'threads', 'gradc ms', 'pytorch ms', 'ratio', 'share of peak', 'against one thread']
    for (workload, threads), row in rows.items():
        alone = rows.get((workload, 1), {}).get('gradc')
        yield [workload, str(threads), f'{row["gradc"]:.4g}', f'{row["pytorch"]:.4g}', f'{row["pytorch"] / row["gradc"]:.2f}',
               f'{100 * row["share"]:.1f} %' if 'share' in row else '-',
               f'{alone / row["gradc"]:.2f}' if threads > 1 and alone else '-']


def main():
    cells = list(table(read(sys.argv[1])))
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        print('  '.join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]).rstrip())


if __name__ == '__main__':
    main()
