"""What a neuron looks for: from its activation back to the pixels of an image, through the network turned round.

Each layer is undone roughly: un-pooling puts numbers back where the maxima were (the switches), rectifying keeps what
is positive, and a convolution becomes a transposed one with the same filters. Nothing is trained.
Source: INRIA, visualisation of convolutional networks (s2:1424-1447); M. Zeiler, R. Fergus, "Visualizing and
Understanding Convolutional Networks", ECCV 2014; the two other rules: K. Simonyan et al., 2014 (gradient) and J.
Springenberg et al., "Striving for Simplicity", 2015 (guided).
"""

import numpy as np

from .. import nn, ops

# How a ReLU is passed backwards: `signal` comes from above, `seen` is what entered the ReLU on the way up.
RULES = {
    "deconvnet": lambda signal, seen: np.maximum(signal, 0),
    "gradient": lambda signal, seen: np.where(seen > 0, signal, 0),
    "guided": lambda signal, seen: np.where(seen > 0, np.maximum(signal, 0), 0),
}


def project(net, x, layer, channel, rule="deconvnet"):
    """The part of each image to which the strongest neuron of a channel responds, in pixels: (N, C, H, W).

    net: a Sequential of Conv2d, ReLU and MaxPool2d; x: images (N, C, H, W); layer: the number or the name of the layer
    whose neurons are asked, counted from 0; channel: of that layer. All its other activations are set to zero, as in
    the paper. rule: "deconvnet"; "gradient", which gives the derivative of the activation times it; or "guided", both
    at once. Raises TypeError for a layer of another kind, and ValueError for a rule or a channel that is not there.

    >>> nn.manual_seed(0)
    >>> net = small()
    >>> project(net, np.ones((2, 1, 16, 16), np.float32), layer=3, channel=0).shape
    (2, 1, 16, 16)
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}, but must be one of {', '.join(RULES)}")
    steps = climb(net, x, layer)
    top = steps[-1][2]
    if not 0 <= channel < top.shape[1]:
        raise ValueError(f"channel is {channel}, but the layer has {top.shape[1]}, counted from 0")
    signal = strongest_only(top, channel)
    for part, seen, _, switches in reversed(steps):
        signal = undo(part, signal, seen, switches, rule)
    return signal


def climb(net, x, layer):
    """The layers up to this one, each with what it saw, what it gave, and the switches of a pooling (else None)."""
    names = list(net.parts)
    stop = names.index(layer) if isinstance(layer, str) else range(len(names))[layer]
    steps, x = [], np.asarray(x)
    for name in names[: stop + 1]:
        part, switches = net.parts[name], None
        if isinstance(part, nn.Conv2d):
            bias = None if part.bias is None else part.bias.data
            out, _ = ops.conv2d_forward(x, part.weight.data, bias, **part.geometry)
        elif isinstance(part, nn.ReLU):
            out, _ = ops.relu_forward(x)
        elif isinstance(part, nn.MaxPool2d):
            out, cache = ops.max_pool2d_forward(x, **part.settings)
            switches = ops.max_pool2d_switches(cache)
        else:
            raise TypeError(
                f"layer {name} is a {type(part).__name__}, but only Conv2d, ReLU and MaxPool2d can be undone"
            )
        steps.append((part, x, out, switches))
        x = out
    return steps


def undo(part, signal, seen, switches, rule="deconvnet"):
    """One layer backwards: a signal with the shape of what it gave becomes one with the shape of what it saw."""
    if isinstance(part, nn.ReLU):
        return RULES[rule](signal, seen)
    if isinstance(part, nn.MaxPool2d):
        settings = {key: part.settings[key] for key in ("kernel_size", "stride", "padding")}
        return ops.max_unpool2d_forward(signal, switches, **settings, output_size=seen.shape[2:])[0]
    return transposed(part, signal, seen.shape[2:])


def transposed(conv, signal, size):
    """The transposed convolution with the same filters and without the bias; size: rows and columns of its output."""
    weight, geometry = conv.weight.data, conv.geometry
    small, _ = ops.conv_transpose2d_forward(signal, weight, **geometry)
    lacking = [wanted - got for wanted, got in zip(size, small.shape[2:], strict=True)]  # where the stride left a rest
    if not any(lacking):
        return small
    return ops.conv_transpose2d_forward(signal, weight, output_padding=lacking, **geometry)[0]


def strongest_only(activations, channel):
    """Zeros, but for the largest activation of one channel in every image."""
    out = np.zeros_like(activations)
    for image, maps in zip(out, activations, strict=True):
        place = np.unravel_index(maps[channel].argmax(), maps[channel].shape)
        image[channel][place] = maps[channel][place]
    return out


def strongest(net, x, layer, channel, k=9):
    """The images to which a channel responds most, and where: the paper shows nine for every channel.

    Returns the numbers of the images (K,), K at most k, and rows and columns (K, 2) of the activation in its map.
    """
    maps = climb(net, x, layer)[-1][2][:, channel]
    flat = maps.reshape(len(maps), -1)
    images = np.argsort(-flat.max(axis=1), kind="stable")[:k]
    return images, np.stack(np.divmod(flat[images].argmax(axis=1), maps.shape[2]), axis=1)


def small(in_channels=1, widths=(8, 16)):
    """Two stages of convolution, ReLU and pooling, to look into."""
    parts = []
    for width in widths:
        parts += [nn.Conv2d(in_channels, width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        in_channels = width
    return nn.Sequential(*parts)
