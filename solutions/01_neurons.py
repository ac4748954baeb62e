# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   autograder: {withheld: [cnnlib.perceptron.perceptron_update, cnnlib.perceptron.perceptron_bound,
#     cnnlib.perceptron.adaline_update, cnnlib.perceptron.dual_predict, cnnlib.perceptron.mlp_lookup,
#     cnnlib.ops.cross_entropy_forward, cnnlib.ops.cross_entropy_backward,
#     cnnlib.ops.log_softmax_forward, cnnlib.ops.log_softmax_backward]}
# ---

# %% [markdown]
# # 1 · From one neuron to a network
#
# You build the first learning machines, see where a single neuron ends, and write the loss from which every network of
# this course learns.
#
# **Slides**: *INRIA*, from Rosenblatt's perceptron to activation functions; *Princeton COS 429*, a bit of history; *MVA*,
# neurons and their limitation.
#
# **Time**: about two and a half hours.

# %% tags=["setup"]
import numpy as np

from cnnlib import check, demos

check.withhold(
    "cnnlib.perceptron.perceptron_update", "cnnlib.perceptron.perceptron_bound", "cnnlib.perceptron.adaline_update",
    "cnnlib.perceptron.dual_predict", "cnnlib.perceptron.mlp_lookup",
    "cnnlib.ops.cross_entropy_forward", "cnnlib.ops.cross_entropy_backward",
    "cnnlib.ops.log_softmax_forward", "cnnlib.ops.log_softmax_backward",
)  # fmt: skip

# %% [markdown]
# ## A machine that learns letters
#
# A neuron weighs its inputs and adds them up: its **score** is $f(x) = w \cdot x + b$, and the sign of the score is its
# answer. Around 1957 Frank Rosenblatt built one, the Mark I Perceptron: 20×20 photocells, weights in potentiometers,
# and motors that turned them. It learned from mistakes only.

# %%
demos.mark_one(pair="QO")

# %% [markdown]
# Move the slider. First the weights are the letter itself. In the end they look at one place, Q's tail: nobody told them
# to.

# %% [markdown]
# ### Exercise 1 · perceptron_update (6 points)
#
# Where an example is on the wrong side, the weights move towards $t\,x$:
#
# $$w \leftarrow w + \eta\, t\, x, \qquad b \leftarrow b + \eta\, t \qquad\text{if}\quad t\, f(x) \le 0$$
#
# | | |
# |---|---|
# | `w`, `x` | (D,) |
# | `b` | a number |
# | `t` | the target, −1 or 1 |
# | `lr` | the learning rate η |
# | returns | `w, b`, new ones |
#
# The *INRIA* slides write $t f(x) < 0$. But learning starts at $w = 0$, where every score is 0: so here **a score of 0
# is a mistake**. About 4 lines.
#
# <details><summary>Hint</summary>
#
# `w + lr * t * x` makes a new array; `w += ...` writes into the one you were given.
# </details>


# %% solution="perceptron_update"
def perceptron_update(w, b, x, t, lr):
    """The weights (D,) and the bias after one example x (D,) with target t, -1 or 1."""
    ### BEGIN SOLUTION
    if t * (w @ x + b) <= 0:
        return w + lr * t * x, b + lr * t
    return w, b
    ### END SOLUTION


# %% test="perceptron_update_visible" points=2
from autograder.mistakes import known
from cnnlib import check, perceptron


def reference(w, b, x, t, lr):
    return perceptron.perceptron_update(w, b, x, t, lr)


w, x = np.array([1.0, -2]), np.array([3.0, 1])
cases = [(w, 0.5, x, 1, 1.0), (w, 0.5, x, -1, 1.0), (w, -4.0, x, 1, 0.5), (0 * w, 0.0, x, -1, 1.0)]
check.function(perceptron_update, reference, cases, returns="w, b", mistakes=known("perceptron_update"))

# %% test="perceptron_update_hidden" points=4
# Hidden: one to 400 inputs, both targets, right and wrong answers, scores of
# exactly 0, other learning rates, arguments unchanged.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(11)


