"""A network as a table: two layers of units that are on or off.

Source: INRIA, "Classification over binary inputs".
"""

from typing import NamedTuple

import numpy as np

from .ops._arguments import real


class Lookup(NamedTuple):
    """Two linear layers with a step after each: weights w1 (M, D) and w2 (1, M), biases b1 (M,) and b2 (1,)."""

    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray


def lookup_predict(network, x):
    """The answers, 0 or 1, of a `Lookup` to inputs x (N, D). Returns (N,)."""
    x = _signs(x, "x")
    if x.ndim != 2 or x.shape[1] != network.w1.shape[1]:
        raise ValueError(f"x has shape {x.shape}, but the network needs (N, {network.w1.shape[1]})")
    z = step(x @ network.w1.T + network.b1)
    return step(z @ network.w2.T + network.b2)[:, 0]


def step(scores):
    """1 where a score is at least 0, else 0: the neuron of McCulloch and Pitts.

    >>> step([-0.1, 0, 2])
    array([0, 1, 1])
    """
    return (real(scores, "scores") >= 0).astype(int)


def _signs(t, name="t"):
    t = real(t, name)
    if not np.all(abs(t) == 1):
        raise ValueError(f"{name} holds {t[abs(t) != 1].flat[0]:g}, but only -1 and 1 are allowed")
    return t
