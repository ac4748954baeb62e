"""The untrusted side: runs a student's cells and answers calls. Nothing it says is a verdict.

`python -m autograder.worker FD` is the template: it imports what lessons need once, then forks a worker for each submission.
"""

import builtins
import contextlib
import io
import operator
import os
import signal
import socket
import sys
import time
import traceback
import types

from autograder import namespaces
from autograder.wire import CALLBACK, HANDLE, OWN, Channel, Closed, Codec, WireError, plain

PRIVATE = "/student"  # where a worker's own file system is mounted
OUTPUT_CHARS = 20_000  # of text per cell
OUTPUT_BYTES = 1 << 20  # of pictures per cell
END_SECONDS = 10  # that a submission's killed processes may take to give back their memory
WARM = (
    "numpy.random",
    "IPython.core.interactiveshell",
    "IPython.core.logger",
    "bdb",
    "hashlib",
)  # what a first cell takes


class Capped(io.TextIOBase):
    """A text stream that keeps the first characters and counts the rest."""

    def __init__(self):
        self.parts, self.room, self.dropped = [], OUTPUT_CHARS, 0

    def writable(self):
        return True

    def write(self, text):
        kept = text[: max(self.room, 0)]
        if kept:
            self.parts.append(kept)
        self.room -= len(kept)
        self.dropped += len(text) - len(kept)
        return len(text)

    def text(self):
        more = f"\n... {self.dropped} more characters were cut\n" if self.dropped else ""
        return "".join(self.parts) + more


def make_shell():
    """An IPython shell without history, threads or files."""
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Publisher(DisplayPublisher):
        outputs, room, muted = [], OUTPUT_BYTES, False

        def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **kwargs):
            size = sum(len(str(item)) for item in data.values())
            if not self.muted and size <= self.room:
                self.room -= size
                data = {str(kind): item if isinstance(item, str) else str(item) for kind, item in data.items()}
                self.outputs.append(["display_data", data])

        def clear_output(self, wait=False):
            self.outputs.clear()

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.display_pub_class = Publisher
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Plain"
    shell = InteractiveShell.instance(config=config)
    if not isinstance(shell.display_pub, Publisher):
        shell.display_pub = Publisher(parent=shell)
    shell.db = {}  # where %cd and others would write into a folder that no submission may write to
    shell.ask_exit = lambda: None  # `exit` in a cell ends nothing
    shell.enable_gui = lambda gui=None: None  # `%matplotlib inline` asks for it
    if "matplotlib" in sys.modules:  # or it does this itself, when it is imported
        from matplotlib_inline.backend_inline import configure_inline_support

        configure_inline_support(shell, "module://matplotlib_inline.backend_inline")
    return shell


