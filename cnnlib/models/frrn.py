"""Full-resolution residual networks: one stream stays as fine as the image, the other is pooled and enlarged again.

Each unit of the coarse stream looks at the fine one, pooled, and adds what it found to it, enlarged. So the fine stream
is a residual network whose residuals come from all scales.
Source: INRIA, "Full-Resolution Residual Networks" (s2:1745-1751); T. Pohlen et al., "Full-Resolution Residual Networks
for Semantic Segmentation in Street Scenes", CVPR 2017, table 1.
"""

from .. import nn
from ..autograd import functional as F
from ._parts import divides

# The units of the coarse stream: how many, their filters, and how many times coarser than the image they are.
FRRN_A = (
    (3, 96, 2), (4, 192, 4), (2, 384, 8), (2, 384, 16),
    (2, 192, 8), (2, 192, 4), (2, 96, 2),
)  # fmt: skip
FRRN_B = (
    (3, 96, 2), (4, 192, 4), (2, 384, 8), (2, 384, 16), (2, 384, 32),
    (2, 192, 16), (2, 192, 8), (2, 192, 4), (2, 96, 2),
)  # fmt: skip
SMALL = {"units": ((1, 8, 2), (1, 12, 4), (1, 8, 2)), "base": 8, "lane": 4, "ends": 1}  # the sides must divide by 4


class FRRN(nn.Module):
    """A score for every class at every pixel: (N, in_channels, H, W) to (N, num_classes, H, W).

    units: of the coarse stream, from first to last; base: the filters of the residual units at both ends, and `ends`
    how many of them there are; lane: the channels of the fine stream. H and W must divide by the coarsest scale; ValueError where they do
    not.

    >>> from cnnlib import summary
    >>> summary(lambda: FRRN(), (3, 256, 512)).output_shape
    (19, 256, 512)
    """

    def __init__(self, in_channels=3, num_classes=19, units=FRRN_A, base=48, lane=32, ends=3):
        self.first = nn.Sequential(*conv_bn_relu(in_channels, base, 5))
        self.before = nn.Sequential(*(ResidualUnit(base) for _ in range(ends)))
        self.split = nn.Conv2d(base, lane, 1)
        self.units, channels = [], base
        for many, width, scale in units:
            for _ in range(many):
                self.units.append(FullResolutionUnit(channels, width, lane, scale))
                channels = width
        self.merge = nn.Conv2d(channels + lane, base, 1)
        self.after = nn.Sequential(*(ResidualUnit(base) for _ in range(ends)))
        self.score = nn.Conv2d(base, num_classes, 1)

    def forward(self, x):
        coarse = self.before(self.first(x))
        divides(x, max(unit.scale for unit in self.units))
        fine, scale = self.split(coarse), 1
        for unit in self.units:
            coarse = rescale(coarse, scale, unit.scale)
            coarse, fine = unit(coarse, fine)
            scale = unit.scale
        coarse = rescale(coarse, scale, 1)
        return self.score(self.after(self.merge(F.concatenate(coarse, fine))))


class FullResolutionUnit(nn.Module):
    """From both streams to both: two layers on coarse and pooled fine features; a 1 x 1 layer leads to the fine one.

    Source: the paper's figure 3.
    """

    def __init__(self, channels, width, lane, scale):
        self.layers = nn.Sequential(*conv_bn_relu(channels + lane, width), *conv_bn_relu(width, width))
        self.residual = nn.Conv2d(width, lane, 1)
        self.scale = scale

    def forward(self, coarse, fine):
        coarse = self.layers(F.concatenate(coarse, rescale(fine, 1, self.scale)))
        return coarse, fine + rescale(self.residual(coarse), self.scale, 1)


class ResidualUnit(nn.Module):
    """x plus two layers of x. Nothing comes after the sum."""

    def __init__(self, channels):
        last = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.layers = nn.Sequential(*conv_bn_relu(channels, channels), last, nn.BatchNorm2d(channels))

    def forward(self, x):
        return x + self.layers(x)


def conv_bn_relu(in_channels, out_channels, kernel_size=3):
    """Convolution, batch normalisation and ReLU that keep the size, as a list of parts."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]


def rescale(x, scale, wanted):
    """A map that is `scale` times coarser than the image to one that is `wanted` times: max pooling or repetition."""
    if wanted > scale:
        return F.max_pool2d(x, kernel_size=wanted // scale)
    return F.upsample_nearest(x, scale_factor=scale // wanted) if wanted < scale else x


def frrn_b(in_channels=3, num_classes=19, **options):
    """FRRN B: one scale more than A."""
    return FRRN(in_channels, num_classes, **{"units": FRRN_B, **options})


def small(in_channels=1, num_classes=2, **options):
    """Two scales below the image, for images whose sides divide by 4."""
    return FRRN(in_channels, num_classes, **{**SMALL, **options})
