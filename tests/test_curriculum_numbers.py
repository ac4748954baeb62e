"""Every number of the slides that the course reproduces stands in the lesson that teaches it, and so does every erratum."""

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SHOWN = {  # words of the student's notebook, prose and code
    "01_neurons": ["2\\sigma(x) - 1", "2\\,\\sigma(2x) - 1", "**0 otherwise**", "a score of 0", "(M/\\delta)^2"],
    "02_backprop": ["308,200", "308,310", "1.0, -2, 3, -1", "4.0, -1, 5, 9", "D_x \\times D_z", "cannot\ntell"],
    "03_convolution": [
        "75 weights",
        "28×28×6",
        "24×24×10",
        "10,000",
        "100, size=10",
        "[-1 0 1]",
        "turns the filter by 180°",
    ],
    "04_conv_dims": [
        *("2.33", "32 becomes 28, 24, 20", "760", "56×56×32", "28×28×5", "(1, 100, 10, 200)"),
        *(
            "fits an even\nwidth",
            "M \\cdot K^2 \\cdot N \\cdot (D - K + 1)^2",
            "\\frac{N + 2P - F}{S} + 1",
            "16x16x256",
            "(3072, 100, False)",
        ),
    ],
    "05_conv_backward": ["[Dx × Dz]", "downstream; our words"],
    "06_pooling": [
        *("6, 8, 3 and 4", "(P+K-1)^2", "268,435,456", "256 million", "**first** maximum", "3, 4, 8, 10, 18, 22"),
        *("stride 2, no padding, no bias", "D/K×D/K", "exponentially"),
    ],
    "07_training": ["number of **outputs**", "counts **inputs**", "\\sqrt{2/n}", "2.30"],
    "08_architectures": [
        *("C1 156, S2 12, C3 1516, S4 32, C5 49,920, F6 10,080, output 840", "48,120", "2,416", "2496"),
        *("60,965,224", "138,357,544", "143,667,240", "5 million", "6,624,904", "13,004,888", "Neocognitron"),
        "[(CONV-RELU) × N - POOL?] × M - (FC-RELU) × K - SOFTMAX",
    ],
}


def text(lesson):
    cells = nbformat.read(NOTEBOOKS / lesson / f"{lesson}.ipynb", as_version=4).cells
    return "\n".join(cell.source for cell in cells)


@pytest.mark.parametrize("lesson", SHOWN)
def test_the_numbers_of_the_slides_are_shown(lesson):
    words = " ".join(text(lesson).split())
    missing = [item for item in SHOWN[lesson] if " ".join(item.split()) not in words]
    assert missing == []


@pytest.mark.parametrize("lesson", [path.name for path in sorted(NOTEBOOKS.iterdir()) if path.is_dir()])
def test_every_lesson_ends_with_a_recap_and_a_question(lesson):
    headings = [line for line in text(lesson).split("\n") if line.startswith("#")]
    assert [line for line in headings if line.startswith("## ")][-2:] == ["## Recap", "## Your question (2 points)"]
