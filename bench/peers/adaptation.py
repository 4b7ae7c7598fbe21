"""What people use on a folder of images, Heirloom beside fastai and beside timm features with scikit-learn: accuracy at equal wall time.

Needs: pip install torch timm fastai scikit-learn safetensors pyarrow pillow, and $HEIRLOOM_DATA. From the workspace root:
    cargo build --release && python bench/peers/adaptation.py [--seconds 60] [--sets flowers5,dtd_subset,rsscn7,pacs:sketch]

The same 800 training and at most 800 test images of each set (the same share of every class), the same weights of DeiT-tiny, two threads, one
after the other. Time is from the command or the first image to the fitted model; test images are answered afterwards.

    heirloom   `heirloom fit FOLDER --backbone deit_tiny_patch16_224`, everything else left to it
    sklearn    features of one pass (resize 256 bicubic, centre 224), LogisticRegressionCV on standardised columns
    fastai     vision_learner with its usual augmentation and `fine_tune`'s recipe: one epoch with the body frozen, then as many with all layers
               as fit into --seconds at the speed of the first (at least one)

Differences are paired over test images, with 95 % bootstrap intervals.
"""

import argparse
import csv
import io
import json
import os
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--seconds", type=float, default=60)
parser.add_argument("--sets", default="flowers5,dtd_subset,rsscn7,pacs:sketch")
parser.add_argument("--rows", type=int, default=800)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--peers", default="sklearn,fastai")
parser.add_argument("--binary", default="target/release/heirloom")
arguments = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)
DATA = Path(os.environ["HEIRLOOM_DATA"])

import numpy as np  # noqa: E402  (the number of threads is read at import)
import pyarrow.parquet as pq  # noqa: E402
import timm  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

torch.set_num_threads(arguments.threads)
WEIGHTS = DATA / "weights" / "deit_tiny_patch16_224.safetensors"


def write(name, folder):
    """Training and test images of a set as FOLDER/{train,test}/CLASS/N.png."""
    name, _, domain = name.partition(":")
    for split in ("train", "test"):
        table = pq.read_table(DATA / "datasets" / name / f"{split}.parquet").to_pylist()
        if domain:
            names = (DATA / "datasets" / name / "domains.txt").read_text().split()
            table = [row for row in table if row["domain"] in (domain, names.index(domain))]
        random = np.random.default_rng(0)
        labels = np.array([row["label"] for row in table])
        rows = np.concatenate([random.permutation(np.flatnonzero(labels == one))[: arguments.rows // len(set(labels))] for one in sorted(set(labels))])
        for row in sorted(rows):
            image = table[row]["image"]
            image = Image.open(io.BytesIO(image["bytes"] if isinstance(image, dict) else image)).convert("RGB")
            path = folder / split / f"class{labels[row]}" / f"{row}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)


def listed(folder, split):
    paths = sorted((folder / split).glob("*/*.png"))
    return paths, [path.parent.name for path in paths]


def heirloom(folder, test):
    model = folder / "model.heirloom"
    environment = dict(os.environ, HEIRLOOM_CACHE=str(folder / "cache"))
    started = time.perf_counter()
    fit = [arguments.binary, "fit", str(folder), "--backbone", "deit_tiny_patch16_224", "--no-report", "-o", str(model), "--json"]
    record = json.loads(subprocess.run(fit, check=True, capture_output=True, text=True, env=environment).stdout)
    seconds = time.perf_counter() - started
    predict = [arguments.binary, "predict", str(model), str(folder / "test"), "--format", "csv"]
    lines = csv.DictReader(io.StringIO(subprocess.run(predict, check=True, capture_output=True, text=True, env=environment).stdout))
    answers = {tuple(Path(line["image"]).parts[-2:]): line["class"] for line in lines}
    return seconds, [answers[path.parts[-2:]] for path in test], record.get("method")


def sklearn(folder, test):
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = timm.create_model("deit_tiny_patch16_224", pretrained=False)
    model.load_state_dict(load_file(WEIGHTS))
    model.eval().reset_classifier(0)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def pixels(path):
        image = Image.open(path)
        scale = 256 / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.BICUBIC)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        return (torch.from_numpy(np.array(image.crop((left, top, left + 224, top + 224)))) / 255.0 - mean) / std

    def features(paths):
        with torch.inference_mode():
            batches = [torch.stack([pixels(path) for path in paths[at : at + 32]]) for at in range(0, len(paths), 32)]
            return torch.cat([model(batch.permute(0, 3, 1, 2)) for batch in batches]).numpy()

    train, labels = listed(folder, "train")
    started = time.perf_counter()
    head = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=10, cv=5, max_iter=1000)).fit(features(train), labels)
    seconds = time.perf_counter() - started
    return seconds, list(head.predict(features(test))), "LogisticRegressionCV"


def fastai(folder, test):
    from fastai.callback.schedule import fit_one_cycle  # noqa: F401  (adds it to Learner)
    from fastai.vision.all import ImageDataLoaders, Normalize, Resize, accuracy, aug_transforms, imagenet_stats, set_seed, vision_learner

    set_seed(0, reproducible=True)
    started = time.perf_counter()
    train, _ = listed(folder, "train")
    loaders = ImageDataLoaders.from_path_func(
        folder, train, lambda path: path.parent.name, valid_pct=0.05, seed=0, bs=32, num_workers=0, item_tfms=Resize(224),
        batch_tfms=[*aug_transforms(), Normalize.from_stats(*imagenet_stats)])
    learner = vision_learner(loaders, "deit_tiny_patch16_224", pretrained=False, metrics=accuracy)
    body = learner.model[0].model
    missing = body.load_state_dict({key: value for key, value in load_file(WEIGHTS).items() if key in body.state_dict()}, strict=False)
    assert not [key for key in missing.missing_keys if not key.startswith("head")], missing
    with learner.no_bar(), learner.no_logging():
        learner.freeze()
        learner.fit_one_cycle(1, slice(2e-3), pct_start=0.99)
        frozen = time.perf_counter() - started
        # An epoch with all layers takes about two and a half times as long as one with the body frozen.
        epochs = max(1, round((arguments.seconds - frozen) / (2.5 * frozen)))
        learner.unfreeze()
        learner.fit_one_cycle(epochs, slice(1e-5, 1e-3), pct_start=0.3, div=5.0)
        seconds = time.perf_counter() - started
        answers, _ = learner.get_preds(dl=loaders.test_dl(test))
    names = list(loaders.vocab)
    return seconds, [names[at] for at in answers.argmax(1)], f"fine_tune, 1 + {epochs} epochs"


def paired(differences):
    random = np.random.default_rng(0)
    means = [random.choice(differences, len(differences)).mean() for _ in range(2000)]
    return [round(100 * float(one), 1) for one in (differences.mean(), *np.percentile(means, [2.5, 97.5]))]


def main():
    warnings.simplefilter("ignore")
    for name in arguments.sets.split(","):
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root)
            write(name, folder)
            test, labels = listed(folder, "test")
            right = {}
            for peer in ["heirloom", *arguments.peers.split(",")]:
                seconds, answers, how = globals()[peer](folder, test)
                right[peer] = np.array([answer == label for answer, label in zip(answers, labels)], float)
                record = {"set": name, "who": peer, "how": how, "seconds": round(seconds, 1), "test": len(test),
                          "accuracy": round(100 * float(right[peer].mean()), 1)}
                if peer != "heirloom":
                    record["heirloom_less_peer"] = paired(right["heirloom"] - right[peer])
                print(json.dumps(record), flush=True)


main()
