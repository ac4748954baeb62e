"""Densely connected networks: each layer reads what all before it in its block have made, and adds a few channels.

Source: G. Huang et al., "Densely Connected Convolutional Networks", 2017; INRIA, dense networks. Parts are named as in
torchvision.
"""

from .. import nn
from ..autograd import functional as F

BLOCKS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}


class DenseLayer(nn.Module):
    """Norm, ReLU, 1 x 1 to 4k channels, norm, ReLU, 3 x 3 to k: the new channels alone."""

    def __init__(self, in_channels, growth, bottleneck=4):
        self.norm1, self.conv1 = nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, bottleneck * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(bottleneck * growth)
        self.conv2 = nn.Conv2d(bottleneck * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        x = self.conv1(F.relu(self.norm1(x)))
        return self.conv2(F.relu(self.norm2(x)))


class DenseBlock(nn.Module):
    """Layers that each read all channels there are, and put theirs beside them."""

    def __init__(self, in_channels, layers, growth):
        for i in range(layers):
            setattr(self, f"denselayer{i + 1}", DenseLayer(in_channels + i * growth, growth))

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
    """Dense blocks with transitions between them. compression: the part of the channels that a transition keeps."""

    def __init__(self, blocks, growth=32, compression=0.5, num_classes=1000, in_channels=3, stem="imagenet"):
        channels = 2 * growth
        if stem == "imagenet":
            first = {"conv0": nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False)}
            first |= {"norm0": nn.BatchNorm2d(channels), "relu0": nn.ReLU(), "pool0": nn.MaxPool2d(3, 2, 1)}
        else:
            first = {"conv0": nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)}
        for i, layers in enumerate(blocks, 1):
            first[f"denseblock{i}"] = DenseBlock(channels, layers, growth)
            channels += layers * growth
            if i < len(blocks):
                kept = int(channels * compression)
                first[f"transition{i}"] = Transition(channels, kept)
                channels = kept
        last = f"norm{len(blocks) + 1}"
        self.features = nn.Sequential(first | {last: nn.BatchNorm2d(channels)})
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x):
        return self.classifier(F.global_avg_pool2d(F.relu(self.features(x))))


def densenet(depth=121, **options):
    """DenseNet-121, 169 or 201, growth 32, compression 0.5. Raises ValueError for another depth."""
    if depth not in BLOCKS:
        raise ValueError(f"depth is {depth}, but the paper has {', '.join(map(str, BLOCKS))}")
    return DenseNet(BLOCKS[depth], **options)


def small(in_channels=1, num_classes=10, growth=6, layers=3):
    """Three blocks of a few layers, for small images."""
    return DenseNet((layers,) * 3, growth, 0.5, num_classes, in_channels, stem="cifar")
