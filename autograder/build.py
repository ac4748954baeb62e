"""From the source of a lesson to its two notebooks, one way only.

`solutions/NN_name.py` (Jupytext's percent format, with the short cell headers of docs/writing-a-lesson.md) becomes
the instructor's notebook; nbgrader's own steps make the student's notebook from that.
"""

import ast
import hashlib
import logging
import re
import tempfile
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory

FENCES = {"SOLUTION": ("solution", "answer"), "HIDDEN TESTS": ("test",)}  # and the roles that may have them
KINDS = {"solution": "code", "test": "code", "setup": "code", "answer": "markdown"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# These three need a database, files beside the notebook or a kernel; in a lesson they change nothing.
LEFT_OUT = ("SaveCells", "IncludeHeaderFooter", "InstantiateTests")


class BuildError(Exception):
    """The source of a lesson is wrong; the message says where and what to do."""


def lessons(root) -> list[Path]:
    """The sources of all lessons, in order."""
    return sorted((Path(root) / "solutions").glob("[0-9][0-9]_*.py"))


def build(root, names=None) -> list[Path]:
    """Write both notebooks of every lesson (or of those named); the paths of those that changed.

    Raises BuildError if one of these lessons is wrong; then nothing is written.
    """
    written = []
    for path, text in list(_outputs(Path(root), names)):
        if _differs(path, text):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    return written


def stale(root) -> list[Path]:
    """The notebooks that differ from what their source gives, or that no source gives. Raises BuildError."""
    root = Path(root)
    outputs = dict(_outputs(root, None))
    found = {path for tree in ("solutions", "notebooks") for path in (root / tree).glob("[0-9][0-9]_*/*.ipynb")}
    return [path for path, text in outputs.items() if _differs(path, text)] + sorted(found - outputs.keys())


def _differs(path, text):
    return not path.exists() or path.read_text(encoding="utf-8") != text


def _outputs(root, names):
    sources = lessons(root)
    known = [path.stem for path in sources]
    for name in names or ():
        if name not in known:
            raise BuildError(
                f"There is no lesson {name} in {root / 'solutions'}; there are: {', '.join(known) or 'none'}."
            )
    for path in sources:
        if not names or path.stem in names:
            instructor = instructor_version(path)
            yield root / "solutions" / path.stem / f"{path.stem}.ipynb", instructor
            yield root / "notebooks" / path.stem / f"{path.stem}.ipynb", student_version(instructor, path.stem)


def instructor_version(path: Path) -> str:
    """The instructor's notebook of a lesson, as the text of its file. Raises BuildError."""
    try:
        text = path.read_text(encoding="utf-8")
        header, source = _header(text, path.name), jupytext.reads(text, fmt="py:percent")
    except (SyntaxError, ValueError, yaml.YAMLError, nbformat.ValidationError) as error:
        raise BuildError(f"{path.name} cannot be read as a lesson: {getattr(error, 'message', error)}.") from None
    nb = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}, **header})
    places, setups = {}, 0
    for number, cell in enumerate(source.cells, 1):
        where = f"{path.name}, cell {number}"
        role, label, points, tags = _short(cell, where)
        if role == "setup":
            setups += 1
            label = "setup" if setups == 1 else f"setup-{setups}"
        if label in places:
            raise BuildError(f"{where}: the grade id {label!r} is taken by cell {places[label]}; each needs its own.")
        new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        if role == "test":  # an exercise not yet written stops nobody's Run All: the demos below still run
            tags = [*tags, "raises-exception"]
        made = new(cell.source, metadata={"tags": tags} if tags else {})
        if role:
            places[label] = number
            made.metadata["nbgrader"] = _nbgrader(role, label, points)
        made["id"] = hashlib.sha1((label or f"cell {number}").encode()).hexdigest()[:8]
        nb.cells.append(made)
    nbformat.validate(nb)
    return nbformat.writes(nb) + "\n"


def _header(text, name):
    """What the lesson's header says to the grader, as metadata of the notebook."""
    lines = re.match(r"# ---\n((?:#.*\n)*?)# ---\n", text)
    if lines is None:
        raise BuildError(f"{name} has no header; it starts with a line `# ---` (see docs/writing-a-lesson.md).")
    header = yaml.safe_load("\n".join(line[2:] for line in lines[1].splitlines()))
    jupyter = header.get("jupyter") if isinstance(header, dict) else None
    if not isinstance(jupyter, dict):
        raise BuildError(f"{name}: its header has no part `jupyter:` (see docs/writing-a-lesson.md).")
    grader = jupyter.get("autograder", {})
    withheld = grader.get("withheld", []) if isinstance(grader, dict) and grader.keys() <= {"withheld"} else None
    if not isinstance(withheld, list) or not all(isinstance(item, str) for item in withheld):
        raise BuildError(f"{name}: its header may say `autograder: {{withheld: [names of functions]}}` and no more.")
    return {"autograder": grader} if grader else {}


