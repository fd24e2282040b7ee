"""PNG files that Pillow cannot write: 16-bit colour, 2-bit grey, interlaced."""

from __future__ import annotations

import struct
import zlib

import numpy as np

ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]  # y, x, dy, dx


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def unfiltered(rows: np.ndarray) -> bytes:
    """Each row of bytes behind a filter byte 0."""
    return b"".join(b"\0" + row.tobytes() for row in rows)


def make_png(width: int, height: int, bits: int, colour_type: int, data: bytes, interlaced: bool = False) -> bytes:
    """colour_type: 0 grey, 2 RGB; data: filtered rows, not compressed."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def rgb_16bit(picture: np.ndarray) -> bytes:
    """picture uint16 [h, w, 3]."""
    h, w, _ = picture.shape
    return make_png(w, h, 16, 2, unfiltered(picture.astype(">u2").reshape(h, -1).view(np.uint8)))


def grey_2bit(picture: np.ndarray) -> bytes:
    """picture uint8 [h, w] of 0..3."""
    h, w = picture.shape
    padded = np.pad(picture, ((0, 0), (0, -w % 4)))
    packed = padded[:, 0::4] << 6 | padded[:, 1::4] << 4 | padded[:, 2::4] << 2 | padded[:, 3::4]
    return make_png(w, h, 2, 0, unfiltered(packed.astype(np.uint8)))


def rgb_interlaced(picture: np.ndarray) -> bytes:
    """picture uint8 [h, w, 3], in the seven passes of Adam7."""
    h, w, _ = picture.shape
    passes = [picture[y::dy, x::dx] for y, x, dy, dx in ADAM7]
    data = b"".join(unfiltered(np.ascontiguousarray(p).reshape(p.shape[0], -1)) for p in passes if p.size)
    return make_png(w, h, 8, 2, data, interlaced=True)
