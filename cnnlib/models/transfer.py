"""What a trained network is good for beside its own task: a new head for new classes, and features to find images by.

Source: INRIA, "Pre-training and fine-tuning" and CNN features for retrieval (s2:1427-1465); MVA, transfer (s4:362-401);
A. Babenko et al., "Neural Codes for Image Retrieval", 2014.
"""

import numpy as np

from .. import nn, training


def with_new_head(net, num_classes, frozen=True):
    """The network with its last layer exchanged for a new one of `num_classes` scores; all other parts are shared.

    net: a Sequential that ends with a Linear layer. frozen: the other parts are no longer trained; otherwise all are
    fine-tuned. Raises ValueError where the last part is no Linear layer.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 10))
    >>> new = with_new_head(net, num_classes=2)
    >>> [p.shape for p in new.parameters() if p.requires_grad]
    [(2, 3), (2,)]
    """
    name = list(net.parts)[-1] if isinstance(net, nn.Sequential) and len(net) else None
    if name is None or not isinstance(net.parts[name], nn.Linear):
        raise ValueError("the network must be a Sequential that ends with a Linear layer, to exchange it for another")
    body = net.requires_grad(not frozen).parts
    return nn.Sequential(body | {name: nn.Linear(net.parts[name].weight.shape[1], num_classes)})


def finetune(net, x, y, num_classes, lr=0.01, frozen=True, **options):
    """Trains a new head for new classes on few images, and the rest too unless it is frozen.

    The step is small, so that what was learned is kept; x, y and options: as for `cnnlib.fit`. Returns the new network
    and its History.
    """
    new = with_new_head(net, num_classes, frozen)
    return new, training.fit(new, x, y, lr=lr, **options)


def features(net, x):
    """What the last layer of a Sequential is given for each image, brought to length 1: (N, D).

    x: images (N, C, H, W). An image without any response keeps length 0.
    """
    codes = training.predict(net[: len(net) - 1], x)
    codes = codes.reshape(len(codes), -1)
    return codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), np.finfo(codes.dtype).tiny)


def retrieve(queries, database, most=5):
    """The images of a database most like each query: their numbers (Q, most), the best first, and their likeness.

    queries (Q, D) and database (N, D): features of length 1, so that likeness is their dot product, 1 at best.
    Raises ValueError where the features have different lengths, or the database has fewer images than `most`.

    >>> retrieve(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]]), most=2)
    (array([[1, 2]]), array([[1. , 0.6]]))
    """
    queries, database = np.atleast_2d(queries), np.atleast_2d(database)
    if queries.shape[1] != database.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} features, but the database has {database.shape[1]}")
    if not 1 <= most <= len(database):
        raise ValueError(f"most is {most}, but must be from 1 to the {len(database)} images of the database")
    likeness = queries @ database.T
    order = np.argsort(-likeness, axis=1, kind="stable")[:, :most]
    return order, np.take_along_axis(likeness, order, axis=1)
