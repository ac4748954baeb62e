"""`autograder collect`: exports as Moodle, Canvas and Brightspace name them, and what students put into them."""

import csv
import io
import os
import re
import shutil
import stat
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import nbformat
import pytest
from nbgrader.api import Gradebook
from traitlets.config import Config

from autograder import cli, lms, settling, stamps
from autograder import collect as collecting
from autograder.execute import configure
from autograder.late import LatePenalty
from autograder.stamps import NOT_KNOWN
from autograder.store import Store, alone

ROOT = Path(__file__).parents[2]
LESSON = "squares"
FILE = f"{LESSON}.ipynb"
ROSTER = "id,first_name,last_name,email,lms_user_id\nada,Ada,Lovelace,ada@example.org,11\nzoe,Zoë,O'Neil,zoe@example.org,12\nbob,Bob,Ray Burns,bob@example.org,13\n"


@pytest.fixture(scope="module")
def empty_gradebook(tmp_path_factory):
    """Made once: nbgrader takes seconds for a new one."""
    path = tmp_path_factory.mktemp("empty") / "gradebook.db"
    configure(Config())  # it calls a program of this environment by its name
    Gradebook(f"sqlite:///{path}", "cnn-by-hand").close()
    return path


@pytest.fixture
def course(tmp_path, monkeypatch, empty_gradebook):
    folder = tmp_path / "course"
    folder.mkdir()
    shutil.copy(empty_gradebook, folder)
    (folder / "solutions" / LESSON).mkdir(parents=True)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    (folder / "solutions" / LESSON / FILE).write_text(notebook("x"))
    (folder / "roster.csv").write_text(ROSTER, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def collect(course, capsys):
    def run(*args, roster=True):
        zone = [] if "--timezone" in args else ["--timezone", "UTC"]
        code = cli.main(["collect", LESSON, *map(str, args), *(["--roster", "roster.csv"] if roster else []), *zone])
        out, err = capsys.readouterr()
        return code, out + err

    return run


def notebook(text):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text, id="cell")])
    return nbformat.writes(nb)


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def lines(course):
    with (course / "collected" / f"{LESSON}.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def state(course):
    return {row["student"] or row["origin"]: row["state"] for row in lines(course)}


def taken(course, student):
    path = course / "submitted" / student / LESSON / FILE
    return nbformat.read(path, as_version=4).cells[0].source if path.exists() else None


def stamp(course, student):
    path = course / "submitted" / student / LESSON / "timestamp.txt"
    return path.read_text().strip() if path.exists() else None


def behind(day):
    """The time of what was late by nobody knows how much, where it was due at 23:59 on a day of November."""
    return f"2026-11-{day}T23:59:00.000001 UTC"


def inside(course):
    """Every file that exists now, outside the course too."""
    return {p for p in course.parent.rglob("*") if p.is_file() or p.is_symlink()}


# ---- what the systems export


def test_moodle_in_folders_and_with_names_before_the_files(course, collect):
    files = {
        f"Ada Lovelace_123456_assignsubmission_file_/{FILE}": notebook("ada"),
        "Ada Lovelace_123456_assignsubmission_onlinetext_/onlinetext.html": "<p>hello</p>",
        f"Zoë O'Neil_123457_assignsubmission_file_/{FILE}": notebook("zoe"),
        f"Bob Ray Burns_123458_assignsubmission_file_{FILE}": notebook(
            "bob"
        ),  # without "Download submissions in folders"
    }
    code, said = collect(zipped(course / "moodle.zip", files))
    assert code == 0, said
    assert [taken(course, s) for s in ("ada", "zoe", "bob")] == ["ada", "zoe", "bob"]
    row = next(row for row in lines(course) if row["student"] == "ada")
    assert row["lms_id"] == "123456" and "typed into Moodle" in row["sentence"]
    assert row["origin"] == "moodle.zip/Ada Lovelace_123456_assignsubmission_file_"


def test_moodle_puts_groups_before_all_names_or_none(course, collect):
    names = {"Group A-Zoë O'Neil": "zoe", "Group-B-Ada Lovelace": "ada"}
    files = {f"{name}_{n}_assignsubmission_file_/{FILE}": notebook(id_) for n, (name, id_) in enumerate(names.items())}
    assert collect(zipped(course / "m.zip", files))[0] == 0
    assert [taken(course, s) for s in ("ada", "zoe")] == ["ada", "zoe"]
    files = {
        f"{name}_{n}_assignsubmission_file_/{FILE}": notebook("x") for n, name in enumerate(["Eve-Zoë O'Neil", "Bob"])
    }
    code, said = collect(zipped(course / "n.zip", files))
    assert code == 1 and taken(course, "zoe") == "zoe" and 'is "Eve-Zoë O\'Neil"' in said


@pytest.mark.parametrize("group", ["", "Group-A-"])
def test_moodle_where_marking_is_anonymous(course, collect, group):
    """Names are hidden in the export and in the worksheet; the number says who is who, and the language may be any."""

    def export(n):
        who = "Participant" if n < 3 else "Teilnehmerin"
        key = f"{group}{who}_90{{}}_assignsubmission_file_/{FILE}"
        return zipped(course / f"{n}.zip", {key.format(i): notebook(f"of {i}") for i in range(n)})

    for n in (1, 4):
        code, said = collect(export(n), roster=False)
        assert code == 0, said
    assert {path.name for path in (course / "submitted").iterdir()} == {"Participant-900"} | {f"Teilnehmerin-90{i}" for i in range(4)}  # fmt: skip
    lines_ = [f'Teilnehmer/in 90{i},Submitted,"21 November 2026, 10:36 AM"' for i in range(5)]
    (course / "sheet.csv").write_text("\n".join(["Identifier,Status,Last modified (submission)", *lines_]))
    shutil.rmtree(course / "submitted")
    code, said = collect(export(4), "--roster", "sheet.csv", roster=False)
    assert code == 0 and state(course)["Teilnehmer-in-904"] == "missing", said
    assert [taken(course, f"Teilnehmer-in-90{i}") for i in range(4)] == [f"of {i}" for i in range(4)]
    assert stamp(course, "Teilnehmer-in-903") == "2026-11-21 10:36:00 UTC"


def test_moodle_grading_worksheet_is_a_roster_and_tells_the_times(course, collect):
    (course / "worksheet.csv").write_text(
        "\ufeffIdentifier,Full name,ID number,Email address,Status,Grade,Maximum Grade,Grade can be changed,Last modified (submission),Last modified (grade),Feedback comments\n"
        'Participant 901,Ada Lovelace,s1,ada@example.org,Submitted for grading,,40.00,Yes,"Saturday, 21 November 2026, 10:36 AM",-,\n'
        "Participant 902,Ada Lovelace,s2,ada2@example.org,Submitted for grading,,40.00,Yes,-,-,\n"
        "Participant 903,Zoë O'Neil,s3,zoe@example.org,No submission,,40.00,Yes,-,-,\n",
        encoding="utf-8",
    )
    files = {f"Ada Lovelace_{n}_assignsubmission_file_/{FILE}": notebook(str(n)) for n in (901, 902)}
    files["Ada Lovelace_901_assignsubmission_file_/timestamp.txt"] = "2020-01-01 00:00:00 UTC"
    code, said = collect(
        zipped(course / "m.zip", files), "--roster", "worksheet.csv", "--due", "2026-11-20 23:59", roster=False
    )
    assert code == 0, said
    assert taken(course, "s1") == "901" and taken(course, "s2") == "902"  # two of one name, told apart by the number
    assert stamp(course, "s1") == "2026-11-21 10:36:00 UTC" and stamp(course, "s2") is None
    rows = {row["student"]: row for row in lines(course)}
    assert rows["s1"]["late"] == "10 h 37 min" and rows["s3"]["state"] == "missing"
    with Gradebook(f"sqlite:///{course}/gradebook.db", "cnn-by-hand") as gradebook:
        assert gradebook.find_student("s3").last_name == "O'Neil" and gradebook.find_student("s3").lms_user_id is None
        assert str(gradebook.find_assignment(LESSON).duedate) == "2026-11-20 23:59:00"


def test_canvas(course, collect):
    files = {
        f"lovelaceada_LATE_11_5001_{LESSON}-1.ipynb": notebook("ada, second"),
        f"lovelaceada_11_4001_{FILE}": notebook("ada, first"),
        "lovelaceada_LATE_11_5002_data.csv": "1,2",
        f"oneilzoë_12_4002_{FILE}": notebook("zoe"),
        "rayburnsbob_13_text.html": "I could not finish",
    }
    code, said = collect(zipped(course / "submissions.zip", files), "--due", "2026-11-20 23:59")
    assert taken(course, "ada") == "ada, second" and taken(course, "zoe") == "zoe"
    assert (course / "submitted" / "ada" / LESSON / "data.csv").read_text() == "1,2"
    rows = {(row["student"], row["state"]): row for row in lines(course)}
    assert rows["ada", "taken"]["late"] == NOT_KNOWN and "not by how much" in rows["ada", "taken"]["sentence"]
    assert stamp(course, "ada") == behind(20) and stamp(course, "zoe") is None
    older = course / rows["ada", "older"]["sentence"].partition("kept in ")[2].rstrip(".")
    assert nbformat.read(older / FILE, as_version=4).cells[0].source == "ada, first"
    assert code == 1 and "There is no notebook in it" in rows["bob", "unreadable"]["sentence"], said


def test_canvas_gradebook_as_the_roster(course, collect):
    (course / "canvas.csv").write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Homework (77)\n"
        "    Points Possible,,,,,40\n"
        '"Lovelace, Ada",11,S11,ada,Section 1,\n"Student, Test",99,,,Section 1,\n',
    )
    code, said = collect(
        zipped(course / "s.zip", {f"somebody_11_4001_{FILE}": notebook("a")}), "--roster", "canvas.csv", roster=False
    )
    assert code == 0 and taken(course, "ada") == "a", said
    with Gradebook(f"sqlite:///{course}/gradebook.db", "cnn-by-hand") as gradebook:
        assert [(s.id, s.first_name, s.lms_user_id) for s in gradebook.students] == [("ada", "Ada", "11")]


CANVAS = 'Student,ID,SIS User ID,SIS Login ID,Section,Homework (77)\n    Points Possible,,,,,40\n"Lovelace, Ada",501,S10001,ada,1,\n'
OWN = "id,first_name,last_name,email\nS10001,Ada,Lovelace,ada@example.org\n"


@pytest.mark.parametrize("first, second, id_", [(OWN, CANVAS, "S10001"), (CANVAS, OWN, "ada")])
def test_a_student_whom_another_list_calls_otherwise_is_no_second_one(
    course, collect, isolate, first, second, id_, monkeypatch
):
    for number, text in enumerate((first, second)):
        (course / "list.csv").write_text(text)
        files = {f"lovelaceada_501_40{number}_{FILE}": notebook(str(number))}
        code, said = collect(zipped(course / f"{number}.zip", files), "--roster", "list.csv", roster=False)
        assert code == 0 and taken(course, id_) == str(number), said
    code, said = collect(zipped(course / "flat.zip", {"Ada Lovelace.ipynb": notebook("2")}), roster=False)
    assert taken(course, id_) == "2" and {row["student"] for row in lines(course)} == {id_}, said
    with Gradebook(f"sqlite:///{course}/gradebook.db", "cnn-by-hand") as gradebook:
        assert [student.id for student in gradebook.students] == [id_]
        gradebook.add_assignment(LESSON)
        gradebook.add_notebook(LESSON, LESSON)
        gradebook.add_grade_cell("cell", LESSON, LESSON, max_score=1, cell_type="code")
        gradebook.add_submission(LESSON, id_)
    assert cli.main(["export", LESSON, "--form", "canvas"]) == 0
    row = (course / "exported" / f"{LESSON}-canvas.csv").read_text().splitlines()[2]
    assert row == '"Lovelace, Ada",501,S10001,ada,,0'


