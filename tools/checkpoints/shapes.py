"""Shapes of Yi-VL and Llama checkpoints, and the names and shapes of their tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Named = Iterator[tuple[str, tuple[int, ...]]]
SHARD_VISION_PREFIX = "model.vision_tower.vision_tower."


@dataclass(frozen=True)
class TextShape:
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    context: int = 4096
    rope_theta: float = 5000000.0
    eps: float = 1e-5
    tied: bool = False

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads


@dataclass(frozen=True)
class VisionShape:
    width: int
    mlp: int
    layers: int
    heads: int
    image: int
    patch: int
    act: str = "gelu"
    eps: float = 1e-5

    @property
    def patches(self) -> int:
        return (self.image // self.patch) ** 2


@dataclass(frozen=True)
class VlShape:
    name: str
    vit_name: str
    text: TextShape
    vision: VisionShape
    projector_depth: int = 2
    select_layer: int = -2


VIT_H_448 = VisionShape(1280, 5120, 32, 16, 448, 14)
PUBLISHED = {
    "6b": VlShape("yi-vl-6b", "clip-vit-H-14-laion2B-s32B-b79K-yi-vl-6B-448",
                  TextShape(4096, 11008, 32, 32, 4, 64000), VIT_H_448),
    "34b": VlShape("yi-vl-34b", "clip-vit-H-14-laion2B-s32B-b79K-yi-vl-34B-448",
                   TextShape(7168, 20480, 60, 56, 8, 64000), VIT_H_448),
}


def text_tensors(t: TextShape) -> Named:
    q, kv = t.heads * t.head_dim, t.kv_heads * t.head_dim
    yield "model.embed_tokens.weight", (t.vocab, t.hidden)
    for layer in range(t.layers):
        p = f"model.layers.{layer}."
        yield p + "self_attn.q_proj.weight", (q, t.hidden)
        yield p + "self_attn.k_proj.weight", (kv, t.hidden)
        yield p + "self_attn.v_proj.weight", (kv, t.hidden)
        yield p + "self_attn.o_proj.weight", (t.hidden, q)
        yield p + "mlp.gate_proj.weight", (t.intermediate, t.hidden)
        yield p + "mlp.up_proj.weight", (t.intermediate, t.hidden)
        yield p + "mlp.down_proj.weight", (t.hidden, t.intermediate)
        yield p + "input_layernorm.weight", (t.hidden,)
        yield p + "post_attention_layernorm.weight", (t.hidden,)
    yield "model.norm.weight", (t.hidden,)
    if not t.tied:
        yield "lm_head.weight", (t.vocab, t.hidden)


def projector_tensors(s: VlShape) -> Named:
    """Linear at 3k, LayerNorm at 3k+1, the parameterless GELU at 3k+2."""
    width = s.vision.width
    for k in range(s.projector_depth):
        yield f"model.mm_projector.{3 * k}.weight", (s.text.hidden, width)
        yield f"model.mm_projector.{3 * k}.bias", (s.text.hidden,)
        yield f"model.mm_projector.{3 * k + 1}.weight", (s.text.hidden,)
        yield f"model.mm_projector.{3 * k + 1}.bias", (s.text.hidden,)
        width = s.text.hidden


def vision_tensors(v: VisionShape, prefix: str = "") -> Named:
    """The misspelling pre_layrnorm is the real name."""
    p = prefix + "vision_model."
    yield p + "embeddings.class_embedding", (v.width,)
    yield p + "embeddings.patch_embedding.weight", (v.width, 3, v.patch, v.patch)
    yield p + "embeddings.position_embedding.weight", (v.patches + 1, v.width)
    yield from affine(p + "pre_layrnorm", (v.width,))
    for layer in range(v.layers):
        q = f"{p}encoder.layers.{layer}."
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            yield from affine(f"{q}self_attn.{name}", (v.width, v.width))
        yield from affine(q + "layer_norm1", (v.width,))
        yield from affine(q + "mlp.fc1", (v.mlp, v.width))
        yield from affine(q + "mlp.fc2", (v.width, v.mlp))
        yield from affine(q + "layer_norm2", (v.width,))
    yield from affine(p + "post_layernorm", (v.width,))


def affine(name: str, shape: tuple[int, ...]) -> Named:
    yield name + ".weight", shape
    yield name + ".bias", shape[:1]
