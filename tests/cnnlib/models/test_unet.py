"""U-Net: the sizes of the paper's figure 1, counts of two conventions, and small ones that learn."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import unet


def test_sizes_are_those_of_figure_1():
    """Ronneberger et al., figure 1: 572 in, 388 out, with every size between written on the arrows."""
    paper = summary(lambda: unet.UNet(), (1, 572, 572))
    assert [row.shape[1] for row in paper.rows if row.op == "max_pool2d"] == [284, 140, 68, 32]
    assert [row.shape[1] for row in paper.rows if row.op == "conv_transpose2d"] == [56, 104, 200, 392]
    assert [row.shape[0] for row in paper.rows if row.op == "concatenate"] == [1024, 512, 256, 128]
    assert sum(row.op in ("conv2d", "conv_transpose2d") for row in paper.rows) == 23, "'23 convolutional layers'"
    assert paper.output_shape == (2, 388, 388)


@pytest.mark.parametrize("padding", [0, 1])
def test_counts(padding):
    """31,030,593 is the usual count of programs with one output map, 65 weights; the paper has two. The often seen
    31,031,685 is zhixuhao's Keras program: a 3 x 3 layer of two filters more before one output map."""
    one = summary(lambda: unet.UNet(num_classes=1, padding=padding), (1, 572 + 4 * padding, 572 + 4 * padding))
    two = summary(lambda: unet.UNet(padding=padding), (1, 572 + 4 * padding, 572 + 4 * padding))
    assert one.parameters == 31_030_593
    assert two.parameters == 31_030_593 + 65
    assert one.parameters - 65 + (9 * 64 + 1) * 2 + (2 + 1) == 31_031_685
    if padding:
        assert two.output_shape == (2, 576, 576)


def test_the_skip_is_cut_in_the_middle():
    """The middle of the image reaches the middle of the output by the finest skip alone."""
    net = unet.small(widths=(1, 1), padding=0)
    for p in net.parameters():
        p.data[...] = 0
    for layer in (net.down[0][0], net.down[0][2], net.up[0][2]):
        layer.weight.data[0, 0, 1, 1] = 1
    net.up[0][0].weight.data[0, 0, 1, 1] = 1  # of the skip, not of the coarse map
    net.score.weight.data[0, 0] = 1
    x = np.random.default_rng(0).uniform(size=(1, 1, 20, 24)).astype(np.float32)
    out = net(Tensor(x)).data
    assert out.shape == (1, 2, 4, 8)
    np.testing.assert_array_equal(out[:, :1], x[:, :, 8:12, 8:16])


def test_what_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="17 x 16"):
        unet.small()(Tensor(np.zeros((1, 1, 34, 32), np.float32)))


def test_a_small_one_learns(comes_alive, halves):
    nn.manual_seed(0)
    x, labels = halves(size=16)
    comes_alive(unet.small(), x, lambda scores: F.cross_entropy(scores, labels))


def test_a_small_one_without_padding_learns(comes_alive, halves):
    nn.manual_seed(0)
    x, labels = halves(size=36)
    net = unet.small(widths=(4, 8), padding=0)
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels[:, 8:-8, 8:-8]))
