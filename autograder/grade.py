"""A class from a folder of submissions to a gradebook, a CSV, feedback pages and a table, through nbgrader's own converters."""

import errno
import hashlib
import logging
import os
import shutil
import stat
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins.export import CsvExportPlugin
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy.exc import OperationalError, SAWarning
from traitlets.config import Config, PyFileConfigLoader

from autograder import execute
from autograder.problem import Problem
from autograder.sandbox import require


@dataclass
class Row:
    """One submission of the table."""

    student: str
    lesson: str
    score: float = 0.0
    points: float = 0.0
    to_mark: float = 0.0  # points that wait for a person
    notes: list[str] = field(default_factory=list)


def grade_class(
    course: Path, lessons, submissions: Path, output: Path, isolate=True, student=None, force=False, timeout=None
) -> int:
    """Grade `lessons` of all students under `submissions` and print a table; 0 if every submission could be graded.

    The submissions are copied, never changed. Raises Problem or SandboxError with a sentence for the instructor.
    """
    if isolate:
        require()
    console = Console()
    if not isolate:
        console.print(
            "[bold]Not isolated[/bold]: students' code runs in plain processes with limits, and every feedback page says so."
        )
    rows, skipped = run(course, lessons, submissions, output, isolate, student, force, timeout, console)
    console.print(table(rows))
    for line in skipped:
        console.print(f"[bold]Not graded[/bold] {line}", highlight=False)
    console.print(
        f"Gradebook {output / 'gradebook.db'} · grades {output / 'grades.csv'} · feedback {output / 'feedback'}",
        highlight=False,
        soft_wrap=True,
    )
    return 1 if skipped else 0


def run(
    course, lessons, submissions, output, isolate=True, student=None, force=False, timeout=None, console=None
) -> tuple[list[Row], list[str]]:
    """The rows of the table, and a sentence for each submission that could not be graded."""
    config = settings(course, output, isolate)
    if timeout is not None:
        config.TwoProcessRun.call_seconds, config.TwoProcessRun.cell_seconds = timeout, 3 * timeout
    for lesson in lessons:
        if not (course / "solutions" / lesson / f"{lesson}.ipynb").exists():
            known = ", ".join(sorted(p.parent.name for p in (course / "solutions").glob("*/*.ipynb"))) or "none"
            raise Problem(f"There is no lesson {lesson!r} in {course / 'solutions'}; the lessons are: {known}.")
    if output.resolve() == submissions.resolve() or submissions.resolve() in output.resolve().parents:
        raise Problem(
            f"The results cannot lie in the folder of the submissions, {submissions}; choose another --output."
        )
    todo, skipped = collect(submissions, lessons, output / "submitted", student)
    if not todo and not skipped:
        raise Problem(
            f"No submission of {' or '.join(lessons)} was found in {submissions}; it should hold STUDENT/LESSON/LESSON.ipynb."
        )
    if student is None:
        skipped += strays(submissions, {path.name for path in (course / "solutions").iterdir() if path.is_dir()})
    log = logging.getLogger("autograder.grade")
    log.handlers, log.propagate = [logging.FileHandler(output / "grading.log", errors="backslashreplace")], False
    log.setLevel(logging.INFO)
    warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's own, of no use to an instructor
    try:
        for lesson in lessons:
            try:
                convert(GenerateAssignment, config, log, lesson, force=True)
            except NbGraderException:
                raise Problem(
                    f"The lesson {lesson} cannot be prepared; the reason stands in {output / 'grading.log'}."
                ) from None
        rows = []
        for name, lesson, note in track(todo, "Grading", console=console or Console(quiet=True), transient=True):
            mark = output / ".graded" / name / lesson
            now = fingerprint(output / "submitted" / name / lesson, course / "solutions" / lesson, isolate, timeout)
            done = mark.exists() and mark.read_text() == now  # or it was stopped halfway, or something is new
            try:
                if not done:
                    mark.unlink(missing_ok=True)
                convert(Autograde, config, log, lesson, name, force=force or not done)
                convert(GenerateFeedback, config, log, lesson, name, force=True)
                mark.parent.mkdir(parents=True, exist_ok=True)
                mark.write_text(now)
            except NbGraderException:
                skipped.append(f"{name}, {lesson}: the reason stands in {output / 'grading.log'}.")
                continue
            rows.append(read_row(config, output, name, lesson, note))
        with Gradebook(config.CourseDirectory.db_url) as gradebook:
            if student is None:
                rows += withdrawn(gradebook, lessons, {(name, lesson) for name, lesson, _ in todo}, skipped)
            exporter = CsvExportPlugin(config=config)
            exporter.log, exporter.to = log, str(output / "grades.csv")
            exporter.export(gradebook)
    except OperationalError as error:
        raise Problem(
            f"The gradebook {output / 'gradebook.db'} cannot be written ({error.orig}). Make room or give write permission, then run it again."
        ) from None
    finally:
        for handler in log.handlers:
            handler.close()
    return rows, skipped


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


