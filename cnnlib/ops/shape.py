"""Ways to join, pad and cut arrays: what branches and skips of a network need."""

import operator

import numpy as np

from ._arguments import images, real, upstream


def add_forward(*xs):
    """The sum of arrays of one shape: what a residual block does with its two ways.

    Returns out and a cache. Raises ValueError where the shapes differ. Source: INRIA, residual networks.

    >>> add_forward([1, 2], [3, 4], [5, 6])[0]
    array([ 9., 12.])
    """
    xs = _several(xs)
    for x in xs[1:]:
        if x.shape != xs[0].shape:
            raise ValueError(f"arrays of shapes {xs[0].shape} and {x.shape} cannot be added")
    out = sum(xs[1:], start=xs[0])
    return out, (len(xs), out.shape, out.dtype)


def add_backward(dout, cache):
    """dx = dout for every array: a sum hands its gradient to all. Returns a tuple."""
    several, shape, dtype = cache
    return (upstream(dout, shape, dtype),) * several


def concatenate_forward(*xs, axis=1):
    """Arrays one behind the other, along the channels if nothing else is said: what a dense block or an Inception does.

    Returns out and a cache. Raises ValueError where the shapes differ in another axis. Source: INRIA, dense networks.

    >>> concatenate_forward([[1, 2]], [[3]])[0]
    array([[1., 2., 3.]])
    """
    xs = _several(xs)
    if not -xs[0].ndim <= operator.index(axis) < xs[0].ndim:
        raise ValueError(f"axis is {axis}, but the arrays have {xs[0].ndim} axes")
    axis %= xs[0].ndim
    for x in xs[1:]:
        if x.shape[:axis] + x.shape[axis + 1 :] != xs[0].shape[:axis] + xs[0].shape[axis + 1 :]:
            raise ValueError(f"arrays of shapes {xs[0].shape} and {x.shape} cannot be joined along axis {axis}")
    out = np.concatenate(xs, axis=axis)
    return out, ([x.shape[axis] for x in xs], axis, out.shape, out.dtype)


def concatenate_backward(dout, cache):
    """dx: dout cut into the parts again. Returns a tuple."""
    lengths, axis, shape, dtype = cache
    return tuple(np.split(upstream(dout, shape, dtype), np.cumsum(lengths)[:-1], axis=axis))


def pad_forward(x, padding):
    """Zeros around images.

    x: (N, C, H, W); padding: an integer, a pair (rows, columns), or (top, bottom, left, right). Returns out and a cache.
    Raises ValueError for padding below 0 or of another length.

    >>> pad_forward([[[[1, 2]]]], (0, 0, 1, 2))[0]
    array([[[[0., 1., 2., 0., 0.]]]])
    """
    x, numbers = images(x), np.atleast_1d(padding).tolist()
    if len(numbers) not in (1, 2, 4):
        raise ValueError(f"padding has {len(numbers)} numbers, but there are 4 sides: give 1, 2 or 4")
    top, bottom, left, right = sides = [operator.index(n) for n in numbers for _ in range(4 // len(numbers))]
    if min(sides) < 0:
        raise ValueError(f"padding is {padding}, but must be at least 0")
    out = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    return out, (np.s_[:, :, top : top + x.shape[2], left : left + x.shape[3]], out.shape, out.dtype)


def pad_backward(dout, cache):
    """dx: dout without its rim."""
    inside, shape, dtype = cache
    return upstream(dout, shape, dtype)[inside]


def crop_forward(x, top, left, height, width):
    """A rectangle of every image.

    x: (N, C, H, W); the rectangle begins at row `top` and column `left`. Returns out (N, C, height, width) and a cache.
    Raises ValueError where the rectangle does not lie in the image. Source: INRIA, U-Net.

    >>> crop_forward([[[[1, 2, 3]]]], 0, 1, 1, 2)[0]
    array([[[[2., 3.]]]])
    """
    x = images(x)
    for what, start, length, n in (("rows", top, height, x.shape[2]), ("columns", left, width, x.shape[3])):
        if start < 0 or length < 1 or start + length > n:
            raise ValueError(f"{what} {start} to {start + length - 1} were asked for, but the image has 0 to {n - 1}")
    inside = np.s_[:, :, top : top + height, left : left + width]
    return x[inside], (inside, x.shape, x.dtype)


def crop_backward(dout, cache):
    """dx: dout where the rectangle was, 0 elsewhere."""
    inside, shape, dtype = cache
    dx = np.zeros(shape, dtype)
    dx[inside] = upstream(dout, dx[inside].shape, dtype)
    return dx


def flatten_forward(x):
    """Every example as one row: (N, C, H, W) to (N, C·H·W). Raises ValueError where there is no axis of examples.

    >>> flatten_forward([[[1, 2], [3, 4]]])[0]
    array([[1., 2., 3., 4.]])
    """
    x = real(x, "x")
    if not x.ndim:
        raise ValueError("x is one number, but needs an axis of examples")
    out = x.reshape(len(x), int(np.prod(x.shape[1:])))
    return out, (x.shape, out.shape, x.dtype)


def flatten_backward(dout, cache):
    """dx: dout in the shape of x."""
    x_shape, out_shape, dtype = cache
    return upstream(dout, out_shape, dtype).reshape(x_shape)


def _several(xs):
    if not xs:
        raise ValueError("there are no arrays, but at least one is needed")
    return [real(x, "x") for x in xs]
