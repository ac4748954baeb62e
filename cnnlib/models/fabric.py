"""Convolutional neural fabrics: a grid of layers and scales that holds a great many networks, and a search among them.

Each node adds up what comes from the layer before: from the finer scale, the same, and the coarser. A chain of
convolutions and poolings is one path through the grid, a U-Net a few. Every connection has a strength that is learned;
a penalty on what the connections cost lets the weak ones die, and what is left is a network for the budget.
Source: INRIA, "Convolutional neural fabrics" (s2:1797-1850); S. Saxena, J. Verbeek, "Convolutional Neural Fabrics",
NIPS 2016; T. Veniat, L. Denoyer, "Learning Time/Memory-Efficient Deep Architectures with Budgeted Super Networks",
2017.
"""

from .. import nn
from ..autograd import functional as F
from ..blueprint import summary
from ._parts import divides

# For CIFAR images: scales of 32, 16, 8, 4, 2 and 1 pixels. (The paper connects each channel with three channels only;
# here all are connected.)
CIFAR = {"layers": 8, "scales": 6, "channels": 64}
SMALL = {"layers": 3, "scales": 3, "channels": 6}
TASKS = ("classification", "segmentation")


class Fabric(nn.Module):
    """Images (N, in_channels, H, W) to scores: (N, num_classes), or for the task "segmentation" (N, num_classes, H, W).

    layers, scales: of the grid; the finest scale has the size of the image; channels: the same at every node. The image
    enters at the finest scale of the first layer, and within this layer goes down to the coarser ones. In the last
    layer connections lead towards the output: down to the coarsest scale for classification, up to the finest for
    segmentation. H and W must divide by 2 to the number of scales but one; ValueError
    where they do not.

    >>> from cnnlib import summary
    >>> summary(lambda: Fabric(task="segmentation"), (3, 32, 32)).output_shape
    (10, 32, 32)
    """

    def __init__(self, in_channels=3, num_classes=10, layers=8, scales=6, channels=64, task="classification"):
        if task not in TASKS:
            raise ValueError(f"task is {task!r}, but must be one of {', '.join(TASKS)}")
        self.first = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.nodes = {name(*node): Node(channels) for node in grid(layers, scales)}
        self.edges = {
            f"{name(*a)}>{name(*b)}": Edge(channels, b[1] - a[1]) for a, b in connections(layers, scales, task)
        }
        self.output = nn.Linear(channels, num_classes) if task == TASKS[0] else nn.Conv2d(channels, num_classes, 1)
        self.end = name(layers - 1, scales - 1 if task == TASKS[0] else 0)
        self.task, self.scales = task, scales

    def forward(self, x):
        arriving, maps = {name(0, 0): [self.first(x)]}, {}
        divides(x, 2 ** (self.scales - 1))
        for edge, (start, stop) in self.in_order():
            if start in arriving and start not in maps:
                maps[start] = self.nodes[start](arriving[start])
            if start in maps:
                arriving.setdefault(stop, []).append(edge(maps[start]))
        out = self.nodes[self.end](arriving[self.end])
        return self.output(F.global_avg_pool2d(out) if self.task == TASKS[0] else out)

    def in_order(self):
        """The living edges with the names of both their nodes; what leads into a node comes before what leads out."""
        return [(edge, key.split(">")) for key, edge in self.edges.items() if edge.alive]

    def strengths(self):
        """The strength of every living edge, from 0 to 1, by its name: "1.0>2.1" leads from layer 1 to layer 2."""
        return {key: F.sigmoid(edge.strength).data.item() for key, edge in self.edges.items() if edge.alive}

    def costs(self, input_shape):
        """The multiply-adds of every living edge for one image of this shape (C, H, W), by its name."""
        rows = summary(self, input_shape).rows
        return {key: sum(r.multiply_adds for r in rows if r.path == f"edges.{key}.conv") for key in self.strengths()}

    def expected_cost(self, costs):
        """The sum of the edges' costs, each times its strength, as a Tensor: what a search keeps within a budget."""
        parts = [F.sigmoid(edge.strength).sum() * costs[key] for key, edge in self.edges.items() if edge.alive]
        return F.add(*parts)

    def survivors(self, threshold):
        """The edges that are at least as strong as threshold and lie on a path of such from the image to the output."""
        alive = {key for key, strength in self.strengths().items() if strength >= threshold}
        edges = [(key, *ends) for (_, ends), key in zip(self.in_order(), self.strengths(), strict=True) if key in alive]
        reached, needed = {name(0, 0)}, {self.end}
        for _, start, stop in edges:
            if start in reached:
                reached.add(stop)
        for _, start, stop in reversed(edges):
            if stop in needed:
                needed.add(start)
        return [key for key, start, stop in edges if start in reached and stop in needed]

    def prune(self, threshold=0.5):
        """Lets die every edge that is weaker than threshold, and all that then lead nowhere or come from nowhere.

        Returns the names of those that live. Raises ValueError, and changes nothing, where no path would be left.
        """
        left = self.survivors(threshold)
        if not left:
            raise ValueError(f"with a threshold of {threshold} no path leads through the fabric: take a lower one")
        for key, edge in self.edges.items():
            edge.alive = key in left
        return left

    def prune_to(self, costs, budget):
        """Lets die the weakest edges, as many as it takes for the others to cost no more than the budget.

        costs: from `costs`. Returns the names of those that live. Raises ValueError where no path is so cheap.
        """
        for threshold in sorted(self.strengths().values()):
            left = self.survivors(threshold)
            if left and sum(costs[key] for key in left) <= budget:
                return self.prune(threshold)
        raise ValueError(f"the budget is {budget}, but the strongest path alone costs more")


