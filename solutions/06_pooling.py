# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   autograder: {withheld: [cnnlib.ops.max_pool2d_forward, cnnlib.ops.max_pool2d_backward, cnnlib.ops.max_pool2d_switches, cnnlib.ops.avg_pool2d_forward, cnnlib.ops.avg_pool2d_backward, cnnlib.ops.global_avg_pool2d_forward, cnnlib.ops.l2_pool2d_forward, cnnlib.ops.l2_pool2d_backward, cnnlib.ops.l2_pool_features_forward, cnnlib.ops.local_contrast_norm_forward, cnnlib.ops.conv2d_forward, cnnlib.ops.fast, cnnlib.arithmetic.receptive_field, cnnlib.ops.roi_pool_forward, cnnlib.ops.conv_transpose2d_forward, cnnlib.ops.locally_connected2d_forward, cnnlib.ops.matmul_backward]}
# ---

# %% [markdown]
# # 6 · Pooling and receptive fields
#
# You write the layers that make maps smaller, forward and backward, and learn how much of the image a unit deep in a
# network sees.
#
# **Slides**: *CS231n (Samara)* and *Princeton COS 429*, pooling layer; *MVA*, kinds of pooling; *KAIST*, contrast
# normalization; *INRIA*, receptive fields.
#
# **Time**: about two and a half hours.

# %% tags=["setup"]
import numpy as np

from cnnlib import check, demos

check.withhold(
    "cnnlib.ops.max_pool2d_forward", "cnnlib.ops.max_pool2d_backward", "cnnlib.ops.max_pool2d_switches",
    "cnnlib.ops.avg_pool2d_forward", "cnnlib.ops.avg_pool2d_backward", "cnnlib.ops.global_avg_pool2d_forward",
    "cnnlib.ops.l2_pool2d_forward", "cnnlib.ops.l2_pool2d_backward", "cnnlib.ops.l2_pool_features_forward",
    "cnnlib.ops.local_contrast_norm_forward", "cnnlib.ops.conv2d_forward", "cnnlib.ops.fast",
    "cnnlib.arithmetic.receptive_field", "cnnlib.ops.roi_pool_forward", "cnnlib.ops.conv_transpose2d_forward",
    "cnnlib.ops.locally_connected2d_forward", "cnnlib.ops.matmul_backward",
)  # fmt: skip

# %% [markdown]
# ## A window becomes one number
#
# A pooling layer slides a window over each map by itself, mostly with stride 2, and keeps one number of every window:
# its maximum, its average, or its length (**L2**, the root of the sum of squares). It has no weights to learn. The
# depth stays, height and width shrink: M maps of D×D in windows of K×K side by side become M maps of D/K×D/K (in
# *MVA*'s letters). Common are 2×2 windows with stride 2, and 3×3 with stride 2.

# %%
demos.summaries(kind="maximum", window=1)

# %% [markdown]
# The maxima are 6, 8, 3 and 4. Move the sliders to see the other kinds; three quarters of the numbers are gone each
# time.

# %% [markdown]
# ## What is gained
#
# Take a filter that finds edges. Where exactly the edge lies, by a pixel or two, often does not matter: a letter that
# moves a little is the same letter.

# %%
demos.shift(kind="maximum")

# %% [markdown]
# After two pixels the filter's map has little in common with that of the letter at rest; pooled, it changes more slowly.
# Move the slider to 4: pooling makes a layer more tolerant of small shifts, but not blind to them.

# %% [markdown]
# ### Exercise 1 · pool_forward (6 points)
#
# | | |
# |---|---|
# | `x` | (N, C, H, W) |
# | `size`, `stride` | integers: windows of size×size, stride pixels apart, no padding |
# | `kind` | `"max"`, `"avg"` or `"l2"` |
# | returns | `out, cache`: out is (N, C, H′, W′), cache the tuple `(x, size, stride, kind)` |
#
# H′ = (H − size) // stride + 1, and W′ likewise: as libraries do, round down where a stride does not fit.
#
# $$\max_{u,v} x_{n,c,iS+u,jS+v} \qquad \frac{1}{F^2}\sum_{u,v} x_{n,c,iS+u,jS+v} \qquad \sqrt{\sum_{u,v} x_{n,c,iS+u,jS+v}^2}$$
#
# About 12 lines. `"max"` earns part of the points alone. (Libraries pool with padding too; these slides call it unusual.)
#
# <details><summary>Hint</summary>
#
# Two loops over the output pixels. `x[:, :, i*stride : i*stride+size, j*stride : j*stride+size]` is the window for all
# images and channels; `.max(axis=(2, 3))` makes one number of each.
# </details>


