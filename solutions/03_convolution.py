# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   autograder: {withheld: [cnnlib.ops.conv2d_forward, cnnlib.ops.conv2d_backward, cnnlib.ops.im2col, cnnlib.ops.col2im, cnnlib.ops.locally_connected2d_forward, cnnlib.ops.fast, cnnlib.ops.conv_transpose2d_backward]}
# ---

# %% [markdown]
# # 3 · Convolution
#
# You go from a layer that connects everything to a small filter that slides over an image, and write that layer
# yourself.
#
# **Slides**: *KAIST*, local connectivity and weight-tying; *CS231n (Samara)*, *Princeton COS 429* and *MVA*,
# convolution layer.
#
# **Time**: about two hours.

# %% tags=["setup"]
import numpy as np

from cnnlib import check, demos

check.withhold(
    "cnnlib.ops.conv2d_forward",
    "cnnlib.ops.conv2d_backward",
    "cnnlib.ops.im2col",
    "cnnlib.ops.col2im",
    "cnnlib.ops.locally_connected2d_forward",
    "cnnlib.ops.fast",
    "cnnlib.ops.conv_transpose2d_backward",
)

# %% [markdown]
# ## Three ways to connect
#
# A fully connected layer gives every output a weight for every input. Pixels that belong together lie close together,
# so a **local** layer lets each output see only a small window, its *receptive field*; the windows start $S$ inputs
# apart, the *stride*. And what is worth finding in one place is worth finding in another: let all windows share, or
# **tie**, the same weights.

# %%
demos.connections(inputs=8, window=3, stride=1)

# %% [markdown]
# The same layers twice, as wires and as matrices with a row per output. A local layer's matrix is mostly zeros; tied
# weights make one colour per diagonal. Try `stride=2`.

# %% [markdown]
# ## How many weights?
#
# Take a colour image of 32×32 pixels, 3,072 numbers, and a layer that gives six maps of 28×28. Counting without
# biases:

# %%
demos.weight_counts(image=(3, 32, 32), filters=6, size=5)

# %% [markdown]
# The axis is logarithmic: from millions to hundreds, for outputs of the same shape. Try
# `image=(1, 200, 200), filters=100, size=10`: 10,000 tied weights.

# %% [markdown]
# ### Exercise 1 · conv1d_matrix (4 points)
#
# Build the matrix of a one-dimensional layer with tied weights.
#
# | | |
# |---|---|
# | `w` | (F,), the filter |
# | `n` | the number of inputs |
# | `stride` | inputs between the starts of two windows |
# | returns | (n_out, n) with n_out = (n − F) // stride + 1 |
#
# Row $i$ holds $w_0, w_1, \dots, w_{F-1}$ from column $i\cdot S$ on, and zeros elsewhere. About 5 lines.
#
# <details><summary>Hint</summary>
#
# Start from `np.zeros((n_out, n))` and assign to the slice `[i, i*stride : i*stride+F]` of each row. Where the stride
# does not fit, `//` leaves the last inputs unused.
# </details>


# %% solution="conv1d_matrix"
def conv1d_matrix(w, n, stride):
    """The matrix (n_out, n) of a 1-D layer: row i holds the filter w (F,) from column i*stride on."""
    ### BEGIN SOLUTION
    F = len(w)
    n_out = (n - F) // stride + 1
    matrix = np.zeros((n_out, n))
    for i in range(n_out):
        matrix[i, i * stride : i * stride + F] = w
    return matrix
    ### END SOLUTION


# %% test="conv1d_matrix_visible" points=1
from autograder.mistakes import known
from cnnlib import check, gradcheck


def reference(w, n, stride):
    return gradcheck.numeric_jacobian(lambda x: np.correlate(x, w, "valid")[::stride], np.zeros(n))


cases = [(np.array([1.0, 2, 3]), 8, 1), (np.array([-0.5, 0, 0.5]), 7, 2), (np.array([5.0, -2.5]), 7, 2)]
check.function(conv1d_matrix, reference, cases, returns="matrix", mistakes=known("conv1d_matrix"))

