"""Steps and schedules: against the recurrences written out, and a bowl that must be descended."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import optim
from cnnlib.nn import Parameter


@given(st.floats(0, 0.99), st.floats(0, 0.5), st.booleans())
@settings(max_examples=40, deadline=None)
def test_steps_follow_the_recurrence(momentum, decay, nesterov):
    nesterov = nesterov and momentum > 0
    rng = np.random.default_rng(0)
    start, grads = rng.normal(size=4), rng.normal(size=(5, 4))
    parameter = Parameter(start.copy())
    optimizer = optim.SGD([parameter], lr=0.1, momentum=momentum, weight_decay=decay, nesterov=nesterov)
    w, v = start.copy(), np.zeros(4)
    for grad in grads:
        parameter.grad = grad
        optimizer.step()
        g = grad + decay * w
        v = momentum * v + g
        w = w - 0.1 * (g + momentum * v if nesterov else v)
        np.testing.assert_allclose(parameter.data, w, rtol=1e-12)


def test_momentum_is_faster_along_a_valley():
    """A bowl 100 times steeper one way than the other: after 50 steps momentum is much closer to the bottom."""
    slopes = np.array([1.0, 100.0])

    def distance(momentum):
        w = Parameter(np.ones(2))
        optimizer = optim.SGD([w], lr=0.015, momentum=momentum)
        for _ in range(50):
            optimizer.zero_grad()
            (w * w * (slopes / 2)).sum().backward()
            optimizer.step()
        return np.abs(w.data).max()

    assert distance(0.9) < distance(0.0) / 3


def test_without_a_gradient_nothing_moves():
    still, moving = Parameter(np.ones(2)), Parameter(np.ones(2))
    optimizer = optim.SGD([still, moving], lr=1, momentum=0.9, weight_decay=0.1)
    moving.grad = np.ones(2)
    optimizer.step()
    assert (still.data == 1).all() and (moving.data != 1).all()
    optimizer.zero_grad()
    assert moving.grad is None


def test_a_step_keeps_gradients_and_float32():
    w = Parameter(np.ones(2, np.float32))
    w.grad = np.full(2, 0.5, np.float32)
    optimizer = optim.SGD([w], lr=np.float64(0.1), momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        optimizer.step()
    assert w.dtype == np.float32
    assert (w.grad == 0.5).all()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"lr": -1}, "lr is -1, but must be a finite number of at least 0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": 1, "momentum": -0.1}, "momentum is -0.1"),
        ({"lr": 1, "nesterov": True}, "nesterov needs a momentum"),
    ],
)
def test_refused(options, words):
    with pytest.raises(ValueError, match=words):
        optim.SGD([Parameter([1.0])], **options)
    with pytest.raises(ValueError, match="no parameters to train"):
        optim.SGD([], lr=1)


@pytest.mark.parametrize(
    "schedule", [optim.constant, optim.cosine, optim.steps(0.3, 0.6), optim.warmup(0.1, optim.cosine)]
)
def test_schedules_stay_between_0_and_1_and_end_low(schedule):
    values = [schedule(p) for p in np.linspace(0, 1, 101)]
    assert min(values) >= 0 and max(values) <= 1 + 1e-12
    assert max(values) == pytest.approx(1)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda w: optim.SGD(w, "fast"), "lr must be a number, not 'fast'"),
        (lambda w: optim.SGD([w[0], w[0]], 0.1), "of the 2 parameters one comes twice"),
        (lambda w: optim.SGD([np.zeros(3)], 0.1), "parameters must be Parameters, .* not ndarray"),
        (lambda w: optim.SGD(3, 0.1), "parameters must be a list, .* not 3"),
        (
            lambda w: optim.SGD(w, 0.1).load_state_dict({"0": np.zeros(7)}),
            r"velocity 0 has shape \(7,\), .* has \(3,\)",
        ),
        (
            lambda w: optim.SGD(w, 0.1).load_state_dict({"9": np.zeros(3)}),
            "velocity 9 has shape .* parameter 9 has None",
        ),
        (lambda w: optim.warmup(1), "part is 1, but must be larger than 0 and less than 1"),
        (lambda w: optim.steps("half"), "a part must be a number, not 'half'"),
    ],
)
def test_of_a_wrong_kind(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call([Parameter([1.0, 2.0, 3.0])])
