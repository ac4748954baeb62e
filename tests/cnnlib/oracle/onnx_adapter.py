"""The operators of ONNX by the ops of cnnlib: what each node of a model would call.

RUN has a function for every operator that our ops can express: from the node's attributes and its input arrays (None
for one that is left out) to its outputs. Where ONNX pads unequally, rounds sizes up or has one axis only, the adapter
pads, crops and reshapes with our own ops. LEFT_OUT says which of their node tests cannot be expressed, and why.
"""

import math

import numpy as np

from cnnlib import ops, optim
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.nn import Parameter

RUN = {}


def runs(*names):
    """Enters a function under the names of operators; it is called with the name too where there are several."""

    def enter(function):
        for name in names:
            RUN[name] = function if len(names) == 1 else lambda node, *xs, name=name: function(name, node, *xs)
        return function

    return enter


def out_of(name, *arrays, **options):
    """The forward pass of an op without its cache."""
    return getattr(ops, f"{name}_forward")(*arrays, **options)[0]


# ------------------------------------------------------------------------------------------------------ windows and pads


def one_axis(function):
    """Signals (N, C, L) become images of one row, and come back; images go as they are."""

    def widened(node, x, *others):
        if x.ndim != 3:
            return function(node, x, *others)
        node = dict(node)
        for name, usual in {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 0}.items():
            if name in node:
                node[name] = [usual, *node[name]]
        if "pads" in node:
            node["pads"] = [0, node["pads"][0], 0, node["pads"][1]]
        images = [a[:, :, None] if a is not None and a.ndim == 3 else a for a in (x, *others)]
        return [a[:, :, 0] for a in function(node, *images)]

    return widened


