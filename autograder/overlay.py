"""A submission's answers on the instructor's notebook.

The instructor's notebook gives the cells, their order, their tests and points. From the submission come the solution cells, the answers
that a person marks, and the student's own cells, each after the known cell that it followed. All else in the submission counts for nothing.
"""

import ast
import contextlib
import copy
import itertools
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader import utils
from nbgrader.preprocessors import (
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)

from autograder.runner import Cell, Plan

MAX_BYTES = 20 << 20
OWN_CELLS = 2_000
MAX_CELLS = 100_000


class Unreadable(Exception):
    """The submission cannot be read; the message is a sentence for student and instructor."""


@dataclass
class Found:
    """A cell of a submission, as far as it matters."""

    cell_type: str
    source: str
    grade_id: str = ""
    cell_id: str = ""


def read(path) -> list[Found]:
    """The cells of a submitted notebook of any format version, however mangled. Raises Unreadable."""
    return parse(content(path), Path(path).name)


def content(path) -> bytes:
    """What a submitted file holds; a link or a device is not opened. Raises Unreadable."""
    path = Path(path)
    try:
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode):
            raise Unreadable(f"{path.name} is not a regular file but a link or a device; it was not opened.")
        if info.st_size > MAX_BYTES:
            raise Unreadable(
                f"{path.name} is larger than {MAX_BYTES >> 20} MB, the most that is read. Clear its outputs and submit again."
            )
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be opened: {error.strerror}.") from None


