"""Final test accuracies of both sides, their difference with its 95 % interval over seeds (Welch), and the verdict.

    python recipes/cifar10_resnet20/verdict.py

The claim is that of no difference: it holds where the whole interval lies within plus and minus `LEAST` points, does not hold where
it lies beyond, and otherwise cannot be told.
"""

import json
import math
import statistics
from pathlib import Path

EPOCHS, LEAST = 12, 2.0
# 97.5 % quantiles of Student's t at 2, 2.5, 3, 3.5 and 4 degrees of freedom: what three seeds a side can give.
STUDENT = {2.0: 4.303, 2.5: 3.558, 3.0: 3.182, 3.5: 2.943, 4.0: 2.776}


def final(name, key):
    """Accuracy in points after the last epoch, by seed."""
    found = []
    for path in sorted((Path(__file__).parent / "results").glob(f"{name}-*.jsonl")):
        last = [json.loads(line) for line in path.read_text().splitlines()][-1]
        if last["epoch"] == EPOCHS - 1:
            found.append(100 * last[key])
    return found


def main():
    ours, peer = final("heirloom", "validation_accuracy"), final("torch", "test_accuracy")
    for name, values in (("Heirloom", ours), ("PyTorch", peer)):
        print(f"{name}: {', '.join(f'{value:.1f}' for value in values)}; mean {statistics.mean(values):.2f}")
    difference = statistics.mean(ours) - statistics.mean(peer)
    parts = [statistics.variance(values) / len(values) for values in (ours, peer)]
    degrees = sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (ours, peer)))
    # Rounded down to the table: never too narrow.
    half = STUDENT[max(known for known in STUDENT if known <= degrees + 1e-9)] * math.sqrt(sum(parts))
    low, high = difference - half, difference + half
    verdict = "no difference: holds" if -LEAST < low and high < LEAST else "no difference: cannot be told here"
    if low > LEAST or high < -LEAST:
        verdict = "no difference: does not hold"
    print(f"difference {difference:+.2f} ({low:+.2f} to {high:+.2f}) points; {verdict}")


if __name__ == "__main__":
    main()
