"""Transfer: a network that reads digits learns odd from even on few images, and its features find like images."""

import numpy as np
import pytest

from cnnlib import data, nn, trained, training
from cnnlib.models import transfer


@pytest.fixture(scope="module")
def digits():
    train, test = data.digits(size=32)
    return (train.x[:60], train.y[:60] % 2), (test.x[:150], test.y[:150] % 2)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_reader_of_digits_learns_odd_from_even_on_few(digits, frozen):
    few, many = digits
    net = trained.load("lenet_digits")
    before = net.state_dict()
    nn.manual_seed(0)
    new, history = transfer.finetune(net, *few, num_classes=2, frozen=frozen, epochs=5, batch_size=10, progress=False)
    assert history.epochs == 5
    assert training.evaluate(new, *many)[1] > 0.9
    after = new.state_dict()
    same = [np.array_equal(after[name], array) for name, array in before.items() if after[name].shape == array.shape]
    assert all(same) if frozen else not any(same)
    assert net.parts["11"].weight.shape == (10, 84), "the old network keeps its head"


def test_features_find_digits_of_the_same_class():
    train, test = data.digits(size=32)
    net = trained.load("lenet_digits")
    found, likeness = transfer.retrieve(transfer.features(net, test.x[:100]), transfer.features(net, train.x), most=5)
    assert (train.y[found] == test.y[:100, None]).mean() > 0.95
    assert (np.diff(likeness, axis=1) <= 0).all() and likeness.max() <= 1 + 1e-5


def test_an_image_finds_itself_first():
    train, _ = data.digits(size=32)
    codes = transfer.features(trained.load("lenet_digits"), train.x[:50])
    assert transfer.retrieve(codes, codes, most=1)[0].ravel().tolist() == list(range(50))


@pytest.mark.parametrize(
    "act, words",
    [
        (lambda: transfer.with_new_head(nn.Sequential(nn.ReLU()), 2), "ends with a Linear layer"),
        (lambda: transfer.with_new_head(nn.Linear(2, 2), 2), "must be a Sequential"),
        (
            lambda: transfer.retrieve(np.ones((1, 3)), np.ones((4, 2))),
            "queries have 3 features, but the database has 2",
        ),
        (lambda: transfer.retrieve(np.ones((1, 2)), np.ones((4, 2))), "most is 5, but must be from 1 to the 4 images"),
    ],
)
def test_refused(act, words):
    with pytest.raises(ValueError, match=words):
        act()
