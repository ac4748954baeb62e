"""How each network of `cnnlib.trained` was made: a function that trains it from nothing, always to the same weights."""

from .. import data, nn, training
from ..models import lenet


def lenet_digits():
    """LeNet-5 of today on scikit-learn's handwritten digits of 32 x 32; three quarters train, the rest is held out."""
    nn.manual_seed(0)
    train, _ = data.digits(size=32)
    model = lenet.lenet5()
    training.fit(model, train.x, train.y, epochs=10, batch_size=32, lr=0.02, weight_decay=1e-3, progress=False)
    return model


# What is trained, and an empty network for its weights.
RECIPES = {"lenet_digits": (lenet_digits, lenet.lenet5)}
