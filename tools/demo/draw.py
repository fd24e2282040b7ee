"""Scenes to pixels, without anti-aliasing: the same bytes from every version of Pillow and numpy.

Pillow's own drawing changed between releases, so shapes are masks computed here from
inequalities at the pixel centres; Pillow only wraps the array.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from scenes import Scene, Thing

# Seven bars as on a calculator: 5 x 7 dots a digit, top to bottom.
BARS = (
    "11111 10001 10001 10001 10001 10001 11111",
    "00001 00001 00001 00001 00001 00001 00001",
    "11111 00001 00001 11111 10000 10000 11111",
    "11111 00001 00001 11111 00001 00001 11111",
    "10001 10001 10001 11111 00001 00001 00001",
    "11111 10000 10000 11111 00001 00001 11111",
    "11111 10000 10000 11111 10001 10001 11111",
    "11111 00001 00001 00001 00001 00001 00001",
    "11111 10001 10001 11111 10001 10001 11111",
    "11111 10001 10001 11111 00001 00001 11111",
)


GLYPHS = [
    np.array([[dot == "1" for dot in row] for row in digit.split()], dtype=bool) for digit in BARS
]


def _corners(points: int, inner: float) -> list[tuple[float, float]]:
    """Corners of a star whose outer radius is 1; clockwise from the top."""
    ring = []
    for i in range(2 * points):
        radius, angle = (1.0 if i % 2 == 0 else inner), math.pi * i / points
        ring.append((radius * math.sin(angle), -radius * math.cos(angle)))
    return ring


POLYGONS = {
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "triangle": [(0.0, -0.95), (1.0, 0.85), (-1.0, 0.85)],
    "star": _corners(5, 0.42),
}


def inside_polygon(u: np.ndarray, v: np.ndarray, ring: list[tuple[float, float]]) -> np.ndarray:
    """Even-odd rule: a point is inside when a ray to the right crosses an odd number of edges."""
    inside = np.zeros(u.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1]):
        if y0 != y1:
            spans = (y0 <= v) != (y1 <= v)
            inside ^= spans & (u < x0 + (v - y0) * (x1 - x0) / (y1 - y0))
    return inside


def shape_mask(kind: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Which points are in the shape; it fills -1..1 both ways, v grows downwards."""
    if kind == "circle":
        return u * u + v * v <= 1.0
    if kind == "cross":
        arm = 0.34
        return (abs(u) <= arm) | (abs(v) <= arm)
    return inside_polygon(u, v, POLYGONS[kind])


def number_mask(text: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The digits side by side with a dot's width between them, scaled to -1..1."""
    gap = np.zeros((7, 1), dtype=bool)
    columns = [GLYPHS[int(text[0])]]
    for digit in text[1:]:
        columns += [gap, GLYPHS[int(digit)]]
    dots = np.concatenate(columns, axis=1)
    column = np.clip(((u + 1) / 2 * dots.shape[1]).astype(int), 0, dots.shape[1] - 1)
    row = np.clip(((v + 1) / 2 * dots.shape[0]).astype(int), 0, dots.shape[0] - 1)
    return dots[row, column]


def draw_thing(pixels: np.ndarray, thing: Thing) -> None:
    height, width = pixels.shape[:2]
    half_w, half_h = thing.width / 2, thing.height / 2
    left, right = max(0, math.floor(thing.x - half_w)), min(width, math.ceil(thing.x + half_w))
    top, bottom = max(0, math.floor(thing.y - half_h)), min(height, math.ceil(thing.y + half_h))
    u = ((np.arange(left, right) + 0.5 - thing.x) / half_w)[None, :]
    v = ((np.arange(top, bottom) + 0.5 - thing.y) / half_h)[:, None]
    u, v = np.broadcast_arrays(u, v)
    mask = (abs(u) <= 1) & (abs(v) <= 1)
    if thing.kind == "number":
        mask &= number_mask(thing.text, u, v)
    else:
        mask &= shape_mask(thing.kind, u, v)
    pixels[top:bottom, left:right][mask] = thing.rgb


def draw(scene: Scene) -> Image.Image:
    pixels = np.empty((scene.height, scene.width, 3), dtype=np.uint8)
    pixels[:] = scene.background
    for thing in scene.things:
        draw_thing(pixels, thing)
    return Image.fromarray(pixels)


def to_palette(picture: Image.Image) -> Image.Image:
    """The same picture with its few colours in a palette: the smallest PNG."""
    pixels = np.asarray(picture)
    colours, index = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colours) > 256:
        raise ValueError(f"{len(colours)} colours do not fit in a palette")
    small = Image.fromarray(index.reshape(pixels.shape[:2]).astype(np.uint8), mode="P")
    small.putpalette(colours.astype(np.uint8).tobytes())
    return small
