# ruff: noqa: F811 (entries share a name)
"""Lesson 08: whole networks."""

import numpy as np

from autograder.mistakes import mistake, style

# ---- parse_pattern(n, m, k, pool) -> list of words


@mistake("The pooling stands behind every convolution. It comes once, after all N of them.")
def parse_pattern(n, m, k, pool):
    return (["CONV", "RELU"] + ["POOL"] * pool) * (n * m) + ["FC", "RELU"] * k + ["SOFTMAX"]


@mistake("The ReLUs behind the convolutions are missing. Each has one.")
def parse_pattern(n, m, k, pool):
    return (["CONV"] * n + ["POOL"] * pool) * m + ["FC", "RELU"] * k + ["SOFTMAX"]


@mistake("The ReLUs behind the fully connected layers are missing. Each has one.")
def parse_pattern(n, m, k, pool):
    return (["CONV", "RELU"] * n + ["POOL"] * pool) * m + ["FC"] * k + ["SOFTMAX"]


@mistake("The softmax at the end is missing. Every pattern ends with one.")
def parse_pattern(n, m, k, pool):
    return (["CONV", "RELU"] * n + ["POOL"] * pool) * m + ["FC", "RELU"] * k


@mistake("There is a pooling always. With pool=False there is none.")
def parse_pattern(n, m, k, pool):
    return (["CONV", "RELU"] * n + ["POOL"]) * m + ["FC", "RELU"] * k + ["SOFTMAX"]


@mistake("N and M are exchanged: a stage has N convolutions, and there are M stages.")
def parse_pattern(n, m, k, pool):
    return (["CONV", "RELU"] * m + ["POOL"] * pool) * n + ["FC", "RELU"] * k + ["SOFTMAX"]


@mistake("The pooling stands once behind all stages. Every stage ends with one.")
def parse_pattern(n, m, k, pool):
    return ["CONV", "RELU"] * (n * m) + ["POOL"] * pool + ["FC", "RELU"] * k + ["SOFTMAX"]


@style("loops")
def parse_pattern(n, m, k, pool):
    layers = []
    for _ in range(m):
        for _ in range(n):
            layers.append("CONV")
            layers.append("RELU")
        if pool:
            layers.append("POOL")
    for _ in range(k):
        layers += ["FC", "RELU"]
    layers.append("SOFTMAX")
    return layers


@style("a string that is split")
def parse_pattern(n, m, k, pool):
    stage = "CONV RELU " * n + ("POOL " if pool else "")
    return (stage * m + "FC RELU " * k + "SOFTMAX").split()


@style("a tuple")
def parse_pattern(n, m, k, pool):
    return (
        tuple(word for _ in range(m) for word in [*("CONV", "RELU") * n, *["POOL"] * int(pool)])
        + ("FC", "RELU") * k
        + ("SOFTMAX",)
    )


# ---- lenet_c3_mask() -> (16, 6)


@mistake("Maps are not counted in a circle: after map 5 comes map 0 again.")
def lenet_c3_mask():
    mask = np.zeros((16, 6))
    for first, steps, filters in [(0, (0, 1, 2), 6), (6, (0, 1, 2, 3), 6), (12, (0, 1, 3, 4), 3)]:
        for k in range(filters):
            for step in steps:
                if k + step < 6:
                    mask[first + k, k + step] = 1
    mask[15] = 1
    return mask


@mistake("The table is turned: it needs a row for each of the 16 filters.")
def lenet_c3_mask():
    mask = np.zeros((6, 16))
    for first, steps, filters in [(0, (0, 1, 2), 6), (6, (0, 1, 2, 3), 6), (12, (0, 1, 3, 4), 3)]:
        for k in range(filters):
            mask[[(k + step) % 6 for step in steps], first + k] = 1
    mask[:, 15] = 1
    return mask


@mistake("The last filter is not filled in. It reads all six maps.")
def lenet_c3_mask():
    mask = np.zeros((16, 6))
    for first, steps, filters in [(0, (0, 1, 2), 6), (6, (0, 1, 2, 3), 6), (12, (0, 1, 3, 4), 3)]:
        for k in range(filters):
            mask[first + k, [(k + step) % 6 for step in steps]] = 1
    return mask


