"""Networks trained for a few steps from the same weights follow PyTorch's losses, and the weights stay together.

Every net is written twice, with the same names, so that weights go over through `state_dict`. In float32 the losses agree
to four digits: rounding errors grow with every step. In float64 they agree to nine, which no wrong convention survives.
"""

from collections import OrderedDict

import numpy as np
import pytest

from cnnlib import models, nn, optim
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[oracle]'")
from torch import nn as tnn  # noqa: E402
from torch.nn import functional as TF  # noqa: E402

torch.set_num_threads(1)


# ------------------------------------------------------------------------------------------------------------- networks


def lenet():
    ours = models.lenet.lenet5()
    theirs = tnn.Sequential(
        tnn.Conv2d(1, 6, 5), tnn.ReLU(), tnn.MaxPool2d(2), tnn.Conv2d(6, 16, 5), tnn.ReLU(), tnn.MaxPool2d(2),
        tnn.Flatten(), tnn.Linear(400, 120), tnn.ReLU(), tnn.Linear(120, 84), tnn.ReLU(), tnn.Linear(84, 10),
    )  # fmt: skip
    return ours, theirs, (1, 32, 32)


def small_vgg(lib):
    """Convolutions in pairs with batch norm, and the other activations and poolings too. lib: nn of either library."""

    def pair(channels, filters, activation):
        return [
            lib.Conv2d(channels, filters, 3, padding=1), lib.BatchNorm2d(filters), activation,
            lib.Conv2d(filters, filters, 3, padding=1, bias=False), lib.BatchNorm2d(filters), lib.ReLU(),
        ]  # fmt: skip

    return lib.Sequential(
        *pair(3, 16, lib.LeakyReLU(0.1)), lib.MaxPool2d(3, 2, 1),
        *pair(16, 24, lib.ELU()), lib.AvgPool2d(2),
        lib.Conv2d(24, 24, 3, padding=2, dilation=2, groups=4), lib.Tanh(),
        lib.LocalResponseNorm(5), lib.Flatten(), lib.Linear(24 * 16, 10),
    )  # fmt: skip


def vgg_with_batch_norm():
    return small_vgg(nn), small_vgg(tnn), (3, 16, 16)


class TorchBlock(tnn.Module):
    """He's basic block or his bottleneck, named as in torchvision."""

    def __init__(self, channels, width, stride, bottleneck):
        super().__init__()
        sizes = [(1, 1, 0), (3, stride, 1), (1, 1, 0)] if bottleneck else [(3, stride, 1), (3, 1, 1)]
        out_channels = 4 * width if bottleneck else width
        widths = [channels, *[width] * (len(sizes) - 1), out_channels]
        for i, (size, step, padding) in enumerate(sizes):
            conv = tnn.Conv2d(widths[i], widths[i + 1], size, step, padding, bias=False)
            self.add_module(f"conv{i + 1}", conv)
            self.add_module(f"bn{i + 1}", tnn.BatchNorm2d(widths[i + 1]))
        self.convolutions = len(sizes)
        projects = stride > 1 or channels != out_channels
        projection = [tnn.Conv2d(channels, out_channels, 1, stride, bias=False), tnn.BatchNorm2d(out_channels)]
        self.downsample = tnn.Sequential(*projection if projects else [])

    def forward(self, x):
        out = x
        for i in range(1, self.convolutions + 1):
            out = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(out))
            out = TF.relu(out) if i < self.convolutions else out
        return TF.relu(out + self.downsample(x))


class TorchResNet(tnn.Module):
    """Three stages of blocks on a 3 x 3 stem."""

    def __init__(self, blocks, widths, bottleneck=False, channels=3):
        super().__init__()
        self.conv1, self.bn1 = tnn.Conv2d(channels, widths[0], 3, 1, 1, bias=False), tnn.BatchNorm2d(widths[0])
        channels, self.stages = widths[0], len(widths)
        for i, width in enumerate(widths):
            parts = []
            for k in range(blocks):
                parts.append(TorchBlock(channels, width, 2 if i and not k else 1, bottleneck))
                channels = 4 * width if bottleneck else width
            self.add_module(f"layer{i + 1}", tnn.Sequential(*parts))
        self.fc = tnn.Linear(channels, 10)

    def forward(self, x):
        x = TF.relu(self.bn1(self.conv1(x)))
        for i in range(1, self.stages + 1):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(x.mean(dim=(2, 3)))


