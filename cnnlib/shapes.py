"""The shape of every op's output from the shapes of its inputs: a network on paper, before one number is computed.

Each rule takes what the forward pass takes, with a shape in the place of an array, and raises ValueError where the
shapes do not fit.
"""

import math

import numpy as np

from .arithmetic import output_size

RULES = {}  # op name: its rule
SAME = [
    "relu",
    "sigmoid",
    "tanh",
    "leaky_relu",
    "elu",
    "softmax",
    "log_softmax",
    "dropout",
    "batch_norm",
    "local_response_norm",
    "local_contrast_norm",
    "power",
]  # the output has the shape of the first input
LOSSES = [
    "cross_entropy",
    "hinge",
    "perceptron_loss",
    "hinge_loss",
    "logistic_loss",
    "smooth_l1",
    "mse",
    "binary_cross_entropy_with_logits",
]  # one number


def of(name, *inputs, **options):
    """The shape of the output of an op, as a tuple.

    inputs: the shapes of the arrays (None for an array that is left out); options: as for the forward pass. Raises
    KeyError for an op without a rule and ValueError where shapes do not fit.

    >>> of("conv2d", (1, 3, 32, 32), (6, 3, 5, 5), stride=1)
    (1, 6, 28, 28)
    """
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


RULES.update({name: lambda x, *others, **options: x for name in SAME})
RULES.update({name: lambda *inputs, **options: () for name in LOSSES})


@_rule
def linear(x, w, b=None):
    if x[-1] != w[1]:
        raise ValueError(f"x has shape {x}, but w expects {w[1]} features in its last axis")
    return (*x[:-1], w[0])


@_rule
def matmul(x, y):
    if x[1] != y[0]:
        raise ValueError(f"matrices of shapes {x} and {y} cannot be multiplied")
    return x[0], y[1]


@_rule
def conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    if x[1] != w[1] * groups:
        raise ValueError(f"x has {x[1]} channels, but w is made for {w[1] * groups}")
    return (x[0], w[0], *windows(x, w[2:], stride, padding, dilation))


@_rule
def conv_transpose2d(x, w, b=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    if x[1] != w[0]:
        raise ValueError(f"x has {x[1]} channels, but w is made for {w[0]}")
    sizes = zip(x[2:], w[2:], *map(_pair, (stride, padding, output_padding, dilation)), strict=True)
    return (x[0], w[1] * groups, *((n - 1) * s - 2 * p + d * (f - 1) + o + 1 for n, f, s, p, o, d in sizes))


@_rule
def locally_connected2d(x, w, b=None, stride=1, padding=0):
    return x[0], w[2], w[0], w[1]


@_rule
def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1):
    return (*x[:2], *windows(x, kernel_size, kernel_size if stride is None else stride, padding, dilation))


@_rule
def avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return max_pool2d(x, kernel_size, stride, padding)


@_rule
def l2_pool2d(x, kernel_size, stride=None, padding=0):
    return max_pool2d(x, kernel_size, stride, padding)


@_rule
def global_avg_pool2d(x):
    return x[:2]


@_rule
def max_unpool2d(x, switches, kernel_size, stride=None, padding=0, output_size=None):
    if output_size is not None:
        return (*x[:2], *output_size[-2:])
    sizes = zip(x[2:], *map(_pair, (kernel_size, kernel_size if stride is None else stride, padding)), strict=True)
    return (*x[:2], *((n - 1) * s - 2 * p + f for n, f, s, p in sizes))


@_rule
def l2_pool_features(x, pieces=2):
    return (x[0], x[1] // pieces, *x[2:])


@_rule
def maxout(x, pieces=2):
    return (x[0], x[1] // pieces, *x[2:])


@_rule
def upsample_nearest(x, scale_factor=2):
    return (*x[:2], *(n * s for n, s in zip(x[2:], _pair(scale_factor), strict=True)))


@_rule
def upsample_bilinear(x, scale_factor=2, size=None, align_corners=False):
    return upsample_nearest(x, scale_factor) if size is None else (*x[:2], *_pair(size))


@_rule
def roi_pool(x, boxes, output_size, spatial_scale=1.0):
    return (boxes[0], x[1], *_pair(output_size))


@_rule
def weight_norm(v, g, axis=0):
    return v


@_rule
def concatenate(*xs, axis=1):
    axis %= len(xs[0])
    for x in xs[1:]:
        if x[:axis] + x[axis + 1 :] != xs[0][:axis] + xs[0][axis + 1 :]:
            raise ValueError(f"arrays of shapes {xs[0]} and {x} cannot be joined along axis {axis}")
    return (*xs[0][:axis], sum(x[axis] for x in xs), *xs[0][axis + 1 :])


@_rule
def add(*xs):
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
    top, bottom, left, right = padding if np.size(padding) == 4 else np.repeat(_pair(padding), 2)
    return (*x[:-2], x[-2] + top + bottom, x[-1] + left + right)


@_rule
def crop(x, top, left, height, width):
    return (*x[:-2], height, width)


@_rule
def flatten(x):
    return x[0], math.prod(x[1:])


@_rule
def broadcast_to(x, shape):
    return shape


@_rule
def sum_(x, axis=None, keepdims=False):
    return np.sum(np.broadcast_to(0, x), axis=axis, keepdims=keepdims).shape


@_rule
def reshape(x, shape):
    return np.broadcast_to(0, x).reshape(shape).shape


@_rule
def transpose(x, axes=None):
    return np.broadcast_to(0, x).transpose(axes).shape


@_rule
def getitem(x, index):
    return np.broadcast_to(0, x)[index].shape


def windows(x, kernel_size, stride, padding, dilation):
    """The rows and columns of positions that a filter takes on images of shape x = (N, C, H, W)."""
    if len(x) != 4:
        raise ValueError(f"x has {len(x)} axes, but images need 4: (N, C, H, W)")
    return map(output_size, x[2:], *map(_pair, (kernel_size, stride, padding, dilation)))


def _pair(value):
    return tuple(value) if np.ndim(value) else (value, value)
