"""The loop that trains: batches forward, backward, a step; a bar to watch, a history to draw, a file to go on from."""

import ast
import os
import pathlib
import zipfile
from dataclasses import dataclass, field

import numpy as np
from tqdm.auto import tqdm

from . import optim
from .autograd import Tensor, functional, no_grad
from .nn import generator


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

    Raises ValueError where x and y do not belong together, where patience has no validation to look at, and where the
    loss is no longer a finite number; the weights are then those of the step before.

    >>> from cnnlib import nn
    >>> nn.manual_seed(0)
    >>> x = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    >>> history = fit(nn.Linear(2, 2), x, x[:, 0] > 0, epochs=20, progress=False)
    >>> history.accuracy[-1] > 0.9
    True
    """
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y) or not len(x):
        raise ValueError(f"there are {len(x)} examples and {len(y)} labels, but both must be as many, and at least one")
    if patience is not None and validation is None:
        raise ValueError(f"patience={patience} needs a validation set to look at: give validation=(x, y)")
    if not epochs >= 1 or not batch_size >= 1:
        raise ValueError(f"epochs is {epochs} and batch_size {batch_size}, but both must be at least 1")
    y = y.astype(int) if y.dtype == bool else y
    score = getattr(functional, loss) if isinstance(loss, str) else loss

    optimizer = optim.SGD(model.parameters(), lr, momentum, weight_decay)
    history, best, rng = History(), {}, np.random.default_rng(seed)
    if checkpoint is not None and pathlib.Path(checkpoint).exists():
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
                optimizer.lr = lr * schedule((epoch + i / steps) / epochs)
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

    Returns two floats; the accuracy is nan where y are no labels.
    """
    score = getattr(functional, loss) if isinstance(loss, str) else loss
    x, y = np.asarray(x), np.asarray(y)
    y = y.astype(int) if y.dtype == bool else y
    total, right = 0.0, 0
    for part, labels in zip(_parts(x, batch_size), _parts(y, batch_size), strict=True):
        scores = predict(model, part, batch_size)
        total += score(Tensor(scores), labels).item() * len(part)
        right += _right(scores, labels)
    return total / len(x), right / y.size


def predict(model, x, batch_size=256):
    """The network's scores for examples x (N, ...), as an array, in use and not in training: dropout keeps all."""
    mode = getattr(model, "training", False)
    model.eval()
    try:
        with no_grad():
            return np.concatenate([model(Tensor(part)).data for part in _parts(np.asarray(x), batch_size)])
    finally:
        model.train(mode)


# ---------------------------------------------------------------------------------------------------------- small parts


def _parts(array, size):
    return [array[i : i + size] for i in range(0, len(array), size)]


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
    path = pathlib.Path(path)
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
    """Takes over what `_save` wrote. Raises ValueError where the file is none of that, or of another network."""
    try:
        with np.load(path) as file:
            parts = {kind: {} for kind in ("model", "velocity", "best", "history")}
            for key in file.files:
                if "/" in key:
                    kind, name = key.split("/", 1)
                    parts[kind][name] = file[key]
            states = ast.literal_eval(file["random"].tobytes().decode())
    except (OSError, ValueError, KeyError, SyntaxError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is no checkpoint that training can go on from ({error}): delete it to start anew"
        ) from None
    try:
        model.load_state_dict(parts["model"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} is the checkpoint of another network: {error.args[0]}") from None
    optimizer.load_state_dict(parts["velocity"])
    best.update(parts["best"])
    for name, values in parts["history"].items():
        setattr(history, name, values.tolist())
    for source, state in zip((rng, generator()), states, strict=True):
        source.bit_generator.state = state
