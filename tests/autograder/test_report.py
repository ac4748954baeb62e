"""The class report: its numbers are the gradebook's, its words are safe, and it names what a class got wrong."""

import json
import re
import shutil
import subprocess
from datetime import datetime
from html.parser import HTMLParser
from itertools import pairwise

import nbformat
import numpy as np
import pytest
from nbgrader.api import Gradebook
from sklearn.preprocessing import normalize
from traitlets.config import Config

from autograder import cli, mistakes, report, similarity
from autograder import graded as graded_notebooks
from autograder.collected import Found, read, record
from autograder.execute import NOTE, configure
from autograder.problem import Problem
from autograder.store import Store, write

LESSON = "squares"
KNOWN = next(iter(mistakes.known("conv2d_backward")))
STUB = "def square(x):\n    '''The square.'''\n    # YOUR CODE HERE\n    raise NotImplementedError()"
LONG = (
    "def square(x):\n"
    + "".join(f"    total_{i} = x[{i}] * weight({i}) + bias({i + 1})\n" for i in range(12))
    + "    return total_0"
)
EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">\u202e'

# student: (square's first test of 4, second of 6, the answer's mark of 2 or None for waiting, messages, code)
CLASS = {
    "ada": (4, 6, 2, {}, LONG),
    "bob": (
        4,
        0,
        0,
        {"hidden": f"square: out is wrong in 2 of 4 numbers.\nIn case 1.\n{KNOWN}"},
        LONG.replace("total", "sum").replace("return", "# mine\n    return"),
    ),
    "cleo": (0, 0, None, {"visible": "square is not written yet.", "hidden": "square is not written yet."}, STUB),
    "dan": (
        0,
        0,
        None,
        {
            "visible": "square(array (3,)) took more than 10 s and was stopped. Does a loop never end?",
            "hidden": f"Your code raised ValueError: {EVIL}",
        },
        "x = 1",
    ),
    "eve": (
        4,
        3,
        2,
        {"hidden": f"square: out is wrong in 9 of 16 numbers.\n{KNOWN}"},
        "\n".join(f"value_{i} = numpy.roll(grid, {i}).sum(axis={i} % 2)" for i in range(20)),
    ),
}


def cell(source, label, kind="code", said="", **flags):
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    made = make(source, id=label)
    made.metadata["nbgrader"] = {"grade_id": label, "schema_version": 3, "task": False, "grade": False, "solution": False, "locked": True} | flags  # fmt: skip
    if said:
        made.outputs = [nbformat.v4.new_output("error", ename="Test failed", evalue=said.split("\n")[0], traceback=said.split("\n"))]  # fmt: skip
    return made


