"""AlexNet: the network that won ImageNet in 2012, on two graphics cards.

Source: A. Krizhevsky, I. Sutskever and G. Hinton, "ImageNet Classification with Deep CNNs", 2012; INRIA, AlexNet.
"""

from .. import nn
from ..arithmetic import output_size


def alexnet(num_classes=1000, width=1.0, size=227):
    """The network of 2012. Layers 2, 4 and 5 are in two groups, one for each card, which saw only their own half.

    size: pixels of the square input; 227, not the paper's 224, is what its first layer fits. width: a part of all
    numbers of filters and units, for small ones.

    >>> alexnet(width=1/16, num_classes=10).count()
    227314
    """
    a, b, c, units = (int(n * width) for n in (96, 256, 384, 4096))
    norm = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}  # alpha is divided by size here, so 1e-4 of the paper
    side = output_size(size, 11, 4)
    for _ in range(3):  # poolings
        side = output_size(side, 3, 2)
    return nn.Sequential({
        "conv1": nn.Conv2d(3, a, 11, stride=4), "relu1": nn.ReLU(), "norm1": nn.LocalResponseNorm(**norm), "pool1": nn.MaxPool2d(3, 2),
        "conv2": nn.Conv2d(a, b, 5, padding=2, groups=2), "relu2": nn.ReLU(), "norm2": nn.LocalResponseNorm(**norm), "pool2": nn.MaxPool2d(3, 2),
        "conv3": nn.Conv2d(b, c, 3, padding=1), "relu3": nn.ReLU(),
        "conv4": nn.Conv2d(c, c, 3, padding=1, groups=2), "relu4": nn.ReLU(),
        "conv5": nn.Conv2d(c, b, 3, padding=1, groups=2), "relu5": nn.ReLU(), "pool5": nn.MaxPool2d(3, 2),
        "flatten": nn.Flatten(),
        "fc6": nn.Linear(b * side * side, units), "relu6": nn.ReLU(), "drop6": nn.Dropout(0.5),
        "fc7": nn.Linear(units, units), "relu7": nn.ReLU(), "drop7": nn.Dropout(0.5),
        "fc8": nn.Linear(units, num_classes),
    })  # fmt: skip