@mistake("Every filter reads every map. That is today's layer; LeNet's reads by the table.")
def lenet_c3_mask():
    return np.ones((16, 6))


@mistake("Filters 12 to 14 leave a gap: they read the maps k, k+1, k+3 and k+4.")
def lenet_c3_mask():
    mask = np.zeros((16, 6))
    for first, steps, filters in [(0, (0, 1, 2), 6), (6, (0, 1, 2, 3), 6), (12, (0, 1, 2, 3), 3)]:
        for k in range(filters):
            mask[first + k, [(k + step) % 6 for step in steps]] = 1
    mask[15] = 1
    return mask


@mistake("In the second and third group k is counted on from the first. Count it from 0 in each group.")
def lenet_c3_mask():
    mask = np.zeros((16, 6))
    for first, steps, filters in [(0, (0, 1, 2), 6), (6, (0, 1, 2, 3), 6), (12, (0, 1, 3, 4), 3)]:
        for k in range(filters):
            mask[first + k, [(first + k + 1 * (first > 0) + step) % 6 for step in steps]] = 1
    mask[15] = 1
    return mask


@style("a list of lists")
def lenet_c3_mask():
    reads = [{(k + step) % 6 for step in (0, 1, 2)} for k in range(6)]
    reads += [{(k + step) % 6 for step in (0, 1, 2, 3)} for k in range(6)]
    reads += [{(k + step) % 6 for step in (0, 1, 3, 4)} for k in range(3)]
    reads.append(set(range(6)))
    return [[int(i in row) for i in range(6)] for row in reads]


@style("rolled rows")
def lenet_c3_mask():
    rows = [np.roll([1, 1, 1, 0, 0, 0], k) for k in range(6)]
    rows += [np.roll([1, 1, 1, 1, 0, 0], k) for k in range(6)]
    rows += [np.roll([1, 1, 0, 1, 1, 0], k) for k in range(3)]
    return np.array([*rows, np.ones(6)])


@style("booleans turned to floats")
def lenet_c3_mask():
    away = (np.arange(6) - np.arange(16)[:, None]) % 6
    mask = away < 3
    mask[6:12] = away[6:12] < 4
    mask[12:15] = np.isin(away[12:15], (0, 1, 3, 4))
    mask[15] = True
    return mask.astype(np.float32)


# ---- lenet5_params(slides) -> seven numbers


@mistake("S2 and S4 have two numbers for each map: a coefficient and a bias.")
def lenet5_params(slides):
    c5 = 16 * 120 * 26 if slides else 120 * 401
    f6, output = (84 * 120, 840) if slides else (84 * 121, 850)
    return 156, 6, 1516, 16, c5, f6, output


@mistake("C3 is counted as if every filter read all six maps. The table has 60 connections.")
def lenet5_params(slides):
    c5 = 16 * 120 * 26 if slides else 120 * 401
    f6, output = (84 * 120, 840) if slides else (84 * 121, 850)
    return 156, 12, 16 * (6 * 25 + 1), 32, c5, f6, output


@mistake("C3 has a bias for each of its 60 connections. It has one for each of its 16 filters.")
def lenet5_params(slides):
    c5 = 16 * 120 * 26 if slides else 120 * 401
    f6, output = (84 * 120, 840) if slides else (84 * 121, 850)
    return 156, 12, 60 * 26, 32, c5, f6, output


@mistake(
    "Both conventions are the slides'. With slides=False, C5 has one bias for each output, F6 and the output have theirs."
)
def lenet5_params(slides):
    return 156, 12, 1516, 32, 49920, 10080, 840


@mistake(
    "Both conventions count one bias for each unit. The slides count 16·120 biases in C5, and none in F6 and the output."
)
def lenet5_params(slides):
    return 156, 12, 1516, 32, 48120, 10164, 850


@mistake("The two conventions are exchanged: slides=True counts 49,920 in C5.")
def lenet5_params(slides):
    return (156, 12, 1516, 32, 48120, 10164, 850) if slides else (156, 12, 1516, 32, 49920, 10080, 840)


