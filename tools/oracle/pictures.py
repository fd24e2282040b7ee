#!/usr/bin/env python3
"""Makes the test pictures and pictures.json (what Pillow makes of each): pictures.py OUT_FOLDER [--check]

--check: makes nothing, but compares pictures.json with the Pillow that runs, and lists what differs.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image, PngImagePlugin, features

import png_by_hand
from images import Preprocessor, crc, expand_to_square, open_rgb, resize_and_crop

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SIZES = (448, 56, 35, 30)


def scene(width: int, height: int, noise: float = 12.0) -> np.ndarray:
    """uint8 [h, w, 3]: a colour gradient, two discs, a bar, and some noise."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    rgb = np.stack([60 + 150 * x, 200 - 140 * y, 90 + 100 * (x + y) / 2], axis=-1)
    rgb[(x - 0.3) ** 2 + (y - 0.3) ** 2 < 0.03] = (230, 40, 30)
    rgb[(x - 0.7) ** 2 + (y - 0.45) ** 2 < 0.02] = (20, 60, 220)
    rgb[(abs(y - 0.6) < 0.03) & (x > 0.2)] = (250, 240, 60)
    rgb += noise * np.random.Generator(np.random.PCG64(width * 1000 + height)).standard_normal(rgb.shape)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def gamma_chunk() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (100000).to_bytes(4, "big"))
    return info


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def recipes() -> dict[str, Callable[[], bytes]]:
    rgb = Image.fromarray(scene(61, 47))
    grey, palette = rgb.convert("L"), rgb.quantize(24, dither=Image.Dither.NONE)
    alpha = Image.fromarray((np.add.outer(np.arange(47), np.arange(61)) * 5 % 256).astype(np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    ink = 255 - scene(61, 47)
    black = ink.min(axis=2, keepdims=True) // 2
    cmyk = Image.fromarray(np.concatenate([ink - black, black], axis=2), mode="CMYK")
    second = Image.fromarray(scene(61, 47)[::-1])
    deep = scene(61, 47).astype(np.uint16)
    deep = deep << 8 | deep * 7 & 255  # stripping the low byte and scaling by 255/65535 differ
    few = Image.fromarray(scene(448, 448, noise=0) // 32 * 32)
    return {
        "rgb.png": lambda: encode(rgb, "PNG"),
        "rgb_interlaced.png": lambda: png_by_hand.rgb_interlaced(scene(61, 47)),
        "rgb_gamma.png": lambda: encode(rgb, "PNG", pnginfo=gamma_chunk()),
        "rgb_colour_key.png": lambda: encode(few.resize((40, 30)), "PNG", transparency=(224, 32, 0)),
        "rgb_16bit.png": lambda: png_by_hand.rgb_16bit(deep),
        "rgba.png": lambda: encode(rgba, "PNG"),
        "grey.png": lambda: encode(grey, "PNG"),
        "grey_2bit.png": lambda: png_by_hand.grey_2bit(np.asarray(grey) >> 6),
        "grey_16bit.png": lambda: encode(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257 // 200), "PNG"),
        "grey_alpha.png": lambda: encode(rgba.convert("LA"), "PNG"),
        "one_bit.png": lambda: encode(grey.convert("1"), "PNG"),
        "palette.png": lambda: encode(palette, "PNG"),
        "palette_4bit.png": lambda: encode(rgb.quantize(11, dither=Image.Dither.NONE), "PNG", bits=4),
        "palette_transparent.png": lambda: encode(palette, "PNG", transparency=bytes(range(0, 240, 10))),
        "rgb_420.jpg": lambda: encode(rgb, "JPEG", quality=85, subsampling="4:2:0"),
        "rgb_422.jpg": lambda: encode(rgb, "JPEG", quality=85, subsampling="4:2:2"),
        "rgb_444.jpg": lambda: encode(rgb, "JPEG", quality=85, subsampling="4:4:4"),
        "rgb_420_even.jpg": lambda: encode(Image.fromarray(scene(96, 64)), "JPEG", quality=75, subsampling="4:2:0"),
        "progressive.jpg": lambda: encode(rgb, "JPEG", quality=80, progressive=True),
        "grey.jpg": lambda: encode(grey, "JPEG", quality=85),
        "cmyk.jpg": lambda: encode(cmyk, "JPEG", quality=85),
        "not_ycc.jpg": lambda: encode(rgb, "JPEG", quality=85, keep_rgb=True),
        "exif_rotated.jpg": lambda: encode(rgb, "JPEG", quality=85, exif=orientation(6)),
        "exif_rotated.png": lambda: encode(rgb, "PNG", exif=orientation(8)),
        "lossy.webp": lambda: encode(rgb, "WEBP", quality=80),
        "lossless.webp": lambda: encode(rgb, "WEBP", lossless=True),
        "alpha.webp": lambda: encode(rgba, "WEBP", quality=80),
        "alpha_lossless.webp": lambda: encode(rgba, "WEBP", lossless=True, exact=True),
        "animated.webp": lambda: encode(rgb, "WEBP", save_all=True, append_images=[second], duration=100, lossless=True),
        "still.gif": lambda: encode(palette, "GIF"),
        "animated.gif": lambda: encode(palette, "GIF", save_all=True, duration=100,
                                       append_images=[second.quantize(24, dither=Image.Dither.NONE)]),
        "transparent.gif": lambda: encode(palette, "GIF", transparency=3),
        "rgb.bmp": lambda: encode(rgb, "BMP"),
        "palette.bmp": lambda: encode(palette, "BMP"),
        "wide_200x3.png": lambda: encode(Image.fromarray(scene(200, 3)), "PNG"),
        "tall_3x200.png": lambda: encode(Image.fromarray(scene(3, 200)), "PNG"),
        "wide_1000x1.png": lambda: encode(Image.fromarray(scene(1000, 1)), "PNG"),
        "one_1x1.png": lambda: encode(Image.fromarray(scene(1, 1)), "PNG"),
        "tiny_3x3.png": lambda: encode(Image.fromarray(scene(3, 3)), "PNG"),
        "tiny_3x5.png": lambda: encode(Image.fromarray(scene(3, 5)), "PNG"),
        "exact_56.png": lambda: encode(Image.fromarray(scene(56, 56)), "PNG"),
        "exact_448.png": lambda: encode(few, "PNG"),
        "photo_320x200.jpg": lambda: encode(Image.fromarray(scene(320, 200, 4)), "JPEG", quality=80),
    }


def describe(path: Path) -> dict[str, Any]:
    """What Pillow makes of a picture; CRCs of RGB bytes."""
    with Image.open(path) as picture:
        mode, (width, height), kind = picture.mode, picture.size, picture.format
    rgb = open_rgb(path)
    square = expand_to_square(rgb, (122, 116, 104))
    plans = {size: Preprocessor(size, (size, size), MEAN, STD) for size in SIZES}
    return {"file": path.name, "format": kind, "mode": mode, "width": width, "height": height, "rgb_crc": crc(rgb),
            "square_side": square.size[0], "square_crc": crc(square),
            "padded_crc": {str(s): crc(resize_and_crop(square, p)) for s, p in plans.items()},
            "cropped_crc": {str(s): crc(resize_and_crop(rgb, p)) for s, p in plans.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    table = args.out / "pictures.json"
    if args.check:
        for entry in json.loads(table.read_text())["pictures"]:
            now = describe(args.out / entry["file"])
            for key in entry:
                if now[key] != entry[key]:
                    print(f"{entry['file']}: {key}: {entry[key]} in the table, {now[key]} here")
        return
    args.out.mkdir(parents=True, exist_ok=True)
    for name, make in recipes().items():
        (args.out / name).write_bytes(make())
    made_with = {"pillow": PIL.__version__} | {n: features.version(n) for n in ("libjpeg_turbo", "webp", "zlib")}
    entries = [describe(args.out / name) for name in recipes()]
    table.write_text(json.dumps({"made_with": made_with, "pad_colour": [122, 116, 104], "pictures": entries}, indent=1) + "\n")


if __name__ == "__main__":
    main()
