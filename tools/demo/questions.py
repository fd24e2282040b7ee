"""Questions about a scene, each with the one answer that counts as right.

A maker looks at the scene and returns (question, answer), or None when the scene leaves the
question open ("What colour is the circle?" with two circles of different colours). Where the answer
is read off one thing alone, the maker may name it: training then shows the model where to look.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Callable

from phrases import (
    COLOUR_ZH,
    LANGUAGES,
    PLACE_EN,
    PLACE_ZH,
    SHAPE_ZH,
    article,
    counted_en,
    counted_zh,
    listed_en,
    listed_zh,
    noun_en,
    noun_zh,
)
from scenes import COLOURS, MAX_THINGS, SHAPES, Scene, Thing

Made = tuple[str, str] | tuple[str, str, Thing]


@dataclass(frozen=True)
class Question:
    kind: str
    language: str
    question: str
    answer: str
    about: Thing | None = None


def singles(scene: Scene) -> list[Thing]:
    """The shapes that no other shape in the picture is alike to."""
    names = Counter(t.name for t in scene.shapes)
    return [t for t in scene.shapes if names[t.name] == 1]


def count(scene: Scene, rng: Random, zh: bool) -> Made | None:
    colour, shape = rng.choice(COLOURS), rng.choice(SHAPES)
    if scene.shapes and rng.random() < 0.85:
        colour, shape = rng.choice(scene.shapes).name
    asked = rng.random()
    if asked < 0.15:
        colour, shape = "", ""
    elif asked < 0.3:
        colour = ""
    elif asked < 0.45:
        shape = ""
    n = sum(colour in ("", t.colour) and shape in ("", t.kind) for t in scene.shapes)
    if zh:
        noun = noun_zh(colour, shape)
        ask = rng.choice(("有几个{}？", "图中有几个{}？", "有多少个{}？", "数一数有几个{}。"))
        return ask.format(noun), f"有{counted_zh(n, colour, shape)}。" if n else f"没有{noun}。"
    ask = rng.choice(
        (
            "How many {} are there?",
            "How many {} are in the picture?",
            "How many {} do you see?",
            "Count the {}.",
        )
    )
    verb = "is" if n == 1 else "are"
    noun = noun_en(colour, shape, plural=True)
    return ask.format(noun), f"There {verb} {counted_en(n, colour, shape)}."


def colour(scene: Scene, rng: Random, zh: bool) -> Made | None:
    number = scene.number
    if number and rng.random() < 0.6:
        if zh:
            ask = rng.choice(("数字是什么颜色的？", "数字是什么颜色？"))
            return ask, f"数字是{COLOUR_ZH[number.colour]}的。"
        word = rng.choice(("colour", "color"))
        return f"What {word} is the number?", f"The number is {number.colour}."
    by_shape = {s: {t.colour for t in scene.shapes if t.kind == s} for s in SHAPES}
    clear = [s for s in SHAPES if len(by_shape[s]) == 1]
    if not clear:
        return None
    shape = rng.choice(clear)
    (found,) = by_shape[shape]
    many = sum(t.kind == shape for t in scene.shapes) > 1
    if zh:
        noun = SHAPE_ZH[shape]
        ask = rng.choice((f"{noun}是什么颜色的？", f"{noun}是什么颜色？"))
        return ask, f"{noun}是{COLOUR_ZH[found]}的。"
    word = rng.choice(("colour", "color"))
    be = "are" if many else "is"
    noun = noun_en("", shape, plural=many)
    return f"What {word} {be} the {noun}?", f"The {noun} {be} {found}."


def shape(scene: Scene, rng: Random, zh: bool) -> Made | None:
    clear = [t for t in scene.shapes if sum(o.colour == t.colour for o in scene.shapes) == 1]
    if not clear:
        return None
    thing = rng.choice(clear)
    if zh:
        ask = rng.choice(("{}的图形是什么形状？", "{}的图形是什么形状的？"))
        return ask.format(COLOUR_ZH[thing.colour]), f"是{SHAPE_ZH[thing.kind]}。"
    ask = rng.choice(("What shape is {}?", "What is the shape of the {} one?"))
    text = ask.format(thing.colour if "one" in ask else f"the {thing.colour} one")
    return text, f"It is {article(thing.kind)}."


def position(scene: Scene, rng: Random, zh: bool) -> Made | None:
    number = scene.number
    if number and rng.random() < 0.5:
        thing, en, cn = number, "number", "数字"
    else:
        alone = singles(scene)
        if not alone:
            return None
        thing = rng.choice(alone)
        en, cn = noun_en(*thing.name), noun_zh(*thing.name)
    place = scene.row(thing), scene.column(thing)
    if zh:
        ask = rng.choice(("{}在哪里？", "{}在什么位置？"))
        return ask.format(cn), f"{cn}在{PLACE_ZH[place]}。", thing
    ask = rng.choice(("Where is the {}?", "Where do you see the {}?"))
    return ask.format(en), f"The {en} is {PLACE_EN[place]}.", thing


def digit(scene: Scene, rng: Random, zh: bool) -> Made | None:
    if scene.number is None:
        return None
    text = scene.number.text
    if zh:
        ask = rng.choice(("图中写的是什么数字？", "你看到什么数字？", "是什么数字？"))
        return ask, f"数字是{text}。"
    ask = rng.choice(
        ("Which number is in the picture?", "What number do you see?", "Which digit is it?")
    )
    return ask, f"The number is {text}."


def yes_no(scene: Scene, rng: Random, zh: bool) -> Made | None:
    """Half yes; most noes ask for a mix of what is there, so that a glance is not enough."""
    present = {t.name for t in scene.shapes}
    if rng.random() < 0.5 and present:
        name = rng.choice(sorted(present))
    else:
        colours = sorted({t.colour for t in scene.things}) if rng.random() < 0.6 else COLOURS
        shapes = sorted({t.kind for t in scene.shapes}) if rng.random() < 0.4 else SHAPES
        name = rng.choice(colours), rng.choice(shapes or SHAPES)
    if zh:
        ask = rng.choice(("有{}吗？", "图中有{}吗？"))
        return ask.format(noun_zh(*name)), "有。" if name in present else "没有。"
    ask = rng.choice(("Is there {}?", "Is there {} in the picture?", "Do you see {}?"))
    does = ("Yes, I do.", "No, I do not.") if ask.startswith("Do") else None
    yes, no = does or ("Yes, there is.", "No, there is not.")
    return ask.format(article(noun_en(*name))), yes if name in present else no


def describe(scene: Scene, rng: Random, zh: bool) -> Made | None:
    """All groups of alike shapes in the order of the colours and shapes, then the number."""
    groups = Counter(t.name for t in scene.shapes)
    order = sorted(groups, key=lambda n: (COLOURS.index(n[0]), SHAPES.index(n[1])))
    if zh:
        parts = [counted_zh(groups[n], *n) for n in order]
        if scene.number:
            parts.append(f"数字{scene.number.text}")
        ask = rng.choice(("图中有什么？", "你看到了什么？", "描述这张图片。"))
        return ask, f"我看到{listed_zh(parts)}。"
    parts = [counted_en(groups[n], *n) for n in order]
    if scene.number:
        parts.append(f"the number {scene.number.text}")
    ask = rng.choice(("What is in the picture?", "What do you see?", "Describe the picture."))
    return ask, f"I see {listed_en(parts)}."


MAKERS: dict[str, Callable[[Scene, Random, bool], Made | None]] = {
    "count": count,
    "colour": colour,
    "shape": shape,
    "position": position,
    "digit": digit,
    "yes/no": yes_no,
    "describe": describe,
}
KINDS = tuple(MAKERS)


def ask(scene: Scene, rng: Random, kind: str, language: str) -> Question | None:
    assert language in LANGUAGES and len(scene.shapes) <= MAX_THINGS
    made = MAKERS[kind](scene, rng, language == "zh")
    return Question(kind, language, *made) if made else None


def ask_any(scene: Scene, rng: Random, weights: dict[str, float]) -> Question:
    """A question of a random kind that this scene answers; there always is one."""
    while True:
        kind = rng.choices(KINDS, [weights[k] for k in KINDS])[0]
        question = ask(scene, rng, kind, rng.choice(LANGUAGES))
        if question:
            return question
