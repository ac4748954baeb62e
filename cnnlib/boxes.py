"""Boxes around objects: how far two agree, which to keep, how to predict them, and how good a detector is.

A box is x1, y1, x2, y2, in pixels: x to the right, y down, and its size is x2 - x1 by y2 - y1. Boxes are arrays (N, 4).
Boxes that end before they begin, and numbers that are not finite or no numbers, raise ValueError or TypeError.
Source: INRIA, "Object category localization with CNNs"; S. Ren et al., "Faster R-CNN", 2015.
"""

import math

import numpy as np

from ._numbers import number, whole
from .ops._arguments import pair, real

LARGEST = math.log(1000 / 16)  # decode enlarges an anchor at most so far, or a first guess could overflow (Detectron)


def iou(a, b):
    """Intersection over union: 1 for the same box, 0 for boxes that do not meet.

    a: (N, 4); b: (M, 4). Returns (N, M), each box of a against each of b. Raises ValueError where an array does not hold
    boxes, or a box ends before it begins.

    >>> iou([[0, 0, 2, 2]], [[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]]).round(2)
    array([[1.  , 0.33, 0.  ]])
    """
    a, b = _boxes(a, "a"), _boxes(b, "b")
    least, most = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])  # (N, M, 2)
    common = np.maximum(most - least, 0).prod(axis=2)
    union = _area(a)[:, None] + _area(b) - common
    return common / np.where(union > 0, union, 1)  # two boxes of no size have no union


def nms(boxes, scores, threshold=0.5):
    """Non-maximum suppression: of boxes that lie on one another, only the one with the highest score stays.

    boxes: (N, 4); scores: (N,); threshold: a box goes where its IoU with a better one that stays is greater.
    Returns the indices of the boxes that stay, the best first; of equal scores, the first box counts as better.
    Raises ValueError where scores and boxes do not fit together. To treat classes apart, call it for each.

    >>> nms([[0, 0, 4, 4], [0, 0, 4, 5], [8, 8, 9, 9]], [0.7, 0.9, 0.1])
    array([1, 2])
    """
    boxes, threshold = _boxes(boxes, "boxes"), number(threshold, "threshold", least=0)
    scores = _scores(scores, boxes)
    overlap = iou(boxes, boxes)
    order, keep = np.argsort(-scores, kind="stable"), []
    while len(order):
        best, rest = order[0], order[1:]
        keep.append(best)
        order = rest[overlap[best, rest] <= threshold]
    return np.array(keep, int)


def clip(boxes, size):
    """The part of every box that lies in an image. boxes: (N, 4); size: H and W, an integer or a pair.

    >>> clip([[-3, 2, 5, 9]], size=(6, 8))
    array([[0., 2., 5., 6.]])
    """
    height, width = pair(size, "size", 0)
    boxes = _boxes(boxes, "boxes")
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))


# ---------------------------------------------------------------------------------------------------- boxes to begin with


def sliding_windows(size, window, stride=1):
    """Every place of a window in an image, row by row: where a detector without proposals must look.

    size: H and W of the image; window: those of the window; stride: pixels between two; each an integer or a pair.
    Returns boxes (N, 4), none where the window is larger than the image.

    >>> sliding_windows(size=(4, 6), window=4, stride=2)
    array([[0., 0., 4., 4.],
           [2., 0., 6., 4.]])
    """
    (h, w), (fh, fw), (sh, sw) = pair(size, "size", 0), pair(window, "window", 1), pair(stride, "stride", 1)
    y, x = np.meshgrid(np.arange(0, h - fh + 1, sh), np.arange(0, w - fw + 1, sw), indexing="ij")
    return np.stack([x, y, x + fw, y + fh], axis=-1).reshape(-1, 4).astype(float)


def anchors(size, stride, scales, ratios=(1.0,)):
    """K boxes around every point of a feature map, K = len(scales) · len(ratios), from which a network predicts objects.

    size: H and W of the feature map; stride: pixels of the image for each of its points, each an integer or a pair;
    scales: the square root of a box's area, in pixels; ratios: its height over its width.
    Returns (H·W·K, 4), in the order of (h, w, scale, ratio): a layer that gives K·4 numbers a point, (N, K·4, H, W),
    has them in this order after `.transpose(0, 2, 3, 1).reshape(N, -1, 4)`. Boxes may reach out of the image.
    Raises ValueError where a scale or ratio is not positive.

    >>> anchors(size=(1, 2), stride=8, scales=[4, 8])
    array([[ 2.,  2.,  6.,  6.],
           [ 0.,  0.,  8.,  8.],
           [10.,  2., 14.,  6.],
           [ 8.,  0., 16.,  8.]])
    """
    (h, w), (sh, sw) = pair(size, "size", 0), pair(stride, "stride", 1)
    scales, ratios = _positive(scales, "scales"), _positive(ratios, "ratios")
    heights = (scales[:, None] * np.sqrt(ratios)).ravel()  # (K,)
    widths = (scales[:, None] / np.sqrt(ratios)).ravel()
    shapes = np.stack([-widths, -heights, widths, heights], axis=1) / 2  # (K, 4), around the origin
    y, x = np.meshgrid((np.arange(h) + 0.5) * sh, (np.arange(w) + 0.5) * sw, indexing="ij")
    centres = np.stack([x, y, x, y], axis=-1)  # (H, W, 4)
    return (centres[:, :, None] + shapes).reshape(-1, 4)


