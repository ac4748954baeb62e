"""Which way a layer is computed: one table, read from the top, and the first row that suits is taken.

`can` says for which layers a route is right, `pays` for which of them it is also the quickest (measured by
`benchmarks/layers.py`). Every route is right for any number of images, channels and filters.
"""

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

from . import columns, one_way, phases, point, space_to_depth, winograd
from .products import UNPACKED
from .winograd import OUTPUTS


class Route(NamedTuple):
    """A module with `forward`, `input_gradient` and `weight_gradient`, and the layers that it is for."""

    name: str
    module: ModuleType
    can: Callable
    pays: Callable


def _square(layer):
    return layer.kernel[0] == layer.kernel[1] in OUTPUTS


def _wide_enough(layer):
    """Winograd's steps before and after the products are for each channel and filter: many of them share the work."""
    return min(layer.channels, layer.filters) >= 16 and min(layer.output) >= 4


def _blocks_are_square(layer):
    return max(layer.stride) > 1 and layer.dilation == (1, 1) and _square(space_to_depth.unstrided(layer))


def _few_zeros(layer):
    """3 x 3 at stride 2 becomes 2 x 2 of 2 x 2 blocks, 7 of 16 weights zero, and loses; 11 x 11 at stride 4 wins."""
    (rows, _), exact = space_to_depth.unstrided(layer).kernel, layer.kernel[0] == 2 * layer.stride[0]
    return rows > 2 or exact


def _thin(layer):
    """Rows that windows fill well, and so few channels that `winograd` has more to do before the products than in them.

    Its thin products with constants are dear where they are packed, so there it takes more channels to be the quicker one.
    """
    most = 32 if UNPACKED else 64
    return layer.kernel[0] == 3 and min(layer[:2]) >= 16 and max(layer[:2]) <= most and min(layer.output) >= 4


TABLE = (
    Route(
        "point",
        point,
        can=lambda layer: layer.kernel == (1, 1) and layer.padding == (0, 0),
        pays=lambda layer: True,
    ),
    Route(
        "one_way",
        one_way,
        can=lambda layer: layer.kernel[0] in OUTPUTS and layer.stride == layer.dilation == (1, 1),
        pays=_thin,
    ),
    Route(
        "winograd",
        winograd,
        can=lambda layer: _square(layer) and layer.stride == layer.dilation == (1, 1),
        pays=lambda layer: layer.kernel[0] >= 3 and _wide_enough(layer),
    ),
    Route(
        "phases",
        phases,
        can=lambda layer: _square(layer) and layer.stride == (1, 1),
        pays=lambda layer: layer.kernel[0] >= 3 and _wide_enough(phases.undilated(layer)),
    ),
    Route(
        "space_to_depth",
        space_to_depth,
        can=_blocks_are_square,
        pays=lambda layer: _few_zeros(layer) and _wide_enough(space_to_depth.unstrided(layer)),
    ),
    Route(
        "columns",
        columns,
        can=lambda layer: True,
        pays=lambda layer: True,
    ),
)


@lru_cache
def choose(layer, algo=None):
    """The first route of the table that can compute the layer and pays, or the one of this name.

    Raises ValueError where there is no route of this name, or it cannot compute the layer.

    >>> from .layer import Layer
    >>> choose(Layer(128, 128, (3, 3), (28, 28), padding=(1, 1))).name
    'winograd'
    >>> choose(Layer(3, 96, (11, 11), (227, 227), stride=(4, 4))).name
    'space_to_depth'
    >>> choose(Layer(1, 6, (5, 5), (32, 32))).name
    'columns'
    """
    if algo is None:
        return next(route for route in TABLE if route.can(layer) and route.pays(layer))
    for route in TABLE:
        if route.name == algo:
            if not route.can(layer):
                raise ValueError(f"algo is {algo!r}, but that is not for {layer}")
            return route
    names = ", ".join(repr(route.name) for route in TABLE)
    raise ValueError(f"algo is {algo!r}, but must be None, 'direct' or one of {names}")
