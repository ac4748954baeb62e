"""The verdict on a student's function: call it, judge every part of what it returns, and say what is wrong."""

import contextlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import notebook
from .differences import explain
from .values import NotNumbers, agree, allowed, array, changes, copy, count, describe, entries, error, show, two_numbers

_last = ()


class CheckFailed(AssertionError):
    """A check that did not pass. Its text is the whole message; a notebook shows the text and no traceback."""

    def _render_traceback_(self):
        return str(self).splitlines()


def last_case():
    """The arguments of the case that failed last, to try again: `conv2d_forward(*check.last_case())`."""
    return copy(_last)


@dataclass
class Call:
    """One call of the student's function, which can be made again and again with fresh copies."""

    says: str
    named: dict  # the arguments by name: what the function may not change
    expect: Callable  # -> what a right function returns
    give: Callable = tuple  # from copies of the arguments to what the function is called with

    def copies(self):
        return copy(list(self.named.values()))

    def changes(self, args):
        """The names of what differs in copies of the arguments that a function was given."""
        return [path for (name, a), b in zip(self.named.items(), args, strict=True) for path in changes(name, a, b)]

    def result(self, function):
        return function(*self.give(self.copies()))


@dataclass
class Judge:
    """One function of a student, the calls that it must get right, and the names of the parts that it returns."""

    name: str
    student: Callable
    calls: list[Call]
    returns: str
    mistakes: Mapping[str, Callable]
    rtol: float

    def __post_init__(self):
        self.parts = [part.strip() for part in self.returns.split(",")]
        self.single = len(self.parts) == 1
        self.least = len(self.parts) - (self.parts[-1] == "...")
        self.judged = {part: at for at, part in enumerate(self.parts) if part not in ("_", "...")}
        if not self.judged:
            raise ValueError(f"returns={self.returns!r} names nothing to judge")

    def verdict(self):
        """Prints a line where every call is right; raises CheckFailed at the first that is not."""
        if not callable(self.student):
            raise CheckFailed(f"{self.name} is {describe(self.student)}, not a function.")
        largest = max([self._call(number, call) for number, call in enumerate(self.calls, 1)])
        error = f"{largest:.0e}" if largest else "0"
        print(f"✓ {self.name} agrees in {count(len(self.calls), 'case')} (largest error {error})")

    def _call(self, number, call):
        """The largest error of one call, as a share of the largest number; raises CheckFailed."""
        arguments = ", ".join(show(name, value) for name, value in call.named.items())
        which = f"case {number} of {len(self.calls)}" if len(self.calls) > 1 else "the only case"
        says = "".join([f" ({call.says})" if call.says else "", f": {arguments}" if arguments else ""])
        where = says and f"In {which}{says}."
        expected, args = self._split(call.expect()), call.copies()
        if len(expected) < self.least:
            raise ValueError(f"the reference returned {count(len(expected), 'part')}, but returns={self.returns!r}")

        got = self._attempt(call, args, where)
        problems = {part: _problem(part, expected[at], got[at], self.rtol) for part, at in self.judged.items()}
        wrong = [part for part in problems if problems[part]]
        changed = call.changes(args)
        if wrong:
            part, also = wrong[0], f"It also changes its argument {changed[0]}: work on a copy." if changed else ""
            want, have = expected[self.judged[part]], got[self.judged[part]]
            first, *more = problems[part]
            hint = self._known(call, part, got) or self._other_part(part, expected, have) or _hint(part, want, have)
            notebook.draw(want, have, f"{self.name}: {part}")
            self._fail(call, f"{self.name}: {first}{_praise(problems)}", where, *more, hint, also)
        if changed:
            sentence = f"{self.name} gives the right result, but changes its argument {changed[0]}: work on a copy."
            self._fail(call, sentence, where, self._known_change(call, changed))
        return max(_share(expected[at], got[at]) for at in self.judged.values())

    def _attempt(self, call, args, where):
        """The parts of what the student's function returns; raises CheckFailed where it does not return them."""
        given = call.give(args)
        try:
            with notebook.closed():
                value = self.student(*given)
        except KeyboardInterrupt as raised:
            frame = _frame(self.student, raised)
            line = f"In {frame.name}, line {frame.lineno}: {frame.line}" if frame else ""
            self._fail(
                call,
                f"{self.name} was stopped while it ran: is there a loop without an end?",
                where,
                line,
                cause=raised,
            )
        except NotImplementedError as raised:
            frame = _frame(self.student, raised)
            own = {self.name, "<lambda>", getattr(self.student, "__name__", None)}
            who = f"{self.name} needs {frame.name}, which" if frame and frame.name not in own else self.name
            raise CheckFailed(f"{who} is not written yet.") from raised
        except CheckFailed:  # from a part of the check itself, such as `check.pair`
            raise
        except Exception as raised:
            frame = _frame(self.student, raised)
            line = f"In {frame.name}, line {frame.lineno}: {frame.line}" if frame else ""
            hint = notebook.missing(raised) if type(raised) is NameError else ""
            self._fail(call, f"{self.name} raised {said(raised)}", where, line, hint, cause=raised)
        if value is None:
            self._fail(call, f"{self.name} returned None. Is its `return` missing?", where)
        if self.single:
            return [value]
        values = list(value) if issubclass(type(value), tuple | list) else []
        if len(values) < self.least or (len(values) > self.least and self.parts[-1] != "..."):
            wanted = ", ".join("cache" if part == "..." else part for part in self.parts)
            sentence = f"{self.name} returned {describe(value)}; it should return the tuple ({wanted})."
            self._fail(call, sentence, where)
        return values

    def _split(self, value):
        return [value] if self.single or not isinstance(value, tuple | list) else list(value)

    def _known(self, failed, part, got):
        """The sentence of the known mistake that gives the student's answers; other parts break a tie."""
        wrong = {says: self._quietly(mistake, failed) for says, mistake in self.mistakes.items()}
        found = [says for says in wrong if self._alike(wrong[says], got, part)]
        for call in self.calls if found else ():
            answer = got if call is failed else self._quietly(self.student, call)
            wrong = {says: self._quietly(self.mistakes[says], call) for says in found}
            found = [says for says in found if not (wrong[says] and answer) or self._alike(wrong[says], answer, part)]
            for other in self.judged:
                found = [says for says in found if self._alike(wrong[says], answer, other)] or found
        return found[0] if found else ""

    def _known_change(self, call, changed):
        """The sentence of the known mistake that changes the same arguments and still gives the right result."""
        expected = self._split(call.expect())
        for says, wrong in self.mistakes.items():
            args = call.copies()
            with contextlib.suppress(Exception):
                result = self._split(wrong(*call.give(args)))
                if call.changes(args) == changed and all(self._alike(result, expected, part) for part in self.judged):
                    return says
        return ""

    def _quietly(self, function, call):
        with contextlib.suppress(Exception), np.errstate(all="ignore"):
            return self._split(call.result(function))
        return []  # a mistake need not work in every case

    def _alike(self, wrong, answer, part):
        with contextlib.suppress(NotNumbers, IndexError):
            at = self.judged[part]
            return agree(array(wrong[at]), array(answer[at]), self.rtol)
        return False

    def _other_part(self, part, expected, have):
        for other, at in self.judged.items():
            if have is not None and other != part and not _problem(other, expected[at], have, self.rtol):
                return f"This is {other}: the right order is {', '.join(self.parts)}."
        return ""

    def _fail(self, call, *lines, cause=None):
        global _last
        _last = call.give(call.copies())
        again = notebook.live() and self.name.isidentifier() and f"To try this case: {self.name}(*check.last_case())"
        raise CheckFailed("\n".join(filter(None, [*lines, again]))) from cause


