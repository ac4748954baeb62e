"""Lesson 07: what keeps signals alive through depth, and what makes training go well."""

import functools
import itertools

import numpy as np

from .. import data, nn, ops, training
from ..plot import BLUE, GREY, INK, ORANGE, SIGNED, Board, axes, flipbook, image, panel, picture, tint

LAYERS, UNITS = 10, 256
SCALES = (0.1, 0.5, 1.0, 2.0, 10.0)


@panel(
    "Histograms of the activations of a few of ten ReLU layers on handwritten digits, and beside them their standard "
    "deviation by depth on a logarithmic axis. At scale {scale} times sqrt(2/n); below 1 the signal shrinks with every "
    "layer, above 1 it grows, at 1 it keeps its size.",
    scale=SCALES,
)
def signal(scale=1.0):
    """Activations by depth where the weights' standard deviation is scale times sqrt(2/n)."""
    return _by_depth(scale, False)


@panel(
    "Histograms of the activations of a few of ten ReLU layers on handwritten digits, and beside them their standard "
    "deviation by depth on a logarithmic axis, at scale {scale}, with batch normalisation {batch_norm}. With it, every "
    "layer looks alike at every scale; without it, the signal shrinks or grows.",
    scale=(0.1, 1.0, 10.0),
    batch_norm=(False, True),
)
def normalised_signal(scale=0.1, batch_norm=True):
    """The same with and without batch normalisation before every ReLU."""
    return _by_depth(scale, batch_norm)


def _by_depth(scale, batch_norm):
    layers = _activations(scale, batch_norm)
    shown = (1, 2, 4, 7, 10)
    figure, panes = axes(len(shown) + 1, width=10.5, height=3.4, width_ratios=[1] * len(shown) + [2.1])
    for ax, depth in zip(panes, shown, strict=False):
        values = layers[depth - 1].ravel()
        ax.hist(np.clip(values, 0, 3), bins=np.linspace(0, 3, 25), color=BLUE, density=True)
        ax.set(ylim=(0, 2), xlim=(0, 3), yticks=[], xticks=[0, 3], xticklabels=["0", "3+"], title=f"layer {depth}")
        ax.text(0.95, 0.86, f"std\n{values.std():.2g}", transform=ax.transAxes, ha="right", va="center", fontsize=14)
        ax.spines["left"].set_visible(False)
    ax, depths = panes[-1], np.arange(1, LAYERS + 1)
    for other in SCALES:
        if not batch_norm:
            ax.semilogy(depths, _spreads(other), color="#BBBBBB", lw=1.5)
    ax.semilogy(depths, [out.std() for out in layers], color=ORANGE, lw=3.5, marker="o", ms=6)
    ax.set(
        ylim=(1e-11, 1e11), xlabel="layer", title="std by layer", xticks=[1, 5, 10], yticks=[1e-10, 1e-5, 1, 1e5, 1e10]
    )
    ax.minorticks_off()
    return figure


@functools.cache
def _spreads(scale):
    return [out.std() for out in _activations(scale, False)]


def _activations(scale, batch_norm):
    """What every layer puts out for 300 digits."""
    rng, x, outs = np.random.default_rng(0), _digits()[0][:300], []
    for _ in range(LAYERS):
        x = x @ rng.normal(scale=scale * np.sqrt(2 / x.shape[1]), size=(x.shape[1], UNITS))
        if batch_norm:
            x = ops.batch_norm_forward(x, np.ones(UNITS), np.zeros(UNITS))[0]
        outs.append(x := np.maximum(x, 0))
    return outs


def _digits():
    """x (N, 64) with mean 0 and deviation 1, y; for training, then held out."""
    train, test = data.digits()
    mean, std = train.x.mean(), train.x.std()
    return *((half.x.reshape(len(half.x), -1) - mean) / std for half in (train, test)), train.y, test.y


