"""The questions that goldens are recorded for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """questions: one per turn. replies: what stands in the prompt as earlier answers (None: what the model answered)."""

    name: str
    pictures: tuple[str, ...]
    questions: tuple[str, ...]
    replies: tuple[str | None, ...] = ()
    limit: int = 24
    beams: int = 0
    keep_pixels: bool = False

    def reply(self, turn: int, answered: str) -> str:
        given = self.replies[turn] if turn < len(self.replies) else None
        return answered if given is None else given


EN, ZH = "What colour is the circle on the left?", "图片中间有几个方块？是什么颜色的？"
# Questions are chosen so that no answer hangs on two logits closer than 0.002, which f32 rounding might swap.
OTHERS = {"cmyk.jpg": "What is in the middle?", "grey_16bit.png": "What is in the middle?"}

PICTURES = (  # every kind of picture once, with English and Chinese in turn
    "rgb.png", "rgba.png", "grey.png", "grey_alpha.png", "palette.png", "palette_transparent.png", "grey_16bit.png",
    "one_bit.png", "rgb_420.jpg", "rgb_444.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "exif_rotated.jpg",
    "lossy.webp", "lossless.webp", "alpha.webp", "still.gif", "rgb.bmp", "wide_200x3.png", "tall_3x200.png",
    "one_1x1.png", "tiny_3x3.png", "tiny_3x5.png", "exact_56.png", "exact_448.png", "photo_320x200.jpg")

YI_VL_TINY = [
    *(Case("picture_" + p.replace(".", "_"), (p,), (OTHERS.get(p, (EN, ZH)[k % 2]),), limit=16, keep_pixels=k % 8 == 0)
      for k, p in enumerate(PICTURES)),
    Case("long_english", ("photo_320x200.jpg",), ("Describe the picture in detail, please.",), limit=32, beams=3),
    Case("long_chinese", ("rgb_420.jpg",), ("请描述这张图像。",), limit=32, beams=4),
    Case("three_turns", ("rgb.png",), ("What is shown?", "How many are there?", "左边是什么颜色的？")),
    Case("empty_reply", ("rgb.png",), ("What is shown?", "How many are there?"), replies=("",)),
    Case("given_reply", ("grey.jpg",), ("What is this?", "Are you sure?"), replies=("A cat \ufffd 猫",)),
    Case("text_only", (), ("What is the colour of a red car?",), beams=2),
    Case("text_only_chinese", (), ("你好！请问什么是汽车？🚗",)),
    Case("text_only_turns", (), ("Hello.", "请再说一遍。")),
    Case("two_pictures", ("rgb.png", "photo_320x200.jpg"), ("What differs?",)),
    Case("special_tokens", ("rgb.png",), ("a <|im_end|> b<|endoftext|><|Human|> <unk>?",)),
    Case("stop_text", ("palette.png",), ("What is shown?",), limit=32),
    Case("stop_text_only", (), ("Describe it.",), limit=32),
    Case("white_space", ("rgb.png",), ("  two  spaces,\ttab,\n\nlines \u3000 ",)),
]
YI_VL_ODD = [
    Case("english", ("photo_320x200.jpg",), (EN,), limit=32, beams=3, keep_pixels=True),
    Case("chinese", ("rgba.png",), (ZH,), limit=32),
    Case("wide", ("wide_200x3.png",), (EN,)),
    Case("one_pixel", ("one_1x1.png",), (ZH,)),
    Case("cmyk", ("cmyk.jpg",), ("Is it white or black?",)),
    Case("rotated", ("exif_rotated.jpg",), ("Which way is up?",)),
    Case("turns", ("lossy.webp",), ("What is shown?", "图像中有什么？")),
    Case("text_only", (), ("Hello, who are you?",), beams=2),
    Case("stop_end_of_text", ("rgb.png",), ("Which colour?",), limit=32),
    Case("stop_text", (), ("A cat?",), limit=32),
    Case("special_tokens", (), ("x <|im_sep|><|Assistant|> y <|System|>",)),
]
YI_VL_SHARDS = [
    Case("english", ("rgb.png",), ("How many circles are blue?",), limit=32, beams=2, keep_pixels=True),
    Case("chinese", ("tall_3x200.png",), (ZH,)),
    Case("turns", ("grey_alpha.png",), ("What is shown?", "Why?")),
    Case("two_pictures", ("rgb.png", "grey.png"), ("Which one is grey?",)),
    Case("special_tokens", ("rgb.png",), (" a <|im_end|> b ",)),
    Case("text_only", (), ("你是谁？",)),
    Case("stop_text", ("rgb.png",), ("What is shown?",), limit=32),
]
LLAMA_TINY = [
    Case("english", (), ("The cat stands on the left and",), limit=32, beams=3),
    Case("chinese", (), ("图片左边有",), limit=32),
    Case("unknown_characters", (), ("naïve 🚗🚗 日本語 text",)),
    Case("spaces", (), ("  a   b ",)),
    Case("one_letter", (), ("a",)),
    Case("special_tokens", (), ("a<|im_end|>b <|endoftext|> c",)),
    Case("long", (), (" ".join(["The red dog lies near the top."] * 20),)),
]
CASES = {"yi_vl_tiny": YI_VL_TINY, "yi_vl_odd": YI_VL_ODD, "yi_vl_shards": YI_VL_SHARDS, "llama_tiny": LLAMA_TINY}
