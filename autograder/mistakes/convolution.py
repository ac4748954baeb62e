# ruff: noqa: F811 (entries share a name)
"""Lesson 03: from a sliding window to a convolution layer."""

import numpy as np

from autograder.mistakes import mistake, style

# ---- conv1d_matrix(w, n, stride) -> (n_out, n)


@mistake("Row i starts at column i. The filter moves on by the stride, so row i starts at column i * stride.")
def conv1d_matrix(w, n, stride):
    A = np.zeros(((n - len(w)) // stride + 1, n))
    for i in range(len(A)):
        A[i, i : i + len(w)] = w
    return A


@mistake("The weights stand in reverse order. Row i holds w[0], w[1], ... from left to right, without a flip.")
def conv1d_matrix(w, n, stride):
    A = np.zeros(((n - len(w)) // stride + 1, n))
    for i in range(len(A)):
        A[i, i * stride : i * stride + len(w)] = w[::-1]
    return A


@mistake("The matrix is transposed. Each row makes one output, so its shape is (n_out, n).")
def conv1d_matrix(w, n, stride):
    A = np.zeros((n, (n - len(w)) // stride + 1))
    for i in range(A.shape[1]):
        A[i * stride : i * stride + len(w), i] = w
    return A


@mistake(
    "The last row is missing. A filter that moves d times has d + 1 positions: n_out = (n - len(w)) // stride + 1."
)
def conv1d_matrix(w, n, stride):
    A = np.zeros(((n - len(w)) // stride, n))
    for i in range(len(A)):
        A[i, i * stride : i * stride + len(w)] = w
    return A


@mistake("The filter wraps around the edge. Stop at the last position where the whole filter fits.")
def conv1d_matrix(w, n, stride):
    first = np.concatenate([w, np.zeros(n - len(w))])
    return np.array([np.roll(first, start) for start in range(0, n, stride)])


@mistake(
    "There are rows in which the filter hangs over the edge. Stop at the last position where the whole filter fits."
)
def conv1d_matrix(w, n, stride):
    starts = range(0, n, stride)
    A = np.zeros((len(starts), n))
    for i, start in enumerate(starts):
        width = min(len(w), n - start)
        A[i, start : start + width] = w[:width]
    return A


@mistake(
    "The stride spreads the weights inside a row. Neighbouring weights stay neighbours; each row as a whole moves on."
)
def conv1d_matrix(w, n, stride):
    A = np.zeros(((n - len(w)) // stride + 1, n))
    for i in range(len(A)):
        for f in range(len(w)):
            if i + f * stride < n:
                A[i, i + f * stride] = w[f]
    return A


@mistake(
    "The matrix holds whole numbers, so fractions are cut off. Make it with np.zeros(shape), which has dtype float."
)
def conv1d_matrix(w, n, stride):
    A = np.zeros(((n - len(w)) // stride + 1, n), dtype=int)
    for i in range(len(A)):
        A[i, i * stride : i * stride + len(w)] = w
    return A


@style("loops")
def conv1d_matrix(w, n, stride):
    n_out = (n - len(w)) // stride + 1
    A = np.zeros((n_out, n))
    for i in range(n_out):
        for f in range(len(w)):
            A[i, i * stride + f] = w[f]
    return A


@style("list of lists")
def conv1d_matrix(w, n, stride):
    starts = range(0, n - len(w) + 1, stride)
    return [[0] * start + list(w) + [0] * (n - len(w) - start) for start in starts]


@style("index arithmetic")
def conv1d_matrix(w, n, stride):
    n_out = (n - len(w)) // stride + 1
    offset = np.arange(n)[None, :] - stride * np.arange(n_out)[:, None]
    inside = (offset >= 0) & (offset < len(w))
    return np.where(inside, np.asarray(w)[np.clip(offset, 0, len(w) - 1)], 0)


@style("strides")
def conv1d_matrix(w, n, stride):
    n_out = (n - len(w)) // stride + 1
    A = np.zeros((n_out, n))
    row, column = A.strides
    np.lib.stride_tricks.as_strided(A, (n_out, len(w)), (row + stride * column, column))[:] = w
    return A


@style("unit vectors")
def conv1d_matrix(w, n, stride):
    return np.array([np.correlate(unit, w, "valid")[::stride] for unit in np.eye(n)]).T


@style("float32, Fortran order")
def conv1d_matrix(w, n, stride):
    A = np.zeros(((n - len(w)) // stride + 1, n), dtype=np.float32, order="F")
    for i, row in enumerate(A):
        row[i * stride : i * stride + len(w)] = w
    return A


@style("recursive")
def conv1d_matrix(w, n, stride):
    if n < len(w):
        return np.zeros((0, n))
    first = np.concatenate([w, np.zeros(n - len(w))])

    def shifted(n_left):
        if n_left < len(w):
            return []
        return [first, *(np.concatenate([np.zeros(stride), row])[:n] for row in shifted(n_left - stride))]

    return np.stack(shifted(n))


# ---- locally_connected(x, W, b, stride) -> (n_out,)


@mistake(
    "Every position uses the weights of position 0. Here the weights are not shared: position i has its own row W[i]."
)
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    return np.array([x[i * stride : i * stride + F] @ W[0] + b[i] for i in range(n_out)])


@mistake("The stride is ignored: window i starts at i. It starts at i * stride.")
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    return np.array([x[i : i + F] @ W[i] + b[i] for i in range(n_out)])


@mistake("The bias is missing. Add b[i] at position i.")
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    return np.array([x[i * stride : i * stride + F] @ W[i] for i in range(n_out)])


@mistake("Every position uses the bias of position 0. Here the bias is not shared either: position i has its own b[i].")
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    return np.array([x[i * stride : i * stride + F] @ W[i] + b[0] for i in range(n_out)])


@mistake("The bias is added to every product. Sum the products of the window first, then add b[i] once.")
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    return np.array([np.sum(x[i * stride : i * stride + F] * W[i] + b[i]) for i in range(n_out)])


@mistake("The weights are flipped. The first weight W[i, 0] belongs to the first pixel of the window.")
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    return np.array([x[i * stride : i * stride + F] @ W[i, ::-1] + b[i] for i in range(n_out)])


@mistake("The products of a window are averaged. Sum them.")
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    return np.array([np.mean(x[i * stride : i * stride + F] * W[i]) + b[i] for i in range(n_out)])


@mistake("The last output is missing. W has one row for each output, so there are len(W) of them.")
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    return np.array([x[i * stride : i * stride + F] @ W[i] + b[i] for i in range(n_out - 1)])


@mistake("The stride spreads the window. A window is F neighbours, x[i * stride : i * stride + F].")
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    longer = np.concatenate([x, np.zeros(F * stride)])
    return np.array([longer[i : i + F * stride : stride] @ W[i] + b[i] for i in range(n_out)])


@mistake(
    "The result holds whole numbers, so fractions are cut off. Make it with np.zeros(shape), which has dtype float."
)
def locally_connected(x, W, b, stride):
    n_out, F = W.shape
    out = np.zeros(n_out, dtype=int)
    for i in range(n_out):
        out[i] = x[i * stride : i * stride + F] @ W[i] + b[i]
    return out


@style("loops")
def locally_connected(x, W, b, stride):
    out = np.zeros(len(b))
    for i in range(len(b)):
        total = 0.0
        for f in range(W.shape[1]):
            total += x[i * stride + f] * W[i, f]
        out[i] = total + b[i]
    return out


@style("list")
def locally_connected(x, W, b, stride):
    return [sum(v * x[i * stride + f] for f, v in enumerate(row)) + b[i] for i, row in enumerate(W)]


@style("einsum of windows")
def locally_connected(x, W, b, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x, W.shape[1])[::stride]
    return np.einsum("if,if->i", windows, W) + b


@style("gather")
def locally_connected(x, W, b, stride):
    index = stride * np.arange(len(W))[:, None] + np.arange(W.shape[1])
    return (x[index] * W).sum(axis=1) + b


@style("matrix product")
def locally_connected(x, W, b, stride):
    A = np.zeros((len(W), len(x)))
    for i, row in enumerate(W):
        A[i, i * stride : i * stride + len(row)] = row
    return A @ x + b


@style("float32")
def locally_connected(x, W, b, stride):
    x, W, b = (np.asarray(a, dtype=np.float32) for a in (x, W, b))
    return np.array([np.dot(row, x[i * stride :][: row.size]) for i, row in enumerate(W)], dtype=np.float32) + b


# ---- correlate2d(x, w) -> (H - FH + 1, W - FW + 1)


@mistake("The filter is flipped: that is a convolution. For the correlation lay it on the window as it is.")
def correlate2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.einsum("hwij,ij->hw", windows, w[::-1, ::-1])


@mistake("The rows of the filter are in reverse order. For the correlation lay it on the window as it is.")
def correlate2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.einsum("hwij,ij->hw", windows, w[::-1])


@mistake("The result is transposed. Its first axis goes down the rows of x, its second along the columns.")
def correlate2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.einsum("hwij,ij->wh", windows, w)


@mistake("The filter is transposed. Its rows lie on rows of the window, its columns on columns.")
def correlate2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[::-1])
    return np.einsum("hwij,ji->hw", windows, w)


@mistake(
    "The image is padded so that the result is as large as x. Keep only the positions where the whole filter fits."
)
def correlate2d(x, w):
    above, left = (w.shape[0] - 1) // 2, (w.shape[1] - 1) // 2
    xp = np.pad(x, ((above, w.shape[0] - 1 - above), (left, w.shape[1] - 1 - left)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape)
    return np.einsum("hwij,ij->hw", windows, w)


@mistake("The filter may hang over the edge of the image. Keep only the positions where the whole filter fits.")
def correlate2d(x, w):
    above, left = w.shape[0] - 1, w.shape[1] - 1
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((above, above), (left, left))), w.shape)
    return np.einsum("hwij,ij->hw", windows, w)


@mistake("The last row and the last column are missing. There are H - FH + 1 rows and W - FW + 1 columns.")
def correlate2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)[:-1, :-1]
    return np.einsum("hwij,ij->hw", windows, w)


@mistake("The products of a window are averaged. Sum them.")
def correlate2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return (windows * w).mean(axis=(2, 3))


@mistake(
    "The result holds whole numbers, so fractions are cut off. Make it with np.zeros(shape), which has dtype float."
)
def correlate2d(x, w):
    out = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1), dtype=int)
    for i, j in np.ndindex(*out.shape):
        out[i, j] = np.sum(x[i : i + w.shape[0], j : j + w.shape[1]] * w)
    return out


@mistake("The products are written into the image itself (*=), and the next window reads them. Write window * w.")
def correlate2d(x, w):
    out = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1))
    for i, j in np.ndindex(*out.shape):
        window = x[i : i + w.shape[0], j : j + w.shape[1]]
        window *= w
        out[i, j] = window.sum()
    return out


@style("loops")
def correlate2d(x, w):
    H, W = x.shape
    FH, FW = w.shape
    out = np.zeros((H - FH + 1, W - FW + 1))
    for i in range(H - FH + 1):
        for j in range(W - FW + 1):
            for u in range(FH):
                for v in range(FW):
                    out[i, j] += x[i + u, j + v] * w[u, v]
    return out


@style("list of lists")
def correlate2d(x, w):
    FH, FW = w.shape
    rows, columns = range(x.shape[0] - FH + 1), range(x.shape[1] - FW + 1)
    return [[float((x[i : i + FH, j : j + FW] * w).sum()) for j in columns] for i in rows]


@style("einsum of windows")
def correlate2d(x, w):
    return np.einsum("hwij,ij->hw", np.lib.stride_tricks.sliding_window_view(x, w.shape), w)


@style("shifted images")
def correlate2d(x, w):
    H, W = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
    return sum(w[u, v] * x[u : u + H, v : v + W] for u, v in np.ndindex(*w.shape))


@style("im2col")
def correlate2d(x, w):
    FH, FW = w.shape
    H, W = x.shape[0] - FH + 1, x.shape[1] - FW + 1
    rows = np.stack([x[i : i + FH, j : j + FW].ravel() for i in range(H) for j in range(W)])
    return (rows @ w.ravel()).reshape(H, W)


@style("Fourier transform")
def correlate2d(x, w):
    product = np.fft.rfft2(x) * np.conj(np.fft.rfft2(w, x.shape))
    return np.fft.irfft2(product, x.shape)[: x.shape[0] - w.shape[0] + 1, : x.shape[1] - w.shape[1] + 1]


@style("float32, Fortran order")
def correlate2d(x, w):
    x, w = x.astype(np.float32), w.astype(np.float32)
    out = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1), dtype=np.float32, order="F")
    for i, j in np.ndindex(*out.shape):
        out[i, j] = np.vdot(x[i : i + w.shape[0], j : j + w.shape[1]], w)
    return out


# ---- convolve2d(x, w) -> (H - FH + 1, W - FW + 1)


@mistake("The filter is not flipped: that is the correlation. For the convolution flip both of its axes first.")
def convolve2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.einsum("hwij,ij->hw", windows, w)


@mistake("Only the rows of the filter are flipped. Flip the columns too: w[::-1, ::-1].")
def convolve2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.einsum("hwij,ij->hw", windows, w[::-1])


@mistake("Only the columns of the filter are flipped. Flip the rows too: w[::-1, ::-1].")
def convolve2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.einsum("hwij,ij->hw", windows, w[:, ::-1])


@mistake("The filter is turned by 90 degrees. Flipping both axes turns it by 180 degrees: w[::-1, ::-1].")
def convolve2d(x, w):
    turned = np.rot90(w)
    windows = np.lib.stride_tricks.sliding_window_view(x, turned.shape)
    return np.einsum("hwij,ij->hw", windows, turned)


@mistake("The filter is transposed. A flip reverses each axis and exchanges none: w[::-1, ::-1].")
def convolve2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[::-1])
    return np.einsum("hwij,ji->hw", windows, w)


@mistake("The image is flipped, and so the result is upside down. Flip the filter and leave the image as it is.")
def convolve2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x[::-1, ::-1], w.shape)
    return np.einsum("hwij,ij->hw", windows, w)


@mistake(
    "The image is padded so that the result is as large as x. Keep only the positions where the whole filter fits."
)
def convolve2d(x, w):
    above, left = w.shape[0] // 2, w.shape[1] // 2
    xp = np.pad(x, ((above, w.shape[0] - 1 - above), (left, w.shape[1] - 1 - left)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape)
    return np.einsum("hwij,ij->hw", windows, w[::-1, ::-1])


@mistake("The filter may hang over the edge of the image. Keep only the positions where the whole filter fits.")
def convolve2d(x, w):
    above, left = w.shape[0] - 1, w.shape[1] - 1
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((above, above), (left, left))), w.shape)
    return np.einsum("hwij,ij->hw", windows, w[::-1, ::-1])


@mistake("The flip is written into w itself, so the caller's filter changes. w[::-1, ::-1] alone gives a flipped view.")
def convolve2d(x, w):
    w[:] = w[::-1, ::-1].copy()
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.einsum("hwij,ij->hw", windows, w)


@mistake("The last row and the last column are missing. There are H - FH + 1 rows and W - FW + 1 columns.")
def convolve2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)[:-1, :-1]
    return np.einsum("hwij,ij->hw", windows, w[::-1, ::-1])


@mistake(
    "The result holds whole numbers, so fractions are cut off. Make it with np.zeros(shape), which has dtype float."
)
def convolve2d(x, w):
    out = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1), dtype=int)
    for i, j in np.ndindex(*out.shape):
        out[i, j] = np.sum(x[i : i + w.shape[0], j : j + w.shape[1]] * w[::-1, ::-1])
    return out


