#!/usr/bin/env python3
"""Makes the page of a GPU day from what scripts/gpu_day.sh run left: gpu_day_page.py FOLDER [--results bench/results].

Writes RESULTS/DATE-CARD.json, everything that a program can read, and DATE-CARD.md, what a person wants to know: which
steps passed, planned beside measured, and each kernel's share of the card's limit.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """What a program printed; None where it did not get so far."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def read_steps(folder: Path) -> list[dict[str, str]]:
    rows = (line.split("\t") for line in (folder / "steps.txt").read_text().splitlines())
    return [dict(zip(("step", "status", "time"), row)) for row in rows]


def card_name(folder: Path) -> str:
    found = re.search(r"Product Name\s*:\s*(.+)", (folder / "card.txt").read_text())
    return found.group(1).strip() if found else "unknown card"


MODELS = ("bf16", "bf16_cublaslt", "bf16_graphs", "int8", "int4", "int4_graphs")


def most_memory(path: Path) -> str:
    """What the driver said was in use at most: "66012 MiB"; empty where it was not asked."""
    try:
        rows = [line.split(", ") for line in path.read_text().splitlines()]
    except OSError:
        return ""
    return max((row[1] for row in rows if len(row) > 1), key=lambda text: int(text.split()[0]), default="")


def bench_rows(name: str, bench: dict[str, Any]) -> list[str]:
    return [f"| {name} | {device['name']} | {1e3 * device['planned_decode_s']:.1f} ms | {1e3 * device['measured_decode_s']:.1f} ms "
            f"| {device['planned_prefill_s_per_1000']:.2f} s | {device['measured_prefill_s_per_1000']:.2f} s |"
            for device in bench["devices"]]


def kernel_rows(kernels: dict[str, Any]) -> list[str]:
    rows = []
    for run in kernels.get("benchmarks", []):
        counters = {key: value for key, value in run.items() if key.startswith(("share", "GB", "GFLOP", "TFLOP"))}
        rows.append(f"| {run['name']} | {run['real_time']:.4g} {run['time_unit']} | "
                    + ", ".join(f"{key} {value:.3g}" for key, value in counters.items()) + " |")
    return rows


def page(results: dict[str, Any]) -> str:
    lines = [f"# {results['card']}, {results['date']}", "", f"Commit {results['commit']}, made by `scripts/gpu_day.sh`.", "",
             "| step | | time |", "|---|---|---|"]
    lines += [f"| {step['step']} | {step['status']} | {step['time']} |" for step in results["steps"]]
    benches = {name: bench for name, bench in results["models"].items() if bench}
    if benches:
        lines += ["", "Yi-VL-34B's shape, random weights, three logical devices of 24 GiB on the card:", "",
                  "| precision | device | decode planned | measured | 1000 prompt tokens planned | measured |", "|---|---|---|---|---|---|"]
        lines += [row for name, bench in benches.items() for row in bench_rows(name, bench)]
        lines += ["", "Memory in use at most, as the driver says, with what it takes for itself: "
                  + ", ".join(f"{name} {used}" for name, used in results["memory_used"].items() if used) + "."]
    if results["kernels"]:
        lines += ["", "| kernel | time | |", "|---|---|---|", *kernel_rows(results["kernels"])]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--results", type=Path, default=Path("bench/results"))
    args = parser.parse_args()
    commit = args.folder / "commit.txt"
    results = {"date": datetime.date.today().isoformat(), "card": card_name(args.folder),
               "commit": commit.read_text().strip() if commit.exists() else "unknown",
               "steps": read_steps(args.folder), "answer": read_json(args.folder / "answer_about_a_picture.txt"),
               "models": {name: read_json(args.folder / f"bench_model_{name}.txt") for name in MODELS},
               "memory_used": {name: most_memory(args.folder / f"memory_{name}.csv") for name in MODELS},
               "kernels": read_json(args.folder / "bench_all_kernels.json") or read_json(args.folder / "bench_kernels.json"), "tests": read_json(args.folder / "tests_ops.json")}
    args.results.mkdir(parents=True, exist_ok=True)
    name = f"{results['date']}-{re.sub(r'[^A-Za-z0-9]+', '-', results['card']).strip('-')}"
    (args.results / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (args.results / f"{name}.md").write_text(page(results))
    print(args.results / f"{name}.md")


if __name__ == "__main__":
    main()
