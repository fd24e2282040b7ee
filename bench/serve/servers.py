"""The servers that are measured side by side: how each is started, asked whether it is ready, paused and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

CONTEXT = 512  # tokens a sequence may have: more than a prompt and an answer of the load
READY_TIMEOUT_S = 300
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A program that serves one model on a port of the loopback, with the processes that it starts.

    It runs in a process group of its own, so that all of it can be paused while another is measured.
    """

    def __init__(self, name: str, command: list[str], port: int, health: str, log: Path, model: str = "model",
                 env: dict[str, str] | None = None) -> None:
        self.name, self.command, self.port, self.model = name, command, port, model
        self.url = f"http://127.0.0.1:{port}"
        self.ready_s = 0.0
        self._health = self.url + health
        self._log = log
        self._env = os.environ | (env or {})

    def start(self) -> None:
        """Returns when it says that it is ready; ready_s is how long that took."""
        start = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             env=self._env, start_new_session=True)
        while not self._ready():
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self._process.returncode}: see {self._log}")
            if time.monotonic() - start > READY_TIMEOUT_S:
                self.stop()
                raise RuntimeError(f"{self.name} was not ready in {READY_TIMEOUT_S} s: see {self._log}")
            time.sleep(0.01)
        self.ready_s = time.monotonic() - start

    @property
    def group(self) -> int:
        """Its process group: what SIGSTOP and SIGCONT go to."""
        return self._process.pid

    def pause(self) -> None:
        os.killpg(self.group, signal.SIGSTOP)

    def stop(self) -> None:
        """Ends all of its processes: politely at first."""
        for last in (signal.SIGTERM, signal.SIGCONT):
            self._signal(last)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        self._signal(signal.SIGKILL)
        self._process.wait()

    def cpu_s(self) -> float:
        """Processor time that its processes have taken so far."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # ended meanwhile
                continue
            if int(fields[2]) == self._process.pid:  # its process group
                total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def idle_share(self, seconds: float = 2) -> float:
        """Processors that it keeps busy with nothing to do."""
        before = self.cpu_s()
        time.sleep(seconds)
        return (self.cpu_s() - before) / seconds

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:  # all have ended
            pass

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self._health, timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


def tessera(program: str, model_path: str, precision: str, port: int, sequences: int, folder: Path,
            more: list[str]) -> Server:
    return Server("tessera", [program, "serve", "--model-path", model_path, "--precision", precision,
                              "--host", "127.0.0.1", "--port", str(port), "--sequences", str(sequences),
                              "--context", str(CONTEXT), "--model-name", "model", *more],
                  port, "/health/ready", folder / "tessera.log")


def llama(program: str, gguf: str, port: int, sequences: int, folder: Path) -> Server:
    """llama.cpp's own server: a slot with its own piece of the cache for each sequence."""
    return Server("llama-server", [program, "-m", gguf, "--host", "127.0.0.1", "--port", str(port), "-fa", "on",
                                   "-np", str(sequences), "-c", str(CONTEXT * sequences), "--no-kv-unified",
                                   "-t", str(os.cpu_count()), "--no-ui"], port, "/health", folder / "llama.log")


def vllm(python: str, model_path: str, port: int, sequences: int, folder: Path) -> Server:
    """vLLM's CPU build, in bf16, with the compilation that it does by default.

    Left alone it keeps a core free for its web server; of two cores it does better with both, which
    VLLM_CPU_NUM_OF_RESERVED_CPU=0 gives it unless the caller's environment says otherwise.
    """
    more = {} if "VLLM_CPU_NUM_OF_RESERVED_CPU" in os.environ else {"VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}
    return Server("vllm", [python, "-m", "vllm.entrypoints.openai.api_server", "--model", model_path,
                           "--served-model-name", "model", "--dtype", "bfloat16", "--host", "127.0.0.1",
                           "--port", str(port), "--max-model-len", str(CONTEXT), "--max-num-seqs", str(sequences)],
                  port, "/health", folder / "vllm.log",
                  env={"VLLM_CPU_KVCACHE_SPACE": "2", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"} | more)
