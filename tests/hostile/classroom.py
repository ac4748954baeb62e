"""A course of one small lesson, for classes of students who mean no good, make a mess, or write as nobody else does.

Three exercises, each with its tests, and a question for a person. A submission is right but for what its entry changes.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import overlay
from autograder.grade import run

ROOT = Path(__file__).parents[2]
LESSON = "hostile"
HIDDEN = ("azurite", "cinnabar")  # words of the hidden tests, which no student may ever read

RELU = "def relu(x):\n    return np.maximum(x, 0)"
CORRELATE = "def correlate(x, w):\n    return np.array([x[i : i + len(w)] @ w for i in range(len(x) - len(w) + 1)])"
SCALE = """
def scale_forward(x, w):
    return w * x, (x, w)


def scale_backward(dout, cache):
    x, w = cache
    return dout * w, dout * x
"""

TESTS = {
    "relu_visible": (1, "assert relu(3.0) == 3 and relu(-2.0) == 0"),
    "relu_hidden": (
        2,
        """
### BEGIN HIDDEN TESTS
azurite_x = np.random.default_rng(7391).normal(size=(3, 4))
azurite_want = np.where(azurite_x > 0, azurite_x, 0)
np.testing.assert_allclose(relu(azurite_x.copy()), azurite_want, rtol=1e-5)
assert relu(azurite_x.copy()).shape == (3, 4)
### END HIDDEN TESTS
""",
    ),
    "correlate_visible": (1, "assert list(correlate(np.array([1.0, 2, 3]), np.array([1.0, 1]))) == [3, 5]"),
    "correlate_hidden": (
        2,
        """
### BEGIN HIDDEN TESTS
from cnnlib import check
def instructors_own(x, w):
    cinnabar = np.correlate(x, w, "valid")
    return cinnabar
rng = np.random.default_rng(4157)
check.function(correlate, instructors_own, [(rng.normal(size=n), rng.normal(size=f)) for n, f in ((9, 4), (5, 5), (8, 1))])
### END HIDDEN TESTS
""",
    ),
    "scale_hidden": (
        3,
        """
### BEGIN HIDDEN TESTS
from cnnlib import check
azurite = np.random.default_rng(2953).normal(size=(2, 5))
check.function(scale_forward, lambda x, w: (x * w, None), [(azurite, azurite + 1)], returns="out, ...")
def instructors_own(dout, x, w):
    return dout * w, dout * x
def backward(dout, x, w):
    azurite_cache = scale_forward(x, w)[1]
    return scale_backward(dout, azurite_cache)
check.function(backward, instructors_own, [(azurite - 2, azurite, azurite + 1)], returns="dx, dw")
### END HIDDEN TESTS
""",
    ),
}
EXERCISES = ("relu", "correlate", "scale")

WRONG = {  # answers that deserve nothing
    "relu": "def relu(x):\n    return x * 0 + 0.5",
    "correlate": "def correlate(x, w):\n    return np.zeros(len(x) - len(w) + 1)",
    "scale": "def scale_forward(x, w):\n    return x, w\ndef scale_backward(dout, cache):\n    return dout, dout",
}


@dataclass(frozen=True)
class Submission:
    """What one student hands in, and what must come of it.

    must_not: what it must not achieve, in words. relu, correlate, scale: answers in place of right ones. before, after:
    cells of the student's own around the exercises. change(notebook): changes it in place, or returns what to hand in
    (bytes; None for no file). folder(path): puts more beside it. loses: exercises or tests without points. says, never:
    what the feedback page must and must not hold. note, skipped: what the table, or the list of what was not graded, says.
    """

    name: str
    must_not: str
    relu: str = RELU
    correlate: str = CORRELATE
    scale: str = SCALE
    before: str = ""
    after: str = ""
    why: str = "Because a weight that is used twice has two gradients, which add up."
    change: Callable | None = None
    folder: Callable | None = None
    loses: tuple[str, ...] = ()
    says: str = ""
    never: str = ""
    note: str = ""
    skipped: str = ""

    def lost(self, test):
        return test in self.loses or test.partition("_")[0] in self.loses

    @property
    def score(self):
        return sum(points for test, (points, _) in TESTS.items() if not self.lost(test))


def _labelled(cell, label, **flags):
    flags = {"grade": False, "solution": False, "locked": True, "task": False, "schema_version": 3} | flags
    cell["id"], cell.metadata["nbgrader"] = label.replace("_", "-"), {"grade_id": label} | flags
    return cell


def lesson():
    """The instructor's notebook."""
    nb = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    nb.metadata["autograder"] = {"withheld": ["cnnlib.ops.relu_forward"]}
    setup = _labelled(new_code_cell("import numpy as np"), "setup")
    setup.metadata["tags"] = ["setup"]
    nb.cells = [new_markdown_cell("# A small lesson", id="title"), setup]
    for name, right in zip(EXERCISES, (RELU, CORRELATE, SCALE), strict=True):
        solution = f"### BEGIN SOLUTION\n{right.strip()}\n### END SOLUTION"
        nb.cells.append(_labelled(new_code_cell(solution), name, solution=True, locked=False))
        for label, (points, source) in TESTS.items():
            if label.startswith(name):
                nb.cells.append(_labelled(new_code_cell(source.strip()), label, grade=True, points=points))
    question = new_markdown_cell("Why do gradients add up?")
    nb.cells.append(_labelled(question, "why", grade=True, solution=True, locked=False, points=3))
    return nb


