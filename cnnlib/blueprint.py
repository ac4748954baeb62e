"""A network on paper: shapes, parameters, multiply-adds, memory and receptive field, with not one number computed.

`summary(model, (3, 224, 224))` takes milliseconds and no memory, also for networks that would fill it.
"""

import html
import math
from dataclasses import dataclass, field

import numpy as np

from . import passes, shapes
from ._numbers import whole
from .autograd import Tensor, draw_on

# Ops whose outputs see more than their inputs do: through the weights of a filter, through a window, or everything.
FILTERED = ("conv2d", "locally_connected2d", "conv_transpose2d")
POOLED = ("max_pool2d", "avg_pool2d", "l2_pool2d")
ENLARGED = ("conv_transpose2d", "max_unpool2d", "upsample_nearest", "upsample_bilinear")
EVERYWHERE = ("linear", "matmul", "global_avg_pool2d")


@dataclass
class Row:
    """One op of a network: where it stands, and what it costs for one image."""

    path: str  # of the Module that calls it, as in named_parameters()
    layer: str  # the name of that Module's class
    op: str
    shape: tuple  # of the output, without the batch
    parameters: int  # those that did not come before
    multiply_adds: int
    receptive_field: tuple  # rows and columns of the input image that one output depends on; math.inf is all
    depth: int  # layers with weights on the longest way from the input to here


@dataclass
class Summary:
    """What a network costs for one image, op by op: a table for eyes and for programs."""

    name: str
    input_shape: tuple
    rows: list = field(default_factory=list)

    @property
    def parameters(self):
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self):
        return sum(row.multiply_adds for row in self.rows)

    @property
    def depth(self):
        """The layers with weights on the longest way: those side by side count once."""
        return max(row.depth for row in self.rows)

    @property
    def activations(self):
        """How many numbers all outputs together are: what training keeps for the way back."""
        return sum(math.prod(row.shape) for row in self.rows)

    @property
    def output_shape(self):
        return self.rows[-1].shape

    def table(self):
        """The lines of the table, each a list of words: a heading, the rows, the totals."""
        lines = [["layer", "op", "output", "parameters", "multiply-adds", "sees"]]
        for row in self.rows:
            place = f"{row.path} {row.layer}".strip()
            numbers = _number(row.parameters), _number(row.multiply_adds), _reach(row.receptive_field)
            lines.append([place, row.op, _size(row.shape), *numbers])
        memory = f"{_number(4 * self.activations)} bytes of float32"
        lines.append([self.name, "", memory, _number(self.parameters), _number(self.multiply_adds), ""])
        return lines

    def __str__(self):
        lines = self.table()
        widths = [max(len(line[i]) for line in lines) for i in range(6)]
        left = (True, True, False, False, False, False)
        text = [
            "  ".join(
                word.ljust(n) if flush else word.rjust(n) for word, n, flush in zip(line, widths, left, strict=True)
            ).rstrip()
            for line in lines
        ]
        rule = "-" * max(map(len, text))
        return "\n".join([text[0], rule, *text[1:-1], rule, text[-1]])

    __repr__ = __str__

    def _repr_html_(self):
        def line(words, tag):
            cells = "".join(
                f'<{tag} style="text-align:{"left" if i < 2 else "right"}">{html.escape(word)}</{tag}>'
                for i, word in enumerate(words)
            )
            return f"<tr>{cells}</tr>"

        first, *rows, last = self.table()
        body = "".join(line(words, "td") for words in rows)
        return (
            f"<table><thead>{line(first, 'th')}</thead><tbody>{body}</tbody><tfoot>{line(last, 'th')}</tfoot></table>"
        )


def summary(model, input_shape):
    """What a network costs for one image, op by op. Nothing is computed.

    model: a Module, or a function without arguments that makes one, which then takes no memory for its weights;
    input_shape: (C, H, W) of an image, (features,) of a vector, or a list of such shapes for a network with several
    inputs. Returns a Summary, which a notebook shows as a table. Raises ValueError where the network does not fit, TypeError
    for what is no network or no shape.

    >>> from cnnlib import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1176, 10))
    >>> print(summary(net, (1, 28, 28)))
    layer        op                           output  parameters  multiply-adds  sees
    ---------------------------------------------------------------------------------
    0 Conv2d     conv2d                      28x28x6         156        117,600   5x5
    1 ReLU       relu                        28x28x6                              5x5
    2 MaxPool2d  max_pool2d                  14x14x6                              6x6
    3 Flatten    flatten                        1176                              6x6
    4 Linear     linear                           10      11,770         11,760   all
    ---------------------------------------------------------------------------------
    Sequential               47,080 bytes of float32      11,926        129,360
    """
    inputs = [_shape(shape) for shape in (input_shape if _several(input_shape) else [input_shape])]
    blueprint = Blueprint()
    with draw_on(blueprint):
        if isinstance(model, type) or not hasattr(model, "named_parameters"):
            model = model() if callable(model) else model
        if not hasattr(model, "named_parameters"):
            raise TypeError(f"model must be a Module, or a function without arguments that makes one, not {model!r}")
        blueprint.start(model)
        model(*(blueprint.input((1, *shape)) for shape in inputs))
    return Summary(type(model).__name__, tuple(input_shape), blueprint.rows)


