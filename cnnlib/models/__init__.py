"""Networks of the lectures, one family a file: each built as its paper says, at full size and small enough to train."""

from . import (
    alexnet,
    crf_rnn,
    deconv_visualisation,
    deconvnet,
    densenet,
    dilated,
    fabric,
    fc_densenet,
    fcn,
    frrn,
    googlenet,
    gridnet,
    lenet,
    msdnet,
    neocognitron,
    rcnn,
    resnet,
    ssd,
    unet,
    vgg,
)
