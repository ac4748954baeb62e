"""Layers: an op with its weights and options. `forward` is one line, the rest is how the weights start.

Layers with weights raise ValueError or TypeError for sizes and options that cannot be; the others when they are called.
"""

import math

import numpy as np

from .. import ops
from .._numbers import number, whole
from ..arithmetic import same_padding
from ..autograd import Tensor, apply_with_cache
from ..autograd import functional as F
from ..ops._arguments import pair
from .init import constant, generator, kaiming
from .module import Module, Parameter

# ------------------------------------------------------------------------------------------------- layers with weights


class Linear(Module):
    """out = x wᵀ + b, (N, in_features) to (N, out_features). Weights as He et al. (2015) start them, for a ReLU to follow.

    >>> layer = Linear(in_features=120, out_features=84)
    >>> layer(np.ones((2, 120), np.float32)).shape, layer.weight.shape
    ((2, 84), (84, 120))
    """

    def __init__(self, in_features, out_features, bias=True):
        in_features, out_features = whole(in_features, "in_features", 1), whole(out_features, "out_features", 1)
        self.weight = Parameter(kaiming((out_features, in_features), in_features))
        self.bias = Parameter(constant(out_features)) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)

    def options(self):
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}" + ("" if self.bias else ", bias=False")


class Conv2d(Module):
    """K filters on images of C channels, (N, C, H, W) to (N, K, H', W'), with H' = (H + 2P - F) // S + 1.

    stride, padding, dilation and kernel_size are integers or pairs; padding="same" keeps the size for stride 1 and an odd
    kernel_size.

    >>> layer = Conv2d(in_channels=3, out_channels=8, kernel_size=5, stride=2, padding=2)
    >>> layer(np.ones((1, 3, 32, 32), np.float32)).shape, layer.count()
    ((1, 8, 16, 16), 608)
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        shape = (
            out_channels,
            in_channels // _groups(in_channels, out_channels, groups),
            *pair(kernel_size, "kernel_size", 1),
        )
        if isinstance(padding, str):
            padding = _same(padding, shape[2:], stride, dilation)
        pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)
        self.weight = Parameter(kaiming(shape, math.prod(shape[1:])))
        self.bias = Parameter(constant(out_channels)) if bias else None
        self.geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, **self.geometry)

    def options(self):
        k, c, *size = self.weight.shape
        return (
            f"{c * self.geometry['groups']}, {k}, {_one(size)}"
            + _changed(self.geometry)
            + ("" if self.bias else ", bias=False")
        )


class ConvTranspose2d(Module):
    """The convolution with in and out exchanged: every input pixel stamps its filter into the output.

    Its weights are (in_channels, out_channels/groups, FH, FW), as in PyTorch.

    >>> ConvTranspose2d(8, 3, kernel_size=4, stride=2, padding=1)(np.ones((1, 8, 7, 7), np.float32)).shape
    (1, 3, 14, 14)
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
    ):
        shape = (
            in_channels,
            out_channels // _groups(in_channels, out_channels, groups),
            *pair(kernel_size, "kernel_size", 1),
        )
        pair(padding, "padding", 0), pair(output_padding, "output_padding", 0), pair(dilation, "dilation", 1)
        met = in_channels // groups * math.prod(shape[2:]) // math.prod(pair(stride, "stride", 1))  # by an output pixel
        self.weight = Parameter(kaiming(shape, max(1, met)))
        self.bias = Parameter(constant(out_channels)) if bias else None
        self.geometry = {
            "stride": stride,
            "padding": padding,
            "output_padding": output_padding,
            "dilation": dilation,
            "groups": groups,
        }

    def forward(self, x):
        return F.conv_transpose2d(x, self.weight, self.bias, **self.geometry)

    def options(self):
        c, k, *size = self.weight.shape
        return (
            f"{c}, {k * self.geometry['groups']}, {_one(size)}"
            + _changed(self.geometry)
            + ("" if self.bias else ", bias=False")
        )


class LocallyConnected2d(Module):
    """A convolution that does not share: each of the `output_size` positions has filters of its own."""

    def __init__(self, in_channels, out_channels, output_size, kernel_size, stride=1, padding=0, bias=True):
        size, places = pair(kernel_size, "kernel_size", 1), pair(output_size, "output_size", 1)
        shape = *places, whole(out_channels, "out_channels", 1), whole(in_channels, "in_channels", 1), *size
        pair(stride, "stride", 1), pair(padding, "padding", 0)
        self.weight = Parameter(kaiming(shape, math.prod(shape[3:])))
        self.bias = Parameter(constant((out_channels, *places))) if bias else None
        self.geometry = {"stride": stride, "padding": padding}

    def forward(self, x):
        return F.locally_connected2d(x, self.weight, self.bias, **self.geometry)

    def options(self):
        oh, ow, k, c, *size = self.weight.shape
        return f"{c}, {k}, {_one((oh, ow))}, {_one(size)}" + _changed(self.geometry)


