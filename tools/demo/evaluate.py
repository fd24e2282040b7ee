"""Scores answers to the evaluation set: the oracle's own, or those of another program.

    python tools/demo/evaluate.py --model models/demo --write       asks the oracle, writes its file
    python tools/demo/evaluate.py --model models/demo --answers F   scores F

F has one JSON object a line with "id" and "text"; a "token_ids" or "prompt_ids" in it is compared
with the oracle's. An answer is right when it is the expected text, letter for letter.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

Table = dict[tuple[str, str], list[bool]]
DECIDED = ("text", "token_ids", "prompt_ids")


def read_lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def ask_oracle(folder: Path, questions: list[dict]) -> dict[str, dict]:
    import torch  # scoring needs no torch, only asking does

    from oracle import Oracle

    torch.set_num_threads(1)
    oracle = Oracle(folder)
    answers: dict[str, dict] = {}
    for asked in questions:
        picture = folder / "eval/pictures" / asked["image"] if asked["image"] else None
        history = [(question, answer) for question, answer in asked["history"]]
        found = oracle.answer(history, asked["question"], picture)
        answers[asked["id"]] = {
            "id": asked["id"],
            "text": found.text,
            "token_ids": found.token_ids,
            "prompt_ids": found.prompt_ids,
        }
    return answers


def score(questions: list[dict], answers: dict[str, dict]) -> Table:
    table: Table = defaultdict(list)
    for asked in questions:
        given = answers.get(asked["id"], {}).get("text", "")
        table[asked["kind"], asked["language"]].append(given.strip() == asked["answer"])
    return table


def share(marks: list[bool]) -> str:
    return f"{100 * sum(marks) / len(marks):.1f} % ({sum(marks)}/{len(marks)})" if marks else "-"


def as_markdown(table: Table) -> str:
    lines = ["| kind | English | Chinese | both |", "|---|---|---|---|"]
    for kind in dict.fromkeys(kind for kind, _ in table):
        english, chinese = table.get((kind, "en"), []), table.get((kind, "zh"), [])
        cells = (share(marks) for marks in (english, chinese, english + chinese))
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    everything = [mark for marks in table.values() for mark in marks]
    return "\n".join([*lines, f"| all | | | {share(everything)} |"])


def differences(questions: list[dict], answers: dict[str, dict], oracle: dict[str, dict]) -> int:
    """Answers that are not the oracle's; the first few are shown."""
    differing = 0
    for asked in questions:
        mine, theirs = answers.get(asked["id"], {}), oracle[asked["id"]]
        keys = [k for k in DECIDED if k == "text" or k in mine]
        wrong = [k for k in keys if mine.get(k) != theirs[k]]
        differing += bool(wrong)
        if wrong and differing <= 5:
            print(f"{asked['id']} {wrong[0]}: {mine.get(wrong[0])}, oracle {theirs[wrong[0]]}")
    return differing


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--model", type=Path, required=True, help="the model directory")
    args.add_argument("--answers", type=Path, help="JSON lines of another program's answers")
    args.add_argument("--write", action="store_true", help="write eval/oracle.jsonl")
    args.add_argument("--wrong", action="store_true", help="list the wrong answers")
    options = args.parse_args()
    folder = options.model / "eval"
    questions = read_lines(folder / "questions.jsonl")
    if options.answers:
        answers = {answer["id"]: answer for answer in read_lines(options.answers)}
    else:
        answers = ask_oracle(options.model, questions)
    if options.write:
        lines = (json.dumps(answers[q["id"]], ensure_ascii=False) for q in questions)
        (folder / "oracle.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(as_markdown(score(questions, answers)))
    if options.wrong:
        for asked in questions:
            given = answers.get(asked["id"], {}).get("text")
            if given != asked["answer"]:
                print(asked["id"], asked["image"], asked["question"], asked["answer"], "|", given)
    if options.answers and (folder / "oracle.jsonl").exists():
        oracle = {answer["id"]: answer for answer in read_lines(folder / "oracle.jsonl")}
        count = differences(questions, answers, oracle)
        print(f"{count} of {len(questions)} differ from the oracle's answers")


if __name__ == "__main__":
    main()
