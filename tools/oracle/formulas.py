"""Tower, projector and decoder written out in f64 from the papers' formulas, without transformers.

A second opinion: the recorder compares every golden with it, which shows both that the reference is what it is said to
be and how far f32 rounding alone moves each seam.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from files import Checkpoint, Tensors


def wide(tensors: Tensors, prefix: str = "") -> Tensors:
    return {n.removeprefix(prefix): t.double() for n, t in tensors.items()}


def linear(w: Tensors, name: str, x: Tensor) -> Tensor:
    y = x @ w[name + ".weight"].T
    return y + w[name + ".bias"] if name + ".bias" in w else y


def layer_norm(w: Tensors, name: str, x: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps)
    return scaled * w[name + ".weight"] + w[name + ".bias"]


def rms_norm(weight: Tensor, x: Tensor, eps: float) -> Tensor:
    return x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps) * weight


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / 2**0.5))


def vision_features(c: Checkpoint, pixels: Tensor) -> Tensor:
    """[3, S, S] -> [patches, width]."""
    v, w = c.vision_config, wide(c.vision, "vision_model.")
    width, heads, eps, p = v["hidden_size"], v["num_attention_heads"], v["layer_norm_eps"], v["patch_size"]
    act = gelu if v["hidden_act"] == "gelu" else lambda x: x * torch.sigmoid(1.702 * x)
    grid = v["image_size"] // p
    patches = pixels.double().reshape(3, grid, p, grid, p).permute(1, 3, 0, 2, 4).reshape(grid * grid, -1)
    patches = patches @ w["embeddings.patch_embedding.weight"].reshape(width, -1).T
    h = torch.cat([w["embeddings.class_embedding"][None], patches]) + w["embeddings.position_embedding.weight"]
    h = layer_norm(w, "pre_layrnorm", h, eps)
    select, layers = c.config["mm_vision_select_layer"], v["num_hidden_layers"]
    for k in range(select if select >= 0 else layers + 1 + select):
        name = f"encoder.layers.{k}."
        x = layer_norm(w, name + "layer_norm1", h, eps)
        q, key, value = (linear(w, f"{name}self_attn.{n}_proj", x).reshape(-1, heads, width // heads).transpose(0, 1)
                         for n in "qkv")
        mixed = torch.softmax(q @ key.mT / (width // heads) ** 0.5, -1) @ value
        h = h + linear(w, name + "self_attn.out_proj", mixed.transpose(0, 1).reshape(-1, width))
        x = layer_norm(w, name + "layer_norm2", h, eps)
        h = h + linear(w, name + "mlp.fc2", act(linear(w, name + "mlp.fc1", x)))
    return h[1:]


def image_rows(c: Checkpoint, features: Tensor) -> Tensor:
    w = wide(c.projector)
    depth = sum(t.dim() == 2 for t in w.values())
    x = features.double()
    for k in range(depth):
        x = gelu(x) if k else x
        x = layer_norm(w, str(3 * k + 1), linear(w, str(3 * k), x), 1e-5)
    return x


def rotate(x: Tensor, theta: float) -> Tensor:
    """RoPE on [heads, T, d]: element i turns with element i + d/2."""
    half = x.shape[-1] // 2
    turn = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * theta ** (-torch.arange(half).double() / half)
    a, b, cos, sin = x[..., :half], x[..., half:], turn.cos(), turn.sin()
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def decoder_states(c: Checkpoint, rows: Tensor) -> tuple[Tensor, Tensor]:
    """rows [T, H] -> hidden after each layer at the last position [L, H], logits [V] of the last position."""
    g, w = c.config, wide(c.text)
    heads, kv_heads, eps, theta = (g[k] for k in ("num_attention_heads", "num_key_value_heads", "rms_norm_eps", "rope_theta"))
    h, length, seen = rows.double(), len(rows), []
    dim = g["hidden_size"] // heads
    mask = torch.full((length, length), -torch.inf, dtype=torch.float64).triu(1)
    for k in range(g["num_hidden_layers"]):
        name = f"model.layers.{k}."
        x = rms_norm(w[name + "input_layernorm.weight"], h, eps)
        q, key, value = (linear(w, f"{name}self_attn.{n}_proj", x).reshape(length, -1, dim).transpose(0, 1) for n in "qkv")
        q, key = rotate(q, theta), rotate(key, theta)
        key, value = (t.repeat_interleave(heads // kv_heads, 0) for t in (key, value))
        mixed = torch.softmax(q @ key.mT / dim**0.5 + mask, -1) @ value
        h = h + linear(w, name + "self_attn.o_proj", mixed.transpose(0, 1).reshape(length, -1))
        x = rms_norm(w[name + "post_attention_layernorm.weight"], h, eps)
        gate = F.silu(linear(w, name + "mlp.gate_proj", x))
        h = h + linear(w, name + "mlp.down_proj", gate * linear(w, name + "mlp.up_proj", x))
        seen.append(h[-1])
    last = rms_norm(w["model.norm.weight"], h[-1], eps)
    head = w["model.embed_tokens.weight"] if g["tie_word_embeddings"] else w["lm_head.weight"]
    return torch.stack(seen), head @ last
