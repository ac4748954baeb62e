"""The fast routes against the plain way: random layers of all kinds, every route that can, both directions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import nn, ops, training
from cnnlib.ops.fast import routes
from cnnlib.ops.fast.layer import Layer

ROUTES = [route.name for route in routes.TABLE]
pairs = st.tuples(st.integers(1, 5), st.integers(1, 5))


@st.composite
def layers(draw):
    """x, w, b, options and the routes that can compute it."""
    square = draw(st.booleans())
    kernel = (draw(st.integers(1, 7)),) * 2 if square else draw(pairs)
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (4, 4), (1, 3), (2, 1)]))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (3, 1)]))
    padding = draw(st.sampled_from([(0, 0), (1, 1), (2, 2), (0, 3)]))
    groups = draw(st.sampled_from([1, 1, 2]))
    channels, filters = draw(st.sampled_from([1, 2, 3, 16, 17])), draw(st.sampled_from([1, 3, 16, 20]))
    least = [max(1, d * (f - 1) + 1 - 2 * p) for f, d, p in zip(kernel, dilation, padding, strict=True)]
    size = [draw(st.integers(n, n + 9)) for n in least]
    batch, dtype = draw(st.integers(1, 3)), draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = rng.normal(size=(batch, groups * channels, *size)).astype(dtype)
    w = rng.normal(size=(groups * filters, channels, *kernel)).astype(dtype)
    b = rng.normal(size=len(w)).astype(dtype) if draw(st.booleans()) else None
    if draw(st.booleans()):
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)  # channels last in memory
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = Layer(channels, filters, kernel, tuple(size), stride, padding, dilation)
    return x, w, b, options, [None, *(route.name for route in routes.TABLE if route.can(layer))]


def close(got, want, terms):
    """Rounding grows with the root of the number of terms; Winograd's transforms cost a digit or two more."""
    scale = np.max(np.abs(want), initial=0) + np.sqrt(terms)
    eps = np.finfo(want.dtype).eps
    assert got.dtype == want.dtype and got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0) <= 200 * eps * scale


@given(layers())
@settings(max_examples=250, deadline=None, derandomize=True)
def test_every_route_gives_the_plain_ways_numbers(layer):
    x, w, b, options, algos = layer
    before = [array.copy() for array in (x, w)]
    for array in (x, w):
        array.setflags(write=False)
    plain, cache = ops.conv2d_forward(x, w, b, **options, algo="direct")
    dout = np.random.default_rng(0).normal(size=plain.shape).astype(plain.dtype)
    want = ops.conv2d_backward(dout, cache)
    terms = w[0].size
    for algo in algos:
        out, cache = ops.conv2d_forward(x, w, b, **options, algo=algo)
        close(out, plain, terms)
        dx, dw, db = ops.conv2d_backward(dout, cache)
        close(dx, want[0], len(w) * w[0, 0].size)
        close(dw, want[1], plain[:, 0].size)
        assert (db is None) == (b is None)
        if b is not None:
            close(db, want[2], plain[:, 0].size)
    for array, old in zip((x, w), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_each_route_is_chosen_somewhere():
    layers = {
        "point": Layer(64, 32, (1, 1), (56, 56)),
        "winograd": Layer(64, 64, (3, 3), (28, 28), padding=(1, 1)),
        "phases": Layer(32, 32, (3, 3), (28, 28), padding=(2, 2), dilation=(2, 2)),
        "space_to_depth": Layer(3, 96, (11, 11), (227, 227), stride=(4, 4)),
        "columns": Layer(3, 16, (3, 3), (32, 32), padding=(1, 1)),
    }
    assert {name: routes.choose(layer).name for name, layer in layers.items()} == {name: name for name in ROUTES}


def test_a_network_learns_the_same_by_either_way(monkeypatch):
    """Losses of a few steps with the fast routes and with the plain one agree to four digits."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3, 12, 12)).astype(np.float32), rng.integers(4, size=32)

    def losses():
        nn.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 20, 5), nn.ReLU(), nn.Flatten(), nn.Linear(80, 4),
        )  # fmt: skip
        return training.fit(net, x, y, epochs=3, batch_size=8, lr=0.02, progress=False).batch_loss

    fast = losses()
    forward = ops.conv2d_forward
    monkeypatch.setattr(ops, "conv2d_forward", lambda *a, **k: forward(*a, **k, algo="direct"))
    np.testing.assert_allclose(fast, losses(), rtol=1e-4)


@pytest.mark.parametrize(
    "algo, words", [("fft", "algo is 'fft', but must be 'direct', None or one of"), ("winograd", "cannot compute")]
)
def test_a_route_that_cannot(algo, words):
    with pytest.raises(ValueError, match=words):
        ops.conv2d_forward(np.ones((1, 2, 9, 9)), np.ones((3, 2, 7, 7)), algo=algo)
