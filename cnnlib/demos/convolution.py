"""Lesson 03: from a layer that sees everything to a filter that slides."""

import numpy as np

from .. import data, ops
from ..plot import BLUE, GREY, ORANGE, SIGNED, Board, axes, flipbook, image, number, picture, tint

X = np.array([[1, 0, 2, 1, 0], [0, 3, 1, 0, 2], [2, 1, 0, 1, 1], [0, 1, 2, 3, 0], [1, 0, 1, 2, 1]])
W = np.array([[1, 0, 2], [-1, 3, 0], [0, 1, -2]])
TIED = ("#006BA4", "#FF800E", "#333333", "#ABABAB", "#5F9ED1")  # the weights of a small filter, for every eye
EMPTY = "#F3F3F3"


def correlate(plane, w, stride=1, pad=0):
    """One plane with one filter: the library's layer without batch, channels and bias."""
    return ops.conv2d_forward(plane[None, None].astype(float), w[None, None].astype(float), None, stride, pad)[0][0, 0]


@picture(
    "Three layers of {inputs} inputs, as wires and as matrices with a row per output. Fully connected: a wire from "
    "every input to every output. Local: {window} wires to each output, from windows that start {stride} apart, and "
    "zeros elsewhere in its row. Tied: the same windows, and the same {window} colours at every output."
)
def connections(inputs=8, window=3, stride=1):
    """Fully connected, locally connected and tied layers, as wires above and as matrices below."""
    outputs, rng = (inputs - window) // stride + 1, np.random.default_rng(3)
    local = np.array([[0 <= j - i * stride < window for j in range(inputs)] for i in range(outputs)])
    greys = rng.uniform(0.25, 0.9, size=(outputs, inputs))
    kinds = [
        ("fully connected", np.ones_like(local), f"{outputs} × {inputs} = {outputs * inputs} weights"),
        ("local", local, f"{outputs} × {window} = {outputs * window} weights"),
        ("local and tied", local, f"{window} weights"),
    ]
    board = Board(3 * (inputs + 1.6), outputs + 9.4, cell=3.4 / (inputs + 1.6))
    for k, (name, present, count) in enumerate(kinds):
        x0 = 0.8 + k * (inputs + 1.6)
        colours = np.full((outputs, inputs), EMPTY, dtype=object)
        for i, j in zip(*np.nonzero(present), strict=True):
            colours[i, j] = TIED[(j - i * stride) % len(TIED)] if name.endswith("tied") else tint(GREY, greys[i, j])
            line = 2.6 if k else 1.2
            board.ax.plot(
                [x0 + j + 0.5, x0 + i * stride + window / 2], [5.2, 2.2], color=colours[i, j], lw=line, zorder=1
            )
        for at, y, colour in [
            (np.arange(inputs) + 0.5, 5.2, BLUE),
            (np.arange(outputs) * stride + window / 2, 2.2, GREY),
        ]:
            board.ax.scatter(x0 + at, np.full(len(at), y), s=150, color=colour, zorder=2)
        board.text(x0 + inputs / 2, 0.8, name, 17, weight="bold")
        board.block(x0, 6.6, present, fill=colours, numbers=False)
        board.text(x0 + inputs / 2, outputs + 7.8, count, 16)
    return board


@picture(
    "The number of weights of a fully connected, a local and a tied layer with {filters} filters of {size} by {size} on "
    "an image of shape {image}, as bars on a logarithmic scale: each needs far fewer than the one before."
)
def weight_counts(image=(3, 32, 32), filters=6, size=5):
    """Weights, without biases, of three layers that give maps of one shape. image: (C, H, W)."""
    C, H, W = image
    rows, columns = H - size + 1, W - size + 1
    maps, window = filters * rows * columns, C * size * size
    ways = {
        "fully connected": (f"{C * H * W:,} × {maps:,}", C * H * W * maps),
        "local": (f"{window} × {maps:,}", window * maps),
        "local and tied": (f"{window} × {filters}", window * filters),
    }
    figure, ax = axes(height=3.2, width=9.5)
    bars = ax.barh(list(ways), [n for _, n in ways.values()], color=[GREY, BLUE, ORANGE])
    ax.bar_label(bars, [f"  {n:,} = {words}" for words, n in ways.values()], fontsize=15)
    largest = max(n for _, n in ways.values())
    ticks = [10**power for power in range(0, len(str(largest)), 3)]
    ax.set(xscale="log", xlim=(1, largest**2.2), xticks=ticks, xlabel="weights")
    ax.minorticks_off()
    ax.set_title(f"{H}×{W}×{C} image, {filters} filters {size}×{size}: maps {rows}×{columns}×{filters}", loc="left")
    ax.tick_params(axis="y", labelsize=15)
    ax.invert_yaxis()
    return figure


