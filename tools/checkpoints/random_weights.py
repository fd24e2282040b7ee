"""Random weights of a tiny model whose answers are worth comparing.

The scales keep activations near 1, attention scores near 2 (so that attention is far from uniform), norm weights away
from 1, and logits near a standard deviation of 2.5: greedy tokens then vary, and a wrong operation changes them.
Each tensor has its own generator, seeded by its name, so that adding one tensor leaves the others as they are.
"""

from __future__ import annotations

import zlib

import numpy as np

GAINS = {"q_proj": 1.5, "k_proj": 1.5, "v_proj": 1.2, "o_proj": 1.0, "out_proj": 1.0, "gate_proj": 1.3, "up_proj": 1.3,
         "down_proj": 1.5, "fc1": 1.3, "fc2": 1.5, "patch_embedding": 1.0, "mm_projector": 1.0}
STOP_GAIN = 1.15  # end of text and "##" are a little louder than the rest, so that some answers stop by themselves


def random_tensor(name: str, shape: tuple[int, ...], seed: int, tied: bool, loud_rows: list[int]) -> np.ndarray:
    """f32 values of one tensor; loud_rows are the rows of the head that stop an answer."""
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    normal = rng.standard_normal(shape)
    if name.endswith("bias"):
        return (0.1 * normal).astype(np.float32)
    if "norm" in name or name.endswith((".mm_projector.1.weight", ".mm_projector.4.weight", ".mm_projector.7.weight")):
        return rng.uniform(0.6, 1.6, shape).astype(np.float32)
    if "class_embedding" in name or "position_embedding" in name:
        return (0.5 * normal).astype(np.float32)
    if "embed_tokens" in name and not tied:
        return normal.astype(np.float32)
    if "embed_tokens" in name or "lm_head" in name:
        values = 2.3 / np.sqrt(shape[1]) * normal
        values[loud_rows] *= STOP_GAIN
        return values.astype(np.float32)
    gain = next(value for key, value in GAINS.items() if key in name)
    return (gain / np.sqrt(np.prod(shape[1:])) * normal).astype(np.float32)
