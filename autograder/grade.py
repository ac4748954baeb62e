"""A class from a folder of submissions to a gradebook, a CSV, feedback pages and a table.

The submissions are graded many at once (`batch.py`, `task.py`), each result is kept under the hash of what it comes from (`store.py`) and
recorded by this process alone (`record.py`). What is kept is not made again: a run that was stopped goes on where it was.
"""

import contextlib
import errno
import functools
import json
import logging
import math
import os
import re
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbgrader import utils
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import OperationalError, SAWarning
from tqdm import tqdm
from traitlets.config import Config, PyFileConfigLoader
from traitlets.utils.importstring import import_item

from autograder import batch, execute, grades_csv, intake, overlay, pages, scores, stamps, standing, task
from autograder.collected import read as read_record
from autograder.graded import STOPS, what_was_wrong
from autograder.problem import Problem
from autograder.record import Course, OpenGradebook, Recorder
from autograder.runner import SetupFailed
from autograder.sandbox import SandboxError, require
from autograder.store import Store, alone, digest, grader, write
from autograder.wording import duration, many, some

LARGE = 50  # submissions; the table of a larger class would be too long to read
SHOWN = 20  # scores that are other than before


@dataclass
class Options:
    """What the command line says about a run."""

    isolate: bool = True
    only: list[str] | None = None  # students
    force: bool = False
    timeout: float | None = None  # seconds of a call
    memory: int | None = None  # bytes of a submission
    jobs: int | None = None  # submissions at a time; default: one for each core
    scheduler: str | None = None  # of a Dask cluster


@dataclass
class Row:
    """One submission of the table."""

    student: str
    lesson: str
    score: float = 0.0
    points: float = 0.0
    to_mark: float = 0.0  # points that wait for a person
    notes: list[str] = field(default_factory=list)

    @property
    def note(self) -> str:
        return " ".join(note for note in self.notes if note != execute.NOT_ISOLATED)


def grade_class(course: Path, lessons, submissions: Path, output: Path, options: Options) -> int:
    """Grade `lessons` of all students under `submissions` and print what came of it; 0 if every submission could be graded.

    The submissions are copied, never changed. Raises Problem or SandboxError with a sentence for the instructor.
    """
    if options.isolate and not options.scheduler:
        require()
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a file or a pipe has no edge
    if not options.isolate:
        console.print(
            "[bold]Not isolated[/bold]: students' code runs in plain processes with limits, and every feedback page says so."
        )
    grading = Grading(course, lessons, submissions, output, options, tqdm.write)
    rows, skipped = grading.run()
    if 0 < len(rows) <= LARGE:
        console.print(table(rows))
    for line in skipped:
        _tell(console, line, head="Not graded ")
    if takes_points(grading.config):
        for lesson in grading.undated:
            _tell(
                console,
                f"of {lesson} is in this gradebook, so nobody loses points for being late. "
                f"`autograder collect {lesson} … --due` puts it there, or Formgrader; then grade again.",
                head="No deadline ",
            )
    if grading.changed:
        _tell(console, changes(grading.changed), head="Other scores than before ")
    _tell(console, summary(grading.report))
    _tell(
        console,
        f"Gradebook {output / 'gradebook.db'} · grades {output / 'grades.csv'} · feedback {output / 'feedback'}",
    )
    return 1 if skipped else 0


def _tell(console, text, head=""):
    """Print a sentence as it stands: a bracket in somebody's name is no markup."""
    console.print(Text.assemble((head, "bold"), text), soft_wrap=True)


def run(course, lessons, submissions, output, isolate=True, student=None, force=False, timeout=None, **more):
    """The rows of the table, and a sentence for each submission that could not be graded; see `Grading`."""
    options = Options(isolate=isolate, only=student and [student], force=force, timeout=timeout, **more)
    return Grading(course, lessons, submissions, output, options).run()


class Known:
    """What the gradebook says of a submission, in short: many of these are kept at a time."""

    __slots__ = ("due", "hash", "points", "reached", "score", "to_mark")

    def __init__(self, said):
        self.hash, self.due = standing.fingerprint(said), said["due"]
        self.reached = math.fsum(score for score, _, _ in said["grades"].values())
        self.score = scores.counted(self.reached, said["penalty"])
        self.points = sum(points for _, points, _ in said["grades"].values())
        self.to_mark = sum(points for _, points, waits in said["grades"].values() if waits)


