"""How the weights step downhill: gradient descent with momentum and weight decay, and schedules for the step's length.

Source: INRIA, training; I. Sutskever et al., "On the importance of initialization and momentum", 2013.
"""

import math
from collections.abc import Iterable

import numpy as np

from ._numbers import number


class SGD:
    """Stochastic gradient descent, in PyTorch's convention.

    The gradient g gets weight_decay w added (the gradient of an L2 penalty of weight_decay/2 |w|²); the velocity becomes
    v = momentum v + g; the weight steps by -lr v, or with nesterov by -lr (g + momentum v).

    parameters: Parameters, as `module.parameters()` gives them; those whose grad is None stay as they are. `lr` may be
    set at any time. Raises ValueError for numbers that cannot be and for a parameter that comes twice, TypeError for what is
    no number or no Parameter.

    >>> from cnnlib.nn import Parameter
    >>> w = Parameter([1.0, -2.0])
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([ 0.8, -1.6])
    """

    def __init__(self, parameters, lr, momentum=0.0, weight_decay=0.0, nesterov=False):
        if not isinstance(parameters, Iterable):
            raise TypeError(f"parameters must be a list, as of module.parameters(), not {parameters!r}")
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("there are no parameters to train")
        for parameter in self.parameters:
            if not hasattr(parameter, "requires_grad"):
                raise TypeError(
                    f"parameters must be Parameters, as of module.parameters(), not {type(parameter).__name__}"
                )
        if len(set(map(id, self.parameters))) < len(self.parameters):
            raise ValueError(f"of the {len(self.parameters)} parameters one comes twice, and would step twice")
        for name, value in {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}.items():
            number(value, name, least=0)
        if nesterov and not momentum:
            raise ValueError("nesterov needs a momentum larger than 0")
        self.lr, self.momentum, self.weight_decay, self.nesterov = lr, momentum, weight_decay, nesterov
        self.velocities = [None] * len(self.parameters)

    def zero_grad(self):
        """Forgets the gradients: `backward` adds to what is there."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self):
        """Moves every parameter by its gradient, in place."""
        for i, parameter in enumerate(self.parameters):
            if parameter.grad is None:
                continue
            step = parameter.grad
            if self.weight_decay:
                step = step + self.weight_decay * parameter.data
            if self.momentum:
                before = self.velocities[i]
                self.velocities[i] = velocity = np.array(step) if before is None else self.momentum * before + step
                step = step + self.momentum * velocity if self.nesterov else velocity
            parameter.data -= np.asarray(self.lr * step, parameter.dtype)

    def state_dict(self):
        """Copies of the velocities, by the parameter's number; those not yet moving are left out."""
        return {str(i): v.copy() for i, v in enumerate(self.velocities) if v is not None}

    def load_state_dict(self, state):
        """Takes the velocities over. Raises ValueError for a number or a shape of others; then nothing has changed."""
        known = {str(i): parameter.shape for i, parameter in enumerate(self.parameters)}
        for i, velocity in state.items():
            if np.shape(velocity) != known.get(i):
                raise ValueError(f"velocity {i} has shape {np.shape(velocity)}, but parameter {i} has {known.get(i)}")
        self.velocities = [
            np.array(state[i], p.dtype) if i in state else None for i, p in zip(known, self.parameters, strict=True)
        ]


# A schedule is a function: how far the training is (0 at its start, 1 at its end), to a factor of the first lr.


def constant(progress):
    """The same step all the way.

    >>> constant(0.7)
    1.0
    """
    return 1.0


def cosine(progress):
    """From 1 to 0 along half a cosine: long steps first, a soft landing. Source: Loshchilov and Hutter, SGDR, 2017.

    >>> [round(cosine(p), 3) for p in (0, 0.5, 1)]
    [1.0, 0.5, 0.0]
    """
    return 0.5 + 0.5 * math.cos(math.pi * progress)


def steps(*at, factor=0.1):
    """A schedule that multiplies by `factor` at each of the given parts of the training, as the ResNet paper did.

    >>> schedule = steps(0.5, 0.75)
    >>> [round(schedule(p), 3) for p in (0.4, 0.5, 0.8)]
    [1.0, 0.1, 0.01]
    """
    at, factor = [number(part, "a part") for part in at], number(factor, "factor", least=0)
    return lambda progress: factor ** sum(progress >= part for part in at)


def warmup(part, schedule=constant):
    """A schedule that grows to 1 over the first `part` of the training, then goes on as another from its start.

    Raises ValueError unless part lies between 0 and 1.

    >>> schedule = warmup(0.2, cosine)
    >>> [round(schedule(p), 3) for p in (0, 0.1, 0.2, 0.6, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if not 0 < number(part, "part") < 1:
        raise ValueError(f"part is {part}, but must be larger than 0 and less than 1")
    return lambda progress: progress / part if progress < part else schedule((progress - part) / (1 - part))