def encode(boxes, anchors):
    """What a network must predict so that an anchor becomes a box: how far to move and how much to grow.

    boxes, anchors: (N, 4), of positive size. Returns (N, 4): tx = (x - xa) / wa, ty = (y - ya) / ha, tw = log(w / wa),
    th = log(h / ha), with the centres x, y and the widths w and heights h. Raises ValueError where shapes differ or a
    box has no size. Source: Faster R-CNN, equation 2.

    >>> encode([[2, 2, 6, 6]], [[0, 0, 4, 4]])
    array([[0.5, 0.5, 0. , 0. ]])
    """
    boxes, anchors = _boxes(boxes, "boxes"), _boxes(anchors, "anchors")
    _same_number(boxes, "boxes", anchors)
    (centre, extent), (centre_a, extent_a) = _centred(boxes), _centred(anchors)
    for extents, name in ((extent, "boxes"), (extent_a, "anchors")):
        if not np.all(extents > 0):
            raise ValueError(f"of the {len(extents)} {name}, {np.sum((extents <= 0).any(axis=1))} have no size")
    return np.concatenate([(centre - centre_a) / extent_a, np.log(extent / extent_a)], axis=1)


def decode(deltas, anchors):
    """The boxes that a network means: `encode` undone, but no box grows more than 62.5 times as wide or high.

    deltas, anchors: (N, 4). Returns boxes (N, 4). Raises ValueError where shapes differ.

    >>> decode([[0.5, 0.5, 0, 0]], [[0, 0, 4, 4]])
    array([[2., 2., 6., 6.]])
    """
    deltas, anchors = real(deltas, "deltas"), _boxes(anchors, "anchors")
    if deltas.ndim != 2 or deltas.shape[1] != 4:
        raise ValueError(f"deltas has shape {deltas.shape}, but needs (N, 4)")
    _finite(deltas, "deltas")
    _same_number(deltas, "deltas", anchors)
    centre, extent = _centred(anchors)
    centre = centre + deltas[:, :2] * extent
    extent = extent * np.exp(np.minimum(deltas[:, 2:], LARGEST))
    return np.concatenate([centre - extent / 2, centre + extent / 2], axis=1)


def match_anchors(anchors, truth, positive=0.7, negative=0.3):
    """Which anchors are to find an object, and which one.

    anchors: (N, 4); truth: the boxes of the objects, (M, 4). An anchor is positive where its IoU with an object is at
    least `positive`, and negative where it is less than `negative` with all. Whatever its IoU, the best anchor of every
    object is positive too, or small objects would have none; of two objects with the same best anchor, the closer one
    has it. Returns labels (N,): 1 positive, 0 negative, -1 neither, not to be trained on; and indices (N,): the object
    that an anchor is closest to or was given to, -1 where there is none. Raises ValueError where negative > positive.
    Source: Faster R-CNN, section 3.1.2.

    >>> match_anchors([[0, 0, 4, 4], [0, 0, 8, 8], [9, 9, 13, 13]], [[0, 0, 4, 5], [8, 8, 12, 12]])
    (array([ 1, -1,  1]), array([0, 0, 1]))
    """
    if not 0 <= number(negative, "negative") <= number(positive, "positive") <= 1:
        raise ValueError(
            f"negative is {negative} and positive {positive}, but 0 <= negative <= positive <= 1 is needed"
        )
    overlap = iou(anchors, truth)  # (N, M)
    if not overlap.size:
        return np.zeros(len(overlap), int), np.full(len(overlap), -1)
    closest, indices = overlap.max(axis=1), overlap.argmax(axis=1)
    labels = np.select([closest >= positive, closest < negative], [1, 0], -1)
    best = overlap.max(axis=0)  # (M,)
    for m in np.argsort(best, kind="stable"):  # the closest last: it takes what others wanted too
        given = (overlap[:, m] == best[m]) & (best[m] > 0)
        labels[given], indices[given] = 1, m
    return labels, indices


# --------------------------------------------------------------------------------------------------- how good a detector is


