"""Regenerates crates/zoo/tests/data/*.pth: small PyTorch checkpoints with every kind of view that a state dict may hold.

    python checkpoints.py         (needs torch)
"""

import collections
import pathlib

import torch

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates" / "zoo" / "tests" / "data"


def tensors():
    """Values are 0, 1, 2, ... in row-major order of each tensor's base, over 4."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 4
    return collections.OrderedDict(
        plain=base,
        transposed=base.t(),
        part=base[1:3, 2:5],
        stepped=base[::2, ::3],
        half=base.half(),
        bfloat16=base.bfloat16(),
        scalar=torch.tensor(2.5),
        parameter=torch.nn.Parameter(base[0]),
        empty=torch.zeros(0, 3),
        num_batches_tracked=torch.tensor(7),
    )


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("true",)


def main():
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    torch.manual_seed(0)
    torch.save(tensors(), OUT / "views.pth")
    # With _metadata on the dictionary and training state beside it.
    torch.save({"epoch": 3, "best": 91.5, "name": "x", "args": None, "state_dict": module.state_dict()}, OUT / "nested.pth")
    torch.save({"model": tensors()}, OUT / "model.pth")
    torch.save({"state_dict": tensors(), "hook": Evil()}, OUT / "evil.pth")
    torch.save(tensors(), OUT / "legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
