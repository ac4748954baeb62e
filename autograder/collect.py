"""From what a learning management system exports to nbgrader's `submitted/`: the newest of each student, and a sentence for all else.

`collected/LESSON.csv` says what became of every submission; what was not taken is kept beside it, never dropped.
"""

import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dateutil.tz
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.api import Student as Row
from rich.console import Console

from autograder import archive, class_list, intake, lms, overlay, people, roster
from autograder.archive import Refused, plain
from autograder.collected import SENTENCE_CHARS, STATES, read, record
from autograder.lms import Attempt
from autograder.problem import Problem
from autograder.settling import Settling, origin_of, plain_key, submitted
from autograder.staging import Staging, free
from autograder.store import Store, alone

SHOWN = 40  # sentences in the terminal; the file has them all


def collect_class(course, lesson, sources, output, roster_file=None, form=None, due=None, timezone=None) -> int:
    """Collect, and print what became of it; 0 if every submission found its student and can be read."""
    console = Console()
    killed = any((output / "collected" / lesson).glob(".staging-*"))
    lines, forms, deadline = collect(course, lesson, sources, output, roster_file, form, due, timezone)
    if killed:
        console.print(
            "The collection before this one was stopped half way: collect what it was given, too.", soft_wrap=True
        )
    count = Counter(line.state for line in lines)
    late = sum(bool(line.late) for line in lines if line.counts)
    until = f", due {deadline:%Y-%m-%d %H:%M:%S} UTC" if deadline else ""
    console.print(f"[bold]{lesson}[/bold], read as {' and '.join(sorted(forms))}{until}", highlight=False)
    for state, words in STATES.items():
        if count[state]:
            console.print(f"{count[state]:7,} {words}", highlight=False)
    if late:
        console.print(f"{late:7,} handed in late (counted above)", highlight=False)
    timeless = [
        line for line in lines if line.counts and not line.submitted and not line.late and line.form != "canvas"
    ]
    if deadline and timeless:
        console.print(
            f"{len(timeless):7,} handed in at no known time (counted above): they count as in time, unless a worksheet given with --roster says when",
            highlight=False,
            soft_wrap=True,
        )
    told = [line for line in lines if line.sentence and line.state not in ("older", "missing")]
    for line in told[:SHOWN]:
        who = line.student or line.origin
        console.print(f"· {who}: {line.sentence}", markup=False, highlight=False, soft_wrap=True)
    if len(told) > SHOWN:
        console.print(f"· and {len(told) - SHOWN:,} more", highlight=False)
    console.print(f"All of it: {output / 'collected' / lesson}.csv", markup=False, highlight=False, soft_wrap=True)
    return 1 if count["zero"] + count["duplicate"] + count["unknown"] + count["unreadable"] else 0


def collect(course, lesson, sources, output, roster_file=None, form=None, due=None, timezone=None):
    """The lines of `collected/LESSON.csv`, which is written, the forms that were recognised, and when it is due. Raises Problem."""
    from autograder.grade import settings  # not at the top: it brings the whole grader

    released = course / "solutions" / lesson
    if not any(released.glob("*.ipynb")):
        raise intake.no_lesson(lesson, course)
    zone = _zone(timezone)
    due = None if due is None else _due(due, zone)
    book = settings(course, output, isolate=True).CourseDirectory
    place = output / "collected" / lesson
    store = Store(output / ".graded")
    with alone(store.folder):
        recorded = read(output, lesson)
        there = {path.parent.name for path in submitted(output, lesson)}
        with Gradebook(book.db_url, book.get("course_id", "default_course")) as gradebook:
            students, deadline = _class(gradebook, roster_file, zone, output), _deadline(gradebook, lesson)
            if due is not None and due != deadline:
                store.add_collected(lesson, there)  # first: whatever comes next, their penalties may be other ones
                gradebook.update_or_create_assignment(lesson, duedate=due)
                deadline = due
            extensions = _extensions(gradebook, lesson)
            everybody = [row.id for row in gradebook.db.query(Row)] if len(students) else []
        place.mkdir(parents=True, exist_ok=True)
        killed = [*place.glob(".staging-*")]
        for left in killed:
            shutil.rmtree(left)
        for left in [*place.glob(".new-*"), *place.parent.glob(".new-*")]:
            left.unlink()
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=place) as folder:
            notebooks = {path.name for path in released.glob("*.ipynb")}
            staging = Staging(Path(folder), lesson, notebooks, overlay.labels(released.parent))
            settling = Settling(output, lesson, deadline, extensions, recorded, staging, students, bool(killed))
            reading = _Reading(lesson, notebooks, zone, students, set(everybody), staging, settling, recorded)
            for source in sources:
                reading.read(Path(source), form)
            if others := settling.of_another_lesson():
                count = f"{len(others):,} of {sum(map(len, settling.attempts.values())):,} submissions"
                raise Problem(f"Nothing was collected: {count} are not of {lesson}. {others[0]}")
            before = store.collected(lesson)
            store.add_collected(lesson, set(settling.attempts))  # more than have changed, if this is killed meanwhile
            lines = settling.settle()
            lines = record(output, lesson, lines, everybody, reading.seen)
            store.set_collected(lesson, before | settling.changed)
    return lines, reading.forms, deadline


