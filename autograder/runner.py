"""The trusted runner: runs the test cells against a student's worker and makes the verdicts, which fail closed.

`Runner` is what the rest of the grader uses. It keeps one process (`python -m autograder.runner FD`) that forks for each
submission, so that no test can disturb another submission's and no student's value can bring the grader down.
"""

import ast
import builtins
import contextlib
import io
import json
import linecache
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from numbers import Real

from autograder.namespaces import die_with_parent, settle, warm
from autograder.remote import EXITED, Missing, Remote, Stopped, Student, alarm
from autograder.sandbox import Limits, Sandbox, SandboxError
from autograder.wire import Channel, Closed, WireError, blob

PATIENCE = 10  # a set-up cell is the instructor's: it may take this many times a student's, on a busy machine


@dataclass
class Cell:
    """One step of a run. `kind` is "run" (the student's side) or "test" (ours); `visible` is what the student saw of a test."""

    id: str
    kind: str
    source: str
    quiet: bool = False
    points: float = 0.0
    visible: str = ""


@dataclass
class Plan:
    """What to run for one submission."""

    cells: list[Cell]
    setup: list[str] = field(default_factory=list)  # run on both sides
    trusted: list[str] = field(default_factory=list)  # statements whose names tests may use, run when first used
    withheld: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()  # that the tests import
    given: tuple[str, ...] = ()  # that the notebook imports as it was handed out: the student's side may know these
    files: dict[str, bytes] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    isolate: bool = True


@dataclass
class Result:
    """What became of one cell: a verdict for a test, outputs for a cell that was run."""

    id: str
    score: float | None = None  # None for a cell that is no test
    message: str = ""
    outputs: list[dict] = field(default_factory=list)


class SetupFailed(Exception):
    """A set-up cell of the instructor's fails here, whatever a student wrote; the message is a sentence for the instructor."""


class Names(dict):
    """The namespace of the tests: what they define, then the instructor's own names, then the student's."""

    def __init__(self, statements):
        super().__init__(__name__="__main__", __builtins__=builtins)
        self.lazy, self.session, self.shared = {}, None, set()
        for source in statements:
            for name in _bound(ast.parse(source).body[0]):
                self.lazy[name] = source

    def __missing__(self, name):
        if name in self.lazy:
            exec(self.lazy.pop(name), self)
            if name in self:
                return self[name]
        if hasattr(builtins, name) or self.session is None:
            raise KeyError(name)
        value = self.session.name(name)
        self.shared.add(name)
        return value

    def __setitem__(self, name, value):
        """A test that puts a function in the place of one of the student's does so on the student's side too."""
        if self.session is not None and name in self.shared and callable(value):
            self.session.bind(name, value)
        super().__setitem__(name, value)

    def __delitem__(self, name):
        if name in self:
            super().__delitem__(name)
        elif self.session is None:
            raise KeyError(name)
        if self.session is not None and (name in self.shared or not hasattr(builtins, name)):
            self.session.unbind(name)
            self.shared.add(name)

    def forget(self):
        """Close the session: what belongs to the student does not outlive it."""
        for name in [name for name, value in self.items() if isinstance(value, Remote) or name in self.shared]:
            super().__delitem__(name)
        self.session, self.shared = None, set()


def _bound(node):
    """The names that a top-level statement binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return [node.name]
    return [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]


def run(plan: Plan, sandbox: Sandbox) -> list[Result]:
    """Run one submission; a result for every cell of the plan, in order."""
    names = Names(plan.trusted)
    student = Student(sandbox, plan.limits, plan.files)
    results, failed = [], {}
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for source in plan.setup:
                _set_up(source, names, PATIENCE * plan.limits.cell_seconds)
            for cell in plan.cells:
                if cell.kind == "test":
                    results.append(_test(cell, names, student, failed, last=cell is plan.cells[-1]))
                else:
                    failure, outputs = student.cell(cell.source, cell.quiet)
                    results.append(Result(cell.id, None, "" if failure is None else _failure(failure), outputs))
                    if failure is not None:
                        failed[cell.source] = results[-1].message
                    if not cell.quiet:  # the student's own: "" stands for the one above the test
                        failed[""] = results[-1].message
    finally:
        student.close()
    return results


def _set_up(source, names, seconds):
    """Run a set-up cell on our side. Raises SetupFailed: that is nobody's points."""
    try:
        with alarm(seconds):
            exec(compile(source, "<setup>", "exec"), names)
    except BaseException as error:
        lines = [t.tb_lineno for t in _frames(error) if t.tb_frame.f_code.co_filename == "<setup>"]
        lines = lines or [getattr(error, "lineno", None) or 1]
        line = (source.splitlines()[lines[-1] - 1 :] or [""])[0].strip()
        what = f"{type(error).__name__}: {error}".split("\n")[0][:300]
        raise SetupFailed(
            f"The instructor's set-up cell fails in the grader, at `{line[:100]}` ({what}). Nobody loses points by it: "
            "mend the cell and grade again."
        ) from None