def notebook(code, messages=None, note=""):
    messages = messages or {}
    cells = [nbformat.v4.new_markdown_cell("# 9 · `Squares`\n\nWhat a square is.\nTen minutes.", id="title")]
    cells += [cell(code, "square", solution=True, locked=False)]
    cells += [cell("assert 1", label, grade=True, points=p, said=messages.get(label, "")) for label, p in (("visible", 4), ("hidden", 6))]  # fmt: skip
    cells += [cell("Why?", "why", "markdown", grade=True, solution=True, locked=False, points=2)]
    if note:
        cells.insert(0, nbformat.v4.new_markdown_cell(NOTE + note, id="note", metadata={"autograder": {"note": True}}))
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class in a gradebook and in graded notebooks, as a grader would leave it."""
    folder = tmp_path_factory.mktemp("class")
    configure(Config())  # nbgrader calls a program of this environment by its name
    (folder / "nbgrader_config.py").touch()
    for tree, text in (("solutions", notebook(LONG)), ("notebooks", notebook(STUB))):
        (folder / tree / LESSON).mkdir(parents=True)
        (folder / tree / LESSON / f"{LESSON}.ipynb").write_text(text)
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        book.add_assignment(LESSON, duedate="2026-11-20 10:00:00 UTC")
        book.add_notebook(LESSON, LESSON)
        for label, points in (("visible", 4), ("hidden", 6)):
            book.add_grade_cell(label, LESSON, LESSON, max_score=points, cell_type="code")
        book.add_grade_cell("why", LESSON, LESSON, max_score=2, cell_type="markdown")
        book.add_solution_cell("why", LESSON, LESSON)
        for student, (first, second, mark, messages, code) in CLASS.items():
            book.add_student(student, first_name=EVIL if student == "dan" else "", last_name="")
            late = datetime(2026, 11, 20, 12 if student == "eve" else 9)
            book.add_submission(LESSON, student, timestamp=late)
            for label, score in (("visible", first), ("hidden", second), ("why", mark)):
                grade = book.find_grade(label, LESSON, LESSON, student)
                grade.auto_score, grade.needs_manual_grade = (score, False) if label != "why" else (None, mark is None)
                grade.manual_score = mark if label == "why" else None
            if student == "eve":
                book.find_submission_notebook(LESSON, LESSON, student).late_submission_penalty = 1.5
            book.db.commit()
            path = folder / "autograded" / student / LESSON / f"{LESSON}.ipynb"
            path.parent.mkdir(parents=True)
            note = "squares.ipynb is not a notebook: it is no valid JSON." if student == "cleo" else ""
            path.write_text(notebook(code, messages, note))
        book.add_student("fay")  # handed in nothing
    page = folder / "feedback" / "ada" / LESSON / f"{LESSON}.html"
    page.parent.mkdir(parents=True)
    page.write_text("feedback")
    lines = [Found("", "unknown", origin=f"in.zip/{EVIL}", sentence="nobody in the roster is 'X'."), Found("fay", "missing", sentence="Nothing was handed in."), Found("bob", "taken", sentence="Also handed in, not graded: two.ipynb."), Found("cleo", "zero", sentence="squares.ipynb is not a notebook: it is no valid JSON. It will be graded 0, with this note.")]  # fmt: skip
    record(folder, LESSON, lines, [])
    return folder


class Page(HTMLParser):
    """The text of a page, its tags, and the text below each heading."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.parts, self.heading, self.skip = [], [], {}, None, 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.skip += tag == "style"
        if tag in ("h1", "h2", "h3", "h4"):
            self.heading = []

    def handle_endtag(self, tag):
        self.skip -= tag == "style"
        self.handle_data(" ")
        if tag in ("h1", "h2", "h3", "h4"):
            self.now = " ".join("".join(self.heading).split())
            self.parts.setdefault(self.now, "")
            self.heading = None

    def handle_data(self, data):
        if self.skip:
            return
        self.text.append(data)
        if self.heading is not None:
            self.heading.append(data)
        elif self.parts:
            self.parts[self.now] += data

    def below(self, heading):
        found = [text for name, text in self.parts.items() if name.startswith(heading)]
        return " ".join(" ".join(found).split()) if found else None


@pytest.fixture
def made(graded, monkeypatch, capsys):
    monkeypatch.chdir(graded)
    assert cli.main(["report"]) == 0
    assert str(graded / "report.html") in capsys.readouterr().out
    text = (graded / "report.html").read_text()
    return text, Page(text)


def test_its_numbers_are_the_gradebooks(made):
    _, page = made
    assert "submissions 5" in page.below("9 · Squares")
    # of the points given: ada 12/12, bob 4/12, cleo 0/10, dan 0/10, eve (9 - 1.5)/12
    assert "median 33 %" in page.below("9 · Squares") and "mean 39 %" in page.below("9 · Squares")
    counts = re.findall(r"(\d+) with ([\d–]+) percent", " ".join("".join(page.text).split()))
    assert {label: int(n) for n, label in counts if int(n)} == {"0": 2, "30–39": 1, "60–69": 1, "100": 1}
    assert "square 10 points all points: 1. some: 2. none: 1." in page.below("Exercise by exercise")
    assert "wait for you: 1" in page.below("Exercise by exercise")
    assert "Without 1 that could not be read" in page.below("Exercise by exercise")  # cleo's


