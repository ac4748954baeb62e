"""Lessons as slides and as pages: one HTML file each, which opens from a disk and asks the network for nothing.

Both come from the student's version, so no solution and no test can be in them; the demos are run.
"""

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.ansi import strip_ansi
from pygments.formatters import HtmlFormatter

from autograder import overlay
from autograder.build import BuildError, instructor_version, lessons, student_version
from autograder.markup import mathml
from autograder.problem import Problem

HEADING = re.compile(r"(#{1,3}) +(.+)")
TEMPLATES = Path(__file__).with_name("templates")


def export(root, kind, names=None):
    """Write the lessons (all, or those named) as `kind`, "slides" or "pages", to a folder of that name in `root`.

    Yields the path of each file when it is written. Raises Problem where a lesson cannot be read or a demo fails.
    """
    root = Path(root)
    sources = {path.stem: path for path in lessons(root)}
    for name in names or ():
        if name not in sources:
            raise Problem(f"There is no lesson {name}; there are: {', '.join(sources) or 'none'}.")
    for name in names or sources:
        try:
            text = student_version(instructor_version(sources[name]), name)
        except BuildError as error:
            raise Problem(str(error)) from None
        nb = nbformat.reads(text, as_version=4)
        run(nb, name, root)
        page = slides(nb) if kind == "slides" else lesson_page(nb)
        for outside in re.findall(r'<img [^>]*src="(?!data:)([^"]*)"', page):
            raise Problem(f"{name} shows {outside}, which is not in the page itself; draw it in a demo instead.")
        path = root / kind / f"{name}.html"
        path.parent.mkdir(exist_ok=True)
        path.write_text(page, encoding="utf-8", newline="\n")
        yield path


def run(nb, name, folder):
    """Leave out what is graded, run the rest in place; cells to fill in keep no output. Raises Problem."""
    nb.cells = [cell for cell in nb.cells if not cell.metadata.get("nbgrader", {}).get("grade")]
    for cell in nb.cells:
        if exercise(cell):  # a stub may raise as soon as it is run
            cell.metadata.tags = [*cell.metadata.get("tags", []), "raises-exception"]
    quiet = ["--log-level=ERROR"]  # else every kernel warns about its transport
    try:
        NotebookClient(nb, timeout=600, resources={"metadata": {"path": str(folder)}}, extra_arguments=quiet).execute()
    except CellExecutionError as error:
        last = strip_ansi(str(error)).strip().splitlines()[-1]
        raise Problem(f"{name}: a demo stops with {last}") from None
    for cell in nb.cells:
        if exercise(cell):
            cell.outputs = []


def exercise(cell):
    """Whether this is a cell that the student fills in."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def lesson_page(nb) -> str:
    """A notebook that was run, as one page of HTML."""
    return _html(nb)


def slides(nb) -> str:
    """A notebook that was run, as one page of HTML with slides."""
    nb = nbformat.from_dict({**nb, "cells": cut(nb.cells)})
    return _html(nb, deck=True)


def cut(cells):
    """The cells that slides show; the first of each slide has metadata `slide`.

    A slide begins at a heading `#`, `##` or `###`, and at a demo that has words above it: then the heading is repeated.
    """
    shown, heading, words = [], "", False
    for cell in cells:
        if exercise(cell) or "setup" in cell.metadata.get("tags", []):
            continue
        match = HEADING.match(cell.source) if cell.cell_type == "markdown" else None
        demo = cell.cell_type == "code" and bool(cell.outputs)
        if match:
            heading, words = match[0], "\n" in cell.source.strip()
            slide = {"kind": "title" if match[1] == "#" else "text"}
        elif not shown or (demo and words):
            slide, words = {"kind": "demo" if demo else "text", "again": mathml(heading)}, demo
        else:
            slide, words = None, True
        cell = nbformat.from_dict({**cell, "metadata": {**cell.metadata, "slide": slide}})
        if demo and slide is None:  # a demo right below a bare heading
            next(c for c in reversed(shown) if c.metadata.slide).metadata.slide.kind = "demo"
        shown.append(cell)
    return shown


def _html(nb, deck=False):
    """A notebook as one HTML file, by `templates/lesson`."""
    nb = nbformat.from_dict(nb)
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = mathml(cell.source)
    exporter = HTMLExporter(
        template_name="lesson",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    title = overlay.title((cell.source for cell in nb.cells if cell.cell_type == "markdown"), "Lesson")
    style = HtmlFormatter(style="xcode").get_style_defs(".highlight")
    page, _ = exporter.from_notebook_node(nb, resources={"title": title, "deck": deck, "highlighting": style})
    return page
