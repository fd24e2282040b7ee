#!/usr/bin/env python3
"""Mixed traffic against a running `tessera serve`, and nothing lost by it.

    tests/server/soak.py URL --pid PID [--seconds 120] [--clients 8]

Each client asks at random: short and long, with pictures and without, streamed or whole; closes connections half-way,
sends nonsense. Every greedy answer is held against the one that the same request got alone. At the end nothing may run
or wait, every KV block must be free or cached, and the process must not have grown after warming up. Standard library
alone; loopback alone.
"""
import argparse
import base64
import glob
import http.client
import json
import random
import threading
import time
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--pid", type=int, required=True)
parser.add_argument("--seconds", type=float, default=120)
parser.add_argument("--clients", type=int, default=8)
parser.add_argument("--growth-mib", type=float, default=64, help="allowed after the first third")
args = parser.parse_args()
place = urllib.parse.urlsplit(args.url)
assert place.hostname in ("127.0.0.1", "::1", "localhost"), "loopback alone"

QUESTIONS = ["How many circles are there?", "What shapes are there?", "What colour is the circle?", "图中有几个方块？",
             "Is there a star?", "Who are you?"]
NONSENSE = [b"{", b"[]", b'{"messages": 3}', b'{"messages": [{"role": "user", "content": "' + b"x" * 100_000 + b'"}]}',
            b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}',
            b'{"messages": [{"role": "user", "content": "a"}], "temperature": 1e9}', b"[" * 100_000, b"\x00\xff"]


def connect():
    return http.client.HTTPConnection(place.hostname, place.port, timeout=60)


def get(path):
    connection = connect()
    connection.request("GET", path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def post(body, stream=False):
    connection = connect()
    connection.request("POST", "/v1/chat/completions", json.dumps({**body, "stream": stream}),
                       {"Content-Type": "application/json"})
    return connection, connection.getresponse()


def resident_mib():
    with open(f"/proc/{args.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def requests():
    pictures = []
    for name in sorted(glob.glob("models/demo/pictures/*.png"))[:6]:
        with open(name, "rb") as file:
            pictures.append("data:image/png;base64," + base64.b64encode(file.read()).decode())
    bodies = []
    for i, question in enumerate(QUESTIONS * 3):
        content = [{"type": "text", "text": question}]
        if i % 3 and pictures:
            content.insert(0, {"type": "image_url", "image_url": {"url": pictures[i % len(pictures)]}})
        bodies.append({"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 48})
    for length in (20, 120, 240):  # longer ones, whatever the model makes of them
        bodies.append({"messages": [{"role": "user", "content": "word " * length}], "temperature": 0, "max_tokens": 100,
                       "ignore_eos": True})
    return bodies


def whole(body):
    connection, response = post(body)
    text = response.read()
    connection.close()
    assert response.status == 200, text
    return json.loads(text)["choices"][0]["message"]["content"]


def streamed(body):
    connection, response = post(body, stream=True)
    assert response.status == 200, response.read()
    text = ""
    for line in response:
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            assert "error" not in event, event
            text += event["choices"][0]["delta"].get("content") or "" if event["choices"] else ""
    connection.close()
    return text


def leave_half_way(body, lines):
    connection, response = post(body, stream=True)
    for _ in range(lines):
        response.readline()
    connection.close()


def send_nonsense(body):
    connection = connect()
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    assert 400 <= status < 500, (status, body[:60])


bodies = requests()
alone = [whole(body) for body in bodies]
counts = {"whole": 0, "streamed": 0, "left": 0, "nonsense": 0}
wrong = []
lock = threading.Lock()
end = time.monotonic() + args.seconds


def client(seed):
    rng = random.Random(seed)
    while time.monotonic() < end and not wrong:
        i = rng.randrange(len(bodies))
        kind = rng.choices(list(counts), [4, 4, 2, 1])[0]
        try:
            if kind == "left":
                leave_half_way(bodies[i], rng.randrange(8))
            elif kind == "nonsense":
                send_nonsense(rng.choice(NONSENSE))
            else:
                got = (whole if kind == "whole" else streamed)(bodies[i])
                if got != alone[i]:
                    raise AssertionError(f"request {i}: {got!r} is not {alone[i]!r}")
        except Exception as error:  # told below, and the test fails
            wrong.append(f"{kind}: {error!r}")
        with lock:
            counts[kind] += 1


threads = [threading.Thread(target=client, args=(seed,)) for seed in range(args.clients)]
for thread in threads:
    thread.start()
time.sleep(args.seconds / 3)
warm = resident_mib()
for thread in threads:
    thread.join()
time.sleep(0.5)
after = resident_mib()
status = get("/v1/status")
print(f"{counts}, {warm:.0f} MiB when warm, {after:.0f} at the end, {status['preemptions']} put back")
for line in wrong:
    print("wrong:", line)
assert not wrong
assert status["running"] == 0 and status["waiting"] == 0, status
assert status["kv_blocks_used"] == 0, status
assert status["ready"], status
assert after - warm < args.growth_mib, "memory grows"