@picture(
    "Two panels on logarithmic axes by depth, for layers of widths {widths}: left the signal going forward, right the "
    "gradient coming back. Where n counts inputs the signal keeps its size, and where n counts outputs the gradient does; "
    "the other one drifts by no more than the ratio of the widths."
)
def inputs_or_outputs(widths=(512, 256, 128, 64, 32)):
    """The root mean square of signal and gradient, with n as the number of inputs or of outputs of a unit's layer."""
    figure, panes = axes(2, width=10, height=3.6, sharey=True)
    for name, colour, mark in (("inputs", BLUE, "o"), ("outputs", ORANGE, "s")):
        rng = np.random.default_rng(1)
        z, weights, masks, forward = rng.normal(size=(400, widths[0])), [], [], []
        for n_in, n_out in itertools.pairwise(widths):
            n = n_in if name == "inputs" else n_out
            weights.append(rng.normal(scale=np.sqrt(2 / n), size=(n_out, n_in)))
            z = (np.maximum(z, 0) if masks else z * np.sqrt(0.5)) @ weights[-1].T  # as if a ReLU stood before the first
            masks.append(z > 0)
            forward.append(_size(z))
        d, back = rng.normal(size=z.shape), []
        for w, mask in zip(reversed(weights), reversed(masks), strict=True):
            back.insert(0, _size(d))
            d = (d * mask) @ w
        back.insert(0, _size(d))
        depths = np.arange(len(widths))
        panes[0].semilogy(depths, [1, *forward], color=colour, marker=mark, lw=3, ms=9, label=f"n counts {name}")
        panes[1].semilogy(depths, back, color=colour, marker=mark, lw=3, ms=9)
    for ax, title in zip(panes, ("signal, forward →", "gradient, ← backward"), strict=True):
        ax.set(title=title, xlabel="units", xticks=range(len(widths)), xticklabels=map(str, widths), ylim=(0.08, 12))
        ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        ax.axhline(1, color=GREY, lw=1, zorder=0)
        ax.minorticks_off()
    panes[0].legend()
    return figure


def _size(values):
    return float(np.sqrt(np.mean(values**2)))


@panel(
    "Left: a column for each of 100 ReLU units after 100 steps of training on handwritten digits, a row for each of 60 "
    "digits; active is blue, off is white, and a unit that no digit of the training set wakes is an orange column. Right: "
    "the loss. Learning rate {lr}; small rates kill no unit, the largest nearly all.",
    lr=(0.05, 0.5, 1.0, 1.5, 2.0),
)
def dying(lr=1.0, steps=100):
    """Which units of a hidden layer still answer to any digit after training with this learning rate."""
    on, losses = _answers(lr, steps)
    dead = ~on.any(axis=0)
    order = np.argsort(on.mean(axis=0))
    colours = np.where(on[:60, order, None], tint(BLUE, 0.75), 1.0)
    colours[:, dead[order]] = tint(ORANGE, 0.8)
    figure, panes = axes(2, width=10.5, height=4, width_ratios=[1.7, 1])
    panes[0].imshow(colours, interpolation="nearest", aspect="auto")
    panes[0].set(
        title=f"{dead.sum()} of {len(dead)} units are dead", xlabel="unit", ylabel="digit", xticks=[], yticks=[]
    )
    panes[1].plot(np.minimum(losses, 10), color=INK, lw=2)
    panes[1].axhline(np.log(10), color=GREY, lw=1.5, ls="--")
    panes[1].text(steps, np.log(10) + 0.1, "guessing", color=GREY, ha="right", va="bottom")
    panes[1].set(title=f"loss, lr = {lr:g}", xlabel="step", ylim=(0, 5))
    return figure


def _answers(lr, steps):
    """Which of 100 hidden units (columns) is active for which digit (rows) after training, and the losses."""
    x, _, y, _ = _digits()
    rng, params = np.random.default_rng(2), _he((64, 100, 10))
    losses = []
    for _ in range(steps):
        batch = rng.integers(len(x), size=64)
        loss, grads = network(params, x[batch], y[batch])
        losses.append(loss)
        params = [p - lr * g for p, g in zip(params, grads, strict=True)]
    return x @ params[0].T + params[1] > 0, losses


def _he(widths, factor=1.0, seed=0, norm=False):
    """w, b of every layer (and gamma, beta between, with norm) as one list."""
    rng, params = np.random.default_rng(seed), []
    for k, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        params += [rng.normal(scale=factor * np.sqrt(2 / n_in), size=(n_out, n_in)), np.zeros(n_out)]
        if norm and k < len(widths) - 2:
            params += [np.ones(n_out), np.zeros(n_out)]
    return params


