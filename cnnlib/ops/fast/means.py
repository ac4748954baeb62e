"""Average pooling: sums along the rows, then down the columns, of so many images as fit into the cache.

It is `maxima.py` with an addition instead of a comparison, and nothing to remember. On the way back, where every pixel
lies in one window, a window's share is copied to all its pixels at once: the small array is looked at as if it had more
axes, with stride 0.
"""

import numpy as np

from .memory import channels_first, channels_last, scratch
from .sweep import by_rows_then_columns, directions, pieces


def forward(x, down, along, count):
    """out (N, C, OH, OW): the sums of all windows, divided by count, which is (1, 1, OH, OW) or (1, 1, 1, 1)."""
    out = by_rows_then_columns(channels_last(x), *directions(down, along), _sum)
    out /= channels_last(count)
    return channels_first(out)


def backward(dout, down, along, count):
    """dx (N, C, H, W)."""
    dout, (down, along), count = channels_last(dout), directions(down, along), channels_last(count)
    n, _, windows, c = dout.shape
    dx = np.empty((n, down.pixels, along.pixels, c), dout.dtype)
    for some in pieces(dx):
        share = dout[some] / count
        if down.tiled and along.tiled:
            by_window = dx[some].reshape(len(share), down.windows, down.kernel, windows, along.kernel, c)
            by_window[...] = share[:, :, None, :, None]
        else:
            rows = scratch("rows", (len(share), down.pixels, windows, c), dx.dtype)
            _send_back(share, down, rows)
            _send_back(rows, along, dx[some])
    return channels_first(dx)


def _sum(x, direction, out):
    """The sum of every window along one direction."""
    (_, windows, pixels), *others = direction.meetings()
    if direction.padding:
        out[...] = 0
        out[windows] += x[pixels]
    elif others:
        (_, _, second), *others = others
        np.add(x[pixels], x[second], out=out)
    else:
        out[...] = x[pixels]
    for _, windows, pixels in others:
        out[windows] += x[pixels]


def _send_back(dout, direction, dx):
    """Every pixel gets the sum over the windows in which it lies."""
    dx[...] = 0
    for _, windows, pixels in direction.meetings():
        dx[pixels] += dout[windows]
