#!/usr/bin/env python3
"""keep_ptxas_log.py NVCC ARGUMENT...: runs the compiler and puts what ptxas says of each kernel
(registers, spills, shared memory) into OBJECT.ptxas, where tools/check_kernels.py looks for it.
Everything else that the compiler says is passed on.
"""

import subprocess
import sys

INFO = ("ptxas info", "Compiling entry", "Function properties", "bytes stack frame", "Compile time")


def main() -> int:
    command = sys.argv[1:]
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
    lines = run.stderr.splitlines(keepends=True)
    info = [line for line in lines if any(mark in line for mark in INFO)]
    sys.stderr.writelines(line for line in lines if line not in info)
    if info and "-o" in command:
        with open(command[command.index("-o") + 1] + ".ptxas", "w") as log:
            log.writelines(info)
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
