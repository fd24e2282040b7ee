#!/usr/bin/env python3
"""Measures Tessera and llama.cpp on the same weights in turns, and prints one line of a table.

    llama_cpp.py --tessera build/release/src/cli/tessera --llama-bench PATH \\
        --model-path DIR --precision int8 --gguf FILE

The GGUF file is made from the same checkpoint: llama.cpp's convert_hf_to_gguf.py --outtype bf16, then
llama-quantize to Q8_0 or Q4_0. A machine's speed drifts, so the two take turns and the best run of
each counts; llama.cpp runs with flash attention.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess


def tessera(options: argparse.Namespace) -> tuple[float, float]:
    """Tokens a second of the prompt and of the answer."""
    out = subprocess.run(
        [options.tessera, "bench", "model", "--json", "--quiet", "--model-path", options.model_path,
         "--precision", options.precision, "--devices", options.devices, "--context", "2048",
         "--prompt-tokens", str(options.prompt), "--new-tokens", str(options.new)],
        check=True, capture_output=True, text=True).stdout
    result = json.loads(out)
    return options.prompt / result["prefill_s"], 1 / result["decode_step_s"]


def llama(options: argparse.Namespace) -> tuple[float, float]:
    out = subprocess.run(
        [options.llama_bench, "-m", options.gguf, "-p", str(options.prompt), "-n", str(options.new),
         "-fa", "1", "-t", str(os.cpu_count()), "-r", "3", "-o", "json"],
        check=True, capture_output=True, text=True).stdout
    runs = json.loads(out)
    return tuple(max(max(run["samples_ts"]) for run in runs if run[kind] > 0) for kind in ("n_prompt", "n_gen"))


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tessera", "llama-bench", "model-path", "gguf", "precision"):
        args.add_argument(f"--{name}", required=True)
    args.add_argument("--devices", default="cpu")
    args.add_argument("--prompt", type=int, default=256, help="tokens of the prompt")
    args.add_argument("--new", type=int, default=32, help="tokens of the answer")
    args.add_argument("--rounds", type=int, default=3)
    options = args.parse_args()
    ours, theirs = (0.0, 0.0), (0.0, 0.0)
    for _ in range(options.rounds):
        ours = tuple(map(max, ours, tessera(options)))
        theirs = tuple(map(max, theirs, llama(options)))
    cells = [f"{a:.4g} / {b:.4g} = {a / b:.2f}" for a, b in zip(ours, theirs)]
    print(f"| {options.precision} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
