"""The twins of ops on images: convolutions, pooling, resampling, normalisation."""

import math

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[oracle]'")
from torch.nn import functional as F  # noqa: E402
from torch_twins import Call, distinct, normal, twin  # noqa: E402

batches = st.integers(0, 3)
small = st.integers(1, 3)
pairs = st.tuples(small, small)
paddings = st.tuples(st.integers(0, 2), st.integers(0, 2))


def one_or_two(draw, pair):
    """The pair, or where both numbers are equal, sometimes the one number: options may be either."""
    return pair[0] if pair[0] == pair[1] and draw(st.booleans()) else pair


def size_for(draw, kernel, padding=(0, 0), dilation=(1, 1), most=8):
    """An image that at least one window fits into."""
    return [
        draw(st.integers(max(1, d * (f - 1) + 1 - 2 * p), most))
        for f, p, d in zip(kernel, padding, dilation, strict=True)
    ]


@twin("conv2d")
def conv2d(draw):
    """Few channels or so many that the quick routes are taken, by the table's choice or the plain way."""
    kernel, stride, padding, dilation = draw(pairs), draw(pairs), draw(paddings), draw(pairs)
    groups, channels, filters = draw(small), draw(st.sampled_from([1, 2, 17])), draw(st.sampled_from([1, 3, 18]))
    if draw(st.booleans()):
        kernel = draw(st.sampled_from([(3, 3), (1, 1), (5, 5)]))
    if draw(st.booleans()):
        stride = dilation = (1, 1)
    x = normal(draw, draw(batches), groups * channels, *size_for(draw, kernel, padding, dilation, most=14))
    w = normal(draw, groups * filters, channels, *kernel)
    b = normal(draw, len(w)) if draw(st.booleans()) else None
    options = {name: one_or_two(draw, value) for name, value in
               {"stride": stride, "padding": padding, "dilation": dilation}.items()}  # fmt: skip
    options["groups"] = groups
    algo = draw(st.sampled_from([{}, {"algo": "direct"}]))
    terms = max(math.prod(w.shape[1:]), math.prod(kernel) * filters, len(x) * math.prod(x.shape[2:]))
    return Call([x, w, b], lambda x, w, b: F.conv2d(x, w, b, **options), options | algo, terms=terms)


