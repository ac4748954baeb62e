"""The twins of ops that do not know what an image is: activations, arithmetic, shapes, probabilities, losses."""

import math

import numpy as np
import pytest
from hypothesis import strategies as st

from cnnlib import ops

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[oracle]'")
from torch.nn import functional as F  # noqa: E402
from torch_twins import Call, distinct, normal, twin  # noqa: E402

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
lengths = st.integers(0, 5)
positive = st.integers(1, 4)


@twin("linear")
def linear(draw):
    features, outputs = draw(lengths), draw(lengths)
    x = normal(draw, *draw(st.sampled_from([(), (0,), (1,), (7,), (2, 3)])), features)
    w = normal(draw, outputs, features)
    b = normal(draw, outputs) if draw(st.booleans()) else None
    return Call([x, w, b], F.linear, terms=8)


# ----------------------------------------------------------------------------------------------------------- activations


def steep(draw):
    """Numbers of any shape, some of them far out."""
    x = normal(draw, *draw(shapes))
    return x * 10.0 ** draw(st.integers(-3, 3))


for name in ("sigmoid", "tanh", "relu"):
    twin(name)(lambda draw, name=name: Call([steep(draw)], getattr(torch, name)))


@twin("leaky_relu")
def leaky_relu(draw):
    options = {"negative_slope": draw(st.sampled_from([0.01, 0.0, 0.3]))}
    return Call([steep(draw)], lambda x: F.leaky_relu(x, **options), options)


@twin("elu")
def elu(draw):
    options = {"alpha": draw(st.sampled_from([1.0, 0.5, 2.0]))}
    return Call([steep(draw)], lambda x: F.elu(x, **options), options)


@twin("maxout")
def maxout(draw):
    pieces, width = draw(positive), draw(positive)
    x = distinct(draw, draw(lengths), pieces * width, *draw(st.sampled_from([(), (3,), (2, 3)])))
    return Call([x], lambda x: x.unflatten(1, (pieces, width)).amax(dim=1), {"pieces": pieces})


@twin("dropout")
def dropout(draw):
    """Which numbers stay is chance, and ours to say: ones through the same generator tell. PyTorch does the rest."""
    x, p, seed = normal(draw, *draw(shapes)), draw(st.sampled_from([0.0, 0.3, 0.5, 0.9])), draw(st.integers(0, 99))
    training = draw(st.booleans())
    kept = ops.dropout_forward(np.ones(x.shape), p, np.random.default_rng(seed), training)[0] > 0
    options = {"p": p, "training": training, "rng": np.random.default_rng(seed)}
    return Call([x], lambda x: x * torch.tensor(kept) / (1 - p) if training else x, options, terms=2)


# ------------------------------------------------------------------------------------------------------------ arithmetic


@twin("broadcast_to")
def broadcast_to(draw):
    shape = draw(shapes)
    begun = draw(st.integers(0, len(shape)))
    x = normal(draw, *(1 if draw(st.booleans()) else n for n in shape[begun:]))
    return Call([x], lambda x: x.expand(shape), {"shape": shape}, terms=max(1, math.prod(shape)))


@twin("multiply")
def multiply(draw):
    shape = draw(shapes)
    return Call([normal(draw, *shape), normal(draw, *shape)], torch.mul)


@twin("power")
def power(draw):
    """Whole exponents of any number, 0 to the power of 0 too; others, and those below 0, of positive ones."""
    exponent = draw(st.sampled_from([0, 1, 2, 3, -1, -2, 0.5, 1.5]))
    x = normal(draw, *draw(shapes))
    x = x if exponent in (0, 1, 2, 3) else np.abs(x) + 0.3
    return Call([x], lambda x: x**exponent, {"exponent": exponent}, terms=4)


@twin("matmul")
def matmul(draw):
    rows, inner, columns = draw(lengths), draw(lengths), draw(lengths)
    return Call([normal(draw, rows, inner), normal(draw, inner, columns)], torch.matmul, terms=8)


