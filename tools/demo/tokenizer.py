"""Trains the SentencePiece model, and tokenises as Yi-VL's reference does with it.

Byte-pair encoding with byte fallback, no dummy prefix, white space kept, digits apart, and no
normalisation. Line ends are a symbol of their own, so that pieces never reach over one and a
conversation falls into the same tokens whether it is cut into turns or not.
"""

from __future__ import annotations

import argparse
import io
import re
import string
from pathlib import Path
from random import Random

import sentencepiece as spm

import chat
from phrases import COLOUR_ZH, COUNT_ZH, PLACE_ZH, SHAPE_ZH
from prompt import IMAGE, SYSTEM, render
from questions import KINDS, Question, ask
from scenes import random_scene

IMAGE_ID = -200
VOCABULARY = 1200
DELIMITER = "\u241f"  # "unit separator": pieces never reach over it, and it is in no piece
WORDS_ZH = [*COLOUR_ZH.values(), *SHAPE_ZH.values(), *PLACE_ZH.values(), *COUNT_ZH, "数字", "个"]
NAMED = ("<|Human|>", "<|Assistant|>", "<|System|>", "<|im_start|>", "<|im_end|>", "<|im_sep|>")
# Those that the release lists as added tokens: matched in text as such, dropped when decoding.
SPECIAL = {
    "<unk>": 0,
    "<|startoftext|>": 1,
    "<|endoftext|>": 2,
    "<|im_start|>": 6,
    "<|im_end|>": 7,
    "<|im_sep|>": 8,
}


class Tokenizer:
    def __init__(self, file: Path) -> None:
        self.pieces = spm.SentencePieceProcessor(model_file=str(file))
        self.size = self.pieces.vocab_size()

    def encode(self, text: str) -> list[int]:
        """Special strings become their ids, the text between is encoded run by run."""
        starts = [(text.find(s), -len(s), s) for s in SPECIAL if s in text]
        if not starts:
            return self.pieces.encode(text)
        at, _, found = min(starts)
        rest = text[at + len(found) :]
        return self.pieces.encode(text[:at]) + [SPECIAL[found]] + self.encode(rest)

    def encode_prompt(self, prompt: str) -> list[int]:
        """Text chunks around the placeholder are tokenised apart and joined with -200."""
        first, *others = prompt.split(IMAGE)
        ids = self.encode(first)
        for chunk in others:
            ids += [IMAGE_ID] + self.encode(chunk)
        return ids

    def decode(self, ids: list[int]) -> str:
        """Special tokens vanish, and so does one leading space, as in the reference."""
        kept = [i for i in ids if i not in SPECIAL.values()]
        text = self.pieces.decode(kept)
        if kept and self.pieces.id_to_piece(kept[0]).startswith("\u2581"):
            return text.removeprefix(" ")
        return text


def apart(text: str) -> str:
    """Chinese has no spaces: without borders, pieces would run over words ("一个橙", "色的三角")."""
    words = "|".join(sorted(WORDS_ZH, key=len, reverse=True))
    return re.sub(words, lambda found: DELIMITER + found.group() + DELIMITER, text)


def conversation(question: Question) -> str:
    """Question, answer, and the same question again, without the system text."""
    text = render([(question.question, question.answer)], question.question, False)
    return apart(text.removeprefix(SYSTEM).strip())


def corpus(rng: Random, pictures: int) -> list[str]:
    """Conversations as the model will see them; the system text often enough to be few tokens."""
    lines = [SYSTEM] * pictures
    for question in chat.all_chat():
        lines += [conversation(question)] * 20
    for _ in range(pictures):
        scene = random_scene(rng)
        for kind in KINDS:
            for language in ("en", "zh"):
                question = ask(scene, rng, kind, language)
                if question:
                    lines.append(conversation(question))
    return lines


def train(out: Path, seed: int) -> None:
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus(Random(f"tokenizer {seed}"), 600)),
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCABULARY,
        character_coverage=1.0,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        required_chars=string.ascii_letters + string.digits + string.punctuation,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        unk_piece="<unk>",
        bos_piece="<|startoftext|>",
        eos_piece="<|endoftext|>",
        control_symbols=",".join(NAMED),
        user_defined_symbols=["\n"],
        pretokenization_delimiter=DELIMITER,
        num_threads=1,
        minloglevel=1,
    )
    out.write_bytes(model.getvalue())


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--out", type=Path, required=True, help="the tokenizer.model to write")
    args.add_argument("--seed", type=int, default=1)
    options = args.parse_args()
    train(options.out, options.seed)


if __name__ == "__main__":
    main()
