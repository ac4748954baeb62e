"""Ways to join, pad and cut arrays: what branches and skips of a network need.

out may be a view of x, and a gradient a view of dout, as numpy's own reshape and slices are.
"""

import math

import numpy as np

from .._numbers import whole
from ._arguments import images, pair, real, upstream, which_axis


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
    axis = which_axis(axis, xs[0].ndim)
    for x in xs[1:]:
        if x.ndim != xs[0].ndim or np.delete(x.shape, axis).tolist() != np.delete(xs[0].shape, axis).tolist():
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
    Raises ValueError for padding below 0 or of another length, TypeError for what is no integer.

    >>> pad_forward([[[[1, 2]]]], (0, 0, 1, 2))[0]
    array([[[[0., 1., 2., 0., 0.]]]])
    """
    x, (top, bottom, left, right) = images(x), _sides(padding)
    out = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    return out, (np.s_[:, :, top : top + x.shape[2], left : left + x.shape[3]], out.shape, out.dtype)


def pad_backward(dout, cache):
    """dx: dout without its rim."""
    inside, shape, dtype = cache
    return upstream(dout, shape, dtype)[inside]


def crop_forward(x, top, left, height, width):
    """A rectangle of every image.

    x: (N, C, H, W); the rectangle begins at row `top` and column `left`. Returns out (N, C, height, width) and a cache.
    Raises ValueError where the rectangle does not lie in the image, TypeError for what is no integer.
    Source: INRIA, U-Net; its skips are cropped in O. Ronneberger et al., 2015.

    >>> crop_forward([[[[1, 2, 3]]]], 0, 1, 1, 2)[0]
    array([[[[2., 3.]]]])
    """
    x, top, left = images(x), whole(top, "top", 0), whole(left, "left", 0)
    height, width = whole(height, "height", 1), whole(width, "width", 1)
    for what, start, length, n in (("rows", top, height, x.shape[2]), ("columns", left, width, x.shape[3])):
        if start + length > n:
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
    out = x.reshape(len(x), math.prod(x.shape[1:]))
    return out, (x.shape, out.shape, x.dtype)


def flatten_backward(dout, cache):
    """dx: dout in the shape of x."""
    x_shape, out_shape, dtype = cache
    return upstream(dout, out_shape, dtype).reshape(x_shape)


def _sides(padding):
    """(top, bottom, left, right) from one, two or four integers."""
    if isinstance(padding, tuple | list | np.ndarray) and len(padding) == 4:
        return *pair(padding[:2], "padding", 0), *pair(padding[2:], "padding", 0)
    rows, columns = pair(padding, "padding", 0)
    return rows, rows, columns, columns


def _several(xs):
    if not xs:
        raise ValueError("there are no arrays, but at least one is needed")
    return [real(x, "x") for x in xs]
