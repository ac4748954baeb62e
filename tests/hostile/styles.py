"""Correct in an unusual style: loops, einsum, strides, float32, Fortran order, helper cells, extra imports, classes. Full points."""

from .classroom import Submission


def right(name, **answers):
    return Submission(name, "lose a point", **answers)


SUBMISSIONS = [
    right(
        "loops",
        relu="def relu(x):\n    out = np.array(x, dtype=float)\n    for i in np.ndindex(out.shape):\n        if out[i] < 0:\n            out[i] = 0.0\n    return out",
        correlate="def correlate(x, w):\n    out = []\n    for i in range(len(x) - len(w) + 1):\n        s = 0\n"
        "        for j in range(len(w)):\n            s += x[i + j] * w[j]\n        out.append(s)\n    return out",
    ),
    right(
        "einsum",
        correlate="from numpy.lib.stride_tricks import sliding_window_view as view\ndef correlate(x, w):\n    return np.einsum('if,f->i', view(x, len(w)), w)",
        scale="def scale_forward(x, w): return np.einsum('ij,ij->ij', x, w), dict(x=x, w=w)\n"
        "def scale_backward(dout, cache): return np.einsum('ij,ij->ij', dout, cache['w']), np.einsum('ij,ij->ij', dout, cache['x'])",
    ),
    right(
        "strides",
        correlate="def correlate(x, w):\n    (s,) = x.strides\n"
        "    return np.lib.stride_tricks.as_strided(x, (len(x) - len(w) + 1, len(w)), (s, s)) @ w",
    ),
    right(
        "float32",
        relu="def relu(x): return np.maximum(np.float32(x), np.float32(0))",
        correlate="def correlate(x, w): return np.correlate(x.astype('f4'), w.astype('f4'), 'valid')",
        scale="def scale_forward(x, w): return (x * w).astype('f4'), (x.astype('f4'), w.astype('f4'))\n"
        "def scale_backward(dout, cache): return (dout * cache[1]).astype('f4'), (dout * cache[0]).astype('f4')",
    ),
    right(
        "fortran",
        relu="def relu(x): return np.asfortranarray(np.maximum(x, 0)) if np.ndim(x) else max(x, 0)",
        scale="def scale_forward(x, w): return np.asfortranarray(x * w), (x.T, w.T)\n"
        "def scale_backward(dout, cache): return (dout.T * cache[1]).T, (dout.T * cache[0]).T",
    ),
    right(
        "read-only",
        relu="def relu(x):\n    out = np.maximum(x, 0)\n    out = np.asarray(out)\n    out.flags.writeable = False\n    return out",
    ),
    right("negative-strides", relu="def relu(x): return np.maximum(x, 0)[::-1][::-1] if np.ndim(x) else max(x, 0.0)"),
    right(
        "python-numbers",
        correlate="def correlate(x, w):\n    x, w = x.tolist(), w.tolist()\n    return [sum(a * b for a, b in zip(x[i:], w)) for i in range(len(x) - len(w) + 1)]",
    ),
    right(
        "classes",
        before="class Layer:\n    def __init__(self, x, w): self.x, self.w = x, w\n    @property\n    def out(self): return self.x * self.w\n"
        "    def __call__(self, dout): return dout * self.w, dout * self.x",
        scale="def scale_forward(x, w):\n    layer = Layer(x, w)\n    return layer.out, layer\ndef scale_backward(dout, cache): return cache(dout)",
    ),
    right("callable-object", relu="class Relu:\n    def __call__(self, x): return np.maximum(x, 0)\nrelu = Relu()"),
    right("method", relu="class Net:\n    def act(self, x): return np.maximum(x, 0)\nrelu = Net().act"),
    right(
        "static-method", relu="class Net:\n    @staticmethod\n    def act(x): return np.maximum(x, 0)\nrelu = Net.act"
    ),
    right(
        "decorators",
        before="import functools\ndef traced(f):\n    @functools.wraps(f)\n    def inner(*args, **kwargs):\n        return f(*args, **kwargs)\n    return inner",
        relu="@traced\n@traced\ndef relu(x): return np.maximum(x, 0)",
        correlate="@functools.lru_cache\ndef length(n, f): return n - f + 1\n@traced\ndef correlate(x, w): return [x[i : i + len(w)] @ w for i in range(length(len(x), len(w)))]",
    ),
    right(
        "lambdas",
        relu="relu = lambda x: (x > 0) * x",
        correlate="correlate = lambda x, w: np.convolve(x, w[::-1], 'valid')",
    ),
    right("partial", relu="from functools import partial\nrelu = partial(np.maximum, 0)"),
    right(
        "ufunc",
        relu="relu = np.frompyfunc(lambda v: v if v > 0 else 0.0, 1, 1)\n_f = relu\ndef relu(x): return np.asarray(_f(x), dtype=float)",
    ),
    right("vectorize", relu="relu = np.vectorize(lambda v: max(v, 0.0))"),
    right(
        "generators",
        correlate="def windows(x, f):\n    for i in range(len(x) - f + 1):\n        yield x[i : i + f]\n"
        "def correlate(x, w): return np.fromiter((v @ w for v in windows(x, len(w))), float)",
    ),
    right(
        "async-cells",
        before="import asyncio\nawait asyncio.sleep(0)\nasync def later(x):\n    await asyncio.sleep(0)\n    return np.maximum(x, 0)\nready = await later(np.ones(3))",
        relu="def relu(x):\n    return np.maximum(x, 0)\nassert ready.sum() == 3",
    ),
    right(
        "magics",
        before="%matplotlib inline\n%time y = sum(range(10))\n!echo hello\nlines = !echo one\n%timeit -n1 -r1 1 + 1\n?len",
    ),
    right("cell-magic", after="%%time\nx = relu(np.ones(3))", before="%%capture captured\nprint('not seen')"),
    right(
        "warnings",
        before="import sys, warnings\nwarnings.warn('careful')\nprint('to stderr', file=sys.stderr)\nnp.array([1.0]) / 0",
        relu="def relu(x):\n    import warnings\n    warnings.warn('slow')\n    np.log(np.zeros(1))\n    return np.maximum(x, 0)",
    ),
    right(
        "prints",
        before="print('x' * 1_000_000)",
        relu="def relu(x):\n    print('x' * 1_000_000)\n    return np.maximum(x, 0)",
    ),
    right(
        "figures",
        before="import matplotlib.pyplot as plt\nfig, axes = plt.subplots(1, 2)\naxes[0].imshow(np.eye(9))\nplt.show()",
        relu="def relu(x):\n    import matplotlib.pyplot as plt\n    plt.plot([1, 2])\n    return np.maximum(x, 0)",
        says="data:image/png;base64,",
    ),
    right(
        "extra-imports",
        before="import collections, dataclasses, math, typing, scipy.signal\nfrom itertools import *",
        correlate="def correlate(x, w): return scipy.signal.correlate(x, w, 'valid')",
    ),
    right(
        "helper-cells",
        before="def window(x, i, f): return x[i : i + f]",
        correlate="def correlate(x, w): return [float(window(x, i, len(w)) @ w) for i in range(len(x) - len(w) + 1)]",
    ),
    right("star-import", before="from numpy import *", relu="def relu(x): return maximum(x, 0)"),
    right(
        "annotations",
        relu="from __future__ import annotations\ndef relu(x: 'Any', /, *more: not_defined, key: list[int] = None) -> nothing: return np.maximum(x, 0)",
    ),
    right(
        "walrus-and-match",
        relu="def relu(x):\n    match np.ndim(x):\n        case 0: return y if (y := x) > 0 else 0\n        case _: return np.where((x > 0), x, 0)",
    ),
    right(
        "other-names",
        relu="def relu(*args, **kwargs): return np.maximum(*args, 0, **kwargs)",
        correlate="def correlate(signal, template): return np.correlate(signal, template)",
    ),
    right("by-exec", relu="exec('def relu(x): return np.maximum(x, 0)')"),
    right(
        "recursion",
        correlate="def correlate(x, w): return [] if len(x) < len(w) else [x[: len(w)] @ w, *correlate(x[1:], w)]",
    ),
    right(
        "cache-of-functions",
        scale="def scale_forward(x, w):\n    return x * w, lambda dout: (dout * w, dout * x)\ndef scale_backward(dout, cache): return cache(dout)",
    ),
    right(
        "cache-none",
        scale="_last = []\ndef scale_forward(x, w):\n    _last[:] = [x, w]\n    return x * w, None\ndef scale_backward(dout, cache): return dout * _last[1], dout * _last[0]",
    ),
    right(
        "cache-of-masks",
        scale="from types import SimpleNamespace\ndef scale_forward(x, w):\n    return x * w, SimpleNamespace(x=x, w=w)\ndef scale_backward(dout, cache): return [dout * cache.w, dout * cache.x]",
    ),
    right(
        "cache-namedtuple",
        scale="from typing import NamedTuple\nclass Cache(NamedTuple):\n    x: np.ndarray\n    w: np.ndarray\n"
        "def scale_forward(x, w): return x * w, Cache(x, w)\ndef scale_backward(dout, cache): return dout * cache.w, dout * cache.x",
    ),
    right(
        "cache-with-attributes",
        scale="class Cache(dict):\n    __getattr__ = dict.__getitem__\n"
        "def scale_forward(x, w): return x * w, Cache(x=x, w=w)\ndef scale_backward(dout, cache): return dout * cache.w, dout * cache.x",
    ),
    right(
        "cache-of-matrices",
        scale="def scale_forward(x, w): return x * w, (np.asmatrix(x), np.asmatrix(w))\n"
        "def scale_backward(dout, cache): return [np.asarray(np.multiply(dout, m)) if isinstance(m, np.matrix) else None for m in cache[::-1]]",
    ),
    right(
        "subclass",
        relu="class Mine(np.ndarray): pass\ndef relu(x): return np.maximum(x, 0).view(Mine) if np.ndim(x) else max(x, 0)",
    ),
    right("masked-array", relu="def relu(x): return np.ma.array(np.maximum(x, 0)) if np.ndim(x) else max(x, 0)"),
    right("longdouble", relu="def relu(x): return np.maximum(np.longdouble(x), 0)"),
    right("renamed-twice", relu="def relu(x):\n    raise NotImplementedError\ndef relu(x): return np.maximum(x, 0)"),
    right("tabs", relu="def relu(x):\n\treturn np.maximum(x, 0) # é ü 漢字 \U0001f600"),
    right("noise-after", after="raise RuntimeError('my own try-out')"),
    right(
        "closes-figures",
        before="import matplotlib\nmatplotlib.use('svg')\nimport matplotlib.pyplot as plt\nplt.plot([1]); plt.savefig('a.svg'); plt.close('all')",
    ),
    right(
        "seeds",
        before="np.random.seed(0)\nrng = np.random.default_rng()\nnp.seterr(all='raise')\nnp.set_printoptions(precision=2)",
    ),
]
