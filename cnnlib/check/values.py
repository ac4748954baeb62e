"""Values as `check` sees them: turned into plain arrays, compared, copied, put into words.

No method of a student's object is ever called: a value counts only where it is made of Python's or numpy's own numbers.
"""

from copy import deepcopy

import numpy as np

KINDS = {"c": "complex numbers", "O": "Python objects", "S": "bytes", "U": "text", "V": "records"}
NUMBERS = (bool, int, float, complex)
CLOSE = 1e-4


class NotNumbers(Exception):
    """The value is no array of real numbers; the message says what it is."""


def array(value):
    """The value as a plain array of real numbers, from arrays, numbers, and lists of them. Raises NotNumbers."""
    if issubclass(type(value), np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        raise NotNumbers(f"a masked array, {np.count_nonzero(np.ma.getmaskarray(value))} entries of which are hidden")
    try:
        result = np.asarray(_plain(value))
    except NotNumbers:  # it met something inside; what matters to the reader is the whole
        raise NotNumbers(describe(value)) from None
    except ValueError:
        raise NotNumbers("a list whose parts differ in shape") from None
    if result.dtype.kind not in "biuf":
        raise NotNumbers(f"an array of {KINDS.get(result.dtype.kind, result.dtype)}")
    return result


def _plain(value, depth=0):
    kind = type(value)
    if kind in NUMBERS:
        return value
    if issubclass(kind, np.ndarray):
        return np.ndarray.view(value, np.ndarray)
    if issubclass(kind, np.generic):
        return np.generic.__array__(value)
    base = next((base for base in (list, tuple) if issubclass(kind, base)), None)
    if base is None or depth > 32:
        raise NotNumbers(describe(value))
    items = list(base.__iter__(value))
    return items if all(type(item) in NUMBERS for item in items) else [_plain(item, depth + 1) for item in items]


def error(expected, got):
    """For each number of two arrays of one shape the distance; infinite where one of them is NaN or infinite alone."""
    want, have = expected.astype(float), got.astype(float)
    with np.errstate(all="ignore"):
        distance = np.abs(have - want)
    same = (have == want) | (np.isnan(have) & np.isnan(want))
    return np.where(np.isfinite(want) & np.isfinite(have), distance, np.where(same, 0.0, np.inf))


def allowed(expected, rtol):
    """How large an error may be: rtol of the largest number, but a whole number must be met to a thousandth."""
    largest = np.max(np.abs(expected.astype(float)), where=np.isfinite(expected), initial=0.0)
    tolerance = rtol * (largest or 0.01)
    return tolerance if expected.dtype.kind == "f" else min(tolerance, 1e-3)


def agree(expected, got, rtol=CLOSE):
    """Whether two plain arrays have one shape and equal numbers."""
    return expected.shape == got.shape and bool(np.all(error(expected, got) <= allowed(expected, rtol)))


def copy(value):
    """A copy of a value with its lists, arrays and random generators; anything else stays the same object."""
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if isinstance(value, np.random.Generator):
        return deepcopy(value)
    if type(value) in (list, tuple):
        return type(value)(map(copy, value))
    if type(value) is dict:
        return {key: copy(item) for key, item in value.items()}
    return value


def changes(name, before, after):
    """The names of the arrays and numbers that differ between a value and its copy from before."""
    if type(before) is not type(after):
        return [name]
    if isinstance(before, np.ndarray):
        same = before.shape == after.shape and before.dtype == after.dtype and before.tobytes() == after.tobytes()
        return [] if same else [name]
    if type(before) in (list, tuple, dict):
        keys = list(before) if type(before) is dict else range(len(before))
        if len(before) != len(after) or (type(before) is dict and list(after) != keys):
            return [name]
        return [path for key in keys for path in changes(f"{name}[{key!r}]", before[key], after[key])]
    return [name] if type(before) in NUMBERS and before != after and before == before else []


# --------------------------------------------------------------------------------------------------------------- words


def describe(value):
    """What a value is: "an array (2, 3)", "a tuple of 2 values: ...", "None"."""
    kind = type(value)
    if value is None or kind is bool:
        return str(value)
    if issubclass(kind, np.ndarray):
        return f"an array {np.ndarray.view(value, np.ndarray).shape}"
    if kind in NUMBERS or issubclass(kind, np.number):
        return f"the number {number(value)}"
    if kind is str:
        return f"the text {value if len(value) < 40 else value[:37] + '...'!r}"
    if kind in (list, tuple):
        more = ", ..." if len(value) > 4 else ""
        inside = ", ".join(map(_bare, value[:4]))
        return f"a {kind.__name__} of {count(len(value), 'value')}" + (f": {inside}{more}" if value else "")
    if (
        kind.__module__ == "autograder.remote"
    ):  # it stayed in the student's process; only the name of its class is known
        return f"an object of class {value._kind}"
    return f"a {kind.__name__}" if kind.__module__ == "builtins" else f"an object of class {kind.__name__}"


def _bare(value):
    if type(value) in (list, tuple):
        return type(value).__name__
    return describe(value).removeprefix("an ").removeprefix("a ").removeprefix("the number ").removeprefix("the ")


def show(name, value):
    """An argument in few words: `x (2, 3, 5, 7)` for an array, `stride=2` for what is small enough to be seen."""
    if issubclass(type(value), np.ndarray):
        value = np.ndarray.view(value, np.ndarray)
        if value.size > 9 or value.ndim > 2 or not is_whole(value):
            kind = "" if value.dtype == float else f" {value.dtype}"
            return f"{name} {value.shape}{kind}".strip()
    return f"{name}={brief(value)}" if name else brief(value)


def brief(value):
    """A value as one would write it, arrays shortened."""
    kind = type(value)
    if kind in (tuple, list):
        inside = ", ".join(show("array", item) if issubclass(type(item), np.ndarray) else brief(item) for item in value)
        return f"({inside}{',' if len(value) == 1 else ''})" if kind is tuple else f"[{inside}]"
    if issubclass(kind, np.ndarray):
        value = np.ndarray.view(value, np.ndarray)
        return entries(value) if value.size <= 12 and value.ndim <= 2 else f"an array {value.shape}"
    if kind in NUMBERS or issubclass(kind, np.number):
        return number(value)
    return repr(value) if kind in (str, type(None)) else describe(value)


def entries(values):
    """All numbers of a small array in one line."""
    return f"[{', '.join(map(entries, values))}]" if values.ndim else number(values)


def number(value, digits=4):
    """A number with so many digits, a whole number with all."""
    value = value.item() if isinstance(value, np.ndarray | np.generic) else value
    whole = type(value) is float and value.is_integer() and abs(value) < 1e15
    return f"{value:.{digits}g}" if type(value) is float and not whole else str(int(value) if whole else value)


def two_numbers(a, b):
    """Two numbers with as many digits as it takes to tell them apart."""
    pairs = ((number(a, digits), number(b, digits)) for digits in range(4, 18))
    return next((pair for pair in pairs if float(pair[0]) != float(pair[1])), (number(a), number(b)))


def count(n, noun, nouns=None):
    """ "1 case", "2 cases"."""
    return f"{n} {noun if n == 1 else nouns or noun + 's'}"


def is_whole(values):
    return values.dtype.kind in "biu" or (values.dtype.kind == "f" and bool(np.all(values == np.round(values))))
