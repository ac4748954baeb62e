"""The bank tests the lessons' tests: every known mistake loses points in a hidden test, every right style keeps them all.

The test cells run in this process, each on the pasted source of an entry, as in a student's notebook.
"""

import contextlib
from itertools import combinations
from pathlib import Path

import nbformat
import numpy as np
import pytest

from autograder import mistakes
from cnnlib import check
from cnnlib.check.values import NotNumbers, agree, array, copy

SOLUTIONS = Path(__file__).parents[2] / "solutions"
# A mistake in the form of the answer, or one that raises, is told in the check's own words.
OWN_WORDS = ("Only out comes back.", "The bias is added along the width. Add b before")


def exercises():
    """{graded function: {grade id: source of its test}} of all lessons, hidden tests included."""
    found = {}
    for path in sorted(SOLUTIONS.glob("*/*.ipynb")):
        exercise = None
        for cell in nbformat.read(path, as_version=4).cells:
            mark = cell.metadata.get("nbgrader", {})
            if mark.get("solution"):
                exercise = mark["grade_id"]
            elif mark.get("grade"):
                found.setdefault(exercise, {})[mark["grade_id"]] = cell.source
    return found


TESTS = exercises()


def entries(find):
    return [pytest.param(name, key, id=f"{name}: {key}") for name in TESTS for key in find(name)]


def failures(name, function):
    """{grade id: message} of the tests that this solution does not pass."""
    failed = {}
    for label, test in TESTS[name].items():
        names = {"np": np}
        exec(mistakes.source(function, name), names)
        try:
            exec(test, names)
        except Exception as error:
            failed[label] = str(error)
    return failed


def test_every_graded_function_has_entries():
    assert set(TESTS) == set(mistakes.functions())
    for name in TESTS:
        assert len(mistakes.known(name)) >= 5, name
        assert len(mistakes.styles(name)) >= 3, name


@pytest.mark.parametrize("name, sentence", entries(mistakes.known))
def test_a_mistake_loses_points_and_is_named(name, sentence):
    failed = failures(name, mistakes.known(name)[sentence])
    assert {label for label in failed if not label.endswith("_visible")}, "no hidden test notices it"
    assert sentence.startswith(OWN_WORDS) or any(sentence in message for message in failed.values()), failed


@pytest.mark.parametrize("name, style", entries(mistakes.styles))
def test_a_right_solution_keeps_all_points(name, style):
    assert failures(name, mistakes.styles(name)[style]) == {}


def recorded(name, monkeypatch):
    """What the tests of this function call it with: pairs (cases, through)."""
    calls = []

    def function(student, reference, cases, *, returns="out", mistakes=None, name=None, rtol=1e-4, through=None):
        if mistakes:
            calls.append((cases, through or (lambda student: student)))

    def raises(student, *args, **options):
        calls.append(([args], lambda student: student))

    for other in ("gradient", "equal"):
        monkeypatch.setattr(check, other, lambda *args, **options: None)
    monkeypatch.setattr(check, "function", function)
    monkeypatch.setattr(check, "raises", raises)
    for test in TESTS[name].values():
        names = {"np": np, name: next(iter(mistakes.styles(name).values()))}
        exec(test, names)
    return calls


def answer(function, case):
    """The numbers that come back, or the name of the error."""
    try:
        with np.errstate(all="ignore"):
            result = function(*copy(getattr(case, "args", case)))
    except Exception as error:
        return [np.array([hash(type(error).__name__)])]
    parts = []
    for part in result if isinstance(result, tuple) else (result,):
        with contextlib.suppress(NotNumbers):
            parts.append(array(part))
    return parts


@pytest.mark.parametrize("name", TESTS)
def test_every_mistake_is_another(name, monkeypatch):
    """No two wrong solutions give the same answers in all cases, or a student would read the wrong sentence."""
    calls = recorded(name, monkeypatch)
    answers = {
        says: [answer(through(wrong), case) for cases, through in calls for case in cases]
        for says, wrong in mistakes.known(name).items()
    }
    for one, other in combinations(answers, 2):
        pairs = zip(answers[one], answers[other], strict=True)
        same = all(len(a) == len(b) and all(map(agree, a, b)) for a, b in pairs)
        assert not same, f"{one} / {other}"
