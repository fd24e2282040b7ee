#!/usr/bin/env python3
"""Writes the tiny random checkpoints of the tests: tiny.py OUT_FOLDER [NAME]...

Deterministic: weights come from numpy's PCG64, tokenizers from a SentencePiece training on made-up text.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import sentencepiece

from configs import text_config, write_json, write_tokenizer_configs, write_vl_configs
from random_weights import random_tensor
from raw_tensor import RawTensor, from_f32, to_f32
from safetensors_file import write_safetensors
from shapes import (SHARD_VISION_PREFIX, TextShape, VisionShape, VlShape, projector_tensors, text_tensors,
                    vision_tensors)
from shards import save_with_torch, write_shards
from small_tokenizer import TokenizerKind, train_tokenizer


@dataclass(frozen=True)
class TinyVl:
    """shard_vision: what the main shards hold of the tower: "same" as vit/, a different "decoy", or "only" they have it."""

    shape: VlShape
    tokenizer: TokenizerKind
    shards: int
    shard_vision: str
    pickled: bool
    stem: str = "pytorch_model"
    new_preprocessor: bool = False
    add_bos: bool = False


CHECKPOINTS = {
    "yi_vl_tiny": TinyVl(  # 7:1 grouped heads as in the 34B release, published layout
        VlShape("yi-vl-tiny", "clip-vit-tiny-56", TextShape(112, 104, 6, 7, 1, 448, context=1024),
                VisionShape(40, 60, 4, 2, 56, 14)),
        TokenizerKind(448), shards=3, shard_vision="same", pickled=True),
    "yi_vl_odd": TinyVl(  # nothing is a power of two; norms whose eps matters
        VlShape("yi-vl-odd", "clip-odd-35", TextShape(90, 77, 4, 5, 1, 411, context=900, rope_theta=10000.0, eps=2e-3),
                VisionShape(33, 50, 3, 3, 35, 7, act="quick_gelu", eps=1e-3), projector_depth=3),
        TokenizerKind(411, user_defined=True), shards=2, shard_vision="decoy", pickled=False, stem="odd",
        new_preprocessor=True),
    "yi_vl_shards": TinyVl(  # the tower is in the main shards alone, and its last layer is used
        VlShape("yi-vl-shards", "clip-shards-30", TextShape(60, 90, 3, 6, 2, 397, context=900),
                VisionShape(28, 44, 2, 2, 30, 10), projector_depth=1, select_layer=-1),
        TokenizerKind(397, dummy_prefix=True), shards=2, shard_vision="only", pickled=True, add_bos=True),
}
LLAMA = TextShape(72, 100, 4, 6, 3, 300, context=512, rope_theta=10000.0, eps=1e-4, tied=True)


def loud_rows(tokenizer: bytes) -> list[int]:
    """Ids that stop an answer: end of text, and every piece with a "#"."""
    sp = sentencepiece.SentencePieceProcessor(model_proto=tokenizer)
    return [2] + [i for i in range(9, len(sp)) if "##" in sp.id_to_piece(i)]


def write_yi_vl(folder: Path, name: str, c: TinyVl) -> None:
    seed = sum(name.encode())
    tokenizer = train_tokenizer(c.tokenizer, seed)
    loud = loud_rows(tokenizer)
    vit = write_vl_configs(folder, c.shape, c.new_preprocessor)
    write_tokenizer_configs(folder, c.add_bos)
    (folder / "tokenizer.model").write_bytes(tokenizer)

    def make(pair: tuple[str, tuple[int, ...]], dtype: str, salt: int = 0) -> RawTensor:
        return from_f32(random_tensor(*pair, seed + salt, False, loud), dtype)

    tensors = {p[0]: make(p, "BF16") for p in text_tensors(c.shape.text)}
    tensors |= {p[0]: make(p, "BF16") for p in projector_tensors(c.shape)}
    tower = {p[0]: make(p, "F32") for p in vision_tensors(c.shape.vision)}
    for p in vision_tensors(c.shape.vision):
        copy = make(p, "BF16", salt=1) if c.shard_vision == "decoy" else from_f32(to_f32(tower[p[0]]), "BF16")
        tensors[SHARD_VISION_PREFIX + p[0]] = copy
    write_shards(folder, tensors, c.shards, c.pickled, c.stem)
    if c.shard_vision != "only" and c.pickled:
        save_with_torch(vit / "pytorch_model.bin", tower, module_like=True)
    elif c.shard_vision != "only":
        write_safetensors(vit / "model.safetensors", tower)


def write_llama(folder: Path, dtype: str) -> None:
    """Text only; tied embeddings; a tokenizer with a dummy prefix and without bytes; a BOS before each prompt."""
    tokenizer = train_tokenizer(TokenizerKind(LLAMA.vocab, dummy_prefix=True, byte_fallback=False, squeeze_spaces=True), 5)
    loud = loud_rows(tokenizer)
    write_json(folder / "config.json", text_config(LLAMA, "float16"))
    write_tokenizer_configs(folder, add_bos=True)
    (folder / "tokenizer.model").write_bytes(tokenizer)
    write_safetensors(folder / "model.safetensors", {
        p[0]: from_f32(random_tensor(*p, 5, True, loud), dtype) for p in text_tensors(LLAMA)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join([*CHECKPOINTS, "llama_tiny"]))
    args = parser.parse_args()
    for name in args.names or [*CHECKPOINTS, "llama_tiny"]:
        folder = args.out / name
        folder.mkdir(parents=True, exist_ok=True)
        if name == "llama_tiny":
            write_llama(folder, "F16")
        else:
            write_yi_vl(folder, name, CHECKPOINTS[name])


if __name__ == "__main__":
    main()