@pytest.mark.parametrize(
    ("first", "second", "ids"),
    [
        ("id,name\nada,Ada Lovelace\nbob,Bob Ray", "id,name\n501,Ada Lovelace\n502,Carl Gauss", None),
        ("id,name\nada,Ada Lovelace", "id,name\n501,Lovelace Ada", None),
        ("id,first_name,last_name\nada,Ada,Lovelace", "id,name,email\n501,Ada Lovelace,a@x.org", None),
        ("id\nAda-Lovelace", "id,name\n501,Ada Lovelace", None),  # as where there was no list at first
        ("id,name\nada,Ada Lovelace\n501,Ada Lovelace", "id,name\n501,Ada Lovelace", {"ada", "501"}),
        ("id,name\nada,Ada Lovelace", "id,name\n501,Ada Lovelace\nada,Ada Lovelace", {"ada", "501"}),
        ("id,name\nada,Ada Lovelace", "id,student_id,name\n501,ada,Ada Lovelace", {"ada"}),
        ("id,name,email\nada,Ada Lovelace,a@x.org", "id,name,email\n501,Ada Lovelace,b@x.org", {"ada", "501"}),
        ("id,name,email\nada,Ada Lovelace,a@x.org", "id,name,email\n501,Ada Lovelace,A@x.org", {"ada"}),
        ("id\nada", "id\n501", {"ada", "501"}),
    ],
)
def test_a_list_that_seems_to_know_a_student_by_another_id_is_not_taken(course, collect, first, second, ids):
    def known():
        with Gradebook(f"sqlite:///{course}/gradebook.db", "cnn-by-hand") as gradebook:
            return {student.id for student in gradebook.students}

    files = zipped(course / "a.zip", {f"Carl Gauss_9_assignsubmission_file_/{FILE}": notebook("c")})
    (course / "roster.csv").write_text(first)
    collect(files)
    before = known()
    (course / "roster.csv").write_text(second)
    code, said = collect(files)
    if ids is None:
        assert code == 1 and "Nothing was collected: 1 student of the roster may be known" in said, said
        assert "(501, and " in said and known() == before
    else:
        assert "Nothing was collected" not in said and known() == ids


def test_a_name_of_two_students_is_told_with_what_helps(course, collect):
    (course / "roster.csv").write_text("id,name\ns1,Ada Lovelace\ns2,Ada Lovelace\n")
    code, said = collect(zipped(course / "m.zip", {f"Ada Lovelace_7_assignsubmission_file_/{FILE}": notebook("ada")}))
    assert (
        code == 1
        and "fits 2 students of the roster: s1, s2. Give Moodle's grading worksheet with --roster, which has their numbers. Or: Copy its folder, as it is kept, into one"
        in said
    )
    assert "--form folder" in said and "Add the student" not in said


def test_brightspace_keeps_the_newest_by_its_own_times(course, collect):
    files = {
        "index.html": "<html>all submissions</html>",
        f"12345-67890 - Ada Lovelace - Nov 21, 2026 1036 AM/{FILE}": notebook("second"),
        f"12345-67890 - Ada Lovelace - Nov 20, 2026 1159 PM/{FILE}": notebook("first"),
        f"12346-67890 - Zoë O'Neil - 21 November, 2026 936/{FILE}": notebook("zoe"),
    }
    code, said = collect(zipped(course / "b.zip", files), "--due", "2026-11-21 10:00")
    assert code == 0, said
    assert taken(course, "ada") == "second" and stamp(course, "ada") == "2026-11-21 10:36:00 UTC"
    assert stamp(course, "zoe") == "2026-11-21 09:36:00 UTC"
    rows = [row for row in lines(course) if row["student"] == "ada"]
    assert sorted((row["state"], row["submitted"], row["late"]) for row in rows) == [
        ("older", "2026-11-20 23:59:00", ""),
        ("taken", "2026-11-21 10:36:00", "36 min"),
    ]
    assert (course / "collected" / LESSON / "older" / "ada" / "2026-11-20_235900" / FILE).exists()


def test_an_export_that_was_unpacked_by_hand_is_the_same(course, collect):
    target = course / "downloads" / "Homework Download Nov 21, 2026 1040 AM"
    with zipfile.ZipFile(
        zipped(course / "b.zip", {f"1-2 - Ada Lovelace - Nov 21, 2026 1036 AM/{FILE}": notebook("ada")})
    ) as archive:
        archive.extractall(target)
    code, said = collect(course / "downloads")
    assert code == 0 and taken(course, "ada") == "ada" and stamp(course, "ada") == "2026-11-21 10:36:00 UTC", said


def test_nbgraders_own_layout_and_its_exchange(course, collect):
    inbound = course / "exchange" / "inbound"
    for when, text in (("2026-11-20 10:00:00.000000 UTC", "first"), ("2026-11-21 10:00:00.000000 UTC", "second")):
        folder = inbound / f"ada+{LESSON}+{when}+x1y2"
        folder.mkdir(parents=True)
        (folder / FILE).write_text(notebook(text))
        (folder / "submission_secret.txt").write_text("secret")
    assert collect(course / "exchange", roster=False)[0] == 0
    assert taken(course, "ada") == "second" and stamp(course, "ada") == "2026-11-21 10:00:00 UTC"
    assert not list((course / "submitted").rglob("submission_secret.txt"))
    own = course / "class" / "bob" / LESSON
    own.mkdir(parents=True)
    (own / FILE).write_text(notebook("bob"))
    (own / "timestamp.txt").write_text("2026-11-21 12:00:00 UTC")
    (course / "class" / "bob" / "other" / "other.ipynb").parent.mkdir()
    (course / "class" / "bob" / "other" / "other.ipynb").write_text(notebook("of another lesson"))
    code, said = collect(course / "class", roster=False)
    assert code == 0 and stamp(course, "bob") == "2026-11-21 12:00:00 UTC", said
    assert {row["student"] for row in lines(course)} == {"ada", "bob"}


def test_a_flat_folder(course, collect):
    flat = course / "flat"
    flat.mkdir()
    for name, text in {
        "ada.ipynb": "old",
        "ada (1).ipynb": "new",
        f"{LESSON}_zoe@example.org.ipynb": "zoe",
        FILE: "whose?",
        "nobody.ipynb": "?",
    }.items():
        (flat / name).write_text(notebook(text))
    zipped(flat / "Bob Ray Burns.zip", {f"work/{FILE}": notebook("bob"), "work/notes.txt": "x"})
    code, _ = collect(flat)
    assert [taken(course, s) for s in ("ada", "zoe", "bob")] == ["new", "zoe", "bob"]
    assert (course / "submitted" / "bob" / LESSON / "notes.txt").exists()
    assert code == 1 and [row["state"] for row in lines(course)].count("unknown") == 2
    kept = [p for p in (course / "collected" / LESSON / "unknown").rglob("*.ipynb") if p.is_file()]
    assert {nbformat.read(p, as_version=4).cells[0].source for p in kept} == {"whose?", "?"}


def test_the_form_is_what_most_look_like(course, collect):
    """One that lies as nbgrader has it makes no other one unknown, and the other way round there is a sentence that helps."""
    loose = {"ada.ipynb": notebook("ada"), f"Bob Ray Burns/{FILE}": notebook("bob")}
    code, said = collect(zipped(course / "a.zip", {**loose, f"zoe/{LESSON}/{FILE}": notebook("zoe")}))
    assert code == 0 and [taken(course, s) for s in ("ada", "bob")] == ["ada", "bob"], said
    assert "read as folder" in said and state(course)["zoe"] == "taken"
    nested = {f"{name}/{LESSON}/{FILE}": notebook(name) for name in ("zoe", "bob")}
    code, said = collect(zipped(course / "b.zip", {**nested, "ada.ipynb": notebook("new")}))
    assert code == 1 and "read as nbgrader" in said and "with --form folder" in said
    assert collect(course / "b.zip", "--form", "folder")[0] == 0 and taken(course, "ada") == "new"


def test_which_of_several_notebooks_counts_is_said_as_grade_says_it(course, collect):
    class_ = {
        f"ada/{FILE}": notebook("ada"),
        "ada/draft.ipynb": "{",  # is not graded, so it need not be readable
        f"ada/{LESSON} (1).ipynb": notebook("as it was handed out"),
        "bob/one.ipynb": notebook("1"),
        "bob/two.ipynb": notebook("2"),
        f"zoe/{FILE}": notebook("zoe"),
    }
    code, said = collect(zipped(course / "class.zip", class_))
    assert code == 0 and f"ada: Also handed in, not graded: draft.ipynb, {LESSON} (1).ipynb." in said, said
    assert f"bob: There is no {FILE} among its 2 notebooks; rename the one that counts." in said and "zoe:" not in said


def test_a_notebook_of_another_lesson_is_named(course, collect):
    def labelled(*labels):
        cells = [nbformat.v4.new_code_cell("", metadata={"nbgrader": {"grade_id": label}}) for label in labels]
        return nbformat.writes(nbformat.v4.new_notebook(cells=cells))

    (course / "solutions" / LESSON / FILE).write_text(labelled("setup", "square", "cube"))
    (course / "solutions" / "roots").mkdir()
    (course / "solutions" / "roots" / "roots.ipynb").write_text(labelled("setup", "root", "cube_root"))
    class_ = {f"ada/{FILE}": labelled("setup", "root", "cube_root"), f"zoe/{FILE}": labelled("setup", "square")}
    code, said = collect(zipped(course / "class.zip", class_ | {f"bob/{FILE}": labelled("a", "b")}))
    assert code == 0 and "ada: This seems to be another notebook, that of roots: 2 of its 3 labelled cells" in said, (
        said
    )
    assert "bob: This seems to be another notebook: 2 of its 2 labelled cells" in said and "zoe:" not in said


# ---- again, and in the wrong order


def test_collected_again_nothing_changes_and_a_newer_one_takes_its_place(course, collect):
    def brightspace(when, text):
        return zipped(course / "b.zip", {f"1-2 - Ada Lovelace - {when}/{FILE}": notebook(text)})

    collect(brightspace("Nov 21, 2026 1036 AM", "one"))
    assert collect(brightspace("Nov 21, 2026 1036 AM", "one"))[0] == 0 and state(course)["ada"] == "unchanged"
    collect(brightspace("Nov 22, 2026 1036 AM", "two"))
    assert taken(course, "ada") == "two" and stamp(course, "ada") == "2026-11-22 10:36:00 UTC"
    collect(brightspace("Nov 20, 2026 1036 AM", "zero"))  # an old download
    assert taken(course, "ada") == "two"
    older = course / "collected" / LESSON / "older" / "ada"
    assert {nbformat.read(p, as_version=4).cells[0].source for p in older.rglob("*.ipynb")} == {"one", "zero"}
    states = [(row["state"], row["submitted"]) for row in lines(course) if row["student"] == "ada"]
    assert sorted(states)[-1] == ("unchanged", "2026-11-22 10:36:00") and len(states) == 3


def test_what_counts_keeps_its_line_and_its_time(course, collect):
    """Whatever is collected after it: an older download, or the same without the worksheet that told the times."""
    head = "Identifier,Full name,ID number,Email address,Last modified (submission)\n"
    sheet = course / "worksheet.csv"

    def moodle(text, when):
        sheet.write_text(f'{head}Participant 901,Ada Lovelace,ada,ada@example.org,"{when}"\n')
        return zipped(course / "m.zip", {f"Ada Lovelace_901_assignsubmission_file_/{FILE}": notebook(text)})

    def ada():
        return [(row["state"], row["late"], row["submitted"]) for row in lines(course) if row["student"] == "ada"]

    worksheet = "--roster", str(sheet)
    collect(moodle("new", "22 November 2026, 10:36 AM"), *worksheet, "--due", "2026-11-22 10:00", roster=False)
    current = "36 min", "2026-11-22 10:36:00"
    assert ada() == [("taken", *current)]
    collect(moodle("old", "21 November 2026, 10:36 AM"), *worksheet, roster=False)
    assert ada() == [("unchanged", *current), ("older", "", "2026-11-21 10:36:00")]
    _, said = collect(moodle("new", "-"), roster=False)
    assert (
        ada()[0] == ("unchanged", *current)
        and "1 handed in late (counted above)" in said
        and "due 2026-11-22 10:00:00 UTC" in said
    )
    _, said = collect(moodle("newest", "-"), roster=False)
    assert (
        taken(course, "ada") == "newest"
        and "no known time (counted above): they count as in time, unless a worksheet" in said
    )


@pytest.mark.parametrize("due", ["2026-11-20", "20.11.2026", "03/04/2026 10:00", "tomorrow"])
def test_a_due_date_that_could_mean_two_times_is_refused(course, collect, due):
    code, said = collect(zipped(course / "b.zip", {f"ada/{FILE}": notebook("")}), "--due", due)
    assert code == 1 and "write it with its time" in said


