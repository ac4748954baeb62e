"""Losses against their formulas, computed number by number with `math`, known figures, scipy, and numeric gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from cnnlib import gradcheck, ops

# ------------------------------------------------------------------------------------------------------------- formulas


def cross_entropy(scores, labels, ignored=None):
    """The mean over all labelled items, one after the other."""
    losses = []
    for index in np.ndindex(labels.shape):
        s = scores[(index[0], slice(None), *index[1:])]
        if labels[index] != ignored:
            losses.append(math.log(sum(math.exp(value) for value in s)) - s[labels[index]])
    return math.fsum(losses) / len(losses)


def hinge(scores, labels, margin):
    losses = []
    for s, right in zip(scores, labels, strict=True):
        losses.extend(max(0.0, s[j] - s[right] + margin) for j in range(len(s)) if j != right)
    return math.fsum(losses) / len(scores)


# name: what one score and its target cost, and the options
ONE_BY_ONE = {
    "perceptron_loss": (lambda s, t: max(0.0, -t * s), {}),
    "hinge_loss": (lambda s, t: max(0.0, 1 - t * s), {}),
    "logistic_loss": (lambda s, t: math.log(1 + math.exp(-t * s)), {}),
    "binary_cross_entropy_with_logits": (
        lambda s, t: -t * math.log(1 / (1 + math.exp(-s))) - (1 - t) * math.log(1 - 1 / (1 + math.exp(-s))),
        {},
    ),
    "mse": (lambda s, t: (s - t) ** 2, {}),
    "smooth_l1": (lambda s, t: (s - t) ** 2 / 1.4 if abs(s - t) < 0.7 else abs(s - t) - 0.35, {"beta": 0.7}),
}
SIGNED = ("perceptron_loss", "hinge_loss", "logistic_loss")
ANY_SHAPE = st.lists(st.integers(1, 4), max_size=3)


def passes(name):
    return getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")


def targets_for(name, shape, rng):
    if name in SIGNED:
        return rng.choice([-1.0, 1.0], size=shape)
    return rng.random(shape) if name.startswith("binary") else rng.normal(size=shape)


def is_the_numeric_gradient(name, scores, *others, **options):
    forward, backward = passes(name)
    _, cache = forward(scores, *others, **options)
    numeric = gradcheck.numeric_gradient(lambda s: forward(s, *others, **options)[0], scores, dout=-1.7)
    np.testing.assert_allclose(backward(-1.7, cache), numeric, atol=1e-8)


@st.composite
def labelled(draw):
    """Scores (N, C, ...), labels (N, ...)."""
    n, c, pixels = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.sampled_from([(), (2, 3), (1, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return 2 * rng.normal(size=(n, c, *pixels)), rng.integers(c, size=(n, *pixels))


@given(labelled())
@settings(max_examples=60, deadline=None)
def test_cross_entropy(batch):
    scores, labels = batch
    loss, _ = ops.cross_entropy_forward(scores, labels)
    assert float(loss) == pytest.approx(cross_entropy(scores, labels), abs=1e-12)
    is_the_numeric_gradient("cross_entropy", scores, labels)


@given(labelled(), st.sampled_from([0, -100, 255]))
@settings(max_examples=60, deadline=None)
def test_cross_entropy_of_items_that_do_not_count(batch, ignored):
    scores, labels = batch
    labels[np.random.default_rng(labels.size).random(labels.shape) < 0.4] = ignored
    if (labels == ignored).all():
        with pytest.raises(ValueError, match="there is no label to learn from"):
            ops.cross_entropy_forward(scores, labels, ignore_index=ignored)
        return
    loss, cache = ops.cross_entropy_forward(scores, labels, ignore_index=ignored)
    assert float(loss) == pytest.approx(cross_entropy(scores, labels, ignored), abs=1e-12)
    assert not np.moveaxis(ops.cross_entropy_backward(1.0, cache), 1, -1)[labels == ignored].any()
    is_the_numeric_gradient("cross_entropy", scores, labels, ignore_index=ignored)


@given(st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 0.3, 4.0]), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_hinge(n, c, margin, seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.normal(size=(n, c)), rng.integers(c, size=n)
    loss, _ = ops.hinge_forward(scores, labels, margin=margin)
    assert float(loss) == pytest.approx(hinge(scores, labels, margin), abs=1e-12)
    is_the_numeric_gradient("hinge", scores, labels, margin=margin)


@pytest.mark.parametrize("name", ONE_BY_ONE)
@given(shape=ANY_SHAPE, seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_mean_of_what_every_score_costs(name, shape, seed):
    formula, options = ONE_BY_ONE[name]
    rng = np.random.default_rng(seed)
    scores = 2 * rng.normal(size=shape)
    targets = targets_for(name, shape, rng)
    loss, _ = passes(name)[0](scores, targets, **options)
    expected = [formula(s, t) for s, t in zip(np.ravel(scores), np.ravel(targets), strict=True)]
    assert float(loss) == pytest.approx(math.fsum(expected) / len(expected), abs=1e-12)
    is_the_numeric_gradient(name, scores, targets, **options)


# -------------------------------------------------------------------------------------------------------- known figures


def test_the_cat_the_car_and_the_frog():
    """CS231n: three images, losses 2.9, 0 and 12.9, their mean 5.27; the cat's probability 0.13, its logarithm 2.04."""
    scores, labels = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]]), [0, 1, 2]
    each = [float(ops.hinge_forward(scores[[i]], [i])[0]) for i in labels]
    assert each == pytest.approx([2.9, 0, 12.9])
    assert float(ops.hinge_forward(scores, labels)[0]) == pytest.approx(5.27, abs=0.005)
    assert ops.softmax_forward(scores)[0][0].round(2).tolist() == [0.13, 0.87, 0.0]
    assert float(ops.cross_entropy_forward(scores[:1], [0])[0]) == pytest.approx(2.04, abs=0.005)


