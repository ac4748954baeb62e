"""The first learning machines: Rosenblatt's perceptron, Widrow and Hoff's Adaline, the perceptron with a kernel, and a
network that is a table.

Targets t are -1 or 1, a score is f(x) = w·x + b, and its sign is the answer. x: examples (N, D), one (D,).
What is no number raises TypeError, a learning rate or a width that is not above 0 ValueError.
Source: INRIA, "Rosenblatt's Perceptron" to "Classification over binary inputs"; Princeton COS 429, "A bit of history".
"""

from typing import NamedTuple

import numpy as np

from ._numbers import number, whole
from .lookup import Lookup, _signs
from .lookup import lookup_predict as lookup_predict
from .lookup import step as step
from .ops._arguments import real

# -------------------------------------------------------------------------------------------------------- the perceptron


class Fit(NamedTuple):
    """A trained score w·x + b, and what happened in each round through the examples: mistakes, or the mean loss."""

    w: np.ndarray
    b: float
    history: np.ndarray


def perceptron_update(w, b, x, t, lr=1.0):
    """One example: where its sign is wrong, the weights move towards t x.

    w: (D,); b: a number; x: (D,); t: -1 or 1; lr: the learning rate. Returns w + lr t x and b + lr t where t f(x) <= 0,
    else w and b as they were. A score of 0 counts as wrong, or learning from w = 0 would never begin (the slide's
    t f(x) < 0 leaves it out). Raises ValueError where w and x differ in shape or t is no sign.

    >>> perceptron_update([0, 0], 0, x=[2, 1], t=-1)
    (array([-2., -1.]), -1.0)
    """
    w, x, t = real(w, "w"), real(x, "x"), _signs(t)
    b, lr = number(b, "b"), number(lr, "lr", above=0)
    if w.ndim != 1 or x.shape != w.shape or t.ndim:
        raise ValueError(f"w has shape {w.shape}, x {x.shape} and t {t.shape}, but (D,), (D,) and () are needed")
    if t * (w @ x + b) > 0:
        return w.copy(), float(b)
    move = float(lr * t)  # Python's own number leaves float32 as it is
    return w + move * x, float(b + move)


def fit_perceptron(x, t, lr=1.0, epochs=100, rng=None):
    """Rounds of `perceptron_update` from w = 0 and b = 0, until one is without a mistake or all epochs are over.

    x: (N, D); t: (N,); rng: a numpy Generator that shuffles each round, or None to keep the order. Returns
    `Fit(w, b, history)`: history holds the number of mistakes of each round, its last 0 where x is separated.
    Raises ValueError where shapes do not fit.

    >>> corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    >>> fit_perceptron(corners, t=[-1, -1, -1, 1])  # and
    Fit(w=array([1., 1.]), b=-1.0, history=array([1, 0]))
    >>> fit_perceptron(corners, t=[-1, 1, 1, -1], epochs=5).history  # exclusive or: no line separates it
    array([4, 4, 4, 4, 4])
    """
    x, t = _examples(x, t)
    w, b, history = np.zeros(x.shape[1], x.dtype), 0.0, []
    for order in _rounds(len(x), epochs, rng):
        mistakes = 0
        for n in order:
            b_before = b
            w, b = perceptron_update(w, b, x[n], t[n], lr)
            mistakes += b != b_before
        history.append(mistakes)
        if not mistakes:
            break
    return Fit(w, b, np.array(history, int))


def perceptron_bound(x, t, w_star):
    """How many mistakes a perceptron can make at most, however often and in whatever order it sees the examples.

    x: (N, D); t: (N,); w_star: (D,), any weights that separate the examples, w*. The perceptron has no bias and starts at
    w = 0; for one with a bias, hand over `with_one(x)` and put the bias b* at the end of w*. Returns (M / δ)², with
    M the greatest length of an x and δ the least t w*·x / |w*|, the margin. Raises ValueError where w* does not separate
    the examples.

    After k mistakes w*·w >= k δ |w*|, since each adds at least δ |w*|; and |w|² <= k M², since each adds at most M². So
    k δ <= |w| <= √k M. Source: A. Novikoff, "On convergence proofs for perceptrons", 1962.

    >>> perceptron_bound([[3, 4], [-3, 4]], t=[1, 1], w_star=[0, 2])
    1.5625
    """
    x, t = _examples(x, t)
    w_star = real(w_star, "w_star")
    if w_star.shape != x.shape[1:]:
        raise ValueError(f"w_star has shape {w_star.shape}, but x of shape {x.shape} needs {x.shape[1:]}")
    scores = t * (x @ w_star)
    if not np.all(scores > 0):
        raise ValueError(f"w_star separates only {np.sum(scores > 0)} of the {len(x)} examples")
    margin = scores.min(initial=np.inf) / np.sqrt(w_star @ w_star)
    return float((x * x).sum(axis=1).max(initial=0) / margin**2)


