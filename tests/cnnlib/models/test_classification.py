"""The classification networks: counts and shapes against papers and well-known programs, and small ones that learn."""

import numpy as np
import pytest

from cnnlib import nn, optim, summary
from cnnlib.autograd import Tensor, draw_on
from cnnlib.autograd import functional as F
from cnnlib.blueprint import Blueprint
from cnnlib.models import alexnet, densenet, googlenet, lenet, neocognitron, resnet, vgg

IMAGENET = (3, 224, 224)
FIGURES = {  # name: (builder, image, parameters, millions of multiply-adds or None)
    # LeCun et al. 1998, section II: "340,908 connections", "60,000 trainable free parameters".
    "LeNet-5": (lenet.LeNet5, (1, 32, 32), 60_000, None),
    # Two groups. The sum of the table in many course notes on the paper; "60 million parameters" in its abstract.
    "AlexNet": (alexnet.alexnet, (3, 227, 227), 60_965_224, 724),
    # Simonyan and Zisserman, table 2: 133, 133, 138, 144 million. Exact figures are those of torchvision's documentation.
    "VGG-11": (lambda: vgg.vgg(11), IMAGENET, 132_863_336, 7609),
    "VGG-13": (lambda: vgg.vgg(13), IMAGENET, 133_047_848, 11308),
    "VGG-16": (lambda: vgg.vgg(16), IMAGENET, 138_357_544, 15470),
    "VGG-19": (lambda: vgg.vgg(19), IMAGENET, 143_667_240, 19632),
    # torchvision's documentation, for batch norm without biases; He et al., table 1: 1.8, 3.6, 3.8, 7.6, 11.3 billion.
    "ResNet-18": (lambda: resnet.resnet(18), IMAGENET, 11_689_512, 1814),
    "ResNet-34": (lambda: resnet.resnet(34), IMAGENET, 21_797_672, 3664),
    "ResNet-50": (lambda: resnet.resnet(50), IMAGENET, 25_557_032, 4089),
    "ResNet-101": (lambda: resnet.resnet(101), IMAGENET, 44_549_160, 7801),
    "ResNet-152": (lambda: resnet.resnet(152), IMAGENET, 60_192_808, 11514),
    # He et al., table 6: 0.27 M, 0.85 M and 1.7 M for way around A.
    "ResNet-20": (lambda: resnet.cifar_resnet(20), (3, 32, 32), 269_722, None),
    "ResNet-56": (lambda: resnet.cifar_resnet(56), (3, 32, 32), 853_018, None),
    "ResNet-110": (lambda: resnet.cifar_resnet(110), (3, 32, 32), 1_727_962, None),
    # torchvision's documentation.
    "DenseNet-121": (lambda: densenet.densenet(121), IMAGENET, 7_978_856, 2834),
    "DenseNet-169": (lambda: densenet.densenet(169), IMAGENET, 14_149_480, 3360),
    "DenseNet-201": (lambda: densenet.densenet(201), IMAGENET, 20_013_928, 4291),
    # torchvision's documentation without the heads (norm=True); the BVLC model of Caffe for the paper's form.
    "GoogLeNet with batch norm": (lambda: googlenet.GoogLeNet(norm=True, heads=False), IMAGENET, 6_624_904, 1498),
    "GoogLeNet": (lambda: googlenet.GoogLeNet(heads=False), IMAGENET, 6_998_552, None),
}


@pytest.mark.parametrize("name", FIGURES)
def test_full_size(name):
    build, image, parameters, millions = FIGURES[name]
    table = summary(build, image)
    assert table.parameters == parameters
    assert table.output_shape == ((10,) if image[1] == 32 else (1000,))
    if millions:
        assert round(table.multiply_adds / 1e6) == millions


def test_googlenet_with_both_heads():
    """13,004,888 is torchvision's count with auxiliary heads and batch norm; three outputs while it trains."""
    with draw_on(Blueprint()):
        assert googlenet.GoogLeNet(norm=True).count() == 13_004_888


def test_the_table_of_the_slides():
    """INRIA, LeNet: C1 156, S2 12, C3 1516, S4 32, C5 49,920, F6 10,080, output 840, in the slides' convention."""
    net = summary(lambda: lenet.LeNet5("linear"), (1, 32, 32))
    layers = {}
    for row in net.rows:
        part = row.path.partition(".")[0]
        if part:
            layers[part] = layers.get(part, 0) + row.parameters
    ours = lenet.table(slides=False)
    assert list(layers.values()) == list(ours.values()) == [156, 12, 1516, 32, 48_120, 10_164, 850]
    assert list(lenet.table().values()) == [156, 12, 1516, 32, 49_920, 10_080, 840]
    assert lenet.table()["C3"] < 16 * (6 * 25 + 1) == 2416, "fewer than if every filter read every map"


def test_the_connection_table_is_the_papers():
    """Table I: columns 0 to 5 read three maps, 6 to 14 four, 15 all; each S2 map is read ten times."""
    mask = lenet.c3_mask()
    assert mask.sum(axis=1).tolist() == [3] * 6 + [4] * 9 + [6]
    assert mask.sum(axis=0).tolist() == [10] * 6
    assert len({tuple(row) for row in mask}) == 16
    assert [np.flatnonzero(mask[k]).tolist() for k in (0, 4, 6, 12, 13, 14)] == [
        [0, 1, 2], [0, 4, 5], [0, 1, 2, 3], [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5],
    ]  # fmt: skip


