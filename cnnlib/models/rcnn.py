"""The R-CNN family: propose boxes, then look at each box with a network; from one network a box to one for all.

R-CNN crops and warps every proposal and runs the whole network on it. SPP-net and Fast R-CNN run the convolutions once
and pool each box from their map. Faster R-CNN lets a small network on the same map propose the boxes.
Source: INRIA, "Object category localization" (s2:1469-1570); R. Girshick et al., CVPR 2014; K. He et al., ECCV 2014;
R. Girshick, ICCV 2015; S. Ren et al., "Faster R-CNN", 2015.
"""

import numpy as np

from .. import boxes as box
from .. import nn, ops
from ..autograd import functional as F
from ._parts import VGG16, halve, per_box, predictor, stages

SCALES, RATIOS = (128, 256, 512), (0.5, 1, 2)  # of Faster R-CNN's 9 anchors, in pixels of an image of 600 x 1000
SMALL_SCALES, SMALL_RATIOS = (6, 10, 16), (1,)  # for images of 32 x 32 pixels


class Features(nn.Module):
    """VGG-16 up to the last convolution, without the last pooling: one number for every 16 pixels of the image."""

    def __init__(self, in_channels=3, widths=VGG16):
        self.stages = stages(in_channels, widths)
        self.stride = 2 ** (len(widths) - 1)

    def forward(self, x):
        *finer, last = self.stages
        for stage in finer:
            x = halve(stage(x))
        return last(x)


class SpatialPyramid(nn.Module):
    """Max pooling of a box, or of a whole map, into grids of fixed sizes, all in one vector. Source: SPP-net, figure 3.

    levels: the sides of the grids. boxes: (R, 5) as for roi_pool; left out, every image is one box. Fast R-CNN's
    pooling is the special case of one level.

    >>> SpatialPyramid((6, 3, 2, 1))(np.zeros((1, 256, 13, 9), np.float32)).shape  # 50 numbers a channel
    (1, 12800)
    """

    def __init__(self, levels=(6, 3, 2, 1), spatial_scale=1.0):
        self.levels, self.spatial_scale = levels, spatial_scale

    def forward(self, x, boxes=None):
        scale = self.spatial_scale
        if boxes is None:
            n, _, h, w = x.shape
            boxes, scale = [[i, 0, 0, w - 1, h - 1] for i in range(n)], 1.0
        boxes = np.asarray(boxes)
        pooled = [F.roi_pool(x, boxes, output_size=level, spatial_scale=scale) for level in self.levels]
        return F.concatenate(*(F.flatten(p) for p in pooled))


