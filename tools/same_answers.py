#!/usr/bin/env python3
"""Holds answers against recorded ones: same_answers.py RECORDED GOT.

Each file has a line for each answer: its name, a tab, and what `tessera run --json` printed. Texts must be equal, and the
largest logits before the first token within what another machine's rounding may make of them; how far they are apart is
printed. Exit status 1 where one is not the same.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# In f32 a GPU's expf and rsqrtf differ by units in the last place of numbers whose logits are some tens: 1e-5, and room.
# Otherwise such a difference may move a number to the next bf16, or an 8-bit code of a row to the next: one part in 250 of
# one of the terms of a logit.
MOST_APART = {"f32": 1e-3, "bf16": 0.1, "int8": 0.1, "int4": 0.1}


def read_answers(path: Path) -> dict[str, dict[str, Any]]:
    """Answers that did not come, or not whole, because a program failed, are missing."""
    answers = {}
    for line in path.read_text().splitlines():
        name, _, answer = line.partition("\t")
        try:
            answers[name] = json.loads(answer)
        except ValueError:
            pass
    return answers


def compare(name: str, want: dict[str, Any], got: dict[str, Any] | None) -> tuple[str, bool]:
    """What there is to say of one answer, and whether it is the same. Names begin with the precision."""
    if got is None:
        return f"{name}: no answer", False
    logits = dict(map(tuple, got["first_logits"]))
    pairs = [(value, logits[token]) for token, value in want["first_logits"] if token in logits]
    if not pairs or None in (number for pair in pairs for number in pair):  # null: NaN
        return f"{name}: no logits to compare", False
    apart, allowed = max(abs(a - b) for a, b in pairs), MOST_APART[name.split()[0]]
    # The last of the largest may be others where several are nearly level.
    same_tokens = len(pairs) >= 3 * len(want["first_logits"]) / 4
    same_text = got["text"] == want["text"]
    said = (f"{name}: {'the same text' if same_text else 'another text: ' + repr(got['text']) + ' for ' + repr(want['text'])}, "
            f"{len(pairs)} of {len(want['first_logits'])} largest logits apart by at most {apart:.3g}, allowed {allowed:g}")
    return said, same_text and same_tokens and apart <= allowed


def main() -> int:
    recorded, got = (read_answers(Path(path)) for path in sys.argv[1:3])
    results = [compare(name, want, got.get(name)) for name, want in recorded.items()]
    for said, _ in results:
        print(said)
    return 0 if results and all(same for _, same in results) else 1


if __name__ == "__main__":
    sys.exit(main())
