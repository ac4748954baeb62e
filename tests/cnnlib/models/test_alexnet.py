"""AlexNet on two cards and on one: counts and shapes against the papers, and a small one that learns."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import alexnet


def test_two_cards():
    """60,965,224 is the usual sum with two groups, "60 million parameters" in the abstract; 724 million multiply-adds.

    Section 3.5 lists the neurons of layers 2 to 7. Its 253,440 of the first is not 96 maps of any size; 55 x 55 is what
    the second layer's 27 x 27 needs.
    """
    plan = summary(alexnet.alexnet, (3, 227, 227))
    assert plan.parameters == 60_965_224
    assert round(plan.multiply_adds / 1e6) == 724
    assert plan.depth == 8
    neurons = [int(np.prod(row.shape)) for row in plan.rows if row.op == "relu"]
    assert neurons == [55 * 55 * 96, 186_624, 64_896, 64_896, 43_264, 4096, 4096]
    assert plan.output_shape == (1000,)


def test_one_card():
    """61,100,840 parameters and 0.71 billion multiply-adds: torchvision's documentation of `alexnet`."""
    plan = summary(alexnet.one_card, (3, 224, 224))
    assert plan.parameters == 61_100_840
    assert round(plan.multiply_adds / 1e9, 2) == 0.71
    assert plan.rows[-1].path == "classifier.6", "named as in torchvision"
    assert [row.path for row in plan.rows if row.op == "conv2d"] == [f"features.{i}" for i in (0, 3, 6, 8, 10)]


def test_a_card_sees_its_own_half():
    """The second layer's first half of filters does not read the second half of the first layer's maps."""
    nn.manual_seed(0)
    net = alexnet.small()
    half = net["conv2"].weight.shape[0] // 2
    x = Tensor(np.random.default_rng(0).normal(size=(1, net["conv1"].weight.shape[0], 7, 7)), requires_grad=True)
    net["conv2"](x)[:, :half].sum().backward()
    seen = np.abs(x.grad[0]).sum(axis=(1, 2)) > 0
    assert seen.tolist() == [True] * 3 + [False] * 3


def test_the_response_norm_is_the_papers():
    """Section 3.3: b_i = a_i / (2 + 1e-4 · sum of a_j² over five neighbouring maps)^0.75."""
    a = np.random.default_rng(0).normal(size=(1, 7, 2, 2)) * 50
    expected = np.empty_like(a)
    for i in range(7):
        near = a[:, max(0, i - 2) : i + 3]
        expected[:, i] = a[:, i] / (2 + 1e-4 * (near**2).sum(axis=1)) ** 0.75
    np.testing.assert_allclose(alexnet.alexnet(width=1 / 16)["norm1"](Tensor(a)).data, expected)


@pytest.mark.parametrize("build", [alexnet.small, lambda: alexnet.one_card(10, 1 / 16, 63, 1)])
def test_a_small_one_learns(build, comes_alive, noise):
    x, labels = noise(size=67)
    net = build().eval()  # without dropout, so that a few steps tell
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), lr=0.01)
