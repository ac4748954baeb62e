"""Winograd's convolution: 36 multiplications where the definition takes 144.

A filter with 3 weights that slides to 4 places takes 12 multiplications. But 4 outputs and 3 weights are two polynomials
of 4 and 3 coefficients, and their product, of degree 5, is known from its values at 6 points: 6 multiplications, one for
each point. So (1) evaluate the pixels and the weights at 6 points, (2) multiply point by point, (3) interpolate. Steps 1
and 3 are three small matrices of constants (Cook and Toom). For a correlation, which a convolution layer is, the three are
transposed and change places, for a correlation is the transpose of a product of polynomials:

    out = Aᵀ [(G w) · (Bᵀ x)]        with x: 6 pixels, w: 3 weights, out: 4 outputs

In two directions it is done to rows and columns: tiles of 6 x 6 pixels, every 4 pixels, give 4 x 4 outputs with 36
multiplications, not 16 · 9 = 144. With C channels and K filters, step 2 is, at each of the 36 points, a product of a matrix
(tiles, C) with one (C, K): four times less work than im2col, and no window is copied. Steps 1 and 3 are done once for
each tile and channel, so with 16 or more channels and filters they are the smaller part.

The filters at 36 points take four times the memory of the weights, the tiles more than twice that of the pixels. But a row
of 6 points needs nothing of the others between the first step down the columns and the last: so the tiles at one row of
points, or at a few, are made, used while they are in the cache, and written over, and so are the filters, unless many pieces
of work need them. Where images are so small or few that the filters are most of the work, fewer outputs at once are quicker:
3 x 3 with 25 points, or 2 x 2 with 16.

Points far from 1 magnify rounding errors: 0, ±2/3, ±3/2 and infinity are four times as exact as the 0, ±1, ±2 of the
paper. A NaN or an infinite pixel spoils all outputs of the tiles that it lies in, not only those that see it.

Inside, images lie side by side, (H, W, B, C): tiles overlap as views then, without copies, and what steps 1 and 3 do along
a row, they do to lines of B·C numbers. A product with a matrix of 6 x 6 is quick only where lines are long. As every image
is copied to its place in a piece of work and from there, it may come as any view (H, W, B, ...) whose last axes hold the
numbers of a pixel, or of several: so come the images of `phases.py` and the blocks of `space_to_depth.py`.
Source: A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016; S. Winograd, "Arithmetic
Complexity of Computations", 1980.
"""

import itertools
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from . import memory
from .memory import scratch

POINTS = {
    4: (0, 1, -1),
    5: (0, 2 / 3, -2 / 3, 3 / 2),
    6: (0, 2 / 3, -2 / 3, 3 / 2, -3 / 2),
    8: (0, 1, -1, 2, -2, 1 / 2, -1 / 2),
    10: (0, 2 / 5, -2 / 5, 4 / 5, -4 / 5, 5 / 4, -5 / 4, 5 / 2, -5 / 2),
}  # and infinity
OUTPUTS = {2: 5, 3: 4, 4: 3, 5: 4}  # how many at once at most, for a filter of so many weights
MAKING = 64  # rows of a product that cost as much as the filters that it is with, made at a point and read again
TILES = 192  # fewer rows than this make a product slow
FILTERS = 16 << 20  # bytes of filters at points that are made at once, or kept from one piece of work to the next
PIXEL = 512  # numbers in one pixel of all images: fewer make the steps along a row slow


def forward(x, w, layer):
    """out (N, OH, OW, K) of x (N, H, W, C) and square filters w (K, C, r, r), at stride 1."""
    out = np.empty((len(x), *layer.output, len(w)), x.dtype)
    correlate(side_by_side(x), w, layer.padding, side_by_side(out))
    return out


def input_gradient(dout, w, layer):
    """dx: the forward pass of dout with the filters turned by 180°, which turns the columns of G."""
    dx = np.empty((len(dout), *layer.image, w.shape[1]), dout.dtype)
    correlate(side_by_side(dout), w, layer.backwards.padding, side_by_side(dx), turned=True)
    return dx


