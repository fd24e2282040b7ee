"""The evaluation set: pictures that training never draws, and questions with their answers.

    python tools/demo/evalset.py --out models/demo

Writes eval/pictures/*.png, eval/questions.jsonl, and a dozen samples in pictures/. Needs Pillow
and numpy, not torch; the same seed gives the same files. A line of questions.jsonl:

    {"id", "image" or null, "kind", "language", "history": [[question, answer], ..], "question",
     "answer"}
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from random import Random

import chat
from draw import draw, to_palette
from phrases import LANGUAGES
from questions import KINDS, Question, ask, ask_any
from scenes import Scene, random_scene

EACH = 60  # questions of each kind and language
PER_PICTURE = 3
FOLLOW_UPS = 60  # questions with an earlier turn in the prompt
SAMPLES = 12


def spread(scenes: list[Scene], rng: Random) -> list[tuple[int, Question]]:
    """EACH questions of every kind and language, at most PER_PICTURE to a picture."""
    wanted = [(kind, language) for kind in KINDS for language in LANGUAGES]
    # A kind that few pictures answer chooses first.
    answering = Counter(
        kind for scene in scenes for kind in KINDS if ask(scene, Random(0), kind, "en")
    )
    wanted.sort(key=lambda w: answering[w[0]])
    asked: Counter[int] = Counter()
    out: list[tuple[int, Question]] = []
    for kind, language in wanted:
        order = rng.sample(range(len(scenes)), len(scenes))
        order.sort(key=lambda number: asked[number])
        found = 0
        for number in order:
            if found == EACH or asked[number] == PER_PICTURE:
                continue
            question = ask(scenes[number], rng, kind, language)
            if question:
                out.append((number, question))
                asked[number] += 1
                found += 1
        assert found == EACH, f"only {found} questions: {kind} {language}"
    return sorted(out, key=lambda pair: pair[0])


def line(picture: str | None, turns: list[Question], kind: str) -> dict:
    *history, last = turns
    return {
        "image": picture,
        "kind": kind,
        "language": last.language,
        "history": [[turn.question, turn.answer] for turn in history],
        "question": last.question,
        "answer": last.answer,
    }


def questions(scenes: list[Scene], names: list[str], rng: Random) -> list[dict]:
    """One turn about a picture, two turns about a picture, small talk without one."""
    lines = [line(names[n], [question], question.kind) for n, question in spread(scenes, rng)]
    even = dict.fromkeys(KINDS, 1.0)
    for number in rng.sample(range(len(scenes)), FOLLOW_UPS):
        turns = [ask_any(scenes[number], rng, even) for _ in range(2)]
        lines.append(line(names[number], turns, "second turn"))
    lines += [line(None, [question], "chat") for question in chat.all_chat()]
    return [{"id": f"q{i:04}", **entry} for i, entry in enumerate(lines)]


def write_lines(file: Path, lines: list[dict]) -> None:
    text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in lines)
    file.write_text(text, encoding="utf-8")


def write_eval(folder: Path, seed: int) -> None:
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    count = 2 * EACH * len(KINDS) // PER_PICTURE + 40  # some to spare, so that all kinds fit
    scenes = [random_scene(Random(f"eval {seed} {i}")) for i in range(count)]
    names = [f"{i:03}.png" for i in range(count)]
    for scene, name in zip(scenes, names):
        to_palette(draw(scene)).save(folder / "pictures" / name, optimize=True)
    write_lines(folder / "questions.jsonl", questions(scenes, names, Random(f"ask {seed}")))


def write_samples(folder: Path, seed: int) -> None:
    """Pictures for the README and for quick tests, with a question of each kind over them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = Random(f"samples {seed}")
    lines = []
    for i in range(SAMPLES):
        kind, language = KINDS[i % len(KINDS)], LANGUAGES[i // 2 % 2]
        question = None
        while question is None:
            scene = random_scene(rng)
            question = ask(scene, rng, kind, language)
        picture = draw(scene)
        jpeg = i % 4 == 3  # three of them, so that both formats are there
        name = f"{i:02}.jpg" if jpeg else f"{i:02}.png"
        if jpeg:
            picture.save(folder / name, quality=92)
        else:
            to_palette(picture).save(folder / name, optimize=True)
        lines.append({"id": f"s{i:02}", **line(name, [question], kind)})
        lines[-1].pop("history")
    write_lines(folder / "samples.jsonl", lines)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--out", type=Path, required=True, help="the model directory")
    args.add_argument("--seed", type=int, default=1)
    options = args.parse_args()
    write_eval(options.out / "eval", options.seed)
    write_samples(options.out / "pictures", options.seed)


if __name__ == "__main__":
    main()
