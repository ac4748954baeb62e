"""Lesson 05: what flows back through a convolution."""

import time

import numpy as np
from matplotlib.figure import Figure

from .. import gradcheck, ops
from ..plot import BLUE, GREY, INK, ORANGE, ORDERED, PALE, SIGNED, Board, axes, flipbook, image, number, picture, tint
from .convolution import W, X

DOUT = np.array([[1, -1, 2], [0, 3, 1], [-2, 1, 0]])
CHANNELS = (BLUE, "#8A6D00")  # apart for colour-blind eyes too


def backward(dout, x=X, w=W, stride=1):
    """dx and dw of one image, one channel, one filter; dout, x and w are 2-D arrays."""
    x, w = x[None, None].astype(float), w[None, None].astype(float)
    _, cache = ops.conv2d_forward(x, w, np.zeros(1), stride=stride)
    dx, dw, _ = ops.conv2d_backward(dout[None, None].astype(float), cache)
    return dx[0, 0], dw[0, 0]


@picture(
    "A convolution as a node: x, w and b go in and out comes out. Below each arrow a second one points back: "
    "the upstream gradient dout comes in from the loss, and dx, dw and db flow downstream."
)
def one_layer():
    """A layer with its upstream, local and downstream gradients."""
    board = Board(20, 9.4)
    board.polygon([(8, 2.4), (11.6, 2.4), (11.6, 7), (8, 7)], PALE)
    board.text(9.8, 3.2, "conv", 20, weight="bold")
    board.text(9.8, 4.3, "local", 15, GREY, style="italic")
    board.text(9.8, 5.7, "∂out/∂x\n∂out/∂w\n∂out/∂b", 15, GREY)
    for y, name, colour, bend in [(1.6, "x", BLUE, 0.9), (4.7, "w", ORANGE, 0), (7.8, "b", INK, -0.9)]:
        board.text(1.0, y, name, 24, colour, weight="bold")
        board.arrow((1.8, y - 0.3), (7.8, y - 0.3 + bend), GREY)
        board.arrow((7.8, y + 0.3 + bend), (1.8, y + 0.3), colour, line=4)
        board.text(4.6, y + 1.0 + bend / 2, f"d{name} = ∂L/∂{name}", 15, colour)
    board.arrow((11.8, 4.4), (15.6, 4.4), GREY)
    board.arrow((15.6, 5.0), (11.8, 5.0), INK, line=4)
    board.text(13.7, 3.7, "out", 18, GREY, weight="bold")
    board.text(13.7, 5.75, "dout = ∂L/∂out", 15)
    board.polygon([(15.8, 3.2), (18, 3.2), (18, 6.2), (15.8, 6.2)], "white")
    board.text(16.9, 4.7, "later\nlayers", 14, GREY)
    board.arrow((18.1, 4.7), (18.9, 4.7), GREY)
    board.text(19.4, 4.7, "L", 24, weight="bold")
    board.text(4.6, 0.4, "downstream", 15, GREY, style="italic")
    board.text(13.7, 0.4, "upstream", 15, GREY, style="italic")
    return board


@flipbook(
    "Stride {stride}: an input of 5 by 5, a filter of 3 by 3 and the upstream gradient. The chosen output pixel frames "
    "its window of the input; the filter times its upstream value is added to dx there, the window times it to dw.",
    label="output pixel",
    start=4,
)
def gradient_flow(stride=1):
    """Output pixels one after the other send their shares to the pixels and the weights that made them."""
    size = (5 - 3) // stride + 1
    dout = DOUT[:size, :size]

    for step in range(size * size):
        i, j = divmod(step, size)
        so_far = np.where(np.arange(size * size).reshape(size, size) <= step, dout, 0)
        dx, dw = backward(so_far, stride=stride)
        top, left, value = i * stride, j * stride, number(dout[i, j])
        board = Board(19.5, 13.1)
        board.block(0.6, 1.3, X, "x", BLUE)
        board.block(8.1, 1.3, W, "w", ORANGE)
        board.block(14.1, 1.3, dout, "dout", GREY)
        board.frame(0.6 + left, 1.3 + top, 3, 3)
        board.frame(14.1 + j, 1.3 + i)
        board.block(0.6, 7.9, dx, "dx", BLUE)
        board.block(8.1, 7.9, dw, "dw", ORANGE)
        board.frame(0.6 + left, 7.9 + top, 3, 3)
        board.frame(8.1, 7.9, 3, 3)
        said = f"({value})" if dout[i, j] < 0 else value
        board.text(13, 7.3, f"dout[{i}, {j}] = {value}", 17, GREY, ha="left", weight="bold")
        board.text(13, 8.8, f"dx[window] += {said} · w", 17, BLUE, ha="left")
        board.text(13, 10.1, f"dw += {said} · window", 17, ORANGE, ha="left")
        board.text(13, 11.4, f"db += {said}, so far {number(so_far.sum())}", 17, ha="left")
        yield board


