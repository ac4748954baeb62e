"""Lesson 06: what pooling keeps, where its gradient goes, and how far a unit sees."""

import numpy as np
from matplotlib.patches import Rectangle

from .. import arithmetic, data, ops
from ..plot import BLUE, GREY, INK, ORANGE, PALE, SIGNED, Board, axes, flipbook, image, panel, picture, tint

SLICE = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])  # the depth slice of the CS231n slides
POOL = {
    "maximum": (ops.max_pool2d_forward, ops.max_pool2d_backward),
    "average": (ops.avg_pool2d_forward, ops.avg_pool2d_backward),
    "L2": (ops.l2_pool2d_forward, ops.l2_pool2d_backward),
}


def pool(plane, size, stride=None, kind="maximum"):
    """One plane pooled by the library."""
    return POOL[kind][0](plane[None, None].astype(float), size, stride)[0][0, 0]


@panel(
    "A slice of 4 by 4 numbers, window {window} of 4 framed in it, and the 2 by 2 numbers that pooling leaves; beside them "
    "how the four numbers of the window become one. This is {kind} pooling.",
    kind=("maximum", "average", "L2"),
    window=(1, 2, 3, 4),
)
def summaries(kind="maximum", window=1):
    """Windows of 2x2, stride 2, on the slice of the slides; sliders for the kind of pooling and for the window."""
    out = pool(SLICE, 2, kind=kind)
    i, j = divmod(window - 1, 2)
    values = SLICE[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].ravel()
    board = Board(18.5, 6.6, cell=0.5)
    board.block(0.6, 1.5, SLICE, "x", BLUE)
    board.frame(0.6 + 2 * j, 1.5 + 2 * i, 2, 2)
    board.arrow((5.2, 3.5), (6.7, 3.5))
    board.block(7.3, 2.5, out, "out", GREY, numbers=False)
    for (row, column), value in np.ndenumerate(out):
        board.text(7.8 + column, 3 + row, f"{value:.3g}", 13 if value in (1, *SLICE.flat) else 11)
    board.frame(7.3 + j, 2.5 + i)
    listed = ", ".join(map(str, values))
    words = {
        "maximum": f"max({listed})",
        "average": f"({' + '.join(map(str, values))}) / 4",
        "L2": "√(" + " + ".join(f"{v}²" for v in values) + ")",
    }
    board.text(10.6, 2.9, words[kind], 18, ha="left")
    board.text(10.6, 4.1, f"= {out[i, j]:.4g}", 19, ORANGE, ha="left", weight="bold")
    board.text(10.6, 1.2, kind, 18, ha="left", weight="bold")
    return board


@panel(
    "A letter moved by {pixels} pixels to the right, the map of an edge filter, and that map after {kind} pooling with windows "
    "of 2, 4 and 8 pixels. Under each map stands how much it is like the map of the letter that did not move: 1 is the same. "
    "As a rule, the larger the windows, the slower this number falls.",
    pixels=(0, 1, 2, 3, 4),
)
def shift(kind="maximum", letter="R", pixels=2):
    """A letter shifted by 0 to 4 pixels, the answer of an edge filter, and what pooling makes of it."""
    drawn = data.letters(1, letter, size=32, disorder=0).x[0, 0]
    moved = np.pad(drawn, ((0, 0), (pixels, 0)))[:, :32]
    figure, panes = axes(5, width=10.5, height=3)
    image(panes[0], 1 - moved, "input", vmin=0, vmax=1)
    under(panes[0], f"shifted by {pixels}")
    names = ["filter's answer", *(f"pooled {n}×{n}" for n in SIZES)]
    for ax, name, values, first in zip(panes[1:], names, pooled(moved, kind), pooled(drawn, kind), strict=True):
        image(ax, values, name, "gray_r", vmin=0, vmax=first.max())
        ax.set_axis_on()
        under(ax, f"alike: {alike(values, first):.2f}", color=ORANGE, weight="bold")
    return figure


SIZES = (2, 4, 8)


