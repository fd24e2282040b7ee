"""The pickle inside a file of torch.save: written opcode for opcode as torch writes it, read with an allow-list."""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from typing import Any

STORAGE = {"F32": "FloatStorage", "F16": "HalfStorage", "BF16": "BFloat16Storage"}


class TensorPickler:
    """The pickle of a plain dict name -> tensor, opcode for opcode as torch.save writes it."""

    def __init__(self) -> None:
        self.out = io.BytesIO()
        self.memo: dict[str, int] = {}
        self.memo_size = 0

    def keep(self) -> None:  # BINPUT, LONG_BINPUT
        n = self.memo_size
        self.memo_size += 1
        self.out.write(b"q" + bytes([n]) if n < 256 else b"r" + struct.pack("<I", n))

    def shared(self, key: str, first: bytes) -> None:
        """Writes `first` and memoises it; from the second time on only BINGET."""
        if key in self.memo:
            n = self.memo[key]
            self.out.write(b"h" + bytes([n]) if n < 256 else b"j" + struct.pack("<I", n))
            return
        self.out.write(first)
        self.memo[key] = self.memo_size
        self.keep()

    def global_name(self, module: str, name: str) -> None:
        self.shared(f"global {module} {name}", f"c{module}\n{name}\n".encode())

    def text(self, value: str, share: bool = False) -> None:
        raw = value.encode()
        code = b"X" + struct.pack("<I", len(raw)) + raw
        if share:
            self.shared("text " + value, code)
        else:
            self.out.write(code)
            self.keep()

    def integer(self, value: int) -> None:
        if value < 1 << 8:
            self.out.write(b"K" + bytes([value]))
        elif value < 1 << 16:
            self.out.write(b"M" + struct.pack("<H", value))
        elif value < 1 << 31:
            self.out.write(b"J" + struct.pack("<i", value))
        else:
            raw = value.to_bytes(value.bit_length() // 8 + 1, "little")
            self.out.write(b"\x8a" + bytes([len(raw)]) + raw)

    def integers(self, values: tuple[int, ...]) -> None:
        if not values:
            self.out.write(b")")
            return
        if len(values) > 3:
            self.out.write(b"(")
        for value in values:
            self.integer(value)
        self.out.write({1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(values), b"t"))
        self.keep()

    def tensor(self, key: int, dtype: str, shape: tuple[int, ...]) -> None:
        strides, numel = [], 1
        for size in reversed(shape):
            strides.insert(0, numel)
            numel *= size
        self.global_name("torch._utils", "_rebuild_tensor_v2")
        self.out.write(b"((")
        self.text("storage", share=True)
        self.global_name("torch", STORAGE[dtype])
        self.text(str(key))
        self.text("cpu", share=True)
        self.integer(numel)
        self.out.write(b"t")
        self.keep()
        self.out.write(b"QK\x00")
        self.integers(shape)
        self.integers(tuple(strides))
        self.out.write(b"\x89")
        self.global_name("collections", "OrderedDict")
        for code in (b")R", b"t", b"R"):
            self.out.write(code)
            self.keep()


def pickle_tensors(layout: dict[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """layout: name -> (dtype, shape); storage keys are 0, 1, ... in this order."""
    p = TensorPickler()
    p.out.write(b"\x80\x02}")
    p.keep()
    p.out.write(b"(")
    for key, (name, (dtype, shape)) in enumerate(layout.items()):
        p.text(name)
        p.tensor(key, dtype, shape)
    p.out.write(b"u.")
    return p.out.getvalue()


class TensorUnpickler(pickle.Unpickler):
    """Knows the globals of tensor files and refuses all others; a tensor becomes (dtype, key, offset, shape)."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, stride, *rest: (*storage, offset, shape)
        for dtype, storage in STORAGE.items():
            if (module, name) == ("torch", storage):
                return dtype
        raise pickle.UnpicklingError(f"{module}.{name} is not expected in a tensor file")

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        return pid[1], pid[2]
