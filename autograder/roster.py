"""A class list, whoever wrote it: Canvas's or Brightspace's gradebook, Moodle's grading worksheet or participants, or your own CSV."""

import re
from datetime import tzinfo
from pathlib import Path

from autograder import tables
from autograder.archive import plain
from autograder.lms import DAY_OR_MONTH, time_of
from autograder.people import People, Student, student_id
from autograder.problem import Problem

# our name: theirs, in lower case without anything but letters and digits; the first that a file has is taken
COLUMNS = {
    "id": (
        "studentid",
        "student",
        "username",
        "sisloginid",
        "loginid",
        "login",
        "sisuserid",
        "idnumber",
        "orgdefinedid",
    ),
    "first_name": ("firstname", "givenname"),
    "last_name": ("lastname", "surname", "familyname"),
    "name": ("fullname", "name"),
    "sis_user": ("sisuserid",),
    "sis_login": ("sisloginid",),
    "email": ("emailaddress", "email"),
    "lms_id": ("lmsuserid", "lmsid", "identifier", "canvasid", "userid"),
    "submitted": ("submitted", "submittedat", "lastmodifiedsubmission"),
}


def read(path: Path, zone: tzinfo) -> People:
    """The roster of a CSV file. Raises Problem with the line where a student has no id, or one that another has too."""
    rows = tables.read(path)
    if not any(map(any, rows[:1])):
        raise Problem(
            f"The roster {path} has nothing in its first line, which names the columns, such as id,first_name,last_name,email."
        )
    heads = [_head(cell) for cell in rows[0]]
    canvas = "student" in heads and "id" in heads and any(head.startswith("sis") or head == "section" for head in heads)
    where = {ours: [heads.index(theirs) for theirs in names if theirs in heads] for ours, names in COLUMNS.items()}
    if canvas:  # there `Student` is the name and `ID` is Canvas's own number
        where["name"], where["lms_id"] = [heads.index("student")], [heads.index("id")]
        where["id"] = [place for place in where["id"] if heads[place] != "student"] + where["lms_id"]
    elif "id" in heads:
        where["id"].insert(0, heads.index("id"))
    if "identifier" in heads and not (where["id"] or where["email"] or where["name"]):
        where["name"] = where["lms_id"]  # Moodle's, where marking is anonymous
    if not (where["id"] or where["email"] or where["name"] or where["last_name"]):
        raise Problem(
            f"The roster {path} has no column that says who a student is; it has: {', '.join(rows[0])}. "
            "Name one `id`, or give the file that your learning management system exports."
        )
    students, seen = [], {}
    at = where["submitted"][0] if where["submitted"] else len(rows[0])
    day_first = _day_first(row[at] for row in rows[1:] if at < len(row))
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row) or (canvas and _no_student(row, where)):
            continue
        student = _student(row, where)
        try:
            student.said = row[at].strip() if at < len(row) else ""
            student.submitted = time_of(student.said, zone, day_first)
        except ValueError as error:
            raise Problem(
                f"The roster {path} has the time {plain(row[at])!r} in line {number}: {error}. Write it as 2026-11-21 10:36, "
                "or have your system export the list in English."
            ) from None
        if not student.id:
            raise Problem(
                f"The roster {path} has a student without an id in line {number}; fill it in or delete the line."
            )
        if student.id in seen:
            raise Problem(
                f"The roster {path} has the id {student.id!r} twice, in the lines {seen[student.id]} and {number}."
            )
        seen[student.id] = number
        students.append(student)
    if not students:
        raise Problem(f"The roster {path} has no student; it needs a line for each, below the names of the columns.")
    worksheet = "identifier" in heads  # Moodle numbers students anew for each assignment
    return People(students, lasting_ids=not worksheet, numbers_of="moodle" if worksheet else "canvas" if canvas else "")


def _day_first(times):
    """Whether a column of times has the day in front of the month; None where no line tells."""
    found = [DAY_OR_MONTH.match(text) for text in times]
    first = any(int(match[1]) > 12 for match in found if match)
    second = any(int(match[2]) > 12 for match in found if match)
    return first if first != second else None


def _head(cell):
    return re.sub(r"[^a-z0-9]", "", cell.casefold())


def _no_student(row, where):
    name = (row[where["name"][0] :] or [""])[0].strip().casefold()
    return "points possible" in name or name in ("", "student, test", "test student")


def _student(row, where):
    def get(ours):
        cells = (row[place].strip() for place in where[ours] if place < len(row))
        return next((plain(tables.unmarked(cell)) for cell in cells if cell), "")

    first, last, name = get("first_name"), get("last_name"), get("name")
    guessed = bool(name) and not (first or last) and "," not in name
    if name and not (first or last):
        first, last = _split(name)
    ids = [plain(tables.unmarked(row[place].strip())) if place < len(row) else "" for place in where["id"]]
    email, own = get("email"), get("id").lstrip("#")
    lms_id = get("lms_id")
    if number := re.fullmatch(r"\D*(\d+)", lms_id):  # Moodle writes `Participant 123456`
        lms_id = number[1]
    made = student_id(own or email or name or f"{first} {last}")
    return Student(
        made,
        first,
        last,
        email,
        lms_id,
        full=name,
        ids=ids,
        others={*ids, *(id_.lstrip("#") for id_ in ids)} - {""},
        guessed=guessed,
        sis_user=get("sis_user"),
        sis_login=get("sis_login"),
    )


def _split(name):
    """First and last name, from `Last, First` or `First Last`."""
    if "," in name:
        last, _, first = name.partition(",")
        return first.strip(), last.strip()
    first, _, last = name.rpartition(" ")
    return first.strip(), last.strip()
