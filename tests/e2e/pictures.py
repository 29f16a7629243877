"""PNG files for tests: read and written by NumPy and zlib alone, so that gradc's own are checked by another's hand."""
import struct
import zlib

import numpy as np


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def chunks(raw):
    at = 8
    while at < len(raw):
        size, kind = struct.unpack('>I4s', raw[at:at + 8])
        data = raw[at + 8:at + 8 + size]
        assert zlib.crc32(kind + data) == struct.unpack('>I', raw[at + 8 + size:at + 12 + size])[0]
        yield kind, data
        at += 12 + size


def read_png(path):
    """Pixels [height, width] or [height, width, 3] of an unfiltered 8-bit image."""
    raw = path.read_bytes()
    assert raw[:8] == b'\x89PNG\r\n\x1a\n'
    parts = list(chunks(raw))
    width, height, depth, color, *rest = struct.unpack('>IIBBBBB', parts[0][1])
    assert depth == 8 and color in (0, 2) and rest == [0, 0, 0] and parts[-1] == (b'IEND', b'')
    channels = 3 if color else 1
    rows = np.frombuffer(zlib.decompress(b''.join(data for kind, data in parts if kind == b'IDAT')), 'u1')
    rows = rows.reshape(height, 1 + width * channels)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, channels).squeeze()


def filtered(row, above, step, kind):
    """A row of bytes through one of PNG's five filters."""
    row, above = row.astype('i4'), above.astype('i4')
    left = np.concatenate([np.zeros(step, 'i4'), row])[:len(row)]
    corner = np.concatenate([np.zeros(step, 'i4'), above])[:len(row)]
    p = left + above - corner
    near = np.stack([abs(p - left), abs(p - above), abs(p - corner)])
    paeth = np.choose(near.argmin(0), [left, above, corner])
    guess = [0, left, above, (left + above) // 2, paeth][kind]
    return bytes([kind]) + ((row - guess) % 256).astype('u1').tobytes()


def packed(samples, depth):
    """Rows of samples as bytes: [height, samples]."""
    if depth == 8:
        return samples.astype('u1')
    bits = (samples[..., None] >> np.arange(depth)[::-1] & 1).reshape(samples.shape[0], -1)
    return np.packbits(bits.astype('u1'), axis=1)


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def write_png(path, samples, color, depth=8, interlaced=False, palette=None):
    """Samples [height, width, samples a pixel], each row with another filter."""
    height, width, count = samples.shape
    raw = b''
    for x, y, dx, dy in ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = samples[y::dy, x::dx]
        if part.size == 0:
            continue
        rows = packed(part.reshape(part.shape[0], -1), depth)
        above = np.zeros_like(rows[0])
        for i, row in enumerate(rows):
            raw += filtered(row, above, max(1, count * depth // 8), i % 5)
            above = row
    body = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, int(interlaced)))
    if palette is not None:
        body += chunk(b'PLTE', palette.astype('u1').tobytes())
    data = zlib.compress(raw)
    half = len(data) // 2
    body += chunk(b'tEXt', b'Comment\0x') + chunk(b'IDAT', data[:half]) + chunk(b'IDAT', data[half:]) + chunk(b'IEND', b'')
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + body)
