"""The package as a whole: quick to import, whole in its pairs, and alive where its convolution is withheld."""

import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

import cnnlib
from cnnlib import ops


def python(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_import_loads_nothing_but_the_package():
    run = python("import sys, cnnlib; print([name for name in sys.modules if name.startswith(('numpy', 'cnnlib.'))])")
    assert run.stdout.strip() == "[]", run.stderr


def test_each_part_is_an_attribute():
    for name in cnnlib.MODULES:
        assert getattr(cnnlib, name).__name__ == f"cnnlib.{name}"
    for name, module in cnnlib.FUNCTIONS.items():
        assert getattr(cnnlib, name) is getattr(getattr(cnnlib, module), name)
    assert {*cnnlib.MODULES, *cnnlib.FUNCTIONS} <= {*dir(cnnlib)}


def test_an_unknown_attribute():
    with pytest.raises(AttributeError, match="module 'cnnlib' has no attribute 'nothing'"):
        cnnlib.nothing  # noqa: B018


def test_every_forward_pass_has_a_backward_pass():
    forward = {name.removesuffix("_forward") for name in dir(ops) if name.endswith("_forward")}
    backward = {name.removesuffix("_backward") for name in dir(ops) if name.endswith("_backward")}
    assert forward == backward >= {"conv2d", "linear", "relu"}
    for name in dir(ops):
        assert getattr(ops, name).__doc__, f"{name} has no docstring"


WITHHELD = """
import importlib, pkgutil, sys, types
def withheld(*args, **kwargs):
    raise NotImplementedError("this is what the exercise asks you to write")
conv = types.ModuleType("cnnlib.ops.conv")
for name in ("conv2d_forward", "conv2d_backward", "im2col", "col2im"):
    setattr(conv, name, withheld)
sys.modules["cnnlib.ops.conv"] = conv
import cnnlib
for module in pkgutil.walk_packages(cnnlib.__path__, "cnnlib."):
    importlib.import_module(module.name)
assert cnnlib.ops.conv2d_forward is withheld
print(cnnlib.ops.relu_forward([-1.0, 2.0])[0].tolist())
"""


def test_all_else_works_where_the_convolution_is_withheld():
    run = python(WITHHELD)
    assert run.stdout.strip() == "[0.0, 2.0]", run.stderr


CELLS = [
    "import numpy as np\n\ndef double(x):\n    return 3 * x",
    "from cnnlib import check\n\ncheck.function(double, lambda x: 2 * x, [(np.ones((2, 3)),)])",
    "double(*check.last_case()).sum()",
    "double = lambda x: x + x\ncheck.function(double, lambda x: 2 * x, [(np.ones((2, 3)),)], name='double')",
]


def test_in_a_real_notebook():
    """A failure shows its message without a traceback, and a picture; the case can be tried again."""
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": ""}})
    NotebookClient(notebook, allow_errors=True, timeout=60).execute()
    _, failed, again, passed = (cell.outputs for cell in notebook.cells)
    picture, error = failed
    assert "<img" in picture.data["text/html"]
    assert error.traceback == error.evalue.splitlines() == [
        "double: out is wrong in 6 of 6 numbers.",
        "In the only case: x=[[1, 1, 1], [1, 1, 1]].",
        "expected [[2, 2, 2], [2, 2, 2]]",
        "got      [[3, 3, 3], [3, 3, 3]]",
        "Largest error at out[0, 0]: expected 2, got 3.",
        "Every number is 1.5 times what it should be.",
        "To try this case: double(*check.last_case())",
    ]  # fmt: skip
    assert again[0].data["text/plain"].endswith("18.0)")
    assert passed[0].text == "✓ double agrees in 1 case (largest error 0)\n"
