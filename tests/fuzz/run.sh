#!/usr/bin/env bash
# Runs every fuzz target of a build folder for a while, one a core: tests/fuzz/run.sh build/fuzz SECONDS
# Starts from the committed seeds; a finding is kept beside the build and ends with status 1.
set -euo pipefail
cd "$(dirname "$0")/../.."
export build=$1 seconds=$2
export ASAN_OPTIONS=allocator_may_return_null=1

fuzz() {
  local name found
  name=$(basename "$1" _fuzz)
  found=$build/found/$name
  mkdir -p "$found"
  "$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -verbosity=0 \
    -print_final_stats=0 -artifact_prefix="$found/" "$found" "tests/fuzz/corpus/$name" ||
    { echo "fuzz: $name failed; the input is in $found" >&2 && return 1; }
}
export -f fuzz

programs=("$build"/tests/fuzz/*_fuzz)
[ -x "${programs[0]}" ] || { echo "fuzz: no targets in $build" >&2 && exit 1; }
printf '%s\0' "${programs[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'fuzz "$1"' fuzz ||
  { echo "fuzz: findings" >&2 && exit 1; }
echo "fuzz: ${#programs[@]} targets clean"
