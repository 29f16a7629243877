#!/usr/bin/env python3
"""Writes layers.json beside itself: layers and ops of images on random inputs and parameters, in f64, with PyTorch's results and gradients.

    /usr/bin/python3 tests/golden/make_layers.py

A case is a graph whose last node is `y`, its inputs and parameters, y, and the gradients of Σ u·y by input and parameter.
"""
import json
import os

import torch
import torch.nn.functional as F

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
CASES = []


def tensor_json(tensor):
    return {"shape": list(tensor.shape), "values": [float(v) for v in tensor.flatten()]}


def short_randn(shape):
    return torch.randn(shape).round(decimals=3)


def case(graph, inputs, parameters, function):
    """`function` of dictionaries of tensors gives y; `parameters` are named as gradc names them."""
    inputs = {name: short_randn(shape).requires_grad_() for name, shape in inputs.items()}
    parameters = {name: short_randn(shape).requires_grad_() for name, shape in parameters.items()}
    y = function(inputs, parameters)
    u = short_randn(y.shape)
    leaves = {**inputs, **parameters}
    gradients = torch.autograd.grad((u * y).sum(), list(leaves.values()))
    CASES.append({
        "graph": graph if isinstance(graph, list) else [{**graph, "name": "y"}],
        "inputs": {name: tensor_json(x) for name, x in inputs.items()},
        "parameters": {name: tensor_json(w) for name, w in parameters.items()},
        "y": tensor_json(y),
        "u": tensor_json(u),
        "gradients": {name: tensor_json(g) for name, g in zip(leaves, gradients)},
    })


def dense():
    case({"op": "linear", "units": 4}, {"x": (3, 5)}, {"y.weight": (4, 5), "y.bias": (4,)},
         lambda x, w: F.linear(x["x"], w["y.weight"], w["y.bias"]))
    case({"op": "bilinear", "units": 4, "x2": "x2", "x1": "x1"}, {"x1": (3, 5), "x2": (3, 2)}, {"y.weight": (4, 5, 2), "y.bias": (4,)},
         lambda x, w: F.bilinear(x["x1"], x["x2"], w["y.weight"], w["y.bias"]))
    case({"op": "bilinear", "units": 2, "x2": "x2", "x1": "x1", "bias": False}, {"x1": (2, 3, 2), "x2": (2, 3, 4)}, {"y.weight": (2, 2, 4)},
         lambda x, w: F.bilinear(x["x1"], x["x2"], w["y.weight"]))
    case({"op": "prelu"}, {"x": (3, 4)}, {"y.weight": (1,)}, lambda x, w: F.prelu(x["x"], w["y.weight"]))
    case({"op": "prelu", "per_channel": True}, {"x": (2, 3, 2, 2)}, {"y.weight": (3,)}, lambda x, w: F.prelu(x["x"], w["y.weight"]))


CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def convolutions():
    for rank, image, filters, kernel, options in [
        (1, (2, 4, 9), 6, 3, dict(stride=2, padding=1, groups=2)),
        (2, (2, 3, 6, 7), 4, (3, 2), dict(stride=(1, 2), padding=(2, 0), dilation=(2, 1))),
        (3, (1, 2, 4, 5, 6), 3, 3, dict(stride=(1, 2, 1), padding=1)),
        (3, (1, 4, 3, 4, 6), 4, (2, 1, 3), dict(groups=4, dilation=(1, 1, 2))),
    ]:
        kernel = (kernel,) * rank if isinstance(kernel, int) else kernel
        case({"op": f"conv{rank}d", "filters": filters, "kernel": kernel, **options}, {"x": image},
             {"y.weight": (filters, image[1] // options.get("groups", 1), *kernel), "y.bias": (filters,)},
             lambda x, w: CONVOLUTION[rank](x["x"], w["y.weight"], w["y.bias"], **options))
    # Padding before and after: torch pads alike and leaves the last positions out.
    case({"op": "conv2d", "filters": 2, "kernel": 3, "stride": 2, "padding": [1, 1, 0, 0]}, {"x": (1, 2, 4, 6)}, {"y.weight": (2, 2, 3, 3), "y.bias": (2,)},
         lambda x, w: F.conv2d(x["x"], w["y.weight"], w["y.bias"], stride=2, padding=1))
    for rank, image, multiplier in [(1, (2, 3, 7), 2), (2, (2, 3, 5, 5), 1), (3, (1, 2, 3, 4, 4), 3)]:
        channels = image[1]
        case({"op": f"depthwise_conv{rank}d", "kernel": 3, "multiplier": multiplier, "padding": 1}, {"x": image},
             {"y.weight": (channels * multiplier, 1, *[3] * rank), "y.bias": (channels * multiplier,)},
             lambda x, w: CONVOLUTION[rank](x["x"], w["y.weight"], w["y.bias"], padding=1, groups=channels))


def transposed():
    for rank, image, filters, kernel, options in [
        (1, (2, 3, 4), 2, 3, {}),
        (1, (2, 4, 5), 6, 4, dict(stride=3, padding=1, output_padding=2, groups=2)),
        (2, (2, 3, 4, 3), 2, (4, 3), dict(stride=2, padding=1, output_padding=(0, 1))),
        (2, (1, 2, 3, 3), 3, (2, 3), dict(stride=(3, 1), dilation=(1, 2), padding=(0, 1))),
        (3, (1, 2, 2, 3, 2), 2, 3, dict(stride=2, padding=1, output_padding=1)),
    ]:
        kernel = (kernel,) * rank if isinstance(kernel, int) else kernel
        case({"op": f"conv_transpose{rank}d", "filters": filters, "kernel": kernel, **options}, {"x": image},
             {"y.weight": (image[1], filters // options.get("groups", 1), *kernel), "y.bias": (filters,)},
             lambda x, w: TRANSPOSED[rank](x["x"], w["y.weight"], w["y.bias"], **options))
    # "same" gives size · stride: a kernel of 4 with stride 2 cuts one off on each side, one of 2 nothing.
    for kernel, cut in [(4, 1), (2, 0)]:
        case({"op": "conv_transpose2d", "filters": 2, "kernel": kernel, "stride": 2, "padding": "same"}, {"x": (1, 3, 3, 4)},
             {"y.weight": (3, 2, kernel, kernel), "y.bias": (2,)},
             lambda x, w: F.conv_transpose2d(x["x"], w["y.weight"], w["y.bias"], stride=2, padding=cut))


def pools():
    maximum = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
    average = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
    for rank, image, window, stride, padding in [
        (1, (2, 3, 9), 3, 2, 1), (2, (2, 2, 7, 8), (3, 2), (2, 2), (0, 1)), (2, (1, 2, 5, 5), 3, 1, 1), (3, (1, 2, 4, 6, 5), 3, (1, 3, 2), 1)]:
        shared = {"window": window, "stride": stride, "padding": padding}
        case({"op": f"max_pool{rank}d", **shared}, {"x": image}, {}, lambda x, w: maximum[rank](x["x"], window, stride, padding))
        for counted in [True, False]:
            case({"op": f"avg_pool{rank}d", "count_padding": counted, **shared}, {"x": image}, {},
                 lambda x, w: average[rank](x["x"], window, stride, padding, count_include_pad=counted))
    # "same" pads at the end first, which is what rounding the count of windows up does.
    case({"op": "max_pool2d", "window": 3, "stride": 2, "padding": "same"}, {"x": (1, 2, 6, 8)}, {},
         lambda x, w: F.max_pool2d(x["x"], 3, 2, ceil_mode=True))
    case({"op": "global_avg_pool"}, {"x": (2, 3, 4, 5)}, {}, lambda x, w: x["x"].mean(dim=(2, 3)))
    case({"op": "global_max_pool"}, {"x": (2, 3, 4, 5)}, {}, lambda x, w: x["x"].amax(dim=(2, 3)))


def normalizations():
    case({"op": "layer_norm"}, {"x": (2, 3, 4)}, {"y.weight": (4,), "y.bias": (4,)},
         lambda x, w: F.layer_norm(x["x"], (4,), w["y.weight"], w["y.bias"]))
    case({"op": "layer_norm", "dimensions": 2, "epsilon": 0.1}, {"x": (2, 3, 4)}, {"y.weight": (3, 4), "y.bias": (3, 4)},
         lambda x, w: F.layer_norm(x["x"], (3, 4), w["y.weight"], w["y.bias"], 0.1))
    case({"op": "layer_norm", "affine": False}, {"x": (2, 4)}, {}, lambda x, w: F.layer_norm(x["x"], (4,)))
    case({"op": "group_norm", "groups": 2}, {"x": (2, 4, 3)}, {"y.weight": (4,), "y.bias": (4,)},
         lambda x, w: F.group_norm(x["x"], 2, w["y.weight"], w["y.bias"]))
    case({"op": "instance_norm"}, {"x": (2, 3, 2, 3)}, {"y.weight": (3,), "y.bias": (3,)},
         lambda x, w: F.instance_norm(x["x"], weight=w["y.weight"], bias=w["y.bias"]))
    case({"op": "local_response_norm", "size": 3, "alpha": 0.5, "k": 2}, {"x": (2, 5, 2, 2)}, {},
         lambda x, w: F.local_response_norm(x["x"], 3, 0.5, 0.75, 2))
    # In evaluation: mean 0 and variance 1, as the statistics begin.
    case({"op": "batch_norm"}, {"x": (3, 2, 2)}, {"y.weight": (2,), "y.bias": (2,)},
         lambda x, w: F.batch_norm(x["x"], torch.zeros(2), torch.ones(2), w["y.weight"], w["y.bias"]))


def resizes():
    for image, scale in [((2, 3, 4), [3]), ((1, 2, 3, 4), [2]), ((1, 2, 3, 2), [3, 1]), ((1, 1, 2, 3, 2), [2, 1, 3])]:
        factors = scale if len(scale) == len(image) - 2 else scale * (len(image) - 2)
        mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(image) - 2]
        case({"op": "upsample_nearest", "scale": scale}, {"x": image}, {}, lambda x, w: F.interpolate(x["x"], scale_factor=factors, mode="nearest"))
        case({"op": "upsample_linear", "scale": scale}, {"x": image}, {},
             lambda x, w: F.interpolate(x["x"], scale_factor=factors, mode=mode, align_corners=False))


for write in [dense, convolutions, transposed, pools, normalizations, resizes]:
    write()
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.json"), "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(item) for item in CASES) + "\n]\n")