def _problem(part, want, have, rtol):
    """What is wrong with one part of a result, in sentences; none where it is right."""
    if want is None:
        return [] if have is None else [f"{part} should be None here; it is {describe(have)}."]
    want = _right(want)
    target = describe(want) if want.ndim else "a number"
    try:
        plain = array(have)
    except NotNumbers as what:
        kind = " of real numbers" if issubclass(type(have), np.ndarray) else ""
        return [f"{part} is {what}; expected {target}{kind}."]
    if plain.shape != want.shape:
        shapes = f"{part} has shape {plain.shape}; expected {want.shape}."
        return [shapes if want.ndim and plain.ndim else f"{part} is {describe(have)}; expected {target}."]
    if plain.dtype.kind == "b" and want.dtype.kind != "b":
        return [f"{part} holds True and False; expected numbers."]

    off = error(want, plain)
    wrong = np.count_nonzero(~(off <= allowed(want, rtol)))
    if not wrong:
        return []
    at = np.unravel_index(np.argmax(off), off.shape)
    expected, got = two_numbers(want[at], plain[at])
    if not want.ndim:
        return [f"{part} is {got}; expected {expected}."]
    worst = f"Largest error at {part}[{', '.join(map(str, at))}]: expected {expected}, got {got}."
    small = 1 < want.size <= 12 and want.ndim <= 2
    seen = [f"expected {entries(want)}", f"got      {entries(plain)}"] if small else []
    return [f"{part} is wrong in {wrong} of {count(want.size, 'number')}.", *seen, worst]


def _right(want):
    try:
        return array(want)
    except NotNumbers as what:
        raise ValueError(f"a part of the reference's result is {what}: say in `returns` what it returns") from None


def _share(want, have):
    """The largest error of a right part, as a share of its largest number."""
    if want is None or not array(want).size:
        return 0.0
    want = array(want)
    largest = np.max(np.abs(want.astype(float)), where=np.isfinite(want), initial=0.0)
    return float(np.max(error(want, array(have))) / (largest or 1.0))


def _praise(problems):
    right = [part for part in problems if not problems[part]]
    *first, last = right or [""]
    return f" {', '.join(first)}{' and ' if first else ''}{last} {'are' if first else 'is'} right." if right else ""


def _hint(part, want, have):
    try:
        return explain(array(want), array(have), part)
    except NotNumbers:
        return ""


def said(raised):
    """An exception's class and message."""
    return "".join(traceback.format_exception_only(raised)).strip()[:400]


def _frame(student, raised):
    """The last line of the student's own code that an exception went through, where it can be known.

    A check may go through a function of its own, and a grader's has no file: what stands there is not for students.
    """
    home = getattr(getattr(student, "__code__", None), "co_filename", None)
    if home is None or (home.startswith("<") and not home.startswith("<ipython")):
        return None
    frames = reversed(traceback.extract_tb(raised.__traceback__))
    return next((frame for frame in frames if Path(frame.filename).parent == Path(home).parent), None)
