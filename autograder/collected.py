"""`collected/LESSON.csv`: one line for every submission, and what became of it."""

import csv
import os
from dataclasses import dataclass, fields
from pathlib import Path

from autograder import roster

STATES = {
    "taken": "to be graded",
    "unchanged": "already collected",
    "older": "older, kept aside",
    "duplicate": "which counts is not clear",
    "unknown": "whose is not known",
    "unreadable": "not readable",
    "missing": "handed in nothing",
}
ZERO = "It will be graded 0, with this note."
WRONG = ("duplicate", "unknown", "unreadable")


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


def record(path: Path, lines: list[Found], students: roster.Roster, sources=()) -> list[Found]:
    """Write the lines. Those of earlier runs stay for what this run did not see; but what was wrong with one of `sources`
    was mended if it is not wrong any more.
    """
    seen = {_same(line) for line in lines}
    settled = {line.student for line in lines if counts(line)}
    for line in read(path):
        replaced = counts(line) and line.student in settled
        mended = line.state in WRONG and line.origin.partition("/")[0] in sources
        if line.state != "missing" and _same(line) not in seen and not replaced and not mended:
            lines.append(line)
    there = {line.student for line in lines}
    lines += [Found(s.id, "missing", sentence="Nothing was handed in.") for s in students.students if s.id not in there]
    order = list(STATES)
    lines.sort(key=lambda line: (order.index(line.state) if line.state in order else 9, line.student, line.origin))
    names = [f.name for f in fields(Found)]
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", newline="", encoding="utf-8-sig") as file:  # a spreadsheet then reads it as UTF-8
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([[roster.marked(getattr(line, name)) for name in names] for line in lines])
    os.replace(temporary, path)
    return lines


def read(path: Path) -> list[Found]:
    """The lines of an earlier run; none where there was none or where the file was changed beyond recognition."""
    rows = roster.table(path) if path.exists() else []
    names = [f.name for f in fields(Found)]
    if not rows or not {"student", "state", "origin"} <= set(rows[0]):
        return []
    said = [{**dict.fromkeys(names, ""), **dict(zip(rows[0], row, strict=False))} for row in rows[1:]]
    return [
        Found(**{name: roster.unmarked(row[name]) for name in names})
        for row in said
        if row["state"] and (row["student"] or row["origin"])
    ]


def counts(line: Found) -> bool:
    """Whether it is about what is graded: one line of a student's is."""
    return line.state in ("taken", "unchanged") or ZERO in line.sentence


def _same(line):
    return line.key or (line.student, line.submitted, line.origin, line.state)
