"""Products of a tall matrix with a small one, as a stack of small products.

A matrix library first packs both matrices into an order that its inner loop likes, then computes. The packing pays when
every number is used hundreds of times. In a convolution with few filters it is not: a tall matrix of 100 000 windows is
multiplied by one of 16 filters, and packing costs as much as computing. OpenBLAS (Intel's and AMD's newer processors)
skips it where a product has at most a million multiplications, so we hand out the tall matrix in pieces of that size:
`matmul` of (pieces, rows, k) with (k, n). On other processors, or with so many filters that such a piece would be but a few
rows, it is better packed; pieces of a thousand rows then stay in the cache in between.

Source: OpenBLAS, interface/gemm.c and kernel/x86_64/sgemm_small_kernel_permit_skylakex.c.
"""

import numpy as np

UNPACKED = any(  # whether this processor has the vectors for which OpenBLAS has that rule
    name.startswith(("AVX512", "X86_V4")) for name in np.show_config(mode="dicts")["SIMD Extensions"]["found"]
)
SMALL = 10**6  # multiplications in a product that is not packed
ROWS = 256  # more rows in a piece that is not packed gain nothing
FEW = 128  # rows are too few
PACKED = 1024  # rows in a piece that is packed


def product(tall, small, out=None):
    """tall (m, k) @ small (k, n).

    >>> product(np.ones((1000, 2)), np.ones((2, 3))).sum()
    np.float64(6000.0)
    """
    (m, k), n = tall.shape, small.shape[1]
    out = np.empty((m, n), tall.dtype) if out is None else out
    rows = min(ROWS, SMALL // max(k * n, 1) // 16 * 16)
    rows = rows if UNPACKED and rows >= FEW else PACKED
    if m < 2 * rows:
        return np.matmul(tall, small, out=out)
    end = m // rows * rows
    np.matmul(tall[:end].reshape(-1, rows, k), small, out=out[:end].reshape(-1, rows, n))
    np.matmul(tall[end:], small, out=out[end:])
    return out


def product_of_columns(left, right):
    """left.T @ right for two tall matrices (m, k) and (m, n).

    >>> product_of_columns(np.ones((1000, 2)), np.ones((1000, 3))).tolist()
    [[1000.0, 1000.0, 1000.0], [1000.0, 1000.0, 1000.0]]
    """
    (m, k), n = left.shape, right.shape[1]
    if k > n:  # quicker with the narrow one first
        return product_of_columns(right, left).T
    if not UNPACKED or k * n * ROWS > SMALL or m < 2 * ROWS:
        return left.T @ right
    end = m // ROWS * ROWS
    pieces = left[:end].reshape(-1, ROWS, k).swapaxes(1, 2) @ right[:end].reshape(-1, ROWS, n)
    return pieces.sum(axis=0) + left[end:].T @ right[end:]
