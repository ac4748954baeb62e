"""Activations. Each works on an array x of any shape, number by number; maxout alone mixes channels.

`f_forward(x)` returns out and a cache, `f_backward(dout, cache)` returns dx with the shape of x. float32 stays float32,
integers are computed in float64. The backward passes raise ValueError where dout has another shape than out.
Source: INRIA, activation functions; CS231n, "Commonly used activation functions".
"""

import numpy as np

from .._numbers import number, whole
from ._arguments import real, same_shape
from ._masks import masked


def sigmoid_forward(x):
    """σ(x) = 1 / (1 + exp(-x)), between 0 and 1. Computed from tanh, which never overflows: σ(x) = (1 + tanh(x/2)) / 2.

    >>> sigmoid_forward([-1000, 0, 1000])[0]
    array([0. , 0.5, 1. ])
    """
    out = 0.5 + 0.5 * np.tanh(0.5 * real(x, "x"))
    return out, out


def sigmoid_backward(dout, cache):
    """dx = dout σ(x) (1 - σ(x)): at most a quarter of dout."""
    return _upstream(dout, cache) * cache * (1 - cache)


def tanh_forward(x):
    """tanh(x) = 2 σ(2x) - 1, between -1 and 1.

    >>> tanh_forward([0, 1])[0]
    array([0.        , 0.76159416])
    """
    out = np.tanh(real(x, "x"))
    return out, out


def tanh_backward(dout, cache):
    """dx = dout (1 - tanh²(x))."""
    return _upstream(dout, cache) * (1 - cache * cache)


def relu_forward(x):
    """max(0, x).

    >>> relu_forward([1, -2, 3, -1])[0]
    array([1., 0., 3., 0.])
    """
    x = real(x, "x")
    zeros = np.zeros_like(x[:1]) if x.ndim and len(x) > 1 else 0  # against a single 0, numpy takes three times as long
    out = np.maximum(x, zeros)
    return out, out


def relu_backward(dout, cache):
    """dx = dout where x > 0, else 0; at x = 0 the slope counts as 0.

    >>> relu_backward([4, -1, 5, 9], relu_forward([1, -2, 3, -1])[1])
    array([4., 0., 5., 0.])
    """
    return masked(_upstream(dout, cache), cache > 0)


def leaky_relu_forward(x, negative_slope=0.01):
    """x where x > 0, else negative_slope x, so that no unit is ever dead.

    >>> leaky_relu_forward([1, -2], negative_slope=0.1)[0]
    array([ 1. , -0.2])
    """
    x, negative_slope = real(x, "x"), number(negative_slope, "negative_slope")
    slope = np.where(x > 0, 1, negative_slope).astype(x.dtype)
    return x * slope, slope


def leaky_relu_backward(dout, cache):
    """dx = dout where x > 0, else negative_slope dout."""
    return _upstream(dout, cache) * cache


def elu_forward(x, alpha=1.0):
    """x where x > 0, else alpha (exp(x) - 1): smooth at 0 for alpha 1. Source: Clevert, Unterthiner, Hochreiter, 2016.

    >>> elu_forward([2, 0, -1000])[0]
    array([ 2.,  0., -1.])
    """
    x, alpha = real(x, "x"), number(alpha, "alpha")
    below = alpha * np.expm1(np.minimum(x, 0))
    out = np.where(x > 0, x, below).astype(x.dtype)
    return out, np.where(x > 0, 1, below + alpha).astype(x.dtype)


def elu_backward(dout, cache):
    """dx = dout where x > 0, else alpha exp(x) dout."""
    return _upstream(dout, cache) * cache


def maxout_forward(x, pieces=2):
    """The largest of several linear units. Source: Goodfellow et al., "Maxout Networks", 2013.

    x: (N, pieces·D, ...), its second axis in `pieces` blocks of D channels. Returns out (N, D, ...), where channel d is
    the largest of the channels d, D + d, 2D + d, ... Raises ValueError where the channels do not divide into pieces.

    >>> maxout_forward([[1, 2, 3, -4]])[0]
    array([[3., 2.]])
    """
    x, pieces = real(x, "x"), whole(pieces, "pieces", 1)
    if x.ndim < 2 or x.shape[1] % pieces:
        raise ValueError(f"x has shape {x.shape}, but its second axis must divide into {pieces} pieces")
    stack = x.reshape(len(x), pieces, x.shape[1] // pieces, *x.shape[2:])
    out = stack.max(axis=1)
    return out, (out, stack.argmax(axis=1), pieces)


def maxout_backward(dout, cache):
    """dx = dout at the piece that was largest, the first one where several were; 0 elsewhere."""
    out, winner, pieces = cache
    dout = _upstream(dout, out)
    return np.concatenate([np.where(winner == piece, dout, 0) for piece in range(pieces)], axis=1)


def _upstream(dout, like):
    dout = real(dout, "dout").astype(like.dtype, copy=False)
    same_shape(dout, like.shape)
    return dout
