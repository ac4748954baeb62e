"""The trusted side's view of a worker: names are looked up there, functions are proxies, and every wait has a limit."""

import builtins
import contextlib
import signal
import socket
import sys
import time

import numpy as np

from autograder.sandbox import Limits, Sandbox
from autograder.wire import CALLBACK, HANDLE, HEADER_BYTES, OWN, Channel, Closed, Codec, Own, TimedOut, WireError, blob

OUTPUT_CHARS = 32 << 20  # of all outputs of a notebook
_NEVER = {"SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"}
EXITED = "ended the notebook with exit() or SystemExit: remove that."


class Stopped(BaseException):
    """The test cannot go on: a limit was broken or the worker is gone. No `except Exception` of a test swallows it."""


class Missing(NameError):
    """The notebook does not define the name."""

    __module__, __qualname__ = "builtins", "NameError"  # the name by which a message calls it


def _sync(old, new):
    """Bring a change made in place on the other side to the object that was passed."""
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        if old.shape == new.shape and old.flags.writeable:
            old[...] = new
    elif type(old) is list and type(new) is list:
        kept = [b if _sync(a, b) is None else a for a, b in zip(old, new, strict=False)]
        old[:] = kept + new[len(kept) :]
    elif type(old) is tuple and type(new) is tuple and len(old) == len(new):
        same = [_sync(a, b) is not None or (type(a) is type(b) and a == b) for a, b in zip(old, new, strict=True)]
        return old if all(same) else None
    elif type(old) is dict and type(new) is dict:
        merged = {
            key: old[key] if key in old and _sync(old[key], value) is not None else value for key, value in new.items()
        }
        old.clear()
        old.update(merged)
    elif type(old) is set and type(new) is set:
        old.clear()
        old.update(new)
    elif type(old) is np.random.Generator and type(new) is np.random.Generator:
        old.bit_generator.state = new.bit_generator.state
    else:
        return None
    return old


def _holders(pair):
    return sys.getrefcount(pair[1])


_NOBODY = _holders((0, []))  # the count where the pair alone holds its value


class Remote:
    """An object that stayed with the student's code. It can be passed back, called, indexed, asked for an attribute.

    It never equals anything, has no truth value and is no array: what is to be judged must arrive as plain data.
    """

    __slots__ = ("_callable", "_kind", "_name", "_number", "_session")
    __array_ufunc__ = None

    def __init__(self, session, number, kind, name, callable_):
        for slot, value in zip(
            ("_session", "_number", "_kind", "_name", "_callable"),
            (session, number, kind, name, callable_),
            strict=True,
        ):
            object.__setattr__(self, slot, value)

    def __call__(self, *args, **kwargs):
        return self._session.call(self, args, kwargs)

    def __getattr__(self, name):
        if name in ("__name__", "__qualname__") and self._name:
            return self._name
        if name.startswith("__") or name.startswith("_ipython_") or name.startswith("_repr_"):
            raise AttributeError(name)
        return self._session.ask("getattr", self, name)

    def __getitem__(self, key):
        return self._session.ask("getitem", self, key)

    def __setitem__(self, key, value):
        self._session.ask("setitem", self, key, value)

    def __contains__(self, item):
        return self._session.ask("contains", self, item) is True

    def __len__(self):
        return self._session.ask("len", self)

    def __iter__(self):
        iterator = self._session.ask("iter", self)
        while True:
            try:
                item = self._session.ask("next", iterator)
            except StopIteration:
                return
            yield item

    def __instancecheck__(self, instance):
        return isinstance(instance, Remote) and self._session.ask("isinstance", instance, self) is True

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    def __bool__(self):
        raise TypeError(f"the student's code gave a {self._kind} where a value was expected")

    def __array__(self, *args, **kwargs):
        raise TypeError(f"the student's code gave a {self._kind} where numbers were expected")

    def __repr__(self):
        return f"<{self._name or self._kind} of the student's notebook>"