@style("loops")
def convolve2d(x, w):
    H, W = x.shape
    FH, FW = w.shape
    out = np.zeros((H - FH + 1, W - FW + 1))
    for i in range(H - FH + 1):
        for j in range(W - FW + 1):
            for u in range(FH):
                for v in range(FW):
                    out[i, j] += x[i + u, j + v] * w[FH - 1 - u, FW - 1 - v]
    return out


@style("list of lists")
def convolve2d(x, w):
    turned = np.flip(w)
    (FH, FW), (H, W) = w.shape, x.shape
    return [[(x[i : i + FH, j : j + FW] * turned).sum() for j in range(W - FW + 1)] for i in range(H - FH + 1)]


@style("einsum of windows")
def convolve2d(x, w):
    return np.einsum("hwij,ij->hw", np.lib.stride_tricks.sliding_window_view(x, w.shape), np.flip(w))


@style("stamps added up, then cropped")
def convolve2d(x, w):
    FH, FW = w.shape
    full = np.zeros((x.shape[0] + FH - 1, x.shape[1] + FW - 1))
    for i, j in np.ndindex(*x.shape):
        full[i : i + FH, j : j + FW] += x[i, j] * w
    return full[FH - 1 : x.shape[0], FW - 1 : x.shape[1]]


@style("rows by np.convolve")
def convolve2d(x, w):
    FH = len(w)
    rows = range(len(x) - FH + 1)
    wide = x.shape[1] - w.shape[1] + 1
    full = [sum(np.convolve(x[i + u], w[FH - 1 - u]) for u in range(FH)) for i in rows]
    return np.array(full)[:, w.shape[1] - 1 :][:, :wide]