def test_the_same_work_handed_in_again_is_not_late_and_a_mended_time_zone_counts(course, collect):
    def brightspace(when):
        return zipped(course / "b.zip", {f"1-2 - Ada Lovelace - {when}/{FILE}": notebook("one")})

    collect(brightspace("Nov 21, 2026 1036 AM"))
    collect(brightspace("Nov 25, 2026 1036 AM"))
    assert stamp(course, "ada") == "2026-11-21 10:36:00 UTC"
    assert [row["state"] for row in lines(course) if row["student"] == "ada"] == ["unchanged", "older"]
    path = brightspace("Nov 21, 2026 1036 AM")
    assert cli.main(["collect", LESSON, str(path), "--timezone", "America/New_York"]) == 0
    assert stamp(course, "ada") == "2026-11-21 15:36:00 UTC"


def test_two_that_nothing_tells_apart_are_not_guessed(course, collect):
    for name in ("a", "b"):
        zipped(course / f"{name}.zip", {f"Ada Lovelace_5_assignsubmission_file_/{FILE}": notebook(name)})
    code, said = collect(course / "a.zip", course / "b.zip")
    assert code == 1 and taken(course, "ada") is None and "nothing says which is the newest" in said
    kept = (course / "collected" / LESSON / "duplicate").rglob("*.ipynb")
    assert {nbformat.read(p, as_version=4).cells[0].source for p in kept} == {"a", "b"}


def test_namesakes_without_a_roster_are_not_mixed_up(course, collect):
    files = {f"Wei Zhang_{n}_assignsubmission_file_/{FILE}": notebook(str(n)) for n in (5, 6)}
    code, said = collect(zipped(course / "m.zip", files), roster=False)
    assert code == 1 and not (course / "submitted").exists() and said.count("Two students are called 'Wei Zhang'") == 2


def test_unknown_ones_are_taken_once_the_roster_has_them(course, collect):
    path = zipped(course / "m.zip", {f"Eve Adams_7_assignsubmission_file_/{FILE}": notebook("eve")})
    code, said = collect(path)
    assert code == 1 and "Nobody in the roster is 'Eve Adams' (number 7 in Moodle)" in said
    (course / "roster.csv").write_text(ROSTER + "eve,Eve,Adams,,\n", encoding="utf-8")
    code, said = collect(path)
    assert code == 0 and taken(course, "eve") == "eve" and state(course)["eve"] == "taken", said
    assert "unknown" not in state(course).values() and not list((course / "collected").rglob("unknown/*"))
    code, said = collect(path, roster=False)  # the gradebook has kept the roster
    assert code == 0 and state(course)["eve"] == "unchanged", said


# ---- what must not get in


def hostile(course):
    with zipfile.ZipFile(course / "evil.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"Ada Lovelace_1_assignsubmission_file_/{FILE}", notebook("ada"))
        archive.writestr("Ada Lovelace_1_assignsubmission_file_/../../../escaped.txt", "out")
        archive.writestr("/absolute.txt", "out")
        archive.writestr("C:\\windows\\evil.ipynb", "out")
        link = zipfile.ZipInfo(f"Zoë O'Neil_2_assignsubmission_file_/{FILE}")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr(f"Bob Ray Burns_3_assignsubmission_file_/{FILE}", b"\0" * (40 << 20))  # 40 MB in 40 KB
    return course / "evil.zip"


def test_nothing_leads_out_and_nobody_else_is_stopped(course, collect):
    path, before = hostile(course), inside(course)
    code, said = collect(path)
    assert code == 1 and taken(course, "ada") == "ada" and "Traceback" not in said
    new = inside(course) - before
    places = [course / place for place in ("submitted", "collected", "gradebook.db", ".graded")]
    assert all(any(place in (p, *p.parents) for place in places) for p in new), new
    assert not any("escaped" in p.name or "evil" in p.name or "absolute" in p.name or p.is_symlink() for p in new)
    rows = {row["student"]: row for row in lines(course) if row["student"]}
    assert "link" in rows["zoe"]["sentence"] and "40 MB" in rows["bob"]["sentence"]
    assert {rows[s]["state"] for s in ("zoe", "bob")} == {"unreadable"}
    assert sum("leads out of the folder" in row["sentence"] for row in lines(course)) == 3


def test_links_in_a_folder_are_not_followed(course, collect):
    (course / "secret.ipynb").write_text(notebook("the solutions"))
    folder = course / "class" / "ada"
    folder.mkdir(parents=True)
    (folder / FILE).symlink_to(course / "secret.ipynb")
    (course / "class" / "zoe").symlink_to(course / "solutions")
    os.mkfifo(course / "class" / "bob.ipynb")
    code, said = collect(course / "class", "--form", "folder")
    assert code == 1 and not (course / "submitted").exists() and said.count("link") >= 2
    assert all(b"the solutions" not in p.read_bytes() for p in (course / "collected").rglob("*") if p.is_file())


def test_damaged_locked_and_odd_files_have_a_reason(course, collect):
    good = zipped(course / "m.zip", {
        f"Ada Lovelace_1_assignsubmission_file_/{FILE}": notebook("ada" * 300),
        f"Zoë O'Neil_2_assignsubmission_file_/{FILE}": '{"cells": [',
        "Bob Ray Burns_3_assignsubmission_file_/work.rar": "Rar!",
    })  # fmt: skip
    data = bytearray(good.read_bytes())
    start = data.find(FILE.encode()) + len(FILE) + 20
    data[start : start + 30] = b"\xff" * 30
    good.write_bytes(bytes(data))
    code, said = collect(good)
    rows = {row["student"]: row for row in lines(course)}
    assert code == 1 and "Traceback" not in said
    assert "damaged in the archive" in rows["ada"]["sentence"]
    assert "no valid JSON" in rows["zoe"]["sentence"] and "graded 0" in rows["zoe"]["sentence"]
    assert (course / "submitted" / "zoe" / LESSON / FILE).exists()  # graded 0 with a note, so that the gradebook has it
    assert "no notebook in it, only work.rar" in rows["bob"]["sentence"]
    assert (course / "collected" / LESSON / "unreadable" / "bob" / "work.rar").read_text() == "Rar!"


def test_as_many_are_to_be_graded_as_grade_grades(course, collect, isolate, capsys):
    code, said = collect(
        zipped(course / "f.zip", {"ada.ipynb": notebook("ada"), "bob.ipynb": "{", "zoe.zip": "no zip"})
    )
    assert (
        code == 1
        and "1 to be graded\n" in said
        and "1 no valid notebook, to be graded 0" in said
        and "1 not readable" in said
    )
    cli.main(["grade", LESSON, *([] if isolate else ["--no-sandbox"])])
    assert "Graded 2 of 2 submissions" in capsys.readouterr().out


def test_a_zip_of_zips_is_opened_once(course, collect):
    inner = zipped(course / "inner.zip", {f"my work/{FILE}": notebook("ada"), "my work/more.zip": b"PK"}).read_bytes()
    code, said = collect(zipped(course / "m.zip", {"Ada Lovelace_1_assignsubmission_file_/all.zip": inner}))
    assert code == 0 and taken(course, "ada") == "ada", said
    assert (course / "submitted" / "ada" / LESSON / "more.zip").read_bytes() == b"PK"


def test_names_in_old_and_strange_encodings(course, collect):
    path = course / "m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(f"Zo@ O'Neil_2_assignsubmission_file_/{FILE}")
        archive.writestr(info, notebook("zoe"))
        archive.writestr("Ada Lovelace_1_assignsubmission_file_/=cmd|calc\u202e\x07.ipynb", notebook("ada"))
    raw = path.read_bytes().replace(b"Zo@", b"Zo\x89")  # ë as old programs write it, in code page 437
    path.write_bytes(raw)
    code, said = collect(path)
    assert code == 0 and taken(course, "zoe") == "zoe", said
    names = [p.name for p in (course / "submitted" / "ada" / LESSON).iterdir()]
    assert (
        names == [FILE]
        and "Handed in as =cmd|calc.ipynb." in next(r for r in lines(course) if r["student"] == "ada")["sentence"]
    )
    assert not any(cell[:1] in ("=", "@", "+") for row in lines(course) for cell in row.values())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda c: c / "nowhere.zip", "There is no"),
        (lambda c: zipped(c / "x.zip", {}), "is empty"),
        (lambda c: Path(shutil.copy(c / "roster.csv", c / "x.zip")), "cannot be read as a zip"),
    ],
)
def test_what_the_instructor_can_mend_is_one_sentence(course, collect, make, says):
    code, said = collect(make(course))
    assert code == 1 and says in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has nothing in its first line"),
        ("colour,size\nred,3\n", "no column that says who"),
        ("id,name\nada,Ada\nada,Bob\n", "'ada' twice, in the lines 2 and 3"),
        ("id,name\n,\n../..,\n", "without an id in line 3"),
        ("PK\x03\x04", "save it as CSV"),
    ],
)
def test_a_roster_that_cannot_be_used_is_told(course, collect, text, says):
    (course / "roster.csv").write_text(text)
    code, said = collect(zipped(course / "m.zip", {f"Ada Lovelace_1_assignsubmission_file_/{FILE}": notebook("x")}))
    assert code == 1 and says in said and "Traceback" not in said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rosters_as_spreadsheets_write_them(course, collect, encoding, delimiter):
    (course / "roster.csv").write_text(ROSTER.replace(",", delimiter), encoding=encoding)
    code, said = collect(zipped(course / "c.zip", {f"oneilzoë_999_4_{FILE}": notebook("zoe")}))
    assert code == 0 and taken(course, "zoe") == "zoe", said


def test_a_name_in_one_column_leaves_the_names_that_were_apart(course, collect):
    def names(text):
        (course / "roster.csv").write_text(text)
        collect(zipped(course / "c.zip", {f"ada/{FILE}": notebook("x")}))
        with Gradebook("sqlite:///gradebook.db") as book:
            return book.find_student("ada").first_name, book.find_student("ada").last_name

    in_one = "id,name\nada,Ada van Dyke\n"
    assert names(in_one) == ("Ada van", "Dyke")
    assert names("id,first_name,last_name\nada,Ada,van Dyke\n") == names(in_one) == ("Ada", "van Dyke")
    assert names("id,name\nada,Ada Lovelace\n") == ("Ada", "Lovelace")
    assert names('id,name\nada,"van Dyke, Ada"\n') == ("Ada", "van Dyke")


# ---- late


@pytest.mark.parametrize(
    ("hours", "settings", "lost"),
    [
        (0.1, {"grace_minutes": 10}, 0),
        (1, {"grace_minutes": 10}, 2),  # a day that has begun is a day
        (25, {}, 4),
        (25, {"whole_days": False, "percent_per_day": 24}, 5),
        (24 * 30, {"most_percent": 50}, 10),
        (24 * 30, {}, 20),
    ],
)
def test_the_penalty_for_being_late(hours, settings, lost):
    plugin = LatePenalty(**{"percent_per_day": 10, **settings})
    assert plugin.late_submission_penalty("ada", 20.0, hours * 3600) == pytest.approx(lost)


@pytest.fixture
def with_a_test(course):
    """The lesson has one test, of 10 points, and a day costs a fifth of them."""
    path = course / "solutions" / LESSON / FILE
    test = nbformat.v4.new_code_cell("assert True", id="test")
    test.metadata["nbgrader"] = {"grade": True, "grade_id": "t", "points": 10, "locked": True, "schema_version": 3, "solution": False, "task": False}  # fmt: skip
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[test])))
    config = course / "nbgrader_config.py"
    config.write_text(
        config.read_text()
        + "\nfrom autograder.late import LatePenalty\nc.AssignLatePenalties.plugin_class = LatePenalty\nc.LatePenalty.percent_per_day = 20\n"
    )
    return path.read_text()


def test_a_late_submission_loses_points_in_the_gradebook(course, collect, with_a_test, isolate, capsys):
    files = {
        f"1-2 - {name} - Nov {day}, 2026 1036 AM/{FILE}": with_a_test
        for name, day in (("Ada Lovelace", 21), ("Bob Ray Burns", 23))
    }
    collect(zipped(course / "b.zip", files), "--due", "2026-11-22 10:00")
    assert cli.main(["grade", LESSON, *([] if isolate else ["--no-sandbox"])]) == 0
    with Gradebook(f"sqlite:///{course}/gradebook.db", "cnn-by-hand") as gradebook:
        lost = {s: gradebook.find_submission(LESSON, s).late_submission_penalty for s in ("ada", "bob")}
    assert lost == {"ada": 0, "bob": 4}
    row = next(line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["bob"] and "10" in line)
    assert row.split()[:4] == ["bob", LESSON, "6", "10"] and "4 points are taken off for lateness already." in row
    page = (course / "feedback" / "bob" / LESSON / f"{LESSON}.html").read_text()
    words = " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<body") :]).split())
    assert "6 of 10 points 4 of 10 points are taken off already" in words