def _failure(failure):
    names, message, trace = failure
    head = message if names[0] == "fatal" else f"{names[0]}: {message}" if message else names[0]
    head = f"The cell {EXITED}" if names[0] == "SystemExit" else head
    return f"{head}\n{trace}".strip()


def _test(cell, names, student, failed, last):
    """The verdict of a test. One whose process was killed, as a machine out of memory does it, is run once more."""
    known = names.keys() | names.lazy.keys()
    result, killed = _tried(cell, names, student, failed, last)
    if killed:
        for name in names.keys() - known:
            dict.__delitem__(names, name)
        result, _ = _tried(cell, names, student, failed, last)
    return result


def _tried(cell, names, student, failed, last):
    """The verdict, and whether the student's process was killed meanwhile."""
    filename = f"<test {cell.id}>"
    linecache.cache[filename] = (len(cell.source), None, cell.source.splitlines(True), filename)
    session = None
    try:
        with student.session(last) as session, alarm(student.limits.test_seconds + 5):
            names.session = session
            value = _execute(cell.source, filename, names)
            stopped = session.stopped
        result = Result(cell.id, 0.0, stopped) if stopped else _score(cell, value)
    except Stopped as error:
        result = Result(cell.id, 0.0, str(error))
    except BaseException as error:
        result = Result(cell.id, 0.0, _explain(error, cell, filename, session, failed))
    finally:
        names.forget()
    return result, session is not None and session.killed


def _score(cell, value):
    """Full points, or what the last line of the test says, as nbgrader has it; a number that makes no sense gives none."""
    if isinstance(value, Real) and not isinstance(value, bool):
        if 0 <= value <= cell.points:
            partly = "" if value == cell.points else f"This test gave {float(value):g} of {cell.points:g} points."
            return Result(cell.id, float(value), partly)
        return Result(
            cell.id,
            0.0,
            f"The test gave {float(min(max(value, -1e9), 1e9)):g} of {cell.points:g} points, which makes no sense: tell your instructor.",
        )
    return Result(cell.id, cell.points)


def _execute(source, filename, names):
    """Run a cell; the value of its last line, if that is an expression."""
    tree = ast.parse(source, filename)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, filename, "exec"), names)
    return eval(compile(ast.Expression(last.value), filename, "eval"), names) if last is not None else None


def _explain(error, cell, filename, session, failed):
    """What a failed test says to the student: never a line of a hidden test. failed: {a student's cell, or "" for the last: what went wrong in it}."""
    of_student = getattr(error, "of_student", False) or getattr(error.__cause__, "of_student", False)
    text = _said(error)
    if isinstance(error, Missing):
        why = next(
            (why for source, why in failed.items() if re.search(_DEFINES.format(error.name), source, re.MULTILINE)), ""
        )
        if why:
            text += f": its cell failed. {why.splitlines()[0]}"
        elif last := failed.get(""):
            text += f": no cell that ran defines it under this name, and the cell above failed. {last.splitlines()[0]}"
        else:
            text += ": no cell that ran defines it under this name."
    elif type(error).__name__ == "CheckFailed":
        pass
    elif of_student:
        text = (
            f"Your code raised {type(error).__name__}: {text}" if text else f"Your code raised {type(error).__name__}."
        )
        if type(error) is NotImplementedError:
            text = f"Not written yet. {_said(error)}".strip()
    else:
        line = _line(error, filename)
        seen = line and line in {other.strip() for other in cell.visible.splitlines()}
        if isinstance(error, AssertionError):
            text = text if seen or _own_words(error, filename) else text.split("\n")[0]
            text = "\n".join(
                part for part in (f"This is not so: {line}" if seen else "A hidden test failed.", text) if part
            )
        else:
            text = f"{'In the line: ' + line if seen else 'A hidden test failed.'}\n{type(error).__name__}: {text.splitlines()[0] if text else ''}"
    if of_student and session is not None and session.last_error:
        text += f"\nIn your code:\n{session.last_error}"
    return text[:6000]


_DEFINES = r"^[ \t]*(?:def|class) +{0}\b|^{0} *="


def _said(error):
    """The message of an exception, which may hold a student's value that cannot be written."""
    try:
        return str(error).strip()
    except Exception:
        return ""


def _frames(error):
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _line(error, filename):
    lines = [t.tb_lineno for t in _frames(error) if t.tb_frame.f_code.co_filename == filename]
    return linecache.getline(filename, lines[-1]).strip() if lines else ""


def _own_words(error, filename):
    """Whether the message was written in the test itself (`assert x, "message"`), and not made by a library."""
    return [t.tb_frame.f_code.co_filename for t in _frames(error)][-1] == filename


# ---- the process


