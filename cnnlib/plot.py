"""Pictures for the notebooks: sharp figures, sliders that need no kernel, boards of numbers.

A picture is drawn only when a front end asks for its HTML, so a run that nobody looks at pays nothing for it.
The letters keep their colours in every lesson: x and dx are blue, w and dw orange, out and dout grey.
"""

import base64
import functools
import html
import inspect
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

# Colours of matplotlib's "tableau-colorblind10"; signs in purple against orange. Both are safe for colour-blind eyes.
BLUE, ORANGE, GREY, INK, PALE = "#006BA4", "#C85200", "#595959", "#222222", "#E4E4E4"
SIGNED, ORDERED = matplotlib.colormaps["PuOr_r"], matplotlib.colormaps["cividis"]
STYLE = {
    "font.size": 14,
    "axes.titlesize": 15,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.prop_cycle": matplotlib.cycler(color=[BLUE, ORANGE, GREY, "#5F9ED1", "#FFBC79"]),
    "text.color": INK,
    "legend.frameon": False,
    "mathtext.fontset": "dejavusans",
}
DOTS, SHARP = 96, 1.6  # a browser's pixels per inch, and how many dots each gets, for sharp screens and projectors


# ------------------------------------------------------------------------------------------------ pictures and sliders


@dataclass
class Picture:
    """Figures with a description: `make()` yields one or more, and is called only when their HTML is asked for.

    Several figures make a flip-book whose pages a slider turns; with `choices`, {label: values}, there is a slider for
    each label and a page for every combination, the last label fastest. All pages are in the HTML, so the sliders also
    work where no kernel runs: on a web page, in a saved notebook, in a lecture hall offline.
    """

    make: Callable
    alt: str
    caption: str = ""
    label: str = "page"
    start: int = 0
    choices: dict | None = None

    def pages(self):
        """The figures, drawn now, as a list of PNG files (bytes) and the width at which to show them."""
        files = []
        with matplotlib.rc_context(STYLE):
            for figure in self.make():
                file = io.BytesIO()
                figure = getattr(figure, "figure", figure)
                figure.savefig(file, format="png", dpi=SHARP * DOTS, facecolor="white")
                files.append(file.getvalue())
        return files, round(figure.get_figwidth() * DOTS)

    def _repr_html_(self):
        files, width = self.pages()
        pages = [base64.b64encode(file).decode() for file in files]
        start = min(self.start, len(pages) - 1)
        choices = self.choices or {self.label: [f"{page} of {len(pages)}" for page in range(1, len(pages) + 1)]}
        places = np.unravel_index(start, [len(values) for values in choices.values()])
        sliders = "".join(map(_slider, choices, choices.values(), places)) if len(pages) > 1 else ""
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        stored = f' data-pages="{" ".join(pages)}"' if sliders else ""
        return FIGURE.format(
            stored=stored, sliders=sliders, page=pages[start], alt=html.escape(self.alt), width=width, caption=caption
        )

    def __repr__(self):
        return self.alt


def _slider(label, values, at):
    words = [str(value) for value in values]
    return SLIDER.format(
        label=html.escape(label),
        last=len(words) - 1,
        at=at,
        shown=html.escape(words[at]),
        words=html.escape("|".join(words)),
    )


FIGURE = """<figure style="margin:0.5em 0"{stored}>{sliders}
<img src="data:image/png;base64,{page}" alt="{alt}" width="{width}" style="max-width:100%">{caption}</figure>"""

SLIDER = """<label style="display:flex;align-items:center;gap:0.8em;margin-bottom:0.5em">{label}
<input type="range" min="0" max="{last}" value="{at}" style="width:24em;max-width:60%" data-words="{words}"
  data-lm-suppress-shortcuts="true" oninput="
  const figure = this.closest('figure');
  let page = 0;
  for (const slider of figure.querySelectorAll('input')) page = page * (+slider.max + 1) + +slider.value;
  figure.querySelector('img').src = 'data:image/png;base64,' + figure.dataset.pages.split(' ')[page];
  this.nextElementSibling.value = this.dataset.words.split('|')[this.value];">
<output>{shown}</output></label>"""


def picture(alt):
    """Decorator: a function that returns a Figure or a Board returns a Picture instead, drawn on demand.

    alt: the description, in which {stride} stands for the argument of that name.

    >>> picture("{n} dots")(lambda n=3: None)()
    3 dots
    """

    def decorate(draw):
        @functools.wraps(draw)
        def call(*args, **kwargs):
            return Picture(lambda: [draw(*args, **kwargs)], alt.format(**arguments(draw, args, kwargs)))

        return call

    return decorate


