"""The transposed convolution against stamps in plain loops, numeric gradients, scipy, and the convolution itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from cnnlib import gradcheck, ops


def stamps(x, w, b, stride=(1, 1), padding=(0, 0), output_padding=(0, 0), dilation=(1, 1), groups=1):
    """Every number of x puts its filter, times itself, into the output: plain loops, nothing from the library."""
    (n, c, height, width), (_, kg, fh, fw) = x.shape, w.shape
    oh = (height - 1) * stride[0] - 2 * padding[0] + dilation[0] * (fh - 1) + output_padding[0] + 1
    ow = (width - 1) * stride[1] - 2 * padding[1] + dilation[1] * (fw - 1) + output_padding[1] + 1
    out = np.zeros((n, kg * groups, oh, ow))
    if b is not None:
        out += np.reshape(b, (1, -1, 1, 1))
    for image, channel, i, j in np.ndindex(x.shape):
        for k, u, v in np.ndindex(kg, fh, fw):
            row = i * stride[0] + u * dilation[0] - padding[0]
            column = j * stride[1] + v * dilation[1] - padding[1]
            if 0 <= row < oh and 0 <= column < ow:
                filt = channel // (c // groups) * kg + k
                out[image, filt, row, column] += x[image, channel, i, j] * w[channel, k, u, v]
    return out


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def layers(draw, least_batch=0):
    """x, w, b and the keywords of a transposed convolution of any geometry that leaves a pixel."""
    stride, dilation, kernel, pixels = draw(pairs), draw(pairs), draw(pairs), draw(pairs)
    more, padding = [], []
    for n, f, s, d in zip(pixels, kernel, stride, dilation, strict=True):
        more.append(draw(st.integers(0, max(s, d) - 1)))
        padding.append(draw(st.integers(0, min(3, ((n - 1) * s + d * (f - 1) + more[-1]) // 2))))
    groups = draw(st.integers(1, 3))
    channels, filters = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(draw(st.integers(least_batch, 2)), groups * channels, *pixels))
    w = rng.normal(size=(groups * channels, filters, *kernel))
    b = rng.normal(size=groups * filters) if draw(st.booleans()) else None
    options = {"stride": stride, "padding": tuple(padding), "output_padding": tuple(more), "dilation": dilation}
    return x, w, b, options | {"groups": groups}


@given(layers())
@settings(max_examples=150, deadline=None)
def test_forward_is_the_definition(layer):
    x, w, b, options = layer
    out, _ = ops.conv_transpose2d_forward(x, w, b, **options)
    np.testing.assert_allclose(out, stamps(x, w, b, **options), rtol=0, atol=1e-12)


@given(layers(least_batch=1))
@settings(max_examples=30, deadline=None)
def test_backward_is_the_numeric_gradient(layer):
    x, w, b, options = layer
    out, cache = ops.conv_transpose2d_forward(x, w, b, **options)
    dout = np.random.default_rng(1).normal(size=out.shape)
    dx, dw, db = ops.conv_transpose2d_backward(dout, cache)

    def numeric(f, at):
        return gradcheck.numeric_gradient(lambda value: f(value)[0], at, dout)

    forward = ops.conv_transpose2d_forward
    np.testing.assert_allclose(dx, numeric(lambda x: forward(x, w, b, **options), x), atol=1e-7)
    np.testing.assert_allclose(dw, numeric(lambda w: forward(x, w, b, **options), w), atol=1e-7)
    if b is None:
        assert db is None
    else:
        np.testing.assert_allclose(db, numeric(lambda b: forward(x, w, b, **options), b), atol=1e-7)


@given(layers())
@settings(max_examples=60, deadline=None)
def test_backward_is_the_adjoint(layer):
    x, w, _, options = layer
    out, cache = ops.conv_transpose2d_forward(x, w, None, **options)
    dout = np.random.default_rng(1).normal(size=out.shape)
    dx, dw, _ = ops.conv_transpose2d_backward(dout, cache)
    assert dx.shape == x.shape
    assert dw.shape == w.shape
    assert np.sum(dx * x) == pytest.approx(np.sum(dout * out), abs=1e-9)
    assert np.sum(dw * w) == pytest.approx(np.sum(dout * out), abs=1e-9)


@pytest.mark.parametrize("size", [7, 8])
def test_it_is_what_a_convolution_sends_back(size):
    """From 7 x 7 and from 8 x 8, a stride of 2 leads to 3 x 3; output_padding says where to go back."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(4, 3, 3, 3))
    out, cache = ops.conv2d_forward(rng.normal(size=(2, 3, size, size)), w, stride=2)
    assert out.shape == (2, 4, 3, 3)
    dout = rng.normal(size=out.shape)
    back, _ = ops.conv_transpose2d_forward(dout, w, stride=2, output_padding=size - 7)
    np.testing.assert_allclose(back, ops.conv2d_backward(dout, cache)[0], atol=1e-12)


