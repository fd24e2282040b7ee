#!/usr/bin/env bash
# clang-tidy over src/ with the compile commands of a build folder: tools/tidy.sh build/release
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files 'src/*.cc' | xargs -P "$(nproc)" -n 4 \
  clang-tidy -p "$1" --quiet --extra-arg=-Wno-unknown-warning-option  # the flags are for g++
