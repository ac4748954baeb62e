"""What lesson 05 says of its pictures."""

import numpy as np
import pytest

from cnnlib import ops
from cnnlib.demos import conv_backward


def test_windows_that_contain_a_pixel():
    counts = {}
    for stride in (1, 2, 3):
        n = (7 - 3) // stride + 1
        counts[stride], _ = conv_backward.backward(np.ones((n, n)), np.ones((7, 7)), np.ones((3, 3)), stride)
    assert counts[1][0, 0] == 1 and counts[1].max() == 9 and counts[2].max() == 4
    assert not counts[3][6].any() and not counts[3][:, 6].any()


@pytest.mark.parametrize("stride", [1, 2])
def test_dw_is_a_correlation_of_x_with_dout_spread_out(stride):
    size = (5 - 3) // stride + 1
    dout, spread = conv_backward.DOUT[:size, :size], np.zeros(((size - 1) * stride + 1,) * 2)
    spread[::stride, ::stride] = dout
    _, dw = conv_backward.backward(dout, stride=stride)
    view = np.lib.stride_tricks.sliding_window_view(conv_backward.X, spread.shape)
    assert np.array_equal(np.einsum("ijuv,uv->ij", view, spread), dw)


def test_the_middle_pixel_of_the_first_slider():
    dx, dw = conv_backward.backward(np.where(np.arange(9).reshape(3, 3) <= 4, conv_backward.DOUT, 0))
    assert dx[2, 2] == 6 and dw[0, 0] == 14


def test_copying_and_adding_are_transposes_and_no_inverses():
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(1, 2, 3, 4)), rng.normal(size=(6, 8))
    assert (ops.im2col(x, (2, 2)) * c).sum() == pytest.approx((x * ops.col2im(c, x.shape, (2, 2))).sum())
    assert not np.allclose(ops.col2im(ops.im2col(x, (2, 2)), x.shape, (2, 2)), x)


def test_dw_alone_leads_to_the_hidden_filter():
    picture = conv_backward.learn_a_filter()
    (figure,) = (picture.make(),)  # draws once
    last = (figure[0] if isinstance(figure, list) else figure).figure.axes[-1].images[0].get_array()
    np.testing.assert_allclose(last, conv_backward.HIDDEN, atol=0.02)
