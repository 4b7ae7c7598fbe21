"""ResNet-20 from random weights in PyTorch, by the recipe of this folder's README: the other side of the comparison.

Needs: pip install torch timm torchvision pillow pyarrow. From the workspace root:
    python recipes/cifar10_resnet20/peer.py [--data $HEIRLOOM_DATA/datasets/cifar10] [--output recipes/cifar10_resnet20/results]

One JSON line is written to `OUTPUT/torch-SEED.jsonl` after every epoch. The whole state is kept beside it, so that a run that was
broken off goes on from its last complete epoch; what is complete is left alone.
"""

import argparse
import io
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/reference"))

from training import CifarResNet20  # noqa: E402

EPOCHS, BATCH, PEAK, MOMENTUM, DECAY, SHIFT = 12, 128, 0.2, 0.9, 5e-4, 4
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("HEIRLOOM_DATA", "../shared/data") + "/datasets/cifar10")
    parser.add_argument("--output", default=str(Path(__file__).parent / "results"))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def read(path):
    """Images `[rows, 3, 32, 32]` as bytes, and labels."""
    table = pyarrow.parquet.read_table(path).to_pydict()
    pixels = [np.asarray(Image.open(io.BytesIO(image["bytes"])).convert("RGB")) for image in table["image"]]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous(), torch.tensor(table["label"])


def normalised(pixels):
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return ((pixels.float() / 255 - mean) / deviation).contiguous(memory_format=torch.channels_last)


def augmented(pixels, generator):
    """Shifted by up to four pixels in each direction with black borders, and mirrored half of the time, each image for itself."""
    count, side = len(pixels), pixels.shape[-1]
    padded = F.pad(pixels, [SHIFT] * 4)
    start = torch.randint(2 * SHIFT + 1, (2, count, 1), generator=generator)
    flip = torch.rand(count, 1, generator=generator) < 0.5
    line = torch.arange(side)
    rows, columns = start[0] + line, start[1] + torch.where(flip, side - 1 - line, line)
    image = torch.arange(count).view(-1, 1, 1, 1)
    return padded[image, torch.arange(3).view(1, 3, 1, 1), rows.view(count, 1, side, 1), columns.view(count, 1, 1, side)]


def first_weights(model):
    """He normal by outputs; the classifier as PyTorch draws it, with a bias of zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.uniform_(model.linear.weight, -1 / 8, 1 / 8)  # 1 / sqrt(64 inputs)
    nn.init.zeros_(model.linear.bias)


def accuracy(model, pixels, labels):
    model.eval()
    with torch.no_grad():
        parts = [model(normalised(part)).argmax(1) for part in pixels.split(500)]
    model.train()
    return (torch.cat(parts) == labels).double().mean().item()


class Run:
    def __init__(self, seed, steps):
        torch.manual_seed(seed)
        self.model = CifarResNet20(10).to(memory_format=torch.channels_last)
        first_weights(self.model)
        decaying = [p for p in self.model.parameters() if p.ndim > 1]
        other = [p for p in self.model.parameters() if p.ndim == 1]
        groups = [{"params": decaying, "weight_decay": DECAY}, {"params": other, "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, lr=PEAK, momentum=MOMENTUM, nesterov=True)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=PEAK, total_steps=EPOCHS * steps, cycle_momentum=False
        )
        self.generator = torch.Generator().manual_seed(1000 + seed)

    def state(self):
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimizer", "schedule")}
        return parts | {"generator": self.generator.get_state()}

    def restore(self, state):
        for name in ("model", "optimizer", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["generator"])

    def epoch(self, pixels, labels):
        """Mean loss of the steps."""
        losses = []
        for rows in torch.randperm(len(labels), generator=self.generator).split(BATCH):
            self.optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self.model(normalised(augmented(pixels[rows], self.generator))), labels[rows])
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)


def train(seed, output, training, test):
    log, kept = output / f"torch-{seed}.jsonl", output / f"torch-{seed}.state"
    run, lines = Run(seed, -(-len(training[1]) // BATCH)), []
    if log.exists():
        lines = log.read_text().splitlines()
        if len(lines) >= EPOCHS:
            return
        state = torch.load(kept, weights_only=True)
        lines = lines[: state["epochs"]]
        run.restore(state)
    run.model.train()
    for epoch in range(len(lines), EPOCHS):
        start = time.perf_counter()
        loss = run.epoch(*training)
        seconds = time.perf_counter() - start
        score = accuracy(run.model, *test)
        lines.append(json.dumps({"epoch": epoch, "loss": loss, "test_accuracy": score, "seconds": round(seconds, 2)}))
        print(f"seed {seed}:", lines[-1], flush=True)
        partial = kept.with_suffix(".partial")
        torch.save(run.state() | {"epochs": epoch + 1}, partial)
        partial.rename(kept)
        log.write_text("\n".join(lines) + "\n")
    kept.unlink()


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    training, test = (read(f"{arguments.data}/{part}.parquet") for part in ("train", "test"))
    for seed in arguments.seeds.split(","):
        train(int(seed), output, training, test)


if __name__ == "__main__":
    main()