@twin("sum")
def sum_(draw):
    x = normal(draw, *draw(shapes))
    axis = draw(st.none() | st.lists(st.integers(0, max(x.ndim - 1, 0)), unique=True, min_size=1).map(tuple))
    axis = None if x.ndim == 0 or axis is None else tuple(a - x.ndim if draw(st.booleans()) else a for a in axis)
    axis = axis[0] if axis and len(axis) == 1 and draw(st.booleans()) else axis
    keep = draw(st.booleans())
    dims = tuple(range(x.ndim)) if axis is None else axis
    options = {"axis": axis, "keepdims": keep}
    return Call([x], lambda x: x.sum(dim=dims, keepdim=keep) if x.ndim else x, options, terms=max(1, x.size))


@twin("reshape")
def reshape(draw):
    x = normal(draw, *draw(shapes))
    shape = draw(st.sampled_from([(x.size,), (1, x.size, 1), (*x.shape[::-1],), (-1,) if x.size else (x.size,)]))
    return Call([x], lambda x: x.reshape(shape), {"shape": shape})


@twin("transpose")
def transpose(draw):
    x = normal(draw, *draw(shapes))
    axes = draw(st.none() | st.permutations(range(x.ndim)).map(tuple))
    order = tuple(range(x.ndim))[::-1] if axes is None else axes
    if axes:  # some counted from the end
        axes = tuple(axis - x.ndim if draw(st.booleans()) else axis for axis in axes)
    return Call([x], lambda x: x.permute(order), {"axes": axes})


@twin("getitem")
def getitem(draw):
    """Slices with steps, integers, new axes, and lists in which an index comes twice."""
    x = normal(draw, 4, 3, 5)
    index = draw(
        st.sampled_from(
            [2, -1, slice(1, 3), (slice(None), 1), (..., slice(0, 5, 2)), (None, 0), ([0, 0, 3],), [1, -1, 1],
             (slice(None), [2, 0, 2]), ([0, 0], [1, 1], [2, 2]), (slice(2, 2),), (np.array([[0, 1], [1, 0]]), ..., 0)]
        )
    )  # fmt: skip
    return Call([x], lambda x: x[index], {"index": index}, terms=4)


# ---------------------------------------------------------------------------------------------------------------- shapes


@twin("add")
def add(draw):
    shape = draw(shapes)
    return Call([normal(draw, *shape) for _ in range(draw(positive))], lambda *xs: sum(xs[1:], start=xs[0]), terms=4)


@twin("concatenate")
def concatenate(draw):
    ndim = draw(st.integers(1, 4))
    axis, shape = draw(st.integers(-ndim, ndim - 1)), [draw(lengths) for _ in range(ndim)]
    parts = []
    for _ in range(draw(positive)):
        shape[axis] = draw(lengths)
        parts.append(normal(draw, *shape))
    return Call(parts, lambda *xs: torch.cat(xs, dim=axis), {"axis": axis})


@twin("pad")
def pad(draw):
    x = normal(draw, draw(lengths), draw(lengths), draw(positive), draw(positive))
    top, bottom, left, right = sides = draw(st.tuples(*[st.integers(0, 3)] * 4))
    if top == bottom and left == right:
        sides = top if top == left else (top, left)
    return Call([x], lambda x: F.pad(x, (left, right, top, bottom)), {"padding": sides})


@twin("crop")
def crop(draw):
    x = normal(draw, draw(lengths), draw(lengths), draw(positive), draw(positive))
    top, left = draw(st.integers(0, x.shape[2] - 1)), draw(st.integers(0, x.shape[3] - 1))
    height, width = draw(st.integers(1, x.shape[2] - top)), draw(st.integers(1, x.shape[3] - left))
    options = {"top": top, "left": left, "height": height, "width": width}
    return Call([x], lambda x: x[:, :, top : top + height, left : left + width], options)


@twin("flatten")
def flatten(draw):
    x = normal(draw, draw(lengths), *draw(st.sampled_from([(), (3,), (2, 3, 4), (0, 2)])))
    return Call([x], lambda x: x.reshape(len(x), math.prod(x.shape[1:])))


