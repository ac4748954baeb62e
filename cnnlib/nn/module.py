"""What every network is: a Module made of Modules, with Parameters that are trained. The names are PyTorch's."""

import numpy as np

from ..autograd import Tensor, current_blueprint
from ..ops._arguments import real


class Parameter(Tensor):
    """A Tensor that is trained."""

    def __init__(self, data):
        super().__init__(data, requires_grad=True)


class Module:
    """A part of a network. Its attributes that are Parameters, Modules, or lists of Modules are its parts.

    A subclass says in `forward(self, x)` what becomes of Tensors. Names of parts are paths: "features.0.weight".
    """

    training = True

    def __call__(self, *inputs, **options):
        drawing = current_blueprint()
        return self.forward(*inputs, **options) if drawing is None else drawing.call(self, inputs, options)

    def forward(self, x):
        raise NotImplementedError(f"{type(self).__name__} must say what forward(self, x) does")

    def children(self):
        """The Modules that this one is made of, as pairs of name and Module, in the order in which they were set."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, list | tuple):
                yield from ((f"{name}.{i}", part) for i, part in enumerate(value) if isinstance(part, Module))
            elif isinstance(value, dict):
                yield from ((f"{name}.{key}", part) for key, part in value.items() if isinstance(part, Module))

    def modules(self, path=""):
        """This Module and all inside it, as pairs of path and Module."""
        yield path, self
        for name, child in self.children():
            yield from child.modules(f"{path}.{name}" if path else name)

    def named_parameters(self):
        """Every Parameter with its path; one that is used in several places comes once."""
        seen = set()
        for path, module in self.modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}".lstrip("."), value

    def parameters(self):
        """Every Parameter, as a list."""
        return [parameter for _, parameter in self.named_parameters()]

    def count(self):
        """The number of trained numbers, weights and biases together."""
        return sum(parameter.size for parameter in self.parameters())

    def train(self, mode=True):
        """Says that the network trains: dropout drops, batch norm uses the batch. Returns the Module."""
        for _, module in self.modules():
            module.training = mode
        return self

    def eval(self):
        """Says that the network is used, not trained. Returns the Module."""
        return self.train(False)

    def requires_grad(self, wanted=True):
        """Freezes all Parameters (False) or thaws them (True). Returns the Module."""
        for parameter in self.parameters():
            parameter.requires_grad = wanted
        return self

    def astype(self, dtype):
        """Turns every Parameter and running statistic into this type, in place: float64 for exact checks.

        Raises TypeError for a type that is not one of floats.
        """
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"a network needs floats, so dtype must be float32 or float64, not {np.dtype(dtype)}")
        for _, module in self.modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    value.data = value.data.astype(dtype)
                elif isinstance(value, np.ndarray):
                    setattr(module, name, value.astype(dtype))
        return self

    def state_dict(self):
        """Copies of every Parameter and running statistic, by path: what `load_state_dict` and `numpy.savez` take."""
        return {path: array.copy() for path, array in self._arrays().items()}

    def load_state_dict(self, state):
        """Takes over numbers by path. Raises KeyError for a path too few or too many, ValueError for another shape and
        TypeError for what are no numbers; then nothing has changed."""
        if not hasattr(state, "keys"):
            raise TypeError(f"state must be a dictionary of arrays by path, not {type(state).__name__}")
        arrays = self._arrays()
        if missing := sorted(arrays.keys() - state.keys()):
            raise KeyError(f"the network has {', '.join(missing)}, but the state has not")
        if surplus := sorted(state.keys() - arrays.keys()):
            raise KeyError(f"the state has {', '.join(surplus)}, but the network has not")
        new = {path: real(state[path], path) for path in arrays}
        for path, array in arrays.items():
            if new[path].shape != array.shape:
                raise ValueError(f"{path} has shape {new[path].shape}, but the network needs {array.shape}")
        for path, array in arrays.items():
            array[...] = new[path]
        return self

    def _arrays(self):
        """Every array that a trained network consists of, by path; writing to them changes the network."""
        arrays = {}
        for path, module in self.modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter | np.ndarray):
                    arrays[f"{path}.{name}".lstrip(".")] = value.data if isinstance(value, Parameter) else value
        return arrays

    def __repr__(self):
        parts = "".join(f"\n  ({name}): " + repr(part).replace("\n", "\n  ") for name, part in self.children())
        return f"{type(self).__name__}({self.options()}" + (f"{parts}\n)" if parts else ")")

    def options(self):
        """What `repr` shows between the brackets: sizes and options that are not at their default."""
        return ""


class Sequential(Module):
    """Modules one after the other: what one gives, the next takes. Parts go by their number, or by name from a dict.

    >>> from cnnlib import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 24 * 24, 10))
    >>> net(np.zeros((2, 1, 28, 28), np.float32)).shape
    (2, 10)
    """

    def __init__(self, *parts):
        named = parts[0] if len(parts) == 1 and isinstance(parts[0], dict) else dict(enumerate(parts))
        for name, part in named.items():
            if not callable(part):
                raise TypeError(f"part {name} of a Sequential must be a Module or a function, not {part!r}")
        self.parts = {str(name): part for name, part in named.items()}

    def children(self):
        return ((name, part) for name, part in self.parts.items() if isinstance(part, Module))

    def forward(self, x):
        for part in self.parts.values():
            x = part(x)
        return x

    def __getitem__(self, key):
        """A part by name or number; a slice is a Sequential that shares the parts. Raises KeyError or IndexError."""
        if isinstance(key, slice):
            return Sequential(dict(list(self.parts.items())[key]))
        if isinstance(key, str) and key not in self.parts:
            raise KeyError(f"there is no part {key!r}; there are {', '.join(self.parts) or 'none'}")
        return self.parts[key] if isinstance(key, str) else list(self.parts.values())[key]

    def __len__(self):
        return len(self.parts)

    def __bool__(self):
        return True  # also without parts: it is a network that gives what it takes