# %% solution="pool_forward"
def pool_forward(x, size, stride, kind):
    """Pooling of x (N, C, H, W) by windows of size x size; kind is "max", "avg" or "l2".

    Returns out (N, C, H', W') and the cache (x, size, stride, kind).
    """
    ### BEGIN SOLUTION
    N, C, H, W = x.shape
    out = np.zeros((N, C, (H - size) // stride + 1, (W - size) // stride + 1))
    for i, j in np.ndindex(out.shape[2:]):
        window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        if kind == "max":
            out[:, :, i, j] = window.max(axis=(2, 3))
        elif kind == "avg":
            out[:, :, i, j] = window.mean(axis=(2, 3))
        else:
            out[:, :, i, j] = np.sqrt((window**2).sum(axis=(2, 3)))
    return out, (x, size, stride, kind)
    ### END SOLUTION


# %% test="pool_forward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops

kinds = {"max": ops.max_pool2d_forward, "avg": ops.avg_pool2d_forward, "l2": ops.l2_pool2d_forward}
slide = np.array([[[[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]]])
noise = np.random.default_rng(1).standard_normal((2, 3, 5, 8))
cases = [case for kind in kinds for case in [(slide, 2, 2, kind), (noise, 3, 2, kind)]]


def reference(x, size, stride, kind):
    return kinds[kind](x, size, stride)


check.function(pool_forward, reference, cases, returns="out, ...", mistakes=known("pool_forward"))

# %% test="pool_forward_max" points=2
# Hidden: the maximum, of negative numbers too; windows that overlap, touch and
# leave gaps; images that are not square; strides that do not fit.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(61).standard_normal


def by_sorting(x, size, stride, kind):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.sort(windows.reshape(*windows.shape[:4], -1), axis=4)[..., -1], None


cases = [
    (normal((1, 1, 4, 4)), 2, 2, "max"),
    (normal((2, 3, 6, 8)) - 5, 2, 2, "max"),
    (normal((3, 1, 7, 5)), 3, 2, "max"),
    (normal((1, 2, 5, 6)), 3, 1, "max"),
    (normal((2, 2, 8, 7)), 2, 3, "max"),
    (normal((1, 4, 6, 7)), 4, 2, "max"),
    (normal((2, 1, 3, 3)), 3, 3, "max"),
    (normal((1, 1, 2, 3)), 1, 1, "max"),
]
check.function(pool_forward, by_sorting, cases, returns="out, ...", mistakes=known("pool_forward"))
### END HIDDEN TESTS

# %% test="pool_forward_avg_l2" points=2
# Hidden: the average and the length, for other shapes, sizes and strides.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(62).standard_normal


def by_tables(x, size, stride, kind):
    """Sums of windows from a summed-area table."""
    table = np.pad((x if kind == "avg" else x**2).cumsum(axis=2).cumsum(axis=3), ((0, 0), (0, 0), (1, 0), (1, 0)))
    high, wide = table[:, :, size:] - table[:, :, :-size], slice(None, None, stride)
    sums = (high[..., size:] - high[..., :-size])[:, :, wide, wide]
    return (sums / size**2 if kind == "avg" else np.sqrt(sums)), None


cases = [
    (normal(shape), size, stride, kind)
    for kind in ("avg", "l2")
    for shape, size, stride in [
        ((1, 1, 4, 4), 2, 2),
        ((2, 3, 6, 8), 2, 2),
        ((3, 1, 7, 5), 3, 2),
        ((1, 2, 5, 6), 3, 1),
        ((2, 2, 8, 7), 2, 3),
        ((1, 4, 6, 7), 4, 2),
    ]
]
check.function(pool_forward, by_tables, cases, returns="out, ...", mistakes=known("pool_forward"))
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 2 · The task of the slides, by hand (3 points)
#
# The *CS231n (Samara)* slides end with homework. Take a pencil. The image, and the one filter:
#
# $$\begin{pmatrix}1&2&3&4&5\\2&2&1&1&1\\3&2&1&1&1\\4&1&1&1&1\\5&1&1&1&1\end{pmatrix} \qquad
# \begin{pmatrix}0&-1&0\\1&1&1\\0&-1&0\end{pmatrix}$$
#
# go through conv (stride 2, no padding, no bias) → ReLU → max pooling 2×2. Return what each of the three layers gives:
# `conv` and `relu` as 2×2 lists or arrays, `pooled` as a number. The visible test knows only the sums of the squares.
#
# <details><summary>Hint</summary>
#
# Five numbers of each window count: the middle row with +1, the ones above and below the middle with −1.
# </details>


# %% solution="five_by_five"
def five_by_five():
    """The homework of the slides: conv (2, 2), relu (2, 2) and pooled, a number."""
    ### BEGIN SOLUTION
    conv = np.array([[1, -2], [3, 1]])
    relu = np.array([[1, 0], [3, 1]])
    return conv, relu, 3
    ### END SOLUTION


# %% test="five_by_five_visible" points=1
from cnnlib import check


def squares(image):
    conv, relu, _ = five_by_five()
    return [np.square(np.asarray(layer, float)).sum() for layer in (conv, relu)]


name = "what five_by_five returns, squared and added up, for conv and for relu"
check.function(squares, lambda image: [15, 11], [(np.ones((5, 5)),)], returns="sums of squares", name=name)

# %% test="five_by_five_hidden" points=2
# Hidden: the numbers themselves.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_shifts():
    x = np.array([[1, 2, 3, 4, 5], [2, 2, 1, 1, 1], [3, 2, 1, 1, 1], [4, 1, 1, 1, 1], [5, 1, 1, 1, 1]])
    conv = (x[1:-1, :-2] + x[1:-1, 1:-1] + x[1:-1, 2:] - x[:-2, 1:-1] - x[2:, 1:-1])[::2, ::2]
    return conv, (conv + abs(conv)) // 2, max(conv.max(), 0)


homework = [check.case(says="the 5×5 image of the slides")]
check.function(five_by_five, by_shifts, homework, returns="conv, relu, pooled", mistakes=known("five_by_five"))
### END HIDDEN TESTS

# %% [markdown]
# ## Where a maximum sends its gradient
#
# Move the largest number of a window a little, and the output moves by just as much. Move another, and nothing happens.
# So the local gradient is 1 at the maximum and 0 elsewhere: the whole upstream gradient goes to the **winner**. Two
# windows that overlap may have the same winner; it collects from both.

# %%
demos.max_gradient(stride=2)

# %% [markdown]
# The 6 in the middle wins two windows and gets 4 + 5. In the last window 6 stands twice: in a **tie**, which one wins?
# The slides do not say. Our convention, and PyTorch's: the **first** maximum, reading row by row, takes all.

# %% [markdown]
# ### Exercise 3 · max_pool_backward (8 points)
#
# | | |
# |---|---|
# | `dout` | (N, C, H′, W′), the upstream gradient |
# | `cache` | the tuple `(x, size, stride, "max")` |
# | returns | `dx`, (N, C, H, W) |
#
# In ties the first maximum takes the gradient. About 9 lines.
#
# <details><summary>Hint: the winner</summary>
#
# Loop over `n, c, i, j`. `window.argmax()` is the place of the first maximum, counted row by row in the window;
# `divmod(place, size)` gives its row and column there.
# </details>
# <details><summary>Hint: the sum</summary>
#
# In `x`, the window starts at row `i*stride` and column `j*stride`. Add with `+=`.
# </details>


# %% solution="max_pool_backward"
def max_pool_backward(dout, cache):
    """dx (N, C, H, W) of max pooling: every window's gradient goes to its first maximum."""
    ### BEGIN SOLUTION
    x, size, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        window = x[n, c, i * stride : i * stride + size, j * stride : j * stride + size]
        row, column = divmod(window.argmax(), size)
        dx[n, c, i * stride + row, j * stride + column] += dout[n, c, i, j]
    return dx
    ### END SOLUTION


# %% test="max_pool_backward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops

rng = np.random.default_rng(2)
ties = rng.integers(0, 3, size=(2, 2, 5, 7)).astype(float)
cases = [(rng.normal(size=(1, 1, 2, 2)), (rng.normal(size=(1, 1, 4, 4)), 2, 2, "max"))]
cases.append((rng.normal(size=(2, 2, 2, 3)), (ties, 3, 2, "max")))


def reference(dout, cache):
    return ops.max_pool2d_backward(dout, ops.max_pool2d_forward(*cache[:3])[1])


check.function(max_pool_backward, reference, cases, returns="dx", mistakes=known("max_pool_backward"))

# %% test="max_pool_backward_apart" points=2
# Hidden: windows that touch or leave gaps, no ties; batches and channels from 1 to
# 3; images that are not square.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(63).standard_normal


def by_spreading(dout, cache):
    """Every pixel compared with the maximum of its window, both spread to the size of x."""
    x, size, stride, _ = cache
    H, W = ((n - 1) * stride + size for n in dout.shape[2:])
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    at = [np.minimum(np.arange(n) // stride, m - 1) for n, m in ((H, dout.shape[2]), (W, dout.shape[3]))]
    dx = np.zeros(x.shape)
    wins = x[:, :, :H, :W] == windows.max(axis=(4, 5))[:, :, at[0]][..., at[1]]
    dx[:, :, :H, :W] = np.where(wins, dout[:, :, at[0]][..., at[1]], 0)
    return dx


cases = [
    (normal((1, 1, 2, 2)), (normal((1, 1, 4, 4)), 2, 2, "max")),
    (normal((2, 3, 3, 2)), (normal((2, 3, 6, 4)) - 4, 2, 2, "max")),
    (normal((3, 1, 2, 2)), (normal((3, 1, 6, 8)), 3, 3, "max")),
    (normal((1, 2, 2, 3)), (normal((1, 2, 5, 8)), 2, 3, "max")),
    (normal((2, 2, 3, 4)), (normal((2, 2, 3, 4)), 1, 1, "max")),
]
check.function(max_pool_backward, by_spreading, cases, returns="dx", mistakes=known("max_pool_backward"))
### END HIDDEN TESTS

# %% test="max_pool_backward_overlap" points=2
# Hidden: windows that overlap, against differences of a forward pass.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(64)


def forward(x, size, stride, kind):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.max(axis=(4, 5)), (x, size, stride, kind)


def apart(*shape):
    """Numbers of which no two are close, so that no small step changes a winner."""
    return rng.permutation(np.prod(shape)).reshape(shape) / 7


cases = [
    (apart(1, 1, 5, 5), 3, 2, "max"),
    (apart(2, 2, 5, 7), 3, 2, "max"),
    (apart(1, 3, 4, 6), 3, 1, "max"),
    (apart(2, 1, 8, 6), 4, 2, "max"),
    (apart(1, 2, 6, 7), 2, 1, "max"),
]
check.gradient(forward, max_pool_backward, cases, wrt=["x"], mistakes=known("max_pool_backward"))
### END HIDDEN TESTS

# %% test="max_pool_backward_ties" points=2
# Hidden: ties in many windows, also after a ReLU, where whole windows are 0.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(65)


def by_nudging(dout, cache):
    """An earlier number is made larger by a little, so that no tie is left; then each offset of the window is asked."""
    x, size, stride, _ = cache
    rank = np.arange(x.shape[2] * x.shape[3])[::-1].reshape(x.shape[2:])
    x, dx = x + 1e-6 * rank, np.zeros(x.shape)
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    largest = windows.max(axis=(4, 5))
    for u, v in np.ndindex(size, size):
        place = np.s_[
            :, :, u : u + stride * (dout.shape[2] - 1) + 1 : stride, v : v + stride * (dout.shape[3] - 1) + 1 : stride
        ]
        dx[place] += np.where(windows[..., u, v] == largest, dout, 0)
    return dx


cases = []
for shape, size, stride in [((1, 1, 4, 4), 2, 2), ((2, 3, 6, 4), 2, 2), ((2, 2, 5, 7), 3, 2), ((1, 2, 6, 5), 3, 1)]:
    for x in (rng.integers(0, 3, size=shape).astype(float), np.maximum(rng.integers(-4, 3, size=shape), 0.0)):
        out = [(n - size) // stride + 1 for n in shape[2:]]
        cases.append((rng.normal(size=(*shape[:2], *out)), (x, size, stride, "max")))
check.function(max_pool_backward, by_nudging, cases, returns="dx", mistakes=known("max_pool_backward"))
### END HIDDEN TESTS

# %% [markdown]
# ## Winner takes all, or everybody gets a share
#
# In an average each of the $F^2$ numbers counts $1/F^2$. In a length, the derivative by $x_q$ is
#
# $$\frac{\partial}{\partial x_q}\sqrt{\textstyle\sum_p x_p^2} = \frac{x_q}{\text{out}}$$
#
# so a number's share grows with the number. Where all are 0, so is `out`, and there is no derivative; we take 0.

# %%
demos.shares()

# %% [markdown]
# The same window, the same upstream gradient of 10. L2 pooling lies between the other two: large numbers get more, but
# not all.

# %% [markdown]
# ### Exercise 4 · avg_l2_pool_backward (6 points)
#
# | | |
# |---|---|
# | `dout` | (N, C, H′, W′) |
# | `cache` | the tuple `(x, size, stride, kind)`; kind is `"avg"` or `"l2"` |
# | returns | `dx`, (N, C, H, W) |
#
# Windows may overlap. An L2 window of zeros gives zeros. About 11 lines; `"avg"` earns part of the points alone.
#
# <details><summary>Hint</summary>
#
# Loop over `i, j` and add to the window of `dx` for all images and channels. `dout[:, :, i, j]` is (N, C);
# `dout[:, :, i, j][:, :, None, None]` spreads over a window. For the zeros, divide by `np.where(length > 0, length, 1)`.
# </details>


# %% solution="avg_l2_pool_backward"
def avg_l2_pool_backward(dout, cache):
    """dx (N, C, H, W) of average pooling or L2 pooling."""
    ### BEGIN SOLUTION
    x, size, stride, kind = cache
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        g = dout[:, :, i, j][:, :, None, None]
        if kind == "avg":
            dx[place] += g / size**2
        else:
            length = np.sqrt((x[place] ** 2).sum(axis=(2, 3), keepdims=True))
            dx[place] += g * x[place] / np.where(length > 0, length, 1)
    return dx
    ### END SOLUTION


# %% test="avg_l2_pool_backward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops

normal = np.random.default_rng(3).standard_normal
shapes = [((1, 1, 2, 2), (1, 1, 4, 4), 2, 2), ((2, 3, 2, 3), (2, 3, 5, 8), 3, 2)]
cases = [(normal(out), (normal(x), *window, kind)) for kind in ("avg", "l2") for out, x, *window in shapes]


def reference(dout, cache):
    forward, backward = (getattr(ops, f"{cache[3]}_pool2d_{way}") for way in ("forward", "backward"))
    return backward(dout, forward(*cache[:3])[1])


check.function(avg_l2_pool_backward, reference, cases, returns="dx", mistakes=known("avg_l2_pool_backward"))

# %% test="avg_l2_pool_backward_avg" points=2
# Hidden: the average; windows that overlap, touch and leave gaps.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(66).standard_normal


def by_matrices(dout, cache):
    """Average pooling is linear: a matrix for the rows and one for the columns; their transposes lead back."""
    x, size, stride, _ = cache
    rows, columns = (
        np.array([[(0 <= q - i * stride < size) / size for q in range(n)] for i in range(m)])
        for n, m in zip(x.shape[2:], dout.shape[2:], strict=True)
    )
    return rows.T @ dout @ columns


cases = [
    (normal((1, 1, 2, 2)), (normal((1, 1, 4, 4)), 2, 2, "avg")),
    (normal((3, 2, 2, 3)), (normal((3, 2, 5, 7)), 3, 2, "avg")),
    (normal((1, 3, 2, 4)), (normal((1, 3, 4, 6)), 3, 1, "avg")),
    (normal((2, 1, 2, 3)), (normal((2, 1, 5, 8)), 2, 3, "avg")),
    (normal((2, 2, 3, 2)), (normal((2, 2, 8, 6)), 4, 2, "avg")),
]
check.function(avg_l2_pool_backward, by_matrices, cases, returns="dx", mistakes=known("avg_l2_pool_backward"))
### END HIDDEN TESTS

# %% test="avg_l2_pool_backward_l2" points=2
# Hidden: the length, against differences of a forward pass; and windows of zeros.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(67).standard_normal


def forward(x, size, stride, kind):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.linalg.norm(windows, axis=(4, 5)), (x, size, stride, kind)


def by_shifts(dout, cache):
    x, size, stride, _ = cache
    out, dx = forward(*cache)[0], np.zeros(x.shape)
    for u, v in np.ndindex(size, size):
        rows, columns = (
            slice(a, a + stride * (n - 1) + 1, stride) for a, n in zip((u, v), dout.shape[2:], strict=True)
        )
        dx[:, :, rows, columns] += np.divide(
            dout * x[:, :, rows, columns], out, out=np.zeros(dout.shape), where=out > 0
        )
    return dx


cases = [
    (normal((1, 1, 4, 4)), 2, 2, "l2"),
    (normal((2, 2, 5, 7)), 3, 2, "l2"),
    (normal((1, 3, 4, 6)), 3, 1, "l2"),
    (normal((2, 1, 5, 8)), 2, 3, "l2"),
]
check.gradient(forward, avg_l2_pool_backward, cases, wrt=["x"], mistakes=known("avg_l2_pool_backward"))

x = normal((2, 2, 6, 6))
x[0, 0, :4, :4] = x[1, 1] = 0
cases = [(normal((2, 2, 3, 3)), (x, 2, 2, "l2")), (normal((2, 2, 4, 4)), (x, 3, 1, "l2"))]
check.function(avg_l2_pool_backward, by_shifts, cases, returns="dx", mistakes=known("avg_l2_pool_backward"))
### END HIDDEN TESTS

# %% [markdown]
# ## Pooling over features
#
# The *MVA* slides also pool **across** maps: at every pixel, the length of the vector of several features. One filter
# answers to upright edges, one to level edges; the length of both answers to any edge.

# %%
demos.all_edges(name="coffee")

# %% [markdown]
# The two maps have signs (orange and purple) and blind directions; the pooled map has neither. Here pooling made the
# layer tolerant of turning, not of shifting.

# %% [markdown]
# ### Exercise 5 · l2_pool_over_features (3 points)
#
# | | |
# |---|---|
# | `x` | (N, C, H, W), with C a multiple of pieces |
# | `pieces` | how many neighbouring channels make one |
# | returns | (N, C / pieces, H, W) |
#
# $$\text{out}_{n,d} = \sqrt{x_{n,\,dp}^2 + x_{n,\,dp+1}^2 + \dots + x_{n,\,dp+p-1}^2} \qquad (p = \text{pieces})$$
#
# About 3 lines; no backward pass.
#
# <details><summary>Hint</summary>
#
# A reshape to (N, C // pieces, pieces, H, W) gives each group an axis of its own.
# </details>


# %% solution="l2_pool_over_features"
def l2_pool_over_features(x, pieces):
    """The length over groups of neighbouring channels: x (N, C, H, W) gives (N, C / pieces, H, W)."""
    ### BEGIN SOLUTION
    N, C, H, W = x.shape
    groups = x.reshape(N, C // pieces, pieces, H, W)
    return np.sqrt((groups**2).sum(axis=2))
    ### END SOLUTION


# %% test="l2_pool_over_features_visible" points=1
from autograder.mistakes import known
from cnnlib import check, ops


def reference(x, pieces):
    return ops.l2_pool_features_forward(x, pieces)[0]


normal = np.random.default_rng(4).standard_normal
cases = [(normal((1, 2, 2, 2)), 2), (normal((2, 6, 2, 3)), 3)]
check.function(l2_pool_over_features, reference, cases, mistakes=known("l2_pool_over_features"))

# %% test="l2_pool_over_features_hidden" points=2
# Hidden: groups of 1, 2, 3, 4 and all channels.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(68).standard_normal


def by_matrix(x, pieces):
    """A matrix of zeros and ones adds up the squares."""
    groups = np.kron(np.eye(x.shape[1] // pieces), np.ones(pieces))
    return np.sqrt(np.einsum("dc,nchw->ndhw", groups, x**2))


cases = [
    (normal((2, 6, 3, 2)), 2),
    (normal((1, 9, 2, 4)), 3),
    (normal((3, 4, 1, 3)), 4),
    (normal((2, 3, 2, 2)), 1),
    (normal((1, 8, 3, 3)), 4),
]
check.function(l2_pool_over_features, by_matrix, cases, mistakes=known("l2_pool_over_features"))
### END HIDDEN TESTS

# %% [markdown]
# ## Contrast normalisation
#
# The *KAIST* slides place one more layer without weights before pooling (Jarrett et al., 2009). From every pixel,
# subtract the mean of its neighbourhood; then divide by the deviation there. A Gaussian window says how much each
# neighbour counts, and the mean runs over all channels.

# %%
demos.contrast(name="brick", dark=0.2)

# %% [markdown]
# Subtracting evens out the light, dividing brings back the contrast. Not all of it: where there is less to see than on
# average, the layer divides by the average instead, or it would blow up noise.

# %% [markdown]
# ### Exercise 6 · local_contrast_norm (5 points)
#
# | | |
# |---|---|
# | `x` | (C, H, W), one image |
# | `window` | (F, F) weights, F odd |
# | returns | (C, H, W) |
#
# Write $\bar a$ for the weighted mean of $a$ around a pixel, over all C channels: an array (H, W). At the rim it runs
# over the pixels that exist, so divide by the sum of *their* weights. Then, with $m$ the mean of $\sigma$ over the
# image:
#
# $$v = x - \bar x \qquad \sigma = \sqrt{\overline{v^2}} \qquad \text{out} = \frac{v}{\max(\sigma,\ m,\ 10^{-4})}$$
#
# About 12 lines.
#
# <details><summary>Hint</summary>
#
# Write a helper `around(a)` for an array (H, W): zero-pad both `a` and an array of ones by F // 2. At each pixel, the sum
# of window times padded `a`, divided by the sum of window times padded ones. Call it with the mean over the channels.
# </details>


# %% solution="local_contrast_norm"
def local_contrast_norm(x, window):
    """Subtracts the local mean of x (C, H, W) and divides by the local deviation; window (F, F) weighs the neighbours."""
    ### BEGIN SOLUTION
    F = len(window)

    def around(a):
        padded, inside = np.pad(a, F // 2), np.pad(np.ones(a.shape), F // 2)
        mean = np.zeros(a.shape)
        for i, j in np.ndindex(a.shape):
            place = np.s_[i : i + F, j : j + F]
            mean[i, j] = (window * padded[place]).sum() / (window * inside[place]).sum()
        return mean

    v = x - around(x.mean(axis=0))
    sigma = np.sqrt(around((v**2).mean(axis=0)))
    return v / np.maximum(sigma, max(sigma.mean(), 1e-4))
    ### END SOLUTION


# %% test="local_contrast_norm_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops


def reference(x, window):
    return ops.local_contrast_norm_forward(x[None], window=window)[0][0]


rng, bell = np.random.default_rng(5), np.outer([1, 2, 1], [1, 2, 1]) / 16
cases = [(rng.normal(size=(1, 5, 6)), bell), (3 + rng.normal(size=(3, 6, 5)), bell)]
check.function(local_contrast_norm, reference, cases, mistakes=known("local_contrast_norm"))

# %% test="local_contrast_norm_hidden" points=3
# Hidden: windows of 1, 3 and 5 pixels, weights that do not sum to 1, several
# channels, a flat image.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(69)


def by_matrix(x, window):
    """One matrix holds the weight of every pixel in every pixel's mean."""
    _, H, W = x.shape
    y, x_ = np.divmod(np.arange(H * W), W)
    down, along = y - y[:, None] + len(window) // 2, x_ - x_[:, None] + len(window) // 2
    near = (down >= 0) & (down < len(window)) & (along >= 0) & (along < len(window))
    weights = np.where(near, window[np.where(near, down, 0), np.where(near, along, 0)], 0)
    weights = weights / weights.sum(axis=1, keepdims=True)
    flat = x.reshape(len(x), -1)
    v = flat - weights @ flat.mean(axis=0)
    deviation = np.sqrt(weights @ (v**2).mean(axis=0))
    return (v / np.clip(deviation, max(deviation.mean(), 1e-4), None)).reshape(x.shape)


cases = [
    (rng.normal(size=(1, 4, 4)), rng.uniform(0.1, 1, (3, 3))),
    (5 + rng.normal(size=(3, 6, 7)) * np.linspace(0.2, 3, 7), rng.uniform(0.1, 1, (3, 3))),
    (2 + rng.normal(size=(2, 7, 5)), rng.uniform(0.1, 1, (5, 5))),
    (rng.normal(size=(4, 3, 4)), rng.uniform(0.1, 1, (1, 1))),
    (rng.normal(size=(1, 3, 8)) * 4 - 2, rng.uniform(0.1, 1, (5, 5))),
    (np.full((2, 4, 5), 0.5), np.ones((3, 3)) / 8),
]
check.function(local_contrast_norm, by_matrix, cases, mistakes=known("local_contrast_norm"))
### END HIDDEN TESTS

# %% [markdown]
# ## How far does a unit see?
#
# The **receptive field** of a unit is the part of the image that can change it. A layer of size $F$ and stride 1 widens
# it by $F - 1$ (*INRIA*). A convolution of K×K and a pooling of P×P after it give $(P+K-1)^2$ pixels (*MVA*, where P is
# a size). After a stride of 2, a step counts for two pixels: all later layers widen the field twice as fast.

# %%
demos.field_of_view(layers=((3, 1), (2, 2), (3, 1), (2, 2), (3, 1), (2, 2)))

# %% [markdown]
# Move the slider: 3, 4, 8, 10, 18, 22 pixels. With `layers=((3, 1),) * 6` it is 3, 5, 7, 9, 11, 13. With strides the
# field grows exponentially, without them linearly.

# %% [markdown]
# ### Exercise 7 · receptive_field (4 points)
#
# | | |
# |---|---|
# | `layers` | a list of pairs (size, stride), first layer first; convolutions and pooling alike |
# | returns | how many input pixels lie from the first to the last that one unit depends on, along one direction |
#
# A layer widens the field by (size − 1) steps; a step is as long as the product of the strides of all layers **before**
# it. No layers give 1. About 5 lines.
#
# <details><summary>Hint</summary>
#
# Keep two numbers, `field` and `step`, both 1 at first. In which order must a layer change them?
# </details>


# %% solution="receptive_field"
def receptive_field(layers):
    """The receptive field, in pixels along one direction, of a unit after layers of (size, stride)."""
    ### BEGIN SOLUTION
    field, step = 1, 1
    for size, stride in layers:
        field += (size - 1) * step
        step *= stride
    return field
    ### END SOLUTION


# %% test="receptive_field_visible" points=1
from autograder.mistakes import known
from cnnlib import arithmetic, check

pool = [[(5, 1), (2, 2)], [(7, 1), (3, 3)]]  # the MVA slides: 2 + 5 - 1 and 3 + 7 - 1
cases = [(layers,) for layers in [*pool, [(3, 1)] * 4, [(3, 1), (2, 2)] * 3, []]]
check.function(receptive_field, arithmetic.receptive_field, cases, returns="field", mistakes=known("receptive_field"))

# %% test="receptive_field_hidden" points=3
# Hidden: other stacks, strides larger than the size, AlexNet's and LeNet's first
# layers.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_walking_back(layers):
    """The first and the last pixel that unit 0 depends on, layer by layer down to the input."""
    first = last = 0
    for size, stride in layers[::-1]:
        first, last = first * stride, last * stride + size - 1
    return last - first + 1


cases = [
    ([(5, 1), (2, 2), (5, 1), (2, 2)],),
    ([(11, 4), (3, 2), (5, 1), (3, 2)],),
    ([(3, 2), (3, 2), (3, 2), (3, 2)],),
    ([(2, 3), (4, 1)],),
    ([(1, 2), (3, 1), (1, 1), (7, 3), (2, 2)],),
    ([(9, 4)],),
    ([(3, 1), (3, 1), (2, 2), (3, 1), (3, 1), (2, 2), (3, 1)],),
]
check.function(receptive_field, by_walking_back, cases, returns="field", mistakes=known("receptive_field"))
### END HIDDEN TESTS

# %% [markdown]
# ## A fully connected layer is a convolution
#
# After the last pooling, classic networks unroll the maps and connect everything. From 16×16×256 to 4096 units that
# takes 16·16·256·4096 = **268,435,456** weights (*INRIA*: "256 million"). But a fully connected unit is a filter as
# large as the map: without padding it fits in one place and gives a 1×1 map. And a filter also runs over a **larger**
# map.

# %%
demos.read_a_line(count=8)

# %% [markdown]
# Ten units learned from single digits of 8×8. As ten filters they read a whole line in one pass, a score for each place.
# So networks find things in large images, or label every pixel.

# %% [markdown]
# ### Exercise 8 · fc_as_conv (3 points)
#
# | | |
# |---|---|
# | `w` | (K, C·H·W): a row per unit; the maps were unrolled in the order (C, H, W) |
# | `shape` | the tuple (C, H, W) |
# | returns | (K, C, H, W), the same layer as filters |
#
# Correlating one image of that shape with filter $k$ must give `w[k] @ image.ravel()`. One line.


# %% solution="fc_as_conv"
def fc_as_conv(w, shape):
    """The weights (K, C*H*W) of a fully connected layer on maps of shape (C, H, W), as filters (K, C, H, W)."""
    ### BEGIN SOLUTION
    return w.reshape(len(w), *shape)
    ### END SOLUTION


# %% test="fc_as_conv_visible" points=1
from autograder.mistakes import known
from cnnlib import check, ops


def reference(w, shape):
    return ops.col2im(w, (len(w), *shape), shape[1:], 1, 0)  # every row is the only window of an image


normal = np.random.default_rng(6).standard_normal
cases = [(normal((2, 9)), (1, 3, 3)), (normal((4, 24)), (2, 3, 4))]
check.function(fc_as_conv, reference, cases, returns="filters", mistakes=known("fc_as_conv"))

# %% test="fc_as_conv_hidden" points=2
# Hidden: other shapes; and the filters on a larger image against the layer on each
# of its windows.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(70).standard_normal


def by_places(w, shape):
    filters = np.empty((len(w), *shape))
    for at, place in enumerate(np.ndindex(*shape)):
        filters[(slice(None), *place)] = w[:, at]
    return filters


def students_scores(w, shape, image):
    windows = np.lib.stride_tricks.sliding_window_view(image, shape[1:], axis=(1, 2))
    return np.einsum("cijuv,kcuv->kij", windows, np.asarray(fc_as_conv(w, shape)))


def scores(w, shape, image):
    windows = np.lib.stride_tricks.sliding_window_view(image, shape[1:], axis=(1, 2)).transpose(1, 2, 0, 3, 4)
    return (windows.reshape(*windows.shape[:2], -1) @ w.T).transpose(2, 0, 1)


cases = [
    (normal((3, 12)), (3, 2, 2)),
    (normal((1, 30)), (2, 5, 3)),
    (normal((5, 8)), (8, 1, 1)),
    (normal((6, 6)), (1, 2, 3)),
]
check.function(fc_as_conv, by_places, cases, returns="filters", mistakes=known("fc_as_conv"))
larger = [(*case, normal((case[1][0], case[1][1] + 2, case[1][2] + 3))) for case in cases]
check.function(students_scores, scores, larger, name="the filters of fc_as_conv on a larger image")
### END HIDDEN TESTS

# %% [markdown]
# ## Recap
#
# - Pooling makes one number of each window, in each map: maximum, average or length. No weights, smaller maps, more
#   tolerance of small shifts.
# - The gradient of a maximum goes to the winner, the first one in ties. An average shares it evenly, a length in proportion.
# - Pooling over features makes a layer tolerant of what the features differ in.
# - Receptive fields grow linearly without strides, exponentially with them.
# - A fully connected layer is a convolution with filters as large as the map.
#
# Lesson 7 trains networks of such layers.

# %% [markdown]
# ## Your question (2 points)
#
# Write one question about this lesson: something that stayed unclear, that surprised you, or that you would like to
# try. A typical question earns 1 point, one that shows thought earns 2.

# %% [markdown] answer="your_question" points=2
# *For whoever marks this.* A typical question (1 point) is answered in the lesson: "Why does pooling have no weights?"
# One that shows thought (2 points) goes a step further: "After max pooling with stride 2, a shift by one pixel changes
# the map and a shift by two only moves it. Would blurring the map before it is thinned out make every shift count the
# same?"
