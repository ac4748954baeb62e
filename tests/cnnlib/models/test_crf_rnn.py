"""The CRF as layers: the same as `cnnlib.crf`'s passes, forward and backward; a small network learns through it."""

import numpy as np
import pytest

from cnnlib import crf, nn, ops, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import crf_rnn

WIDTHS = {"place": 2.0, "wide_place": 4.0, "colour": 0.3}
rng = np.random.default_rng(0)


def example(labels=3):
    layer = crf_rnn.CRF(labels, steps=3, **WIDTHS).astype(np.float64)
    layer.compatibility.data += rng.normal(size=(labels, labels)) / 5
    return layer, rng.normal(size=(2, labels, 4, 5)), rng.uniform(size=(2, 3, 4, 5))


def test_it_is_mean_field():
    layer, scores, image = example()
    unary = -np.log(ops.softmax_forward(scores)[0])
    for mode, steps in ((True, 3), (False, crf_rnn.USED_STEPS)):
        out = layer.train(mode)(Tensor(scores), Tensor(image)).data
        expected = crf.mean_field(unary, image, steps, layer.weights.data, layer.compatibility.data, **WIDTHS)
        np.testing.assert_allclose(np.exp(out), expected, atol=1e-10)


def test_the_gradients_are_those_of_the_passes():
    """Against `crf.mean_field_step_backward`, which was written by hand."""
    layer, scores, image = example()
    kernels = crf.gaussian_kernels(image, **WIDTHS)
    q = ops.softmax_forward(scores)[0]
    unary, dout = rng.normal(size=q.shape), rng.normal(size=q.shape)
    tensors = Tensor(q, requires_grad=True), Tensor(unary, requires_grad=True)
    out = F.softmax(layer.step(*tensors, kernels) * -1)
    out.backward(dout)
    expected, cache = crf.mean_field_step_forward(q, unary, layer.weights.data, layer.compatibility.data, kernels)
    np.testing.assert_allclose(out.data, expected, atol=1e-12)
    grads = crf.mean_field_step_backward(dout, cache)
    for tensor, grad in zip((*tensors, layer.weights, layer.compatibility), grads, strict=True):
        np.testing.assert_allclose(tensor.grad, grad, atol=1e-12)


def test_without_pairs_it_changes_nothing():
    layer, scores, image = example()
    layer.weights.data[...] = 0
    out = layer(Tensor(scores), Tensor(image)).data
    np.testing.assert_allclose(out, F.log_softmax(Tensor(scores)).data, atol=1e-12)


@pytest.mark.parametrize("labels", [2, 21])
def test_it_adds_few_parameters(labels):
    """Two weights and a table of labels. (Zheng et al. give every label weights of its own.)"""
    plan = summary(lambda: crf_rnn.CRF(labels), [(labels, 16, 16), (3, 16, 16)])
    assert plan.parameters == 2 + labels**2
    assert plan.output_shape == (labels, 16, 16)


def test_edges_of_the_image_become_edges_of_the_labels():
    """Noisy scores on an image of two halves: the CRF sets pixels right that the network had wrong."""
    truth = np.zeros((16, 16), int)
    truth[:, 7:] = 1
    image = np.stack([truth, truth, truth])[None] * 0.8 + 0.1
    scores = np.where(truth == np.arange(2)[:, None, None], 1.0, 0.0)[None] + rng.normal(size=(1, 2, 16, 16))
    layer = crf_rnn.CRF(2).eval()
    wrong = [np.sum(s.argmax(axis=1) != truth) for s in (scores, layer(Tensor(scores), Tensor(image)).data)]
    assert wrong[0] > 40 and wrong[1] < wrong[0] / 4, wrong


def test_a_small_one_learns(comes_alive, halves):
    nn.manual_seed(0)
    x, labels = halves(size=12)
    x = 1 / (1 + np.exp(-x))  # from 0 to 1
    net = crf_rnn.small(steps=2)
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), steps=6)