def flipbook(alt, label, start=0):
    """Decorator: a generator of Figures or Boards returns a Picture instead, with a slider called `label`.

    alt: as for `picture`.
    """

    def decorate(draw):
        @functools.wraps(draw)
        def call(*args, **kwargs):
            words = alt.format(**arguments(draw, args, kwargs))
            return Picture(lambda: draw(*args, **kwargs), words, label=label, start=start)

        return call

    return decorate


def panel(alt, **choices):
    """Decorator: a function that draws one Figure or Board returns a Picture instead, with a slider for each choice.

    choices: name=values of arguments of the function. It is called for every combination; the sliders start where the
    arguments' defaults are. alt: as for `picture`.
    """

    def decorate(draw):
        @functools.wraps(draw)
        def call(*args, **kwargs):
            given = arguments(draw, args, kwargs)
            sliders = {name: list(dict.fromkeys([*values, given[name]])) for name, values in choices.items()}
            sliders = {name: sorted(values) for name, values in sliders.items()}
            places = [values.index(given[name]) for name, values in sliders.items()]
            start = int(np.ravel_multi_index(places, [len(values) for values in sliders.values()]))

            def pages():
                for combination in itertools.product(*sliders.values()):
                    yield draw(**given | dict(zip(sliders, combination, strict=True)))

            return Picture(pages, alt.format(**given), start=start, choices=sliders)

        return call

    return decorate


def arguments(function, args, kwargs):
    """The arguments of a call by name, defaults included."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def show(figure, alt, caption=""):
    """Displays a matplotlib Figure, or a function without arguments that returns one, with its description `alt`."""
    from IPython.display import display

    display(Picture(lambda: [figure() if callable(figure) else figure], alt, caption))


def axes(columns=1, rows=1, width=9.0, height=3.2, **kwargs):
    """A new Figure with rows x columns axes in a tidy layout. Returns (figure, axes) like `pyplot.subplots`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)
    return figure, figure.subplots(rows, columns, **kwargs)


def image(ax, values, title="", cmap="gray", **kwargs):
    """An image (H, W) or (3, H, W) without ticks."""
    values = np.moveaxis(values, 0, -1) if np.ndim(values) == 3 else values
    ax.imshow(values, cmap=cmap, interpolation="nearest", **kwargs)
    ax.set_title(title)
    ax.set_axis_off()


# ------------------------------------------------------------------------------------------------------ boards of cells


def tint(colour, amount):
    """The colour mixed with white: 0 gives white, 1 the colour itself."""
    return tuple(1 - amount * (1 - np.array(to_rgb(colour))))


def number(value):
    """A short text for one value, with a true minus sign: 3, −1.5, 0.25."""
    if np.isnan(value):
        return "NaN"
    whole = abs(value) < 1e4 and float(value).is_integer()
    return (f"{value:.0f}" if whole else f"{value:.2g}").replace("-", "−").replace("inf", "∞")


