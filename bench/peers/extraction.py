"""From JPEG files on disk to stored features in bf16: Heirloom beside PyTorch and OpenVINO, whole runs in turn.

Needs: pip install torch timm openvino onnx opencv-python-headless pillow numpy safetensors. From the workspace root:
    cargo build --release -p heirloom-cli && python bench/peers/extraction.py IMAGES [--case features|layers] [--rounds 5]

IMAGES is a folder of class folders of JPEG files. `features` takes ResNet-18's last features; `layers` takes the outputs of ResNet-50's
sixteen blocks, averaged over positions; PyTorch runs eagerly there, with hooks. Each side decodes, resizes, crops, runs the network on two threads
and writes one file (Heirloom: its cache, which is emptied before each round). Process starts and compilation count on neither side: peers time
their loop alone, Heirloom's own clock runs from the first image to the last write. Peers decode with OpenCV (libjpeg-turbo) in two threads, resize with its
area filter, which is cheaper than the antialiased one that Heirloom reproduces, and take their best of three batches.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import statistics
import subprocess
import tempfile
import time

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images")
    parser.add_argument("--case", choices=["features", "layers"], default="features")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--binary", default="target/release/heirloom")
    return parser.parse_args()


def decode(path):
    """One image as the network wants it: shorter side 256, centre 224, RGB, normalised, NCHW."""
    import cv2
    import numpy

    image = cv2.imread(path, cv2.IMREAD_COLOR)
    height, width = image.shape[:2]
    scale = 256 / min(height, width)
    image = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    top, left = (image.shape[0] - 224) // 2, (image.shape[1] - 224) // 2
    image = image[top : top + 224, left : left + 224, ::-1].astype(numpy.float32) / 255
    return ((image - numpy.float32(MEAN)) / numpy.float32(STD)).transpose(2, 0, 1)


def batches(paths, size, threads):
    """Decoded batches, the next one under way while the last is used."""
    import numpy

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        chunks = [paths[at : at + size] for at in range(0, len(paths), size)]
        ahead = [pool.submit(decode, path) for path in chunks[0]]
        for chunk in chunks[1:] + [[]]:
            following = [pool.submit(decode, path) for path in chunk]
            yield numpy.stack([future.result() for future in ahead])
            ahead = following


def layers(model):
    """Names of the residual blocks."""
    return [f"layer{stage}.{block}" for stage in range(1, 5) for block in range(len(getattr(model, f"layer{stage}")))]


def headed(model, case):
    """The model with what is stored as its answer."""
    import torch

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model, self.found = model, []
            if case == "layers":
                for name in layers(model):
                    model.get_submodule(name).register_forward_hook(lambda module, inputs, output: self.found.append(output))

        def forward(self, x):
            self.found.clear()
            features = self.model.forward_features(x)
            if case == "features":
                return self.model.forward_head(features, pre_logits=True)
            return torch.cat([torch.nn.functional.adaptive_avg_pool2d(value, 1).flatten(1) for value in self.found], 1)

    return Wrapped().eval()


def with_torch(model, traced, paths, size, threads):
    import numpy
    import torch

    torch.set_num_threads(threads)
    model = model.to(torch.bfloat16).to(memory_format=torch.channels_last)
    example = torch.randn(size, 3, 224, 224).to(memory_format=torch.channels_last).to(torch.bfloat16)
    with torch.inference_mode():
        model = torch.jit.freeze(torch.jit.trace(model, example)) if traced else model
        model(example)

    def run():
        with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            found = [model(torch.from_numpy(batch).to(memory_format=torch.channels_last).to(torch.bfloat16)).float().numpy() for batch in batches(paths, size, threads)]
            numpy.save(f"{folder}/features.npy", numpy.concatenate(found))
            return len(paths) / (time.perf_counter() - start)

    return run


def with_openvino(path, paths, size, threads):
    import numpy
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    hints = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": threads}
    compiled = core.compile_model(model, "CPU", hints)

    def run():
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            found = {}
            queue = openvino.AsyncInferQueue(compiled, threads)
            queue.set_callback(lambda request, at: found.__setitem__(at, request.get_output_tensor(0).data.copy()))
            for at, batch in enumerate(batches(paths, size, threads)):
                queue.start_async({0: batch}, at)
            queue.wait_all()
            numpy.save(f"{folder}/features.npy", numpy.concatenate([found[at] for at in range(len(found))]))
            return len(paths) / (time.perf_counter() - start)

    return run


def with_heirloom(arguments, folder, blocks, expected):
    taps = [word for name in blocks for word in ("--tap", name)] if arguments.case == "layers" else []

    def run():
        with tempfile.TemporaryDirectory() as cache:
            command = [arguments.binary, "extract", arguments.images, "--backbone", folder, "--precision", "bf16", "--threads", str(arguments.threads), "--json", *taps]
            answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HEIRLOOM_CACHE": cache}, check=True)
            answer = json.loads(answer.stdout)
            assert answer["rows"]["computed"] == expected, answer["rows"]
            return expected / answer["seconds"]

    return run


def main():
    arguments = parse()
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    import timm
    import torch
    from safetensors.torch import save_file

    name = "resnet18" if arguments.case == "features" else "resnet50"
    paths = sorted(glob.glob(f"{arguments.images}/*/*.jpg"))
    model = timm.create_model(name, pretrained=False).eval()
    with tempfile.TemporaryDirectory() as folder:
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, f"{folder}/model.safetensors")
        config = {key: value for key, value in model.pretrained_cfg.items() if isinstance(value, (str, int, float, list, tuple))}
        config.update(crop_pct=0.875, interpolation="bilinear")
        with open(f"{folder}/config.json", "w") as file:
            json.dump({"architecture": name, "num_classes": 1000, "pretrained_cfg": config}, file)
        wrapped = headed(model, arguments.case)
        traced, blocks = arguments.case == "features", layers(model) if arguments.case == "layers" else []
        torch.onnx.export(wrapped, torch.randn(2, 3, 224, 224), f"{folder}/model.onnx", input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}}, dynamo=False, opset_version=17)
        sides = {}
        few = paths[:128]
        for size in (8, 16, 32):
            sides[f"PyTorch, batch {size}"] = lambda images, size=size: with_torch(wrapped, traced, images, size, arguments.threads)
            sides[f"OpenVINO, batch {size}"] = lambda images, size=size: with_openvino(f"{folder}/model.onnx", images, size, arguments.threads)
        search = {side: make(few)() for side, make in sides.items()}
        best = [max((side for side in sides if side.startswith(peer)), key=search.get) for peer in ("PyTorch", "OpenVINO")]
        runs = {side: sides[side](paths) for side in best}
        runs["Heirloom"] = with_heirloom(arguments, folder, blocks, len(paths))
        rows = []
        for _ in range(arguments.rounds):
            row = {}
            for side, run in runs.items():
                time.sleep(0.3)
                row[side] = run()
            rows.append(row)
    ratios = [row["Heirloom"] / max(row[side] for side in best) for row in rows]
    print(f"{arguments.case}, {name}, {len(paths)} images: ratio to the fastest peer {statistics.median(ratios):.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})")
    for side in runs:
        print(f"  {side:20} {statistics.median(row[side] for row in rows):7.1f} images/s")


if __name__ == "__main__":
    main()
