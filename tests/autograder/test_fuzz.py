"""Anything at all goes into the codec and into the reader of notebooks: no crash, no hang, bounded memory.

A few hundred examples run with the other tests. For more, such as a million messages (about ten minutes):

    AUTOGRADER_FUZZ=1000000 .venv/bin/python -m pytest -q -s tests/autograder/test_fuzz.py -k message

Then each example comes from a seed, which a failure names; AUTOGRADER_FUZZ_FROM=SEED starts there.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import string
import struct
import threading

import msgpack
import nbformat
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder import overlay, remote, wire
from autograder.wire import Channel, Codec, WireError

COUNT, FIRST = int(os.environ.get("AUTOGRADER_FUZZ", 0)), int(os.environ.get("AUTOGRADER_FUZZ_FROM", 0))
SECONDS = 10  # that one example may take, on any machine
PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    list,
    tuple,
    dict,
    set,
    frozenset,
    slice,
    range,
    type(...),
    type,
)
PLAIN += (np.ndarray, np.generic, np.dtype, np.random.Generator)


@pytest.fixture(scope="module", autouse=True)
def limits():
    """An example that hangs or takes all memory is a failure, not the end of the machine."""

    def ring(*_):
        raise TimeoutError(f"an example took more than {SECONDS} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + (3 << 30), before[1]))
    previous = signal.signal(signal.SIGALRM, ring)
    yield
    signal.signal(signal.SIGALRM, previous)
    resource.setrlimit(resource.RLIMIT_AS, before)


def examples(few):
    """Decorator for `test(rng)`: hypothesis draws the random numbers; with AUTOGRADER_FUZZ, each seed is one example."""

    def decorate(test):
        def limited(rng):
            signal.alarm(SECONDS)
            try:
                test(rng)
            finally:
                signal.alarm(0)

        if not COUNT:
            checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
            randoms = st.randoms(use_true_random=False, note_method_calls=False)

            @settings(max_examples=few, deadline=None, suppress_health_check=checks)
            @given(randoms)
            def run(rng):
                limited(rng)

        else:
            import random

            def run():
                for seed in range(FIRST, FIRST + COUNT):
                    try:
                        limited(random.Random(seed))
                    except BaseException as error:
                        error.add_note(f"AUTOGRADER_FUZZ_FROM={seed} AUTOGRADER_FUZZ=1")
                        raise
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
                print(f"\n{test.__name__}: {COUNT:,} examples, at most {peak} MB")

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate


# ---- messages


INTEGERS = (0, 1, -1, 2, 7, 255, 2**31, 2**32 - 1, 2**40, 2**61 - 1, 2**63 - 1, -(2**63))
DTYPES = (
    "<f8",
    "<f4",
    ">i2",
    "|b1",
    "|u1",
    "<c16",
    "<U3",
    "|S0",
    "<U0",
    "|S2",
    "|O",
    "<M8[s]",
    "|V8",
    "f8",
    "<f16",
    "<U999999",
    "",
    "<i9",
)
KEYS = ("state", "inc", "bit_generator", "has_uint32", "uinteger", "a", "")


def value(rng, depth=0):
    """Something that msgpack can hold: plain, or one of the codec's own types with a payload that is more or less right."""
    kind = rng.randrange(14 if depth < 5 else 7)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind == 1:
        return rng.choice(INTEGERS) if rng.random() < 0.7 else rng.randrange(-100, 100)
    if kind == 2:
        return rng.choice((0.0, -0.0, 1.5, float("nan"), float("inf"), 1e308, 5e-324))
    if kind == 3:
        return "".join(rng.choice("ab\0é\U0001f600\ud83d/\"'") for _ in range(rng.randrange(4)))
    if kind == 4:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(6)))
    if kind == 5:
        return rng.choice((*DTYPES, *KEYS, "C", "F", "int", "numpy.float64", "PCG64", "value", "callback", "raised"))
    if kind == 6:
        return msgpack.ExtType(rng.randrange(128), bytes(rng.randrange(256) for _ in range(rng.randrange(6))))
    if kind == 7:
        return [value(rng, depth + 1) for _ in range(rng.randrange(5))]
    if kind == 8:
        return {rng.choice((*KEYS, 1, None, 2.5, b"b", True)): value(rng, depth + 1) for _ in range(rng.randrange(4))}
    code = rng.randrange(1, 17)
    if code == wire.ARRAY and rng.random() < 0.9:
        shape = [
            rng.choice((0, 1, 2, 3, 8, 2**20, 2**40, -1, 2**62, True, 1.0))
            for _ in range(rng.choice((0, 1, 1, 2, 3, 33)))
        ]
        inner = [rng.choice((0, 0, 1, -1, 5)), rng.choice(DTYPES), shape, rng.choice("CCF?"), rng.random() < 0.5]
    elif code == wire.SCALAR and rng.random() < 0.9:
        inner = [rng.choice(DTYPES), bytes(rng.randrange(256) for _ in range(rng.choice((0, 1, 2, 8, 16))))]
    elif code == wire.RNG and rng.random() < 0.8:
        inner = np.random.Generator(np.random.PCG64(rng.randrange(9))).bit_generator.state
        inner = {k: value(rng, depth + 1) if rng.random() < 0.3 else v for k, v in inner.items()}
        inner.get("state") and isinstance(inner["state"], dict) and inner["state"].update(state=value(rng, 6), inc=3)
    elif code in (wire.BIGINT, wire.ELLIPSIS):
        inner = rng.randbytes(rng.choice((0, 1, 9, 100, 5000))) if hasattr(rng, "randbytes") else b"\1" * 9
        return msgpack.ExtType(code, msgpack.packb(inner)) if rng.random() < 0.7 else msgpack.ExtType(code, inner)
    else:
        inner = [value(rng, depth + 1) for _ in range(rng.choice((1, 2, 3, 3, 4)))]
    return msgpack.ExtType(code, pack(inner))


