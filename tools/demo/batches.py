"""Training batches: each row is a picture with several questions that do not see each other.

A row holds the space after "Human:", the patches, and then the questions one after another.
Every question looks at the picture and at itself, and its positions go on from the picture's, so
to the model it is the only one: exactly what it meets when it answers. The system text in front
is the same for all rows and is not in them; `train.py` runs it once per batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor

import chat
from draw import draw
from pixels import squared
from prompt import OPENING, answer_text, question_text
from questions import Question, ask_any
from scenes import COLOURS, SHAPES, Scene, Thing, crowded_scene, random_scene
from tokenizer import Tokenizer

IGNORE = -100
# How often a kind is asked for; those that need more to be seen, more often.
WEIGHTS = {
    "count": 1.3,
    "colour": 0.7,
    "shape": 0.8,
    "position": 1.1,
    "digit": 1.0,
    "yes/no": 1.2,
    "describe": 1.2,
}
QUESTIONS = 6  # to a picture
ALONE = -1  # segment of a conversation without the picture
PADDING = -2
MOST = 4  # of alike things that a patch tells apart: more count as that many
# What a patch can tell: its thing, colour, whether the thing's centre is there, in which part of the
# picture, and how many shapes are alike, have the same colour, have the same form. 0 is nothing.
AUX_CLASSES = (2 + len(SHAPES) + 10, 1 + len(COLOURS), 2, 1 + 9, 1 + MOST, 1 + MOST, 1 + MOST)


@dataclass
class Batch:
    """One row a picture, as torch tensors: tokens, positions, segment, target [rows, T]."""

    pixels: Tensor  # uint8 [rows, image, image, 3]
    tokens: Tensor  # rows of the picture hold 0
    positions: Tensor
    segment: Tensor  # 0 picture, 1.. a conversation about it
    target: Tensor  # the next token where it is part of an answer, else IGNORE
    question: Tensor  # which of `asked` that answer is for
    asked: list[Question]
    aux: Tensor  # [rows, patches, len(AUX_CLASSES)]
    look: Tensor  # bool [rows, T, patches]: where the thing stands that this part of an answer is about


def patch_middles(scene: Scene, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """In the scene's pixels: x [1, grid] and y [grid, 1]."""
    side = max(scene.width, scene.height)
    left, top = (side - scene.width) // 2, (side - scene.height) // 2
    middle = (np.arange(grid) + 0.5) * side / grid
    return (middle - left)[None, :], (middle - top)[:, None]


