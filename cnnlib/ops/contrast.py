"""Normalisation by the neighbours: a strong response is weakened where those around it are strong too."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .._numbers import number, whole
from ._arguments import images, pair, real, upstream


def local_response_norm_forward(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """out = x / (k + alpha/size · the sum of x² over `size` neighbouring channels)^beta, cut off at the first and last.

    x: (N, C, H, W); as in PyTorch. AlexNet has size 5, k = 2, beta 0.75 and 1e-4 for alpha/size, so alpha = 5e-4 here.
    Returns out and a cache. Raises ValueError for a size below 1, a k that is not above 0 or an alpha below 0, TypeError
    for what is no number.
    Source: A. Krizhevsky et al., "ImageNet Classification with Deep CNNs", 2012.

    >>> local_response_norm_forward(np.ones((1, 2, 1, 1)), size=2, alpha=2, beta=1)[0].ravel()  # 1/(1+1), 1/(1+2)
    array([0.5       , 0.33333333])
    """
    x, size, beta = images(x), whole(size, "size", 1), number(beta, "beta")
    share = x.dtype.type(number(alpha, "alpha", least=0) / size)
    scale = x.dtype.type(number(k, "k", above=0)) + share * _neighbours(x * x, size // 2, (size - 1) // 2)
    power = scale ** x.dtype.type(-beta)
    return x * power, (x, scale, power, size, share, beta)


def local_response_norm_backward(dout, cache):
    """dx: each number weakens its neighbours, so their share of dout comes back to it."""
    x, scale, power, size, share, beta = cache
    dout = upstream(dout, x.shape, x.dtype)
    back = _neighbours(dout * x * power / scale, (size - 1) // 2, size // 2)
    return dout * power - x.dtype.type(2 * beta) * share * x * back


def local_contrast_norm_forward(x, kernel_size=9, window=None, eps=1e-4):
    """Subtracts from every number the weighted mean around it, over all channels, and divides by what then varies there.

    v = x - Σ w x, and out = v / max(σ, mean(σ), eps) with σ = sqrt(Σ w v²). w sums to 1 over all channels and pixels
    that it meets, also where the rim cuts it off; mean(σ) is the mean over the image, so that a quiet corner stays quiet.

    x: (N, C, H, W); kernel_size: odd, an integer or a pair: a Gaussian whose deviation is a quarter of it; window:
    weights (FH, FW) of your own instead, in any scale. Returns out and a cache. Raises ValueError for an even size, and
    for a window that has a weight below 0 or none in its middle.
    Source: K. Jarrett et al., "What is the Best Multi-Stage Architecture", 2009; KAIST, contrast normalization.

    >>> bool(local_contrast_norm_forward(np.full((1, 1, 4, 4), 7.0), 3)[0].round(6).any())  # a flat wall has no contrast
    False
    """
    x, eps = images(x), number(eps, "eps", above=0)
    window = _weights(kernel_size, window).astype(x.dtype)
    met = _correlate(np.ones((1, *x.shape[2:]), x.dtype), window)[:, None]
    v = x - _mean_around(x, window, met)
    deviation = np.sqrt(_mean_around(v * v, window, met))
    average = deviation.mean(axis=(2, 3), keepdims=True)
    divisor = np.maximum(np.maximum(deviation, average), x.dtype.type(eps))
    return v / divisor, (v, deviation, average, divisor, window, met)


def local_contrast_norm_backward(dout, cache):
    """dx, back through the division, through what was divided by, and through the subtraction."""
    v, deviation, average, divisor, window, met = cache
    dout = upstream(dout, v.shape, v.dtype)
    ddivisor = -(dout * v).sum(axis=1, keepdims=True) / divisor**2
    own = divisor == deviation
    whole = ~own & (divisor == average)
    daverage = (whole * ddivisor).sum(axis=(2, 3), keepdims=True)
    ddeviation = own * ddivisor + daverage / v.dtype.type(v.shape[2] * v.shape[3])
    slope = ddeviation / np.where(deviation > 0, deviation, 1)  # where the deviation is 0, so is every v around
    dv = dout / divisor + v * _mean_around_back(slope, v.shape[1], window, met)
    return dv - _mean_around_back(dv.sum(axis=1, keepdims=True), v.shape[1], window, met)


def _neighbours(x, before, after):
    """The sum over the channels from c - before to c + after, as far as there are any."""
    padded = np.pad(x, ((0, 0), (before, after), (0, 0), (0, 0)))
    return sum(padded[:, i : i + x.shape[1]] for i in range(before + after + 1))


def _weights(kernel_size, window):
    if window is None:
        sizes = pair(kernel_size, "kernel_size", 1)
        window = np.outer(*(np.exp(-8 * ((np.arange(n) - n // 2) / n) ** 2) for n in sizes))  # exp(-d² / 2 (n/4)²)
    window = real(window, "window")
    if window.ndim != 2 or window.shape[0] % 2 == 0 or window.shape[1] % 2 == 0:
        raise ValueError(f"the window has shape {window.shape}, but needs two odd lengths, so that it has a middle")
    middle = window[window.shape[0] // 2, window.shape[1] // 2]
    if not (window.min() >= 0 and middle > 0 and np.isfinite(window).all()):
        raise ValueError(
            f"the window has {window.min():g} at its least and {middle:g} in its middle: give positive weights"
        )
    return window / window.sum()


def _mean_around(x, window, met):
    """(N, 1, H, W): the weighted mean around every pixel, over all channels; met is the weight that lies in the image."""
    return _correlate(x.mean(axis=1), window)[:, None] / met


def _mean_around_back(dout, channels, window, met):
    """The transpose of `_mean_around`: what each number gets back, the same (N, 1, H, W) for all channels."""
    return _correlate((dout / met)[:, 0], window[::-1, ::-1])[:, None] / dout.dtype.type(channels)


def _correlate(x, window):
    """(N, H, W) with a small window, zeros around: one map, so no filters and no channels as `conv2d` has them."""
    rows, columns = (n // 2 for n in window.shape)
    padded = np.pad(x, ((0, 0), (rows, rows), (columns, columns)))
    return np.einsum("nhwij,ij->nhw", sliding_window_view(padded, window.shape, axis=(1, 2)), window)