class Node(nn.Module):
    """The sum of what arrives, batch normalised, and a ReLU."""

    def __init__(self, channels):
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, arriving):
        return F.relu(self.norm(F.add(*arriving)))


class Edge(nn.Module):
    """A 3 x 3 convolution times a strength between 0 and 1; down: 1 to the coarser scale, 0, or -1 to the finer.

    To the coarser scale by stride 2. To the finer one the pixels are put apart, zeros between them, and then convolved:
    that is a transposed convolution.
    """

    def __init__(self, channels, down):
        if down < 0:
            self.conv = nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1, output_padding=1, bias=False)
        else:
            self.conv = nn.Conv2d(channels, channels, 3, stride=2 if down else 1, padding=1, bias=False)
        self.strength = nn.Parameter(nn.constant((1, 1, 1, 1), 2))  # sigmoid(2) = 0.88: strong at first
        self.alive = True

    def forward(self, x):
        return self.conv(x) * F.sigmoid(self.strength)


def small(in_channels=1, num_classes=2, **options):
    """Three layers at three scales, for images whose sides divide by 4."""
    return Fabric(in_channels, num_classes, **{**SMALL, **options})


def budgeted_loss(net, scores, labels, costs, budget, weight=1.0):
    """Cross-entropy, and weight times the part by which the expected cost exceeds the budget, 0 within it.

    costs: from `net.costs`; budget: multiply-adds for one image. (Veniat and Denoyer draw connections at random and
    learn their probabilities by policy gradient; here every connection works at its strength, and all gradients are
    exact.)
    """
    over = F.relu(net.expected_cost(costs) / budget - 1)
    return F.cross_entropy(scores, labels) + over * weight


# ------------------------------------------------------------------------------------------------------------- the grid


def name(layer, scale):
    return f"{layer}.{scale}"


def grid(layers, scales):
    """All nodes: pairs of layer and scale."""
    return [(layer, scale) for layer in range(layers) for scale in range(scales)]


def connections(layers, scales, task):
    """All edges, pairs of nodes, so ordered that what leads into a node comes before what leads out of it.

    >>> connections(2, 2, "classification")  # down in the first layer, to the right, down in the last layer
    [((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 1), (1, 0)), ((0, 0), (1, 1)), ((0, 1), (1, 1)), ((1, 0), (1, 1))]
    """
    edges = [((0, s), (0, s + 1)) for s in range(scales - 1)]
    for layer in range(1, layers):
        for scale in range(scales):
            near = [s for s in (scale - 1, scale, scale + 1) if 0 <= s < scales]
            edges += [((layer - 1, s), (layer, scale)) for s in near]
    last = layers - 1
    if task == TASKS[0]:
        edges += [((last, s), (last, s + 1)) for s in range(scales - 1)]
    else:
        edges += [((last, s + 1), (last, s)) for s in reversed(range(scales - 1))]
    return edges
