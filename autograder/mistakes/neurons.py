# ruff: noqa: F811 (entries share a name)
"""Lesson 01: the first learning machines, a network that is a table, the loss of many classes."""

import numpy as np

from autograder.mistakes import mistake, style

# ---- perceptron_update(w, b, x, t, lr) -> w, b


@mistake("A score of 0 counts as right here. Count it as a mistake, or learning from w = 0 never begins.")
def perceptron_update(w, b, x, t, lr):
    if t * (w @ x + b) < 0:
        return w + lr * t * x, b + lr * t
    return w, b


@mistake("It learns from every example. Only one with t f(x) <= 0 moves the weights.")
def perceptron_update(w, b, x, t, lr):
    return w + lr * t * x, b + lr * t


@mistake("The weights move away from t x. Add it: the score of this example must go towards t.")
def perceptron_update(w, b, x, t, lr):
    if t * (w @ x + b) <= 0:
        return w - lr * t * x, b - lr * t
    return w, b


@mistake("The bias stays where it was. It learns like the weight of an input that is always 1.")
def perceptron_update(w, b, x, t, lr):
    if t * (w @ x + b) <= 0:
        return w + lr * t * x, b
    return w, b


@mistake("The target is left out of the step. The weights must move towards t x, which is -x for t = -1.")
def perceptron_update(w, b, x, t, lr):
    if t * (w @ x + b) <= 0:
        return w + lr * x, b + lr
    return w, b


@mistake("The learning rate is left out: the step is lr t x.")
def perceptron_update(w, b, x, t, lr):
    if t * (w @ x + b) <= 0:
        return w + t * x, b + t
    return w, b


@mistake("The score has no bias: f(x) = w·x + b decides whether the answer is wrong.")
def perceptron_update(w, b, x, t, lr):
    if t * (w @ x) <= 0:
        return w + lr * t * x, b + lr * t
    return w, b


@mistake("It moves the weights where the answer is right: it should move them where t f(x) <= 0.")
def perceptron_update(w, b, x, t, lr):
    if t * (w @ x + b) > 0:
        return w + lr * t * x, b + lr * t
    return w, b


@mistake("It writes into the w that it was given: w += changes it for the caller too. Make a new array.")
def perceptron_update(w, b, x, t, lr):
    if t * (w @ x + b) <= 0:
        w += lr * t * x
        b += lr * t
    return w, b


@mistake("The step is lr (t - y) x, which is twice as long: with answers of -1 and 1, t - y is 2 or -2. Use lr t x.")
def perceptron_update(w, b, x, t, lr):
    y = 1 if w @ x + b > 0 else -1
    return w + lr * (t - y) * x, b + lr * (t - y)


@style("loops")
def perceptron_update(w, b, x, t, lr):
    score = b
    for i in range(len(x)):
        score += w[i] * x[i]
    new = list(w)
    if score * t <= 0:
        for i in range(len(x)):
            new[i] += lr * t * x[i]
        b = b + lr * t
    return new, b


@style("a factor of 0 or 1")
def perceptron_update(w, b, x, t, lr):
    wrong = np.array(t * (np.dot(w, x) + b) <= 0, float)
    return w + wrong * lr * t * x, b + wrong * lr * t


@style("Princeton's d - y")
def perceptron_update(weights, bias, example, target, rate):
    score = np.sum(weights * example) + bias
    answer = 1 if score > 0 else -1 if score < 0 else -target
    step = rate * (target - answer) / 2
    return np.asfortranarray(weights + step * example), np.float64(bias + step)


@style("in place on a copy")
def perceptron_update(w, b, x, t, lr):
    w = w.copy()
    if not t * (w.dot(x) + b) > 0:
        w += lr * t * x
        b += lr * t
    return [w, b]


# ---- perceptron_bound(X, t, w_star) -> number, or ValueError


@mistake("w* is not brought to length 1. Divide its scores by its length: the margin is a distance.")
def perceptron_bound(X, t, w_star):
    delta = (t * (X @ w_star)).min()
    if delta <= 0:
        raise ValueError
    return (np.linalg.norm(X, axis=1).max() / delta) ** 2


@mistake("The square is missing. The bound is (M / δ)², not M / δ.")
def perceptron_bound(X, t, w_star):
    delta = (t * (X @ w_star)).min() / np.linalg.norm(w_star)
    if delta <= 0:
        raise ValueError
    return np.linalg.norm(X, axis=1).max() / delta


