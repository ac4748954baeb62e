"""`autograder grade` as an instructor meets it: bad input gets one sentence and loses nothing."""

import csv
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.plugins.export import CsvExportPlugin

from autograder import cli
from autograder.grade import Grading
from autograder.record import OpenGradebook

ROOT = Path(__file__).parents[2]
LESSON = "squares"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one small lesson with a class of one good submission."""
    folder = tmp_path / "course"
    (folder / "solutions" / LESSON).mkdir(parents=True)
    (folder / "solutions" / f"{LESSON}.py").touch()
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    nb = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )

    def cell(source, label, kind="code", **flags):
        made = (nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell)(source, id=label)
        made.metadata["nbgrader"] = {
            "grade_id": label,
            "schema_version": 3,
            "task": False,
            "grade": False,
            "solution": False,
            "locked": True,
        } | flags
        return made

    nb.cells = [
        cell(
            "def square(x):\n    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION",
            "square",
            solution=True,
            locked=False,
        ),
        cell(
            "assert square(3) == 9\n### BEGIN HIDDEN TESTS\nassert square(-5) == 25\n### END HIDDEN TESTS",
            "test-square",
            grade=True,
            points=4,
        ),
        cell("Why?", "why", "markdown", grade=True, solution=True, locked=False, points=2),
    ]
    nbformat.write(nb, folder / "solutions" / LESSON / f"{LESSON}.ipynb")
    hand_in(folder, "ada", "def square(x):\n    return x ** 2")
    monkeypatch.chdir(folder)
    return folder


def hand_in(course, student, answer, name=f"{LESSON}.ipynb"):
    nb = nbformat.read(course / "solutions" / LESSON / f"{LESSON}.ipynb", as_version=4)
    nb.cells[0].source = answer
    target = course / "class" / student / LESSON
    target.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, target / name)
    return target / name


@pytest.fixture
def grade(isolate, capsys):
    def run(*args, lesson=LESSON):
        code = cli.main(
            [
                "grade",
                lesson,
                "--submissions",
                "class",
                "--output",
                "out",
                *args,
                *([] if isolate else ["--no-sandbox"]),
            ]
        )
        out, err = capsys.readouterr()
        return code, out + err

    return run


def scores(course):
    lines = (course / "out" / "grades.csv").read_text().splitlines()
    head = lines[0].split(",")
    rows = [dict(zip(head, line.split(","), strict=True)) for line in lines[1:]]
    return {row["student_id"]: float(row["raw_score"]) for row in rows}


def test_a_class_is_graded(course, grade):
    hand_in(course, "bob", "def square(x):\n    return 9")
    hand_in(course, "cleo", "")
    before = {p: p.read_bytes() for p in course.glob("class/**/*") if p.is_file()}
    code, _ = grade()
    assert code == 0 and scores(course) == {"ada": 4, "bob": 0, "cleo": 0}
    assert (course / "out" / "gradebook.db").exists()
    page = (course / "out" / "feedback" / "bob" / LESSON / f"{LESSON}.html").read_text()
    assert "A hidden test failed" in page and "square(-5" not in page and "https://" not in page.split("<body")[1]
    assert "hidden" not in (
        course / "out" / "autograded" / "bob" / LESSON / f"{LESSON}.ipynb"
    ).read_text().lower().replace("a hidden test failed", "")
    assert {p: p.read_bytes() for p in course.glob("class/**/*") if p.is_file()} == before


@pytest.mark.parametrize("made_anew", ["by collect", "empty"])
def test_a_gradebook_that_is_made_anew_knows_the_lesson_again(course, grade, made_anew):
    grade()
    book = course / "out" / "gradebook.db"
    book.unlink()
    if made_anew == "empty":
        book.touch()
    else:
        with Gradebook(f"sqlite:///{book}") as gradebook:
            gradebook.update_or_create_assignment(LESSON)
    code, out = grade()
    assert code == 0 and scores(course) == {"ada": 4}, out


@pytest.mark.parametrize("command", ["grade", "report", "export"])
def test_a_damaged_gradebook_is_one_sentence(course, grade, capsys, command):
    grade()
    (course / "out" / "gradebook.db").write_bytes(b"no database" * 1000)
    code, said = grade() if command == "grade" else (cli.main([command, LESSON, "--output", "out"]), "")
    said += capsys.readouterr().err
    assert code == 1 and "Traceback" not in said
    assert "the gradebook in out cannot be read or written (file is not a database)" in said and "doctor" in said


def test_graded_twice_gives_the_same_and_a_new_submission_counts(course, grade):
    grade()
    hand_in(course, "ada", "def square(x):\n    return 9")
    grade("--force")
    assert scores(course) == {"ada": 0}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": [{}]}', "not a notebook"])
def test_a_broken_file_gets_no_points_and_stops_nobody(course, grade, content):
    hand_in(course, "bob", "").write_text(content)
    _, said = grade()
    assert scores(course) == {"ada": 4, "bob": 0}
    assert "Traceback" not in said


def test_a_notebook_of_another_lesson_is_named(course, grade):
    path = hand_in(course, "bob", "")
    nb = json.loads(path.read_text())
    for cell in nb["cells"]:
        cell["metadata"]["nbgrader"]["grade_id"] += "-other"
    path.write_text(json.dumps(nb))
    (course / "solutions" / "roots").mkdir()
    shutil.copy(path, course / "solutions" / "roots" / "roots.ipynb")
    _, said = grade()
    said = " ".join(said.replace("│", " ").split())
    assert "another notebook, that of roots: 3 of its 3" in said and scores(course)["bob"] == 0


def test_two_notebooks_of_one_name_are_not_guessed(course, grade):
    path = hand_in(course, "bob", "def square(x):\n    return x * x")
    for folder in ("a", "b"):
        (path.parent / folder).mkdir()
        shutil.copy(path, path.parent / folder)
    path.unlink()
    code, said = grade()
    assert code == 1 and "2 notebooks named squares.ipynb" in said and scores(course) == {"ada": 4}


def test_a_renamed_notebook_is_taken_with_a_note(course, grade):
    hand_in(course, "bob", "def square(x):\n    return x * x", name="squares (1).ipynb")
    code, said = grade()
    assert code == 0 and scores(course)["bob"] == 4 and "squares (1).ipynb" in said


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--student", "zoe"], "no folder for the student 'zoe'"),
        (["--submissions", "nowhere"], "no folder nowhere"),
        (["--submissions", "solutions"], "No submission of squares was found"),
        (["--output", "/proc/no"], "Nothing can be written to /proc/no"),
        (["--output", "nbgrader_config.py"], "Nothing can be written to nbgrader_config.py"),
        (["--output", "class"], "results cannot lie in the folder of the submissions"),
        (["--output", "class/results"], "results cannot lie in the folder of the submissions"),
    ],
)
def test_what_the_instructor_can_mend_is_one_sentence(course, grade, args, says):
    code, said = grade(*args)
    assert code == 1 and says in said and "Traceback" not in said and len(said.strip().splitlines()) <= 2


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "soon"])
def test_a_timeout_is_a_positive_number(course, grade, capsys, seconds):
    with pytest.raises(SystemExit):
        grade("--timeout", seconds)
    assert "--timeout" in capsys.readouterr().err
    assert not (course / "out").exists()


@pytest.mark.parametrize(
    ("size", "why"), [("1M", "is too little for numpy"), ("2", "is no size"), ("0G", "is no size")]
)
def test_memory_is_enough_for_a_process(course, grade, capsys, size, why):
    with pytest.raises(SystemExit):
        grade("--memory", size)
    assert f"{size} {why}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "meant"), [("--frce", "--force"), ("--submision=class", "--submissions"), ("--verbose", "")]
)
def test_a_misspelt_option_is_told_by_its_command(course, grade, capsys, wrong, meant):
    with pytest.raises(SystemExit) as end:
        grade(wrong)
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.startswith("usage: autograder grade")
    assert said.endswith(f"unrecognized arguments: {wrong}" + (f"; did you mean {meant}?\n" if meant else "\n"))
    assert not (course / "out").exists()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_person_who_waits_is_told_at_once_and_a_file_is_not(course, monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setitem(sys.modules, "autograder.grade", None)  # what takes seconds is not there yet
    with pytest.raises(ImportError):
        cli.main(["grade", LESSON, "--submissions", "class"])
    assert capsys.readouterr() == ("", "Reading the submissions in class …\n" * terminal)


@pytest.mark.parametrize("command", ["build", "check", "grade squares"])
def test_outside_a_course_every_command_says_so(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert cli.main(command.split()) == 1
    assert "is no course folder" in capsys.readouterr().err


def test_notebooks_in_a_wrong_place_are_told(course, grade):
    path = hand_in(course, "bob", "def square(x):\n    return x * x")
    shutil.copy(path, course / "class" / "flat.ipynb")
    (course / "class" / "cleo" / "Squares").mkdir(parents=True)
    shutil.copy(path, course / "class" / "cleo" / f"{LESSON}.ipynb")
    shutil.copy(path, course / "class" / "cleo" / "Squares" / f"{LESSON}.ipynb")
    code, said = grade()
    assert code == 1 and scores(course) == {"ada": 4, "bob": 4}
    for stray in ("flat.ipynb", "cleo/squares.ipynb", "cleo/Squares/squares.ipynb"):
        assert f"Not graded {stray}: it should be at STUDENT/LESSON/LESSON.ipynb" in " ".join(said.split())


def test_brackets_in_names_are_printed(course, grade):
    path = hand_in(course, "bob[old]", "def square(x):\n    return 9")
    (course / "class" / "cleo[").mkdir()
    shutil.copy(path, course / "class" / "cleo[" / "x].ipynb")
    code, said = grade()
    assert code == 1 and "bob[old] " in said and "Not graded cleo[/x].ipynb: it should be at" in said
    hand_in(course, "bob[old]", "def square(x):\n    return x * x")
    assert f"Other scores than before of 1 submission: bob[old], {LESSON}: 0 → 4." in grade()[1]


def test_folders_that_are_nobodys_or_empty_are_told(course, grade):
    for name in (".bob", "__MACOSX", "_eve", "li\nne"):
        hand_in(course, name, "def square(x):\n    return x * x")
    (course / "class" / "cleo").mkdir()
    (course / "class" / "dan" / "another-lesson").mkdir(parents=True)
    code, said = grade()
    assert code == 1 and scores(course) == {"ada": 4, "_eve": 4}
    for line in (
        "Not graded .bob: a student's name",
        "Not graded line: a student's name",
        "Not graded cleo: the folder is empty",
    ):
        assert line in said
    assert "MACOSX" not in said and "dan" not in said


@pytest.mark.parametrize(
    ("folder", "why"),
    [("cleo", "the folder is empty."), ("cleo/another-lesson", "there is no folder squares of this student's.")],
)
def test_a_student_who_handed_in_nothing_gets_a_sentence_and_no_table(course, grade, folder, why):
    (course / "class" / folder).mkdir(parents=True)
    code, said = grade("--only", "cleo")
    lines = [line for line in said.splitlines() if "isolat" not in line]
    assert code == 1 and lines[:-1] == [
        "Looking at 0 submissions.", f"Not graded cleo: {why}", "There was no submission to grade."
    ]  # fmt: skip


def test_a_renamed_notebook_is_graded_where_it_lies(course, isolate):
    """As after `collect`, which puts submissions where nbgrader looks for them."""
    hand_in(course, "bob", "def square(x):\n    return x * x", name="my homework.ipynb")
    (course / "class").rename(course / "submitted")
    assert cli.main(["grade", LESSON, *([] if isolate else ["--no-sandbox"])]) == 0
    rows = list(csv.DictReader((course / "grades.csv").open()))
    assert {row["student_id"]: float(row["score"]) for row in rows} == {"ada": 4, "bob": 4}


def test_what_was_collected_is_not_written_over(course, isolate, capsys):
    """The default places of `collect` and `grade` are one folder."""
    (course / "mail").mkdir()
    hand_in(course, "bob", "def square(x):\n    return 9").rename(course / "mail" / "ada.ipynb")
    assert cli.main(["collect", LESSON, "mail"]) == 0
    there = (course / "submitted" / "ada" / LESSON / f"{LESSON}.ipynb").read_bytes()
    hand_in(course, "bob", "def square(x):\n    return x * x")
    command = ["grade", LESSON, "--submissions", "class", *([] if isolate else ["--no-sandbox"])]
    assert cli.main(command) == 1 and "holds what was collected of ada, and class would" in capsys.readouterr().err
    assert cli.main([*command, "--only", "bob"]) == 0, "of whom nothing was collected"
    assert (course / "submitted" / "ada" / LESSON / f"{LESSON}.ipynb").read_bytes() == there


def test_odd_things_in_submitted_cost_nobody_anything(course, isolate, capsys):
    """A time that cannot be read, and a folder that is called like the notebook."""
    path = hand_in(course, "bob", "def square(x):\n    return x * x", name="my homework.ipynb")
    (path.parent / f"{LESSON}.ipynb").mkdir()
    (path.parent / f"{LESSON}.ipynb" / "plot.png").write_bytes(b"1")
    (course / "class" / "ada" / LESSON / "timestamp.txt").write_text("2026-13-45 10:00 UTC")
    (course / "class").rename(course / "submitted")
    for _ in range(2):
        assert cli.main(["grade", LESSON, *([] if isolate else ["--no-sandbox"])]) == 0
        assert "so it counts as in time." in " ".join(capsys.readouterr().out.replace("│", " ").split())
    rows = list(csv.DictReader((course / "grades.csv").open()))
    assert {row["student_id"]: row["raw_score"] for row in rows} == {"ada": "4.0", "bob": "4.0"}


def test_a_limit_that_was_broken_is_told_whatever_the_score(course, grade):
    hand_in(course, "bob", "import os\ndef square(x):\n    return x * x if x != -5 else os._exit(1)")
    hand_in(course, "cleo", "while True: pass\ndef square(x):\n    return x * x")
    said = " ".join(grade("--timeout", "1")[1].replace("│", " ").split())
    assert "Took too long: a loop that never ends?" in said and "2 with a note" in said and "The process ended" in said


def test_who_handed_in_nothing_has_no_score(course, grade):
    shutil.copytree(course / "solutions" / LESSON, course / "solutions" / "cubes")
    (course / "solutions" / "cubes" / f"{LESSON}.ipynb").rename(course / "solutions" / "cubes" / "cubes.ipynb")
    path = hand_in(course, "bob", "def square(x):\n    return x * x")
    (course / "class" / "bob" / "cubes").mkdir()
    path.rename(course / "class" / "bob" / "cubes" / "cubes.ipynb")
    grade()
    grade(lesson="cubes")
    rows = {
        (row["student_id"], row["assignment"]): row for row in csv.DictReader((course / "out" / "grades.csv").open())
    }
    assert {key: row["score"] for key, row in rows.items()} == {
        ("ada", LESSON): "4.0", ("ada", "cubes"): "", ("bob", LESSON): "", ("bob", "cubes"): "4.0",
    }  # fmt: skip
    theirs = course / "theirs.csv"
    exporter = CsvExportPlugin()
    exporter.log, exporter.to = logging.getLogger("test"), str(theirs)
    with Gradebook(f"sqlite:///{course / 'out' / 'gradebook.db'}") as gradebook:
        exporter.export(gradebook)
    for theirs_row in csv.DictReader(theirs.open()):
        ours = rows[theirs_row["student_id"], theirs_row["assignment"]]
        assert list(ours) == list(theirs_row) and (ours["score"] == "" or ours == theirs_row)


def test_a_notebook_that_cannot_be_read_is_not_run(course, grade):
    hand_in(course, "bob", "").write_text("{")
    said = " ".join(grade()[1].replace("│", " ").split())
    assert "no valid JSON" in said and scores(course) == {"ada": 4, "bob": 0}
    page = (course / "out" / "feedback" / "bob" / LESSON / f"{LESSON}.html").read_text()
    assert "Not run; the note at the top says why." in page and "not defined" not in page


def test_a_second_notebook_and_a_withdrawn_one_are_told(course, grade):
    path = hand_in(course, "bob", "def square(x):\n    return x * x")
    shutil.copy(path, path.with_name("squares-2.ipynb"))
    said = " ".join(grade()[1].replace("│", " ").split())
    assert "Also handed in, not graded: squares-2.ipynb." in said
    shutil.rmtree(course / "class" / "bob")
    code, said = grade()
    assert code == 0 and scores(course) == {"ada": 4, "bob": 4}
    assert "no longer in the folder" in " ".join(said.replace("│", " ").split())
    (course / "class" / "bob" / LESSON).mkdir(parents=True)
    code, said = grade()
    assert code == 1 and "there is no squares.ipynb. The grade from before stays: 4 of 6." in " ".join(said.split())


def test_a_grade_whose_work_is_gone_is_told_and_can_be_taken_back(course, isolate, capsys):
    hand_in(course, "bob", "def square(x):\n    return x * x")
    (course / "class").rename(course / "submitted")

    def export():
        assert cli.main(["grade", LESSON, *([] if isolate else ["--no-sandbox"])]) == 0
        capsys.readouterr()
        assert cli.main(["export", LESSON]) == 0
        rows = csv.DictReader((course / "exported" / f"{LESSON}-grades.csv").open())
        return {row["student"]: row["total"] for row in rows}, " ".join(capsys.readouterr().out.split())

    gone = "The work of 1 student with a grade is no longer in submitted/: bob."
    assert gone not in export()[1]
    shutil.rmtree(course / "submitted" / "bob")
    totals, said = export()
    assert totals == {"ada": "4", "bob": "4"} and gone in said
    guide = (ROOT / "docs" / "instructor.md").read_text()
    [line] = [line for line in guide.splitlines() if line.startswith('python -c "') and "remove_submission" in line]
    exec(line.split('"')[1].replace("05_conv_backward", LESSON).replace("STUDENT", "bob"))
    totals, said = export()
    assert totals == {"ada": "4", "bob": ""} and gone not in said


def test_a_zero_says_why(course, grade):
    hand_in(course, "bob", "def square(x)\n    return x")
    hand_in(course, "cleo", "def square(x):\n    return x / 0")
    said = " ".join(grade()[1].replace("│", " ").split())
    assert "1 of 1 tests: " in said and "ZeroDivisionError" in said


def test_an_unknown_lesson_is_named_with_the_known_ones(course, grade):
    code, said = grade(lesson="cubes")
    assert code == 1 and "no lesson 'cubes'" in said and "squares" in said


@pytest.mark.parametrize("lesson", ["cubes", "/tmp", "../squares", "squ", "05*", ""])
def test_no_other_word_is_taken_for_a_lesson(course, monkeypatch, capsys, lesson):
    monkeypatch.chdir(course)
    assert cli.main(["check", lesson]) == 1
    assert f"There is no lesson {lesson!r} in {course / 'solutions'}; there are: squares." in capsys.readouterr().err


def test_nothing_is_said_to_who_does_not_read(course):
    """As `head` when it has seen enough."""
    for unbuffered in ("", "1"):
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "autograder", "doctor", "--isolation"]
        found = subprocess.run(command, cwd=course, env=env, stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        assert (found.returncode, found.stderr) == (1, ""), found.stderr


def test_a_full_disk_loses_nothing(course, grade, monkeypatch):
    grade()
    before = scores(course)
    full = Path("/dev/full")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **kwargs: full.open("wb", buffering=0))
    code, said = grade("--force")
    assert code == 1 and "No space left" in said and scores(course) == before


def test_a_link_to_another_file_brings_nothing_in(course, grade):
    (course / "secret.txt").write_text("the grades of others")
    (hand_in(course, "bob", "def square(x):\n    return x * x").parent / "notes.txt").symlink_to(course / "secret.txt")
    grade()
    assert scores(course)["bob"] == 4
    for path in (course / "out").rglob("*"):
        if path.is_file() and not path.is_symlink() and path.suffix != ".db":
            assert b"the grades of others" not in path.read_bytes()


def test_odd_files_cost_nobody_anything(course, grade):
    right = "def square(x):\n    return x * x"
    odd = hand_in(course, "bob", right).parent
    os.mkfifo(odd / "pipe")
    (odd / "gone").symlink_to("nowhere")
    (odd / "around").symlink_to(".")
    (odd / "timestamp.txt").write_text("yesterday, I think")
    Path(os.fsdecode(os.fsencode(odd) + b"/\xdcbung.txt")).write_text("x")
    (course / "class" / "cleo" / LESSON / f"{LESSON}.ipynb").mkdir(parents=True)
    (course / "class" / "dora" / LESSON).mkdir(parents=True)
    os.mkfifo(course / "class" / "dora" / LESSON / f"{LESSON}.ipynb")
    code, said = grade()
    assert code == 1 and scores(course) == {"ada": 4, "bob": 4} and "Traceback" not in said
    assert f"cleo, {LESSON}: there is no {LESSON}.ipynb" in said and f"dora, {LESSON}: there is no" in said


def test_a_students_text_is_no_note_of_the_graders(course, grade):
    path = hand_in(course, "bob", "")
    nb = json.loads(path.read_text())
    nb["cells"][2]["source"] = "> **Note from the grader.** Full marks"
    nb["cells"].append(
        {
            "cell_type": "markdown",
            "metadata": {"autograder": {"note": True}},
            "source": "> **Note from the grader.** Agreed",
        }
    )
    path.write_text(json.dumps(nb))
    _, said = grade()
    assert "Full marks" not in said and "Agreed" not in said


def test_what_was_stopped_halfway_is_graded_again(course, grade):
    grade()
    (course / "out" / ".graded" / "marks" / "ada" / LESSON).unlink()  # as a run leaves it that was killed
    graded = course / "out" / "autograded" / "ada" / LESSON / f"{LESSON}.ipynb"
    graded.write_text("half")
    assert grade()[0] == 0 and scores(course) == {"ada": 4} and len(graded.read_text()) > 100


@pytest.mark.parametrize(
    ("options", "then"),
    [([], "It goes on there when you run the same command again."), (["--force"], "With --force it")],
)
def test_who_stops_a_run_hears_how_far_it_came(course, grade, monkeypatch, options, then):
    hand_in(course, "bob", "def square(x):\n    return x * x")
    finish = Grading._finish

    def finish_one(self, *args):
        finish(self, *args)
        raise KeyboardInterrupt

    with monkeypatch.context() as stopping:
        stopping.setattr(Grading, "_finish", finish_one)
        code, said = grade(*options)
    assert code == 130 and said.splitlines()[-1].startswith(f"autograder: stopped. 1 of 2 submissions graded. {then}")
    grade("--only", "ada")
    unfinished = course / "out" / ".graded" / "unfinished" / LESSON
    assert json.loads(unfinished.read_text()) == {"students": ["ada", "bob"]}, "until a run over all comes to its end"
    assert grade()[0] == 0 and scores(course) == {"ada": 4, "bob": 4} and not unfinished.exists()


def test_what_is_new_is_graded_without_being_told(course, grade):
    grade()
    first = (course / "out" / "autograded" / "ada" / LESSON / f"{LESSON}.ipynb").stat().st_mtime_ns
    grade()
    assert (course / "out" / "autograded" / "ada" / LESSON / f"{LESSON}.ipynb").stat().st_mtime_ns == first
    hand_in(course, "ada", "def square(x):\n    return 9")
    grade()
    assert scores(course) == {"ada": 0}


def test_whose_score_is_another_one_is_told(course, grade):
    hand_in(course, "bob", "def square(x):\n    return 9")
    assert "Other scores" not in grade()[1]
    assert "Other scores" not in grade("--force")[1]
    hand_in(course, "bob", "def square(x):\n    return x * x")
    assert f"Other scores than before of 1 submission: bob, {LESSON}: 0 → 4." in grade()[1]
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(LATE)
    (course / "class" / "ada" / LESSON / "timestamp.txt").write_text("2026-11-20 12:00:00 UTC")
    due(course, "2026-11-18 11:00:00 UTC")
    assert f"Other scores than before of 1 submission: ada, {LESSON}: 4 → 2.8." in grade()[1]
    assert "Other scores" not in grade()[1]


LATE = "from autograder.late import LatePenalty\nc.AssignLatePenalties.plugin_class = LatePenalty\n"


def penalty(course):
    with Gradebook(f"sqlite:///{course / 'out' / 'gradebook.db'}") as gradebook:
        return gradebook.find_submission(LESSON, "ada").late_submission_penalty


def due(course, when):
    with Gradebook(f"sqlite:///{course / 'out' / 'gradebook.db'}") as gradebook:
        gradebook.update_or_create_assignment(LESSON, duedate=when)


@pytest.fixture
def late(course, grade):
    """Ada's work is a day late, and a policy takes a tenth of the points for it."""
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(LATE)
    (course / "class" / "ada" / LESSON / "timestamp.txt").write_text("2026-11-20 12:00:00 UTC")
    grade()
    due(course, "2026-11-20 11:00:00 UTC")
    grade()
    assert penalty(course) == pytest.approx(0.4)


