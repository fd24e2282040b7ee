#!/usr/bin/env python3
"""Records tests/text/data: small tokenizers and what the Python sentencepiece package makes of them.

The rules around sentencepiece are those of the Hugging Face LlamaTokenizer in Python (transformers
4.36, tokenization_llama.py and tokenization_utils.py): added tokens are split off first, ids that are
special are dropped before decoding, and the first piece loses one U+2581.

    python3 tools/text_goldens.py      needs the PyPI package sentencepiece
"""

from __future__ import annotations

import json
import random
import re
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

import sentencepiece

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "checkpoints"))
from small_tokenizer import TokenizerKind, train_tokenizer  # noqa: E402

SPECIALS = {"<unk>": 0, "<|startoftext|>": 1, "<|endoftext|>": 2, "<|im_start|>": 6, "<|im_end|>": 7, "<|im_sep|>": 8}
NAMED = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<unk>", "pad_token": "<unk>"}
MARKER = "\u2581"

TEXTS = [
    "", " ", "   ", "\n", "\t", "a", " a", "a ", "  two  spaces  ", "How many red circles are there?",
    "line one\nline two\n\nline four\r\n", "tab\there", "nul\0inside", "1234567890 3.14 -7", "这张图片里有几个红色的圆？",
    "中文 and English 混合。", "émoji 👩‍👩‍👧 🎉 and ñ", "\u3000wide\u00a0no-break\u2028line", MARKER, "a" + MARKER + "b",
    "<|im_end|>", "a <|im_end|> b", "x<|im_start|><|im_end|>y<|im_sep|>", "<|endoftext|", "<|startoftext|>hello<|endoftext|>",
    "<unk> <0x41> </s>", "<|Human|> hi <|Assistant|>", " <|im_end|> ", "<|im_<|im_end|>", "### Human: what?\n### Assistant:",
    "long " * 300, "x" * 2000, "红" * 400,
]
BROKEN = [b"\xff", b"a\xf0\x9f\x90b", b"\xc0\x80", b"\xed\xa0\x80", b"\xe4\xb8", b"ok\x80<|im_end|>\xfe", b"\xf5\x80\x80\x80"]


# Pieces that begin with several spaces, as larger vocabularies have them. Of the first, what is left
# without one U+2581 is a piece; of the others not.
SPACES = [MARKER * 2, MARKER * 4, MARKER + "a" + MARKER + "b"]


def with_pieces(model: bytes, texts: list[str]) -> bytes:
    """Pieces of low score added at the end: what follows a message is merged into it."""
    for k, text in enumerate(texts):
        piece = bytes([1 << 3 | 2, len(text.encode())]) + text.encode() + bytes([2 << 3 | 5]) + struct.pack("<f", -1e6 - k)
        model += bytes([1 << 3 | 2, len(piece)]) + piece
    return model


@dataclass
class Kind:
    trained: TokenizerKind
    seed: int
    specials: dict[str, int]
    config: dict | None = None  # tokenizer_config.json
    names: dict | None = None  # special_tokens_map.json
    added: dict | None = None  # added_tokens.json
    legacy: bool = True
    more_pieces: list[str] = field(default_factory=list)


def decoder_entry(content: str) -> dict:
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}


THREE = {s: i for s, i in SPECIALS.items() if i < 3}
KINDS = {
    # As Yi: no prefix, bytes for the unknown, three files that agree.
    "yi": Kind(TokenizerKind(vocab=420), 1, SPECIALS,
               {"add_bos_token": False, "legacy": True, "added_tokens_decoder": {str(i): decoder_entry(s) for s, i in SPECIALS.items()}},
               {**NAMED, "additional_special_tokens": list(SPECIALS)}, SPECIALS),
    # The roles and ChatML tokens are user-defined: sentencepiece itself finds them in text.
    "user_defined": Kind(TokenizerKind(vocab=420, user_defined=True), 2, SPECIALS, {"add_bos_token": False},
                         {**NAMED, "additional_special_tokens": list(SPECIALS)}, SPECIALS, more_pieces=SPACES),
    # As Llama: a space before the text; no bytes, so that unknown characters are unknown.
    "llama": Kind(TokenizerKind(vocab=300, dummy_prefix=True, byte_fallback=False), 3, THREE,
                  {"bos_token": decoder_entry("<|startoftext|>"), "eos_token": decoder_entry("<|endoftext|>"), "unk_token": "<unk>"}),
    "not_legacy": Kind(TokenizerKind(vocab=400, dummy_prefix=True), 4, THREE, {**NAMED, "legacy": False, "add_bos_token": True}, legacy=False),
    # tokenizer.model alone; spaces at the ends and runs of them are dropped.
    "alone": Kind(TokenizerKind(vocab=400, dummy_prefix=True, squeeze_spaces=True), 5, THREE, more_pieces=SPACES),
}


# A message that follows another is merged into it: normalizer_spec (3) { add_dummy_prefix (3): false }.
NO_DUMMY_PREFIX = bytes([3 << 3 | 2, 2, 3 << 3, 0])


