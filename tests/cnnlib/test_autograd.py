"""Tensors: gradients of whole expressions against differences, sums over several ways, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import gradcheck, ops
from cnnlib.autograd import Tensor, apply, no_grad
from cnnlib.autograd import functional as F


def gradients(function, *arrays):
    tensors = [Tensor(array, requires_grad=True) for array in arrays]
    function(*tensors).backward()
    return [tensor.grad for tensor in tensors]


def assert_gradients(function, *arrays):
    """The gradients of a function of Tensors that gives one number are those by differences."""
    for i, grad in enumerate(gradients(function, *arrays)):

        def at(value, i=i):
            return function(*(Tensor(value if j == i else array) for j, array in enumerate(arrays))).data

        np.testing.assert_allclose(grad, gradcheck.numeric_gradient(at, arrays[i]), atol=1e-6, rtol=1e-6)


rng = np.random.default_rng(0)
A, B, ROW, SCALAR = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=4), np.array(1.7)
EXPRESSIONS = {
    "sum of products": (lambda a, b: (a * b).sum(), A, B),
    "broadcast row": (lambda a, r: (a * r + r).sum(), A, ROW),
    "broadcast scalar": (lambda a, s: (s - a * s).sum(), A, SCALAR),
    "numbers": (lambda a: (2 - 3 * a / 4 + 1).sum(), A),
    "ratio": (lambda a, b: (a / (b * b + 1)).sum(), A, B),
    "powers": (lambda a: ((a * a + 1) ** 1.5).mean(), A),
    "product of matrices": (lambda a, b: (a @ b.transpose() @ a).sum(), A, B),
    "mean over an axis": (lambda a: (a.mean(axis=0) ** 2).sum(), A),
    "mean kept": (lambda a: ((a - a.mean(axis=1, keepdims=True)) ** 2).sum(), A),
    "reshape": (lambda a, b: (a.reshape(4, 3) @ b).sum(), A, B),
    "transpose": (lambda a: (a.reshape((1, 3, 4)).transpose(2, 0, 1)[1:, :, 0] ** 2).sum(), A),
    "taken twice": (lambda a: (a[[0, 0, 2]] ** 2).sum(), A),
    "one value on many ways": (lambda a: (a * a + a * F.relu(a) - F.tanh(a + a)).sum(), A),
    "layers": (lambda a, b: F.sigmoid(F.linear(F.relu(a), b)).sum(), A, B),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_gradient_of_an_expression(name):
    assert_gradients(*EXPRESSIONS[name])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("+*")), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_graph(steps):
    """Random graphs: every step joins two values made before, so ways part and meet in all manners."""

    def program(x):
        values = [x]
        for i, j, sign in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append(a + b if sign == "+" else F.tanh(a) * b)
        return F.tanh(values[-1]).sum()

    assert_gradients(program, np.array([0.3, -0.2]))


def test_a_graph_deeper_than_the_stack():
    x = y = Tensor(np.ones(1), requires_grad=True)
    for _ in range(5000):
        y = y + 0.5
    y.backward()
    assert x.grad == 1


def test_many_ways_are_walked_once():
    """2^60 ways lead back through 60 doublings: walked one by one they would take for ever."""
    x = y = Tensor(np.ones(1), requires_grad=True)
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60


def test_gradients_of_several_backward_calls_add_up():
    x = Tensor([2.0], requires_grad=True)
    (x * x).backward()
    (x * x * x).backward()
    assert x.grad == [4.0 + 12.0]


def test_only_what_wants_a_gradient_gets_one():
    x, w = Tensor([2.0]), Tensor([3.0], requires_grad=True)
    hidden = x * w
    (hidden * hidden).backward()
    assert x.grad is None
    assert hidden.grad is None
    assert w.grad == [24.0]


def test_a_gradient_in_the_middle():
    w = Tensor([3.0], requires_grad=True)
    hidden = (w * 2).retain_grad()
    (hidden * hidden).backward()
    assert hidden.grad == [12.0]


def test_nothing_is_remembered_without_need():
    w = Tensor([3.0], requires_grad=True)
    with no_grad():
        assert (w * w).node is None
    assert (Tensor([1.0]) * 2).node is None
    assert (w * w).node is not None


def test_float32_stays_on_both_ways():
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    out = ((x * 2.5 + 1) / 3 - np.float64(2)) ** 2
    assert out.dtype == np.float32
    out.mean().backward()
    assert x.grad.dtype == np.float32


def test_arguments_and_upstream_are_not_written_to():
    data, dout = np.ones(3), np.arange(3.0)
    for array in (data, dout):
        array.setflags(write=False)
    x = Tensor(data, requires_grad=True)
    (x + x + x).backward(dout)
    np.testing.assert_array_equal(x.grad, [0, 3, 6])


def test_the_caches_are_let_go():
    x = Tensor(np.ones(3), requires_grad=True)
    out = F.tanh(x)
    node = out.node
    out.backward(np.ones(3))
    assert node.cache is None
    with pytest.raises(RuntimeError, match="has walked through this tanh before"):
        out.backward(np.ones(3))


@pytest.mark.parametrize(
    "error, words, act",
    [
        (ValueError, r"only a single number needs no dout, but this Tensor has shape \(2,\)", lambda x: x.backward()),
        (ValueError, r"dout has shape \(3,\), but the Tensor has \(2,\)", lambda x: x.backward(np.ones(3))),
        (RuntimeError, "nowhere to go", lambda x: Tensor([1.0]).backward()),
        (ValueError, r"the shapes \(2,\) and \(3,\) do not go together", lambda x: x + np.ones(3)),
        (ValueError, r"\(2, 1\) and \(2, 1\) cannot be multiplied", lambda x: x.reshape(2, 1) @ x.reshape(2, 1)),
        (TypeError, "is a Tensor already", Tensor),
        (AttributeError, "no pair convolve_forward and convolve_backward", lambda x: F.convolve(x)),
    ],
)
def test_refused(error, words, act):
    with pytest.raises(error, match=words):
        act(Tensor([1.0, 2.0], requires_grad=True))


@pytest.mark.parametrize(
    "name", ["broadcast_to", "multiply", "power", "matmul", "sum", "reshape", "transpose", "getitem"]
)
def test_upstream_of_another_shape(name):
    x = np.ones((2, 3))
    _out, cache = {
        "broadcast_to": lambda: ops.broadcast_to_forward(x, (4, 2, 3)),
        "multiply": lambda: ops.multiply_forward(x, x),
        "power": lambda: ops.power_forward(x, 2),
        "matmul": lambda: ops.matmul_forward(x, x.T),
        "sum": lambda: ops.sum_forward(x, axis=0),
        "reshape": lambda: ops.reshape_forward(x, (6,)),
        "transpose": lambda: ops.transpose_forward(x),
        "getitem": lambda: ops.getitem_forward(x, 0),
    }[name]()
    with pytest.raises(ValueError, match=r"dout has shape \(7,\), but"):
        getattr(ops, f"{name}_backward")(np.ones(7), cache)


def test_an_op_by_name():
    np.testing.assert_array_equal(apply("relu", np.array([-1.0, 2.0])).data, [0, 2])
    assert "max(0, x)" in F.relu.__doc__


def test_numpy_takes_a_tensor_only_where_no_gradient_is_lost():
    np.testing.assert_array_equal(np.asarray(Tensor([1.0, 2.0])), [1, 2])
    assert np.asarray(Tensor([1.0]), np.float32).dtype == np.float32
    with pytest.raises(TypeError, match="numpy takes no Tensor that wants a gradient"):
        np.asarray(Tensor(np.zeros((500, 500)), requires_grad=True))


@pytest.mark.parametrize("data", ["a", None, [None, 1.0], 1j, {}, np.zeros(2, "M8[D]"), [[1], [1, 2]]])
def test_only_real_numbers_make_a_tensor(data):
    with pytest.raises(TypeError, match="data must"):
        Tensor(data)
    with pytest.raises(TypeError, match="what comes beside a Tensor must"):
        Tensor([1.0]) * data


def test_a_number_or_an_array_before_the_operator():
    x = Tensor([[2.0, 4.0]], requires_grad=True)
    (1 / x).sum().backward()
    np.testing.assert_allclose(x.grad, [[-1 / 4, -1 / 16]])
    y = Tensor([[1.0], [3.0]], requires_grad=True)
    (np.array([[5.0, 7.0]]) @ y).backward()
    np.testing.assert_array_equal(y.grad, [[5], [7]])


def test_a_target_gets_no_gradient():
    prediction, target = Tensor([1.0, 2.0], requires_grad=True), Tensor([0.0, 0.0], requires_grad=True)
    with pytest.raises(ValueError, match="mse has gradients for 1 of the 2 Tensors that want one"):
        F.mse(prediction, target).backward()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: x.item(), r"item needs one number, but this Tensor has shape \(2, 3\)"),
        (lambda x: x[:0].mean(), r"shape \(0, 3\): there is no number to take a mean of"),
        (lambda x: x.backward(np.ones((2, 3), complex)), "dout must hold real numbers, not complex128"),
        (lambda x: x.sum(5), "axis is 5, but there are 2 axes"),
        (lambda x: x**x, "exponent must be a number, not a Tensor"),
    ],
)
def test_one_sentence(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call(Tensor(np.random.default_rng(0).normal(size=(2, 3)), requires_grad=True))
