"""Random layers by every quick route against the plain way, as many as you like.

    python -m tests.cnnlib.fuzz_fast [--layers 20000] [--seed 0]

The tests run a few hundred on every run; this is for whoever changes a route. It prints the largest error of each route, in
units of the last digit of a typical sum: of as many random terms as the result has.
"""

import argparse
from unittest import mock

import numpy as np

from cnnlib import ops
from cnnlib.ops.fast import routes, winograd
from cnnlib.ops.fast.layer import Layer

BOUNDS = {np.float32: 1500, np.float64: 1500}  # units in the last place: Winograd's constants magnify rounding
EXACT = 50  # for routes that add the same products in another order


def random_convolution(rng):
    """A layer, and the name of a route that can compute it."""
    route = routes.TABLE[rng.integers(len(routes.TABLE))]
    while True:
        square = rng.random() < 0.7
        kernel = rng.integers(1, 8, 2)
        kernel[1] = kernel[0] if square else kernel[1]
        stride, dilation = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
        stride[1], dilation[1] = (stride[0], dilation[0]) if square else (stride[1], dilation[1])
        stride, dilation = (np.ones(2, int) if rng.random() < 0.5 else a for a in (stride, dilation))
        padding = rng.integers(0, 5, 2) * (rng.random() < 0.7)
        extent = dilation * (kernel - 1) + 1
        image = np.maximum(1, extent - 2 * padding) + rng.integers(0, 20, 2)
        numbers = (tuple(map(int, a)) for a in (kernel, image, stride, padding, dilation))
        layer = Layer(int(rng.integers(1, 40)), int(rng.integers(1, 40)), *numbers)
        if route.can(layer):
            return layer, route.name


def convolution(rng, dtype):
    """The largest error of out, dx, dw and db, in units; which route; and a description."""
    layer, name = random_convolution(rng)
    images, groups = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    x = rng.standard_normal((images, layer.channels * groups, *layer.image)).astype(dtype)
    w = rng.standard_normal((layer.filters * groups, layer.channels, *layer.kernel)).astype(dtype)
    b, dout = rng.standard_normal(len(w)).astype(dtype), None
    results = []
    geometry = layer.stride, layer.padding, layer.dilation, groups
    with mock.patch.object(winograd, "_at_once", lambda r, *_: rng.choice(winograd.choices(r))):
        for precision, algo in ((dtype, name), (float, "direct")):
            out, cache = ops.conv2d_forward(*(a.astype(precision) for a in (x, w, b)), *geometry, algo=algo)
            dout = rng.standard_normal(out.shape).astype(dtype) if dout is None else dout
            results.append([out, *ops.conv2d_backward(dout.astype(precision), cache)])
    weights, pixels = layer.kernel[0] * layer.kernel[1], dout.size / len(w)
    terms = layer.channels * weights, layer.filters * weights, pixels, pixels
    return largest(*results, terms, dtype), name, (layer, images, groups)


def pooling(rng, dtype):
    """Max pooling must agree to the last bit, also where there are ties, NaN and infinite numbers."""
    kernel, stride, dilation = (tuple(map(int, rng.integers(1, 5, 2))) for _ in range(3))
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(int(rng.integers(0, e // 2 + 1)) for e in extent)
    pixels = [int(max(e, 2 * d) + rng.integers(0, 12)) for e, d in zip(extent, dilation, strict=True)]
    x = rng.integers(-3, 4, (int(rng.integers(1, 4)), int(rng.integers(1, 5)), *pixels)).astype(dtype)
    for special in rng.choice([np.nan, np.inf, -np.inf], rng.integers(0, 3)):
        x[rng.random(x.shape) < 0.1] = special
    options, dout, results = {"stride": stride, "padding": padding, "dilation": dilation}, None, []
    for algo in (None, "direct"):
        out, cache = ops.max_pool2d_forward(x, kernel, **options, algo=algo)
        dout = rng.integers(-9, 9, out.shape).astype(dtype) if dout is None else dout  # so that sums are exact
        results.append([out, ops.max_pool2d_backward(dout, cache), ops.max_pool2d_switches(cache)])
    same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*results, strict=True))
    return (0 if same else np.inf), "max pooling", (x.shape, kernel, options)


def normalisation(rng, dtype):
    """Batch norm, with means from near to far."""
    shape = tuple(map(int, rng.integers(2, 12, rng.choice([2, 4]))))
    c = shape[1]
    x = (rng.standard_normal(shape) + rng.choice([0, 1, 5, 100])).astype(dtype)
    weight, bias = rng.standard_normal((2, c)).astype(dtype)
    dout, results = rng.standard_normal(shape).astype(dtype), []
    for precision, algo in ((dtype, None), (float, "direct")):
        out, cache = ops.batch_norm_forward(*(a.astype(precision) for a in (x, weight, bias)), algo=algo)
        results.append([out, *ops.batch_norm_backward(dout.astype(precision), cache)])
    count, axes = x.size / c, (0, 2, 3)[: x.ndim - 1]
    scale = 1 + (abs(x.mean(axes)) / x.std(axes)).max()  # the rounding of x itself, beside the spread of its channel
    return largest(*results, (1, 1, count, count), dtype) / scale, "batch norm", shape


def largest(got, right, terms, dtype):
    """The largest error, in last digits of the largest number or of the root of the number of terms."""
    worst = 0.0
    for a, b, count in zip(got, right, terms, strict=True):
        assert a.shape == b.shape and a.dtype == dtype, f"{a.shape}, {a.dtype} for {b.shape}, {dtype}"
        unit = np.finfo(dtype).eps * max(np.sqrt(count), np.abs(b).max(initial=0) / 4)
        worst = max(worst, float(np.abs(a - b).max(initial=0) / unit))
    return worst


def fuzz(count, seed=0):
    """The largest error by route. Raises AssertionError for one above the bound, with the layer."""
    rng, worst = np.random.default_rng(seed), {}
    for _ in range(count):
        dtype = (np.float32, np.float64)[rng.integers(2)]
        kind = (convolution, convolution, convolution, pooling, normalisation)[rng.integers(5)]
        error, name, what = kind(rng, dtype)
        bound = EXACT if name in ("point", "columns") else BOUNDS[dtype]
        assert error <= bound, f"{name}: {error:.0f} units, more than {bound}, for {what} in {np.dtype(dtype)}"
        key = f"{name}, {np.dtype(dtype)}"
        worst[key] = max(worst.get(key, 0.0), error)
    return worst


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name, error in sorted(fuzz(arguments.layers, arguments.seed).items()):
        print(f"{name:24} {error:8.1f}")
