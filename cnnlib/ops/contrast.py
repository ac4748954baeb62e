"""Normalisation by the neighbours: a strong response is weakened where those around it are strong too."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ._arguments import images, pair, upstream


def local_response_norm_forward(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """out = x / (k + alpha/size · the sum of x² over `size` neighbouring channels)^beta, cut off at the first and last.

    x: (N, C, H, W); as in PyTorch. AlexNet has size 5, k = 2, beta 0.75 and 1e-4 for alpha/size, so alpha = 5e-4 here.
    Returns out and a cache. Raises ValueError for a size below 1.
    Source: A. Krizhevsky et al., "ImageNet Classification with Deep CNNs", 2012; INRIA, AlexNet.

    >>> local_response_norm_forward(np.ones((1, 2, 1, 1)), size=2, alpha=2, beta=1)[0].ravel()  # 1/(1+1), 1/(1+2)
    array([0.5       , 0.33333333])
    """
    x = images(x)
    if size < 1:
        raise ValueError(f"size is {size}, but must be at least 1")
    share = x.dtype.type(alpha / size)
    scale = x.dtype.type(k) + share * _neighbours(x * x, size // 2, (size - 1) // 2)
    power = scale ** x.dtype.type(-beta)
    return x * power, (x, scale, power, size, share, beta)


def local_response_norm_backward(dout, cache):
    """dx: each number weakens its neighbours, so their share of dout comes back to it."""
    x, scale, power, size, share, beta = cache
    dout = upstream(dout, x.shape, x.dtype)
    back = _neighbours(dout * x * power / scale, (size - 1) // 2, size // 2)
    return dout * power - x.dtype.type(2 * beta) * share * x * back


def local_contrast_norm_forward(x, kernel_size=9, eps=1e-4):
    """Subtracts from every number the weighted mean around it, over all channels, and divides by what then varies there.

    v = x - Σ w x, and out = v / max(mean(σ), σ, eps) with σ = sqrt(Σ w v²); w is a Gaussian window that sums to 1 over
    all channels and pixels, and mean(σ) is the mean over the image. At the rim the window is cut off and the weights
    grow to sum to 1 again.

    x: (N, C, H, W); kernel_size: odd, an integer or a pair. Returns out and a cache. Raises ValueError for an even size.
    Source: K. Jarrett et al., "What is the Best Multi-Stage Architecture", 2009; Princeton and MVA, contrast normalisation.

    >>> local_contrast_norm_forward(np.full((1, 1, 4, 4), 7.0), 3)[0].round(6).any()  # a flat wall has no contrast
    np.False_
    """
    x, size = images(x), pair(kernel_size, "kernel_size", 1)
    if size[0] % 2 == 0 or size[1] % 2 == 0:
        raise ValueError(f"kernel_size is {kernel_size}, but needs a middle: an odd number")
    weights = [_blur(n, f).astype(x.dtype) for n, f in zip(x.shape[2:], size, strict=True)]
    v = x - _mean(x, *weights)
    deviation = np.sqrt(_mean(v * v, *weights))
    average = deviation.mean(axis=(2, 3), keepdims=True)
    divisor = np.maximum(np.maximum(deviation, average), x.dtype.type(eps))
    return v / divisor, (v, deviation, average, divisor, weights)


def local_contrast_norm_backward(dout, cache):
    """dx, back through the division and then through the subtraction."""
    v, deviation, average, divisor, weights = cache
    dout = upstream(dout, v.shape, v.dtype)
    dv = dout / divisor
    back = -(dout * v).sum(axis=1, keepdims=True) / divisor**2
    own, whole = deviation >= np.maximum(average, divisor), (average > deviation) & (average >= divisor)
    pixels = v.shape[2] * v.shape[3]
    ddeviation = own * back + (whole * back).sum(axis=(2, 3), keepdims=True) / pixels
    safe = np.where(deviation > 0, deviation, 1)
    dv = dv + v * _mean_back(ddeviation / safe, v.shape[1], *weights)
    return dv - _mean_back(dv.sum(axis=1, keepdims=True), v.shape[1], *weights)


def _neighbours(x, before, after):
    """The sum over the channels from c - before to c + after, as far as there are any."""
    padded = np.pad(x, ((0, 0), (before, after), (0, 0), (0, 0)))
    return sliding_window_view(padded, before + after + 1, axis=1).sum(axis=-1)


def _blur(n, size):
    """(n, n): row i are the weights of pixel i's neighbourhood along one direction; they sum to 1."""
    far = np.arange(n)[:, None] - np.arange(n)
    weights = np.exp(-(far**2) / (2 * (size / 4) ** 2)) * (np.abs(far) <= size // 2)
    return weights / weights.sum(axis=1, keepdims=True)


def _mean(x, rows, columns):
    """(N, 1, H, W): the weighted mean around every pixel, over all channels."""
    return rows @ x.mean(axis=1, keepdims=True) @ columns.T


def _mean_back(dout, channels, rows, columns):
    """The transpose of `_mean`: what each number of each channel gets back (the same for all channels)."""
    return rows.T @ dout @ columns / dout.dtype.type(channels)
