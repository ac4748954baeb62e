"""The two-process run inside nbgrader: an exporter that reads any submission, and two preprocessors.

`configure(c)` in a course's nbgrader_config.py puts them in the place of nbgrader's OverwriteCells and Execute.
"""

import base64
import binascii
import functools
import os
import re
import stat
import sys
import threading
from multiprocessing.util import Finalize
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import AssignLatePenalties, CheckCellMetadata, NbGraderPreprocessor
from traitlets import Bool, Float, Integer

from autograder import feedback, overlay, stamps
from autograder.marks import SaveGrades
from autograder.runner import Plan, Result, Runner, SetupFailed
from autograder.sandbox import Limits, SandboxError, require

FILES_BYTES = 10 << 20
NOTE = "> **Note from the grader.** "
NOT_RUN = "Not run; the note at the top says why."
NOT_ISOLATED = "This submission was graded without isolation (`--no-sandbox`)."
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")

_threads = threading.local()


def configure(c):
    """Grade with the two-process run: call this in nbgrader_config.py with its `get_config()`."""
    c.Autograde.exporter_class = SubmissionExporter
    c.Autograde.sanitize_preprocessors = [Overlay, CheckCellMetadata]
    c.Autograde.autograde_preprocessors = [TwoProcessRun, SaveGrades, AssignLatePenalties, CheckCellMetadata]
    feedback.configure(c)
    programs = str(Path(sys.executable).parent)  # nbgrader calls `alembic` by name
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + os.environ.get("PATH", "")


ADD_IT = "Add to it: `from autograder.execute import configure` and `configure(get_config())`."


def configured(config) -> bool:
    """Whether students' code runs in the two-process run alone; nbgrader's own Execute has no isolation."""
    kinds = config.get("Autograde", {}).get("autograde_preprocessors", [])
    kinds = kinds if isinstance(kinds, list) else []  # what was appended to nbgrader's own
    names = {kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__ for kind in kinds}
    return "TwoProcessRun" in names and "Execute" not in names


class SubmissionExporter(NotebookExporter):
    """Reads what a student handed in; what cannot be read becomes an untouched notebook with a note, never an exception."""

    isolate = Bool(True, help="Refuse to grade where the students' code cannot be isolated.").tag(config=True)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        isolate = TwoProcessRun(parent=self).isolate
        try:
            if isolate:
                require()
            self._try_setup(isolate)
        except (SandboxError, SetupFailed) as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from None

    def _try_setup(self, isolate):
        """Raises SetupFailed, before anything is changed, where an instructor's set-up cell fails without any student."""
        course = getattr(self.parent, "coursedir", None)
        if course is not None and course.assignment_id:
            for path in Path(course.format_path(course.source_directory, ".", course.assignment_id)).glob("*.ipynb"):
                setup = overlay.setup(nbformat.read(path, as_version=4))
                if setup:
                    runner().run(Plan([], setup=setup, isolate=isolate))

    def from_filename(self, filename, resources=None, **kwargs):
        if not getattr(self.parent, "_sanitizing", False):
            return super().from_filename(filename, resources=resources, **kwargs)
        try:
            cells, notes = overlay.read(filename), []
        except overlay.Unreadable as problem:
            cells, notes = [], [str(problem)]
        resources["autograder"] = {"cells": cells, "notes": notes}
        return self.from_notebook_node(nbformat.v4.new_notebook(), resources, **kwargs)


class _Step(NbGraderPreprocessor):
    """What both steps share: the instructor's notebook, found through the converter that runs them."""

    @property
    def converter(self):
        return self.parent.parent

    def folder(self, resources):
        course = self.converter.coursedir
        return Path(course.format_path(course.source_directory, ".", resources["nbgrader"]["assignment"]))

    def source(self, resources):
        path = self.folder(resources) / f"{resources['nbgrader']['notebook']}.ipynb"
        if not path.exists():
            raise NbGraderException(
                f"The instructor's notebook {path} is missing; grading needs it. Put it back or build it again."
            )
        return nbformat.read(path, as_version=4)