def by_numbers(w, b, x, t, lr):
    """The bias as the weight of one more input, which is always 1."""
    weights, inputs = [*w, b], [*x, 1]
    wrong = t * sum(p * q for p, q in zip(weights, inputs, strict=True)) <= 0
    moved = [p + wrong * lr * t * q for p, q in zip(weights, inputs, strict=True)]
    return np.array(moved[:-1]), moved[-1]


cases = [
    (np.array([1.0, 2]), -4.0, np.array([2.0, 1]), 1, 0.25),
    (np.array([1.0, 2]), -4.0, np.array([2.0, 1]), -1, 3.0),
    (np.array([2.0]), 0.0, np.array([-1.5]), 1, 2.0),
    (np.zeros(3), 0.0, np.array([0.0, 1, -1]), -1, 0.1),
    (np.array([0.5, 0.5]), 2.0, np.array([-1.0, -1]), -1, 0.5),
]
for size in (2, 5, 5, 20, 400, 400):
    w, x = rng.normal(size=(2, size))
    cases += [(w, float(rng.normal()), x, t, float(rng.choice([0.1, 1.5]))) for t in (-1, 1)]
check.function(perceptron_update, by_numbers, cases, returns="w, b", mistakes=known("perceptron_update"))
### END HIDDEN TESTS

# %% [markdown]
# *Princeton COS 429* writes the rule as $w + \alpha (d - y)\, x$ with answers 0 and 1. There $d - y$ is 0 where the
# answer is right and ±1 where it is wrong: the same rule.

# %% [markdown]
# ## Why it ends
#
# Suppose some weights $w^*$ separate all examples: $t\,(w^* \cdot x) \ge \delta > 0$ with $|w^*| = 1$. There is no
# bias, all $|x| \le M$, and learning starts at $w = 0$. Each mistake adds at least $\delta$ to $w^* \cdot w$, so
# $|w| \ge k\,\delta$ after $k$ mistakes. And since $x$ was on the wrong side, $|w|^2$ grows by at most $M^2$, so
# $|w| \le \sqrt{k}\, M$.

# %%
demos.convergence(margin=0.1)

# %% [markdown]
# $|w|$ has to stay between two lines that cross, so $k \le (M/\delta)^2$. The wider the margin, the sooner they cross.
# The theorem promises *a* separating line, not a good one.

# %% [markdown]
# ### Exercise 2 · perceptron_bound (6 points)
#
# | | |
# |---|---|
# | `X` | (N, D), the examples |
# | `t` | (N,), targets −1 and 1 |
# | `w_star` | (D,), weights of **any** length |
# | returns | $(M / \delta)^2$, a number |
#
# $$M = \max_n |x_n|, \qquad \delta = \min_n \frac{t_n\,(w^* \cdot x_n)}{|w^*|}$$
#
# Where $\delta \le 0$, $w^*$ separates nothing: raise a `ValueError`. About 5 lines.
#
# <details><summary>Hint</summary>
#
# `np.linalg.norm(X, axis=1)` gives the length of each row.
# </details>


# %% solution="perceptron_bound"
def perceptron_bound(X, t, w_star):
    """How many mistakes a perceptron without a bias can make at most; ValueError where w_star does not separate."""
    ### BEGIN SOLUTION
    delta = np.min(t * (X @ w_star)) / np.linalg.norm(w_star)
    if delta <= 0:
        raise ValueError("w_star gets an example wrong")
    return (np.linalg.norm(X, axis=1).max() / delta) ** 2
    ### END SOLUTION


# %% test="perceptron_bound_visible" points=2
from autograder.mistakes import known
from cnnlib import check
from cnnlib.perceptron import perceptron_bound as reference

X, t, w_star = np.array([[3.0, 4], [-1, 2], [1, -3]]), np.array([1, 1, -1]), np.array([0.0, 2])
cases = [(X, t, w_star), (X[:1], t[:1], w_star), (X, t, np.array([0.2, 1]))]
check.function(perceptron_bound, reference, cases, returns="bound", mistakes=known("perceptron_bound"))
check.raises(perceptron_bound, X, -t, w_star, says="w* is wrong everywhere", mistakes=known("perceptron_bound"))

