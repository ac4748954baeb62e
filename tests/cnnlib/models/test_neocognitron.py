"""The Neocognitron's sandwich: its order, what its C cells forgive, and that it learns."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import neocognitron as fukushima


@pytest.mark.parametrize("pool, op", [("l2", "l2_pool2d"), ("average", "avg_pool2d")])
def test_the_sandwich(pool, op):
    """Samara and Princeton: SCSCSC..., simple cells with parameters that change, complex cells that pool."""
    plan = summary(lambda: fukushima.neocognitron(pool=pool), (1, 32, 32))
    assert [row.op for row in plan.rows] == ["conv2d", "relu", op] * 3 + ["flatten", "linear"]
    assert [row.shape for row in plan.rows if row.op == op] == [(8, 16, 16), (16, 8, 8), (24, 4, 4)]
    assert not any(row.parameters for row in plan.rows if row.op == op)
    assert plan.parameters == 8 * 26 + 16 * (8 * 9 + 1) + 24 * (16 * 9 + 1) + 10 * (24 * 16 + 1)


@pytest.mark.parametrize("pool", fukushima.POOLINGS)
def test_c_cells_forgive_a_shift(pool):
    """A line one pixel further changes C planes by less than the S planes below them."""
    nn.manual_seed(0)
    net = fukushima.neocognitron(pool=pool)
    x = np.zeros((2, 1, 32, 32), np.float32)
    x[0, 0, 8:24, 10], x[1, 0, 8:24, 11] = 1, 1

    def change(planes):
        return np.linalg.norm(planes[1] - planes[0]) / np.linalg.norm(planes)

    s = net["S1"](Tensor(x))
    assert change(net["C1"](s).data) < 0.8 * change(s.data)


@pytest.mark.parametrize("pool", fukushima.POOLINGS)
def test_a_small_one_learns(pool, comes_alive, noise):
    x, labels = noise(size=16)
    net = fukushima.neocognitron(planes=(4, 6), size=16, pool=pool)
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), lr=0.02)


def test_refused():
    with pytest.raises(ValueError, match="3 layers halve an image of 4 pixels"):
        fukushima.neocognitron(size=4)
    with pytest.raises(ValueError, match="'max', but must be one of l2, average"):
        fukushima.neocognitron(pool="max")
