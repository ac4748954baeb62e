"""Training: it learns, it can be stopped and goes on to the same end, and it says what is wrong."""

import numpy as np
import pytest

from cnnlib import fit, nn, training
from cnnlib.autograd import Tensor

rng = np.random.default_rng(0)
X = rng.normal(size=(96, 1, 6, 6)).astype(np.float32)
Y = (X[:, 0, :3].sum((1, 2)) > X[:, 0, 3:].sum((1, 2))).astype(int)


def network(drop=0.0):
    nn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(drop), nn.Linear(64, 2)
    )


def run(model, epochs, **options):
    return fit(model, X, Y, epochs=epochs, batch_size=32, progress=False, **options)


def test_it_learns():
    model = network()
    history = run(model, 15, validation=(X, Y))
    assert history.accuracy[0] < 0.9 < history.accuracy[-1]
    assert history.validation_accuracy[-1] == training.evaluate(model, X, Y)[1]
    assert (history.epochs, len(history.batch_loss)) == (15, 45)
    assert not model.training


def test_a_run_repeats_itself():
    histories = [run(network(0.3), 3) for _ in range(2)]
    assert histories[0] == histories[1]
    assert run(network(0.3), 3, seed=1) != histories[0]


@pytest.mark.parametrize("stop", [1, 3])
def test_a_stopped_run_goes_on_to_the_same_end(tmp_path, stop, monkeypatch):
    """The machine dies in the middle of an epoch; dropout, momentum, batch statistics and order are all restored."""
    expected = network(0.3)
    history = run(expected, 4, validation=(X, Y))

    file, model = tmp_path / "run.npz", network(0.3)
    save = training._save

    def dies(*args):
        save(*args)
        if args[3].epochs == stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_save", dies)
    with pytest.raises(KeyboardInterrupt):
        run(model, 4, validation=(X, Y), checkpoint=file)
    monkeypatch.undo()
    nn.manual_seed(7)  # a new process knows nothing of the old one
    model = network(0.3)
    nn.generator().random(100)
    again = run(model, 4, validation=(X, Y), checkpoint=file)
    assert again == history
    for name, array in expected.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], array)


def test_early_stop_puts_the_best_weights_back():
    model = network()
    wrong = 1 - Y[:32]  # the better the network, the worse it does here
    history = run(model, 30, validation=(X[:32], wrong), patience=2)
    best = int(np.argmin(history.validation_loss))
    assert history.epochs == best + 3 < 30
    assert training.evaluate(model, X[:32], wrong)[0] == pytest.approx(history.validation_loss[best])


def test_a_regression_with_a_loss_of_ones_own():
    nn.manual_seed(0)
    target = X.reshape(96, 36) @ np.ones((36, 1), np.float32)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 1))
    history = fit(model, X, target, epochs=40, lr=0.01, loss=lambda out, y: ((out - y) ** 2).mean(), progress=False)
    assert history.loss[-1] < history.loss[0] / 100
    assert np.isnan(history.accuracy[-1])
    assert fit(model, X, target, epochs=1, loss="mse", lr=0.0, progress=False).loss[0] == pytest.approx(
        history.loss[-1], rel=0.5
    )


def test_labels_for_every_pixel():
    nn.manual_seed(0)
    labels = (X[:, 0] > 0).astype(int)
    history = fit(nn.Conv2d(1, 2, 1), X, labels, epochs=10, lr=0.5, progress=False)
    assert history.accuracy[-1] > 0.95


def test_predict_leaves_the_mode_alone():
    model = network(0.5)
    once, twice = (training.predict(model, X, batch_size=b) for b in (7, 96))
    np.testing.assert_allclose(once, twice, rtol=1e-4, atol=1e-5)
    assert model.training
    assert once.shape == (96, 2)


def test_the_bar_can_be_seen(capsys):
    fit(network(), X, Y, epochs=2, batch_size=32)
    assert "epoch 2/2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, options",
    [
        ("there are 96 examples and 5 labels", {"y": Y[:5]}),
        ("there are 0 examples and 0 labels", {"x": X[:0], "y": Y[:0]}),
        ("patience=3 needs a validation set", {"patience": 3}),
        ("epochs is 0, but must be at least 1", {"epochs": 0}),
        ("batch_size is -2, but must be at least 1", {"batch_size": -2}),
        ("patience is 0, but must be at least 1", {"patience": 0, "validation": (X, Y)}),
        ("there are 96 examples and 5 labels", {"validation": (X, Y[:5])}),
        ("x has 0 axes and y 1", {"x": 3}),
        ("cannot be written: there is no folder nowhere", {"checkpoint": "nowhere/run.npz"}),
        ("label 2 is none of the 2 classes, 0 to 1", {"y": Y + 1}),
        (r"the loss is (nan|inf) in epoch \d+, step \d+: try a smaller lr than", {"lr": 1e30}),
        ("lr is -1, but must be", {"lr": -1}),
    ],
)
def test_refused(words, options):
    with pytest.raises(ValueError, match=words), np.errstate(all="ignore"):
        fit(network(), **{"x": X, "y": Y, "progress": False, **options})


