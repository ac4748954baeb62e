"""FC-DenseNet: the paper's tables of layers and of sizes in millions, and a small one that learns."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import fc_densenet as tiramisu


def test_channels_are_those_of_table_2():
    """Jégou et al., table 2. Its rule: a block of n layers adds 16 n maps, and behind a transition up are the
    new maps of the block below and those of the skip."""
    net = {}
    plan = summary(lambda: net.setdefault("net", tiramisu.fc_densenet103()), (3, 224, 224))
    maps = [48]
    for layers in (4, 5, 7, 10, 12, 15):
        maps.append(maps[-1] + 16 * layers)
    assert maps == [48, 112, 192, 304, 464, 656, 896]
    halved = [row.shape for row in plan.rows if row.op == "max_pool2d"]
    assert halved == [(c, s, s) for c, s in zip(maps[1:6], (112, 56, 28, 14, 7), strict=True)]
    up = [block.layers[0][0].weight.size + 16 * len(block.layers) for block in net["net"].up]
    assert up == [1088, 816, 576, 384, 256]
    assert net["net"].score.weight.shape == (11, 256, 1, 1)


def test_there_are_103_layers():
    """ "103 convolutional layers": 3 x 3 layers, 1 x 1 of the transitions, transposed ones, the first and the last."""
    plan = summary(tiramisu.fc_densenet103, (3, 224, 224))
    assert sum(row.op in ("conv2d", "conv_transpose2d") for row in plan.rows) == 103


@pytest.mark.parametrize("config, millions", [(tiramisu.FC_DENSENET_67, 3.5), (tiramisu.FC_DENSENET_103, 9.4)])
def test_sizes_in_millions(config, millions):
    """Jégou et al., table 3: 3.5 and 9.4 M for the 11 classes of CamVid. The authors' program (SimJeg/FC-DenseNet)
    counts all that is stored: with the running mean and variance of every normalised channel, which are not trained."""
    net = {}
    plan = summary(lambda: net.setdefault("net", tiramisu.FCDenseNet(**config)), (3, 32, 32))
    normalised = [part.weight.size for _, part in net["net"].modules() if isinstance(part, nn.BatchNorm2d)]
    assert round((plan.parameters + 2 * sum(normalised)) / 1e6, 1) == millions
    assert plan.output_shape == (11, 32, 32)


def test_a_block_gives_only_what_it_made():
    block = tiramisu.DenseBlock(3, 4, 2, dropout=0.0)
    x = Tensor(np.random.default_rng(0).normal(size=(2, 3, 5, 5)).astype(np.float32))
    out = block(x)
    assert out.shape == (2, 8, 5, 5)
    first = block.layers[0](x)
    np.testing.assert_array_equal(out.data[:, :2], first.data)
    np.testing.assert_allclose(out.data[:, 2:4], block.layers[1](F.concatenate(x, first)).data, atol=1e-6)


def test_a_small_one_learns(comes_alive, halves):
    nn.manual_seed(0)
    x, labels = halves(size=16)
    comes_alive(tiramisu.small(), x, lambda scores: F.cross_entropy(scores, labels), steps=5)
