"""Goldens of a tokenizer: texts to ids and ids to text."""

from __future__ import annotations

import json
import random
from pathlib import Path

from prompts import Tokenizer

TEXTS = [
    "", " ", "  ", "a", " a", "a ", "  a  b  ", "\n", "\n\n### ", "a\tb\r\nc", "Hello, world! 12345 3.14", "###", "##", "####",
    "图片中间有3个红色的圆形。", "naïve café Ωmega Привет", "日本語 テキスト", "🚗🚙 👩‍👩‍👧 e\u0301", "\u2581 a\u2581b", "\u3000全角\u00a0nbsp\u200b",
    "<unk>", "<|startoftext|>a<|endoftext|>", "a <|im_end|> b", "<|im_start|><|im_sep|>", "<|Human|> hi <|Assistant|>",
    "<0x41>", "<s></s>", "<|im_end", "<|<|im_end|>|>", "A cat \ufffd stands", "x" * 300, "的" * 50, "\x00\x01\x7f",
    "The red dog lies near the top.", "### Human: Is the tree green?\n### Assistant:",
]


def id_lists(tokenizer: Tokenizer) -> list[list[int]]:
    """Broken UTF-8, specials in the middle, spaces in front, and random ids."""
    sp, size = tokenizer.sp, len(tokenizer.sp)

    def raw(*values: int) -> list[int]:
        return [sp.piece_to_id(f"<0x{v:02X}>") for v in values]

    lists = [[], [0], [2], [6, 7, 8], [3, 4, 5], [1, size - 1, 2]]
    if sp.piece_to_id("<0x41>") != sp.unk_id():
        lists += [raw(0x41), raw(0xF0, 0x9F, 0x90), raw(0xF0, 0x9F, 0x90, 0xB1), raw(0xC0, 0x80), raw(0xED, 0xA0, 0x80),
                  raw(0xE5, 0x9B) + [7] + raw(0xBE), raw(0xE5, 0x9B) + [size - 1] + raw(0xBE), raw(0xFF), raw(0x20, 0x20),
                  raw(0x20) + [size - 1], raw(0xE2, 0x96, 0x81)]
    space = sp.piece_to_id("\u2581")
    lists += [[space], [space, space, size - 1], [size - 1, space], [7, space, size - 1]]
    rng = random.Random(7)
    lists += [[rng.randrange(size) for _ in range(12)] for _ in range(12)]
    return lists


def record_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """encode: ids with special strings recognised, plain_ids with them as text, both without BOS; decode: specials skipped."""
    encode = [{"text": t, "ids": tokenizer.encode_chunk(t), "plain_ids": tokenizer.sp.encode(t, out_type=int)} for t in TEXTS]
    decode = [{"ids": ids, "text": tokenizer.decode(ids)} for ids in id_lists(tokenizer)]
    lines = {"encode": encode, "decode": decode}
    body = ",\n".join(f'"{key}": [\n' + ",\n".join(json.dumps(e, ensure_ascii=False) for e in value) + "\n]"
                      for key, value in lines.items())
    specials = json.dumps(tokenizer.specials, ensure_ascii=False)
    path.write_text(f'{{"add_bos": {json.dumps(tokenizer.add_bos)}, "specials": {specials},\n{body}}}\n', encoding="utf-8")
