"""The first learning machines against their theorems, least squares, and each other."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import perceptron
from cnnlib.gradcheck import numeric_gradient

CORNERS = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
XOR = np.array([-1, 1, 1, -1])


@st.composite
def separable(draw):
    """x, t, and weights and a bias that separate them with some margin."""
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    w, b = rng.normal(size=d), rng.normal()
    x = rng.normal(size=(n, d))
    scores = x @ w + b
    t = np.where(scores > 0, 1, -1)
    x += np.outer(0.2 * t, w) / (w @ w)  # away from the border
    return x, t, w, b


# -------------------------------------------------------------------------------------------------------- the perceptron


@pytest.mark.parametrize("t, score, learns", [(1, 0.5, False), (1, -0.5, True), (-1, 0.5, True), (-1, -0.5, False)])
def test_only_a_mistake_changes_the_weights(t, score, learns):
    w, b, x = np.array([1.0, -2.0]), 0.25, np.array([3.0, 1.0])
    b += score - (w @ x + b)
    new_w, new_b = perceptron.perceptron_update(w, b, x, t, lr=0.1)
    np.testing.assert_allclose(new_w, w + 0.1 * t * x * learns)
    assert new_b == pytest.approx(b + 0.1 * t * learns)
    assert new_w is not w


def test_a_score_of_zero_is_a_mistake():
    w, b = perceptron.perceptron_update(np.zeros(2), 0, np.array([1.0, 2.0]), -1)
    assert (w.tolist(), b) == ([-1, -2], -1)


def test_an_update_is_a_step_down_the_perceptron_loss():
    w, x = np.array([0.5, -1.0, 0.2]), np.array([0.3, 1.0, -0.4])
    gradient = numeric_gradient(lambda w: np.maximum(0, -(w @ x + 0.1)), w)  # t = 1
    np.testing.assert_allclose(perceptron.perceptron_update(w, 0.1, x, 1, lr=0.3)[0], w - 0.3 * gradient, atol=1e-9)


@given(separable(), st.booleans())
@settings(deadline=None, max_examples=60)
def test_the_convergence_theorem(problem, shuffled):
    x, t, w_star, b_star = problem
    fit = perceptron.fit_perceptron(x, t, epochs=10_000, rng=np.random.default_rng(0) if shuffled else None)
    assert fit.history[-1] == 0
    assert np.all(t * (x @ fit.w + fit.b) > 0)
    bound = perceptron.perceptron_bound(perceptron.with_one(x), t, np.append(w_star, b_star))
    assert fit.history.sum() <= bound


@given(separable(), st.floats(0.01, 100))
@settings(deadline=None)
def test_the_bound_is_the_formula_and_knows_no_scale(problem, scale):
    x, t, w, b = problem
    x, w = np.column_stack([x, np.ones(len(x))]), np.append(w, b)
    radius = max(math.hypot(*row) for row in x)
    margin = min(sign * sum(row * w) / math.hypot(*w) for row, sign in zip(x, t, strict=True))
    for values, weights in ((x, w), (x, scale * w), (scale * x, w)):
        assert perceptron.perceptron_bound(values, t, weights) == pytest.approx((radius / margin) ** 2)


def test_the_bound_can_be_reached():
    """Examples at right angles, which teach nothing of each other: as many mistakes as examples."""
    x = np.eye(5)
    alpha, history = perceptron.fit_kernel_perceptron(x @ x.T, np.ones(5))
    assert history.sum() == pytest.approx(perceptron.perceptron_bound(x, np.ones(5), np.ones(5)))
    assert alpha.tolist() == [1] * 5


def test_rounds_without_end_are_ended():
    fit = perceptron.fit_perceptron(CORNERS, XOR, epochs=7)
    assert len(fit.history) == 7
    assert fit.history.min() > 0


def test_the_history_counts_the_mistakes():
    """By hand. First round: f = 0, wrong, so w = (1, 0), b = 1; f = 1, wrong, so w = (1, -1), b = 0. Then f = 1, -1."""
    x, t = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1, -1])
    fit = perceptron.fit_perceptron(x, t)
    assert fit.history.tolist() == [2, 0]
    assert (fit.w.tolist(), fit.b) == ([1, -1], 0)


# --------------------------------------------------------------------------------------------------------------- Adaline


@pytest.mark.parametrize("batch", [None, 1, 5])
def test_adaline_steps_down_half_the_mean_squared_error(batch):
    rng = np.random.default_rng(0)
    w, b, lr = rng.normal(size=3), 0.3, 0.2
    x, t = (rng.normal(size=3), 1.0) if batch is None else (rng.normal(size=(batch, 3)), rng.choice([-1, 1], batch))
    new_w, new_b = perceptron.adaline_update(w, b, x, t, lr)
    dw = numeric_gradient(lambda w: np.mean((x @ w + b - t) ** 2) / 2, w)
    db = numeric_gradient(lambda b: np.mean((x @ w + b - t) ** 2) / 2, b)
    np.testing.assert_allclose(new_w, w - lr * dw, atol=1e-9)
    assert new_b == pytest.approx(b - lr * db, abs=1e-9)


@pytest.mark.parametrize("batch_size", [None, 4])
def test_adaline_ends_at_least_squares(batch_size):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(12, 2)), rng.choice([-1, 1], 12)
    if batch_size:  # the stochastic rule settles where one answer suits all
        t = np.sign(x[:, 0] - x[:, 1])
        x[:, 0] = x[:, 1] + t
    fit = perceptron.fit_adaline(x, t, lr=0.1, epochs=3000, batch_size=batch_size, rng=np.random.default_rng(1))
    expected, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(12)]), t, rcond=None)
    np.testing.assert_allclose([*fit.w, fit.b], expected, atol=1e-6)
    assert fit.history[-1] == pytest.approx(np.mean((x @ expected[:2] + expected[2] - t) ** 2) / 2, abs=1e-9)
    assert len(fit.history) == 3000


def test_the_stochastic_rule_takes_one_example_at_a_time():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(6, 2)), rng.choice([-1, 1], 6)
    fit = perceptron.fit_adaline(x, t, lr=0.1, epochs=2, batch_size=1)
    w, b = np.zeros(2), 0.0
    for row, target in zip(np.tile(x, (2, 1)), np.tile(t, 2), strict=True):
        error = target - (row @ w + b)
        w, b = w + 0.1 * error * row, b + 0.1 * error
    np.testing.assert_allclose([*fit.w, fit.b], [*w, b])


def test_the_generator_shuffles_each_round():
    """The stochastic rule ends elsewhere after each other order; the orders of two rounds are drawn one by one."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(8, 2)), rng.choice([-1, 1], 8)

    def end(epochs, seed):
        return tuple(perceptron.fit_adaline(x, t, 0.1, epochs, 1, np.random.default_rng(seed)).w)

    assert end(1, 0) == end(1, 0)
    assert len({end(1, seed) for seed in range(5)}) == 5
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(8), rng.permutation(8)])
    assert end(2, 0) == tuple(perceptron.fit_adaline(x[order], t[order], 0.1, 1, 1).w)


