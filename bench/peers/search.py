"""Head2Toe's whole search, Heirloom beside Python solvers, on the same made-up features.

Needs: pip install numpy scikit-learn skglm celer group-lasso. From the workspace root:
    cargo build --release -p heirloom-bench && python bench/peers/search.py [--rounds 3] [--peers fista,heads,saga,skglm,celer,package]

1000 rows, 40 000 columns in twenty taps, ten classes. 36 settings (two group penalties, nine fractions, two ridge penalties) in five
folds, then the fit on all rows: 12 group lassos to a gap of 1e-3 of the loss without weights, 180 ridge-penalised heads and one more.
Heirloom does all of it, from raw features. Peers are timed on one fold; their time of a search is the sum of the two below. Heirloom and
the heads take turns for --rounds; what scores is timed once, since it takes minutes.

    scoring   the path of two group penalties on one fold, times five, and once more for all rows (times rows over rows)
    heads     scikit-learn's LogisticRegression on nine fractions and two ridge penalties of one ranking, times two rankings, times five

with these for scoring, the first two of which have Heirloom's objective:

    fista     all columns at once by accelerated proximal gradient in numpy, single precision, as tests/reference/row_lasso.py
    package   the package group-lasso: seconds of a step, times the steps that fista took
    saga      scikit-learn's multinomial lasso, a penalty on single weights; --epochs passes, with the gap that they reach
    skglm     MultiTaskLasso: the same penalty on rows with a squared loss on one-hot labels
    celer     LogisticRegression: a lasso for each class against the rest, no rows in common
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--taps", type=int, default=20)
parser.add_argument("--width", type=int, default=2000)
parser.add_argument("--classes", type=int, default=10)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--peers", default="fista,heads,saga,skglm,celer,package")
parser.add_argument("--binary", default="target/release/heirloom-bench")
arguments = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numpy as np  # noqa: E402  (the number of threads is read at import)
from sklearn.linear_model import LogisticRegression  # noqa: E402

SHARES, RIDGES, GAP = [0.3, 0.1], [1e-3, 1e-5], 1e-3
FRACTIONS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2]


def data():
    random = np.random.default_rng(0)
    rows, classes = arguments.rows, arguments.classes
    labels = random.integers(0, classes, rows)
    factors = random.standard_normal((rows, 24)) + 0.7 * random.standard_normal((classes, 24))[labels]
    taps = []
    for _ in range(arguments.taps):
        loadings = random.standard_normal((24, arguments.width))
        taps.append(np.maximum(0.0, 0.3 + 0.25 * factors @ loadings + random.standard_normal((rows, arguments.width))))
    return [tap.astype(np.float32) for tap in taps], labels


def softmax(logits):
    values = np.exp(logits - logits.max(1, keepdims=True))
    return values / values.sum(1, keepdims=True)


class Problem:
    """A multinomial loss with a penalty on rows (or on single weights) of centred columns."""

    def __init__(self, x, labels, classes, entries=False):
        self.x = np.ascontiguousarray(x - x.mean(0))
        self.labels, self.entries, self.classes = labels, entries, classes
        self.targets = np.eye(classes)[labels]
        self.null = self.loss(np.zeros((len(x), classes)) + np.log(self.targets.mean(0)))
        self.largest = self.dual_norms(self.x.T @ ((self.targets.mean(0) - self.targets) / len(x)).astype(x.dtype)).max()

    def loss(self, logits):
        top = logits.max(1)
        return (np.log(np.exp(logits - top[:, None]).sum(1)) + top - logits[np.arange(len(logits)), self.labels]).mean()

    def dual_norms(self, gradient):
        return np.abs(gradient).max(1) if self.entries else np.sqrt(np.einsum("ij,ij->i", gradient, gradient))

    def penalty(self, weights):
        return np.abs(weights).sum() if self.entries else np.linalg.norm(weights, axis=1).sum()

    def certificate(self, weights, bias, penalty):
        """Objective at the best bias, and the gap as a share of the loss without weights."""
        image = (self.x @ weights).astype(np.float64)
        for _ in range(50):
            p = softmax(image + bias)
            gradient = (p - self.targets).mean(0)
            if np.linalg.norm(gradient) < 1e-12:
                break
            bias = bias - np.linalg.pinv(np.diag(p.mean(0)) - p.T @ p / len(p)) @ gradient
        residual = softmax(image + bias) - self.targets
        norms = self.dual_norms(self.x.T @ (residual / len(image)).astype(self.x.dtype))
        objective = self.loss(image + bias) + penalty * self.penalty(weights)
        q = self.targets + min(1.0, penalty / norms.max()) * residual
        dual = -np.where(q > 0, q * np.log(np.maximum(q, 1e-300)), 0.0).sum(1).mean()
        return objective, (objective - dual) / self.null


def fista(problem, share, start):
    """Steps until the gap is reached; looked at every ten steps."""
    x, penalty = problem.x, np.float32(share * problem.largest)
    vector = np.ones(x.shape[0], np.float32)
    for _ in range(30):
        vector = x @ (x.T @ (vector / np.linalg.norm(vector)))
    bound = np.float32(0.5 * max(1.01 * np.linalg.norm(vector) / len(x), 1.0))
    weights, bias = start
    ahead, ahead_bias, momentum = weights, bias, 1.0
    for step in range(100000):
        if step % 10 == 0:
            objective, gap = problem.certificate(weights, bias.astype(np.float64), penalty)
            if gap <= GAP:
                return (weights, bias), objective, gap, step
        residual = ((softmax(x @ ahead + ahead_bias) - problem.targets) / len(x)).astype(np.float32)
        moved = ahead - (x.T @ residual) / bound
        norms = np.sqrt(np.einsum("ij,ij->i", moved, moved))[:, None]
        moved *= np.maximum(np.float32(0.0), 1 - penalty / bound / np.maximum(norms, np.float32(1e-30)))
        moved_bias = ahead_bias - residual.sum(0) / bound
        if np.vdot(ahead - moved, moved - weights) > 0:
            momentum = 1.0
        grown = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
        factor, momentum = np.float32((momentum - 1.0) / grown), grown
        ahead, ahead_bias = moved + factor * (moved - weights), moved_bias + factor * (moved_bias - bias)
        weights, bias = moved, moved_bias
    raise SystemExit("fista did not reach the gap")


def fista_path(problem):
    """Seconds of the path, objectives, steps, and the ranking by the last of it."""
    started = time.perf_counter()
    start = np.zeros((problem.x.shape[1], problem.classes), np.float32), np.log(problem.targets.mean(0)).astype(np.float32)
    reached = []
    for share in SHARES:
        start, objective, gap, steps = fista(problem, share, start)
        reached.append({"share": share, "objective": objective, "gap": gap, "steps": steps})
    return time.perf_counter() - started, reached, np.argsort(-np.linalg.norm(start[0], axis=1), kind="stable")


def by_classes(x, labels):
    """Columns by the spread of their class means."""
    means = np.stack([x[labels == one].mean(0) for one in range(arguments.classes)])
    return np.argsort(-means.std(0), kind="stable")


def heads(x, labels, ranking):
    """Seconds of nine fractions and two ridge penalties on the columns in the order of `ranking`."""
    seconds = 0.0
    for fraction in FRACTIONS:
        kept = np.sort(ranking[: max(1, int(fraction * x.shape[1]))])
        selected = np.ascontiguousarray(x[:, kept])
        parts = [selected[:, kept // arguments.width == tap] for tap in range(arguments.taps)]
        selected = np.hstack([part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-30) for part in parts])
        scale = float(((selected - selected.mean(0)) ** 2).sum(1).mean())
        started = time.perf_counter()
        for ridge in RIDGES:
            LogisticRegression(C=1.0 / (len(x) * ridge * scale), max_iter=1000).fit(selected, labels)
        seconds += time.perf_counter() - started
    return seconds


def saga(x, labels, classes):
    problem = Problem(x.astype(np.float64), labels, classes, entries=True)
    penalty = SHARES[-1] * problem.largest
    model = LogisticRegression(l1_ratio=1.0, solver="saga", C=1.0 / (len(x) * penalty), tol=0.0, max_iter=arguments.epochs)
    started = time.perf_counter()
    model.fit(problem.x, labels)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "gap": problem.certificate(model.coef_.T, model.intercept_, penalty)[1], "epochs": arguments.epochs}


def skglm(x, labels, classes):
    from skglm import MultiTaskLasso

    x = np.asfortranarray(x - x.mean(0), dtype=np.float64)
    targets = np.eye(classes)[labels]
    targets -= targets.mean(0)
    largest = np.linalg.norm(x.T @ targets, axis=1).max() / len(x)
    MultiTaskLasso(alpha=0.5 * largest, tol=1e-2).fit(x[:, :50], targets)  # compiles
    started = time.perf_counter()
    for share in SHARES:
        model = MultiTaskLasso(alpha=share * largest, tol=1e-4).fit(x, targets)
    return {"seconds": time.perf_counter() - started, "rows": int((np.linalg.norm(model.coef_, axis=0) > 0).sum())}


def celer(x, labels, classes):
    from celer import LogisticRegression as Sparse

    x = np.asfortranarray(x - x.mean(0), dtype=np.float64)
    seconds = 0.0
    for one in range(classes):
        signs = np.where(labels == one, 1.0, -1.0)
        largest = np.abs(x.T @ signs).max() / 2
        started = time.perf_counter()
        for share in SHARES:
            Sparse(C=1.0 / (share * largest), tol=GAP, fit_intercept=False).fit(x, signs)
        seconds += time.perf_counter() - started
    return {"seconds": seconds}


def package(x, labels, steps):
    from group_lasso import LogisticGroupLasso

    problem = Problem(x.astype(np.float64), labels, arguments.classes)
    times = []
    for count in (1, 4):
        model = LogisticGroupLasso(groups=np.arange(x.shape[1]), group_reg=0.5 * SHARES[-1] * problem.largest, l1_reg=0.0,
                                   n_iter=count, tol=0.0, scale_reg="none", supress_warning=True)
        started = time.perf_counter()
        model.fit(problem.x, labels)
        times.append(time.perf_counter() - started)
    step = (times[1] - times[0]) / 3
    return {"seconds": step * steps, "seconds_of_a_step": step, "steps": steps}


def ours(path):
    widths = ",".join([str(arguments.width)] * arguments.taps)
    numbers = [",".join(map(str, SHARES)), ",".join(map(str, RIDGES)), str(GAP)]
    command = [arguments.binary, "search", path, str(arguments.rows), widths, str(arguments.classes), *numbers]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def say(**record):
    print(json.dumps(record), flush=True)


def middle(values):
    return {"median": round(statistics.median(values), 2), "least": round(min(values), 2), "most": round(max(values), 2)}


def main():
    warnings.simplefilter("ignore")
    taps, labels = data()
    x = np.hstack([tap / np.linalg.norm(tap, axis=1, keepdims=True) for tap in taps])
    fold = np.arange(arguments.rows) % 5 != 0
    part, of_part = np.ascontiguousarray(x[fold]), labels[fold]
    whole = 5 + len(x) / len(part)
    wanted = arguments.peers.split(",")
    seconds = {"heirloom": [], "fista": [], "heads": []}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "features.bin")
        with open(path, "wb") as file:
            file.write(np.hstack(taps).astype("<f4").tobytes() + labels.astype("<u4").tobytes())
        del taps
        # Without fista the heads are timed on the columns of another ranking, which is as good for their time.
        ranking = by_classes(part, of_part)
        if "fista" in wanted:
            taken, reached, ranking = fista_path(Problem(part, of_part, arguments.classes))
            seconds["fista"].append(taken)
        for _ in range(arguments.rounds):
            mine = ours(path)
            seconds["heirloom"].append(mine["seconds"])
            if "heads" in wanted:
                seconds["heads"].append(heads(part, of_part, ranking))
    say(what="heirloom, whole search", settings=mine["settings"], seconds=middle(seconds["heirloom"]),
        certificate=mine["certificate"], accuracy=mine["chosen"]["accuracy"])
    steps = 0
    if seconds["fista"]:
        steps = sum(one["steps"] for one in reached)
        say(what="fista, path of one fold", seconds=middle(seconds["fista"]), reached=reached)
    if seconds["heads"]:
        say(what="scikit-learn, heads of one ranking on one fold", seconds=middle(seconds["heads"]))
        rest = [2 * 5 * one for one in seconds["heads"]]
        say(what="scikit-learn's heads alone", seconds=middle(rest),
            ratio=middle([one / other for one, other in zip(rest, seconds["heirloom"])]))
    if seconds["heads"] and seconds["fista"]:
        both = [whole * seconds["fista"][0] + other for other in rest]
        say(what="fista and scikit-learn's heads, whole search", seconds=middle(both),
            ratio=middle([one / other for one, other in zip(both, seconds["heirloom"])]))
    # The objective of the fit on all rows that Heirloom kept, by the other solver.
    if mine["certificate"] and "fista" in wanted:
        problem = Problem(x, labels, arguments.classes)
        shares = [share for share in SHARES if share >= mine["certificate"]["group_penalty"]]
        start = np.zeros((x.shape[1], arguments.classes), np.float32), np.log(problem.targets.mean(0)).astype(np.float32)
        for share in shares:
            start, objective, gap, _ = fista(problem, share, start)
        say(what="objective on all rows", heirloom=mine["certificate"]["objective"], fista=objective, gap=gap, null=problem.null)
    for name, peer in (("saga", saga), ("skglm", skglm), ("celer", celer)):
        if name in wanted:
            found = peer(part, of_part, arguments.classes)
            say(what=name, **found, scoring_of_search=whole * found["seconds"])
    if "package" in wanted and steps:
        found = package(part, of_part, steps)
        say(what="group-lasso", **found, scoring_of_search=whole * found["seconds"])


main()
