"""The arithmetic of arrays as pairs: what a Tensor's `+ * ** @`, sum, reshape, transpose and [...] are made of.

The arrays of `multiply` have one shape; `broadcast_to` brings them there, and its backward pass is a sum. Gradients have
the precision of out; the backward passes raise ValueError where dout has another shape than out.
"""

import numpy as np

from .._numbers import number
from ._arguments import real, upstream, which_axis


def broadcast_to_forward(x, shape):
    """x repeated along new axes and axes of length 1, as numpy does. Raises ValueError where the shape does not allow it.

    >>> broadcast_to_forward([1, 2], (3, 2))[0]
    array([[1., 2.],
           [1., 2.],
           [1., 2.]])
    """
    x = real(x, "x")
    try:
        out = np.broadcast_to(x, shape)
    except (TypeError, ValueError):
        raise ValueError(f"x has shape {x.shape}, which cannot be repeated to {shape}") from None
    return out, (x.shape, out.shape, x.dtype)


def broadcast_to_backward(dout, cache):
    """dx: every number went to several places, so what comes back from them is added."""
    x_shape, out_shape, dtype = cache
    dout = upstream(dout, out_shape, dtype)
    new = dout.ndim - len(x_shape)
    repeated = tuple(i for i, n in enumerate(dout.shape) if i < new or n != x_shape[i - new])
    return dout.sum(axis=repeated, keepdims=True, dtype=dout.dtype).reshape(x_shape)


def multiply_forward(x, y):
    """x y, number by number; raises ValueError unless both have one shape.

    >>> multiply_forward([1, 2], [3, 4])[0]
    array([3., 8.])
    """
    x, y = real(x, "x"), real(y, "y")
    if x.shape != y.shape:
        raise ValueError(f"x has shape {x.shape}, but y has {y.shape}")
    out = x * y
    return out, (x, y, out.dtype)


def multiply_backward(dout, cache):
    """dx = dout y, dy = dout x: each gets the other as its slope."""
    x, y, dtype = cache
    dout = upstream(dout, x.shape, dtype)
    return dout * y, dout * x


def power_forward(x, exponent):
    """x to the power of one number. Raises TypeError or ValueError for what is no finite number.

    >>> power_forward([1, 2, 3], 2)[0]
    array([1., 4., 9.])
    """
    x, exponent = real(x, "x"), number(exponent, "exponent")
    return x ** np.asarray(exponent, x.dtype), (x, exponent)


def power_backward(dout, cache):
    """dx = dout exponent x^(exponent - 1), and 0 for the exponent 0, also where x is 0."""
    x, exponent = cache
    dout = upstream(dout, x.shape, x.dtype)
    if exponent == 0:  # x^0 is 1 everywhere, and 0 times 0^-1 would be NaN
        return np.zeros_like(dout)
    return dout * (exponent * x ** np.asarray(exponent - 1, x.dtype)).astype(x.dtype, copy=False)


def matmul_forward(x, y):
    """The product of two matrices, (N, D) and (D, M). Raises ValueError where they do not fit.

    >>> matmul_forward([[1, 2]], [[3], [4]])[0]
    array([[11.]])
    """
    x, y = real(x, "x"), real(y, "y")
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[0]:
        raise ValueError(f"matrices of shapes {x.shape} and {y.shape} cannot be multiplied")
    out = x @ y
    return out, (x, y, out.dtype)


def matmul_backward(dout, cache):
    """dx = dout yᵀ, dy = xᵀ dout."""
    x, y, dtype = cache
    dout = upstream(dout, (len(x), y.shape[1]), dtype)
    return dout @ y.T, x.T @ dout


def sum_forward(x, axis=None, keepdims=False):
    """The sum over an axis, several, or all. Raises ValueError where x has no such axis, or TypeError.

    >>> sum_forward([[1, 2], [3, 4]], axis=0)[0]
    array([4., 6.])
    """
    x = real(x, "x")
    if axis is not None:
        axis = tuple(which_axis(one, x.ndim) for one in (axis if isinstance(axis, tuple | list) else (axis,)))
        if len(set(axis)) < len(axis):
            raise ValueError(f"axis is {axis}, but each of the {x.ndim} axes can be summed once only")
    return x.sum(axis=axis, keepdims=keepdims, dtype=x.dtype), (x.shape, axis, x.dtype)


def sum_backward(dout, cache):
    """dx: every term of the sum gets dout."""
    x_shape, axis, dtype = cache
    dout = real(dout, "dout").astype(dtype, copy=False)
    kept = _kept(x_shape, axis)
    if dout.size != np.prod(kept, dtype=int):
        raise ValueError(f"dout has shape {dout.shape}, but the sum over axis {axis} of {x_shape} has {kept}")
    return np.broadcast_to(dout.reshape(kept), x_shape)


def reshape_forward(x, shape):
    """The same numbers in another shape; one length may be -1. Raises ValueError where they do not fit into it.

    >>> reshape_forward([[1, 2], [3, 4]], (4,))[0]
    array([1., 2., 3., 4.])
    """
    x = real(x, "x")
    try:
        out = x.reshape(shape)
    except (TypeError, ValueError):
        raise ValueError(f"x has shape {x.shape}, and its {x.size} numbers do not fit into {shape}") from None
    return out, (x.shape, out.shape, x.dtype)


def reshape_backward(dout, cache):
    """dx: dout in the shape of x."""
    x_shape, out_shape, dtype = cache
    return upstream(dout, out_shape, dtype).reshape(x_shape)


def transpose_forward(x, axes=None):
    """The axes in another order, reversed where none is given. Raises ValueError unless each axis comes once.

    >>> transpose_forward([[1, 2], [3, 4]])[0]
    array([[1., 3.],
           [2., 4.]])
    """
    x = real(x, "x")
    try:
        out = x.transpose(axes)
    except (TypeError, ValueError):  # numpy's AxisError is a ValueError
        raise ValueError(f"x has {x.ndim} axes, so axes must be these in some order, not {axes}") from None
    return out, (axes, out.shape, x.dtype)


def transpose_backward(dout, cache):
    """dx: the axes of dout put back."""
    axes, out_shape, dtype = cache
    back = None if axes is None else np.argsort(np.mod(axes, len(axes)))
    return upstream(dout, out_shape, dtype).transpose(back)


def getitem_forward(x, index):
    """x[index] as numpy has it: slices, integers, arrays of integers. Raises IndexError where there is nothing.

    >>> getitem_forward([[1, 2], [3, 4]], (slice(None), [0, 0]))[0]
    array([[1., 1.],
           [3., 3.]])
    """
    x = real(x, "x")
    out = x[index]
    return out, (x.shape, index, out.shape, x.dtype)


def getitem_backward(dout, cache):
    """dx: 0 but for what was taken; what was taken twice gets both gradients."""
    x_shape, index, out_shape, dtype = cache
    dout = upstream(dout, out_shape, dtype)
    dx = np.zeros(x_shape, dout.dtype)
    np.add.at(dx, index, dout)
    return dx


def _kept(shape, axis):
    """The shape with length 1 along the axes that were summed."""
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis) % max(len(shape), 1)
    return tuple(1 if i in axes else n for i, n in enumerate(shape))