def test_namesakes_are_told_apart(graded, monkeypatch, request):
    def name(first, last):
        with Gradebook(f"sqlite:///{graded}/gradebook.db") as book:
            for student in ("ada", "fay"):
                book.update_or_create_student(student, first_name=first, last_name=last)

    name("Anna", "Müller")
    request.addfinalizer(lambda: name("", ""))
    monkeypatch.chdir(graded)
    assert cli.main(["report"]) == 0
    page = Page((graded / "report.html").read_text())
    assert "Anna Müller (ada) , bob" in page.below("Nearly the same")
    assert "Anna Müller (fay)" in page.below("Handed in nothing")


def test_its_title_is_the_lessons_heading_alone(made):
    assert "9 · Squares" in made[1].parts and "<title>Class report: 9 · Squares</title>" in made[0]


def test_mistakes_are_counted_by_name(made):
    said = made[1].below("square")
    assert f"2● {KNOWN}" in said.replace("2 ●", "2●")
    assert "Not written yet" not in said  # cleo's notebook could not be read: that says nothing of the exercise
    for once in ("Took too long: a loop that never ends?", "Raised ValueError"):
        assert re.search(rf"1\s*{re.escape(once)}", said), said
    assert "bob" in said and "eve" in said


def test_who_needs_a_look(made):
    page = made[1]
    assert "cleo" in page.below("No notebook of this lesson") and "no valid JSON" in page.below(
        "No notebook of this lesson"
    )
    assert "alert(1)" in page.below("No points") and "cleo" not in page.below("No points")
    assert "Took too long" in page.below("Stopped at a limit")
    assert "eve · 2 h, loses 1.5 points" in page.below("Late").replace("eve2", "eve · 2").replace("eve 2", "eve · 2")
    assert "menu Nbgrader has Formgrader" in page.below("Wait for your marks")  # `nbgrader formgrade` opens nothing
    assert "cleo" in page.below("Wait for your marks") and "2 points" in page.below("Wait for your marks")
    other = page.below("Other notes, when collected or graded")
    assert "bob" in other and "not graded: two.ipynb." in other and "cleo" not in other
    assert "fay" in page.below("Handed in nothing") and "nobody in the roster" in page.below("Not graded")


def test_nothing_of_a_students_runs_and_nothing_is_fetched(made):
    text, page = made
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "section", "figure", "figcaption", "div", "p", "span", "strong", "bdi", "code", "a", "h1", "h2", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip
    assert {tag for tag, _ in page.tags} <= allowed
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("src", "srcset") for name in attributes)
        assert not re.match(r"\s*(\w+:|//)", attributes.get("href", "#"))
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "http" not in text.replace("http-equiv", "") and "@import" not in text and "url(" not in text
    assert "\u202e" not in text  # no name may turn what stands behind it
    assert "<script>alert(1)" in "".join(page.text)  # shown, as text


def test_names_lead_to_feedback_pages_where_there_are_some(made):
    links = [a["href"] for tag, a in made[1].tags if tag == "a"]
    assert set(links) == {f"feedback/ada/{LESSON}/{LESSON}.html"}


def test_copies_are_found_under_other_names_and_comments(made):
    near = made[1].below("Nearly the same")
    assert "2 students" in near and "ada" in near and "bob" in near and not re.search(r"\b(eve|cleo)\b", near)


