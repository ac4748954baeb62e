"""GridNet: counts by its rules, what leads where, special cases, and a small one that learns."""

from itertools import pairwise

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import gridnet

WIDTHS = (16, 32, 64, 128, 256)


def test_full_size():
    """Fourure et al., section 4: five rows of 16 to 256 channels, three columns down and three up. The count follows
    from figure 2: two 3 x 3 convolutions a connection, each behind batch normalisation; only the second has a bias."""
    plan = summary(lambda: gridnet.GridNet(), (3, 64, 128))

    def connection(i, o):
        return 2 * i + 9 * i * o + 2 * o + 9 * o * o + o

    total = (27 + 1) * 16 + 2 * 16 + (9 * 16 + 1) * 19
    total += 5 * sum(connection(w, w) for w in WIDTHS)
    for fine, coarse in pairwise(WIDTHS):
        total += 3 * connection(fine, coarse) + 3 * connection(coarse, fine)
    assert plan.parameters == total
    assert plan.output_shape == (19, 64, 128)
    assert min(row.shape[1] for row in plan.rows) == 64 // 2**4


@pytest.mark.parametrize("columns", [1, 2])
def test_what_leads_where(columns):
    """Every node is named by the paths to it: right within a row, down in the left half, up in the right one."""
    net = gridnet.small(columns=columns)
    paths = count_paths(rows=3, columns=columns)
    for _, part in net.modules():
        if isinstance(part, gridnet.Units):
            part.units = [lambda x: x for _ in part.units]  # the output then counts the paths, a residual unit as two
    net.first = net.last = lambda x: x
    np.testing.assert_array_equal(net(Tensor(np.ones((1, 1, 4, 4)))).data, paths)


def count_paths(rows, columns):
    """Paths from the image to the output, by the definition: from node to node, each connection in turn."""

    def arrive(i, j):
        if (i, j) == (0, 0):
            return 1
        total = 2 * arrive(i, j - 1) if j else 0  # the identity and the residual
        if j < columns:
            total += arrive(i - 1, j) if i else 0
        else:
            total += arrive(i + 1, j) if i + 1 < rows else 0
        return total

    return arrive(0, 2 * columns - 1)


def test_one_row_is_a_residual_network():
    """Source: the paper's figure 1, special cases."""
    nn.manual_seed(0)
    net = gridnet.GridNet(1, 2, widths=(4,), columns=2).eval()
    x = Tensor(np.random.default_rng(0).normal(size=(1, 1, 6, 6)).astype(np.float32))
    y = net.first(x)
    for j in range(3):
        y = y + net.right[j].units[0](y)
    np.testing.assert_array_equal(net(x).data, net.last(y).data)


def test_a_small_one_learns(comes_alive, halves):
    nn.manual_seed(0)
    x, labels = halves(size=16)
    comes_alive(gridnet.small(), x, lambda scores: F.cross_entropy(scores, labels), steps=5)
