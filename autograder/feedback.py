"""Feedback pages that open without a network: formulas become MathML, and nothing of a student's can run in a browser."""

import contextlib
import functools
import html
import re
import signal
import threading
import time
from pathlib import Path

import bleach
from jinja2 import pass_context
from latex2mathml.converter import convert
from markupsafe import Markup
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.filters.ansi import strip_ansi
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor, getgrades
from pygments.formatters import HtmlFormatter

from autograder import mistakes
from autograder.archive import plain

CELL_SECONDS, PAGE_SECONDS = 5, 20  # of work on the prose of one cell, and of one page
PROSE_CHARS = 200_000  # of one cell; longer ones are shown as they are
CODE_CHARS = 1_000_000  # of one page, which is what colouring them takes time for

# code spans and fences are left alone; $$...$$ and $...$ are formulas
_MATH = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?P<line>(?:[^$\n]|\n(?!\n))+?)\$(?!\w)",
    re.DOTALL,
)

_TO_ITSELF = re.compile(r'<a class="anchor-link"[^>]*>[^<]*</a>')  # a heading's link, of no use here
_UNDESCRIBED = re.compile(r"<img\b(?![^>]*\balt=)")


def mathml(text: str) -> str:
    """Markdown with its LaTeX formulas turned to MathML; a formula that cannot be read stays as it is.

    >>> mathml("the `$PATH` of $x$")[:20]
    'the `$PATH` of <math'
    """

    def replace(match):
        if match["code"] is not None:
            return match[0]
        try:
            return convert(match["block"] or match["line"], display="block" if match["block"] else "inline").replace(
                "\n", " "
            )
        except Exception:  # the library raises many kinds for what it cannot parse
            return match[0]

    return _MATH.sub(replace, text)


_TEXT = "a abbr b blockquote br code dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre s span strong sub"
_TEXT += " summary sup table tbody td th thead tr ul"
_FORMULAS = "math mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover"
_ATTRIBUTES = "alt title width height open align colspan rowspan display xmlns stretchy fence form separator mathvariant linethickness"
_ATTRIBUTES += " columnalign rowspacing columnspacing displaystyle scriptlevel accent lspace rspace movablelimits"


def _allowed(tag, name, value):
    if name == "href":  # browsers leave out blanks and control characters in front of the colon
        return not re.sub(r"[\x00-\x20\x7f-\xa0]", "", value).lower().startswith("data")
    if name == "src":  # nothing that a page would fetch from elsewhere
        return (
            tag == "img" and re.fullmatch(r"data:image/(png|jpeg|gif);.*|[\w.-][\w./ -]*", value, re.DOTALL) is not None
        )
    if name == "class":  # of coloured code; others are the page's own
        return all(re.fullmatch(r"highlight|hl-\w+|[a-z][a-z0-9]{0,2}", word) for word in value.split())
    return name in _ATTRIBUTES.split()


def clean(text: str) -> str:
    """HTML made from markdown, with nothing in it that a browser would run.

    >>> clean("<b>x</b><img src=y onerror=run()><script>run()</script>")
    '<b>x</b><img src="y">run()'
    """
    tags = (_TEXT + " " + _FORMULAS).split()
    return bleach.clean(
        text,
        tags=tags,
        attributes=_allowed,
        protocols=["http", "https", "mailto", "data"],
        strip=True,
    )


class _TooLong(BaseException):
    """No `except Exception` on the way swallows it."""