def pooled(plane, kind):
    """What a filter for the right rims of ink makes of an image (H, W), and that map pooled by windows of all SIZES."""
    before, after = np.pad(plane, ((0, 0), (1, 1)))[:, :-2], np.pad(plane, ((0, 0), (1, 1)))[:, 2:]
    edges = np.maximum(before - after, 0)
    return [edges, *(pool(edges, n, kind=kind) for n in SIZES)]


def alike(one, other):
    """The cosine of the angle between two maps: 1 where they differ in brightness only, 0 where they have nothing in common."""
    return (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())


def under(ax, words, **kwargs):
    """Words below a picture."""
    framed = ax.axison
    ax.set_axis_on()
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(framed)
    ax.set_xlabel(words, **kwargs)


TIES = np.array([[1, 7, 2, 0, 8], [0, 2, 7, 1, 3], [4, 0, 6, 2, 2], [2, 5, 1, 3, 0], [6, 0, 2, 6, 1]])
UPSTREAM = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])


@flipbook(
    "An input of 5 by 5 numbers and its maximum pooling with windows of 3 by 3 and stride {stride}. On each page one window is "
    "framed, its first maximum is marked, and the upstream gradient of that window is added there in dx, and nowhere else.",
    label="window",
    start=3,
)
def max_gradient(stride=2):
    """Every window hands its upstream gradient to its first maximum; windows that overlap may choose the same pixel."""
    out, cache = ops.max_pool2d_forward(TIES[None, None].astype(float), 3, stride)
    out, winners = out[0, 0], ops.max_pool2d_switches(cache)[0, 0]
    dout, dx = UPSTREAM[: out.shape[0], : out.shape[1]], np.zeros(TIES.shape)
    for i, j in np.ndindex(out.shape):
        row, column = divmod(winners[i, j], 5)
        dx[row, column] += dout[i, j]
        board = Board(24.5, 7.4, cell=0.425)
        board.block(0.6, 1.6, TIES, "x", BLUE)
        board.frame(0.6 + j * stride, 1.6 + i * stride, 3, 3)
        board.frame(0.6 + column, 1.6 + row, colour=ORANGE, line=4)
        for x, values, name in [(7.4, out, "out"), (12.4, dout, "dout")]:
            board.block(x, 1.6, values, name, GREY)
            board.frame(x + j, 1.6 + i)
        board.arrow((15.8, 3), (17.6, 3), ORANGE)
        board.block(18.4, 1.6, np.where(dx == 0, np.nan, dx), "dx so far", BLUE)
        board.frame(18.4, 1.6, 5, 5, GREY, line=1)
        board.frame(18.4 + column, 1.6 + row, colour=ORANGE, line=4)
        yield board


@picture(
    "One window with the numbers 1, 2, 2 and 4 and an upstream gradient of 10. Maximum pooling sends all 10 to the 4; average "
    "pooling sends 2.5 to each; L2 pooling sends 2, 4, 4 and 8, in proportion to the numbers."
)
def shares():
    """The gradient of one window under three kinds of pooling."""
    x = np.array([[1, 2], [2, 4]])
    board = Board(20, 6.4, cell=0.5)
    board.block(0.8, 2.2, x, "window of x", BLUE)
    board.text(1.8, 5.2, "dout = 10", 16, GREY)
    for k, (kind, (forward, backward)) in enumerate(POOL.items()):
        left = 5.6 + 5 * k
        out, cache = forward(x[None, None].astype(float), 2)
        dx = backward(np.full((1, 1, 1, 1), 10.0), cache)[0, 0]
        board.text(left + 1, 0.6, kind, 17, weight="bold")
        board.block(left, 2.2, dx, "dx", BLUE)
        board.text(left + 1, 5.2, f"out = {out.item():.4g}", 16, GREY)
    return board


@picture(
    "A photograph ({name}), the maps of two edge filters, one for upright and one for level edges, and their L2 pooling: it "
    "shows all edges alike, whatever their direction or sign."
)
def all_edges(name="coffee", size=128):
    """L2 pooling over two features: the length of the vector of both answers at each pixel."""
    photo = data.photograph(name, size).mean(0)
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4
    maps = ops.conv2d_forward(photo[None, None], np.stack([sobel, sobel.T])[:, None])[0]
    length = ops.l2_pool_features_forward(maps, pieces=2)[0]
    most = np.percentile(length, 99)
    figure, panes = axes(4, width=10.5, height=3.1)
    image(panes[0], photo, "photograph", vmin=0, vmax=1)
    image(panes[1], maps[0, 0], "feature 1", SIGNED, vmin=-most, vmax=most)
    image(panes[2], maps[0, 1], "feature 2", SIGNED, vmin=-most, vmax=most)
    image(panes[3], length[0, 0], "L2 over both", "gray_r", vmin=0, vmax=most)
    return figure


