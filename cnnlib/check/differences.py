"""In which way a wrong array differs from the right one: each rule looks for one pattern and says it in a sentence."""

import itertools

import numpy as np

from .values import CLOSE, agree, allowed, count, error, is_whole, number


def explain(want, have, name):
    """A sentence that says in which way the array `have`, called name, differs from `want`; "" where none fits."""
    rules = SAME_SHAPE if want.shape == have.shape else OTHER_SHAPE
    if max(want.ndim, have.ndim) > 6 or not want.ndim or not want.size:
        return ""
    with np.errstate(all="ignore"):
        return next(filter(None, (rule(want.astype(float), have, name) for rule in rules)), "")


def _not_finite(want, have, name):
    bad = np.count_nonzero(~np.isfinite(have))
    if bad > np.count_nonzero(~np.isfinite(want)):
        return f"{name} holds NaN or infinity in {count(bad, 'place')}: from a division by zero, or from np.empty?"


def _zeros(want, have, name):
    if not have.any():
        return f"Every number of {name} is 0. Is it ever filled in?"


def _whole_numbers(want, have, name):
    if have.dtype.kind in "iu" and not is_whole(want):
        return f"{name} has dtype {have.dtype}, which cuts fractions off: make an array of floats."


def _sign(want, have, name):
    if want.size > 1 and agree(-want, have):
        return "Every sign is the other way round."


def _order(want, have, name):
    if sorted(want.shape) == sorted(have.shape):
        for axes in itertools.permutations(range(have.ndim)):
            if agree(want, have.transpose(axes)):
                return f"The numbers are right, the order of the axes is not: {name}.transpose{axes} would be right."


def _flipped(want, have, name):
    for axes in _some([axis for axis in range(want.ndim) if want.shape[axis] > 1]):
        if agree(want, np.flip(have, axes)):
            return f"The numbers are right, but in reverse along {_axes(axes)}: is a flip missing, or one too many?"


def _factor(want, have, name):
    factor = float(np.sum(want * have) / np.sum(want * want))
    if want.size > 2 and np.isfinite(factor) and agree(factor * want, have):
        part = round(1 / factor) if abs(factor) > 1e-9 else 0
        share = f"1/{part} of" if part > 1 and agree(want / part, have) else f"{number(factor)} times"
        return f"Every number is {share} what it should be."


def _offset(want, have, name):
    off = have - want
    if want.size > 2 and np.ptp(off) <= allowed(want, CLOSE):
        return f"Every number is off by {number(off.flat[0])}."
    for axis in range(want.ndim):
        rows = np.moveaxis(off, axis, 0).reshape(want.shape[axis], -1)
        if min(rows.shape) > 1 and np.ptp(rows, axis=1).max() <= allowed(want, CLOSE):
            bias = ", as if a bias were missing or added too often" if want.ndim > 2 else ""
            return f"The error depends on the index in axis {axis} only{bias}."


def _nearly(want, have, name):
    if np.max(error(want, have)) <= 100 * allowed(want, CLOSE):
        why = "float16 keeps only three digits." if have.dtype == np.float16 else "is something rounded, or left out?"
        return f"The numbers are nearly right: {why}"


def _border(want, have, name):
    wrong = error(want, have) > allowed(want, CLOSE)
    if want.ndim < 2 or min(want.shape[-2:]) < 3:
        return None
    sides = wrong[..., 0, :], wrong[..., -1, :], wrong[..., 0], wrong[..., -1]
    if sum(side.mean() > 0.5 for side in sides) > 1 and not wrong[..., 1:-1, 1:-1].any():
        return "All errors are at the border: how is the padding treated?"


def _place(want, have, name):
    wrong, words = error(want, have) > allowed(want, CLOSE), []
    for axis in range(want.ndim):
        bad = np.flatnonzero(wrong.any(axis=tuple(a for a in range(want.ndim) if a != axis)))
        right = np.setdiff1d(range(want.shape[axis]), bad)
        if len(right) and min(len(right), len(bad)) <= 3:
            words.append(f"at {f'index {_or(bad)}' if len(bad) <= 3 else f'any index but {_or(right)}'} of axis {axis}")
    if words:
        *first, last = words
        return f"All errors are {', '.join(first)}{' and ' if first else ''}{last}."


def _summed(want, have, name):
    for axes in _some(range(have.ndim)) if have.size else ():
        if agree(want, np.asarray(np.sum(have, axis=axes))):
            if all(have.shape[axis] == 1 for axis in axes):
                return f"The numbers are right, but {_axes(axes)} should be gone: is a sum missing, or a reshape?"
            return f"Its sum over {_axes(axes)} would be right."
        if agree(want, np.asarray(np.mean(have, axis=axes))):
            return f"Its mean over {_axes(axes)} would be right."


def _reshaped(want, have, name):
    if want.size == have.size and agree(want.ravel(), have.ravel()):
        return f"The numbers are right, only the shape is not: {name}.reshape{want.shape} would be right."


def _framed(want, have, name):
    if want.ndim != have.ndim or want.ndim < 2 or want.shape[:-2] != have.shape[:-2]:
        return None
    rows, columns = np.subtract(have.shape[-2:], want.shape[-2:])
    if rows == columns:  # a frame is as wide on all sides
        if agree(want, _middle(have, want.shape)):
            return f"It is right but for a border of {(columns + 1) // 2}: cut the padding off."
        if agree(_middle(want, have.shape), have):
            return "It is right as far as it goes, but its border is missing: is the padding ignored?"


def _strided(want, have, name):
    for step, which in ((2, "second"), (3, "third"), (4, "fourth")):
        some = have[(..., *[slice(None, None, step)] * min(have.ndim, 2))]
        if have.ndim == want.ndim and agree(want, some[tuple(map(slice, want.shape))]):
            return f"Every {which} number of it would be right: is the stride ignored?"


def _middle(array, shape):
    """The middle part of the last two axes, as large as shape says."""
    top, left = (max(array.shape[i] - shape[i], 0) // 2 for i in (-2, -1))
    return array[..., top : array.shape[-2] - top, left : array.shape[-1] - left]


def _some(axes):
    """All choices of at least one axis, the smaller first."""
    return itertools.chain.from_iterable(itertools.combinations(axes, n) for n in range(1, len(axes) + 1))


def _axes(axes):
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes[:-1]))} and {axes[-1]}"


def _or(indices):
    *first, last = map(str, indices)
    return f"{', '.join(first)} or {last}" if first else last


SAME_SHAPE = (_not_finite, _zeros, _whole_numbers, _sign, _order, _flipped, _factor, _offset, _nearly, _border, _place)
OTHER_SHAPE = (_order, _summed, _reshaped, _framed, _strided)
