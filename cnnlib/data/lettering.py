"""Letters as the Mark I Perceptron saw them: 20 x 20 photocells. They are set in the typefaces that come with Matplotlib.

Source: F. Rosenblatt's Mark I, 1957 to 1960, in Princeton COS 429, "A bit of history".
"""

from functools import cache
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from .._numbers import number, whole
from .examples import Examples, random

TYPEFACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic"),
)


def letters(n=520, alphabet=ascii_uppercase, size=20, seed=0, disorder=0.5):
    """Letters in eight typefaces, each drawn at a slightly different size, place and angle.

    n: how many; they take turns, so that every letter comes n / len(alphabet) times, give or take one. alphabet: the
    letters, as a string; size: pixels per side; seed: the same one draws the same letters; disorder: 0 sets all upright
    and in the middle, 1 turns them by up to 15 degrees, shifts them by up to a tenth of the size and shrinks them by up
    to a quarter. Returns `Examples(x, y)`: x (n, 1, size, size) of float32, ink 1, y (n,) the place in the alphabet, in
    random order. Raises ValueError for n below 0, an empty alphabet, a size less than 8 or a disorder that is not from 0 to 1.

    >>> x, y = letters(100, "AB")
    >>> x.shape, np.bincount(y)
    ((100, 1, 20, 20), array([50, 50]))
    """
    whole(n, "n", 0), whole(size, "size", 8)
    if not isinstance(alphabet, str) or not alphabet:
        raise ValueError(f"alphabet is {alphabet!r}, but must be a string of at least 1 letter")
    if not 0 <= number(disorder, "disorder") <= 1:
        raise ValueError(f"disorder is {disorder}, but must be from 0 to 1")
    rng = random(seed)
    y = rng.permutation(n) % len(alphabet)
    x = np.zeros((n, 1, size, size), np.float32)
    for image, label in zip(x, y, strict=True):
        typeface = TYPEFACES[rng.integers(len(TYPEFACES))]
        turn, right, down = disorder * rng.uniform(-1, 1, 3)
        height = 0.7 * (1 - disorder * rng.uniform(0, 0.25))
        image[0] = _draw(alphabet[label], typeface, size, height, 15 * turn, 0.1 * right, 0.1 * down)
    return Examples(x, y)


def _draw(letter, typeface, size, height, degrees, right, down):
    """One letter (size, size), whose lengths are parts of the size; four times as large at first, to have soft edges."""
    from PIL import Image, ImageDraw

    side = 4 * size
    image = Image.new("L", (side, side))
    font = _font(typeface, round(height * side / 0.73))  # capitals are 0.73 of the typeface's size high
    box = font.getbbox(letter)  # the ink's own box, so that the middle of the ink comes to the middle of the image
    middle = side / 2 - (box[0] + box[2]) / 2, side / 2 - (box[1] + box[3]) / 2
    ImageDraw.Draw(image).text(middle, letter, fill=255, font=font)
    image = image.rotate(degrees, Image.Resampling.BILINEAR, translate=(right * side, down * side))
    return np.asarray(image.resize((size, size), Image.Resampling.BOX)) / np.float32(255)


@cache
def _font(typeface, size):
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{typeface}.ttf", size)
