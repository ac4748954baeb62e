# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   autograder: {withheld: [cnnlib.ops.relu_backward, cnnlib.ops.linear_backward, cnnlib.gradcheck.numeric_gradient, cnnlib.ops.matmul_backward, cnnlib.ops.conv2d_backward, cnnlib.ops.conv_transpose2d_backward, cnnlib.ops.locally_connected2d_backward, cnnlib.ops.fast]}
# ---

# %% [markdown]
# # 2 · Backpropagation
#
# You find the gradient of any network by walking its graph backward: every node needs to know only its own derivative.
#
# **Slides**: *CS231n (Samara)*, backprop with vectors and matrices; *INRIA*, forward and backward propagation; *MVA*,
# logistic regression as a cascade.
#
# **Time**: about two and a half hours.

# %% tags=["setup"]
import numpy as np

from cnnlib import check, demos

check.withhold(
    "cnnlib.ops.relu_backward", "cnnlib.ops.linear_backward", "cnnlib.gradcheck.numeric_gradient",
    "cnnlib.ops.matmul_backward", "cnnlib.ops.conv2d_backward", "cnnlib.ops.conv_transpose2d_backward",
    "cnnlib.ops.locally_connected2d_backward", "cnnlib.ops.fast",
)  # fmt: skip

# %% [markdown]
# ## A cascade of simple functions
#
# A network is a complicated function made of simple ones. Forward, each node computes its value from its inputs.
# Backward, each node gets an **upstream** gradient: how much the loss changes with the node's value. It multiplies by its
# **local** derivative and hands the result **downstream**, to its inputs.

# %%
demos.cascade(w=2.0, x=-1.0, b=0.5)

# %% [markdown]
# Values are blue, gradients orange. Move the slider to the end: no node has seen the whole graph, and yet every input
# knows its gradient.

# %% [markdown]
# ## From numbers to vectors
#
# If a node turns a vector $x$ of $D_x$ numbers into a vector $z$ of $D_z$ numbers, its local derivative is a table, the
# **Jacobian**: how much does each $z_j$ change with each $x_i$? The slides lay it out with a row for every input,
# $[D_x \times D_z]$:
#
# $$J_{ij} = \frac{\partial z_j}{\partial x_i}$$

# %% [markdown]
# ### Exercise 1 · relu_jacobian (3 points)
#
# ReLU keeps what is positive: $z = \max(0, x)$. Build its Jacobian.
#
# | | |
# |---|---|
# | `x` | (D,) |
# | returns | (D, D), a row for every input, a column for every output |
#
# Where $x_i$ is exactly 0, the slope counts as 0. About 2 lines.
#
# <details><summary>Hint</summary>
#
# Output $i$ depends on input $i$ only, with slope 1 or 0. `np.diag` puts numbers on a diagonal.
# </details>


# %% solution="relu_jacobian"
def relu_jacobian(x):
    """The Jacobian (D, D) of max(0, x) at x (D,); the slope at 0 counts as 0."""
    ### BEGIN SOLUTION
    return np.diag((x > 0).astype(float))
    ### END SOLUTION


# %% test="relu_jacobian_visible" points=1
from autograder.mistakes import known
from cnnlib import check, gradcheck


def reference(x):
    return gradcheck.numeric_jacobian(lambda x: np.maximum(x, 0), x).T  # rows for inputs, as on the slides


cases = [(np.array([1.0, -2, 3, -1]),), (np.array([-0.5, 0.25]),)]
check.function(relu_jacobian, reference, cases, returns="J", mistakes=known("relu_jacobian"))

# %% test="relu_jacobian_hidden" points=2
# Hidden: other lengths, zeros, only negative and only positive numbers, whole
# numbers.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check


def by_steps(x):
    """One-sided differences: a small step down from 0 changes nothing."""
    steps = np.eye(len(x)) * 0.25
    return np.array([(np.maximum(x, 0) - np.maximum(x - step, 0)) / 0.25 for step in steps])


normal = np.random.default_rng(21).normal
cases = [
    (normal(size=6).round(0) + 0.5,),
    (np.array([0.0, 2.0, -3.0]),),
    (np.array([-1.0, -2.0]),),
    (np.array([5.0]),),
    (np.array([3, 0, -2, 7]),),
]
check.function(relu_jacobian, by_steps, cases, returns="J", mistakes=known("relu_jacobian"))
### END HIDDEN TESTS

