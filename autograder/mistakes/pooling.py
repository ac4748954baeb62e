# ruff: noqa: F811 (entries share a name)
"""Lesson 06: pooling, contrast, receptive fields."""

import numpy as np

from autograder.mistakes import mistake, style

# ---- pool_forward(x, size, stride, kind) -> out (N, C, H', W'), cache


@mistake("The stride is ignored: the windows start stride pixels apart, not size pixels.")
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    summary = {"max": np.max, "avg": np.mean, "l2": lambda a, axis: np.sqrt((a**2).sum(axis=axis))}[kind]
    out = np.zeros((N, C, H // size, W // size))
    for i, j in np.ndindex(out.shape[2:]):
        out[:, :, i, j] = summary(x[:, :, i * size : i * size + size, j * size : j * size + size], axis=(2, 3))
    return out, (x, size, stride, kind)


@mistake("The windows start one pixel apart. Window i starts at row i * stride.")
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    summary = {"max": np.max, "avg": np.mean, "l2": lambda a, axis: np.sqrt((a**2).sum(axis=axis))}[kind]
    out = np.zeros((N, C, (H - size) // stride + 1, (W - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        out[:, :, i, j] = summary(x[:, :, i : i + size, j : j + size], axis=(2, 3))
    return out, (x, size, stride, kind)


@mistake("Windows hang over the edge. Stop at the last place where the whole window fits.")
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    summary = {"max": np.max, "avg": np.mean, "l2": lambda a, axis: np.sqrt((a**2).sum(axis=axis))}[kind]
    out = np.zeros((N, C, -(-(H - size) // stride) + 1, -(-(W - size) // stride) + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        out[:, :, i, j] = summary(window, axis=(2, 3)) if window.size else 0
    return out, (x, size, stride, kind)


@mistake("The last row and column are missing: a window that moves d times stands in d + 1 places.")
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    summary = {"max": np.max, "avg": np.mean, "l2": lambda a, axis: np.sqrt((a**2).sum(axis=axis))}[kind]
    out = np.zeros((N, C, (H - size) // stride, (W - size) // stride))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        out[:, :, i, j] = summary(window, axis=(2, 3))
    return out, (x, size, stride, kind)


@mistake('"avg" gives the sum of the window. Divide it by the number of its pixels, size squared.')
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    summary = {"max": np.max, "avg": np.sum, "l2": lambda a, axis: np.sqrt((a**2).sum(axis=axis))}[kind]
    out = np.zeros((N, C, (H - size) // stride + 1, (W - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        out[:, :, i, j] = summary(window, axis=(2, 3))
    return out, (x, size, stride, kind)


@mistake('"avg" divides by size. A window has size squared pixels: divide by these.')
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    out = np.zeros((N, C, (H - size) // stride + 1, (W - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        if kind == "max":
            out[:, :, i, j] = window.max(axis=(2, 3))
        elif kind == "avg":
            out[:, :, i, j] = window.sum(axis=(2, 3)) / size
        else:
            out[:, :, i, j] = np.sqrt((window**2).sum(axis=(2, 3)))
    return out, (x, size, stride, kind)


@mistake('"l2" takes the root of the mean of the squares. Here it is the root of their sum.')
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    summary = {"max": np.max, "avg": np.mean, "l2": lambda a, axis: np.sqrt((a**2).mean(axis=axis))}[kind]
    out = np.zeros((N, C, (H - size) // stride + 1, (W - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        out[:, :, i, j] = summary(window, axis=(2, 3))
    return out, (x, size, stride, kind)


@mistake('The root is missing: "l2" is the root of the sum of the squares.')
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    summary = {"max": np.max, "avg": np.mean, "l2": lambda a, axis: (a**2).sum(axis=axis)}[kind]
    out = np.zeros((N, C, (H - size) // stride + 1, (W - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        out[:, :, i, j] = summary(window, axis=(2, 3))
    return out, (x, size, stride, kind)


@mistake("The maximum starts from 0, so it is wrong where all numbers are negative. Start from the first number.")
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    out = np.zeros((N, C, (H - size) // stride + 1, (W - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        if kind == "max":
            out[:, :, i, j] = np.maximum(out[:, :, i, j], window.max(axis=(2, 3)))
        elif kind == "avg":
            out[:, :, i, j] = window.mean(axis=(2, 3))
        else:
            out[:, :, i, j] = np.sqrt((window**2).sum(axis=(2, 3)))
    return out, (x, size, stride, kind)


@mistake("The largest absolute value is taken. The maximum of -3 and 2 is 2: leave the signs alone.")
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    out = np.zeros((N, C, (H - size) // stride + 1, (W - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        if kind == "max":
            out[:, :, i, j] = abs(window).max(axis=(2, 3))
        elif kind == "avg":
            out[:, :, i, j] = window.mean(axis=(2, 3))
        else:
            out[:, :, i, j] = np.sqrt((window**2).sum(axis=(2, 3)))
    return out, (x, size, stride, kind)


@mistake("The window goes through all channels. Pooling works on every map by itself: the depth stays.")
def pool_forward(x, size, stride, kind):
    N, _, H, W = x.shape
    summary = {"max": np.max, "avg": np.mean, "l2": lambda a, axis: np.sqrt((a**2).sum(axis=axis))}[kind]
    out = np.zeros((N, 1, (H - size) // stride + 1, (W - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        out[:, 0, i, j] = summary(window, axis=(1, 2, 3))
    return out, (x, size, stride, kind)


@mistake("Rows and columns are exchanged. The output is (N, C, H', W').")
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    summary = {"max": np.max, "avg": np.mean, "l2": lambda a, axis: np.sqrt((a**2).sum(axis=axis))}[kind]
    out = np.zeros((N, C, (W - size) // stride + 1, (H - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, j * stride : j * stride + size, i * stride : i * stride + size]
        out[:, :, i, j] = summary(window, axis=(2, 3))
    return out, (x, size, stride, kind)


@style("windows as a view")
def pool_forward(x, size, stride, kind):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    if kind == "max":
        out = windows.max((-1, -2))
    elif kind == "avg":
        out = windows.mean((-1, -2))
    else:
        out = np.linalg.norm(windows, axis=(-1, -2))
    return out, (x, size, stride, kind)


@style("plain Python")
def pool_forward(x, size, stride, kind):
    N, C, H, W = x.shape
    out = []
    for n in range(N):
        for c in range(C):
            for i in range(0, H - size + 1, stride):
                for j in range(0, W - size + 1, stride):
                    values = [float(x[n, c, i + u, j + v]) for u in range(size) for v in range(size)]
                    if kind == "max":
                        out.append(max(values))
                    elif kind == "avg":
                        out.append(sum(values) / len(values))
                    else:
                        out.append(sum(value * value for value in values) ** 0.5)
    shape = N, C, (H - size) // stride + 1, (W - size) // stride + 1
    return np.array(out).reshape(shape).tolist(), None


@style("shifted copies, float32")
def pool_forward(x, size, stride, kind):
    H, W = ((n - size) // stride * stride + 1 for n in x.shape[2:])
    shifted = [x[:, :, u : u + H : stride, v : v + W : stride].astype(np.float32) for u, v in np.ndindex(size, size)]
    if kind == "max":
        out = shifted[0]
        for values in shifted[1:]:
            out = np.maximum(out, values)
    else:
        out = sum(values if kind == "avg" else values * values for values in shifted)
        out = out / len(shifted) if kind == "avg" else out**0.5
    return [out, {"x": x, "size": size}]


# ---- max_pool_backward(dout, (x, size, stride, "max")) -> dx


@mistake("In a tie all maxima get the gradient. Only the first one, row by row, takes it.")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        place = n, c, slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
        dx[place] += dout[n, c, i, j] * (x[place] == x[place].max())
    return dx


@mistake("In a tie the maxima share the gradient. Here the first one, row by row, takes all of it.")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        place = n, c, slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
        wins = x[place] == x[place].max()
        dx[place] += dout[n, c, i, j] * wins / wins.sum()
    return dx


@mistake("In a tie the last maximum takes the gradient. It should be the first one: compare with >, not with >=.")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        window = x[n, c, i * stride : i * stride + size, j * stride : j * stride + size]
        row, column = divmod(size * size - 1 - window[::-1, ::-1].argmax(), size)
        dx[n, c, i * stride + row, j * stride + column] += dout[n, c, i, j]
    return dx


@mistake("In a tie the first maximum down the columns wins. Read the window row by row.")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        window = x[n, c, i * stride : i * stride + size, j * stride : j * stride + size]
        column, row = divmod(window.T.argmax(), size)
        dx[n, c, i * stride + row, j * stride + column] += dout[n, c, i, j]
    return dx


@mistake("A later window overwrites what an earlier one gave to the same pixel. Add the shares with +=.")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        window = x[n, c, i * stride : i * stride + size, j * stride : j * stride + size]
        row, column = divmod(window.argmax(), size)
        dx[n, c, i * stride + row, j * stride + column] = dout[n, c, i, j]
    return dx


@mistake("The whole window gets the gradient. Only its maximum does; the other pixels get 0.")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        dx[place] += dout[:, :, i, j][:, :, None, None]
    return dx


@mistake("The place of the maximum is counted in the window: add the row and column where the window starts.")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        window = x[n, c, i * stride : i * stride + size, j * stride : j * stride + size]
        row, column = divmod(window.argmax(), size)
        dx[n, c, row, column] += dout[n, c, i, j]
    return dx


@mistake("The gradient is multiplied by the maximum. The local gradient at the maximum is 1.")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        window = x[n, c, i * stride : i * stride + size, j * stride : j * stride + size]
        row, column = divmod(window.argmax(), size)
        dx[n, c, i * stride + row, j * stride + column] += dout[n, c, i, j] * window.max()
    return dx


@mistake("The windows are taken one pixel apart. They start at row i * stride and column j * stride.")
def max_pool_backward(dout, cache):
    x, size, _, _ = cache
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        row, column = divmod(x[n, c, i : i + size, j : j + size].argmax(), size)
        dx[n, c, i + row, j + column] += dout[n, c, i, j]
    return dx


@mistake("All channels send their gradient to the first channel's maximum. Each map has winners of its own.")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, i, j in np.ndindex(len(x), *dout.shape[2:]):
        window = x[n, 0, i * stride : i * stride + size, j * stride : j * stride + size]
        row, column = divmod(window.argmax(), size)
        dx[n, :, i * stride + row, j * stride + column] += dout[n, :, i, j]
    return dx


@style("a mask that is taken once")
def max_pool_backward(dout, cache):
    x, size, stride = cache[:3]
    dx = np.zeros_like(x, dtype=float)
    H, W = dout.shape[2:]
    shifted = [
        np.s_[:, :, u : u + stride * (H - 1) + 1 : stride, v : v + stride * (W - 1) + 1 : stride]
        for u in range(size)
        for v in range(size)
    ]
    out = np.max([x[place] for place in shifted], axis=0)
    free = np.ones(out.shape, bool)
    for place in shifted:
        wins = free & (x[place] == out)
        dx[place] += wins * dout
        free &= ~wins
    return dx


@style("windows in a line, np.add.at")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    place = windows.reshape(*windows.shape[:4], -1).argmax(axis=4)
    n, c, i, j = np.indices(place.shape)
    dx = np.zeros(x.shape, np.float32)
    np.add.at(dx, (n, c, i * stride + place // size, j * stride + place % size), dout)
    return dx


@style("plain comparisons")
def max_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape, order="F")
    N, C, H, W = dout.shape
    for n in range(N):
        for c in range(C):
            for i in range(H):
                for j in range(W):
                    best = (i * stride, j * stride)
                    for p in range(i * stride, i * stride + size):
                        for q in range(j * stride, j * stride + size):
                            if x[n, c, p, q] > x[n, c, best[0], best[1]]:
                                best = (p, q)
                    dx[n, c, best[0], best[1]] += dout[n, c, i, j]
    return dx.tolist()


# ---- avg_l2_pool_backward(dout, (x, size, stride, kind)) -> dx


@mistake("The average is not divided: each pixel gets the gradient divided by size squared.")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        length = np.sqrt((x[place] ** 2).sum(axis=(2, 3), keepdims=True))
        local = 1.0 if kind == "avg" else x[place] / np.where(length > 0, length, 1)
        dx[place] += dout[:, :, i, j][:, :, None, None] * local
    return dx


@mistake("The average is divided by size. A window has size squared pixels: divide by these.")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        length = np.sqrt((x[place] ** 2).sum(axis=(2, 3), keepdims=True))
        local = 1 / size if kind == "avg" else x[place] / np.where(length > 0, length, 1)
        dx[place] += dout[:, :, i, j][:, :, None, None] * local
    return dx


@mistake("A later window overwrites what an earlier one gave to the same pixel. Add the shares with +=.")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        length = np.sqrt((x[place] ** 2).sum(axis=(2, 3), keepdims=True))
        local = 1 / size**2 if kind == "avg" else x[place] / np.where(length > 0, length, 1)
        dx[place] = dout[:, :, i, j][:, :, None, None] * local
    return dx


@mistake("The windows are taken one pixel apart. They start at row i * stride and column j * stride.")
def avg_l2_pool_backward(dout, cache):
    x, size, _, kind = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i : i + size, j : j + size]
        length = np.sqrt((x[place] ** 2).sum(axis=(2, 3), keepdims=True))
        local = 1 / size**2 if kind == "avg" else x[place] / np.where(length > 0, length, 1)
        dx[place] += dout[:, :, i, j][:, :, None, None] * local
    return dx


@mistake("The kind is ignored: L2 pooling does not share evenly. A pixel's share is x / out.")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        dx[place] += dout[:, :, i, j][:, :, None, None] / size**2
    return dx


@mistake("The length is missing: the local gradient of L2 pooling is x / out, not x.")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        local = 1 / size**2 if kind == "avg" else x[place]
        dx[place] += dout[:, :, i, j][:, :, None, None] * local
    return dx


@mistake("There is a 2 too many: the 2 of the square cancels against the 1/2 of the root.")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        length = np.sqrt((x[place] ** 2).sum(axis=(2, 3), keepdims=True))
        local = 1 / size**2 if kind == "avg" else 2 * x[place] / np.where(length > 0, length, 1)
        dx[place] += dout[:, :, i, j][:, :, None, None] * local
    return dx


@mistake(
    "It divides by the sum of the squares. The local gradient of L2 pooling is x / out, and out is the root of it."
)
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        length = (x[place] ** 2).sum(axis=(2, 3), keepdims=True)
        local = 1 / size**2 if kind == "avg" else x[place] / np.where(length > 0, length, 1)
        dx[place] += dout[:, :, i, j][:, :, None, None] * local
    return dx


@mistake("The signs of x are lost. The local gradient of L2 pooling is x / out, negative where x is negative.")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        length = np.sqrt((x[place] ** 2).sum(axis=(2, 3), keepdims=True))
        local = 1 / size**2 if kind == "avg" else abs(x[place]) / np.where(length > 0, length, 1)
        dx[place] += dout[:, :, i, j][:, :, None, None] * local
    return dx


@mistake("A window of zeros makes 0 / 0, which is NaN. Such a window gives 0: divide where the length is above 0.")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape)
    with np.errstate(all="ignore"):
        for i, j in np.ndindex(dout.shape[2:]):
            place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
            local = (
                1 / size**2 if kind == "avg" else x[place] / np.sqrt((x[place] ** 2).sum(axis=(2, 3), keepdims=True))
            )
            dx[place] += dout[:, :, i, j][:, :, None, None] * local
    return dx


@style("four loops")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape, np.float32)
    for n, c, i, j in np.ndindex(dout.shape):
        place = n, c, slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
        if kind == "avg":
            dx[place] += dout[n, c, i, j] / (size * size)
        elif x[place].any():
            dx[place] += dout[n, c, i, j] * x[place] / np.linalg.norm(x[place])
    return dx


@style("shifts")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    H, W = dout.shape[2:]
    places = [
        np.s_[:, :, u : u + stride * (H - 1) + 1 : stride, v : v + stride * (W - 1) + 1 : stride]
        for u in range(size)
        for v in range(size)
    ]
    out = sum(x[place] ** 2 for place in places) ** 0.5
    dx = np.zeros(x.shape, order="F")
    for place in places:
        if kind == "avg":
            dx[place] += dout / size**2
        else:
            dx[place] += dout * x[place] / (out + (out == 0))
    return dx


@style("lists")
def avg_l2_pool_backward(dout, cache):
    x, size, stride, kind = cache
    dx = np.zeros(x.shape).tolist()
    for n, c, i, j in np.ndindex(dout.shape):
        spots = [(i * stride + u, j * stride + v) for u in range(size) for v in range(size)]
        length = sum(x[n, c, p, q] ** 2 for p, q in spots) ** 0.5
        for p, q in spots:
            local = 1 / len(spots) if kind == "avg" else x[n, c, p, q] / length if length else 0
            dx[n][c][p][q] += float(dout[n, c, i, j] * local)
    return dx


# ---- l2_pool_over_features(x, pieces) -> (N, C / pieces, H, W)


@mistake(
    "The groups are channels that lie far apart. A group is `pieces` neighbours: reshape to (N, C // pieces, pieces, ...)."
)
def l2_pool_over_features(x, pieces):
    N, C, H, W = x.shape
    return np.sqrt((x.reshape(N, pieces, C // pieces, H, W) ** 2).sum(axis=1))


@mistake("The groups overlap. Group d starts at channel d * pieces.")
def l2_pool_over_features(x, pieces):
    count = x.shape[1] - pieces + 1
    return np.stack([np.sqrt((x[:, d : d + pieces] ** 2).sum(axis=1)) for d in range(count)], axis=1)


@mistake("It takes the root of the mean of the squares. L2 pooling is the root of their sum.")
def l2_pool_over_features(x, pieces):
    N, C, H, W = x.shape
    return np.sqrt((x.reshape(N, C // pieces, pieces, H, W) ** 2).mean(axis=2))


@mistake("The root is missing: L2 pooling is the root of the sum of the squares.")
def l2_pool_over_features(x, pieces):
    N, C, H, W = x.shape
    return (x.reshape(N, C // pieces, pieces, H, W) ** 2).sum(axis=2)


@mistake("It adds up absolute values. Square the numbers, add them up, and take the root.")
def l2_pool_over_features(x, pieces):
    N, C, H, W = x.shape
    return abs(x.reshape(N, C // pieces, pieces, H, W)).sum(axis=2)


@mistake("It adds up the numbers before it squares them. Square every number first, so that signs do not cancel.")
def l2_pool_over_features(x, pieces):
    N, C, H, W = x.shape
    return np.sqrt(x.reshape(N, C // pieces, pieces, H, W).sum(axis=2) ** 2)


@mistake("All channels become one. Each group of `pieces` channels gives a channel of its own.")
def l2_pool_over_features(x, pieces):
    return np.sqrt((x**2).sum(axis=1, keepdims=True))


@mistake("It takes the maximum of each group. L2 pooling is the root of the sum of the squares.")
def l2_pool_over_features(x, pieces):
    N, C, H, W = x.shape
    return x.reshape(N, C // pieces, pieces, H, W).max(axis=2)


@style("a norm")
def l2_pool_over_features(x, pieces):
    return np.linalg.norm(x.reshape(len(x), -1, pieces, *x.shape[2:]), axis=2)


@style("slices with a step")
def l2_pool_over_features(x, pieces):
    return sum(x[:, k::pieces].astype(np.float32) ** 2 for k in range(pieces)) ** 0.5


@style("loops")
def l2_pool_over_features(x, pieces):
    N, C, H, W = x.shape
    out = np.zeros((N, C // pieces, H, W))
    for n, d, i, j in np.ndindex(out.shape):
        total = 0.0
        for k in range(pieces):
            total += x[n, d * pieces + k, i, j] ** 2
        out[n, d, i, j] = total**0.5
    return out.tolist()


# ---- local_contrast_norm(x, window) -> (C, H, W)


@mistake("Only the mean is subtracted. Divide by the local deviation as well.")
def local_contrast_norm(x, window):
    F = len(window)
    a, one = np.pad(x.mean(axis=0), F // 2), np.pad(np.ones(x.shape[1:]), F // 2)
    mean = np.zeros(x.shape[1:])
    for i, j in np.ndindex(mean.shape):
        mean[i, j] = (window * a[i : i + F, j : j + F]).sum() / (window * one[i : i + F, j : j + F]).sum()
    return x - mean


@mistake("The local deviation alone divides. Divide by the largest of it, its mean over the image and 1e-4.")
def local_contrast_norm(x, window):
    F = len(window)

    def around(a):
        a, one, mean = np.pad(a, F // 2), np.pad(np.ones(a.shape), F // 2), np.zeros(a.shape)
        for i, j in np.ndindex(mean.shape):
            mean[i, j] = (window * a[i : i + F, j : j + F]).sum() / (window * one[i : i + F, j : j + F]).sum()
        return mean

    v = x - around(x.mean(axis=0))
    return v / np.maximum(np.sqrt(around((v**2).mean(axis=0))), 1e-4)


@mistake("The mean of the deviation alone divides. Divide by the local deviation where it is larger.")
def local_contrast_norm(x, window):
    F = len(window)

    def around(a):
        a, one, mean = np.pad(a, F // 2), np.pad(np.ones(a.shape), F // 2), np.zeros(a.shape)
        for i, j in np.ndindex(mean.shape):
            mean[i, j] = (window * a[i : i + F, j : j + F]).sum() / (window * one[i : i + F, j : j + F]).sum()
        return mean

    v = x - around(x.mean(axis=0))
    return v / max(np.sqrt(around((v**2).mean(axis=0))).mean(), 1e-4)


@mistake("The local deviation and its mean are added. Take the larger of the two.")
def local_contrast_norm(x, window):
    F = len(window)

    def around(a):
        a, one, mean = np.pad(a, F // 2), np.pad(np.ones(a.shape), F // 2), np.zeros(a.shape)
        for i, j in np.ndindex(mean.shape):
            mean[i, j] = (window * a[i : i + F, j : j + F]).sum() / (window * one[i : i + F, j : j + F]).sum()
        return mean

    v = x - around(x.mean(axis=0))
    sigma = np.sqrt(around((v**2).mean(axis=0)))
    return v / np.maximum(sigma + sigma.mean(), 1e-4)


@mistake("Every channel has a mean and a deviation of its own. Both run over all channels.")
def local_contrast_norm(x, window):
    F = len(window)

    def around(a):
        a, one, mean = np.pad(a, F // 2), np.pad(np.ones(a.shape), F // 2), np.zeros(a.shape)
        for i, j in np.ndindex(mean.shape):
            mean[i, j] = (window * a[i : i + F, j : j + F]).sum() / (window * one[i : i + F, j : j + F]).sum()
        return mean

    out = []
    for channel in x:
        v = channel - around(channel)
        sigma = np.sqrt(around(v**2))
        out.append(v / np.maximum(sigma, max(sigma.mean(), 1e-4)))
    return np.array(out)


@mistake("The rim counts zeros that are not there. Divide by the weights of the pixels that lie in the image.")
def local_contrast_norm(x, window):
    F = len(window)

    def around(a):
        a, mean = np.pad(a, F // 2), np.zeros(a.shape)
        for i, j in np.ndindex(mean.shape):
            mean[i, j] = (window * a[i : i + F, j : j + F]).sum() / window.sum()
        return mean

    v = x - around(x.mean(axis=0))
    sigma = np.sqrt(around((v**2).mean(axis=0)))
    return v / np.maximum(sigma, max(sigma.mean(), 1e-4))


@mistake("The weights are not used: the neighbours count as the window says, not all the same.")
def local_contrast_norm(x, window):
    F = len(window)

    def around(a):
        a, one, mean = np.pad(a, F // 2), np.pad(np.ones(a.shape), F // 2), np.zeros(a.shape)
        for i, j in np.ndindex(mean.shape):
            mean[i, j] = a[i : i + F, j : j + F].sum() / one[i : i + F, j : j + F].sum()
        return mean

    v = x - around(x.mean(axis=0))
    sigma = np.sqrt(around((v**2).mean(axis=0)))
    return v / np.maximum(sigma, max(sigma.mean(), 1e-4))


@mistake("The deviation is taken of x. Square v, from which the local mean is gone already.")
def local_contrast_norm(x, window):
    F = len(window)

    def around(a):
        a, one, mean = np.pad(a, F // 2), np.pad(np.ones(a.shape), F // 2), np.zeros(a.shape)
        for i, j in np.ndindex(mean.shape):
            mean[i, j] = (window * a[i : i + F, j : j + F]).sum() / (window * one[i : i + F, j : j + F]).sum()
        return mean

    sigma = np.sqrt(around((x**2).mean(axis=0)))
    return (x - around(x.mean(axis=0))) / np.maximum(sigma, max(sigma.mean(), 1e-4))


@mistake("It divides by the variance. The deviation is its root.")
def local_contrast_norm(x, window):
    F = len(window)

    def around(a):
        a, one, mean = np.pad(a, F // 2), np.pad(np.ones(a.shape), F // 2), np.zeros(a.shape)
        for i, j in np.ndindex(mean.shape):
            mean[i, j] = (window * a[i : i + F, j : j + F]).sum() / (window * one[i : i + F, j : j + F]).sum()
        return mean

    v = x - around(x.mean(axis=0))
    sigma = around((v**2).mean(axis=0))
    return v / np.maximum(sigma, max(sigma.mean(), 1e-4))


@mistake("One mean is taken for the whole image. Every pixel has a mean of its own neighbourhood.")
def local_contrast_norm(x, window):
    F = len(window)

    def around(a):
        a, one, mean = np.pad(a, F // 2), np.pad(np.ones(a.shape), F // 2), np.zeros(a.shape)
        for i, j in np.ndindex(mean.shape):
            mean[i, j] = (window * a[i : i + F, j : j + F]).sum() / (window * one[i : i + F, j : j + F]).sum()
        return mean

    v = x - x.mean()
    sigma = np.sqrt(around((v**2).mean(axis=0)))
    return v / np.maximum(sigma, max(sigma.mean(), 1e-4))


@style("windows cut at the rim")
def local_contrast_norm(x, window):
    C, H, W = x.shape
    r = len(window) // 2
    v, square = np.zeros(x.shape), np.zeros((H, W))
    for source in ("mean", "deviation"):
        for i in range(H):
            for j in range(W):
                top, left, bottom, right = max(i - r, 0), max(j - r, 0), min(i + r + 1, H), min(j + r + 1, W)
                weights = window[top - i + r : bottom - i + r, left - j + r : right - j + r]
                if source == "mean":
                    mean = sum((weights * x[c, top:bottom, left:right]).sum() for c in range(C))
                    v[:, i, j] = x[:, i, j] - mean / (C * weights.sum())
                else:
                    total = (weights * v[:, top:bottom, left:right] ** 2).sum()
                    square[i, j] = total / (C * weights.sum())
    sigma = square**0.5
    return v / np.maximum(np.maximum(sigma, sigma.mean()), 0.0001)


@style("windows as a view")
def local_contrast_norm(x, window):
    F = window.shape[0]

    def total(a):
        padded = np.pad(a, [(0, 0), (F // 2, F // 2), (F // 2, F // 2)])
        return np.einsum("cijuv,uv->ij", np.lib.stride_tricks.sliding_window_view(padded, (F, F), axis=(1, 2)), window)

    weight = total(np.ones_like(x))
    v = x - total(x) / weight
    sigma = np.sqrt(total(v * v) / weight)
    return v / np.clip(sigma, max(1e-4, sigma.mean()), None)


@style("shifted copies, float32, lists")
def local_contrast_norm(x, window):
    x, window, r = x.astype(np.float32), window.astype(np.float32), len(window) // 2
    H, W = x.shape[1:]

    def around(a):
        a, one, top, below = np.pad(a, r), np.pad(np.ones_like(a), r), 0, 0
        for u, v in np.ndindex(window.shape):
            top = top + window[u, v] * a[u : u + H, v : v + W]
            below = below + window[u, v] * one[u : u + H, v : v + W]
        return top / below

    centred = x - around(x.mean(axis=0))
    sigma = np.sqrt(around((centred**2).mean(axis=0)))
    return (centred / np.maximum(np.maximum(sigma, sigma.mean()), 1e-4)).tolist()


# ---- receptive_field(layers) -> int


@mistake("The sizes are added up. A layer widens the field by size - 1, as its windows overlap.")
def receptive_field(layers):
    return sum(size for size, _ in layers) or 1


@mistake("The strides are ignored. After a stride of 2, every later step counts for two pixels.")
def receptive_field(layers):
    return 1 + sum(size - 1 for size, _ in layers)


@mistake("A layer's own stride counts for itself. Widen the field first, then make the step longer.")
def receptive_field(layers):
    field, step = 1, 1
    for size, stride in layers:
        step *= stride
        field += (size - 1) * step
    return field


@mistake("Only the layer's own stride counts. A step is as long as the product of all strides before the layer.")
def receptive_field(layers):
    return 1 + sum((size - 1) * stride for size, stride in layers)


@mistake("The strides before a layer are added up. Steps multiply: take the product.")
def receptive_field(layers):
    field, step = 1, 0
    for size, stride in layers:
        field += (size - 1) * max(step, 1)
        step += stride
    return field


@mistake("Only the stride of the layer just before counts. Take the product of all strides before.")
def receptive_field(layers):
    field, step = 1, 1
    for size, stride in layers:
        field += (size - 1) * step
        step = stride
    return field


@mistake("The field starts from 0. Without any layer a unit sees one pixel: start from 1.")
def receptive_field(layers):
    field, step = 0, 1
    for size, stride in layers:
        field += (size - 1) * step
        step *= stride
    return field


@mistake("The layers are taken from the last to the first. A step grows with the strides before a layer, not after.")
def receptive_field(layers):
    field, step = 1, 1
    for size, stride in layers[::-1]:
        field += (size - 1) * step
        step *= stride
    return field


@mistake("This is the area of a square field. Return its side, along one direction.")
def receptive_field(layers):
    field, step = 1, 1
    for size, stride in layers:
        field += (size - 1) * step
        step *= stride
    return field**2


@style("backward")
def receptive_field(layers):
    field = 1
    for size, stride in reversed(layers):
        field = (field - 1) * stride + size
    return field


@style("recursive")
def receptive_field(layers):
    if not layers:
        return 1
    (size, stride), *rest = layers

    def below(field, size, stride):
        return (field - 1) * stride + size

    fields = [1]
    for s, t in rest[::-1]:
        fields.append(below(fields[-1], s, t))
    return below(fields[-1], size, stride)


@style("products as floats")
def receptive_field(layers):
    strides = [stride for _, stride in layers]
    return 1.0 + sum((size - 1) * np.prod(strides[:k]) for k, (size, _) in enumerate(layers))


@style("marked pixels")
def receptive_field(layers):
    seen = {0}
    for size, stride in layers[::-1]:
        seen = {unit * stride + u for unit in seen for u in range(size)}
    return max(seen) - min(seen) + 1


# ---- fc_as_conv(w, shape) -> (K, C, H, W)


@mistake("The channels are taken as the last axis. The maps were unrolled in the order (C, H, W).")
def fc_as_conv(w, shape):
    C, H, W = shape
    return w.reshape(len(w), H, W, C).transpose(0, 3, 1, 2)


@mistake("The filters are turned by 180 degrees. Networks correlate: leave them as they are.")
def fc_as_conv(w, shape):
    return w.reshape(len(w), *shape)[:, :, ::-1, ::-1]


@mistake("Rows and columns are exchanged. The maps were unrolled row by row.")
def fc_as_conv(w, shape):
    C, H, W = shape
    return w.reshape(len(w), C, W, H).transpose(0, 1, 3, 2)


@mistake("The order is Fortran's, with the first axis fastest. The maps were unrolled with the last axis fastest.")
def fc_as_conv(w, shape):
    return w.reshape(len(w), *shape, order="F")


@mistake("The units and the inputs are mixed. Row k of w holds all weights of unit k: do not transpose w.")
def fc_as_conv(w, shape):
    return w.T.reshape(len(w), *shape)


@mistake("These are 1x1 filters on unrolled maps. Give each filter the shape (C, H, W) of the maps.")
def fc_as_conv(w, shape):
    return w[:, :, None, None]


@mistake("The filters stand last. The shape is (K, C, H, W), filters first.")
def fc_as_conv(w, shape):
    return w.reshape(len(w), *shape).transpose(1, 2, 3, 0)


@style("each row")
def fc_as_conv(w, shape):
    return [row.reshape(shape).tolist() for row in w]


@style("loops")
def fc_as_conv(w, shape):
    C, H, W = shape
    filters = np.zeros((len(w), C, H, W), np.float32)
    for k, c, i, j in np.ndindex(filters.shape):
        filters[k, c, i, j] = w[k, (c * H + i) * W + j]
    return filters


@style("Fortran order")
def fc_as_conv(w, shape):
    return np.asfortranarray(np.reshape(w, (-1, *shape)))


# ---- five_by_five() -> conv (2, 2), relu (2, 2), pooled


@mistake("The stride is 1 here. With stride 2 the filter stands in 2 x 2 places: skip every other row and column.")
def five_by_five():
    return [[1, 0, -2], [3, 2, 1], [3, 1, 1]], [[1, 0, 0], [3, 2, 1], [3, 1, 1]], 3


@mistake("The ReLU is missing: it turns -2 into 0.")
def five_by_five():
    return [[1, -2], [3, 1]], [[1, -2], [3, 1]], 3


@mistake("The sign is dropped. A ReLU turns negative numbers into 0, not into positive ones.")
def five_by_five():
    return [[1, -2], [3, 1]], [[1, 2], [3, 1]], 3


@mistake("This is the average of the four numbers. Max pooling keeps the largest one.")
def five_by_five():
    return [[1, -2], [3, 1]], [[1, 0], [3, 1]], 1.25


@mistake("This is the sum of the four numbers. Max pooling keeps the largest one.")
def five_by_five():
    return [[1, -2], [3, 1]], [[1, 0], [3, 1]], 5


@mistake("The filter's negative weights are left out. Subtract the numbers above and below the middle.")
def five_by_five():
    return [[5, 3], [6, 3]], [[5, 3], [6, 3]], 6


@mistake("The filter's negative weights are added. Subtract the numbers above and below the middle.")
def five_by_five():
    return [[9, 8], [9, 5]], [[9, 8], [9, 5]], 9


@mistake("There are zeros around the image. Here the padding is 0, and the filter stands in 2 x 2 places.")
def five_by_five():
    return [[1, 8, 8], [-1, 2, 0], [2, 2, 1]], [[1, 8, 8], [0, 2, 0], [2, 2, 1]], 8


@mistake(
    "The rows and columns of the map are exchanged. The upper right number belongs to the window at the upper right."
)
def five_by_five():
    return [[1, 3], [-2, 1]], [[1, 3], [0, 1]], 3


@style("arrays of floats")
def five_by_five():
    conv = np.array([[1.0, -2.0], [3.0, 1.0]])
    return conv, np.maximum(conv, 0), np.maximum(conv, 0).max()


@style("lists in a list")
def five_by_five():
    return [[[1, -2], [3, 1]], [[1, 0], [3, 1]], 3.0]


@style("computed")
def five_by_five():
    x = np.array([[1, 2, 3, 4, 5], [2, 2, 1, 1, 1], [3, 2, 1, 1, 1], [4, 1, 1, 1, 1], [5, 1, 1, 1, 1]])
    w = np.array([[0, -1, 0], [1, 1, 1], [0, -1, 0]])
    conv = np.array([[(x[i : i + 3, j : j + 3] * w).sum() for j in (0, 2)] for i in (0, 2)])
    relu = conv.clip(0)
    return conv, relu, relu.max()