# %% test="perceptron_bound_hidden" points=4
# Hidden: two to 20 dimensions, short and long w*, one example, one wrong example
# among many, an example on the line.
### BEGIN HIDDEN TESTS
import math

from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(12)


def by_angles(X, t, w_star):
    """The distance from the line is |x| times the cosine of an angle."""
    lengths = [math.hypot(*x) for x in X]
    cosines = [
        sum(a * b for a, b in zip(x, w_star, strict=True)) / (length * math.hypot(*w_star))
        for x, length in zip(X, lengths, strict=True)
    ]
    margin = min(sign * length * cosine for sign, length, cosine in zip(t, lengths, cosines, strict=True))
    return max(lengths) ** 2 / margin**2


cases = []
for n, d, scale in [(1, 2, 1.0), (12, 2, 0.1), (30, 3, 7.0), (50, 20, 2.0), (9, 5, 1.0)]:
    X, w_star = rng.normal(size=(n, d)) * 2, rng.normal(size=d) * scale
    cases.append((X, np.sign(X @ w_star).astype(int), w_star))
check.function(perceptron_bound, by_angles, cases, returns="bound", mistakes=known("perceptron_bound"))
X, t, w_star = cases[2]
one_wrong = t.copy()
one_wrong[7] *= -1
check.raises(perceptron_bound, X, one_wrong, w_star, says="one is wrong", mistakes=known("perceptron_bound"))
on_it = np.array([[1.0, 2], [2, -1]])
check.raises(perceptron_bound, on_it, np.array([1, 1]), np.array([1.0, 2]), says="one is on the line")
### END HIDDEN TESTS

# %% [markdown]
# ## Learning as going downhill
#
# The perceptron rule is gradient descent, one example at a time, on the loss $\max(0, -t f(x))$. Other losses of the same
# score give other machines: the hinge $\max(0, 1 - t f(x))$ gives support vector machines, $\log(1 + e^{-t f(x)})$
# logistic regression, and the square $(t - f(x))^2$ gives Widrow and Hoff's **Adaline** (1960).

# %%
demos.losses()

# %% [markdown]
# The perceptron's loss is 0 for any line that separates, and it lies below the dashed step, which counts mistakes.
# Hinge and logistic (drawn in base 2) lie above it and ask for a margin. The square also punishes being *too* right:
# far points, all on the right side, pull its line away.

# %% [markdown]
# ### Exercise 3 · adaline_update (5 points)
#
# Adaline compares the target with the score itself, before any sign is taken, and learns from every example, right or
# wrong. The gradient of $\frac{1}{2}(t - f(x))^2$ gives the step, downhill:
#
# $$w \leftarrow w + \eta\,(t - f(x))\, x, \qquad b \leftarrow b + \eta\,(t - f(x))$$
#
# Arguments and results are those of `perceptron_update`. About 2 lines.


# %% solution="adaline_update"
def adaline_update(w, b, x, t, lr):
    """The weights (D,) and the bias after one step down the squared error of the score."""
    ### BEGIN SOLUTION
    error = t - (w @ x + b)
    return w + lr * error * x, b + lr * error
    ### END SOLUTION


# %% test="adaline_update_visible" points=2
from autograder.mistakes import known
from cnnlib import check
from cnnlib.perceptron import adaline_update as reference

w, x = np.array([1.0, -2]), np.array([3.0, 1])
cases = [(w, 0.5, x, 1, 0.1), (w, 0.5, x, -1, 0.1), (0 * w, 0.0, x, 1, 1.0), (w, 0.0, x, 1, 0.5)]
check.function(adaline_update, reference, cases, returns="w, b", mistakes=known("adaline_update"))

# %% test="adaline_update_hidden" points=3
# Hidden: one to 400 inputs, scores that are too small, too large and just right,
# other learning rates, and that small steps lower the error.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(13)


def by_differences(w, b, x, t, lr):
    """A step down the slope, which is measured; for a square, central differences are exact."""

    def loss(v):
        return 0.5 * (t - (v[:-1] @ x + v[-1])) ** 2

    v = np.append(w, b)
    slopes = np.array([(loss(v + step) - loss(v - step)) / 2 for step in np.eye(len(v))])
    moved = v - lr * slopes
    return moved[:-1], moved[-1]


