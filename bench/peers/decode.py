"""Decode, resize, crop and normalise JPEGs on one core: Heirloom beside Pillow + NumPy, interleaved in one run.

Needs: pip install pillow numpy pyarrow. From the workspace root:
    cargo build --release -p heirloom-bench && python bench/peers/decode.py DATA.parquet [DATA.parquet ...] [--rounds 7]

Every round times each side once, in turn, on the same encoded bytes held in memory. Heirloom stops at eight-bit pixels, since its
networks normalise in their first layer; Pillow's side ends in normalised float32, as a Python pipeline hands it to its network.
"""

import argparse
import io
import json
import statistics
import subprocess
import time

import numpy as np
import PIL
import pyarrow.parquet
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one timing")
    parser.add_argument("--shorter-side", type=int, default=256)
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--filter", choices=["bilinear", "bicubic"], default="bilinear")
    parser.add_argument("--binary", default="target/release/heirloom-bench")
    return parser.parse_args()


def prepare(encoded, side, crop, filter):
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    width, height = image.size
    size = (side, side * height // width) if width <= height else (side * width // height, side)
    image = image.resize(size, filter)
    left, top = round((size[0] - crop) / 2), round((size[1] - crop) / 2)
    image = image.crop((left, top, left + crop, top + crop))
    return (np.asarray(image, dtype=np.float32) / 255 - MEAN) / STD


def pillow_rate(images, arguments):
    filter = getattr(Image.Resampling, arguments.filter.upper())
    for encoded in images[:20]:
        prepare(encoded, arguments.shorter_side, arguments.crop, filter)
    start, count = time.perf_counter(), 0
    while True:
        for encoded in images:
            prepare(encoded, arguments.shorter_side, arguments.crop, filter)
            count += 1
            if time.perf_counter() - start > arguments.seconds:
                return count / (time.perf_counter() - start)


def heirloom_rate(data, arguments):
    settings = [arguments.shorter_side, arguments.crop, arguments.filter, arguments.seconds]
    command = [arguments.binary, "decode", data, *map(str, settings)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["images_per_second"]


def main():
    arguments = parse()
    for data in arguments.data:
        column = pyarrow.parquet.read_table(data, columns=["image"])["image"].to_pylist()
        images = [cell["bytes"] for cell in column[:1000]]
        rounds = [(heirloom_rate(data, arguments), pillow_rate(images, arguments)) for _ in range(arguments.rounds)]
        result = {
            "data": data,
            "images": len(images),
            "pillow": PIL.__version__,
            "heirloom_images_per_second": round(statistics.median(ours for ours, _ in rounds), 1),
            "pillow_images_per_second": round(statistics.median(theirs for _, theirs in rounds), 1),
            "ratio": round(statistics.median(ours / theirs for ours, theirs in rounds), 3),
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
