"""Writes npy.inc: files as NumPy makes them, for the tests of the NPY and NPZ readers. Run: python3 tests/golden/npy.py"""
import io
import os
import zipfile

import numpy as np


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(compressed):
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, array in (("x", np.arange(6, dtype="<f4").reshape(3, 2)), ("y", np.array([2, 0, 1]))):
            info = zipfile.ZipInfo(name + ".npy")
            info.compress_type = method
            with archive.open(info, "w", force_zip64=True) as member:
                member.write(npy(array))
    return out.getvalue()


FILES = {
    "kF4": npy(np.array([[1.5, -2], [3, 4.25], [0, 1e30]], dtype="<f4")),
    "kF2": npy(np.array([1.5, -2, 6.1e-5, 5.96e-8, np.inf, 65504], dtype="<f2")),
    "kF8Big": npy(np.array([1.1, -7], dtype=">f8")),
    "kI2": npy(np.array([-3, 300], dtype="<i2")),
    "kI8": npy(np.array([2**40, -1], dtype="<i8")),
    "kU8Huge": npy(np.array([2**63], dtype="<u8")),
    "kBool": npy(np.array([True, False, True])),
    "kFortran": npy(np.asfortranarray(np.arange(24, dtype="<i4").reshape(2, 3, 4))),
    "kScalar": npy(np.float32(3)),
    "kComplex": npy(np.array([1j])),
    "kNpzStored": npz(False),
    "kNpzDeflated": npz(True),
}

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "npy.inc"), "w") as out:
    out.write("// Made by npy.py.\n")
    for name, data in FILES.items():
        out.write(f"inline constexpr unsigned char {name}[] = {{\n")
        for i in range(0, len(data), 24):
            out.write("    " + ", ".join(str(b) for b in data[i : i + 24]) + ",\n")
        out.write("};\n")