def pack(inner):
    return msgpack.packb(inner, default=str, unicode_errors="surrogatepass")


def message(rng):
    """A header and the bytes of its arrays: well made, changed in places, or noise."""
    if rng.random() < 0.1:
        header = bytes(rng.randrange(256) for _ in range(rng.randrange(60)))
    else:
        inner = value(rng)
        for _ in range(rng.choice((0, 0, 0, 0, 3, 60))):
            inner = msgpack.ExtType(rng.choice((1, 6, 7)), pack([inner])) if rng.random() < 0.7 else [inner]
        header = bytearray(pack(inner))
        for _ in range(rng.choice((0, 0, 1, 1, 3))):
            place = rng.randrange(len(header))
            change = rng.randrange(3)
            if change == 0:
                header[place] = rng.choice((0xC1, 0xC9, 0xC8, 0xDD, 0xDF, 0xDB, 0xFF, rng.randrange(256)))
            elif change == 1:
                del header[place:]
                header += b"\xc0"
            else:
                header[place:place] = bytes([rng.randrange(256)])
    arrays = [
        bytearray(rng.randrange(256) for _ in range(rng.choice((0, 0, 8, 16, 24)))) for _ in range(rng.randrange(3))
    ]
    return bytes(header), arrays


def parts(thing):
    """A decoded value and all that is in it."""
    yield thing
    inner = ()
    if isinstance(thing, slice):
        inner = thing.start, thing.stop, thing.step
    elif isinstance(thing, list | tuple | set | frozenset | dict):
        inner = [*thing, *thing.values()] if isinstance(thing, dict) else thing
    for part in inner:
        yield from parts(part)


def test_anything_about_a_students_own_objects_is_plain_or_refused():
    """What a session makes of a message that names objects: plain values, which go back as what they were or as they are."""

    @examples(300)
    def any_message(rng):
        session = remote.Session(None, None, None, None)
        header = pack([msgpack.ExtType(wire.OWN, pack([value(rng, 4), value(rng, 3), rng.random() < 0.5]))])
        with contextlib.suppress(WireError):
            for part in parts(session.channel.codec.unpack(header, [bytearray(8)])):
                assert isinstance(part, (*PLAIN, remote.Remote)), type(part)
                session.channel.codec.pack(session._back(part))

    any_message()


@examples(400)
def test_any_message_is_decoded_to_plain_values_or_refused(rng):
    header, arrays = message(rng)
    room = sum(map(len, arrays))
    try:
        got = Codec().unpack(header, arrays)
    except WireError:
        return
    for part in parts(got):
        assert isinstance(part, PLAIN), type(part)
        assert type(part).__module__ in ("builtins", "numpy", "numpy.random._generator", "numpy.dtypes"), type(part)
        if isinstance(part, np.ndarray):
            assert type(part) is np.ndarray and part.nbytes <= room and part.dtype.kind in "biufcSU"
    try:
        again = Codec().pack(got)
    except WireError:  # deeper than what may be sent
        return
    assert again[2:] == Codec().pack(Codec().unpack(again[2], [bytearray(a) for a in again[3:]]))[2:] or holds_a_set(
        got
    )


def holds_a_set(got):
    return any(isinstance(part, set | frozenset) for part in parts(got))  # its order is nobody's


def test_a_channel_ends_or_goes_on_whatever_arrives():
    """What arrives on the socket is a frame, a piece of one, or noise; a reader with a deadline comes back from all of it."""

    @examples(60)
    def any_frames(rng):
        ours, theirs = socket.socketpair()
        frames = b""
        for _ in range(rng.randrange(1, 4)):
            header, arrays = message(rng)
            sizes = [len(a) if rng.random() < 0.9 else rng.choice((0, 5, 2**40, 2**64 - 1)) for a in arrays]
            counts = len(header) if rng.random() < 0.9 else rng.choice((0, 3, 2**22, 2**32 - 1)), len(sizes)
            frames += struct.pack("<II", *counts) + struct.pack(f"<{len(sizes)}Q", *sizes) + header + b"".join(arrays)
        if rng.random() < 0.2:
            frames = frames[: rng.randrange(len(frames) + 1)]
        sender = threading.Thread(target=lambda: (theirs.sendall(frames), theirs.close()))
        sender.start()
        channel = Channel(ours)
        for _ in range(8):
            try:
                channel.receive(float("inf"))
            except wire.Closed:
                break
            except WireError:
                continue
        channel.close()
        sender.join()

    any_frames()


