"""The CLIP vision tower (transformers' CLIPVisionModel) and Yi-VL's projector, in f32."""

from __future__ import annotations

import re

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from files import Checkpoint, Tensors

LAYER_NORM_EPS = 1e-5  # of the projector's norms: PyTorch's default, whatever the tower's is


def load_strictly(model: nn.Module, tensors: Tensors) -> None:
    """Newer transformers drop the leading "vision_model." of the published names."""
    names = set(model.state_dict())
    renamed = {n if n in names else n.removeprefix("vision_model."): t for n, t in tensors.items()}
    model.load_state_dict({n: t for n, t in renamed.items() if not n.endswith("position_ids")}, strict=True)


class Tower:
    def __init__(self, checkpoint: Checkpoint) -> None:
        assert checkpoint.vision is not None and checkpoint.vision_config is not None
        self.model = CLIPVisionModel(CLIPVisionConfig(**checkpoint.vision_config, attn_implementation="eager")).eval()
        load_strictly(self.model, checkpoint.vision)
        self.select_layer = checkpoint.config["mm_vision_select_layer"]
        self.keep_cls = checkpoint.config.get("mm_vision_select_feature", "patch") == "cls_patch"

    @torch.no_grad()
    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """[3, S, S] -> [patches, width]: hidden_states[select_layer] without the CLS row."""
        inner = getattr(self.model, "vision_model", self.model)
        states: list[torch.Tensor] = []
        hooks = [inner.pre_layrnorm.register_forward_hook(lambda m, i, out: states.append(out))]
        for layer in inner.encoder.layers:
            hooks.append(layer.register_forward_hook(
                lambda m, i, out: states.append(out[0] if isinstance(out, tuple) else out)))
        self.model(pixels.unsqueeze(0))
        for hook in hooks:
            hook.remove()
        chosen = states[self.select_layer][0]
        return chosen if self.keep_cls else chosen[1:]


def make_projector(checkpoint: Checkpoint) -> nn.Sequential:
    """mlp{n}x_gelu_Norm: n times Linear and LayerNorm, with a GELU between two of them."""
    match = re.fullmatch(r"mlp([1-9]\d*)x_gelu_Norm", checkpoint.config["mm_projector_type"])
    assert match, checkpoint.config["mm_projector_type"]
    hidden, width = checkpoint.config["hidden_size"], checkpoint.config["mm_hidden_size"]
    parts: list[nn.Module] = []
    for k in range(int(match[1])):
        parts += [nn.GELU()] if k else []
        parts += [nn.Linear(hidden if k else width, hidden), nn.LayerNorm(hidden, eps=LAYER_NORM_EPS)]
    projector = nn.Sequential(*parts).eval()
    projector.load_state_dict(checkpoint.projector, strict=True)
    return projector
