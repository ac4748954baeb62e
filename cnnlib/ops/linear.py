"""The fully connected layer: every output is a weighted sum of all inputs."""

import math

import numpy as np

from ._arguments import real, same_shape


def linear_forward(x, w, b=None):
    """out = x wᵀ + b.

    x: (N, in_features), or with more leading axes; w: (out_features, in_features) as in PyTorch; b: (out_features,) or
    None. Returns out (N, out_features) and a cache for `linear_backward`. Raises ValueError where shapes do not fit.
    Source: CS231n (Samara), vectorised backpropagation.

    >>> linear_forward([[1, 2]], [[3, 4], [0, 1], [1, 0]], [0, 0, 10])[0]
    array([[11.,  2., 11.]])
    """
    x, w, b = real(x, "x"), real(w, "w"), None if b is None else real(b, "b")
    if w.ndim != 2:
        raise ValueError(f"w has {w.ndim} axes, but needs 2: (out_features, in_features)")
    if x.ndim == 0 or x.shape[-1] != w.shape[1]:
        raise ValueError(f"x has shape {x.shape}, but w expects {w.shape[1]} features in its last axis")
    if b is not None and b.shape != (len(w),):
        raise ValueError(f"b has shape {b.shape}, but {len(w)} outputs need ({len(w)},)")
    out = x @ w.T
    return (out if b is None else out + b), (x, w, b)


def linear_backward(dout, cache):
    """dx = dout w, dw = doutᵀ x, db = the sum of dout over the batch.

    dout: upstream gradient (N, out_features); cache: from `linear_forward`. Returns dx, dw, db with the shapes of x, w,
    b; db is None where b was None. Raises ValueError where dout has another shape than out.

    >>> dx, dw, db = linear_backward(np.array([[1.0, 10.0]]), linear_forward([[1, 2]], [[3, 4], [5, 6]], [0, 0])[1])
    >>> dx, dw, db
    (array([[53., 64.]]), array([[ 1.,  2.],
           [10., 20.]]), array([ 1., 10.]))
    """
    x, w, b = cache
    dtype = np.result_type(x, w) if b is None else np.result_type(x, w, b)
    dout = real(dout, "dout").astype(dtype, copy=False)
    same_shape(dout, (*x.shape[:-1], len(w)))
    examples = math.prod(x.shape[:-1])
    rows = dout.reshape(examples, len(w))
    dw = rows.T @ x.reshape(examples, x.shape[-1])
    return dout @ w, dw, None if b is None else rows.sum(axis=0)
