"""Larger maps without learning: by nearest neighbours, or by bilinear interpolation.

Both treat every channel on its own, and rows and columns one after the other.
Source: INRIA, "Upsampling of coarse activation maps"; the places of the pixels are PyTorch's.
"""

import numpy as np

from ._arguments import images, pair, upstream


def upsample_nearest_forward(x, scale_factor=2):
    """Every pixel becomes a block of equal pixels.

    x: images (N, C, H, W); scale_factor: an integer or a pair (rows, columns). Returns out (N, C, H rows, W columns)
    and a cache. float32 stays float32, integers become float64.

    >>> upsample_nearest_forward([[[[1, 2]]]], scale_factor=2)[0]
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """
    x, (rows, columns) = images(x), pair(scale_factor, "scale_factor", 1)
    return x.repeat(rows, axis=2).repeat(columns, axis=3), (x.dtype, x.shape, (rows, columns))


def upsample_nearest_backward(dout, cache):
    """dx: the sum over every block. Raises ValueError where dout has another shape than out.

    >>> upsample_nearest_backward([[[[1, 2, 3, 4]]]], upsample_nearest_forward([[[[1, 2]]]], scale_factor=(1, 2))[1])
    array([[[[3., 7.]]]])
    """
    dtype, (n, c, height, width), (rows, columns) = cache
    dout = upstream(dout, (n, c, height * rows, width * columns), dtype)
    return dout.reshape(n, c, height, rows, width, columns).sum(axis=(3, 5))


def upsample_bilinear_forward(x, scale_factor=2, size=None, align_corners=False):
    """Every output pixel is a mean of the pixels around its place, the nearer the heavier.

    x: images (N, C, H, W); scale_factor: an integer or a pair (rows, columns); size: (OH, OW), larger or smaller, which
    then counts instead. A pixel is a square, and the image fills the same frame before and after; with align_corners,
    pixels are points, and the centres of the corners stay. Returns out (N, C, OH, OW) and a cache. float32 stays
    float32, integers become float64.

    >>> upsample_bilinear_forward([[[[0, 4]]]], scale_factor=(1, 2))[0]
    array([[[[0., 1., 3., 4.]]]])
    >>> upsample_bilinear_forward([[[[0, 4]]]], size=(1, 5), align_corners=True)[0]
    array([[[[0., 1., 2., 3., 4.]]]])
    """
    x, scale = images(x), pair(scale_factor, "scale_factor", 1)
    size = np.multiply(x.shape[2:], scale).tolist() if size is None else pair(size, "size", 1)
    down, along = (_neighbours(n, m, align_corners) for n, m in zip(x.shape[2:], size, strict=True))
    return _mix(_mix(x, 3, *along), 2, *down), (x.dtype, x.shape, down, along)


def upsample_bilinear_backward(dout, cache):
    """dx: every pixel gets from each output the share with which it went in. Raises ValueError as the nearest one does.

    >>> upsample_bilinear_backward([[[[4, 4, 4, 0]]]], upsample_bilinear_forward([[[[0, 4]]]], scale_factor=(1, 2))[1])
    array([[[[8., 4.]]]])
    """
    dtype, x_shape, down, along = cache
    dout = upstream(dout, (*x_shape[:2], len(down[0]), len(along[0])), dtype)
    return _mix_back(_mix_back(dout, 2, x_shape[2], *down), 3, x_shape[3], *along)


# ---------------------------------------------------------------------------------------------------------- small parts


def _neighbours(n, m, align_corners):
    """For m outputs over n pixels in a line: the pixels before and after the place of each, and the latter's share."""
    output = np.arange(m)
    if align_corners:
        place, unit = output * (n - 1), max(m - 1, 1)  # in whole units, so nothing is rounded: place / unit in pixels
    else:
        place, unit = np.maximum((2 * output + 1) * n - m, 0), 2 * m  # (output + 1/2) n/m - 1/2
    before, rest = np.divmod(place, unit)
    after = np.minimum(before + (rest > 0), n - 1)
    share = np.where(before == after, 0.5, rest / unit)  # a pixel alone: two halves, for 0 times infinity would be NaN
    return before, after, share


def _mix(x, axis, before, after, share):
    """The means of two neighbours along one axis."""
    share = _along(share, axis, x.dtype)
    return x.take(before, axis=axis) * (1 - share) + x.take(after, axis=axis) * share


def _mix_back(dout, axis, pixels, before, after, share):
    """Both neighbours get their share."""
    share = _along(share, axis, dout.dtype)
    dx = np.zeros((*dout.shape[:axis], pixels, *dout.shape[axis + 1 :]), dout.dtype)
    _add(dx, axis, before, dout * (1 - share))
    _add(dx, axis, after, dout * share)
    return dx


def _add(dx, axis, places, parts):
    """Adds each part at its place. Places ascend; one that comes k times takes k rounds, since += adds only once."""
    dx, parts = dx.swapaxes(0, axis), parts.swapaxes(0, axis)
    turn = np.arange(len(places)) - np.searchsorted(places, places)
    for k in range(turn.max() + 1):
        dx[places[turn == k]] += parts[turn == k]


def _along(share, axis, dtype):
    """The shares in a shape that repeats over the other axes of images."""
    return share.astype(dtype).reshape(-1, *(1,) * (3 - axis))
