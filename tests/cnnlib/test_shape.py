"""Joining, padding and cutting: against numpy's own block by block, and against the adjoint."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import ops

sizes = st.integers(0, 3)
X = np.arange(24.0).reshape(1, 2, 3, 4)
# name: (arrays, options)
CALLS = {
    "add": ((X, X[..., ::-1], 2 * X), {}),
    "concatenate": ((X, X[:, :1], X[:, ::-1]), {}),
    "pad": ((X,), {"padding": (1, 0, 2, 3)}),
    "crop": ((X,), {"top": 1, "left": 2, "height": 2, "width": 1}),
    "flatten": ((X,), {}),
}


def passes(name):
    return getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")


def adjoint(name, *arrays, **options):
    """Asserts ⟨dout, f(x, y, ...)⟩ = ⟨dx, x⟩ + ⟨dy, y⟩ + ..., which is all there is to a linear function's gradient."""
    forward, backward = passes(name)
    out, cache = forward(*arrays, **options)
    dout = np.random.default_rng(1).normal(size=out.shape)
    grads = backward(dout, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    assert [g.shape for g in grads] == [a.shape for a in arrays]
    back = sum(np.sum(g * a) for g, a in zip(grads, arrays, strict=True))
    assert np.sum(dout * out) == pytest.approx(back, abs=1e-9)
    return out, grads, dout


@given(st.lists(sizes, max_size=4), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_add(shape, several, seed):
    arrays = np.random.default_rng(seed).normal(size=(several, *shape))
    out, grads, dout = adjoint("add", *arrays)
    np.testing.assert_allclose(out, arrays.sum(axis=0), atol=1e-12)
    for grad in grads:
        np.testing.assert_array_equal(grad, dout)


@st.composite
def joins(draw):
    shape = draw(st.lists(sizes, min_size=1, max_size=4))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = []
    for length in draw(st.lists(sizes, min_size=1, max_size=4)):
        shape[axis] = length
        arrays.append(rng.normal(size=shape))
    return arrays, axis


@given(joins())
@settings(max_examples=100, deadline=None)
def test_concatenate(join):
    arrays, axis = join
    out, grads, dout = adjoint("concatenate", *arrays, axis=axis)
    along, start = np.moveaxis(out, axis, 0), 0
    for array, grad in zip(arrays, grads, strict=True):
        end = start + array.shape[axis]
        np.testing.assert_array_equal(along[start:end], np.moveaxis(array, axis, 0))
        np.testing.assert_array_equal(np.moveaxis(dout, axis, 0)[start:end], np.moveaxis(grad, axis, 0))
        start = end
    assert len(along) == start


def test_images_are_joined_along_their_channels():
    assert ops.concatenate_forward(np.ones((2, 3, 5, 4)), np.ones((2, 1, 5, 4)))[0].shape == (2, 4, 5, 4)


@given(st.tuples(sizes, sizes, st.integers(1, 4), st.integers(1, 4)), st.tuples(*[sizes] * 4))
@settings(max_examples=60, deadline=None)
def test_pad(shape, sides):
    x = np.random.default_rng(0).normal(size=shape)
    out, _, _ = adjoint("pad", x, padding=sides)
    top, bottom, left, right = sides
    assert out.shape == (*shape[:2], top + shape[2] + bottom, left + shape[3] + right)
    for index in np.ndindex(out.shape):
        row, column = index[2] - top, index[3] - left
        inside = 0 <= row < shape[2] and 0 <= column < shape[3]
        assert out[index] == (x[(*index[:2], row, column)] if inside else 0)


@pytest.mark.parametrize(
    "padding, sides",
    [(2, (2, 2, 2, 2)), ((1, 2), (1, 1, 2, 2)), ([0, 1, 2, 3], (0, 1, 2, 3)), (np.array([1, 0]), (1, 1, 0, 0))],
)
def test_padding_is_given_by_one_two_or_four_numbers(padding, sides):
    expected = np.pad(X, ((0, 0), (0, 0), sides[:2], sides[2:]))
    np.testing.assert_array_equal(ops.pad_forward(X, padding)[0], expected)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_crop(data):
    h, w = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    x = np.random.default_rng(0).normal(size=(data.draw(sizes), data.draw(sizes), h, w))
    top, left = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    height, width = data.draw(st.integers(1, h - top)), data.draw(st.integers(1, w - left))
    out, (dx,), dout = adjoint("crop", x, top=top, left=left, height=height, width=width)
    assert out.shape == (*x.shape[:2], height, width)
    for i, j in np.ndindex(height, width):
        np.testing.assert_array_equal(out[..., i, j], x[..., top + i, left + j])
        np.testing.assert_array_equal(dx[..., top + i, left + j], dout[..., i, j])
    assert np.count_nonzero(dx) == dout.size


def test_crop_takes_away_what_pad_added():
    out, _ = ops.pad_forward(X, (1, 2, 3, 4))
    np.testing.assert_array_equal(ops.crop_forward(out, 1, 3, 3, 4)[0], X)


@given(st.lists(sizes, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_flatten(shape):
    x = np.random.default_rng(0).normal(size=shape)
    out, _, _ = adjoint("flatten", x)
    assert out.shape == (shape[0], np.prod(shape[1:], dtype=int))
    for row, example in zip(out, x, strict=True):
        np.testing.assert_array_equal(row, example.ravel())


# ----------------------------------------------------------------------------------------------------------- any input


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype, expected", [("float16", "float16"), ("float32", "float32"), ("int64", "float64")])
def test_precision_and_arguments(name, dtype, expected):
    (forward, backward), (arrays, options) = passes(name), CALLS[name]
    given_arrays = [np.asfortranarray(a.astype(dtype)) for a in arrays]
    out, cache = forward(*given_arrays, **options)
    dout = np.ones(out.shape)
    for array in (*given_arrays, dout):
        array.flags.writeable = False
    grads = backward(dout, cache)
    assert {out.dtype.name, *(g.dtype.name for g in (grads if isinstance(grads, tuple) else [grads]))} == {expected}
    np.testing.assert_array_equal(out, forward(*arrays, **options)[0])
    with pytest.raises(ValueError, match=r"dout has shape \(1, 1\), but out had shape"):
        backward(np.ones((1, 1)), cache)
    with pytest.raises(TypeError, match="x must hold real numbers, not complex128"):
        forward(*(a.astype(complex) for a in arrays), **options)


ONES = np.ones((2, 3, 4, 5))


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: ops.add_forward(ONES, ONES[:1]), "arrays of shapes (2, 3, 4, 5) and (1, 3, 4, 5) cannot be added"),
        (lambda: ops.add_forward(), "there are no arrays, but at least one is needed"),
        (lambda: ops.concatenate_forward(), "there are no arrays, but at least one is needed"),
        (
            lambda: ops.concatenate_forward(ONES, ONES[..., :3]),
            "arrays of shapes (2, 3, 4, 5) and (2, 3, 4, 3) cannot be joined along axis 1",
        ),
        (
            lambda: ops.concatenate_forward(np.ones((2, 3)), np.ones(2)),
            "arrays of shapes (2, 3) and (2,) cannot be joined along axis 1",
        ),
        (lambda: ops.concatenate_forward(ONES, ONES, axis=4), "axis is 4, but there are 4 axes"),
        (lambda: ops.concatenate_forward(1, 2), "axis is 1, but there are 0 axes"),
        (lambda: ops.pad_forward(ONES[0], 1), "x has 3 axes, but images need 4"),
        (lambda: ops.pad_forward(ONES, (1, 2, 3)), "padding has 3 numbers"),
        (lambda: ops.pad_forward(ONES, -1), "padding is -1, but must be at least 0"),
        (lambda: ops.pad_forward(ONES, (0, 0, -2, 0)), "padding is (-2, 0), but must be at least 0"),
        (lambda: ops.crop_forward(ONES, 2, 0, 3, 1), "rows 2 to 4 were asked for, but the image has 0 to 3"),
        (lambda: ops.crop_forward(ONES, 0, 1, 1, 5), "columns 1 to 5 were asked for, but the image has 0 to 4"),
        (lambda: ops.crop_forward(ONES, 0, -1, 1, 1), "left is -1, but must be at least 0"),
        (lambda: ops.crop_forward(ONES, 0, 0, 0, 1), "height is 0, but must be at least 1"),
        (lambda: ops.flatten_forward(3.0), "x is one number, but needs an axis of examples"),
    ],
)
def test_one_sentence_says_what_does_not_fit(call, says):
    with pytest.raises(ValueError) as error:
        call()
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_pixels_are_counted_in_integers():
    with pytest.raises(TypeError, match="padding must be an integer or a pair of integers, not 'same'"):
        ops.pad_forward(ONES, "same")
    with pytest.raises(TypeError, match=r"top must be an integer, not 0.5"):
        ops.crop_forward(ONES, 0.5, 0, 1, 1)