class _Errors(logging.Handler):
    """Keeps the last line of the last exception that was logged: nbgrader says it nowhere else."""

    last = ""

    def emit(self, record):
        if found := re.findall(r"^[\w.]+: .*\S", record.getMessage(), re.MULTILINE):
            self.last = found[-1]


class Grading:
    """One run over a class. `say` is told of submissions of a large class that need a look, as they come."""

    def __init__(self, course: Path, lessons, submissions: Path, output: Path, options: Options, say=None):
        self.course, self.lessons, self.submissions, self.output = course, lessons, submissions, output
        self.options, self.say = options, say
        self.rows, self.skipped, self.report = [], [], {}
        self.changed = []  # (student, lesson, score before, score now)
        self.config = settings(course, output, options.isolate)
        if not execute.configured(self.config):
            raise Problem(
                f"nbgrader_config.py in {course} leaves students' code to nbgrader's own run, without isolation. {execute.ADD_IT}"
            )
        limits = self.config.TwoProcessRun
        if options.timeout is not None:
            limits.call_seconds, limits.cell_seconds = options.timeout, 3 * options.timeout
        if options.memory is not None:
            limits.memory = options.memory

    def run(self) -> tuple[list[Row], list[str]]:
        """Grade what is new or has changed. Raises Problem, SandboxError; nothing that was graded is lost by that."""
        for lesson in self.lessons:
            if not (self.course / "solutions" / lesson / f"{lesson}.ipynb").exists():
                raise intake.no_lesson(lesson, self.course)
        inside = self.submissions.resolve()
        if inside == self.output.resolve() or inside in self.output.resolve().parents:
            raise Problem(
                f"The results cannot lie in the folder of the submissions, {self.submissions}; choose another --output."
            )
        with alone(self.output / ".graded"):
            todo = self._handed_in()
            if self.say:
                self.say(f"Looking at {many(len(todo), 'submission')}.")
            try:
                with self._logging():
                    self._grade(todo)
            except OperationalError as error:
                raise Problem(
                    f"The gradebook {self.output / 'gradebook.db'} cannot be written ({error.orig}). Make room or give write permission, then run it again."
                ) from None
        return self.rows, self.skipped

    def _handed_in(self):
        """What there is to grade; `skipped` has a sentence for each that is nothing. Raises Problem where there is none."""
        todo, self.skipped = intake.find(self.submissions, self.lessons, self.options.only)
        if not todo and not self.skipped:
            raise Problem(
                f"No submission of {' or '.join(self.lessons)} was found in {self.submissions}; it should hold STUDENT/LESSON/LESSON.ipynb. "
                "What a learning system exports, and loose files, are put so by `autograder collect`."
            )
        if self.options.only is None:
            known = {path.name for path in (self.course / "solutions").iterdir() if path.is_dir()}
            self.skipped += intake.strays(self.submissions, known)
        self._lose_nothing(todo)
        return todo

    def _lose_nothing(self, todo):
        """Raises Problem where a copy of what is graded would take the place of what was collected."""
        place = self.output / "submitted"
        if self.submissions.resolve() == place.resolve():
            return
        collected = {
            (line.student, name) for name in self.lessons for line in read_record(self.output, name) if line.counts
        }
        lost = [handed for handed in todo if (handed.student, handed.lesson) in collected]
        names = sorted({handed.student for handed in lost if (place / handed.student / handed.lesson).is_dir()})
        if names:
            raise Problem(
                f"{place} holds what was collected of {some(names, 10)}, and {self.submissions} would take its place. "
                "Grade without --submissions, or into another --output; `autograder collect` adds what is new."
            )

    @contextlib.contextmanager
    def _logging(self):
        self.log = logging.getLogger("autograder.grade")
        file = logging.FileHandler(self.output / "grading.log", errors="backslashreplace")
        self.errors = _Errors(logging.ERROR)
        self.log.propagate, self.log.handlers = False, [file, self.errors]
        self.log.setLevel(logging.INFO)
        warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's own, of no use to an instructor
        try:
            yield
        finally:
            for handler in self.log.handlers:
                handler.close()

    def _grade(self, todo):
        started = time.monotonic()
        self.store, self.more, self.waiting = Store(self.output / ".graded"), deque(), {}
        self.core_seconds, self.ran, self.recorded, self.unchanged = 0.0, 0, 0, 0
        self.settings = [self.course / "nbgrader_config.py", *policy_files(self.config)]
        self.text_of_settings = "\n".join(path.read_text() for path in self.settings)
        sources = {lesson: self._sources(lesson) for lesson in self.lessons}
        self.packed = {lesson: self._prepared(lesson) for lesson in self.lessons}
        self.labels = overlay.labels(self.course / "solutions")
        self.page_settings = pages.settings(self.config)
        directories = self.config.CourseDirectory
        self.gradebook = OpenGradebook(directories.db_url, directories.get("course_id", "default_course"))
        self.recorder = Recorder(coursedir=Course(config=self.config), config=self.config, log=self.log)
        self.recorder.begin(self.gradebook)
        self.undated = [lesson for lesson in self.lessons if self.gradebook.find_assignment(lesson).duedate is None]
        pool = self._pool(len(todo))
        if self.options.only is None:
            for lesson in self.lessons:
                self.store.begin(lesson, [handed.student for handed in todo if handed.lesson == lesson])
        self.bar = tqdm(total=len(todo), desc="Grading", unit=" submissions", disable=None, leave=False)
        whole = False
        try:
            self.before = {
                (name, lesson): Known(said)
                for lesson in self.lessons
                for name, said in standing.of(self.gradebook, lesson)
            }
            for call, outcome in batch.drive(pool, self._calls(todo), self.more, self.bar.refresh):
                self._done(call.about, call.function, outcome)
            if self.options.only is None:
                self.rows += withdrawn(self.before, todo, self.skipped)
            self.skipped = [line + self._stays(line) for line in self.skipped]
            write(self.output / "grades.csv", grades_csv.text(self.gradebook))
            slots, whole = pool.slots, True  # of a cluster, while it is there
        except KeyboardInterrupt:
            then = "With --force it begins anew" if self.options.force else "It goes on there"
            done = f"{len(self.rows):,} of {many(len(todo), 'submission')} graded"
            raise KeyboardInterrupt(f"{done}. {then} when you run the same command again.") from None
        finally:
            self.bar.close()
            pool.close(idle=whole)
            self.gradebook.end()
        self.rows.sort(key=lambda row: (row.student, self.lessons.index(row.lesson)))
        self.report = self._reported(len(todo), time.monotonic() - started, slots)
        write(self.output / ".graded" / "run.json", json.dumps(self.report, indent=1))
        for lesson in self.lessons:
            graded = {row.student for row in self.rows if row.lesson == lesson}
            if old := self.store.collected(lesson):
                self.store.set_collected(lesson, old - graded)
            if self.options.only is None:
                if not self._left_as_it_was(lesson):
                    self.store.set_sources(lesson, sources[lesson])
                self.store.end(lesson)

    def _left_as_it_was(self, lesson):
        """Whether somebody's grade is of an earlier run still, by the lesson as it was then."""
        done = {row.student for row in self.rows if row.lesson == lesson and GONE not in row.notes}
        return any(name == lesson and student not in done for student, name in self.before)

    def _sources(self, lesson):
        """The files by which a lesson is graded, as they are now: {name in the course: digest}"""
        files = [*self.settings, self.course / "solutions" / lesson / f"{lesson}.ipynb"]
        return {os.path.relpath(path, self.course): digest(path.read_bytes()) for path in files}

    def _prepared(self, lesson):
        """The instructor's side of a lesson for `task.grade`; its release is built and its cells are in the gradebook afterwards."""
        folder, mark = self.course / "solutions" / lesson, self.output / ".graded" / "lessons" / lesson
        if others := sorted(path.name for path in folder.glob("[!.]*.ipynb") if path.stem != lesson):
            raise Problem(
                f"A lesson is one notebook, and {folder} holds {some(others, 5)} beside {lesson}.ipynb. "
                "Move it away, or make it a lesson of its own: a folder of its name in solutions/."
            )
        text = (folder / f"{lesson}.ipynb").read_bytes()
        source = nbformat.reads(text.decode(), as_version=4)
        now = digest(grader(), self.text_of_settings, str(self.output.resolve()), text)
        directories = self.config.CourseDirectory
        release = Path(directories.root, directories.release_directory, lesson, f"{lesson}.ipynb")
        if not (self._in_gradebook(lesson) and mark.exists() and mark.read_text() == now and release.exists()):
            mark.unlink(missing_ok=True)
            course = CourseDirectory(config=self.config, assignment_id=lesson)
            converter = GenerateAssignment(coursedir=course, config=self.config, log=self.log)
            converter.force = True
            try:
                converter.start()
            except NbGraderException:
                raise Problem(f"The lesson {lesson} cannot be prepared: {self._reason(lesson)}") from None
            write(mark, now)
        released = nbformat.writes(overlay.release(source, self.config))
        limits = execute.TwoProcessRun(config=self.config).limits()
        return task.Lesson(lesson, nbformat.writes(source), released, limits, self.options.isolate).pack()

    def _reason(self, lesson):
        """What the log said last, and where it stands."""
        said, self.errors.last = self.errors.last, ""
        if "Cannot add or remove cells" in said:
            return (
                "nbgrader adds or removes no graded cell of a lesson that has grades. Put the cells back as they were, or start it over: "
                f"`nbgrader db assignment remove {lesson} --force` takes its grades, your marks and its deadline out of the gradebook "
                "(keep a copy of gradebook.db), then grade again."
            )
        return f"{said.rstrip('.') or 'it was not said why'}. More stands in {self.output / 'grading.log'}."

    def _in_gradebook(self, lesson):
        """Whether the gradebook has the lesson's notebook; it may be another one than that it was prepared in. Raises
        sqlite3.DatabaseError where the file is no gradebook."""
        query = "SELECT 1 FROM notebook JOIN assignment ON assignment_id = assignment.id WHERE assignment.name = ?"
        place = f"{(self.output / 'gradebook.db').resolve().as_uri()}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(place, uri=True)) as database:
                return database.execute(query, [lesson]).fetchone() is not None
        except sqlite3.OperationalError:  # there is none, or nothing is in it
            return False

    def _pool(self, most):
        here = batch.local(max(1, min(self.options.jobs or batch.cores(), most)))
        if not self.options.scheduler:
            return here
        ready = functools.partial(task.ready, grader(), self.options.isolate)
        return batch.Cluster(self.options.scheduler, ready, here, self.say)

    # ---- a submission's way: read, graded, recorded, its page made

    def _calls(self, todo):
        """What is to be done for each submission. Results that are kept are recorded on the way."""
        for handed in todo:
            try:
                submission = self._read(handed)
            except (OSError, RecursionError) as error:
                if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                    raise
                why = getattr(error, "strerror", None) or type(error).__name__
                self._skip(handed, f"it cannot be copied ({why}).")
                continue
            key = submission.key(self.packed[handed.lesson], grader())
            if (call := self._kept(handed, key)) is not None:
                yield from call
            elif key in self.waiting:  # the same work, handed in twice
                self.waiting[key].append(handed)
            else:
                self.waiting[key] = [handed]
                yield batch.Call((key, handed), task.grade, (self.packed[handed.lesson], submission, self.labels))

    def _read(self, handed):
        """Copy a submission to nbgrader's layout and read it."""
        target = self.output / "submitted" / handed.student / handed.lesson
        handed.notes += intake.copy(handed.folder, handed.notebook, target, handed.lesson)
        course = self.recorder.coursedir
        paths = {}
        for folder in (target, self.course / "solutions" / handed.lesson):  # the instructor's files hide the student's
            found = utils.find_all_files(str(folder), [*course.ignore, "*.ipynb"])
            kept = self.recorder.exclude_overwriting.get(handed.lesson, []) if folder != target else []
            names = {str(Path(path).relative_to(folder)): Path(path) for path in found}
            paths |= {name: path for name, path in names.items() if name not in kept}
        return self._opened(handed, *execute.beside(paths))

    def _opened(self, handed, files=(), notes=()):
        path = self.output / "submitted" / handed.student / handed.lesson / f"{handed.lesson}.ipynb"
        try:
            return task.Submission(
                overlay.content(path if path.is_file() else handed.notebook), "", dict(files), list(notes)
            )
        except overlay.Unreadable as problem:
            return task.Submission(b"", str(problem), dict(files), list(notes))

    def _kept(self, handed, key):
        """The calls that are left to do where there is a result already; None where there is none."""
        if self.options.force:
            return None
        known, mark = self.before.get((handed.student, handed.lesson)), self.store.mark(handed.student, handed.lesson)
        graded, page = self._made(handed)
        if known and _size(graded) == mark.get("graded") and mark.get("recorded") == self._recorded(handed, key, known):
            self.unchanged += 1
            if [_size(page), known.hash, digest(self.page_settings)] == mark.get("page"):
                self._finish(handed, known, mark["notes"])
                return []
            [(_, said)] = standing.of(self.gradebook, handed.lesson, handed.student)
            return [self._page(handed, mark["recorded"], graded.read_text(encoding="utf-8"), mark["seconds"], said)]
        result = self.store.result(key)
        return result and list(self._record(handed, key, result))

    def _recorded(self, handed, key, known):
        """What tells whether a result was recorded as it would be now: another time or deadline, and marks by hand, can change a penalty."""
        when = stamps.read(self.output / "submitted" / handed.student / handed.lesson)
        reached = known.reached if takes_points(self.config) else ""
        if stamps.late_by_unknown(when):
            when = stamps.NOT_KNOWN  # it goes where the deadline goes, which is told beside it
        return digest(key, str(when), known.due, str(reached), self.text_of_settings)

    def _record(self, handed, key, result):
        """Put a result into the gradebook; yields the call that makes its page."""
        self.store.clear_mark(handed.student, handed.lesson)
        stamps.follow(
            self.output / "submitted" / handed.student / handed.lesson, self.gradebook.deadline_now(handed.lesson)
        )
        if self.gradebook.extension_of_nothing(handed.lesson, handed.student):
            why = "this student has an extension, but the lesson has no deadline; give it one with `autograder collect … --due` or in Formgrader."
            self._skip(handed, why)
            return
        try:
            said = self.recorder.record(handed.student, handed.lesson, result["notebook"])
        except NbGraderException:
            self._skip(handed)
            return
        self.recorded += 1
        recorded = self._recorded(handed, key, Known(said))
        yield self._page(handed, recorded, result["notebook"], result["seconds"], said)

    def _page(self, handed, recorded, notebook, seconds, said):
        about = handed, recorded, Known(said), seconds, notes_on(notebook, said)
        args = self.page_settings, notebook, handed.lesson, handed.student, said
        return batch.Call(about, pages.render, args, home=True, seconds=PAGE_SECONDS)

    def _done(self, about, function, outcome):
        """Take what came of a call."""
        if isinstance(outcome, SandboxError):
            raise outcome
        if isinstance(outcome, Exception) and not isinstance(outcome, (SetupFailed, batch.WorkerDied)):
            self.log.error("".join(traceback.format_exception(outcome)))
        if function is pages.render:
            if isinstance(outcome, Exception):
                self._skip(about[0], NO_PAGE if isinstance(outcome, batch.WorkerDied) else None)
            else:
                self._publish(outcome, *about)
            return
        key, all_ = about[0], self.waiting.pop(about[0])
        if isinstance(outcome, SetupFailed):
            raise Problem(f"{all_[0].lesson}: {outcome} What was graded before is kept.")
        if isinstance(outcome, batch.WorkerDied):
            key = ""  # the next run tries again
            outcome = task.failed(self.packed[all_[0].lesson], self._opened(all_[0]), self.labels, CULPRIT)
        elif isinstance(outcome, Exception):
            for handed in all_:
                self._skip(handed)
            return
        else:
            self.store.keep(key, outcome)
        self.core_seconds += outcome["seconds"]
        self.ran += 1
        for handed in all_:
            self.more.extend(self._record(handed, key, outcome))

    def _publish(self, page, handed, recorded, known, seconds, notes):
        """Write a feedback page, with the files that lay beside the notebook. The submission is done with that."""
        graded, target = self._made(handed)
        shutil.rmtree(target.parent, ignore_errors=True)
        others = shutil.ignore_patterns("*.ipynb")
        shutil.copytree(graded.parent, target.parent, ignore=others, copy_function=shutil.copyfile)
        write(target, page)
        self.store.set_mark(
            handed.student,
            handed.lesson,
            recorded=recorded,
            graded=_size(graded),
            page=[_size(target), known.hash, digest(self.page_settings)],
            seconds=seconds,
            notes=notes,
        )
        self._finish(handed, known, notes)

    def _made(self, handed):
        """Where the graded notebook and the page of a submission lie."""
        graded, pages_ = (self.output / tree / handed.student / handed.lesson for tree in ("autograded", "feedback"))
        return graded / f"{handed.lesson}.ipynb", pages_ / f"{handed.lesson}.html"

    def _finish(self, handed, known, notes):
        row = Row(handed.student, handed.lesson, known.score, known.points, known.to_mark, handed.notes + notes)
        self.rows.append(row)
        before = self.before.get((handed.student, handed.lesson))
        if before and round(before.score - known.score, 6):
            self.changed.append((handed.student, handed.lesson, before.score, known.score))
        self.bar.update()
        if row.note and self.say and self.bar.total > LARGE:
            self.say(f"{row.student}, {row.lesson}: {row.note}")

    def _skip(self, handed, why=None):
        why = why or self._reason(handed.lesson)
        self.skipped.append(f"{handed.student}, {handed.lesson}: {why}")
        self.bar.update()

    def _stays(self, line):
        """What the gradebook has from before of a submission that was not graded now."""
        known = self.before.get(tuple(line.partition(":")[0].rsplit(", ", 1)))
        return f" The grade from before stays: {known.score:g} of {known.points:g}." if known else ""

    def _reported(self, found, seconds, slots):
        """What the run was, for the class report; written to `.graded/run.json`."""
        return {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "lessons": list(self.lessons),
            "isolated": self.options.isolate,
            "submissions": found,
            "graded": self.recorded,
            "unchanged": self.unchanged,
            "ran": self.ran,  # fewer where the same was handed in twice, or a result was kept
            "not_graded": self.skipped,
            "attention": [[row.student, row.lesson, row.note] for row in self.rows if row.note],
            "seconds": round(seconds, 1),
            "core_seconds": round(self.core_seconds, 1),
            "workers": self.options.scheduler or "this machine",
            "slots": slots,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
        }


