"""The two processes: what tests can ask of a student's code, and what the code cannot do to them."""

import contextlib
import errno
import os
import signal
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from autograder import namespaces, overlay
from autograder.graded import TOO_LONG, what_was_wrong
from autograder.remote import Session
from autograder.runner import Cell, Plan, Runner
from autograder.sandbox import Limits
from autograder.wire import OWN

LIMITS = Limits(cell_seconds=5, call_seconds=3, test_seconds=12, seconds=90, memory=250 << 20)


@pytest.fixture(scope="module")
def runner():
    runner = Runner()
    yield runner
    runner.close()


@pytest.fixture
def grade(runner, isolate):
    """grade(code, test, ...) -> the results of a notebook with one student cell and these tests of one point each."""

    def run(code, *tests, setup="import numpy as np", visible=None, **settings):
        cells = [Cell("code", "run", textwrap.dedent(code))]
        for number, test in enumerate(tests):
            test = textwrap.dedent(test)
            cells.append(Cell(f"t{number}", "test", test, points=1, visible=test if visible is None else visible))
        limits = settings.pop("limits", LIMITS)
        return runner.run(
            Plan(cells, setup=[setup], limits=limits, isolate=settings.pop("isolate", isolate), **settings)
        )

    return run


GOOD = """
    import numpy as np
    class Cache:
        def __init__(self, x): self.x = x
    def forward(x): return 2 * x, Cache(x)
    def backward(dout, cache): return dout * cache.x
    def apply(f, x): return f(f(x))
    def fill(x): x[...] = 7
    def refuse(n): raise ValueError(f"{n} does not fit")
    def draw(rng): return rng.normal()
    def count(n): return (i * i for i in range(n))
    class Net:
        def __init__(self, k): self.k, self.seen = k, []
        def __call__(self, x): self.seen.append(x); return self.k * x
    table = {"a": [1, 2], "b": (3, None)}
"""


@pytest.mark.parametrize(
    "test",
    [
        "out, cache = forward(np.arange(3.0)); assert (backward(np.ones(3), cache) == np.arange(3)).all()",
        "assert apply(lambda x: x + 1, 3) == 5",
        "assert apply(lambda x: forward(x)[0], 3) == 12",
        "x = np.zeros(3); fill(x); assert (x == 7).all()",
        "x = [np.zeros(3)]; fill(x[0]); assert x[0].sum() == 21",
        "try:\n    refuse(7)\nexcept ValueError as error:\n    assert '7 does not fit' in str(error)\nelse:\n    assert False",
        "a, b = np.random.default_rng(1), np.random.default_rng(1); assert draw(a) == b.normal() and a.normal() == b.normal()",
        "assert list(count(4)) == [0, 1, 4, 9]",
        "net = Net(3); assert net(2) == 6 and net.k == 3 and net.seen == [2] and isinstance(net, Net)",
        "assert table == {'a': [1, 2], 'b': (3, None)}",
        "def helper():\n    return forward(np.ones(1))[0]\nassert helper() == 2",
        "old = forward\ndel forward\ntry:\n    forward(1)\nexcept NameError:\n    pass\nelse:\n    assert False\nfinally:\n    forward = old",
        "assert np.allclose(forward(np.asfortranarray(np.eye(3)[::-1]))[0], 2 * np.eye(3)[::-1])",
    ],
)
def test_what_tests_can_ask(grade, test):
    assert grade(GOOD, test)[1].message == ""
    assert grade(GOOD, test)[1].score == 1


CLASSES = """
    import collections, typing
    import numpy as np
    class Named(typing.NamedTuple):
        x: object
        seen: list
    class Properties(tuple):
        x = property(lambda self: self[0])
        seen = property(lambda self: self[1])
    class Attributes(dict):
        __getattr__ = dict.__getitem__
    class Row(list):
        x = property(lambda self: self[0])
        seen = property(lambda self: self[1])
    Pair = collections.namedtuple("Pair", "x seen")
    kinds = {
        "named": lambda x: Named(x, [1]),
        "pair": lambda x: Pair(x, [1]),
        "properties": lambda x: Properties((x, [1])),
        "attributes": lambda x: Attributes(x=x, seen=[1]),
        "row": lambda x: Row([x, [1]]),
    }
    def forward(kind, x): return 2 * x, kinds[kind](x)
    def backward(dout, cache): return dout * cache.x
    def outer(cache, pair): return cache[0].x * pair["a"][1].x
    def note(cache): cache.seen.append(2)
    def product(m, v): return m * v
    def matrix(x): return np.asmatrix(x)
    def count(words): return collections.Counter(words), collections.defaultdict(list), collections.OrderedDict(a=1)
    def more(many, lists, order): return many.most_common(1), lists["new"], order.move_to_end("a")
    def kind(value): return type(value).__name__
    def through(f, cache): return f(cache).x
"""


