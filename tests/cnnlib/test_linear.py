"""The linear layer against its sum written out, and against numeric gradients."""

import numpy as np
import pytest

from cnnlib import gradcheck, ops


@pytest.mark.parametrize("lead", [(3,), (0,), (), (2, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_forward_and_backward(lead, bias):
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(*lead, 4)), rng.normal(size=(5, 4)), rng.normal(size=5) if bias else None
    out, cache = ops.linear_forward(x, w, b)
    expected = np.zeros((*lead, 5))
    for *n, j in np.ndindex(expected.shape):
        expected[(*n, j)] = sum(x[(*n, i)] * w[j, i] for i in range(4)) + (b[j] if bias else 0)
    np.testing.assert_allclose(out, expected, atol=1e-12)

    dout = rng.normal(size=out.shape)
    dx, dw, db = ops.linear_backward(dout, cache)
    numeric = gradcheck.numeric_gradient
    np.testing.assert_allclose(dx, numeric(lambda x: ops.linear_forward(x, w, b)[0], x, dout), atol=1e-8)
    np.testing.assert_allclose(dw, numeric(lambda w: ops.linear_forward(x, w, b)[0], w, dout), atol=1e-8)
    if bias:
        np.testing.assert_allclose(db, numeric(lambda b: ops.linear_forward(x, w, b)[0], b, dout), atol=1e-8)
    else:
        assert db is None


@pytest.mark.parametrize("bias, expected", [(None, "float32"), ("float32", "float32"), ("float64", "float64")])
def test_gradients_have_the_precision_of_out(bias, expected):
    x, w = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)
    out, cache = ops.linear_forward(x, w, None if bias is None else np.ones(4, bias))
    grads = ops.linear_backward(np.ones((2, 4)), cache)
    assert {a.dtype.name for a in (out, *grads) if a is not None} == {expected}


@pytest.mark.parametrize(
    "shapes, says",
    [
        (((2, 3), (4, 5), (4,)), "x has shape (2, 3), but w expects 5 features in its last axis"),
        (((2, 3), (3,), (4,)), "w has 1 axes, but needs 2"),
        (((2, 3), (4, 3), (2, 4)), "b has shape (2, 4), but 4 outputs need (4,)"),
    ],
)
def test_what_does_not_fit(shapes, says):
    with pytest.raises(ValueError) as error:
        ops.linear_forward(*map(np.ones, shapes))
    assert says in str(error.value)


def test_an_upstream_gradient_of_another_shape_is_refused():
    _, cache = ops.linear_forward(np.ones((2, 3)), np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"dout has shape \(4,\), but out had shape \(2, 4\)"):
        ops.linear_backward(np.ones(4), cache)
