"""From what a learning management system exports to nbgrader's `submitted/`: the newest of each student, and a sentence for all else.

`collected/LESSON.csv` says what became of every submission; what was not taken is kept beside it, never dropped.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dateutil.tz
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.api import Student as Row
from nbgrader.utils import parse_utc
from rich.console import Console

from autograder import archive, collected, intake, known_ids, lms, overlay, roster
from autograder.archive import Refused, plain
from autograder.collected import STATES, ZERO, Found, read, record
from autograder.lms import Attempt
from autograder.problem import Problem
from autograder.wording import lateness, many, some

SUBMISSION_BYTES = 50 << 20
SHOWN = 40  # sentences in the terminal; the file has them all


@dataclass
class Staged:
    """An attempt whose files lie in a folder of ours."""

    attempt: Attempt
    folder: Path
    digest: str
    why_not: str = ""  # it cannot be graded
    unreadable: str = ""  # it will be graded 0, with this reason
    notes: tuple = ()
    before: bool = False  # it is what was collected before


def collect_class(course, lesson, sources, output, roster_file=None, form=None, due=None, timezone=None) -> int:
    """Collect, and print what became of it; 0 if every submission found its student and can be read."""
    console = Console()
    lines, forms, deadline = collect(course, lesson, sources, output, roster_file, form, due, timezone)
    count = Counter(line.state for line in lines)
    late = sum(bool(line.late) for line in lines if line.state in ("taken", "unchanged"))
    until = f", due {deadline:%Y-%m-%d %H:%M:%S} UTC" if deadline else ""
    console.print(f"[bold]{lesson}[/bold], read as {' and '.join(sorted(forms))}{until}", highlight=False)
    zeros = sum(line.state == "unreadable" and ZERO in line.sentence for line in lines)
    count["taken"] += zeros  # `grade` grades them
    for state, words in STATES.items():
        if count[state]:
            zero = zeros if state == "unreadable" else 0
            counted = f" ({zero:,} of them counted above, and graded 0)" if zero else ""
            console.print(f"{count[state]:7,} {words}{counted}", highlight=False)
    if late:
        console.print(f"{late:7,} handed in late (counted above)", highlight=False)
    timeless = [line for line in lines if line.state in ("taken", "unchanged") and not line.submitted and not line.late]
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
    return 1 if count["duplicate"] + count["unknown"] + count["unreadable"] else 0


def collect(course, lesson, sources, output, roster_file=None, form=None, due=None, timezone=None):
    """The lines of `collected/LESSON.csv`, which is written, the forms that were recognised, and when it is due. Raises Problem."""
    from autograder.grade import settings  # not at the top: it brings the whole grader

    released = course / "solutions" / lesson
    if not any(released.glob("*.ipynb")):
        raise intake.no_lesson(lesson, course)
    zone = _zone(timezone)
    config = settings(course, output, isolate=True)
    with Gradebook(
        config.CourseDirectory.db_url, config.CourseDirectory.get("course_id", "default_course")
    ) as gradebook:
        students = roster.read(roster_file, zone) if roster_file else _from(gradebook)
        if roster_file:
            students = load(gradebook, students)
        if due is not None:
            gradebook.update_or_create_assignment(lesson, duedate=_due(due, zone))
        try:
            deadline = gradebook.find_assignment(lesson).duedate
        except MissingEntry:
            deadline = None
    place = output / "collected" / lesson
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=place) as staging:
        job = _Job(lesson, released, zone, students, deadline, output, Path(staging))
        for source in sources:
            job.read(Path(source), form)
        lines = job.settle()
    names = {Path(source).resolve().name for source in sources}
    return record(output / "collected" / f"{lesson}.csv", lines, students, names), job.forms, deadline


def load(gradebook, students: roster.Roster) -> roster.Roster:
    """Put the students of a roster into the gradebook, at once; what the roster does not say is left as it is.

    The roster as the gradebook has it: who is known there by another id of the roster's has the id from there. Raises Problem
    where somebody of the same name is known there and is not in the roster: one person would be two students.
    """
    known, others = {row.id: row for row in gradebook.db.query(Row)}, known_ids.of_all(gradebook)
    students = students.known_as({id_: {row.email, *_every(others, id_)} for id_, row in known.items()})
    if twice := _twice(students.students, known):
        raise Problem(
            f"Nothing was collected: {many(len(twice), 'student')} of the roster may be known to the gradebook by another id: {some(twice, 5)}. "
            "If they are the same people, give the roster a column `student_id` with the gradebook's ids; if not, let an `email` of each tell them apart; "
            "an id that is too much goes with `nbgrader db student remove ID`."
        )
    for student in students.students:
        row = known.get(student.id)
        if row is None:
            gradebook.db.add(row := Row(id=student.id))
        values = {"first_name": student.first_name, "last_name": student.last_name, "email": student.email}
        had = roster.squeezed(f"{row.first_name or ''} {row.last_name or ''}")
        if student.guessed and had == roster.squeezed(student.name):  # an earlier list may have had them apart
            del values["first_name"], values["last_name"]
        if students.lasting_ids:
            values["lms_user_id"] = student.lms_id
        for name, value in values.items():
            if value:
                setattr(row, name, value)
    known_ids.keep(gradebook, students.students)
    gradebook.db.commit()
    return students


def _twice(students, known):
    """New students by whose name the gradebook knows somebody who is not in the list, where no email tells them apart."""
    listed, by_name = {student.id for student in students}, {}
    for row in known.values():
        if row.id not in listed:
            by_name.setdefault(roster.squeezed(f"{row.first_name or ''} {row.last_name or ''}"), []).append(row)
    return [
        f"{student.name} ({student.id}, and {row.id} there)"
        for student in students
        if student.id not in known and roster.squeezed(student.name)
        for row in by_name.get(roster.squeezed(f"{student.first_name} {student.last_name}"), ())
        if not (student.email and row.email) or student.email.casefold() == row.email.casefold()
    ]


def _every(others, id_):
    """All ids by which a student is known beside `id_`."""
    return set().union(*others.get(id_, {}).values())


def _from(gradebook):
    """The roster that the gradebook holds since an earlier time; empty where it knows ids alone."""
    rows = [row for row in gradebook.db.query(Row) if row.first_name or row.last_name or row.email]
    every, others = (gradebook.db.query(Row) if rows else []), known_ids.of_all(gradebook)
    return roster.Roster(
        [
            roster.Student(
                r.id,
                r.first_name or "",
                r.last_name or "",
                r.email or "",
                r.lms_user_id or "",
                others=_every(others, r.id),
            )
            for r in every
        ]
    )


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
    return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC).replace(tzinfo=None)


class _Job:
    """One run: the attempts of all sources, by student."""

    def __init__(self, lesson, released, zone, students, deadline, output, staging):
        self.lesson, self.zone = lesson, zone
        self.notebooks = {path.name for path in released.glob("*.ipynb")}
        self.labels = overlay.labels(released.parent)
        self.students, self.deadline, self.output, self.staging = students, deadline, output, staging
        self.aside = output / "collected" / lesson
        self.attempts, self.lines, self.forms = {}, [], set()
        self.called = {}  # by id, the numbers that the system has for it: more than one, and it is not one student
        self.recorded = {}  # by student, the line of what was collected before
        self.some_time = collected.late_by_unknown(read(output / "collected" / f"{lesson}.csv"))
        for line in read(output / "collected" / f"{lesson}.csv"):
            if line.state in ("taken", "unchanged"):
                self.recorded[line.student] = line
            if line.state not in ("missing", "unknown"):
                self.called.setdefault(line.student, set()).add(line.lms_id)

    def read(self, source, form):
        """Stage the attempts of one source."""
        source = source.resolve()
        try:
            with archive.opened(source) as (entries, refused):
                room = shutil.disk_usage(self.output).free
                wanted = sum(min(entry.size, archive.MAX_BYTES) for entry in entries)
                if wanted > room - (200 << 20):
                    raise Problem(
                        f"{source} unpacks to {wanted >> 20:,} MB, but {self.output} has room for {room >> 20:,} MB. Nothing was unpacked."
                    )
                found, attempts, left = lms.recognise(entries, self.lesson, form, self.zone, self.notebooks)
                self.forms.add(found)
                for name, why in refused:
                    self._refused(source, name, why, found, {attempt.key: attempt for attempt in attempts})
                for entry in left:
                    self._stray(source, entry, found)
                if not attempts and not left and not refused:
                    raise Problem(f"{source} is empty; give the folder or zip that holds the submissions.")
                for attempt in attempts:
                    attempt.source = source.name
                    self.called.setdefault(_made(attempt), set()).add(attempt.lms_id)
                for attempt in attempts:
                    self._take(attempt)
        except Refused as problem:
            raise Problem(f"{source} was not unpacked: {problem}") from None

    def _refused(self, source, name, why, form, attempts):
        """A note for the submission that a refused file belongs to, or a line if it is all that was handed in."""
        entry = archive.Entry(name, 0, lambda: b"")
        _, found, _ = lms.recognise([entry], self.lesson, form, self.zone, self.notebooks)
        about = found[0] if found else Attempt(form, name)
        if about.key in attempts:
            attempts[about.key].note = f"{attempts[about.key].note} {Path(name).name}: {why}".strip()
            return
        student = self._student(about)[0]
        sentence = f"{Path(name).name}: {why}"
        self.lines.append(
            Found(
                student or "",
                "unreadable",
                origin=f"{source.name}/{name}",
                form=form,
                lms_id=about.lms_id,
                key=about.key,
                sentence=sentence,
            )
        )

    def _stray(self, source, entry, form):
        """A notebook whose name does not follow the export's; an index page or a list of grades is none."""
        if entry.path.lower().endswith((".ipynb", ".zip")) and not (form == "nbgrader" and len(entry.parts) >= 3):
            sentence = f"Its place does not say whose it is: in this export (read as {form}) it has another form. "
            sentence += (
                "Put it in a folder of the student's name and collect the folder around that with --form folder, "
            )
            sentence += "or all of it so, where all are files and folders with students' names."
            kept = self._keep(entry, "unknown")
            self.lines.append(
                Found("", "unknown", origin=f"{source.name}/{entry.path}", form=form, sentence=sentence + kept)
            )

    def _keep(self, entry, state):
        target = self.aside / state / entry.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(entry.read())
        except Refused as problem:
            return f" {problem}"
        return f" It is kept in {target.relative_to(self.output)}."

    def _student(self, attempt):
        """The student's id, and why not."""
        if len(self.students):
            student, why = self.students.find(attempt)
            if student is None:
                return None, why
            if attempt.submitted is None:
                attempt.submitted = student.submitted
            return student.id, ""
        made = _made(attempt)
        if not made:
            return None, f"its name does not say whose it is. {roster.NOBODY}"
        if len(self.called.get(made, ())) > 1:
            return (
                None,
                f"two students are called {plain(attempt.name)!r}; give a roster with --roster to tell them apart.",
            )
        return made, ""

    def _take(self, attempt):
        """Stage an attempt for its student, or put it aside."""
        student, why = self._student(attempt)
        staged = self._stage(attempt)
        if student is None:
            kept = self._move_aside(staged, "unknown", _plain_key(attempt))
            self._line("", "unknown", staged, f"{why} It is kept in {kept}.")
        elif staged.why_not:
            kept = self._move_aside(staged, "unreadable", student) if any(staged.folder.iterdir()) else ""
            self._line(student, "unreadable", staged, staged.why_not + (f" It is kept in {kept}." if kept else ""))
        else:
            self.attempts.setdefault(student, []).append(staged)

    def _stage(self, attempt):
        """Write an attempt's files to a folder of ours."""
        folder = Path(tempfile.mkdtemp(dir=self.staging))
        notes, room = [attempt.note] if attempt.note else [], SUBMISSION_BYTES
        files = list(attempt.files)
        if not any(rest.lower().endswith(".ipynb") for rest, _ in files):
            files = self._unzipped(files, notes)
        if len(files) > archive.MAX_FILES:
            notes.append(f"It has {len(files):,} files; those after the first {archive.MAX_FILES} were left out.")
            files = sorted(files, key=lambda f: not f[0].lower().endswith(".ipynb"))[: archive.MAX_FILES]
        files.sort(key=lambda f: not f[0].lower().endswith(".ipynb"))  # the notebook has the first claim on the room
        own_time = attempt.form in ("exchange", "nbgrader")
        for rest, entry in files:
            rest = self._named(rest)
            if rest == "timestamp.txt" and not own_time:
                continue  # a student's own word on when it was
            try:
                content = entry.read()
                room -= len(content)
                if room < 0:
                    raise Refused(f"the submission is larger than {SUBMISSION_BYTES >> 20} MB; it was left out.")
                target = _free(folder / rest)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            except Refused as problem:
                notes.append(f"{rest}: {problem}")
            except (FileExistsError, NotADirectoryError):
                notes.append(f"{rest}: a file and a folder have the same name; it was left out.")
        if attempt.form == "nbgrader":
            attempt.submitted = attempt.submitted or _stamp(folder)
        return self._looked_at(Staged(attempt, folder, "", notes=tuple(notes)))

    def _unzipped(self, files, notes):
        """The files of the zips that a student handed in; a zip inside such a zip stays as it is."""
        out = []
        for rest, entry in files:
            if not rest.lower().endswith(".zip"):
                out.append((rest, entry))
                continue
            try:
                found, refused = archive.inside(entry)
                tops = {e.parts[0] for e in found if len(e.parts) > 1}
                wrapped = len(tops) == 1 and all(len(e.parts) > 1 for e in found)
                out += [("/".join(e.parts[wrapped:]), e) for e in found]
                notes += [f"{name} in {rest}: {why}" for name, why in refused]
            except Refused as problem:
                notes.append(f"{rest}: {problem}")
        return out

    def _named(self, rest):
        """The lesson's own name for its notebook where only a copy's number stands behind it."""
        head, slash, name = rest.rpartition("/")
        return head + slash + lms.base_name(name, self.notebooks)

    def _looked_at(self, staged):
        notebooks = sorted(staged.folder.rglob("*.ipynb"))
        if not notebooks:
            names = sorted(rest for rest, _ in staged.attempt.files)
            has = (
                f"only {', '.join(map(plain, names[:3]))}{' and more' if len(names) > 3 else ''}"
                if names
                else "no file"
            )
            reasons = " ".join(staged.notes)
            staged.why_not = f"there is no notebook in it, {has}. {reasons}".strip()
            return staged
        mine = [path for path in notebooks if path.name in self.notebooks] or notebooks[:1]
        chosen, note = intake.choose(staged.folder, self.lesson) if self.lesson in self.labels else (None, "")
        if len(notebooks) > 1:
            staged.notes += (note,)
        for path in [chosen] if chosen else mine:
            try:
                cells = overlay.read(path)
                if path == chosen:
                    staged.notes += (overlay.another(cells, self.lesson, self.labels),)
            except overlay.Unreadable as problem:
                staged.unreadable = str(problem)
        staged.digest = _digest(staged.folder)
        return staged

    def _before(self, student):
        """What an earlier run has put into `submitted/`."""
        folder = self.output / "submitted" / student / self.lesson
        if folder.is_symlink() or not folder.is_dir():
            return []
        attempt = Attempt("", "", late=student in self.some_time)
        attempt.submitted = None if attempt.late else _stamp(folder)
        return [Staged(attempt, folder, _digest(folder), before=True)]

    def settle(self):
        """Put the newest of each student into `submitted/`, the others aside; all lines."""
        for student in self.some_time:
            for staged in self._before(student):  # the deadline may be another one than when it was collected
                self._write_stamp(staged.folder, staged)
        for student, staged in sorted(self.attempts.items()):
            self._settle(student, staged)
        return self.lines

    def _settle(self, student, new):
        before = self._before(student)
        unique = {}
        for staged in sorted(new, key=lambda s: (s.attempt.submitted is None, s.attempt.submitted or 0)):
            unique.setdefault(staged.digest, staged)  # the same work handed in twice was done by the first time
        for staged in new:
            if staged not in unique.values():
                self._line(student, "older", staged, "It is the same as another one of this student's.")
        new = list(unique.values())
        newest = _newest(new)
        if newest is None:
            for staged in new:
                kept = self._move_aside(staged, "duplicate", student)
                self._line(
                    student, "duplicate", staged,
                    f"there are {len(new)} submissions, and nothing says which is the newest: {', '.join(s.attempt.key for s in new)}. "
                    f"Leave the one that counts and collect again. It is kept in {kept}.",
                )  # fmt: skip
            return
        for staged in new:
            if staged is not newest:
                self._line(
                    student, "older", staged, f"A newer one was taken. It is kept in {self._older(staged, student)}."
                )
        old = before[0] if before else None
        if old and old.digest == newest.digest:
            state = "unchanged"
            earlier = (
                not (old.attempt.submitted and newest.attempt.submitted)
                or newest.attempt.submitted < old.attempt.submitted
            )
            if earlier or (student in self.recorded and self.recorded[student].key == newest.attempt.key):
                newest.attempt.submitted = newest.attempt.submitted or old.attempt.submitted
                self._write_stamp(old.folder, newest)
            else:
                self._line(student, "older", newest, "It is the same as what was collected before, and that counts.")
                self._stays(student, old)
                return
        elif (
            old
            and old.attempt.submitted
            and newest.attempt.submitted
            and old.attempt.submitted > newest.attempt.submitted
        ):
            kept = self._older(newest, student)
            self._line(student, "older", newest, f"A newer one was collected before. It is kept in {kept}.")
            self._stays(student, old)
            return
        else:
            state = "taken"
            if old:
                self._line(student, "older", old, f"A newer one was taken. It is kept in {self._older(old, student)}.")
            target = self.output / "submitted" / student / self.lesson
            target.parent.mkdir(parents=True, exist_ok=True)
            self._write_stamp(newest.folder, newest)
            newest.folder.chmod(0o755)
            os.replace(newest.folder, target)
            newest.folder = target
            kept = self.aside / "unknown" / _plain_key(newest.attempt)
            if kept.is_dir() and _digest(kept) == newest.digest:  # now its student is known
                shutil.rmtree(kept)
        reason = newest.unreadable and f"{newest.unreadable} {ZERO}"
        notes = " ".join(filter(None, [reason, *newest.notes, self._late_note(newest.attempt)]))
        self._line(student, "unreadable" if newest.unreadable else state, newest, notes)

    def _stays(self, student, old):
        """The line of what was collected before and counts, which may have the same name in the system as what was seen now."""
        if line := self.recorded.get(student):
            self.lines.append(replace(line, late=self._late(old.attempt)))
        else:
            self._line(student, "unchanged", old)

    def _older(self, staged, student):
        when = staged.attempt.submitted
        return self._move_aside(
            staged, "older", f"{student}/{when:%Y-%m-%d_%H%M%S}" if when else f"{student}/{staged.digest[:8]}"
        )

    def _move_aside(self, staged, state, name):
        target = self.aside / state / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and _digest(target) == (staged.digest or _digest(staged.folder)):
            shutil.rmtree(staged.folder)
        else:
            target = _free(target)
            staged.folder.chmod(0o755)
            os.replace(staged.folder, target)
        staged.folder = target
        return target.relative_to(self.output)

    def _write_stamp(self, folder, staged):
        """timestamp.txt, from which nbgrader takes the time; where the system says `late` and not when, a second behind the deadline."""
        when = staged.attempt.submitted
        if when is None and staged.attempt.late and self.deadline:
            when = self.deadline + timedelta(seconds=1)
        if when is not None:
            (folder / "timestamp.txt").write_text(f"{when:%Y-%m-%d %H:%M:%S} UTC\n")

    def _late(self, attempt):
        if attempt.submitted and self.deadline:
            return lateness((attempt.submitted - self.deadline).total_seconds())
        return "yes" if attempt.late else ""

    def _late_note(self, attempt):
        if attempt.late and attempt.submitted is None:
            say = "counted as one second" if self.deadline else "say when it was due with --due"
            return f"Canvas says that it was late, and not by how much ({say}); a column `submitted` in the roster can tell."
        return ""

    def _line(self, student, state, staged, sentence=""):
        a = staged.attempt
        shown = f"{a.submitted:%Y-%m-%d %H:%M:%S}" if a.submitted else ""
        late = self._late(a) if state in ("taken", "unchanged", "unreadable") else ""
        origin = f"{a.source}/{a.key}" if a.source else a.key
        if "." not in sentence.split(" ")[0]:  # the name of a file stays as it is
            sentence = sentence[:1].upper() + sentence[1:]
        self.lines.append(Found(student, state, late, shown, origin, a.form, a.lms_id, a.key, sentence))


