"""Pooling against plain loops over windows, numeric gradients, skimage's block_reduce, and the slides' example."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import block_reduce

from cnnlib import gradcheck, ops

# ----------------------------------------------------------------------------------------------------------- the oracle


def windows(shape, size, stride, padding, dilation=(1, 1)):
    """For every window (i, j) the pixels in the image that it meets, row by row; nothing from the library."""
    counts = [
        (n + 2 * p - d * (f - 1) - 1) // s + 1
        for n, f, s, p, d in zip(shape[2:], size, stride, padding, dilation, strict=True)
    ]
    met = {}
    for i, j in np.ndindex(*counts):
        met[i, j] = []
        for u, v in np.ndindex(size):
            row, column = i * stride[0] - padding[0] + u * dilation[0], j * stride[1] - padding[1] + v * dilation[1]
            if 0 <= row < shape[2] and 0 <= column < shape[3]:
                met[i, j].append((row, column))
    return counts, met


def pooled(x, reduce, size, stride, padding, dilation=(1, 1)):
    """reduce(the numbers of a window that lie in the image) for every window."""
    counts, met = windows(x.shape, size, stride, padding, dilation)
    out = np.zeros((*x.shape[:2], *counts))
    for n, c, i, j in np.ndindex(out.shape):
        out[n, c, i, j] = reduce(np.array([x[n, c, row, column] for row, column in met[i, j]]))
    return out


def winners(x, size, stride, padding, dilation=(1, 1)):
    """The place h W + w of the first maximum of every window; numpy's argmax takes a NaN for a maximum, too."""
    counts, met = windows(x.shape, size, stride, padding, dilation)
    places = np.zeros((*x.shape[:2], *counts), int)
    for n, c, i, j in np.ndindex(places.shape):
        row, column = met[i, j][np.argmax([x[n, c, row, column] for row, column in met[i, j]])]
        places[n, c, i, j] = row * x.shape[3] + column
    return places


