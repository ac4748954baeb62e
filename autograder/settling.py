"""Which of a student's attempts counts: the newest, which goes to `submitted/`, the others aside; a line for each."""

import glob
import os
import re
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from autograder import roster, stamps
from autograder.collected import COUNTS, Found
from autograder.lms import Attempt, order_of
from autograder.staging import Staged, digest, free
from autograder.wording import lateness


class Settling:
    """Of one lesson. `lines` says what became of every attempt, and of all that was collected before and counts."""

    def __init__(self, output: Path, lesson: str, deadline, extensions: dict, before: list[Found]):
        self.output, self.lesson, self.deadline, self.extensions = output, lesson, deadline, extensions
        self.aside, self.lines = output / "collected" / lesson, []
        self.attempts, self.changed = {}, set()  # by student; whose work or time is not what it was
        self.recorded = {line.student: line for line in before if line.counts}

    def add(self, student: str, staged: Staged) -> None:
        """One more attempt of a student's."""
        self.attempts.setdefault(student, []).append(staged)

    def of_another_lesson(self) -> list[str]:
        """What says so of each, where all are, and too many for a mistake of students'; else nothing."""
        said = [staged.another for attempts in self.attempts.values() for staged in attempts]
        return said if len(said) > 2 and all(said) else []

    def settle(self) -> list[Found]:
        """Put the newest of each student into `submitted/`, the others aside; all lines."""
        for folder in submitted(self.output, self.lesson):
            stamps.follow(folder, self.deadline)
        for student, staged in sorted(self.attempts.items()):
            newest = self._chosen(student, staged)
            if newest is not None:
                self._settle(student, newest)
        settled = {line.student for line in self.lines if line.counts}
        for folder in sorted(submitted(self.output, self.lesson)):
            student = folder.parent.name
            if student not in settled and not student.startswith(".") and folder.is_dir() and not folder.is_symlink():
                self._stays(student)
        return self.lines

    def _chosen(self, student, new):
        """The newest of this time; None, with a line for each, where nothing tells."""
        works = {}
        for staged in new:
            works.setdefault(staged.digest, []).append(staged)
        new = [self._one_work(student, same) for same in works.values()]
        newest = _newest(new)
        if newest is None:
            for staged in new:
                kept = self.move_aside(staged, "duplicate", student)
                self.line(
                    student, "duplicate", staged,
                    f"there are {len(new)} submissions, and nothing says which is the newest: {', '.join(s.attempt.key for s in new)}. "
                    f"Leave the one that counts and collect again. It is kept in {kept}.",
                )  # fmt: skip
            return None
        for staged in new:
            if staged is not newest:
                self.line(
                    student, "older", staged, f"A newer one was taken. It is kept in {self._older(staged, student)}."
                )
        return newest

    def _one_work(self, student, same):
        """The same work handed in more than once was done by the first time, and is as new as the last time."""
        newest = _newest(same) or same[-1]
        times = [staged.attempt.submitted for staged in same if staged.attempt.submitted]
        for staged in same:
            if staged is not newest:
                self.line(student, "older", staged, "It is the same as another one of this student's.")
        if times:
            newest.attempt.submitted, newest.attempt.last = min(times), max(times)
        newest.attempt.late = all(staged.attempt.late for staged in same)
        return newest

    def _before(self, student):
        """What an earlier run has put into `submitted/`, with what its line says of it."""
        folder, line = self.output / "submitted" / student / self.lesson, self.recorded.get(student)
        if not folder.exists() and line:
            self._put_back(student, folder, line.work)
        if folder.is_symlink() or not folder.is_dir():
            return None
        attempt, work = Attempt("", ""), digest(folder)
        if line and line.work in ("", _work(work)):  # of other work, the line of a run that was killed is none
            source = line.origin.partition("/")[0] if "/" in line.origin else ""
            attempt = Attempt(line.form, line.key, lms_id=line.lms_id, source=source)
            attempt.order, attempt.last = order_of(line.form, line.key), _time(line.last)
        attempt.submitted = stamps.read(folder)
        return Staged(attempt, folder, work)

    def _put_back(self, student, folder, work):
        """A run that was killed has put aside what counted, and nothing in its place."""
        for kept in (self.aside / "older" / student).glob("*"):
            if _work(digest(kept)) == work:
                folder.parent.mkdir(parents=True, exist_ok=True)
                kept.rename(folder)
                return

    def _settle(self, student, newest):
        old = self._before(student)
        if old and old.digest == newest.digest:
            self._again(student, old, newest)
            return
        aside, ranked = self._same_aside(student, newest), _ranked([old, newest]) if old else newest
        if ranked is old:
            kept = self._older(newest, student)
            self.line(student, "older", newest, f"A newer one was collected before. It is kept in {kept}.")
            self._stays(student, old)
        elif ranked is None and aside and newest.attempt.submitted is None:
            self.line(student, "older", newest, "It is the same as one that was put aside for a newer one.")
            self._stays(student, old)
        else:
            self._take(student, newest, old, aside)

    def _take(self, student, newest, old, aside):
        """Put an attempt in the place of the old one. aside: the same work, handed in before the old one."""
        self.changed.add(student)
        attempt = newest.attempt
        for earlier in map(stamps.read, aside):
            attempt.last = attempt.last or attempt.submitted
            if earlier and not stamps.late_by_unknown(earlier):
                attempt.submitted = min(filter(None, (earlier, attempt.submitted)))
            attempt.late = attempt.late and stamps.late_by_unknown(earlier)
        self._set_time(attempt)
        if old:
            self.line(student, "older", old, f"A newer one was taken. It is kept in {self._older(old, student)}.")
        target = self.output / "submitted" / student / self.lesson
        target.parent.mkdir(parents=True, exist_ok=True)
        if attempt.submitted:  # one that cannot be read stays, and grading says so
            stamps.write(newest.folder, attempt.submitted)
        newest.folder.chmod(0o755)
        newest.folder.rename(target)
        newest.folder = target
        kept = self.aside / "unknown" / plain_key(attempt)
        if kept.is_dir() and digest(kept) == newest.digest:  # now its student is known
            shutil.rmtree(kept)
        self._counts(student, "taken", newest)

    def _again(self, student, old, newest):
        """What was collected before has been handed in, or only exported, again."""
        before, attempt = old.attempt.submitted, newest.attempt
        times = [time for time in (before, old.attempt.last, attempt.submitted, attempt.last) if time]
        last = max((time for time in times if not stamps.late_by_unknown(time)), default=None)
        if not old.attempt.key and before and attempt.submitted and not stamps.late_by_unknown(before):
            attempt.submitted = min(before, attempt.submitted)  # somebody has put it there with its time
        if not self._tells_more(old.attempt, attempt):
            self.line(student, "older", newest, "It is the same as what was collected before, and that counts.")
            old.attempt.last = last
            self._stays(student, old)
            return
        attempt.last = last if attempt.key != old.attempt.key else old.attempt.last
        self._set_time(attempt, before)
        if attempt.submitted != before:
            stamps.write(old.folder, attempt.submitted)
            self.changed.add(student)
        self._counts(student, "unchanged", newest)

    def _counts(self, student, state, staged):
        reason = staged.unreadable and f"{staged.unreadable} It will be graded 0, with this note."
        notes = " ".join(filter(None, [reason, *staged.notes, self._late_note(staged.attempt)]))
        self.line(student, "zero" if staged.unreadable else state, staged, notes)

    def _stays(self, student, old=None):
        """The line of what was collected before and counts, as it is now."""
        line, folder = self.recorded.get(student), self.output / "submitted" / student / self.lesson
        if old is None and not (line and line.work):
            old = self._before(student)
        if line and (old is None or line.work in ("", _work(old.digest))):
            when = stamps.read(folder)
            last = old.attempt.last if old else _time(line.last)
            self.lines.append(
                replace(line, late=self._late(student, when), submitted=_shown(when), last=_last(when, last))
            )
        else:
            self.line(student, "unchanged", old)

    def _same_aside(self, student, staged):
        """The folders of the same work among what was put aside."""
        kept = (self.aside / "older" / student).glob("*")
        return [folder for folder in kept if folder.is_dir() and digest(folder) == staged.digest]

    def _older(self, staged, student):
        when = staged.attempt.submitted or (stamps.behind(self.deadline) if staged.attempt.late else None)
        if when and not (staged.folder / stamps.NAME).exists():
            stamps.write(staged.folder, when)
        return self.move_aside(
            staged, "older", f"{student}/{when:%Y-%m-%d_%H%M%S}" if when else f"{student}/{staged.digest[:8]}"
        )

    def move_aside(self, staged: Staged, state: str, name: str) -> Path:
        """Keep files in `collected/LESSON/STATE/NAME`, with a number where others lie there; the place."""
        target = self.aside / state / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and digest(target) == (staged.digest or digest(staged.folder)):
            shutil.rmtree(staged.folder)
        else:
            target = free(target)
            staged.folder.chmod(0o755)
            os.replace(staged.folder, target)
        staged.folder = target
        return target.relative_to(self.output)

    def _tells_more(self, old, attempt):
        """Whether the time that a system says now of the same work counts: that of the same hand-in, or an earlier or truer one."""
        if (old.form, old.key.replace("_LATE_", "_")) == (attempt.form, attempt.key.replace("_LATE_", "_")):
            return True
        before = old.submitted
        if attempt.submitted is None:
            return not attempt.late or stamps.late_by_unknown(before)  # the same work again, late, is not late work
        return before is None or stamps.late_by_unknown(before) or attempt.submitted <= before

    def _set_time(self, attempt, before=None):
        """Where the system tells none: that of before, unless Canvas takes back that it was late, or that of late work."""
        taken_back = attempt.form == "canvas" and not attempt.late and stamps.late_by_unknown(before)
        if attempt.submitted is None and not taken_back:
            attempt.submitted = before or (stamps.behind(self.deadline) if attempt.late else None)

    def _late(self, student, when):
        extension = self.extensions.get(student, timedelta())
        if stamps.late_by_unknown(when):
            return "" if extension else stamps.NOT_KNOWN
        return lateness((when - self.deadline - extension).total_seconds()) if when and self.deadline else ""

    def _late_note(self, attempt):
        if not stamps.late_by_unknown(attempt.submitted):
            return ""
        say = "a moment is counted" if self.deadline else "say when it was due with --due"
        return (
            f"Canvas says that it was late, and not by how much ({say}); a column `submitted` in the roster can tell."
        )

    def line(self, student: str, state: str, staged: Staged, sentence: str = ""):
        """Say what became of an attempt."""
        a = staged.attempt
        late = self._late(student, a.submitted) if state in COUNTS else ""
        origin = f"{a.source}/{a.key}" if a.source else a.key
        if "." not in sentence.split(" ")[0]:  # the name of a file stays as it is
            sentence = sentence[:1].upper() + sentence[1:]
        times = late, _shown(a.submitted)
        last, work = _last(a.submitted, a.last), _work(staged.digest)
        self.lines.append(Found(student, state, *times, origin, a.form, a.lms_id, a.key, sentence, last, work))


