# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   autograder: {withheld: [cnnlib.arithmetic.output_size, cnnlib.ops.conv2d_forward, cnnlib.ops.fast]}
# ---

# %% [markdown]
# # 4 · Sizes, weights and costs
#
# You learn to say, before a single number is computed, how large the output of a convolution layer is, how many weights
# it has to learn, and how much work it makes.
#
# **Slides**: *CS231n (Samara)* and *Princeton COS 429*, a closer look at spatial dimensions; *INRIA*, stride and
# padding; *MVA*, cost of a convolution layer.
#
# **Time**: about one and a half hours.

# %% tags=["setup"]
import numpy as np

from cnnlib import check, demos

check.withhold("cnnlib.arithmetic.output_size", "cnnlib.ops.conv2d_forward", "cnnlib.ops.fast")

# %% [markdown]
# ## In how many places does a filter fit?
#
# Rows and columns follow the same rule, so one direction is enough. A filter of $F$ pixels starts at the left end of
# $N$ pixels and moves on by the stride $S$. With padding, $P$ zeros stand at each end.

# %%
demos.windows(N=7, F=3, S=1, P=0)

# %% [markdown]
# Move the sliders. Seven pixels take a filter of 3 in five places at stride 1 and in three at stride 2. At stride 3 a
# pixel is left over: (7 − 3)/3 + 1 = 2.33, and the slides say *doesn't fit*.

# %% [markdown]
# ## What "doesn't fit" means
#
# $$\text{size} = \frac{N + 2P - F}{S} + 1$$
#
# Where this is no whole number, the slides refuse the layer. Libraries do not: PyTorch rounds down and leaves the last
# pixels out, without a word. Both are conventions. In this lesson you refuse, because a fraction most often means that
# somebody has counted wrong.

# %% [markdown]
# ### Exercise 1 · output_size (5 points)
#
# | | |
# |---|---|
# | `n` | pixels along one direction |
# | `f` | pixels of the filter |
# | `stride`, `pad` | integers |
# | returns | the number of places, an integer |
#
# The formula above. Raise a `ValueError` where the division leaves a rest, and where the filter is larger than the
# padded input. About 5 lines.
#
# <details><summary>Hint</summary>
#
# `divmod(a, b)` gives the whole part and the rest. `raise ValueError("...")` refuses; say in the text what did not fit.
# </details>


# %% solution="output_size"
def output_size(n, f, stride, pad):
    """In how many places a filter of f pixels fits on n pixels; ValueError where it does not fit exactly."""
    ### BEGIN SOLUTION
    room = n + 2 * pad - f
    if room < 0:
        raise ValueError(f"a filter of {f} is larger than the {n + 2 * pad} padded pixels")
    steps, rest = divmod(room, stride)
    if rest:
        raise ValueError(f"{rest} of {n + 2 * pad} padded pixels are left over at stride {stride}")
    return steps + 1
    ### END SOLUTION


# %% test="output_size_visible" points=2
from autograder.mistakes import known
from cnnlib import check


def reference(n, f, stride, pad):
    return len(range(0, n + 2 * pad - f + 1, stride))


cases = [(7, 3, 1, 0), (7, 3, 2, 0), (7, 3, 1, 1), (32, 5, 1, 0), (32, 5, 1, 2)]
check.function(output_size, reference, cases, returns="size", mistakes=known("output_size"))
check.raises(output_size, 7, 3, 3, 0, says="2.33 places", mistakes=known("output_size"))

# %% test="output_size_hidden" points=3
# Hidden: other sizes, strides up to 4, paddings up to 3, filters as large as the
# input, and more that does not fit.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_counting(n, f, stride, pad):
    return sum(1 for start in range(-pad, n + pad, stride) if start + f <= n + pad)


cases = [
    (5, 5, 1, 0),
    (1, 1, 1, 0),
    (11, 3, 4, 0),
    (227, 11, 4, 0),
    (9, 4, 3, 2),
    (6, 5, 3, 1),
    (3, 7, 2, 3),
    (10, 1, 3, 0),
    (8, 2, 2, 0),
]
check.function(output_size, by_counting, cases, returns="size", mistakes=known("output_size"))
for n, f, stride, pad in [(224, 11, 4, 0), (32, 5, 2, 2), (6, 3, 2, 0), (8, 3, 3, 1), (4, 5, 1, 0), (2, 7, 2, 2)]:
    check.raises(output_size, n, f, stride, pad, says="does not fit", mistakes=known("output_size"))
