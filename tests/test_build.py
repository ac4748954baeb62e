"""The build on a made-up lesson, and what must hold for every lesson of the course."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.build import BuildError, build, lessons, stale
from autograder.sandbox import stage, withheld_file
from cnnlib.check import notebook

ROOT = Path(__file__).parents[1]
BEGIN = "### BEGIN HIDDEN TESTS"
SAMPLE = '''\
# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   autograder: {withheld: [cnnlib.ops.conv2d_forward]}
# ---

# %% [markdown]
# # 1 · A sample
# Größe → $N$

# %% tags=["setup"]
import numpy as np

# %% tags=["setup", "wide"]
seed = 3

# %%
print("a demo")

# %% solution="double"
def double(x):
    """Twice `x`."""
    ### BEGIN SOLUTION
    twice = np.add(x, x)
    return twice
    ### END SOLUTION


# %% test="double_visible" points=1
assert double(1) == 2

# %% test="double_hidden" points=2.5
# It also doubles arrays.
### BEGIN HIDDEN TESTS
assert (double(np.ones(2)) == 2).all()
### END HIDDEN TESTS

# %% [markdown] answer="why" points=2
# Because a sum is linear.
'''


ALLOWED = {"nbgrader", "tags", "deletable", "editable"}  # metadata of a cell; the last two are nbgrader's locks


def course(root, text=SAMPLE, name="01_sample"):
    (root / "solutions").mkdir(parents=True, exist_ok=True)
    (root / "solutions" / f"{name}.py").write_text(text, encoding="utf-8")
    return root


def read(root, tree, name="01_sample"):
    return nbformat.read(root / tree / name / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)


def built(root, text=SAMPLE, name="01_sample"):
    """The instructor's and the student's notebook of a lesson."""
    build(course(root, text, name))
    return read(root, "solutions", name), read(root, "notebooks", name)


def label(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def labelled(nb):
    return {label(cell): cell for cell in nb.cells if label(cell)}


def test_it_writes_what_changed_and_knows_what_is_stale(tmp_path):
    course(tmp_path)
    paths = [tmp_path / tree / "01_sample" / "01_sample.ipynb" for tree in ("solutions", "notebooks")]
    assert stale(tmp_path) == paths
    assert build(tmp_path) == paths
    assert build(tmp_path) == [] == stale(tmp_path)
    course(tmp_path, SAMPLE.replace("np.add(x, x)", "2 * x"))
    assert stale(tmp_path) == paths[:1]  # the student's version does not show the solution
    course(tmp_path, SAMPLE, "02_other")
    assert {path.stem for path in build(tmp_path, ["02_other"])} == {"02_other"}
    assert stale(tmp_path) == paths[:1]
    (tmp_path / "solutions" / "02_other.py").unlink()
    build(tmp_path)
    assert stale(tmp_path) == [tmp_path / tree / "02_other" / "02_other.ipynb" for tree in ("notebooks", "solutions")]


def test_the_metadata_is_complete_and_nothing_else_remains(tmp_path):
    instructor, student = built(tmp_path)
    for nb in instructor, student:
        assert (nb.nbformat, nb.nbformat_minor) == (4, 5)
        assert nb.metadata == {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "autograder": {"withheld": ["cnnlib.ops.conv2d_forward"]},
        }
        assert [cell.metadata.get("tags") for cell in nb.cells] == [
            *(None, ["setup"], ["setup", "wide"], None, None),
            *(
                ["raises-exception"]
                if cell.metadata.get("nbgrader", {}).get("points") and cell.cell_type == "code"
                else None
                for cell in nb.cells[5:]
            ),
        ]
        for cell in nb.cells:
            assert cell.metadata.keys() <= ALLOWED
            assert cell.cell_type == "markdown" or (cell.outputs, cell.execution_count) == ([], None)
    expected = {  # grade, solution, locked, points
        "setup": (False, False, True, None),
        "setup-2": (False, False, True, None),
        "double": (False, True, False, None),
        "double_visible": (True, False, True, 1),
        "double_hidden": (True, False, True, 2.5),
        "why": (True, True, False, 2),
    }
    for key, cell in labelled(instructor).items():
        grade, solution, locked, points = expected.pop(key)
        data = {"grade": grade, "solution": solution, "locked": locked, "schema_version": 3, "task": False}
        assert cell.metadata.nbgrader == data | {"grade_id": key} | ({"points": points} if grade else {})
        theirs = labelled(student)[key].metadata.nbgrader
        assert re.fullmatch("[0-9a-f]{32}", theirs.pop("checksum"))
        assert theirs == cell.metadata.nbgrader | {"cell_type": cell.cell_type}
    assert not expected


def test_each_version_has_its_text(tmp_path):
    instructor, student = built(tmp_path)
    mine, theirs = labelled(instructor), labelled(student)
    assert "### BEGIN SOLUTION" in mine["double"].source and "### BEGIN HIDDEN TESTS" in mine["double_hidden"].source
    stub = 'def double(x):\n    """Twice `x`."""\n    # YOUR CODE HERE\n    raise NotImplementedError()'
    assert theirs["double"].source == stub
    assert theirs["double_visible"].source == mine["double_visible"].source
    assert theirs["double_hidden"].source == "# It also doubles arrays."
    assert (mine["why"].source, theirs["why"].source) == ("Because a sum is linear.", "YOUR ANSWER HERE")
    assert student.cells[0].source == "# 1 · A sample\nGröße → $N$"


def test_nbgraders_own_command_gives_the_same_bytes(tmp_path):
    built(tmp_path)
    release = tmp_path / "notebooks" / "01_sample" / "01_sample.ipynb"
    ours = release.read_bytes()
    shutil.rmtree(tmp_path / "notebooks")
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "01_sample", "--no-db"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PATH": path}, check=True, capture_output=True)
    assert release.read_bytes() == ours


def test_cells_keep_their_ids(tmp_path):
    before, student = built(tmp_path)
    ids = [cell.id for cell in before.cells]
    assert len(set(ids)) == len(ids)
    assert [cell.id for cell in student.cells] == ids
    assert [cell.id for cell in built(tmp_path / "again")[0].cells] == ids
    after, _ = built(tmp_path, SAMPLE.replace('# %% solution="double"', '# %%\nx = 1\n\n# %% solution="double"'))
    assert len(after.cells) == len(ids) + 1
    assert all(cell.id == labelled(before)[key].id for key, cell in labelled(after).items())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('test="double_hidden"', 'test="double_visible"', "cell 7: the grade id 'double_visible' is taken by cell 6"),
        ('test="double_visible"', 'test="setup"', "'setup' is taken by cell 2"),
        ('test="double_visible" points=1', 'test="double_visible"', "cell 6: the test 'double_visible' needs points="),
        ('answer="why" points=2', 'answer="why"', "the answer 'why' needs points="),
        ("points=2.5", "points=-1", "points=-1 is no number of points"),
        ("points=2.5", "points=true", "points=True is no number of points"),
        ('solution="double"', 'solution="double" points=2', "cell 5 takes no points"),
        ('solution="double"', 'solutoin="double"', "unknown key 'solutoin'"),
        ('solution="double"', "solution=double", "solution=double"),
        ('solution="double"', 'solution="double" test="f"', "both solution and test"),
        ('tags=["setup"]', 'tags="setup"', "cannot be read"),
        ('solution="double"', 'solution="dou ble"', "'dou ble' may hold letters"),
        ('solution="double"', 'solution=""', "'' may hold letters"),
        ('solution="double"', "solution=3", "3 may hold letters"),
        ("    ### BEGIN SOLUTION\n", "", "must stand in pairs"),
        ("    ### END SOLUTION\n", "", "must stand in pairs"),
        ("    ### BEGIN SOLUTION\n", "    # BEGIN SOLUTION\n", "nbgrader takes `# BEGIN SOLUTION` for a fence"),
        ("### END HIDDEN TESTS\n", "", f"cell 7: `{BEGIN}` and `### END HIDDEN TESTS` must stand in pairs"),
        ("    twice = ", "    ### BEGIN SOLUTION\n    twice = ", "must stand in pairs"),
        ('print("a demo")', f"{BEGIN}\n### END HIDDEN TESTS", f"cell 4 has `{BEGIN}`, but is no test"),
        ("assert double(1) == 2", "### BEGIN SOLUTION\n### END SOLUTION", "but is no solution or answer cell"),
        ("# Größe", "# the words BEGIN SOLUTION", "cell 1: nbgrader takes"),
        ("assert double(1) == 2", "assert double(1) = 2", "the test 'double_visible' is not valid Python"),
        (
            "arrays.\n### BEGIN HIDDEN TESTS\n",
            f"\nif 1:\n    {BEGIN}\n    x = 1\n",
            "without its hidden part, the test",
        ),
        ("# %% [markdown] answer", "# %% answer", "cell 8 is code; it should be markdown"),
        ('# %% test="double_v', '# %% [markdown] test="double_v', "cell 6 is markdown; it should be code"),
        ("# %%\nprint", "# %% [raw]\nprint", "cell 4 is raw"),
        ("withheld:", "witheld:", "and no more"),
        ("[cnnlib.ops.conv2d_forward]", "cnnlib.ops.conv2d_forward", "and no more"),
        ("{withheld", "{withheld: {", "cannot be read"),
        ("# jupyter:", "# jupiter:", "has no part `jupyter:`"),
        ("# ---\n# jupyter:", "# jupyter:", "has no header"),
    ],
)
def test_a_wrong_source_is_refused_in_a_sentence(tmp_path, old, new, words):
    built(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.ipynb")}
    assert SAMPLE.count(old) == 1
    course(tmp_path, SAMPLE.replace(old, new))
    with pytest.raises(BuildError) as problem:
        build(tmp_path)
    assert words in str(problem.value) and "01_sample" in str(problem.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.ipynb")} == before


def test_a_solution_needs_its_fence(tmp_path):
    course(tmp_path, re.sub(r" *### (BEGIN|END) SOLUTION\n", "", SAMPLE))
    with pytest.raises(BuildError, match="cell 5: the solution 'double' has no `### BEGIN SOLUTION`"):
        build(tmp_path)


def test_an_unknown_lesson_is_named(tmp_path):
    with pytest.raises(BuildError, match=r"no lesson 09_x.*; there are: none"):
        build(tmp_path, ["09_x"])
    with pytest.raises(BuildError, match=r"no lesson 09_x.*; there are: 01_sample"):
        build(course(tmp_path), ["01_sample", "09_x"])


# What must hold for every lesson. Each check is a function that returns what is wrong, so that it can be shown to fail.

LESSONS = lessons(ROOT)
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def hidden(text):
    """The lines of a lesson's source that no student may see: longer than 12 characters, and nowhere else in it."""
    shown, secret, inside, answer = [], [], False, False
    for line in text.splitlines():
        line = line.removeprefix("# ").strip()
        if line.startswith("%%"):
            answer = "answer=" in line
        elif line.startswith("### "):
            inside = {"BEGIN": True, "END": False}.get(line.split()[1], inside)
        else:
            (secret if inside or answer else shown).append(line)
    return {line for line in secret if len(line) > 12 and line not in "\n".join(shown)}