def test_a_broken_checkpoint_is_told_and_kept(tmp_path):
    file = tmp_path / "run.npz"
    file.write_bytes(b"PK no zip at all")
    with pytest.raises(ValueError, match=r"run.npz is no checkpoint that training can go on from"):
        run(network(), 2, checkpoint=file)
    assert file.read_bytes() == b"PK no zip at all"
    np.savez(file, a=np.ones(3))
    with pytest.raises(ValueError, match="is no checkpoint"):
        run(network(), 2, checkpoint=file)


def test_the_checkpoint_of_another_network(tmp_path):
    file = tmp_path / "run.npz"
    run(network(), 1, checkpoint=file)
    with pytest.raises(ValueError, match=r"is the checkpoint of another network: the network has bias, weight"):
        fit(nn.Linear(36, 2), X.reshape(96, 36), Y, checkpoint=file, progress=False)


def test_a_finished_run_is_not_trained_again(tmp_path):
    model, file = network(), tmp_path / "run.npz"
    history = run(model, 2, checkpoint=file)
    before = file.stat().st_mtime_ns
    assert run(network(), 2, checkpoint=file) == history
    assert file.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_a_function_can_be_trained():
    class Doubling(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.zeros(1, np.float32))

        def forward(self, x):
            return x * self.w

    model = Doubling()
    x = np.ones((8, 1), np.float32)
    fit(model, x, 2 * x, epochs=30, lr=0.2, momentum=0.0, loss="mse", progress=False)
    assert model(Tensor(x)).data == pytest.approx(2 * x, abs=0.05)


@pytest.mark.parametrize(
    "words, options",
    [
        ("epochs must be an integer, not 1.5", {"epochs": 1.5}),
        ("lr must be a number, not None", {"lr": None}),
        ("seed must be an integer, not 'a'", {"seed": "a"}),
        (r"validation must be a pair \(x, y\), not a int", {"validation": 3}),
        ("x must hold real numbers, not <U1", {"x": np.full(X.shape, "a")}),
        ("loss must be the name of a loss in cnnlib.ops or a function, not 3", {"loss": 3}),
        (r"return a Tensor of one number, but this one returned shape \(32, 2\)", {"loss": lambda scores, y: scores}),
        ("a Tensor of one number, but this one returned a float", {"loss": lambda scores, y: 3.0}),
        ("schedule must be a function", {"schedule": None}),
        ("the schedule's factor must be a number, not None", {"schedule": lambda progress: None}),
        ("model must be a Module, not 3", {"model": 3}),
        ("model must be a Module, not <class", {"model": nn.Linear}),
    ],
)
def test_of_a_wrong_kind(words, options):
    model = options.pop("model", None) or network()
    with pytest.raises(TypeError, match=words):
        fit(model, options.pop("x", X), Y, **{"epochs": 1, "batch_size": 32, "progress": False, **options})


def damaged(arrays):
    """Ways in which the arrays of a checkpoint may be no checkpoint, each a name and other arrays."""
    for key in arrays:
        if not key.startswith("velocity"):  # what does not move yet has none
            yield f"without {key}", {k: v for k, v in arrays.items() if k != key}
        yield f"words in {key}", {**arrays, key: np.full(arrays[key].shape, "a")}
        if key.startswith(("model", "best", "velocity")):
            yield f"{key} twice as long", {**arrays, key: np.repeat(arrays[key], 2, axis=0)}
    yield "of another version", {**arrays, "version": np.array(2)}


def test_a_damaged_checkpoint_changes_nothing(tmp_path):
    whole, file = tmp_path / "whole.npz", tmp_path / "run.npz"
    run(network(), 2, validation=(X, Y), checkpoint=whole)
    with np.load(whole) as stored:
        arrays = {key: stored[key] for key in stored.files}
    several = 0
    for what, others in damaged(arrays):
        np.savez(file, **others)
        model = network()
        before, content, state = model.state_dict(), file.read_bytes(), nn.generator().bit_generator.state
        with pytest.raises(ValueError, match=r"is (no checkpoint|the checkpoint of another network)") as error:
            run(model, 3, validation=(X, Y), checkpoint=file)
        assert "\n" not in str(error.value), what
        assert file.read_bytes() == content and nn.generator().bit_generator.state == state, what
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, before[name], err_msg=what)
        several += 1
    assert several > 20


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04"])
def test_a_file_that_is_none(tmp_path, content):
    file = tmp_path / "run.npz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="is no checkpoint that training can go on from"):
        run(network(), 2, checkpoint=file)


def test_no_examples_have_no_scores():
    assert training.predict(network(), X[:0]).shape == (0, 2)


def test_predict_leaves_every_part_in_its_mode():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(36, 2))
    model[1].eval()
    training.predict(model, X)
    assert [module.training for _, module in model.modules()] == [True, True, False, True]


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_of_at_least_one(batch_size):
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}, but must be at least 1"):
        training.predict(network(), X, batch_size)