def _short(cell, where):
    """Role, grade id, points and tags from the short header of a cell."""
    short = {key: value for key, value in cell.metadata.items() if key != "lines_to_next_cell"}  # Jupytext's own
    tags, points = short.pop("tags", []), short.pop("points", None)
    roles = [role for role in KINDS if role in (tags if role == "setup" else short)]
    if len(roles) > 1:
        raise BuildError(f"{where} is both {roles[0]} and {roles[1]}; make it two cells.")
    role = roles[0] if roles else ""
    label = short.pop(role, "")
    for key, value in short.items():
        raise BuildError(f"{where} has the unknown key {key!r} ({value}); known: solution, test, answer, points, tags.")
    kind = KINDS.get(role, cell.cell_type)
    if kind != cell.cell_type or kind == "raw":
        raise BuildError(f"{where} is {cell.cell_type}; it should be {'prose or code' if kind == 'raw' else kind}.")
    if role not in ("", "setup") and not (isinstance(label, str) and re.fullmatch(r"[A-Za-z0-9_\-]+", label)):
        raise BuildError(f"{where}: the grade id {label!r} may hold letters, digits, `_` and `-` only.")
    if role in ("test", "answer") and points is None:
        raise BuildError(f"{where}: the {role} {label!r} needs points=.")
    if role not in ("test", "answer") and points is not None:
        raise BuildError(f"{where} takes no points; tests and answers do.")
    if points is not None and (type(points) not in (int, float) or not points >= 0):
        raise BuildError(f"{where}: points={points!r} is no number of points.")
    for name, owners in FENCES.items():
        if _fenced(cell.source, name, where) and role not in owners:
            raise BuildError(f"{where} has `### BEGIN {name}`, but is no {' or '.join(owners)} cell.")
    if role == "solution" and not _fenced(cell.source, "SOLUTION", where):
        raise BuildError(f"{where}: the solution {label!r} has no `### BEGIN SOLUTION` ... `### END SOLUTION`.")
    if role == "test":
        _parse(cell.source, f"{where}: the test {label!r}")
    return role, label, points, tags


def _fenced(source, name, where):
    """Whether the cell has this fence; nbgrader sees one wherever its words stand, so they stand alone or nowhere."""
    begin, end = f"### BEGIN {name}", f"### END {name}"
    marks = [line.strip() for line in source.split("\n") if begin[4:] in line or end[4:] in line]
    for mark in marks:
        if mark not in (begin, end):
            raise BuildError(f"{where}: nbgrader takes `{mark}` for a fence; write `{begin}` or `{end}` and no more.")
    if marks != [begin, end] * (len(marks) // 2):
        raise BuildError(f"{where}: `{begin}` and `{end}` must stand in pairs.")
    return bool(marks)


def _parse(source, what):
    try:
        ast.parse(source)
    except SyntaxError as error:
        raise BuildError(f"{what} is not valid Python: {error}.") from None


def _nbgrader(role, label, points):
    """A cell's metadata in nbgrader's schema, version 3."""
    grade, solution = role in ("test", "answer"), role in ("solution", "answer")
    out = {"grade": grade, "grade_id": label, "locked": not solution, "schema_version": 3, "solution": solution}
    return out | {"task": False} | ({"points": points} if grade else {})


def student_version(instructor: str, name: str) -> str:
    """What `nbgrader generate_assignment` makes of the instructor's notebook, as text. Raises BuildError."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source" / name / f"{name}.ipynb"
        source.parent.mkdir(parents=True)
        source.write_text(instructor, encoding="utf-8")
        course = CourseDirectory(root=folder, assignment_id=name)
        log = logging.getLogger("autograder.build")
        log.setLevel(logging.WARNING)
        converter = GenerateAssignment(coursedir=course, no_database=True, log=log)
        steps = GenerateAssignment.preprocessors.default()
        converter.preprocessors = [step for step in steps if step.__name__ not in LEFT_OUT]
        try:
            converter.start()
        except NbGraderException as error:
            raise BuildError(f"{name}: nbgrader refuses to make the student's notebook: {error}") from None
        text = (Path(folder) / "release" / name / f"{name}.ipynb").read_text(encoding="utf-8")
    for cell in nbformat.reads(text, as_version=4).cells:
        data = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and data.get("grade"):
            _parse(cell.source, f"{name}: without its hidden part, the test {data.grade_id!r}")
    return text
