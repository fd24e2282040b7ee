#!/usr/bin/env python3
"""Shows that no event wait or record of the engine on GPUs can be forgotten unseen: mutate_waits.py TREE [--tests FILTER] [--only N,M]

Copies the repository to TREE, where every wait and record in the list below stands behind a switch, builds the tests of
the device and of the engine on emulated GPUs once, and runs them once for each of these statements with it left out. A
mutant is caught when a test fails, ends early or hangs. Prints a table; exits with 1 when a mutant lives.

Left out are records that only tell the time: without them no order is lost.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

# (file, statement, what it holds in order)
MUTANTS = [
    ("src/runtime/stage.cc", "if (batch.input_ready != nullptr) compute_->wait(*batch.input_ready);",
     "a stage waits for the rows of the one before"),
    ("src/runtime/stage.cc", "compute_->record(*marks.end);", "the end of a stage's part"),
    ("src/runtime/stage.cc", "send_->wait(*marks.end);", "rows are sent once they are there"),
    ("src/runtime/stage.cc", "send_->record(*marks.sent);", "rows have arrived"),
    ("src/runtime/stage.cc", "marks_[static_cast<size_t>(batch.slot)].end->synchronize();", "results are read once they are there"),
    ("src/runtime/input.cc", "stream_->record(ready);", "embedded rows have arrived"),
    ("src/runtime/input.cc", "compute.wait(ready);", "the first stage waits for embedded rows"),
    ("src/runtime/input.cc", "compute.wait(*image.ready);", "a picture's rows are there before they are copied"),
    ("src/runtime/vision_runner.cc", "uploaded_->synchronize();", "pixels have left before others come into their place"),
    ("src/runtime/vision_runner.cc", "stream_->record(*uploaded_);", "pixels have left"),
    ("src/runtime/vision_runner.cc", "stream_->record(*image->ready);", "a picture's rows are there"),
    ("src/runtime/device_feed.cc", "copy_->wait(*half.emptied);", "a half is copied into once it was packed"),
    ("src/runtime/device_feed.cc", "copy_->record(*half.filled);", "a half is full"),
    ("src/runtime/device_feed.cc", "pack_->wait(*half.filled);", "a half is packed once it is full"),
    ("src/runtime/device_feed.cc", "copy_->record(copied);", "a reader's buffer was copied"),
    ("src/runtime/device_feed.cc", "pack_->record(*half.emptied);", "a half was packed"),
    ("src/runtime/staging_ring.cc", "for (const std::unique_ptr<Event>& copied : slot.buffer_->copied) copied->synchronize();",
     "a reader's buffer is filled again once it was copied"),
    ("src/device/cuda_staged_copy.cc", "record(own_, *begin_, stream);", "staged: both ends may be used"),
    ("src/device/cuda_staged_copy.cc", "wait_for(other_, far_stream, *begin_);", "staged: the far stream waits for that"),
    ("src/device/cuda_staged_copy.cc", "if (n >= kPieces) wait_for(reader, read_stream, *piece.emptied);",
     "staged: a piece is filled once it was emptied"),
    ("src/device/cuda_staged_copy.cc", "record(reader, *piece.filled, read_stream);", "staged: a piece is full"),
    ("src/device/cuda_staged_copy.cc", "wait_for(written, write_stream, *piece.filled);", "staged: a piece is emptied once it is full"),
    ("src/device/cuda_staged_copy.cc", "record(written, *piece.emptied, write_stream);", "staged: a piece was emptied"),
    ("src/device/cuda_staged_copy.cc", "record(other_, *end_, far_stream);", "staged: the far stream is done"),
    ("src/device/cuda_staged_copy.cc", "wait_for(own_, stream, *end_);", "staged: the stream waits for that"),
    ("src/device/cuda_runtime_stream.cc", 'calls_.check(cudaStreamWaitEvent(stream_.get(), other.get(), 0), "a wait for an event");',
     "any wait of a stream"),
    ("src/device/cuda_event.cc", 'calls_.check(cudaEventRecord(event_.get(), stream), "an event\'s record");', "any record"),
]
SWITCH = """#pragma once
#include <cstdlib>
namespace tessera {
inline bool left_out(int mutant) {
  static const char* const chosen = std::getenv("TESSERA_MUTANT");
  return chosen != nullptr && std::atoi(chosen) == mutant;
}
}  // namespace tessera
"""
PROGRAMS = ["tests/device/device_cuda_test", "tests/runtime/runtime_cuda_test"]


def copy_with_switches(tree: Path) -> None:
    for name in subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.splitlines():
        to = tree / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if not to.exists() or to.read_bytes() != Path(name).read_bytes():
            shutil.copyfile(name, to)
    (tree / "src/base/left_out.h").write_text(SWITCH)
    changed: dict[str, str] = {}
    for number, (file, statement, _) in enumerate(MUTANTS):
        text = changed.setdefault(file, '#include "base/left_out.h"\n' + Path(file).read_text())
        if text.count(statement) != 1:
            sys.exit(f"{file}: {text.count(statement)} times, not once: {statement}")
        changed[file] = text.replace(statement, f"if (!left_out({number})) {{ {statement} }}")
    for file, text in changed.items():
        (tree / file).write_text(text)


def outcome(tree: Path, mutant: int, tests: str, timeout_s: int) -> str:
    """How the tests ended with this statement left out; "lives" when all passed."""
    environment = os.environ | {"TESSERA_MUTANT": str(mutant)}
    for program in PROGRAMS:
        command = [str(tree / "build/cuda-emulated" / program), f"--gtest_filter={tests}", "--gtest_fail_fast", "--gtest_brief=1"]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s, errors="replace")
        except subprocess.TimeoutExpired:
            return f"hangs in {Path(program).name}"
        if done.returncode != 0:
            failed = [line.split("] ")[1].split(" ")[0].rstrip(",") for line in done.stdout.splitlines() if line.startswith("[  FAILED  ]") and "(" in line]
            return failed[0] if failed else f"{Path(program).name} ends with {done.returncode}"
    return "lives"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--tests", default="*", help="a filter of GoogleTest (default: all)")
    parser.add_argument("--only", default="", help="these mutants, by their numbers")
    parser.add_argument("--timeout", type=int, default=600, help="seconds that a program may take")
    args = parser.parse_args()
    copy_with_switches(args.tree)
    subprocess.run(["cmake", "--preset", "cuda-emulated"], cwd=args.tree, check=True, stdout=subprocess.DEVNULL)
    targets = [Path(program).name for program in PROGRAMS]
    subprocess.run(["cmake", "--build", "--preset", "cuda-emulated", "--target", *targets], cwd=args.tree, check=True, stdout=subprocess.DEVNULL)
    if (whole := outcome(args.tree, -1, args.tests, args.timeout)) != "lives":
        sys.exit(f"with nothing left out: {whole}")
    print("| what is left out | where | caught by |\n|---|---|---|")
    chosen = [int(number) for number in args.only.split(",")] if args.only else range(len(MUTANTS))
    alive = 0
    for number in chosen:
        file, _, what = MUTANTS[number]
        begin = time.monotonic()
        how = outcome(args.tree, number, args.tests, args.timeout)
        alive += how == "lives"
        print(f"| {what} | `{Path(file).stem}` | {how if how == 'lives' or ' ' in how else f'`{how}`'} |", flush=True)
        print(f"  {number}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
