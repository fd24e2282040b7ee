#!/usr/bin/env python3
"""What each kernel takes of a GPU, held against limits and a committed table.

    check_kernels.py BUILD TABLE           fails on a limit or a difference
    check_kernels.py BUILD TABLE --write   writes the table anew

Reads the logs of ptxas that a build with TESSERA_CUDA=NVCC leaves beside its objects
(tools/keep_ptxas_log.py). Fails when a kernel has a stack (but for MAX_STACK) or spills registers on any architecture,
has more static shared memory than a block gets unasked, is not in the table, takes more than a tenth
more registers than there, or other shared memory. That a block's registers fit is ptxas's to see:
every kernel must say its threads with __launch_bounds__.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_STATIC_SHARED = 48 << 10
REGISTERS_GROWTH = 1.1
# sincosf reduces angles above 105615 with a table of 2 / pi, product by product, in local memory.
MAX_STACK = {"rope_kernel": 32}

ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\d+\w*)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


class Kernel:
    def __init__(self) -> None:
        self.registers: dict[str, int] = {}
        self.shared = 0
        self.errors: list[str] = []


def plain_names(mangled: set[str]) -> dict[str, str]:
    """Demangled, without parameters and without the name that nvcc gives to a file's own namespace."""
    order = sorted(mangled)
    run = subprocess.run(["c++filt"], input="\n".join(order), capture_output=True, text=True,
                         check=True)
    names = {}
    for symbol, text in zip(order, run.stdout.splitlines()):
        text = re.sub(r"tessera::|\(anonymous namespace\)::|_GLOBAL__N__\w+::|^void ", "", text)
        depth = 0
        for i, c in enumerate(text):  # the parameters begin at the first ( outside of <>
            depth += (c == "<") - (c == ">")
            if c == "(" and depth == 0:
                text = text[:i]
                break
        names[symbol] = text.strip().replace(" ", "")
    return names


def stack_allowed(kernel: str) -> int:
    return next((most for name, most in MAX_STACK.items() if kernel.startswith(name)), 0)


def read_logs(build: Path) -> dict[str, Kernel]:
    found = []
    for path in sorted((build / "src").rglob("*.ptxas")):
        entry = None
        for line in path.read_text().splitlines():
            if match := ENTRY.search(line):
                entry = {"symbol": match[1], "arch": match[2], "lines": []}
                found.append(entry)
            elif entry is not None:
                entry["lines"].append(line)
    names = plain_names({entry["symbol"] for entry in found})
    kernels: dict[str, Kernel] = {}
    for entry in found:
        kernel = kernels.setdefault(names[entry["symbol"]], Kernel())
        text = "\n".join(entry["lines"])
        stack, used, shared = STACK.search(text), USED.search(text), SHARED.search(text)
        if not stack or not used:
            kernel.errors.append(f"{entry['arch']}: the log does not say what it takes")
            continue
        bytes_of_stack, *spilled = (int(number) for number in stack.groups())
        if any(spilled) or bytes_of_stack > stack_allowed(names[entry["symbol"]]):
            kernel.errors.append(f"{entry['arch']}: {stack[0]}")
        kernel.registers[entry["arch"]] = int(used[1])
        kernel.shared = max(kernel.shared, int(shared[1]) if shared else 0)
        if kernel.shared > MAX_STATIC_SHARED:
            kernel.errors.append(f"{entry['arch']}: {kernel.shared} bytes of shared memory")
    return kernels


def arch_number(arch: str) -> int:
    return int(re.sub(r"\D", "", arch))


def write_table(path: Path, kernels: dict[str, Kernel]) -> None:
    archs = sorted({arch for kernel in kernels.values() for arch in kernel.registers},
                   key=arch_number)
    lines = ["# Registers on each architecture, bytes of static shared memory, kernel. Written by",
             "# tools/check_kernels.py --write.",
             " ".join(f"{arch:>6}" for arch in archs) + "  shared  kernel"]
    for name, kernel in sorted(kernels.items()):
        numbers = " ".join(f"{kernel.registers[arch]:6}" for arch in archs)
        lines.append(f"{numbers}  {kernel.shared:6}  {name}")
    path.write_text("\n".join(lines) + "\n")


def read_table(path: Path) -> dict[str, Kernel]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    archs = lines[0].split()[:-2]
    kernels = {}
    for line in lines[1:]:
        *numbers, name = line.split()
        kernel = kernels[name] = Kernel()
        kernel.registers = dict(zip(archs, map(int, numbers[:-1])))
        kernel.shared = int(numbers[-1])
    return kernels


def differences(kernels: dict[str, Kernel], table: dict[str, Kernel]) -> list[str]:
    errors = [f"{name}: in the table only" for name in sorted(table.keys() - kernels.keys())]
    for name, kernel in sorted(kernels.items()):
        errors += [f"{name}: {error}" for error in kernel.errors]
        if name not in table:
            errors.append(f"{name}: not in the table")
            continue
        for arch, registers in kernel.registers.items():
            before = table[name].registers.get(arch)
            if before is None or registers > before * REGISTERS_GROWTH:
                errors.append(f"{name}: {arch}: {registers} registers, {before} in the table")
        if kernel.shared != table[name].shared:
            errors.append(f"{name}: {kernel.shared} bytes of shared memory, "
                          f"{table[name].shared} in the table")
    return errors


def without_launch_bounds() -> list[str]:
    errors = []
    for path in sorted((ROOT / "src").rglob("*.cu*")):
        text = re.sub(r"//.*", "", path.read_text())
        for match in re.finditer(r"__global__\s+(?!.{0,40}__launch_bounds__)", text, re.DOTALL):
            line = text[:match.start()].count("\n") + 1
            errors.append(f"{path.relative_to(ROOT)}:{line}: a kernel without __launch_bounds__")
    return errors


def main() -> int:
    build, table = Path(sys.argv[1]), Path(sys.argv[2])
    kernels = read_logs(build)
    errors = without_launch_bounds()
    if not kernels:
        errors.append(f"{build}: no logs of ptxas")
    elif sys.argv[3:] == ["--write"]:
        write_table(table, kernels)
    if kernels:
        errors += differences(kernels, read_table(table))
    print("\n".join(errors) if errors else f"kernels: {len(kernels)}, as in the table")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
