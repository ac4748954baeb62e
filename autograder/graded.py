"""What graded notebooks say, in a few words: the grader's notes, what each failed test found, and the student's own code."""

import html
import json
import os
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

from autograder import mistakes, similarity
from autograder.archive import plain
from autograder.execute import NOTE
from autograder.overlay import MAX_BYTES

FEW = 200  # submissions: for more, it pays to start processes
TOO_LONG, CRASHED, EXITED, TOO_MUCH = (
    "Took too long: a loop that never ends?",
    "The process ended: a crash, or `os._exit`",
    "Ended the notebook with `exit()`",
    "Used too much memory",
)
STOPS = TOO_LONG, CRASHED, EXITED, TOO_MUCH
NOT_WRITTEN, NOT_THERE = "Not written yet", "Not defined: its cell is empty or failed"


@dataclass
class Look:
    """What one student's graded notebooks say."""

    notes: list[str] = field(default_factory=list)
    wrong: dict[str, set[str]] = field(default_factory=dict)  # {exercise: {what was wrong}}
    code: str = ""  # of the solution cells, normalised

    @property
    def stopped(self) -> set[str]:
        return {what for found in self.wrong.values() for what in found if what in STOPS}


def look_at_all(folders: list[Path], place: dict[str, str], stubs: dict[str, str]) -> list[Look]:
    """A look at each folder of graded notebooks. place: {test: its exercise}. stubs: {solution cell: what the notebook gave}."""
    one = partial(look, place=place, stubs=stubs)
    if len(folders) <= FEW:
        return [one(folder) for folder in folders]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        return list(pool.map(one, folders, chunksize=50))


def look(folder: Path, place: dict[str, str], stubs: dict[str, str]) -> Look:
    """A look at one folder; what cannot be read there says nothing."""
    found, sources = Look(), []
    for path in sorted(folder.glob("*.ipynb")):
        for cell in cells(path):
            if cell["note"]:
                found.notes.append(html.unescape(plain(cell["source"].removeprefix(NOTE).strip())))
            elif cell["grade"] and not cell["solution"]:
                for message in cell["said"]:
                    found.wrong.setdefault(place.get(cell["id"], cell["id"]), set()).add(what_was_wrong(message))
            elif cell["solution"] and cell["id"] in stubs:
                sources.append(cell["source"])
    found.code = similarity.own_text(sources, list(stubs.values()))
    return found


def cells(path):
    """The cells of a notebook as plain data; none where it is no notebook."""
    try:
        if path.is_symlink() or path.stat().st_size > 4 * MAX_BYTES:
            return []
        return [_cell(cell) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def _cell(cell):
    data = cell.get("metadata", {})
    mark = data.get("nbgrader", {})
    errors = [output for output in cell.get("outputs", []) if output.get("output_type") == "error"]
    return {
        "kind": cell.get("cell_type"),
        "source": "".join(cell.get("source", "")),
        "id": mark.get("grade_id", ""),
        "grade": bool(mark.get("grade")),
        "solution": bool(mark.get("solution")),
        "note": bool(data.get("autograder", {}).get("note")),
        "said": ["\n".join(error.get("traceback", [])) for error in errors],
    }


@lru_cache(maxsize=1 << 16)
def what_was_wrong(message: str) -> str:
    """The name of what a failed test found: a known mistake's sentence where there is one, never a student's own words.

    >>> what_was_wrong("f: out is wrong in 3 of 4 numbers.\\nLargest error at out[0]: expected 1, got 2.")
    'out is wrong, by no known mistake'
    >>> what_was_wrong("Your code raised ValueError: <b>anything</b>")
    'Raised ValueError'
    """
    lines = [line.strip() for line in _plain_lines(message) if line.strip()] or ["No verdict."]
    if known := mistakes.named("\n".join(lines)):
        return known
    head = lines[0]
    for words, name in (
        ("not written yet", NOT_WRITTEN),
        ("took more than", TOO_LONG),
        ("process ended", CRASHED),
        ("ended the process", CRASHED),
        ("notebook with exit()", EXITED),
        ("of memory", TOO_MUCH),
        ("is not defined", NOT_THERE),
    ):
        if words in head.lower():
            return name
    if match := re.search(r"\braised ([A-Za-z_.]+)", head):
        return f"Raised {match[1].rpartition('.')[2]}"
    if head == "A hidden test failed.":
        return lines[1][:200] if len(lines) > 1 and not re.match(r"[A-Za-z]+: ", lines[1]) else "A hidden test failed"
    if match := re.search(r": (?:the )?(\S+) is wrong in", head):
        hints = [line for line in lines[1:] if not re.match(r"In |Largest |expected |got |line |\[", line)]
        return _without_numbers(hints[-1]) if hints else f"{match[1]} is wrong, by no known mistake"
    if ": " in head and re.match(r"[A-Za-z_]\w*: ", head):
        head = head.partition(": ")[2]
    return _without_numbers(head)


def _plain_lines(text):
    return [plain(line) for line in text.split("\n")]


def _without_numbers(text):
    """The first sentence, without sizes, numbers and the student's own words, so that the same mistake reads the same."""
    text = re.split(r"(?<=[.?!]) |; ", text)[0]
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "…", text)
    text = re.sub(r"\((?:\d+,? ?)+\)", "(…)", text)
    text = re.sub(r"object of class \w+", "object of another kind", text)
    text = re.sub(r"(?<!is )-?\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b", "…", text)
    return text[:200].rstrip(".")
