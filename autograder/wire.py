"""The codec and the channel between trusted and untrusted processes.

A message is a msgpack header of bounded size, followed by the raw bytes of the arrays that it mentions. A closed set of types
crosses by value, always as the exact base class; anything else crosses as an opaque handle. Nothing that arrives is executed.

A container of a class that the student wrote (a namedtuple, a dict with attributes) crosses as the plain value and the number of
the object: what is judged is plain, and where it is passed back, the student's code gets the object itself.
"""

import math
import re
import socket
import struct
import time
from dataclasses import dataclass

import msgpack
import numpy as np

HEADER_BYTES = 4 << 20  # everything but array data
ARRAY_BYTES = 256 << 20
MAX_ARRAYS = 10_000
INTEGER_BYTES = 4096
MAX_DEPTH = 50
READ_SECONDS = 5  # of one message: keys made to collide take for ever

_PRELUDE = struct.Struct("<II")
_DTYPE = re.compile(r"[<>|=](?:b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[SU][1-9]\d{0,5})")

TUPLE, ARRAY, SCALAR, COMPLEX, BIGINT, SET, FROZENSET, SLICE, RANGE, ELLIPSIS, TYPE, RNG, HANDLE, CALLBACK, OWN = range(
    1, 16
)

_TYPES = {t.__name__: t for t in (bool, int, float, complex, str, bytes, list, tuple, dict, set)}
_DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"
_TYPES |= {f"numpy.{name}": np.dtype(name).type for name in _DTYPES.split()}
_TYPE_NAMES = {t: name for name, t in _TYPES.items()}


class WireError(Exception):
    """A message that breaks the rules: too large, too deep, of an unknown type."""


class Closed(WireError):
    """The other side is gone."""


class TimedOut(WireError):
    """No message before the deadline."""


def blob(data: bytes) -> np.ndarray:
    """Bytes that may be larger than a header, as they cross: an array."""
    return np.frombuffer(data, np.uint8)


@dataclass
class Own:
    """A plain value that came with the number of an object, on its way back to that."""

    number: int
    plain: object


