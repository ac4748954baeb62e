# ruff: noqa: F811 (entries share a name)
"""Lesson 02: local derivatives, upstream and downstream."""

import numpy as np

from autograder.mistakes import mistake, style

# ---- relu_jacobian(x) -> (D, D)


@mistake("At x = 0 the slope counts as 0 here: ask for x > 0, not for x >= 0.")
def relu_jacobian(x):
    return np.diag((x >= 0) * 1.0)


@mistake("These are the outputs on the diagonal. A Jacobian holds slopes: 1 where x is positive, else 0.")
def relu_jacobian(x):
    return np.diag(np.maximum(x, 0))


@mistake("This is the diagonal alone. The Jacobian has a row for every input and a column for every output.")
def relu_jacobian(x):
    return (x > 0) * 1.0


@mistake("The slopes fill whole rows. Output i depends on input i only, so all off the diagonal is 0.")
def relu_jacobian(x):
    return np.repeat(((x > 0) * 1.0)[:, None], len(x), axis=1)


@mistake("This is the slope of a layer that lets everything through. Where x is negative, ReLU's slope is 0.")
def relu_jacobian(x):
    return np.eye(len(x))


@mistake("The slopes are the other way round: 1 belongs where x is positive.")
def relu_jacobian(x):
    return np.diag((x <= 0) * 1.0)


@style("loops")
def relu_jacobian(x):
    J = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        if x[i] > 0:
            J[i, i] = 1
    return J


@style("mask of the unit matrix")
def relu_jacobian(x):
    return np.eye(len(x), dtype=np.float32) * (np.asarray(x) > 0)


@style("lists")
def relu_jacobian(x):
    return [[int(i == j and value > 0) for j in range(len(x))] for i, value in enumerate(x)]


# ---- vjp(J, dz) -> (Dx,)


@mistake(
    "J is used in the other books' layout. Here its rows are inputs, so the product is J @ dz without a transpose."
)
def vjp(J, dz):
    return dz @ J if J.shape[0] == J.shape[1] else J @ dz


@mistake("The products are not added: an input that influences several outputs gets the sum of all.")
def vjp(J, dz):
    return J * dz


@mistake("Only the diagonal of the Jacobian is used. Every output counts for every input.")
def vjp(J, dz):
    n = min(J.shape)
    out = np.zeros(len(J))
    out[:n] = np.diag(J)[:n] * dz[:n]
    return out


@mistake("The upstream gradient is left out: this only adds the slopes.")
def vjp(J, dz):
    return J.sum(axis=1)


@mistake("The result is divided by the number of outputs. Gradients of several outputs add up, they are no mean.")
def vjp(J, dz):
    return J @ dz / len(dz)


@mistake("The result has an axis too many: dx has the shape (Dx,).")
def vjp(J, dz):
    return J @ dz[:, None]


@style("loops")
def vjp(J, dz):
    dx = np.zeros(J.shape[0])
    for i in range(J.shape[0]):
        for j in range(J.shape[1]):
            dx[i] += J[i, j] * dz[j]
    return dx


@style("einsum")
def vjp(J, dz):
    return np.einsum("ij,j->i", J, dz)


@style("dot of a transpose")
def vjp(J, dz):
    return np.dot(dz, np.transpose(J)).astype(np.float32)


# ---- relu_backward(dout, cache) -> dx


@mistake("It looks at the sign of dout. What was positive in the forward pass decides, and that is in the cache.")
def relu_backward(dout, cache):
    return dout * (dout > 0)


@mistake("This is the slope alone: multiply it with the upstream gradient.")
def relu_backward(dout, cache):
    return (cache > 0) * 1.0


@mistake("At x = 0 the slope counts as 0 here: ask for x > 0, not for x >= 0.")
def relu_backward(dout, cache):
    return dout * (cache >= 0)


@mistake("The upstream gradient is multiplied by x itself. The slope is 1 where x is positive, not x.")
def relu_backward(dout, cache):
    return dout * np.maximum(cache, 0)


@mistake("Everything goes through. Where x was negative, nothing of dout may pass.")
def relu_backward(dout, cache):
    return dout.copy()


@mistake("dout is changed in place. Work on a copy: somebody else may need it.")
def relu_backward(dout, cache):
    dout[cache <= 0] = 0
    return dout


