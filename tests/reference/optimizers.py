"""Regenerates crates/training/tests/data/{optimizers,schedules,losses}.json: 20 steps of torch.optim on a small fixed problem,
the rates of OneCycleLR, and cross-entropies with every option.

    python optimizers.py         (needs torch)
"""

import json
import pathlib

import torch

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates" / "training" / "tests" / "data"
STEPS = 20
RATE = 0.05


def start():
    generator = torch.Generator().manual_seed(11)
    return {
        "fc.weight": torch.randn(3, 4, generator=generator),
        "fc.bias": torch.randn(3, generator=generator),
    }


def problem():
    """A quadratic whose curvature differs from value to value, so that momentum and second moments matter."""
    generator = torch.Generator().manual_seed(12)
    return {
        name: (torch.rand(value.shape, generator=generator) * 4 + 0.1, torch.randn(value.shape, generator=generator))
        for name, value in start().items()
    }


CASES = {
    "sgd": lambda p: torch.optim.SGD(p, RATE),
    "sgd_decay": lambda p: torch.optim.SGD(p, RATE, weight_decay=0.1),
    "momentum": lambda p: torch.optim.SGD(p, RATE, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, RATE, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, RATE, betas=(0.9, 0.999), eps=1e-8),
    "adam_decay": lambda p: torch.optim.Adam(p, RATE, betas=(0.8, 0.99), eps=1e-8, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1),
}


def run(make):
    values = {name: value.double().clone().requires_grad_(True) for name, value in start().items()}
    quadratic = {name: (c.double(), t.double()) for name, (c, t) in problem().items()}
    optimizer = make(list(values.values()))
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = sum((c * (values[name] - t) ** 2).sum() / 2 for name, (c, t) in quadratic.items())
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    return {"losses": losses, "end": {name: value.flatten().tolist() for name, value in values.items()}}


def one_cycle(peak, total, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=total, cycle_momentum=False, **options)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < total:
            schedule.step()
    return rates


def cross_entropies():
    generator = torch.Generator().manual_seed(13)
    logits = (torch.randn(5, 4, generator=generator) * 3).double()
    labels = torch.tensor([0, 3, 1, 1, 2])
    soft = torch.softmax(torch.randn(5, 4, generator=generator).double() * 2, 1)
    weight = torch.tensor([0.5, 2.0, 1.0, 0.25]).double()
    counts = torch.tensor([100.0, 10.0, 1.0, 30.0]).double()
    cases = {
        "labels": (labels, dict()),
        "smoothed": (labels, dict(label_smoothing=0.1)),
        "weighted": (labels, dict(weight=weight)),
        "weighted_smoothed": (labels, dict(weight=weight, label_smoothing=0.1)),
        "soft": (soft, dict()),
        "soft_smoothed": (soft, dict(label_smoothing=0.2)),
    }
    out = {}
    for name, (target, options) in cases.items():
        z = logits.clone().requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(z, target, **options)
        loss.backward()
        out[name] = {"loss": loss.item(), "gradient": z.grad.flatten().tolist()}
    z = logits.clone().requires_grad_(True)
    loss = torch.nn.functional.cross_entropy(z + torch.log(counts / counts.sum()), labels)
    loss.backward()
    out["balanced_softmax"] = {"loss": loss.item(), "gradient": z.grad.flatten().tolist()}
    return {
        "logits": logits.flatten().tolist(),
        "labels": labels.tolist(),
        "soft": soft.flatten().tolist(),
        "weights": weight.tolist(),
        "counts": counts.tolist(),
        "cases": out,
    }


def write(name, value):
    (OUT / name).write_text(json.dumps(value, indent=1) + "\n")


def main():
    flat = lambda tensors: {name: value.flatten().tolist() for name, value in tensors.items()}
    write(
        "optimizers.json",
        {
            "rate": RATE,
            "start": flat(start()),
            "curvature": flat({name: c for name, (c, _) in problem().items()}),
            "target": flat({name: t for name, (_, t) in problem().items()}),
            "cases": {name: run(make) for name, make in CASES.items()},
        },
    )
    write(
        "schedules.json",
        {
            "default": one_cycle(0.1, 40),
            "custom": one_cycle(0.4, 37, pct_start=0.2, div_factor=10, final_div_factor=100),
        },
    )
    write("losses.json", cross_entropies())


if __name__ == "__main__":
    main()
