"""How much of the image one unit sees, by counting."""

from collections.abc import Iterable

from ._numbers import whole


def receptive_field(layers):
    """How many input pixels, along one direction, one output of a stack of layers depends on.

    layers: (kernel_size, stride) or (kernel_size, stride, dilation), first to last; pooling counts too. A layer widens
    the field by (kernel_size - 1) steps, and a step is as long as the product of all strides before it.
    Raises ValueError or TypeError where a layer is none of these, or a number in it is no integer of at least 1.
    Source: A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.

    >>> receptive_field([(3, 1), (3, 1)])  # two 3x3 layers see as much as one of 5x5
    5
    >>> receptive_field([(5, 1), (2, 2), (5, 1), (2, 2)])  # LeNet's S4
    16
    """
    field, step = 1, 1
    for layer in layers if isinstance(layers, Iterable) else [layers]:
        if not isinstance(layer, tuple | list) or len(layer) not in (2, 3):
            raise ValueError(
                f"a layer is {layer!r}, but must be (kernel_size, stride) or (kernel_size, stride, dilation)"
            )
        kernel_size, stride, dilation = (whole(n, f"a number of the layer {layer}", 1) for n in (*layer, 1)[:3])
        field += (kernel_size - 1) * dilation * step
        step *= stride
    return field
