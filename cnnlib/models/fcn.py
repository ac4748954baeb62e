"""Fully convolutional networks: VGG-16 with every fully connected layer read as a convolution, for a class per pixel.

Five poolings make the map of scores 32 times smaller than the image. FCN-32s enlarges it in one go; FCN-16s and FCN-8s
go step by step and add scores from finer maps on the way. (The slide says "concatenate"; the paper adds.)
Source: INRIA, "Application to semantic segmentation" (s2:1619-1679); J. Long, E. Shelhamer, T. Darrell, "Fully
Convolutional Networks for Semantic Segmentation", CVPR 2015, and the authors' Caffe files for padding and crops.
"""

import numpy as np

from .. import nn
from ..autograd import current_blueprint
from ..autograd import functional as F
from ._parts import VGG16, cut, halve, predictor, stages

# For images of 32 x 32 pixels and more, in seconds on two cores.
SMALL = {"widths": ((8,), (8,), (16,), (16,), (16,)), "hidden": 32, "kernel": 4, "padding": 34, "dropout": 0.0}


class FCN(nn.Module):
    """A score for every class at every pixel: (N, in_channels, H, W) to (N, num_classes, H, W).

    stride: 32, 16 or 8, the step of the last enlargement; widths: the filters of the five stages; hidden: those of the
    two layers that were fully connected, the first with filters of kernel x kernel; padding: around the image, so much
    that the kernel fits on small images too, and that the scores reach to the rim. Raises ValueError where kernel or
    padding is too small for that.

    >>> from cnnlib import summary
    >>> summary(lambda: FCN(stride=8), (3, 500, 334)).output_shape
    (21, 500, 334)
    """

    def __init__(
        self, in_channels=3, num_classes=21, stride=8, widths=VGG16, hidden=4096, kernel=7, padding=100, dropout=0.5
    ):
        if stride not in (32, 16, 8):
            raise ValueError(f"stride is {stride}, but must be 32, 16 or 8")
        if len(widths) != 5:
            raise ValueError(f"widths has {len(widths)} stages, but must have 5")
        if kernel < 4 or padding < 16 * kernel - 31:
            raise ValueError(
                f"kernel is {kernel} and padding {padding}, but kernel must be at least 4 and padding 16 kernel - 31"
            )
        self.stages = stages(in_channels, widths)
        self.hidden = nn.Sequential(
            nn.Conv2d(widths[4][-1], hidden, kernel), nn.ReLU(), nn.Dropout(dropout),
            nn.Conv2d(hidden, hidden, 1), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.score = predictor(hidden, num_classes)  # the authors start these from zeros
        finer = {32: [], 16: [widths[3][-1]], 8: [widths[3][-1], widths[2][-1]]}[stride]
        self.skips = [predictor(width, num_classes) for width in finer]
        self.enlarge = [Enlarge(num_classes, 2) for _ in finer]
        self.last = Enlarge(num_classes, stride)
        self.kernel, self.padding, self.stride = kernel, padding, stride

    def forward(self, x):
        pooled, y = [], F.pad(x, padding=self.padding - 1)  # the first convolution pads by the last 1
        for stage in self.stages:
            y = halve(stage(y))
            pooled.append(y)
        scores = self.score(self.hidden(y))
        step, place = 32, self.place(5) + 32 * (self.kernel - 1) / 2
        for skip, enlarge, poolings in zip(self.skips, self.enlarge, (4, 3), strict=False):
            scores, step = enlarge(scores), step // 2
            place -= 1.5 * step
            top = int((place - self.place(poolings)) / step)
            scores = scores + cut(skip(pooled[poolings - 1]), scores.shape[2:], top, top)
        top = int(step - 0.5 - place)
        return cut(self.last(scores), x.shape[2:], top, top)

    def place(self, poolings):
        """The pixel of the image, on either axis, in whose middle the first number of a pooled map lies."""
        return (2**poolings - 1) / 2 - (self.padding - 1)


class Enlarge(nn.ConvTranspose2d):
    """A transposed convolution that starts as bilinear interpolation of every channel for itself.

    Every number stamps a filter of 2 factor x 2 factor into the output, so the first output lies factor - 1/2 output
    pixels before the first input.

    >>> Enlarge(1, 2).weight.data[0, 0, 0] * 16  # products of 1, 3, 3, 1
    array([1., 3., 3., 1.], dtype=float32)
    """

    def __init__(self, channels, factor):
        super().__init__(channels, channels, 2 * factor, stride=factor, bias=False)
        weight = nn.constant((channels, channels, 2 * factor, 2 * factor))
        if current_blueprint() is None:
            line = 1 - np.abs(np.arange(2 * factor) - factor + 0.5) / factor  # a hat: 1 in its middle, 0 at its ends
            weight[range(channels), range(channels)] = np.outer(line, line)
        self.weight = nn.Parameter(weight)


def fcn32s(in_channels=3, num_classes=21, **options):
    """FCN-32s on VGG-16: one enlargement by 32."""
    return FCN(in_channels, num_classes, 32, **options)


def fcn16s(in_channels=3, num_classes=21, **options):
    """FCN-16s on VGG-16: with the scores of pool4."""
    return FCN(in_channels, num_classes, 16, **options)


def fcn8s(in_channels=3, num_classes=21, **options):
    """FCN-8s on VGG-16: with the scores of pool4 and pool3."""
    return FCN(in_channels, num_classes, 8, **options)


def small(in_channels=1, num_classes=4, stride=8, **options):
    """The same network, narrow, for images of 32 x 32 pixels."""
    return FCN(in_channels, num_classes, stride, **{**SMALL, **options})