@flipbook(
    "A photograph of 32 by 32 pixels with a window of 5 by 5. Its three colour planes, the three planes of the filter, "
    "and the map of 28 by 28 that fills up: each pixel is the sum of 75 products; the bias is 0.",
    label="stop",
    start=6,
)
def sliding_window(steps=12, seed=4):
    """A filter of 5x5x3 slides over a photograph of 32x32x3; each stop gives one number."""
    photo = data.photograph("chelsea", size=32)
    w = np.random.default_rng(seed).integers(-1, 2, size=(3, 5, 5)).astype(float)
    out = ops.conv2d_forward(photo[None], w[None], None)[0][0, 0]
    for stop in np.linspace(0, out.size - 1, steps).round().astype(int):
        i, j = divmod(stop, 28)
        board = Board(21.5, 9.6)
        board.image(0.4, 1.4, photo, "image 32×32×3", scale=0.24)
        board.frame(0.4 + 0.24 * j, 1.4 + 0.24 * i, 1.2, 1.2, ORANGE, line=4)
        for c, colour in enumerate(("red", "green", "blue")):
            y = 1.4 + 2.7 * c
            board.image(9.6, y, photo[c, i : i + 5, j : j + 5], "" if c else "window", 0.48, vmin=0, vmax=1)
            board.image(12.6, y, w[c], "" if c else "filter", 0.48, SIGNED, vmin=-1.6, vmax=1.6)
            board.text(9.4, y + 1.2, colour, 13, GREY, ha="right")
            board.text(12.3, y + 1.2, "×", 20)
        so_far = np.where(np.arange(out.size).reshape(out.shape) <= stop, out, np.nan)
        board.image(15.9, 1.4, so_far, "map 28×28", 0.185, vmin=out.min(), vmax=out.max())
        board.frame(15.9, 1.4, 28 * 0.185, 28 * 0.185, GREY, line=1)
        board.frame(15.85 + 0.185 * j, 1.35 + 0.185 * i, 0.285, 0.285, ORANGE, line=2.5)
        board.text(18.5, 7.5, "sum of 75 products", 15)
        board.text(18.5, 8.6, f"= {out[i, j]:.2f}".replace("-", "−"), 19, ORANGE, weight="bold")
        yield board


@flipbook(
    "Stride {stride}, padding {pad}: an input of 5 by 5 with its border of zeros, if any, a filter of 3 by 3 and the "
    "output. One output pixel's window is framed; below stands the sum of its nine products.",
    label="output pixel",
    start=4,
)
def correlation(stride=1, pad=0):
    """Correlation in numbers: window times filter, added up."""
    out = correlate(X, W, stride, pad)
    xp = np.pad(X, pad)
    fill = [[tint(BLUE, 0.06 + 0.16 * value) for value in row] for row in np.abs(xp)]
    for i, j in np.ndindex(xp.shape):
        if min(i, j) < pad or max(i, j) >= 5 + pad:
            fill[i][j] = EMPTY
    for step, (i, j) in enumerate(np.ndindex(out.shape)):
        top, left = i * stride, j * stride
        window = xp[top : top + 3, left : left + 3]
        board = Board(max(13.5 + len(xp) + len(out) - 3, 17), len(xp) + 3.2)
        board.block(0.6, 1.4, xp, "x" if pad == 0 else "x in zeros", BLUE, fill=fill)
        board.frame(0.6 + left, 1.4 + top, 3, 3)
        board.block(len(xp) + 2.6, 1.4, W, "w", ORANGE)
        so_far = np.where(np.arange(out.size).reshape(out.shape) <= step, out, np.nan)
        board.block(len(xp) + 7.6, 1.4, so_far, "out", GREY)
        board.frame(len(xp) + 7.6, 1.4, *out.shape, GREY, line=1)
        board.frame(len(xp) + 7.6 + j, 1.4 + i)
        board.text(len(xp) + 1.6, 2.9, "⋆", 40)
        board.text(len(xp) + 6.6, 2.9, "=", 24)
        terms = " + ".join(f"{number(b)}·{a}" for a, b in zip(window.ravel(), W.ravel(), strict=True))
        board.text(0.6, len(xp) + 2.4, f"{terms} = {number(out[i, j])}".replace("+ −", "− "), 14, ha="left")
        yield board


LETTER = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]])
EDGE = np.array([[-1, 0, 1]])
BELL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 36