@mistake("It is the wrong half that passes: dout belongs where x was positive.")
def relu_backward(dout, cache):
    return dout * (cache <= 0)


@style("where")
def relu_backward(dout, cache):
    return np.where(cache > 0, dout, 0.0)


@style("copy and mask")
def relu_backward(dout, cache):
    dx = dout.copy()
    dx[cache <= 0] = 0
    return dx


@style("loops")
def relu_backward(dout, cache):
    dx = np.zeros(dout.shape)
    for index in np.ndindex(dout.shape):
        if cache[index] > 0:
            dx[index] = dout[index]
    return dx


@style("sign")
def relu_backward(dout, cache):
    return np.float32(0.5) * dout * (np.sign(cache) + np.abs(np.sign(cache)))


# ---- linear_forward(x, w, b) -> out, cache


@mistake("The bias is missing. Add b to every row.")
def linear_forward(x, w, b):
    return x @ w.T, (x, w, b)


@mistake("The bias is added to the rows instead of the columns: every output unit has its own, whatever the example.")
def linear_forward(x, w, b):
    if len(x) != len(b):
        return x @ w.T + b[0], (x, w, b)
    return x @ w.T + b[:, None], (x, w, b)


@mistake("The result is transposed: out has a row for every example.")
def linear_forward(x, w, b):
    return w @ x.T + b[:, None], (x, w, b)


@mistake("The weights are not transposed, which only square weights allow: a row of w belongs to one output.")
def linear_forward(x, w, b):
    if w.shape[0] != w.shape[1]:
        return x @ w.T + b, (x, w, b)
    return x @ w + b, (x, w, b)


@mistake("The bias is subtracted. Add it.")
def linear_forward(x, w, b):
    return x @ w.T - b, (x, w, b)


@style("loops")
def linear_forward(x, w, b):
    out = np.zeros((len(x), len(w)))
    for n in range(len(x)):
        for m in range(len(w)):
            out[n, m] = b[m]
            for d in range(x.shape[1]):
                out[n, m] += x[n, d] * w[m, d]
    return out, (x, w, b)


@style("einsum")
def linear_forward(x, w, b):
    return np.einsum("nd,md->nm", x, w) + b, {"x": x, "w": w}


@style("bias as a weight")
def linear_forward(x, w, b):
    wide = np.hstack([x, np.ones((len(x), 1))])
    return wide @ np.hstack([w, b[:, None]]).T, (x, w, b)


# ---- linear_backward(dout, cache) -> dx, dw, db


@mistake("db is the mean over the batch. The bias was added to every example, so their gradients add up.")
def linear_backward(dout, cache):
    x, w, _ = cache
    return dout @ w, dout.T @ x, dout.mean(axis=0)


@mistake("db sums over the outputs. It has one number for every output, summed over the examples.")
def linear_backward(dout, cache):
    x, w, _ = cache
    return dout @ w, dout.T @ x, dout.sum(axis=1)


@mistake("dw is transposed: it has the shape of w, a row for every output.")
def linear_backward(dout, cache):
    x, w, _ = cache
    return dout @ w, x.T @ dout, dout.sum(axis=0)


@mistake("dw is divided by the number of examples. The loss has taken its mean already.")
def linear_backward(dout, cache):
    x, w, _ = cache
    return dout @ w, dout.T @ x / len(x), dout.sum(axis=0)


@mistake("w is transposed in dx, which only square weights allow: dx = dout w.")
def linear_backward(dout, cache):
    x, w, _ = cache
    dx = dout @ w.T if w.shape[0] == w.shape[1] else dout @ w
    return dx, dout.T @ x, dout.sum(axis=0)


@mistake("The axis of the batch is kept in db. It has the shape of b: (M,).")
def linear_backward(dout, cache):
    x, w, _ = cache
    return dout @ w, dout.T @ x, dout.sum(axis=0, keepdims=True)


@style("loops")
def linear_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(b.shape)
    for n in range(dout.shape[0]):
        for m in range(dout.shape[1]):
            db[m] += dout[n, m]
            dw[m] += dout[n, m] * x[n]
            dx[n] += dout[n, m] * w[m]
    return dx, dw, db


@style("einsum")
def linear_backward(dout, cache):
    x, w, _ = cache
    return [np.einsum("nm,md->nd", dout, w), np.einsum("nm,nd->md", dout, x), np.einsum("nm->m", dout)]


