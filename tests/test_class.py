"""The bundled class through the real grader: every submission gets exactly the score it deserves."""

import html
import json
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.grade import run

ROOT = Path(__file__).parents[1]
CLASS = ROOT / "tests" / "submissions"
EXPECTED = json.loads((CLASS / "expected.json").read_text())
CASES = [(student, lesson) for student, lessons in EXPECTED.items() for lesson in lessons]


def fingerprint():
    """The course's files, by content: what no submission may touch."""
    return {
        path: path.read_bytes()
        for tree in (CLASS, ROOT / "solutions", ROOT / "notebooks")
        for path in tree.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def graded(tmp_path_factory, isolate):
    """The folder with the class's results, the scores of the gradebook, the rows of the table, and the course's files that changed."""
    out = tmp_path_factory.mktemp("class") / "out"
    before = fingerprint()
    rows, skipped = run(ROOT, sorted({lesson for _, lesson in CASES}), CLASS, out, isolate=isolate, timeout=3)
    assert skipped == [] and len(rows) == len(CASES)
    touched = [path for path, content in fingerprint().items() if before.get(path) != content]
    with Gradebook(f"sqlite:///{out}/gradebook.db", "cnn-by-hand") as gradebook:
        scores = {}
        for student, lesson in CASES:
            submission = gradebook.find_submission(lesson, student)
            scores[student, lesson] = (
                {g.name: g.auto_score for n in submission.notebooks for g in n.grades},
                submission.score,
            )
    return out, scores, {(row.student, row.lesson): row for row in rows}, touched


@pytest.mark.parametrize(("student", "lesson"), CASES)
def test_the_score_it_deserves(graded, isolate, student, lesson):
    out, scores, rows, _ = graded
    expected = EXPECTED[student][lesson]
    got, total = scores[student, lesson]
    assert got == expected["scores"], expected["trait"]
    assert total == expected["total"]
    row = rows[student, lesson]
    assert expected["note"] in " ".join(row.notes)
    raw = (out / "feedback" / student / lesson / f"{lesson}.html").read_text()
    for sentence in expected["says"].values():
        assert sentence in html.unescape(raw)
    if expected["never"] and isolate:  # without isolation a student's code can read what it likes
        assert expected["never"] not in raw


def test_no_submission_touched_a_file_of_the_course(graded):
    assert graded[3] == []


def test_the_class_is_large_and_mixed():
    totals = [lessons["05_conv_backward"]["total"] for lessons in EXPECTED.values() if "05_conv_backward" in lessons]
    assert len(totals) >= 12 and totals.count(38) >= 5 and totals.count(0) >= 3 and any(0 < t < 38 for t in totals)
