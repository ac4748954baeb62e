"""Lesson 02: gradients that flow backward through a graph of simple functions."""

import time

import numpy as np

from .. import data, ops
from ..plot import BLUE, GREY, INK, ORANGE, SIGNED, Board, axes, flipbook, image, picture, tint

# Logistic regression of one example as a cascade: name, formula, inputs, forward, local derivatives by each input.
CASCADE = {
    "w": ("w", (), None, None),
    "x": ("x", (), None, None),
    "b": ("b", (), None, None),
    "p": ("w · x", ("w", "x"), lambda w, x: w * x, lambda w, x: (x, w)),
    "s": ("p + b", ("p", "b"), lambda p, b: p + b, lambda p, b: (1, 1)),
    "σ": ("sigmoid(s)", ("s",), lambda s: 1 / (1 + np.exp(-s)), lambda s: (np.exp(-s) / (1 + np.exp(-s)) ** 2,)),
    "L": ("−ln σ", ("σ",), lambda y: -np.log(y), lambda y: (-1 / y,)),
}
PLACES = {
    "w": (1.6, 2.2),
    "x": (1.6, 7.0),
    "b": (6.2, 9.0),
    "p": (6.2, 4.1),
    "s": (10.6, 5.6),
    "σ": (14.8, 5.6),
    "L": (19, 5.6),
}


@flipbook(
    "Logistic regression as a graph: w times x, plus b, through a sigmoid, minus the logarithm. Pages first fill in the "
    "values from left to right, then the gradients from right to left: at every node upstream times local is downstream.",
    label="step",
    start=7,
)
def cascade(w=2.0, x=-1.0, b=0.5):
    """Forward values, then gradients, one node a page."""
    values, grads = {"w": w, "x": x, "b": b}, {}
    inner = [name for name in CASCADE if CASCADE[name][1]]
    yield _graph(values, grads, "forward: the inputs are known")
    for name in inner:
        _, inputs, forward, _ = CASCADE[name]
        values[name] = forward(*(values[i] for i in inputs))
        yield _graph(values, grads, f"forward: {name} = {CASCADE[name][0]}", name)
    grads["L"] = 1.0
    yield _graph(values, grads, "backward: ∂L/∂L = 1", "L")
    for name in reversed(inner):
        _, inputs, _, local = CASCADE[name]
        words = []
        for i, slope in zip(inputs, local(*(values[i] for i in inputs)), strict=True):
            grads[i] = grads.get(i, 0) + grads[name] * slope
            words.append(f"∂L/∂{i} = {_short(grads[name])} · {_factor(slope)} = {_short(grads[i])}")
        yield _graph(values, grads, "backward: upstream · local = downstream\n" + "\n".join(words), name)


def _graph(values, grads, words, now=None):
    board = Board(21, 11, cell=0.46)
    for name, (_, inputs, *_) in CASCADE.items():
        for i in inputs:
            (x0, y0), (x1, y1) = PLACES[i], PLACES[name]
            length = np.hypot(x1 - x0, y1 - y0)
            dx, dy = (x1 - x0) / length * 1.05, (y1 - y0) / length * 1.05
            colour = ORANGE if i in grads and name in grads else GREY
            board.arrow((x0 + dx, y0 + dy), (x1 - dx, y1 - dy), colour, line=2)
    for name, (x, y) in PLACES.items():
        board.ax.scatter(
            x, y, s=1500, color=tint(BLUE, 0.5) if name == now else "white", edgecolor=INK, linewidth=2, zorder=4
        )
        board.text(x, y, name, 18, zorder=5, weight="bold")
        if CASCADE[name][1]:
            board.text(x, y - 2.3, f"{name} = {CASCADE[name][0]}", 14, GREY)
        if name in values:
            board.text(x, y - 1.45, _short(values[name]), 15, BLUE)
        if name in grads:
            board.text(x, y + 1.5, _short(grads[name]), 15, ORANGE, weight="bold")
    board.text(9, 8.3, words, 15, ha="left", va="top", linespacing=1.6)
    return board


def _short(value):
    return f"{value:.3g}".replace("-", "−")


def _factor(value):
    return f"({_short(value)})" if value < 0 else _short(value)