def test_how_late_is_not_known_where_canvas_does_not_tell(course, collect, with_a_test, isolate, capsys):
    def graded():
        assert cli.main(["grade", LESSON, *([] if isolate else ["--no-sandbox"])]) == 0
        assert cli.main(["export", LESSON]) == 0 and cli.main(["report", LESSON]) == 0
        ada, _, zoe = csv.DictReader((course / "exported" / f"{LESSON}-grades.csv").open())
        assert ada["submitted"] == "" and (zoe["late"], zoe["total"]) == ("", "10")
        return ada["late"], ada["total"]

    def due(day):
        with Gradebook(f"sqlite:///{course}/gradebook.db", "cnn-by-hand") as gradebook:
            gradebook.update_or_create_assignment(LESSON, duedate=f"2026-11-{day} 23:59")

    zip_ = zipped(course / "c.zip", {f"lovelaceada_LATE_11_5001_{FILE}": with_a_test, f"x_12_5002_{FILE}": with_a_test})
    collect(zip_)
    due(18)
    assert graded() == (NOT_KNOWN, "8") and stamp(course, "ada") == behind(18)
    for day in (19, 21, 20):  # a deadline that was mistyped and mended
        collect(zip_, "--due", f"2026-11-{day} 23:59")
        assert stamp(course, "ada") == behind(day) and stamp(course, "zoe") is None
    collect(zipped(course / "z.zip", {f"rayburnsbob_13_6_{FILE}": with_a_test}), "--due", "2026-11-22 23:59")
    ada = next(row for row in lines(course) if row["student"] == "ada")
    assert stamp(course, "ada") == behind(22) and (ada["late"], ada["submitted"]) == (NOT_KNOWN, "")
    for day in (22, 15, 28):  # in Formgrader
        due(day)
        assert graded() == (NOT_KNOWN, "8")
    assert "not known by how much, loses 2 points" in (course / "report.html").read_text()
    capsys.readouterr()


def _canvas(name, text):
    return {f"lovelaceada_{name}_{FILE}": notebook(text)}


def _brightspace(when, text):
    return {f"11-2 - Ada Lovelace - {when}/{FILE}": notebook(text)}


@pytest.mark.parametrize(
    ("first", "second", "time", "late", "text"),
    [
        (_canvas("11_1", "a"), {"lovelaceada_LATE_11_2_report.pdf": b"%PDF"}, None, "", "a"),
        (_canvas("LATE_11_1", "a"), _canvas("11_1", "a"), None, "", "a"),  # Canvas takes it back
        (_canvas("11_1", "a"), _canvas("LATE_11_1", "a"), behind(20), NOT_KNOWN, "a"),  # or finds out
        (_canvas("11_1", "a"), _canvas("LATE_11_2", "a"), None, "", "a"),  # the same work again
        (_canvas("11_1", "a"), _canvas("LATE_11_2", "b"), behind(20), NOT_KNOWN, "b"),
        (_canvas("LATE_11_1", "a"), _brightspace("Nov 22, 2026 1000 AM", "a"), "2026-11-22 10:00:00 UTC", "1 day 10 h", "a"),
        (_canvas("LATE_11_1", "a"), _brightspace("Nov 22, 2026 1000 AM", "b"), "2026-11-22 10:00:00 UTC", "1 day 10 h", "b"),
        (_canvas("LATE_11_1", "a"), _brightspace("Nov 19, 2026 1000 AM", "b"), behind(20), NOT_KNOWN, "a"),  # a draft
        (_canvas("LATE_11_1", "a"), {f"rayburnsbob_13_6_{FILE}": notebook("b")}, behind(20), NOT_KNOWN, "a"),
    ],
)  # fmt: skip
def test_one_line_says_what_counts_and_how_late_that_is(course, collect, first, second, time, late, text):
    for files in (first, second, {f"x_12_9_{FILE}": notebook("z")}):
        collect(zipped(course / "c.zip", files), "--due", "2026-11-20 23:59")
        (course / "c.zip").unlink()
    assert (stamp(course, "ada"), taken(course, "ada")) == (time, text)
    counting = [row for row in lines(course) if row["student"] == "ada" and row["state"] in ("taken", "unchanged")]
    assert [row["late"] for row in counting] == [late], counting


def test_grades_from_before_a_collection_are_said_to_be_so(course, collect, with_a_test, isolate, capsys):
    """A resubmission, and a deadline that moved: until they are graded, an export has the old points."""
    capsys.readouterr()

    def run(*command):
        assert cli.main(list(command)) == 0
        return " ".join(capsys.readouterr().out.split())

    def hand_in(text, due):
        files = {
            f"11-2 - Ada Lovelace - Nov 22, 2026 1000 AM/{FILE}": with_a_test.replace(
                "assert True", f"assert True{text}"
            )
        }
        collect(zipped(course / "b.zip", files), "--due", f"2026-11-{due} 23:59")

    grade = ["grade", LESSON, *([] if isolate else ["--no-sandbox"])]
    old = "The grades of 1 student are from before the last `autograder collect`"
    hand_in("", 23)
    run(*grade)
    for text, due, is_old in (("", 23, False), (" # more", 23, True), (" # more", 20, True)):
        hand_in(text, due)
        assert (old in run("export", LESSON)) == is_old
        run("report", LESSON)
        assert ("Not up to date" in (course / "report.html").read_text()) == is_old
        run(*grade)
        assert old not in run("export", LESSON)
    (course / "no.zip").write_bytes(b"")
    assert collect(course / "no.zip", "--due", "2026-11-19 23:59")[0] == 1  # what is refused has moved the deadline
    assert old in run("export", LESSON)


def test_a_policy_without_a_deadline_is_said(course, collect, with_a_test, isolate, capsys):
    collect(zipped(course / "c.zip", {f"x_12_9_{FILE}": with_a_test}))
    command = ["grade", LESSON, *([] if isolate else ["--no-sandbox"])]
    said = {}
    for due in (None, "2026-11-20 23:59"):
        with Gradebook(f"sqlite:///{course}/gradebook.db", "cnn-by-hand") as gradebook:
            gradebook.update_or_create_assignment(LESSON, duedate=due)
        assert cli.main(command) == 0
        said[due] = f"No deadline of {LESSON} is in this gradebook" in " ".join(capsys.readouterr().out.split())
    assert list(said.values()) == [True, False]


def test_a_class_of_another_lesson_is_not_taken(course, collect):
    def labelled(*labels):
        cells = [nbformat.v4.new_code_cell("", metadata={"nbgrader": {"grade_id": label}}) for label in labels]
        return nbformat.writes(nbformat.v4.new_notebook(cells=cells))

    (course / "solutions" / "roots").mkdir()
    (course / "solutions" / "roots" / "roots.ipynb").write_text(labelled("root", "cube_root"))
    class_ = {f"{name}/{FILE}": labelled("root", "cube_root") for name in ("ada", "bob", "zoe")}
    code, said = collect(zipped(course / "class.zip", class_))
    assert (
        code == 1
        and f"3 of 3 submissions are not of {LESSON}. This seems to be another notebook, that of roots" in said
    )
    assert not (course / "submitted").exists()


@pytest.mark.parametrize("when", ["2026-11-23 08:00:00 UTC", "2026-11-20 23:59:00.000001 UTC"])
def test_a_time_that_others_wrote_stays(course, collect, when):
    """A person, or nbgrader in a millionth second."""
    collect(zipped(course / "c.zip", _canvas("LATE_11_1", "a")), "--due", "2026-11-20 23:59")
    (course / "submitted" / "ada" / LESSON / "timestamp.txt").write_text(f"{when}\n")
    collect(zipped(course / "d.zip", {f"x_12_9_{FILE}": notebook("z")}), "--due", "2026-11-21 23:59")
    assert stamp(course, "ada") == when
    assert not stamps.late_by_unknown(stamps.read(course / "submitted" / "ada" / LESSON))


def test_what_was_mended_is_no_longer_wrong(course, collect):
    flat = course / "flat"
    flat.mkdir()
    (flat / FILE).write_text(notebook("ada"))
    (flat / "zoe.ipynb").write_text(notebook("zoe"))
    assert collect(flat)[0] == 1 and collect(flat)[0] == 1
    assert [row["state"] for row in lines(course)] == ["unchanged", "unknown", "missing", "missing"]  # once, not twice
    (flat / FILE).rename(flat / "ada.ipynb")
    assert collect(flat)[0] == 0
    assert state(course) == {"ada": "taken", "zoe": "unchanged", "bob": "missing"}


def test_the_list_may_be_saved_by_a_spreadsheet(course, collect):
    """Which writes times, numbers and marks of its own: what was collected does not stand there."""
    path = zipped(course / "m.zip", _brightspace("Nov 21, 2026 1000 AM", "ada"))
    collect(path)
    for text in ("student;state;submitted\nada;taken;21.11.2026 10:00\n".encode("utf-16"), b""):
        (course / "collected" / f"{LESSON}.csv").write_bytes(text)
        assert collect(path)[0] == 0 and state(course)["ada"] == "unchanged"
        assert [row["submitted"] for row in lines(course) if row["student"] == "ada"] == ["2026-11-21 10:00:00"]


@pytest.mark.parametrize(
    "damage", ["", "[", "[[]]", '[{"student": 1, "state": "taken"}]', '[{"student": "a", "state": "x"}]', "{"]
)
def test_a_damaged_record_is_said_before_anything_is_done(course, collect, damage):
    path = zipped(course / "m.zip", _brightspace("Nov 21, 2026 1000 AM", "ada"))
    collect(path)
    record = course / "collected" / LESSON / "record.json"
    record.write_text(damage)
    before = inside(course), stamp(course, "ada")
    code, said = collect(path, "--due", "2026-11-01 00:00")
    assert code == 1 and f"{record} cannot be read" in said and "Traceback" not in said
    assert (inside(course), stamp(course, "ada")) == before
    with Gradebook(f"sqlite:///{course}/gradebook.db", "cnn-by-hand") as gradebook:
        assert not gradebook.assignments
    record.unlink()
    assert collect(path)[0] == 0 and state(course)["ada"] == "unchanged" and taken(course, "ada") == "ada"


# ---- in any order, and whatever happens on the way


@pytest.mark.parametrize("order", ["abc", "acb", "bac", "bca", "cab", "cba", "all"])
def test_what_counts_does_not_depend_on_the_order(course, collect, order):
    """The last hand-in is the one of the first day again: it counts, from the first day on."""
    days = {"a": ("Nov 19, 2026 1000 AM", "first"), "b": ("Nov 21, 2026 1000 AM", "other"), "c": ("Nov 22, 2026 1000 AM", "first")}  # fmt: skip
    exports = [_brightspace(*days["a"]) | _brightspace(*days["b"]) | _brightspace(*days["c"])]
    for files in exports if order == "all" else [_brightspace(*days[day]) for day in order]:
        collect(zipped(course / "b.zip", files), "--due", "2026-11-20 23:59")
    assert (taken(course, "ada"), stamp(course, "ada")) == ("first", "2026-11-19 10:00:00 UTC")
    counting = [row for row in lines(course) if row["student"] == "ada" and row["state"] in ("taken", "unchanged")]
    assert [(row["late"], row["submitted"]) for row in counting] == [("", "2026-11-19 10:00:00")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (_canvas("11_4001", "old"), _canvas("LATE_11_5001", "new")),  # by Canvas's numbers
        ({"ada.ipynb": notebook("old")}, {"ada.ipynb": notebook("new")}),  # by what was put aside
        ({f"Ada Lovelace_5_assignsubmission_file_/{FILE}": notebook("old")},
         {f"Ada Lovelace_5_assignsubmission_file_/{FILE}": notebook("new")}),
    ],
)  # fmt: skip
def test_an_older_export_collected_again_takes_nothing_back(course, collect, old, new):
    for files in (old, new, old):
        collect(zipped(course / "x.zip", files), "--due", "2026-11-20 23:59")
    assert taken(course, "ada") == "new"


