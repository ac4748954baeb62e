"""The locally connected layer against plain loops, numeric gradients, and the convolution that shares its weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import gradcheck, ops


def loops(x, w, b, stride=(1, 1), padding=(0, 0)):
    """Straight from the definition."""
    oh, ow, k, c, fh, fw = w.shape
    out = np.zeros((len(x), k, oh, ow))
    for n, f, i, j in np.ndindex(out.shape):
        out[n, f, i, j] = 0 if b is None else b[f, i, j]
        for channel, u, v in np.ndindex(c, fh, fw):
            row, column = i * stride[0] - padding[0] + u, j * stride[1] - padding[1] + v
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                out[n, f, i, j] += w[i, j, f, channel, u, v] * x[n, channel, row, column]
    return out


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def layers(draw, least_batch=0):
    stride, kernel = draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    size = [draw(st.integers(max(1, f - 2 * p), 6)) for f, p in zip(kernel, padding, strict=True)]
    positions = [(n + 2 * p - f) // s + 1 for n, p, f, s in zip(size, padding, kernel, stride, strict=True)]
    channels, filters = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(draw(st.integers(least_batch, 2)), channels, *size))
    w = rng.normal(size=(*positions, filters, channels, *kernel))
    b = rng.normal(size=(filters, *positions)) if draw(st.booleans()) else None
    return x, w, b, {"stride": stride, "padding": padding}


@given(layers())
@settings(max_examples=100, deadline=None)
def test_forward_is_the_definition(layer):
    x, w, b, options = layer
    out, _ = ops.locally_connected2d_forward(x, w, b, **options)
    np.testing.assert_allclose(out, loops(x, w, b, **options), rtol=0, atol=1e-12)


@given(layers(least_batch=1))
@settings(max_examples=20, deadline=None)
def test_backward_is_the_numeric_gradient(layer):
    x, w, b, options = layer
    out, cache = ops.locally_connected2d_forward(x, w, b, **options)
    dout = np.random.default_rng(1).normal(size=out.shape)
    dx, dw, db = ops.locally_connected2d_backward(dout, cache)

    def numeric(f, at):
        return gradcheck.numeric_gradient(lambda value: f(value)[0], at, dout)

    forward = ops.locally_connected2d_forward
    np.testing.assert_allclose(dx, numeric(lambda x: forward(x, w, b, **options), x), atol=1e-7)
    np.testing.assert_allclose(dw, numeric(lambda w: forward(x, w, b, **options), w), atol=1e-7)
    if b is None:
        assert db is None
    else:
        np.testing.assert_allclose(db, numeric(lambda b: forward(x, w, b, **options), b), atol=1e-7)


def test_with_the_same_filters_everywhere_it_is_a_convolution():
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(2, 3, 7, 6)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=4)
    out, cache = ops.conv2d_forward(x, w, b, stride=2, padding=1)
    dout = rng.normal(size=out.shape)
    dx, dw, db = ops.conv2d_backward(dout, cache)

    oh, ow = out.shape[2:]
    untied, cache = ops.locally_connected2d_forward(
        x, np.broadcast_to(w, (oh, ow, *w.shape)), np.broadcast_to(b[:, None, None], (4, oh, ow)), stride=2, padding=1
    )
    np.testing.assert_allclose(untied, out, atol=1e-12)
    untied_dx, untied_dw, untied_db = ops.locally_connected2d_backward(dout, cache)
    np.testing.assert_allclose(untied_dx, dx, atol=1e-12)
    np.testing.assert_allclose(untied_dw.sum(axis=(0, 1)), dw, atol=1e-12)
    np.testing.assert_allclose(untied_db.sum(axis=(1, 2)), db, atol=1e-12)


def test_with_one_window_it_is_a_linear_layer():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(7, 3, 4, 5))
    out, _ = ops.locally_connected2d_forward(x, w[None, None])
    np.testing.assert_allclose(out[:, :, 0, 0], ops.linear_forward(x.reshape(2, 60), w.reshape(7, 60))[0], atol=1e-12)


# ------------------------------------------------------------------------------------------------------------ any input


def arguments():
    rng = np.random.default_rng(3)
    return rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(3, 4, 2, 3, 2, 2)), rng.normal(size=(2, 3, 4))


@pytest.mark.parametrize("dtype, expected", [("float32", "float32"), ("float64", "float64"), ("int64", "float64")])
def test_floats_keep_their_precision_and_integers_become_float64(dtype, expected):
    x, w, b = ((10 * a).astype(dtype) for a in arguments())
    out, cache = ops.locally_connected2d_forward(x, w, b)
    grads = ops.locally_connected2d_backward(np.ones(out.shape), cache)
    assert [a.dtype.name for a in (out, *grads)] == [expected] * 4
    np.testing.assert_allclose(out, loops(x, w, b), rtol=1e-4, atol=1e-3)


def test_a_bias_of_higher_precision_raises_that_of_all():
    x, w, b = arguments()
    out, cache = ops.locally_connected2d_forward(x.astype("f"), w.astype("f"), b)
    grads = ops.locally_connected2d_backward(np.ones(out.shape, "f"), cache)
    assert {a.dtype.name for a in (out, *grads)} == {"float64"}


def test_arguments_are_read_in_any_layout_and_never_written_to():
    x, w, b = arguments()
    expected, cache = ops.locally_connected2d_forward(x, w, b)
    dout = np.random.default_rng(4).normal(size=expected.shape)
    grads = ops.locally_connected2d_backward(dout, cache)

    strange = [np.asfortranarray(x), np.repeat(w, 2, axis=5)[..., ::2], b[::-1].copy()[::-1]]
    strange_dout = np.asfortranarray(dout)
    for array in (*strange, strange_dout):
        array.flags.writeable = False
    out, cache = ops.locally_connected2d_forward(*strange)
    back = ops.locally_connected2d_backward(strange_dout, cache)
    for result, right in zip((out, *back), (expected, *grads), strict=True):
        np.testing.assert_allclose(result, right, atol=1e-12)
        assert not any(np.shares_memory(result, a) for a in (*strange, strange_dout))


@pytest.mark.parametrize("n, c, k", [(0, 2, 3), (1, 1, 1), (2, 0, 3), (2, 2, 0)])
def test_small_shapes(n, c, k):
    x, w, b = np.ones((n, c, 4, 3)), np.ones((3, 3, k, c, 2, 1)), np.full((k, 3, 3), 2.0)
    out, cache = ops.locally_connected2d_forward(x, w, b)
    np.testing.assert_array_equal(out, loops(x, w, b))
    grads = ops.locally_connected2d_backward(np.ones(out.shape), cache)
    assert [g.shape for g in grads] == [x.shape, w.shape, b.shape]


def test_nan_stays_in_the_windows_that_see_it():
    x, w, _ = arguments()
    x[0, 0, 0, 0] = np.nan
    out, _ = ops.locally_connected2d_forward(x, w)
    assert np.argwhere(np.isnan(out)).tolist() == [[0, 0, 0, 0], [0, 1, 0, 0]]


# -------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    "shapes, options, says",
    [
        (((3, 4, 5), (3, 4, 2, 3, 2, 2), None), {}, "x has 3 axes, but images need 4"),
        (((2, 3, 4, 5), (2, 3, 2, 2), None), {}, "w has 4 axes, but needs 6: (OH, OW, K, C, FH, FW)"),
        (((2, 1, 4, 5), (3, 4, 2, 3, 2, 2), None), {}, "x has 1 channels, but w is made for 3"),
        (((2, 3, 4, 5), (4, 3, 2, 3, 2, 2), None), {}, "x has 3 x 4 windows, but w has filters for 4 x 3"),
        (((2, 3, 4, 5), (3, 4, 2, 3, 2, 2), None), {"stride": 2}, "x has 2 x 2 windows, but w has filters for 3 x 4"),
        (((2, 3, 4, 5), (3, 4, 2, 3, 2, 2), (2,)), {}, "b has shape (2,), but the output needs (2, 3, 4)"),
        (((2, 3, 4, 5), (1, 1, 2, 3, 2, 6), None), {}, "the filter covers 6 pixels, but the padded image has 5"),
        (((2, 3, 4, 5), (1, 1, 2, 3, 0, 2), None), {}, "the filters have 0 x 2 weights"),
        (((2, 3, 4, 5), (3, 4, 2, 3, 2, 2), None), {"padding": -1}, "padding is -1, but must be at least 0"),
    ],
)
def test_one_sentence_says_what_does_not_fit(shapes, options, says):
    arrays = [None if shape is None else np.ones(shape) for shape in shapes]
    with pytest.raises(ValueError) as error:
        ops.locally_connected2d_forward(*arrays, **options)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_upstream_gradient_of_another_shape_is_refused():
    _, cache = ops.locally_connected2d_forward(*arguments())
    with pytest.raises(ValueError, match=r"dout has shape \(2, 2, 4, 3\), but out had shape \(2, 2, 3, 4\)"):
        ops.locally_connected2d_backward(np.ones((2, 2, 4, 3)), cache)
