#!/usr/bin/env python3
"""Records tests/text/data/bpe: small byte-level BPE tokenizers, and what the Python packages make of texts with them.

    python3 tools/bpe_goldens.py                     all but smollm2.json
    python3 tools/bpe_goldens.py --smollm2 FOLDER    smollm2.json, with the tokenizer that tools/checkpoints/smollm2.py made

Needs the PyPI packages tokenizers 0.23.3 and transformers (tools/oracle/requirements.txt). Each tokenizer is judged on more
than a megabyte of text. It is not stored: tests/text/bpe_corpus.h and `Corpus` put the same texts together from fragments.json,
by the same random numbers. What is stored of the ids are hashes, and the ids of a few texts to look at.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from bpe_chats import CHATS, CONVERSATIONS, render
from bpe_fragments import FRAGMENTS, TRAINING

DATA = Path(__file__).resolve().parent.parent / "tests" / "text" / "data" / "bpe"
TEXTS, TEXTS_A_HASH = 720, 12
ID_LISTS, LISTS_A_HASH = 400, 20
EXAMPLES = 24


class Random:
    """Knuth's MMIX generator: the upper 32 bits of each state."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def __call__(self) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> 32


def text_of(number: int) -> bytes:
    """Fragments, now and then any character, a stray byte, or one fragment many times."""
    random = Random(number)
    out = b""
    for _ in range(1 + random() % 330):
        way, value = random() % 64, random()
        if way < 2:
            code = value % 0x110000
            out += chr(0xFFFD if 0xD800 <= code < 0xE000 else code).encode()
        elif way == 2:
            out += bytes([value % 256])
        elif way == 3:
            out += FRAGMENTS[value % len(FRAGMENTS)] * (value // 65536 % 12)
        else:
            out += FRAGMENTS[value % len(FRAGMENTS)]
    return out


def ids_of(number: int, vocab: int) -> list[int]:
    random = Random(1_000_000 + number)
    return [random() % vocab for _ in range(1 + random() % 60)]


class Hash:
    """FNV-1a, 64 bits."""

    def __init__(self) -> None:
        self.value = 0xCBF29CE484222325

    def add(self, data: bytes) -> None:
        for byte in data:
            self.value = (self.value ^ byte) * 0x100000001B3 % 2**64

    def add_ids(self, ids: list[int]) -> None:
        self.add(b"".join(i.to_bytes(4, "little") for i in [*ids, 0xFFFFFFFF]))


# The patterns of these families, as their tokenizer.json files have them.
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
GPT4O = ("|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"]))
DEEPSEEK3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
             r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level(**options: bool) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(**({"add_prefix_space": False} | options))


def split(pattern: str, behavior: str = "isolated", invert: bool = False) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def special(content: str, **options: bool) -> AddedToken:
    return AddedToken(content, special=True, **({"normalized": False} | options))


CHATML = [special("<|im_start|>"), special("<|im_end|>")]


@dataclass
class Kind:
    steps: list[pre_tokenizers.PreTokenizer]
    vocab: int = 480
    first: list[AddedToken] = field(default_factory=list)  # in the vocabulary, from id 0 on
    words: list[str] = field(default_factory=list)  # at its end, and no merges lead to them
    last: list[AddedToken] = field(default_factory=list)  # behind it
    nfc: bool = False
    bos: str = ""
    ignore_merges: bool = False
    merges_as_strings: bool = False
    names: dict[str, str] = field(default_factory=dict)
    chat: str = ""


