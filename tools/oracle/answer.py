#!/usr/bin/env python3
"""Asks the oracle one question: answer.py CHECKPOINT QUESTION [--image FILE]... [--beams N] [--max-new-tokens N]"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from oracle import Oracle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("question")
    parser.add_argument("--image", type=Path, action="append", default=[])
    parser.add_argument("--beams", type=int, default=1)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--json", action="store_true", help="ids and the 20 largest first logits too")
    args = parser.parse_args()

    oracle = Oracle(args.checkpoint)
    prompt = oracle.prompt([("Human", args.question)], len(args.image))
    prompt_ids = oracle.tokenizer.encode_prompt(prompt)
    rows = oracle.rows(prompt_ids, [oracle.see(path) for path in args.image])
    result = oracle.decoder.greedy(rows, args.max_new_tokens, oracle.stops)
    ids = result.ids if args.beams == 1 else oracle.decoder.beam(rows, args.beams, args.max_new_tokens)[0]
    text = oracle.answer_text(ids)
    if not args.json:
        print(text)
        return
    top = result.first_logits.topk(20)
    print(json.dumps({"text": text, "token_ids": ids, "prompt_tokens": len(rows), "prompt_ids": prompt_ids,
                      "first_logits": list(zip(top.indices.tolist(), top.values.tolist())), "gaps": result.gaps},
                     ensure_ascii=False))


if __name__ == "__main__":
    main()