@pytest.mark.parametrize("kind", ["named", "pair", "properties", "attributes", "row"])
@pytest.mark.parametrize(
    "test",
    [
        "assert (backward(np.ones(3), cache) == np.arange(3)).all()",
        "assert (outer((cache, 1), {'a': [0, cache]}) == np.arange(3) ** 2).all()",
        "assert (through(lambda c: c, cache) == np.arange(3)).all()",
        "assert (backward(dout=1, cache=cache) == np.arange(3)).all()",
        "note(cache); x, seen = cache.values() if type(cache) is dict else cache; assert seen == [1, 2]; assert (backward(1, cache) == x).all()",
        "assert (plain(cache), type(plain(cache)[0])) == (list(plain(cache)), np.ndarray)",
        "plain(cache)[0][1] = 7; assert kind(cache) in ('tuple', 'dict', 'list')",
        "plain(cache)[1].append(3); assert kind(cache) in ('tuple', 'dict', 'list')",
    ],
)
def test_what_a_student_wrote_a_class_for_comes_back_as_that(grade, kind, test):
    """What is judged is plain; the student's code gets its own object back, unless the test has changed what it got."""
    start = f"def plain(c): return list(c.values()) if type(c) is dict else list(c)\ncache = forward({kind!r}, np.arange(3.0))[1]"
    result = grade(CLASSES, f"{start}\nassert type(cache) in (tuple, dict, list)\n{test}")[1]
    assert (result.score, result.message) == (1, "")


def test_collections_and_matrices_come_back_as_what_they_were(grade):
    tests = [
        "found = count('abb'); assert [type(f) for f in found] == [dict] * 3; assert more(*found) == ([('b', 2)], [], None)",
        "m = matrix(np.eye(2)); assert type(m) is np.ndarray; assert product(m, np.ones((2, 1))).shape == (2, 1)",
        "m = matrix(np.eye(2)); m[0, 0] = 5; assert kind(m) == 'ndarray'",
        "for _ in range(20):\n    m = matrix(np.eye(2))\n    del m\n    assert kind(np.eye(2)) == 'ndarray'",
        "for _ in range(20):\n    out, cache = forward('pair', 1)\n    del cache\n    assert kind((1, [1])) == 'tuple'",
    ]
    assert [(r.score, r.message) for r in grade(CLASSES, *tests)[1:]] == [(1, "")] * 5


def test_what_a_test_no_longer_holds_takes_no_memory():
    session = Session(None, None, None, None)
    inner, other = [1], [2]
    outer = (inner,)
    for number, value in enumerate((inner, other, outer)):
        session._resolve(OWN, [number, value])
    session._forget()
    assert len(session.own) == 3
    del inner, outer, value
    session._forget()
    assert [number for number, _ in session.own.values()] == [1]


def test_no_state_passes_from_one_test_to_the_next(grade):
    code = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)"
    assert [r.score for r in grade(code, "assert f(1) == 1", "assert f(2) == 1", "assert seen == []")[1:]] == [1, 1, 1]


def test_a_test_sees_the_notebook_as_it_was_at_its_place(runner, isolate):
    cells = [
        Cell("a", "run", "x = 1"),
        Cell("t", "test", "assert x == 1", points=1),
        Cell("b", "run", "x = 2"),
        Cell("u", "test", "assert x == 2", points=1),
    ]
    assert [r.score for r in runner.run(Plan(cells, limits=LIMITS, isolate=isolate))] == [None, 1, None, 1]


def test_partial_credit_as_nbgrader_has_it(grade):
    tests = ["0.25", "1", "None", "'text'", "0.0", "2.0", "-1.0", "float('nan')"]
    assert [r.score for r in grade("", *tests)[1:]] == [0.25, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("while True: pass", "more than 3 s"),
        ("import os; os._exit(0)", "process ended"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "process ended"),
        ("import ctypes; ctypes.string_at(0)", "process ended"),
        ("import sys; sys.exit(0)", "f(1) ended the notebook with exit()"),
        ("raise SystemExit", "f(1) ended the notebook with exit()"),
        ("raise KeyboardInterrupt", "interrupted"),
        ("raise GeneratorExit", "ended itself"),
        ("return f(x)", "RecursionError"),
        ("return input()", "Your code raised"),
        ("raise NotImplementedError", "Not written yet"),
        ("x = []\n    while True: x.append(bytearray(10**7))", "memory"),
        ("import time; time.sleep(100)", "more than 3 s"),
        ("try:\n        while True: pass\n    except BaseException: pass\n    while True: pass", "more than 3 s"),
        ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while True: pass", "more than 3 s"),
    ],
)
def test_a_broken_limit_costs_that_test_alone(grade, body, says):
    code = f"def f(x):\n    {body}\ndef g(x):\n    return x + 1"
    results = grade(code, "assert g(1) == 2", "assert f(1) == 2", "assert g(2) == 3")[1:]
    assert [r.score for r in results] == [1, 0, 1]
    assert says in results[1].message


LARGE = "MemoryError: it asked for more than the 250 MB of memory that it may have{}. Must its arrays be so large?"
NUMPYS = LARGE.format(" (Unable to allocate 931. GiB for an array with shape (1000000000000,) and data type uint8)")
EXIT = "{} ended the notebook with exit() or SystemExit: remove that."


@pytest.mark.parametrize(
    ("line", "of_cell", "of_test"),
    [
        ("raise MemoryError", LARGE.format(""), "Your code raised " + LARGE.format("")),
        ("np.zeros(10**12, np.uint8)", NUMPYS, "Your code raised " + NUMPYS),
        ("sys.exit('done')", EXIT.format("The cell"), EXIT.format("f(1)")),
    ],
)
def test_too_much_memory_and_exit_are_told_once_and_plainly(runner, isolate, line, of_cell, of_test):
    cells = [Cell("f", "run", f"import sys\nimport numpy as np\ndef f(x):\n    {line}")]
    cells += [Cell("g", "run", f"{line}\ndef g(x): return x")]
    cells += [Cell("t", "test", "f(1)", points=1), Cell("u", "test", "g(1)", points=1)]
    _, of_g, t, u = runner.run(Plan(cells, limits=LIMITS, isolate=isolate))
    assert of_g.message.splitlines()[0] == of_cell
    assert t.message.splitlines()[0] == of_test and t.score == 0
    assert u.message.endswith(f"its cell failed. {of_cell}")