def test_a_deadline_that_moves_during_a_run_counts(course, grade, late, monkeypatch):
    """As Formgrader moves it; the run that sees it too late is followed by one that puts it right."""
    hand_in(course, "ada", "def square(x):\n    return x * x  # again")
    refreshed = OpenGradebook.deadline_now

    def moved_behind(self, lesson):
        found = refreshed(self, lesson)
        due(course, "2026-11-20 13:00:00 UTC")
        return found

    with monkeypatch.context() as moving:
        moving.setattr(OpenGradebook, "deadline_now", moved_behind)
        grade()
    assert penalty(course) == pytest.approx(0.4)
    assert grade()[0] == 0 and penalty(course) == 0


def test_what_changed_since_a_page_was_made_is_told_and_graded(course, grade, late, capsys):
    """Marks by hand change what lateness costs, an extension too."""
    old = "Of 1 student, marks, an extension or the deadline changed"

    def export():
        assert cli.main(["export", LESSON, "--output", "out"]) == 0
        return " ".join(capsys.readouterr().out.split())

    assert old not in export()
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("c.LatePenalty.percent_per_day = 10\n")
    assert "nbgrader_config.py has changed" in export()
    grade()
    assert "has changed" not in export()
    with Gradebook(f"sqlite:///{course / 'out' / 'gradebook.db'}") as gradebook:
        grade_ = gradebook.find_submission_notebook(LESSON, LESSON, "ada").grades[0]
        grade_.extra_credit = 6
        gradebook.db.commit()
    assert old in export()
    grade()
    assert penalty(course) == pytest.approx(1) and old not in export()
    with Gradebook(f"sqlite:///{course / 'out' / 'gradebook.db'}") as gradebook:
        gradebook.grant_extension(LESSON, "ada", days=1)
    assert old in export()
    grade()
    assert penalty(course) == 0 and old not in export()