def _several(input_shape):
    return isinstance(input_shape, list) and any(isinstance(shape, tuple | list) for shape in input_shape)


def _shape(shape):
    if not isinstance(shape, tuple | list) or not shape:
        raise TypeError(f"input_shape must be a tuple such as (3, 224, 224), or a list of such tuples, not {shape!r}")
    return tuple(whole(n, "a length in input_shape", 1) for n in shape)


class Blueprint:
    """What ops and layers are drawn on while nothing is computed."""

    def __init__(self):
        self.rows, self.path, self.names, self.counted = [], [], {}, set()
        self.reach, self.kept = {}, []  # id of a Tensor: (field, step) of its rows and of its columns
        self.depth = {}  # id of a Tensor: layers with weights on the longest way to it

    def start(self, model):
        self.names = {id(module): path for path, module in model.modules()}

    def input(self, shape):
        return self._tensor(shape, ((1, 1), (1, 1)))

    def call(self, module, inputs, options):
        self.path.append(module)
        try:
            return module.forward(*inputs, **options)
        finally:
            self.path.pop()

    def op(self, name, inputs, options):
        inputs, named = passes.options_by_name(name, inputs)
        options = {**named, **options}
        sizes = [None if x is None else np.shape(x.data if isinstance(x, Tensor) else x) for x in inputs]
        shape = shapes.of(name, *sizes, **options)
        field = _widened(name, sizes, options, self._seen(inputs))
        new = [
            x for x in inputs if hasattr(x, "requires_grad") and id(x) not in self.reach and id(x) not in self.counted
        ]
        self.counted.update(id(x) for x in new)
        depth = max((self.depth.get(id(x), 0) for x in inputs), default=0) + (name in (*FILTERED, "linear"))
        module = self.path[-1] if self.path else None
        self.rows.append(
            Row(
                path=self.names.get(id(module), ""),
                layer=type(module).__name__ if module else "",
                op=name,
                shape=tuple(shape[1:]),
                parameters=sum(x.size for x in new),
                multiply_adds=_multiply_adds(name, sizes, shape),
                receptive_field=tuple(extent for extent, _ in field),
                depth=depth,
            )
        )
        return self._tensor(shape, field, depth)

    def _seen(self, inputs):
        """What the inputs together depend on, for rows and for columns: the largest field, the finest step."""
        reaches = [self.reach[id(x)] for x in inputs if id(x) in self.reach and self.reach[id(x)][0][0]]
        reaches = reaches or [((0, 1), (0, 1))]  # made of parameters only: it sees nothing, and has no step
        return [(max(r[i][0] for r in reaches), min(r[i][1] for r in reaches)) for i in (0, 1)]

    def _tensor(self, shape, reach, depth=0):
        tensor = Tensor(np.broadcast_to(np.float32(0), shape))
        self.depth[id(tensor)] = depth
        self.reach[id(tensor)] = tuple(reach)
        self.kept.append(tensor)  # so that no other Tensor gets its id
        return tensor


def _multiply_adds(name, sizes, shape):
    """The multiplications with an addition each of the ops that have weights, for one image."""
    if name == "linear":
        return math.prod(shape[1:]) * sizes[0][-1]
    if name == "conv2d":
        return math.prod(shape[1:]) * math.prod(sizes[1][1:])
    if name == "conv_transpose2d":
        return math.prod(sizes[0][1:]) * math.prod(sizes[1][1:])
    if name == "locally_connected2d":
        return math.prod(sizes[1])
    return 0


def _widened(name, sizes, options, seen):
    """(field, step) of rows and of columns after an op. Source: Araujo, Norris and Sim, Distill, 2019."""
    if name in EVERYWHERE:
        return [(math.inf, step) for _, step in seen]
    if name not in FILTERED + POOLED + ENLARGED:
        return seen
    size = sizes[1][-2:] if name in FILTERED else options.get("kernel_size", 2 if name == "upsample_bilinear" else 1)
    size = _pair(1 if name == "max_unpool2d" else size)
    stride = _pair(
        options.get("stride")
        or options.get("scale_factor")
        or (1 if name in FILTERED else options.get("kernel_size", 2))
    )
    dilation = _pair(options.get("dilation", 1))
    reach = []
    for (extent, step), f, s, d in zip(seen, size, stride, dilation, strict=True):
        if name == "conv_transpose2d":  # every output pixel gets stamps of so many input pixels
            f = -(-f // s)
        reach.append((extent + (f - 1) * d * step, step / s if name in ENLARGED else step * s))
    return reach


def _number(n):
    return f"{n:,}" if n else ""


def _size(shape):
    return "x".join(map(str, (*shape[1:], shape[0]))) if len(shape) == 3 else "x".join(map(str, shape)) or "1"


def _reach(field):
    if math.inf in field:
        return "all"
    return "x".join(f"{extent:g}" for extent in field)


def _pair(value):
    return tuple(value) if np.ndim(value) else (value, value)
