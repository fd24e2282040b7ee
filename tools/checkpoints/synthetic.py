#!/usr/bin/env python3
"""Writes a checkpoint of a published shape with made-up bf16 weights: synthetic.py OUT [--shape 6b|34b] [--layers N]
[--text] [--random].

Genuine pickled shards as torch.save writes them, index, vit/ folder in f32, tokenizer with the full number of pieces;
numpy is all it needs. Weights are normal with a standard deviation of 0.02, norm weights near 1. They are cut from 64
random blocks of 2^19 - 1 values: an odd length, so that no two rows of a matrix are alike although blocks repeat.
--config-only writes the json files alone; --random a seed in the place of weights, which Tessera then draws while it
loads (src/runtime/random_weights.h): a model of any size in a folder of a MB. --text a LlamaForCausalLM without a
tower, as other engines read it too.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from configs import text_config, write_json, write_tokenizer_configs, write_vl_configs
from crc32_combine import Crc32Appender
from raw_tensor import ITEM_BYTES, round_to_bf16, widen_bf16
from shapes import PUBLISHED, SHARD_VISION_PREFIX, VlShape, projector_tensors, text_tensors, vision_tensors
from spm_proto import filler_pieces, model_proto
from torch_zip import StreamedTensor, write_torch_zip

BLOCK_VALUES = 2**19 - 1
BLOCKS = 64
LARGE_SHARD = 9_950_000_000


class Blocks:
    """The random blocks in one dtype, with the CRC-32 of each, so that no CRC is ever computed over a whole shard."""

    def __init__(self, values: np.ndarray, dtype: str) -> None:
        data = values if dtype == "BF16" else widen_bf16(values)
        self.dtype = dtype
        self.views = [memoryview(row).cast("B") for row in np.ascontiguousarray(data)]
        self.crcs = [zlib.crc32(view) for view in self.views]
        self.append = Crc32Appender(len(self.views[0]))

    def tensor(self, name: str, shape: tuple[int, ...]) -> StreamedTensor:
        total = int(np.prod(shape, dtype=np.int64)) * ITEM_BYTES[self.dtype]
        size = len(self.views[0])
        seed = zlib.crc32(name.removeprefix(SHARD_VISION_PREFIX).encode())
        order = np.random.Generator(np.random.PCG64(seed)).integers(0, BLOCKS, total // size + 1).tolist()
        tail = self.views[order[-1]][: total % size]

        def buffers() -> Iterator[memoryview]:
            for k in order[:-1]:
                yield self.views[k]
            yield tail

        crc = 0
        for k in order[:-1]:
            crc = self.append(crc, self.crcs[k])
        return StreamedTensor(self.dtype, shape, buffers, zlib.crc32(tail, crc))


def norm_tensor(name: str, shape: tuple[int, ...], dtype: str) -> StreamedTensor:
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.removeprefix(SHARD_VISION_PREFIX).encode())))
    bits = round_to_bf16(rng.uniform(0.9, 1.1, shape).astype(np.float32))
    data = memoryview((bits if dtype == "BF16" else widen_bf16(bits)).tobytes())
    return StreamedTensor(dtype, shape, lambda: [data])


def is_norm_weight(name: str) -> bool:
    norm = "norm" in name or name.startswith(tuple(f"model.mm_projector.{3 * k + 1}." for k in range(4)))
    return norm and name.endswith("weight")


def all_tensors(s: VlShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from text_tensors(s.text)
    yield from projector_tensors(s)
    yield from vision_tensors(s.vision, SHARD_VISION_PREFIX)


def make(name: str, shape: tuple[int, ...], blocks: Blocks) -> StreamedTensor:
    return norm_tensor(name, shape, blocks.dtype) if is_norm_weight(name) else blocks.tensor(name, shape)


def write_weights(folder: Path, vit: Path | None, s: VlShape, shard_bytes: int) -> int:
    """Returns the number of bytes of tensors."""
    rng = np.random.Generator(np.random.PCG64(1))
    normal = rng.standard_normal((BLOCKS, BLOCK_VALUES), dtype=np.float32)
    normal *= np.float32(0.02)
    values = np.stack([round_to_bf16(row) for row in normal])
    del normal
    shards: list[dict[str, tuple[int, ...]]] = [{}]
    room, total = shard_bytes, 0
    for name, shape in all_tensors(s) if vit else text_tensors(s.text):
        size = 2 * int(np.prod(shape, dtype=np.int64))
        if size > room and shards[-1]:
            shards.append({})
            room = shard_bytes
        shards[-1][name] = shape
        room -= size
        total += size
    where: dict[str, str] = {}
    blocks = Blocks(values, "BF16")
    for k, shard in enumerate(shards, 1):
        file = f"pytorch_model-{k:05}-of-{len(shards):05}.bin"
        write_torch_zip(folder / file, {name: make(name, shape, blocks) for name, shape in shard.items()})
        where |= dict.fromkeys(shard, file)
    write_json(folder / "pytorch_model.bin.index.json",
               {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))})
    if vit:
        blocks = Blocks(values, "F32")
        write_torch_zip(vit / "pytorch_model.bin", {n: make(n, shape, blocks) for n, shape in vision_tensors(s.vision)})
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shape", choices=PUBLISHED, default="6b")
    parser.add_argument("--layers", type=int, help="decoder layers, instead of the published number")
    parser.add_argument("--vision-layers", type=int, help="layers of the vision tower")
    parser.add_argument("--shard-bytes", type=int, default=LARGE_SHARD, help="largest shard (default %(default)s)")
    parser.add_argument("--text", action="store_true")
    parser.add_argument("--config-only", action="store_true")
    parser.add_argument("--random", action="store_true")
    args = parser.parse_args()
    s = PUBLISHED[args.shape]
    s = replace(s, text=replace(s.text, layers=args.layers or s.text.layers),
                vision=replace(s.vision, layers=args.vision_layers or s.vision.layers))
    vit = None if args.text else write_vl_configs(args.out, s)
    if args.text:
        write_json(args.out / "config.json", text_config(s.text, "bfloat16"))
    if args.config_only:
        return
    write_tokenizer_configs(args.out, add_bos=False)
    (args.out / "tokenizer.model").write_bytes(model_proto(filler_pieces(s.text.vocab)))
    if args.random:
        write_json(args.out / "random_weights.json", {"seed": 1})
        return
    begin = time.monotonic()
    write_weights(args.out, vit, s, args.shard_bytes)
    seconds = time.monotonic() - begin
    size = sum(f.stat().st_size for f in args.out.rglob("*.bin"))
    print(f"{size / 1e9:.2f} GB in {seconds:.1f} s, {size / 1e9 / seconds:.2f} GB/s")


if __name__ == "__main__":
    main()
