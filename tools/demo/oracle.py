"""Answers with an exported directory, in f32, reading nothing but its files: the judge.

It goes the way of the reference, from the picture file through Pillow and the whole prompt
through SentencePiece to greedy tokens, one question at a time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from export import TOWER
from model import Config, YiVL, causal
from pixels import normalised, squared
from prompt import STOP, Turn, cut, render
from tokenizer import IMAGE_ID, Tokenizer
from vision import VisionConfig

LONGEST = 64  # tokens of an answer; the longest right one has 22


@dataclass
class Answer:
    text: str
    prompt_ids: list[int]  # -200 where the picture stands
    token_ids: list[int]  # up to and with the stop string's


def read_config(folder: Path) -> Config:
    main = json.loads((folder / "config.json").read_text())
    tower = json.loads((folder / main["mm_vision_tower"] / "config.json").read_text())
    assert main["mm_vision_select_layer"] == -2 and tower["hidden_act"] == "gelu"
    vision = VisionConfig(
        image=tower["image_size"],
        patch=tower["patch_size"],
        width=tower["hidden_size"],
        inner=tower["intermediate_size"],
        heads=tower["num_attention_heads"],
        layers=tower["num_hidden_layers"],
        eps=tower["layer_norm_eps"],
    )
    return Config(
        vocabulary=main["vocab_size"],
        width=main["hidden_size"],
        inner=main["intermediate_size"],
        layers=main["num_hidden_layers"],
        heads=main["num_attention_heads"],
        kv_heads=main["num_key_value_heads"],
        positions=main["max_position_embeddings"],
        theta=main["rope_theta"],
        eps=main["rms_norm_eps"],
        vision=vision,
    )


class Oracle:
    def __init__(self, folder: Path) -> None:
        self.config = read_config(folder)
        self.tokenizer = Tokenizer(folder / "tokenizer.model")
        index = json.loads((folder / "pytorch_model.bin.index.json").read_text())
        weights: dict[str, Tensor] = {}
        for shard in sorted(set(index["weight_map"].values())):
            weights |= torch.load(folder / shard)
        tower = json.loads((folder / "config.json").read_text())["mm_vision_tower"]
        for name, weight in torch.load(folder / tower / "pytorch_model.bin").items():
            weights[TOWER + name] = weight.to(torch.bfloat16)  # the reference takes this copy
        assert all(w.dtype == torch.bfloat16 for w in weights.values())
        self.model = YiVL(self.config).eval()
        self.model.load_state_dict({name: w.float() for name, w in weights.items()})

    def rows(self, ids: list[int], picture: Path | None) -> Tensor:
        """Embedded prompt [1, T, width], the picture's rows in place of -200."""
        embed = self.model.model.embed_tokens
        if IMAGE_ID not in ids:
            return embed(torch.tensor(ids))[None]
        assert picture is not None
        with Image.open(picture) as file:
            pixels = torch.from_numpy(normalised(squared(file, self.config.vision.image)))
        at = ids.index(IMAGE_ID)
        patches, _ = self.model.picture_rows(pixels[None])
        before, after = embed(torch.tensor(ids[:at])), embed(torch.tensor(ids[at + 1 :]))
        return torch.cat([before, patches[0], after])[None]

    @torch.no_grad()
    def answer(self, history: list[Turn], question: str, picture: Path | None) -> Answer:
        """Greedy, until the text so far holds the stop string, or the end token."""
        ids = self.tokenizer.encode_prompt(render(history, question, picture is not None))
        rows = self.rows(ids, picture)
        past, length, out = None, 0, []
        while len(out) < LONGEST:
            places = torch.arange(length, length + rows.shape[1])[None]
            hidden, past = self.model.decode(rows, places, causal(rows.shape[1], length), past)
            length += rows.shape[1]
            token = int(self.model.lm_head(hidden[0, -1]).argmax())
            out.append(token)
            if token == 2 or STOP in self.tokenizer.decode(out):
                break
            rows = self.model.model.embed_tokens(torch.tensor([[token]]))
        return Answer(cut(self.tokenizer.decode(out)), ids, out)