def residual():
    widths = 8, 16, 16
    return models.resnet.cifar_resnet(8, widths=widths, shortcut="B"), TorchResNet(1, widths), (3, 16, 16)


def bottlenecks():
    widths = 4, 8
    block = models.resnet.Bottleneck
    ours = models.resnet.ResNet(block, (2, 2), widths, num_classes=10, stem="cifar")
    return ours, TorchResNet(2, widths, bottleneck=True), (3, 12, 12)


class Halves(nn.Module):
    """Down and up again: pooling with switches, unpooling, transposed convolutions, a skip, a score for every pixel."""

    def __init__(self):
        self.down, self.pool, self.unpool = nn.Conv2d(1, 8, 3, padding=1), nn.MaxPool2d(2), nn.MaxUnpool2d(2)
        self.middle = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.score = nn.ConvTranspose2d(16, 3, 3, padding=1)

    def forward(self, x):
        skip = F.relu(self.down(x))
        x, switches = self.pool.with_switches(skip)
        x = F.sigmoid(self.up(F.relu(self.middle(x))))
        x = self.unpool(x, switches, output_size=skip.shape)
        return F.upsample_bilinear(self.score(F.concatenate(x, skip)), scale_factor=2)


class TorchHalves(tnn.Module):
    def __init__(self):
        super().__init__()
        self.down = tnn.Conv2d(1, 8, 3, padding=1)
        self.middle = tnn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.up = tnn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.score = tnn.ConvTranspose2d(16, 3, 3, padding=1)

    def forward(self, x):
        skip = TF.relu(self.down(x))
        x, switches = TF.max_pool2d(skip, 2, return_indices=True)
        x = torch.sigmoid(self.up(TF.relu(self.middle(x))))
        x = TF.max_unpool2d(x, switches, 2, output_size=skip.shape)
        return TF.interpolate(self.score(torch.cat([x, skip], 1)), scale_factor=2, mode="bilinear")


def transposed():
    return Halves(), TorchHalves(), (1, 8, 8)


def vgg():
    theirs = TorchParts(
        features=tnn.Sequential(
            tnn.Conv2d(1, 8, 3, padding=1), tnn.ReLU(), tnn.Conv2d(8, 8, 3, padding=1), tnn.ReLU(), tnn.MaxPool2d(2),
            tnn.Conv2d(8, 16, 3, padding=1), tnn.ReLU(), tnn.Conv2d(16, 16, 3, padding=1), tnn.ReLU(), tnn.MaxPool2d(2),
            tnn.Conv2d(16, 32, 3, padding=1), tnn.ReLU(), tnn.Conv2d(32, 32, 3, padding=1), tnn.ReLU(), tnn.MaxPool2d(2),
        ),
        flatten=tnn.Flatten(),
        classifier=tnn.Sequential(
            tnn.Linear(512, 18), tnn.ReLU(), tnn.Dropout(), tnn.Linear(18, 18), tnn.ReLU(), tnn.Dropout(), tnn.Linear(18, 10)
        ),
    )  # fmt: skip
    ours = models.vgg.VGG((8, 8, "M", 16, 16, "M", 32, 32, "M"), num_classes=10, in_channels=1, size=32, units=18)
    return ours, theirs, (1, 32, 32)


def alexnet():
    """A sixteenth of its filters, on images so small that three pixels are left."""

    def norm():
        return tnn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

    theirs = TorchParts(
        conv1=tnn.Conv2d(3, 6, 11, stride=4), relu1=tnn.ReLU(), norm1=norm(), pool1=tnn.MaxPool2d(3, 2),
        conv2=tnn.Conv2d(6, 16, 5, padding=2, groups=2), relu2=tnn.ReLU(), norm2=norm(), pool2=tnn.MaxPool2d(3, 2),
        conv3=tnn.Conv2d(16, 24, 3, padding=1), relu3=tnn.ReLU(),
        conv4=tnn.Conv2d(24, 24, 3, padding=1, groups=2), relu4=tnn.ReLU(),
        conv5=tnn.Conv2d(24, 16, 3, padding=1, groups=2), relu5=tnn.ReLU(), pool5=tnn.MaxPool2d(3, 2),
        flatten=tnn.Flatten(),
        fc6=tnn.Linear(16 * 9, 256), relu6=tnn.ReLU(), drop6=tnn.Dropout(),
        fc7=tnn.Linear(256, 256), relu7=tnn.ReLU(), drop7=tnn.Dropout(), fc8=tnn.Linear(256, 10),
    )  # fmt: skip
    return models.alexnet.alexnet(num_classes=10, width=1 / 16, size=131), theirs, (3, 131, 131)


