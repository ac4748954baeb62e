"""The R-CNN family: figures of the papers, orders of anchors and offsets, losses by loops, small ones that learn."""

import math

import numpy as np
import pytest

from cnnlib import boxes as box
from cnnlib import nn, optim, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import rcnn

VGG_CONVOLUTIONS = 14_714_688
rng = np.random.default_rng(0)


def test_fast_rcnn_at_full_size():
    """Fast R-CNN, section 2.1: VGG-16 with RoI pooling to 7 x 7, and K + 1 scores beside 4 numbers a class in place of
    the last layer. All 21 classes have offsets, as in the author's program."""
    paper = summary(lambda: rcnn.FastRCNN(), [(3, 600, 1000), (5,)])
    hidden = (7 * 7 * 512 + 1) * 4096 + 4097 * 4096
    assert paper.parameters == VGG_CONVOLUTIONS + hidden + 4097 * 21 + 4097 * 84
    assert paper.output_shape == (84,)
    assert [row.shape for row in paper.rows if row.op == "roi_pool"] == [(512, 7, 7)]


def test_the_pyramid_at_full_size():
    """SPP-net, section 4.1: 50 bins, (6 x 6, 3 x 3, 2 x 2, 1 x 1); 256 channels make 12,800 numbers."""
    with_pyramid = summary(lambda: rcnn.FastRCNN(levels=(6, 3, 2, 1)), [(3, 600, 1000), (5,)])
    assert next(row.shape for row in with_pyramid.rows if row.op == "linear") == (4096,)
    assert next(row.shape for row in with_pyramid.rows if row.op == "concatenate") == (50 * 512,)


def test_proposals_at_full_size():
    """Faster R-CNN, section 3.1: 512 x (4 + 2) x 9 = 2.8e4 weights in the output layers, 2.4e6 with the 3 x 3 layer; a
    map of about 2,400 places has about 20,000 anchors."""
    plan = summary(lambda: rcnn.RegionProposals(), (512, 40, 60))
    looks = sum(row.parameters for row in plan.rows if row.path.startswith("look"))
    biases = 512 + 9 * 6
    assert plan.parameters - looks == 512 * (4 + 2) * 9 + 9 * 6
    assert round((plan.parameters - looks) / 1e4, 1) == 2.8
    assert plan.parameters - biases == 3 * 3 * 512 * 512 + 512 * 6 * 9
    assert round(plan.parameters / 1e6, 1) == 2.4
    assert plan.output_shape == (40 * 60 * 9, 2)
    assert box.anchors((40, 60), 16, rcnn.SCALES, rcnn.RATIOS).shape == (21600, 4)


def test_faster_rcnn_at_full_size():
    """The proposals add their 2,387,510 to Fast R-CNN on the shared map; 600 x 1000 gives a map of 38 x 63."""
    plan = summary(lambda: rcnn.FasterRCNN(), (3, 600, 1000))
    assert plan.parameters == VGG_CONVOLUTIONS + 2_387_510
    assert plan.output_shape == (38 * 63 * 9, 2)


def test_pyramid_of_a_whole_map_is_the_maximum_of_its_parts():
    x = rng.normal(size=(2, 3, 12, 6)).astype(np.float32)
    out = rcnn.SpatialPyramid((3, 1))(Tensor(x)).data
    cells = x.reshape(2, 3, 3, 4, 3, 2).max(axis=(3, 5)).reshape(2, -1)
    np.testing.assert_array_equal(out, np.concatenate([cells, x.max(axis=(2, 3))], axis=1))


@pytest.mark.parametrize("size", [(5, 9), (16, 16), (7, 23)])
def test_a_pyramid_has_one_size_for_all_maps(size):
    """What the layer is for: SPP-net, figure 1."""
    assert rcnn.SpatialPyramid((4, 2, 1))(Tensor(np.zeros((1, 3, *size)))).shape == (1, 3 * 21)


def test_outputs_are_in_the_order_of_the_anchors():
    net = rcnn.RegionProposals(2, 2, stride=8, scales=(8, 16), ratios=(1, 4))
    for p in net.parameters():
        p.data[...] = 0
    net.offsets.bias.data[4 * 1 + 3] = 5.0  # th of the second kind: scale 8, ratio 4
    offsets, scores = net(Tensor(np.zeros((1, 2, 3, 5), np.float32)))
    anchors = net.anchors((3, 5))
    assert offsets.shape == (1, len(anchors), 4) and scores.shape == (1, len(anchors), 2)
    moved = anchors[offsets.data[0].any(axis=1)]
    np.testing.assert_allclose(moved[:, 2:] - moved[:, :2], [[4, 16]] * 15)
    np.testing.assert_allclose(moved[:6, 0], [2, 10, 18, 26, 34, 2])


