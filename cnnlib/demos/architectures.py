"""Lesson 08: whole networks, drawn and counted."""

import numpy as np

from .. import data, models, nn, training
from ..autograd import Tensor
from ..autograd import functional as F
from ..blueprint import summary
from ..plot import BLUE, GREY, INK, ORANGE, PALE, Board, axes, image, picture, tint

KINDS = {
    "conv2d": ORANGE,
    "linear": GREY,
    "max_pool2d": BLUE,
    "avg_pool2d": BLUE,
    "l2_pool2d": BLUE,
    "global_avg_pool2d": BLUE,
}
FAMILY = {  # the networks of the lecture at full size, by year
    "LeNet-5": (models.lenet.LeNet5, (1, 32, 32)),
    "AlexNet": (models.alexnet.alexnet, (3, 227, 227)),
    "VGG-16": (lambda: models.vgg.vgg(16), (3, 224, 224)),
    "GoogLeNet": (lambda: models.googlenet.GoogLeNet(heads=False), (3, 224, 224)),
    "ResNet-50": (lambda: models.resnet.resnet(50), (3, 224, 224)),
    "DenseNet-121": (lambda: models.densenet.densenet(121), (3, 224, 224)),
}


@picture(
    "The network as a row of boxes from input to scores: a box's height is the size of its maps, its width grows with the "
    "number of channels, which stands under it. Convolutions are orange, poolings blue, fully connected layers grey."
)
def network(model, input_shape, most=24):
    """Any network on paper, without its activations and norms. model, input_shape: as for `cnnlib.summary`.

    most: where there are more layers than this, only those that change the size of the maps are drawn, and the last.
    """
    table = summary(model, input_shape)
    rows = [row for row in table.rows if row.op in KINDS]
    if len(rows) > most:
        rows = [
            row
            for before, row in zip([None, *rows], rows, strict=False)
            if before is None or row.shape[1:] != before.shape[1:]
        ]
    boxes = [("input", tuple(input_shape), tint(BLUE, 0.2))]
    boxes += [(row.op, row.shape, tint(KINDS[row.op], 0.5)) for row in rows]
    sizes = [max(shape[1:], default=1) for _, shape, _ in boxes]
    widths = np.array([0.35 + 0.16 * np.log2(shape[0]) for _, shape, _ in boxes])
    gap = min(1.6, 19.4 / len(boxes) - min(1, 12 / sum(widths)) * widths.mean())
    widths *= (19.4 - gap * len(boxes)) / sum(widths)
    widths = np.minimum(widths, 1.6)
    board, x, middle, starts = Board(20.5, 8, cell=0.5), 0.6, 3.6, {}
    for (op, shape, colour), size, width in zip(boxes, sizes, widths, strict=True):
        height = 0.5 + 4.4 * np.sqrt(size / max(sizes))
        if op == "linear" or len(shape) == 1:
            height = 0.5 + 0.3 * np.log2(shape[0])
        board.frame(x, middle - height / 2, height, width, colour=GREY, line=1.2, fill=True, facecolor=colour)
        board.text(x + width / 2, 6.4, shape[0], 14 if len(boxes) < 14 else 11)
        starts.setdefault(shape[1:], []).append((x, x + width))
        x += width + gap
    for shape, places in starts.items():
        left, right = places[0][0], places[-1][1]
        board.ax.plot([left, right], [6.85, 6.85], color=GREY, lw=1.5)
        words = "×".join(map(str, shape)) if max(shape, default=1) > 1 else "fully connected"
        board.text((left + right) / 2, 7.4, words, 13 if right - left > 1.6 or len(words) < 6 else 11)
    name = table.name if table.name != "Sequential" else getattr(model, "__name__", "network")
    words = f"{name}: {table.parameters:,} parameters, {table.multiply_adds:,} multiply-adds"
    board.text(0.6, 0.4, words, 15, ha="left")
    return board


@picture(
    "Four panels of bars for {names}: parameters, multiply-adds, depth in layers with weights, and receptive field before the "
    "last pooling. VGG-16 has most parameters and work; ResNet and DenseNet are far deeper with far fewer of both."
)
def zoo(names=tuple(FAMILY)):
    """The networks of the lecture side by side, counted on paper."""
    tables = {name: summary(*FAMILY[name]) for name in names}
    panels = {
        "parameters": [t.parameters for t in tables.values()],
        "multiply-adds": [t.multiply_adds for t in tables.values()],
        "layers with weights": [t.depth for t in tables.values()],
        "receptive field (pixels)": [_field(t) for t in tables.values()],
    }
    figure, panes = axes(2, 2, width=10.4, height=6.2)
    for ax, (title, numbers) in zip(panes.flat, panels.items(), strict=True):
        log = title in ("parameters", "multiply-adds")
        bars = ax.barh(list(tables), numbers, color=ORANGE)
        ax.bar_label(bars, [f" {_human(n) if log else f'{n:,}'}" for n in numbers], fontsize=13)
        ax.set(title=title, xscale="log" if log else "linear")
        ax.set_xlim(min(numbers) / 4 if log else 0, max(numbers) * (30 if log else 1.3))
        ax.set_xticks([])
        ax.minorticks_off()
        ax.invert_yaxis()
    return figure


def _field(table):
    fields = [row.receptive_field[0] for row in table.rows]
    return int(max(field for field in fields if np.isfinite(field)))


def _human(n):
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return str(n)


