"""The codec: what goes in comes out, always as a plain type; what is malformed is refused and never crashes."""

import contextlib
import socket
import struct
import time
from collections import Counter, OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.wire import HEADER_BYTES, Channel, Closed, Codec, Own, TimedOut, WireError, plain


def there_and_back(value, codec=None):
    codec = codec or Codec()
    _, _, header, *arrays = codec.pack(value)
    return codec.unpack(header, [bytearray(a) for a in arrays])


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)
dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes()
    | hnp.complex_number_dtypes()
)


@given(values)
def test_plain_values_survive(value):
    got = there_and_back(value)
    assert got == value
    assert type(got) is type(value)


@given(hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)), st.sampled_from("CF"))
def test_arrays_survive(array, order):
    array = np.asarray(array, order=order)
    got = there_and_back(array)
    assert got.dtype == array.dtype and got.shape == array.shape
    assert got.tobytes() == array.tobytes()
    assert got.flags.f_contiguous == array.flags.f_contiguous


def test_a_view_with_strides_arrives_with_its_values():
    x = np.arange(24).reshape(4, 6)[::2, ::-3]
    np.testing.assert_array_equal(there_and_back(x), x)


def test_a_read_only_array_stays_read_only_and_others_can_be_written():
    x = np.zeros(3)
    assert there_and_back(x).flags.writeable
    x.flags.writeable = False
    assert not there_and_back(x).flags.writeable


@pytest.mark.parametrize(
    "value",
    [slice(1, None, 2), range(2, 9, 3), ..., np.float32, np.dtype("int8"), {1, 2}, frozenset("ab"), 2**200, -(2**90)],
)
def test_other_values(value):
    assert there_and_back(value) == value


def test_a_generator_arrives_in_the_same_state():
    rng = np.random.default_rng(5)
    rng.normal(size=3)
    assert there_and_back(rng).integers(1000) == rng.integers(1000)


class Liar(np.ndarray):
    def __eq__(self, other):
        return True


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.zeros(3).view(Liar), np.ndarray),
        (np.ma.array([1, 2], mask=[0, 1]), np.ndarray),
        (type("S", (str,), {"__eq__": lambda s, o: True})("x"), str),
        (type("I", (int,), {"__eq__": lambda s, o: True})(3), int),
        (type("F", (float,), {})(3.5), float),
        (type("L", (list,), {"__len__": lambda s: 99})([1]), list),
        (type("D", (dict,), {"items": lambda s: 1})(a=1), dict),
        (OrderedDict(a=1), dict),
        (Pair(1, 2), tuple),
        (True, bool),
    ],
)
def test_a_subclass_arrives_as_its_base(value, plain):
    assert type(there_and_back(value)) is plain


Cache = type(
    "Cache", (tuple,), {"__iter__": lambda s: iter("lie"), "__getitem__": lambda s, i: 9, "__len__": lambda s: 0}
)
Table = type("Table", (dict,), {"items": lambda s: [], "__eq__": lambda s, o: True})


@pytest.mark.parametrize(
    "value",
    [
        Pair(1, np.arange(3.0)),
        Cache((1, (2, 3))),
        Table(x=[1], y=Pair(1, 2)),
        type("L", (list,), {})([Pair(3, 4)]),
        np.asmatrix([[1.0, 2]]),
        Counter("abb"),
        defaultdict(list, a=[1]),
        Pair(Table(), Cache()),
    ],
)
def test_an_object_of_another_class_arrives_plain_and_with_its_number(value):
    objects, seen = [], []
    theirs = Codec(number=lambda obj: objects.append(obj) or len(objects) - 1)
    ours = Codec(resolve=lambda code, payload: seen.append(payload) or payload[1])
    _, _, header, *arrays = theirs.pack([value])
    (got,) = ours.unpack(header, [bytearray(a) for a in arrays])
    assert type(got) is type(plain(value)) and objects[0] is value
    assert seen[-1][0] == 0 and seen[-1][1] is got and len(seen) == len(objects)
    assert Codec().pack(got) == Codec().pack(value)
    assert theirs.pack(Own(0, got))[3:] == arrays
    with pytest.raises(WireError):
        Codec().unpack(header, [bytearray(a) for a in arrays])


@pytest.mark.parametrize("value", [object(), print, np.array([object()]), np.zeros(2, "i4,f4"), type("C", (), {})()])
def test_without_handles_other_objects_are_refused(value):
    with pytest.raises(WireError):
        Codec().pack(value)


