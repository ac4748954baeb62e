"""1 x 1 filters: every pixel is a row of a matrix already, and the layer is one product."""

import numpy as np

from .products import product, product_of_columns


def forward(x, w, layer):
    """out (N, OH, OW, K) of x (N, H, W, C) and w (K, C, 1, 1)."""
    return _times(_seen(x, layer), w[:, :, 0, 0].T)


def input_gradient(dout, w, layer):
    """dx (N, H, W, C); pixels between the strides were not seen and get 0."""
    dx = _times(dout, w[:, :, 0, 0])
    if layer.stride == (1, 1):
        return dx
    out = np.zeros((len(dout), *layer.image, w.shape[1]), dout.dtype)
    out[:, :: layer.stride[0], :: layer.stride[1]] = dx
    return out


def weight_gradient(x, dout, layer):
    """dw (K, C, 1, 1)."""
    return product_of_columns(_rows(dout), _rows(_seen(x, layer)))[:, :, None, None]


def _seen(x, layer):
    return np.ascontiguousarray(x[:, :: layer.stride[0], :: layer.stride[1]])


def _rows(x):
    return x.reshape(-1, x.shape[3])


def _times(x, matrix):
    return product(_rows(x), matrix).reshape(*x.shape[:3], matrix.shape[1])
