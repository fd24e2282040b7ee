"""From a picture file to the pixel tensor, as CLIPImageProcessor does it on the reference's "pad" path.

Two things are done differently from the reference, on purpose, because it fails there: the picture is converted to RGB
before it is padded, and an array is always read as height x width x channel.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Preprocessor:
    shortest_edge: int
    crop: tuple[int, int]  # height, width
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def pad_colour(self) -> tuple[int, ...]:
        return tuple(int(m * 255) for m in self.mean)


def read_preprocessor(config: dict[str, Any]) -> Preprocessor:
    """Sizes come as integers or as {"shortest_edge"}, {"height", "width"}."""
    size, crop = config["size"], config["crop_size"]
    size = size["shortest_edge"] if isinstance(size, dict) else size
    crop = (crop["height"], crop["width"]) if isinstance(crop, dict) else (crop, crop)
    assert config["resample"] == 3 and config["do_resize"] and config["do_center_crop"] and config["do_normalize"]
    return Preprocessor(size, crop, tuple(config["image_mean"]), tuple(config["image_std"]))


def open_rgb(path: Path) -> Image.Image:
    """First frame; EXIF orientation ignored; alpha dropped, not composited."""
    with Image.open(path) as picture:
        return picture.convert("RGB")


def expand_to_square(picture: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    width, height = picture.size
    if width == height:
        return picture
    side = max(width, height)
    square = Image.new("RGB", (side, side), colour)
    square.paste(picture, ((side - width) // 2, (side - height) // 2))
    return square


def resize_and_crop(picture: Image.Image, p: Preprocessor) -> np.ndarray:
    """uint8 [crop height, crop width, 3]: shortest edge to its size with bicubic, then the middle."""
    width, height = picture.size
    short, long = min(width, height), max(width, height)
    new_long = int(p.shortest_edge * long / short)
    new = (p.shortest_edge, new_long) if width <= height else (new_long, p.shortest_edge)
    resized = np.asarray(picture.resize(new, resample=Image.Resampling.BICUBIC))
    top, left = (resized.shape[0] - p.crop[0]) // 2, (resized.shape[1] - p.crop[1]) // 2
    assert top >= 0 and left >= 0
    return np.ascontiguousarray(resized[top : top + p.crop[0], left : left + p.crop[1]])


def normalise(picture: np.ndarray, p: Preprocessor) -> np.ndarray:
    """f32 [3, height, width]: v * (1/255) in f64, then (x - mean) / std in f32."""
    scaled = (picture.astype(np.float64) * (1 / 255)).astype(np.float32)
    values = (scaled - np.asarray(p.mean, np.float32)) / np.asarray(p.std, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def prepare(path: Path, p: Preprocessor, pad: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 picture [S, S, 3], f32 pixels [3, S, S]). pad: image_aspect_ratio is "pad"."""
    picture = open_rgb(path)
    resized = resize_and_crop(expand_to_square(picture, p.pad_colour) if pad else picture, p)
    return resized, normalise(resized, p)


def crc(picture: Image.Image | np.ndarray) -> str:
    """CRC-32 of the RGB bytes, row by row, as 8 hex digits."""
    raw = picture.tobytes() if isinstance(picture, Image.Image) else np.ascontiguousarray(picture).tobytes()
    return f"{zlib.crc32(raw):08x}"
