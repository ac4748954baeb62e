"""Convolution of images, forward and backward, through columns and one matrix product.

Every window of the input becomes one row of a matrix (`im2col`); the filters become the columns of a second one. Their
product holds all outputs at once. Backward, the product gives the gradient of every row, and `col2im` adds the rows
back to where their windows came from.

Follows CS231n's notes on convolutional networks ("Implementation as Matrix Multiplication"); K. Chellapilla, S. Puri and
P. Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006. The letters: N images, C channels,
H x W pixels, K filters of FH x FW, G groups, OH x OW output pixels.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def conv2d_forward(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """The correlation of every image with every filter, plus a bias: what deep learning calls a convolution.

    x: images (N, C, H, W); w: filters (K, C/groups, FH, FW); b: bias (K,) or None. stride, padding and dilation are
    integers or pairs (rows, columns). With groups, filter k sees only the channels of its own group, as in AlexNet.
    Returns out (N, K, OH, OW) with OH = floor((H + 2 padding - dilation (FH - 1) - 1) / stride) + 1, and a cache for
    `conv2d_backward`. Floats keep their precision, integers are computed in float64; no argument is changed.
    Raises ValueError where the arguments do not fit together, TypeError where they are no real numbers.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> w = np.array([[[[0.0, 1.0], [-1.0, 0.0]]]])
    >>> out, cache = conv2d_forward(x, w, stride=2)
    >>> out
    array([[[[-3., -3.],
             [-3., -3.]]]])
    """
    x, w, b = _real(x, "x"), _real(w, "w"), None if b is None else _real(b, "b")
    geometry = _pair(stride, "stride", 1), _pair(padding, "padding", 0), _pair(dilation, "dilation", 1)
    _check_filters(x, w, b, groups)
    dtype = np.result_type(x, w, *([] if b is None else [b]))

    cols = im2col(x, w.shape[2:], *geometry)
    out = _groups(cols, groups) @ _filters(w, groups).swapaxes(1, 2)  # (G, N OH OW, D) @ (G, D, K/G)
    out = out.swapaxes(0, 1).reshape(len(x), *_output_size(x.shape, w.shape[2:], *geometry), len(w))
    out = np.moveaxis(out, -1, 1).astype(dtype, copy=False)
    if b is not None:
        out = out + b.reshape(-1, 1, 1).astype(dtype, copy=False)
    return out, (x, w, b, *geometry, groups)


def conv2d_backward(dout, cache):
    """The gradients of a convolution.

    dout: upstream gradient (N, K, OH, OW); cache: from `conv2d_forward`.
    Returns dx, dw, db with the shapes of x, w and b; db is None where b was None. Raises ValueError where dout has not
    the shape of out.
    """
    x, w, b, *geometry, groups = cache
    dout = np.asarray(dout, np.result_type(x, w, *([] if b is None else [b])))
    shape = (len(x), len(w), *_output_size(x.shape, w.shape[2:], *geometry))
    if dout.shape != shape:
        raise ValueError(f"dout has shape {dout.shape}, but out had shape {shape}")

    rows = _groups(np.moveaxis(dout, 1, -1).reshape(-1, len(w)), groups)  # (G, N OH OW, K/G)
    cols = _groups(im2col(x, w.shape[2:], *geometry), groups)  # made again: keeping them would cost much memory
    dw = (rows.swapaxes(1, 2) @ cols).reshape(w.shape)
    dcols = (rows @ _filters(w, groups)).swapaxes(0, 1).reshape(cols.shape[1], groups * cols.shape[2])
    dx = col2im(dcols, x.shape, w.shape[2:], *geometry)
    return dx, dw, None if b is None else dout.sum(axis=(0, 2, 3))


def im2col(x, kernel_size, stride=1, padding=0, dilation=1):
    """Every window of every image as one row of a matrix.

    x: (N, C, H, W); kernel_size: FH and FW. Returns (N OH OW, C FH FW): rows in the order (n, oh, ow), columns in the
    order (c, fh, fw), which is the order of a filter's weights.

    >>> im2col(np.arange(6).reshape(1, 1, 2, 3), 2)
    array([[0, 1, 3, 4],
           [1, 2, 4, 5]])
    """
    x = np.asarray(x)
    size, stride = _pair(kernel_size, "kernel_size", 1), _pair(stride, "stride", 1)
    padding, dilation = _pair(padding, "padding", 0), _pair(dilation, "dilation", 1)
    out_size = _output_size(x.shape, size, stride, padding, dilation)
    (ph, pw), (sh, sw), (dh, dw) = padding, stride, dilation
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    windows = sliding_window_view(padded, _extent(size, dilation), axis=(2, 3))[:, :, ::sh, ::sw, ::dh, ::dw]
    n, c = x.shape[:2]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * out_size[0] * out_size[1], c * size[0] * size[1])


def col2im(cols, x_shape, kernel_size, stride=1, padding=0, dilation=1):
    """Adds every row to the window that it came from: `im2col` transposed, not undone, since windows overlap.

    cols: (N OH OW, C FH FW); x_shape: (N, C, H, W). Returns an array of x_shape.

    >>> col2im(np.ones((2, 4)), (1, 1, 2, 3), 2)
    array([[[[1., 2., 1.],
             [1., 2., 1.]]]])
    """
    size, stride = _pair(kernel_size, "kernel_size", 1), _pair(stride, "stride", 1)
    padding, dilation = _pair(padding, "padding", 0), _pair(dilation, "dilation", 1)
    oh, ow = _output_size(x_shape, size, stride, padding, dilation)
    (n, c, h, w), (ph, pw), (sh, sw), (dh, dw) = x_shape, padding, stride, dilation
    cols = np.asarray(cols)
    if cols.shape != (n * oh * ow, c * size[0] * size[1]):
        raise ValueError(f"cols has shape {cols.shape}, but x of shape {tuple(x_shape)} gives {(n * oh * ow, c * size[0] * size[1])}")
    windows = cols.reshape(n, oh, ow, c, *size).transpose(0, 3, 4, 5, 1, 2)  # (N, C, FH, FW, OH, OW)
    padded = np.zeros((n, c, h + 2 * ph, w + 2 * pw), cols.dtype)
    for i, j in np.ndindex(*size):  # one weight meets pixels that are a stride apart, never one pixel twice
        top, left = i * dh, j * dw
        padded[:, :, top : top + sh * oh : sh, left : left + sw * ow : sw] += windows[:, :, i, j]
    return padded[:, :, ph : ph + h, pw : pw + w]


def _groups(cols, groups):
    return cols.reshape(len(cols), groups, cols.shape[1] // groups).swapaxes(0, 1)


def _filters(w, groups):
    return w.reshape(groups, len(w) // groups, math.prod(w.shape[1:]))


def _extent(size, dilation):
    return tuple(d * (f - 1) + 1 for f, d in zip(size, dilation, strict=True))


def _output_size(x_shape, size, stride, padding, dilation):
    if len(x_shape) != 4:
        raise ValueError(f"x has {len(x_shape)} axes, but images need 4: (N, C, H, W)")
    padded = tuple(n + 2 * p for n, p in zip(x_shape[2:], padding, strict=True))
    extent = _extent(size, dilation)
    if extent[0] > padded[0] or extent[1] > padded[1]:
        raise ValueError(f"the filter covers {extent[0]} x {extent[1]} pixels, but the padded image has only {padded[0]} x {padded[1]}")
    return tuple((n - f) // s + 1 for n, f, s in zip(padded, extent, stride, strict=True))


def _check_filters(x, w, b, groups):
    if x.ndim != 4 or w.ndim != 4:
        raise ValueError(f"x has {x.ndim} axes and w has {w.ndim}, but both need 4: (N, C, H, W) and (K, C/groups, FH, FW)")
    if groups < 1 or x.shape[1] % groups or len(w) % groups:
        raise ValueError(f"{x.shape[1]} channels and {len(w)} filters cannot be divided into {groups} groups")
    if x.shape[1] != w.shape[1] * groups:
        raise ValueError(f"x has {x.shape[1]} channels, but w expects {w.shape[1] * groups}")
    if b is not None and b.shape != (len(w),):
        raise ValueError(f"b has shape {b.shape}, but {len(w)} filters need ({len(w)},)")


def _real(values, name):
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, not {values.dtype}")
    return values if values.dtype.kind == "f" else values.astype(float)


def _pair(value, name, least):
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(pair) != 2 or any(v != int(v) or v < least for v in pair):
        raise ValueError(f"{name} is {value}, but must be an integer, or a pair, of at least {least}")
    return tuple(map(int, pair))
