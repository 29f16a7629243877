#!/bin/sh
# Installs a build and builds each project of this folder against it, in a directory outside of the source tree.
#
# Usage: run.sh BUILD_DIRECTORY
set -eu
build=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=$(sed -n 's/^CMAKE_CXX_FLAGS:[A-Z]*=//p' "$build/CMakeCache.txt")  # sanitizers: both sides or none
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; }

# user NAME WHAT_IT_PRINTS [CMAKE_ARGUMENT…]
user() {
  name=$1 expected=$2
  shift 2
  cp -r "$here/$name" "$work/$name"
  quietly cmake -S "$work/$name" -B "$work/$name/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS="$flags" \
    -DCMAKE_PREFIX_PATH="$work/prefix" "$@"
  quietly cmake --build "$work/$name/build"
  printed=$("$work/$name/build/user")
  if [ "$printed" != "$expected" ]; then
    echo "$name: printed \`$printed\`, not \`$expected\`"
    exit 1
  fi
}

quietly cmake --install "$build" --prefix "$work/prefix"
user runtime "f32[64,10]"
if ldd "$work/runtime/build/user" | grep LLVM; then
  echo "runtime: links LLVM"
  exit 1
fi
user api "f32[N,2] trained"
"$work/prefix/bin/gradc" --version >/dev/null
