# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   autograder: {withheld: [cnnlib.models.lenet.table, cnnlib.models.vgg.vgg, cnnlib.ops.conv2d_forward, cnnlib.ops.max_pool2d_forward, cnnlib.ops.linear_forward, cnnlib.ops.fast, cnnlib.ops.conv_transpose2d_backward, cnnlib.ops.locally_connected2d_forward, cnnlib.ops.roi_pool_forward, cnnlib.ops.matmul_backward]}
# ---

# %% [markdown]
# # 8 · Architectures
#
# You put layers together: LeNet, AlexNet, VGG, GoogLeNet, ResNet and DenseNet, counted, drawn and understood; and you
# train LeNet-5 on handwritten digits with passes that you wrote yourself.
#
# **Slides**: *CS231n (Samara)*, ConvNet pattern; *INRIA*, LeNet to DenseNet; *Princeton COS 429*, Neocognitron and LeNet.
#
# **Time**: about two and a half hours.

# %% tags=["setup"]
import numpy as np

from cnnlib import check, demos, models, ops

check.withhold(
    "cnnlib.models.lenet.table", "cnnlib.models.vgg.vgg", "cnnlib.ops.conv2d_forward", "cnnlib.ops.max_pool2d_forward",
    "cnnlib.ops.linear_forward", "cnnlib.ops.fast", "cnnlib.ops.conv_transpose2d_backward",
    "cnnlib.ops.locally_connected2d_forward", "cnnlib.ops.roi_pool_forward", "cnnlib.ops.matmul_backward",
)  # fmt: skip

# %% [markdown]
# ## A pattern
#
# Most early networks follow one pattern. *CS231n* writes it like this:
#
# **[(CONV-RELU) × N - POOL?] × M - (FC-RELU) × K - SOFTMAX**
#
# Convolutions, each with a ReLU, N times; a pooling, perhaps; all that M times; then K fully connected layers, each
# with a ReLU, and a softmax (N, M and K are the slide's letters). The stages are older than training them by backprop:
# Fukushima's Neocognitron (1980) already alternated layers that find a pattern with layers that forgive its place.

# %%
demos.network(models.lenet.lenet5, (1, 32, 32))

# %% [markdown]
# LeNet is N = 1, M = 2, K = 2 and one layer for the scores. Maps become smaller and more; try
# `demos.network(models.vgg.small, (1, 32, 32))`.

# %% [markdown]
# ### Exercise 1 · parse_pattern (4 points)
#
# | | |
# |---|---|
# | `n`, `m`, `k` | the numbers N, M and K |
# | `pool` | `True` or `False`: with or without the POOL |
# | returns | a list of the words `"CONV"`, `"RELU"`, `"POOL"`, `"FC"`, `"SOFTMAX"` in their order |
#
# `parse_pattern(1, 2, 0, True)` gives CONV, RELU, POOL, CONV, RELU, POOL, SOFTMAX. About 3 lines.
#
# <details><summary>Hint</summary>
#
# A list times a number repeats it: `["CONV", "RELU"] * n`.
# </details>


# %% solution="parse_pattern"
def parse_pattern(n, m, k, pool):
    """The layers of [(CONV-RELU) x n - POOL?] x m - (FC-RELU) x k - SOFTMAX as a list of words."""
    ### BEGIN SOLUTION
    stage = ["CONV", "RELU"] * n + ["POOL"] * bool(pool)
    return stage * m + ["FC", "RELU"] * k + ["SOFTMAX"]
    ### END SOLUTION


# %% test="parse_pattern_visible" points=2
from autograder.mistakes import known
from cnnlib import check

WORDS = ["CONV", "RELU", "POOL", "FC", "SOFTMAX"]


def places(parse):  # each word as its place in WORDS
    return lambda n, m, k, pool: [WORDS.index(word) for word in parse(n, m, k, pool)]


def reference(n, m, k, pool):
    return [0, 1, 2, 0, 1, 2, 4] if pool else [0, 1, 0, 1, 3, 1, 4]


cases, wrong, parts = [(1, 2, 0, True), (2, 1, 1, False)], known("parse_pattern"), "the words' numbers"
check.function(parse_pattern, reference, cases, returns=parts, mistakes=wrong, through=places)