class BatchNorm2d(Module):
    """Each channel to mean 0 and variance 1, then a learned scale and shift. In use, the running statistics take over.

    The batch's part in them is `momentum`, and their variance is the unbiased one, as in PyTorch.

    >>> layer = BatchNorm2d(1, momentum=0.25)
    >>> out = layer(np.array([1.0, 3.0]).reshape(2, 1, 1, 1))
    >>> out.data.ravel().round(2).tolist(), layer.running_mean.tolist()
    ([-1.0, 1.0], [0.5])
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        whole(num_features, "num_features", 1), number(eps, "eps", least=0), number(momentum, "momentum", least=0)
        self.weight, self.bias = Parameter(constant(num_features, 1)), Parameter(constant(num_features))
        self.running_mean, self.running_var = constant(num_features), constant(num_features, 1)
        self.eps, self.momentum = eps, momentum

    def forward(self, x):
        if not self.training:
            running = {"running_mean": self.running_mean, "running_var": self.running_var}
            return F.batch_norm(x, self.weight, self.bias, **running, eps=self.eps)
        out, cache = apply_with_cache("batch_norm", x, self.weight, self.bias, eps=self.eps)
        if cache is not None:
            self._follow(x.data if isinstance(x, Tensor) else np.asarray(x), cache)
        return out

    def _follow(self, x, cache):
        axes = (0, *range(2, x.ndim))
        mean = cache.mean if hasattr(cache, "mean") else x.mean(axes)
        var = cache.var if hasattr(cache, "var") else x.var(axes)
        n = x.size // x.shape[1]
        for running, new in ((self.running_mean, mean), (self.running_var, var * (n / max(n - 1, 1)))):
            running += self.momentum * (np.ravel(new) - running)

    def options(self):
        return str(self.weight.size)


class WeightNorm(Module):
    """A layer whose filters are g v/|v|: direction and length are trained apart. Source: Salimans and Kingma, 2016.

    layer: one with a weight, such as Linear or Conv2d; TypeError for another.
    """

    def __init__(self, layer):
        if not isinstance(getattr(layer, "weight", None), Parameter):
            raise TypeError(f"weight normalisation needs a layer with a weight, not {layer!r}")
        v = layer.weight
        length = np.sqrt((v.data**2).sum(axis=tuple(range(1, v.ndim)), keepdims=True))
        self.v, self.g = Parameter(v.data), Parameter(length)
        self.layer = layer
        del layer.weight  # computed from here on

    def forward(self, x):
        self.layer.weight = F.weight_norm(self.v, self.g)
        try:
            return self.layer(x)
        finally:
            del self.layer.weight


# ---------------------------------------------------------------------------------------------- layers without weights


class Op(Module):
    """A layer that is an op and its options, nothing else: `cnnlib.ops` tells shapes, errors and source under its name."""

    op = None  # its name in cnnlib.ops

    def __init__(self, **settings):
        self.settings = settings

    def forward(self, *inputs):
        return getattr(F, self.op)(*inputs, **self.settings)

    def options(self):
        return ", ".join(f"{name}={value}" for name, value in self.settings.items() if value is not None)


class Sigmoid(Op):
    """1 / (1 + exp(-x)), between 0 and 1."""

    op = "sigmoid"


class Tanh(Op):
    """tanh(x), between -1 and 1."""

    op = "tanh"


class ReLU(Op):
    """max(0, x), number by number."""

    op = "relu"


class LeakyReLU(Op):
    """x where x > 0, else negative_slope x, so that no unit is ever dead."""

    op = "leaky_relu"

    def __init__(self, negative_slope=0.01):
        super().__init__(negative_slope=negative_slope)


class ELU(Op):
    """x where x > 0, else alpha (exp(x) - 1)."""

    op = "elu"

    def __init__(self, alpha=1.0):
        super().__init__(alpha=alpha)


class Maxout(Op):
    """The largest of `pieces` linear units: (N, pieces·D, ...) to (N, D, ...)."""

    op = "maxout"

    def __init__(self, pieces=2):
        super().__init__(pieces=pieces)


class MaxPool2d(Op):
    """The largest number of every window; sizes are integers or pairs, and stride is kernel_size where it is None."""

    op = "max_pool2d"

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1):
        super().__init__(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)

    def with_switches(self, x):
        """The pooled Tensor and the place of every winner, for `MaxUnpool2d`. On a blueprint the places are zeros."""
        out, cache = apply_with_cache(self.op, x, **self.settings)
        return out, np.zeros(out.shape, int) if cache is None else ops.max_pool2d_switches(cache)


class MaxUnpool2d(Op):
    """Puts numbers back where a max pooling found them, among zeros; called with the Tensor and the pooling's switches.

    >>> image = np.array([[1.0, 2.0], [4.0, 3.0]]).reshape(1, 1, 2, 2)
    >>> largest, switches = MaxPool2d(2).with_switches(image)
    >>> MaxUnpool2d(2)(largest, switches).data[0, 0].tolist()
    [[0.0, 0.0], [4.0, 0.0]]
    """

    op = "max_unpool2d"

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__(kernel_size=kernel_size, stride=stride, padding=padding)

    def forward(self, x, switches, output_size=None):
        return F.max_unpool2d(x, switches, **self.settings, output_size=output_size)


class AvgPool2d(Op):
    """The mean of every window, with the padding's zeros or (count_include_pad=False) without them."""

    op = "avg_pool2d"

    def __init__(self, kernel_size, stride=None, padding=0, count_include_pad=True):
        super().__init__(kernel_size=kernel_size, stride=stride, padding=padding, count_include_pad=count_include_pad)


