"""GoogLeNet: table 1 of its paper, counts in both conventions, the heads, and small ones that learn."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor, draw_on
from cnnlib.autograd import functional as F
from cnnlib.blueprint import Blueprint
from cnnlib.models import googlenet

IMAGENET = (3, 224, 224)


def test_shapes_are_those_of_table_1():
    plan = summary(lambda: googlenet.GoogLeNet(heads=False), IMAGENET)
    modules = [row.shape for row in plan.rows if row.op == "concatenate"]
    channels = 256, 480, 512, 512, 512, 528, 832, 832, 1024
    assert modules == list(zip(channels, [28] * 2 + [14] * 5 + [7] * 2, [28] * 2 + [14] * 5 + [7] * 2, strict=True))
    assert [row.shape[1:] for row in plan.rows[:4] if row.op != "pad"] == [(112, 112), (112, 112), (56, 56)]
    assert plan.depth == 22, '"22 layers deep when counting only layers with parameters"'
    assert plan.output_shape == (1000,)


@pytest.mark.parametrize(
    "norm, heads, parameters",
    [
        # torchvision's documentation and code, with batch norm: 6.6 million; with both heads as one trains it.
        (True, False, 6_624_904),
        (True, True, 13_004_888),
        # Caffe's bvlc_googlenet, the paper's form: biases, response norm, 5 x 5 filters.
        (False, False, 6_998_552),
        (False, True, 13_378_280),
    ],
)
def test_counts(norm, heads, parameters):
    with draw_on(Blueprint()):
        net = googlenet.GoogLeNet(norm=norm, heads=heads)
        assert net.count() == parameters
    used = summary(lambda: googlenet.GoogLeNet(norm=norm, heads=heads), IMAGENET)
    assert used.parameters == parameters


def test_multiply_adds():
    """torchvision's documentation: 1.5 billion for its form."""
    plan = summary(lambda: googlenet.GoogLeNet(norm=True, heads=False), IMAGENET)
    assert round(plan.multiply_adds / 1e9, 1) == 1.5


def test_the_1x1_filters_make_5x5_cheap():
    """192 maps of 28 x 28 to 32 by 5 x 5: 153,600 weights; through 16 maps 15,872, about a tenth."""
    rows = summary(lambda: googlenet.Inception(192, googlenet.MODULES["inception3a"]), (192, 28, 28)).rows
    branch = [row.parameters for row in rows if row.path.startswith("branch3") and row.op == "conv2d"]
    assert sum(branch) - 16 - 32 == 192 * 16 + 16 * 32 * 25 == 15_872
    assert 192 * 32 * 25 == 153_600


def test_the_branches_stand_one_behind_the_other():
    nn.manual_seed(0)
    module = googlenet.Inception(3, (2, 1, 3, 1, 4, 5))
    x = Tensor(np.random.default_rng(0).normal(size=(1, 3, 6, 6)))
    out = module(x).data
    assert out.shape == (1, 2 + 3 + 4 + 5, 6, 6)
    for branch, first, behind in ((1, 0, 2), (2, 2, 5), (3, 5, 9), (4, 9, 14)):
        np.testing.assert_array_equal(out[:, first:behind], getattr(module, f"branch{branch}")(x).data)


@pytest.mark.parametrize("norm", [False, True])
def test_names_are_torchvisions(norm):
    with draw_on(Blueprint()):
        names = {name for name, _ in googlenet.GoogLeNet(norm=norm).named_parameters()}
    expected = {"conv1.conv.weight", "inception3a.branch2.1.conv.weight", "inception5b.branch4.1.conv.weight"}
    assert expected | {"aux1.conv.conv.weight", "aux2.fc2.bias", "fc.weight"} <= names
    assert ("inception4a.branch1.bn.weight" in names) == norm


@pytest.mark.parametrize("kernel_size", [2, 3])
@pytest.mark.parametrize("n", [4, 5, 7, 8])
def test_pooling_rounds_up(kernel_size, n):
    """Windows at stride 2 until the last pixel is in one; those that stick out are cut."""
    x = np.random.default_rng(0).uniform(size=(1, 1, n, n))
    starts = [i for i in range(0, n, 2) if i == 0 or i - 2 + kernel_size < n]
    expected = [[x[0, 0, i : i + kernel_size, j : j + kernel_size].max() for j in starts] for i in starts]
    np.testing.assert_array_equal(googlenet.halve(Tensor(x), kernel_size).data[0, 0], expected)


def test_heads_speak_only_while_it_trains():
    nn.manual_seed(0)
    net = googlenet.GoogLeNet(num_classes=5, in_channels=1, width=1 / 16, size=80)
    x = Tensor(np.random.default_rng(0).normal(size=(2, 1, 80, 80)).astype(np.float32))
    assert [scores.shape for scores in net(x)] == [(2, 5)] * 3
    assert net.eval()(x).shape == (2, 5)
    without = googlenet.GoogLeNet(num_classes=5, in_channels=1, width=1 / 16, size=80, heads=False)
    assert without(x).shape == (2, 5)


def test_the_loss_takes_three_tenths_of_each_head():
    rng = np.random.default_rng(0)
    outputs, labels = [Tensor(rng.normal(size=(4, 3))) for _ in range(3)], np.array([0, 1, 2, 0])

    def crossed(scores):
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.log(p[range(4), labels]).mean()

    main, first, second = (crossed(scores.data) for scores in outputs)
    np.testing.assert_allclose(googlenet.loss_with_heads(outputs, labels).item(), main + 0.3 * first + 0.3 * second)


@pytest.mark.parametrize("norm, width", [(False, 1 / 4), (True, 1 / 16)])
def test_the_whole_network_with_fewer_filters_learns(norm, width, comes_alive, noise):
    """Without norms a branch of one or two filters may be silent on all images, so the paper's form is wider here."""
    x, labels = noise(size=80, images=3)
    net = googlenet.GoogLeNet(3, norm, in_channels=1, width=width, size=80)
    for _, part in net.modules():
        if isinstance(part, nn.Dropout):
            part.training = False  # 0.7 is dropped in the heads: too much for a few steps to tell
    comes_alive(net, x, lambda outputs: googlenet.loss_with_heads(outputs, labels), steps=4, lr=0.003)


def test_a_small_one_learns(comes_alive, noise):
    x, labels = noise(size=16)
    comes_alive(googlenet.small(), x, lambda scores: F.cross_entropy(scores, labels), lr=0.02)
