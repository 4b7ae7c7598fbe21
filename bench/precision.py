"""Accuracy of heads on frozen features in bf16 beside f32: the same draws of training rows, the same test images.

Needs nothing but the binary. From the workspace root:
    cargo build --release -p heirloom-cli && python bench/precision.py --backbone deit_tiny_patch16_224 DATA [DATA ...]

Prints, for each data set and method, the mean accuracy over the draws in f32 and the change in bf16, in points.
"""

import argparse
import json
import os
import subprocess
import tempfile


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--methods", default="linear,ridge,ncm,knn,lda,svm,head2toe")
    parser.add_argument("--seeds", default="3")
    parser.add_argument("--limit", default="2000")
    parser.add_argument("--where", default="", help="NAME=CONDITION,...: a condition on the rows of one data set, as in pacs=domain=sketch")
    parser.add_argument("--binary", default="target/release/heirloom")
    return parser.parse_args()


def accuracies(arguments, data, precision, condition):
    """Mean accuracy of every method over the draws, and the test images."""
    with tempfile.TemporaryDirectory() as folder:
        page = os.path.join(folder, "page.html")
        command = [arguments.binary, "compare", data, "--backbone", arguments.backbone, "--methods", arguments.methods]
        command += ["--seeds", arguments.seeds, "--limit", arguments.limit, "--precision", precision, "-o", page, "--json"]
        command += ["--where", condition] if condition else []
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode != 0:
            raise SystemExit(f"{data}: {answer.stderr.strip()}")
    results = json.loads(answer.stdout)["results"]
    return {result["method"]: (result["accuracy"]["value"], result["accuracy"]["n"]) for result in results}


def main():
    arguments = parse()
    conditions = dict(part.split("=", 1) for part in arguments.where.split(",") if part)
    worst, changes = 0.0, []
    for data in arguments.data:
        name = os.path.basename(os.path.normpath(data))
        condition = conditions.get(name, "")
        exact, rounded = (accuracies(arguments, data, precision, condition) for precision in ("f32", "bf16"))
        for method, (accuracy, images) in exact.items():
            change = 100 * (rounded[method][0] - accuracy)
            worst, changes = max(worst, abs(change)), changes + [change]
            print(f"{name:22} {method:10} {100 * accuracy:6.2f} %  {change:+.2f} points  ({images} test images)", flush=True)
    print(f"{len(changes)} comparisons: mean change {sum(changes) / len(changes):+.3f}, largest {worst:.2f} points")


if __name__ == "__main__":
    main()
