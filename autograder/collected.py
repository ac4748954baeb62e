"""`collected/LESSON.csv`: one line for every submission, and what became of it."""

import csv
import io
from dataclasses import dataclass, fields
from pathlib import Path

from autograder import roster
from autograder.store import write

STATES = {
    "taken": "to be graded",
    "unchanged": "already collected",
    "zero": "no valid notebook, to be graded 0",
    "older": "older, kept aside",
    "duplicate": "which counts is not clear",
    "unknown": "whose is not known",
    "unreadable": "not readable",
    "missing": "handed in nothing",
}
COUNTS = ("taken", "unchanged", "zero")  # one line of a student's is about what is graded
WRONG = ("duplicate", "unknown", "unreadable")
SENTENCE_CHARS = 2_000


@dataclass
class Found:
    """One line of `collected/LESSON.csv`."""

    student: str
    state: str
    late: str = ""
    submitted: str = ""  # UTC
    origin: str = ""  # the file or folder in the export
    form: str = ""
    lms_id: str = ""
    key: str = ""  # how the system named this submission: needed to give feedback back
    sentence: str = ""
    told: str = ""  # UTC: the time of this hand-in, as the system tells it; `submitted` is what counts of that work
    work: str = ""  # the same where the files are the same
    run: int = 0  # the collection that brought it; later ones are larger
    seen: int = 0  # the last one in which it was

    @property
    def counts(self) -> bool:
        return self.state in COUNTS


def record(path: Path, lines: list[Found], students, seen=()) -> list[Found]:
    """Write the lines; a student of `students` without any handed in nothing.

    What is wrong stays wrong until it has been mended: seen again in its export (`seen`: the origins of this run) and not wrong
    any more, or collected in another way since.
    """
    now, before = {_same(line) for line in lines}, read(path)
    again = {
        (_source(line), line.seen) for line in before if line.origin in seen
    }  # exports of two sections may have one name
    taken = {line.student for line in lines if line.state == "taken"}
    newest = {}
    for line in lines:
        if line.student and line.state not in WRONG:
            newest[line.work] = max(line.run, newest.get(line.work, 0))
    for line in before:
        mended = (_source(line), line.seen) in again or line.student in taken
        mended = mended or (line.work and newest.get(line.work, 0) > line.run)
        if line.state == "duplicate" and line.student in taken and _same(line) not in now:
            kept = line.sentence.rpartition(" in ")[2]
            line.state, line.sentence = "older", f"Another one counts. It is kept in {kept}"
            lines.append(line)
        elif line.state in WRONG and _same(line) not in now and not mended:
            lines.append(line)
    there = {line.student for line in lines}
    lines += [Found(id_, "missing", sentence="Nothing was handed in.") for id_ in students if id_ not in there]
    order = list(STATES)
    lines.sort(key=lambda line: (order.index(line.state) if line.state in order else 9, line.student, line.origin))
    names, out = [f.name for f in fields(Found)], io.StringIO()
    csv.writer(out).writerows([names, *([_cell(getattr(line, name)) for name in names] for line in lines)])
    write(path, out.getvalue().encode("utf-8-sig"))  # so that a spreadsheet reads it as UTF-8
    return lines


def _cell(text):
    """A cell that no spreadsheet takes for a formula, and that any program reads."""
    text = str(text)
    return roster.marked(text if len(text) <= SENTENCE_CHARS else f"{text[:SENTENCE_CHARS]} …")


def read(path: Path) -> list[Found]:
    """The lines of an earlier run; none where there was none or where the file was changed beyond recognition."""
    rows = roster.table(path) if path.exists() else []
    names = [f.name for f in fields(Found)]
    if not rows or not {"student", "state", "origin"} <= set(rows[0]):
        return []
    said = [{**dict.fromkeys(names, ""), **dict(zip(rows[0], row, strict=False))} for row in rows[1:]]
    lines = [
        Found(**{name: roster.unmarked(row[name]) for name in names})
        for row in said
        if row["state"] and (row["student"] or row["origin"])
    ]
    for line in lines:
        line.run, line.seen = (int(number) if number.isdecimal() else 0 for number in (line.run, line.seen))
    return lines


def _source(line):
    return line.origin.partition("/")[0]


def _same(line):
    return (
        (line.form, line.key, line.work)
        if line.key
        else (line.student, line.submitted, line.origin, line.state, line.sentence)
    )
