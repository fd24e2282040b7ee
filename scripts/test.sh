#!/usr/bin/env bash
# Installs what is missing, builds everything and passes every test:
#   format, layers and names; release build with all tests; the server in front of others' clients, a
#   browser and mixed traffic; all tests, CUDA's on emulated GPUs among them, under
#   AddressSanitizer and UndefinedBehaviorSanitizer; whatever uses threads under ThreadSanitizer;
#   kernels by nvcc, with what each takes of a GPU, and on one where there is one; every fuzz target
#   for a short while.
# scripts/test.sh quick stops after the release tests.
source "$(dirname "$0")/common.sh"

quick=${1:-}
[ -z "$quick" ] || [ "$quick" = quick ] || { echo "usage: scripts/test.sh [quick]" >&2; exit 2; }

install "${PACKAGES[@]}" "${TEST_PACKAGES[@]}"

say "Format, layers and names"
git ls-files '*.h' '*.cc' '*.cu' '*.cuh' | xargs clang-format --dry-run -Werror
python3 tools/check_layers.py
python3 tools/check_names.py

say "Release: build and test"
build release
ctest --preset release
[ -z "$quick" ] || exit 0

say "The server: others' clients, a browser, ${SOAK_SECONDS:=120} s of mixed traffic"
tests/server/clients/run.sh --start build/release/tests/server/fake_server
tests/server/page/run.sh
tests/server/real.sh build/release/src/cli/tessera "$SOAK_SECONDS"

cuda_toolkit

say "AddressSanitizer and UndefinedBehaviorSanitizer, GPUs emulated: build and test"
build asan
ctest --preset asan

say "ThreadSanitizer: build and test what uses threads"
build tsan thread_tests
ctest --preset tsan

say "CUDA by nvcc: build, and hold kernels against their table"
if has_gpu; then
  build cuda-release tessera cuda_tests
  ctest --preset cuda-release
else  # nobody runs it but to be told that there is no GPU: its host code need not be fast
  cmake --preset cuda-release -B build/cuda-check -D CMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG" -D TESSERA_BENCH=ON >&2
  cmake --build build/cuda-check --target tessera cuda_bench >&2
  ctest --test-dir build/cuda-check -L cuda --output-on-failure --no-tests=error
fi

say "Fuzzing, ${FUZZ_SECONDS:=10} s a target"
build fuzz fuzzers
tests/fuzz/run.sh build/fuzz "$FUZZ_SECONDS"