@picture(
    "A photograph of a surface ({name}) that gets darker to the right; what is left when the local mean is subtracted; and the "
    "result when the local deviation is divided out as well. A number under each says how strong the contrast at the right is, "
    "as a share of that at the left: it comes closer to 1."
)
def contrast(name="brick", size=160, window=9, dark=0.2):
    """Local contrast normalisation of a photograph that falls into the shadow. dark: the light that is left at the right."""
    photo = data.photograph(name, size).mean(0) * np.linspace(1, dark, size)
    weights = gaussian(window)
    normed = ops.local_contrast_norm_forward(photo[None, None], window=weights)[0][0, 0]
    centred = photo - around(photo, weights)
    figure, panes = axes(3, width=10.5, height=4.1)
    named = {"in the shadow": photo, "minus the local mean": centred, "÷ the local deviation": normed}
    for ax, (title, values) in zip(panes, named.items(), strict=True):
        most = np.percentile(abs(values), 98)
        image(ax, values, title, vmin=0 if values is photo else -most, vmax=most)
        local = values - around(values, weights)
        share = local[:, -size // 4 :].std() / local[:, : size // 4].std()
        under(ax, f"contrast, right : left = {share:.2f}")
    return figure


def gaussian(size):
    """A bell of size x size weights that sum to 1."""
    bell = np.exp(-8 * ((np.arange(size) - size // 2) / size) ** 2)
    return np.outer(bell, bell) / bell.sum() ** 2


def around(plane, weights):
    """The weighted mean around every pixel, of the part of the window that lies in the image."""
    both = np.stack([plane, np.ones(plane.shape)])[:, None]
    total, met = ops.conv2d_forward(both, weights[None, None], None, 1, len(weights) // 2)[0][:, 0]
    return total / met


@flipbook(
    "Rows of units, the input pixels at the bottom and a layer above the other; the layers, as pairs of size and stride, are "
    "{layers}. One unit of the newest layer is lit, and so is all below it that it depends on. On the photograph beside it "
    "its receptive field is framed; it grows with every layer.",
    label="page",
    start=3,
)
def field_of_view(layers=((3, 1), (2, 2), (3, 1), (2, 2), (3, 1), (2, 2)), pixels=40):
    """The receptive field of one unit, layer by layer, along one direction and on a photograph."""
    photo, scale = data.photograph("chelsea", 64), 6.4 / 64
    places = [np.arange(pixels, dtype=float)]  # where the middles of the units lie, in input pixels
    for size, stride in layers:
        count = (len(places[-1]) - size) // stride + 1
        if count < 1:
            raise ValueError(f"a layer of {size} does not fit {len(places[-1])} units: give more pixels")
        places.append(np.array([places[-1][k * stride : k * stride + size].mean() for k in range(count)]))
    wide, top = 15.5, 0.9
    unit, rise = wide / pixels, 5.6 / max(len(layers), 1)
    for depth in range(len(layers) + 1):
        field = arithmetic.receptive_field(layers[:depth])
        board = Board(28.5, 8.5, cell=0.365)
        first = last = len(places[depth]) // 2
        lit = {depth: (first, last)}
        for below in reversed(range(depth)):
            size, stride = layers[below]
            first, last = first * stride, last * stride + size - 1
            lit[below] = (first, last)
        for k, middles in enumerate(places):
            y = top + rise * (len(layers) - k)
            on = np.zeros(len(middles), bool)
            if k in lit:
                on[lit[k][0] : lit[k][1] + 1] = True
            shade = PALE if k > depth else tint(GREY, 0.45)
            board.ax.scatter(4.6 + unit * (middles + 0.5), np.full(len(middles), y), s=52, color=shade, zorder=2)
            board.ax.scatter(4.6 + unit * (middles[on] + 0.5), np.full(on.sum(), y), s=52, color=ORANGE, zorder=4)
            words = "input" if k == 0 else "size {}, stride {}".format(*layers[k - 1])
            board.text(4.1, y, words, 12.5, INK if k <= depth else "#8A8A8A", ha="right")
            for one in range(lit[k][0], lit[k][1] + 1) if 0 < k <= depth else ():
                size, stride = layers[k - 1]
                for other in places[k - 1][one * stride : one * stride + size]:
                    ends = [4.6 + unit * (middles[one] + 0.5), 4.6 + unit * (other + 0.5)]
                    board.ax.plot(ends, [y, y + rise], color=ORANGE, lw=1, alpha=0.7, zorder=1)
        board.text(
            4.6 + wide / 2, 7.7, f"receptive field: {field} pixel{'s' if field > 1 else ''}", 17, ORANGE, weight="bold"
        )
        board.image(21.6, 0.6, photo, scale=scale)
        corner = [at + (64 - field) / 2 * scale for at in (21.6, 0.6)]
        board.frame(*corner, field * scale, field * scale, ORANGE, 4)
        board.text(21.6 + 3.2, 7.7, f"{field}×{field} of 64×64", 16)
        yield board


@picture(
    "A line of {count} handwritten digits. Under it a map with a row for each of the ten digits and a column for each place of "
    "the window: dark where a layer that was fully connected to single digits finds its digit. Marked is the best row at "
    "every digit's own place; {count} digits, of which most are read rightly."
)
def read_a_line(count=8, seed=3):
    """Ten units, fully connected to 8x8 digits, run over a line of digits as ten filters of 8x8."""
    train, test = data.digits()
    x, y = train.x.reshape(len(train.x), -1).astype(float), np.eye(10)[train.y]
    empty = np.concatenate([half(train.x, seed), np.zeros((1, 64))])  # what lies between two digits is none
    x = np.concatenate([x, empty])
    y = np.concatenate([y, np.zeros((len(empty), 10))])
    x1 = np.column_stack([x, np.ones(len(x))])
    solved = np.linalg.solve(x1.T @ x1 + 30 * np.eye(65), x1.T @ y)
    w, b = solved[:64].T, solved[64]
    chosen = np.random.default_rng(seed).choice(len(test.x), count, replace=False)
    line = np.concatenate(list(test.x[chosen, 0].astype(float)), axis=1)
    scores = ops.conv2d_forward(line[None, None], w.reshape(10, 1, 8, 8), b)[0][0, :, 0]
    figure, panes = axes(1, 2, width=10.5, height=5.2, height_ratios=(1.1, 2))
    image(panes[0], line, f"one image of 8×{8 * count}", "gray_r", vmin=0, vmax=1)
    panes[1].imshow(
        np.pad(scores, ((0, 0), (0, 7)), constant_values=np.nan), aspect="auto", vmin=0, vmax=1, cmap="gray_r"
    )
    right = 0
    for k, label in enumerate(test.y[chosen]):
        best = scores[:, 8 * k].argmax()
        right += best == label
        panes[1].add_patch(Rectangle((8 * k - 0.5, best - 0.5), 1, 1, fill=False, edgecolor=ORANGE, lw=3, zorder=3))
        panes[1].text(8 * k + 0.9, best, str(best), color=ORANGE, va="center", fontsize=16, weight="bold")
    panes[1].set(yticks=range(10), ylabel="digit", xlabel="place of the window", xlim=(-0.5, line.shape[1] - 0.5))
    panes[1].set_title(f"scores of 10 filters 8×8: a map of 10×1×{scores.shape[1]}, {right} of {count} read rightly")
    return figure


def half(x, seed):
    """Windows that lie between two digits of a line, unrolled."""
    rng = np.random.default_rng(seed)
    pairs = np.concatenate([x[:, 0], x[rng.permutation(len(x)), 0]], axis=2)
    return np.concatenate([pairs[:, :, k : k + 8].reshape(len(x), 64) for k in (3, 4, 5)]).astype(float)
