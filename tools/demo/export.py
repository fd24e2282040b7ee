"""Writes a trained model as a directory in the layout that Yi-VL was published in.

    python tools/demo/export.py --work DIR --out models/demo

Three pickled bf16 shards with an index (the vision tower is in them too, as in the release), the
tower once more in `vit/`, the tokenizer, and the small JSON files. What is rounded to bf16 here is
the model from then on: evaluate.py reads these files and nothing else.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from torch import Tensor

from model import Config
from pixels import MEAN, STD

SHARDS = 3
TOWER = "model.vision_tower.vision_tower."
UNK, BOS, EOS = "<unk>", "<|startoftext|>", "<|endoftext|>"
ADDED = {UNK: 0, BOS: 1, EOS: 2, "<|im_start|>": 6, "<|im_end|>": 7, "<|im_sep|>": 8}


def write_json(file: Path, data: dict, indent: int = 2) -> None:
    file.write_text(json.dumps(data, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def tower_folder(c: Config) -> str:
    return f"vit/clip-vit-demo-{c.vision.image}"


def main_config(c: Config) -> dict:
    return {
        "_name_or_path": "./tessera-demo",
        "architectures": ["LlavaLlamaForCausalLM"],
        "attention_bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "freeze_mm_mlp_adapter": False,
        "hidden_act": "silu",
        "hidden_size": c.width,
        "image_aspect_ratio": "pad",
        "image_grid_pinpoints": None,
        "initializer_range": 0.02,
        "intermediate_size": c.inner,
        "max_position_embeddings": c.positions,
        "mm_hidden_size": c.vision.width,
        "mm_projector_type": "mlp2x_gelu_Norm",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": "./" + tower_folder(c),
        "model_type": "llava",
        "moe_layer": None,
        "moe_mode": "easy",
        "num_attention_heads": c.heads,
        "num_hidden_layers": c.layers,
        "num_key_value_heads": c.kv_heads,
        "pretraining_tp": 1,
        "rms_norm_eps": c.eps,
        "rope_scaling": None,
        "rope_theta": c.theta,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.34.0",
        "tune_mm_mlp_adapter": False,
        "tune_vision_tower": False,
        "use_cache": False,
        "use_mm_proj": True,
        "vocab_size": c.vocabulary,
    }


def tower_config(c: Config) -> dict:
    return {
        "architectures": ["CLIPVisionModel"],
        "attention_dropout": 0.0,
        "dropout": 0.0,
        "hidden_act": "gelu",
        "hidden_size": c.vision.width,
        "image_size": c.vision.image,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": c.vision.inner,
        "layer_norm_eps": c.vision.eps,
        "model_type": "clip_vision_model",
        "num_attention_heads": c.vision.heads,
        "num_channels": 3,
        "num_hidden_layers": c.vision.layers,
        "patch_size": c.vision.patch,
        "projection_dim": c.vision.width,
        "torch_dtype": "float32",
        "transformers_version": "4.34.0",
    }


def preprocessor_config(c: Config) -> dict:
    return {
        "crop_size": c.vision.image,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "resample": 3,
        "size": c.vision.image,
    }


def tokenizer_config(c: Config) -> dict:
    def token(content: str) -> dict:
        flags = dict(lstrip=False, normalized=False, rstrip=False, single_word=False, special=True)
        return {"content": content, **flags}

    return {
        "add_bos_token": False,
        "add_eos_token": False,
        "added_tokens_decoder": {str(number): token(name) for name, number in ADDED.items()},
        "additional_special_tokens": list(ADDED),
        "bos_token": BOS,
        "clean_up_tokenization_spaces": False,
        "eos_token": EOS,
        "legacy": True,
        "model_max_length": c.positions,
        "pad_token": UNK,
        "padding_side": "right",
        "sp_model_kwargs": {},
        "spaces_between_special_tokens": False,
        "tokenizer_class": "LlamaTokenizer",
        "unk_token": UNK,
    }


def write_small_files(out: Path, c: Config) -> None:
    write_json(out / "config.json", main_config(c))
    generation = {
        "bos_token_id": 1,
        "do_sample": True,
        "eos_token_id": 2,
        "max_length": c.positions,
        "pad_token_id": 0,
        "temperature": 0.6,
        "top_p": 0.8,
        "transformers_version": "4.34.0",
    }
    write_json(out / "generation_config.json", generation)
    write_json(out / "added_tokens.json", ADDED)
    special = dict(bos_token=BOS, eos_token=EOS, pad_token=UNK, unk_token=UNK)
    names = {"additional_special_tokens": list(ADDED), **special}
    write_json(out / "special_tokens_map.json", names)
    write_json(out / "tokenizer_config.json", tokenizer_config(c))
    write_json(out / tower_folder(c) / "config.json", tower_config(c))
    write_json(out / tower_folder(c) / "preprocessor_config.json", preprocessor_config(c))


def ordered(weights: dict[str, Tensor]) -> list[str]:
    """Embedding, layers, norm, then tower, projector and head: as a decoder is read."""

    def place(name: str) -> tuple[int, str]:
        groups = ("model.embed", "model.layers.", "model.norm", "model.vision", "model.mm_")
        return next((i for i, g in enumerate(groups) if name.startswith(g)), len(groups)), name

    return sorted(weights, key=place)


def write_shards(out: Path, weights: dict[str, Tensor]) -> None:
    """Shards of about the same size, each a dict that torch.load gives back."""
    total = sum(w.nbytes for w in weights.values())
    shards: list[dict[str, Tensor]] = [{} for _ in range(SHARDS)]
    done = 0
    for name in ordered(weights):
        shards[min(SHARDS - 1, done * SHARDS // total)][name] = weights[name].clone()
        done += weights[name].nbytes
    index: dict[str, str] = {}
    for i, shard in enumerate(shards, start=1):
        file = f"pytorch_model-{i:05}-of-{SHARDS:05}.bin"
        torch.save(shard, out / file)
        index |= dict.fromkeys(shard, file)
    document = {"metadata": {"total_size": total}, "weight_map": dict(sorted(index.items()))}
    write_json(out / "pytorch_model.bin.index.json", document)


def export(work: Path, out: Path) -> None:
    state = torch.load(work / "checkpoint.pt")
    config = Config.from_dict(state["config"])
    weights = {name: w.to(torch.bfloat16) for name, w in state["model"].items()}
    (out / tower_folder(config)).mkdir(parents=True, exist_ok=True)
    write_small_files(out, config)
    write_shards(out, weights)
    # The release has this file in f32. Rounded first, so that both copies are the same tower.
    tower = {n.removeprefix(TOWER): w.float() for n, w in weights.items() if n.startswith(TOWER)}
    torch.save(tower, out / tower_folder(config) / "pytorch_model.bin")
    shutil.copyfile(work / "tokenizer.model", out / "tokenizer.model")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--work", type=Path, required=True, help="the folder train.py worked in")
    args.add_argument("--out", type=Path, required=True, help="the model directory to write")
    options = args.parse_args()
    export(options.work, options.out)


if __name__ == "__main__":
    main()
