"""LeNet-5: the slides' and the paper's counts, the connection table, subsampling, distances; all of it learns."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import lenet

# Table I of the paper: a row for each map of S2, a column for each map of C3.
TABLE_I = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""


def test_the_connection_table_is_the_papers():
    printed = np.array([[cell == "X" for cell in row] for row in TABLE_I.split()])
    np.testing.assert_array_equal(lenet.c3_mask(), printed.T)


def test_the_table_of_the_slides():
    """INRIA: C1 156, S2 12, C3 1516 < 16·6·26, S4 32, C5 49,920, F6 10,080, output 840; see the course's errata."""
    assert list(lenet.table().values()) == [156, 12, 1516, 32, 49_920, 10_080, 840]
    assert lenet.table()["C3"] < 16 * (6 * 25 + 1) == 2416 < 16 * 6 * 26, "fewer than if every filter read every map"


def test_the_network_has_the_parameters_of_the_table():
    """One bias for each filter and unit. The paper: 60,000 "trainable free parameters", distances as the output."""
    net = summary(lambda: lenet.LeNet5("linear"), (1, 32, 32))
    layers = {}
    for row in net.rows:
        part = row.path.partition(".")[0]
        if part:
            layers[part] = layers.get(part, 0) + row.parameters
    assert list(layers.values()) == list(lenet.table(slides=False).values())
    assert list(layers.values()) == [156, 12, 1516, 32, 120 * (16 * 25 + 1), 84 * 121, 10 * 85]
    assert summary(lenet.LeNet5, (1, 32, 32)).parameters == sum(layers.values()) - 850 == 60_000


def test_shapes_are_those_of_figure_2():
    rows = summary(lenet.LeNet5, (1, 32, 32)).rows
    shapes = [row.shape for row in rows if row.op in ("tanh", "concatenate")]
    c1, s2, c3, s4, c5, f6 = (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,)
    assert shapes == [c1, s2, c3, c3, s4, c5, f6]
    assert rows[-1].shape == (10,)


def test_every_filter_of_c3_reads_the_maps_of_its_row():
    nn.manual_seed(0)
    layer = lenet.TableConv(lenet.C3_TABLE, 5)
    for k in range(16):
        x = Tensor(np.ones((1, 6, 5, 5)), requires_grad=True)
        layer(x)[:, k].sum().backward()
        assert (np.abs(x.grad[0]).sum(axis=(1, 2)) > 0).tolist() == [bool(m) for m in lenet.c3_mask()[k]]


def test_subsampling_has_one_coefficient_and_one_bias_a_map():
    layer = lenet.Subsampling(2)
    layer.weight.data[0, :, 0, 0], layer.bias.data[0, :, 0, 0] = (0.5, -1), (0.1, 0.2)
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 6))
    means = (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
    expected = [1.7159 * np.tanh(2 / 3 * (0.5 * means[0, 0] + 0.1)), 1.7159 * np.tanh(2 / 3 * (0.2 - means[0, 1]))]
    np.testing.assert_allclose(layer(Tensor(x)).data[0], expected, rtol=1e-6)


def test_the_squashing_keeps_plus_and_minus_one():
    """The paper's appendix A: f(1) = 1, f(-1) = -1, and the gain around 0 is about 1."""
    np.testing.assert_allclose(lenet.squash(Tensor([-1.0, 1.0])).data, [-1, 1], atol=1e-4)
    np.testing.assert_allclose(lenet.squash(Tensor([1e-3])).data, [1e-3 * 1.7159 * 2 / 3], rtol=1e-5)


def test_the_patterns_are_ten_different_pictures():
    patterns = lenet.digit_patterns()
    assert patterns.shape == (10, 7 * 12) and set(np.unique(patterns)) == {-1, 1}
    differences = [(a != b).sum() for i, a in enumerate(patterns) for b in patterns[:i]]
    assert min(differences) >= 4
    seven = patterns[7].reshape(12, 7)
    assert (seven[0] == 1).all() and (seven[1:, 0] == -1).all(), "a bar above, nothing below it on the left"


def test_the_output_is_a_distance():
    """Equation 7 of the paper, a loop over classes and units."""
    rng = np.random.default_rng(0)
    h, patterns = rng.normal(size=(3, 84)), rng.normal(size=(10, 84))
    expected = [[-sum((a - b) ** 2 for a, b in zip(row, pattern, strict=True)) for pattern in patterns] for row in h]
    np.testing.assert_allclose(lenet.Distances(patterns)(Tensor(h)).data, expected)
    assert lenet.Distances(patterns).count() == 0


@pytest.mark.parametrize("output", ["rbf", "linear"])
def test_it_learns(output, comes_alive, noise):
    x, labels = noise(size=32, images=3)
    net = lenet.LeNet5(output)
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), steps=4, lr=0.002)


def test_the_one_of_today_learns(comes_alive, noise):
    """61,706 parameters: 156, 2,416 and 48,120, 10,164, 850."""
    x, labels = noise(size=32)
    net = lenet.lenet5()
    assert net.count() == 156 + 2416 + 48_120 + 10_164 + 850
    comes_alive(net, x, lambda scores: F.cross_entropy(scores, labels), steps=4, lr=0.01)


def test_refused():
    with pytest.raises(ValueError, match="output is 'softmax', but must be 'rbf' or 'linear'"):
        lenet.LeNet5("softmax")
    with pytest.raises(ValueError, match="10 digits, but num_classes is 26"):
        lenet.LeNet5(num_classes=26)
