"""Networks of the lectures, one family a file: each built as its paper says, at full size and small enough to train."""

from . import (
    crf_rnn,
    deconv_visualisation,
    deconvnet,
    dilated,
    fabric,
    fc_densenet,
    fcn,
    frrn,
    gridnet,
    msdnet,
    rcnn,
    ssd,
    unet,
)
