"""The figures and sliders of the lessons, one file per lesson. Each function returns a picture."""

from .architectures import c3_table, gradient_by_depth, lenet_on_digits, network, zoo
from .backprop import cascade, explicit_or_implicit, fork, jacobians, learn_digits, linear_gradients
from .conv_backward import (
    gradient_flow,
    input_gradient,
    learn_a_filter,
    one_layer,
    overlap,
    race,
    referee,
    rows_walk_back,
    tied_matrix,
    weight_gradient,
    windows_become_rows,
)
from .conv_dims import costs, dot_over_depth, neurons, never_fits, shrinking, windows
from .convolution import connections, correlation, flip, gallery, sliding_window, volumes, weight_counts
from .perceptrons import activations, convergence, learn_xor, losses, mark_one, similarity, table
from .pooling import all_edges, contrast, field_of_view, max_gradient, read_a_line, shares, shift, summaries
from .training import (
    dying,
    inputs_or_outputs,
    library_run,
    masks,
    normalise,
    normalised_signal,
    rim,
    signal,
    training_run,
    valley,
)
from .winograd import four_ways
