"""Pooling of regions: a box of any size becomes a map of one size, so that one network looks at all boxes."""

import numpy as np

from .._numbers import LARGEST, number
from ._arguments import images, pair, real, upstream


def roi_pool_forward(x, boxes, output_size, spatial_scale=1.0):
    """The largest number of every channel in each cell of a grid over each box.

    x: feature maps (N, C, H, W); boxes: (R, 5), each the number of its image and x1, y1, x2, y2 in pixels of the
    image, of which spatial_scale is the map's part; output_size: cells, an integer or a pair. The corners are rounded
    (halves away from 0), both belong to the box, and cells may overlap by a pixel; a cell outside the map is 0. Of equal
    numbers the first wins, row by row.
    Returns out (R, C, rows, columns) and a cache. Raises ValueError for boxes of another shape or of an unknown image, and
    for a spatial_scale that is not above 0.
    Source: R. Girshick, "Fast R-CNN", 2015, and its code; as torchvision's roi_pool.

    >>> roi_pool_forward(np.arange(16.0).reshape(1, 1, 4, 4), [[0, 0, 0, 3, 3]], 2)[0]
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    x, boxes, (rows, columns) = images(x), real(boxes, "boxes"), pair(output_size, "output_size", 1)
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(f"boxes has shape {boxes.shape}, but needs (R, 5): image, x1, y1, x2, y2")
    scaled = boxes[:, 1:] * number(spatial_scale, "spatial_scale", above=0)
    if not np.all(np.abs(scaled.astype(float)) <= LARGEST) or not np.isfinite(boxes).all():
        raise ValueError(f"boxes must hold finite numbers, none larger than {LARGEST} pixels of the map")
    which = boxes[:, 0].astype(int)
    unknown = (which != boxes[:, 0]) | (which < 0) | (which >= len(x))
    if unknown.any():
        raise ValueError(f"a box lies in image {boxes[unknown, 0][0]:g}, but there are {len(x)} images, counted from 0")
    _, c, h, w = x.shape
    corners = _rounded(scaled)
    out, winner = np.zeros((len(boxes), c, rows, columns), x.dtype), np.full((len(boxes), c, rows, columns), -1)
    for r, (image, (x1, y1, x2, y2)) in enumerate(zip(which, corners, strict=True)):
        ups, downs = _cells(y1, y2, rows, h)
        lefts, rights = _cells(x1, x2, columns, w)
        for i, j in np.ndindex(rows, columns):
            cell = x[image, :, ups[i] : downs[i], lefts[j] : rights[j]]
            if cell.size:
                at = cell.reshape(c, -1).argmax(axis=1)
                row, column = np.divmod(at, cell.shape[2])
                winner[r, :, i, j] = (ups[i] + row) * w + lefts[j] + column
                out[r, :, i, j] = cell[np.arange(c), row, column]
    return out, (x.shape, x.dtype, which, winner)


def roi_pool_backward(dout, cache):
    """dx: every pixel gets dout of all cells, of all boxes, in which it was the largest."""
    (n, c, h, w), dtype, which, winner = cache
    dout = upstream(dout, winner.shape, dtype)
    dx = np.zeros((n, c, h * w), dtype)
    box, channel, row, column = np.nonzero(winner >= 0)
    np.add.at(dx, (which[box], channel, winner[box, channel, row, column]), dout[box, channel, row, column])
    return dx.reshape(n, c, h, w)


def _rounded(values):
    """The nearest integers; halves go away from 0, as C's round does and numpy's does not."""
    down = np.trunc(values)
    return (down + np.copysign(np.abs(values - down) >= 0.5, values)).astype(int)


def _cells(first, last, cells, pixels):
    """Where each cell of a box from pixel `first` to `last` begins and ends, within the map."""
    length, i = max(last - first + 1, 1), np.arange(cells)
    begin, end = i * length // cells, -(-(i + 1) * length // cells)  # rounded down, rounded up
    return np.clip(first + begin, 0, pixels), np.clip(first + end, 0, pixels)
