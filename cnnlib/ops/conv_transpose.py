"""The transposed convolution: the convolution with its two directions exchanged.

The backward pass of a convolution takes the gradient of a small map to that of a larger one. As a forward pass it makes
a layer that enlarges: every pixel of x stamps its filters into the output, one stride apart, and stamps add up where
they overlap. Its own backward pass is then the ordinary convolution.

The letters: N images of C channels and H x W pixels, K output channels of OH x OW pixels, filters of FH x FW weights.
Source: INRIA, "Upsampling of coarse activation maps"; V. Dumoulin and F. Visin, "A guide to convolution arithmetic for
deep learning", 2016, chapter 4.
"""

import math

import numpy as np

from .._numbers import whole
from ._algorithm import chosen, quick
from ._arguments import images, pair, real, upstream
from .conv import col2im, conv2d_backward, conv2d_forward


def conv_transpose2d_forward(x, w, b=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1, algo=None):
    """What a convolution with these filters would send back to its input if x were its upstream gradient.

    x: images (N, C, H, W); w: filters (C, K/groups, FH, FW) as in PyTorch, those of the convolution from K channels to
    C; b: bias (K,) or None. stride, padding, output_padding and dilation are integers or pairs (rows, columns). Padding
    is cut off the output at each side. output_padding keeps more rows at the bottom and columns at the right: a
    convolution of stride 2 makes 3 pixels of 7 and of 8, and only you know which it was.

    Returns out (N, K, OH, OW), where OH = (H - 1) stride - 2 padding + dilation (FH - 1) + 1 + output_padding, and a
    cache for `conv_transpose2d_backward`. float32 stays float32, integers are computed in float64; no argument is
    written to. algo: "direct" for the plain way on this page, or None for the quickest (`fast.transposed`). Raises
    ValueError where shapes or numbers do not fit together, TypeError where they are no (real)
    numbers.

    >>> stamp = np.array([[[[1, 2], [3, 4]]]])
    >>> conv_transpose2d_forward([[[[1, 10]]]], stamp, stride=2)[0]
    array([[[[ 1.,  2., 10., 20.],
             [ 3.,  4., 30., 40.]]]])
    >>> conv_transpose2d_forward([[[[1, 10]]]], stamp, stride=1)[0]
    array([[[[ 1., 12., 20.],
             [ 3., 34., 40.]]]])
    """
    x, w, b = images(x), real(w, "w"), None if b is None else real(b, "b")
    geometry = pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    more = pair(output_padding, "output_padding", 0)
    _check_channels(x, w, b, groups)
    out_shape = len(x), w.shape[1] * groups, *_output_size(x.shape, w.shape, *geometry, more)

    grown = _grown(x, more, geometry[0])
    if fast := quick("transposed", algo, *(a for a in (x, w, b) if a is not None)):
        out = fast.forward(grown, w, b, out_shape[2:], *geometry, groups)
    else:
        out = col2im(_stamps(grown, w, groups), out_shape, w.shape[2:], *geometry)
        if b is not None:
            out = out + b[:, None, None]
    return out, (x.shape, grown, w, b, out.dtype, out_shape, chosen(algo), *geometry, groups)


def conv_transpose2d_backward(dout, cache):
    """The three gradients: dx is the ordinary convolution of dout, and dw is the dw of that convolution.

    dout: upstream gradient (N, K, OH, OW); cache: from `conv_transpose2d_forward`. Returns dx, dw, db with the shapes
    of x, w, b; db is None where b was None. Raises ValueError where dout has another shape than out.

    >>> _, cache = conv_transpose2d_forward(np.ones((1, 1, 1, 2)), np.array([[[[1, 2], [3, 4]]]]), stride=2)
    >>> dx, dw, db = conv_transpose2d_backward(np.array([[[[1, 0, 0, 1], [0, 0, 0, 0]]]]), cache)
    >>> dx, dw
    (array([[[[1., 2.]]]]), array([[[[1., 1.],
             [0., 0.]]]]))
    """
    (_, _, height, width), grown, w, b, dtype, out_shape, algo, *geometry, groups = cache
    dout = upstream(dout, out_shape, dtype)
    if fast := quick("transposed", algo, dout, grown, w):
        dx, dw, db = fast.backward(dout, grown, w, b, *geometry, groups)
        return dx[:, :, :height, :width], dw, db
    dx, conv_cache = conv2d_forward(dout, w, None, *geometry, groups, algo=algo)
    _, dw, _ = conv2d_backward(grown, conv_cache, need_dx=False)
    return dx[:, :, :height, :width], dw, None if b is None else dout.sum(axis=(0, 2, 3))


# ---------------------------------------------------------------------------------------------------------- small parts


def _stamps(x, w, groups):
    """Every pixel times its filters, summed over the channels of a group: rows for `col2im`, (N·H·W, K·FH·FW)."""
    (n, c, height, width), weights = x.shape, math.prod(w.shape[1:])
    pixels = x.reshape(n, groups, c // groups, height * width).swapaxes(2, 3)
    stamps = pixels @ w.reshape(groups, c // groups, weights)  # (N, G, H·W, K/G·FH·FW)
    return stamps.swapaxes(1, 2).reshape(n * height * width, groups * weights)


def _grown(x, more, stride):
    """x with zeros below and at the right, where output_padding is so large that a window begins in it."""
    down, right = more[0] // stride[0], more[1] // stride[1]
    return np.pad(x, ((0, 0), (0, 0), (0, down), (0, right))) if down or right else x


def _output_size(x_shape, w_shape, stride, padding, dilation, more):
    """OH and OW. Raises ValueError where nothing would be left, or output_padding is as large as a step."""
    for m, s, d in zip(more, stride, dilation, strict=True):
        if m >= max(s, d):
            raise ValueError(f"output_padding is {m}, but must be less than the stride {s} or the dilation {d}")
    sizes = zip(x_shape[2:], w_shape[2:], stride, padding, dilation, more, strict=True)
    oh, ow = ((n - 1) * s - 2 * p + d * (f - 1) + 1 + m for n, f, s, p, d, m in sizes)
    if oh < 1 or ow < 1:
        raise ValueError(f"padding {padding} leaves {oh} x {ow} pixels of the output, but at least 1 x 1 must stay")
    return oh, ow


def _check_channels(x, w, b, groups):
    """Raises ValueError unless filters, bias and groups belong to the images."""
    if w.ndim != 4:
        raise ValueError(f"w has {w.ndim} axes, but filters need 4: (C, K/groups, FH, FW)")
    if min(w.shape[2:]) < 1:
        raise ValueError(f"the filters have {w.shape[2]} x {w.shape[3]} weights, but need at least 1 x 1")
    channels, groups = x.shape[1], whole(groups, "groups", 1)
    if channels != len(w):
        raise ValueError(f"x has {channels} channels, but w is made for {len(w)}")
    if channels % groups:
        raise ValueError(f"{channels} channels do not divide into {groups} groups")
    filters = w.shape[1] * groups
    if b is not None and b.shape != (filters,):
        raise ValueError(f"b has shape {b.shape}, but {filters} output channels need ({filters},)")
