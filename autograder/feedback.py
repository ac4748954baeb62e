"""Feedback pages that open without a network: formulas become MathML, and nothing of a student's can run in a browser."""

import re
from pathlib import Path

import nbgrader
from latex2mathml.converter import convert
from nbgrader.preprocessors import GetGrades, NbGraderPreprocessor

# code spans and fences are left alone; $$...$$ and $...$ are formulas
_MATH = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?P<line>[^$\n]+?)\$(?!\w)", re.DOTALL)


def mathml(text: str) -> str:
    """Markdown with its LaTeX formulas turned to MathML; a formula that cannot be read stays as it is.

    >>> mathml("the `$PATH` of $x$")[:20]
    'the `$PATH` of <math'
    """

    def replace(match):
        if match["code"] is not None:
            return match[0]
        try:
            return convert(match["block"] or match["line"], display="block" if match["block"] else "inline").replace("\n", " ")
        except Exception:  # the library raises many kinds for what it cannot parse
            return match[0]

    return _MATH.sub(replace, text)


class OfflineMath(NbGraderPreprocessor):
    """Turns the formulas of all markdown cells to MathML."""

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "markdown":
            cell.source = mathml(cell.source)
        return cell, resources


def configure(c):
    """Settings for `nbgrader generate_feedback` and Formgrader."""
    theirs = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"
    c.GenerateFeedback.preprocessors = [GetGrades, OfflineMath, "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor"]
    c.HTMLExporter.template_name = "offline"
    c.HTMLExporter.extra_template_basedirs = [str(Path(__file__).with_name("templates")), str(theirs)]
    c.HTMLExporter.sanitize_html = True
