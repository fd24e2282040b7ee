"""Writes tensors as one file or as numbered shards with an index, pickled or safetensors."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np

from configs import write_json
from raw_tensor import RawTensor
from safetensors_file import write_safetensors


def split_shards(tensors: dict[str, RawTensor], count: int) -> list[dict[str, RawTensor]]:
    """In order, about equally many bytes each."""
    total, done = sum(len(t.data) for t in tensors.values()), 0
    shards: list[dict[str, RawTensor]] = [{} for _ in range(count)]
    for name, tensor in tensors.items():
        shards[min(done * count // total, count - 1)][name] = tensor
        done += len(tensor.data)
    return shards


def write_shards(folder: Path, tensors: dict[str, RawTensor], count: int, pickled: bool, stem: str) -> None:
    suffix = ".bin" if pickled else ".safetensors"
    where: dict[str, str] = {}
    for k, shard in enumerate(split_shards(tensors, count), 1):
        file = f"{stem}-{k:05}-of-{count:05}{suffix}"
        (save_with_torch if pickled else write_safetensors)(folder / file, shard)
        where |= dict.fromkeys(shard, file)
    index = "pytorch_model.bin.index.json" if pickled else "model.safetensors.index.json"
    total = sum(len(t.data) for t in tensors.values())
    write_json(folder / index, {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))})


def save_with_torch(path: Path, tensors: dict[str, RawTensor], module_like: bool = False) -> None:
    """A genuine file of torch.save.

    k_proj and v_proj of a layer share one storage, as tensors cut from a larger one do. module_like: an OrderedDict
    with the _metadata attribute that nn.Module.state_dict() leaves, which pickles as a BUILD.
    """
    import torch

    dtypes = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}

    def to_torch(tensor: RawTensor) -> torch.Tensor:
        flat = torch.from_numpy(np.frombuffer(tensor.data, np.uint8).copy())
        return flat.view(dtypes[tensor.dtype]).reshape(tensor.shape)

    state = OrderedDict((name, to_torch(tensor)) for name, tensor in tensors.items())
    for name in tensors:
        other = name.replace("k_proj", "v_proj")
        if "k_proj.weight" in name and name.startswith("model.layers.") and other in tensors:
            both = torch.cat([state[name], state[other]])
            state[name], state[other] = both[: len(both) // 2], both[len(both) // 2 :]
    if module_like:
        state._metadata = OrderedDict([("", {"version": 1}), ("vision_model", {"version": 1})])  # type: ignore
        torch.save(state, path)
    else:
        torch.save(dict(state), path)