# ---- notebooks


SOURCE = nbformat.v4.new_notebook(
    metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
)
for _label, _kind, _flags in (
    ("f", "code", (False, True)),
    ("test_f", "code", (True, False)),
    ("why", "markdown", (True, True)),
):
    _text = {
        "f": "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION",
        "test_f": "assert f(1) == 1",
        "why": "Why?",
    }[_label]
    _cell = (nbformat.v4.new_code_cell if _kind == "code" else nbformat.v4.new_markdown_cell)(
        _text, id=_label.replace("_", "-")
    )
    _cell.metadata["nbgrader"] = {
        "grade_id": _label,
        "grade": _flags[0],
        "solution": _flags[1],
        "locked": not _flags[1],
    }
    _cell.metadata["nbgrader"] |= {"schema_version": 3, "task": False} | ({"points": 2} if _flags[0] else {})
    SOURCE.cells += [nbformat.v4.new_code_cell("print('demo')", id=f"demo{len(SOURCE.cells)}"), _cell]
RELEASED = overlay.release(SOURCE)
WORDS = (
    "cells",
    "worksheets",
    "source",
    "input",
    "metadata",
    "nbgrader",
    "grade_id",
    "id",
    "cell_type",
    "code",
    "markdown",
    "raw",
    "outputs",
)
WORDS += ("f", "test_f", "why", "x = 1", "print('demo')", "points", "tags", "nbformat", "\ud83d", "\0", "")


def anything(rng, depth=0):
    """Plain data, with the words that notebooks are made of."""
    kind = rng.randrange(8 if depth < 5 else 5)
    if kind == 0:
        return rng.choice((None, True, False, 0, -1, 3.5, 10**30, float("nan")))
    if kind < 5:
        return (
            rng.choice(WORDS)
            if rng.random() < 0.8
            else "".join(rng.choice(string.printable) for _ in range(rng.randrange(30)))
        )
    if kind == 5:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(rng.choice(WORDS)): anything(rng, depth + 1) for _ in range(rng.randrange(5))}


def mutated(rng, data):
    """Plain data with pieces of it replaced, doubled, moved or gone."""
    data = json.loads(json.dumps(data))
    for _ in range(rng.choice((0, 1, 2, 5, 20))):
        place = data
        while isinstance(place, dict | list) and place:
            key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
            if rng.random() < 0.4 or not isinstance(place[key], dict | list):
                change = rng.randrange(4)
                if change == 0:
                    place[key] = anything(rng, 3)
                elif change == 1:
                    del place[key]
                elif isinstance(place, list):
                    place.insert(rng.randrange(len(place) + 1), json.loads(json.dumps(place[key])))
                else:
                    place[str(rng.choice(WORDS))] = place[key]
                break
            place = place[key]
    return data


@examples(150)
def test_any_notebook_is_read_or_refused_in_a_sentence(rng):
    data = mutated(rng, RELEASED) if rng.random() < 0.8 else anything(rng)
    try:
        cells = overlay.found(data)
    except overlay.Unreadable as problem:
        assert str(problem).endswith(".") and len(str(problem).splitlines()) == 1
        return
    got, notes = overlay.overlay(RELEASED, cells, "lesson")
    nbformat.validate(got)
    nbformat.writes(got).encode()
    labels = [overlay.grade_id(cell) for cell in got.cells if overlay.grade_id(cell)]
    assert labels == ["f", "test_f", "why"]
    tests = [cell for cell in overlay.plan(SOURCE, RELEASED, got).cells if cell.kind == "test"]
    assert [(cell.id, cell.source, cell.points) for cell in tests] == [("test_f", "assert f(1) == 1", 2)]
    assert all(len(note) < 1000 for note in notes)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "a.ipynb"


def test_any_file_is_read_or_refused_in_a_sentence(path):
    @examples(100)
    def any_bytes(rng):
        text = json.dumps(mutated(rng, RELEASED)).encode(rng.choice(("utf-8", "utf-8-sig", "utf-16", "latin-1")))
        content = bytearray(text if rng.random() < 0.8 else bytes(rng.randrange(256) for _ in range(rng.randrange(99))))
        for _ in range(rng.choice((0, 1, 3))):
            if content:
                place = rng.randrange(len(content))
                content[place : place + rng.choice((0, 1, 50))] = bytes(
                    rng.randrange(256) for _ in range(rng.randrange(3))
                )
        path.write_bytes(content)
        with contextlib.suppress(overlay.Unreadable):
            assert all(type(cell.source) is str and type(cell.grade_id) is str for cell in overlay.read(path))

    any_bytes()
