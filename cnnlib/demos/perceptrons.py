"""Lesson 01: the first learning machines, their losses, and what a hidden layer adds."""

import numpy as np

from .. import data, ops, perceptron
from ..plot import BLUE, GREY, INK, ORANGE, PALE, SIGNED, Board, axes, flipbook, image, number, panel, picture, tint

CORNERS = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])


@flipbook(
    "The Mark I learns to tell {pair[0]} from {pair[1]}. Each page shows the letter of 20 by 20 pixels on which it was wrong, "
    "the weights after the update as a picture, orange for {pair[0]} and purple for {pair[1]}, and how the mistakes add up "
    "more and more slowly while letters go by.",
    label="page",
    start=0,
)
def mark_one(pair="QO", lr=1.0, pages=8):
    """One update a page at first, then larger steps, until the last mistake."""
    train, test = data.letters(300, pair), data.letters(200, pair, seed=1)
    x, t = train.x.reshape(len(train.x), -1), 1 - 2 * train.y
    w, b, story, seen = np.zeros(400), 0.0, [], 0
    for _ in range(20):  # rounds
        before = len(story)
        for image_, sign in zip(x, t, strict=True):
            seen += 1
            old = w, b
            w, b = perceptron.perceptron_update(w, b, image_, int(sign), lr)
            if b != old[1]:
                story.append((image_, sign, w, b, seen))
        if len(story) == before:
            break
    marks = np.unique(np.round(np.geomspace(1, len(story), pages)).astype(int))
    for k in marks:
        image_, sign, w, b, _ = story[k - 1]
        right = np.mean(np.sign(test.x.reshape(-1, 400) @ w + b) == 1 - 2 * test.y)
        yield _mark_one_page(pair, story, k, seen, f"{right:.0%} of 200 new letters are right")


def _mark_one_page(pair, story, k, seen, words):
    letter, sign, w, _, _ = story[k - 1]
    figure, panes = axes(3, width=10, height=3.6, width_ratios=[1, 1, 1.5])
    image(panes[0], letter.reshape(20, 20), f"mistake {k}: {pair[0] if sign > 0 else pair[1]}", "gray_r")
    largest = abs(w).max()
    image(panes[1], w.reshape(20, 20), "weights after it", SIGNED, vmin=-largest, vmax=largest)
    times = [0, *(when for *_, when in story), seen]
    panes[2].step(times, [*range(len(story) + 1), len(story)], where="post", color=PALE, lw=3)
    panes[2].step(times[: k + 1], range(k + 1), where="post", color=INK, lw=3)
    panes[2].plot(times[k], k, "o", color=ORANGE, ms=10)
    panes[2].set(title=words, xlabel="letters seen", ylabel="mistakes")
    return figure


@panel(
    "Left: points in a disc, two classes with a gap of {margin} on each side of a line, and the line that the perceptron "
    "found. Right, on logarithmic axes against the number of mistakes k: the length of w stays above k times delta and below "
    "the root of k times M; the two lines cross at the bound, where k must end.",
    margin=(0.05, 0.1, 0.3),
)
def convergence(margin=0.1):
    """Between two lines that cross: an adversary shows the example that helps least, among those that are wrong."""
    rng, w_star = np.random.default_rng(2), np.array([0.6, 0.8])
    x = rng.uniform(-1, 1, (1500, 2))
    x = x[(np.linalg.norm(x, axis=1) <= 1) & (abs(x @ w_star) >= margin)][:160]
    t = np.sign(x @ w_star)
    w, lengths = np.zeros(2), []
    while np.any(wrong := t * (x @ w) <= 0):
        n = np.flatnonzero(wrong)[np.argmin((t * (x @ w_star))[wrong])]
        w = w + t[n] * x[n]
        lengths.append(np.linalg.norm(w))
    bound = perceptron.perceptron_bound(x, t, w_star)
    radius = np.linalg.norm(x, axis=1).max()
    delta = radius / np.sqrt(bound)
    figure, panes = axes(2, width=10, height=4.2, width_ratios=[1, 1.4])
    _points(panes[0], x, t, size=28)
    _line(panes[0], *w_star, 0, GREY, "--", "w*")
    _line(panes[0], *w, 0, INK, "-", "found")
    panes[0].set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal", xticks=[], yticks=[], title=f"margin {margin}")
    panes[0].legend(loc="lower left", framealpha=0.9, frameon=True)
    k = np.geomspace(1, bound * 2, 50)
    panes[1].loglog(k, radius * np.sqrt(k), color=ORANGE, lw=3, label="√k · M")
    panes[1].loglog(k, k * delta, color=BLUE, lw=3, label="k · δ")
    panes[1].loglog(np.arange(1, len(lengths) + 1), lengths, "o", color=INK, ms=6, label="|w| after k mistakes")
    panes[1].axvline(bound, color=GREY, ls=":", lw=2.5)
    panes[1].set(xlabel="mistakes k", title=f"{len(lengths)} mistakes, at most {bound:.0f} allowed")
    panes[1].legend(loc="upper left")
    return figure