class Session:
    """A conversation with one fork of the worker, for one test cell."""

    def __init__(self, sock, sandbox, limits, deadline):
        self.sandbox, self.limits, self.deadline = sandbox, limits, deadline
        self.channel = Channel(sock, Codec(self._opaque, self._resolve), tick=self._watch)
        self.callbacks, self.remotes = [], {}
        self.dropped = []  # numbers of objects that the test no longer holds
        self.own = {}  # {id of a plain value: (number of the student's object that it came from, the value)}
        self.stopped = None  # the sentence that says why the test was stopped
        self.ended = self.killed = False  # whether the process ended, and whether it was killed
        self.depth = 0
        self.last_error = ""

    def _opaque(self, obj):
        if isinstance(obj, Remote):
            if obj._session is not self:
                raise WireError("an object of an earlier test cell cannot be used in this one")
            return HANDLE, [obj._number]
        if callable(obj) and not isinstance(obj, type):
            self.callbacks.append(obj)
            return CALLBACK, [len(self.callbacks) - 1]
        raise WireError(f"a test cannot pass a {type(obj).__name__} to a student's function")

    def _resolve(self, code, payload):
        if code == CALLBACK:
            return self.callbacks[int(payload[0])]
        if code == OWN:
            number, value = payload
            self.own[id(value)] = int(number), value
            return value
        number, kind, name, callable_ = payload
        number, kind, name = (
            int(number),
            "".join(filter(str.isprintable, str(kind))),
            "".join(filter(str.isprintable, str(name))),
        )
        if number not in self.remotes:
            self.remotes[number] = Remote(self, number, kind[:80], name[:80], bool(callable_))
        return self.remotes[number]

    def _back(self, value):
        """What is passed to the student's code, with what came from objects of its own marked as these."""
        if not self.own:
            return value
        (number, _), kind = self.own.get(id(value), (None, None)), type(value)
        if kind in (list, tuple):
            value = kind([self._back(item) for item in value])
        elif kind is dict:
            value = {key: self._back(item) for key, item in value.items()}
        return value if number is None else Own(number, value)

    def _forget(self):
        """Let go of what the test no longer holds, the outer before the inner: it may be large."""
        numbers = set()
        for key in reversed(list(self.own)):
            if _holders(self.own[key]) == _NOBODY:
                numbers.add(self.own.pop(key)[0])
        if numbers:
            self.dropped += numbers - {number for number, _ in self.own.values()}

    def _watch(self):
        if self.sandbox.time_to_look():
            used = self.sandbox.used_memory()
            if used > self.limits.memory:
                self.stop(f"The code used {used >> 20} MB of memory; the limit is {self.limits.memory >> 20} MB.")

    def stop(self, sentence):
        self.stopped = self.stopped or sentence
        raise Stopped(self.stopped)

    def name(self, name):
        """The value of a name of the student's notebook; raises Missing."""
        reply = self._request(["name", name], f"looking up `{name}`")
        if reply[0] in ("missing", "module"):
            raise Missing(f"`{name}` is not defined in the notebook", name=name)
        return reply[1]

    def bind(self, name, value):
        self._operate(["bind", name, self._back(value)], f"setting `{name}`", ())

    def unbind(self, name):
        self._operate(["unbind", name], f"deleting `{name}`", ())

    def call(self, function, args, kwargs):
        what = f"{function._name or function._kind}({', '.join([*map(_brief, args), *(f'{k}={_brief(v)}' for k, v in kwargs.items())])})"
        named = {name: self._back(value) for name, value in kwargs.items()}
        return self._operate(["op", "call", [function, *map(self._back, args)], named], what, args)

    def ask(self, operation, *args):
        return self._operate(
            ["op", operation, list(map(self._back, args)), {}],
            f"{operation} of a {getattr(args[0], '_kind', 'value')}",
            (),
        )

    def _operate(self, message, what, args):
        reply = self._request(message, what)
        if reply[0] == "raised":
            self._raise(reply, what)
        for index, new in reply[2].items():
            _sync(args[index], new)
        return reply[1]

    def _raise(self, reply, what):
        names, message, trace = reply[1:4]
        self.last_error = str(trace)[:3000]
        if names[0] == "KeyboardInterrupt":
            self.stop("The code was interrupted.")
        if names[0] == "SystemExit":
            self.stop(f"{what} {EXITED}")
        for name in names:
            kind = getattr(builtins, str(name), None)
            if isinstance(kind, type) and issubclass(kind, Exception) and name not in _NEVER:
                break
        else:
            kind, message = RuntimeError, f"the code ended itself ({names[0]})"
        if kind is MemoryError:
            message = _too_much(self.limits.memory, str(message))
        try:
            error = kind(str(message))
        except TypeError:
            error = RuntimeError(f"{kind.__name__}: {message}")
        error.of_student = True
        raise error

    def _request(self, message, what):
        if self.stopped:
            raise Stopped(self.stopped)
        if self.dropped:
            numbers, self.dropped = self.dropped, []
            self._request(["forget", numbers], what)
        deadline = min(time.monotonic() + self.limits.call_seconds, self.deadline)
        self.depth += 1
        try:
            if self.depth > 20:
                self.stop("The test and the code called each other more than 20 levels deep.")
            self.channel.send(message, deadline)
            while True:
                self._forget()
                reply = self.channel.receive(deadline)
                if reply[0] != "callback":
                    self._valid(reply)
                    return reply
                self.channel.send(self._called_back(*reply[1:]), deadline)
        except TimedOut:
            if deadline == self.deadline:
                one, all_ = self.limits.test_seconds, 2 * self.limits.seconds
                self.stop(
                    f"Time ran out during {what}: a test may take {one:g} s, cells and tests together {all_:g} s."
                )
            self.stop(f"{what} took more than {self.limits.call_seconds:g} s and was stopped. Does a loop never end?")
        except Closed:
            self.ended = True
            self.stop(f"The process ended while running {what}: the code exited, crashed, or ran out of memory.")
        except WireError as error:
            if self.channel.sock.fileno() < 0:
                raise
            raise TypeError(f"{what}: {error}") from None
        finally:
            self.depth -= 1

    @staticmethod
    def _valid(reply):
        ok = (
            reply[0] in ("missing", "module")
            or (reply[0] == "value" and len(reply) in (2, 3))
            or (reply[0] == "raised" and len(reply) == 4 and reply[1])
        )
        if not ok or (reply[0] == "value" and len(reply) == 3 and type(reply[2]) is not dict):
            raise WireError("an answer that makes no sense")

    def _called_back(self, token, args, kwargs):
        try:
            return ["value", self._back(self.callbacks[token](*args, **kwargs))]
        except Exception as error:
            return ["raised", type(error).__name__, str(error)[:2000]]