def test_the_page_can_be_read_without_colours(made):
    """Every bar bears its number as text, and every heading is in order."""
    text, page = made
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-4]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert dict(page.tags)["html"]["lang"] == "en" and any(a.get("name") == "viewport" for _, a in page.tags)
    assert not re.findall(r'class="(?:full|part|none|waits)" style="flex-grow:\d+"></span>', text)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids)) and {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(
        ids
    )


def test_a_report_makes_no_folder(graded, tmp_path):
    with pytest.raises(Problem, match=r"There is no folder .*nope"):
        report.report(graded, [LESSON], graded, tmp_path / "nope" / "page.html")
    assert not (tmp_path / "nope").exists()


@pytest.mark.parametrize("damage", ["{", "[]", '{"cells": 3}', '{"cells": [{"source": "x"}]}', None])
def test_graded_notebooks_that_are_lost_or_broken_stop_nothing(graded, tmp_path, monkeypatch, damage):
    monkeypatch.chdir(graded)
    path = graded / "autograded" / "eve" / LESSON / f"{LESSON}.ipynb"
    before = path.read_text()
    try:
        path.unlink() if damage is None else path.write_text(damage)
        page = report.report(graded, [LESSON], graded, tmp_path / "page.html")
    finally:
        path.write_text(before)
    assert "median</dt><dd>33" in page.read_text()


def test_what_cannot_be_reported_is_one_sentence(graded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(graded)
    for args, says in (
        (["nothing"], f"No grade of 'nothing' is in {graded / 'gradebook.db'}; graded are: {LESSON}."),
        (["--output", str(tmp_path)], "There is no gradebook"),
    ):
        assert cli.main(["report", *args]) == 1
        said = capsys.readouterr().err
        assert says in said and len(said.splitlines()) == 1


def test_many_processes_look_like_one(graded, monkeypatch):
    folders = [graded / "autograded" / student / LESSON for student in CLASS]
    place, stubs = {"visible": "square", "hidden": "square"}, {"square": STUB}
    alone = graded_notebooks.look_at_all(folders, place, stubs)
    monkeypatch.setattr(graded_notebooks, "FEW", 0)
    assert graded_notebooks.look_at_all(folders, place, stubs) == alone and any(look.code for look in alone)


@pytest.mark.parametrize("broken", [False, True])
def test_time_and_cost_of_the_run_where_the_grader_left_them(graded, tmp_path, monkeypatch, broken):
    monkeypatch.chdir(graded)
    said = {
        "lessons": [LESSON, "other"],
        "seconds": 754.0,
        "core_seconds": 7200,
        "slots": 8,
        "graded": 5,
        "submissions": 5,
    }
    said["not_graded"] = [
        f"gus, {LESSON}: the folder is a link.",
        "hal, other: it is empty.",
        ".ivy: rename the folder.",
    ]
    write(graded / ".graded" / "run.json", "[1" if broken else json.dumps(said))
    for student, seconds in (("ada", 2.0), ("bob", 4.0), ("eve", 95.0)):
        write(graded / ".graded" / "marks" / student / LESSON, "{" if broken else json.dumps({"seconds": seconds}))
    try:
        page = Page(report.report(graded, [LESSON], graded, tmp_path / "page.html").read_text())
    finally:
        shutil.rmtree(graded / ".graded")
    run = page.below("The run")
    if broken:
        assert run is None
    else:
        for fact in ("13 min", "5 of 5", "all together 2 min", "in the middle 4.0 s", "the slowest, eve 95 s"):
            assert fact in run, run
        taken = page.below("Not taken")
        assert "gus" in taken and "is a link" in taken and ".ivy" in taken and "hal" not in taken


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["fay", "gus"], "2 of 7 handed in are not graded yet: the last run did not come to its end."),
        ([], "Not all were looked at again: the last run"),
    ],
)
def test_a_run_that_was_stopped_is_told(graded, tmp_path, monkeypatch, more, says):
    monkeypatch.chdir(graded)
    path = tmp_path / "page.html"
    store = Store(graded / ".graded")
    store.begin(LESSON, [*CLASS, *more])
    try:
        page = report.report(graded, [LESSON], graded, path).read_text()
        assert says in page and f"Run <code>autograder grade {LESSON}</code> again" in page
        store.end(LESSON)
        assert "Not up to date" not in report.report(graded, [LESSON], graded, path).read_text()
    finally:
        shutil.rmtree(graded / ".graded")


