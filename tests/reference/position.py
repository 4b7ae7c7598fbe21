"""Regenerates crates/zoo/src/position/reference.json: position embeddings that timm resamples to other grids.

Embedding `t` has the channels `sin(t)` and `(t mod 7) / 7`.

    python position.py            (needs torch, timm)
"""

import json
import pathlib

import torch
from timm.layers import resample_abs_pos_embed

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates" / "zoo" / "src" / "position" / "reference.json"


def main():
    cases = []
    for old, new in [([4, 4], [6, 6]), ([14, 14], [4, 4]), ([14, 14], [6, 6]), ([14, 14], [2, 2]), ([4, 4], [3, 7]), ([5, 5], [1, 1])]:
        t = torch.arange(1 + old[0] * old[1], dtype=torch.float64)
        embeddings = torch.stack([t.sin(), (t % 7) / 7], dim=1).float()[None]
        found = resample_abs_pos_embed(embeddings, new, old, num_prefix_tokens=1)
        cases.append({"from": old, "to": new, "values": [float(f"{value:.7g}") for value in found.flatten()]})
    OUT.write_text("[\n" + ",\n".join(" " + json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