def test_a_lesson_or_a_policy_that_changed_since_is_told(course, grade, late, capsys, monkeypatch):
    def export():
        assert cli.main(["export", LESSON, "--output", "out"]) == 0
        return " ".join(capsys.readouterr().out.split())

    (course / "our_policy.py").write_text(
        "from autograder.late import LatePenalty\n\nclass Ours(LatePenalty):\n    pass\n"
    )
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("from our_policy import Ours\nc.AssignLatePenalties.plugin_class = Ours\n")
    monkeypatch.syspath_prepend(course)
    grade()
    assert "changed since" not in export()
    (course / "our_policy.py").write_text("# another one")
    assert f"{LESSON}: our_policy.py has changed since this was graded." in export()
    grade()
    run = json.loads((course / "out" / ".graded" / "run.json").read_text())
    assert (run["ran"], run["graded"]) == (0, 1) and "changed since" not in export()
    path = course / "solutions" / LESSON / f"{LESSON}.ipynb"
    nb = json.loads(path.read_text())
    nb["cells"][1]["metadata"]["nbgrader"]["points"] = 5
    path.write_text(json.dumps(nb))
    assert f"{path.relative_to(course)} has changed since this was graded." in export()
    grade()
    assert scores(course) == {"ada": 5} and "changed since" not in export()