class GlobalAvgPool2d(Op):
    """The mean of every channel: (N, C, H, W) to (N, C)."""

    op = "global_avg_pool2d"


class L2Pool2d(Op):
    """The Euclidean length of every window."""

    op = "l2_pool2d"

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__(kernel_size=kernel_size, stride=stride, padding=padding)


class L2PoolFeatures(Op):
    """The Euclidean length of `pieces` neighbouring channels at every pixel: (N, pieces·D, ...) to (N, D, ...)."""

    op = "l2_pool_features"

    def __init__(self, pieces=2):
        super().__init__(pieces=pieces)


class LocalResponseNorm(Op):
    """x / (k + alpha/size · the sum of x² over `size` neighbouring channels)^beta, as AlexNet has it."""

    op = "local_response_norm"

    def __init__(self, size=5, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__(size=size, alpha=alpha, beta=beta, k=k)


class LocalContrastNorm(Op):
    """What is left of an image without its mean nearby, over how much varies there."""

    op = "local_contrast_norm"

    def __init__(self, kernel_size=9, window=None, eps=1e-4):
        super().__init__(kernel_size=kernel_size, window=window, eps=eps)


class UpsampleNearest(Op):
    """Every pixel becomes a block of equal pixels; scale_factor is an integer or a pair."""

    op = "upsample_nearest"

    def __init__(self, scale_factor=2):
        super().__init__(scale_factor=scale_factor)


class UpsampleBilinear(Op):
    """Enlarges by scale_factor or to size = (H, W); each pixel is a mean of its neighbours."""

    op = "upsample_bilinear"

    def __init__(self, scale_factor=2, size=None, align_corners=False):
        super().__init__(scale_factor=scale_factor, size=size, align_corners=align_corners)


class Softmax(Op):
    """Scores (N, C, ...) as probabilities, whose sums over C are 1."""

    op = "softmax"


class Flatten(Op):
    """Every example as one row: (N, C, H, W) to (N, C·H·W)."""

    op = "flatten"


class Dropout(Op):
    """Each number is dropped with probability p while the network trains; the others grow by 1 / (1 - p)."""

    op = "dropout"

    def __init__(self, p=0.5):
        super().__init__(p=p)

    def forward(self, x):
        return F.dropout(x, **self.settings, training=self.training, rng=generator())


# ---------------------------------------------------------------------------------------------------------- small parts


def _groups(in_channels, out_channels, groups):
    """The number of groups. Raises ValueError where channels do not divide into it, TypeError for no integers."""
    whole(in_channels, "in_channels", 1), whole(out_channels, "out_channels", 1), whole(groups, "groups", 1)
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"{in_channels} channels and {out_channels} filters do not divide into {groups} groups")
    return groups


def _same(padding, size, stride, dilation):
    """The padding that the word "same" stands for. Raises ValueError for another word, or where a stride makes it smaller."""
    if padding != "same" or pair(stride, "stride", 1) != (1, 1):
        raise ValueError(f"padding is {padding!r} and stride {stride}, but a word must be 'same', and needs stride 1")
    return tuple(same_padding(f, d) for f, d in zip(size, pair(dilation, "dilation", 1), strict=True))


def _one(size):
    """(3, 3) as 3, other pairs as they are."""
    return size[0] if size[0] == size[1] else tuple(size)


def _changed(geometry):
    """What of stride, padding, dilation and groups is not as usual."""
    usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}
    return "".join(f", {name}={value}" for name, value in geometry.items() if value != usual[name])
