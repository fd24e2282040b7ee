"""Random scenes of coloured shapes and numbers, and where each thing stands in them.

A scene is data only: `draw.py` turns it into pixels, `questions.py` asks about it. Everything
comes from one `random.Random`, so a seed names a scene for good. Needs nothing but Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")
SHAPES = ("circle", "square", "triangle", "star", "cross")
MAX_THINGS = 4  # of shapes in one picture: what the questions count up to

RGB = {
    "red": (214, 40, 40),
    "orange": (245, 135, 30),
    "yellow": (250, 215, 40),
    "green": (40, 160, 70),
    "blue": (40, 90, 215),
    "purple": (140, 60, 170),
    "black": (25, 25, 25),
    "white": (248, 248, 248),
}
PALE = ((255, 255, 255), (235, 235, 235), (222, 233, 245), (245, 238, 220))
DARK = ((52, 56, 66), (28, 44, 62))


@dataclass(frozen=True)
class Thing:
    """One shape or one number. Centre and size are pixels of the picture."""

    kind: str  # one of SHAPES, or "number"
    colour: str
    x: float
    y: float
    width: float
    height: float
    rgb: tuple[int, int, int]
    text: str = ""  # the digit that a number has

    @property
    def name(self) -> tuple[str, str]:
        return self.colour, self.kind


@dataclass(frozen=True)
class Scene:
    width: int
    height: int
    background: tuple[int, int, int]
    things: tuple[Thing, ...]

    @property
    def shapes(self) -> list[Thing]:
        return [t for t in self.things if t.kind != "number"]

    @property
    def number(self) -> Thing | None:
        return next((t for t in self.things if t.kind == "number"), None)

    def column(self, thing: Thing) -> int:
        """-1 left, 0 middle, 1 right: by thirds of the picture, with room for the jitter."""
        return third(thing.x / self.width)

    def row(self, thing: Thing) -> int:
        """-1 top, 0 middle, 1 bottom."""
        return third(thing.y / self.height)


def third(part: float) -> int:
    return -1 if part < 0.375 else 1 if part > 0.625 else 0


def random_scene(rng: Random) -> Scene:
    """A picture of any proportion up to about 2:1, its things in cells of a small grid."""
    width, height = random_size(rng)
    background, usable = random_colours(rng)
    if rng.random() < 0.4:
        things = number_things(rng, width, height, usable)
    else:
        things = shape_things(rng, width, height, usable)
    return Scene(width, height, background, tuple(things))


def crowded_scene(rng: Random) -> Scene:
    """Something in every cell, mostly digits in half of the pictures: for the tower to learn from.

    Looking at one costs as much as at an ordinary scene, and it shows several times as much.
    Nobody is asked about it.
    """
    width, height = random_size(rng)
    background, usable = random_colours(rng)
    with_numbers = rng.random() < 0.6
    columns, rows = random_grid(rng, width, height, with_numbers)
    things = []
    for cell in range(columns * rows):
        if with_numbers and rng.random() < 0.8:
            things.append(number_in_cell(rng, usable, cell, columns, rows, width, height))
        else:
            name = rng.choice(usable), rng.choice(SHAPES)
            things.append(shape_in_cell(rng, name, cell, columns, rows, width, height))
    return Scene(width, height, background, tuple(things))


def random_size(rng: Random) -> tuple[int, int]:
    long = rng.randrange(90, 321)
    if rng.random() < 0.5:
        ratio = 1.0 if rng.random() < 0.5 else 1 + 0.2 * rng.random()
    else:
        ratio = 1.3 + 0.8 * rng.random()
    short = round(long / ratio)
    return (long, short) if rng.random() < 0.5 else (short, long)


def random_colours(rng: Random) -> tuple[tuple[int, int, int], list[str]]:
    """A background, and the colours that stand out from it."""
    background = rng.choice(PALE if rng.random() < 0.7 else DARK)
    return background, [c for c in COLOURS if c != ("white" if background in PALE else "black")]


def random_grid(rng: Random, width: int, height: int, with_number: bool) -> tuple[int, int]:
    """(columns, rows). A number needs a cell of at least half the long side to be readable."""
    ratio = max(width, height) / min(width, height)
    if with_number:
        grid = (2, 2) if ratio < 1.25 else (2, 1)
    elif rng.random() < 0.1:
        grid = (1, 1)
    elif ratio < 1.25:
        grid = (2, 2)
    elif ratio < 1.65:
        grid = (2, 1)
    else:
        grid = (3, 1)
    return grid if width >= height else (grid[1], grid[0])


def random_groups(rng: Random, cells: int, usable: list[str]) -> list[tuple[str, str]]:
    """Names of the things: one to three groups of alike things, which gives counts to ask for."""
    total = rng.randint(1, min(cells, MAX_THINGS))
    kinds: list[tuple[str, str]] = []
    while len(kinds) < min(rng.randint(1, 3), total):
        colour, shape = rng.choice(usable), rng.choice(SHAPES)
        if kinds and rng.random() < 0.35:  # share one property with another group: no short cuts
            other = rng.choice(kinds)
            colour, shape = (other[0], shape) if rng.random() < 0.5 else (colour, other[1])
        if (colour, shape) not in kinds:
            kinds.append((colour, shape))
    return kinds + [rng.choice(kinds) for _ in range(total - len(kinds))]


def shape_things(rng: Random, width: int, height: int, usable: list[str]) -> list[Thing]:
    columns, rows = random_grid(rng, width, height, with_number=False)
    names = random_groups(rng, columns * rows, usable)
    cells = rng.sample(range(columns * rows), len(names))
    return [
        shape_in_cell(rng, name, cell, columns, rows, width, height)
        for name, cell in zip(names, cells)
    ]


def shape_in_cell(
    rng: Random,
    name: tuple[str, str],
    cell: int,
    columns: int,
    rows: int,
    width: int,
    height: int,
) -> Thing:
    """A shape of 60 to 88 % of the cell, moved a little off the cell's centre."""
    cell_w, cell_h = width / columns, height / rows
    size = min(cell_w, cell_h) * (0.6 + 0.28 * rng.random())
    if columns * rows == 1:
        size *= 0.6 + 0.4 * rng.random()
    size = min(size, 0.6 * max(width, height))
    x = (cell % columns + 0.5) * cell_w + jitter(rng, min(cell_w - size, 0.16 * width))
    y = (cell // columns + 0.5) * cell_h + jitter(rng, min(cell_h - size, 0.16 * height))
    return Thing(name[1], name[0], x, y, size, size, shade(rng, name[0]))


def number_things(rng: Random, width: int, height: int, usable: list[str]) -> list[Thing]:
    """A digit in one cell, and up to two shapes in others."""
    columns, rows = random_grid(rng, width, height, with_number=True)
    cells = rng.sample(range(columns * rows), columns * rows)
    things = [number_in_cell(rng, usable, cells[0], columns, rows, width, height)]
    for cell in cells[1 : 1 + rng.randint(0, 2)]:
        name = rng.choice(usable), rng.choice(SHAPES)
        things.append(shape_in_cell(rng, name, cell, columns, rows, width, height))
    return things


def number_in_cell(
    rng: Random,
    usable: list[str],
    cell: int,
    columns: int,
    rows: int,
    width: int,
    height: int,
) -> Thing:
    cell_w, cell_h = width / columns, height / rows
    tall = 0.94 * min(cell_w / 0.72, cell_h) * (0.8 + 0.2 * rng.random())
    wide = 0.72 * tall
    colour, digit = rng.choice(usable), str(rng.randint(0, 9))
    x = (cell % columns + 0.5) * cell_w + jitter(rng, min(cell_w - wide, 0.16 * width))
    y = (cell // columns + 0.5) * cell_h + jitter(rng, min(cell_h - tall, 0.16 * height))
    return Thing("number", colour, x, y, wide, tall, shade(rng, colour), digit)


def jitter(rng: Random, room: float) -> float:
    return (rng.random() - 0.5) * room


def shade(rng: Random, colour: str) -> tuple[int, int, int]:
    """The colour, up to 12 steps off in each channel."""
    red, green, blue = (max(0, min(255, v + rng.randint(-12, 12))) for v in RGB[colour])
    return red, green, blue
