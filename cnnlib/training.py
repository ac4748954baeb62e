"""The loop that trains: batches forward, backward, a step; a bar to watch, a history to draw, a file to go on from."""

import ast
import os
import pathlib
import zipfile
import zlib
from dataclasses import dataclass, field

import numpy as np
from tqdm.auto import tqdm

from . import optim
from ._numbers import number, whole
from .autograd import Tensor, functional, no_grad
from .nn import generator
from .ops._arguments import array


@dataclass
class History:
    """What happened in training, one number an epoch each; `batch_loss` has one for every step."""

    loss: list = field(default_factory=list)
    accuracy: list = field(default_factory=list)
    validation_loss: list = field(default_factory=list)
    validation_accuracy: list = field(default_factory=list)
    batch_loss: list = field(default_factory=list)

    @property
    def epochs(self):
        return len(self.loss)


def fit(
    model,
    x,
    y,
    epochs=10,
    batch_size=64,
    lr=0.1,
    momentum=0.9,
    weight_decay=0.0,
    schedule=optim.cosine,
    loss="cross_entropy",
    validation=None,
    patience=None,
    checkpoint=None,
    seed=0,
    progress=True,
):
    """Trains a network by stochastic gradient descent with momentum, and returns a History.

    model: a Module (or a function of Tensors with `parameters()`); x: examples (N, ...); y: what the loss takes beside
    the scores, labels (N,) or targets. loss: the name of a loss in cnnlib.ops, or a function (scores, y) -> Tensor.
    schedule: from the progress (0 to 1) to a factor of lr, see `cnnlib.optim`. validation: a pair (x, y) that is looked
    at after each epoch. patience: training ends after so many epochs without a smaller validation loss, and the best
    weights are put back. checkpoint: a file `.npz` that is written after every epoch; where it is there already,
    training goes on from it to the same end as if it had never stopped. seed: of the order of the examples.

    Raises ValueError where x and y do not belong together, where patience has no validation to look at, where the
    checkpoint is damaged, of another network or has no folder, and where the loss is no longer a finite number; the
    weights are then those of the step before. TypeError for what is no network, no loss or no number.

    >>> from cnnlib import nn
    >>> nn.manual_seed(0)
    >>> x = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    >>> history = fit(nn.Linear(2, 2), x, x[:, 0] > 0, epochs=20, progress=False)
    >>> history.accuracy[-1] > 0.9
    True
    """
    x, y = _examples(x, y)
    if validation is not None:
        validation = _examples(*_two(validation))
    if patience is not None and validation is None:
        raise ValueError(f"patience={patience} needs a validation set to look at: give validation=(x, y)")
    if patience is not None:
        whole(patience, "patience", 1)
    whole(epochs, "epochs", 1), whole(batch_size, "batch_size", 1), whole(seed, "seed", 0, most=np.inf)
    if isinstance(model, type) or not hasattr(model, "parameters"):
        raise TypeError(f"model must be a Module, not {model!r}")
    if not callable(schedule):
        raise TypeError(f"schedule must be a function, from the progress to a factor of lr, not {schedule!r}")
    score = _loss(loss)

    optimizer = optim.SGD(model.parameters(), lr, momentum, weight_decay)
    history, best, rng = History(), {}, np.random.default_rng(seed)
    if checkpoint is not None:
        checkpoint = pathlib.Path(checkpoint)
        if not checkpoint.parent.is_dir():
            raise ValueError(f"{checkpoint} cannot be written: there is no folder {checkpoint.parent}")
        if checkpoint.exists():
            _load(checkpoint, model, optimizer, history, best, rng)
    steps = -(-len(x) // batch_size)
    with tqdm(total=epochs * steps, initial=history.epochs * steps, disable=not progress, unit="step") as bar:
        for epoch in range(history.epochs, epochs):
            if _tired(history, patience):
                break
            model.train()
            losses, right, order = [], 0, rng.permutation(len(x))
            for i in range(steps):
                batch = order[i * batch_size : (i + 1) * batch_size]
                optimizer.lr = lr * number(schedule((epoch + i / steps) / epochs), "the schedule's factor")
                out = model(Tensor(x[batch]))
                value = score(out, y[batch])
                if not np.isfinite(value.item()):
                    raise ValueError(
                        f"the loss is {value.item()} in epoch {epoch + 1}, step {i + 1}: try a smaller lr than {lr}"
                    )
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                losses.append(value.item())
                right += _right(out.data, y[batch])
                bar.update()
                bar.set_postfix_str(f"epoch {epoch + 1}/{epochs}, loss {value.item():.3f}", refresh=False)
            history.batch_loss.extend(losses)
            history.loss.append(float(np.mean(losses)))
            history.accuracy.append(right / y.size)
            if validation is not None:
                value, accuracy = evaluate(model, *validation, loss=loss, batch_size=batch_size)
                if value < min(history.validation_loss, default=np.inf):
                    best = model.state_dict()
                history.validation_loss.append(value)
                history.validation_accuracy.append(accuracy)
            if checkpoint is not None:
                _save(checkpoint, model, optimizer, history, best, rng)
    if patience is not None and best:
        model.load_state_dict(best)
    model.eval()
    return history


def evaluate(model, x, y, loss="cross_entropy", batch_size=256):
    """The mean loss, and the part of the labels that has the largest score; the network is not changed.

    x, y and loss: as for `fit`, which raises the same errors. Returns two floats; the accuracy is nan where y are no
    labels.
    """
    score = _loss(loss)
    x, y = _examples(x, y)
    total, right = 0.0, 0
    for part, labels in zip(_parts(x, batch_size), _parts(y, batch_size), strict=True):
        scores = predict(model, part, batch_size)
        total += score(Tensor(scores), labels).item() * len(part)
        right += _right(scores, labels)
    return total / len(x), right / y.size


def predict(model, x, batch_size=256):
    """The network's scores for examples x (N, ...), as an array, in use and not in training: dropout keeps all.

    Raises ValueError where x has no axis of examples, or does not fit into the network.
    """
    if isinstance(model, type) or not hasattr(model, "eval"):
        raise TypeError(f"model must be a Module, not {model!r}")
    x = array(x, "x")
    if not x.ndim:
        raise ValueError("x is one number, but needs an axis of examples")
    modes = [(module, module.training) for _, module in model.modules()]
    model.eval()
    try:
        with no_grad():
            return np.concatenate([model(Tensor(part)).data for part in _parts(x, batch_size)])
    finally:
        for module, mode in modes:
            module.training = mode


# ---------------------------------------------------------------------------------------------------------- small parts


def _examples(x, y):
    """Both as arrays; labels that are True or False as 1 or 0. Raises ValueError where they are not as many, or none."""
    x, y = array(x, "x"), np.asarray(y)
    if not x.ndim or not y.ndim:
        raise ValueError(f"x has {x.ndim} axes and y {y.ndim}, but both need an axis of examples")
    if len(x) != len(y) or not len(x):
        raise ValueError(f"there are {len(x)} examples and {len(y)} labels, but both must be as many, and at least one")
    return x, y.astype(int) if y.dtype == bool else y


def _two(validation):
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise TypeError(f"validation must be a pair (x, y), not a {type(validation).__name__}")
    return validation


def _loss(loss):
    """The function of scores and y, with its value looked at. Raises AttributeError for an unknown name, or TypeError."""
    score = getattr(functional, loss) if isinstance(loss, str) else loss
    if not callable(score):
        raise TypeError(f"loss must be the name of a loss in cnnlib.ops or a function, not {loss!r}")

    def checked(scores, y):
        value = score(scores, y)
        if not isinstance(value, Tensor) or value.size != 1:
            returned = f"shape {value.shape}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise TypeError(f"a loss must return a Tensor of one number, but this one returned {returned}")
        return value

    return checked


def _parts(array, size):
    """Pieces of `size` examples, the last one maybe smaller; one piece where there are none."""
    whole(size, "batch_size", 1)
    return [array[i : i + size] for i in range(0, max(len(array), 1), size)]


def _right(scores, y):
    """How many labels have the largest score; nan where y are no labels of these scores."""
    if y.dtype.kind not in "iu" or scores.ndim < 2 or y.shape != scores.shape[:1] + scores.shape[2:]:
        return np.nan
    return int((scores.argmax(axis=1) == y).sum())


def _tired(history, patience):
    """Whether the validation loss has not become smaller for so many epochs."""
    seen = history.validation_loss
    return patience is not None and len(seen) > patience and min(seen[-patience:]) >= min(seen[:-patience])


def _save(path, model, optimizer, history, best, rng):
    """Writes all that training needs to go on. The file is there whole or not at all."""
    arrays = {f"model/{name}": array for name, array in model.state_dict().items()}
    arrays |= {f"velocity/{name}": array for name, array in optimizer.state_dict().items()}
    arrays |= {f"best/{name}": array for name, array in best.items()}
    arrays |= {f"history/{name}": np.array(values) for name, values in vars(history).items()}
    states = [source.bit_generator.state for source in (rng, generator())]
    arrays["random"] = np.frombuffer(repr(states).encode(), np.uint8)
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        np.savez(file, **arrays)
    os.replace(beside, path)


def _load(path, model, optimizer, history, best, rng):
    """Takes over what `_save` wrote. Raises ValueError where the file is none of that, or of another network; then nothing
    has changed."""
    try:
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        parts = {kind: {} for kind in ("model", "velocity", "best", "history")}
        for key in arrays.keys() - {"random"}:
            kind, name = key.split("/", 1)
            parts[kind][name] = arrays[key]
        series = {name: array(parts["history"][name], name).tolist() for name in vars(history)}
        if len(series["loss"]) != len(series["accuracy"]):
            raise ValueError(f"it has {len(series['loss'])} losses and {len(series['accuracy'])} accuracies")
        states = ast.literal_eval(arrays["random"].tobytes().decode())
        for source, state in zip((rng, generator()), states, strict=True):
            type(source.bit_generator)().state = state  # only to see whether it can be
    except (OSError, EOFError, KeyError, SyntaxError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is no checkpoint that training can go on from ({error}): delete it to start anew"
        ) from None
    before = model.state_dict()
    try:
        model.load_state_dict(parts["best"] or before)  # only to see whether they fit
        model.load_state_dict(parts["model"])
        optimizer.load_state_dict(parts["velocity"])
    except (KeyError, TypeError, ValueError) as error:
        model.load_state_dict(before)
        raise ValueError(f"{path} is the checkpoint of another network: {error.args[0]}") from None
    best.update(parts["best"])
    vars(history).update(series)
    for source, state in zip((rng, generator()), states, strict=True):
        source.bit_generator.state = state
