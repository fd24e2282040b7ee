#!/usr/bin/env python3
"""Writes small genuine weight files, and what a reader must find in them: format_goldens.py OUT_FOLDER

torch and safetensors write the files, so that the reader of tests/checkpoint is judged by what those libraries really
do. manifest.json has, for each file, either its tensors with their bytes (hex), or a part of the error that is due.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

NAMES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16", torch.int32: "i32", torch.int64: "i64",
         torch.int8: "i8", torch.uint8: "u8"}


def raw_hex(tensor: torch.Tensor) -> str:
    return bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).tolist()).hex()


def describe(tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """unreadable: types that Tessera has no use for; they are noted, and refused when asked for."""
    readable = {n: t for n, t in tensors.items() if t.dtype in NAMES}
    return {"tensors": [{"name": n, "dtype": NAMES[t.dtype], "shape": list(t.shape), "hex": raw_hex(t)}
                        for n, t in readable.items()],
            "unreadable": sorted(tensors.keys() - readable.keys())}


def every_type() -> dict[str, torch.Tensor]:
    tensors = {name: (torch.arange(6) - 2).to(dtype).reshape(2, 3) for dtype, name in NAMES.items()}
    both = torch.arange(10, dtype=torch.float32).bfloat16()
    return tensors | {
        "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "rank_4": torch.arange(24.0).reshape(2, 3, 2, 2),
        "first_half": both[:5], "second_half": both[5:], "loose_strides": torch.arange(4.0).as_strided((1, 4), (7, 1)),
        "double": torch.ones(2, dtype=torch.float64), "bool": torch.ones(3, dtype=torch.bool)}


class RunsCode:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo this must never run",)


def torch_files() -> dict[str, tuple[Any, dict[str, Any]]]:
    """File name -> what to save, what to expect."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    parameters = {"weight": torch.nn.Parameter(torch.arange(4.0)), "buffer": torch.ones(2)}
    small = {"a": torch.arange(3.0)}
    return {
        "every_type.bin": (every_type(), describe(every_type())),
        "module.bin": (module.state_dict(), describe(dict(module.state_dict()))),
        "parameters.bin": (parameters, describe(parameters)),
        "ordered.bin": (OrderedDict(small), describe(small)),
        "wrapped.bin": ({"epoch": 3, "loss": 0.5, "state_dict": small}, describe(small)),
        "transposed.bin": ({"t": torch.ones(2, 3).T}, {"error": "t: expected contiguous f32 [3, 2], found strides [1, 3]"}),
        "sparse.bin": ({"t": torch.eye(2).to_sparse()}, {"error": "torch._utils._rebuild_sparse_tensor"}),
        "complex.bin": ({"t": torch.ones(2, dtype=torch.complex64)}, {"error": "torch.ComplexFloatStorage"}),
        "runs_code.bin": ({"a": torch.ones(1), "b": RunsCode()}, {"error": "posix.system"}),
        "list.bin": ([torch.ones(1)], {"error": "a dict of tensors, found a list of 1"}),
        "not_a_tensor.bin": ({"a": torch.ones(1), "lr": 0.1}, {"error": "lr: expected a tensor, found float 0.1"}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    manifest = {}
    for name, (value, expected) in torch_files().items():
        torch.save(value, out / name)
        manifest[name] = expected

    small = {"a": torch.arange(3.0)}
    torch.serialization.set_crc32_options(False)
    torch.save(small, out / "no_checksums.bin")
    torch.serialization.set_crc32_options(True)
    manifest["no_checksums.bin"] = describe(small)
    torch.save(small, out / "before_zip.bin", _use_new_zipfile_serialization=False)
    manifest["before_zip.bin"] = {"error": "found the pickle format of torch before 1.6"}

    tensors = {name: tensor.clone() for name, tensor in every_type().items()}
    tensors["fp8"] = torch.ones(4).to(torch.float8_e4m3fn)
    save_file(tensors, out / "every_type.safetensors", metadata={"format": "pt"})
    manifest["every_type.safetensors"] = describe(tensors)
    save_file({}, out / "empty.safetensors")
    manifest["empty.safetensors"] = describe({})
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
