"""Upsampling against numpy's kron, scipy's zoom, plain loops, numeric gradients, and the convolutions of the slide."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom

from cnnlib import gradcheck, ops

few = st.integers(1, 4)
sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))


@st.composite
def images(draw, least_batch=0):
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return rng.normal(size=(draw(st.integers(least_batch, 2)), draw(st.integers(1, 2)), draw(few), draw(few)))


def bilinear(x, size, align_corners):
    """Every output looks up its place and mixes four pixels: the definition, in floating point and plain loops."""
    out = np.zeros((*x.shape[:2], *size))
    for i, j in np.ndindex(*size):
        corners = []
        for at, n, m in zip((i, j), x.shape[2:], size, strict=True):
            if align_corners:
                place = at * (n - 1) / (m - 1) if m > 1 else 0.0
            else:
                place = min(max((at + 0.5) * n / m - 0.5, 0.0), n - 1.0)
            corners.append([(pixel, 1 - abs(pixel - place)) for pixel in range(n) if abs(pixel - place) < 1])
        for row, down in corners[0]:
            for column, along in corners[1]:
                out[:, :, i, j] += down * along * x[:, :, row, column]
    return out


@given(images(), few, few)
@settings(max_examples=60, deadline=None)
def test_nearest_is_a_kronecker_product(x, rows, columns):
    out, _ = ops.upsample_nearest_forward(x, (rows, columns))
    np.testing.assert_array_equal(out, np.kron(x, np.ones((1, 1, rows, columns))))


@given(images(), sizes, st.booleans())
@settings(max_examples=100, deadline=None)
def test_bilinear_is_the_definition(x, size, align_corners):
    out, _ = ops.upsample_bilinear_forward(x, size=size, align_corners=align_corners)
    np.testing.assert_allclose(out, bilinear(x, size, align_corners), atol=1e-12)


@given(images(), few, few, st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_scale_is_a_size(x, rows, columns, align_corners):
    out, _ = ops.upsample_bilinear_forward(x, (rows, columns), align_corners=align_corners)
    size = x.shape[2] * rows, x.shape[3] * columns
    np.testing.assert_array_equal(out, ops.upsample_bilinear_forward(x, size=size, align_corners=align_corners)[0])


@pytest.mark.parametrize("scale", [2, 3, (2, 4)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_scipy_zooms_the_same(scale, align_corners):
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    factors = (1, 1, *np.broadcast_to(scale, 2))
    expected = zoom(x, factors, order=1, mode="nearest", grid_mode=not align_corners)
    out, _ = ops.upsample_bilinear_forward(x, scale, align_corners=align_corners)
    np.testing.assert_allclose(out, expected, atol=1e-12)


@given(images(least_batch=1), few, few, sizes, st.booleans())
@settings(max_examples=40, deadline=None)
def test_backward_is_the_numeric_gradient(x, rows, columns, size, align_corners):
    for forward, backward, options in (
        (ops.upsample_nearest_forward, ops.upsample_nearest_backward, {"scale_factor": (rows, columns)}),
        (
            ops.upsample_bilinear_forward,
            ops.upsample_bilinear_backward,
            {"size": size, "align_corners": align_corners},
        ),
    ):
        out, cache = forward(x, **options)
        dout = np.random.default_rng(1).normal(size=out.shape)
        numeric = gradcheck.numeric_gradient(lambda x: forward(x, **options)[0], x, dout)  # noqa: B023
        np.testing.assert_allclose(backward(dout, cache), numeric, atol=1e-7)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_both_are_zeros_between_the_pixels_and_a_convolution(scale):
    """What the slide notes: upsampling is a transposed convolution with filters that nobody has to learn."""
    x = np.random.default_rng(0).normal(size=(2, 1, 5, 6))
    block = np.ones((1, 1, scale, scale))
    nearest, _ = ops.conv_transpose2d_forward(x, block, stride=scale)
    np.testing.assert_allclose(ops.upsample_nearest_forward(x, scale)[0], nearest, atol=1e-12)

    size = 2 * scale - scale % 2
    tent = 1 - np.abs(np.arange(size) - (size - 1) / 2) / scale
    filters = np.outer(tent, tent)[None, None]
    stamped, _ = ops.conv_transpose2d_forward(x, filters, stride=scale, padding=scale // 2)
    inside = np.s_[:, :, scale:-scale, scale:-scale]  # near the edge, the convolution mixes in zeros
    np.testing.assert_allclose(ops.upsample_bilinear_forward(x, scale)[0][inside], stamped[inside], atol=1e-12)


def test_a_plane_stays_a_plane():
    i, j = np.mgrid[:4, :5]
    out, _ = ops.upsample_bilinear_forward((2.0 * i + 3 * j)[None, None], size=(7, 9), align_corners=True)
    i, j = np.mgrid[:7, :9] / 2
    np.testing.assert_allclose(out[0, 0], 2 * i + 3 * j, atol=1e-12)


# ------------------------------------------------------------------------------------------------------------ any input

BOTH = [
    (ops.upsample_nearest_forward, ops.upsample_nearest_backward, {"scale_factor": (2, 3)}),
    (ops.upsample_bilinear_forward, ops.upsample_bilinear_backward, {"scale_factor": (2, 3)}),
    (ops.upsample_bilinear_forward, ops.upsample_bilinear_backward, {"size": (3, 7), "align_corners": True}),
]
both = pytest.mark.parametrize("forward, backward, options", BOTH)


@both
@pytest.mark.parametrize(
    "dtype, expected", [("float16", "float16"), ("float32", "float32"), ("float64", "float64"), ("uint8", "float64")]
)
def test_floats_keep_their_precision_and_integers_become_float64(forward, backward, options, dtype, expected):
    x = np.random.default_rng(3).integers(0, 200, (2, 3, 4, 5)).astype(dtype)
    out, cache = forward(x, **options)
    dx = backward(np.ones(out.shape), cache)
    assert (out.dtype.name, dx.dtype.name, dx.shape) == (expected, expected, x.shape)
    np.testing.assert_allclose(out, forward(x.astype(float), **options)[0], atol=0.5 if dtype == "float16" else 1e-4)


@both
def test_arguments_are_read_in_any_layout_and_never_written_to(forward, backward, options):
    x = np.random.default_rng(3).normal(size=(2, 3, 4, 5))
    expected, cache = forward(x, **options)
    dout = np.random.default_rng(4).normal(size=expected.shape)
    grad = backward(dout, cache)
    for strange in (np.asfortranarray(x), np.repeat(x, 2, axis=3)[..., ::2], x[::-1].copy()[::-1]):
        strange_dout = np.asfortranarray(dout)
        strange.flags.writeable = strange_dout.flags.writeable = False
        out, cache = forward(strange, **options)
        np.testing.assert_allclose(out, expected, atol=1e-12)
        np.testing.assert_allclose(backward(strange_dout, cache), grad, atol=1e-12)


@pytest.mark.parametrize("forward, backward", [pair[:2] for pair in BOTH[:2]])
def test_results_share_no_memory_with_arguments(forward, backward):
    x, dout = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    out, cache = forward(x, scale_factor=1)
    assert not np.shares_memory(out, x)
    assert not np.shares_memory(backward(dout, cache), dout)


@both
def test_an_empty_batch(forward, backward, options):
    out, cache = forward(np.ones((0, 3, 4, 5)), **options)
    assert out.shape == (0, *forward(np.ones((1, 3, 4, 5)), **options)[0].shape[1:])
    assert backward(np.ones(out.shape), cache).shape == (0, 3, 4, 5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_was_seen(value):
    x = np.zeros((1, 1, 1, 4))
    x[..., 1] = value
    nearest, _ = ops.upsample_nearest_forward(x, (1, 2))
    spread, _ = ops.upsample_bilinear_forward(x, (1, 2))
    same, _ = ops.upsample_bilinear_forward(x, 1)
    halves, cache = ops.upsample_bilinear_forward(x, size=(1, 7), align_corners=True)
    np.testing.assert_array_equal(nearest.ravel(), [0, 0, value, value, 0, 0, 0, 0])
    np.testing.assert_array_equal(spread.ravel(), [0, value, value, value, value, 0, 0, 0])
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(halves.ravel(), [0, value, value, value, 0, 0, 0])
    dout = np.array([0, 0, value, 0, 0, 0, 0]).reshape(1, 1, 1, 7)
    np.testing.assert_array_equal(ops.upsample_bilinear_backward(dout, cache), x)


# -------------------------------------------------------------------------------------------------------- what is wrong


@both
def test_only_images(forward, backward, options):
    with pytest.raises(ValueError, match="x has 3 axes, but images need 4"):
        forward(np.ones((3, 4, 5)), **options)
    with pytest.raises(ValueError, match="x has 4 x 0 pixels, but needs at least 1 x 1"):
        forward(np.ones((1, 3, 4, 0)), **options)
    with pytest.raises(TypeError, match="x must hold real numbers"):
        forward(np.ones((1, 3, 4, 5), complex), **options)


@pytest.mark.parametrize("forward", [ops.upsample_nearest_forward, ops.upsample_bilinear_forward])
def test_a_scale_is_a_whole_number(forward):
    with pytest.raises(ValueError, match="scale_factor is 0, but must be at least 1"):
        forward(np.ones((1, 1, 2, 2)), 0)
    with pytest.raises(TypeError, match=r"scale_factor must be an integer or a pair of integers, not 1\.5"):
        forward(np.ones((1, 1, 2, 2)), 1.5)


def test_a_size_is_positive():
    with pytest.raises(ValueError, match=r"size is \(3, 0\), but must be at least 1"):
        ops.upsample_bilinear_forward(np.ones((1, 1, 2, 2)), size=(3, 0))


@both
def test_an_upstream_gradient_of_another_shape_is_refused(forward, backward, options):
    _, cache = forward(np.ones((1, 1, 2, 2)), **options)
    with pytest.raises(ValueError, match=r"dout has shape \(1, 1, 2, 2\), but out had shape \(1, 1, "):
        backward(np.ones((1, 1, 2, 2)), cache)
