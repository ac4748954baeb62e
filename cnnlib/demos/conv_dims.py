"""Lesson 04: how large a layer's output is, how many weights it has, and what it costs."""

import numpy as np

from .. import arithmetic, data, ops
from ..plot import BLUE, GREY, INK, ORANGE, PALE, Board, axes, flipbook, panel, picture, tint


@panel(
    "A row of {N} input pixels with {P} zeros at each end, and under it every place of a filter of {F} at stride {S}, a "
    "bar each. Where the last place does not end at the last pixel, the pixels left over are marked.",
    F=(2, 3, 5),
    S=(1, 2, 3),
    P=(0, 1, 2),
)
def windows(N=7, F=3, S=1, P=0):
    """Every place of a filter along one direction; sliders for its size F, the stride S and the padding P."""
    padded = N + 2 * P
    board = Board(max(N + 4, 5) + 9, 8.9, cell=0.5)
    left = (N + 4 - padded) / 2 + 0.5
    fill = [[PALE if not P <= i < P + N else tint(BLUE, 0.45) for i in range(padded)]]
    values = [[0 if not P <= i < P + N else np.nan for i in range(padded)]]
    board.block(left, 1.3, values, fill=fill)
    board.text(left, 0.5, f"N = {N}" + (f", padded {padded}" if P else ""), 16, BLUE, ha="left")
    if padded < F:
        board.text(left, 4, f"a filter of {F} is larger than {padded} pixels", 16, ORANGE, ha="left")
        return board
    count, rest = divmod(padded - F, S)
    for k in range(count + 1):
        y = 2.9 + k * min(0.8, 5.4 / (count + 1))
        board.frame(left + k * S, y, 0.45, F, colour=ORANGE, fill=True, facecolor=tint(ORANGE, 0.55), line=1.6)
    if rest:
        board.frame(left + padded - rest, 1.3, 1, rest, colour=INK, line=3)
        board.text(left + padded - rest / 2, 0.75, "left over", 13, INK)
    x = N + 6
    board.text(x, 2.2, "(N + 2P − F) / S + 1", 17, ha="left")
    board.text(x, 3.4, f"= ({N} + {2 * P} − {F}) / {S} + 1", 17, ha="left")
    exact = f"= {count + 1}" if not rest else f"= {(padded - F) / S + 1:.2f}: does not fit"
    board.text(x, 4.6, exact, 19, INK if not rest else ORANGE, ha="left", weight="bold")
    if rest:
        board.text(x, 5.8, f"libraries round down: {count + 1}", 15, GREY, ha="left")
    return board


@panel(
    "A row of {N} input pixels with {P} zeros at each end, and every place of a filter of 5 at stride 2. Whatever the padding, "
    "one pixel is left over.",
    P=(0, 1, 2),
)
def never_fits(N=8, P=2):
    """F = 5 and S = 2 on an even width; a slider for the padding."""
    return windows.__wrapped__(N, F=5, S=2, P=P)


@picture(
    "Maps as squares drawn to scale, layer after layer of filters of {f} by {f}. Without padding they shrink from {size} "
    "pixels by {f} minus 1 each time; with same padding every map keeps {size} pixels."
)
def shrinking(size=32, f=5, layers=6):
    """The sizes of maps through a stack of layers, without padding above and with same padding below."""
    board, scale = Board(3.7 + 2.6 * (layers + 0.5), 8.6, cell=0.46), 2.4 / size
    for row, pad in enumerate((0, arithmetic.same_padding(f))):
        n, y = size, 0.9 + 4.2 * row
        board.text(0.1, y + 1.3, f"P = {pad}", 17, weight="bold", ha="left")
        for k in range(layers + 1):
            if n < 1:
                board.text(2.4 + 2.6 * k, y + 1.3, "nothing is left", 14, ORANGE, ha="left")
                break
            side = n * scale
            x = 3.6 + 2.6 * k - side / 2
            colour = BLUE if k == 0 else ORANGE
            board.frame(
                x, y + 1.3 - side / 2, side, side, colour=colour, fill=True, facecolor=tint(colour, 0.3), line=1.5
            )
            board.text(3.6 + 2.6 * k, y + 3.1, f"{n}×{n}", 14)
            n = n + 2 * pad - f + 1
    return board