@style("a list of formulas")
def lenet5_params(slides):
    def conv(f, c, k):
        return k * (f * f * c + 1)

    c3 = 6 * conv(5, 3, 1) + 9 * conv(5, 4, 1) + conv(5, 6, 1)
    bias = 0 if slides else 1
    c5 = conv(5, 1, 16 * 120) if slides else conv(5, 16, 120)
    return [conv(5, 1, 6), 2 * 6, c3, 2 * 16, c5, 84 * (120 + bias), 10 * (84 + bias)]


@style("sizes of arrays")
def lenet5_params(slides):
    units = [] if slides else [84, 10]
    c5 = 16 * 120 * 25 + (1920 if slides else 120)
    f6 = np.zeros((84, 120)).size + sum(units[:1])
    return 6 * 26, 12, 1500 + 16, 32, c5, f6, np.zeros((10, 84)).size + sum(units[1:])


@style("numpy array")
def lenet5_params(slides):
    weights = np.array([150, 6, 1500, 16, 48000, 10080, 840])
    biases = np.array([6, 6, 16, 16, 1920, 0, 0] if slides else [6, 6, 16, 16, 120, 84, 10])
    return tuple(weights + biases)


# ---- vgg_params(pattern) -> count


@mistake("The biases are missing. Every filter and every unit has one.")
def vgg_params(pattern):
    channels, size, count = 3, 224, 0
    for step in pattern:
        if step == "M":
            size //= 2
        else:
            count, channels = count + step * 9 * channels, step
    return count + channels * size * size * 4096 + 4096 * 4096 + 4096 * 1000


@mistake("The fully connected layers are missing: they hold most of the parameters.")
def vgg_params(pattern):
    channels, count = 3, 0
    for step in pattern:
        if step != "M":
            count, channels = count + step * (9 * channels + 1), step
    return count


@mistake(
    "The first fully connected layer reads the channels alone here. It reads all channels of all pixels that are left."
)
def vgg_params(pattern):
    channels, count = 3, 0
    for step in pattern:
        if step != "M":
            count, channels = count + step * (9 * channels + 1), step
    return count + (channels + 1) * 4096 + 4097 * 4096 + 4097 * 1000


@mistake("The image starts with three channels: the first convolution has 3·3·3 weights in each filter.")
def vgg_params(pattern):
    channels, size, count = 1, 224, 0
    for step in pattern:
        if step == "M":
            size //= 2
        else:
            count, channels = count + step * (9 * channels + 1), step
    return count + (channels * size * size + 1) * 4096 + 4097 * 4096 + 4097 * 1000


@mistake("The poolings are ignored: each halves the size that the first fully connected layer sees.")
def vgg_params(pattern):
    channels, count = 3, 0
    for step in pattern:
        if step != "M":
            count, channels = count + step * (9 * channels + 1), step
    return count + (channels * 224 * 224 + 1) * 4096 + 4097 * 4096 + 4097 * 1000


@mistake("There are three fully connected layers: 4096, 4096 and 1000 outputs.")
def vgg_params(pattern):
    channels, size, count = 3, 224, 0
    for step in pattern:
        if step == "M":
            size //= 2
        else:
            count, channels = count + step * (9 * channels + 1), step
    return count + (channels * size * size + 1) * 4096 + 4097 * 1000


@style("pairs of widths")
def vgg_params(pattern):
    widths = [3] + [step for step in pattern if step != "M"]
    count = sum((9 * c + 1) * k for c, k in zip(widths[:-1], widths[1:], strict=True))
    side = 224 // 2 ** list(pattern).count("M")
    units = [widths[-1] * side**2, 4096, 4096, 1000]
    return count + sum((a + 1) * b for a, b in zip(units[:-1], units[1:], strict=True))