@pytest.mark.parametrize(
    "cell",
    [
        "while True: pass",
        "import os; os._exit(0)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import sys; sys.exit(3)",
        "x = []\nwhile True: x.append(bytearray(10**7))",
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        "print('x' * 10**8)",
        "this is no python",
        "import os\nfor fd in range(3, 256):\n    try: os.close(fd)\n    except OSError: pass",
        "import sys; sys.stdout = sys.stderr = None",
        "import threading, time\nfor _ in range(3): threading.Thread(target=time.sleep, args=(100,), daemon=True).start()",
        "import IPython; IPython.get_ipython().run_cell = None",
        "get_ipython().user_ns.clear()",
        "import gc\nfor o in gc.get_objects():\n    if type(o).__name__ == 'Worker': o.do_name = None; o._answer = print",
    ],
)
def test_a_cell_that_breaks_its_process_costs_its_own_exercise(runner, isolate, cell):
    cells = [
        Cell("a", "run", "def g(x):\n    return x + 1"),
        Cell("before", "test", "assert g(1) == 2", points=1),
        Cell("bad", "run", cell),
        Cell("b", "run", "def h(x):\n    return x + 2"),
        Cell("after", "test", "assert h(1) == 3", points=1),
    ]
    limits = replace(LIMITS, cell_seconds=2)
    results = {r.id: r for r in runner.run(Plan(cells, limits=limits, isolate=isolate))}
    assert results["before"].score == 1
    if (
        "gc" not in cell and "run_cell" not in cell
    ):  # who cripples the machinery in a way that looks alive harms later cells of the same notebook only
        assert results["after"].score == 1
    assert sum(len(str(o)) for r in results.values() for o in r.outputs) < 100_000


CHEATS = """
    import builtins, sys, types
    import numpy as np
    class Equal:
        def __eq__(self, other): return True
        def __ne__(self, other): return False
        def __array__(self, *a, **k): return np.zeros(3)
        def __bool__(self): return True
        def __float__(self): return 6.0
        def __len__(self): return 3
        def __getitem__(self, i): return Equal()
        def __class_getitem__(cls, i): return 1
    class EqualArray(np.ndarray):
        def __eq__(self, other): return np.ones(3, bool)
        def __array_ufunc__(self, *a, **k): return np.zeros(3)
    def equal(x): return Equal()
    def equal_array(x): return np.full(3, 9.0).view(EqualArray)
    def nan(x): return np.full(3, np.nan)
    def empty(x): return np.zeros((0,))
    def nothing(x): return None
    def wide(x): return np.zeros((5, 3))
    def huge(x): return np.zeros(10**9, np.uint8)
    def deep(x):
        y = []
        for _ in range(10**4): y = [y]
        return y
    def text(x): return "0 0 0"
    for name in ("assert_allclose", "assert_array_equal", "assert_equal"):
        setattr(np.testing, name, lambda *a, **k: None)
    builtins.AssertionError = builtins.Exception = type("Never", (BaseException,), {})
    builtins.all = builtins.isinstance = builtins.abs = lambda *a: True
    np.allclose = np.array_equal = np.all = lambda *a, **k: True
    sys.excepthook = lambda *a: None
    sys.modules["cnnlib.check"] = types.ModuleType("check")
"""


@pytest.mark.parametrize("name", ["equal", "equal_array", "nan", "empty", "nothing", "wide", "huge", "deep", "text"])
@pytest.mark.parametrize(
    "test",
    [
        "np.testing.assert_allclose({}(1), np.arange(3.0))",
        "from cnnlib import check\ncheck.function({}, lambda x: np.arange(3.0), [(1,)])",
    ],
)
def test_a_value_that_lies_has_no_points(grade, name, test):
    assert grade(CHEATS, test.format(name))[1].score == 0


def test_what_a_student_patches_does_not_reach_the_tests(grade):
    results = grade(
        CHEATS,
        "assert all([0, 1]) is False",
        "assert not np.allclose(1, 2)",
        "np.testing.assert_equal(1, 2)",
        "assert isinstance(3, int)",
    )
    assert [r.score for r in results[1:]] == [1, 1, 0, 1]


def test_hidden_tests_are_not_there_to_be_read(grade):
    spy = """
        import gc, inspect, os, sys
        def look(x):
            found = []
            for o in gc.get_objects():
                try: found.append(repr(o)[:200] if isinstance(o, (str, bytes, list, dict, tuple)) else "")
                except Exception: pass
            for folder in (".", "/course", "/tmp", "/proc", os.path.expanduser("~")):
                for root, folders, files in os.walk(folder):
                    if "cnnlib" in root or root.startswith((sys.prefix, sys.base_prefix)):
                        folders.clear()
                        continue
                    for name in files:
                        try: found.append(open(os.path.join(root, name), errors="replace").read(10**5))
                        except OSError: pass
            frame = sys._getframe()
            while frame: found.append(repr(frame.f_locals)[:10**5]); frame = frame.f_back
            found.append(repr(dict(os.environ)))
            return "_".join(["SECRET", "MARK"]) in "".join(found)
    """
    result = grade(spy, "expected = 'SECRET_MARK'\nassert look(1) is False", visible="")[1]
    assert result.message == "" and result.score == 1


