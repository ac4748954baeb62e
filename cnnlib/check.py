"""What a notebook's tests call: runs your function and the library's on the same cases and says what differs, where and how much.

    check.function(conv2d_forward, reference, cases, returns="out, ...")

Only calls the student's function and looks at what comes back, so it works the same where that function lives in another process.
"""

import inspect
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import gradcheck
from ._judge import NotNumbers, agree, array, describe, errors, explain, number


class CheckFailed(AssertionError):
    """A check that did not pass; its text is the whole message. A notebook shows the text without a traceback."""

    def _render_traceback_(self):
        return str(self).splitlines()


@dataclass
class Case:
    """One call: its arguments, and words that say what is particular about it."""

    args: tuple
    says: str = ""


def case(*args, says=""):
    """A case with a description that a failure repeats, such as "stride 2, pad 1"."""
    return Case(args, says)


def function(student, reference, cases, *, returns="out", mistakes=None, name=None, rtol=1e-4):
    """The student's function must agree with the reference in every case; raises CheckFailed where it does not.

    cases: tuples of arguments, or `check.case(*args, says=...)`; both functions get copies. returns: "out" where the
    result is one array or number, "dx, dw, db" for a tuple with these names; "_" is an entry that is not judged, "..." at
    the end any number of them. mistakes: {sentence: wrong function}; where the student's answer is that of a wrong
    function, the message says its sentence. An entry may be off by rtol times the largest number of its array.

    >>> function(lambda x: x + x, lambda x: 2 * x, [(np.ones(3),), (5,)], name="double")
    ✓ double agrees in 2 cases (largest error 0)
    """
    names = _parameters(reference)
    calls = []
    for one in _cases(cases):

        def prepare(args=one.args):
            given = _copy(args)
            return given, dict(zip(_names(names, len(args)), given, strict=True))

        calls.append(_Call(one.says, prepare, lambda prepare=prepare: reference(*prepare()[0])))
    _judge(name or _name(student, reference), student, calls, returns, mistakes, rtol)


def gradient(forward, backward, cases, *, wrt=("x", "w", "b"), mistakes=None, name=None, rtol=1e-4, seed=0):
    """The student's backward pass must agree with central differences of the forward pass; raises CheckFailed.

    forward(*args) returns (out, cache); backward(dout, cache) returns one gradient for each name of wrt, the names of
    forward's first arguments ("_" for one that is not judged); dout is random. mistakes: {sentence: wrong backward}.

    >>> square = lambda x: (x * x, x)
    >>> gradient(square, lambda dout, x: 2 * dout * x, [(np.array([1.0, 2.0]),)], wrt=("x",), name="square_backward")
    ✓ square_backward agrees in 1 case (largest error ...)
    """
    wrt = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    names, rng, calls = _parameters(forward), np.random.default_rng(seed), []
    for one in _cases(cases):
        args = [np.array(a, float) if i < len(wrt) and a is not None else a for i, a in enumerate(one.args)]
        dout = rng.normal(size=np.shape(forward(*_copy(args))[0]))

        def prepare(args=args, dout=dout):
            given, upstream = _copy(args), dout.copy()
            cache = forward(*given)[1]
            return (upstream, cache), {"dout": upstream, **dict(zip(_names(names, len(args)), given, strict=True))}

        def expected(args=args, dout=dout):
            def moved(i):
                return lambda a: np.asarray(forward(*_copy(args[:i]), a, *_copy(args[i + 1 :]))[0])

            numeric = [None if args[i] is None or wrt[i] == "_" else gradcheck.numeric_gradient(moved(i), args[i], dout) for i in range(len(wrt))]
            return numeric[0] if len(wrt) == 1 else tuple(numeric)

        calls.append(_Call(one.says, prepare, expected))
    returns = ", ".join("_" if n == "_" else f"d{n}" for n in wrt)
    _judge(name or _name(backward, None), backward, calls, returns, mistakes, rtol)


def raises(student, *args, error=ValueError, says="", name=None):
    """The student's function must refuse these arguments with `error`; `says` tells why they cannot be right.

    >>> raises(int, "seven", says="seven is no number")
    ✓ int refuses 'seven' (seven is no number)
    """
    name = name or _name(student, None)
    reason = f" ({says})" if says else ""
    given = _copy(args)
    shown = ", ".join(_show("", a) for a in args)
    try:
        got = student(*given)
    except NotImplementedError as raised:
        raise CheckFailed(f"{name} is not written yet.") from raised
    except error:
        print(f"✓ {name} refuses {shown}{reason}")
        return
    except Exception as raised:
        text = f"{name}({shown}) raised {type(raised).__name__}: {raised}\nIt should raise {error.__name__}{reason}."
        raise CheckFailed(text) from raised
    raise CheckFailed(f"{name}({shown}) returned {describe(got)}.\nIt should raise {error.__name__}{reason}.")