# ---- what was wrong, in a few words


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (f"f: dx is wrong in 3 of 9 numbers. db is right.\nIn case 1.\nLargest error at dx[0]: expected 1, got 2.\n{KNOWN}", KNOWN),
        ("f: dx is wrong in 3 of 9 numbers.\nIn case 2.\nexpected [1]\ngot      [2]", "dx is wrong, by no known mistake"),
        ("f: db is wrong in 2 of 2 numbers.\nIn case 1.\ndb holds NaN or infinity in 2 places: from a division by zero, or from np.empty?", "db holds NaN or infinity in … places: from a division by zero, or from np.empty?"),
        ("`f` is not defined in the notebook: no cell that ran defines it under this name.", graded_notebooks.NOT_THERE),
        ("`f` is not defined in the notebook: its cell failed. NameError: name 'g' is not defined", graded_notebooks.NOT_THERE),
        ("`f` is not defined in the notebook: its cell failed. The cell took more than 30 s.", graded_notebooks.TOO_LONG),
        ("The process ended while running f(3): the code exited, crashed, or ran out of memory.", graded_notebooks.CRASHED),
        ("The code used 3000 MB of memory; the limit is 2048 MB.", graded_notebooks.TOO_MUCH),
        ("f: raised MemoryError: it asked for more than the 2048 MB of memory that it may have.", graded_notebooks.TOO_MUCH),
        ("`f` is not defined in the notebook: its cell failed. The cell ended the notebook with exit() or SystemExit: remove that.", graded_notebooks.EXITED),
        ("The cell took more than 30 s and was stopped. Does a loop never end?", graded_notebooks.TOO_LONG),
        ("f: dx is None; expected an array (1, 1, 4, 4). dw and db are right.\nIn case 1 of 7.", "dx is None"),
        ("f: out is the text 'my own words'; expected an array (3,).", "out is the text …"),
        ("A hidden test failed.\nThe answer must not depend on the batch.", "The answer must not depend on the batch."),
        ("A hidden test failed.\nZeroDivisionError: <b>secret</b>", "A hidden test failed"),
        ("", "No verdict"),
    ],
)  # fmt: skip
def test_what_was_wrong_has_one_name(message, name):
    assert graded_notebooks.what_was_wrong(message) == name


# ---- similarity


def loops(name, comment=""):
    return f"def f({name}, w):\n    {comment}\n" + "".join(
        f"    out_{name}_{i} = ({name}[{i}:] * w[{i}]).sum() + np.dot(w, {name}[{i}]) - {i}\n" for i in range(8)
    )


def test_renamed_commented_and_reformatted_copies_are_the_same():
    texts = {"a": loops("x"), "b": loops("image", "# mine, I swear").replace(" * ", "*"), "c": LONG}
    texts = {key: similarity.own_text([code], [STUB]) for key, code in texts.items()}
    ((names, least, closest),) = similarity.groups(texts)
    assert names == ["a", "b"] and least == pytest.approx(1, abs=1e-4) and closest == []
    texts["d"] = texts["a"].replace("[3]", "[4]", 1)
    ((names, least, closest),) = similarity.groups(texts)
    assert names == ["a", "b", "d"] and least < 1 and closest[0] == (1.0, "a", "b") and len(closest) == 2


def test_short_untouched_or_broken_code_is_in_no_group():
    code = ["return x * x", STUB, "", "def f(:\n", "\0", "(" * 50]
    texts = {str(n): similarity.own_text([text], [STUB]) for n, text in enumerate(code * 2)}
    assert similarity.groups(texts) == []
    assert similarity.own_text([STUB], [STUB]) == ""


def test_of_a_cell_without_end_the_beginning_is_compared(monkeypatch):
    """To parse megabytes takes minutes and gigabytes."""
    parsed = []
    monkeypatch.setattr(similarity, "normalised", lambda source: parsed.append(len(source)) or source)
    texts = {name: similarity.own_text([loops("x") + "x=1;" * 10_000, "x=1\n" * 20_000], []) for name in "ab"}
    assert max(parsed) <= similarity.MOST_CHARS and similarity.groups(texts)[0].keys == ["a", "b"]
    assert max(map(len, texts.values())) <= similarity.MOST_CHARS


