"""nbgrader's own commands: in this course's folder, and in a course that is not ours (nbgrader's quickstart)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

ROOT = Path(__file__).parents[1]
ADOPT = "\nfrom autograder.execute import configure\nconfigure(get_config())\n"


def nbgrader(folder, *args, fails=False):
    env = {**os.environ, "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *args], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def grades(folder, course, assignment):
    """{student: {cell: (auto score, points, needs a person)}}"""
    with Gradebook(f"sqlite:///{folder}/gradebook.db", course) as gradebook:
        return {
            s.student.id: {
                g.name: (g.auto_score, g.max_score, g.needs_manual_grade) for n in s.notebooks for g in n.grades
            }
            for s in gradebook.assignment_submissions(assignment)
        }


@pytest.fixture
def clone(tmp_path):
    """A copy of what nbgrader uses of this project."""
    for name in ("solutions", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    return tmp_path


def test_the_course_works_with_nbgraders_commands(clone, sandboxed):
    name = "05_conv_backward"
    before = (clone / "notebooks" / name / f"{name}.ipynb").read_bytes()
    nbgrader(clone, "generate_assignment", name)
    assert (clone / "notebooks" / name / f"{name}.ipynb").read_bytes() == before
    for student, tree in (("ada", "solutions"), ("bob", "notebooks")):
        shutil.copytree(clone / tree / name, clone / "submitted" / student / name)
    nbgrader(clone, "autograde", name)
    [(label, (_, _, waits))] = [i for i in grades(clone, "cnn-by-hand", name)["ada"].items() if i[1][0] is None]
    assert waits
    with Gradebook(f"sqlite:///{clone}/gradebook.db", "cnn-by-hand") as gradebook:
        mark = gradebook.find_grade(label, name, name, "ada")
        mark.manual_score, mark.needs_manual_grade = 1, False
        gradebook.db.commit()
    nbgrader(clone, "autograde", name, "--force")
    assert not grades(clone, "cnn-by-hand", name)["ada"][label][2], (
        "the mark of an answer that did not change stays done"
    )
    nbgrader(clone, "generate_feedback", name)
    nbgrader(clone, "export")
    found = grades(clone, "cnn-by-hand", name)
    automatic = {cell: grade for cell, grade in found["ada"].items() if cell != label}
    assert len(automatic) >= 5 and all(score == points for score, points, _ in automatic.values())
    assert all(found["bob"][cell][0] == 0 for cell in automatic)
    assert sum(points for _, points, _ in found["ada"].values()) == 40
    assert len((clone / "grades.csv").read_text().splitlines()) == 3
    for student in ("ada", "bob"):
        assert (clone / "feedback" / student / name / f"{name}.html").exists()
        assert "HIDDEN TESTS" not in (clone / "autograded" / student / name / f"{name}.ipynb").read_text()


def test_validate_tells_the_student(clone):
    name = "05_conv_backward"
    said = nbgrader(clone, "validate", f"solutions/{name}/{name}.ipynb")
    assert "Success" in said
    said = nbgrader(clone, "validate", f"notebooks/{name}/{name}.ipynb")
    assert "VALIDATION FAILED" in said and "not written yet" in said


def test_another_course_can_adopt_the_run(tmp_path, sandboxed):
    nbgrader(tmp_path, "quickstart", "course")
    course = tmp_path / "course"
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text() + ADOPT)
    nbgrader(course, "generate_assignment", "ps1")
    for student, tree in (("good", "source"), ("untouched", "release")):
        shutil.copytree(course / tree / "ps1", course / "submitted" / student / "ps1")
    broken = course / "submitted" / "broken" / "ps1"
    shutil.copytree(course / "source" / "ps1", broken)
    (broken / "problem1.ipynb").write_text('{"cells": [')
    nbgrader(course, "autograde", "ps1")
    nbgrader(course, "generate_feedback", "ps1")
    found = grades(course, "course", "ps1")
    tests = ("correct_squares", "squares_invalid_input", "correct_sum_of_squares", "sum_of_squares_uses_squares")
    assert [found["good"][t][0] for t in tests] == [1, 1, 0.5, 0.5]
    assert [found["untouched"][t][0] for t in tests] == [found["broken"][t][0] for t in tests] == [0, 0, 0, 0]
    assert found["good"]["sum_of_squares_equation"][2]  # waits for a person
    assert "no valid JSON" in (course / "feedback" / "broken" / "ps1" / "problem1.html").read_text()


def test_without_bubblewrap_autograde_stops_and_loses_nothing(clone, tmp_path):
    name = "05_conv_backward"
    nbgrader(clone, "generate_assignment", name)
    shutil.copytree(clone / "notebooks" / name, clone / "submitted" / "ada" / name)
    config = clone / "nbgrader_config.py"
    config.write_text("import autograder.sandbox\nautograder.sandbox.bubblewrap = lambda: None\n" + config.read_text())
    said = nbgrader(clone, "autograde", name, fails=True)
    assert "apt install bubblewrap" in said and "Traceback" not in said
    assert not (clone / "autograded").exists() and (clone / "submitted" / "ada" / name / f"{name}.ipynb").exists()
