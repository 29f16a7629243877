#!/usr/bin/env python3
"""Writes recurrent.json beside itself: recurrent layers and attention with all their gradients, as PyTorch has them.

    /usr/bin/python3 tests/golden/make_recurrent.py

A case is a spec whose last outputs are gradients of a sum, in which every result has its own weights.
"""
import json
import os

import torch

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
CASES = []
N, T, F, H = 2, 4, 3, 2


def tensor_json(tensor):
    return {"shape": list(tensor.shape), "values": [float(v) for v in tensor.flatten()]}


def rand(*shape):
    return torch.randn(shape).round(decimals=2)


def case(name, node, module, inputs, run, results, u_of=rand):
    """`results`: expressions in gradc, in the order of what `run` yields."""
    inputs = {k: v.requires_grad_() if v.dtype == torch.float64 else v for k, v in inputs.items()}
    parameters = {}
    for key, parameter in module.named_parameters():
        parameter.data = rand(*parameter.shape)
        parameters["l." + key] = parameter
    outputs = run(module, inputs)
    weights = {f"u{i}": u_of(*y.shape) for i, y in enumerate(outputs)}
    total = sum((u * y).sum() for u, y in zip(weights.values(), outputs))
    leaves = {**{k: v for k, v in inputs.items() if v.dtype == torch.float64}, **parameters}
    gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    values = {**inputs, **parameters, **weights}
    dtypes = {torch.float64: "f64", torch.bool: "bool"}
    spec = {"inputs": {k: f"{dtypes[v.dtype]}[{','.join(map(str, v.shape))}]" for k, v in {**inputs, **weights}.items()},
            "graph": [{"name": "l", **node}, {"name": "total", "value": " + ".join(f"sum(u{i} * ({r}))" for i, r in enumerate(results))}],
            "outputs": {**{f"y{i}": r for i, r in enumerate(results)},
                        **{f"g{i}": f"grad(total, {k})" for i, k in enumerate(leaves)}}}
    expected = {f"y{i}": y for i, y in enumerate(outputs)}
    expected.update({f"g{i}": torch.zeros_like(v) if g is None else g for i, (g, v) in enumerate(zip(gradients, leaves.values()))})
    as_json = lambda v: {**tensor_json(v), "dtype": dtypes[v.dtype]}
    CASES.append({"name": name, "spec": spec, "values": {k: as_json(v) for k, v in values.items()},
                  "expected": {k: tensor_json(v) for k, v in expected.items()}})


def recurrent():
    for op, make in [("rnn", torch.nn.RNN), ("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)]:
        for layers, both, bias, state in [(1, False, True, False), (2, True, True, True), (2, False, False, False), (1, True, True, True)]:
            options = {"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": True}
            node = {"op": op, "x": "x", "units": H, "layers": layers, "bidirectional": both, "bias": bias}
            directions = 2 if both else 1
            inputs = {"x": rand(N, T, F)}
            if state:
                inputs["h0"] = rand(layers * directions, N, H)
                node["h"] = "h0"
                if op == "lstm":
                    inputs["c0"] = rand(layers * directions, N, H)
                    node["c"] = "c0"

            def run(module, x):
                start = () if not state else ((x["h0"], x["c0"]),) if op == "lstm" else (x["h0"],)
                y, final = module(x["x"], *start)
                h = final[0] if op == "lstm" else final
                last = torch.cat([h[-2], h[-1]], 1) if both else h[-1]
                return [y, last, h] + ([final[1]] if op == "lstm" else [])

            case(f"{op} {node}", node, make(F, H, **options), inputs, run, ["l", "l.last", "l.h"] + (["l.c"] if op == "lstm" else []))
    case("rnn with relu", {"op": "rnn", "x": "x", "units": H, "nonlinearity": "relu"}, torch.nn.RNN(F, H, nonlinearity="relu", batch_first=True),
         {"x": rand(N, T, F)}, lambda m, x: [m(x["x"])[0]], ["l"])
    case("reverse", {"op": "gru", "x": "x", "units": H, "reverse": True}, torch.nn.GRU(F, H, batch_first=True), {"x": rand(N, T, F)},
         lambda m, x: [m(x["x"].flip(1))[0].flip(1), m(x["x"].flip(1))[1][0]], ["l", "l.last"])


def attention():
    heads, width, length = 2, 4, 5
    mha = lambda **options: torch.nn.MultiheadAttention(width, heads, batch_first=True, **options)
    each = dict(need_weights=True, average_attn_weights=False)
    case("self-attention", {"op": "multi_head_attention", "x": "x", "heads": heads}, mha(), {"x": rand(N, T, width)},
         lambda m, x: m(x["x"], x["x"], x["x"], **each), ["l", "l.weights"])
    causal = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
    case("causal", {"op": "multi_head_attention", "x": "x", "heads": heads, "causal": True, "bias": False}, mha(bias=False), {"x": rand(N, T, width)},
         lambda m, x: m(x["x"], x["x"], x["x"], attn_mask=causal, **each), ["l", "l.weights"])
    case("cross-attention", {"op": "multi_head_attention", "x": "x", "keys": "k", "values": "v", "heads": heads}, mha(kdim=3, vdim=6),
         {"x": rand(N, T, width), "k": rand(N, length, 3), "v": rand(N, length, 6)}, lambda m, x: m(x["x"], x["k"], x["v"], **each), ["l", "l.weights"])
    case("one memory, masked", {"op": "multi_head_attention", "x": "x", "keys": "k", "mask": "m", "heads": heads}, mha(),
         {"x": rand(N, T, width), "k": rand(N, length, width), "m": torch.tensor([[1, 1, 1, 0, 0], [1, 0, 1, 1, 1]], dtype=torch.bool)},
         lambda m, x: m(x["x"], x["k"], x["k"], key_padding_mask=~x["m"], **each), ["l", "l.weights"])


recurrent()
attention()
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "recurrent.json"), "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(c) for c in CASES) + "\n]\n")
