# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   autograder: {withheld: [cnnlib.ops.conv2d_forward, cnnlib.ops.conv2d_backward, cnnlib.ops.im2col, cnnlib.ops.col2im, cnnlib.ops.fast, cnnlib.ops.conv_transpose2d_forward, cnnlib.ops.locally_connected2d_backward, cnnlib.ops.matmul_backward]}
# ---

# %% [markdown]
# # 5 · Backward through a convolution
#
# You write the backward pass of a convolution layer: first from the chain rule, pixel by pixel, then as one matrix
# product.
#
# **Slides**: *CS231n (Samara)*, backprop with vectors and matrices, and *INRIA*, backward propagation, both applied to
# the layer of lesson 3.
#
# **Time**: about three hours.

# %% tags=["setup"]
import numpy as np

from cnnlib import check, demos

check.withhold(
    "cnnlib.ops.conv2d_forward", "cnnlib.ops.conv2d_backward", "cnnlib.ops.im2col", "cnnlib.ops.col2im",
    "cnnlib.ops.fast", "cnnlib.ops.conv_transpose2d_forward", "cnnlib.ops.locally_connected2d_backward",
    "cnnlib.ops.matmul_backward",
)  # fmt: skip

# %% [markdown]
# ## One layer, three gradients
#
# A convolution layer takes `x`, `w` and `b` and gives `out`. Somewhere behind it stands one number, the loss $L$. The
# **upstream** gradient `dout` says how $L$ moves when a number of `out` moves. The layer knows the **local**
# gradients: how `out` moves when its own inputs move. The chain rule multiplies the two and sums over all outputs
# $p$; the result flows **downstream**:
#
# $$\frac{\partial L}{\partial x_q} = \sum_p \frac{\partial L}{\partial \text{out}_p}\,\frac{\partial \text{out}_p}{\partial x_q}$$

# %%
demos.one_layer()

# %% [markdown]
# Three arrays go in on the way forward; three gradients come out on the way back, each with the shape of its own
# array. (*INRIA* calls the later layers downstream; our words, like CS231n's, follow the gradient.)

# %% [markdown]
# ## The share of one output pixel
#
# Take one channel, one filter, stride $S$. An output pixel is a sum of products:
#
# $$\text{out}[i,j] = b + \sum_{u,v} w[u,v]\; x[iS+u,\; jS+v]$$
#
# In a product, the derivative by one factor is the other factor. So this pixel sends $\text{dout}[i,j]\cdot w$ to its
# window of `dx`, $\text{dout}[i,j]\cdot$ window to `dw`, and plain $\text{dout}[i,j]$ to `db`. What lies outside the
# window receives nothing.

# %%
demos.gradient_flow(stride=1)

# %% [markdown]
# Move the slider: each output pixel adds to one window of `dx` and to the whole of `dw`. Try `stride=2`.

# %% [markdown]
# ## Where windows overlap, shares add up
#
# What is used more than once receives the sum of what each use sends back. An input pixel is used by every window
# that contains it. A weight is used by every output pixel of every image of the batch, and so is the bias. In code
# this is one character: `+=`, not `=`.

# %%
demos.overlap(kernel=3, strides=(1, 2, 3))

# %% [markdown]
# Each number counts the windows that contain a pixel, so it counts the terms in that pixel's `dx`. Stride 3 does not
# fit 7 pixels exactly; here the size is rounded down (lesson 4 looks closer), and pixels in no window get gradient
# zero.

# %% [markdown]
# ## Seen from a weight
#
# Now stand at the receiver and collect. Weight $w[u,v]$ met the pixels $x[u,v],\ x[u,v+S],\ \dots$, one per output
# pixel:
#
# $$\text{dw}[u,v] = \sum_{i,j} \text{dout}[i,j]\; x[iS+u,\; jS+v] \qquad\qquad \text{db} = \sum_{i,j}\text{dout}[i,j]$$
#
# This is a correlation again: `dout` slides over `x` like a filter, its entries $S$ apart.

# %%
demos.weight_gradient(stride=2)

# %% [markdown]
# The framed pixels are those that the weight met. With `stride=1` the gaps close, and `dw` is an ordinary correlation
# of `x` with `dout`.

