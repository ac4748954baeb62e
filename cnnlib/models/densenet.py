"""Densely connected networks: each layer reads what all before it in its block have made, and adds a few channels.

Source: INRIA, "DenseNet: Dense layer connection CNN architecture" (s2:1379-1425); G. Huang, Z. Liu, L. van der Maaten,
K. Weinberger, "Densely Connected Convolutional Networks", CVPR 2017. Parts are named as in torchvision.
"""

from .. import nn
from ..autograd import functional as F

BLOCKS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}  # layers of each block


class Bottlenecked(nn.Module):
    """Norm, ReLU, 1 x 1 to 4k channels, norm, ReLU, 3 x 3 to k: the new channels alone. k is the growth."""

    def __init__(self, in_channels, growth):
        self.norm1, self.conv1 = nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        x = self.conv1(F.relu(self.norm1(x)))
        return self.conv2(F.relu(self.norm2(x)))


class Direct(nn.Module):
    """Norm, ReLU, 3 x 3 from all channels there are to k new ones: many more weights in a long block."""

    def __init__(self, in_channels, growth):
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return self.conv1(F.relu(self.norm1(x)))


class DenseBlock(nn.Module):
    """Layers that each read all channels there are, and put theirs beside them."""

    def __init__(self, in_channels, layers, growth, bottleneck=True):
        kind = Bottlenecked if bottleneck else Direct
        for i in range(layers):
            setattr(self, f"denselayer{i + 1}", kind(in_channels + i * growth, growth))

    def forward(self, x):
        for _, layer in self.children():
            x = F.concatenate(x, layer(x))
        return x


class Transition(nn.Module):
    """Between two blocks: 1 x 1 to a part of the channels, and half the size."""

    def __init__(self, in_channels, out_channels):
        self.norm, self.conv = nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), kernel_size=2)


class DenseNet(nn.Module):
    """Dense blocks with transitions between them.

    blocks: the layers of each; growth: the channels that each layer adds; bottleneck: whether 1 x 1 filters come before
    the 3 x 3; compression: the part of the channels that a transition keeps; first: the channels before the first
    block, 2k if left out. stem: "imagenet" begins with 7 x 7 at stride 2 and a pooling, "cifar" with 3 x 3.
    """

    def __init__(
        self,
        blocks,
        growth=32,
        compression=0.5,
        num_classes=1000,
        in_channels=3,
        stem="imagenet",
        bottleneck=True,
        first=None,
    ):
        channels = first or 2 * growth
        if stem == "imagenet":
            parts = {
                "conv0": nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
                "norm0": nn.BatchNorm2d(channels),
                "relu0": nn.ReLU(),
                "pool0": nn.MaxPool2d(3, stride=2, padding=1),
            }
        else:
            parts = {"conv0": nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)}
        for i, layers in enumerate(blocks, 1):
            parts[f"denseblock{i}"] = DenseBlock(channels, layers, growth, bottleneck)
            channels += layers * growth
            if i < len(blocks):
                kept = int(channels * compression)
                parts[f"transition{i}"] = Transition(channels, kept)
                channels = kept
        parts[f"norm{len(blocks) + 1}"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(parts)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x):
        return self.classifier(F.global_avg_pool2d(F.relu(self.features(x))))


def densenet(depth=121, **options):
    """DenseNet-121, 169 or 201, growth 32, compression 0.5. Raises ValueError for another depth.

    >>> from cnnlib import summary
    >>> f"{summary(lambda: densenet(121), (3, 224, 224)).parameters:,}"
    '7,978,856'
    """
    if depth not in BLOCKS:
        raise ValueError(f"depth is {depth}, but the paper has {', '.join(map(str, BLOCKS))}")
    return DenseNet(BLOCKS[depth], **options)


def cifar_densenet(depth=100, growth=12, bottleneck=True, num_classes=10, in_channels=3):
    """The paper's networks for images of 32 x 32, with three blocks of n layers: "DenseNet-BC" of depth 6n + 4, or
    without bottlenecks and compression of depth 3n + 4. Raises ValueError for another depth."""
    step = 6 if bottleneck else 3
    layers, rest = divmod(depth - 4, step)
    if rest or layers < 1:
        raise ValueError(f"depth is {depth}, but must be {step}n + 4")
    options = {"compression": 0.5} if bottleneck else {"compression": 1, "first": 16}
    return DenseNet((layers,) * 3, growth, **options, num_classes=num_classes, in_channels=in_channels,
                    stem="cifar", bottleneck=bottleneck)  # fmt: skip


def small(in_channels=1, num_classes=10, growth=6, layers=3):
    """Three blocks of a few layers, for small images."""
    return DenseNet((layers,) * 3, growth, num_classes=num_classes, in_channels=in_channels, stem="cifar")
