"""Derivatives without any formula: move one number both ways by h and watch what happens.

Source: CS231n, "Gradient checks". It costs two calls of f for each number of x: right for a test, far too slow to train.
"""

import numpy as np

from ._numbers import number
from .ops._arguments import real


def numeric_gradient(f, x, dout=1.0, h=1e-5):
    """The gradient of sum(f(x) * dout) by central differences, in float64.

    f: a function of one array; x: an array of any shape, never written to; dout: upstream gradient with the shape of
    f(x), or one number for all. Returns an array with the shape of x. The error is of the order h², so about 1e-10.
    Raises ValueError where dout has another shape than f(x) or h is not above 0, TypeError for what are no real numbers.

    >>> numeric_gradient(lambda x: x**2, np.array([1.0, -3.0]), dout=np.array([1.0, 10.0])).round(6)
    array([  2., -60.])
    """
    x, dout = real(x, "x").astype(float), real(dout, "dout")
    gradient = np.zeros(x.shape)
    for index, slope in _slopes(f, x, h):
        if dout.ndim and dout.shape != slope.shape:
            raise ValueError(f"dout has shape {dout.shape}, but f(x) has shape {slope.shape}")
        gradient[index] = np.sum(slope * dout)
    return gradient


def numeric_jacobian(f, x, h=1e-5):
    """Every derivative of every output by central differences, in float64.

    f: a function of one array; x: an array of any shape, never written to. Returns J with the shape f(x).shape + x.shape,
    J[i, j] = ∂f(x)[i] / ∂x[j], so that the gradient downstream is `np.tensordot(dout, J, axes=dout.ndim)`.

    >>> numeric_jacobian(lambda x: x[1:] * x[:-1], np.array([2.0, 3.0, 5.0])).round(6)
    array([[3., 2., 0.],
           [0., 5., 3.]])
    """
    x = real(x, "x").astype(float)
    jacobian = np.zeros(real(f(x.copy()), "f(x)").shape + x.shape)
    for index, slope in _slopes(f, x, h):
        jacobian[(..., *index)] = slope
    return jacobian


def _slopes(f, x, h):
    """For every number of x: its index, and the change of f(x) per unit."""
    number(h, "h", above=0)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()  # new each time: f may keep or change what it gets
        above[index] += h
        below[index] -= h
        # One at a time: f may return the same buffer twice.
        after = np.array(real(f(above), "f(x)"), float)
        before = real(f(below), "f(x)")
        if after.shape != before.shape:
            raise ValueError(f"f(x) has shape {after.shape} here and {before.shape} beside, so there is no difference")
        yield index, (after - before) / (2 * h)
