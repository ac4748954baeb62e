"""Real handwritten digits, small enough to learn in seconds: they come with scikit-learn."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .._numbers import whole
from .examples import split


def digits(size=8, test=0.25, seed=0):
    """1797 digits written by 13 people, in grey: ink is 1, paper 0.

    size: pixels per side; there are 8 x 8, and any other size is interpolated (bilinear). LeNet-5 takes 32.
    test: the part that is held out, drawn at random with `seed`, so most likely both halves have digits of every writer.
    Returns train, test, each an `Examples(x, y)`: x (N, 1, size, size) of float32, y (N,) from 0 to 9.
    Raises ModuleNotFoundError where scikit-learn is not installed, ValueError for a size less than 1.
    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (CC BY 4.0).

    >>> train, test = digits(size=32)
    >>> train.x.shape, test.x.shape
    ((1348, 1, 32, 32), (449, 1, 32, 32))
    """
    from PIL import Image

    whole(size, "size", 1)
    table = _table()
    x = table[:, :64].reshape(-1, 8, 8) / np.float32(16)
    if size != 8:
        scale = (size, size), Image.Resampling.BILINEAR
        x = np.stack([np.asarray(Image.fromarray(digit).resize(*scale)) for digit in x])
    return split(x[:, None], table[:, 64].astype(int), test, seed)


def _table():
    """A row of 64 pixels from 0 to 16 and a label for each digit. The file is read as it is: the import takes seconds."""
    package = find_spec("sklearn")
    if package is None:
        raise ModuleNotFoundError("the digits come with scikit-learn, which is not installed: pip install scikit-learn")
    return np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", np.uint8, delimiter=",")
