"""Networks that lessons need trained: small files of weights, and the recipe that made each.

`make weights` trains them again where a recipe has changed; a test says when that is due.
"""

import hashlib
import inspect
import sys
from pathlib import Path

import numpy as np

from .recipes import RECIPES

HERE = Path(__file__).parent


def load(name):
    """A trained network, ready for use. Raises KeyError for an unknown name, with those that there are.

    >>> load("lenet_digits").count()
    61706
    """
    _, build = _recipe(name)
    with np.load(HERE / f"{name}.npz") as file:
        state = {key: file[key].astype(np.float32) for key in file.files if key != "recipe"}
    return build().load_state_dict(state).eval()


def recipe_hash(name):
    """A short text that changes with the recipe's source and with the parts of its network."""
    recipe, build = _recipe(name)
    return hashlib.sha256((inspect.getsource(recipe) + repr(build())).encode()).hexdigest()[:16]


def is_stale(name):
    """Whether the weights are missing, or were made by another recipe."""
    path, wanted = HERE / f"{name}.npz", recipe_hash(name)
    if not path.exists():
        return True
    with np.load(path) as file:
        return str(file["recipe"]) != wanted


def train(name):
    """Trains the network by its recipe and writes its weights, as float16: half the size, and no digit changes class."""
    recipe, _ = _recipe(name)
    state = {key: array.astype(np.float16) for key, array in recipe().state_dict().items()}
    np.savez_compressed(HERE / f"{name}.npz", recipe=recipe_hash(name), **state)


def _recipe(name):
    """What trains a network, and what builds an empty one. Raises KeyError for an unknown name."""
    if name not in RECIPES:
        raise KeyError(f"there is no trained network {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]


def main():
    """Trains what is stale; `python -m cnnlib.trained`."""
    for name in RECIPES:
        if is_stale(name):
            print(f"{name}: training", file=sys.stderr)
            train(name)
        print(f"{name}: up to date")
