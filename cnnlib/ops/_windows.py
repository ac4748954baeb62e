"""How a window slides along one direction of an image: which pixels its offsets meet.

A maximum of rows of maxima is the maximum of all, and so with sums. Pooling therefore does one direction after the
other, FH + FW steps instead of FH·FW. Padding needs no memory: outside the image, no pixel is met.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..arithmetic import output_size


class Direction(NamedTuple):
    """One axis of the images, and its windows. Offset i of window o meets the pixel o stride - padding + i dilation."""

    axis: int
    pixels: int
    windows: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def tiled(self):
        """Whether every pixel lies in one window exactly."""
        plain = self.kernel == self.stride and self.padding == 0 and self.dilation == 1
        return plain and self.kernel * self.windows == self.pixels

    def meetings(self):
        """Every offset with the windows that meet a pixel there and with these pixels, both as indices of images."""
        before = (slice(None),) * self.axis
        for offset in range(self.kernel):
            start = offset * self.dilation - self.padding  # what window 0 meets; below 0, later windows are the first
            first = max(0, -(start // self.stride))
            end = min(self.windows, (self.pixels - 1 - start) // self.stride + 1)
            if first < end:
                pixels = slice(start + first * self.stride, start + (end - 1) * self.stride + 1, self.stride)
                yield offset, (*before, slice(first, end)), (*before, pixels)

    def first_offsets(self):
        """For every window, the first offset that does not lie before the image."""
        missing = self.padding - self.stride * np.arange(self.windows)
        return np.maximum(0, -(-missing // self.dilation))

    def pixel(self, offsets):
        """The pixels at these offsets. The windows lie along `axis` of the array, or along its only one."""
        starts = self.stride * np.arange(self.windows) - self.padding
        return self.along_axis(starts, offsets.ndim) + self.dilation * offsets

    def along_axis(self, numbers, ndim):
        """One number for each window, in a shape that repeats over the other axes."""
        return numbers.reshape(-1, *(1,) * (ndim - 1 - self.axis)) if ndim > 1 else numbers

    def like(self, x, length, dtype=None):
        """An array as x, in its order of memory, but with another length of this axis. Its numbers are anything."""
        return np.empty_like(x, dtype, shape=(*x.shape[: self.axis], length, *x.shape[self.axis + 1 :]))


@lru_cache
def directions(x_shape, kernel_size, stride, padding, dilation=(1, 1)):
    """The two directions of images (N, C, H, W): down the rows, and along the columns. The others are pairs.

    Raises ValueError where the window is larger than the padded image, and where a window would meet no pixel at all.

    >>> down, along = directions((1, 1, 5, 4), (3, 2), (2, 2), (1, 0))
    >>> down.windows, along.windows
    (3, 2)
    >>> for offset, windows, pixels in along.meetings():
    ...     print(offset, windows[-1], pixels[-1])
    0 slice(0, 2, None) slice(0, 3, 2)
    1 slice(0, 2, None) slice(1, 4, 2)
    """
    both = []
    for axis, n, k, s, p, d in zip((2, 3), x_shape[2:], kernel_size, stride, padding, dilation, strict=True):
        direction = Direction(axis, n, output_size(n, k, s, p, d), k, s, p, d)
        first = direction.first_offsets()
        if np.any((first >= k) | (direction.pixel(first) >= n)):
            raise ValueError(f"a window of {k} with padding {p} would lie outside the {n} pixels, and see padding only")
        both.append(direction)
    return tuple(both)
