"""Scores as probabilities, and as the logarithms of probabilities."""

import numpy as np

from ._arguments import real, upstream, which_axis


def softmax_forward(x, axis=1):
    """exp(x) as parts of their sum: probabilities. Source: INRIA, multi-class classification.

    >>> softmax_forward([[0.0, 0.0, 1000.0]])[0]
    array([[0., 0., 1.]])
    """
    x = real(x, "x")
    axis = which_axis(axis, x.ndim)
    out = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))  # the largest is exp(0): nothing overflows
    out /= out.sum(axis=axis, keepdims=True)
    return out, (out, axis)


def softmax_backward(dout, cache):
    """dx = out (dout - the mean of dout, weighted with out)."""
    out, axis = cache
    dout = upstream(dout, out.shape, out.dtype)
    return out * (dout - (dout * out).sum(axis=axis, keepdims=True))


def log_softmax_forward(x, axis=1):
    """The logarithm of `softmax`, exact also where that is 0 in floating point.

    >>> log_softmax_forward([[0.0, 1000.0]])[0]
    array([[-1000.,     0.]])
    """
    x = real(x, "x")
    axis = which_axis(axis, x.ndim)
    shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
    out = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return out, (out, axis)


def log_softmax_backward(dout, cache):
    """dx = dout - softmax(x) · the sum of dout."""
    out, axis = cache
    dout = upstream(dout, out.shape, out.dtype)
    return dout - np.exp(out) * dout.sum(axis=axis, keepdims=True)
