"""Where the course comes together: LeNet-5 on real digits with a student's own passes, as lesson 08 has them."""

from pathlib import Path

import nbformat
import numpy as np

from cnnlib import data, models, nn, training, use

LESSON = Path(__file__).parents[1] / "solutions" / "08_architectures" / "08_architectures.ipynb"


def test_a_students_passes_train_lenet_to_97_percent():
    cells = nbformat.read(LESSON, as_version=4).cells
    source = next(c.source for c in cells if c.metadata.get("nbgrader", {}).get("grade_id") == "own_passes")
    names = {"np": np}
    exec(source, names)
    train, test = data.digits(size=32)
    nn.manual_seed(0)
    net = models.lenet.lenet5()
    with use(**names["own_passes"]()) as own:
        training.fit(net, train.x, train.y, epochs=10, batch_size=32, lr=0.02, progress=False)
    steps = 10 * -(-len(train.x) // 32)
    calls = {name: (pair.forward_calls, pair.backward_calls) for name, pair in own.items()}
    assert calls == {
        "conv2d": (2 * steps, 2 * steps),
        "max_pool2d": (2 * steps, 2 * steps),
        "linear": (3 * steps, 3 * steps),
    }
    assert training.evaluate(net, test.x, test.y)[1] > 0.97
