"""Pictures: drawn on demand, described in words, one HTML that works without a kernel; what each demo shows."""

import base64
import inspect
import io
import warnings
from html.parser import HTMLParser
from itertools import islice

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from cnnlib import demos, models, nn, ops, plot


class Tags(HTMLParser):
    """The tags of a picture's HTML, as {name: attributes}; the last one of each name."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found[tag] = dict(attributes)


def html(picture):
    return Tags(picture._repr_html_()).found


def pixels(page):
    return np.asarray(Image.open(io.BytesIO(page)).convert("RGB"), int)


def test_a_picture_is_drawn_only_when_its_html_is_asked_for():
    drawn = []

    @plot.picture("a line")
    def line(slope):
        drawn.append(slope)
        return plot.axes()[0]

    made = line(slope=3)
    assert (repr(made), drawn) == ("a line", [])
    assert html(made)["img"]["alt"] == "a line"
    assert drawn == [3]


def test_the_html_holds_a_sharp_image_of_the_shown_width_and_escapes_words():
    made = plot.Picture(lambda: [Figure(figsize=(3, 2))], 'x < y, "quoted"', caption="a & b")
    tags = html(made)
    assert tags["img"]["alt"] == 'x < y, "quoted"'
    assert "<figcaption>a &amp; b</figcaption>" in made._repr_html_()
    page = base64.b64decode(tags["img"]["src"].removeprefix("data:image/png;base64,"))
    assert int(tags["img"]["width"]) == 3 * plot.DOTS
    assert pixels(page).shape[1] > 1.5 * 3 * plot.DOTS
    assert "input" not in tags


def test_a_flipbook_holds_every_page_and_starts_at_the_one_asked_for():
    @plot.flipbook("numbers", label="which", start=2)
    def numbers(count):
        for k in range(count):
            board = plot.Board(2, 2)
            board.block(0.5, 0.5, [[k]])
            yield board

    tags = html(numbers(4))
    pages = tags["figure"]["data-pages"].split(" ")
    assert len(set(pages)) == 4
    assert tags["input"]["data-words"].split("|")[2] == "3 of 4"
    assert (tags["input"]["min"], tags["input"]["max"], tags["input"]["value"]) == ("0", "3", "2")
    assert tags["img"]["src"] == "data:image/png;base64," + pages[2]
    assert html(numbers(1)).keys() == {"figure", "img"}  # one page needs no slider, and 2 is beyond its end


def test_a_panel_has_a_slider_for_each_choice_and_a_page_for_every_combination():
    drawn = []

    @plot.panel("{n} and {f} on {size}", n=(1, 2, 3), f=(4, 5))
    def sizes(n=2, f=5, size=7):
        drawn.append((n, f, size))
        board = plot.Board(2, 2)
        board.block(0.5, 0.5, [[10 * n + f]])
        return board

    made = sizes(size=8, f=6)
    assert repr(made) == "2 and 6 on 8"
    tags, page = html(made), made._repr_html_()
    assert drawn[:9] == [(n, f, 8) for n in (1, 2, 3) for f in (4, 5, 6)]
    pages = tags["figure"]["data-pages"].split(" ")
    assert len(set(pages)) == 9
    assert tags["img"]["src"] == "data:image/png;base64," + pages[1 * 3 + 2]
    assert 'data-words="1|2|3"' in page and 'data-words="4|5|6"' in page


def test_a_block_shows_numbers_large_ones_deeper_and_leaves_nan_white():
    board = plot.Board(4, 2)
    board.block(0, 0, [[1, -4, np.nan]], colour=plot.BLUE)
    words = [text.get_text() for text in board.ax.texts]
    assert words == ["1", "−4"]
    (cells,) = board.ax.collections
    light = cells.get_array().reshape(-1, 3).sum(axis=1)
    assert light[1] < light[0] < light[2] == 3


@pytest.mark.parametrize(
    "value, words",
    [
        (3, "3"),
        (-2.0, "−2"),
        (0.123, "0.12"),
        (-1.5, "−1.5"),
        (np.nan, "NaN"),
        (-np.inf, "−∞"),
        (12345678.9, "1.2e+07"),
    ],
)
def test_numbers_are_short(value, words):
    assert plot.number(value) == words


def test_labels_have_as_many_decimals_as_the_largest_number_needs():
    assert plot.labels(np.array([4.08, -0.0083])).tolist() == ["4.08", "−0.01"]
    assert plot.labels(np.array([123.4, np.nan])).tolist() == ["123", "NaN"]
    assert plot.labels(np.array([3.0, -11.0])).tolist() == ["3", "−11"]
    assert plot.labels(np.array([4e-7, 0.0])).tolist() == ["4e−07", "0"]
    assert plot.labels(np.array([1e300, 1.0])).tolist() == ["1e+300", "1"]
    assert plot.labels(np.zeros((1, 1))).tolist() == [["0"]]


def test_a_comparison_shows_the_plane_with_the_worst_error():
    expected = np.zeros((2, 3, 4, 5))
    got = expected.copy()
    got[0, 1] = 0.5
    got[1, 2, 3, 4] = -7
    assert plot.worst_plane(expected, got) == (1, 2)
    got[0, 0, 0, 0] = np.nan
    assert plot.worst_plane(expected, got) == (0, 0)
    assert plot.worst_plane(np.zeros((4, 5)), np.ones((4, 5))) == ()


@pytest.mark.parametrize("odd", [np.nan, np.inf, 0.0, 1e300, True])
@pytest.mark.parametrize("shape", [(3, 4), (40, 2), (1, 60), (2, 1, 12, 12)])
def test_a_comparison_of_any_numbers_can_be_drawn(odd, shape):
    expected = np.zeros(shape)
    got = np.full(shape, odd)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pages, _ = plot.compare(expected, got, "dx").pages()
    assert pixels(pages[0]).std() > 1


def test_show_and_comparison_display_one_picture(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure = Figure(figsize=(2, 1))
    plot.show(figure, alt="empty")
    plot.show(lambda: figure, alt="empty too")
    plot.comparison(np.zeros((2, 2)), np.ones((2, 2)), title="out")
    assert [html(made)["img"]["alt"].split(":")[0] for made in shown] == ["empty", "empty too", "out"]


DEMOS = [name for name, demo in vars(demos).items() if inspect.isfunction(demo)]
NEEDED = {  # what a demo cannot do without
    "network": {"model": models.lenet.lenet5, "input_shape": (1, 32, 32)},
    "library_run": {
        "build": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
        **{"epochs": 2, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0},
    },
}
OTHERS = [
    ("gradient_flow", {"stride": 2}),
    ("gradient_flow", {"stride": 3}),
    ("overlap", {"kernel": 2, "strides": (1, 4), "size": 6}),
    ("weight_gradient", {"stride": 1}),
    ("input_gradient", {"stride": 2}),
    ("correlation", {"stride": 2, "pad": 1}),
    ("connections", {"inputs": 9, "window": 5, "stride": 2}),
    ("weight_counts", {"image": (1, 200, 200), "filters": 100, "size": 10}),
    ("volumes", {"size": 32, "channels": 3, "layers": [(8, 3)]}),
    ("network", {"model": lambda: models.vgg.vgg(16), "input_shape": (3, 224, 224)}),
    ("network", {"model": lambda: models.resnet.resnet(50), "input_shape": (3, 224, 224)}),
]


@pytest.mark.parametrize("name, kwargs", [*((name, NEEDED.get(name, {})) for name in DEMOS), *OTHERS])
def test_every_demo_is_described_warns_of_nothing_and_is_fit_for_a_lecture_hall(name, kwargs):
    made, figures = getattr(demos, name)(**kwargs), []
    assert len(made.alt) > 50 and made.alt.endswith(".")

    def first_pages():
        for page in islice(made.make(), 3):
            figures.append(getattr(page, "figure", page))
            yield page

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph is a warning, and so is a layout that does not fit
        pages, width = plot.Picture(first_pages, made.alt).pages()
    assert 500 < width < 1010
    for page in pages:
        shown = pixels(page)
        edge = np.concatenate([shown[0], shown[-1], shown[:, 0], shown[:, -1]])
        assert shown.std() > 5
        assert edge.min() == 255, "something is cut off at the edge"
    for figure in figures:
        sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
        assert not sizes or min(sizes) >= 10


def test_a_demo_shows_what_a_students_function_computes():
    calls = []

    def backward(dout, cache):
        calls.append(cache)
        x, w, b, stride, pad = cache
        return ops.conv2d_backward(dout, ops.conv2d_forward(x, w, b, stride, pad)[1])

    def forward(x, w, b, stride, pad):
        calls.append((x, w))
        return ops.conv2d_forward(x, w, b, stride, pad)

    assert demos.learn_a_filter(backward).pages() == demos.learn_a_filter().pages()
    assert demos.gallery(forward, size=32).pages() == demos.gallery(size=32).pages()
    demos.race(forward).pages()
    assert len(calls) > 50


def test_learning_with_the_right_gradient_finds_the_hidden_filter():
    from cnnlib.demos.conv_backward import HIDDEN

    figure = next(iter(demos.learn_a_filter().make()))
    shown = [ax.get_images()[0].get_array() for ax in figure.axes if ax.get_images()]
    np.testing.assert_allclose(shown[-1], HIDDEN, atol=0.1)
