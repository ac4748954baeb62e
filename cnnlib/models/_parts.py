"""Parts that several networks share: the stages of VGG-16, and a pooling that rounds up."""

from .. import nn
from ..autograd import functional as F

# The filters of VGG-16, stage by stage; between stages the map is halved. Source: INRIA, VGG; see `vgg.py`.
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def conv_relu(in_channels, widths, kernel_size=3, padding=1, dilation=1):
    """Convolutions, each with a ReLU behind it; `widths` are their numbers of filters.

    >>> conv_relu(3, (64, 64)).count()
    38720
    """
    parts = []
    for width in widths:
        parts += [nn.Conv2d(in_channels, width, kernel_size, padding=padding, dilation=dilation), nn.ReLU()]
        in_channels = width
    return nn.Sequential(*parts)


def stages(in_channels, widths=VGG16):
    """The stages of a VGG network as a list, without the pooling between them.

    >>> from cnnlib import nn, summary
    >>> f"{summary(lambda: nn.Sequential(*stages(3)), (3, 32, 32)).parameters:,}"
    '14,714,688'
    """
    out = []
    for stage in widths:
        out.append(conv_relu(in_channels, stage))
        in_channels = stage[-1]
    return out


def halve(x):
    """Max pooling of 2 x 2 whose size is rounded up, as Caffe's: an odd map of 75 pixels becomes one of 38.

    A row or column of zeros is put beside an odd map; behind a ReLU a zero can win only where all are zero.
    """
    rows, columns = x.shape[2] % 2, x.shape[3] % 2
    if rows or columns:
        x = F.pad(x, padding=(0, rows, 0, columns))
    return F.max_pool2d(x, kernel_size=2)


def divides(x, by):
    """Raises ValueError unless both sides of the images can be halved as often as a network does."""
    if x.shape[2] % by or x.shape[3] % by:
        raise ValueError(f"the images have {x.shape[2]} x {x.shape[3]} pixels, but both sides must divide by {by}")


def cut(x, size, top=0, left=0):
    """The rectangle of this size that begins at row `top` and column `left` of every map."""
    return F.crop(x, top=top, left=left, height=size[0], width=size[1])


def predictor(in_channels, out_channels, kernel_size=1, padding=0):
    """A convolution whose weights start ten times smaller than usual: the first scores are then nearly equal, and a
    detector's loss does not jump. Faster R-CNN starts its new layers so too, from numbers of deviation 0.01."""
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding)
    layer.weight = nn.Parameter(nn.kaiming(layer.weight.shape, 100 * in_channels * kernel_size**2))
    return layer


def per_box(x, numbers):
    """A map that gives `numbers` numbers for each of K boxes a place, (N, K·numbers, H, W), as (N, H·W·K, numbers): the
    order of `boxes.anchors`."""
    n, channels, h, w = x.shape
    return x.transpose(0, 2, 3, 1).reshape(n, h * w * (channels // numbers), numbers)
