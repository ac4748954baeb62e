"""Batch norm in long rows, and in pieces that stay in the cache.

Its arithmetic is a few operations for each number, so all that counts is how numbers come and go. With channels last,
the number of a channel is needed again every C numbers. A loop over C numbers is too short to be quick: we take several
pixels as one row of about 500 numbers, which fits into the first cache, and write what belongs to a channel as
often side by side (`tile`). A sum over all rows is a product with ones, which is what a matrix library is best at.

The plain way reads and writes the whole batch nine times in its forward pass, and main memory is slow. Here a piece that
fits into the second cache goes through all steps before the next one, so the batch is read twice: once for mean and
variance, once for the output.

One reading gives the variance as E[x²] - E[x]². Where the mean is far from 0 for such a variance, leading digits cancel;
then, and only then, x - mean is computed first, as the plain way always does. What is left are errors in float32 below
3e-6 of the largest number of out, and of the gradients.
Source: T. Chan, G. Golub and R. LeVeque, "Algorithms for Computing the Sample Variance", 1983.
"""

import numpy as np

from .memory import scratch

PIECE = 1 << 20  # bytes of one array's piece
LONG = 512  # numbers in a row; with 1024, arrays come to lie 4096 bytes apart, which some caches do not like
FAR = 4  # standard deviations from 0


def statistics(x):
    """mean and var (C,) of x (N, C, ...) over all but the channels."""
    rows, channels = _rows(x)
    count = x.size // channels
    sums, squares = _sums(rows, rows)
    mean = _fold(sums, channels) / count
    var = _fold(squares, channels) / count - mean * mean
    if _far(mean, var):
        tiled = _tiled(mean, rows, channels)
        _, squares = _sums(rows, rows, tiled, tiled)
        var = _fold(squares, channels) / count
    return mean.astype(x.dtype), var.astype(x.dtype)


def forward(x, mean, inverse, weight, bias):
    """(x - mean) inverse weight + bias; inverse is 1 / σ, and each of them is one number a channel."""
    rows, channels = _rows(x)
    scale, centre = inverse * weight, None
    if _far(mean, inverse**-2.0):
        centre = _tiled(mean, rows, channels)
    else:
        bias = bias - mean * scale
    scale, bias = _tiled(scale, rows, channels), _tiled(bias, rows, channels)
    out = np.empty_like(rows)
    for at in _pieces(rows):
        piece = np.multiply(_centred(rows[at], centre), scale, out=out[at])
        piece += bias
    return _images(out, x.shape)


def backward(dout, x, mean, inverse, weight, batch):
    """dx, dweight and dbias. With the batch's statistics, dx = a dout + b x + c, channel by channel."""
    rows, channels = _rows(x)
    upstream, _ = _rows(dout)
    count, mean, inverse = x.size // channels, mean.astype(float), inverse.astype(float)
    far = _far(mean, inverse**-2)
    sums, products = _sums(upstream, rows, None, _tiled(mean, rows, channels) if far else None)
    dbias, dweight = _fold(sums, channels), _fold(products, channels)
    if not far:
        dweight -= mean * dbias
    dweight *= inverse
    a = weight * inverse
    b = -a * inverse * dweight / count
    c = -a * dbias / count - b * mean
    a, b, c = (_tiled(values, rows, channels) for values in (a, b, c))
    dx = np.empty_like(rows)
    for at in _pieces(rows):
        piece = np.multiply(upstream[at], a, out=dx[at])
        if batch:
            seen = np.multiply(rows[at], b, out=_held(rows[at]))
            seen += c
            piece += seen
    return _images(dx, x.shape), dweight.astype(x.dtype), dbias.astype(x.dtype)


# ------------------------------------------------------------------------------------------------------------- the rows


def _rows(x):
    """x (N, C, ...) with the channels last, as rows of so many pixels as fit; and C."""
    pixels, channels = x.size // x.shape[1], x.shape[1]
    wide = max(n for n in range(1, max(1, LONG // channels) + 1) if pixels % n == 0)
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)).reshape(pixels // wide, wide * channels), channels


def _images(rows, shape):
    """The rows as images (N, C, ...) again, a view."""
    return np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


def _pieces(rows):
    step = max(1, PIECE // (rows.shape[1] * rows.itemsize))
    return (slice(first, first + step) for first in range(0, len(rows), step))


def _held(rows):
    """Memory for as many numbers, the same for every piece."""
    return scratch("rows", rows.shape, rows.dtype)


def _centred(rows, centre):
    return rows if centre is None else np.subtract(rows, centre, out=_held(rows))


def _sums(one, two, centre_one=None, centre_two=None):
    """The sums of `one`, and of the products of the two, over all rows; one number for each place in a row."""
    sums, products = np.zeros(one.shape[1], one.dtype), np.zeros(one.shape[1], one.dtype)
    for at in _pieces(one):
        first = _centred(one[at], centre_one)
        second = first if one is two else _centred(two[at], centre_two)
        sums += np.ones(len(first), first.dtype) @ first
        products += np.einsum("ij,ij->j", first, second)
    return sums, products


def _fold(sums, channels):
    """A sum for each place in a row to a sum for each channel, in float64."""
    return sums.reshape(-1, channels).sum(axis=0, dtype=float)


def _tiled(values, rows, channels):
    """One number a channel, written side by side for a whole row."""
    return np.tile(values.astype(rows.dtype), rows.shape[1] // channels)


def _far(mean, var):
    """Whether a channel's mean is so far from 0 that E[x²] - E[x]² loses digits; NaN is far from everything."""
    return not np.all(mean * mean <= FAR * FAR * var)
