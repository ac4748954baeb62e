"""Grades and feedback pages as Canvas, Moodle and Brightspace import them: a class collected, graded and given back."""

import csv
import io
import json
import re
import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import cli
from autograder.collected import Found, read, record
from autograder.export_grades import _filled
from autograder.scores import Submission
from autograder.store import Store, alone

ROOT = Path(__file__).parents[2]
LESSON = "squares"
FILE = f"{LESSON}.ipynb"
RIGHT, WRONG = "def square(x):\n    return x * x", "def square(x):\n    return 9"
CLASS = {  # student: (Moodle's number, Canvas's number, name, answer)
    "ada": (901, 11, "Ada Lovelace", RIGHT),
    "bob": (902, 12, "Bob Ray Burns", WRONG),
    "eve": (903, 13, "Eve =Adams", '<img src="https://evil.org/x">'),
}


def lesson(answer):
    def cell(source, label, **flags):
        made = nbformat.v4.new_code_cell(source, id=label)
        made.metadata["nbgrader"] = {"grade_id": label, "schema_version": 3, "task": False, "grade": False, "solution": False, "locked": True} | flags  # fmt: skip
        return made

    test = "assert square(3) == 9\n### BEGIN HIDDEN TESTS\nassert square(-5) == 25, 'a negative number'\n### END HIDDEN TESTS"
    cells = [cell(answer, "square", solution=True, locked=False), cell(test, "test-square", grade=True, points=4)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=kernel))


@pytest.fixture(scope="module")
def graded(tmp_path_factory, isolate):
    """The class, once for each system."""
    made = {}
    for form in ("moodle", "canvas", "brightspace"):
        folder = tmp_path_factory.mktemp(form)
        (folder / "solutions" / LESSON).mkdir(parents=True)
        (folder / "solutions" / LESSON / FILE).write_text(lesson("def square(x):\n    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION"))  # fmt: skip
        shutil.copy(ROOT / "nbgrader_config.py", folder)
        roster = "".join(f"{s},{name},{s}@example.org\n" for s, (_, _, name, _) in CLASS.items())
        (folder / "roster.csv").write_text("id,name,email\n" + roster)
        with zipfile.ZipFile(folder / "in.zip", "w") as archive:
            for moodle, canvas, name, answer in CLASS.values():
                last = name.rpartition(" ")
                key = {
                    "moodle": f"{name}_{moodle}_assignsubmission_file_/{FILE}",
                    "canvas": re.sub(r"\W", "", f"{last[2]}{last[0]}".lower()) + f"_{canvas}_55{canvas}_{FILE}",
                    "brightspace": f"{canvas}-77 - {name} - Nov 21, 2026 1036 AM/{FILE}",
                }[form]
                archive.writestr(key, lesson(answer))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            assert cli.main(["collect", LESSON, "in.zip", "--roster", "roster.csv", "--due", "2026-11-20 00:00"]) == 0
            assert cli.main(["grade", LESSON, *([] if isolate else ["--no-sandbox"])]) == 0
        made[form] = folder
    return made


@pytest.fixture
def export(graded, monkeypatch, capsys):
    def run(form, *args):
        monkeypatch.chdir(folder := graded[_class(form)])
        code = cli.main(["export", LESSON, "--form", form, *args])
        out, err = capsys.readouterr()
        return code, out + err, folder / "exported"

    return run


def _forget(folder, *students):
    path = folder / "collected" / LESSON / "record.json"
    path.write_text(json.dumps([line for line in json.loads(path.read_text()) if line["student"] not in students]))


def _class(form):
    return "canvas" if form == "csv" else form


def table(path):
    return list(csv.reader(io.StringIO(path.read_text())))