def leaks(text, folder):
    """The hidden lines of a lesson's source that stand in a file of the folder."""
    files = [path.read_text(encoding="utf-8", errors="ignore") for path in folder.rglob("*") if path.is_file()]
    return {line for line in hidden(text) if any(json.dumps(line, ensure_ascii=False)[1:-1] in file for file in files)}


def lines(cell):
    """The lines of a code cell that say something."""
    return [line for line in cell.source.split("\n") if line.strip(" )]}") and not re.match(r"import |from ", line)]


def excesses(nb):
    """Where a student's notebook is longer or shorter than docs/writing-a-lesson.md allows."""
    words = sum(len(cell.source.split()) for cell in nb.cells if cell.cell_type == "markdown")
    points = sum(cell.metadata.nbgrader.get("points", 0) for cell in labelled(nb).values())
    functions = sum(cell.cell_type == "code" and cell.metadata.nbgrader.solution for cell in labelled(nb).values())
    ranges = {"words": (words, 1000, 2200), "cells": (len(nb.cells), 30, 72), "functions": (functions, 4, 8)}
    found = [f"{n} {name}, not {low} to {high}" for name, (n, low, high) in ranges.items() if not low <= n <= high]
    if points % 5:
        found.append(f"{points} points, no multiple of 5")
    for number, cell in enumerate(nb.cells, 1):
        given = cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("solution")
        if given and len(lines(cell)) > 8:
            found.append(f"cell {number} {label(cell)} has {len(lines(cell))} lines, not 8 at most")
    return found


