"""Networks on paper: every rule of shapes against the real op, every count against the network itself."""

import math

import numpy as np
import pytest

from cnnlib import nn, ops, shapes, summary
from cnnlib.arithmetic import receptive_field
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F

rng = np.random.default_rng(0)
X, W, B = rng.normal(size=(2, 4, 9, 7)), rng.normal(size=(6, 4, 3, 2)), rng.normal(size=6)
CALLS = {  # op: calls as (arrays, options)
    "linear": [((X.reshape(2, -1), rng.normal(size=(5, 252)), None), {}), ((X, rng.normal(size=(5, 7)), np.ones(5)), {})],
    "matmul": [((X[0, 0], X[0, 0].T), {})],
    "conv2d": [
        ((X, W, B), {}),
        ((X, W, None), {"stride": (2, 3), "padding": (1, 2), "dilation": (2, 1)}),
        ((X, W[:, :2], B), {"groups": 2, "stride": 2}),
    ],
    "conv_transpose2d": [
        ((X, rng.normal(size=(4, 3, 3, 2)), None), {}),
        ((X, rng.normal(size=(4, 3, 3, 2)), np.ones(6)), {"stride": (2, 3), "padding": 1, "output_padding": 1, "groups": 2}),
    ],
    "locally_connected2d": [((X, rng.normal(size=(4, 3, 5, 4, 3, 2)), None), {"stride": 2})],
    "max_pool2d": [((X,), {"kernel_size": 2}), ((X,), {"kernel_size": 3, "stride": (1, 2), "padding": 1, "dilation": (2, 1)})],
    "avg_pool2d": [((X,), {"kernel_size": (3, 2)}), ((X,), {"kernel_size": 3, "stride": 2, "padding": 1})],
    "l2_pool2d": [((X,), {"kernel_size": 2}), ((X,), {"kernel_size": 3, "stride": 2, "padding": 1})],
    "global_avg_pool2d": [((X,), {})],
    "l2_pool_features": [((X,), {"pieces": 2})],
    "maxout": [((X,), {"pieces": 4})],
    "max_unpool2d": [((X[:, :, :4, :3], np.arange(12).reshape(4, 3) + np.zeros((2, 4, 1, 1), int)), {"kernel_size": 2})],
    "upsample_nearest": [((X,), {}), ((X,), {"scale_factor": (1, 3)})],
    "upsample_bilinear": [((X,), {}), ((X,), {"size": (5, 20)})],
    "roi_pool": [((X, np.array([[0, 0, 0, 5, 5], [1, 2, 2, 6, 6.0]])), {"output_size": (3, 2)})],
    "weight_norm": [((W, np.ones((6, 1, 1, 1))), {})],
    "batch_norm": [((X, np.ones(4), np.ones(4)), {})],
    "local_response_norm": [((X,), {"size": 3})],
    "local_contrast_norm": [((X,), {"kernel_size": 3})],
    "dropout": [((X,), {"rng": np.random.default_rng(0)})],
    "concatenate": [((X, X[:, :1]), {}), ((X, X), {"axis": -1})],
    "add": [((X, X, X), {})],
    "multiply": [((X, X), {})],
    "power": [((abs(X),), {"exponent": 2})],
    "pad": [((X,), {"padding": p}) for p in (1, (1, 2), (0, 1, 2, 3))],
    "crop": [((X,), {"top": 1, "left": 2, "height": 3, "width": 4})],
    "flatten": [((X,), {})],
    "broadcast_to": [((X[0, 0], ), {"shape": (3, 9, 7)})],
    "sum": [((X,), {}), ((X,), {"axis": (0, 2)}), ((X,), {"axis": 1, "keepdims": True})],
    "reshape": [((X,), {"shape": (2, -1)})],
    "transpose": [((X,), {}), ((X,), {"axes": (1, 0, 3, 2)})],
    "getitem": [((X,), {"index": (0, slice(1, 3))}), ((X,), {"index": (slice(None), [0, 0, 1])})],
    "cross_entropy": [((X[:, :, 0, 0], np.array([0, 3])), {}), ((X, np.zeros((2, 9, 7), int)), {})],
    "hinge": [((X[:, :, 0, 0], np.array([0, 3])), {})],
    **{name: [((X, np.sign(X)), {})] for name in ("perceptron_loss", "hinge_loss", "logistic_loss", "mse", "smooth_l1")},
    "binary_cross_entropy_with_logits": [((X, (X > 0) * 1.0), {})],
    **{name: [((X,), {})] for name in ["relu", "sigmoid", "tanh", "leaky_relu", "elu", "softmax", "log_softmax"]},
}  # fmt: skip
EVERY_OP = {name.removesuffix("_forward") for name in dir(ops) if name.endswith("_forward")}


@pytest.mark.parametrize("name", sorted(EVERY_OP))
def test_the_rule_says_what_the_op_gives(name):
    for arrays, options in CALLS[name]:
        out, _ = getattr(ops, f"{name}_forward")(*arrays, **options)
        assert shapes.of(name, *(None if a is None else a.shape for a in arrays), **options) == np.shape(out)


