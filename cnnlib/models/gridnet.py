"""GridNet: rows of one scale each, residual from left to right; columns lead down in the left half, up in the right.

A U-Net, a residual network and a conv-deconv network are each a path, or several, on such a grid.
Source: INRIA, "Residual conv-deconv grid network for segmentation" (s2:1854-1864); D. Fourure et al., "Residual
Conv-Deconv Grid Network for Semantic Segmentation", BMVC 2017.
"""

from itertools import pairwise

from .. import nn
from ._parts import divides

WIDTHS = (16, 32, 64, 128, 256)  # the channels of the rows, from fine to coarse: the paper's network for Cityscapes
COLUMNS = 3  # in each half


class GridNet(nn.Module):
    """A score for every class at every pixel: (N, in_channels, H, W) to (N, num_classes, H, W).

    widths: the channels of every row, each half as fine as the one above; columns: in each half. H and W must divide by
    2 to the number of rows but one; ValueError where they do not. The paper also drops whole connections while training ("total dropout"); not so
    here.

    >>> from cnnlib import summary
    >>> summary(lambda: GridNet(), (3, 64, 128)).output_shape
    (19, 64, 128)
    """

    def __init__(self, in_channels=3, num_classes=19, widths=WIDTHS, columns=COLUMNS):
        pairs = list(pairwise(widths))
        self.first = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        # right[j][i] leads from column j to column j + 1 in row i; each column has a vertical one between rows.
        self.right = [Units(unit(w, w) for w in widths) for _ in range(2 * columns - 1)]
        self.down = [Units(unit(fine, coarse, stride=2) for fine, coarse in pairs) for _ in range(columns)]
        self.up = [Units(unit(coarse, fine, enlarge=2) for fine, coarse in pairs) for _ in range(columns)]
        self.last = nn.Sequential(nn.BatchNorm2d(widths[0]), nn.ReLU(), nn.Conv2d(widths[0], num_classes, 3, padding=1))
        self.rows = len(widths)

    def forward(self, x):
        column = [self.first(x)]
        divides(x, 2 ** (self.rows - 1))
        for down in self.down[0].units:
            column.append(down(column[-1]))
        for j, right in enumerate(self.right, 1):
            column = [x + block(x) for x, block in zip(column, right.units, strict=True)]
            if j < len(self.down):
                for i, down in enumerate(self.down[j].units):
                    column[i + 1] = column[i + 1] + down(column[i])
            else:
                ups = self.up[j - len(self.down)]
                for i in reversed(range(self.rows - 1)):
                    column[i] = column[i] + ups.units[i](column[i + 1])
        return self.last(column[0])


class Units(nn.Module):
    """The units of one step through the grid, one for every row or for every pair of rows; the grid uses them."""

    def __init__(self, units):
        self.units = list(units)


def unit(in_channels, out_channels, stride=1, enlarge=1):
    """Twice batch normalisation, ReLU and a 3 x 3 convolution; the first may halve the map or enlarge it."""
    if enlarge > 1:
        first = nn.ConvTranspose2d(
            in_channels, out_channels, 3, enlarge, padding=1, output_padding=enlarge - 1, bias=False
        )
    else:
        first = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
    second = nn.Conv2d(out_channels, out_channels, 3, padding=1)
    return nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(), first, nn.BatchNorm2d(out_channels), nn.ReLU(), second)


def small(in_channels=1, num_classes=2, widths=(6, 8, 12), columns=1):
    """Three rows and two columns, for images whose sides divide by 4."""
    return GridNet(in_channels, num_classes, widths, columns)