@picture(
    "The connection table of LeNet's layer C3: a row for each of the 6 maps of S2, a column for each of the 16 maps of C3; "
    "60 of the 96 cells are filled."
)
def c3_table():
    """Which maps of S2 each map of C3 reads."""
    mask = models.lenet.c3_mask().T
    board = Board(21, 8, cell=0.5)
    fill = [[tint(ORANGE, 0.6) if cell else PALE for cell in row] for row in mask]
    board.block(2, 1.7, mask, fill=fill, numbers=False)
    for k in range(16):
        board.text(2.5 + k, 1.25, k, 14)
    for i in range(6):
        board.text(1.6, 2.2 + i, i, 14)
    board.text(10, 0.5, "maps of C3", 16)
    board.text(0.7, 4.7, "maps of S2", 16, rotation=90)
    board.text(19.5, 4.7, f"{mask.sum()} of {mask.size}", 16, ORANGE)
    return board


@picture(
    "The norm of the gradient that arrives at the output of each of {depth} convolutions, from the input to the scores, on a "
    "logarithmic axis, for a plain, a residual and a dense network before any training; how much it falls or grows on its "
    "way back to the first layer is written in the legend."
)
def gradient_by_depth(depth=25, scale=0.7, size=12, seed=0):
    """Measured, not claimed: one batch of digits, one way back through each network.

    scale: the first weights as a part of He's; 1 is He's own start.
    """
    train, _ = data.digits(size=size)
    x, y = Tensor(train.x[:64]), train.y[:64]
    figure, ax = axes(width=10, height=4)
    for kind, colour, mark in zip(("plain", "residual", "dense"), (GREY, ORANGE, BLUE), "sod", strict=True):
        nn.manual_seed(seed)
        net = Chain(kind, depth, scale)
        F.cross_entropy(net(x), y).backward()
        norms = [np.linalg.norm(out.grad) for out in net.outputs]
        times = max(norms[0] / norms[-1], norms[-1] / norms[0])
        way = "falls to 1/" if norms[0] < norms[-1] else "grows × "
        label = f"{kind}: {way}{float(f'{times:.2g}'):,g}"
        ax.semilogy(range(1, depth + 1), norms, color=colour, marker=mark, ms=6, lw=2, label=label)
    ax.set(xlabel="convolution, from input to scores", ylabel="|gradient|")
    ax.legend(fontsize=13)
    return figure


class Chain(nn.Module):
    """3 x 3 convolutions with ReLU and without batch norm: plain, with a way around each, or each reading all before."""

    def __init__(self, kind, depth, scale, width=8):
        self.kind, self.outputs = kind, []
        read = [1 + i * width if kind == "dense" else width if i else 1 for i in range(depth)]
        self.layers = [nn.Conv2d(channels, width, 3, padding=1) for channels in read]
        for layer in self.layers:
            layer.weight.data *= scale
        self.fc = nn.Linear(1 + depth * width if kind == "dense" else width, 10)

    def forward(self, x):
        self.outputs = []
        for layer in self.layers:
            out = layer(x).retain_grad()
            self.outputs.append(out)
            if self.kind == "dense":
                x = F.concatenate(x, F.relu(out))
            else:
                x = F.relu(out) + x if self.kind == "residual" and self.outputs[1:] else F.relu(out)
        return self.fc(F.global_avg_pool2d(x))


@picture(
    "Left: loss and held-out accuracy of LeNet-5 on handwritten digits by epoch. Right: digits that it never saw, each with "
    "the class it gives; where that is wrong, the right one stands beside it in orange."
)
def lenet_on_digits(epochs=10, own=None):
    """Trains LeNet-5 now. own: pairs of passes that take the library's place, as `cnnlib.use` takes them."""
    from ..passes import use

    train, test = data.digits(size=32)
    nn.manual_seed(0)
    net = models.lenet.lenet5()
    with use(**(own or {})) as used:
        history = training.fit(
            net, train.x, train.y, epochs=epochs, batch_size=32, lr=0.02, validation=test, progress=False
        )
    scores = training.predict(net, test.x)
    figure, panes = axes(2, width=10.5, height=4.2, width_ratios=[1, 1.25])
    epochs_run = range(1, history.epochs + 1)
    panes[0].plot(epochs_run, history.loss, color=GREY, marker="s", lw=2.5, label="loss")
    panes[0].plot(epochs_run, history.validation_accuracy, color=ORANGE, marker="o", lw=2.5, label="held-out accuracy")
    panes[0].axhline(0.97, color=INK, lw=1, ls=":")
    panes[0].set(title=f"held-out accuracy {history.validation_accuracy[-1]:.1%}", xlabel="epoch", ylim=(0, 1.5))
    panes[0].legend(fontsize=12)
    found = scores.argmax(1)
    wrong = np.flatnonzero(found != test.y)[:6]
    shown = [*wrong, *np.flatnonzero(found == test.y)[: 18 - len(wrong)]]
    wall = np.ones((3 * TILE, 6 * TILE))
    image(panes[1], wall, _whose(used), vmin=0, vmax=1)
    for k, at in enumerate(shown):
        y, x = np.multiply(divmod(k, 6), TILE)
        wall[y + 12 : y + 44, x + 2 : x + 34] = 1 - test.x[at, 0]
        right = found[at] == test.y[at]
        words = f"{found[at]}" if right else f"{found[at]}, not {test.y[at]}"
        panes[1].text(
            x + 18, y + 6, words, fontsize=12, color=BLUE if right else ORANGE, ha="center", va="center", weight="bold"
        )
    panes[1].images[0].set_data(wall)
    return figure


TILE = 48  # pixels from one digit to the next: 32, and room for the class


def _whose(used):
    """Whose passes did the work, in two lines."""
    mine = [f"{name} {pair.forward_calls + pair.backward_calls:,}×" for name, pair in used.items()]
    return "passes: all the library's" if not mine else "your passes, called\n" + ", ".join(mine)
