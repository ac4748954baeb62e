"""Dilation, reduced to ordinary layers: an image is d x d interleaved images.

A filter with holes of d pixels that starts at (i, j) sees only pixels (i + d a, j + d b). Take these apart: the image
becomes d x d smaller ones, and the layer is one without holes, for Winograd's way. To take apart is a view, if the sizes
are multiples of d; zeros make them so.
"""

import numpy as np

from . import winograd
from .layer import Layer
from .memory import padded


def forward(x, w, layer):
    """out (N, OH, OW, K) of x (N, H, W, C) and w (K, C, FH, FW)."""
    plain = undilated(layer)
    out = np.empty((len(x), *_whole(plain.output, layer), len(w)), x.dtype)
    winograd.correlate(_apart(x, plain, layer), w, plain.padding, _view(out, layer))
    return out[:, : layer.output[0], : layer.output[1]]


def input_gradient(dout, w, layer):
    """dx (N, H, W, C)."""
    plain = undilated(layer)
    dx = np.empty((len(dout), *_whole(plain.image, layer), w.shape[1]), dout.dtype)
    winograd.correlate(_outputs_apart(dout, plain, layer), w, plain.backwards.padding, _view(dx, layer), turned=True)
    (top, left), (h, width) = _frame(layer), layer.image
    return dx[:, top : top + h, left : left + width]


def weight_gradient(x, dout, layer):
    """dw (K, C, FH, FW)."""
    plain = undilated(layer)
    return winograd.gradient(_apart(x, plain, layer), _outputs_apart(dout, plain, layer), plain)


def undilated(layer):
    """The layer on one of the interleaved images.

    >>> undilated(Layer(1, 1, (3, 3), (7, 8), padding=(2, 2), dilation=(2, 2)))
    Layer(channels=1, filters=1, kernel=(3, 3), image=(4, 4), stride=(1, 1), padding=(1, 1), dilation=(1, 1))
    """
    padding = tuple(p // d for p, d in zip(layer.padding, layer.dilation, strict=True))
    each = zip(layer.output, layer.kernel, padding, layer.dilation, strict=True)
    image = tuple(-(-n // d) + f - 1 - 2 * p for n, f, p, d in each)
    return Layer(layer.channels, layer.filters, layer.kernel, image, padding=padding)


def _whole(image, layer):
    """The size of all interleaved images together."""
    return tuple(n * d for n, d in zip(image, layer.dilation, strict=True))


def _frame(layer):
    """The zeros before an image that are less than a step of the dilation."""
    return tuple(p % d for p, d in zip(layer.padding, layer.dilation, strict=True))


def _apart(x, plain, layer):
    return _view(padded(x, _frame(layer), _whole(plain.image, layer)), layer)


def _outputs_apart(dout, plain, layer):
    return _view(padded(dout, (0, 0), _whole(plain.output, layer)), layer)


def _view(x, layer):
    """x (N, d·H', d·W', C) as (H', W', N, d, d, C)."""
    (dh, dw), (n, h, w, c) = layer.dilation, x.shape
    return x.reshape(n, h // dh, dh, w // dw, dw, c).transpose(1, 3, 0, 2, 4, 5)
