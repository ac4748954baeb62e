"""Modules: parts and their names, states that go back and forth, modes, and layers that refuse what does not fit."""

import copy

import numpy as np
import pytest

from cnnlib import nn
from cnnlib.autograd import Tensor, no_grad
from cnnlib.autograd import functional as F

rng = np.random.default_rng(0)


class Block(nn.Module):
    def __init__(self):
        self.first = nn.Linear(3, 3)
        self.rest = [nn.Linear(3, 3, bias=False), nn.BatchNorm2d(3)]
        self.ways = {"left": nn.Linear(3, 1), "right": nn.Linear(3, 1)}
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.again = self.first

    def forward(self, x):
        for layer in (self.first, *self.rest, self.again):
            x = layer(x)
        return (self.ways["left"](x) + self.ways["right"](x)) * self.scale


def test_parts_have_paths():
    names = [name for name, _ in Block().named_parameters()]
    assert names == [
        "scale", "first.weight", "first.bias", "rest.0.weight", "rest.1.weight", "rest.1.bias",
        "ways.left.weight", "ways.left.bias", "ways.right.weight", "ways.right.bias",
    ]  # fmt: skip
    block = Block()
    assert block.count() == 1 + 12 + 9 + 6 + 8 == sum(p.size for p in block.parameters())


def test_every_part_gets_a_gradient():
    block = Block()
    (block(Tensor(rng.normal(size=(5, 3)))) ** 2).sum().backward()
    assert all(np.any(p.grad) for name, p in block.named_parameters() if name != "rest.1.bias")


def test_a_state_goes_into_another_network():
    nn.manual_seed(1)
    one, two = Block(), Block()
    x = rng.normal(size=(4, 3))
    one(x)  # moves the running statistics
    two.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(one.eval()(x).data, two.eval()(x).data)
    state = one.state_dict()
    state["scale"][:] = 99
    assert one.scale.item() == 1, "a state is a copy"


