"""What a check does more where somebody looks: a picture beside the message, and functions closed as in grading."""

import contextlib
import importlib
import sys
from types import FunctionType, ModuleType

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

    names: such as "cnnlib.ops.conv2d_forward"; those of the lesson before are opened again. As in grading, all that the
    file of a name offers is closed with it (for a package: all its files). A call raises RuntimeError.
    """
    global _closed
    _closed = names
    if shell := "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        shell.set_custom_exc((NameError,), _name_error)


@contextlib.contextmanager
def closed():
    """Inside the `with`, the withheld functions raise; in a live notebook only, as a grader has its own way."""
    found = [_found(name) for name in _closed] if live() else []
    packages = {one.__name__ for one in found if isinstance(one, ModuleType)}
    files = {one.__module__ for one in found if not isinstance(one, ModuleType)}
    places = [
        (module, name, value)
        for path, module in list(sys.modules.items())
        if files and path.partition(".")[0] == "cnnlib" and not path.startswith("cnnlib.check")
        for name, value in list(vars(module).items())
        if isinstance(value, type | FunctionType) and not value.__name__.startswith("_")
        if path in files or value.__module__ in files
    ]
    gone = [path for path in sys.modules if any(f"{path}.".startswith(f"{package}.") for package in packages)]
    modules = {path: sys.modules[path] for path in gone}
    for module, name, value in places:
        setattr(module, name, _stand_in(value.__name__))
    sys.modules.update(dict.fromkeys(gone))  # an import of what is None fails, as of what is not there
    try:
        yield
    finally:
        sys.modules.update(modules)
        for module, name, value in places:
            setattr(module, name, value)


def _found(name):
    """The function, class or package of a name such as "cnnlib.ops.conv2d_forward"."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def _name_error(shell, kind, value, trace, tb_offset=None):
    """IPython's way to say that a name is missing, and then what to do about it."""
    shell.showtraceback((kind, value, trace), tb_offset=tb_offset)
    print(missing(value))


def missing(error):
    """What a student may do about a NameError.

    >>> print(missing(NameError("name 'im2col' is not defined", name="im2col")))
    Nothing is called im2col so far. If a cell defines it, run that cell first; a function must keep the name that its
    exercise gives it. Otherwise look at the spelling.
    """
    name = getattr(error, "name", None) or "that"
    return (
        f"Nothing is called {name} so far. If a cell defines it, run that cell first; a function must keep the name that its\n"
        "exercise gives it. Otherwise look at the spelling."
    )


def _stand_in(name):
    def function(*args, **kwargs):
        raise RuntimeError(CLOSED.format(name=name))

    return function
