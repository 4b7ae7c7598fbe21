"""Stored answers of scikit-learn's feature_selection for crates/transfer/src/heads/head2toe/scorer.rs.

Run from the repository root: python tests/reference/scorers.py
Features come from a formula, so only labels and answers are stored. Mutual information is that of the class and the decile of a
column: a value's bin is the share of smaller values, in tenths, so that equal values share one.
"""
import json
import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import chi2, f_classif, mutual_info_classif

ROWS, COLUMNS, CLASSES, BINS = 83, 12, 4, 10

i = np.arange(ROWS)[:, None]
j = np.arange(COLUMNS)[None, :]
x = np.maximum(0.0, ((i * 37 + j * 101 + i * j * 13) % 211) / 211.0 - 0.3)
labels = (x[:, :CLASSES] + 0.5 * x[:, CLASSES:2 * CLASSES]).argmax(1)
smaller = (x[:, None, :] > x[None, :, :]).sum(1)
binned = smaller * BINS // ROWS
out = {"rows": ROWS, "columns": COLUMNS, "classes": CLASSES, "labels": labels.tolist(), "chi2": chi2(x, labels)[0].tolist(),
       "anova_f": f_classif(x, labels)[0].tolist(),
       "extra_trees": ExtraTreesClassifier(n_estimators=20000, random_state=0).fit(x, labels).feature_importances_.tolist(),
       "mutual_information": mutual_info_classif(binned, labels, discrete_features=True).tolist()}
with open("crates/transfer/tests/data/scorer_reference.json", "w") as file:
    json.dump(out, file)
    file.write("\n")