@pytest.mark.parametrize(
    "change, error, words",
    [
        (lambda s: s.pop("first.bias"), KeyError, "the network has .*first.bias, but the state has not"),
        (lambda s: s.update(other=1), KeyError, "the state has other, but the network has not"),
        (
            lambda s: s.update({"first.bias": np.ones(4)}),
            ValueError,
            r"first.bias has shape \(4,\), but .* needs \(3,\)",
        ),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, error, words):
    block = Block()
    state = {name: array + 1 for name, array in block.state_dict().items()}
    before = block.state_dict()
    change(state)
    with pytest.raises(error, match=words):
        block.load_state_dict(state)
    for name, array in block.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_modes_reach_every_part():
    net = nn.Sequential(nn.Sequential(nn.Dropout(0.9)), nn.BatchNorm2d(2))
    x = Tensor(rng.normal(size=(8, 2, 3, 3)))
    assert not np.array_equal(net(x).data, net(x).data)
    net.eval()
    assert np.array_equal(net(x).data, net(x).data)
    assert all(not m.training for _, m in net.modules())
    assert all(m.training for _, m in net.train().modules())


def test_batch_norm_follows_the_batches():
    layer = nn.BatchNorm2d(2, momentum=0.5)
    batches = rng.normal(2, 3, size=(30, 16, 2, 4, 4))
    mean, var = np.zeros(2), np.ones(2)
    with no_grad():
        for x in batches:
            layer(Tensor(x))
            mean = 0.5 * mean + 0.5 * x.mean((0, 2, 3))
            var = 0.5 * var + 0.5 * x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var, var, rtol=1e-5)
    x = batches[0]
    expected = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + 1e-5)
    np.testing.assert_allclose(layer.eval()(Tensor(x)).data, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_every_layer_takes_arrays_and_tensors(kind):
    x = kind(rng.standard_normal((2, 4, 8, 8)).astype(np.float32))
    layers = [
        nn.Conv2d(4, 2, 3),
        nn.ConvTranspose2d(4, 2, 2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2),
    ]
    layers += [
        nn.GlobalAvgPool2d(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.LocalResponseNorm(),
        nn.Softmax(),
        nn.L2Pool2d(2),
    ]
    layers += [nn.Maxout(2), nn.UpsampleNearest(2), nn.LocallyConnected2d(4, 2, (6, 6), 3)]
    for layer in layers:
        assert np.isfinite(layer(x).data).all(), layer


def test_weight_norm_wraps_a_layer():
    nn.manual_seed(0)
    plain = nn.Conv2d(2, 3, 3)
    wrapped = nn.WeightNorm(copy.deepcopy(plain))
    x = rng.normal(size=(2, 2, 5, 5))
    np.testing.assert_allclose(wrapped(x).data, plain(x).data, rtol=1e-5, atol=1e-6)
    assert [name for name, _ in wrapped.named_parameters()] == ["v", "g", "layer.bias"]
    wrapped(x).sum().backward()
    assert all(p.grad is not None for p in wrapped.parameters())


def test_frozen_parts_get_no_gradient():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    net[0].requires_grad(False)
    net(rng.normal(size=(2, 3))).sum().backward()
    assert all(p.grad is None for p in net[0].parameters())
    assert all(p.grad is not None for p in net[1].parameters())


def test_he_weights_keep_the_size_of_the_signal():
    """Through 20 layers with ReLU the mean square stays within a factor of 2."""
    nn.manual_seed(0)
    layers = [part for _ in range(20) for part in (nn.Linear(512, 512), nn.ReLU())]
    out = nn.Sequential(*layers)(rng.normal(size=(64, 512)).astype(np.float32))
    assert 0.5 < np.mean(out.data**2) < 2
    assert out.dtype == np.float32


def test_the_seed_decides():
    first, second, third = (nn.manual_seed(seed) or nn.Conv2d(1, 2, 3).weight.data for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_astype_turns_all():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).astype(np.float64)
    assert {array.dtype for array in net.state_dict().values()} == {np.dtype(float)}
    assert net(np.ones((2, 1, 4, 4))).dtype == np.float64


def test_a_network_reads_as_it_is_built():
    net = nn.Sequential({"conv": nn.Conv2d(3, 6, 5, padding=2, bias=False), "pool": nn.MaxPool2d(2), "act": nn.ReLU()})
    assert repr(net).splitlines()[:2] == ["Sequential(", "  (conv): Conv2d(3, 6, 5, padding=2, bias=False)"]
    assert net["pool"] is net[1] and len(net[:2]) == 2
    assert nn.Sequential(), "without parts it is a network still"
    with pytest.raises(TypeError, match="part 1 of a Sequential must be a Module or a function, not 3"):
        nn.Sequential(nn.ReLU(), 3)


def test_layers_are_their_ops():
    x = Tensor(rng.normal(size=(2, 4, 8, 8)))
    pairs = [
        (nn.MaxPool2d(3, stride=2, padding=1), F.max_pool2d(x, kernel_size=3, stride=2, padding=1)),
        (nn.AvgPool2d(2), F.avg_pool2d(x, kernel_size=2)),
        (nn.L2Pool2d(2), F.l2_pool2d(x, kernel_size=2)),
        (nn.L2PoolFeatures(4), F.l2_pool_features(x, pieces=4)),
        (nn.GlobalAvgPool2d(), F.global_avg_pool2d(x)),
        (nn.LeakyReLU(0.2), F.leaky_relu(x, negative_slope=0.2)),
        (nn.ELU(0.5), F.elu(x, alpha=0.5)),
        (nn.Maxout(2), F.maxout(x, pieces=2)),
        (nn.Sigmoid(), F.sigmoid(x)),
        (nn.Softmax(), F.softmax(x)),
        (nn.LocalResponseNorm(3, k=2.0), F.local_response_norm(x, size=3, k=2.0)),
        (nn.LocalContrastNorm(5), F.local_contrast_norm(x, kernel_size=5)),
        (nn.UpsampleNearest(3), F.upsample_nearest(x, scale_factor=3)),
        (nn.UpsampleBilinear(2), F.upsample_bilinear(x, scale_factor=2)),
    ]
    for layer, expected in pairs:
        np.testing.assert_array_equal(layer(x).data, expected.data)


def test_unpooling_puts_the_maxima_back():
    x = Tensor(rng.normal(size=(2, 3, 6, 6)))
    pooled, switches = nn.MaxPool2d(2).with_switches(x)
    back = nn.MaxUnpool2d(2)(pooled, switches).data
    np.testing.assert_array_equal(back[back != 0], x.data[back != 0])
    assert np.count_nonzero(back) == 2 * 3 * 9


def test_locally_connected_with_one_filter_everywhere_is_a_convolution():
    conv, local = nn.Conv2d(2, 3, 3), nn.LocallyConnected2d(2, 3, 4, 3)
    local.weight.data[:] = conv.weight.data
    x = rng.normal(size=(2, 2, 6, 6))
    np.testing.assert_allclose(local(x).data, conv(x).data, rtol=1e-5, atol=1e-6)


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module must say what forward"):
        nn.Module()(np.ones(3))
    with pytest.raises(ValueError, match="3 channels and 4 filters do not divide into 2 groups"):
        nn.Conv2d(3, 4, 3, groups=2)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: nn.Linear(0, 2), "in_features is 0, but must be at least 1"),
        (lambda: nn.Linear(2, 1.5), "out_features must be an integer, not 1.5"),
        (lambda: nn.Conv2d("3", 2, 3), "in_channels must be an integer, not '3'"),
        (lambda: nn.Conv2d(2, 2, 3, stride=0), "stride is 0, but must be at least 1"),
        (lambda: nn.Conv2d(2, 2, 3, padding=-1), "padding is -1, but must be at least 0"),
        (lambda: nn.Conv2d(2, 2, (3, 3, 3)), "kernel_size has 3 numbers, but an image has 2 directions"),
        (lambda: nn.Conv2d(2, 2, 3, groups=0), "groups is 0, but must be at least 1"),
        (lambda: nn.Conv2d(2, 2, 3, padding="valid"), "padding is 'valid' and stride 1, but a word must be 'same'"),
        (lambda: nn.Conv2d(2, 2, 3, stride=2, padding="same"), "padding is 'same' and stride 2"),
        (lambda: nn.ConvTranspose2d(4, 4, 3, groups=3), "4 channels and 4 filters do not divide into 3 groups"),
        (lambda: nn.ConvTranspose2d(4, 4, 3, stride=None), "stride must be an integer or a pair"),
        (lambda: nn.LocallyConnected2d(1, 0, 3, 3), "out_channels is 0, but must be at least 1"),
        (lambda: nn.BatchNorm2d(-1), "num_features is -1, but must be at least 1"),
        (lambda: nn.BatchNorm2d(3, momentum=float("nan")), "momentum is nan, but must be"),
        (lambda: nn.WeightNorm(nn.ReLU()), r"needs a layer with a weight, not ReLU\(\)"),
        (lambda: nn.Linear(2, 2).astype(int), "dtype must be float32 or float64, not int64"),
        (lambda: nn.manual_seed(-1), "seed is -1, but must be at least 0"),
        (lambda: nn.Linear(2, 2).load_state_dict(None), "state must be a dictionary of arrays by path, not NoneType"),
        (lambda: nn.Sequential(nn.ReLU())["relu"], "there is no part 'relu'; there are 0"),
    ],
)
def test_layers_that_cannot_be(make, words):
    with pytest.raises((ValueError, TypeError, KeyError), match=words):
        make()


@pytest.mark.parametrize("words", [np.array(["a", "b", "c"]), np.ones(3, complex)])
def test_a_state_of_no_numbers_changes_nothing(words):
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3))
    before = net.state_dict()
    with pytest.raises(TypeError, match=r"1.bias must hold real numbers, not (<U1|complex128)"):
        net.load_state_dict({**{path: array + 1 for path, array in before.items()}, "1.bias": words})
    for path, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[path])
