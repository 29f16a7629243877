#!/usr/bin/env python3
"""Writes losses.json beside itself: every loss with its gradients and a product of second derivatives, as PyTorch has them.

    /usr/bin/python3 tests/golden/make_losses.py

A case is a spec whose outputs are a loss's values, the gradients of their weighted sum, and the gradient of those
gradients' sum of squares. Numbers are rounded to 13 digits, less than the test's tolerance.
"""
import json
import os

import torch
import torch.nn.functional as F

torch.manual_seed(3)
torch.set_default_dtype(torch.float64)
CASES = []
DTYPES = {torch.float64: "f64", torch.int32: "i32"}


def tensor_json(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{v:.13g}") for v in tensor.detach().flatten().tolist()]}


def rand(*shape):
    return torch.randn(shape).round(decimals=2)


def case(name, value, operands, run, wrt, linear=False):
    """`value`: the expression; `run`: the same in PyTorch, of tensors by name; `wrt`: operands that have a gradient.

    `linear`: piecewise, so that second derivatives are zero, which PyTorch has not for all losses.
    """
    leaves = {k: v.clone().requires_grad_(k in wrt) for k, v in operands.items()}
    loss = run(**leaves)
    u = rand(*loss.shape)
    total = (u * loss).sum()
    gradients = torch.autograd.grad(total, [leaves[k] for k in wrt], create_graph=True)
    curvature = sum((g ** 2).sum() for g in gradients)
    second = [None] * len(wrt)
    if not linear:
        second = torch.autograd.grad(curvature, [leaves[k] for k in wrt], allow_unused=True)
    values = {**operands, "u": u}
    squares = " + ".join(f"sum(g_{k} ** 2)" for k in wrt)
    spec = {"inputs": {k: f"{DTYPES[v.dtype]}[{','.join(map(str, v.shape))}]" for k, v in values.items()},
            "graph": [{"name": "value", "value": value}, {"name": "total", "value": "sum(u * value)"}]
            + [{"name": f"g_{k}", "value": f"grad(total, {k})"} for k in wrt] + [{"name": "curvature", "value": squares}],
            "outputs": {"value": "value", **{f"g_{k}": f"g_{k}" for k in wrt}, **{f"h_{k}": f"grad(curvature, {k})" for k in wrt}}}
    expected = {"value": loss, **{f"g_{k}": g for k, g in zip(wrt, gradients)},
                **{f"h_{k}": torch.zeros_like(leaves[k]) if h is None else h for k, h in zip(wrt, second)}}
    CASES.append({"name": name, "spec": spec, "values": {k: {**tensor_json(v), "dtype": DTYPES[v.dtype]} for k, v in values.items()},
                  "expected": {k: tensor_json(v) for k, v in expected.items()}})


def classes():
    x, label = 3 * rand(4, 5), torch.tensor([0, 4, 2, 2], dtype=torch.int32)
    q = F.softmax(rand(4, 5), 1).round(decimals=3)
    soft = lambda x, q, smoothing: F.cross_entropy(x, q, reduction="none", label_smoothing=smoothing)
    for smoothing in (0, 0.15):
        given = f", label_smoothing={smoothing}" if smoothing else ""
        case(f"cross entropy{given}", f"softmax_cross_entropy(x, label{given})", {"x": x, "label": label},
             lambda x, label: F.cross_entropy(x, label.long(), reduction="none", label_smoothing=smoothing), ["x"])
        case(f"cross entropy of soft labels{given}", f"softmax_cross_entropy_soft(x, q{given})", {"x": x, "q": q},
             lambda x, q: soft(x, q, smoothing), ["x", "q"])
    case("multiclass hinge", "multiclass_hinge(x, label, margin=0.7)", {"x": x, "label": label},
         lambda x, label: 5 * F.multi_margin_loss(x, label.long(), margin=0.7, reduction="none"), ["x"], linear=True)
    pixels = torch.tensor([[[0, 1], [2, 2]]], dtype=torch.int32)
    case("cross entropy of images", "softmax_cross_entropy(s, label)", {"s": rand(1, 2, 2, 3), "label": pixels},
         lambda s, label: F.cross_entropy(s.permute(0, 3, 1, 2), label.long(), reduction="none"), ["s"])


def elements():
    x, y = 2 * rand(3, 4), rand(3, 4)
    target, sign = torch.rand(3, 4).round(decimals=2), torch.sign(rand(3, 4) + 0.001)
    case("binary cross entropy", "binary_cross_entropy_with_logits(x, t)", {"x": x, "t": target},
         lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"), ["x", "t"])
    case("squared error", "squared_error(x, y, half=false)", {"x": x, "y": y}, lambda x, y: F.mse_loss(x, y, reduction="none"), ["x", "y"])
    case("half squared error", "squared_error(x, y)", {"x": x, "y": y}, lambda x, y: F.mse_loss(x, y, reduction="none") / 2, ["x", "y"])
    case("absolute error", "absolute_error(x, y)", {"x": x, "y": y}, lambda x, y: F.l1_loss(x, y, reduction="none"), ["x", "y"],
         linear=True)
    case("Huber", "huber(x, y, delta=1.3)", {"x": x, "y": y}, lambda x, y: F.huber_loss(x, y, reduction="none", delta=1.3), ["x", "y"])
    case("binary hinge", "binary_hinge(x, s, margin=1.5)", {"x": x, "s": sign},
         lambda x, s: F.hinge_embedding_loss(s * x, -torch.ones_like(x), margin=1.5, reduction="none"), ["x"], linear=True)
    case("perceptron", "perceptron_loss(x, s)", {"x": x, "s": sign},
         lambda x, s: F.margin_ranking_loss(x, torch.zeros_like(x), s, reduction="none"), ["x"], linear=True)
    kl = lambda m, v: torch.distributions.kl_divergence(torch.distributions.Normal(m, torch.exp(v / 2)), torch.distributions.Normal(0.0, 1.0))
    case("divergence from the unit normal", "kl_unit_normal(m, v)", {"m": x, "v": y}, kl, ["m", "v"])


def vectors():
    a, b = rand(3, 4), rand(3, 4)
    case("cosine", "cosine_loss(a, b)", {"a": a, "b": b},
         lambda a, b: F.cosine_embedding_loss(a, b, torch.ones(3), reduction="none"), ["a", "b"])
    case("cosine along the first axis", "cosine_similarity(a, b, axis=0)", {"a": a, "b": b},
         lambda a, b: F.cosine_similarity(a, b, dim=0), ["a", "b"])


for write in (classes, elements, vectors):
    write()
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "losses.json"), "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(c) for c in CASES) + "\n]\n")