class Worker:
    """One submission's process: a shell, and a channel to the trusted side."""

    def __init__(self, shell, sock):
        self.shell = shell
        self.handles, self.numbers, self.callbacks, self.most = {}, {}, {}, 0
        self.channel = Channel(sock, Codec(self._opaque, self._resolve, self._number))
        self.busy = False
        signal.signal(signal.SIGINT, self._interrupt)

    # ---- values that stay here

    def _opaque(self, obj):
        token = self.callbacks.get(id(obj))
        if token is not None and token[1] is obj:
            return CALLBACK, [token[0]]
        kind = type(obj)
        name = getattr(obj, "__name__", "") if isinstance(obj, (type, types.FunctionType, types.ModuleType)) else ""
        return HANDLE, [self._number(obj), str(kind.__name__)[:80], str(name)[:80], callable(obj)]

    def _number(self, obj):
        number = self.numbers.get(id(obj))
        if number is None:
            number = self.most = self.most + 1
            self.handles[number], self.numbers[id(obj)] = obj, number
        return number

    def _resolve(self, code, payload):
        if code == HANDLE:
            return self.handles[payload[0]]
        if code == OWN:
            return self._own(*payload)
        token = payload[0]

        def callback(*args, **kwargs):
            return self._ask(["callback", token, args, kwargs])

        self.callbacks[id(callback)] = (token, callback)
        return callback

    def _own(self, number, value):
        """The student's own object, unless the test or the code has changed one of the two since."""
        pack, own = self.channel.codec.pack, self.handles[number]
        with contextlib.suppress(WireError):
            if pack(plain(own)) == pack(value):
                return own
        return value

    def _ask(self, message):
        self.channel.send(message)
        while True:
            reply = self.channel.receive()
            if reply[0] == "value":
                return reply[1]
            if reply[0] == "raised":
                raise getattr(builtins, reply[1], RuntimeError)(reply[2])
            self._answer(reply)

    # ---- requests

    def serve(self):
        """Answer until the other side is gone."""
        while True:
            try:
                self._answer(self.channel.receive())
            except Closed:
                return
            except KeyboardInterrupt:
                continue

    def _answer(self, message):
        kind, *rest = message
        reply = getattr(self, f"do_{kind}")(*rest)
        try:
            self.channel.send(reply)
        except (WireError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, Closed):
                raise
            self.channel.send(["raised", ["ValueError"], f"the result cannot be sent: {error}", ""])

    def do_put(self, path, data):
        with contextlib.suppress(OSError):  # a name that is too long: the file is not there, and the rest runs
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "wb") as file:
                file.write(data.tobytes())
        return ["value", None]

    def do_fork(self):
        """A copy of this process, frozen as it is now, for one test cell; it answers on a socket of its own."""
        _, fds, _, _ = socket.recv_fds(self.channel.sock, 1, 1)
        sys.stdout.flush()
        with namespaces.spare_processes():
            pid = os.fork()
        if pid:
            os.close(fds[0])
            return ["value", pid]
        try:
            self._serve_test(fds[0])
        finally:
            os._exit(0)

    def do_become(self):
        """This process itself for the last test cell: nothing comes after it that would need a frozen one."""
        _, fds, _, _ = socket.recv_fds(self.channel.sock, 1, 1)
        self.channel.send(["value", 0])
        self._serve_test(fds[0])
        os._exit(0)

    def _serve_test(self, fd):
        self.channel.close()
        self.channel = Channel(socket.socket(fileno=fd), self.channel.codec)
        sys.stdout = sys.stderr = Capped()
        self.serve()

    def do_reap(self, pid, gone):
        """End a copy. Whether it had been killed before, if it seems to be `gone`."""
        killed = False
        with contextlib.suppress(OSError):
            killed = gone and was_killed(pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return ["value", killed]

    def do_cell(self, source, quiet):
        """Run one cell as a notebook would; quiet cells draw and print nothing."""
        shell, publisher = self.shell, self.shell.display_pub
        outputs = publisher.outputs = []
        publisher.room, publisher.muted = OUTPUT_BYTES, quiet
        streams = Capped(), Capped()
        formatter = shell.display_formatter
        shell.displayhook.__class__ = _hook_class(type(shell.displayhook))
        shell.displayhook.outputs = outputs
        if quiet:
            formatter.format = lambda obj, include=None, exclude=None: ({}, {})
        failure = None
        try:
            with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
                self.busy = True
                shell.showtraceback = shell.showsyntaxerror = lambda *args, **kwargs: None
                result = shell.run_cell(source, store_history=True)
                error = result.error_before_exec or result.error_in_exec
                if error is not None:
                    failure = describe(error, source)
        except BaseException as error:
            failure = describe(error, source)
        finally:
            self.busy = False
            formatter.__dict__.pop("format", None)
            if quiet and "matplotlib.pyplot" in sys.modules:
                with contextlib.suppress(Exception):
                    sys.modules["matplotlib.pyplot"].close("all")
        text = [["stream", name, stream.text()] for name, stream in zip(("stdout", "stderr"), streams, strict=True)]
        shown = [] if quiet else [item for item in text if item[2]] + outputs
        return ["value", [failure, shown]]

    def do_name(self, name):
        if name not in self.shell.user_ns or name in self.shell.user_ns_hidden:
            return ["missing"]
        value = self.shell.user_ns[name]
        return ["module", value.__name__] if isinstance(value, types.ModuleType) else ["value", value]

    def do_bind(self, name, value):
        self.shell.user_ns[name] = value
        return ["value", None, {}]

    def do_forget(self, numbers):
        """Let go of objects of which the other side has no value any more."""
        for number in numbers:
            obj = self.handles.pop(number, None)
            self.numbers.pop(id(obj), None)
        return ["value", None]

    def do_unbind(self, name):
        self.shell.user_ns.pop(name, None)
        return ["value", None, {}]

    def do_op(self, name, args, kwargs):
        """Call a function, look up an attribute, ...: the result, and the arguments that were changed in place."""
        before = [self.channel.codec.pack(arg) for arg in args[1:]] if name == "call" else []
        try:
            self.busy = True
            value = OPERATIONS[name](*args, **kwargs)
        except Closed:
            raise
        except BaseException as error:
            return ["raised", *describe(error)]
        finally:
            self.busy = False
        changed = {}
        for index, (arg, frame) in enumerate(zip(args[1:], before, strict=False)):
            with contextlib.suppress(WireError):
                if self.channel.codec.pack(arg) != frame:
                    changed[index] = arg
        return ["value", value, changed]

    def _interrupt(self, signum, frame):
        if self.busy:
            raise KeyboardInterrupt


def _hook_class(base):
    """A display hook that records results instead of printing them."""
    if getattr(base, "records", False):
        return base

    class Recorder(base):
        records = True

        def write_output_prompt(self):
            pass

        def write_format_data(self, format_dict, md_dict=None):
            data = {str(kind): item for kind, item in format_dict.items() if isinstance(item, str)}
            if data and sum(map(len, data.values())) <= OUTPUT_BYTES:
                self.outputs.append(["execute_result", data])

        def finish_displayhook(self):
            pass

    return Recorder


def rehearse(shell):
    """Run a first cell and a first call, which load and make much that later ones find, and forget what they left."""
    names, handler = dict(shell.user_ns), signal.getsignal(signal.SIGINT)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = Worker(shell, theirs)
        worker.do_cell("def f(x):\n    return x\nprint(f(1))", quiet=False)
        worker.do_op("call", [shell.user_ns["f"], 1.5], {})
    signal.signal(signal.SIGINT, handler)
    shell.user_ns.clear()
    shell.user_ns.update(names)
    del shell.user_ns["In"][1:]
    shell.execution_count = 1


def _call(function, *args, **kwargs):
    return function(*args, **kwargs)


OPERATIONS = {
    "call": _call,
    "getattr": getattr,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "contains": operator.contains,
    "len": len,
    "iter": iter,
    "next": next,
    "isinstance": isinstance,
    "repr": lambda obj: repr(obj)[:500],
}


def was_killed(pid):
    """Whether this child was killed, as by a machine out of memory; it may take a second to have ended."""
    deadline, ended = time.monotonic() + 1, None
    while ended is None and time.monotonic() < deadline:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        time.sleep(0.0005)
    return ended is not None and (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGKILL)


def describe(error, source=""):
    """An exception as [names of its built-in classes, message, traceback text]."""
    names = [c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins" and c not in (object, BaseException)]
    try:
        message = _worded(error)[:2000]
    except Exception:
        message = ""
    if type(error).__module__ != "builtins" and type(error).__name__ not in names:  # numpy has a MemoryError of its own
        message = f"{type(error).__name__}: {message}"
    try:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/autograder/" not in f.filename]
        frames = [f for f in frames if "/IPython/" not in f.filename][-6:]
        lines = [f"line {f.lineno}, in {f.name}: {(f.line or '').strip()[:200]}" for f in frames]
        if isinstance(error, SyntaxError) and error.text:
            lines.append(f"line {error.lineno}: {error.text.strip()[:200]}")
    except Exception:
        lines = []
    return [names or ["Exception"], message, "\n".join(lines)]


def _worded(error):
    """What an exception says; a SyntaxError without the name that IPython gives a cell."""
    if type(error) in (SyntaxError, IndentationError, TabError) and (type(error.msg), type(error.lineno)) == (str, int):
        return f"{error.msg} (line {error.lineno})"
    return str(error)


def run_submission(sock, shell, folder, limits, isolate):
    """The life of one worker, in the process that was forked for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mapped = namespaces.mapped_memory()  # now: where /proc cannot be mounted again, there is none afterwards
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):  # the template's own, in which one submission could write what the next one reads
        os.dup2(nowhere, fd)
    os.close(nowhere)
    if isolate:
        namespaces.mount_private(PRIVATE, limits["disk"])
        folder = f"{PRIVATE}/work"
        os.makedirs(folder)
        if any(prefix.startswith("/tmp/") for prefix in (sys.prefix, sys.base_prefix)):
            namespaces.make_read_only("/tmp")  # Python itself lives there
        else:
            os.makedirs(f"{PRIVATE}/tmp")
            namespaces.bind(f"{PRIVATE}/tmp", "/tmp")
    os.chdir(folder)
    os.environ["HOME"] = os.environ["TMPDIR"] = folder
    namespaces.limit_resources(mapped, limits["memory"], limits["processes"], limits["disk"], limits["seconds"])
    if isolate:
        namespaces.drop_privileges()
    namespaces.forbid_calls()
    sys.path.append("")  # modules beside the notebook; last, so that none hides a library
    Worker(shell, sock).serve()


class Template:
    """The warm process. It runs no student code; it forks workers, and ends them when told."""

    def __init__(self, control, shell):
        self.control, self.shell = Channel(control), shell
        self.worker = None

    def serve(self):
        while True:
            try:
                kind, *rest = self.control.receive()
            except WireError:
                self.end()
                return
            try:
                self.control.send(["value", getattr(self, kind)(*rest)])
            except OSError as error:
                self.control.send(["raised", f"{type(error).__name__}: {error}"])

    def spawn(self, folder, limits, isolate):
        """Fork a worker in namespaces of its own (if `isolate`) that answers on the socket that follows the message."""
        _, fds, _, _ = socket.recv_fds(self.control.sock, 1, 1)
        self.end()
        user, (reader, writer) = (os.getuid(), os.getgid()), os.pipe()
        try:
            self.worker = namespaces.fork_apart() if isolate else os.fork()
            if self.worker == 0:
                self._become_worker(fds[0], user, reader, writer, folder, limits, isolate)
        finally:
            os.close(writer)
            os.close(fds[0])
            with open(reader, "rb") as pipe:
                problem = pipe.read().decode(errors="replace")
        if problem:
            self.end()
            raise OSError(problem)
        return self.worker

    def _become_worker(self, fd, user, reader, writer, folder, limits, isolate):
        """In the process that was forked for it; never returns. What goes wrong at the start is written to `writer`."""
        try:
            try:
                namespaces.die_with_parent()
                os.setsid()
                if isolate:
                    namespaces.keep_user(*user)
            except OSError as error:
                os.write(writer, f"{error}".encode())
                return
            os.close(reader)
            os.close(writer)
            self.control.close()
            run_submission(socket.socket(fileno=fd), self.shell, folder, limits, isolate)
        finally:
            os._exit(0)

    def interrupt(self):
        if self.worker is not None:
            os.kill(self.worker, signal.SIGINT)

    def end(self, gone=False):
        """End the worker and all that it started. Whether it had been killed before, if it seems to be `gone`."""
        if self.worker is None:
            return False
        killed = gone and was_killed(self.worker)
        with contextlib.suppress(OSError):
            os.killpg(self.worker, signal.SIGKILL)  # its session, and with namespaces: all that are in them
        deadline = time.monotonic() + END_SECONDS
        while os.waitpid(self.worker, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.0005)
        self.worker = None
        return killed


def main(control_fd, uid, *modules):
    """`uid`: the user to become, or "" to stay. `modules`: what lessons import."""
    namespaces.end_me_first()
    if uid:
        uid = int(uid)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    namespaces.warm([*WARM, *modules])
    shell = make_shell()
    rehearse(shell)
    namespaces.settle()
    control = socket.socket(fileno=int(control_fd))
    control.set_inheritable(False)
    channel = Channel(control)
    channel.send(["value", "ready"])
    Template(control, shell).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
