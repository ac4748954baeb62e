"""The ops, computed in less time. Read `conv.py`, `pool.py` and `norm.py` first: they define, this is the speed.

Every route of the convolution takes and returns images with the channels last (`memory.py` says why), one group at a
time, and is one file with the idea at its top. `routes.py` is the table that chooses:

    point           1 x 1 filters: one product
    winograd        3 x 3 to 5 x 5 filters: fewer multiplications
    one_way         the same with few channels, down the columns only
    phases          dilation: interleaved images, then winograd
    space_to_depth  a large stride: blocks of pixels as channels, then winograd
    columns         im2col in pieces, for all else; `stamps.py` is its dx

`products.py` has the products of tall matrices that they share. Beside them stand `maxima.py` and `means.py` for pooling,
and `normal.py` for batch norm; `transposed.py` is the transposed convolution.
"""

import numpy as np

from . import memory, routes
from .layer import Layer


def suits(x, w, b):
    """Whether there is anything to compute, in a precision that the matrix library knows."""
    return x.size > 0 and w.size > 0 and _dtype(x, w, b) in (np.float32, np.float64)


def forward(x, w, b, stride, padding, dilation, groups, algo=None):
    """out (N, K, OH, OW) of x (N, C, H, W), w (K, C/groups, FH, FW) and b (K,) or None. The others are pairs."""
    dtype = _dtype(x, w, b)
    layer = Layer(w.shape[1], len(w) // groups, w.shape[2:], x.shape[2:], stride, padding, dilation)
    route = routes.choose(layer, algo).module
    x = memory.channels_last(x.astype(dtype, copy=False))
    w = np.ascontiguousarray(w, dtype)
    parts = zip(memory.split(x, groups), w.reshape(groups, -1, *w.shape[1:]), strict=True)
    out = memory.joined([route.forward(x, w, layer) for x, w in parts])
    if b is not None:
        memory.add_to_rows(out, b)
    return memory.channels_first(out)


def backward(dout, x, w, b, stride, padding, dilation, groups, algo=None, need_dx=True):
    """dx (None where it is not needed), dw and db (None where b is None)."""
    layer = Layer(w.shape[1], len(w) // groups, w.shape[2:], x.shape[2:], stride, padding, dilation)
    route = routes.choose(layer, algo).module
    dout = memory.channels_last(dout)
    x = memory.channels_last(x.astype(dout.dtype, copy=False))
    w = np.ascontiguousarray(w, dout.dtype)
    parts = list(
        zip(memory.split(x, groups), memory.split(dout, groups), w.reshape(groups, -1, *w.shape[1:]), strict=True)
    )
    dx = None
    if need_dx:
        dx = memory.channels_first(memory.joined([route.input_gradient(dout, w, layer) for _, dout, w in parts]))
    dw = np.concatenate([route.weight_gradient(x, dout, layer) for x, dout, _ in parts])
    return dx, dw, None if b is None else memory.sum_of_rows(dout)


def _dtype(x, w, b):
    return np.result_type(x, w) if b is None else np.result_type(x, w, b)