def network(params, x, y):
    """The loss and the gradients of a network of linear layers, [batch norm,] ReLU: a `net` for `train_step`.

    params: a list of w, b for each layer, followed by gamma, beta where batch norm stands between it and its ReLU.
    """
    pairs, caches = list(zip(params[::2], params[1::2], strict=True)), []
    for k, (a, b) in enumerate(pairs):
        if a.ndim == 2:
            x, cache = ops.linear_forward(x, a, b)
            name = "linear"
        else:
            x, cache = ops.batch_norm_forward(x, a, b)
            name = "batch_norm"
        caches.append((name, cache))
        if k + 1 < len(pairs) and pairs[k + 1][0].ndim == 2:
            x, cache = ops.relu_forward(x)
            caches.append(("relu", cache))
    loss, cache = ops.cross_entropy_forward(x, y)
    d, grads = ops.cross_entropy_backward(1.0, cache), []
    for name, cache in reversed(caches):
        if name == "relu":
            d = ops.relu_backward(d, cache)
        else:
            d, da, db = getattr(ops, f"{name}_backward")(d, cache)
            grads = [da, db, *grads]
    return float(loss), grads


def _right(params, seen, x, y):
    """The part of x whose largest score is at its label; batch norm uses the statistics of the digits seen in training."""
    pairs = list(zip(params[::2], params[1::2], strict=True))
    for k, (a, b) in enumerate(pairs):
        if a.ndim == 2:
            seen, x = seen @ a.T + b, x @ a.T + b
        else:
            seen, cache = ops.batch_norm_forward(seen, a, b)
            x = ops.batch_norm_forward(x, a, b, cache.mean, cache.var)[0]
        if k + 1 < len(pairs) and pairs[k + 1][0].ndim == 2:
            seen, x = np.maximum(seen, 0), np.maximum(x, 0)
    return float(np.mean(x.argmax(axis=1) == y))


@flipbook(
    "A batch of four examples with three features as a table of numbers, a row each. Pages subtract the mean of every "
    "column, divide by its standard deviation, multiply by gamma and add beta; below each column stand its mean and its "
    "standard deviation.",
    label="step",
    start=2,
)
def normalise():
    """Batch normalisation in numbers: each column on its own."""
    x = np.array([[1.0, 10, -2], [3, 10, 0], [5, 50, -1], [7, 90, -1]])
    gamma, beta = np.array([1.0, 2, 0.5]), np.array([0.0, 5, -1])
    x_hat = (x - x.mean(0)) / x.std(0)
    stages = [
        ("x", x, "a batch: N = 4 rows, D = 3 features"),
        ("x − μ", x - x.mean(0), "minus the mean of each column"),
        ("x̂", x_hat, "divided by the standard deviation of each column"),
        ("out", gamma * x_hat + beta, "times γ = (1, 2, 0.5), plus β = (0, 5, −1)"),
    ]
    for page in range(len(stages)):
        board = Board(22, 9, cell=0.475)
        for k, (name, values, _) in enumerate(stages[: page + 1]):
            left, colour = 2.4 + 5 * k, (BLUE, INK, INK, GREY)[k]
            board.block(left, 1.9, values.round(2), name, colour, size=13, scale=1.25)
            for row, numbers in ((7.6, values.mean(0)), (8.5, values.std(0))):
                for j, value in enumerate(numbers):
                    board.text(left + 1.25 * (j + 0.5), row, f"{value + 0.0:.3g}".replace("-", "−"), 14)
        board.text(2, 7.6, "mean", 14, GREY, ha="right")
        board.text(2, 8.5, "std", 14, GREY, ha="right")
        board.text(2.4, 0.35, stages[page][2], 15, ORANGE, ha="left", weight="bold")
        yield board


