"""The layers and networks that are compared, each as a function that does its work once: ours, PyTorch's, a textbook's.

Ours are given what our own layers hand on, images with the channels last in memory.
"""

from typing import NamedTuple

import numpy as np
import textbook as book
import torch
from torch.nn import functional as tf

from cnnlib import nn, ops, optim
from cnnlib.autograd import Tensor, functional, no_grad
from cnnlib.ops.fast.products import product, product_of_columns

LAYOUTS = {"nchw": torch.contiguous_format, "cl": torch.channels_last}


class Row(NamedTuple):
    """goal and floor: of ours / theirs, against each layout."""

    name: str
    kind: str
    x: tuple
    w: tuple = ()
    options: dict = {}  # noqa: RUF012 (never written to)
    goal: tuple = (None, None)
    floor: tuple = (None, None)


LARGE, MEDIUM, THIN = ((0.35, 0.38), (0.65, 0.65)), ((0.5, 0.5), (0.8, 0.8)), ((0.7, 1.0), (1.0, 1.4))
POINT, STRIDED, POOL = ((0.5, 0.65), (0.8, 1.0)), ((0.9, 1.0), (1.25, 1.5)), ((0.3, 1.5), (0.6, 3.5))
ROWS = [
    Row("3x3, 64, 56²", "conv2d", (8, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}, *LARGE),
    Row("3x3, 128, 28²", "conv2d", (8, 128, 28, 28), (128, 128, 3, 3), {"padding": 1}, *LARGE),
    Row("3x3, 256, 28², batch 4", "conv2d", (4, 256, 28, 28), (256, 256, 3, 3), {"padding": 1}, *LARGE),
    Row("3x3, 64, 56², batch 1", "conv2d", (1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}, *LARGE),
    Row("5x5, 64 to 192, 27²", "conv2d", (8, 64, 27, 27), (192, 64, 5, 5), {"padding": 2}, *LARGE),
    Row("3x3 dilated by 2, 64, 56²", "conv2d", (4, 64, 56, 56), (64, 64, 3, 3), {"padding": 2, "dilation": 2}, *LARGE),
    Row("3x3, 512, 14², batch 4", "conv2d", (4, 512, 14, 14), (512, 512, 3, 3), {"padding": 1}, *LARGE),
    Row("3x3, 64, 8²", "conv2d", (64, 64, 8, 8), (64, 64, 3, 3), {"padding": 1}, *MEDIUM),
    Row("3x3, 32, 16²", "conv2d", (64, 32, 16, 16), (32, 32, 3, 3), {"padding": 1}, *MEDIUM),
    Row("3x3, 16, 32²", "conv2d", (64, 16, 32, 32), (16, 16, 3, 3), {"padding": 1}, *THIN),
    Row("1x1, 256 to 64, 28²", "conv2d", (8, 256, 28, 28), (64, 256, 1, 1), {}, *POINT),
    Row("1x1, 64 to 256, 28²", "conv2d", (8, 64, 28, 28), (256, 64, 1, 1), {}, *POINT),
    Row(
        "AlexNet: 11x11, stride 4", "conv2d", (8, 3, 227, 227), (96, 3, 11, 11), {"stride": 4}, (0.25,) * 2, (0.5,) * 2
    ),
    Row(
        "transposed 4x4, stride 2",
        "conv_transpose2d",
        (8, 64, 28, 28),
        (64, 64, 4, 4),
        {"stride": 2, "padding": 1},
        (0.6, 0.6),
        (1.0, 1.0),
    ),
    Row("3x3, stride 2, 64 to 128", "conv2d", (8, 64, 56, 56), (128, 64, 3, 3), {"stride": 2, "padding": 1}, *STRIDED),
    Row("3x3, stride 2, 16 to 32", "conv2d", (64, 16, 32, 32), (32, 16, 3, 3), {"stride": 2, "padding": 1}, *STRIDED),
    Row(
        "CS231n: 3x3, stride 2, 3 to 25",
        "conv2d",
        (100, 3, 31, 31),
        (25, 3, 3, 3),
        {"stride": 2, "padding": 1},
        (0.5, 0.5),
        (1.0, 1.0),
    ),
    Row("max pool 2x2", "max_pool2d", (8, 64, 56, 56), (), {"kernel_size": 2}, *POOL),
    Row("max pool 3x3, stride 2", "max_pool2d", (8, 64, 56, 56), (), {"kernel_size": 3, "stride": 2}, *POOL),
    Row("max pool 2x2, thin", "max_pool2d", (64, 6, 28, 28), (), {"kernel_size": 2}, (0.3, 1.5), (1.3, 3.5)),
    Row("average pool 2x2", "avg_pool2d", (8, 64, 56, 56), (), {"kernel_size": 2}, (0.25, 1.0), (0.5, 2.0)),
    Row("batch norm, 64, 56²", "batch_norm", (8, 64, 56, 56), (), {}, (0.65, 1.5), (1.3, 3.0)),
    Row("batch norm, 16, 32²", "batch_norm", (64, 16, 32, 32), (), {}, (0.65, 1.5), (1.3, 3.0)),
    Row("LeNet-5, training step, batch 64", "lenet", (64, 1, 32, 32), (), {}, (0.5, 0.6), (1.0, 1.2)),
    Row("ResNet-20, training step, batch 64", "resnet", (64, 3, 32, 32), (), {}, (0.6, 0.8), (0.95, 1.2)),
    Row("LeNet-5, inference, batch 1", "inference", (1, 1, 32, 32), (), {}, (0.4, 0.4), (0.8, 0.8)),
]
NETWORKS = ("lenet", "resnet", "inference")


