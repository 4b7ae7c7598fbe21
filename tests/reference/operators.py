"""Writes crates/engine/tests/data/operators.json: one tiny graph per operator with PyTorch's answer in double precision.

Run from the workspace root with PyTorch installed: python tests/reference/operators.py
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)

INPUT = {"name": "input", "op": "input", "inputs": []}


def rounded(tensor):
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def single(tensor):
    """Parameters are stored as float32 values, so that both sides start from the same numbers."""
    return tensor.float().double()


def nhwc(x):
    return x.permute(0, 2, 3, 1) if x.dim() == 4 else x


def slopes(y):
    """The gradient given to the output (in NHWC order): a formula that both sides compute."""
    return torch.cos(0.7 * torch.arange(y.numel(), dtype=torch.float64) + 0.3)


def gradients(x, parameters, answer):
    x = x.clone().requires_grad_()
    leaves = {k: v.clone().requires_grad_() for k, v in parameters.items() if "running" not in k}
    y = nhwc(answer(x, parameters | leaves)).flatten()
    (y * slopes(y)).sum().backward()
    return rounded(nhwc(x.grad)), {k: rounded(v.grad) for k, v in leaves.items()}


def case(name, size, channels, nodes, parameters, answer, images=1, batch_statistics=False):
    x = single(torch.randn(images, channels, *size) * 2)
    parameters = {key: single(value) for key, value in parameters.items()}
    y = answer(x, parameters)
    input_gradient, parameter_gradients = gradients(x, parameters, answer)
    graph = {
        "nodes": [INPUT | {"channels": channels}] + nodes,
        "parameters": {key: list(value.shape) for key, value in parameters.items()},
        "modules": {},
        "outputs": [len(nodes)],
    }
    return {
        "name": name,
        "graph": graph,
        "input_size": list(size),
        "input": rounded(nhwc(x)),
        "parameters": {key: rounded(value) for key, value in parameters.items()},
        "expected": rounded(nhwc(y)),
        "images": images,
        "batch_statistics": batch_statistics,
        "input_gradient": input_gradient,
        "parameter_gradients": parameter_gradients,
    }


def node(name, op, inputs, **fields):
    return {"name": name, "op": op, "inputs": inputs} | fields


def convolution(name, size, channels, out, kernel, stride, padding, dilation, groups, bias):
    top, bottom, left, right = padding
    weight = torch.randn(out, channels // groups, *kernel)
    parameters = {"weight": weight} | ({"bias": torch.randn(out)} if bias else {})
    nodes = [
        node(
            "y",
            "convolution",
            [0],
            weight="weight",
            bias="bias" if bias else None,
            channels=out,
            kernel=kernel,
            stride=stride,
            padding={"explicit": padding},
            dilation=dilation,
            groups=groups,
        )
    ]

    def answer(x, p):
        x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, p["weight"], p.get("bias"), stride, 0, dilation, groups)

    return case(name, size, channels, nodes, parameters, answer)


def pool(name, op, size, kernel, stride, padding, ceil, **fields):
    nodes = [node("y", op, [0], kernel=[kernel] * 2, stride=[stride] * 2, padding={"explicit": [padding] * 4}, ceil=ceil, **fields)]

    def answer(x, _):
        if op == "max_pool":
            return F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil)
        return F.avg_pool2d(x, kernel, stride, padding, ceil_mode=ceil, count_include_pad=fields["count_padding"])

    return case(name, size, 3, nodes, {}, answer)


def activation(function, answer):
    return case(function, [4, 5], 6, [node("y", "activate", [0], function=function)], {}, lambda x, _: answer(x * 1.0))


def attention():
    tokens = [
        node("tokens", "tokens", [0], class_token="class", position="position"),
        node("norm", "layer_norm", [1], weight="norm.weight", bias="norm.bias", epsilon=1e-6),
        node("qkv", "linear", [2], weight="qkv.weight", bias="qkv.bias", channels=24),
        node("y", "attention", [3], heads=2),
    ]
    parameters = {
        "class": torch.randn(1, 1, 8),
        "position": torch.randn(1, 7, 8),
        "norm.weight": torch.rand(8) + 0.5,
        "norm.bias": torch.randn(8),
        "qkv.weight": torch.randn(24, 8) * 0.3,
        "qkv.bias": torch.randn(24),
    }

    def answer(x, p):
        t = torch.cat([p["class"], x.flatten(2).transpose(1, 2)], 1) + p["position"]
        t = F.layer_norm(t, (8,), p["norm.weight"], p["norm.bias"], 1e-6)
        qkv = F.linear(t, p["qkv.weight"], p["qkv.bias"]).reshape(1, 7, 3, 2, 4).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        return y.transpose(1, 2).reshape(1, 7, 8)

    return case("attention over tokens", [2, 3], 8, tokens, parameters, answer)


def batch_norm():
    names = ["weight", "bias", "running_mean", "running_variance"]
    nodes = [node("y", "batch_norm", [0], **{name: name for name in names}, epsilon=1e-5)]
    parameters = {"weight": torch.rand(4), "bias": torch.randn(4), "running_mean": torch.randn(4), "running_variance": torch.rand(4) + 0.1}

    def answer(x, p):
        return F.batch_norm(x, p["running_mean"], p["running_variance"], p["weight"], p["bias"], False, 0.0, 1e-5)

    return case("batch norm", [3, 4], 4, nodes, parameters, answer)


def squeeze_excite():
    nodes = [
        node("pool", "global_average_pool", [0]),
        node(
            "fc",
            "convolution",
            [1],
            weight="fc.weight",
            bias="fc.bias",
            channels=6,
            kernel=[1, 1],
            stride=[1, 1],
            padding={"explicit": [0] * 4},
            dilation=[1, 1],
            groups=1,
        ),
        node("gate", "activate", [2], function="sigmoid"),
        node("y", "multiply", [0, 3]),
    ]
    parameters = {"fc.weight": torch.randn(6, 6, 1, 1), "fc.bias": torch.randn(6)}

    def answer(x, p):
        return x * torch.sigmoid(F.conv2d(x.mean((2, 3), keepdim=True), p["fc.weight"], p["fc.bias"]))

    return case("squeeze and excite", [5, 4], 6, nodes, parameters, answer)


def shortcut():
    nodes = [
        node("less", "subsample", [0], stride=[2, 2]),
        node("wide", "pad_channels", [1], before=2, after=2),
        node("sum", "add", [2, 2]),
        node("y", "concat", [2, 3]),
    ]

    def answer(x, _):
        wide = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
        return torch.cat([wide, wide + wide], 1)

    return case("option-A shortcut and concat", [5, 4], 3, nodes, {}, answer)


def ends():
    nodes = [
        node("tokens", "tokens", [0], class_token=None, position=None),
        node("scaled", "scale", [1], weight="gamma"),
        node("soft", "softmax", [2]),
        node("mean", "mean_tokens", [3], skip=1),
        node("token", "select_token", [3], index=2),
        node("y", "concat", [4, 5]),
    ]

    def answer(x, p):
        t = (x.flatten(2).transpose(1, 2) * p["gamma"]).softmax(-1)
        return torch.cat([t[:, 1:].mean(1), t[:, 2]], 1)

    return case("scale, softmax, mean and one token", [2, 2], 5, nodes, {"gamma": torch.randn(5)}, answer)


def residual_block():
    """Both branches fused: the second takes up the sum and the last function."""

    def conv(name, source, kernel, stride, out):
        fields = {"kernel": [kernel] * 2, "stride": [stride] * 2, "padding": {"explicit": [kernel // 2] * 4}}
        return node(name, "convolution", [source], weight=f"{name}.weight", bias=None, channels=out, dilation=[1, 1], groups=1, **fields)

    def norm(name, source):
        keys = {key: f"{name}.{key}" for key in ["weight", "bias", "running_mean", "running_variance"]}
        return node(name, "batch_norm", [source], **keys, epsilon=1e-5)

    nodes = [
        conv("conv1", 0, 3, 2, 19),
        norm("bn1", 1),
        node("act1", "activate", [2], function="relu"),
        conv("conv2", 3, 3, 1, 35),
        norm("bn2", 4),
        conv("down", 0, 1, 2, 35),
        norm("bn3", 6),
        node("sum", "add", [5, 7]),
        node("y", "activate", [8], function="hard_swish"),
    ]
    parameters = {"conv1.weight": torch.randn(19, 5, 3, 3) * 0.2, "conv2.weight": torch.randn(35, 19, 3, 3) * 0.1, "down.weight": torch.randn(35, 5, 1, 1)}
    for name, width in [("bn1", 19), ("bn2", 35), ("bn3", 35)]:
        parameters |= {
            f"{name}.weight": torch.rand(width) + 0.5,
            f"{name}.bias": torch.randn(width),
            f"{name}.running_mean": torch.randn(width),
            f"{name}.running_variance": torch.rand(width) + 0.5,
        }

    def answer(x, p):
        def bn(name, y):
            return F.batch_norm(y, *(p[f"{name}.{key}"] for key in ["running_mean", "running_variance", "weight", "bias"]), False, 0.0, 1e-5)

        y = F.relu(bn("bn1", F.conv2d(x, p["conv1.weight"], None, 2, 1)))
        y = bn("bn2", F.conv2d(y, p["conv2.weight"], None, 1, 1))
        return F.hardswish(y + bn("bn3", F.conv2d(x, p["down.weight"], None, 2)))

    return case("residual block", [9, 7], 5, nodes, parameters, answer)


def fixup_ends():
    """One bias for all channels, a multiplier for all channels, and a shift per channel."""
    nodes = [
        node("first", "shift", [0], bias="bias1a"),
        node("scaled", "scale", [1], weight="scale"),
        node("y", "shift", [2], bias="bias"),
    ]

    def answer(x, p):
        return (x + p["bias1a"]) * p["scale"] + p["bias"].reshape(1, -1, 1, 1)

    parameters = {"bias1a": torch.randn(1), "scale": torch.randn(1), "bias": torch.randn(3)}
    return case("shifts and a single factor", [3, 2], 3, nodes, parameters, answer)


def batch_norm_of_the_batch():
    names = ["weight", "bias", "running_mean", "running_variance"]
    nodes = [node("y", "batch_norm", [0], **{name: name for name in names}, epsilon=1e-5)]
    parameters = {"weight": torch.rand(4), "bias": torch.randn(4), "running_mean": torch.zeros(4), "running_variance": torch.ones(4)}

    def answer(x, p):
        return F.batch_norm(x, None, None, p["weight"], p["bias"], True, 0.1, 1e-5)

    return case("batch norm of the batch", [3, 4], 4, nodes, parameters, answer, images=3, batch_statistics=True)


CASES = [
    residual_block(),
    convolution("3x3", [6, 5], 4, 5, [3, 3], [1, 1], [1] * 4, [1, 1], 1, True),
    convolution("stride 2, one-sided padding", [6, 6], 3, 4, [3, 3], [2, 2], [0, 1, 0, 1], [1, 1], 1, False),
    convolution("dilated 3x2", [9, 7], 2, 3, [3, 2], [1, 2], [2, 2, 1, 0], [2, 3], 1, True),
    convolution("grouped", [5, 5], 6, 4, [3, 3], [1, 1], [1] * 4, [1, 1], 2, True),
    convolution("depthwise 5x5", [7, 6], 6, 6, [5, 5], [2, 2], [2] * 4, [1, 1], 6, False),
    convolution("depthwise, two for each", [5, 5], 3, 6, [3, 3], [1, 1], [1] * 4, [1, 1], 3, True),
    convolution("pointwise stride 2", [5, 5], 6, 7, [1, 1], [2, 2], [0] * 4, [1, 1], 1, True),
    pool("max 3/2", "max_pool", [7, 6], 3, 2, 1, False),
    pool("max 3/2 ceil", "max_pool", [6, 6], 3, 2, 0, True),
    pool("mean 3/2 ceil, padding counted", "average_pool", [6, 7], 3, 2, 1, True, count_padding=True),
    pool("mean 3/2 ceil, padding left out", "average_pool", [6, 7], 3, 2, 1, True, count_padding=False),
    activation("relu", F.relu),
    activation("relu6", F.relu6),
    activation("hard_swish", F.hardswish),
    activation("hard_sigmoid", F.hardsigmoid),
    activation("sigmoid", torch.sigmoid),
    activation("silu", F.silu),
    activation("gelu", F.gelu),
    activation("gelu_tanh", lambda x: F.gelu(x, approximate="tanh")),
    attention(),
    batch_norm(),
    squeeze_excite(),
    shortcut(),
    ends(),
    fixup_ends(),
    batch_norm_of_the_batch(),
]

path = Path(__file__).resolve().parents[2] / "crates/engine/tests/data/operators.json"
path.write_text("[\n" + ",\n".join(json.dumps(c) for c in CASES) + "\n]\n")
print(f"{len(CASES)} cases, {path.stat().st_size} bytes")
