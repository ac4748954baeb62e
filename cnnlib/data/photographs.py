"""Photographs that come with scikit-image: nothing is downloaded."""

from importlib import resources

import numpy as np

from ..ops._arguments import pair

# Photographs that anybody may use, and their makers.
PHOTOGRAPHS = {
    "chelsea": ("chelsea.png", "a cat, by Stéfan van der Walt, CC0"),
    "coffee": ("coffee.png", "a cup of coffee, by Rachel Michetti, CC0"),
    "rocket": ("rocket.jpg", "a rocket before its start, by SpaceX, public domain"),
    "galaxies": ("hubble_deep_field.jpg", "the Hubble eXtreme Deep Field, by NASA, public domain"),
    "brick": ("brick.png", "a brick wall, grey, from CC0Textures, CC0"),
    "grass": ("grass.png", "grass, grey, by linolafett, CC0"),
    "gravel": ("gravel.png", "gravel, grey, from CC0Textures, CC0"),
    "coins": ("coins.png", "Greek coins, grey, from the Brooklyn Museum, no known copyright restrictions"),
}


def photograph(name="chelsea", size=None):
    """A photograph of scikit-image as an array (C, H, W) of numbers from 0 to 1, with C = 3 in colour and 1 in grey.

    name: one of PHOTOGRAPHS. size: the number of pixels, an integer for a square or a pair (H, W); the picture is scaled
    to cover it, what sticks out at two sides is cut off. Each call gives a new array. Raises ValueError for an unknown
    name or a size below 1, TypeError for what is no size.

    >>> photograph("chelsea").shape, photograph("brick", size=(32, 48)).shape
    ((3, 300, 451), (1, 32, 48))
    """
    from PIL import Image, ImageOps  # here, so that `import cnnlib` stays quick

    if name not in PHOTOGRAPHS:
        raise ValueError(f"there is no photograph {name!r}; there are {', '.join(PHOTOGRAPHS)}")
    with (
        resources.as_file(resources.files("skimage") / "data" / PHOTOGRAPHS[name][0]) as file,
        Image.open(file) as image,
    ):
        if size is not None:
            height, width = pair(size, "size", 1)
            image = ImageOps.fit(image, (width, height), Image.Resampling.BOX)
        pixels = np.asarray(image) / 255
    return np.moveaxis(np.atleast_3d(pixels), -1, 0).copy()
