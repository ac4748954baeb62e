"""How an op of cnnlib is compared with PyTorch: the same numbers in, autograd's gradients beside ours.

A twin draws what an op is called with and says how PyTorch would compute it. PyTorch computes in float64 whatever ours
does, so that a difference is our rounding error alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import strategies as st

from cnnlib import ops

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[oracle]'")
torch.set_num_threads(1)  # the arrays are small

TWINS = {}  # name of an op: a function of hypothesis' draw to a Call


@dataclass
class Call:
    """arrays: the differentiable arguments; others: labels and the like; theirs: PyTorch, from the tensors of arrays.

    terms: how many numbers the longest sum in forward or backward has, for the tolerance.
    """

    arrays: list
    theirs: Callable
    options: dict = field(default_factory=dict)
    others: tuple = ()
    terms: int = 1


def twin(name):
    """Enters a function of `draw` to a Call into the table under the name of an op."""

    def enter(function):
        TWINS[name] = function
        return function

    return enter


def normal(draw, *shape):
    """Numbers around 0, and now and then a few equal ones, or zeros."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    numbers = rng.normal(size=shape)
    return np.round(numbers) if draw(st.sampled_from([False, False, True])) else numbers


def distinct(draw, *shape):
    """Numbers of which no two are equal: where a maximum must have one place only."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    count = int(np.prod(shape))
    return (rng.permutation(count).reshape(shape) - count / 2) / 8


# ------------------------------------------------------------------------------------------------------ orders of memory


def _channels_last(array):
    if array.ndim != 4:
        return np.asfortranarray(array)
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def _backwards(array):
    turned = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[turned])[turned]


def _with_gaps(array):
    return np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array


ORDERS = {
    "contiguous": np.ascontiguousarray,
    "channels last": _channels_last,
    "negative strides": _backwards,
    "with gaps": _with_gaps,
}


def arranged(array, order, dtype):
    """The numbers in this order of memory, not to be written to."""
    placed = ORDERS[order](np.asarray(array, dtype)).reshape(np.shape(array))
    placed.flags.writeable = False
    return placed


# ------------------------------------------------------------------------------------------------------------ comparison


def tolerance(dtype, terms, expected):
    """What rounding may do: a few units in the last place of the largest result, times the root of the terms of a sum,
    as errors of either sign add up."""
    return 16 * np.finfo(dtype).eps * terms**0.5 * max(1.0, np.abs(expected).max(initial=0))


def agree(name, call, dtype, orders, dout_dtype):
    """Asserts that out and every gradient are PyTorch's, in our dtype and the shapes of the arguments.

    orders: the order of memory of each argument in turn, and of dout. The gradients are of dtype whatever dout is of.
    """
    forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    order = iter(orders)
    arrays = [None if a is None else arranged(a, next(order), dtype) for a in call.arrays]
    out, cache = forward(*arrays, *call.others, **call.options)
    tensors = [None if a is None else torch.tensor(np.array(a, float), requires_grad=True) for a in arrays]
    expected = call.theirs(*tensors)
    _close(out, expected.detach().numpy(), dtype, call.terms, f"{name}: out")

    dout = np.random.default_rng(0).normal(size=np.shape(out)).astype(dtype)
    dout = arranged(dout, next(order), dout_dtype)
    grads = backward(dout, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    assert len(grads) == len(arrays)
    wanted = [t for t in tensors if t is not None]
    theirs = iter(torch.autograd.grad(expected, wanted, torch.tensor(np.array(dout, float)), materialize_grads=True))
    for i, (grad, array) in enumerate(zip(grads, arrays, strict=True)):
        if array is None:
            assert grad is None, f"{name}: a gradient for no array"
        else:
            assert grad.shape == array.shape
            _close(grad, next(theirs).numpy(), dtype, call.terms, f"{name}: gradient {i}")


def _close(ours, theirs, dtype, terms, title):
    assert ours.dtype == dtype, f"{title} is {ours.dtype}, not {dtype}"
    assert ours.shape == theirs.shape, f"{title} has shape {ours.shape}, PyTorch's {theirs.shape}"
    finite = np.where(np.isfinite(theirs), theirs, 0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance(dtype, terms, finite), err_msg=title)
