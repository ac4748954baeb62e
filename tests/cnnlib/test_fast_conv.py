"""Every quick route of the convolution against the plain one, on any shape and in both precisions."""

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import ops
from cnnlib.ops.fast import columns, memory, one_way, products, routes, winograd
from cnnlib.ops.fast.layer import Layer

ROUTES = [route.name for route in routes.TABLE]


@st.composite
def layers(draw, name):
    """A layer that this route can compute; sizes on both sides of a tile, a piece and a block."""

    def both(low, high):
        return st.tuples(st.integers(low, high), st.integers(low, high))

    stride, padding, dilation = draw(both(1, 3)), draw(both(0, 4)), draw(both(1, 3))
    kernel = draw(both(1, 5))
    if name == "point":
        kernel, padding, dilation = (1, 1), (0, 0), draw(both(1, 3))
    elif name == "one_way":
        kernel, stride, dilation = (draw(st.integers(2, 5)), draw(st.integers(1, 5))), (1, 1), (1, 1)
    elif name == "winograd":
        kernel, stride, dilation = (draw(st.integers(2, 5)),) * 2, (1, 1), (1, 1)
    elif name == "phases":
        kernel, stride = (draw(st.integers(2, 5)),) * 2, (1, 1)
    elif name == "space_to_depth":
        step = draw(st.integers(2, 4))
        kernel, stride, dilation = (draw(st.integers(step + 1, 5 * step)),) * 2, (step, step), (1, 1)
    extents = [d * (f - 1) + 1 for f, d in zip(kernel, dilation, strict=True)]
    image = [draw(st.integers(max(1, e - 2 * p), e + 14)) for e, p in zip(extents, padding, strict=True)]
    channels, filters = draw(both(1, 18))
    return Layer(channels, filters, kernel, tuple(image), stride, padding, dilation)


def numbers(layer, images, groups, dtype, seed):
    rng = np.random.default_rng(seed)
    shapes = (
        (images, layer.channels * groups, *layer.image),
        (layer.filters * groups, layer.channels, *layer.kernel),
        (layer.filters * groups,),
        (images, layer.filters * groups, *layer.output),
    )
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def both_passes(x, w, b, dout, layer, groups, algo):
    out, cache = ops.conv2d_forward(x, w, b, layer.stride, layer.padding, layer.dilation, groups, algo=algo)
    return [out, *ops.conv2d_backward(dout, cache)]


def assert_close(got, right, layer, dtype, ulps):
    """Errors in units of the last digit of a typical sum: of as many random terms as each result has."""
    weights = layer.kernel[0] * layer.kernel[1]
    pixels = right[0].size / len(right[3])
    terms = layer.channels * weights, layer.filters * weights, pixels, pixels
    for name, a, b, count in zip(("out", "dx", "dw", "db"), got, right, terms, strict=True):
        assert a.shape == b.shape
        assert a.dtype == dtype
        error = np.abs(a - b).max(initial=0) / (np.finfo(dtype).eps * np.sqrt(count))
        assert error < ulps, f"{name} of {layer} is {error:.0f} units off"


