#!/usr/bin/env python3
"""Writes modes.json beside itself: derivatives in every mode, with PyTorch's results.

    /usr/bin/python3 tests/golden/make_modes.py

A case is a spec whose `outputs` hold expressions of derivatives, the values of its inputs and parameters, and what
the outputs must be.
"""
import json
import os

import torch
from functorch import grad, hessian, jacfwd, jacrev, jvp, vjp

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
CASES = []


def tensor_json(tensor):
    return {"shape": list(tensor.shape), "values": [float(v) for v in tensor.flatten()]}


def case(name, spec, values, expected):
    spec = {"inputs": {k: f"f64[{','.join(map(str, v.shape))}]" for k, v in values.items()}, **spec}
    for key in spec.get("parameters", {}):
        del spec["inputs"][key]
    CASES.append({"name": name, "spec": spec, "values": {k: tensor_json(v) for k, v in values.items()},
                  "expected": {k: tensor_json(v) for k, v in expected.items()}})


def rand(*shape):
    return torch.randn(shape).round(decimals=3)


def first_order():
    x, w, v, u = rand(3, 4), rand(2, 4), rand(2, 4), rand(3, 2)
    y = lambda w: torch.tanh(x @ w.T)
    f = lambda w: (y(w) ** 2).sum()
    hidden = x @ w.T
    case("first order", {
        "graph": [{"name": "hidden", "value": "x @ transpose(w, permutation=[1, 0])"}, {"name": "y", "value": "tanh(hidden)"},
                  {"name": "f", "value": "sum(y ** 2)"}],
        "outputs": {"g": "grad(f, w)", "h": "grad(f, hidden)", "two": "grad(f, [x, w])[1]", "back": "vjp(y, w, u)",
                    "ones": "vjp(y, wrt=w, cotangent=1)", "forth": "jvp(y, w, v)", "both": "jvp(y, [x, w], [x, v])",
                    "curve": "hvp(f, w, v)"}},
        {"x": x, "w": w, "v": v, "u": u},
        {"g": grad(f)(w), "h": grad(lambda h: (torch.tanh(h) ** 2).sum())(hidden), "two": grad(f)(w),
         "back": vjp(y, w)[1](u)[0], "ones": vjp(y, w)[1](torch.ones(3, 2))[0], "forth": jvp(y, (w,), (v,))[1],
         "both": jvp(lambda x, w: torch.tanh(x @ w.T), (x, w), (x, v))[1], "curve": jvp(grad(f), (w,), (v,))[1]})


def matrices():
    x, w = rand(3), rand(2, 3)
    y = lambda x: torch.sin(w @ x) * x.prod()
    f = lambda x: y(x).exp().sum()
    case("Jacobian and Hessian", {
        "graph": [{"name": "y", "value": "sin(w @ x) * product(x)"}, {"name": "f", "value": "sum(exp(y))"}],
        "outputs": {"rows": "jacobian(y, x)", "columns": "jacobian(y, w)", "h": "hessian(f, x)", "hw": "hessian(f, w)",
                    "scalar": "jacobian(f, x)", "itself": "jacobian(x, x)",
                    "jj": "jacobian(jacobian(y, x), x)", "third": "grad(sum(hessian(f, x)), x)"}},
        {"x": x, "w": w},
        {"rows": jacrev(y)(x), "columns": jacfwd(lambda w: torch.sin(w @ x) * x.prod())(w), "h": hessian(f)(x),
         "hw": hessian(lambda w: (torch.sin(w @ x) * x.prod()).exp().sum())(w), "scalar": grad(f)(x), "itself": torch.eye(3),
         "jj": jacrev(jacrev(y))(x), "third": grad(lambda x: hessian(f)(x).sum())(x)})


def nested():
    x, v = rand(4), rand(4)
    f = lambda x: (x ** 4 * torch.sin(x)).sum()
    penalty = lambda x: (grad(f)(x) ** 2).sum()
    third = lambda x: (hessian(f)(x) @ v * v).sum()
    case("derivatives of derivatives", {
        "graph": [{"name": "f", "value": "sum(x ** 4 * sin(x))"}, {"name": "slope", "value": "grad(f, x)"}],
        "outputs": {"penalty": "grad(sum(slope ** 2), x)", "third": "grad(sum(hvp(f, x, v) * v), x)",
                    "held": "grad(sum(stop_gradient(slope) * slope), x)", "fourth": "hvp(sum(slope ** 2), x, v)",
                    "forward": "jvp(jvp(slope, x, v), x, v)"}},
        {"x": x, "v": v},
        {"penalty": grad(penalty)(x), "third": grad(third)(x), "held": jvp(grad(f), (x,), (grad(f)(x),))[1],
         "fourth": jvp(grad(penalty), (x,), (v,))[1],
         "forward": jvp(lambda x: jvp(grad(f), (x,), (v,))[1], (x,), (v,))[1]})


first_order()
matrices()
nested()
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "modes.json"), "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(c) for c in CASES) + "\n]\n")