# %% test="parse_pattern_hidden" points=2
# Hidden: other numbers, none of a kind, with and without pooling.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

WORDS = ["CONV", "RELU", "POOL", "FC", "SOFTMAX"]


def places(parse):
    return lambda n, m, k, pool: [WORDS.index(word) for word in parse(n, m, k, pool)]


def by_counting(n, m, k, pool):
    codes = []
    for _ in range(m):
        for _ in range(n):
            codes += [0, 1]
        if pool:
            codes.append(2)
    for _ in range(k):
        codes += [3, 1]
    return np.array([*codes, 4])


cases = [(3, 2, 2, True), (1, 3, 1, False), (2, 2, 0, False), (1, 1, 3, True), (5, 1, 2, True), (1, 0, 2, True)]
wrong, parts = known("parse_pattern"), "the words' numbers"
check.function(parse_pattern, by_counting, cases, returns=parts, mistakes=wrong, through=places)
### END HIDDEN TESTS

# %% [markdown]
# ## LeNet-5, as it was
#
# The paper of 1998 is not quite the pattern. Poolings have a trained coefficient and a bias for each map. And the 16
# filters of layer C3 do not read all 6 maps of S2: a table says which. That saved work, and forced the filters to
# differ.

# %%
demos.c3_table()

# %% [markdown]
# Six filters read three neighbouring maps, six read four, three read four with gaps, and one reads all: 60 connections
# of 96.

# %% [markdown]
# ### Exercise 2 · lenet_c3_mask (4 points)
#
# Build the table as an array (16, 6) of ones and zeros: row $k$ is 1 where filter $k$ reads the map. Maps are counted in a circle: after 5 comes
# 0.
#
# - filters 0 to 5: maps $k,\; k+1,\; k+2$
# - filters 6 to 11: maps $k,\; k+1,\; k+2,\; k+3$, counted from $k - 6$
# - filters 12 to 14: maps $k,\; k+1,\; k+3,\; k+4$, counted from $k - 12$
# - filter 15: all
#
# About 8 lines.
#
# <details><summary>Hint</summary>
#
# `(k + 2) % 6` counts in a circle. `mask[k, [0, 1, 2]] = 1` sets several numbers of a row.
# </details>


# %% solution="lenet_c3_mask"
def lenet_c3_mask():
    """The connection table of LeNet's C3: (16, 6), 1 where a filter reads a map of S2."""
    ### BEGIN SOLUTION
    mask = np.zeros((16, 6), int)
    for first, steps, filters in [(0, (0, 1, 2), 6), (6, (0, 1, 2, 3), 6), (12, (0, 1, 3, 4), 3)]:
        for k in range(filters):
            mask[first + k, [(k + step) % 6 for step in steps]] = 1
    mask[15] = 1
    return mask
    ### END SOLUTION


# %% test="lenet_c3_mask_visible" points=2
from autograder.mistakes import known
from cnnlib import check, models


def reference():
    return models.lenet.c3_mask()


check.function(lenet_c3_mask, reference, [()], returns="mask", mistakes=known("lenet_c3_mask"))

# %% test="lenet_c3_mask_hidden" points=2
# Hidden: the table as the paper prints it.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

PAPER = """X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX"""


def as_printed():
    return np.array([[int(cell == "X") for cell in row] for row in PAPER.split()]).T


check.function(lenet_c3_mask, as_printed, [()], returns="mask", mistakes=known("lenet_c3_mask"))
### END HIDDEN TESTS

# %% [markdown]
# ## Counting as the slides do, and as a program does
#
# *INRIA* lists LeNet's parameters: C1 156, S2 12, C3 1516, S4 32, C5 49,920, F6 10,080, output 840. The first four
# count a bias for every filter. C5 is 16·120 filters of 5×5, and the slide adds a bias to **each** of them: 1920·26 =
# 49,920. With one bias for each of the 120 outputs it is 48,120. In F6 (120 to 84) and the output (84 to 10) the slide
# counts **no** biases. For C3 without the table it gives the bound 2496, again with a bias for each pair of maps; with
# one for each filter it is 2,416. Neither is wrong; mixing conventions without a word is.