def equal(got, expected, what="the result", rtol=1e-6):
    """A number, a text or a small array must be as expected; raises CheckFailed.

    >>> equal(28 * 28 * 6, 4704, "the number of outputs")
    ✓ the number of outputs is 4704
    """
    shown = _value(expected)
    if expected is None or isinstance(expected, str):
        right = type(got) is type(expected) and got == expected
    else:
        try:
            right = agree(array(expected), array(got), rtol)
        except NotNumbers as problem:
            raise CheckFailed(f"{what} is {problem}.\nExpected {shown}.") from None
    if not right:
        raise CheckFailed(f"{what} is {_value(got)}.\nExpected {shown}.")
    print(f"✓ {what} is {shown}")


# ---------------------------------------------------------------------------------------------- one call and its verdict


@dataclass
class _Call:
    says: str
    prepare: callable  # -> fresh arguments, and {name: argument} to watch for changes in place
    expected: callable  # -> what a right function returns


def _judge(name, student, calls, returns, mistakes, rtol):
    if not callable(student):
        raise CheckFailed(f"{name} is {describe(student)}, not a function.")
    names, largest = [part.strip() for part in returns.split(",")], 0.0
    for i, call in enumerate(calls):
        expected = _parts(call.expected(), names)
        given, watched = call.prepare()
        before = _copy(watched)
        where = ", ".join(_show(key, value) for key, value in before.items())
        where = f"In case {i + 1} of {len(calls)}{f' ({call.says})' if call.says else ''}: {where}."
        got, problem = _attempt(student, given, names, name, where)
        changed = [path for key in watched for path in _changes(key, before[key], watched[key])]
        problems = {}
        if problem is None:
            for part, want, have in zip(names, expected, got, strict=False):
                if part not in ("_", "..."):
                    fault, error = _fault(part, want, have, rtol)
                    largest = max(largest, error)
                    if fault:
                        problems[part] = fault, want, have
        if problem is None and not problems and not changed:
            continue
        lines = [problem] if problem else []
        if problems:
            part, (fault, want, have) = next(iter(problems.items()))
            right = [p for p in names if p not in problems and p not in ("_", "...")]
            lines = [f"{name}: {fault[0]}" + (f" ({' and '.join(right)} {'is' if len(right) == 1 else 'are'} right.)" if right else "")]
            lines += [where, *fault[1:]]
            lines += [_known(mistakes, calls, i, names, part, student, have, rtol) or explain(want, have, part)]
        elif not problem:
            lines = [f"{name} gives the right result, but changed its argument {changed[0]}; work on a copy.", where]
            changed = []
        if changed:
            lines += [f"It also changed its argument {changed[0]}; work on a copy."]
        failure = CheckFailed("\n".join(line for line in lines if line))
        failure.args_of_case = call.prepare()[0]
        if problems:
            _draw(want, have, f"{name}: {part}")
        raise failure
    print(f"✓ {name} agrees in {len(calls)} case{'s' if len(calls) != 1 else ''} (largest error {largest:.0e})".replace("0e+00", "0"))


def _attempt(student, given, names, name, where):
    """Calls the student's function: (its results, None) or (None, what is wrong)."""
    try:
        value = student(*given)
    except NotImplementedError as raised:
        raise CheckFailed(f"{name} is not written yet.") from raised
    except Exception as raised:
        raise CheckFailed(f"{name} raised {type(raised).__name__}: {raised}\n{where}{_line(student, raised)}") from raised
    wanted = f"({', '.join(names)})"
    if value is None:
        return None, f"{name} returned None. Is its `return` missing?\n{where}"
    if names[-1] != "..." and len(names) == 1:
        return [value], None
    if not issubclass(type(value), tuple | list):
        return None, f"{name} returned {describe(value)}; it should return the tuple {wanted}.\n{where}"
    least = len(names) - (names[-1] == "...")
    if len(value) < least or (names[-1] != "..." and len(value) > least):
        return None, f"{name} returned {describe(value)}; it should return the tuple {wanted}.\n{where}"
    return list(value), None


def _parts(value, names):
    if names == [names[0]] and names[0] != "...":
        return [value]
    return list(value) if isinstance(value, tuple | list) else [value]


