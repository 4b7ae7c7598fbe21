"""Stored answers of scikit-learn's LogisticRegression for crates/transfer/tests/linear_reference.rs.

Run from the repository root: python tests/reference/heads.py
Features come from a formula, so only labels' rule and probabilities are stored.
"""
import json
import numpy as np
from sklearn.linear_model import LogisticRegression
import sklearn

ROWS, COLUMNS, CLASSES = 90, 24, 4


def features():
    i = np.arange(ROWS)[:, None]
    j = np.arange(COLUMNS)[None, :]
    values = ((i * 37 + j * 101 + i * j * 13) % 211) / 211.0
    return values.astype(np.float32).astype(np.float64)


def main():
    x = features()
    x /= np.linalg.norm(x, axis=1, keepdims=True)
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
    with open("crates/transfer/tests/data/linear_reference.json", "w") as file:
        json.dump(out, file)
        file.write("\n")


main()
