"""MSDNet: counts and shapes by the paper's rules, answers that build on one another, a small one that learns."""

import math

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.models import msdnet


def count_by_the_rules(steps, channels=16, growth=6, factors=(1, 2, 4), bottlenecks=(1, 2, 4), classes=100):
    """The parameters, layer by layer with numbers only. Source: the paper's section 4 and appendix A, and the authors'
    program (kalviny/MSDNet-PyTorch, models/msdnet.py), --prune max --reduction 0.5."""

    def conv(i, o, k):
        return i * o * k * k + 2 * o

    def reduced(i, o, b):
        inner = min(i, b * o)
        return conv(i, inner, 1) + conv(inner, o, 3)

    scales, interval = len(factors), math.ceil(sum(steps) / len(factors))
    total, before, layer, c = 0, 3, 0, channels
    for factor in factors:
        total, before = total + conv(before, c * factor, 3), c * factor
    for step in steps:
        for _ in range(step):
            layer += 1
            first_in, first_out = max(0, layer - 2) // interval, (layer - 1) // interval
            for s in range(first_out, scales):
                with_finer = s > first_in  # what came in has a finer scale
                new = growth * factors[s]
                if with_finer:
                    total += reduced(c * factors[s - 1], new // 2, bottlenecks[s - 1])
                    total += reduced(c * factors[s], new // 2, bottlenecks[s])
                else:
                    total += reduced(c * factors[s], new, bottlenecks[s])
            c += growth
            if first_out > first_in:
                total += sum(conv(c * f, c // 2 * f, 1) for f in factors[first_out:])
                c //= 2
        total += conv(c * factors[-1], 128, 3) + conv(128, 128, 3) + 129 * classes
    return total


def test_full_size():
    """The authors' network for anytime prediction on CIFAR-100: seven classifiers behind 4, 6, 8, ... 16 layers."""
    paper = summary(lambda: msdnet.MSDNet(), (3, 32, 32))
    assert paper.parameters == count_by_the_rules((4, 2, 2, 2, 2, 2, 2))
    assert len([row for row in paper.rows if row.op == "linear"]) == 7
    first = [row.shape for row in paper.rows if row.path.startswith("first") and row.op == "conv2d"]
    assert first == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


@pytest.mark.parametrize(
    "changes", [{"steps": (1, 1)}, {"steps": (3, 3, 3), "growth": 4}, {"steps": (2,), "channels": 8}]
)
def test_other_depths(changes):
    assert summary(lambda: msdnet.MSDNet(**changes), (3, 32, 32)).parameters == count_by_the_rules(**changes)


def test_features_stay_and_scales_end():
    """What a layer was given is the first part of what it gives, at every scale that goes on."""
    net = msdnet.small().eval()
    maps = net.first(Tensor(np.random.default_rng(0).normal(size=(1, 1, 16, 16)).astype(np.float32)))
    assert [m.shape[1:] for m in maps] == [(6, 16, 16), (12, 8, 8), (24, 4, 4)]
    after = net.blocks[0][0](maps)
    for before, now in zip(maps, after, strict=True):
        np.testing.assert_array_equal(now.data[:, : before.shape[1]], before.data)
    assert [m.shape[1:] for m in after] == [(10, 16, 16), (20, 8, 8), (40, 4, 4)]
    for block in net.blocks:
        maps = block(maps)
    assert len(maps) == 2, "with four layers and three scales, the finest has ended"


def test_an_answer_needs_nothing_of_what_comes_after():
    nn.manual_seed(0)
    net = msdnet.small().eval()
    x = Tensor(np.random.default_rng(0).normal(size=(2, 1, 16, 16)).astype(np.float32))
    whole = net(x)
    called = []
    net.blocks[1].forward = lambda maps: called.append(1) or maps
    first = next(net.anytime(x))
    assert not called
    np.testing.assert_array_equal(first.data, whole[0].data)
    assert [s.shape for s in whole] == [(2, 10)] * 3


def test_a_budget_buys_the_deepest_answer_it_can():
    net = msdnet.small().eval()
    x = Tensor(np.random.default_rng(0).normal(size=(2, 1, 16, 16)).astype(np.float32))
    whole, costs = net(x), msdnet.costs(net, (1, 16, 16))
    assert len(costs) == 3 and np.all(np.diff(costs) > 0)
    assert costs[-1] == summary(net, (1, 16, 16)).multiply_adds
    for budget, answer in [(costs[0], 0), (costs[1] - 1, 0), (costs[1], 1), (10 * costs[2], 2)]:
        np.testing.assert_array_equal(msdnet.predict_within(net, x, budget), whole[answer].data)
    with pytest.raises(ValueError, match="the first answer costs"):
        msdnet.predict_within(net, x, costs[0] - 1)


def test_easy_images_leave_early():
    sure, unsure = [8.0, 0.0, 0.0], [0.2, 0.1, 0.0]
    scores = [np.array([sure, unsure, unsure]), np.array([unsure, sure[::-1], unsure]), np.array([unsure] * 3)]
    classes, depth = msdnet.exits(scores, threshold=0.9)
    np.testing.assert_array_equal(depth, [0, 1, 2])
    np.testing.assert_array_equal(classes, [0, 2, 0])


def test_a_small_one_learns(comes_alive):
    nn.manual_seed(0)
    rng = np.random.default_rng(0)
    labels = np.arange(6) % 2
    x = rng.normal(size=(6, 1, 16, 16)).astype(np.float32)
    x[labels == 1, :, :8] += 1
    net = msdnet.small(num_classes=2)
    comes_alive(net, x, lambda scores: msdnet.loss(scores, labels), silent=unread(net))


def unread(net):
    """The last layer's features at scales finer than the coarsest serve no classifier: their weights learn nothing."""
    last = f"blocks.{len(net.blocks) - 1}.0"
    return [
        name
        for name, _ in net.named_parameters()
        if name.startswith((f"{last}.same.0", f"{last}.down.0")) and len(net.blocks[-1][0].same) > 1
    ]
