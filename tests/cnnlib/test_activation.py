"""Activations against their formulas, computed number by number with `math`, and against numeric gradients."""

import math

import numpy as np
import pytest

from cnnlib import gradcheck, ops

FORMULAS = {
    "sigmoid": (lambda x: 1 / (1 + math.exp(-x)), {}),
    "tanh": (lambda x: (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)), {}),
    "relu": (lambda x: max(x, 0.0), {}),
    "leaky_relu": (lambda x: x if x > 0 else 0.2 * x, {"negative_slope": 0.2}),
    "elu": (lambda x: x if x > 0 else 1.5 * (math.exp(x) - 1), {"alpha": 1.5}),
}
X = np.random.default_rng(0).normal(size=(2, 3, 4)) * 3


def passes(name):
    return getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward"), FORMULAS.get(name, (None, {}))[1]


@pytest.mark.parametrize("name", FORMULAS)
def test_forward_is_the_formula(name):
    forward, _, options = passes(name)
    out, _ = forward(X, **options)
    expected = np.reshape([FORMULAS[name][0](x) for x in X.flat], X.shape)
    np.testing.assert_allclose(out, expected, rtol=1e-12)


@pytest.mark.parametrize("name", [*FORMULAS, "maxout"])
def test_backward_is_the_numeric_gradient(name):
    forward, backward, options = passes(name)
    x = np.random.default_rng(1).normal(size=(2, 6, 3))
    out, cache = forward(x, **options)
    dout = np.random.default_rng(2).normal(size=out.shape)
    numeric = gradcheck.numeric_gradient(lambda x: forward(x, **options)[0], x, dout)
    np.testing.assert_allclose(backward(dout, cache), numeric, atol=1e-8)


@pytest.mark.parametrize("name", [*FORMULAS, "maxout"])
def test_precision_arguments_and_shape(name):
    forward, backward, options = passes(name)
    x = np.random.default_rng(1).normal(size=(2, 6)).astype(np.float32)
    before = x.copy()
    out, cache = forward(x, **options)
    dout = np.ones(out.shape, np.float32)
    assert out.dtype == backward(dout, cache).dtype == np.float32
    assert forward(np.ones((2, 6), int), **options)[0].dtype == np.float64
    assert not np.shares_memory(out, x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(dout, 1)
    assert forward(np.ones((0, 6)), **options)[0].shape[0] == 0
    with pytest.raises(ValueError, match="dout has shape"):
        backward(np.ones((1, 1)), cache)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_number_is_an_array_too(name):
    forward, backward, options = passes(name)
    out, cache = forward(-0.5, **options)
    assert float(out) == pytest.approx(FORMULAS[name][0](-0.5))
    assert np.shape(backward(1.0, cache)) == ()


def test_nothing_overflows():
    far = np.array([-1e4, 1e4])
    with np.errstate(all="raise", under="ignore"):
        assert ops.sigmoid_forward(far)[0].tolist() == [0, 1]
        assert ops.elu_forward(far)[0].tolist() == [-1, 1e4]
        assert ops.tanh_forward(far)[0].tolist() == [-1, 1]


def test_relu_of_the_slides():
    out, cache = ops.relu_forward(np.array([1.0, -2, 3, -1]))
    assert out.tolist() == [1, 0, 3, 0]
    assert ops.relu_backward(np.array([4.0, -1, 5, 9]), cache).tolist() == [4, 0, 5, 0]


def test_at_zero_relu_has_slope_zero():
    assert ops.relu_backward([1.0], ops.relu_forward([0.0])[1]).tolist() == [0]


def test_tanh_is_a_stretched_sigmoid():
    """The slide has 2σ(x) - 1; it is 2σ(2x) - 1."""
    np.testing.assert_allclose(ops.tanh_forward(X)[0], 2 * ops.sigmoid_forward(2 * X)[0] - 1, atol=1e-12)


def test_maxout_takes_the_largest_piece_and_the_first_of_equal_ones():
    x = np.array([[1.0, 5, 3, 5, 2, 5]])  # three pieces of two channels
    out, cache = ops.maxout_forward(x, pieces=3)
    assert out.tolist() == [[3, 5]]
    assert ops.maxout_backward([[10.0, 20]], cache).tolist() == [[0, 20, 10, 0, 0, 0]]


def test_maxout_needs_channels_that_divide():
    with pytest.raises(ValueError, match=r"x has shape \(2, 5\), but its second axis must divide into 2 pieces"):
        ops.maxout_forward(np.ones((2, 5)))
