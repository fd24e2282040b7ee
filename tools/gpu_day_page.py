#!/usr/bin/env python3
"""Makes the page of a GPU day from what scripts/gpu_day.sh run left: gpu_day_page.py FOLDER [--results bench/results].

Writes RESULTS/DATE-CARD.json, everything that a program can read, and DATE-CARD.md, what a person wants to know: which
steps passed, planned beside measured, and each kernel's share of the card's limits. All of it is what the run recorded.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

MODELS = ("bf16", "bf16_cublaslt", "bf16_graphs", "int8", "int4", "int4_graphs")


def read_text(path: Path) -> str:
    """Empty where the run did not get so far."""
    return path.read_text() if path.exists() else ""


def read_json(path: Path) -> Any:
    """What a program printed; None where it did not get so far."""
    try:
        return json.loads(read_text(path))
    except ValueError:
        return None


def read_steps(folder: Path) -> list[dict[str, str]]:
    rows = (line.split("\t") for line in (folder / "steps.txt").read_text().splitlines())
    return [dict(zip(("step", "status", "time"), row)) for row in rows]


def told_by_driver(folder: Path, what: str) -> str:
    """A line of nvidia-smi -q; empty where it has none."""
    found = re.search(rf"{what}\s*:\s*(.+)", read_text(folder / "card.txt"))
    return found.group(1).strip() if found else ""


def most_memory(path: Path) -> int:
    """MiB that the driver said were in use at most; 0 where it was not asked."""
    rows = [line.split(", ") for line in read_text(path).splitlines()]
    return max((int(row[1].split()[0]) for row in rows if len(row) > 1), default=0)


def read_folder(folder: Path) -> dict[str, Any]:
    kernels = read_json(folder / "bench_all_kernels.json") or read_json(folder / "bench_kernels.json") or {}
    limits = kernels.get("context", {})
    return {"date": read_text(folder / "date.txt").strip() or "unknown date",
            "card": told_by_driver(folder, "Product Name") or limits.get("card", "unknown card"),
            "driver": told_by_driver(folder, "Driver Version") or "unknown",
            "commit": read_text(folder / "commit.txt").strip() or "unknown",
            "limits": {key: float(limits[key]) for key in ("read_bytes_per_s", "flops_per_s") if key in limits},
            "steps": read_steps(folder), "answer": read_json(folder / "answer_about_a_picture.txt"),
            "same_answers": {path.stem: path.read_text().splitlines() for path in sorted(folder.glob("answers_*.txt"))},
            "models": {name: read_json(folder / f"bench_model_{name}.txt") for name in MODELS},
            "memory_used_mib": {name: most_memory(folder / f"memory_{name}.csv") for name in MODELS},
            "rates": read_json(folder / "cache/tessera/rates.json"),
            "kernels": kernels, "tests": read_json(folder / "tests_ops.json")}


def table(*columns: str) -> list[str]:
    return ["", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]


def ratio(measured: float, planned: float) -> str:
    return f"{measured / planned:.3f}" if planned else "-"


def device_rows(name: str, bench: dict[str, Any]) -> list[str]:
    rows = []
    for device in bench["devices"]:
        pairs = [(device["planned_decode_s"], device["measured_decode_s"], "{:.2f} ms", 1e3),
                 (device["planned_prefill_s_per_1000"], device["measured_prefill_s_per_1000"], "{:.3f} s", 1),
                 (device["planned_bytes"], device["measured_peak_bytes"], "{:.1f} MiB", 1 / 2**20)]
        cells = [cell for planned, measured, form, unit in pairs
                 for cell in (form.format(unit * planned), form.format(unit * measured), ratio(measured, planned))]
        rows.append(f"| {name} | {device['name']} | " + " | ".join(cells) + " |")
    return rows


def model_row(name: str, bench: dict[str, Any], used_mib: int) -> str:
    """A step's overhead is what its stages, of one sequence one after another, leave of it."""
    step_s, stages_s = bench["decode_step_s"], sum(device["measured_decode_s"] for device in bench["devices"])
    planned_mib = sum(device["planned_bytes"] for device in bench["devices"]) / 2**20
    driver = f"{used_mib} MiB, {ratio(used_mib, planned_mib)} of planned" if used_mib else "-"
    return (f"| {name} | {bench['prompt_tokens']} tokens: {bench['prefill_s']:.3f} s | {bench['prefill_tokens_per_s']:.1f} "
            f"| {bench['decode_tokens_per_s']:.1f} | {1e3 * step_s:.2f} ms | {100 * (step_s - stages_s) / step_s:.1f} % | {driver} |")