cases = [(np.array([2.0, -1]), 0.0, np.array([1.0, 1]), 1, 0.7), (np.array([3.0]), -1.0, np.array([2.0]), 1, 0.2)]
for size in (1, 3, 6, 20, 400):
    w, x = rng.normal(size=(2, size))
    cases += [(w, float(rng.normal()), x, t, float(rng.choice([0.01, 0.3]))) for t in (-1, 1)]
check.function(adaline_update, by_differences, cases, returns="w, b", mistakes=known("adaline_update"))
### END HIDDEN TESTS

# %% [markdown]
# ## Weights made of examples
#
# Every update adds a multiple of an example, so in the end $w = \sum_n \alpha_n\, \phi(x_n)$, where $\phi(x)$ are the
# features. That is the **representer theorem**. A new score needs only dot products of features, and a **kernel**
# $k(x, x_n) = \phi(x) \cdot \phi(x_n)$ gives these without computing any feature:
#
# $$f(x) = \sum_n \alpha_n\, k(x, x_n)$$

# %%
demos.similarity(width=0.3)

# %% [markdown]
# The same perceptron, with another idea of similarity, draws a closed curve. Move the slider: how far an example
# reaches is chosen by hand, before learning. That is the limit of kernels.

# %% [markdown]
# ### Exercise 4 · dual_predict (4 points)
#
# | | |
# |---|---|
# | `alpha` | (N,), a weight for every training example |
# | `K` | (M, N), the kernel of each of M new examples (rows) with each training example |
# | returns | (M,), the scores, without taking signs |
#
# One line.


# %% solution="dual_predict"
def dual_predict(alpha, K):
    """The scores (M,) of M new examples from the weights alpha (N,) and the kernel K (M, N)."""
    ### BEGIN SOLUTION
    return K @ alpha
    ### END SOLUTION


# %% test="dual_predict_visible" points=2
from autograder.mistakes import known
from cnnlib import check, perceptron


def reference(alpha, K):
    return perceptron.dual_predict(alpha, K)


K = np.array([[1.0, 0.5, 0], [2, 0, 1]])
cases = [(np.array([2.0, -4, 3]), K), (np.array([1.0, -1]), K[:, :2]), (np.array([-1.5]), K[:, 1:2])]
check.function(dual_predict, reference, cases, returns="f", mistakes=known("dual_predict"))

# %% test="dual_predict_hidden" points=2
# Hidden: one to 30 examples, as many new ones as old, kernels that are not
# symmetric, and scores that explicit features give too.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(14)


def by_adding(alpha, K):
    total = np.zeros(len(K))
    for weight, column in zip(alpha, np.transpose(K), strict=True):
        total += weight * column
    return total


cases = [(rng.normal(size=n), rng.normal(size=(m, n))) for m, n in [(1, 1), (4, 4), (7, 3), (2, 30), (1, 5)]]
check.function(dual_predict, by_adding, cases, returns="f", mistakes=known("dual_predict"))
old, new, alpha = rng.normal(size=(6, 2)), rng.normal(size=(4, 2)), rng.normal(size=6)


def features(x):
    """(a·b + 1)² is the dot product of these."""
    p, q = x.T
    return np.stack([p * p, q * q, 2**0.5 * p * q, 2**0.5 * p, 2**0.5 * q, np.ones(len(x))], axis=1)


scores = dual_predict(alpha, (new @ old.T + 1) ** 2)
check.equal(scores, features(new) @ (alpha @ features(old)), "the score from w = Σ α φ(x)")
### END HIDDEN TESTS

# %% [markdown]
# ## Learn the features: a hidden layer
#
# Instead of choosing features by hand, let neurons compute them: $z = h(W^{(1)} x)$, then $y = \sigma(W^{(2)} z)$. A
# first proof that this is more: with inputs of ±1, a hidden layer can answer **any** question. It is a table. Each
# positive input gets a hidden unit that fires for it alone, and the output is an "or".

# %%
demos.table()

# %% [markdown]
# The question is whether an odd number of three inputs is 1. Four of the eight inputs need a hidden unit each; with $D$
# inputs it is up to $2^D$. A table can say everything and has learned nothing.

