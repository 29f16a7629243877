#!/usr/bin/env python3
"""Writes ops.txt beside itself: every op on some operands, with the results that NumPy, or a plain loop here, gives.

    python3 tests/golden/make_ops.py

A new elementwise op needs one row in UNARY or BINARY: its name, and a function of float64 arrays. A case is

    op {attributes in graph text}
      within TOLERANCE
      operand TYPE: values
      result TYPE: values

The tolerance is relative to the expected value, or for sums to the largest expected value; 0 means the same bits.
"""
import itertools
import math
import os

import numpy as np

np.seterr(all="ignore")
RANDOM = np.random.default_rng(1)
CASES = []
NAMES = {"float64": "f64", "float32": "f32", "int32": "i32", "int64": "i64", "uint32": "u32", "uint8": "u8", "bool": "bool"}


def tensor_text(array):
    array = np.asarray(array)
    values = " ".join(str(v) if array.dtype.kind == "f" else str(int(v)) for v in array.flatten())
    return f"{NAMES[str(array.dtype)]}[{','.join(map(str, array.shape))}]: {values}".rstrip()


def attribute_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):  # a shape
        return "shape[" + ",".join(map(str, value)) + "]"
    return str(value)  # integers, floats, lists, dtypes as strings


def case(op, operands, results, within=0.0, **attributes):
    text = ", ".join(f"{name} = {attribute_text(value)}" for name, value in sorted(attributes.items()))
    lines = [f"{op} {{{text}}}", f"  within {within}"]
    lines += ["  operand " + tensor_text(x) for x in operands]
    lines += ["  result " + tensor_text(y) for y in (results if isinstance(results, list) else [results])]
    CASES.append("\n".join(lines))


def drawn(low, high, shape=()):
    """Uniform in [low, high), with few digits to write out."""
    return np.round(RANDOM.uniform(low, high, shape), 4)


def uniform(*shape, low=-2.0, high=2.0, dtype=np.float64):
    return drawn(low, high, shape).astype(dtype)


# ---- elementwise: name, function of float64 arrays ----

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 0.5, 2.0, -2.0, -1.0, -0.5, 1e-300, -1e-20, 3.5, -2.5, 1e-8])


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def elu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