def test_the_proposal_loss_is_the_definition():
    offsets, scores, targets = rng.normal(size=(2, 6, 4)), rng.normal(size=(2, 6, 2)), rng.normal(size=(2, 6, 4))
    labels = np.array([[1, 0, -1, 0, 1, -1], [0, -1, -1, 1, -1, -1]])
    asked = total = place = 0
    for n, a in np.ndindex(2, 6):
        if labels[n, a] >= 0:
            asked += 1
            total += math.log(sum(math.exp(s) for s in scores[n, a])) - scores[n, a, labels[n, a]]
        if labels[n, a] == 1:
            for d in offsets[n, a] - targets[n, a]:
                place += d * d / 2 if abs(d) < 1 else abs(d) - 0.5
    value = rcnn.proposal_loss(Tensor(offsets), Tensor(scores), labels, targets, weight=3.0).item()
    np.testing.assert_allclose(value, (total + 3 * place) / asked, rtol=1e-12)


def test_the_head_loss_is_the_definition():
    scores, offsets, targets = rng.normal(size=(5, 3)), rng.normal(size=(5, 12)), rng.normal(size=(5, 4))
    labels = np.array([0, 2, 1, 0, 2])
    total = 0
    for r, label in enumerate(labels):
        total += math.log(sum(math.exp(s) for s in scores[r])) - scores[r, label]
        if label:
            for d in offsets[r, 4 * label : 4 * label + 4] - targets[r]:
                total += d * d / 2 if abs(d) < 1 else abs(d) - 0.5
    value = rcnn.head_loss(Tensor(scores), Tensor(offsets), labels, targets).item()
    np.testing.assert_allclose(value, total / 5, rtol=1e-12)


def test_sampling_keeps_to_its_numbers():
    """256 anchors an image, up to half of them with an object. Source: Faster R-CNN, section 3.1.3."""
    labels = np.repeat([1, 0, -1], [300, 1000, 50])
    chosen = rcnn.sample(labels, np.random.default_rng(0))
    assert [np.sum(chosen & (labels == k)) for k in (1, 0, -1)] == [128, 128, 0]
    labels[10:300] = 0
    chosen = rcnn.sample(labels, np.random.default_rng(0))
    assert [np.sum(chosen & (labels == k)) for k in (1, 0, -1)] == [10, 246, 0]


def test_anchors_that_reach_out_are_not_asked():
    anchors = box.anchors((8, 8), 4, rcnn.SMALL_SCALES)
    labels, offsets = rcnn.proposal_targets(anchors, [[-2.0, -2, 6, 6], [8, 8, 18, 18]], 32, np.random.default_rng(0))
    out = (anchors.min(axis=1) < 0) | (anchors.max(axis=1) > 32)
    assert (labels[out] == -1).all()
    positive = labels == 1
    np.testing.assert_allclose(box.decode(offsets[positive], anchors[positive])[-1], [8, 8, 18, 18], atol=1e-9)
    assert not offsets[~positive].any()


def test_targets_propose_and_decide_are_inverse():
    anchors, truth = box.anchors((8, 8), 4, rcnn.SMALL_SCALES), np.array([[3.0, 4, 11, 13], [16, 10, 30, 22]])
    labels, offsets = rcnn.proposal_targets(anchors, truth, 32, np.random.default_rng(0))
    proposed = rcnn.propose(offsets, 20 * np.eye(2)[(labels == 1).astype(int)], anchors, 32, keep=2)
    np.testing.assert_allclose(np.sort(proposed, axis=0), np.sort(truth, axis=0), atol=1e-9)

    shifted = truth + np.array([[1, 0, 1, 0], [0, -1, 1, 0]])
    classes, moves = rcnn.head_targets([*shifted, [0, 20, 5, 30]], truth, [2, 1])
    np.testing.assert_array_equal(classes, [2, 1, 0])
    offsets = rng.normal(size=(3, 3, 4))  # of the other classes: nobody should ask
    offsets[range(3), classes] = moves
    scores = 20 * np.eye(3)[classes]
    found, kinds, _ = rcnn.decide(scores, offsets.reshape(3, 12), [*shifted, [0, 20, 5, 30]], 32)
    np.testing.assert_allclose(found[np.argsort(kinds)], truth[::-1], atol=1e-9)