def _size(path):
    return path.stat().st_size if path.exists() else None


GONE = "graded before, and no longer in the folder"
PAGE_SECONDS = 120  # a page is made in a tenth of one
NO_PAGE = f"its feedback page was given up after {PAGE_SECONDS} s or for want of memory; the grade is in the gradebook. Look at what it holds."
CULPRIT = "The process that ran this notebook was ended twice, the second time with nothing beside it: it needs too much memory, or worse."
CULPRIT += " Look at it before you grade it again."


def withdrawn(before, todo, skipped) -> list[Row]:
    """Rows for submissions that the gradebook has from before and the folder no longer holds."""
    here = {(handed.student, handed.lesson) for handed in todo}
    named = {line.partition(":")[0] for line in skipped}
    return [
        Row(*key, known.score, known.points, notes=[GONE])
        for key, known in before.items()
        if key not in here and ", ".join(key) not in named
    ]


def notes_on(notebook: str, said) -> list[str]:
    """What the grader noted on a graded notebook, what limits it broke, what lateness costs; of one without points, why."""
    nb = nbformat.v4.reads(notebook)
    notes, found = execute.notes_on(nb), what_tests_found(nb)
    stops = sorted(words for words in found if words in STOPS)
    if not notes and not stops and not sum(score for score, _, _ in said["grades"].values()):
        notes = [f"{count} of {found.total()} tests: {words}" for words, count in found.most_common(1)]
    penalty = [f"{said['penalty']:g} points are taken off for lateness already."] if said["penalty"] else []
    return notes + stops + penalty