class Head(nn.Module):
    """What looks at every box: RoI pooling, two hidden layers, then scores (R, classes) and offsets (R, 4·classes).

    num_classes counts the background, class 0. There are four offsets for every class, read by `offsets_of`.
    """

    def __init__(self, channels=512, num_classes=21, levels=(7,), hidden=4096, stride=16, dropout=0.5):
        self.pool = SpatialPyramid(levels, 1 / stride)
        pooled = channels * sum(level**2 for level in levels)
        self.hidden = nn.Sequential(
            nn.Linear(pooled, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.scores, self.offsets = nn.Linear(hidden, num_classes), nn.Linear(hidden, 4 * num_classes)

    def forward(self, features, boxes):
        hidden = self.hidden(self.pool(features, boxes))
        return self.scores(hidden), self.offsets(hidden)


class FastRCNN(nn.Module):
    """The convolutions once over the image, the head once for every box: images (N, C, H, W) and boxes (R, 5).

    boxes: the number of the image and x1, y1, x2, y2 in pixels. levels=(7,) is Fast R-CNN; levels=(6, 3, 2, 1) is the
    pyramid of SPP-net, here trained as Fast R-CNN is.

    >>> from cnnlib import summary
    >>> f"{summary(lambda: FastRCNN(), [(3, 600, 1000), (5,)]).parameters:,}"
    '134,690,729'
    """

    def __init__(self, in_channels=3, num_classes=21, widths=VGG16, levels=(7,), hidden=4096, dropout=0.5):
        self.features = Features(in_channels, widths)
        self.head = Head(widths[-1][-1], num_classes, levels, hidden, self.features.stride, dropout)

    def forward(self, x, boxes):
        return self.head(self.features(x), getattr(boxes, "data", boxes))


class RegionProposals(nn.Module):
    """The region proposal network: at every place of the map K anchors, is there an object, and where exactly.

    Gives offsets (N, A, 4) and scores (N, A, 2) of A = H·W·K anchors: score 0 for "no object", 1 for "an object".

    >>> from cnnlib import summary
    >>> f"{summary(lambda: RegionProposals(), (512, 40, 60)).parameters:,}"
    '2,387,510'
    """

    def __init__(self, channels=512, hidden=512, stride=16, scales=SCALES, ratios=RATIOS):
        k = len(scales) * len(ratios)
        self.look = nn.Sequential(nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU())
        self.scores, self.offsets = predictor(hidden, 2 * k), predictor(hidden, 4 * k)
        self.stride, self.scales, self.ratios = stride, scales, ratios

    def forward(self, features):
        seen = self.look(features)
        return per_box(self.offsets(seen), 4), per_box(self.scores(seen), 2)

    def anchors(self, size):
        """The anchors of a map of this size, (A, 4), in the order of the outputs."""
        return box.anchors(size, self.stride, self.scales, self.ratios)


class FasterRCNN(nn.Module):
    """Features, proposals and head on one another. `forward` gives what the second says.

    As the paper trains it in four steps, or at once ("approximate joint training"): add `proposal_loss` of what forward
    gives, and `head_loss` of `head(features, boxes)` for the proposed boxes, which take no gradient.
    """

    def __init__(
        self, in_channels=3, num_classes=21, widths=VGG16, scales=SCALES, ratios=RATIOS, proposing=512, hidden=4096,
        cells=7, dropout=0.5,
    ):  # fmt: skip
        self.features = Features(in_channels, widths)
        channels, stride = widths[-1][-1], self.features.stride
        self.proposals = RegionProposals(channels, proposing, stride, scales, ratios)
        self.head = Head(channels, num_classes, (cells,), hidden, stride, dropout)

    def forward(self, x):
        """(features, offsets, scores): the map, and the proposals made on it."""
        features = self.features(x)
        return features, *self.proposals(features)

    def detect(self, x, keep=50, threshold=0.5, overlap=0.3):
        """The objects of each image of x (N, C, H, W): a list of boxes (K, 4), classes (K,) and probabilities (K,)."""
        size = x.shape[2:]
        features, offsets, scores = self(x)
        anchors, found = self.proposals.anchors(features.shape[2:]), []
        for n in range(len(x)):
            proposed = propose(offsets.data[n], scores.data[n], anchors, size, keep)
            rows = np.concatenate([np.full((len(proposed), 1), n), proposed], axis=1)
            seen = self.head(features, rows)
            found.append(decide(*(out.data for out in seen), proposed, size, threshold, overlap))
        return found


def small(in_channels=1, num_classes=4, **options):
    """Faster R-CNN for images of 32 x 32 pixels; a map of 8 x 8 with three anchors a place."""
    plain = {"widths": ((8,), (16,), (16,)), "proposing": 16, "hidden": 32, "cells": 3, "dropout": 0.0}
    return FasterRCNN(in_channels, num_classes, **{"scales": SMALL_SCALES, "ratios": SMALL_RATIOS, **plain, **options})


def small_fast(in_channels=1, num_classes=4, **options):
    """Fast R-CNN for images of 32 x 32 pixels."""
    plain = {"widths": ((8,), (16,), (16,)), "levels": (3,), "hidden": 32, "dropout": 0.0}
    return FastRCNN(in_channels, num_classes, **{**plain, **options})


# ----------------------------------------------------------------------------------------------------------- by R-CNN


def warp(image, boxes, size):
    """R-CNN's way: the part of an image in every box, stretched to one size, for a network that sees one object.

    image: (C, H, W); boxes: (R, 4) in pixels; size: of the output, an integer or a pair. Bilinear, pixels outside
    repeat the rim. Returns (R, C, rows, columns).

    >>> warp(np.arange(16.0).reshape(1, 4, 4), [[0, 0, 4, 4]], 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    image, boxes = np.asarray(image), np.asarray(boxes, float)
    rows, columns = (size, size) if np.ndim(size) == 0 else size
    out = np.zeros((len(boxes), len(image), rows, columns), image.dtype)
    for r, (x1, y1, x2, y2) in enumerate(boxes):
        down = _places(y1, y2, rows, image.shape[1])
        along = _places(x1, x2, columns, image.shape[2])
        out[r] = np.einsum("chw,ih,jw->cij", image, down, along)
    return out


# ------------------------------------------------------------------------------------------------------- the two losses


def sample(labels, rng, count=256, positives=0.5):
    """Which anchors of one image to train on: `count` at most, and at most this part of them with an object.

    labels: (A,), 1, 0, or -1 for neither; rng: a numpy Generator. Returns booleans (A,). Source: Faster R-CNN, 3.1.3.
    """
    chosen = np.zeros(len(labels), bool)
    with_object, without = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    with_object = rng.permutation(with_object)[: int(count * positives)]
    without = rng.permutation(without)[: count - len(with_object)]
    chosen[with_object] = chosen[without] = True
    return chosen


def inside(anchors, size):
    """Which anchors do not reach out of the image; the others are not trained on. Returns booleans (A,)."""
    anchors = np.asarray(anchors)
    return (box.clip(anchors, size) == anchors).all(axis=1)


def proposal_targets(anchors, truth, size, rng, count=256):
    """What the proposal network should say of one image: labels (A,), -1 where it is not asked, and offsets (A, 4).

    anchors: (A, 4); truth: the objects' boxes (M, 4); size: of the image; rng: chooses the anchors that are asked.
    """
    anchors, truth = np.asarray(anchors, float), np.asarray(truth, float).reshape(-1, 4)
    labels, offsets = np.full(len(anchors), -1), np.zeros((len(anchors), 4))
    within = np.flatnonzero(inside(anchors, size))
    found, indices = box.match_anchors(anchors[within], truth)  # 0.7 and 0.3, as in the paper
    chosen = sample(found, rng, count)
    labels[within[chosen]] = found[chosen]
    positive = chosen & (found == 1)
    if positive.any():
        offsets[within[positive]] = box.encode(truth[indices[positive]], anchors[within[positive]])
    return labels, offsets


def proposal_loss(offsets, scores, labels, targets, weight=1.0):
    """Faster R-CNN's equation 1: cross-entropy of all asked anchors, and smooth L1 of those with an object.

    offsets: (N, A, 4) and scores: (N, A, 2), Tensors; labels: (N, A) and targets: (N, A, 4). Both sums are divided by
    the number of asked anchors, as in the authors' program, and the second is multiplied by weight.
    """
    labels, targets = np.asarray(labels), np.asarray(targets)
    asked, positive = labels >= 0, labels == 1
    loss = F.cross_entropy(scores[asked], labels[asked])
    if positive.any():
        place = F.smooth_l1(offsets[positive], targets[positive].astype(offsets.dtype))
        loss = loss + place * (weight * 4 * positive.sum() / asked.sum())
    return loss


def head_targets(proposed, truth, classes, positive=0.5):
    """What the head should say of boxes of one image: their classes (R,) and offsets (R, 4).

    proposed: (R, 4); truth: (M, 4); classes: (M,), from 1. A box is of its nearest object's class if their IoU is at
    least `positive`, else it is background. (The paper's lower limit of 0.1 for background is left out.)
    """
    proposed, truth = np.asarray(proposed, float), np.asarray(truth, float).reshape(-1, 4)
    labels, offsets = np.zeros(len(proposed), int), np.zeros((len(proposed), 4))
    overlap = box.iou(proposed, truth)
    if overlap.size:
        good, nearest = overlap.max(axis=1) >= positive, overlap.argmax(axis=1)
        labels[good] = np.asarray(classes)[nearest[good]]
        if good.any():
            offsets[good] = box.encode(truth[nearest[good]], proposed[good])
    return labels, offsets


def head_loss(scores, offsets, labels, targets):
    """Fast R-CNN's equation 1: cross-entropy, and smooth L1 of the offsets of the right class; background has no place.

    scores: (R, classes) and offsets: (R, 4·classes), Tensors; labels: (R,) and targets: (R, 4). Both are means over R.
    """
    labels, targets = np.asarray(labels), np.asarray(targets)
    loss = F.cross_entropy(scores, labels)
    objects = np.flatnonzero(labels > 0)
    if len(objects):
        mine = offsets_of(offsets, labels)[objects]
        loss = loss + F.smooth_l1(mine, targets[objects].astype(offsets.dtype)) * (4 * len(objects) / len(labels))
    return loss


def offsets_of(offsets, labels):
    """Of the offsets of all classes (R, 4·classes) those of one class for every box: (R, 4)."""
    return offsets.reshape(len(labels), -1, 4)[np.arange(len(labels)), np.asarray(labels)]


# ---------------------------------------------------------------------------------------------------- from net to boxes


def propose(offsets, scores, anchors, size, keep=300, overlap=0.7, smallest=1):
    """The boxes of one image that most likely hold an object, the surest first: (K, 4), K at most keep.

    offsets: (A, 4) and scores: (A, 2), arrays; size: of the image, which cuts boxes off; those with a side shorter than
    smallest are dropped. Non-maximum suppression takes boxes that overlap more than 0.7, as in the paper.
    """
    boxes = box.clip(box.decode(np.asarray(offsets, float), anchors), size)
    sureness = np.asarray(scores, float)[:, 1] - np.asarray(scores, float)[:, 0]
    large = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] >= smallest).all(axis=1))
    best = large[np.argsort(-sureness[large], kind="stable")[:6000]]
    return boxes[best[box.nms(boxes[best], sureness[best], overlap)[:keep]]]


def decide(scores, offsets, proposed, size, threshold=0.5, overlap=0.3):
    """From what the head says of proposed boxes of one image to objects: boxes (K, 4), classes and probabilities (K,).

    scores: (R, classes) and offsets: (R, 4·classes), arrays; proposed: (R, 4); the rest as in `ssd.detect`.
    """
    probabilities, _ = ops.softmax_forward(np.asarray(scores, float))
    kept = [(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))]
    for c in range(1, probabilities.shape[1]):
        moved = box.clip(box.decode(np.asarray(offsets, float)[:, 4 * c : 4 * c + 4], proposed), size)
        sure = np.flatnonzero(probabilities[:, c] > threshold)
        stay = sure[box.nms(moved[sure], probabilities[sure, c], overlap)]
        kept.append((moved[stay], np.full(len(stay), c), probabilities[stay, c]))
    found, classes, sureness = map(np.concatenate, zip(*kept, strict=True))
    order = np.argsort(-sureness, kind="stable")
    return found[order], classes[order], sureness[order]


# ---------------------------------------------------------------------------------------------------------- small parts


def _places(first, last, m, n):
    """For m equal steps from `first` to `last` in a line of n pixels: the shares (m, n) of the pixels in each."""
    middle = np.clip(first + (np.arange(m) + 0.5) * (last - first) / m - 0.5, 0, n - 1)
    return np.maximum(1 - np.abs(middle[:, None] - np.arange(n)), 0)