# %% [markdown]
# ## What is off, −1 or 0?
#
# The *INRIA* slide says that all activations are +1 or −1, and adds an "or": $y = \operatorname{sign}(\sum_m z_m - 1)$.
# With one unit on and $M - 1$ off at −1, the sum would be $2 - M$, and less than 1 for two units or more: the "or"
# would fail. But the slide also defines its sign as 1 for $y \ge 0$ and **0 otherwise**. So the inputs are ±1 and the
# hidden activations 0 or 1.

# %% [markdown]
# ### Exercise 5 · mlp_lookup (6 points)
#
# | | |
# |---|---|
# | `positives` | (M, D) of −1 and 1, each row once: the inputs to answer with 1 |
# | returns | `w1` (M, D), `b1` (M,), `w2` (1, M), `b2` (1,) |
#
# With $\text{step}(s) = 1$ for $s \ge 0$, else 0, the network computes
#
# $$z = \text{step}(w_1 x + b_1), \qquad y = \text{step}(w_2 z + b_2)$$
#
# Any weights that answer right for all $2^D$ inputs earn the points. About 3 lines.
#
# <details><summary>Hint: one unit</summary>
#
# For a row $p$ of `positives`, $p \cdot x$ is $D$ where $x = p$. Every input that differs takes 2 away.
# </details>


# %% solution="mlp_lookup"
def mlp_lookup(positives):
    """Weights and biases of a network that answers 1 for the rows of positives (M, D), and 0 for all other inputs."""
    ### BEGIN SOLUTION
    m, d = positives.shape
    return positives, np.full(m, -d), np.ones((1, m)), np.array([-1.0])
    ### END SOLUTION


# %% test="mlp_lookup_visible" points=2
from autograder.mistakes import known
from cnnlib import check, lookup


def answers(make):
    return lambda positives, x: lookup.lookup_predict(lookup.Lookup(*map(np.array, make(positives))), x)


def reference(positives, x):
    return np.array([int(row in positives.tolist()) for row in x.tolist()])


corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
cases = [(corners[1:3], corners), (corners[:1], corners), (corners[1:], corners)]  # exclusive or, nor, or
check.function(mlp_lookup, reference, cases, returns="y", through=answers, mistakes=known("mlp_lookup"))

# %% test="mlp_lookup_hidden" points=4
# Hidden: one to six inputs; parity, random labellings, one and all but one
# positive.
### BEGIN HIDDEN TESTS
from itertools import product

from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(15)


def answers(make):
    """What the network answers, by its definition."""

    def network(positives, x):
        w1, b1, w2, b2 = (np.array(part, float) for part in make(positives))
        z = np.heaviside(np.einsum("md,nd->nm", w1, x) + b1, 1)
        return np.heaviside(np.einsum("km,nm->nk", w2, z) + b2, 1)[:, 0]

    return network


def as_numbers(positives, x):
    """Inputs as binary numbers, looked up in a set."""
    powers = 2 ** np.arange(x.shape[1])
    return np.isin((x > 0) @ powers, (positives > 0) @ powers).astype(int)


