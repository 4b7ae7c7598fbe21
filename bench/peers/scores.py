"""Scores of backbones on one feature matrix: Heirloom beside the algorithms of the scores' published programs, in turn.

Needs: pip install numpy scipy scikit-learn. From the workspace root:
    cargo build --release -p heirloom-bench && python bench/peers/scores.py [--rounds 3] [--classes 10,100] [--cases logme,sfda]

Features are made up: 24 shared factors and noise, cut off at zero as a rectifier would, each row of unit norm; source probabilities are a
softmax of 1000 classes. Each peer does what the authors' program does (a full singular value decomposition for LogME, two covariances and a
generalised eigenproblem for SFDA, one determinant of the columns' size for every class in TransRate, and so on), in double precision. So
that values can be compared, both sides take the same definition where Heirloom's departs from the program:

logme      features and targets are centred, one row less is free, and non-zero directions are counted in both places; the program stops at a relative change of
           1e-3 or after 11 rounds, Heirloom at 1e-12
transrate  centred features are scaled to a mean squared row length of 1
parc       the first 500 rows; distances of labels are rounded, so that equal ones tie
nce        both sides are given the source's answers, as the program is
leep       the program gets the probabilities in double precision, in which it would compute anyway
gbc        the first 64 principal directions of an exact decomposition, diagonal covariances
sfda       the program takes the largest eigenvalue by three double power iterations, Heirloom to rounding
n-leep     a mixture is drawn: the program's has full covariances and k-means starts, Heirloom's diagonal ones and k-means++ starts, so that
           the values are two estimates; --diagonal gives the peer diagonal covariances too
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
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--cases", default="logme,h-score,sfda,transrate,gbc,parc,n-leep,leep,nce")
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--columns", type=int, default=1280)
parser.add_argument("--bins", type=int, default=1000, help="classes of the source")
parser.add_argument("--classes", default="10,100")
parser.add_argument("--diagonal", action="store_true")
parser.add_argument("--binary", default="target/release/heirloom-bench")
arguments = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numpy as np  # noqa: E402  (the number of threads is read at import)
from scipy import linalg, stats  # noqa: E402
from sklearn.covariance import LedoitWolf  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402


def data(classes):
    random = np.random.default_rng(0)
    rows, columns, bins = arguments.rows, arguments.columns, arguments.bins
    labels = np.arange(rows) % classes
    random.shuffle(labels)
    factors = random.standard_normal((rows, 24)) + 1.2 * random.standard_normal((classes, 24))[labels]
    x = np.maximum(0.0, 0.3 + 0.25 * factors @ random.standard_normal((24, columns)) + random.standard_normal((rows, columns)))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    logits = factors @ random.standard_normal((24, bins)) / 3.0
    source = np.exp(logits - logits.max(1, keepdims=True))
    return x.astype(np.float32), labels, (source / source.sum(1, keepdims=True)).astype(np.float32)


def one_hot(labels):
    return (labels[:, None] == np.arange(labels.max() + 1)[None, :]).astype(np.float64)


def decomposed(f):
    """The program's own: directly, or through the smaller product where there are more rows than columns."""
    if len(f) <= f.shape[1]:
        return np.linalg.svd(f, full_matrices=False)[:2]
    _, squared, turned = np.linalg.svd(f.T @ f)
    s = np.sqrt(squared)
    kept = s > 1e-10 * s[0]
    return (f @ turned.T)[:, kept] / s[kept], s[kept]


def logme(x, labels, source):
    f, targets = x - x.mean(0), one_hot(labels)
    targets -= targets.mean(0)
    u, s = decomposed(f)
    kept = s > 1e-12 * s[0]
    u, sigma, rows = u[:, kept], s[kept] ** 2, len(f) - 1
    values = []
    for t in targets.T:
        projected = (u.T @ t) ** 2
        beyond = max(t @ t - projected.sum(), 0.0)
        alpha = beta = 1.0
        for _ in range(11):
            ratio = alpha / beta
            directions = (sigma / (sigma + ratio)).sum()
            weights = (sigma * projected / (sigma + ratio) ** 2).sum()
            residual = (projected / (1.0 + sigma / ratio) ** 2).sum() + beyond
            alpha, beta = directions / weights, (rows - directions) / residual
            if abs(alpha / beta - ratio) / ratio <= 1e-3:
                break
        evidence = len(sigma) / 2 * np.log(alpha) + rows / 2 * np.log(beta) - 0.5 * np.log(alpha + beta * sigma).sum()
        evidence -= beta / 2 * residual + alpha / 2 * weights + rows / 2 * np.log(2 * np.pi)
        values.append(evidence / rows)
    return np.mean(values)