def _fault(part, want, have, rtol):
    """([sentences that say what is wrong with one result], the largest error as a share of the largest number)."""
    if want is None:
        return ([f"{part} should be None here; it is {describe(have)}."], 0.0) if have is not None else (None, 0.0)
    want = array(want)
    try:
        have = array(have)
    except NotNumbers as problem:
        return [f"{part} is {problem}."], 0.0
    if want.shape != have.shape:
        return [f"{part} has shape {have.shape}; expected {want.shape}."], 0.0
    if have.dtype.kind == "b" and want.dtype.kind != "b":
        return [f"{part} holds True and False; expected numbers."], 0.0
    ratio, scale = errors(want, have, rtol)
    wrong = int(np.sum(~(ratio <= 1)))
    if not wrong:
        return None, float(np.max(ratio, initial=0)) * rtol
    at = np.unravel_index(np.argmax(ratio), ratio.shape)
    index = f"{part}[{', '.join(map(str, at))}]" if at else part
    head = f"{part} is wrong in {wrong} of {want.size} entries." if want.ndim else f"{part} is wrong."
    return [head, f"Largest error at {index}: expected {number(want[at])}, got {number(have[at])}."], 0.0


def _known(mistakes, calls, failed, names, part, student, have, rtol):
    """The sentence of the known mistake whose answers are the student's, in this case and, where several are, in others."""
    at = names.index(part)

    def same(wrong, call, answer):
        try:
            return agree(array(_parts(wrong(*call.prepare()[0]), names)[at]), array(answer), rtol)
        except Exception:
            return False

    found = [(says, wrong) for says, wrong in (mistakes or {}).items() if same(wrong, calls[failed], have)]
    for call in calls:
        if len(found) > 1 and call is not calls[failed]:
            try:
                answer = _parts(student(*call.prepare()[0]), names)[at]
            except Exception:
                continue
            found = [(says, wrong) for says, wrong in found if same(wrong, call, answer)] or found
    return found[0][0] if found else ""


# ------------------------------------------------------------------------------------------------------- words and copies


def _cases(cases):
    cases = [one if isinstance(one, Case) else Case(tuple(one)) for one in cases]
    if not cases:
        raise ValueError("a check needs at least one case")
    return cases


def _copy(value):
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if type(value) in (list, tuple):
        return type(value)(_copy(item) for item in value)
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    return value


def _changes(name, before, after):
    """The names of what differs between a value and its copy from before."""
    if isinstance(before, np.ndarray):
        same = before.shape == after.shape and before.dtype == after.dtype and before.tobytes() == after.tobytes()
        return [] if same else [name]
    if type(before) in (list, tuple, dict):
        if len(before) != len(after):
            return [name]
        keys = before if type(before) is dict else range(len(before))
        return [path for key in keys for path in _changes(f"{name}[{key!r}]", before[key], after[key])]
    return []


def _parameters(function):
    try:
        return [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        return []


def _names(names, count):
    return [*names, *(f"argument {i + 1}" for i in range(len(names), count))][:count]


def _name(*functions):
    for function in functions:
        name = getattr(function, "__name__", "")
        if isinstance(name, str) and name.isidentifier():
            return name
    return "your function"


def _show(name, value):
    if isinstance(value, np.ndarray) and value.size > 1 and not (value.ndim == 1 and value.size <= 8 and np.all(value == np.round(value))):
        return f"{name} {value.shape}".strip()
    text = _value(value)
    return f"{name}={text}" if name else text


def _value(value):
    if isinstance(value, np.ndarray):
        return f"[{', '.join(map(number, value))}]" if value.ndim == 1 else f"array {value.shape}" if value.size > 8 else str(value.tolist())
    if type(value) in (tuple, list):
        brackets = "()" if type(value) is tuple else "[]"
        return f"{brackets[0]}{', '.join(_show('array', v) if isinstance(v, np.ndarray) else _value(v) for v in value)}{brackets[1]}"
    if type(value) in (bool, int, float, str, type(None)) or isinstance(value, np.generic):
        return number(value) if isinstance(value, float | np.number) else repr(value)
    return describe(value)


def _line(student, raised):
    """Where in the student's own code the exception came from."""
    home = getattr(getattr(student, "__code__", None), "co_filename", None)
    for frame in reversed(traceback.extract_tb(raised.__traceback__)):
        if home and Path(frame.filename).parent == Path(home).parent:
            return f"\nIn {frame.name}, line {frame.lineno}: {frame.line}"
    return ""


def _draw(want, have, title):
    """In a live notebook: a picture of expected, got and their difference."""
    try:
        kernel = getattr(sys.modules["IPython"].get_ipython(), "kernel", None) if "IPython" in sys.modules else None
        want, have = array(want), array(have)
        if kernel is not None and want.shape == have.shape and want.ndim >= 2 and want.size:
            from . import plot

            plot.comparison(want, have, title=title)
    except Exception:  # a picture is an extra: the message must reach the student
        return
