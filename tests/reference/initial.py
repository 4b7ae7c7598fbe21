"""Regenerates crates/zoo/tests/data/initial.json: standard deviations of the first weights that torchvision and timm draw.

Parameters of at least 10000 values; the deviation of one draw is then within a few per cent of the distribution's.

    python initial.py            (needs torch, timm, torchvision)
"""

import json
import pathlib

import timm
import torch
import torchvision

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates" / "zoo" / "tests" / "data"
LEAST = 10000
TORCHVISION = ["resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "squeezenet1_1", "convnext_tiny"]
TIMM = ["vit_tiny_patch16_224", "deit_tiny_patch16_224"]


def deviations(model):
    large = ((key, value) for key, value in model.state_dict().items() if value.numel() >= LEAST)
    return {key: float(f"{value.double().pow(2).mean().sqrt():.6g}") for key, value in large}


def main():
    torch.manual_seed(0)
    rows = [("torchvision", name, getattr(torchvision.models, name)(weights=None)) for name in TORCHVISION]
    rows += [("timm", name, timm.create_model(name, pretrained=False)) for name in TIMM]
    cases = [{"architecture": name, "layout": layout, "deviations": deviations(model)} for layout, name, model in rows]
    lines = ",\n".join(" " + json.dumps(case) for case in cases)
    (OUT / "initial.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