def test_a_student_without_a_roster_may_hand_in_often(course, collect):
    for text in ("one", "two", "three"):
        files = {f"Ada Lovelace_5_assignsubmission_file_/{FILE}": notebook(text)}
        assert collect(zipped(course / "m.zip", files), roster=False)[0] == 0
        assert taken(course, "Ada-Lovelace") == text


def test_two_sections_whose_exports_have_one_name(course, collect):
    for section in ("one", "two"):
        (course / section).mkdir()
    wrong = {f"rayburnsbob_13_5_{FILE}": "{ broken", f"evaadams_77_6_{FILE}": notebook("eva"), "oneilzoë_12_7_report.pdf": "%PDF", FILE: notebook("1")}  # fmt: skip
    collect(zipped(course / "one" / "submissions.zip", wrong))
    code, _ = collect(zipped(course / "two" / "submissions.zip", {f"lovelaceada_11_8_{FILE}": notebook("ada"), FILE: notebook("2")}))  # fmt: skip
    states = sorted((row["student"], row["state"]) for row in lines(course))
    assert code == 1
    assert states == [("", "unknown"), ("", "unknown"), ("", "unknown"), ("ada", "taken"), ("bob", "zero"), ("zoe", "unreadable")]  # fmt: skip
    kept = (course / "collected" / LESSON / "unknown").glob("*.ipynb")
    assert {nbformat.read(path, as_version=4).cells[0].source for path in kept} == {"1", "2"}


def test_nobody_is_missing_because_of_another_sections_roster(course, collect):
    collect(zipped(course / "a.zip", {f"ada/{FILE}": notebook("ada")}))
    (course / "roster.csv").write_text("id,name\neve,Eve Adams\nfay,Fay Wray\n")
    collect(zipped(course / "e.zip", {f"eve/{FILE}": notebook("eve")}))
    assert state(course) == {"ada": "unchanged", "eve": "taken", "bob": "missing", "fay": "missing", "zoe": "missing"}


def test_what_is_unreadable_now_does_not_hide_what_counts(course, collect):
    def hand_in(name, content):
        return collect(zipped(course / "m.zip", {f"Ada Lovelace_901_assignsubmission_file_/{name}": content}))

    hand_in(FILE, notebook("good"))
    assert hand_in("essay.docx", "PK")[0] == 1
    assert [row["state"] for row in lines(course) if row["student"] == "ada"] == ["unchanged", "unreadable"]
    assert hand_in(FILE, notebook("better"))[0] == 0 and taken(course, "ada") == "better"


@pytest.mark.parametrize("where", ["record", "rename"])
def test_a_collection_that_was_killed_is_gone_on_with(course, collect, monkeypatch, where):
    """Killed before it has written its lines, or with the old work aside and the new one not yet in its place."""
    old, new = _brightspace("Nov 19, 2026 1000 AM", "old"), _brightspace("Nov 20, 2026 1000 AM", "new")
    collect(zipped(course / "old.zip", old))
    zipped(course / "new.zip", new)

    class Killed(BaseException):
        pass

    def killed(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as dying:
        if where == "record":
            dying.setattr(collecting, "record", killed)
        else:
            dying.setattr(settling.Path, "rename", killed)
        with pytest.raises(Killed):
            collect(course / "new.zip")
    (course / "collected" / LESSON / ".staging-left").mkdir()
    assert Store(course / ".graded").collected(LESSON) == {"ada"}, "what was graded is not of now"
    collect(course / "old.zip")
    assert taken(course, "ada") == ("new" if where == "record" else "old")
    collect(course / "new.zip")
    row = next(row for row in lines(course) if row["student"] == "ada" and row["state"] in ("taken", "unchanged"))
    assert (taken(course, "ada"), row["submitted"], "Nov 20" in row["origin"]) == ("new", "2026-11-20 10:00:00", True)
    assert not list((course / "collected" / LESSON).glob(".staging-*"))


def test_nothing_is_collected_while_a_grader_is_at_work(course, collect):
    with alone(course / ".graded"):
        code, said = collect(zipped(course / "a.zip", {f"ada/{FILE}": notebook("ada")}))
    assert code == 1 and "is in use by a grader" in said and not (course / "submitted").exists()


def test_who_has_looked_at_it_in_jupyter_has_changed_nothing(course, collect):
    path = zipped(course / "a.zip", _brightspace("Nov 21, 2026 1000 AM", "a"))
    collect(path)
    checkpoint = course / "submitted" / "ada" / LESSON / ".ipynb_checkpoints" / "x.ipynb"
    checkpoint.parent.mkdir()
    checkpoint.write_text(notebook("a"))
    collect(path)
    assert state(course)["ada"] == "unchanged"


# ---- whose it is


@pytest.mark.parametrize(
    ("list_", "files", "who"),
    [
        # Moodle's numbers are not those of the list
        (ROSTER, {"Zoë O'Neil_11_assignsubmission_file_": "zoe", "Ada Lovelace_12_assignsubmission_file_": "ada"}, {"ada": "ada", "zoe": "zoe"}),
        # Canvas's are, and a stranger has the name of one of the list
        (ROSTER, {"lovelaceada_11_5001": "ada", "lovelaceada_99_5002": "stranger"}, {"ada": "ada"}),
        # of two with one name, nothing says which one is in the list
        ("id,name\nada,Ada Lovelace\n", {"1-2 - Ada Lovelace - Nov 20, 2026 1000 AM": "1", "9-2 - Ada Lovelace - Nov 21, 2026 1000 AM": "9"}, {}),
        ("id,name\nmarie,Marie Smith\n", {"Ann-Marie Smith_7_assignsubmission_file_": "ann"}, {}),
        ("id,name\nram,राम शर्मा\n", {"रमा शर्मा_7_assignsubmission_file_": "rama"}, {}),
        ("id,name\nAda,Ada Lovelace\nada,Ada Ray\n", {"Ada": "A", "ada": "a"}, {"Ada": "A", "ada": "a"}),
    ],
)  # fmt: skip
def test_nobody_gets_the_work_of_another(course, collect, list_, files, who):
    (course / "roster.csv").write_text(list_, encoding="utf-8")
    canvas = any(name.startswith("lovelace") for name in files)
    code, _ = collect(
        zipped(
            course / "x.zip", {f"{name}{'_' if canvas else '/'}{FILE}": notebook(text) for name, text in files.items()}
        )
    )
    got = {path.name: taken(course, path.name) for path in (course / "submitted").glob("*")}
    assert got == who and code == (len(who) < len(files))
    assert sum(row["state"] == "unknown" for row in lines(course)) == len(files) - len(who)


@pytest.mark.parametrize(
    "list_",
    [
        "student_id,id,name\nada,1001,Carl Gauss\n",
        "id,name\nada,Carl Gauss\n",
        "id,name\nada,Zoë O'Neil\nzoe,Ada Lovelace\n",
    ],
)
def test_a_list_with_somebody_elses_id_is_not_taken(course, collect, list_):
    path = zipped(course / "x.zip", {f"ada/{FILE}": notebook("ada")})
    collect(path)
    (course / "roster.csv").write_text(list_, encoding="utf-8")
    code, said = collect(path)
    assert code == 1 and "may be that of somebody else" in said
    with Gradebook("sqlite:///gradebook.db") as book:
        assert book.find_student("ada").last_name == "Lovelace"


def test_a_list_that_comes_after_the_first_collection_makes_nobody_two(course, collect):
    path = zipped(course / "m.zip", {f"Ada Lovelace_5_assignsubmission_file_/{FILE}": notebook("ada")})
    collect(path, roster=False)
    code, said = collect(path)
    assert code == 1 and "(ada, and Ada-Lovelace there)" in said
    (course / "roster.csv").write_text("student_id,id,name\nAda-Lovelace,ada,Ada Lovelace\n")
    assert collect(path)[0] == 0 and [p.name for p in (course / "submitted").iterdir()] == ["Ada-Lovelace"]


def test_the_worksheet_of_another_assignment_is_not_taken(course, collect):
    (course / "roster.csv").write_text("Identifier,Full name,ID number\nParticipant 901,Ada Lovelace,s1\n")
    files = {f"Ada Lovelace_{n}_assignsubmission_file_/{FILE}": notebook("x") for n in (77, 78, 79)}
    code, said = collect(zipped(course / "m.zip", files))
    assert (
        code == 1 and "seems to be the worksheet of another assignment" in said and not (course / "submitted").exists()
    )


# ---- times


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("03/04/2026 10:00", "the day and the month may be one or the other"),
        ("Samstag, 21. November 2026, 10:36", "it is no time in English"),
        ("21 November 2026 10:36 EST", "its zone is not known"),
        ("2026-11-21 10:36 +99:99", "it is no time"),
    ],
)
def test_a_time_that_cannot_be_read_is_not_in_time(course, collect, text, says):
    (course / "roster.csv").write_text(f'id,name,submitted\nada,Ada Lovelace,"{text}"\n')
    code, said = collect(zipped(course / "x.zip", {f"ada/{FILE}": notebook("x")}))
    assert code == 1 and "in line 2" in said and says in said


@pytest.mark.parametrize(("text", "when"), [("4.11.2026 10:00", "2026-11-04 10:00:00 UTC"), ("1/1/0001 12:00:00 AM", None), ("-", None)])  # fmt: skip
def test_a_time_as_lists_have_it(course, collect, text, when):
    (course / "roster.csv").write_text(f'id,name,submitted\nada,Ada Lovelace,"{text}"\n')
    assert collect(zipped(course / "x.zip", {f"ada/{FILE}": notebook("x")}))[0] == 0 and stamp(course, "ada") == when


def test_a_time_stands_behind_the_longest_name(course, collect):
    (course / "roster.csv").write_text(f"id,name\nsom,{'ก' * 60}\n", encoding="utf-8")
    key = f"1-2 - {'ก' * 60} - Nov 21, 2026 1036 PM"
    code, _ = collect(zipped(course / "b.zip", {f"{key}/{FILE}": notebook("x"), f"{key}/{'x' * 300}.txt": "y"}))
    assert code == 0 and stamp(course, "som") == "2026-11-21 22:36:00 UTC" and lines(course)[0]["origin"].endswith(key)


def test_late_by_unknown_is_behind_any_deadline_and_an_extension_excuses_it(course, collect):
    assert stamps.behind(datetime(2026, 11, 20, 23, 59, 59, 999999)) > datetime(2026, 11, 20, 23, 59, 59, 999999)
    path = zipped(course / "c.zip", _canvas("LATE_11_1", "a") | {f"x_12_9_{FILE}": notebook("z")})
    collect(path, "--due", "2026-11-20 23:59")
    assert lines(course)[0]["late"] == NOT_KNOWN
    with Gradebook("sqlite:///gradebook.db", "cnn-by-hand") as book:
        book.add_submission(LESSON, "ada")
        book.grant_extension(LESSON, "ada", hours=1)
    collect(path)
    assert lines(course)[0]["late"] == ""


def test_work_of_unknown_time_is_not_late_because_of_earlier_work(course, collect, with_a_test, isolate, capsys):
    for when, text in (("Nov 22, 2026 1000 AM", "assert True"), (None, "assert True # more")):
        work = with_a_test.replace("assert True", text)
        files = {f"11-2 - Ada Lovelace - {when}/{FILE}": work} if when else {f"ada/{FILE}": work}
        collect(zipped(course / "x.zip", files), "--due", "2026-11-20 23:59")
        assert cli.main(["grade", LESSON, *([] if isolate else ["--no-sandbox"])]) == 0
        with Gradebook(f"sqlite:///{course}/gradebook.db", "cnn-by-hand") as gradebook:
            lost = gradebook.find_submission(LESSON, "ada").late_submission_penalty
        assert lost == (4 if when else 0)
    capsys.readouterr()


# ---- what students put into zips


def _with_version(version):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(FILE, notebook("x"))
    found = bytearray(data.getvalue())
    at = found.index(b"PK\x01\x02")
    found[at + 6 : at + 8] = version.to_bytes(2, "little")
    return bytes(found)


def _damaged_lzma():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(FILE, notebook("x" * 5000))
    found = bytearray(data.getvalue())
    found[60:90] = bytes(30)
    return bytes(found)