@style("outer products")
def linear_backward(dout, cache):
    x, w, _ = cache
    dw = sum(np.outer(up, row) for up, row in zip(dout, x, strict=True))
    return np.array([w.T @ up for up in dout]), dw, np.ones(len(dout)) @ dout


# ---- numeric_gradient(f, x, dout, h) -> dx


@mistake("The difference is divided by h. The two ends are 2h apart.")
def numeric_gradient(f, x, dout, h):
    dx = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        dx[i] = ((f(up) - f(down)) * dout).sum() / h
    return dx


@mistake("This is a one-sided difference. Step to both sides: its error is much smaller.")
def numeric_gradient(f, x, dout, h):
    dx = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up = x.copy()
        up[i] += h
        dx[i] = ((f(up) - f(x)) * dout).sum() / h
    return dx


@mistake("The upstream gradient is left out: weigh every output's difference with dout.")
def numeric_gradient(f, x, dout, h):
    dx = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        dx[i] = (f(up) - f(down)).sum() / (2 * h)
    return dx


@mistake("All numbers are moved at once. One at a time, or their effects mix.")
def numeric_gradient(f, x, dout, h):
    total = ((f(x + h) - f(x - h)) * dout).sum() / (2 * h)
    return np.full(x.shape, total)


@mistake("The numbers that were moved stay moved. Move each back before the next.")
def numeric_gradient(f, x, dout, h):
    dx, up, down = np.zeros(x.shape), x.copy(), x.copy()
    for i in np.ndindex(x.shape):
        up[i] += h
        down[i] -= h
        dx[i] = ((f(up) - f(down)) * dout).sum() / (2 * h)
    return dx


@mistake("The sign is the other way round: the upper end minus the lower end.")
def numeric_gradient(f, x, dout, h):
    dx = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        dx[i] = ((f(down) - f(up)) * dout).sum() / (2 * h)
    return dx


@mistake("Whole rows are moved at once. Move one number at a time: np.ndindex(x.shape) visits them all.")
def numeric_gradient(f, x, dout, h):
    dx = np.zeros(x.shape)
    for i in range(len(x)):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        dx[i] = ((f(up) - f(down)) * dout).sum() / (2 * h)
    return dx


@style("in place and back")
def numeric_gradient(f, x, dout, h):
    at, dx = np.array(x, float), np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        old = at[i]
        at[i] = old + h
        above = np.sum(f(at.copy()) * dout)
        at[i] = old - h
        below = np.sum(f(at.copy()) * dout)
        at[i] = old
        dx[i] = (above - below) / (2 * h)
    return dx


@style("unit vectors")
def numeric_gradient(f, x, dout, h):
    moves = [h * unit.reshape(x.shape) for unit in np.eye(x.size)]
    return np.array([np.vdot(f(x + m) - f(x - m), dout) / (2 * h) for m in moves]).reshape(x.shape)


@style("flat lists")
def numeric_gradient(f, x, dout, h):
    flat, slopes = list(x.ravel()), []
    for i, value in enumerate(flat):
        ends = []
        for moved in (value + h, value - h):
            ends.append(f(np.array([*flat[:i], moved, *flat[i + 1 :]]).reshape(x.shape)))
        slopes.append(float(((ends[0] - ends[1]) * dout).sum() / h / 2))
    return np.reshape(slopes, x.shape)


# ---- two_layer_loss(w1, b1, w2, b2, x, y) -> loss, dw1, db1, dw2, db2


