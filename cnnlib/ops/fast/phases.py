"""Dilation, reduced to ordinary layers: an image is d x d interleaved images.

A filter with holes of d pixels that starts at (i, j) sees only pixels (i + d a, j + d b). Take these apart: the image
becomes d x d smaller ones, which go into the batch, and the layer is one without holes, for Winograd's way.
"""

from . import winograd
from .layer import Layer
from .memory import padded


def forward(x, w, layer):
    """out (N, OH, OW, K) of x (N, H, W, C) and w (K, C, FH, FW)."""
    plain, size = undilated(layer)
    return _together(winograd.forward(_apart(x, layer.padding, size, layer), w, plain), layer)[
        :, : layer.output[0], : layer.output[1]
    ]


def input_gradient(dout, w, layer):
    """dx (N, H, W, C)."""
    plain, _ = undilated(layer)
    dx = _together(winograd.input_gradient(_outputs_apart(dout, plain, layer), w, plain), layer)
    (ph, pw), (h, width) = layer.padding, layer.image
    return dx[:, ph : ph + h, pw : pw + width]


def weight_gradient(x, dout, layer):
    """dw (K, C, FH, FW)."""
    plain, size = undilated(layer)
    return winograd.weight_gradient(_apart(x, layer.padding, size, layer), _outputs_apart(dout, plain, layer), plain)


def undilated(layer):
    """The layer on one of the interleaved images, and the size of all of them together.

    >>> undilated(Layer(1, 1, (3, 3), (7, 8), padding=(2, 2), dilation=(2, 2)))[0].image
    (6, 6)
    """
    each = zip(layer.output, layer.kernel, layer.dilation, strict=True)
    image = tuple(-(-n // d) + f - 1 for n, f, d in each)
    size = tuple(n * d for n, d in zip(image, layer.dilation, strict=True))
    return Layer(layer.channels, layer.filters, layer.kernel, image), size


def _outputs_apart(dout, plain, layer):
    size = tuple(n * d for n, d in zip(plain.output, layer.dilation, strict=True))
    return _apart(dout, (0, 0), size, layer)


def _apart(x, before, size, layer):
    """x (N, H, W, C), padded to this size, to (N·d·d, H', W', C)."""
    (dh, dw), (h, w), n, c = layer.dilation, size, len(x), x.shape[3]
    x = padded(x, before, size).reshape(n, h // dh, dh, w // dw, dw, c).transpose(0, 2, 4, 1, 3, 5)
    return x.reshape(n * dh * dw, h // dh, w // dw, c)


def _together(x, layer):
    """(N·d·d, H', W', C) to (N, d·H', d·W', C)."""
    (dh, dw), (_, h, w, c) = layer.dilation, x.shape
    return x.reshape(-1, dh, dw, h, w, c).transpose(0, 3, 1, 4, 2, 5).reshape(-1, h * dh, w * dw, c)
