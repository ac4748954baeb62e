"""Activations, each applied to every number on its own."""

import numpy as np


def sigmoid_forward(x):
    """σ(x) = 1 / (1 + exp(-x))."""
    out = 0.5 * (1 + np.tanh(0.5 * x))
    return out, out


def sigmoid_backward(dout, cache):
    """dx = dout σ (1 - σ)."""
    return dout * cache * (1 - cache)


def tanh_forward(x):
    """The hyperbolic tangent."""
    out = np.tanh(x)
    return out, out


def tanh_backward(dout, cache):
    """dx = dout (1 - tanh²)."""
    return dout * (1 - cache * cache)


def relu_forward(x):
    """max(0, x)."""
    return np.maximum(x, 0), x > 0


def relu_backward(dout, cache):
    """dx = dout where x > 0, else 0."""
    return dout * cache
