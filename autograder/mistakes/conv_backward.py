# ruff: noqa: F811, F841, RUF059 (entries share a name, and unpack more than they use)
"""Lesson 05: the backward pass of a convolution layer, and the convolution as a matrix product."""

import numpy as np

from autograder.mistakes import mistake, style

# ---- conv2d_backward(dout, cache) -> dx, dw, db


@mistake("dx is assigned where windows overlap. Each window adds its share: += where you have =.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] = np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("dx holds the share of the last filter only. Every filter adds its share: += where you have =.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, -1, i, j], w[-1], 0)
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("dw holds the share of the last output pixel only. Every output pixel adds its share: += where you have =.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw = np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("The stride is ignored in dw. Output pixel i, j saw the window that starts at i * stride, j * stride.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[:, :, i : i + FH, j : j + FW], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("The stride is ignored in dx. Output pixel i, j adds to the window that starts at i * stride, j * stride.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[:, :, i : i + FH, j : j + FW] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("The stride is ignored. Output pixel i, j belongs to the window that starts at i * stride, j * stride.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        dw += np.tensordot(dout[:, :, i, j], xp[:, :, i : i + FH, j : j + FW], (0, 0))
        dxp[:, :, i : i + FH, j : j + FW] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("The stride spreads the pixels of a window (that is dilation). A window is FH x FW neighbours.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad + FH * stride), (pad, pad + FW * stride)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i : i + FH * stride : stride, j : j + FW * stride : stride]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("Rows and columns are exchanged. dout[:, :, i, j] belongs to the window at row i * stride, column j * stride.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    dout = dout.transpose(0, 1, 3, 2)
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("The upstream gradient is not used. Multiply each share by dout[:, :, i, j].")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    dout = np.ones(dout.shape)
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("The filter is flipped in dx. If you add the shares window by window, each share is dout * w as it stands.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w[:, :, ::-1, ::-1], (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("dw comes out flipped. The layer correlates, so dw is a correlation of x with dout: no flip.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))[:, :, ::-1, ::-1]
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("The sum over the batch is missing in dw. Every image uses the same weights, so their shares add up.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[-1, :, i, j], xp[window][-1], 0)
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("dw still has the axis of the batch. Sum over the images, so that dw has the shape of w.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros((len(x), *w.shape)), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.einsum("nk,ncij->nkcij", dout[:, :, i, j], xp[window])
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake(
    "The gradient is averaged over the batch. dw and db are sums over the images; averaging is the business of the loss."
)
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw / len(x), db / len(x)


@mistake("Only the first image sends its gradient back. Go over all N images of the batch.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout[0].sum(axis=(1, 2))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:1, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:1, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:1, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("The padding is still around dx. Cut it off, so that dx has the shape of x.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    FH, FW = w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp, dw, db


@mistake("dx is cut out of the corner. The image stands in the middle of the padding: rows pad to pad + H.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, :H, :W], dw, db


@mistake("With pad 0 the slice pad:-pad is 0:0, which is empty. Cut dx with pad : pad + H.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    FH, FW = w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad:-pad, pad:-pad], dw, db


@mistake("The windows of dw begin at the image and not at its padding. Pad x first, as the forward pass did.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake(
    "The channels are mixed. dw[k, c] pairs dout[:, k] with channel c of x alone, and dx[:, c] uses w[:, c] alone."
)
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window].sum(axis=1, keepdims=True), (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w.sum(axis=1, keepdims=True), (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("db is one number for all filters. Each filter has its own bias: sum over images, rows and columns only.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), np.zeros(b.shape) + dout.sum()
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("db still has the axis of the batch. Sum over the images too: axis=(0, 2, 3).")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("db is a mean. The bias is added to every output pixel of every image, and so its gradient is the sum.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.mean(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("db is written into b itself, so the layer's bias changes. Begin with a new array: np.zeros(b.shape).")
def conv2d_backward(dout, cache):
    x, w, db, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros(xp.shape), np.zeros(w.shape)
    db[:] = dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@mistake("The gradients hold whole numbers, so fractions are cut off. Make them with np.zeros(shape), of dtype float.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W].astype(int), dw.astype(int), db.astype(int)


@mistake("The gradients come back in another order. Return dx, dw, db.")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), dout.sum(axis=(0, 2, 3))
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dw, dxp[:, :, pad : pad + H, pad : pad + W], db


@style("loops")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    N, C, H, W = x.shape
    K, _, FH, FW = w.shape
    dx, dw, db = np.zeros((N, C, H, W)), np.zeros((K, C, FH, FW)), np.zeros(K)
    for n in range(N):
        for k in range(K):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    g = dout[n, k, i, j]
                    db[k] += g
                    for c in range(C):
                        for u in range(FH):
                            for v in range(FW):
                                p, q = i * stride + u - pad, j * stride + v - pad
                                if 0 <= p < H and 0 <= q < W:
                                    dw[k, c, u, v] += g * x[n, c, p, q]
                                    dx[n, c, p, q] += g * w[k, c, u, v]
    return dx, dw, db


@style("windows by tensordot")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), np.einsum("nkij->k", dout)
    for i, j in np.ndindex(*dout.shape[2:]):
        window = np.s_[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw += np.tensordot(dout[:, :, i, j], xp[window], (0, 0))
        dxp[window] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


@style("einsum over the filter's pixels")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (H, W), (OH, OW) = x.shape[2:], dout.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros(xp.shape), np.zeros(w.shape)
    for u, v in np.ndindex(*w.shape[2:]):
        pixels = np.s_[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride]
        dw[:, :, u, v] = np.einsum("nkij,ncij->kc", dout, xp[pixels])
        dxp[pixels] += np.einsum("nkij,kc->ncij", dout, w[:, :, u, v])
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, dout.sum((0, 2, 3))


@style("sliding windows, full correlation")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    view = np.lib.stride_tricks.sliding_window_view
    (N, C, H, W), (K, _, FH, FW), (OH, OW) = x.shape, w.shape, dout.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = view(xp, (FH, FW), (2, 3))[:, :, ::stride, ::stride]
    dw = np.einsum("nkij,ncijuv->kcuv", dout, windows)
    spread = np.zeros((N, K, H + 2 * pad + FH - 1, W + 2 * pad + FW - 1))
    spread[:, :, FH - 1 : FH - 1 + stride * OH : stride, FW - 1 : FW - 1 + stride * OW : stride] = dout
    dxp = np.einsum("nkijuv,kcuv->ncij", view(spread, (FH, FW), (2, 3)), w[:, :, ::-1, ::-1])
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, dout.sum(axis=(0, 2, 3))


@style("im2col and col2im")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (N, C, H, W), (K, _, FH, FW), (OH, OW) = x.shape, w.shape, dout.shape[2:]
    row = stride * np.arange(OH)[:, None, None, None, None] + np.arange(FH)[:, None]
    column = stride * np.arange(OW)[:, None, None, None] + np.arange(FW)
    channel = np.arange(C)[:, None, None]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = xp[:, channel, row, column].reshape(N * OH * OW, C * FH * FW)
    g = dout.transpose(0, 2, 3, 1).reshape(-1, K)
    dw = (g.T @ cols).reshape(w.shape)
    dxp = np.zeros(xp.shape)
    image = np.arange(N)[:, None, None, None, None, None]
    np.add.at(dxp, (image, channel, row, column), (g @ w.reshape(K, -1)).reshape(N, OH, OW, C, FH, FW))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, g.sum(axis=0)


@style("the matrix of the layer")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    (N, C, H, W), (K, _, FH, FW), (OH, OW) = x.shape, w.shape, dout.shape[2:]
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w
    A = A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)
    dx = (dout.reshape(N, -1) @ A).reshape(x.shape)
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    g = dout.transpose(1, 0, 2, 3).reshape(K, -1)
    dw = np.zeros(w.shape)
    for u in range(FH):
        for v in range(FW):
            pixels = xp[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride]
            dw[:, :, u, v] = g @ pixels.transpose(0, 2, 3, 1).reshape(-1, C)
    return dx, dw, g.sum(axis=1)


@style("float32, Fortran order")
def conv2d_backward(dout, cache):
    x, w, b, stride, pad = cache
    g, w = np.asfortranarray(dout, dtype=np.float32), np.asfortranarray(w, dtype=np.float32)
    (H, W), (FH, FW) = x.shape[2:], w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))).astype(np.float32, order="F")
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for n, k, i, j in np.ndindex(*g.shape):
        window = np.s_[n, :, i * stride : i * stride + FH, j * stride : j * stride + FW]
        dw[k] += g[n, k, i, j] * xp[window]
        dxp[window] += g[n, k, i, j] * w[k]
    return np.asfortranarray(dxp[:, :, pad : pad + H, pad : pad + W]), dw, g.sum(axis=(0, 2, 3))


@style("a class inside")
def conv2d_backward(dout, cache):
    class Layer:
        def __init__(self, x, w, b, stride, pad):
            self.x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
            self.w, self.stride = w, stride
            self.inside = np.s_[:, pad : pad + x.shape[2], pad : pad + x.shape[3]]

        def window(self, i, j):
            i, j = i * self.stride, j * self.stride
            return np.s_[:, i : i + self.w.shape[2], j : j + self.w.shape[3]]

        def backward(self, g, x):
            dx, dw = np.zeros(x.shape), np.zeros(self.w.shape)
            for (k, i, j), value in np.ndenumerate(g):
                dw[k] += value * x[self.window(i, j)]
                dx[self.window(i, j)] += value * self.w[k]
            return dx[self.inside], dw, g.sum(axis=(1, 2))

    layer = Layer(*cache)
    dx, dw, db = zip(*map(layer.backward, dout, layer.x), strict=True)
    return np.stack(dx), sum(dw), sum(db)


# ---- im2col(x, kernel_size, stride, pad) -> (N * OH * OW, C * FH * FW)


@mistake("The channels come last in a row of the matrix. The order is c, then fh, then fw, as in w.reshape(K, -1).")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv->nijuvc", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("The pixels of a window are read down its columns. Read along its rows: fh before fw, as ravel() does.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv->nijcvu", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("The images take turns from row to row. All windows of image 0 come first, then those of image 1: n, oh, ow.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv->ijncuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("The windows go down the columns of the image. Go along its rows: n, then oh, then ow.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv->njicuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("The matrix is transposed. Each window is a row: the shape is (N * OH * OW, C * FH * FW).")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv->nijcuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1]).T


@mistake("The axes are not in order when reshape joins them. First transpose to n, oh, ow, c, fh, fw, then reshape.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return windows.reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("Each channel has rows of its own. A row holds the window in all C channels, one after the other.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return windows.reshape(-1, kernel_size[0] * kernel_size[1])


@mistake("The stride is ignored: there is a row for every position. Take the windows at multiples of the stride only.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))
    return np.einsum("ncijuv->nijcuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("The window of output pixel i, j starts at i, j. It starts at i * stride, j * stride.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    OH, OW = (xp.shape[2] - kernel_size[0]) // stride + 1, (xp.shape[3] - kernel_size[1]) // stride + 1
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, :OH, :OW]
    return np.einsum("ncijuv->nijcuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("The padding is ignored. Put pad rows and columns of zeros on every side of the image first.")
def im2col(x, kernel_size, stride, pad):
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv->nijcuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("Height and width of the filter are exchanged. kernel_size is (FH, FW): rows first.")
def im2col(x, kernel_size, stride, pad):
    FW, FH = kernel_size
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, (FH, FW), (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv->nijcuv", windows).reshape(-1, x.shape[1] * FH * FW)


@mistake("The last row and the last column of windows are missing. The + 1 in the output size counts.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    windows = windows[:, :, :-1, :-1]
    return np.einsum("ncijuv->nijcuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("The windows are flipped. A convolution layer correlates: take each window as it is.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    windows = windows[..., ::-1, ::-1]
    return np.einsum("ncijuv->nijcuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake("Only the first image is done. Go over all N images of the batch.")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x[:1], ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv->nijcuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1])


@mistake(
    "The matrix holds whole numbers, so fractions are cut off. Make it with np.zeros(shape), which has dtype float."
)
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv->nijcuv", windows).reshape(-1, x.shape[1] * kernel_size[0] * kernel_size[1]).astype(int)


@style("loops")
def im2col(x, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x.shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    cols = np.zeros((N * OH * OW, C * FH * FW))
    for n, i, j, c, u, v in np.ndindex(N, OH, OW, C, FH, FW):
        p, q = i * stride + u - pad, j * stride + v - pad
        if 0 <= p < H and 0 <= q < W:
            cols[(n * OH + i) * OW + j, (c * FH + u) * FW + v] = x[n, c, p, q]
    return cols


@style("list of rows")
def im2col(x, kernel_size, stride, pad):
    FH, FW = kernel_size
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, columns = range(0, xp.shape[2] - FH + 1, stride), range(0, xp.shape[3] - FW + 1, stride)
    return [image[:, i : i + FH, j : j + FW].ravel().tolist() for image in xp for i in rows for j in columns]


@style("sliding windows, Fortran order")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, kernel_size, axis=(2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    return np.asfortranarray(windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW))


@style("strided view")
def im2col(x, kernel_size, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    (N, C, H, W), (FH, FW) = xp.shape, kernel_size
    OH, OW = (H - FH) // stride + 1, (W - FW) // stride + 1
    n, c, h, w = xp.strides
    shape, strides = (N, OH, OW, C, FH, FW), (n, stride * h, stride * w, c, h, w)
    return np.lib.stride_tricks.as_strided(xp, shape, strides).reshape(N * OH * OW, -1)


@style("index arrays, float32")
def im2col(x, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x.shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    oh, ow, c, u, v = np.ogrid[:OH, :OW, :C, :FH, :FW]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))).astype("float32")
    return xp[:, c, stride * oh + u, stride * ow + v].reshape(N * OH * OW, C * FH * FW)


@style("one image after the other, recursive")
def im2col(x, kernel_size, stride, pad):
    FH, FW = kernel_size

    def rows(images):
        if len(images) == 0:
            return []
        image = np.pad(images[0], ((0, 0), (pad, pad), (pad, pad)))
        tops, lefts = range(0, image.shape[1] - FH + 1, stride), range(0, image.shape[2] - FW + 1, stride)
        return [image[:, i : i + FH, j : j + FW].reshape(-1) for i in tops for j in lefts] + rows(images[1:])

    return np.vstack(rows(x))


# ---- col2im(cols, x_shape, kernel_size, stride, pad) -> (N, C, H, W)


@mistake("Overlapping windows overwrite each other. Each window adds its share: += where you have =.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = windows[:, i, j]
    return xp[:, :, pad : pad + H, pad : pad + W]


@mistake("Overlapping windows are averaged. col2im undoes no im2col: it adds the shares of all windows.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    count = np.zeros(xp.shape)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += windows[:, i, j]
        count[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += 1
    return (xp / np.maximum(count, 1))[:, :, pad : pad + H, pad : pad + W]


@mistake("The padding is still around the result. Cut it off, so that the result has the shape x_shape.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += windows[:, i, j]
    return xp


@mistake("The image is cut out of the corner. It stands in the middle of the padding: rows pad to pad + H.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += windows[:, i, j]
    return xp[:, :, :H, :W]


@mistake("With pad 0 the slice pad:-pad is 0:0, which is empty. Cut the image out with pad : pad + H.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += windows[:, i, j]
    return xp[:, :, pad:-pad, pad:-pad]


@mistake("The channels are read as the last axis of a row. The order is c, then fh, then fw.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    windows = cols.reshape(N, OH, OW, FH, FW, C).transpose(0, 1, 2, 5, 3, 4)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += windows[:, i, j]
    return xp[:, :, pad : pad + H, pad : pad + W]


@mistake("The images take turns from row to row. All windows of image 0 come first, then those of image 1: n, oh, ow.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(OH, OW, N, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += windows[i, j]
    return xp[:, :, pad : pad + H, pad : pad + W]


@mistake("The windows go down the columns of the image. Go along its rows: n, then oh, then ow.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OW, OH, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += windows[:, j, i]
    return xp[:, :, pad : pad + H, pad : pad + W]


@mistake("cols is read as its transpose. Each window is a row of cols; its shape is (N * OH * OW, C * FH * FW).")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(C, FH, FW, N, OH, OW)
    for i, j in np.ndindex(OH, OW):
        share = windows[:, :, :, :, i, j].transpose(3, 0, 1, 2)
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += share
    return xp[:, :, pad : pad + H, pad : pad + W]


@mistake("The stride is ignored. Row n, oh, ow belongs to the window that starts at oh * stride, ow * stride.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i : i + FH, j : j + FW] += windows[:, i, j]
    return xp[:, :, pad : pad + H, pad : pad + W]


@mistake("The windows are put back flipped. Add each window as it is.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        share = windows[:, i, j, :, ::-1, ::-1]
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += share
    return xp[:, :, pad : pad + H, pad : pad + W]


@mistake("Only the first image is done. Go over all N images of the batch.")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        xp[0, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += windows[0, i, j]
    return xp[:, :, pad : pad + H, pad : pad + W]


@mistake(
    "The result holds whole numbers, so fractions are cut off. Make it with np.zeros(shape), which has dtype float."
)
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, windows = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    for i, j in np.ndindex(OH, OW):
        xp[:, :, i * stride : i * stride + FH, j * stride : j * stride + FW] += windows[:, i, j]
    return xp[:, :, pad : pad + H, pad : pad + W].astype(int)


@style("loops")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    x = np.zeros(x_shape)
    for n, i, j, c, u, v in np.ndindex(N, OH, OW, C, FH, FW):
        p, q = i * stride + u - pad, j * stride + v - pad
        if 0 <= p < H and 0 <= q < W:
            x[n, c, p, q] += cols[(n * OH + i) * OW + j, (c * FH + u) * FW + v]
    return x


@style("window by window")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    xp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    rows, columns = range(0, H + 2 * pad - FH + 1, stride), range(0, W + 2 * pad - FW + 1, stride)
    row = iter(cols)
    for image in xp:
        for i in rows:
            for j in columns:
                image[:, i : i + FH, j : j + FW] += next(row).reshape(C, FH, FW)
    return xp[:, :, pad : H + pad, pad : W + pad]


@style("filter pixel by filter pixel")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    xp, shares = np.zeros((N, C, H + 2 * pad, W + 2 * pad)), cols.reshape(N, OH, OW, C, FH, FW)
    for u, v in np.ndindex(FH, FW):
        xp[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride] += shares[..., u, v].transpose(0, 3, 1, 2)
    return xp[:, :, pad : H + pad, pad : W + pad]


@style("np.add.at, float32, Fortran order")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    n, i, j, c, u, v = np.ogrid[:N, :OH, :OW, :C, :FH, :FW]
    xp = np.zeros((N, C, H + 2 * pad, W + 2 * pad), dtype=np.float32, order="F")
    np.add.at(xp, (n, c, stride * i + u, stride * j + v), cols.reshape(N, OH, OW, C, FH, FW).astype(np.float32))
    return np.asfortranarray(xp[:, :, pad : H + pad, pad : W + pad])


@style("np.bincount")
def col2im(cols, x_shape, kernel_size, stride, pad):
    (N, C, H, W), (FH, FW) = x_shape, kernel_size
    HP, WP = H + 2 * pad, W + 2 * pad
    number = np.arange(N * C * HP * WP).reshape(N, C, HP, WP)
    windows = np.lib.stride_tricks.sliding_window_view(number, kernel_size, (2, 3))[:, :, ::stride, ::stride]
    index = windows.transpose(0, 2, 3, 1, 4, 5).ravel()
    return np.bincount(index, cols.ravel(), number.size).reshape(number.shape)[..., pad : pad + H, pad : pad + W]


# ---- conv2d_forward_im2col(x, w, b, stride, pad) -> out (N, K, H', W'), cache


@mistake("reshape does not move axes. Reshape to (N, OH, OW, K) first, then transpose to (N, K, OH, OW).")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(N, len(w), OH, OW), cols


@mistake("The filters are cut up: w.reshape(-1, K) mixes their weights. Write w.reshape(K, -1).T.")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(-1, len(w)) + b).reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2), cols


@mistake(
    "The images take turns in the rows of the product, so the batch is shuffled. Its rows are in the order n, oh, ow."
)
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(OH, OW, N, len(w)).transpose(2, 3, 0, 1), cols


@mistake("Height and width of the output are exchanged. The rows of the product are in the order n, oh, ow.")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(N, OH, OW, len(w)).transpose(0, 3, 2, 1), cols


@mistake("The output channels stand last. Transpose (N, OH, OW, K) to (N, K, OH, OW).")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(N, OH, OW, len(w)), cols


@mistake("The matrix is not folded back into images. Reshape it to (N, OH, OW, K) and transpose to (N, K, OH, OW).")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return cols @ w.reshape(len(w), -1).T + b, cols


@mistake(
    "The columns of the matrix are in the order fh, fw, c, the weights in the order c, fh, fw. Use one order for both."
)
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 4, 5, 1).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2), cols


@mistake("The bias is missing. Add b to every row of the product.")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T).reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2), cols


@mistake("The bias is added along the width. Add b before you fold, or b[:, None, None] afterwards.")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T).reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2) + b, cols


@mistake("The filters are flipped. A convolution layer correlates: use w as it is.")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    out = cols @ w[:, :, ::-1, ::-1].reshape(len(w), -1).T + b
    return out.reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2), cols


@mistake("The stride is ignored. The output has (H + 2 * pad - FH) // stride + 1 rows.")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2), cols


@mistake("The padding is ignored. Give pad on to im2col and count it in the output size.")
def conv2d_forward_im2col(x, w, b, stride, pad):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2), cols


@mistake("Only the first image is done. Go over all N images of the batch.")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x[:1], ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2), cols


@mistake(
    "The result holds whole numbers, so fractions are cut off. Make it with np.zeros(shape), which has dtype float."
)
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2).astype(int), cols


@mistake("Only out comes back. Return two things: out, cache.")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * FH * FW)
    return (cols @ w.reshape(len(w), -1).T + b).reshape(N, OH, OW, len(w)).transpose(0, 3, 1, 2)


@style("rows in a loop")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    K, _, FH, FW = w.shape
    OH, OW = (xp.shape[2] - FH) // stride + 1, (xp.shape[3] - FW) // stride + 1
    cols = np.zeros((len(x) * OH * OW, w[0].size))
    for row, (n, i, j) in enumerate(np.ndindex(len(x), OH, OW)):
        cols[row] = xp[n, :, i * stride : i * stride + FH, j * stride : j * stride + FW].ravel()
    out = cols @ w.reshape(K, -1).T + b
    return out.reshape(len(x), OH, OW, K).transpose(0, 3, 1, 2), (cols, x, w, b, stride, pad)


@style("sliding windows, no cache")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    N, C, OH, OW, FH, FW = windows.shape
    cols = np.moveaxis(windows, 1, 3).reshape(N * OH * OW, -1)
    out = np.dot(cols, w.reshape(len(w), -1).T).reshape(N, OH, OW, -1)
    return np.moveaxis(out + b, 3, 1), None


@style("windows as columns, C-contiguous")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    (N, C, H, W), (K, _, FH, FW) = xp.shape, w.shape
    OH, OW = (H - FH) // stride + 1, (W - FW) // stride + 1
    c, u, v, i, j = np.ogrid[:C, :FH, :FW, :OH, :OW]
    columns = xp[:, c, stride * i + u, stride * j + v].reshape(N, C * FH * FW, OH * OW)
    out = w.reshape(K, -1) @ columns + b[:, None]
    return out.reshape(N, K, OH, OW), {"columns": columns}


@style("image by image, list of arrays")
def conv2d_forward_im2col(x, w, b, stride, pad):
    K, _, FH, FW = w.shape

    def one(image):
        image = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
        tops, lefts = range(0, image.shape[1] - FH + 1, stride), range(0, image.shape[2] - FW + 1, stride)
        cols = np.array([image[:, i : i + FH, j : j + FW].ravel() for i in tops for j in lefts])
        return (w.reshape(K, -1) @ cols.T + b[:, None]).reshape(K, len(tops), len(lefts))

    return [one(image) for image in x], (x, w, b, stride, pad)


@style("einsum, float32, Fortran order")
def conv2d_forward_im2col(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("ncijuv,kcuv->nkij", windows, w.astype(np.float32)) + np.float32(b)[:, None, None]
    return np.asfortranarray(out), lambda: windows


# ---- conv_as_matrix(w, x_shape, stride, pad) -> (K * OH * OW, C * H * W)


@mistake("The matrix is transposed. Each row makes one output pixel: the shape is (K * OH * OW, C * H * W).")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W).T


@mistake("The filters are flipped. A convolution layer correlates: lay the filter on the window as it is.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w[:, :, ::-1, ::-1]
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@mistake("The window of output pixel i, j starts at i, j. It starts at i * stride, j * stride.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i : i + FH, j : j + FW] = w
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@mistake(
    "There is a row for every position. With a stride the filter skips some: (H + 2 * pad - FH) // stride + 1 rows."
)
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = H + 2 * pad - FH + 1, W + 2 * pad - FW + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i : i + FH, j : j + FW] = w
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@mistake("The padding is ignored. The windows begin pad rows above the image; what falls outside is left out.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H - FH) // stride + 1, (W - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H, W))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w
    return A.reshape(K * OH * OW, C * H * W)


@mistake("The columns count the padding too. It is always zero and no part of x: leave its columns out.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w
    return A.reshape(K * OH * OW, -1)


@mistake("Weights that fall outside the image wrap around to its other side. Leave them out; the padding is zero.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C * H * W))
    for k, i, j, c, u, v in np.ndindex(K, OH, OW, C, FH, FW):
        row, column = i * stride + u - pad, j * stride + v - pad
        A[k, i, j, ((c * H + row) * W + column) % (C * H * W)] += w[k, c, u, v]
    return A.reshape(K * OH * OW, C * H * W)


@mistake("The filters take turns from row to row. All output pixels of filter 0 come first: k, then oh, then ow.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((OH, OW, K, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[i, j, :, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@mistake("The channels take turns from column to column. x.ravel() has all of channel 0 first: c, then h, then w.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, H + 2 * pad, W + 2 * pad, C))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, i * stride : i * stride + FH, j * stride : j * stride + FW] = w.transpose(0, 2, 3, 1)
    return A[:, :, :, pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@mistake("The image is numbered down its columns. x.ravel() goes along the rows: pixel h, w has number h * W + w.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w
    return A[..., pad : pad + H, pad : pad + W].swapaxes(4, 5).reshape(K * OH * OW, C * H * W)


@mistake("Only channel 0 has weights. A filter has weights for every channel: fill the columns of all C.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, 0, i * stride : i * stride + FH, j * stride : j * stride + FW] = w[:, 0]
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@mistake("All rows hold filter 0. The rows of output channel k hold its own filter w[k].")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w[0]
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@mistake("The stride spreads the weights of a filter (that is dilation). A window is FH x FW neighbours.")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad + FH * stride, W + 2 * pad + FW * stride))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i : i + FH * stride : stride, j : j + FW * stride : stride] = w
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@mistake(
    "The matrix holds whole numbers, so fractions are cut off. Make it with np.zeros(shape), which has dtype float."
)
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad), dtype=int)
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@style("loops")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K * OH * OW, C * H * W))
    for k, i, j, c, u, v in np.ndindex(K, OH, OW, C, FH, FW):
        p, q = i * stride + u - pad, j * stride + v - pad
        if 0 <= p < H and 0 <= q < W:
            A[(k * OH + i) * OW + j, (c * H + p) * W + q] = w[k, c, u, v]
    return A


@style("padded, then cropped")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    A = np.zeros((K, OH, OW, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(OH, OW):
        A[:, i, j, :, i * stride : i * stride + FH, j * stride : j * stride + FW] = w
    return A[..., pad : pad + H, pad : pad + W].reshape(K * OH * OW, C * H * W)


@style("what the layer does to unit images")
def conv_as_matrix(w, x_shape, stride, pad):
    units = np.eye(int(np.prod(x_shape))).reshape(-1, *x_shape)
    units = np.pad(units, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(units, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijuv,kcuv->kijn", windows, w).reshape(-1, len(units))


@style("einsum of two selections, float32, Fortran order")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    OH, OW = (H + 2 * pad - FH) // stride + 1, (W + 2 * pad - FW) // stride + 1
    o, f, n = np.ogrid[:OH, :FH, :H]
    rows = (o * stride + f - pad == n).astype(np.float32)
    o, f, n = np.ogrid[:OW, :FW, :W]
    columns = (o * stride + f - pad == n).astype(np.float32)
    A = np.einsum("kcuv,iuh,jvw->kijchw", w.astype(np.float32), rows, columns, optimize=True)
    return np.asfortranarray(A.reshape(K * OH * OW, C * H * W))


@style("list of rows")
def conv_as_matrix(w, x_shape, stride, pad):
    (C, H, W), (K, _, FH, FW) = x_shape, w.shape
    tops, lefts = range(-pad, H + pad - FH + 1, stride), range(-pad, W + pad - FW + 1, stride)

    def weight(k, top, left, c, p, q):
        u, v = p - top, q - left
        return float(w[k, c, u, v]) if 0 <= u < FH and 0 <= v < FW else 0.0

    pixels = list(np.ndindex(C, H, W))
    return [[weight(k, i, j, *pixel) for pixel in pixels] for k in range(K) for i in tops for j in lefts]