# %% [markdown]
# ### Exercise 3 · lenet5_params (4 points)
#
# | | |
# |---|---|
# | `slides` | `True`: as the slides count; `False`: one bias for every filter and every unit |
# | returns | seven numbers: C1, S2, C3, S4, C5, F6, output |
#
# C1 has 6 filters of 5×5 on one channel; S2 and S4 have two numbers for each of 6 and 16 maps; C3 has 5×5 filters by
# the table above. About 8 lines.
#
# <details><summary>Hint</summary>
#
# C3 has 60 connections of 25 weights, and 16 biases.
# </details>


# %% solution="lenet5_params"
def lenet5_params(slides):
    """Parameters of C1, S2, C3, S4, C5, F6 and the output of LeNet-5, in the slides' convention or with all biases."""
    ### BEGIN SOLUTION
    c5 = 16 * 120 * (25 + 1) if slides else 120 * (16 * 25 + 1)
    f6, output = (84 * 120, 10 * 84) if slides else (84 * 121, 10 * 85)
    return 6 * (25 + 1), 2 * 6, 60 * 25 + 16, 2 * 16, c5, f6, output
    ### END SOLUTION


# %% test="lenet5_params_visible" points=2
from autograder.mistakes import known
from cnnlib import check, models


def reference(slides):
    return tuple(models.lenet.table(slides).values())


parts = "C1, S2, C3, S4, C5, F6, output"
check.function(lenet5_params, reference, [(True,)], returns=parts, mistakes=known("lenet5_params"))

# %% test="lenet5_params_hidden" points=2
# Hidden: the other convention, and the slides' sum.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_layers(slides):
    c3 = sum(maps * 25 + 1 for maps in [3] * 6 + [4] * 9 + [6])
    if slides:
        return 156, 12, c3, 32, 49920, 10080, 840
    return 156, 12, c3, 32, 120 * 401, 84 * 121, 10 * 85


parts = "C1, S2, C3, S4, C5, F6, output"
check.function(lenet5_params, by_layers, [(False,), (True,)], returns=parts, mistakes=known("lenet5_params"))
### END HIDDEN TESTS

# %% [markdown]
# ## Deeper with one kind of layer
#
# VGG takes the pattern to 16 and 19 layers with nothing but 3×3 convolutions. Two of them see 5×5 pixels, three see
# 7×7, with fewer weights and more ReLUs than one large filter. Its configuration is a list: a number is a convolution
# with so many filters, `"M"` a pooling that halves the map.

# %%
demos.network(lambda: models.vgg.vgg(16), (3, 224, 224))

# %% [markdown]
# Most of the work is done on the left, on large maps; most of the parameters are in the three grey layers. VGG-16 has
# 138,357,544, VGG-19 143,667,240; AlexNet, two years before and in two groups for two graphics cards, 60,965,224.

# %% [markdown]
# ### Exercise 4 · vgg_params (5 points)
#
# | | |
# |---|---|
# | `pattern` | a list of numbers and `"M"` |
# | returns | the number of parameters, biases included |
#
# The image is 3×224×224; all convolutions are 3×3 with padding 1. Behind them come three fully connected layers with
# 4096, 4096 and 1000 outputs. About 9 lines.
#
# <details><summary>Hint</summary>
#
# Walk through the list with two numbers, the channels and the size. The first fully connected layer reads channels·size·size.
# </details>


# %% solution="vgg_params"
def vgg_params(pattern):
    """The number of parameters of a VGG network for 3 x 224 x 224, with three fully connected layers behind."""
    ### BEGIN SOLUTION
    channels, size, count = 3, 224, 0
    for step in pattern:
        if step == "M":
            size //= 2
        else:
            count += step * (9 * channels + 1)
            channels = step
    for n_in, n_out in [(channels * size * size, 4096), (4096, 4096), (4096, 1000)]:
        count += n_out * (n_in + 1)
    return count
    ### END SOLUTION


# %% test="vgg_params_visible" points=2
from autograder.mistakes import known
from cnnlib import check, models, summary


def reference(pattern):
    return summary(lambda: models.vgg.VGG(pattern), (3, 224, 224)).parameters


vgg16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]
check.function(vgg_params, reference, [(vgg16,)], returns="count", mistakes=known("vgg_params"))

