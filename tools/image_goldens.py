#!/usr/bin/env python3
"""Makes tests/image/data: pictures that no encoder at hand writes, and what Pillow makes of them.

    image_goldens.py tests/image/data
"""

import io
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

RANDOM = np.random.Generator(np.random.PCG64(3))


def noise(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def lzw(pixels: list[int], bits: int) -> bytes:
    """GIF's LZW, never compressing: the table is cleared before its codes would grow."""
    clear, width = 1 << bits, bits + 1
    codes = []
    for i, pixel in enumerate(pixels):
        if i % (clear - 2) == 0:
            codes.append(clear)
        codes.append(pixel)
    codes.append(clear + 1)
    packed = sum(code << (width * i) for i, code in enumerate(codes))
    data = packed.to_bytes((width * len(codes) + 7) // 8, "little")
    blocks = [data[i:i + 255] for i in range(0, len(data), 255)]
    return bytes([bits]) + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"


def gif(canvas, place, size, bits=4, file_map=4, frame_map=0, transparent=None, interlaced=False) -> bytes:
    """One frame of random indices; the maps' sizes in bits, 0 for none."""
    out = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80 | file_map - 1 if file_map else 0, 1, 0)
    out += noise(3 << file_map).tobytes() if file_map else b""
    if transparent is not None:
        out += b"\x21\xf9\x04" + struct.pack("<BHB", 1, 10, transparent) + b"\0"
    out += b"\x21\xfe\x05hello\0"
    out += b"," + struct.pack("<HHHHB", *place, *size, (0x80 | frame_map - 1 if frame_map else 0) | interlaced << 6)
    out += noise(3 << frame_map).tobytes() if frame_map else b""
    return out + lzw(RANDOM.integers(0, 1 << bits, size[0] * size[1]).tolist(), bits) + b";"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size, depth, colour_type, samples, interlaced=False, extra=b"") -> bytes:
    """Random samples."""
    width, height = size
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    raw = b""
    for x, y, step_x, step_y in passes if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if columns > 0:
            for _ in range(rows):
                raw += b"\0" + noise((columns * samples * depth + 7) // 8).tobytes()
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw, 9))
            + chunk(b"IEND", b""))


def webp_in_canvas(canvas, place, size) -> bytes:
    """An animation whose only frame leaves part of the canvas bare."""
    still = io.BytesIO()
    Image.fromarray(noise(size[1], size[0], 3)).save(still, "WEBP", quality=50)

    def u24(value):
        return struct.pack("<I", value)[:3]

    def riff(kind, data):
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    frame = b"".join(u24(v) for v in (place[0] // 2, place[1] // 2, size[0] - 1, size[1] - 1, 100)) + b"\0"
    body = (b"WEBP" + riff(b"VP8X", b"\2\0\0\0" + u24(canvas[0] - 1) + u24(canvas[1] - 1))
            + riff(b"ANIM", struct.pack("<IH", 0xFF00FF80, 0)) + riff(b"ANMF", frame + still.getvalue()[12:]))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_440() -> bytes:
    """4:2:2 with its sampling factors turned round: a square has as many blocks either way."""
    out = io.BytesIO()
    smooth = Image.fromarray(noise(4, 4, 3)).resize((32, 32), Image.Resampling.BICUBIC)
    smooth.save(out, "JPEG", quality=85, subsampling="4:2:2")
    data = bytearray(out.getvalue())
    sampling = data.find(b"\xff\xc0") + 11
    assert data[sampling] == 0x21
    data[sampling] = 0x12
    return bytes(data)


def ycck() -> bytes:
    """CMYK whose Adobe marker says that the first three inks are YCC."""
    out = io.BytesIO()
    smooth = Image.fromarray(noise(3, 3, 4), "CMYK").resize((17, 11), Image.Resampling.BICUBIC)
    smooth.save(out, "JPEG", quality=85)
    data = bytearray(out.getvalue())
    transform = data.find(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2
    return bytes(data)


PICTURES = {
    "frame_inside.gif": lambda: gif((20, 15), (3, 2), (11, 9)),
    "frame_inside_transparent.gif": lambda: gif((20, 15), (3, 2), (11, 9), transparent=5),
    "frame_outside.gif": lambda: gif((6, 5), (3, 2), (11, 9)),
    "interlaced.gif": lambda: gif((11, 21), (0, 0), (11, 21), interlaced=True),
    "own_map.gif": lambda: gif((11, 9), (0, 0), (11, 9), frame_map=4),
    "short_map.gif": lambda: gif((11, 9), (0, 0), (11, 9), file_map=3),
    "no_map.gif": lambda: gif((11, 9), (0, 0), (11, 9), bits=8, file_map=0),
    "grey_16bit_interlaced.png": lambda: png((9, 13), 16, 0, 1, interlaced=True),
    "grey_alpha_16bit.png": lambda: png((9, 7), 16, 4, 2),
    "rgba_16bit_interlaced.png": lambda: png((9, 7), 16, 6, 4, interlaced=True),
    "grey_1bit_interlaced.png": lambda: png((13, 11), 1, 0, 1, interlaced=True),
    "short_palette.png": lambda: png((9, 7), 4, 3, 1, extra=chunk(b"PLTE", noise(3 * 9).tobytes())),
    "frame_inside.webp": lambda: webp_in_canvas((30, 20), (4, 6), (17, 9)),
    "rgb_440.jpg": jpeg_440,
    "ycck.jpg": ycck,
}


def main() -> None:
    folder = Path(sys.argv[1])
    entries = []
    for name, make in PICTURES.items():
        (folder / name).write_bytes(make())
        with Image.open(folder / name) as picture:
            rgb = picture.convert("RGB")
        entries.append({"file": name, "width": rgb.width, "height": rgb.height,
                        "rgb_crc": f"{zlib.crc32(rgb.tobytes()):08x}"})
    table = {"made_with": f"Pillow {PIL.__version__}", "pictures": entries}
    (folder / "pictures.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
