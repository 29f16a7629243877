#!/usr/bin/env python3
"""Checks that rooms.py finds each kind of forbidden include, and accepts what the design allows."""
import pathlib
import subprocess
import sys
import tempfile

SCRIPT = pathlib.Path(__file__).with_name("rooms.py")
HEADERS = ["ir/type.h", "compiler/pipeline.h", "compiler/frontend/model.h", "compiler/include/gradc/gradc.h",
           "runtime/include/gradc/abi.h"]
CASES = [  # file, its text, the sentence or "" where nothing is wrong
    ("ir/a.cpp", '#include "ir/type.h"\n#include <vector>', ""),
    ("ir/a.cpp", '#include "compiler/pipeline.h"', "ir must not include pipeline"),
    ("ir/a.cpp", "#include <unistd.h>", "ir includes the standard library only"),
    ("ir/ops/a.cpp", "  #  include <boost/graph/graph.hpp>", "ir must not include boost"),
    ("runtime/a.cpp", '#include "ir/type.h"', "runtime must not include ir"),
    ("runtime/a.cpp", '#include "gradc/abi.h"\n#include <zlib.h>', ""),
    ("runtime/a.cpp", "#include <gradc/gradc.h>", "runtime must not include public"),
    ("compiler/lower/a.cpp", "#include <llvm/IR/Module.h>", "lower must not include llvm"),
    ("compiler/codegen/a.cpp", '#include <llvm/IR/Module.h>\n#include "gradc/abi.h"', ""),
    ("compiler/codegen/a.cpp", "#include <boost/any.hpp>", "codegen must not include boost"),
    ("compiler/analysis/a.cpp", "#include <boost/graph/graph.hpp>", ""),
    ("compiler/passes/a.cpp", '#include "compiler/frontend/model.h"', "passes must not include frontend"),
    ("compiler/driver/a.cpp", '#include "compiler/frontend/model.h"\n#include <CLI/CLI.hpp>', ""),
    ("ir/long.cpp", "#include <vector>\n" * 801, "801 lines are more than 800"),
]

failures = 0
for path, text, expected in CASES:
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        for file, content in [(header, "#include <vector>") for header in HEADERS] + [(path, text)]:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(content, encoding="utf-8")
        run = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, check=False)
        if (run.returncode != 0) != bool(expected) or expected not in run.stdout:
            failures += 1
            print(f"{path}: {text[:60]!r}: expected {expected!r}, got {run.returncode}: {run.stdout}{run.stderr}")
sys.exit(1 if failures else 0)
