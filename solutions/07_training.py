# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   autograder: {withheld: [cnnlib.ops.batch_norm_forward, cnnlib.ops.batch_norm_backward, cnnlib.ops.fast.normal.forward, cnnlib.ops.dropout_forward, cnnlib.ops.dropout_backward, cnnlib.nn.kaiming, cnnlib.optim.SGD, cnnlib.ops.multiply_backward]}
# ---

# %% [markdown]
# # 7 · Training
#
# You write what stands between a network that is right and a network that learns: the first weights, batch normalisation,
# dropout, the L2 penalty, and the step with momentum.
#
# **Slides**: *INRIA*, training feed-forward networks, weights initialization and batch normalization; *MVA*, neural
# network training.
#
# **Time**: about three hours.

# %% tags=["setup"]
import numpy as np

from cnnlib import check, demos

check.withhold(
    "cnnlib.ops.batch_norm_forward", "cnnlib.ops.batch_norm_backward", "cnnlib.ops.fast.normal.forward",
    "cnnlib.ops.dropout_forward", "cnnlib.ops.dropout_backward", "cnnlib.nn.kaiming", "cnnlib.optim.SGD",
    "cnnlib.ops.multiply_backward",
)  # fmt: skip

# %% [markdown]
# ## A signal goes through ten layers
#
# A unit adds up $n$ products of inputs and weights. If the weights are too small, the sum is smaller than the inputs, and
# after ten layers nothing is left. If they are too large, it explodes. In between lies one size at which the signal keeps
# its own: a standard deviation of $\sqrt{2/n}$. Here every weight is `scale` times that.

# %%
demos.signal(scale=0.5)

# %% [markdown]
# Move the slider. Each layer multiplies by about the same factor, so ten layers make its tenth power; only at 1 the
# histograms keep their shape. (Half of all activations are 0: that bar is cut off.)

# %% [markdown]
# ## Where the 2 comes from, and what n counts
#
# A sum of $n$ independent products has variance $n \cdot \text{var}(w) \cdot \text{mean}(x^2)$, and a ReLU throws half of
# the mean square away. So $n \cdot \text{var}(w) / 2$ must be 1.
#
# The *INRIA* slide says that $n$ is the number of **outputs**; most code counts **inputs** (PyTorch: `fan_in`). Backward,
# a gradient is a sum over the outputs. So inputs keep the signal, outputs keep the gradient:

# %%
demos.inputs_or_outputs(widths=(512, 256, 128, 64, 32))

# %% [markdown]
# The other one drifts, but only by the ratio of the first width to the last, not by a power of the depth: either will do.
# For the filters of a convolution, the inputs of one output pixel are $F \cdot F \cdot C$.

# %% [markdown]
# ### Exercise 1 · he_init (4 points)
#
# | | |
# |---|---|
# | `shape` | a tuple, the shape of the weights |
# | `n` | the number in the formula; who calls decides what it counts |
# | `rng` | a numpy Generator: the same generator gives the same weights again |
# | returns | an array of this shape, Gaussian with mean 0 and standard deviation $\sqrt{2/n}$ |
#
# One line.
#
# <details><summary>Hint</summary>
#
# `rng.standard_normal(shape)` has standard deviation 1.
# </details>


# %% solution="he_init"
def he_init(shape, n, rng):
    """First weights: Gaussian numbers of this shape, standard deviation sqrt(2 / n), drawn from rng."""
    ### BEGIN SOLUTION
    return rng.standard_normal(shape) * np.sqrt(2 / n)
    ### END SOLUTION


# %% test="he_init_visible" points=1
from functools import partial

from autograder.mistakes import known
from cnnlib import check, nn


def measured(init, shape, n, seed):
    w, again = (np.asarray(init(shape, n, np.random.default_rng(seed))) for _ in range(2))
    return w.shape, np.quantile(w, [0.05, 0.25, 0.5, 0.75, 0.95]), np.mean(w == again)


def library(shape, n, rng):
    return nn.manual_seed(int(rng.integers(1000))) or nn.kaiming(shape, n)


cases, parts = [((300, 400), 400, 0), ((300, 400), 300, 1)], "shape, quantiles, share equal with the same seed"
options = {"returns": parts, "mistakes": known("he_init"), "through": partial(partial, measured), "rtol": 0.03}
check.function(he_init, partial(measured, library), cases, **options)

# %% test="he_init_hidden" points=3
# Hidden: filters of four axes, other n, the deviation and the quantiles of many
# numbers, equal seeds and a second call.
### BEGIN HIDDEN TESTS
from functools import partial

from autograder.mistakes import known
from cnnlib import check