UNARY = [
    ("negate", np.negative),
    ("abs", np.abs),
    ("sign", lambda x: np.where(x > 0, 1, np.where(x < 0, -1, x))),
    ("floor", np.floor),
    ("ceil", np.ceil),
    ("round", np.rint),
    ("square", np.square),
    ("reciprocal", np.reciprocal),
    ("exp", np.exp),
    ("expm1", np.expm1),
    ("log", np.log),
    ("log1p", np.log1p),
    ("sqrt", np.sqrt),
    ("rsqrt", lambda x: 1 / np.sqrt(x)),
    ("sin", np.sin),
    ("cos", np.cos),
    ("tanh", np.tanh),
    ("erf", np.vectorize(math.erf)),
    ("sigmoid", sigmoid),
    ("relu", lambda x: np.where(x > 0, x, np.where(np.isnan(x), x, 0.0))),
    ("softplus", lambda x: np.logaddexp(0, x)),
    ("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x)),
    ("elu", lambda x: elu(x, 1)),
    ("selu", lambda x: 1.0507009873554804934 * elu(x, 1.6732632423543772848)),
    ("gelu", lambda x: 0.5 * x * np.vectorize(math.erfc)(-x / math.sqrt(2))),
    ("silu", lambda x: x * sigmoid(x)),
    ("softsign", lambda x: x / (1 + np.abs(x))),
    ("hard_sigmoid", lambda x: np.clip(x, -3, 3) / 6 + 0.5),
    ("hard_tanh", lambda x: np.clip(x, -1, 1)),
    ("is_nan", np.isnan),
    ("is_finite", np.isfinite),
    ("stop_gradient", lambda x: x),
]

BINARY = [
    ("add", np.add),
    ("subtract", np.subtract),
    ("multiply", np.multiply),
    ("divide", np.divide),
    ("remainder", np.remainder),
    ("power", np.power),
    ("atan2", np.arctan2),
    ("maximum", lambda a, b: np.where(a == b, np.where(np.signbit(a), b, a), np.maximum(a, b))),
    ("minimum", lambda a, b: np.where(a == b, np.where(np.signbit(a), a, b), np.minimum(a, b))),
    ("equal", np.equal),
    ("not_equal", np.not_equal),
    ("less", np.less),
    ("less_equal", np.less_equal),
    ("greater", np.greater),
    ("greater_equal", np.greater_equal),
]


def elementwise():
    """In f64 to 1e-15 (2 ulp of ours and 1 of NumPy's libm), in f32 to 3e-7 (2 ulp) of the f64 value of the f32 input."""
    for dtype, within in [(np.float64, 1e-15), (np.float32, 3e-7)]:
        x = np.concatenate([SPECIAL, uniform(24, low=-6, high=6), uniform(6, low=20, high=80)]).astype(dtype)
        pairs = np.array(list(itertools.product(SPECIAL[:9], SPECIAL[:9]))).astype(dtype)
        random = uniform(16, 2, low=-3, high=3, dtype=dtype)
        a, b = np.concatenate([pairs, random]).T
        for name, function in UNARY:
            y = function(x.astype(np.float64))
            case(name, [x], y if y.dtype == bool else round_to(y, dtype), within)
        case("exp_negative", [-np.abs(x)], round_to(np.exp(-np.abs(x.astype(np.float64))), dtype), within)
        for name, function in BINARY:
            y = function(a.astype(np.float64), b.astype(np.float64))
            case(name, [a, b], y if y.dtype == bool else round_to(y, dtype), within)


def round_to(y, dtype):
    """Rounded where the dtype is narrower; kept as the f64 value of a result otherwise."""
    return y.astype(dtype)


def integers():
    for dtype in [np.int32, np.int64, np.uint32, np.uint8]:
        info = np.iinfo(dtype)
        edge = np.array([0, 1, 2, 7, info.max, info.max - 1, info.min, info.min + 1]).astype(dtype)
        a, b = np.array(list(itertools.product(edge, edge)), dtype=dtype).T
        case("add", [a, b], a + b)
        case("subtract", [a, b], a - b)
        case("multiply", [a, b], a * b)
        case("maximum", [a, b], np.maximum(a, b))
        case("minimum", [a, b], np.minimum(a, b))
        case("less", [a, b], a < b)
        case("equal", [a, b], a == b)
        case("divide", [a, b], np.array([truncated(x, y, info) for x, y in zip(a, b)], dtype=dtype))
        case("abs", [edge], np.abs(edge))
        case("square", [edge], edge * edge)
        case("sum", [edge.reshape(2, 4)], edge.reshape(2, 4).sum(axis=1, dtype=dtype), axis=[1])
        case("max", [edge], edge.max())
        case("product", [edge[1:4]], edge[1:4].prod(dtype=dtype))
    a = np.array([7, -7, 7, -7, 0, 5], dtype=np.int32)
    b = np.array([3, 3, -3, -3, 5, 0], dtype=np.int32)
    case("remainder", [a, b], np.array([1, 2, -2, -1, 0, 5], dtype=np.int32))


def truncated(x, y, info):
    x, y = int(x), int(y)
    if y == 0:
        return 0
    q = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
    return x if q > info.max else q


def logic():
    a, b = np.array([False, False, True, True]), np.array([False, True, False, True])
    case("logical_and", [a, b], a & b)
    case("logical_or", [a, b], a | b)
    case("logical_xor", [a, b], a ^ b)
    case("logical_not", [a], ~a)
    x = uniform(2, 3) > 0
    case("any", [x], x.any(axis=1), axis=[1])
    case("all", [x], x.all(axis=0, keepdims=True), axis=[0], keep=True)
    p, q = uniform(4), uniform(4)
    case("select", [a, p, q], np.where(a, p, q))


def casts():
    x = np.array([0.0, -0.0, 1.5, -1.5, 2.999, -0.99, 254.5, 2e9])
    case("cast", [x], x.astype(np.float32), dtype="f32")
    case("cast", [x], x.astype(np.int32), dtype="i32")
    case("cast", [x], x.astype(np.int64), dtype="i64")
    case("cast", [x], x != 0, dtype="bool")
    wild = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30])
    case("cast", [wild], np.array([0, 2**31 - 1, -(2**31), 2**31 - 1, -(2**31)], dtype=np.int32), dtype="i32")
    n = np.array([0, 1, -1, 2**24 + 1, 2**31 - 1, -(2**31)], dtype=np.int32)
    case("cast", [n], n.astype(np.float32), dtype="f32")
    case("cast", [n], n.astype(np.uint8), dtype="u8")
    case("cast", [n.astype(np.uint32)], n.astype(np.uint32).astype(np.float64), dtype="f64")
    case("clip", [SPECIAL], np.clip(SPECIAL, -0.75, 1.5), low=-0.75, high=1.5)


# ---- movement and indexing ----


