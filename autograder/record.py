"""Writes results to the gradebook and to `autograded/`, one after the other, through nbgrader's own converter.

nbgrader opens the gradebook five times for a submission and commits after every cell. Here it stays open, and a submission is one
transaction: whenever the machine stops, the gradebook has all of a submission's new grades or none.
"""

import contextlib
import functools
import os
import shutil
from pathlib import Path

import nbformat
from alembic.script import ScriptDirectory
from nbgrader import api, dbutil, utils
from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    Notebook,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.converters import Autograde, autograde
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import latesubmissions, saveautogrades
from sqlalchemy import insert, select, text
from sqlalchemy.exc import OperationalError
from traitlets.utils.importstring import import_item

from autograder import execute, stamps, standing
from autograder.store import write

# nbgrader asks the command `alembic` for this, which takes seconds
api.get_alembic_version = functools.cache(lambda: ScriptDirectory(dbutil.ALEMBIC_DIR).get_current_head())

INDICES = {"grade": "notebook_id", "comment": "notebook_id", "submitted_notebook": "assignment_id"}


def _once(find, of_course=False):
    """What was found is not looked for again until the changes are saved; what belongs to the course, ever."""

    @functools.wraps(find)
    def found(self, *names):
        known, key = self._of_course if of_course else self._found, (find.__name__, *names)
        if key not in known:
            known[key] = find(self, *names)
        return known[key]

    return found


class OpenGradebook(Gradebook):
    """A gradebook that stays open, whose changes wait for `save`, and which reads a submission's rows once for all its cells."""

    find_assignment = _once(Gradebook.find_assignment, of_course=True)
    find_notebook = _once(Gradebook.find_notebook, of_course=True)
    find_student = _once(Gradebook.find_student)
    find_submission = _once(Gradebook.find_submission)
    find_submission_notebook = _once(Gradebook.find_submission_notebook)

    def __init__(self, url: str, course_id: str):
        self._rows, self._names, self._found, self._of_course, self._forms = {}, {}, {}, {}, {}
        super().__init__(url + "?timeout=60", course_id)  # seconds that Formgrader may take to finish its own writing
        for table, column in INDICES.items():  # nbgrader looks for rows by these; without them, among all of the class
            self.db.execute(text(f"CREATE INDEX IF NOT EXISTS {table}_by_{column} ON {table} ({column})"))
        self.db.commit()
        self.db().expire_on_commit = False
        self.db.commit = lambda: None  # what is asked for next is still found: a query writes first

    def close(self):
        """nbgrader's steps close it after each use; `end` does."""

    def end(self):
        super().close()

    def save(self):
        """Write a submission's changes at once, and let go of its rows."""
        self.db().commit()
        for row in list(self.db):
            if not isinstance(row, (Assignment, Notebook, BaseCell)):
                self.db.expunge(row)
        self._rows, self._found = {}, {}

    def forget(self):
        """Give up what was not saved, and read everything anew."""
        self.db().rollback()
        self.db.expunge_all()
        self._rows, self._found, self._of_course = {}, {}, {}

    def add_submission(self, assignment, student, **columns):
        """As nbgrader's, with a row for every cell; a class of thousands feels that here they are written at once."""
        if "timestamp" in columns:
            columns["timestamp"] = utils.parse_utc(columns["timestamp"])
        if assignment not in self._forms:
            self._forms[assignment] = [
                (
                    notebook.id,
                    [cell.id for cell in notebook.grade_cells + notebook.task_cells],
                    [cell.id for cell in notebook.solution_cells + notebook.task_cells],
                )
                for notebook in self.find_assignment(assignment).notebooks
            ]
        columns |= {"assignment_id": self.find_assignment(assignment).id, "student_id": student}
        self.db.flush()
        submission = self._insert(SubmittedAssignment, [columns])[0]
        for notebook, graded, commented in self._forms[assignment]:
            theirs = self._insert(SubmittedNotebook, [{"assignment_id": submission, "notebook_id": notebook}])[0]
            self._insert(Grade, [{"notebook_id": theirs, "cell_id": cell} for cell in graded])
            self._insert(Comment, [{"notebook_id": theirs, "cell_id": cell} for cell in commented])
        return self.find_submission(assignment, student)

    def _insert(self, kind, rows):
        """New rows with new ids; the ids."""
        ids = [api.new_uuid() for _ in rows]
        if rows:
            self.db.execute(insert(kind.__table__), [{"id": id_, **row} for id_, row in zip(ids, rows, strict=True)])
        return ids

    def find_grade(self, grade_cell, notebook, assignment, student):
        return self._row(Grade, grade_cell, notebook, assignment, student) or super().find_grade(
            grade_cell, notebook, assignment, student
        )

    def find_comment(self, solution_cell, notebook, assignment, student):
        return self._row(Comment, solution_cell, notebook, assignment, student) or super().find_comment(
            solution_cell, notebook, assignment, student
        )

    def _row(self, kind, name, *names):
        if (kind, *names) not in self._rows:
            rows = list(self.db.scalars(select(kind).where(kind.notebook == self.find_submission_notebook(*names))))
            if not {row.cell_id for row in rows} <= self._names.keys():
                self._names = {cell: label for cell, label in self.db.execute(select(BaseCell.id, BaseCell.name))}
            self._rows[kind, *names] = {self._names[row.cell_id]: row for row in rows}
        return self._rows[kind, *names].get(name)

    def deadline_now(self, lesson: str):
        """When it is due; Formgrader may have moved that since it was asked for the last time."""
        assignment = self.find_assignment(lesson)
        self.db.refresh(assignment, ["duedate"])
        return assignment.duedate

    def extension_of_nothing(self, lesson: str, student: str) -> bool:
        """Whether nbgrader would add an extension to a deadline that there is not."""
        if self.find_assignment(lesson).duedate is not None:
            return False
        try:
            return self.find_submission(lesson, student).extension is not None
        except MissingEntry:
            return False