# %% [markdown]
# ## Seen from an input pixel
#
# Let $S=1$. Pixel $x[p,q]$ met weight $w[u,v]$ in the window that starts at $[p-u,\ q-v]$:
#
# $$\text{dx}[p,q] = \sum_{u,v} w[u,v]\; \text{dout}[p-u,\; q-v]$$
#
# The minus signs turn the filter by 180°, and windows over the edge meet zeros: a *full* correlation of `dout` with
# the flipped filter. For $S>1$, put $S-1$ zeros between the entries of `dout` first.

# %%
demos.input_gradient(stride=1)

# %% [markdown]
# The corner pixel of `dx` has one term, because only one window contains it. In code it is easier to add each share
# where it belongs, as in the first slider.

# %% [markdown]
# ## Padding, channels, batch
#
# Three more rules, and the single-channel formulas become the real layer.
#
# - **Padding** surrounds `x` by zeros. On the way back, compute the gradient of the padded image, then cut the border
#   off.
# - **Channels**: filter $k$ meets channel $c$ with its own slice $w[k,c]$. `dw[k, c]` pairs `dout[:, k]` with
#   `x[:, c]`; `dx[:, c]` sums over all filters $k$.
# - **Batch**: every image has its own `dx`; `dw` and `db` sum over all images.

# %% [markdown]
# ## The referee
#
# A gradient can be measured without any formula. Move one number by $\pm h$ and watch the loss:
#
# $$\frac{\partial L}{\partial w_m} \approx \frac{L(w_m+h)-L(w_m-h)}{2h}$$
#
# It takes two forward passes per number, far too slow for training, and just right for judging a backward pass on a
# small array.

# %%
demos.referee()

# %% [markdown]
# Left, the slope of the line is the gradient of that one weight; this loss is a parabola, so even $h=0.5$ is exact.
# Middle, a correct `dx` lies on the diagonal; right, one that forgets the flip is a cloud.

# %% [markdown]
# ### Exercise 1 · conv2d_backward (14 points)
#
# Write the backward pass of a convolution layer.
#
# | | shape |
# |---|---|
# | `dout` | (N, K, H′, W′), the upstream gradient |
# | `cache` | the tuple `(x, w, b, stride, pad)` of the forward pass |
# | `x`, `dx` | (N, C, H, W) |
# | `w`, `dw` | (K, C, FH, FW), not always square |
# | `b`, `db` | (K,) |
#
# `stride` and `pad` are integers, the same for rows and columns. With `xp` the padded input and $n$ an image of the
# batch:
#
# $$\text{db}_k \;\text{+=}\; \text{dout}_{nkij} \qquad \text{dw}_{kcuv} \;\text{+=}\; \text{dout}_{nkij}\;\text{xp}_{n,c,iS+u,jS+v}$$
#
# $$\text{dxp}_{n,c,iS+u,jS+v} \;\text{+=}\; \text{dout}_{nkij}\; w_{kcuv}$$
#
# About 12 lines. `db`, `dw` and `dx` earn points separately: return `None` for one that you do not have yet. Speed
# does not count.
#
# <details><summary>Hint: where to begin</summary>
#
# Two loops over the output pixels `i, j`. `xp[:, :, i*stride : i*stride+FH, j*stride : j*stride+FW]` is the window,
# for all images and channels at once.
# </details>
# <details><summary>Hint: the shares of one output pixel</summary>
#
# `g = dout[:, :, i, j]` has shape (N, K) and the window (N, C, FH, FW). The share of `dw` sums over N:
# `np.tensordot(g, window, axes=(0, 0))`. The share of `dx` sums over K.
# </details>


# %% solution="conv2d_backward"
def conv2d_backward(dout, cache):
    """Gradients of a convolution layer.

    dout: upstream gradient (N, K, H', W')
    cache: (x, w, b, stride, pad) with x (N, C, H, W), w (K, C, FH, FW), b (K,)
    Returns dx, dw, db with the shapes of x, w, b.
    """
    ### BEGIN SOLUTION
    x, w, _, stride, pad = cache
    H, W = x.shape[2:]
    FH, FW = w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros(xp.shape), np.zeros(w.shape)
    db = dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        g = dout[:, :, i, j]  # (N, K)
        dw += np.tensordot(g, xp[window], axes=(0, 0))  # sum over the images
        dxp[window] += np.tensordot(g, w, axes=(1, 0))  # sum over the filters; windows overlap
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db
    ### END SOLUTION