def _plain_key(attempt):
    return roster.student_id(re.sub(r"\.(ipynb|zip)$", "", attempt.key, flags=re.IGNORECASE)) or "unnamed"


def _made(attempt):
    """The id of a student where there is no roster."""
    return roster.student_id(attempt.login or attempt.name)


def _newest(staged):
    """The newest of several; None where nothing tells."""
    if len(staged) == 1:
        return staged[0]
    for key in (lambda s: s.attempt.submitted, lambda s: s.attempt.order):
        values = [key(s) for s in staged]
        if all(values) and len(set(values)) == len(values):
            return max(staged, key=key)
    orders = [s.attempt.order for s in staged]
    if all(s.attempt.form == "folder" for s in staged) and len(set(orders)) == len(orders):
        return max(staged, key=lambda s: s.attempt.order)  # "ada.ipynb", "ada (1).ipynb"
    return None


def _stamp(folder):
    """What timestamp.txt says."""
    try:
        path = folder / "timestamp.txt"
        return parse_utc(path.read_text().strip()) if stat.S_ISREG(path.lstat().st_mode) else None
    except (OSError, ValueError, OverflowError):
        return None


def _digest(folder):
    """A text that differs where the files differ; when they were handed in is not among them."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if stat.S_ISREG(p.lstat().st_mode)):
        name = path.relative_to(folder)
        if str(name) not in ("timestamp.txt", "submission_secret.txt"):
            found.update(repr((os.fsencode(name), hashlib.sha256(path.read_bytes()).digest())).encode())
    return found.hexdigest()


def _free(path):
    """The path, or the first with a number behind it that is not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem} ({number}){path.suffix}")
    return free