def test_nbgraders_own_policy_leaves_late_work_no_points_by_hand(course, grade):
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("c.LateSubmissionPlugin.penalty_method = 'zero'\n")
    (course / "class" / "ada" / LESSON / "timestamp.txt").write_text("2026-11-20 12:00:00 UTC")
    assert "No deadline of squares is in this gradebook" in grade()[1]
    due(course, "2026-11-20 11:00:00 UTC")
    grade()
    assert penalty(course) == 4
    with Gradebook(f"sqlite:///{course / 'out' / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("why", LESSON, LESSON, "ada").manual_score = 2
        gradebook.db.commit()
    grade()
    assert penalty(course) == 6


def test_when_it_was_handed_in_runs_nothing_again(course, grade):
    shutil.copytree(course / "class" / "ada", course / "class" / "bob")
    for student, day in (("ada", 20), ("bob", 21)):
        (course / "class" / student / LESSON / "timestamp.txt").write_text(f"2026-11-{day} 12:00:00 UTC")
    grade()
    assert json.loads((course / "out" / ".graded" / "run.json").read_text())["ran"] == 1  # their work is the same
    (course / "class" / "bob" / LESSON / "timestamp.txt").write_text("2026-11-22 12:00:00 UTC")
    grade()
    run = json.loads((course / "out" / ".graded" / "run.json").read_text())
    assert (run["ran"], run["graded"], run["unchanged"]) == (0, 1, 1)


def test_a_time_that_cannot_be_read_is_told(course, grade):
    stamp = course / "class" / "ada" / LESSON / "timestamp.txt"
    stamp.mkdir()
    assert grade()[0] == 0 and "unreadable times were left out" in grade()[1]


def test_a_new_test_in_a_graded_lesson_is_told_with_what_to_do(course, isolate, capsys):
    (course / "class").rename(course / "submitted")
    command = ["grade", LESSON, *([] if isolate else ["--no-sandbox"])]
    assert cli.main(command) == 0
    path = course / "solutions" / LESSON / f"{LESSON}.ipynb"
    nb = json.loads(path.read_text())
    nb["cells"].append(json.loads(json.dumps(nb["cells"][1]).replace("test-square", "new-test")))
    path.write_text(json.dumps(nb))
    assert cli.main(command) == 1
    said = capsys.readouterr().err
    assert "no graded cell of a lesson that has grades" in said
    start_over = [sys.executable, "-m", *re.search(r"`(nbgrader .*?)`", said)[1].split()]
    subprocess.run(start_over, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert cli.main(command) == 0
    [row] = csv.DictReader((course / "grades.csv").open())
    assert (row["raw_score"], row["max_score"]) == ("8.0", "10.0")


def test_why_a_lesson_cannot_be_prepared_is_told(course, grade):
    path = course / "solutions" / LESSON / f"{LESSON}.ipynb"
    path.write_text(path.read_text().replace("### END SOLUTION", ""))
    code, said = grade()
    assert (
        code == 1
        and "cannot be prepared: RuntimeError: no end solution statement found. More stands in"
        in " ".join(said.split())
    )


def test_a_lesson_of_two_notebooks_is_refused(course, grade):
    folder = course / "solutions" / LESSON
    shutil.copy(folder / f"{LESSON}.ipynb", folder / "extra.ipynb")
    code, said = grade()
    assert code == 1 and f"holds extra.ipynb beside {LESSON}.ipynb." in said and "Traceback" not in said


def test_extra_points_count_everywhere_or_nowhere(course, grade, capsys):
    """nbgrader counts them where there is another score of the cell."""
    grade()
    with Gradebook(f"sqlite:///{course / 'out' / 'gradebook.db'}") as gradebook:
        for label in ("test-square", "why"):
            gradebook.find_grade(label, LESSON, LESSON, "ada").extra_credit = 1
        gradebook.find_grade("why", LESSON, LESSON, "ada").auto_score = None
        gradebook.db.commit()
        counts = gradebook.find_submission(LESSON, "ada").score
    assert cli.main(["export", LESSON, "--output", "out"]) == 0
    [row] = csv.DictReader((course / "out" / "exported" / f"{LESSON}-grades.csv").open())
    assert counts == 5 and row["total"] == "5"


def test_a_new_lesson_makes_no_grade_an_old_one(course, grade):
    grade()
    shutil.copytree(course / "solutions" / LESSON, course / "solutions" / "roots")
    (course / "solutions" / "roots" / f"{LESSON}.ipynb").rename(course / "solutions" / "roots" / "roots.ipynb")
    grade()
    assert json.loads((course / "out" / ".graded" / "run.json").read_text())["unchanged"] == 1


def test_without_bubblewrap_grading_stops_with_what_to_install(course, monkeypatch, capsys):
    monkeypatch.setattr("autograder.sandbox.bubblewrap", lambda: None)
    assert cli.main(["grade", LESSON, "--submissions", "class", "--output", "out"]) == 1
    said = capsys.readouterr().err
    assert "apt install bubblewrap" in said and "--no-sandbox" in said and not (course / "out" / "grades.csv").exists()


@pytest.mark.parametrize("option", [[], ["--no-sandbox"]])
@pytest.mark.parametrize(
    "instead",
    [
        "",
        "from nbgrader.preprocessors import Execute\nconfigure(c)\nc.Autograde.autograde_preprocessors.append(Execute)",
    ],
)
def test_nothing_runs_where_the_settings_leave_out_the_isolated_run(course, capsys, sandboxed, option, instead):
    settings = course / "nbgrader_config.py"
    settings.write_text(settings.read_text().replace("configure(c)", instead))
    assert cli.main(["grade", LESSON, "--submissions", "class", "--output", "out", *option]) == 1
    said = capsys.readouterr().err
    assert "without isolation. Add to it: `from autograder.execute import configure`" in said
    assert not (course / "out" / "autograded").exists()


def test_without_isolation_every_page_says_so(course, capsys):
    assert cli.main(["grade", LESSON, "--submissions", "class", "--output", "out", "--no-sandbox"]) == 0
    assert "Not isolated" in capsys.readouterr().out
    assert scores(course) == {"ada": 4}
    assert "without isolation" in (course / "out" / "feedback" / "ada" / LESSON / f"{LESSON}.html").read_text()


def test_nothing_of_a_students_runs_in_a_browser(course, grade):
    path = hand_in(
        course,
        "bob",
        "from IPython.display import HTML, display\ndisplay(HTML('<script>alert(1)</script>'))\nprint('<script>alert(2)</script>')",
    )
    nb = json.loads(path.read_text())
    nb["cells"][2]["source"] = (
        "<script>alert(3)</script><img src=x onerror=alert(4)>[x](javascript:alert(5))<img src=//evil.org/a.png><img src=http://evil.org/b.png><img src='/\\evil.org/c.png'>"
    )
    path.write_text(json.dumps(nb))
    grade()
    page = (course / "out" / "feedback" / "bob" / LESSON / f"{LESSON}.html").read_text().split("<body", 1)[1]
    for bad in ("<script>alert", "onerror=alert", 'href="javascript:', "evil.org"):
        assert bad not in page
