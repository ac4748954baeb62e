"""The bank against oracles of other algorithms: scipy, unit steps, plain index arithmetic."""

import copy
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from scipy import signal

from autograder import mistakes

# ---- oracles


def conv2d(x, w, b, stride, pad):
    xp = np.pad(x.astype(float), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    planes = [[sum(map(_valid, image, filt)) + bias for filt, bias in zip(w, b, strict=True)] for image in xp]
    return np.array(planes)[:, :, ::stride, ::stride]


def _valid(x, w):
    return signal.correlate2d(x, w, mode="valid")


def unit_steps(f, x):
    """The Jacobian of an affine f, exactly: what a step of one in each number does."""
    steps = np.eye(x.size).reshape(-1, *x.shape)
    return np.stack([f(x + step) - f(x) for step in steps], axis=-1).reshape(-1, x.size)


def conv2d_backward(dout, cache):
    arguments = list(cache[:3])

    def gradient(m):
        def forward(value):
            return conv2d(*arguments[:m], value, *arguments[m + 1 :], *cache[3:])

        return (dout.ravel() @ unit_steps(forward, arguments[m].astype(float))).reshape(arguments[m].shape)

    return gradient(0), gradient(1), gradient(2)


def pixels(x_shape, kernel_size, stride, pad):
    """For each entry of im2col's matrix, the pixel of x that stands there, or -1 for padding."""
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    n, oh, ow, c, fh, fw = np.indices((N, OH, OW, C, FH, FW))
    row, column = oh * stride + fh - pad, ow * stride + fw - pad
    inside = (row >= 0) & (row < H) & (column >= 0) & (column < W)
    return np.where(inside, ((n * C + c) * H + row) * W + column, -1).reshape(N * OH * OW, C * FH * FW)


def im2col(x, kernel_size, stride, pad):
    return np.append(x.ravel(), 0)[pixels(x.shape, kernel_size, stride, pad)]


def col2im(cols, x_shape, kernel_size, stride, pad):
    index = pixels(x_shape, kernel_size, stride, pad).ravel() + 1
    return np.bincount(index, cols.ravel(), 1 + np.prod(x_shape))[1:].reshape(x_shape)


def conv_as_matrix(w, x_shape, stride, pad):
    return unit_steps(lambda x: conv2d(x[None], w, np.zeros(len(w)), stride, pad)[0], np.zeros(x_shape))


ORACLES = {
    "conv1d_matrix": lambda w, n, stride: unit_steps(lambda x: np.correlate(x, w, "valid")[::stride], np.zeros(n)),
    "locally_connected": lambda x, W, b, stride: (
        np.diag([np.correlate(x, row, "valid")[i * stride] for i, row in enumerate(W)]).sum(axis=0) + b
    ),
    "correlate2d": _valid,
    "convolve2d": lambda x, w: signal.convolve2d(x, w, mode="valid"),
    "conv2d_forward": conv2d,
    "conv2d_backward": conv2d_backward,
    "im2col": im2col,
    "col2im": col2im,
    "conv2d_forward_im2col": conv2d,
    "conv_as_matrix": conv_as_matrix,
}
PAIRS = {"conv2d_forward", "conv2d_forward_im2col"}  # these return out, cache; the cache is the student's own business

# ---- cases

LAYERS = [  # shape of x, shape of w, stride, pad
    ((1, 1, 5, 5), (1, 1, 3, 3), 1, 0),
    ((2, 3, 5, 7), (4, 3, 3, 2), 1, 1),
    ((2, 3, 7, 5), (2, 3, 3, 3), 2, 1),
    ((3, 2, 6, 9), (3, 2, 2, 3), 2, 0),
    ((2, 2, 5, 5), (3, 2, 3, 3), 2, 2),
    ((2, 2, 6, 6), (3, 2, 3, 3), 1, 0),
    ((1, 2, 8, 6), (2, 2, 3, 3), 2, 1),  # stride 2 does not fit exactly
    ((2, 1, 7, 4), (2, 1, 1, 2), 3, 0),
    ((2, 2, 3, 6), (6, 2, 2, 1), 1, 0),
]


def layer_cases():
    rng = np.random.default_rng(5)
    for x, w, stride, pad in LAYERS:
        yield rng.normal(size=x), rng.normal(size=w), rng.normal(size=w[0]), stride, pad
    x, w, stride, pad = LAYERS[2]
    whole = rng.integers(-9, 9, size=x)
    yield whole, rng.normal(size=w), rng.normal(size=w[0]), stride, pad
    other_order = np.asfortranarray(rng.normal(size=x))
    other_order.flags.writeable = False
    yield other_order, np.asfortranarray(rng.normal(size=w)), rng.normal(size=w[0]), stride, pad


def cases(name):
    """Tuples of arguments."""
    rng = np.random.default_rng(3)
    if name == "conv1d_matrix":
        return [
            (rng.normal(size=f), n, s) for f, n, s in [(3, 7, 1), (3, 7, 2), (2, 5, 1), (3, 8, 2), (1, 4, 3), (4, 4, 1)]
        ]
    if name == "locally_connected":
        sizes = [(3, 5, 1), (2, 4, 2), (3, 3, 2), (1, 3, 3), (4, 1, 1)]
        return [(rng.normal(size=(n - 1) * s + f), rng.normal(size=(n, f)), rng.normal(size=n), s) for f, n, s in sizes]
    if name in ("correlate2d", "convolve2d"):
        sizes = [((5, 5), (3, 3)), ((6, 4), (2, 3)), ((4, 7), (3, 1)), ((5, 6), (2, 2)), ((3, 3), (3, 3))]
        return [(rng.normal(size=x), rng.normal(size=w)) for x, w in sizes]
    layers = list(layer_cases())
    if name == "conv2d_backward":
        return [(rng.normal(size=conv2d(*layer).shape), layer) for layer in layers]
    if name == "im2col":
        return [(x, w.shape[2:], stride, pad) for x, w, _, stride, pad in layers]
    if name == "col2im":
        shapes = [(x.shape, w.shape[2:], stride, pad) for x, w, _, stride, pad in layers]
        return [(rng.normal(size=pixels(*shape).shape), *shape) for shape in shapes]
    if name == "conv_as_matrix":
        return [(w, x.shape[1:], stride, pad) for x, w, _, stride, pad in layers]
    return layers


# ---- comparing


def answer(name, function, arguments):
    """What counts of a call: its arrays, and whether it left its arguments alone; the error's name where it raises."""
    given = copy.deepcopy(arguments)
    try:
        with np.errstate(all="ignore"):
            result = function(*given)
    except Exception as error:
        return type(error).__name__
    parts = result if isinstance(result, tuple) else (result,)
    if name in PAIRS:
        parts = parts[:1] if isinstance(result, tuple) and len(result) == 2 else ("no pair", *parts)
    return [np.asarray(part) for part in parts] + [np.asarray(_unchanged(given, arguments))]


def _unchanged(given, arguments):
    if isinstance(arguments, tuple):
        return all(map(_unchanged, given, arguments))
    return np.array_equal(given, arguments)


def same(one, other):
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str)
    return len(one) == len(other) and all(map(_close, one, other))


