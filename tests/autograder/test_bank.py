"""The whole bank through the real grader: what every known mistake loses and is told, and that every right style loses nothing.

Each submission holds one entry for every graded function of its lesson, so a lesson takes as many as its longest list.
"""

import json
import shutil
import sys
from itertools import zip_longest
from pathlib import Path

import nbformat
import pytest
from nbgrader.utils import determine_grade

from autograder import mistakes, task
from autograder.sandbox import Limits

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "submissions"))
from make import Notebook  # noqa: E402

# A mistake in the form of the answer, or one that raises, is told in the check's own words.
OWN_WORDS = ("Only out comes back.", "The bias is added along the width. Add b before")
LESSONS = sorted(path.stem for path in (ROOT / "solutions").glob("[0-9]*.py"))


def graded(lesson, sources):
    """[graded function, its hidden test?, points, most points, message] for each test of a submission with these sources."""
    submitted = Notebook(lesson)
    submitted.solve()
    for name, source in sources.items():
        submitted.write(name, source)
    source, released = ((ROOT / kind / lesson / f"{lesson}.ipynb").read_text() for kind in ("solutions", "notebooks"))
    packed = task.Lesson(lesson, source, released, Limits(), isolate=shutil.which("bwrap") is not None).pack()
    result = task.grade(packed, task.Submission(json.dumps(submitted.data).encode()), labels={})
    cells = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in nbformat.reads(result["notebook"], as_version=4).cells
        if "nbgrader" in cell.metadata
    }
    for name, tests in submitted.tests.items():
        for label in tests if name in sources else ():
            score, most = determine_grade(cells[label])
            said = "\n".join("\n".join(output.get("traceback", [])) for output in cells[label].outputs)
            yield name, not label.endswith("_visible"), score, most, said


def submissions(find):
    """For each submission its lesson and {graded function: key of its entry}."""
    for lesson in LESSONS:
        names = Notebook(lesson).exercises
        for number, row in enumerate(zip_longest(*(find(name) for name in names))):
            chosen = {name: key for name, key in zip(names, row, strict=True) if key is not None}
            yield pytest.param(lesson, chosen, id=f"{lesson}-{number}")


@pytest.mark.parametrize("lesson, chosen", list(submissions(mistakes.known)))
def test_a_mistake_loses_points_and_is_named(lesson, chosen):
    tests = list(
        graded(lesson, {name: mistakes.source(mistakes.known(name)[key], name) for name, key in chosen.items()})
    )
    for name, sentence in chosen.items():
        assert any(hidden and score < most for of, hidden, score, most, _ in tests if of == name), (name, sentence)
        said = [said for of, *_, said in tests if of == name]
        assert sentence.startswith(OWN_WORDS) or any(sentence in words for words in said), (name, sentence, said)


@pytest.mark.parametrize("lesson, chosen", list(submissions(mistakes.styles)))
def test_a_right_solution_keeps_all_points(lesson, chosen):
    tests = list(
        graded(lesson, {name: mistakes.source(mistakes.styles(name)[key], name) for name, key in chosen.items()})
    )
    assert {name for name, *_ in tests} == set(chosen)
    for name, _, score, most, said in tests:
        assert score == most, (name, chosen[name], said)