def with_one(x):
    """x (N, D) with a column of ones at its end: the weight of this column is the bias. Raises ValueError for another shape.

    >>> with_one([[2, 3]])
    array([[2., 3., 1.]])
    """
    x = real(x, "x")
    if x.ndim != 2:
        raise ValueError(f"x has shape {x.shape}, but (N, D) is needed")
    return np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)


# --------------------------------------------------------------------------------------------------------------- Adaline


def adaline_update(w, b, x, t, lr=0.01):
    """One step of gradient descent on half the mean squared error of the score itself, before any sign is taken.

    w: (D,); b: a number; x, t: one example, (D,) and a number, which is Widrow and Hoff's stochastic rule, or a batch,
    (N, D) and (N,). Returns w + lr mean((t - f(x)) x) and b + lr mean(t - f(x)). Raises ValueError where shapes do not
    fit or a batch is empty. Source: B. Widrow and M. Hoff, "Adaptive switching circuits", 1960.

    >>> adaline_update([1, 0], 0, x=[2, 1], t=1, lr=0.5)  # the sign was right, yet 2 is too much
    (array([ 0. , -0.5]), -0.5)
    """
    w, x, t = real(w, "w"), real(x, "x"), real(t, "t")
    b, lr = number(b, "b"), number(lr, "lr", above=0)
    if w.ndim != 1 or x.ndim not in (1, 2) or x.shape[-1:] != w.shape or t.shape != x.shape[:-1]:
        raise ValueError(
            f"w has shape {w.shape}, x {x.shape} and t {t.shape}, but (D,), (D,) and (), or (D,), (N, D) and (N,) are needed"
        )
    x, t = np.atleast_2d(x), np.atleast_1d(t).astype(x.dtype)
    if not len(x):
        raise ValueError("the batch has 0 examples, but needs at least 1")
    errors = t - (x @ w + b)
    return w + lr * (errors @ x) / len(x), float(b + lr * errors.mean())


def fit_adaline(x, t, lr=0.01, epochs=100, batch_size=None, rng=None):
    """Rounds of `adaline_update` from w = 0 and b = 0.

    x: (N, D); t: (N,); batch_size: examples in a step, 1 for the stochastic rule, None for all at once; rng: a numpy
    Generator that shuffles each round, or None to keep the order. Returns `Fit(w, b, history)`: history holds
    half the mean squared error after each round. Too large a learning rate diverges.
    Raises ValueError where shapes do not fit or batch_size is less than 1.

    >>> fit_adaline([[-1], [3]], t=[-1, 1], lr=0.1, epochs=200).w.round(3)
    array([0.5])
    """
    x, t = _examples(x, t)
    size = whole(len(x) if batch_size is None else batch_size, "batch_size", 1)
    w, b, history = np.zeros(x.shape[1], x.dtype), 0.0, []
    for order in _rounds(len(x), epochs, rng):
        for start in range(0, len(x), size):
            some = order[start : start + size]
            w, b = adaline_update(w, b, x[some], t[some], lr)
        history.append(np.mean((t - (x @ w + b)) ** 2) / 2)
    return Fit(w, b, np.array(history))


# --------------------------------------------------------------------------------------------------------------- kernels


class DualFit(NamedTuple):
    """The weight of each training example, (N,), and the number of mistakes in each round."""

    alpha: np.ndarray
    history: np.ndarray


def polynomial_kernel(a, b, degree=2, offset=1.0):
    """(a·b + offset)^degree: all products of up to `degree` numbers of x as features, without computing any.

    a: (N, D); b: (M, D). Returns (N, M). Degree 1 and offset 0 are the plain dot product. Raises ValueError for a degree
    below 1.

    >>> polynomial_kernel([[1, 2]], [[3, 4], [0, 0]])
    array([[144.,   1.]])
    """
    a, b = _two_sets(a, b)
    return (a @ b.T + number(offset, "offset")) ** whole(degree, "degree", 1)


def gaussian_kernel(a, b, width=1.0):
    """exp(-|a - b|² / (2 width²)): similar is what is near.

    a: (N, D); b: (M, D). Returns (N, M). Raises ValueError where width is not positive.

    >>> gaussian_kernel([[0, 0]], [[0, 0], [1, 1]]).round(3)
    array([[1.   , 0.368]])
    """
    a, b = _two_sets(a, b)
    width = number(width, "width", above=0)
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    return np.exp(-np.maximum(squares, 0) / (2 * width**2))  # rounding could make a square of 0 negative