# %% test="vgg_params_hidden" points=3
# Hidden: VGG-11 and VGG-19, and patterns with fewer stages.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_shapes(pattern):
    """The sizes of all weight arrays."""
    widths = [3, *(step for step in pattern if step != "M")]
    shapes = [(k, c, 3, 3) for c, k in zip(widths, widths[1:], strict=False)]
    side = 224 >> list(pattern).count("M")
    shapes += [(4096, widths[-1], side, side), (4096, 4096), (1000, 4096)]
    return sum(int(np.prod(shape)) + shape[0] for shape in shapes)


vgg11 = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]
vgg19 = [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"]
cases = [(vgg11,), (vgg19,), ([8, "M", 16, "M", "M", "M", 4, "M"],), ([2, 3, *"MMMMM"],)]
check.function(vgg_params, by_shapes, cases, returns="count", mistakes=known("vgg_params"))
### END HIDDEN TESTS

# %% [markdown]
# ## Side by side: Inception
#
# GoogLeNet asks no more which filter size is right: a module has 1×1, 3×3 and 5×5 filters and a pooling side by side,
# and joins their maps along the channels. Large filters on many channels are costly, so 1×1 filters make depth smaller
# first. The paper speaks of 5 million parameters; its table counts 6,998,552, and common programs with batch norm
# 6,624,904 (13,004,888 with the two auxiliary heads that only training uses). Say which one you mean.

# %% [markdown]
# ### Exercise 5 · inception_forward (6 points)
#
# | | |
# |---|---|
# | `x` | (N, C, H, W) |
# | `w1` | 1×1 filters of the first branch |
# | `w3_reduce`, `w3` | 1×1 filters, then 3×3 filters |
# | `w5_reduce`, `w5` | 1×1 filters, then 5×5 filters |
# | `w_pool` | 1×1 filters behind a 3×3 max pooling with stride 1 |
# | returns | the four branches joined along the channels, in this order |
#
# Behind every convolution stands a ReLU; all maps keep their size; no biases. `same_conv(x, w)` and `same_pool(x)`
# (3×3) are given and keep the size. About 6 lines.
#
# <details><summary>Hint</summary>
#
# `np.concatenate([...], axis=1)` joins along the channels.
# </details>


# %% solution="inception_forward"
def same_conv(x, w):
    """A convolution that keeps the size, without bias."""
    p = w.shape[2] // 2
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))
    return np.einsum("ncijuv,kcuv->nkij", windows, w)


def same_pool(x):
    """3 x 3 max pooling that keeps the size."""
    xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    return np.lib.stride_tricks.sliding_window_view(xp, (3, 3), axis=(2, 3)).max(axis=(4, 5))


def inception_forward(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    """Four branches on the same maps: 1x1, 1x1 then 3x3, 1x1 then 5x5, pooling then 1x1."""

    ### BEGIN SOLUTION
    def relu(x):
        return np.maximum(x, 0)

    small = relu(same_conv(x, w1))
    medium = relu(same_conv(relu(same_conv(x, w3_reduce)), w3))
    large = relu(same_conv(relu(same_conv(x, w5_reduce)), w5))
    pooled = relu(same_conv(same_pool(x), w_pool))
    return np.concatenate([small, medium, large, pooled], axis=1)
    ### END SOLUTION


# %% test="inception_forward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, models


def reference(x, *weights):
    module = models.googlenet.Inception(x.shape[1], [len(w) for w in weights]).astype(float)
    for parameter, w in zip([p for p in module.parameters() if p.ndim == 4], weights, strict=True):
        parameter.data[...] = w
    return module(x).data


shapes = (2, 3, 5, 6), (2, 3, 1, 1), (1, 3, 1, 1), (2, 1, 3, 3), (1, 3, 1, 1), (2, 1, 5, 5), (1, 3, 1, 1)
case = tuple(map(np.random.default_rng(81).standard_normal, shapes))
check.function(inception_forward, reference, [case], mistakes=known("inception_forward"))

# %% test="inception_forward_hidden" points=4
# Hidden: other numbers of channels and filters, images that are not square, a batch of one.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def branches(x, w1, w3_reduce, w3, w5_reduce, w5, w_pool):
    """Windows of a padded image, and einsum."""

    def conv(x, w):
        p = w.shape[2] // 2
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        views = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))
        return np.clip(np.einsum("nchwij,kcij->nkhw", views, w), 0, None)

    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    pooled = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3)).max(axis=(4, 5))
    parts = conv(x, w1), conv(conv(x, w3_reduce), w3), conv(conv(x, w5_reduce), w5), conv(pooled, w_pool)
    return np.concatenate(parts, axis=1)


