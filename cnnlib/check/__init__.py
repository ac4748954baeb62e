"""What the tests in a notebook call: run the student's function beside a right one; say what differs, where and why.

    check.function(conv2d_forward, reference, cases, returns="out, ...")

The student's function is only ever called, so a check works the same where that function lives in another process.
"""

import contextlib
import inspect
from dataclasses import dataclass
from functools import partial

import numpy as np

from .. import gradcheck
from .notebook import closed, withhold
from .values import NotNumbers, agree, array, brief, copy, describe, show
from .verdict import Call, CheckFailed, Judge, last_case, said

__all__ = [
    "Case",
    "CheckFailed",
    "case",
    "equal",
    "function",
    "gradient",
    "last_case",
    "layer",
    "pair",
    "raises",
    "withhold",
]


@dataclass
class Case:
    """One call: its arguments, and words that say what is particular about it."""

    args: tuple
    says: str = ""


def case(*args, says=""):
    """A case with words that a failure repeats, such as "stride 2"."""
    return Case(args, says)


def function(student, reference, cases, *, returns="out", mistakes=None, name=None, rtol=1e-4, through=None):
    """The student's function must agree with the reference in every case, and leave its arguments as they are.

    cases: tuples of arguments, or `check.case(...)`; both functions get copies. returns: "out" where the result is one
    array or number; "dx, dw, db" for a tuple with these names, "_" for a part that is not judged, "..." at the end for
    any number of such. mistakes: {sentence: wrong function}; where the student's answer is the wrong function's, the
    message says the sentence. rtol: the error allowed, as a share of the largest number of an array; whole numbers must
    be met. through: where not the answers are compared but what follows from them, a function that turns the student's
    function (and each wrong one) into one that returns it. Any real dtype, any memory order, and lists are accepted.
    Raises CheckFailed.

    >>> function(lambda x: x + x, lambda x: 2 * x, [(np.ones(3),), (5,)], name="double")
    ✓ double agrees in 2 cases (largest error 0)
    """
    names, calls = max(_parameters(reference), _parameters(student), key=len), []
    for one in _cases(cases):
        call = Call(one.says, _named(names, one.args), expect=None)
        call.expect = partial(call.result, reference)
        calls.append(call)
    name, mistakes = name or _name(student, reference), mistakes or {}
    if through and callable(student):
        student, mistakes = through(student), {says: through(wrong) for says, wrong in mistakes.items()}
    Judge(name, student, calls, returns, mistakes, rtol).verdict()


def layer(forward, backward):
    """A pair of passes as one function of dout and the forward pass's arguments; it returns out and all gradients.

    >>> layer(lambda x: (x * x, x), lambda dout, x: 2 * dout * x)(1.0, 3.0)
    (9.0, 6.0)
    """

    def passes(dout, *inputs):
        result = forward(*inputs)
        if not issubclass(type(result), tuple | list) or len(result) != 2:
            raise CheckFailed(f"The forward pass returned {describe(result)}; it should return the tuple (out, cache).")
        grads = backward(dout, result[1])
        return result[0], *(grads if issubclass(type(grads), tuple | list) else [grads])

    return passes


def pair(op):
    """For `through`: of a function that returns {op: (forward, backward)}, the pair of this op as a `layer`.

    >>> pair("square")(lambda: {"square": (lambda x: (x * x, x), lambda dout, x: 2 * dout * x)})(1.0, 3.0)
    (9.0, 6.0)
    """

    def one(student):
        def passes(dout, *inputs):
            found = student()
            if type(found) is not dict:
                raise CheckFailed(f"{_name(student)} returned {describe(found)}; it should return a dictionary.")
            if op not in found:
                raise CheckFailed(f'{_name(student)} returns no pair "{op}" yet.')
            if not issubclass(type(found[op]), tuple | list) or len(found[op]) != 2:
                raise CheckFailed(f'"{op}" is {describe(found[op])}; it should be the pair (forward, backward).')
            return layer(*found[op])(dout, *inputs)

        return passes

    return one


def gradient(forward, backward, cases, *, wrt=("x", "w", "b"), mistakes=None, name=None, rtol=1e-4, seed=0):
    """The student's backward pass must agree with differences of the forward pass (see `gradcheck`).

    forward(*args) returns (out, cache), backward(dout, cache) one gradient for each name in wrt; dout is random. A name
    is that of a parameter of forward, or counts by its place; "_" is not judged; where the argument is None, so must be
    its gradient. mistakes: {sentence: wrong backward}. Raises CheckFailed.

    >>> square = lambda x: (x * x, x)
    >>> backward = lambda dout, x: 2 * dout * x
    >>> gradient(square, backward, [([1, 2],)], wrt=["x"], name="square_backward")  # doctest: +ELLIPSIS
    ✓ square_backward agrees in 1 case (largest error ...)
    """
    names, rng, calls = _parameters(forward) or list(wrt), np.random.default_rng(seed), []
    places = [None if n == "_" else names.index(n) if n in names else i for i, n in enumerate(wrt)]
    for one in _cases(cases):
        args = [np.array(a, float) if i in places and a is not None else a for i, a in enumerate(one.args)]
        dout = rng.normal(size=_forward(forward, copy(args))[0].shape)
        named = {"dout": dout} | _named(names, args)
        give, expect = partial(_upstream_and_cache, forward), partial(_slopes, forward, args, places, dout)
        calls.append(Call(one.says, named, expect, give))
    returns = ", ".join("_" if n == "_" else f"d{n}" for n in wrt)
    Judge(name or _name(backward), backward, calls, returns, mistakes or {}, rtol).verdict()


