"""Which pair of functions computes an op: the library's, or one that you wrote."""

import contextlib
import inspect
from contextvars import ContextVar
from numbers import Number
from types import MappingProxyType

import numpy as np

from . import ops, shapes
from .ops._arguments import array

_own = ContextVar("own", default=MappingProxyType({}))  # op name: OwnPair
# What the lessons call an argument, and what the library calls it.
SPELLINGS = {"pad": "padding", "size": "kernel_size", "gamma": "weight", "beta": "bias"}


def find(name):
    """The forward and the backward pass of an op. Raises AttributeError where there is no such op."""
    own = _own.get().get(name)
    return (own.forward, own.backward) if own else library(name)


def library(name):
    """The library's own pair, whatever `use` says. Raises AttributeError where there is no such op."""
    try:
        return getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    except AttributeError:
        raise AttributeError(f"cnnlib.ops has no pair {name}_forward and {name}_backward") from None


def options_by_name(name, inputs):
    """Arguments as somebody passed them, in two parts: the arrays, and the options that came behind them, by name.

    >>> options_by_name("pad", ([[1.0]], 2))
    (([[1.0]],), {'padding': 2})
    """
    parameters = inspect.signature(library(name)[0]).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return inputs, {}
    arrays = len(inputs)
    while arrays > 1 and isinstance(inputs[arrays - 1], Number | tuple | str):
        arrays -= 1
    named = [parameter.name for parameter in parameters][arrays : len(inputs)]
    return inputs[:arrays], dict(zip(named, inputs[arrays:], strict=True))


@contextlib.contextmanager
def use(**pairs):
    """Your own passes take the place of the library's in every network that runs inside the `with`.

    pairs: the name of an op and your (forward, backward). Your functions may leave out options that the network does not
    need, such as dilation and groups. Yields a dictionary of OwnPair, each of which counts its calls, so that you can
    tell whose code did the work. They get copies of the arrays, which they may write to. Raises AttributeError for an unknown op and TypeError for what is no pair of functions.
    Inside, ValueError or TypeError says which of your passes returned something of a wrong kind or shape.

    >>> from cnnlib import autograd
    >>> def double_forward(x):
    ...     return 2 * x, None
    >>> def double_backward(dout, cache):
    ...     return 2 * dout
    >>> with use(relu=(double_forward, double_backward)) as own:
    ...     autograd.functional.relu(np.array([-1.0, 3.0]))
    Tensor([-2.,  6.])
    >>> own["relu"].forward_calls
    1
    """
    own = {name: OwnPair(name, pair) for name, pair in pairs.items()}
    token = _own.set({**_own.get(), **own})
    try:
        yield own
    finally:
        _own.reset(token)


class OwnPair:
    """Somebody's own passes for one op, called as the library's are, and with what they return looked at."""

    def __init__(self, name, pair):
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and all(map(callable, pair))):
            raise TypeError(f"{name} needs a pair of functions, (forward, backward), not {pair!r}")
        self.name, (self.own_forward, self.own_backward) = name, pair
        self.signature = inspect.signature(library(name)[0])
        self.wanted = self._wanted(self._parameters())
        self.forward_calls = self.backward_calls = 0

    def __repr__(self):
        return f"{self.own_forward.__name__}: {self.forward_calls} calls, {self.own_backward.__name__}: {self.backward_calls} calls"

    def forward(self, *inputs, **options):
        self.forward_calls += 1
        returned = self.own_forward(*self._arguments(inputs, options))
        if not (isinstance(returned, tuple | list) and len(returned) == 2):
            raise TypeError(
                f"your {self.own_forward.__name__} must return out and cache, but returned {_kind(returned)}"
            )
        arrays = [np.asarray(x) for x in inputs if x is not None]
        expected = shapes.of(self.name, *(None if x is None else np.shape(x) for x in inputs), **options)
        dtype = np.result_type(*(x for x in arrays if x.dtype.kind == "f"), np.float32)
        out = self._array(returned[0], expected, dtype, f"your {self.own_forward.__name__}: out")
        return out, (returned[1], inputs)

    def backward(self, dout, cache):
        self.backward_calls += 1
        own_cache, inputs = cache
        returned = self.own_backward(dout.copy(), own_cache)
        grads = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
        needed = [x for x in inputs if x is not None and np.asarray(x).dtype.kind == "f"]
        if not len(needed) <= len(grads) <= len(inputs):
            raise TypeError(
                f"your {self.own_backward.__name__} must return {len(needed)} gradients, but returned {len(grads)}"
            )
        title = f"your {self.own_backward.__name__}: gradient number"
        return tuple(
            None if x is None or grad is None else self._array(grad, x.shape, x.dtype, f"{title} {i}")
            for i, (x, grad) in enumerate(zip(inputs, grads, strict=False), 1)
        )

    @staticmethod
    def _array(values, shape, dtype, title):
        if not isinstance(values, np.ndarray | np.generic | float):
            raise TypeError(f"{title} must be an array, not {_kind(values)}")
        if np.shape(values) != tuple(shape):
            raise ValueError(f"{title} has shape {np.shape(values)}, but needs {tuple(shape)}")
        return array(values, title).astype(dtype, copy=False)

    def _parameters(self):
        """What the own forward takes. Raises TypeError for a built-in function, which does not tell."""
        try:
            return inspect.signature(self.own_forward).parameters.values()
        except ValueError:
            raise TypeError(f"{self.name} needs functions of your own, but {self.own_forward!r} is built in") from None

    def _wanted(self, parameters):
        """The library's names of the arguments that the own forward takes, in its order."""
        names = []
        for parameter in parameters:
            name = parameter.name
            if name not in self.signature.parameters:
                name = SPELLINGS.get(name, name)
            if name in self.signature.parameters:
                names.append(name)
            elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
                known = ", ".join(self.signature.parameters)
                raise TypeError(
                    f"{self.own_forward.__name__} asks for {parameter.name}, but {self.name} has only {known}"
                )
            else:
                break
        return names

    def _arguments(self, inputs, options):
        """What the own forward is called with. Raises ValueError where the network needs an option that it lacks."""
        bound = self.signature.bind(*inputs, **options)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            default = self.signature.parameters[name].default
            same = value is default or (
                np.ndim(value) < 2 and default is not inspect.Parameter.empty and np.all(value == default)
            )
            if name not in self.wanted and not same:
                shown = "an array" if isinstance(value, np.ndarray) else value
                raise ValueError(
                    f"the network needs {name}={shown}, but your {self.own_forward.__name__} takes no {name}"
                )
        arguments = []
        for name in self.wanted:
            variadic = self.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
            arguments.extend(bound.arguments[name] if variadic else [bound.arguments[name]])
        return [x.copy() if isinstance(x, np.ndarray) else x for x in arguments]


def _kind(value):
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, tuple | list) else "")
