"""Losses: one number that says how wrong the scores are. All are means, so that the batch size changes no step.

Labels are classes 0 to C - 1; targets t are +1 or -1. A loss has the type of its scores. The upstream gradient of a
loss is one number, 1 where nothing comes after it.
"""

import numpy as np

from .._numbers import number, whole
from ._arguments import array, real
from .softmax import log_softmax_forward


def cross_entropy_forward(scores, labels, ignore_index=None):
    """Minus the mean logarithm of the probability that softmax gives to the right class.

    scores: (N, C), or one for every pixel (N, C, H, W); labels: (N,) or (N, H, W), whole numbers. Items labelled
    ignore_index count neither in the sum nor in the mean. Returns one number and a cache. Raises ValueError where shapes
    do not belong together, a label is no class, or nothing is labelled. Source: INRIA, multi-class classification.

    >>> loss, cache = cross_entropy_forward([[0.0, 0.0]], [1])
    >>> round(float(loss), 4), cross_entropy_backward(1.0, cache)
    (0.6931, array([[ 0.5, -0.5]]))
    """
    scores = real(scores, "scores")
    labels, counted = _classes(scores, labels, ignore_index)
    log_p, _ = log_softmax_forward(scores)
    right = np.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
    loss = -np.sum(right, where=counted) / counted.sum()
    return loss.astype(scores.dtype), (log_p, labels, counted)


def cross_entropy_backward(dout, cache):
    """dscores = (softmax - 1 at the right class) / items: the error of every probability."""
    log_p, labels, counted = cache
    dscores = np.exp(log_p)
    hit = labels[:, None]
    np.put_along_axis(dscores, hit, np.take_along_axis(dscores, hit, axis=1) - 1, axis=1)
    dscores *= dscores.dtype.type(_number(dout) / counted.sum())
    return np.where(counted[:, None], dscores, 0)


def hinge_forward(scores, labels, margin=1.0):
    """Every wrong class should score `margin` below the right one; the sum of what they lack, its mean over the batch.

    scores: (N, C); labels: (N,). Raises ValueError as `cross_entropy` does. Source: CS231n, multiclass SVM loss.

    >>> float(hinge_forward([[3.0, 1.0, 2.5]], [0])[0])  # 0 for class 1, 0.5 for class 2
    0.5
    """
    scores = real(scores, "scores")
    if scores.ndim != 2:
        raise ValueError(f"scores has shape {scores.shape}, but needs (N, C)")
    labels, _ = _classes(scores, labels, None)
    lacks = scores - np.take_along_axis(scores, labels[:, None], axis=1) + scores.dtype.type(number(margin, "margin"))
    np.put_along_axis(lacks, labels[:, None], 0, axis=1)
    return np.maximum(lacks, 0).sum() / len(scores), (lacks > 0, labels, scores.dtype)


def hinge_backward(dout, cache):
    """dscores: 1 for every class that scored too high, minus their number at the right class, over the batch."""
    high, labels, dtype = cache
    dscores = high.astype(dtype)
    np.put_along_axis(dscores, labels[:, None], -high.sum(axis=1, keepdims=True), axis=1)
    return dscores * dtype.type(_number(dout) / len(high))


# -------------------------------------------------------------------------------------------- losses of signed targets


def perceptron_loss_forward(scores, targets):
    """The mean of max(0, -t s): what the perceptron's rule steps down. Source: INRIA, perceptron loss.

    scores, targets: one shape; t is ±1. Returns one number and a cache. Raises ValueError for other targets or shapes.

    >>> float(perceptron_loss_forward([2.0, -3.0], [1, 1])[0])
    1.5
    """
    return _signed(scores, targets, lambda m: np.maximum(0, -m), lambda m: 0.0 - (m < 0))


def hinge_loss_forward(scores, targets):
    """The mean of max(0, 1 - t s): right is not enough, it must be by a margin. Arguments as of `perceptron_loss`.

    >>> float(hinge_loss_forward([0.5, 2.0], [1, 1])[0])
    0.25
    """
    return _signed(scores, targets, lambda m: np.maximum(0, 1 - m), lambda m: 0.0 - (m < 1))


def logistic_loss_forward(scores, targets):
    """The mean of log(1 + exp(-t s)): smooth, and never quite content. Arguments as of `perceptron_loss`.

    >>> round(float(logistic_loss_forward([0.0, 1000.0], [1, 1])[0]), 4)
    0.3466
    """
    return _signed(scores, targets, lambda m: np.logaddexp(0, -m), lambda m: -np.exp(-np.logaddexp(0, m)))


def perceptron_loss_backward(dout, cache):
    """dscores: -t where the sign is wrong, over the number of scores."""
    return cache * cache.dtype.type(_number(dout))


def hinge_loss_backward(dout, cache):
    """dscores: -t where the margin is below 1, over the number of scores."""
    return cache * cache.dtype.type(_number(dout))


