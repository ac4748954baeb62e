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
    plain, out = unstrided(layer), np.empty((len(x), *layer.output, len(w)), x.dtype)
    winograd.correlate(_blocks(x, layer), _filters_of_blocks(w, layer), plain.padding, winograd.side_by_side(out))
    return out


def input_gradient(dout, w, layer):
    """dx (N, H, W, C); pixels that no window reached get 0."""
    plain = unstrided(layer)
    dx = np.empty((len(dout), *_whole(plain.image, layer), layer.channels), dout.dtype)
    filters = _filters_of_blocks(w, layer)
    winograd.correlate(winograd.side_by_side(dout), filters, plain.backwards.padding, _view(dx, layer), turned=True)
    return _image(dx, layer)


def input_gradient_by(at_stride_1, dout, w, layer):
    """The same with the dx of another route for the layer of blocks."""
    plain = unstrided(layer)
    blocks = at_stride_1(dout, _filters_of_blocks(w, layer), plain)
    dx = np.empty((len(dout), *_whole(plain.image, layer), layer.channels), dout.dtype)
    blocks = blocks.reshape(*blocks.shape[:3], *layer.stride, layer.channels)
    _view(dx, layer)[...] = blocks.transpose(1, 2, 0, 3, 4, 5)
    return _image(dx, layer)


def weight_gradient(x, dout, layer):
    """dw (K, C, FH, FW)."""
    dw = winograd.gradient(_blocks(x, layer), winograd.side_by_side(dout), unstrided(layer))
    return _without_blocks(dw, layer)


def forward_and_weight_gradient(x, w, dout, layer):
    """out and dw at once."""
    plain, out = unstrided(layer), np.empty((len(x), *layer.output, len(w)), x.dtype)
    pixels, gradients = winograd.side_by_side(out), winograd.side_by_side(dout)
    dw = winograd.correlate_and_gradient(_blocks(x, layer), _filters_of_blocks(w, layer), gradients, plain, pixels)
    return out, _without_blocks(dw, layer)


def unstrided(layer):
    """The layer of stride 1 on blocks of pixels.

    >>> unstrided(Layer(3, 96, (11, 11), (227, 227), stride=(4, 4)))[:4]
    (48, 96, (3, 3), (57, 57))
    """
    kernel = tuple(-(-f // s) for f, s in zip(layer.kernel, layer.stride, strict=True))
    image = tuple(n + f - 1 for n, f in zip(layer.output, kernel, strict=True))
    return Layer(layer.channels * layer.stride[0] * layer.stride[1], layer.filters, kernel, image)


def _whole(image, layer):
    """The size of all blocks together."""
    return tuple(n * step for n, step in zip(image, layer.stride, strict=True))


def _blocks(x, layer):
    return _view(padded(x, layer.padding, _whole(unstrided(layer).image, layer)), layer)


def _view(x, layer):
    """x (N, s·H', s·W', C) as (H', W', N, s, s, C): what a block holds in the order (row in it, column in it, c)."""
    (sh, sw), (n, h, w, c) = layer.stride, x.shape
    return x.reshape(n, h // sh, sh, w // sw, sw, c).transpose(1, 3, 0, 2, 4, 5)


def _image(dx, layer):
    """The blocks of dx (N, s·H', s·W', C) without their frame; zeros where they end too early."""
    (ph, pw), (h, width) = layer.padding, layer.image
    return padded(dx[:, ph : ph + h, pw : pw + width], (0, 0), layer.image)


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
