"""A class list, whoever wrote it: Canvas's or Brightspace's gradebook, Moodle's grading worksheet or participants, or your own CSV."""

import csv
import io
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from difflib import SequenceMatcher
from pathlib import Path

from autograder.archive import plain
from autograder.lms import Attempt, time_of
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

_FORMULA = r"\s*[=+\-@＝＋－＠\t\r]"  # what a spreadsheet computes; four of these are of Chinese type
NOBODY = "Add the student to the roster, or rename the submission, and collect it again."
WHICH = "Put it in a folder with the id of the right one as its name, and collect the folder around that with --form folder. "
WHICH_OF_TWO = f"Mend the roster. Or: {WHICH[0].lower()}{WHICH[1:]}".strip()
WHICH += (
    "If they are one person, take the id that is too much away with `nbgrader db student remove ID`, and collect again."
)


@dataclass
class Student:
    """One student: the id is the name of folders, and nbgrader's."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""
    submitted: datetime | None = None
    full: str = ""
    others: set[str] = field(default_factory=set)  # other ids by which the list knows them
    guessed: bool = False  # where the last name begins: the list has the name in one, without a comma
    sis_user: str = ""  # Canvas's two ids of a school's own
    sis_login: str = ""
    nameless: bool = False  # the name is the id

    @property
    def name(self) -> str:
        return self.full or f"{self.first_name} {self.last_name}".strip()

    def alike(self, other: "Student") -> bool:
        """Whether both may be one person: a name may be spelt in another way, or change in part."""
        if not (self.names and other.names) or self.names & other.names:
            return True
        pairs = ((a, b) for a in self.names for b in other.names)
        return bool(self._words & other._words) or any(SequenceMatcher(None, a, b).ratio() > 0.6 for a, b in pairs)

    def has_first_name_of(self, other: "Student") -> bool:
        """As who has married."""
        return bool(
            {squeezed(word) for word in self.first_name.split()} & {squeezed(w) for w in other.first_name.split()}
        )

    @property
    def _words(self):
        return set(map(squeezed, re.split(r"[\s,-]+", self.name))) - {""}

    @property
    def names(self) -> set[str]:
        """The name in both orders, squeezed."""
        first, last = self.first_name, self.last_name
        return {squeezed(name) for name in (self.name, f"{first} {last}", f"{last} {first}")} - {""}


class Roster:
    """The students of a class, to be found by whatever an export says of them."""

    def __init__(self, students: list[Student], lasting_ids=True, numbers_of=""):
        self.students, self.lasting_ids = students, lasting_ids
        self.numbers_of = numbers_of  # the form of the system that numbers them so
        self._by = {}
        for student in students:
            for key in _keys(student):
                self._by.setdefault(key, []).append(student)

    def __len__(self):
        return len(self.students)

    def numbered(self, attempts: list[Attempt]) -> bool | None:
        """Whether the numbers of an export are those of this list: where most are those of whom they name. None: nothing tells."""
        if attempts and attempts[0].form == self.numbers_of:
            return True
        of_list = [
            named[0].lms_id == a.lms_id for a in attempts if (named := self._named(a)) and named[0].lms_id and a.lms_id
        ]
        return 2 * sum(of_list) >= len(of_list) if of_list else None

    def of_another(self, attempts: list[Attempt]) -> bool:
        """Whether it numbers the students of another assignment, as Moodle does that."""
        known = [("lms", attempt.lms_id) in self._by for attempt in attempts]
        return self.numbers_of == "moodle" and len(known) > 2 and not any(known)

    def find(self, attempt: Attempt, numbered: bool | None = None) -> tuple[Student | None, str]:
        """The student of an attempt; (None, why) where there is none or more than one. numbered: see there, of all of an export."""
        named = self._named(attempt)
        by_number = self._by.get(("lms", attempt.lms_id), []) if attempt.lms_id and numbered is not False else []
        if (
            numbered is None and attempt.form == "moodle" and self.lasting_ids
        ):  # its numbers are anew for each assignment
            by_number = []
        matches = by_number or named
        who, number = attempt.name or attempt.login, f"number {attempt.lms_id}" if attempt.lms_id else ""
        if len(matches) > 1:
            among = ", ".join(student.id for student in matches)
            worksheet = (
                "Give Moodle's grading worksheet with --roster, which has their numbers. Or: "
                if attempt.form == "moodle"
                else ""
            )
            return None, f"this name fits {len(matches)} students of the roster: {among}. {worksheet}{WHICH}"
        if by_number and named and by_number[0] not in named:
            return (
                None,
                f"{plain(who)!r} is {named[0].id} in the roster, and its {number} is that of {by_number[0].id}. {WHICH_OF_TWO}",
            )
        if matches and not by_number and numbered and number and matches[0].lms_id:
            return (
                None,
                f"{plain(who)!r} has the {number}, and {matches[0].id} of that name has {matches[0].lms_id} in the roster. {WHICH_OF_TWO}",
            )
        if matches:
            return matches[0], ""
        if not who:
            return None, f"its name does not say whose it is. {NOBODY}"
        return None, f"nobody in the roster is {plain(who)!r}{f' ({number} there)' if number else ''}. {NOBODY}"

    def _named(self, attempt):
        """Whom the name or the login of an attempt fits, the login as it is written first."""
        clues = [("exact", attempt.login), ("id", _fold(attempt.login))]
        clues += [("name", squeezed(name)) for name in (attempt.name, attempt.login, *attempt.without_group)]
        return next((self._by[clue] for clue in clues if clue[1] and clue in self._by), [])

    def known_as(self, known: dict[str, set[str]], people: dict[str, Student]) -> "Roster":
        """The same list, each student with the id under which that one is known already. known: {id: what else one is called};
        people: {id: who that is}; an email alone makes nobody of another name somebody known."""
        by = only_ones((_fold(value), id_) for id_, values in known.items() for value in values)
        by |= only_ones((_fold(id_), id_) for id_ in known)
        emails = only_ones((_fold(student.email), student.id) for student in self.students if "@" in student.email)
        taken = {student.id for student in self.students}
        for student in self.students:
            if student.id in known:
                continue
            clues = [student.id, *sorted(student.others - {student.lms_id, student.email})]
            found = next((by[_fold(clue)] for clue in clues if _fold(clue) in by), None)
            if found is None and _fold(student.email) in emails.keys() & by.keys():
                same = by[_fold(student.email)]
                found = same if student.names & people[same].names or student.has_first_name_of(people[same]) else None
            if found is not None and found not in taken:
                taken.add(found)
                student.others.add(student.id)
                student.id = found
        return Roster(self.students, self.lasting_ids, self.numbers_of)


def _keys(student):
    """What a student can be found by."""
    keys = {("id", _fold(value)) for value in {student.id, student.email, *student.others} if value} | {
        ("exact", student.id)
    }
    if student.lms_id:
        keys.add(("lms", student.lms_id))
    return keys | {("name", name) for name in student.names}


def only_ones(pairs) -> dict:
    """{key: whose it is}, without the keys of nobody and of more than one.

    >>> only_ones([("a@x", "ada"), ("b@x", "bob"), ("b@x", "eve"), ("", "eve")])
    {'a@x': 'ada'}
    """
    whose = {}
    for key, one in pairs:
        whose.setdefault(key, set()).add(one)
    return {key: ones.pop() for key, ones in whose.items() if key and len(ones) == 1}


def _fold(text):
    return unicodedata.normalize("NFC", text or "").strip().casefold()


def squeezed(name: str) -> str:
    """A name's letters and digits without accents: what Canvas leaves of it in a file's name.

    >>> squeezed("Lovelace, Ada") == squeezed("lovelaceada"), squeezed("Zoë  O'Neil")
    (True, 'zoeoneil')
    """
    letters = unicodedata.normalize("NFKD", name or "").casefold()
    return "".join(letter for letter in letters if letter.isalnum() or _is_vowel(letter))


def _is_vowel(mark):
    """Whether a mark on a letter is more than an accent, as in Hindi and Thai."""
    place = unicodedata.combining(mark)
    return unicodedata.category(mark) in ("Mn", "Mc") and (
        place < 10 or 84 <= place < 200
    )  # Hebrew's and Arabic's may be left out


def student_id(text: str) -> str:
    """An id that can name a folder, made from any text.

    >>> student_id("  Zoë O'Neil/../x "), student_id("_hidden"), student_id("ada@example.org")
    ('Zoë-O-Neil-x', 'hidden', 'ada@example.org')
    """
    text = re.sub(r"\.{2,}", "-", plain(text).strip())
    text = re.sub(r"[^\w.@+-]+", "-", text)
    return re.sub(r"-{2,}", "-", text).strip("-._")[:100]


def read(path: Path, zone: tzinfo) -> Roster:
    """The roster of a CSV file. Raises Problem with the line where a student has no id, or one that another has too."""
    rows = table(path)
    if not rows or len(rows[0]) < 1:
        raise Problem(
            f"The roster {path} is empty; its first line names the columns, such as id,first_name,last_name,email."
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
            student.submitted = time_of(row[at] if at < len(row) else "", zone, day_first)
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
    return Roster(students, lasting_ids=not worksheet, numbers_of="moodle" if worksheet else "canvas" if canvas else "")


def table(path: Path) -> "Table":
    """The cells of a CSV file with commas, semicolons or tabs, in any of the encodings that spreadsheets write. Raises Problem."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise Problem(f"{path} cannot be opened: {error.strerror}.") from None
    if raw[:2] == b"PK":
        raise Problem(f"{path} is a spreadsheet; save it as CSV (UTF-8) first.")
    for encoding in (
        "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig" if raw[:3] == b"\xef\xbb\xbf" else "utf-8",
        "cp1252",
    ):
        try:
            text = raw.decode(encoding)
            break
        except UnicodeError:
            continue
    else:
        raise Problem(f"{path} is neither UTF-8 nor in Western Europe's old encoding; save it as CSV (UTF-8).")
    if "\0" in text:
        raise Problem(f"{path} is no text in UTF-8; save it as CSV (UTF-8).")
    first = text.split("\n", 1)[0]
    delimiter, end = max(",;\t", key=first.count), "\r\n" if first.endswith("\r") else "\n"
    try:
        return Table(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), encoding, delimiter, end)
    except csv.Error as error:
        raise Problem(f"{path} is no CSV file: {error}.") from None


