"""Stored answers of scikit-learn for crates/transfer/src/heads/lda: discriminants at a given shrinkage by two solvers, and the
shrinkage of Ledoit and Wolf of rows less their class's mean.

Run from the repository root: python tests/reference/discriminants.py
Features come from a formula, so only labels and answers are stored.
"""
import json
import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

CLASSES = 3


def features(rows, columns):
    i = np.arange(rows)[:, None]
    j = np.arange(columns)[None, :]
    values = ((i * 37 + j * 101 + i * j * 13) % 211) / 211.0
    return values.astype(np.float32).astype(np.float64)


def problem(rows, columns):
    x = features(rows, columns)
    labels = (x[:, :CLASSES] + 0.5 * x[:, CLASSES:2 * CLASSES]).argmax(1)
    centred = x - np.stack([x[labels == label].mean(0) for label in labels])
    cases = []
    for shrinkage in (0.02, 0.3, 1.0):
        models = [LinearDiscriminantAnalysis(solver=solver, shrinkage=shrinkage).fit(x, labels) for solver in ("lsqr", "eigen")]
        scores = [model.decision_function(x) for model in models]
        # The solvers agree up to what is the same for all classes.
        assert np.allclose(scores[0] - scores[0].mean(1, keepdims=True), scores[1] - scores[1].mean(1, keepdims=True), rtol=1e-8)
        cases.append({"shrinkage": shrinkage, "coefficients": models[0].coef_.ravel().tolist(),
                      "intercepts": models[0].intercept_.tolist()})
    return {"rows": rows, "columns": columns, "classes": CLASSES, "labels": labels.tolist(),
            "ledoit_wolf": ledoit_wolf_shrinkage(centred, assume_centered=True), "cases": cases}


with open("crates/transfer/tests/data/lda_reference.json", "w") as file:
    json.dump([problem(50, 8), problem(20, 30)], file)
    file.write("\n")
