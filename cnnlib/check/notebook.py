"""What a check does more where somebody looks: a picture beside the message, and functions closed as in grading."""

import contextlib
import importlib
import sys

from .values import NotNumbers, array


def live():
    """Whether the code runs in a notebook's kernel."""
    return "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel")


def draw(want, have, title):
    """In a live notebook: expected, got and their difference, for arrays of one shape with rows and columns."""
    try:
        want, have = array(want), array(have)
    except NotNumbers:
        return
    if live() and want.shape == have.shape and want.ndim >= 2 and want.size:
        try:
            from .. import plot

            plot.comparison(want, have, title=title)
        except Exception as error:  # a picture is an extra: the message must reach the student
            print(f"(The picture could not be drawn: {error})")


_closed = ()
CLOSED = (
    "{name} of cnnlib is closed to your code in this lesson, here as in grading: write what you need of it yourself."
)


def withhold(*names):
    """Closes functions of the library to the student's code while a check runs it: what is graded should fail at home.

    names: such as "cnnlib.ops.conv2d_forward"; those of the lesson before are opened again. A call raises RuntimeError.
    """
    global _closed
    _closed = names


@contextlib.contextmanager
def closed():
    """Inside the `with`, the withheld functions raise; in a live notebook only, as a grader has its own way."""
    stand_ins = {}
    for name in _closed if live() else ():
        module, _, function = name.rpartition(".")
        stand_ins[id(getattr(importlib.import_module(module), function))] = _stand_in(function)
    places = [
        (module, name, value, stand_ins[id(value)])
        for path, module in list(sys.modules.items())
        if stand_ins and path.partition(".")[0] == "cnnlib" and not path.startswith("cnnlib.check")
        for name, value in list(vars(module).items())
        if id(value) in stand_ins
    ]
    for module, name, _, stand_in in places:
        setattr(module, name, stand_in)
    try:
        yield
    finally:
        for module, name, value, _ in places:
            setattr(module, name, value)


def _stand_in(name):
    def function(*args, **kwargs):
        raise RuntimeError(CLOSED.format(name=name))

    return function
