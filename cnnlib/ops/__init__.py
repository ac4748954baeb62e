"""Pure array functions in pairs: `out, cache = f_forward(x, ...)`, then `grads = f_backward(dout, cache)`.

The names and conventions are PyTorch's: images are (N, C, H, W), filters (K, C, FH, FW), the weights of a linear layer
(out_features, in_features). float32 in gives float32 out. No function writes to its arguments.
"""

from ._algorithm import plain
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
from .array import (
    broadcast_to_backward,
    broadcast_to_forward,
    getitem_backward,
    getitem_forward,
    matmul_backward,
    matmul_forward,
    multiply_backward,
    multiply_forward,
    power_backward,
    power_forward,
    reshape_backward,
    reshape_forward,
    sum_backward,
    sum_forward,
    transpose_backward,
    transpose_forward,
)
from .contrast import (
    local_contrast_norm_backward,
    local_contrast_norm_forward,
    local_response_norm_backward,
    local_response_norm_forward,
)
from .conv import col2im, conv2d_backward, conv2d_forward, im2col
from .conv_transpose import (
    conv_transpose2d_backward,
    conv_transpose2d_forward,
)
from .dropout import dropout_backward, dropout_forward
from .linear import linear_backward, linear_forward
from .local import (
    locally_connected2d_backward,
    locally_connected2d_forward,
)
from .loss import (
    binary_cross_entropy_with_logits_backward,
    binary_cross_entropy_with_logits_forward,
    cross_entropy_backward,
    cross_entropy_forward,
    hinge_backward,
    hinge_forward,
    hinge_loss_backward,
    hinge_loss_forward,
    logistic_loss_backward,
    logistic_loss_forward,
    mse_backward,
    mse_forward,
    perceptron_loss_backward,
    perceptron_loss_forward,
    smooth_l1_backward,
    smooth_l1_forward,
)
from .norm import batch_norm_backward, batch_norm_forward, weight_norm_backward, weight_norm_forward
from .pool import (
    avg_pool2d_backward,
    avg_pool2d_forward,
    global_avg_pool2d_backward,
    global_avg_pool2d_forward,
    l2_pool2d_backward,
    l2_pool2d_forward,
    l2_pool_features_backward,
    l2_pool_features_forward,
    max_pool2d_backward,
    max_pool2d_forward,
    max_pool2d_switches,
    max_unpool2d_backward,
    max_unpool2d_forward,
)
from .resample import (
    upsample_bilinear_backward,
    upsample_bilinear_forward,
    upsample_nearest_backward,
    upsample_nearest_forward,
)
from .roi import roi_pool_backward, roi_pool_forward
from .shape import (
    add_backward,
    add_forward,
    concatenate_backward,
    concatenate_forward,
    crop_backward,
    crop_forward,
    flatten_backward,
    flatten_forward,
    pad_backward,
    pad_forward,
)
from .softmax import log_softmax_backward, log_softmax_forward, softmax_backward, softmax_forward