class Course(CourseDirectory):
    """nbgrader's, to which a time that cannot be read is none: it would stop there."""

    def get_existing_timestamp(self, folder):
        return stamps.read(Path(folder))


class Recorder(Autograde):
    """nbgrader's converter with the results at hand: what it runs is left out, what it writes is as ever."""

    def begin(self, gradebook: OpenGradebook):
        self.gradebook, self.force = gradebook, True
        kinds = [import_item(kind) if isinstance(kind, str) else kind for kind in self.autograde_preprocessors]
        self.steps = [
            kind(parent=self) for kind in kinds if kind.__name__ not in ("TwoProcessRun", "CheckCellMetadata")
        ]

    def record(self, student: str, lesson: str, notebook: str) -> dict:
        """Put one graded notebook into `autograded/`, its scores into the gradebook, which then says what is returned (`standing.of`).

        Raises NbGraderException, OperationalError.
        """
        self.graded = nbformat.v4.reads(notebook)
        self.text, folder = notebook, self._format_source(lesson, student)
        self.assignments = {folder: [os.path.join(folder, f"{lesson}.ipynb")]}
        here = os.getcwd()
        os.chdir(self.coursedir.root)
        try:
            with _shared(self.gradebook):
                self.convert_notebooks()
            [(_, said)] = standing.of(self.gradebook, lesson, student)  # nobody else can write until this is saved
            submission = self.gradebook.find_submission(lesson, student)
            # by what the penalty was reckoned; Formgrader may have moved it since
            said["due"] = str((submission.assignment.duedate, submission.extension))
            self.gradebook.save()
            return said
        except BaseException as error:
            self.gradebook.forget()
            if isinstance(error, NbGraderException) and isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise
        finally:
            os.chdir(here)

    def init_assignment(self, assignment_id, student_id):
        super().init_assignment(assignment_id, student_id)
        if self.coursedir.get_existing_timestamp(self._format_source(assignment_id, student_id)) is None:
            self.gradebook.find_submission(assignment_id, student_id).timestamp = None  # not that of earlier work
        execute.remove_links(self, assignment_id, student_id)

    def convert_single_notebook(self, notebook_filename):
        resources = self.init_single_notebook_resources(notebook_filename)
        nb = self.graded
        for step in self.steps:
            nb, resources = step.preprocess(nb, resources)
        names = resources["nbgrader"]
        target = Path(self._format_dest(names["assignment"], names["student"])) / f"{names['notebook']}.ipynb"
        if target.is_dir():  # a folder that was handed in
            shutil.rmtree(target)
        write(target, self.text)


@contextlib.contextmanager
def _shared(gradebook):
    """Where nbgrader's steps open a gradebook, they get this one."""
    modules = (autograde, saveautogrades, latesubmissions)
    theirs = [module.Gradebook for module in modules]
    try:
        for module in modules:
            module.Gradebook = lambda *args, **kwargs: gradebook
        yield
    finally:
        for module, kind in zip(modules, theirs, strict=True):
            module.Gradebook = kind
