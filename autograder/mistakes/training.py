# ruff: noqa: F811 (entries share a name)
"""Lesson 07: how weights start, what keeps signals alive, and the step that trains."""

import numpy as np

from autograder.mistakes import mistake, style

# ---- he_init(shape, n, rng) -> an array of this shape


@mistake("2 / n is the variance. The standard deviation is its root: multiply by np.sqrt(2 / n).")
def he_init(shape, n, rng):
    return rng.standard_normal(shape) * 2 / n


@mistake(
    "The standard deviation is sqrt(1 / n). A ReLU lets half of the signal through, so it takes the 2: sqrt(2 / n)."
)
def he_init(shape, n, rng):
    return rng.standard_normal(shape) * np.sqrt(1 / n)


@mistake("The numbers are uniform, not Gaussian: draw them with rng.standard_normal.")
def he_init(shape, n, rng):
    return rng.uniform(-1, 1, shape) * np.sqrt(2 / n)


@mistake("There are no negative weights: rng.random draws between 0 and 1. Draw with rng.standard_normal.")
def he_init(shape, n, rng):
    return rng.random(shape) * np.sqrt(2 / n)


@mistake("All weights are equal, so all units would stay alike. Draw each one at random.")
def he_init(shape, n, rng):
    return np.full(shape, np.sqrt(2 / n))


@mistake("The size of the whole array stands for n. Use the argument n: sqrt(2 / n).")
def he_init(shape, n, rng):
    return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape))


@mistake("The first axis of the shape stands for n. Use the argument n: who calls decides what is counted.")
def he_init(shape, n, rng):
    return rng.standard_normal(shape) * np.sqrt(2 / shape[0])


@mistake("This is sqrt(n / 2), upside down: the more numbers are added up, the smaller each weight, sqrt(2 / n).")
def he_init(shape, n, rng):
    return rng.standard_normal(shape) * np.sqrt(n / 2)


@mistake("Every call gives the same numbers: draw from the rng that you are given, not from one of your own.")
def he_init(shape, n, rng):
    return np.random.default_rng(1).standard_normal(shape) * np.sqrt(2 / n)


@mistake("The seed has no effect: draw from the rng that you are given, not from np.random.")
def he_init(shape, n, rng):
    return np.random.standard_normal(shape) * np.sqrt(2 / n)


@style("scale of the distribution")
def he_init(shape, n, rng):
    return rng.normal(0, (2 / n) ** 0.5, size=shape)


@style("one after the other")
def he_init(shape, n, rng):
    w = np.zeros(shape)
    for index in np.ndindex(*shape):
        w[index] = rng.normal(loc=0.0, scale=np.sqrt(2.0 / n))
    return w


@style("float32")
def he_init(shape, n, rng):
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / n))


@style("flat list, reshaped in Fortran order")
def he_init(shape, n, rng):
    spread = np.sqrt(2) / np.sqrt(n)
    return np.array([spread * value for value in rng.standard_normal(int(np.prod(shape)))]).reshape(shape, order="F")


# ---- batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum, eps)
# -> out, cache, running_mean, running_var


