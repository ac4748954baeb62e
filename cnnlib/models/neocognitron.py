"""The Neocognitron's sandwich: planes of S cells that detect, planes of C cells that forgive a shift, again and again.

Here S cells are convolutions with a ReLU, and C cells pool: they take the root of the sum of squares over a window, or
the mean. Fukushima's network learned without a teacher; this one is trained by gradients like all others.

Source: Samara, "A bit of history: Neocognitron" (s1:742-748); Princeton, the same (s3:121-127); K. Fukushima,
"Neocognitron: A Self-organizing Neural Network Model", Biological Cybernetics 1980.
"""

from .. import nn

PLANES = (8, 16, 24)  # of each layer; Fukushima had 24 in each
POOLINGS = {"l2": nn.L2Pool2d, "average": nn.AvgPool2d}


def neocognitron(in_channels=1, num_classes=10, planes=PLANES, size=32, pool="l2"):
    """Layers of S and C planes, S1, C1, S2, C2, ..., and a linear layer, for images of size x size.

    pool: what the C cells do, "l2" or "average". Raises ValueError for another pool, and where the image is too small.

    >>> neocognitron().count()
    8706
    """
    if pool not in POOLINGS:
        raise ValueError(f"pool is {pool!r}, but must be one of {', '.join(POOLINGS)}")
    if size < 2 ** len(planes):
        raise ValueError(f"{len(planes)} layers halve an image of {size} pixels until nothing is left")
    parts = {}
    for i, count in enumerate(planes, 1):
        parts[f"S{i}"] = nn.Sequential(nn.Conv2d(in_channels, count, 5 if i == 1 else 3, padding="same"), nn.ReLU())
        parts[f"C{i}"] = POOLINGS[pool](2)
        in_channels, size = count, size // 2
    return nn.Sequential(parts | {"flatten": nn.Flatten(), "output": nn.Linear(in_channels * size**2, num_classes)})
