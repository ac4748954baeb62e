"""The One Hundred Layers Tiramisu: a U-Net made of dense blocks, small for its depth and trained from scratch.

On the way down every block hands on its input beside what it made; on the way up only what it made is enlarged, or the
maps would become too many ("No up concatenation", says the slide).
Source: INRIA, "The One Hundred Layers Tiramisu" (s2:1755-1770); S. Jégou et al., "The One Hundred Layers Tiramisu:
Fully Convolutional DenseNets for Semantic Segmentation", 2017, table 2.
"""

from .. import nn
from ..autograd import functional as F
from ._parts import cut

# The layers of each block down, of the bottleneck, and what every layer adds (the growth). 103 = layers + transitions.
FC_DENSENET_56 = {"blocks": (4, 4, 4, 4, 4), "bottleneck": 4, "growth": 12}
FC_DENSENET_67 = {"blocks": (5, 5, 5, 5, 5), "bottleneck": 5, "growth": 16}
FC_DENSENET_103 = {"blocks": (4, 5, 7, 10, 12), "bottleneck": 15, "growth": 16}
SMALL = {"blocks": (2, 2), "bottleneck": 2, "growth": 4, "first": 8, "dropout": 0.0}


class FCDenseNet(nn.Module):
    """A score for every class at every pixel: (N, in_channels, H, W) to (N, num_classes, H, W).

    blocks: the numbers of layers of the dense blocks on the way down, and backwards on the way up; bottleneck: of the
    one in the middle; growth: the maps that every layer adds; first: those of the first convolution.

    >>> from cnnlib import summary
    >>> f"{summary(lambda: FCDenseNet(), (3, 224, 224)).parameters:,}"  # the paper's 9.4 M has running statistics too
    '9,322,091'
    """

    def __init__(
        self, in_channels=3, num_classes=11, blocks=(4, 5, 7, 10, 12), bottleneck=15, growth=16, first=48, dropout=0.2
    ):
        self.first = nn.Conv2d(in_channels, first, 3, padding=1)
        self.down, self.halve, self.enlarge, self.up = [], [], [], []
        channels, skips = first, []
        for layers in blocks:
            self.down.append(DenseBlock(channels, layers, growth, dropout))
            channels += layers * growth
            skips.append(channels)
            self.halve.append(nn.Sequential(*layer(channels, channels, 1, dropout), nn.MaxPool2d(2)))
        self.bottleneck = DenseBlock(channels, bottleneck, growth, dropout)
        made = bottleneck * growth
        for layers in reversed(blocks):
            self.enlarge.append(nn.ConvTranspose2d(made, made, 3, stride=2))
            channels = made + skips.pop()
            self.up.append(DenseBlock(channels, layers, growth, dropout))
            made = layers * growth
        self.score = nn.Conv2d(channels + made, num_classes, 1)

    def forward(self, x):
        x, skips = self.first(x), []
        for block, halve in zip(self.down, self.halve, strict=True):
            x = F.concatenate(x, block(x))
            skips.append(x)
            x = halve(x)
        new = self.bottleneck(x)
        for enlarge, block, skip in zip(self.enlarge, self.up, reversed(skips), strict=True):
            x = F.concatenate(cut(enlarge(new), skip.shape[2:]), skip)  # n pixels became 2n + 1
            new = block(x)
        return self.score(F.concatenate(x, new))


class DenseBlock(nn.Module):
    """Every layer sees the block's input and all layers before it. Gives what the layers made, without the input."""

    def __init__(self, channels, layers, growth, dropout=0.2):
        self.layers = [nn.Sequential(*layer(channels + i * growth, growth, 3, dropout)) for i in range(layers)]

    def forward(self, x):
        made = []
        for part in self.layers:
            made.append(part(F.concatenate(x, *made)))
        return F.concatenate(*made)


def layer(in_channels, out_channels, kernel_size, dropout):
    """Batch normalisation, ReLU, convolution, dropout: table 1 of the paper, as a list of parts. The convolutions have
    biases, as in the authors' program."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    return [nn.BatchNorm2d(in_channels), nn.ReLU(), conv, nn.Dropout(dropout)]


def fc_densenet103(in_channels=3, num_classes=11, **options):
    """FC-DenseNet-103, for the 11 classes of CamVid."""
    return FCDenseNet(in_channels, num_classes, **{**FC_DENSENET_103, **options})


def small(in_channels=1, num_classes=2, **options):
    """Two blocks down and two up, for images whose sides divide by 4."""
    return FCDenseNet(in_channels, num_classes, **{**SMALL, **options})
