"""The convolution against plain loops, scipy, numeric gradients, and what must hold of any right one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d, correlate2d

from cnnlib import gradcheck, ops


def loops(x, w, b, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """Loops over everything, straight from the definition; nothing is shared with the library."""
    (n, _, h, width), (k, cg, fh, fw) = x.shape, w.shape
    oh = (h + 2 * padding[0] - dilation[0] * (fh - 1) - 1) // stride[0] + 1
    ow = (width + 2 * padding[1] - dilation[1] * (fw - 1) - 1) // stride[1] + 1
    out = np.zeros((n, k, oh, ow))
    for image, filt, i, j in np.ndindex(out.shape):
        out[image, filt, i, j] = 0 if b is None else b[filt]
        for channel, u, v in np.ndindex(cg, fh, fw):
            row = i * stride[0] - padding[0] + u * dilation[0]
            column = j * stride[1] - padding[1] + v * dilation[1]
            if 0 <= row < h and 0 <= column < width:
                pixel = x[image, filt // (k // groups) * cg + channel, row, column]
                out[image, filt, i, j] += w[filt, channel, u, v] * pixel
    return out


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def layers(draw, least_batch=0):
    """x, w, b and the keywords of a convolution that fits, of any geometry."""
    stride, dilation, kernel = draw(pairs), draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    groups = draw(st.integers(1, 3))
    size = [
        draw(st.integers(max(1, d * (f - 1) + 1 - 2 * p), 7)) for f, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    channels, filters = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(draw(st.integers(least_batch, 2)), groups * channels, *size))
    w = rng.normal(size=(groups * filters, channels, *kernel))
    b = rng.normal(size=len(w)) if draw(st.booleans()) else None
    return x, w, b, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@given(layers())
@settings(max_examples=150, deadline=None)
def test_forward_is_the_definition(layer):
    x, w, b, options = layer
    out, _ = ops.conv2d_forward(x, w, b, **options)
    np.testing.assert_allclose(out, loops(x, w, b, **options), rtol=0, atol=1e-12)


@given(layers(least_batch=1))
@settings(max_examples=25, deadline=None)
def test_backward_is_the_numeric_gradient(layer):
    x, w, b, options = layer
    out, cache = ops.conv2d_forward(x, w, b, **options)
    dout = np.random.default_rng(1).normal(size=out.shape)
    dx, dw, db = ops.conv2d_backward(dout, cache)
    close = {"rtol": 0, "atol": 1e-7}

    def numeric(f, at):
        return gradcheck.numeric_gradient(lambda value: f(value)[0], at, dout)

    np.testing.assert_allclose(dx, numeric(lambda x: ops.conv2d_forward(x, w, b, **options), x), **close)
    np.testing.assert_allclose(dw, numeric(lambda w: ops.conv2d_forward(x, w, b, **options), w), **close)
    if b is None:
        assert db is None
    else:
        np.testing.assert_allclose(db, numeric(lambda b: ops.conv2d_forward(x, w, b, **options), b), **close)


@given(layers())
@settings(max_examples=100, deadline=None)
def test_backward_is_the_adjoint(layer):
    """⟨dout, conv(x, w)⟩ = ⟨dx, x⟩ = ⟨dw, w⟩, to the last digits and without a difference quotient."""
    x, w, _, options = layer
    out, cache = ops.conv2d_forward(x, w, None, **options)
    dout = np.random.default_rng(1).normal(size=out.shape)
    dx, dw, _ = ops.conv2d_backward(dout, cache)
    assert dx.shape == x.shape
    assert dw.shape == w.shape
    assert np.sum(dx * x) == pytest.approx(np.sum(dout * out), abs=1e-9)
    assert np.sum(dw * w) == pytest.approx(np.sum(dout * out), abs=1e-9)


@pytest.mark.parametrize("mode, padding", [("valid", 0), ("same", (1, 2)), ("full", (2, 4))])
def test_scipy_correlates_the_same(mode, padding):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 8, 9)), rng.normal(size=(4, 3, 3, 5))
    out, _ = ops.conv2d_forward(x, w, padding=padding)
    for n, k in np.ndindex(2, 4):
        expected = sum(correlate2d(x[n, c], w[k, c], mode=mode) for c in range(3))
        np.testing.assert_allclose(out[n, k], expected, atol=1e-12)


def test_dx_of_stride_1_is_a_full_convolution():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 1, 6, 7)), rng.normal(size=(1, 1, 3, 2))
    out, cache = ops.conv2d_forward(x, w)
    dout = rng.normal(size=out.shape)
    np.testing.assert_allclose(ops.conv2d_backward(dout, cache)[0][0, 0], convolve2d(dout[0, 0], w[0, 0]), atol=1e-12)


def test_groups_are_layers_side_by_side():
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(2, 6, 5, 5)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
    both, _ = ops.conv2d_forward(x, w, b, padding=1, groups=2)
    first, _ = ops.conv2d_forward(x[:, :3], w[:2], b[:2], padding=1)
    second, _ = ops.conv2d_forward(x[:, 3:], w[2:], b[2:], padding=1)
    np.testing.assert_allclose(both, np.concatenate([first, second], axis=1), atol=1e-12)


def test_the_numbers_of_the_slides():
    """A 5x5x3 filter gives 75 terms and a bias, 6 filters on 32x32x3 a map of 28x28x6, then 10 of 5x5x6 24x24x10."""
    first, _ = ops.conv2d_forward(np.ones((1, 3, 32, 32)), np.ones((6, 3, 5, 5)), np.ones(6))
    assert first.shape == (1, 6, 28, 28)
    assert np.all(first == 76)
    assert ops.conv2d_forward(first, np.ones((10, 6, 5, 5)))[0].shape == (1, 10, 24, 24)
    assert ops.conv2d_forward(np.ones((1, 3, 32, 32)), np.ones((10, 3, 5, 5)), padding=2)[0].shape == (1, 10, 32, 32)
    assert ops.conv2d_forward(np.ones((1, 64, 56, 56)), np.ones((32, 64, 1, 1)))[0].shape == (1, 32, 56, 56)


def test_a_stride_that_does_not_fit_is_rounded_down():
    out, cache = ops.conv2d_forward(np.ones((1, 1, 7, 7)), np.ones((1, 1, 3, 3)), stride=3)
    dx, _, _ = ops.conv2d_backward(np.ones_like(out), cache)
    assert out.shape == (1, 1, 2, 2)
    assert not dx[0, 0, 6].any(), "the last row lies in no window"


# ------------------------------------------------------------------------------------------------------------- columns


@given(layers())
@settings(max_examples=60, deadline=None)
def test_im2col_has_windows_as_rows_and_weights_as_columns(layer):
    x, w, _, options = layer
    del options["groups"]
    stride, padding, dilation = options.values()
    cols = ops.im2col(x, w.shape[2:], **options)
    padded = np.zeros((*x.shape[:2], *np.add(x.shape[2:], np.multiply(2, padding))))
    padded[:, :, padding[0] : padding[0] + x.shape[2], padding[1] : padding[1] + x.shape[3]] = x
    shape = loops(x[:, :1], w[:1, :1], None, **options).shape
    rows = []
    for n, i, j in np.ndindex(shape[0], *shape[2:]):
        top, left = i * stride[0], j * stride[1]
        window = padded[n, :, top:, left:][:, :: dilation[0], :: dilation[1]]
        rows.append(window[:, : w.shape[2], : w.shape[3]].ravel())
    np.testing.assert_array_equal(cols, np.reshape(rows, (len(rows), x.shape[1] * w.shape[2] * w.shape[3])))


@given(layers())
@settings(max_examples=60, deadline=None)
def test_col2im_is_im2col_transposed(layer):
    x, w, _, options = layer
    del options["groups"]
    cols = ops.im2col(x, w.shape[2:], **options)
    other = np.random.default_rng(2).normal(size=cols.shape)
    back = ops.col2im(other, x.shape, w.shape[2:], **options)
    assert back.shape == x.shape
    assert np.sum(back * x) == pytest.approx(np.sum(other * cols), abs=1e-9)


def test_columns_keep_their_dtype():
    x = np.arange(16, dtype=np.int16).reshape(1, 1, 4, 4)
    cols = ops.im2col(x, 2)
    assert cols.dtype == np.int16
    assert ops.col2im(cols, x.shape, 2).dtype == np.int16


# ----------------------------------------------------------------------------------------------------------- any input


def arguments():
    rng = np.random.default_rng(3)
    return rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=4)


@pytest.mark.parametrize("dtype, expected", [("float32", "float32"), ("float64", "float64"), ("int64", "float64")])
def test_floats_keep_their_precision_and_integers_become_float64(dtype, expected):
    x, w, b = ((10 * a).astype(dtype) for a in arguments())
    out, cache = ops.conv2d_forward(x, w, b, stride=2, padding=1)
    grads = ops.conv2d_backward(np.ones(out.shape), cache)
    assert [a.dtype.name for a in (out, *grads)] == [expected] * 4
    np.testing.assert_allclose(out, loops(x, w, b, (2, 2), (1, 1)), rtol=1e-4)


@pytest.mark.parametrize("bias, expected", [(None, "float32"), ("float32", "float32"), ("float64", "float64")])
def test_gradients_have_the_precision_of_out(bias, expected):
    x, w = np.ones((1, 1, 3, 3), np.float32), np.ones((2, 1, 2, 2), np.float32)
    out, cache = ops.conv2d_forward(x, w, None if bias is None else np.ones(2, bias))
    grads = ops.conv2d_backward(np.ones(out.shape), cache)
    assert {a.dtype.name for a in (out, *grads) if a is not None} == {expected}


def test_large_integers_do_not_overflow():
    x = np.full((1, 1, 2, 2), 200, np.uint8)
    assert ops.conv2d_forward(x, x)[0].item() == 4 * 200**2


def test_arguments_are_read_in_any_layout_and_never_written_to():
    x, w, b = arguments()
    expected, cache = ops.conv2d_forward(x, w, b, padding=1)
    dout = np.random.default_rng(4).normal(size=expected.shape)
    grads = ops.conv2d_backward(dout, cache)

    strange = [np.asfortranarray(x), np.repeat(w, 2, axis=3)[..., ::2], b[::-1].copy()[::-1]]
    strange_dout = np.asfortranarray(dout)
    for array in (*strange, strange_dout):
        array.flags.writeable = False
    out, cache = ops.conv2d_forward(*strange, padding=1)
    np.testing.assert_allclose(out, expected, atol=1e-12)
    for grad, right in zip(ops.conv2d_backward(strange_dout, cache), grads, strict=True):
        np.testing.assert_allclose(grad, right, atol=1e-12)


def test_results_share_no_memory_with_arguments():
    x, w, b = np.ones((1, 1, 3, 3)), np.ones((1, 1, 1, 1)), np.ones(1)
    out, cache = ops.conv2d_forward(x, w, b)
    dout = np.ones(out.shape)
    for result in (out, *ops.conv2d_backward(dout, cache), ops.im2col(x, 1), ops.col2im(ops.im2col(x, 1), x.shape, 1)):
        assert not any(np.shares_memory(result, a) for a in (x, w, b, dout))


def test_lists_are_arrays():
    assert ops.conv2d_forward([[[[1, 2]]]], [[[[3]]]], [1])[0].tolist() == [[[[4, 7]]]]


def test_nan_stays_where_it_was_seen():
    x = np.ones((1, 1, 5, 5))
    x[0, 0, 0, 0] = np.nan
    out, _ = ops.conv2d_forward(x, np.ones((1, 1, 3, 3)), algo="direct")
    assert np.isnan(ops.conv2d_forward(x, np.ones((1, 1, 3, 3)))[0][0, 0, 0, 0]), "the fast ways spoil neighbours too"
    assert np.isnan(out[0, 0, 0, 0])
    assert np.isfinite(out[0, 0]).sum() == 8


@pytest.mark.parametrize(
    "x, w",
    [
        ((0, 2, 4, 4), (3, 2, 3, 3)),  # an empty batch
        ((1, 1, 1, 1), (1, 1, 1, 1)),  # one number
        ((2, 0, 4, 4), (3, 0, 3, 3)),  # no channels: sums of nothing
        ((2, 2, 4, 4), (0, 2, 3, 3)),  # no filters
    ],
)
def test_small_shapes(x, w):
    x, w, b = np.ones(x), np.ones(w), np.full(w[0], 2.0)
    out, cache = ops.conv2d_forward(x, w, b)
    np.testing.assert_array_equal(out, loops(x, w, b))
    grads = ops.conv2d_backward(np.ones(out.shape), cache)
    assert [g.shape for g in grads] == [x.shape, w.shape, b.shape]


# -------------------------------------------------------------------------------------------------------- what is wrong

SAYS = {
    "x has 3 axes, but images need 4": {"x": (3, 6, 5)},
    "w has 2 axes, but filters need 4": {"w": (3, 3)},
    "x has 3 channels, but w is made for 2": {"w": (4, 2, 3, 3)},
    "x has 3 channels, but w is made for 9": {"w": (3, 3, 3, 3), "groups": 3},
    "3 channels and 4 filters do not divide into 2 groups": {"groups": 2},
    "3 channels and 4 filters do not divide into 3 groups": {"w": (4, 1, 3, 3), "groups": 3},
    "groups is 0, but must be at least 1": {"groups": 0},
    "b has shape (3,), but 4 filters need (4,)": {"b": (3,)},
    "b has shape (1, 4), but 4 filters need (4,)": {"b": (1, 4)},
    "the filter covers 7 x 3 pixels, but the padded image has 6 x 5": {"w": (4, 3, 7, 3)},
    "the filter covers 3 x 9 pixels, but the padded image has 8 x 7": {
        "w": (4, 3, 3, 5),
        "dilation": (1, 2),
        "padding": 1,
    },
    "the filters have 0 x 3 weights": {"w": (4, 3, 0, 3)},
    "padding is -1, but must be at least 0": {"padding": -1},
    "stride is 0, but must be at least 1": {"stride": 0},
    "stride is (1, 0), but must be at least 1": {"stride": (1, 0)},
    "dilation is 0, but must be at least 1": {"dilation": 0},
    "stride has 3 numbers, but an image has 2 directions": {"stride": (1, 1, 1)},
}


@pytest.mark.parametrize("says", SAYS)
def test_one_sentence_says_what_does_not_fit(says):
    options = {"x": (2, 3, 6, 5), "w": (4, 3, 3, 3), "b": (4,)} | SAYS[says]
    arrays = [np.ones(options.pop(name)) for name in ("x", "w", "b")]
    with pytest.raises(ValueError) as error:
        ops.conv2d_forward(*arrays, **options)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name, value", [("stride", 1.0), ("padding", "same"), ("dilation", None)])
def test_numbers_of_pixels_are_integers(name, value):
    with pytest.raises(TypeError, match=f"{name} must be an integer or a pair of integers, not {value!r}"):
        ops.conv2d_forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), **{name: value})


@pytest.mark.parametrize(
    "bad", [np.ones((1, 1, 3, 3), complex), np.full((1, 1, 3, 3), "a"), np.full((1, 1, 3, 3), None)]
)
def test_only_real_numbers(bad):
    with pytest.raises(TypeError, match="x must hold real numbers"):
        ops.conv2d_forward(bad, np.ones((1, 1, 3, 3)))


def test_an_upstream_gradient_of_another_shape_is_refused():
    _, cache = ops.conv2d_forward(np.ones((2, 1, 4, 4)), np.ones((3, 1, 3, 3)))
    with pytest.raises(ValueError, match=r"dout has shape \(2, 3, 2, 1\), but out had shape \(2, 3, 2, 2\)"):
        ops.conv2d_backward(np.ones((2, 3, 2, 1)), cache)


def test_columns_are_made_of_images():
    for call in (lambda: ops.im2col(np.ones((3, 6, 5)), 2), lambda: ops.col2im(np.ones((20, 12)), (3, 6, 5), 2)):
        with pytest.raises(ValueError, match="x has 3 axes, but images need 4"):
            call()


def test_columns_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"cols has shape \(4, 5\), but im2col gives \(4, 4\) here"):
        ops.col2im(np.ones((4, 5)), (1, 1, 3, 3), 2)
