"""Numeric derivatives of functions whose derivatives are known."""

import numpy as np
import pytest

from cnnlib import gradcheck

A = np.random.default_rng(0).normal(size=(4, 3))


def test_gradient_of_a_linear_map():
    dout = np.array([1.0, -2, 3, 5])
    gradient = gradcheck.numeric_gradient(lambda x: A @ x, np.ones(3), dout)
    np.testing.assert_allclose(gradient, A.T @ dout, atol=1e-9)


def test_gradient_of_a_loss_needs_no_upstream():
    x = np.random.default_rng(1).normal(size=(2, 3))
    np.testing.assert_allclose(gradcheck.numeric_gradient(lambda x: 0.5 * np.sum(x**2), x), x, atol=1e-9)


def test_differences_are_central():
    """x² has no third derivative, so central differences are exact; one-sided ones would be off by h."""
    assert gradcheck.numeric_gradient(lambda x: x**2, 3.0, h=0.5) == pytest.approx(6)


@pytest.mark.parametrize("x", [3, np.float32(3), np.full((1, 1), 3, int)])
def test_integers_and_float32_are_moved_in_float64(x):
    gradient = gradcheck.numeric_gradient(lambda x: x**3, x)
    assert gradient.dtype == np.float64
    assert gradient.shape == np.shape(x)
    np.testing.assert_allclose(gradient, 27, rtol=1e-8)


def test_x_is_never_written_to_even_by_f():
    def greedy(x):
        x *= 2
        return x

    x = np.array([1.0, 2.0])
    x.flags.writeable = False
    np.testing.assert_allclose(gradcheck.numeric_gradient(greedy, x, np.ones(2)), 2, atol=1e-8)


def test_a_function_may_return_the_same_buffer_again():
    buffer = np.zeros(2)

    def f(x):
        buffer[:] = 3 * x
        return buffer

    np.testing.assert_allclose(gradcheck.numeric_gradient(f, np.ones(2), np.ones(2)), 3, atol=1e-8)
    np.testing.assert_allclose(gradcheck.numeric_jacobian(f, np.ones(2)), 3 * np.eye(2), atol=1e-8)


def test_an_upstream_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"dout has shape \(1, 4\), but f\(x\) has shape \(4,\)"):
        gradcheck.numeric_gradient(lambda x: A @ x, np.ones(3), np.ones((1, 4)))


def test_jacobian_has_outputs_first():
    x = np.random.default_rng(2).normal(size=(3, 2))
    jacobian = gradcheck.numeric_jacobian(lambda x: A @ x, x)
    assert jacobian.shape == (4, 2, 3, 2)
    np.testing.assert_allclose(jacobian, np.einsum("ij,kl->ikjl", A, np.eye(2)), atol=1e-9)


def test_gradient_and_jacobian_agree():
    x, dout = np.array([0.3, -1.0, 2.0]), np.array([1.0, 2.0])
    jacobian = gradcheck.numeric_jacobian(lambda x: np.sin(x[1:] * x[:-1]), x)
    gradient = gradcheck.numeric_gradient(lambda x: np.sin(x[1:] * x[:-1]), x, dout)
    np.testing.assert_allclose(np.tensordot(dout, jacobian, axes=1), gradient, atol=1e-12)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda d: d(np.sin, np.ones(3), h=0), "h is 0, but must be a finite number larger than 0"),
        (lambda d: d(np.sin, np.ones(3), h="a"), "h must be a number, not 'a'"),
        (lambda d: d(np.sin, np.ones(3, complex)), "x must hold real numbers, not complex128"),
        (lambda d: d(lambda x: None, np.ones(3)), r"f\(x\) must hold real numbers, not object"),
        (lambda d: d(lambda x: x[x > 1], np.ones(3)), r"f\(x\) has shape \(1,\) here and \(0,\) beside"),
    ],
)
@pytest.mark.parametrize("difference", [gradcheck.numeric_gradient, gradcheck.numeric_jacobian])
def test_one_sentence(difference, call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call(difference)