class Table(list):
    """Rows of cells, and how the file had them."""

    def __init__(self, rows=(), encoding="utf-8", delimiter=",", end="\r\n"):
        super().__init__(rows)
        self.encoding, self.delimiter, self.end = encoding, delimiter, end


def _day_first(times):
    """Whether a column of times has the day in front of the month; None where no line tells."""
    found = [re.match(r"\s*(\d{1,2})/(\d{1,2})/\d{4}", text) for text in times]
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
        return next((plain(unmarked(cell)) for cell in cells if cell), "")

    first, last, name = get("first_name"), get("last_name"), get("name")
    guessed = bool(name) and not (first or last) and "," not in name
    if name and not (first or last):
        first, last = _split(name)
    others = {plain(unmarked(row[p].strip())) for p in where["id"] if p < len(row) and row[p].strip()}
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
        None,
        name,
        others | {o.lstrip("#") for o in others},
        guessed,
        get("sis_user"),
        get("sis_login"),
    )


def _split(name):
    """First and last name, from `Last, First` or `First Last`."""
    if "," in name:
        last, _, first = name.partition(",")
        return first.strip(), last.strip()
    first, _, last = name.rpartition(" ")
    return first.strip(), last.strip()


def marked(value) -> str:
    """A cell that no spreadsheet takes for a formula, whatever a student called a file.

    >>> marked("=cmd()"), marked(-3.5), marked("-")
    ("'=cmd()", '-3.5', '-')
    """
    text = "" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)
    formula = re.match(_FORMULA, text) and text != "-" and not isinstance(value, int | float)
    return "'" + text if formula else text


def unmarked(text: str) -> str:
    """What `marked` made the text of.

    >>> unmarked(marked(" ＝cmd()")), unmarked("'tis")
    (' ＝cmd()', "'tis")
    """
    return text[1:] if re.match(f"'{_FORMULA}", text) else text
