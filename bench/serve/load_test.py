#!/usr/bin/env python3
"""Tests load.py against a server whose times are known, because it sleeps them."""

from __future__ import annotations

import asyncio
import json
import unittest

from load import Load, percentile, run_load
from sse_client import loopback

FIRST_S, GAP_S, TEMPLATE_TOKENS = 0.1, 0.03, 20


class KnownServer:
    """Answers any number of clients at once: words and TEMPLATE_TOKENS in, one "a" a token out; the second completes no character."""

    def __init__(self, fail_at: int = -1) -> None:
        self.streams: list[dict] = []
        self._fail_at = fail_at

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        asked = json.loads(await reader.readexactly(int(head.split("content-length:")[1].split()[0])))
        usage = {"prompt_tokens": TEMPLATE_TOKENS + len(asked["messages"][0]["content"].split()),
                 "completion_tokens": asked["max_tokens"]}
        if asked["stream"]:
            await self._stream(asked, usage, writer)
        else:
            body = json.dumps({"usage": usage}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async def _stream(self, asked: dict, usage: dict, writer: asyncio.StreamWriter) -> None:
        self.streams.append(asked)
        if len(self.streams) - 1 == self._fail_at:
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}")
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self._event(writer, {"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        for token in range(asked["max_tokens"]):
            await writer.drain()
            await asyncio.sleep(FIRST_S if token == 0 else GAP_S)
            self._event(writer, {"choices": [{"delta": {"content": "" if token == 1 else "a"}}]})
        self._event(writer, {"choices": [], "usage": usage})
        self._piece(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")

    def _event(self, writer: asyncio.StreamWriter, event: dict) -> None:
        data = b"data: " + json.dumps(event).encode() + b"\n\n"
        self._piece(writer, data[:9])  # an event in two pieces, as networks may deliver it
        self._piece(writer, data[9:])

    @staticmethod
    def _piece(writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))


def load_of(url: str, **more: int) -> Load:
    return Load(url=url, clients=3, requests=2, prompt_tokens=64, new_tokens=5, **more)


class LoadTest(unittest.TestCase):
    def test_times_are_those_of_the_server(self) -> None:
        async def measure() -> tuple[dict, list[dict]]:
            server = KnownServer()
            async with server as url:
                return await run_load(load_of(url)), server.streams

        result, streams = asyncio.run(measure())
        self.assertEqual((result["requests"], result["errors"], result["tokens"]), (6, [], 30))
        self.assertEqual((result["prompt_tokens"], result["token_events"], result["text_pieces"]), ([64], 30, 24))
        answer_s = FIRST_S + 4 * GAP_S
        for found, expected in ((result["ttft_ms"]["p50"], 1e3 * FIRST_S), (result["gap_ms"]["p50"], 1e3 * GAP_S),
                                (result["gap_ms"]["p99"], 1e3 * GAP_S),
                                (result["wall_s"], 2 * answer_s)):
            self.assertGreaterEqual(found, 0.95 * expected)
            self.assertLess(found, 3 * expected)  # a busy machine
        self.assertAlmostEqual(result["tokens_per_s"], 30 / result["wall_s"], delta=0.1)
        counted = streams[3:]  # the first were the warm-up
        self.assertEqual(len({asked["messages"][0]["content"] for asked in counted}), 6)
        self.assertTrue(all(asked["ignore_eos"] and asked["max_tokens"] == 5 for asked in counted))

    def test_a_refused_request_is_an_error_and_not_a_time(self) -> None:
        async def measure() -> dict:
            async with KnownServer(fail_at=4) as url:
                return await run_load(load_of(url))

        result = asyncio.run(measure())
        self.assertEqual((result["requests"], result["tokens"], len(result["errors"])), (5, 25, 1))
        self.assertIn("429", result["errors"][0])

    def test_percentiles_are_values_that_occurred(self) -> None:
        values = [float(k) for k in range(100, 0, -1)]
        self.assertEqual([percentile(values, share) for share in (0.5, 0.99, 1)], [50, 99, 100])
        self.assertEqual(percentile([7.0], 0.99), 7)
        self.assertEqual(percentile([1.0, 2.0, 3.0], 0.5), 2)

    def test_load_is_bounded_and_stays_on_this_machine(self) -> None:
        for url in ("http://8.8.8.8:80", "https://127.0.0.1:80", "http://127.0.0.1"):
            self.assertRaises(ValueError, loopback, url)
        self.assertEqual(loopback("http://127.0.0.1:80"), ("127.0.0.1", 80))
        self.assertRaises(ValueError, Load, url="http://127.0.0.1:80", clients=1000)


if __name__ == "__main__":
    unittest.main()
