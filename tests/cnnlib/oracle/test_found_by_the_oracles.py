"""What PyTorch and ONNX found wrong in cnnlib, each as a test of its own that needs neither."""

import numpy as np
import pytest

from cnnlib import ops
from cnnlib.autograd import Tensor


def test_an_empty_axis_that_is_new_gives_no_gradient():
    """It was taken for an axis of x, since both lengths are 0, and left in the shape of dx."""
    _, cache = ops.broadcast_to_forward(np.ones((2, 1)), (0, 2, 3))
    np.testing.assert_array_equal(ops.broadcast_to_backward(np.ones((0, 2, 3)), cache), np.zeros((2, 1)))


def test_the_exponent_0_has_slope_0_also_at_0():
    """It was 0 times infinity."""
    x = Tensor([0.0, 2.0], requires_grad=True)
    (x**0).sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_axes_counted_from_the_end_are_put_back():
    """They were sorted as they stood, -1 before 0, and the gradient came back in another order."""
    x = np.arange(8.0).reshape(2, 2, 2)
    out, cache = ops.transpose_forward(x, (1, -1, 0))
    np.testing.assert_array_equal(ops.transpose_backward(out, cache), x)


ONES = np.ones((2, 2), np.float32)


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("broadcast_to", [ONES, (3, 2, 2)]),
        ("multiply", [ONES, ONES]),
        ("power", [ONES, 2]),
        ("matmul", [ONES, ONES]),
        ("sum", [ONES]),
        ("reshape", [ONES, (4,)]),
        ("transpose", [ONES]),
        ("getitem", [ONES, 0]),
    ],
)
def test_gradients_have_the_precision_of_out(name, arguments):
    """They had that of dout."""
    out, cache = getattr(ops, f"{name}_forward")(*arguments)
    grads = getattr(ops, f"{name}_backward")(np.ones(out.shape, float), cache)
    for grad in grads if isinstance(grads, tuple) else (grads,):
        assert grad.dtype == np.float32