def test_warp_keeps_a_box_of_its_own_size_and_repeats_the_rim():
    image = rng.normal(size=(2, 9, 11))
    np.testing.assert_allclose(rcnn.warp(image, [[3, 2, 8, 6]], (4, 5))[0], image[:, 2:6, 3:8])
    np.testing.assert_allclose(rcnn.warp(image, [[0, 0, 22, 18]], (18, 22))[0][:, :9, :11], image)
    twice = rcnn.warp(image, [[0, 0, 11, 9]], (18, 22))
    np.testing.assert_allclose(twice, F.upsample_bilinear(Tensor(image[None]), scale_factor=2).data)


def scene():
    x = np.random.default_rng(0).normal(size=(2, 1, 32, 32)).astype(np.float32)
    x[0, 0, 4:13, 3:11] += 3
    x[1, 0, 8:24, 10:26] -= 3
    return x, [np.array([[3.0, 4, 11, 13]]), np.array([[10.0, 8, 26, 24]])], [[1], [2]]


def test_a_small_fast_rcnn_learns():
    nn.manual_seed(0)
    x, truths, kinds = scene()
    net = rcnn.small_fast(num_classes=3)
    proposed = [np.concatenate([t, t + 2, [[20, 2, 28, 7]]]) for t in truths]
    rows = np.concatenate([np.insert(p, 0, n, axis=1) for n, p in enumerate(proposed)])
    labels, targets = (
        np.concatenate(part) for part in zip(*map(rcnn.head_targets, proposed, truths, kinds), strict=True)
    )
    plan = summary(net, [(1, 32, 32), (5,)])
    assert plan.parameters == net.count() and plan.output_shape == (12,)
    losses = train(net, lambda: rcnn.head_loss(*net(Tensor(x), rows), labels, targets))
    assert losses[-1] < losses[0], losses


def test_small_proposals_learn_to_find():
    nn.manual_seed(0)
    x, truths, _ = scene()
    net = rcnn.small(num_classes=3)
    assert summary(net, (1, 32, 32)).output_shape == (8 * 8 * 3, 2)
    anchors, labels, targets = asked(net, truths)
    optimizer = optim.SGD(net.parameters(), 0.05, momentum=0.9)
    for _ in range(40):
        _, offsets, scores = net(Tensor(x))
        loss = rcnn.proposal_loss(offsets, scores, labels, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    within = rcnn.inside(anchors, 32)  # the others were not trained
    for n, truth in enumerate(truths):
        first = rcnn.propose(offsets.data[n][within], scores.data[n][within], anchors[within], 32, keep=1)
        assert box.iou(first, truth) > 0.5


def test_a_small_faster_rcnn_learns_jointly():
    nn.manual_seed(0)
    x, truths, kinds = scene()
    net = rcnn.small(num_classes=3)
    anchors, labels, targets = asked(net, truths)

    def both():
        features, offsets, scores = net(Tensor(x))
        loss = rcnn.proposal_loss(offsets, scores, labels, targets)
        rows, classes, moves = [], [], []
        for n in range(2):
            proposed = rcnn.propose(offsets.data[n], scores.data[n], anchors, (32, 32), keep=10)
            proposed = np.concatenate([proposed, truths[n]])  # as the authors' program does, so that objects are met
            rows.append(np.insert(proposed, 0, n, axis=1))
            for out, part in zip((classes, moves), rcnn.head_targets(proposed, truths[n], kinds[n]), strict=True):
                out.append(part)
        seen = net.head(features, np.concatenate(rows))
        return loss + rcnn.head_loss(*seen, np.concatenate(classes), np.concatenate(moves))

    losses = train(net, both, steps=15)
    assert losses[-1] < losses[0] / 2, losses
    found = net.detect(Tensor(x), threshold=0.1)
    assert len(found) == 2
    for boxes, classes, sureness in found:
        assert boxes.shape == (len(classes), 4) and set(classes) <= {1, 2} and np.all(np.diff(sureness) <= 0)


def asked(net, truths):
    """The anchors, and what the proposal network should say of both images."""
    anchors = net.proposals.anchors((8, 8))
    parts = [rcnn.proposal_targets(anchors, truth, 32, np.random.default_rng(0)) for truth in truths]
    return anchors, *map(np.stack, zip(*parts, strict=True))


def train(net, loss, steps=8, lr=0.02):
    optimizer, losses = optim.SGD(net.parameters(), lr, momentum=0.9), []
    for step in range(steps):
        value = loss()
        losses.append(value.item())
        optimizer.zero_grad()
        value.backward()
        if not step:
            assert not [name for name, p in net.named_parameters() if p.grad is None or not np.any(p.grad)]
        optimizer.step()
    return losses