# %% [markdown]
# ## Jacobian times upstream
#
# One input may influence many outputs, so its gradient is a sum over them:
#
# $$\frac{\partial L}{\partial x_i} = \sum_j \frac{\partial z_j}{\partial x_i}\,\frac{\partial L}{\partial z_j}
# \qquad\text{or}\qquad dx = J \, dz$$
#
# With the slides' layout this is a plain product. Many books lay the Jacobian out the other way round,
# $[D_z \times D_x]$, and then write $J^T dz$. On the slides' ReLU the two agree, since a diagonal matrix is its own
# transpose: **that example cannot tell**. A Jacobian that is not square can.

# %% [markdown]
# ### Exercise 2 · vjp (3 points)
#
# | | |
# |---|---|
# | `J` | (Dx, Dz), the slides' layout |
# | `dz` | (Dz,), upstream |
# | returns | (Dx,), downstream |
#
# One line.


# %% solution="vjp"
def vjp(J, dz):
    """The downstream gradient (Dx,) from the Jacobian (Dx, Dz) and the upstream gradient (Dz,)."""
    ### BEGIN SOLUTION
    return J @ dz
    ### END SOLUTION


# %% test="vjp_visible" points=1
from autograder.mistakes import known
from cnnlib import check


def reference(J, dz):
    return np.einsum("xz,z->x", J, dz)


slides = np.diag([1.0, 0, 1, 0])
square = np.array([[1.0, 2], [0, 3]])
cases = [(slides, np.array([4.0, -1, 5, 9])), (square, np.array([1.0, 10])), (np.ones((3, 2)), np.array([1.0, -2]))]
check.function(vjp, reference, cases, returns="dx", mistakes=known("vjp"))

# %% test="vjp_hidden" points=2
# Hidden: wide and tall Jacobians, square ones that are not symmetric, single
# numbers.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(22).standard_normal


def by_columns(J, dz):
    total = np.zeros(len(J))
    for j in range(len(dz)):
        total += dz[j] * J[:, j]
    return total


cases = [(normal(shape), normal(shape[1])) for shape in [(3, 3), (2, 5), (5, 2), (1, 4), (4, 1), (1, 1)]]
check.function(vjp, by_columns, cases, returns="dx", mistakes=known("vjp"))
### END HIDDEN TESTS

# %% [markdown]
# ## Never build the Jacobian

# %%
demos.jacobians()

# %% [markdown]
# ReLU's Jacobian is empty off its diagonal: 64 pixels make 4,096 entries, of which 64 can be different from 0. For a
# batch of a hundred digits it would have 41 million.

# %%
demos.explicit_or_implicit(sizes=(64, 256, 1024, 4096))

# %% [markdown]
# Both ways give the same gradient. The explicit one grows with the square of the input; the implicit one does only what
# the product would do: it lets the upstream gradient through where the input was positive.

# %% [markdown]
# ### Exercise 3 · relu_backward (4 points)
#
# From here on, every layer is a pair: the forward pass returns `out` and a **cache**, what the backward pass will need.
# The forward pass is given; write the backward pass without any Jacobian.
#
# | | |
# |---|---|
# | `dout` | upstream, any shape |
# | `cache` | what `relu_forward` kept: `x`, of the same shape |
# | returns | `dx`, of the same shape |
#
# One line.


# %% solution="relu_backward"
def relu_forward(x):
    """max(0, x), and x as the cache."""
    return np.maximum(x, 0), x


def relu_backward(dout, cache):
    """The gradient of the loss by x: dout where x was positive, else 0."""
    ### BEGIN SOLUTION
    return dout * (cache > 0)
    ### END SOLUTION


# %% test="relu_backward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops


def reference(dout, x):
    return ops.relu_backward(dout, ops.relu_forward(x)[1])


normal = np.random.default_rng(23).standard_normal
slides = (np.array([4.0, -1, 5, 9]), np.array([1.0, -2, 3, -1]))
cases = [slides, (normal((3, 4)), normal((3, 4)))]
check.function(relu_backward, reference, cases, returns="dx", mistakes=known("relu_backward"))

# %% test="relu_backward_hidden" points=2
# Hidden: arrays of one to four axes, zeros in x and in dout, and a gradient check.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(24).standard_normal


def by_jacobian(dout, x):
    return (np.diag((x.ravel() > 0) * 1.0) @ dout.ravel()).reshape(x.shape)


