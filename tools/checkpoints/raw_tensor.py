"""A tensor as bytes, and the conversions between f32 and bf16 that need nothing but numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class RawTensor:
    """Little-endian bytes of a contiguous tensor; dtype is named as safetensors names it."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    def __post_init__(self) -> None:
        expected = int(np.prod(self.shape, dtype=np.int64)) * ITEM_BYTES[self.dtype]
        if len(self.data) != expected:
            raise ValueError(f"{self.dtype} {self.shape}: expected {expected} bytes, found {len(self.data)}")


def round_to_bf16(values: np.ndarray) -> np.ndarray:
    """The upper 16 bits of each f32 (uint16), rounded to nearest, ties to even. Finite values only."""
    bits = np.ascontiguousarray(values, dtype="<f4").view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def widen_bf16(bits: np.ndarray) -> np.ndarray:
    """bf16 bits (uint16) as f32; exact."""
    return (bits.astype("<u4") << 16).view("<f4")


def from_f32(values: np.ndarray, dtype: str) -> RawTensor:
    if dtype == "BF16":
        data = round_to_bf16(values).tobytes()
    else:
        data = np.ascontiguousarray(values, dtype={"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()
    return RawTensor(dtype, tuple(values.shape), data)


def to_f32(tensor: RawTensor) -> np.ndarray:
    if tensor.dtype == "BF16":
        flat = widen_bf16(np.frombuffer(tensor.data, "<u2"))
    else:
        flat = np.frombuffer(tensor.data, {"F32": "<f4", "F16": "<f2"}[tensor.dtype]).astype("<f4")
    return flat.reshape(tensor.shape)
