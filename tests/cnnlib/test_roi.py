"""RoI pooling against plain loops in exact fractions, numeric gradients, and max pooling where a box is the image."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import gradcheck, ops


def nearest(value):
    """The nearest integer, halves away from 0."""
    return int(math.copysign(math.floor(abs(Fraction(value)) + Fraction(1, 2)), value))


def cell(first, last, i, cells, pixels):
    """The pixels of cell i of a box: Fast R-CNN's bins, in exact fractions."""
    size = Fraction(max(last - first + 1, 1), cells)
    return [at for at in range(first + math.floor(i * size), first + math.ceil((i + 1) * size)) if 0 <= at < pixels]


def loops(x, boxes, output_size, spatial_scale=1.0):
    """The definition, and where each maximum was: (r, c, i, j) to (image, row, column), the first of equal ones."""
    out, winners = np.zeros((len(boxes), x.shape[1], *output_size)), {}
    for r, c, i, j in np.ndindex(out.shape):
        image = int(boxes[r][0])
        x1, y1, x2, y2 = (nearest(value * spatial_scale) for value in boxes[r][1:])
        rows = cell(y1, y2, i, output_size[0], x.shape[2])
        columns = cell(x1, x2, j, output_size[1], x.shape[3])
        places = [(image, row, column) for row in rows for column in columns]
        if places:
            best = winners[r, c, i, j] = max(places, key=lambda at: x[at[0], c, at[1], at[2]])
            out[r, c, i, j] = x[best[0], c, best[1], best[2]]
    return out, winners


@st.composite
def regions(draw):
    """Maps with many ties, boxes in, across and outside of them, some upside down; corners at halves and quarters."""
    n, c, h, w = (draw(st.integers(1, most)) for most in (3, 2, 9, 9))
    scale = draw(st.sampled_from([1.0, 0.5, 0.25]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    r = draw(st.integers(0, 4))
    corners = rng.integers(-6, 4 * max(h, w) + 6, size=(r, 4)) / (4 * scale)
    boxes = np.column_stack([rng.integers(n, size=r), corners]).astype(float)
    x = rng.integers(-3, 3, size=(n, c, h, w)).astype(float)
    return x, boxes, draw(st.tuples(st.integers(1, 4), st.integers(1, 4))), scale


@given(regions())
@settings(max_examples=200, deadline=None)
def test_forward_and_backward_are_the_definition(region):
    x, boxes, size, scale = region
    out, cache = ops.roi_pool_forward(x, boxes, size, scale)
    expected, winners = loops(x, boxes, size, scale)
    np.testing.assert_array_equal(out, expected)
    dout = np.random.default_rng(1).normal(size=out.shape)
    dx = np.zeros(x.shape)
    for index, (image, row, column) in winners.items():
        dx[image, index[1], row, column] += dout[index]
    np.testing.assert_allclose(ops.roi_pool_backward(dout, cache), dx, atol=1e-12)


def test_backward_is_the_numeric_gradient():
    x = np.random.default_rng(0).permutation(2 * 2 * 6 * 7).reshape(2, 2, 6, 7).astype(float)
    boxes = [[0, 0, 0, 12, 10], [1, 2.5, 4, 9, 9], [0, 4, 2, 30, 8]]  # of one image and of the other, one over the rim
    out, cache = ops.roi_pool_forward(x, boxes, (2, 3), 0.5)
    dout = np.random.default_rng(1).normal(size=out.shape)
    numeric = gradcheck.numeric_gradient(lambda x: ops.roi_pool_forward(x, boxes, (2, 3), 0.5)[0], x, dout)
    np.testing.assert_allclose(ops.roi_pool_backward(dout, cache), numeric, atol=1e-7)


def test_a_box_around_all_is_max_pooling():
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 8))
    out, _ = ops.roi_pool_forward(x, [[0, 0, 0, 7, 5], [1, 0, 0, 7, 5]], (3, 2))
    np.testing.assert_array_equal(out, ops.max_pool2d_forward(x, kernel_size=(2, 4))[0])


@pytest.mark.parametrize("length, cells", [(25, 11), (27, 13), (29, 7), (57, 7), (58, 14)])
def test_no_cell_leaves_its_box_by_rounding(length, cells):
    """With these, cells · (length / cells) is a little more than length in floats: one pixel too many."""
    x = np.zeros((1, 1, 1, length + 1))
    x[..., length] = 1  # just behind the box
    out, _ = ops.roi_pool_forward(x, [[0, 0, 0, length - 1, 0]], (1, cells))
    assert not out.any()