@style("recursive")
def vgg_params(pattern):
    def rest(steps, channels, size):
        if not steps:
            return (channels * size * size + 1) * 4096 + 4097 * 4096 + 4097 * 1000
        if steps[0] == "M":
            return rest(steps[1:], channels, size // 2)
        return steps[0] * (9 * channels + 1) + rest(steps[1:], steps[0], size)

    return rest(list(pattern), 3, 224)


@style("a float")
def vgg_params(pattern):
    channels, size, count = 3, 224.0, 0.0
    for step in pattern:
        if isinstance(step, str):
            size = size / 2
        else:
            count += step * (3 * 3 * channels) + step
            channels = step
    return count + channels * size**2 * 4096 + 4096 + 4096**2 + 4096 + 4096 * 1000 + 1000


# ---- inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool) -> (N, sum, H, W)


@mistake("The ReLU behind the reducing 1x1 filters is missing. Every convolution has one.")
def inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    def conv(x, w):
        p = w.shape[2] // 2
        views = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))), w.shape[2:], axis=(2, 3)
        )
        return np.einsum("nchwij,kcij->nkhw", views, w)

    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    pooled = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3)).max(axis=(4, 5))
    parts = conv(x, w1), conv(conv(x, w3_reduce), w3), conv(conv(x, w5_reduce), w5), conv(pooled, w_pool)
    return np.maximum(np.concatenate(parts, axis=1), 0)


@mistake("The last ReLUs are missing: one stands behind every convolution.")
def inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    def conv(x, w):
        p = w.shape[2] // 2
        views = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))), w.shape[2:], axis=(2, 3)
        )
        return np.einsum("nchwij,kcij->nkhw", views, w)

    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    pooled = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3)).max(axis=(4, 5))
    three, five = np.maximum(conv(x, w3_reduce), 0), np.maximum(conv(x, w5_reduce), 0)
    return np.concatenate([conv(x, w1), conv(three, w3), conv(five, w5), conv(pooled, w_pool)], axis=1)


@mistake("The last branch has no pooling: the 1x1 filters read the largest of 3x3 pixels.")
def inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    def conv(x, w):
        p = w.shape[2] // 2
        views = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))), w.shape[2:], axis=(2, 3)
        )
        return np.maximum(np.einsum("nchwij,kcij->nkhw", views, w), 0)

    parts = conv(x, w1), conv(conv(x, w3_reduce), w3), conv(conv(x, w5_reduce), w5), conv(x, w_pool)
    return np.concatenate(parts, axis=1)


@mistake("The pooling pads with zeros, which win over negative numbers. `pool` is given.")
def inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    def conv(x, w):
        p = w.shape[2] // 2
        views = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))), w.shape[2:], axis=(2, 3)
        )
        return np.maximum(np.einsum("nchwij,kcij->nkhw", views, w), 0)

    wide = np.pad(np.maximum(x, 0), ((0, 0), (0, 0), (1, 1), (1, 1)))
    pooled = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3)).max(axis=(4, 5))
    parts = conv(x, w1), conv(conv(x, w3_reduce), w3), conv(conv(x, w5_reduce), w5), conv(pooled, w_pool)
    return np.concatenate(parts, axis=1)


@mistake("The pooled branch stands first. The order is 1x1, 3x3, 5x5, pooling.")
def inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    def conv(x, w):
        p = w.shape[2] // 2
        views = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))), w.shape[2:], axis=(2, 3)
        )
        return np.maximum(np.einsum("nchwij,kcij->nkhw", views, w), 0)

    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    pooled = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3)).max(axis=(4, 5))
    parts = conv(pooled, w_pool), conv(x, w1), conv(conv(x, w3_reduce), w3), conv(conv(x, w5_reduce), w5)
    return np.concatenate(parts, axis=1)


@style("windows and einsum")
def inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    def conv(x, w):
        p = w.shape[2] // 2
        views = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))), w.shape[2:], axis=(2, 3)
        )
        return np.maximum(np.einsum("nchwij,kcij->nkhw", views, w), 0)

    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    pooled = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3)).max(axis=(4, 5))
    parts = conv(x, w1), conv(conv(x, w3_reduce), w3), conv(conv(x, w5_reduce), w5), conv(pooled, w_pool)
    return np.concatenate(parts, axis=1)