cases = []
for d in (1, 2, 3, 4, 6):
    x = np.array(list(product([-1, 1], repeat=d)))
    shuffled = rng.permutation(x)
    for positives in (x[x.prod(1) < 0], shuffled[: 2**d // 3 + 1], shuffled[:1], shuffled[1:]):
        cases.append((positives, x))
check.function(mlp_lookup, as_numbers, cases, returns="y", through=answers, mistakes=known("mlp_lookup"))
### END HIDDEN TESTS

# %% [markdown]
# ## Activations
#
# A step has slope 0 almost everywhere, so no gradient can pass it. And with no activation at all, layers collapse:
# $W^{(2)} W^{(1)} x$ is one linear map. So a hidden unit needs a function that bends and has a slope.

# %%
demos.activations()

# %% [markdown]
# The sigmoid's slope is 0.25 at most and dies on both sides: it *saturates*. ReLU's is 1 for all positive inputs; leaky
# ReLU, ELU and maxout keep some slope on the left too. Look at the dashed curve beside tanh: the *INRIA* slide gives
# tanh as $2\sigma(x) - 1$. That is only half as steep at 0.

# %% [markdown]
# ### Exercise 6 · tanh_from_sigmoid (3 points)
#
# $$\sigma(x) = \frac{1}{1 + e^{-x}}, \qquad \tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}} = 2\,\sigma(2x) - 1$$
#
# Divide above and below by $e^x$ to see it. `sigmoid` is given. Return tanh of `x` (any shape) and its slope
# $\frac{d}{dx}\tanh(x)$, as `out, slope`, each of the shape of `x`. About 2 lines.
#
# <details><summary>Hint</summary>
#
# $\sigma' = \sigma\,(1 - \sigma)$. The chain rule brings one 2 from $2\sigma$ and one from $2x$.
# </details>


# %% solution="tanh_from_sigmoid"
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def tanh_from_sigmoid(x):
    """tanh(x) and its slope, both of the shape of x."""
    ### BEGIN SOLUTION
    s = sigmoid(2 * x)
    return 2 * s - 1, 4 * s * (1 - s)
    ### END SOLUTION


# %% test="tanh_from_sigmoid_visible" points=1
from autograder.mistakes import known
from cnnlib import check


def reference(x):
    return np.tanh(x), 1 - np.tanh(x) ** 2


cases = [(np.array([-2.0, -0.5, 0, 1, 3]),), (np.array([[0.25, -1], [0.75, 2]]),)]
check.function(tanh_from_sigmoid, reference, cases, returns="out, slope", mistakes=known("tanh_from_sigmoid"))

# %% test="tanh_from_sigmoid_hidden" points=2
# Hidden: arrays of one to four axes, far to both sides, and the slope as a
# difference.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(16)


def by_exponentials(x):
    def tanh(x):
        up, down = np.exp(x), np.exp(-x)
        return (up - down) / (up + down)

    return tanh(x), (tanh(x + 1e-5) - tanh(x - 1e-5)) / 2e-5


cases = [(rng.normal(size=shape) * 1.5,) for shape in [(7,), (3, 4), (2, 3, 2), (2, 1, 3, 2)]]
cases += [(np.array([-9.0, 0.1, 9]),), (np.array([0.0]),)]
check.function(tanh_from_sigmoid, by_exponentials, cases, returns="out, slope", mistakes=known("tanh_from_sigmoid"))
### END HIDDEN TESTS

# %% [markdown]
# ## A loss for many classes
#
# The perceptron has no direct form for many classes, and no confidence. So give every class a score $s_k$, turn scores
# into probabilities with **softmax**, and ask that the right class $l$ be probable:
#
# $$p_k = \frac{e^{s_k}}{\sum_j e^{s_j}}, \qquad L = -\ln p_l, \qquad \frac{\partial L}{\partial s_k} = p_k - [k = l]$$
#
# The gradient is the error of every probability. It is nothing but the perceptron's idea, made soft.

# %% [markdown]
# ### Exercise 7 · softmax_cross_entropy (8 points)
#
# | | |
# |---|---|
# | `scores` | (N, C) |
# | `labels` | (N,), whole numbers from 0 to C − 1 |
# | returns | `loss`, a number, and `dscores` (N, C) |
#
# The slides add up the losses of all examples; here, as in most libraries, the loss is the **mean** over the N
# examples, so its gradient has a factor 1/N. A score may be 1000, and $e^{1000}$ overflows: first take the largest
# score of each row away from the row, which changes no probability. About 7 lines.
#
# <details><summary>Hint: the logarithm</summary>
#
# With $s$ shifted, $\ln p_k = s_k - \ln \sum_j e^{s_j}$. So no probability of 0 is ever put into a logarithm.
# </details>
# <details><summary>Hint: the right class of each row</summary>
#
# `log_p[np.arange(len(labels)), labels]` picks one entry from each row. It may also stand on the left of `-= 1`.
# </details>


# %% solution="softmax_cross_entropy"
def softmax_cross_entropy(scores, labels):
    """The mean cross-entropy of scores (N, C) with labels (N,), and its gradient by the scores (N, C)."""
    ### BEGIN SOLUTION
    rows = np.arange(len(labels))
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dscores = np.exp(log_p)
    dscores[rows, labels] -= 1
    return -log_p[rows, labels].mean(), dscores / len(labels)
    ### END SOLUTION


# %% test="softmax_cross_entropy_visible" points=3
from autograder.mistakes import known
from cnnlib import check, ops


def reference(scores, labels):
    loss, cache = ops.cross_entropy_forward(scores, labels)
    return loss, ops.cross_entropy_backward(1.0, cache)


scores = np.array([[2.0, 1, -1], [0, 3, 0.5]])
cases = [(scores[:1], np.array([0])), (scores, np.array([2, 1])), (500 * scores, np.array([0, 2]))]
wrong = known("softmax_cross_entropy")
check.function(softmax_cross_entropy, reference, cases, returns="loss, dscores", mistakes=wrong)

# %% test="softmax_cross_entropy_hidden" points=5
# Hidden: one to 40 examples, two to ten classes, scores of ±1000, equal scores,
# labels at both ends, arguments unchanged.
### BEGIN HIDDEN TESTS
from autograder.mistakes import known
from cnnlib import check

rng = np.random.default_rng(17)


def by_differences(scores, labels):
    """ln(e^a + e^b + ...) from numpy, and every slope as a difference."""

    def loss(s):
        return np.mean([np.logaddexp.reduce(row) - row[label] for row, label in zip(s, labels, strict=True)])

    slopes = np.zeros(scores.shape)
    for place in np.ndindex(scores.shape):
        step = np.zeros(scores.shape)
        step[place] = 1e-4
        slopes[place] = (loss(scores + step) - loss(scores - step)) / 2e-4
    return loss(scores), slopes


sizes = [(1, 2), (3, 3), (5, 2), (4, 10), (40, 6)]
cases = [(rng.normal(size=(n, c)) * 2, rng.integers(c, size=n)) for n, c in sizes]
large = rng.permutation(np.array([[1000.0, 998, -1000], [-1000, -1001, -999.5], [0, 0, 0]]))
cases += [(large, np.array([2, 0, 1])), (np.zeros((2, 4)), np.array([0, 3])), (large - 5000, np.array([0, 2, 0]))]
known_ones = known("softmax_cross_entropy")
check.function(softmax_cross_entropy, by_differences, cases, returns="loss, dscores", mistakes=known_ones)
### END HIDDEN TESTS

# %% [markdown]
# ## Where one neuron fails
#
# The exclusive or: positive where two signs differ. No line separates it, so the perceptron never comes to rest. A
# network with a hidden layer and your loss bends.

# %%
use_mine = False  # True: your softmax_cross_entropy gives the gradient
demos.learn_xor(softmax_cross_entropy if use_mine else None, hidden=8)

# %% [markdown]
# On the left the line jumps for ever: there is nowhere to go. On the right eight ReLU units, learned from 120 points,
# do what the table did, and also between the corners.

# %% [markdown]
# ## Recap
#
# - A perceptron learns from mistakes; with margin δ it makes at most $(M/\delta)^2$.
# - Perceptron, hinge, logistic and squared loss: one score, four ideas of wrong.
# - $w$ is a sum of examples, so kernels can replace features.
# - A hidden layer can hold any table (hidden activations 0 or 1); good ones are learned, with activations that have a slope.
# - $\tanh(x) = 2\sigma(2x) - 1$.
# - Softmax cross-entropy: the gradient is $p - [k = l]$, over N.
#
# How do gradients reach the first layer? That is lesson 2.

# %% [markdown]
# ## Your question (2 points)
#
# Write one question about this lesson: something that stayed unclear, that surprised you, or that you would like to
# try. A typical question earns 1 point, one that shows thought earns 2.

# %% [markdown] answer="your_question" points=2
# *For whoever marks this.* A typical question (1 point) is answered in the lesson: "Why can a perceptron not learn the
# exclusive or?" One that shows thought (2 points) goes a step further: "The bound does not depend on the number of
# inputs. Does a perceptron on a million pixels learn as fast as on two, if the margin is the same?"
