"""SSD: every place of several feature maps predicts boxes and their classes at once, small boxes from fine maps.

DSSD, its successor, first carries what the coarse maps know back up to the finer ones.
Source: INRIA, "Single-shot object window regression" (s2:1571-1596); W. Liu et al., "SSD: Single Shot MultiBox
Detector", ECCV 2016; C.-Y. Fu et al., "DSSD: Deconvolutional Single Shot Detector", 2017.
"""

from typing import NamedTuple

import numpy as np

from .. import boxes as box
from .. import nn, ops
from ..autograd import functional as F
from ._parts import VGG16, conv_relu, cut, halve, per_box, predictor, stages


class Map(NamedTuple):
    """A feature map that predicts boxes: its size, the pixels from place to place, and its boxes."""

    size: int
    step: int
    scale: float  # the side of a square box, in pixels
    next_scale: float  # one more square box has a side between this one's and the next map's
    ratios: tuple  # beside the square ones, boxes whose sides are as 1 to r and as r to 1

    @property
    def boxes(self):
        return 2 + 2 * len(self.ratios)


# SSD300 as trained for PASCAL VOC: min_sizes, max_sizes and steps of the authors' ssd_pascal.py.
VOC300 = (
    Map(38, 8, 30, 60, (2,)),  # conv4_3
    Map(19, 16, 60, 111, (2, 3)),  # fc7
    Map(10, 32, 111, 162, (2, 3)),
    Map(5, 64, 162, 213, (2, 3)),
    Map(3, 100, 213, 264, (2,)),
    Map(1, 300, 264, 315, (2,)),
)
# The layers behind fc7: filters of 1 x 1, filters of 3 x 3, and the stride and padding of the latter.
EXTRAS = ((256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 1, 0), (128, 256, 1, 0))
VARIANCES = np.array([0.1, 0.1, 0.2, 0.2])  # offsets are divided by these, so that all errors are of one size

# For images of 32 x 32 pixels.
SMALL_MAPS = (Map(16, 2, 5, 8, ()), Map(8, 4, 8, 14, (2,)), Map(4, 8, 14, 24, (2,)))
SMALL = {"widths": ((8,), (16,), (16,)), "hidden": 24, "extras": ((8, 16, 2, 1),), "maps": SMALL_MAPS, "scale": 4}


class SSD(nn.Module):
    """For images (N, in_channels, H, W): offsets (N, A, 4) and scores (N, A, num_classes) of A boxes each.

    num_classes counts the background, which is class 0. widths: the filters of the VGG stages; hidden: those of fc6 and
    fc7, read as convolutions, fc6 with dilation 6; extras: the layers behind; maps: what predicts, from fine to coarse;
    scale: L2Norm's, for the first map.
    The first map is the last stage but one, then come fc7 and every extra layer. Raises ValueError for images of another
    size than the maps are made for, since the anchors would be others.

    >>> from cnnlib import summary
    >>> f"{summary(lambda: SSD(), (3, 300, 300)).parameters:,}"
    '26,285,486'
    """

    def __init__(self, in_channels=3, num_classes=21, widths=VGG16, hidden=1024, extras=EXTRAS, maps=VOC300, scale=20):
        if len(maps) != len(extras) + 2:
            raise ValueError(f"there are {len(maps)} maps, but {len(extras)} extra layers make {len(extras) + 2}")
        self.stages = stages(in_channels, widths)
        self.norm = L2Norm(widths[-2][-1], scale)
        self.hidden = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),  # pool5 no longer halves, and fc6 makes up for it by dilation
            conv_relu(widths[-1][-1], (hidden,), padding=6, dilation=6),
            conv_relu(hidden, (hidden,), kernel_size=1, padding=0),
        )
        self.extras, channels = [], [widths[-2][-1], hidden]
        for narrow, wide, stride, padding in extras:
            reduce, look = nn.Conv2d(channels[-1], narrow, 1), nn.Conv2d(narrow, wide, 3, stride, padding)
            self.extras.append(nn.Sequential(reduce, nn.ReLU(), look, nn.ReLU()))
            channels.append(wide)
        self.channels, self.maps, self.num_classes = channels, maps, num_classes
        self.predict_from(channels)

    def predict_from(self, channels):
        """Makes the layers that predict: 3 x 3 convolutions with 4 and num_classes filters for each box of a place."""
        pairs = list(zip(channels, self.maps, strict=True))
        self.offsets = [predictor(c, 4 * m.boxes, 3, padding=1) for c, m in pairs]
        self.scores = [predictor(c, self.num_classes * m.boxes, 3, padding=1) for c, m in pairs]

    def features(self, x):
        """The maps that predict, from fine to coarse."""
        *fine, last = self.stages
        for stage in fine[:-1]:
            x = halve(stage(x))
        x = fine[-1](x)
        out = [self.norm(x), self.hidden(last(halve(x)))]
        for extra in self.extras:
            out.append(extra(out[-1]))
        return out

    def forward(self, x):
        features = self.features(x)
        for feature, m in zip(features, self.maps, strict=True):
            if feature.shape[2:] != (m.size, m.size):
                raise ValueError(
                    f"a map has {feature.shape[2]} x {feature.shape[3]} places, but its boxes are made for {m.size} x {m.size}: "
                    f"images of {x.shape[2]} x {x.shape[3]} pixels are of another size"
                )
        offsets = [per_box(layer(f), 4) for layer, f in zip(self.offsets, features, strict=True)]
        scores = [per_box(layer(f), self.num_classes) for layer, f in zip(self.scores, features, strict=True)]
        return F.concatenate(*offsets), F.concatenate(*scores)

    def anchors(self):
        """The boxes to begin with, (A, 4), in the order of the outputs."""
        return np.concatenate([map_anchors(m) for m in self.maps])