# %% test="conv1d_matrix_hidden" points=3
# Hidden: other filters and sizes, strides 1, 2 and 3, a stride that does not fit,
# and the product with an input.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(31).standard_normal


def by_columns(w, n, stride):
    """Column j is the layer's answer to input j alone."""
    return np.array([np.correlate(unit, w, "valid")[::stride] for unit in np.eye(n)]).T


def product(w, n, stride, x):
    return np.correlate(x, w, "valid")[::stride]


def students_product(w, n, stride, x):
    return np.asarray(conv1d_matrix(w, n, stride)) @ x


cases = [
    (normal(1), 5, 1),
    (normal(4), 9, 1),
    (normal(3), 9, 2),
    (normal(3), 10, 2),
    (normal(2), 11, 3),
    (normal(5), 5, 1),
]
check.function(conv1d_matrix, by_columns, cases, returns="matrix", mistakes=known("conv1d_matrix"))
check.function(
    students_product, product, [(*case, normal(case[1])) for case in cases], name="conv1d_matrix(w, n, stride) @ x"
)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 2 · locally_connected (4 points)
#
# The layer between the two extremes: small windows, but every output has weights of its own.
#
# | | |
# |---|---|
# | `x` | (n,), the inputs |
# | `W` | (n_out, F): row $i$ holds the weights of output $i$ |
# | `b` | (n_out,), the biases |
# | `stride` | inputs between the starts of two windows |
# | returns | (n_out,) |
#
# $$\text{out}_i = b_i + \sum_{u} W_{iu}\; x_{iS+u}$$
#
# About 4 lines.
#
# <details><summary>Hint</summary>
#
# One loop over the outputs; the window is `x[i*stride : i*stride+F]`, and the sum of products is a dot product.
# </details>


# %% solution="locally_connected"
def locally_connected(x, W, b, stride):
    """A 1-D layer with windows but no tied weights: x (n,), W (n_out, F), b (n_out,) give (n_out,)."""
    ### BEGIN SOLUTION
    n_out, F = W.shape
    windows = np.array([x[i * stride : i * stride + F] for i in range(n_out)])
    return (windows * W).sum(axis=1) + b
    ### END SOLUTION


# %% test="locally_connected_visible" points=1
from autograder.mistakes import known
from cnnlib import check, ops

normal = np.random.default_rng(2).standard_normal


def reference(x, W, b, stride):
    x, W = x[None, None, None], W[None, :, None, None, None]  # one row of pixels, one channel, one filter
    return ops.locally_connected2d_forward(x, W, b[None, None], (1, stride))[0].ravel()


cases = [(normal(8), normal((6, 3)), normal(6), 1), (normal(7), normal((3, 3)), normal(3), 2)]
check.function(locally_connected, reference, cases, mistakes=known("locally_connected"))

# %% test="locally_connected_hidden" points=3
# Hidden: other sizes, strides 1, 2 and 3, windows that overlap and windows that
# leave gaps, a single output.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(32).standard_normal


def by_matrix(x, W, b, stride):
    """A matrix whose rows all differ, times x."""
    n_out, F = W.shape
    matrix = np.zeros((n_out, len(x)))
    matrix[np.arange(n_out)[:, None], np.arange(n_out)[:, None] * stride + np.arange(F)] = W
    return matrix @ x + b


cases = [
    (normal(9), normal((6, 4)), normal(6), 1),
    (normal(9), normal((4, 3)), normal(4), 2),
    (normal(10), normal((4, 3)), normal(4), 2),
    (normal(11), normal((4, 2)), normal(4), 3),
    (normal(5), normal((1, 5)), normal(1), 1),
    (normal(4), normal((4, 1)), normal(4), 1),
]
check.function(locally_connected, by_matrix, cases, mistakes=known("locally_connected"))
### END HIDDEN TESTS