@picture(
    "Three Jacobians as heat maps, a row for each input and a column for each output: of ReLU on the four numbers of the "
    "slides, a diagonal of ones and zeros; of ReLU on the 64 pixels of a digit, a long thin diagonal; of a linear layer "
    "from 64 to 10, filled everywhere."
)
def jacobians():
    """ReLU's Jacobian is almost empty, a linear layer's is its weights."""
    rng = np.random.default_rng(0)
    digit = data.digits()[0].x[0].ravel() - 0.5
    relu = [np.diag((x > 0) * 1.0) for x in (np.array([1, -2, 3, -1]), digit)]
    panels = [
        ("ReLU, 4 → 4", relu[0]),
        ("ReLU on a digit, 64 → 64", relu[1]),
        ("linear, 64 → 10", rng.normal(size=(64, 10))),
    ]
    figure, panes = axes(3, width=10, height=3.9, width_ratios=[1, 1.6, 0.9])
    for ax, (title, jacobian) in zip(panes, panels, strict=True):
        ax.imshow(
            jacobian,
            cmap=SIGNED,
            vmin=-2,
            vmax=2,
            interpolation="nearest",
            aspect="auto" if jacobian.shape[1] == 10 else "equal",
        )
        ax.set(title=title, xlabel="z", ylabel="x", xticks=[], yticks=[])
    return figure


@picture(
    "Two panels on logarithmic axes against the number of inputs: time and memory of the product with ReLU's explicit "
    "Jacobian grow with the square, those of the implicit product, a mask, grow along with the inputs and stay far below."
)
def explicit_or_implicit(sizes=(64, 256, 1024, 4096)):
    """The same downstream gradient twice: through the matrix, and through what the matrix does. Measured now."""
    rng, rows = np.random.default_rng(0), []
    for size in sizes:
        x, dz = rng.normal(size=(2, size))
        jacobian = np.diag((x > 0) * 1.0)
        explicit, implicit = _seconds(lambda j=jacobian, d=dz: j @ d), _seconds(lambda x=x, d=dz: d * (x > 0))
        rows.append((explicit, implicit, jacobian.nbytes, x.nbytes))
    figure, panes = axes(2, width=10, height=3.6)
    for ax, title, at in ((panes[0], "seconds", 0), (panes[1], "bytes", 2)):
        for k, (name, colour, mark) in enumerate((("explicit: J · dz", GREY, "s"), ("implicit: a mask", ORANGE, "o"))):
            ax.loglog(sizes, [row[at + k] for row in rows], color=colour, marker=mark, lw=3, ms=9, label=name)
        ax.set(title=title, xlabel="numbers in x", xticks=sizes, xticklabels=map(str, sizes))
        ax.minorticks_off()
    panes[0].legend()
    return figure


