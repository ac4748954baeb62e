"""Lesson 07: what its text says of its pictures holds, and the network of its real run has right gradients."""

import numpy as np
import pytest

from cnnlib import data, gradcheck
from cnnlib.demos import training

RNG = np.random.default_rng(7)


def test_he_keeps_the_signal_and_other_scales_do_not():
    spread = {scale: training._activations(scale, False)[-1].std() for scale in (0.1, 0.5, 1.0, 2.0, 10.0)}
    first = training._activations(1.0, False)[0].std()
    assert 0.5 < spread[1.0] / first < 2
    for scale in spread:  # ReLU is homogeneous: ten layers make the tenth power
        assert spread[scale] == pytest.approx(spread[1.0] * scale**10)


def test_batch_norm_makes_the_scale_of_the_weights_irrelevant():
    small, large = (training._activations(scale, True)[-1] for scale in (0.1, 10.0))
    np.testing.assert_allclose(small, large, atol=0.02)
    assert small.std() == pytest.approx(np.sqrt(0.5 - 0.5 / np.pi), rel=0.03)  # of a rectified unit Gaussian


def test_long_steps_kill_units():
    dead = {lr: int((~training._answers(lr, 100)[0].any(axis=0)).sum()) for lr in (0.05, 1.0, 2.0)}
    assert dead[0.05] == 0 < dead[1.0] < 50 < 90 < dead[2.0]
    assert training._answers(1.0, 100)[1][-1] < 0.3  # and yet it learns


def test_momentum_in_the_valley():
    def end(lr, momentum):
        return 0.5 * (np.array([0.2, 25.0]) * training._path(lr, momentum, 40)[-1] ** 2).sum()

    ends = {(lr, m): end(lr, m) for lr in (0.03, 0.07, 0.09) for m in (0.0, 0.5, 0.8, 0.95)}
    assert ends[0.09, 0.0] > 1e6
    assert min(ends, key=ends.get) == (0.09, 0.8)
    assert all(
        training._path(lr, 0.95, 40)[:, 0].max() > 2 for lr in (0.03, 0.07, 0.09)
    )  # past the goal, which is at 0


@pytest.mark.parametrize("norm", [False, True])
def test_the_network_of_the_run_has_right_gradients(norm):
    params = training._he((5, 4, 3, 2), norm=norm)
    params = [p + 0.1 * RNG.normal(size=p.shape) for p in params]
    x, y = RNG.normal(size=(6, 5)), RNG.integers(2, size=6)
    _, grads = training.network(params, x, y)
    for i, grad in enumerate(grads):

        def loss(p, i=i):
            return training.network([*params[:i], p, *params[i + 1 :]], x, y)[0]

        np.testing.assert_allclose(grad, gradcheck.numeric_gradient(loss, params[i]), atol=1e-6)


def test_guessing_costs_log_10_and_a_start_from_small_weights_stays_there():
    train, _ = data.digits()
    params = training._he((64, *[64] * 6, 10), 0.2)
    x = train.x.reshape(len(train.x), -1)
    assert training.network(params, (x - x.mean()) / x.std(), train.y)[0] == pytest.approx(np.log(10), abs=1e-3)