@picture(
    "For each of the strides {strides}, how many windows of {kernel} by {kernel} contain each pixel of an input of {size} "
    "by {size}: most in the middle, one in a corner; none where the stride leaves pixels over."
)
def overlap(kernel=3, strides=(1, 2, 3), size=7):
    """How many windows see each pixel: so many shares add up in dx."""
    board = Board(0.6 + (size + 0.9) * len(strides), size + 1.6, cell=0.4)
    for k, stride in enumerate(strides):
        n = (size - kernel) // stride + 1
        seen, _ = backward(np.ones((n, n)), np.ones((size, size)), np.ones((kernel, kernel)), stride)
        board.block(0.6 + k * (size + 0.9), 1.3, seen, f"stride {stride}")
    return board


@flipbook(
    "Stride {stride}: one weight of dw is framed. The input pixels that this weight met, one per output pixel, are "
    "framed too; multiplied by the upstream gradient and added up they give this weight's gradient.",
    label="weight",
    start=1,
)
def weight_gradient(stride=2):
    """Each weight's gradient: the pixels that it touches times dout, added up."""
    size = (5 - 3) // stride + 1
    dout = DOUT[:size, :size]
    dw = backward(dout, stride=stride)[1]
    spread = np.full(((size - 1) * stride + 1,) * 2, np.nan)
    spread[::stride, ::stride] = dout

    for step in range(9):
        u, v = divmod(step, 3)
        board = Board(19.5, 8.8)
        board.block(0.6, 1.3, X, "x", BLUE)
        board.block(8.1, 1.3, spread, "dout" if stride == 1 else f"dout, {stride} apart", GREY)
        board.frame(8.1, 1.3, *spread.shape, line=1.5, linestyle=":")
        board.block(14.1, 1.3, np.where(np.arange(9).reshape(3, 3) <= step, dw, np.nan), "dw", ORANGE)
        board.frame(14.1, 1.3, 3, 3, ORANGE, line=1)
        board.frame(14.1 + v, 1.3 + u)
        board.text(6.85, 2.8, "⋆", 40)
        board.text(12.6, 2.8, "=", 24)
        terms = []
        for i, j in np.ndindex(size, size):
            board.frame(0.6 + v + j * stride, 1.3 + u + i * stride)
            terms.append(f"{number(dout[i, j])}·{X[u + i * stride, v + j * stride]}")
        board.frame(0.6 + v, 1.3 + u, *spread.shape, line=1.5, linestyle=":")
        board.text(
            0.6,
            7.6,
            f"dw[{u}, {v}] = " + " + ".join(terms).replace("+ −", "− ") + f" = {number(dw[u, v])}",
            16,
            ha="left",
        )
        yield board