def test_a_failed_hidden_test_shows_no_line_of_itself(grade):
    result = grade("def f(x): return 3", "expected_secret = 4\nassert f(1) == expected_secret", visible="# hidden")[1]
    assert result.score == 0 and "secret" not in result.message
    told = grade("def f(x): return 3", "assert f(1) == 4, 'f forgets the bias'", visible="# hidden")[1]
    assert "f forgets the bias" in told.message
    library = grade("def f(x): return 3.0", "np.testing.assert_allclose(f(1), 4.25)", visible="# hidden")[1]
    assert "4.25" not in library.message


def test_trusted_names_come_before_the_students(grade):
    results = grade(
        "def oracle(x): return x\ndef f(x): return x",
        "assert f(3) == oracle(3)",
        trusted=["def oracle(x):\n    return 2 * x"],
    )
    assert results[1].score == 0


def test_the_students_side_of_the_sandbox(grade, sandboxed, tmp_path):
    secret = tmp_path / "gradebook.db"
    secret.write_text("grades")
    code = """
        import os, socket, subprocess
        def read(path):
            try: return open(path).read()
            except OSError: return None
        def write(path):
            try: open(path, "w").write("x"); return True
            except OSError: return False
        def net():
            try: socket.create_connection(("127.0.0.1", 9), 1); return True
            except OSError as error: return error.errno in (111,) and len(os.listdir("/sys/class/net")) > 1 if os.path.isdir("/sys/class/net") else False
        def abstract():
            s = socket.socket(socket.AF_UNIX)
            try: s.bind("\\0autograder-test"); return True
            except OSError: return False
        def forks(n):
            made = []
            try:
                for _ in range(n):
                    pid = os.fork()
                    if pid == 0:
                        import time; time.sleep(60); os._exit(0)
                    made.append(pid)
            except OSError: pass
            return len(made)
        def disk(mb):
            try:
                with open("big", "wb") as f:
                    for _ in range(mb): f.write(b"x" * 2**20)
                return os.path.getsize("big") >> 20
            except OSError: return os.path.getsize("big") >> 20
        def who(): return os.getpid(), os.listdir("/proc"), dict(os.environ), os.listdir(".")
        def kill():
            try: os.getpid() < 50 and os.kill(-1, 9)  # in a process id space of its own only
            except OSError: pass
        def caps():
            import ctypes
            libc = ctypes.CDLL(None)
            return libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), libc.umount(b"/tmp")
    """
    tests = [
        f"assert read({str(secret)!r}) is None and not write({str(secret)!r}) and not write({str(tmp_path / 'new')!r})",
        "assert not write('/usr/x') and not write('/course/x') and not write('/course/cnnlib/x') and write('mine')",
        "assert net() is False",
        "assert 0 < forks(500) < 100",
        "assert disk(400) <= 256",
        "pid, proc, env, here = who(); assert not [p for p in proc if p.isdigit() and int(p) > 500] and set(here) <= {'mine', 'big'} and not [k for k in env if 'TOKEN' in k]",
        "kill()",
        "assert caps() == (-1, -1)",
        f"assert read('/etc/passwd') is None and read({os.path.abspath('solutions/05_conv_backward.py')!r}) is None",
    ]
    os.environ["A_TOKEN"] = "secret"
    try:
        results = grade(code, *tests, isolate=True)
    finally:
        del os.environ["A_TOKEN"]
    failed = [
        (test, r.message) for test, r in zip(tests, results[1:], strict=True) if r.score != 1 and test != "kill()"
    ]
    assert failed == []
    assert secret.read_text() == "grades" and not (tmp_path / "new").exists()


def test_two_submissions_share_nothing(grade, sandboxed):
    leave = "open('/tmp/left', 'w').write('x')\nimport numpy as np\nnp.array = None\nimport os\nif os.fork() == 0:\n    import time; time.sleep(300)"
    grade(leave, "assert True", isolate=True)
    results = grade("import os, numpy as np", "import os\nassert True", "assert np.array([1]).sum() == 1", isolate=True)
    assert [r.score for r in results[1:]] == [1, 1]
    looks = grade(
        "import os\ndef look(): return os.path.exists('/tmp/left'), os.path.exists('left')",
        "assert look() == (False, False)",
        isolate=True,
    )
    assert looks[1].score == 1


def test_the_library_function_that_an_exercise_asks_for_is_withheld(grade):
    code = """
        from cnnlib import ops
        def f(x, w, b): return ops.conv2d_forward(x, w, b)[0]
        def g(x): return ops.relu_forward(x)[0]
        def source():
            import inspect, cnnlib.ops.conv as c
            return inspect.getsource(c)
    """
    tests = [
        "f(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.zeros(1))",
        "assert g(np.array([-1.0, 2.0])).sum() == 2",
        "assert 'sliding_window' not in source() and 'matmul' not in source()",
    ]
    results = grade(code, *tests, withheld=("cnnlib.ops.conv2d_forward",))
    assert [r.score for r in results[1:]] == [0, 1, 1]
    assert "conv2d_forward of cnnlib is closed to your code" in results[1].message


