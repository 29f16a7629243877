#!/usr/bin/env python3
"""Reads every #include line and fails on an arrow between rooms that the design forbids, and on files that are too long.

Usage: rooms.py SOURCE_DIRECTORY
"""
import pathlib
import re
import sys

MAX_LINES = 800

# Room: which rooms its files may include, beside their own. `pipeline` is compiler/*.h: the options and the list of passes.
COMPILER = ["ir", "analysis", "autodiff", "passes", "lower", "pipeline", "codegen", "frontend", "api", "public"]
ROOMS = {
    "ir": [],
    "analysis": ["ir"],
    "autodiff": ["ir"],
    "passes": ["ir", "analysis", "autodiff", "pipeline"],
    "lower": ["ir", "analysis", "pipeline"],
    "pipeline": ["ir", "passes", "lower"],
    "codegen": ["ir", "runtime"],
    "frontend": ["ir", "public"],
    "api": COMPILER + ["runtime"],
    "public": COMPILER + ["runtime"],
    "driver": COMPILER + ["runtime"],
    "runtime": [],
}
FOLDERS = {
    "ir": "ir",
    "runtime": "runtime",
    "compiler/analysis": "analysis",
    "compiler/autodiff": "autodiff",
    "compiler/passes": "passes",
    "compiler/lower": "lower",
    "compiler/codegen": "codegen",
    "compiler/frontend": "frontend",
    "compiler/api": "api",
    "compiler/include": "public",
    "compiler/driver": "driver",
    "compiler": "pipeline",
}
# Library, by the start of its headers' names: the rooms that may include it.
LIBRARIES = {
    "llvm": ["codegen"],
    "llvm-c": ["codegen"],
    "boost": ["analysis"],
    "CLI": ["driver"],
    "nlohmann": ["frontend", "runtime", "driver", "api"],
    "zlib.h": ["runtime"],
}
STANDARD_ONLY = ["ir", "analysis", "autodiff", "passes", "lower", "pipeline"]  # beside LIBRARIES
C_HEADERS = {"stdint.h", "stddef.h", "string.h", "math.h"}
SOURCES = {".h", ".cpp", ".c", ".def", ".py", ".sh", ".cmake"}


def room_of(path):
    """The room of a file, given relative to the source directory; None outside of all."""
    for parent in path.parents:
        if parent.as_posix() in FOLDERS:
            return FOLDERS[parent.as_posix()]
    return None


def find(root, source, name):
    """The file of the project that an include means, or None where it is another library's."""
    for base in (source.parent, root, root / "runtime/include", root / "compiler/include"):
        if (base / name).is_file():
            return (base / name).resolve().relative_to(root)
    return None


def mistake(root, source, name):
    """What is wrong with a file's include of `name`; None where nothing is."""
    room = room_of(source.relative_to(root))
    if room is None:
        return None
    target = find(root, source, name)
    if target:
        other = room_of(target)
        if other == room or other in ROOMS[room]:
            return None
        return f"{room} must not include {other or 'what lies in no room'}"
    library = name.split("/")[0]
    if library in LIBRARIES:
        return None if room in LIBRARIES[library] else f"{room} must not include {library}"
    if room in STANDARD_ONLY and ("/" in name or (name.endswith(".h") and name not in C_HEADERS)):
        return f"{room} includes the standard library only"
    return None


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    mistakes, files, includes = [], 0, 0
    for top in ("ir", "compiler", "runtime", "examples", "tests"):
        for source in sorted((root / top).rglob("*")):
            if source.suffix not in SOURCES or not source.is_file():
                continue
            files += 1
            lines = source.read_text(encoding="utf-8").splitlines()
            where = source.relative_to(root)
            if len(lines) > MAX_LINES:
                mistakes.append(f"{where}: {len(lines)} lines are more than {MAX_LINES}")
            if source.suffix not in {".h", ".cpp", ".c", ".def"}:
                continue
            for number, line in enumerate(lines, 1):
                match = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
                if not match:
                    continue
                includes += 1
                wrong = mistake(root, source, match.group(1))
                if wrong:
                    mistakes.append(f"{where}:{number}: {wrong}: {match.group(1)}")
    print("\n".join(mistakes) if mistakes else f"{includes} includes in {files} files")
    if includes == 0:
        sys.exit("no includes found: is this the source directory?")
    sys.exit(1 if mistakes else 0)


if __name__ == "__main__":
    main()
