#!/usr/bin/env bash
# A GPU is at hand for a short while: proves on it what only it can show, and measures. In three parts, because the
# machine with the GPU may have no compiler, no network and no repository's history (Python it has):
#   scripts/gpu_day.sh pack              here: builds for the GPU, records what emulated GPUs answer, and gathers all that
#                                        a run needs in build/gpu-day (about 50 MB)
#   scripts/gpu_day.sh run [OUT] [SECONDS]
#                                        there, from this folder: every step in turn, what matters most first, its result
#                                        written as it ends, into OUT (build/gpu-day-results); a step that fails stops no
#                                        other; all in SECONDS (1800): what no longer fits is skipped
#   scripts/gpu_day.sh page OUT          here: bench/results/DATE-CARD.md and .json from what came back
#   scripts/gpu_day.sh rehearse          here, without a GPU: pack, run and page on emulated ones, with the demo model
source "$(dirname "$0")/common.sh"

CARD_ARCHITECTURES=${CARD_ARCHITECTURES:-"80-virtual;90-real"}
pack=build/gpu-day
question="What is in the picture?"
pictures=(models/demo/pictures/0{0,1,2}.png)
pictures=("${pictures[@]:0:${PICTURES:=3}}")
precisions=(f32 bf16 int8 int4)

# Programs and the libraries that they need, but those of the C library.
gather() {  # gather BUILD PROGRAM...
  local build=$1 program
  shift
  mkdir -p "$pack/bin" "$pack/lib"
  for program in "$@"; do
    cp "$build/$program" "$pack/bin/"
    strip "$pack/bin/$(basename "$program")"
    ldd "$build/$program" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' |
      grep -vE '/(libc|libm|libdl|libpthread|librt)\.so' | xargs -r cp -nL -t "$pack/lib"
  done
}


# The demo's answers with their first logits, a line each: what emulated GPUs say, and GPUs are to say.
answers() {  # answers TESSERA DEVICES
  local precision picture failed=
  for precision in "${precisions[@]}"; do
    for picture in "${pictures[@]}"; do
      printf '%s %s\t' "$precision" "$(basename "$picture")"
      "$1" run --model-path models/demo --devices "$2" --precision "$precision" --temperature 0 \
        --image-file "$picture" --question "$question" --max-new-tokens 24 --json --quiet || { failed=yes; echo; }
    done
  done
  [ -z "$failed" ]
}

build_emulated() {
  cmake --preset cuda-emulated -DTESSERA_BENCH=ON >&2
  build cuda-emulated tessera ops_test cuda_bench
}

# What is packed: the machine with the GPU cannot ask.
record_commit() {
  git describe --always --abbrev=40 --dirty --exclude '*' > "$pack/commit.txt"
}

pack_for_gpu() {
  rm -rf "$pack"
  say "Programs for the GPU ($CARD_ARCHITECTURES)"
  cmake --preset cuda-release -B build/gpu-day-build -DTESSERA_BENCH=ON \
    "-DCMAKE_CUDA_ARCHITECTURES=$CARD_ARCHITECTURES" >&2
  cmake --build build/gpu-day-build --target tessera ops_test cuda_bench >&2
  gather build/gpu-day-build src/cli/tessera tests/ops/ops_test bench/ops/cuda_bench
  record_commit
  # Weights are drawn while they load, so 65 GiB are a small folder. Needs numpy.
  python3 tools/checkpoints/synthetic.py "$pack/model" --shape 34b --random >&2
  say "What emulated GPUs answer"
  build_emulated
  answers build/cuda-emulated/src/cli/tessera 3xcuda:0@16MiB > "$pack/answers.jsonl"
  du -sh "$pack" >&2
}

out=
until=
op_tests="*/cuda"
kernels="copy|attention|matmul/(bf16|bf16_cublaslt|int8|int4)/(1|8|1100)/7168/40960" all_kernels=.
patience=1  # what limits are multiplied with: emulated GPUs are slow
# step LIMIT NAME COMMAND...: at most LIMIT seconds, and not past the end; its output into OUT/NAME.txt and NAME.log, how
# it ended into OUT/steps.txt.
step() {
  local limit=$1 name=$2 begin=$SECONDS status=done left=$((until - SECONDS))
  shift 2
  if [ "$left" -lt 10 ]; then
    printf '%s\tskipped (no time left)\t0 s\n' "$name" | tee -a "$out/steps.txt" >&2
    return
  fi
  say "$name ($left s left)"
  limit=$((patience * limit))
  limited $((limit < left ? limit : left)) "$@" > "$out/$name.txt" 2> "$out/$name.log" || status="failed ($?)"
  printf '%s\t%s\t%d s\n' "$name" "$status" $((SECONDS - begin)) | tee -a "$out/steps.txt" >&2
}

# limited SECONDS COMMAND...: a program, or a function of this script, and all that it has started; 124 when it took longer.
limited() {
  local seconds=$1
  shift
  if [ "$(type -t "$1")" = function ]; then
    timeout "$seconds" bash scripts/gpu_day.sh call "$@"
  else
    timeout "$seconds" "$@"
  fi
}

same_answers() {  # same_answers DEVICES GOT
  answers "$pack/bin/tessera" "$1" > "$2" || true  # those that are missing are named
  python3 tools/same_answers.py "$pack/answers.jsonl" "$2"
}