# %% test="conv2d_backward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops

normal = np.random.default_rng(0).standard_normal
cases = [
    (normal((1, 1, 3, 3)), (normal((1, 1, 5, 5)), normal((1, 1, 3, 3)), normal(1), 1, 0)),
    (normal((2, 4, 5, 8)), (normal((2, 3, 5, 7)), normal((4, 3, 3, 2)), normal(4), 1, 1)),
    (normal((2, 3, 4, 3)), (normal((2, 2, 7, 5)), normal((3, 2, 3, 3)), normal(3), 2, 1)),
]


def reference(dout, cache):
    return ops.conv2d_backward(dout, ops.conv2d_forward(*cache)[1])


check.function(conv2d_backward, reference, cases, returns="dx, dw, db", mistakes=known("conv2d_backward"))

# %% test="conv2d_backward_db" points=2
# Hidden: db alone, for batches of 1 and more, one and several filters, and output
# maps that are not square.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(51).standard_normal
cases = [
    (normal((3, 2, 3, 5)), (normal((3, 2, 5, 6)), normal((2, 2, 3, 2)), normal(2), 1, 0)),
    (normal((1, 4, 4, 1)), (normal((1, 1, 8, 3)), normal((4, 1, 2, 3)), normal(4), 2, 0)),
    (normal((2, 1, 4, 4)), (normal((2, 3, 4, 4)), normal((1, 3, 3, 3)), normal(1), 1, 1)),
]


def by_filter(dout, cache):
    return None, None, np.array([dout[:, k].sum() for k in range(dout.shape[1])])


check.function(conv2d_backward, by_filter, cases, returns="_, _, db", mistakes=known("conv2d_backward"))
### END HIDDEN TESTS

# %% test="conv2d_backward_dw" points=3
# Hidden: dw alone, for other shapes, strides 1, 2 and 3, padding 0, 1 and 2, a
# stride that does not fit.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(52).standard_normal
shapes = [  # x, w, stride, pad
    ((1, 1, 5, 5), (1, 1, 3, 3), 1, 0),
    ((3, 2, 4, 6), (3, 2, 2, 3), 1, 2),
    ((2, 1, 6, 7), (2, 1, 2, 3), 2, 0),
    ((1, 3, 5, 7), (2, 3, 3, 3), 2, 1),
    ((2, 2, 6, 5), (2, 2, 4, 3), 2, 2),
    ((1, 2, 8, 7), (2, 2, 3, 4), 3, 1),
]


