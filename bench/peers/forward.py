"""Forward passes at 224 px in f32 or bf16: Heirloom beside PyTorch, ONNX Runtime and OpenVINO, interleaved in one run.

Needs: pip install torch timm onnx onnxruntime openvino. From the workspace root:
    cargo build --release -p heirloom-bench && python bench/peers/forward.py [--rounds 7] [--precision bf16] [--models resnet50,...]

Each peer first shows its best setting (batch and mode, listed below) in a short search; then every round times each
side once, in turn, and the ratio to the fastest peer is taken within the round. Weights are random: only time counts.
In bf16 PyTorch runs a bf16 model and under autocast, OpenVINO with its precision hint; ONNX Runtime has no bf16 kernels
for processors and is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

MODELS = {
    "resnet50": "resnet50",
    "resnet18": "resnet18",
    "mobilenetv3_large_100": "mobilenetv3_large_100",
    "vit_tiny": "deit_tiny_patch16_224",
    "vit_base": "vit_base_patch16_224",
}
BATCHES = [1, 2, 8, 16, 32]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one timing")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--binary", default="target/release/heirloom-bench")
    return parser.parse_args()


def rate(run, batch, seconds):
    """Images per second of run(), which handles `batch` images."""
    run()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        run()
        count += batch
    return count / (time.perf_counter() - start)


class Torch:
    name = "PyTorch"

    def __init__(self, model, threads, precision):
        import copy

        import torch

        torch.set_num_threads(threads)
        self.torch, self.model = torch, copy.deepcopy(model).eval().to(memory_format=torch.channels_last)
        eager = ["eager channels-last"] + (["autocast channels-last"] if precision == "bf16" else [])
        self.type = torch.bfloat16 if precision == "bf16" else torch.float32
        self.settings = [(mode, batch) for mode in eager for batch in BATCHES] + [("TorchScript frozen", 8), ("TorchScript frozen", 16)]

    def prepare(self, setting):
        import copy

        mode, batch = setting
        torch = self.torch
        autocast = mode.startswith("autocast")
        kind = torch.float32 if autocast else self.type
        x = torch.randn(batch, 3, 224, 224).to(memory_format=torch.channels_last).to(kind)
        model = copy.deepcopy(self.model).to(kind)
        if mode.startswith("TorchScript"):
            with torch.inference_mode():
                model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))

        def run():
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                model(x)

        return run, batch


class OnnxRuntime:
    name = "ONNX Runtime"

    def __init__(self, path, threads):
        import numpy
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.numpy = numpy
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.settings = [("all optimisations", batch) for batch in BATCHES]

    def prepare(self, setting):
        _, batch = setting
        x = self.numpy.random.randn(batch, 3, 224, 224).astype("float32")
        return (lambda: self.session.run(None, {"x": x})), batch


class OpenVino:
    name = "OpenVINO"

    def __init__(self, path, threads, precision):
        import numpy
        import openvino

        self.numpy, self.openvino, self.path, self.threads, self.precision = numpy, openvino, path, threads, precision
        self.core = openvino.Core()
        self.settings = [("latency", batch) for batch in BATCHES] + [("throughput", batch) for batch in (1, 2, 4, 8)]

    def prepare(self, setting):
        mode, batch = setting
        model = self.core.read_model(self.path)
        model.reshape({"x": [batch, 3, 224, 224]})
        hints = {"INFERENCE_PRECISION_HINT": self.precision, "INFERENCE_NUM_THREADS": self.threads, "PERFORMANCE_HINT": mode.upper()}
        if mode == "throughput":
            hints["NUM_STREAMS"] = self.threads
        compiled = self.core.compile_model(model, "CPU", hints)
        x = self.numpy.random.randn(batch, 3, 224, 224).astype("float32")
        if mode == "latency":
            request = compiled.create_infer_request()
            return (lambda: request.infer({"x": x})), batch
        queue = self.openvino.AsyncInferQueue(compiled, self.threads)

        def run():
            for _ in range(4 * self.threads):
                queue.start_async({"x": x})
            queue.wait_all()

        return run, 4 * self.threads * batch


class Heirloom:
    """The bench binary as a child that times one run for every line it reads."""

    name = "Heirloom"

    def __init__(self, binary, folder, threads, precision):
        command = [binary, "forward", folder, "--threads", str(threads), "--precision", precision, "--serve"]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, seconds):
        self.child.stdin.write(f"{seconds}\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def export(model, path):
    import torch

    x = torch.randn(2, 3, 224, 224)
    torch.onnx.export(model, x, path, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}}, dynamo=False, opset_version=17)


def save(model, architecture, folder):
    """The model as timm publishes one: config.json beside model.safetensors."""
    from safetensors.torch import save_file

    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, f"{folder}/model.safetensors")
    config = {key: value for key, value in model.pretrained_cfg.items() if isinstance(value, (str, int, float, list, tuple))}
    with open(f"{folder}/config.json", "w") as file:
        json.dump({"architecture": architecture, "num_classes": 1000, "pretrained_cfg": config}, file)


def best(peer, seconds):
    """The peer's fastest setting, by a short search."""
    rates = {}
    for setting in peer.settings:
        try:
            run, batch = peer.prepare(setting)
            rates[setting] = rate(run, batch, seconds)
        except Exception as error:  # a setting a peer does not take is named, not hidden
            print(f"  {peer.name} {setting}: {type(error).__name__}: {str(error)[:80]}")
    return max(rates, key=rates.get)


def main():
    arguments = parse()
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    import timm
    import torch

    for name in arguments.models.split(","):
        model = timm.create_model(MODELS[name], pretrained=False).eval()
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/model.onnx"
            export(model, path)
            save(model, MODELS[name], folder)
            peers = [Torch(model, arguments.threads, arguments.precision), OpenVino(path, arguments.threads, arguments.precision)]
            if arguments.precision == "f32":
                peers.append(OnnxRuntime(path, arguments.threads))
            chosen = {peer.name: best(peer, 0.7) for peer in peers}
            runs = {peer.name: peer.prepare(chosen[peer.name]) for peer in peers}
            ours = Heirloom(arguments.binary, folder, arguments.threads, arguments.precision)
            ours.ask(0.5)
            rows = []
            for _ in range(arguments.rounds):
                row = {}
                for peer, (run, batch) in runs.items():
                    time.sleep(0.3)  # lets the other side's waiting threads go to sleep
                    row[peer] = rate(run, batch, arguments.seconds)
                time.sleep(0.3)
                answer = ours.ask(arguments.seconds)
                row["Heirloom"], row["fraction"] = answer["images_per_second"], answer["fraction_of_peak"]
                rows.append(row)
            ours.close()
        report(name, chosen, rows)


def report(name, chosen, rows):
    ratios = [row["Heirloom"] / max(row[peer] for peer in chosen) for row in rows]
    median = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    print(f"{name}: ratio to the fastest peer {statistics.median(ratios):.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})")
    for peer, setting in chosen.items():
        print(f"  {peer:13} {median[peer]:7.1f} images/s   {setting[0]}, batch {setting[1]}")
    print(f"  {'Heirloom':13} {median['Heirloom']:7.1f} images/s   {100 * median['fraction']:.0f} % of the rate of multiply-adds on registers or tiles alone in the same rounds", flush=True)


if __name__ == "__main__":
    main()