class Runner:
    """Runs plans, one after the other, in processes of their own."""

    def __init__(self):
        self.process = self.channel = None

    def run(self, plan: Plan) -> list[Result]:
        """A result for every cell. Raises SandboxError where the sandbox cannot be set up, and SetupFailed."""
        for attempt in range(2):
            if self.process is None:
                self._launch()
            try:
                message = {k: v for k, v in asdict(plan).items() if k != "files"}
                if attempt:
                    message["modules"] = []  # to import one of them may be what ended the process
                files = [[name, blob(data)] for name, data in plan.files.items()]
                self.channel.send(["run", blob(json.dumps(message).encode()), files])
                reply = self.channel.receive(time.monotonic() + _most_seconds(plan) + 30)
            except WireError:
                self.close(kill=True)
                continue
            if reply[0] == "refused":
                raise SandboxError(reply[1])
            if reply[0] == "setup":
                raise SetupFailed(reply[1])
            results = [Result(**item) for item in json.loads(reply[1].tobytes())]
            return _complete(plan, results, reply[2])
        return _complete(plan, [], "The grader stopped twice while it ran this notebook.")

    def _launch(self):
        ours, theirs = socket.socketpair()
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with theirs:
            command = [sys.executable, "-m", "autograder.runner", str(theirs.fileno())]
            env = {**os.environ, **threads, "MPLBACKEND": "agg"}
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=env)
        self.channel = Channel(ours)

    def close(self, kill=False):
        if self.process is not None:
            self.channel.close()
            if kill:
                self.process.kill()
            self.process.wait()
            self.process = None


def _complete(plan, results, sentence):
    """Results for all cells: a test without a verdict has no points."""
    missing = plan.cells[len(results) :]
    return results + [
        Result(c.id, 0.0 if c.kind == "test" else None, sentence if c.kind == "test" else "") for c in missing
    ]


def _plan(text, files):
    data, files = json.loads(text.tobytes()), {name: data.tobytes() for name, data in files}
    data["cells"] = [Cell(**cell) for cell in data["cells"]]
    return Plan(
        **{**data, "limits": Limits(**data["limits"]), "files": files}
        | {key: tuple(data[key]) for key in ("withheld", "modules", "given")}
    )


def _most_seconds(plan):
    """What a run can take: its cells, its tests, and one last start of a worker that runs cells again."""
    most = 2 * (plan.limits.seconds + plan.limits.cell_seconds) + plan.limits.test_seconds + 30
    return most + PATIENCE * plan.limits.cell_seconds


def _in_fork(plan, sandbox, owner=None):
    """Run a plan in a fork of this process: {"results": ..., "why": ...} or {"refused": ...}; "again" if the sandbox can serve another.

    `owner` is the socket of who asked: when that is gone, so is the run.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent()
            os.close(reader)
            memory = 2 * plan.limits.memory + (4 << 30)
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            try:
                answer = {"results": [asdict(r) for r in run(plan, sandbox)], "why": ""}
            except SandboxError as error:
                answer = {"refused": str(error)}
            except SetupFailed as error:
                answer = {"setup": str(error)}
            except BaseException as error:
                answer = {
                    "results": [],
                    "why": f"The grader could not run this notebook: {type(error).__name__}: {error}"[:1000],
                }
            answer["again"] = sandbox.fit_for_another
            with open(writer, "w") as pipe:
                json.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(writer)
    chunks, deadline = [], time.monotonic() + _most_seconds(plan)
    while (left := deadline - time.monotonic()) > 0:
        ready = select.select([reader, *([owner] if owner else [])], [], [], left)[0]
        if reader not in ready:
            break
        chunk = os.read(reader, 1 << 20)
        if not chunk:
            break
        chunks.append(chunk)
    os.close(reader)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    try:
        return json.loads(b"".join(chunks))
    except ValueError:
        return {"results": [], "why": "The grader's own process ended while it ran this notebook."}


def main(fd):
    channel = Channel(socket.socket(fileno=fd))
    sandboxes, known = {}, set()
    warm(["numpy.random"])  # numpy loads it when it is first asked for
    settle()
    while True:
        try:
            _, text, files = channel.receive()
        except WireError:
            break
        plan = _plan(text, files)
        key = plan.withheld, plan.isolate, plan.given
        try:
            if key in sandboxes and sandboxes[key].process.poll() is not None:
                sandboxes.pop(key).close()
            if key not in sandboxes:
                for old in list(sandboxes)[:-2]:
                    sandboxes.pop(old).close()
                sandboxes[key] = Sandbox(*key)  # it starts meanwhile
                if not known.issuperset(plan.modules):
                    known |= set(plan.modules)
                    warm(plan.modules)
                    settle()
                sandboxes[key].wait()
            answer = _in_fork(plan, sandboxes[key], channel.sock)
            if not answer.get("again"):
                sandboxes.pop(key).close()
        except SandboxError as error:
            answer = {"refused": str(error)}
        try:
            if "results" in answer:
                channel.send(["results", blob(json.dumps(answer["results"]).encode()), answer["why"]])
            else:
                channel.send([kind := "setup" if "setup" in answer else "refused", answer[kind]])
        except Closed:
            break
    for sandbox in sandboxes.values():
        sandbox.close()
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(0)  # whatever threads the instructor's modules started