def unprotected(nb):
    """What the library has of the functions that a lesson asks for, and does not withhold; and names it has not."""
    withheld = nb.metadata.autograder.withheld
    files = {withheld_file(name) for name in withheld}
    ops = importlib.import_module("cnnlib.ops")
    asked = [cell for cell in labelled(nb).values() if cell.metadata.nbgrader.solution and cell.cell_type == "code"]
    names = [node.name for cell in asked for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef)]
    own = {name for name in names if hasattr(ops, name) and Path(inspect.getfile(getattr(ops, name))) not in files}
    return own | {name for name in withheld if withheld_file(name) is None}


def test_there_are_lessons():
    assert len(LESSONS) >= 2


def test_the_notebooks_are_in_step_with_their_sources():
    assert stale(ROOT) == [], "run `make build` and commit the notebooks"


@each_lesson
def test_nothing_hidden_has_leaked(path, tmp_path):
    text = path.read_text(encoding="utf-8")
    assert len(hidden(text)) > 30
    assert leaks(text, ROOT / "notebooks" / path.stem) == set()
    built(tmp_path, text, path.stem)
    assert leaks(text, tmp_path / "solutions" / path.stem) == hidden(text)  # the instructor's version has it all


@each_lesson
def test_the_notebooks_are_clean(path):
    for tree in ("solutions", "notebooks"):
        nb = read(ROOT, tree, path.stem)
        assert nb.metadata.kernelspec.name == "python3"
        assert all((c.outputs, c.execution_count) == ([], None) for c in nb.cells if c.cell_type == "code")
        assert all(c.metadata.keys() <= ALLOWED for c in nb.cells)
        labels = [label(cell) for cell in nb.cells if label(cell)]
        assert len(labels) == len(set(labels)) and labels[0] == "setup"


