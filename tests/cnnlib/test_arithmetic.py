"""Counting against brute force, and against every number that the slides give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import arithmetic, ops


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
def test_output_size_counts_the_positions(n, kernel, stride, padding, dilation):
    extent = dilation * (kernel - 1)
    positions = len(range(-padding, n + padding - extent, stride))
    if positions:
        assert arithmetic.output_size(n, kernel, stride, padding, dilation) == positions
    else:
        with pytest.raises(ValueError, match=f"{extent + 1} pixels, but the padded image has {n + 2 * padding}"):
            arithmetic.output_size(n, kernel, stride, padding, dilation)


@pytest.mark.parametrize("name, value", [("n", 0), ("kernel_size", 0), ("stride", 0), ("dilation", 0), ("padding", -1)])
def test_output_size_names_what_is_impossible(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}, but must be at least"):
        arithmetic.output_size(**{"n": 7, "kernel_size": 3} | {name: value})


@given(st.integers(1, 9), st.integers(1, 3))
def test_same_padding_keeps_the_size(kernel, dilation):
    if dilation * (kernel - 1) % 2:
        with pytest.raises(ValueError, match="has no middle"):
            arithmetic.same_padding(kernel, dilation)
    else:
        padding = arithmetic.same_padding(kernel, dilation)
        assert arithmetic.output_size(40, kernel, 1, padding, dilation) == 40


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_parameters_and_products_are_those_of_a_real_layer(groups, channels, filters, rows, columns):
    x = np.ones((1, groups * channels, 5, 4))
    w, b = np.ones((groups * filters, channels, rows, columns)), np.ones(groups * filters)
    layer = groups * channels, groups * filters, (rows, columns)
    out, _ = ops.conv2d_forward(x, w, groups=groups)
    assert arithmetic.conv_params(*layer, groups=groups) == w.size + b.size
    assert arithmetic.conv_params(*layer, groups=groups, bias=False) == w.size
    assert arithmetic.conv_multiply_adds(*layer, out.shape[2:], groups=groups) == out.sum(), "each product adds a 1"


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2)), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_receptive_field_is_what_a_gradient_reaches(layers):
    x, caches = np.zeros((1, 1, 1, 40)), []
    for kernel, stride, dilation in layers:
        x, cache = ops.conv2d_forward(x, np.ones((1, 1, 1, kernel)), stride=stride, dilation=(1, dilation))
        caches.append(cache)
    dout = np.zeros(x.shape)
    dout[..., 0] = 1
    for cache in reversed(caches):
        dout = ops.conv2d_backward(dout, cache)[0]
    assert arithmetic.receptive_field(layers) == np.flatnonzero(dout)[-1] + 1


def test_the_numbers_of_the_slides():
    size, params, weights = arithmetic.output_size, arithmetic.conv_params, arithmetic.linear_multiply_adds
    assert [size(7, 3, s) for s in (1, 2, 3)] + [size(7, 3, 1, 1)] == [5, 3, 2, 7]
    assert [size(32, 5), size(28, 5)] == [28, 24]
    assert [arithmetic.same_padding(f) for f in (3, 5, 7)] == [1, 2, 3]
    assert (params(3, 10, 5), size(32, 5, 1, 2)) == (760, 32)
    assert params(1, 100, 10, bias=False) == 10_000
    assert size(200, 10) == 191
    assert weights(16 * 16 * 256, 4096) == 268_435_456
    assert arithmetic.linear_params(3072, 100) + arithmetic.linear_params(100, 10) == 308_310
    assert params(1, 6, 5) == 156, "C1 of LeNet-5"
    assert arithmetic.conv_multiply_adds(1, 6, 5, 28) == 28 * 28 * 6 * 25


def test_groups_must_divide():
    with pytest.raises(ValueError, match="3 channels and 4 filters do not divide into 2 groups"):
        arithmetic.conv_params(3, 4, 5, groups=2)


@pytest.mark.parametrize("value", [1.5, "3", None, float("nan"), 1j])
@pytest.mark.parametrize(
    "call",
    [
        lambda n: arithmetic.output_size(n, 3),
        lambda n: arithmetic.output_size(9, 3, stride=n),
        lambda n: arithmetic.output_size(9, 3, padding=n),
        lambda n: arithmetic.same_padding(n),
        lambda n: arithmetic.conv_params(3, 10, n),
        lambda n: arithmetic.conv_params(n, 10, 5),
        lambda n: arithmetic.linear_params(n, 10),
        lambda n: arithmetic.linear_multiply_adds(10, n),
        lambda n: arithmetic.conv_multiply_adds(3, 6, 5, (28, n)),
        lambda n: arithmetic.receptive_field([(3, 1), (n, 1)]),
    ],
)
def test_what_is_counted_is_whole(call, value):
    with pytest.raises(TypeError, match="must be an integer, not"):
        call(value)
    with pytest.raises(ValueError, match="is -1, but must be at least"):
        call(-1)


@pytest.mark.parametrize("layers", [3, [3], [(3,)], [(3, 1, 1, 1)], ["31"]])
def test_a_layer_of_a_stack(layers):
    with pytest.raises(ValueError, match=r"a layer is .*, but must be \(kernel_size, stride\)"):
        arithmetic.receptive_field(layers)


def test_three_numbers_are_no_kernel_size():
    with pytest.raises(ValueError, match="kernel_size has 3 numbers, but an image has 2 directions"):
        arithmetic.conv_params(3, 10, (5, 5, 5))
