"""Gradients by themselves: a Tensor remembers the pair of functions that made it, and `backward` walks back once.

There is no rule of differentiation in this file. Every op brings its own backward pass; what is left to do is to call
these in the right order and to add what arrives from several places.
Source: INRIA, back-propagation in a graph; CS231n, upstream, local and downstream gradients.
"""

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from . import ops, passes, shapes
from .ops._arguments import real

_recording = ContextVar("recording", default=True)
_blueprint = ContextVar("blueprint", default=None)


def current_blueprint():
    """The drawing that ops and layers go to instead of being computed, or None. See `cnnlib.blueprint`."""
    return _blueprint.get()


@contextlib.contextmanager
def draw_on(blueprint):
    """Inside the `with`, ops and layers are drawn on the blueprint and nothing is computed."""
    token = _blueprint.set(blueprint)
    try:
        yield blueprint
    finally:
        _blueprint.reset(token)


@dataclass
class Node:
    """How a Tensor was made: the backward pass of an op, what its forward pass left, and the inputs."""

    name: str
    inputs: tuple
    backward: Any
    cache: Any


class Tensor:
    """An array of floats that knows where it came from.

    data: anything that numpy takes for an array of floats (integers become float64); requires_grad: whether `grad` is
    wanted after `backward()`, an array of the same shape. Raises TypeError for a Tensor and for what are no real numbers.

    >>> x = Tensor([[1.0, -2.0]], requires_grad=True)
    >>> loss = (functional.relu(x) * 3).sum()
    >>> loss.backward()
    >>> x.grad
    array([[3., 0.]])
    """

    __array_ufunc__ = None  # so that array + Tensor asks the Tensor

    def __init__(self, data, requires_grad=False):
        if isinstance(data, Tensor):
            raise TypeError("data is a Tensor already; use its .data to forget where it came from")
        self.data = real(data, "data")
        self.requires_grad = requires_grad
        self.retains_grad = False
        self.grad = None
        self.node = None

    def __repr__(self):
        return f"Tensor({np.array2string(self.data, separator=', ', prefix='Tensor(')})"

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    dtype = property(lambda self: self.data.dtype)

    def __len__(self):
        return len(self.data)

    def __array__(self, dtype=None, copy=None):
        """What numpy makes of a Tensor: its data, but no gradient comes back from there, so one that wants it refuses."""
        if self.requires_grad:
            raise TypeError("numpy takes no Tensor that wants a gradient: give it .data, or call an op of functional")
        return np.array(self.data, dtype, copy=copy)

    def item(self):
        """The one number of a Tensor of one number, as a float. Raises ValueError where there are several."""
        if self.size != 1:
            raise ValueError(f"item needs one number, but this Tensor has shape {self.shape}")
        return self.data.item()

    def retain_grad(self):
        """Asks for `grad` here too, in the middle of a network. Returns the Tensor."""
        self.retains_grad = True
        return self

    def backward(self, dout=None):
        """Adds the gradient of sum(self * dout) to `grad` of every Tensor that this one was made from and that wants it.

        dout: upstream gradient with the shape of this Tensor; left out for a single number such as a loss. The caches
        are let go on the way, so a graph is walked once. Raises ValueError for a dout of another shape, or left out
        where there are several numbers, and where an op has no gradient for a Tensor that wants one, such as a target;
        RuntimeError where no input wanted a gradient, or for a second walk.
        """
        if dout is None and self.size != 1:
            raise ValueError(f"only a single number needs no dout, but this Tensor has shape {self.shape}")
        dout = np.ones_like(self.data) if dout is None else real(dout, "dout").astype(self.dtype, copy=False)
        if dout.shape != self.shape:
            raise ValueError(f"dout has shape {dout.shape}, but the Tensor has {self.shape}")
        if not self.requires_grad:
            raise RuntimeError(
                "nothing that this Tensor was made from has requires_grad=True, so there is nowhere to go"
            )
        arrived = {id(self): dout}
        for tensor in _outputs_first(self):
            upstream = arrived.pop(id(tensor))
            if tensor.node is None or tensor.retains_grad:
                tensor.grad = upstream if tensor.grad is None else tensor.grad + upstream
            for source, downstream in _downstream(tensor, upstream):
                before = arrived.get(id(source))
                arrived[id(source)] = downstream if before is None else before + downstream

    # ------------------------------------------------------------------------------------------------ array arithmetic

    def __add__(self, other):
        return apply("add", *_broadcast(self, other))

    def __mul__(self, other):
        return apply("multiply", *_broadcast(self, other))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + other * -1

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * (other**-1 if isinstance(other, Tensor) else 1 / real(other, "the divisor").astype(self.dtype))

    def __rtruediv__(self, other):
        return self**-1 * other

    def __pow__(self, exponent):
        return apply("power", self, exponent=exponent)

    def __matmul__(self, other):
        return apply("matmul", self, other)

    def __rmatmul__(self, other):
        return apply("matmul", other, self)

    def __getitem__(self, index):
        return apply("getitem", self, index=index)

    __radd__, __rmul__ = __add__, __mul__

    def sum(self, axis=None, keepdims=False):
        return apply("sum", self, axis=axis, keepdims=keepdims)

    def mean(self, axis=None, keepdims=False):
        if not self.size:
            raise ValueError(f"this Tensor has shape {self.shape}: there is no number to take a mean of")
        total = self.sum(axis, keepdims)
        return total * (total.size / self.size)

    def reshape(self, *shape):
        return apply(
            "reshape", self, shape=shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        )

    def transpose(self, *axes):
        return apply("transpose", self, axes=axes or None)


