"""Stored objectives of scikit-learn's multinomial lasso (saga) for crates/transfer/src/heads/head2toe.

Run from the repository root: python tests/reference/lasso.py
Features come from a formula, so only labels and answers are stored.
"""
import json
import numpy as np
from sklearn.linear_model import LogisticRegression

ROWS, COLUMNS, CLASSES = 60, 24, 4

i = np.arange(ROWS)[:, None]
j = np.arange(COLUMNS)[None, :]
x = (((i * 37 + j * 101 + i * j * 13) % 211) / 211.0).astype(np.float32).astype(np.float64)
x /= np.linalg.norm(x, axis=1, keepdims=True)
labels = (x[:, :CLASSES] + 0.5 * x[:, CLASSES:2 * CLASSES]).argmax(1)
targets = np.eye(CLASSES)[labels]
# Without weights the bias gives every row the class frequencies.
largest = np.abs(x.T @ (targets.mean(0) - targets) / ROWS).max()
cases = []
for share in (0.5, 0.2, 0.05):
    penalty = share * largest
    model = LogisticRegression(l1_ratio=1.0, solver="saga", C=1.0 / (ROWS * penalty), tol=1e-12, max_iter=1000000).fit(x, labels)
    loss = -np.log(model.predict_proba(x)[np.arange(ROWS), labels]).mean()
    cases.append({"share": share, "objective": loss + penalty * np.abs(model.coef_).sum(),
                  "nonzero": int((np.abs(model.coef_) > 1e-3).sum())})
out = {"rows": ROWS, "columns": COLUMNS, "classes": CLASSES, "labels": labels.tolist(), "largest": largest, "cases": cases}
with open("crates/transfer/tests/data/lasso_reference.json", "w") as file:
    json.dump(out, file)
    file.write("\n")
