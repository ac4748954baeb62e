"""Winograd's way down the columns only: the route where channels are few.

`winograd.py` saves multiplications in both directions, but its steps before and after the products are work for each
channel and filter. With 16 of each, these steps take longer than the products, and the products are thin: sums of 16
terms, where a matrix library likes hundreds.

Here outputs of a column share multiplications, and along the rows nothing is transformed: half the extra work, and the
sums have 3 C terms. In one direction rounding errors are magnified once, not twice, so that more points are affordable: in
a long column 8 outputs share 10 multiplications instead of 24, in a short one 4 share 6.

The sums need no im2col. With channels last, a window of 3 pixels is one run of 3 C numbers. The windows that start at
every third pixel do not overlap: they are the rows of a matrix that lies in memory already. One such matrix starts at
pixel 0, one at 1, one at 2. At the end of an image's row such windows run on into the next row. So the zeros to the left
of a row are also those to the right of the row before it, and the outputs of windows that see pixels of two rows are
computed in vain and cut off.

A NaN or an infinite pixel spoils outputs beside those that see it, as in `winograd.py`, where the source is, too.
"""

import numpy as np

from . import memory
from .memory import scratch
from .winograd import OUTPUTS, cook_toom, overlap

TALL = 8  # outputs of a long column that are computed at once, for a filter of 3 weights


def forward(x, w, layer):
    """out (N, OH, OW, K) of x (N, H, W, C) and w (K, C, FH, FW), at stride 1."""
    return _correlate(x, w, layer.padding, layer.output)


def input_gradient(dout, w, layer):
    """dx: the forward pass of dout with the filters turned by 180°."""
    return _correlate(dout, w[:, :, ::-1, ::-1].swapaxes(0, 1), layer.backwards.padding, layer.image)


def weight_gradient(x, dout, layer):
    """dw (K, C, FH, FW): the transposed steps in reverse."""
    at, g, bt = _matrices(layer.kernel[0], layer.output[0], x.dtype)
    n, k, fw, c = len(bt), layer.filters, layer.kernel[1], layer.channels
    wide = _wide(layer.output[1], fw, layer.padding[1])
    total = np.zeros((n, k, fw * c), x.dtype)
    for images, rows in _pieces(len(x), layer.output[0], at.shape, wide * max(c, k) * x.itemsize):
        windows = _windows(_points(x[images], bt, len(at), layer.padding, rows, wide, fw, "x"), fw)
        gradients = _points(dout[images], at.T, len(at), (0, 0), rows, wide, fw, "dout")
        gradients = gradients[:, :-fw].reshape(n, -1, fw, k).transpose(0, 2, 3, 1)
        total += np.matmul(gradients, windows).sum(axis=1)
    dw = g.T @ total.reshape(n, k * fw * c)
    return dw.reshape(layer.kernel[0], k, fw, c).transpose(1, 3, 0, 2)


def _correlate(x, w, padding, output):
    at, g, bt = _matrices(w.shape[2], output[0], x.dtype)
    (m, n), (k, c, _, fw), (oh, ow) = at.shape, w.shape, output
    wide = _wide(ow, fw, padding[1])
    filters = np.tensordot(g, w, (1, 2)).transpose(0, 3, 2, 1).reshape(n, 1, fw * c, k)  # at the points of a column
    out = np.empty((len(x), oh, ow, k), x.dtype)
    for images, rows in _pieces(len(x), oh, at.shape, wide * max(c, k) * x.itemsize):
        windows = _windows(_points(x[images], bt, m, padding, rows, wide, fw, "x"), fw)
        products = scratch("products", (n, windows.shape[2], fw, k), x.dtype)
        np.matmul(windows, filters, out=products.swapaxes(1, 2))
        target = out[images, rows.start * m : rows.stop * m]
        line = len(target) * wide * k
        pixels = scratch("pixels", (len(rows), m, line), x.dtype)
        products = products.reshape(n, -1)[:, : len(rows) * line].reshape(n, len(rows), line)
        np.matmul(at, products.swapaxes(0, 1), out=pixels)
        pixels = pixels.reshape(len(rows) * m, len(target), wide, k)
        target[...] = pixels[: target.shape[1], :, :ow].swapaxes(0, 1)
    return out


# ---------------------------------------------------------------------------------------------------------- small parts


def _matrices(r, oh, dtype):
    """Winograd's matrices for the number of outputs that takes the fewest multiplications for a column of oh."""
    numbers = (OUTPUTS[r], TALL) if r == 3 else (OUTPUTS[r],)
    return cook_toom(r, dtype, min(numbers, key=lambda m: -(-oh // m) * (m + r - 1)))


def _wide(ow, fw, padding):
    """Pixels in a row, with the zeros to its left; those to its right are the next row's."""
    return max(ow, ow + fw - 1 - max(0, padding))


def _pieces(images, oh, tile, row):
    """(slice of images, range of tile rows) for pieces of work that fit into the cache; row: bytes of a row of pixels."""
    m, n = tile
    down, many = -(-oh // m), max(1, memory.CACHE // (n * row))
    some, many = memory.equal_parts(images, max(1, many / down)), memory.equal_parts(down, many)
    for first in range(0, images, some):
        for top in range(0, down, many):
            yield slice(first, min(first + some, images)), range(top, min(top + many, down))


def _points(x, matrix, step, padding, rows, wide, fw, name):
    """Columns of t pixels, `step` apart, times the matrix (q, t): (q, pixels, C); zeros make whole windows, and one more."""
    (images, height, width, c), (q, t), down = x.shape, matrix.shape, len(rows)
    side = scratch("padded", ((down - 1) * step + t, images, wide, c), x.dtype)
    into_rows, from_rows = overlap(padding[0] - rows.start * step, height, len(side))
    into_columns, from_columns = overlap(padding[1], width, wide)
    for frame in side[: into_rows.start], side[into_rows.stop :]:
        frame[...] = 0
    for frame in side[:, :, : into_columns.start], side[:, :, into_columns.stop :]:
        frame[...] = 0
    side[into_rows, :, into_columns] = x[:, from_rows, from_columns].swapaxes(0, 1)

    line, item = images * wide * c, x.itemsize
    strips = np.ndarray((down, t, line), x.dtype, side, strides=(step * line * item, line * item, item))  # they overlap
    pixels = down * images * wide
    out = scratch(name, (q, (-(-pixels // fw) + 1) * fw, c), x.dtype)
    out[:, pixels:] = 0
    np.matmul(matrix, strips, out=out.reshape(q, -1)[:, : pixels * c].reshape(q, down, line).swapaxes(0, 1))
    return out


def _windows(points, fw):
    """The windows of fw pixels that start at 0, fw, 2 fw ..., those that start at 1, and so on: (n, fw, windows, fw·C)."""
    (n, pixels, c), (point, pixel, item) = points.shape, points.strides
    shape, strides = (n, fw, pixels // fw - 1, fw * c), (point, pixel, fw * pixel, item)
    return np.ndarray(shape, points.dtype, points, strides=strides)