@mistake("Only M is squared. The bound is (M / δ)², so square the margin too.")
def perceptron_bound(X, t, w_star):
    delta = (t * (X @ w_star)).min() / np.linalg.norm(w_star)
    if delta <= 0:
        raise ValueError
    return np.linalg.norm(X, axis=1).max() ** 2 / delta


@mistake("The margin is that of the farthest example. Take the least distance, of the nearest one.")
def perceptron_bound(X, t, w_star):
    scores = t * (X @ w_star)
    if scores.min() <= 0:
        raise ValueError
    return (np.linalg.norm(X, axis=1).max() / scores.max() * np.linalg.norm(w_star)) ** 2


@mistake("M is the mean length of the examples. All must fit into the ball: take the greatest length.")
def perceptron_bound(X, t, w_star):
    delta = (t * (X @ w_star)).min() / np.linalg.norm(w_star)
    if delta <= 0:
        raise ValueError
    return (np.linalg.norm(X, axis=1).mean() / delta) ** 2


@mistake("M is the largest single number in X. It is the length of the longest row.")
def perceptron_bound(X, t, w_star):
    delta = (t * (X @ w_star)).min() / np.linalg.norm(w_star)
    if delta <= 0:
        raise ValueError
    return (abs(X).max() / delta) ** 2


@mistake("M is the length of all of X as one long vector. Take the length of each row: axis=1.")
def perceptron_bound(X, t, w_star):
    delta = (t * (X @ w_star)).min() / np.linalg.norm(w_star)
    if delta <= 0:
        raise ValueError
    return (np.linalg.norm(X) / delta) ** 2


@mistake("Where w* gets an example wrong there is no bound: raise a ValueError for δ <= 0.")
def perceptron_bound(X, t, w_star):
    delta = (t * (X @ w_star)).min() / np.linalg.norm(w_star)
    return (np.linalg.norm(X, axis=1).max() / delta) ** 2


@mistake("The targets are left out: a wrong side must make t w*·x negative, and the absolute value hides it.")
def perceptron_bound(X, t, w_star):
    delta = abs(X @ w_star).min() / np.linalg.norm(w_star)
    return (np.linalg.norm(X, axis=1).max() / delta) ** 2


@style("loops")
def perceptron_bound(X, t, w_star):
    length = sum(p * p for p in w_star) ** 0.5
    delta, largest = float("inf"), 0.0
    for x, sign in zip(X, t, strict=True):
        delta = min(delta, sign * sum(p * q for p, q in zip(x, w_star, strict=True)) / length)
        largest = max(largest, sum(p * p for p in x) ** 0.5)
    if not delta > 0:
        raise ValueError(f"the margin is {delta}")
    return (largest / delta) ** 2


@style("squares all along")
def perceptron_bound(X, t, w_star):
    scores = np.einsum("nd,d,n->n", X, w_star, t)
    if np.any(scores <= 0):
        raise ValueError("not separated")
    return np.max(np.sum(X**2, axis=1)) * np.sum(w_star**2) / np.min(scores) ** 2


@style("a unit vector first")
def perceptron_bound(examples, targets, right):
    right = right / np.sqrt(right @ right)
    distances = (examples * targets[:, None]) @ right
    if min(distances) <= 0:
        raise ValueError("no margin")
    return np.array((max(map(np.linalg.norm, examples)) / min(distances)) ** 2)


# ---- adaline_update(w, b, x, t, lr) -> w, b


@mistake("The error is taken after the sign. Adaline compares t with the score itself.")
def adaline_update(w, b, x, t, lr):
    error = t - np.sign(w @ x + b)
    return w + lr * error * x, b + lr * error


@mistake("The step goes uphill: add lr (t - f(x)) x, do not subtract it.")
def adaline_update(w, b, x, t, lr):
    error = t - (w @ x + b)
    return w - lr * error * x, b - lr * error


@mistake("It learns only where the sign is wrong. Adaline learns from every example.")
def adaline_update(w, b, x, t, lr):
    score = w @ x + b
    if t * score > 0:
        return w, b
    return w + lr * (t - score) * x, b + lr * (t - score)


@mistake("There is a factor 2 too many: the loss is half the square, so that the 2 goes.")
def adaline_update(w, b, x, t, lr):
    error = t - (w @ x + b)
    return w + 2 * lr * error * x, b + 2 * lr * error


@mistake("The bias stays where it was. It learns like the weight of an input that is always 1.")
def adaline_update(w, b, x, t, lr):
    return w + lr * (t - (w @ x + b)) * x, b