def movement():
    x = uniform(2, 3, 5)
    case("transpose", [x], x.transpose(2, 0, 1), permutation=[2, 0, 1])
    case("broadcast", [x[0]], np.broadcast_to(x[0][:, None, :], (3, 4, 5)), shape=(3, 4, 5), dims=[0, 2])
    case("reshape", [x], x.reshape(6, 5), shape=(6, 5))
    case("reverse", [x], np.flip(x, (0, 2)), axis=[0, 2])
    case("slice", [x], x[:, 1:3, 0:5:2], start=[0, 1, 0], limit=[2, 3, 5], stride=[1, 1, 2])
    case("slice", [x], x[-1:, :-1, -3:-1], start=[-1, 0, -3], limit=[2, -1, -1], stride=[1, 1, 1])
    case("pad", [x[0]], np.pad(x[0], ((1, 2), (0, 3)), constant_values=0.5), low=[1, 0], high=[2, 3], interior=[0, 0], value=0.5)
    inner = np.full(9, -1.0)
    inner[1::3] = x[0, 0, :3]
    case("pad", [x[0, 0, :3]], inner, low=[1], high=[1], interior=[2], value=-1.0)
    y = uniform(2, 1, 5)
    case("concatenate", [x, y, x], np.concatenate([x, y, x], axis=1), axis=1)
    case("iota", [], np.broadcast_to(np.arange(4, dtype=np.float32), (3, 4)), shape=(3, 4), dtype="f32", axis=1)
    index = np.array([[4, 0], [1, 1], [9, -3]], dtype=np.int32)
    case("gather", [x, index], np.take(x, index, axis=2, mode="clip"), axis=2)
    updates = uniform(2, 3, 2)
    total = np.zeros((2, 5))
    for o, i, j in itertools.product(range(2), range(3), range(2)):
        if 0 <= index[i, j] < 5:
            total[o, index[i, j]] += updates[o, i, j]
    case("scatter_add", [index, updates], total, 1e-15, axis=1, size=5)
    case("one_hot", [np.array([2, 0, 3, -1], dtype=np.int32)], np.array([[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=np.float32), classes=3)


def rearrangement():
    x = drawn(-2, 2, (2, 1, 3))
    case("squeeze", [x], x.squeeze(1), axis=[-2])
    case("squeeze", [x], x.squeeze())
    case("expand_dims", [x], np.expand_dims(x, (0, -1)), axis=[-1, 0])
    case("expand", [x], np.broadcast_to(x, (4, 2, 5, 3)), shape=(4, 2, 5, 3))
    case("stack", [x, -x, 2 * x], np.stack([x, -x, 2 * x], axis=-1), axis=-1)
    case("tile", [x], np.tile(x, (2, 3)), repeats=[2, 3])
    case("tile", [x[0, 0]], np.tile(x[0, 0], (2, 3)), repeats=[2, 3])
    x = drawn(-2, 2, (4, 5))
    case("roll", [x], np.roll(x, (1, -7), (0, 1)), shift=[1, -7], axis=[0, 1])
    case("pad_reflect", [x], np.pad(x, ((2, 3), (4, 0)), mode="reflect"), low=[2, 4], high=[3, 0])
    case("pad_edge", [x], np.pad(x, ((2, 5), (0, 7)), mode="edge"), low=[2, 0], high=[5, 7])
    index = np.array([[0, 4, 2], [1, 1, 1], [3, 0, 4], [9, -3, 2]], dtype=np.int32)
    case("take_along_axis", [x, index], np.take_along_axis(x, np.clip(index, 0, 4), axis=1), axis=1)
    index = np.array([[3, 0, 1, 2, 2]], dtype=np.int64)
    case("take_along_axis", [x, index], np.take_along_axis(x, index, axis=0), axis=0)
    case("outer", [x[0], x[:, 1]], np.outer(x[0], x[:, 1]))


# ---- reductions, products ----


def reductions():
    x = uniform(3, 4, 5)
    for name, function in [("sum", np.sum), ("product", np.prod), ("max", np.max), ("min", np.min), ("mean", np.mean)]:
        case(name, [x], function(x, axis=(0, 2)), 1e-14, axis=[0, 2])
        case(name, [x], function(x, axis=1, keepdims=True), 1e-14, axis=[-2], keep=True)
        case(name, [x], np.asarray(function(x)), 1e-14)
    for name, function in [("argmax", np.argmax), ("argmin", np.argmin)]:
        case(name, [x], function(x, axis=1).astype(np.int32), axis=1)
        ties = np.array([[1.0, 3.0, 3.0, 1.0], [np.nan, 9.0, np.nan, 0.0], [2.0, 2.0, 2.0, 2.0]])
        case(name, [ties], function(ties, axis=1).astype(np.int32))
    empty = np.zeros((2, 0))
    case("sum", [empty], empty.sum(axis=1), axis=[1])
    case("product", [empty], empty.prod(axis=1), axis=[1])
    case("max", [empty], np.full(2, -np.inf), axis=[1])


def products():
    a, b = uniform(2, 3, 4), uniform(4, 2, 5)
    case("dot", [a, b], np.einsum("bik,kbj->bij", a, b), 1e-14, contract_a=[2], contract_b=[0], batch_a=[0], batch_b=[1])
    case("dot", [a, b], np.einsum("bik,kbj->ij", a, b), 1e-14, contract_a=[0, 2], contract_b=[1, 0])
    for shapes in [((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 1, 3, 4), (5, 4, 2)), ((2, 3, 4), (4, 5)), ((4,), (2, 4, 3))]:
        p, q = uniform(*shapes[0]), uniform(*shapes[1])
        case("matmul", [p, q], np.asarray(np.matmul(p, q)), 1e-14)


def convolve(x, w, stride, low, high, dilation, groups):
    """x [N,C,H,W], w [O,C/groups,KH,KW]; plain loops."""
    padded = np.pad(x, ((0, 0), (0, 0), (low[0], high[0]), (low[1], high[1])))
    reach = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilation)]
    size = [(p - r) // s + 1 for p, r, s in zip(padded.shape[2:], reach, stride)]
    y = np.zeros((x.shape[0], w.shape[0], *size))
    per_in, per_out = w.shape[1], w.shape[0] // groups
    for o, i, j in itertools.product(range(w.shape[0]), range(size[0]), range(size[1])):
        first = o // per_out * per_in
        top, left = i * stride[0], j * stride[1]
        patch = padded[:, first : first + per_in, top : top + reach[0] : dilation[0], left : left + reach[1] : dilation[1]]
        y[:, o, i, j] = (patch * w[o]).sum(axis=(1, 2, 3))
    return y


def convolutions():
    for x_shape, w_shape, stride, low, high, dilation, groups in [
        ((2, 3, 6, 7), (4, 3, 3, 2), [1, 1], [0, 0], [0, 0], [1, 1], 1),
        ((1, 2, 7, 6), (3, 2, 3, 3), [2, 3], [1, 2], [1, 0], [1, 1], 1),
        ((2, 4, 7, 7), (6, 2, 3, 2), [1, 2], [2, 0], [2, 1], [2, 3], 2),
        ((1, 3, 5, 5), (3, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], 3),
    ]:
        x, w = uniform(*x_shape), uniform(*w_shape)
        y = convolve(x, w, stride, low, high, dilation, groups)
        shared = dict(stride=stride, low=low, high=high, dilation=dilation, groups=groups)
        case("convolution", [x, w], y, 1e-13, **shared)
        last = lambda image: np.ascontiguousarray(image.transpose(0, 2, 3, 1))
        case("convolution", [last(x), w], last(y), 1e-13, channels_last=True, **shared)
        # The gradients, by a basis: <g, conv(e, w)> for each unit image e, and the like for w.
        g = uniform(*y.shape)
        unit = lambda shape, i: np.eye(1, int(np.prod(shape)), i).reshape(shape)
        dx = [(g * convolve(unit(x.shape, i), w, stride, low, high, dilation, groups)).sum() for i in range(x.size)]
        dw = [(g * convolve(x, unit(w.shape, i), stride, low, high, dilation, groups)).sum() for i in range(w.size)]
        case("convolution_input_gradient", [g, w], np.reshape(dx, x.shape), 1e-13, shape=x.shape, **shared)
        case("convolution_weight_gradient", [x, g], np.reshape(dw, w.shape), 1e-13, shape=w.shape, **shared)


def pools():
    lecture = np.array([[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])[None, None]
    case("max_pool", [lecture], np.array([[6.0, 8], [3, 4]])[None, None], window=[2, 2])
    x = uniform(2, 3, 5, 6)
    window, stride, low, high = [3, 2], [2, 2], [1, 0], [1, 1]
    around = ((0, 0), (0, 0), (low[0], high[0]), (low[1], high[1]))
    counts = np.pad(np.ones_like(x), around)
    size = [(s + l + h - k) // t + 1 for s, l, h, k, t in zip(x.shape[2:], low, high, window, stride)]

    def pooled(image, function):
        y = np.zeros((*x.shape[:2], *size))
        for i, j in itertools.product(*map(range, size)):
            top, left = i * stride[0], j * stride[1]
            y[:, :, i, j] = function(image[:, :, top : top + window[0], left : left + window[1]], axis=(2, 3))
        return y

    shared = dict(window=window, stride=stride, low=low, high=high)
    sums = pooled(np.pad(x, around), np.sum)
    case("max_pool", [x], pooled(np.pad(x, around, constant_values=-np.inf), np.max), **shared)
    case("sum_pool", [x], sums, 1e-14, **shared)
    case("avg_pool", [x], sums / 6, 1e-14, count_padding=True, **shared)
    case("avg_pool", [x], sums / pooled(counts, np.sum), 1e-14, count_padding=False, **shared)


# ---- softmax, losses, random numbers ----


def log_sum_exp(x, axis):
    top = x.max(axis=axis, keepdims=True)
    return top + np.log(np.exp(x - top).sum(axis=axis, keepdims=True))


def softmaxes():
    x = np.concatenate([uniform(3, 5, low=-4, high=4), [[1000.0, 999.0, -1000.0, 0.0, 1000.0]]])
    for axis in [0, 1]:
        case("log_softmax", [x], x - log_sum_exp(x, axis), 1e-14, axis=axis)
        case("softmax", [x], np.exp(x - log_sum_exp(x, axis)), 1e-13, axis=axis)
        case("log_sum_exp", [x], log_sum_exp(x, axis).squeeze(axis), 1e-14, axis=[axis])
    case("log_sum_exp", [np.array([-np.inf, -np.inf])], np.asarray(-np.inf))
    label = np.array([0, 3, 4, 2], dtype=np.int32)
    case("softmax_cross_entropy", [x, label], -(x - log_sum_exp(x, 1))[np.arange(4), label], 1e-13)
    case("softmax_cross_entropy", [np.full((1, 10), 3.25), np.array([7], dtype=np.int32)], np.array([math.log(10)]), 1e-15)


def activations():
    """By attributes; their plain forms are rows of UNARY."""
    x = drawn(-4, 4, 15)
    case("leaky_relu", [x], np.where(x > 0, x, 0.25 * x), negative_slope=0.25)
    case("elu", [x], elu(x, 0.5), 1e-15, alpha=0.5)
    tanh_form = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    case("gelu", [x], tanh_form, 1e-15, approximate=True)
    case("gelu", [np.array([-1e200, 1e200, -40.0])], np.array([0.0, 1e200, 0.0]), 1e-15, approximate=True)
    case("maxout", [x], x.reshape(5, 3).max(axis=1), pieces=3)
    y = x[:12].reshape(2, 6)
    case("maxout", [y], np.maximum(y[::2], y[1::2]), pieces=2, axis=0)


def losses():
    x, label = drawn(-4, 4, (4, 5)), np.array([0, 3, 4, 2], dtype=np.int32)
    log_p = x - log_sum_exp(x, 1)
    smooth = 0.9 * np.eye(5)[label] + 0.1 / 5
    case("softmax_cross_entropy", [x, label], -(smooth * log_p).sum(axis=1), 1e-14, label_smoothing=0.1)
    q = RANDOM.dirichlet(np.ones(5), 4)
    case("softmax_cross_entropy_soft", [x, q], -(q * log_p).sum(axis=1), 1e-14)
    case("softmax_cross_entropy_soft", [x, q], -((0.9 * q + 0.1 / 5) * log_p).sum(axis=1), 1e-14, label_smoothing=0.1)
    masked = np.array([[-np.inf, 0.0, 0.0]])
    case("softmax_cross_entropy_soft", [masked, np.array([[0.0, 0.5, 0.5]])], np.array([math.log(2)]), 1e-15)
    margins = np.maximum(0, x - x[np.arange(4), label][:, None] + 1)
    margins[np.arange(4), label] = 0
    case("multiclass_hinge", [x, label], margins.sum(axis=1), 1e-14)
    # The scores of cat, car and frog of CS231n's lecture 3: 2.9, 0 and 12.9.
    cs231n = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
    case("multiclass_hinge", [cs231n, np.array([0, 1, 2], dtype=np.int32)], np.array([2.9, 0.0, 12.9]), 1e-14)
    sign = np.where(drawn(-1, 1, (4, 5)) > 0, 1.0, -1.0)
    case("binary_hinge", [x, sign], np.maximum(0, 1 - sign * x), 1e-15)
    case("binary_hinge", [x, np.asarray(-1.0)], np.maximum(0, 0.5 + x), 1e-15, margin=0.5)
    case("perceptron_loss", [x, sign], np.maximum(0, -sign * x), 1e-15)
    target = drawn(0, 1, (4, 5))
    p = sigmoid(x)
    case("binary_cross_entropy_with_logits", [x, target], -target * np.log(p) - (1 - target) * np.log1p(-p), 1e-14)
    extreme = np.array([800.0, -800.0, 40.0, -40.0])
    case("binary_cross_entropy_with_logits", [extreme, np.array([1.0, 0, 1, 0])], np.array([0, 0, math.exp(-40), math.exp(-40)]), 1e-15)
    case("binary_cross_entropy_with_logits", [extreme, np.array([0.0, 1, 0, 1])], np.array([800.0, 800, 40, 40]), 1e-15)
    case("squared_error", [x, target], 0.5 * (x - target) ** 2, 1e-15)
    case("squared_error", [x, np.asarray(2.0)], (x - 2) ** 2, 1e-15, half=False)
    case("absolute_error", [x, target], np.abs(x - target), 1e-15)
    d = np.abs(x - target)
    case("huber", [x, target], np.where(d <= 1.5, 0.5 * d**2, 1.5 * (d - 0.75)), 1e-15, delta=1.5)
    case("kl_unit_normal", [x, target], 0.5 * (x**2 + np.exp(target) - 1 - target), 1e-15)
    v = np.array([1e-6, -1e-3])
    case("kl_unit_normal", [np.zeros(2), v], v**2 / 4 + v**3 / 12 + v**4 / 48 + v**5 / 240, 1e-9)
    cosine = (x * target).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(target, axis=1)
    case("cosine_similarity", [x, target], cosine, 1e-14)
    case("cosine_similarity", [x, np.zeros((4, 5))], np.zeros(5), 1e-15, axis=0)
    case("cosine_loss", [x, target], 1 - cosine, 1e-14)


def moments():
    x = drawn(-2, 2, (3, 4, 5))
    for axis in [(0, 2), (1,)]:
        case("variance", [x], x.var(axis=axis), 1e-14, axis=list(axis))
        case("variance", [x], x.var(axis=axis, keepdims=True, ddof=1), 1e-14, axis=list(axis), keep=True, ddof=1)
        case("norm", [x], np.abs(x).sum(axis=axis), 1e-14, axis=list(axis), order=1.0)
        case("norm", [x], np.sqrt((x * x).sum(axis=axis)), 1e-14, axis=list(axis))
        case("norm", [x], np.abs(x).max(axis=axis, keepdims=True), axis=list(axis), order="inf", keep=True)
    shifted = 1e6 + np.array([1.0, 2.0, 3.0, 4.0])
    case("variance", [shifted], np.asarray(1.25), 1e-15)
    zeros = np.array([[0.0, -0.0, 1.0], [np.nan, np.inf, 1e-300]])
    case("count_nonzero", [zeros], np.array([1, 3], dtype=np.int32), axis=[1])
    case("count_nonzero", [np.array([[3, 0], [-1, 0]], dtype=np.int32)], np.array([[2, 0]], dtype=np.int32), axis=[0], keep=True)


def normalizations():
    x = drawn(-2, 2, (2, 6, 3, 2))
    standard = lambda v, axis, epsilon: (v - v.mean(axis=axis, keepdims=True)) / np.sqrt(v.var(axis=axis, keepdims=True) + epsilon)
    case("standardize", [x], standard(x, -1, 1e-5), 1e-13)
    case("standardize", [x], standard(x, (1, 3), 0.5), 1e-14, axis=[1, 3], epsilon=0.5)
    case("standardize_groups", [x], standard(x.reshape(2, 3, 2, 3, 2), (2, 3, 4), 1e-5).reshape(x.shape), 1e-13, groups=3)
    for size, alpha, beta, k in [(5, 5e-4, 0.75, 2.0), (2, 3.0, 0.5, 1.0), (9, 1.0, 1.0, 0.5)]:
        y = np.empty_like(x)
        for c in range(6):
            near = x[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1]
            y[:, c] = x[:, c] * (k + alpha / size * (near**2).sum(axis=1)) ** -beta
        case("local_response_norm", [x], y, 1e-14, size=size, alpha=alpha, beta=beta, k=k)
    lengths = np.sqrt((x * x).sum(axis=(1, 2), keepdims=True))
    case("clip_by_norm", [x], x * np.minimum(1, 3 / lengths), 1e-14, max_norm=3.0, axis=[1, 2])
    case("clip_by_norm", [x[0, 0]], x[0, 0], max_norm=100.0)


def resizes():
    x = drawn(-2, 2, (2, 3, 4, 2))
    case("upsample_nearest", [x], x.repeat(3, axis=2), scale=[3, 1])
    # Linear: the middle of each small cell, in units of the large ones, held within the outermost middles.
    for scale in [[2, 2], [3, 1], [4, 5]]:
        y = x
        for axis, factor in zip([2, 3], scale):
            at = np.clip((np.arange(y.shape[axis] * factor) + 0.5) / factor - 0.5, 0, y.shape[axis] - 1)
            low = np.floor(at).astype(int)
            high = np.minimum(low + 1, y.shape[axis] - 1)
            weight = (at - low).reshape([-1 if d == axis else 1 for d in range(4)])
            y = y.take(low, axis=axis) * (1 - weight) + y.take(high, axis=axis) * weight
        case("upsample_linear", [x], y, 1e-15, scale=scale)
    share = drawn(0, 1, 2)
    case("mixup", [x, share], x * share[:, None, None, None] + x[::-1] * (1 - share)[:, None, None, None], 1e-15)


def slices():
    x = drawn(-2, 2, (6, 5))
    case("split", [x], [x[:2], x[2:4], x[4:]], parts=3)
    case("split", [x], [x[:, :1], x[:, 1:1], x[:, 1:]], sizes=[1, 0, 4], axis=1)
    at = np.array([2, 1], dtype=np.int32)
    case("dynamic_slice", [x, at], x[1:4, 2:4], axis=[1, 0], size=[2, 3])
    case("dynamic_slice", [x, np.asarray(5, dtype=np.int64)], x[2:], size=[4])  # moved inside
    case("dynamic_slice", [x, np.asarray(-3, dtype=np.int32)], x[:, :2], axis=[1], size=[2])
    update, y = drawn(-2, 2, (3, 2)), x.copy()
    y[1:4, 2:4] = update
    case("dynamic_update_slice", [x, update, at], y, axis=[1, 0])
    y = x.copy()
    y[3:] = x[:3]
    case("dynamic_update_slice", [x, x[:3], np.asarray(9, dtype=np.int32)], y)


def cumulations():
    x = drawn(-2, 2, (3, 40))
    n = RANDOM.integers(-9, 9, (2, 21)).astype(np.int32)
    flip = lambda v: v[:, ::-1]
    for name, function, none in [("cumulative_sum", np.cumsum, 0), ("cumulative_product", np.cumprod, 1), ("cumulative_max", np.maximum.accumulate, -np.inf),
                                 ("cumulative_min", np.minimum.accumulate, np.inf)]:
        case(name, [x], function(x, axis=1), 1e-14)
        case(name, [x.T.copy()], function(x, axis=1).T.copy(), 1e-14, axis=0)
        case(name, [x], flip(function(flip(x), axis=1)), 1e-14, reverse=True)
        before = np.concatenate([np.full((3, 1), none), function(x, axis=1)[:, :-1]], axis=1)
        case(name, [x], before, 1e-14, exclusive=True)
        if name != "cumulative_product":  # which overflows: NumPy widens it
            case(name, [n], function(n, axis=1).astype(np.int32))
    case("cumulative_sum", [np.array([1.0, np.inf, 2.0, np.nan, 3.0])], np.array([1.0, np.inf, np.inf, np.nan, np.nan]))
    case("cumulative_max", [np.array([1.0, -np.inf, 2.0, np.nan, 3.0])], np.array([1.0, 1.0, 2.0, np.nan, np.nan]))
    case("cumulative_min", [np.array([3, 5, 2], dtype=np.int64)], np.array([2**63 - 1, 3, 3]), exclusive=True)


def sorts():
    ties = np.array([[3.0, 1.0, 3.0, 1.0, 2.0], [np.nan, 0.0, np.inf, np.nan, -np.inf], [0.0, -0.0, 0.0, -0.0, -1.0]])
    order = np.argsort(ties, axis=1, kind="stable")  # NaN last
    case("argsort", [ties], order.astype(np.int32))
    case("sort", [ties], np.take_along_axis(ties, order, 1))
    down = np.array([[0, 2, 4, 1, 3], [2, 1, 4, 0, 3], [0, 1, 2, 3, 4]])  # NaN last here too
    case("argsort", [ties], down.astype(np.int32), descending=True)
    case("sort", [ties], np.take_along_axis(ties, down, 1), descending=True)
    case("top_k", [ties], [np.take_along_axis(ties, down, 1)[:, :3], down[:, :3].astype(np.int32)], k=3)
    x, n = drawn(-2, 2, (2, 33, 3)), RANDOM.integers(-5, 5, 40).astype(np.int64)
    case("sort", [x], np.sort(x, axis=1), axis=1)
    case("argsort", [n], np.argsort(n, kind="stable").astype(np.int32))
    low = np.argsort(x, axis=1)[:, :4]
    case("top_k", [x], [np.take_along_axis(x, low, 1), low.astype(np.int32)], k=4, axis=1, smallest=True)
    index, updates = RANDOM.integers(-1, 5, (4, 3)).astype(np.int32), drawn(-2, 2, (4, 3))
    for axis in [0, 1]:
        total = np.zeros((4, 3) if axis == 0 else (4, 4))
        for i, j in np.ndindex(4, 3):
            at = [i, j]
            at[axis] = index[i, j]
            if 0 <= index[i, j] < 4:
                total[tuple(at)] += updates[i, j]
        case("scatter_add_along_axis", [index, updates], total, 1e-15, axis=axis, size=4)


def einsums():
    for equation, shapes in [
        ("ij,jk->ki", [(2, 3), (3, 4)]),
        ("bik,kbj", [(2, 3, 4), (4, 2, 5)]),
        ("ij,jk,il->lk", [(2, 3), (3, 4), (2, 5)]),
        ("abc->ca", [(2, 3, 4)]),
        ("i,j->ji", [(2,), (3,)]),
        ("ab,cb->", [(2, 3), (4, 3)]),
    ]:
        operands = [drawn(-2, 2, shape) for shape in shapes]
        case("einsum", operands, np.asarray(np.einsum(equation, *operands)), 1e-14, equation=f'"{equation}"')


def philox(counter, key):
    """Salmon et al. 2011, checked against three of the authors' known answers below."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & 0xFFFFFFFF, (p >> 32) ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
assert philox([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def random_numbers():
    for key, offset in [((0, 0), 0), ((0xA4093822, 0x299F31D0), -7), ((1, 2), 2**40 + 3)]:
        words = lambda n: np.array([philox([i // 4, 0, offset & 0xFFFFFFFF, offset >> 32 & 0xFFFFFFFF], key)[i % 4] for i in range(n)], dtype=np.uint32)
        operands = [np.array(key, dtype=np.uint32), np.asarray(offset, dtype=np.int64)]
        case("random_bits", operands, words(10).reshape(2, 5), shape=(2, 5))
        unit = lambda bits: (bits >> 8) / 2.0**24
        case("random_uniform", operands, unit(words(7)).astype(np.float32), shape=(7,), dtype="f32")
        high, low = words(10)[:5].astype(np.float64), words(10)[5:] >> 11
        case("random_uniform", operands, high / 2.0**32 + low / 2.0**53, shape=(5,), dtype="f64")
        u, v = unit(words(8)[:4]), unit(words(8)[4:])
        # f32: log, sqrt and cos within 2 ulp each, and the angle rounded to 24 bits.
        normal = np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)
        case("random_normal", operands, normal.astype(np.float32), 2e-6, shape=(4,), dtype="f32")


def diagonals():
    for equation, shapes in [("ii", [(3, 3)]), ("ii->i", [(4, 4)]), ("iji,i->ij", [(3, 2, 3), (3,)]), ("iii,ij->j", [(2, 2, 2), (2, 5)])]:
        operands = [drawn(-2, 2, shape) for shape in shapes]
        case("einsum", operands, np.asarray(np.einsum(equation, *operands)), 1e-14, equation=f'"{equation}"')
    case("einsum", [np.array([[1.5, np.nan], [np.inf, 2.5]])], np.asarray(4.0), equation='"ii"')


def broadcast_picks():
    x = drawn(-2, 2, (2, 3, 5))
    index = np.array([[[2], [0], [1], [1]], [[0], [0], [2], [1]]], dtype=np.int32)
    case("take_along_axis", [x, index], np.take_along_axis(x, index, axis=1), axis=1)
    index = np.array([[2, 0], [1, 1], [0, 2]], dtype=np.int64)
    case("take_along_axis", [x[0, :1, :3], index], np.take_along_axis(x[0, :1, :3], index, axis=1), axis=1)



WRITERS = [elementwise, integers, logic, casts, movement, reductions, products, convolutions, pools, softmaxes, random_numbers, rearrangement, activations, losses, moments, normalizations, einsums, resizes, slices, cumulations, sorts, diagonals, broadcast_picks]
for write in WRITERS:
    write()
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ops.txt"), "w") as out:
    out.write("# Written by make_ops.py.\n" + "\n".join(CASES) + "\n")