def _seconds(act):
    """The shortest of a few runs."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return min(times)


COLOURS = {"x": BLUE, "w": ORANGE, "t": GREY, "b": INK}  # by the last letter: x and dx, w and dw, dout, db


@flipbook(
    "Boxes for a layer: the upstream gradient dout, the input x and the weights w with numbers. Pages show how dx comes "
    "from dout and w, how dw comes from dout and x, and how db is the sum of dout over the batch.",
    label="gradient",
)
def linear_gradients():
    """What the three gradients of a linear layer are made of, and why only one product has the right shape."""
    x, w, dout = np.array([[1, 2, 0], [0, 1, 3]]), np.array([[1, 0, 2], [-1, 1, 0]]), np.array([[1, -1], [2, 0]])
    parts = [
        ("dx", dout @ w, "dx = dout · w        (N, D) = (N, M) · (M, D)", ("dout", "w")),
        ("dw", dout.T @ x, "dw = doutᵀ · x       (M, D) = (M, N) · (N, D)", ("dout", "x")),
        ("db", dout.sum(0)[None], "db = sum over the batch       (M,)", ("dout",)),
    ]
    for name, made, words, used in parts:
        board = Board(18.2, 5.4, cell=0.5)
        for key, values, left in (("x", x, 0.8), ("w", w, 5.2), ("dout", dout, 9.6)):
            board.block(left, 1.4, values, key, COLOURS[key[-1]], fill=None if key in used else "#F3F3F3")
        board.arrow((12.2, 2.4), (13.6, 2.4))
        board.block(14.2, 1.4, made, name, COLOURS[name[-1]])
        board.text(0.8, 4.6, words, 17, ha="left")
        yield board


@picture(
    "Left: the loss of a two-layer network on handwritten digits, falling step by step. Right: the weights of fifteen hidden "
    "units as 8 by 8 pictures, dark and light strokes that answer to parts of digits."
)
def learn_digits(two_layer_loss=None, hidden=32, steps=150, lr=0.5):
    """Gradient descent on 64-hidden-10 with nothing but a function that gives the loss and the gradients."""
    rng, train = np.random.default_rng(0), data.digits()[0]
    x = train.x.reshape(len(train.x), -1).astype(float)
    params = [rng.normal(size=(hidden, 64)) * 0.1, np.zeros(hidden), rng.normal(size=(10, hidden)) * 0.1, np.zeros(10)]
    losses = []
    for _ in range(steps):
        batch = rng.integers(len(x), size=100)
        loss, *grads = (two_layer_loss or _two_layer_loss)(*params, x[batch], train.y[batch])
        params = [p - lr * np.asarray(g) for p, g in zip(params, grads, strict=True)]
        losses.append(float(loss))
    figure, panes = axes(width=10, height=3.6, columns=2, width_ratios=[1, 1.3])
    panes[0].plot(losses, color=INK, lw=2.5)
    panes[0].set(title="loss", xlabel="step", ylim=0)
    w1 = params[0][np.argsort(-np.abs(params[0]).sum(1))[:15]].reshape(3, 5, 8, 8)
    wall = np.pad(w1, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan).swapaxes(1, 2).reshape(27, 45)
    image(panes[1], wall, "weights of hidden units", SIGNED, vmin=-np.nanmax(abs(wall)), vmax=np.nanmax(abs(wall)))
    return figure


def _two_layer_loss(w1, b1, w2, b2, x, y):
    h, first = ops.linear_forward(x, w1, b1)
    a, active = ops.relu_forward(h)
    s, second = ops.linear_forward(a, w2, b2)
    loss, last = ops.cross_entropy_forward(s, y)
    da, dw2, db2 = ops.linear_backward(ops.cross_entropy_backward(1.0, last), second)
    _, dw1, db1 = ops.linear_backward(ops.relu_backward(da, active), first)
    return loss, dw1, db1, dw2, db2


@picture(
    "A graph in which one node feeds two others that meet again: the gradients that come back on the two ways are written "
    "on them, and at the fork they are added."
)
def fork(x=3.0):
    """y = x² and z = 2x meet in L = y · z: two ways lead back to x."""
    y, z = x * x, 2 * x
    board, places = (
        Board(18, 12.2, cell=0.46),
        {"x": (2, 5.6), "y = x²": (8.5, 2.9), "z = 2x": (8.5, 8.4), "L = y·z": (15.5, 5.6)},
    )
    values = {"x": x, "y = x²": y, "z = 2x": z, "L = y·z": y * z}
    grads = {"L = y·z": 1, "y = x²": z, "z = 2x": y, "x": z * 2 * x + y * 2}
    for start, end in (("x", "y = x²"), ("x", "z = 2x"), ("y = x²", "L = y·z"), ("z = 2x", "L = y·z")):
        (x0, y0), (x1, y1) = places[start], places[end]
        board.arrow((x0 + 1.4, y0 + np.sign(y1 - y0) * 0.6), (x1 - 1.6, y1 - np.sign(y1 - y0) * 0.6), GREY)
    for name, (left, top) in places.items():
        board.ax.scatter(
            left, top, s=4600 if name != "x" else 1600, color="white", edgecolor=INK, linewidth=2, zorder=4
        )
        board.text(left, top, name, 14, zorder=5, weight="bold")
        board.text(left, top - 1.95, _short(values[name]), 15, BLUE)
        board.text(left, top + 1.95, _short(grads[name]), 15, ORANGE, weight="bold")
    board.text(4.4, 3.2, f"{_short(z)} · {_factor(2 * x)} = {_short(z * 2 * x)}", 15, ORANGE)
    board.text(4.4, 8.1, f"{_short(y)} · 2 = {_short(2 * y)}", 15, ORANGE)
    board.text(
        0.6, 11.4, f"∂L/∂x = {_short(z * 2 * x)} + {_factor(2 * y)} = {_short(grads['x'])}", 17, ORANGE, ha="left"
    )
    return board
