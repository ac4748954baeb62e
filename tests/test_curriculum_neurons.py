"""What lesson 01 says of its pictures, and the two errata that it teaches."""

from itertools import product

import numpy as np
import pytest

from cnnlib import data, lookup, ops, perceptron
from cnnlib.demos import perceptrons


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_slides_tanh_is_half_as_steep():
    x = np.linspace(-4, 4, 81)
    np.testing.assert_allclose(2 * sigmoid(2 * x) - 1, np.tanh(x))
    slope = (2 * sigmoid(1e-5) - 2 * sigmoid(-1e-5)) / 2e-5
    assert slope == pytest.approx(0.5)


def test_a_table_needs_hidden_units_of_0_and_1():
    x = np.array(list(product([-1, 1], repeat=3)))
    positives = x[x.prod(axis=1) > 0]
    network = perceptron.mlp_lookup(positives)
    assert network.w1.shape == (4, 3)
    assert lookup.lookup_predict(network, x).tolist() == (x.prod(axis=1) > 0).astype(int).tolist()
    z = np.where(positives @ network.w1.T + network.b1 >= 0, 1, -1)  # as the slide's first sentence has it
    assert (z.sum(axis=1) - 1 < 0).all()


def test_the_mark_one_looks_at_the_tail_in_the_end():
    train = data.letters(300, "QO")
    x, t = train.x.reshape(len(train.x), -1), 1 - 2 * train.y
    w, b = np.zeros(400), 0.0
    for _ in range(20):
        for one, sign in zip(x, t, strict=True):
            w, b = perceptron.perceptron_update(w, b, one, int(sign))
    row, column = divmod(int(w.argmax()), 20)
    assert row >= 15 and column >= 8
    assert not np.any(t * (x @ w + b) <= 0)


def test_losses_beside_the_step_that_counts_mistakes():
    margin, t = np.linspace(-2.5, 2.5, 101), np.ones(1)
    step = margin < 0

    def curve(forward):
        return np.array([forward(np.array([s]), t)[0] for s in margin])

    assert (curve(ops.perceptron_loss_forward) <= step + abs(margin) * (margin < -1)).all()
    assert (curve(ops.hinge_loss_forward) >= step).all()
    assert (curve(ops.logistic_loss_forward) / np.log(2) >= step).all()


def test_no_line_separates_the_exclusive_or():
    rng, t = np.random.default_rng(0), -perceptrons.CORNERS.prod(axis=1)
    lines = rng.normal(size=(5000, 3))
    right = (np.sign(lines[:, :2] @ perceptrons.CORNERS.T + lines[:, 2:]) == t).sum(axis=1)
    assert right.max() == 3