def test_a_large_class_is_compared_like_a_small_one():
    """The projection that a large class goes through loses no pair and invents none."""
    scipy_sparse = pytest.importorskip("scipy.sparse")
    random = np.random.default_rng(0)
    rows = scipy_sparse.random_array((300, 4000), density=0.02, rng=random, format="csr")
    noisy = (
        rows[:60]
        + scipy_sparse.random_array((60, 4000), density=0.02, rng=random, format="csr")
        * np.linspace(0.02, 0.8, 60)[:, None]
    )
    vectors = normalize(scipy_sparse.vstack([rows, noisy]).tocsr())
    dense = vectors.toarray() @ vectors.toarray().T
    expected = {(i, j) for i, j in zip(*np.nonzero(np.triu(dense >= 0.92, 1)), strict=True)}
    for exactly in (10_000, 10):
        first, second, cosines = similarity.near(vectors, 0.92, exactly)
        assert set(zip(first, second, strict=True)) == expected and 10 < len(expected) < 60
        assert cosines == pytest.approx(dense[first, second], abs=1e-6)


def test_the_styles_of_the_bank_are_not_taken_for_copies():
    """Right solutions, each in a way of its own: copies of one style are a group, and two styles are none."""
    styles = [mistakes.source(f, "conv2d_backward") for f in mistakes.styles("conv2d_backward").values()]
    texts = {f"{n}{twin}": similarity.own_text([text], []) for n, text in enumerate(styles) for twin in "ab"}
    for names, _, _ in similarity.groups(texts):
        assert len({name[:-1] for name in names}) == 1, names


def test_the_record_survives_what_students_call_their_files(tmp_path):
    lines = [Found("ada", "taken", key="=1+1", origin='a,"b"\nc', sentence="@x")]
    record(tmp_path, LESSON, list(lines), [])
    assert read(tmp_path, LESSON) == lines
    text = (tmp_path / "collected" / f"{LESSON}.csv").read_text(encoding="utf-8")
    assert text.startswith("\ufeffstudent,") and """,'@x\n""" in text
    assert """,'=1+1.ipynb,""" not in text and 'a,""b""\nc' in text


# ---- on paper


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """A page with the report's or the feedback's style, as chromium prints it: the text of each sheet."""
    chromium, reader = shutil.which("chromium"), shutil.which("pdftotext")
    if not (chromium and reader):
        pytest.skip("chromium or pdftotext is not there")
    folder = tmp_path_factory.mktemp("paper")

    def made(style, body):
        css = "".join((report.TEMPLATES / name).read_text() for name in ("page.css", style))
        (folder / "page.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><style>{css}</style>{body}")
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={folder}/profile", f"--print-to-pdf={folder}/page.pdf", f"{folder}/page.html"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        said = subprocess.run([reader, folder / "page.pdf", "-"], check=True, capture_output=True, text=True).stdout
        return [sheet.split() for sheet in said.split("\f") if sheet.split()]

    return made


@pytest.mark.parametrize("above", [800, 840, 880, 920])
def test_no_heading_of_a_printed_feedback_page_stands_alone(printed, above):
    card = '<section class="card test"><p class="line">Card</p><p style="height:200px">said</p></section>'
    sheets = printed("offline/feedback.css", f'<div style="height:{above}px">Above</div><h2>Heading</h2>{card}')
    assert len(sheets) == 1 or sheets[1][:2] == ["Heading", "Card"]


def test_a_printed_report_begins_its_lists_on_the_sheet_of_its_charts(printed):
    rows = "".join(f"<li>{n}</li>" for n in range(40))
    card = f'<section class="card mistakes"><h3 class="subsub">Card</h3><ul>{rows}</ul></section>'
    sheets = printed("report/report.css", f'<div style="height:600px">Above</div><div class="columns">{card}</div>')
    assert "Card" in sheets[0] and "0" in sheets[0]


def test_no_row_of_a_printed_table_is_alone_on_a_sheet(printed):
    def rows(count):
        table = f"<table><thead><tr><th>a</th></tr></thead><tbody>{'<tr><td>row</td></tr>' * count}</tbody></table>"
        return [sheet.count("row") for sheet in printed("report/report.css", table)]

    fit = rows(90)[0]
    assert 20 < fit < 80 and min(rows(fit + 1)) > 2
