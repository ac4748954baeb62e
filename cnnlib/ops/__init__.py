"""Pure array functions in pairs: `out, cache = f_forward(x, ...)`, then `grads = f_backward(dout, cache)`.

The names and conventions are PyTorch's: images are (N, C, H, W), filters (K, C, FH, FW), the weights of a linear layer
(out_features, in_features). float32 in gives float32 out. No function writes to its arguments.
"""

from .activation import (
    elu_backward,
    elu_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    maxout_backward,
    maxout_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    tanh_backward,
    tanh_forward,
)
from .conv import col2im, conv2d_backward, conv2d_forward, im2col
from .linear import linear_backward, linear_forward

__all__ = [
    "col2im",
    "conv2d_backward",
    "conv2d_forward",
    "elu_backward",
    "elu_forward",
    "im2col",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "linear_backward",
    "linear_forward",
    "maxout_backward",
    "maxout_forward",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "tanh_backward",
    "tanh_forward",
]