def raises(student, *args, error=ValueError, says="", mistakes=None, name=None):
    """The student's function must refuse these arguments with `error`; `says` tells why. Raises CheckFailed.

    mistakes: {sentence: wrong function}; where the student's answer is the wrong function's, the message says the sentence.

    >>> raises(int, "seven", says="no digits")
    ✓ int('seven') raises ValueError: no digits
    """
    name = name or _name(student)
    call, must = f"{name}({', '.join(show('', a) for a in args)})", f"{error.__name__}{f': {says}' if says else ''}"
    try:
        with closed():
            got = student(*copy(args))
    except NotImplementedError as raised:
        raise CheckFailed(f"{name} is not written yet.") from raised
    except error:
        print(f"✓ {call} raises {must}")
    except Exception as raised:
        raise CheckFailed(f"{call} raised {said(raised)}\nIt must raise {must}.") from raised
    else:
        hint = _same_answer(mistakes or {}, args, got)
        raise CheckFailed(f"{call} returned {describe(got)}.\nIt must raise {must}." + (f"\n{hint}" if hint else ""))


def equal(got, expected, what="the result", rtol=1e-6):
    """A number, a small array or a text must be as expected. Raises CheckFailed.

    >>> equal(28 * 28 * 6, 4704, "the number of outputs")
    ✓ the number of outputs is 4704
    """
    if expected is None or type(expected) is str:
        right = type(got) is type(expected) and got == expected
    else:
        want = array(expected)
        try:
            right = agree(want, array(got), rtol)
        except NotNumbers:
            right = False
    if not right:
        raise CheckFailed(f"{what} is {brief(got)}; expected {brief(expected)}.")
    print(f"✓ {what} is {brief(expected)}")


# --------------------------------------------------------------------------------------------------------- small parts


def _same_answer(mistakes, args, got):
    """The sentence of the first mistake that gives this answer."""
    for sentence, wrong in mistakes.items():
        with contextlib.suppress(Exception):
            if agree(array(wrong(*copy(args))), array(got)):
                return sentence
    return ""


def _forward(forward, args):
    """(out, cache) of a forward pass, which may be the student's own."""
    name = _name(forward)
    try:
        result = forward(*args)
    except NotImplementedError as raised:
        raise CheckFailed(f"{name} is not written yet, and its gradient cannot be checked without.") from raised
    except Exception as raised:
        raise CheckFailed(f"{name} raised {said(raised)}") from raised
    if not issubclass(type(result), tuple | list) or len(result) != 2:
        raise CheckFailed(f"{name} returned {describe(result)}; it should return the tuple (out, cache).")
    try:
        out = array(result[0]).astype(float)
    except NotNumbers as what:
        raise CheckFailed(f"{name}: out is {what}.") from None
    if not np.all(np.isfinite(out)):
        raise CheckFailed(f"{name}: out holds NaN or infinity, so its gradient cannot be checked.")
    return out, result[1]


def _upstream_and_cache(forward, args):
    dout, *args = args
    return dout, _forward(forward, args)[1]


def _slopes(forward, args, places, dout):
    """The numeric gradient by each argument; None where there is none, or none is asked for."""

    def out(place, value):
        return _forward(forward, [value if i == place else copy(a) for i, a in enumerate(args)])[0]

    asked = [None if place is None or args[place] is None else place for place in places]
    slopes = [None if p is None else gradcheck.numeric_gradient(partial(out, p), args[p], dout) for p in asked]
    return slopes[0] if len(slopes) == 1 else slopes


def _cases(cases):
    cases = [one if isinstance(one, Case) else Case(one) for one in cases]
    if not cases or not all(isinstance(one.args, tuple | list) for one in cases):
        raise ValueError("a check needs at least one case, each a tuple of arguments")
    return cases


def _parameters(function):
    try:
        parameters = inspect.signature(function).parameters.values()
        return [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    except (TypeError, ValueError):
        return []


def _named(names, args):
    return {names[i] if i < len(names) else f"argument {i + 1}": value for i, value in enumerate(args)}


def _name(*functions):
    names = (getattr(function, "__name__", None) for function in functions)
    return next((name for name in names if isinstance(name, str) and name.isidentifier()), "your function")