@mistake("The score has no bias: f(x) = w·x + b.")
def adaline_update(w, b, x, t, lr):
    error = t - w @ x
    return w + lr * error * x, b + lr * error


@mistake("The error is used again after the weights have moved. Take the score once, for w and b alike.")
def adaline_update(w, b, x, t, lr):
    w = w + lr * (t - (w @ x + b)) * x
    return w, b + lr * (t - (w @ x + b))


@mistake("The step is multiplied with t, as in the perceptron's rule. The error has its sign already.")
def adaline_update(w, b, x, t, lr):
    error = t - (w @ x + b)
    return w + lr * error * t * x, b + lr * error * t


@style("loops")
def adaline_update(w, b, x, t, lr):
    score = b + sum(w[i] * x[i] for i in range(len(w)))
    return [w[i] + lr * (t - score) * x[i] for i in range(len(w))], b + lr * (t - score)


@style("one long vector")
def adaline_update(w, b, x, t, lr):
    v, a = np.append(w, b), np.append(x, 1.0)
    v = v - lr * (v @ a - t) * a
    return v[:-1], v[-1]


@style("gradients by name")
def adaline_update(weights, bias, example, target, rate):
    residual = np.sum(weights * example) + bias - target
    dw, db = residual * example, residual
    return weights - rate * dw, np.array(bias - rate * db)


# ---- dual_predict(alpha, K) -> (M,)


@mistake("The signs are returned. The scores themselves are asked for.")
def dual_predict(alpha, K):
    return np.sign(K @ alpha)


@mistake("A square kernel is used the wrong way round: its rows are the new examples, so K @ alpha.")
def dual_predict(alpha, K):
    return alpha @ K if K.shape[0] == K.shape[1] else K @ alpha


@mistake("The mean over the examples is taken. The representer theorem has a sum.")
def dual_predict(alpha, K):
    return K @ alpha / len(alpha)


@mistake("The sizes of alpha are used without their signs. An example of the other class counts against.")
def dual_predict(alpha, K):
    return K @ abs(alpha)


@mistake("The signs of alpha are used without their sizes. An example counts as often as alpha says.")
def dual_predict(alpha, K):
    return K @ np.sign(alpha)


@mistake("Only the most similar example counts. Add over all of them.")
def dual_predict(alpha, K):
    return (K * alpha)[np.arange(len(K)), K.argmax(axis=1)]


@mistake("The sum over the examples is missing: one score for each row of K.")
def dual_predict(alpha, K):
    return K * alpha


@style("loops")
def dual_predict(alpha, K):
    scores = []
    for row in K:
        score = 0.0
        for weight, similarity in zip(alpha, row, strict=True):
            score += weight * similarity
        scores.append(score)
    return scores


@style("a sum of products")
def dual_predict(alpha, K):
    return (K * alpha[None, :]).sum(axis=1)


@style("einsum")
def dual_predict(weights, kernel):
    return np.einsum("n,mn->m", weights, kernel)


@style("from the left")
def dual_predict(alpha, K):
    return alpha @ K.T


# ---- mlp_lookup(positives) -> w1, b1, w2, b2


@mistake("The output's bias is for hidden activations of -1 and 1. They are 0 and 1 here: the bias is -1.")
def mlp_lookup(positives):
    m, d = positives.shape
    return positives, np.full(m, -d), np.ones((1, m)), np.array([m - 1.0])


@mistake("The output is an 'and': it waits for all hidden units. One is enough, so its bias is -1.")
def mlp_lookup(positives):
    m, d = positives.shape
    return positives, np.full(m, -d), np.ones((1, m)), np.array([-float(m)])


@mistake("A hidden unit fires for neighbours too. Its threshold must lie above D - 2: b1 = -D.")
def mlp_lookup(positives):
    m, d = positives.shape
    return positives, np.full(m, 2 - d), np.ones((1, m)), np.array([-1.0])


@mistake("No hidden unit ever fires: w·x is D at most, so a bias below -D is never reached.")
def mlp_lookup(positives):
    m, d = positives.shape
    return positives, np.full(m, -d - 1), np.ones((1, m)), np.array([-1.0])


@mistake("The hidden weights have the wrong sign. A unit's weights are its positive input itself.")
def mlp_lookup(positives):
    m, d = positives.shape
    return -positives, np.full(m, -d), np.ones((1, m)), np.array([-1.0])


