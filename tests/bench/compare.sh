#!/bin/sh
# Times training steps of gradc and of PyTorch in turn, and prints how many times as long PyTorch takes.
#   tests/bench/compare.sh [--rounds R] [--seconds S] [--threads "1 2"] [workload…]
# A round runs each workload once in gradc and once in PyTorch, S seconds each; minima count over all rounds (5 of 1 s).
# One thread runs pinned to processor 0. GRADC names the command (build/gradc), PYTHON the interpreter with PyTorch.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
gradc=${GRADC:-$here/../../build/gradc}
python=${PYTHON:-/usr/bin/python3}
rounds=5 seconds=1 threads="1 2"
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --threads) threads=$2; shift 2 ;;
    -h | --help) sed -n '2,5s/^# *//p' "$0"; exit 0 ;;
    -*) echo "compare.sh: $1 is no option; see --help" >&2; exit 1 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || set -- spiral-mlp mlp-lecture mlp-mnist lenet5 vgg-cifar inception-3a alexnet char-rnn char-lstm vae
for workload; do
  [ -f "$here/workloads/$workload.json" ] || { echo "compare.sh: there is no workload $workload" >&2; exit 1; }
done
if ! "$python" -c 'import torch' 2>/dev/null; then
  echo "skipped: PyTorch (Debian: python3-torch) is not installed for $python"
  exit 0
fi
# Debian 12's OpenBLAS takes an AMD Zen 5 for a Haswell.
if grep -q avx512f /proc/cpuinfo 2>/dev/null; then
  OPENBLAS_CORETYPE=SKYLAKEX
  export OPENBLAS_CORETYPE
fi

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
run() { # threads, then a command
  count=$1
  shift
  if [ "$count" -eq 1 ] && command -v taskset >/dev/null; then set -- taskset -c 0 "$@"; fi
  "$@" --threads "$count" --seconds "$seconds" >>"$lines"
}
round=0
while [ "$round" -lt "$rounds" ]; do
  round=$((round + 1))
  for count in $threads; do
    for workload; do
      run "$count" "$gradc" bench "$here/workloads/$workload.json"
      run "$count" "$python" "$here/torch_steps.py" "$workload"
      if [ -t 2 ]; then printf '\rround %d of %d, %d threads: %-20s' "$round" "$rounds" "$count" "$workload" >&2; fi
    done
  done
done
if [ -t 2 ]; then printf '\r%60s\r' '' >&2; fi
"$python" "$here/table.py" "$lines"