def _locked():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for n in range(3000):
            archive.writestr(f"pictures/cat_{n}.png", "x")
    found = bytearray(data.getvalue())
    at = -1
    while (at := found.find(b"PK\x01\x02", at + 1)) >= 0:
        found[at + 8] |= 1
    return bytes(found)


def _odd_names():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("timestamp.txt/x", "2020-01-01 00:00:00 UTC")
        archive.writestr("/".join(["d" * 140] * 35) + "/deep.txt", "x")
        archive.writestr(FILE, notebook("zoe"))
    return data.getvalue()


@pytest.mark.parametrize(
    ("zip_", "readable"),
    [(_with_version(99), False), (_damaged_lzma(), False), (_locked(), False), (_odd_names(), True)],
)
def test_nobodys_zip_stops_the_others(course, collect, zip_, readable):
    files = {
        f"Ada Lovelace_1_assignsubmission_file_/{FILE}": notebook("ada"),
        "Zoë O'Neil_2_assignsubmission_file_/all.zip": zip_,
    }
    for _ in range(2):  # the second time, the record is read
        code, said = collect(zipped(course / "m.zip", files), roster=True)
        assert code == (not readable) and taken(course, "ada") == "ada" and "Traceback" not in said
        assert state(course)["zoe"] in (("taken", "unchanged") if readable else ("unreadable",))
    assert stamp(course, "zoe") is None and (course / "collected" / f"{LESSON}.csv").stat().st_size < 10_000


def test_a_large_file_leaves_room_for_a_small_one(course, collect):
    files = {f"ada/{FILE}": notebook("x"), "ada/helper.py": "x = 1"} | {
        f"ada/a{n}.bin": bytes(19 << 20) for n in range(4)
    }
    assert collect(zipped(course / "x.zip", files))[0] == 0
    there = {path.name for path in (course / "submitted" / "ada" / LESSON).iterdir()}
    assert there == {FILE, "helper.py", "a0.bin", "a1.bin"}


def test_an_honest_class_is_not_refused(course, collect):
    """A second assignment for resubmissions has other numbers in Moodle; names change in part; many have the secretary's email."""
    for number, text in ((5, "one"), (77, "two")):
        files = {f"Ada Lovelace_{number}_assignsubmission_file_/{FILE}": notebook(text)}
        assert collect(zipped(course / "m.zip", files))[0] == 0 and taken(course, "ada") == text
    office = "office@example.org"
    (course / "roster.csv").write_text(
        f"id,first_name,last_name,email\nada,Ada,King,ada@example.org\nzoe,Zoë,O'Neil-Ray,{office}\nbob,Bob,Burns,{office}\n"
    )
    code, said = collect(zipped(course / "m.zip", {f"Ada King_78_assignsubmission_file_/{FILE}": notebook("three")}))
    assert code == 0 and taken(course, "ada") == "three", said
    (course / "roster.csv").write_text(
        f"id,first_name,last_name,email\nada,Ada,King,ada@example.org\nzoe,Zoë,O'Neil-Ray,{office}\nbob,Bob,Burns,{office}\njoy,Joy,Late,{office}\n"
    )
    code, said = collect(zipped(course / "m.zip", {f"Joy Late_79_assignsubmission_file_/{FILE}": notebook("joy")}))
    assert code == 0 and taken(course, "joy") == "joy", said


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("form", ["brightspace", "canvas"])
def test_any_order_any_repetition(course, collect, form, seed):
    """Some hand-ins of one student, collected in any order, some at once, some twice: the last says what counts, of that the first when."""
    random = Random(f"{form} {seed}")
    late_from = random.randint(0, 4)
    hand_ins = [(day, day >= late_from, random.choice("abc")) for day in range(random.randint(2, 4))]
    groups = []
    for hand_in in random.sample(hand_ins, len(hand_ins)):
        if groups and random.random() < 0.4:
            groups[-1].append(hand_in)
        else:
            groups.append([hand_in])
    for _ in range(2):
        groups.insert(random.randint(0, len(groups)), random.choice(groups))
    for group in groups:
        files = {}
        for day, late, text in group:
            canvas = _canvas(f"{'LATE_' * late}11_{5000 + day}", text)
            files |= canvas if form == "canvas" else _brightspace(f"Nov {18 + day}, 2026 1000 AM", text)
        assert collect(zipped(course / f"{sorted(group)}.zip", files), "--due", "2026-11-20 23:59")[0] == 0
    last = hand_ins[-1][2]
    same = [hand_in for hand_in in hand_ins if hand_in[2] == last]
    when = f"2026-11-{18 + same[0][0]} 10:00:00 UTC" if form == "brightspace" else None
    if form == "canvas" and all(late for _, late, _ in same):
        when = behind(20)
    assert (taken(course, "ada"), stamp(course, "ada")) == (last, when)
    rows = [row for row in lines(course) if row["student"] == "ada"]
    assert [row["state"] in ("taken", "unchanged") for row in rows].count(True) == 1
    assert len(rows) == len(hand_ins)


def _labelled(*labels):
    cells = [nbformat.v4.new_code_cell("", metadata={"nbgrader": {"grade_id": label}}) for label in labels]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells))


def test_another_lessons_notebook_displaces_nothing(course, collect):
    (course / "solutions" / LESSON / FILE).write_text(_labelled("square", "cube"))
    (course / "solutions" / "roots").mkdir()
    (course / "solutions" / "roots" / "roots.ipynb").write_text(_labelled("root", "cube_root"))
    right = {f"11-2 - Ada Lovelace - Nov 20, 2026 1000 AM/{FILE}": _labelled("square", "cube")}
    wrong = {f"11-3 - Ada Lovelace - Nov 21, 2026 1000 AM/{FILE}": _labelled("root", "cube_root")}
    for files in (right, wrong):
        collect(zipped(course / "x.zip", files))
    rows = {row["origin"][-20:]: row["state"] for row in lines(course) if row["student"] == "ada"}
    assert stamp(course, "ada") == "2026-11-20 10:00:00 UTC" and sorted(rows.values()) == ["older", "unchanged"]
    assert "root" not in (course / "submitted" / "ada" / LESSON / FILE).read_text()


def _moodle(text, number=901):
    return {f"Ada Lovelace_{number}_assignsubmission_file_/{FILE}": notebook(text)}


def test_a_worksheet_told_of_an_older_zip_takes_nothing_back(course, collect):
    def sheet(day):
        head = "Identifier,Full name,ID number,Last modified (submission)\n"
        (course / f"{day}.csv").write_text(f'{head}Participant 901,Ada Lovelace,ada,"{day} November 2026, 12:00 PM"\n')
        return "--roster", str(course / f"{day}.csv")

    for text, day in (("first", 5), ("second", 6), ("first", 6)):
        collect(zipped(course / "m.zip", _moodle(text)), *sheet(day), roster=False)
        assert taken(course, "ada") == ("first" if day == 5 else "second")


def test_a_list_of_moodles_tells_no_times_of_canvas(course, collect):
    head = "Identifier,Full name,ID number,Last modified (submission)\n"
    (course / "w.csv").write_text(f'{head}Participant 901,Ada Lovelace,ada,"5 November 2026, 12:00 PM"\n')
    path = zipped(course / "c.zip", _canvas("LATE_11_5001", "a"))
    collect(path, "--roster", "w.csv", "--due", "2026-11-20 23:59", roster=False)
    assert stamp(course, "ada") == behind(20)
    (course / "own.csv").write_text("id,name,submitted\nada,Ada Lovelace,2026-11-19 10:00\n")
    _, said = collect(path, "--roster", "own.csv", roster=False)
    assert stamp(course, "ada") == "2026-11-19 10:00:00 UTC" and "its time that it was not; the time counts" in said


def test_whose_it_is_said_by_hand_keeps_its_time_and_is_remembered(course, collect):
    """Of two of one name, each is put into a folder with the right id, as the sentence advises."""
    (course / "roster.csv").write_text("id,name\nann,Ann Lee\nann2,Ann Lee\n")
    export = zipped(
        course / "b.zip",
        {f"{n}-2 - Ann Lee - Nov {day}, 2026 1000 AM/{FILE}": notebook(str(n)) for n, day in ((1, 19), (2, 22))},
    )
    assert collect(export, "--due", "2026-11-20 23:59")[0] == 1
    assert sum(row["state"] == "unknown" for row in lines(course)) == 2
    loose = zipped(course / "f.zip", {f"ann/{FILE}": notebook("1")})
    assert collect(loose, "--form", "folder")[0] == 1 and stamp(course, "ann") is None
    assert sum(row["state"] == "unknown" for row in lines(course)) == 2, "the same files may be those of two"
    for student, n in (("ann", 1), ("ann2", 2)):
        [kept] = (course / "collected" / LESSON / "unknown").glob(f"{n}-*")
        shutil.copytree(kept, course / "said" / student / kept.name)
    for _ in range(2):
        code, said = collect(course / "said", "--form", "folder")
        assert code == 0, said
        assert [stamp(course, s) for s in ("ann", "ann2")] == ["2026-11-19 10:00:00 UTC", "2026-11-22 10:00:00 UTC"]
        assert not [row for row in lines(course) if row["state"] == "unknown"]
    code, said = collect(export)
    assert code == 0 and [row["state"] for row in lines(course)] == ["unchanged", "unchanged", "older"], said


@pytest.mark.parametrize("form", ["brightspace", "folder"])
def test_the_same_files_of_somebody_else_say_nothing_of_an_unknown_one(course, collect, form):
    """As of a pair, or where the template is handed in as it was."""
    eve = zipped(course / "e.zip", {f"99-2 - Eve Adams - Nov 25, 2026 1000 AM/{FILE}": notebook("same")})
    assert collect(eve, "--due", "2026-11-20 23:59")[0] == 1
    [before] = [row for row in lines(course) if row["state"] == "unknown"]
    name = {"brightspace": "11-2 - Ada Lovelace - Nov 19, 2026 1000 AM", "folder": "ada"}[form]
    collect(zipped(course / "a.zip", {f"{name}/{FILE}": notebook("same")}), "--form", form)
    [unknown, ada] = [row for row in lines(course) if row["state"] != "missing"][::-1]
    assert unknown == before and (ada["student"], ada["state"], ada["late"], ada["form"]) == ("ada", "taken", "", form)


def test_two_sections_collected_at_once_and_one_of_them_again(course, collect):
    for section in ("one", "two"):
        (course / section).mkdir()
    one = zipped(course / "one" / "submissions.zip", {f"lovelaceada_11_8_{FILE}": notebook("ada")})
    two = zipped(course / "two" / "submissions.zip", {f"evaadams_77_6_{FILE}": notebook("eva"), f"rayburnsbob_13_5_{FILE}": notebook("b")})  # fmt: skip
    assert collect(one, two)[0] == 1
    collect(one)
    assert [row["state"] for row in lines(course)] == ["unchanged", "unchanged", "unknown", "missing"]


def test_what_is_wrong_in_one_section_stays_whatever_the_other_one_brings(course, collect):
    for section in ("one", "two"):
        (course / section).mkdir()
    collect(
        zipped(
            course / "one" / "s.zip", _moodle("ada") | {f"Eva Adams_7_assignsubmission_file_/{FILE}": notebook("eva")}
        )
    )
    other = zipped(course / "two" / "s.zip", {f"Zoë O'Neil_8_assignsubmission_file_/{FILE}": notebook("zoe")})
    for _ in range(2):
        collect(other)
        assert "unknown" in state(course).values()


def test_two_notebooks_of_one_hand_in_of_canvas_are_two(course, collect):
    files = {
        f"lovelaceada_11_5001_{FILE}": notebook("first"),
        f"lovelaceada_11_5001_{LESSON}-1.ipynb": notebook("copy"),
    }
    _, said = collect(zipped(course / "c.zip", files))
    assert taken(course, "ada") == "first" and f"Also handed in, not graded: {LESSON}-1.ipynb" in said