def fit_kernel_perceptron(kernel, t, epochs=100, rng=None):
    """The perceptron without weights: it counts for each example how often this was a mistake.

    By the representer theorem w = Σ alpha[n] φ(x[n]), so that f(x) = Σ alpha[n] k(x, x[n]) and φ is never needed; a
    mistake in example n adds t[n] to alpha[n]. kernel: (N, N), k of all pairs of examples; t: (N,); epochs and rng: as
    in `fit_perceptron`. There is no bias; add 1 to the kernel to have one. Returns `DualFit(alpha, history)`.
    Raises ValueError where shapes do not fit.

    >>> corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    >>> fit_kernel_perceptron(polynomial_kernel(corners, corners), t=[-1, 1, 1, -1])  # exclusive or
    DualFit(alpha=array([-1.,  1.,  1., -1.]), history=array([4, 0]))
    """
    kernel, t = real(kernel, "kernel"), _signs(t)
    if t.ndim != 1 or kernel.shape != (len(t), len(t)):
        raise ValueError(f"kernel has shape {kernel.shape} and t {t.shape}, but (N, N) and (N,) are needed")
    alpha, history = np.zeros(len(t), kernel.dtype), []
    for order in _rounds(len(t), epochs, rng):
        mistakes = 0
        for n in order:
            if t[n] * (kernel[n] @ alpha) <= 0:
                alpha[n] += t[n]
                mistakes += 1
        history.append(mistakes)
        if not mistakes:
            break
    return DualFit(alpha, np.array(history, int))


def dual_predict(alpha, kernel):
    """The scores f(x) = Σ alpha[n] k(x, x[n]) of new examples; their signs are the answers.

    alpha: (N,); kernel: (M, N), k of each new example with each training example. Returns (M,). Raises ValueError where
    shapes do not fit. Source: INRIA, the representer theorem.

    >>> dual_predict([1, -1], [[0.5, 0.25], [0, 1]])
    array([ 0.25, -1.  ])
    """
    alpha, kernel = real(alpha, "alpha"), real(kernel, "kernel")
    if alpha.ndim != 1 or kernel.ndim != 2 or kernel.shape[1] != len(alpha):
        raise ValueError(f"alpha has shape {alpha.shape} and kernel {kernel.shape}, but (N,) and (M, N) are needed")
    return kernel @ alpha


# ---------------------------------------------------------------------------------------------- a network that is a table


def mlp_lookup(positives):
    """A network with one hidden layer that answers 1 for the given inputs of -1 and 1, and 0 for all others.

    positives: (M, D), any of the 2^D inputs. A hidden unit each: x·positive is D where they are equal, and D - 2 at most
    where not, so `step(x·positive - D)` is 1 there only; the output unit is an "or", step(Σ z - 1). Any labelling can be
    had so, at the price of up to 2^D units. Returns `Lookup(w1, b1, w2, b2)`. Raises ValueError where a number is not -1
    or 1. Source: INRIA, "Classification over binary inputs".

    >>> exclusive_or = mlp_lookup([[-1, 1], [1, -1]])
    >>> lookup_predict(exclusive_or, [[-1, -1], [-1, 1], [1, -1], [1, 1]])
    array([0, 1, 1, 0])
    """
    w1 = _signs(positives, "positives")
    if w1.ndim != 2:
        raise ValueError(f"positives has {w1.ndim} axes, but needs 2: (M, D)")
    m, d = w1.shape
    return Lookup(w1.copy(), np.full(m, -d, w1.dtype), np.ones((1, m), w1.dtype), -np.ones(1, w1.dtype))


# ---------------------------------------------------------------------------------------------------------- small parts


def _examples(x, t):
    x, t = real(x, "x"), _signs(t)
    if x.ndim != 2 or t.shape != (len(x),):
        raise ValueError(f"x has shape {x.shape} and t {t.shape}, but (N, D) and (N,) are needed")
    if not np.isfinite(x).all():
        raise ValueError(f"x holds {x[~np.isfinite(x)][0]}, but all its numbers must be finite")
    return x, t.astype(x.dtype, copy=False)


def _two_sets(a, b):
    a, b = real(a, "a"), real(b, "b")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"a has shape {a.shape} and b {b.shape}, but (N, D) and (M, D) are needed")
    return a, b


def _rounds(n, epochs, rng):
    """The order of n examples in each round. Raises ValueError or TypeError for what is no number of rounds or no rng."""
    whole(epochs, "epochs", 0)
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be None or a numpy Generator such as np.random.default_rng(0), not {rng!r}")
    return (np.arange(n) if rng is None else rng.permutation(n) for _ in range(epochs))
