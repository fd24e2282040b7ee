"""Made-up text in English and Chinese for training small tokenizers; the same lines for the same seed."""

from __future__ import annotations

import random

THINGS = ["cat", "dog", "house", "tree", "car", "picture", "image", "circle", "square", "table", "river", "window"]
COLOURS = ["red", "green", "blue", "white", "black", "yellow", "orange"]
PLACES = ["on the left", "on the right", "in the middle", "near the top", "at the bottom", "behind the wall"]
VERBS = ["stands", "is shown", "can be seen", "lies", "moves slowly", "is described"]
THINGS_ZH = ["猫", "狗", "房子", "树", "汽车", "图片", "图像", "圆形", "方块", "桌子", "河流", "窗户"]
COLOURS_ZH = ["红色", "绿色", "蓝色", "白色", "黑色", "黄色", "橙色"]
PLACES_ZH = ["左边", "右边", "中间", "上面", "下面", "墙的后面"]
TEMPLATES = [
    "The {c} {t} {v} {p}.",
    "What colour is the {t} {p}?",
    "How many {t}s are there in the picture? There are {n}.",
    "Human: Describe the image.",
    "Assistant: A {c} {t} {v}, and a {d} {u} {v} {p}.",
    "### Human: Is the {t} {c}?",
    "### Assistant: Yes, it is {c}; no. ###",
    "图片{q}有{n}个{k}的{z}。",
    "{q}的{z}是什么颜色？是{k}的。",
    "这是一个人工智能助手。请描述图像。",
]


def make_lines(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [rng.choice(TEMPLATES).format(
        c=rng.choice(COLOURS), d=rng.choice(COLOURS), t=rng.choice(THINGS), u=rng.choice(THINGS), v=rng.choice(VERBS),
        p=rng.choice(PLACES), n=rng.randrange(1000), k=rng.choice(COLOURS_ZH), z=rng.choice(THINGS_ZH),
        q=rng.choice(PLACES_ZH)) for _ in range(count)]