class L2Norm(nn.Module):
    """Every place of a map to length 1, then a learned scale for each channel, which starts at 20.

    conv4_3 has much larger numbers than the maps behind it. Source: SSD, section 3.1; W. Liu et al., ParseNet, 2015.
    """

    def __init__(self, channels, scale=20):
        self.weight = nn.Parameter(nn.constant((1, channels, 1, 1), scale))

    def forward(self, x):
        length = ((x * x).sum(axis=1, keepdims=True) + 1e-10) ** 0.5
        return x / length * self.weight


class DSSD(SSD):
    """SSD whose maps are rebuilt from coarse to fine: each is enlarged and multiplied with the next finer one.

    width: the filters of every rebuilt map, 512 in the paper; the other arguments are SSD's. The paper starts from
    ResNet-101 and has a residual block before each prediction; this one starts from SSD's VGG-16 and has none. Maps of
    odd size are enlarged by one pixel more and cut, where the paper chooses its sizes.
    """

    def __init__(self, *args, width=512, **options):
        super().__init__(*args, **options)
        *fine, coarsest = self.channels
        coarse = [width] * (len(fine) - 1) + [coarsest]
        self.up = [Up(f, c, width) for f, c in zip(fine, coarse, strict=True)]
        self.predict_from([width] * len(fine) + [coarsest])

    def features(self, x):
        *finer, coarse = super().features(x)
        out = [coarse]
        for up, fine in zip(reversed(self.up), reversed(finer), strict=True):
            out.insert(0, up(fine, out[0]))
        return out


class Up(nn.Module):
    """The deconvolution module: the coarse map, enlarged by learned filters, times the fine map. DSSD, figure 3."""

    def __init__(self, fine, coarse, width):
        def conv(channels):
            return [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]

        self.fine = nn.Sequential(*conv(fine), nn.ReLU(), *conv(width))
        self.enlarge = nn.ConvTranspose2d(coarse, width, 3, stride=2, bias=False)
        self.coarse = nn.Sequential(*conv(width))

    def forward(self, fine, coarse):
        enlarged = cut(self.enlarge(coarse), fine.shape[2:])  # n pixels become 2n + 1, at least as many as needed
        return F.relu(self.fine(fine) * self.coarse(enlarged))


def small(in_channels=1, num_classes=4, **options):
    """SSD for images of 32 x 32 pixels: 832 boxes on three maps."""
    return SSD(in_channels, num_classes, **{**SMALL, **options})


def small_dssd(in_channels=1, num_classes=4, width=16, **options):
    """DSSD for images of 32 x 32 pixels."""
    return DSSD(in_channels, num_classes, width=width, **{**SMALL, **options})


# ----------------------------------------------------------------------------------------------------- boxes and losses


def map_anchors(m):
    """The boxes around every place of a map, in the order (row, column, box): (size · size · boxes, 4).

    >>> map_anchors(Map(1, 8, 4, 9, (4,)))
    array([[2., 2., 6., 6.],
           [3., 0., 5., 8.],
           [0., 3., 8., 5.],
           [1., 1., 7., 7.]])
    """
    ratios = [1, *(ratio for r in m.ratios for ratio in (r, 1 / r))]
    of_scale = box.anchors(m.size, m.step, [m.scale], ratios).reshape(m.size**2, -1, 4)
    larger = box.anchors(m.size, m.step, [(m.scale * m.next_scale) ** 0.5]).reshape(m.size**2, 1, 4)
    return np.concatenate([of_scale, larger], axis=1).reshape(-1, 4)


