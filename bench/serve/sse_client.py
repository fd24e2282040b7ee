"""One POST to a server on this machine, its answer as JSON or as a stream of server-sent events with their times.

Nothing but asyncio: the client shares its cores with the server that it measures, so it should cost next to nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

MAX_ANSWER_BYTES = 1 << 20


def loopback(url: str) -> tuple[str, int]:
    """Host and port of a URL. Load goes to this machine only: another host is a ValueError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or parts.port is None:
        raise ValueError(f"{url}: expected http://HOST:PORT")
    if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
        raise ValueError(f"{url}: expected an address of this machine's loopback")
    return host, parts.port


class Answer:
    """The head of an answer, and its body as it comes."""

    def __init__(self, status: int, headers: dict[str, str], reader: asyncio.StreamReader) -> None:
        self.status = status
        self._headers = headers
        self._reader = reader

    async def pieces(self) -> AsyncIterator[bytes]:
        if "chunked" in self._headers.get("transfer-encoding", ""):
            while size := int((await self._reader.readline()).split(b";")[0], 16):
                yield (await self._reader.readexactly(size + 2))[:-2]
        elif "content-length" in self._headers:
            yield await self._reader.readexactly(int(self._headers["content-length"]))
        else:
            while piece := await self._reader.read(1 << 16):
                yield piece

    async def json(self) -> dict:
        body = b""
        async for piece in self.pieces():
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError("an answer of more than 1 MiB")
        if self.status != 200:
            raise ValueError(f"status {self.status}: {body[:300].decode(errors='replace')}")
        return json.loads(body)

    async def events(self) -> AsyncIterator[tuple[float, dict]]:
        """Each event's arrival, on time.perf_counter, and its JSON; ends at [DONE]."""
        if self.status != 200:
            await self.json()
        rest = b""
        async for piece in self.pieces():
            now = time.perf_counter()
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                data = line.removeprefix(b"data:").strip()
                if data == b"[DONE]":
                    return
                if line.startswith(b"data:"):
                    yield now, json.loads(data)
        raise ValueError("a stream that ended without [DONE]")


class Post:
    """async with Post(host, port, path, body) as answer: a connection of its own, closed at the end."""

    def __init__(self, host: str, port: int, path: str, body: dict) -> None:
        data = json.dumps(body).encode()
        head = (f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n")
        self._to = (host, port)
        self._request = head.encode() + data

    async def __aenter__(self) -> Answer:
        reader, self._writer = await asyncio.open_connection(*self._to)
        self._writer.write(self._request)
        await self._writer.drain()
        status = int((await reader.readline()).split()[1])
        headers = {}
        while (line := (await reader.readline()).strip()):
            name, value = line.decode("latin-1").split(":", 1)
            headers[name.lower()] = value.strip().lower()
        return Answer(status, headers, reader)

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