def geometry(node, x_shape, kernel):
    """stride and dilation as pairs, pads (top, left, bottom, right), and the rows and columns that rounding up adds."""
    stride, dilation = tuple(node.get("strides", (1, 1))), tuple(node.get("dilations", (1, 1)))
    pads, auto = list(node.get("pads", (0,) * 4)), node.get("auto_pad", b"NOTSET")
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        for axis in (0, 1):
            n, s = x_shape[2 + axis], stride[axis]
            total = max(0, (-(-n // s) - 1) * s + extent[axis] - n)
            less, more = total // 2, total - total // 2
            pads[axis], pads[2 + axis] = (less, more) if auto == b"SAME_UPPER" else (more, less)
    beyond = [0, 0]
    if node.get("ceil_mode"):
        for axis in (0, 1):
            padded = x_shape[2 + axis] + pads[axis] + pads[2 + axis]
            rest = (padded - extent[axis]) % stride[axis]
            windows = -(-(padded - extent[axis]) // stride[axis])  # so many after the first; the last may start outside
            starts_inside = windows * stride[axis] < x_shape[2 + axis] + pads[axis]
            beyond[axis] = stride[axis] - rest if rest and starts_inside else 0
    return stride, dilation, pads, beyond


def framed(x, pads, beyond=(0, 0), value=0.0):
    """The images with pads and what lies beyond them, of any value: `pad` for zeros, `concatenate` for others."""
    top, left, bottom, right = pads[0], pads[1], pads[2] + beyond[0], pads[3] + beyond[1]
    if value == 0:
        return out_of("pad", x, padding=(top, bottom, left, right))
    for axis, before, after in ((2, top, bottom), (3, left, right)):
        rims = [np.full((*x.shape[:axis], n, *x.shape[axis + 1 :]), value, x.dtype) for n in (before, after)]
        x = out_of("concatenate", rims[0], x, rims[1], axis=axis)
    return x


def equal(pads, beyond=(0, 0)):
    """Whether both ends have the same pads, as our padding wants it, and nothing lies beyond."""
    return pads[:2] == pads[2:] and not any(beyond)


@runs("Conv")
@one_axis
def conv(node, x, w, b=None):
    stride, dilation, pads, _ = geometry(node, x.shape, w.shape[2:])
    if not equal(pads):
        x, pads = framed(x, pads), [0, 0]
    options = {"stride": stride, "padding": tuple(pads[:2]), "dilation": dilation, "groups": node.get("group", 1)}
    return [out_of("conv2d", x, w, b, **options)]


@runs("ConvTranspose")
@one_axis
def conv_transpose(node, x, w, b=None):
    """The whole output first, then what the pads, or the shape that is asked for, leave of it."""
    stride, dilation, pads, _ = geometry({**node, "auto_pad": b"NOTSET"}, x.shape, w.shape[2:])
    more, auto = list(node.get("output_padding", (0, 0))), node.get("auto_pad", b"NOTSET")
    wanted = node.get("output_shape")
    if wanted is None and auto in (b"SAME_UPPER", b"SAME_LOWER"):
        wanted = [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
    if wanted is not None:
        for axis in (0, 1):
            whole = stride[axis] * (x.shape[2 + axis] - 1) + dilation[axis] * (w.shape[2 + axis] - 1) + 1 + more[axis]
            total = whole - wanted[axis]
            more[axis] += max(0, -total)
            less, rest = max(0, total) // 2, max(0, total) - max(0, total) // 2
            pads[axis], pads[2 + axis] = (less, rest) if auto == b"SAME_UPPER" else (rest, less)
    options = {"stride": stride, "output_padding": tuple(more), "dilation": dilation, "groups": node.get("group", 1)}
    if equal(pads):
        return [out_of("conv_transpose2d", x, w, b, padding=tuple(pads[:2]), **options)]
    out = out_of("conv_transpose2d", x, w, b, **options)
    height, width = out.shape[2] - pads[0] - pads[2], out.shape[3] - pads[1] - pads[3]
    return [out_of("crop", out, top=pads[0], left=pads[1], height=height, width=width)]


@runs("MaxPool")
@one_axis
def max_pool(node, x):
    """Indices count through the whole array; with storage_order 1, columns before rows."""
    kernel = tuple(node["kernel_shape"])
    stride, dilation, pads, beyond = geometry(node, x.shape, kernel)
    options = {"kernel_size": kernel, "stride": stride, "dilation": dilation}
    if not equal(pads, beyond):
        return [out_of("max_pool2d", framed(x, pads, beyond, -np.inf), **options)]
    out, cache = ops.max_pool2d_forward(x, padding=tuple(pads[:2]), **options)
    rows, columns = np.divmod(ops.max_pool2d_switches(cache), x.shape[3])
    place = columns * x.shape[2] + rows if node.get("storage_order") else rows * x.shape[3] + columns
    image = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1)
    return [out, image * (x.shape[2] * x.shape[3]) + place]


@runs("AveragePool")
@one_axis
def average_pool(node, x):
    """Where pads are unequal or something lies beyond them: the mean over the window by the mean of ones that count."""
    kernel = tuple(node["kernel_shape"])
    stride, _, pads, beyond = geometry(node, x.shape, kernel)
    options, counts = {"kernel_size": kernel, "stride": stride}, bool(node.get("count_include_pad"))
    if equal(pads, beyond):
        return [out_of("avg_pool2d", x, padding=tuple(pads[:2]), count_include_pad=counts, **options)]
    ones = np.ones_like(x)
    ones = framed(framed(ones, pads, value=1.0), [0] * 4, beyond) if counts else framed(ones, pads, beyond)
    return [out_of("avg_pool2d", framed(x, pads, beyond), **options) / out_of("avg_pool2d", ones, **options)]


@runs("LpPool")
@one_axis
def l2_pool(node, x):
    kernel = tuple(node["kernel_shape"])
    stride, _, pads, beyond = geometry(node, x.shape, kernel)
    return [out_of("l2_pool2d", framed(x, pads, beyond), kernel_size=kernel, stride=stride)]


@runs("GlobalAveragePool")
def global_average_pool(node, x):
    return [out_of("global_avg_pool2d", x)[:, :, None, None]]


@runs("GlobalMaxPool")
def global_max_pool(node, x):
    return [out_of("max_pool2d", x, kernel_size=x.shape[2:])]


@runs("MaxUnpool")
def max_unpool(node, x, indices, output_shape=None):
    """Indices count through the array of the usual size; a larger one is padded at the ends."""
    kernel, stride = tuple(node["kernel_shape"]), tuple(node["strides"])
    sizes = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], stride, kernel, strict=True)]
    out = out_of("max_unpool2d", x, indices % math.prod(sizes), kernel_size=kernel, stride=stride)
    if output_shape is not None:
        out = out_of("pad", out, padding=(0, output_shape[2] - sizes[0], 0, output_shape[3] - sizes[1]))
    return [out]


@runs("Col2Im")
def col2im(node, x, image_shape, block_shape):
    top, left, bottom, right = node.get("pads", (0,) * 4)
    channels = x.shape[1] // math.prod(block_shape.tolist())
    options = {"stride": tuple(node.get("strides", (1, 1))), "dilation": tuple(node.get("dilations", (1, 1)))}
    assert (top, left) == (bottom, right)
    shape = len(x), channels, *image_shape.tolist()
    cols = x.swapaxes(1, 2).reshape(len(x) * x.shape[2], x.shape[1])
    return [ops.col2im(cols, shape, tuple(block_shape.tolist()), padding=(top, left), **options)]


@runs("Pad")
def pad(node, x, pads, value=None, axes=None):
    """A value that is not 0: zeros around, and the value wherever ones around were not."""
    assert node.get("mode", b"constant") == b"constant"
    every = np.zeros((2, 4), int)
    every[:, np.arange(4) if axes is None else axes] = pads.reshape(2, -1)
    assert not every[:, :2].any(), "our padding is of the last two axes"
    sides = every[0, 2], every[1, 2], every[0, 3], every[1, 3]
    rim = 1 - out_of("pad", np.ones_like(x), padding=sides)
    return [out_of("pad", x, padding=sides) + (0 if value is None else value) * rim]


@runs("Resize", "Upsample")
def resize(name, node, x, *arguments):
    """Resize(x, roi, scales, sizes) and Upsample(x, scales): blocks of equal pixels, or the mean of neighbours."""
    scales, sizes = (arguments[0], None) if name == "Upsample" else (*arguments, None, None, None)[1:3]
    axes = node.get("axes", [0, 1, 2, 3][-len(scales if sizes is None else sizes) :])
    factors = np.ones(4)
    if sizes is None:
        factors[axes] = scales
    else:
        factors[axes] = sizes / np.take(x.shape, axes)
        if node.get("keep_aspect_ratio_policy") == b"not_smaller":
            factors[axes] = factors[axes].max()
    assert (factors == factors.round()).all()
    assert (factors[:2] == 1).all()
    scale = int(factors[2]), int(factors[3])
    if node["mode"] == b"nearest":
        return [out_of("upsample_nearest", x, scale_factor=scale)]
    corners = node.get("coordinate_transformation_mode") == b"align_corners"
    return [out_of("upsample_bilinear", x, scale_factor=scale, align_corners=corners)]


# --------------------------------------------------------------------------------------------------------- normalisation


@runs("BatchNormalization")
def batch_norm(node, x, weight, bias, mean, var):
    """In training, the running statistics follow the batch's; momentum is here the part of the old ones."""
    eps, kept = node.get("epsilon", 1e-5), np.float32(node.get("momentum", 0.9))
    if not node.get("training_mode"):
        return [out_of("batch_norm", x, weight, bias, running_mean=mean, running_var=var, eps=eps)]
    out, cache = ops.batch_norm_forward(x, weight, bias, eps=eps)
    return [out, mean * kept + cache.mean * (1 - kept), var * kept + cache.var * (1 - kept)]


@runs("LRN")
def local_response_norm(node, x):
    options = {"size": node["size"], "alpha": node.get("alpha", 1e-4), "beta": node.get("beta", 0.75)}
    return [out_of("local_response_norm", x, k=node.get("bias", 1.0), **options)]


@runs("LpNormalization")
def l2_norm(node, x):
    """Rows of length 1: weight norm with g = 1, each row along the axis a filter."""
    axis = node.get("axis", -1)
    rows = np.moveaxis(x, axis, -1)
    flat = rows.reshape(-1, rows.shape[-1])
    out = out_of("weight_norm", flat, np.ones((len(flat), 1), x.dtype))
    return [np.moveaxis(out.reshape(rows.shape), -1, axis)]


class GivenNumbers(np.random.Generator):
    """A Generator with the random numbers of ONNX's example, numpy's older ones."""

    def __init__(self, seed):
        super().__init__(np.random.PCG64())
        self.older = np.random.RandomState(seed)

    def random(self, size=None, dtype=np.float64, out=None):
        return self.older.uniform(0, 1.0, size)


@runs("Dropout")
def dropout(node, x, ratio=None, training=None):
    """The mask is what stays of ones."""
    options = {"p": 0.5 if ratio is None else float(ratio), "training": bool(training)}
    out, mask = (out_of("dropout", a, rng=GivenNumbers(node.get("seed")), **options) for a in (x, np.ones_like(x)))
    return [out, mask > 0]


# ---------------------------------------------------------------------------------- activations, probabilities, losses

ACTIVATIONS = {
    "Relu": ("relu", {}),
    "Sigmoid": ("sigmoid", {}),
    "Tanh": ("tanh", {}),
    "LeakyRelu": ("leaky_relu", {"negative_slope": "alpha"}),
    "Elu": ("elu", {"alpha": "alpha"}),
}


@runs(*ACTIVATIONS)
def activation(name, node, x):
    op, options = ACTIVATIONS[name]
    return [out_of(op, x, **{ours: node[theirs] for ours, theirs in options.items() if theirs in node})]


@runs("Softmax", "LogSoftmax")
def softmax(name, node, x):
    return [out_of("softmax" if name == "Softmax" else "log_softmax", x, axis=node.get("axis", -1))]


@runs("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(node, scores, labels, weights=None):
    """The mean without weights is our op; else each item's own loss is needed, and added by hand."""
    log_p = out_of("log_softmax", scores)
    ignored = node.get("ignore_index")
    if node.get("reduction", b"mean") == b"mean" and weights is None:
        return [out_of("cross_entropy", scores, labels, ignore_index=ignored), log_p]
    return [*negative_log_likelihood(node, log_p, labels, weights), log_p]


@runs("NegativeLogLikelihoodLoss")
def negative_log_likelihood(node, log_p, labels, weights=None):
    """Minus what `getitem` finds at the labels, weighted: 0 for those that do not count."""
    counted = labels != node["ignore_index"] if "ignore_index" in node else np.ones(labels.shape, bool)
    places = np.indices(labels.shape)
    labels = np.where(counted, labels, 0)
    right = out_of("getitem", log_p, index=(places[0], labels, *places[1:]))
    each = (counted if weights is None else weights[labels] * counted).astype(log_p.dtype)
    losses = Tensor(-right) * each
    reduction = node.get("reduction", b"mean")
    if reduction == b"none":
        return [losses.data]
    return [losses.sum().data if reduction == b"sum" else (losses.sum() / each.sum()).data]


# ------------------------------------------------------------------------------------------------- arithmetic and shapes

ARITHMETIC = {
    "Add": lambda x, y: x + y,
    "Sub": lambda x, y: x - y,
    "Mul": lambda x, y: x * y,
    "Div": lambda x, y: x / y,
    "Neg": lambda x: -x,
    "Reciprocal": lambda x: x**-1,
    "Sqrt": lambda x: x**0.5,
    "MatMul": lambda x, y: x @ y,
    "Sum": lambda *xs: F.add(*xs),
    "Mean": lambda *xs: F.add(*xs) * (1 / len(xs)),
    "Identity": lambda x: x,
}


@runs(*ARITHMETIC)
def arithmetic(name, node, *xs):
    return [ARITHMETIC[name](*map(Tensor, xs)).data]


@runs("Pow")
def power(node, x, exponent):
    return [out_of("power", x, exponent=exponent.item())]


@runs("Gemm")
def gemm(node, a, b, c=None):
    """alpha a b + beta c: our linear layer, whose weights are b transposed, where c is a bias and both factors are 1."""
    a = out_of("transpose", a) if node.get("transA") else a
    w = b if node.get("transB") else out_of("transpose", b)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    if alpha == beta == 1 and c is not None and c.shape == (1, len(w)):
        return [out_of("linear", a, w, c[0])]
    out = Tensor(out_of("linear", a, w)) * alpha
    return [out.data if c is None else (out + Tensor(c) * beta).data]


def _axes(node, x, axes):
    """The axes from the attribute or the input; none where all are meant."""
    axes = node.get("axes") if axes is None else axes.tolist()
    return tuple(axes) if axes else None


REDUCTIONS = {
    "ReduceSum": lambda x, **options: x.sum(**options),
    "ReduceMean": lambda x, **options: x.mean(**options),
    "ReduceSumSquare": lambda x, **options: (x * x).sum(**options),
    "ReduceL2": lambda x, **options: (x * x).sum(**options) ** 0.5,
}


@runs(*REDUCTIONS)
def reduction(name, node, x, axes=None):
    axes = _axes(node, x, axes)
    if axes is None and node.get("noop_with_empty_axes"):
        return [x]
    return [REDUCTIONS[name](Tensor(x), axis=axes, keepdims=bool(node.get("keepdims", 1))).data]


@runs("Concat")
def concat(node, *xs):
    return [out_of("concatenate", *xs, axis=node["axis"])]


@runs("Flatten")
def flatten(node, x):
    """Everything before the axis is the examples."""
    axis = node.get("axis", 1) % x.ndim
    return [out_of("flatten", out_of("reshape", x, shape=(math.prod(x.shape[:axis]), *x.shape[axis:])))]


@runs("Reshape")
def reshape(node, x, shape):
    """A length 0 is that of x, unless allowzero."""
    shape = [x.shape[i] if n == 0 and not node.get("allowzero") else n for i, n in enumerate(shape.tolist())]
    return [out_of("reshape", x, shape=tuple(shape))]


@runs("Squeeze")
def squeeze(node, x, axes=None):
    gone = np.atleast_1d(axes) % x.ndim if axes is not None else [i for i, n in enumerate(x.shape) if n == 1]
    return [out_of("reshape", x, shape=tuple(n for i, n in enumerate(x.shape) if i not in gone))]


@runs("Unsqueeze")
def unsqueeze(node, x, axes):
    ndim, lengths = x.ndim + len(axes), iter(x.shape)
    return [out_of("reshape", x, shape=tuple(1 if i in axes % ndim else next(lengths) for i in range(ndim)))]


@runs("Transpose")
def transpose(node, x):
    return [out_of("transpose", x, axes=node.get("perm"))]


@runs("Expand")
def expand(node, x, shape):
    return [out_of("broadcast_to", x, shape=np.broadcast_shapes(x.shape, tuple(shape.tolist())))]


@runs("Slice")
def slice_(node, x, starts, ends, axes=None, steps=None):
    index = [slice(None)] * x.ndim
    axes = range(len(starts)) if axes is None else axes.tolist()
    steps = [1] * len(starts) if steps is None else steps.tolist()
    for axis, start, end, step in zip(axes, starts.tolist(), ends.tolist(), steps, strict=True):
        index[axis] = slice(start, end, step)
    return [out_of("getitem", x, index=tuple(index))]


@runs("Gather")
def gather(node, x, indices):
    return [out_of("getitem", x, index=(slice(None),) * (node.get("axis", 0) % x.ndim) + (indices,))]


@runs("Split")
def split(node, x, lengths=None):
    """Equal parts, the last one smaller where they do not fit."""
    axis, n = node.get("axis", 0), x.shape[node.get("axis", 0)]
    if lengths is None:
        count = node.get("num_outputs", node["outputs"])
        lengths = np.minimum(-(-n // count), n - np.arange(count) * -(-n // count))
    ends = np.cumsum(lengths)
    before = (slice(None),) * (axis % x.ndim)
    return [out_of("getitem", x, index=(*before, slice(end - k, end))) for end, k in zip(ends, lengths, strict=True)]


@runs("Momentum")
def momentum(node, lr, steps_before, *arrays):
    """Not an op but the optimizer: weights, gradients and velocities, as many of each, to weights and velocities."""
    assert steps_before == 0 or node["beta"] == 1, "our new gradient goes into the velocity whole"
    third = len(arrays) // 3
    parameters = [Parameter(w.copy()) for w in arrays[:third]]
    options = {"momentum": node["alpha"], "weight_decay": node["norm_coefficient"]}
    optimizer = optim.SGD(parameters, float(lr), nesterov=node["mode"] == b"nesterov", **options)
    optimizer.load_state_dict({str(i): v for i, v in enumerate(arrays[2 * third :])})
    for parameter, gradient in zip(parameters, arrays[third : 2 * third], strict=True):
        parameter.grad = gradient
    optimizer.step()
    velocities = optimizer.state_dict()
    return [p.data for p in parameters] + [velocities[str(i)] for i in range(third)]


# ---------------------------------------------------------------------------------------------------- what is left out

LEFT_OUT = {
    "three directions, and our images have two": [
        "test_averagepool_3d_default",
        "test_averagepool_3d_dilations_small",
        "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True",
        "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False",
        "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
        "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False",
        "test_maxpool_3d_default",
        "test_maxpool_3d_dilations",
        "test_maxpool_3d_dilations_use_ref_impl",
        "test_maxpool_3d_dilations_use_ref_impl_large",
        "test_lppool_3d_default",
        "test_convtranspose_3d",
        "test_col2im_5d",
    ],
    "avg_pool2d and l2_pool2d have no dilation": [
        "test_averagepool_2d_dilations",
        "test_lppool_2d_dilations",
    ],
    "the only norm that we pool with is 2": [
        "test_lppool_1d_default",
        "test_lppool_2d_default",
        "test_lppool_2d_same_lower",
        "test_lppool_2d_pads",
    ],
    "weight_norm knows no other length than the Euclidean": [
        "test_l1normalization_axis_0",
        "test_l1normalization_axis_1",
        "test_l1normalization_axis_last",
    ],
    "weight_norm refuses a filter of zeros, which ONNX leaves at 0": [
        "test_l2normalization_axis_0",
    ],
    "matmul is of two matrices": [
        "test_matmul_3d",
        "test_matmul_4d",
        "test_matmul_bcast",
        "test_matmul_1d_3d",
        "test_matmul_4d_1d",
        "test_matmul_1d_1d",
    ],
    "power has one exponent for the whole array": [
        "test_pow_example",
        "test_pow",
        "test_pow_bcast_array",
        "test_pow_types_float32_int64",
        "test_pow_types_int64_float32",
        "test_pow_types_float32_int32",
        "test_pow_types_int32_float32",
        "test_pow_types_float32_uint64",
        "test_pow_types_float32_uint32",
        "test_pow_types_int64_int64",
        "test_pow_types_int32_int32",
    ],
    "integers are divided without rest, and ours become floats": [
        "test_div_int8",
        "test_div_int16",
        "test_div_int32_trunc",
        "test_div_uint8",
        "test_div_uint16",
        "test_div_uint32",
        "test_div_uint64",
    ],
    "the input is a list of arrays, or none": [
        "test_identity_sequence",
        "test_identity_opt",
    ],
    "we pad with one value only": [
        "test_edge_pad",
        "test_reflect_pad",
        "test_wrap_pad",
    ],
    "upsample_nearest has whole factors only": [
        "test_resize_downsample_scales_nearest",
        "test_resize_upsample_sizes_nearest",
        "test_resize_downsample_sizes_nearest",
        "test_resize_upsample_sizes_nearest_axes_2_3",
        "test_resize_upsample_sizes_nearest_axes_3_2",
        "test_resize_upsample_sizes_nearest_not_larger",
        "test_resize_downsample_sizes_nearest_not_larger",
        "test_resize_downsample_sizes_nearest_not_smaller",
    ],
    "the nearest pixel is another one than that of the same block": [
        "test_resize_upsample_sizes_nearest_floor_align_corners",
        "test_resize_upsample_sizes_nearest_round_prefer_ceil_asymmetric",
        "test_resize_upsample_sizes_nearest_ceil_half_pixel",
    ],
    "places follow a factor that is not that of the sizes; ours follow the sizes": [
        "test_resize_downsample_scales_linear",
        "test_resize_downsample_scales_linear_align_corners",
        "test_resize_downsample_scales_linear_half_pixel_symmetric",
        "test_resize_upsample_scales_linear_half_pixel_symmetric",
    ],
    "one pixel is taken from the corner, as PyTorch once did, not from the middle": [
        "test_resize_downsample_sizes_linear_pytorch_half_pixel",
    ],
    "no smoothing before an image is made smaller": [
        "test_resize_downsample_scales_linear_antialias",
        "test_resize_downsample_sizes_linear_antialias",
        "test_resize_downsample_scales_cubic_antialias",
        "test_resize_downsample_sizes_cubic_antialias",
    ],
    "no cubic interpolation": [
        "test_resize_upsample_scales_cubic",
        "test_resize_upsample_scales_cubic_align_corners",
        "test_resize_downsample_scales_cubic",
        "test_resize_downsample_scales_cubic_align_corners",
        "test_resize_upsample_sizes_cubic",
        "test_resize_downsample_sizes_cubic",
        "test_resize_upsample_scales_cubic_A_n0p5_exclude_outside",
        "test_resize_downsample_scales_cubic_A_n0p5_exclude_outside",
        "test_resize_upsample_scales_cubic_asymmetric",
    ],
    "no resampling of a part of the image": [
        "test_resize_tf_crop_and_resize",
        "test_resize_tf_crop_and_resize_extrapolation_value",
        "test_resize_tf_crop_and_resize_axes_2_3",
        "test_resize_tf_crop_and_resize_axes_3_2",
    ],
}
