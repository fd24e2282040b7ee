#!/usr/bin/env python3
"""Records tests/golden/smollm2.json: what transformers answers with the folder that tools/checkpoints/smollm2.py made.

    python3 tools/smollm2_goldens.py FOLDER

In f32, greedily. `margin` is the least distance between the two largest logits on the way: an engine that is off by less than
half of it gives the same tokens. Needs the packages of tools/oracle/requirements.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "smollm2.json"
TOKENS, LOGITS = 24, 20

CONVERSATIONS = [
    ["What is the capital of France?"],
    ["Write one sentence about the sea."],
    ["Wie heißt die Hauptstadt von Österreich?\n\n(Antworte kurz: 1 Wort)"],
    ["Name three colours.", "Red, green and blue.", "And which of them has the sky?"],
]


def answer(model: Any, tokenizer: Any, texts: list[str]) -> dict[str, Any]:
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")["input_ids"]
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=TOKENS, output_logits=True,
                         return_dict_in_generate=True)
    ids = out.sequences[0, prompt.shape[1]:]
    top = [logits[0].topk(LOGITS) for logits in out.logits]
    return {"messages": texts, "max_new_tokens": TOKENS, "prompt_ids": prompt[0].tolist(), "token_ids": ids.tolist(),
            "text": tokenizer.decode(ids, skip_special_tokens=True).strip(),
            "first_logits": [[i, round(v, 4)] for i, v in zip(top[0].indices.tolist(), top[0].values.tolist())],
            "margin": round(min(float(t.values[0] - t.values[1]) for t in top), 5)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    cases = [answer(model, tokenizer, texts) for texts in CONVERSATIONS]
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    lines = ",\n ".join(json.dumps(case, ensure_ascii=False) for case in cases)
    GOLDEN.write_text(f'{{"weights_sha256": "{weights}",\n"cases": [\n {lines}]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
