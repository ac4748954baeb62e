"""The shape of every op's output from the shapes of its inputs: a network on paper, before one number is computed.

Each rule takes what the forward pass takes, with a shape in the place of an array, and raises ValueError where the
shapes do not fit.
"""

import math

import numpy as np

from . import ops
from ._numbers import whole
from .arithmetic import output_size
from .ops._arguments import pair, which_axis
from .ops._windows import directions

RULES = {}  # op name: its rule
ANY = ["relu", "sigmoid", "tanh", "leaky_relu", "elu", "dropout", "power"]  # the output has the shape of the input
REARRANGED = ["broadcast_to", "sum", "reshape", "transpose", "getitem"]  # numpy tells these best
PAIRED = [
    *("perceptron_loss", "hinge_loss", "logistic_loss", "binary_cross_entropy_with_logits"),
    *("smooth_l1", "mse"),
]  # one number, of two arrays of one shape


def of(name, *inputs, **options):
    """The shape of the output of an op, as a tuple.

    inputs: the shapes of the arrays (None for an array that is left out); options: as for the forward pass. Raises
    KeyError for an op without a rule, ValueError or TypeError where shapes or options do not fit, as the op does.

    >>> of("conv2d", (1, 3, 32, 32), (6, 3, 5, 5), stride=1)
    (1, 6, 28, 28)
    """
    if name not in RULES:
        raise KeyError(f"there is no rule for the shape of {name!r}; there are {', '.join(RULES)}")
    return tuple(int(n) for n in RULES[name](*inputs, **options))


def together(*inputs):
    """The common shape of arrays that numpy would spread out for `+`. Raises ValueError where there is none.

    >>> together((2, 3), (3,), ())
    (2, 3)
    """
    try:
        return np.broadcast_shapes(*inputs)
    except ValueError:
        raise ValueError(f"the shapes {' and '.join(map(str, inputs))} do not go together") from None


def _rule(function):
    RULES[function.__name__.strip("_")] = function
    return function


def _paired(x, y, **options):
    if x != y or not math.prod(x):
        raise ValueError(f"a loss of shapes {x} and {y} needs one shape, and at least one number")
    return ()


def _rearranged(name):
    return lambda x, **options: getattr(ops, f"{name}_forward")(np.broadcast_to(np.float32(0), x), **options)[0].shape


RULES.update({name: lambda x, **options: x for name in ANY})
RULES.update({name: _paired for name in PAIRED})
RULES.update({name: _rearranged(name) for name in REARRANGED})


@_rule
def cross_entropy(x, labels, ignore_index=None):
    if len(x) < 2 or labels != (x[0], *x[2:]) or not math.prod(x):
        raise ValueError(f"scores has shape {x}, labels {labels}, but they must be (N, C, ...) and (N, ...)")
    return ()


@_rule
def hinge(x, labels, margin=1.0):
    if len(x) != 2:
        raise ValueError(f"scores has shape {x}, but needs (N, C)")
    return cross_entropy(x, labels)


@_rule
def softmax(x, axis=1):
    which_axis(axis, len(x))
    return x


@_rule
def log_softmax(x, axis=1):
    return softmax(x, axis)


@_rule
def batch_norm(x, weight, bias, running_mean=None, running_var=None, eps=1e-5, algo=None):
    if len(x) < 2 or not math.prod(x):
        raise ValueError(f"x has shape {x}, but needs at least 2 axes, (N, C, ...), and one number")
    for name, values in {"weight": weight, "bias": bias}.items():
        _one_each(values, name, x[1], "channels")
    return x


@_rule
def local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    whole(size, "size", 1)
    return _images(x)


@_rule
def local_contrast_norm(x, kernel_size=9, window=None, eps=1e-4):
    size = pair(kernel_size, "kernel_size", 1) if window is None else np.shape(window)
    if len(size) != 2 or size[0] % 2 == 0 or size[1] % 2 == 0:
        raise ValueError(f"the window has shape {size}, but needs two odd lengths, so that it has a middle")
    return _images(x)


