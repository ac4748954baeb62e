"""Pooling: every window of every channel becomes one number, its maximum, its mean or its Euclidean length.

The letters: N images of C channels and H x W pixels, windows of FH x FW pixels, OH x OW output pixels. Where no stride
is given, it is the size of the window, so that windows do not overlap. float32 stays float32, integers are computed in
float64; a NaN makes every window that it lies in NaN. The backward passes raise ValueError where dout has another shape
than out.
Source: CS231n (Samara), "Pooling layer"; MVA, "Pooling Layer: Examples"; INRIA, "un-pooling" (Noh et al., ICCV 2015).
"""

import numpy as np

from .._numbers import whole
from ._algorithm import quick
from ._arguments import array, images, pair, real, upstream
from ._windows import directions

# -------------------------------------------------------------------------------------------------------------- maximum


def max_pool2d_forward(x, kernel_size, stride=None, padding=0, dilation=1, algo=None, need_cache=True):
    """The largest number of every window.

    x: images (N, C, H, W); kernel_size, stride, padding and dilation: integers or pairs (rows, columns). Padding never
    wins. Returns out (N, C, OH, OW), where OH = floor((H + 2 padding - dilation (FH - 1) - 1) / stride) + 1, and a
    cache; with need_cache=False None in its place, which is quicker: who won need not be kept where nobody goes back.
    algo: "direct" for the plain way on this page, or None for the quickest (`fast.maxima`); both give the same.
    Raises ValueError where a window does not fit or would see padding only. Source: CS231n (Samara), "max pooling".

    >>> x = np.array([[[[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]]])
    >>> max_pool2d_forward(x, kernel_size=2)[0]
    array([[[[6., 8.],
             [3., 4.]]]])
    """
    x = images(x)
    down, along = _directions(x, kernel_size, stride, padding, dilation)
    if fast := quick("maxima", algo, x):
        if not need_cache:
            return fast.largest(x, down, along), None
        out, wins = fast.forward(x, down, along)
        return out, (out.dtype, out.shape, down, along, wins, fast)
    row_maxima, column_offsets = _max(x, along)
    out, row_offsets = _max(row_maxima, down)
    return out, (out.dtype, out.shape, down, along, (row_offsets, column_offsets), None) if need_cache else None


def max_pool2d_backward(dout, cache):
    """dx: every window sends its gradient to its maximum; to the first one, row by row, where several are equal.

    >>> x = np.array([[[[1, 3], [3, 2]]]])
    >>> max_pool2d_backward(np.array([[[[10.0]]]]), max_pool2d_forward(x, kernel_size=2)[1])
    array([[[[ 0., 10.],
             [ 0.,  0.]]]])
    """
    dtype, out_shape, down, along, winners, fast = cache
    dout = upstream(dout, out_shape, dtype)
    if fast:
        return fast.backward(dout, down, along, winners)
    row_offsets, column_offsets = winners
    return _max_back(_max_back(dout, row_offsets, down), column_offsets, along)


def max_pool2d_switches(cache):
    """Where every window found its maximum, from the cache of `max_pool2d_forward`: (N, C, OH, OW) of integers.

    A switch is h W + w, the place in the image read row by row, as PyTorch's `return_indices`. They are for
    `max_unpool2d_forward`. Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014.

    >>> max_pool2d_switches(max_pool2d_forward(np.array([[[[1, 1, 2, 4], [5, 6, 7, 8]]]]), kernel_size=2)[1])
    array([[[[5, 7]]]])
    """
    *_, down, along, winners, fast = cache
    row_offsets, column_offsets = fast.offsets(down, along, winners) if fast else winners
    rows = down.pixel(row_offsets.astype(int))
    columns = np.take_along_axis(along.pixel(column_offsets.astype(int)), rows, axis=2)
    return rows * along.pixels + columns