@pytest.mark.parametrize("name", sorted(EVERY_OP))
def test_an_op_in_a_graph_gives_every_array_its_gradient(name):
    """Each pair through autograd: shapes of the gradients, their types, and values by differences along one direction."""
    if name == "dropout":
        return  # draws anew in every call; test_dropout.py
    for arrays, options in CALLS[name]:
        given = [Tensor(a, requires_grad=True) if a is not None and a.dtype.kind == "f" else a for a in arrays]
        if name in (
            "roi_pool",
            "perceptron_loss",
            "hinge_loss",
            "logistic_loss",
            "binary_cross_entropy_with_logits",
            "mse",
            "smooth_l1",
        ):
            given[1] = arrays[1]  # boxes and targets get no gradient
        out = getattr(F, name)(*given, **options)
        dout = np.random.default_rng(1).normal(size=out.shape)
        out.backward(dout)
        for i, tensor in enumerate(given):
            if not isinstance(tensor, Tensor):
                continue
            assert tensor.grad.shape == tensor.shape
            direction, h = np.random.default_rng(2).normal(size=tensor.shape), 1e-6
            moved = [[*arrays[:i], arrays[i] + sign * h * direction, *arrays[i + 1 :]] for sign in (1, -1)]
            above, below = (getattr(ops, f"{name}_forward")(*m, **options)[0] for m in moved)
            slope = np.sum((above - below) * dout) / (2 * h)
            assert slope == pytest.approx(np.sum(tensor.grad * direction), rel=1e-5, abs=1e-6)


def test_options_may_come_by_position_on_paper_as_in_a_computation():
    class Net(nn.Module):
        def forward(self, x):
            padded = F.max_pool2d(F.pad(x, (1, 2, 1, 2)), 2, 1)
            return F.concatenate(F.upsample_nearest(padded, 2), F.dropout(F.upsample_nearest(padded, 2), 0.0))

    assert summary(Net(), (4, 9, 7)).output_shape == Net()(Tensor(X)).shape[1:]


def test_every_op_has_a_call_here():
    assert set(CALLS) == EVERY_OP
    assert {name for name in dir(ops) if name.endswith("_backward")} == {f"{name}_backward" for name in EVERY_OP}


def small():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same", bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 4, 5, stride=2, dilation=1, groups=2),
        nn.Flatten(),
        nn.Linear(4 * 6 * 4, 10),
    )


def test_a_summary_counts_what_the_network_has_and_gives():
    for model in (small(), small):
        table = summary(model, (3, 32, 24))
        assert table.output_shape == small()(np.zeros((1, 3, 32, 24), np.float32)).shape[1:] == (10,)
        assert table.parameters == small().count() == 8 * 27 + 16 + 4 * 101 + 970
        assert table.multiply_adds == 32 * 24 * 8 * 27 + 6 * 4 * 4 * 100 + 960
        assert [row.receptive_field for row in table.rows][:5] == [(3, 3), (3, 3), (3, 3), (4, 4), (12, 12)]
        assert table.rows[4].receptive_field[0] == receptive_field([(3, 1), (2, 2), (5, 2)])
        assert table.rows[-1].receptive_field == (math.inf, math.inf)
        assert table.activations == 3 * 32 * 24 * 8 + 16 * 12 * 8 + 2 * 6 * 4 * 4 + 10


def test_a_shared_layer_is_counted_once():
    layer = nn.Conv2d(2, 2, 3, padding=1)
    assert summary(nn.Sequential(layer, nn.ReLU(), layer), (2, 8, 8)).parameters == layer.count() == 38


def test_the_field_of_a_network_is_what_its_gradient_reaches():
    """One output's gradient is not zero exactly in the receptive field, and in all of it."""
    nn.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 2, (3, 2), dilation=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(2, 2, 3, stride=(2, 1)), nn.Tanh(),
        nn.AvgPool2d(3, stride=1),
    )  # fmt: skip
    x = Tensor(rng.normal(size=(1, 1, 40, 36)), requires_grad=True)
    out = net(x)
    dout = np.zeros(out.shape)
    dout[0, 0, 1, 2] = 1
    out.backward(dout)
    reached = np.argwhere(x.grad[0, 0])
    extent = tuple(reached.max(axis=0) - reached.min(axis=0) + 1)
    assert extent == summary(net, (1, 40, 36)).rows[-1].receptive_field


def test_a_transposed_convolution_narrows_the_step():
    net = nn.Sequential(
        nn.Conv2d(1, 1, 4, stride=4), nn.ConvTranspose2d(1, 1, 4, stride=4), nn.Conv2d(1, 1, 3, padding=1)
    )
    assert [row.receptive_field[0] for row in summary(net, (1, 16, 16)).rows] == [4, 4, 6]


def test_on_a_blueprint_a_giant_takes_no_memory():
    def giant():
        return nn.Sequential(nn.Linear(10**6, 10**6), nn.Dropout(), nn.Linear(10**6, 10))

    table = summary(giant, (10**6,))
    assert table.parameters == 10**12 + 10**6 + 10**7 + 10
    assert "1,000,001,000,000" in str(table)


