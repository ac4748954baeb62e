"""Which way an op is computed: the plain one, on its own page, or a quick one from the folder `fast`."""

import contextlib
import importlib
from contextvars import ContextVar
from functools import lru_cache

import numpy as np

_plain = ContextVar("plain", default=False)


@contextlib.contextmanager
def plain():
    """Inside the `with`, every op is computed the plain way, as if each call had said algo="direct".

    >>> from cnnlib import ops
    >>> with ops.plain():
    ...     out, cache = ops.max_pool2d_forward(np.ones((1, 1, 2, 2)), kernel_size=2)
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def chosen(algo):
    """What is meant by an algo of None: the plain way inside `plain`, or None, for the quickest."""
    return "direct" if algo is None and _plain.get() else algo


def quick(name, algo, *arrays):
    """The module of `fast` that computes an op of these arrays quickly; None where the plain way is to be taken.

    That is where it is asked for, where there is nothing to compute, in precisions that are rare, and in a lesson that
    has withheld the folder `fast` from its students. Raises ValueError where algo is neither None nor "direct".
    """
    if algo is not None and not (isinstance(algo, str) and algo == "direct"):
        raise ValueError(f"algo is {algo!r}, but must be None or 'direct'")
    if chosen(algo) == "direct" or not all(a.size and a.dtype in (np.float32, np.float64) for a in arrays):
        return None
    return _fast(name)


@lru_cache
def _fast(name):
    try:
        return importlib.import_module(f".fast.{name}", __package__)
    except ImportError:
        return None