@style("Fourier transform")
def convolve2d(x, w):
    circular = np.fft.irfft2(np.fft.rfft2(x) * np.fft.rfft2(w, x.shape), x.shape)
    return circular[w.shape[0] - 1 :, w.shape[1] - 1 :]


@style("float32, Fortran order")
def convolve2d(x, w):
    x, w = x.astype(np.float32), np.rot90(w, 2).astype(np.float32)
    H, W = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
    return np.asfortranarray(sum(w[u, v] * x[u : u + H, v : v + W] for u, v in np.ndindex(*w.shape)))


# ---- conv2d_forward(x, w, b, stride, pad) -> out (N, K, H', W'), cache


@mistake("The bias is missing. Add b[k] to every pixel of output channel k.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, w), (x, w, b, stride, pad)


@mistake("The bias is added once for every input channel. Sum over the channels first, then add b[k] once.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = 0
    for c in range(x.shape[1]):
        out = out + np.einsum("nhwij,kij->nkhw", windows[:, c], w[:, c]) + b[:, None, None]
    return out, (x, w, b, stride, pad)


@mistake("The bias is added to every product. Sum the products of the window first, then add b[k] once.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwij,kcij->nkhw", windows, w) + w[0].size * b[:, None, None]
    return out, (x, w, b, stride, pad)


@mistake(
    "The bias is added along the width. It belongs to the output channels: b[k], or b[:, None, None] for all at once."
)
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, w) + b, (x, w, b, stride, pad)


@mistake("The filters are flipped. A convolution layer correlates: lay the filter on the window as it is.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwij,kcij->nkhw", windows, w[:, :, ::-1, ::-1]) + b[:, None, None]
    return out, (x, w, b, stride, pad)


@mistake("The padding is ignored. Put pad rows and columns of zeros on every side of the image first.")
def conv2d_forward(x, w, b, stride, pad):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None], (x, w, b, stride, pad)


