"""The transposed convolution's forward pass is the dx of a convolution, so every route of the table computes it.

Its backward pass is that convolution's forward pass, of dout, and its dw, of the same dout: some routes do both at once.
"""

import numpy as np

from . import memory, routes
from .layer import Layer


def forward(x, w, b, out_size, stride, padding, dilation, groups):
    """out (N, K, *out_size) of x (N, C, H, W), w (C, K/groups, FH, FW) and b (K,) or None. The others are pairs."""
    dtype = np.result_type(x, w) if b is None else np.result_type(x, w, b)
    layer = Layer(w.shape[1], len(w) // groups, w.shape[2:], tuple(out_size), stride, padding, dilation)
    route = routes.choose(layer).module
    x, w = memory.channels_last(x.astype(dtype, copy=False)), np.ascontiguousarray(w, dtype)
    parts = zip(memory.split(x, groups), w.reshape(groups, -1, *w.shape[1:]), strict=True)
    out = memory.joined([route.input_gradient(x, w, layer) for x, w in parts])
    if b is not None:
        memory.add_to_rows(out, b)
    return memory.channels_first(out)


def backward(dout, x, w, b, stride, padding, dilation, groups):
    """dx, dw and db (None where b is None)."""
    layer = Layer(w.shape[1], len(w) // groups, w.shape[2:], dout.shape[2:], stride, padding, dilation)
    route = routes.choose(layer).module
    dout, x = memory.channels_last(dout), memory.channels_last(x.astype(dout.dtype, copy=False))
    w = np.ascontiguousarray(w, dout.dtype).reshape(groups, -1, *w.shape[1:])
    parts = zip(memory.split(dout, groups), w, memory.split(x, groups), strict=True)
    dx, dw = zip(*(_backward(*part, layer, route) for part in parts), strict=True)
    dx = memory.channels_first(memory.joined(dx))
    return dx, np.concatenate(dw), None if b is None else memory.sum_of_rows(dout)


def _backward(dout, w, x, layer, route):
    if hasattr(route, "forward_and_weight_gradient"):
        return route.forward_and_weight_gradient(dout, w, x, layer)
    return route.forward(dout, w, layer), route.weight_gradient(dout, x, layer)
