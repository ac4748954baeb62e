"""The photographs are there, and are what they are said to be."""

import socket

import numpy as np
import pytest

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
