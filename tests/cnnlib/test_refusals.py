"""Every op, every array and every option: what makes no sense is refused by one sentence of the library's own.

A sentence is the library's own where a `raise` in its own files is what the traceback ends with: numpy's words, about
an array that the caller has never seen, do not count.
"""

import traceback

import numpy as np
import pytest

from cnnlib import ops
from cnnlib.autograd import Tensor

RNG = np.random.default_rng(0)
IMAGES, ROWS = RNG.normal(size=(2, 4, 6, 7)), RNG.normal(size=(3, 5))
SIGNS, CLASSES = np.array([1, -1, 1]), np.array([0, 1, 4])
BOX = np.array([[0, 0, 0, 3, 3.0]])

# A call of every op that is right: its arrays, and its options by name.
RIGHT = {
    **{name: ([IMAGES], {}) for name in ("relu", "sigmoid", "tanh", "flatten", "global_avg_pool2d")},
    "leaky_relu": ([IMAGES], {"negative_slope": 0.1}),
    "elu": ([IMAGES], {"alpha": 1.0}),
    "maxout": ([IMAGES], {"pieces": 2}),
    "l2_pool_features": ([IMAGES], {"pieces": 2}),
    "softmax": ([ROWS], {"axis": 1}),
    "log_softmax": ([ROWS], {"axis": 1}),
    "linear": ([ROWS, np.ones((2, 5)), np.ones(2)], {}),
    "conv2d": (
        [IMAGES, np.ones((6, 4, 3, 3)), np.ones(6)],
        {"stride": 1, "padding": 1, "dilation": 1, "groups": 1},
    ),
    "conv_transpose2d": (
        [IMAGES, np.ones((4, 3, 3, 3)), np.ones(3)],
        {"stride": 2, "padding": 1, "output_padding": 1, "dilation": 1, "groups": 1},
    ),
    "locally_connected2d": ([IMAGES, np.ones((4, 5, 2, 4, 3, 3)), np.ones((2, 4, 5))], {"stride": 1, "padding": 0}),
    "max_pool2d": ([IMAGES], {"kernel_size": 2, "stride": 2, "padding": 0, "dilation": 1}),
    "avg_pool2d": ([IMAGES], {"kernel_size": 2, "stride": 2, "padding": 0}),
    "l2_pool2d": ([IMAGES], {"kernel_size": 2, "stride": 2, "padding": 0}),
    "max_unpool2d": ([np.ones((1, 1, 1, 2)), np.array([[[[5, 7]]]])], {"kernel_size": 2, "stride": 2, "padding": 0}),
    "upsample_nearest": ([IMAGES], {"scale_factor": 2}),
    "upsample_bilinear": ([IMAGES], {"scale_factor": 2}),
    "batch_norm": ([IMAGES, np.ones(4), np.ones(4)], {"eps": 1e-5}),
    "weight_norm": ([np.ones((3, 4)), np.ones((3, 1))], {"axis": 0}),
    "local_response_norm": ([IMAGES], {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}),
    "local_contrast_norm": ([IMAGES], {"kernel_size": 3, "eps": 1e-4}),
    "dropout": ([IMAGES], {"p": 0.5, "rng": np.random.default_rng(0)}),
    "cross_entropy": ([ROWS, CLASSES], {"ignore_index": -1}),
    "hinge": ([ROWS, CLASSES], {"margin": 1.0}),
    **{name: ([np.ones(3), SIGNS], {}) for name in ("perceptron_loss", "hinge_loss", "logistic_loss")},
    "binary_cross_entropy_with_logits": ([np.ones(3), np.array([0, 0.5, 1])], {}),
    "mse": ([ROWS, ROWS], {}),
    "smooth_l1": ([ROWS, ROWS], {"beta": 1.0}),
    "roi_pool": ([IMAGES, BOX], {"output_size": 2, "spatial_scale": 1.0}),
    "concatenate": ([IMAGES, IMAGES], {"axis": 1}),
    "add": ([IMAGES, IMAGES], {}),
    "multiply": ([ROWS, ROWS], {}),
    "pad": ([IMAGES], {"padding": 1}),
    "crop": ([IMAGES], {"top": 0, "left": 0, "height": 2, "width": 2}),
    "matmul": ([ROWS, ROWS.T], {}),
    "power": ([abs(ROWS)], {"exponent": 2}),
    "sum": ([ROWS], {"axis": 1}),
    "transpose": ([ROWS], {"axes": (1, 0)}),
    "reshape": ([ROWS], {"shape": (15,)}),
    "broadcast_to": ([ROWS], {"shape": (2, 3, 5)}),
    "getitem": ([ROWS], {"index": 0}),
}
NO_ARRAYS = {
    "complex": np.ones((2, 4, 6, 7), complex),
    "words": np.full((2, 4, 6, 7), "a"),
    "a word": "hello",
    "a dictionary": {},
    "ragged": [[1, 2], [3]],
    "dates": np.zeros((2, 4, 6, 7), "M8[D]"),
    "nothing inside": np.full((2, 4, 6, 7), None),
    "a Tensor": Tensor(np.ones((2, 4, 6, 7)), requires_grad=True),
}
NO_NUMBERS = {"nan": float("nan"), "word": "2", "complex": 1j, "set": {2}, "huge": 10**30, "five": (1, 1, 1, 1, 1)}
MAY_BE_NONE = {"stride", "ignore_index", "axis", "axes"}
REAL = {"negative_slope", "alpha", "beta", "k", "eps", "margin", "exponent", "spatial_scale", "p"}  # may be huge


