#!/usr/bin/env python3
"""What `tessera bench quality` measures, beside PyTorch's own figures for the same model, text and windows.

    python3 tools/quality/beside_torch.py TESSERA FOLDER TEXT [--tokens 4096] [--context 1024]

FOLDER is a text checkpoint that transformers loads (scripts/smollm2.sh makes one). Prints one line a computation: KL divergence from f32 and its
standard error, share of tokens with the same likeliest one, perplexity. Ends with status 1 when Tessera's f32 is not PyTorch's (perplexities
within 1e-4), or when its bf16 is further from f32 than PyTorch's bf16 is. Needs the packages of tools/oracle/requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PRECISIONS = "bf16,int8,int6,int5,int4"


@dataclass
class Figures:
    name: str
    kl: float
    kl_error: float
    top1: float
    perplexity: float
    reference_perplexity: float

    def line(self) -> str:
        return f"{self.name:14} KL {self.kl:.3e} +- {self.kl_error:.1e}  same top {100 * self.top1:6.2f} %  perplexity {self.perplexity:.4f}"


def run(args: list[str]) -> Any:
    return json.loads(subprocess.run(args, check=True, stdout=subprocess.PIPE).stdout)


def windows(ids: list[int], context: int) -> list[list[int]]:
    """As runtime/quality_sample.h cuts a text for a tokenizer without bos."""
    return [part for part in (ids[i:i + context] for i in range(0, len(ids), context)) if len(part) > 1]


@torch.no_grad()
def log_probabilities(model: Any, window: list[int]) -> torch.Tensor:
    return torch.log_softmax(model(torch.tensor([window])).logits[0, :-1].double(), dim=-1)


def torch_figures(folder: Path, parts: list[list[int]]) -> Figures:
    wide = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    narrow = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    kl, same, log_p, log_q = [], [], [], []
    for part in parts:
        p, q = log_probabilities(wide, part), log_probabilities(narrow, part)
        following = torch.tensor(part[1:])[:, None]
        kl.append((p.exp() * (p - q)).sum(-1))
        same.append((p.argmax(-1) == q.argmax(-1)).double())
        log_p.append(p.gather(1, following))
        log_q.append(q.gather(1, following))
    every = torch.cat(kl)
    return Figures("torch bf16", float(every.mean()), float(every.std() / len(every) ** 0.5), float(torch.cat(same).mean()),
                   float((-torch.cat(log_q)).mean().exp()), float((-torch.cat(log_p)).mean().exp()))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("tessera")
    parser.add_argument("folder", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--context", type=int, default=1024)
    args = parser.parse_args()

    found = run([args.tessera, "bench", "quality", "--model-path", str(args.folder), "--text", str(args.text), "--tokens", str(args.tokens),
                 "--context", str(args.context), "--reference", "f32", "--precision", PRECISIONS, "--json", "--quiet"])
    ids = AutoTokenizer.from_pretrained(args.folder)(args.text.read_text(encoding="utf-8"), add_special_tokens=False)["input_ids"]
    parts = windows(ids[:args.tokens], args.context)
    counted = sum(len(part) - 1 for part in parts)
    if counted != found["text_tokens"]:
        print(f"tokens compared: tessera {found['text_tokens']}, torch {counted}", file=sys.stderr)
        return 1

    torchs = torch_figures(args.folder, parts)
    ours = [Figures("tessera " + r["name"], r["kl"], r["kl_error"], r["top1"], r["perplexity"], r["reference_perplexity"])
            for r in found["results"]]
    print(f"{counted} tokens; perplexity in f32: torch {torchs.reference_perplexity:.6f}, tessera {ours[0].reference_perplexity:.6f}")
    for figures in [torchs, *ours]:
        print(figures.line())
    agree = abs(ours[0].reference_perplexity / torchs.reference_perplexity - 1) < 1e-4
    return 0 if agree and ours[0].kl <= torchs.kl else 1


if __name__ == "__main__":
    sys.exit(main())