cases = [(normal(shape), normal(shape)) for shape in [(5,), (2, 3), (2, 1, 4), (2, 3, 2, 2)]]
cases += [(np.array([1.0, 2, 3]), np.array([0.0, 1, -1])), (np.array([0.0, -2, 3]), np.array([2.0, 1, -1]))]
check.function(relu_backward, by_jacobian, cases, returns="dx", mistakes=known("relu_backward"))
### END HIDDEN TESTS

# %% [markdown]
# ## A layer of weights
#
# A linear layer takes N examples at once, as rows of a matrix:
#
# $$\text{out} = x\, w^T + b \qquad x: (N, D),\quad w: (M, D),\quad b: (M,)$$
#
# Its Jacobian by $w$ would have $N M \cdot M D$ entries. But gradients have the shape of what they belong to, and that
# nearly decides the formulas: there is only one way to multiply `dout` (N, M) with `w` so that the result has the shape
# of `x`.

# %%
demos.linear_gradients()

# %% [markdown]
# The sum over the batch in `dw` is hidden in the product; in `db` it stands alone.

# %% [markdown]
# ### Exercise 4 · linear_forward and linear_backward (7 points)
#
# | | |
# |---|---|
# | `x`, `w`, `b` | (N, D), (M, D), (M,) |
# | `linear_forward` returns | `out, cache`: out is (N, M), cache the tuple `(x, w, b)` |
# | `linear_backward(dout, cache)` returns | `dx, dw, db`, with the shapes of x, w and b |
#
# One line each, or three.
#
# <details><summary>Hint: dw</summary>
#
# $dw_{md} = \sum_n dout_{nm}\, x_{nd}$: a product that sums over n.
# </details>


# %% solution="linear_forward"
def linear_forward(x, w, b):
    """out = x wᵀ + b for x (N, D), w (M, D), b (M,); the cache is (x, w, b)."""
    ### BEGIN SOLUTION
    return x @ w.T + b, (x, w, b)
    ### END SOLUTION


# %% test="linear_forward_visible" points=1
from autograder.mistakes import known
from cnnlib import check, ops

normal = np.random.default_rng(25).standard_normal
cases = [(normal((n, d)), normal((m, d)), normal(m)) for n, d, m in [(2, 3, 4), (3, 2, 2)]]


def reference(x, w, b):
    return ops.linear_forward(x, w, b)


check.function(linear_forward, reference, cases, returns="out, ...", mistakes=known("linear_forward"))

# %% test="linear_forward_hidden" points=1
# Hidden: other sizes, batches of one, single inputs and outputs.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(33).standard_normal


def by_outputs(x, w, b):
    return np.array([[row @ unit + bias for unit, bias in zip(w, b, strict=True)] for row in x]), None


sizes = [(1, 5, 3), (4, 1, 2), (3, 4, 1), (1, 1, 1), (3, 3, 3)]
cases = [(normal((n, d)), normal((m, d)), normal(m)) for n, d, m in sizes]
check.function(linear_forward, by_outputs, cases, returns="out, ...", mistakes=known("linear_forward"))
### END HIDDEN TESTS


# %% solution="linear_backward"
def linear_backward(dout, cache):
    """dx (N, D), dw (M, D) and db (M,) from the upstream gradient dout (N, M)."""
    x, w, _ = cache
    ### BEGIN SOLUTION
    return dout @ w, dout.T @ x, dout.sum(axis=0)
    ### END SOLUTION


# %% test="linear_backward_visible" points=2
from autograder.mistakes import known
from cnnlib import check, ops

normal = np.random.default_rng(26).standard_normal


def reference(dout, cache):
    return ops.linear_backward(dout, cache)


cases = [(normal((n, m)), (normal((n, d)), normal((m, d)), normal(m))) for n, d, m in [(2, 3, 4), (3, 2, 2)]]
check.function(linear_backward, reference, cases, returns="dx, dw, db", mistakes=known("linear_backward"))

# %% test="linear_backward_hidden" points=3
# Hidden: square sizes, batches of one, single inputs and outputs.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(27).standard_normal
cases = [
    (normal((n, d)), normal((m, d)), normal(m)) for n, d, m in [(1, 4, 3), (3, 3, 3), (4, 1, 2), (2, 5, 1), (1, 1, 1)]
]


