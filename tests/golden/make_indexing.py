#!/usr/bin/env python3
"""Writes indexing.txt beside itself: what NumPy makes of indices into x = 0, 1, … of shape [3, 4, 5] and i = [2, 0, 2].

    python3 tests/golden/make_indexing.py

A line is: the expression | the shape | the elements.
"""
import os

import numpy as np

EXPRESSIONS = """
x[0]
x[-1]
x[1, 2]
x[2, -1, 3]
x[:]
x[1:]
x[:-1]
x[1:3, 1:2]
x[0:3:2, ::3]
x[-2:, -100:2, 3:100]
x[2:1]
x[:, 3:1]
x[::-1]
x[:, ::-2]
x[:, :, 3:0:-2]
x[-2::-1]
x[1::-1, -1:-100:-3]
x[:, 1:1:-1]
x[:, 100:2:-1]
x[...]
x[..., 1]
x[0, ..., 1]
x[..., 1:3, :]
x[None]
x[:, None, 2]
x[..., None]
x[None, 0, None, ..., None, 1]
x[i]
x[:, i]
x[..., i]
x[1, i]
x[i, 1]
x[1:, i[0], :2]
x[i[1], i[0]]
x[i[:, None]]
x[1:][:, 2][0]
x[2 - 1, 1 + 1:]
""".split("\n")

x = np.arange(60.0).reshape(3, 4, 5)
i = np.array([2, 0, 2], np.int32)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "indexing.txt"), "w") as file:
    for text in EXPRESSIONS:
        if text:
            y = eval(text)
            values = " ".join(str(int(v)) for v in np.asarray(y).flatten())
            file.write(f"{text} | f64[{','.join(map(str, np.shape(y)))}] | {values}\n")