def test_halves_are_rounded_away_from_zero():
    x = np.arange(5.0).reshape(1, 1, 1, 5)
    out, _ = ops.roi_pool_forward(x, [[0, 2.5, 0, 2.5, 0], [0, 1.5, 0, 1.5, 0], [0, -0.5, 0, -0.5, 0]], 1)
    assert out.ravel().tolist() == [3, 2, 0]  # the last is pixel -1, outside
    out, _ = ops.roi_pool_forward(1 + x, [[0, np.nextafter(0.5, 0), 0, np.nextafter(0.5, 0), 0]], 1)
    assert out.item() == 1


def test_a_cell_outside_is_0_and_sends_nothing_back():
    out, cache = ops.roi_pool_forward(np.full((1, 1, 2, 2), -5.0), [[0, 0, 0, 3, 1], [0, 9, 9, 12, 12]], (1, 2))
    assert out.tolist() == [[[[-5, 0]]], [[[0, 0]]]]
    assert ops.roi_pool_backward([[[[1, 10]]], [[[100, 1000]]]], cache).sum() == 1


def test_nan_is_seen():
    x = np.ones((1, 1, 2, 4))
    x[..., 0, 1] = np.nan
    assert np.isnan(ops.roi_pool_forward(x, [[0, 0, 0, 3, 1]], (1, 2))[0]).tolist() == [[[[True, False]]]]


@pytest.mark.parametrize("x, boxes", [((2, 3, 4, 4), 0), ((2, 0, 4, 4), 2), ((0, 3, 4, 4), 0)])
def test_nothing_to_pool(x, boxes):
    out, cache = ops.roi_pool_forward(np.ones(x), np.zeros((boxes, 5)), (2, 3))
    assert out.shape == (boxes, x[1], 2, 3)
    assert ops.roi_pool_backward(out, cache).tolist() == np.zeros(x).tolist()


@pytest.mark.parametrize("dtype, expected", [("float16", "float16"), ("float32", "float32"), ("uint8", "float64")])
def test_precision_and_arguments(dtype, expected):
    x = np.asfortranarray(np.random.default_rng(0).integers(99, size=(2, 3, 6, 5)).astype(dtype))
    boxes = np.repeat([[1, 0, 1, 4, 4], [0, 2, 0, 3, 5]], 2, axis=0)[::2]
    before = x.copy(), boxes.copy()
    out, cache = ops.roi_pool_forward(x, boxes, 2)
    dout = np.ones(out.shape)
    for array in (x, boxes, dout):
        array.flags.writeable = False
    dx = ops.roi_pool_backward(dout, cache)
    assert out.dtype == dx.dtype == expected
    np.testing.assert_array_equal(out, loops(x.astype(float), boxes, (2, 2))[0])
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(boxes, before[1])
    with pytest.raises(ValueError, match=r"dout has shape \(1, 1\), but out had shape \(2, 3, 2, 2\)"):
        ops.roi_pool_backward(np.ones((1, 1)), cache)


@pytest.mark.parametrize(
    "boxes, says",
    [
        ([[0, 0, 3, 3]], "boxes has shape (1, 4), but needs (R, 5): image, x1, y1, x2, y2"),
        ([0, 0, 0, 3, 3], "boxes has shape (5,), but needs (R, 5)"),
        ([[2, 0, 0, 3, 3]], "a box lies in image 2, but there are 2 images, counted from 0"),
        ([[-1, 0, 0, 3, 3]], "a box lies in image -1, but there are 2 images"),
        ([[-0.5, 0, 0, 3, 3]], "a box lies in image -0.5, but there are 2 images"),
        ([[0, 0, np.nan, 3, 3]], "boxes must hold finite numbers"),
        ([[0, 0, 0, np.inf, 3]], "boxes must hold finite numbers"),
    ],
)
def test_one_sentence_says_what_does_not_fit(boxes, says):
    with pytest.raises(ValueError) as error:
        ops.roi_pool_forward(np.ones((2, 1, 4, 4)), boxes, 2)
    assert says in str(error.value)


def test_there_is_at_least_one_cell():
    with pytest.raises(ValueError, match=r"output_size is \(2, 0\), but must be at least 1"):
        ops.roi_pool_forward(np.ones((1, 1, 4, 4)), [[0, 0, 0, 3, 3]], (2, 0))
