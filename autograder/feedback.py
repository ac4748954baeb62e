"""Feedback pages that open without a network, through nbgrader's own exporter and steps."""

import re
from pathlib import Path

from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.filters.ansi import strip_ansi
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor, getgrades

from autograder import mistakes
from autograder.markup import COLOURS, coloured, prose
from autograder.overlay import headings
from autograder.wording import coded

CODE_CHARS = 1_000_000  # of one page, which is what colouring them takes time for

_UNDESCRIBED = re.compile(r"<img\b(?![^>]*\balt=)")


def _as_it_is(text):
    return text


class ShortCode(NbGraderPreprocessor):
    """Leaves the rest out where a page has more code than a person would read; the graded notebook keeps it."""

    def preprocess(self, nb, resources):
        room = CODE_CHARS
        for cell in nb.cells:
            if cell.cell_type == "code":
                size = len(cell.source)
                if size > room:
                    cell.source = (
                        f"{cell.source[:room]}\n# ... {size - room:,} more characters are left out of this page"
                    )
                room = max(0, room - size)
        return nb, resources


class Digest(NbGraderPreprocessor):
    """What the page says that no cell holds: its title, what waits for a person, the heading over each exercise."""

    def preprocess(self, nb, resources):
        info, heading, folded, waiting, again = resources["nbgrader"], "", None, 0.0, 0.0
        resources["title"] = nb.metadata.get("title") or info["notebook"]
        with getgrades.Gradebook(info["db_url"]) as gradebook:
            names = info["notebook"], info["assignment"], info["student"]
            for cell in nb.cells:
                if _of(cell, "note") or _of(cell, "own"):
                    folded = None
                    continue
                if not (utils.is_grade(cell) or utils.is_solution(cell) or utils.is_task(cell)):
                    heading = [heading, *_headings(cell)][-1]
                    folded = cell if folded is None else folded
                    folded.metadata.stopped = folded.metadata.get("stopped") or _failed(cell)
                    continue
                if folded is not None:
                    folded.metadata.before_an_exercise = True
                cell.metadata.heading, heading, folded = heading, "", None
                if utils.is_grade(cell) or utils.is_task(cell):
                    cell.metadata.nbgrader["said"] = _said(cell)
                    grade = gradebook.find_grade(cell.metadata.nbgrader["grade_id"], *names)
                    if grade.needs_manual_grade and not grade.score:
                        cell.metadata.nbgrader["waits"] = True
                        waiting += grade.max_score
                    elif grade.needs_manual_grade:  # marked before, and changed since
                        again += grade.score
        resources["waiting"], resources["again"] = waiting, again
        resources["colours"] = COLOURS
        return nb, resources


def _headings(cell):
    """The headings in a markdown cell of the lesson's."""
    return headings(cell.source) if cell.cell_type == "markdown" and not (_of(cell, "note") or _of(cell, "own")) else []


def _of(cell, what):
    """Whether the grader marked a cell as its own note, or as the student's own cell."""
    return bool(cell.metadata.get("autograder", {}).get(what))


def _said(cell):
    """What a failed test says, in a line: the mistake it knows, or what it found."""
    for output in cell.get("outputs", ()):
        if output.output_type == "error":
            return mistakes.named(strip_ansi("\n".join(output.traceback))) or strip_ansi(output.evalue)
    return ""


def _failed(cell):
    return any(output.output_type == "error" for output in cell.get("outputs", ()))


class FeedbackExporter(HTMLExporter):
    """nbgrader's feedback page with the template of `templates/offline`; Formgrader keeps its own."""

    def from_notebook_node(self, nb, resources=None, **kwargs):
        """As HTMLExporter does it, but that the finished page is not parsed again to describe pictures that lack words."""
        resources = self._init_resources(resources)
        kinds = WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self, resources=resources)
        self.register_filter("filter_data_type", kinds)
        page, resources = TemplateExporter.from_notebook_node(self, nb, resources, **kwargs)
        return _UNDESCRIBED.sub('<img alt="A picture from the notebook"', page), resources


def configure(c):
    """Settings for `nbgrader generate_feedback` and Formgrader."""
    ours = str(Path(__file__).with_name("templates"))
    c.HTMLExporter.preprocessors = [ShortCode]
    c.FeedbackExporter.preprocessors = [ShortCode, Digest]
    c.GenerateFeedback.exporter_class = FeedbackExporter
    c.FeedbackExporter.optimistic_validation = True  # a notebook is checked when all steps are done, not after each
    c.FeedbackExporter.template_name = "offline"
    c.FeedbackExporter.extra_template_basedirs = [ours]
    c.FeedbackExporter.extra_template_paths = [ours]
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.filters = {
        "markdown2html": prose,
        "strip_files_prefix": _as_it_is,
        "coded": coded,
        "coloured": coloured,
        "highlight_code": coloured,
    }  # all markdown and code on nbgrader's pages
