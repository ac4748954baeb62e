"""The numbers of lesson 02, and what it says of its pictures."""

import numpy as np
import pytest

from cnnlib import arithmetic, gradcheck, ops
from cnnlib.demos import backprop


def test_relu_on_the_vector_of_the_slides():
    x, dz = np.array([1.0, -2, 3, -1]), np.array([4.0, -1, 5, 9])
    z, cache = ops.relu_forward(x)
    jacobian = gradcheck.numeric_jacobian(lambda x: ops.relu_forward(x)[0], x)
    assert z.tolist() == [1, 0, 3, 0]
    np.testing.assert_allclose(jacobian, np.diag([1, 0, 1, 0]), atol=1e-9)
    assert ops.relu_backward(dz, cache).tolist() == [4, 0, 5, 0] == np.round(jacobian @ dz).tolist()


def test_a_diagonal_jacobian_cannot_tell_the_two_layouts_apart():
    rng = np.random.default_rng(0)
    diagonal, dz = np.diag([1.0, 0, 1, 0]), rng.normal(size=4)
    assert (diagonal @ dz == diagonal.T @ dz).all()
    slides = rng.normal(size=(3, 2))  # D_x rows, D_z columns
    with pytest.raises(ValueError):
        slides.T @ rng.normal(size=2)


def test_the_two_layer_network_of_the_slides():
    weights = [arithmetic.linear_params(*sizes, bias=False) for sizes in [(3072, 100), (100, 10)]]
    assert sum(weights) == 308_200
    assert sum(weights) + 100 + 10 == 308_310


def test_the_jacobian_of_a_batch_is_huge():
    assert 64 * 64 == 4096
    assert round((100 * 64) ** 2 / 1e6) == 41


def test_the_fork():
    def loss(x):
        return (x * x) * (2 * x)

    assert gradcheck.numeric_gradient(loss, np.array([3.0]))[0] == pytest.approx(36 + 18)


def test_the_cascade_has_right_local_derivatives():
    for name, (_, inputs, forward, local) in backprop.CASCADE.items():
        if inputs:
            at = np.random.default_rng(1).uniform(0.2, 0.9, len(inputs))
            for i, slope in enumerate(local(*at)):
                nudge = 1e-6 * np.eye(len(inputs))[i]
                assert (forward(*(at + nudge)) - forward(*(at - nudge))) / 2e-6 == pytest.approx(slope), name
