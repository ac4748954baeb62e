"""Normalisation by neighbours against plain loops over channels and windows, numeric gradients, and what must hold."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cnnlib import gradcheck, ops


def response_norm(x, size, alpha, beta, k):
    """Number by number; with an even size, one more channel before than after, as in PyTorch."""
    out = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(x.shape):
        near = [other for other in range(c - size // 2, c - size // 2 + size) if 0 <= other < x.shape[1]]
        squares = sum(x[n, other, i, j] ** 2 for other in near)
        out[n, c, i, j] = x[n, c, i, j] / (k + alpha / size * squares) ** beta
    return out


def gaussian(size):
    """Weights exp(-d² / 2σ²) with σ a quarter of the size, in each direction."""
    window = np.zeros(size)
    for u, v in np.ndindex(size):
        rows, columns = (u - size[0] // 2) / (size[0] / 4), (v - size[1] // 2) / (size[1] / 4)
        window[u, v] = math.exp(-(rows**2) / 2 - columns**2 / 2)
    return window


def around(x, window):
    """The weighted mean of every pixel's neighbourhood, over all channels and as much of the window as lies inside."""
    means = np.zeros((len(x), *x.shape[2:]))
    for n, i, j in np.ndindex(means.shape):
        total = weight = 0.0
        for u, v in np.ndindex(window.shape):
            row, column = i + u - window.shape[0] // 2, j + v - window.shape[1] // 2
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                total += window[u, v] * sum(x[n, :, row, column])
                weight += window[u, v] * x.shape[1]
        means[n, i, j] = total / weight
    return means


def contrast_norm(x, window, eps=1e-4):
    """Jarrett et al., section 2.1: first what is subtracted, then what is divided by."""
    v = x - around(x, window)[:, None]
    deviations = np.sqrt(around(v**2, window))
    out = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(x.shape):
        out[n, c, i, j] = v[n, c, i, j] / max(deviations[n].mean(), deviations[n, i, j], eps)
    return out


def backward_is_numeric(name, x, **options):
    forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    out, cache = forward(x, **options)
    dout = np.random.default_rng(1).normal(size=out.shape)
    numeric = gradcheck.numeric_gradient(lambda x: forward(x, **options)[0], x, dout)
    np.testing.assert_allclose(backward(dout, cache), numeric, rtol=1e-6, atol=1e-6)


shapes = st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(1, 4), st.integers(1, 5))
odd = st.sampled_from([1, 3, 5])


@given(shapes, st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_response_norm(shape, size, seed):
    x = 2 * np.random.default_rng(seed).normal(size=shape)
    options = {"size": size, "alpha": 0.7, "beta": 0.6, "k": 1.5}
    np.testing.assert_allclose(
        ops.local_response_norm_forward(x, **options)[0], response_norm(x, **options), rtol=1e-12
    )
    backward_is_numeric("local_response_norm", x, **options)


def test_the_defaults_are_those_of_pytorch():
    x = np.random.default_rng(0).normal(size=(1, 7, 2, 2)) * 100
    np.testing.assert_allclose(ops.local_response_norm_forward(x)[0], response_norm(x, 5, 1e-4, 0.75, 1), rtol=1e-12)


@given(shapes, st.tuples(odd, odd), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_contrast_norm(shape, size, seed):
    x = np.random.default_rng(seed).normal(size=shape)
    out, _ = ops.local_contrast_norm_forward(x, size)
    if shape[1:] == (1, 1, 1) or (size == (1, 1) and shape[1] == 1):
        np.testing.assert_allclose(out, 0, atol=1e-9, err_msg="a number that is its own mean has no contrast")
        return
    np.testing.assert_allclose(out, contrast_norm(x, gaussian(size)), atol=1e-9)
    x = x + 2 * np.random.default_rng(3).normal(size=(*shape[:2], 1, 1))
    deviation, average = ops.local_contrast_norm_forward(x, size)[1][1:3]
    apart = np.abs(deviation - average)
    assume(np.all((apart > 1e-3) | (apart == 0)))  # where the larger of the two changes, there is no slope
    backward_is_numeric("local_contrast_norm", x, kernel_size=size)


def test_contrast_norm_with_a_window_of_ones_own():
    rng = np.random.default_rng(0)
    x, window = rng.normal(size=(2, 3, 6, 5)), rng.random((5, 3))
    out, _ = ops.local_contrast_norm_forward(x, window=window)
    np.testing.assert_allclose(out, contrast_norm(x, window), atol=1e-12)
    np.testing.assert_allclose(ops.local_contrast_norm_forward(x, window=40 * window)[0], out, atol=1e-12)
    backward_is_numeric("local_contrast_norm", x, window=window)


@pytest.mark.parametrize("eps", [0.5, 1e-4])
def test_every_divisor_has_its_turn(eps):
    """A picture with a flat and a busy half: pixels divided by their own deviation, by the mean, and by eps."""
    x = 0.3 * np.random.default_rng(0).normal(size=(1, 2, 6, 8))
    x[..., :4] *= 0.01
    x[..., 6:] *= 5
    out, _ = ops.local_contrast_norm_forward(x, 3, eps=eps)
    np.testing.assert_allclose(out, contrast_norm(x, gaussian((3, 3)), eps), atol=1e-12)
    backward_is_numeric("local_contrast_norm", x, kernel_size=3, eps=eps)


def test_brightness_and_contrast_of_the_light_do_not_matter():
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 7))
    out, _ = ops.local_contrast_norm_forward(x, 5)
    np.testing.assert_allclose(ops.local_contrast_norm_forward(10 * x + 3, 5)[0], out, atol=1e-12)


