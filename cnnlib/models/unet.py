"""U-Net: down to coarse maps, up again step by step, and on each step the fine map from the way down beside the coarse.

Source: INRIA, "U-net architecture" (s2:1735-1741); O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks
for Biomedical Image Segmentation", MICCAI 2015.
"""

from .. import nn
from ..autograd import functional as F
from ._parts import conv_relu, cut

WIDTHS = (64, 128, 256, 512, 1024)  # the filters of both convolutions of each level, from fine to coarse


class UNet(nn.Module):
    """A score for every class at every pixel: (N, in_channels, H, W) to (N, num_classes, H', W').

    padding=0 is the paper's network: each of the 3 x 3 convolutions takes two pixels away, so that an image of 572
    gives 388 pixels, and the skips are cropped to fit. padding=1 keeps the size, as most programs do. After the input
    has been halved d times (the levels but the first), its size must still be whole. Raises ValueError where it is not.

    >>> from cnnlib import summary
    >>> paper = summary(lambda: UNet(), (1, 572, 572))
    >>> paper.output_shape, f"{paper.parameters:,}"
    ((2, 388, 388), '31,030,658')
    """

    def __init__(self, in_channels=1, num_classes=2, widths=WIDTHS, padding=0, dropout=0.5):
        *fine, coarsest = widths
        self.down = []
        for width in fine:
            self.down.append(conv_relu(in_channels, (width, width), padding=padding))
            in_channels = width
        self.bottom = conv_relu(in_channels, (coarsest, coarsest), padding=padding)
        self.dropout = nn.Dropout(dropout)  # at the end of the way down
        self.enlarge, self.up = [], []
        for width in reversed(fine):
            self.enlarge.append(nn.ConvTranspose2d(coarsest, width, 2, stride=2))
            self.up.append(conv_relu(2 * width, (width, width), padding=padding))
            coarsest = width
        self.score = nn.Conv2d(coarsest, num_classes, 1)

    def forward(self, x):
        skips = []
        for level in self.down:
            x = level(x)
            if x.shape[2] % 2 or x.shape[3] % 2:
                raise ValueError(
                    f"a map of {x.shape[2]} x {x.shape[3]} pixels cannot be halved: take another image size"
                )
            skips.append(x)
            x = F.max_pool2d(x, kernel_size=2)
        x = self.dropout(self.bottom(x))
        for enlarge, level, skip in zip(self.enlarge, self.up, reversed(skips), strict=True):
            x = enlarge(x)
            top, left = (skip.shape[2] - x.shape[2]) // 2, (skip.shape[3] - x.shape[3]) // 2
            x = level(F.concatenate(cut(skip, x.shape[2:], top, left), x))
        return self.score(x)


def small(in_channels=1, num_classes=2, widths=(8, 16, 32), padding=1, **options):
    """Three levels that keep the size, for images whose sides divide by 4."""
    return UNet(in_channels, num_classes, widths, padding, **{"dropout": 0.0, **options})
