#!/usr/bin/env bash
# Runs every fuzz target of a build folder for a while: tests/fuzz/run.sh build/fuzz SECONDS
# Starts from the committed seeds; a finding is kept beside the build and ends with status 1.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1 seconds=$2
export ASAN_OPTIONS=allocator_may_return_null=1
passed=0 failed=0
for program in "$build"/tests/fuzz/*_fuzz; do
  name=$(basename "$program" _fuzz)
  found=$build/found/$name
  mkdir -p "$found"
  if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -verbosity=0 \
      -print_final_stats=0 -artifact_prefix="$found/" "$found" "tests/fuzz/corpus/$name"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "fuzz: $name failed; the input is in $found" >&2
  fi
done
echo "fuzz: $passed targets clean, $failed with findings"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
