"""MNIST and Fashion-MNIST, from files that are on this computer.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database", with the format of its files; H. Xiao, K. Rasul and
R. Vollgraf, "Fashion-MNIST", 2017.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from .examples import Examples

PLACES = ("/usr/share/datasets", "~/datasets")  # the first is Debian's
CLOTHES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


def mnist(path=None):
    """70,000 handwritten digits of 28 x 28 pixels.

    path: the folder of the four files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, each as it is or with .gz; None looks in the folder `mnist` of PLACES.
    Returns train, test, each an `Examples(x, y)`: x (60000 or 10000, 1, 28, 28) of float32, ink 1, y from 0 to 9.
    Raises FileNotFoundError where a file is missing (nothing is downloaded), ValueError where one is damaged.
    """
    return _halves("mnist", path, "get its four files")


def fashion_mnist(path=None):
    """70,000 pictures of clothes of 28 x 28 pixels, made to take the place of MNIST; CLOTHES names the labels.

    The arguments, the files, what is returned and what is raised are those of `mnist`. On Debian and Ubuntu, `apt install
    dataset-fashion-mnist` puts the files where they are found.
    """
    return _halves("fashion-mnist", path, "install Debian's package dataset-fashion-mnist")


def read_idx(path):
    """The array of unsigned bytes in an IDX file, compressed with gzip or not.

    Such a file is: two zeros, the type (8 for unsigned bytes), the number of axes, each axis's length in four bytes,
    the highest first, and the numbers in row-major order. Raises ValueError where the file is another, or cut short, and
    FileNotFoundError where there is none.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path.name} is damaged: {error}") from None
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3] or not content[3]:
        raise ValueError(f"{path.name} is no IDX file of bytes: it begins with {content[:4].hex(' ') or 'nothing'}")
    start = 4 + 4 * content[3]
    shape = [int(length) for length in np.frombuffer(content[4:start], ">u4")]
    if len(content) - start != math.prod(shape):
        raise ValueError(f"{path.name} holds {len(content) - start} numbers, but says {math.prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


# ---------------------------------------------------------------------------------------------------------- small parts


def _halves(name, path, remedy):
    places = [Path(place).expanduser() / name for place in PLACES] if path is None else [Path(path)]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        looked = " or ".join(map(str, places))
        raise FileNotFoundError(f"{name} is not in {looked}: {remedy}, or give the folder as path")
    return _half(folder, "train"), _half(folder, "t10k")


def _half(folder, half):
    x, y = read_idx(_file(folder, f"{half}-images-idx3-ubyte")), read_idx(_file(folder, f"{half}-labels-idx1-ubyte"))
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise ValueError(f"the {half} images have shape {x.shape}, but their labels {y.shape}")
    return Examples(x[:, None] / np.float32(255), y.astype(int))


def _file(folder, name):
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"there is neither {name} nor {name}.gz in {folder}")
