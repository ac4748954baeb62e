"""How numbers lie in memory, which decides the speed as much as how many there are.

The library's images are (N, C, H, W) to everyone who uses them, but the fast routes keep the channels of a pixel side by
side: in memory an image is (N, H, W, C), "channels last". Then the window of a filter is a few long runs, every pixel is a
row of a matrix that needs no copying, and a product's rows are again pixels. What users get is a transposed view.

Work is cut into pieces that fit into the processor's second cache, for main memory is ten times slower, and the pieces
share one scratch memory, for new memory comes from the system page by page, and each page costs about 1 µs.

Results need memory of their own. C's library hands what is freed back to the system, from a size on that it learns from
the largest piece that was ever freed, up to 32 MB: then it keeps up to 64 MB for the next arrays. We teach it that at
once, with an array that nobody ever writes to, so it costs nothing (`man mallopt`, M_MMAP_THRESHOLD).
"""

import math
import threading

import numpy as np

CACHE = 1 << 20  # bytes of one piece of work, about the second cache of one core
KEEP = 4 << 20  # a scratch array up to this size stays for the next call
LINE = 64  # bytes that come into the cache together: an array that begins with one is read more quickly

_held = threading.local()  # every thread has its own
np.empty((32 << 20) - (64 << 10), np.uint8)  # made, and freed: see above


def channels_last(x):
    """Images (N, C, H, W) as a contiguous (N, H, W, C): no copy if they lie so already. Strides are those of its shape.

    >>> channels_last(np.arange(4).reshape(1, 2, 1, 2))
    array([[[[0, 2],
             [1, 3]]]])
    """
    x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    return x.ravel().reshape(x.shape)  # numpy keeps odd strides where an axis has length 1


def channels_first(x):
    """(N, H, W, C) as a view (N, C, H, W)."""
    return x.transpose(0, 3, 1, 2)


def split(x, groups):
    """x (N, H, W, C) as a list of arrays with C/groups channels."""
    return [x] if groups == 1 else [np.ascontiguousarray(part) for part in np.split(x, groups, axis=3)]


def joined(parts):
    """The way back."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=3)


def scratch(name, shape, dtype):
    """An array for numbers that nobody needs after the call. The next one with this name that needs no more memory gets the
    same, unless there are more than KEEP bytes of it.

    >>> one = scratch("example", (2, 3), np.dtype(np.float32))
    >>> np.shares_memory(one, scratch("example", (3,), np.dtype(np.float64)))
    True
    >>> np.shares_memory(one, scratch("example", (4,), np.dtype(np.float64)))
    False
    """
    size = math.prod(shape) * dtype.itemsize
    memory = getattr(_held, name, None)
    if memory is None or memory.size < size:
        memory = np.empty(size + LINE, np.uint8)
        memory = memory[-memory.ctypes.data % LINE :][:size]
        if size <= KEEP:
            setattr(_held, name, memory)
    return memory[:size].view(dtype).reshape(shape)


def equal_parts(whole, part):
    """The size of equal parts, about as large as this one.

    >>> equal_parts(64, 9), equal_parts(64, 100)
    (10, 64)
    """
    return -(-whole // max(1, round(whole / part)))


def padded(x, before, size):
    """x (N, H, W, C) in the midst of zeros, as (N, *size, C): its corner lies at `before`, what sticks out is cut off.

    >>> padded(np.ones((1, 2, 2, 1)), (1, 0), (3, 1))[0, :, :, 0]
    array([[0.],
           [1.],
           [1.]])
    """
    if before == (0, 0) and size == x.shape[1:3]:
        return x
    out = np.zeros((len(x), *size, x.shape[3]), x.dtype)
    height, width = (min(n, s - p) for n, s, p in zip(x.shape[1:3], size, before, strict=True))
    out[:, before[0] : before[0] + height, before[1] : before[1] + width] = x[:, :height, :width]
    return out


def add_to_rows(x, vector):
    """x (N, H, W, C) += vector (C,), in rows of W·C numbers: a loop over C alone is too short to be quick."""
    n, h, w, c = x.shape
    if x.strides[2:] != (c * x.itemsize, x.itemsize):  # rows would be a copy
        x += vector
        return
    rows, row = x.reshape(n, h, w * c), np.empty((w, c), vector.dtype)
    row[...] = vector
    rows += row.reshape(w * c)


def sum_of_rows(x):
    """(C,): the sum over all pixels of x (N, H, W, C), as a product with ones."""
    rows = x.reshape(x.shape[0] * x.shape[1], x.shape[2] * x.shape[3])
    return (np.ones(len(rows), x.dtype) @ rows).reshape(x.shape[2], x.shape[3]).sum(axis=0)
