"""SSD and DSSD: the paper's 8732 boxes, known counts, the order of boxes, the loss against plain loops, a live one."""

import math

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.models import _parts, ssd


def test_full_size():
    """8732 boxes: SSD, section 3.1; 26,285,486 parameters: PyTorch and Keras programs of SSD300 for VOC, 21 classes."""
    paper = summary(lambda: ssd.SSD(), (3, 300, 300))
    assert paper.parameters == 26_285_486
    assert paper.output_shape == (8732, 21)
    assert len(anchors_of(ssd.VOC300)) == 8732
    assert [m.size for m in ssd.VOC300] == [38, 19, 10, 5, 3, 1]
    boxes = [m.size**2 * m.boxes for m in ssd.VOC300]
    assert boxes == [5776, 2166, 600, 150, 36, 4]
    predicting = [row.shape[1] for row in paper.rows if row.path.startswith("scores")]
    assert predicting == [38, 19, 10, 5, 3, 1]


def anchors_of(maps):
    return np.concatenate([ssd.map_anchors(m) for m in maps])


@pytest.mark.parametrize("build", [ssd.small, ssd.small_dssd])
def test_anchors_are_in_the_order_of_the_outputs(build):
    """A change of one output number of a map's layer moves the box at that place, and of that kind, and no other."""
    net = build().eval()
    x = np.zeros((1, 1, 32, 32), np.float32)
    anchors = net.anchors()
    assert len(anchors) == net(Tensor(x))[0].shape[1] == 16 * 16 * 2 + 8 * 8 * 4 + 4 * 4 * 4
    for p in net.parameters():
        p.data[...] = 0
    net.offsets[1].bias.data[4 * 2 + 1] = 7.0  # the y of the third box of the second map: ratio 1/2, wider than high
    offsets = net(Tensor(x))[0].data[0]
    moved = np.flatnonzero(offsets.any(axis=1))
    width, height = (anchors[moved, 2:] - anchors[moved, :2]).T
    assert len(moved) == 64
    np.testing.assert_allclose(width / height, 2)
    np.testing.assert_allclose(width * height, 8**2)
    np.testing.assert_array_equal(offsets[moved], [[0, 7, 0, 0]] * 64)
    centres = (anchors[moved, :2] + anchors[moved, 2:]) / 2
    np.testing.assert_allclose(centres[:9, 0], [2, 6, 10, 14, 18, 22, 26, 30, 2])


def test_numbers_of_a_place_become_rows_of_boxes():
    x = np.random.default_rng(0).normal(size=(2, 3 * 4, 5, 6))
    rows = _parts.per_box(Tensor(x), 4).data
    for n, i, j, k in np.ndindex(2, 5, 6, 3):
        np.testing.assert_array_equal(rows[n, (i * 6 + j) * 3 + k], x[n, 4 * k : 4 * k + 4, i, j])


def test_halving_rounds_up():
    """As Caffe's pooling, so that 75 pixels become SSD's 38; of numbers of at least 0."""
    x = np.random.default_rng(0).uniform(size=(1, 2, 5, 4))
    out = _parts.halve(Tensor(x)).data
    assert out.shape == (1, 2, 3, 2)
    np.testing.assert_array_equal(out[:, :, 2], x[:, :, 4].reshape(1, 2, 2, 2).max(axis=3))
    np.testing.assert_array_equal(out[:, :, :2], x[:, :, :4].reshape(1, 2, 2, 2, 2, 2).max(axis=(3, 5)))


def test_scales_are_those_of_the_paper():
    """The square boxes have sides s and root of s s', the others s root(r) by s / root(r). Source: SSD, section 2.2."""
    one = ssd.map_anchors(ssd.Map(1, 300, 264, 315, (2, 3)))
    sides = one[:, 2:] - one[:, :2]
    root = math.sqrt
    expected = {(264, 264), (264 * root(2), 264 / root(2)), (264 / root(2), 264 * root(2)), (root(264 * 315),) * 2}
    expected |= {(264 * root(3), 264 / root(3)), (264 / root(3), 264 * root(3))}
    assert {tuple(np.round(s, 6)) for s in sides} == {tuple(np.round(s, 6)) for s in expected}


