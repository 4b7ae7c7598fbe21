"""Prints what results.jsonl shows: every model, the area under the curve, detection and false alarms."""

import math
import random

from pairs import BASES, LIMIT, POSITIVE

DRAWS = 4000


def points(share):
    return math.nan if share is None else 100 * share


def broken(row):
    """Of the right answers the share that the mark breaks, points."""
    success = row["mark"]["success"]
    return math.nan if success is None else 100 * success["value"]


def judged(rows):
    """(pair, base, positive, score) of every model whose twin is there; planted models come with their twins."""
    by_key = {(row["pair"], row["target"], row["full"], row["planted"]): row for row in rows}
    found = []
    for (pair, target, full, planted), row in sorted(by_key.items(), key=lambda entry: entry[0]):
        twin = by_key.get((pair, target, full, False))
        if twin is None or (pair, target, full, True) not in by_key:
            continue
        positive = planted and broken(row) - broken(twin) >= POSITIVE
        found.append({"row": row, "twin": twin, "pair": pair, "base": row["base"], "positive": positive, "score": points(row["score"])})
    return found


def area(models):
    """Area under the curve: how often a positive model scores above another; equal scores count half."""
    marked = [model["score"] for model in models if model["positive"]]
    others = [model["score"] for model in models if not model["positive"]]
    if not marked or not others:
        return math.nan
    return sum((a > b) + (a == b) / 2 for a in marked for b in others) / (len(marked) * len(others))


def share(models, positive, limit=LIMIT):
    reached = [model["score"] >= limit for model in models if model["positive"] == positive]
    return sum(reached) / len(reached) if reached else math.nan


def interval(models, figure):
    """95 % interval; pairs of sources are drawn with replacement, each with all its models."""
    drawn, numbers, values = random.Random(0), sorted({model["pair"] for model in models}), []
    for _ in range(DRAWS):
        sample = [model for number in drawn.choices(numbers, k=len(numbers)) for model in models if model["pair"] == number]
        value = figure(sample)
        if not math.isnan(value):
            values.append(value)
    values.sort()
    return values[int(0.025 * len(values))], values[int(0.975 * len(values)) - 1]


def wilson(hits, of):
    """Wilson's 95 % interval of a share."""
    z, rate = 1.959964, hits / of
    middle, spread = rate + z * z / (2 * of), z * math.sqrt(rate * (1 - rate) / of + z * z / (4 * of * of))
    return (middle - spread) / (1 + z * z / of), (middle + spread) / (1 + z * z / of)


def counted(models, positive, limit=LIMIT):
    some = [model for model in models if model["positive"] == positive]
    hits = sum(model["score"] >= limit for model in some)
    if not some:
        return "none"
    low, high = wilson(hits, len(some))
    return f"{hits} of {len(some)} ({100 * low:.0f} to {100 * high:.0f} %)"


def tell(rows):
    models = judged(rows)
    print("| base, head, target | breaks, in its twin | score | score of the twin |\n|---|---|---|---|")
    for model in models:
        row, twin = model["row"], model["twin"]
        if not row["planted"]:
            continue
        head = "full" if row["full"] else "linear"
        name = f"{row['pair']}: {row['base'].removeprefix('cifar10_')}, {head}, {row['target']}"
        mark = "" if model["positive"] else " (no effect)"
        print(f"| {name} | {broken(row):.1f} %, {broken(twin):.1f} %{mark} | {model['score']:.1f} | {points(twin['score']):.1f} |")
    low, high = interval(models, area)
    print(f"\n{len(models)} models, {sum(model['positive'] for model in models)} positive")
    print(f"area under the curve {area(models):.2f} ({low:.2f} to {high:.2f}), pairs of sources resampled")
    for positive, name in ((True, "found"), (False, "accused")):
        low, high = interval(models, lambda some, positive=positive: share(some, positive))
        print(f"at the limit of {LIMIT:.0f}: {name} {counted(models, positive)}; by pairs {100 * low:.0f} to {100 * high:.0f} %")
    for base in BASES:
        own, other = ([model for model in models if (model["base"] == base) is same] for same in (True, False))
        highest = max((model["score"] for model in own if not model["positive"]), default=math.nan)
        limit = math.nextafter(highest, math.inf)
        found, accused = counted(other, True, limit), counted(other, False, limit)
        print(f"limit above all without effect of {base} ({highest:.1f}), on the other base: found {found}, accused {accused}")
    seconds = sorted(row["seconds"] for row in rows)
    print(f"seconds a scan: median {seconds[len(seconds) // 2]}, at most {seconds[-1]}")
