"""What the study runs, and the claims it judges; both were written before the first run."""

from dataclasses import dataclass

MOBILE, DEIT, SQUEEZE = "mobilenetv2_1.0_gluon_bn", "deit_tiny_patch16_224", "squeezenet1_1"
# The draw of rows on which learning rates are chosen; its test rows are not looked at.
CHOOSING = 1000
BATCH = 16

# Learning rates to choose from, by method.
RATES = {
    "full": [0.005, 0.02],
    "l2-sp": [0.005, 0.02],
    "delta": [0.005, 0.02],
    "bss": [0.005, 0.02],
    "lp-ft": [0.001, 0.004],
    "bn-tune": [0.02, 0.08],
}
# For parts of a set that are trained for longer.
SMALL_RATES = RATES | {method: [0.0015, 0.005] for method in ("full", "l2-sp", "delta", "bss")}
TRANSFORMER_RATES = {"full": [0.00005, 0.0002]}


@dataclass(frozen=True)
class Part:
    """One data set under one backbone."""

    name: str
    data: str
    backbone: str
    # Side of the input in pixels, training rows (a fifth of them for validation), epochs.
    side: int
    rows: int
    epochs: int
    augment: str
    methods: tuple
    seeds: int

    def rates(self, method):
        if method == "linear":
            return [None]
        rates = TRANSFORMER_RATES if self.backbone == DEIT else SMALL_RATES if self.name.endswith("%") else RATES
        return rates[method]


PENALTIES = ("linear", "full", "l2-sp", "delta", "bss")
PARTS = [
    Part("usps", "usps", MOBILE, 64, 300, 8, "none", ("linear", "full", "bn-tune"), 5),
    Part("rsscn7", "rsscn7", MOBILE, 96, 200, 16, "crop", ("linear", "full", "lp-ft", "bn-tune"), 5),
    Part("dtd_subset, 25 %", "dtd_subset", MOBILE, 96, 150, 24, "crop", (*PENALTIES, "lp-ft"), 5),
    Part("clothing", "clothing", MOBILE, 96, 200, 16, "crop", ("linear", "full"), 5),
    Part("clothing, SqueezeNet", "clothing", SQUEEZE, 96, 200, 16, "crop", ("linear", "full"), 3),
    Part("clothing, DeiT-tiny", "clothing", DEIT, 224, 160, 6, "crop", ("linear", "full"), 3),
    Part("rsscn7, SqueezeNet", "rsscn7", SQUEEZE, 96, 200, 16, "crop", ("linear", "full"), 3),
    Part("caltech101, 15 %", "caltech101", MOBILE, 96, 300, 16, "crop", PENALTIES, 3),
]


@dataclass(frozen=True)
class Claim:
    """`better` is more accurate than `other` by at least `least` points."""

    part: str
    better: str
    other: str
    least: float
    source: str


FAR = "fine-tuning beats a frozen linear head on targets far from the source (spec/head2toe.md)"
HEAD = "a fitted head first is worth a point on the data trained on (spec/regularisers-and-adaptation.md B1)"
SMALL = "2 to 8 points on small parts of fine-grained sets (spec/regularisers-and-adaptation.md A7)"
NORMS = "scales and shifts adapt what a frozen head cannot (spec/regularisers-and-adaptation.md B4)"
CLAIMS = [
    Claim("usps", "full", "linear", 2, FAR),
    Claim("rsscn7", "full", "linear", 2, FAR),
    Claim("rsscn7", "lp-ft", "full", 1, HEAD),
    Claim("dtd_subset, 25 %", "lp-ft", "full", 1, HEAD),
    Claim("usps", "bn-tune", "linear", 2, NORMS),
    Claim("rsscn7", "bn-tune", "linear", 2, NORMS),
    *[Claim(part, method, "full", 1, SMALL) for part in ("dtd_subset, 25 %", "caltech101, 15 %") for method in ("l2-sp", "delta", "bss")],
]