def test_output_is_kept_and_capped(grade):
    code = "print('hello')\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n41 + 1"
    outputs = grade(code)[0].outputs
    assert [o["output_type"] for o in outputs].count("display_data") == 1
    assert any(o.get("text") == "hello\n" for o in outputs) and any(
        o.get("data", {}).get("text/plain") == "42" for o in outputs
    )
    flood = grade("for _ in range(10**5): print('x' * 1000)")[0].outputs
    assert sum(len(str(o)) for o in flood) < 50_000


def test_large_outputs_cells_and_files_cost_no_points(runner, isolate):
    picture = "from IPython.display import Image, display\ndisplay(Image(data=b'\\x89PNG\\r\\n' + bytes(700_000)))"
    cells = [Cell(f"p{i}", "run", picture) for i in range(50)]
    cells += [
        Cell("wide", "run", "big = '" + "x" * (5 << 20) + "'"),
        Cell("code", "run", "print('\\ud83d')\ndef f(): return len(open('a/data').read())"),
    ]
    cells += [Cell("t", "test", "assert f() == 6 << 20", points=1)]
    files = {"a/data": b"x" * (6 << 20), "n" * 300: b""}
    results = {r.id: r for r in runner.run(Plan(cells, files=files, limits=LIMITS, isolate=isolate))}
    assert results["t"].message == "" and results["t"].score == 1
    assert "image/png" in results["p0"].outputs[0]["data"] and "too many" in results["p49"].outputs[0]["text"]
    assert "too many" in results["wide"].message


def test_a_module_beside_the_notebook_can_be_imported_and_hides_no_library(grade):
    files = {"helpers.py": b"x = 3", "colorsys.py": b"mine = True"}
    code = "import helpers, colorsys\ndef f(): return helpers.x, hasattr(colorsys, 'mine')"
    assert grade(code, "assert f() == (3, False)", files=files)[1].score == 1


def test_time_that_runs_out_costs_what_was_not_run(runner, isolate):
    """After the cells' time the tests have as much again; then each that is left says so, and earlier points stay."""
    cells = [
        Cell(
            "a", "run", "import time\ndef f(): return 1\ndef g(): time.sleep(1.5)\ndef h():\n    import os; os._exit(0)"
        )
    ]
    cells += [Cell("slow", "run", "time.sleep(9)"), Cell("late", "run", "x = 1")]
    for name, test in (
        ("t0", "assert f() == 1"),
        ("t1", "h()"),
        ("t2", "assert f() == 1"),
        ("t3", "g()"),
        ("t4", "g()"),
        ("t5", "g()"),
        ("t6", "assert f() == 1"),
    ):
        cells.append(Cell(name, "test", test, points=1))
    limits = replace(LIMITS, seconds=3, cell_seconds=20, call_seconds=5)
    results = {r.id: r for r in runner.run(Plan(cells, limits=limits, isolate=isolate, files={"data": b"x"}))}
    assert "not run" in results["late"].message
    assert [results[t].score for t in ("t0", "t1", "t2", "t6")] == [1, 0, 1, 0]
    assert "altogether" in results["t6"].message


def test_the_message_names_the_limit_that_was_broken(grade):
    limits = replace(LIMITS, test_seconds=2, call_seconds=60)
    message = grade("import time\ndef f(): time.sleep(50)", "f()", limits=limits)[1].message
    assert "a test may take 2 s" in message and "60" not in message


ESCAPES = """
    import ctypes, errno, mmap, os, socket
    libc = ctypes.CDLL(None, use_errno=True)
    def number(name): return {"x86_64": {"keyctl": 250, "memfd_create": 319}, "aarch64": {"keyctl": 219, "memfd_create": 279}}[os.uname().machine][name]
    def refused(result): return result == -1 and ctypes.get_errno() == errno.EPERM
    def users(): return refused(libc.unshare(0x10000000))
    def clone(): return refused(libc.syscall(56 if os.uname().machine == "x86_64" else 220, 0x10000000 | 17, 0, 0, 0, 0))
    def memory_file(): return refused(libc.syscall(number("memfd_create"), b"x", 0))
    def segment(): return refused(libc.shmget(0, 4096, 0o1600))
    def keys(): return refused(libc.syscall(number("keyctl"), 0, -3, 1))
    def shared():
        try: mmap.mmap(-1, 4096)
        except OSError as error: return error.errno == errno.EPERM
    def zero():
        import mmap, os
        try: mmap.mmap(os.open("/dev/zero", os.O_RDWR), 1 << 20, flags=mmap.MAP_SHARED)
        except OSError as error: return error.errno == errno.ENODEV
    def watches(): return all(refused(libc.syscall(number, 0, 0)) for number in {"x86_64": (253, 294, 300), "aarch64": (26, 262)}[os.uname().machine])
    def families():
        for family, kind in ((16, socket.SOCK_RAW), (38, socket.SOCK_SEQPACKET), (40, socket.SOCK_STREAM)):
            try: socket.socket(family, kind)
            except PermissionError: continue
            return False
        return True
    def buffers():
        for s in socket.socketpair():
            before = s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF, 32, 33): s.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) != before or not s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE): return False
        return True
    def works():
        import subprocess, threading
        thread = threading.Thread(target=print); thread.start(); thread.join()
        return subprocess.run(["echo", "x"], capture_output=True, text=True).stdout
"""


@pytest.mark.parametrize(
    "call", ["users", "clone", "memory_file", "segment", "keys", "shared", "zero", "watches", "families", "buffers"]
)
def test_memory_and_namespaces_beyond_the_limits_cannot_be_had(grade, sandboxed, call):
    result = grade(ESCAPES, f"assert {call}() is True", "assert works() == 'x\\n'", isolate=True)
    assert [r.score for r in result[1:]] == [1, 1]