# %% [markdown]
# ## A window slides over an image
#
# In two dimensions the window is F×F pixels, and it always goes through the full depth: on a colour image a 5×5
# filter has 5·5·3 = 75 weights. Multiply the window by the filter, number by number, and add up the 75 products, which
# is a *dot product*, and a bias: that is **one** output pixel. A window of 5 fits into 32 pixels in 28 places, so the
# map (*activation map* or *feature map* on the slides) has 28×28 pixels.

# %%
demos.sliding_window()

# %% [markdown]
# Move the slider to see some of the 784 stops. Every pixel of the map is its own sum of 75 products; the filter stays
# the same.

# %% [markdown]
# ## The same in numbers
#
# One channel, a 3×3 filter, no bias. The layer computes a **correlation**:
#
# $$\text{out}[i,j] = \sum_{u,v} w[u,v]\; x[i+u,\; j+v]$$

# %%
demos.correlation()

# %% [markdown]
# The largest number, 15, belongs to the window that looks most like the filter: a filter answers to what resembles
# it. (It is no exact measure: a window twice as bright gives twice the number.)

# %% [markdown]
# ### Exercise 3 · correlate2d (5 points)
#
# Correlate one plane with one filter, only where the filter lies fully inside.
#
# | | |
# |---|---|
# | `x` | (H, W) |
# | `w` | (FH, FW), not always square |
# | returns | (H − FH + 1, W − FW + 1) |
#
# About 6 lines. The point is to write the loops; no ready-made correlation.
#
# <details><summary>Hint</summary>
#
# Two loops over the output. `x[i : i+FH, j : j+FW]` is the window; `(window * w).sum()` is the output pixel.
# </details>


# %% solution="correlate2d"
def correlate2d(x, w):
    """Correlation of x (H, W) with w (FH, FW), filter inside: (H - FH + 1, W - FW + 1)."""
    ### BEGIN SOLUTION
    FH, FW = w.shape
    out = np.zeros((x.shape[0] - FH + 1, x.shape[1] - FW + 1))
    for i, j in np.ndindex(out.shape):
        out[i, j] = (x[i : i + FH, j : j + FW] * w).sum()
    return out
    ### END SOLUTION


# %% test="correlate2d_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops


def reference(x, w):
    return ops.conv2d_forward(x[None, None], w[None, None])[0][0, 0]


normal = np.random.default_rng(3).standard_normal
row = np.array([[-1.0, 0, 1]])
cases = [(normal((5, 5)), row), (normal((5, 5)), normal((3, 3))), (normal((4, 7)), normal((2, 3)))]
check.function(correlate2d, reference, cases, mistakes=known("correlate2d"))

# %% test="correlate2d_hidden" points=3
# Hidden: planes and filters of other shapes, one as large as the plane, one of a
# single weight, and whole numbers.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(33)


def by_fourier(x, w):
    """Correlation by the convolution theorem."""
    wide = np.fft.ifft2(np.fft.fft2(x) * np.fft.fft2(w, x.shape).conj()).real
    return wide[: x.shape[0] - w.shape[0] + 1, : x.shape[1] - w.shape[1] + 1]


shapes = [((6, 5), (3, 2)), ((5, 8), (2, 4)), ((4, 4), (4, 4)), ((3, 6), (1, 1)), ((6, 3), (5, 1))]
cases = [(rng.normal(size=x), rng.normal(size=w)) for x, w in shapes]
cases.append((rng.integers(-5, 6, size=(5, 6)), rng.integers(-5, 6, size=(3, 3))))
check.function(correlate2d, by_fourier, cases, mistakes=known("correlate2d"))
### END HIDDEN TESTS

