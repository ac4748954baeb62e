"""Gradients without any formula: move one number by h both ways and watch the output (CS231n, "Gradient checks")."""

import numpy as np


def numeric_gradient(f, x, dout=1.0, h=1e-5):
    """The gradient of sum(f(x) * dout) by central differences, in float64.

    f: a function of one array; x: array of any shape, never written to; dout: upstream gradient, shape of f(x).
    Returns an array of the shape of x. Raises ValueError where dout has not the shape of f(x).

    >>> numeric_gradient(lambda x: x**2, np.array([1.0, -3.0]), np.array([1.0, 10.0])).round(6)
    array([  2., -60.])
    """
    dout = np.asarray(dout, float)
    gradient = np.zeros(np.shape(x))
    for index, slope in _slopes(f, x, h):
        if dout.shape not in ((), slope.shape):
            raise ValueError(f"dout has shape {dout.shape}, but f(x) has shape {slope.shape}")
        gradient[index] = np.sum(slope * dout)
    return gradient


def numeric_jacobian(f, x, h=1e-5):
    """All derivatives d f(x)[i] / d x[j] by central differences: an array of shape f(x).shape + x.shape.

    >>> numeric_jacobian(lambda x: np.maximum(x, 0), np.array([1.0, -2.0, 3.0])).round(6)
    array([[1., 0., 0.],
           [0., 0., 0.],
           [0., 0., 1.]])
    """
    x = np.asarray(x, float)
    jacobian = np.zeros(np.shape(f(x.copy())) + x.shape)
    for index, slope in _slopes(f, x, h):
        jacobian[(..., *index)] = slope
    return jacobian


def _slopes(f, x, h):
    """For every number of x: its index, and the change of f(x) per unit."""
    x = np.array(x, float)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()  # fresh each time: f may write to what it gets
        up[index] += h
        down[index] -= h
        yield index, (np.asarray(f(up), float) - np.asarray(f(down), float)) / (2 * h)