def _points(ax, x, t, size=60, **kwargs):
    """Circles for +1, squares for -1: two classes that need no colours."""
    ax.scatter(*x[t > 0].T, s=size, color=ORANGE, marker="o", edgecolor="white", zorder=3, **kwargs)
    ax.scatter(*x[t < 0].T, s=size, color=BLUE, marker="s", edgecolor="white", zorder=3, **kwargs)


def _line(ax, w1, w2, b, colour=INK, style="-", label=None):
    """Where w·x + b is 0."""
    length = np.hypot(w1, w2) or 1
    foot, along = -b * np.array([w1, w2]) / length**2, np.array([-w2, w1]) / length
    ax.plot(*np.transpose([foot - 20 * along, foot + 20 * along]), style, color=colour, lw=3, label=label, zorder=2)


@picture(
    "Four columns: perceptron, hinge, logistic and squared loss. Above, the loss against t times the score, with the step "
    "of the zero-one loss dashed in grey: the perceptron's stays at 0 on the right and lies under the step, the hinge needs a margin of 1, the "
    "logistic one never reaches 0, the squared one rises again. Below, the line each finds on the same points; the squared "
    "loss alone is pulled away by a few points far on the right side, and gets others wrong."
)
def losses():
    """The same linear score under four losses, and the four lines on the same points."""
    rng = np.random.default_rng(4)
    x = np.concatenate(
        [rng.normal((-0.8, 0), 0.35, (25, 2)), rng.normal((0.8, 0), 0.35, (25, 2)), rng.normal((6, 3), 0.3, (8, 2))]
    )
    t = np.array([-1] * 25 + [1] * 33)
    s = np.linspace(-2.5, 2.5, 201)
    sign = np.ones_like(s)
    curves = {
        "perceptron": np.maximum(0, -s),
        "hinge": np.maximum(0, 1 - s),
        "logistic": np.logaddexp(0, -s) / np.log(2),
        "squared (Adaline)": (sign - s) ** 2,
    }
    lines = {
        "perceptron": perceptron.fit_perceptron(x, t)[:2],
        "hinge": _descend(x, t, ops.hinge_loss_forward, ops.hinge_loss_backward),
        "logistic": _descend(x, t, ops.logistic_loss_forward, ops.logistic_loss_backward),
        "squared (Adaline)": _least_squares(x, t),
    }
    figure, panes = axes(4, 2, width=10.5, height=5.4, sharex="row", sharey="row")
    for j, (name, curve) in enumerate(curves.items()):
        panes[0, j].plot(s, s < 0, color=GREY, lw=2, ls="--", drawstyle="steps-mid")
        panes[0, j].plot(s, curve, color=BLUE, lw=3.5)
        panes[0, j].set(title=name, xlabel="t · f(x)", ylim=(-0.1, 3), xticks=[-2, -1, 0, 1, 2])
        w, b = lines[name]
        wrong = int(np.sum(t * (x @ w + b) <= 0))
        _points(panes[1, j], x, t, size=40)
        _line(panes[1, j], *w, b)
        panes[1, j].set(xlim=(-2, 7), ylim=(-3.2, 4.2), xticks=[], yticks=[], title=f"{wrong} wrong")
    panes[0, 0].set_ylabel("loss")
    return figure


def _descend(x, t, forward, backward, steps=3000, lr=0.2, decay=0.003):
    """Gradient descent on a mean loss of the score, with a little weight decay, which prefers a wide margin."""
    w, b = np.zeros(2), 0.0
    for _ in range(steps):
        ds = backward(1.0, forward(x @ w + b, t)[1])
        w, b = w - lr * (ds @ x + decay * w), b - lr * ds.sum()
    return w, b


def _least_squares(x, t):
    *w, b = np.linalg.lstsq(perceptron.with_one(x), t, rcond=None)[0]
    return np.array(w), b


