"""The quick routes of all ops, and the switch that selects the plain ones."""

import numpy as np
import pytest

from cnnlib import nn, ops, training
from cnnlib.autograd import Tensor, functional, no_grad
from cnnlib.ops.fast import maxima, normal
from tests.cnnlib.fuzz_fast import fuzz


def test_random_layers_by_every_route():
    assert len(fuzz(400)) >= 10


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-3), (np.float64, 1e-9)])
def test_a_network_reaches_the_same_losses_either_way(dtype, tolerance):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(96, 3, 16, 16)).astype(dtype), rng.integers(0, 4, 96)
    x[np.arange(96), y % 3] += 0.5

    def losses():
        nn.manual_seed(0)
        net = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 16, 1), nn.ReLU(), nn.AvgPool2d(2)),
            *(nn.ConvTranspose2d(16, 8, 2, stride=2), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(72, 4)),
        ).astype(dtype)
        return training.fit(net, x, y, epochs=4, batch_size=32, lr=0.05, progress=False).batch_loss

    quick = losses()
    with ops.plain():
        plain = losses()
    assert quick != plain, "both took the same way"
    np.testing.assert_allclose(quick, plain, rtol=tolerance)
    assert plain[-1] < plain[0]


def test_plain_selects_the_plain_way_everywhere(monkeypatch):
    monkeypatch.setattr(ops._algorithm, "_fast", None)  # a quick route cannot be reached
    monkeypatch.setattr(ops.conv, "fast", None)
    x, w = np.ones((1, 2, 6, 6)), np.ones((2, 2, 3, 3))
    calls = [
        ("conv2d", (x, w), {}),
        ("conv_transpose2d", (x, w), {}),
        ("max_pool2d", (x,), {"kernel_size": 2}),
        ("avg_pool2d", (x,), {"kernel_size": 2}),
        ("batch_norm", (x, np.ones(2), np.ones(2)), {}),
    ]
    for name, arrays, options in calls:
        forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
        out, cache = forward(*arrays, **options, algo="direct")
        backward(out, cache)
        with ops.plain():
            within, cache = forward(*arrays, **options)
            backward(out, cache)
        np.testing.assert_array_equal(out, within)
        with pytest.raises((TypeError, AttributeError)):
            forward(*arrays, **options)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "batch_norm", "conv_transpose2d"])
def test_an_unknown_way(name):
    arrays = {
        "batch_norm": (np.ones((1, 2, 4, 4)), [1, 1], [0, 0]),
        "conv_transpose2d": (np.ones((1, 2, 4, 4)), np.ones((2, 1, 1, 1))),
    }
    with pytest.raises(ValueError, match="algo is 'quickest', but must be None or 'direct'"):
        getattr(ops, f"{name}_forward")(*arrays.get(name, (np.ones((1, 2, 4, 4)), 2)), algo="quickest")


def test_where_a_lesson_has_withheld_the_quick_routes_the_plain_ones_take_over(monkeypatch):
    def missing(*_):
        raise ImportError("no such folder")

    monkeypatch.setattr(ops._algorithm.importlib, "import_module", missing)
    monkeypatch.setattr(ops._algorithm, "_fast", ops._algorithm._fast.__wrapped__)  # which knows of no earlier import
    out, cache = ops.max_pool2d_forward([[[[1.0, 2.0], [4.0, 3.0]]]], kernel_size=2)
    assert out.item() == 4
    assert ops.max_pool2d_backward([[[[5.0]]]], cache).tolist() == [[[[0, 0], [5, 0]]]]


def test_a_first_layer_computes_no_gradient_for_its_pictures():
    x, w = np.random.default_rng(0).normal(size=(2, 3, 8, 8)), np.ones((4, 3, 3, 3))
    for algo in (None, "direct"):
        out, cache = ops.conv2d_forward(x, w, algo=algo)
        dx, dw, _ = ops.conv2d_backward(out, cache, need_dx=False)
        assert dx is None
        np.testing.assert_allclose(dw, ops.conv2d_backward(out, cache)[1])
    weights, pictures = Tensor(w, requires_grad=True), Tensor(x, requires_grad=True)
    functional.conv2d(pictures, weights).sum().backward()
    assert pictures.grad.shape == x.shape, "whoever asks for it gets it"


def test_nobody_keeps_who_won_where_nobody_goes_back(monkeypatch):
    def asked(*_):
        raise AssertionError("the winners were looked for")

    x = Tensor(np.arange(16.0).reshape(1, 1, 4, 4), requires_grad=True)
    pool = nn.MaxPool2d(2)
    with monkeypatch.context() as patch:
        patch.setattr(maxima, "_wins", asked)
        with no_grad():
            assert pool(x).data.tolist() == [[[[5, 7], [13, 15]]]]
        pool(Tensor(x.data))
        with pytest.raises(AssertionError, match="looked for"):
            pool(x)
    with no_grad():
        assert pool.with_switches(x)[1].tolist() == [[[[5, 7], [13, 15]]]], "whoever asks for them gets them"
    pool(x).sum().backward()
    assert x.grad.sum() == 4


@pytest.mark.parametrize("mean", [0, 3, 1e3])
@pytest.mark.parametrize("shape", [(7, 3), (5, 2, 7, 3), (2, 300, 5, 5), (1, 2000, 2, 1), (1009, 2), (3, 2, 2, 3, 2)])
def test_statistics_far_from_zero(mean, shape):
    x = np.random.default_rng(0).normal(mean, 1, shape).astype(np.float32)
    axes = (0, *range(2, len(shape)))
    right = x.mean(axes, dtype=float), x.var(axes, dtype=float)
    for got, wanted in zip(normal.statistics(x), right, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6 * max(1, mean))


def test_no_argument_is_written_to_and_no_result_is_written_over():
    rng = np.random.default_rng(0)
    x, dout = rng.normal(size=(2, 4, 8, 8)), rng.normal(size=(2, 4, 4, 4))
    x.flags.writeable = dout.flags.writeable = False
    for name, options in [
        ("max_pool2d", {"kernel_size": 2}),
        ("avg_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
    ]:
        forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
        out, cache = forward(x, **options)
        dx = backward(dout, cache)
        kept = out.copy(), dx.copy()
        backward(-dout, forward(-x, **options)[1])
        np.testing.assert_array_equal(out, kept[0])
        np.testing.assert_array_equal(dx, kept[1])
        assert not any(np.shares_memory(a, b) for a in (out, dx) for b in (x, dout))
