"""Dropout: what is dropped is chance, so the tests look at what must hold for every draw, and at shares of many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import ops


@given(st.lists(st.integers(0, 4), max_size=4), st.floats(0, 0.95), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_a_number_is_dropped_or_grown_and_its_gradient_likewise(shape, p, seed):
    rng = np.random.default_rng(seed)
    x, dout = rng.normal(size=shape) + 10, rng.normal(size=shape)
    out, cache = ops.dropout_forward(x, p, rng)
    dx = ops.dropout_backward(dout, cache)
    assert np.shape(out) == np.shape(dx) == tuple(shape)
    kept = out != 0
    np.testing.assert_allclose(out, np.where(kept, x / (1 - p), 0), rtol=1e-12)
    np.testing.assert_allclose(dx, np.where(kept, dout / (1 - p), 0), rtol=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_share_that_is_dropped_is_p_and_the_mean_is_kept(p):
    n = 40_000
    out, _ = ops.dropout_forward(np.ones((200, 200)), p, np.random.default_rng(0))
    four_sigma = 4 * np.sqrt(p * (1 - p) / n)
    assert np.mean(out == 0) == pytest.approx(p, abs=four_sigma)
    assert out.mean() == pytest.approx(1, abs=four_sigma / (1 - p))
    for axis in (0, 1):  # no row or column is favoured: 200 numbers each
        assert np.mean(out == 0, axis=axis) == pytest.approx(np.full(200, p), abs=6 * np.sqrt(p * (1 - p) / 200))


def test_half_is_dropped_where_nothing_else_is_said():
    assert set(ops.dropout_forward(np.ones(100), rng=np.random.default_rng(0))[0].tolist()) == {0, 2}


def test_a_draw_can_be_repeated_and_the_next_is_another():
    x, rng = np.ones(100), np.random.default_rng(3)
    first, second = ops.dropout_forward(x, rng=rng)[0], ops.dropout_forward(x, rng=rng)[0]
    assert (first != second).any()
    np.testing.assert_array_equal(ops.dropout_forward(x, rng=np.random.default_rng(3))[0], first)


@pytest.mark.parametrize("options", [{"training": False}, {"p": 0}])
def test_nothing_happens_in_use_or_at_p_0(options):
    x = np.random.default_rng(0).normal(size=(2, 3))
    out, cache = ops.dropout_forward(x, **options)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(ops.dropout_backward(2 * x, cache), 2 * x)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype, expected", [("float16", "float16"), ("float32", "float32"), ("int64", "float64")])
def test_precision_and_arguments(training, dtype, expected):
    x = np.arange(1, 13).reshape(3, 4).astype(dtype).T
    dout = np.ones((4, 3))
    x.flags.writeable = dout.flags.writeable = False
    out, cache = ops.dropout_forward(x, 0.25, np.random.default_rng(0), training=training)
    dx = ops.dropout_backward(dout, cache)
    assert out.dtype == dx.dtype == expected
    np.testing.assert_array_equal(x, np.arange(1, 13).reshape(3, 4).T)
    assert not (training and (np.shares_memory(out, x) or np.shares_memory(dx, dout)))
    with pytest.raises(ValueError, match=r"dout has shape \(2,\), but out had shape \(4, 3\)"):
        ops.dropout_backward(np.ones(2), cache)


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, np.nan])
def test_p_is_a_probability_below_1(p):
    for training in (True, False):
        with pytest.raises(ValueError, match=f"p is {p}, but must be .*at least 0"):
            ops.dropout_forward(np.ones(3), p, np.random.default_rng(0), training=training)


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(0)])
def test_chance_comes_from_a_generator(rng):
    with pytest.raises(TypeError, match="in training, rng must be a numpy Generator such as"):
        ops.dropout_forward(np.ones(3), rng=rng)