# %% [markdown]
# ## Correlation or convolution?
#
# In signal processing, **convolution** turns the filter by 180° first:
#
# $$\text{out}[i,j] = \sum_{u,v} w[u,v]\; x[i-u,\; j-v]$$
#
# The *Princeton* slides write this formula and draw the other one. Networks correlate and call it convolution; as the
# weights are learned, either will do. A symmetric **kernel**, which is another word for filter, cannot tell the two
# apart, so test with one that can.

# %%
demos.flip()

# %% [markdown]
# Correlation returns the letter turned by 180°, convolution as it is. `[-1 0 1]` changes sign; the bell does not
# tell.

# %% [markdown]
# ### Exercise 4 · convolve2d (4 points)
#
# True convolution of one plane with one filter, only where the filter lies fully inside. Shapes as in `correlate2d`:
#
# $$\text{out}[i,j] = \sum_{u,v} w[FH-1-u,\; FW-1-v]\; x[i+u,\; j+v]$$
#
# These are the numbers of the formula above, counted from the first place where the filter fits. One line, if you
# build on the exercise before.
#
# <details><summary>Hint</summary>
#
# Turning by 180° reverses both axes. A slice with step −1 reverses one.
# </details>


# %% solution="convolve2d"
def convolve2d(x, w):
    """True convolution of x (H, W) with w (FH, FW), filter inside: (H - FH + 1, W - FW + 1)."""
    ### BEGIN SOLUTION
    return correlate2d(x, w[::-1, ::-1])
    ### END SOLUTION


# %% test="convolve2d_visible" points=1
from autograder.mistakes import known
from cnnlib import check, ops


def reference(x, w):
    return ops.conv2d_forward(x[None, None], w[None, None, ::-1, ::-1])[0][0, 0]


normal = np.random.default_rng(4).standard_normal
row = np.array([[-1.0, 0, 1]])
cases = [(normal((5, 5)), row), (normal((5, 5)), normal((3, 3))), (normal((4, 7)), normal((2, 3)))]
check.function(convolve2d, reference, cases, mistakes=known("convolve2d"))

# %% test="convolve2d_hidden" points=3
# Hidden: planes and filters of other shapes, kernels that are symmetric in one axis
# only, and a lit pixel.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(34).standard_normal


def by_fourier(x, w):
    """The convolution theorem: a product of spectra."""
    return np.fft.ifft2(np.fft.fft2(x) * np.fft.fft2(w, x.shape)).real[w.shape[0] - 1 :, w.shape[1] - 1 :]


shapes = [((6, 5), (3, 2)), ((5, 8), (2, 4)), ((4, 4), (4, 4)), ((3, 6), (1, 1))]
cases = [(normal(x), normal(w)) for x, w in shapes]
cases += [
    (normal((5, 6)), np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]])),
    (np.eye(25)[12].reshape(5, 5), normal((3, 3))),
]
check.function(convolve2d, by_fourier, cases, mistakes=known("convolve2d"))
### END HIDDEN TESTS

# %% [markdown]
# ## Many filters, many layers
#
# One filter gives one map. Six filters give six maps, stacked like the colours of an image: 28×28×6. So the next
# layer can treat them as its image. Its filters go through the full depth again: 5×5×**6**.

# %%
demos.volumes(size=32, channels=3, layers=[(6, 5), (10, 5)])

# %% [markdown]
# The depth of a filter is the number of channels that it reads; the number of filters is the number of channels that
# it makes.

# %% [markdown]
# ## Stride and padding
#
# With **stride** $S$ the window moves $S$ pixels at a time, and the map shrinks. With **padding** $P$ the image gets
# a border of $P$ zeros, and the map grows:
#
# $$H' = \lfloor (H + 2P - F)/S \rfloor + 1$$
#
# Where a stride does not fit exactly, this lesson rounds down and leaves the last pixels out. Lesson 4 looks closer.

# %%
demos.correlation(stride=2, pad=1)

# %% [markdown]
# The window starts at $[iS,\; jS]$ of the padded image. Try other strides and paddings.