def refuses(call, *arguments, **options):
    with pytest.raises((ValueError, TypeError)) as error:
        call(*arguments, **options)
    last = traceback.extract_tb(error.value.__traceback__)[-1]
    assert "cnnlib" in last.filename and last.line.startswith("raise"), f"{error.value!r} comes from {last.line}"
    sentence = str(error.value)
    assert sentence and "\n" not in sentence
    return sentence


def test_the_table_has_every_op():
    assert set(RIGHT) == {name.removesuffix("_forward") for name in vars(ops) if name.endswith("_forward")}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("kind", NO_ARRAYS)
def test_no_array(name, kind):
    arrays, options = RIGHT[name]
    for i in range(len(arrays)):
        refuses(getattr(ops, f"{name}_forward"), *arrays[:i], NO_ARRAYS[kind], *arrays[i + 1 :], **options)


@pytest.mark.parametrize("name", [name for name in RIGHT if RIGHT[name][1] and name != "getitem"])
def test_no_number(name):
    arrays, options = RIGHT[name]
    for option in options:
        for kind, value in NO_NUMBERS.items():
            if not (kind == "huge" and option in REAL):
                refuses(getattr(ops, f"{name}_forward"), *arrays, **{**options, option: value})
        if option not in MAY_BE_NONE and name != "reshape":
            refuses(getattr(ops, f"{name}_forward"), *arrays, **{**options, option: None})


@pytest.mark.parametrize("name", RIGHT)
def test_a_gradient_from_above_that_does_not_fit(name):
    arrays, options = RIGHT[name]
    out, cache = getattr(ops, f"{name}_forward")(*arrays, **options)
    wrong = [np.ones((*np.shape(out), 2)), np.ones((7, 7)), np.ones(np.shape(out), complex), None, "a", [[1], [1, 2]]]
    for dout in wrong:
        refuses(getattr(ops, f"{name}_backward"), dout, cache)


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_written_to_an_array(name):
    arrays, options = RIGHT[name]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    out, cache = getattr(ops, f"{name}_forward")(*arrays, **options)
    dout = RNG.normal(size=np.shape(out))
    dout.flags.writeable = False
    first, second = (getattr(ops, f"{name}_backward")(dout, cache) for _ in range(2))
    for now, then in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(now, then)
    for one, two in zip(np.atleast_1d(first) if isinstance(first, np.ndarray) else first, second, strict=True):
        np.testing.assert_array_equal(one, two)  # nor to the cache


@pytest.mark.parametrize("name", RIGHT)
def test_numbers_with_their_bytes_the_other_way_round(name):
    arrays, options = RIGHT[name]
    options = {**options, "rng": np.random.default_rng(1)} if name == "dropout" else options
    again = {**options, "rng": np.random.default_rng(1)} if name == "dropout" else options
    swapped = [array.astype(array.dtype.newbyteorder(">")) for array in arrays]
    out, _ = getattr(ops, f"{name}_forward")(*arrays, **options)
    np.testing.assert_allclose(getattr(ops, f"{name}_forward")(*swapped, **again)[0], out, rtol=1e-12)


@pytest.mark.parametrize(
    "call, says",
    [
        (
            lambda: ops.conv2d_forward(IMAGES, np.ones((1, 4, 3, 3)), padding=2**40),
            "padding is 1099511627776, but must",
        ),
        (lambda: ops.conv2d_forward(IMAGES, np.ones((1, 4, 3, 3)), groups=1.5), "groups must be an integer, not 1.5"),
        (lambda: ops.roi_pool_forward(IMAGES, [[0, 1e300, 0, 3, 3]], 2), "none larger than 2147483647 pixels"),
        (lambda: ops.roi_pool_forward(IMAGES, BOX, 2, 0), "spatial_scale is 0, but must be .* larger than 0"),
        (lambda: ops.batch_norm_forward(ROWS, np.ones(5), np.ones(5), np.ones(5)), "both or neither"),
        (lambda: ops.batch_norm_forward(ROWS, *np.ones((3, 5)), -np.ones(5)), "running_var holds -1"),
        (lambda: ops.local_response_norm_forward(IMAGES, k=0), "k is 0, but must be .* larger than 0"),
        (lambda: ops.local_contrast_norm_forward(IMAGES, window=np.full((3, 3), np.inf)), "give positive weights"),
        (lambda: ops.sum_forward(ROWS, (0, -2)), "each of the 2 axes can be summed once only"),
        (lambda: ops.sum_forward(ROWS, 2), "axis is 2, but there are 2 axes"),
        (lambda: ops.broadcast_to_forward(ROWS, (3, 4)), r"shape \(3, 5\), which cannot be repeated to \(3, 4\)"),
        (lambda: ops.reshape_forward(ROWS, (4, 4)), r"its 15 numbers do not fit into \(4, 4\)"),
        (lambda: ops.transpose_forward(ROWS, (0, 0)), r"x has 2 axes, .* not \(0, 0\)"),
        (lambda: ops.im2col(np.full((1, 1, 3, 3), "a"), 2), "x must hold real numbers, not <U1"),
        (lambda: ops.col2im(np.full((2, 4), "a"), (1, 1, 2, 3), 2), "cols must hold real numbers, not <U1"),
        (lambda: ops.relu_forward([[1, 2], [3]]), "x must be an array, but its rows have different lengths"),
        (lambda: ops.cross_entropy_forward(ROWS, [0, 1, 2**63]), "label 9.22.*e.18 is none of the 5 classes"),
        (lambda: ops.cross_entropy_forward(ROWS, [0, 1, np.nan]), "label nan is none of the 5 classes"),
    ],
)
def test_what_the_sentence_says(call, says):
    with pytest.raises((ValueError, TypeError), match=says):
        call()