def weight_gradient(x, dout, layer):
    """dw (K, C, r, r)."""
    return gradient(side_by_side(x), side_by_side(dout), layer)


def forward_and_weight_gradient(x, w, dout, layer):
    """out and dw where both are asked for at once, as on the way back through a transposed convolution."""
    out = np.empty((len(x), *layer.output, len(w)), x.dtype)
    return out, correlate_and_gradient(side_by_side(x), w, side_by_side(dout), layer, side_by_side(out))


def side_by_side(x):
    """(N, H, W, C) as a view (H, W, N, C)."""
    return x.transpose(1, 2, 0, 3)


@lru_cache
def cook_toom(r, dtype, m=None):
    """Aᵀ (m, n), G (n, r) and Bᵀ (n, n) for m outputs of a filter of r weights, where n = m + r - 1; m from OUTPUTS.

    >>> at, g, bt = cook_toom(3, np.dtype(float))
    >>> x, w = np.array([1.0, 2, 3, 5, 8, 13]), np.array([1.0, 1, -1])
    >>> at @ ((g @ w) * (bt @ x)) - np.correlate(x, w) < 1e-14
    array([ True,  True,  True,  True])
    """
    m = m or OUTPUTS[r]
    n = m + r - 1
    at = np.array(POINTS[n])
    powers = np.vander(at, n, increasing=True)
    infinity = np.eye(n)[-1:]  # there, only the highest coefficient counts
    others = [np.delete(at, i) for i in range(n - 1)]
    scale = np.array([np.prod(a - rest) for a, rest in zip(at, others, strict=True)])[:, None]
    evaluate_out = np.vstack([powers[:, :m], infinity[:, -m:]])
    evaluate_w = np.vstack([powers[:, :r] / scale, infinity[:, -r:]])
    lagrange = [np.append(np.poly(rest)[::-1], 0) for rest in others]  # the polynomials that are 0 at the other points
    interpolate = np.vstack([*lagrange, np.poly(at)[::-1]])
    return tuple(np.ascontiguousarray(matrix, dtype) for matrix in (evaluate_out.T, evaluate_w, interpolate))


# ---------------------------------------------------------------------------------------------------------- the steps


def choices(r):
    """How many outputs of a direction can be computed at once.

    >>> choices(3), choices(5)
    ([2, 3, 4], [2, 4])
    """
    return [m for m in range(2, OUTPUTS[r] + 1) if m + r - 1 in POINTS]


