"""Which of a student's hand-ins counts: that goes to `submitted/`, the others aside; a line for each.

All that was ever handed in stands in the record, and what counts follows from all of it, in whatever order it was collected: of the
hand-ins the newest says which work it is, of that work the first says when it was done.
"""

import glob
import re
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from autograder import stamps
from autograder.collected import COUNTS, Found
from autograder.lms import Attempt, order_of
from autograder.people import People, student_id
from autograder.staging import Staged, Staging, digest, free
from autograder.wording import capital, lateness

BY_HAND = "submitted/"


class Settling:
    """Of one lesson. `lines` says what became of every attempt, of this run and of earlier ones.

    students: the class, as it is known; killed: whether the run before was, so that a student's work may lie aside that should
    be in `submitted/`.
    """

    def __init__(
        self,
        output: Path,
        lesson: str,
        deadline,
        extensions,
        before: list[Found],
        staging: Staging,
        students: People,
        killed: bool,
    ):
        self.output, self.lesson, self.deadline, self.extensions = output, lesson, deadline, extensions
        self.aside, self.lines, self.staging = output / "collected" / lesson, [], staging
        self.students, self.killed = students, killed
        self.attempts, self.changed = {}, set()  # by student; whose work or time is not what it was
        self.numbers = {}  # {(form, number): whose the roster says that it is}
        self.given = {}  # {(form, name, work): whose a person says that it is}
        self.run = 2 + max((line.seen for line in before), default=0)
        # names of folders in which unknown ones are kept
        self.kept = {plain_key(line) for line in before if line.work and line.form != "folder"}
        self.history, self.named, self.owners, self.duplicates = {}, {}, {}, {}
        for line in before:
            if line.work and line.state in (*COUNTS, "older"):
                self.history.setdefault(line.student, []).append(line)
                self.owners[line.form, _plain(line), line.work] = line.student
            elif line.state == "duplicate":
                self.duplicates[line.student, line.form, line.key, line.work] = line.run
            if line.work and line.form != "folder" and line.origin != BY_HAND:
                self.named[plain_key(line), line.work] = line

    def add(self, student: str, staged: Staged) -> None:
        """One more attempt of a student's."""
        if (said := self._said(staged)) and self.given.setdefault(said, student) != student:
            staged.notes += (f"Its folder was put into that of {self.given[said]}, too, whose it counts as.",)
            staged.attempt.inside = ""
        self.attempts.setdefault(student, []).append(staged)

    def _said(self, staged):
        """What is given to somebody by a person, who has put its folder into the student's."""
        line = self.named.get((staged.attempt.inside, staged.digest[:12]))
        return line and (line.form, _plain(line), line.work)

    def of_another_lesson(self) -> list[str]:
        """What says so of each, where most are, and too many for a mistake of students'; else nothing."""
        all_ = [staged.another for attempts in self.attempts.values() for staged in attempts]
        said = [another for another in all_ if another]
        return said if len(said) > 2 and 2 * len(said) > len(all_) else []

    def keeps(self, name: str) -> bool:
        """Whether an unknown submission is or was kept in a folder of that name."""
        return _key_of(name) in self.kept

    def parts(self, attempt: Attempt) -> list[Attempt]:
        """The hand-ins in a student's folder: those of unknown submissions' folders, where a person has put them there; else one."""
        tops = {}
        for rest, entry in attempt.files:
            top, slash, inner = rest.partition("/")
            tops.setdefault(top if slash else "", []).append((inner, entry))
        inside = {top: _key_of(top) for top in tops}
        if attempt.form != "folder" or not tops or not all(map(self.keeps, tops)):
            return [attempt]
        return [
            replace(attempt, key=f"{attempt.key}/{top}", files=files, inside=inside[top]) for top, files in tops.items()
        ]

    def owner(self, staged: Staged) -> str | None:
        """Whose it was when it was collected before, under the same name in the same system."""
        return self.owners.get((staged.attempt.form, _plain(staged.attempt), staged.digest[:12]))

    def settle(self) -> list[Found]:
        """Put what counts of each student into `submitted/`, all else aside; all lines."""
        for folder in submitted(self.output, self.lesson):
            stamps.follow(folder, self.deadline)
        there = {path.parent.name for path in submitted(self.output, self.lesson) if _is_own(path)}
        for student in sorted(self.history.keys() | there | self.attempts.keys()):
            if student in self.attempts or self._of_others(student):
                self._settle(student, self.attempts.get(student, []))
            else:
                self._stays(student)
        return self.lines

    # ---- a student with new attempts, or with work that is another's by now

    def _settle(self, student, new):
        folder, history = self._folder(student), self._history(student)
        counted = next((line for line in history if line.counts), None)
        lying = _work(folder) if _is_own(folder) else ""
        before = stamps.read(folder) if lying else None
        if lying not in self._of_others(student):
            self._say_of_hand(student, history, counted, lying, before)
        places = {_work(kept): kept for kept in (self.aside / "older" / student).glob("*") if kept.is_dir()}
        places |= {staged.digest[:12]: staged.folder for staged in new} | ({lying: folder} if lying else {})
        by_line = [(self._told(student, history, staged), staged) for staged in new]
        handed_in = {line.work for line in history if line.run == self.run}
        history = [line for line in history if line.origin != BY_HAND or line.work not in handed_in]
        best, history, by_line = self._best(student, history, by_line, places)
        if best is None:
            if lying in self._of_others(student):
                self._move(folder, f"older/{student}/{self._name(folder, lying)}")
                self.changed.add(student)
            self.lines += history
            return
        when = self._time([line for line in history if line.work == best.work])
        if self.deadline is None and stamps.late_by_unknown(when) and stamps.late_by_unknown(before):
            when = before
        if stamps.read(places[best.work]) != when:
            stamps.write(places[best.work], when)
        if best.work != lying:
            self._put(student, best.work, places, lying)
        if best.work != lying or when != before:
            self.changed.add(student)
        for line, staged in by_line:
            if line.work != best.work and staged.folder.exists() and places[line.work] == staged.folder:
                stamps.write(staged.folder, self._time([other for other in history if other.work == line.work]))
                self._keep(student, line, staged.folder)
        now = {id(line): staged for line, staged in by_line}
        for line in history:
            if line is best:
                self._counts(line, now.get(id(line)), "unchanged" if best.work == lying else "taken", when)
            elif id(line) in now or line.counts:
                self._older(line, best)
            self.lines.append(line)

    def _best(self, student, history, by_line, places):
        """The hand-in that counts, of what can be had; and all others, without those of which nothing tells which is newer."""
        best, rivals = self._newest(self._of_this_lesson(history, places))
        if rivals:
            self._duplicates(student, [(line, staged) for line, staged in by_line if line.work in rivals])
            history = [line for line in history if line.work not in rivals]
            by_line = [(line, staged) for line, staged in by_line if line.work not in rivals]
            best, _ = self._newest(self._of_this_lesson(history, places))
        return best, history, by_line

    def _history(self, student):
        """The hand-ins of earlier runs, without those that a mended roster gives to others."""
        others = self._of_others(student)
        return [line for line in self.history.get(student, []) if line.work not in others]

    def _of_others(self, student):
        """The works that came under a number which is another one's by now."""
        lines = self.history.get(student, [])
        whose = {id(line): self.numbers.get((line.form, line.lms_id), student) for line in lines}
        whose |= {id(line): self.given.get((line.form, _plain(line), line.work), whose[id(line)]) for line in lines}
        own = {line.work for line in lines if whose[id(line)] == student}
        return {line.work for line in lines} - own

    def _of_this_lesson(self, history, places):
        """Those whose files there are; without another lesson's notebooks and folders without any, where there are others."""
        history = [line for line in history if line.work in places]
        works = {line.work for line in history}
        if len(works) < 2:
            return history
        looks = {work: self.staging.look(Staged(Attempt("", ""), places[work], "")) for work in works}
        right = {work for work, look in looks.items() if not (look.another or look.why_not)}
        return [line for line in history if line.work in right] or history

    def _say_of_hand(self, student, history, counted, lying, when):
        """A person may have put other work into `submitted/`, or another time: that counts until something newer is handed in."""
        of_it = [line for line in history if line.work == lying]
        left = self._time(of_it)
        same_time = left == when or (stamps.late_by_unknown(left) and stamps.late_by_unknown(when))
        if not lying or (counted and counted.work == lying and same_time):
            return
        if when is None and of_it and counted and counted.work != lying:
            when = left  # of files alone, that were put there again
        base = max(of_it, key=lambda line: line.run, default=counted) or Found(student, "unchanged")
        key = base.key if stamps.late_by_unknown(when) else _plain(base)
        now = {"work": lying, "run": self.run - 1, "seen": self.run, "told": shown(when), "origin": BY_HAND, "key": key}
        for line in [line for line in of_it if line.origin == BY_HAND]:
            history.remove(line)
        history.append(replace(base, state="unchanged", **now))
        if counted:
            counted.state = "older"

    def _told(self, student, history, staged):
        """The hand-in that an attempt is; a known one is told anew, as where Canvas takes back that it was late, or in another zone."""
        attempt, work = staged.attempt, staged.digest[:12]
        for line in history:
            if line.work == work and line.origin != BY_HAND and _is_that(line, attempt):
                break
        else:
            run = self.duplicates.get((student, attempt.form, attempt.key, work), self.run)
            line = Found(student, "older", run=run, form=attempt.form, work=work)
            if known := self.named.get((attempt.inside, work)):  # a person has said whose that is
                line = replace(known, student=student, state="older", run=self.run)
                line.lms_id = self.students.number(line, student)
            history.append(line)
        if line.form == attempt.form:
            line.origin, line.key, line.lms_id = origin_of(attempt), attempt.key, attempt.lms_id
        if attempt.submitted:
            line.told, line.said = shown(attempt.submitted), attempt.said
        line.seen, line.source = self.run, attempt.source
        return line

    def _newest(self, history):
        """The newest of hand-ins; and the works of this run among which nothing tells which that is. (None, nothing) of none.

        One without a time is as new as the newest that was known when it came; Canvas's numbers say more.
        """
        top, ranks, first = datetime.min, {}, {}
        for line in history:
            first[line.work] = min(line.run, first.get(line.work, line.run))
        for run in sorted({line.run for line in history}):
            these = [line for line in history if line.run == run]
            for line in these:
                told, by_hand = time_of(line), line.origin == BY_HAND
                late = stamps.behind(self.deadline) if self.deadline and _is_late(line) else top
                # of two works with one time, the one that came last; a list may be told of other work than its own
                at_least = max(top, late, told or top)
                ranks[id(line)] = (told, 0, first[line.work]) if told and not by_hand else (at_least, 1, run)
            top = max([top, *(ranks[id(line)][0] for line in these)])
        latest = datetime.min, 0, 0
        for line in sorted(filter(_of_canvas, history), key=_order):
            latest = ranks[id(line)] = max(latest, ranks[id(line)])
        ranks = {id(line): (*ranks[id(line)], _order(line)) for line in history}
        best = max(history, key=lambda line: (*ranks[id(line)], line.counts, line.run), default=None)
        works = {line.work for line in history if ranks[id(line)] == ranks[id(best)]}
        return best, works if len(works) > 1 and all(first[work] == self.run for work in works) else set()

    def _time(self, hand_ins):
        """When this work was done: by its first hand-in. None where nobody says so, or that is in time."""
        if by_hand := [line for line in hand_ins if line.origin == BY_HAND and not _is_late(line)]:
            return time_of(by_hand[-1])
        if told := [when for line in hand_ins if (when := time_of(line))]:
            return min(told)
        late = [_is_late(line) for line in hand_ins if _of_canvas(line)]  # others cannot say it
        return stamps.behind(self.deadline) if late and all(late) else None

    def _put(self, student, work, places, lying):
        """Put a work into `submitted/`, and what lies there aside."""
        folder = self._folder(student)
        if lying:
            places[lying] = self._move(folder, f"older/{student}/{self._name(folder, lying)}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        places[work].chmod(0o755)
        places[work].rename(folder)
        places[work] = folder

    def _keep(self, student, line, folder):
        when = time_of(line)
        self._move(folder, f"older/{student}/{when:%Y-%m-%d_%H%M%S}" if when else f"older/{student}/{line.work[:8]}")

    @staticmethod
    def _name(folder, work):
        when = stamps.read(folder)
        return f"{when:%Y-%m-%d_%H%M%S}" if when else work[:8]

    def _duplicates(self, student, rivals):
        names = ", ".join(staged.attempt.key for _, staged in rivals)
        for line, staged in rivals:
            kept = self.move_aside(staged, "duplicate", student)
            line.state, line.sentence = "duplicate", (
                f"There are {len(rivals)} submissions, and nothing says which is the newest: {names}. "
                f"Leave the one that counts and collect again. It is kept in {kept}."
            )  # fmt: skip
            self.lines.append(line)

    # ---- what the lines say

    def _counts(self, line, staged, state, when):
        if staged is None:  # it was put aside, and is the newest after all; or a person has put it there
            staged = self.staging.look(Staged(Attempt(line.form, line.key), self._folder(line.student), ""))
        reason = staged.unreadable and f"{staged.unreadable} It will be graded 0, with this note."
        before = self.owners.get((line.form, _plain(line), line.work), line.student)
        moved = (
            line.work in self._of_others(before) and f"It was given to {before} until now, from whom it is taken away."
        )
        line.sentence = capital(" ".join(filter(None, [reason, *staged.notes, self._late_note(line, when), moved])))
        line.state = "zero" if staged.unreadable else state
        line.submitted, line.late = shown(when), self._late(line.student, when)
        unknown = self.aside / "unknown" / plain_key(line)
        if unknown.is_dir() and _work(unknown) == line.work:  # now its student is known
            shutil.rmtree(unknown)

    def _older(self, line, best):
        line.state, line.late, line.submitted = "older", "", line.told
        line.sentence = "It is the same work as what counts."
        if line.work != best.work:
            kept = self._aside(line)
            line.sentence = "A newer one counts." + (f" It is kept in {kept.relative_to(self.output)}." if kept else "")

    def _aside(self, line):
        """Where an older work of a student's is kept."""
        return next((k for k in (self.aside / "older" / line.student).glob("*") if _work(k) == line.work), None)

    def _stays(self, student):
        """The lines of a student without new attempts, as they are now."""
        folder, lines = self._folder(student), self.history.get(student, [])
        counted = next((line for line in lines if line.counts), None)
        if counted and self.killed and not folder.exists() and (kept := self._aside(counted)):
            folder.parent.mkdir(parents=True, exist_ok=True)
            kept.rename(folder)  # it was put aside, and what should have taken its place is lost
        if _is_own(folder):
            work, when = _work(folder), stamps.read(folder)
            if counted is None or counted.work != work:  # a person has put it there, or a run that was killed
                self._say_of_hand(student, lines, counted, work, when)
                if counted:
                    counted.state, counted.late, counted.sentence = "older", "", "Other work was put into `submitted/`."
                counted = next(line for line in lines if line.work == work)
                counted.state, counted.sentence = "unchanged", ""
                if when is None and (when := time_of(counted)):
                    stamps.write(folder, when)
            counted.state = "zero" if counted.state == "zero" else "unchanged"
            counted.submitted, counted.late = shown(when), self._late(student, when)
        elif counted:
            counted.state, counted.late, counted.sentence = "older", "", "It is not in `submitted/` any more."
        self.lines += lines

    def _late(self, student, when):
        extension = self.extensions.get(student, timedelta())
        if stamps.late_by_unknown(when):
            return "" if extension else stamps.NOT_KNOWN
        return lateness((when - self.deadline - extension).total_seconds()) if when and self.deadline else ""

    def _late_note(self, line, when):
        if stamps.late_by_unknown(when):
            say = (
                "a moment is counted, which a time of grace excuses"
                if self.deadline
                else "say when it was due with --due"
            )
            return f"Canvas says that it was late, and not by how much ({say}); a column `submitted` in the roster can tell."
        if _is_late(line) and when and self.deadline and when <= self.deadline:
            return "Canvas says that it was late, and its time that it was not; the time counts."
        return ""

    def line(self, student: str, state: str, attempt: Attempt, sentence: str, work: str = "", file: str = "") -> None:
        """Say what became of an attempt, or of a file of it, that is nobody's or cannot be graded."""
        names = {name: getattr(attempt, name) for name in ("form", "lms_id", "key", "said", "source")}
        when = dict.fromkeys(("submitted", "told"), shown(attempt.submitted)) | {"run": self.run, "seen": self.run}
        origin = origin_of(replace(attempt, key=file or attempt.key))
        self.lines.append(Found(student, state, origin=origin, sentence=capital(sentence), work=work, **names, **when))

    # ---- where things lie

    def _folder(self, student):
        return self.output / "submitted" / student / self.lesson

    def move_aside(self, staged: Staged, state: str, name: str) -> Path:
        """Keep files in `collected/LESSON/STATE/NAME`, with a number where others lie there; the place."""
        stamps.write(staged.folder, staged.attempt.submitted)
        staged.folder = self._move(staged.folder, f"{state}/{name}")
        return staged.folder.relative_to(self.output)

    def _move(self, folder, place):
        target = self.aside / place
        target.parent.mkdir(parents=True, exist_ok=True)
        names = "*" if place.startswith("older/") else glob.escape(target.name)
        alike = target.parent.glob(names) if names == "*" else [target, *target.parent.glob(f"{names} (*)")]
        work = digest(folder)
        if kept := next((kept for kept in alike if kept.is_dir() and digest(kept) == work), None):
            shutil.rmtree(folder)
            return kept
        target = free(target)
        folder.chmod(0o755)
        folder.rename(target)
        return target


def submitted(output: Path, lesson: str):
    """The folders of all that were collected of a lesson so far."""
    return (output / "submitted").glob(f"[!.]*/{glob.escape(lesson)}")


def origin_of(attempt: Attempt) -> str:
    """The name of an attempt in its export, with that of the export."""
    return f"{Path(attempt.source).name}/{attempt.key}" if attempt.source else attempt.key


def _key_of(name):
    """The `plain_key` of which a folder has its name; there may be a number behind it."""
    return student_id(re.sub(r" \(\d+\)$", "", name))


def plain_key(attempt):
    return student_id(re.sub(r"\.(ipynb|zip)$", "", attempt.key, flags=re.IGNORECASE)) or "unnamed"


def shown(when: datetime | None) -> str:
    """A time as it stands in a line; nothing for one that nobody told."""
    return f"{when:%Y-%m-%d %H:%M:%S}" if when and not stamps.late_by_unknown(when) else ""


def time_of(line: Found) -> datetime | None:
    """The time that a system told of a hand-in."""
    try:
        return datetime.fromisoformat(line.told) if line.told else None
    except ValueError:
        return None


def _is_that(line, attempt):
    """Whether an attempt with the work of a hand-in is that one; its time may be read in another zone now."""
    if attempt.inside:
        return plain_key(line) == attempt.inside
    same = (line.form, _plain(line)) == (attempt.form, _plain(attempt))
    return same and (
        "" in (line.told, shown(attempt.submitted))
        or line.said == attempt.said
        or line.told == shown(attempt.submitted)
    )


def _is_own(folder):
    return folder.is_dir() and not folder.is_symlink()


def _work(folder):
    """What is the same in lines where the files are the same."""
    return digest(folder)[:12]


def _of_canvas(hand_in):
    return hand_in.form == "canvas"


def _order(hand_in):
    """By which Canvas's hand-ins, and copies of one file, are newer."""
    return order_of(hand_in.form, hand_in.key)


def _is_late(hand_in):
    """Whether Canvas says so."""
    return _of_canvas(hand_in) and hand_in.key != _plain(hand_in)


def _plain(hand_in):
    """The name of a hand-in without Canvas's word on lateness, which it may take back."""
    return re.sub(r"(^|_)LATE_", r"\1", hand_in.key) if _of_canvas(hand_in) else hand_in.key
