"""Regenerates crates/training/tests/data/training.json: gradients and losses of networks in training mode.

Networks are filled by the formula of networks.py and see formula images; labels are `(7 i + 3 step) mod classes`. Everything is in
float64. Of each parameter's gradient the largest magnitude and evenly spaced values are kept; then come the losses of 20 steps of
SGD with momentum 0.9, a new batch at each step.

    python training.py [ARCHITECTURE ...]      (needs what networks.py needs)

With names, only these are computed and the others stay as they are.
"""

import copy
import json
import pathlib
import sys

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


class FixupBlock(nn.Module):
    """Basic block of Zhang, Dauphin and Ma 2019, section 3: biases of one value around the convolutions, a factor at the end."""

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.scale = nn.Parameter(torch.ones(1))
        for name in ("bias1a", "bias1b", "bias2a", "bias2b"):
            setattr(self, name, nn.Parameter(torch.zeros(1)))
        self.stride, self.more = stride, width - inputs

    def forward(self, x):
        shifted = x + self.bias1a
        y = F.relu(self.conv1(shifted) + self.bias1b)
        y = self.conv2(y + self.bias2a) * self.scale + self.bias2b
        if self.more:
            x = F.pad(shifted[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        return F.relu(x + y)


class CifarFixupResNet20(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bias1, self.bias2 = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        widths = [16, 16, 32, 64]
        for stage in (1, 2, 3):
            first = FixupBlock(widths[stage - 1], widths[stage], 2 if stage > 1 else 1)
            rest = [FixupBlock(widths[stage], widths[stage], 1) for _ in range(2)]
            setattr(self, f"layer{stage}", nn.Sequential(first, *rest))
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.conv1(x) + self.bias1)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean(dim=(2, 3)) + self.bias2)


def kept(values):
    values = values.detach().reshape(-1).numpy()
    step = max(1, len(values) // KEPT)
    return [float(f"{x:.8g}") for x in values[::step][:KEPT]]


def single_precision(model, side, batch, classes, rate):
    """Losses and first gradients in float32: how far rounding alone takes them from those in float64."""
    model = copy.deepcopy(model).float().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    losses, gradients = [], {}
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images(step, batch, side).float()), labels(step, batch, classes))
        loss.backward()
        if step == 0:
            gradients = {name: value.grad.double() for name, value in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    return losses, gradients


def case(architecture, layout, model, side, batch, classes, scales, rate):
    state = model.state_dict()
    filled = {key: parameter(key, list(value.shape), scales) for key, value in state.items() if "num_batches" not in key}
    model.load_state_dict(filled, strict=False)
    alone, single = single_precision(model, side, batch, classes, rate)
    model = model.double().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    losses, gradients, rounding, running = [], {}, {}, {}
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images(step, batch, side)), labels(step, batch, classes))
        loss.backward()
        if step == 0:
            for name, value in model.named_parameters():
                largest = float(value.grad.abs().max())
                gradients[name] = {"largest": largest, "values": kept(value.grad)}
                rounding[name] = float((value.grad - single[name]).abs().max())
            running = {k: kept(v) for k, v in model.state_dict().items() if "running" in k}
        optimizer.step()
        losses.append(loss.item())
    drift = max(abs(a - b) for a, b in zip(losses, alone))
    overall = max(gradient["largest"] for gradient in gradients.values())
    counted = {name: gradient["largest"] for name, gradient in gradients.items() if gradient["largest"] > 1e-9 * overall}
    worst = max(rounding[name] / largest for name, largest in counted.items())
    print(architecture, [round(x, 4) for x in losses], f"float32 drifts by {drift:.1e}, gradients by {worst:.1e}", flush=True)
    # Beyond this, the comparison would show rounding (an activation that changes sides at zero, say) and nothing else.
    assert drift < 3e-4 and worst < 5e-5, architecture
    return {
        "architecture": architecture, "layout": layout, "input_side": side, "batch": batch, "classes": classes,
        "scales": scales, "learning_rate": rate, "losses": losses, "gradients": gradients, "running": running,
    }


CASES = {
    "cifar_resnet20": ("torchvision", CifarResNet20, 32, 6, [["bn2.weight", 0.3]], 0.02),
    "cifar_fixup_resnet20": ("torchvision", CifarFixupResNet20, 32, 6, [["scale", 0.3]], 0.02),
    "mobilenetv3_small_100": ("timm", None, 64, 6, GATED, 0.0005),
    "vit_tiny_patch16_224": ("timm", None, 224, 2, VIT, 0.001),
}


def computed(architecture):
    layout, build, side, batch, scales, rate = CASES[architecture]
    model = build(10) if build else timm.create_model(architecture, num_classes=10)
    return case(architecture, layout, model, side, batch, 10, scales, rate)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    path, wanted = OUT / "training.json", sys.argv[1:] or list(CASES)
    stored = {} if wanted == list(CASES) else {row["architecture"]: row for row in json.loads(path.read_text())}
    rows = [computed(name) if name in wanted else stored[name] for name in CASES]
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
