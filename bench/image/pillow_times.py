#!/usr/bin/env python3
"""What image_bench measures, done by Pillow: pillow_times.py RUNS FILE..."""

import sys
import time
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

SIZE, GROUND = 448, (122, 116, 104)
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def best_ms(runs, call):
    times = []
    for _ in range(runs):
        start = time.process_time()
        result = call()
        times.append((time.process_time() - start) * 1000)
    return min(times), result


def decode(path):
    with Image.open(path) as picture:
        return picture.convert("RGB")


def pad(picture):
    side = max(picture.size)
    square = Image.new("RGB", (side, side), GROUND)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def crop(picture):
    width, height = (int(SIZE * edge / min(picture.size)) for edge in picture.size)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    resized = picture.resize((width, height), Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + SIZE, top + SIZE))


def normalise(picture):
    scaled = (np.asarray(picture).astype(np.float64) * (1 / 255)).astype(np.float32)
    return np.ascontiguousarray(((scaled - MEAN) / STD).transpose(2, 0, 1))


print("Pillow", PIL.__version__)
for path in map(Path, sys.argv[2:]):
    runs = int(sys.argv[1])
    decode_ms, image = best_ms(runs, lambda: decode(path))
    pad_ms, fitted = best_ms(runs, lambda: pad(image))
    crop_ms, _ = best_ms(runs, lambda: crop(image))
    pixels_ms, _ = best_ms(runs, lambda: normalise(fitted))
    print(f"{path.name:32} {image.width:5} x {image.height:<5} decode {decode_ms:8.2f} ms  pad+resize {pad_ms:7.2f} ms"
          f"  resize+crop {crop_ms:7.2f} ms  normalise {pixels_ms:5.2f} ms")
