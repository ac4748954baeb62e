"""MSDNet: coarse and fine features from the first layer on, dense connections, and an answer at several depths.

The network may be stopped at any time: every classifier's answer uses all that was computed before it.
Source: INRIA, "Multi-scale Dense Convolutional Networks" (s2:1868-1887); G. Huang et al., "Multi-Scale Dense Networks
for Resource Efficient Image Classification", 2017.
"""

import numpy as np

from .. import nn
from ..autograd import functional as F
from ..blueprint import summary

# For CIFAR images of 32 x 32 pixels: README of the authors' PyTorch program, "anytime prediction".
CIFAR = {
    "steps": (4, 2, 2, 2, 2, 2, 2),  # layers before each classifier
    "channels": 16,  # of the first layer, and
    "growth": 6,  # what every layer adds, both at the finest scale
    "factors": (1, 2, 4),  # each scale has so many times more, from fine to coarse
    "bottlenecks": (1, 2, 4),  # 1 x 1 filters before a 3 x 3 layer, for each of its filters
    "reduction": 0.5,  # what is left of the channels where a scale ends
    "classifier": 128,
}
SMALL = {"steps": (2, 1, 1), "channels": 6, "growth": 4, "classifier": 16}  # for images of 16 x 16 pixels


class MSDNet(nn.Module):
    """Images (N, in_channels, H, W) to a list of scores (N, num_classes), from the first classifier to the last.

    steps: how many layers come before each classifier; factors: one for every scale. The layers are divided evenly
    among the scales, and with each part of them the finest scale ends: its features serve no classifier any more, for
    these look at the coarsest scale only. There a 1 x 1 layer leaves `reduction` of the channels of the others.

    >>> from cnnlib import summary
    >>> summary(lambda: MSDNet(), (3, 32, 32)).output_shape
    (100,)
    """

    def __init__(self, in_channels=3, num_classes=100, **changes):
        options = {**CIFAR, **changes}
        factors, bottlenecks = options["factors"], options["bottlenecks"]
        growths = [options["growth"] * f for f in factors]
        layers, scales = sum(options["steps"]), len(factors)
        per_scale = -(-layers // scales)

        self.first, channels = First(in_channels, [options["channels"] * f for f in factors]), options["channels"]
        self.blocks, self.classifiers, made = [], [], 0
        for step in options["steps"]:
            block = []
            for _ in range(step):
                ended = made // per_scale  # scales that have ended, after this layer
                drop = ended - max(made - 1, 0) // per_scale
                kept = slice(ended - drop, None)
                widths = [channels * f for f in factors[kept]]
                block.append(Layer(widths, growths[kept], bottlenecks[kept], drop))
                channels += options["growth"]
                if drop and options["reduction"]:
                    fewer = int(channels * options["reduction"])
                    block.append(Reduce([(channels * f, fewer * f) for f in factors[ended:]]))
                    channels = fewer
                made += 1
            self.blocks.append(nn.Sequential(*block))
            self.classifiers.append(classifier(channels * factors[-1], options["classifier"], num_classes))

    def anytime(self, x):
        """The scores of one classifier after the other; nothing beyond is computed before the next one is asked for.

        >>> net = small(1, 10)
        >>> answers = net.anytime(np.zeros((1, 1, 16, 16), np.float32))
        >>> next(answers).shape  # the time is up: the rest is never computed
        (1, 10)
        """
        maps = self.first(x)
        for block, answer in zip(self.blocks, self.classifiers, strict=True):
            maps = block(maps)
            yield answer(maps[-1])

    def forward(self, x):
        return list(self.anytime(x))


class First(nn.Module):
    """The first layer: the image at every scale, each from the finer one by a convolution of stride 2."""

    def __init__(self, in_channels, widths):
        self.layers = []
        for i, width in enumerate(widths):
            self.layers.append(nn.Sequential(*conv(in_channels, width, stride=2 if i else 1)))
            in_channels = width

    def forward(self, x):
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps


class Layer(nn.Module):
    """One layer at all scales: each keeps what it has, and adds features from itself and from the finer scale.

    widths, growths, bottlenecks: of the scales that come in, from fine to coarse; drop: how many of the finest end.
    """

    def __init__(self, widths, growths, bottlenecks, drop=0):
        self.drop, self.same, self.down = drop, [], []
        for s in range(drop, len(widths)):
            new = growths[s] // 2 if s else growths[s]  # half of the new features come from the finer scale
            self.same.append(reduced(widths[s], new, bottlenecks[s]))
            self.down.append(reduced(widths[s - 1], new, bottlenecks[s - 1], stride=2) if s else None)

    def forward(self, maps):
        out = []
        for s, (same, down) in enumerate(zip(self.same, self.down, strict=True), self.drop):
            finer = [down(maps[s - 1])] if down else []
            out.append(F.concatenate(maps[s], *finer, same(maps[s])))
        return out


class Reduce(nn.Module):
    """A 1 x 1 layer for every scale. widths: pairs of channels in and out."""

    def __init__(self, widths):
        self.layers = [nn.Sequential(*conv(before, after, 1)) for before, after in widths]

    def forward(self, maps):
        return [layer(x) for layer, x in zip(self.layers, maps, strict=True)]


def conv(in_channels, out_channels, kernel_size=3, stride=1):
    """Convolution, batch normalisation and ReLU, as a list of parts."""
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
    return [layer, nn.BatchNorm2d(out_channels), nn.ReLU()]


def reduced(in_channels, out_channels, bottleneck, stride=1):
    """A 1 x 1 layer of bottleneck filters for each output, but no more than there are inputs; then the 3 x 3 layer."""
    inner = min(in_channels, bottleneck * out_channels)
    return nn.Sequential(*conv(in_channels, inner, 1), *conv(inner, out_channels, stride=stride))


def classifier(in_channels, width, num_classes):
    """Two convolutions of stride 2, the mean over what is left, a linear layer."""
    parts = *conv(in_channels, width, stride=2), *conv(width, width, stride=2)
    return nn.Sequential(*parts, nn.GlobalAvgPool2d(), nn.Linear(width, num_classes))


def small(in_channels=1, num_classes=10, **options):
    """Three classifiers, for images of 16 x 16 pixels and more."""
    return MSDNet(in_channels, num_classes, **{**SMALL, **options})


# ------------------------------------------------------------------------------------------------- to train and to stop


def loss(scores, labels):
    """The sum of the classifiers' cross-entropies: all count alike, as in the paper."""
    return F.add(*(F.cross_entropy(answer, labels) for answer in scores))


def costs(net, input_shape):
    """The multiply-adds up to each classifier's answer, with all answers before it, as an array."""
    rows = summary(net, input_shape).rows
    ends = [i for i, row in enumerate(rows) if row.op == "linear"]
    return np.cumsum([row.multiply_adds for row in rows])[ends]


def predict_within(net, x, budget):
    """The scores of the last classifier whose cost is within the budget of multiply-adds an image: (N, classes).

    Raises ValueError where the budget is too small for the first.
    """
    affordable = np.count_nonzero(costs(net, x.shape[1:]) <= budget)
    if not affordable:
        raise ValueError(
            f"the budget is {budget}, but the first answer costs {costs(net, x.shape[1:])[0]} multiply-adds"
        )
    answers = net.anytime(x)
    for _ in range(affordable):
        out = next(answers)
    return out.data


def exits(scores, threshold):
    """Where each image of a batch may leave: at the first classifier that is surer than threshold, else at the last.

    scores: a list of arrays (N, classes). Returns the classes (N,) and the numbers of the classifiers (N,).

    >>> exits([np.array([[9.0, 0.0], [0.1, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])], threshold=0.9)
    (array([0, 1]), array([0, 1]))
    """
    scores = np.stack(scores)
    powers = np.exp(scores - scores.max(axis=2, keepdims=True))
    sure = (powers.max(axis=2) / powers.sum(axis=2)) > threshold  # (classifiers, N)
    sure[-1] = True
    depth = sure.argmax(axis=0)
    return scores.argmax(axis=2)[depth, np.arange(len(depth))], depth
