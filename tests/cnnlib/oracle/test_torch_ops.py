"""Every op of cnnlib.ops and all its gradients against PyTorch: any shape, geometry, dtype and order of memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import ops

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[oracle]'")
import twins_of_images  # noqa: E402, F401
import twins_of_numbers  # noqa: E402, F401
from torch.nn import functional as F  # noqa: E402
from torch_twins import ORDERS, TWINS, Call, agree  # noqa: E402

dtypes = st.sampled_from(["float32", "float64"])
EXAMPLES = {"conv2d": 150, "conv_transpose2d": 100, "max_pool2d": 100}


def test_every_op_has_a_twin():
    assert set(TWINS) == {name.removesuffix("_forward") for name in dir(ops) if name.endswith("_forward")}


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log")  # log_softmax along an axis without numbers
@pytest.mark.parametrize("name", sorted(TWINS))
def test_out_and_gradients_are_pytorchs(name):
    @given(st.data(), dtypes, dtypes, st.lists(st.sampled_from(list(ORDERS)), min_size=6, max_size=6))
    @settings(max_examples=EXAMPLES.get(name, 40), deadline=None, derandomize=True, database=None)
    def compare(data, dtype, dout_dtype, orders):
        agree(name, TWINS[name](data.draw), dtype, orders, dout_dtype)

    compare()


@pytest.mark.parametrize("order", ["contiguous", "channels last"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "algo, kernel, options",
    [
        ("point", (1, 1), {}),
        ("point", (1, 1), {"stride": (2, 1)}),
        ("winograd", (3, 3), {"padding": 1}),
        ("winograd", (5, 5), {"padding": (2, 0), "groups": 2}),
        ("phases", (3, 3), {"padding": 2, "dilation": 2}),
        ("phases", (3, 3), {"dilation": (2, 3)}),
        ("space_to_depth", (7, 7), {"stride": 2, "padding": 3}),
        ("space_to_depth", (8, 8), {"stride": 4, "padding": (0, 3)}),
        ("columns", (3, 2), {"stride": (1, 2), "padding": (0, 1), "dilation": (2, 1), "groups": 4}),
    ],
)
def test_wide_convolutions_by_every_route(algo, kernel, options, dtype, order):
    """With so many channels the quick routes are taken unasked too."""
    rng = np.random.default_rng(0)
    groups = options.get("groups", 1)
    x, w = rng.normal(size=(1, 16 * groups, 23, 14)), rng.normal(size=(17 * groups, 16, *kernel))
    call = Call([x, w, rng.normal(size=len(w))], lambda x, w, b: F.conv2d(x, w, b, **options), terms=16 * w[0, 0].size)
    for asked in (None, algo, "direct"):
        call.options = options | {"algo": asked}
        agree("conv2d", call, dtype, [order] * 4, dtype)


@given(st.data(), dtypes)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
def test_columns_are_those_of_unfold_and_fold(data, dtype):
    """PyTorch has (N, C·FH·FW, OH·OW), ours are (N·OH·OW, C·FH·FW)."""
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation, padding = (data.draw(pairs) for _ in range(4))
    n, c, h, w = (data.draw(st.integers(least, 7)) for least in (1, 1, 5, 5))
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    x = np.random.default_rng(0).normal(size=(n, c, h, w)).astype(dtype)
    theirs = F.unfold(torch.tensor(x), kernel, **options)
    cols = ops.im2col(x, kernel, **options)
    np.testing.assert_array_equal(cols, theirs.numpy().swapaxes(1, 2).reshape(cols.shape))
    folded = F.fold(theirs, (h, w), kernel, **options).numpy()
    np.testing.assert_allclose(ops.col2im(cols, x.shape, kernel, **options), folded, rtol=9 * np.finfo(dtype).eps)


# --------------------------------------------------------------------------------------- where ours are not PyTorch's


def test_one_number_a_channel_has_a_batch_norm():
    """PyTorch refuses; ours is the bias, as the variance 0 says."""
    with pytest.raises(ValueError):
        F.batch_norm(torch.ones(1, 2), None, None, training=True)
    assert ops.batch_norm_forward([[5.0, 6.0]], [1, 1], [3, 4])[0].tolist() == [[3, 4]]


def test_nothing_to_learn_from_is_an_error():
    """PyTorch's mean of nothing is NaN."""
    assert F.cross_entropy(torch.ones(1, 2), torch.tensor([-100])).isnan()
    with pytest.raises(ValueError):
        ops.cross_entropy_forward(np.ones((1, 2)), [-100], ignore_index=-100)


def test_a_window_of_padding_only_is_an_error():
    """PyTorch's maximum of nothing is minus infinity."""
    x = np.ones((1, 1, 2, 2))
    options = {"kernel_size": 2, "padding": 1, "dilation": 3}
    assert F.max_pool2d(torch.tensor(x), **options).isinf().all()
    with pytest.raises(ValueError, match="see padding only"):
        ops.max_pool2d_forward(x, **options)


def test_padding_may_be_as_large_as_every_window_meets_a_pixel():
    """PyTorch pads by half a window at most."""
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    with pytest.raises(RuntimeError):
        F.max_pool2d(torch.tensor(x), 3, padding=2)
    assert ops.max_pool2d_forward(x, 3, stride=1, padding=2)[0].shape == (1, 1, 4, 4)


def test_nan_makes_its_windows_nan_in_both():
    """Of two NaNs in a window, PyTorch's gradient goes to the last and ours to the first."""
    x = np.ones((1, 1, 2, 4))
    x[0, 0, 0, :2] = np.nan
    theirs = torch.tensor(x, requires_grad=True)
    pooled = F.max_pool2d(theirs, 2)
    pooled.sum().backward()
    out, cache = ops.max_pool2d_forward(x, 2)
    np.testing.assert_array_equal(out, pooled.detach().numpy())
    assert theirs.grad[0, 0, 0].tolist() == [0, 1, 1, 0]
    assert ops.max_pool2d_backward(np.ones(out.shape), cache)[0, 0, 0].tolist() == [1, 0, 1, 0]
