"""CLIP's vision tower and Yi-VL's projector. Module names give the checkpoint's tensor names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class VisionConfig:
    image: int = 98
    patch: int = 14
    width: int = 128
    inner: int = 384
    heads: int = 4
    layers: int = 6  # stored; select_layer -2 runs one less
    eps: float = 1e-5

    @property
    def grid(self) -> int:
        return self.image // self.patch


class Embeddings(nn.Module):
    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(c.width) * 0.02)
        self.patch_embedding = nn.Conv2d(3, c.width, c.patch, stride=c.patch, bias=False)
        self.position_embedding = nn.Embedding(c.grid**2 + 1, c.width)
        nn.init.normal_(self.position_embedding.weight, std=0.3)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(pixels), 1, -1)
        return torch.cat([first, patches], dim=1) + self.position_embedding.weight


class Attention(nn.Module):
    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.heads = c.heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            nn.Linear(c.width, c.width) for _ in range(4)
        )

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = (
            p(h).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(c.width, c.inner)
        self.fc2 = nn.Linear(c.inner, c.width)

    def forward(self, h: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(h)))


class Block(nn.Module):
    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(c.width, c.eps)
        self.self_attn = Attention(c)
        self.layer_norm2 = nn.LayerNorm(c.width, c.eps)
        self.mlp = Mlp(c)

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.self_attn(self.layer_norm1(h))
        return h + self.mlp(self.layer_norm2(h))


class Encoder(nn.Module):
    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(c) for _ in range(c.layers))


class VisionTransformer(nn.Module):
    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(c)
        self.pre_layrnorm = nn.LayerNorm(c.width, c.eps)  # the published spelling
        self.encoder = Encoder(c)
        self.post_layernorm = nn.LayerNorm(c.width, c.eps)  # in the file, never used

    def forward(self, pixels: Tensor) -> Tensor:
        """[pictures, 3, image, image] to [pictures, patches, width]: select_layer -2, "patch"."""
        h = self.pre_layrnorm(self.embeddings(pixels))
        for block in self.encoder.layers[:-1]:
            h = block(h)
        return h[:, 1:]


class ClipVisionModel(nn.Module):
    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.vision_model = VisionTransformer(c)


class VisionTower(nn.Module):
    """The reference wraps the tower once more, which doubles the name in the shards."""

    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.vision_tower = ClipVisionModel(c)

    @property
    def kernel(self) -> Tensor:
        return self.vision_tower.vision_model.embeddings.patch_embedding.weight

    def forward(self, pixels: Tensor) -> Tensor:
        return self.vision_tower.vision_model(pixels)


def projector(vision_width: int, width: int) -> nn.Sequential:
    """mlp2x_gelu_Norm."""
    return nn.Sequential(
        nn.Linear(vision_width, width),
        nn.LayerNorm(width),
        nn.GELU(),
        nn.Linear(width, width),
        nn.LayerNorm(width),
    )
