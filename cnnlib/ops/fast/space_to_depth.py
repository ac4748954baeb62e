"""A large stride, reduced to stride 1: a block of pixels becomes one pixel with more channels.

At stride s, no two filters start in the same s x s block of pixels. Make each block one pixel with s² as many channels:
filters of k x k weights at stride s are filters of ⌈k/s⌉ x ⌈k/s⌉ at stride 1, some of their weights zero. AlexNet's 11 x 11
filters on 3 channels, at stride 4, are 3 x 3 filters on 48 channels, which Winograd's way computes.
"""

import numpy as np

from . import winograd
from .layer import Layer
from .memory import padded


def forward(x, w, layer):
    """out (N, OH, OW, K) of x (N, H, W, C) and w (K, C, FH, FW)."""
    return winograd.forward(_blocks(x, layer), _filters_of_blocks(w, layer), unstrided(layer))


def input_gradient(dout, w, layer, at_stride_1=winograd.input_gradient):
    """dx (N, H, W, C); pixels that no window reached get 0. Another route can do the layer of blocks, too."""
    (sh, sw), (ph, pw), (h, width) = layer.stride, layer.padding, layer.image
    blocks = at_stride_1(dout, _filters_of_blocks(w, layer), unstrided(layer))
    n, rows, columns, _ = blocks.shape
    dx = blocks.reshape(n, rows, columns, sh, sw, layer.channels).swapaxes(2, 3)
    dx = dx.reshape(n, rows * sh, columns * sw, layer.channels)[:, ph : ph + h, pw : pw + width]
    return padded(dx, (0, 0), layer.image)


def weight_gradient(x, dout, layer):
    """dw (K, C, FH, FW)."""
    return _without_blocks(winograd.weight_gradient(_blocks(x, layer), dout, unstrided(layer)), layer)


def forward_and_weight_gradient(x, w, dout, layer):
    """out and dw at once."""
    out, dw = winograd.forward_and_weight_gradient(
        _blocks(x, layer), _filters_of_blocks(w, layer), dout, unstrided(layer)
    )
    return out, _without_blocks(dw, layer)


def unstrided(layer):
    """The layer of stride 1 on blocks of pixels.

    >>> unstrided(Layer(3, 96, (11, 11), (227, 227), stride=(4, 4)))[:4]
    (48, 96, (3, 3), (57, 57))
    """
    kernel = tuple(-(-f // s) for f, s in zip(layer.kernel, layer.stride, strict=True))
    image = tuple(n + f - 1 for n, f in zip(layer.output, kernel, strict=True))
    return Layer(layer.channels * layer.stride[0] * layer.stride[1], layer.filters, kernel, image)


def _blocks(x, layer):
    """x (N, H, W, C) to (N, H', W', s·s·C), the channels in the order (row in block, column in block, c)."""
    (sh, sw), (h, w), n, c = layer.stride, unstrided(layer).image, len(x), x.shape[3]
    x = padded(x, layer.padding, (h * sh, w * sw))
    return x.reshape(n, h, sh, w, sw, c).swapaxes(2, 3).reshape(n, h, w, sh * sw * c)


def _filters_of_blocks(w, layer):
    """w (K, C, FH, FW) to (K, s·s·C, ⌈FH/s⌉, ⌈FW/s⌉)."""
    (sh, sw), (rows, columns), (k, c, fh, fw) = layer.stride, unstrided(layer).kernel, w.shape
    out = np.zeros((k, c, rows * sh, columns * sw), w.dtype)
    out[:, :, :fh, :fw] = w
    out = out.reshape(k, c, rows, sh, columns, sw).transpose(0, 3, 5, 1, 2, 4)
    return out.reshape(k, sh * sw * c, rows, columns)


def _without_blocks(dw, layer):
    """dw (K, s·s·C, ⌈FH/s⌉, ⌈FW/s⌉) to (K, C, FH, FW)."""
    (sh, sw), (fh, fw), (k, _, rows, columns) = layer.stride, layer.kernel, dw.shape
    dw = dw.reshape(k, sh, sw, layer.channels, rows, columns).transpose(0, 3, 4, 1, 5, 2)
    return dw.reshape(k, layer.channels, rows * sh, columns * sw)[:, :, :fh, :fw]
