"""A pipeline of three devices in numbers alone, for the page's tests: what /v1/plan, /v1/status and
/v1/events of the real server show, of users who come and go.

Micro-batches walk through stages that take as long as planned, give or take; asked for its status, the
simulation catches up with the clock. Nothing here is measured: it only moves like the real thing.
"""

import heapq
import random
import time

GIB = 1 << 30
STAGES = (  # first layer, last layer, ms of a decode step, bytes: weights, vision, embedding, head, kv, arena
    (0, 18, 26.7, 21237858304, 1350565888, 918552576, 0, 318767104, 203423744),
    (19, 39, 29.5, 23473422336, 0, 0, 0, 352321536, 90177536),
    (40, 59, 29.2, 22355640320, 0, 0, 918552576, 335544320, 90177536),
)
FIXED_BYTES = 524288000
KV_BLOCKS = 1216
CHUNK = 256


def plan() -> dict:
    stages = []
    for device, (first, last, ms, *parts) in enumerate(STAGES):
        names = ("weights", "vision", "embedding", "head", "kv", "arena")
        sizes = dict(zip(names, parts), fixed=FIXED_BYTES)
        sizes["total"] = sum(sizes.values())
        stages.append({
            "device": device, "device_name": f"rtx3090:{device}", "layers": [first, last],
            "precisions": ["bf16"] * (last - first + 1), "vision": device == 0, "embedding": device == 0,
            "head": device == 2, "bytes": sizes, "budget_bytes": 24 * GIB, "decode_ms": ms,
            "link_ms": 0.02 if device else 0.0, "prefill_chunk_ms": 4 * ms, "prefill_link_ms": 0.5,
            "vision_ms": 33.4 if device == 0 else 0.0, "share": ms / sum(stage[2] for stage in STAGES)})
    return {"fits": True, "objective": "throughput", "stages": stages, "side_devices": [],
            "vision_device": 0, "embedding_device": 0, "head_precision": "bf16", "kv_format": "bf16",
            "context": 4096, "sequences": 8, "kv_tokens": 16 * KV_BLOCKS, "kv_room_tokens": 16 * KV_BLOCKS,
            "predicted": {"decode_ms_per_token": 85.5, "bottleneck_ms": 29.5, "prefill_ms": 820.0,
                          "vision_ms": 33.4, "answer_ms": 11678.7, "tokens_per_s": 11.7},
            "why_not": None}