def max_unpool2d_forward(x, switches, kernel_size, stride=None, padding=0, output_size=None):
    """Puts every number back where max pooling found it, among zeros.

    x: (N, C, OH, OW); switches: integers of the same shape, from `max_pool2d_switches`; the others: as they were for
    the pooling. Returns out (N, C, H, W) with H = (OH - 1) stride - 2 padding + FH, or with output_size, (H, W) or a
    whole shape: pooling rounds sizes down, so only you know them. Where several numbers have one place, the last one
    stays. Raises ValueError where a switch points outside. Source: INRIA, "un-pooling"; Noh et al., ICCV 2015.

    >>> max_unpool2d_forward([[[[6, 8]]]], [[[[5, 7]]]], kernel_size=2)[0]
    array([[[[0., 0., 0., 0.],
             [0., 6., 0., 8.]]]])
    """
    x, switches = images(x), array(switches, "switches")
    if switches.dtype.kind not in "iu":
        raise TypeError(f"switches must hold integers, not {switches.dtype}")
    if switches.shape != x.shape:
        raise ValueError(f"switches has shape {switches.shape}, but x has {x.shape}")
    height, width = _unpooled_size(x.shape, kernel_size, stride, padding, output_size)
    if switches.size and not 0 <= switches.min() <= switches.max() < height * width:
        raise ValueError(
            f"switches go from {switches.min()} to {switches.max()}, but the output has {height} x {width} pixels"
        )
    switches = switches.reshape(*x.shape[:2], x.shape[2] * x.shape[3]).astype(int)
    out = np.zeros((*x.shape[:2], height * width), x.dtype)
    np.put_along_axis(out, switches, x.reshape(switches.shape), axis=2)
    return out.reshape(*x.shape[:2], height, width), (x.dtype, x.shape, (height, width), switches)


def max_unpool2d_backward(dout, cache):
    """dx: the gradient at the place where a number was put, 0 for a number that another one was put over.

    >>> dout = np.arange(8.0).reshape(1, 1, 2, 4)
    >>> max_unpool2d_backward(dout, max_unpool2d_forward([[[[6, 8]]]], [[[[5, 7]]]], kernel_size=2)[1])
    array([[[[5., 7.]]]])
    """
    dtype, x_shape, size, switches = cache
    dout = upstream(dout, (*x_shape[:2], *size), dtype).reshape(*x_shape[:2], size[0] * size[1])
    order = np.broadcast_to(np.arange(switches.shape[2]), switches.shape)
    last = np.zeros(dout.shape, int)
    np.put_along_axis(last, switches, order, axis=2)  # as forward put the numbers, so it tells which ones stayed
    stayed = np.take_along_axis(last, switches, axis=2) == order
    return np.where(stayed, np.take_along_axis(dout, switches, axis=2), 0).reshape(x_shape)


# ----------------------------------------------------------------------------------------------------------------- mean


def avg_pool2d_forward(x, kernel_size, stride=None, padding=0, count_include_pad=True, algo=None):
    """The mean of every window.

    x: images (N, C, H, W); kernel_size, stride and padding: integers or pairs (rows, columns). Padding counts as zeros,
    or is left out of the mean where count_include_pad is False. Returns out (N, C, OH, OW) and a cache. algo: "direct"
    for the plain way on this page, or None for the quickest (`fast.means`), which adds in the same order. Raises
    ValueError as `max_pool2d_forward` does. Source: MVA, "Average-pooling".

    >>> avg_pool2d_forward([[[[1, 2, 3, 4], [5, 6, 7, 8]]]], kernel_size=2)[0]
    array([[[[3.5, 5.5]]]])
    """
    x = images(x)
    down, along = _directions(x, kernel_size, stride, padding)
    if count_include_pad:
        count = np.full((1, 1, 1, 1), down.kernel * along.kernel, x.dtype)
    else:
        count = _sum(_sum(np.ones((1, 1, *x.shape[2:]), x.dtype), along), down)  # (1, 1, OH, OW)
    fast = quick("means", algo, x)
    out = fast.forward(x, down, along, count) if fast else _sum(_sum(x, along), down) / count
    return out, (out.dtype, out.shape, down, along, count, fast)