def measured(init, shape, n, seed):
    """Shape, deviation, quantiles; what is equal in the next call, and in one with the same seed."""
    rng = np.random.default_rng(seed)
    w, more, again = (np.asarray(init(shape, n, one)) for one in (rng, rng, np.random.default_rng(seed)))
    quantiles = np.quantile(w, [0.05, 0.25, 0.5, 0.75, 0.95])
    return w.shape, w.std(), quantiles, np.mean(w == more), np.mean(w == again)


def known_normal(shape, n, seed):
    deviation = np.sqrt(2.0 / n)
    return shape, deviation, deviation * np.array([-1.6449, -0.6745, 0, 0.6745, 1.6449]), 0.0, 1.0


cases = [((500, 300), 300, 2), ((64, 32, 7, 9), 32 * 63, 3), ((150, 1000), 150, 4), ((160000,), 2, 5)]
parts = "shape, deviation, quantiles, share equal in a second call, share equal with the same seed"
mistakes, through = known("he_init"), partial(partial, measured)
check.function(he_init, known_normal, cases, returns=parts, mistakes=mistakes, rtol=0.03, through=through)
### END HIDDEN TESTS

# %% [markdown]
# ## Units that die
#
# A good start can be lost. Where a step is too long, a unit's weights may land where its sum is negative for **every**
# example. Its ReLU then gives 0, the gradient is 0 as well, and it never comes back: a *dead* unit.

# %%
demos.dying(lr=1.0)

# %% [markdown]
# Blue: the unit (column) answers to the digit (row). Orange columns answer to none. At `lr` 2 hardly any unit is left to
# learn; at 1 the network learns in spite of the dead.

# %% [markdown]
# ## Just make them so
#
# If activations should have mean 0 and deviation 1, why not compute them that way, at every step, inside the network?
# **Batch normalisation** does so for each feature on its own, over the $N$ examples of the batch, and lets the network
# scale and shift the result by learned numbers $\gamma$ and $\beta$:
#
# $$\mu = \frac1N \sum_n x_n \qquad \sigma^2 = \frac1N \sum_n (x_n-\mu)^2 \qquad \hat x = \frac{x-\mu}{\sqrt{\sigma^2+\varepsilon}}
# \qquad \text{out} = \gamma\,\hat x+\beta$$

# %%
demos.normalise()

# %% [markdown]
# Columns become alike, whatever they were. With $\gamma=\sigma$ and $\beta=\mu$ the network could undo it all. In maps a
# feature is a channel: its mean goes over N, H and W, as if each pixel were a row.

# %% [markdown]
# ## In use there is no batch
#
# What a network says of one image should not depend on others. So training keeps **running** averages, and use takes
# these:
#
# $$\text{running} \leftarrow (1-m)\,\text{running} + m\,\text{batch}$$
#
# Two conventions, PyTorch's, hold here: $m = 0.1$ is the part of the **new** batch, and the running variance takes the
# estimate with $N-1$ below the line, though $\hat x$ is computed with $N$.

# %% [markdown]
# ### Exercise 2 · batchnorm_forward (8 points)
#
# | | |
# |---|---|
# | `x` | (N, D), N at least 2 in training |
# | `gamma`, `beta` | (D,) |
# | `running_mean`, `running_var` | (D,) |
# | `training` | `True`: the batch's statistics, and the running ones move. `False`: the running ones, which stay |
# | `momentum`, `eps` | $m$ and $\varepsilon$ |
# | returns | `out, cache, running_mean, running_var`; cache is the tuple `(x_hat, gamma, std)` with std = $\sqrt{\sigma^2+\varepsilon}$ |
#
# Return new arrays for the running statistics. About 9 lines.
#
# <details><summary>Hint</summary>
#
# `x.mean(axis=0)`, `x.var(axis=0)`; with `ddof=1`, `var` divides by N − 1. First decide which mean and variance count, then
# normalise in one place.
# </details>