class MockEngine:
    """One lock's worth of state: the server calls it under its own lock."""

    def __init__(self, slower: float = 1.0, users: float = 2.0, seed: int = 1):
        self.random = random.Random(seed)
        self.slower, self.users = slower, users
        self.began = self.now = time.monotonic()
        self.next_arrival = self.now
        self.prompts: list[list[int]] = []   # [tokens left, answer tokens to come, length so far]
        self.sequences: list[list[int]] = [] # [answer tokens to come, length, micro-batch]
        self.chats = 0                       # of people at the page, beside these users
        self.count = dict.fromkeys(("requests", "failed", "cancelled", "refused", "prompt_tokens",
                                    "cached_prompt_tokens", "new_tokens", "pictures", "cached_pictures",
                                    "preemptions", "steps"), 0)
        self.devices = [{"name": f"rtx3090:{i}", "stage": i, "busy_s": 0.0, "steps": 0, "rows": 0,
                         "link_bytes": 0, "planned_s": 0.0, "measured_s": 0.0} for i in range(len(STAGES))]
        self.batches = [{"id": i, "stage": 0, "decode_rows": 0, "prefill_rows": 0, "done": 0.0}
                        for i in range(len(STAGES) + 1)]
        self.next_id = len(self.batches)
        self.free_at = [self.now] * len(STAGES)  # when a stage has done all that reached it
        self.events: list[tuple[float, int]] = []
        for slot in range(len(self.batches)):
            self.enter(slot, self.now + 0.001 * slot)

    def arrive(self) -> None:
        while self.next_arrival <= self.now:
            if len(self.prompts) < 12:
                tokens = self.random.choice((40, 180, 640, 1100))
                cached = 576 if tokens > 576 and self.random.random() < 0.4 else 0
                self.prompts.append([tokens - cached, self.random.randint(20, 160), tokens])
                self.count["requests"] += 1
                self.count["prompt_tokens"] += tokens
                self.count["cached_prompt_tokens"] += cached
                self.count["pictures"] += tokens > 576
                self.count["cached_pictures"] += cached > 0
            self.next_arrival += self.random.expovariate(self.users) if self.users else 1e9

    def enter(self, slot: int, at: float) -> None:
        """A micro-batch is made and goes to the first stage."""
        batch = self.batches[slot]
        mine = [sequence for sequence in self.sequences if sequence[2] == slot]
        chunk = 0
        if self.prompts:
            chunk = min(CHUNK, self.prompts[0][0])
            self.prompts[0][0] -= chunk
            if not self.prompts[0][0]:
                _, answer, length = self.prompts.pop(0)
                self.sequences.append([answer, length, slot])
        batch.update(id=self.next_id, stage=0, decode_rows=len(mine) + (self.chats if slot == 0 else 0),
                     prefill_rows=chunk)
        self.next_id += 1
        self.work(slot, at)

    def work(self, slot: int, at: float) -> None:
        """It is computed as soon as the stage has done what came before."""
        batch = self.batches[slot]
        stage = batch["stage"]
        rows = batch["decode_rows"] + batch["prefill_rows"]
        planned = STAGES[stage][2] / 1e3 * self.slower
        took = planned * (1 + 3 * batch["prefill_rows"] / CHUNK) * self.random.uniform(0.97, 1.09) if rows else 0
        start = max(at, self.free_at[stage])
        self.free_at[stage] = start + max(took, 0.02 * self.slower)
        device = self.devices[stage]
        device["busy_s"] += took
        if rows:
            device["steps"] += 1
            device["rows"] += rows
            device["link_bytes"] += 4 * 7168 * rows
        if batch["decode_rows"] and not batch["prefill_rows"]:
            device["planned_s"] += planned
            device["measured_s"] += took
        heapq.heappush(self.events, (self.free_at[stage], slot))

    def leave(self, slot: int, at: float) -> None:
        """Each of its sequences has one token more."""
        batch = self.batches[slot]
        self.count["steps"] += batch["decode_rows"] + batch["prefill_rows"] > 0
        self.count["new_tokens"] += batch["decode_rows"]
        for sequence in self.sequences:
            if sequence[2] == slot:
                sequence[0] -= 1
                sequence[1] += 1
        self.sequences = [sequence for sequence in self.sequences if sequence[0] > 0]
        self.enter(slot, at)

    def status(self) -> dict:
        until = time.monotonic()
        if until - self.now > 5:  # nobody looked: the time between is not made up for
            shift = until - self.now - 1
            self.events = [(at + shift, slot) for at, slot in self.events]
            self.free_at = [at + shift for at in self.free_at]
            self.next_arrival += shift
        while self.events and self.events[0][0] <= until:
            self.now, slot = heapq.heappop(self.events)
            self.arrive()
            if self.batches[slot]["stage"] + 1 < len(STAGES):
                self.batches[slot]["stage"] += 1
                self.work(slot, self.now)
            else:
                self.leave(slot, self.now)
        self.now = until
        used = sum(-(-sequence[1] // 16) for sequence in self.sequences) + 60 * self.chats
        used = min(used, KV_BLOCKS)
        cached = min(KV_BLOCKS - used, 200 + self.count["requests"] * 3)
        fields = ("id", "stage", "decode_rows", "prefill_rows")
        return {"ready": True, "why_not": "", "uptime_s": until - self.began,
                "running": len(self.sequences) + self.chats, "waiting": len(self.prompts),
                "kv_blocks": KV_BLOCKS, "kv_blocks_used": used, "kv_blocks_cached": cached,
                "image_cache_bytes": 9437184 * min(self.count["pictures"], 40), **self.count,
                "schedule_s": 2e-5 * self.count["steps"], "plan_epoch": 0,
                "micro_batches": [{name: batch[name] for name in fields} for batch in self.batches
                                  if batch["decode_rows"] + batch["prefill_rows"]],
                "devices": [dict(device) for device in self.devices]}
