"""Batch norm and weight norm against loops over channels and filters, numeric gradients, and what must hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import gradcheck, ops

# --------------------------------------------------------------------------------------------------------- batch norm


def by_channel(x, weight, bias, mean=None, var=None, eps=1e-5):
    """Every channel by itself, as one long list of numbers."""
    out = np.zeros(x.shape)
    for c in range(x.shape[1]):
        numbers = x[:, c].ravel().tolist()
        m = sum(numbers) / len(numbers) if mean is None else mean[c]
        v = sum((number - m) ** 2 for number in numbers) / len(numbers) if var is None else var[c]
        out[:, c] = weight[c] * (x[:, c] - m) / (v + eps) ** 0.5 + bias[c]
    return out


def numeric(f, arrays, which, dout):
    """The numeric gradient with respect to one of the arrays."""
    return gradcheck.numeric_gradient(lambda a: f(*arrays[:which], a, *arrays[which + 1 :])[0], arrays[which], dout)


@st.composite
def batches(draw):
    shape = draw(st.sampled_from([(4, 3), (2, 3, 2, 3), (1, 2, 3, 1), (5, 1), (3, 2, 1, 1), (2, 2, 4)]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    c = shape[1]
    running = draw(st.sampled_from([{}, {"running_mean": rng.normal(size=c), "running_var": rng.random(c) + 0.1}]))
    eps = draw(st.sampled_from([{}, {"eps": 0.1}]))
    return (3 * rng.normal(size=shape) + 1, rng.normal(size=c), rng.normal(size=c)), running | eps


@given(batches())
@settings(max_examples=60, deadline=None)
def test_batch_norm(batch):
    arrays, options = batch
    out, cache = ops.batch_norm_forward(*arrays, **options)
    expected = by_channel(*arrays, options.get("running_mean"), options.get("running_var"), options.get("eps", 1e-5))
    np.testing.assert_allclose(out, expected, atol=1e-10)
    dout = np.random.default_rng(1).normal(size=out.shape)
    grads = ops.batch_norm_backward(dout, cache)
    for which, grad in enumerate(grads):
        right = numeric(lambda *a: ops.batch_norm_forward(*a, **options), arrays, which, dout)
        np.testing.assert_allclose(grad, right, atol=1e-6, err_msg=f"gradient {which}")


@given(batches())
@settings(max_examples=30, deadline=None)
def test_the_cache_has_the_statistics_of_the_batch(batch):
    (x, weight, bias), _ = batch
    _, cache = ops.batch_norm_forward(x, weight, bias)
    numbers = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    np.testing.assert_allclose(cache.mean, numbers.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(cache.var, np.cov(numbers, bias=True).reshape(-1, 1)[:: x.shape[1] + 1, 0], atol=1e-12)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-3), ("float64", 1e-10)])
def test_mean_0_and_variance_1_even_far_from_zero(dtype, tolerance):
    """A channel at 10,000 that varies by 1: a scale and a shift computed first would cancel in float32."""
    x = (np.random.default_rng(0).normal(size=(8, 2, 5, 5)) + 1e4).astype(dtype)
    out, _ = ops.batch_norm_forward(x, [1, 1], [0, 0], eps=0)
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3), dtype=float), 0, atol=tolerance)
    np.testing.assert_allclose(out.var(axis=(0, 2, 3), dtype=float), 1, atol=tolerance)
    out, _ = ops.batch_norm_forward(x, [1, 1], [0, 0], [1e4, 1e4], [0.09, 0.09], eps=0)
    np.testing.assert_allclose(out, (x.astype(float) - 1e4) / 0.3, rtol=1e-6)


def test_the_network_can_learn_the_identity():
    """As the slide says: scale and shift undo the normalisation."""
    x = np.random.default_rng(0).normal(size=(6, 2, 3, 3)) * 4 + 7
    weight, bias = x.std(axis=(0, 2, 3)), x.mean(axis=(0, 2, 3))
    np.testing.assert_allclose(ops.batch_norm_forward(x, weight, bias, eps=0)[0], x, atol=1e-12)


def test_in_training_a_constant_change_of_a_channel_changes_nothing():
    x, ones = np.random.default_rng(0).normal(size=(4, 2, 3, 3)), np.ones(2)
    out, cache = ops.batch_norm_forward(x, ones, 0 * ones, eps=0)
    shift = np.reshape([5.0, -3.0], (1, 2, 1, 1))
    np.testing.assert_allclose(ops.batch_norm_forward(2 * x + shift, ones, 0 * ones, eps=0)[0], out, atol=1e-12)
    dx, _, _ = ops.batch_norm_backward(np.random.default_rng(1).normal(size=out.shape), cache)
    np.testing.assert_allclose(dx.sum(axis=(0, 2, 3)), 0, atol=1e-10)  # so no gradient in these two directions
    np.testing.assert_allclose((dx * x).sum(axis=(0, 2, 3)), 0, atol=1e-10)


def test_in_use_an_example_does_not_depend_on_the_others():
    x, ones = np.random.default_rng(0).normal(size=(4, 2, 3, 3)), np.ones(2)
    out, _ = ops.batch_norm_forward(x, ones, ones, 0 * ones, 2 * ones)
    np.testing.assert_array_equal(ops.batch_norm_forward(x[1:2], ones, ones, 0 * ones, 2 * ones)[0], out[1:2])
    empty, cache = ops.batch_norm_forward(x[:0], ones, ones, 0 * ones, 2 * ones)
    assert [g.shape for g in (empty, *ops.batch_norm_backward(empty, cache))] == [(0, 2, 3, 3)] * 2 + [(2,)] * 2


def test_one_number_has_no_variance_and_no_gradient():
    out, cache = ops.batch_norm_forward([[3.0]], [2.0], [5.0])
    assert out.tolist() == [[5]]
    assert [g.tolist() for g in ops.batch_norm_backward([[1.0]], cache)] == [[[0]], [0], [1]]


def test_running_statistics_may_change_before_the_backward_pass():
    mean, var = np.zeros(1), np.ones(1)
    _, cache = ops.batch_norm_forward([[2.0]], [1.0], [0.0], mean, var, eps=0)
    mean += 7
    var += 7
    assert [g.tolist() for g in ops.batch_norm_backward([[1.0]], cache)] == [[[1]], [2], [1]]


# --------------------------------------------------------------------------------------------------------- weight norm


@st.composite
def weights(draw):
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    lengths = [n if i == axis % len(shape) else 1 for i, n in enumerate(shape)]
    return (rng.normal(size=shape) + 0.1, rng.normal(size=lengths)), axis


@given(weights())
@settings(max_examples=60, deadline=None)
def test_weight_norm(given_weights):
    (v, g), axis = given_weights
    w, cache = ops.weight_norm_forward(v, g, axis=axis)
    for filt, direction, length in zip(*(np.moveaxis(a, axis, 0) for a in (w, v, g)), strict=True):
        np.testing.assert_allclose(filt, length.item() * direction / np.linalg.norm(direction.ravel()), atol=1e-12)
    dout = np.random.default_rng(1).normal(size=w.shape)
    for which, grad in enumerate(ops.weight_norm_backward(dout, cache)):
        right = numeric(lambda *a: ops.weight_norm_forward(*a, axis=axis), (v, g), which, dout)
        np.testing.assert_allclose(grad, right, rtol=1e-5, atol=1e-6)


def test_g_is_the_length_and_a_longer_v_changes_nothing():
    v, g = np.random.default_rng(0).normal(size=(4, 3, 2, 2)), np.reshape([1.0, 2, 3, 4], (4, 1, 1, 1))
    w, cache = ops.weight_norm_forward(v, g)
    np.testing.assert_allclose(np.sqrt((w**2).sum(axis=(1, 2, 3))), [1, 2, 3, 4])
    np.testing.assert_allclose(ops.weight_norm_forward(9 * v, g)[0], w)
    dv, _ = ops.weight_norm_backward(np.random.default_rng(1).normal(size=w.shape), cache)
    np.testing.assert_allclose((dv * v).sum(axis=(1, 2, 3)), 0, atol=1e-12)


# ----------------------------------------------------------------------------------------------------------- any input

X = np.random.default_rng(2).normal(size=(3, 2, 4, 5))
CALLS = {
    "batch_norm": ((X, [1.0, 2.0], [0.0, 3.0]), {}),
    "batch_norm in use": ((X, [1.0, 2.0], [0.0, 3.0]), {"running_mean": [0.0, 1.0], "running_var": [1.0, 2.0]}),
    "weight_norm": ((X, np.reshape([1.0, 2, 3], (3, 1, 1, 1))), {}),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype, expected", [("float16", "float16"), ("float32", "float32"), ("int64", "float64")])
def test_precision_and_arguments(name, dtype, expected):
    arrays, options = CALLS[name]
    forward, backward = (getattr(ops, f"{name.split()[0]}_{way}") for way in ("forward", "backward"))
    arrays = [np.asfortranarray(np.asarray(3 * np.asarray(a)).astype(dtype)) for a in arrays]
    before = [a.copy() for a in arrays]
    out, cache = forward(*arrays, **options)
    dout = np.random.default_rng(3).normal(size=out.shape)
    for array in (*arrays, dout):
        array.flags.writeable = False
    grads = backward(dout, cache)
    assert {a.dtype.name for a in (out, *grads)} == {expected}
    right, cache = forward(*(a.astype(float) for a in before), **options)
    for got, wanted in zip((out, *grads), (right, *backward(dout, cache)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0.01, atol=0.1 if dtype == "float16" else 1e-4)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert not any(np.shares_memory(r, a) for r in (out, *grads) for a in (*arrays, dout))
    with pytest.raises(ValueError, match=r"dout has shape \(1, 1\), but out had shape \(3, 2, 4, 5\)"):
        backward(np.ones((1, 1)), cache)


def test_float32_images_keep_their_precision_beside_float64_weights():
    out, cache = ops.batch_norm_forward(X.astype(np.float32), np.ones(2), np.ones(2), np.ones(2), np.ones(2))
    assert {a.dtype.name for a in (out, *ops.batch_norm_backward(out, cache))} == {"float32"}


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: ops.batch_norm_forward(np.ones(3), np.ones(3), np.ones(3)), "x has 1 axes, but needs at least 2"),
        (lambda: ops.batch_norm_forward(X, np.ones(3), np.ones(2)), "weight has shape (3,), but 2 channels need (2,)"),
        (lambda: ops.batch_norm_forward(X, np.ones(2), 1.0), "bias has shape (), but 2 channels need (2,)"),
        (
            lambda: ops.batch_norm_forward(X, np.ones(2), np.ones(2), np.ones(1), np.ones(2)),
            "running_mean has shape (1,), but 2 channels need (2,)",
        ),
        (
            lambda: ops.batch_norm_forward(X, np.ones(2), np.ones(2), np.ones(2), np.ones((1, 2))),
            "running_var has shape (1, 2), but 2 channels need (2,)",
        ),
        (
            lambda: ops.batch_norm_forward(X[:0], np.ones(2), np.ones(2)),
            "x has shape (0, 2, 4, 5): there is no number to take a mean of",
        ),
        (
            lambda: ops.weight_norm_forward(X, np.ones(3)),
            "g has shape (3,), but v of shape (3, 2, 4, 5) needs (3, 1, 1",
        ),
        (lambda: ops.weight_norm_forward(X, np.ones(3), axis=4), "axis is 4, but there are 4 axes"),
        (
            lambda: ops.weight_norm_forward([[1.0], [0.0]], [[1.0], [1.0]]),
            "filter 1 of the 2 in v is all zeros, so it has no direction to keep",
        ),
    ],
)
def test_one_sentence_says_what_does_not_fit(call, says):
    with pytest.raises(ValueError) as error:
        call()
    assert says in str(error.value)
    assert "\n" not in str(error.value)