@mistake("The zeros stand only below and on the right. Put pad rows and columns of zeros on every side of the image.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None], (x, w, b, stride, pad)


@mistake("The border repeats the outermost pixels of the image. Pad with zeros.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None], (x, w, b, stride, pad)


@mistake("The output size counts the padding once. There are zeros on both sides: (H + 2 * pad - FH) // stride + 1.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))[:, :, : x.shape[2] + pad, : x.shape[3] + pad]
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None], (x, w, b, stride, pad)


@mistake(
    "The filter stops at every pixel. With a stride it skips some: there are (H + 2 * pad - FH) // stride + 1 rows."
)
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))
    return np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None], (x, w, b, stride, pad)


@mistake("The window of output pixel i, j starts at i, j. It starts at i * stride, j * stride.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    OH, OW = ((n - f) // stride + 1 for n, f in zip(xp.shape[2:], w.shape[2:], strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, :OH, :OW]
    return np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None], (x, w, b, stride, pad)


@mistake("The stride spreads the pixels of a window (that is dilation). A window is FH x FW neighbours.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    FH, FW = w.shape[2:]
    OH, OW = (xp.shape[2] - FH) // stride + 1, (xp.shape[3] - FW) // stride + 1
    xp = np.pad(xp, ((0, 0), (0, 0), (0, FH * stride), (0, FW * stride)))
    out = np.zeros((len(x), len(w), OH, OW)) + b[:, None, None]
    for i, j in np.ndindex(OH, OW):
        window = xp[:, :, i : i + FH * stride : stride, j : j + FW * stride : stride]
        out[:, :, i, j] += np.tensordot(window, w, ((1, 2, 3), (1, 2, 3)))
    return out, (x, w, b, stride, pad)


@mistake("Height and width of the output are exchanged. out[n, k, i, j] is row i, column j.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkwh", windows, w) + b[:, None, None], (x, w, b, stride, pad)


@mistake("The output channels stand last. The shape of out is (N, K, H', W').")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nhwk", windows, w) + b, (x, w, b, stride, pad)


@mistake("Only the last input channel counts. Each channel adds its sum to the output pixel: += where you have =.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nhwij,kij->nkhw", windows[:, -1], w[:, -1]) + b[:, None, None], (x, w, b, stride, pad)


@mistake(
    "The channels are mixed: x and w are summed over them before they meet. Multiply channel by channel, then sum."
)
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nhwij,kij->nkhw", windows.sum(axis=1), w.sum(axis=1)) + b[:, None, None]
    return out, (x, w, b, stride, pad)


@mistake("Every output channel uses filter 0. Output channel k uses its own filter w[k].")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwij,cij->nhw", windows, w[0])[:, None] + b[:, None, None]
    return out, (x, w, b, stride, pad)


@mistake("Only the first image is done. Go over all N images of the batch.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None]
    out[1:] = 0
    return out, (x, w, b, stride, pad)


@mistake(
    "The last row and the last column are missing. There are (H + 2 * pad - FH) // stride + 1 rows; the + 1 counts."
)
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwij,kcij->nkhw", windows[:, :, :-1, :-1], w) + b[:, None, None]
    return out, (x, w, b, stride, pad)


@mistake("The products of a window are averaged. Sum them.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, w) / w[0].size + b[:, None, None], (x, w, b, stride, pad)


@mistake(
    "The result holds whole numbers, so fractions are cut off. Make it with np.zeros(shape), which has dtype float."
)
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None]
    return out.astype(int), (x, w, b, stride, pad)


@mistake("The products are written into the image itself (*=), and the next filter reads them. Write window * w[k].")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))) if pad else x
    OH, OW = ((n - f) // stride + 1 for n, f in zip(xp.shape[2:], w.shape[2:], strict=True))
    out = np.zeros((len(x), len(w), OH, OW))
    for n, k, i, j in np.ndindex(*out.shape):
        window = xp[n, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
        window *= w[k]
        out[n, k, i, j] = window.sum() + b[k]
    return out, (x, w, b, stride, pad)


@mistake("Only out comes back. Return two things: out, cache.")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None]


@style("loops")
def conv2d_forward(x, w, b, stride, pad):
    N, C, H, W = x.shape
    K, _, FH, FW = w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    xp[:, :, pad : pad + H, pad : pad + W] = x
    out = np.zeros((N, K, OH, OW))
    for n in range(N):
        for k in range(K):
            for i in range(OH):
                for j in range(OW):
                    out[n, k, i, j] = b[k]
                    for c in range(C):
                        for u in range(FH):
                            for v in range(FW):
                                out[n, k, i, j] += xp[n, c, i * stride + u, j * stride + v] * w[k, c, u, v]
    return out, (x, w, b, stride, pad)


@style("no padded copy")
def conv2d_forward(x, w, b, stride, pad):
    (N, C, H, W), (K, _, FH, FW) = x.shape, w.shape
    out = np.empty((N, K, (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1))
    for n, k, i, j in np.ndindex(*out.shape):
        top, left = i * stride - pad, j * stride - pad
        u0, u1, v0, v1 = max(0, -top), min(FH, H - top), max(0, -left), min(FW, W - left)
        window = x[n, :, top + u0 : top + u1, left + v0 : left + v1] if u0 < u1 and v0 < v1 else np.zeros((C, 0, 0))
        part = w[k, :, u0:u1, v0:v1] if window.size else window
        out[n, k, i, j] = (window * part).sum() + b[k]
    return out, (x, w, b, stride, pad)


@style("einsum of windows")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwij,kcij->nkhw", windows, w, optimize=True) + b.reshape(1, -1, 1, 1)
    return out, (x, w, b, stride, pad)


@style("im2col")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    K, _, FH, FW = w.shape
    OH, OW = (xp.shape[2] - FH) // stride + 1, (xp.shape[3] - FW) // stride + 1
    rows = []
    for image in xp:
        for i in range(0, OH * stride, stride):
            for j in range(0, OW * stride, stride):
                rows.append(image[:, i : i + FH, j : j + FW].ravel())
    out = np.array(rows) @ w.reshape(K, -1).T + b
    return out.reshape(len(x), OH, OW, K).transpose(0, 3, 1, 2), (x, w, b, stride, pad)


@style("strided view and matrix product")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.ascontiguousarray(np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))))
    (N, C, H, W), (K, _, FH, FW) = xp.shape, w.shape
    OH, OW = (H - FH) // stride + 1, (W - FW) // stride + 1
    sn, sc, sh, sw = xp.strides
    shape, strides = (N, OH, OW, C, FH, FW), (sn, stride * sh, stride * sw, sc, sh, sw)
    windows = np.lib.stride_tricks.as_strided(xp, shape, strides)
    out = np.moveaxis(windows.reshape(N, OH, OW, -1) @ w.reshape(K, -1).T + b, -1, 1)
    return out, {"x": x, "w": w, "b": b, "stride": stride, "pad": pad}


