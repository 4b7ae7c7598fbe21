"""Heads on frozen features beside each other: seven methods, two backbones, near and far data sets.

    python recipes/frozen_heads/study.py run HEIRLOOM DATA [SET ...]     goes on where it was broken off
    python recipes/frozen_heads/study.py table                           what docs/results.md shows

HEIRLOOM is the program, DATA the folder with datasets/ and weights/. Every figure is from `heirloom compare`: five draws of 640 of
800 training rows (fewer where a set has fewer), all judged on the same test rows.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

KEPT = pathlib.Path(__file__).with_name("results.jsonl")
BACKBONES = ["mobilenetv2_1.0", "deit_tiny_patch16_224"]
METHODS = ["linear", "ridge", "lda", "svm", "ncm", "knn", "head2toe"]
# From what looks least like photographs of objects to what looks most like them; the last word says what is in the pictures.
SETS = {
    "omniglot": (["omniglot", "--target-sizes", "1"], "characters"),
    "usps": (["usps"], "digits"),
    "pneumonia": (["pneumonia"], "chest X-rays, its own test rows"),
    "pneumonia-train": (["pneumonia/train.parquet"], "chest X-rays, training rows alone"),
    "sketch": (["pacs", "--where", "domain=sketch"], "sketches"),
    "rsscn7": (["rsscn7"], "aerial scenes"),
    "dtd": (["dtd_subset"], "textures"),
    "flowers5": (["flowers5"], "flowers"),
    "office": (["office_caltech10"], "objects"),
}


def compare(program, data, arguments, backbones, methods):
    """One comparison; results that were computed before come from the cache."""
    with tempfile.TemporaryDirectory() as folder:
        place = arguments[0]
        command = [program, "compare", f"{data}/datasets/{place}", *arguments[1:], "--backbone", *backbones, "--limit", "800"]
        command += ["--methods", ",".join(methods), "--json", "-o", f"{folder}/page.html"]
        done = subprocess.run(command, env={**os.environ, "HEIRLOOM_DATA": data}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def known():
    lines = map(json.loads, KEPT.read_text().splitlines()) if KEPT.exists() else []
    return {(line["set"], line["backbone"], line["method"]) for line in lines}


def run(program, data, wanted):
    for name in wanted or SETS:
        for backbone in BACKBONES:
            missing = [method for method in METHODS if (name, backbone, method) not in known()]
            if missing:
                lines = computed(program, data, name, backbone, missing)
                with KEPT.open("a") as file:
                    file.writelines(json.dumps(line) + "\n" for line in lines)


def computed(program, data, name, backbone, methods):
    """A line for each method."""
    arguments = SETS[name][0]
    whole = compare(program, data, arguments, [backbone], methods)
    for result in whole["results"]:
        line = {"set": name, "backbone": backbone, "method": result["method"], "protocol": whole["protocol"],
                "train": whole["rows"]["train"], "accuracy": result["accuracy"], "spread": result["spread"],
                "operations": result["operations"]["total"], "stored_bytes": result["stored_bytes"]}
        if result["method"] == "head2toe":
            line["over_linear"] = over_linear(program, data, arguments, backbone)
            line["last_layer_alone"] = sum("layers last" in choice for choice in result["choices"])
        yield line


def over_linear(program, data, arguments, backbone):
    """Accuracy of head2toe less that of linear, on the same resamples."""
    pair = compare(program, data, arguments, [backbone], ["linear", "head2toe"])["results"]
    gap, sign = pair[1]["against_best"], 1 if pair[1]["method"] == "head2toe" else -1
    return dict(zip(("low", "value", "high"), sorted(sign * gap[end] for end in ("low", "value", "high"))))


def table():
    lines = [json.loads(line) for line in KEPT.read_text().splitlines()]
    for backbone in BACKBONES:
        print(f"\n### {backbone}\n\n| data | rows: draw / test | {' | '.join(METHODS)} | head2toe over linear |")
        print("|---" * (len(METHODS) + 3) + "|")
        for name, (_, what) in SETS.items():
            cells = {line["method"]: line for line in lines if (line["set"], line["backbone"]) == (name, backbone)}
            if not cells:
                continue
            share = lambda method: "{value:.1f} ({low:.1f} to {high:.1f})".format(
                **{key: 100 * value for key, value in cells[method]["accuracy"].items() if key != "n"})
            gap = cells["head2toe"]["over_linear"]
            over = f'{100 * gap["value"]:+.1f} ({100 * gap["low"]:+.1f} to {100 * gap["high"]:+.1f})'
            first = cells["linear"]
            print(f'| {name}, {what} | {first["train"]} / {first["accuracy"]["n"]} | '
                  f'{" | ".join(map(share, METHODS))} | {over} |')


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"] and len(sys.argv) > 3:
        run(sys.argv[2], sys.argv[3], sys.argv[4:])
    elif sys.argv[1:2] == ["table"]:
        table()
    else:
        sys.exit(__doc__)
