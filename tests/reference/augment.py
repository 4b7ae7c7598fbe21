"""Makes the stored reference of the data crate's augmentation: what torchvision's functions give for given factors, boxes and
random numbers.

Run from the repository root with a Python that has torch, torchvision, numpy and pillow:

    python tests/reference/augment.py

Writes crates/data/tests/data/augment.json. Sources are formulas that the tests compute too (see `source` in pixels.py).
Random numbers of torchvision are replaced by given ones, so that boxes can be compared.
"""

import json
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F

OUT = Path("crates/data/tests/data/augment.json")
MASK = (1 << 64) - 1


def hashed(seed, index):
    """splitmix64 of (seed, index)."""
    z = (((seed << 32) + index + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def noise(width, height, seed):
    values = [hashed(seed, index) >> 56 for index in range(width * height * 3)]
    return np.array(values, dtype=np.uint8).reshape(height, width, 3)


def colours(seed):
    """Noise, then greys, primaries, black and white: every branch of the hue's formula."""
    image = noise(8, 6, seed)
    image[0, :4] = [[0, 0, 0], [255, 255, 255], [128, 128, 128], [7, 7, 7]]
    image[1, :6] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255]]
    return image


def flat(tensor):
    return np.asarray(tensor.permute(1, 2, 0)).reshape(-1).tolist()


def jitter():
    functions = {
        "brightness": F.adjust_brightness,
        "contrast": F.adjust_contrast,
        "saturation": F.adjust_saturation,
        "hue": F.adjust_hue,
    }
    factors = {"hue": [-0.5, -0.1, 0.03, 0.25, 0.5]}
    cases = []
    for name, function in functions.items():
        for factor in factors.get(name, [0.0, 0.6, 0.93, 1.4, 2.5]):
            for seed in (1, 2):
                source = torch.from_numpy(colours(seed)).permute(2, 0, 1)
                cases.append({"what": name, "factor": factor, "seed": seed, "pixels": flat(function(source, factor))})
    return cases


def boxes():
    """Boxes for given numbers in [0, 1): area, shape and, when the box fits, row and column of each try."""
    rng = np.random.default_rng(5)
    sizes = [(500, 375), (375, 500), (64, 64), (640, 90), (90, 640), (1000, 12), (3, 2)]
    settings = [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.5, 1.0), (1.0, 1.0)), ((0.9, 1.0), (0.2, 5.0))]
    cases = []
    for width, height in sizes:
        for scale, ratio in settings:
            for _ in range(3):
                numbers = rng.random(24).tolist()
                queue = list(numbers)
                uniform = lambda tensor, low, high: torch.tensor(
                    [float(low) + (float(high) - float(low)) * queue.pop(0)], dtype=torch.float64
                )
                randint = lambda low, high, size: torch.tensor([low + int((high - low) * queue.pop(0))])
                image = torch.zeros(3, height, width, dtype=torch.uint8)
                with mock.patch.object(torch.Tensor, "uniform_", uniform), mock.patch.object(torch, "randint", randint):
                    top, left, part_height, part_width = RandomResizedCrop.get_params(image, list(scale), list(ratio))
                box = [left, top, part_width, part_height]
                cases.append({"size": [width, height], "scale": scale, "ratio": ratio, "numbers": numbers, "box": box})
    return cases


def crops():
    """Parts cut out and resized with Pillow's filters."""
    filters = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
    cases = []
    for seed, (size, box, side) in enumerate(
        [((40, 30), (5, 7, 21, 16), 12), ((40, 30), (0, 0, 9, 11), 16), ((33, 47), (10, 20, 23, 27), 16)]
    ):
        for name, interpolation in filters.items():
            image = Image.fromarray(noise(*size, seed))
            left, top, width, height = box
            result = F.resized_crop(image, top, left, height, width, [side, side], interpolation)
            pixels = np.asarray(result).reshape(-1).tolist()
            cases.append({"size": size, "box": box, "side": side, "filter": name, "seed": seed, "pixels": pixels})
    return cases


def shifts():
    cases = []
    for mode, border in (("constant", "zero"), ("reflect", "reflect")):
        for start in ([0, 0], [6, 6], [3, 3], [1, 5], [4, 2]):
            image = torch.from_numpy(noise(9, 7, 3)).permute(2, 0, 1)
            padded = F.pad(image, [3, 3, 3, 3], padding_mode=mode)
            pixels = flat(F.crop(padded, start[0], start[1], 7, 9))
            cases.append({"border": border, "start": start, "pixels": pixels})
    return cases


def main():
    reference = {"jitter": jitter(), "boxes": boxes(), "crops": crops(), "shifts": shifts()}
    OUT.write_text(json.dumps(reference, separators=(",", ":")).replace("},{", "},\n{") + "\n")


if __name__ == "__main__":
    main()