def convert(kind, config, log, lesson, student="*", force=False):
    """Run one of nbgrader's converters for one lesson (and student)."""
    course = CourseDirectory(config=config, assignment_id=lesson, student_id=student)
    converter = kind(coursedir=course, config=config, log=log)
    converter.force = force
    converter.start()


def collect(submissions: Path, lessons, target: Path, student=None):
    """Copy submissions to nbgrader's layout: [(student, lesson, note)], and a sentence for each that cannot be taken."""
    if not submissions.is_dir():
        raise Problem(
            f"There is no folder {submissions}; give the folder that holds STUDENT/LESSON/LESSON.ipynb with --submissions."
        )
    students = sorted(p.name for p in submissions.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))
    if student is not None and student not in students:
        raise Problem(
            f"There is no folder for the student {student!r} in {submissions}; there are: {', '.join(students) or 'none'}."
        )
    todo, skipped = [], []
    for name in students if student is None else [student]:
        for lesson in lessons:
            folder = submissions / name / lesson
            if folder.is_symlink():
                skipped.append(f"{name}, {lesson}: the folder is a link; links are not followed.")
            elif folder.is_dir():
                try:
                    chosen, note = choose(folder, lesson)
                    if chosen is None:
                        skipped.append(f"{name}, {lesson}: {note}")
                        continue
                    left_out = copy(folder, chosen, target / name / lesson, lesson)
                    todo.append((name, lesson, " ".join(filter(None, [note, left_out]))))
                except (OSError, RecursionError) as error:
                    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                        raise
                    skipped.append(
                        f"{name}, {lesson}: it cannot be copied ({getattr(error, 'strerror', None) or type(error).__name__})."
                    )
    return todo, skipped


def strays(submissions: Path, known) -> list[str]:
    """A sentence for each notebook that does not lie in STUDENT/LESSON/: nobody's work is passed over in silence.

    known: the names of all lessons, whether they are graded now or not.
    """
    found = [*submissions.glob("*.ipynb"), *submissions.glob("*/*.ipynb")]
    found += [path for path in submissions.glob("*/*/*.ipynb") if path.parent.name not in known]
    paths = [path.relative_to(submissions) for path in found if path.is_file()]
    paths = [path for path in paths if not path.parts[0].startswith((".", "_")) or len(path.parts) == 1]
    lines = [f"{path}: it should be at STUDENT/LESSON/LESSON.ipynb, with the name of a lesson." for path in paths]
    return sorted("".join(filter(str.isprintable, line)) for line in lines)


def withdrawn(gradebook, lessons, graded, skipped) -> list[Row]:
    """Rows for submissions that the gradebook has from before and the folder no longer holds."""
    named = {line.partition(":")[0] for line in skipped}
    rows = []
    for lesson in lessons:
        for old in gradebook.assignment_submissions(lesson):
            key = (old.student.id, lesson)
            if key not in graded and ", ".join(key) not in named:
                rows.append(Row(*key, old.score, old.max_score, notes=["graded before, and no longer in the folder"]))
    return rows


def fingerprint(submission: Path, source: Path, *settings) -> str:
    """A text that differs where the submission, the instructor's files, or the settings differ."""
    found = hashlib.sha256(repr(settings).encode())
    for folder in (submission, source):
        for path in sorted(p for p in folder.rglob("*") if stat.S_ISREG(p.lstat().st_mode)):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            found.update(repr((os.fsencode(path.relative_to(folder)), content)).encode())
    return found.hexdigest()