@flipbook(
    "The upstream gradient, spread by stride {stride} and surrounded by zeros. The filter, turned by 180 degrees, "
    "slides over it, and each window's sum is one pixel of dx.",
    label="input pixel",
    start=6,
)
def input_gradient(stride=1):
    """dx as a full correlation with the flipped filter."""
    size, n = 2, stride + 3
    dout, w = DOUT[:size, :size], np.arange(1, 10).reshape(3, 3)
    dx = backward(dout, np.zeros((n, n)), w, stride)[0]
    inner = np.zeros((n - 2, n - 2))
    inner[::stride, ::stride] = dout
    wide = np.pad(inner, 2)
    fill = np.full(wide.shape, "#F6F6F6", dtype=object)
    fill[2:-2:stride, 2:-2:stride] = "#BDBDBD"

    for step in range(n * n):
        i, j = divmod(step, n)
        board = Board(n + 14.5, n + 4, cell=0.42)
        board.block(0.5, 1.3, wide, "dout in zeros", GREY, fill=fill)
        board.frame(0.5 + j, 1.3 + i, 3, 3)
        board.block(n + 4.6, 2.3, w[::-1, ::-1], "w flipped", ORANGE)
        board.block(n + 9, 1.3, np.where(np.arange(n * n).reshape(n, n) <= step, dx, np.nan), "dx", BLUE)
        board.frame(n + 9, 1.3, n, n, BLUE, line=1)
        board.frame(n + 9 + j, 1.3 + i)
        board.text(n + 3.55, 3.8, "⋆", 40)
        board.text(n + 8.3, 3.8, "=", 24)
        yield board


@picture(
    "Left: the loss along one weight, and the slope between two points around it. Middle: numeric against analytic "
    "gradient, all points on the diagonal. Right: the same for a backward pass that forgets the flip: a cloud."
)
def referee(seed=0):
    """A gradient check in three pictures: one nudged weight, a right backward pass, a wrong one."""
    rng = np.random.default_rng(seed)
    x, w, b = rng.normal(size=(2, 2, 6, 5)), rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3)
    out, cache = ops.conv2d_forward(x, w, b)
    target = rng.normal(size=out.shape)
    dout = out - target
    right, dw, _ = ops.conv2d_backward(dout, cache)
    flipped = ops.conv2d_backward(dout, ops.conv2d_forward(x, w[..., ::-1, ::-1], b)[1])[0]
    numeric = gradcheck.numeric_gradient(lambda x: ops.conv2d_forward(x, w, b)[0], x, dout)

    def loss(nudge):
        moved = w.copy()
        moved[0, 0, 1, 1] += nudge
        return 0.5 * np.sum((ops.conv2d_forward(x, moved, b)[0] - target) ** 2)

    figure, (one, good, bad) = axes(3, width=10.5, height=3.9)
    figure.get_layout_engine().set(wspace=0.08)
    nudges, h = np.linspace(-1, 1, 41), 0.5
    one.plot(nudges, [loss(t) for t in nudges], color=GREY, lw=3)
    slope = (loss(h) - loss(-h)) / (2 * h)
    one.plot([-h, h], [loss(-h), loss(h)], "o-", color=ORANGE, ms=9, lw=3)
    one.set(xlabel="nudge of one weight", ylabel="loss", title=f"slope {number(slope)}, dw {number(dw[0, 0, 1, 1])}")
    for ax, dx, title in [(good, right, "correct dx"), (bad, flipped, "flip forgotten")]:
        ax.axline((0, 0), slope=1, color=PALE, lw=6, zorder=0)
        ax.plot(numeric.ravel(), dx.ravel(), "o", color=BLUE if dx is right else INK, ms=6, alpha=0.7)
        ax.set(title=title, xlabel="numeric", ylabel="backward", xlim=(-115, 115), ylim=(-115, 115))
    return figure


LETTERS = "####.#..#.#..#", "#....##.#.##.#", "#....#.##.#.##", "####.#..#.#..#"
HIDDEN = np.array([[1.0 if pixel == "#" else -1.0 for pixel in row] for row in LETTERS])