def logistic_loss_backward(dout, cache):
    """dscores = -t σ(-t s) / the number of scores: the less sure of the right sign, the more."""
    return cache * cache.dtype.type(_number(dout))


def binary_cross_entropy_with_logits_forward(scores, targets):
    """The logistic loss for targets from 0 to 1: the mean of log(1 + exp(s)) - t s.

    scores, targets: one shape. Returns one number and a cache. Raises ValueError for other targets or shapes.

    >>> round(float(binary_cross_entropy_with_logits_forward([0.0], [1.0])[0]), 4)
    0.6931
    """
    scores, targets = _two(scores, targets)
    _all_are((targets >= 0) & (targets <= 1), targets, "a number from 0 to 1")
    # log(1 + exp(s)) is s plus a rest where s is large: s - t s first, so that the rest is not lost
    loss = np.mean(np.maximum(scores, 0) - targets * scores + np.log1p(np.exp(-np.abs(scores))))
    return loss, (np.exp(-np.logaddexp(0, -scores)) - targets) / scores.size


def binary_cross_entropy_with_logits_backward(dout, cache):
    """dscores = (σ(s) - t) / the number of scores."""
    return cache * cache.dtype.type(_number(dout))


# --------------------------------------------------------------------------------------------------- losses of numbers


def mse_forward(prediction, target):
    """The mean of the squared errors. prediction, target: one shape, of which only the prediction gets a gradient.

    >>> float(mse_forward([1.0, 3.0], [1.0, 1.0])[0])
    2.0
    """
    prediction, target = _two(prediction, target, "prediction", "target")
    off = prediction - target
    return np.mean(off * off), off


def mse_backward(dout, cache):
    """dprediction = 2 error / the number of errors."""
    return cache * cache.dtype.type(2 * _number(dout) / cache.size)


def smooth_l1_forward(prediction, target, beta=1.0):
    """The mean of e²/2β for errors |e| < β, and of |e| - β/2 beyond: outliers pull no harder than others.

    prediction, target: one shape, of which only the prediction gets a gradient. Raises ValueError for a beta not above 0.
    Source: R. Girshick, "Fast R-CNN", 2015.

    >>> float(smooth_l1_forward([0.5, 3.0], [0.0, 0.0])[0])  # (0.125 + 2.5) / 2
    1.3125
    """
    prediction, target = _two(prediction, target, "prediction", "target")
    off, beta = prediction - target, prediction.dtype.type(number(beta, "beta", above=0))
    slope = np.clip(off / beta, -1, 1)
    return np.mean(slope * (off - slope * beta / 2)), slope


def smooth_l1_backward(dout, cache):
    """dprediction = error / β between -1 and 1, over the number of errors."""
    return cache * cache.dtype.type(_number(dout) / cache.size)


# ---------------------------------------------------------------------------------------------------------- small parts


def _classes(scores, labels, ignore_index):
    """The labels as whole numbers (0 where they are not counted), and which are counted."""
    labels = array(labels, "labels")
    if scores.ndim < 2 or labels.shape != scores.shape[:1] + scores.shape[2:]:
        raise ValueError(
            f"scores has shape {scores.shape}, labels {labels.shape}, but they must be (N, C, ...) and (N, ...)"
        )
    counted = np.ones(labels.shape, bool) if ignore_index is None else labels != whole(ignore_index, "ignore_index")
    if not counted.any():
        raise ValueError("there is no label to learn from: the batch is empty, or all of it is ignored")
    classes = scores.shape[1]
    wrong = counted & ~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))
    if wrong.any():
        raise ValueError(f"label {labels[wrong][0]} is none of the {classes} classes, 0 to {classes - 1}")
    return np.where(counted, labels, 0).astype(np.intp), counted


def _signed(scores, targets, loss, slope):
    """The mean loss of the margins m = t s, and dscores."""
    scores, targets = _two(scores, targets)
    _all_are(np.abs(targets) == 1, targets, "+1 or -1")
    margins = targets * scores
    return np.mean(loss(margins)), (slope(margins) * targets / scores.size).astype(scores.dtype)


def _two(scores, targets, name="scores", other="targets"):
    scores = real(scores, name)
    targets = real(targets, other).astype(scores.dtype, copy=False)
    if scores.shape != targets.shape:
        raise ValueError(f"{name} has shape {scores.shape}, but {other} {targets.shape}")
    if not scores.size:
        raise ValueError(f"{name} is empty: there is nothing to take a mean of")
    return scores, targets


def _all_are(right, targets, what):
    if not right.all():
        raise ValueError(f"target {targets[~right][0]} is not {what}")


def _number(dout):
    dout = real(dout, "dout")
    if dout.size != 1:
        raise ValueError(f"dout has shape {dout.shape}, but a loss is one number")
    return dout.item()
