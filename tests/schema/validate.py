#!/usr/bin/env python3
"""Validates every example, and the resolved form of every example, against the JSON Schema that gradc prints.

Usage: validate.py GRADC EXAMPLES_DIRECTORY
"""
import json
import pathlib
import re
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: the Python package jsonschema is not installed")
    sys.exit(77)  # CMake's SKIP_RETURN_CODE

WRONG = [  # each has one mistake that the schema must find
    {"graph": []},
    {"inputs": {"x": "f32"}},
    {"inputs": {}, "grph": []},
    {"inputs": {}, "graph": [{}]},
    {"inputs": {}, "graph": [{"op": "conv2d", "name": "a", "fliters": 3, "kernel": 3}]},
    {"inputs": {}, "graph": [{"op": "linear", "name": "1 a", "units": 3}]},
    {"inputs": {}, "graph": [{"op": "max_pool2d", "window": 0}]},
    {"inputs": {}, "graph": [{"op": "softmax", "axis": 1.5}]},
    {"inputs": {}, "programs": {"train": {"minimize": "x", "optimizer": {"kind": "sgd", "momentun": 1}}}},
    {"inputs": {}, "programs": {"train": {"epoch": 1}}},
    {"inputs": {}, "data": {"train": {"format": "idxx"}}},
]


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {result.returncode}\n{result.stderr}")
    return result.stdout


def without_comments(text):
    pattern = r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/'
    return re.sub(pattern, lambda match: match.group(1) or "", text, flags=re.S)


def main():
    gradc, examples = sys.argv[1], pathlib.Path(sys.argv[2])
    schema = json.loads(run(gradc, "schema"))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    failures = 0
    specs = sorted(examples.glob("*.json"))
    if not specs:
        sys.exit(f"no examples in {examples}")
    for path in specs:
        texts = {"": path.read_text(encoding="utf-8"), " resolved": run(gradc, "check", str(path), "--resolved")}
        for form, text in texts.items():
            for error in validator.iter_errors(json.loads(without_comments(text))):
                failures += 1
                print(f"{path.name}{form}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
    for spec in WRONG:
        if validator.is_valid(spec):
            failures += 1
            print(f"accepted in spite of its mistake: {json.dumps(spec)}")
    sys.exit(1 if failures else 0)


main()
