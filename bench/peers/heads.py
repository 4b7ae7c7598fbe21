"""Heads on frozen features: Heirloom beside scikit-learn, in turn, on the same made-up features.

Needs: pip install numpy scikit-learn. From the workspace root:
    cargo build --release -p heirloom-bench && python bench/peers/heads.py [--rounds 3] [--cases linear,ridge,lda,svm,knn]

Features are made up: 24 shared factors and noise, cut off at zero as a rectifier would, each row of unit norm. Both sides do the
same work, on two threads:

linear, lda, svm   at one penalty: predictions for the even rows by a head fitted on the odd ones, the other way round, and a head on
                   all rows. scikit-learn: three fits, C such that a row counts alike in each.
ridge              fifteen penalties by exact leave-one-out, and the head on all rows. scikit-learn: RidgeClassifierCV.
knn                the 50 nearest other rows of every row, and the votes of twelve settings. scikit-learn: NearestNeighbors and
                   nothing for the votes.

svm is one machine per class on both sides, so scikit-learn fits only the first --classes-of-svm of them and its time is
multiplied; its objective is compared over those.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--cases", default="linear,ridge,lda,svm,knn")
parser.add_argument("--rows", type=int, default=5000)
parser.add_argument("--columns", type=int, default=2048)
parser.add_argument("--classes", type=int, default=100)
parser.add_argument("--classes-of-svm", type=int, default=5)
parser.add_argument("--binary", default="target/release/heirloom-bench")
arguments = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numpy as np  # noqa: E402  (the number of threads is read at import)
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: E402
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV  # noqa: E402
from sklearn.neighbors import NearestNeighbors  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402

# One penalty each, where the out-of-fold accuracy of these features is near its best.
VALUES = {"linear": 1e-5, "ridge": 0.0, "lda": 0.5, "svm": 1e-3, "knn": 0.0}


def data():
    random = np.random.default_rng(0)
    rows, columns, classes = arguments.rows, arguments.columns, arguments.classes
    labels = random.integers(0, classes, rows)
    factors = random.standard_normal((rows, 24)) + 1.2 * random.standard_normal((classes, 24))[labels]
    x = np.maximum(0.0, 0.3 + 0.25 * factors @ random.standard_normal((24, columns)) + random.standard_normal((rows, columns)))
    x = x.astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x, labels


def logistic_objective(x, labels, weights, bias, penalty):
    logits = x @ weights + bias
    logits -= logits.max(1, keepdims=True)
    loss = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(x)), labels]
    return loss.mean() + 0.5 * penalty * (weights**2).sum()


def machine_objective(x, labels, weights, bias, penalty, classes):
    signs = np.where(labels[:, None] == np.arange(arguments.classes)[None, :], 1.0, -1.0)[:, :classes]
    margins = (x @ weights + bias)[:, :classes]
    return ((np.maximum(0.0, 1.0 - signs * margins) ** 2).mean(0) + 0.5 * penalty * (weights[:, :classes] ** 2).sum(0)).sum()


def model_of(case, rows, scale):
    value = VALUES[case]
    if case == "linear":
        return LogisticRegression(C=1.0 / (rows * value * scale), max_iter=1000)
    if case == "ridge":
        # The penalty on the sum of squares is relative to the mean square row norm, as ours is.
        return RidgeClassifierCV(alphas=[10.0 ** (half / 2) * rows * scale for half in range(2, -13, -1)])
    if case == "lda":
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=value)
    return LinearSVC(C=1.0 / (rows * value * scale), intercept_scaling=10.0)


def peer(case, x, labels, scale):
    """Seconds, out-of-fold predictions or None, weights and bias or None."""
    if case == "knn":
        started = time.perf_counter()
        NearestNeighbors(n_neighbors=50, algorithm="brute").fit(x).kneighbors()
        return time.perf_counter() - started, None, None
    factor, held_out = 1.0, None
    if case == "svm":
        labels = np.where(labels < arguments.classes_of_svm, labels, -1)
        # One machine for each of these, and one for the rest.
        factor = arguments.classes / (arguments.classes_of_svm + 1)
    started = time.perf_counter()
    if case != "ridge":
        held_out = np.empty_like(labels)
        for part in (0, 1):
            rest = slice(1 - part, None, 2)
            half = model_of(case, len(x[rest]), scale).fit(x[rest], labels[rest])
            held_out[part::2] = half.predict(x[part::2])
    model = model_of(case, len(x), scale).fit(x, labels)
    seconds = factor * (time.perf_counter() - started)
    weights, bias = model.coef_.T, model.intercept_
    return (seconds, None, (weights[:, 1:], bias[1:])) if case == "svm" else (seconds, held_out, (weights, bias))


def ours(case, path, shape):
    rows, columns, classes = shape
    with tempfile.NamedTemporaryFile() as out:
        command = [arguments.binary, "heads", case, path, str(rows), str(columns), str(classes), str(VALUES[case]), out.name]
        record = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        numbers = np.fromfile(out.name, np.float32).astype(np.float64)
    model = None
    if len(numbers):
        model = numbers[: columns * classes].reshape(columns, classes), numbers[columns * classes :]
    return record["seconds"], record["chosen"], model


def compare(case, x, labels, scale, theirs, mine, chosen, held_out):
    """What both sides reached."""
    out = {"chosen": chosen["settings"], "out_of_fold_accuracy": round(chosen["accuracy"], 4)}
    if held_out is not None:
        out["accuracy_of_peer"] = round(float((held_out == labels).mean()), 4)
    if theirs is None:
        return out
    penalty = VALUES[case] * scale
    if case == "linear":
        out["objective"] = logistic_objective(x, labels, *mine, penalty)
        out["objective_of_peer"] = logistic_objective(x, labels, *theirs, penalty)
    elif case == "svm":
        count = arguments.classes_of_svm
        # Our margins are stored divided by a temperature; the objective of the margins is the least over the scale.
        out["objective"] = least_over_scales(
            lambda s: machine_objective(x, labels, s * mine[0][:, :count], s * mine[1][:count], penalty, count)
        )
        out["objective_of_peer"] = machine_objective(x, labels, *theirs, penalty, count)
    else:
        agree = (x @ mine[0] + mine[1]).argmax(1) == (x @ theirs[0] + theirs[1]).argmax(1)
        out["same_prediction"] = float(agree.mean())
    return out


def least_over_scales(value):
    best = min(np.exp(np.linspace(-6.0, 3.0, 20)), key=value)
    for width in (0.5, 0.05, 0.005):
        best = min(best * np.exp(np.linspace(-width, width, 15)), key=value)
    return value(best)


def main():
    x, labels = data()
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    scale = float((centred**2).sum(1).mean())
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "features.bin")
        with open(path, "wb") as file:
            file.write(x.astype("<f4").tobytes() + labels.astype("<u4").tobytes())
        for case in arguments.cases.split(","):
            times = []
            for _ in range(arguments.rounds):
                mine = ours(case, path, (*x.shape, arguments.classes))
                theirs = peer(case, x.astype(np.float64) if case == "svm" else x, labels, scale)
                times.append((mine[0], theirs[0]))
            record = {"case": case, "seconds": round(statistics.median(t[0] for t in times), 3),
                      "seconds_of_peer": round(statistics.median(t[1] for t in times), 3),
                      "ratio": round(statistics.median(t[1] / t[0] for t in times), 2)}
            record |= compare(case, x.astype(np.float64), labels, scale, theirs[2], mine[2], mine[1], theirs[1])
            print(json.dumps(record), flush=True)


main()
