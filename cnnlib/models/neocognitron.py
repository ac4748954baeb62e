"""The Neocognitron's sandwich: planes of S cells that detect, planes of C cells that forgive a shift, again and again.

Here S cells are convolutions with a ReLU, and C cells take the root of the sum of squares over a window. Fukushima's
network learned without a teacher; this one is trained by gradients like all others.
Source: K. Fukushima, "Neocognitron", 1980; KAIST and Princeton, Neocognitron.
"""

from .. import nn


def neocognitron(in_channels=1, num_classes=10, planes=(8, 16, 24), size=32):
    """Three layers of S and C planes and a linear layer for images of size x size.

    >>> neocognitron().count()
    8706
    """
    parts, channels = {}, in_channels
    for k, count in enumerate(planes, 1):
        parts[f"S{k}"] = nn.Sequential(
            nn.Conv2d(channels, count, 3 if k > 1 else 5, padding=1 if k > 1 else 2), nn.ReLU()
        )
        parts[f"C{k}"] = nn.L2Pool2d(2)
        channels, size = count, size // 2
    if not size:
        raise ValueError(f"{len(planes)} layers halve the image until nothing is left: give a larger size")
    return nn.Sequential(parts | {"flatten": nn.Flatten(), "output": nn.Linear(channels * size * size, num_classes)})
