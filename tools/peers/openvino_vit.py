#!/usr/bin/env python3
"""Times OpenVINO on a vision tower of ViT-H/14's shape at 448 pixels, random weights, in bf16.

    openvino_vit.py [--threads 2] [--repeats 5] [--precision bf16|f32]

The same arithmetic as Tessera's tower up to the layer that Yi-VL takes: 31 of 32 layers, pre-norm, GELU, heads of 80.
Prints the shortest time of one picture. Needs openvino and numpy. Tessera beside it: a checkpoint of
`tools/checkpoints/synthetic.py DIR --shape 6b --layers 1`, and the picture of `tessera bench model`.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import openvino as ov
from openvino import opset13 as op

WIDTH, MLP, HEADS, LAYERS, IMAGE, PATCH, EPS = 1280, 5120, 16, 31, 448, 14, 1e-5
ROWS = (IMAGE // PATCH) ** 2 + 1


class Tower:
    def __init__(self) -> None:
        self._random = np.random.default_rng(1)

    def weight(self, *shape: int) -> ov.Node:
        return op.constant(self._random.standard_normal(shape, dtype=np.float32) * np.float32(0.02))

    def linear(self, x: ov.Node, inputs: int, outputs: int) -> ov.Node:
        return op.add(op.matmul(x, self.weight(outputs, inputs), False, True), self.weight(1, 1, outputs))

    def norm(self, x: ov.Node) -> ov.Node:
        axes = op.constant(np.array([2], np.int64))
        return op.add(op.multiply(op.mvn(x, axes, True, EPS, "inside_sqrt"), op.add(self.weight(1, 1, WIDTH), np.float32(1))),
                      self.weight(1, 1, WIDTH))

    def heads(self, x: ov.Node) -> ov.Node:
        return op.transpose(op.reshape(x, np.array([1, ROWS, HEADS, WIDTH // HEADS]), False), np.array([0, 2, 1, 3]))

    def layer(self, x: ov.Node) -> ov.Node:
        y = self.norm(x)
        q, k, v = (self.heads(self.linear(y, WIDTH, WIDTH)) for _ in range(3))
        mixed = op.transpose(op.scaled_dot_product_attention(q, k, v), np.array([0, 2, 1, 3]))
        x = op.add(x, self.linear(op.reshape(mixed, np.array([1, ROWS, WIDTH]), False), WIDTH, WIDTH))
        return op.add(x, self.linear(op.gelu(self.linear(self.norm(x), WIDTH, MLP), "erf"), MLP, WIDTH))

    def model(self) -> ov.Model:
        pixels = op.parameter([1, 3, IMAGE, IMAGE], np.float32)
        patches = op.convolution(pixels, self.weight(WIDTH, 3, PATCH, PATCH), [PATCH, PATCH], [0, 0], [0, 0], [1, 1])
        rows = op.transpose(op.reshape(patches, np.array([1, WIDTH, ROWS - 1]), False), np.array([0, 2, 1]))
        x = self.norm(op.add(op.concat([self.weight(1, 1, WIDTH), rows], 1), self.weight(1, ROWS, WIDTH)))
        for _ in range(LAYERS):
            x = self.layer(x)
        return ov.Model([x], [pixels], "vit-h-14")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--threads", type=int, default=os.cpu_count())
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--precision", default="bf16", choices=["bf16", "f32"])
    options = args.parse_args()
    compiled = ov.Core().compile_model(Tower().model(), "CPU", {
        "INFERENCE_PRECISION_HINT": options.precision, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": options.threads})
    request = compiled.create_infer_request()
    pixels = np.random.default_rng(2).standard_normal((1, 3, IMAGE, IMAGE), dtype=np.float32)
    times = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        request.infer([pixels])
        times.append(time.perf_counter() - start)
    kernels = sorted({node.get_rt_info()["layerType"].astype(str) + " " + node.get_rt_info()["primitiveType"].astype(str)
                      for node in compiled.get_runtime_model().get_ops()
                      if node.get_rt_info()["layerType"].astype(str) in ("FullyConnected", "MatMul", "ScaledDotProductAttention")})
    print(f"{min(times):.3f} s the shortest of {[round(t, 3) for t in times]}; {'; '.join(kernels)}")


if __name__ == "__main__":
    main()
