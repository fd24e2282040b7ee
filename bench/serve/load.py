#!/usr/bin/env python3
"""Load for a chat server on this machine: N clients that each ask again as soon as they are answered.

    load.py --url http://127.0.0.1:8080 --clients 16 --requests 3

Every request streams, has a prompt of its own of --prompt-tokens tokens (by the server's own count, template
included), and asks for --new-tokens tokens with ignore_eos. Prints one JSON object: tokens a second of all clients
together, time to the first token and between tokens in ms at the 50th and 99th percentile, and what the client itself
cost. One warm-up request a client is not counted. Needs Python alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from dataclasses import dataclass, field

from sse_client import Post, loopback

# One token each in the vocabularies that are measured; fit_words() counts, so another only costs a question more.
WORDS = ("time people way water day part place work year number house point world school state family student group "
         "country problem hand system program question government night home room mother area money story month lot "
         "right study book word business issue side kind head service friend father power hour game line end member "
         "law car city community name president team minute idea body information back parent face level office").split()
MOST_CLIENTS, MOST_REQUESTS = 256, 64


@dataclass
class Load:
    """What to send where."""

    url: str
    clients: int
    requests: int = 3  # of each client
    prompt_tokens: int = 128
    new_tokens: int = 64
    model: str = "model"
    seed: int = 1
    timeout_s: float = 120  # of one request

    def __post_init__(self) -> None:
        if not (1 <= self.clients <= MOST_CLIENTS and 1 <= self.requests <= MOST_REQUESTS):
            raise ValueError(f"expected 1 to {MOST_CLIENTS} clients and 1 to {MOST_REQUESTS} requests of each")


@dataclass
class Times:
    """Of one answer. Seconds on time.perf_counter."""

    start: float
    tokens: list[float] = field(default_factory=list)  # arrivals, also of those that complete no character
    text: int = 0  # that came with text
    prompt_tokens: int = 0
    new_tokens: int = 0


def body(load: Load, text: str, new_tokens: int, stream: bool) -> dict:
    out = {"model": load.model, "messages": [{"role": "user", "content": text}], "max_tokens": new_tokens,
           "temperature": 0, "ignore_eos": True, "stream": stream}
    return out | {"stream_options": {"include_usage": True}} if stream else out


def prompt(load: Load, number: int, words: int) -> str:
    draw = random.Random(1_000_003 * load.seed + number)
    return " ".join(draw.choice(WORDS) for _ in range(words))


async def fit_words(load: Load) -> int:
    """How many words make a prompt of the wanted tokens."""
    words = max(1, load.prompt_tokens - 40)
    for _ in range(5):
        async with Post(*loopback(load.url), "/v1/chat/completions", body(load, prompt(load, 0, words), 1, False)) as answer:
            found = (await answer.json())["usage"]["prompt_tokens"]
        if found == load.prompt_tokens:
            return words
        words += load.prompt_tokens - found
        if words < 1:
            break
    raise ValueError(f"no number of words makes {load.prompt_tokens} tokens; the last made {found}")


def is_token(delta: dict) -> bool:
    """A token's event; its text is empty while a character is incomplete. What begins an answer says a role."""
    return bool(delta.get("content")) or (delta.get("content") == "" and not delta.get("role"))


async def ask(load: Load, text: str) -> Times:
    times = Times(time.perf_counter())
    async with Post(*loopback(load.url), "/v1/chat/completions", body(load, text, load.new_tokens, True)) as answer:
        async for now, event in answer.events():
            if "error" in event:
                raise ValueError(str(event["error"])[:300])
            if event.get("usage"):
                times.prompt_tokens = event["usage"]["prompt_tokens"]
                times.new_tokens = event["usage"]["completion_tokens"]
            if any(is_token(choice["delta"]) for choice in event["choices"]):
                times.tokens.append(now)
            times.text += any(choice["delta"].get("content") for choice in event["choices"])
    if not times.text or not times.new_tokens:
        raise ValueError("an answer without text or usage")
    return times


async def client(load: Load, number: int, words: int, errors: list[str]) -> list[Times]:
    out = []
    for request in range(load.requests):
        text = prompt(load, 1 + number * load.requests + request, words)
        try:
            out.append(await asyncio.wait_for(ask(load, text), load.timeout_s))
        except (ValueError, OSError, TimeoutError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            errors.append(f"{type(error).__name__}: {error}"[:300])
    return out


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def in_ms(values: list[float]) -> dict[str, float]:
    return {f"p{p}": round(1e3 * percentile(values, p / 100), 3) for p in (50, 99)} if values else {}


def summary(load: Load, done: list[Times], errors: list[str], wall_s: float, cpu_s: float) -> dict:
    tokens = sum(times.new_tokens for times in done)
    gaps = [b - a for times in done for a, b in zip(times.tokens, times.tokens[1:])]
    return {"clients": load.clients, "requests": len(done), "errors": errors, "wall_s": round(wall_s, 3),
            "tokens": tokens, "tokens_per_s": round(tokens / wall_s, 2),
            "ttft_ms": in_ms([times.tokens[0] - times.start for times in done]), "gap_ms": in_ms(gaps),
            "prompt_tokens": sorted({times.prompt_tokens for times in done}),
            "token_events": sum(len(times.tokens) for times in done),
            "text_pieces": sum(times.text for times in done), "client_cpu_share": round(cpu_s / wall_s, 4)}


async def run_load(load: Load) -> dict:
    words = await fit_words(load)
    warm_up = Load(**{**vars(load), "requests": 1, "new_tokens": 4, "seed": load.seed + 1_000})
    for counted in (warm_up, load):
        errors: list[str] = []
        start, start_cpu = time.perf_counter(), time.process_time()
        runs = await asyncio.gather(*(client(counted, k, words, errors) for k in range(load.clients)))
        wall_s, cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    return summary(load, [times for run in runs for times in run], errors, wall_s, cpu_s)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--url", required=True)
    args.add_argument("--clients", type=int, default=1)
    args.add_argument("--requests", type=int, default=3, help="of each client")
    args.add_argument("--prompt-tokens", type=int, default=128)
    args.add_argument("--new-tokens", type=int, default=64)
    args.add_argument("--model", default="model")
    args.add_argument("--seed", type=int, default=1, help="another seed, other prompts: nothing is in a prefix cache")
    print(json.dumps(asyncio.run(run_load(Load(**vars(args.parse_args()))))))


if __name__ == "__main__":
    main()