# --------------------------------------------------------------------------------------------------------- probabilities


def scores(draw):
    x = normal(draw, *[draw(lengths) for _ in range(draw(st.integers(1, 4)))])
    return x * draw(st.sampled_from([1, 30, 1000])), draw(st.integers(-x.ndim, x.ndim - 1))


@twin("softmax")
def softmax(draw):
    x, axis = scores(draw)
    return Call([x], lambda x: torch.softmax(x, dim=axis), {"axis": axis}, terms=8)


@twin("log_softmax")
def log_softmax(draw):
    x, axis = scores(draw)
    return Call([x], lambda x: torch.log_softmax(x, dim=axis), {"axis": axis}, terms=8)


# ---------------------------------------------------------------------------------------------------------------- losses


def labelled(draw, images=True):
    """Scores and labels; for pixels too."""
    shape = draw(positive), draw(positive), *draw(st.sampled_from([(), (3, 2)] if images else [()]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return normal(draw, *shape) * draw(st.sampled_from([1, 30])), rng.integers(shape[1], size=shape[:1] + shape[2:])


@twin("cross_entropy")
def cross_entropy(draw):
    """With labels that do not count: 255, as the segmentation sets have, -100, or one of the classes."""
    x, labels = labelled(draw)
    ignored = draw(st.sampled_from([None, 255, -100, 0]))
    if ignored is not None:
        labels.flat[1::2] = ignored
        labels.flat[0] = x.shape[1] - 1
        ignored = 255 if labels.flat[0] == ignored else ignored
        labels[labels == 0] = 0
    usable = labels if ignored is None else np.where((labels < x.shape[1]) & (labels >= 0), labels, ignored)
    target = torch.tensor(usable)

    def theirs(x):
        return F.cross_entropy(x, target, **({} if ignored is None else {"ignore_index": ignored}))

    return Call([x], theirs, {"ignore_index": ignored}, others=(usable,), terms=8 * labels.size)


@twin("hinge")
def hinge(draw):
    """PyTorch's mean is over the classes too, so ours is that many times as large."""
    x, labels = labelled(draw, images=False)
    margin, target = draw(st.sampled_from([1.0, 0.3])), torch.tensor(labels)

    def theirs(x):
        return x.shape[1] * F.multi_margin_loss(x, target, margin=margin)

    return Call([x], theirs, {"margin": margin}, others=(labels,), terms=2 * x.size)


def signed(draw):
    """Scores of any shape and targets of ±1."""
    shape = draw(st.lists(positive, max_size=3).map(tuple))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return normal(draw, *shape) * draw(st.sampled_from([1, 100])), rng.choice([-1.0, 1.0], size=shape)


def _of_signed(name, theirs):
    def draw_call(draw):
        x, t = signed(draw)
        target = torch.tensor(t)
        return Call([x], lambda x: theirs(x, target), others=(t,), terms=2 * max(x.size, 1))

    twin(name)(draw_call)


_of_signed("perceptron_loss", lambda x, t: torch.relu(-t * x).mean())
_of_signed("hinge_loss", lambda x, t: torch.relu(1 - t * x).mean())
_of_signed("logistic_loss", F.soft_margin_loss)
_of_signed("mse", F.mse_loss)


@twin("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(draw):
    x, t = signed(draw)
    t = (t + 1) / 2 if draw(st.booleans()) else np.random.default_rng(x.size).random(x.shape)
    target = torch.tensor(t)
    return Call([x], lambda x: F.binary_cross_entropy_with_logits(x, target), others=(t,), terms=2 * max(x.size, 1))


@twin("smooth_l1")
def smooth_l1(draw):
    x, t = signed(draw)
    options = {"beta": draw(st.sampled_from([1.0, 0.11, 2.0]))}
    target = torch.tensor(t)
    return Call([x], lambda x: F.smooth_l1_loss(x, target, **options), options, others=(t,), terms=2 * max(x.size, 1))