class Board:
    """A drawing measured in cells: blocks of numbers with words and arrows between them. (0, 0) is the top left."""

    def __init__(self, width, height, cell=0.46):
        self.figure = Figure(figsize=(width * cell, height * cell))
        self.ax = self.figure.add_axes([0, 0, 1, 1])
        self.ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal", autoscale_on=False)
        self.ax.set_axis_off()
        self.cell = cell

    def block(self, x, y, values, name="", colour=BLUE, fill=None, numbers=True, size=13, scale=1):
        """A 2-D array as cells with its name above; a NaN stays empty.

        The deeper the tint, the larger the number. `fill` sets the colours instead: one for all, or a list of rows.
        """
        values = np.atleast_2d(np.asarray(values, float))
        largest = np.nanmax(np.abs(values), initial=1e-12)
        shades = np.empty((*values.shape, 3))
        for (i, j), value in np.ndenumerate(values):
            if fill is None:
                shades[i, j] = tint(colour, 0 if np.isnan(value) else 0.06 + 0.5 * abs(value) / largest)
            else:
                shades[i, j] = to_rgb(fill if isinstance(fill, str) else fill[i][j])
            if numbers and not np.isnan(value):
                words = number(value)
                small = size if len(words) < 5 * scale - 1 else size - 3
                self.text(x + scale * (j + 0.5), y + scale * (i + 0.52), words, size=small)
        corners = x + scale * np.arange(values.shape[1] + 1), y + scale * np.arange(values.shape[0] + 1)
        self.ax.pcolormesh(*corners, shades, edgecolors="white", linewidth=1.5, zorder=1)
        if name:
            self.text(x + scale * values.shape[1] / 2, y - 0.55, name, size=15, color=colour, weight="bold")

    def image(self, x, y, values, name="", scale=1.0, cmap="gray", **kwargs):
        """An image (H, W) or (3, H, W) of which each pixel is `scale` cells wide, with its name above."""
        values = np.moveaxis(values, 0, -1) if np.ndim(values) == 3 else values
        height, width = scale * values.shape[0], scale * values.shape[1]
        extent = (x, x + width, y + height, y)
        self.ax.imshow(values, cmap=cmap, extent=extent, interpolation="nearest", zorder=1, **kwargs)
        if name:
            self.text(x + width / 2, y - 0.55, name, size=15)

    def frame(self, x, y, height=1, width=1, colour=INK, line=3, **kwargs):
        """An outline around cells."""
        kwargs = {"fill": False, "edgecolor": colour, "linewidth": line, "zorder": 5, "joinstyle": "round"} | kwargs
        self.ax.add_patch(Rectangle((x, y), width, height, **kwargs))

    def text(self, x, y, words, size=14, color=INK, ha="center", va="center", **kwargs):
        """Words at a point."""
        self.ax.text(x, y, words, fontsize=size, color=color, ha=ha, va=va, **kwargs)

    def arrow(self, start, end, colour=GREY, bend=0.0, line=2.0, style="-|>", **kwargs):
        """An arrow from (x, y) to (x, y)."""
        arrow = FancyArrowPatch(
            start, end, arrowstyle=style, mutation_scale=18, color=colour, linewidth=line,
            connectionstyle=f"arc3,rad={bend}", shrinkA=0, shrinkB=0, **kwargs,
        )  # fmt: skip
        self.ax.add_patch(arrow)

    def polygon(self, corners, colour, edge=None, line=1.2, **kwargs):
        """A filled shape."""
        self.ax.add_patch(Polygon(corners, facecolor=colour, edgecolor=edge or GREY, linewidth=line, **kwargs))


# ------------------------------------------------------------------------------------------------ what a check draws


def labels(values):
    """A text for each number, all with the same number of decimals: enough for the largest to show three digits."""
    finite = np.isfinite(values)
    largest = np.max(np.abs(values), where=finite, initial=0)
    whole = np.all(values[finite] == np.round(values[finite]))
    decimals = 0 if whole else int(2 - np.floor(np.log10(largest)))
    even = largest < 1e5 and decimals <= 5
    words = [
        f"{v:.{max(decimals, 0)}f}".replace("-", "−") if even and np.isfinite(v) else number(v) for v in values.flat
    ]
    return np.array(words).reshape(values.shape)


def worst_plane(expected, got):
    """The index of the last two axes' plane in which two arrays of equal shape differ most; NaN counts as most."""
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.nan_to_num(np.abs(np.asarray(got, float) - np.asarray(expected, float)), nan=np.inf)
    return np.unravel_index(np.argmax(error), error.shape)[:-2]


def compare(expected, got, title=""):
    """The Picture that `comparison` displays."""
    expected, got = np.asarray(expected, float), np.asarray(got, float)
    plane = worst_plane(expected, got)
    expected, got = expected[plane], got[plane]
    title += f" [{', '.join(map(str, plane))}, :, :]" if plane else ""

    def draw():
        with np.errstate(invalid="ignore", over="ignore"):
            panels = {"expected": expected, "got": got, "got − expected": got - expected}
        largest = max(np.max(np.abs(v), where=np.isfinite(v), initial=0) for v in (expected, got)) or 1.0
        rows, columns = expected.shape
        figure, panes = axes(3, width=9, height=float(np.clip(2.8 * rows / columns, 0.8, 4.5)) + 0.9)
        figure.suptitle(title, fontsize=15)
        for ax, (name, values) in zip(panes, panels.items(), strict=True):
            ax.imshow(values, cmap=SIGNED, vmin=-largest, vmax=largest)
            ax.set_title(name)
            ax.set_axis_off()
            if rows <= 10 and columns <= 10:
                for (i, j), words in np.ndenumerate(labels(values)):
                    ink = "white" if abs(values[i, j]) > 0.7 * largest else INK
                    ax.text(j, i, words, ha="center", va="center", fontsize=12 if columns < 7 else 9, color=ink)
        return figure

    return Picture(lambda: [draw()], f"{title}: what was expected, what came out, and the difference.")


def comparison(expected, got, title=""):
    """Displays expected, got and their difference, in the plane of the last two axes where they differ most.

    expected, got: arrays of one shape (..., H, W).
    """
    from IPython.display import display

    display(compare(expected, got, title))