def sent_back(dout, places, shape):
    """Every gradient added at the place of its window's winner."""
    dx = np.zeros(shape)
    for n, c, i, j in np.ndindex(dout.shape):
        dx[n, c, places[n, c, i, j] // shape[3], places[n, c, i, j] % shape[3]] += dout[n, c, i, j]
    return dx


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def layers(draw, dilated=False, least_batch=0):
    """Images of any size with many ties, and the pairs of a pooling whose windows all meet a pixel."""
    size, stride = draw(pairs), draw(pairs)
    dilation = draw(pairs) if dilated else (1, 1)
    extent = [d * (f - 1) + 1 for f, d in zip(size, dilation, strict=True)]
    padding = tuple(draw(st.integers(0, e // 2)) for e in extent)
    pixels = [
        draw(st.integers(max(e - 2 * p, d if p else 1), 7)) for e, p, d in zip(extent, padding, dilation, strict=True)
    ]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(-3, 3, size=(draw(st.integers(least_batch, 2)), draw(st.integers(1, 2)), *pixels)).astype(float)
    options = {"kernel_size": size, "stride": stride, "padding": padding}
    return x, options | ({"dilation": dilation} if dilated else {})


def random_like(out):
    return np.random.default_rng(1).normal(size=out.shape)


# -------------------------------------------------------------------------------------------------------------- maximum


@given(layers(dilated=True), st.sampled_from([None, np.nan, -np.inf, np.inf]))
@settings(max_examples=200, deadline=None)
def test_max_pool_and_its_switches_and_gradient(layer, special):
    x, options = layer
    if special is not None:
        x[x == -1] = special
    out, cache = ops.max_pool2d_forward(x, **options)
    places = winners(x, *options.values())
    np.testing.assert_array_equal(out, pooled(x, np.max, *options.values()))
    np.testing.assert_array_equal(ops.max_pool2d_switches(cache), places)
    dout = random_like(out)
    np.testing.assert_allclose(ops.max_pool2d_backward(dout, cache), sent_back(dout, places, x.shape), atol=1e-12)
    for algo in (None, "direct"):
        alone, nothing = ops.max_pool2d_forward(x, **options, algo=algo, need_cache=False)
        np.testing.assert_array_equal(alone, out)
        assert nothing is None


@given(layers(dilated=True, least_batch=1))
@settings(max_examples=25, deadline=None)
def test_max_pool_backward_is_the_numeric_gradient_where_no_numbers_are_equal(layer):
    x, options = layer
    x = np.random.default_rng(0).permutation(x.size).reshape(x.shape).astype(float)
    out, cache = ops.max_pool2d_forward(x, **options)
    dout = random_like(out)
    numeric = gradcheck.numeric_gradient(lambda x: ops.max_pool2d_forward(x, **options)[0], x, dout)
    np.testing.assert_allclose(ops.max_pool2d_backward(dout, cache), numeric, atol=1e-7)


def test_the_example_of_the_slides():
    x = np.array([[[[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]]])
    out, cache = ops.max_pool2d_forward(x, kernel_size=2, stride=2)
    assert out.tolist() == [[[[6, 8], [3, 4]]]]
    dx = ops.max_pool2d_backward([[[[1, 2], [3, 4]]]], cache)
    assert dx.tolist() == [[[[0, 0, 0, 0], [0, 1, 0, 2], [3, 0, 0, 0], [0, 0, 0, 4]]]]


def test_the_first_of_equal_numbers_wins_row_by_row():
    x = np.array([[[[0, 0, 7], [7, 0, 0], [7, 0, 7]]]])
    _, cache = ops.max_pool2d_forward(x, kernel_size=3)
    assert ops.max_pool2d_switches(cache).item() == 2
    assert ops.max_pool2d_backward(np.ones((1, 1, 1, 1)), cache).ravel().nonzero()[0].tolist() == [2]


def test_padding_never_wins():
    for value in (-5.0, -np.inf):
        x = np.full((1, 1, 2, 3), value)
        out, cache = ops.max_pool2d_forward(x, kernel_size=3, stride=1, padding=1)
        assert np.all(out == value)
        assert ops.max_pool2d_switches(cache)[0, 0].tolist() == [[0, 0, 1], [0, 0, 1]]
        assert ops.max_pool2d_backward(np.ones(out.shape), cache).sum() == out.size


def test_an_infinite_gradient_reaches_the_winner_only():
    _, cache = ops.max_pool2d_forward([[[[1, 2], [0, 1]]]], kernel_size=2)
    assert ops.max_pool2d_backward([[[[np.inf]]]], cache).tolist() == [[[[0, np.inf], [0, 0]]]]


def test_a_window_of_more_than_255_offsets():
    x = np.zeros((1, 1, 1, 600))
    x[..., [290, 590]] = 1
    out, cache = ops.max_pool2d_forward(x, kernel_size=(1, 300))
    assert out.tolist() == [[[[1, 1]]]]
    assert ops.max_pool2d_switches(cache).tolist() == [[[[290, 590]]]]
    np.testing.assert_array_equal(ops.max_pool2d_backward(np.ones((1, 1, 1, 2)), cache), x)


# ------------------------------------------------------------------------------------------------------------ unpooling


@given(layers())
@settings(max_examples=60, deadline=None)
def test_unpooling_puts_every_maximum_back(layer):
    x, options = layer
    out, cache = ops.max_pool2d_forward(x, **options)
    switches = ops.max_pool2d_switches(cache)
    back, _ = ops.max_unpool2d_forward(out, switches, **options, output_size=x.shape[2:])
    places = np.zeros(x.shape, bool)
    for n, c, i, j in np.ndindex(out.shape):
        places[n, c, switches[n, c, i, j] // x.shape[3], switches[n, c, i, j] % x.shape[3]] = True
    np.testing.assert_array_equal(back, np.where(places, x, 0))


@given(layers(least_batch=1))
@settings(max_examples=40, deadline=None)
def test_unpool_backward_is_the_numeric_gradient_also_where_windows_share_a_winner(layer):
    x, options = layer
    out, cache = ops.max_pool2d_forward(x, **options)
    switches = ops.max_pool2d_switches(cache)
    other = np.random.default_rng(2).normal(size=out.shape)
    back, cache = ops.max_unpool2d_forward(other, switches, **options, output_size=x.shape)
    dout = random_like(back)
    numeric = gradcheck.numeric_gradient(
        lambda other: ops.max_unpool2d_forward(other, switches, **options, output_size=x.shape)[0], other, dout
    )
    np.testing.assert_allclose(ops.max_unpool2d_backward(dout, cache), numeric, atol=1e-7)


def test_the_size_of_an_unpooled_image():
    x, switches = np.ones((1, 1, 2, 3)), np.zeros((1, 1, 2, 3), np.uint8)
    assert ops.max_unpool2d_forward(x, switches, 2)[0].shape == (1, 1, 4, 6)
    assert ops.max_unpool2d_forward(x, switches, (3, 2), stride=2, padding=(1, 0))[0].shape == (1, 1, 3, 6)
    assert ops.max_unpool2d_forward(x, switches, 2, output_size=(5, 7))[0].shape == (1, 1, 5, 7)
    assert ops.max_unpool2d_forward(x, switches, 2, output_size=[1, 1, 5, 7])[0].shape == (1, 1, 5, 7)


# ---------------------------------------------------------------------------------------------------- means and lengths


def length(numbers):
    return np.sqrt(sum(number**2 for number in numbers))


@given(layers())
@settings(max_examples=150, deadline=None)
def test_means_and_lengths_are_their_definitions(layer):
    x, options = layer
    geometry = tuple(options.values())
    area = geometry[0][0] * geometry[0][1]
    out, _ = ops.avg_pool2d_forward(x, **options)
    np.testing.assert_allclose(out, pooled(x, lambda numbers: sum(numbers) / area, *geometry), atol=1e-12)
    out, _ = ops.avg_pool2d_forward(x, **options, count_include_pad=False)
    np.testing.assert_allclose(out, pooled(x, np.mean, *geometry), atol=1e-12)
    out, _ = ops.l2_pool2d_forward(x, **options)
    np.testing.assert_allclose(out, pooled(x, length, *geometry), atol=1e-12)


@given(layers(least_batch=1), st.booleans())
@settings(max_examples=25, deadline=None)
def test_gradients_of_means_and_lengths_are_numeric_gradients(layer, include):
    x, options = layer
    x = np.random.default_rng(0).normal(size=x.shape)
    for forward, backward, more in (
        (ops.avg_pool2d_forward, ops.avg_pool2d_backward, {"count_include_pad": include}),
        (ops.l2_pool2d_forward, ops.l2_pool2d_backward, {}),
    ):
        out, cache = forward(x, **options, **more)
        dout = random_like(out)
        numeric = gradcheck.numeric_gradient(lambda x: forward(x, **options, **more)[0], x, dout)  # noqa: B023
        np.testing.assert_allclose(backward(dout, cache), numeric, atol=1e-7)


@pytest.mark.parametrize("size", [(2, 2), (2, 3), (4, 1)])
def test_skimage_reduces_blocks_to_the_same(size):
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 6))
    for forward, reduce in (
        (ops.max_pool2d_forward, np.max),
        (ops.avg_pool2d_forward, np.mean),
        (ops.l2_pool2d_forward, lambda block, axis: np.linalg.norm(block, axis=axis)),
    ):
        if reduce in (np.max, np.mean):
            expected = block_reduce(x, (1, 1, *size), reduce)
        else:
            expected = np.sqrt(block_reduce(x * x, (1, 1, *size), np.sum))
        np.testing.assert_allclose(forward(x, size)[0], expected, atol=1e-12)


def test_a_window_of_zeros_has_length_0_and_gradient_0():
    x = np.array([[[[0.0, 0, 3, 0], [0, 0, 4, 0]]]])
    out, cache = ops.l2_pool2d_forward(x, kernel_size=2)
    assert out.tolist() == [[[[0, 5]]]]
    with np.errstate(all="raise"):
        dx = ops.l2_pool2d_backward(np.full((1, 1, 1, 2), 5.0), cache)
        assert ops.l2_pool_features_backward([[1.0]], ops.l2_pool_features_forward([[0, 0]])[1]).tolist() == [[0, 0]]
    assert dx.tolist() == [[[[0, 0, 3, 0], [0, 0, 4, 0]]]]


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 3, 4), (0, 6, 2, 2)])
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_lengths_over_neighbouring_channels(shape, pieces):
    x = np.random.default_rng(0).normal(size=shape)
    out, cache = ops.l2_pool_features_forward(x, pieces)
    assert out.shape == (shape[0], 6 // pieces, *shape[2:])
    for d in range(6 // pieces):
        np.testing.assert_allclose(out[:, d], np.linalg.norm(x[:, d * pieces : (d + 1) * pieces], axis=1), atol=1e-12)
    dout = random_like(out)
    numeric = gradcheck.numeric_gradient(lambda x: ops.l2_pool_features_forward(x, pieces)[0], x, dout)
    np.testing.assert_allclose(ops.l2_pool_features_backward(dout, cache), numeric, atol=1e-7)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (0, 2, 3, 3)])
def test_global_average(shape):
    x = np.random.default_rng(0).normal(size=shape)
    out, cache = ops.global_avg_pool2d_forward(x)
    np.testing.assert_allclose(out, pooled(x, np.mean, shape[2:], (1, 1), (0, 0))[:, :, 0, 0], atol=1e-12)
    dout = random_like(out)
    dx = ops.global_avg_pool2d_backward(dout, cache)
    numeric = gradcheck.numeric_gradient(lambda x: ops.global_avg_pool2d_forward(x)[0], x, dout)
    np.testing.assert_allclose(dx, numeric, atol=1e-7)
    dx += 1  # an array of its own, not one number seen many times


# ------------------------------------------------------------------------------------------------------------ any input

POOLS = {
    "max": (ops.max_pool2d_forward, ops.max_pool2d_backward, {"kernel_size": (3, 2), "stride": 2, "padding": 1}),
    "avg": (ops.avg_pool2d_forward, ops.avg_pool2d_backward, {"kernel_size": (3, 2), "stride": 2, "padding": 1}),
    "avg of the image": (
        ops.avg_pool2d_forward,
        ops.avg_pool2d_backward,
        {"kernel_size": 2, "padding": 1, "count_include_pad": False},
    ),
    "l2": (ops.l2_pool2d_forward, ops.l2_pool2d_backward, {"kernel_size": (3, 2), "stride": 2, "padding": 1}),
    "global": (ops.global_avg_pool2d_forward, ops.global_avg_pool2d_backward, {}),
    "features": (ops.l2_pool_features_forward, ops.l2_pool_features_backward, {"pieces": 2}),
    "unpool": (
        lambda x, **options: ops.max_unpool2d_forward(x, np.arange(np.size(x)).reshape(np.shape(x)) % 99, **options),
        ops.max_unpool2d_backward,
        {"kernel_size": 2},
    ),
}
every_pool = pytest.mark.parametrize("forward, backward, options", POOLS.values(), ids=POOLS)


@every_pool
@pytest.mark.parametrize(
    "dtype, expected",
    [("float16", "float16"), ("float32", "float32"), ("float64", "float64"), ("int16", "float64"), ("bool", "float64")],
)
def test_floats_keep_their_precision_and_integers_become_float64(forward, backward, options, dtype, expected):
    x = (10 * np.random.default_rng(3).normal(size=(2, 4, 6, 5))).astype(dtype)
    out, cache = forward(x, **options)
    dx = backward(np.ones(out.shape), cache)
    assert (out.dtype.name, dx.dtype.name, dx.shape) == (expected, expected, x.shape)
    np.testing.assert_allclose(
        out, forward(x.astype(float), **options)[0], rtol=1e-5, atol=0.1 if dtype == "float16" else 1e-5
    )


@every_pool
def test_arguments_are_read_in_any_layout_and_never_written_to(forward, backward, options):
    x = np.random.default_rng(3).normal(size=(2, 4, 6, 5))
    expected, cache = forward(x, **options)
    dout = random_like(expected)
    grad = backward(dout, cache)
    channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for strange in (np.asfortranarray(x), np.repeat(x, 2, axis=3)[..., ::2], x[::-1].copy()[::-1], channels_last):
        strange_dout = np.asfortranarray(dout)
        strange.flags.writeable = strange_dout.flags.writeable = False
        out, cache = forward(strange, **options)
        back = backward(strange_dout, cache)
        np.testing.assert_allclose(out, expected, atol=1e-12)
        np.testing.assert_allclose(back, grad, atol=1e-12)
        assert not np.shares_memory(out, strange)
        assert not np.shares_memory(back, strange_dout)


@every_pool
def test_one_image_seen_many_times(forward, backward, options):
    x = np.broadcast_to(np.random.default_rng(3).normal(size=(4, 6, 5)), (3, 4, 6, 5))
    out, cache = forward(x, **options)
    for image in out if forward is not POOLS["unpool"][0] else []:
        np.testing.assert_array_equal(image, out[0])
    assert backward(np.ones(out.shape), cache).shape == x.shape


@every_pool
def test_an_empty_batch(forward, backward, options):
    out, cache = forward(np.ones((0, 4, 6, 5)), **options)
    assert len(out) == 0
    assert out.ndim == 4 or options == {}
    assert backward(np.ones(out.shape), cache).shape == (0, 4, 6, 5)


@pytest.mark.parametrize("forward", [ops.max_pool2d_forward, ops.avg_pool2d_forward, ops.l2_pool2d_forward])
def test_nan_stays_in_the_windows_that_see_it(forward):
    x = np.ones((1, 1, 6, 6))
    x[0, 0, 2, 5] = np.nan
    geometry = (3, 2), (2, 1), (1, 0)
    out, _ = forward(x, *geometry)
    np.testing.assert_array_equal(np.isnan(out), pooled(np.isnan(x), np.any, *geometry))


@every_pool
def test_an_upstream_gradient_of_another_shape_is_refused(forward, backward, options):
    out, cache = forward(np.ones((2, 4, 6, 5)), **options)
    with pytest.raises(ValueError, match=r"dout has shape \(1,\), but out had shape"):
        backward(np.ones(1), cache)
    with pytest.raises(TypeError, match="dout must hold real numbers"):
        backward(np.ones(out.shape, complex), cache)


# -------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("forward", [ops.max_pool2d_forward, ops.avg_pool2d_forward, ops.l2_pool2d_forward])
@pytest.mark.parametrize(
    "shape, options, says",
    [
        ((3, 6, 5), {"kernel_size": 2}, "x has 3 axes, but images need 4"),
        ((1, 1, 0, 5), {"kernel_size": 2, "padding": 1}, "x has 0 x 5 pixels, but needs at least 1 x 1"),
        ((1, 1, 6, 5), {"kernel_size": (2, 6)}, "the filter covers 6 pixels, but the padded image has 5"),
        ((1, 1, 6, 5), {"kernel_size": 0}, "kernel_size is 0, but must be at least 1"),
        ((1, 1, 6, 5), {"kernel_size": 2, "stride": 0}, "stride is 0, but must be at least 1"),
        ((1, 1, 6, 5), {"kernel_size": 2, "padding": -1}, "padding is -1, but must be at least 0"),
        (
            (1, 1, 6, 5),
            {"kernel_size": 2, "padding": (0, 2)},
            "a window of 2 with padding 2 would lie outside the 5 pixels, and see padding only",
        ),
    ],
)
def test_one_sentence_says_what_does_not_fit(forward, shape, options, says):
    with pytest.raises(ValueError) as error:
        forward(np.ones(shape), **options)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_dilated_window_that_jumps_over_the_image():
    with pytest.raises(ValueError, match="a window of 2 with padding 1 would lie outside the 1 pixels"):
        ops.max_pool2d_forward(np.ones((1, 1, 1, 1)), kernel_size=2, padding=1, dilation=2)


@pytest.mark.parametrize(
    "pieces, says", [(0, "pieces is 0, but must be at least 1"), (4, "must divide into groups of 4")]
)
def test_channels_that_do_not_divide(pieces, says):
    with pytest.raises(ValueError, match=says):
        ops.l2_pool_features_forward(np.ones((2, 6)), pieces)


@pytest.mark.parametrize(
    "switches, options, says",
    [
        (np.zeros((1, 1, 2, 1), int), {}, "switches has shape (1, 1, 2, 1), but x has (1, 1, 2, 2)"),
        (np.full((1, 1, 2, 2), 16), {}, "switches go from 16 to 16, but the output has 4 x 4 pixels"),
        (np.full((1, 1, 2, 2), -1), {}, "switches go from -1 to -1, but the output has 4 x 4 pixels"),
        (np.zeros((1, 1, 2, 2), int), {"padding": 2}, "2 x 2 pixels with padding (2, 2) come from 0 x 0 pixels"),
        (np.zeros((1, 1, 2, 2), int), {"output_size": (4, 4, 4)}, "output_size has 3 numbers"),
    ],
)
def test_switches_that_do_not_fit(switches, options, says):
    with pytest.raises(ValueError) as error:
        ops.max_unpool2d_forward(np.ones((1, 1, 2, 2)), switches, kernel_size=2, **options)
    assert says in str(error.value)


def test_switches_are_integers():
    with pytest.raises(TypeError, match="switches must hold integers, not float64"):
        ops.max_unpool2d_forward(np.ones((1, 1, 1, 1)), np.zeros((1, 1, 1, 1)), kernel_size=2)


def test_only_real_numbers():
    for forward, options in ((ops.max_pool2d_forward, {"kernel_size": 1}), (ops.global_avg_pool2d_forward, {})):
        with pytest.raises(TypeError, match="x must hold real numbers"):
            forward(np.ones((1, 1, 3, 3), complex), **options)
