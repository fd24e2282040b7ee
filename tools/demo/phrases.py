"""The words: names of colours, shapes, counts and places in English and Chinese."""

from __future__ import annotations

LANGUAGES = ("en", "zh")

COUNT_EN = ("no", "one", "two", "three", "four", "five", "six")
COUNT_ZH = ("没有", "一", "两", "三", "四", "五", "六")

COLOUR_ZH = {
    "red": "红色",
    "orange": "橙色",
    "yellow": "黄色",
    "green": "绿色",
    "blue": "蓝色",
    "purple": "紫色",
    "black": "黑色",
    "white": "白色",
}
SHAPE_ZH = {
    "circle": "圆形",
    "square": "正方形",
    "triangle": "三角形",
    "star": "星形",
    "cross": "十字形",
    "shape": "图形",
}
# By (row, column), each -1, 0 or 1.
PLACE_EN = {
    (-1, -1): "at the top left",
    (-1, 0): "at the top",
    (-1, 1): "at the top right",
    (0, -1): "on the left",
    (0, 0): "in the middle",
    (0, 1): "on the right",
    (1, -1): "at the bottom left",
    (1, 0): "at the bottom",
    (1, 1): "at the bottom right",
}
PLACE_ZH = {
    (-1, -1): "左上角",
    (-1, 0): "上方",
    (-1, 1): "右上角",
    (0, -1): "左边",
    (0, 0): "中间",
    (0, 1): "右边",
    (1, -1): "左下角",
    (1, 0): "下方",
    (1, 1): "右下角",
}


def noun_en(colour: str, shape: str, plural: bool = False) -> str:
    """"red circle", "circles", "red shape"; an empty colour or shape says "any"."""
    word = shape or "shape"
    if plural:
        word += "es" if word == "cross" else "s"
    return f"{colour} {word}".strip()


def noun_zh(colour: str, shape: str) -> str:
    word = SHAPE_ZH[shape or "shape"]
    return f"{COLOUR_ZH[colour]}的{word}" if colour else word


def article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def counted_en(count: int, colour: str, shape: str) -> str:
    return f"{COUNT_EN[count]} {noun_en(colour, shape, plural=count != 1)}"


def counted_zh(count: int, colour: str, shape: str) -> str:
    return f"{COUNT_ZH[count]}个{noun_zh(colour, shape)}"


def listed_en(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def listed_zh(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else "、".join(parts[:-1]) + "和" + parts[-1]