@each_lesson
def test_a_lesson_keeps_its_form(path):
    assert excesses(read(ROOT, "notebooks", path.stem)) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (r"points=\d+", "points=1.5", "points, no multiple of 5"),
        (r"# %%\n", "# %%\n" + "x = 1\n" * 8, "lines, not 8 at most"),
        (r"(# %% test=.*\n)", r"\1" + "x = 1\n" * 8, "_visible has"),
        (r"# %% \[markdown\]\n", "# %% [markdown]\n# " + "more " * 1500 + "\n", "words, not 1000 to 2200"),
        (r"# %%\n", "# %%\n# %%\n" * 50, "cells, not 30 to 72"),
        (r"# %% solution=(?s:.*?)# %% \[", "# %% [", "functions, not 4 to 8"),
    ],
)
def test_a_lesson_out_of_form_is_found(tmp_path, old, new, words):
    text = LESSONS[0].read_text(encoding="utf-8")
    changed = re.sub(old, new, text, count=0 if "functions" in words else 1)
    assert any(words in line for line in excesses(built(tmp_path, changed)[1]))


@each_lesson
def test_what_is_asked_for_is_withheld(path):
    nb = read(ROOT, "notebooks", path.stem)
    assert unprotected(nb) == set()
    nb.metadata.autograder.withheld = ["cnnlib.ops.no_such"]
    assert unprotected(nb) >= {"cnnlib.ops.no_such"}


IMPORT_ALL = """
import importlib, pkgutil, cnnlib
for module in pkgutil.walk_packages(cnnlib.__path__, "cnnlib."):
    importlib.import_module(module.name)
print(cnnlib.__file__)
"""


@each_lesson
def test_all_else_of_the_library_works_without_what_is_withheld(path, tmp_path):
    """In grading every other module can be imported: none leans on a part of a withheld file that its stand-in lacks."""
    withheld = tuple(read(ROOT, "notebooks", path.stem).metadata.autograder.withheld)
    stage(tmp_path, withheld)
    run = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == str(tmp_path / "cnnlib" / "__init__.py"), run.stderr[-2000:]


