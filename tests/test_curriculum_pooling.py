"""The numbers of lesson 06, as the slides give them and the lesson shows them."""

import numpy as np
import pytest

from cnnlib import arithmetic, ops
from cnnlib.demos import pooling


def test_max_pooling_of_the_slides_slice():
    out, _ = ops.max_pool2d_forward([[[[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]]], 2)
    assert out[0, 0].tolist() == [[6, 8], [3, 4]] == pooling.pool(pooling.SLICE, 2).tolist()


def test_the_homework_of_the_slides():
    x = np.array([[1, 2, 3, 4, 5], [2, 2, 1, 1, 1], [3, 2, 1, 1, 1], [4, 1, 1, 1, 1], [5, 1, 1, 1, 1]])
    w = np.array([[0, -1, 0], [1, 1, 1], [0, -1, 0]])
    conv, _ = ops.conv2d_forward(x[None, None], w[None, None], None, 2)
    relu, _ = ops.relu_forward(conv)
    assert conv[0, 0].tolist() == [[1, -2], [3, 1]]
    assert relu[0, 0].tolist() == [[1, 0], [3, 1]]
    assert ops.max_pool2d_forward(relu, 2)[0].tolist() == [[[[3]]]]


@pytest.mark.parametrize(("K", "P"), [(5, 2), (7, 3), (3, 4)])
def test_a_pooled_unit_depends_on_a_patch_of_p_plus_k_minus_1(K, P):
    x = np.zeros((1, 1, 20, 20))
    conv, cache = ops.conv2d_forward(x, np.ones((1, 1, K, K)))
    mean, mean_cache = ops.avg_pool2d_forward(conv, P)
    dout = np.zeros(mean.shape)
    dout[0, 0, 1, 1] = 1
    dx = ops.conv2d_backward(ops.avg_pool2d_backward(dout, mean_cache), cache)[0]
    assert np.count_nonzero(dx) == (P + K - 1) ** 2 == arithmetic.receptive_field([(K, 1), (P, P)]) ** 2


def test_fields_grow_linearly_without_strides_and_exponentially_with_them():
    stack = [(3, 1), (2, 2)] * 3
    assert [arithmetic.receptive_field(stack[:n]) for n in range(1, 7)] == [3, 4, 8, 10, 18, 22]
    assert [arithmetic.receptive_field([(3, 1)] * n) for n in range(1, 7)] == [3, 5, 7, 9, 11, 13]


def test_the_first_fully_connected_layer_as_a_convolution():
    assert arithmetic.linear_params(16 * 16 * 256, 4096, bias=False) == 268_435_456
    assert arithmetic.conv_params(256, 4096, 16, bias=False) == 268_435_456
    assert arithmetic.output_size(16, 16) == 1


def test_what_the_lesson_says_of_its_pictures():
    letter = pooling.data.letters(1, "R", size=32, disorder=0).x[0, 0]
    moved = np.pad(letter, ((0, 0), (2, 0)))[:, :32]
    alike = list(map(pooling.alike, pooling.pooled(moved, "maximum"), pooling.pooled(letter, "maximum")))
    assert alike[0] < 0.3 and alike == sorted(alike) and alike[-1] > 0.9
    out, cache = ops.max_pool2d_forward(pooling.TIES[None, None], 3, 2)
    dx = ops.max_pool2d_backward(pooling.UPSTREAM[None, None, :2, :2], cache)[0, 0]
    assert out[0, 0].tolist() == [[7, 8], [6, 6]] and dx[2, 2] == 4 + 5
