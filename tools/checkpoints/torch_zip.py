"""Reads and writes the zip files of torch.save without torch.

A file of torch.save is a zip of stored entries, each payload 64-byte aligned through an "FB" extra field, each followed
by a data descriptor: NAME/data.pkl (a protocol 2 pickle), NAME/data/<key> (one per storage), and a few short entries.
The writer takes payloads as lists of buffers, so that files larger than memory can be streamed.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from raw_tensor import ITEM_BYTES, RawTensor
from torch_pickle import TensorUnpickler, pickle_tensors

Buffer = bytes | memoryview
LIMIT_32 = 0xFFFFFFFF


class StoredZip:
    """A zip of stored, 64-byte aligned entries, written front to back; ZIP64 fields only where they are needed."""

    def __init__(self, file: BinaryIO, top: str) -> None:
        self.file, self.top, self.offset = file, top, 0
        self.directory = io.BytesIO()
        self.count = 0

    def put(self, data: Buffer) -> None:
        self.file.write(data)
        self.offset += len(data)

    def add(self, name: str, buffers: Iterable[Buffer], crc: int | None = None) -> None:
        """crc: the CRC-32 of all buffers where the caller knows it already."""
        raw = f"{self.top}/{name}".encode()
        header = self.offset
        pad = -(header + 30 + len(raw) + 4) % 64
        self.put(struct.pack("<IHHHHHIIIHH", 0x04034B50, 0, 0x0808, 0, 0, 0, 0, 0, 0, len(raw), pad + 4)
                 + raw + b"FB" + struct.pack("<H", pad) + b"Z" * pad)
        begin, running = self.offset, 0
        for buffer in buffers:
            if crc is None:
                running = zlib.crc32(buffer, running)
            self.put(buffer)
        size = self.offset - begin
        crc = running if crc is None else crc
        large = size >= LIMIT_32
        self.put(struct.pack("<IIQQ" if large else "<IIII", 0x08074B50, crc, size, size))
        wide = struct.pack("<QQ", size, size) if large else b""
        wide += struct.pack("<Q", header) if header >= LIMIT_32 else b""
        extra = struct.pack("<HH", 1, len(wide)) + wide if wide else b""
        size32 = LIMIT_32 if large else size
        self.directory.write(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0, 45 if wide else 0, 0x0808, 0, 0, 0, crc,
                                         size32, size32, len(raw), len(extra), 0, 0, 0, 0,
                                         min(header, LIMIT_32)) + raw + extra)
        self.count += 1

    def finish(self) -> None:
        start, directory = self.offset, self.directory.getvalue()
        self.put(directory)
        if start >= LIMIT_32:
            end = self.offset
            self.put(struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, self.count, self.count, len(directory), start))
            self.put(struct.pack("<IIQI", 0x07064B50, 0, end, 1))
        self.put(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, self.count, self.count, len(directory),
                             min(start, LIMIT_32), 0))


@dataclass(frozen=True)
class StreamedTensor:
    """A tensor whose bytes are produced while it is written; crc is that of all its bytes."""

    dtype: str
    shape: tuple[int, ...]
    buffers: Callable[[], Iterable[Buffer]]
    crc: int | None = None


def write_torch_zip(path: Path, tensors: dict[str, StreamedTensor]) -> None:
    with open(path, "wb") as file:
        archive = StoredZip(file, Path(path).stem)
        archive.add("data.pkl", [pickle_tensors({n: (t.dtype, t.shape) for n, t in tensors.items()})])
        archive.add(".format_version", [b"1"])
        archive.add(".storage_alignment", [b"64"])
        archive.add("byteorder", [b"little"])
        for key, tensor in enumerate(tensors.values()):
            archive.add(f"data/{key}", tensor.buffers(), tensor.crc)
        archive.add("version", [b"3\n"])
        archive.add(".data/serialization_id", [f"{zlib.crc32(Path(path).name.encode()):040d}".encode()])
        archive.finish()


def read_torch_zip(path: Path) -> dict[str, RawTensor]:
    """All tensors of a file of torch.save; they must be contiguous."""
    with zipfile.ZipFile(path) as archive:
        top = archive.namelist()[0].split("/")[0]
        found = TensorUnpickler(io.BytesIO(archive.read(f"{top}/data.pkl"))).load()
        tensors = {}
        for name, (dtype, key, offset, shape) in found.items():
            size = ITEM_BYTES[dtype]
            for length in shape:
                size *= length
            begin = offset * ITEM_BYTES[dtype]
            tensors[name] = RawTensor(dtype, tuple(shape), archive.read(f"{top}/data/{key}")[begin : begin + size])
        return tensors