def test_a_hand_made_change_stays(course, collect):
    """An instructor mends a notebook in `submitted/`: the export that was collected does not take it back."""
    export = zipped(course / "b.zip", _brightspace("Nov 21, 2026 1000 AM", "broken"))
    collect(export, "--due", "2026-11-20 23:59")
    (course / "submitted" / "ada" / LESSON / FILE).write_text(notebook("mended"))
    for _ in range(2):
        collect(export)
        assert taken(course, "ada") == "mended" and stamp(course, "ada") == "2026-11-21 10:00:00 UTC"
    collect(zipped(course / "c.zip", _brightspace("Nov 22, 2026 1000 AM", "newer")))
    assert taken(course, "ada") == "newer"


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ("王小明", "小明 王", False),
        ("Joerg Mueller", "Jörg Müller", False),
        ("Soren Odegard", "Søren Ødegård", False),
        ("MacDonald", "Mac Donald", False),
        ("Ann Le", "Ann Lee", False),
        ("Ada Lovelace", "Ada King", False),
        ("Ada Lovelace", "Carl Gauss", True),
    ],
)
def test_a_name_that_is_spelt_in_another_way_is_no_other_person(course, collect, first, second, refused):
    path = zipped(course / "x.zip", {f"a1/{FILE}": notebook("x")})
    for name in (first, second):
        (course / "roster.csv").write_text(f"id,name\na1,{name}\na2,Ann Lee\n", encoding="utf-8")
        code, said = collect(path)
    assert code == refused and ("may be that of somebody else" in said) == refused


def test_an_address_of_many_is_nobodys(course, collect):
    """The same list is taken again, and a newcomer with the address of one who left is a new student."""
    path = zipped(course / "x.zip", {f"zoe/{FILE}": notebook("zoe")})
    for list_ in ("zoe,Zoë O'Neil,-\nbob,Bob Ray,-\nada,Ada Lee,lee@example.org\n", "zoe,Zoë O'Neil,-\nbob,Bob Ray,-\nada,Ada Lee,lee@example.org\n", "max,Max Neil,-\ntom,Tom Lee,lee@example.org\n"):  # fmt: skip
        (course / "roster.csv").write_text(f"id,name,email\n{list_}", encoding="utf-8")
        _, said = collect(path, *([] if "zoe" in list_ else ["--form", "folder"]))
        assert "Nothing was collected" not in said
    with Gradebook("sqlite:///gradebook.db") as book:
        assert {s.id: s.last_name for s in book.students} == {"zoe": "O'Neil", "bob": "Ray", "ada": "Lee", "max": "Neil", "tom": "Lee"}  # fmt: skip


def test_a_mended_list_gives_back_what_was_another_ones(course, collect):
    """Of two of one name, the list had one, who got the work of both; then it has both, with Canvas's numbers."""
    (course / "roster.csv").write_text("id,name\nada,Ada Lovelace\n")
    collect(zipped(course / "a.zip", _canvas("99_5001", "of the other")))
    assert taken(course, "ada") == "of the other"
    (course / "roster.csv").write_text("id,name,lms_user_id\nada,Ada Lovelace,11\nada2,Ada Lovelace,99\n")
    code, said = collect(zipped(course / "b.zip", _canvas("11_5000", "her own") | _canvas("99_5001", "of the other")))
    assert code == 0 and [taken(course, s) for s in ("ada", "ada2")] == ["her own", "of the other"], said


def test_a_collection_may_be_taken_back_by_hand(course, collect):
    for day, text in ((19, "old"), (20, "new")):
        collect(zipped(course / "b.zip", _brightspace(f"Nov {day}, 2026 1000 AM", text)))
    shutil.rmtree(course / "submitted" / "ada" / LESSON)
    [kept] = (course / "collected" / LESSON / "older" / "ada").iterdir()
    kept.rename(course / "submitted" / "ada" / LESSON)
    collect(zipped(course / "z.zip", {f"zoe/{FILE}": notebook("z")}))
    ada = {row["submitted"]: row["state"] for row in lines(course) if row["student"] == "ada"}
    assert taken(course, "ada") == "old" and ada == {"2026-11-19 10:00:00": "unchanged", "2026-11-20 10:00:00": "older"}


def test_two_boxes_of_one_lesson_number_a_student_twice(course, collect):
    for number, day, text in ((901, 19, "same"), (1204, 22, "same")):
        head = "Identifier,Full name,ID number,Last modified (submission)\n"
        (course / "w.csv").write_text(f'{head}Participant {number},Ada Lovelace,ada,"{day} November 2026, 10:36 AM"\n')
        collect(
            zipped(course / "m.zip", _moodle(text, number)),
            "--roster",
            "w.csv",
            "--due",
            "2026-11-20 23:59",
            roster=False,
        )
    assert stamp(course, "ada") == "2026-11-19 10:36:00 UTC"
    assert {row["lms_id"] for row in lines(course) if row["student"] == "ada"} == {"901", "1204"}


@pytest.mark.parametrize("when", ["2026-11-23 08:00:00 UTC", None])
@pytest.mark.parametrize("files", [_brightspace("Nov 21, 2026 1000 AM", "a"), _canvas("LATE_11_1", "a")])
def test_a_time_by_hand_stays_whatever_is_collected(course, collect, when, files):
    export = zipped(course / "x.zip", files)
    collect(export, "--due", "2026-11-20 23:59")
    path = course / "submitted" / "ada" / LESSON / "timestamp.txt"
    path.write_text(when) if when else path.unlink()
    for again in (export, zipped(course / "z.zip", {f"x_12_9_{FILE}": notebook("z")}), export):
        collect(again)
        assert stamp(course, "ada") == when
    row = next(row for row in lines(course) if row["student"] == "ada" and row["state"] == "unchanged")
    assert row["late"] == ("2 days 8 h" if when else "")


def test_what_was_taken_back_by_hand_stays_back(course, collect):
    exports = [
        zipped(course / f"{day}.zip", _brightspace(f"Nov {day}, 2026 1000 AM", str(day))) for day in (19, 20, 21)
    ]
    for export in exports[:2]:
        collect(export)
    shutil.rmtree(course / "submitted" / "ada" / LESSON)
    shutil.move(
        next((course / "collected" / LESSON / "older" / "ada").iterdir()), course / "submitted" / "ada" / LESSON
    )
    for _ in range(2):
        collect(exports[1])
        assert taken(course, "ada") == "19" and stamp(course, "ada") == "2026-11-19 10:00:00 UTC"
    collect(exports[2])
    assert taken(course, "ada") == "21"


def test_an_empty_folder_counts_for_nothing(course, collect):
    export = zipped(course / "b.zip", _brightspace("Nov 20, 2026 1000 AM", "a"))
    collect(export)
    (course / "submitted" / "ada" / LESSON / FILE).unlink()
    assert collect(export)[0] == 0 and taken(course, "ada") == "a"


def test_a_duplicate_that_was_settled_stays_settled(course, collect):
    both = {f"ada/{FILE}": notebook("a"), f"ada_{LESSON}.ipynb": notebook("b")}
    assert collect(zipped(course / "f.zip", both))[0] == 1 and taken(course, "ada") is None
    assert collect(zipped(course / "a.zip", {f"ada/{FILE}": notebook("a")}), "--form", "folder")[0] == 0
    collect(zipped(course / "f.zip", both))
    assert taken(course, "ada") == "a"


def test_nothing_grows_by_repetition(course, collect):
    exports = [
        zipped(
            course / f"{day}.zip", _brightspace(f"Nov {day}, 2026 1000 AM", str(day)) | {f"who/{FILE}": notebook("?")}
        )
        for day in (19, 20)
    ]
    for export in exports:
        collect(export)

    def kept():
        files = {path for path in (course / "collected" / LESSON).rglob("*") if path.is_file()}
        return {path: path.read_bytes() for path in files if path.name != "record.json"}

    before = kept()
    older = [row for row in lines(course) if row["state"] == "older"]
    for export in (*exports, *exports):
        collect(export)
    assert kept() == before and [row for row in lines(course) if row["state"] == "older"] == older


def test_late_without_a_deadline_is_said_once(course, collect):
    path = zipped(course / "c.zip", _canvas("LATE_11_1", "a"))
    collect(path)
    first = stamp(course, "ada")
    Store(course / ".graded").set_collected(LESSON, set())
    collect(path)
    assert stamp(course, "ada") == first and not Store(course / ".graded").collected(LESSON)


# ---- whose, when and which, once more


ANNS = "Student,ID,SIS User ID,Section,Final\n" + '"Lovelace, Ada",11,ada,1,\n' + '"Lee, Ann",{},ann,1,\n{}'


@pytest.mark.parametrize("alone", [True, False])
def test_work_that_is_another_ones_by_a_mended_roster_is_taken_away(course, collect, alone):
    """A namesake joined late: what came under her number was given to the one Ann that the list had."""
    files = {f"lovelaceada_11_1_{FILE}": notebook("ada"), f"leeann_12_2_{FILE}": notebook("anns")}
    (course / "roster.csv").write_text("id,name\nada,Ada Lovelace\nann,Ann Lee\n")
    collect(zipped(course / "c.zip", files))
    assert taken(course, "ann") == "anns"
    Store(course / ".graded").set_collected(LESSON, set())
    (course / "roster.csv").write_text(ANNS.format(10, '"Lee, Ann",12,ann2,1,\n'))
    if alone:
        del files[f"lovelaceada_11_1_{FILE}"]
    code, said = collect(zipped(course / "c.zip", files))
    assert code == 0 and (taken(course, "ann"), taken(course, "ann2")) == (None, "anns"), said
    assert Store(course / ".graded").collected(LESSON) == {"ann", "ann2"}
    assert {row["student"] for row in lines(course) if row["state"] == "missing"} == {"ann"}
    collect(course / "c.zip", roster=False)
    assert (taken(course, "ann"), taken(course, "ann2")) == (None, "anns")


@pytest.mark.parametrize(
    "times",
    [
        ("24 October 2026, 11:30 AM", "26 October 2026, 11:30 AM"),  # the clocks go back between them
        ("24 October 2026, 11:30 AM",),
    ],
)
def test_a_time_read_in_another_zone_is_the_same_hand_in(course, collect, times):
    names = {"Ada Lovelace": "ada", "Zoë O'Neil": "zoe"}
    rows = [f'{n},{name},{names[name]}@example.org,"{when}"' for n, (name, when) in enumerate(zip(names, times, strict=False), 901)]  # fmt: skip
    (course / "sheet.csv").write_text(
        "\n".join(["Identifier,Full name,Email address,Last modified (submission)", *rows])
    )
    files = {f"{name}_{n}_assignsubmission_file_/{FILE}": notebook(name) for n, name in enumerate(names, 901)}
    collect(zipped(course / "m.zip", dict(list(files.items())[: len(times)])))

    def sheet(zone):
        return collect(course / "m.zip", "--roster", "sheet.csv", "--timezone", zone, roster=False)

    sheet("Europe/Berlin")
    assert stamp(course, "ada") == "2026-10-24 09:30:00 UTC"
    _, said = sheet("America/New_York")
    assert stamp(course, "ada") == "2026-10-24 15:30:00 UTC" and "older" not in said
    if len(times) > 1:
        assert stamp(course, "zoe") == "2026-10-26 15:30:00 UTC"


@pytest.mark.parametrize("with_time", [True, False])
def test_a_hand_in_that_is_taken_back_keeps_its_time(course, collect, with_time):
    days = {day: _brightspace(f"Nov {day}, 2026 1000 AM", str(day)) for day in (19, 21)}
    collect(zipped(course / "b.zip", days[19] | days[21]), "--due", "2026-11-18 23:59")
    [older] = (course / "collected" / LESSON / "older" / "ada").iterdir()
    assert (older / "timestamp.txt").read_text() == "2026-11-19 10:00:00 UTC\n"
    if not with_time:
        (older / "timestamp.txt").unlink()
    shutil.rmtree(course / "submitted" / "ada" / LESSON)
    older.rename(course / "submitted" / "ada" / LESSON)
    collect(zipped(course / "z.zip", {f"zoe/{FILE}": notebook("z")}))
    assert (taken(course, "ada"), stamp(course, "ada")) == ("19", "2026-11-19 10:00:00 UTC")
    collect(course / "b.zip")
    assert (taken(course, "ada"), stamp(course, "ada")) == ("19", "2026-11-19 10:00:00 UTC")


def test_what_a_killed_collection_put_aside_comes_back_with_the_next(course, collect, monkeypatch):
    old, new = (_brightspace(f"Nov {day}, 2026 1000 AM", str(day)) for day in (19, 20))
    collect(zipped(course / "old.zip", old))

    class Killed(BaseException):
        pass

    def put(self, student, work, places, lying):
        self._move(self._folder(student), "older/ada/x")
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(settling.Settling, "_put", put)
        with pytest.raises(Killed):
            collect(zipped(course / "new.zip", new))
    (course / "collected" / LESSON / ".staging-left").mkdir()
    assert taken(course, "ada") is None
    _, said = collect(zipped(course / "z.zip", {f"zoe/{FILE}": notebook("z")}))
    assert "was stopped half way" in said
    assert (taken(course, "ada"), stamp(course, "ada")) == ("19", "2026-11-19 10:00:00 UTC")
    collect(course / "new.zip")
    assert (taken(course, "ada"), stamp(course, "ada")) == ("20", "2026-11-20 10:00:00 UTC")


