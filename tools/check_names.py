#!/usr/bin/env python3
"""One name, one thing: nothing at namespace scope is defined in two files under the same name.

The linker keeps one copy of an inline constant, type or function that several files define, and says
nothing when they differ: a part of the program then computes with another part's numbers. Looks at
constants, types and inline functions outside of unnamed namespaces, by their
text: clang-format puts every such definition at the start of a line.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TYPE = re.compile(r"(?:struct|class|union|enum(?: class)?) ([\w:]+)[^;(]*\{")
CONSTANT = re.compile(r"(?:inline )?const(?:expr|init) [^=(]*?\b(k[A-Z]\w*)\b.*?[={]")
ALSO = re.compile(r", (k[A-Z]\w*) =")  # further constants of the same line
INLINE = re.compile(r"(?:\[\[\w+\]\] )?(?:inline|constexpr) ([^=]*?\([^{;]*)")


def definitions(text: str) -> list[tuple[int, str]]:
    """(line, name) of what the file defines for the whole program; functions with their parameters."""
    found, unnamed = [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if line == "namespace {":
            unnamed += 1
        elif unnamed and line == "}  // namespace":
            unnamed -= 1
        if unnamed:
            continue
        if constant := CONSTANT.match(line):
            found += [(number, name) for name in (constant.group(1), *ALSO.findall(line))]
        elif match := TYPE.match(line) or INLINE.match(line):
            found.append((number, match.group(1).strip()))
    return found


def main() -> None:
    places = defaultdict(set)
    for folder in ("include", "src", "tests", "bench"):
        for path in sorted((ROOT / folder).rglob("*.[ch]*")):
            for number, name in definitions(path.read_text()):
                places[name].add(f"{path.relative_to(ROOT)}:{number}")
    errors = [f"{name}: defined in {' and '.join(sorted(where))}"
              for name, where in sorted(places.items()) if len({w.split(":")[0] for w in where}) > 1]
    print("\n".join(errors) if errors else f"names: {len(places)}, each of one file")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
