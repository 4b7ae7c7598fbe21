"""Regenerates crates/training/tests/data/training.json: gradients and losses of networks in training mode.

Networks are filled by the formula of networks.py and see formula images; labels are `(7 i + 3 step) mod classes`. Everything is in
float64. Of each parameter's gradient the largest magnitude and evenly spaced values are kept; then come the losses of 20 steps of
SGD with momentum 0.9, a new batch at each step.

    python training.py            (needs what networks.py needs)
"""

import copy
import json
import pathlib

import numpy as np
import timm
import torch
import torch.nn as nn
import torch.nn.functional as F

from networks import GATED, VIT, parameter, uniform

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates" / "training" / "tests" / "data"
KEPT = 12
STEPS = 20


def images(step, count, side):
    values = [uniform(f"image{step}.{i}", side * side * 3) * np.sqrt(3.0) for i in range(count)]
    values = np.stack(values).astype(np.float32).reshape(count, side, side, 3)
    return torch.from_numpy(values).permute(0, 3, 1, 2).double()


def labels(step, count, classes):
    return torch.tensor([(7 * i + 3 * step) % classes for i in range(count)])


class Block(nn.Module):
    """Basic block with the parameter-free shortcut of He et al. 2016, section 4.2, option A."""

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.side = stride, (width - inputs) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride == 2:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.side, self.side))
        return F.relu(x + y)


class CifarResNet20(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = [16, 16, 32, 64]
        for stage in (1, 2, 3):
            first = Block(widths[stage - 1], widths[stage], 2 if stage > 1 else 1)
            rest = [Block(widths[stage], widths[stage], 1) for _ in range(2)]
            setattr(self, f"layer{stage}", nn.Sequential(first, *rest))
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


def kept(values):
    values = values.detach().reshape(-1).numpy()
    step = max(1, len(values) // KEPT)
    return [float(f"{x:.8g}") for x in values[::step][:KEPT]]


def single_precision(model, side, batch, classes, rate):
    """The losses in float32: how far rounding alone takes them from those in float64."""
    model = copy.deepcopy(model).float().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images(step, batch, side).float()), labels(step, batch, classes))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def case(architecture, layout, model, side, batch, classes, scales, rate):
    state = model.state_dict()
    filled = {key: parameter(key, list(value.shape), scales) for key, value in state.items() if "num_batches" not in key}
    model.load_state_dict(filled, strict=False)
    alone = single_precision(model, side, batch, classes, rate)
    model = model.double().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    losses, gradients, running = [], {}, {}
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images(step, batch, side)), labels(step, batch, classes))
        loss.backward()
        if step == 0:
            for name, value in model.named_parameters():
                gradients[name] = {"largest": float(value.grad.abs().max()), "values": kept(value.grad)}
            running = {k: kept(v) for k, v in model.state_dict().items() if "running" in k}
        optimizer.step()
        losses.append(loss.item())
    drift = max(abs(a - b) for a, b in zip(losses, alone))
    print(architecture, [round(x, 4) for x in losses], f"float32 drifts by {drift:.1e}", flush=True)
    # Beyond this, the comparison would show rounding and nothing else.
    assert drift < 3e-4, architecture
    return {
        "architecture": architecture, "layout": layout, "input_side": side, "batch": batch, "classes": classes,
        "scales": scales, "learning_rate": rate, "losses": losses, "gradients": gradients, "running": running,
    }


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    cases = [
        case("cifar_resnet20", "torchvision", CifarResNet20(10), 32, 6, 10, [["bn2.weight", 0.3]], 0.02),
        case("mobilenetv3_small_100", "timm", timm.create_model("mobilenetv3_small_100", num_classes=10), 64, 6, 10, GATED, 0.0005),
        case("vit_tiny_patch16_224", "timm", timm.create_model("vit_tiny_patch16_224", num_classes=10), 224, 2, 10, VIT, 0.001),
    ]
    (OUT / "training.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
