"""What the ops accept: real numbers in any kind of array, integers or pairs. Refused with one sentence otherwise."""

import operator

import numpy as np

from .._numbers import LARGEST, whole


def real(values, name):
    """The values as an array of floats: floats keep their precision, integers become float64. Raises TypeError."""
    if type(values) is np.ndarray and values.dtype.kind == "f" and values.dtype.isnative:
        return values  # as nearly always
    values = array(values, name)
    return values.astype(values.dtype.newbyteorder("=") if values.dtype.kind == "f" else float, copy=False)


def array(values, name):
    """The values as an array of numbers of any type but complex. Raises TypeError, also for rows of different lengths."""
    try:
        values = np.asarray(values)
    except ValueError:
        raise TypeError(f"{name} must be an array, but its rows have different lengths") from None
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, not {values.dtype}")
    return values


def images(values, name="x"):
    """The values as images (N, C, H, W) of floats, of one pixel at least. Raises ValueError or TypeError."""
    values = real(values, name)
    if values.ndim != 4:
        raise ValueError(f"{name} has {values.ndim} axes, but images need 4: (N, C, H, W)")
    if min(values.shape[2:]) < 1:
        raise ValueError(f"{name} has {values.shape[2]} x {values.shape[3]} pixels, but needs at least 1 x 1")
    return values


def pair(value, name, least):
    """(rows, columns) from an integer or a pair of integers, each at least `least`. Raises ValueError or TypeError."""
    if type(value) is int and least <= value <= LARGEST:
        return value, value  # as nearly always; a small network feels the questions below
    values = tuple(value) if isinstance(value, tuple | list | np.ndarray) and np.ndim(value) else (value, value)
    try:
        values = tuple(map(operator.index, values))
    except TypeError:
        raise TypeError(f"{name} must be an integer or a pair of integers, not {value!r}") from None
    if len(values) != 2:
        raise ValueError(f"{name} has {len(values)} numbers, but an image has 2 directions")
    if min(values) < least:
        raise ValueError(f"{name} is {value}, but must be at least {least}")
    if max(values) > LARGEST:
        raise ValueError(f"{name} is {value}, but must be at most {LARGEST}")
    return values


def which_axis(axis, ndim):
    """The axis counted from the front. Raises ValueError where an array with ndim axes has no such axis, or TypeError."""
    axis = whole(axis, "axis")
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis is {axis}, but there are {ndim} axes")
    return axis % ndim


def same_shape(dout, out_shape):
    """Raises ValueError unless the upstream gradient has the shape of out."""
    if dout.shape != tuple(out_shape):
        raise ValueError(f"dout has shape {dout.shape}, but out had shape {tuple(out_shape)}")


def upstream(dout, out_shape, dtype):
    """The upstream gradient in the precision of out. Raises ValueError unless it has the shape of out, or TypeError."""
    dout = real(dout, "dout").astype(dtype, copy=False)
    same_shape(dout, out_shape)
    return dout
