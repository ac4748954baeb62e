"""What grading keeps on disk between runs: results under the hash of all they come from, and what is known of each submission.

Every file is written beside its place and then moved there, so that a run that is killed leaves it whole, old or new. Where a machine
that stops loses what it had not yet put on its disk, the next run sees it: results are checked as they are unpacked, pages by their size.
"""

import contextlib
import functools
import gzip
import hashlib
import json
import os
import platform
import socket
import tempfile
import zlib
from importlib.metadata import version
from pathlib import Path

from autograder.problem import Problem

try:
    import fcntl
except ImportError:  # no lock on Windows, where there is no isolation either
    fcntl = None


def write(path: Path, data: bytes | str) -> None:
    """Put `data` at `path`, all of it or nothing, whenever this process ends."""
    with written(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def written(path: Path):
    """A file that is at `path` once it is whole; nobody else writes to it meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, new = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with open(descriptor, "w+b") as file:
            yield file
        os.chmod(new, 0o644)
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


def read(path: Path) -> dict:
    """What a file of the grader's says; nothing where it is not there or not whole."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def digest(*parts: bytes | str) -> str:
    """A hash of the parts, each apart from the next.

    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    found = hashlib.sha256()
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()


@functools.cache
def grader() -> str:
    """The hash of the grader itself: a result of another version of it, or of what it stands on, is no result of this one."""
    root = Path(__file__).parents[1]
    files = sorted(path for name in ("autograder", "cnnlib") for path in (root / name).rglob("*.py"))
    versions = [f"{name} {version(name)}" for name in ("numpy", "nbgrader", "nbconvert", "ipython")]
    parts = [part for path in files for part in (path.relative_to(root).as_posix(), path.read_bytes())]
    return digest(platform.python_version(), *versions, *parts)


class Store:
    """The folder `.graded` of the results' folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def _place(self, key):
        return self.folder / "results" / key[:2] / f"{key}.json.gz"

    def result(self, key: str) -> dict | None:
        """The result that was kept under `key`; None where there is none, or not a whole one."""
        try:
            return json.loads(gzip.decompress(self._place(key).read_bytes()))
        except (OSError, EOFError, ValueError, zlib.error):
            return None

    def keep(self, key: str, result: dict) -> None:
        write(self._place(key), gzip.compress(json.dumps(result).encode(), 3))

    def mark(self, student: str, lesson: str) -> dict:
        """What is done for a submission, as `set_mark` was told; {} where that is not known."""
        return read(self.folder / "marks" / student / lesson)

    def set_mark(self, student: str, lesson: str, **known) -> None:
        write(self.folder / "marks" / student / lesson, json.dumps(known))

    def clear_mark(self, student: str, lesson: str) -> None:
        (self.folder / "marks" / student / lesson).unlink(missing_ok=True)

    def begin(self, lesson: str, students: list[str]) -> None:
        """Remember, for the report and the export, whose submissions are to be graded, until `end` says that they were."""
        write(self.folder / "unfinished" / lesson, json.dumps({"students": students}))

    def unfinished(self, lesson: str) -> set[str]:
        """Whose submissions were to be graded, where no `end` followed; else nobody's."""
        return set(read(self.folder / "unfinished" / lesson).get("students", []))

    def add_collected(self, lesson: str, students: set[str]) -> None:
        """Remember whose submissions, or what tells a penalty of them, are other than graded, until `set_collected` says less."""
        if not students <= self.collected(lesson):
            self.set_collected(lesson, students | self.collected(lesson))

    def set_collected(self, lesson: str, students: set[str]) -> None:
        write(self.folder / "collected" / lesson, json.dumps({"students": sorted(students)}))

    def collected(self, lesson: str) -> set[str]:
        """Whose submissions were collected since they were graded."""
        return set(read(self.folder / "collected" / lesson).get("students", []))

    def end(self, lesson: str) -> None:
        (self.folder / "unfinished" / lesson).unlink(missing_ok=True)

    def set_sources(self, lesson: str, sources: dict[str, str]) -> None:
        """Remember by which files of the course all of a lesson were graded: {name: digest}"""
        write(self.folder / "sources" / lesson, json.dumps(sources))

    def other_sources(self, lesson: str, course: Path) -> list[str]:
        """Which of them have changed since then."""
        known = read(self.folder / "sources" / lesson).items()
        there = [(course / name, name, before) for name, before in known if (course / name).is_file()]
        return [name for path, name, before in there if digest(path.read_bytes()) != before]

    def at_work(self) -> bool:
        """Whether a grader holds this folder now, see `alone`."""
        if fcntl is None or not (self.folder / "lock").exists():
            return False
        with open(self.folder / "lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


@contextlib.contextmanager
def alone(folder: Path):
    """Hold `folder` for one grader, or for a collection. Raises Problem while another has it; the lock goes with its process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = " ".join(file.read().split())[:100] or "another process"
                raise Problem(
                    f"{folder.parent} is in use by a grader or a collection ({holder}). Wait until that ends, or choose another --output."
                ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