def _shown(when):
    return f"{when:%Y-%m-%d %H:%M:%S}" if when and not stamps.late_by_unknown(when) else ""


def _last(when, last):
    return _shown(last) if last and last != when else ""


def _time(text):
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _work(files):
    """What of a digest stands in a line."""
    return files[:12]


def submitted(output: Path, lesson: str):
    """The folders of all that were collected of a lesson so far."""
    return (output / "submitted").glob(f"*/{glob.escape(lesson)}")


def plain_key(attempt):
    return roster.student_id(re.sub(r"\.(ipynb|zip)$", "", attempt.key, flags=re.IGNORECASE)) or "unnamed"


def _ranked(staged):
    """The newest of several by what tells that: Canvas's numbers, or times; None where nothing does."""
    for key in (lambda s: s.attempt.number, lambda s: s.attempt.last or s.attempt.submitted):
        values = [key(s) for s in staged]
        if all(values) and len(set(values)) == len(values):
            return max(staged, key=key)
    return None


def _newest(staged):
    """The newest of what is collected at one time; None where nothing tells."""
    if len(staged) == 1:
        return staged[0]
    orders = [s.attempt.order for s in staged]
    if all(s.attempt.form == "folder" for s in staged) and len(set(orders)) == len(orders):
        return max(staged, key=lambda s: s.attempt.order)  # "ada.ipynb", "ada (1).ipynb"
    return _ranked(staged)
