"""Pure array functions in pairs: `out, cache = f_forward(x, ...)` and `grads = f_backward(dout, cache)`."""

from .activation import relu_backward, relu_forward, sigmoid_backward, sigmoid_forward, tanh_backward, tanh_forward
from .conv import col2im, conv2d_backward, conv2d_forward, im2col
from .linear import linear_backward, linear_forward

__all__ = [
    "col2im",
    "conv2d_backward",
    "conv2d_forward",
    "im2col",
    "linear_backward",
    "linear_forward",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "tanh_backward",
    "tanh_forward",
]