@pytest.mark.parametrize("machine", namespaces._MACHINES)
def test_the_filter_of_system_calls_says_what_it_should(machine):
    """Read as the kernel reads it, for the processor that this machine has not, too."""
    column, architecture, call = namespaces._MACHINES[machine]
    allow, refuse, pretend, kill = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000, 0x80000000

    def verdict(number, *args, architecture=architecture):
        data = {0: number, 4: architecture} | {
            16 + 8 * at: arg & 0xFFFFFFFF for at, arg in enumerate((*args, *[0] * 6))
        }
        at = value = 0
        while True:
            what, so, not_so, operand = namespaces._filter(machine)[at]
            at += 1
            if what == namespaces._RETURN:
                return operand
            if what == namespaces._LOAD:
                value = data[operand]
            elif what == namespaces._AND:
                value &= operand
            else:
                at += so if (value == operand if what == namespaces._EQUAL else value >= operand) else not_so

    forbidden = {numbers[column] for numbers in namespaces._FORBIDDEN.values()}
    assert {verdict(number) for number in forbidden} == {refuse}
    closer = {*forbidden, *call.values(), 435}
    assert {verdict(number, 1, 7, 3, 0x21) for number in set(range(500)) - closer} == {allow}
    assert verdict(435) == 0x00050000 | errno.ENOSYS and verdict(1, architecture=5) == verdict(0x40000001) == kill
    assert [verdict(call["clone"], flags) for flags in (17, 17 | namespaces.NEWUSER)] == [allow, refuse]
    assert [verdict(call["mmap"], 0, 0, 3, flags) for flags in (0x22, 0x01, 0x21)] == [allow, allow, refuse]
    assert [family for family in range(50) if verdict(call["socket"], family, 1) == allow] == [1, 2, 10]
    options = {(level, option) for level in range(3) for option in range(50) if verdict(call["setsockopt"], 3, level, option) == pretend}  # fmt: skip
    assert options == {(1, option) for option in (7, 8, 32, 33)}


def test_what_submissions_share_is_read_only_whoever_runs_the_grader(grade, sandboxed):
    code = """
        import os
        def writable(): return [f for f in ("/", "/dev", "/course", "/etc", "/usr") if not os.statvfs(f).f_flag & os.ST_RDONLY]
    """
    assert grade(code, "assert writable() == []", isolate=True)[1].message == ""


def test_terminals_and_semaphores_are_each_submissions_own(grade, sandboxed):
    """As `!ls`, `%cd` and pools of processes need them."""
    code = """
        import contextlib, multiprocessing, os, stat
        def leave():
            open("/dev/shm/left", "w").close()
            for path in ("/dev/pts", "/dev/pts/ptmx"):
                with contextlib.suppress(OSError): os.chmod(path, 0o700)
        def left(): return [os.listdir("/dev/shm"), *(oct(stat.S_IMODE(os.stat(path).st_mode)) for path in ("/dev/pts", "/dev/pts/ptmx"))]
        def pool():
            with multiprocessing.get_context("fork").Pool(2) as both: return both.map(abs, [-1, 2])
        """
    assert grade(code, "before = left()\nleave()", isolate=True)[1].message == ""
    results = grade(code, "assert left() == [[], '0o755', '0o666']", "assert pool() == [1, 2]", isolate=True)
    assert [result.message for result in results[1:]] == ["", ""]
    results = grade("%cd ..\n%cd -\nlisted = !ls -d /usr\ndef f(): return list(listed)", "assert f() == ['/usr']")
    assert results[0].message == results[1].message == ""


def test_objects_of_a_students_own_classes_go_when_the_test_lets_them_go(grade):
    """Together they are twice the memory; one that is kept comes back as itself."""
    code = """
        from collections import namedtuple
        import numpy as np
        Cache = namedtuple("Cache", "x")
        def f(i): return Cache(np.full(1_000_000, float(i)))
        def g(cache): return type(cache).__name__, cache.x[0]
    """
    test = "kept = f(7)\nfor i in range(60): f(i)\nassert g(kept) == ('Cache', 7) and g(f(8)) == ('Cache', 8)"
    assert grade(code, test)[1].message == ""


def test_what_processes_share_counts_once(runner, isolate):
    """Eight copies of one that holds a third of the memory."""
    code = "import os, time\nheld = bytearray(b'x') * (100 << 20)\nchildren = []\nfor _ in range(8):\n    children.append(os.fork())\n"
    code += "    if children[-1] == 0:\n        time.sleep(1.5)\n        os._exit(0)\nfor child in children: os.waitpid(child, 0)"
    limits = Limits(memory=300 << 20)
    results = runner.run(Plan([Cell("a", "run", code), SETUP, TESTS[0]], limits=limits, isolate=isolate))
    assert [result.message for result in results] == ["", "", ""]


def test_nothing_of_one_submissions_network_is_left_for_the_next(grade, sandboxed):
    """Neither an open name, whose owner gives back much memory while it dies, nor a port that was used just now."""
    taken = """
        import os, socket, time, numpy as np
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                s = socket.socket(socket.AF_UNIX); s.bind("\\0meet"); s.listen(); hold = np.ones(20_000_000); time.sleep(60)
            os._exit(0)
        def taken(): return True
    """
    free = """
        import socket
        def free():
            with socket.socket(socket.AF_UNIX) as s: s.bind("\\0meet")
            with socket.socket() as s:
                try: s.connect(("127.0.0.1", 4242))
                except OSError as error: return type(error).__name__
    """
    for _ in range(3):
        assert grade(taken, "assert taken()", isolate=True)[1].message == ""
        assert grade(free, "assert free() == 'OSError'", isolate=True)[1].message == ""  # no route, not even to itself


