#!/bin/sh
# Builds gradc into build/ and trains LeNet-5: on drawn digits, or with --data DIR on MNIST's four IDX files in DIR.
# Other arguments go to `gradc train` as they are.
set -eu
# DIR is the caller's, relative to where the caller stands.
for argument in "$@"; do
  shift
  if [ "${previous:-}" = --data ]; then argument=$(realpath "$argument"); fi
  previous=$argument
  set -- "$@" "$argument"
done
cd "$(dirname "$0")/.."
tests/prepare.sh

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }; }
if [ ! -x build/gradc ]; then echo "building gradc into build/ (some minutes, once)" >&2; fi
# Tests stay as they are where build/ has them; they need packages of their own.
tests=OFF
if grep -qs '^GRADC_TESTS:BOOL=ON' build/CMakeCache.txt; then tests=ON; fi
quietly cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DGRADC_TESTS=$tests
quietly cmake --build build -j "$(nproc)" --target gradc

run=runs/lenet5
build/gradc train examples/lenet5.json -o $run "$@"
for stage in graph grad optimized fused kernel; do
  build/gradc dump examples/lenet5.json --stage $stage >$run/$stage.gir
done

accuracy=$(sed -n '/"event": *"epoch"/s/.*"test": *{[^}]*"accuracy": *\([0-9.eE+-]*\).*/\1/p' $run/metrics.jsonl | tail -n 1)
echo
echo "test accuracy  $(echo "$accuracy" | awk '{ printf "%.2f %%", 100 * $1 }')"
echo "weights        $run/last.safetensors"
echo "metrics        $run/metrics.jsonl"
echo "dumps          $run/graph.gir, grad.gir, optimized.gir, fused.gir, kernel.gir"
