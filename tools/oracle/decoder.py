"""The language model (transformers' LlamaForCausalLM) in f32: one forward pass looked at closely, greedy and beam search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from files import Checkpoint

CONFIG_KEYS = ("attention_bias", "bos_token_id", "eos_token_id", "head_dim", "hidden_act", "hidden_size",
               "intermediate_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers",
               "num_key_value_heads", "rms_norm_eps", "rope_scaling", "rope_theta", "tie_word_embeddings", "vocab_size")


@dataclass
class Prefill:
    """hidden [layers, H]: after each decoder layer, at the last position; logits [V], of the last position."""

    hidden: torch.Tensor
    logits: torch.Tensor


@dataclass
class Greedy:
    """ids end with the token that stopped the answer; gaps: largest minus second largest logit, one per token."""

    ids: list[int]
    gaps: list[float]
    first_logits: torch.Tensor
    stopped: bool


class Decoder:
    def __init__(self, checkpoint: Checkpoint) -> None:
        given = {k: checkpoint.config[k] for k in CONFIG_KEYS if k in checkpoint.config}
        config = LlamaConfig(**given, attn_implementation="eager")
        assert config.rope_parameters["rope_theta"] == checkpoint.config["rope_theta"]
        assert config.rope_parameters["rope_type"] == "default"
        self.model = LlamaForCausalLM(config).eval()
        tensors = dict(checkpoint.text)
        if config.tie_word_embeddings:
            tensors.setdefault("lm_head.weight", tensors["model.embed_tokens.weight"])
        self.model.load_state_dict(tensors, strict=True)
        self.eos = checkpoint.config["eos_token_id"]

    @torch.no_grad()
    def embed(self, ids: list[int]) -> torch.Tensor:
        return self.model.model.embed_tokens(torch.tensor(ids, dtype=torch.long))

    @torch.no_grad()
    def prefill(self, rows: torch.Tensor) -> Prefill:
        """rows [T, H]: embeddings of text and pictures."""
        states: list[torch.Tensor] = []
        hooks = [layer.register_forward_hook(
            lambda m, i, out: states.append((out[0] if isinstance(out, tuple) else out)[0, -1]))
            for layer in self.model.model.layers]
        out = self.model(inputs_embeds=rows.unsqueeze(0))
        for hook in hooks:
            hook.remove()
        return Prefill(torch.stack(states), out.logits[0, -1])

    @torch.no_grad()
    def greedy(self, rows: torch.Tensor, limit: int, stops: Callable[[list[int]], bool]) -> Greedy:
        """Until end of text, or stops(ids) from the second new token on (as the reference), or `limit` tokens."""
        out = self.model(inputs_embeds=rows.unsqueeze(0), use_cache=True)
        first = out.logits[0, -1]
        ids: list[int] = []
        gaps: list[float] = []
        while True:
            top = torch.topk(out.logits[0, -1], 2)
            ids.append(int(top.indices[0]))
            gaps.append(float(top.values[0] - top.values[1]))
            stopped = ids[-1] == self.eos or (len(ids) > 1 and stops(ids))
            if stopped or len(ids) == limit:
                return Greedy(ids, gaps, first, stopped)
            out = self.model(input_ids=torch.tensor([ids[-1:]]), past_key_values=out.past_key_values, use_cache=True)

    @torch.no_grad()
    def beam(self, rows: torch.Tensor, beams: int, limit: int) -> tuple[list[int], float]:
        """Ids and score of the best beam: transformers' beam search, length penalty 1, no text stop rule."""
        out = self.model.generate(
            inputs_embeds=rows.unsqueeze(0), attention_mask=torch.ones(1, len(rows), dtype=torch.long), num_beams=beams,
            do_sample=False, max_new_tokens=limit, eos_token_id=self.eos, pad_token_id=0, length_penalty=1.0,
            early_stopping=False, return_dict_in_generate=True, output_scores=True)
        ids = out.sequences[0].tolist()
        while ids and ids[-1] == 0 and self.eos in ids:  # padding behind the end of text
            ids.pop()
        return ids, float(out.sequences_scores[0])
