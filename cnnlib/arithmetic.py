"""What a network costs, by counting: sizes, parameters, multiply-adds, receptive fields. Plain integers, no numpy.

A kernel_size is an integer or a pair (rows, columns). What is no integer raises TypeError, one that is too small ValueError.
"""

from ._numbers import whole
from .field import receptive_field as receptive_field


def output_size(n, kernel_size, stride=1, padding=0, dilation=1):
    """How many positions a filter takes along one direction of n pixels, rounded down as in PyTorch.

    Raises ValueError where the filter is larger than the padded image. Source: CS231n (Samara), spatial dimensions.

    >>> [output_size(7, 3, stride) for stride in (1, 2, 3)]
    [5, 3, 2]
    >>> output_size(32, 5, padding=2)
    32
    """
    sizes = {"n": n, "kernel_size": kernel_size, "stride": stride, "dilation": dilation}
    for name, value in sizes.items():
        whole(value, name, 1)
    whole(padding, "padding", 0)
    padded, extent = n + 2 * padding, dilation * (kernel_size - 1) + 1
    if extent > padded:
        raise ValueError(f"the filter covers {extent} pixels, but the padded image has {padded}")
    return (padded - extent) // stride + 1


def same_padding(kernel_size, dilation=1):
    """The padding with which a convolution of stride 1 keeps the size: 1 for 3, 2 for 5, 3 for 7.

    Raises ValueError for an even extent, which has no middle. Source: CS231n (Samara), "same" padding.

    >>> [same_padding(f) for f in (1, 3, 5, 7)]
    [0, 1, 2, 3]
    """
    around, odd = divmod(whole(dilation, "dilation", 1) * (whole(kernel_size, "kernel_size", 1) - 1), 2)
    if odd:
        raise ValueError(f"a filter that covers {2 * around + 2} pixels has no middle: no padding keeps the size")
    return around


def conv_params(in_channels, out_channels, kernel_size, bias=True, groups=1):
    """The number of weights and biases of a convolution layer.

    >>> conv_params(3, 10, 5)
    760
    """
    rows, columns = _pair(kernel_size, "kernel_size")
    for name, value in {"in_channels": in_channels, "out_channels": out_channels, "groups": groups}.items():
        whole(value, name, 1)
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"{in_channels} channels and {out_channels} filters do not divide into {groups} groups")
    return out_channels * (in_channels // groups * rows * columns + bool(bias))


def linear_params(in_features, out_features, bias=True):
    """The number of weights and biases of a fully connected layer.

    >>> linear_params(3072, 100, bias=False) + linear_params(100, 10, bias=False)
    308200
    """
    return whole(out_features, "out_features", 1) * (whole(in_features, "in_features", 1) + bool(bias))


def conv_multiply_adds(in_channels, out_channels, kernel_size, out_size, groups=1):
    """The multiplications with an addition each that a convolution layer takes for one image.

    out_size: OH and OW, an integer or a pair. Source: MVA, cost of a convolution layer.

    >>> conv_multiply_adds(3, 6, 5, 28)  # 28 x 28 x 6 outputs of 75 terms
    352800
    """
    rows, columns = _pair(out_size, "out_size")
    return rows * columns * conv_params(in_channels, out_channels, kernel_size, bias=False, groups=groups)


def linear_multiply_adds(in_features, out_features):
    """The multiplications with an addition each that a fully connected layer takes for one example.

    >>> linear_multiply_adds(16 * 16 * 256, 4096)
    268435456
    """
    return linear_params(in_features, out_features, bias=False)


def _pair(value, name):
    values = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(values) != 2:
        raise ValueError(f"{name} has {len(values)} numbers, but an image has 2 directions")
    return [whole(n, name, 1) for n in values]
