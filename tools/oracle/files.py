"""Reads a checkpoint folder: json files, and all weights as f32 torch tensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

SHARD_VISION_PREFIX = "model.vision_tower.vision_tower."
Tensors = dict[str, torch.Tensor]


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def read_tensors(path: Path) -> Tensors:
    state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.to(torch.float32) for name, tensor in state.items()}


def read_folder(folder: Path) -> Tensors:
    """By index where there is one, else the single file."""
    for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
        if (folder / index).exists():
            tensors: Tensors = {}
            for file in sorted(set(read_json(folder / index)["weight_map"].values())):
                tensors |= read_tensors(folder / file)
            return tensors
    for file in ("model.safetensors", "pytorch_model.bin"):
        if (folder / file).exists():
            return read_tensors(folder / file)
    raise FileNotFoundError(f"{folder}: no weights")


@dataclass
class Checkpoint:
    """vision and its configs are None for a text-only model."""

    folder: Path
    config: dict[str, Any]
    text: Tensors
    projector: Tensors
    vision: Tensors | None
    vision_config: dict[str, Any] | None
    preprocessor: dict[str, Any] | None


def read_checkpoint(folder: Path) -> Checkpoint:
    """The tower's weights come from vit/ as in the reference; from the main shards where vit/ holds none."""
    config = read_json(folder / "config.json")
    tensors = read_folder(folder)
    text = {n: t for n, t in tensors.items() if not n.startswith(("model.mm_projector.", "model.vision_tower."))}
    if "mm_vision_tower" not in config:
        return Checkpoint(folder, config, text, {}, None, None, None)
    vit = folder / config["mm_vision_tower"].replace("./", "")
    try:
        vision = read_folder(vit)
    except FileNotFoundError:
        n = len(SHARD_VISION_PREFIX)
        vision = {name[n:]: t for name, t in tensors.items() if name.startswith(SHARD_VISION_PREFIX)}
    projector = {n.removeprefix("model.mm_projector."): t for n, t in tensors.items() if "mm_projector" in n}
    return Checkpoint(folder, config, text, projector, vision, read_json(vit / "config.json"),
                      read_json(vit / "preprocessor_config.json"))