def _close(one, other):
    if one.shape != other.shape or "U" in (one.dtype.kind, other.dtype.kind):
        return one.shape == other.shape and one.dtype.kind == other.dtype.kind
    return np.allclose(one, other, rtol=0, atol=1e-4 * max(1e-9, np.abs(one).max(initial=0)))


@pytest.fixture(scope="module")
def expected():
    """For each function its cases and the right answers."""
    oracle = {
        name: (lambda *args, f=f, pair=name in PAIRS: (f(*args), None) if pair else f(*args))
        for name, f in ORACLES.items()
    }
    return {name: [(case, answer(name, oracle[name], case)) for case in cases(name)] for name in ORACLES}


def entries(find):
    return [pytest.param(name, key, id=f"{name}: {key}") for name in ORACLES for key in find(name)]


# ---- tests


def test_the_bank_covers_every_graded_function():
    assert set(mistakes.functions()) >= set(ORACLES)
    for name in ORACLES:
        assert len(mistakes.known(name)) >= 6
        assert len(mistakes.styles(name)) >= 4


@pytest.mark.parametrize("name, sentence", entries(mistakes.known))
def test_a_mistake_is_wrong(name, sentence, expected):
    wrong = mistakes.known(name)[sentence]
    answers = [(answer(name, wrong, case), right) for case, right in expected[name]]
    assert not all(same(right, got) for got, right in answers)
    assert not all(isinstance(got, str) for got, _ in answers)  # one that always raises could not be recognised


@pytest.mark.parametrize("name, key", entries(mistakes.styles))
def test_a_style_is_right(name, key, expected):
    right = mistakes.styles(name)[key]
    for case, wanted in expected[name]:
        assert same(wanted, answer(name, right, case)), [np.shape(argument) for argument in case]


@pytest.mark.parametrize("name", ORACLES)
def test_no_two_mistakes_give_the_same_answers(name, expected):
    answers = {
        sentence: [answer(name, wrong, case) for case, _ in expected[name]]
        for sentence, wrong in mistakes.known(name).items()
    }
    for one, other in combinations(answers, 2):
        assert not all(map(same, answers[one], answers[other])), f"{one} / {other}"


@pytest.mark.parametrize("name", mistakes.functions())
def test_an_entry_needs_numpy_only(name):
    for function in (mistakes.known(name) | mistakes.styles(name)).values():
        names = {"np": np}
        exec(mistakes.source(function, "pasted"), names)
        assert set(names) == {"np", "pasted", "__builtins__"}
        assert set(function.__code__.co_names) & set(vars(sys.modules[function.__module__])) <= {"np"}


@pytest.mark.parametrize("name", ORACLES)
def test_the_source_of_an_entry_stands_alone(name, expected):
    for key, function in {**mistakes.known(name), **mistakes.styles(name)}.items():
        names = {"np": np}
        exec(mistakes.source(function, "pasted"), names)
        assert set(names) == {"np", "pasted", "__builtins__"}
        for case, _ in expected[name]:
            one, other = answer(name, function, case), answer(name, names["pasted"], case)
            assert same(one, other), key


@pytest.mark.parametrize("name", mistakes.functions())
def test_a_sentence_is_short_and_says_what_to_do(name):
    for sentence, wrong in mistakes.known(name).items():
        name_of_something = sentence.split()[0].strip('":*').removeprefix("d")  # gradients are named by their arrays
        assert sentence[0].isupper() or name_of_something in mistakes.source(wrong, name) + "reshape"
        assert sentence.endswith(".")
        assert len(sentence) <= 130
        assert sentence.count(". ") + sentence.count(": ") >= 1  # what is wrong, then what to do


def test_a_name_is_used_once():
    with pytest.raises(ValueError, match="two entries"):
        mistakes.style("loops")(mistakes.styles("im2col")["loops"])


def test_an_unknown_function_is_an_error():
    with pytest.raises(KeyError):
        mistakes.known("conv3d_forward")


def test_the_bank_imports_numpy_only():
    code = "import sys; import autograder.mistakes; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"nbgrader", "IPython", "scipy", "matplotlib", "cnnlib", "msgpack"} & set(loaded)
