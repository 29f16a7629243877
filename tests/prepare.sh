#!/bin/sh
# Installs the Debian packages that are missing: what building gradc needs, and with --tests what its tests need too.
set -eu
packages="g++ cmake ninja-build llvm-19-dev libboost-graph-dev nlohmann-json3-dev libcli11-dev zlib1g-dev"
# lit, FileCheck and not come with llvm-19-tools.
if [ "${1:-}" = --tests ]; then
  packages="$packages catch2 llvm-19-tools clang-format-19 python3 python3-numpy python3-jsonschema binutils"
fi

missing=
for package in $packages; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "these packages are missing, and installing them takes root or sudo:$missing" >&2
    exit 1
  fi
  as_root=sudo
fi
echo "installing:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1; }
# A list of packages that is there may do; an old one may name files that are gone.
install || { $as_root apt-get update -q >"$log" 2>&1 && install; } || { cat "$log" >&2; exit 1; }