def model_lines(results: dict[str, Any]) -> list[str]:
    benches = {name: bench for name, bench in results["models"].items() if bench}
    if not benches:
        return []
    lines = ["", "The model of `bench_model` (on a GPU: Yi-VL-34B's shape, random weights) over three logical devices on the card:"]
    lines += table("", "device", "decode planned", "measured", "ratio", "1000 prompt tokens planned", "measured", "ratio",
                   "bytes planned", "booked", "ratio")
    lines += [row for name, bench in benches.items() for row in device_rows(name, bench)]
    lines += table("", "time to the first token", "prompt tokens/s", "decode tokens/s", "decode step", "of it no stage's",
                   "in use as the driver says")
    lines += [model_row(name, bench, results["memory_used_mib"][name]) for name, bench in benches.items()]
    answer = results["answer"]
    if answer:
        times = answer["timings"]
        lines += ["", f"A question about a picture, bf16: first token after {times['prefill_ms'] / 1e3:.3f} s with {answer['prompt_tokens']} "
                  f"tokens, then {times['decode_tokens_per_s']:.1f} tokens/s."]
    return lines


def counter(key: str, value: float) -> str:
    return f"{100 * value:.1f} % of {key[3:]}" if key.startswith("of_") else f"{value:.4g} {key}"


def kernel_rows(kernels: dict[str, Any]) -> list[str]:
    """A run that failed has a message in the place of its time."""
    rows = []
    for run in kernels.get("benchmarks", []):
        counters = [counter(key, value) for key, value in run.items() if key.startswith("of_") or key.endswith("/s")]
        time = run.get("error_message") or f"{run['real_time']:.4g} {run['time_unit']}"
        rows.append(f"| {run['name']} | {time} | {', '.join(counters)} |")
    return rows


def link_rows(rates: dict[str, Any] | None) -> list[str]:
    links = (rates or {}).get("links", {})
    return [f"| {name} | {link['bytes_per_s'] / 1e9:.2f} GB/s | {1e6 * link['latency_s']:.1f} us |" for name, link in links.items()]


def page(results: dict[str, Any]) -> str:
    lines = [f"# {results['card']}, {results['date']}", "",
             f"Driver {results['driver']}, commit {results['commit']}, made by `scripts/gpu_day.sh`."]
    if results["limits"]:
        lines += ["", "The card's own limits, as measured: reads {:.0f} GB/s (`read`), multiplies bf16 tiles at {:.0f} TFLOP/s (`mma`).".format(
            results["limits"]["read_bytes_per_s"] / 1e9, results["limits"]["flops_per_s"] / 1e12)]
    lines += table("step", "", "time")
    lines += [f"| {step['step']} | {step['status']} | {step['time']} |" for step in results["steps"]]
    for name, said in results["same_answers"].items():
        lines += ["", f"`{name}`, beside what emulated GPUs answer:", "", *(f"- {line}" for line in said)]
    lines += model_lines(results)
    if rows := link_rows(results["rates"]):
        lines += [*table("link, as plans count with it", "", "latency"), *rows]
    if rows := kernel_rows(results["kernels"]):
        lines += [*table("kernel", "time", "rates, and shares of the limits"), *rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--results", type=Path, default=Path("bench/results"))
    args = parser.parse_args()
    results = read_folder(args.folder)
    args.results.mkdir(parents=True, exist_ok=True)
    name = f"{results['date'][:10]}-{re.sub(r'[^A-Za-z0-9]+', '-', results['card']).strip('-')}"
    (args.results / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (args.results / f"{name}.md").write_text(page(results))
    print(args.results / f"{name}.md")


if __name__ == "__main__":
    main()
