#!/usr/bin/env python3
"""Measures servers on the same weights in turns A B A B, and writes JSON and a Markdown table.

    side_by_side.py --out build/serve --precision bf16 --model-path build/smollm2 \\
        --tessera build/release/src/cli/tessera --llama-server PATH --gguf BF16.gguf --vllm-python VENV/bin/python
    side_by_side.py --out build/serve --precision int4 ... --llama-server PATH --gguf Q4_0.gguf

A server that is not named is left out. All are started first and paused; each takes its turn for every number of
clients, and a round is repeated: a machine's speed drifts, so the best turn of each counts and only ratios of one run
say something. GGUF files are made from the same checkpoint: llama.cpp's convert_hf_to_gguf.py --outtype bf16, then
llama-quantize --pure to Q4_0. --prefix is put before the command of the measurement, once everything is started
(nice, taskset, or a lock that keeps others off the machine).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import servers
from load import Load, run_load

FEWEST_REQUESTS = 2


def chosen(options: argparse.Namespace) -> list[servers.Server]:
    out, port, folder = [], options.port, options.out
    most = max(options.clients)
    if options.tessera:
        out.append(servers.tessera(options.tessera, options.model_path, options.precision, port, most, folder,
                                   shlex.split(options.tessera_options)))
    if options.llama_server:
        out.append(servers.llama(options.llama_server, options.gguf, port + 1, most, folder))
    if options.vllm_python:
        out.append(servers.vllm(options.vllm_python, options.model_path, port + 2, most, folder))
    return out


def turn(url: str, clients: int, seed: int) -> dict:
    """About as long for one client as for many, whose requests share the time."""
    load = Load(url=url, clients=clients, requests=max(FEWEST_REQUESTS, 8 // clients), seed=seed)
    return asyncio.run(run_load(load))


def measure(plan: dict) -> list[dict]:
    """Runs in a process of its own; says of each turn how it went as it goes."""
    runs = []
    for clients in plan["clients"]:
        for round_ in range(plan["rounds"]):
            for server in plan["servers"]:
                os.killpg(server["group"], signal.SIGCONT)
                run = turn(server["url"], clients, seed=1 + round_ + 100 * clients)
                os.killpg(server["group"], signal.SIGSTOP)
                runs.append({"server": server["name"], "round": round_, **run})
                print(f"{server['name']:14} {clients:3} clients: {run['tokens_per_s']:8} tokens/s, first "
                      f"{run['ttft_ms']}, between {run['gap_ms']} ms, {len(run['errors'])} errors",
                      file=sys.stderr, flush=True)
    return runs


def cell(best: dict) -> str:
    first, gap = best["ttft_ms"], best["gap_ms"]
    return (f"{best['tokens_per_s']:.0f}; {first['p50']:.0f} / {first['p99']:.0f}; {gap['p50']:.1f} / {gap['p99']:.1f}"
            + (f"; {len(best['errors'])} errors" if best["errors"] else ""))


def table(precision: str, names: list[str], runs: list[dict]) -> str:
    """Rows by number of clients: tokens/s; ms to the first token, p50 / p99; ms between tokens, p50 / p99."""
    lines = [f"| clients, {precision} | " + " | ".join(names) + " |", "|---" * (1 + len(names)) + "|"]
    for clients in sorted({run["clients"] for run in runs}):
        cells = []
        for name in names:
            turns = [run for run in runs if run["clients"] == clients and run["server"] == name and run["tokens"]]
            cells.append(cell(max(turns, key=lambda run: run["tokens_per_s"])) if turns else "-")
        lines.append(f"| {clients} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def run(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    running: list[servers.Server] = []
    try:
        for server in chosen(options):
            running.append(server)
            server.start()
            print(f"{server.name}: ready in {server.ready_s:.2f} s, {server.idle_share():.3f} processors when idle",
                  file=sys.stderr, flush=True)
            server.pause()
        plan = {"clients": options.clients, "rounds": options.rounds,
                "servers": [{"name": s.name, "url": s.url, "group": s.group} for s in running]}
        measured = subprocess.run([*shlex.split(options.prefix), sys.executable, __file__, "--measure", json.dumps(plan)],
                                  check=True, stdout=subprocess.PIPE, text=True).stdout
    finally:
        for server in running:
            server.stop()
    runs = json.loads(measured)
    result = {"precision": options.precision, "servers": [
        {"name": s.name, "command": s.command, "ready_s": s.ready_s} for s in running], "runs": runs}
    name = f"serve-{options.precision}"
    (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    text = table(options.precision, [s.name for s in running], runs)
    (options.out / f"{name}.md").write_text(text)
    print(text, end="")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--out", type=Path, default=Path("build/serve"), help="folder for the results and the logs")
    args.add_argument("--precision", default="bf16", help="of tessera's weights, and the name of the run")
    args.add_argument("--model-path", help="the checkpoint, for tessera and vLLM")
    args.add_argument("--tessera")
    args.add_argument("--tessera-options", default="", help="more options of tessera serve, in one string")
    args.add_argument("--llama-server")
    args.add_argument("--gguf")
    args.add_argument("--vllm-python")
    args.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    args.add_argument("--rounds", type=int, default=2)
    args.add_argument("--port", type=int, default=18080, help="of the first server; the others take the next ones")
    args.add_argument("--prefix", default="")
    args.add_argument("--measure", help=argparse.SUPPRESS)
    options = args.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exit that ends the servers, too
    if options.measure:
        print(json.dumps(measure(json.loads(options.measure))))
    else:
        run(options)


if __name__ == "__main__":
    main()