# --------------------------------------------------------------------------------------------------------------- kernels


def test_the_polynomial_kernel_is_a_dot_product_of_features():
    """(a·b + 1)² with D = 2: the features are 1, √2 x1, √2 x2, √2 x1 x2, x1², x2²."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))

    def features(x):
        x1, x2 = x.T
        root = math.sqrt(2)
        return np.stack([np.ones(len(x)), root * x1, root * x2, root * x1 * x2, x1**2, x2**2], axis=1)

    np.testing.assert_allclose(perceptron.polynomial_kernel(a, b), features(a) @ features(b).T)
    np.testing.assert_allclose(perceptron.polynomial_kernel(a, b, 1, 0), a @ b.T)


def test_the_gaussian_kernel_is_its_formula():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    found = perceptron.gaussian_kernel(a, b, width=0.7)
    for i, j in np.ndindex(3, 4):
        assert found[i, j] == pytest.approx(math.exp(-(math.dist(a[i], b[j]) ** 2) / (2 * 0.49)))
    far = 1e6 + rng.normal(size=(40, 5))
    assert perceptron.gaussian_kernel(far, far, 1e-3).max() <= 1, "whatever is lost in rounding"


@given(separable())
@settings(deadline=None, max_examples=40)
def test_the_representer_theorem(problem):
    """With the kernel x·y + 1 it is the perceptron itself: w = Σ alpha[n] x[n], b = Σ alpha[n], the same scores."""
    x, t, *_ = problem
    kernel = perceptron.polynomial_kernel(x, x, degree=1)
    fit = perceptron.fit_perceptron(x, t, epochs=20, rng=np.random.default_rng(0))
    alpha, history = perceptron.fit_kernel_perceptron(kernel, t, epochs=20, rng=np.random.default_rng(0))
    np.testing.assert_allclose([*(alpha @ x), alpha.sum()], [*fit.w, fit.b], atol=1e-9)
    np.testing.assert_array_equal(history, fit.history)
    new = np.random.default_rng(1).normal(size=(5, x.shape[1]))
    scores = perceptron.dual_predict(alpha, perceptron.polynomial_kernel(new, x, degree=1))
    np.testing.assert_allclose(scores, new @ fit.w + fit.b, atol=1e-9)


@pytest.mark.parametrize("kernel", [perceptron.polynomial_kernel, perceptron.gaussian_kernel])
def test_a_kernel_separates_what_no_line_does(kernel):
    alpha, history = perceptron.fit_kernel_perceptron(kernel(CORNERS, CORNERS), XOR)
    assert history[-1] == 0
    np.testing.assert_array_equal(np.sign(perceptron.dual_predict(alpha, kernel(0.9 * CORNERS, CORNERS))), XOR)
    assert len(perceptron.fit_kernel_perceptron(CORNERS @ CORNERS.T, XOR, epochs=9).history) == 9


# ---------------------------------------------------------------------------------------------- a network that is a table


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_table_gives_any_labelling(d):
    """All 2^(2^d) labellings of all 2^d inputs."""
    inputs = np.array(list(itertools.product([-1, 1], repeat=d)))
    for labels in itertools.product([0, 1], repeat=len(inputs)):
        network = perceptron.mlp_lookup(inputs[np.array(labels) == 1])
        assert perceptron.lookup_predict(network, inputs).tolist() == list(labels)
        assert network.w1.shape == (sum(labels), d), "a hidden unit for each positive"


def test_the_table_is_two_linear_layers():
    """The slide's w_m = x_m with bias -D, and Σ z - 1."""
    network = perceptron.mlp_lookup([[1, -1, 1], [-1, -1, 1]])
    assert network.w1.tolist() == [[1, -1, 1], [-1, -1, 1]]
    assert network.b1.tolist() == [-3, -3]
    assert (network.w2.tolist(), network.b2.tolist()) == ([[1, 1]], [-1])


