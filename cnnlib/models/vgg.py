"""VGG: nothing but 3 x 3 convolutions, twice or more between poolings.

Source: INRIA, "VGG very-deep CNN Architecture" (s2:1288-1301); K. Simonyan, A. Zisserman, "Very Deep Convolutional
Networks for Large-Scale Image Recognition", ICLR 2015 (table 1: columns A, B, D and E).
"""

from .. import nn

# Filters of each convolution; "M" halves the map. The number of a pattern counts its layers with weights.
PATTERNS = {
    11: (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    13: (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    16: (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"),
    19: (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"),
}


class VGG(nn.Module):
    """Convolutions by a pattern, then three fully connected layers of which two have `units` units.

    size: pixels of the square input. Raises ValueError where the pattern leaves nothing of it. Parts are named as in
    torchvision.
    """

    def __init__(self, pattern, num_classes=1000, in_channels=3, size=224, units=4096):
        parts, channels = [], in_channels
        for step in pattern:
            if step == "M":
                parts.append(nn.MaxPool2d(2))
                size //= 2
            else:
                parts += [nn.Conv2d(channels, step, 3, padding=1), nn.ReLU()]
                channels = step
        if not size:
            raise ValueError(f"the pattern halves the image {pattern.count('M')} times, and nothing is left of it")
        self.features = nn.Sequential(*parts)
        self.classifier = nn.Sequential(
            nn.Linear(channels * size * size, units), nn.ReLU(), nn.Dropout(),
            nn.Linear(units, units), nn.ReLU(), nn.Dropout(), nn.Linear(units, num_classes),
        )  # fmt: skip

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.reshape(len(x), -1))


def vgg(depth=16, **options):
    """VGG-11, 13, 16 or 19, at full size for images of 224 x 224. Raises ValueError for another depth.

    >>> from cnnlib import summary
    >>> f"{summary(lambda: vgg(16), (3, 224, 224)).parameters:,}"
    '138,357,544'
    """
    if depth not in PATTERNS:
        raise ValueError(f"depth is {depth}, but the paper has {', '.join(map(str, PATTERNS))}")
    return VGG(PATTERNS[depth], **options)


def small(in_channels=1, num_classes=10, size=32, width=8):
    """Two convolutions and a pooling, three times, for small images; width: the filters of the first two."""
    pattern = (width, width, "M", 2 * width, 2 * width, "M", 4 * width, 4 * width, "M")
    return VGG(pattern, num_classes, in_channels, size, units=8 * width)
