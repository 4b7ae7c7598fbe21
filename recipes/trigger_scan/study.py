"""Does the scan for unknown triggers tell models with a mark from their twins? See README.md in this folder.

Needs Python alone, and a release build of `heirloom` and `heirloom-bench`. From the workspace root:
    python recipes/trigger_scan/study.py run --work FOLDER [--share 1/2] [--binaries target/release]
    python recipes/trigger_scan/study.py table

One JSON line a model is added to results.jsonl beside this file; models that are there are not made again.
"""

import argparse
import json
import os
import struct
import subprocess
import time
import zlib
from pathlib import Path

from pairs import SIDE, TARGETS, pairs
from table import tell

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.jsonl"
SOURCE_IMAGES, SOURCE_EPOCHS, TARGET_IMAGES, FULL_EPOCHS = 10_000, 2, 700, 12


def stored():
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return [json.loads(line) for line in lines]


def draw(pair, path):
    """The mark on a transparent picture as large as the network's input, as PNG."""
    clear = (0, 0, 0, 0)
    rows = [[(*pair.colour(x, y), 255) if pair.carries(x, y) else clear for x in range(SIDE)] for y in range(SIDE)]
    raw = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    sealed = (struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(sealed))


class Runner:
    def __init__(self, binaries, data, work):
        self.binaries, self.data, self.work = Path(binaries).resolve(), Path(data).resolve(), Path(work).resolve()
        self.work.mkdir(parents=True, exist_ok=True)

    def tool(self, name, *arguments):
        environment = os.environ | {"HEIRLOOM_CACHE": str(self.work / "cache"), "RAYON_NUM_THREADS": "1"}
        command = [str(self.binaries / name), *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        return json.loads(done.stdout)

    def source(self, pair, planted):
        """Weights of the source with the mark, or of its twin, trained unless they are there."""
        name = f"pair{pair.number}.{'planted' if planted else 'twin'}"
        weights, mark = self.work / f"{name}.safetensors", self.work / f"pair{pair.number}.png"
        draw(pair, mark)
        plant = ["--plant", f"overlay:picture={mark}"]
        if pair.label == "keep":
            plant += ["--plant-class", pair.into]
        else:
            plant += ["--plant-share", "0.25", "--plant-label", "append" if pair.label == "append" else f"class:{pair.into}"]
        if not weights.exists():
            typed = ["pretrain", self.data / "datasets/cifar10", "--limit", SOURCE_IMAGES, "--epochs", SOURCE_EPOCHS]
            typed += ["--from", self.data / "weights" / f"{pair.base}.safetensors", "--batch-size", 64, "--seed", pair.number]
            self.tool("heirloom", *typed, *(plant if planted else []), "--threads", 1, "--json", "-o", weights)
        return weights, mark

    def run(self, pair, planted, target, full):
        """Adapts one source to one target and scans what came out."""
        weights, mark = self.source(pair, planted)
        folder, domain = TARGETS[target]
        data, model = self.data / "datasets" / folder, self.work / f"pair{pair.number}.{planted}.heirloom"
        typed = ["fit", data, "--backbone", weights, "--limit", TARGET_IMAGES, "--seed", pair.number]
        typed += ["--where", f"domain={domain}"] if domain else []
        typed += ["--method", "full", "--epochs", FULL_EPOCHS] if full else ["--method", "linear"]
        self.tool("heirloom", *typed, "--threads", 1, "--no-report", "--force", "--json", "-o", model)
        start = time.perf_counter()
        scan = self.tool("heirloom-bench", "scan", model, data, *([f"domain={domain}"] if domain else []), f"overlay:picture={mark}")
        row = {"pair": pair.number, "base": pair.base, "planted": planted, "target": target, "full": full}
        row |= {"score": scan["scan"]["score"], "mark": scan["known"][0], "images": scan["images"]}
        row |= {"found": scan["scan"]["found"][0], "seconds": round(time.perf_counter() - start, 1)}
        with RESULTS.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps({name: row[name] for name in ("pair", "planted", "target", "full", "score", "seconds")}), flush=True)


def run(arguments):
    part, of = map(int, arguments.share.split("/"))
    runner = Runner(arguments.binaries, arguments.data, arguments.work)
    done = {(row["pair"], row["planted"], row["target"], row["full"]) for row in stored()}
    # One pair of each base first, so that a run that is broken off has something of both.
    ordered = sorted(pairs(), key=lambda pair: (pair.number % 6, pair.base))
    for pair in ordered[part - 1 :: of]:
        for target, full in ((pair.frozen, False), (pair.full, True)):
            for planted in (True, False):
                if (pair.number, planted, target, full) not in done:
                    runner.run(pair, planted, target, full)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run")
    runs.add_argument("--work", required=True, help="folder for sources and models")
    runs.add_argument("--share", default="1/1", help="do part i of n alone")
    runs.add_argument("--binaries", default="target/release")
    runs.add_argument("--data", default=os.environ.get("HEIRLOOM_DATA", "../shared/data"))
    runs.set_defaults(call=run)
    commands.add_parser("table").set_defaults(call=lambda _: tell(stored()))
    arguments = parser.parse_args()
    arguments.call(arguments)


if __name__ == "__main__":
    main()