@lru_cache
def _at_once(r, oh, ow, images):
    """How many outputs of a direction are to be computed at once.

    >>> _at_once(3, 56, 56, 8), _at_once(3, 14, 14, 4), _at_once(3, 14, 14, 1)
    (4, 3, 2)
    """

    def work(m):
        return (m + r - 1) ** 2 * (images * -(-oh // m) * -(-ow // m) + MAKING)

    return min(choices(r), key=work)


@lru_cache
def _plane(r, dtype, m):
    """G in both directions: the n x n points from r·r weights."""
    g = cook_toom(r, dtype, m)[1]
    return np.kron(g, g).reshape(len(g), len(g), r * r)


def _at_points(w, m, points, turned):
    """The filters (K, C, r, r) at some rows of points: (rows, n, C, K), or turned by 180° for dx as (rows, n, K, C)."""
    k, c, r, _ = w.shape
    plane = _plane(r, w.dtype, m)[points]
    at_points = (plane[..., ::-1] if turned else plane).reshape(-1, r * r) @ w.reshape(k * c, r * r).T
    at_points = at_points.reshape(*plane.shape[:2], k, c)
    return at_points if turned else at_points.swapaxes(2, 3)


def correlate(x, w, padding, out, turned=False, dout=None, dw=None):
    """Fills out (OH, OW, N, ..., K) from x (H, W, N, ..., C) and w (K, C, r, r); turned: dx from dout. If dw (r, r, K, C) is
    given, adds to it what x and dout have to say."""
    r, c, k, ow = w.shape[2], w.shape[1 - turned], w.shape[turned], out.shape[1]
    m = _at_once(r, *out.shape[:2], math.prod(out.shape[2:]) // k)
    at, _, bt = cook_toom(r, x.dtype, m)
    n, pieces = len(bt), list(_pieces(out, r, m, c, k))
    keep = n * n * w.nbytes // r**2 <= (FILTERS if len(pieces) > 1 else memory.CACHE)
    at_all = _at_points(w, m, slice(None), turned) if keep else None
    for piece in pieces:
        here = out[piece.rows.start * m : piece.rows.stop * m, :, piece.images]
        down, across, line = len(piece.rows), -(-ow // m), math.prod(here.shape[2:])
        columns = scratch("columns", (down, n, across, m, line), x.dtype)
        mine = _tiles(x, c, bt, m, padding, piece, ow, "x")
        theirs = itertools.repeat(None) if dw is None else _tiles(dout, k, at.T, m, (0, 0), piece, ow, "dout")
        for points, tiles, gradients in zip(piece.points, mine, theirs, strict=False):  # None has no end
            filters = at_all[points] if keep else _at_points(w, m, points, turned)
            products = np.matmul(tiles, filters, out=scratch("products", (*tiles.shape[:3], k), x.dtype))
            del filters  # before the next are made
            products = products.reshape(-1, n, down, across, line).transpose(2, 0, 3, 1, 4)
            np.matmul(at, products, out=columns[:, points])
            if dw is not None:
                _add_gradient(dw, m, points, tiles, gradients)
        _outputs(columns, at, here)


def gradient(x, dout, layer):
    """dw (K, C, r, r) from x (H, W, N, ..., C) and dout. Each step is linear, so the way back is the transposed steps in
    reverse."""
    r, c, k, ow = layer.kernel[0], layer.channels, layer.filters, layer.output[1]
    m = _at_once(r, *layer.output, math.prod(dout.shape[2:]) // k)
    at, _, bt = cook_toom(r, x.dtype, m)
    dw = _no_gradient(layer, x.dtype)
    for piece in _pieces(dout, r, m, c, k):
        mine = _tiles(x, c, bt, m, layer.padding, piece, ow, "x")
        theirs = _tiles(dout, k, at.T, m, (0, 0), piece, ow, "dout")
        for points, tiles, gradients in zip(piece.points, mine, theirs, strict=True):
            _add_gradient(dw, m, points, tiles, gradients)
    return dw.transpose(2, 3, 0, 1)


def correlate_and_gradient(x, w, dout, layer, out):
    """Fills out and returns dw, both with the same tiles of x."""
    dw = _no_gradient(layer, x.dtype)
    correlate(x, w, layer.padding, out, dout=dout, dw=dw)
    return dw.transpose(2, 3, 0, 1)


def _no_gradient(layer, dtype):
    """Zeros that become dw: (r, r, K, C)."""
    return np.zeros((*layer.kernel, layer.filters, layer.channels), dtype)


def _add_gradient(dw, m, points, tiles, gradients):
    """dw (r, r, K, C) += what tiles (rows, n, tiles, C) of x and gradients (rows, n, tiles, K) at the same points say."""
    r, _, k, c = dw.shape
    plane = _plane(r, dw.dtype, m)[points].reshape(-1, r * r)
    step = memory.equal_parts(k, max(1, memory.KEEP // (len(plane) * c * dw.itemsize)))
    for first in range(0, k, step):
        some = slice(first, min(first + step, k))
        part = scratch("part", (*tiles.shape[:2], some.stop - first, c), dw.dtype)
        np.matmul(gradients[..., some].swapaxes(2, 3), tiles, out=part)
        dw[:, :, some] += (plane.T @ part.reshape(len(plane), -1)).reshape(r, r, -1, c)


class Piece(NamedTuple):
    """Some work of a layer's: a range of rows of tiles, a slice of images, and slices of rows of points, one after the other."""

    rows: range
    images: slice
    points: list


def _pieces(out, r, m, c, k):
    """The work in pieces that fit into the cache, where they can: many images, then many rows, then many points."""
    (oh, ow, images), each, n = out.shape[:3], math.prod(out.shape[3:]) // k, m + r - 1  # pixels of an image's place
    down, across, channels = -(-oh // m), -(-ow // m), max(c, k)
    tiles = max(TILES, memory.CACHE // (n * n * channels * out.itemsize))
    some = memory.equal_parts(images, max(1, round(tiles / (down * across * each)), PIXEL // (channels * each)))
    rows = memory.equal_parts(down, max(1, round(tiles / (some * each * across))))
    at_once = _points_at_once(n, rows * across * some * each * channels * out.itemsize, c * k * out.itemsize, r)
    points = [slice(first, min(first + at_once, n)) for first in range(0, n, at_once)]
    for first in range(0, images, some):
        for row in range(0, down, rows):
            yield Piece(range(row, min(row + rows, down)), slice(first, min(first + some, images)), points)


def _points_at_once(n, tiles, filters, r):
    """How many of n rows of points, where tiles and filters at one point have so many bytes: tiles in the cache, or a quarter
    of the weights of a large layer, for it costs to go through dw often; but not too many filters."""
    room = max(memory.CACHE, r * r * filters // 4)
    return memory.equal_parts(n, max(1, min(room // tiles, FILTERS // filters) // n))


def _tiles(x, channels, matrix, step, padding, piece, ow, name):
    """Tiles of t x t pixels, `step` apart, both directions multiplied by the matrix (q, t): yields (rows, q, tiles, C) for
    the rows of points of a piece, some at a time."""
    x, rows = x[:, :, piece.images], piece.rows
    line = math.prod(x.shape[2:])  # numbers in one pixel of all images; a row is `width` of them
    (q, t), down, across = matrix.shape, len(rows), -(-ow // step)
    height, width = (down - 1) * step + t, (across - 1) * step + t
    side = scratch("padded", (height, width, *x.shape[2:]), x.dtype)
    into_rows, from_rows = overlap(padding[0] - rows.start * step, x.shape[0], height)
    into_columns, from_columns = overlap(padding[1], x.shape[1], width)
    for frame in (side[: into_rows.start], side[into_rows.stop :]):
        frame[...] = 0
    for frame in (side[:, : into_columns.start], side[:, into_columns.stop :]):
        frame[...] = 0
    side[into_rows, into_columns] = x[from_rows, from_columns]

    item, row = x.itemsize, width * line
    strips = np.ndarray((down, t, row), x.dtype, side, strides=(step * row * item, row * item, item))  # they overlap
    strips = np.matmul(matrix, strips, out=scratch(f"strips of {name}", (down, q, row), x.dtype))
    steps = (q * row * item, row * item, step * line * item, line * item, item)
    windows = np.ndarray((down, q, across, t, line), x.dtype, strips, strides=steps)
    for points in piece.points:
        out = scratch(name, (points.stop - points.start, q, down, across, line), x.dtype)
        np.matmul(matrix, windows[:, points], out=out.transpose(2, 0, 3, 1, 4))
        yield out.reshape(len(out), q, -1, channels)


def overlap(start, length, size):
    """Where `length` pixels lie among `size` places, if the first is at `start`: the places, and which pixels."""
    first = max(0, start)
    last = max(first, min(size, start + length))
    return slice(first, last), slice(first - start, last - start)


def _outputs(columns, at, out):
    """Interpolates columns (rows of tiles, n, across, m, line) and puts the outputs, m x m of each tile, in their places."""
    (down, n, across, m, line), (oh, ow, *pixel) = columns.shape, out.shape
    columns = columns.reshape(down, n, across * m * line)
    pixels = np.matmul(at, columns, out=scratch("pixels", (down, m, across * m * line), out.dtype))
    out[...] = pixels.reshape(down * m, across * m, *pixel)[:oh, :ow]
