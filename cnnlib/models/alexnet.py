"""AlexNet: the network that won ImageNet in 2012, on two graphics cards.

Source: INRIA, "AlexNet CNN Architecture (2012)" (s2:1270-1282); A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet
Classification with Deep Convolutional Neural Networks", NIPS 2012. The later network on one card: A. Krizhevsky, "One
weird trick for parallelizing convolutional neural networks", 2014.
"""

from .. import nn
from ..arithmetic import output_size

TWO_CARDS = (96, 256, 384, 384, 256)  # filters of the five convolutions
ONE_CARD = (64, 192, 384, 256, 256)
UNITS = 4096  # of each fully connected layer but the last
NORM = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}  # alpha is divided by size here: the paper's 1e-4


def alexnet(num_classes=1000, width=1.0, size=227, in_channels=3):
    """The network of 2012. Layers 2, 4 and 5 are in two groups, one for each card, which saw only their own half.

    size: pixels of the square input; 227, not the paper's 224, is what its first layer fits. width: a part of all
    numbers of filters and units, for small ones.

    >>> alexnet(width=1/16, num_classes=10).count()
    227314
    """
    a, b, c, d, e, units = (int(n * width) for n in (*TWO_CARDS, UNITS))
    side = pooled_three_times(output_size(size, 11, 4))
    return nn.Sequential(
        {
            "conv1": nn.Conv2d(in_channels, a, 11, stride=4),
            "relu1": nn.ReLU(),
            "norm1": nn.LocalResponseNorm(**NORM),
            "pool1": nn.MaxPool2d(3, stride=2),
            "conv2": nn.Conv2d(a, b, 5, padding=2, groups=2),
            "relu2": nn.ReLU(),
            "norm2": nn.LocalResponseNorm(**NORM),
            "pool2": nn.MaxPool2d(3, stride=2),
            "conv3": nn.Conv2d(b, c, 3, padding=1),
            "relu3": nn.ReLU(),
            "conv4": nn.Conv2d(c, d, 3, padding=1, groups=2),
            "relu4": nn.ReLU(),
            "conv5": nn.Conv2d(d, e, 3, padding=1, groups=2),
            "relu5": nn.ReLU(),
            "pool5": nn.MaxPool2d(3, stride=2),
            "flatten": nn.Flatten(),
            "fc6": nn.Linear(e * side**2, units),
            "relu6": nn.ReLU(),
            "drop6": nn.Dropout(0.5),
            "fc7": nn.Linear(units, units),
            "relu7": nn.ReLU(),
            "drop7": nn.Dropout(0.5),
            "fc8": nn.Linear(units, num_classes),
        }
    )


def one_card(num_classes=1000, width=1.0, size=224, in_channels=3):
    """The network of 2014, which PyTorch's users know as AlexNet: fewer filters, no groups, no response norm.

    Parts are named as in torchvision.

    >>> from cnnlib import summary
    >>> f"{summary(one_card, (3, 224, 224)).parameters:,}"
    '61,100,840'
    """
    a, b, c, d, e, units = (int(n * width) for n in (*ONE_CARD, UNITS))
    side = pooled_three_times(output_size(size, 11, 4, padding=2))
    features = (
        nn.Conv2d(in_channels, a, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(a, b, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(b, c, 3, padding=1), nn.ReLU(),
        nn.Conv2d(c, d, 3, padding=1), nn.ReLU(),
        nn.Conv2d(d, e, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2),
    )  # fmt: skip
    classifier = (
        nn.Dropout(), nn.Linear(e * side**2, units), nn.ReLU(),
        nn.Dropout(), nn.Linear(units, units), nn.ReLU(),
        nn.Linear(units, num_classes),
    )  # fmt: skip
    return nn.Sequential(
        {"features": nn.Sequential(*features), "flatten": nn.Flatten(), "classifier": nn.Sequential(*classifier)}
    )


def small(in_channels=1, num_classes=10, width=1 / 16, size=67):
    """The network of 2012 with a sixteenth of its filters and units, for images of 67 x 67."""
    return alexnet(num_classes, width, size, in_channels)


def pooled_three_times(side):
    """The side of a map behind three poolings of 3 x 3 at stride 2."""
    for _ in range(3):
        side = output_size(side, 3, 2)
    return side
