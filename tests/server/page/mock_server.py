#!/usr/bin/env python3
"""Stands in for `tessera serve` where the page is worked on: the page's own files, a chat that streams
and a machine that moves. On loopback alone.

    python3 tests/server/page/mock_server.py [--port 8090] [--key KEY] [--slower 1] [--users 2]
"""

import argparse
import json
import mimetypes
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mock_answers
import mock_engine

PAGE = Path(__file__).resolve().parents[3] / "src/server/page"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
          "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
MODEL = "Yi-VL-34B"
MAX_BODY = 64 << 20


class MockServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int = 0, key: str = "", token_ms: float = 15, **engine):
        super().__init__(("127.0.0.1", port), Handler)
        self.key, self.token_s = key, token_ms / 1e3
        self.lock = threading.Lock()
        self.engine = mock_engine.MockEngine(**engine)
        self.requests: list[dict] = []  # bodies, for tests
        self.cancelled = threading.Event()
        self.streams = 0  # of events, open now
        self.cut_streams = 0  # raised: those open end
        self.takes_pictures = True
        self.silent = False  # nothing changes, so nothing is sent

    def status(self) -> dict:
        with self.lock:
            return self.engine.status()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MockServer

    def log_message(self, *_):
        pass

    def send(self, status: int, body: bytes, content_type: str = "application/json", **headers) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, value, status: int = 200, **headers) -> None:
        self.send(status, json.dumps(value).encode(), **headers)

    def send_error_json(self, status: int, message: str, headers=None, **parts) -> None:
        self.send_json({"error": {"message": message, "type": "mock", "param": None, "code": None, **parts}},
                       status, **(headers or {}))

    def allowed(self) -> bool:
        if not self.server.key or self.headers.get("Authorization") == f"Bearer {self.server.key}":
            return True
        self.send_error_json(401, "this server asks for a key", {"WWW_Authenticate": "Bearer"})
        return False

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == "/" or path.startswith("/page/"):
            return self.send_page(path)
        if not self.allowed():
            return None
        if path == "/v1/models":
            return self.send_json({"object": "list", "data": [
                {"id": MODEL, "object": "model", "takes_pictures": self.server.takes_pictures}]})
        if path == "/v1/plan":
            return self.send_json(mock_engine.plan())
        if path == "/v1/status":
            return self.send_json(self.server.status())
        if path == "/v1/events":
            return self.stream_events()
        return self.send_error_json(404, "no such path")

    def send_page(self, path: str) -> None:
        name = "index.html" if path == "/" else path.removeprefix("/page/")
        file = PAGE / name
        if not re.fullmatch(r"\w+\.(html|css|js|svg)", name) or not file.is_file():
            return self.send_error_json(404, "the page has no such file")
        kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        return self.send(200, file.read_bytes(), kind, Content_Security_Policy=POLICY,
                         X_Content_Type_Options="nosniff", Referrer_Policy="no-referrer")

    def begin_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def event(self, value) -> None:
        self.chunk(f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n")

    def stream_events(self) -> None:
        self.begin_events()
        cut = self.server.cut_streams
        self.server.streams += 1
        try:
            while self.server.cut_streams == cut:
                if not self.server.silent:
                    self.event(self.server.status())
                time.sleep(0.1)
            self.chunk("")
        except OSError:
            pass
        finally:
            self.server.streams -= 1

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BODY:
            self.close_connection = True
            return self.send_error_json(413, f"the body has {length} bytes, at most {MAX_BODY} are read")
        body = json.loads(self.rfile.read(length) or b"{}")
        if not self.allowed():
            return None
        if self.path != "/v1/chat/completions":
            return self.send_error_json(404, "no such path")
        self.server.requests.append(body)
        text = json.dumps(body["messages"][-1], ensure_ascii=False).lower()
        if "busy" in text and len(self.server.requests) % 2:
            return self.send_error_json(429, "64 requests wait already", {"Retry_After": "2"})
        if "refuse" in text and "and turns" not in text:
            return self.send_error_json(400, "the prompt is too long", where="request", what="prompt",
                                        expected="at most 4096 tokens", found="9000", hint="ask for less")
        return self.stream_answer(body, text)

    def stream_answer(self, body: dict, text: str) -> None:
        answer = mock_answers.answer_to(body["messages"])
        pieces = re.findall(r"\S*\s*", answer)
        self.begin_events()
        self.server.engine.chats += 1
        try:
            time.sleep(5 * self.server.token_s)
            for i, piece in enumerate(pieces):
                if "break" in text and i == 4:
                    self.event({"error": {"message": "stage 2 failed: out of memory"}})
                    break
                if "vanish" in text and i == 4:
                    break
                self.event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
                time.sleep(self.server.token_s)
            else:
                self.event({"choices": [{"index": 0, "delta": {},
                                         "finish_reason": "length" if "limit" in text else "stop"}]})
                self.event({"choices": [], "usage": {
                    "prompt_tokens": 700, "completion_tokens": len(pieces), "total_tokens": 700 + len(pieces),
                    "prompt_tokens_details": {"cached_tokens": 576 if len(body["messages"]) > 1 else 0}}})
                self.event("[DONE]")
            self.chunk("")
        except OSError:
            self.server.cancelled.set()
        finally:
            self.server.engine.chats -= 1


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--port", type=int, default=8090)
    options.add_argument("--key", default="")
    options.add_argument("--slower", type=float, default=1.0)
    options.add_argument("--users", type=float, default=2.0)
    chosen = options.parse_args()
    server = MockServer(chosen.port, chosen.key, slower=chosen.slower, users=chosen.users)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
