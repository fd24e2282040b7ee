#!/usr/bin/env bash
# no_gpu.sh TESSERA MODEL: where there is no GPU, a build for GPUs says so in one line and answers on
# the CPU; asked for one, it fails in one line.
set -euo pipefail
tessera=$1 model=$2
export CUDA_VISIBLE_DEVICES=

ask() { "$tessera" run --model-path "$model" --question hello --max-new-tokens 2 "$@"; }

answer=$(ask 2>stderr.txt)
[ -n "$answer" ] || { echo "no answer; stderr:" && cat stderr.txt && exit 1; }
[ "$(grep -c 'on with the CPU' stderr.txt)" = 1 ] || { echo "not one line of no GPU:" && cat stderr.txt && exit 1; }

if ask --devices cuda >/dev/null 2>stderr.txt; then echo "ran on a GPU that is not there" && exit 1; fi
[ "$(wc -l <stderr.txt)" = 1 ] || { echo "more than one line:" && cat stderr.txt && exit 1; }
grep -q 'no GPU' stderr.txt || { cat stderr.txt && exit 1; }