def targets(anchors, truth, labels, threshold=0.5):
    """What the network should say of one image: the class (A,) and the offsets (A, 4) of every box.

    anchors: (A, 4); truth: the objects' boxes (M, 4); labels: their classes (M,), from 1. A box is given the object
    with which its IoU is largest, if that is at least threshold or it is the object's best box; else it is
    background, 0.

    >>> classes, offsets = targets([[0, 0, 4, 4], [4, 4, 8, 8]], truth=[[0, 0, 4, 4]], labels=[3])
    >>> classes
    array([3, 0])
    """
    anchors, labels = np.asarray(anchors, float), np.asarray(labels, int)
    found, indices = box.match_anchors(anchors, truth, threshold, threshold)
    classes, offsets = np.zeros(len(anchors), int), np.zeros((len(anchors), 4))
    positive = found == 1
    if positive.any():
        nearest = np.asarray(truth, float)[indices[positive]]
        classes[positive] = labels[indices[positive]]
        offsets[positive] = box.encode(nearest, anchors[positive]) / VARIANCES
    return classes, offsets


def hard_negatives(background_loss, positive, ratio=3):
    """The background boxes to learn from: of each image those least like it, `ratio` for each object box.

    background_loss: (N, A); positive: booleans (N, A). Returns booleans (N, A). Source: SSD, "hard negative mining".

    >>> hard_negatives(np.array([[9.0, 1.0, 5.0, 2.0]]), np.array([[True, False, False, False]]), ratio=2)
    array([[False, False,  True,  True]])
    """
    loss = np.where(positive, -np.inf, background_loss)
    rank = np.argsort(np.argsort(-loss, axis=1, kind="stable"), axis=1, kind="stable")
    return (rank < ratio * positive.sum(axis=1, keepdims=True)) & ~positive


def loss(output, classes, offsets, ratio=3):
    """The sum of both losses over the batch, divided by the number of boxes that hold an object; 0 where none does.

    output: what SSD gives; classes: (N, A); offsets: (N, A, 4), as `targets` gives them for each image. The scores are
    trained by cross-entropy on the object boxes and the hard negatives, the offsets by smooth L1 on the object boxes.
    """
    predicted, scores = output
    classes, offsets = np.asarray(classes), np.asarray(offsets)
    positive = classes > 0
    objects = positive.sum()
    if not objects:
        return (scores * 0).sum() + (predicted * 0).sum()
    log_p = _log_softmax(scores.data)
    counted = positive | hard_negatives(-log_p[..., 0], positive, ratio)
    wrong_class = F.cross_entropy(scores[counted], classes[counted]) * (counted.sum() / objects)
    wrong_place = F.smooth_l1(predicted[positive], offsets[positive].astype(predicted.dtype)) * 4  # mean of 4 to sum
    return wrong_class + wrong_place


def detect(offsets, scores, anchors, threshold=0.3, overlap=0.45, size=None):
    """The objects in one image, the surest first: boxes (K, 4), classes (K,) and probabilities (K,).

    offsets: (A, 4) and scores: (A, num_classes), arrays from the network for one image; anchors: (A, 4). Of each class,
    boxes of a probability above threshold go through non-maximum suppression with this overlap. size: of the image, to
    cut boxes off at its rim.
    """
    offsets, scores = np.asarray(offsets, float), np.asarray(scores, float)
    log_p = _log_softmax(scores)
    probabilities = np.exp(log_p)
    decoded = box.decode(offsets * VARIANCES, anchors)
    if size is not None:
        decoded = box.clip(decoded, size)
    kept = [(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))]
    for c in range(1, scores.shape[1]):
        sure = np.flatnonzero(probabilities[:, c] > threshold)
        stay = sure[box.nms(decoded[sure], probabilities[sure, c], overlap)]
        kept.append((decoded[stay], np.full(len(stay), c), probabilities[stay, c]))
    found, classes, sureness = map(np.concatenate, zip(*kept, strict=True))
    order = np.argsort(-sureness, kind="stable")
    return found[order], classes[order], sureness[order]


# ---------------------------------------------------------------------------------------------------------- small parts


def _log_softmax(scores):
    return ops.log_softmax_forward(scores, axis=-1)[0]