def test_stride_1_is_scipys_full_convolution():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(3, 2, 3, 4))
    out, _ = ops.conv_transpose2d_forward(x, w)
    for n, k in np.ndindex(2, 2):
        expected = sum(convolve2d(x[n, c], w[c, k]) for c in range(3))
        np.testing.assert_allclose(out[n, k], expected, atol=1e-12)


def test_the_size_doubles_as_in_the_segmentation_networks():
    """4 x 4 filters, stride 2, padding 1: FCN's and U-Net's way up."""
    assert ops.conv_transpose2d_forward(np.ones((1, 2, 7, 5)), np.ones((2, 3, 4, 4)), stride=2, padding=1)[0].shape == (
        *(1, 3),
        *(14, 10),
    )
    assert ops.conv_transpose2d_forward(np.ones((1, 2, 7, 5)), np.ones((2, 3, 2, 2)), stride=2)[0].shape == (
        1,
        3,
        14,
        10,
    )


# ------------------------------------------------------------------------------------------------------------ any input


def arguments():
    rng = np.random.default_rng(3)
    return rng.normal(size=(2, 4, 3, 5)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=3)


@pytest.mark.parametrize("dtype, expected", [("float32", "float32"), ("float64", "float64"), ("int64", "float64")])
def test_floats_keep_their_precision_and_integers_become_float64(dtype, expected):
    x, w, b = ((10 * a).astype(dtype) for a in arguments())
    out, cache = ops.conv_transpose2d_forward(x, w, b, stride=2, padding=1)
    grads = ops.conv_transpose2d_backward(np.ones(out.shape), cache)
    assert [a.dtype.name for a in (out, *grads)] == [expected] * 4
    np.testing.assert_allclose(out, stamps(x, w, b, (2, 2), (1, 1)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bias, expected", [(None, "float32"), ("float32", "float32"), ("float64", "float64")])
def test_gradients_have_the_precision_of_out(bias, expected):
    x, w = np.ones((1, 1, 3, 3), np.float32), np.ones((1, 2, 2, 2), np.float32)
    out, cache = ops.conv_transpose2d_forward(x, w, None if bias is None else np.ones(2, bias))
    grads = ops.conv_transpose2d_backward(np.ones(out.shape), cache)
    assert {a.dtype.name for a in (out, *grads) if a is not None} == {expected}


def test_arguments_are_read_in_any_layout_and_never_written_to():
    x, w, b = arguments()
    expected, cache = ops.conv_transpose2d_forward(x, w, b, stride=2, padding=1)
    dout = np.random.default_rng(4).normal(size=expected.shape)
    grads = ops.conv_transpose2d_backward(dout, cache)

    strange = [np.asfortranarray(x), np.repeat(w, 2, axis=3)[..., ::2], b[::-1].copy()[::-1]]
    strange_dout = np.asfortranarray(dout)
    for array in (*strange, strange_dout):
        array.flags.writeable = False
    out, cache = ops.conv_transpose2d_forward(*strange, stride=2, padding=1)
    back = ops.conv_transpose2d_backward(strange_dout, cache)
    for result, right in zip((out, *back), (expected, *grads), strict=True):
        np.testing.assert_allclose(result, right, atol=1e-12)
        assert not any(np.shares_memory(result, a) for a in (*strange, strange_dout))


@pytest.mark.parametrize(
    "x, w",
    [
        ((0, 2, 4, 4), (2, 3, 3, 3)),  # an empty batch
        ((1, 1, 1, 1), (1, 1, 1, 1)),  # one number
        ((2, 0, 4, 4), (0, 3, 3, 3)),  # no channels: sums of nothing
        ((2, 2, 4, 4), (2, 0, 3, 3)),  # no filters
    ],
)
def test_small_shapes(x, w):
    x, w, b = np.ones(x), np.ones(w), np.full(w[1], 2.0)
    out, cache = ops.conv_transpose2d_forward(x, w, b)
    np.testing.assert_array_equal(out, stamps(x, w, b))
    grads = ops.conv_transpose2d_backward(np.ones(out.shape), cache)
    assert [g.shape for g in grads] == [x.shape, w.shape, b.shape]


def test_nan_stays_in_its_stamp():
    x = np.ones((1, 1, 3, 3))
    x[0, 0, 0, 0] = np.nan
    out, _ = ops.conv_transpose2d_forward(x, np.ones((1, 1, 2, 2)), stride=2)
    assert np.argwhere(np.isnan(out[0, 0])).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


# -------------------------------------------------------------------------------------------------------- what is wrong

SAYS = {
    "x has 3 axes, but images need 4": {"x": (4, 3, 5)},
    "x has 0 x 5 pixels, but needs at least 1 x 1": {"x": (1, 4, 0, 5)},
    "w has 2 axes, but filters need 4": {"w": (3, 3)},
    "x has 4 channels, but w is made for 3": {"w": (3, 3, 3, 3)},
    "4 channels do not divide into 3 groups": {"groups": 3, "b": (9,)},
    "groups is 0, but must be at least 1": {"groups": 0},
    "b has shape (4,), but 3 output channels need (3,)": {"b": (4,)},
    "b has shape (3,), but 6 output channels need (6,)": {"groups": 2},
    "the filters have 0 x 3 weights": {"w": (4, 3, 0, 3)},
    "stride is 0, but must be at least 1": {"stride": 0},
    "padding is -1, but must be at least 0": {"padding": -1},
    "padding (0, 4) leaves 5 x -1 pixels of the output": {"padding": (0, 4)},
    "output_padding is 2, but must be less than the stride 2 or the dilation 1": {"stride": 2, "output_padding": 2},
    "dilation is 0, but must be at least 1": {"dilation": 0},
}


@pytest.mark.parametrize("says", SAYS)
def test_one_sentence_says_what_does_not_fit(says):
    options = {"x": (2, 4, 3, 5), "w": (4, 3, 3, 3), "b": (3,)} | SAYS[says]
    arrays = [np.ones(options.pop(name)) for name in ("x", "w", "b")]
    with pytest.raises(ValueError) as error:
        ops.conv_transpose2d_forward(*arrays, **options)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_only_real_numbers_and_whole_pixels():
    with pytest.raises(TypeError, match="w must hold real numbers"):
        ops.conv_transpose2d_forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3), complex))
    with pytest.raises(TypeError, match=r"output_padding must be an integer or a pair of integers, not 0\.5"):
        ops.conv_transpose2d_forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), output_padding=0.5)


def test_an_upstream_gradient_of_another_shape_is_refused():
    _, cache = ops.conv_transpose2d_forward(np.ones((2, 1, 4, 4)), np.ones((1, 3, 3, 3)))
    with pytest.raises(ValueError, match=r"dout has shape \(2, 3, 6, 5\), but out had shape \(2, 3, 6, 6\)"):
        ops.conv_transpose2d_backward(np.ones((2, 3, 6, 5)), cache)
