"""Regenerates crates/zoo/tests/data/networks.{json,safetensors}: outputs of timm and torchvision networks with formula weights.

Every parameter is filled from a hash of its key and of the element's index, so that the tests build the same network without a
weight file. Weights of two and more axes are uniform with He variance, scales and variances lie near 1, shifts and means near 0;
`scales` multiplies the parameters whose keys end so, to keep residual sums bounded. The forward pass is in float64; the standard
deviation of every module's output must lie in 0.1 to 10.

    python networks.py [ARCHITECTURE ...]      (needs torch, timm, torchvision, safetensors, numpy)

With names, only these are computed and the others stay as they are.
"""

import json
import math
import pathlib
import re
import sys

import numpy as np
import timm
import torch
import torch.nn.functional as F
import torchvision
from safetensors.numpy import load_file, save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates" / "zoo" / "tests" / "data"
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Values kept of a tensor, evenly spaced in channels-last order.
KEPT = 96
# Modules that are no taps: gates and their inputs, dropout and the like.
UNCHECKED = re.compile(r"(\.se(\.|$)|\.fc[12]$|\.activation$|scale_activation|drop|avgpool|global_pool|\.bn\d|downsample)")


def uniform(key, count):
    """`count` values in [-1, 1) on a grid of 2^-23: FNV-1a of the key, then splitmix64 over the index."""
    seed = 0xCBF29CE484222325
    for byte in key.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0


def parameter(key, shape, scales):
    """A float32 parameter, computed in float64 and rounded once."""
    u = uniform(key, math.prod(shape))
    last = re.split(r"[./]", key)[-1]
    if last in ("running_var", "moving_variance", "gamma", "layer_scale") or (last == "weight" and len(shape) == 1):
        value = 1.0 + 0.1 * u
    elif last in ("bias", "biases", "beta", "running_mean", "moving_mean"):
        value = 0.1 * u
    elif last in ("cls_token", "pos_embed"):
        value = u
    elif list(shape) == [1]:
        # Fixup's multipliers and biases.
        value = (1.0 if last == "scale" else 0.0) + 0.1 * u
    else:
        value = u * math.sqrt(6.0 / math.prod(shape[1:]))
    for suffix, factor in scales:
        if key.endswith(suffix):
            value = value * factor
    return torch.from_numpy(value.astype(np.float32).reshape(shape))


def image(height, width):
    """[1, 3, height, width], already normalised; the formula runs over channels-last order."""
    values = (uniform("image", height * width * 3) * math.sqrt(3.0)).astype(np.float32)
    return torch.from_numpy(values.reshape(1, height, width, 3)).permute(0, 3, 1, 2).double()


def channels_last(tensor):
    """One image's values in the order of the tests: channels last. Token sequences and vectors are so already."""
    tensor = tensor.detach()
    if tensor.ndim == 4:
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.reshape(-1).numpy()


def thinned(values):
    """Evenly spaced values."""
    step = max(1, len(values) // KEPT)
    return values[::step][:KEPT].astype(np.float32)


def library_forward(model, scales, size, taps, classifier):
    """Values by tap, and the deviation of every module's output."""
    state = model.state_dict()
    filled = {key: parameter(key, list(value.shape), scales) for key, value in state.items() if "num_batches" not in key}
    model.load_state_dict(filled, strict=False)
    model = model.double().eval()
    found, deviations = {}, {}

    def keep(name):
        def hook(module, inputs, output):
            if torch.is_tensor(output):
                # A later in-place activation must not change what was seen.
                found[name] = output.detach().clone()
                deviations[name] = float(output.std())

        return hook

    for name, module in model.named_modules():
        if name:
            module.register_forward_hook(keep(name))
    features = {}
    dict(model.named_modules())[classifier].register_forward_pre_hook(lambda m, i: features.update(value=i[0].clone()))
    with torch.no_grad():
        logits = model(image(size, size))
    values = {tap: channels_last(found[tap]) for tap in taps}
    if features["value"].ndim == 2:
        values["pre_logits"] = channels_last(features["value"])
    else:
        values["pre_logits"] = features["value"].mean(dim=(2, 3)).reshape(-1).numpy()
    values["logits"] = channels_last(logits)
    return values, deviations


class Named:
    """Parameters by formula under given keys, in float64, with the shapes they were asked for."""

    def __init__(self, scales):
        self.scales = scales

    def __call__(self, key, *shape):
        return parameter(key, list(shape), self.scales).double()


def norm(x, p, name, epsilon, spelling):
    weight, bias, mean, variance = (p(f"{name}{part}", x.shape[1]) for part in spelling)
    return F.batch_norm(x, mean, variance, weight, bias, eps=epsilon)


TORCH_NORM = (".weight", ".bias", ".running_mean", ".running_var")
SLIM_NORM = ("/BatchNorm/gamma", "/BatchNorm/beta", "/BatchNorm/moving_mean", "/BatchNorm/moving_variance")


def cifar_resnet(blocks):
    """He et al. 2016, section 4.2, option A."""

    def forward(p, size):
        found = {}
        x = F.relu(norm(F.conv2d(image(size, size), p("conv1.weight", 16, 3, 3, 3), padding=1), p, "bn1", 1e-5, TORCH_NORM))
        for stage, width in enumerate((16, 32, 64)):
            for block in range(blocks):
                name, stride = f"layer{stage + 1}.{block}", 2 if stage and not block else 1
                y = F.conv2d(x, p(f"{name}.conv1.weight", width, x.shape[1], 3, 3), padding=1, stride=stride)
                y = F.relu(norm(y, p, f"{name}.bn1", 1e-5, TORCH_NORM))
                y = F.conv2d(y, p(f"{name}.conv2.weight", width, width, 3, 3), padding=1)
                y = norm(y, p, f"{name}.bn2", 1e-5, TORCH_NORM)
                if stride == 2:
                    side = (width - x.shape[1]) // 2
                    x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, side, side))
                x = found[name] = F.relu(x + y)
        x = found["pre_logits"] = x.mean(dim=(2, 3))
        found["logits"] = F.linear(x, p("linear.weight", 10, 64), p("linear.bias", 10))
        return found

    return forward


