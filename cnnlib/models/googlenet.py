"""GoogLeNet: modules of parallel branches, with 1 x 1 filters that make depth cheap before the costly ones.

Source: INRIA, "GoogleNet Inception CNN Architecture" (s2:1305-1317), whose 5 million is the paper's rough figure; C.
Szegedy et al., "Going Deeper with Convolutions", CVPR 2015 (table 1).
"""

from .. import nn
from ..arithmetic import output_size
from ..autograd import functional as F

# Each module: filters of 1x1; of 1x1 before 3x3, and 3x3; of 1x1 before 5x5, and 5x5; of 1x1 after pooling.
MODULES = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
POOLED_BEFORE = ("inception3a", "inception4a", "inception5a")
HEADS = {"inception4a": "aux1", "inception4d": "aux2"}  # where the auxiliary heads listen


class Unit(nn.Module):
    """A convolution and a ReLU; between them a batch norm instead of a bias where `norm` says so."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, norm=False):
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=not norm)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001) if norm else None

    def forward(self, x):
        x = self.conv(x)
        return F.relu(self.bn(x) if self.bn else x)


class Inception(nn.Module):
    """Four branches side by side on the same maps, their channels one behind the other.

    filters: six numbers as in MODULES; large: the size of the large filters, 5 in the paper.

    >>> Inception(192, MODULES["inception3a"]).count()
    163696
    """

    def __init__(self, in_channels, filters, norm=False, large=5):
        one, before3, three, before5, five, pooled = filters
        self.branch1 = Unit(in_channels, one, 1, norm=norm)
        self.branch2 = nn.Sequential(
            Unit(in_channels, before3, 1, norm=norm),
            Unit(before3, three, 3, padding=1, norm=norm),
        )
        self.branch3 = nn.Sequential(
            Unit(in_channels, before5, 1, norm=norm),
            Unit(before5, five, large, padding=large // 2, norm=norm),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            Unit(in_channels, pooled, 1, norm=norm),
        )
        self.out_channels = one + three + five + pooled

    def forward(self, x):
        return F.concatenate(self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x))


class Head(nn.Module):
    """An auxiliary head: scores from the middle of the network, so that gradients have a shorter way to its beginning.

    side: of the maps it listens to, 14 at full size; it pools them to 4 x 4.
    """

    def __init__(self, in_channels, num_classes, side=14, width=1.0, norm=False):
        side, filters, units = output_size(side, 5, 3), int(128 * width), int(1024 * width)
        self.conv = Unit(in_channels, filters, 1, norm=norm)
        self.fc1, self.fc2 = nn.Linear(filters * side**2, units), nn.Linear(units, num_classes)
        self.dropout = nn.Dropout(0.7)

    def forward(self, x):
        x = F.flatten(self.conv(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """Scores for images of 224 x 224; while it trains, a list of the scores and those of the auxiliary heads.

    norm=False is the paper: local response norm, biases, 5 x 5 filters. norm=True is the network as torchvision has it,
    with its names: batch norm without biases, 3 x 3 filters where the paper has 5 x 5, a last pooling of 2 x 2 (only
    the heads pool otherwise there). size: pixels of the square input, a multiple of 16 that is at least 80 (without
    heads 32); width: a part of all numbers of filters and units.

    >>> from cnnlib import summary
    >>> f"{summary(lambda: GoogLeNet(heads=False, norm=True), (3, 224, 224)).parameters:,}"
    '6,624,904'
    """

    def __init__(self, num_classes=1000, norm=False, heads=True, in_channels=3, width=1.0, size=224):
        a, b = int(64 * width), int(192 * width)
        self.conv1 = Unit(in_channels, a, 7, 2, 3, norm=norm)
        self.conv2, self.conv3 = Unit(a, a, 1, norm=norm), Unit(a, b, 3, padding=1, norm=norm)
        self.lrn = None if norm else nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)
        self.last_pool = 2 if norm else 3
        channels = b
        for name, filters in MODULES.items():
            module = Inception(channels, [int(n * width) for n in filters], norm, 3 if norm else 5)
            setattr(self, name, module)
            channels = module.out_channels
            if heads and name in HEADS:
                setattr(self, HEADS[name], Head(channels, num_classes, size // 16, width, norm))
        self.has_heads = heads
        self.dropout, self.fc = nn.Dropout(0.2 if norm else 0.4), nn.Linear(channels, num_classes)

    def forward(self, x):
        x = halve(self.conv1(x))
        x = self.conv3(self.conv2(self.lrn(x) if self.lrn else x))
        x, extra = self.lrn(x) if self.lrn else x, []
        for name in MODULES:
            if name in POOLED_BEFORE:
                x = halve(x, self.last_pool if name == "inception5a" else 3)
            x = getattr(self, name)(x)
            if self.training and self.has_heads and name in HEADS:
                extra.append(getattr(self, HEADS[name])(x))
        scores = self.fc(self.dropout(F.global_avg_pool2d(x)))
        return [scores, *extra] if extra else scores


def loss_with_heads(outputs, labels, part=0.3):
    """The cross-entropy of the scores, and a part of that of each auxiliary head: the paper's 0.3."""
    scores, *extra = outputs
    loss = F.cross_entropy(scores, labels)
    for head in extra:
        loss = loss + F.cross_entropy(head, labels) * part
    return loss


def halve(x, kernel_size=3):
    """Max pooling at stride 2 that rounds up, as Caffe's: behind a ReLU, a rim of zeros does no harm."""
    bottom, right = ((kernel_size - n) % 2 for n in x.shape[2:])
    return F.max_pool2d(F.pad(x, padding=(0, bottom, 0, right)), kernel_size=kernel_size, stride=2)


def small(in_channels=1, num_classes=10, width=4):
    """Two modules with a pooling between them, for small images; width: the filters of 5 x 5 in the first."""
    first = Inception(4 * width, (2 * width, width, 2 * width, width, width, width))
    second = Inception(first.out_channels, (3 * width, 2 * width, 4 * width, width, 2 * width, 2 * width))
    return nn.Sequential(
        nn.Conv2d(in_channels, 4 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        first, nn.MaxPool2d(2), second,
        nn.GlobalAvgPool2d(), nn.Linear(second.out_channels, num_classes),
    )  # fmt: skip