def test_a_time_set_by_hand_is_not_displaced_by_an_older_hand_in(course, collect):
    collect(zipped(course / "a.zip", _brightspace("Nov 19, 2026 1000 AM", "a")))
    stamps.write(course / "submitted" / "ada" / LESSON, datetime(2026, 11, 22))
    collect(zipped(course / "b.zip", _brightspace("Nov 21, 2026 1000 AM", "b")))
    assert (taken(course, "ada"), stamp(course, "ada")) == ("a", "2026-11-22 00:00:00 UTC")
    collect(zipped(course / "c.zip", _brightspace("Nov 23, 2026 1000 AM", "c")))
    assert taken(course, "ada") == "c"


@pytest.mark.parametrize(
    ("text", "day_first", "found"),
    [
        ("05-11-2026 10:00", True, "2026-11-05"), ("05/11/26 10:00", False, "2026-05-11"), ("13-11-2026 10:00", None, "2026-11-13"),
        ("2026-11-05T10:00:00.123", None, "2026-11-05"), ("2026-12-04 10:36", True, "2026-12-04"), ("05-11-2026 10:00", None, None), ("05/11/26 10:00", None, None),
        ("26-11-05 10:00", None, None),
    ],
)  # fmt: skip
def test_a_day_is_never_taken_for_a_month(text, day_first, found):
    try:
        assert str(lms.time_of(text, UTC, day_first))[:10] == found
    except ValueError:
        assert found is None


def test_names_with_a_hyphen_are_no_groups_where_one_is_in_the_list(course, collect):
    (course / "roster.csv").write_text("id,name\nlena,Lena Fox\nmax,Karl-Max Wu\n")
    names = {"Anna-Lena Fox": 1, "Karl-Max Wu": 2}
    code, _ = collect(zipped(course / "m.zip", {f"{name}_{n}_assignsubmission_file_/{FILE}": notebook(name) for name, n in names.items()}))  # fmt: skip
    assert code == 1 and (taken(course, "lena"), taken(course, "max")) == (None, "Karl-Max Wu")


def test_a_quotation_mark_that_never_ends_is_told(course, collect):
    (course / "roster.csv").write_text('id,name\n"ada,Ada Lovelace\nbob","Bob Ray\nzoe,Zoe\n')
    code, said = collect(zipped(course / "a.zip", {f"ada/{FILE}": notebook("a")}))
    assert code == 1 and "roster.csv is no CSV file" in said and not (course / "submitted").exists()


def test_a_list_of_times_needs_no_names(course, collect):
    collect(zipped(course / "b.zip", {f"Ada Lovelace_1_assignsubmission_file_/{FILE}": notebook("a")}))
    (course / "times.csv").write_text("id,submitted\nada,2026-11-21 10:00\n")
    code, said = collect(course / "b.zip", "--roster", "times.csv", roster=False)
    assert code == 0 and stamp(course, "ada") == "2026-11-21 10:00:00 UTC", said


def test_who_joins_late_is_called_as_the_others(course, collect):
    """The first list had SIS User IDs alone; Canvas's has login ids in front of them."""
    collect(zipped(course / "a.zip", {f"ada/{FILE}": notebook("a")}))
    head = "Student,ID,SIS User ID,SIS Login ID,Section\n"
    rows = [f'"{name}",{n},{sis},{sis}@uni.edu,1' for name, n, sis in (("Lovelace, Ada", 11, "ada"), ("Burns, Bob Ray", 13, "bob"), ("Late, Tom", 17, "tom"))]  # fmt: skip
    (course / "canvas.csv").write_text(head + "\n".join(rows))
    collect(zipped(course / "c.zip", {f"latetom_17_1_{FILE}": notebook("t")}), "--roster", "canvas.csv", roster=False)
    assert taken(course, "tom") == "t"


def test_a_list_whose_emails_slipped_by_a_line_is_refused(course, collect):
    (course / "roster.csv").write_text(
        "id,name,email\n" + "".join(f"s{i},Name{i} Last{i},n{i}@x.org\n" for i in range(5))
    )
    export = zipped(course / "a.zip", {f"s1/{FILE}": notebook("a")})
    collect(export)
    (course / "roster.csv").write_text("id,name,email\n" + "".join(f"s{i},Name{i} Last{i},n{(i + 1) % 5}@x.org\n" for i in range(5)))  # fmt: skip
    code, said = collect(export)
    assert code == 1 and "s0 (n1@x.org, which s1 has there)" in said and "--email ADDRESS" in said


def test_unknown_ones_whose_names_begin_alike_are_kept_apart(course, collect):
    collect(zipped(course / "b.zip", {f"{name}/{FILE}": notebook("same") for name in ("anna", "ann")}))
    assert {path.name for path in (course / "collected" / LESSON / "unknown").iterdir()} == {"ann", "anna"}


def test_a_zip_in_a_zip_in_a_zip_is_said(course, collect):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.zip", "PK")
    collect(zipped(course / "m.zip", {"Ada Lovelace_1_assignsubmission_file_/work.zip": inner.getvalue()}))
    [ada] = [row for row in lines(course) if row["student"] == "ada"]
    assert ada["sentence"].startswith(
        "There is no notebook in it, only work.zip. deep.zip in work.zip: a zip within a zip is not opened."
    )


def test_a_number_that_is_another_ones_is_not_taken_for_who_is_said_to_have_handed_in(course, collect):
    """Canvas's file has Bob's name and Zoë's number; a person says that it is Bob's. Then Zoë hands in."""
    (course / "canvas.csv").write_text(
        'Student,ID,SIS User ID,Section\n"O\'Neil, Zoë",12,zoe,1\n"Burns, Bob Ray",13,bob,1\n"Lovelace, Ada",11,ada,1\n',
        encoding="utf-8",
    )
    roster = ["--roster", "canvas.csv"]
    code, said = collect(
        zipped(
            course / "c.zip", {f"burnsbobray_12_1_{FILE}": notebook("bobs"), f"lovelaceada_11_3_{FILE}": notebook("a")}
        ),
        *roster,
        roster=False,
    )
    assert code == 1 and "is bob in the roster, and its number 12 is that of zoe" in said
    [kept] = (course / "collected" / LESSON / "unknown").iterdir()
    shutil.copytree(kept, course / "said" / "bob" / kept.name)
    assert collect(course / "said", "--form", "folder", roster=False)[0] == 0 and taken(course, "bob") == "bobs"
    [bob] = [row for row in lines(course) if row["student"] == "bob"]
    assert bob["lms_id"] == "13"
    collect(zipped(course / "d.zip", {f"oneilzoe_12_2_{FILE}": notebook("zoes")}), *roster, roster=False)
    assert (taken(course, "bob"), taken(course, "zoe")) == ("bobs", "zoes")


def test_whose_it_is_can_be_said_otherwise_and_not_of_two_at_once(course, collect):
    (course / "roster.csv").write_text("id,name\nann,Ann Lee\nann2,Ann Lee\n")
    files = {f"{n}-2 - Ann B. Lee - Nov {day}, 2026 1000 AM/{FILE}": notebook(str(n)) for n, day in ((1, 19), (2, 22))}
    files |= {name.replace("Ann B. Lee", "Ann Lee"): text for name, text in files.items()}
    collect(
        zipped(course / "b.zip", {name: text for name, text in files.items() if "B." not in name}),
        "--due",
        "2026-11-20 23:59",
    )
    kept = {path.name[0]: path for path in (course / "collected" / LESSON / "unknown").iterdir()}
    said = course / "said"

    def say(**whose):
        shutil.rmtree(said, ignore_errors=True)
        for student, numbers in whose.items():
            for n in numbers:
                shutil.copytree(kept[n] if kept[n].exists() else aside[n], said / student / kept[n].name)
        return collect(said, "--form", "folder", roster=False)

    aside = {n: shutil.copytree(kept[n], course / "aside" / kept[n].name) for n in kept}
    say(ann="2", ann2="1")
    assert (taken(course, "ann"), stamp(course, "ann")) == ("2", "2026-11-22 10:00:00 UTC")
    _, told = say(ann="1", ann2="2")
    assert "It was given to ann until now" in told
    assert [(taken(course, s), stamp(course, s)) for s in ("ann", "ann2")] == [("1", "2026-11-19 10:00:00 UTC"), ("2", "2026-11-22 10:00:00 UTC")]  # fmt: skip
    say(ann="12")
    assert taken(course, "ann") == "2" and taken(course, "ann2") is None
    _, told = say(ann="1", ann2="1")
    assert "was put into that of ann, too" in told


def test_an_unknown_one_with_a_middle_initial_is_claimed_with_its_time(course, collect):
    """A dot in the name of a folder is no suffix; the second one has a number behind it."""
    for n in (1, 2):
        collect(zipped(course / "b.zip", {f"75-1 - Mary J. Brown - Nov 19, 2026 1000 AM/{FILE}": notebook(str(n))}))
        collect(course / "b.zip")
    kept = sorted(path.name for path in (course / "collected" / LESSON / "unknown").iterdir())
    assert len(kept) == 2 and kept[1] == f"{kept[0]} (2)"
    shutil.copytree(course / "collected" / LESSON / "unknown" / kept[1], course / "said" / "ada" / kept[1])
    collect(course / "said", "--form", "folder")
    assert (taken(course, "ada"), stamp(course, "ada")) == ("2", "2026-11-19 10:00:00 UTC")


def test_an_older_work_keeps_its_first_time(course, collect):
    days = {f"11-2 - Ada Lovelace - Nov {day}, 2026 1000 AM/{FILE}": notebook(text) for day, text in ((18, "p"), (19, "p"), (20, "q"))}  # fmt: skip
    collect(zipped(course / "b.zip", days))
    [older] = (course / "collected" / LESSON / "older" / "ada").iterdir()
    assert (older / "timestamp.txt").read_text() == "2026-11-18 10:00:00 UTC\n"


def test_canvas_leaves_nothing_of_a_name_in_chinese(course, collect):
    roster = ["--roster", "canvas.csv"]
    (course / "canvas.csv").write_text(
        'Student,ID,SIS User ID,Section\n"李, 明",12,liming,1\n"Lovelace, Ada",11,ada,1\n'
    )
    files = {f"_12_501_03_{FILE}": notebook("明"), f"lovelaceada_11_502_{FILE}": notebook("a")}
    code, _ = collect(zipped(course / "c.zip", files), *roster, roster=False)
    assert code == 0 and taken(course, "liming") == "明"


def test_one_email_of_two_people_makes_no_new_ones(course, collect):
    (course / "roster.csv").write_text("id,name,email\n1,Ada Lee,fam@x.org\n2,Bob Lee,fam@x.org\n")
    export = zipped(course / "m.zip", {f"Ada Lee_1_assignsubmission_file_/{FILE}": notebook("a")})
    collect(export)
    (course / "roster.csv").write_text("username,name,email\nada,Ada Lee,fam@x.org\nbob,Bob Lee,fam@x.org\n")
    code, said = collect(export)
    assert code == 1 and "may be known by another id" in said


def test_two_rosters_are_refused(course, collect, capsys):
    with pytest.raises(SystemExit):
        collect(zipped(course / "a.zip", {f"ada/{FILE}": notebook("a")}), "--roster", "roster.csv")
    assert "--roster is given more than once" in capsys.readouterr().err


def test_equal_files_of_two_that_were_put_there_by_hand_are_taken_from_nobody(course, collect):
    for student in ("ada", "zoe"):
        (course / "submitted" / student / LESSON).mkdir(parents=True)
        (course / "submitted" / student / LESSON / FILE).write_text(notebook("pair"))
        stamps.write(course / "submitted" / student / LESSON, datetime(2026, 11, 5))
    collect(zipped(course / "b.zip", {f"bob/{FILE}": notebook("b")}))
    _, said = collect(zipped(course / "a.zip", _brightspace("Nov 1, 2026 1000 AM", "older")))
    assert (taken(course, "ada"), taken(course, "zoe")) == ("pair", "pair") and "until now" not in said