# -------------------------------------------------------------------------------------------------------------- layers


def numbers(row, dtype):
    """x, w, bias or scale, and an upstream gradient: the same for both sides."""
    rng = np.random.default_rng(0)

    def normal(shape, scale=1):
        array = rng.standard_normal(shape, np.float32)
        array *= scale
        return array.astype(dtype, copy=False)

    x = normal(row.x)
    if row.kind == "batch_norm":
        return x, [normal(row.x[1]), normal(row.x[1])], normal(row.x)
    weights = [normal(row.w, 0.1), normal(row.w[row.kind == "conv_transpose2d"])] if row.w else []
    options = {name: value for name, value in row.options.items() if name != "algo"}
    out = getattr(tf, row.kind)(torch.from_numpy(x[:1]), *map(torch.from_numpy, weights), **options)
    return x, weights, normal((row.x[0], *out.shape[1:]))


def channels_last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def our_layer(row, dtype):
    """A function that does one forward and one backward pass, and returns out and the gradients."""
    x, weights, dout = numbers(row, dtype)
    x, dout = channels_last(x), channels_last(dout)
    forward, backward = getattr(ops, f"{row.kind}_forward"), getattr(ops, f"{row.kind}_backward")

    def run():
        out, cache = forward(x, *weights, **row.options)
        grads = backward(dout, cache)
        return [out, *(grads if isinstance(grads, tuple) else (grads,))]

    return run


def their_layer(row, dtype, layout):
    x, weights, dout = numbers(row, dtype)
    x, dout = (torch.from_numpy(a).to(memory_format=layout) for a in (x, dout))
    weights = [torch.from_numpy(w) for w in weights]
    if row.w:
        weights[0] = weights[0].to(memory_format=layout)
    inputs = [a.requires_grad_() for a in (x, *weights)]
    options = dict(row.options)
    forward = getattr(tf, row.kind)
    if row.kind == "batch_norm":
        options = {"running_mean": None, "running_var": None, "training": True}
        forward = lambda x, w, b, **rest: tf.batch_norm(x, weight=w, bias=b, **rest)  # noqa: E731

    def run():
        out = forward(*inputs, **options)
        return [out.detach(), *torch.autograd.grad(out, inputs, dout)]

    return run


def multiply_adds(row):
    """Of forward, dx and dw together, by the definition; 0 where there is no product to compare with."""
    if row.kind == "conv2d":
        _, weights, dout = numbers(row, np.float32)
        return 3 * dout.size * weights[0][0].size
    if row.kind == "conv_transpose2d":
        return 3 * int(np.prod(row.x)) * int(np.prod(row.w[1:]))
    return 0


