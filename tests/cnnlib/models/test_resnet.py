"""Residual networks: counts and shapes against the papers, every kind of block and way around, and their use."""

import numpy as np
import pytest

from cnnlib import nn, optim, summary
from cnnlib.autograd import Tensor, draw_on
from cnnlib.autograd import functional as F
from cnnlib.blueprint import Blueprint
from cnnlib.models import resnet


@pytest.mark.parametrize(
    "depth, parameters, billions, paper",
    [
        # Parameters and multiply-adds: torchvision's documentation (way around B). Paper: He et al., table 1, which
        # strides in the first layer of a bottleneck where torchvision strides in the second, and counts less for it.
        (18, 11_689_512, 1.81, 1.8),
        (34, 21_797_672, 3.66, 3.6),
        (50, 25_557_032, 4.09, 3.8),
        (101, 44_549_160, 7.80, 7.6),
        (152, 60_192_808, 11.51, 11.3),
    ],
)
def test_full_size(depth, parameters, billions, paper):
    plan = summary(lambda: resnet.resnet(depth), (3, 224, 224))
    assert plan.parameters == parameters
    assert round(plan.multiply_adds / 1e9, 2) == billions
    assert 0 <= plan.multiply_adds / 1e9 - paper < 0.3
    assert plan.depth == depth, "layers with weights, the projections beside them not counted"
    stages = {}
    for row in plan.rows:
        if row.path.startswith("layer"):
            stages[row.path[:6]] = row.shape
    wide = 4 if depth >= 50 else 1
    assert list(stages.values()) == [(64 * wide * 2**i, 56 // 2**i, 56 // 2**i) for i in range(4)], "table 1"
    assert plan.output_shape == (1000,)


@pytest.mark.parametrize("depth, millions", [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_the_small_images_networks(depth, millions):
    """He et al., table 6, way around A."""
    plan = summary(lambda: resnet.cifar_resnet(depth), (3, 32, 32))
    assert round(plan.parameters / 1e6, 1 if millions > 1 else 2) == millions
    assert plan.depth == depth
    assert plan.output_shape == (10,)


@pytest.mark.parametrize("depth, millions", [(164, 1.7), (1001, 10.2)])
def test_pre_activated_bottlenecks(depth, millions):
    """He et al., ECCV 2016, table 4: 1.7 and 10.2 million. The latter is without norms and biases, with them 10.3."""
    nets = {}
    build = {"block": resnet.PreActivationBottleneck, "shortcut": "B"}
    plan = summary(lambda: nets.setdefault("net", resnet.cifar_resnet(depth, **build)), (3, 32, 32))
    weights = sum(p.size for p in nets["net"].parameters() if p.ndim > 1)
    assert round(weights / 1e6, 1) == millions
    assert plan.parameters == nets["net"].count() < 1.03 * weights
    assert plan.depth == depth


def test_ways_around_cost_little():
    """He et al., table 3 compares A, B and C at depth 34. B projects where stages meet; C in all sixteen blocks."""
    count = {way: summary(lambda way=way: resnet.resnet(34, shortcut=way), (3, 224, 224)).parameters for way in "ABC"}
    meeting = sum(a * b + 2 * b for a, b in ((64, 128), (128, 256), (256, 512)))
    inside = sum(n * (c * c + 2 * c) for n, c in ((3, 64), (3, 128), (5, 256), (2, 512)))
    assert count["B"] - count["A"] == meeting
    assert count["C"] - count["B"] == inside


def test_names_are_torchvisions():
    with draw_on(Blueprint()):
        names = [name for name, _ in resnet.resnet(18).named_parameters()]
    assert {"conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer4.1.bn2.weight", "fc.bias"} <= set(names)
    projections = [name for name in names if "downsample" in name and name.endswith("weight")]
    assert projections == [f"layer{i}.0.downsample.{k}.weight" for i in (2, 3, 4) for k in (0, 1)]


@pytest.mark.parametrize("block", [resnet.Basic, resnet.PreActivation])
@pytest.mark.parametrize("stride, channels", [(1, 4), (2, 8)])
def test_a_block_of_zeros_lets_everything_through(block, stride, channels):
    part = block(4, channels, stride, shortcut="A")
    for name, p in part.named_parameters():
        p.data[...] = 1 if name == "bn1.weight" and block is resnet.PreActivation else 0
    x = np.random.default_rng(0).uniform(size=(2, 4, 6, 6))
    out = part.eval()(Tensor(x)).data
    np.testing.assert_allclose(out[:, :4], x[:, :, ::stride, ::stride], rtol=1e-4)
    assert out.shape[1] == channels and not out[:, 4:].any()


def test_on_the_way_around_a_pre_activated_network_has_no_relu():
    """Negative numbers pass, which behind the last ReLU of a Basic block they cannot."""
    x = -np.ones((1, 4, 3, 3), np.float32)
    for block, expected in ((resnet.Basic, 0), (resnet.PreActivation, -1)):
        part = block(4, 4)
        for p in part.parameters():
            p.data[...] = 0
        np.testing.assert_array_equal(part(Tensor(x)).data, np.full_like(x, expected))


def test_where_the_shape_changes_the_way_around_begins_behind_norm_and_relu():
    """The authors' program (resnet-pre-act.lua): a "common BN, ReLU" before both ways of such a block."""
    x = np.random.default_rng(0).normal(size=(1, 4, 6, 6))
    for block in (resnet.PreActivation, resnet.PreActivationBottleneck):
        part = block(4, 8, stride=2, shortcut="A").eval()  # the norm's statistics are 0 and 1: x stays as it is
        for name, p in part.named_parameters():
            p.data[...] = 1 if name == "bn1.weight" else 0
        np.testing.assert_allclose(part(Tensor(x)).data[:, :4], np.maximum(x[:, :, ::2, ::2], 0), rtol=1e-4)


def test_the_gradient_has_a_way_of_its_own():
    """INRIA: dL/dx_l = dL/dx_L (1 + ...). Where the weights are zero, what arrives below is what came from above."""
    blocks = nn.Sequential(*(resnet.PreActivation(2, 2) for _ in range(5)))
    for p in blocks.parameters():
        p.data[...] = 0
    rng = np.random.default_rng(0)
    x, dout = Tensor(rng.normal(size=(1, 2, 4, 4)), requires_grad=True), rng.normal(size=(1, 2, 4, 4))
    blocks(x).backward(dout)
    np.testing.assert_array_equal(x.grad, dout)


KINDS = [resnet.Basic, resnet.Bottleneck, resnet.PreActivation, resnet.PreActivationBottleneck]


@pytest.mark.parametrize("block", KINDS)
@pytest.mark.parametrize("shortcut", ["A", "B", "C", None])
def test_every_kind_learns(block, shortcut, comes_alive, noise):
    x, labels = noise(size=8)
    net = resnet.cifar_resnet(
        3 * block.convolutions + 2, in_channels=1, widths=(2, 4, 8), block=block, shortcut=shortcut
    )
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), lr=0.02)


def test_a_narrow_resnet18_learns(comes_alive, noise):
    x, labels = noise(size=64, channels=3, images=3)
    net = resnet.resnet(18, num_classes=3, widths=(4, 8, 16, 32))
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), steps=4, lr=0.02)


