"""The overlay: whatever a submission looks like, its answers stand on the instructor's notebook, and only they count."""

import copy
import json
import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import overlay


def labelled(cell, label, grade=False, solution=False, points=None):
    data = {
        "grade_id": label,
        "grade": grade,
        "solution": solution,
        "locked": not solution,
        "schema_version": 3,
        "task": False,
    }
    cell.metadata["nbgrader"] = data | ({"points": points} if points is not None else {})
    return cell


@pytest.fixture
def source():
    nb = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    setup = labelled(new_code_cell("import math"), "setup")
    setup.metadata["tags"] = ["setup"]
    nb.cells = [
        new_markdown_cell("# Title"),
        setup,
        new_code_cell("print('demo')"),
        labelled(
            new_code_cell("def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION"), "f", solution=True
        ),
        labelled(
            new_code_cell("assert f(1) == 1\n### BEGIN HIDDEN TESTS\nassert f(2) == 2\n### END HIDDEN TESTS"),
            "test_f",
            grade=True,
            points=2,
        ),
        labelled(new_markdown_cell("Your answer"), "why", grade=True, solution=True, points=3),
    ]
    return nb


@pytest.fixture
def released(source):
    return overlay.release(source)


def answered(released, code="def f(x):\n    return x"):
    nb = copy.deepcopy(released)
    nb.cells[3].source = code
    return nb


def laid(released, nb):
    return overlay.overlay(released, overlay.found(nb), "lesson")


def by_id(nb):
    return {overlay.grade_id(cell): cell for cell in nb.cells if overlay.grade_id(cell)}


def test_the_release_holds_no_answer(released):
    text = json.dumps(released)
    assert "return x" not in text and "f(2)" not in text and "NotImplementedError" in text


def test_an_answer_is_taken_and_nothing_else(released):
    nb = answered(released)
    nb.cells[4].source = "pass"
    nb.cells[4].metadata.nbgrader.points = 100
    nb.cells[4].metadata["tags"] = ["skip-execution"]
    nb.cells[1].source = "import evil"
    nb.metadata["kernelspec"]["name"] = "evil"
    got, notes = laid(released, nb)
    cells = by_id(got)
    assert cells["f"].source == "def f(x):\n    return x"
    assert cells["test_f"] == released.cells[4] and cells["setup"] == released.cells[1]
    assert got.metadata.kernelspec.name == "python3" and notes == []


@pytest.mark.parametrize("order", [[5, 4, 3, 2, 1, 0], [3], [4, 3], [0, 3, 3, 5]])
def test_order_and_deletions_do_not_matter(released, order):
    nb = answered(released)
    nb.cells = [copy.deepcopy(nb.cells[i]) for i in order]
    got, _ = laid(released, nb)
    assert [overlay.grade_id(c) for c in got.cells if overlay.grade_id(c)] == ["setup", "f", "test_f", "why"]
    assert by_id(got)["f"].source == "def f(x):\n    return x"


def test_a_students_own_cells_stand_after_the_cell_they_followed(released):
    nb = answered(released)
    nb.cells.insert(3, new_code_cell("helper = 1"))
    nb.cells.insert(5, new_code_cell("more = 2"))
    got, _ = laid(released, nb)
    sources = [c.source for c in got.cells]
    assert sources.index("helper = 1") < sources.index("def f(x):\n    return x") < sources.index("more = 2")
    assert sources.index("more = 2") < sources.index(released.cells[4].source)


def test_an_edited_demo_cell_runs_once_as_edited(released):
    nb = answered(released)
    nb.cells[2].source = "print('mine')"
    sources = [c.source for c in laid(released, nb)[0].cells]
    assert "print('mine')" in sources and "print('demo')" not in sources


def test_a_copied_solution_cell_loses_nothing(released):
    nb = answered(released)
    nb.cells.insert(4, copy.deepcopy(released.cells[3]))
    assert by_id(laid(released, nb)[0])["f"].source == "def f(x):\n    return x"
    nb.cells[4].source = "g = 2"
    assert by_id(laid(released, nb)[0])["f"].source == "def f(x):\n    return x\n\ng = 2"


def test_without_labels_the_functions_are_still_found(source, released):
    nb = answered(released)
    for cell in nb.cells:
        cell.metadata.clear()
    got, _ = laid(released, nb)
    plan = overlay.plan(source, released, got)
    runs = [c.source for c in plan.cells if c.kind == "run"]
    assert "def f(x):\n    return x" in runs and not any("NotImplementedError" in r for r in runs)