@_rule
def linear(x, w, b=None):
    if len(w) != 2 or not x or x[-1] != w[1]:
        raise ValueError(
            f"x has shape {x} and w {w}, but they must be (N, in_features) and (out_features, in_features)"
        )
    _one_each(b, "b", w[0], "outputs")
    return (*x[:-1], w[0])


@_rule
def matmul(x, y):
    if len(x) != 2 or len(y) != 2 or x[1] != y[0]:
        raise ValueError(f"matrices of shapes {x} and {y} cannot be multiplied")
    return x[0], y[1]


@_rule
def conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1, algo=None):
    _images(x), _filters(w, 4, "(K, C/groups, FH, FW)"), whole(groups, "groups", 1)
    if x[1] % groups or w[0] % groups:
        raise ValueError(f"{x[1]} channels and {w[0]} filters do not divide into {groups} groups")
    if x[1] != w[1] * groups:
        raise ValueError(f"x has {x[1]} channels, but w is made for {w[1] * groups}")
    _one_each(b, "b", w[0], "filters")
    return (x[0], w[0], *windows(x, w[2:], stride, padding, dilation))


@_rule
def conv_transpose2d(x, w, b=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1, algo=None):
    _images(x), _filters(w, 4, "(C, K/groups, FH, FW)"), whole(groups, "groups", 1)
    if x[1] != w[0] or x[1] % groups:
        raise ValueError(f"x has {x[1]} channels, but w is made for {w[0]}, in {groups} groups")
    _one_each(b, "b", w[1] * groups, "output channels")
    stride, padding, dilation = pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    more = pair(output_padding, "output_padding", 0)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ValueError(
            f"output_padding is {more}, but must be less than the stride {stride} or the dilation {dilation}"
        )
    sizes = zip(x[2:], w[2:], stride, padding, more, dilation, strict=True)
    return _kept((x[0], w[1] * groups, *((n - 1) * s - 2 * p + d * (f - 1) + o + 1 for n, f, s, p, o, d in sizes)))


@_rule
def locally_connected2d(x, w, b=None, stride=1, padding=0):
    _images(x), _filters(w, 6, "(OH, OW, K, C, FH, FW)")
    out = (x[0], w[2], *windows(x, w[4:], stride, padding, 1))
    if x[1] != w[3] or out[2:] != w[:2]:
        raise ValueError(f"x has {x[1]} channels and {out[2]} x {out[3]} windows, but w is made for {w[3]} and {w[:2]}")
    if b is not None and b != out[1:]:
        raise ValueError(f"b has shape {b}, but the output needs {out[1:]}")
    return out


@_rule
def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, algo=None, need_cache=True):
    size = pair(kernel_size, "kernel_size", 1)
    stride = size if stride is None else pair(stride, "stride", 1)
    both = directions(_images(x), size, stride, pair(padding, "padding", 0), pair(dilation, "dilation", 1))
    return (*x[:2], *(direction.windows for direction in both))


@_rule
def avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True, algo=None):
    return max_pool2d(x, kernel_size, stride, padding)


@_rule
def l2_pool2d(x, kernel_size, stride=None, padding=0):
    return max_pool2d(x, kernel_size, stride, padding)


@_rule
def global_avg_pool2d(x):
    return _images(x)[:2]


@_rule
def max_unpool2d(x, switches, kernel_size, stride=None, padding=0, output_size=None):
    if switches != _images(x):
        raise ValueError(f"switches has shape {switches}, but x has {x}")
    if output_size is not None:
        return (*x[:2], *pair(tuple(output_size)[-2:] if np.ndim(output_size) else output_size, "output_size", 1))
    size, padding = pair(kernel_size, "kernel_size", 1), pair(padding, "padding", 0)
    stride = size if stride is None else pair(stride, "stride", 1)
    return _kept((*x[:2], *((n - 1) * s - 2 * p + f for n, f, s, p in zip(x[2:], size, stride, padding, strict=True))))


