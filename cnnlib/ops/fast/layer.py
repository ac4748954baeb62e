"""What a route has to know about a convolution, besides the numbers."""

from functools import lru_cache
from typing import NamedTuple

from ...arithmetic import output_size


class Layer(NamedTuple):
    """A convolution of one group. All but channels and filters are pairs (rows, columns)."""

    channels: int
    filters: int
    kernel: tuple
    image: tuple  # H and W of x
    stride: tuple = (1, 1)
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)

    @property
    def output(self):
        """OH and OW.

        >>> Layer(3, 6, (5, 5), (32, 32)).output
        (28, 28)
        """
        return _output(self)

    @property
    def backwards(self):
        """For stride 1: the layer whose forward pass, with the filters turned by 180°, gives dx from dout."""
        around = (d * (f - 1) - p for f, p, d in zip(self.kernel, self.padding, self.dilation, strict=True))
        return Layer(self.filters, self.channels, self.kernel, self.output, (1, 1), tuple(around), self.dilation)


@lru_cache
def _output(layer):
    each = zip(layer.image, layer.kernel, layer.stride, layer.padding, layer.dilation, strict=True)
    return tuple(output_size(*numbers) for numbers in each)
