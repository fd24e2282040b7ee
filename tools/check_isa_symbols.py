#!/usr/bin/env python3
"""Objects compiled for a wider instruction set must not share functions with other objects.

    check_isa_symbols.py NM OBJECT...

The linker keeps one copy of an inline function that several files define. Were it the copy of a file
compiled for AVX-512, the program would die on a processor without it. So those files may define no
weak symbol at all. Looks at the objects named *_avx* and *_amx*; the others are ignored.
"""

import re
import subprocess
import sys


def weak_symbols(nm: str, path: str) -> list[str]:
    listing = subprocess.run([nm, "--defined-only", "--demangle", path], check=True,
                             capture_output=True, text=True).stdout
    return re.findall(r"^\S* [WVu] (?!DW\.ref)(.*)$", listing, re.MULTILINE)


def main() -> None:
    nm, objects = sys.argv[1], [path for path in sys.argv[2:] if "_avx" in path or "_amx" in path]
    shared = [f"{path}: {name}" for path in objects for name in weak_symbols(nm, path)]
    print("\n".join(shared) if shared else f"{len(objects)} objects share no function")
    sys.exit(1 if shared or not objects else 0)


if __name__ == "__main__":
    main()