def as_control(model: bytes, piece: bytes) -> bytes:
    """The model with a user-defined piece made a control piece, which is never found in text."""
    begin = bytes([1 << 3 | 2, len(piece)]) + piece + bytes([2 << 3 | 5])  # text (1), score (2), type (3): 4
    user_defined = re.compile(re.escape(begin) + b"...." + bytes([3 << 3, 4]), re.DOTALL)
    return user_defined.sub(lambda found: found.group(0)[:-1] + bytes([3]), model)


@dataclass
class Reference:
    model: bytes
    specials: dict[str, int]
    legacy: bool
    sp: sentencepiece.SentencePieceProcessor = field(init=False)
    blind: sentencepiece.SentencePieceProcessor = field(init=False)

    def __post_init__(self) -> None:
        self.sp_decode = sentencepiece.SentencePieceProcessor(model_proto=self.model)
        model = self.model if self.legacy else self.model + NO_DUMMY_PREFIX
        self.sp = sentencepiece.SentencePieceProcessor(model_proto=model)
        for content in self.specials:
            model = as_control(model, content.encode())
        self.blind = sentencepiece.SentencePieceProcessor(model_proto=model)

    def encode(self, text: bytes) -> list[int]:
        pattern = b"|".join(re.escape(s.encode()) for s in sorted(self.specials, key=len, reverse=True))
        ids: list[int] = []
        at_start = True
        for run in re.split(b"(" + pattern + b")", text):
            if not run:
                continue
            if run.decode(errors="replace") in self.specials:
                ids.append(self.specials[run.decode()])
            else:
                ids += self.sp.encode((MARKER.encode() if at_start and not self.legacy else b"") + run)
            at_start = False
        return ids

    def encode_as_text(self, text: bytes) -> list[int]:
        return self.blind.encode((MARKER.encode() if text and not self.legacy else b"") + text)

    def decode(self, ids: list[int]) -> str:
        hidden = set(self.specials.values())
        pieces = [self.sp.id_to_piece(i) for i in ids if i not in hidden]
        if pieces and pieces[0].startswith(MARKER):
            pieces[0] = pieces[0][1:]
        return self.sp_decode.decode_pieces(pieces) if pieces else ""


def random_ids(rng: random.Random, sp: sentencepiece.SentencePieceProcessor) -> list[int]:
    """Pieces, special ids, and runs of bytes of which some are characters and some are broken."""
    ids: list[int] = []
    spaces = [i for i in range(len(sp)) if sp.id_to_piece(i).startswith(MARKER)]
    for _ in range(rng.randint(1, 14)):
        way = rng.random()
        if way < 0.35 and sp.piece_to_id("<0x41>") != sp.unk_id():
            data = rng.choice(["é", "圆", "🎉", "\u00a0"]).encode() if rng.random() < 0.6 else rng.randbytes(rng.randint(1, 4))
            ids += [sp.piece_to_id(f"<0x{b:02X}>") for b in data[: rng.randint(1, len(data))]]
        elif way < 0.5:
            ids.append(rng.randrange(9))
        elif way < 0.7 and spaces:
            ids.append(rng.choice(spaces))
        else:
            ids.append(rng.randrange(len(sp)))
    return ids


def write_json(path: Path, value: object, **style: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=True, **style) + "\n")


def record(name: str, kind: Kind) -> None:
    folder = ROOT / "tests" / "text" / "data" / name
    folder.mkdir(parents=True, exist_ok=True)
    model = with_pieces(train_tokenizer(kind.trained, kind.seed), kind.more_pieces)
    (folder / "tokenizer.model").write_bytes(model)
    for file, value in (("tokenizer_config", kind.config), ("special_tokens_map", kind.names), ("added_tokens", kind.added)):
        if value is not None:
            write_json(folder / f"{file}.json", value, indent=2)

    reference = Reference(model, kind.specials, kind.legacy)
    rng = random.Random(kind.seed)
    texts = [t.encode() for t in TEXTS] + BROKEN
    sequences = [reference.encode(t) for t in texts if len(t) < 200] + [random_ids(rng, reference.sp) for _ in range(150)]
    space, last = reference.sp.piece_to_id(MARKER), len(reference.sp) - 1
    sequences += [[space] * n + [last - k] for n in range(5) for k in range(3)] + [[last - k, last] for k in range(3)]
    lines = [{"text": t.hex(), "ids": reference.encode(t), "as_text": reference.encode_as_text(t)} for t in texts]
    lines += [{"decode": ids, "text": reference.decode(ids).encode().hex()} for ids in sequences]
    body = ",\n".join(json.dumps(line, separators=(",", ":")) for line in lines)
    (folder / "goldens.json").write_text("[\n" + body + "\n]\n")


def main() -> None:
    for name, kind in KINDS.items():
        record(name, kind)


if __name__ == "__main__":
    main()
