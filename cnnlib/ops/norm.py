"""Normalisation that is learned with the network: batch norm for signals, weight norm for filters."""

from typing import NamedTuple

import numpy as np

from .._numbers import number
from ._algorithm import chosen, quick
from ._arguments import real, upstream, which_axis


class BatchNormCache(NamedTuple):
    """What `batch_norm_backward` needs; mean and var (C,) are those that were used."""

    x: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    inverse: np.ndarray  # 1 / sqrt(var + eps)
    batch: bool  # whether mean and var came from x
    algo: str | None

    @property
    def normal(self):
        """x̂, before scale and shift; made again when it is asked for, as to keep it would take as much memory as x."""
        return (self.x - _spread(self.mean, self.x)) * _spread(self.inverse, self.x)


def batch_norm_forward(x, weight, bias, running_mean=None, running_var=None, eps=1e-5, algo=None):
    """Brings every channel to mean 0 and variance 1 over the batch, then to a learned scale and shift.

    x: (N, C) or (N, C, H, W); weight, bias: (C,). With running_mean and running_var (C,), these are used instead of the
    batch's statistics: a network in use must not depend on what else is in the batch.
    Returns out and a cache whose `mean` and `var` (of all N·H·W numbers, divided by their count) a layer can follow; all
    have the precision of x. algo: "direct" for the plain way on this page, or None for the quickest (`fast.normal`).
    Raises ValueError where shapes do not fit, or where there is no number to take a mean of.
    Source: S. Ioffe and C. Szegedy, "Batch Normalization", 2015; INRIA, batch normalization.

    >>> batch_norm_forward([[1.0], [3.0]], [10.0], [100.0], eps=0)[0]
    array([[ 90.],
           [110.]])
    """
    x = real(x, "x")
    if x.ndim < 2:
        raise ValueError(f"x has {x.ndim} axes, but needs at least 2: (N, C, ...)")
    weight, bias = _one_a_channel(weight, "weight", x), _one_a_channel(bias, "bias", x)
    if (running_mean is None) != (running_var is None):
        raise ValueError("of running_mean and running_var one is None, but both or neither must be given")
    batch, fast = running_mean is None, quick("normal", algo, x)
    if batch:
        if not x.size:
            raise ValueError(f"x has shape {x.shape}: there is no number to take a mean of")
        mean, var = fast.statistics(x) if fast else (x.mean(_all_but_channels(x)), x.var(_all_but_channels(x)))
    else:
        mean, var = _one_a_channel(running_mean, "running_mean", x), _one_a_channel(running_var, "running_var", x)
        if np.any(var < 0):
            raise ValueError(f"running_var holds {var.min():g}, but a variance is at least 0")
        mean, var = mean.copy(), var.copy()  # a layer goes on changing its own before the backward pass
    inverse = 1 / np.sqrt(var + x.dtype.type(number(eps, "eps", least=0)))
    cache = BatchNormCache(x, weight, mean, var, inverse, batch, chosen(algo))
    if fast:
        return fast.forward(x, mean, inverse, weight, bias), cache
    return cache.normal * _spread(weight, x) + _spread(bias, x), cache


def batch_norm_backward(dout, cache):
    """The gradients dx, dweight and dbias.

    Mean and variance depend on every number of the channel. What dout says along the constant and along x̂, they take
    away again: dx = weight / σ (dout - mean(dout) - x̂ mean(dout x̂)). With running statistics, dx = weight / σ dout.
    """
    dout, axes = upstream(dout, cache.x.shape, cache.x.dtype), _all_but_channels(cache.x)
    if fast := quick("normal", cache.algo, cache.x):
        return fast.backward(dout, cache.x, cache.mean, cache.inverse, cache.weight, cache.batch)
    normal = cache.normal
    dbias, dweight = dout.sum(axes), (dout * normal).sum(axes)
    if cache.batch:
        count = normal.size // normal.shape[1]
        dout = dout - _spread(dbias / count, normal) - normal * _spread(dweight / count, normal)
    return dout * _spread(cache.weight * cache.inverse, normal), dweight, dbias


def weight_norm_forward(v, g, axis=0):
    """w = g v / |v|: the direction of a filter and its length are learned apart.

    v: weights of any shape, one filter for each index along `axis`; g: the lengths, in the shape of v but with length 1
    in all other axes, (K, 1, 1, 1) for the filters of a convolution. Returns w in the shape of v and a cache. Raises
    ValueError where g has another shape, or a filter is all zeros, which has no direction.
    Source: T. Salimans and D. Kingma, "Weight Normalization", 2016; INRIA, batch normalization.

    >>> weight_norm_forward([[3, 4], [0, 2]], [[10], [1]])[0]
    array([[6., 8.],
           [0., 1.]])
    """
    v, g = real(v, "v"), real(g, "g")
    axis = which_axis(axis, v.ndim)
    others = tuple(i for i in range(v.ndim) if i != axis)
    lengths = np.sqrt((v * v).sum(axis=others, keepdims=True))
    if g.shape != lengths.shape:
        raise ValueError(f"g has shape {g.shape}, but v of shape {v.shape} needs {lengths.shape}")
    if not lengths.all():
        first = np.flatnonzero(lengths.ravel() == 0)[0]
        raise ValueError(f"filter {first} of the {lengths.size} in v is all zeros, so it has no direction to keep")
    direction = v / lengths
    w = g * direction
    return w, (direction, g / lengths, others, w.dtype)


def weight_norm_backward(dout, cache):
    """dv and dg: the part of dout along the filter goes to its length, the part across it to its direction."""
    direction, scale, others, dtype = cache
    dout = upstream(dout, direction.shape, dtype)
    dg = (dout * direction).sum(axis=others, keepdims=True)
    return scale * (dout - direction * dg), dg


def _one_a_channel(values, name, x):
    """The values (C,) in the precision of x. Raises ValueError for another shape."""
    values = real(values, name)
    if values.shape != x.shape[1:2]:
        raise ValueError(f"{name} has shape {values.shape}, but {x.shape[1]} channels need ({x.shape[1]},)")
    return values.astype(x.dtype, copy=False)


def _all_but_channels(x):
    return (0, *range(2, x.ndim))


def _spread(values, x):
    """One number a channel, in a shape that repeats over x."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))