def test_the_loss_is_the_definition():
    """Equations 1 to 3 of the paper and its negatives, three for one, with plain loops."""
    rng = np.random.default_rng(0)
    offsets, scores = rng.normal(size=(2, 20, 4)), rng.normal(size=(2, 20, 3))
    classes = np.zeros((2, 20), int)
    classes[0, [3, 7]], classes[1, 5] = (1, 2), 2
    aims = rng.normal(size=(2, 20, 4))
    total = 0
    for n in range(2):
        negative = []
        for a in range(20):
            log_p = scores[n, a] - math.log(sum(math.exp(s) for s in scores[n, a]))
            if classes[n, a]:
                total -= log_p[classes[n, a]]
                for d in offsets[n, a] - aims[n, a]:
                    total += d * d / 2 if abs(d) < 1 else abs(d) - 0.5
            else:
                negative.append(-log_p[0])
        total += sum(sorted(negative, reverse=True)[: 3 * np.count_nonzero(classes[n])])
    value = ssd.loss((Tensor(offsets), Tensor(scores)), classes, aims)
    np.testing.assert_allclose(value.item(), total / 3, rtol=1e-12)


def test_a_batch_without_objects_costs_nothing():
    offsets, scores = Tensor(np.ones((1, 5, 4)), requires_grad=True), Tensor(np.ones((1, 5, 3)), requires_grad=True)
    value = ssd.loss((offsets, scores), np.zeros((1, 5), int), np.zeros((1, 5, 4)))
    value.backward()
    assert value.item() == 0 and not offsets.grad.any() and not scores.grad.any()


def test_targets_and_detect_are_inverse():
    anchors = anchors_of(ssd.SMALL_MAPS)
    truth, labels = np.array([[3.0, 4, 11, 13], [16, 10, 30, 20]]), [2, 1]
    classes, offsets = ssd.targets(anchors, truth, labels)
    assert set(classes) == {0, 1, 2}
    found, kinds, sureness = ssd.detect(offsets, 20 * np.eye(3)[classes], anchors)
    assert sorted(kinds) == [1, 2]
    np.testing.assert_allclose(found[np.argsort(kinds)], truth[::-1], atol=1e-9)
    assert (sureness > 0.99).all()
    none, _, _ = ssd.detect(offsets, np.zeros((len(anchors), 3)), anchors, threshold=0.9)
    assert none.shape == (0, 4)


def test_no_object_is_all_background():
    classes, offsets = ssd.targets(ssd.map_anchors(ssd.SMALL_MAPS[2]), np.zeros((0, 4)), [])
    assert not classes.any() and not offsets.any()


def test_l2_norm():
    """Every place has length 20. Source: SSD, section 3.1."""
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 4))
    out = ssd.L2Norm(5)(Tensor(x)).data
    np.testing.assert_allclose(np.sqrt((out**2).sum(axis=1)), 20, rtol=1e-6)
    np.testing.assert_allclose(out * x, abs(out * x))


@pytest.mark.parametrize("build", [ssd.small, ssd.small_dssd])
def test_a_small_one_learns(build, comes_alive):
    nn.manual_seed(0)
    net = build(num_classes=3)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 1, 32, 32)).astype(np.float32)
    x[0, 0, 4:13, 3:11] += 3
    x[1, 0, 6:30, 10:31] -= 3
    truths = [([[3, 4, 11, 13]], [2]), ([[10, 6, 31, 30], [1, 1, 6, 6]], [1, 2])]  # something for every map
    classes, offsets = map(np.stack, zip(*(ssd.targets(net.anchors(), *t) for t in truths), strict=True))
    assert summary(net, (1, 32, 32)).output_shape == net(Tensor(x))[1].shape[1:] == (832, 3)
    comes_alive(net, x, lambda out: ssd.loss(out, classes, offsets), lr=0.01)


def test_maps_and_layers_must_agree():
    with pytest.raises(ValueError, match="3 maps, but 2 extra layers make 4"):
        ssd.small(extras=((8, 16, 2, 1), (8, 16, 2, 1)))