@pytest.mark.parametrize("name", ROUTES)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_route_gives_what_the_plain_way_gives(name, data):
    layer = data.draw(layers(name))
    images, groups, seed = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 2)), data.draw(st.integers(0, 99))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    arrays = numbers(layer, images, groups, dtype, seed)
    if data.draw(st.booleans()):  # channels last in memory
        arrays[0] = np.ascontiguousarray(arrays[0].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    right = both_passes(*(a.astype(float) for a in arrays), layer, groups, "direct")
    exact = name in ("point", "columns")
    assert_close(both_passes(*arrays, layer, groups, name), right, layer, dtype, 50 if exact else 1500)


@pytest.mark.parametrize("cache", [1, 3000, 50_000])
@pytest.mark.parametrize("name", ROUTES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_pieces_of_any_size_give_the_same(cache, name, data):
    layer = data.draw(layers(name))
    arrays = numbers(layer, 5, 1, float, 0)
    right = both_passes(*arrays, layer, 1, "direct")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "CACHE", cache)
        patch.setattr(memory, "KEEP", cache)
        patch.setattr(winograd, "FILTERS", cache)
        patch.setattr(winograd, "TILES", 1)
        got = both_passes(*arrays, layer, 1, name)
    assert_close(got, right, layer, float, 1500)


@pytest.mark.parametrize("direction", ["forward", "input_gradient", "weight_gradient"])
@pytest.mark.parametrize("size", [4, 7, 14])
def test_many_channels_need_no_more_memory_beside_the_results_than_their_weights(direction, size):
    channels = 1024
    layer = Layer(channels, channels, (3, 3), (size, size), padding=(1, 1))
    image = np.ones((1, size, size, channels), np.float32)
    other = image if direction == "weight_gradient" else np.ones((channels, channels, 3, 3), np.float32)
    tracemalloc.start()
    try:
        result = getattr(winograd, direction)(image, other, layer)
        beside = tracemalloc.get_traced_memory()[1] - result.nbytes
    finally:
        tracemalloc.stop()
    assert beside < channels**2 * 9 * 4


REAL_LAYERS = {
    "LeNet-5, first": (Layer(1, 6, (5, 5), (32, 32)), "columns"),
    "LeNet-5, second": (Layer(6, 16, (5, 5), (14, 14)), "columns"),
    "AlexNet, first": (Layer(3, 96, (11, 11), (59, 59), (4, 4)), "space_to_depth"),
    "AlexNet, second": (Layer(48, 128, (5, 5), (27, 27), (1, 1), (2, 2)), "winograd"),
    "VGG": (Layer(64, 128, (3, 3), (28, 28), (1, 1), (1, 1)), "winograd"),
    "ResNet, to half the size": (Layer(32, 64, (3, 3), (28, 28), (2, 2), (1, 1)), "columns"),
    "ResNet, shortcut": (Layer(32, 64, (1, 1), (28, 28), (2, 2)), "point"),
    "ResNet-20, first": (Layer(16, 16, (3, 3), (32, 32), (1, 1), (1, 1)), "one_way"),
    "DeepLab": (Layer(32, 32, (3, 3), (33, 33), (1, 1), (2, 2), (2, 2)), "phases"),
    "CS231n's fast layers": (Layer(3, 25, (3, 3), (31, 31), (2, 2), (1, 1)), "columns"),
}


@pytest.mark.parametrize("name", REAL_LAYERS)
def test_layers_of_known_networks(name):
    """The table gives them to the route that suits them; float32 errors stay small beside the numbers themselves."""
    layer, route = REAL_LAYERS[name]
    assert routes.choose(layer).name == route
    bound = 1e-4 if layer.kernel[0] >= 5 else 3e-5 if route == "one_way" else 1e-5  # 5 x 5; 8 outputs at once
    arrays = numbers(layer, 2, 1, np.float32, 0)
    right = both_passes(*(a.astype(float) for a in arrays), layer, 1, "direct")
    for got, expected in zip(both_passes(*arrays, layer, 1, None), right, strict=True):
        assert np.abs(got - expected).max() < bound * expected.std()


def test_some_routes_take_both_ways_back_at_once():
    """Through a transposed convolution: without it they would prepare the same images twice."""
    both = [route.name for route in routes.TABLE if hasattr(route.module, "forward_and_weight_gradient")]
    assert both == ["winograd", "space_to_depth"]


# ------------------------------------------------------------------------------------------------------------ winograd


AT_ONCE = [(r, m) for r in winograd.OUTPUTS for m in winograd.choices(r)]


@pytest.mark.parametrize(("r", "outputs"), [*AT_ONCE, (3, one_way.TALL)])
def test_the_points_give_a_correlation(r, outputs):
    at, g, bt = winograd.cook_toom(r, np.dtype(float), outputs)
    m, n = at.shape
    assert n == m + r - 1
    for i, j in np.ndindex(n, r):  # bilinear: if it holds for every pixel and weight alone, it holds
        x, w = np.eye(n)[i], np.eye(r)[j]
        np.testing.assert_allclose(at @ ((g @ w) * (bt @ x)), np.correlate(x, w), atol=1e-14 if m <= 5 else 1e-13)


@pytest.mark.parametrize(("r", "outputs"), AT_ONCE)
def test_any_number_of_outputs_at_once(r, outputs, monkeypatch):
    monkeypatch.setattr(winograd, "_at_once", lambda *_: outputs)
    layer = Layer(5, 7, (r, r), (19, 16), padding=(1, 2))
    arrays = numbers(layer, 3, 1, float, 0)
    right = both_passes(*arrays, layer, 1, "direct")
    assert_close(both_passes(*arrays, layer, 1, "winograd"), right, layer, float, 1500)


def test_few_outputs_at_once_where_filters_are_most_of_the_work():
    assert [winograd._at_once(3, side, side, images) for side, images in ((56, 8), (14, 4), (7, 1))] == [4, 3, 2]


def test_36_multiplications_for_16_outputs():
    at, _, bt = winograd.cook_toom(3, np.dtype(float))
    assert (len(at) ** 2, len(bt) ** 2) == (16, 36)


# ----------------------------------------------------------------------------------------------------- columns, products


def test_first_layers_are_computed_several_outputs_at_once():
    assert columns.together(Layer(1, 6, (5, 5), (32, 32))) == 7
    assert columns.together(Layer(1, 6, (5, 5), (33, 33))) == 1, "29 outputs do not divide"
    assert columns.together(Layer(3, 64, (7, 7), (64, 64))) == 1


@pytest.mark.parametrize("rows", [0, 1, 255, 256, 511, 512, 513, 2000])
@pytest.mark.parametrize("k, n", [(1, 1), (27, 16), (300, 40)])
def test_stacked_products_are_products(rows, k, n):
    rng = np.random.default_rng(0)
    tall, small, other = rng.normal(size=(rows, k)), rng.normal(size=(k, n)), rng.normal(size=(rows, n))
    np.testing.assert_allclose(products.product(tall, small), tall @ small, atol=1e-12)
    np.testing.assert_allclose(products.product_of_columns(tall, other), tall.T @ other, atol=1e-12)


# -------------------------------------------------------------------------------------------------------------- memory


def test_results_are_channels_last_and_no_copy_is_made_of_such_images():
    x = memory.channels_first(np.ones((2, 8, 8, 16), np.float32))
    assert np.shares_memory(memory.channels_last(x), x)
    out, cache = ops.conv2d_forward(x, np.ones((16, 16, 3, 3), np.float32), padding=1)
    dx, _, _ = ops.conv2d_backward(out, cache)
    for a in (out, dx):
        assert a.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("name", ROUTES)
def test_no_argument_is_written_to_and_no_result_shares_memory(name):
    kernel = (1, 1) if name == "point" else (4, 4)
    layer = Layer(2, 3, kernel, (9, 10), (2, 2) if name == "space_to_depth" else (1, 1))
    arrays = numbers(layer, 2, 1, float, 0)
    copies = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    first = both_passes(*arrays, layer, 1, name)
    kept = [a.copy() for a in first]
    both_passes(*(-a for a in arrays), layer, 1, name)  # a second call may not write over the first one's results
    for a, copy in zip(arrays + first, copies + kept, strict=True):
        np.testing.assert_array_equal(a, copy)
    for result in first:
        assert not any(np.shares_memory(result, a) for a in arrays)


def test_threads_do_not_share_scratch_memory():
    layer = Layer(16, 16, (3, 3), (32, 32), (1, 1), (1, 1))
    results = {}

    def work(seed):
        arrays = numbers(layer, 4, 1, float, seed)
        right = both_passes(*arrays, layer, 1, "direct")
        results[seed] = all(
            np.allclose(a, b, atol=1e-9)
            for _ in range(5)
            for a, b in zip(both_passes(*arrays, layer, 1, "winograd"), right, strict=True)
        )

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), True)


