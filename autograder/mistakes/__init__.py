"""The bank: plausible wrong solutions of the graded functions, and right ones in many styles.

A mistake has one sentence that the student reads when an answer equals the mistake's. The bank also tests the tests:
every mistake must lose points, every style must keep them all. An entry is a plain function whose only global is `np`,
so that its source can be pasted into a solution cell. Each lesson has a file; entries bear the graded function's name.
"""

import functools
import inspect

_MISTAKES, _STYLES = {}, {}


def mistake(sentence):
    """Decorator: a wrong solution of the graded function of this name; `sentence`: what is wrong, how to mend it."""
    return _entry(_MISTAKES, sentence)


def style(name):
    """Decorator: a right solution of the graded function of this name."""
    return _entry(_STYLES, name)


def _entry(bank, key):
    def register(function):
        entries = bank.setdefault(function.__name__, {})
        if key in entries:
            raise ValueError(f"{function.__name__} has two entries called {key!r}")
        entries[key] = function
        return function

    return register


def functions():
    """The names of the graded functions that the bank knows."""
    return sorted(_MISTAKES)


def known(name):
    """The known mistakes of a graded function: {sentence: function}. KeyError if the bank does not know `name`."""
    return dict(_MISTAKES[name])


@functools.cache
def sentences():
    """Every known mistake's sentence."""
    return frozenset(sentence for bank in _MISTAKES.values() for sentence in bank)


def named(message):
    """The known mistake's sentence among the lines of a test's message; None where there is none."""
    return next((line for line in map(str.strip, message.splitlines()) if line in sentences()), None)


def styles(name):
    """The right solutions of a graded function: {style: function}. KeyError if the bank does not know `name`."""
    return dict(_STYLES[name])


def source(function, name):
    """The text of an entry as a definition named `name`; it needs nothing but `import numpy as np`."""
    text = inspect.getsource(function)
    definition = text[("\n" + text).index("\ndef ") :]
    return f"def {name}({definition.partition('(')[2]}"


# The files of the lessons register their entries with the decorators above.
from autograder.mistakes import (  # noqa: E402
    architectures,
    backprop,
    conv_backward,
    conv_dims,
    convolution,
    neurons,
    pooling,
    training,
)