def hidden(seed, n, c, filters, size):
    normal = np.random.default_rng(seed).standard_normal
    a, b, d, e, f, g = filters
    shapes = (a, c, 1, 1), (b, c, 1, 1), (d, b, 3, 3), (e, c, 1, 1), (f, e, 5, 5), (g, c, 1, 1)
    return normal((n, c, *size)), *map(normal, shapes)


cases = [
    hidden(82, 1, 1, (1, 1, 1, 1, 1, 1), (3, 3)),
    hidden(83, 3, 2, (3, 2, 4, 2, 1, 2), (4, 7)),
    hidden(84, 1, 5, (2, 3, 3, 2, 2, 4), (6, 5)),
    hidden(85, 2, 4, (4, 4, 4, 4, 4, 4), (6, 6)),
]
check.function(inception_forward, branches, cases, mistakes=known("inception_forward"))
### END HIDDEN TESTS

# %% [markdown]
# ## A way around
#
# Deeper plain networks became worse, even on the data that they were trained on. A residual block computes only what
# should **change**:
#
# $$y = \max(0,\; x + f(x))$$
#
# On the way back the sum hands its gradient to both sides: through $f$, and untouched along the way around.

# %%
demos.gradient_by_depth(depth=25, scale=0.7)

# %% [markdown]
# Measured before any training, with weights a little too small: in the plain network hardly a trace of the gradient
# reaches the first layer. With a way around it arrives; it even grows, which is one reason for batch norm. The dense
# network keeps it level. Try `scale=1`.

# %% [markdown]
# ### Exercise 6 · residual_backward (6 points)
#
# The forward pass is given. `f_forward(x)` returns `(h, inner)`, and `f_backward(dh, inner)` returns the gradient of
# `x` through f.
#
# | | |
# |---|---|
# | `dout` | upstream, the shape of the output |
# | `cache` | `(s, inner)`: s = x + f(x) before the ReLU |
# | `f_backward` | the backward pass of f |
# | returns | `dx` |
#
# About 2 lines.
#
# <details><summary>Hint</summary>
#
# First back through the ReLU. What is left goes both ways, and what comes back is added.
# </details>


# %% solution="residual_backward"
def residual_forward(x, f_forward):
    """max(0, x + f(x)), and the cache (s, inner)."""
    h, inner = f_forward(x)
    return np.maximum(x + h, 0), (x + h, inner)


def residual_backward(dout, cache, f_backward):
    """The gradient of x through both ways of a residual block."""
    ### BEGIN SOLUTION
    s, inner = cache
    ds = dout * (s > 0)
    return ds + f_backward(ds, inner)
    ### END SOLUTION


# %% test="residual_backward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, gradcheck


def reference(dout, cache, f_backward):  # here f(x) = tanh(x)
    return gradcheck.numeric_gradient(lambda x: np.maximum(x + np.tanh(x), 0), cache[1], dout)


x, dout = np.random.default_rng(87).normal(size=(2, 4, 3))
case = (dout, (x + np.tanh(x), x), lambda dh, x: dh / np.cosh(x) ** 2)
check.function(residual_backward, reference, [case], returns="dx", mistakes=known("residual_backward"))

# %% test="residual_backward_hidden" points=4
# Hidden: other inner functions, images, blocks that are off in places.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(88).standard_normal


def both_ways(dout, cache, f_backward):
    s, inner = cache
    passed = np.where(s > 0, dout, 0.0)
    return np.add(passed, f_backward(passed.copy(), inner))


def scaled(dh, inner):
    return inner * dh


def convolved(dh, inner):
    wide = np.pad(dh, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.einsum("ncijuv,kcuv->nkij", np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3)), inner)