@picture(
    "Three kernels and what they make of an image with one lit pixel. Correlation returns the letter F and the row "
    "-1 0 1 turned by 180 degrees, convolution returns them as they are. The symmetric bell is the same in both."
)
def flip():
    """Correlation against convolution on one lit pixel, for three kernels."""
    board = Board(32, 23.5, cell=0.3)
    for y, words in [
        (4.3, "kernel"),
        (11.5, "correlation\nwith one\nlit pixel"),
        (19.5, "convolution\nwith one\nlit pixel"),
    ]:
        board.text(6.2, y, words, 16, GREY, ha="right")
    for k, (name, w) in enumerate([("letter F", LETTER), ("−1 0 1", EDGE), ("symmetric", BELL)]):
        x, (fh, fw) = 7.2 + 8.3 * k, w.shape
        lit = np.zeros((6 + fh, 6 + fw))
        lit[(6 + fh) // 2, (6 + fw) // 2] = 1
        made = [(4.3 - fh / 2, w), (8, correlate(lit, w)), (16, correlate(lit, w[::-1, ::-1]))]
        board.text(x + 3.5, 0.9, name, 18, weight="bold")
        for y, values in made:
            colours = [[EMPTY if v == 0 else SIGNED(0.5 + v / 2.6) for v in row] for row in values]
            board.block(x + 3.5 - values.shape[1] / 2, y, values, fill=colours, numbers=False)
    return board


@picture(
    "Boxes in perspective: an image of {size} by {size} by {channels}, then the maps of each layer, whose filters are, "
    "as pairs of number and size, {layers}. A window through the full depth of each box leads to one pixel of the next."
)
def volumes(size=32, channels=3, layers=((6, 5), (10, 5))):
    """A stack of convolution layers as boxes. layers: pairs (number of filters, filter size)."""
    board = Board(6.2 + 8.2 * len(layers), 9.8, cell=0.44)
    left, lead = 1.4, None
    for depth, n, filter, colour in stack(size, channels, layers):
        side, wide, back = 0.17 * n, 0.24 * depth, np.array([0.075 * n, -0.055 * n])
        corner = np.array([left, 5.3 - side / 2])
        box(board, corner, wide, side, back, colour)
        board.text(left + wide / 2, corner[1] + side + 0.6, str(depth), 17, weight="bold")
        board.text(left - 0.2, corner[1] + side * 0.8, str(n), 16, ha="right")
        board.text(*(corner + back / 2 - 0.25), str(n), 16, ha="right")
        if lead is not None:
            spot = np.add(corner, (wide / 2, side * 0.45))
            for end in lead:
                board.ax.plot(*np.transpose([end, spot]), color=ORANGE, lw=1.5, zorder=4)
            board.ax.plot(*spot, "o", color=ORANGE, ms=7, zorder=5)
        if filter:
            count, f = filter
            part = 0.17 * f
            at = np.add(corner, (0, side * 0.35))
            box(board, at, wide, part, back * f / n, ORANGE, zorder=3)
            lead = np.add(at, (wide, 0)) + back * f / n, np.add(at, (wide, part))
            board.arrow((left + wide + back[0] + 0.5, 9.2), (left + 7.3, 9.2), GREY)
            board.text((left + wide + back[0] + left + 7.8) / 2, 8.6, f"{count} filters {f}×{f}×{depth}", 15, ORANGE)
        left += 8.2
    return board


def stack(size, channels, layers):
    """(channels, size, the filters that come next, colour) of every box."""
    for k, (count, f) in enumerate([*layers, (0, 0)]):
        yield channels, size, (count, f) if count else None, GREY if k else BLUE
        size, channels = size - f + 1, count


def box(board, corner, wide, side, back, colour, **kwargs):
    """A box seen from the front left: front, top and right face."""
    x, y, d = np.array([wide, 0]), np.array([0, side]), np.asarray(back)
    faces = [(corner, x, y, 0.4), (corner, x, d, 0.2), (corner + x, d, y, 0.55)]
    for start, a, b, shade in faces:
        board.polygon([start, start + a, start + a + b, start + b], tint(colour, shade), **kwargs)


KERNELS = {
    "as it is": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "box blur": np.ones((5, 5)) / 25,
    "bell blur": BELL * 36 / 256,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "vertical edges": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "horizontal edges": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "Laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
}


@picture(
    "A photograph ({name}) under eight kernels, each drawn in the corner: as it is, two blurs, sharpened, "
    "vertical and horizontal edges, Laplacian and emboss."
)
def gallery(conv2d_forward=None, name="chelsea", size=144):
    """A real photograph under eight kernels. conv2d_forward: a student's (x, w, b, stride, pad), or the library's."""
    forward = conv2d_forward or ops.conv2d_forward
    photo = data.photograph(name, size).mean(0)[None, None]
    figure, panes = axes(4, 2, width=10, height=5.6)
    for ax, (title, w) in zip(panes.flat, KERNELS.items(), strict=True):
        w = np.array(w, float)
        made = forward(photo, w[None, None], np.zeros(1), 1, len(w) // 2)[0][0, 0]
        largest = np.percentile(abs(made), 99)
        # A kernel whose weights add up to zero answers to changes, with both signs: its zero is shown as grey.
        limits = (-largest, largest) if abs(w.sum()) < 1e-9 else (0, 1)
        image(ax, made, title, vmin=limits[0], vmax=limits[1])
        corner = ax.inset_axes([0.02, 0.02, 0.27, 0.27])
        corner.imshow(w, cmap=SIGNED, vmin=-abs(w).max() * 1.2, vmax=abs(w).max() * 1.2)
        corner.set(xticks=[], yticks=[])
        for side in corner.spines.values():
            side.set(visible=True, color="white", linewidth=2)
    return figure
