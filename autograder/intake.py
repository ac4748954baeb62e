"""What lies in a folder STUDENT/LESSON/LESSON.ipynb: which notebook of a submission counts, and a copy of it that holds no links."""

import os
import re
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from autograder import stamps
from autograder.overlay import MAX_BYTES
from autograder.problem import Problem
from autograder.wording import some

BESIDE_BYTES = 50 << 20  # of the files beside a notebook, all together


@dataclass
class Handed:
    """A submission that was found."""

    student: str
    lesson: str
    folder: Path
    notebook: Path
    notes: list[str] = field(default_factory=list)


def no_lesson(lesson: str, course: Path) -> Problem:
    """What is wrong where somebody names a lesson that there is not."""
    known = ", ".join(lessons(course)) or "none"
    return Problem(f"There is no lesson {lesson!r} in {course / 'solutions'}; there are: {known}.")


def lessons(course: Path) -> list[str]:
    """The names of a course's lessons."""
    return sorted({path.parent.name for path in (course / "solutions").glob("*/*.ipynb")})


def find(submissions: Path, lessons, only=None) -> tuple[list[Handed], list[str]]:
    """The submissions of all students, or of those named in `only`, and a sentence for each that cannot be taken. Raises Problem."""
    if not submissions.is_dir():
        raise Problem(
            f"There is no folder {submissions}; give the folder that holds STUDENT/LESSON/LESSON.ipynb with --submissions. "
            "A zip of a learning system is for `autograder collect`."
        )
    folders = sorted(p.name for p in submissions.iterdir() if p.is_dir() and p.name != "__MACOSX")
    students = [name for name in folders if not re.search(r"^\.|\n|[\ud800-\udfff]", name)]
    for name in only or ():
        if name not in students:
            raise Problem(
                f"There is no folder for the student {name!r} in {submissions}; there are: {some(students, 20) or 'none'}."
            )
    found, skipped = [], []
    for name in sorted(set(folders).difference(students)) if only is None else ():
        if any((submissions / name / lesson).is_dir() for lesson in lessons):
            skipped.append(
                f"{_shown(name)}: a student's name has no dot at its beginning, no line break and no broken characters; rename the folder."
            )
    for name in students if only is None else sorted(set(only)):
        if not any((submissions / name).iterdir()):
            skipped.append(f"{name}: the folder is empty.")
        elif only is not None and not any((submissions / name / lesson).is_dir() for lesson in lessons):
            skipped.append(f"{name}: there is no folder {' or '.join(lessons)} of this student's.")
        for lesson in lessons:
            folder = submissions / name / lesson
            if folder.is_symlink():
                skipped.append(f"{name}, {lesson}: the folder is a link; links are not followed.")
            elif folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
                skipped.append(f"{name}, {lesson}: the folder may not be opened; mend its permissions.")
            elif folder.is_dir():
                chosen, note = choose(folder, lesson)
                if chosen is None:
                    skipped.append(f"{name}, {lesson}: {note}")
                else:
                    found.append(Handed(name, lesson, folder, chosen, [note] if note else []))
    return found, skipped


def _shown(text):
    """Without the characters that no terminal shows, such as a line break."""
    return "".join(filter(str.isprintable, text))


def strays(submissions: Path, known) -> list[str]:
    """A sentence for each notebook that does not lie in STUDENT/LESSON/: nobody's work is passed over in silence.

    known: the names of all lessons, whether they are graded now or not.
    """
    found = [*submissions.glob("*.ipynb"), *submissions.glob("*/*.ipynb")]
    found += [path for path in submissions.glob("*/*/*.ipynb") if path.parent.name not in known]
    paths = [path.relative_to(submissions) for path in found if path.is_file()]
    paths = [path for path in paths if path.parts[0] not in ("__MACOSX", ".ipynb_checkpoints")]
    lines = [f"{path}: it should be at STUDENT/LESSON/LESSON.ipynb, with the name of a lesson." for path in paths]
    return sorted(map(_shown, lines))


def choose(folder: Path, lesson: str):
    """The notebook to grade and a note about the choice; (None, why) where there is none or the choice is not clear."""
    found = sorted(p for p in folder.rglob("*.ipynb") if p.is_symlink() or p.is_file())
    found = [p for p in found if ".ipynb_checkpoints" not in p.parts]
    right = [p for p in found if p.name == f"{lesson}.ipynb"]
    if folder / f"{lesson}.ipynb" in right:
        right = [folder / f"{lesson}.ipynb"]
    if len(right) == 1:
        others = ", ".join(_shown(str(p.relative_to(folder))) for p in found if p != right[0])
        return right[0], f"Also handed in, not graded: {others}." if others else ""
    if len(right) > 1:
        return None, f"there are {len(right)} notebooks named {lesson}.ipynb; leave the one that counts."
    if len(found) == 1:
        return found[0], f"Handed in as {_shown(found[0].name)}."
    return None, f"there is no {lesson}.ipynb" + (
        f" among its {len(found)} notebooks; rename the one that counts." if found else "."
    )


def copy(folder: Path, chosen: Path, target: Path, lesson: str) -> list[str]:
    """Copy a submission, but no links and devices, which nbgrader would read, and nothing huge; notes about what was left out.

    Of a notebook that is too large to be read, so much is copied that this is seen.
    """
    if folder.resolve() == target.resolve():
        unreadable = (folder / stamps.NAME).exists() and stamps.read(folder) is None
        return [f"Its {stamps.NAME} cannot be read, so it counts as in time."] if unreadable else []
    odd, large, room = [], [], BESIDE_BYTES

    def left_out(where, names):
        nonlocal room
        out = {n for n in names if n.endswith(".ipynb") or n == ".ipynb_checkpoints"}
        for name in sorted(set(names) - out):
            info = os.lstat(os.path.join(where, name))
            if stat.S_IFMT(info.st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                odd.append(name)
            elif (
                stat.S_ISREG(info.st_mode) and info.st_size > room
            ):  # a file with holes takes no room until it is copied
                large.append(name)
            else:
                room -= info.st_size if stat.S_ISREG(info.st_mode) else 0
                continue
            out.add(name)
        return out

    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(folder, target, ignore=left_out)
    info = chosen.lstat()
    if stat.S_ISREG(info.st_mode) and info.st_size > MAX_BYTES:
        with (target / f"{lesson}.ipynb").open("wb") as file:
            file.truncate(MAX_BYTES + 1)
    else:
        shutil.copy2(chosen, target / f"{lesson}.ipynb", follow_symlinks=False)
    stamp = target / stamps.NAME
    if stamp.is_dir():
        shutil.rmtree(stamp)
        odd.append(stamp.name)
    elif stamp.exists() and stamps.read(target) is None:
        stamp.unlink()
        odd.append(stamp.name)
    notes = ["Links, devices and unreadable times were left out."] if odd else []
    if large:
        names = ", ".join(_shown(name) for name in large[:3]) + " and more" * (len(large) > 3)
        notes.append(f"Files beside a notebook may have {BESIDE_BYTES >> 20} MB together; left out: {names}.")
    return notes
