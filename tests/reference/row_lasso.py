"""Stored optima of the multinomial group lasso for crates/transfer/src/heads/head2toe.

Needs: pip install numpy, and group-lasso for the second solver. Run from the repository root:
    python tests/reference/row_lasso.py              # writes the stored answers
    python tests/reference/row_lasso.py --package    # minutes: also solves each case by the package, and prints what it finds

No library that we know certifies this objective (multinomial loss, free bias, one group per row of the weights; skglm and celer
have groups for a squared or a binary loss only), so the reference is written out here: accelerated proximal gradient on all
columns at once in double precision, to a duality gap of 1e-10 of the loss without weights. The package group-lasso solves the same
objective without a certificate; where it gets close, its objective and its rows are compared here with ours of this file. Its steps are
half as long as its threshold supposes, so `group_reg` is half the penalty.

Features come from a formula, so only answers are stored.
"""
import json
import sys
import warnings

import numpy as np

# Rows, classes, widths of the taps, whether each row of a tap is scaled to norm 1.
PROBLEMS = [(60, 3, [40], False), (200, 5, [150, 100, 250], True), (120, 10, [500, 300, 700, 500], True)]
SHARES = [0.5, 0.2, 0.05]
GAP = 1e-10


def uniform(tap, rows, columns):
    """Numbers in [0, 1) with 24 bits, the same in any language with 64-bit integers."""
    row = np.arange(rows, dtype=np.uint64)[:, None]
    column = np.arange(columns, dtype=np.uint64)[None, :]
    with np.errstate(over="ignore"):
        state = row * np.uint64(1000003) + column * np.uint64(7919) + np.uint64(tap * 104729) + np.uint64(0x9E3779B97F4A7C15)
        for multiplier in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
            state = (state ^ (state >> np.uint64(30))) * np.uint64(multiplier)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def problem(rows, classes, widths, scaled):
    labels = (uniform(0, rows, 1)[:, 0] * classes).astype(int)
    taps = []
    for tap, width in enumerate(widths):
        values = uniform(tap + 1, rows, width)
        # One column in eight follows a class, the more weakly the later it stands.
        for column in range(0, width, 8):
            values[labels == (column // 8) % classes, column] += np.float32(0.5) / np.float32(1 + column // 64)
        values = values.astype(np.float64)
        taps.append(values / np.linalg.norm(values, axis=1, keepdims=True) if scaled else values)
    return np.hstack(taps), labels


def softmax(logits):
    logits = logits - logits.max(1, keepdims=True)
    values = np.exp(logits)
    return values / values.sum(1, keepdims=True)


def loss_of(logits, labels):
    top = logits.max(1)
    return (np.log(np.exp(logits - top[:, None]).sum(1)) + top - logits[np.arange(len(labels)), labels]).mean()


def best_bias(image, targets, labels, bias):
    """Newton's method on the bias alone, halved where it overshoots."""
    for _ in range(50):
        p = softmax(image + bias)
        gradient = (p - targets).mean(0)
        if np.linalg.norm(gradient) < 1e-15:
            break
        step = np.linalg.pinv(np.diag(p.mean(0)) - p.T @ p / len(p)) @ gradient
        factor, old = 1.0, loss_of(image + bias, labels)
        while factor > 1e-3 and loss_of(image + bias - factor * step, labels) > old:
            factor *= 0.5
        bias = bias - factor * step
    return bias


def certificate(x, targets, labels, weights, bias, penalty):
    """Objective at the best bias and its distance to the dual value."""
    image = x @ weights
    bias = best_bias(image, targets, labels, bias)
    residual = softmax(image + bias) - targets
    norms = np.linalg.norm(x.T @ residual, axis=1) / len(x)
    objective = loss_of(image + bias, labels) + penalty * np.linalg.norm(weights, axis=1).sum()
    q = targets + min(1.0, penalty / norms.max()) * residual
    entropy = -np.where(q > 0, q * np.log(np.maximum(q, 1e-300)), 0.0).sum(1).mean()
    return objective, objective - entropy, norms


def solve(x, labels, classes, penalty, gap, start=None, steps=2_000_000):
    """FISTA with restart; `x` is centred. `gap` is a share of the loss without weights."""
    targets = np.eye(classes)[labels]
    null = loss_of(np.log(np.maximum(targets.mean(0), 1e-300))[None, :].repeat(len(x), 0), labels)
    bound = 0.5 * max(np.linalg.norm(x, 2) ** 2 / len(x), 1.0)
    weights, bias = start if start is not None else (np.zeros((x.shape[1], classes)), np.log(targets.mean(0)))
    ahead, ahead_bias, momentum = weights, bias, 1.0
    for step in range(steps):
        if step % 200 == 0 and certificate(x, targets, labels, weights, bias, penalty)[1] <= gap * null:
            break
        residual = (softmax(x @ ahead + ahead_bias) - targets) / len(x)
        moved = ahead - x.T @ residual / bound
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        moved *= np.maximum(0.0, 1.0 - penalty / bound / np.maximum(norms, 1e-300))
        moved_bias = ahead_bias - residual.sum(0) / bound
        if ((ahead - moved) * (moved - weights)).sum() > 0:
            momentum = 1.0
        grown = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
        factor, momentum = (momentum - 1.0) / grown, grown
        ahead, ahead_bias = moved + factor * (moved - weights), moved_bias + factor * (moved_bias - bias)
        weights, bias = moved, moved_bias
    objective, distance, norms = certificate(x, targets, labels, weights, bias, penalty)
    return {"weights": weights, "bias": bias, "objective": objective, "gap": distance / null, "norms": norms,
            "steps": step, "null": null}


def by_package(x, labels, penalty):
    from group_lasso import LogisticGroupLasso

    steps = min(20000, 4000000 // x.shape[1])
    model = LogisticGroupLasso(groups=np.arange(x.shape[1]), group_reg=penalty / 2, l1_reg=0.0, n_iter=steps, tol=1e-13,
                               scale_reg="none", supress_warning=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, labels)
    return model.coef_


def main():
    out = []
    for rows, classes, widths, scaled in PROBLEMS:
        x, labels = problem(rows, classes, widths, scaled)
        centred = x - x.mean(0)
        targets = np.eye(classes)[labels]
        largest = (np.linalg.norm(centred.T @ (targets.mean(0) - targets), axis=1) / rows).max()
        cases, start = [], None
        for share in SHARES:
            penalty = share * largest
            found = solve(centred, labels, classes, penalty, GAP, start)
            start = found["weights"], found["bias"]
            sizes = np.linalg.norm(found["weights"], axis=1)
            nonzero = np.flatnonzero(sizes)
            # How sure the rows are: the smallest row that is in, the largest gradient of one that is out.
            outside = np.delete(found["norms"], nonzero)
            line = (f"{rows}x{sum(widths)}x{classes} share {share}: {found['steps']} steps, gap {found['gap']:.1e}, objective "
                    f"{found['objective']:.12f}, {len(nonzero)} rows, smallest {sizes[nonzero].min():.2e}, largest outside "
                    f"{outside.max() / penalty:.6f}")
            if "--package" in sys.argv[1:]:
                other = by_package(centred, labels, penalty)
                objective, gap, _ = certificate(centred, targets, labels, other, found["bias"], penalty)
                same = np.array_equal(np.flatnonzero(np.linalg.norm(other, axis=1)), nonzero)
                line += f"; group-lasso {objective - found['objective']:.1e} above, gap {gap / found['null']:.1e}, same rows {same}"
            print(line, file=sys.stderr)
            cases.append({"share": share, "objective": found["objective"], "nonzero": nonzero.tolist(),
                          "norms": [float(f"{size:.7g}") for size in sizes[nonzero]]})
        out.append({"rows": rows, "classes": classes, "widths": widths, "scaled": scaled, "largest": largest,
                    "null": found["null"], "cases": cases})
    with open("crates/transfer/tests/data/group_lasso_reference.json", "w") as file:
        json.dump(out, file)
        file.write("\n")


if __name__ == "__main__":
    main()
