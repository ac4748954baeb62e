"""Convolutional networks in plain numpy, written to be read: the library that the notebooks call.

Start at `cnnlib.ops`, where every layer is a pair of functions. The parts are imported when they are first used, so
`import cnnlib` costs nothing.
"""

import importlib

MODULES = [
    "arithmetic",
    "autograd",
    "blueprint",
    "boxes",
    "check",
    "crf",
    "data",
    "demos",
    "gradcheck",
    "models",
    "nn",
    "ops",
    "optim",
    "passes",
    "perceptron",
    "plot",
    "shapes",
    "trained",
    "training",
]
FUNCTIONS = {"summary": "blueprint", "use": "passes", "fit": "training"}  # what is used most, and where it stands

__all__ = [*MODULES, *FUNCTIONS]


def __getattr__(name):
    if name in FUNCTIONS:
        return getattr(importlib.import_module(f"cnnlib.{FUNCTIONS[name]}"), name)
    if name in MODULES:
        return importlib.import_module(f"cnnlib.{name}")
    raise AttributeError(f"module 'cnnlib' has no attribute {name!r}")


def __dir__():
    return [*globals(), *__all__]
