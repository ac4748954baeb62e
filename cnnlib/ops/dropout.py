"""Dropout: in training, numbers vanish at random, so that no unit can lean on another."""

import numpy as np

from .._numbers import number
from ._arguments import real, upstream


def dropout_forward(x, p=0.5, rng=None, training=True):
    """Drops each number with probability p; what stays grows by 1 / (1 - p), so that the mean is kept.

    x: any shape; rng: a numpy Generator, needed in training. Without training, out is x. Returns out and a cache.
    Raises ValueError for a p that is no probability below 1, TypeError where rng is no Generator.
    Source: N. Srivastava et al., "Dropout", 2014; the form that leaves use as it is ("inverted") from CS231n.

    >>> dropout_forward(np.ones(6), p=0.5, rng=np.random.default_rng(0))[0]
    array([2., 2., 2., 0., 0., 0.])
    """
    x = real(x, "x")
    if number(p, "p", least=0) >= 1:
        raise ValueError(f"p is {p}, but must be at least 0 and below 1")
    if not training or p == 0:
        return x, (x.shape, x.dtype, None)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"in training, rng must be a numpy Generator such as np.random.default_rng(0), not {rng!r}")
    kept = (rng.random(x.shape, np.float32) >= p) * x.dtype.type(1 / (1 - p))
    return x * kept, (x.shape, x.dtype, kept)


def dropout_backward(dout, cache):
    """dx: dout where the number stayed, grown likewise; 0 elsewhere."""
    shape, dtype, kept = cache
    dout = upstream(dout, shape, dtype)
    return dout if kept is None else dout * kept