@panel(
    "A handwritten digit, then three copies from which dropout took each pixel with probability {p} and made the others "
    "brighter, then the means of 10, 100 and 1000 such copies, which come closer and closer to the digit.",
    p=(0.2, 0.5, 0.8),
)
def masks(p=0.5):
    """Dropout on a digit: what single draws do, and that their mean is the digit."""
    digit, rng = data.digits(size=16)[0].x[3, 0].astype(float), np.random.default_rng(5)
    figure, panes = axes(7, width=10.5, height=2.1)
    kwargs = {"vmin": 0, "vmax": 1.2}
    image(panes[0], digit, "digit", **kwargs)
    for ax in panes[1:4]:
        image(ax, ops.dropout_forward(digit, p, rng)[0], f"p = {p:g}", **kwargs)
    for ax, count in zip(panes[4:], (10, 100, 1000), strict=True):
        made = ops.dropout_forward(np.repeat(digit[None], count, 0), p, rng)[0].mean(0)
        image(ax, made, f"mean of {count}" if count == 10 else f"of {count}", **kwargs)
    return figure


@panel(
    "The level lines of a long, narrow valley and the path of {steps} steps of gradient descent from its left end, with "
    "learning rate {lr} and momentum {momentum}. Without momentum the path crawls along the valley, or climbs out of it where "
    "the rate is too large; with 0.8 it comes much further in as many steps; with 0.95 it shoots past the goal.",
    lr=(0.03, 0.07, 0.09),
    momentum=(0.0, 0.8, 0.95),
)
def valley(lr=0.03, momentum=0.0, steps=40):
    """Gradient descent with momentum on 0.5 (0.2 a² + 25 b²)."""
    curvature, path = np.array([0.2, 25.0]), _path(lr, momentum, steps)
    turn = np.linspace(0, 2 * np.pi, 90)
    figure, ax = axes(width=9.5, height=3.4)
    for level in (0.5, 2, 8, 18, 32):
        radii = np.sqrt(2 * level / curvature)
        ax.plot(radii[0] * np.cos(turn), radii[1] * np.sin(turn), color="#BBBBBB", lw=1.2)
    ax.plot(*path.T, color=ORANGE, lw=1.8, marker="o", ms=5)
    ax.plot(0, 0, "*", color=BLUE, ms=18, zorder=5)
    ax.set(xlim=(-10.5, 10.5), ylim=(-1.9, 1.9), xticks=[], yticks=[])
    end = 0.5 * (curvature * path[-1] ** 2).sum()
    words = f"loss after {steps} steps: {end:.2g}" if end < 1e4 else f"diverged: the loss is {end:.0e}"
    ax.set_title(f"lr = {lr:g}, momentum = {momentum:g}:   {words}", loc="left")
    return figure


def _path(lr, momentum, steps):
    w, v = np.array([-9.0, 1.6]), np.zeros(2)
    path = [w]
    for _ in range(steps):
        v = momentum * v + np.array([0.2, 25.0]) * w
        w = w - lr * v
        path.append(w)
    return np.array(path)


@panel(
    "The weights of ten linear classifiers of handwritten digits, one picture a class, trained on {examples} digits with an L2 "
    "penalty of {lam}. Without a penalty the pixels at the rim, which are hardly ever inked, keep their random first weights; "
    "with it they fade; with far too much of it everything fades.",
    lam=(0.0, 0.003, 0.01, 0.1),
)
def rim(lam=0.0, examples=100, steps=400, lr=0.3):
    """One linear layer on few digits with lam times the sum of squares added to the loss."""
    x, held_out, y, labels = _digits_as_they_are()
    params = [np.random.default_rng(0).normal(size=(10, 64)), np.zeros(10)]
    for _ in range(steps):
        _, (dw, db) = network(params, x[:examples], y[:examples])
        params = [params[0] - lr * (dw + 2 * lam * params[0]), params[1] - lr * db]
    figure, panes = axes(10, width=10.5, height=2.1)
    for k, ax in enumerate(panes):
        image(ax, params[0][k].reshape(8, 8), str(k), SIGNED, vmin=-2.5, vmax=2.5)
    right = _right(params, x, held_out, labels)
    figure.suptitle(f"λ = {lam:g}: {right:.1%} of the held-out digits are right", fontsize=16)
    return figure


def _digits_as_they_are():
    train, test = data.digits()
    return *(half.x.reshape(len(half.x), -1).astype(float) for half in (train, test)), train.y, test.y


