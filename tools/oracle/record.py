#!/usr/bin/env python3
"""Records the goldens of the tiny checkpoints: record.py GOLDEN_FOLDER [CHECKPOINT]...

Writes GOLDEN_FOLDER/CHECKPOINT/golden/goldens.json, one safetensors file per case, and tokenizer.json.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers
from PIL import __version__ as pillow_version, features
from safetensors.torch import save_file

import formulas
from cases import CASES, Case
from images import crc
from oracle import Oracle, SeenImage
from token_texts import record_tokenizer

Json = dict[str, Any]


def versions() -> Json:
    return {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__,
            "sentencepiece": sentencepiece.__version__, "pillow": pillow_version,
            "libjpeg_turbo": features.version("libjpeg_turbo"), "webp": features.version("webp")}


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.double() - b.double()).abs().max())


class Recorder:
    def __init__(self, oracle: Oracle, pictures: Path) -> None:
        self.oracle, self.pictures = oracle, pictures
        self.half = copy.deepcopy(oracle.decoder.model).to(torch.bfloat16)
        angles = oracle.decoder.model.model.rotary_emb.inv_freq  # kept in f32, as the reference's tables are
        self.half.model.rotary_emb.inv_freq = angles.clone()

    @torch.no_grad()
    def bf16_error(self, rows: torch.Tensor, logits: torch.Tensor) -> float:
        """Standard deviation of (bf16 decoder's logits - f32 logits)."""
        out = self.half(inputs_embeds=rows.to(torch.bfloat16).unsqueeze(0))
        return float((out.logits[0, -1].float() - logits).std())

    def record_images(self, images: list[SeenImage], case: Case, tensors: dict[str, torch.Tensor], error: Json) -> None:
        c = self.oracle.checkpoint
        for k, image in enumerate(images):
            if case.keep_pixels:
                tensors[f"image{k}.pixels"] = torch.from_numpy(image.pixels)
            tensors[f"image{k}.features"] = image.features.contiguous()
            tensors[f"image{k}.rows"] = image.rows
            exact = formulas.vision_features(c, torch.from_numpy(image.pixels))
            error["features"] = max(error.get("features", 0), difference(image.features, exact))
            error["rows"] = max(error.get("rows", 0), difference(image.rows, formulas.image_rows(c, exact)))

    def record_turn(self, case: Case, messages: list[tuple[str, str]], images: list[SeenImage], error: Json,
                    tensors: dict[str, torch.Tensor], turn: int) -> Json:
        oracle = self.oracle
        prompt = oracle.prompt(messages, len(images))
        prompt_ids = oracle.tokenizer.encode_prompt(prompt)
        rows = oracle.rows(prompt_ids, images)
        seen, found = oracle.decoder.prefill(rows), oracle.decoder.greedy(rows, case.limit, oracle.stops)
        tensors |= {f"turn{turn}.hidden": seen.hidden, f"turn{turn}.logits": seen.logits}
        hidden, logits = formulas.decoder_states(oracle.checkpoint, rows)
        error["hidden"] = max(error.get("hidden", 0), difference(seen.hidden, hidden))
        error["logits"] = max(error.get("logits", 0), difference(seen.logits, logits))
        error["bf16_logits_std"] = max(error.get("bf16_logits_std", 0), self.bf16_error(rows, seen.logits))
        top = seen.logits.topk(20)
        result = {"question": messages[-1][1], "prompt": prompt, "prompt_ids": prompt_ids, "prompt_tokens": len(rows),
                  "token_ids": found.ids, "text": oracle.answer_text(found.ids),
                  "finish_reason": "stop" if found.stopped else "length", "gaps": [round(g, 6) for g in found.gaps],
                  "first_logits": [[i, round(v, 6)] for i, v in zip(top.indices.tolist(), top.values.tolist())]}
        if case.beams:
            ids, score = oracle.decoder.beam(rows, case.beams, case.limit)
            result["beam"] = {"beams": case.beams, "token_ids": ids, "score": round(score, 6),
                              "text": oracle.tokenizer.decode(ids)}
        return result

    def record_case(self, case: Case, folder: Path) -> Json:
        images = [self.oracle.see(self.pictures / name) for name in case.pictures]
        tensors: dict[str, torch.Tensor] = {}
        error: Json = {}
        self.record_images(images, case, tensors, error)
        turns: list[Json] = []
        messages: list[tuple[str, str]] = []
        for k, question in enumerate(case.questions):
            messages.append(("Human", question))
            turns.append(self.record_turn(case, messages, images, error, tensors, k))
            messages.append(("Assistant", case.reply(k, turns[-1]["text"])))
        save_file(tensors, folder / f"{case.name}.safetensors")
        return {"name": case.name, "pictures": list(case.pictures), "resized_crc": [crc(i.resized) for i in images],
                "tensors": f"{case.name}.safetensors", "max_new_tokens": case.limit,
                "f32_error": {k: float(f"{v:.2e}") for k, v in error.items()}, "turns": turns}


def write_goldens(path: Path, head: Json, cases: list[Json]) -> None:
    """One turn a line, so that a change can be read."""
    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    blocks = []
    for case in cases:
        turns = ",\n   ".join(line(t) for t in case["turns"])
        rest = line({k: v for k, v in case.items() if k != "turns"})[:-1]
        blocks.append(f'  {rest}, "turns": [\n   {turns}]}}')
    path.write_text(line(head)[:-1] + ', "cases": [\n' + ",\n".join(blocks) + "\n]}\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("golden", type=Path)
    parser.add_argument("names", nargs="*", metavar="CHECKPOINT")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.names or CASES:
        folder = args.golden / name / "golden"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        recorder = Recorder(Oracle(args.golden / name), args.golden / "pictures")
        cases = [recorder.record_case(case, folder) for case in CASES[name]]
        template = "yi_vl" if recorder.oracle.sees else "plain"
        write_goldens(folder / "goldens.json", {"checkpoint": name, "template": template, "made_with": versions()}, cases)
        record_tokenizer(recorder.oracle.tokenizer, folder / "tokenizer.json")
        worst = {k: max(c["f32_error"].get(k, 0) for c in cases) for k in ("features", "rows", "hidden", "logits", "bf16_logits_std")}
        near = [(c["name"], g) for c in cases for t in c["turns"] for g in t["gaps"] if g < 0.002]
        print("near ties:", near or "none")
        print(name, len(cases), "cases; largest difference to f64:", worst)


if __name__ == "__main__":
    main()
