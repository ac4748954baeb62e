"""Threat: returns objects that compare equal to anything, NaN, wrong dtype or shape, huge or deeply nested data.

What holds: scored wrong, with a clear message; other exercises keep their points.
"""

from .classroom import Submission


def liar(name, must_not, body, says="", before="", **more):
    """relu gives back something that it should not; the other exercises are right."""
    relu = "def relu(x):\n" + "\n".join("    " + line for line in body.splitlines())
    return Submission(name, must_not, relu=relu, before=before, loses=("relu",), says=says, **more)


EQUAL = """
class Equal:
    shape, dtype, ndim, size = (3, 4), np.dtype(float), 2, 12
    def __eq__(self, other): return True
    __ne__ = __lt__ = __gt__ = lambda self, other: False
    __le__ = __ge__ = __eq__
    __hash__ = None
    def __bool__(self): return True
    def __float__(self): return 3.0
    __int__ = __index__ = lambda self: 3
    def __len__(self): return 3
    def __getitem__(self, i): return self
    def __iter__(self): return iter([self] * 3)
    def __array__(self, *a, **k): raise KeyboardInterrupt
    def __array_ufunc__(self, *a, **k): return True
    def __array_function__(self, *a, **k): return True
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
"""
ARRAY = """
class Same(np.ndarray):
    def __eq__(self, other): return np.ones(self.shape, bool)
    def __ne__(self, other): return np.zeros(self.shape, bool)
    def __sub__(self, other): return np.zeros(self.shape)
    __rsub__ = __sub__
    def __array_ufunc__(self, *a, **k): return np.zeros(self.shape)
    def __array_function__(self, *a, **k): return True
"""

TUPLE = (
    EQUAL
    + """
class Tuple(tuple):
    __eq__, __array__, __array_ufunc__ = Equal.__eq__, Equal.__array__, Equal.__array_ufunc__
    __iter__ = lambda self: iter([Equal()] * 3)
    __getitem__ = lambda self, i: Equal()
    __len__ = lambda self: 3
class Dict(dict):
    __eq__, __array__, __array_ufunc__ = Equal.__eq__, Equal.__array__, Equal.__array_ufunc__
    items = keys = __iter__ = lambda self: iter([Equal()] * 3)
    __getitem__ = __missing__ = lambda self, i: Equal()
"""
)

SUBMISSIONS = [
    liar("equal-to-all", "equal what the test expects", "return Equal()", before=EQUAL),
    liar("equal-array", "equal it as an array", "return (np.atleast_1d(x) * 0 + 9).view(Same)", before=ARRAY),
    liar("equal-number", "equal it as a number", "return type('N', (float,), {'__eq__': lambda s, o: True})(9)"),
    liar("equal-class", "equal it as a class", "return type('M', (type,), {'__eq__': lambda s, o: True})('C', (), {})"),
    liar(
        "equal-tuple",
        "equal it as a tuple with methods of its own",
        "return Tuple(np.atleast_1d(x) * 0 + 9)",
        before=TUPLE,
    ),
    liar("equal-dict", "equal it as a dict with methods of its own", "return Dict(x=x)", before=TUPLE),
    liar(
        "number-of-another",
        "pass for another object by a number that is not its own",
        "import gc\nfor worker in gc.get_objects():\n    if type(worker).__name__ == 'Worker': worker.numbers = Zero()\nreturn Tuple([9.0])",
        before=TUPLE + "class Zero(dict):\n    get = lambda self, key, default=None: -1",
    ),
    liar("nan", "pass where NaN equals all or nothing", "return x * np.nan"),
    liar("infinity", "pass by overflow", "return x * np.inf"),
    liar("none", "pass with nothing", "return None"),
    liar("function", "pass with something to call", "return lambda *a, **k: np.maximum(x, 0)"),
    liar("a-module", "hand the tests a module", "return np"),
    liar("a-type", "hand the tests a type", "return type(x)"),
    liar("wrong-shape", "pass by broadcasting", "return np.zeros((5,) + np.shape(x))"),
    liar("empty", "pass with no number at all", "return np.zeros((0,) + np.shape(x))"),
    liar("text", "pass with text", "return str(x)"),
    liar("text-array", "pass with an array of text", "return np.asarray(x).astype('U9')"),
    liar("bytes", "pass with bytes", "return np.asarray(x).tobytes()"),
    liar("object-array", "pass with an array of objects", "return np.array([Equal()] * 3)", before=EQUAL),
    liar("structured", "pass with records", "return np.zeros(3, 'f8,i4')"),
    liar("masked", "pass with everything masked", "return np.ma.masked_all(np.shape(x))"),
    liar("complex", "pass with numbers off the line", "return np.asarray(x) + 1j"),
    liar("dates", "pass with dates", "return np.zeros(3, 'M8[s]')"),
    liar("decimal", "pass with numbers of another kind", "import decimal\nreturn decimal.Decimal('NaN')"),
    liar("huge-array", "fill the grader's memory with an array", "return np.zeros(10**9)", "Your code raised"),
    liar("large-array", "fill it with one just too large to send", "return np.zeros(1 << 25)"),
    liar("virtual-array", "fill it with one that has no memory", "return np.broadcast_to(0.0, (1 << 20, 1 << 20))"),
    liar("many-arrays", "fill it with many", "return [np.zeros(1000)] * 20000"),
    liar("huge-number", "fill a message with digits", "return 7 ** 40000"),
    liar("huge-key", "fail where the grader writes its message", "raise KeyError(7 ** 40000)"),
    liar("huge-text", "fill the page with text", "return 'x' * 50_000_000"),
    liar("huge-list", "fill the grader with a list", "return [0.0] * 3_000_000"),
    liar("long-range", "fill it with a range", "return range(10**15)"),
    liar("deep-list", "make the grader recurse", "y = []\nfor _ in range(100_000): y = [y]\nreturn y"),
    liar("loop", "make it go round", "y = {}\ny['y'] = [y]\nreturn y"),
    liar("endless-iterator", "make it read for ever", "import itertools\nreturn itertools.count()"),
    liar(
        "endless-arrays",
        "make it read large things for ever",
        "def give():\n    while True: yield np.zeros(1 << 20)\nreturn give()",
    ),
    liar(
        "colliding-keys",
        "make it compare keys for ever",
        "m = 2**61 - 1\nreturn {(i * m) << 64: 0 for i in range(1, 100_000)}",
    ),
    liar("odd-length", "lie about a length", "return Odd()", before="class Odd:\n    def __len__(self): return -1"),
    liar(
        "large-message",
        "fill the page with an exception's message",
        "raise ValueError('spam ' * 1_000_000)",
        "Your code raised ValueError",
    ),
    liar(
        "bad-message", "break the grader with a message that breaks", "raise type('E', (ValueError,), {'__str__': 3})()"
    ),
    liar("not-an-exception", "end the grader's test quietly", "raise GeneratorExit", "ended itself"),
    liar("exits-by-value", "end it quietly another way", "raise SystemExit(0)", "notebook with exit()"),
    liar("stop-iteration", "end the loops of the test", "raise StopIteration", "Your code raised"),
    liar(
        "assertion",
        "pass for a hidden test's own message",
        "raise AssertionError('All tests passed')",
        "Your code raised",
    ),
    liar(
        "like-a-check",
        "pass for a message of the course's",
        "raise type('CheckFailed', (AssertionError,), {})('relu agrees')",
        "Your code raised",
    ),
    liar("memory-error", "make it believe that it has no memory", "raise MemoryError", "Your code raised MemoryError"),
    liar("coroutine", "pass with work not yet done", "async def later(): return max(x, 0)\nreturn later()"),
]