# %% solution="batchnorm_forward"
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Batch normalisation of x (N, D): out, (x_hat, gamma, std), and the new running mean and variance."""
    ### BEGIN SOLUTION
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean(axis=0), x.var(axis=0)
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * x.var(axis=0, ddof=1)
    std = np.sqrt(var + eps)
    x_hat = (x - mean) / std
    return gamma * x_hat + beta, (x_hat, gamma, std), running_mean, running_var
    ### END SOLUTION


# %% test="batchnorm_forward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, nn
from cnnlib.autograd import Tensor


def reference(x, gamma, beta, running_mean, running_var, training):
    layer = nn.BatchNorm2d(len(gamma)).astype(float).train(training)
    layer.load_state_dict(dict(weight=gamma, bias=beta, running_mean=running_mean, running_var=running_var))
    return layer(Tensor(x)).data, None, layer.running_mean, layer.running_var


normal, parts = np.random.default_rng(1).standard_normal, "out, _, running_mean, running_var"
cases = [(3 * normal((4, 3)) + 2, normal(3), normal(3), normal(3), normal(3) ** 2, mode) for mode in (True, False)]
check.function(batchnorm_forward, reference, cases, returns=parts, mistakes=known("batchnorm_forward"))

# %% test="batchnorm_forward_training" points=3
# Hidden: training, with other sizes, momentum and eps, a batch of two, a feature
# that is the same in the whole batch.
### BEGIN HIDDEN TESTS
import statistics

from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(71).standard_normal


def by_columns(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    """One feature at a time, by Python's own statistics."""
    out, moments = np.zeros(x.shape), []
    for d, column in enumerate(x.T.tolist()):
        mean, var = statistics.fmean(column), statistics.pvariance(column)
        moments.append((mean, statistics.variance(column)))
        out[:, d] = [gamma[d] * (value - mean) * (var + eps) ** -0.5 + beta[d] for value in column]
    mean, var = np.transpose(moments)
    return out, None, running_mean + momentum * (mean - running_mean), running_var + momentum * (var - running_var)


def case(n, d, momentum, eps):
    return 2 * normal((n, d)) - 1, normal(d), normal(d), normal(d), normal(d) ** 2, True, momentum, eps


cases = [case(5, 2, 0.1, 1e-5), case(3, 3, 0.3, 0.5), case(2, 4, 0.9, 1e-3), case(7, 1, 0.05, 0.1)]
cases[0][0][:, 1] = 4.0
parts = "out, _, running_mean, running_var"
check.function(batchnorm_forward, by_columns, cases, returns=parts, mistakes=known("batchnorm_forward"))
### END HIDDEN TESTS

# %% test="batchnorm_forward_use" points=3
# Hidden: use, with one example and several; and the running statistics after a
# training over many batches.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(72).standard_normal


