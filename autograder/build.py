"""From the source of a lesson to its two notebooks, one way only.

`solutions/NN_name.py` (Jupytext's percent format, with the short cell headers of docs/writing-a-lesson.md) becomes the instructor's notebook;
nbgrader's own steps make the student's notebook from that.
"""

import ast
import hashlib
import json
import logging
import re
import tempfile
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory

ROLES = ("solution", "test", "answer")
FENCES = ("SOLUTION", "HIDDEN TESTS")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class BuildError(Exception):
    """The source of a lesson is wrong; the message says where and what to do."""


def lessons(root) -> list[Path]:
    """The sources of all lessons, in order."""
    return sorted((Path(root) / "solutions").glob("[0-9][0-9]_*.py"))


def build(root, names=None) -> list[Path]:
    """Write both notebooks of every lesson (or of those named); the paths of those that changed. Raises BuildError."""
    written = []
    for path, text in _outputs(Path(root), names):
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            written.append(path)
    return written


def stale(root) -> list[Path]:
    """The notebooks that differ from what their source gives."""
    return [path for path, text in _outputs(Path(root), None) if not path.exists() or path.read_text() != text]


def _outputs(root, names):
    sources = lessons(root)
    unknown = set(names or ()) - {path.stem for path in sources}
    if unknown:
        raise BuildError(f"There is no lesson {', '.join(sorted(unknown))} in {root / 'solutions'}; there are: {', '.join(p.stem for p in sources) or 'none'}.")
    for path in sources:
        if not names or path.stem in names:
            instructor = instructor_version(path)
            yield root / "solutions" / path.stem / f"{path.stem}.ipynb", instructor
            yield root / "notebooks" / path.stem / f"{path.stem}.ipynb", student_version(instructor, path.stem)


def instructor_version(path: Path) -> str:
    """The instructor's notebook of a lesson, as the text of its file. Raises BuildError."""
    text = path.read_text()
    try:
        source = jupytext.reads(text, fmt="py:percent")
    except (SyntaxError, ValueError) as error:
        raise BuildError(f"{path.name} cannot be read as a lesson: {error}.") from None
    nb = nbformat.v4.new_notebook()
    nb.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}, **_header(path, text)}
    seen = {}
    for index, cell in enumerate(source.cells):
        metadata = _metadata(cell, path, index)
        label = metadata.get("nbgrader", {}).get("grade_id")
        if label in seen:
            raise BuildError(f"{path.name}: the grade id {label!r} stands in two cells, number {seen[label]} and {index + 1}; each needs its own.")
        if label:
            seen[label] = index + 1
        new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        made = new(cell.source, metadata=metadata)
        made["id"] = hashlib.sha1((label or f"cell {index}").encode()).hexdigest()[:8]
        nb.cells.append(made)
    return _text(nb)


def _text(nb):
    nbformat.validate(nb)
    return nbformat.writes(nb) + "\n"


def _header(path, text):
    """What the lesson's header says to the grader."""
    lines = re.match(r"# ---\n((?:#.*\n)*?)# ---\n", text)
    if lines is None:
        raise BuildError(f"{path.name} has no header; it starts with a line `# ---` (see docs/writing-a-lesson.md).")
    header = yaml.safe_load("\n".join(line[2:] for line in lines[1].splitlines())) or {}
    autograder = header.get("jupyter", {}).get("autograder")
    return {"autograder": autograder} if autograder else {}


def _metadata(cell, path, index):
    """The cell's metadata as nbgrader wants it, from the short header of the source."""
    short = {key: value for key, value in cell.metadata.items() if key != "lines_to_next_cell"}  # Jupytext's own
    where = f"{path.name}, cell {index + 1}"
    roles = [role for role in ROLES if role in short]
    tags = list(short.pop("tags", []))
    points = short.pop("points", None)
    keep = {"tags": tags} if tags else {}
    if len(roles) > 1:
        raise BuildError(f"{where} is both {roles[0]} and {roles[1]}; make it two cells.")
    label = short.pop(roles[0], "") if roles else ""
    if short:
        raise BuildError(f"{where} has the unknown key {next(iter(short))!r}; known are: {', '.join(ROLES)}, points, tags.")
    fences = {name: _fenced(cell.source, name, where) for name in FENCES}
    if not roles:
        if any(fences.values()):
            raise BuildError(f"{where} has a fence, but is neither a solution nor a test.")
        return {**keep, **({"nbgrader": _nbgrader(False, False, True, "setup" if index < 3 else f"setup-{index + 1}")} if "setup" in tags else {})}
    role = roles[0]
    if not re.fullmatch(r"[A-Za-z0-9_\-]+", label):
        raise BuildError(f"{where}: the grade id {label!r} may hold letters, digits, `_` and `-` only.")
    if (role == "solution") == (points is not None):
        raise BuildError(f"{where}: a {role} cell {'takes no points; give them to its tests' if role == 'solution' else 'needs points='}.")
    if role == "solution" and not fences["SOLUTION"]:
        raise BuildError(f"{where}: the solution {label!r} has no `### BEGIN SOLUTION` ... `### END SOLUTION`.")
    if fences["HIDDEN TESTS"] and role != "test":
        raise BuildError(f"{where} has hidden tests, but is no test.")
    if role == "test":
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            raise BuildError(f"{where}: the test {label!r} is no Python: {error}.") from None
    nbgrader = _nbgrader(role != "solution", role != "test", role == "test", label, points)
    return {**keep, "nbgrader": nbgrader}


def _nbgrader(grade, solution, locked, label, points=None):
    out = {"grade": grade, "grade_id": label, "locked": locked, "schema_version": 3, "solution": solution, "task": False}
    return out | ({"points": points} if points is not None else {})


def _fenced(source, name, where):
    """Whether the cell has the fence; it must open and close in turn."""
    marks = re.findall(rf"^\s*### (BEGIN|END) {name}\s*$", source, re.MULTILINE)
    if marks != ["BEGIN", "END"] * (len(marks) // 2) or len(marks) % 2:
        raise BuildError(f"{where}: `### BEGIN {name}` and `### END {name}` must stand in pairs.")
    return bool(marks)


def student_version(instructor: str, name: str) -> str:
    """What `nbgrader generate_assignment` makes of the instructor's notebook, as the text of its file."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source" / name
        source.mkdir(parents=True)
        (source / f"{name}.ipynb").write_text(instructor)
        course = CourseDirectory(root=folder, assignment_id=name, db_url=f"sqlite:///{folder}/gradebook.db")
        log = logging.getLogger("autograder.build")
        log.setLevel(logging.WARNING)
        steps = [step for step in GenerateAssignment.preprocessors.default() if step.__name__ not in ("SaveCells", "IncludeHeaderFooter", "InstantiateTests")]
        converter = GenerateAssignment(coursedir=course, no_database=True, log=log)
        converter.preprocessors = steps
        converter.start()
        text = (Path(folder) / "release" / name / f"{name}.ipynb").read_text()
    return _without_leaks(text)


def _without_leaks(text):
    """The same notebook; raises BuildError if it still holds an answer, a hidden test or an output."""
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell.get("outputs") or any(f"### {mark} {name}" in source for name in FENCES for mark in ("BEGIN", "END")):
            raise BuildError("The student's notebook would hold an answer, a hidden test or an output.")
    return text
