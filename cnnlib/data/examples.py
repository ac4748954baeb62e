"""Examples, cut in two for training and testing, or into the small batches that training takes one at a time."""

from typing import NamedTuple

import numpy as np

from .._numbers import number, whole


class Examples(NamedTuple):
    """Images x (N, C, H, W) and what is known of each, y (N, ...)."""

    x: np.ndarray
    y: np.ndarray


def split(x, y, test=0.25, seed=0):
    """Shuffles examples and lays some of them by.

    x, y: arrays (N, ...) of the same length; test: the part, between 0 and 1, that is held out, rounded to whole
    examples. Returns train, test, each an `Examples(x, y)` of copies; the same seed gives the same halves. Raises
    ValueError where the lengths differ or either half would be empty.

    >>> train, test = split(np.arange(8), np.arange(8) % 2, test=0.25)
    >>> len(train.x), len(test.x), sorted([*train.x, *test.x]) == list(range(8))
    (6, 2, True)
    """
    x, y = _together(x, y)
    held_out = round(number(test, "test") * len(x))
    if not 0 < held_out < len(x):
        raise ValueError(f"test={test} of {len(x)} examples holds out {held_out}, but both halves need at least 1")
    order = random(seed).permutation(len(x))
    return tuple(Examples(x[part], y[part]) for part in (order[held_out:], order[:held_out]))


def batches(x, y, size, rng=None):
    """Goes once through all examples, a batch at a time.

    x, y: arrays (N, ...) of the same length; size: how many examples a batch holds, the last one maybe fewer;
    rng: a numpy Generator that shuffles them, or None to keep their order. Yields N / size pairs, rounded up.
    Raises ValueError where the lengths differ or size is less than 1.

    >>> [y.tolist() for x, y in batches(np.zeros((5, 3)), np.arange(5), size=2)]
    [[0, 1], [2, 3], [4]]
    """
    x, y = _together(x, y)
    size = whole(size, "size", 1)
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be None or a numpy Generator such as np.random.default_rng(0), not {rng!r}")
    order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
    # An inner generator, so that wrong arguments are refused at the call and not at the first batch.
    return (Examples(x[some], y[some]) for some in (order[at : at + size] for at in range(0, len(x), size)))


def random(*seed):
    """A numpy Generator that starts from these integers of at least 0. Raises ValueError or TypeError for others."""
    return np.random.default_rng([whole(number, "seed", 0, most=np.inf) for number in seed])


def _together(x, y):
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(f"x has shape {x.shape} and y {y.shape}, but their first axes must be equally long")
    return x, y
