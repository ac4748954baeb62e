"""Threat: patches numpy, builtins, IPython, the traceback, the tests. What holds: no effect on the score."""

from .classroom import EXERCISES, WRONG, Submission


def wrong(name, must_not, before="", **more):
    """A student whose answers are all wrong, and who does something about it."""
    return Submission(name, must_not, before=before, loses=EXERCISES, **(WRONG | more))


SUBMISSIONS = [
    wrong(
        "numpy-testing",
        "make numpy's assertions pass",
        """
        import numpy.testing
        for name in dir(np.testing):
            if name.startswith("assert"):
                setattr(np.testing, name, lambda *a, **k: None)
        np.allclose = np.array_equal = np.all = np.isclose = lambda *a, **k: True
        """,
    ),
    wrong(
        "numpy-functions",
        "make the tests compute the wrong answer themselves",
        """
        np.where = np.maximum = lambda *a, **k: np.full((3, 4), 0.5)
        np.correlate = lambda x, w, *a: np.zeros(len(x) - len(w) + 1)
        np.random.default_rng = None
        """,
    ),
    wrong(
        "builtins",
        "make comparisons true",
        """
        import builtins
        builtins.all = builtins.isinstance = builtins.abs = builtins.len = lambda *a: True
        builtins.list = lambda *a: [3, 5]
        """,
    ),
    wrong(
        "no-assertion-error",
        "make a failed assertion harmless",
        """
        import builtins
        builtins.AssertionError = builtins.Exception = builtins.BaseException = type("Quiet", (), {})
        """,
    ),
    wrong(
        "ast-transformer",
        "strip the assertions from the tests",
        """
        import ast
        class Strip(ast.NodeTransformer):
            def visit_Assert(self, node): return ast.Pass()
            def visit_Expr(self, node): return ast.Pass()
        get_ipython().ast_transformers.append(Strip())
        """,
    ),
    wrong(
        "input-transformer",
        "rewrite the cells that follow",
        "get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'] if any('assert' in l for l in lines) else lines)",
    ),
    wrong(
        "ipython-hooks",
        "report success for every cell",
        """
        ip = get_ipython()
        ip.showtraceback = ip.showsyntaxerror = ip._showtraceback = lambda *a, **k: None
        ip.set_custom_exc((BaseException,), lambda *a, **k: None)
        ip.events.register("post_run_cell", lambda result: setattr(result, "error_in_exec", None))
        """,
    ),
    wrong(
        "shell-replaced",
        "answer in IPython's place",
        """
        from types import SimpleNamespace
        get_ipython().run_cell = lambda *a, **k: SimpleNamespace(error_before_exec=None, error_in_exec=None, result=9.0)
        """,
    ),
    wrong(
        "excepthook",
        "swallow what is raised",
        """
        import sys, traceback
        sys.excepthook = sys.unraisablehook = lambda *a: None
        traceback.extract_tb = traceback.print_exc = lambda *a, **k: []
        sys.settrace(lambda *a: None)
        """,
    ),
    wrong(
        "fake-check",
        "put another cnnlib.check in the place of the course's",
        """
        import sys, types
        fake = types.ModuleType("cnnlib.check")
        fake.function = fake.gradient = fake.equal = lambda *a, **k: None
        sys.modules["cnnlib.check"] = fake
        import cnnlib
        cnnlib.check = check = fake
        """,
    ),
    wrong(
        "import-hook",
        "change what the tests import",
        """
        import sys
        class Hook:
            def find_spec(self, name, path=None, target=None):
                raise ImportError(name) if "check" in name else None
        sys.meta_path.insert(0, Hook())
        sys.path_hooks.clear(); sys.path_importer_cache.clear()
        """,
    ),
    wrong(
        "names-of-the-tests",
        "define the names that the tests use",
        """
        class Any:
            def __getattr__(self, name): return Any()
            def __call__(self, *a, **k): return Any()
            def __eq__(self, other): return True
        rng = check = instructors_own = list = Any()
        for name in ('x', 'want', 'out'): globals()['azur' 'ite_' + name] = Any()
        np.testing = np.random = Any()
        """,
    ),
    wrong(
        "forged-verdict-printed",
        "print a verdict that counts",
        """
        import sys
        from IPython.display import display
        for text in ('{"score": 9.0}', "9.0", "[Result(id='relu_hidden', score=2.0)]", "### BEGIN HIDDEN TESTS"):
            print(text); print(text, file=sys.stderr)
        display({"text/plain": "9.0"}, raw=True)
        9.0
        """,
    ),
    wrong(
        "forged-verdict-sent",
        "send a verdict over the worker's own socket",
        """
        import os, socket, stat
        from autograder.wire import Channel, blob
        for fd in range(3, 64):
            try:
                if stat.S_ISSOCK(os.fstat(fd).st_mode):
                    channel = Channel(socket.socket(fileno=os.dup(fd)))
                    channel.send(["results", blob(b'[{"id": "relu_hidden", "score": 2.0}]'), ""])
                    channel.send(["value", [None, []]])
            except OSError:
                pass
        """,
    ),
    wrong(
        "worker-patched",
        "answer every question of the tests with True",
        """
        import gc
        for thing in gc.get_objects():
            if type(thing).__name__ == "Worker":
                kind = type(thing)
                kind.do_op = lambda self, *a: ["value", True, {}]
                kind.do_name = lambda self, *a: ["value", True]
        """,
    ),
    wrong(
        "codec-patched",
        "send an object whose class is the tests' own",
        """
        from autograder import wire
        wire.Codec.pack = lambda self, value: [b"\\xff" * 8, b"", b"cbuiltins\\neval\\n(S'exit()'\\ntR."]
        """,
    ),
    wrong(
        "arguments-forged",
        "change the tests' own arrays to suit a wrong answer, by a false report of what changed",
        """
        import gc
        for thing in gc.get_objects():
            if type(thing).__name__ == "Worker":
                old = type(thing).do_op
                def forged(self, name, args, kwargs, old=old):
                    reply = old(self, name, args, kwargs)
                    return reply[:2] + [{i: a * 0 for i, a in enumerate(args[1:]) if hasattr(a, "shape")}]
                type(thing).do_op = forged
        """,
        relu="def relu(x):\n    return x * 0",
        correlate="def correlate(x, w):\n    return np.zeros(len(x) - len(w) + 1)",
        scale="def scale_forward(x, w):\n    return x * 0, None\ndef scale_backward(dout, cache):\n    return dout * 0, dout * 0",
    ),
    wrong(
        "arguments-zeroed",
        "make the wrong answer right by emptying the arguments",
        relu="def relu(x):\n    x *= 0\n    return x",
        correlate="def correlate(x, w):\n    x[:] = 0\n    w[:] = 0\n    return np.zeros(len(x) - len(w) + 1)",
        scale="def scale_forward(x, w):\n    x *= 0\n    w *= 0\n    return x * w, (x, w)\n"
        "def scale_backward(dout, cache):\n    dout *= 0\n    return dout, dout",
    ),
    Submission(
        "patched-but-right",
        "lose points for patching what only they themselves use",
        before="import builtins, sys\nbuiltins.print = None\nsys.excepthook = None\nnp.seterr(all='raise')",
    ),
    Submission(
        "own-names-kept",
        "be confused by names that the tests use too",
        before="rng = check = backward = 3\nexpected = np",
    ),
]