class Overlay(_Step):
    """Puts the submission's answers on the instructor's notebook (see `overlay.py`); no hidden test is written to disk."""

    def preprocess(self, nb, resources):
        submitted = resources.get("autograder") or {"cells": overlay.found(nb), "notes": []}
        names = resources["nbgrader"]
        released = overlay.release(self.source(resources), self.config)
        remove_links(self.converter, names["assignment"], names["student"])
        lessons = _labels(self.folder(resources).parent)
        return laid(released, submitted["cells"], names["notebook"], submitted["notes"], lessons), resources


_labels = functools.lru_cache(overlay.labels)  # nbgrader makes its steps anew for every submission


def remove_links(converter, assignment, student):
    """nbgrader has copied what the submission's links point to; take that away again."""
    submitted = Path(converter.coursedir.format_path(converter.coursedir.submitted_directory, student, assignment))
    copied = Path(converter._format_dest(assignment, student))
    for folder, _, files in os.walk(submitted):
        for name in files:
            if not stat.S_ISREG(os.lstat(os.path.join(folder, name)).st_mode) and not name.endswith(".ipynb"):
                (copied / Path(folder).relative_to(submitted) / name).unlink(missing_ok=True)


class TwoProcessRun(_Step):
    """Runs the student's cells in a sandbox and the tests here; fills in the outputs from which nbgrader takes the scores."""

    isolate = Bool(True, help="Run students' code in a bubblewrap sandbox. Off: a plain process with limits only.").tag(
        config=True
    )
    cell_seconds = Float(Limits.cell_seconds, help="Limit for one cell of the student's.").tag(config=True)
    call_seconds = Float(Limits.call_seconds, help="Limit for one call of a student's function by a test.").tag(
        config=True
    )
    test_seconds = Float(Limits.test_seconds, help="Limit for one test cell.").tag(config=True)
    seconds = Float(Limits.seconds, help="Limit for a whole submission.").tag(config=True)
    memory = Integer(Limits.memory, help="Bytes that a submission's processes may use together.").tag(config=True)
    disk = Integer(Limits.disk, help="Bytes of a submission's temporary folder.").tag(config=True)
    processes = Integer(Limits.processes, help="Processes and threads that a submission may have.").tag(config=True)

    def preprocess(self, nb, resources):
        source, names = self.source(resources), resources["nbgrader"]
        folder = Path(self.converter._format_dest(names["assignment"], names["student"]))
        files, notes = beside({str(path.relative_to(folder)): path for path in folder.rglob("*")})
        try:
            released = overlay.release(source, self.config)
            return run(nb, source, released, files, notes, self.limits(), self.isolate), resources
        except SetupFailed as error:
            raise NbGraderException(str(error)) from None

    def limits(self) -> Limits:
        return Limits(**{name: getattr(self, name) for name in Limits.__dataclass_fields__})


def runner() -> Runner:
    """This thread's runner."""
    if not hasattr(_threads, "runner"):
        _threads.runner = Runner()
        Finalize(None, _threads.runner.close, exitpriority=0)  # atexit would not do it where multiprocessing began us
    return _threads.runner


def laid(released, cells, name, why_not, lessons):
    """A submission's cells on the student's version of the notebook (see `overlay.py`), with notes; no hidden test is in it.

    why_not: sentences that say why it cannot be run, or none.
    """
    nb, repaired = overlay.overlay(released, cells, name, lessons)
    if why_not:
        nb.metadata["autograder"] = {"not_run": True}
    for note in reversed(why_not + repaired):
        nb.cells.insert(0, _note(note))
    return nb


