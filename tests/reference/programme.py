"""Optima of EasyTL's programme by scipy's HiGHS for crates/transfer/src/adaptation/tests.rs.

Run from the repository root: python tests/reference/programme.py
Distances come from a formula (a linear congruential generator), so only the optima are stored.
"""
import json
import numpy as np
import scipy
from scipy.optimize import linprog


class Draws:
    def __init__(self, seed):
        self.state = (seed * 2654435761 + 12345) % 2**32

    def next(self):
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return self.state / 2**32

    def below(self, count):
        return int(self.next() * count)


def instance(seed):
    """Rows, classes, distances and the least rows of each class, in the order in which the test draws them."""
    draws = Draws(seed)
    kind = seed % 4
    rows = 3 + draws.below(11) if kind < 2 else 10 + draws.below(21)
    classes = 2 + draws.below(min(rows, 6) - 1)
    offsets = [1.5 * draws.next() for _ in range(classes)]
    distances = np.array([[draws.next() + offsets[c] for c in range(classes)] for _ in range(rows)])
    if kind < 2:
        least = [1] * classes
    elif kind == 2:
        least = [rows // classes] * classes
    else:
        # Proportions: every row is asked for.
        least = [0] * classes
        for _ in range(rows):
            least[draws.below(classes)] += 1
    return rows, classes, distances, least


def optimum(rows, classes, distances, least):
    each = np.zeros((rows, rows * classes))
    for row in range(rows):
        each[row, row * classes:(row + 1) * classes] = 1
    cover = np.zeros((classes, rows * classes))
    for c in range(classes):
        cover[c, c::classes] = -1
    found = linprog(distances.ravel(), A_ub=cover, b_ub=-np.array(least), A_eq=each, b_eq=np.ones(rows), method="highs")
    assert found.status == 0, found.message
    whole = np.abs(found.x - np.round(found.x)).max()
    assert whole < 1e-9, whole
    return found.fun


def main():
    optima, binding = [], 0
    for seed in range(400):
        rows, classes, distances, least = instance(seed)
        value = optimum(rows, classes, distances, least)
        binding += value > distances.min(1).sum() + 1e-12
        optima.append(float(f"{value:.12g}"))
    out = {"scipy": scipy.__version__, "binding": int(binding), "optima": optima}
    with open("crates/transfer/src/adaptation/programme.json", "w") as file:
        json.dump(out, file)
        file.write("\n")
    print(binding, "of 400 have a constraint that binds")


main()
