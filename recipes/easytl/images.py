"""EasyTL on image features: every pair of domains of office_caltech10 and pacs, two backbones, raw and CORAL.

    python recipes/easytl/images.py HEIRLOOM DATA      goes on where it was broken off
    python recipes/easytl/images.py table recipes/easytl/images.jsonl                what docs/results.md shows

HEIRLOOM is the program, DATA the folder with datasets/ and weights/. Features are computed once and kept in the cache.
"""
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

SETS = {"office_caltech10": ["amazon", "Caltech", "dslr", "webcam"], "pacs": ["art_painting", "cartoon", "photo", "sketch"]}
KEPT = pathlib.Path(__file__).with_name("images.jsonl")
# Of pacs 400 rows of each of its splits, as many of each class: all 6648 take ten times as long.
FLAGS = {"office_caltech10": [], "pacs": ["--limit", "400"]}
BACKBONES = ["deit_tiny_patch16_224", "mobilenetv2_1.0"]
WAYS = {
    "easytl raw": ["--method", "easytl", "--align", "raw"],
    "easytl coral": ["--method", "easytl", "--align", "coral"],
}


def run(program, data, known):
    for name, domains in SETS.items():
        for backbone in BACKBONES:
            for source, target in itertools.permutations(domains, 2):
                for way, flags in WAYS.items():
                    cell = [name, backbone, source, target, way]
                    if cell in known:
                        continue
                    with tempfile.TemporaryDirectory() as folder:
                        command = [program, "fit", f"{data}/datasets/{name}", "--backbone", backbone, "--source", source,
                                   "--target", target, "--no-report", "--json", "-o", f"{folder}/m.heirloom", "--slim"]
                        environment = {**os.environ, "HEIRLOOM_DATA": data}
                        done = subprocess.run(command + FLAGS[name] + flags, env=environment, capture_output=True, text=True)
                        if done.returncode:
                            sys.exit(done.stderr)
                        record = json.loads(done.stdout)
                    adaptation = record["adaptation"]
                    line = {"cell": cell, "accuracy": record["accuracy"], "moved": adaptation["moved"],
                            "source_rows": adaptation["source_rows"], "without_target": adaptation["without_target"]}
                    with KEPT.open("a") as file:
                        file.write(json.dumps(line) + "\n")


def table(path):
    lines = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
    by_cell = {tuple(line["cell"]): line for line in lines}
    figure = lambda share: f'{100 * share["value"]:.1f} ({100 * share["low"]:.1f} to {100 * share["high"]:.1f})'
    for name, domains in SETS.items():
        for backbone in BACKBONES:
            print(f"\n| {name}, {backbone} | rows: source / target | nothing of the target | raw | coral |\n|---|---|---|---|---|")
            sums, pairs = [0.0] * 3, 0
            for source, target in itertools.permutations(domains, 2):
                raw, coral = (by_cell.get((name, backbone, source, target, way)) for way in WAYS)
                if raw is None or coral is None:
                    continue
                shares = [raw["without_target"], raw["accuracy"], coral["accuracy"]]
                rows = f'{raw["source_rows"]} / {raw["accuracy"]["n"]}'
                print(f"| {source} to {target} | {rows} | " + " | ".join(map(figure, shares)) + " |")
                sums = [total + share["value"] for total, share in zip(sums, shares)]
                pairs += 1
            if pairs:
                print(f"| mean of {pairs} | | " + " | ".join(f"{100 * total / pairs:.1f}" for total in sums) + " |")


if sys.argv[1] == "table":
    table(sys.argv[2])
else:
    known = [json.loads(line)["cell"] for line in KEPT.read_text().splitlines()] if KEPT.is_file() else []
    run(sys.argv[1], sys.argv[2], known)
