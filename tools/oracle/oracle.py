"""The reference model as a whole: pictures and messages in, every intermediate result out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from decoder import Decoder, Greedy
from files import read_checkpoint
from images import prepare, read_preprocessor
from prompts import IMAGE, IMAGE_ID, STOP, read_tokenizer, render_prompt, trim_answer
from vision import Tower, make_projector


@dataclass
class SeenImage:
    """resized uint8 [S, S, 3]; pixels f32 [3, S, S]; features [patches, width]; rows [patches, H]."""

    resized: np.ndarray
    pixels: np.ndarray
    features: torch.Tensor
    rows: torch.Tensor


class Oracle:
    def __init__(self, folder: Path) -> None:
        self.checkpoint = read_checkpoint(folder)
        self.decoder = Decoder(self.checkpoint)
        self.tokenizer = read_tokenizer(folder)
        self.sees = self.checkpoint.vision is not None
        if self.sees:
            self.tower = Tower(self.checkpoint)
            self.projector = make_projector(self.checkpoint)
            self.preprocessor = read_preprocessor(self.checkpoint.preprocessor)

    @torch.no_grad()
    def see(self, path: Path) -> SeenImage:
        pad = self.checkpoint.config.get("image_aspect_ratio") == "pad"
        resized, pixels = prepare(path, self.preprocessor, pad)
        features = self.tower.features(torch.from_numpy(pixels))
        return SeenImage(resized, pixels, features, self.projector(features))

    def prompt(self, messages: list[tuple[str, str]], pictures: int) -> str:
        """Yi-VL: the template, with the placeholders and a newline before the first question. Text model: the text itself."""
        if not self.sees:
            return messages[-1][1]
        first = (messages[0][0], IMAGE * pictures + "\n" + messages[0][1] if pictures else messages[0][1])
        return render_prompt([first, *messages[1:], ("Assistant", "")])

    @torch.no_grad()
    def rows(self, ids: list[int], images: list[SeenImage]) -> torch.Tensor:
        """Embeddings [T, H], each -200 replaced by the rows of the next picture."""
        parts, text, waiting = [], [], list(images)
        for i in [*ids, None]:
            if i is None or i == IMAGE_ID:
                parts.append(self.decoder.embed(text))
                text = []
                parts += [waiting.pop(0).rows] if i == IMAGE_ID else []
            else:
                text.append(i)
        assert not waiting, "more pictures than placeholders"
        return torch.cat(parts)

    def ask(self, question: str, pictures: list[Path], limit: int) -> Greedy:
        """One question about some pictures, greedily."""
        ids = self.tokenizer.encode_prompt(self.prompt([("Human", question)], len(pictures)))
        return self.decoder.greedy(self.rows(ids, [self.see(path) for path in pictures]), limit, self.stops)

    def stops(self, ids: list[int]) -> bool:
        return self.sees and STOP in self.tokenizer.decode(ids)

    def answer_text(self, ids: list[int]) -> str:
        text = self.tokenizer.decode(ids)
        return trim_answer(text) if self.sees else text
