"""Stored answers for heads: scikit-learn's LogisticRegression for crates/transfer/tests/linear_reference.rs and, on two layers and their
folds, for crates/transfer/src/heads/best_layer; NumPy's and SciPy's for crates/transfer/src/heads/cache_model.

Run from the repository root: python tests/reference/heads.py
Features come from a formula, so only labels' rule and probabilities are stored.
"""
import json
import numpy as np
from sklearn.linear_model import LogisticRegression
from scipy.optimize import minimize_scalar
import sklearn

ROWS, COLUMNS, CLASSES = 90, 24, 4


def features(columns=COLUMNS):
    i = np.arange(ROWS)[:, None]
    j = np.arange(columns)[None, :]
    values = ((i * 37 + j * 101 + i * j * 13) % 211) / 211.0
    return values.astype(np.float32).astype(np.float64)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def linear():
    x = unit(features())
    score = x[:, :CLASSES] + 0.5 * x[:, CLASSES:2 * CLASSES]
    labels = score.argmax(1)
    train, test = np.arange(60), np.arange(60, ROWS)
    centred = x[train] - x[train].mean(0)
    scale = (centred ** 2).sum(1).mean()
    cases = []
    for penalty in (1.0, 1e-1, 1e-2, 1e-3, 1e-4):
        c = 1.0 / (len(train) * penalty * scale)
        model = LogisticRegression(C=c, tol=1e-10, max_iter=100000).fit(x[train], labels[train])
        assert list(model.classes_) == list(range(CLASSES))
        cases.append({"penalty": penalty, "C": c, "probabilities": np.round(model.predict_proba(x[test]), 8).ravel().tolist()})
    out = {"scikit_learn": sklearn.__version__, "rows": ROWS, "columns": COLUMNS, "classes": CLASSES, "train": 60,
           "labels": labels.tolist(), "cases": cases}
    write("linear", out)


def write(name, out):
    with open(f"crates/transfer/tests/data/{name}_reference.json", "w") as file:
        json.dump(out, file)
        file.write("\n")


def log_loss(logits, labels):
    shifted = logits - logits.max(1, keepdims=True)
    return (np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]).mean()


def inverse_temperature(logits, labels):
    found = minimize_scalar(lambda power: log_loss(np.exp(power) * logits, labels), bounds=(-10, 12), method="bounded",
                            options={"xatol": 1e-10})
    return np.exp(found.x)


def cosines(x, rows, labels):
    means = np.stack([rows[labels == label].mean(0) for label in range(CLASSES)])
    return x @ unit(means).T


def cache():
    """Five folds by row number; the last third of the rows is judged."""
    x = unit(features())
    labels = (features()[:, :CLASSES] + 0.5 * features()[:, CLASSES:2 * CLASSES]).argmax(1)
    train, judged, folds, one_hot = np.arange(60), np.arange(60, ROWS), np.arange(60) % 5, np.eye(CLASSES)[labels[:60]]
    base = np.zeros((60, CLASSES))
    for fold in range(5):
        kept = train[folds != fold]
        base[folds == fold] = cosines(x[train[folds == fold]], x[kept], labels[kept])
    scale = inverse_temperature(base, labels[train])
    others = folds[:, None] != folds[None, :]
    cases = []
    for weight in (0.03, 1.0, 10.0):
        for sharpness in (1.0, 5.5, 50.0):
            seen = (np.exp(-sharpness * (1 - x[train] @ x[train].T)) * others) @ one_hot
            inverse = inverse_temperature(scale * base + weight * seen, labels[train])
            seen = np.exp(-sharpness * (1 - x[judged] @ x[train].T)) @ one_hot
            logits = inverse * (scale * cosines(x[judged], x[train], labels[train]) + weight * seen)
            p = np.exp(logits - logits.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            cases.append({"weight": weight, "sharpness": sharpness, "temperature": 1 / inverse,
                          "probabilities": np.round(p, 8).ravel().tolist()})
    write("cache", {"rows": ROWS, "columns": COLUMNS, "classes": CLASSES, "train": 60, "labels": labels.tolist(), "scale": scale,
                    "cases": cases})


def layers():
    """Out-of-fold log loss of two layers, one of fewer columns than rows and one of more, at three penalties."""
    labels = (features()[:, :CLASSES] + 0.5 * features()[:, CLASSES:2 * CLASSES]).argmax(1)
    folds, found = np.arange(ROWS) % 5, []
    for columns in (COLUMNS, 130):
        x = unit(features(columns))
        for penalty in (1e-1, 1e-2, 1e-3):
            loss = 0.0
            for fold in range(5):
                kept, held = folds != fold, folds == fold
                scale = ((x[kept] - x[kept].mean(0)) ** 2).sum(1).mean()
                model = LogisticRegression(C=1 / (kept.sum() * penalty * scale), tol=1e-10, max_iter=100000)
                model.fit(x[kept], labels[kept])
                assert list(model.classes_) == list(range(CLASSES))
                loss += held.sum() / ROWS * log_loss(model.predict_log_proba(x[held]), labels[held])
            found.append({"columns": columns, "penalty": penalty, "log_loss": loss})
    write("layers", {"rows": ROWS, "classes": CLASSES, "labels": labels.tolist(), "candidates": found})


linear()
cache()
layers()