### END HIDDEN TESTS

# %% [markdown]
# ## Keeping the size
#
# Without padding, every layer costs $F - 1$ pixels. A deep network would soon have nothing left to look at, so most
# layers pad with just enough zeros to keep the size: *same* padding.

# %%
demos.shrinking(size=32, f=5, layers=6)

# %% [markdown]
# Both rows have the same filters. Above, 32 becomes 28, 24, 20, ...: after a seventh layer 4 pixels are left, too few for
# the filter. Below, two zeros at each end keep all 32.

# %% [markdown]
# ### Exercise 2 · same_pad (3 points)
#
# | | |
# |---|---|
# | `f` | pixels of the filter |
# | returns | the padding that keeps the size at stride 1, an integer |
#
# Solve $N + 2P - F + 1 = N$ for $P$. An even filter has no middle, so no padding that is the same at both ends keeps the
# size: raise a `ValueError`. About 3 lines.
#
# <details><summary>Hint</summary>
#
# `f % 2` is 0 for an even number.
# </details>


# %% solution="same_pad"
def same_pad(f):
    """The padding that keeps the size at stride 1; ValueError for an even f."""
    ### BEGIN SOLUTION
    if f % 2 == 0:
        raise ValueError(f"a filter of {f} pixels has no middle")
    return (f - 1) // 2
    ### END SOLUTION


# %% test="same_pad_visible" points=1
from autograder.mistakes import known
from cnnlib import check


def reference(f):
    return [len(range(10 + 2 * p - f + 1)) for p in range(f)].index(10)


check.function(same_pad, reference, [(3,), (5,), (7,)], returns="pad", mistakes=known("same_pad"))
check.raises(same_pad, 4, says="an even filter", mistakes=known("same_pad"))

# %% test="same_pad_hidden" points=2
# Hidden: filters of 1, 9 and 11, and even ones.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_trying(f):
    return next(p for p in range(20) if 30 + 2 * p - f + 1 == 30)


check.function(same_pad, by_trying, [(1,), (9,), (11,)], returns="pad", mistakes=known("same_pad"))
for even in (2, 6, 10):
    check.raises(same_pad, even, says="an even filter", mistakes=known("same_pad"))
### END HIDDEN TESTS

# %% [markdown]
# ## A setting that never fits
#
# The slides list common settings of a layer, among them $F = 5$, $S = 2$ and "$P$ = whatever fits". Try it: with an even
# width of 32, $32 + 2P - 5$ is odd whatever $P$ is, and an odd number is not divisible by 2. **Nothing fits an even
# width**; networks that use this setting round down.

# %%
demos.never_fits(N=8)

# %% [markdown]
# One pixel is left over. Move the slider: there is always one.

# %% [markdown]
# ## Counting weights
#
# A filter goes through the full depth: it has $F \cdot F \cdot C$ weights and one bias. A layer has $K$ of them:
#
# $$\text{parameters} = K\,(F \cdot F \cdot C + 1)$$
#
# Ten filters of 5×5 on 32×32×3 make (75 + 1)·10 = 760. The image's height and width do not appear: the weights are
# tied. A fully connected layer has a weight for every pair of input and output, and a bias for every output.

# %% [markdown]
# ### Exercise 3 · conv_params and fc_params (5 points)
#
# | | |
# |---|---|
# | `conv_params(f, c, k, bias)` | parameters of `k` filters of f×f on `c` channels |
# | `fc_params(n_in, n_out, bias)` | parameters of a fully connected layer |
# | `bias` | `True` or `False`: with or without biases |
#
# One line each. Slides count now with biases, now without; so the argument is asked for.
#
# <details><summary>Hint</summary>
#
# `True` counts as 1 and `False` as 0 in a sum.
# </details>


# %% solution="conv_params"
def conv_params(f, c, k, bias):
    """The number of weights (and biases) of k filters of f x f pixels on c channels."""
    ### BEGIN SOLUTION
    return k * (f * f * c + int(bias))
    ### END SOLUTION


