"""Images of a size that a network is not made for: one sentence says which sizes are, and none gives other numbers."""

import numpy as np
import pytest

from cnnlib import nn
from cnnlib.autograd import Tensor
from cnnlib.models import fabric, frrn, gridnet, ssd, transfer


@pytest.mark.parametrize("build", [fabric.small, frrn.small, gridnet.small])
@pytest.mark.parametrize("size", [(1, 1), (8, 10), (31, 32)])
def test_sides_that_cannot_be_halved(build, size):
    with pytest.raises(
        ValueError, match=f"the images have {size[0]} x {size[1]} pixels, but both sides must divide by "
    ):
        build()(Tensor(np.zeros((1, 1, *size))))


@pytest.mark.parametrize("build", [ssd.small, ssd.small_dssd])
def test_boxes_are_made_for_one_size(build):
    net = build()
    assert net(Tensor(np.zeros((1, 1, 32, 32))))[0].shape[1] == len(net.anchors())
    with pytest.raises(ValueError, match="boxes are made for 16 x 16: images of 32 x 40 pixels are of another size"):
        net(Tensor(np.zeros((1, 1, 32, 40))))


def test_features_leave_the_network_in_its_mode():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(4, 3), nn.Linear(3, 2))
    transfer.features(net, np.ones((2, 1, 2, 2)))
    assert all(module.training for _, module in net.modules())
