#!/bin/sh
# Formats every source, or with --check says which are not formatted.
set -eu
cd "$(dirname "$0")/../.."
tool=${CLANG_FORMAT:-$(command -v clang-format-19 || true)}
if [ -z "$tool" ]; then
  echo "skipped: clang-format-19 is not installed"
  exit 0
fi
if [ "${1:-}" = --check ]; then set -- --dry-run -Werror; else set -- -i; fi
find ir compiler runtime examples tests -name '*.h' -o -name '*.cpp' -o -name '*.c' | LC_ALL=C sort | xargs "$tool" "$@"