class TorchParts(tnn.Sequential):
    """A Sequential whose parts are named."""

    def __init__(self, **parts):
        super().__init__(OrderedDict(parts))


# ------------------------------------------------------------------------------------------------------------- training

NETWORKS = {
    "lenet": lenet,
    "vgg with batch norm": vgg_with_batch_norm,
    "residual": residual,
    "bottlenecks": bottlenecks,
    "transposed": transposed,
}
SGD = {
    "plain": {"lr": 0.05},
    "momentum": {"lr": 0.02, "momentum": 0.9},
    "momentum and weight decay": {"lr": 0.02, "momentum": 0.9, "weight_decay": 5e-2},
    "nesterov": {"lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": True},
}
STEPS = 6


def same_weights(ours, theirs, dtype):
    """Copies our weights into PyTorch's net: the names must be the same, but for the batches that it counts."""
    ours.astype(dtype)
    theirs.to(getattr(torch, dtype))
    state = {name: torch.tensor(array) for name, array in ours.state_dict().items()}
    names = theirs.load_state_dict(state, strict=False)
    assert not names.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in names.missing_keys)


def examples(shape, out_shape, dtype, batch=4):
    """Noise and labels, for a few steps of training: the batches and what each item, or pixel, is."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS, batch, *shape)).astype(dtype)
    return x, rng.integers(out_shape[1], size=(STEPS, batch, *out_shape[2:]))


def our_losses(net, x, y, options):
    optimizer, losses = optim.SGD(net.parameters(), **options), []
    for batch, labels in zip(x, y, strict=True):
        loss = F.cross_entropy(net(Tensor(batch)), labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def their_losses(net, x, y, options):
    optimizer, losses = torch.optim.SGD(net.parameters(), **options), []
    for batch, labels in zip(torch.tensor(x), torch.tensor(y), strict=True):
        loss = TF.cross_entropy(net(batch), labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


@pytest.mark.parametrize("sgd, dtype, digits", [*((sgd, "float64", 9) for sgd in SGD), ("nesterov", "float32", 4)])
@pytest.mark.parametrize("network", NETWORKS)
def test_losses_follow_pytorchs(network, sgd, dtype, digits):
    nn.manual_seed(0)
    ours, theirs, shape = NETWORKS[network]()
    same_weights(ours, theirs, dtype)
    x, y = examples(shape, ours(Tensor(np.zeros((2, *shape), dtype))).shape, dtype)
    same_weights(ours, theirs, dtype)  # looking at the shape has moved our running statistics
    expected = their_losses(theirs, x, y, SGD[sgd])
    np.testing.assert_allclose(our_losses(ours, x, y, SGD[sgd]), expected, rtol=10.0**-digits)

    state = theirs.state_dict()
    for name, array in ours.state_dict().items():
        there = state[name].numpy()
        np.testing.assert_allclose(array, there, atol=10.0**-digits * max(1, np.abs(there).max()), err_msg=name)

    theirs.eval()
    with torch.no_grad():
        expected = theirs(torch.tensor(x[0])).numpy()
    np.testing.assert_allclose(ours.eval()(Tensor(x[0])).data, expected, atol=10.0 ** (1 - digits))


@pytest.mark.parametrize("network", [vgg, alexnet])
def test_models_with_dropout_have_pytorchs_gradients(network):
    """In use, where dropout keeps all: chance is nobody's twin. Scores and the gradient of every weight."""
    nn.manual_seed(0)
    ours, theirs, shape = network()
    same_weights(ours.eval(), theirs.eval(), "float64")
    x, labels = np.random.default_rng(0).normal(size=(2, *shape)), np.array([3, 7])
    scores, expected = ours(Tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(scores.data, expected.detach().numpy(), atol=1e-9)
    F.cross_entropy(scores, labels).backward()
    TF.cross_entropy(expected, torch.tensor(labels)).backward()
    grads = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        largest = np.abs(grads[name]).max()
        assert largest > 0
        np.testing.assert_allclose(parameter.grad, grads[name], rtol=0, atol=1e-9 * largest, err_msg=name)