@style("filled in place, shifts")
def inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    H, W = x.shape[2:]

    def conv(x, w):
        p = w.shape[2] // 2
        wide, out = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))), 0
        for i in range(w.shape[2]):
            for j in range(w.shape[3]):
                out = out + np.einsum("nchw,kc->nkhw", wide[:, :, i : i + H, j : j + W], w[:, :, i, j])
        return np.where(out > 0, out, 0)

    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    pooled = np.max([wide[:, :, i : i + H, j : j + W] for i in range(3) for j in range(3)], axis=0)
    parts = [conv(x, w1), conv(conv(x, w3_reduce), w3), conv(conv(x, w5_reduce), w5), conv(pooled, w_pool)]
    out = np.zeros((len(x), sum(part.shape[1] for part in parts), H, W))
    first = 0
    for part in parts:
        out[:, first : first + part.shape[1]] = part
        first += part.shape[1]
    return out


@style("one image at a time, float32")
def inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    def conv(image, w):
        p = w.shape[2] // 2
        wide = np.pad(image, ((0, 0), (p, p), (p, p)))
        views = np.lib.stride_tricks.sliding_window_view(wide, w.shape[2:], axis=(1, 2))
        return np.maximum(np.tensordot(w, views, axes=((1, 2, 3), (0, 3, 4))), 0).astype(np.float32)

    def module(image):
        wide = np.pad(image, ((0, 0), (1, 1), (1, 1)), constant_values=-1e9)
        pooled = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(1, 2)).max(axis=(3, 4))
        return np.vstack(
            [conv(image, w1), conv(conv(image, w3_reduce), w3), conv(conv(image, w5_reduce), w5), conv(pooled, w_pool)]
        )

    return np.array([module(image) for image in x])


# ---- residual_backward(dout, cache, f_backward) -> dx


@mistake("The ReLU is skipped: where s was not positive, nothing of dout goes back.")
def residual_backward(dout, cache, f_backward):
    return dout + f_backward(dout, cache[1])


@mistake("The way around is missing: the gradient also goes straight back to x.")
def residual_backward(dout, cache, f_backward):
    s, inner = cache
    return f_backward(dout * (s > 0), inner)


@mistake("The way through f is missing: its gradient is added to that of the way around.")
def residual_backward(dout, cache, f_backward):
    return dout * (cache[0] > 0)


@mistake("The ReLU is applied on the way through f only. It stands behind the sum, before both ways part.")
def residual_backward(dout, cache, f_backward):
    s, inner = cache
    return dout + f_backward(dout * (s > 0), inner)


@mistake("The two gradients are multiplied. Where two ways meet on the way back, gradients add up.")
def residual_backward(dout, cache, f_backward):
    s, inner = cache
    ds = dout * (s > 0)
    return ds * f_backward(ds, inner)


@mistake("The mask is put on at the end. The gradient must pass the ReLU before it goes through f.")
def residual_backward(dout, cache, f_backward):
    s, inner = cache
    return (dout + f_backward(dout, inner)) * (s > 0)


@style("where")
def residual_backward(dout, cache, f_backward):
    s, inner = cache
    ds = np.where(s > 0, dout, 0)
    through = f_backward(ds, inner)
    return through + ds


@style("copy and mask")
def residual_backward(dout, cache, f_backward):
    ds = np.array(dout, dtype=float)
    ds[cache[0] <= 0] = 0
    return np.add(ds, f_backward(ds.copy(), cache[1]))


@style("a sum of a list")
def residual_backward(dout, cache, f_backward):
    s, inner = cache
    ds = dout * np.heaviside(s, 0)
    return sum([ds, f_backward(ds, inner)])


# ---- dense_block_forward(x, layers) -> (N, C + growth, H, W)


@mistake("Each layer reads only the maps of the layer before it. In a dense block it reads all before it.")
def dense_block_forward(x, layers):
    maps = [x]
    for layer in layers:
        maps.append(layer(maps[-1]))
    return np.concatenate(maps, axis=1)


@mistake("The input is missing from the output: a dense block keeps x beside the new maps.")
def dense_block_forward(x, layers):
    maps = [x]
    for layer in layers:
        maps.append(layer(np.concatenate(maps, axis=1)))
    return np.concatenate(maps[1:] or maps, axis=1) if layers else x


