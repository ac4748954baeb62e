"""The numbers of lesson 08, and what it says of its pictures: measured, not claimed."""

import numpy as np
import pytest

from cnnlib import arithmetic, models, nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.demos import architectures
from cnnlib.ops import cross_entropy_forward


def test_lenet_as_the_slides_count_and_as_a_program_does():
    slides, program = (list(models.lenet.table(way).values()) for way in (True, False))
    assert slides == [156, 12, 1516, 32, 49_920, 10_080, 840]
    assert program[4] == arithmetic.conv_params(16, 120, 5) == 48_120
    assert arithmetic.conv_params(6, 16, 5) == 2416  # C3 without the table, a bias a filter
    assert 6 * 16 * (5 * 5 + 1) == 2496  # and a bias a pair of maps, as the slide has it
    assert models.lenet.c3_mask().sum() == 60


@pytest.mark.parametrize(
    ("model", "size", "parameters"),
    [
        (models.alexnet.alexnet, 227, 60_965_224),
        (lambda: models.vgg.vgg(16), 224, 138_357_544),
        (lambda: models.vgg.vgg(19), 224, 143_667_240),
        (lambda: models.googlenet.GoogLeNet(heads=False), 224, 6_998_552),
        (lambda: models.googlenet.GoogLeNet(norm=True, heads=False), 224, 6_624_904),
    ],
)
def test_whole_networks_have_the_papers_sizes(model, size, parameters):
    assert summary(model, (3, size, size)).parameters == parameters


def test_small_filters_see_as_much_with_fewer_weights():
    for count, f in [(2, 5), (3, 7)]:
        assert arithmetic.receptive_field([(3, 1)] * count) == f
        assert count * arithmetic.conv_params(64, 64, 3) < arithmetic.conv_params(64, 64, f)


def test_where_vgg_works_and_where_its_parameters_are():
    rows = summary(lambda: models.vgg.vgg(16), (3, 224, 224)).rows
    work = sum(row.multiply_adds for row in rows)
    assert sum(row.multiply_adds for row in rows if max(row.shape[1:], default=1) >= 56) > 0.6 * work
    assert sum(row.parameters for row in rows if row.op == "linear") > 0.85 * 138_357_544


def test_the_family_side_by_side():
    tables = {name: summary(*how) for name, how in architectures.FAMILY.items()}
    for count in ("parameters", "multiply_adds"):
        assert max(tables, key=lambda name: getattr(tables[name], count)) == "VGG-16"
    assert [tables[name].depth for name in ("VGG-16", "ResNet-50", "DenseNet-121")] == [16, 50, 121]
    assert architectures._field(tables["LeNet-5"]) == 32  # C5 sees the whole image
    assert all(architectures._field(tables[name]) > 224 for name in ("GoogLeNet", "ResNet-50", "DenseNet-121"))


def norms(kind, depth=25, scale=0.7):
    """The gradient's norm at every convolution, and its last way measured once more by differences."""
    train, _ = architectures.data.digits(size=12)
    x, y = train.x[:64], train.y[:64]
    nn.manual_seed(0)
    net = architectures.Chain(kind, depth, scale)
    F.cross_entropy(net(Tensor(x)), y).backward()
    sizes = [float(np.linalg.norm(out.grad)) for out in net.outputs]
    nudge = np.zeros(net.fc.bias.shape, np.float32)
    nudge[3] = 0.01
    losses = []
    for sign in (1, -1):
        net.fc.bias.data += sign * nudge
        losses.append(cross_entropy_forward(net(Tensor(x)).data, y)[0])
        net.fc.bias.data -= sign * nudge
    assert (losses[0] - losses[1]) / 0.02 == pytest.approx(net.fc.bias.grad[3], rel=0.05)
    return sizes


def test_the_gradient_by_depth():
    plain, residual, dense = (norms(kind) for kind in ("plain", "residual", "dense"))
    assert plain[0] < plain[-1] / 1000
    assert residual[0] > 10 * residual[-1]
    assert 0.3 < dense[0] / dense[-1] < 3
