"""From a picture file to the tower's input, as the reference's "pad" path does it."""

from __future__ import annotations

import numpy as np
from PIL import Image

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
PAD = tuple(int(m * 255) for m in MEAN)  # (122, 116, 104)


def squared(picture: Image.Image, image: int) -> np.ndarray:
    """RGB, padded to a square, resized: uint8 [image, image, 3]."""
    picture = picture.convert("RGB")
    side = max(picture.size)
    if picture.width != picture.height:
        square = Image.new("RGB", (side, side), PAD)
        square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        picture = square
    if side != image:
        picture = picture.resize((image, image), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def normalised(pixels: np.ndarray) -> np.ndarray:
    """uint8 [..., rows, columns, 3] to float32 [..., 3, rows, columns]."""
    scaled = (pixels * (1 / 255)).astype(np.float32)
    scaled = (scaled - np.float32(MEAN)) / np.float32(STD)
    return np.moveaxis(scaled, -1, -3)
