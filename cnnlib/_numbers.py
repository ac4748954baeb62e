"""What an option must be: a whole number or a real one, and how large. Everything else is refused with one sentence."""

import math
import operator
from numbers import Real

LARGEST = 2**31 - 1  # of any size or count: more would not fit into memory, and could overflow


def whole(value, name, least=None, most=LARGEST):
    """The value as an int from `least` to `most`. Raises ValueError where it is out of range, TypeError for no integer.

    >>> whole(3.5, "stride", 1)
    Traceback (most recent call last):
    TypeError: stride must be an integer, not 3.5
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {_shown(value)}") from None
    if least is not None and number < least:
        raise ValueError(f"{name} is {number}, but must be at least {least}")
    if number > most:
        raise ValueError(f"{name} is {number}, but must be at most {most}")
    return number


def number(value, name, least=None, above=None):
    """The value as a float, finite, at least `least` or larger than `above`. Raises ValueError or TypeError.

    >>> number(float("nan"), "lr", least=0)
    Traceback (most recent call last):
    ValueError: lr is nan, but must be a finite number of at least 0
    """
    if getattr(value, "shape", None) == () and hasattr(value, "dtype"):
        value = value[()]  # an array of no axes is a number too
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {_shown(value)}")
    limit = "" if least is None else f" of at least {least}"
    limit = limit if above is None else f" larger than {above}"
    try:
        fits = math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        fits = False
    if not fits or (least is not None and value < least) or (above is not None and value <= above):
        raise ValueError(f"{name} is {value}, but must be a finite number{limit}")
    return float(value)


def _shown(value):
    """The value as Python writes it, if that is short."""
    shown = repr(value)
    return shown if len(shown) < 60 and "\n" not in shown else f"a {type(value).__name__}"
