"""How weights start: small random numbers from one generator, which `manual_seed` starts anew."""

import math

import numpy as np

from .._numbers import whole
from ..autograd import current_blueprint

_generator = np.random.default_rng(0)


def manual_seed(seed):
    """Starts the random numbers of all that follows (weights, dropout) anew, so that a run can be repeated.

    seed: an integer of at least 0; raises ValueError or TypeError for others.

    >>> manual_seed(1)
    >>> first = kaiming((2, 3), fan_in=3)
    >>> manual_seed(1)
    >>> bool((kaiming((2, 3), fan_in=3) == first).all())
    True
    """
    global _generator
    _generator = np.random.default_rng(whole(seed, "seed", 0, most=math.inf))


def generator():
    """The numpy Generator that weights and dropout draw from."""
    return _generator


def kaiming(shape, fan_in):
    """float32 numbers with variance 2 / fan_in, so that the signal keeps its size through ReLUs.

    Source: He et al., "Delving Deep into Rectifiers", 2015; INRIA, initialisation.
    """
    if current_blueprint():
        return constant(shape)
    return _generator.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5)


def constant(shape, value=0):
    """float32 numbers that are all alike; on a blueprint they take no memory."""
    if current_blueprint():
        return np.broadcast_to(np.float32(value), shape)
    return np.full(shape, value, np.float32)