image, filters = normal((2, 3, 5, 4)), normal((3, 3, 3, 3))
cases = [
    (normal((3, 4)), (normal((3, 4)), normal((3, 4))), scaled),
    (normal((2, 3, 5, 4)), (image, filters), convolved),
    (normal(5), (np.array([-1.0, -2, -3, -4, -5]), normal(5)), scaled),
    (normal(4), (np.array([1.0, 2, 3, 4]), normal(4)), scaled),
    (normal((1, 1)), (np.array([[2.0]]), np.array([[3.0]])), scaled),
]
check.function(residual_backward, both_ways, cases, returns="dx", mistakes=known("residual_backward"))
### END HIDDEN TESTS

# %% [markdown]
# ## Reading everything
#
# DenseNet does not add, it **joins**: a layer reads the maps of all layers before it in the block and puts a few maps,
# its *growth*, beside them.

# %% [markdown]
# ### Exercise 7 · dense_block_forward (4 points)
#
# | | |
# |---|---|
# | `x` | (N, C, H, W) |
# | `layers` | a list of functions, each from maps (N, any, H, W) to new maps (N, growth, H, W) |
# | returns | x and all new maps, joined along the channels in the order in which they were made |
#
# About 3 lines.


# %% solution="dense_block_forward"
def dense_block_forward(x, layers):
    """x and what each layer makes of all maps before it, joined along the channels."""
    ### BEGIN SOLUTION
    for layer in layers:
        x = np.concatenate([x, layer(x)], axis=1)
    return x
    ### END SOLUTION


# %% test="dense_block_forward_visible" points=1
from autograder.mistakes import known
from cnnlib import check


def mean_and_max(x):
    return np.stack([x.mean(axis=1), x.max(axis=1)], axis=1)


def reference(x, layers):  # here two layers
    first = np.concatenate([x, layers[0](x)], axis=1)
    return np.concatenate([first, layers[1](first)], axis=1)


case = (np.random.default_rng(89).normal(size=(2, 3, 4, 5)), [mean_and_max, mean_and_max])
check.function(dense_block_forward, reference, [case], mistakes=known("dense_block_forward"))

# %% test="dense_block_forward_hidden" points=3
# Hidden: other layers, one layer, none, a batch of one.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(90)


def weighted(x):
    return np.einsum("c,nchw->nhw", np.arange(1.0, x.shape[1] + 1), x)[:, None]


def last_two(x):
    return x[:, -2:] * 2 + 1


def by_list(x, layers):
    maps = [x]
    for layer in layers:
        maps.append(layer(np.concatenate(maps, axis=1)))
    return np.concatenate(maps, axis=1)


images = [rng.normal(size=shape) for shape in [(1, 2, 3, 3), (2, 3, 2, 4), (3, 2, 1, 1), (2, 4, 3, 2)]]
stacks = [[weighted, last_two, weighted], [last_two], [], [weighted] * 4]
cases = list(zip(images, stacks, strict=True))
check.function(dense_block_forward, by_list, cases, mistakes=known("dense_block_forward"))
### END HIDDEN TESTS

# %% [markdown]
# ## The family

# %%
demos.zoo()

# %% [markdown]
# Work and parameters do not go together. VGG-16 has the most of both; ResNet-50 is three times as deep and DenseNet-121
# seven times, with a fraction of VGG's parameters. A receptive field larger than the image means that the last maps see
# everything.

# %% [markdown]
# ## Your own LeNet
#
# Now all comes together. The library runs LeNet-5 and calls **your** passes wherever you give some, forward and
# backward; it does not mind how they work, as long as they are right.
#
# ### Exercise 8 · own_passes (5 points)
#
# Return a dictionary with the pairs that you have, from lessons 2, 5 and 6 or written here:
#
# | key | forward | backward |
# |---|---|---|
# | `"conv2d"` | `conv_forward(x, w, b, stride, pad)` → `out, cache` | `conv_backward(dout, cache)` → `dx, dw, db` |
# | `"max_pool2d"` | `pool_forward(x, size)` → `out, cache`; the windows lie side by side | `pool_backward(dout, cache)` → `dx` |
# | `"linear"` | `linear_forward(x, w, b)` → `out, cache` | `linear_backward(dout, cache)` → `dx, dw, db` |
#
# Each pair earns points by itself. About 35 lines, most of which you have.
#
# <details><summary>Hint: speed</summary>
#
# Loops over windows take minutes to train with, products of matrices seconds. `im2col` makes one product of the convolution; windows side by side are a
# `reshape` to (N, C, H/F, F, W/F, F).
# </details>


