"""Prompt text and prompt ids of Yi-VL, and text from ids, on top of the sentencepiece package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import sentencepiece

from files import read_json

IMAGE = "<image_placeholder>"
IMAGE_ID = -200
STOP = "###"
SYSTEM = (
    "This is a chat between an inquisitive human and an AI assistant. Assume the role of the AI assistant. Read all the "
    "images carefully, and respond to the human's questions with informative, helpful, detailed and polite answers. "
    "这是一个好奇的人类和一个人工智能助手之间的对话。假设你扮演这个AI助手的角色。"
    "仔细阅读所有的图像，并对人类的问题做出信息丰富、有帮助、详细的和礼貌的回答。")


def render_prompt(messages: list[tuple[str, str]]) -> str:
    """messages: ("Human" | "Assistant", text); the last one is an Assistant with empty text."""
    prompt = SYSTEM + "\n\n### "
    for role, text in messages:
        prompt += f"{role}: {text}\n### " if text else role + ":"
    return prompt


@dataclass(frozen=True)
class Tokenizer:
    sp: sentencepiece.SentencePieceProcessor
    specials: dict[str, int]
    add_bos: bool

    def encode_chunk(self, text: str) -> list[int]:
        """Special strings found literally, the longest first; every run between them on its own. No BOS."""
        ids: list[int] = []
        pattern = "|".join(re.escape(s) for s in sorted(self.specials, key=len, reverse=True))
        for run in re.split(f"({pattern})", text):
            if run in self.specials:
                ids.append(self.specials[run])
            elif run:
                ids += self.encode_plain(run)
        return ids

    def encode_plain(self, text: str) -> list[int]:
        """By piece strings, as the slow Hugging Face tokenizer does."""
        return [self.specials.get(p, self.sp.piece_to_id(p)) for p in self.sp.encode(text, out_type=str)]

    def encode_prompt(self, prompt: str) -> list[int]:
        """-200 where a picture stands; at most one BOS, at the very front."""
        ids = [self.sp.bos_id()] if self.add_bos else []
        for k, chunk in enumerate(prompt.split(IMAGE)):
            ids += ([IMAGE_ID] if k else []) + self.encode_chunk(chunk)
        return ids

    def decode(self, ids: list[int]) -> str:
        """Special ids vanish; one leading U+2581 is removed on top of what sentencepiece removes."""
        hidden = set(self.specials.values())
        pieces = [self.sp.id_to_piece(i) for i in ids if i not in hidden]
        if pieces and pieces[0].startswith("\u2581"):
            pieces[0] = pieces[0][1:]
        return self.sp.decode_pieces(pieces) if pieces else ""


def read_tokenizer(folder: Path) -> Tokenizer:
    sp = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    config = read_json(folder / "tokenizer_config.json")
    specials = {e["content"]: int(i) for i, e in config["added_tokens_decoder"].items() if e["special"]}
    return Tokenizer(sp, specials, config["add_bos_token"])


def trim_answer(text: str) -> str:
    """Cut at the first stop string, white space removed around it."""
    return text.strip().split(STOP)[0].strip()
