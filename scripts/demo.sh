#!/usr/bin/env bash
# Installs what is missing, builds Tessera in release mode (for GPUs too where there is one), and runs
# its main job: the demo model, larger than any one device's budget, split over three virtual devices,
# answers about a picture.
# Asks for another picture and question with: scripts/demo.sh PICTURE QUESTION
source "$(dirname "$0")/common.sh"

picture=${1:-models/demo/pictures/00.png}
question=${2:-"What is in the picture?"}

install "${PACKAGES[@]}"
preset=release
if has_gpu; then
  cuda_toolkit
  preset=cuda-release
fi
say "Building (build/$preset)"
build "$preset" tessera

say "Three devices, none of which can hold the model alone"
run=("build/$preset/src/cli/tessera" run --model-path models/demo --devices 3xcpu@3MiB
     --temperature 0 --image-file "$picture" --question "$question")
printf '%q ' "${run[@]}" >&2
printf '\n\n' >&2
"${run[@]}"