def by_hand(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(b.shape)
    for n, m in np.ndindex(dout.shape):
        dx[n] += dout[n, m] * w[m]
        dw[m] += dout[n, m] * x[n]
        db[m] += dout[n, m]
    return dx, dw, db


given = [(normal((len(x), len(w))), (x, w, b)) for x, w, b in cases]
check.function(linear_backward, by_hand, given, returns="dx, dw, db", mistakes=known("linear_backward"))
### END HIDDEN TESTS

# %% [markdown]
# ## Trust, but measure
#
# A gradient that is nearly right trains nearly well, and hides for weeks. There is a test that needs no formula: move one
# number up and down by a small $h$, and see what the output does.
#
# $$dx_i \approx \sum_j dout_j \; \frac{f(x + h\,e_i)_j - f(x - h\,e_i)_j}{2h}$$

# %% [markdown]
# ### Exercise 5 · numeric_gradient (5 points)
#
# | | |
# |---|---|
# | `f` | a function of one array that returns one array |
# | `x` | an array of any shape; do not change it |
# | `dout` | upstream, with the shape of `f(x)` |
# | `h` | the step |
# | returns | an array with the shape of x |
#
# About 7 lines.
#
# <details><summary>Hint</summary>
#
# `for index in np.ndindex(x.shape)` visits every number of an array of any shape. Work on a copy of x.
# </details>


# %% solution="numeric_gradient"
def numeric_gradient(f, x, dout, h):
    """The gradient of sum(f(x) * dout) by x, by central differences with step h."""
    ### BEGIN SOLUTION
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        dx[index] = ((f(up) - f(down)) * dout).sum() / (2 * h)
    return dx
    ### END SOLUTION


# %% test="numeric_gradient_visible" points=2
from autograder.mistakes import known
from cnnlib import check, gradcheck


def reference(f, x, dout, h):
    return gradcheck.numeric_gradient(f, x, dout, h)


normal = np.random.default_rng(28).standard_normal
cases = [(np.square, normal(3), normal(3), 0.1), (np.sin, normal((2, 3)), normal((2, 3)), 0.01)]
check.function(numeric_gradient, reference, cases, returns="dx", mistakes=known("numeric_gradient"))

# %% test="numeric_gradient_hidden" points=3
# Hidden: functions that change the shape, functions that are not smooth at h, large
# steps, arrays of one to three axes.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(29).standard_normal
matrix = normal((4, 3))


def mixed(x):
    return matrix @ (x * x * x)


def pairs(x):
    return x[1:] * x[:-1]


def by_expansion(f, x, dout, h):
    """Each number's own line through x, evaluated at both ends."""
    flat, dx = x.ravel(), []
    for i in range(flat.size):
        ends = [f(np.concatenate([flat[:i], [flat[i] + sign * h], flat[i + 1 :]]).reshape(x.shape)) for sign in (1, -1)]
        dx.append(np.sum(ends[0] * dout - ends[1] * dout) / h / 2)
    return np.array(dx).reshape(x.shape)


cases = [
    (mixed, normal(3), normal(4), 0.5),
    (pairs, normal((4, 2)), normal((3, 2)), 0.01),
    (np.abs, np.array([0.3, -0.1, 2.0]), np.array([1.0, 2.0, -3.0]), 0.25),
    (np.exp, normal((2, 2, 2)), normal((2, 2, 2)), 0.3),
]
check.function(numeric_gradient, by_expansion, cases, returns="dx", mistakes=known("numeric_gradient"))
### END HIDDEN TESTS

# %% [markdown]
# ## Two layers
#
# The slides' network has 3,072 inputs (a colour image of 32×32), 100 hidden units and 10 scores: 3072·100 + 100·10 =
# 308,200 weights, or 308,310 numbers with the biases.
#
# $$h = x\,w_1^T + b_1,\qquad a = \max(0, h),\qquad s = a\,w_2^T + b_2,\qquad L = \text{softmax loss}(s, y)$$
#
# Backward, the same names in reverse. The gradient of a variable is called `d` and its name.

# %% [markdown]
# ### Exercise 6 · two_layer_loss (9 points)
#
# | | |
# |---|---|
# | `w1, b1, w2, b2` | (H, D), (H,), (C, H), (C,) |
# | `x`, `y` | (N, D), and labels (N,) |
# | returns | `loss, dw1, db1, dw2, db2` |
#
# The loss is given: `ops.cross_entropy_forward(s, y)` returns the loss and a cache,
# `ops.cross_entropy_backward(1.0, cache)` returns `ds`. The rest are your layers from above, or their formulas. About
# 10 lines.
#
# <details><summary>Hint</summary>
#
# Forward: linear, ReLU, linear, loss, and keep four caches. Backward: the same four in reverse order; each takes the gradient that
# the one before returned.
# </details>

# %% solution="two_layer_loss"
from cnnlib import ops


def two_layer_loss(w1, b1, w2, b2, x, y):
    """The softmax loss of linear, ReLU, linear, and its gradients by the four parameters."""
    ### BEGIN SOLUTION
    h = x @ w1.T + b1
    a = np.maximum(h, 0)
    loss, cache = ops.cross_entropy_forward(a @ w2.T + b2, y)
    ds = ops.cross_entropy_backward(1.0, cache)
    dh = (ds @ w2) * (h > 0)
    return loss, dh.T @ x, dh.sum(axis=0), ds.T @ a, ds.sum(axis=0)
    ### END SOLUTION


# %% test="two_layer_loss_visible" points=3
from autograder.mistakes import known
from cnnlib import check
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F


def reference(w1, b1, w2, b2, x, y):
    p = [Tensor(array, requires_grad=True) for array in (w1, b1, w2, b2)]
    loss = F.cross_entropy(F.linear(F.relu(F.linear(Tensor(x), *p[:2])), *p[2:]), y)
    loss.backward()
    return loss.item(), *(parameter.grad for parameter in p)


normal = np.random.default_rng(30).standard_normal
case = (normal((4, 3)), normal(4), normal((2, 4)), normal(2), normal((5, 3)), np.array([0, 1, 1, 0, 1]))
check.function(two_layer_loss, reference, [case], returns="loss, dw1, db1, dw2, db2", mistakes=known("two_layer_loss"))

# %% test="two_layer_loss_hidden" points=6
# Hidden: the slides' 3072-100-10 on a batch, batches of one, more classes than
# hidden units, hidden units that are all off.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

normal = np.random.default_rng(31).standard_normal


def by_examples(w1, b1, w2, b2, x, y):
    """One example at a time, with outer products."""
    grads, total = [np.zeros(p.shape) for p in (w1, b1, w2, b2)], 0
    for row, label in zip(x, y, strict=True):
        h = w1 @ row + b1
        a = np.where(h > 0, h, 0)
        s = w2 @ a + b2
        p = np.exp(s - s.max()) / np.exp(s - s.max()).sum()
        total -= np.log(p[label])
        ds = p - np.eye(len(p))[label]
        dh = np.where(h > 0, w2.T @ ds, 0)
        for grad, part in zip(grads, (np.outer(dh, row), dh, np.outer(ds, a), ds), strict=True):
            grad += part
    return total / len(x), *(grad / len(x) for grad in grads)


def network(n, d, h, c, scale=1.0):
    shapes = (h, d), h, (c, h), c, (n, d)
    return *(scale * normal(shape) for shape in shapes), np.arange(n) * 7 % c


off = list(network(3, 2, 2, 2))
off[1] = np.array([-50.0, -50.0])
cases = [network(1, 3, 4, 2), network(4, 3, 2, 5), network(3, 3, 3, 3), tuple(off), network(8, 3072, 100, 10, 0.05)]
parts = "loss, dw1, db1, dw2, db2"
check.function(two_layer_loss, by_examples, cases, returns=parts, mistakes=known("two_layer_loss"))
### END HIDDEN TESTS

# %%
use_mine = False  # True: your two_layer_loss gives the gradients
demos.learn_digits(two_layer_loss if use_mine else None, hidden=32)

# %% [markdown]
# Nothing but gradients moved the weights of the hidden units. Drawn as pictures, they answer to strokes of digits.

# %% [markdown]
# ## Any graph
#
# A node may feed several others. The *INRIA* slides call these Post(i), and add what comes back from all of them:
#
# $$\frac{\partial L}{\partial x_i} = \sum_{j \in \text{Post}(i)} \frac{\partial L}{\partial x_j}\,\frac{\partial x_j}{\partial x_i}$$

# %%
demos.fork(x=3.0)

# %% [markdown]
# Two ways lead back to x, and both count. A node may pass its gradient on only when all that comes after it has
# arrived: the walk needs an order.

# %% [markdown]
# ### Exercise 7 · backprop (7 points)
#
# The whole algorithm, for any graph of numbers.
#
# | | |
# |---|---|
# | `pre` | a list: `pre[j]` holds a pair `(i, slope)` for every node `i` that feeds node `j`, with slope = ∂x_j/∂x_i |
# | `output` | the number of the node that is the loss |
# | returns | (n,): the gradient of the loss by every node; 0 for a node that does not lead to it |
#
# The nodes are numbered in **any** order, and the graph has no cycle. About 12 lines.
#
# <details><summary>Hint: the order</summary>
#
# Put a node into a list after all nodes of its Pre (a function that calls itself does this well). The reverse of this list is an order in
# which every node comes after all of its Post.
# </details>
# <details><summary>Hint: the walk</summary>
#
# Start with 1 at the output. For each node j in that order and each `(i, slope)` in `pre[j]`: `grad[i] += grad[j] * slope`.
# </details>


# %% solution="backprop"
def backprop(pre, output):
    """∂x_output/∂x_i for every node i of a graph; pre[j] lists (i, ∂x_j/∂x_i)."""
    ### BEGIN SOLUTION
    order, seen = [], set()

    def visit(j):
        if j not in seen:
            seen.add(j)
            for i, _ in pre[j]:
                visit(i)
            order.append(j)

    visit(output)
    grad = np.zeros(len(pre))
    grad[output] = 1
    for j in reversed(order):
        for i, slope in pre[j]:
            grad[i] += grad[j] * slope
    return grad
    ### END SOLUTION


# %% test="backprop_visible" points=2
from autograder.mistakes import known
from cnnlib import check


def reference(pre, output):
    slopes = [[sum(slope for i, slope in pre[j] if i == k) for j in range(len(pre))] for k in range(len(pre))]
    return np.linalg.inv(np.eye(len(pre)) - slopes)[:, output]  # 1 + S + S² + ...: the sum over all ways


fork = [[], [(0, 6.0)], [(0, 2.0)], [(1, 6.0), (2, 9.0)]]
shuffled = [[(3, 2.0), (1, 3.0)], [(2, 4.0)], [], [(2, 5.0), (1, -1.0)]]
check.function(backprop, reference, [(fork, 3), (shuffled, 0)], returns="grad", mistakes=known("backprop"))

# %% test="backprop_hidden" points=5
# Hidden: random graphs with their numbers shuffled, long ways, one input used
# twice, nodes beside the way, outputs in the middle.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(32)


def by_forward(pre, output):
    """The other direction: push a unit change of each node forward until nothing moves any more."""
    n, grads = len(pre), []
    for start in range(n):
        moved = np.eye(n)[start]
        for _ in range(n):
            again = np.array([sum(slope * moved[i] for i, slope in inputs) for inputs in pre])
            again[start] += 1
            moved = again
        grads.append(moved[output])
    return np.array(grads)


def graph(n, ways):
    place = rng.permutation(n)
    pre = [[] for _ in range(n)]
    for _ in range(ways):
        first, last = sorted(rng.choice(n, 2, replace=False))
        pre[place[last]].append((int(place[first]), float(rng.integers(-3, 4))))
    return pre, int(place[n - 1]), int(place[n // 2])


twice, lonely = [[], [(0, 2.0), (0, 3.0)]], [[], [], [(1, 4.0)]]
cases = [(twice, 1), (lonely, 2), ([[]], 0), ([[(i + 1, 1.5)] for i in range(9)] + [[]], 0)]
for n, ways in [(5, 8), (7, 14), (9, 24)]:
    pre, last, middle = graph(n, ways)
    cases += [(pre, last), (pre, middle)]
check.function(backprop, by_forward, cases, returns="grad", mistakes=known("backprop"))
### END HIDDEN TESTS

# %% [markdown]
# ## Recap
#
# - Downstream = local · upstream. With the slides' layout $[D_x \times D_z]$ the product is $J\,dz$.
# - Jacobians are for thinking; code multiplies without building them.
# - Linear layer: $dx = dout\, w$, $dw = dout^T x$, $db = \sum_n dout_n$. Shapes tell most of it.
# - Differences check any gradient, slowly.
# - Where ways part, gradients add; walk in reverse order, each node once.
#
# In lesson 3 the linear layer gets its weights tied and becomes a convolution; lesson 5 runs that backward, with
# nothing but the rules of this page.

# %% [markdown]
# ## Your question (2 points)
#
# Write one question about this lesson: something that stayed unclear, that surprised you, or that you would like to
# try. A typical question earns 1 point, one that shows thought earns 2.

# %% [markdown] answer="your_question" points=2
# *For whoever marks this.* A typical question (1 point) is answered in the lesson: "Why are the gradients added at a
# fork?" One that shows thought (2 points) goes a step further: "The walk keeps every value of the forward pass. Could a
# network compute some of them again instead, and when would that be worth it?"
