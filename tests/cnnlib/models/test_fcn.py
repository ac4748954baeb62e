"""FCN: the authors' crops and sizes, counts from the layers, bilinear enlargement, and small ones that learn."""

import numpy as np
import pytest

from cnnlib import nn, summary
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import _parts, fcn, vgg

VGG_CONVOLUTIONS = 14_714_688  # VGG-16's 138,357,544 without its three fully connected layers
HIDDEN = (7 * 7 * 512 + 1) * 4096 + (4096 + 1) * 4096


def test_the_stages_are_those_of_vgg_16():
    assert [w for stage in _parts.VGG16 for w in (*stage, "M")] == list(vgg.PATTERNS[16])


@pytest.mark.parametrize(
    "stride, extra",
    [
        (32, 21 * 21 * 64 * 64),
        (16, 21 * 513 + 21 * 21 * (4 * 4 + 32 * 32)),
        (8, 21 * 513 + 21 * 257 + 21 * 21 * (4 * 4 + 4 * 4 + 16 * 16)),
    ],
)
def test_full_size(stride, extra):
    """Long et al. say 134 M for FCN-VGG16, Jégou et al. (2017, table 3) 134.5 M for FCN-8: with 21 classes, and with
    the weights of the transposed convolutions, that mix the classes (Caffe's files) and have no bias."""
    paper = summary(lambda: fcn.FCN(stride=stride), (3, 500, 500))
    assert paper.parameters == VGG_CONVOLUTIONS + HIDDEN + 4097 * 21 + extra
    assert paper.output_shape == (21, 500, 500)
    if stride == 8:
        assert round(paper.parameters / 1e6, 1) == 134.5
    halved = [row.shape[1] for row in paper.rows if row.op == "max_pool2d"]
    assert halved == [349, 175, 88, 44, 22], "Caffe rounds up"


@pytest.mark.parametrize("stride, crops", [(32, [19]), (16, [5, 27]), (8, [5, 9, 31])])
def test_crops_are_those_of_the_authors(stride, crops, monkeypatch):
    """voc-fcn32s, voc-fcn16s and voc-fcn8s, in the authors' repository: the offsets of their Crop layers."""
    seen, cut = [], fcn.cut
    monkeypatch.setattr(fcn, "cut", lambda x, size, *corner: seen.append(corner[0]) or cut(x, size, *corner))
    summary(lambda: fcn.FCN(stride=stride), (3, 500, 500))
    assert seen == crops


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("size", [32, 33, 47, 64])
def test_any_size_comes_back(stride, size):
    x = np.zeros((1, 1, size, size + 5), np.float32)
    assert fcn.small(stride=stride)(Tensor(x)).shape == (1, 4, size, size + 5)


@pytest.mark.parametrize("factor", [2, 8])
def test_it_starts_as_bilinear_interpolation(factor):
    x = np.random.default_rng(0).normal(size=(1, 3, 5, 6)).astype(np.float32)
    out = fcn.Enlarge(3, factor)(Tensor(x)).data
    around = factor // 2
    inside = out[:, :, around : around + 5 * factor, around : around + 6 * factor]
    expected = F.upsample_bilinear(Tensor(x), scale_factor=factor).data
    np.testing.assert_allclose(  # at the rim, interpolation repeats the last pixel and a stamp does not
        inside[:, :, factor:-factor, factor:-factor], expected[:, :, factor:-factor, factor:-factor], atol=1e-5
    )


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_a_class_stays_at_its_place(stride):
    """A bright square in the middle raises the output most in the middle: no crop is off by a step."""
    net = fcn.small(stride=stride, widths=((1,),) * 5, hidden=1, num_classes=1)
    for name, p in net.named_parameters():
        if "last" not in name and "enlarge" not in name:
            p.data[...] = 0 if name.endswith("bias") else 1 / p.data[0].size
    x = np.zeros((1, 1, 96, 96), np.float32)
    x[:, :, 40:56, 40:56] = 1
    out = net(Tensor(x)).data[0, 0]
    rows = np.maximum(out.sum(axis=1), 0)
    assert abs((rows * np.arange(96)).sum() / rows.sum() - 47.5) < 8


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_a_small_one_learns(stride, comes_alive, halves):
    nn.manual_seed(0)
    x, labels = halves()
    comes_alive(
        fcn.small(num_classes=2, stride=stride), x, lambda scores: F.cross_entropy(scores, labels), steps=6, lr=0.003
    )


@pytest.mark.parametrize(
    "options, words",
    [
        ({"stride": 4}, "stride is 4"),
        ({"widths": ((8,),)}, "1 stages"),
        ({"padding": 10}, "padding 10"),
        ({"kernel": 3}, "kernel is 3"),
    ],
)
def test_what_does_not_fit_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        fcn.small(**options)