@mistake("The hidden units have no threshold. With b1 = 0 half of the inputs make them fire: b1 = -D.")
def mlp_lookup(positives):
    m, _ = positives.shape
    return positives, np.zeros(m), np.ones((1, m)), np.array([-1.0])


@mistake("One hidden unit cannot stand for all positives. Give each row its own.")
def mlp_lookup(positives):
    d = positives.shape[1]
    return np.sign(positives.sum(axis=0, keepdims=True)), np.full(1, -d), np.ones((1, 1)), np.array([-1.0])


@mistake("The hidden bias is -M, the number of units. It must be -D, the number of inputs.")
def mlp_lookup(positives):
    m, _ = positives.shape
    return positives, np.full(m, -m), np.ones((1, m)), np.array([-1.0])


@style("thresholds in the middle")
def mlp_lookup(positives):
    m, d = positives.shape
    return positives * 1.0, 1.0 - d * np.ones(m), np.ones((1, m)), np.array([-0.5])


@style("lists")
def mlp_lookup(positives):
    w1 = [[int(p) for p in row] for row in positives]
    return w1, [-len(row) for row in w1], [[1] * len(w1)], [-1]


@style("scaled, float32")
def mlp_lookup(positives):
    m, d = positives.shape
    w1 = np.asfortranarray(3 * positives, dtype=np.float32)
    return w1, np.full(m, 1 - 3 * d, np.float32), np.full((1, m), 2, np.float32), np.array([-2], np.float32)


@style("a bias from the weights")
def mlp_lookup(positives):
    return [positives, -np.abs(positives).sum(axis=1), np.ones_like(positives[:, :1]).T, -np.ones(1, int)]


# ---- tanh_from_sigmoid(x) -> out, slope


@mistake("This is the slide's 2σ(x) - 1, half as steep at 0. tanh(x) is 2σ(2x) - 1.")
def tanh_from_sigmoid(x):
    s = 1 / (1 + np.exp(-x))
    return 2 * s - 1, 2 * s * (1 - s)


@mistake("The slope lacks a factor 2: the chain rule brings one from 2σ and one from 2x.")
def tanh_from_sigmoid(x):
    s = 1 / (1 + np.exp(-2 * x))
    return 2 * s - 1, 2 * s * (1 - s)


@mistake("The slope is that of σ alone. The chain rule brings a 2 from 2σ and a 2 from 2x.")
def tanh_from_sigmoid(x):
    s = 1 / (1 + np.exp(-2 * x))
    return 2 * s - 1, s * (1 - s)


@mistake("The slope lacks a square: it is 1 - tanh².")
def tanh_from_sigmoid(x):
    s = 1 / (1 + np.exp(-2 * x))
    return 2 * s - 1, 1 - (2 * s - 1)


@mistake("The slope is taken at x. It is σ'(2x) that counts: use σ at 2x in the slope too.")
def tanh_from_sigmoid(x):
    s, at_x = 1 / (1 + np.exp(-2 * x)), 1 / (1 + np.exp(-x))
    return 2 * s - 1, 4 * at_x * (1 - at_x)


@mistake("The - 1 is missing: 2σ(2x) runs from 0 to 2, tanh from -1 to 1.")
def tanh_from_sigmoid(x):
    s = 1 / (1 + np.exp(-2 * x))
    return 2 * s, 4 * s * (1 - s)


@mistake("The slope has the wrong sign: tanh rises, so its slope is positive.")
def tanh_from_sigmoid(x):
    s = 1 / (1 + np.exp(-2 * x))
    return 2 * s - 1, (2 * s - 1) ** 2 - 1


@style("numpy's tanh")
def tanh_from_sigmoid(x):
    return np.tanh(x), 1 - np.tanh(x) ** 2


@style("one minus the square")
def tanh_from_sigmoid(x):
    out = 2 / (1 + np.exp(-2 * x)) - 1
    return [out, (1 - out) * (1 + out)]


@style("two sigmoids, number by number")
def tanh_from_sigmoid(x):
    out, slope = np.empty(x.shape), np.empty(x.shape)
    for i in np.ndindex(x.shape):
        s = 1 / (1 + np.exp(-2 * x[i]))
        out[i] = 2 * s - 1
        slope[i] = 2 * 2 * s * (1 / (1 + np.exp(2 * x[i])))
    return out, slope


@style("cosh")
def tanh_from_sigmoid(x):
    return np.sinh(x) / np.cosh(x), np.cosh(x) ** -2.0


# ---- softmax_cross_entropy(scores, labels) -> loss, dscores