# %% solution="own_passes"
def own_passes():
    """Your pairs of passes by the name of their op: {"linear": (linear_forward, linear_backward), ...}."""

    ### BEGIN SOLUTION
    def conv_forward(x, w, b, stride, pad):
        """All windows at once, and one product."""
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        views = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
        out = np.tensordot(views, w, axes=((1, 4, 5), (1, 2, 3))) + b
        return out.transpose(0, 3, 1, 2), (x.shape, w, views, stride, pad)

    def conv_backward(dout, cache):
        (N, C, H, W), w, views, stride, pad = cache
        dw = np.tensordot(dout, views, axes=((0, 2, 3), (0, 2, 3)))
        dwindows = np.tensordot(dout, w, axes=(1, 0))  # (N, H', W', C, FH, FW)
        dxp = np.zeros((N, C, H + 2 * pad, W + 2 * pad), dout.dtype)
        rows, columns = (stride * n for n in dout.shape[2:])
        for i, j in np.ndindex(w.shape[2:]):
            dxp[:, :, i : i + rows : stride, j : j + columns : stride] += dwindows[..., i, j].transpose(0, 3, 1, 2)
        return dxp[:, :, pad : pad + H, pad : pad + W], dw, dout.sum(axis=(0, 2, 3))

    def pool_forward(x, size):
        (N, C, H, W), F = x.shape, size
        windows = x.reshape(N, C, H // F, F, W // F, F).swapaxes(3, 4).reshape(N, C, H // F, W // F, F * F)
        winner = windows.argmax(axis=4)
        return np.take_along_axis(windows, winner[..., None], axis=4)[..., 0], (x.shape, winner, F)

    def pool_backward(dout, cache):
        (N, C, H, W), winner, F = cache
        dwindows = np.zeros((*dout.shape, F * F), dout.dtype)
        np.put_along_axis(dwindows, winner[..., None], dout[..., None], axis=4)
        return dwindows.reshape(N, C, H // F, W // F, F, F).swapaxes(3, 4).reshape(N, C, H, W)

    def linear_forward(x, w, b):
        return x @ w.T + b, (x, w)

    def linear_backward(dout, cache):
        x, w = cache
        return dout @ w, dout.T @ x, dout.sum(axis=0)

    return {
        "conv2d": (conv_forward, conv_backward),
        "max_pool2d": (pool_forward, pool_backward),
        "linear": (linear_forward, linear_backward),
    }
    ### END SOLUTION


# %% test="own_passes_visible" points=1
from autograder.mistakes import known
from cnnlib import check, ops


def reference(dout, x, w, b, stride, pad):
    return check.layer(ops.conv2d_forward, ops.conv2d_backward)(dout, x, w, b, stride, pad)


case = (*map(np.random.default_rng(91).standard_normal, [(2, 4, 5, 4), (2, 3, 5, 4), (4, 3, 3, 3), 4]), 1, 1)
parts, wrong = "out, dx, dw, db", known("own_passes")
check.function(own_passes, reference, [case], returns=parts, through=check.pair("conv2d"), mistakes=wrong)

# %% test="own_passes_conv" points=2
# Hidden: the convolution with other shapes, strides 1 and 2, padding 0 to 2.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(92).standard_normal


def by_windows(dout, x, w, b, stride, pad):
    """Every window by itself."""
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, out = np.zeros(xp.shape), np.zeros(w.shape), np.zeros(dout.shape)
    for n, k, i, j in np.ndindex(dout.shape):
        place = np.s_[n, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
        out[n, k, i, j] = np.vdot(xp[place], w[k]) + b[k]
        dw[k] += dout[n, k, i, j] * xp[place]
        dxp[place] += dout[n, k, i, j] * w[k]
    dx = dxp[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
    return out, dx, dw, np.einsum("nkij->k", dout)


def case(x, w, stride, pad):
    size = [(n + 2 * pad - f) // stride + 1 for n, f in zip(x[2:], w[2:], strict=True)]
    return normal((x[0], w[0], *size)), normal(x), normal(w), normal(w[0]), stride, pad


cases = [
    case((2, 1, 7, 6), (3, 1, 5, 5), 1, 0),
    case((1, 2, 5, 6), (2, 2, 3, 2), 2, 1),
    case((3, 2, 4, 4), (1, 2, 3, 3), 1, 2),
    case((1, 1, 8, 7), (2, 1, 2, 3), 2, 0),
]
parts, wrong = "out, dx, dw, db", known("own_passes")
check.function(own_passes, by_windows, cases, returns=parts, through=check.pair("conv2d"), mistakes=wrong)
### END HIDDEN TESTS

# %% test="own_passes_pool" points=1
# Hidden: max pooling with windows of 2 and 3 side by side; several images and maps.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(93)


def by_blocks(dout, x, size):
    """Blocks of ones where the windows lie; no two numbers are equal, so the largest of a block is the winner."""
    out = np.zeros(dout.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        out[:, :, i, j] = x[:, :, i * size : (i + 1) * size, j * size : (j + 1) * size].max(axis=(2, 3))
    block = np.ones((1, 1, size, size))
    return out, np.where(x == np.kron(out, block), np.kron(dout, block), 0)


cases = []
for shape, size in [((1, 1, 4, 4), 2), ((2, 3, 4, 6), 2), ((3, 2, 6, 3), 3), ((1, 2, 2, 3), 1)]:
    x = rng.permutation(np.prod(shape)).reshape(shape) - 20.0
    cases.append((rng.normal(size=(*shape[:2], shape[2] // size, shape[3] // size)), x, size))
parts, wrong = "out, dx", known("own_passes")
check.function(own_passes, by_blocks, cases, returns=parts, through=check.pair("max_pool2d"), mistakes=wrong)
### END HIDDEN TESTS

# %% test="own_passes_linear" points=1
# Hidden: the fully connected layer, for batches of one and more.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(94).standard_normal


def by_sums(dout, x, w, b):
    out = np.einsum("nd,md->nm", x, w) + b
    return out, np.einsum("nm,md->nd", dout, w), np.einsum("nm,nd->md", dout, x), np.einsum("nm->m", dout)


cases = [(normal((n, m)), normal((n, d)), normal((m, d)), normal(m)) for n, d, m in [(3, 4, 2), (1, 5, 3), (3, 3, 3)]]
parts, wrong = "out, dx, dw, db", known("own_passes")
check.function(own_passes, by_sums, cases, returns=parts, through=check.pair("linear"), mistakes=wrong)
### END HIDDEN TESTS

# %% [markdown]
# Set `use_mine = True`: then LeNet-5 learns handwritten digits through passes that are yours down to the last sum.

# %%
use_mine = False  # True: LeNet-5 runs on your own_passes()
demos.lenet_on_digits(epochs=10, own=own_passes() if use_mine else None)

# %% [markdown]
# The title over the digits says whose passes did the work. Over 97 % of 449 images that the network never saw are right
# (their writers it may have seen); the rest is hard for us too.

# %% [markdown]
# ## Recap
#
# - [(CONV-RELU) × N - POOL?] × M - (FC-RELU) × K - SOFTMAX describes LeNet, AlexNet and VGG.
# - Say your convention when you count: LeNet's C5 has 49,920 or 48,120 parameters, GoogLeNet 5, 6.6 or 7.0 million.
# - Inception joins branches, ResNet adds a way around, DenseNet reads everything.
# - Gradients vanish in deep plain networks; ways around carry them.
#
# You have now written every line of a network that reads digits, forward and backward. `cnnlib.models` holds many more,
# of the same few parts: networks that find, segment and retrieve.

# %% [markdown]
# ## Your question (2 points)
#
# Write one question about this lesson: something that stayed unclear, that surprised you, or that you would like to
# try. A typical question earns 1 point, one that shows thought earns 2.

# %% [markdown] answer="your_question" points=2
# *For whoever marks this.* A typical question (1 point) is answered in the lesson: "Why does a ResNet need a projection
# where the size changes?" One that shows thought (2 points) goes a step further: "A residual network of ten blocks has
# 2^10 ways from input to output. Is it one deep network, or many shallow ones that vote?"
