"""A student's page: what to mend stands first, what waits is no zero, and the lesson's own cells are folded."""

import re
from html.parser import HTMLParser

import nbformat
import pytest
from traitlets.config import Config

from autograder import execute, markup, mistakes, pages

KNOWN = next(iter(mistakes.known("conv2d_backward")))


def cell(kind, source, label=None, output=None, **flags):
    made = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}[kind](source)
    if label:
        flags = {"grade": False, "solution": False, "task": False, "locked": False, **flags}
        made.metadata["nbgrader"] = {"grade_id": label, "schema_version": 3, **flags}
    if output:
        made.outputs = [nbformat.v4.new_output("error", ename="Test failed", evalue=output[0], traceback=list(output))]
    return made


@pytest.fixture(scope="module")
def page():
    nb = nbformat.v4.new_notebook(metadata={"title": "9 · The square"})
    nb.cells = [
        cell("markdown", "# 9 · The *square*\n\nProse of the lesson."),
        cell("code", "picture()"),
        cell("markdown", "### Exercise 1 · square (4 points)"),
        cell("code", "def square(x):\n    return x + x", "square", solution=True),
        cell("code", "check(square)", "square_visible", grade=True, points=2),
        cell(
            "code",
            "# Hidden",
            "square_hidden",
            ["square: out is wrong in 2 of 4.", "In case 1.", KNOWN],
            grade=True,
            points=2,
        ),
        cell("markdown", "More prose."),
        cell("code", "import nothing_there", output=["No module named <nothing_there>"]),
        cell("markdown", "My question", "question", grade=True, solution=True, points=2),
        cell("markdown", "Changed since it was marked", "old_question", grade=True, solution=True, points=2),
        cell("markdown", "YOUR ANSWER HERE", "untouched", grade=True, solution=True, points=0),
        cell("markdown", "The end."),
    ]
    said = {
        "grades": {
            "square_visible": (2.0, 2.0, False),
            "square_hidden": (0.0, 2.0, False),
            "question": (0.0, 2.0, True),
            "old_question": (1.0, 2.0, True),
            "untouched": (0.0, 0.0, False),
        },
        "comments": {"square": "Think of **x=3**.", "untouched": "No response."},
        "penalty": 0.5,
        "due": None,
    }
    config = Config()
    execute.configure(config)
    return pages.render(pages.settings(config), nbformat.writes(nb), "squares", "ada", said)


class Text(HTMLParser):
    """The words of a page that show while nothing is unfolded, and those that are folded."""

    def __init__(self, page):
        super().__init__()
        self.open, self.shown, self.folded = [], "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag in ("details", "style", "summary"):
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in ("details", "style", "summary"):
            self.open.pop()

    def handle_data(self, data):
        if any(tag == "style" for tag, _ in self.open):
            return
        if any(tag == "details" and "open" not in attrs for tag, attrs in self.open) and self.open[-1][0] != "summary":
            self.folded += data
        else:
            self.shown += data


def test_the_page_begins_with_the_score_and_what_each_test_says(page):
    head = page[: page.index("Exercise 1")]
    words = " ".join(re.sub(r"<[^>]+>", " ", head[head.index("<body") :]).split())
    assert "<title>9 · The square</title>" in page
    assert "2.5 of 8 points" in words and "0.5 of 3 points are taken off already" in words
    assert "2 more points wait for a person" in words
    assert "1 of these points were given for an answer that was changed since" in words
    assert KNOWN in words.replace("&#x27;", "'") or KNOWN.replace("`", "") in words
    assert "square_hidden" in words and "0 / 2" in words and "– / 2" in words
    assert "untouched not answered" in words and "No response" not in page


def test_the_lesson_is_folded_unless_a_cell_of_it_failed(page):
    text = Text(page)
    assert "Prose of the lesson." in text.folded and "picture()" in text.folded
    assert "No module named <nothing_there>" in text.shown
    assert "The end." in text.folded
    assert "return x + x" in text.shown.replace("\xa0", " ")
    assert "Exercise 1 · square (4 points)" in text.shown
    assert "Think of x=3." in text.shown
    assert "My question" in text.shown


def test_every_link_leads_to_a_place_on_the_page(page):
    for target in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{target}"' in page
    assert "<script" not in page and "http:" not in page.replace("http://www.w3.org", "")


def test_a_students_own_cells_are_shown_as_such_and_name_nothing():
    nb = nbformat.v4.new_notebook(metadata={"title": "Two"})
    nb.cells = [
        cell("markdown", "# Two\n\n```\n# no heading\n```"),
        cell("markdown", "# All 40 points\n\n<p id='cell-t' class='total'>40 of 40</p>"),
        cell("code", "x = 1", "t", grade=True, points=1, output=["no"]),
    ]
    nb.cells[1].metadata["autograder"] = {"own": True}
    config = Config()
    execute.configure(config)
    said = {"grades": {"t": (0.0, 1.0, False)}, "comments": {}, "penalty": 0, "due": None}
    made = pages.render(pages.settings(config), nbformat.writes(nb), "squares", "ada", said)
    assert "<title>Two</title>" in made and "A cell of your own" in made
    assert made.count('id="cell-t"') == 1 and made.count('class="total"') == 1
    assert "no heading</h2>" not in made


# ---- what would take too long, or lead away


@pytest.mark.parametrize(
    "text", ["1" + "\n " * 100_000 + "\n1", "a." * 200_000, "match" + " " * 200_000, "(" * 200_000]
)
def test_colours_that_take_too_long_are_left_out(monkeypatch, text):
    """Pygments reads each line's end again for every line that is empty."""
    monkeypatch.setattr(markup, "CELL_SECONDS", 0.5)
    page = {}
    html = markup.coloured({"resources": page}, text)
    assert re.sub(r"<[^>]*>", "", html).strip() == text.strip() and page["markup_seconds"] < markup.PAGE_SECONDS


@pytest.mark.parametrize(
    ("source", "stays"),
    [
        ("![x](../../../logout)", False), ("![x](/logout)", False), ("![x](a/../../logout)", False), ("![x](plots/a.png)", True),
        ("[x](/logout)", False), ("[x](../logout)", False), ("[x](//evil.example)", False), ("[x](#there)", True),
        ("[x](https://example.org/a)", True), ("[x](mailto:a@example.org)", True), ("$\\href{https://evil.example}{x}$", False),
    ],
)  # fmt: skip
def test_no_picture_or_link_is_a_command_to_the_server_that_shows_it(source, stays):
    html = markup.prose({}, source)
    assert bool(re.search("(src|href)=", html)) == stays, html


@pytest.mark.parametrize("name", ["image.png", "a b.png"])
def test_a_picture_that_was_pasted_into_a_cell_stops_no_page(name):
    assert markup.prose({}, f"see ![the {name}](attachment:{name}) here").strip() == f"<p>see (the {name}) here</p>"