def make_course(folder, settings=()):
    """A course folder with this lesson; settings: {trait of TwoProcessRun: value}."""
    (folder / "solutions" / LESSON).mkdir(parents=True)
    lines = [f"c.TwoProcessRun.{name} = {value!r}" for name, value in dict(settings).items()]
    (folder / "nbgrader_config.py").write_text("\n".join([(ROOT / "nbgrader_config.py").read_text(), *lines, ""]))
    (folder / "solutions" / LESSON / f"{LESSON}.ipynb").write_text(json.dumps(lesson()))
    return folder


def notebook(submission, words=()) -> dict:
    """The released notebook with a student's answers, as plain data. words: {placeholder: what the code gets for it}."""

    def text(source):
        for placeholder, word in dict(words).items():
            source = source.replace(placeholder, word)
        return dedent(source).strip()

    nb = json.loads(json.dumps(overlay.release(lesson())))
    cells = {cell["metadata"].get("nbgrader", {}).get("grade_id"): cell for cell in nb["cells"]}
    for name in (*EXERCISES, "why"):
        cells[name]["source"] = text(getattr(submission, name))
    for place, source in ((2, submission.before), (len(nb["cells"]), submission.after)):
        if source:
            nb["cells"].insert(place, json.loads(json.dumps(new_code_cell(text(source)))))
    return nb


def hand_in(submission, submissions, words=()):
    """Write STUDENT/LESSON/LESSON.ipynb."""
    folder = submissions / submission.name / LESSON
    folder.mkdir(parents=True)
    nb = notebook(submission, words)
    made = submission.change(nb) if submission.change else nb
    made = nb if made is None else made
    if made is not NOTHING:
        (folder / f"{LESSON}.ipynb").write_bytes(made if isinstance(made, bytes) else json.dumps(made).encode())
    if submission.folder:
        submission.folder(folder)


NOTHING = object()  # a `change` that returns this hands in no notebook


def grade(course, submissions, isolate):
    """({student: row}, sentences about what was not graded, the folder of results)."""
    out = course / "out"
    rows, skipped = run(course, [LESSON], submissions, out, isolate=isolate)
    assert len({row.student for row in rows}) == len(rows)
    return {row.student: row for row in rows}, skipped, out


def pages(out, student):
    """The feedback page and the graded notebook of a student, as text."""
    page = out / "feedback" / student / LESSON / f"{LESSON}.html"
    graded = out / "autograded" / student / LESSON / f"{LESSON}.ipynb"
    return page.read_text(encoding="utf-8"), graded.read_text(encoding="utf-8")


def remove(folder):
    """Take a class away: its files may be huge."""
    shutil.rmtree(folder, ignore_errors=True)
