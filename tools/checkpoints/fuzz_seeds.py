#!/usr/bin/env python3
"""Copies the first inputs of the checkpoint fuzz targets out of the test data: run from the repository root."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

CORPUS, DATA, GOLDEN = Path("tests/fuzz/corpus"), Path("tests/checkpoint/data"), Path("tests/golden")
TORCH = ["no_checksums.bin", "module.bin", "runs_code.bin", "sparse.bin", "wrapped.bin"]


def put(target: str, name: str, content: bytes) -> None:
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(content)


def main() -> None:
    for target in ("safetensors", "torch_bin", "unpickler", "weight_map", "model_config"):
        shutil.rmtree(CORPUS / target, ignore_errors=True)
    for path in DATA.glob("*.safetensors"):
        put("safetensors", path.name, path.read_bytes())
    for name in TORCH:
        put("torch_bin", name, (DATA / name).read_bytes())
        if name == "no_checksums.bin":
            continue  # Python's zipfile will not read it
        archive = zipfile.ZipFile(DATA / name)
        put("unpickler", name.replace(".bin", ".pkl"), archive.read(name.replace(".bin", "/data.pkl")))
    put("weight_map", "index.json", b'{"metadata": {"total_size": 12}, "weight_map": {"a.b": "x-1.bin", "c": "x-2.bin"}}')
    yi = GOLDEN / "configs/yi-vl-6b"
    vit = next((yi / "vit").iterdir())
    documents = [yi / "config.json", vit / "config.json", vit / "preprocessor_config.json",
                 yi / "generation_config.json"]
    put("model_config", "yi_vl.txt", b"\n---\n".join(path.read_bytes() for path in documents))
    llama = GOLDEN / "llama_tiny/config.json"
    put("model_config", "llama.txt", llama.read_bytes() + b"\n---\n\n---\n\n---\n{}")


if __name__ == "__main__":
    main()