# ------------------------------------------------------------------------------------------------------------ networks


class OurBlock(nn.Module):
    """Two convolutions with batch norm, and the input added; at stride 2 the input passes a 1 x 1 convolution."""

    def __init__(self, before, after, stride):
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        short = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after))
        self.short = short if stride > 1 else None

    def forward(self, x):
        return functional.relu(self.body(x) + (self.short(x) if self.short else x))


class TheirBlock(torch.nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        t = torch.nn
        self.body = t.Sequential(
            t.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            t.BatchNorm2d(after),
            t.ReLU(inplace=True),
            t.Conv2d(after, after, 3, padding=1, bias=False),
            t.BatchNorm2d(after),
        )
        short = t.Sequential(t.Conv2d(before, after, 1, stride=stride, bias=False), t.BatchNorm2d(after))
        self.short = short if stride > 1 else None

    def forward(self, x):
        return tf.relu(self.body(x) + (self.short(x) if self.short else x), inplace=True)


def network(row, library, block, average):
    """LeNet-5 or ResNet-20 of either library; `average` is what turns 8 x 8 maps into one number each."""
    n = library
    if row.kind == "resnet":
        blocks = [
            block(before, after, 2 if i == 0 and after > 16 else 1)
            for before_all, after in ((16, 16), (16, 32), (32, 64))
            for i, before in enumerate((before_all, after, after))
        ]
        stem = n.Conv2d(3, 16, 3, padding=1, bias=False), n.BatchNorm2d(16), n.ReLU()
        return n.Sequential(*stem, *blocks, *average, n.Linear(64, 10))
    features = n.Conv2d(1, 6, 5), n.ReLU(), n.MaxPool2d(2), n.Conv2d(6, 16, 5), n.ReLU(), n.MaxPool2d(2), n.Flatten()
    return n.Sequential(*features, n.Linear(400, 120), n.ReLU(), n.Linear(120, 84), n.ReLU(), n.Linear(84, 10))


def our_network(row, dtype):
    nn.manual_seed(0)
    model = network(row, nn, OurBlock, [nn.GlobalAvgPool2d()]).astype(dtype)
    x, labels = channels_last(numbers_of(row, dtype)), np.arange(row.x[0]) % 10
    if row.kind == "inference":
        model.eval()

        def run():
            with no_grad():
                return model(Tensor(x)).data

        return run
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def run():
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(Tensor(x)), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def their_network(row, dtype, layout):
    torch.manual_seed(0)
    average = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    model = network(row, torch.nn, TheirBlock, average).to(torch.from_numpy(np.empty(0, dtype)).dtype)
    model = model.to(memory_format=layout)
    x, labels = torch.from_numpy(numbers_of(row, dtype)).to(memory_format=layout), torch.arange(row.x[0]) % 10
    if row.kind == "inference":
        model.eval()

        def run():
            with torch.no_grad():
                return model(x)

        return run
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def run():
        optimizer.zero_grad()
        loss = tf.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def numbers_of(row, dtype):
    return np.random.default_rng(0).standard_normal(row.x, np.float32).astype(dtype, copy=False)


# -------------------------------------------------------------------------------------------------------------- either


def products(row, dtype):
    """The library's three products of a 1 x 1 layer, into memory at hand, and nothing else."""
    x, (w, _), dout = numbers(row, dtype)
    x, dout = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).reshape(-1, a.shape[1]) for a in (x, dout))
    w = w[:, :, 0, 0]
    out, dx = np.empty_like(dout), np.empty_like(x)

    def run():
        product(x, w.T, out)
        product(dout, w, dx)
        product_of_columns(dout, x)

    return run


def ours(row, dtype):
    return our_network(row, dtype) if row.kind in NETWORKS else our_layer(row, dtype)


def theirs(row, dtype, layout):
    return their_network(row, dtype, layout) if row.kind in NETWORKS else their_layer(row, dtype, layout)


def textbook(row, dtype):
    x, (w, b), dout = numbers(row, dtype)
    return lambda: book.conv2d(x, w, b, dout, **row.options)