# %% test="conv_params_visible" points=1
from autograder.mistakes import known
from cnnlib import check, ops


def reference(f, c, k, bias):
    return np.zeros((k, c, f, f)).size + (k if bias else 0)


check.function(
    conv_params, reference, [(5, 3, 10, True), (5, 3, 10, False)], returns="count", mistakes=known("conv_params")
)
check.equal(conv_params(5, 3, 10, True), 760, "the layer of the slides: the number of parameters")

# %% test="conv_params_hidden" points=2
# Hidden: other filters, depths and counts, with and without biases.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_adding(f, c, k, bias):
    return sum((1 if bias else 0) + sum(c for _ in range(f * f)) for _ in range(k))


cases = [(1, 64, 32, True), (3, 4, 2, False), (10, 1, 100, False), (7, 2, 5, True), (11, 3, 96, True)]
check.function(conv_params, by_adding, cases, returns="count", mistakes=known("conv_params"))
### END HIDDEN TESTS


# %% solution="fc_params"
def fc_params(n_in, n_out, bias):
    """The number of weights (and biases) of a fully connected layer."""
    ### BEGIN SOLUTION
    return n_out * (n_in + int(bias))
    ### END SOLUTION


# %% test="fc_params_visible" points=1
from autograder.mistakes import known
from cnnlib import check


def reference(n_in, n_out, bias):
    return np.zeros((n_out, n_in)).size + n_out * bool(bias)


check.function(
    fc_params, reference, [(3072, 100, False), (100, 10, True)], returns="count", mistakes=known("fc_params")
)

# %% test="fc_params_hidden" points=1
# Hidden: other sizes, among them the largest layer of the slides, 16x16x256 to
# 4096.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_adding(n_in, n_out, bias):
    return sum(n_in for _ in range(n_out)) + (n_out if bias else 0)


cases = [(16 * 16 * 256, 4096, False), (16 * 16 * 256, 4096, True), (3, 7, True), (7, 3, True), (1, 1, False)]
check.function(fc_params, by_adding, cases, returns="count", mistakes=known("fc_params"))
### END HIDDEN TESTS

# %% [markdown]
# ## Counting work
#
# Every output pixel is a sum of products, so the work of a layer is (output pixels) × (terms in each). The *MVA* slides
# write it for stride 1 without padding, with their own letters: $M$ input maps of $D \times D$ pixels, $N$ output maps,
# filters of $K \times K$ (here $K$ is a size, not a number of filters):
#
# $$\text{cost} = M \cdot K^2 \cdot N \cdot (D - K + 1)^2$$

# %%
demos.costs(size=64, filters=(16, 32, 64), outputs=1000)

# %% [markdown]
# Both axes are logarithmic. A weight of a convolution works at every place, so 448 parameters make 442,368
# multiply-adds; a weight of a fully connected layer works once.

# %% [markdown]
# ### Exercise 4 · conv_cost (4 points)
#
# The formula of the *MVA* slides as a function: the number of multiplications of one layer, stride 1, no padding, for one
# image.
#
# | | |
# |---|---|
# | `m`, `n` | numbers of input and of output maps |
# | `k` | the filters are k×k |
# | `d` | the input maps are d×d |
# | returns | an integer |
#
# One line, and no biases: these are additions.


# %% solution="conv_cost"
def conv_cost(m, n, k, d):
    """Multiplications of a layer: m maps of d x d in, n maps out, filters k x k, stride 1, no padding."""
    ### BEGIN SOLUTION
    return m * k**2 * n * (d - k + 1) ** 2
    ### END SOLUTION


# %% test="conv_cost_visible" points=1
from autograder.mistakes import known
from cnnlib import check


def reference(m, n, k, d):
    places = len(range(d - k + 1)) ** 2
    return places * n * np.zeros((m, k, k)).size


cases = [(3, 6, 5, 32), (1, 100, 10, 200)]
check.function(conv_cost, reference, cases, returns="cost", mistakes=known("conv_cost"))

# %% test="conv_cost_hidden" points=3
# Hidden: other numbers of maps, filters and sizes; a filter as large as the image;
# a filter of one pixel.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_looping(m, n, k, d):
    count = 0
    for _ in range(n):
        for _ in range(d - k + 1):
            count += (d - k + 1) * m * k * k
    return count


