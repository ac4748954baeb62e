"""Markdown as HTML that any page can hold: formulas become MathML, and nothing of a student's can run in a browser."""

import contextlib
import functools
import html
import re
import signal
import threading
import time

import bleach
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

CELL_SECONDS, PAGE_SECONDS = 5, 20  # of work on the text of one cell, and of one page
PROSE_CHARS = 200_000  # of one cell; longer ones are shown as they are
KEPT_CHARS = 5_000  # of one cell; what is made of shorter ones is kept for the next page

# code spans and fences are left alone; $$...$$ and $...$ are formulas
_MATH = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?P<line>(?:[^$\n]|\n(?!\n))+?)\$(?!\w)",
    re.DOTALL,
)

_TO_ITSELF = re.compile(r'<a class="anchor-link"[^>]*>[^<]*</a>')  # a heading's link, of no use here


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


_FORMATTER = HtmlFormatter()
COLOURS = _FORMATTER.get_style_defs(".highlight")


def _coloured(code):
    return highlight(code or " ", _lexer(), _FORMATTER)


@functools.cache
def _lexer():
    return get_lexer_by_name("ipython3")  # which Pygments looks for among all that is installed


_TEXT = "a abbr b blockquote br code dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre s span strong sub"
_TEXT += " summary sup table tbody td th thead tr ul"
_FORMULAS = "math mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover"
_ATTRIBUTES = "alt title width height open align colspan rowspan display xmlns stretchy fence form separator mathvariant linethickness"
_ATTRIBUTES += " columnalign rowspacing columnspacing displaystyle scriptlevel accent lspace rspace movablelimits"


def _allowed(tag, name, value):
    if name == "href":  # a place of the server's that shows the page might be a command, as /logout is
        return tag == "a" and re.match(r"https?://|mailto:|#", value, re.IGNORECASE) is not None
    if name == "src":  # nothing that a page would fetch from elsewhere, or from outside of its folder
        beside = re.fullmatch(r"[\w.-][\w./ -]*", value) and ".." not in value
        return tag == "img" and bool(beside or re.match(r"data:image/(png|jpeg|gif);", value))
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
    # a picture that was pasted into a cell: the cell has it, the page gets its name
    text = re.sub(r"!\[([^]\n]*)\]\(attachment:[^)\n]*\)", r"(\1)", text)
    return clean(_TO_ITSELF.sub("", markdown2html_mistune(mathml(text))))


# the instructor's words and tests are the same on every page of a class
_kept_prose = functools.lru_cache(500)(_made)
_kept_code = functools.lru_cache(100)(_coloured)  # of which HTML is ten times as long


def _in_time(context, text, make):
    """What `make` makes of the text of a cell; where that takes too long, for it or for its page, the text as it is."""
    page = context.get("resources", {})
    started, left = time.process_time(), page.get("markup_seconds", PAGE_SECONDS)
    try:
        with _within(min(left, CELL_SECONDS)):
            return make(text)
    except (Exception, _TooLong):  # whatever the libraries raise at a student's text
        return f'<div class="highlight"><pre>{html.escape(text)}</pre></div>'
    finally:
        page["markup_seconds"] = left - (time.process_time() - started)


@pass_context
def prose(context, text: str) -> str:
    """A markdown cell as HTML; what would take too long, as ten thousand open brackets, stands there as text."""
    if len(text) > PROSE_CHARS:
        return f"<pre>{html.escape(text)}</pre>"
    return _in_time(context, text, _kept_prose if len(text) < KEPT_CHARS else _made)


@pass_context
def coloured(context, code: str, metadata=None) -> str:
    """Python as HTML, with classes for which `COLOURS` has the colours; what would take too long, as many empty lines, without.

    >>> coloured({}, "return 1")
    '<div class="highlight"><pre><span></span><span class="k">return</span> <span class="mi">1</span>\\n</pre></div>\\n'
    """
    return _in_time(context, code, _kept_code if len(code) < KEPT_CHARS else _coloured)