def test_a_name_that_is_missing_is_told_without_a_word_of_the_graders(grade):
    test = """
        try: f(1)
        except NameError as error:
            import traceback
            raise AssertionError("".join(traceback.format_exception_only(error)))
    """
    message = grade("x = 1", test)[1].message
    assert "NameError: `f` is not defined in the notebook" in message and "autograder" not in message
    assert "no cell that ran defines it" in grade("x = 1", "assert f(1)")[1].message


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("while True: pass\ndef f(x):\n    return x", "The cell took more than"),
        ("def f(x)\n    return x", "SyntaxError: expected ':' (line 1)"),
        ("f = undefined", "NameError"),
        ("import os\ndef f(x): return x\nos._exit(0)", "ended the process"),
    ],
)
def test_a_name_whose_cell_failed_is_told_with_what_went_wrong(grade, code, says):
    message = grade(code, "assert f(1) == 1")[1].message
    assert message.startswith("`f` is not defined in the notebook: its cell failed.") and says in message


@pytest.mark.parametrize(
    "line",
    [
        "error = SyntaxError('x'); error.lineno = 10**5000; raise error",
        "raise type('Odd', (SyntaxError,), {'msg': property(lambda self: 1 / 0)})('x')",
        "error = SyntaxError(); error.msg = type('Long', (str,), {'__getitem__': lambda *_: 50_000_000 * 'x'})(); raise error",
    ],
)
def test_an_odd_syntax_error_is_one(grade, line):
    _, result = grade(f"def f(x):\n    {line}", "try: f(1)\nexcept SyntaxError: pass\nelse: raise AssertionError")
    assert result.score == 1, result.message


def test_a_loop_in_the_place_of_a_function_is_told_as_a_loop(runner, isolate):
    cells = [
        Cell("f", "run", "while True: pass"), Cell("t.names", "run", "", quiet=True), Cell("t", "test", "f(1)", points=1),
        Cell("own", "run", "x = 1"), Cell("u", "test", "g(1)", points=1),
    ]  # fmt: skip
    found = {result.id: result.message for result in runner.run(Plan(cells, limits=LIMITS, isolate=isolate))}
    assert "the cell above failed. The cell took more than 5 s" in found["t"] and what_was_wrong(found["t"]) == TOO_LONG
    assert found["u"].endswith("no cell that ran defines it under this name.")


def test_a_notebook_begins_with_nothing_in_it(grade):
    """Nothing is left of what the template rehearsed."""
    results = grade(
        "names = [name for name in globals() if not name.startswith('_')]\ncells, out, last = list(In), dict(Out), _",
        "assert [*names] == ['In', 'Out', 'get_ipython', 'exit', 'quit', 'open'], names\n"
        "assert len(cells) == 2 and 'globals' in cells[1] and out == {} and last == ''",
    )
    assert results[1].message == "" and results[0].outputs == []


def test_the_magic_that_asks_for_pictures_stops_no_cell(grade):
    results = grade("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]); x = 1", "assert x == 1")
    assert results[1].message == "" and any("image/png" in str(output) for output in results[0].outputs)


@pytest.mark.parametrize(
    "line", ["import sys; sys.exit(3)", "import os; os._exit(3)", "print('a word' * 9)", "raise KeyError"]
)
def test_what_an_instructors_module_does_costs_nobody_points(tmp_path, monkeypatch, isolate, line, capfd):
    (tmp_path / "odd_module.py").write_text(line)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    runner = Runner()
    try:
        plan = Plan([Cell("a", "run", "x = 1"), Cell("t", "test", "assert x == 1", points=1)], modules=("odd_module",))
        assert [r.score for r in runner.run(replace(plan, limits=LIMITS, isolate=isolate))] == [None, 1]
    finally:
        runner.close()
    assert "a word" not in capfd.readouterr().out


def test_the_students_side_does_not_hear_what_only_hidden_tests_import():
    source = nbformat.v4.new_notebook()
    texts = [
        "import json",
        "### BEGIN HIDDEN TESTS\nimport secret_tool\n### END HIDDEN TESTS\nimport csv",
        "%time 1\nimport math",
    ]
    marks = {"schema_version": 3, "task": False, "grade": True, "solution": False, "locked": True, "points": 1}
    for n, text in enumerate(texts):
        source.cells.append(nbformat.v4.new_code_cell(text))
        if n == 1:
            source.cells[-1].metadata["nbgrader"] = {"grade_id": "t", **marks}
    released = overlay.release(source)
    nb, _ = overlay.overlay(released, [], "x")
    plan = overlay.plan(source, released, nb)
    assert "secret_tool" in plan.modules and set(plan.given) == {"json", "csv", "math"}


