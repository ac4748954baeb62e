"""Images to learn from: photographs, handwritten digits, letters, clothes, scenes of shapes. Nothing is downloaded.

The images of a data set are (N, C, H, W) of float32 from 0 to 1, their labels (N,), together an `Examples(x, y)`; `train,
test = digits()` gives two of these, and so do mnist and fashion_mnist.
"""

from .examples import Examples, batches, split
from .handwriting import digits
from .idx import CLOTHES, fashion_mnist, mnist, read_idx
from .lettering import letters
from .photographs import PHOTOGRAPHS, photograph
from .scenery import SHAPES, Scenes, scenes

__all__ = [
    "CLOTHES",
    "PHOTOGRAPHS",
    "SHAPES",
    "Examples",
    "Scenes",
    "batches",
    "digits",
    "fashion_mnist",
    "letters",
    "mnist",
    "photograph",
    "read_idx",
    "scenes",
    "split",
]