def test_many_own_cells_cost_no_answer(released):
    nb = answered(released)
    nb.cells[1:1] = [new_code_cell(f"x = {i}") for i in range(overlay.OWN_CELLS + 1)]
    got, notes = laid(released, nb)
    assert by_id(got)["f"].source == "def f(x):\n    return x" and "the last 1 were left out" in notes[0]
    assert len(got.cells) == len(released.cells) + overlay.OWN_CELLS


def test_half_a_character_in_a_source_can_be_written(released):
    nb = answered(released, "def f(x):\n    return x  # \ud83d")
    nbformat.writes(laid(released, nb)[0]).encode()


def test_no_id_of_a_students_cell_is_a_grade_id(source):
    source.cells[4].metadata.nbgrader.grade_id = "cell-0"
    got, _ = laid(overlay.release(source), new_notebook(cells=[new_code_cell("x = 1"), new_code_cell("y = 1")]))
    labels = [overlay.grade_id(c) or c.id for c in got.cells]
    assert len(labels) == len(set(labels))


def test_manual_answers_are_kept_to_the_letter(released):
    nb = answered(released)
    nb.cells[5].source = " <b>Why</b> $x$ <script>alert(1)</script>\n"
    assert by_id(laid(released, nb)[0])["why"].source == nb.cells[5].source


def test_another_notebook_is_named(released):
    other = new_notebook(cells=[labelled(new_code_cell("x"), "elsewhere", solution=True)])
    _, notes = laid(released, other)
    assert "another notebook" in notes[0]


def test_the_plan_takes_tests_from_the_instructor(source, released):
    plan = overlay.plan(source, released, laid(released, answered(released))[0])
    (test,) = [c for c in plan.cells if c.kind == "test"]
    assert "f(2)" in test.source and "f(2)" not in test.visible and test.points == 2
    assert plan.setup == ["import math"]
    assert [c.quiet for c in plan.cells if c.source == "print('demo')"] == [True]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b'{"cells": [', "no valid JSON"),
        (b"PK\x03\x04", "no valid JSON"),
        (b"[" * 100_000, "no valid JSON"),
        (b"[1, 2]", "not a notebook"),
        (b'{"cells": 3}', "not a notebook"),
        (b"\xff\xfe\x00", "no valid JSON"),
    ],
)
def test_what_is_no_notebook_is_refused_in_a_sentence(tmp_path, content, says):
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    with pytest.raises(overlay.Unreadable, match=says):
        overlay.read(path)


def test_links_and_devices_are_not_opened(tmp_path):
    (tmp_path / "target").write_text('{"cells": []}')
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe.ipynb")
    for name in ("link.ipynb", "pipe.ipynb"):
        with pytest.raises(overlay.Unreadable, match="not a regular file"):
            overlay.read(tmp_path / name)
    with pytest.raises(overlay.Unreadable, match="cannot be opened"):
        overlay.read(tmp_path / "none.ipynb")


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "a.ipynb"
    with path.open("wb") as file:
        file.truncate(overlay.MAX_BYTES + 1)
    with pytest.raises(overlay.Unreadable, match="MB"):
        overlay.read(path)


@pytest.mark.parametrize(
    "cell",
    [
        None,
        3,
        {},
        {"source": 5},
        {"cell_type": 7, "metadata": [], "source": [1, "a"]},
        {"metadata": {"nbgrader": "x"}},
        {"id": {}},
    ],
)
def test_mangled_cells_are_read_as_far_as_they_go(released, cell):
    nb = json.loads(json.dumps(answered(released)))
    nb["cells"].insert(2, cell)
    got, _ = overlay.overlay(released, overlay.found(nb), "lesson")
    assert by_id(got)["f"].source == "def f(x):\n    return x"
    nbformat.validate(got)


def test_old_formats_are_read():
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["def f(x):\n", "    return x"]}]}]}
    assert [c.source for c in overlay.found(old)] == ["def f(x):\n    return x"]


def test_the_title_is_the_lessons_whatever_the_submission_says(source):
    source.cells.insert(0, new_markdown_cell("# Lesson 9 · `square`"))
    released = overlay.release(source)
    nb = answered(released)
    nb.cells[0].source = "# All 40 points"
    nb.metadata["title"] = "All 40 points"
    assert laid(released, nb)[0].metadata["title"] == "Lesson 9 · square"
