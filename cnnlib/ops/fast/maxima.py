"""Max pooling as a chain of comparisons.

A window's maximum is found as you would by eye: take its first number, and compare it with the next, which wins if it is
larger. All windows do so at once, a strided view against another, first along the rows and then down the columns. Of
every comparison one bit of news is kept, who won: a byte for each window, where PyTorch keeps a place of 8 bytes. A tie
is no win, so the first of equal numbers stays, row by row.

On the way back the chain is undone from its end: the last winner takes its gradient and leaves 0, what is left goes to
the one before. A gradient is multiplied by 0 or 1, as in `masked`: nothing is asked, and an infinite one does no harm.

NaN wins against every number, but is larger than none. So the comparisons count only where the result has no NaN; where
it has, they are repeated in the plain way's words.
"""

from functools import lru_cache

import numpy as np

from .._masks import bits
from .memory import channels_first, channels_last, scratch
from .sweep import by_rows_then_columns, directions, pieces


def forward(x, down, along):
    """out (N, C, OH, OW), and who won along the rows and down the columns, for `backward` and `offsets`."""
    x, (down, along) = channels_last(x), directions(down, along)
    n, height, _, c = x.shape
    out = np.empty((n, down.windows, along.windows, c), x.dtype)
    row_wins, column_wins = _wins((n, height, along.windows, c), along), _wins(out.shape, down)
    for some in pieces(x):
        rows = scratch("rows", (len(x[some]), height, along.windows, c), x.dtype)
        for beats in (np.greater, _beats):
            _maxima(x[some], along, rows, beats, row_wins[:, some])
            _maxima(rows, down, out[some], beats, column_wins[:, some])
            if not np.isnan(out[some].max()):
                break
    return channels_first(out), (row_wins, column_wins)


def largest(x, down, along):
    """out alone, where nobody will ask who won: half of the work."""
    return channels_first(by_rows_then_columns(channels_last(x), *directions(down, along), _maxima))


def backward(dout, down, along, wins):
    """dx (N, C, H, W)."""
    dout, (down, along), (row_wins, column_wins) = channels_last(dout), directions(down, along), wins
    n, _, windows, c = dout.shape
    dx = np.empty((n, down.pixels, along.pixels, c), dout.dtype)
    for some in pieces(dx):
        rows = scratch("rows", (len(dx[some]), down.pixels, windows, c), dx.dtype)
        _send_back(dout[some], down, column_wins[:, some], rows)
        _send_back(rows, along, row_wins[:, some], dx[some])
    return channels_first(dx)


def offsets(down, along, wins):
    """Where every window found its maximum: the row's number in the window, and the column's in every row's window."""
    return tuple(_latest(*pair) for pair in zip(directions(down, along), reversed(wins), strict=True))


# ------------------------------------------------------------------------------------------------------- one direction


def _maxima(x, direction, out, beats=None, wins=None):
    """The maximum of every window along one direction, and who won, if `beats` says what winning is."""
    if direction.padding:
        largest = out
        for windows, pixels in _first_meetings(direction):
            out[windows] = x[pixels]
    else:
        ((_, pixels),) = _first_meetings(direction)
        largest = x[pixels]  # no copy
    for offset, windows, pixels in _meetings(direction):
        if offset:
            if beats:
                beats(x[pixels], largest[windows], out=wins[offset - 1][windows])
            np.maximum(x[pixels], largest[windows], out=out[windows])
            largest = out
    if largest is not out:
        out[...] = largest


def _send_back(dout, direction, wins, dx):
    """dx: what the winners get, the latest first; the rest is for the first pixels."""
    if not direction.tiled:
        dx[...] = 0
    left, won = (scratch(name, dout.shape, bits(dout).dtype) for name in ("left", "won"))
    left[...] = bits(dout)
    for offset, windows, pixels in reversed(_meetings(direction)):
        if offset:
            np.multiply(left[windows], wins[offset - 1][windows], out=won[windows])
            _give(dx, pixels, won[windows], direction, offset)
            left[windows] -= won[windows]
    for windows, pixels in _first_meetings(direction):
        _give(dx, pixels, left[windows], direction, 0)


def _give(dx, pixels, gradients, direction, offset):
    """Adds the gradients. Offsets less than a stride apart meet different pixels: the first to give need not add."""
    if direction.dilation == 1 and offset >= direction.kernel - direction.stride:
        bits(dx)[pixels] = gradients
    else:
        dx[pixels] += gradients.view(dx.dtype)


def _latest(direction, wins):
    """The offset of the maximum in every window: the latest that won, or else the first pixel."""
    out = np.empty(wins.shape[1:], int)
    out[...] = direction.along_axis(direction.first_offsets(), out.ndim)
    for offset, won in enumerate(wins, start=1):
        np.copyto(out, offset, where=won)
    return channels_first(out)


# ---------------------------------------------------------------------------------------------------------- small parts


def _beats(new, old, out):
    """Where new is larger; NaN beats every number, and nothing beats NaN."""
    np.less_equal(new, old, out=out)
    np.logical_not(out, out=out)
    np.logical_and(out, old == old, out=out)


@lru_cache
def _meetings(direction):
    return tuple(direction.meetings())


@lru_cache
def _first_meetings(direction):
    """Windows, and the first pixel of each: all at once those that start in the image, the others one by one."""
    before = (slice(None),) * direction.axis
    first = direction.first_offsets()
    outside = np.count_nonzero(first)
    pairs = [
        ((*before, slice(i, i + 1)), (*before, slice(p, p + 1))) for i, p in enumerate(direction.pixel(first)[:outside])
    ]
    if outside < direction.windows:
        start = outside * direction.stride - direction.padding
        end = start + (direction.windows - outside - 1) * direction.stride + 1
        pairs.append(((*before, slice(outside, None)), (*before, slice(start, end, direction.stride))))
    return tuple(pairs)


def _wins(shape, direction):
    """Who wins, for each offset but the first; in padding nobody does."""
    make = np.zeros if direction.padding else np.empty
    return make((direction.kernel - 1, *shape), bool)
