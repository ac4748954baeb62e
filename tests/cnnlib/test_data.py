"""The images are there, and are what they are said to be."""

import gzip
import socket
import struct

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
        (lambda: data.batches(np.zeros(3), np.zeros(3), 0), "size is 0, but must be at least 1"),
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
    with pytest.raises(ValueError, match="size is 0, but must be at least 1"):
        data.digits(0)


# ------------------------------------------------------------------------------------------------- MNIST's kind of file


def idx(array):
    """An IDX file of bytes, written straight from its description."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape) + array.tobytes()


def fill(folder, compressed):
    """Six images to train and four to test, as the four files; returns them."""
    rng, arrays = np.random.default_rng(0), {}
    for half, n in (("train", 6), ("t10k", 4)):
        arrays[half] = rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)
        for kind, array in zip(("images-idx3", "labels-idx1"), arrays[half], strict=True):
            content = gzip.compress(idx(array), mtime=0) if compressed else idx(array)
            (folder / f"{half}-{kind}-ubyte{'.gz' * compressed}").write_bytes(content)
    return arrays


@pytest.mark.parametrize("read", [data.mnist, data.fashion_mnist])
@pytest.mark.parametrize("compressed", [False, True])
def test_files_of_mnist_are_read(read, compressed, tmp_path):
    arrays = fill(tmp_path, compressed)
    for half, (images, labels) in zip(read(tmp_path), arrays.values(), strict=True):
        assert half.x.dtype == np.float32
        np.testing.assert_allclose(half.x[:, 0], images / 255, rtol=1e-6)
        np.testing.assert_array_equal(half.y, labels)


@pytest.mark.parametrize("read, name", [(data.mnist, "mnist"), (data.fashion_mnist, "fashion-mnist")])
def test_installed_files_are_found_and_missing_ones_told(read, name, tmp_path, monkeypatch):
    monkeypatch.setattr("cnnlib.data.idx.PLACES", (str(tmp_path / "none"), str(tmp_path)))
    with pytest.raises(FileNotFoundError, match=f"{name} is not in .* or .*: .*, or give the folder as path"):
        read()
    (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError, match=r"neither train-images-idx3-ubyte nor train-\S+-ubyte\.gz in"):
        read()
    fill(tmp_path / name, compressed=True)
    assert [len(half.x) for half in read()] == [6, 4]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "f is no IDX file of bytes: it begins with nothing"),
        (b"<html>", "f is no IDX file of bytes: it begins with 3c 68 74 6d"),
        (b"\0\0\x0d\1\0\0\0\1\0\0\0\0", "f is no IDX file of bytes: it begins with 00 00 0d 01"),
        (b"\0\0\x08\3\0\0\0\1", "f is no IDX file of bytes"),
        (idx(np.zeros((3, 4), np.uint8))[:-2], "f holds 10 numbers, but says 12"),
        (idx(np.zeros((3, 4), np.uint8)) + b"1", "f holds 13 numbers, but says 12"),
        (gzip.compress(idx(np.zeros((3, 4), np.uint8)), mtime=0)[:-9], "f is damaged: "),
        (b"\x1f\x8bnonsense and more of it", "f is damaged: "),
    ],
)
def test_damaged_files_are_told(content, message, tmp_path):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        data.read_idx(tmp_path / "f")


def test_images_and_labels_must_belong_together(tmp_path):
    fill(tmp_path, compressed=False)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(7, np.uint8)))
    with pytest.raises(ValueError, match=r"the t10k images have shape \(4, 28, 28\), but their labels \(7,\)"):
        data.mnist(tmp_path)


# ------------------------------------------------------------------------------------------------------------- letters


def test_letters_take_turns():
    x, y = data.letters(105)
    assert x.shape == (105, 1, 20, 20)
    assert x.dtype == np.float32
    assert set(np.bincount(y)) == {4, 5}
    assert data.letters(3, "XO", size=32).x.shape == (3, 1, 32, 32)


def test_letters_are_in_the_image_and_in_its_middle():
    x, _ = data.letters(200, disorder=0)
    assert x.min() == 0
    assert np.all(x.max(axis=(1, 2, 3)) > 0.5)
    assert not x[:, :, [0, -1]].any(), "nothing is cut off above and below"
    rows = x.sum(axis=(1, 3)) > 0
    top, bottom = rows.argmax(axis=1), rows[:, ::-1].argmax(axis=1)
    assert np.all(abs(top - bottom) <= 1)


def test_letters_can_be_told_apart_and_vary():
    train, test = data.split(*data.letters(780))
    distances = ((test.x[:, None] - train.x) ** 2).sum(axis=(2, 3, 4))
    right = np.mean(train.y[distances.argmin(axis=1)] == test.y)
    assert right > 0.7, "26 guesses would be right in 4 of 100"
    x, _ = data.letters(40, "A")
    assert len(np.unique(x.reshape(40, -1), axis=0)) == 40


def test_disorder_moves_the_letters():
    def spread(disorder):
        x, _ = data.letters(60, "O", disorder=disorder)
        middle = (x.sum(axis=(1, 2)) @ np.arange(20)) / x.sum(axis=(1, 2, 3))
        return middle.std()

    assert spread(0) < 0.2 < spread(0.5) < spread(1)


def test_the_seed_draws_the_letters():
    first, again, other = (data.letters(30, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.x, other.x)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"alphabet": ""}, "alphabet is '', but must be a string of at least 1 letter"),
        ({"size": 7}, "size is 7, but must be at least 8"),
        ({"disorder": 1.5}, "disorder is 1.5, but must be from 0 to 1"),
        ({"n": -1}, "n is -1, but must be at least 0"),
    ],
)
def test_letters_of_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        data.letters(**options)


# -------------------------------------------------------------------------------------------------------------- scenes


@given(seed=st.integers(0, 99), most=st.integers(1, 8), cover=st.sampled_from([0, 0.2, 0.9]), size=st.integers(16, 40))
@settings(max_examples=40, deadline=None)
def test_all_that_is_said_of_a_scene_agrees(seed, most, cover, size):
    found = data.scenes(2, size, seed, data.SHAPES, most, cover=cover)
    assert found.images.shape == (2, 3, size, size)
    assert found.images.dtype == np.float32
    assert 0 <= found.images.min() <= found.images.max() <= 1
    for mask, objects, labels, boxes in zip(found.masks, found.objects, found.labels, found.boxes, strict=True):
        assert 1 <= len(labels) == len(boxes) == objects.max() <= most
        np.testing.assert_array_equal(mask > 0, objects > 0)
        for number, (label, box) in enumerate(zip(labels, boxes, strict=True), 1):
            rows, columns = np.nonzero(objects == number)
            assert set(mask[objects == number]) == {label}
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize(
    "shape, area",
    [("disc", 0.8 * np.pi), ("square", 2), ("triangle", 27**0.5 / 4), ("cross", 2 * 0.6 * 1.9 - 0.6**2)],
)
def test_each_shape_is_what_it_is_called(shape, area):
    """As large as the image it stands in its middle, with the area of that figure in a disc of radius 1."""
    found = data.scenes(20, 96, shapes=[shape], most=1, scale=(1, 1))
    np.testing.assert_allclose((found.masks == 1).mean(axis=(1, 2)) * 4, area, rtol=0.01)
    for mask in found.masks:
        np.testing.assert_allclose(np.argwhere(mask).mean(axis=0), 47.5, atol=0.3)


def test_shapes_are_hidden_only_as_far_as_is_said():
    apart = data.scenes(60, 48, most=6, cover=0, shapes=["square"])
    hidden = data.scenes(60, 48, most=6, cover=0.6, shapes=["square"])

    def least_area(found):
        """The smallest share of a square's own area, known from its lower bound (0.2·48)²/2."""
        return min((objects == k).sum() for objects in found.objects for k in range(1, objects.max() + 1))

    bound = (0.2 * 48) ** 2 / 2
    assert least_area(apart) > 0.8 * bound, "the edge of a square is a pixel wide"
    assert 0.4 * 0.8 * bound < least_area(hidden) < 0.8 * bound


