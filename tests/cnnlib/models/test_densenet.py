"""Densely connected networks: counts and shapes against the paper, what bottlenecks save, small ones that learn."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor, draw_on
from cnnlib.autograd import functional as F
from cnnlib.blueprint import Blueprint
from cnnlib.models import densenet


@pytest.mark.parametrize(
    "depth, parameters, billions, channels",
    [
        # Parameters and multiply-adds: torchvision's documentation. Channels behind each block: 64 + 32 for each layer
        # and half of them on, the paper's table 1.
        (121, 7_978_856, 2.83, (256, 512, 1024, 1024)),
        (169, 14_149_480, 3.36, (256, 512, 1280, 1664)),
        (201, 20_013_928, 4.29, (256, 512, 1792, 1920)),
    ],
)
def test_full_size(depth, parameters, billions, channels):
    plan = summary(lambda: densenet.densenet(depth), (3, 224, 224))
    assert plan.parameters == parameters
    assert round(plan.multiply_adds / 1e9, 2) == billions
    assert plan.depth == depth
    blocks = {row.path.split(".")[1]: row.shape for row in plan.rows if row.op == "concatenate"}
    assert list(blocks.values()) == [(c, s, s) for c, s in zip(channels, (56, 28, 14, 7), strict=True)]
    assert plan.output_shape == (1000,)


@pytest.mark.parametrize(
    "depth, growth, bottleneck, millions",
    [(40, 12, False, 1.0), (100, 12, False, 7.0), (100, 24, False, 27.2), (100, 12, True, 0.8), (250, 24, True, 15.3)],
)
def test_the_small_images_networks(depth, growth, bottleneck, millions):
    """Huang et al., table 2: without bottlenecks and compression, and DenseNet-BC."""
    plan = summary(lambda: densenet.cifar_densenet(depth, growth, bottleneck), (3, 32, 32))
    assert round(plan.parameters / 1e6, 1) == millions
    assert plan.depth == depth
    assert plan.output_shape == (10,)


def test_names_are_torchvisions():
    with draw_on(Blueprint()):
        names = {name for name, _ in densenet.densenet(121).named_parameters()}
    assert {"features.conv0.weight", "features.denseblock1.denselayer1.norm1.weight", "classifier.weight"} <= names
    assert {"features.denseblock4.denselayer16.conv2.weight", "features.transition3.conv.weight"} <= names
    assert "features.norm5.bias" in names


@pytest.mark.parametrize("bottleneck", [True, False])
def test_a_layer_adds_its_growth_and_keeps_the_others(bottleneck):
    nn.manual_seed(0)
    block = densenet.DenseBlock(5, layers=3, growth=2, bottleneck=bottleneck)
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 4)).astype(np.float32)
    out = block(Tensor(x)).data
    assert out.shape == (2, 11, 4, 4)
    np.testing.assert_array_equal(out[:, :5], x)
    second = block.denselayer2(Tensor(out[:, :7])).data
    np.testing.assert_allclose(out[:, 7:9], second, atol=1e-6)


def test_every_layer_reads_all_before_it():
    nn.manual_seed(0)
    block = densenet.DenseBlock(2, layers=3, growth=1)
    for i, name in enumerate(("denselayer1", "denselayer2", "denselayer3")):
        x = Tensor(np.random.default_rng(i).normal(size=(1, 2 + i, 4, 4)), requires_grad=True)
        getattr(block, name)(x).backward(np.random.default_rng(9).normal(size=(1, 1, 4, 4)))
        assert (np.abs(x.grad).max(axis=(0, 2, 3)) > 0).all()


@pytest.mark.parametrize("layer", [densenet.Bottlenecked, densenet.Direct])
def test_norm_and_relu_come_before_the_filters(layer):
    """With statistics of 0 and 1 a norm changes nothing: where all is negative, the ReLU leaves nothing to filter."""
    nn.manual_seed(0)
    x = np.random.default_rng(0).uniform(1, 2, size=(1, 3, 4, 4))
    part = layer(3, 2).eval()
    assert part(Tensor(x)).data.any()
    assert not part(Tensor(-x)).data.any()


def test_bottlenecks_save_in_long_blocks():
    """A layer that reads c channels has 9ck weights, or 4ck + 36k² with a bottleneck: less where c > 7.2 k."""
    growth = 12
    for channels in (24, 86, 87, 300):
        direct = densenet.Direct(channels, growth).conv1.weight.size
        layer = densenet.Bottlenecked(channels, growth)
        with_bottleneck = layer.conv1.weight.size + layer.conv2.weight.size
        assert (with_bottleneck < direct) == (channels > 7.2 * growth)


@pytest.mark.parametrize("growth", [1, 4])
def test_a_small_one_learns(growth, comes_alive, noise):
    """INRIA: "Ultimate DenseNet computes a single feature map at a time": growth 1."""
    x, labels = noise(size=8)
    comes_alive(densenet.small(growth=growth), x, lambda scores: F.cross_entropy(scores, labels), lr=0.02)


def test_a_narrow_one_for_large_images_learns(comes_alive, noise):
    x, labels = noise(size=48, channels=3, images=3)
    net = densenet.DenseNet((1, 2, 1), growth=4, num_classes=3)
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), steps=4, lr=0.02)


def test_one_without_bottlenecks_learns(comes_alive, noise):
    x, labels = noise(size=8, channels=3)
    comes_alive(densenet.cifar_densenet(10, 4, False), x, lambda scores: F.cross_entropy(scores, labels), lr=0.02)


def test_refused():
    with pytest.raises(ValueError, match="depth is 100, but the paper has 121"):
        densenet.densenet(100)
    with pytest.raises(ValueError, match=r"depth is 41, but must be 3n \+ 4"):
        densenet.cifar_densenet(41, bottleneck=False)
    with pytest.raises(ValueError, match=r"depth is 41, but must be 6n \+ 4"):
        densenet.cifar_densenet(41)
