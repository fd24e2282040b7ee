"""Small SentencePiece BPE models with Yi's ids: 0 <unk>, 1 <|startoftext|>, 2 <|endoftext|>, 3-5 roles, 6-8 ChatML."""

from __future__ import annotations

import io
from dataclasses import dataclass

import sentencepiece

from corpus import make_lines

ROLES = ["<|Human|>", "<|Assistant|>", "<|System|>", "<|im_start|>", "<|im_end|>", "<|im_sep|>"]


@dataclass(frozen=True)
class TokenizerKind:
    """user_defined: ids 3-8 are user-defined symbols, found in any text; otherwise control symbols, never found."""

    vocab: int
    user_defined: bool = False
    dummy_prefix: bool = False
    byte_fallback: bool = True
    squeeze_spaces: bool = False


def train_tokenizer(kind: TokenizerKind, seed: int) -> bytes:
    """The bytes of tokenizer.model."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(make_lines(4000, seed)), model_writer=model, model_type="bpe", vocab_size=kind.vocab,
        byte_fallback=kind.byte_fallback, add_dummy_prefix=kind.dummy_prefix, split_digits=True,
        remove_extra_whitespaces=kind.squeeze_spaces, normalization_rule_name="identity", character_coverage=0.995,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, bos_piece="<|startoftext|>", eos_piece="<|endoftext|>",
        num_threads=1, minloglevel=2, **{"user_defined_symbols" if kind.user_defined else "control_symbols": ROLES})
    return model.getvalue()