@panel(
    "One class in the middle, the other in a ring around it. Left: the perceptron with the plain dot product has only "
    "lines to draw and stays wrong. Right: the same perceptron with a Gaussian kernel of width {width} draws a closed curve; large "
    "marks are the examples whose alpha is not 0.",
    width=(0.1, 0.3, 1.0),
)
def similarity(width=0.3):
    """The same learning rule, with two ways to say how similar two points are."""
    rng = np.random.default_rng(5)
    angle, length = rng.uniform(0, 2 * np.pi, 90), np.r_[rng.uniform(0, 0.45, 40), rng.uniform(0.7, 1, 50)]
    x, t = np.stack([length * np.cos(angle), length * np.sin(angle)], 1), np.r_[np.ones(40), -np.ones(50)]
    at = np.linspace(-1.25, 1.25, 90)
    grid = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
    kernels = {
        "dot product": lambda a, b: a @ b.T + 1,
        f"Gaussian kernel, width {width}": lambda a, b: perceptron.gaussian_kernel(a, b, width),
    }
    figure, panes = axes(2, width=9.6, height=4.6)
    for ax, (name, kernel) in zip(panes, kernels.items(), strict=True):
        alpha, history = perceptron.fit_kernel_perceptron(kernel(x, x), t, epochs=40, rng=np.random.default_rng(0))
        score = perceptron.dual_predict(alpha, kernel(grid, x)).reshape(90, 90)
        ax.contourf(at, at, score > 0, levels=[-0.5, 0.5, 1.5], colors=[tint(BLUE, 0.18), tint(ORANGE, 0.22)])
        used = alpha != 0
        _points(ax, x[~used], t[~used], size=25)
        _points(ax, x[used], t[used], size=100)
        ax.set(xticks=[], yticks=[], aspect="equal", title=name)
        ax.set_xlabel(f"{history[-1]} mistakes in round {len(history)}; {used.sum()} of 90 count")
    return figure


@flipbook(
    "A network with three inputs, a hidden unit for each of the four inputs with an odd number of ones, and an output. "
    "Pages show the eight inputs: the scores of the hidden units are 0 where the input is the unit's own and −2 or less "
    "elsewhere, so at most one hidden unit is on.",
    label="input",
    start=1,
)
def table():
    """Parity of three signs, as a table: what each unit computes for each of the eight inputs."""
    inputs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1], indexing="ij")).reshape(3, -1).T
    positives = inputs[inputs.prod(1) > 0]
    network = perceptron.mlp_lookup(positives)
    for x in inputs:
        scores = network.w1 @ x + network.b1
        z = perceptron.step(scores)
        board = Board(20.4, 10.4, cell=0.4)
        board.ax.set_ylim(10, -0.4)
        for i, value in enumerate(x):
            for m, weight in enumerate(positives[:, i]):
                board.arrow(
                    (2.1, 2.8 + 2.2 * i), (6.4, 1.9 + 2.1 * m), BLUE if weight < 0 else ORANGE, line=2, style="-"
                )
            _unit(board, 1.6, 2.8 + 2.2 * i, value, tint(ORANGE if value > 0 else BLUE, 0.35))
        for m, score in enumerate(scores):
            y = 1.9 + 2.1 * m
            board.arrow((7.5, y), (14.6, 5), ORANGE if z[m] else PALE, line=4 if z[m] else 2, style="-")
            _unit(board, 7, y, z[m], tint(ORANGE, 0.5) if z[m] else "white")
            board.text(7, y - 0.95, f"score {number(score)}", 12, GREY)
        _unit(board, 15.1, 5, int(z.sum() >= 1), tint(ORANGE, 0.5) if z.any() else "white")
        board.text(15.9, 5, f"Σz − 1 = {number(z.sum() - 1)}", 14, ha="left")
        for left, words in ((1.6, "x"), (7, "z: step(w·x − 3)"), (15.1, "y")):
            board.text(left, 0.25, words, 15, weight="bold")
        board.text(0.8, 9.6, "weights:  orange +1,  blue −1", 13, GREY, ha="left")
        yield board


def _unit(board, x, y, value, colour):
    board.ax.scatter(x, y, s=1150, color=colour, edgecolor=INK, linewidth=2, zorder=4)
    board.text(x, y, number(value), 16, zorder=5, weight="bold")


