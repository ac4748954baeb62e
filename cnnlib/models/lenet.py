"""LeNet-5, as its paper has it and as one would build it today.

Source: INRIA, "CNN architectures: LeNet (1998)" (s2:1218-1236); Y. LeCun, L. Bottou, Y. Bengio, P. Haffner,
"Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE 1998.
"""

import numpy as np

from .. import nn
from ..arithmetic import conv_params, linear_params
from ..autograd import functional as F

# The S2 maps that each of the 16 maps of C3 reads (table I of the paper): six times three neighbours, six times four,
# three times four with gaps, once all.
C3_TABLE = (
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6) for i in range(3)),
    tuple(range(6)),
)

# What the 84 units of F6 should show for each digit: a picture of 7 x 12 pixels, # for 1 and . for -1 (drawn anew).
DIGITS = """
.#####. ...##.. .#####. .#####. ....##. ####### .#####. ####### .#####. .#####.
##...## ..###.. ##...## ##...## ...###. ##..... ##...## .....## ##...## ##...##
##...## .####.. ##...## .....## ..####. ##..... ##..... .....## ##...## ##...##
##...## ...##.. .....## .....## .##.##. ##..... ##..... ....##. ##...## ##...##
##...## ...##.. ....##. .....## ##..##. ##..... ##..... ....##. ##...## ##...##
##...## ...##.. ...##.. ..####. ##..##. ######. ######. ...##.. .#####. ##...##
##...## ...##.. ..##... .....## ##..##. .....## ##...## ...##.. ##...## .######
##...## ...##.. .##.... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... .....## ....##. .....## ##...## .##.... ##...## .....##
##...## ...##.. ##..... ##...## ....##. ##...## ##...## .##.... ##...## ##...##
.#####. ..####. ####### .#####. ....##. .#####. .#####. .##.... .#####. .#####.
"""


def digit_patterns():
    """The pictures of the ten digits as (10, 84) numbers, each 1 or -1."""
    rows = [line.split() for line in DIGITS.split("\n") if line]
    pictures = ["".join(parts) for parts in zip(*rows, strict=True)]
    return np.array([[1 if pixel == "#" else -1 for pixel in picture] for picture in pictures], np.float32)


def c3_mask():
    """The connection table as (16, 6) ones and zeros: row k says which of the six S2 maps the map k of C3 reads.

    >>> int(c3_mask().sum())
    60
    """
    mask = np.zeros((16, 6), int)
    for k, maps in enumerate(C3_TABLE):
        mask[k, list(maps)] = 1
    return mask


def table(slides=True):
    """The numbers of trained parameters, layer by layer.

    slides: as the lecture counts, with a bias for every pair of input and output map in C5, no biases in F6 and the
    output; otherwise one bias for each filter and unit, 60,000 numbers together, as the paper says.

    >>> table()
    {'C1': 156, 'S2': 12, 'C3': 1516, 'S4': 32, 'C5': 49920, 'F6': 10080, 'output': 840}
    >>> table(slides=False)
    {'C1': 156, 'S2': 12, 'C3': 1516, 'S4': 32, 'C5': 48120, 'F6': 10164, 'output': 850}
    """
    c3 = sum(conv_params(len(maps), 1, 5) for maps in C3_TABLE)
    c5 = 16 * 120 * (5 * 5 + 1) if slides else conv_params(16, 120, 5)
    f6, output = linear_params(120, 84, bias=not slides), linear_params(84, 10, bias=not slides)
    return {"C1": conv_params(1, 6, 5), "S2": 2 * 6, "C3": c3, "S4": 2 * 16, "C5": c5, "F6": f6, "output": output}


class Subsampling(nn.Module):
    """The mean of 2 x 2 pixels, times a trained coefficient and plus a trained bias for each map, squashed."""

    def __init__(self, channels):
        self.weight = nn.Parameter(nn.constant((1, channels, 1, 1), 1))
        self.bias = nn.Parameter(nn.constant((1, channels, 1, 1)))

    def forward(self, x):
        return squash(F.avg_pool2d(x, kernel_size=2) * self.weight + self.bias)


class TableConv(nn.Module):
    """A convolution in which each filter reads the maps that a table names."""

    def __init__(self, table, kernel_size):
        self.table = table
        for k, maps in enumerate(table):
            setattr(self, f"map{k}", nn.Conv2d(len(maps), 1, kernel_size))

    def forward(self, x):
        parts = [getattr(self, f"map{k}")(x[:, list(maps)]) for k, maps in enumerate(self.table)]
        return F.concatenate(*parts)


class LeNet5(nn.Module):
    """The network of 1998: images of 32 x 32, ten scores.

    output="rbf" has the paper's output: the squared distance of the 84 units of F6 to a fixed picture of each digit; as
    larger scores are better, its negative is given. output="linear" has 84 weights for each class instead. Raises
    ValueError for another output, and for other than ten classes with pictures of ten digits.

    >>> LeNet5("rbf").count(), LeNet5("linear").count()
    (60000, 60850)
    """

    def __init__(self, output="rbf", num_classes=10, in_channels=1):
        if output not in ("rbf", "linear"):
            raise ValueError(f"output is {output!r}, but must be 'rbf' or 'linear'")
        if output == "rbf" and num_classes != 10:
            raise ValueError(f"there are pictures of 10 digits, but num_classes is {num_classes}: take output='linear'")
        self.c1, self.s2 = nn.Conv2d(in_channels, 6, 5), Subsampling(6)
        self.c3, self.s4 = TableConv(C3_TABLE, 5), Subsampling(16)
        self.c5, self.f6 = nn.Conv2d(16, 120, 5), nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes) if output == "linear" else Distances(digit_patterns())

    def forward(self, x):
        x = self.s2(squash(self.c1(x)))
        x = self.s4(squash(self.c3(x)))
        x = F.flatten(squash(self.c5(x)))
        return self.output(squash(self.f6(x)))


class Distances(nn.Module):
    """The negative squared distance of each row of x (N, D) to each of the fixed patterns (classes, D).

    |x - p|² is |x|² - 2 x·p + |p|². The patterns are not trained.
    """

    def __init__(self, patterns):
        self.patterns = patterns

    def forward(self, x):
        squares = (x * x).sum(axis=1, keepdims=True)
        return (x @ self.patterns.T) * 2 - squares - (self.patterns**2).sum(axis=1)


def lenet5(in_channels=1, num_classes=10):
    """LeNet-5 with today's parts, which learns faster: ReLU, max pooling, every filter reads every map, linear scores.

    >>> lenet5().count()
    61706
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 5 * 5, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, num_classes),
    )  # fmt: skip


def squash(x):
    """1.7159 tanh(2x/3): slope near 1 at 0, and ±1 at ±1, so that targets of ±1 are not at infinity."""
    return F.tanh(x * (2 / 3)) * 1.7159