@contextlib.contextmanager
def _within(seconds):
    """Raise _TooLong in this block after so many seconds of this process's work, where a signal can do that."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGVTALRM"):
        yield
        return

    def ring(signum, frame):
        raise _TooLong

    previous = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def _made(text):
    return clean(_TO_ITSELF.sub("", markdown2html_mistune(mathml(text))))


_kept = functools.lru_cache(500)(_made)  # the instructor's words are the same on every page of a class


@pass_context
def prose(context, text: str) -> str:
    """A markdown cell as HTML. Where that takes too long, as with ten thousand open brackets, its text stands there as it is."""
    page = context.get("resources", {})
    started, left = time.process_time(), page.get("prose_seconds", PAGE_SECONDS)
    try:
        if len(text) > PROSE_CHARS:
            raise _TooLong
        with _within(min(left, CELL_SECONDS)):
            return _kept(text) if len(text) < 5_000 else _made(text)
    except (_TooLong, RecursionError, ValueError):
        return f"<pre>{html.escape(text)}</pre>"
    finally:
        page["prose_seconds"] = left - (time.process_time() - started)


def coded(text: str) -> str:
    """Words of a test as HTML, what stands in backticks set as code.

    >>> str(coded("Is its `return` <missing>?"))
    'Is its <code>return</code> &lt;missing&gt;?'
    """
    return Markup(
        re.sub(r"`([^`\n]+)`", r"<code>\1</code>", "\n".join(html.escape(plain(line)) for line in text.split("\n")))
    )


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
        info, heading, folded, waiting = resources["nbgrader"], "", None, 0.0
        resources["title"] = next(_headings(nb.cells), info["notebook"])
        with getgrades.Gradebook(info["db_url"]) as gradebook:
            names = info["notebook"], info["assignment"], info["student"]
            for cell in nb.cells:
                if _of(cell, "note") or _of(cell, "own"):
                    folded = None
                    continue
                if not (utils.is_grade(cell) or utils.is_solution(cell) or utils.is_task(cell)):
                    heading = next(_headings([cell], last=True), heading)
                    folded = cell if folded is None else folded
                    folded.metadata.stopped = folded.metadata.get("stopped") or _failed(cell)
                    continue
                if folded is not None:
                    folded.metadata.before_an_exercise = True
                cell.metadata.heading, heading, folded = heading, "", None
                if utils.is_grade(cell) or utils.is_task(cell):
                    cell.metadata.nbgrader["said"] = _said(cell)
                    grade = gradebook.find_grade(cell.metadata.nbgrader["grade_id"], *names)
                    if (
                        grade.needs_manual_grade and not grade.score
                    ):  # marks from before are shown, though they are to be seen again
                        cell.metadata.nbgrader["waits"] = True
                        waiting += grade.max_score
        resources["waiting"] = waiting
        resources["colours"] = HtmlFormatter(style="default").get_style_defs(".highlight")
        return nb, resources


def _headings(cells, last=False):
    """The text of the first heading in each markdown cell, or of the last, without its marks."""
    for cell in cells:
        if cell.cell_type == "markdown" and not _of(cell, "note") and not _of(cell, "own"):
            text = re.sub(r"^(```|~~~).*?^\1", "", cell.source[:PROSE_CHARS], flags=re.MULTILINE | re.DOTALL)
            found = re.findall(r"^#{1,6} +(.+)$", text, re.MULTILINE)
            if found:
                yield re.sub(r"[`*]|\s#+\s*$", "", found[-1 if last else 0]).strip()


def _of(cell, what):
    """Whether the grader marked a cell as its own note, or as the student's own cell."""
    return bool(cell.metadata.get("autograder", {}).get(what))


def _said(cell):
    """What a failed test says, in a line: the mistake it knows, or what it found."""
    for output in cell.get("outputs", ()):
        if output.output_type == "error":
            lines = [line.strip() for line in strip_ansi("\n".join(output.traceback)).splitlines()]
            return next((line for line in lines if line in mistakes.sentences()), strip_ansi(output.evalue))
    return ""


def _failed(cell):
    return any(output.output_type == "error" for output in cell.get("outputs", ()))


class FeedbackExporter(HTMLExporter):
    """nbgrader's feedback page with the template of `templates/offline`; Formgrader keeps its own."""

    def from_notebook_node(self, nb, resources=None, **kwargs):
        """As HTMLExporter does it, but that the finished page is not parsed again to describe pictures that lack words."""
        language = nb.metadata.get("language_info", {})
        lexer = language.get("pygments_lexer", language.get("name"))
        resources = self._init_resources(resources)
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer=lexer, parent=self))
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
    c.FeedbackExporter.template_name = "offline"
    c.FeedbackExporter.extra_template_basedirs = [ours]
    c.FeedbackExporter.extra_template_paths = [ours]
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.filters = {
        "markdown2html": prose,
        "strip_files_prefix": _as_it_is,
        "coded": coded,
    }  # all markdown on nbgrader's pages
