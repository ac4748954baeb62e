"""What became of every submission of a lesson: a line for each, which later collections go by, and a CSV of them for people.

The lines are kept in `collected/LESSON/record.json`: `collected/LESSON.csv` may be opened in a spreadsheet and saved as that likes.
"""

import csv
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from autograder.problem import Problem
from autograder.store import write
from autograder.tables import marked

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
SHOWN = "student", "state", "late", "submitted", "origin", "form", "lms_id", "sentence"  # to people


@dataclass
class Found:
    """One hand-in, or a student who has none."""

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
    said: str = ""  # the same, as it was written
    work: str = ""  # the same where the files are the same
    run: int = 0  # the collection that brought it; later ones are larger
    seen: int = 0  # the last one in which it was
    source: str = ""  # the export, that it was in

    @property
    def counts(self) -> bool:
        return self.state in COUNTS


def record(output: Path, lesson: str, lines: list[Found], students, seen=()) -> list[Found]:
    """Keep the lines, and write the CSV; a student of `students` without any handed in nothing.

    What is wrong stays wrong until it has been mended: its export was seen again (`seen`: the (source, origin) of this run) without it,
    or other work of that student counts. Raises Problem, see `read`.
    """
    now, before = {_same(line) for line in lines}, read(output, lesson)
    taken = {line.student for line in lines if line.state == "taken"}
    # another section's export may lie in the same place today
    again = {(line.source, line.seen) for line in before if (line.source, line.origin) in seen}
    for line in before:
        mended = (line.source, line.seen) in again or line.student in taken
        if line.state == "duplicate" and line.student in taken and _same(line) not in now:
            kept = line.sentence.rpartition(" in ")[2]
            line.state, line.sentence = "older", f"Another one counts. It is kept in {kept}"
            lines.append(line)
        elif line.state in WRONG and _same(line) not in now and not mended:
            lines.append(line)
    there = {line.student for line in lines}
    lines += [Found(id_, "missing", sentence="Nothing was handed in.") for id_ in students if id_ not in there]
    order = list(STATES)
    lines.sort(key=lambda line: (order.index(line.state), line.student, line.origin))
    for line in lines:
        line.sentence = line.sentence if len(line.sentence) <= SENTENCE_CHARS else f"{line.sentence[:SENTENCE_CHARS]} …"
    write(_kept(output, lesson), json.dumps([asdict(line) for line in lines], indent=0))
    table = io.StringIO()
    csv.writer(table).writerows([SHOWN, *([marked(getattr(line, name)) for name in SHOWN] for line in lines)])
    # with a mark by which a spreadsheet sees that it is UTF-8
    write(output / "collected" / f"{lesson}.csv", table.getvalue().encode("utf-8-sig"))
    return lines


def read(output: Path, lesson: str) -> list[Found]:
    """The lines of an earlier run, none where there was none. Raises Problem where they are damaged."""
    path = _kept(output, lesson)
    if not path.exists():
        return []
    try:
        lines = [Found(**said) for said in json.loads(path.read_bytes())]
        wrong = [line for line in lines for f in fields(Found) if type(getattr(line, f.name)) is not f.type]
        if wrong or not {line.state for line in lines} <= STATES.keys():
            raise ValueError
    except (OSError, ValueError, TypeError, RecursionError):
        raise Problem(
            f"{path} cannot be read; it says what was collected of {lesson} so far. Take it from a backup. Or delete it and collect "
            "all exports of the lesson again: until then, what lies in `submitted/` counts."
        ) from None
    return lines


def _kept(output, lesson):
    return output / "collected" / lesson / "record.json"


def _same(line):
    return (
        (line.form, line.key, line.work)
        if line.key
        else (line.student, line.submitted, line.origin, line.state, line.sentence)
    )