def test_without_namespaces_inside_namespaces_each_submission_has_a_sandbox_of_its_own(sandboxed, monkeypatch):
    """Where the kernel refuses them, the template that ran one submission never serves another."""
    from autograder import runner as module
    from autograder.sandbox import Sandbox, SandboxError

    tell = Sandbox._tell

    def refuse(self, message, sock=None):
        if message[0] == "spawn" and message[3]:
            raise SandboxError("not here")
        return tell(self, message, sock)

    monkeypatch.setattr(Sandbox, "_tell", refuse)
    sandbox = Sandbox()
    try:
        answer = module._in_fork(
            Plan([Cell("a", "run", "x = 1"), Cell("t", "test", "assert x == 1", points=1)], limits=LIMITS), sandbox
        )
    finally:
        sandbox.close()
    assert answer["results"][1]["score"] == 1 and answer["again"] is False
    monkeypatch.undo()
    sandbox = Sandbox()
    try:
        assert module._in_fork(Plan([Cell("a", "run", "x = 1")], limits=LIMITS), sandbox)["again"] is sandbox.nested
    finally:
        sandbox.close()


def test_the_runner_keeps_no_sandbox_that_cannot_serve_another(sandboxed, monkeypatch):
    import socket
    import threading

    from autograder import runner as module
    from autograder.wire import Channel, blob

    made = []

    class Recorded(module.Sandbox):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(module, "Sandbox", Recorded)
    monkeypatch.setattr(
        module, "_in_fork", lambda plan, sandbox, owner: {"results": [], "why": "", "again": len(made) > 1}
    )
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=module.main, args=(theirs.detach(),))
    thread.start()
    channel = Channel(ours)
    for _ in range(3):
        channel.send(["run", blob(b'{"cells": [], "limits": {}, "withheld": [], "modules": [], "given": []}'), []])
        assert channel.receive()[0] == "results"
    channel.close()
    thread.join(30)
    assert len(made) == 2 and all(sandbox.process.poll() is not None for sandbox in made)


SETUP = Cell("a", "run", "def f(x):\n    return x")
TESTS = [Cell(name, "test", "assert f(3) == 3", points=1) for name in ("first", "last")]


@pytest.mark.parametrize(("victim", "kind"), [("cell", "cell"), ("first test", "op"), ("last test", "op")])
def test_a_process_that_the_machine_killed_costs_no_points(sandboxed, monkeypatch, victim, kind):
    """As where its memory is full: the same is run once more in another process."""
    from autograder import remote
    from autograder import runner as module
    from autograder.sandbox import Sandbox

    sandbox, killed = Sandbox(), []
    sandbox.wait()
    template = sandbox.family()
    side = remote.Student if victim == "cell" else remote.Session
    ask = side._request

    def kill_first(self, message, *rest):
        if message[0] == kind and not killed:
            killed.extend(sandbox.family() - template)
            os.kill(max(killed), signal.SIGKILL)  # the youngest: the test's own process, or the only one
        return ask(self, message, *rest)

    monkeypatch.setattr(side, "_request", kill_first)
    tests = TESTS[1:] if victim == "last test" else TESTS
    try:
        results = module.run(Plan([SETUP, *tests], limits=LIMITS), sandbox)
    finally:
        sandbox.close()
    assert killed and not any(result.message for result in results)
    assert [result.score for result in results[1:]] == [1] * len(tests)


@pytest.mark.parametrize("line", ["os._exit(0)", "ctypes.string_at(0)"])
def test_what_ends_its_process_is_not_run_again(sandboxed, monkeypatch, line):
    """Its time is the student's."""
    from autograder import remote
    from autograder import runner as module
    from autograder.sandbox import Sandbox

    bad, asked, ask = f"import ctypes, os\n{line}", [], remote.Student._request

    def count(self, message, *rest):
        asked.append(message)
        return ask(self, message, *rest)

    monkeypatch.setattr(remote.Student, "_request", count)
    sandbox = Sandbox()
    try:
        results = module.run(Plan([Cell("bad", "run", bad), SETUP, TESTS[1]], limits=LIMITS), sandbox)
    finally:
        sandbox.close()
    assert [message[1] for message in asked if message[0] == "cell"].count(bad) == 1
    assert "ended the process" in results[0].message and results[2].score == 1


def test_a_worker_knows_its_own_thread(grade):
    """As after os.fork: a signal to the main thread arrives there."""
    code = "import signal, threading\nsignal.pthread_kill(threading.main_thread().ident, 0)\ndef f(): return 1"
    assert grade(code, "assert f() == 1")[1].score == 1


def test_the_template_stays_closed_to_students(sandboxed):
    """Whose files in /proc are its user's, a student's process of that user could write to."""
    from autograder.runner import run
    from autograder.sandbox import Sandbox

    sandbox = Sandbox()
    sandbox.wait()
    try:
        before = {pid: os.stat(f"/proc/{pid}/mem").st_uid for pid in sandbox.family()}
        run(Plan([SETUP, *TESTS], limits=LIMITS), sandbox)
        assert {pid: os.stat(f"/proc/{pid}/mem").st_uid for pid in before} == before
    finally:
        sandbox.close()


def test_what_a_submission_started_ends_with_it(runner, isolate):
    """The cell leaves a process that would go on for longer than the tests."""
    seconds = 86000 + os.getpid() % 300 + isolate
    cell = Cell("s", "run", f"import subprocess\nleft = subprocess.Popen(['sleep', '{seconds}'])")
    results = runner.run(Plan([cell, SETUP, *TESTS], limits=LIMITS, isolate=isolate))
    assert [result.score for result in results[2:]] == [1, 1]
    assert not [name for name in _commands() if f"sleep\0{seconds}" in name]


def _commands():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            yield Path(f"/proc/{pid}/cmdline").read_text()
