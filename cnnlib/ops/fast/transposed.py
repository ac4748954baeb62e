"""The transposed convolution's forward pass is the dx of a convolution, so every route of the table computes it."""

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


def bias_gradient(dout):
    """db (K,): the sum over all pixels of dout (N, K, OH, OW)."""
    return memory.sum_of_rows(memory.channels_last(dout))
