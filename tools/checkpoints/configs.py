"""The json files of a checkpoint folder, with the keys of the published Yi-VL and Yi repositories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shapes import TextShape, VisionShape, VlShape

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
SPECIALS = ["<unk>", "<|startoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_sep|>"]
SPECIAL_IDS = [0, 1, 2, 6, 7, 8]


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def text_config(t: TextShape, dtype: str) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "hidden_size": t.hidden, "initializer_range": 0.02, "intermediate_size": t.intermediate,
        "max_position_embeddings": t.context, "model_type": "llama", "num_attention_heads": t.heads,
        "num_hidden_layers": t.layers, "num_key_value_heads": t.kv_heads, "pretraining_tp": 1, "rms_norm_eps": t.eps,
        "rope_scaling": None, "rope_theta": t.rope_theta, "tie_word_embeddings": t.tied, "torch_dtype": dtype,
        "transformers_version": "4.34.0", "use_cache": False, "vocab_size": t.vocab,
    }


def vl_config(s: VlShape) -> dict[str, Any]:
    config = text_config(s.text, "bfloat16") | {
        "_name_or_path": "./" + s.name, "architectures": ["LlavaLlamaForCausalLM"], "model_type": "llava",
        "freeze_mm_mlp_adapter": False, "image_aspect_ratio": "pad", "image_grid_pinpoints": None,
        "mm_hidden_size": s.vision.width, "mm_projector_type": f"mlp{s.projector_depth}x_gelu_Norm",
        "mm_use_im_patch_token": False, "mm_use_im_start_end": False, "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": s.select_layer, "mm_vision_tower": "./vit/" + s.vit_name, "moe_layer": None,
        "moe_mode": "easy", "tune_mm_mlp_adapter": False, "tune_vision_tower": False, "use_mm_proj": True,
    }
    return dict(sorted(config.items()))


def vit_config(v: VisionShape) -> dict[str, Any]:
    return {
        "architectures": ["CLIPVisionModel"], "attention_dropout": 0.0, "dropout": 0.0, "hidden_act": v.act,
        "hidden_size": v.width, "image_size": v.image, "initializer_factor": 1.0, "initializer_range": 0.02,
        "intermediate_size": v.mlp, "layer_norm_eps": v.eps, "model_type": "clip_vision_model",
        "num_attention_heads": v.heads, "num_channels": 3, "num_hidden_layers": v.layers, "patch_size": v.patch,
        "projection_dim": 1024, "torch_dtype": "float32", "transformers_version": "4.34.0",
    }


def preprocessor_config(v: VisionShape, new_style: bool) -> dict[str, Any]:
    """Both spellings occur and mean the same: integers, or what newer transformers write."""
    common = {"do_center_crop": True, "do_normalize": True, "do_resize": True, "image_mean": MEAN, "image_std": STD,
              "resample": 3}
    if new_style:
        return common | {"crop_size": {"height": v.image, "width": v.image}, "do_convert_rgb": True, "do_rescale": True,
                         "image_processor_type": "CLIPImageProcessor", "rescale_factor": 1 / 255,
                         "size": {"shortest_edge": v.image}}
    return common | {"crop_size": v.image, "feature_extractor_type": "CLIPFeatureExtractor", "size": v.image}


def write_vl_configs(folder: Path, s: VlShape, new_style: bool = False) -> Path:
    """All json files but the tokenizer's and the index; returns the vit folder."""
    vit = folder / "vit" / s.vit_name
    write_json(folder / "config.json", vl_config(s))
    write_json(folder / "generation_config.json",
               {"bos_token_id": 1, "do_sample": True, "eos_token_id": 2, "max_length": s.text.context,
                "pad_token_id": 0, "temperature": 0.6, "top_p": 0.8, "transformers_version": "4.34.0"})
    write_json(vit / "config.json", vit_config(s.vision))
    write_json(vit / "preprocessor_config.json", preprocessor_config(s.vision, new_style))
    return vit


def write_tokenizer_configs(folder: Path, add_bos: bool) -> None:
    write_json(folder / "added_tokens.json", dict(zip(SPECIALS, SPECIAL_IDS)))
    write_json(folder / "special_tokens_map.json",
               {"additional_special_tokens": SPECIALS, "bos_token": SPECIALS[1], "eos_token": SPECIALS[2],
                "pad_token": SPECIALS[0], "unk_token": SPECIALS[0]})
    decoder = {str(i): {"content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                        "special": True} for i, text in zip(SPECIAL_IDS, SPECIALS)}
    write_json(folder / "tokenizer_config.json",
               {"add_bos_token": add_bos, "add_eos_token": False, "added_tokens_decoder": decoder,
                "additional_special_tokens": SPECIALS, "bos_token": SPECIALS[1], "clean_up_tokenization_spaces": False,
                "eos_token": SPECIALS[2], "legacy": True, "model_max_length": 4096, "pad_token": SPECIALS[0],
                "sp_model_kwargs": {}, "tokenizer_class": "LlamaTokenizer", "unk_token": SPECIALS[0]})
