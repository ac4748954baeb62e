"""dx when the stride is larger than 1, or the channels are few: every output pixel stamps its filters into dx.

Each weight of a filter is one step: the gradients of all outputs times that weight (a matrix of channels x filters, for
all channels at once) are added to the pixels that it met, which lie a stride apart.

With few channels such steps are too small. Then all weights are one product, which gives a plane for each weight and
channel, and to add is to add rows of OW numbers. Where these rows are short, too, images lie side by side in memory, as
(C, H, W, B), and rows have OW·B numbers. A. Krizhevsky's cuda-convnet kept all images so.
"""

from functools import lru_cache

import numpy as np

from . import memory
from .memory import scratch
from .products import product


def input_gradient(dout, w, layer):
    """dx (N, H, W, C) of dout (N, OH, OW, K) and w (K, C, FH, FW)."""
    (h, width), (ph, pw) = layer.image, layer.padding
    n, oh, ow, k = dout.shape
    c = layer.channels
    weights = np.ascontiguousarray(w.transpose(2, 3, 0, 1))  # (FH, FW, K, C)
    dx = np.zeros((n, h + 2 * ph, width + 2 * pw, c), dout.dtype)
    images = max(1, memory.CACHE // (4 * oh * ow * c * dout.itemsize))
    for first in range(0, n, images):
        some = dout[first : first + images]
        stamps = scratch("stamps", (len(some), oh, ow, c), dout.dtype)
        for i, j in np.ndindex(layer.kernel):
            product(some.reshape(len(some) * oh * ow, k), weights[i, j], stamps.reshape(-1, c))
            met = _met(layer, i, j)
            dx[first : first + images][:, *met] += stamps
    return _inside(dx, layer)


def input_gradient_in_planes(dout, w, layer):
    """The same for few channels. In memory, dx is (N, C, H, W)."""
    (h, width), (ph, pw), (fh, fw) = layer.image, layer.padding, layer.kernel
    n, oh, ow, k = dout.shape
    c, taps = layer.channels, layer.channels * fh * fw
    weights = np.ascontiguousarray(w.reshape(k, taps).T)
    dx = np.zeros((n, c, h + 2 * ph, width + 2 * pw), dout.dtype)
    images = max(1, memory.CACHE // (taps * oh * ow * dout.itemsize))
    for first in range(0, n, images):
        some = dout[first : first + images]
        stamps = scratch("stamps", (taps, len(some) * oh * ow), dout.dtype)
        np.matmul(weights, some.reshape(len(some) * oh * ow, k).T, out=stamps)
        stamps = stamps.reshape(c, fh, fw, len(some), oh, ow)
        planes = dx[first : first + images].swapaxes(0, 1)
        for i, j in np.ndindex(layer.kernel):
            planes[:, :, *_met(layer, i, j)] += stamps[:, i, j]
    return _inside(dx.transpose(0, 2, 3, 1), layer)


def input_gradient_side_by_side(dout, w, layer):
    """The same for few channels and short rows."""
    (h, width), (ph, pw), (fh, fw) = layer.image, layer.padding, layer.kernel
    n, oh, ow, k = dout.shape
    c, taps = layer.channels, layer.channels * fh * fw
    weights = np.ascontiguousarray(w.reshape(k, taps).T)
    dx = np.empty((n, h + 2 * ph, width + 2 * pw, c), dout.dtype)
    images = max(1, memory.CACHE // (taps * oh * ow * dout.itemsize))
    for first in range(0, n, images):
        some = dout[first : first + images]
        b = len(some)
        side = scratch("dout", (k, oh, ow, b), dout.dtype)
        side[...] = some.transpose(3, 1, 2, 0)
        stamps = scratch("stamps", (taps, oh * ow * b), dout.dtype)
        np.matmul(weights, side.reshape(k, oh * ow * b), out=stamps)
        stamps = stamps.reshape(c, fh, fw, oh, ow, b)
        sums = scratch("dx", (c, *dx.shape[1:3], b), dout.dtype)
        sums[...] = 0
        for i, j in np.ndindex(layer.kernel):
            met = _met(layer, i, j)
            sums[:, *met] += stamps[:, i, j]
        dx[first : first + images] = sums.transpose(3, 1, 2, 0)
    return _inside(dx, layer)


@lru_cache
def _met(layer, i, j):
    """The rows and columns of the padded image that weight (i, j) meets."""
    each = zip((i, j), layer.output, layer.stride, layer.dilation, strict=True)
    return tuple(slice(at * d, at * d + s * (n - 1) + 1, s) for at, n, s, d in each)


def _inside(dx, layer):
    """The padded image without its frame."""
    (h, width), (ph, pw) = layer.image, layer.padding
    return dx[:, ph : ph + h, pw : pw + width]
