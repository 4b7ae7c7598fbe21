"""Training steps: Heirloom beside PyTorch (channels-last or plain, in bf16 also with and without autocast: the fastest of them), interleaved in one run.

Needs: pip install torch timm torchvision. From the workspace root:
    cargo build --release -p heirloom-bench && python bench/peers/steps.py [--rounds 5] [--cases resnet20,...] [--precision bf16]

A step is forward, cross-entropy, backward and SGD with momentum on a fixed batch of noise. Weights are random: only time counts.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/reference"))

# Name: our architecture, side, batch, how PyTorch builds it.
CASES = {
    "resnet20": ("cifar_resnet20", 32, 128),
    "resnet18_64": ("resnet18", 64, 64),
    "resnet18_224": ("resnet18", 224, 32),
    "mobilenetv3_96": ("mobilenetv3_large_100", 96, 64),
    "vit_tiny": ("vit_tiny_patch16_224", 224, 16),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one timing")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--binary", default="target/release/heirloom-bench")
    return parser.parse_args()


def build(name):
    if name == "cifar_resnet20":
        from training import CifarResNet20

        return CifarResNet20(10)
    import timm

    return timm.create_model(name)


class Torch:
    def __init__(self, name, side, batch, threads, precision):
        torch.set_num_threads(threads)
        x, self.y = torch.randn(batch, 3, side, side), torch.arange(batch) % 10
        self.forms = {}
        for layout, memory in (("plain", torch.contiguous_format), ("channels-last", torch.channels_last)):
            model = build(name).train().to(memory_format=memory)
            optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
            for autocast in (False, True) if precision == "bf16" else (False,):
                form = f"{layout}, autocast" if autocast else layout
                self.forms[form] = (model, x.to(memory_format=memory), optimizer, autocast)
        rates = {form: self.rate(form, 1.0) for form in self.forms}
        self.best = max(rates, key=rates.get)

    def rate(self, form, seconds):
        model, x, optimizer, autocast = self.forms[form]

        def step():
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                loss = F.cross_entropy(model(x), self.y)
            loss.backward()
            optimizer.step()

        step()
        start, images = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            step()
            images += len(self.y)
        return images / (time.perf_counter() - start)


def main():
    arguments = parse()
    for case in arguments.cases.split(","):
        name, side, batch = CASES[case]
        command = [arguments.binary, "steps", name, str(side), str(batch), "--threads", str(arguments.threads), "--precision", arguments.precision, "--serve"]
        ours = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        peer = Torch(name, side, batch, arguments.threads, arguments.precision)
        rounds = []
        for _ in range(arguments.rounds):
            ours.stdin.write(f"{arguments.seconds}\n")
            answer = json.loads(ours.stdout.readline())
            rounds.append((answer, peer.rate(peer.best, arguments.seconds)))
        ours.stdin.close()
        ratios = sorted(a["images_per_second"] / b for a, b in rounds)
        median = lambda values: statistics.median(values)
        print(
            f"{case:16} {median([a['images_per_second'] for a, _ in rounds]):7.1f} images/s, PyTorch ({peer.best}) "
            f"{median([b for _, b in rounds]):7.1f}; ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); "
            f"{100 * median([a['fraction_of_fma_rate'] for a, _ in rounds]):.0f} % of the FMA rate; "
            f"activations {rounds[-1][0]['activation_mib']:.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