def case(x, w, stride, pad):
    size = [(n + 2 * pad - f) // stride + 1 for n, f in zip(x[2:], w[2:], strict=True)]
    return normal((x[0], w[0], *size)), (normal(x), normal(w), normal(w[0]), stride, pad)


def by_windows(dout, cache):
    x, w, _, stride, pad = cache
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return None, np.einsum("nkij,ncijuv->kcuv", dout, windows), None


cases = [case(*shape) for shape in shapes]
check.function(conv2d_backward, by_windows, cases, returns="_, dw, _", mistakes=known("conv2d_backward"))
### END HIDDEN TESTS

# %% test="conv2d_backward_dx" points=4
# Hidden: dx alone, for other shapes, strides 1, 2 and 3, padding 0, 1 and 2, a
# stride that does not fit.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(53).standard_normal
shapes = [  # x, w, stride, pad
    ((1, 1, 4, 4), (1, 1, 3, 3), 1, 0),
    ((2, 2, 4, 6), (3, 2, 2, 3), 1, 1),
    ((1, 3, 5, 4), (2, 3, 3, 2), 1, 2),
    ((2, 1, 6, 7), (2, 1, 2, 3), 2, 0),
    ((1, 2, 7, 5), (3, 2, 3, 3), 2, 1),
    ((3, 2, 6, 5), (2, 2, 4, 3), 2, 2),
    ((1, 2, 9, 7), (2, 2, 2, 2), 3, 0),
]


def case(x, w, stride, pad):
    size = [(n + 2 * pad - f) // stride + 1 for n, f in zip(x[2:], w[2:], strict=True)]
    return normal((x[0], w[0], *size)), (normal(x), normal(w), normal(w[0]), stride, pad)


def by_fourier(dout, cache):
    """dx as a true convolution of the spread upstream gradient with the filters, by the convolution theorem."""
    x, w, _, stride, pad = cache
    H, W = x.shape[2] + 2 * pad, x.shape[3] + 2 * pad
    spread = np.zeros((*dout.shape[:2], H - w.shape[2] + 1, W - w.shape[3] + 1))
    spread[:, :, ::stride, ::stride] = dout
    product = np.einsum("nkij,kcij->ncij", np.fft.fft2(spread, (H, W)), np.fft.fft2(w, (H, W)))
    return np.fft.ifft2(product).real[:, :, pad : H - pad, pad : W - pad], None, None


cases = [case(*shape) for shape in shapes]
check.function(conv2d_backward, by_fourier, cases, returns="dx, _, _", mistakes=known("conv2d_backward"))
### END HIDDEN TESTS

# %% test="conv2d_backward_gradient_check" points=3
# Hidden: the referee. All three gradients against differences of a forward pass,
# with random upstream gradients.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(54).standard_normal


def forward(x, w, b, stride, pad):
    """Correlation by the convolution theorem."""
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    H, W = xp.shape[2:]
    product = np.einsum("ncij,kcij->nkij", np.fft.fft2(xp), np.fft.fft2(w, (H, W)).conj())
    maps = np.fft.ifft2(product).real[:, :, : H - w.shape[2] + 1, : W - w.shape[3] + 1]
    return maps[:, :, ::stride, ::stride] + b[:, None, None], (x, w, b, stride, pad)


cases = [
    (normal((1, 1, 4, 4)), normal((1, 1, 3, 3)), normal(1), 1, 1),
    (normal((2, 2, 4, 3)), normal((2, 2, 2, 3)), normal(2), 1, 0),
    (normal((2, 1, 5, 4)), normal((3, 1, 3, 2)), normal(3), 2, 1),
    (normal((1, 2, 4, 5)), normal((2, 2, 4, 3)), normal(2), 2, 2),
]
check.gradient(forward, conv2d_backward, cases, wrt=("x", "w", "b"), mistakes=known("conv2d_backward"))
### END HIDDEN TESTS

# %% [markdown]
# ## What `dw` is good for
#
# Somebody filtered an image of noise and kept the filter to themselves. You have the noise and the resulting map.
# Start from a random filter, compare its map with the given one, and step against `dw`, forty times.

# %%
use_mine = False  # True: with your backward pass
demos.learn_a_filter(conv2d_backward if use_mine else None)

# %% [markdown]
# Nothing but `dw` led to the letters. This is all of training: forward, compare, backward, step.

# %% [markdown]
# ## Windows become rows
#
# Loops over pixels are slow in Python; products of matrices are fast everywhere. So copy every window into one row of
# a matrix, all channels in a line. The filter becomes a column, and the whole layer is one product. The price is
# memory: at stride 1 a pixel is copied up to F·F times.

# %%
demos.windows_become_rows()

# %% [markdown]
# Two channels of 3×4 pixels and windows of 2×2 give six rows of eight: a row per output pixel, a column per weight.

# %% [markdown]
# ### Exercise 2 · im2col (6 points)
#
# Copy every window of a batch into one row.
#
# | | |
# |---|---|
# | `x` | (N, C, H, W) |
# | `kernel_size` | the pair `(FH, FW)` |
# | `stride`, `pad` | integers |
# | returns | (N·H′·W′, C·FH·FW) |
#
# Rows are ordered by image, then row, then column of the output; columns by channel, then row, then column of the
# window. H′ = (H + 2·pad − FH) // stride + 1, and W′ likewise. About 8 lines.
#
# <details><summary>Hint</summary>
#
# Three loops, over images, rows and columns, in this order. Cut the window out of the padded image, `.reshape(-1)`
# it, append it to a list.
# </details>


# %% solution="im2col"
def im2col(x, kernel_size, stride, pad):
    """The windows of x (N, C, H, W) as rows (N*H'*W', C*FH*FW); kernel_size is (FH, FW)."""
    ### BEGIN SOLUTION
    FH, FW = kernel_size
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows = []
    for image in xp:
        for top in range(0, image.shape[1] - FH + 1, stride):
            for left in range(0, image.shape[2] - FW + 1, stride):
                rows.append(image[:, top : top + FH, left : left + FW].reshape(-1))
    return np.array(rows)
    ### END SOLUTION


# %% test="im2col_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops

normal = np.random.default_rng(1).standard_normal
cases = [
    (np.arange(1, 25.0).reshape(1, 2, 3, 4), (2, 2), 1, 0),  # the picture
    (normal((2, 3, 5, 4)), (3, 2), 1, 1),
    (normal((2, 1, 7, 6)), (3, 2), 2, 0),
]


def reference(x, kernel_size, stride, pad):
    return ops.im2col(x, kernel_size, stride, pad)


check.function(im2col, reference, cases, returns="cols", mistakes=known("im2col"))

# %% test="im2col_hidden" points=4
# Hidden: one channel and several, strides 1, 2 and 3, padding 0, 1 and 2, a stride
# that does not fit.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(55).standard_normal


def by_views(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


cases = [
    (normal((1, 1, 4, 4)), (3, 3), 1, 0),
    (normal((3, 2, 4, 5)), (2, 3), 1, 2),
    (normal((2, 3, 5, 7)), (3, 1), 2, 1),
    (normal((1, 2, 6, 5)), (4, 3), 2, 2),
    (normal((2, 2, 8, 7)), (2, 3), 3, 0),
    (normal((1, 3, 2, 3)), (2, 3), 1, 0),
]
check.function(im2col, by_views, cases, returns="cols", mistakes=known("im2col"))
### END HIDDEN TESTS

# %% [markdown]
# ## The rows walk back
#
# `im2col` copies; the way back adds. `col2im` takes a matrix of that shape, cuts each row into its window and adds it
# to the image where the window was. The two belong together like a matrix and its transpose: for every image $x$ and
# every matrix $c$,
#
# $$\langle \text{im2col}(x),\ c\rangle = \langle x,\ \text{col2im}(c)\rangle ,$$
#
# where $\langle a, b\rangle$ is the sum of all products, `(a * b).sum()`.

# %%
demos.rows_walk_back()

# %% [markdown]
# A pixel that lies in several windows collects from several rows; so `col2im(im2col(x))` is not `x`.

# %% [markdown]
# ### Exercise 3 · col2im (6 points)
#
# Add the rows of a matrix back into a batch of images.
#
# | | |
# |---|---|
# | `cols` | (N·H′·W′, C·FH·FW), ordered as in `im2col` |
# | `x_shape` | (N, C, H, W), the shape of the images without padding |
# | `kernel_size`, `stride`, `pad` | as in `im2col` |
# | returns | (N, C, H, W); what falls on the padding is dropped |
#
# About 10 lines.
#
# <details><summary>Hint</summary>
#
# Start from zeros of the padded size. Walk over images, rows and columns exactly as `im2col` does, take the next row,
# reshape it to (C, FH, FW), and add it with `+=`. Cut the border off at the end: `pad : pad + H`. (With `pad = 0` the
# slice `pad:-pad` would be empty.)
# </details>


# %% solution="col2im"
def col2im(cols, x_shape, kernel_size, stride, pad):
    """Adds the rows of cols (N*H'*W', C*FH*FW) into images of x_shape, where im2col took them from."""
    ### BEGIN SOLUTION
    N, C, H, W = x_shape
    FH, FW = kernel_size
    xp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    row = iter(cols)
    for image in xp:
        for top in range(0, image.shape[1] - FH + 1, stride):
            for left in range(0, image.shape[2] - FW + 1, stride):
                image[:, top : top + FH, left : left + FW] += next(row).reshape(C, FH, FW)
    return xp[:, :, pad : pad + H, pad : pad + W]
    ### END SOLUTION


# %% test="col2im_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops

normal = np.random.default_rng(2).standard_normal
cases = [
    (normal((6, 8)), (1, 2, 3, 4), (2, 2), 1, 0),
    (normal((50, 18)), (2, 3, 5, 4), (3, 2), 1, 1),
    (normal((18, 6)), (2, 1, 7, 6), (3, 2), 2, 0),
]


def reference(cols, x_shape, kernel_size, stride, pad):
    return ops.col2im(cols, x_shape, kernel_size, stride, pad)


check.function(col2im, reference, cases, returns="images", mistakes=known("col2im"))

# %% test="col2im_hidden" points=4
# Hidden: other shapes, strides and paddings, and the identity <im2col(x), c> = <x,
# col2im(c)>.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(56).standard_normal
shapes = [  # x, kernel_size, stride, pad
    ((1, 1, 4, 4), (3, 3), 1, 0),
    ((2, 2, 3, 4), (2, 3), 1, 2),
    ((2, 3, 5, 4), (3, 2), 2, 1),
    ((1, 2, 6, 5), (4, 3), 2, 2),
    ((3, 1, 8, 7), (2, 3), 3, 0),
]


def addresses(x_shape, kernel_size, stride, pad):
    """For every entry of the matrix the number of the pixel that it was copied from; -1 stands for padding."""
    pixels = np.arange(np.prod(x_shape)).reshape(x_shape)
    padded = np.pad(pixels, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel_size, axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x_shape[1] * kernel_size[0] * kernel_size[1])


def by_addresses(cols, x_shape, kernel_size, stride, pad):
    pixel = addresses(x_shape, kernel_size, stride, pad)
    return np.bincount(pixel[pixel >= 0], cols[pixel >= 0], minlength=np.prod(x_shape)).reshape(x_shape)


cases = [(normal(addresses(*shape).shape), *shape) for shape in shapes]
check.function(col2im, by_addresses, cases, returns="images", mistakes=known("col2im"))

for cols, *shape in cases:
    x = normal(shape[0])
    there = np.append(x.ravel(), 0)[addresses(*shape)]  # im2col(x)
    check.equal(np.sum(x * col2im(cols.copy(), *shape)), np.sum(there * cols), what="<x, col2im(c)>")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 4 · conv2d_forward_im2col (6 points)
#
# The forward pass of the layer as one matrix product. It may call your `im2col`.
#
# | | |
# |---|---|
# | `x` | (N, C, H, W) |
# | `w`, `b` | (K, C, FH, FW), (K,) |
# | `stride`, `pad` | integers |
# | returns | `out, cache`: out is (N, K, H′, W′), the cache what you like |
#
# About 6 lines.
#
# <details><summary>Hint</summary>
#
# `im2col(...)` has one row per output pixel, `w.reshape(K, -1)` one row per filter. Their product has shape (N·H′·W′,
# K): first `reshape` it to (N, H′, W′, K), then `transpose` the filters forward. A single `reshape` to (N, K, H′, W′)
# mixes pixels and filters.
# </details>


# %% solution="conv2d_forward_im2col"
def conv2d_forward_im2col(x, w, b, stride, pad):
    """Convolution as one matrix product. Returns out (N, K, H', W') and a cache of your choice."""
    ### BEGIN SOLUTION
    N, _, H, W = x.shape
    K, _, FH, FW = w.shape
    rows, columns = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    out = im2col(x, (FH, FW), stride, pad) @ w.reshape(K, -1).T + b
    return out.reshape(N, rows, columns, K).transpose(0, 3, 1, 2), (x, w, b, stride, pad)
    ### END SOLUTION


# %% test="conv2d_forward_im2col_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops

normal = np.random.default_rng(3).standard_normal
cases = [
    (normal((1, 1, 5, 5)), normal((1, 1, 3, 3)), normal(1), 1, 0),
    (normal((2, 3, 5, 7)), normal((4, 3, 3, 2)), normal(4), 1, 1),
    (normal((2, 2, 7, 5)), normal((3, 2, 3, 3)), normal(3), 2, 1),
]


def reference(x, w, b, stride, pad):
    return ops.conv2d_forward(x, w, b, stride, pad)


check.function(conv2d_forward_im2col, reference, cases, returns="out, ...", mistakes=known("conv2d_forward_im2col"))

# %% test="conv2d_forward_im2col_hidden" points=4
# Hidden: filters that are not square, strides 1, 2 and 3, padding 0, 1 and 2, a
# stride that does not fit.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(57).standard_normal


def by_fourier(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    H, W = xp.shape[2:]
    product = np.einsum("ncij,kcij->nkij", np.fft.fft2(xp), np.fft.fft2(w, (H, W)).conj())
    maps = np.fft.ifft2(product).real[:, :, : H - w.shape[2] + 1, : W - w.shape[3] + 1]
    return maps[:, :, ::stride, ::stride] + b[:, None, None], None


cases = [
    (normal((1, 1, 4, 4)), normal((1, 1, 2, 2)), normal(1), 1, 0),
    (normal((3, 2, 4, 6)), normal((2, 2, 2, 3)), normal(2), 1, 2),
    (normal((2, 1, 6, 7)), normal((3, 1, 2, 3)), normal(3), 2, 0),
    (normal((1, 3, 6, 5)), normal((2, 3, 4, 3)), normal(2), 2, 2),
    (normal((2, 2, 8, 7)), normal((3, 2, 3, 4)), normal(3), 3, 1),
]
mistakes = known("conv2d_forward_im2col")
check.function(conv2d_forward_im2col, by_fourier, cases, returns="out, ...", mistakes=mistakes)
### END HIDDEN TESTS

# %% [markdown]
# ## Three ways, one result
#
# The same layer three times, timed now, on your machine: a Python loop over the windows, one product with `im2col`,
# and the course's library.

# %%
use_mine = False  # True: your conv2d_forward_im2col joins the race
demos.race(conv2d_forward_im2col if use_mine else None)

# %% [markdown]
# The sums are the same in all of them. What differs is how much happens in one call; the library also saves
# multiplications, as the bonus below shows.

# %% [markdown]
# ## One matrix, tied weights
#
# A convolution is linear in `x`, so it is a matrix: $\text{out} = A\,x$, with the image unrolled into one long
# column. Row $p$ of $A$ holds the filter at the places of window $p$, and zeros elsewhere. Then nothing is left to
# derive: $A^\top$ is the Jacobian [Dx × Dz] of the CS231n slides, and $\text{dx} = A^\top \text{dout}$.

# %%
demos.tied_matrix()

# %% [markdown]
# Each colour is one weight. A row of $A$ says which pixels make an output. A row of $A^\top$ says from which outputs
# a pixel hears back, with the weights in reverse order: there is the flip again.

# %% [markdown]
# ### Exercise 5 · conv_as_matrix (6 points)
#
# Build that matrix for one image.
#
# | | |
# |---|---|
# | `w` | (K, C, FH, FW) |
# | `x_shape` | (C, H, W) |
# | `stride`, `pad` | integers |
# | returns | `A` of shape (K·H′·W′, C·H·W) |
#
# `A @ x.ravel()` is the output of the layer without bias, unrolled in the order (K, H′, W′). About 10 lines.
#
# <details><summary>Hint: row by row</summary>
#
# For each filter and each window, put the filter into an image of zeros of the padded size, where the window is; cut
# the border off; unroll it. That is a row.
# </details>
# <details><summary>Hint: column by column</summary>
#
# Column $q$ of any matrix is its product with the unit vector $q$: what does the layer make of an image in which only
# pixel $q$ is lit?
# </details>


# %% solution="conv_as_matrix"
def conv_as_matrix(w, x_shape, stride, pad):
    """A (K*H'*W', C*H*W), so that A @ x.ravel() is the convolution of one image x of x_shape."""
    ### BEGIN SOLUTION
    C, H, W = x_shape
    FH, FW = w.shape[2:]
    rows = []
    for filter in w:
        for top in range(0, H + 2 * pad - FH + 1, stride):
            for left in range(0, W + 2 * pad - FW + 1, stride):
                image = np.zeros((C, H + 2 * pad, W + 2 * pad))
                image[:, top : top + FH, left : left + FW] = filter
                rows.append(image[:, pad : pad + H, pad : pad + W].ravel())
    return np.array(rows)
    ### END SOLUTION


# %% test="conv_as_matrix_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops


def reference(w, x_shape, stride, pad):
    lit = np.eye(np.prod(x_shape)).reshape(-1, *x_shape)  # every image has one lit pixel
    return ops.conv2d_forward(lit, w, np.zeros(len(w)), stride, pad)[0].reshape(len(lit), -1).T


w = np.random.default_rng(4).standard_normal((2, 3, 3, 2))
cases = [(w[:1, :1], (1, 4, 4), 1, 0), (w, (3, 4, 5), 1, 1), (w, (3, 7, 4), 2, 0)]
check.function(conv_as_matrix, reference, cases, returns="A", mistakes=known("conv_as_matrix"))

# %% test="conv_as_matrix_hidden" points=4
# Hidden: forward by A, backward by its transpose; other shapes, strides and
# paddings.
### BEGIN HIDDEN TESTS
from cnnlib import check

normal = np.random.default_rng(58).standard_normal


def product(w, x_shape, stride, pad, x):
    """A x, by the convolution theorem."""
    xp = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    H, W = xp.shape[1:]
    maps = np.fft.ifft2(np.einsum("cij,kcij->kij", np.fft.fft2(xp), np.fft.fft2(w, (H, W)).conj())).real
    return maps[:, : H - w.shape[2] + 1 : stride, : W - w.shape[3] + 1 : stride].ravel()


def transpose_product(w, x_shape, stride, pad, dout):
    """A^T dout, likewise."""
    H, W = x_shape[1] + 2 * pad, x_shape[2] + 2 * pad
    spread = np.zeros((len(w), H - w.shape[2] + 1, W - w.shape[3] + 1))
    spread[:, ::stride, ::stride] = dout
    wide = np.fft.ifft2(np.einsum("kij,kcij->cij", np.fft.fft2(spread, (H, W)), np.fft.fft2(w, (H, W)))).real
    return wide[:, pad : H - pad, pad : W - pad].ravel()


def forward(w, x_shape, stride, pad, x):
    return np.asarray(conv_as_matrix(w, x_shape, stride, pad)) @ x.ravel()


def backward(w, x_shape, stride, pad, dout):
    return np.asarray(conv_as_matrix(w, x_shape, stride, pad)).T @ dout.ravel()


cases = [  # w, x_shape, stride, pad, and the output's shape
    (normal((1, 1, 2, 2)), (1, 4, 4), 1, 0, (3, 3)),
    (normal((3, 2, 2, 3)), (2, 4, 5), 1, 2, (7, 7)),
    (normal((2, 2, 2, 3)), (2, 6, 7), 2, 0, (3, 3)),
    (normal((1, 3, 4, 3)), (3, 6, 5), 2, 2, (4, 4)),
    (normal((2, 1, 3, 2)), (1, 8, 7), 3, 1, (3, 3)),
]
ahead = [(*case, normal(case[1])) for *case, _ in cases]
back = [(*case, normal((len(case[0]), *size))) for *case, size in cases]
check.function(forward, product, ahead, name="A @ x with A = conv_as_matrix(w, ...)")
check.function(backward, transpose_product, back, name="A.T @ dout with A = conv_as_matrix(w, ...)")
### END HIDDEN TESTS

# %% [markdown]
# ## Bonus: fewer multiplications
#
# Four neighbouring outputs of a filter with 3 weights take 12 multiplications. Read 4 numbers and 3 weights as
# polynomials: their product, of degree 5, is known from its values at 6 points, so 6 multiplications do. In both
# directions, 16 outputs take 36 instead of 144. This is Winograd's way (Lavin and Gray, 2016). In the library it is
# one page, `cnnlib/ops/fast/winograd.py`, and you need nothing more than this lesson to read it.

# %%
demos.four_ways()

# %% [markdown]
# PyTorch's loops are tuned by hand in machine code, and numpy keeps up with them. The price is rounding: more digits
# are lost on the way to the 6 points and back. Where that matters, `algo="direct"` is the way you wrote.

# %% [markdown]
# ## Recap
#
# Every step of the forward pass has a partner on the way back, and the two are transposes of each other.
#
# | forward | backward |
# |---|---|
# | use a number in several places | add what comes back from all of them |
# | surround by zeros | cut the border off |
# | skip positions (stride S) | put S − 1 zeros between |
# | correlate with a filter | correlate with the filter turned by 180° |
# | copy windows into rows, `im2col` | add rows into windows, `col2im` |
# | multiply by $A$ | multiply by $A^\top$ |
#
# `db` sums `dout`; `dw` correlates `x` with `dout`; `dx` sends `dout` back through the same weights. A network with a
# wrong backward pass may still train, only worse. So compare with differences, on small arrays that are not square.
# Lesson 6 finds the same partners for pooling.

# %% [markdown]
# ## Your question (2 points)
#
# Write one question about this lesson: something that stayed unclear, that surprised you, or that you would like to
# try. A typical question earns 1 point, one that shows thought earns 2.

# %% [markdown] answer="your_question" points=2
# *For whoever marks this.* A typical question (1 point) is answered in the lesson: "Why do shares add up where
# windows overlap?" One that shows thought (2 points) goes a step further: "At stride 2 some pixels of `dx` have one
# term and others four. Does that pattern show in what earlier layers learn?"
