"""How `check` turns what a student's code returned into plain arrays, compares them, and explains a difference.

Nothing here calls a method of a student's object: a value counts only if it is made of plain numbers and arrays.
"""

import itertools

import numpy as np

KINDS = {"c": "complex numbers", "O": "Python objects", "S": "bytes", "U": "text", "V": "records", "M": "dates", "m": "times"}


class NotNumbers(Exception):
    """The value is no array of real numbers; the message says what it is, as the end of "... is"."""


def array(value):
    """The value as a plain array of real numbers; raises NotNumbers."""
    if issubclass(type(value), np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        raise NotNumbers(f"a masked array with {int(np.ma.getmaskarray(value).sum())} masked entries, not a plain array")
    try:
        result = np.asarray(_plain(value))
    except ValueError:
        raise NotNumbers("a list whose rows differ in length, not an array") from None
    if result.dtype.kind not in "biuf":
        raise NotNumbers(f"an array of {KINDS.get(result.dtype.kind, result.dtype)}, not of real numbers")
    return result


def _plain(value, depth=0):
    kind = type(value)
    if kind in (bool, int, float, complex):
        return value
    if issubclass(kind, np.ndarray):
        return np.ndarray.view(value, np.ndarray)
    if issubclass(kind, np.generic):
        return np.generic.__array__(value)
    if issubclass(kind, list | tuple) and depth < 32:
        return [_plain(item, depth + 1) for item in (list if issubclass(kind, list) else tuple).__iter__(value)]
    raise NotNumbers(f"{describe(value)}, not an array")


def describe(value):
    """What a value is, in a few words."""
    kind = type(value)
    if value is None:
        return "None"
    if issubclass(kind, np.ndarray):
        return f"an array {np.ndarray.view(value, np.ndarray).shape}"
    if kind in (bool, int, float, complex) or issubclass(kind, np.generic):
        return f"the number {number(value)}" if kind is not bool else str(value)
    if kind is str:
        return f"the text {value[:40]!r}"
    if kind in (list, tuple):
        return f"a {kind.__name__} of {len(value)} ({', '.join(_short(item) for item in value[:4])}{', ...' if len(value) > 4 else ''})"
    name = str(value._kind) if kind.__name__ == "Remote" else kind.__name__
    return f"a {name}" if name[:1].lower() not in "aeiou" else f"an {name}"


def _short(value):
    words = describe(value)
    return words.removeprefix("an ").removeprefix("a ").removeprefix("the number ")


def number(value):
    """A number with four digits."""
    value = value.item() if issubclass(type(value), np.ndarray | np.generic) else value
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def errors(expected, got, rtol):
    """For each entry: how far off it is as a share of what is allowed (inf where NaN or infinite and should not be), and the scale."""
    if expected.dtype.kind == "b" and got.dtype.kind == "b":
        return np.where(expected == got, 0.0, np.inf), 1.0
    want, have = expected.astype(float), got.astype(float)
    finite = np.isfinite(want)
    scale = np.max(np.abs(want), where=finite, initial=0.0) or 1e-2
    allowed = rtol * scale if expected.dtype.kind == "f" else min(rtol * scale, 1e-3)
    with np.errstate(all="ignore"):
        ratio = np.abs(have - want) / allowed
    same = np.where(np.isnan(want), np.isnan(have), have == want)
    return np.where(finite & np.isfinite(have), ratio, np.where(same, 0.0, np.inf)), scale


def agree(expected, got, rtol):
    """Whether two plain arrays have one shape and equal numbers within rtol of the largest."""
    return expected.shape == got.shape and bool(np.all(errors(expected, got, rtol)[0] <= 1))


def explain(expected, got, name):
    """A sentence that says in which way two arrays differ, or ""."""
    try:
        expected, got = array(expected), array(got)
    except NotNumbers:
        return ""
    if expected.shape != got.shape:
        return _explain_shape(expected, got, name)
    return ""


def _explain_shape(expected, got, name):
    if sorted(expected.shape) == sorted(got.shape):
        for axes in itertools.permutations(range(got.ndim)):
            if agree(expected, got.transpose(axes), 1e-4):
                return f"The numbers are right, but the axes are in another order: {name}.transpose{axes} would fit."
    return ""