def by_lines(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    """In use each feature is a straight line: slope and offset."""
    slope = gamma * (running_var + eps) ** -0.5
    return x @ np.diag(slope) + (beta - slope * running_mean), None, running_mean, running_var


def case(n, d, momentum, eps):
    return 2 * normal((n, d)) - 1, normal(d), normal(d), normal(d), normal(d) ** 2, False, momentum, eps


def follow(x, batches):
    """The running statistics after a training on batches of x, from mean 0 and variance 1 on."""
    mean, var = np.zeros(x.shape[1]), np.ones(x.shape[1])
    for rows in batches:
        _, _, mean, var = batchnorm_forward(
            x[rows], np.ones(x.shape[1]), np.zeros(x.shape[1]), mean, var, True, 0.2, 1e-5
        )
    return mean, var


def closed_form(x, batches):
    """The same as one weighted sum: batch k of K counts m (1 - m)^(K - 1 - k)."""
    weights = 0.2 * 0.8 ** np.arange(len(batches))[::-1]
    means, vars = (np.array([moment(x[rows]) for rows in batches]) for moment in (mean_of, variance_of))
    return weights @ means, 0.8 ** len(batches) + weights @ vars


def mean_of(rows):
    return rows.sum(axis=0) / len(rows)


def variance_of(rows):
    return ((rows - mean_of(rows)) ** 2).sum(axis=0) / (len(rows) - 1)


cases = [case(1, 3, 0.1, 1e-5), case(4, 2, 0.5, 0.3), case(3, 3, 0.1, 1e-2)]
parts = "out, _, running_mean, running_var"
check.function(batchnorm_forward, by_lines, cases, returns=parts, mistakes=known("batchnorm_forward"))
x, batches = 3 * normal((60, 2)) + 5, [list(range(k, 60, 12)) for k in range(12)] * 2
name = "batchnorm_forward over 24 batches"
check.function(follow, closed_form, [(x, batches)], returns="running_mean, running_var", name=name)
### END HIDDEN TESTS

# %% [markdown]
# ## Backward through a mean
#
# The gradients of $\gamma$ and $\beta$ are sums over the batch, like those of any weight that all examples share. For
# `x` there is a trap: $\mu$ and $\sigma$ depend on **every** $x$ of the column. A push that moves the whole column
# changes nothing in $\hat x$, and neither does one that stretches it. So whatever `dout` says along these two
# directions is taken out:
#
# $$d\beta = \sum_n \text{dout}_n \qquad d\gamma = \sum_n \text{dout}_n\,\hat x_n \qquad
# dx_n = \frac{\gamma}{\sqrt{\sigma^2+\varepsilon}} \Bigl(\text{dout}_n - \tfrac1N d\beta - \hat x_n\,\tfrac1N d\gamma \Bigr)$$

# %% [markdown]
# ### Exercise 3 · batchnorm_backward (8 points)
#
# | | |
# |---|---|
# | `dout` | (N, D), upstream |
# | `cache` | `(x_hat, gamma, std)` from training: (N, D), (D,), (D,) |
# | returns | `dx, dgamma, dbeta` of shapes (N, D), (D,), (D,) |
#
# About 5 lines.


# %% solution="batchnorm_backward"
def batchnorm_backward(dout, cache):
    """dx (N, D), dgamma (D,), dbeta (D,) of batch normalisation in training."""
    ### BEGIN SOLUTION
    x_hat, gamma, std = cache
    N = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx = gamma / std * (dout - dbeta / N - x_hat * dgamma / N)
    return dx, dgamma, dbeta
    ### END SOLUTION


# %% test="batchnorm_backward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops


def reference(dout, cache):
    x_hat, gamma, std = cache
    return ops.batch_norm_backward(dout, ops.batch_norm_forward(x_hat * std, gamma, 0 * gamma)[1])


normal = np.random.default_rng(2).standard_normal
given = [
    (normal(shape), *ops.batch_norm_forward(2 * normal(shape), normal(3), normal(3))) for shape in [(5, 3), (3, 3)]
]
cases = [(dout, (cache.normal, cache.weight, 1 / cache.inverse)) for dout, _, cache in given]
check.function(batchnorm_backward, reference, cases, returns="dx, dgamma, dbeta", mistakes=known("batchnorm_backward"))

# %% test="batchnorm_backward_hidden" points=6
# Hidden: other sizes, a batch of two, a single feature, a large eps; against the
# Jacobian of every column, and a gradient check.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(73).standard_normal


def forward(x, gamma, beta, eps):
    """By sums of products with a matrix of ones."""
    ones = np.ones((len(x), len(x))) / len(x)
    centred = x - ones @ x
    std = np.sqrt((ones @ centred**2)[0] + eps)
    return centred / std * gamma + beta, (centred / std, gamma, std)


def by_jacobians(dout, cache):
    x_hat, gamma, std = cache
    N, D = dout.shape
    dx = np.zeros((N, D))
    for d in range(D):
        local = np.eye(N) - np.full((N, N), 1 / N) - np.outer(x_hat[:, d], x_hat[:, d]) / N
        dx[:, d] = (gamma[d] / std[d]) * (local @ dout[:, d])
    return dx, np.diag(dout.T @ x_hat), np.ones(N) @ dout


shapes = [(4, 2, 1e-5), (2, 3, 0.1), (6, 1, 1e-3), (3, 3, 0.5)]
inputs = [(2 * normal((n, d)) + 1, normal(d), normal(d), eps) for n, d, eps in shapes]
cases = [(normal(args[0].shape), forward(*args)[1]) for args in inputs]
mistakes = known("batchnorm_backward")
check.function(batchnorm_backward, by_jacobians, cases, returns="dx, dgamma, dbeta", mistakes=mistakes)
check.gradient(forward, batchnorm_backward, inputs, wrt=("x", "gamma", "beta"), mistakes=mistakes)
### END HIDDEN TESTS

# %% [markdown]
# The ten layers again, each now with batch normalisation before its ReLU:

# %%
demos.normalised_signal(scale=0.1, batch_norm=True)

# %% [markdown]
# Try both sliders: with batch normalisation the scale of the first weights no longer matters.

# %% [markdown]
# ## Dropout
#
# In training, let each activation vanish with probability $p$, drawn anew at every step. No unit can then rely on
# another one being there; it is as if many small networks that share their weights were trained together. What stays
# grows by $1/(1-p)$, so the mean stays the same, and in use nothing is dropped and nothing must be corrected
# (*inverted* dropout).

# %%
demos.masks(p=0.5)

# %% [markdown]
# Single draws are noise; their mean comes back to the digit, at every $p$. ($p$ is the part that is **dropped**, as in
# PyTorch. In the paper it is the part that is kept.)

# %% [markdown]
# ### Exercise 4 · dropout_forward and dropout_backward (6 points)
#
# | | |
# |---|---|
# | `x`, `dout` | arrays of one shape |
# | `p` | the probability to drop, 0 ≤ p < 1 |
# | `rng` | a numpy Generator; one draw for each number of x |
# | `training` | `True` or `False` |
# | `dropout_forward` returns | `out, cache`: the cache holds the factor of each number, 0 or 1/(1 − p), and 1 everywhere in use |
# | `dropout_backward(dout, cache)` returns | `dx` |
#
# About 3 lines and one.
#
# <details><summary>Hint</summary>
#
# `rng.random(x.shape)` draws between 0 and 1; a part $p$ of them is below $p$.
# </details>


# %% solution="dropout_forward"
def dropout_forward(x, p, rng, training):
    """Drops each number of x with probability p; what stays grows by 1 / (1 - p). The cache holds the factors."""
    ### BEGIN SOLUTION
    cache = (rng.random(x.shape) >= p) / (1 - p) if training else np.ones(x.shape)
    return x * cache, cache
    ### END SOLUTION


# %% test="dropout_forward_visible" points=1
from functools import partial

from autograder.mistakes import known
from cnnlib import check, ops


def measured(dropout, x, p, seed, training):
    out = np.asarray(dropout(x, p, np.random.default_rng(seed), training)[0])
    return np.mean(out == 0), np.max(out / x)


reference, through = partial(measured, ops.dropout_forward), partial(partial, measured)
cases = [(np.ones((400, 500)), p, 0, training) for p, training in [(0.2, True), (0.75, True), (0.5, False)]]
parts, mistakes = "share dropped, largest factor", known("dropout_forward")
check.function(dropout_forward, reference, cases, returns=parts, mistakes=mistakes, rtol=0.05, through=through)

# %% test="dropout_forward_hidden" points=3
# Hidden: other p and shapes; neighbours that must be dropped independently, equal
# seeds and a second call; use.
### BEGIN HIDDEN TESTS
from functools import partial

from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(74).standard_normal


def measured(dropout, x, p, seed):
    """Statistics of the mask that out shows, and how far cache and out disagree."""
    rng = np.random.default_rng(seed)
    calls = [dropout(x, p, one, True) for one in (rng, rng, np.random.default_rng(seed))]
    (out, cache), (more, _), (again, _) = [[np.asarray(part) for part in pair] for pair in calls]
    gone, kept = out == 0, (out / x)[out != 0]
    pairs = [np.mean(gone[:, 1:] & gone[:, :-1]), np.mean(gone[1:] & gone[:-1])]
    limits = [kept.min(), kept.max()]
    equal = [np.mean((more == 0) == gone), np.mean((again == 0) == gone)]
    return out.shape, gone.mean(), limits, pairs, equal, abs(x * cache - out).max()


def by_probability(x, p, seed):
    return x.shape, p, [1 / (1 - p)] * 2, [p * p] * 2, [p * p + (1 - p) ** 2, 1], 0.0


def away_from_zero(shape):
    return np.copysign(1 + abs(normal(shape)), normal(shape))


cases = [
    (away_from_zero((500, 400)), 0.3, 5),
    (away_from_zero((300, 20, 6, 7)), 0.5, 6),
    (away_from_zero((400, 600)), 0.8, 7),
]
mistakes, through = known("dropout_forward"), partial(partial, measured)
parts = "shape, share dropped, factors of what stays, share of neighbours dropped together, "
parts += "share of equal masks in a second call and with the same seed, x * cache - out"
check.function(dropout_forward, by_probability, cases, returns=parts, mistakes=mistakes, rtol=0.05, through=through)


def as_it_is(x, p, rng, training):
    return x + 0.0, x * 0.0 + 1.0


cases = [(normal(shape), p, np.random.default_rng(8), False) for shape, p in [((4, 3), 0.5), ((2, 3, 2, 4), 0.2)]]
check.function(dropout_forward, as_it_is, cases, returns="out, cache", mistakes=known("dropout_forward"))
### END HIDDEN TESTS


# %% solution="dropout_backward"
def dropout_backward(dout, cache):
    """The gradient by x, from the upstream gradient and the factors of the forward pass."""
    ### BEGIN SOLUTION
    return dout * cache
    ### END SOLUTION


# %% test="dropout_backward_visible" points=1
from autograder.mistakes import known
from cnnlib import check


def reference(dout, cache):
    return np.where(cache == 0, 0, dout / (1 / np.maximum(cache, 1)))


rng = np.random.default_rng(3)
cases = [(rng.normal(size=(3, 4)), rng.choice([0.0, factor], size=(3, 4))) for factor in (2.0, 1.25)]
check.function(dropout_backward, reference, cases, returns="dx", mistakes=known("dropout_backward"))

# %% test="dropout_backward_hidden" points=1
# Hidden: arrays of one to four axes, other p, use.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(75)


def by_jacobian(dout, cache):
    return (np.diag(cache.ravel()) @ dout.ravel()).reshape(cache.shape)


shapes = [((6,), 0.3), ((3, 5), 0.5), ((2, 3, 4), 0.75), ((2, 2, 3, 4), 0.1)]
cases = [(rng.normal(size=s), rng.choice([0.0, 1 / (1 - p)], p=[p, 1 - p], size=s)) for s, p in shapes]
cases.append((rng.normal(size=(3, 2)), np.ones((3, 2))))
check.function(dropout_backward, by_jacobian, cases, returns="dx", mistakes=known("dropout_backward"))
### END HIDDEN TESTS

# %% [markdown]
# ## A price on large weights
#
# The other *regularisation* of the slides adds a term to the loss, $\lambda\,\Omega(W)$ with $\Omega$ the **sum of
# squares** of all weights. What the examples do not ask for then fades away.

# %%
demos.rim(lam=0.0)

# %% [markdown]
# A linear classifier has learned from 100 digits. At the rim these have hardly any ink, so without a penalty the random
# first weights just stay there, and spoil new digits. A moderate $\lambda$ wipes them out and helps; a large one wipes
# out the digits too.

# %% [markdown]
# ### Exercise 5 · l2_penalty (3 points)
#
# | | |
# |---|---|
# | `w` | an array of any shape |
# | `lam` | λ |
# | returns | `penalty, dw`: the number $\lambda \sum w^2$, and its gradient by w |
#
# Two conventions meet here: PyTorch's `weight_decay` belongs to $\frac{\lambda}{2}\sum w^2$. Follow the slides, without
# the half. One line.


# %% solution="l2_penalty"
def l2_penalty(w, lam):
    """lam times the sum of squares of w, and its gradient by w."""
    ### BEGIN SOLUTION
    return lam * (w * w).sum(), 2 * lam * w
    ### END SOLUTION


# %% test="l2_penalty_visible" points=1
from autograder.mistakes import known
from cnnlib import check
from cnnlib.autograd import Tensor


def reference(w, lam):
    w = Tensor(w, requires_grad=True)
    (w * w * lam).sum().backward()
    return lam * np.linalg.norm(w.data) ** 2, w.grad


cases = [(np.array([[1.0, -2], [3, 0.5]]), 0.5), (np.array([0.5, -4.0]), 0.1)]
check.function(l2_penalty, reference, cases, returns="penalty, dw", mistakes=known("l2_penalty"))

# %% test="l2_penalty_hidden" points=2
# Hidden: arrays of one to four axes, a penalty of 0, all zeros.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check, gradcheck

normal = np.random.default_rng(76).standard_normal


def by_differences(w, lam):
    def penalty(w):
        return sum(lam * value**2 for value in w.ravel().tolist())

    return penalty(w), gradcheck.numeric_gradient(penalty, w)


cases = [(normal(shape), lam) for shape, lam in [(5, 0.3), ((2, 3), 2.0), ((2, 2, 2), 0.01), ((3, 2, 2, 3), 1.5)]]
cases += [(normal((2, 3)), 0.0), (np.zeros((3, 2)), 0.7)]
check.function(l2_penalty, by_differences, cases, returns="penalty, dw", mistakes=known("l2_penalty"))
### END HIDDEN TESTS

# %% [markdown]
# ## Momentum
#
# Gradient descent in a long, narrow valley has a dilemma: a step long enough to get along is too long across.
# **Momentum** lets old gradients live on. Across the valley they cancel, along it they add up. In PyTorch's convention:
#
# $$v \leftarrow m\,v + dw \qquad\qquad w \leftarrow w - \text{lr} \cdot v$$

# %%
demos.valley(lr=0.03, momentum=0.0)

# %% [markdown]
# Forty steps each. At `lr` 0.09 plain descent climbs out of the valley; with momentum 0.8 the same rate is the best of
# all. With 0.95 it rolls past the goal.

# %% [markdown]
# ### Exercise 6 · momentum_step (3 points)
#
# | | |
# |---|---|
# | `w`, `v`, `dw` | arrays of one shape: parameter, velocity, gradient |
# | `lr`, `momentum` | numbers |
# | returns | `w, v`, both new |
#
# Two lines. (Others put `lr` into the velocity, $v \leftarrow m\,v - \text{lr}\,dw$; the two differ once `lr` changes.)


# %% solution="momentum_step"
def momentum_step(w, v, dw, lr, momentum):
    """One step of gradient descent with momentum: the new parameter and the new velocity."""
    ### BEGIN SOLUTION
    v = momentum * v + dw
    return w - lr * v, v
    ### END SOLUTION


# %% test="momentum_step_visible" points=1
from autograder.mistakes import known
from cnnlib import check, nn, optim


def reference(w, v, dw, lr, momentum):
    parameter = nn.Parameter(w)
    parameter.grad, optimizer = dw, optim.SGD([parameter], lr, momentum)
    optimizer.velocities = [v]
    optimizer.step()
    return parameter.data, *optimizer.velocities


cases = [(*three, 0.1, 0.9) for three in np.random.default_rng(4).normal(size=(2, 3, 2, 3))]
check.function(momentum_step, reference, cases, returns="w, v", mistakes=known("momentum_step"))

# %% test="momentum_step_hidden" points=2
# Hidden: other shapes, rates and momenta, momentum 0, and ten steps in a row with a
# rate that changes.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(77).standard_normal


def by_matrix(w, v, dw, lr, momentum):
    """The step as one matrix on the state (w, v, dw)."""
    matrix = np.array([[1, -lr * momentum, -lr], [0, momentum, 1]])
    new = np.tensordot(matrix, np.stack([w, v, dw]), axes=1)
    return new[0], new[1]


def ten_steps(w, grads, rates, momentum):
    v = np.zeros(w.shape)
    for dw, lr in zip(grads, rates, strict=True):
        w, v = (np.asarray(part) for part in momentum_step(w, v, dw, lr, momentum))
    return w, v


def closed_form(w, grads, rates, momentum):
    """Every gradient lives on in each later step."""
    ages = np.subtract.outer(np.arange(len(grads)), np.arange(len(grads)))
    fading = np.where(ages >= 0, float(momentum) ** np.maximum(ages, 0), 0)
    return w - np.tensordot(rates @ fading, grads, axes=1), np.tensordot(fading[-1], grads, axes=1)


shapes = [((4,), 0.2, 0.9), ((2, 3), 0.01, 0.5), ((2, 1, 3, 3), 2.0, 0.99), ((3, 2), 0.3, 0.0)]
cases = [(*normal((3, *shape)), lr, momentum) for shape, lr, momentum in shapes]
check.function(momentum_step, by_matrix, cases, returns="w, v", mistakes=known("momentum_step"))
case = (normal((2, 2)), normal((10, 2, 2)), np.linspace(0.5, 0.05, 10), 0.8)
check.function(ten_steps, closed_form, [case], returns="w, v", name="momentum_step, ten times")
### END HIDDEN TESTS

# %% [markdown]
# ## One training step
#
# The *MVA* slides name three parts: compute the loss on a mini-batch, compute the gradients, move the parameters. A
# network is here a function `net(params, x, y)` that returns `loss, grads`: it runs forward and backward, as your
# `two_layer_loss` of lesson 2 did. The penalty counts for weights only, which are arrays of two axes or more; biases,
# $\gamma$ and $\beta$ have one axis and stay free.

# %% [markdown]
# ### Exercise 7 · train_step (6 points)
#
# | | |
# |---|---|
# | `net` | a function: `loss, grads = net(params, x, y)`, grads in the order of params |
# | `params`, `velocities` | lists of arrays |
# | `x`, `y` | a mini-batch |
# | `lr`, `momentum`, `lam` | numbers |
# | returns | `loss, params, velocities`: the loss **with** the penalty, as it was before the step; two new lists |
#
# About 10 lines. You may call your functions from above.
#
# <details><summary>Hint</summary>
#
# Call `net` once. Then go over `zip(params, velocities, grads)`: add the penalty's gradient where `w.ndim > 1`, take the momentum step,
# append to the new lists.
# </details>


# %% solution="train_step"
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    """One step of gradient descent with momentum and L2 penalty; returns loss, params, velocities."""
    ### BEGIN SOLUTION
    loss, grads = net(params, x, y)
    new_params, new_velocities = [], []
    for w, v, dw in zip(params, velocities, grads, strict=True):
        if w.ndim > 1:
            loss = loss + lam * (w * w).sum()
            dw = dw + 2 * lam * w
        v = momentum * v + dw
        new_params.append(w - lr * v)
        new_velocities.append(v)
    return loss, new_params, new_velocities
    ### END SOLUTION


# %% test="train_step_visible" points=1
from autograder.mistakes import known
from cnnlib import check


def net(params, x, y):  # the sum of all w x, whose gradient is x
    return (params[0] * x).sum(), [x]


def by_hand(net, params, velocities, x, y, lr, momentum, lam):
    return 2 + 2.5, [[[0.455, -1.9]]], [[[5.45, -1.0]]]


case = net, [np.array([[1.0, -2]])], [np.array([[0.5, 0]])], np.array([[4.0, 1]]), None, 0.1, 0.9, 0.5
check.function(train_step, by_hand, [case], returns="loss, params, velocities", mistakes=known("train_step"))

# %% test="train_step_hidden" points=5
# Hidden: networks with biases and of several layers, other numbers, and three steps
# in a row.
### BEGIN HIDDEN TESTS
from functools import partial

from autograder.mistakes import known
from cnnlib import check, nn, optim
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F

normal = np.random.default_rng(78).standard_normal


def net(params, x, y):
    """Linear, tanh, linear, squared error."""
    w1, b1, w2, b2 = params
    h = np.tanh(x @ w1.T + b1)
    error = h @ w2.T + b2 - y
    dh = 2 * error @ w2 * (1 - h * h)
    return (error * error).sum(), [dh.T @ x, dh.sum(axis=0), 2 * error.T @ h, 2 * error.sum(axis=0)]


def train(step, steps, w1, b1, w2, b2, velocities, x, y, lr, momentum, lam):
    params, losses = [w1, b1, w2, b2], []
    for _ in range(steps):
        loss, params, velocities = step(net, params, velocities, x, y, lr, momentum, lam)
        losses.append(loss)
    return losses, *params, *velocities


def by_graph(steps, w1, b1, w2, b2, velocities, x, y, lr, momentum, lam):
    """The library's automatic gradients and optimisers: one for weights, one for biases."""
    params = [nn.Parameter(p) for p in (w1, b1, w2, b2)]
    losses, optimizers = [], []
    for some, decay in ((slice(0, None, 2), 2 * lam), (slice(1, None, 2), 0.0)):
        optimizers.append(optim.SGD(params[some], lr, momentum, weight_decay=decay))
        optimizers[-1].load_state_dict(dict(zip("01", velocities[some], strict=True)))
    for _ in range(steps):
        hidden = F.tanh(F.linear(Tensor(x), params[0], params[1]))
        error = F.linear(hidden, params[2], params[3]) - y
        loss = (error * error).sum()
        losses.append(loss.item() + lam * sum(np.square(p.data).sum() for p in params[::2]))
        for parameter in params:
            parameter.grad = None
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    v = [one for pair in zip(*(o.velocities for o in optimizers), strict=True) for one in pair]
    return losses, *(p.data for p in params), *v


def case(steps, n, d, h, c, lr, momentum, lam):
    shapes = (h, d), (h,), (c, h), (c,)
    velocities = [0.5 * normal(shape) for shape in shapes]
    return steps, *map(normal, shapes), velocities, normal((n, d)), normal((n, c)), lr, momentum, lam


cases = [case(1, 4, 3, 2, 2, 0.05, 0.9, 0.1), case(1, 1, 2, 3, 1, 0.1, 0.5, 0.02), case(3, 5, 2, 4, 3, 0.01, 0.8, 0.3)]
cases.append(case(2, 3, 3, 3, 3, 0.02, 0.3, 0.0))
mistakes, through = known("train_step"), partial(partial, train)
parts = "losses, w1, b1, w2, b2, velocity of w1, velocity of b1, velocity of w2, velocity of b2"
check.function(train_step, by_graph, cases, returns=parts, mistakes=mistakes, through=through)
### END HIDDEN TESTS

# %% [markdown]
# ## A real run
#
# Seven layers, handwritten digits, 200 steps, four ways. Only the start, the momentum and the normalisation differ.

# %%
use_mine = False  # True: every step is made by your train_step
demos.training_run(train_step if use_mine else None, steps=200)

# %% [markdown]
# From small weights nothing reaches the last layer, and the loss stays at that of guessing, $\log 10 = 2.30$. He's
# weights start at once, momentum hurries, and batch normalisation forgives the bad start.

# %% [markdown]
# ## The same with the library
#
# You have now written what `cnnlib` offers as layers and as `fit`: `nn.Linear` and `nn.Conv2d` start with `he_init`,
# `nn.BatchNorm2d` keeps running statistics, `nn.Dropout` draws masks, and `fit` repeats `train_step` over mini-batches.
# Its `weight_decay` is $2\lambda$, here for all parameters alike, as in PyTorch.

# %%
from cnnlib import nn


def build():
    front = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(front, nn.Flatten(), nn.Dropout(0.5), nn.Linear(16 * 4 * 4, 10))


demos.library_run(build, epochs=8, lr=0.1, momentum=0.9, weight_decay=2e-4)

# %% [markdown]
# Held-out digits fare **better** than those of the training: these are judged with half of the units dropped. Without
# `nn.Dropout` the two change places.

# %% [markdown]
# ## Recap
#
# - Standard deviation $\sqrt{2/n}$ keeps the signal (n inputs) or the gradient (n outputs) alive; a small error grows with a power of
#   the depth.
# - Batch normalisation: statistics of the batch in training, running ones in use. Backward, mean and variance count too.
# - Dropout scales what stays by 1/(1 − p), and does nothing in use.
# - $\lambda\sum w^2$ adds $2\lambda w$ to the gradient; momentum adds up gradients that agree.
# - A step: loss, gradients, parameters. Everything else repeats it.
#
# Lesson 8 builds the famous networks, and trains one with these means.

# %% [markdown]
# ## Your question (2 points)
#
# Write one question about this lesson: something that stayed unclear, that surprised you, or that you would like to
# try. A typical question earns 1 point, one that shows thought earns 2.

# %% [markdown] answer="your_question" points=2
# *For whoever marks this.* A typical question (1 point) is answered in the lesson: "Why does dropout do nothing in
# use?" One that shows thought (2 points) goes a step further: "In a batch sorted by class, the batch's mean tells the
# class. Would batch normalisation then learn something that fails in use?"
