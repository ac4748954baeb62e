"""The locally connected layer: a convolution that does not share its weights.

Every position of the output looks at its own window only, as in a convolution, but has filters of its own, as in a
fully connected layer.

The letters: N images of C channels and H x W pixels, K filters of FH x FW weights for each of OH x OW positions.
Source: INRIA, "Local connectivity".
"""

import math

from ..arithmetic import output_size
from ._arguments import images, pair, real, upstream
from .conv import col2im, im2col


def locally_connected2d_forward(x, w, b=None, stride=1, padding=0):
    """Correlates every window with the filters of its position.

    x: images (N, C, H, W); w: filters (OH, OW, K, C, FH, FW); b: bias (K, OH, OW) or None. stride and padding (with
    zeros) are integers or pairs (rows, columns). Returns out (N, K, OH, OW) and a cache for
    `locally_connected2d_backward`. float32 stays float32, integers are computed in float64. Raises ValueError where
    shapes or numbers do not fit together, TypeError where they are no (real) numbers.

    >>> import numpy as np
    >>> w = np.array([1, 10, 100]).reshape(1, 3, 1, 1, 1, 1)  # three positions, one weight each
    >>> locally_connected2d_forward([[[[4, 5, 6]]]], w)[0]
    array([[[[  4.,  50., 600.]]]])
    """
    x, w, b = images(x), real(w, "w"), None if b is None else real(b, "b")
    geometry = pair(stride, "stride", 1), pair(padding, "padding", 0)
    _check_shapes(x, w, b, *geometry)

    cols = _windows(x, w, geometry)
    out = _images(cols @ _filters(w).swapaxes(1, 2), w)
    if b is not None:
        out = out + b
    return out, (x, w, b, out.dtype, geometry)


def locally_connected2d_backward(dout, cache):
    """The three gradients: those of a linear layer for every position, dx added up where windows overlap.

    dout: upstream gradient (N, K, OH, OW); cache: from `locally_connected2d_forward`. Returns dx, dw, db with the
    shapes of x, w, b; db is None where b was None. Raises ValueError where dout has another shape than out.

    >>> import numpy as np
    >>> w = np.array([1, 10, 100]).reshape(1, 3, 1, 1, 1, 1)
    >>> dx, dw, db = locally_connected2d_backward([[[[1, 1, 2]]]], locally_connected2d_forward([[[[4, 5, 6]]]], w)[1])
    >>> dx, dw.ravel()
    (array([[[[  1.,  10., 200.]]]]), array([ 4.,  5., 12.]))
    """
    x, w, b, dtype, geometry = cache
    oh, ow, k = w.shape[:3]
    dout = upstream(dout, (len(x), k, oh, ow), dtype)
    rows = dout.transpose(2, 3, 0, 1).reshape(oh * ow, len(x), k)
    dw = rows.swapaxes(1, 2) @ _windows(x, w, geometry)
    dcols = (rows @ _filters(w)).swapaxes(0, 1)
    dx = col2im(dcols.reshape(len(x) * oh * ow, dcols.shape[2]), x.shape, w.shape[4:], *geometry)
    return dx, dw.reshape(w.shape), None if b is None else dout.sum(axis=0)


# ---------------------------------------------------------------------------------------------------------- small parts


def _windows(x, w, geometry):
    """The windows of all images, position by position: (OH·OW, N, C·FH·FW)."""
    cols = im2col(x, w.shape[4:], *geometry)
    return cols.reshape(len(x), w.shape[0] * w.shape[1], math.prod(w.shape[3:])).swapaxes(0, 1)


def _filters(w):
    """The filters of every position, one a row: (OH·OW, K, C·FH·FW)."""
    return w.reshape(w.shape[0] * w.shape[1], w.shape[2], math.prod(w.shape[3:]))


def _images(rows, w):
    """(OH·OW, N, K) to (N, K, OH, OW)."""
    return rows.reshape(*w.shape[:2], *rows.shape[1:]).transpose(2, 3, 0, 1)


def _check_shapes(x, w, b, stride, padding):
    """Raises ValueError unless the filters are made for these images, and the bias for the output."""
    if w.ndim != 6:
        raise ValueError(f"w has {w.ndim} axes, but needs 6: (OH, OW, K, C, FH, FW)")
    if x.shape[1] != w.shape[3]:
        raise ValueError(f"x has {x.shape[1]} channels, but w is made for {w.shape[3]}")
    if min(w.shape[4:]) < 1:
        raise ValueError(f"the filters have {w.shape[4]} x {w.shape[5]} weights, but need at least 1 x 1")
    oh, ow = map(output_size, x.shape[2:], w.shape[4:], stride, padding)
    if w.shape[:2] != (oh, ow):
        raise ValueError(f"x has {oh} x {ow} windows, but w has filters for {w.shape[0]} x {w.shape[1]}")
    if b is not None and b.shape != (w.shape[2], oh, ow):
        raise ValueError(f"b has shape {b.shape}, but the output needs {(w.shape[2], oh, ow)}")