# ----------------------------------------------------------------------------------------------------------- all of them


def test_precision_stays_and_arguments_are_not_written_to():
    x, t = CORNERS.astype(np.float32), np.array([-1, -1, -1, 1])
    w = np.zeros(2, np.float32)
    for array in (x, t, w):
        array.flags.writeable = False
    assert perceptron.perceptron_update(w, np.float64(0), x[0], t[3], np.float64(1))[0].dtype == np.float32
    assert perceptron.adaline_update(w, np.float64(0), x, t, np.float64(1))[0].dtype == np.float32
    assert perceptron.fit_perceptron(x, t).w.dtype == np.float32
    assert perceptron.fit_adaline(x, t, epochs=3).w.dtype == np.float32
    assert perceptron.gaussian_kernel(x, x).dtype == perceptron.polynomial_kernel(x, x).dtype == np.float32
    assert perceptron.fit_kernel_perceptron(x @ x.T, t).alpha.dtype == np.float32
    assert perceptron.fit_perceptron(CORNERS, t).w.dtype == np.float64


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: perceptron.perceptron_update([0, 0], 0, [1, 2, 3], 1), r"w has shape \(2,\), x \(3,\) and t \(\)"),
        (lambda: perceptron.perceptron_update([0], 0, [1], 0), "t holds 0, but only -1 and 1 are allowed"),
        (lambda: perceptron.fit_perceptron(CORNERS, [1, 1]), r"x has shape \(4, 2\) and t \(2,\)"),
        (lambda: perceptron.fit_perceptron(CORNERS, [0, 1, 1, 0]), "t holds 0, but only -1 and 1"),
        (lambda: perceptron.perceptron_bound(CORNERS, XOR, [1, 1]), "w_star separates only 1 of the 4 examples"),
        (lambda: perceptron.perceptron_bound(CORNERS, XOR, [1]), r"w_star has shape \(1,\), but x of shape \(4, 2\)"),
        (lambda: perceptron.adaline_update([0, 0], 0, CORNERS, 1), r"x \(4, 2\) and t \(\)"),
        (lambda: perceptron.adaline_update([0, 0], 0, CORNERS[:0], []), "the batch has 0 examples"),
        (lambda: perceptron.fit_adaline(CORNERS, XOR, batch_size=0), "batch_size is 0, but must be at least 1"),
        (lambda: perceptron.polynomial_kernel(CORNERS, np.eye(3)), r"a has shape \(4, 2\) and b \(3, 3\)"),
        (
            lambda: perceptron.gaussian_kernel(CORNERS, CORNERS, 0),
            "width is 0, but must be a finite number larger than 0",
        ),
        (lambda: perceptron.fit_kernel_perceptron(np.eye(3), XOR), r"kernel has shape \(3, 3\) and t \(4,\)"),
        (lambda: perceptron.dual_predict([1, 2], np.eye(3)), r"alpha has shape \(2,\) and kernel \(3, 3\)"),
        (lambda: perceptron.mlp_lookup([[1, 0]]), "positives holds 0, but only -1 and 1 are allowed"),
        (lambda: perceptron.mlp_lookup([1, 1]), "positives has 1 axes, but needs 2"),
        (lambda: perceptron.lookup_predict(perceptron.mlp_lookup([[1, 1]]), [[1]]), r"x has shape \(1, 1\), but the"),
    ],
)
def test_wrong_arguments_are_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x, t: perceptron.fit_perceptron(x * np.nan, t), "x holds nan, but all its numbers must be finite"),
        (lambda x, t: perceptron.fit_perceptron(x, t, lr=0), "lr is 0, but must be a finite number larger than 0"),
        (lambda x, t: perceptron.fit_perceptron(x, t, lr=1j), "lr must be a number, not 1j"),
        (lambda x, t: perceptron.fit_perceptron(x, t, epochs=-1), "epochs is -1, but must be at least 0"),
        (lambda x, t: perceptron.fit_adaline(x, t, epochs=1.5), "epochs must be an integer, not 1.5"),
        (lambda x, t: perceptron.fit_adaline(x, t, lr=np.inf), "lr is inf, but must be a finite number"),
        (lambda x, t: perceptron.fit_adaline(x, t, batch_size="a"), "batch_size must be an integer, not 'a'"),
        (lambda x, t: perceptron.fit_adaline(x, t, rng=3), "rng must be None or a numpy Generator .*, not 3"),
        (lambda x, t: perceptron.fit_kernel_perceptron(x @ x.T, t, rng=np.random), "rng must be None or a numpy Gen"),
        (lambda x, t: perceptron.perceptron_update(x[0], [1, 2], x[0], 1), r"b must be a number, not \[1, 2\]"),
        (lambda x, t: perceptron.polynomial_kernel(x, x, 0.5), "degree must be an integer, not 0.5"),
        (lambda x, t: perceptron.polynomial_kernel(x, x, 2, np.nan), "offset is nan, but must be"),
        (lambda x, t: perceptron.with_one(x[0]), r"x has shape \(2,\), but \(N, D\) is needed"),
    ],
)
def test_numbers_of_a_wrong_kind(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call(np.array([[1.0, 2.0], [-1.0, 3.0]]), np.array([1, -1]))