def apply(name, *inputs, **options):
    """The op of this name on Tensors and arrays, as a Tensor that remembers it. See `cnnlib.ops` for names and options."""
    return _applied(name, inputs, options)[0]


def apply_with_cache(name, *inputs, **options):
    """`apply`, and the cache that the forward pass left. On a blueprint, where nothing is computed, that is None."""
    return _applied(name, inputs, options, need_cache=True)


def _applied(name, inputs, options, need_cache=False):
    if (drawing := current_blueprint()) is not None:
        return drawing.op(name, inputs, options), None
    forward, backward = passes.find(name)
    recorded = _recording.get() and any(map(_wants_grad, inputs))
    if forward is ops.max_pool2d_forward and not (recorded or need_cache):  # half of its work is to keep who won
        options = {**options, "need_cache": False}
    data, cache = forward(*[x.data if isinstance(x, Tensor) else x for x in inputs], **options)
    out = Tensor(data)
    if recorded:
        out.requires_grad, out.node = True, Node(name, inputs, backward, cache)
    return out, cache


@contextlib.contextmanager
def no_grad():
    """Inside the `with`, nothing is remembered: quicker and smaller, for when no gradient is needed.

    >>> with no_grad():
    ...     functional.relu(Tensor([1.0], requires_grad=True)).requires_grad
    False
    """
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


class _Functional:
    """Every op as a function of Tensors: `functional.conv2d(x, w, b, padding=1)`."""

    def __getattr__(self, name):
        passes.library(name)  # an unknown name is an AttributeError here, not at the call

        def op(*inputs, **options):
            return _applied(name, inputs, options)[0]

        op.__name__, op.__doc__ = name, passes.library(name)[0].__doc__
        setattr(self, name, op)  # the next time it is found without this
        return op


functional = _Functional()


def _outputs_first(tensor):
    """Every Tensor on the way back that wants a gradient: each after all that were made from it. No recursion, so that
    a network may be deeper than Python's stack."""
    order, seen, path = [], set(), [(tensor, False)]
    while path:
        at, done = path.pop()
        if done:
            order.append(at)
        elif id(at) not in seen:
            seen.add(id(at))
            path.append((at, True))
            inputs = at.node.inputs if at.node else ()
            path.extend((x, False) for x in inputs if _wants_grad(x))
    return reversed(order)


def _downstream(tensor, upstream):
    """The inputs that want a gradient of the op that made the Tensor, each with its gradient; the cache is let go."""
    node = tensor.node
    if node is None:
        return []
    if node.backward is None:
        raise RuntimeError(f"backward has walked through this {node.name} before: compute the output again first")
    if node.backward is ops.conv2d_backward:  # most of a first layer's work is a gradient for its pictures
        grads = node.backward(upstream, node.cache, need_dx=_wants_grad(node.inputs[0]))
    else:
        grads = node.backward(upstream, node.cache)
    node.backward = node.cache = None
    pairs = zip_longest(node.inputs, grads if isinstance(grads, tuple) else (grads,))
    wanted = [(source, grad) for source, grad in pairs if _wants_grad(source)]
    if any(grad is None for _, grad in wanted):
        raise ValueError(
            f"the backward pass of {node.name} has gradients for {sum(grad is not None for _, grad in wanted)} of the "
            f"{len(wanted)} Tensors that want one: hand over .data where none is needed"
        )
    return wanted


def _wants_grad(source):
    return isinstance(source, Tensor) and source.requires_grad


def _broadcast(*inputs):
    """Tensors or arrays spread out to one shape, as numpy would for `+`; numbers take the type of the first Tensor."""
    dtype = next(x.dtype for x in inputs if isinstance(x, Tensor))
    inputs = [x if isinstance(x, Tensor) else real(x, "what comes beside a Tensor").astype(dtype) for x in inputs]
    shape = shapes.together(*(x.shape for x in inputs))
    return [x if x.shape == shape else apply("broadcast_to", x, shape=shape) for x in inputs]
