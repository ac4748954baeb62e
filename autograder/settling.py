"""Which of a student's attempts counts: the newest, which goes to `submitted/`, the others aside; a line for each."""

import glob
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

from autograder import roster, stamps
from autograder.collected import ZERO, Found
from autograder.lms import Attempt
from autograder.staging import Staged, digest, free
from autograder.wording import lateness


class Settling:
    """Of one lesson. `lines` says what became of every attempt."""

    def __init__(self, output: Path, lesson: str, deadline, before: list[Found]):
        self.output, self.lesson, self.deadline = output, lesson, deadline
        self.aside, self.lines = output / "collected" / lesson, []
        self.attempts, self.changed = {}, set()  # by student; whose work or time is not what it was
        # by student, the line of what was collected before
        self.recorded = {line.student: line for line in before if line.state in ("taken", "unchanged")}

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
        return self.lines

    def _chosen(self, student, new):
        """The newest of this time; None, with a line for each, where nothing tells."""
        unique = {}
        for staged in sorted(new, key=lambda s: (s.attempt.submitted is None, s.attempt.submitted or 0)):
            unique.setdefault(staged.digest, staged)  # the same work handed in twice was done by the first time
        for staged in new:
            if staged not in unique.values():
                self.line(student, "older", staged, "It is the same as another one of this student's.")
        new = list(unique.values())
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

    def _before(self, student):
        """What an earlier run has put into `submitted/`."""
        folder = self.output / "submitted" / student / self.lesson
        if folder.is_symlink() or not folder.is_dir():
            return None
        return Staged(Attempt("", "", submitted=stamps.read(folder)), folder, digest(folder))

    def _settle(self, student, newest):
        old = self._before(student)
        if old and old.digest == newest.digest:
            state = "unchanged"
            if not self._tells_more(student, old.attempt.submitted, newest.attempt):
                self.line(student, "older", newest, "It is the same as what was collected before, and that counts.")
                self._stays(student, old)
                return
            self._set_time(newest.attempt, old.attempt.submitted)
            if newest.attempt.submitted != old.attempt.submitted:
                stamps.write(old.folder, newest.attempt.submitted)
                self.changed.add(student)
        elif (
            old
            and old.attempt.submitted
            and newest.attempt.submitted
            and old.attempt.submitted > newest.attempt.submitted
        ):
            kept = self._older(newest, student)
            self.line(student, "older", newest, f"A newer one was collected before. It is kept in {kept}.")
            self._stays(student, old)
            return
        else:
            state = "taken"
            self.changed.add(student)
            if old:
                self.line(student, "older", old, f"A newer one was taken. It is kept in {self._older(old, student)}.")
            target = self.output / "submitted" / student / self.lesson
            target.parent.mkdir(parents=True, exist_ok=True)
            self._set_time(newest.attempt)
            if newest.attempt.submitted:  # one that cannot be read stays, and grading says so
                stamps.write(newest.folder, newest.attempt.submitted)
            newest.folder.chmod(0o755)
            os.replace(newest.folder, target)
            newest.folder = target
            kept = self.aside / "unknown" / plain_key(newest.attempt)
            if kept.is_dir() and digest(kept) == newest.digest:  # now its student is known
                shutil.rmtree(kept)
        reason = newest.unreadable and f"{newest.unreadable} {ZERO}"
        notes = " ".join(filter(None, [reason, *newest.notes, self._late_note(newest.attempt)]))
        self.line(student, "unreadable" if newest.unreadable else state, newest, notes)

    def _stays(self, student, old):
        """The line of what was collected before and counts, which may have the same name in the system as what was seen now."""
        if line := self.recorded.get(student):
            self.lines.append(replace(line, late=self._late(old.attempt)))
        else:
            self.line(student, "unchanged", old)

    def _older(self, staged, student):
        when = staged.attempt.submitted
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

    def _tells_more(self, student, before, attempt):
        """Whether the time that a system says now of the same work counts: that of the same hand-in, or an earlier or truer one."""
        line = self.recorded.get(student)
        if line and line.key.replace("_LATE_", "_") == attempt.key.replace("_LATE_", "_"):
            return True
        if attempt.submitted is None:
            return not attempt.late or stamps.late_by_unknown(before)  # the same work again, late, is not late work
        return before is None or stamps.late_by_unknown(before) or attempt.submitted < before

    def _set_time(self, attempt, before=None):
        """Where the system tells none: that of before, unless Canvas takes back that it was late, or that of late work."""
        taken_back = attempt.form == "canvas" and not attempt.late and stamps.late_by_unknown(before)
        if attempt.submitted is None and not taken_back:
            attempt.submitted = before or (stamps.behind(self.deadline) if attempt.late else None)

    def _late(self, attempt):
        if stamps.late_by_unknown(attempt.submitted):
            return stamps.NOT_KNOWN
        if attempt.submitted and self.deadline:
            return lateness((attempt.submitted - self.deadline).total_seconds())
        return ""

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
        shown = f"{a.submitted:%Y-%m-%d %H:%M:%S}" if a.submitted and not stamps.late_by_unknown(a.submitted) else ""
        late = self._late(a) if state in ("taken", "unchanged", "unreadable") else ""
        origin = f"{a.source}/{a.key}" if a.source else a.key
        if "." not in sentence.split(" ")[0]:  # the name of a file stays as it is
            sentence = sentence[:1].upper() + sentence[1:]
        self.lines.append(Found(student, state, late, shown, origin, a.form, a.lms_id, a.key, sentence))


def submitted(output: Path, lesson: str):
    """The folders of all that were collected of a lesson so far."""
    return (output / "submitted").glob(f"*/{glob.escape(lesson)}")


def plain_key(attempt):
    return roster.student_id(re.sub(r"\.(ipynb|zip)$", "", attempt.key, flags=re.IGNORECASE)) or "unnamed"


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
