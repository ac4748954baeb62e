"""Normalisation that is learned with the network: batch norm for signals, weight norm for filters."""

from typing import NamedTuple

import numpy as np

from ._arguments import real, upstream


class BatchNormCache(NamedTuple):
    """What `batch_norm_backward` needs; mean and var (C,) are those that were used."""

    x: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    inverse: np.ndarray  # 1 / sqrt(var + eps)
    batch: bool  # whether mean and var came from x


def batch_norm_forward(x, weight, bias, running_mean=None, running_var=None, eps=1e-5):
    """Brings every channel to mean 0 and variance 1 over the batch, then to a learned scale and shift.

    x: (N, C) or (N, C, H, W); weight, bias: (C,). With running_mean and running_var (C,), these are used instead of the
    batch's statistics: a network in use must not depend on what else is in the batch.
    Returns out and a cache whose `mean` and `var` (of all N·H·W numbers, divided by their count) a layer can follow.
    Raises ValueError where shapes do not fit, or where there is no number to take a mean of.
    Source: S. Ioffe and C. Szegedy, "Batch Normalization", 2015; INRIA, training.

    >>> batch_norm_forward([[1.0], [3.0]], [10.0], [100.0], eps=0)[0]
    array([[ 90.],
           [110.]])
    """
    x, weight, bias = real(x, "x"), real(weight, "weight"), real(bias, "bias")
    if x.ndim < 2:
        raise ValueError(f"x has {x.ndim} axes, but needs at least 2: (N, C, ...)")
    for name, array in {
        "weight": weight,
        "bias": bias,
        "running_mean": running_mean,
        "running_var": running_var,
    }.items():
        if array is not None and np.shape(array) != x.shape[1:2]:
            raise ValueError(f"{name} has shape {np.shape(array)}, but {x.shape[1]} channels need ({x.shape[1]},)")
    batch = running_mean is None or running_var is None
    if batch:
        if not x.size:
            raise ValueError(f"x has shape {x.shape}: there is no number to take a mean of")
        axes = _all_but_channels(x)
        mean, var = x.mean(axes), x.var(axes)
    else:
        mean, var = np.asarray(running_mean, x.dtype), np.asarray(running_var, x.dtype)
    inverse = 1 / np.sqrt(var + x.dtype.type(eps))
    scale = weight * inverse
    out = x * _channels(scale, x) + _channels(bias - mean * scale, x)
    return out.astype(x.dtype, copy=False), BatchNormCache(x, weight, mean, var, inverse, batch)


def batch_norm_backward(dout, cache):
    """The gradients dx, dweight and dbias.

    Mean and variance depend on every number of the channel. What dout says along the constant and along x̂, they take
    away again: dx = weight / σ (dout - mean(dout) - x̂ mean(dout x̂)). With running statistics, dx = weight / σ dout.
    """
    x = cache.x
    dout, axes = upstream(dout, x.shape, x.dtype), _all_but_channels(cache.x)
    normal = (x - _channels(cache.mean, x)) * _channels(cache.inverse, x)
    dbias, dweight = dout.sum(axes), (dout * normal).sum(axes)
    dx = dout
    if cache.batch:
        count = x.size // x.shape[1]
        dx = dout - _channels(dbias / count, x) - normal * _channels(dweight / count, x)
    return (dx * _channels(cache.weight * cache.inverse, x)).astype(x.dtype, copy=False), dweight, dbias


def weight_norm_forward(v, g, axis=0):
    """w = g v / |v|: the direction of a filter and its length are learned apart.

    v: weights of any shape; g: the lengths, (K, 1, 1, 1) for filters along axis 0 (or any shape that repeats over v with
    length 1 in all other axes). Returns w in the shape of v and a cache. Raises ValueError where g has another shape, or
    a filter is all zeros, which has no direction. Source: T. Salimans and D. Kingma, "Weight Normalization", 2016.

    >>> weight_norm_forward([[3, 4], [0, 2]], [[10], [1]])[0]
    array([[6., 8.],
           [0., 1.]])
    """
    v, g = real(v, "v"), real(g, "g")
    axes = tuple(i for i in range(v.ndim) if i != axis % v.ndim)
    lengths = np.sqrt((v * v).sum(axis=axes, keepdims=True))
    if g.shape != lengths.shape:
        raise ValueError(f"g has shape {g.shape}, but v of shape {v.shape} needs {lengths.shape}")
    if not lengths.all():
        raise ValueError("a filter of v is all zeros, so it has no direction to keep")
    return g * (v / lengths), (v, g, lengths, axes)


def weight_norm_backward(dout, cache):
    """dv and dg: the part of dout along the filter goes to its length, the part across it to its direction."""
    v, g, lengths, axes = cache
    dout, direction = upstream(dout, v.shape, v.dtype), v / lengths
    dg = (dout * direction).sum(axis=axes, keepdims=True)
    return g / lengths * (dout - direction * dg), dg


def _all_but_channels(x):
    return (0, *range(2, x.ndim))


def _channels(values, x):
    """One number a channel, in a shape that repeats over x."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))