@mistake("The new maps stand in front. They come behind those that they were made from.")
def dense_block_forward(x, layers):
    for layer in layers:
        x = np.concatenate([layer(x), x], axis=1)
    return x


@mistake("Only the last maps are returned. The block gives x and all new maps.")
def dense_block_forward(x, layers):
    new = x
    for layer in layers:
        new = layer(x)
        x = np.concatenate([x, new], axis=1)
    return new


@mistake("Every layer reads x alone. It reads x and all maps made so far.")
def dense_block_forward(x, layers):
    return np.concatenate([x, *[layer(x) for layer in layers]], axis=1)


@style("a list")
def dense_block_forward(x, layers):
    maps = [x]
    for layer in layers:
        maps.append(layer(np.concatenate(maps, axis=1)))
    return np.concatenate(maps, axis=1)


@style("recursive")
def dense_block_forward(x, layers):
    if len(layers) == 0:
        return x
    first, *rest = layers
    wider = np.hstack([x, first(x)])

    def block(x, layers):
        return x if not layers else block(np.hstack([x, layers[0](x)]), layers[1:])

    return block(wider, rest)


@style("filled in place")
def dense_block_forward(x, layers):
    out = np.array(x)
    for i in range(len(layers)):
        new = np.asarray(layers[i](out.copy()))
        grown = np.empty((out.shape[0], out.shape[1] + new.shape[1], *out.shape[2:]))
        grown[:, : out.shape[1]] = out
        grown[:, out.shape[1] :] = new
        out = grown
    return out


# ---- own_passes() -> {op: (forward, backward)}; a mistake has the pair that is wrong, and no other


@mistake('"conv2d": the bias is missing. Add b[k] to every number of map k.')
def own_passes():
    def forward(x, w, b, stride, pad):
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        views = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
        return np.einsum("nchwij,kcij->nkhw", views, w), (x, w, b, stride, pad)

    def backward(dout, cache):
        x, w, b = cache[:3]
        return np.zeros(x.shape), np.zeros(w.shape), np.zeros(b.shape)

    return {"conv2d": (forward, backward)}


@mistake('"conv2d": in dx a later window overwrites an earlier one. Add the shares: += in the place of =.')
def own_passes():
    def forward(x, w, b, stride, pad):
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        views = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
        out = np.einsum("nchwij,kcij->nkhw", views, w) + b[:, None, None]
        return out, (x.shape, w, views, stride, pad)

    def backward(dout, cache):
        (N, C, H, W), w, views, stride, pad = cache
        dx = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
        for i, j in np.ndindex(dout.shape[2:]):
            share = np.tensordot(dout[:, :, i, j], w, axes=(1, 0))
            dx[:, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]] = share
        dx = dx[:, :, pad : pad + H, pad : pad + W]
        return dx, np.einsum("nkhw,nchwij->kcij", dout, views), dout.sum(axis=(0, 2, 3))

    return {"conv2d": (forward, backward)}


@mistake('"conv2d": dx is made with the filter turned by 180°. Add dout times w as it is to each window.')
def own_passes():
    def forward(x, w, b, stride, pad):
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        views = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
        out = np.einsum("nchwij,kcij->nkhw", views, w) + b[:, None, None]
        return out, (x.shape, w, views, stride, pad)

    def backward(dout, cache):
        (N, C, H, W), w, views, stride, pad = cache
        dx = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
        for i, j in np.ndindex(dout.shape[2:]):
            share = np.tensordot(dout[:, :, i, j], w[:, :, ::-1, ::-1], axes=(1, 0))
            dx[:, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]] += share
        dx = dx[:, :, pad : pad + H, pad : pad + W]
        return dx, np.einsum("nkhw,nchwij->kcij", dout, views), dout.sum(axis=(0, 2, 3))

    return {"conv2d": (forward, backward)}