def choose(folder: Path, lesson: str):
    """The notebook to grade and a note about the choice; (None, why) where there is none or the choice is not clear."""
    found = sorted(p for p in folder.rglob("*.ipynb") if p.is_symlink() or p.is_file())
    found = [p for p in found if ".ipynb_checkpoints" not in p.parts]
    right = [p for p in found if p.name == f"{lesson}.ipynb"]
    if folder / f"{lesson}.ipynb" in right:
        right = [folder / f"{lesson}.ipynb"]
    if len(right) == 1:
        others = ", ".join("".join(filter(str.isprintable, str(p.relative_to(folder)))) for p in found if p != right[0])
        return right[0], f"also handed in, not graded: {others}" if others else ""
    if len(right) > 1:
        return None, f"there are {len(right)} notebooks named {lesson}.ipynb; leave the one that counts."
    if len(found) == 1:
        return found[0], f"handed in as {''.join(filter(str.isprintable, found[0].name))}"
    return None, f"there is no {lesson}.ipynb" + (
        f" among its {len(found)} notebooks; rename the one that counts." if found else "."
    )


def copy(folder: Path, chosen: Path, target: Path, lesson: str) -> str:
    """Copy a submission, but no links and devices, which nbgrader would read; a note about what was left out."""
    if folder.resolve() == target.resolve():
        return ""
    odd = []

    def left_out(where, names):
        strange = [
            n
            for n in names
            if stat.S_IFMT(os.lstat(os.path.join(where, n)).st_mode) not in (stat.S_IFREG, stat.S_IFDIR)
        ]
        odd.extend(strange)
        return {*strange, *(n for n in names if n.endswith(".ipynb") or n == ".ipynb_checkpoints")}

    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(folder, target, ignore=left_out)
    shutil.copy2(chosen, target / f"{lesson}.ipynb", follow_symlinks=False)
    stamp = target / "timestamp.txt"
    try:
        stamp.is_file() and utils.parse_utc(stamp.read_text().strip())
    except (ValueError, OverflowError):
        stamp.unlink()
        odd.append(stamp.name)
    return "Links, devices and unreadable times were left out." if odd else ""


def read_row(config, output, student, lesson, note) -> Row:
    """What the gradebook and the graded notebook say of one submission."""
    row = Row(student, lesson, notes=[note] if note else [])
    with Gradebook(config.CourseDirectory.db_url) as gradebook:
        submission = gradebook.find_submission(lesson, student)
        row.score, row.points = submission.score, submission.max_score
        grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
        row.to_mark = sum(grade.max_score for grade in grades if grade.needs_manual_grade)
    notebook = nbformat.read(output / "autograded" / student / lesson / f"{lesson}.ipynb", as_version=4)
    row.notes += execute.notes_on(notebook)
    if not row.score and not row.notes:
        row.notes += reason(notebook)
    return row


def reason(notebook) -> list[str]:
    """In a few words, what most tests without points failed of: a class of zeros must not look alike."""
    said = Counter()
    for cell in notebook.cells:
        if utils.is_grade(cell) and cell.cell_type == "code" and cell.metadata.nbgrader.points:
            errors = [output for output in cell.outputs if output.output_type == "error"]
            words = errors[0].evalue.strip().splitlines() if errors else []
            said[words[0][:100] if words else "no verdict"] += 1
    return [f"{count} of {said.total()} tests: {words}" for words, count in said.most_common(1)]


def table(rows: list[Row]) -> Table:
    """The rows as a table for a terminal."""
    out = Table(title=f"{len(rows)} submissions", title_justify="left")
    for name, justify in (
        ("student", "left"),
        ("lesson", "left"),
        ("score", "right"),
        ("of", "right"),
        ("to mark", "right"),
        ("note", "left"),
    ):
        out.add_column(name, justify=justify, overflow="fold")
    for row in rows:
        notes = " ".join(note for note in row.notes if note != execute.NOT_ISOLATED)
        out.add_row(
            row.student,
            row.lesson,
            f"{row.score:g}",
            f"{row.points:g}",
            f"{row.to_mark:g}" if row.to_mark else "",
            notes.replace("[", r"\["),
        )
    return out


def check_lessons(course: Path, lessons, isolate=True) -> int:
    """Grade each lesson's own solution and its untouched release; 0 if they get all and none of the points that a test gives."""
    names = lessons or sorted(p.parent.name for p in (course / "solutions").glob("*/*.ipynb"))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        class_ = Path(folder) / "class"
        for lesson in names:
            for student, tree in (("solution", "solutions"), ("release", "notebooks")):
                path = course / tree / lesson / f"{lesson}.ipynb"
                if not path.exists():
                    raise Problem(f"{path} is missing; run `make build`.")
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
