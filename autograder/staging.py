"""From what one student handed in to files in a folder of ours, with sentences on what was left out or cannot be read."""

import errno
import hashlib
import os
import stat
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from autograder import archive, intake, lms, overlay, stamps
from autograder.archive import Refused, plain
from autograder.lms import Attempt
from autograder.wording import capital, some

SUBMISSION_BYTES = 50 << 20
NOTES = 10  # on files of one submission


@dataclass
class Staged:
    """An attempt whose files lie in a folder of ours."""

    attempt: Attempt
    folder: Path
    digest: str
    why_not: str = ""  # it cannot be graded
    unreadable: str = ""  # it will be graded 0, with this reason
    another: str = ""  # it is another lesson's notebook, with this reason
    notes: tuple = ()


class Staging:
    """Where attempts at a lesson lie until it is settled which one counts. labels: those of all lessons."""

    def __init__(self, folder: Path, lesson: str, notebooks: set[str], labels: dict[str, list[str]]):
        self.folder, self.lesson, self.notebooks, self.labels = folder, lesson, notebooks, labels

    def stage(self, attempt: Attempt) -> Staged:
        """Write an attempt's files to a folder of ours."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        notes, room = [attempt.note] if attempt.note else [], SUBMISSION_BYTES
        files = list(attempt.files)
        if not any(rest.lower().endswith(".ipynb") for rest, _ in files):
            files = _unzipped(files, notes)
        if len(files) > archive.MAX_FILES:
            notes.append(f"It has {len(files):,} files; those after the first {archive.MAX_FILES} were left out.")
            files = sorted(files, key=lambda f: not f[0].lower().endswith(".ipynb"))[: archive.MAX_FILES]
        files.sort(key=lambda f: not f[0].lower().endswith(".ipynb"))  # the notebook has the first claim on the room
        own_time = attempt.form == "nbgrader"
        named = Counter(self._named(rest) for rest, _ in files)
        for rest, entry in files:
            if named[self._named(rest)] == 1:  # of two copies, nothing tells which one it was
                rest = self._named(rest)
            if rest.split("/")[0] == stamps.NAME and not (own_time and rest == stamps.NAME):
                continue  # a student's own word on when it was
            try:
                if entry.size > room:
                    raise Refused(f"the submission is larger than {SUBMISSION_BYTES >> 20} MB; it was left out.")
                content = entry.read()
                room -= len(content)
                target = free(folder / archive.short_path(rest))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            except Refused as problem:
                notes.append(f"{rest}: {problem}")
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                    raise
                notes.append(f"{rest}: it cannot be written here ({error.strerror}); it was left out.")
        if attempt.form == "nbgrader" and not attempt.submitted:
            attempt.submitted = stamps.read(folder)
            attempt.said = str(attempt.submitted)
        if len(notes) > NOTES:
            notes = [*notes[:NOTES], f"And {len(notes) - NOTES:,} more of its files were left out."]
        return self._called_right(self.look(Staged(attempt, folder, "", notes=tuple(notes))))

    def _called_right(self, staged):
        """With the name by which nbgrader finds the notebook, where there is one alone."""
        found, right = [*staged.folder.rglob("*.ipynb")], staged.folder / f"{self.lesson}.ipynb"
        if found and found != [right] and [path.parent for path in found] == [staged.folder] and not staged.another:
            staged.notes += (f"Handed in as {plain(found[0].name)}.",)
            found[0].rename(right)
            staged.digest = digest(staged.folder)
        return staged

    def _named(self, rest):
        """The lesson's own name for its notebook where only a copy's number stands behind it."""
        head, slash, name = rest.rpartition("/")
        return head + slash + lms.base_name(name, self.notebooks)

    def look(self, staged: Staged) -> Staged:
        """The same with what its notebooks say, and its digest."""
        notebooks = sorted(staged.folder.rglob("*.ipynb"))
        if not notebooks:
            names = sorted(rest for rest, _ in staged.attempt.files)
            has = f", only {some(list(map(plain, names)), 3)}" if names else ""
            if any(name.lower().endswith(".ipynb") for name in names):
                has = " that could be taken"
            staged.why_not = " ".join([f"there is no notebook in it{has}.", *map(capital, staged.notes)])
            return staged
        mine = [path for path in notebooks if path.name in self.notebooks] or notebooks[:1]
        chosen, note = intake.choose(staged.folder, self.lesson) if self.lesson in self.labels else (None, "")
        if len(notebooks) > 1:
            staged.notes += (note,)
        for path in [chosen] if chosen else mine:
            try:
                cells = overlay.read(path)
                if path == chosen:
                    staged.another = overlay.another(cells, self.lesson, self.labels)
                    staged.notes += (staged.another,)
            except overlay.Unreadable as problem:
                staged.unreadable = str(problem)
        staged.digest = digest(staged.folder)
        return staged


def _unzipped(files, notes):
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
            notes += [
                f"{e.path} in {rest}: a zip within a zip is not opened."
                for e in found
                if e.path.lower().endswith(".zip")
            ]
        except Refused as problem:
            notes.append(f"{rest}: {problem}")
    return out


def digest(folder):
    """A text that differs where the files differ; when they were handed in is not among them."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if stat.S_ISREG(p.lstat().st_mode)):
        name = path.relative_to(folder)
        if any(part.startswith(".") for part in name.parts):  # of Jupyter, a Mac, or a run that was killed
            continue
        if str(name) not in (stamps.NAME, "submission_secret.txt"):
            found.update(repr((os.fsencode(name), hashlib.sha256(path.read_bytes()).digest())).encode())
    return found.hexdigest()


def free(path):
    """The path, or the first with a number behind it that is not taken."""
    number, free = 1, path
    stem, suffix = (path.name, "") if path.is_dir() else (path.stem, path.suffix)
    while free.exists():
        number += 1
        free = path.with_name(f"{stem} ({number}){suffix}")
    return free
