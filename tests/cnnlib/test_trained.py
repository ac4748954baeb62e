"""The committed weights: made by today's recipes, and good at what they are for."""

import numpy as np
import pytest

from cnnlib import data, trained, training


@pytest.mark.parametrize("name", trained.RECIPES)
def test_the_weights_are_those_of_the_recipe(name):
    assert not trained.is_stale(name), "run `make weights` and commit the file"


def test_lenet_reads_digits_that_it_never_saw():
    _, test = data.digits(size=32)
    model = trained.load("lenet_digits")
    assert not model.training
    assert training.evaluate(model, test.x, test.y)[1] > 0.97


def test_another_recipe_makes_them_stale(monkeypatch):
    def lenet_digits():
        return None

    build = trained.RECIPES["lenet_digits"][1]
    monkeypatch.setitem(trained.RECIPES, "lenet_digits", (lenet_digits, build))
    assert trained.is_stale("lenet_digits")


def test_a_recipe_writes_what_load_reads(monkeypatch, tmp_path):
    monkeypatch.setattr(trained, "HERE", tmp_path)
    assert trained.is_stale("lenet_digits")
    build = trained.RECIPES["lenet_digits"][1]
    made = build()
    monkeypatch.setitem(trained.RECIPES, "lenet_digits", (lambda: made, build))
    trained.main()
    assert not trained.is_stale("lenet_digits")
    for name, array in trained.load("lenet_digits").state_dict().items():
        np.testing.assert_allclose(array, made.state_dict()[name], rtol=1e-3, atol=1e-6)


def test_an_unknown_name():
    with pytest.raises(KeyError, match="there is no trained network 'vgg'; there are lenet_digits"):
        trained.load("vgg")