@_rule
def l2_pool_features(x, pieces=2):
    if len(x) < 2 or x[1] % whole(pieces, "pieces", 1):
        raise ValueError(f"x has shape {x}, but its second axis must divide into groups of {pieces}")
    return (x[0], x[1] // pieces, *x[2:])


@_rule
def maxout(x, pieces=2):
    return l2_pool_features(x, pieces)


@_rule
def upsample_nearest(x, scale_factor=2):
    rows, columns = pair(scale_factor, "scale_factor", 1)
    return (*_images(x)[:2], x[2] * rows, x[3] * columns)


@_rule
def upsample_bilinear(x, scale_factor=2, size=None, align_corners=False):
    enlarged = upsample_nearest(x, scale_factor)
    return enlarged if size is None else (*x[:2], *pair(size, "size", 1))


@_rule
def roi_pool(x, boxes, output_size, spatial_scale=1.0):
    if len(boxes) != 2 or boxes[1] != 5:
        raise ValueError(f"boxes has shape {boxes}, but needs (R, 5): image, x1, y1, x2, y2")
    return (boxes[0], _images(x)[1], *pair(output_size, "output_size", 1))


@_rule
def weight_norm(v, g, axis=0):
    axis = which_axis(axis, len(v))
    wanted = tuple(n if i == axis else 1 for i, n in enumerate(v))
    if g != wanted:
        raise ValueError(f"g has shape {g}, but v of shape {v} needs {wanted}")
    return v


@_rule
def concatenate(*xs, axis=1):
    axis = which_axis(axis, len(add(*xs[:1])))
    for x in xs[1:]:
        if len(x) != len(xs[0]) or x[:axis] + x[axis + 1 :] != xs[0][:axis] + xs[0][axis + 1 :]:
            raise ValueError(f"arrays of shapes {xs[0]} and {x} cannot be joined along axis {axis}")
    return (*xs[0][:axis], sum(x[axis] for x in xs), *xs[0][axis + 1 :])


@_rule
def add(*xs):
    if not xs:
        raise ValueError("there are no arrays, but at least one is needed")
    for x in xs[1:]:
        if x != xs[0]:
            raise ValueError(f"arrays of shapes {xs[0]} and {x} cannot be added")
    return xs[0]


@_rule
def multiply(x, y):
    if x != y:
        raise ValueError(f"x has shape {x}, but y has {y}")
    return x


@_rule
def pad(x, padding):
    four = isinstance(padding, tuple | list | np.ndarray) and len(padding) == 4
    top, bottom, left, right = (
        (*pair(padding[:2], "padding", 0), *pair(padding[2:], "padding", 0))
        if four
        else np.repeat(pair(padding, "padding", 0), 2)
    )
    return (*_images(x)[:2], x[2] + top + bottom, x[3] + left + right)


@_rule
def crop(x, top, left, height, width):
    whole(top, "top", 0), whole(left, "left", 0), whole(height, "height", 1), whole(width, "width", 1)
    if top + height > _images(x)[2] or left + width > x[3]:
        raise ValueError(f"{height} x {width} pixels from {top}, {left} on do not lie in an image of {x[2]} x {x[3]}")
    return (*x[:2], height, width)


@_rule
def flatten(x):
    if not x:
        raise ValueError("x is one number, but needs an axis of examples")
    return x[0], math.prod(x[1:])


# ---------------------------------------------------------------------------------------------------------- small parts


def windows(x, kernel_size, stride, padding, dilation):
    """The rows and columns of positions that a filter takes on images of shape x = (N, C, H, W)."""
    stride, padding, dilation = pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    return tuple(map(output_size, x[2:], kernel_size, stride, padding, dilation))


def _images(x):
    if len(x) != 4:
        raise ValueError(f"x has {len(x)} axes, but images need 4: (N, C, H, W)")
    if min(x[2:]) < 1:
        raise ValueError(f"x has {x[2]} x {x[3]} pixels, but needs at least 1 x 1")
    return x


def _filters(w, axes, letters):
    if len(w) != axes or min(w[-2:]) < 1:
        raise ValueError(f"w has shape {w}, but filters need {axes} axes, {letters}, and at least 1 x 1 weights")


def _one_each(values, name, n, what):
    if values is not None and values != (n,):
        raise ValueError(f"{name} has shape {values}, but {n} {what} need ({n},)")


def _kept(shape):
    if min(shape[2:]) < 1:
        raise ValueError(f"padding leaves {shape[2]} x {shape[3]} pixels of the output, but at least 1 x 1 must stay")
    return shape
