"""Residual networks: each block adds what it computes to what it was given, so that gradients have a short way back.

Source: INRIA, "ResNet: Residual CNN Architecture" (s2:1321-1375); K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual
Learning for Image Recognition", CVPR 2016, and "Identity Mappings in Deep Residual Networks", ECCV 2016. Parts are
named as in torchvision.
"""

from .. import nn
from ..autograd import functional as F

# Blocks in each of the four stages; 18 and 34 have basic blocks, the others bottlenecks.
DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = (64, 128, 256, 512)  # of the stages
CIFAR_WIDTHS = (16, 32, 64)


class Basic(nn.Module):
    """Two 3 x 3 convolutions and a way around them."""

    expansion, convolutions = 1, 2

    def __init__(self, in_channels, width, stride=1, shortcut="B"):
        self.conv1, self.bn1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.downsample = way_around(in_channels, width, stride, shortcut)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.downsample(x) if self.downsample is not None else out)


class Bottleneck(nn.Module):
    """1 x 1 to fewer channels, 3 x 3 there, 1 x 1 back to four times as many, and a way around."""

    expansion, convolutions = 4, 3

    def __init__(self, in_channels, width, stride=1, shortcut="B"):
        out_channels = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(in_channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
        self.downsample = way_around(in_channels, out_channels, stride, shortcut)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.downsample(x) if self.downsample is not None else out)


class PreActivation(nn.Module):
    """Basic with norm and ReLU before the convolutions: no ReLU stands on the way around.

    Where the shape changes, the way around begins behind the first norm and ReLU, as in the authors' program.
    """

    expansion, convolutions = 1, 2

    def __init__(self, in_channels, width, stride=1, shortcut="B"):
        self.bn1, self.conv1 = nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.downsample = way_around(in_channels, width, stride, shortcut, norm=False)
        self.same = stride == 1 and in_channels == width

    def forward(self, x):
        ready = F.relu(self.bn1(x))
        out = self.conv2(F.relu(self.bn2(self.conv1(ready))))
        return out + self.downsample(x if self.same else ready) if self.downsample is not None else out


class PreActivationBottleneck(nn.Module):
    """Bottleneck with norm and ReLU before the convolutions: the block of the network of 1001 layers."""

    expansion, convolutions = 4, 3

    def __init__(self, in_channels, width, stride=1, shortcut="B"):
        out_channels = 4 * width
        self.bn1, self.conv1 = nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(width), nn.Conv2d(width, out_channels, 1, bias=False)
        self.downsample = way_around(in_channels, out_channels, stride, shortcut, norm=False)
        self.same = stride == 1 and in_channels == out_channels

    def forward(self, x):
        ready = F.relu(self.bn1(x))
        out = F.relu(self.bn2(self.conv1(ready)))
        out = self.conv3(F.relu(self.bn3(self.conv2(out))))
        return out + self.downsample(x if self.same else ready) if self.downsample is not None else out


PREACTIVATED = PreActivation, PreActivationBottleneck


class ZeroPadded(nn.Module):
    """The paper's way around A: every stride-th pixel, and zeros for the channels that are new. Nothing to learn."""

    def __init__(self, new_channels, stride):
        self.new_channels, self.stride = new_channels, stride

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        # pad works on the last two axes, so the channels go there and back
        x = F.pad(x.transpose(0, 2, 3, 1), padding=(0, 0, 0, self.new_channels))
        return x.transpose(0, 3, 1, 2)


def way_around(in_channels, out_channels, stride, shortcut, norm=True):
    """The way around a block. x as it is where shapes agree; where they do not, zero-padded ("A") or projected by 1 x 1
    filters ("B"). "C" projects everywhere. None: there is no way around. Raises ValueError for another shortcut."""
    if shortcut not in ("A", "B", "C", None):
        raise ValueError(f"shortcut is {shortcut!r}, but must be 'A', 'B', 'C' or None")
    if shortcut is None:
        return None
    if shortcut != "C" and stride == 1 and in_channels == out_channels:
        return nn.Sequential()
    if shortcut == "A":
        return ZeroPadded(out_channels - in_channels, stride)
    projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(out_channels)) if norm else nn.Sequential(projection)


class ResNet(nn.Module):
    """Stages of residual blocks, each half as large and twice as wide as the one before, then the mean and one layer.

    stem: "imagenet" begins with 7 x 7 at stride 2 and a pooling, "cifar" with 3 x 3. shortcut: "A", "B", "C", or None
    for the plain network that a residual one is compared with; see `way_around`.
    """

    def __init__(self, block, blocks, widths, num_classes=1000, in_channels=3, stem="imagenet", shortcut="B"):
        self.stem, channels = stem, widths[0]
        size = {"kernel_size": 7, "stride": 2, "padding": 3} if stem == "imagenet" else {"kernel_size": 3, "padding": 1}
        self.conv1 = nn.Conv2d(in_channels, channels, **size, bias=False)
        self.bn1 = None if block in PREACTIVATED else nn.BatchNorm2d(channels)  # else the first block begins with it
        self.stages = []
        for i, (count, width) in enumerate(zip(blocks, widths, strict=True), 1):
            parts = []
            for k in range(count):
                parts.append(block(channels, width, stride=2 if i > 1 and k == 0 else 1, shortcut=shortcut))
                channels = width * block.expansion
            setattr(self, f"layer{i}", nn.Sequential(*parts))
            self.stages.append(f"layer{i}")
        self.norm = nn.BatchNorm2d(channels) if block in PREACTIVATED else None
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.conv1(x)
        if self.bn1:
            x = F.relu(self.bn1(x))
        if self.stem == "imagenet":
            x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        for name in self.stages:
            x = getattr(self, name)(x)
        if self.norm:
            x = F.relu(self.norm(x))
        return self.fc(F.global_avg_pool2d(x))


def resnet(depth=50, num_classes=1000, widths=WIDTHS, **options):
    """ResNet-18, 34 (basic blocks), 50, 101 or 152 (bottlenecks). Raises ValueError for another depth.

    >>> from cnnlib import summary
    >>> f"{summary(lambda: resnet(50), (3, 224, 224)).parameters:,}"
    '25,557,032'
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth is {depth}, but the paper has {', '.join(map(str, DEPTHS))}")
    return ResNet(Basic if depth < 50 else Bottleneck, DEPTHS[depth], widths, num_classes, **options)


def cifar_resnet(depth=20, num_classes=10, in_channels=3, widths=CIFAR_WIDTHS, block=Basic, shortcut="A"):
    """The paper's networks for images of 32 x 32: three stages of n blocks, so that the depth is 6n + 2, or 9n + 2 for
    blocks of three convolutions. Raises ValueError for another depth.

    >>> cifar_resnet(20).count()
    269722
    """
    step = 3 * block.convolutions
    blocks, rest = divmod(depth - 2, step)
    if rest or blocks < 1:
        depths = ", ".join(str(step * n + 2) for n in (1, 2, 3))
        raise ValueError(f"depth is {depth}, but must be {step}n + 2: {depths}, ...")
    return ResNet(block, (blocks,) * 3, widths, num_classes, in_channels, "cifar", shortcut)


def plain20(num_classes=10, in_channels=3, widths=CIFAR_WIDTHS):
    """The opponent of `cifar_resnet(20)`: the same layers, no way around. For other depths: `shortcut=None` there."""
    return cifar_resnet(20, num_classes, in_channels, widths, shortcut=None)