def avg_pool2d_backward(dout, cache):
    """dx: every window shares its gradient among its pixels.

    >>> avg_pool2d_backward([[[[8.0, 4.0]]]], avg_pool2d_forward(np.ones((1, 1, 2, 4)), kernel_size=2)[1])
    array([[[[2., 2., 1., 1.],
             [2., 2., 1., 1.]]]])
    """
    dtype, out_shape, down, along, count, fast = cache
    dout = upstream(dout, out_shape, dtype)
    if fast:
        return fast.backward(dout, down, along, count)
    share = dout / count
    return _sum_back(_sum_back(share, down), along)


def global_avg_pool2d_forward(x):
    """The mean of every channel: one window as large as the image.

    x: images (N, C, H, W). Returns out (N, C) and a cache. Source: INRIA, on GoogLeNet: "replaces fully-connected layer
    with average pooling"; M. Lin, Q. Chen, S. Yan, "Network In Network", 2014.

    >>> global_avg_pool2d_forward([[[[1, 2], [3, 4]], [[0, 0], [0, 8]]]])[0]
    array([[2.5, 2. ]])
    """
    x = images(x)
    return x.mean(axis=(2, 3)), (x.dtype, x.shape)


def global_avg_pool2d_backward(dout, cache):
    """dx: every pixel gets an equal share.

    >>> global_avg_pool2d_backward([[8.0]], global_avg_pool2d_forward(np.ones((1, 1, 2, 2)))[1])
    array([[[[2., 2.],
             [2., 2.]]]])
    """
    dtype, x_shape = cache
    share = upstream(dout, x_shape[:2], dtype) / np.asarray(x_shape[2] * x_shape[3], dtype)
    return np.broadcast_to(share[:, :, None, None], x_shape).copy()


# --------------------------------------------------------------------------------------------------------------- length


def l2_pool2d_forward(x, kernel_size, stride=None, padding=0):
    """The Euclidean length of every window: the root of the sum of its squares.

    x: images (N, C, H, W); kernel_size, stride and padding: integers or pairs (rows, columns). Padding counts as zeros.
    Returns out (N, C, OH, OW) and a cache. Raises ValueError as `max_pool2d_forward` does. It is PyTorch's `lp_pool2d`
    with norm 2. Source: MVA, "L2-pooling".

    >>> l2_pool2d_forward([[[[3, 0, 5, 0], [0, 4, 0, 12]]]], kernel_size=2)[0]
    array([[[[ 5., 13.]]]])
    """
    x = images(x)
    down, along = _directions(x, kernel_size, stride, padding)
    out = np.sqrt(_sum(_sum(x * x, along), down))
    return out, (x, out, down, along)


def l2_pool2d_backward(dout, cache):
    """dx = x dout / out, added up over the windows; a window of zeros has no direction to grow in and gives 0.

    >>> l2_pool2d_backward([[[[10.0]]]], l2_pool2d_forward([[[[3, 0], [0, 4]]]], kernel_size=2)[1])
    array([[[[6., 0.],
             [0., 8.]]]])
    """
    x, out, down, along = cache
    share = _per_length(upstream(dout, out.shape, out.dtype), out)
    return x * _sum_back(_sum_back(share, down), along)