def test_equal_scores_cost_the_logarithm_of_the_classes_and_the_number_of_wrong_ones():
    """CS231n's first check of a new network: log 10 = 2.3026 for softmax, 9 for the hinge."""
    labels = np.arange(10)
    assert float(ops.cross_entropy_forward(np.full((10, 10), 0.3), labels)[0]) == pytest.approx(2.302585, abs=1e-6)
    assert float(ops.hinge_forward(np.full((10, 10), 0.3), labels)[0]) == pytest.approx(9)


def test_logistic_loss_is_cross_entropy_of_two_classes():
    scores, targets = np.random.default_rng(0).normal(size=7), np.array([1, -1, 1, 1, -1, -1, 1])
    expected = ops.cross_entropy_forward(np.stack([np.zeros(7), scores], axis=1), (targets + 1) // 2)[0]
    assert float(ops.logistic_loss_forward(scores, targets)[0]) == pytest.approx(float(expected))
    binary = ops.binary_cross_entropy_with_logits_forward(scores, (targets + 1) / 2)[0]
    assert float(binary) == pytest.approx(float(expected))


def test_at_the_corner_the_slope_is_that_of_the_flat_side():
    for name, corner in (("perceptron_loss", 0.0), ("hinge_loss", 1.0)):
        forward, backward = passes(name)
        assert backward(1.0, forward([corner, -corner], [1, -1])[1]).tolist() == [0, 0]
    assert ops.hinge_backward(1.0, ops.hinge_forward([[1.0, 0.0]], [0])[1]).tolist() == [[0, 0]]


# ------------------------------------------------------------------------------------------------------- large numbers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_of_ten_thousand(dtype):
    """With such scores, exp overflows; what is right is then a difference of scores."""
    far = np.array([[1e4, -1e4], [-1e4, 1e4]], dtype)
    with np.errstate(all="raise", under="ignore"):
        loss, cache = ops.cross_entropy_forward(far, [0, 0])
        assert float(loss) == 1e4
        assert ops.cross_entropy_backward(2.0, cache).tolist() == [[0, 0], [-1, 1]]
        assert ops.log_softmax_forward(far)[0].tolist() == [[0, -2e4], [-2e4, 0]]
        assert ops.softmax_forward(far)[0].tolist() == [[1, 0], [0, 1]]
        for name, right in (("logistic_loss", [1, -1]), ("binary_cross_entropy_with_logits", [1, 0])):
            forward, backward = passes(name)
            loss, cache = forward(far[0], right)
            assert (float(loss), backward(1.0, cache).tolist()) == (0, [0, 0])
            loss, cache = forward(far[0], right[::-1])
            assert (float(loss), backward(1.0, cache).tolist()) == (1e4, [0.5, -0.5])
        assert float(ops.hinge_forward(far, [0, 0])[0]) == pytest.approx(10000.5, rel=1e-6)
        assert float(ops.smooth_l1_forward(far * 1e30, 0 * far)[0]) == pytest.approx(1e34, rel=1e-6)


@pytest.mark.parametrize("name, target", [("logistic_loss", 1), ("binary_cross_entropy_with_logits", 1)])
def test_small_losses_keep_their_digits(name, target):
    """log(1 + exp(-30)) is 9.4e-14: a formula that adds 1 first has no digit of it right in float32."""
    forward, backward = passes(name)
    loss, cache = forward(np.array([30], np.float32), [target])
    assert float(loss) == pytest.approx(math.exp(-30), rel=1e-5, abs=0)
    if name == "logistic_loss":
        assert backward(1.0, cache).item() == pytest.approx(-math.exp(-30), rel=1e-5, abs=0)


# ------------------------------------------------------------------------------------------------------------- softmax


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
@settings(max_examples=40, deadline=None)
def test_softmax_and_its_logarithm(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = 5 * np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=shape)
    for name, expected in (("softmax", special.softmax(x, axis)), ("log_softmax", special.log_softmax(x, axis))):
        forward, backward = passes(name)
        out, cache = forward(x, axis=axis)
        np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-12)
        dout = np.random.default_rng(1).normal(size=shape)
        numeric = gradcheck.numeric_gradient(lambda x, f=forward: f(x, axis=axis)[0], x, dout)
        np.testing.assert_allclose(backward(dout, cache), numeric, atol=1e-7)


