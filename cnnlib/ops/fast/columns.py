"""im2col, in pieces that stay in the cache: the route for every shape that no other one suits.

The matrix of all windows is FH·FW times as large as the images; to write it to main memory and read it again takes
longer than the product that it is made for. So a few rows of windows at a time go into one small matrix, which is
multiplied at once and written over. With channels last, a row of a window is one run of FW·C numbers.

Images of 1 or 3 channels have short runs, and a first layer has few filters: short copies, thin products. Therefore
neighbouring outputs are computed together: `wide` of them see one window of FW + stride (wide - 1) columns, and count as
so many more filters, each with zeros where another one looks. A few multiplications by zero cost less than thin products.

Source: K. Chellapilla, S. Puri and P. Simard, "High Performance Convolutional Neural Networks for Document Processing",
2006; in pieces: M. Dukhan, "The Indirect Convolution Algorithm", 2019, compares them.
"""

from functools import lru_cache

import numpy as np

from . import memory, space_to_depth, stamps
from .memory import padded, scratch
from .products import product, product_of_columns

SHORT = 16  # numbers in a run that is not worth a copy of its own
MANY = 16  # channels that make each step of `stamps` large enough
WIDE = 56  # filters that make a product wide enough
THIN = 1024  # channels times filters, up to which a step of `stamps` is slower than blocks of pixels with zero weights


def forward(x, w, layer):
    """out (N, OH, OW, K) of x (N, H, W, C) and w (K, C, FH, FW)."""
    wide = together(layer)
    out = np.empty((len(x), *layer.output, len(w)), x.dtype)
    filters = _widened(w, layer.stride[1], wide)
    blocks = _blocks(out, wide)
    for images, rows, windows in _pieces(x, layer, wide):
        target = blocks[images, rows]
        product(windows, filters, target.reshape(len(windows), target.shape[3]))
    return out


def input_gradient(dout, w, layer):
    """dx (N, H, W, C): at stride 1, dout through the filters turned by 180°; otherwise, or with few channels, stamps.

    With a larger stride, layers that are not large get dx in blocks of pixels, which is stride 1 again.
    """
    if layer.channels < MANY:
        short = layer.output[1] < SHORT
        return (stamps.input_gradient_side_by_side if short else stamps.input_gradient_in_planes)(dout, w, layer)
    if layer.stride != (1, 1) and layer.dilation == (1, 1) and layer.channels * layer.filters <= THIN:
        return space_to_depth.input_gradient_by(input_gradient, dout, w, layer)
    if layer.stride != (1, 1) or min(layer.backwards.padding) < 0:
        return stamps.input_gradient(dout, w, layer)
    return forward(dout, w[:, :, ::-1, ::-1].swapaxes(0, 1), layer.backwards)


def weight_gradient(x, dout, layer):
    """dw (K, C, FH, FW)."""
    wide = together(layer)
    (fh, fw), step = layer.kernel, layer.stride[1]
    total = np.zeros((fh * (fw + step * (wide - 1)) * layer.channels, wide * layer.filters), x.dtype)
    blocks = _blocks(dout, wide)
    for images, rows, windows in _pieces(x, layer, wide):
        gradients = blocks[images, rows]
        total += product_of_columns(windows, gradients.reshape(len(windows), gradients.shape[3]))
    total = total.reshape(fh, -1, layer.channels, wide, layer.filters)
    dw = sum(total[:, i * step : i * step + fw, :, i] for i in range(wide))  # (FH, FW, C, K)
    return dw.transpose(3, 2, 0, 1)


@lru_cache
def together(layer):
    """How many neighbouring outputs are computed as one: 1 where runs are long enough.

    >>> from .layer import Layer
    >>> together(Layer(1, 6, (5, 5), (32, 32))), together(Layer(64, 64, (3, 3), (32, 32)))
    (7, 1)
    """
    if layer.kernel[1] * layer.channels >= SHORT or layer.dilation[1] > 1:
        return 1
    most, across = max(1, WIDE // max(layer.filters, 1)), layer.output[1]
    return max(n for n in range(1, min(most, across) + 1) if across % n == 0)


# ---------------------------------------------------------------------------------------------------------- the pieces


def _pieces(x, layer, wide):
    """(slice of images, slice of rows, windows): the windows of these outputs as the rows of a matrix.

    The columns have the order (fh, fw, c). The matrix is written over when the next one is asked for.
    """
    (fh, fw), (sh, sw), (dh, dw) = layer.kernel, layer.stride, layer.dilation
    (oh, ow), (ph, pw) = layer.output, layer.padding
    x = padded(x, (ph, pw), (layer.image[0] + 2 * ph, layer.image[1] + 2 * pw))
    (image, row, pixel, _), item = x.strides, x.itemsize  # the stride along one channel means nothing
    fw += sw * (wide - 1)
    many, length = (1, fw * layer.channels) if dw == 1 else (fw, layer.channels)  # runs in a row of a window
    run = np.dtype((np.void, length * item))
    shape, strides = (len(x), oh, ow // wide, fh, many), (image, row * sh, pixel * sw * wide, row * dh, pixel * dw)
    windows = np.ndarray(shape, run, x, strides=strides)

    in_row, numbers = ow // wide, fh * many * length
    rows = max(1, memory.CACHE // (in_row * numbers * item))
    images = max(1, rows // oh)
    matrix = scratch("windows", (min(len(x), images) * min(rows, oh) * in_row, numbers), x.dtype)
    for first in range(0, len(x), images):
        for top in range(0, oh, rows):
            at = slice(first, first + images), slice(top, top + rows)
            some = windows[at]
            piece = matrix[: some.shape[0] * some.shape[1] * in_row]
            piece.view(run).reshape(some.shape)[...] = some
            yield *at, piece


def _widened(w, step, wide):
    """The filters (K, C, FH, FW) for `wide` neighbouring outputs at once: (FH·(FW + step (wide - 1))·C, wide·K)."""
    k, c, fh, fw = w.shape
    if wide == 1:
        return w.transpose(2, 3, 1, 0).reshape(-1, k)
    out = np.zeros((fh, fw + step * (wide - 1), c, wide, k), w.dtype)
    row, column, channel, place, item = out.strides
    strides = (step * column + place, row, column, channel, item)  # each place has its filters `step` columns further
    np.ndarray((wide, fh, fw, c, k), w.dtype, out, strides=strides)[...] = w.transpose(2, 3, 1, 0)
    return out.reshape(-1, wide * k)


def _blocks(out, wide):
    """(N, OH, OW, K) as (N, OH, OW/wide, wide·K)."""
    n, oh, ow, k = out.shape
    return out.reshape(n, oh, ow // wide, wide * k)
