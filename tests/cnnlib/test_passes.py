"""A student's own passes in a network: theirs are called, the rest is the library's, and mistakes are told."""

import numpy as np
import pytest

from cnnlib import nn, ops, use
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F


def own_forward(x, w, b, stride, pad):
    """A convolution in plain loops, in a lesson's spelling, with a cache of its own kind."""
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh, ow = ((n - f) // stride + 1 for n, f in zip(padded.shape[2:], w.shape[2:], strict=True))
    out = np.zeros((len(x), len(w), oh, ow))
    for n, k, i, j in np.ndindex(out.shape):
        rows, columns = slice(i * stride, i * stride + w.shape[2]), slice(j * stride, j * stride + w.shape[3])
        out[n, k, i, j] = (padded[n, :, rows, columns] * w[k]).sum() + b[k]
    return out, {"x": x, "w": w, "stride": stride, "pad": pad}


def own_backward(dout, cache):
    x, w, stride, pad = cache.values()
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dx, dw, db = np.zeros(padded.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for n, k, i, j in np.ndindex(dout.shape):
        rows, columns = slice(i * stride, i * stride + w.shape[2]), slice(j * stride, j * stride + w.shape[3])
        dx[n, :, rows, columns] += dout[n, k, i, j] * w[k]
        dw[k] += dout[n, k, i, j] * padded[n, :, rows, columns]
    return dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw, db


def network():
    nn.manual_seed(0)
    layers = nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 2, 3, stride=2), nn.Tanh()
    return nn.Sequential(*layers)


X = np.random.default_rng(0).normal(size=(2, 2, 6, 7)).astype(np.float32)


def run():
    net = network()
    out = net(Tensor(X))
    (out * out).sum().backward()
    return out.data, [p.grad for p in net.parameters()]


def test_own_passes_take_the_place_of_the_library():
    expected, gradients = run()
    with use(conv2d=(own_forward, own_backward)) as own:
        out, own_gradients = run()
    assert (own["conv2d"].forward_calls, own["conv2d"].backward_calls) == (2, 2)
    np.testing.assert_allclose(out, expected, atol=1e-5)
    for mine, theirs in zip(own_gradients, gradients, strict=True):
        assert mine.dtype == theirs.dtype == np.float32
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    run()
    assert own["conv2d"].forward_calls == 2, "outside the with, the library works again"
    assert repr(own["conv2d"]) == "own_forward: 2 calls, own_backward: 2 calls"


def test_the_pair_of_the_forward_pass_walks_back_even_later():
    with use(relu=(lambda x: (x * 3, None), lambda dout, cache: dout * 5)):
        x = Tensor([1.0], requires_grad=True)
        out = F.relu(x)
    out.backward()
    assert (out.data, x.grad) == (3.0, 5.0)


def test_inner_use_wins_and_leaves_the_outer():
    first, second = ((lambda x, f=f: (x * f, None), lambda dout, cache: dout) for f in (2, 3))
    with use(relu=first, tanh=first):
        with use(relu=second):
            assert F.relu(Tensor([1.0])).item() == 3
            assert F.tanh(Tensor([1.0])).item() == 2
        assert F.relu(Tensor([1.0])).item() == 2
    assert F.relu(Tensor([1.0])).item() == 1


def test_options_that_are_not_needed_may_be_left_out():
    def forward(x, w, b):
        return ops.linear_forward(x, w, b)

    with use(linear=(forward, ops.linear_backward)):
        assert nn.Linear(3, 2, bias=False)(np.ones((4, 3), np.float32)).shape == (4, 2)

    def plain(x, w, b):
        return ops.conv2d_forward(x, w, b)

    with use(conv2d=(plain, ops.conv2d_backward)):
        assert nn.Conv2d(1, 1, 3)(np.ones((1, 1, 4, 4))).shape == (1, 1, 2, 2)
        with pytest.raises(ValueError, match="the network needs stride=2, but your plain takes no stride"):
            nn.Conv2d(1, 1, 3, stride=2)(np.ones((1, 1, 4, 4)))


def returns(value):
    return lambda x: value, lambda dout, cache: dout


@pytest.mark.parametrize(
    "error, words, pair",
    [
        (TypeError, r"relu needs a pair of functions, \(forward, backward\), not 3", 3),
        (TypeError, "needs a pair of functions", (np.tanh,)),
        (TypeError, "asks for slope, but relu has only x", (lambda x, slope: x, np.tanh)),
        (TypeError, "must return out and cache, but returned a ndarray", returns(np.ones(2))),
        (TypeError, "must return out and cache, but returned a tuple of 3", returns((1, 2, 3))),
        (TypeError, "out must be an array, not a list of 2", returns(([1, 2], None))),
        (ValueError, r"out has shape \(3,\), but needs \(2,\)", returns((np.ones(3), None))),
        (
            ValueError,
            r"gradient number 1 has shape \(4,\), but needs \(2,\)",
            (lambda x: (x, None), lambda d, c: np.ones(4)),
        ),
        (TypeError, "must return 1 gradients, but returned 0", (lambda x: (x, None), lambda d, c: ())),
        (TypeError, "gradient number 1 must be an array, not a str", (lambda x: (x, None), lambda d, c: "no")),
    ],
)
def test_told_in_words(error, words, pair):
    with pytest.raises(error, match=words), use(relu=pair):
        F.relu(Tensor(np.ones(2), requires_grad=True)).backward(np.ones(2))


def test_an_op_that_is_not_there():
    with pytest.raises(AttributeError, match="no pair convolution_forward"), use(convolution=(abs, abs)):
        pass


def test_an_error_in_own_code_stays_what_it_is():
    def forward(x):
        return x / {}["missing"], None

    with pytest.raises(KeyError, match="missing"), use(relu=(forward, forward)):
        F.relu(Tensor([1.0]))


def test_own_passes_may_write_to_what_they_get():
    def relu_forward(x):
        positive = x > 0
        x[~positive] = 0
        return x, positive

    def relu_backward(dout, positive):
        dout[~positive] = 0
        return dout

    data = np.array([[1.0, -2.0]])
    x = Tensor(data, requires_grad=True)
    y = x * 3
    dout = np.array([[5.0, 7.0]])
    with use(relu=(relu_forward, relu_backward)):
        out = F.relu(y) + y  # add hands the same array to both
        out.backward(dout)
    np.testing.assert_array_equal(data, [[1, -2]])
    np.testing.assert_array_equal(y.data, [[3, -6]])
    np.testing.assert_array_equal(dout, [[5, 7]])
    np.testing.assert_array_equal(x.grad, [[30, 21]])


@pytest.mark.parametrize(
    "forward, backward, words",
    [
        (lambda x: (x * 1j, None), lambda dout, cache: dout, "out must hold real numbers, not complex128"),
        (lambda x: (x, None), lambda dout, cache: None, "relu has gradients for 0 of the 1 Tensors that want one"),
        (lambda x: (x, None), lambda dout, cache: (dout, dout), "must return 1 gradients, but returned 2"),
        (max, min, "relu needs functions of your own, but <built-in function max> is built in"),
    ],
)
def test_own_passes_that_forget_something(forward, backward, words):
    with pytest.raises((TypeError, ValueError), match=words), use(relu=(forward, backward)):
        F.relu(Tensor([1.0], requires_grad=True)).backward()
