"""Reads and writes safetensors files with numpy alone.

u64 header length | JSON {name: {dtype, shape, data_offsets}} padded with spaces to 8 bytes | data, without holes.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from raw_tensor import RawTensor


def write_safetensors(path: Path, tensors: dict[str, RawTensor]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(tensor.data)]}
        offset += len(tensor.data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.data)


def read_safetensors(path: Path) -> dict[str, RawTensor]:
    blob = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8 : 8 + length])
    header.pop("__metadata__", None)
    data = memoryview(blob)[8 + length :]
    return {name: RawTensor(entry["dtype"], tuple(entry["shape"]), bytes(data[slice(*entry["data_offsets"])]))
            for name, entry in header.items()}