@mistake("Mean and variance are taken along each row. Take them down each column, over the batch: axis=0.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if not training:
        out = (x - running_mean) / np.sqrt(running_var + eps) * gamma + beta
        return out, None, running_mean, running_var
    mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, None, running_mean, running_var


@mistake("One mean and one variance serve all features. Each feature has its own: axis=0.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = (x.mean(), x.var()) if training else (running_mean, running_var)
    out = gamma * (x - mean) / np.sqrt(var + eps) + beta
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * N / (N - 1)
    return out, None, running_mean, running_var


@mistake("The division is by the variance. Divide by its root, the standard deviation.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    out = gamma * (x - mean) / (var + eps) + beta
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * N / (N - 1)
    return out, None, running_mean, running_var


@mistake("eps is left out: a feature that is the same in the whole batch has variance 0. Write sqrt(var + eps).")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    out = gamma * (x - mean) / np.sqrt(var) + beta
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * N / (N - 1)
    return out, None, running_mean, running_var


@mistake("eps is added after the root. It belongs under it: sqrt(var + eps).")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    out = gamma * (x - mean) / (np.sqrt(var) + eps) + beta
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * N / (N - 1)
    return out, None, running_mean, running_var


@mistake("gamma and beta have changed places: gamma multiplies, beta is added.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    out = beta * (x - mean) / np.sqrt(var + eps) + gamma
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * N / (N - 1)
    return out, None, running_mean, running_var


@mistake("gamma and beta are left out: the last step is out = gamma * x_hat + beta.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    out = (x - mean) / np.sqrt(var + eps)
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * N / (N - 1)
    return out, None, running_mean, running_var


@mistake("The batch's statistics are used where training is False. There the running ones count.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = x.mean(axis=0), x.var(axis=0)
    out = gamma * (x - mean) / np.sqrt(var + eps) + beta
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * N / (N - 1)
    return out, None, running_mean, running_var


@mistake("The running statistics are used in training. There the batch's own count.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * x.mean(axis=0)
        running_var = (1 - momentum) * running_var + momentum * x.var(axis=0) * N / (N - 1)
    out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    return out, None, running_mean, running_var


@mistake("The weights of old and new have changed places: momentum is the batch's part, 1 - momentum the old one's.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    out = gamma * (x - mean) / np.sqrt(var + eps) + beta
    if training:
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * var * N / (N - 1)
    return out, None, running_mean, running_var


@mistake("running_var takes the variance that divides by N. Let it take the one that divides by N - 1.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    out = gamma * (x - mean) / np.sqrt(var + eps) + beta
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    return out, None, running_mean, running_var


@mistake("x is normalised with the variance that divides by N - 1. Here divide by N; N - 1 is for running_var.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    mean, var = (x.mean(axis=0), x.var(axis=0, ddof=1)) if training else (running_mean, running_var)
    out = gamma * (x - mean) / np.sqrt(var + eps) + beta
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    return out, None, running_mean, running_var


@mistake("The running statistics change in use as well. They follow the batch only where training is True.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    out = gamma * (x - mean) / np.sqrt(var + eps) + beta
    running_mean = (1 - momentum) * running_mean + momentum * x.mean(axis=0)
    running_var = (1 - momentum) * running_var + momentum * x.var(axis=0) * N / (N - 1)
    return out, None, running_mean, running_var


@mistake("The running statistics never change. In training, move them towards the batch's by the part momentum.")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, None, running_mean, running_var


@mistake(
    "The running statistics are changed in place (*=, +=). Return new arrays: a caller may still need the old ones."
)
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N = len(x)
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    out = gamma * (x - mean) / np.sqrt(var + eps) + beta
    if training:
        running_mean *= 1 - momentum
        running_mean += momentum * mean
        running_var *= 1 - momentum
        running_var += momentum * var * N / (N - 1)
    return out, None, running_mean, running_var


@style("loops over features")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    N, D = x.shape
    out, x_hat, std = np.zeros((N, D)), np.zeros((N, D)), np.zeros(D)
    new_mean, new_var = np.array(running_mean, float), np.array(running_var, float)
    for j in range(D):
        if training:
            mean = sum(x[i, j] for i in range(N)) / N
            squares = sum((x[i, j] - mean) ** 2 for i in range(N))
            var = squares / N
            new_mean[j] += momentum * (mean - new_mean[j])
            new_var[j] += momentum * (squares / (N - 1) - new_var[j])
        else:
            mean, var = running_mean[j], running_var[j]
        std[j] = np.sqrt(var + eps)
        for i in range(N):
            x_hat[i, j] = (x[i, j] - mean) / std[j]
            out[i, j] = gamma[j] * x_hat[i, j] + beta[j]
    return out, (x_hat, gamma, std), new_mean, new_var


@style("scale and shift in one, as in use")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    mean, var = running_mean, running_var
    if training:
        mean, var = np.average(x, axis=0), np.var(x, axis=0)
        running_mean = momentum * mean + (1 - momentum) * running_mean
        running_var = momentum * np.var(x, axis=0, ddof=1) + (1 - momentum) * running_var
    scale = gamma / np.sqrt(var + eps)
    cache = {"x_hat": (x - mean) / np.sqrt(var + eps), "gamma": gamma}
    return x * scale + (beta - mean * scale), cache, running_mean, running_var


@style("two branches, Fortran order, a list")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if training is False:
        return [(x - running_mean) / (running_var + eps) ** 0.5 * gamma + beta, None, running_mean, running_var]
    mu = np.ones(len(x)) @ x / len(x)
    centred = x - mu
    var = (centred**2).mean(0)
    std = (var + eps) ** 0.5
    fresh = momentum * (centred**2).sum(0) / (len(x) - 1)
    out = np.asfortranarray(centred / std * gamma + beta)
    return [
        out,
        (centred / std, gamma, std),
        running_mean + momentum * (mu - running_mean),
        running_var * (1 - momentum) + fresh,
    ]


@style("float32")
def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    x = x.astype(np.float32)
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean(axis=0), x.var(axis=0)
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * (len(x) / (len(x) - 1))
    std = np.sqrt(var + np.float32(eps))
    x_hat = (x - mean) / std
    return (gamma * x_hat + beta).astype(np.float32), (x_hat, gamma, std), running_mean, running_var


# ---- batchnorm_backward(dout, cache) -> dx, dgamma, dbeta


@mistake("Mean and variance are taken for constants. They depend on every x of the column: two more terms in dx.")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    return gamma / std * dout, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@mistake("dx lacks the term of the variance: subtract x_hat * mean(dout * x_hat) as well.")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    return gamma / std * (dout - dout.mean(axis=0)), (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@mistake("dx lacks the term of the mean: subtract mean(dout) as well.")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    dx = gamma / std * (dout - x_hat * (dout * x_hat).mean(axis=0))
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@mistake("In dx, mean(dout * x_hat) stands alone. Each number has its own share of it: multiply it by x_hat.")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    dx = gamma / std * (dout - dout.mean(axis=0) - (dout * x_hat).mean(axis=0))
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@mistake("dx subtracts sums. Subtract means over the batch: divide the sums by N.")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    dx = gamma / std * (dout - dout.sum(axis=0) - x_hat * (dout * x_hat).sum(axis=0))
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@mistake("dx lacks gamma: the upstream gradient passes through the scale first.")
def batchnorm_backward(dout, cache):
    x_hat, _, std = cache
    dx = (dout - dout.mean(axis=0) - x_hat * (dout * x_hat).mean(axis=0)) / std
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@mistake("dx is not divided by std. The forward pass divides by it, so the backward pass does too.")
def batchnorm_backward(dout, cache):
    x_hat, gamma, _ = cache
    dx = gamma * (dout - dout.mean(axis=0) - x_hat * (dout * x_hat).mean(axis=0))
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@mistake("dx is multiplied by std. The forward pass divides by it, so the backward pass divides too.")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    dx = gamma * std * (dout - dout.mean(axis=0) - x_hat * (dout * x_hat).mean(axis=0))
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@mistake("dgamma and dbeta are means. gamma and beta serve every row, so the shares add up: sum over the batch.")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    dx = gamma / std * (dout - dout.mean(axis=0) - x_hat * (dout * x_hat).mean(axis=0))
    return dx, (dout * x_hat).mean(axis=0), dout.mean(axis=0)


@mistake("dgamma and dbeta have changed places: dgamma is sum(dout * x_hat), dbeta is sum(dout).")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    dx = gamma / std * (dout - dout.mean(axis=0) - x_hat * (dout * x_hat).mean(axis=0))
    return dx, dout.sum(axis=0), (dout * x_hat).sum(axis=0)


@mistake("The means in dx are taken along each row. Take them down each column, over the batch: axis=0.")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    means = dout.mean(axis=1, keepdims=True), (dout * x_hat).mean(axis=1, keepdims=True)
    return gamma / std * (dout - means[0] - x_hat * means[1]), (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@mistake("dgamma holds gamma as a factor. Local to gamma is x_hat alone: sum(dout * x_hat).")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    dx = gamma / std * (dout - dout.mean(axis=0) - x_hat * (dout * x_hat).mean(axis=0))
    return dx, (dout * x_hat).sum(axis=0) * gamma, dout.sum(axis=0)


@style("step by step")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    N = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = (x_hat * dout).sum(axis=0)
    dx_hat = gamma * dout
    centred = x_hat * std
    dvar = (dx_hat * centred).sum(axis=0) * -0.5 / std**3
    dcentred = dx_hat / std + 2 * centred * dvar / N
    return dcentred - dcentred.sum(axis=0) / N, dgamma, dbeta


@style("loops and Jacobians")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    N, D = dout.shape
    dx, dgamma, dbeta = np.zeros((N, D)), np.zeros(D), np.zeros(D)
    for d in range(D):
        J = (np.eye(N) - 1 / N - np.outer(x_hat[:, d], x_hat[:, d]) / N) / std[d]
        dx[:, d] = J.T @ (gamma[d] * dout[:, d])
        for n in range(N):
            dgamma[d] += dout[n, d] * x_hat[n, d]
            dbeta[d] += dout[n, d]
    return dx, dgamma, dbeta


@style("einsum, list, Fortran order")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    N = x_hat.shape[0]
    dgamma, dbeta = np.einsum("nd,nd->d", dout, x_hat), np.einsum("nd->d", dout)
    dx = (gamma / (N * std)) * (N * dout - dbeta - x_hat * dgamma)
    return [np.asfortranarray(dx), dgamma.tolist(), dbeta]


@style("float32")
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = (np.asarray(part, np.float32) for part in cache)
    dout = np.asarray(dout, np.float32)
    g = dout * gamma
    dx = (g - g.mean(0) - x_hat * np.mean(g * x_hat, axis=0)) / std
    return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)


# ---- dropout_forward(x, p, rng, training) -> out, cache


@mistake("p is the probability to drop, not to keep: keep where rng.random(x.shape) >= p.")
def dropout_forward(x, p, rng, training):
    cache = (rng.random(x.shape) < p) / p if training else np.ones(x.shape)
    return x * cache, cache


@mistake("What stays keeps its size. It must grow by 1 / (1 - p), so that the mean is kept and use needs no change.")
def dropout_forward(x, p, rng, training):
    cache = (rng.random(x.shape) >= p) * 1.0 if training else np.ones(x.shape)
    return x * cache, cache


@mistake("What stays grows by 1 / p. The part that stays is 1 - p: divide by that.")
def dropout_forward(x, p, rng, training):
    cache = (rng.random(x.shape) >= p) / p if training else np.ones(x.shape)
    return x * cache, cache


@mistake("What stays shrinks by 1 - p. It must grow, so that the mean is kept: divide by 1 - p.")
def dropout_forward(x, p, rng, training):
    cache = (rng.random(x.shape) >= p) * (1 - p) if training else np.ones(x.shape)
    return x * cache, cache


@mistake("In use, too, numbers are dropped. Where training is False, out is x and the cache is all ones.")
def dropout_forward(x, p, rng, training):
    cache = (rng.random(x.shape) >= p) / (1 - p)
    return x * cache, cache


@mistake("In use, out is x * (1 - p). Here training has grown what stays already: where training is False, out is x.")
def dropout_forward(x, p, rng, training):
    cache = (rng.random(x.shape) >= p) / (1 - p) if training else np.full(x.shape, 1 - p)
    return x * cache, cache


@mistake("One draw decides for a whole column. Draw one number for each number of x: rng.random(x.shape).")
def dropout_forward(x, p, rng, training):
    cache = np.ones(x.shape)
    if training:
        cache = cache * (rng.random(x.shape[-1]) >= p) / (1 - p)
    return x * cache, cache


@mistake("One draw decides for a whole row. Draw one number for each number of x: rng.random(x.shape).")
def dropout_forward(x, p, rng, training):
    cache = np.ones(x.shape)
    if training:
        cache = cache * (rng.random((len(x), *(1,) * (x.ndim - 1))) >= p) / (1 - p)
    return x * cache, cache


@mistake("Every call drops the same numbers: draw from the rng that you are given, not from one of your own.")
def dropout_forward(x, p, rng, training):
    cache = (np.random.default_rng(1).random(x.shape) >= p) / (1 - p) if training else np.ones(x.shape)
    return x * cache, cache


@mistake("The cache is the mask without 1 / (1 - p). Keep the factors themselves, so that out is x * cache.")
def dropout_forward(x, p, rng, training):
    mask = (rng.random(x.shape) >= p) * 1.0 if training else np.ones(x.shape)
    return x * mask / (1 - p) if training else x, mask


@style("binomial")
def dropout_forward(x, p, rng, training):
    if not training:
        return x, np.ones_like(x)
    scale = rng.binomial(1, 1 - p, size=x.shape) / (1 - p)
    return scale * x, scale


@style("loops")
def dropout_forward(x, p, rng, training):
    out, scale = np.zeros(x.shape), np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        scale[index] = 1 if not training else 0 if rng.uniform() < p else 1 / (1 - p)
        out[index] = x[index] * scale[index]
    return out, scale


@style("keep below 1 - p, float32, Fortran order")
def dropout_forward(x, p, rng, training):
    keep = 1 - p
    scale = np.ones(x.shape, np.float32)
    if training:
        scale = np.where(rng.random(x.shape, dtype=np.float32) < keep, np.float32(1 / keep), np.float32(0))
    return [np.asfortranarray(x * scale), scale]


@style("choice")
def dropout_forward(x, p, rng, training):
    scale = rng.choice([0.0, 1 / (1 - p)], size=x.shape, p=[p, 1 - p]) if training else np.full(x.shape, 1.0)
    return x * scale, scale


# ---- dropout_backward(dout, cache) -> dx


@mistake("All of dout flows back. What was dropped had no part in the loss: multiply by the cache.")
def dropout_backward(dout, cache):
    return dout * np.ones(cache.shape)


@mistake("The growth by 1 / (1 - p) is missing on the way back: multiply by the cache, not by a mask of 0 and 1.")
def dropout_backward(dout, cache):
    return dout * (cache > 0)


@mistake("This is the way back for what was dropped: the gradient belongs to what stayed. Multiply by the cache.")
def dropout_backward(dout, cache):
    return dout * (cache == 0)


@mistake("The factors are applied twice. dx is dout * cache: once.")
def dropout_backward(dout, cache):
    return dout * cache * cache


@mistake("What stayed is divided by its factor. It was multiplied on the way forward, so multiply on the way back.")
def dropout_backward(dout, cache):
    return np.where(cache > 0, dout / np.where(cache > 0, cache, 1), 0)


@mistake("These are the local factors alone. Multiply them by the upstream gradient dout.")
def dropout_backward(dout, cache):
    return cache * np.ones(dout.shape)


@style("loops")
def dropout_backward(dout, cache):
    dx = np.zeros(dout.shape)
    for index in np.ndindex(*dout.shape):
        if cache[index] != 0:
            dx[index] = dout[index] * cache[index]
    return dx


@style("where")
def dropout_backward(dout, cache):
    return np.where(cache > 0, cache * dout, 0)


@style("float32 list")
def dropout_backward(dout, cache):
    return np.multiply(dout, cache, dtype=np.float32).tolist()


# ---- l2_penalty(w, lam) -> penalty, dw


@mistake("The factor 2 is missing in dw: the derivative of w² is 2w.")
def l2_penalty(w, lam):
    return lam * (w * w).sum(), lam * w


@mistake("The penalty is halved. The slides' is lam times the sum of squares; PyTorch's weight_decay has the half.")
def l2_penalty(w, lam):
    return lam / 2 * (w * w).sum(), lam * w


@mistake("The squares are averaged. Sum them.")
def l2_penalty(w, lam):
    return lam * (w * w).mean(), 2 * lam * w / w.size


@mistake("This is the length of w, the root of the sum. The penalty has no root: lam * (w * w).sum().")
def l2_penalty(w, lam):
    length = np.sqrt((w * w).sum())
    return lam * length, lam * w / (length or 1)


@mistake("Absolute values make an L1 penalty. L2 takes squares: lam * (w * w).sum().")
def l2_penalty(w, lam):
    return lam * np.abs(w).sum(), lam * np.sign(w)


@mistake("lam is missing in dw: it is a factor of the penalty, so it is one of the gradient.")
def l2_penalty(w, lam):
    return lam * (w * w).sum(), 2 * w


@mistake("dw has the wrong sign. A gradient points uphill; it is the step that turns around: dw = 2 * lam * w.")
def l2_penalty(w, lam):
    return lam * (w * w).sum(), -2 * lam * w


@mistake("lam is squared along with w. Square the weights alone: lam * (w * w).sum().")
def l2_penalty(w, lam):
    return ((lam * w) ** 2).sum(), 2 * lam**2 * w


@style("loops")
def l2_penalty(w, lam):
    penalty, dw = 0.0, np.zeros(w.shape)
    for index in np.ndindex(*w.shape):
        penalty += lam * w[index] ** 2
        dw[index] = lam * w[index] + w[index] * lam
    return penalty, dw


@style("dot product, a list")
def l2_penalty(w, lam):
    flat = w.ravel()
    return [lam * (flat @ flat), (2 * lam * flat).reshape(w.shape).tolist()]


@style("norm, float32")
def l2_penalty(w, lam):
    w = np.asarray(w, np.float32)
    return lam * np.linalg.norm(w.ravel()) ** 2, np.float32(2 * lam) * w


# ---- momentum_step(w, v, dw, lr, momentum) -> w, v


@mistake("The step goes uphill. The gradient points to where the loss grows: subtract lr * v.")
def momentum_step(w, v, dw, lr, momentum):
    v = momentum * v + dw
    return w + lr * v, v


@mistake("The weights step by the old velocity. First v = momentum * v + dw, then w - lr * v.")
def momentum_step(w, v, dw, lr, momentum):
    return w - lr * v, momentum * v + dw


@mistake("The old velocity is forgotten: v = momentum * v + dw.")
def momentum_step(w, v, dw, lr, momentum):
    return w - lr * dw, dw * 1.0


@mistake(
    "This velocity holds lr already. Here it sums gradients, as in PyTorch, and lr comes with the step: w - lr * v."
)
def momentum_step(w, v, dw, lr, momentum):
    v = momentum * v - lr * dw
    return w + v, v


@mistake("The gradient counts 1 - momentum. Here it counts in full, as in PyTorch: v = momentum * v + dw.")
def momentum_step(w, v, dw, lr, momentum):
    v = momentum * v + (1 - momentum) * dw
    return w - lr * v, v


@mistake("momentum multiplies the gradient as well. Only the old velocity fades: v = momentum * v + dw.")
def momentum_step(w, v, dw, lr, momentum):
    v = momentum * (v + dw)
    return w - lr * v, v


@mistake("momentum and 1 have changed places: the old velocity fades, the gradient counts in full.")
def momentum_step(w, v, dw, lr, momentum):
    v = v + momentum * dw
    return w - lr * v, v


@mistake("lr is missing: the weights step by lr * v.")
def momentum_step(w, v, dw, lr, momentum):
    v = momentum * v + dw
    return w - v, v


@mistake("This looks ahead as Nesterov's momentum does. The plain step is w - lr * v.")
def momentum_step(w, v, dw, lr, momentum):
    v = momentum * v + dw
    return w - lr * (dw + momentum * v), v


@mistake("The velocity that is returned is the old one. Return the new one: the next step needs it.")
def momentum_step(w, v, dw, lr, momentum):
    return w - lr * (momentum * v + dw), v * 1.0


@mistake("w and v are changed in place (*=, -=). Return new arrays: w = w - lr * v.")
def momentum_step(w, v, dw, lr, momentum):
    v *= momentum
    v += dw
    w -= lr * v
    return w, v


@style("loops")
def momentum_step(w, v, dw, lr, momentum):
    new_w, new_v = np.zeros(w.shape), np.zeros(w.shape)
    for index in np.ndindex(*w.shape):
        new_v[index] = dw[index] + momentum * v[index]
        new_w[index] = w[index] - new_v[index] * lr
    return new_w, new_v


@style("copies changed in place")
def momentum_step(w, v, dw, lr, momentum):
    w, v = w.astype(float), v.astype(float)
    v *= momentum
    v += dw
    w -= lr * v
    return w, v


@style("float32, a list")
def momentum_step(w, v, dw, lr, momentum):
    v = np.float32(momentum) * np.asarray(v, np.float32) + np.asarray(dw, np.float32)
    return [np.asarray(w, np.float32) - np.float32(lr) * v, v.tolist()]


# ---- train_step(net, params, velocities, x, y, lr, momentum, lam) -> loss, params, velocities


@mistake("The penalty is missing in the loss that is returned: add lam * (w * w).sum() of every weight array.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    grads = [g + 2 * lam * w * (w.ndim > 1) for w, g in zip(params, grads, strict=True)]
    velocities = [momentum * v + g for v, g in zip(velocities, grads, strict=True)]
    return loss, [w - lr * v for w, v in zip(params, velocities, strict=True)], velocities


@mistake("The penalty's gradient is missing: add 2 * lam * w to the gradient of every weight array.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    loss = loss + sum(lam * (w * w).sum() for w in params if w.ndim > 1)
    velocities = [momentum * v + g for v, g in zip(velocities, grads, strict=True)]
    return loss, [w - lr * v for w, v in zip(params, velocities, strict=True)], velocities


@mistake("Biases are penalised as well. Only arrays of two axes or more are: if w.ndim > 1.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    loss = loss + sum(lam * (w * w).sum() for w in params)
    grads = [g + 2 * lam * w for w, g in zip(params, grads, strict=True)]
    velocities = [momentum * v + g for v, g in zip(velocities, grads, strict=True)]
    return loss, [w - lr * v for w, v in zip(params, velocities, strict=True)], velocities


@mistake("The penalty's gradient has no factor 2: the derivative of lam * w² is 2 * lam * w.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    loss = loss + sum(lam * (w * w).sum() for w in params if w.ndim > 1)
    grads = [g + lam * w * (w.ndim > 1) for w, g in zip(params, grads, strict=True)]
    velocities = [momentum * v + g for v, g in zip(velocities, grads, strict=True)]
    return loss, [w - lr * v for w, v in zip(params, velocities, strict=True)], velocities


@mistake("The velocities are not used: the step needs v = momentum * v + gradient, then w - lr * v.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    loss = loss + sum(lam * (w * w).sum() for w in params if w.ndim > 1)
    grads = [g + 2 * lam * w * (w.ndim > 1) for w, g in zip(params, grads, strict=True)]
    return loss, [w - lr * g for w, g in zip(params, grads, strict=True)], list(velocities)


@mistake(
    "The old velocities are lost: the new parameters are right at the first step only. v = momentum * v + gradient."
)
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    loss = loss + sum(lam * (w * w).sum() for w in params if w.ndim > 1)
    velocities = [g + 2 * lam * w * (w.ndim > 1) for w, g in zip(params, grads, strict=True)]
    return loss, [w - lr * v for w, v in zip(params, velocities, strict=True)], velocities


@mistake("The step goes uphill: subtract lr * v from every parameter.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    loss = loss + sum(lam * (w * w).sum() for w in params if w.ndim > 1)
    grads = [g + 2 * lam * w * (w.ndim > 1) for w, g in zip(params, grads, strict=True)]
    velocities = [momentum * v + g for v, g in zip(velocities, grads, strict=True)]
    return loss, [w + lr * v for w, v in zip(params, velocities, strict=True)], velocities


@mistake("The penalty shrinks the weights past the velocity. Add its gradient to the others before the momentum step.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    loss = loss + sum(lam * (w * w).sum() for w in params if w.ndim > 1)
    velocities = [momentum * v + g for v, g in zip(velocities, grads, strict=True)]
    pairs = zip(params, velocities, strict=True)
    return loss, [w - lr * v - 2 * lr * lam * w * (w.ndim > 1) for w, v in pairs], velocities


@mistake("This is the loss after the step. Return the loss that was computed with the old parameters.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    grads = [g + 2 * lam * w * (w.ndim > 1) for w, g in zip(params, grads, strict=True)]
    velocities = [momentum * v + g for v, g in zip(velocities, grads, strict=True)]
    params = [w - lr * v for w, v in zip(params, velocities, strict=True)]
    loss = net(params, x, y)[0] + sum(lam * (w * w).sum() for w in params if w.ndim > 1)
    return loss, params, velocities


@mistake("Only the first parameter moves. Go over all of them.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    loss = loss + sum(lam * (w * w).sum() for w in params if w.ndim > 1)
    params, velocities = list(params), list(velocities)
    velocities[0] = momentum * velocities[0] + grads[0] + 2 * lam * params[0] * (params[0].ndim > 1)
    params[0] = params[0] - lr * velocities[0]
    return loss, params, velocities


@mistake("The parameters are changed in place (-=). Return new arrays in a new list.")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    loss = loss + sum(lam * (w * w).sum() for w in params if w.ndim > 1)
    grads = [g + 2 * lam * w * (w.ndim > 1) for w, g in zip(params, grads, strict=True)]
    velocities = [momentum * v + g for v, g in zip(velocities, grads, strict=True)]
    for w, v in zip(params, velocities, strict=True):
        w -= lr * v
    return loss, params, velocities


@style("a loop")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    new_params, new_velocities = [], []
    for w, v, g in zip(params, velocities, grads, strict=True):
        if w.ndim > 1:
            loss = loss + lam * np.sum(w**2)
            g = g + 2 * lam * w
        v = momentum * v + g
        new_params.append(w - lr * v)
        new_velocities.append(v)
    return loss, new_params, new_velocities


@style("by number, tuples")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    decay = [2 * lam if len(p.shape) >= 2 else 0.0 for p in params]
    loss, grads = net(params, x, y)
    v = tuple(momentum * velocities[i] + (grads[i] + decay[i] * params[i]) for i in range(len(params)))
    penalty = sum(0.5 * d * float(np.vdot(p, p)) for d, p in zip(decay, params, strict=True))
    return loss + penalty, tuple(params[i] - lr * v[i] for i in range(len(params))), v


@style("copies changed in place, float32")
def train_step(net, params, velocities, x, y, lr, momentum, lam):
    loss, grads = net(params, x, y)
    params, velocities = [p.astype(np.float32) for p in params], [v.astype(np.float32) for v in velocities]
    loss += lam * sum((p**2).sum() for p in params if p.ndim != 1)
    for p, v, g in zip(params, velocities, grads, strict=True):
        v *= momentum
        v += g if p.ndim == 1 else g + 2 * lam * p
        p -= lr * v
    return [loss, params, velocities]