def test_lenets_output_is_a_distance():
    net = lenet.LeNet5()
    h = np.random.default_rng(0).normal(size=(3, 84))
    expected = [[((row - pattern) ** 2).sum() for pattern in net.patterns] for row in h]
    np.testing.assert_allclose(lenet.rbf(Tensor(h), net.patterns.astype(float)).data, expected)


def test_every_filter_of_c3_reads_the_maps_of_its_row():
    nn.manual_seed(0)
    layer = lenet.TableConv(lenet.C3_TABLE, 5)
    for k in (0, 9, 15):
        x = Tensor(np.ones((1, 6, 5, 5)), requires_grad=True)
        layer(x)[:, k].sum().backward()
        assert (np.abs(x.grad[0]).sum(axis=(1, 2)) > 0).tolist() == [bool(m) for m in lenet.c3_mask()[k]]


SMALL = {
    "LeNet-5": lambda: lenet.LeNet5("linear"),
    "LeNet-5 of today": lenet.lenet5,
    "Neocognitron": neocognitron.neocognitron,
    "VGG": vgg.small,
    "GoogLeNet": googlenet.small,
    "ResNet A": lambda: resnet.cifar_resnet(8, in_channels=1, widths=(4, 8, 16)),
    "ResNet B": lambda: resnet.cifar_resnet(8, in_channels=1, widths=(4, 8, 16), shortcut="B"),
    "ResNet, pre-activation": lambda: resnet.cifar_resnet(8, in_channels=1, widths=(4, 8, 16), block=resnet.PreActivation),
    "ResNet, bottlenecks": lambda: resnet.cifar_resnet(8, in_channels=1, widths=(2, 4, 8), block=resnet.Bottleneck, shortcut="B"),
    "plain": lambda: resnet.cifar_resnet(8, in_channels=1, widths=(4, 8, 16), shortcut=None),
    "DenseNet": densenet.small,
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_a_small_one_learns(name, comes_alive):
    nn.manual_seed(0)
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(6, 1, 32, 32)).astype(np.float32), np.array([0, 1, 2, 3, 4, 5])
    comes_alive(SMALL[name](), x, lambda scores: F.cross_entropy(scores, labels), lr=0.01)


def test_a_small_alexnet_learns(comes_alive):
    nn.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(2, 3, 67, 67)).astype(np.float32)
    net = alexnet.alexnet(num_classes=2, width=1 / 16, size=67).eval()
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, np.array([0, 1])), lr=0.01)


def test_googlenet_gives_its_heads_only_while_it_trains():
    nn.manual_seed(0)
    net = googlenet.GoogLeNet(num_classes=5)
    x = Tensor(np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32))
    assert [scores.shape for scores in net(x)] == [(1, 5)] * 3
    assert net.eval()(x).shape == (1, 5)


def test_without_a_way_around_it_is_the_same_network():
    """A plain network has the residual one's parameters (way around A has none) and other values."""
    nn.manual_seed(0)
    residual = resnet.cifar_resnet(8, in_channels=1)
    plain = resnet.cifar_resnet(8, in_channels=1, shortcut=None).load_state_dict(residual.state_dict())
    x = Tensor(np.random.default_rng(0).normal(size=(2, 1, 16, 16)))
    assert not np.allclose(plain(x).data, residual(x).data)


def test_a_residual_block_of_zeros_lets_everything_through():
    nn.manual_seed(0)
    for stride, channels in ((1, 4), (2, 8)):
        block = resnet.Basic(4, channels, stride, shortcut="A")
        for p in block.parameters():
            p.data[...] = 0
        x = np.random.default_rng(0).uniform(size=(2, 4, 6, 6))
        out = block(Tensor(x)).data
        np.testing.assert_allclose(out[:, :4], x[:, :, ::stride, ::stride], atol=1e-6)
        assert not out[:, 4:].any()


def test_a_dense_layer_adds_growth_channels_and_keeps_the_others():
    nn.manual_seed(0)
    block = densenet.DenseBlock(5, layers=3, growth=2)
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 4)).astype(np.float32)
    out = block(Tensor(x)).data
    assert out.shape == (2, 11, 4, 4)
    np.testing.assert_array_equal(out[:, :5], x)


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: vgg.vgg(12), "depth is 12, but the paper has 11, 13, 16, 19"),
        (lambda: vgg.small(size=4), "nothing is left of it"),
        (lambda: resnet.resnet(20), "depth is 20, but the paper has 18, 34"),
        (lambda: resnet.cifar_resnet(21), r"depth is 21, but must be 6n \+ 2"),
        (lambda: densenet.densenet(100), "depth is 100, but the paper has 121"),
        (lambda: neocognitron.neocognitron(size=4), "until nothing is left"),
    ],
)
def test_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_deep_plain_networks_are_harder_to_train():
    """The point of the shortcut: after the same few steps the deep residual network has the smaller loss."""
    losses = {}
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(16, 1, 16, 16)).astype(np.float32), np.arange(16) % 4
    for shortcut in ("A", None):
        nn.manual_seed(0)
        net = resnet.cifar_resnet(32, num_classes=4, in_channels=1, widths=(4, 8, 16), shortcut=shortcut)
        optimizer = optim.SGD(net.parameters(), 0.05, momentum=0.9)
        for _ in range(12):
            loss = F.cross_entropy(net(Tensor(x)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses[shortcut] = loss.item()
    assert losses["A"] < losses[None]
