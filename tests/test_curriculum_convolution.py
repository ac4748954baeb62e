"""The numbers of lessons 03 and 04, as the slides give them and the lessons show them."""

import numpy as np
import pytest

from cnnlib import arithmetic, ops
from cnnlib.demos import convolution


def maps(size, channels, filters, f, **options):
    return ops.conv2d_forward(np.zeros((1, channels, size, size)), np.zeros((filters, channels, f, f)), **options)[
        0
    ].shape[1:]


def test_one_value_of_a_layer_has_75_terms():
    assert arithmetic.conv_params(3, 1, 5, bias=False) == 75
    assert maps(32, 3, 1, 5) == (1, 28, 28)
    assert maps(32, 3, 6, 5) == (6, 28, 28)
    assert maps(28, 6, 10, 5) == (10, 24, 24)


def test_three_ways_to_connect():
    assert 3072 * 4704 == 14_450_688
    assert 75 * 4704 == 352_800
    assert 75 * 6 == 450
    assert arithmetic.conv_params(1, 100, 10, bias=False) == 10_000
    assert arithmetic.output_size(200, 10) == 191


def test_the_largest_number_belongs_to_the_window_that_looks_like_the_filter():
    out = convolution.correlate(convolution.X, convolution.W)
    assert out.max() == 15 == out[0, 0]


def test_a_symmetric_kernel_cannot_tell_correlation_from_convolution():
    lit = np.zeros((9, 9))
    lit[4, 4] = 1
    for w, alike in [(convolution.BELL, True), (convolution.EDGE, False), (convolution.LETTER, False)]:
        correlated, convolved = convolution.correlate(lit, w), convolution.correlate(lit, w[::-1, ::-1])
        assert np.array_equal(correlated, convolved) == alike
    assert (
        convolution.correlate(lit, convolution.EDGE) == -convolution.correlate(lit, convolution.EDGE[:, ::-1])
    ).all()


def test_seven_pixels_and_a_filter_of_three():
    assert [arithmetic.output_size(7, 3, stride) for stride in (1, 2)] == [5, 3]
    assert pytest.approx(2.33, abs=0.004) == (7 - 3) / 3 + 1
    assert arithmetic.output_size(7, 3, padding=1) == 7


def test_same_padding():
    assert [arithmetic.same_padding(f) for f in (3, 5, 7)] == [1, 2, 3]
    sizes = [32]
    for _ in range(7):
        sizes.append(arithmetic.output_size(sizes[-1], 5))
    assert sizes == [32, 28, 24, 20, 16, 12, 8, 4]
    with pytest.raises(ValueError):
        arithmetic.output_size(4, 5)  # the filter does not fit any more


def test_ten_filters_with_padding_two():
    assert maps(32, 3, 10, 5, padding=2) == (10, 32, 32)
    assert arithmetic.conv_params(3, 10, 5) == 760


def test_one_pixel_filters_and_neurons():
    assert maps(56, 64, 32, 1) == (32, 56, 56)
    assert maps(32, 3, 5, 5) == (5, 28, 28)
    assert 28 * 28 * 5 * (75 + 1) == 297_920
    assert arithmetic.conv_params(3, 5, 5) == 380


def test_the_cost_of_a_layer():
    m, n, k, d = 3, 6, 5, 32
    assert arithmetic.conv_multiply_adds(m, n, k, d - k + 1) == m * k**2 * n * (d - k + 1) ** 2 == 352_800
    assert arithmetic.conv_params(3, 16, 3) == 448
    assert arithmetic.conv_multiply_adds(3, 16, 3, 32) == 442_368


def test_a_filter_of_five_at_stride_two_fits_no_even_width():
    for width in range(6, 300, 2):
        assert all((width + 2 * pad - 5) % 2 for pad in range(10))
        assert (width + 1 - 5) % 2 == 0