# ---------------------------------------------------------------------------------------------------------------- algo


def test_the_last_row_of_the_table_takes_every_layer():
    assert routes.TABLE[-1].can(None)
    assert routes.TABLE[-1].pays(None)


def test_direct_is_the_plain_way(monkeypatch):
    monkeypatch.setattr(ops.conv.fast, "forward", None)
    monkeypatch.setattr(ops.conv.fast, "backward", None)
    out, cache = ops.conv2d_forward(np.ones((1, 16, 8, 8)), np.ones((16, 16, 3, 3)), algo="direct")
    ops.conv2d_backward(out, cache)
    assert np.all(out == 144)


def test_names_of_routes():
    x, w = np.ones((1, 1, 5, 5)), np.ones((1, 1, 3, 3))
    with pytest.raises(ValueError, match="algo is 'fft', but must be None, 'direct' or one of 'point', 'one_way'"):
        ops.conv2d_forward(x, w, algo="fft")
    with pytest.raises(ValueError, match=r"algo is 'point', but that is not for .*kernel=\(3, 3\)"):
        ops.conv2d_forward(x, w, algo="point")


def test_other_precisions_and_empty_batches_take_the_plain_way():
    w = np.ones((16, 16, 3, 3), np.float16)
    out, cache = ops.conv2d_forward(np.ones((1, 16, 8, 8), np.float16), w)
    assert {a.dtype for a in (out, *ops.conv2d_backward(out, cache)) if a is not None} == {np.dtype(np.float16)}
    assert ops.conv2d_forward(np.ones((0, 16, 8, 8)), np.ones((16, 16, 3, 3)))[0].shape == (0, 16, 6, 6)