cases = [(2, 5, 3, 7), (64, 32, 1, 56), (4, 3, 6, 6), (16, 8, 5, 14), (1, 1, 1, 1)]
check.function(conv_cost, by_looping, cases, returns="cost", mistakes=known("conv_cost"))
### END HIDDEN TESTS

# %% [markdown]
# ## A filter of one pixel
#
# With $F = 1$ a filter sees a single pixel, and still makes sense: it goes through the full depth. On 56×56×64, each of 32
# filters of 1×1×64 takes the dot product of 64 numbers at every pixel, and the output is 56×56×32.

# %%
demos.dot_over_depth(channels=4, filters=2)

# %% [markdown]
# Every pixel is treated alike and alone. A 1×1 convolution mixes channels and leaves space as it is; networks use it to
# make depth smaller before costly layers.

# %% [markdown]
# ### Exercise 5 · conv1x1_forward (6 points)
#
# | | |
# |---|---|
# | `x` | (N, C, H, W) |
# | `w` | (K, C): one row per filter |
# | `b` | (K,) |
# | returns | (N, K, H, W) |
#
# $$\text{out}_{nkij} = b_k + \sum_c w_{kc}\; x_{ncij}$$
#
# About 3 lines, without a loop over pixels if you can.
#
# <details><summary>Hint</summary>
#
# `np.einsum("kc,ncij->nkij", w, x)` says the formula as it stands. Or: put the channels last, multiply with `w.T`, and put
# them back.
# </details>


# %% solution="conv1x1_forward"
def conv1x1_forward(x, w, b):
    """A convolution of 1x1 filters: x (N, C, H, W), w (K, C), b (K,) give (N, K, H, W)."""
    ### BEGIN SOLUTION
    return np.einsum("kc,ncij->nkij", w, x) + b[:, None, None]
    ### END SOLUTION


# %% test="conv1x1_forward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops


def reference(x, w, b):
    return ops.conv2d_forward(x, w[:, :, None, None], b)[0]


normal = np.random.default_rng(6).standard_normal
cases = [(normal((1, 2, 3, 3)), normal((2, 2)), normal(2)), (normal((2, 3, 2, 4)), normal((5, 3)), normal(5))]
check.function(conv1x1_forward, reference, cases, mistakes=known("conv1x1_forward"))

# %% test="conv1x1_forward_hidden" points=4
# Hidden: batches, depths and filters from 1 to 6, images that are not square,
# single pixels.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(41).standard_normal


def by_pixels(x, w, b):
    N, _, H, W = x.shape
    out = np.empty((N, len(w), H, W))
    for n, i, j in np.ndindex(N, H, W):
        out[n, :, i, j] = w @ x[n, :, i, j] + b
    return out


shapes = [
    ((1, 1, 1, 1), 1),
    ((3, 4, 2, 5), 4),
    ((2, 6, 4, 3), 2),
    ((1, 3, 3, 3), 3),
    ((4, 2, 1, 6), 6),
    ((4, 4, 4, 4), 4),
]
cases = [(normal(shape), normal((k, shape[1])), normal(k)) for shape, k in shapes]
check.function(conv1x1_forward, by_pixels, cases, mistakes=known("conv1x1_forward"))
### END HIDDEN TESTS

# %% [markdown]
# ## The layer as a grid of neurons
#
# There is another way to see the same layer. Every output pixel is a **neuron** with its own window, its *receptive field*;
# the neurons of one map share their weights, and neurons above one another look at the same window.

# %%
demos.neurons(size=32, f=5, filters=5)

# %% [markdown]
# Five filters make a grid of 28×28×5 neurons with nearly 300,000 connections; weight sharing leaves 380 numbers to learn.

# %% [markdown]
# ### Exercise 6 · neuron_grid (5 points)
#
# Count the neurons of a layer on a square image.
#
# | | |
# |---|---|
# | `n`, `c` | the image is n×n pixels with c channels |
# | `k`, `f` | k filters of f×f |
# | `stride`, `pad` | integers; the layer fits |
# | returns | the tuple `(grid, connections, weights)` |
#
# `grid` is the tuple (rows, columns, depth) of neurons; `connections` counts the inputs of all neurons together, the bias as
# one input; `weights` counts the different weights and biases. About 4 lines; your functions from above may help.