class Outside(HTMLParser):
    """What a page would run or fetch."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form"):
            self.found.append(tag)
        for name, value in attributes:
            if name.startswith("on") or (
                name in ("src", "srcset", "href", "action") and re.match(r"\s*(https?:)?//", value or "")
            ):
                self.found.append((tag, name, value))


def test_moodle(export):
    code, said, folder = export("moodle")
    assert code == 0, said
    rows = table(folder / f"{LESSON}-moodle.csv")
    assert rows[0][:2] == ["Identifier", "Full name"] and {"Grade", "Last modified (grade)"} <= set(rows[0])
    assert "Feedback comments" not in rows[0]  # an import would empty what stands there
    grade = {row[0]: row[rows[0].index("Grade")] for row in rows[1:]}
    assert grade == {"Participant 901": "4", "Participant 902": "0", "Participant 903": "0"}
    with zipfile.ZipFile(folder / f"{LESSON}-moodle-feedback.zip") as archive:
        names = archive.namelist()
        for name in names:  # as importziplib.php takes them apart
            parts = name.split("/")[0].split("_", 4)
            assert len(parts) >= 4 and parts[1] in ("901", "902", "903") and parts[2:4] == ["assignsubmission", "file"]
        page = archive.read(next(n for n in names if "_902_" in n)).decode()
    assert len(names) == 3 and "a negative number" in page and "square(-5)" not in page


def test_moodles_own_worksheet_is_filled_in_and_nothing_else_changed(export, graded):
    worksheet = graded["moodle"] / "worksheet.csv"
    head = "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,Last modified (submission),Last modified (grade),Feedback comments"
    lines = [f'Participant {n},{name},{s}@example.org,Submitted for grading,,100.00,Yes,"Saturday, 21 November 2026, 10:36 AM",-,"said, before"' for s, (n, _, name, _) in CLASS.items()]  # fmt: skip
    worksheet.write_text(
        "\n".join([head, *lines, "Participant 904,Not There,x@example.org,No submission,,100.00,Yes,-,-,"])
    )
    _, said, folder = export("moodle", "--template", str(worksheet))
    assert "Moodle expects 100 points, and the lesson has 4" in said and "--of 100" in said
    _, said, _ = export("moodle", "--template", str(worksheet), "--of", "40")
    assert "Moodle expects 100 points, and --of made these grades out of 40. Change it there, or convert" in said
    own = worksheet.with_name("own.csv")
    own.write_text(worksheet.read_text().replace("100.00", "4.00"))
    _, said, _ = export("moodle", "--template", str(own), "--of", "100")
    assert "Moodle expects 4 points, and --of made these grades out of 100. Change it there, or leave out --of." in said
    code, said, folder = export("moodle", "--template", str(worksheet), "--of", "100")
    rows, before = table(folder / f"{LESSON}-moodle.csv"), table(worksheet)
    at = rows[0].index("Grade")
    assert code == 0 and [row[at] for row in rows[1:]] == ["100", "0", "0", ""] and "expects" not in said
    assert [row[:1] + row[at + 1 :] for row in rows] == [row[:1] + row[at + 1 :] for row in before]


def test_canvas(export):
    code, said, folder = export("canvas")
    rows = table(folder / f"{LESSON}-canvas.csv")
    assert code == 0 and rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", LESSON], said
    assert "Points Possible" in rows[1][0] and rows[1][5] == "4"
    assert [row[1:4] for row in rows[2:]] == [["11", "ada", "ada"], ["12", "bob", "bob"], ["13", "eve", "eve"]]
    assert [row[5] for row in rows[2:]] == ["4", "0", "0"] and "SIS" not in said
    assert rows[2][0] == "Lovelace, Ada" and rows[4][0] == "'=Adams, Eve"  # no spreadsheet takes it for a formula
    with zipfile.ZipFile(folder / f"{LESSON}-canvas-feedback.zip") as archive:
        found = sorted(re.search(r"_(\d+)_(\d+)_", name).groups() for name in archive.namelist())
    assert found == [("11", "5511"), ("12", "5512"), ("13", "5513")]  # Canvas finds the submission by these two numbers


def test_canvas_gradebook_is_filled_in(export, graded):
    book = graded["canvas"] / "book.csv"
    book.write_text(
        f"Student,ID,SIS User ID,SIS Login ID,Section,{LESSON} (77),Final Score\n    Points Possible,,,,,4.0,(read only)\n"
        '"Burns, Bob Ray",12,,,S1,3,50\n"Lovelace, Ada",11,,,S1,,60\n"Else, Someone",99,,,S1,2,70\n'
    )
    code, said, folder = export("canvas", "--template", str(book))
    assert code == 0 and "1 student with a grade not in" in said and "eve" in said
    assert [row[5] for row in table(folder / f"{LESSON}-canvas.csv")[2:]] == ["0", "4", "2"]
    book.write_text(book.read_text().replace(f"{LESSON} (77)", f"{LESSON} quiz (77)"))
    code, said, _ = export("canvas", "--template", str(book))
    assert code == 1 and f"has no column for {LESSON!r}" in said
    code, said, _ = export("canvas", "--template", str(book), "--column", f"{LESSON} quiz")
    assert code == 0 and table(folder / f"{LESSON}-canvas.csv")[3][5] == "4"
    code, said, _ = export("canvas", "--template", str(book), "--column", "nothing")
    assert code == 1 and "has no column for 'nothing'" in said and "Final Score" in said


def test_what_was_not_graded_leaves_its_cell_alone(export, graded):
    """As of a student who handed in no notebook: the record of what was collected knows them, the gradebook does not."""
    why = "There is no notebook in it."
    pia = Found("pia", "unreadable", "", "", "in.zip/essay.pdf", "canvas", "98", "essay.pdf", why)
    record(graded["canvas"], LESSON, [*read(graded["canvas"], LESSON), pia], [])
    book = graded["canvas"] / "book.csv"
    book.write_text(f'Student,ID,{LESSON} (77)\n    Points Possible,,4.0\n"Else, Pia",98,\n"Lovelace, Ada",11,\n')
    code, said, folder = export("canvas", "--template", str(book))
    _forget(graded["canvas"], "pia")
    assert code == 0 and "pia handed in what was not graded" in said
    assert [row[2] for row in table(folder / f"{LESSON}-canvas.csv")[2:]] == ["", "4"]


@pytest.mark.parametrize("form", ["csv", "moodle", "canvas", "brightspace"])
def test_who_handed_in_and_has_no_grade_is_told_in_every_form(export, graded, form):
    folder = graded[_class(form)]
    store = Store(folder / ".graded")
    more = [Found("pia", "unreadable", key="pia"), Found("zoe", "taken", key="zoe"), Found("gus", "missing")]
    more += [Found("ian", "taken", key="ian")]  # who has left: nothing of his is in submitted/
    (folder / "submitted" / "zoe" / LESSON).mkdir(parents=True)
    record(folder, LESSON, read(folder, LESSON) + more, [])
    store.begin(LESSON, [*CLASS, "zoe"])
    try:
        code, said, _ = export(form)
        assert f"{LESSON}: pia handed in what was not graded" in said and not {"gus", "ian"} & set(
            re.findall(r"\w+", said)
        )
        assert f"{LESSON}: 1 of 4 handed in are not graded yet: the last run did not come to its end." in said
        with alone(folder / ".graded"):
            _, said, _ = export(form)
        assert f"{LESSON}: 1 of 4 handed in are not graded yet: a grader is at work." in said and "end. Run" not in said
        store.end(LESSON)
        _, said, _ = export(form)
        assert f"{LESSON}: pia handed in what was not graded" in said and "csv says why" in said
        assert f"{LESSON}: zoe handed in what was not graded" in said and f"`autograder grade {LESSON}`" in said
    finally:
        store.end(LESSON)
        _forget(folder, "pia", "zoe", "gus", "ian")
        shutil.rmtree(folder / "submitted" / "zoe")
    assert code == 0 and "not graded" not in export(form)[1]  # as of other grades that are not there yet


def test_brightspace(export, graded):
    code, said, folder = export("brightspace")
    rows = table(folder / f"{LESSON}-brightspace.csv")
    assert code == 0 and rows == [["Username", f"{LESSON} Points Grade", "End-of-Line Indicator"], ["ada", "4", "#"], ["bob", "0", "#"], ["eve", "0", "#"]], said  # fmt: skip
    with zipfile.ZipFile(folder / f"{LESSON}-brightspace-feedback.zip") as archive:
        assert f"11-77 - Ada Lovelace - Nov 21, 2026 1036 AM/{LESSON}.html" in archive.namelist()
    own = graded["brightspace"] / "own.csv"
    own.write_text(f"OrgDefinedId,Username,{LESSON} Points Grade <Numeric MaxPoints:8 Weight:1>,End-of-Line Indicator\n#100,bob,,#\n#101,ada,,#\n")  # fmt: skip
    code, said, _ = export("brightspace", "--template", str(own), "--of", "8")
    assert [row[2] for row in table(folder / f"{LESSON}-brightspace.csv")[1:]] == ["0", "8"]


def test_the_plain_table_has_everybody_and_no_formula(graded, monkeypatch, capsys):
    monkeypatch.chdir(graded["brightspace"])
    with Gradebook("sqlite:///gradebook.db") as book:
        book.add_student("dan", first_name="=1+1", last_name="Ng", email="d@example.org")  # handed in nothing
    try:
        assert cli.main(["export"]) == 0
    finally:
        with Gradebook("sqlite:///gradebook.db") as book:
            book.remove_student("dan")
    rows = list(csv.DictReader((graded["brightspace"] / "exported" / f"{LESSON}-grades.csv").open()))
    assert [(r["student"], r["total"], r["points"], bool(r["late"])) for r in rows] == [("ada", "4", "4", True), ("bob", "0", "4", True), ("dan", "", "4", False), ("eve", "0", "4", True)]  # fmt: skip
    dan = rows[2]
    assert (dan["first_name"], dan["last_name"], dan["email"]) == ("'=1+1", "Ng", "d@example.org")
    assert {dan[name] for name in ("submitted", "score", "late_penalty", "to_mark")} == {""}
    capsys.readouterr()


@pytest.mark.parametrize("form", ["csv", "moodle"])
def test_raw_grades_are_without_the_penalty_for_being_late(export, graded, form):
    url = f"sqlite:///{graded[_class(form)] / 'gradebook.db'}"

    def take(points):
        with Gradebook(url) as book:
            book.find_submission_notebook(LESSON, LESSON, "ada").late_submission_penalty = points
            book.db.commit()

    def grade(*more):
        heads, ada, *_ = table(export(form, *more)[2] / f"{LESSON}-{'grades' if form == 'csv' else form}.csv")
        return ada[heads.index("total" if form == "csv" else "Grade")]

    take(1.5)
    try:
        assert (grade(), grade("--raw")) == ("2.5", "4")
    finally:
        take(0)


HEADS = {
    "canvas": "Student,ID,SIS User ID,SIS Login ID,Section",
    "moodle": "Identifier,Full name,Email address,Grade",
    "brightspace": "OrgDefinedId,Username,End-of-Line Indicator",
    "own": "name,points",
}


@pytest.mark.parametrize(("form", "kind"), [(form, kind) for form in ("canvas", "moodle", "brightspace") for kind in HEADS if form != kind])  # fmt: skip
def test_a_template_of_another_kind_is_told(export, graded, form, kind):
    wrong = graded[form] / "wrong.csv"
    wrong.write_text(f"{HEADS[kind]}\n1,2,3,4,5\n")
    code, said, _ = export(form, "--template", str(wrong), "--column", HEADS[kind].rpartition(",")[2])
    assert code == 1 and "is not the grad" in said and f"{form.title()} exports" in said
    assert ("it has: name, points" if kind == "own" else f"it looks like one for --form {kind}") in said


def test_what_cannot_be_exported_is_one_sentence(tmp_path, graded, monkeypatch, capsys):
    monkeypatch.chdir(graded["moodle"])
    Path("others.csv").write_text("Identifier,Grade\nParticipant 1,\n")
    for args, says in (
        (["nothing"], "No grade of 'nothing'"),
        (["--output", str(tmp_path)], "There is no gradebook"),
        (["--form", "canvas", "--template", "nowhere.csv"], "nowhere.csv cannot be opened"),
        (["--template", "book.csv"], "say whose with --form"),
        (
            ["--form", "moodle", "--template", "others.csv"],
            "others.csv has none of the numbers of these submissions; it seems to be the worksheet of another assignment",
        ),
    ):
        assert cli.main(["export", *args]) == 1
        said = capsys.readouterr().err
        assert says in said and "Traceback" not in said and len(said.splitlines()) == 1
    assert cli.main(["export", "--form", "canvas"]) == 0  # collected from Moodle: grades, but no page finds its place
    said = capsys.readouterr().out
    assert (
        "of what was not collected from Canvas" in said and "number of 3 students is not known: ada, bob, eve" in said
    )


def test_two_exports_at_once_are_both_whole(export, monkeypatch):
    place, inside = zipfile.ZipFile.write, []

    def second_meanwhile(archive, *args):
        if not inside:
            inside.append("it has begun")
            inside.append(export("canvas")[0])
        return place(archive, *args)

    monkeypatch.setattr(zipfile.ZipFile, "write", second_meanwhile)
    code, said, folder = export("canvas")
    assert [code, *inside[1:]] == [0, 0], said
    with zipfile.ZipFile(folder / f"{LESSON}-canvas-feedback.zip") as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 3
    assert not list(folder.glob(".*"))


def test_an_export_without_a_grade_is_a_problem(graded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(graded["canvas"])
    assert cli.main(["export", "--form", "moodle"]) == 1
    said = capsys.readouterr().err
    assert "There is nothing to export. squares: 3 students" in said and "filled in with --template" in said
    assert not Path("exported", f"{LESSON}-moodle.csv").exists()
    monkeypatch.chdir(tmp_path)
    shutil.copy(graded["canvas"] / "gradebook.db", tmp_path)
    with Gradebook("sqlite:///gradebook.db") as book:  # handed in, and nothing in it is graded
        book.add_assignment("essay")
        book.add_submission("essay", "ada")
        book.add_assignment("cubes")
        book.add_notebook("cubes", "cubes")
        book.add_grade_cell("cube", "cubes", "cubes", max_score=1, cell_type="code")
        book.add_submission("cubes", "ada")
    assert cli.main(["export", "essay"]) == 1
    assert "No grade of 'essay'" in capsys.readouterr().err
    assert cli.main(["export"]) == 0
    heads, *rows = table(tmp_path / "exported" / "grades.csv")
    assert [row[0] for row in rows] == [*["cubes"] * 3, *[LESSON] * 3] and heads[0] == "lesson"


@pytest.mark.parametrize("student", CLASS)
def test_a_feedback_page_opens_offline_runs_nothing_and_shows_no_hidden_test(graded, student):
    page = (graded["moodle"] / "feedback" / student / LESSON / f"{LESSON}.html").read_text()
    assert Outside(page).found == []
    assert "url(http" not in page and "@import" not in page
    assert "HIDDEN TESTS" not in page and "square(-5)" not in page


@pytest.mark.parametrize(
    ("form", "head", "rows", "lms", "points"),
    [
        # ids that differ in their case; a stranger's that differs from both
        ("brightspace", "Username,squares Points Grade", {"Ada": 10, "ada": 3, "ADA": ""}, {}, {"Ada": 10, "ada": 3}),
        # a username with digits is no number of the system's
        ("brightspace", "Username,squares Points Grade", {"#s11": 2, "ada": 10}, {"ada": "11"}, {"s11": 2, "ada": 10}),
        # one email of two is nobody's
        ("moodle", "Email address,Grade", {"x@example.org": "", "zoe": 5}, {}, {"Ada": 1, "Bob": 2, "zoe": 5}),
    ],
)
def test_a_grade_goes_to_nobody_else(tmp_path, form, head, rows, lms, points):
    path = tmp_path / "template.csv"
    path.write_text("\n".join([head, *(f"{name}," for name in rows)]))
    ones = [
        Submission(id_, id_, email="" if id_ in ("zoe", "s11", "ada") or form != "moodle" else "x@example.org")
        for id_ in points
    ]
    record = {id_: Found(id_, "taken", form=form, lms_id=number) for id_, number in lms.items()}
    filled, missing, _ = _filled(path, LESSON, ones, record, points, form, None, 10, None)
    assert {row[0]: row[1] for row in filled[1:]} == rows
    assert missing == [id_ for id_ in points if points[id_] not in rows.values()]


def test_a_number_that_came_with_anothers_work_fills_nobodys_row(tmp_path):
    """Bob's file had Anna's number, and Anna has no grade: her row stays empty, and his is his by its id."""
    path = tmp_path / "template.csv"
    path.write_text('Student,ID,SIS User ID,squares\n"Smith, Anna",12,anna,\n"Smith, Bob",13,bob,\n')
    bob, anna = Submission("bob", "Bob Smith", sis=("bob", "")), Submission("anna", "", lms_id="12", sis=("anna", ""))
    record = {"bob": Found("bob", "taken", form="canvas", lms_id="12")}
    filled, _, _ = _filled(path, LESSON, [bob], record, {"bob": 4}, "canvas", None, 4, None, [anna])
    assert [row[3] for row in filled[1:]] == ["", 4]


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-8-sig", ","), ("cp1252", ";"), ("utf-16", "\t")])
def test_a_template_comes_back_as_it_was_written(export, graded, encoding, delimiter, end):
    book = graded["canvas"] / "book.csv"
    lines = [["Student", "ID", f"{LESSON} (77)"], ["    Points Possible", "", "4.0"], ["Éluard, Paul", "11", ""]]
    text = end.join(map(delimiter.join, lines[:2])) + f'{end}"Éluard, Paul"{delimiter}11{delimiter}{end}'
    book.write_bytes(text.encode(encoding))
    code, _, folder = export("canvas", "--template", str(book))
    back = (folder / f"{LESSON}-canvas.csv").read_bytes().decode(encoding)
    assert code == 0 and back.replace('"', "") == text.replace('"', "").replace(
        f"11{delimiter}{end}", f"11{delimiter}4{end}"
    )