def test_a_network_that_does_not_fit_says_where():
    with pytest.raises(ValueError, match="x has 3 channels, but w is made for 1"):
        summary(nn.Sequential(nn.Conv2d(1, 2, 3)), (3, 8, 8))
    with pytest.raises(ValueError, match="filter covers 9 pixels, but the padded image has 8"):
        summary(nn.Conv2d(3, 2, 9), (3, 8, 8))


def test_the_table_in_a_notebook_is_escaped_and_whole():
    net = nn.Sequential({"<b>": nn.Linear(2, 3)})
    page = summary(net, (2,))._repr_html_()
    assert "&lt;b&gt; Linear" in page and "<b>" not in page
    assert page.count("<tr>") == 3


# Options at their defaults, to be changed as well.
OF_THE_RULE = {
    "conv2d": {"stride": 1, "padding": 0, "dilation": 1, "groups": 1},
    "conv_transpose2d": {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1},
    "locally_connected2d": {"stride": 2, "padding": 0},
    **{name: {"stride": 2, "padding": 0} for name in ("max_pool2d", "avg_pool2d", "l2_pool2d", "max_unpool2d")},
    "l2_pool_features": {"pieces": 2},
    "maxout": {"pieces": 2},
    "upsample_nearest": {"scale_factor": 2},
    "upsample_bilinear": {"scale_factor": 2},
    "weight_norm": {"axis": 0},
    "softmax": {"axis": 1},
    "log_softmax": {"axis": 1},
    "concatenate": {"axis": 1},
}


# Beginnings of sentences about the numbers in an array or an option, which no shape tells.
OF_NUMBERS = ("label ", "switches go from", "a box lies in image", "exponent must be a number")


def mutations(arrays, options):
    """The same call with one length or one option different: some fit, others do not."""
    for i, array in enumerate(arrays):
        if array is None:
            continue
        others = [array[None], array[:0]] if array.ndim else []
        others += [np.concatenate([array, array.take([0], axis)], axis) for axis in range(array.ndim)]
        others += [array.take(range(n - 1), axis) for axis, n in enumerate(array.shape)]
        others += [array[0]] if array.ndim else []
        for other in others:
            yield (*arrays[:i], other, *arrays[i + 1 :]), options
    for name, value in options.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            for other in (0, -1, 1, 2, 3, 50, 1.5, "2"):
                yield arrays, {**options, name: other}
        if isinstance(value, tuple) and name not in ("shape", "index", "axes", "axis"):
            for other in (value[:1], (*value[:-1], 0), (*value[:-1], -1), (*value[:-1], 50), 2.5):
                yield arrays, {**options, name: other}


@pytest.mark.parametrize("name", sorted(EVERY_OP))
def test_the_rule_refuses_what_the_op_refuses(name):
    several = 0
    for arrays, options in CALLS[name]:
        if name in OF_THE_RULE:
            options = {**OF_THE_RULE[name], **options}
        for changed, settings in mutations(arrays, options):
            given = [None if array is None else array.shape for array in changed]
            try:
                wanted = np.shape(getattr(ops, f"{name}_forward")(*changed, **settings)[0])
            except (ValueError, TypeError, IndexError) as error:
                if str(error).startswith(OF_NUMBERS):
                    continue
                with pytest.raises((ValueError, TypeError, IndexError)):
                    pytest.fail(f"{given}, {settings}: {shapes.of(name, *given, **settings)}, but the op says: {error}")
            else:
                assert shapes.of(name, *given, **settings) == wanted, f"{given}, {settings}"
            several += 1
    assert several > 5


@pytest.mark.parametrize(
    "model, input_shape, words",
    [
        (nn.Linear(3, 2), 3, r"input_shape must be a tuple such as \(3, 224, 224\), .*, not 3"),
        (nn.Linear(3, 2), (), r"not \(\)"),
        (nn.Linear(3, 2), "abc", "not 'abc'"),
        (nn.Linear(3, 2), (3.5,), "a length in input_shape must be an integer, not 3.5"),
        (nn.Linear(3, 2), (-3,), "a length in input_shape is -3, but must be at least 1"),
        (3, (3,), "model must be a Module, or a function .*, not 3"),
        (lambda: None, (3,), "model must be a Module, or a function .*, not None"),
        (
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(4)),
            (3, 9, 9),
            r"weight has shape \(4,\), but 8 channels need",
        ),
        (nn.ConvTranspose2d(1, 1, 2, padding=5), (1, 2, 2), "padding leaves -7 x -7 pixels"),
    ],
)
def test_what_has_no_summary(model, input_shape, words):
    with pytest.raises((ValueError, TypeError), match=words):
        summary(model, input_shape)


def test_an_op_without_a_rule():
    with pytest.raises(KeyError, match="there is no rule for the shape of 'convolution'; there are relu, "):
        shapes.of("convolution", (1, 1, 2, 2))