def run(nb, source, released, files, notes, limits, isolate):
    """Run what `laid` made, fill in the outputs, put `notes` at the beginning. Raises SandboxError, SetupFailed."""
    if nb.metadata.get("autograder", {}).get("not_run"):
        return without_run(nb)
    todo = overlay.plan(source, released, nb, files=files, limits=limits, isolate=isolate)
    results = {result.id: result for result in runner().run(todo)}
    for cell in nb.cells:
        if cell.cell_type == "code":
            label = overlay.grade_id(cell) or cell.get("id", "")
            fill(cell, results.get(label, Result(label)), overlay.is_test(cell))
    failed = [
        f"The instructor's set-up cell failed: {result.message.splitlines()[0]} Tell your instructor."
        for cell in nb.cells
        if "setup" in cell.metadata.get("tags", [])
        and (result := results.get(overlay.grade_id(cell))) is not None
        and result.message
    ]
    for note in notes + failed + ([] if isolate else [NOT_ISOLATED]):
        nb.cells.insert(0, _note(note))
    overlay.number(nb)
    return nb


def without_run(nb):
    """What `laid` made, every test without a verdict."""
    for cell in nb.cells:
        if overlay.is_test(cell):
            fill(cell, Result("", message=NOT_RUN), test=True)
    return nb


def beside(paths: dict[str, Path]) -> tuple[dict[str, bytes], list[str]]:
    """The files beside a notebook, by name, for the worker's folder; and notes about those that were left out."""
    files, notes, room = {}, [], FILES_BYTES
    for name, path in sorted(paths.items()):
        if path.suffix == ".ipynb" or name == stamps.NAME or path.is_symlink() or not path.is_file():
            continue
        if name != _plain(name):
            notes.append(
                f"The file {_plain(name)} was left out, because its name holds characters that cannot be shown."
            )
            continue
        room -= path.stat().st_size
        if room < 0:
            notes.append(
                f"The files beside the notebook are larger than {FILES_BYTES >> 20} MB; {path.name} and those after it were left out."
            )
            break
        files[name] = path.read_bytes()
    return files, notes


def fill(cell, result, test):
    """Write a result into a cell the way nbgrader reads it; a test without a positive verdict becomes an error."""
    cell.outputs, cell.execution_count = [], None
    if not test:
        cell.outputs = [nbformat.from_dict(output) for output in map(_harmless, result.outputs) if output]
        if result.message:
            cell.outputs.append(_error("Error", result.message))
        return
    points = float(cell.metadata.nbgrader.points)
    if result.score is None or not 0 < result.score <= points:
        if points > 0 or result.message or result.score is None:
            cell.outputs.append(_error("Test failed", result.message or "There is no verdict for this test."))
    elif result.score < points:
        cell.outputs.append(nbformat.v4.new_output("execute_result", data={"text/plain": repr(float(result.score))}))


def _plain(text):
    """Text that can be shown and written: no control characters, no halves of characters."""
    return _CONTROL.sub("", text).encode(errors="replace").decode()


def _error(name, message):
    message = _plain(message)
    head = message.split("\n")[0][:300]
    return nbformat.v4.new_output("error", ename=name, evalue=head, traceback=message.split("\n"))


def _harmless(output):
    """Text and pictures only: nothing of a student's may run in a browser."""
    if output["output_type"] == "stream":
        return {**output, "name": "stdout", "text": _plain(output["text"])}
    data = {}
    for kind, value in output["data"].items():
        if kind == "text/plain":
            data[kind] = _plain(value)
        elif kind in ("image/png", "image/jpeg"):
            try:
                base64.b64decode(value, validate=False)
                data[kind] = re.sub(r"[^A-Za-z0-9+/=]", "", value)
            except (binascii.Error, ValueError):
                continue
    return {**output, "data": data} if data else None


def _note(text):
    text = " ".join(_plain(text).split()).replace("<", "&lt;")
    return nbformat.v4.new_markdown_cell(NOTE + text, metadata={"autograder": {"note": True}})


def notes_on(nb) -> list[str]:
    """What the grader noted on a graded notebook. A student's cell that looks like a note is none."""
    return [c.source.removeprefix(NOTE) for c in nb.cells if c.metadata.get("autograder", {}).get("note")]
