"""Boxes against counted pixels and plain loops written from the definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import boxes

SIDE = 9
corners = st.tuples(*[st.integers(0, SIDE)] * 4)
whole = corners.map(lambda c: [min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])])
solid = whole.filter(lambda box: box[0] < box[2] and box[1] < box[3])
scores_of = st.sampled_from([0.1, 0.2, 0.2, 0.5, 0.9])


def several(kind, least=0, most=6):
    return st.lists(kind, min_size=least, max_size=most).map(lambda found: np.array(found, float).reshape(-1, 4))


def pixels(box):
    """The set of unit squares in a box of whole numbers."""
    x1, y1, x2, y2 = map(int, box)
    return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}


def counted(a, b):
    a, b = pixels(a), pixels(b)
    return len(a & b) / len(a | b) if a | b else 0


# ----------------------------------------------------------------------------------------------------------------- IoU


@given(several(whole), several(whole))
@settings(deadline=None)
def test_iou_is_what_counting_pixels_gives(a, b):
    found = boxes.iou(a, b)
    assert found.shape == (len(a), len(b))
    for i, j in np.ndindex(found.shape):
        assert found[i, j] == pytest.approx(counted(a[i], b[j]), abs=1e-12)


@given(several(solid, 1), st.floats(0.1, 50), st.floats(-20, 20))
@settings(deadline=None)
def test_iou_knows_no_scale_and_no_place(a, scale, shift):
    np.testing.assert_allclose(boxes.iou(a * scale + shift, a[::-1] * scale + shift), boxes.iou(a, a[::-1]), atol=1e-9)


def test_precision_stays_and_arguments_are_not_written_to():
    a = np.array([[0, 0, 2, 2], [1, 1, 3, 3]], np.float32)
    a.flags.writeable = False
    assert boxes.iou(a, a).dtype == np.float32
    assert boxes.encode(a, a).dtype == np.float32
    assert boxes.decode(np.zeros((2, 4), np.float32), a).dtype == np.float32
    assert boxes.clip(a, 2).dtype == np.float32
    assert boxes.iou(a.astype(int), a.astype(int)).dtype == np.float64
    boxes.match_anchors(a, a)
    boxes.nms(a, np.array([1, 2]))


# ------------------------------------------------------------------------------------------------ non-maximum suppression


def suppressed(found, scores, threshold):
    """The best of what is left stays, and what lies on it goes, until nothing is left."""
    left, stay = list(range(len(found))), []
    while left:
        best = max(left, key=lambda i: (scores[i], -i))
        stay.append(best)
        left = [i for i in left if i != best and not counted(found[i], found[best]) > threshold]
    return stay


@given(several(solid), st.data(), st.sampled_from([0, 0.25, 0.5, 1]))
@settings(deadline=None)
def test_nms_is_the_procedure(found, data, threshold):
    scores = data.draw(st.lists(scores_of, min_size=len(found), max_size=len(found)))
    assert boxes.nms(found, np.array(scores), threshold).tolist() == suppressed(found, scores, threshold)


def test_what_is_suppressed_suppresses_nothing():
    chain = np.array([[0, 0, 10, 1], [4, 0, 14, 1], [8, 0, 18, 1]])
    assert boxes.nms(chain, [0.9, 0.8, 0.7], threshold=0.4).tolist() == [0, 2]


def test_an_overlap_that_is_just_the_threshold_is_allowed():
    assert len(boxes.nms([[0, 0, 2, 1], [0, 0, 1, 1]], [0.9, 0.8], threshold=0.5)) == 2


# ------------------------------------------------------------------------------------------------------ boxes to begin with


@given(several(whole), st.integers(0, SIDE), st.integers(0, SIDE))
@settings(deadline=None)
def test_clip_keeps_the_pixels_of_the_image(found, height, width):
    image = pixels([0, 0, width, height])
    for box, clipped in zip(found, boxes.clip(found, (height, width)), strict=True):
        assert pixels(clipped) == pixels(box) & image


@given(*[st.tuples(st.integers(1, 8), st.integers(1, 8))] * 3)
@settings(deadline=None)
def test_windows_slide_over_the_image(size, window, stride):
    expected = [
        [left, top, left + window[1], top + window[0]]
        for top in range(0, size[0], stride[0])
        for left in range(0, size[1], stride[1])
        if top + window[0] <= size[0] and left + window[1] <= size[1]
    ]
    found = boxes.sliding_windows(size, window, stride)
    assert found.shape[1] == 4
    assert found.tolist() == expected


def test_anchors_have_their_place_area_and_ratio():
    size, stride, scales, ratios = (3, 5), (8, 16), [16, 32, 64], [0.5, 1, 2]
    found = boxes.anchors(size, stride, scales, ratios)
    assert found.shape == (9 * 5 * 3, 4), "K·W·H boxes a layer, as the slides say"
    found = found.reshape(3, 5, 3, 3, 4)
    for i, j, s, r in np.ndindex(found.shape[:4]):
        x1, y1, x2, y2 = found[i, j, s, r]
        assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((16 * j + 8, 8 * i + 4))
        assert (x2 - x1) * (y2 - y1) == pytest.approx(scales[s] ** 2)
        assert (y2 - y1) / (x2 - x1) == pytest.approx(ratios[r])


def test_a_layer_gives_its_numbers_in_the_order_of_the_anchors():
    """The number 100 h + 10 w + k in the map of every box k reaches the anchor of that point and kind."""
    h, w, k, four = np.ogrid[:2, :3, :4, :4]
    out = (1000 * h + 100 * w + 10 * k + four).transpose(2, 3, 0, 1).reshape(1, 16, 2, 3)  # (N, K·4, H, W)
    rows = out.transpose(0, 2, 3, 1).reshape(1, -1, 4)[0]
    found = boxes.anchors((2, 3), 10, [1, 2, 4, 8])
    for row, (x1, y1, x2, y2) in zip(rows, found, strict=True):
        point = 1000 * ((y1 + y2) / 2 // 10) + 100 * ((x1 + x2) / 2 // 10)
        assert row.tolist() == [point + 10 * math.log2(x2 - x1) + number for number in range(4)]


@given(several(solid, 1), st.data())
@settings(deadline=None)
def test_decode_undoes_encode(found, data):
    start = data.draw(several(solid, len(found), len(found)))
    np.testing.assert_allclose(boxes.decode(boxes.encode(found, start), start), found, atol=1e-9)


def test_encode_is_faster_r_cnns():
    """A box of 20 x 40 around (30, 50), an anchor of 10 x 10 around (25, 45)."""
    found = boxes.encode([[20, 30, 40, 70]], [[20, 40, 30, 50]])
    np.testing.assert_allclose(found, [[5 / 10, 5 / 10, math.log(2), math.log(4)]])


def test_decode_does_not_overflow():
    found = boxes.decode([[0, 0, 1e4, -1e4]], [[0, 0, 16, 16]])
    np.testing.assert_allclose(found, [[8 - 500, 8, 8 + 500, 8]])


# ---------------------------------------------------------------------------------------------------------- matched anchors


@given(several(solid, 1), several(solid), st.sampled_from([(0.7, 0.3), (0.5, 0.5), (0.9, 0.1)]))
@settings(deadline=None, max_examples=200)
def test_anchors_are_matched_by_the_rules(found, truth, thresholds):
    positive, negative = thresholds
    labels, indices = boxes.match_anchors(found, truth, positive, negative)
    table = np.array([[counted(a, t) for t in truth] for a in found]).reshape(len(found), len(truth))
    if not len(truth):
        assert not labels.any()
        assert np.all(indices == -1)
        return
    wanted = {}  # anchor: the objects of which it is a best one
    for m in range(len(truth)):
        for n in range(len(found)):
            if table[n, m] == table[:, m].max() > 0:
                wanted.setdefault(n, []).append(m)
    for n, row in enumerate(table):
        if n in wanted:
            assert labels[n] == 1
            assert indices[n] in wanted[n]
            assert row[indices[n]] == max(row[m] for m in wanted[n])
        else:
            assert labels[n] == (1 if row.max() >= positive else 0 if row.max() < negative else -1)
            assert row[indices[n]] == row.max()


@pytest.mark.parametrize("positive, negative, label", [(0.5, 0.3, 1), (0.7, 0.5, -1), (0.7, 0.6, 0)])
def test_an_anchor_that_is_just_at_a_threshold(positive, negative, label):
    """The second anchor has an IoU of 1/2, the first is the best."""
    labels, _ = boxes.match_anchors([[0, 0, 2, 1], [0, 0, 1, 1]], [[0, 0, 2, 1]], positive, negative)
    assert labels.tolist() == [1, label]


def test_every_object_gets_an_anchor_however_poor():
    labels, indices = boxes.match_anchors(boxes.anchors((4, 4), 8, [16]), [[0, 0, 3, 3], [20, 20, 23, 23]])
    assert set(indices[labels == 1]) == {0, 1}


# --------------------------------------------------------------------------------------------------- how good a detector is


def test_a_second_box_for_one_object_is_a_mistake():
    truth = [[0, 0, 10, 10], [20, 0, 30, 10]]
    found = [[0, 0, 10, 9], [0, 0, 10, 10], [20, 0, 30, 4], [20, 0, 30, 6]]
    assert boxes.correct_detections(found, [0.8, 0.9, 0.7, 0.6], truth).tolist() == [False, True, False, True]
    assert boxes.correct_detections(found, [0.9, 0.8, 0.7, 0.6], truth).tolist() == [True, False, False, True]
    assert boxes.correct_detections(found, [0.9, 0.8, 0.7, 0.6], truth, 0.3).tolist() == [True, False, True, False]
    assert boxes.correct_detections(found, [0.9, 0.8, 0.7, 0.6], []).tolist() == [False] * 4
    assert boxes.correct_detections([], [], truth).tolist() == []


@st.composite
def detections(draw):
    """Scores, no two alike, which of them are correct, and the number of objects."""
    n = draw(st.integers(0, 12))
    correct = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    order = draw(st.permutations(range(n)))
    return np.array(order, float), np.array(correct, bool), max(1, sum(correct) + draw(st.integers(0, 4)))


@given(detections())
@settings(deadline=None)
def test_average_precision_is_the_area_by_its_definition(found):
    """For each of the objects in turn, the best precision at which so many are found, straight from the definition."""
    scores, correct, truths = found
    points = []
    for threshold in scores:
        right = sum(correct[scores >= threshold])
        points.append((right, right / sum(scores >= threshold)))
    area = sum(max((p for right, p in points if right >= k), default=0) for k in range(1, truths + 1)) / truths
    assert boxes.average_precision(scores, correct, truths) == pytest.approx(area)
    precision, recall = boxes.precision_recall(scores, correct, truths)
    by_score = [points[n] for n in np.argsort(-scores)]
    np.testing.assert_allclose(np.stack([recall * truths, precision], axis=1), np.reshape(by_score, (-1, 2)))


@pytest.mark.parametrize("correct, truths, area", [([1, 1], 2, 1), ([1, 1], 4, 0.5), ([0, 0], 3, 0), ([0, 1], 1, 0.5)])
def test_average_precision_of_known_cases(correct, truths, area):
    assert boxes.average_precision([0.9, 0.8], correct, truths) == pytest.approx(area)


# ------------------------------------------------------------------------------------------------------------- bad arguments


ONE, TWO = np.array([[0, 0, 1, 1]]), np.array([[0, 0, 1, 1], [0, 0, 2, 2]])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: boxes.iou(np.zeros((2, 5)), ONE), r"a has shape \(2, 5\), but boxes need \(N, 4\)"),
        (lambda: boxes.iou(ONE, [0, 0, 1, 1]), r"b has shape \(4,\), but boxes need \(N, 4\)"),
        (lambda: boxes.iou([[0, 0, 1, 1], [3, 0, 2, 1]], ONE), r"a\[1\] is \[3.0, 0.0, 2.0, 1.0\], but x2 >= x1"),
        (lambda: boxes.nms(TWO, [0.5]), r"scores has shape \(1,\), but 2 boxes need \(2,\)"),
        (lambda: boxes.encode(TWO, ONE), "there are 2 boxes, but 1 anchors"),
        (lambda: boxes.encode([[0, 0, 0, 1]], ONE), "of the 1 boxes, 1 have no size"),
        (lambda: boxes.encode(TWO, TWO * [0, 0, 1, 0]), "of the 2 anchors, 2 have no size"),
        (lambda: boxes.decode(np.zeros((1, 4)), TWO), "there are 1 deltas, but 2 anchors"),
        (lambda: boxes.decode(np.zeros((1, 3)), ONE), r"deltas has shape \(1, 3\), but needs \(N, 4\)"),
        (lambda: boxes.anchors(2, 8, [8, 0]), r"scales is \[8.0, 0.0\], but needs a list of positive numbers"),
        (lambda: boxes.anchors(2, 8, [8], [-1]), "ratios is"),
        (lambda: boxes.match_anchors(ONE, ONE, 0.3, 0.7), "negative is 0.7 and positive 0.3"),
        (lambda: boxes.precision_recall([1, 2], [True], 3), r"scores has shape \(2,\) and correct \(1,\)"),
        (
            lambda: boxes.average_precision([1, 2], [True, True], 1),
            "truths is 1, but must not be less than the 2 correct",
        ),
        (lambda: boxes.average_precision([], [], 0), "truths is 0, but must be at least 1"),
    ],
)
def test_wrong_arguments_are_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_boxes_of_words():
    with pytest.raises(TypeError, match="a must hold real numbers"):
        boxes.iou([["left", "top", "right", "bottom"]], ONE)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_every_number_is_finite(wrong):
    box = [[0, 0, 1, 1]]
    for call in (
        lambda: boxes.iou([[wrong, 0, 5, 5]], box),
        lambda: boxes.iou(box, [[0, 0, 5, wrong]]),
        lambda: boxes.nms(box, [wrong]),
        lambda: boxes.decode([[0, 0, wrong, 0]], box),
        lambda: boxes.precision_recall([wrong], [True], 1),
    ):
        with pytest.raises(ValueError, match=r"holds (nan|inf|-inf), but all its numbers must be finite"):
            call()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: boxes.nms([[0, 0, 1, 1]], [1], threshold="a"), "threshold must be a number, not 'a'"),
        (lambda: boxes.nms([[0, 0, 1, 1]], [1], threshold=np.nan), "threshold is nan, but must be"),
        (lambda: boxes.precision_recall([1], [True], 1.5), "truths must be an integer, not 1.5"),
        (lambda: boxes.precision_recall([1], [0], 0), "truths is 0, but must be at least 1"),
        (lambda: boxes.precision_recall([1], [7], 9), "correct holds 7, but only True and False"),
        (lambda: boxes.precision_recall([1], ["no"], 9), "correct must hold real numbers, not <U2"),
        (lambda: boxes.anchors(3, 8, []), "scales is \\[\\], but needs a list of positive numbers"),
        (lambda: boxes.anchors(3, 8, [np.inf]), "scales is \\[inf\\], but needs"),
        (lambda: boxes.match_anchors([], [], positive="a"), "positive must be a number, not 'a'"),
    ],
)
def test_numbers_of_a_wrong_kind(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()
