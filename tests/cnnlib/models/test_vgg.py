"""VGG: counts against the paper and torchvision's documentation, what 3 x 3 filters save, a small one that learns."""

import pytest

from cnnlib import summary
from cnnlib.arithmetic import conv_params, receptive_field
from cnnlib.autograd import functional as F
from cnnlib.models import vgg


@pytest.mark.parametrize(
    "depth, parameters, billions, millions",
    [
        # Parameters and multiply-adds: torchvision's documentation, without batch norm. Millions: the paper's table 2.
        (11, 132_863_336, 7.61, 133),
        (13, 133_047_848, 11.31, 133),
        (16, 138_357_544, 15.47, 138),
        (19, 143_667_240, 19.63, 144),
    ],
)
def test_full_size(depth, parameters, billions, millions):
    plan = summary(lambda: vgg.vgg(depth), (3, 224, 224))
    assert plan.parameters == parameters
    assert round(plan.parameters / 1e6) == millions
    assert round(plan.multiply_adds / 1e9, 2) == billions
    assert plan.depth == depth, "layers with weights"
    pooled = [row.shape for row in plan.rows if row.op == "max_pool2d"]
    assert pooled == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    assert plan.output_shape == (1000,)


def test_names_are_torchvisions():
    """vgg16's first and last layers there: features.0, features.28, classifier.0, .3 and .6."""
    paths = [row.path for row in summary(lambda: vgg.vgg(16), (3, 224, 224)).rows if row.parameters]
    assert (paths[0], paths[12]) == ("features.0", "features.28")
    assert paths[13:] == ["classifier.0", "classifier.3", "classifier.6"]


def test_three_small_filters_see_as_much_as_a_large_one_and_cost_less():
    """The paper, section 2.3: three layers of 3 x 3 see 7 x 7 with 27 C² weights, one layer of 7 x 7 has 49 C²."""
    assert receptive_field([(3, 1)] * 3) == 7
    small, large = 3 * conv_params(512, 512, 3, bias=False), conv_params(512, 512, 7, bias=False)
    assert (small, large) == (27 * 512**2, 49 * 512**2)


@pytest.mark.parametrize("width", [2, 4])
def test_a_small_one_learns(width, comes_alive, noise):
    x, labels = noise(size=16)
    net = vgg.small(size=16, width=width).eval()  # without dropout, so that a few steps tell
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), lr=0.01)


def test_dropout_stands_between_the_linear_layers():
    ops = [row.op for row in summary(vgg.small, (1, 32, 32)).rows][-8:]
    assert ops == ["reshape", "linear", "relu", "dropout", "linear", "relu", "dropout", "linear"]


def test_refused():
    with pytest.raises(ValueError, match="depth is 12, but the paper has 11, 13, 16, 19"):
        vgg.vgg(12)
    with pytest.raises(ValueError, match="nothing is left of it"):
        vgg.small(size=4)
