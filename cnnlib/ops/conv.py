"""Convolution of images, forward and backward, as one matrix product.

Every window of the input becomes a row of a matrix (`im2col`), every filter a column of another; their product holds
all outputs at once. On the way back, a product gives a gradient for every row, and `col2im` adds each to its window.

This is the plain way, `algo="direct"`. Unless you ask for it, the folder `fast` computes the same numbers in less time.

The letters: N images of C channels and H x W pixels, K filters of FH x FW weights, G groups, OH x OW output pixels.
Source: CS231n, "Convolutional Networks", section "Implementation as Matrix Multiplication"; K. Chellapilla, S. Puri and
P. Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .._numbers import whole
from . import fast
from ._algorithm import chosen
from ._arguments import array, pair, real, same_shape


def conv2d_forward(x, w, b=None, stride=1, padding=0, dilation=1, groups=1, algo=None):
    """Correlates every image with every filter and adds a bias: what deep learning calls a convolution.

    x: images (N, C, H, W); w: filters (K, C/groups, FH, FW); b: bias (K,) or None. stride, padding (with zeros) and
    dilation are integers or pairs (rows, columns). With groups, a filter sees the channels of its group only, as in
    AlexNet.

    Returns out (N, K, OH, OW), where OH = floor((H + 2 padding - dilation (FH - 1) - 1) / stride) + 1, and a cache for
    `conv2d_backward`. float32 stays float32, integers are computed in float64; no argument is written to.
    algo: "direct" for the plain way on this page, the name of a route of `fast.routes`, or None for the quickest. The
    fast ways' rounding errors are below 2.4e-5 (float32) or 5e-14 (float64) of the largest number plus the root of the
    number of terms of a sum, and a NaN or an infinite pixel spoils outputs beside those that see it.
    Raises ValueError where shapes or numbers do not fit together, TypeError where they are no (real) numbers.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> edge = np.array([[[[-1.0, 1.0]]]])
    >>> out, cache = conv2d_forward(x, edge, stride=2)
    >>> out
    array([[[[1., 1.],
             [1., 1.]]]])
    """
    x, w, b = real(x, "x"), real(w, "w"), None if b is None else real(b, "b")
    geometry = pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    _check_channels(x, w, b, groups)

    oh, ow, algo = *_output_size(x.shape, w.shape[2:], *geometry), chosen(algo)
    if algo != "direct" and fast.suits(x, w, b):
        return fast.forward(x, w, b, *geometry, groups, algo), (x, w, b, *geometry, groups, algo)

    cols = _split(im2col(x, w.shape[2:], *geometry), groups)  # (G, N·OH·OW, C/G·FH·FW)
    out = cols @ _filters(w, groups).swapaxes(1, 2)  # (G, N·OH·OW, K/G)
    out = _join(out).reshape(len(x), oh, ow, len(w)).transpose(0, 3, 1, 2)
    if b is not None:
        out = out + b[:, None, None]
    return out, (x, w, b, *geometry, groups, "direct")


def conv2d_backward(dout, cache, need_dx=True):
    """The three gradients of a convolution.

    dout: upstream gradient (N, K, OH, OW); cache: from `conv2d_forward`; need_dx: False where nobody asks for dx, as in
    the first layer of a network. Returns dx, dw, db with the shapes of x, w, b; dx is None where it is not needed, and
    db where b was None. Raises ValueError where dout has another shape than out.

    >>> out, cache = conv2d_forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.zeros(1))
    >>> dx, dw, db = conv2d_backward(np.ones((1, 1, 2, 2)), cache)
    >>> dx  # each pixel: in how many windows it lies
    array([[[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]]])
    """
    x, w, b, *geometry, groups, algo = cache
    dtype = np.result_type(x, w) if b is None else np.result_type(x, w, b)
    dout = real(dout, "dout").astype(dtype, copy=False)
    same_shape(dout, (len(x), len(w), *_output_size(x.shape, w.shape[2:], *geometry)))
    if algo != "direct":
        return fast.backward(dout, x, w, b, *geometry, groups, algo, need_dx)

    rows = dout.transpose(0, 2, 3, 1)
    rows = _split(rows.reshape(math.prod(rows.shape[:3]), len(w)), groups)  # (G, N·OH·OW, K/G)
    cols = _split(im2col(x, w.shape[2:], *geometry), groups)  # made again: to keep them since forward takes much memory
    dw = (rows.swapaxes(1, 2) @ cols).reshape(w.shape)
    dx = col2im(_join(rows @ _filters(w, groups)), x.shape, w.shape[2:], *geometry) if need_dx else None
    return dx, dw, None if b is None else dout.sum(axis=(0, 2, 3))


def im2col(x, kernel_size, stride=1, padding=0, dilation=1):
    """Every window of every image as a row of a matrix.

    x: (N, C, H, W); kernel_size: FH and FW, an integer or a pair. Returns (N·OH·OW, C·FH·FW): the rows in the order
    (n, oh, ow), the columns in the order (c, fh, fw) of a filter's weights. Raises ValueError as `conv2d_forward` does.

    >>> im2col(np.arange(6).reshape(1, 1, 2, 3), kernel_size=2)
    array([[0, 1, 3, 4],
           [1, 2, 4, 5]])
    """
    x = array(x, "x")
    size, stride = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
    padding, dilation = pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    oh, ow = _output_size(x.shape, size, stride, padding, dilation)

    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    windows = sliding_window_view(padded, _extent(size, dilation), axis=(2, 3))  # every position, no number copied
    windows = windows[:, :, ::sh, ::sw, ::dh, ::dw]  # (N, C, OH, OW, FH, FW)
    n, c = x.shape[:2]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, c * math.prod(size))


def col2im(cols, x_shape, kernel_size, stride=1, padding=0, dilation=1):
    """Adds every row to the window that it stands for.

    It is the transpose of `im2col`, not its inverse: where windows overlap, their numbers add up.
    cols: (N·OH·OW, C·FH·FW); x_shape: (N, C, H, W). Returns an array of x_shape. Raises ValueError as `im2col`
    does, and where cols has another shape than im2col gives.

    >>> col2im(np.ones((2, 4)), (1, 1, 2, 3), kernel_size=2)
    array([[[[1., 2., 1.],
             [1., 2., 1.]]]])
    """
    cols = array(cols, "cols")
    size, stride = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
    padding, dilation = pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    oh, ow = _output_size(tuple(x_shape), size, stride, padding, dilation)
    (n, c, h, w), (sh, sw), (ph, pw), (dh, dw) = x_shape, stride, padding, dilation
    if cols.shape != (n * oh * ow, c * math.prod(size)):
        raise ValueError(f"cols has shape {cols.shape}, but im2col gives {(n * oh * ow, c * math.prod(size))} here")

    windows = cols.reshape(n, oh, ow, c, *size).transpose(0, 3, 4, 5, 1, 2)  # (N, C, FH, FW, OH, OW)
    padded = np.zeros((n, c, h + 2 * ph, w + 2 * pw), cols.dtype)
    for i, j in np.ndindex(size):  # one weight meets pixels a stride apart, so no pixel twice, and += is safe
        padded[:, :, i * dh :, j * dw :][:, :, : oh * sh : sh, : ow * sw : sw] += windows[:, :, i, j]
    return padded[:, :, ph : ph + h, pw : pw + w]


# ---------------------------------------------------------------------------------------------------------- small parts


def _split(matrix, groups):
    """(rows, columns) to (groups, rows, columns/groups)."""
    return matrix.reshape(len(matrix), groups, matrix.shape[1] // groups).swapaxes(0, 1)


def _join(stack):
    """(groups, rows, columns/groups) to (rows, columns)."""
    return stack.swapaxes(0, 1).reshape(stack.shape[1], stack.shape[0] * stack.shape[2])


def _filters(w, groups):
    """One filter a row: (G, K/G, C/G·FH·FW)."""
    return w.reshape(groups, len(w) // groups, math.prod(w.shape[1:]))


def _extent(size, dilation):
    """The rows and columns that a filter covers, with its holes."""
    return tuple(d * (f - 1) + 1 for f, d in zip(size, dilation, strict=True))


@lru_cache
def _output_size(x_shape, size, stride, padding, dilation):
    """OH and OW. Raises ValueError where the filter does not fit into the padded image."""
    if len(x_shape) != 4:
        raise ValueError(f"x has {len(x_shape)} axes, but images need 4: (N, C, H, W)")
    padded = [n + 2 * p for n, p in zip(x_shape[2:], padding, strict=True)]
    extent = _extent(size, dilation)
    if extent[0] > padded[0] or extent[1] > padded[1]:
        raise ValueError(
            f"the filter covers {extent[0]} x {extent[1]} pixels, but the padded image has {padded[0]} x {padded[1]}"
        )
    return tuple((n - f) // s + 1 for n, f, s in zip(padded, extent, stride, strict=True))


def _check_channels(x, w, b, groups):
    """Raises ValueError unless filters, bias and groups belong to the images."""
    if x.ndim != 4:
        raise ValueError(f"x has {x.ndim} axes, but images need 4: (N, C, H, W)")
    if w.ndim != 4:
        raise ValueError(f"w has {w.ndim} axes, but filters need 4: (K, C/groups, FH, FW)")
    if min(w.shape[2:]) < 1:
        raise ValueError(f"the filters have {w.shape[2]} x {w.shape[3]} weights, but need at least 1 x 1")
    channels, filters, groups = x.shape[1], len(w), whole(groups, "groups", 1)
    if channels % groups or filters % groups:
        raise ValueError(f"{channels} channels and {filters} filters do not divide into {groups} groups")
    if channels != w.shape[1] * groups:
        raise ValueError(f"x has {channels} channels, but w is made for {w.shape[1] * groups}")
    if b is not None and b.shape != (filters,):
        raise ValueError(f"b has shape {b.shape}, but {filters} filters need ({filters},)")