@style("shifted images, float32")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))).astype(np.float32)
    FH, FW = w.shape[2:]
    OH, OW = (xp.shape[2] - FH) // stride + 1, (xp.shape[3] - FW) // stride + 1
    out = np.zeros((len(x), len(w), OH, OW), dtype=np.float32)
    for u in range(FH):
        for v in range(FW):
            pixels = xp[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride]
            out += np.einsum("nchw,kc->nkhw", pixels, w[:, :, u, v].astype(np.float32))
    return out + b.astype(np.float32)[:, None, None], (x, w, b, stride, pad)


@style("Fortran order, class as cache")
def conv2d_forward(x, w, b, stride, pad):
    class Cache:
        def __init__(self, **arrays):
            self.__dict__.update(arrays)

    xp = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    FH, FW = w.shape[2:]
    OH, OW = (xp.shape[2] - FH) // stride + 1, (xp.shape[3] - FW) // stride + 1
    out = np.zeros((len(x), len(w), OH, OW), order="F")
    for i, j in np.ndindex(OH, OW):
        window = xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        out[:, :, i, j] = np.tensordot(window, w, axes=([1, 2, 3], [1, 2, 3])) + b
    return out, Cache(x=x, w=w, b=b, stride=stride, pad=pad)


@style("nested lists, closure as cache")
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    FH, FW = w.shape[2:]
    rows, columns = range(0, xp.shape[2] - FH + 1, stride), range(0, xp.shape[3] - FW + 1, stride)

    def channel(image, k):
        return [[(image[:, i : i + FH, j : j + FW] * w[k]).sum() + b[k] for j in columns] for i in rows]

    return [[channel(image, k) for k in range(len(w))] for image in xp], lambda: (x, w, b, stride, pad)
