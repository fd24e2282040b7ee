"""Yi-VL in plain PyTorch: vision tower, projector, Llama decoder. Written to be read, not tuned.

The decoder takes rows with their positions and a mask, behind `past` keys and values. One path
thus serves three uses: the prompt of an answer, a new token after it, and training, where many
questions share the picture and all pictures share the system text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vision import VisionConfig, VisionTower, projector

Pair = tuple[Tensor, Tensor]
Past = list[Pair]  # per layer: keys, values [batch, kv heads, rows, head size]


@dataclass(frozen=True)
class Config:
    vocabulary: int = 1200
    width: int = 112
    inner: int = 304
    layers: int = 8
    heads: int = 7
    kv_heads: int = 1
    positions: int = 1024
    theta: float = 5e6  # Yi's: most of the 16 dimensions hardly turn, and match content
    eps: float = 1e-5
    vision: VisionConfig = field(default_factory=VisionConfig)

    @property
    def head_size(self) -> int:
        return self.width // self.heads

    @staticmethod
    def from_dict(data: dict) -> Config:
        return Config(**{**data, "vision": VisionConfig(**data["vision"])})

    def to_dict(self) -> dict:
        return asdict(self)


class RmsNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rotary(positions: Tensor, c: Config) -> Pair:
    """cos and sin of the half-split form, [batch, 1, rows, head size]."""
    half = torch.arange(0, c.head_size, 2, dtype=torch.float32) / c.head_size
    angles = positions[:, None, :, None].float() * (1.0 / c.theta**half)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    low, high = x.chunk(2, dim=-1)
    return (x * cos + torch.cat([-high, low], dim=-1) * sin).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_size = c.heads, c.kv_heads, c.head_size
        self.q_proj = nn.Linear(c.width, c.width, bias=False)
        self.k_proj = nn.Linear(c.width, c.kv_heads * c.head_size, bias=False)
        self.v_proj = nn.Linear(c.width, c.kv_heads * c.head_size, bias=False)
        self.o_proj = nn.Linear(c.width, c.width, bias=False)

    def forward(
        self, h: Tensor, turn: Pair, mask: Tensor, past: Pair | None
    ) -> tuple[Tensor, Pair]:
        q, k, v = (
            p(h).unflatten(-1, (-1, self.head_size)).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, *turn), rotate(k, *turn)
        if past is not None:
            k, v = (
                torch.cat([old.expand(len(h), -1, -1, -1), new], dim=2)
                for old, new in zip(past, (k, v))
            )
        group = self.heads // self.kv_heads  # query head j reads kv head j // group
        mixed = F.scaled_dot_product_attention(
            q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), attn_mask=mask
        )
        return self.o_proj(mixed.transpose(1, 2).flatten(2)), (k, v)


class Mlp(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(c.width, c.inner, bias=False)
        self.up_proj = nn.Linear(c.width, c.inner, bias=False)
        self.down_proj = nn.Linear(c.inner, c.width, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class Layer(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(c.width, c.eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RmsNorm(c.width, c.eps)
        self.mlp = Mlp(c)

    def forward(
        self, h: Tensor, turn: Pair, mask: Tensor, past: Pair | None
    ) -> tuple[Tensor, Pair]:
        mixed, present = self.self_attn(self.input_layernorm(h), turn, mask, past)
        h = h + mixed
        return h + self.mlp(self.post_attention_layernorm(h)), present


class Decoder(nn.Module):
    """Everything under "model." in the checkpoint."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocabulary, c.width)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.norm = RmsNorm(c.width, c.eps)
        self.vision_tower = VisionTower(c.vision)
        self.mm_projector = projector(c.vision.width, c.width)


class YiVL(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.config = c
        self.model = Decoder(c)
        self.lm_head = nn.Linear(c.width, c.vocabulary, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2 and "vision" not in name and "projector" not in name:
                nn.init.normal_(weight, std=0.04)

    def picture_rows(self, pixels: Tensor) -> Pair:
        """Projected rows [pictures, patches, width], and the tower's features they came from."""
        features = self.model.vision_tower(pixels)
        return self.model.mm_projector(features), features

    def decode(
        self, rows: Tensor, positions: Tensor, mask: Tensor, past: Past | None = None
    ) -> tuple[Tensor, Past]:
        """Rows after the final norm, and keys and values of `past` and these rows."""
        turn = rotary(positions, self.config)
        present: Past = []
        for i, layer in enumerate(self.model.layers):
            rows, kept = layer(rows, turn, mask, past[i] if past else None)
            present.append(kept)
        return self.model.norm(rows), present


def causal(rows: int, past: int = 0) -> Tensor:
    """[1, 1, rows, past + rows]; True where a row may look."""
    return torch.ones(1, 1, rows, past + rows, dtype=torch.bool).tril(past)