def test_the_plain_network_has_the_same_parameters_and_other_values():
    nn.manual_seed(0)
    residual = resnet.cifar_resnet(20, in_channels=1)
    plain = resnet.plain20(in_channels=1).load_state_dict(residual.state_dict())
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)
    assert not np.allclose(plain(Tensor(x)).data, residual(Tensor(x)).data)
    assert "add" not in [row.op for row in summary(resnet.plain20, (3, 32, 32)).rows]


def test_deep_plain_networks_are_harder_to_train():
    """The point of the way around: after the same few steps the deep residual network has the smaller loss."""
    losses = {}
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(16, 1, 8, 8)).astype(np.float32), np.arange(16) % 4
    for shortcut in ("A", None):
        nn.manual_seed(0)
        net = resnet.cifar_resnet(44, num_classes=4, in_channels=1, widths=(4, 8, 16), shortcut=shortcut)
        optimizer = optim.SGD(net.parameters(), 0.05, momentum=0.9)
        for _ in range(10):
            loss = F.cross_entropy(net(Tensor(x)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses[shortcut] = loss.item()
    assert losses["A"] < 0.8 * losses[None]


def test_refused():
    with pytest.raises(ValueError, match="depth is 20, but the paper has 18, 34"):
        resnet.resnet(20)
    with pytest.raises(ValueError, match=r"depth is 21, but must be 6n \+ 2: 8, 14, 20"):
        resnet.cifar_resnet(21)
    with pytest.raises(ValueError, match=r"depth is 21, but must be 9n \+ 2: 11, 20"):
        resnet.cifar_resnet(21, block=resnet.Bottleneck)
    with pytest.raises(ValueError, match="shortcut is 'D'"):
        resnet.cifar_resnet(8, shortcut="D")