# %% solution="neuron_grid"
def neuron_grid(n, c, k, f, stride, pad):
    """(rows, columns, depth) of the neurons, their connections, and the different weights and biases among them."""
    ### BEGIN SOLUTION
    side = (n + 2 * pad - f) // stride + 1
    fan_in = f * f * c + 1
    return (side, side, k), side * side * k * fan_in, k * fan_in
    ### END SOLUTION


# %% test="neuron_grid_visible" points=2
from autograder.mistakes import known
from cnnlib import check


def reference(n, c, k, f, stride, pad):
    starts = range(0, n + 2 * pad - f + 1, stride)
    weights = k + np.zeros((k, c, f, f)).size
    return (len(starts), len(starts), k), weights * len(starts) ** 2, weights


cases = [(32, 3, 5, 5, 1, 0), (7, 1, 2, 3, 2, 0), (32, 3, 10, 5, 1, 2)]
check.function(neuron_grid, reference, cases, returns="grid, connections, weights", mistakes=known("neuron_grid"))

# %% test="neuron_grid_hidden" points=3
# Hidden: strides 1 to 4, paddings 0 to 3, single channels and filters, AlexNet's
# first layer.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_counting(n, c, k, f, stride, pad):
    places = [p for p in range(-pad, n + pad - f + 1, stride)]
    inputs = sum(1 for _ in places for _ in places) * k * (c * f**2 + 1)
    return (len(places), len(places), k), inputs, k * c * f**2 + k


cases = [(227, 3, 96, 11, 4, 0), (9, 2, 1, 3, 3, 0), (6, 1, 4, 5, 3, 1), (56, 64, 32, 1, 1, 0), (5, 4, 3, 7, 2, 3)]
check.function(neuron_grid, by_counting, cases, returns="grid, connections, weights", mistakes=known("neuron_grid"))
### END HIDDEN TESTS

# %% [markdown]
# ## The same layer in two libraries
#
# The four hyperparameters of the slides, as Keras and PyTorch call them. Ten filters of 5×5 on three channels, stride 1,
# padding 2:
#
# ```python
# keras.layers.Conv2D(filters=10, kernel_size=5, strides=1, padding="same")
# torch.nn.Conv2d(in_channels=3, out_channels=10, kernel_size=5, stride=1, padding=2)
# ```
#
# | slides | Keras | PyTorch and cnnlib |
# |---|---|---|
# | K, number of filters | `filters` | `out_channels` |
# | F, size | `kernel_size` | `kernel_size` |
# | S, stride | `strides` | `stride` |
# | P, padding | `padding="valid"` (0) or `"same"` | `padding`, a number |
# | C, depth | found from the input | `in_channels` |
# | order of an image batch | (N, H, W, C) | (N, C, H, W) |

# %%
from cnnlib import nn, summary

summary(nn.Conv2d(in_channels=3, out_channels=10, kernel_size=5, stride=1, padding=2), (3, 32, 32))

# %% [markdown]
# `summary` counts on paper, as you did: 32×32×10 outputs and 760 parameters. The last column is the receptive field.

# %% [markdown]
# ## Recap
#
# - A filter fits (N + 2P − F)/S + 1 times. The slides refuse fractions, libraries round down.
# - P = (F − 1)/2 keeps the size at stride 1, for odd F. F = 5 with S = 2 fits no even width.
# - K(F·F·C + 1) parameters, whatever the image's size. M·K²·N·(D − K + 1)² multiplications.
# - 1×1 filters are dot products over depth.
# - A layer is a grid of neurons; those of one map share their weights.
#
# Lesson 5 runs the layer of lesson 3 backward, and these sizes tell where every gradient belongs.

# %% [markdown]
# ## Your question (2 points)
#
# Write one question about this lesson: something that stayed unclear, that surprised you, or that you would like to
# try. A typical question earns 1 point, one that shows thought earns 2.

# %% [markdown] answer="your_question" points=2
# *For whoever marks this.* A typical question (1 point) is answered in the lesson: "Why do the 760 parameters not depend on
# 32×32?" One that shows thought (2 points) goes a step further: "Same padding feeds zeros to the filters at the rim. Do maps
# become worse there, layer after layer, and would mirrored pixels be better than zeros?"