def wide_resnet(blocks, width):
    """Zagoruyko and Komodakis 2016: the shortcut of a block that changes shape reads the activated map."""

    def forward(p, size):
        found = {}

        def active(x, name):
            return F.relu(norm(x, p, name, 1e-5, TORCH_NORM))

        x = F.conv2d(image(size, size), p("conv1.weight", 16, 3, 3, 3), padding=1)
        for stage, channels in enumerate((16 * width, 32 * width, 64 * width)):
            for block in range(blocks):
                name, stride = f"block{stage + 1}.layer.{block}", 2 if stage and not block else 1
                a = found[f"{name}.relu1"] = active(x, f"{name}.bn1")
                y = F.conv2d(a, p(f"{name}.conv1.weight", channels, x.shape[1], 3, 3), padding=1, stride=stride)
                y = active(y, f"{name}.bn2")
                y = F.conv2d(y, p(f"{name}.conv2.weight", channels, channels, 3, 3), padding=1)
                if x.shape[1] != channels:
                    x = F.conv2d(a, p(f"{name}.convShortcut.weight", channels, x.shape[1], 1, 1), stride=stride)
                x = found[name] = x + y
        x = found["pre_pooling"] = active(x, "bn1")
        x = found["pre_logits"] = x.mean(dim=(2, 3))
        found["logits"] = F.linear(x, p("fc.weight", 10, x.shape[1]), p("fc.bias", 10))
        return found

    return forward


