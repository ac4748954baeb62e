"""Scenes to detect and to segment in: coloured shapes before a photograph, and everything that is to be found known."""

from functools import cache
from typing import NamedTuple

import numpy as np

from .. import _numbers
from .._numbers import whole
from .examples import random
from .photographs import PHOTOGRAPHS, photograph

SHAPES = ("disc", "square", "triangle", "cross")
TRIES = 50  # at a place, for each shape


class Scenes(NamedTuple):
    """N images and what is in them; a label is 0 for the background, k + 1 for shapes[k].

    images: (N, 3, size, size) of float32 from 0 to 1. labels: a list of N arrays (M,). boxes: a list of N arrays (M, 4),
    x1, y1, x2, y2, around what can be seen of each shape. masks: (N, size, size), the label of every pixel.
    objects: (N, size, size), which shape a pixel belongs to: 0 none, 1 the first in the lists.
    """

    images: np.ndarray
    labels: list
    boxes: list
    masks: np.ndarray
    objects: np.ndarray


def scenes(n, size=64, seed=0, shapes=SHAPES[:3], most=3, scale=(0.2, 0.45), cover=0.2):
    """Draws n scenes of up to `most` shapes of random place, size, angle and colour, each before a piece of a photograph.

    size: pixels per side; seed: the same one draws the same scenes, and the first k of n scenes are those of k;
    shapes: some of SHAPES; most: a scene has 1 to so many shapes; scale: a pair, their least and largest extent as a
    part of the size; cover: the part of a shape that later ones may hide, from 0 to less than 1. Every shape lies wholly in
    the image. A scene that has no place for a shape after many tries goes without it, so crowded ones have fewer.
    Returns `Scenes`. Raises ValueError for an unknown shape or a number out of range.

    >>> found = scenes(2, size=48)
    >>> found.images.shape, found.masks.shape, len(found.boxes)
    ((2, 3, 48, 48), (2, 48, 48), 2)
    """
    _check(n, size, shapes, most, scale, cover)
    images = np.zeros((n, 3, size, size), np.float32)
    masks, objects = np.zeros((2, n, size, size), int)
    labels, boxes = [], []
    for i in range(n):
        rng = random(seed, i)  # each scene has its own stream, so it does not depend on n
        image = _background(size, rng)
        objects[i], found = _arrange(size, shapes, rng.integers(1, most + 1), scale, cover, rng)
        for number in range(1, len(found) + 1):
            image = np.where(objects[i] == number, _paint(size, rng), image)
        images[i] = np.clip(image + rng.normal(0, 0.01, image.shape), 0, 1)
        masks[i] = np.array([0, *found])[objects[i]]
        labels.append(np.array(found, int))
        boxes.append(
            np.array([_box(objects[i] == number) for number in range(1, len(found) + 1)], float).reshape(-1, 4)
        )
    return Scenes(images, labels, boxes, masks, objects)


# ---------------------------------------------------------------------------------------------------------- small parts


def _arrange(size, shapes, count, scale, cover, rng):
    """Which shape each pixel belongs to, and the labels of up to count shapes, none hidden further than it may be."""
    objects, labels, areas = np.zeros((size, size), int), [], []
    for _ in range(TRIES * count):
        if len(labels) == count:
            break
        extent, k, angle = size * rng.uniform(*scale), rng.integers(len(shapes)), rng.uniform(0, 2 * np.pi)
        inside = _inside(shapes[k], size, rng.uniform(extent / 2, size - extent / 2, 2), extent, angle)
        after = np.where(inside, len(labels) + 1, objects)
        seen = np.bincount(after.ravel(), minlength=len(labels) + 2)[1:]
        if inside.any() and np.all(seen >= (1 - cover) * np.array([*areas, inside.sum()])):
            objects, labels, areas = after, [*labels, k + 1], [*areas, inside.sum()]
    return objects, labels


def _inside(shape, size, centre, extent, angle):
    """Which pixels (size, size) have their centre in a shape; every shape fits into the disc of this extent."""
    y, x = (np.mgrid[:size, :size] + 0.5 - np.reshape(centre, (2, 1, 1))) * 2 / extent  # the disc has radius 1
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    if shape == "disc":
        return u**2 + v**2 <= 0.8
    if shape == "square":
        return np.maximum(abs(u), abs(v)) <= 0.5**0.5
    if shape == "triangle":
        return np.maximum(v, 0.75**0.5 * abs(u) - v / 2) <= 0.5
    return (np.minimum(abs(u), abs(v)) <= 0.3) & (np.maximum(abs(u), abs(v)) <= 0.95)  # a cross


def _background(size, rng):
    """A square piece (3, size, size) of a photograph, as large as half of it to all of it, and paler than it."""
    names = list(PHOTOGRAPHS)
    photo = _texture(names[rng.integers(len(names))])
    side = rng.integers(photo.shape[1] // 2, photo.shape[1] + 1)
    top, left = (rng.integers(0, n - side + 1) for n in photo.shape[1:])
    near = (np.arange(size) + 0.5) * side / size  # the nearest pixel for each
    piece = photo[:, top + near.astype(int)[:, None], left + near.astype(int)]
    return 0.2 + 0.5 * piece[:, :, :: rng.choice([-1, 1])]


@cache
def _texture(name):
    """A photograph (3, 128, 128), in colour even where it is grey."""
    return np.broadcast_to(photograph(name, 128), (3, 128, 128))


def _paint(size, rng):
    """One bright or dark colour with a slope of light and a grain: no two pixels of a shape are the same."""
    colour = np.eye(3)[rng.integers(3)] * rng.choice([-1, 1])  # red, green, blue, or what is left of white without it
    colour = np.where(colour.sum() > 0, colour, 1 + colour) * rng.uniform(0.75, 1) + rng.uniform(-0.05, 0.1, 3)
    y, x = np.mgrid[:size, :size] / size - 0.5
    slope = rng.uniform(-0.3, 0.3, 2)
    light = slope[0] * y + slope[1] * x + rng.normal(0, 0.04, y.shape)
    return colour[:, None, None] + light


def _box(inside):
    """x1, y1, x2, y2 around the pixels: the second pair is where the last pixel ends."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _check(n, size, shapes, most, scale, cover):
    whole(n, "n", 0), whole(size, "size", 8), whole(most, "most", 1)
    if not isinstance(shapes, tuple | list) or not shapes:
        raise ValueError(f"shapes is {shapes!r}, but must be a tuple of some of {', '.join(SHAPES)}")
    if unknown := set(shapes) - set(SHAPES):
        raise ValueError(f"there is no shape {', '.join(map(str, unknown))}; there are {', '.join(SHAPES)}")
    if not isinstance(scale, tuple | list) or len(scale) != 2:
        raise ValueError(f"scale is {scale!r}, but must be a pair: the least and the largest extent")
    least, largest = (_numbers.number(part, "scale", above=0) for part in scale)
    if not least <= largest <= 1:
        raise ValueError(f"scale is {scale}, but its two numbers must rise and lie between 0 and 1")
    if not 0 <= _numbers.number(cover, "cover") < 1:
        raise ValueError(f"cover is {cover}, but must be at least 0 and less than 1")
