"""Dilated convolutions for a class per pixel: a network that stops halving early, and a module that looks far around.

Source: INRIA, "Dilated convolutions" (s2:1682-1712); F. Yu, V. Koltun, "Multi-Scale Context Aggregation by Dilated
Convolutions", ICLR 2016.
"""

import numpy as np

from .. import nn
from ..autograd import current_blueprint
from ..autograd import functional as F
from ._parts import VGG16, conv_relu, halve, stages

DILATIONS = (1, 1, 2, 4, 8, 16, 1)  # of the 3 x 3 layers; a 1 x 1 layer comes after them
BASIC = (1, 1, 1, 1, 1, 1, 1)  # their filters, in multiples of the classes
LARGE = (2, 2, 4, 8, 16, 32, 32)
SMALL = {"widths": ((8,), (16,), (16,), (16,)), "hidden": 32, "kernel": 3, "dropout": 0.0}


class Context(nn.Module):
    """Seven 3 x 3 layers whose dilations double, and one of 1 x 1: every score sees 67 x 67, and no pixel is lost.

    channels: in and out, the number of classes; multiples: the filters of the seven layers over channels. It starts as
    the identity (on scores of at least 0), with noise: usual random filters did not work for the authors.

    >>> from cnnlib import summary
    >>> [row.receptive_field[0] for row in summary(lambda: Context(21), (21, 64, 64)).rows if row.op == "conv2d"]
    [3, 5, 9, 17, 33, 65, 67, 67]
    """

    def __init__(self, channels, multiples=BASIC, dilations=DILATIONS):
        parts, before = [], channels
        for multiple, dilation in zip(multiples, dilations, strict=True):
            layer = nn.Conv2d(before, multiple * channels, 3, padding=dilation, dilation=dilation)
            parts += [identity(layer, channels), nn.ReLU()]
            before = multiple * channels
        self.layers = nn.Sequential(*parts, identity(nn.Conv2d(before, channels, 1), channels))

    def forward(self, x):
        return self.layers(x)


def identity(layer, channels, noise=0.01):
    """Starts a convolution as one that copies: equation 5 of the paper. Returns the layer.

    Its C' outputs and its C inputs fall into groups, one for each of `channels`; each output becomes channels / C'
    times the sum of the inputs of its group, so that the sum over a group goes through unchanged. noise: the deviation
    of what is added, in the same measure.
    """
    outs, ins, *size = layer.weight.shape
    fan_in = 2 * (outs / channels / noise) ** 2
    weight = nn.kaiming(layer.weight.shape, fan_in)
    if current_blueprint() is None:
        group_in, group_out = np.arange(ins) * channels // ins, np.arange(outs) * channels // outs
        weight[:, :, size[0] // 2, size[1] // 2] += (group_out[:, None] == group_in) * (channels / outs)
    layer.weight = nn.Parameter(weight)
    return layer


class FrontEnd(nn.Module):
    """VGG-16 without its last two poolings: 8 times smaller scores, not 32; later layers are dilated by 2 and by 4.

    A filter then reads the same pixels of the image as before, so trained weights still fit. The authors leave paddings
    out and enlarge the image by mirroring; here every layer pads by zeros, and sizes stay.
    """

    def __init__(self, in_channels=3, num_classes=21, widths=VGG16, hidden=4096, kernel=7, dropout=0.5):
        *early, last = widths
        self.stages = stages(in_channels, early)
        self.last = conv_relu(early[-1][-1], last, padding=2, dilation=2)
        self.hidden = nn.Sequential(
            nn.Conv2d(last[-1], hidden, kernel, padding="same", dilation=4), nn.ReLU(), nn.Dropout(dropout),
            nn.Conv2d(hidden, hidden, 1), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.score = nn.Conv2d(hidden, num_classes, 1)

    def forward(self, x):
        *halved, fourth = self.stages
        for stage in halved:
            x = halve(stage(x))
        return self.score(self.hidden(self.last(fourth(x))))


class DilatedNet(nn.Module):
    """Front end, context, and bilinear interpolation to the size of the image: (N, num_classes, H, W).

    multiples: None leaves the context module out, to see what it brings.

    >>> from cnnlib import summary
    >>> summary(lambda: DilatedNet(), (3, 256, 320)).output_shape
    (21, 256, 320)
    """

    def __init__(self, in_channels=3, num_classes=21, multiples=BASIC, **options):
        self.front = FrontEnd(in_channels, num_classes, **options)
        self.context = Context(num_classes, multiples) if multiples else None

    def forward(self, x):
        scores = self.front(x)
        if self.context:
            scores = self.context(scores)
        return F.upsample_bilinear(scores, size=x.shape[2:])


def small(in_channels=1, num_classes=2, **options):
    """The same network, narrow, with two halvings: the scores are 4 times smaller than the image before the end."""
    return DilatedNet(in_channels, num_classes, **{**SMALL, **options})