def fixup_block(x, p, name, out, kernels, stride, small):
    """One bias around every convolution, one factor at the end of the branch; the stride is on the first 3x3 convolution."""
    a = y = x + p(f"{name}.bias1a", 1)
    for number, kernel in enumerate(kernels, 1):
        last = number == len(kernels)
        if number > 1:
            y = y + p(f"{name}.bias{number}a", 1)
        channels = out if last or len(kernels) == 2 else out // 4
        step = stride if kernel == 3 and number == kernels.index(3) + 1 else 1
        y = F.conv2d(y, p(f"{name}.conv{number}.weight", channels, y.shape[1], kernel, kernel), padding=kernel // 2, stride=step)
        y = y * p(f"{name}.scale", 1) if last else y
        y = y + p(f"{name}.bias{number}b", 1)
        y = y if last else F.relu(y)
    if stride == 1 and x.shape[1] == out:
        shortcut = x
    elif small:
        shortcut = F.pad(a[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, out - x.shape[1]))
    else:
        shortcut = F.conv2d(a, p(f"{name}.downsample.weight", out, x.shape[1], 1, 1), stride=stride)
    return F.relu(shortcut + y)


def fixup_resnet(layers, kernels, small):
    """Zhang, Dauphin and Ma 2019, as released."""

    def forward(p, size):
        found = {}
        first, kernel = (16, 3) if small else (64, 7)
        stem = F.conv2d(image(size, size), p("conv1.weight", first, 3, kernel, kernel), padding=kernel // 2, stride=1 if small else 2)
        x = F.relu(stem + p("bias1", 1))
        if not small:
            x = found["maxpool"] = F.max_pool2d(x, 3, 2, 1)
        for stage, blocks in enumerate(layers):
            for block in range(blocks):
                name = f"layer{stage + 1}.{block}"
                out = (first << stage) * (4 if len(kernels) == 3 else 1)
                x = found[name] = fixup_block(x, p, name, out, kernels, 2 if stage and not block else 1, small)
        x = found["pre_logits"] = x.mean(dim=(2, 3)) + p("bias2", 1)
        classes = 10 if small else 1000
        found["logits"] = F.linear(x, p("fc.weight", classes, x.shape[1]), p("fc.bias", classes))
        return found

    return forward


def same(x, weight, stride, groups=1):
    """TensorFlow's SAME convolution."""
    pads = []
    for side in (x.shape[3], x.shape[2]):
        total = max((math.ceil(side / stride) - 1) * stride + weight.shape[2] - side, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)


def mobilenet_v1(width):
    """TensorFlow-Slim's MobileNetV1 with batch norms, epsilon 0.001."""

    def forward(p, size):
        found = {}

        def unit(x, name, weight, stride, groups):
            y = norm(same(x, weight, stride, groups), p, f"MobilenetV1/{name}", 1e-3, SLIM_NORM)
            found[f"{name}.act"] = F.relu6(y)
            return found[f"{name}.act"]

        scaled = lambda channels: max(8, int(channels * width))
        x = unit(image(size, size), "Conv2d_0", p("MobilenetV1/Conv2d_0/weights", scaled(32), 3, 3, 3), 2, 1)
        channels = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
        strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
        for index, (out, stride) in enumerate(zip(channels, strides), 1):
            name, c = f"Conv2d_{index}_depthwise", x.shape[1]
            x = unit(x, name, p(f"MobilenetV1/{name}/depthwise_weights", c, 1, 3, 3), stride, c)
            name = f"Conv2d_{index}_pointwise"
            x = unit(x, name, p(f"MobilenetV1/{name}/weights", scaled(out), c, 1, 1), 1, 1)
        x = found["pre_logits"] = x.mean(dim=(2, 3), keepdim=True)
        name = "MobilenetV1/Logits/Conv2d_1c_1x1"
        found["logits"] = F.conv2d(x, p(f"{name}/weights", 1001, x.shape[1], 1, 1), p(f"{name}/biases", 1001))
        return found

    return forward


def own_forward(forward, scales, size, taps):
    found = forward(Named(scales), size)
    deviations = {name: float(value.std()) for name, value in found.items()}
    return {tap: channels_last(found[tap]) for tap in [*taps, "pre_logits", "logits"]}, deviations


# Gated networks shrink small activations; larger shifts keep them up.
GATED = [[".bias", 6.0]]
GATED_LARGE = [[".bias", 6.0], ["running_var", 1.5]]
VIT = [["attn.proj.weight", 0.5], ["mlp.fc2.weight", 0.5]]
VIT_TAPS = ["blocks.0.attn", "blocks.5.mlp", "blocks.11", "norm"]


def libraries():
    def t(name):
        return timm.create_model(name, pretrained=False)

    def v(name):
        return getattr(torchvision.models, name)(weights=None)

    basic, bottleneck = [["bn2.weight", 0.3]], [["bn3.weight", 0.3]]
    rows = [
        ("resnet18", "torchvision", t, 96, basic, ["maxpool", "layer1.0", "layer3.1", "layer4.1"], "fc"),
        ("resnet34", "torchvision", t, 96, basic, ["layer1.2", "layer3.5", "layer4.2"], "fc"),
        ("resnet50", "torchvision", t, 96, bottleneck, ["maxpool", "layer1.2", "layer3.5", "layer4.2"], "fc"),
        ("resnet101", "torchvision", v, 64, [["bn3.weight", 0.2]], ["layer1.2", "layer3.22", "layer4.2"], "fc"),
        ("mobilenetv2_100", "timm", t, 96, [[".bn3.weight", 0.6]], ["blocks.0.0", "blocks.3.2", "blocks.6.0"], "classifier"),
        ("mobilenet_v2", "torchvision", v, 96, [], ["features.1", "features.8", "features.17"], "classifier.1"),
        ("mobilenetv3_large_100", "timm", t, 96, GATED_LARGE, ["blocks.0.0", "blocks.2.1", "blocks.4.1", "blocks.5.2"], "classifier"),
        ("mobilenet_v3_large", "torchvision", v, 96, GATED_LARGE, ["features.1", "features.5", "features.15"], "classifier.3"),
        ("mobilenetv3_small_100", "timm", t, 96, GATED, ["blocks.0.0", "blocks.2.1", "blocks.4.2"], "classifier"),
        ("mobilenet_v3_small", "torchvision", v, 96, GATED, ["features.1", "features.5", "features.11"], "classifier.3"),
        ("efficientnet_b0", "timm", t, 96, GATED, ["blocks.0.0", "blocks.2.1", "blocks.6.0"], "classifier"),
        ("efficientnet_b0", "torchvision", v, 96, GATED, ["features.1.0", "features.3.1", "features.7.0"], "classifier.1"),
        ("squeezenet1_0", "torchvision", v, 96, [], ["features.2", "features.5", "features.12"], "classifier.1"),
        ("squeezenet1_1", "torchvision", v, 96, [], ["features.2", "features.4", "features.12"], "classifier.1"),
        ("convnext_tiny", "timm", t, 96, [], ["stem", "stages.0.blocks.2", "stages.2.blocks.4", "stages.3"], "head.fc"),
        ("convnext_tiny", "torchvision", v, 64, [], ["features.0", "features.1.0", "features.5.8", "features.7"], "classifier.2"),
        ("vit_tiny_patch16_224", "timm", t, 224, VIT, VIT_TAPS, "head"),
        ("vit_small_patch16_224", "timm", t, 224, VIT, VIT_TAPS, "head"),
        ("vit_base_patch16_224", "timm", t, 224, VIT, VIT_TAPS, "head"),
    ]
    for architecture, layout, make, size, scales, taps, classifier in rows:
        if wanted(architecture):
            model = make(architecture)
            yield architecture, layout, size, scales, *library_forward(model, scales, size, taps, classifier)


def own():
    rows = [
        ("cifar_resnet20", "torchvision", 32, [["bn2.weight", 0.3]], cifar_resnet(3), ["layer1.0", "layer2.0", "layer3.2"]),
        ("cifar_resnet44", "torchvision", 32, [["bn2.weight", 0.3]], cifar_resnet(7), ["layer1.0", "layer2.0", "layer3.6"]),
        ("cifar_resnet110", "torchvision", 32, [["bn2.weight", 0.2]], cifar_resnet(18), ["layer1.0", "layer2.17", "layer3.17"]),
        ("mobilenetv1_0.5", "slim", 97, [], mobilenet_v1(0.5), ["Conv2d_0.act", "Conv2d_2_depthwise.act", "Conv2d_13_pointwise.act"]),
        ("mobilenetv1_1.0", "slim", 96, [], mobilenet_v1(1.0), ["Conv2d_1_pointwise.act", "Conv2d_13_pointwise.act"]),
    ]
    wide, small = ["block1.layer.0.relu1", "block1.layer.0", "block2.layer.0", "block3.layer.1"], ["layer1.0", "layer2.0", "layer3.2"]
    large = ["maxpool", "layer1.0", "layer2.0", "layer4.2"]
    rows += [
        ("wide_resnet16_2", "torchvision", 32, [["conv2.weight", 0.4]], wide_resnet(2, 2), wide),
        ("cifar_fixup_resnet20", "torchvision", 32, [["scale", 0.4]], fixup_resnet((3, 3, 3), (3, 3), True), small),
        ("fixup_resnet50", "torchvision", 64, [["scale", 0.3]], fixup_resnet((3, 4, 6, 3), (1, 3, 1), False), large),
    ]
    for architecture, layout, size, scales, forward, taps in rows:
        if wanted(architecture):
            yield architecture, layout, size, scales, *own_forward(forward, scales, size, taps)


def wanted(architecture):
    return not sys.argv[1:] or architecture in sys.argv[1:]


def stored():
    """The index and the tensors of the architectures that are not computed again."""
    if not sys.argv[1:]:
        return [], {}
    index = [case for case in json.loads((OUT / "networks.json").read_text()) if not wanted(case["architecture"])]
    kept = tuple(f"{case['architecture']}.{case['layout']}:" for case in index)
    return index, {name: value for name, value in load_file(str(OUT / "networks.safetensors")).items() if name.startswith(kept)}


def main():
    index, tensors = stored()
    for architecture, layout, size, scales, values, deviations in [*libraries(), *own()]:
        name = f"{architecture}.{layout}"
        checked = {k: d for k, d in deviations.items() if not UNCHECKED.search(k)}
        low, high = min(checked, key=checked.get), max(checked, key=checked.get)
        print(f"{name:40} {checked[low]:.3f} ({low})  {checked[high]:.3f} ({high})", flush=True)
        assert all(0.1 <= deviation <= 10 for deviation in checked.values()), name
        index.append({
            "architecture": architecture, "layout": layout, "input_side": size, "scales": scales,
            "classes": len(values["logits"]), "taps": {tap: len(value) for tap, value in values.items()},
        })
        for tap, value in values.items():
            tensors[f"{name}:{tap}"] = value[:1000].astype(np.float32) if tap == "logits" else thinned(value)
    (OUT / "networks.json").write_text(json.dumps(index, indent=1) + "\n")
    save_file(tensors, str(OUT / "networks.safetensors"))


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
