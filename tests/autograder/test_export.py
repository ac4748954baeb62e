"""Slides and pages of a made-up lesson; and every formula of the course as MathML."""

import re
from html.parser import HTMLParser
from pathlib import Path

import jupytext
import pytest

from autograder.build import lessons
from autograder.cli import main
from autograder.export import cut, export
from autograder.markup import mathml
from autograder.problem import Problem

ROOT = Path(__file__).parents[2]
LESSON = '''\
# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 1 · A `sample`
# Costs `$5` and $\\frac{a_1}{b}$.

# %% tags=["setup"]
from IPython.display import HTML
secret_of_setup = 3

# %% [markdown]
# ## Words, then a picture
# See [the slides](https://example.org).

# %%
HTML('<figure><input type="range"><img src="data:image/png;base64,AA" alt="dots"></figure>')

# %% [markdown]
# What it shows.

# %% [markdown]
# ## A bare heading

# %%
print("3 < 4 in a demo")

# %% [markdown]
# ### Exercise 1 · double (3 points)
# Write `double`.

# %% solution="double"
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x  # the solution
    ### END SOLUTION


value = double(1)

# %% test="double_visible" points=3
assert double(1) == 2, "the test"

# %% [markdown] answer="why" points=2
# A model answer.
'''


class Tags(HTMLParser):
    """All tags with their attributes, and how those that are open nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sections, self.depth = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "section":
            assert not self.depth, "a slide inside a slide"
            self.depth, self.sections = 1, [*self.sections, ""]

    def handle_endtag(self, tag):
        self.depth -= tag == "section"

    def handle_data(self, data):
        if self.depth:
            self.sections[-1] += data


def course(folder, text=LESSON):
    (folder / "solutions").mkdir()
    (folder / "solutions" / "01_sample.py").write_text(text, encoding="utf-8")
    (folder / "nbgrader_config.py").touch()
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The text of both files, made by the command."""
    folder = course(tmp_path_factory.mktemp("course"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["slides", "01_sample"]) == main(["pages"]) == 0
    return {kind: (folder / kind / "01_sample.html").read_text(encoding="utf-8") for kind in ("slides", "pages")}


@pytest.mark.parametrize("kind", ["slides", "pages"])
def test_a_browser_has_nothing_to_fetch(made, kind):
    tags = Tags(made[kind]).tags
    policy = [a["content"] for t, a in tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policy) == 1 and policy[0].startswith("default-src 'none'") and "http" not in policy[0]
    sources = [a[key] for _, a in tags for key in ("src", "srcset", "data", "poster", "background") if key in a]
    assert sources and all(source.startswith("data:image/png") for source in sources)
    assert not {tag for tag, _ in tags} & {"link", "iframe", "object", "embed", "base"}
    assert not re.search(r"@import|url\(|\bimport\b *[('\"]|fetch\(", made[kind])
    left = made[kind].replace("http://www.w3.org/1998/Math/MathML", "").replace('href="https://example.org"', "")
    assert not re.search("https?://", left)


@pytest.mark.parametrize("kind", ["slides", "pages"])
def test_formulas_need_no_script_and_nothing_graded_is_shown(made, kind):
    page = made[kind]
    assert re.search(r"<mfrac>.*<msub>.*</msub>.*</mfrac>.*</math>", page), "nested as it was"
    assert "<code>$5</code>" in page
    assert "# the solution" not in page and "the test" not in page and "model answer" not in page
    assert "3 &lt; 4 in a demo" in page and 'type="range"' in page
    assert '<html lang="en">' in page and "<title>1 · A sample</title>" in page


def test_a_page_keeps_the_cells_to_fill_in(made):
    assert "YOUR CODE HERE" in made["pages"] and "secret_of_setup" in made["pages"]
    assert "YOUR CODE HERE" not in made["slides"] and "secret_of_setup" not in made["slides"]
    assert "Traceback" not in made["pages"], "what a stub raises is no output"


def test_slides_begin_at_headings_and_at_demos_with_words_above(made):
    slides = Tags(made["slides"]).sections
    starts = [" ".join(slide.split())[:24] for slide in slides]
    assert starts == [
        "1 · A sample Costs $5 an",
        "Words, then a picture Se",
        "Words, then a picture HT",
        "A bare heading 3 < 4 in ",
        "Exercise 1 · double (3 p",
    ]
    assert "What it shows." in slides[2]
    assert slides[3].index("in a demo") < slides[3].index("print"), "a demo shows its output before its code"


def test_slides_start_somewhere_without_a_heading():
    nb = jupytext.reads("# %%\n1 + 1\n\n# %% [markdown]\n# Words.\n", fmt="py:percent")
    assert [bool(cell.metadata.slide) for cell in cut(nb.cells)] == [True, False]
    assert cut([]) == []


@pytest.mark.parametrize(
    "text, words",
    [
        (LESSON.replace('print("3', 'print(1 / 0, "3'), "01_sample: a demo stops with ZeroDivisionError: division"),
        (LESSON.replace("What it shows.", "![](dots.png)"), "01_sample shows dots.png, which is not in the page"),
        (LESSON.replace("points=2", ""), "needs points="),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(tmp_path, text, words):
    with pytest.raises(Problem, match=re.escape(words)):
        list(export(course(tmp_path, text), "pages"))
    assert not (tmp_path / "pages").exists()


def test_an_unknown_lesson(tmp_path):
    with pytest.raises(Problem, match="no lesson 09_other; there are: 01_sample"):
        list(export(course(tmp_path), "slides", ["09_other"]))


@pytest.mark.parametrize("path", lessons(ROOT), ids=lambda path: path.stem)
def test_every_formula_of_the_course_becomes_mathml(path):
    for cell in jupytext.read(path, fmt="py:percent").cells:
        if cell.cell_type == "markdown":
            words = re.sub(r"```.*?```|`[^`\n]*`|<math.*?</math>", "", mathml(cell.source), flags=re.DOTALL)
            assert "$" not in words, words
            assert not re.search(r"<mi>\\", mathml(cell.source)), f"a command that the converter does not know: {words}"