@picture(
    "Six activations in blue with their derivatives in orange: sigmoid, whose slope is a quarter at most; tanh, with slope "
    "1 in the middle and the slide's formula as a dashed grey curve that is half as steep there; ReLU; leaky ReLU; ELU; maxout of two "
    "lines."
)
def activations():
    """Each activation with its derivative, from the pairs in cnnlib.ops."""
    x = np.linspace(-4, 4, 401)
    pairs = {
        "sigmoid": (ops.sigmoid_forward, ops.sigmoid_backward),
        "tanh": (ops.tanh_forward, ops.tanh_backward),
        "ReLU": (ops.relu_forward, ops.relu_backward),
        "leaky ReLU, α = 0.1": (lambda x: ops.leaky_relu_forward(x, 0.1), ops.leaky_relu_backward),
        "ELU, α = 1": (ops.elu_forward, ops.elu_backward),
    }
    figure, panes = axes(3, 2, width=10.5, height=5.4, sharex=True, sharey=True)
    for ax, (name, (forward, backward)) in zip(panes.flat, pairs.items(), strict=False):
        out, cache = forward(x)
        _activation(ax, name, x, out, backward(np.ones_like(x), cache))
    lines, offsets = np.array([-0.5, 1.0]), np.array([-1.0, -0.5])
    out, cache = ops.maxout_forward(x[:, None] * lines + offsets)
    _activation(panes[1, 2], "maxout of two lines", x, out[:, 0], ops.maxout_backward(np.ones((401, 1)), cache) @ lines)
    panes[0, 1].plot(x, 2 * ops.sigmoid_forward(x)[0] - 1, "--", color=GREY, lw=2.5, label="2σ(x) − 1")
    panes[0, 1].legend(loc="upper left", fontsize=12)
    panes[0, 0].legend(loc="upper left", fontsize=12)
    return figure


def _activation(ax, name, x, out, slope):
    ax.axhline(0, color=PALE, lw=1.5, zorder=0)
    ax.plot(x, slope, color=ORANGE, lw=2.5, label="derivative" if name == "sigmoid" else None)
    ax.plot(x, out, color=BLUE, lw=3.5, label="activation" if name == "sigmoid" else None)
    ax.set(title=name, ylim=(-1.3, 2.2), xticks=[-4, 0, 4])


@flipbook(
    "The exclusive or as four clouds of points. Left: the line of a perceptron jumps from page to page and always leaves "
    "many points wrong. Right: a network with {hidden} hidden units starts with one region and ends with regions that hold "
    "the four clouds apart.",
    label="page",
    start=6,
)
def learn_xor(softmax_cross_entropy=None, hidden=8, lr=0.5):
    """A perceptron and a two-layer network beside each other; the network learns from a loss of its two scores."""
    rng = np.random.default_rng(6)
    corner = rng.permutation(np.arange(120) % 4)
    x = CORNERS[corner] + rng.normal(size=(120, 2)) * 0.3
    y = (CORNERS[corner].prod(1) < 0).astype(int)
    t = 2 * y - 1
    params = [rng.normal(size=(hidden, 2)), np.zeros(hidden), rng.normal(size=(2, hidden)) * 0.3, np.zeros(2)]
    marks = {0: 2, 2: 5, 5: 20, 10: 31, 20: 45, 40: 60, 320: 111}  # step: perceptron's examples
    for step in range(321):
        if step in marks:
            shown = np.zeros(2), 0.0
            for n in range(marks[step]):
                shown = perceptron.perceptron_update(*shown, x[n], int(t[n]))
            yield _xor_page(x, t, shown, params, step, marks[step])
        _, *grads = _mlp_gradients(params, x, y, softmax_cross_entropy or _cross_entropy)
        params = [p - lr * g for p, g in zip(params, grads, strict=True)]


def _cross_entropy(scores, labels):
    loss, cache = ops.cross_entropy_forward(scores, labels)
    return loss, ops.cross_entropy_backward(1.0, cache)


def _mlp(params, x):
    h, first = ops.linear_forward(x, *params[:2])
    a, active = ops.relu_forward(h)
    scores, second = ops.linear_forward(a, *params[2:])
    return scores, (first, active, second)


def _mlp_gradients(params, x, y, loss_of):
    scores, (first, active, second) = _mlp(params, x)
    loss, dscores = loss_of(scores, y)
    da, dw2, db2 = ops.linear_backward(np.asarray(dscores, float), second)
    _, dw1, db1 = ops.linear_backward(ops.relu_backward(da, active), first)
    return loss, dw1, db1, dw2, db2


def _xor_page(x, t, line, params, step, seen):
    figure, panes = axes(2, width=9.6, height=4.6)
    at = np.linspace(-2.2, 2.2, 110)
    grid = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
    (w, b), scores = line, _mlp(params, x)[0]
    regions = grid @ w + b, np.diff(_mlp(params, grid)[0])[:, 0]
    wrong = np.sum(t * (x @ w + b) <= 0), np.sum(t * np.diff(scores)[:, 0] <= 0)
    names = f"perceptron, {seen} examples", f"network, {step} steps"
    for ax, region, name, count in zip(panes, regions, names, wrong, strict=True):
        shade = (region > 0).reshape(110, 110)
        ax.contourf(at, at, shade, levels=[-0.5, 0.5, 1.5], colors=[tint(BLUE, 0.18), tint(ORANGE, 0.22)])
        _points(ax, x, t, size=45)
        ax.set(xticks=[], yticks=[], aspect="equal", title=name, xlabel=f"{count} of {len(x)} wrong")
    return figure
