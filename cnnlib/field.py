"""How much of the image one unit sees, by counting."""


def receptive_field(layers):
    """How many input pixels, along one direction, one output of a stack of layers depends on.

    layers: (kernel_size, stride) or (kernel_size, stride, dilation), first to last; pooling counts too. A layer widens
    the field by (kernel_size - 1) steps, and a step is as long as the product of all strides before it.
    Source: A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.

    >>> receptive_field([(3, 1), (3, 1)])  # two 3x3 layers see as much as one of 5x5
    5
    >>> receptive_field([(5, 1), (2, 2), (5, 1), (2, 2)])  # LeNet's S4
    16
    """
    field, step = 1, 1
    for kernel_size, stride, *dilation in layers:
        field += (kernel_size - 1) * (dilation[0] if dilation else 1) * step
        step *= stride
    return field
