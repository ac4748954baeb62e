"""FRRN: the paper's table of units, counts by its rules, the two streams, and a small one that learns."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import frrn


@pytest.mark.parametrize("units", [frrn.FRRN_A, frrn.FRRN_B])
def test_full_size(units):
    """Pohlen et al., table 1: 5 x 5 with 48 filters, three residual units, the units of 3 x 3 layers with 32 channels
    of the fine stream beside, and all backwards. Convolutions before batch normalisation have no bias."""
    plan = summary(lambda: frrn.FRRN(units=units), (3, 256, 512))
    residual = 2 * (48 * 48 * 9 + 2 * 48)
    total, channels = 3 * 48 * 25 + 2 * 48 + 3 * residual + (48 + 1) * 32, 48
    for many, width, _ in units:
        for _ in range(many):
            total += (channels + 32) * width * 9 + width * width * 9 + 4 * width + (width + 1) * 32
            channels = width
    total += (96 + 32 + 1) * 48 + 3 * residual + 49 * 19
    assert plan.parameters == total
    assert plan.output_shape == (19, 256, 512)
    coarsest = min(row.shape[1] for row in plan.rows)
    assert coarsest == 256 // (16 if units is frrn.FRRN_A else 32)


def test_the_fine_stream_is_the_sum_of_what_the_units_give():
    """Equation 4 of the paper: z_n = z_0 plus all residuals; a unit whose residual layer is zero leaves it as it is."""
    nn.manual_seed(0)
    unit = frrn.FullResolutionUnit(3, 5, 2, scale=2)
    coarse = Tensor(np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32))
    fine = Tensor(np.random.default_rng(1).normal(size=(1, 2, 8, 8)).astype(np.float32))
    new, after = unit(coarse, fine)
    assert new.shape == (1, 5, 4, 4)
    residual = (after.data - fine.data).reshape(1, 2, 4, 2, 4, 2)
    np.testing.assert_allclose(residual, np.broadcast_to(residual[:, :, :, :1, :, :1], residual.shape), atol=1e-6)
    unit.residual.weight.data[...] = 0
    np.testing.assert_array_equal(unit(coarse, fine)[1].data, fine.data)


def test_gradients_reach_the_first_layer_by_the_fine_stream():
    """With every unit dead, the image still learns: the fine stream is the identity."""
    net = frrn.small()
    for unit in net.units:
        for p in unit.parameters():
            p.data[...] = 0
    net(Tensor(np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32))).sum().backward()
    assert np.any(net.first[0].weight.grad)


def test_a_residual_unit_starts_from_what_it_gets():
    unit = frrn.ResidualUnit(3)
    unit.layers[-1].weight.data[...] = 0
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(unit(Tensor(x)).data, x)


def test_rescale():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    np.testing.assert_array_equal(frrn.rescale(Tensor(x), 1, 2).data[0, 0], [[5, 7], [13, 15]])
    np.testing.assert_array_equal(frrn.rescale(Tensor(x), 4, 2).data[0, 0, :2, :4], [[0, 0, 1, 1]] * 2)
    assert frrn.rescale(Tensor(x), 2, 2).shape == x.shape


def test_a_small_one_learns(comes_alive, halves):
    nn.manual_seed(0)
    x, labels = halves(size=16)
    comes_alive(frrn.small(), x, lambda scores: F.cross_entropy(scores, labels), steps=5)