def test_a_scene_depends_on_its_seed_and_number_only():
    three, five, other = data.scenes(3, 32), data.scenes(5, 32), data.scenes(3, 32, seed=1)
    np.testing.assert_array_equal(three.images, five.images[:3])
    np.testing.assert_array_equal(three.masks, five.masks[:3])
    assert not np.array_equal(three.images, other.images)


def test_shapes_stand_out_and_have_a_grain():
    found = data.scenes(30, 48)
    for image, objects in zip(found.images, found.objects, strict=True):
        inside = image[:, objects == 1]
        assert inside.std(axis=1).max() > 0.01
        assert abs(inside.mean(axis=1) - image[:, objects == 0].mean(axis=1)).max() > 0.1


def test_no_scenes():
    found = data.scenes(0, 32)
    assert found.images.shape == (0, 3, 32, 32)
    assert found.boxes == found.labels == []


@pytest.mark.parametrize(
    "options, message",
    [
        ({"shapes": ["disc", "cube"]}, "there is no shape cube; there are disc, square"),
        ({"shapes": []}, "shapes is \\[\\], but must be a tuple of some of disc"),
        ({"n": -1}, "n is -1"),
        ({"size": 4}, "size is 4, but must be at least 8"),
        ({"most": 0}, "most is 0, but must be at least 1"),
        ({"scale": (0.5, 0.4)}, r"scale is \(0.5, 0.4\)"),
        ({"cover": 1}, "cover is 1, but must be at least 0 and less than 1"),
    ],
)
def test_scenes_of_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        data.scenes(**{"n": 1} | options)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: data.split(np.zeros(4), np.zeros(4), seed=seed),
        lambda seed: data.letters(1, seed=seed),
        lambda seed: data.scenes(1, seed=seed),
    ],
)
def test_a_seed_is_a_number_from_0(draw, seed):
    with pytest.raises((ValueError, TypeError), match=r"seed (is -1|must be an integer)"):
        draw(seed)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: data.digits(1.5), "size must be an integer, not 1.5"),
        (lambda: data.split(np.zeros(4), np.zeros(4), test=np.nan), "test is nan, but must be"),
        (lambda: data.batches(np.zeros(4), np.zeros(4), 2.5), "size must be an integer, not 2.5"),
        (lambda: data.batches(np.zeros(4), np.zeros(4), 2, rng=3), "rng must be None or a numpy Generator"),
        (lambda: data.letters(1.5), "n must be an integer, not 1.5"),
        (lambda: data.letters(1, disorder=np.nan), "disorder is nan, but must be"),
        (lambda: data.letters(1, alphabet=3), "alphabet is 3, but must be a string"),
        (lambda: data.scenes(1, most=1.5), "most must be an integer, not 1.5"),
        (lambda: data.scenes(1, scale=0.3), "scale is 0.3, but must be a pair"),
        (lambda: data.scenes(1, shapes="disc"), "shapes is 'disc', but must be a tuple"),
        (lambda: data.photograph("chelsea", 0), "size is 0, but must be at least 1"),
        (lambda: data.photograph("chelsea", (1, 2, 3)), "size has 3 numbers"),
    ],
)
def test_numbers_of_a_wrong_kind(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_idx_files_of_other_damage(tmp_path):
    file = tmp_path / "a"
    content = bytes([0, 0, 8, 1, 0, 0, 19, 136]) + np.random.default_rng(0).bytes(5000)
    packed = gzip.compress(content)
    file.write_bytes(packed)
    assert len(data.read_idx(file)) == 5000
    file.write_bytes(packed[:14] + b"\xff\xff\xff" + packed[17:])  # a block of no known kind: zlib itself complains
    with pytest.raises(ValueError, match="a is damaged: "):
        data.read_idx(file)
    file.write_bytes(bytes([0, 0, 8, 0, 1]))
    with pytest.raises(ValueError, match="a is no IDX file of bytes"):
        data.read_idx(file)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*missing"):
        data.read_idx(tmp_path / "missing")
