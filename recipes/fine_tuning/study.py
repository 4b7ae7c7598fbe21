"""Fine-tuning against a linear head: runs what is missing, then prints the tables. See README.md in this folder.

Needs: pip install pyarrow, and a release build of the `heirloom` binary. From the workspace root:
    python recipes/fine_tuning/study.py run [--binary target/release/heirloom] [--work FOLDER] [--only PART]
    python recipes/fine_tuning/study.py table

One JSON line a run is added to results.jsonl beside this file; runs that are there are not made again.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import time
from pathlib import Path

import pyarrow.parquet

from cells import BATCH, CHOOSING, CLAIMS, PARTS

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.jsonl"
# 97.5 % quantiles of Student's t by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def stored():
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return [json.loads(line) for line in lines]


def key(row):
    return row["part"], row["method"], row["seed"], row["learning_rate"]


class Runner:
    def __init__(self, binary, data, work):
        self.binary, self.data, self.work = Path(binary).resolve(), Path(data), Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.rows = stored()
        self.done = {key(row) for row in self.rows}

    def backbone(self, part):
        """The weights with a description that asks for the study's input size, so that every method sees the same pixels."""
        name = f"{part.backbone}.{part.side}"
        weights, description = (self.work / f"{name}{end}" for end in (".safetensors", ".json"))
        if not description.exists():
            facts = json.loads((self.data / "weights" / f"{part.backbone}.json").read_text())
            longest = max(facts["input_size"][1:])
            shorter = facts.get("resize_shorter_side") or longest
            facts["input_size"] = [3, part.side, part.side]
            facts["resize_shorter_side"] = max(part.side, shorter * part.side // longest)
            if not weights.exists():
                weights.symlink_to(self.data / "weights" / f"{part.backbone}.safetensors")
            description.write_text(json.dumps(facts))
        return weights

    def heirloom(self, *arguments):
        command = [str(self.binary), *map(str, arguments), "--json"]
        environment = os.environ | {"HEIRLOOM_CACHE": str(self.work / "cache")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        return json.loads(done.stdout)

    def run(self, part, method, seed, rate):
        """Fits once and keeps what was found, unless that is there."""
        if (part.name, method, seed, rate) in self.done:
            return
        start = time.perf_counter()
        model, log = self.work / "model.heirloom", self.work / "log.jsonl"
        log.unlink(missing_ok=True)
        data = self.data / "datasets" / part.data
        typed = ["fit", data, "--backbone", self.backbone(part), "--method", method, "--limit", part.rows, "--seed", seed]
        if method != "linear":
            typed += ["--image-size", part.side, "--epochs", part.epochs, "--batch-size", BATCH, "--learning-rate", rate]
            typed += ["--augment", part.augment, "--log", log]
        fit = self.heirloom(*typed, "--no-report", "--force", "-o", model)
        row = {"part": part.name, "method": method, "seed": seed, "learning_rate": rate, "train_rows": fit["rows"]["train"]}
        if method != "linear":
            epochs = [json.loads(line) for line in log.read_text().splitlines()]
            row["validation"] = min(epoch["validation"] for epoch in epochs)
        if seed != CHOOSING:
            row["right"] = self.right(data / "test.parquet", model)
        row["seconds"] = round(time.perf_counter() - start, 1)
        self.rows.append(row)
        with RESULTS.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print({name: value for name, value in row.items() if name != "right"}, flush=True)

    def right(self, path, model):
        """Whether each of all test rows is classified rightly, as hexadecimal digits after a leading 1."""
        table = pyarrow.parquet.read_table(path, columns=["label"])
        names = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]
        lines = self.heirloom("predict", model, path)["predictions"]
        classes = {int(line["image"].rsplit("#", 1)[1]): line["class"] for line in lines}
        labels = table["label"].to_pylist()
        return hex(int("1" + "".join(str(int(classes[i] == names[label])) for i, label in enumerate(labels)), 2))

    def chosen(self, part, method):
        """The rate of the lowest log loss on validation rows of the draw for choosing."""
        rates = part.rates(method)
        if len(rates) == 1:
            return rates[0]
        for rate in rates:
            self.run(part, method, CHOOSING, rate)
        tried = [r for r in self.rows if (r["part"], r["method"], r["seed"]) == (part.name, method, CHOOSING)]
        return min(tried, key=lambda row: row["validation"])["learning_rate"]


def run(arguments):
    runner = Runner(arguments.binary, arguments.data, arguments.work)
    parts = [part for part in PARTS if arguments.only in (None, part.name)]
    # Three seeds of everything come first, so that a run that is broken off has something of each.
    for first, last in ((0, 3), (3, 5)):
        for part in parts:
            for method in part.methods:
                rate = runner.chosen(part, method)
                for seed in range(first, min(last, part.seeds)):
                    runner.run(part, method, seed, rate)


def accuracies(rows, part, method):
    """Seed -> right answers by test row."""
    found = [r for r in rows if (r["part"], r["method"]) == (part, method) and "right" in r]
    return {row["seed"]: [int(bit) for bit in bin(int(row["right"], 16))[3:]] for row in found}


def interval(by_seed):
    """Mean over seeds and test rows in points, and half of its 95 % interval: Student's over seeds and the normal one over test
    rows, added in squares. `by_seed`: a list of values by test row for each seed."""
    means = [100 * statistics.mean(values) for values in by_seed]
    rows = [100 * statistics.mean(values) for values in zip(*by_seed)]
    seeds = STUDENT[len(means) - 1] * statistics.stdev(means) / math.sqrt(len(means))
    return statistics.mean(means), math.hypot(seeds, 1.96 * statistics.stdev(rows) / math.sqrt(len(rows)))


def difference(rows, part, better, other):
    a, b = (accuracies(rows, part, method) for method in (better, other))
    common = sorted(set(a) & set(b))
    if len(common) < 2:
        return None
    return (*interval([[x - y for x, y in zip(a[seed], b[seed])] for seed in common]), len(common))


def verdict(mean, half, least):
    if mean - half > 0 and mean >= least:
        return "holds"
    return "does not hold" if mean + half < least else "cannot be told here"


def table(_):
    rows = stored()
    print("| data | method | learning rate | n | accuracy | against linear |\n|---|---|---|---|---|---|")
    for part in PARTS:
        for method in part.methods:
            found = accuracies(rows, part.name, method)
            if len(found) < 2:
                continue
            mean, half = interval(list(found.values()))
            rates = {r["learning_rate"] for r in rows if (r["part"], r["method"]) == (part.name, method) and "right" in r}
            against = difference(rows, part.name, method, "linear") if method != "linear" else None
            against = f"{against[0]:+.1f} ± {against[1]:.1f}" if against else ""
            rate = "" if None in rates else ", ".join(map(str, rates))
            print(f"| {part.name} | {method} | {rate} | {len(found)} | {mean:.1f} ± {half:.1f} | {against} |")
    print("\n| claim | n | difference in points | verdict |\n|---|---|---|---|")
    for claim in CLAIMS:
        found = difference(rows, claim.part, claim.better, claim.other)
        if found:
            mean, half, seeds = found
            text = f"{claim.part}: {claim.better} over {claim.other} by {claim.least} or more"
            print(f"| {text} | {seeds} | {mean:+.1f} ± {half:.1f} | {verdict(mean, half, claim.least)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run")
    running.add_argument("--binary", default="target/release/heirloom")
    running.add_argument("--data", default=os.environ.get("HEIRLOOM_DATA", "../shared/data"))
    running.add_argument("--work", default="target/fine_tuning", help="where backbones, features and models are kept")
    running.add_argument("--only", help="one part")
    running.set_defaults(run=run)
    commands.add_parser("table").set_defaults(run=table)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
