"""Dilated networks: the paper's table of the context module, its start, and small ones that learn."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import dilated


def test_the_context_module_is_that_of_table_1():
    """Yu and Koltun, table 1: receptive fields and channels; section 3: 64 C² weights of the basic form."""
    basic = summary(lambda: dilated.Context(21), (21, 64, 64))
    layers = [row for row in basic.rows if row.op == "conv2d"]
    assert [row.receptive_field for row in layers] == [(n, n) for n in (3, 5, 9, 17, 33, 65, 67, 67)]
    assert basic.parameters == 64 * 21**2 + 8 * 21
    assert {row.shape for row in layers} == {(21, 64, 64)}
    large = summary(lambda: dilated.Context(21, dilated.LARGE), (21, 64, 64))
    assert [row.shape[0] / 21 for row in large.rows if row.op == "conv2d"] == [2, 2, 4, 8, 16, 32, 32, 1]


def test_the_front_end_at_full_size():
    """The weights of FCN-32s before its enlargement: 134.3 M; a map 8 times smaller than the image."""
    front = summary(lambda: dilated.FrontEnd(), (3, 512, 512))
    assert front.parameters == 14_714_688 + (7 * 7 * 512 + 1) * 4096 + 4097 * 4096 + 4097 * 21
    assert front.output_shape == (21, 64, 64)
    fc6 = next(row for row in front.rows if row.shape == (4096, 64, 64))
    assert fc6.receptive_field == (404 - 8 - 16,) * 2  # Long et al., table 1: 404; the two poolings saw 8 and 16 of it


@pytest.mark.parametrize("multiples", [dilated.BASIC, dilated.LARGE])
def test_it_starts_as_the_identity(multiples):
    nn.manual_seed(0)
    context = dilated.Context(3, multiples)
    x = np.random.default_rng(0).uniform(1, 2, size=(1, 3, 20, 20)).astype(np.float32)
    out = context(Tensor(x)).data
    assert np.abs(out - x).mean() < 0.35
    for before, after in zip(x[0], out[0], strict=True):
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("multiples", [dilated.BASIC, dilated.LARGE])
def test_without_noise_it_copies(multiples):
    context = dilated.Context(3, multiples)
    for layer in context.layers.parts.values():
        if isinstance(layer, nn.Conv2d):
            dilated.identity(layer, 3, noise=1e-9)
    x = np.random.default_rng(0).uniform(size=(1, 3, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(context(Tensor(x)).data, x, atol=1e-5)


@pytest.mark.parametrize("multiples", [None, dilated.BASIC, (2, 2, 4, 4, 4, 4, 4)])
def test_a_small_one_learns(multiples, comes_alive, halves):
    nn.manual_seed(1)
    x, labels = halves()
    net = dilated.small(multiples=multiples, num_classes=3)
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), lr=0.02)