RUNS = {  # name: factor of the first weights, batch norm, momentum, colour, line
    "small start": (0.2, False, 0.0, GREY, ":"),
    "He": (1.0, False, 0.0, BLUE, "-"),
    "He, momentum": (1.0, False, 0.9, ORANGE, "-"),
    "small start, batch norm": (0.2, True, 0.0, INK, "--"),
}


@picture(
    "The training loss on handwritten digits over {steps} steps of four networks of {layers} hidden layers. From small "
    "weights it stays at guessing; from He's it falls; with momentum it falls faster; with batch normalisation it falls even "
    "from small weights. Bars show the part of held-out digits that each gets right."
)
def training_run(train_step=None, steps=200, layers=6, lr=0.02, lam=1e-5):
    """Four real runs. train_step: a student's (net, params, velocities, x, y, lr, momentum, lam), or the course's."""
    x, held_out, y, labels = _digits()
    figure, panes = axes(2, width=10.5, height=4, width_ratios=[1.6, 1])
    rights = {}
    for name, (factor, norm, momentum, colour, line) in RUNS.items():
        rng, params = np.random.default_rng(4), _he((64, *[64] * layers, 10), factor, norm=norm)
        velocities, losses = [np.zeros(p.shape) for p in params], []
        for _ in range(steps):
            batch = rng.integers(len(x), size=64)
            if train_step:
                loss, params, velocities = train_step(
                    network, params, velocities, x[batch], y[batch], lr, momentum, lam
                )
            else:  # here and not a function: that could be imported where the exercise asks for it
                loss, grads = network(params, x[batch], y[batch])
                decay = [2 * lam * (p.ndim > 1) for p in params]
                loss += sum(d / 2 * (p * p).sum() for p, d in zip(params, decay, strict=True))
                slopes = [g + d * p for g, d, p in zip(grads, decay, params, strict=True)]
                velocities = [momentum * v + slope for v, slope in zip(velocities, slopes, strict=True)]
                params = [p - lr * v for p, v in zip(params, velocities, strict=True)]
            losses.append(float(loss))
        smooth = np.convolve(losses, np.ones(9) / 9, "valid")
        panes[0].plot(np.arange(len(smooth)) + 4, smooth, color=colour, ls=line, lw=3, label=name)
        rights[name] = _right(params, x, held_out, labels), colour
    panes[0].set(title="training loss (mean of 9 steps)", xlabel="step", ylim=(0, 4.2), yticks=range(4))
    panes[0].legend(fontsize=13, loc="upper right", ncols=2)
    names = list(rights)
    bars = panes[1].barh(names, [rights[n][0] for n in names], color=[rights[n][1] for n in names])
    panes[1].bar_label(bars, [f" {rights[n][0]:.0%}" for n in names], fontsize=14)
    panes[1].set(title="right on held-out digits", xlim=(0, 1.25), xticks=[])
    panes[1].invert_yaxis()
    return figure


@picture(
    "The history of a network of the library on handwritten digits over {epochs} epochs: left the loss, right the part of "
    "right answers, each for the training set and for held-out digits; the losses fall and the accuracies rise."
)
def library_run(build, epochs=8, lr=0.1, momentum=0.9, weight_decay=2e-4):
    """Trains what `build()` returns with `cnnlib.fit` and draws the History."""
    train, test = data.digits()
    nn.manual_seed(0)
    history = training.fit(
        build(), train.x, train.y, epochs, 64, lr, momentum, weight_decay, validation=test, progress=False
    )
    figure, panes = axes(2, width=10, height=3.6)
    at = np.arange(1, history.epochs + 1)
    pairs = [
        ("loss", history.loss, history.validation_loss),
        ("accuracy", history.accuracy, history.validation_accuracy),
    ]
    for ax, (title, seen, unseen) in zip(panes, pairs, strict=True):
        ax.plot(at, seen, color=BLUE, lw=3, marker="o", label="training")
        ax.plot(at, unseen, color=ORANGE, lw=3, marker="s", label="held out")
        ax.set(title=title, xlabel="epoch", xticks=at)
    panes[0].set_ylim(0)
    panes[1].set_title(f"accuracy; held out at the end {history.validation_accuracy[-1]:.1%}")
    panes[0].legend()
    return figure
