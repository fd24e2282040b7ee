"""Writes a SentencePiece model file by hand: pieces in, protobuf bytes out. No training, no protobuf library."""

from __future__ import annotations

import struct
from dataclasses import dataclass

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6


@dataclass(frozen=True)
class Piece:
    text: str
    score: float
    kind: int = NORMAL


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative int32 takes ten bytes
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def integer(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def piece_message(piece: Piece) -> bytes:
    score = varint(2 << 3 | 5) + struct.pack("<f", piece.score)
    return block(1, piece.text.encode()) + score + integer(3, piece.kind)


def model_proto(pieces: list[Piece]) -> bytes:
    """A BPE model with byte fallback and Yi's flags; ids 0, 1, 2 are unk, bos, eos."""
    trainer = integer(3, 2) + integer(4, len(pieces)) + integer(25, 1) + integer(35, 1)  # BPE, size, split_digits, bytes
    trainer += integer(40, 0) + integer(41, 1) + integer(42, 2) + integer(43, -1)
    trainer += b"".join(block(45 + k, pieces[k].text.encode()) for k in range(3))
    normalizer = block(1, b"identity") + integer(3, 0) + integer(4, 0) + integer(5, 1)  # no prefix, spaces kept, escaped
    return b"".join(block(1, piece_message(p)) for p in pieces) + block(2, trainer) + block(3, normalizer)


def filler_pieces(vocab: int) -> list[Piece]:
    """Specials, bytes, then as many normal pieces as it takes: merges of common letters, characters, numbered words."""
    specials = ["<unk>", "<|startoftext|>", "<|endoftext|>", "<|Human|>", "<|Assistant|>", "<|System|>", "<|im_start|>",
                "<|im_end|>", "<|im_sep|>"]
    pieces = [Piece(text, 0.0, CONTROL if k else UNKNOWN) for k, text in enumerate(specials)]
    pieces += [Piece(f"<0x{b:02X}>", 0.0, BYTE) for b in range(256)]
    letters = "etaoinshrdlcumwfgypbvkjxqz"
    texts = ["\u2581" + a for a in letters] + [a + b for a in letters for b in letters] + ["###", "##"]
    texts += ["\u2581"] + [chr(c) for c in range(0x21, 0x7F)]
    texts += [chr(c) for c in range(0x3001, 0x3012)] + [chr(c) for c in range(0x4E00, 0x9FA6)]
    texts += [f"\u2581w{k}" for k in range(vocab)]
    for k, text in enumerate(dict.fromkeys(texts)):
        if len(pieces) == vocab:
            break
        pieces.append(Piece(text, -float(k)))
    return pieces