def test_a_score_of_minus_infinity_has_no_probability():
    assert ops.softmax_forward([[0.0, -np.inf, 0.0]])[0].tolist() == [[0.5, 0, 0.5]]
    assert float(ops.cross_entropy_forward([[0.0, -np.inf, 0.0]], [2])[0]) == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_any_input(name):
    forward, backward = passes(name)
    x = np.asfortranarray(np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32))
    before = x.copy()
    x.flags.writeable = False
    out, cache = forward(x)
    dx = backward(np.ones(out.shape), cache)
    assert out.dtype == dx.dtype == np.float32
    assert not np.shares_memory(out, x)
    np.testing.assert_array_equal(x, before)
    assert forward([[1, 2]])[0].dtype == np.float64
    assert forward(np.ones((0, 3)))[0].shape == (0, 3)
    with pytest.raises(ValueError, match=r"dout has shape \(1, 1\), but out had shape \(2, 3, 2\)"):
        backward(np.ones((1, 1)), cache)
    with pytest.raises(ValueError, match="axis is 1, but there are 1 axes"):
        forward([1.0, 2.0])


# ----------------------------------------------------------------------------------------------------------- any input

SCORES, LABELS = np.random.default_rng(0).normal(size=(4, 3)), np.array([2, 0, 1, 1])
EVERY = {
    "cross_entropy": (LABELS, {}),
    "hinge": (LABELS, {}),
    **{
        name: (targets_for(name, (4, 3), np.random.default_rng(1)), options)
        for name, (_, options) in ONE_BY_ONE.items()
    },
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_loss_and_gradient_have_the_precision_of_the_scores(name, dtype):
    (forward, backward), (others, options) = passes(name), EVERY[name]
    loss, cache = forward(SCORES.astype(dtype), others, **options)
    grad = backward(np.float64(2), cache)
    assert np.shape(loss) == ()
    assert loss.dtype == grad.dtype == dtype
    tolerance = 1e-2 if dtype == "float16" else 1e-6
    assert float(loss) == pytest.approx(float(forward(SCORES, others, **options)[0]), rel=tolerance)
    right = 2 * backward(1.0, forward(SCORES, others, **options)[1])
    np.testing.assert_allclose(grad, right, atol=tolerance)


@pytest.mark.parametrize("name", EVERY)
def test_arguments_are_read_in_any_layout_and_never_written_to(name):
    (forward, backward), (others, options) = passes(name), EVERY[name]
    scores = np.repeat(SCORES, 2, axis=1)[:, ::2]
    others = np.repeat(others, 2, axis=0)[::2]
    before = scores.copy(), others.copy()
    scores.flags.writeable = others.flags.writeable = False
    loss, cache = forward(scores, others, **options)
    grad = backward(1.0, cache)
    np.testing.assert_array_equal(backward(1.0, cache), grad, "a second call gives the same")
    assert float(loss) == pytest.approx(float(forward(SCORES, others, **options)[0]))
    np.testing.assert_array_equal(scores, before[0])
    np.testing.assert_array_equal(others, before[1])
    assert not any(np.shares_memory(grad, a) for a in (scores, others))


@pytest.mark.parametrize("name", EVERY)
def test_integer_scores_are_floats(name):
    (forward, _), (others, options) = passes(name), EVERY[name]
    whole = (3 * SCORES).astype(int)
    assert forward(whole, others, **options)[0] == forward(whole.astype(float), others, **options)[0]


@pytest.mark.parametrize("labels", [LABELS.astype(float), LABELS.astype(np.uint8), LABELS.tolist()])
def test_labels_are_whole_numbers_of_any_type(labels):
    for name in ("cross_entropy", "hinge"):
        forward, _ = passes(name)
        assert forward(SCORES, labels)[0] == forward(SCORES, LABELS)[0]


def test_what_is_ignored_may_be_nan():
    scores = np.array([[1.0, 2.0], [np.nan, np.inf]])
    with np.errstate(invalid="ignore"):
        loss, cache = ops.cross_entropy_forward(scores, [0, 255], ignore_index=255)
        grad = ops.cross_entropy_backward(1.0, cache)
    expected, cache = ops.cross_entropy_forward(scores[:1], [0])
    assert loss == expected
    assert grad.tolist() == [*ops.cross_entropy_backward(1.0, cache).tolist(), [0, 0]]


# -------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("name", ["cross_entropy", "hinge"])
@pytest.mark.parametrize(
    "labels, says",
    [
        ([2, 0, 3, 1], "label 3 is none of the 3 classes, 0 to 2"),
        ([2, -1, 0, 1], "label -1 is none of the 3 classes"),
        ([2, 0, np.nan, 1], "label nan is none of the 3 classes"),
        ([2, 0, np.inf, 1], "label inf is none of the 3 classes"),
        ([2, 0, 0.5, 1], "label 0.5 is none of the 3 classes"),
        ([2, 0], "scores has shape (4, 3), labels (2,)"),
        ([[2, 0, 1, 1]], "scores has shape (4, 3), labels (1, 4)"),
    ],
)
def test_labels_must_be_classes(name, labels, says):
    with pytest.raises(ValueError) as error:
        passes(name)[0](SCORES, labels)
    assert says in str(error.value)


def test_labels_must_be_numbers():
    with pytest.raises(TypeError, match="labels must hold real numbers, not <U3"):
        ops.cross_entropy_forward(SCORES[:1], ["cat"])


@pytest.mark.parametrize("name", EVERY)
def test_nothing_has_no_mean(name):
    empty = np.ones(0 if name in ("cross_entropy", "hinge") else (0, 3))
    with pytest.raises(ValueError, match=r"the batch is empty|is empty: there is nothing to take a mean of"):
        passes(name)[0](np.ones((0, 3)), empty)


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_targets_have_the_shape_of_the_scores(name):
    with pytest.raises(ValueError, match=r"has shape \(4, 3\), but targets? \(4, 1\)"):
        passes(name)[0](SCORES, np.ones((4, 1)))


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("target", [0.0, 2.0, np.nan])
def test_targets_have_a_sign_and_nothing_else(name, target):
    with pytest.raises(ValueError, match=rf"target {target} is not \+1 or -1"):
        passes(name)[0]([1.0, 1.0], [1.0, target])


@pytest.mark.parametrize("target", [-0.5, 1.5, np.nan])
def test_targets_that_are_no_probabilities(target):
    with pytest.raises(ValueError, match=f"target {target} is not a number from 0 to 1"):
        ops.binary_cross_entropy_with_logits_forward([1.0], [target])


@pytest.mark.parametrize("name", EVERY)
def test_the_upstream_gradient_of_a_loss_is_one_number(name):
    (forward, backward), (others, options) = passes(name), EVERY[name]
    with pytest.raises(ValueError, match=r"dout has shape \(4, 3\), but a loss is one number"):
        backward(SCORES, forward(SCORES, others, **options)[1])


def test_other_options_that_do_not_fit():
    with pytest.raises(ValueError, match=r"beta is 0, but must be a finite number larger than 0"):
        ops.smooth_l1_forward([1.0], [0.0], beta=0)
    with pytest.raises(ValueError, match=r"scores has shape \(1, 2, 1, 1\), but needs \(N, C\)"):
        ops.hinge_forward(np.ones((1, 2, 1, 1)), np.zeros((1, 1, 1)))
