"""One submission, from the bytes that were handed in to its graded notebook: no database, no course folder, on any machine."""

import functools
import json
import time
import zlib
from dataclasses import asdict, dataclass, field

import nbformat

from autograder import execute, overlay
from autograder.sandbox import Limits, SandboxError, require
from autograder.store import digest, grader


@dataclass(frozen=True)
class Lesson:
    """The instructor's side of a lesson."""

    name: str
    source: str  # the instructor's notebook
    released: str  # the student's, as it was handed out
    limits: Limits
    isolate: bool

    def pack(self) -> bytes:
        return zlib.compress(json.dumps(asdict(self)).encode())


@dataclass(frozen=True)
class Submission:
    """What was handed in. `problem` says why there is no notebook."""

    notebook: bytes = b""
    problem: str = ""
    files: dict[str, bytes] = field(default_factory=dict)  # beside the notebook
    notes: list[str] = field(default_factory=list)  # about these files

    def key(self, lesson: bytes, grader: str) -> str:
        """The hash of all that the result comes from."""
        files = [part for name in sorted(self.files) for part in (name, self.files[name])]
        return digest(grader, lesson, self.notebook, self.problem, json.dumps(self.notes), *files)


@functools.lru_cache(8)
def _unpacked(packed):
    data = json.loads(zlib.decompress(packed))
    data["limits"] = Limits(**data["limits"])
    lesson = Lesson(**data)
    return lesson, nbformat.reads(lesson.source, as_version=4), nbformat.reads(lesson.released, as_version=4)


def grade(packed: bytes, submission: Submission, labels: dict[str, list[str]]) -> dict:
    """The graded notebook, as nbgrader keeps it, and the seconds it took. Raises SandboxError, SetupFailed.

    labels: those of all lessons, by which another one's notebook is named; a new lesson makes no kept result an old one.
    """
    started = time.monotonic()
    lesson, source, released = _unpacked(packed)
    cells, why_not = _read(lesson, submission)
    nb = execute.laid(released, cells, lesson.name, why_not, labels)
    nb = execute.run(nb, source, released, submission.files, submission.notes, lesson.limits, lesson.isolate)
    return {"notebook": nbformat.writes(nb), "seconds": time.monotonic() - started}


def failed(packed: bytes, submission: Submission, labels: dict[str, list[str]], sentence: str) -> dict:
    """The result of a submission that could not be run: no test has a verdict, and a note says why."""
    lesson, _, released = _unpacked(packed)
    cells, why_not = _read(lesson, submission)
    nb = execute.without_run(execute.laid(released, cells, lesson.name, [sentence, *why_not], labels))
    return {"notebook": nbformat.writes(nb), "seconds": 0.0}


def _read(lesson, submission):
    """The cells of a submission, and why there are none."""
    if submission.problem:
        return [], [submission.problem]
    try:
        return overlay.parse(submission.notebook, f"{lesson.name}.ipynb"), []
    except overlay.Unreadable as problem:
        return [], [str(problem)]


def ready(version: str, isolate: bool) -> str:
    """Why this machine cannot grade for a grader of that version; "" if it can."""
    if grader() != version:
        return "its grader, cnnlib, numpy or nbgrader is of another version; install the same."
    try:
        if isolate:
            require()
    except SandboxError as error:
        return str(error)
    return ""
