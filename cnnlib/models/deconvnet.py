"""DeconvNet: VGG-16 down to one vector, and its mirror image up again, un-pooling to where each maximum was found.

Source: INRIA, "Convolution-Deconvolution architecture" (s2:1716-1731); H. Noh, S. Hong, B. Han, "Learning Deconvolution
Network for Semantic Segmentation", ICCV 2015, and the table of layers in its supplement.
"""

from itertools import pairwise

from .. import nn
from ._parts import VGG16

SMALL = {"widths": ((8,), (16,), (16,)), "hidden": 32, "kernel": 4}  # for images of 32 x 32 pixels


class DeconvNet(nn.Module):
    """A score for every class at every pixel: (N, in_channels, H, W) to (N, num_classes, H, W).

    widths: the filters of the stages of the way down; the way up has the same, backwards. hidden: of the two layers in
    the middle, the first with filters of kernel x kernel, 7 for images of 224 pixels. Every layer but the last is batch
    normalised, without which the authors could not train it; so the convolutions here have no bias. H and W must divide
    by 2 to the number of stages, and leave at least kernel pixels.

    >>> from cnnlib import summary
    >>> summary(lambda: DeconvNet(), (3, 224, 224)).output_shape
    (21, 224, 224)
    """

    def __init__(self, in_channels=3, num_classes=21, widths=VGG16, hidden=4096, kernel=7):
        self.down, self.up, channels = [], [], in_channels
        for stage in widths:
            self.down.append(nn.Sequential(*layers(nn.Conv2d, [channels, *stage])))
            channels = stage[-1]
        self.middle = nn.Sequential(
            *layers(nn.Conv2d, [channels, hidden], kernel, padding=0),
            *layers(nn.Conv2d, [hidden, hidden], 1, padding=0),
            *layers(nn.ConvTranspose2d, [hidden, channels], kernel, padding=0),
        )
        inputs = [widths[0][0], *(stage[-1] for stage in widths[:-1])]  # of the stages on the way down; here, outputs
        for stage, last in zip(reversed(widths), reversed(inputs), strict=True):
            self.up.append(nn.Sequential(*layers(nn.ConvTranspose2d, [*reversed(stage), last])))
        self.score = nn.Conv2d(widths[0][0], num_classes, 1)
        self.pool, self.unpool = nn.MaxPool2d(2), nn.MaxUnpool2d(2)

    def forward(self, x):
        switches = []
        for stage in self.down:
            x, where = self.pool.with_switches(stage(x))
            switches.append(where)
        x = self.middle(x)
        for stage in self.up:
            x = stage(self.unpool(x, switches.pop()))
        return self.score(x)


def layers(kind, channels, kernel_size=3, padding=1):
    """Layers of one kind (Conv2d or ConvTranspose2d) from each number of channels to the next, as a list of parts."""
    parts = []
    for before, after in pairwise(channels):
        parts += [kind(before, after, kernel_size, padding=padding, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return parts


def small(in_channels=1, num_classes=2, **options):
    """The same network with three stages, for images of 32 x 32 pixels."""
    return DeconvNet(in_channels, num_classes, **{**SMALL, **options})
