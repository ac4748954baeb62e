"""The students of a class: whom a name, a number or an id means, and who is one person under two of these."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from difflib import SequenceMatcher

from autograder.archive import plain
from autograder.lms import Attempt

NOBODY = "Add the student to the roster, or rename the submission, and collect it again."
WHICH = "Copy its folder, as it is kept, into one that has the right one's id as its name, and collect the folder around that with --form folder. "
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
    said: str = ""  # the same, as the list has it
    full: str = ""
    ids: list[str] = field(default_factory=list)  # in all columns of the list that hold ids
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


class People:
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
        numbers = [(a.lms_id, {one.lms_id for one in self._named(a)} - {""}) for a in attempts if a.lms_id]
        of_list = [number in theirs for number, theirs in numbers if theirs]
        return 2 * sum(of_list) >= len(of_list) if of_list else None

    def number(self, line, student: str) -> str:
        """The number that the system of a hand-in has for a student, to whom a person has given it: not always that of its name."""
        numbers = {one.id: one.lms_id for one in self.students if one.lms_id}
        if student in numbers and (line.form == self.numbers_of or (line.form == "canvas" and self.lasting_ids)):
            return numbers[student]
        return "" if line.lms_id in set(numbers.values()) - {numbers.get(student)} else line.lms_id

    def knows(self, name: str) -> bool:
        """Whether somebody is called so."""
        return bool(name) and ("name", squeezed(name)) in self._by

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
        there = f" ({number} in {attempt.form.title()})" if number else ""
        return None, f"nobody in the roster is {plain(who)!r}{there}. {NOBODY}"

    def _named(self, attempt):
        """Whom the name or the login of an attempt fits, the login as it is written first."""
        clues = [("exact", attempt.login), ("id", _fold(attempt.login))]
        clues += [("name", squeezed(name)) for name in (attempt.name, attempt.login, *attempt.without_group)]
        return next((self._by[clue] for clue in clues if clue[1] and clue in self._by), [])

    def known_as(self, known: dict[str, set[str]], people: dict[str, Student]) -> "People":
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
        self._call_alike(known, taken)
        return People(self.students, self.lasting_ids, self.numbers_of)

    def named_as(self, known: dict[str, Student]) -> "People":
        """The same list with the names that are known, where it has none itself."""
        for student in self.students:
            if not student.names and student.id in known and not known[student.id].nameless:
                person = known[student.id]
                student.first_name, student.last_name, student.full = person.first_name, person.last_name, person.full
        return People(self.students, self.lasting_ids, self.numbers_of)

    def _call_alike(self, known, taken):
        """Give new students their ids from the column that most of the known ones have theirs from."""
        columns = [[student_id(id_.lstrip("#")) for id_ in student.ids] for student in self.students]
        pairs = list(zip(self.students, columns, strict=True))
        votes = Counter(
            at for student, ids in pairs if student.id in known for at, id_ in enumerate(ids) if id_ == student.id
        )
        for at, _ in votes.most_common(1):
            for student, ids in pairs:
                if student.id not in known and at < len(ids) and ids[at] and ids[at] not in taken:
                    taken.add(ids[at])
                    student.others.add(student.id)
                    student.id = ids[at]


def _keys(student):
    """What a student can be found by."""
    keys = {("id", _fold(value)) for value in {student.id, student.email, *student.others} if value} | {
        ("exact", student.id)
    }
    if student.lms_id:
        keys.add(("lms", student.lms_id))
    return keys | {("name", name) for name in student.names}


def known_otherwise(students: People, known: dict[str, Student]) -> list[str]:
    """Who of a list is new to the gradebook, while it knows somebody of that name who is not in the list; emails may tell them apart."""
    listed = {student.id for student in students.students}
    by_name = _by_name(person for person in known.values() if person.id not in listed)
    found = {}
    for student in students.students:
        if student.id not in known:
            for person in (known[id_] for name in student.names for id_ in by_name.get(name, ())):
                emails = {student.email.casefold(), person.email.casefold()}
                if "" in emails or len(emails) == 1:  # of two people; what they share tells nothing
                    found[student.id, person.id] = f"{student.name} ({student.id}, and {person.id} there)"
    return list(found.values())


def somebody_else(students: People, known: dict[str, Student]) -> list[str]:
    """Who of a list has the id of a person of another name, as where a list was sorted by one of its columns."""
    by_name, found = _by_name(person for person in known.values() if not person.nameless), []
    named = {student.id: student.names for student in students.students}
    emails = only_ones((student.email.casefold(), student.id) for student in students.students)
    for student in students.students:
        person = known.get(student.id)
        if person is None or person.nameless or not student.names or student.names & person.names:
            continue
        theirs = set().union(*(by_name.get(name, ()) for name in student.names))
        renamed = [id_ for id_ in theirs if not named.get(id_, set()) & known[id_].names]
        same_email = emails.get(student.email.casefold()) and student.email.casefold() == person.email.casefold()
        if renamed or not (student.alike(person) or same_email):
            found.append(f"{student.id} ({student.name}, and {person.name} there)")
    return found + _shifted(students, known)


def _shifted(students, known):
    """Whose email is known as another's of the list, where that are more than two."""
    owners = only_ones((person.email.casefold(), id_) for id_, person in known.items())
    listed = {student.id for student in students.students}
    whose = [(student, owners.get(student.email.casefold(), student.id)) for student in students.students]
    found = [
        f"{student.id} ({student.email}, which {id_} has there)"
        for student, id_ in whose
        if id_ in listed - {student.id}
    ]
    return found if len(found) > 2 else []


def _by_name(people):
    found = {}
    for person in people:
        for name in person.names:
            found.setdefault(name, set()).add(person.id)
    return found


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