# bench_model PRECISION DEVICES OUT: beside it, what the driver says is in use.
bench_model() {
  local sampler=
  if command -v nvidia-smi > /dev/null; then
    nvidia-smi --query-gpu=timestamp,memory.used,power.draw,clocks.sm --format=csv,noheader -l 1 > "$3" &
    sampler=$!
  fi
  local status=0
  "$pack/bin/tessera" bench model --model-path "$pack/model" --devices "$2" --precision "$1" --context "$context" \
    --prompt-tokens "$prompt" --new-tokens 32 --json --quiet || status=$?
  [ -z "$sampler" ] || kill "$sampler"
  return "$status"
}

run_all() {
  out=${1:-build/gpu-day-results}
  until=$((SECONDS + ${2:-1800}))
  mkdir -p "$out"
  out=$(realpath "$out")
  export XDG_CACHE_HOME="$out/cache"  # rates of kernels and links are measured anew, and stay with the results
  export LD_LIBRARY_PATH="$PWD/$pack/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  : > "$out/steps.txt"
  cp "$pack/commit.txt" "$out/"
  date -u +%Y-%m-%dT%H:%MZ > "$out/date.txt"
  local graphs="$devices{graphs=on}" library="$devices{gemm=cublaslt}"
  export context prompt  # for functions, which run in a shell of their own
  # What only a GPU can show of rightness, ...
  step 30 card sh -c 'nvidia-smi; nvidia-smi -q; nvidia-smi topo -m'
  step 60 devices "$pack/bin/tessera" devices --json
  step 180 tests_ops "$pack/bin/ops_test" "--gtest_filter=$op_tests" --gtest_brief=1 "--gtest_output=json:$out/tests_ops.json"
  step 120 answers_one_device same_answers "$one" "$out/answers_one_device.jsonl"
  step 120 answers_three_devices same_answers "$three" "$out/answers_three_devices.jsonl"
  step 120 answers_as_graphs same_answers "$three{graphs=on}" "$out/answers_as_graphs.jsonl"
  # ... then of speed: 34B's shape, and the kernels that its time goes to; all others last.
  step 240 bench_model_bf16 bench_model bf16 "$devices" "$out/memory_bf16.csv"
  step 120 bench_kernels "$pack/bin/cuda_bench" "--benchmark_filter=$kernels" \
    "--benchmark_out=$out/bench_kernels.json"
  step 180 answer_about_a_picture "$pack/bin/tessera" run --model-path "$pack/model" --devices "$devices" --precision bf16 \
    --context "$context" --temperature 0 --image-file "${pictures[0]}" --question "$question" --max-new-tokens 8 --json --quiet
  step 180 bench_model_int4 bench_model int4 "$devices" "$out/memory_int4.csv"
  step 180 bench_model_int4_graphs bench_model int4 "$graphs" "$out/memory_int4_graphs.csv"
  step 180 bench_model_int8 bench_model int8 "$devices" "$out/memory_int8.csv"
  # Beside bench_model_bf16: fails in a line where LD_LIBRARY_PATH shows no libcublasLt.so.13, which no pack brings (540 MB).
  step 240 bench_model_bf16_cublaslt bench_model bf16 "$library" "$out/memory_bf16_cublaslt.csv"
  step 240 bench_model_bf16_graphs bench_model bf16 "$graphs" "$out/memory_bf16_graphs.csv"
  step 900 bench_all_kernels "$pack/bin/cuda_bench" "--benchmark_filter=$all_kernels" "--benchmark_out=$out/bench_all_kernels.json"
  ! grep -q failed "$out/steps.txt"
}

case ${1:-} in
  call)  # of limited()
    shift
    "$@"
    ;;
  pack)
    pack_for_gpu
    ;;
  run)
    devices=3xcuda:0@24GiB one=cuda:0@1GiB three=3xcuda:0@256MiB context=2048 prompt=1024
    run_all "${2:-}" "${3:-}"
    ;;
  page)
    python3 tools/gpu_day_page.py "${2:?the folder that came back}"
    ;;
  rehearse)  # all of it, with one picture
    rm -rf "$pack" build/gpu-day-results
    say "Emulated GPUs in the place of a real one"
    export PICTURES=1
    pictures=("${pictures[0]}")
    build_emulated
    gather build/cuda-emulated src/cli/tessera tests/ops/ops_test bench/ops/cuda_bench
    record_commit
    cp -r models/demo "$pack/model"
    answers "$pack/bin/tessera" 3xcuda:0@16MiB > "$pack/answers.jsonl"
    export TESSERA_EMULATED_GPUS=1x2GiB
    devices=3xcuda:0@16MiB one=cuda:0@64MiB three=3xcuda:0@16MiB context=512 prompt=40
    patience=10 op_tests="*Op.*/cuda-*Sample*:*Matmul*:*Attention*"  # ctest runs all of them
    kernels="copy|attention|matmul/(bf16|bf16_cublaslt|int4)/(1|17)/" all_kernels="copy|matmul/int8/8/"
    run_all build/gpu-day-results 7200 || status=$?
    python3 tools/gpu_day_page.py "$out" --results "$out/page"
    exit "${status:-0}"
    ;;
  *)
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
