"""Real images without a download."""

from importlib import resources

import numpy as np


def rng(seed=0):
    """A random generator that gives the same numbers every time."""
    return np.random.default_rng(seed)


def photograph(name="coffee", size=None):
    """A real photograph (C, H, W) in [0, 1]; size: an integer or (H, W)."""
    from PIL import Image, ImageOps

    file = resources.files("skimage.data").joinpath(f"{name}.png")
    with Image.open(str(file)) as image:
        if size is not None:
            height, width = (size, size) if np.ndim(size) == 0 else size
            image = ImageOps.fit(image, (width, height))
        pixels = np.asarray(image, float) / 255
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy()