def settings(course: Path, output: Path, isolate: bool) -> Config:
    """The course's nbgrader_config.py, with results under `output`. Raises Problem where nothing can be written there."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output) as probe:
            probe.write(b"\0" * 65536)
            probe.flush()
    except OSError as error:
        raise Problem(
            f"Nothing can be written to {output}: {error.strerror}. Choose another folder with --output, or make room."
        ) from None
    file = course / "nbgrader_config.py"
    if not file.exists():
        raise Problem(
            f"{course} is no course folder: it has no nbgrader_config.py. Run this in the folder of the course."
        )
    config = PyFileConfigLoader(file.name, path=str(course)).load_config()
    directories = config.CourseDirectory
    directories.root = str(output.resolve())
    directories.source_directory = str((course / "solutions").resolve())
    if output.resolve() != course.resolve():
        directories.release_directory = str(output.resolve() / "release")
    directories.db_url = f"sqlite:///{output.resolve() / 'gradebook.db'}"
    config.TwoProcessRun.isolate = isolate
    return config


def takes_points(config: Config) -> bool:
    """Whether late work can lose points: by a plugin of the course's, or by nbgrader's own."""
    return "plugin_class" in config.AssignLatePenalties or config.LateSubmissionPlugin.get("penalty_method") == "zero"


def policy_files(config: Config) -> list[Path]:
    """The file of the course's plugin for late work, unless that stands in nbgrader_config.py or is this grader's."""
    plugin = config.AssignLatePenalties.get("plugin_class")
    plugin = import_item(plugin) if isinstance(plugin, str) else plugin
    file = getattr(sys.modules.get(getattr(plugin, "__module__", None)), "__file__", None)
    return [Path(file)] if file and Path(file).parent != Path(__file__).parent else []


def what_tests_found(notebook) -> Counter:
    """In a few words, what tests without points failed of, and how many: a class of zeros must not look alike."""
    said = Counter()
    for cell in notebook.cells:
        if utils.is_grade(cell) and cell.cell_type == "code" and cell.metadata.nbgrader.points:
            errors = [output for output in cell.outputs if output.output_type == "error"]
            said[what_was_wrong("\n".join(errors[0].traceback)) if errors else "no verdict"] += 1
    return said


def table(rows: list[Row]) -> Table:
    """The rows as a table for a terminal."""
    out = Table(title=many(len(rows), "submission"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    out.add_column("student", overflow="fold", max_width=30)
    out.add_column("lesson", no_wrap=True)
    for name in ("score", "of", "to mark"):
        out.add_column(name, justify="right", no_wrap=True)
    out.add_column("note", overflow="fold")
    for row in rows:
        numbers = f"{row.score:g}", f"{row.points:g}", f"{row.to_mark:g}" if row.to_mark else ""
        out.add_row(*map(Text, (row.student, row.lesson, *numbers, row.note)))  # a str would be read as markup
    return out


def changes(changed) -> str:
    """Whose score is not what it was, as far as a person would read it.

    >>> changes([("bob", "one", 4.0, 2.5), ("ada", "one", 0.0, 4.0)])
    'of 2 submissions: ada, one: 0 → 4; bob, one: 4 → 2.5.'
    """
    said = [f"{student}, {lesson}: {before:g} → {now:g}" for student, lesson, before, now in sorted(changed)]
    more = f"; and {len(said) - SHOWN:,} more" if len(said) > SHOWN else ""
    return f"of {many(len(said), 'submission')}: {'; '.join(said[:SHOWN])}{more}."


def summary(report) -> str:
    """A run in a sentence."""
    graded, ran, found = report["graded"], report["ran"], report["submissions"]
    if not found:
        return "There was no submission to grade."
    parts = [f"Graded {graded:,} of {many(found, 'submission')} in {duration(report['seconds'])}"]
    if ran:
        parts[0] += f", {report['slots']} at a time (their code and tests: {duration(report['core_seconds'])})"
    if graded > ran:
        parts.append(f"for {graded - ran:,} of them the same work had been run already")
    if report["unchanged"]:
        parts.append(f"{report['unchanged']:,} had not changed")
    if report["attention"]:
        parts.append(f"{len(report['attention']):,} with a note")
    return "; ".join(parts) + "."


def check_lessons(course: Path, lessons, isolate=True) -> int:
    """Grade each lesson's own solution and its untouched release; 0 if they get all and none of the points that a test gives."""
    names_there = intake.lessons(course)
    names = lessons or names_there
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        class_ = Path(folder) / "class"
        for lesson in names:
            for student, tree in (("solution", "solutions"), ("release", "notebooks")):
                path = course / tree / lesson / f"{lesson}.ipynb"
                if not path.exists():
                    known = lesson in names_there or (course / "solutions" / f"{lesson}.py").exists()
                    raise (
                        Problem(f"{path} is missing; run `make build`.") if known else intake.no_lesson(lesson, course)
                    )
                (class_ / student / lesson).mkdir(parents=True)
                shutil.copy(path, class_ / student / lesson)
        rows, skipped = run(course, names, class_, Path(folder) / "out", isolate)
        for row in rows:
            expected = row.points - row.to_mark if row.student == "solution" else 0
            wrong += row.score != expected
            print(
                f"{'✓' if row.score == expected else '✗'} {row.lesson}: the {row.student} gets {row.score:g} of {row.points:g} ({expected:g} expected)"
            )
    return 1 if wrong or skipped else 0