def correct_detections(boxes, scores, truth, threshold=0.5):
    """Which detections in one image find an object that no better one has found.

    boxes: (N, 4) of one class; scores: (N,); truth: (M, 4). From the best detection to the worst, each is held against
    the object with which its IoU is highest; it is correct where this is at least `threshold` and the object is not
    taken. Returns booleans (N,). Source: the PASCAL VOC challenge, so a second box around one object is a mistake.

    >>> correct_detections([[0, 0, 4, 4], [0, 0, 4, 5]], [0.6, 0.9], truth=[[0, 0, 4, 5]])
    array([False,  True])
    """
    boxes, threshold = _boxes(boxes, "boxes"), number(threshold, "threshold", least=0)
    scores, overlap = _scores(scores, boxes), iou(boxes, truth)
    correct, taken = np.zeros(len(boxes), bool), set()
    for n in np.argsort(-scores, kind="stable") if overlap.size else []:
        m = overlap[n].argmax()
        correct[n] = overlap[n, m] >= threshold and m not in taken
        if correct[n]:
            taken.add(m)
    return correct


def precision_recall(scores, correct, truths):
    """How many of the k best detections are right, and how many of the objects these find, for k = 1, 2, ..., N.

    scores: (N,), over all images; correct: booleans (N,); truths: the number of objects, at least 1.
    Returns precision (N,), recall (N,); of equal scores the first counts as better. Raises ValueError where the lengths
    differ, or more detections are correct than there are objects.

    >>> precision_recall([0.9, 0.8, 0.7], [True, False, True], truths=4)[1]
    array([0.25, 0.25, 0.5 ])
    """
    scores, correct = _finite(real(scores, "scores"), "scores"), real(correct, "correct")
    if not np.all((correct == 0) | (correct == 1)):
        raise ValueError(
            f"correct holds {correct[(correct != 0) & (correct != 1)][0]:g}, but only True and False are allowed"
        )
    correct, truths = correct.astype(bool), whole(truths, "truths", 1)
    if scores.ndim != 1 or correct.shape != scores.shape:
        raise ValueError(f"scores has shape {scores.shape} and correct {correct.shape}, but both must be (N,)")
    if truths < correct.sum():
        raise ValueError(f"truths is {truths}, but must not be less than the {correct.sum()} correct")
    found = np.cumsum(correct[np.argsort(-scores, kind="stable")])
    return found / np.arange(1, len(found) + 1), found / truths


def average_precision(scores, correct, truths):
    """The area under the curve of precision over recall: 1 where every object is found before any mistake is made.

    The arguments and the errors are those of `precision_recall`. Precision is interpolated: at each recall it counts as
    the highest at this recall or any greater one. The area is taken in all points, the convention of PASCAL VOC from 2010
    on, not that of 11 points (VOC 2007) or 101 (COCO). Recall that is never reached adds nothing.

    >>> average_precision([0.9, 0.8, 0.7], [True, False, True], truths=2).round(4)
    np.float64(0.8333)
    """
    precision, recall = precision_recall(scores, correct, truths)
    interpolated = np.maximum.accumulate(precision[::-1])[::-1]
    return np.sum(np.diff(recall, prepend=0) * interpolated)


# ---------------------------------------------------------------------------------------------------------- small parts


def _boxes(boxes, name):
    """Boxes as floats (N, 4); an empty list is no box. Raises ValueError."""
    boxes = real(boxes, name)
    if boxes.shape == (0,):
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name} has shape {boxes.shape}, but boxes need (N, 4): x1, y1, x2, y2")
    _finite(boxes, name)
    wrong = np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))
    if len(wrong):
        raise ValueError(f"{name}[{wrong[0]}] is {boxes[wrong[0]].tolist()}, but x2 >= x1 and y2 >= y1 are needed")
    return boxes


def _scores(scores, boxes):
    scores = real(scores, "scores")
    if scores.shape != (len(boxes),):
        raise ValueError(f"scores has shape {scores.shape}, but {len(boxes)} boxes need ({len(boxes)},)")
    return _finite(scores, "scores")


def _finite(values, name):
    """The values. Raises ValueError where one is infinite or NaN."""
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds {values[~np.isfinite(values)][0]}, but all its numbers must be finite")
    return values


def _positive(values, name):
    values = np.atleast_1d(real(values, name))
    if values.ndim != 1 or not values.size or not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(f"{name} is {values.tolist()}, but needs a list of positive numbers")
    return values


def _same_number(values, name, anchors):
    if len(values) != len(anchors):
        raise ValueError(f"there are {len(values)} {name}, but {len(anchors)} anchors")


def _area(boxes):
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def _centred(boxes):
    """Centres (N, 2) and extents (N, 2)."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
