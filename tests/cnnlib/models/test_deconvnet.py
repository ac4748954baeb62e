"""DeconvNet: the sizes of the paper's table, its size in millions, the switches, and a small one that learns."""

import numpy as np

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import deconvnet


def test_full_size():
    """252 M parameters: Jégou et al. (2017), table 3; maps: the table in the paper's supplement."""
    paper = summary(lambda: deconvnet.DeconvNet(), (3, 224, 224))
    assert round(paper.parameters / 1e6) == 252
    fc = 7 * 7 * 512 * 4096
    down, bias = 14_714_688, 4224  # VGG-16's convolutions, and their biases, which batch normalisation makes needless
    mirrored = down - bias - 64 * 3 * 9 + 64 * 64 * 9  # the last layer up gives 64 maps, not an image of 3
    norms = 2 * (4224 + 4096 + 4096 + 512 + 512 * 5 + 256 * 3 + 128 * 2 + 64 * 3)
    assert paper.parameters == down - bias + mirrored + 2 * fc + 4096**2 + norms + 65 * 21
    ups = [row.shape for row in paper.rows if row.op == "conv_transpose2d"]
    assert ups == [
        (512, 7, 7),
        (512, 14, 14), (512, 14, 14), (512, 14, 14),
        (512, 28, 28), (512, 28, 28), (256, 28, 28),
        (256, 56, 56), (256, 56, 56), (128, 56, 56),
        (128, 112, 112), (64, 112, 112),
        (64, 224, 224), (64, 224, 224),
    ]  # fmt: skip
    assert paper.output_shape == (21, 224, 224)


def test_unpooling_goes_to_the_maxima():
    """With filters that copy, every number on the way up stands where the image had the maximum of its window."""
    net = deconvnet.small(widths=((1,),), hidden=1, kernel=1, num_classes=1)
    for _, part in net.modules():
        if hasattr(part, "geometry"):
            part.weight.data[...] = 0
            middle = part.weight.shape[-1] // 2
            part.weight.data[..., middle, middle] = 1
    x = np.random.default_rng(0).uniform(size=(1, 1, 8, 8)).astype(np.float32)
    out = net.eval()(Tensor(x)).data[0, 0]  # running statistics of 0 and 1 leave numbers as they are
    blocks = x[0, 0].reshape(4, 2, 4, 2).swapaxes(1, 2).reshape(4, 4, 4)
    expected = np.where(blocks == blocks.max(axis=2, keepdims=True), blocks, 0)
    np.testing.assert_allclose(out.reshape(4, 2, 4, 2).swapaxes(1, 2).reshape(4, 4, 4), expected, atol=1e-4)


def test_a_small_one_learns(comes_alive, halves):
    nn.manual_seed(0)
    x, labels = halves()
    comes_alive(deconvnet.small(), x, lambda scores: F.cross_entropy(scores, labels), steps=5)