# %% [markdown]
# ### Exercise 5 · conv2d_forward (11 points)
#
# The whole layer: a batch of N images, C channels, K filters, stride and padding.
#
# | | |
# |---|---|
# | `x` | (N, C, H, W) |
# | `w` | (K, C, FH, FW) |
# | `b` | (K,) |
# | `stride`, `pad` | integers, the same for rows and columns |
# | returns | `out, cache`: out is (N, K, H′, W′), cache the tuple `(x, w, b, stride, pad)` that lesson 5 needs |
#
# H′ = (H + 2·pad − FH) // stride + 1, and W′ likewise. With `xp` the padded input:
#
# $$\text{out}_{nkij} = b_k + \sum_{c,u,v} w_{kcuv}\; \text{xp}_{n,c,iS+u,jS+v}$$
#
# About 12 lines. Stride 1 without padding earns part of the points. Speed does not count.
#
# <details><summary>Hint: padding</summary>
#
# `np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))` leaves batch and channels alone.
# </details>
# <details><summary>Hint: the loops</summary>
#
# Loop over `n, k, i, j`. The window `xp[n, :, i*stride : i*stride+FH, j*stride : j*stride+FW]` has the shape of
# `w[k]`.
# </details>


# %% solution="conv2d_forward"
def conv2d_forward(x, w, b, stride, pad):
    """A convolution layer: x (N, C, H, W), w (K, C, FH, FW), b (K,).

    Returns out (N, K, H', W') and the cache (x, w, b, stride, pad).
    """
    ### BEGIN SOLUTION
    N, _, H, W = x.shape
    K, _, FH, FW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((N, K, (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1))
    for n, k, i, j in np.ndindex(out.shape):
        window = xp[n, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        out[n, k, i, j] = (window * w[k]).sum() + b[k]
    return out, (x, w, b, stride, pad)
    ### END SOLUTION


# %% test="conv2d_forward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops

normal = np.random.default_rng(5).standard_normal
cases = [
    (normal((1, 1, 5, 5)), normal((1, 1, 3, 3)), normal(1), 1, 0),
    (normal((2, 3, 5, 7)), normal((4, 3, 3, 2)), normal(4), 1, 1),
    (normal((2, 2, 7, 6)), normal((3, 2, 3, 3)), normal(3), 2, 1),
]


def reference(x, w, b, stride, pad):
    return ops.conv2d_forward(x, w, b, stride, pad)


check.function(conv2d_forward, reference, cases, returns="out, ...", mistakes=known("conv2d_forward"))

# %% test="conv2d_forward_shapes" points=3
# Hidden: stride 1 without padding. Batches, channels and filters from 1 to 4;
# images and filters that are not square.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(35).standard_normal


def by_fourier(x, w, b, stride, pad):
    H, W = x.shape[2:]
    product = np.einsum("ncij,kcij->nkij", np.fft.fft2(x), np.fft.fft2(w, (H, W)).conj())
    maps = np.fft.ifft2(product).real[:, :, : H - w.shape[2] + 1, : W - w.shape[3] + 1]
    return maps + b[:, None, None], None


cases = [
    (normal((1, 1, 4, 4)), normal((1, 1, 2, 2)), normal(1), 1, 0),
    (normal((3, 2, 4, 6)), normal((2, 2, 2, 3)), normal(2), 1, 0),
    (normal((2, 1, 6, 4)), normal((4, 1, 3, 1)), normal(4), 1, 0),
    (normal((1, 4, 3, 5)), normal((1, 4, 3, 5)), normal(1), 1, 0),
]
check.function(conv2d_forward, by_fourier, cases, returns="out, ...", mistakes=known("conv2d_forward"))
### END HIDDEN TESTS

# %% test="conv2d_forward_padding" points=3
# Hidden: padding 1, 2 and 3 with stride 1.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(36).standard_normal


def by_shifts(x, w, b, stride, pad):
    """Each weight times a shifted copy of the padded images."""
    N, C, H, W = x.shape
    K, _, FH, FW = w.shape
    xp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    xp[:, :, pad : pad + H, pad : pad + W] = x
    rows, columns = H + 2 * pad - FH + 1, W + 2 * pad - FW + 1
    out = np.zeros((N, K, rows, columns)) + b[:, None, None]
    for u, v in np.ndindex(FH, FW):
        out += np.einsum("nchw,kc->nkhw", xp[:, :, u : u + rows, v : v + columns], w[:, :, u, v])
    return out, None


cases = [
    (normal((1, 1, 3, 3)), normal((1, 1, 3, 3)), normal(1), 1, 1),
    (normal((2, 2, 4, 3)), normal((3, 2, 2, 3)), normal(3), 1, 1),
    (normal((1, 3, 3, 5)), normal((2, 3, 5, 4)), normal(2), 1, 2),
    (normal((2, 1, 2, 3)), normal((2, 1, 4, 2)), normal(2), 1, 3),
]
check.function(conv2d_forward, by_shifts, cases, returns="out, ...", mistakes=known("conv2d_forward"))
### END HIDDEN TESTS

# %% test="conv2d_forward_stride" points=3
# Hidden: strides 2 and 3 with padding 0, 1 and 2, windows with overlap and with
# gaps, strides that do not fit.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(37).standard_normal


def by_views(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv,kcuv->nkij", windows, w) + b[:, None, None], None


cases = [
    (normal((1, 1, 5, 5)), normal((1, 1, 3, 3)), normal(1), 2, 0),
    (normal((2, 1, 6, 7)), normal((3, 1, 2, 3)), normal(3), 2, 0),
    (normal((3, 2, 5, 7)), normal((2, 2, 3, 3)), normal(2), 2, 1),
    (normal((1, 3, 6, 5)), normal((2, 3, 4, 3)), normal(2), 2, 2),
    (normal((2, 2, 8, 7)), normal((3, 2, 3, 4)), normal(3), 3, 1),
    (normal((1, 2, 7, 8)), normal((1, 2, 2, 2)), normal(1), 3, 0),
]
check.function(conv2d_forward, by_views, cases, returns="out, ...", mistakes=known("conv2d_forward"))
### END HIDDEN TESTS

# %% [markdown]
# ## What kernels see
#
# Before networks learned their filters, people wrote them by hand. Each picture below is one pass of the layer over a
# real photograph; its kernel is in the corner, orange for positive weights and purple for negative ones.

# %%
use_mine = False  # True: every picture is made by your conv2d_forward
demos.gallery(conv2d_forward if use_mine else None, name="chelsea")

# %% [markdown]
# Weights that add up to one keep the brightness; weights that add up to zero leave a flat surface grey and answer
# only to edges. The rims come from padding with zeros.

# %% [markdown]
# ## Recap
#
# - A fully connected layer pays a weight for every pair of input and output. Windows make its matrix sparse, tied
#   weights make it cheap.
# - One output pixel is F·F·C products and a bias. A 5×5 filter over 32×32×3 gives 28×28; six of them 28×28×6; ten of
#   5×5×6 after that 24×24×10.
# - Networks correlate. Convolution turns the filter by 180°; a symmetric kernel cannot tell.
# - Stride makes maps smaller, padding makes them larger.
#
# Lesson 4 counts the sizes, weights and multiplications of such layers. In lesson 5 the same layer runs backward, and
# the flip returns.

# %% [markdown]
# ## Your question (2 points)
#
# Write one question about this lesson: something that stayed unclear, that surprised you, or that you would like to
# try. A typical question earns 1 point, one that shows thought earns 2.

# %% [markdown] answer="your_question" points=2
# *For whoever marks this.* A typical question (1 point) is answered in the lesson: "Why does a 5×5 filter have 75
# weights?" One that shows thought (2 points) goes a step further: "Tied weights assume that an image looks alike
# everywhere. Would a camera that always sees sky above and road below do better with a local layer?"
