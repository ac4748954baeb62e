"""Threat: calls the library's reference; hard-codes the visible answers. What holds: no points from hidden tests."""

from .classroom import Submission

CLOSED = "relu_forward of cnnlib is closed to your code"


def calls(name, must_not, relu, says="", **more):
    return Submission(name, must_not, relu=relu, loses=("relu",), says=says, **more)


SUBMISSIONS = [
    calls("reference", "use it", "from cnnlib import ops\ndef relu(x): return ops.relu_forward(x)[0]", CLOSED),
    calls(
        "reference-by-file",
        "use it under the name of its file",
        "import cnnlib.ops.activation as a\ndef relu(x): return a.relu_forward(x)[0]",
        CLOSED,
    ),
    calls(
        "reference-reloaded",
        "get it back by importing again",
        "import importlib, sys\n"
        "for name in [m for m in sys.modules if m.startswith('cnnlib')]: del sys.modules[name]\n"
        "import cnnlib.ops.activation as a\nimportlib.reload(a)\n"
        "def relu(x): return a.relu_forward(x)[0]",
        CLOSED,
    ),
    calls(
        "reference-by-source",
        "read how it is written",
        "import inspect\nimport cnnlib.ops.activation as a\n"
        "def relu(x):\n    exec(inspect.getsource(a).replace('raise RuntimeError', 'return np.maximum(x, 0),'), globals())\n"
        "    assert 'maximum' in open(a.__file__).read()\n    return relu_forward(x)[0]",
        "Your code raised",
    ),
    calls(
        "reference-by-layer",
        "reach it through the layers made of it",
        "def relu(x):\n    from cnnlib import nn\n    return nn.ReLU()(np.atleast_1d(x))",
        "Your code raised",
    ),
    calls(
        "reference-on-disk",
        "find a copy of the library, compiled or not, elsewhere on the disk",
        "import glob, sys, os\n"
        "def relu(x):\n"
        "    tops = {sys.prefix, sys.base_prefix, '/usr', '/opt', '/course', '@ROOT@'}\n"
        "    found = [f for top in tops for folder, _, files in os.walk(top) if 'cnnlib' in folder for f in files if f.startswith('activation')]\n"
        "    texts = [open(f, 'rb').read() for f in glob.glob('/course/cnnlib/**/activation*', recursive=True)]\n"
        "    assert any(b'relu_backward' in t and b'np.where' in t or b'maximum' in t for t in texts) or len(found) > 1, 'not found'\n"
        "    return np.maximum(x, 0)",
        "not found",
    ),
    calls(
        "bank-of-mistakes",
        "find right answers in the grader's own bank",
        "def relu(x):\n    from autograder import mistakes\n    return mistakes",
        "Your code raised ImportError",
    ),
    calls(
        "grader-imported",
        "import the grader's runner, and its verdicts",
        "def relu(x):\n    from autograder import runner\n    return runner",
        "Your code raised ImportError",
    ),
    Submission(
        "hard-coded",
        "have points of hidden tests for the visible answers",
        relu="def relu(x):\n    return {3.0: 3, -2.0: 0}[x]",
        correlate="def correlate(x, w):\n    return [3, 5]",
        scale="def scale_forward(x, w):\n    return [3, 5], None\ndef scale_backward(dout, cache):\n    return None",
        loses=("relu_hidden", "correlate_hidden", "scale_hidden"),
    ),
    Submission(
        "counts-calls",
        "tell a hidden test from a visible one by counting",
        before="calls = []",
        relu="def relu(x):\n    calls.append(1)\n    open('calls', 'a').write('x')\n"
        "    return max(x, 0) if len(open('calls').read()) <= 2 else np.zeros((3, 4))",
        loses=("relu_hidden",),
    ),
    Submission(
        "asks-the-tests",
        "have the test compute its own answer",
        correlate="def correlate(x, w):\n    import sys\n    return sys._getframe(1).f_globals['instructors' + '_own'](x, w)",
        loses=("correlate",),
        says="Your code raised",
    ),
    Submission(
        "own-tests-instead",
        "be graded by their own version of a test",
        relu="def relu(x):\n    return x",
        change=lambda nb: (
            [
                c.update(source="assert True")
                for c in nb["cells"]
                if c["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("relu_")
            ]
            and None
        ),
        loses=("relu",),
    ),
]