@picture(
    "Above: an image of noise, the map that a hidden filter makes of it, and the loss falling. Below: a filter that "
    "starts random and is moved against dw; step by step the three letters CNN of the hidden filter appear."
)
def learn_a_filter(conv2d_backward=None, steps=40, rate=0.2):
    """Gradient descent with nothing but dw finds the filter behind a map.

    conv2d_backward: a student's function (dout, (x, w, b, stride, pad)) -> dx, dw, db; None takes the library's.
    """
    rng = np.random.default_rng(1)
    x, b, hidden = rng.normal(size=(1, 1, 36, 48)), np.zeros(1), HIDDEN
    target, _ = ops.conv2d_forward(x, hidden[None, None], b)
    w, losses, filters = rng.normal(size=(1, 1, *hidden.shape)), [], []
    for _ in range(steps + 1):
        out, cache = ops.conv2d_forward(x, w, b)
        losses.append(np.mean((out - target) ** 2) / 2)
        filters.append(w[0, 0])
        dout = (out - target) / out.size
        dw = (conv2d_backward(dout, (x, w, b, 1, 0)) if conv2d_backward else ops.conv2d_backward(dout, cache))[1]
        if np.shape(dw) != w.shape:
            raise ValueError(
                f"dw has shape {np.shape(dw)}, but w has {w.shape}: set use_mine = False until it is right"
            )
        w = w - rate * dw
    figure = Figure(figsize=(9.4, 5), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[2, 1])
    noise, made, curve = above.subplots(1, 3, width_ratios=[48, 35, 60])
    image(noise, x[0, 0], "x: noise")
    image(made, target[0, 0], "x ⋆ hidden filter")
    curve.semilogy(losses, color=INK, lw=3)
    curve.set(title="loss", xlabel="step")
    panes = below.subplots(1, 4)
    for ax, step in zip(panes, (0, steps // 8, steps // 3, steps), strict=True):
        image(ax, filters[step], f"w, step {step}", SIGNED, vmin=-1.5, vmax=1.5)
    return figure


def channels(board, x, y, values, names, at=None):
    """Two channels under each other, each in its colour; at: the corner of a 2x2 window framed in both."""
    for c, colour in enumerate(CHANNELS):
        board.block(x, y + 4.6 * c, values[c], names[c], colour)
        if at:
            board.frame(x + at[1], y + 4.6 * c + at[0], 2, 2)


@flipbook(
    "An image of two channels, 3 by 4 pixels. The framed window of 2 by 2 pixels in both channels becomes one row of "
    "eight numbers; six windows make six rows. Times the filter as a column, each row gives one output pixel.",
    label="window",
    start=2,
)
def windows_become_rows():
    """im2col: one row per output pixel, one column per weight."""
    x, w = np.arange(1, 25.0).reshape(1, 2, 3, 4), np.array([1, 0, 0, -1, 2, 0, 0, 1.0])
    cols = ops.im2col(x, (2, 2))
    fill = [[tint(CHANNELS[c // 4], 0.25) for c in range(8)]] * 6

    for step in range(6):
        board = Board(20.6, 9.4, cell=0.44)
        channels(board, 0.5, 1.3, x[0], ["x, channel 0", "x, channel 1"], divmod(step, 3))
        written = np.where(np.arange(6)[:, None] <= step, cols, np.nan)
        pale = [row if i <= step else ["#F6F6F6"] * 8 for i, row in enumerate(fill)]
        board.block(6, 1.3, written, "im2col(x)", INK, fill=pale)
        board.frame(10, 1.3, 6, 0, line=2)  # between the channels
        board.frame(6, 1.3 + step, 1, 8)
        board.text(14.75, 4.3, "·", 44)
        board.block(15.5, 1.3, w[:, None], "w", ORANGE)
        board.text(17.3, 4.3, "=", 24)
        board.block(18.2, 1.3, written @ w[:, None], "out", GREY)
        board.frame(18.2, 1.3 + step)
        board.arrow((4.7, 4.3), (5.8, 1.8 + step), INK)
        yield board


@flipbook(
    "Six rows of eight numbers walk back: each row is cut into the two channels of its window and added to the image "
    "there. Pixels that lie in two windows collect two numbers.",
    label="row",
    start=2,
)
def rows_walk_back():
    """col2im: each row is added where its window was."""
    cols = np.random.default_rng(2).integers(-3, 6, size=(6, 8)).astype(float)

    for step in range(6):
        board = Board(18.2, 9.4, cell=0.46)
        fill = [[tint(CHANNELS[c // 4], 0.25 if i <= step else 0.07) for c in range(8)] for i in range(6)]
        board.block(0.5, 1.3, cols, "c", INK, fill=fill)
        board.frame(4.5, 1.3, 6, 0, line=2)  # between the channels
        board.frame(0.5, 1.3 + step, 1, 8)
        board.arrow((8.8, 1.8 + step), (11.6, 4.3), INK)
        so_far = np.where(np.arange(6)[:, None] <= step, cols, 0)
        sums = ops.col2im(so_far, (1, 2, 3, 4), (2, 2))[0]
        channels(board, 12.6, 1.3, sums, ["channel 0", "channel 1"], divmod(step, 3))
        yield board


def median_time(run, repeats=5):
    """Seconds, the median of a few runs after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return np.median(times[1:])


@picture("The time of one layer's forward pass, three ways, as bars on a logarithmic scale.")
def race(mine=None):
    """Times the forward pass of one layer. mine: a student's function (x, w, b, stride, pad) that joins in."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=size).astype(np.float32) for size in [(4, 16, 28, 28), (16, 16, 3, 3), 16])

    def windows():
        for n, k, i, j in np.ndindex(4, 16, 26, 26):
            np.sum(x[n, :, i : i + 3, j : j + 3] * w[k]) + b[k]

    def columns():
        return ops.im2col(x, (3, 3)) @ w.reshape(16, -1).T + b

    ways = {"loop over windows": windows, "im2col": columns, "library": lambda: ops.conv2d_forward(x, w, b)}
    if mine:
        ways["yours"] = lambda: mine(x, w, b, 1, 0)
    seconds = {name: median_time(run, repeats=3) for name, run in ways.items()}
    figure, ax = axes(height=0.7 * len(ways) + 1.3)
    bars = ax.barh(list(seconds), [1000 * t for t in seconds.values()], color=[GREY, ORANGE, BLUE, INK][: len(ways)])
    slowest = max(seconds.values())
    texts = [
        f" {1000 * t:.3g} ms" + (f", {slowest / t:.0f} times faster" if t < slowest else "") for t in seconds.values()
    ]
    ax.bar_label(bars, texts, fontsize=15)
    ax.set(
        xscale="log",
        xlim=(0.1, 100 * 1000 * slowest),
        xlabel="milliseconds for 4 images, 16 to 16 channels, 28×28, filters 3×3",
    )
    ax.invert_yaxis()
    return figure


@flipbook(
    "A matrix A with 9 rows, one per output pixel, and 25 columns, one per input pixel: every row holds the same nine "
    "colours, shifted. Beside it its transpose. Below, the filter laid on the chosen output pixel's window of x.",
    label="output pixel",
    start=4,
)
def tied_matrix():
    """Convolution as one sparse matrix, its weights told apart by colour, and its transpose."""
    n, f = 5, 3
    m = n - f + 1
    # Which weight links pixel q to output p? One pixel after the other is lit, and the filter holds 1 to 9.
    lit = np.eye(n * n).reshape(n * n, 1, n, n)
    names = ops.conv2d_forward(lit, np.arange(1.0, 10).reshape(1, 1, f, f), np.zeros(1))[0]
    A = names.reshape(n * n, m * m).T
    shades = ["#F1F1F1", *ORDERED(np.linspace(0.05, 1, 9))]

    def paint(values):
        return [[shades[int(v)] for v in row] for row in values]

    for step in range(m * m):
        top, left = divmod(step, m)
        window = np.zeros((n, n))
        window[top : top + f, left : left + f] = np.arange(1, 10).reshape(f, f)
        board = Board(45.5, 28, cell=0.21)
        board.block(0.5, 2.2, A, fill=paint(A), numbers=False)
        board.text(13, 1, "A: 9 × 25", 16, weight="bold")
        board.block(36, 2.2, A.T, fill=paint(A.T), numbers=False)
        board.text(40.5, 1, "Aᵀ: 25 × 9", 16, weight="bold")
        board.frame(0.5, 2.2 + step, 1, n * n, line=2.5)
        board.frame(36 + step, 2.2, n * n, 1, line=2.5)
        board.block(0.5, 14.5, window, fill=paint(window), numbers=False, scale=2.4)
        board.text(6.5, 13.3, "w laid on x", 16, ORANGE, weight="bold")
        board.text(16.5, 17.5, "out = A x", 24, ha="left")
        board.text(16.5, 22.5, "dx = Aᵀ dout", 24, BLUE, ha="left")
        yield board
