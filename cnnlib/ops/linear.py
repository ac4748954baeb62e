"""The fully connected layer."""

import numpy as np


def linear_forward(x, w, b=None):
    """Every output is a weighted sum of all inputs: out = x wᵀ + b.

    x: (N, in_features), or with more leading axes; w: (out_features, in_features); b: (out_features,) or None.
    Returns out (N, out_features) and a cache.
    """
    x, w = np.asarray(x), np.asarray(w)
    out = x @ w.T
    return (out if b is None else out + b), (x, w, b)


def linear_backward(dout, cache):
    """dout: (N, out_features). Returns dx, dw, db; db is None where b was None."""
    x, w, b = cache
    rows = dout.reshape(-1, len(w))
    return dout @ w, rows.T @ x.reshape(-1, x.shape[-1]), None if b is None else rows.sum(axis=0)
