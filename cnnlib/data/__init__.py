"""Images to learn from: photographs, handwritten digits, letters, scenes of shapes. Nothing is downloaded.

A data set is a pair `train, test`, and each half of it a pair `x, y`: images (N, C, H, W) of float32 from 0 to 1, and
labels (N,).
"""

from .examples import Examples, batches, split
from .handwriting import digits
from .photographs import PHOTOGRAPHS, photograph

__all__ = ["PHOTOGRAPHS", "Examples", "batches", "digits", "photograph", "split"]
