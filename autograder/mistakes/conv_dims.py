# ruff: noqa: F811 (entries share a name)
"""Lesson 04: sizes, weights and costs."""

import numpy as np

from autograder.mistakes import mistake, style

# ---- output_size(n, f, stride, pad) -> int, or ValueError


@mistake("It rounds down where the stride leaves a rest. Here such a layer must raise a ValueError.")
def output_size(n, f, stride, pad):
    if f > n + 2 * pad:
        raise ValueError
    return (n + 2 * pad - f) // stride + 1


@mistake("It rounds up where the stride leaves a rest. Here such a layer must raise a ValueError.")
def output_size(n, f, stride, pad):
    if f > n + 2 * pad:
        raise ValueError
    return -(-(n + 2 * pad - f) // stride) + 1


@mistake("The padding counts once. There are P zeros at each end, so the input grows by 2P.")
def output_size(n, f, stride, pad):
    if (n + pad - f) % stride or f > n + pad:
        raise ValueError
    return (n + pad - f) // stride + 1


@mistake("The padding is ignored. With P zeros at each end the filter slides over N + 2P pixels.")
def output_size(n, f, stride, pad):
    if (n - f) % stride or f > n:
        raise ValueError
    return (n - f) // stride + 1


@mistake("The + 1 is missing. A filter that moves d times stands in d + 1 places.")
def output_size(n, f, stride, pad):
    if (n + 2 * pad - f) % stride or f > n + 2 * pad:
        raise ValueError
    return (n + 2 * pad - f) // stride


@mistake("The 1 is added before the division. Divide the room to move by the stride first, then add 1.")
def output_size(n, f, stride, pad):
    if (n + 2 * pad - f) % stride or f > n + 2 * pad:
        raise ValueError
    return (n + 2 * pad - f + 1) // stride


@mistake("The stride is ignored. The filter moves on by S pixels at a time.")
def output_size(n, f, stride, pad):
    if (n + 2 * pad - f) % stride or f > n + 2 * pad:
        raise ValueError
    return n + 2 * pad - f + 1


@mistake("A filter larger than the padded input must be refused too: the room to move is below 0 there.")
def output_size(n, f, stride, pad):
    if (n + 2 * pad - f) % stride:
        raise ValueError
    return max((n + 2 * pad - f) // stride + 1, 0)


@style("a range")
def output_size(n, f, stride, pad):
    places = range(-pad, n + pad - f + 1, stride)
    if len(places) == 0 or places[-1] + f != n + pad:
        raise ValueError("does not fit")
    return len(places)


@style("fractions")
def output_size(n, f, stride, pad):
    size = (n + 2 * pad - f) / stride + 1
    if size != int(size) or size < 1:
        raise ValueError(f"{size} is no size")
    return size


@style("recursive")
def output_size(n, f, stride, pad):
    def places(room):
        if room < 0:
            raise ValueError("does not fit")
        return 1 if room == 0 else 1 + places(room - stride)

    return places(n + 2 * pad - f)


@style("numpy integers")
def output_size(n, f, stride, pad):
    steps, rest = np.divmod(n + 2 * pad - f, stride)
    if rest != 0 or steps < 0:
        raise ValueError("does not fit")
    return np.int64(steps + 1)


# ---- same_pad(f) -> int, or ValueError


@mistake("It gives a padding for even filters too. They have no middle: raise a ValueError.")
def same_pad(f):
    return (f - 1) // 2


@mistake("This is one too much: a filter of F loses F - 1 pixels, half of them at each end.")
def same_pad(f):
    if f % 2 == 0:
        raise ValueError
    return (f + 1) // 2


@mistake("This is what both ends need together. Each end gets half of it.")
def same_pad(f):
    if f % 2 == 0:
        raise ValueError
    return f - 1


@mistake("This is the padding for the next smaller filter. Solve N + 2P - F + 1 = N for P.")
def same_pad(f):
    if f % 2 == 0:
        raise ValueError
    return (f - 3) // 2


@mistake("This is half the size of the filter, a fraction. The padding is a whole number: (F - 1) / 2.")
def same_pad(f):
    if f % 2 == 0:
        raise ValueError
    return f / 2


@style("half, rounded down")
def same_pad(f):
    if not f & 1:
        raise ValueError("even")
    return f // 2


@style("a search")
def same_pad(f):
    for p in range(f):
        if 2 * p == f - 1:
            return p
    raise ValueError("even")


@style("a float")
def same_pad(f):
    p = (f - 1) / 2
    if not p.is_integer():
        raise ValueError("even")
    return p


# ---- conv_params(f, c, k, bias) -> int


@mistake("The bias is counted once a layer. Every filter has a bias of its own.")
def conv_params(f, c, k, bias):
    return k * f * f * c + bool(bias)


@mistake("The depth is missing: a filter goes through all C channels.")
def conv_params(f, c, k, bias):
    return k * (f * f + bool(bias))


@mistake("A filter is F x F x C: its size counts twice, once for the rows and once for the columns.")
def conv_params(f, c, k, bias):
    return k * (f * c + bool(bias))


@mistake("The biases are always counted. With bias=False a filter has its weights only.")
def conv_params(f, c, k, bias):
    return k * (f * f * c + 1)


@mistake("The biases are never counted. With bias=True every filter has one more parameter.")
def conv_params(f, c, k, bias):
    return k * f * f * c


@mistake("There is a bias for every channel of every filter. A filter adds one bias to its whole sum.")
def conv_params(f, c, k, bias):
    return k * c * (f * f + bool(bias))


@style("shape")
def conv_params(f, c, k, bias):
    return int(np.prod((k, c, f, f))) + (k if bias else 0)


@style("a loop")
def conv_params(f, c, k, bias):
    count = 0
    for _ in range(k):
        count += f**2 * c
        if bias:
            count += 1
    return count


@style("an array's size")
def conv_params(f, c, k, bias):
    return np.ones((k, c, f, f)).size + np.ones(k).size * bias


# ---- fc_params(n_in, n_out, bias) -> int


@mistake("The biases are counted for the inputs. They belong to the outputs, one each.")
def fc_params(n_in, n_out, bias):
    return n_in * (n_out + bool(bias))


@mistake("There is one bias for the whole layer. Every output has its own.")
def fc_params(n_in, n_out, bias):
    return n_in * n_out + bool(bias)


@mistake("The biases are always counted. With bias=False there are weights only.")
def fc_params(n_in, n_out, bias):
    return n_out * (n_in + 1)


@mistake("The biases are never counted. With bias=True every output has one more parameter.")
def fc_params(n_in, n_out, bias):
    return n_in * n_out


@mistake("A fully connected layer has a weight for every pair of input and output: a product, not a sum.")
def fc_params(n_in, n_out, bias):
    return n_in + n_out * (1 + bool(bias))


@style("shape")
def fc_params(n_in, n_out, bias):
    return n_in * n_out + n_out * bias


@style("branches")
def fc_params(n_in, n_out, bias):
    if bias:
        return (n_in + 1) * n_out
    return n_in * n_out


@style("numpy integers")
def fc_params(n_in, n_out, bias):
    return np.int64(n_out) * (np.int64(n_in) + int(bias))


# ---- conv_cost(m, n, k, d) -> int


@mistake("The filter's size is not squared: a window is K x K.")
def conv_cost(m, n, k, d):
    return m * k * n * (d - k + 1) ** 2


@mistake("The output's size is not squared: there are (D - K + 1) rows and as many columns.")
def conv_cost(m, n, k, d):
    return m * k**2 * n * (d - k + 1)


@mistake("The work is counted at every input pixel. A filter fits in (D - K + 1) x (D - K + 1) places.")
def conv_cost(m, n, k, d):
    return m * k**2 * n * d**2


@mistake("The + 1 is missing: a filter that moves D - K times stands in D - K + 1 places.")
def conv_cost(m, n, k, d):
    return m * k**2 * n * (d - k) ** 2


@mistake("The input maps are missing: every product runs over all M of them.")
def conv_cost(m, n, k, d):
    return k**2 * n * (d - k + 1) ** 2


@mistake("The output maps are missing: the work is done anew for each of the N.")
def conv_cost(m, n, k, d):
    return m * k**2 * (d - k + 1) ** 2


@mistake("Biases are additions and no products: they do not count here.")
def conv_cost(m, n, k, d):
    return (m * k**2 + 1) * n * (d - k + 1) ** 2


@style("step by step")
def conv_cost(m, n, k, d):
    side = d - k + 1
    terms = m * k * k
    return side * side * n * terms


@style("products of a list")
def conv_cost(m, n, k, d):
    return int(np.prod([m, n, k, k, d - k + 1, d - k + 1]))


@style("a float")
def conv_cost(m, n, k, d):
    return float(m * n) * (k * (d - k + 1)) ** 2


# ---- conv1x1_forward(x, w, b) -> (N, K, H, W)


@mistake("The channels are summed without their weights. Each filter has a weight for each channel.")
def conv1x1_forward(x, w, b):
    return np.repeat(x.sum(axis=1, keepdims=True), len(w), axis=1) + b[:, None, None]


@mistake("The bias is missing. Add b[k] to every pixel of map k.")
def conv1x1_forward(x, w, b):
    return np.einsum("kc,ncij->nkij", w, x)


@mistake("The filters stand last: the order is (N, K, H, W), maps before rows and columns.")
def conv1x1_forward(x, w, b):
    return x.transpose(0, 2, 3, 1) @ w.T + b


@mistake("The pixels are out of order: a reshape moves no numbers. Put the channels last first, then multiply.")
def conv1x1_forward(x, w, b):
    N, C, H, W = x.shape
    out = x.reshape(N * H * W, C) @ w.T + b
    return out.reshape(N, H, W, len(w)).transpose(0, 3, 1, 2)


@mistake("The product is put back without moving the axes: it has its channels last.")
def conv1x1_forward(x, w, b):
    N, _, H, W = x.shape
    out = x.transpose(0, 2, 3, 1) @ w.T + b
    return out.reshape(N, len(w), H, W)


@mistake("Only the first image is computed. The layer works on the whole batch.")
def conv1x1_forward(x, w, b):
    out = np.einsum("kc,cij->kij", w, x[0]) + b[:, None, None]
    return np.repeat(out[None], len(x), axis=0)


@mistake("Rows and columns are exchanged. Leave the last two axes in their order.")
def conv1x1_forward(x, w, b):
    return np.einsum("kc,ncij->nkji", w, x) + b[:, None, None]


@mistake("The bias is added once for every channel. A dot product over depth gets it once.")
def conv1x1_forward(x, w, b):
    return np.einsum("kc,ncij->nkij", w, x) + x.shape[1] * b[:, None, None]


@style("loops")
def conv1x1_forward(x, w, b):
    N, C, H, W = x.shape
    out = np.zeros((N, len(b), H, W))
    for n in range(N):
        for k in range(len(b)):
            for i in range(H):
                for j in range(W):
                    out[n, k, i, j] = b[k]
                    for c in range(C):
                        out[n, k, i, j] += w[k, c] * x[n, c, i, j]
    return out


@style("matrix product")
def conv1x1_forward(x, w, b):
    return (x.transpose(0, 2, 3, 1) @ w.T + b).transpose(0, 3, 1, 2)


@style("one matrix an image")
def conv1x1_forward(x, w, b):
    _, C, H, W = x.shape
    return np.stack([(w @ image.reshape(C, H * W) + b.reshape(-1, 1)).reshape(len(w), H, W) for image in x])


@style("tensordot")
def conv1x1_forward(x, w, b):
    return np.moveaxis(np.tensordot(x, w, axes=(1, 1)) + b, 3, 1)


@style("float32 lists")
def conv1x1_forward(x, w, b):
    out = np.einsum("kc,ncij->nkij", w.astype(np.float32), x.astype(np.float32))
    return (out + b.astype(np.float32)[None, :, None, None]).tolist()


# ---- neuron_grid(n, c, k, f, stride, pad) -> (rows, columns, depth), connections, weights


@mistake("The depth stands first: the slides write rows, columns, depth.")
def neuron_grid(n, c, k, f, stride, pad):
    side, fan_in = (n + 2 * pad - f) // stride + 1, f * f * c + 1
    return (k, side, side), side * side * k * fan_in, k * fan_in


@mistake(
    "The depth of the grid is taken from the image. It is the number of filters: the channels are inside every window."
)
def neuron_grid(n, c, k, f, stride, pad):
    side, fan_in = (n + 2 * pad - f) // stride + 1, f * f * c + 1
    return (side, side, c), side * side * k * fan_in, k * fan_in


@mistake("The weights are counted anew for every neuron. The neurons of one map share theirs.")
def neuron_grid(n, c, k, f, stride, pad):
    side, fan_in = (n + 2 * pad - f) // stride + 1, f * f * c + 1
    return (side, side, k), side * side * k * fan_in, side * side * k * fan_in


@mistake("The biases are left out. Here a bias is an input and a parameter like the others.")
def neuron_grid(n, c, k, f, stride, pad):
    side, fan_in = (n + 2 * pad - f) // stride + 1, f * f * c
    return (side, side, k), side * side * k * fan_in, k * fan_in


@mistake("The padding is ignored: with P zeros at each end the filter slides over N + 2P pixels.")
def neuron_grid(n, c, k, f, stride, pad):
    side, fan_in = (n - f) // stride + 1, f * f * c + 1
    return (side, side, k), side * side * k * fan_in, k * fan_in


@mistake("The stride is ignored: the windows of neighbouring neurons are S pixels apart.")
def neuron_grid(n, c, k, f, stride, pad):
    side, fan_in = n + 2 * pad - f + 1, f * f * c + 1
    return (side, side, k), side * side * k * fan_in, k * fan_in


@mistake("The neurons of one map only are counted: all K maps have connections.")
def neuron_grid(n, c, k, f, stride, pad):
    side, fan_in = (n + 2 * pad - f) // stride + 1, f * f * c + 1
    return (side, side, k), side * side * fan_in, k * fan_in


@style("a list and an array")
def neuron_grid(n, c, k, f, stride, pad):
    side = len(range(0, n + 2 * pad - f + 1, stride))
    grid = np.array([side, side, k])
    return [grid, np.prod(grid) * (f**2 * c + 1), k * (f**2 * c + 1)]


@style("counting")
def neuron_grid(n, c, k, f, stride, pad):
    places = [p for p in range(-pad, n + pad) if (p + pad) % stride == 0 and p + f <= n + pad]
    weights = sum(f * f * c + 1 for _ in range(k))
    return (len(places), len(places), k), sum(weights for _ in places for _ in places), weights


@style("floats")
def neuron_grid(n, c, k, f, stride, pad):
    side = (n + 2 * pad - f) / stride + 1
    inputs = 1.0 + c * f * f
    return (side, side, float(k)), side**2 * k * inputs, k * inputs