def l2_pool_features_forward(x, pieces=2):
    """The Euclidean length over neighbouring channels, at every pixel: the output does not care how they share it.

    x: (N, pieces·D, ...). Returns out (N, D, ...), where channel d comes from `pieces` channels from d·pieces on, and a
    cache. Raises ValueError where the channels do not divide into groups. Source: MVA, "L2-pooling over features".

    >>> l2_pool_features_forward([[3, 4, 5, 12]])[0]
    array([[ 5., 13.]])
    """
    x, pieces = real(x, "x"), whole(pieces, "pieces", 1)
    if x.ndim < 2 or x.shape[1] % pieces:
        raise ValueError(f"x has shape {x.shape}, but its second axis must divide into groups of {pieces}")
    groups = x.reshape(len(x), x.shape[1] // pieces, pieces, *x.shape[2:])
    out = np.sqrt((groups * groups).sum(axis=2))
    return out, (groups, out, x.shape)


def l2_pool_features_backward(dout, cache):
    """dx = x dout / out; a group of zeros gives 0.

    >>> l2_pool_features_backward([[10.0, 13.0]], l2_pool_features_forward([[3, 4, 5, 12]])[1])
    array([[ 6.,  8.,  5., 12.]])
    """
    groups, out, x_shape = cache
    share = _per_length(upstream(dout, out.shape, out.dtype), out)
    return (groups * share[:, :, None]).reshape(x_shape)


# ---------------------------------------------------------------------------------------------------------- small parts


def _directions(x, kernel_size, stride, padding, dilation=1):
    size = pair(kernel_size, "kernel_size", 1)
    stride = size if stride is None else pair(stride, "stride", 1)
    return directions(x.shape, size, stride, pair(padding, "padding", 0), pair(dilation, "dilation", 1))


def _max(x, direction):
    """The maximum of every window along one direction, and the offset where it was first met."""
    first = direction.first_offsets()
    largest = direction.like(x, direction.windows)
    largest[...] = x.take(direction.pixel(first), axis=direction.axis)
    winner = direction.like(x, direction.windows, np.min_scalar_type(direction.kernel))
    winner[...] = direction.along_axis(first, x.ndim)
    for offset, windows, pixels in direction.meetings():
        wins = _beats(x[pixels], largest[windows])
        winner[windows] = np.maximum(
            winner[windows], wins * winner.dtype.type(offset)
        )  # offsets grow: the latest is kept
        largest[windows] = np.maximum(largest[windows], x[pixels])
    return largest, winner


def _beats(new, old):
    """Where new is larger; NaN beats every number, and nothing beats NaN."""
    return ~(new <= old) & (old == old)


def _max_back(dout, winner, direction):
    """What the winners get, each from all windows that it has won."""
    dx = direction.like(dout, direction.pixels)
    dx[...] = 0
    for offset, windows, pixels in direction.meetings():
        dx[pixels] += np.where(winner[windows] == offset, dout[windows], 0)
    return dx


def _sum(x, direction):
    """The sum of every window along one direction."""
    out = direction.like(x, direction.windows)
    out[...] = 0
    for _, windows, pixels in direction.meetings():
        out[windows] += x[pixels]
    return out


def _sum_back(dout, direction):
    """Every pixel gets the sum over the windows in which it lies."""
    dx = direction.like(dout, direction.pixels)
    dx[...] = 0
    for _, windows, pixels in direction.meetings():
        dx[pixels] += dout[windows]
    return dx


def _per_length(dout, length):
    return np.divide(dout, length, out=np.zeros_like(dout), where=length != 0)


def _unpooled_size(shape, kernel_size, stride, padding, output_size):
    """H and W of the image that was pooled. Raises ValueError where there is none."""
    if output_size is not None:
        whole = np.ndim(output_size) == 1 and len(output_size) == 4
        return pair(tuple(output_size)[2:] if whole else output_size, "output_size", 1)
    size, padding = pair(kernel_size, "kernel_size", 1), pair(padding, "padding", 0)
    stride = size if stride is None else pair(stride, "stride", 1)
    height, width = ((n - 1) * s - 2 * p + k for n, s, p, k in zip(shape[2:], stride, padding, size, strict=True))
    if height < 1 or width < 1:
        raise ValueError(f"{shape[2]} x {shape[3]} pixels with padding {padding} come from {height} x {width} pixels")
    return height, width