def covered(thing: Thing, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of which patches the thing's box holds the middle."""
    return (abs(x - thing.x) * 2 <= thing.width) & (abs(y - thing.y) * 2 <= thing.height)


def patch_labels(scene: Scene, grid: int) -> np.ndarray:
    """What AUX_CLASSES has, at the middle of each patch: [patches, len(AUX_CLASSES)]."""
    side = max(scene.width, scene.height)
    left, top = (side - scene.width) // 2, (side - scene.height) // 2
    labels = np.zeros((grid, grid, len(AUX_CLASSES)), dtype=np.int64)
    x, y = patch_middles(scene, grid)
    labels[(x < 0) | (x >= scene.width) | (y < 0) | (y >= scene.height), 0] = 1
    for thing in scene.things:
        inside = covered(thing, x, y)
        labels[inside, 1] = 1 + COLOURS.index(thing.colour)
        labels[inside, 3] = 1 + 3 * (1 + scene.row(thing)) + 1 + scene.column(thing)
        if thing.kind == "number":
            for i, figure in enumerate(thing.text):
                start = thing.x - thing.width / 2 + i * thing.width / len(thing.text)
                part = (x >= start) & (x < start + thing.width / len(thing.text))
                labels[inside & part, 0] = 2 + len(SHAPES) + int(figure)
        else:
            labels[inside, 0] = 2 + SHAPES.index(thing.kind)
            alike = sum(t.name == thing.name for t in scene.shapes)
            coloured = sum(t.colour == thing.colour for t in scene.shapes)
            formed = sum(t.kind == thing.kind for t in scene.shapes)
            labels[inside, 4:] = [min(MOST, n) for n in (alike, coloured, formed)]
            column = min(grid - 1, int((thing.x + left) * grid / side))
            row = min(grid - 1, int((thing.y + top) * grid / side))
            labels[row, column, 2] = 1
    return labels.reshape(grid * grid, len(AUX_CLASSES))


def sloppy(text: str, rng: Random) -> str:
    """People leave out question marks and capitals now and then."""
    if rng.random() < 0.1:
        text = text.rstrip("?？.。!！")
    return text[0].lower() + text[1:] if rng.random() < 0.05 else text


def conversation(
    turns: list[Question], rng: Random, t: Tokenizer, picture: bool
) -> list[tuple[int, int]]:
    """Tokens from behind the picture (or "Human:") to the stop string; turn answered, or -1."""
    out: list[tuple[int, int]] = []
    for i, turn in enumerate(turns):
        lead = " Human: " if i else "\n" if picture else " "
        asked = t.encode(lead + question_text(sloppy(turn.question, rng)))
        out += [(token, -1) for token in asked]
        out += [(token, i) for token in t.encode(answer_text(turn.answer))]
    return out


def row_conversations(
    scene: Scene, rng: Random, weights: dict[str, float]
) -> list[tuple[list[Question], bool]]:
    """Some of one turn, some of two, some small talk; the flag says whether it has the picture."""
    out: list[tuple[list[Question], bool]] = []
    asked = 0
    while asked < QUESTIONS:
        kind = rng.random()
        turns = [ask_any(scene, rng, weights) if kind < 0.95 else chat.chat(rng)]
        if kind > 0.86:
            more = ask_any(scene, rng, weights) if rng.random() < 0.8 else chat.chat(rng)
            turns.append(more)
        asked += len(turns)
        out.append((turns, True))
    if rng.random() < 0.3:
        out.append(([chat.chat(rng) for _ in range(rng.randint(1, 2))], False))
    return out


def make_pictures(seed: str, rows: int, image: int, grid: int) -> tuple[Tensor, Tensor]:
    """Pixels and patch classes alone; three pictures of four are crowded."""
    rng = Random(seed)
    scenes = [(crowded_scene if rng.random() < 0.75 else random_scene)(rng) for _ in range(rows)]
    pixels = np.stack([squared(draw(scene), image) for scene in scenes])
    aux = np.stack([patch_labels(scene, grid) for scene in scenes])
    return torch.from_numpy(pixels), torch.from_numpy(aux)


def has_alike(scene: Scene) -> bool:
    """Whether two different shapes share their colour or their form."""
    names = {thing.name for thing in scene.shapes}
    return any(len({name[part] for name in names}) < len(names) for part in (0, 1))


def make_batch(
    seed: str,
    rows: int,
    t: Tokenizer,
    image: int,
    grid: int,
    more: str | None = None,
    alike: bool = False,
) -> Batch:
    """The batch that belongs to a seed, whatever was made before it.

    Of `more`, a kind of question, four times as many as usual. With `alike`, shapes share a colour
    or a form with another wherever one of five pictures has such.
    """
    rng = Random(seed)
    weights = {kind: (4 if kind == more else 1) * usual for kind, usual in WEIGHTS.items()}
    opening = len(t.encode(OPENING))
    space = t.encode(" ")
    patches = grid * grid
    pictures, aux, lines = [], [], []
    asked: list[Question] = []
    stands: list[np.ndarray] = []  # of each question, the patches of what it is about
    for _ in range(rows):
        scene = random_scene(rng)
        for _ in range(4 if alike else 0):
            scene = scene if has_alike(scene) else random_scene(rng)
        pictures.append(squared(draw(scene), image))
        aux.append(patch_labels(scene, grid))
        line = [(space[0], opening, 0, IGNORE, 0)]
        line += [(0, opening + 1 + i, 0, IGNORE, 0) for i in range(patches)]
        for number, (turns, picture) in enumerate(row_conversations(scene, rng, weights), start=1):
            marked = conversation(turns, rng, t, picture)
            start = opening + 1 + patches if picture else opening
            for i, (token, _) in enumerate(marked):
                following, turn = marked[i + 1] if i + 1 < len(marked) else (0, -1)
                target = following if turn >= 0 else IGNORE
                segment = number if picture else ALONE
                line.append((token, start + i, segment, target, len(asked) + turn))
            asked += turns
            middles = patch_middles(scene, grid)
            nowhere = np.zeros((grid, grid), dtype=bool)
            stands += [covered(q.about, *middles) if q.about else nowhere for q in turns]
        lines.append(line)
    longest = -(-max(map(len, lines)) // 16) * 16
    filler = (0, 0, PADDING, IGNORE, 0)
    table = np.array([line + [filler] * (longest - len(line)) for line in lines])
    tokens, positions, segment, target, question = torch.from_numpy(table).unbind(-1)
    answers = (target != IGNORE)[..., None]
    look = torch.from_numpy(np.stack(stands).reshape(-1, patches))[question] & answers
    return Batch(
        pixels=torch.from_numpy(np.stack(pictures)),
        tokens=tokens,
        positions=positions,
        segment=segment,
        target=target,
        question=question,
        asked=asked,
        aux=torch.from_numpy(np.stack(aux)),
        look=look,
    )


def row_mask(segment: Tensor, opening: int) -> Tensor:
    """[rows, 1, T, opening + T], to be added to the scores: 0 for the system text, the own segment
    so far, and the picture. In floats, since every layer would convert booleans anew."""
    rows, length = segment.shape
    same = segment[:, :, None] == segment[:, None, :]
    picture = (segment[:, :, None] > 0) & (segment[:, None, :] == 0)
    own = (same | picture) & torch.ones(length, length, dtype=torch.bool).tril()
    seen = torch.cat([torch.ones(rows, length, opening, dtype=torch.bool), own], -1)[:, None]
    return torch.zeros(seen.shape).masked_fill(~seen, -torch.inf)
