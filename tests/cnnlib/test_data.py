"""The images are there, and are what they are said to be."""

import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cnnlib import data


@pytest.mark.parametrize("name", data.PHOTOGRAPHS)
def test_every_photograph_is_there_without_a_download(name, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    photo = data.photograph(name)
    assert photo.dtype == np.float64
    assert photo.shape[0] == (1 if "grey" in data.PHOTOGRAPHS[name][1] else 3)
    assert min(photo.shape[1:]) >= 300
    assert 0 <= photo.min() < 0.25 < 0.6 < photo.max() <= 1


@pytest.mark.parametrize("size, shape", [(32, (32, 32)), ((24, 60), (24, 60)), (np.array([5, 4]), (5, 4))])
def test_size(size, shape):
    assert data.photograph("coffee", size).shape == (3, *shape)
    assert data.photograph("brick", size).shape == (1, *shape)


def test_a_smaller_picture_is_made_of_means():
    large, small = data.photograph("brick"), data.photograph("brick", size=64)
    np.testing.assert_allclose(small, large.reshape(1, 64, 8, 64, 8).mean(axis=(2, 4)), atol=1 / 255)


def test_colours_come_first():
    red, _, blue = data.photograph("coffee").mean(axis=(1, 2))
    assert red > 2 * blue, "the saucer and the table are red"


def test_each_call_gives_a_new_array():
    data.photograph("chelsea")[:] = 0
    assert data.photograph("chelsea").any()


def test_unknown_name():
    with pytest.raises(ValueError, match="there is no photograph 'cat'; there are chelsea, coffee"):
        data.photograph("cat")


# -------------------------------------------------------------------------------------------------- split and batches


@given(n=st.integers(2, 40), test=st.floats(0.01, 0.99), seed=st.integers(0, 9))
@settings(deadline=None)
def test_split_parts_every_example_and_keeps_its_label(n, test, seed):
    x = np.arange(n)
    held_out = round(test * n)
    if not 0 < held_out < n:
        with pytest.raises(ValueError, match=f"of {n} examples holds out {held_out}"):
            data.split(x, x**2, test, seed)
        return
    halves = data.split(x, x**2, test, seed)
    assert [len(half.x) for half in halves] == [n - held_out, held_out]
    assert sorted(np.concatenate([half.x for half in halves])) == x.tolist()
    for half in halves:
        np.testing.assert_array_equal(half.y, half.x**2)


def test_split_shuffles_and_its_seed_says_how():
    x = np.arange(100)
    first, again, other = (data.split(x, x, seed=seed)[1].x for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)
    assert set(first) not in (set(x[:25]), set(x[75:]))


@given(n=st.integers(0, 20), size=st.integers(1, 25), shuffled=st.booleans())
@settings(deadline=None)
def test_batches_hold_every_example_once(n, size, shuffled):
    x = np.arange(2 * n).reshape(n, 2)
    taken = list(data.batches(x, x[:, 0], size, np.random.default_rng(0) if shuffled else None))
    assert [len(batch.x) for batch in taken] == [size] * (n // size) + [n % size] * (n % size > 0)
    seen = [row for batch in taken for row in batch.x.tolist()]
    assert (sorted(seen) if shuffled else seen) == x.tolist()
    for batch in taken:
        np.testing.assert_array_equal(batch.x[:, 0], batch.y)


def test_every_round_of_batches_is_shuffled_anew():
    rng, x = np.random.default_rng(0), np.arange(50)
    first, second = ([batch.x.tolist() for batch in data.batches(x, x, 10, rng)] for _ in range(2))
    assert x[:10].tolist() not in (first[0], second[0])
    assert first != second


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: data.batches(np.zeros((3, 2)), np.zeros(4), 2), r"x has shape \(3, 2\) and y \(4,\)"),
        (lambda: data.split(np.zeros((3, 2)), np.zeros(4)), r"x has shape \(3, 2\) and y \(4,\)"),
        (lambda: data.batches(np.zeros(3), np.zeros(3), 0), "size is 0, but a batch holds at least 1 example"),
    ],
)
def test_wrong_arguments_are_refused_at_once(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -------------------------------------------------------------------------------------------------------------- digits


def test_the_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits  # here: it takes a second

    reference = load_digits()
    train, test = data.digits()
    assert train.x.shape == (1348, 1, 8, 8)
    assert test.x.shape == (449, 1, 8, 8)
    assert train.x.dtype == np.float32
    images = np.concatenate([train.x, test.x]).reshape(-1, 64) * 16
    labels = np.concatenate([train.y, test.y])
    ours, theirs = (np.column_stack(pair) for pair in ((images, labels), (reference.data, reference.target)))
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


@pytest.mark.parametrize("size", [32, 16, 13])
def test_larger_digits_are_interpolated(size):
    small, large = data.digits()[1], data.digits(size)[1]
    np.testing.assert_array_equal(small.y, large.y)
    expected = ndimage.zoom(small.x[7, 0], size / 8, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(large.x[7, 0], expected, atol=1e-5)
    assert large.x.shape == (449, 1, size, size)
    assert large.x.dtype == np.float32


def test_the_seed_draws_the_digits_that_are_held_out():
    first, again, other = (data.digits(seed=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.y, other.y)


def test_the_digits_can_be_told_apart():
    """The nearest neighbour in pixels has nearly always the same label."""
    train, test = data.digits(test=0.1)
    distances = ((test.x[:, None] - train.x) ** 2).sum(axis=(2, 3, 4))
    assert np.mean(train.y[distances.argmin(axis=1)] == test.y) > 0.95


def test_no_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setattr("cnnlib.data.handwriting.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="the digits come with scikit-learn, which is not installed"):
        data.digits()


def test_digits_of_no_size():
    with pytest.raises(ValueError, match="size is 0, but an image needs at least 1 pixel"):
        data.digits(0)