@mistake('"max_pool2d": every number of a window gets the gradient. Only the largest one does.')
def own_passes():
    def forward(x, size):
        N, C, H, W = x.shape
        return x.reshape(N, C, H // size, size, W // size, size).max(axis=(3, 5)), size

    def backward(dout, size):
        return dout.repeat(size, axis=2).repeat(size, axis=3)

    return {"max_pool2d": (forward, backward)}


@mistake('"max_pool2d": the gradient is shared evenly, as for an average. The largest number gets all of it.')
def own_passes():
    def forward(x, size):
        N, C, H, W = x.shape
        return x.reshape(N, C, H // size, size, W // size, size).max(axis=(3, 5)), size

    def backward(dout, size):
        return dout.repeat(size, axis=2).repeat(size, axis=3) / size**2

    return {"max_pool2d": (forward, backward)}


@mistake('"linear": dw and db are means over the batch. They are sums; a mean stands in the loss already.')
def own_passes():
    def forward(x, w, b):
        return x @ w.T + b, (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout @ w, dout.T @ x / len(x), dout.mean(axis=0)

    return {"linear": (forward, backward)}


@mistake('"linear": dx is made with w transposed. Its shape tells: (N, M) times (M, D).')
def own_passes():
    def forward(x, w, b):
        return x @ w.T + b, (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout @ np.resize(w.T, w.shape), dout.T @ x, dout.sum(axis=0)

    return {"linear": (forward, backward)}


@style("loops")
def own_passes():
    def conv_forward(x, w, b, stride, pad):
        xp = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
        rows = (xp.shape[2] - w.shape[2]) // stride + 1
        columns = (xp.shape[3] - w.shape[3]) // stride + 1
        out = np.zeros((len(x), len(w), rows, columns))
        for n in range(len(x)):
            for k in range(len(w)):
                for i in range(rows):
                    for j in range(columns):
                        window = xp[n, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
                        out[n, k, i, j] = (window * w[k]).sum() + b[k]
        return out, (x, w, b, stride, pad)

    def conv_backward(dout, cache):
        x, w, b, stride, pad = cache
        xp = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
        dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), np.zeros(b.shape)
        for n, k, i, j in np.ndindex(dout.shape):
            rows = slice(i * stride, i * stride + w.shape[2])
            columns = slice(j * stride, j * stride + w.shape[3])
            dxp[n, :, rows, columns] += dout[n, k, i, j] * w[k]
            dw[k] += dout[n, k, i, j] * xp[n, :, rows, columns]
            db[k] += dout[n, k, i, j]
        return dxp[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw, db

    def pool_forward(x, size):
        N, C, H, W = x.shape
        out = np.zeros((N, C, H // size, W // size))
        for n, c, i, j in np.ndindex(out.shape):
            out[n, c, i, j] = x[n, c, i * size : (i + 1) * size, j * size : (j + 1) * size].max()
        return out, (x, size)

    def pool_backward(dout, cache):
        x, size = cache
        dx = np.zeros(x.shape)
        for n, c, i, j in np.ndindex(dout.shape):
            row, column = divmod(x[n, c, i * size : (i + 1) * size, j * size : (j + 1) * size].argmax(), size)
            dx[n, c, i * size + row, j * size + column] = dout[n, c, i, j]
        return dx

    def linear_forward(x, w, b):
        out = np.zeros((len(x), len(w)))
        for n in range(len(x)):
            for m in range(len(w)):
                out[n, m] = sum(x[n] * w[m]) + b[m]
        return out, (x, w, b)

    def linear_backward(dout, cache):
        x, w, b = cache
        dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(b.shape)
        for n, m in np.ndindex(dout.shape):
            dx[n] += dout[n, m] * w[m]
            dw[m] += dout[n, m] * x[n]
            db[m] += dout[n, m]
        return dx, dw, db

    return {
        "conv2d": (conv_forward, conv_backward),
        "max_pool2d": (pool_forward, pool_backward),
        "linear": (linear_forward, linear_backward),
    }


@style("float32, einsum, pairs as lists")
def own_passes():
    def windows(x, w, stride, pad):
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        return np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]

    def conv_forward(x, w, b, stride, pad):
        x, w = x.astype("f4"), w.astype("f4")
        out = np.einsum("nchwij,kcij->nkhw", windows(x, w, stride, pad), w) + b.reshape(1, -1, 1, 1)
        return out.astype("f4"), dict(x=x, w=w, stride=stride, pad=pad)

    def conv_backward(dout, cache):
        x, w, stride, pad = cache.values()
        dw = np.einsum("nkhw,nchwij->kcij", dout, windows(x, w, stride, pad))
        wide = np.zeros((*x.shape[:2], x.shape[2] + 2 * pad, x.shape[3] + 2 * pad), "f4")
        for u, v in np.ndindex(w.shape[2:]):
            rows, columns = stride * dout.shape[2], stride * dout.shape[3]
            share = np.einsum("nkhw,kc->nchw", dout, w[:, :, u, v])
            wide[:, :, u : u + rows : stride, v : v + columns : stride] += share
        return [wide[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw, np.einsum("nkhw->k", dout)]

    def pool_forward(x, size):
        N, C, H, W = x.shape
        blocks = x.reshape(N, C, H // size, size, W // size, size)
        out = blocks.max(axis=(3, 5))
        return [out, (blocks == out[:, :, :, None, :, None], x.shape)]

    def pool_backward(dout, cache):
        wins, shape = cache
        return (wins * dout[:, :, :, None, :, None]).reshape(shape)

    def linear_forward(x, w, b):
        return np.einsum("nd,md->nm", x, w) + b, [x, w]

    def linear_backward(dout, cache):
        return [np.einsum("nm,md->nd", dout, cache[1]), np.einsum("nm,nd->md", dout, cache[0]), dout.sum(0)]

    passes = {"max_pool2d": [pool_forward, pool_backward], "linear": [linear_forward, linear_backward]}
    passes["conv2d"] = [conv_forward, conv_backward]
    return passes


@style("im2col, and no caches but closures")
def own_passes():
    kept = {}

    def conv_forward(x, w, b, stride, pad):
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        FH, FW = w.shape[2:]
        tops = range(0, xp.shape[2] - FH + 1, stride)
        lefts = range(0, xp.shape[3] - FW + 1, stride)
        rows = [one[:, i : i + FH, j : j + FW].ravel() for one in xp for i in tops for j in lefts]
        kept.update(rows=np.array(rows), w=w, shape=x.shape, pad=pad, tops=tops, lefts=lefts)
        out = np.array(rows) @ w.reshape(len(w), -1).T + b
        return out.reshape(len(x), len(tops), len(lefts), len(w)).transpose(0, 3, 1, 2), None

    def conv_backward(dout, cache):
        w, pad = kept["w"], kept["pad"]
        N, C, H, W = kept["shape"]
        flat = dout.transpose(0, 2, 3, 1).reshape(-1, len(w))
        shares = iter((flat @ w.reshape(len(w), -1)).reshape(-1, *w.shape[1:]))
        xp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
        for one in xp:
            for i in kept["tops"]:
                for j in kept["lefts"]:
                    one[:, i : i + w.shape[2], j : j + w.shape[3]] += next(shares)
        dw = (flat.T @ kept["rows"]).reshape(w.shape)
        return xp[:, :, pad : pad + H, pad : pad + W], dw, flat.sum(axis=0)

    def pool_forward(x, size):
        N, C, H, W = x.shape
        windows = x.reshape(N, C, H // size, size, W // size, size).transpose(0, 1, 2, 4, 3, 5)
        flat = windows.reshape(-1, size * size)
        kept.update(places=flat.argmax(axis=1), shape=windows.shape)
        return flat.max(axis=1).reshape(N, C, H // size, W // size), None

    def pool_backward(dout, cache):
        N, C, rows, columns, size, _ = kept["shape"]
        flat = np.zeros((dout.size, size * size))
        flat[np.arange(dout.size), kept["places"]] = dout.ravel()
        return flat.reshape(kept["shape"]).transpose(0, 1, 2, 4, 3, 5).reshape(N, C, rows * size, columns * size)

    return {
        "conv2d": (conv_forward, conv_backward),
        "max_pool2d": (pool_forward, pool_backward),
        "linear": (lambda x, w, b: (x.dot(w.T) + b, (x, w)), lambda d, c: (d.dot(c[1]), d.T.dot(c[0]), d.sum(axis=0))),
    }