@mistake("The ReLU is missing on the way back: dh is 0 where h was not positive.")
def two_layer_loss(w1, b1, w2, b2, x, y):
    h = x @ w1.T + b1
    a = np.maximum(h, 0)
    s = a @ w2.T + b2
    e = np.exp(s - s.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    hit = (np.arange(len(y)), y)
    loss = -np.log(p[hit]).mean()
    p[hit] -= 1
    ds = p / len(y)
    dh = ds @ w2
    return loss, dh.T @ x, dh.sum(0), ds.T @ a, ds.sum(0)


@mistake("The ReLU is missing in the forward pass: the second layer sees a = max(0, h).")
def two_layer_loss(w1, b1, w2, b2, x, y):
    a = x @ w1.T + b1
    s = a @ w2.T + b2
    e = np.exp(s - s.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    hit = (np.arange(len(y)), y)
    loss = -np.log(p[hit]).mean()
    p[hit] -= 1
    ds = p / len(y)
    dh = ds @ w2
    return loss, dh.T @ x, dh.sum(0), ds.T @ a, ds.sum(0)


@mistake("The loss is the sum over the batch. It is the mean, and so are its gradients.")
def two_layer_loss(w1, b1, w2, b2, x, y):
    h = x @ w1.T + b1
    a = np.maximum(h, 0)
    s = a @ w2.T + b2
    e = np.exp(s - s.max(1, keepdims=True))
    ds = e / e.sum(1, keepdims=True)
    hit = (np.arange(len(y)), y)
    loss = -np.log(ds[hit]).sum()
    ds[hit] -= 1
    dh = (ds @ w2) * (h > 0)
    return loss, dh.T @ x, dh.sum(0), ds.T @ a, ds.sum(0)


@mistake("The gradient skips the second layer's weights: dh needs ds times w2.")
def two_layer_loss(w1, b1, w2, b2, x, y):
    h = x @ w1.T + b1
    a = np.maximum(h, 0)
    s = a @ w2.T + b2
    e = np.exp(s - s.max(1, keepdims=True))
    ds = e / e.sum(1, keepdims=True)
    hit = (np.arange(len(y)), y)
    loss = -np.log(ds[hit]).mean()
    ds[hit] -= 1
    ds = ds / len(y)
    dh = ds.sum(1, keepdims=True) * (h > 0)
    return loss, dh.T @ x, dh.sum(0), ds.T @ a, ds.sum(0)


@mistake("dw2 is made from h. The second layer's input was a, after the ReLU.")
def two_layer_loss(w1, b1, w2, b2, x, y):
    h = x @ w1.T + b1
    a = np.maximum(h, 0)
    s = a @ w2.T + b2
    e = np.exp(s - s.max(1, keepdims=True))
    ds = e / e.sum(1, keepdims=True)
    hit = (np.arange(len(y)), y)
    loss = -np.log(ds[hit]).mean()
    ds[hit] -= 1
    ds = ds / len(y)
    dh = (ds @ w2) * (h > 0)
    return loss, dh.T @ x, dh.sum(0), ds.T @ h, ds.sum(0)


@mistake("On the way back the gradient is multiplied by a itself. ReLU's slope is 1 where h > 0, and 0 elsewhere.")
def two_layer_loss(w1, b1, w2, b2, x, y):
    h = x @ w1.T + b1
    a = np.maximum(h, 0)
    s = a @ w2.T + b2
    p = np.exp(s - s.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1
    ds = p / len(y)
    dh = ds @ w2 * a
    return loss, dh.T @ x, dh.sum(axis=0), ds.T @ a, ds.sum(axis=0)


@style("own softmax")
def two_layer_loss(w1, b1, w2, b2, x, y):
    h = x @ w1.T + b1
    a = np.where(h > 0, h, 0)
    s = a @ w2.T + b2
    s = s - s.max(axis=1, keepdims=True)
    log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    rows = np.arange(len(y))
    ds = np.exp(log_p)
    ds[rows, y] -= 1
    ds /= len(y)
    dh = np.where(h > 0, ds @ w2, 0)
    return -log_p[rows, y].mean(), dh.T @ x, dh.sum(axis=0), ds.T @ a, ds.sum(axis=0)


@style("one example at a time")
def two_layer_loss(w1, b1, w2, b2, x, y):
    loss, grads = 0.0, [np.zeros_like(p) for p in (w1, b1, w2, b2)]
    for row, label in zip(x, y, strict=True):
        h = w1 @ row + b1
        a = np.maximum(h, 0)
        s = w2 @ a + b2
        p = np.exp(s - s.max())
        p /= p.sum()
        loss -= np.log(p[label])
        p[label] -= 1
        back = (w2.T @ p) * (h > 0)
        for grad, part in zip(grads, (np.outer(back, row), back, np.outer(p, a), p), strict=True):
            grad += part / len(x)
    return [loss / len(x), *grads]


@style("einsum, one-hot")
def two_layer_loss(w1, b1, w2, b2, x, y):
    h = np.einsum("nd,hd->nh", x, w1) + b1
    on = (h > 0).astype(float)
    s = np.einsum("nh,ch->nc", h * on, w2) + b2
    p = np.exp(s - s.max(axis=1)[:, None])
    p = p / p.sum(axis=1)[:, None]
    hot = np.eye(len(b2))[y]
    ds = (p - hot) / len(x)
    dh = np.einsum("nc,ch->nh", ds, w2) * on
    loss = -(hot * np.log(p + 1e-300)).sum() / len(x)
    return loss, np.einsum("nh,nd->hd", dh, x), dh.sum(0), np.einsum("nc,nh->ch", ds, h * on), ds.sum(0)


# ---- backprop(pre, output) -> (n,)


@mistake("The nodes are walked in the order of their numbers. Here any order is possible: sort them first.")
def backprop(pre, output):
    grad = np.zeros(len(pre))
    grad[output] = 1
    for j in reversed(range(len(pre))):
        for i, slope in pre[j]:
            grad[i] += grad[j] * slope
    return grad


@mistake("A gradient that arrives replaces the one before. What comes back on several ways adds up.")
def backprop(pre, output):
    order = []

    def visit(j):
        if j not in order:
            for i, _ in pre[j]:
                visit(i)
            order.append(j)

    visit(output)
    grad = np.zeros(len(pre))
    grad[output] = 1
    for j in reversed(order):
        for i, slope in pre[j]:
            grad[i] = grad[j] * slope
    return grad


@mistake("The slopes are added along a way. The chain rule multiplies them.")
def backprop(pre, output):
    order = []

    def visit(j):
        if j not in order:
            for i, _ in pre[j]:
                visit(i)
            order.append(j)

    visit(output)
    grad = np.zeros(len(pre))
    grad[output] = 1
    for j in reversed(order):
        for i, slope in pre[j]:
            grad[i] += grad[j] + slope
    return grad


@mistake("The walk is breadth first: a node passes its gradient on before all of its Post have passed theirs.")
def backprop(pre, output):
    grad, queue, seen = np.zeros(len(pre)), [output], {output}
    grad[output] = 1
    while queue:
        j = queue.pop(0)
        for i, slope in pre[j]:
            grad[i] += grad[j] * slope
            if i not in seen:
                seen.add(i)
                queue.append(i)
    return grad


@mistake("The output is left out: its gradient by itself is 1, not 0.")
def backprop(pre, output):
    grad = np.zeros(len(pre))

    def visit(j, upstream):
        for i, slope in pre[j]:
            grad[i] += upstream * slope
            visit(i, upstream * slope)

    visit(output, 1.0)
    return grad


@mistake(
    "A node passes its gradient on at each visit, the part that it passed before included. Visit each node once, in order."
)
def backprop(pre, output):
    grad = np.zeros(len(pre))
    grad[output] = 1.0

    def go(j):
        for i, slope in pre[j]:
            grad[i] += grad[j] * slope
            go(i)

    go(output)
    return grad


@style("all ways, one by one")
def backprop(pre, output):
    grad = np.zeros(len(pre))

    def visit(j, upstream):
        grad[j] += upstream
        for i, slope in pre[j]:
            visit(i, upstream * slope)

    visit(output, 1.0)
    return grad


@style("counting arrivals")
def backprop(pre, output):
    reached, stack = {output}, [output]
    while stack:
        for i, _ in pre[stack.pop()]:
            if i not in reached:
                reached.add(i)
                stack.append(i)
    waits = [0] * len(pre)
    for j in reached:
        for i, _ in pre[j]:
            waits[i] += 1
    grad, ready = [0.0] * len(pre), [output]
    grad[output] = 1.0
    while ready:
        j = ready.pop()
        for i, slope in pre[j]:
            grad[i] += grad[j] * slope
            waits[i] -= 1
            if not waits[i]:
                ready.append(i)
    return grad


@style("a system of equations")
def backprop(pre, output):
    n = len(pre)
    A = np.eye(n)
    for j in range(n):
        for i, slope in pre[j]:
            A[i, j] -= slope
    return np.linalg.solve(A, np.eye(n)[output])


@style("memory of Post")
def backprop(pre, output):
    post, known = [[] for _ in pre], {}
    for j, inputs in enumerate(pre):
        for i, slope in inputs:
            post[i].append((j, slope))

    def gradient(i):
        if i not in known:
            known[i] = (1.0 if i == output else 0.0) + sum(gradient(j) * slope for j, slope in post[i])
        return known[i]

    return np.array([gradient(i) for i in range(len(pre))])
