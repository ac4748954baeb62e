"""What must hold of every small network: it computes what its blueprint says, all of it learns, and its loss falls."""

import numpy as np
import pytest

from cnnlib import nn, optim, summary
from cnnlib.autograd import Tensor


def _comes_alive(model, x, loss, steps=8, lr=0.05, silent=()):
    """loss: from the model's output to one number; silent: paths of parameters that get no gradient at the start."""
    plan = summary(model, x.shape[1:])
    assert plan.parameters == model.count(), "every parameter is used"
    out = model(Tensor(x))
    if isinstance(out, Tensor):
        assert out.shape[1:] == plan.output_shape
        assert np.isfinite(out.data).all()
    loss(out).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not np.any(p.grad)]
    assert without == list(silent)
    optimizer = optim.SGD(model.parameters(), lr, momentum=0.9)
    losses = []
    for _ in range(steps):
        value = loss(model(Tensor(x)))
        losses.append(value.item())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert losses[-1] < losses[0], losses
    return losses


@pytest.fixture
def comes_alive():
    return _comes_alive


@pytest.fixture
def halves():
    """Two images of noise whose upper half is bright, and the label of every pixel: 1 above, 0 below."""

    def make(size=32, channels=1, images=2):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(images, channels, size, size)).astype(np.float32)
        labels = np.zeros((images, size, size), int)
        labels[:, : size // 2] = 1
        x[:, :, : size // 2] += 2
        return x, labels

    return make


@pytest.fixture
def noise():
    """Images of noise, each with a label of its own, to be learned by heart; weights start from the same numbers."""

    def make(size=32, channels=1, images=6):
        nn.manual_seed(0)
        x = np.random.default_rng(0).normal(size=(images, channels, size, size)).astype(np.float32)
        return x, np.arange(images)

    return make