def class_means(x, labels):
    return np.stack([x[labels == label].mean(0) for label in range(labels.max() + 1)])


def h_score(x, labels, source):
    f, rows = x - x.mean(0), len(x)
    shrunk = LedoitWolf(assume_centered=True).fit(f)
    between = class_means(f, labels)[labels]
    kept = (1.0 - shrunk.shrinkage_) * (between.T @ between) / (rows - 1)
    return np.trace(np.linalg.pinv(shrunk.covariance_, rcond=1e-15) @ kept)


def softmax(values):
    exponentials = np.exp(values - values.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def discriminant(x, labels, shrinkage=None):
    """Probabilities of the classes by the generalised eigenproblem of the shrunken covariances, and the shrinkage."""
    shares, means = np.bincount(labels) / len(labels), class_means(x, labels)
    within = sum(share * np.cov(x[labels == label].T, bias=True) for label, share in enumerate(shares))
    if shrinkage is None:
        first = within.sum(1)
        for _ in range(3):
            second = within @ first
            second /= np.linalg.norm(second)
            first = within @ second
            first /= np.linalg.norm(first)
        shrinkage = max(np.exp(-5.0 * (first @ within @ second)), 1e-10)

    def shrunk(covariance):
        return (1.0 - shrinkage) * covariance + shrinkage * np.trace(covariance) / len(covariance) * np.eye(len(covariance))

    inner = shrunk(within)
    _, vectors = linalg.eigh(shrunk(np.cov(x.T, bias=True)) - inner, inner)
    weights = (means @ vectors) @ vectors.T
    return softmax(x @ weights.T - 0.5 * np.diag(means @ weights.T) + np.log(shares)), shrinkage


def sfda(x, labels, source):
    sure, shrinkage = discriminant(x, labels)
    keep = softmax(sure)[np.arange(len(labels)), labels][:, None]
    means = class_means(x, labels)
    others = np.stack([means[np.arange(len(means)) != label].mean(0) for label in range(len(means))])
    answers, _ = discriminant(keep * x + (1.0 - keep) * others[labels], labels, shrinkage)
    return answers[np.arange(len(labels)), labels].mean()


def transrate(x, labels, source, distortion=1e-4):
    f = x - x.mean(0)
    f *= np.sqrt(len(f) / (f**2).sum())

    def rate(z):
        return 0.5 * np.linalg.slogdet(np.eye(z.shape[1]) + z.T @ z / (len(z) * distortion))[1]

    return rate(f) - np.mean([rate(f[labels == label]) for label in range(labels.max() + 1)])


def gbc(x, labels, source):
    reduced = PCA(n_components=min(64, *x.shape), svd_solver="full").fit_transform(x)
    parts = [reduced[labels == label] for label in range(labels.max() + 1)]
    means, variances = [part.mean(0) for part in parts], [np.maximum(part.var(0), 1e-4) for part in parts]

    def distance(first, second):
        middle = 0.5 * (variances[first] + variances[second])
        apart = ((means[first] - means[second]) ** 2 / middle).sum() / 8.0
        return apart + 0.5 * (np.log(middle).sum() - 0.5 * (np.log(variances[first]).sum() + np.log(variances[second]).sum()))

    return -sum(np.exp(-distance(i, j)) for i in range(len(parts)) for j in range(len(parts)) if i != j)


def parc(x, labels, source):
    x, labels = x[:500], labels[:500]
    spread = x.std(0)
    f = (x - x.mean(0))[:, spread > 1e-12] / spread[spread > 1e-12]
    upper = np.triu_indices(len(f), 1)
    of_labels = np.round(1.0 - np.corrcoef(one_hot(labels)), 9)
    return 100.0 * stats.spearmanr((1.0 - np.corrcoef(f))[upper], of_labels[upper]).statistic


def foretold(soft, labels):
    joint = np.zeros((labels.max() + 1, soft.shape[1]))
    for label in range(len(joint)):
        joint[label] = soft[labels == label].sum(0)
    joint /= len(labels)
    given = joint / joint.sum(0, keepdims=True)
    return np.log((soft @ given.T)[np.arange(len(labels)), labels]).mean()


def n_leep(x, labels, source):
    reduced = PCA(n_components=0.8, svd_solver="full").fit_transform(x)
    kind = "diag" if arguments.diagonal else "full"
    mixture = GaussianMixture(5 * (labels.max() + 1), covariance_type=kind, random_state=0).fit(reduced)
    return foretold(mixture.predict_proba(reduced), labels)


def leep(x, labels, source):
    return foretold(source, labels)


def nce(x, labels, answers):
    joint = np.zeros((labels.max() + 1, answers.max() + 1))
    for label, answer in zip(labels, answers):
        joint[label, answer] += 1.0 / len(labels)
    marginal = np.broadcast_to(joint.sum(0, keepdims=True), joint.shape)
    there = joint > 0
    return (joint[there] * np.log(joint[there] / marginal[there])).sum()


PEERS = {"logme": logme, "h-score": h_score, "sfda": sfda, "transrate": transrate, "gbc": gbc, "parc": parc, "n-leep": n_leep,
         "leep": leep, "nce": nce}


def ours(names, path, classes):
    sizes = [arguments.rows, arguments.columns, classes, arguments.bins]
    command = [arguments.binary, "scores", names, path, *map(str, sizes)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def turn(case, path, classes, inputs):
    """Seconds of both sides, one after the other, and both values."""
    mine = ours(case, path, classes)["scores"][0]
    started = time.perf_counter()
    value = float(PEERS[case](*inputs[case == "nce"]))
    return mine["seconds"], time.perf_counter() - started, mine["value"], value


def told(record, turns):
    ratios = sorted(turn[1] / turn[0] for turn in turns)
    record |= {"seconds": round(statistics.median(turn[0] for turn in turns), 5),
               "seconds_of_peer": round(statistics.median(turn[1] for turn in turns), 5),
               "ratio": round(statistics.median(ratios), 2), "lowest": round(ratios[0], 2), "highest": round(ratios[-1], 2)}
    print(json.dumps(record), flush=True)


def compare(path, classes):
    x, labels, source = data(classes)
    with open(path, "wb") as file:
        file.write(x.astype("<f4").tobytes() + labels.astype("<u4").tobytes() + source.astype("<f4").tobytes())
    inputs = [(x.astype(np.float64), labels, source.astype(np.float64))]
    inputs.append((*inputs[0][:2], source.argmax(1)))
    record = {"rows": len(x), "columns": x.shape[1], "classes": classes}
    cases = []
    for case in arguments.cases.split(","):
        first = ours(case, path, classes)["scores"][0]
        if first["value"] is None:
            print(json.dumps({"score": case} | record | {"left_out": first["reason"]}), flush=True)
        else:
            cases.append(case)
    # Round by round, so that the time of all scores at once stands beside the peers' times of the same minute.
    turns, together = {case: [] for case in cases}, []
    for _ in range(arguments.rounds):
        for case in cases:
            turns[case].append(turn(case, path, classes, inputs))
        together.append((ours(",".join(cases), path, classes)["together"], sum(turns[case][-1][1] for case in cases)))
    for case in cases:
        _, _, value, of_peer = turns[case][0]
        told({"score": case} | record | {"value": value, "difference": value - of_peer}, turns[case])
    told({"score": "all of these at once"} | record, together)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for classes in map(int, arguments.classes.split(",")):
            compare(str(Path(folder) / "features.bin"), classes)


main()