@twin("conv_transpose2d")
def conv_transpose2d(draw):
    kernel, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    padding = tuple(draw(st.integers(0, d * (f - 1) // 2)) for f, d in zip(kernel, dilation, strict=True))
    more = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    groups, channels, filters = draw(small), draw(small), draw(small)
    x = normal(draw, draw(batches), groups * channels, draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    w = normal(draw, groups * channels, filters, *kernel)
    b = normal(draw, groups * filters) if draw(st.booleans()) else None
    options = {name: one_or_two(draw, value) for name, value in
               {"stride": stride, "padding": padding, "output_padding": more, "dilation": dilation}.items()}  # fmt: skip
    options["groups"] = groups
    terms = len(x) * 400 + math.prod(kernel) * max(channels, filters)
    return Call([x, w, b], lambda x, w, b: F.conv_transpose2d(x, w, b, **options), options, terms=terms)


@twin("locally_connected2d")
def locally_connected2d(draw):
    """PyTorch has no such layer; its `unfold` gives the windows, and a sum over indices is the layer."""
    kernel, stride, padding = draw(pairs), draw(pairs), draw(paddings)
    height, width = size_for(draw, kernel, padding, most=6)
    oh, ow = ((n + 2 * p - f) // s + 1 for n, f, s, p in zip((height, width), kernel, stride, padding, strict=True))
    channels, filters = draw(small), draw(small)
    x, w = normal(draw, draw(batches), channels, height, width), normal(draw, oh, ow, filters, channels, *kernel)
    b = normal(draw, filters, oh, ow) if draw(st.booleans()) else None

    def theirs(x, w, b):
        windows = F.unfold(x, kernel, stride=stride, padding=padding).reshape(len(x), channels, *kernel, oh, ow)
        out = torch.einsum("ncuvij,ijkcuv->nkij", windows, w)
        return out if b is None else out + b

    terms = max(len(x), max(channels, filters) * math.prod(kernel))
    return Call([x, w, b], theirs, {"stride": stride, "padding": padding}, terms=terms)


# --------------------------------------------------------------------------------------------------------------- pooling


def window(draw):
    """kernel_size, stride and padding of a pooling that PyTorch takes: it pads by half a window at most."""
    kernel = draw(pairs)
    stride = draw(st.none() | pairs)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    return kernel, {"kernel_size": one_or_two(draw, kernel), "stride": stride, "padding": padding}


def image(draw, kernel, padding=(0, 0), dilation=(1, 1)):
    return normal(draw, draw(batches), draw(small), *size_for(draw, kernel, padding, dilation))


@twin("max_pool2d")
def max_pool2d(draw):
    """Equal numbers too: PyTorch's gradient goes to the first one as well. Windows that see padding only are not drawn:
    there PyTorch gives minus infinity, and ours are refused."""
    kernel, options = window(draw)
    options["dilation"] = dilation = draw(pairs)
    x = image(draw, kernel, options["padding"], dilation)
    for n, p, d in zip(x.shape[2:], options["padding"], dilation, strict=True):
        assume(p == 0 or n >= d)
    return Call([x], lambda x: F.max_pool2d(x, **options), options, terms=9)


@twin("max_unpool2d")
def max_unpool2d(draw):
    """Windows that do not overlap: with others PyTorch leaves it open which of two numbers in one place stays."""
    kernel = draw(pairs)
    stride = tuple(k + draw(st.integers(0, 1)) for k in kernel)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    x = distinct(draw, draw(batches), draw(small), *size_for(draw, kernel, padding))
    geometry = {"kernel_size": kernel, "stride": stride, "padding": padding}
    pooled, switches = F.max_pool2d(torch.tensor(x), **geometry, return_indices=True)
    options = geometry | {"output_size": draw(st.sampled_from([x.shape[2:], x.shape]))}

    def theirs(x):
        return F.max_unpool2d(x, switches, **geometry, output_size=options["output_size"])

    return Call([pooled.numpy()], theirs, options, others=(switches.numpy(),))


@twin("avg_pool2d")
def avg_pool2d(draw):
    kernel, options = window(draw)
    options["count_include_pad"] = draw(st.booleans())
    x = image(draw, kernel, options["padding"])
    return Call([x], lambda x: F.avg_pool2d(x, **options), options, terms=9)


@twin("global_avg_pool2d")
def global_avg_pool2d(draw):
    x = image(draw, (1, 1))
    return Call([x], lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1), terms=x.shape[2] * x.shape[3])


@twin("l2_pool2d")
def l2_pool2d(draw):
    """Windows of zeros too: no direction to grow in, gradient 0. PyTorch's has no padding, so `pad` comes first."""
    kernel, options = window(draw)
    rows, columns = options["padding"]
    x = image(draw, kernel, (rows, columns)) * draw(st.sampled_from([1, 0]))

    def theirs(x):
        x = F.pad(x, (columns, columns, rows, rows))
        return F.lp_pool2d(x, 2, options["kernel_size"], stride=options["stride"])

    return Call([x], theirs, options, terms=9)


@twin("l2_pool_features")
def l2_pool_features(draw):
    pieces, width = draw(small), draw(small)
    x = normal(draw, draw(batches), pieces * width, *draw(st.sampled_from([(), (3,), (2, 3)])))

    def theirs(x):
        return x.unflatten(1, (width, pieces)).norm(dim=2)

    return Call([x], theirs, {"pieces": pieces}, terms=pieces)


@twin("roi_pool")
def roi_pool(draw):
    """torchvision's roi_pool is not here, but within the map its cells are those of adaptive pooling of the box."""
    x = distinct(draw, draw(st.integers(1, 3)), draw(small), draw(st.integers(1, 8)), draw(st.integers(1, 8)))
    size, boxes = draw(pairs), []
    for _ in range(draw(st.integers(0, 4))):
        x1, x2 = sorted(draw(st.tuples(*[st.integers(0, x.shape[3] - 1)] * 2)))
        y1, y2 = sorted(draw(st.tuples(*[st.integers(0, x.shape[2] - 1)] * 2)))
        boxes.append((draw(st.integers(0, len(x) - 1)), x1, y1, x2, y2))
    scale = draw(st.sampled_from([1.0, 0.5]))
    corners = np.reshape(boxes, (len(boxes), 5)) * [1, *[1 / scale] * 4]

    def theirs(x):
        parts = [x.new_zeros(0, x.shape[1], *size) + 0 * x.sum()]
        parts += [F.adaptive_max_pool2d(x[i : i + 1, :, y1 : y2 + 1, x1 : x2 + 1], size) for i, x1, y1, x2, y2 in boxes]
        return torch.cat(parts)

    return Call([x], theirs, {"output_size": size, "spatial_scale": scale}, others=(corners,), terms=9 * 4)


# ------------------------------------------------------------------------------------------------------------ resampling


@twin("upsample_nearest")
def upsample_nearest(draw):
    scale = draw(pairs)
    x = image(draw, (1, 1))
    return Call([x], lambda x: F.interpolate(x, scale_factor=scale), {"scale_factor": one_or_two(draw, scale)}, terms=9)


@twin("upsample_bilinear")
def upsample_bilinear(draw):
    """By a factor, or to any size, larger or smaller."""
    x, corners = image(draw, (1, 1)), draw(st.booleans())
    if draw(st.booleans()):
        options = {"scale_factor": draw(pairs)}
    else:
        options = {"size": (draw(st.integers(1, 12)), draw(st.integers(1, 12)))}

    def theirs(x):
        return F.interpolate(x, **options, mode="bilinear", align_corners=corners)

    return Call([x], theirs, options | {"align_corners": corners}, terms=200)


# --------------------------------------------------------------------------------------------------------- normalisation


@twin("batch_norm")
def batch_norm(draw):
    """At least two numbers a channel, or PyTorch refuses; no constant channels, or rounding errors are all there is."""
    shape = draw(st.sampled_from([(2, 3), (5, 1), (2, 3, 1, 1), (1, 2, 3, 2), (3, 2, 4, 5), (0, 3, 2, 2), (0, 3)]))
    x = distinct(draw, *shape) + draw(st.sampled_from([0, 0, 3]))
    weight, bias = normal(draw, shape[1]), normal(draw, shape[1])
    options = {"eps": draw(st.sampled_from([1e-5, 1e-3]))}
    running = None, None
    if not x.size or draw(st.booleans()):
        running = normal(draw, shape[1]), np.exp(normal(draw, shape[1]))
        options |= {"running_mean": running[0], "running_var": running[1]}

    def theirs(x, weight, bias):
        mean, var = (None if r is None else torch.tensor(r) for r in running)
        return F.batch_norm(x, mean, var, weight, bias, training=mean is None, eps=options["eps"])

    return Call([x, weight, bias], theirs, options, terms=8 * max(x.size, 1))


@twin("weight_norm")
def weight_norm(draw):
    shape = draw(st.sampled_from([(3, 4), (1, 1), (2, 3, 2, 3), (4, 1, 3, 3), (5,)]))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    v = distinct(draw, *shape) + 0.03
    g = normal(draw, *(n if i == axis % len(shape) else 1 for i, n in enumerate(shape)))

    def theirs(v, g):
        return g * v / v.movedim(axis, 0).flatten(1).norm(dim=1).reshape(g.shape) if v.ndim > 1 else g * v.sign()

    return Call([v, g], theirs, {"axis": axis}, terms=4 * v.size)


@twin("local_response_norm")
def local_response_norm(draw):
    options = {"size": draw(st.integers(1, 6)), "alpha": draw(st.sampled_from([1e-4, 0.7])), "beta": 0.6, "k": 1.5}
    x = normal(draw, draw(batches), draw(st.integers(1, 7)), draw(small), draw(small))
    return Call([x], lambda x: F.local_response_norm(x, **options), options, terms=18)


@twin("local_contrast_norm")
def local_contrast_norm(draw):
    """Not in PyTorch: Jarrett's formulas from its convolutions, so that autograd is what our gradient is compared with."""
    weights = np.random.default_rng(draw(st.integers(0, 99))).random((draw(st.sampled_from([1, 3, 5])), 3)) + 0.1
    shape = draw(batches), draw(small), draw(st.integers(2, 8)), draw(st.integers(2, 8))
    x = distinct(draw, *shape) / 4

    def theirs(x):
        rows, columns = (n // 2 for n in weights.shape)
        w = torch.tensor(weights)[None, None].repeat(1, x.shape[1], 1, 1)

        def around(x):
            met = F.conv2d(torch.ones_like(x[:1]), w, padding=(rows, columns)) if len(x) else x[:, :1]
            return F.conv2d(x, w, padding=(rows, columns)) / met

        v = x - around(x)
        deviation = around(v * v).sqrt()
        return v / torch.maximum(deviation, deviation.mean(dim=(2, 3), keepdim=True)).clamp(min=1e-4)

    return Call([x], theirs, {"window": weights}, terms=500)