def _class(gradebook, roster_file, zone, output):
    """The roster, which is in the gradebook afterwards, or what is there already."""
    if roster_file is None:
        return class_list.of(gradebook)
    collected = {path.name for path in (output / "submitted").glob("[!.]*")}
    return class_list.load(gradebook, roster.read(roster_file, zone), collected)


def _deadline(gradebook, lesson):
    try:
        return gradebook.find_assignment(lesson).duedate
    except MissingEntry:
        return None


def _extensions(gradebook, lesson):
    """{student: how much longer this one had}"""
    try:
        rows = gradebook.assignment_submissions(lesson)
    except MissingEntry:
        return {}
    return {row.student_id: row.extension for row in rows if row.extension}


def _zone(name):
    if name is None:
        return dateutil.tz.tzlocal()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Problem(f"There is no time zone {name!r}; write it as Europe/Berlin or America/New_York.") from None


def _due(text, zone):
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        when = None
    if when is None or ":" not in text:  # a day alone would be its first second
        raise Problem(f"The due date {text!r} cannot be read; write it with its time, as '2026-11-21 23:59'.")
    try:
        return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC).replace(tzinfo=None, microsecond=0)
    except OverflowError:
        raise Problem(f"The due date {text!r} is too far away.") from None


class _Reading:
    """Reads sources: every attempt is staged and given to its student, or put aside with a line."""

    def __init__(self, lesson, notebooks, zone, students, everybody, staging, settling, before):
        self.lesson, self.notebooks, self.zone, self.students = lesson, notebooks, zone, students
        self.everybody = everybody  # ids of the gradebook, which may have more students than a list
        self.staging, self.settling, self.forms, self.seen = staging, settling, set(), set()
        self.called = {}  # by id and form, the numbers that the system has for it: more than one, and it is not one student
        for line in before:
            if line.state not in ("missing", "unknown") and line.lms_id:
                self.called.setdefault((line.student, line.form), set()).add(line.lms_id)

    def read(self, source, form):
        """Stage the attempts of one source."""
        source = source.resolve()
        try:
            with archive.opened(source) as (entries, refused):
                room = shutil.disk_usage(self.settling.output).free
                wanted = sum(min(entry.size, archive.MAX_BYTES) for entry in entries)
                if wanted > room - (200 << 20):
                    raise Problem(
                        f"{source} unpacks to {wanted >> 20:,} MB, but {self.settling.output} has room for {room >> 20:,} MB. Nothing was unpacked."
                    )
                found, attempts, left = lms.recognise(
                    entries, self.lesson, form, self.zone, self.notebooks, self.settling.keeps
                )
                self.forms.add(found)
                self.numbered = self.students.numbered(attempts)
                if self.numbered and self.students.of_another(attempts):
                    raise Problem(
                        f"Nothing of {source} was collected: none of its numbers is in the roster, which seems to be the worksheet "
                        "of another assignment. Give that of this one."
                    )
                if len(self.students):  # another assignment of Moodle's numbers the same students otherwise
                    self.called = {of: numbers for of, numbers in self.called.items() if of[1] != "moodle"}
                if any(self.students.knows(attempt.name) for attempt in attempts):
                    for attempt in attempts:  # what looks like groups are names with a hyphen
                        attempt.without_group = ()
                by_key = {attempt.key: attempt for attempt in attempts}
                for name, why in refused:
                    self._refused(source, name, why, found, by_key)
                for entry in left:
                    self._stray(source, entry, found)
                if not attempts and not left and not refused:
                    raise Problem(f"{source} is empty; give the folder or zip that holds the submissions.")
                of_list = self.students.students if self.students.numbers_of in ("", found) else []
                times = {student.id: (student.submitted, student.said) for student in of_list}
                for attempt in sorted(attempts, key=lambda attempt: -attempt.order):
                    attempt.source = str(source)
                    self.seen.add((attempt.source, origin_of(attempt)))
                    who = self._who(attempt)[0]
                    if attempt.submitted is None:
                        # a list tells the time of the last
                        attempt.submitted, attempt.said = times.pop(who, (None, ""))
                    if attempt.lms_id:
                        self.called.setdefault((who, attempt.form), set()).add(attempt.lms_id)
                for attempt in attempts:
                    for part in self.settling.parts(attempt):
                        self._take(part)
        except Refused as problem:
            raise Problem(f"{source} was not unpacked: {problem}") from None

    def _refused(self, source, name, why, form, attempts):
        """A note for the submission that a refused file belongs to, or a line if it is all that was handed in."""
        entry = archive.Entry(name, 0, lambda: b"")
        _, found, _ = lms.recognise([entry], self.lesson, form, self.zone, self.notebooks)
        about = found[0] if found else Attempt(form, name)
        if about.key in attempts:
            note = attempts[about.key].note
            if len(note) < SENTENCE_CHARS:  # of a locked zip of thousands of files, some say it
                attempts[about.key].note = f"{note} {Path(name).name}: {why}".strip()
            return
        student = self._student(about)[0]
        about.source = str(source)
        self.settling.line(student or "", "unreadable", about, f"{Path(name).name}: {why}", file=name)

    def _stray(self, source, entry, form):
        """A notebook whose name does not follow the export's; an index page or a list of grades is none."""
        of_another_lesson = (form == "nbgrader" and len(entry.parts) >= 3) or (
            form == "exchange" and lms.is_exchange(entry)
        )
        if entry.path.lower().endswith((".ipynb", ".zip")) and not of_another_lesson:
            sentence = f"Its place does not say whose it is: in this export (read as {form}) it has another form. "
            sentence += (
                "Put it in a folder of the student's name and collect the folder around that with --form folder, "
            )
            sentence += "or all of it so, where all are files and folders with students' names."
            kept = self._keep(entry, "unknown")
            self.settling.line("", "unknown", Attempt(form, "", source=str(source)), sentence + kept, file=entry.path)

    def _keep(self, entry, state):
        target = self.settling.aside / state / archive.short_path(entry.path)
        try:
            content = entry.read()
            if not (target.is_file() and target.read_bytes() == content):
                target = free(target)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        except Refused as problem:
            return f" {problem}"
        return f" It is kept in {target.relative_to(self.settling.output)}."

    def _student(self, attempt):
        """The student's id, and why not."""
        student, why, by_number = self._who(attempt)
        numbers = self.called.get((student, attempt.form), ())
        if by_number:
            self.settling.numbers[attempt.form, attempt.lms_id] = student
        elif student is not None and len(numbers) > 1:
            help_ = people.WHICH_OF_TWO if len(self.students) else "Give a roster with --roster to tell them apart."
            both, who = " and ".join(sorted(numbers)), plain(attempt.name or attempt.login)
            return None, f"two students are called {who!r}, with the numbers {both}. {help_}"
        return student, why

    def _who(self, attempt):
        """The student's id, why not, and whether the number said so."""
        if len(self.students):
            student, why = self.students.find(attempt, self.numbered)
            if student is None:
                return None, why, False
            return student.id, "", bool(self.numbered and attempt.lms_id == student.lms_id)
        made = people.student_id(attempt.login or attempt.name)
        return made or None, "" if made else f"its name does not say whose it is. {people.NOBODY}", False

    def _take(self, attempt):
        """Stage an attempt for its student, or put it aside."""
        student, why = self._student(attempt)
        staged = self.staging.stage(attempt)
        owner = self.settling.owner(staged)
        student = student or (owner if owner in self.everybody or not self.everybody else None)
        if student is None:
            kept = self.settling.move_aside(staged, "unknown", plain_key(attempt))
            self.settling.line("", "unknown", attempt, f"{why} It is kept in {kept}.", staged.digest[:12])
        elif staged.why_not:
            kept = self.settling.move_aside(staged, "unreadable", student) if any(staged.folder.iterdir()) else ""
            why = staged.why_not + (f" It is kept in {kept}." if kept else "")
            self.settling.line(student, "unreadable", attempt, why, staged.digest[:12])
        else:
            self.settling.add(student, staged)