@mistake("The loss is the sum over the examples. It is the mean, and so is its gradient.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    s = scores - scores.max(axis=1, keepdims=True)
    log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    ds = np.exp(log_p)
    ds[rows, labels] -= 1
    return -log_p[rows, labels].sum(), ds


@mistake("The gradient lacks the 1/N: the loss is a mean over N examples.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    s = scores - scores.max(axis=1, keepdims=True)
    log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    ds = np.exp(log_p)
    ds[rows, labels] -= 1
    return -log_p[rows, labels].mean(), ds


@mistake("Large scores overflow. Take the largest score of each row away before exp.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    with np.errstate(all="ignore"):
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, labels]).mean()
    p[rows, labels] -= 1
    return loss, p / len(labels)


@mistake("A probability of 0 is put into the logarithm. Compute ln p as s - ln Σ exp(s) instead.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        loss = -np.log(p[rows, labels]).mean()
    p[rows, labels] -= 1
    return loss, p / len(labels)


@mistake("The gradient is p alone. At the right class it is p - 1.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    s = scores - scores.max(axis=1, keepdims=True)
    log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    return -log_p[rows, labels].mean(), np.exp(log_p) / len(labels)


@mistake("Softmax runs over the examples. Each row's probabilities must add up to 1: axis=1.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    s = scores - scores.max(axis=0)
    log_p = s - np.log(np.exp(s).sum(axis=0))
    ds = np.exp(log_p)
    ds[rows, labels] -= 1
    return -log_p[rows, labels].mean(), ds / len(labels)


@mistake("The minus is missing: the loss is -ln p, never negative.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    s = scores - scores.max(axis=1, keepdims=True)
    log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    ds = np.exp(log_p)
    ds[rows, labels] -= 1
    return log_p[rows, labels].mean(), ds / len(labels)


@mistake("The logarithm is in base 2. The slides' ln is the natural one: np.log.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    s = scores - scores.max(axis=1, keepdims=True)
    log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    ds = np.exp(log_p)
    ds[rows, labels] -= 1
    return -log_p[rows, labels].mean() / np.log(2), ds / len(labels)


@mistake("One score is taken away from all rows, the largest of all. Use each row's own: axis=1, keepdims=True.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    s = scores - scores.max()
    with np.errstate(all="ignore"):
        log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
        ds = np.exp(log_p)
    ds[rows, labels] -= 1
    return -log_p[rows, labels].mean(), ds / len(labels)


@mistake("The loss adds -ln p of all classes. Only the right class of each row counts.")
def softmax_cross_entropy(scores, labels):
    rows = np.arange(len(labels))
    s = scores - scores.max(axis=1, keepdims=True)
    log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    ds = np.exp(log_p)
    ds[rows, labels] -= 1
    return -log_p.sum() / len(labels), ds / len(labels)


@style("loops")
def softmax_cross_entropy(scores, labels):
    loss, ds = 0.0, np.zeros(scores.shape)
    for n, label in enumerate(labels):
        top = max(scores[n])
        powers = [np.exp(s - top) for s in scores[n]]
        total = sum(powers)
        loss += np.log(total) + top - scores[n, label]
        for k, power in enumerate(powers):
            ds[n, k] = (power / total - (k == label)) / len(labels)
    return loss / len(labels), ds


@style("one-hot")
def softmax_cross_entropy(scores, labels):
    hot = np.eye(scores.shape[1])[labels]
    s = scores - scores.max(axis=1)[:, None]
    total = np.exp(s).sum(axis=1)
    loss = np.mean(np.log(total) - (s * hot).sum(axis=1))
    return [loss, np.asfortranarray((np.exp(s) / total[:, None] - hot) / len(scores))]


@style("float32")
def softmax_cross_entropy(scores, labels):
    s = (scores - scores.max(1, keepdims=True)).astype(np.float32)
    log_p = s - np.log(np.exp(s).sum(1, keepdims=True))
    ds = np.exp(log_p)
    np.subtract.at(ds, (np.arange(len(labels)), labels), 1)
    return -np.take_along_axis(log_p, labels[:, None], 1).mean(), ds / np.float32(len(labels))


@style("logaddexp")
def softmax_cross_entropy(scores, labels):
    log_total = np.logaddexp.reduce(scores, axis=1, keepdims=True)
    picked = scores[range(len(labels)), labels]
    mine = labels[:, None] == np.arange(scores.shape[1])
    return (log_total[:, 0] - picked).mean(), (np.exp(scores - log_total) - mine) / len(labels)