def test_depth_and_size_are_bounded():
    deep = []
    for _ in range(200):
        deep = (deep,)
    with pytest.raises(WireError, match="nested"):
        Codec().pack(deep)
    loop = []
    loop.append(loop)
    with pytest.raises(WireError):
        Codec().pack(loop)
    with pytest.raises(WireError, match="larger"):
        Codec().pack("x" * (HEADER_BYTES + 1))


@settings(max_examples=500)
@given(st.binary(max_size=200), st.lists(st.binary(max_size=20), max_size=2))
def test_any_bytes_decode_or_are_refused(header, arrays):
    with contextlib.suppress(WireError):
        Codec().unpack(header, [bytearray(a) for a in arrays])


@settings(max_examples=300)
@given(values, st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_is_no_crash(value, where, byte):
    _, _, header, *arrays = Codec().pack(value)
    header = bytearray(header)
    header[where % len(header)] = byte
    with contextlib.suppress(WireError):
        Codec().unpack(bytes(header), [bytearray(a) for a in arrays])


@pytest.mark.parametrize("shape", [[2, 2], [-1, -3], [1 << 50], ["a"], 3, [3.0]])
def test_an_array_that_lies_about_its_shape_is_refused(shape):
    import msgpack

    inner = msgpack.packb([0, "<f8", shape, "C", True])
    with pytest.raises(WireError):
        Codec().unpack(msgpack.packb(msgpack.ExtType(2, inner)), [bytearray(24)])


@pytest.mark.parametrize("dtype", ["|O", "O", "|V8", "<M8[s]", "f8; import os", "<f999", "", "|S0", "<U0"])
def test_dtypes_come_from_a_closed_list(dtype):
    import msgpack

    inner = msgpack.packb([0, dtype, [1], "C", True])
    with pytest.raises(WireError):
        Codec().unpack(msgpack.packb(msgpack.ExtType(2, inner)), [bytearray(8)])


def test_half_a_character_does_not_keep_a_message_back():
    assert there_and_back(["\ud83d!", {"\udcff": 1}]) == ["?!", {"?": 1}]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([np.zeros(1)] * 10_001, "more than 10000 arrays"),
        (np.broadcast_to(np.zeros(1), (1 << 20, 1 << 20)), "larger than"),
    ],
)
def test_too_many_and_too_large_arrays_are_refused_before_they_are_copied(value, says):
    started = time.monotonic()
    with pytest.raises(WireError, match=says):
        Codec().pack(value)
    assert time.monotonic() - started < 2


def test_an_integer_of_too_many_digits_is_refused_and_not_cut():
    assert there_and_back(-(7**11000)) == -(7**11000)
    with pytest.raises(WireError, match="digits"):
        there_and_back(7**12000)


def test_an_empty_array_has_no_size_in_memory():
    import msgpack

    inner = msgpack.packb([0, "|S0", [1 << 40], "C", True])
    with pytest.raises(WireError, match="dtype"):
        Codec().unpack(msgpack.packb(msgpack.ExtType(2, inner)), [bytearray()])


@pytest.mark.parametrize("what", ["a set", "a dict"])
def test_keys_made_to_collide_do_not_hang_the_reader(monkeypatch, what):
    """Integers that are equal modulo 2^61 - 1 have the same hash: each is compared with all before it."""
    import msgpack

    monkeypatch.setattr("autograder.wire.READ_SECONDS", 0.2)
    packed = [((i * (2**61 - 1)) << 64).to_bytes(20, "little") for i in range(1, 100_000)]
    keys = [msgpack.packb(msgpack.ExtType(5, msgpack.packb(key))) for key in packed]
    if what == "a set":
        header = msgpack.packb(msgpack.ExtType(6, msgpack.Packer().pack_array_header(len(keys)) + b"".join(keys)))
    else:
        header = msgpack.Packer().pack_map_header(len(keys)) + b"\xc0".join(keys) + b"\xc0"
    with pytest.raises(WireError, match="to read"):
        Codec().unpack(header, [])


def test_a_range_too_long_to_be_a_list_is_refused():
    with pytest.raises(WireError, match="too long"):
        there_and_back(range(10**10))


def test_a_channel_bounds_time_and_size():
    a, b = socket.socketpair()
    left, right = Channel(a), Channel(b)
    left.send([1, np.arange(5)])
    assert right.receive()[0] == 1
    with pytest.raises(TimedOut):
        left.receive(time.monotonic() + 0.05)
    b.sendall(struct.pack("<II", HEADER_BYTES + 1, 0))
    with pytest.raises(WireError, match="too large"):
        left.receive(time.monotonic() + 5)
    b.close()
    with pytest.raises(Closed):
        left.receive(time.monotonic() + 5)
