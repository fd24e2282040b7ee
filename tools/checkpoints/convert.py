#!/usr/bin/env python3
"""Writes a pickled checkpoint again as safetensors: convert.py FROM TO [--drop-shard-vision]. Needs numpy alone.

Shard names and dtypes stay (pytorch_model-0000k-of-0000n.safetensors); json files and the tokenizer are copied.
--drop-shard-vision leaves out the main shards' copy of the vision tower, which the reference ignores anyway.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from configs import write_json
from safetensors_file import write_safetensors
from shapes import SHARD_VISION_PREFIX
from torch_zip import read_torch_zip


def convert_file(source: Path, target: Path, drop_prefix: str | None) -> list[str]:
    """Returns the names of the tensors written."""
    tensors = read_torch_zip(source)
    kept = {n: t for n, t in tensors.items() if drop_prefix is None or not n.startswith(drop_prefix)}
    write_safetensors(target, kept)
    return list(kept)


def convert_folder(source: Path, target: Path, drop_shard_vision: bool) -> None:
    kept: dict[str, str] = {}
    for file in sorted(p for p in source.rglob("*") if p.is_file()):
        relative = file.relative_to(source)
        if relative.parts[0] == "golden":
            continue
        to = target / relative
        to.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".bin" and file.parent == source:
            to = to.with_suffix(".safetensors")
            names = convert_file(file, to, SHARD_VISION_PREFIX if drop_shard_vision else None)
            kept |= dict.fromkeys(names, to.name)
        elif file.suffix == ".bin":
            convert_file(file, to.with_name("model.safetensors"), None)
        elif not file.name.endswith(".index.json"):
            shutil.copyfile(file, to)
    index = source / "pytorch_model.bin.index.json"
    if index.exists():
        size = sum(f.stat().st_size for f in target.glob("*.safetensors"))
        metadata = json.loads(index.read_text())["metadata"] if not drop_shard_vision else {"total_size": size}
        write_json(target / "model.safetensors.index.json",
                   {"metadata": metadata, "weight_map": dict(sorted(kept.items()))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--drop-shard-vision", action="store_true")
    args = parser.parse_args()
    convert_folder(args.source, args.target, args.drop_shard_vision)


if __name__ == "__main__":
    main()
