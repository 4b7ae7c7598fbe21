"""Centred kernel alignment of every layer of two networks, Heirloom beside PyTorch, on the same images and batches.

Needs: pip install torch timm safetensors numpy. From the workspace root:
    cargo build --release -p heirloom-bench && python bench/peers/similarity.py [--rounds 3] [--images 2048] [--layers 50]

Two ResNet-18 at 64 px with random weights, 50 layers each, 2048 images in batches of 256: the unbiased form over batches of all
pairs of layers. PyTorch runs both networks with hooks on the layers and computes, for every batch, one Gram matrix per layer, which is
centred and flattened, and all pairs by one product (what packages for this do pair by pair is slower and is timed on a few pairs,
--pairwise). Heirloom's Gram matrices are in double precision; PyTorch's in single precision (--double for the other), as packages have
them. Values are compared.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--images", type=int, default=2048)
parser.add_argument("--batch", type=int, default=256)
parser.add_argument("--layers", type=int, default=50)
parser.add_argument("--side", type=int, default=64)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--double", action="store_true")
parser.add_argument("--pairwise", type=int, default=0, metavar="PAIRS")
parser.add_argument("--binary", default="target/release/heirloom-bench")
arguments = parser.parse_args()
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numpy as np  # noqa: E402  (the number of threads is read at import)
import timm  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.set_num_threads(arguments.threads)


def network(seed):
    torch.manual_seed(seed)
    model = timm.create_model("resnet18", pretrained=False, num_classes=10).eval()
    # Scales and statistics of a network that was trained; the last norm of a block starts at zero otherwise.
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
    return model


def layers():
    """The convolutions, norms, activations and blocks of a ResNet-18, from the input to the output."""
    names = ["conv1", "bn1", "act1", "maxpool"]
    for stage in range(1, 5):
        for block in range(2):
            at = f"layer{stage}.{block}"
            names += [f"{at}.conv1", f"{at}.bn1", f"{at}.act1", f"{at}.conv2", f"{at}.bn2", at]
    return names[: arguments.layers]


def hooked(model, names):
    values = {}
    modules = dict(model.named_modules())
    for name in names:
        modules[name].register_forward_hook(lambda _, __, out, name=name: values.__setitem__(name, out.clone()))
    return values


def centred(x):
    x = x.flatten(1).to(torch.float64 if arguments.double else torch.float32)
    gram = x @ x.T
    gram.fill_diagonal_(0.0)
    n = len(gram)
    means = gram.sum(0) / (n - 2)
    means -= means.sum() / (2 * (n - 1))
    gram -= means[:, None] + means[None, :]
    return gram.fill_diagonal_(0.0)


def theirs(models, names, pixels):
    values = [hooked(model, names) for model in models]
    sums = [0.0, 0.0, 0.0]
    started = time.perf_counter()
    with torch.inference_mode():
        for batch in pixels.split(arguments.batch):
            grams = []
            for model, found in zip(models, values):
                model(batch)
                grams.append(torch.stack([centred(found[name]).flatten() for name in names]).double())
            sums[0] += grams[0] @ grams[1].T
            sums[1] += (grams[0] ** 2).sum(1)
            sums[2] += (grams[1] ** 2).sum(1)
    seconds = time.perf_counter() - started
    return seconds, (sums[0] / (sums[1][:, None] * sums[2][None, :]).sqrt()).numpy()


def hsic(k, l):
    """As packages compute it for each pair of layers: products with vectors of ones."""
    n = len(k)
    ones = torch.ones(n, 1)
    kl = k @ l
    return (kl.trace() + (ones.T @ k @ ones * (ones.T @ l @ ones)) / ((n - 1) * (n - 2)) - 2 * (ones.T @ kl @ ones) / (n - 2)) / (n * (n - 3))


def pairwise(models, names, pixels):
    """Seconds of one batch as packages do it, from some pairs of layers."""
    values = [hooked(model, names) for model in models]
    with torch.inference_mode():
        started = time.perf_counter()
        for model in models:
            model(pixels[: arguments.batch])
        forward = time.perf_counter() - started
        started = time.perf_counter()
        for pair in range(arguments.pairwise):
            x, y = values[0][names[pair % len(names)]].flatten(1), values[1][names[(7 * pair) % len(names)]].flatten(1)
            k, l = x @ x.T, y @ y.T
            k.fill_diagonal_(0.0), l.fill_diagonal_(0.0)
            hsic(k, l), hsic(k, k), hsic(l, l)
        each = (time.perf_counter() - started) / arguments.pairwise
    return (forward + each * len(names) ** 2) * (arguments.images // arguments.batch)


def main():
    models, names = [network(0), network(1)], layers()
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (arguments.images, arguments.side, arguments.side, 3), np.uint8))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    inputs = ((pixels / 255.0 - mean) / std).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    models = [model.to(memory_format=torch.channels_last) for model in models]
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for at, model in enumerate(models):
            path = Path(folder) / f"{at}.safetensors"
            save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
            preprocess = {"input_size": [arguments.side] * 2, "resize": "squeeze", "interpolation": "bilinear",
                          "mean": mean.tolist(), "std": std.tolist()}
            sidecar = {"heirloom_weights": 1, "architecture": "resnet18", "classes": 10, "preprocess": preprocess}
            path.with_suffix(".json").write_text(json.dumps(sidecar))
            paths.append(str(path))
        raw = Path(folder) / "pixels.bin"
        raw.write_bytes(pixels.numpy().tobytes())
        command = [arguments.binary, "similarity", *paths, str(raw), str(arguments.side), str(arguments.batch), ",".join(names)]
        rounds, largest = [], 0.0
        for _ in range(arguments.rounds):
            mine = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            seconds, values = theirs(models, names, inputs[torch.tensor(mine["order"])])
            own = np.array([np.nan if value is None else value for value in mine["values"]]).reshape(values.shape)
            if np.isnan(own).any() or np.isnan(values).any():
                raise SystemExit(f"undefined: {np.isnan(own).sum()} here, {np.isnan(values).sum()} there, rows {np.isnan(own).all(1)}")
            largest = max(largest, float(np.abs(own - values).max()))
            rounds.append((mine["seconds"], seconds, mine["peak_mib"]))
        record = {"layers": len(names), "images": arguments.images, "batch": arguments.batch,
                  "seconds": round(statistics.median(one[0] for one in rounds), 2),
                  "seconds_of_peer": round(statistics.median(one[1] for one in rounds), 2),
                  "ratio": [round(r(one[1] / one[0] for one in rounds), 2) for r in (statistics.median, min, max)],
                  "peak_mib": round(max(one[2] for one in rounds)), "largest_difference": largest,
                  "peak_mib_of_peer": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
        if arguments.pairwise:
            record["seconds_pair_by_pair"] = round(pairwise(models, names, inputs), 1)
        print(json.dumps(record))


main()
