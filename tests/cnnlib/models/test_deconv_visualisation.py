"""Visualisation by deconvnet: against gradients by the graph, and against what must be seen in pictures made for it."""

import numpy as np
import pytest

from cnnlib import nn
from cnnlib.autograd import Tensor
from cnnlib.models import deconv_visualisation as look

rng = np.random.default_rng(0)


def network(stride=1, pool=(2, None, 0)):
    nn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=stride, padding=1), nn.ReLU(), nn.MaxPool2d(*pool),
        nn.Conv2d(4, 6, 3, padding=1, dilation=2, groups=2), nn.ReLU(),
    ).astype(np.float64)  # fmt: skip


@pytest.mark.parametrize("stride, pool", [(1, (2, None, 0)), (2, (2, None, 0)), (3, (1, 1, 0)), (1, (3, 3, 1))])
def test_the_gradient_rule_is_the_gradient(stride, pool):
    """Same layers, another rule at the ReLU: then it must be the derivative, times the activation that is sent down.
    (Windows that overlap can share a maximum; un-pooling then keeps one share only, so such are left out.)"""
    net = network(stride, pool)
    x = rng.normal(size=(3, 2, 13, 14))
    image = Tensor(x, requires_grad=True)
    out = net(image)
    (out * look.strongest_only(out.data, 5)).sum().backward()
    np.testing.assert_allclose(look.project(net, x, 4, 5, rule="gradient"), image.grad, atol=1e-12)


def test_rules_agree_where_all_is_positive():
    """With positive filters and images nothing is rectified: all three rules are one."""
    net = network()
    for p in net.parameters():
        p.data[...] = np.abs(p.data)
    x = rng.uniform(size=(2, 2, 12, 12))
    pictures = [look.project(net, x, 4, 1, rule) for rule in look.RULES]
    for other in pictures[1:]:
        np.testing.assert_allclose(other, pictures[0])


def test_guided_keeps_what_both_keep():
    """Springenberg et al., figure 1, on one ReLU."""
    signal, seen = np.array([1.0, -1, 2, -2]), np.array([1.0, 1, -1, -1])
    assert look.RULES["deconvnet"](signal, seen).tolist() == [1, 0, 2, 0]
    assert look.RULES["gradient"](signal, seen).tolist() == [1, -1, 0, 0]
    assert look.RULES["guided"](signal, seen).tolist() == [1, 0, 0, 0]


def test_one_layer_shows_its_filter_where_it_fits():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU())
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    net[0].weight.data[0, 0], net[0].weight.data[1, 0] = cross, -cross
    x = np.zeros((1, 1, 9, 9), np.float32)
    x[0, 0, 2:5, 4:7] = cross
    np.testing.assert_array_equal(look.project(net, x, 1, 0), 5 * x)
    assert look.project(net, x, 1, 0).dtype == np.float32


def test_pictures_stay_within_the_field_of_the_neuron():
    """Nothing appears farther from the neuron than its receptive field reaches; here 3 + 1 + 4 · 2 = 12 pixels."""
    net = network()
    x = rng.normal(size=(1, 2, 32, 32))
    picture = look.project(net, x, 4, 2)
    rows, columns = np.nonzero(picture[0].any(axis=0))
    assert picture.any()
    assert np.ptp(rows) < 12 and np.ptp(columns) < 12
    _, place = look.strongest(net, x, 4, 2)
    middle = 2 * (place[0] + 1) + 0.5  # padding 1 moves the map of the dilated layer by a place
    assert abs(rows.mean() - middle[0]) < 6 and abs(columns.mean() - middle[1]) < 6


def test_the_strongest_images_come_first():
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    net[0].weight.data[...] = 1
    x = np.zeros((4, 1, 3, 5))
    x[2, 0, 1, 4], x[0, 0, 2, 0], x[3, 0, 0, 3] = 5, 3, 4
    images, places = look.strongest(net, x, 0, 0, k=3)
    assert images.tolist() == [2, 3, 0]
    assert places.tolist() == [[1, 4], [0, 3], [2, 0]]


def test_layers_go_by_name_too_and_the_net_stays_as_it_is():
    nn.manual_seed(0)
    parts = {"look": nn.Conv2d(1, 2, 3), "relu": nn.ReLU(), "rest": nn.Flatten()}
    net, x = nn.Sequential(parts), rng.normal(size=(1, 1, 6, 6)).astype(np.float32)
    before = net.state_dict()
    np.testing.assert_array_equal(look.project(net, x, "relu", 0), look.project(net, x, 1, 0))
    for key, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


@pytest.mark.parametrize(
    "layer, channel, rule, error, words",
    [
        (4, 9, "deconvnet", ValueError, "channel is 9, but the layer has 6"),
        (4, 0, "magic", ValueError, "rule is 'magic'"),
        (5, 0, "deconvnet", TypeError, "layer 5 is a Flatten"),
    ],
)
def test_what_cannot_be_is_refused(layer, channel, rule, error, words):
    net = nn.Sequential(*network().parts.values(), nn.Flatten())
    with pytest.raises(error, match=words):
        look.project(net, np.zeros((1, 2, 12, 12)), layer, channel, rule)