def test_a_flat_wall_has_no_contrast_up_to_its_rim():
    x = np.full((1, 3, 6, 6), 200, np.float32)
    out, cache = ops.local_contrast_norm_forward(x)
    assert np.abs(out).max() < 1
    assert np.isfinite(ops.local_contrast_norm_backward(np.ones(out.shape), cache)).all()
    with np.errstate(all="raise"):
        out, cache = ops.local_contrast_norm_forward(0 * x)
        assert not out.any()
        assert np.isfinite(ops.local_contrast_norm_backward(np.ones(out.shape), cache)).all()


# ----------------------------------------------------------------------------------------------------------- any input


@pytest.mark.parametrize("name", ["local_response_norm", "local_contrast_norm"])
@pytest.mark.parametrize("dtype, expected", [("float16", "float16"), ("float32", "float32"), ("uint8", "float64")])
def test_precision_and_arguments(name, dtype, expected):
    forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    x = np.asfortranarray(np.random.default_rng(0).integers(9, size=(2, 3, 7, 5)).astype(dtype))
    before = x.copy()
    out, cache = forward(x)
    dout = np.random.default_rng(1).normal(size=out.shape)
    x.flags.writeable = dout.flags.writeable = False
    dx = backward(dout, cache)
    assert {out.dtype.name, dx.dtype.name} == {expected}
    right, cache = forward(before.astype(float))
    tolerance = 0.05 if dtype == "float16" else 1e-4
    np.testing.assert_allclose(out, right, atol=tolerance)
    np.testing.assert_allclose(dx, backward(dout, cache), atol=tolerance)
    np.testing.assert_array_equal(x, before)
    assert not any(np.shares_memory(r, a) for r in (out, dx) for a in (x, dout))
    with pytest.raises(ValueError, match=r"dout has shape \(1, 1\), but out had shape \(2, 3, 7, 5\)"):
        backward(np.ones((1, 1)), cache)


ONES = np.ones((2, 3, 4, 5))


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: ops.local_response_norm_forward(ONES, size=0), "size is 0, but must be at least 1"),
        (lambda: ops.local_response_norm_forward(ONES[0]), "x has 3 axes, but images need 4"),
        (lambda: ops.local_contrast_norm_forward(ONES[0]), "x has 3 axes, but images need 4"),
        (lambda: ops.local_contrast_norm_forward(ONES, 4), "the window has shape (4, 4), but needs two odd lengths"),
        (lambda: ops.local_contrast_norm_forward(ONES, (3, 0)), "kernel_size is (3, 0), but must be at least 1"),
        (
            lambda: ops.local_contrast_norm_forward(ONES, window=[1, 2, 1]),
            "the window has shape (3,), but needs two odd",
        ),
        (
            lambda: ops.local_contrast_norm_forward(ONES, window=[[1, 0, 1]]),
            "the window has 0 at its least and 0 in its",
        ),
        (lambda: ops.local_contrast_norm_forward(ONES, window=[[-1, 4, 1]]), "the window has -1 at its least and 4 in"),
    ],
)
def test_one_sentence_says_what_does_not_fit(call, says):
    with pytest.raises(ValueError) as error:
        call()
    assert says in str(error.value)
    assert "\n" not in str(error.value)