@each_lesson
def test_what_is_withheld_in_grading_is_closed_at_home(path):
    """The set-up cell closes the functions that the header withholds, so that nothing passes at home and fails there."""
    nb = read(ROOT, "notebooks", path.stem)
    called = re.search(r"check\.withhold\((.*?)\)", labelled(nb)["setup"].source, re.DOTALL)
    assert re.findall(r'"(.*?)"', called[1]) == nb.metadata.autograder.withheld


def offered(files):
    """The public functions and classes that files (or the files of a folder) define."""
    paths = [path for file in files for path in ([file] if file.is_file() else file.glob("*.py"))]
    nodes = [node for path in paths for node in ast.parse(path.read_text(encoding="utf-8")).body]
    return {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")}


@each_lesson
def test_what_is_closed_at_home_is_what_grading_closes(path, monkeypatch):
    """Grading puts stand-ins in the place of whole files, so all that such a file offers is closed at home too; no more."""
    withheld = read(ROOT, "notebooks", path.stem).metadata.autograder.withheld
    files = {withheld_file(name) for name in withheld}
    monkeypatch.setattr(notebook, "live", lambda: True)
    monkeypatch.setattr(notebook, "_closed", tuple(withheld))
    ops = vars(importlib.import_module("cnnlib.ops"))
    functions = {name for name, value in ops.items() if inspect.isfunction(value)}
    before = {name: ops[name] for name in functions}
    with notebook.closed():
        closed = {name for name in functions if ops[name] is not before[name]}
    homes = {name: Path(inspect.getfile(before[name])) for name in functions}
    assert closed == {name for name in functions if homes[name] in files or homes[name].parent in files}
    assert closed <= offered(files)
    for name in withheld:
        module, _, function = name.rpartition(".")
        with notebook.closed():
            value = getattr(importlib.import_module(module), function)
        assert inspect.ismodule(value) or "_stand_in" in value.__qualname__


CALLS = """
import numpy as np
from cnnlib import arithmetic, models, ops, summary
x, w, rows = np.ones((1, 2, 6, 4)), np.ones((2, 2, 2, 2)), np.ones((3, 4))
def words(call):
    try:
        return str(call())[:80]
    except (RuntimeError, AttributeError):
        return "closed"
CALLS = [
    lambda: ops.relu_forward(x)[0].sum(), lambda: ops.linear_forward(rows, np.ones((2, 4)), None)[0].sum(),
    lambda: ops.batch_norm_forward(x, np.ones(2), np.ones(2))[0].sum(), lambda: ops.softmax_forward(rows)[0].sum(),
    lambda: ops.upsample_nearest_forward(x, 2)[0].shape, lambda: ops.conv_transpose2d_forward(x, w)[0].sum(),
    lambda: ops.conv2d_forward(x, w)[0].sum(), lambda: ops.max_pool2d_forward(x, 2)[0].sum(),
    lambda: ops.locally_connected2d_forward(x, np.ones((5, 3, 1, 2, 2, 2)))[0].sum(),
    lambda: ops.cross_entropy_forward(rows, np.array([0, 1, 2]))[0], lambda: ops.dropout_forward(x, 0.0)[0].sum(),
    lambda: arithmetic.output_size(7, 3), lambda: arithmetic.receptive_field([(3, 1)]), lambda: arithmetic.conv_params(3, 6, 5),
    lambda: summary(models.lenet.lenet5, (1, 32, 32)).parameters,
]
"""


HOME = """
from cnnlib.check import notebook
notebook.live, notebook._closed = lambda: True, {}
context = notebook.closed()
context.__enter__()
"""


@each_lesson
def test_the_library_answers_at_home_as_in_grading(path, tmp_path):
    """Whatever a student calls, it works in both places, or says in both that it is closed."""
    withheld = tuple(read(ROOT, "notebooks", path.stem).metadata.autograder.withheld)
    stage(tmp_path, withheld)
    answers = []
    for folder, before in [(tmp_path, ""), (ROOT, HOME.format(withheld))]:
        code = f"{CALLS}{before}\nprint(*map(words, CALLS), sep='\\n')"
        run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
        answers.append(run.stdout.splitlines() or run.stderr)
    grading, home = answers
    assert grading == home
    assert "closed" in home or path.stem == "08_architectures"
    if path.stem == "06_pooling":  # its receptive_field has a file of its own
        assert home[11:13] == ["5", "closed"]


FILTERS = ["ops.conv2d_forward(x, w)", "ops.conv_transpose2d_forward(x, w)"]
FILTERS += ["ops.locally_connected2d_forward(x, np.ones((5, 3, 1, 2, 2, 2)))"]
PRODUCTS, REGIONS = "Tensor(rows) @ Tensor(rows.T)", "ops.roi_pool_forward(x, [[0, 0, 0, 1, 1]], 1)"
DOORS = {  # ways through the library to what the exercises ask for
    "01_neurons": ["ops.log_softmax_forward(rows)", "F.log_softmax(Tensor(rows))"],
    "02_backprop": [*FILTERS, PRODUCTS, "ops.matmul_forward(rows, rows.T)"],
    "03_convolution": FILTERS,
    "04_conv_dims": FILTERS[:1],
    "05_conv_backward": [*FILTERS, PRODUCTS, "Tensor(x)[:, :, 1:]"],
    "06_pooling": [*FILTERS, REGIONS, "Tensor(x)[:, :, 1:].sum()"],
    "07_training": ["Tensor(rows) * 2", "Tensor(rows).sum()", "Tensor(rows) ** 2"],
    "08_architectures": [*FILTERS, REGIONS, PRODUCTS],
}


@each_lesson
def test_no_other_door_leads_to_what_is_withheld(path, tmp_path):
    stage(tmp_path, tuple(read(ROOT, "notebooks", path.stem).metadata.autograder.withheld))
    calls = ", ".join(f"lambda: {door}" for door in DOORS[path.stem])
    code = (
        f"from cnnlib.autograd import Tensor, functional as F\nprint([words(call) == 'closed' for call in [{calls}]])"
    )
    for folder, closed in [(tmp_path, True), (ROOT, False)]:
        run = subprocess.run(
            [sys.executable, "-c", CALLS + code], cwd=folder, capture_output=True, text=True, check=False
        )
        assert run.stdout.strip() == str([closed] * len(DOORS[path.stem])), run.stderr[-2000:]


def test_no_demo_holds_a_solution():
    """A function with an exercise's arguments could be imported in its place, unless it goes through what is withheld."""
    asked = {"net", "velocities", "running_mean", "momentum"}
    for module in pkgutil.iter_modules(importlib.import_module("cnnlib.demos").__path__, "cnnlib.demos."):
        for function in vars(importlib.import_module(module.name)).values():
            if inspect.isfunction(function) and function.__module__ == module.name:
                assert len(asked & inspect.signature(function).parameters.keys()) < 2, function


def test_a_function_that_the_library_has_and_does_not_withhold_is_found():
    nb = read(ROOT, "notebooks", "05_conv_backward")
    nb.metadata.autograder.withheld = []
    assert unprotected(nb) >= {"conv2d_backward", "im2col", "col2im"}


@each_lesson
def test_the_instructors_version_runs_as_at_home(path, monkeypatch):
    monkeypatch.setattr(notebook, "live", lambda: True)  # with the withheld functions closed while a check runs
    space = {"__name__": "__main__"}
    for cell in read(ROOT, "solutions", path.stem).cells:
        if cell.cell_type == "code":
            exec(cell.source, space)


@each_lesson
def test_a_student_who_is_stuck_sees_every_demo_and_passes_no_test(path):
    space, failed = {"__name__": "__main__"}, 0
    for cell in read(ROOT, "notebooks", path.stem).cells:
        if cell.cell_type == "code" and label(cell).endswith("_visible"):
            with pytest.raises(AssertionError, match="not written yet"):
                exec(cell.source, space)
            failed += 1
        elif cell.cell_type == "code":
            exec(cell.source, space)
    assert failed >= 4
