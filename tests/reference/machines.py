"""Stored answers of scikit-learn's LinearSVC (liblinear) for crates/transfer/src/heads/svm.

Run from the repository root: python tests/reference/machines.py
Features come from a formula, so only labels and answers are stored.
"""
import json
import warnings
import numpy as np
from sklearn.svm import LinearSVC

CLASSES = 3
warnings.filterwarnings("ignore")


def features(rows, columns):
    i = np.arange(rows)[:, None]
    j = np.arange(columns)[None, :]
    values = (((i * 37 + j * 101 + i * j * 13) % 211) / 211.0).astype(np.float32).astype(np.float64)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def problem(rows, columns, penalties):
    x = features(rows, columns)
    labels = (x[:, :CLASSES] + 0.5 * x[:, CLASSES:2 * CLASSES]).argmax(1)
    scale = ((x - x.mean(0)) ** 2).sum(1).mean()
    cases = []
    for penalty in penalties:
        c = 1.0 / (rows * penalty * scale)
        model = LinearSVC(C=c, dual=False, tol=1e-12, max_iter=1000000, intercept_scaling=1000.0).fit(x, labels)
        margins = model.decision_function(x)
        signs = np.where(labels[:, None] == np.arange(CLASSES), 1.0, -1.0)
        losses = (np.maximum(0.0, 1.0 - signs * margins) ** 2).mean(0)
        objectives = losses + 0.5 * penalty * scale * (model.coef_ ** 2).sum(1)
        cases.append({"penalty": penalty, "objectives": objectives.tolist(), "margins": np.round(margins, 6).ravel().tolist()})
    return {"rows": rows, "columns": columns, "classes": CLASSES, "labels": labels.tolist(), "cases": cases}


with open("crates/transfer/tests/data/svm_reference.json", "w") as file:
    json.dump([problem(60, 10, (1.0, 0.1, 0.01, 0.001)), problem(25, 40, (1.0, 0.1, 0.01, 0.001))], file)
    file.write("\n")