@picture(
    "Two panels of bars on logarithmic axes, one bar a layer: weights on the left, multiply-adds for one image of {size} by "
    "{size} on the right. A convolution's second bar is far longer than its first; the fully connected layer's are equal."
)
def costs(size=64, channels=3, filters=(16, 32, 64), f=3, outputs=1000):
    """Weights and multiply-adds of a small network: convolutions of stride 2 with same padding, then fully connected."""
    names, weights, work = [], [], []
    for count in filters:
        size = arithmetic.output_size(size, f, 2, f // 2)
        weights.append(arithmetic.conv_params(channels, count, f))
        work.append(arithmetic.conv_multiply_adds(channels, count, f, size))
        names.append(f"conv {f}×{f}×{channels}, {count} filters\n{size}×{size}×{count} out")
        channels = count
    flat = size * size * channels
    names.append(f"fully connected\n{flat:,} → {outputs}")
    weights.append(arithmetic.linear_params(flat, outputs))
    work.append(arithmetic.linear_multiply_adds(flat, outputs))
    figure, panes = axes(2, 1, width=10.4, height=0.9 * len(names) + 1, sharey=True)
    for ax, title, numbers in zip(panes, ("weights and biases", "multiply-adds"), (weights, work), strict=True):
        bars = ax.barh(names, numbers, color=[ORANGE] * len(filters) + [GREY])
        ax.bar_label(bars, [f" {n:,}" for n in numbers], fontsize=14)
        ax.set(xscale="log", xlim=(min(weights) / 4, max(work) * 100), title=title)
        ax.minorticks_off()
    panes[0].invert_yaxis()
    return figure


@flipbook(
    "An input of {channels} channels, 3 by 3 pixels, drawn as a stack of planes. The framed pixel is a column of {channels} "
    "numbers; its dot product with each of the {filters} filters, a list of {channels} weights each, gives one pixel in "
    "each of the {filters} maps.",
    label="pixel",
    start=4,
)
def dot_over_depth(channels=4, filters=2):
    """A 1x1 convolution at work: every pixel on its own, a dot product over depth."""
    rng = np.random.default_rng(50)
    x, w = rng.integers(-2, 4, size=(channels, 3, 3)), rng.integers(-1, 3, size=(filters, channels))
    out = ops.conv2d_forward(x[None].astype(float), w[:, :, None, None].astype(float))[0][0]
    for i, j in np.ndindex(3, 3):
        board = Board(20, 4.4 * max(channels, 2) / 2 + 1.4, cell=0.5)
        for c in range(channels):
            row, column = divmod(c, 2)
            board.block(0.6 + 4 * column, 1.5 + 4.4 * row, x[c], f"channel {c}", BLUE)
            board.frame(0.6 + 4 * column + j, 1.5 + 4.4 * row + i)
        board.block(9.4, 1.5, x[:, i, j][:, None], "pixel", BLUE)
        board.text(11.1, 1.5 + channels / 2, "·", 40)
        board.block(11.9, 1.5, w.T, "filters", ORANGE)
        board.text(12.7 + filters, 1.5 + channels / 2, "=", 22)
        for k in range(filters):
            shown = np.where(np.arange(9).reshape(3, 3) <= 3 * i + j, out[k], np.nan)
            board.block(16, 1.5 + 4.4 * k, shown, f"map {k}", GREY)
            board.frame(16, 1.5 + 4.4 * k, 3, 3, GREY, line=1)
            board.frame(16 + j, 1.5 + 4.4 * k + i)
        yield board


@picture(
    "A photograph, a small window framed in it, and a stack of {filters} maps: one neuron in each map looks at that same "
    "window, each with weights of its own; beside it the counts of neurons, connections and different weights."
)
def neurons(size=32, f=5, filters=5):
    """The layer as neurons in a grid: those above one another look at the same window."""
    photo = data.photograph("coffee", size)
    side = arithmetic.output_size(size, f)
    board, scale = Board(22.5, 9, cell=0.46), 5.4 / size
    board.image(0.5, 1.6, photo, f"{size}×{size}×3", scale=scale)
    i, j = size // 2, size // 3
    board.frame(0.5 + j * scale, 1.6 + i * scale, f * scale, f * scale, ORANGE, 3)
    for k in reversed(range(filters)):
        x, y, edge = 7.4 + 0.5 * k, 2.2 - 0.3 * (k - filters / 2), side * scale * 0.9
        board.polygon([(x, y), (x + edge, y), (x + edge, y + edge), (x, y + edge)], tint(GREY, 0.12 + 0.05 * k))
        at = x + (j + 0.5) / side * edge, y + (i + 0.5) / side * edge
        board.ax.scatter(*at, s=130, color=ORANGE, edgecolor="white", zorder=6)
        if k in (0, filters - 1):
            board.arrow((0.5 + (j + f) * scale, 1.6 + (i + f / 2) * scale), at, ORANGE, line=1.8, zorder=5)
    board.text(7.4 + edge / 2, 8.3, f"{side}×{side}×{filters} neurons", 15, GREY)
    count, fan_in = side * side * filters, f * f * 3
    lines = [
        f"{count:,} neurons",
        f"{count * (fan_in + 1):,} connections",
        f"{filters * (fan_in + 1):,} weights and biases",
    ]
    for row, words in enumerate(lines):
        board.text(14.6, 2.6 + 1.5 * row, words, 16, ha="left", weight="bold" if row == 2 else "normal")
    return board