KINDS = {
    "gpt2": Kind([byte_level(add_prefix_space=True)], first=[special("<|endoftext|>", normalized=True)], merges_as_strings=True,
                 names={"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}),
    "smollm2": Kind([pre_tokenizers.Digits(True), byte_level()], first=[special("<|endoftext|>"), *CHATML], merges_as_strings=True,
                    names={"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}, chat="smollm2"),
    "qwen2": Kind([split(QWEN2), byte_level(use_regex=False)], nfc=True,
                  last=[special("<|endoftext|>"), *CHATML, AddedToken("<tool_call>", normalized=False), AddedToken("café"), AddedToken("tou")],
                  names={"eos_token": "<|im_end|>"}, chat="qwen2.5"),
    "llama3": Kind([split(LLAMA3), byte_level(use_regex=False)], ignore_merges=True, bos="<|begin_of_text|>", words=["Ġtokenizer", "HTTP", "1234", "ĠstraÃŁe", "touch"],
                   last=[special(f"<|{name}|>") for name in ("begin_of_text", "end_of_text", "start_header_id", "end_header_id", "eot_id")],
                   names={"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}, chat="llama3"),
    "gpt4": Kind([split(GPT4, "removed", invert=True), byte_level(use_regex=False)], last=[special("<|endoftext|>"), *CHATML], chat="yi"),
    "gpt4o": Kind([split(GPT4O), byte_level(use_regex=False)], last=[special("<|endoftext|>"), *CHATML],
                  names={"bos_token": "<|endoftext|>"}, chat="with_bos"),
    "deepseek": Kind([split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-\ud7ff]+"), pre_tokenizers.Digits(True),
                      byte_level(use_regex=False)], last=[AddedToken("<|EOT|>", normalized=True)]),
    "deepseek3": Kind([split(r"\p{N}{1,3}"), split("[一-龥\u3040-ゟ゠-ヿ]+"), split(DEEPSEEK3), byte_level(use_regex=False)],
                      last=[special("<｜begin▁of▁sentence｜>"), special("<|end|>", lstrip=True, rstrip=True)]),
    # Every flag of added tokens; digits that stay together; a pattern that is a plain text, and is dropped.
    "flags": Kind([pre_tokenizers.Digits(False), pre_tokenizers.Split("...", "removed"), byte_level()], nfc=True,
                  last=[special("<l>", lstrip=True), special("<r>", rstrip=True), special("<lr>", lstrip=True, rstrip=True, normalized=True),
                        AddedToken("the", single_word=True), AddedToken("is", single_word=True, normalized=False, lstrip=True),
                        AddedToken("  ", normalized=False), AddedToken("   \n", normalized=True), special("é"), AddedToken("ée"),
                        special("<|im_end|>", single_word=True), AddedToken("<|im_e", normalized=False)]),
}


def train(kind: Kind) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind.ignore_merges))
    if kind.nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = kind.steps[0] if len(kind.steps) == 1 else pre_tokenizers.Sequence(kind.steps)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TRAINING, trainers.BpeTrainer(
        vocab_size=kind.vocab, show_progress=False, special_tokens=kind.first, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    value = json.loads(tokenizer.to_str())
    for word in kind.words:
        value["model"]["vocab"].setdefault(word, len(value["model"]["vocab"]))
    tokenizer = Tokenizer.from_str(json.dumps(value))
    tokenizer.add_tokens(kind.last)
    level = processors.ByteLevel(trim_offsets=False)
    if kind.bos:
        bos = processors.TemplateProcessing(single=f"{kind.bos} $A", pair=f"{kind.bos} $A {kind.bos} $B",
                                            special_tokens=[(kind.bos, tokenizer.token_to_id(kind.bos))])
        tokenizer.post_processor = processors.Sequence([level, bos])
    else:
        tokenizer.post_processor = level
    return tokenizer


def with_model(model: dict[str, Any], added: list[AddedToken] = []) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab={"x": 0}, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = byte_level(), decoders.ByteLevel()
    value = json.loads(tokenizer.to_str())
    value["model"] |= model
    tokenizer = Tokenizer.from_str(json.dumps(value))
    tokenizer.add_tokens(added)
    return tokenizer


def with_gaps(fuse: bool, fallback: bool) -> Tokenizer:
    """Most bytes have no token: unknown, or tokens that name bytes."""
    tokens = ["<unk>", *"abcdefghijklmnostuvw", "Ġ", "Ã", "©", "æ", "th", "the", "Ġt", "Ġthe", "as", "<0xC4>", "<0xC2>", "<0xA1>", "<0x41>", "<0x42>",
              "<0xC4><0xA1>"]
    merges = [["t", "h"], ["th", "e"], ["Ġ", "t"], ["Ġ", "the"], ["a", "s"], ["<0xC4>", "<0xA1>"]]
    return with_model({"vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges, "unk_token": "<unk>", "fuse_unk": fuse,
                       "byte_fallback": fallback})


def with_many_ways() -> Tokenizer:
    """Merges drawn at random, of which many give the same token."""
    random = Random(42)
    tokens, merges, pairs = list("abcd"), [], set()
    while len(merges) < 150:
        left, right = tokens[random() % len(tokens)], tokens[random() % len(tokens)]
        if len(left + right) > 7 or (left, right) in pairs:
            continue
        pairs.add((left, right))
        merges.append([left, right])
        if left + right not in tokens:
            tokens.append(left + right)
    return with_model({"vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges})


def decode(tokenizer: Tokenizer, ids: list[int]) -> bytes:
    return tokenizer.decode(ids, skip_special_tokens=True).encode()


def encode(tokenizer: Tokenizer, text: bytes, as_text: bool = False) -> list[int]:
    tokenizer.encode_special_tokens = as_text
    ids = tokenizer.encode(text.decode(errors="replace"), add_special_tokens=False).ids
    tokenizer.encode_special_tokens = False
    return ids


def hashes(count: int, in_one: int, add: Any) -> list[str]:
    out = []
    for begin in range(0, count, in_one):
        value = Hash()
        for number in range(begin, begin + in_one):
            add(value, number)
        out.append(f"{value.value:016x}")
    return out


def goldens(tokenizer: Tokenizer, chat: str, names: dict[str, str]) -> dict[str, Any]:
    vocab = tokenizer.get_vocab_size()
    out: dict[str, Any] = {
        "vocab": vocab, "bytes": sum(len(text_of(i)) for i in range(TEXTS)), "texts_a_hash": TEXTS_A_HASH, "lists_a_hash": LISTS_A_HASH,
        "encode": hashes(TEXTS, TEXTS_A_HASH, lambda value, i: value.add_ids(encode(tokenizer, text_of(i)))),
        "as_text": hashes(TEXTS, TEXTS_A_HASH, lambda value, i: value.add_ids(encode(tokenizer, text_of(i), as_text=True))),
        "decode": hashes(ID_LISTS, LISTS_A_HASH, lambda value, i: value.add(decode(tokenizer, ids_of(i, vocab)) + b"\0")),
    }
    texts = [b"".join(FRAGMENTS[i : i + 5]) for i in range(0, len(FRAGMENTS), 1 + len(FRAGMENTS) // EXAMPLES)]
    out["examples"] = [{"text": text.hex(), "ids": encode(tokenizer, text), "back": decode(tokenizer, encode(tokenizer, text)).hex()}
                       for text in texts]
    if chat:
        out["chats"] = []
        for conversation in CONVERSATIONS:
            prompt = render(chat, conversation, names)
            out["chats"].append({"messages": conversation, "prompt": prompt, "ids": encode(tokenizer, prompt.encode())})
    return out


def write_lines(path: Path, value: dict[str, Any]) -> None:
    """One member a line, and one entry of "examples" and "chats"."""
    lines = []
    for key, member in value.items():
        if key in ("examples", "chats"):
            text = "[\n " + ",\n ".join(json.dumps(entry) for entry in member) + "]"
        else:
            text = json.dumps(member)
        lines.append(f"{json.dumps(key)}: {text}")
    path.write_text("{" + ",\n".join(lines) + "}\n")


def write_kind(name: str, tokenizer: Tokenizer, kind: Kind) -> None:
    folder = DATA / name
    folder.mkdir(parents=True, exist_ok=True)
    value = json.loads(tokenizer.to_str())
    if kind.merges_as_strings:
        value["model"]["merges"] = [" ".join(pair) for pair in value["model"]["merges"]]
    (folder / "tokenizer.json").write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
    config = dict(kind.names)
    if kind.chat:
        config["chat_template"] = CHATS[kind.chat]
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_lines(folder / "goldens.json", goldens(Tokenizer.from_file(str(folder / "tokenizer.json")), kind.chat, kind.names))


def record_smollm2(folder: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    CHATS["own"] = config["chat_template"]
    write_lines(DATA / "smollm2.json", goldens(Tokenizer.from_file(str(folder / "tokenizer.json")), "own", config))


def record_small() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / "fragments.json").write_text("[\n" + ",\n".join(f'"{fragment.hex()}"' for fragment in FRAGMENTS) + "\n]\n")
    for name, kind in KINDS.items():
        write_kind(name, train(kind), kind)
    write_kind("unknown", with_gaps(fuse=False, fallback=False), Kind([]))
    write_kind("fallback", with_gaps(fuse=True, fallback=True), Kind([]))
    write_kind("many_ways", with_many_ways(), Kind([]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--smollm2", type=Path)
    args = parser.parse_args()
    if args.smollm2:
        record_smollm2(args.smollm2)
    else:
        record_small()


if __name__ == "__main__":
    main()