class Codec:
    """Packs and unpacks values. `opaque(obj) -> (code, payload)` and `resolve(code, payload) -> obj` treat HANDLE and CALLBACK.

    With `number(obj) -> int`, containers of other classes than the plain ones cross as OWN; `resolve` treats [number, plain].
    """

    def __init__(self, opaque=None, resolve=None, number=None):
        self.opaque, self.resolve, self.number = opaque, resolve, number

    def pack(self, value) -> list[bytes]:
        """The frame of one message as a list of buffers: prelude, sizes, header, arrays."""
        arrays = []
        depth = size = 0

        def ext(code, inner):
            return msgpack.ExtType(code, packb(inner))

        def packb(obj):
            nonlocal depth
            depth += 1
            if depth > MAX_DEPTH:
                raise WireError(f"a value is nested more than {MAX_DEPTH} levels deep")
            try:
                return msgpack.packb(
                    obj, default=default, strict_types=True, use_bin_type=True, unicode_errors="replace"
                )
            except (ValueError, RecursionError, OverflowError) as error:
                raise WireError(f"a value cannot be sent: {error}") from None
            finally:
                depth -= 1

        def default(obj):
            kind = type(obj)
            if kind is tuple:
                return ext(TUPLE, list(obj))
            if kind is np.ndarray:
                return array(obj)
            if kind is Own:
                return own(obj.number, obj.plain)
            if isinstance(obj, np.generic) and obj.dtype.kind in "?biufcSU":
                return ext(SCALAR, [obj.dtype.str, obj.tobytes()])
            if kind is int:  # beyond 64 bits
                return ext(BIGINT, obj.to_bytes(obj.bit_length() // 8 + 1, "little", signed=True))
            if kind is complex:
                return ext(COMPLEX, [obj.real, obj.imag])
            if kind is set or kind is frozenset:
                return ext(SET if kind is set else FROZENSET, list(obj))
            if kind is slice:
                return ext(SLICE, [obj.start, obj.stop, obj.step])
            if kind is range:
                return ext(RANGE, [obj.start, obj.stop, obj.step])
            if obj is Ellipsis:
                return msgpack.ExtType(ELLIPSIS, b"")
            if isinstance(obj, np.dtype) and obj.type in _TYPE_NAMES:
                return ext(TYPE, [_TYPE_NAMES[obj.type], True])
            if isinstance(obj, type) and obj in _TYPE_NAMES:
                return ext(TYPE, [_TYPE_NAMES[obj], False])
            if kind is np.random.Generator and type(obj.bit_generator) is np.random.PCG64:
                return ext(RNG, obj.bit_generator.state)
            for base, flat in _BASES:
                if isinstance(obj, base):
                    return flat(obj)
            if (value := plain(obj)) is not obj:
                if self.number is not None:
                    return own(self.number(obj), value)
                return value if type(value) in (list, dict) else default(value)
            if self.opaque is None:
                raise WireError(f"a {kind.__name__} cannot be sent")
            return ext(*self.opaque(obj))

        def own(number, value):
            is_tuple = type(value) is tuple
            return ext(OWN, [number, list(value) if is_tuple else value, is_tuple])

        def array(a):
            if not _DTYPE.fullmatch(a.dtype.str):
                if self.opaque is None:
                    raise WireError(f"an array of dtype {a.dtype} cannot be sent")
                return ext(*self.opaque(a))
            nonlocal size
            size += a.nbytes
            if size > ARRAY_BYTES:
                raise WireError(f"the arrays are larger than {ARRAY_BYTES >> 20} MB")
            if len(arrays) == MAX_ARRAYS:
                raise WireError(f"the value holds more than {MAX_ARRAYS} arrays")
            order = "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"
            arrays.append(a.tobytes(order))
            return ext(ARRAY, [len(arrays) - 1, a.dtype.str, list(a.shape), order, a.flags.writeable])

        header = packb(value)
        if len(header) > HEADER_BYTES:
            raise WireError(f"the value is larger than {HEADER_BYTES >> 20} MB")
        sizes = struct.pack(f"<{len(arrays)}Q", *map(len, arrays))
        return [_PRELUDE.pack(len(header), len(arrays)), sizes, header, *arrays]

    def unpack(self, header: bytes, arrays: list):
        """The value of one message; raises WireError for anything that the rules do not allow."""
        depth, limit = 0, time.monotonic() + READ_SECONDS

        def in_time():
            if time.monotonic() > limit:
                raise WireError(f"a value takes more than {READ_SECONDS} s to read")

        def unpackb(data):
            nonlocal depth
            depth += 1
            if depth > MAX_DEPTH:
                raise WireError(f"a value is nested more than {MAX_DEPTH} levels deep")
            try:
                plain = {"raw": False, "strict_map_key": False, "use_list": True, "timestamp": 1}  # a time is a float
                return msgpack.unpackb(data, ext_hook=hook, **plain)
            finally:
                depth -= 1

        def collected(items):
            out = set()
            for number, item in enumerate(items):
                out.add(item)
                if number % 64 == 0:
                    in_time()
            return out

        def hook(code, data):
            in_time()
            if code == ELLIPSIS:
                return Ellipsis
            inner = unpackb(data)
            if code == TUPLE:
                return tuple(inner)
            if code == ARRAY:
                return self._array(inner, arrays)
            if code == SCALAR:
                return np.frombuffer(inner[1], self._dtype(inner[0]), 1)[0]
            if code == COMPLEX:
                return complex(*map(float, inner))
            if code == BIGINT:
                if len(inner) > INTEGER_BYTES:
                    raise WireError("an integer of too many digits")
                return int.from_bytes(inner, "little", signed=True)
            if code in (SET, FROZENSET):
                return collected(inner) if code == SET else frozenset(collected(inner))
            if code in (SLICE, RANGE):
                return slice(*inner) if code == SLICE else self._range(*inner)
            if code == TYPE:
                found = _TYPES[inner[0]]
                return np.dtype(found) if inner[1] else found
            if code == RNG:
                generator = np.random.Generator(np.random.PCG64(0))
                generator.bit_generator.state = inner
                return generator
            if code == OWN:
                number, value, is_tuple = inner
                inner = [number, tuple(value) if is_tuple else value]
            if code in (HANDLE, CALLBACK, OWN) and self.resolve is not None:
                return self.resolve(code, inner)
            raise WireError(f"unknown type code {code}")

        try:
            return unpackb(header)
        except WireError:
            raise
        except Exception as error:  # a malformed message fails in many ways; all of them are the sender's fault
            raise WireError(f"a malformed message: {type(error).__name__}") from None

    @staticmethod
    def _range(*parts):
        if len(range(*parts)) > ARRAY_BYTES >> 3:
            raise WireError("a range that is too long")
        return range(*parts)

    @staticmethod
    def _dtype(text):
        if not _DTYPE.fullmatch(text):
            raise WireError("an array of an unknown dtype")
        return np.dtype(text)

    def _array(self, inner, arrays):
        index, dtype, shape, order, writeable = inner
        dtype = self._dtype(dtype)
        if len(shape) > 32 or any(type(n) is not int or not 0 <= n <= 1 << 40 for n in shape):
            raise WireError("an array of an impossible shape")
        if order not in ("C", "F") or math.prod(shape) * dtype.itemsize != len(arrays[index]):
            raise WireError("an array whose shape and data differ")
        if len(arrays[index]):
            out = np.frombuffer(arrays[index], dtype).reshape(shape, order=order)
        else:
            out = np.empty(shape, dtype)
        if not writeable:
            out.flags.writeable = False
        return out


# A subclass of a plain type arrives as the plain type: its overridden methods stay behind.
_BASES = (
    (bool, bool),
    (int, lambda obj: int.__add__(obj, 0)),
    (float, lambda obj: float.__add__(obj, 0.0)),
    (complex, lambda obj: complex.__add__(obj, 0)),
    (str, lambda obj: str.__str__(obj)),
    (bytes, lambda obj: bytes.__getitem__(obj, slice(None))),
    (bytearray, bytes),
)
_CONTAINERS = (
    (np.ndarray, lambda obj: np.ndarray.view(obj, np.ndarray)),
    (list, lambda obj: list.__getitem__(obj, slice(None))),
    (tuple, lambda obj: tuple.__getitem__(obj, slice(None))),
    (dict, lambda obj: dict(dict.items(obj))),
)


def plain(obj):
    """A list, tuple, dict or array of another class as the plain one; anything else as it is."""
    return next((flat(obj) for base, flat in _CONTAINERS if isinstance(obj, base)), obj)


class Channel:
    """Messages over a stream socket, each with a deadline (a `time.monotonic()` value, or None)."""

    def __init__(self, sock: socket.socket, codec: Codec | None = None, tick=None):
        self.sock, self.codec = sock, codec or Codec()
        self.tick = tick  # called about four times a second while waiting

    def send(self, value, deadline=None):
        self.send_frame(self.codec.pack(value), deadline)

    def send_frame(self, frame, deadline=None):
        try:
            small = len(frame) > 1 and sum(map(len, frame)) < 1 << 16
            for part in [b"".join(frame)] if small else frame:
                view = memoryview(part)
                while view:
                    self._wait(deadline)
                    try:
                        view = view[self.sock.send(view[: 1 << 20]) :]
                    except TimeoutError:
                        continue
        except OSError as error:
            raise Closed(str(error)) from None

    def receive(self, deadline=None):
        return self.codec.unpack(*self.receive_frame(deadline))

    def receive_frame(self, deadline=None):
        header_size, count = _PRELUDE.unpack(self._read(_PRELUDE.size, deadline))
        if header_size > HEADER_BYTES or count > MAX_ARRAYS:
            raise WireError("a message that is too large")
        sizes = struct.unpack(f"<{count}Q", self._read(8 * count, deadline))
        if sum(sizes) > ARRAY_BYTES:
            raise WireError("a message whose arrays are too large")
        header = self._read(header_size, deadline)
        return bytes(header), [self._read(size, deadline) for size in sizes]

    def _wait(self, deadline):
        left = math.inf if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TimedOut("no answer in time")
        self.sock.settimeout(min(left, 0.25) if self.tick or deadline is not None else None)
        if self.tick:
            self.tick()

    def _read(self, size, deadline):
        data = bytearray(size)
        view, filled = memoryview(data), 0
        while filled < size:
            self._wait(deadline)
            try:
                n = self.sock.recv_into(view[filled:], min(size - filled, 1 << 20))
            except TimeoutError:
                continue
            except OSError as error:
                raise Closed(str(error)) from None
            if n == 0:
                raise Closed("the other side closed the connection")
            filled += n
        return data

    def close(self):
        self.sock.close()