def parse(content: bytes, name: str) -> list[Found]:
    """The cells of the notebook `name` with this content. Raises Unreadable."""
    if not content.strip():
        raise Unreadable(f"{name} is empty. Open your own copy in Jupyter, save it, and submit again.")
    try:
        data = json.loads(content.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(
            f"{name} is not a notebook: it is no valid JSON{where}. Open it in Jupyter, save it, and submit again."
        ) from None
    return found(data, name)


def found(data, name="the file") -> list[Found]:
    """The cells of a notebook given as plain data. Raises Unreadable."""
    cells = data.get("cells") if isinstance(data, dict) else None
    if cells is None and isinstance(data, dict) and isinstance(data.get("worksheets"), list):  # nbformat 3
        sheets = [sheet.get("cells") for sheet in data["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    if not isinstance(cells, list):
        raise Unreadable(f"{name} is JSON, but not a notebook: it has no list of cells.")
    if len(cells) > MAX_CELLS:
        raise Unreadable(f"{name} has {len(cells):,} cells; {MAX_CELLS:,} are the most that are read.")
    return [cell for cell in map(_cell, cells) if cell is not None]


def _cell(cell):
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    source = source if isinstance(source, str) else ""
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    nbgrader = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
    grade_id, cell_id = nbgrader.get("grade_id"), cell.get("id")
    return Found(
        "code" if cell.get("cell_type") == "code" else "markdown",
        source.encode(errors="replace").decode(),  # half of an emoji cannot be written
        grade_id if isinstance(grade_id, str) else "",
        cell_id if isinstance(cell_id, str) else "",
    )


def release(source: nbformat.NotebookNode, config=None) -> nbformat.NotebookNode:
    """The notebook that students get, in memory: no solutions, no hidden tests, no outputs."""
    nb = copy.deepcopy(source)
    for step in (
        LockCells,
        ClearSolutions,
        ClearOutput,
        ComputeChecksums,
        ClearHiddenTests,
        ClearMarkScheme,
        ComputeChecksums,
    ):
        nb, _ = step(config=config).preprocess(nb, {})
    return nb


def grade_id(cell) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def is_test(cell) -> bool:
    return cell.cell_type == "code" and utils.is_grade(cell) and not utils.is_solution(cell)


def is_answer(cell) -> bool:
    return utils.is_solution(cell)


def labels(lessons: Path) -> dict[str, list[str]]:
    """The grade ids of each notebook that can be read, by LESSON for LESSON/LESSON.ipynb, by LESSON/NAME for others."""
    found = {}
    for path in sorted(lessons.glob("[!.]*/[!.]*.ipynb")):
        name = path.stem if path.stem == path.parent.name else f"{path.parent.name}/{path.stem}"
        with contextlib.suppress(Unreadable):
            found[name] = [cell.grade_id for cell in read(path) if cell.grade_id]
    return found


def another(cells: list[Found], name: str, lessons: dict[str, list[str]]) -> str:
    """A sentence where a submission is not the notebook `name`, with the one of `lessons` that it is; else nothing.

    >>> another([Found("code", "", "pool"), Found("code", "", "pad")], "one", {"one": ["add"], "two": ["pool", "pad"]})
    'This seems to be another notebook, that of two: 2 of its 2 labelled cells do not belong to one.'
    """
    theirs = {cell.grade_id for cell in cells if cell.grade_id}
    foreign = theirs.difference(lessons[name])
    if len(foreign) <= len(theirs) / 2:
        return ""
    likely = max(lessons, key=lambda lesson: len(theirs.intersection(lessons[lesson])))
    whose = f", that of {likely}" if len(theirs.intersection(lessons[likely])) > len(theirs) / 2 else ""
    return f"This seems to be another notebook{whose}: {len(foreign)} of its {len(theirs)} labelled cells do not belong to {name}."


def overlay(
    released: nbformat.NotebookNode, cells: list[Found], name: str, lessons: dict[str, list[str]] | None = None
) -> tuple[nbformat.NotebookNode, list[str]]:
    """The notebook to grade, and notes for student and instructor about what was repaired.

    lessons: the `labels` of the course, by which a notebook of another lesson is named.
    """
    known = {grade_id(cell): cell for cell in released.cells if grade_id(cell)}
    other = another(cells, name, {**(lessons or {}), name: list(known)})
    notes = [other] if other else []
    texts, extras, left_out = _sort(released, known, cells)
    if left_out:
        notes.append(
            f"The submission has more than {OWN_CELLS:,} cells of its own; the last {left_out:,} were left out."
        )
    nb = nbformat.v4.new_notebook(metadata=copy.deepcopy(released.metadata))
    prose = [cell.source for cell in released.cells if cell.cell_type == "markdown"]
    nb.metadata["title"] = title(prose, name)  # whatever theirs says
    nb.cells.extend(extras.pop("", []))
    missing = []
    for cell in released.cells:
        key = _key(cell)
        cell = copy.deepcopy(cell)
        if key in texts:
            if not grade_id(cell) and cell.source.strip() != texts[key].strip():
                cell.metadata["autograder"] = {"own": True}  # the lesson's words no more
            cell.source = texts[key]
        elif is_answer(cell):
            missing.append(grade_id(cell))
            cell.metadata["autograder"] = {"missing": True}
        nb.cells.append(cell)
        nb.cells.extend(extras.pop(key, []))
    if missing and not notes and any(cell.grade_id for cell in cells):
        notes.append("These cells were missing from the submission: " + ", ".join(missing) + ".")
    number(nb)
    return nb, notes


def headings(text: str) -> list[str]:
    """The headings of a markdown text, without their marks.

    >>> headings("# Lesson `one`\\n```\\n# a comment\\n```\\n## Its end ##")
    ['Lesson one', 'Its end']
    """
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"[`*]|\s#+\s*$", "", found).strip() for found in re.findall(r"^#{1,6} +(.+)$", text, re.MULTILINE)]


def title(prose, name: str) -> str:
    """A lesson's title, from its markdown texts: the first heading, or its name where there is none."""
    return next((heading for text in prose for heading in headings(text)), name)


def number(nb):
    """Give the cells without a grade id ids by their place, which no grade id is; results are told apart by them."""
    taken = {grade_id(cell) for cell in nb.cells}
    free = (label for label in map("cell-{}".format, itertools.count()) if label not in taken)
    for cell in nb.cells:
        if not grade_id(cell):
            cell["id"] = next(free)


def _key(cell):
    return grade_id(cell) or id(cell)


def _sort(released, known, cells):
    """The student's texts for the release's cells, the student's own cells by the release's cell that they followed, and
    how many of their own are too many."""
    texts, answers, extras, anchor, own = {}, {}, {}, "", 0
    plain = [cell for cell in released.cells if not grade_id(cell)]
    for cell in cells:
        original = known.get(cell.grade_id) or _match(cell, plain)
        if original is None:
            own += bool(cell.source.strip())
            if cell.source.strip() and own <= OWN_CELLS:
                new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
                extras.setdefault(anchor, []).append(new(cell.source, metadata={"autograder": {"own": True}}))
            continue
        anchor = _key(original)
        if not grade_id(original):
            plain.remove(original)
            texts[anchor] = cell.source
        elif is_answer(original):
            again = answers.setdefault(anchor, (original, {}))[1]
            again.pop(cell.source.strip(), None)
            again[cell.source.strip()] = cell.source
    texts |= {anchor: _one(original, list(sources.values())) for anchor, (original, sources) in answers.items()}
    return texts, extras, max(0, own - OWN_CELLS)


def _match(cell, plain):
    """The unlabelled cell of the release that this one was."""
    for original in plain:
        if original.cell_type == cell.cell_type and original.get("id") == cell.cell_id:
            return original
    for original in plain:
        if original.cell_type == cell.cell_type and original.source.strip() == cell.source.strip():
            return original
    return None


def _one(original, sources):
    """The text of an answer that may stand more than once: an untouched copy counts for nothing; of two in code both run."""
    touched = [source for source in sources if source.strip() != original.source.strip()] or sources
    return "\n\n".join(touched) if original.cell_type == "code" else touched[-1]


def plan(source, released, nb, **settings) -> Plan:
    """What to run: the student's cells in the worker, the instructor's tests here."""
    tests = {grade_id(cell): cell.source for cell in source.cells if is_test(cell)}
    own = {cell.source.strip() for cell in released.cells if cell.cell_type == "code" and not is_answer(cell)}
    cells = []
    for cell in nb.cells:
        label = grade_id(cell) or cell.get("id", "")
        if cell.cell_type != "code" or cell.metadata.get("autograder", {}).get("missing"):
            continue
        if is_test(cell):
            seen = "\n".join(_definitions(cell.source, every=True))
            if seen:
                cells.append(Cell(f"{label}.names", "run", _one_by_one(seen), quiet=True))
            points = float(cell.metadata.nbgrader.points)
            cells.append(Cell(label, "test", tests[label], points=points, visible=cell.source))
        else:
            cells.append(Cell(label, "run", cell.source, quiet=cell.source.strip() in own))
    trusted = []
    for cell in source.cells:
        if cell.cell_type == "code":
            locked = bool(grade_id(cell)) and not is_answer(cell)
            trusted += _definitions(cell.source, every=locked)
    withheld = tuple(source.metadata.get("autograder", {}).get("withheld", ()))
    return Plan(cells, setup(source), trusted, withheld, modules(source), modules(released), **settings)


def modules(nb) -> tuple[str, ...]:
    """What a notebook imports, and what may be a module in it: `from a import b` gives a and a.b."""
    found = {}  # in this order, each once
    for cell in nb.cells:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
            if "%matplotlib" in cell.source:
                found["matplotlib.pyplot"] = None
            with contextlib.suppress(SyntaxError):
                for node in ast.walk(ast.parse("\n".join(lines))):
                    if isinstance(node, ast.Import):
                        found |= {alias.name: None for alias in node.names}
                    elif isinstance(node, ast.ImportFrom) and not node.level:
                        found |= {node.module: None} | {f"{node.module}.{alias.name}": None for alias in node.names}
    return tuple(name for name in found if not name.endswith("*"))


def setup(source) -> list[str]:
    """The instructor's set-up cells, which run on both sides."""
    return [
        cell.source
        for cell in source.cells
        if cell.cell_type == "code" and "setup" in cell.metadata.get("tags", []) and not is_answer(cell)
    ]


def _definitions(source: str, every: bool) -> list[str]:
    """The top-level imports of a cell; if `every`, also its functions, classes and literal constants. As source, one by one."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # magics: such a cell defines nothing for tests
        return []
    kinds = (ast.Import, ast.ImportFrom) + ((ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef) if every else ())
    return [ast.unparse(node) for node in body if isinstance(node, kinds) or (every and _is_constant(node))]


def _is_constant(node):
    if not isinstance(node, ast.Assign):
        return False
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return False
    return True


def _one_by_one(source):
    """The statements of `source`, each of which may fail without stopping the next."""
    parts = []
    for node in ast.parse(source).body:
        text = "\n".join("    " + line for line in ast.unparse(node).splitlines())
        parts.append(f"try:\n{text}\nexcept Exception:\n    pass")
    return "\n".join(parts)
