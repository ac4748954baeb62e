"""The sample class is in step with its recipes and with the release notebooks."""

import json

import nbformat
import pytest
from submissions import make

EXPECTED = json.loads((make.HERE / "expected.json").read_text())
HANDED_IN = [(student, lesson) for student, lessons in EXPECTED.items() for lesson in lessons]


def test_the_committed_class_is_what_the_recipes_make():
    committed = {path.relative_to(make.HERE).as_posix(): path.read_text() for path in make.HERE.glob("*/*/*")}
    committed["expected.json"] = (make.HERE / "expected.json").read_text()
    made = make.build()
    stale = sorted(path for path in committed.keys() | made.keys() if committed.get(path) != made.get(path))
    assert not stale, "run: python tests/submissions/make.py"


@pytest.mark.parametrize("lesson", [make.CONVOLUTION, make.BACKWARD])
def test_expectations_name_every_graded_cell_and_no_other(lesson):
    release = nbformat.read(make.RELEASE / lesson / f"{lesson}.ipynb", as_version=4)
    marks = [cell.metadata.get("nbgrader", {}) for cell in release.cells]
    points = {mark["grade_id"]: mark["points"] for mark in marks if mark.get("grade")}
    for student, lessons in EXPECTED.items():
        if lesson in lessons:
            scores = lessons[lesson]["scores"]
            assert scores.keys() == points.keys(), student
            assert all(score in (0, None, points[label]) for label, score in scores.items()), student
            assert lessons[lesson]["total"] == sum(score or 0 for score in scores.values()), student


@pytest.mark.parametrize(
    "recipe, loses", [(entry[0], entry[2]) for entry in make.CLASS], ids=lambda value: getattr(value, "__name__", "")
)
def test_what_a_student_loses_exists(recipe, loses):
    if loses != make.EVERYTHING:
        tests = [make.Notebook(lesson).tests for lesson in (make.CONVOLUTION, make.BACKWARD)]
        labels = {label for found in tests for exercise, parts in found.items() for label in (exercise, *parts)}
        assert set(loses) <= labels
    assert recipe.__doc__


def test_submissions_are_small_and_hold_no_outputs():
    for path in make.HERE.glob("*/*/*.ipynb"):
        text = path.read_text()
        assert len(text) < 100_000
        if path.parts[-3] != "yara":  # half a file
            assert not any(cell.get("outputs") for cell in json.loads(text)["cells"])
