"""Peak resident memory of three training steps in f32: Heirloom beside PyTorch, each case in a process of its own.

Needs what steps.py needs. From the workspace root:
    cargo build --release -p heirloom-bench && python bench/peers/memory.py [--cases resnet20,...]

A step is that of steps.py: forward, cross-entropy, backward, SGD with momentum. PyTorch is measured in both layouts and the smaller
figure counts; what its process held before the network was built (the libraries) is shown beside it.
"""

import argparse
import json
import resource
import subprocess
import sys

import torch
import torch.nn.functional as F

from steps import CASES, build

STEPS = 3


def resident():
    """The most memory of this process so far in MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(case, layout, threads):
    """Runs in a process of its own."""
    torch.set_num_threads(threads)
    name, side, batch = CASES[case]
    import timm  # noqa: F401  A library like the others: it belongs to what was there before.

    before = resident()
    form = torch.channels_last if layout == "channels-last" else torch.contiguous_format
    model = build(name).train().to(memory_format=form)
    x, y = torch.randn(batch, 3, side, side).to(memory_format=form), torch.arange(batch) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    print(json.dumps({"peak_mib": resident(), "before_mib": before}))


def answer(command):
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--binary", default="target/release/heirloom-bench")
    parser.add_argument("--serve", nargs=2, metavar=("CASE", "LAYOUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return serve(*arguments.serve, arguments.threads)
    for case in arguments.cases.split(","):
        name, side, batch = CASES[case]
        threads = ["--threads", str(arguments.threads)]
        ours = answer([arguments.binary, "memory", name, str(side), str(batch), *threads])
        forms = ("plain", "channels-last")
        peers = {form: answer([sys.executable, __file__, "--serve", case, form, *threads]) for form in forms}
        form = min(peers, key=lambda form: peers[form]["peak_mib"])
        growth = [row["peak_mib"] - row["before_mib"] for row in (ours, peers[form])]
        print(
            f"{case:16} {ours['peak_mib']:6.0f} MiB, of that {growth[0]:6.0f} by the network; PyTorch ({form}) "
            f"{peers[form]['peak_mib']:6.0f}, of that {growth[1]:6.0f}; ratio of the latter {growth[0] / growth[1]:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
