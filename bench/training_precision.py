"""Loss curves of training in bf16 beside f32, over seeds: the same first weights, order of images and augmentation on both sides.

Needs nothing but the binary. From the workspace root:
    cargo build --release -p heirloom-cli && python bench/training_precision.py [--seeds 5] [--first-seed 0] pretrain DATA --arch cifar_resnet20 --epochs 10

What follows the options is a command of heirloom that trains, without --seed, --precision, --json and output. Prints, for every epoch, the
mean training loss over the seeds in f32, the mean paired change in bf16 with its 95 % interval, and how far seeds differ among themselves;
then the same for the accuracy at the end.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile

# Student's t, 97.5 %, for 1 to 9 degrees of freedom.
STUDENT = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--binary", default="target/release/heirloom")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


def run(arguments, seed, precision):
    """Losses of the epochs, the accuracy that counts in points, and the seconds of the epochs."""
    with tempfile.TemporaryDirectory() as folder:
        suffix = "safetensors" if arguments.command[0] == "pretrain" else "heirloom"
        settings = ["--seed", str(seed), "--precision", precision, "--json", "-o", os.path.join(folder, f"trained.{suffix}")]
        answer = subprocess.run([arguments.binary, *arguments.command, *settings], capture_output=True, text=True)
    if answer.returncode != 0:
        raise SystemExit(answer.stderr.strip())
    found = json.loads(answer.stdout)
    accuracy = found["test_accuracy"] if "test_accuracy" in found else found["accuracy"]["value"]
    epochs = found["epochs"]
    return [epoch["loss"] for epoch in epochs], 100 * accuracy, sum(epoch["seconds"] for epoch in epochs)


def change(pairs):
    """Mean of f32, mean paired change with the half width of its interval, and the spread of seeds in f32."""
    exact, changes = [a for a, _ in pairs], [b - a for a, b in pairs]
    half = STUDENT[min(len(pairs) - 2, 8)] * statistics.stdev(changes) / math.sqrt(len(pairs))
    return statistics.mean(exact), statistics.mean(changes), half, statistics.stdev(exact)


def main():
    arguments = parse()
    found = [[run(arguments, seed, precision) for precision in ("f32", "bf16")] for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)]
    print("epoch   loss in f32   change in bf16 (95 %)       spread of seeds")
    for epoch in range(len(found[0][0][0])):
        mean, shift, half, spread = change([(a[0][epoch], b[0][epoch]) for a, b in found])
        print(f"{epoch + 1:5}   {mean:11.4f}   {shift:+.4f} ({shift - half:+.4f} to {shift + half:+.4f})   {spread:.4f}")
    last = ", ".join(f"{a[0][-1]:.4f} {b[0][-1]:.4f}" for a, b in found)
    print(f"losses of the last epoch, f32 and bf16, seed by seed: {last}")
    mean, shift, half, spread = change([(a[1], b[1]) for a, b in found])
    print(f"accuracy {mean:.2f} %, change {shift:+.2f} points ({shift - half:+.2f} to {shift + half:+.2f}), spread of seeds {spread:.2f}")
    ratio = statistics.median(a[2] / b[2] for a, b in found)
    print(f"epochs take {ratio:.2f} times as long in f32 (median of {arguments.seeds} pairs)")


if __name__ == "__main__":
    main()
