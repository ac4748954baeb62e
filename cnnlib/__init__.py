"""Convolutional networks in plain numpy, written to be read: the library that the notebooks call.

Start at `cnnlib.ops`, where every layer is a pair of functions. The parts are imported when they are first used, so
`import cnnlib` costs nothing.
"""

import importlib

__all__ = ["arithmetic", "check", "data", "demos", "gradcheck", "ops", "plot"]


def __getattr__(name):
    if name in __all__:
        return importlib.import_module(f"cnnlib.{name}")
    raise AttributeError(f"module 'cnnlib' has no attribute {name!r}")


def __dir__():
    return [*globals(), *__all__]
