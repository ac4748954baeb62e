"""What a check does more where somebody looks: a picture beside the message."""

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
