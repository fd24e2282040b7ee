#!/usr/bin/env python3
"""Includes only go down: holds every #include under src/ against the DEPS of its module.

The DEPS and CUDA_DEPS lines of src/*/CMakeLists.txt are the layer diagram. Fails on an include of a module that
is not in DEPS (directly or through another), on a cycle, and on files of more than 800 lines.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 800
KEYWORDS = ("SOURCES", "CUDA", "DEPS", "CUDA_DEPS", "LIBS", "PUBLIC_LIBS")


def read_deps() -> dict[str, set[str]]:
    """What each module may use in any build: a module's CUDA_DEPS, and both of two definitions."""
    deps: dict[str, set[str]] = {}
    for path in sorted((ROOT / "src").glob("*/CMakeLists.txt")):
        text = re.sub(r"#.*", "", path.read_text())
        for call in re.findall(r"tessera_module\(([^)]*)\)", text):
            name, *words = call.split()
            keyword = ""
            deps.setdefault(name, set())
            for word in words:
                if word in KEYWORDS:
                    keyword = word
                elif keyword in ("DEPS", "CUDA_DEPS"):
                    deps[name].add(word)
    return deps


def reach(module: str, deps: dict[str, set[str]], path: tuple[str, ...] = ()) -> set[str]:
    """All modules below this one; a cycle ends the program with its path."""
    if module in path:
        sys.exit(f"cycle in DEPS: {' -> '.join((*path, module))}")
    below = set()
    for dep in deps.get(module, ()):
        below |= {dep} | reach(dep, deps, (*path, module))
    return below


def main() -> None:
    deps = read_deps()
    below = {module: reach(module, deps) for module in deps}
    errors = []
    for path in sorted((ROOT / "src").rglob("*.[ch]*")):
        module = path.relative_to(ROOT / "src").parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = re.match(r'\s*#include "(\w+)/', line)
            target = include.group(1) if include else None
            if target in (None, module, "tessera"):
                continue
            if target not in below.get(module, set()):
                errors.append(f"{path.relative_to(ROOT)}:{number}: {module} may not include {target}")
    for folder in ("src", "include", "tests", "bench", "tools"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".cc", ".h", ".cu", ".cuh", ".py"):
                lines = len(path.read_text(errors="replace").splitlines())
                if lines > MAX_LINES:
                    errors.append(f"{path.relative_to(ROOT)}: {lines} lines, at most {MAX_LINES}")
    print("\n".join(errors) if errors else f"layers: {len(deps)} modules, includes only go down")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