def _too_much(memory, message):
    """What a MemoryError says, with Python's or numpy's own words if it has any."""
    words = f" ({message})" if message else ""
    return (
        f"it asked for more than the {memory >> 20} MB of memory that it may have{words}. Must its arrays be so large?"
    )


def _brief(value):
    if isinstance(value, np.ndarray):
        return f"array {value.shape}"
    if isinstance(value, tuple | list) and any(isinstance(v, np.ndarray) for v in value):
        return "(" + ", ".join(map(_brief, value)) + ")"
    text = repr(value)
    return text if len(text) <= 30 else text[:27] + "..."


class Student:
    """One submission's worker. Runs the cells in order, survives the loss of its process, and opens sessions for tests.

    When a cell kills or hangs the process, a fresh worker runs the earlier cells again, without the culprit, and goes on. Of a
    process that was killed, as a machine out of memory does it, the cell is the culprit only if the next one is killed, too.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits, files: dict[str, bytes]):
        self.sandbox, self.limits, self.files = sandbox, limits, files
        self.deadline = time.monotonic() + limits.seconds  # for the cells; the tests have as much again
        self.done, self.channel = [], None
        self.room = OUTPUT_CHARS
        self._start()

    def _start(self):
        self.channel = Channel(self.sandbox.start(self.limits), tick=self._watch)
        for path, data in self.files.items():
            self._request(["put", path, blob(data)], 30)

    def _watch(self):
        if self.sandbox.time_to_look() and self.sandbox.used_memory() > self.limits.memory:
            raise Stopped(f"The cell used more than {self.limits.memory >> 20} MB of memory.")

    def _request(self, message, seconds):
        limit = time.monotonic() + seconds
        self.channel.send(message, limit)
        return self._reply(limit)

    def _reply(self, limit):
        reply = self.channel.receive(limit)
        if not isinstance(reply, list) or len(reply) != 2 or reply[0] != "value":
            raise WireError("an answer that makes no sense")
        return reply[1]

    def cell(self, source: str, quiet: bool = False, again: bool = False):
        """Run one cell: (failure or None, outputs). Never raises for what the code does."""
        restarted = False
        try:
            failure, outputs = self._run(source, quiet)
            if failure is None or self.sandbox.used_memory() < 0.8 * self.limits.memory:
                self.done.append((source, failure is not None and failure[0][0] == "fatal"))
                return failure, outputs
            sentence = f"The cell used nearly all of its {self.limits.memory >> 20} MB of memory."  # and still holds it
        except (Closed, OSError):
            restarted = True
            if self._restart(gone=True) and not again:
                return self.cell(source, quiet, again=True)
            sentence = "The cell ended the process: it exited, crashed, or ran out of memory."
        except TimedOut:
            sentence = self._too_long()
        except Stopped as error:
            sentence = str(error)
        except Exception:  # an answer that makes no sense fails in many ways
            sentence = "The cell broke the process that ran it."
        self.done.append((source, True))
        if not restarted:
            self._restart()
        return [["fatal"], sentence, ""], []

    def _too_long(self):
        if time.monotonic() >= self.deadline:
            return f"The notebook took more than {self.limits.seconds:g} s altogether; this cell was stopped."
        return f"The cell took more than {self.limits.cell_seconds:g} s and was stopped. Does a loop never end?"

    def _run(self, source, quiet):
        left = self.deadline - time.monotonic()
        if left <= 0:
            sentence = f"The notebook took more than {self.limits.seconds:g} s altogether; this cell was not run."
            return [["fatal"], sentence, ""], []
        if len(source) > HEADER_BYTES // 4:
            return [["fatal"], f"The cell has {len(source):,} characters, too many to run.", ""], []
        try:
            failure, outputs = self._request(["cell", source, quiet], min(self.limits.cell_seconds, left))
        except TimedOut:
            self.sandbox.interrupt()
            failure, outputs = self._reply(time.monotonic() + 2)
            failure = [["fatal"], self._too_long(), ""]
        if failure is not None:
            failure = [
                [str(n)[:80] for n in failure[0]] or ["Exception"],
                str(failure[1])[:2000],
                str(failure[2])[:3000],
            ]
            if failure[0][0] == "MemoryError":
                failure[1] = _too_much(self.limits.memory, failure[1])
        outputs = [output for output in map(_output, outputs) if output]
        size = len(str(outputs))
        if size > self.room:
            text = "The outputs of this cell were left out: the notebook has too many.\n"
            return failure, [{"output_type": "stream", "name": "stdout", "text": text}]
        self.room -= size
        return failure, outputs

    def _restart(self, gone=False):
        """A fresh worker with what the earlier cells made. Whether the one before was killed, if it seems to be `gone`."""
        killed = self.sandbox.end(gone)
        with contextlib.suppress(OSError):
            self.channel.close()
        self._start()
        for source, fatal in self.done:
            if not fatal and time.monotonic() < self.deadline + self.limits.seconds:
                try:
                    self._request(["cell", source, True], self.limits.cell_seconds)
                except (WireError, Stopped):
                    self.sandbox.end()
                    self._start()
        return killed

    @contextlib.contextmanager
    def session(self, last=False):
        """A fork of the worker as it is now, for one test cell; the worker itself for the `last` one."""
        end = self.deadline + self.limits.seconds
        if time.monotonic() >= end:
            raise Stopped(
                f"Cells and tests took more than {2 * self.limits.seconds:g} s altogether; this test was not run."
            )
        for attempt in range(2):
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    self.channel.send(["become" if last else "fork"], time.monotonic() + 5)
                    socket.send_fds(self.channel.sock, [b"f"], [theirs.fileno()])
                    pid = self._reply(time.monotonic() + 5)
                break
            except (WireError, OSError, Stopped):
                ours.close()
                if attempt:
                    raise Stopped("The student's process does not answer any more.") from None
                self._restart()
        session = Session(ours, self.sandbox, self.limits, min(time.monotonic() + self.limits.test_seconds, end))
        try:
            yield session
        finally:
            ours.close()
            if last:
                session.killed = session.ended and self.sandbox.end(gone=True)
            else:
                try:
                    session.killed = self._request(["reap", pid, session.ended], 5) is True
                except (WireError, OSError, Stopped):
                    session.killed = self._restart(session.ended)

    def close(self):
        with contextlib.suppress(OSError):
            self.channel.close()
        self.sandbox.end()


def _output(item):
    """One output of a cell as nbformat has it, or None if it makes no sense."""
    if not isinstance(item, list) or len(item) < 2:
        return None
    if item[0] == "stream" and len(item) == 3 and item[1] in ("stdout", "stderr"):
        return {"output_type": "stream", "name": item[1], "text": str(item[2])}
    if item[0] in ("display_data", "execute_result") and isinstance(item[1], dict):
        data = {str(kind): str(value) for kind, value in item[1].items()}
        extra = {"execution_count": None} if item[0] == "execute_result" else {}
        return {"output_type": item[0], "data": data, "metadata": {}, **extra}
    return None


@contextlib.contextmanager
def alarm(seconds):
    """Stop trusted code that does not end, whatever the student's values made it do."""

    def ring(signum, frame):
        raise Stopped(f"The test took more than {seconds:g} s and was stopped.")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
