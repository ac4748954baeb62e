"""What the ops accept: real numbers in any kind of array, integers or pairs. Refused with one sentence otherwise."""

import operator

import numpy as np


def real(values, name):
    """The values as an array of floats: floats keep their precision, integers become float64. Raises TypeError."""
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, not {values.dtype}")
    return values if values.dtype.kind == "f" else values.astype(float)


def pair(value, name, least):
    """(rows, columns) from an integer or a pair of integers, each at least `least`. Raises ValueError or TypeError."""
    values = tuple(value) if isinstance(value, tuple | list | np.ndarray) and np.ndim(value) else (value, value)
    try:
        values = tuple(map(operator.index, values))
    except TypeError:
        raise TypeError(f"{name} must be an integer or a pair of integers, not {value!r}") from None
    if len(values) != 2:
        raise ValueError(f"{name} has {len(values)} numbers, but an image has 2 directions")
    if min(values) < least:
        raise ValueError(f"{name} is {value}, but must be at least {least}")
    return values


def same_shape(dout, out_shape):
    """Raises ValueError unless the upstream gradient has the shape of out."""
    if dout.shape != tuple(out_shape):
        raise ValueError(f"dout has shape {dout.shape}, but out had shape {tuple(out_shape)}")
