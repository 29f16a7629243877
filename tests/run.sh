#!/bin/sh
# Installs what is missing, builds into build/, runs the tests; ends with ctest's summary. Arguments go to ctest:
# without any, all tests run but those with the label `slow` (tests/run.sh -L slow).
set -eu
cd "$(dirname "$0")/.."
tests/prepare.sh --tests
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }; }
quietly cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DGRADC_TESTS=ON
quietly cmake --build build -j "${JOBS:-2}"
[ $# -gt 0 ] || set -- -LE slow
ctest --test-dir build -j "${JOBS:-2}" --output-on-failure "$@"
