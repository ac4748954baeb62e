"""Feedback pages that open without a network: formulas become MathML, and nothing of a student's can run in a browser."""

import re
from pathlib import Path

import bleach
import nbgrader
from latex2mathml.converter import convert
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.strings import strip_files_prefix
from nbgrader.preprocessors import NbGraderPreprocessor

# code spans and fences are left alone; $$...$$ and $...$ are formulas
_MATH = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?P<line>(?:[^$\n]|\n(?!\n))+?)\$(?!\w)", re.DOTALL
)


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


class OfflineMath(NbGraderPreprocessor):
    """Turns the formulas of all markdown cells to MathML."""

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "markdown":
            cell.source = mathml(cell.source)
        return cell, resources


_TEXT = "a abbr b blockquote br code dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre s span strong sub"
_TEXT += " summary sup table tbody td th thead tr ul"
_FORMULAS = "math mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover"
_ATTRIBUTES = "alt title width height class id open align colspan rowspan display xmlns stretchy fence form separator mathvariant linethickness"
_ATTRIBUTES += " columnalign rowspacing columnspacing displaystyle scriptlevel accent lspace rspace movablelimits"


def _allowed(tag, name, value):
    if name == "href":
        return not value.strip().lower().startswith("data")
    if name == "src":  # nothing that a page would fetch from elsewhere
        return (
            tag == "img" and re.fullmatch(r"data:image/(png|jpeg|gif);.*|[\w.-][\w./ -]*", value, re.DOTALL) is not None
        )
    return name in _ATTRIBUTES.split()


def clean(html: str) -> str:
    """HTML made from markdown, with nothing in it that a browser would run.

    >>> clean("<b>x</b><img src=y onerror=run()><script>run()</script>")
    '<b>x</b><img src="y">run()'
    """
    tags = (_TEXT + " " + _FORMULAS).split()
    return bleach.clean(
        strip_files_prefix(html),
        tags=tags,
        attributes=_allowed,
        protocols=["http", "https", "mailto", "data"],
        strip=True,
    )


class FeedbackExporter(HTMLExporter):
    """nbgrader's feedback page with the template of `templates/offline`; Formgrader keeps its own."""


def configure(c):
    """Settings for `nbgrader generate_feedback` and Formgrader."""
    theirs = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"
    c.HTMLExporter.preprocessors = [OfflineMath]
    c.GenerateFeedback.exporter_class = FeedbackExporter
    c.FeedbackExporter.template_name = "offline"
    c.FeedbackExporter.extra_template_basedirs = [str(Path(__file__).with_name("templates")), str(theirs)]
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.filters = {"strip_files_prefix": clean}  # the last filter of all markdown on nbgrader's pages
