#!/usr/bin/env python3
"""Writes src/text/newer_characters.h: characters newer than Unicode 14, by general category.

Which they are is asked of the `tokenizers` package (its Oniguruma knows Unicode 16); what Unicode 14
had, of Python's unicodedata.

    python3.11 tools/text_characters.py      needs the PyPI package tokenizers, and clang-format
"""

from __future__ import annotations

import subprocess
import unicodedata
from pathlib import Path

from tokenizers import Regex, pre_tokenizers

HEADER = Path(__file__).resolve().parent.parent / "src" / "text" / "newer_characters.h"
CATEGORIES = ["Lu", "Ll", "Lt", "Lm", "Lo", "M", "Nd", "Nl", "No", "P", "S"]

TOP = """#pragma once

// Written by tools/text_characters.py.

#include <cstdint>
#include <string_view>

namespace tessera {

/// Characters of Unicode 15 and 16, by general category (two letters, or one where Tessera tells no
/// finer): Debian's PCRE2 knows Unicode 14, and what a letter is decides where a text is cut.
struct NewerCharacters {
  std::string_view category;
  uint32_t first, last;
};

inline constexpr NewerCharacters kNewerCharacters[] = {
"""


def ranges(numbers: list[int]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for number in numbers:
        if out and out[-1][1] == number - 1:
            out[-1] = (out[-1][0], number)
        else:
            out.append((number, number))
    return out


def main() -> None:
    assert unicodedata.unidata_version == "14.0.0", "needs Python 3.11"
    every = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    lines = []
    for category in CATEGORIES:
        members = pre_tokenizers.Split(Regex(rf"\p{{{category}}}"), "removed", invert=True)
        now = [part for part, _ in members.pre_tokenize_str(every)]
        newer = [ord(c) for c in now if not unicodedata.category(c).startswith(category)]
        assert all(unicodedata.category(chr(c)) == "Cn" for c in newer), f"{category} was another before"
        before = sum(unicodedata.category(c).startswith(category) for c in every)
        assert len(now) == before + len(newer), f"{category} lost members"
        lines += [f'    {{"{category}", 0x{a:X}, 0x{b:X}}},\n' for a, b in ranges(newer)]
    HEADER.write_text(TOP + "".join(lines) + "};\n\n}  // namespace tessera\n")
    subprocess.run(["clang-format", "-i", HEADER], check=True)


if __name__ == "__main__":
    main()
