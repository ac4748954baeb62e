"""Starts the untrusted template process and confines it: bubblewrap around it, namespaces of its own around each submission.

The sandbox holds a read-only system, the Python environment, cnnlib without the withheld files, and an empty temporary folder.
No network, no course folder, no environment but what is listed here.
"""

import ast
import contextlib
import importlib.util
import inspect
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from autograder.wire import Channel, WireError

NOBODY = 65534
INSTALL_HINT = (
    "Grading needs bubblewrap to isolate the students' code, and {why}. Install it (Debian, Ubuntu: `apt install bubblewrap`; "
    "Fedora: `dnf install bubblewrap`), or grade without isolation with `--no-sandbox` if you trust every submission."
)
_SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/lib32",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
)
_SYSTEM += ("/etc/alternatives", "/etc/fonts", "/etc/localtime", "/nix/store", "/opt/conda")


SOCKET_BYTES = 212_992  # that the kernel lets wait in one, if nobody asks for more
DATAGRAMS = 11  # from as many senders, in one of this kind


class SandboxError(Exception):
    """The sandbox cannot be set up; the message is a sentence for the instructor."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    cell_seconds: float = 30
    call_seconds: float = 10
    test_seconds: float = 30
    seconds: float = 300  # of the whole submission
    memory: int = 2 << 30  # bytes, of all its processes together
    disk: int = 256 << 20  # bytes of its temporary folder, and of a file
    processes: int = 64


def stand_in(source: str) -> str:
    """A module with the public functions of `source`, each of which says that it is withheld."""
    from cnnlib.check.notebook import CLOSED  # here: a course without withheld functions does not need cnnlib

    lines = ['"""Withheld: the exercises ask for these, or for what they are made of."""', ""]
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            message = CLOSED.format(name=node.name)
            lines += [f"def {node.name}(*args, **kwargs):", f"    raise RuntimeError({message!r})", "", ""]
    return "\n".join(lines)


def _package(name):
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def stage(folder: Path, withheld: tuple[str, ...]) -> None:
    """Copy what the worker may import to `folder`: three modules of ours, and cnnlib with stand-ins for the withheld files."""
    worker = folder / "autograder"
    worker.mkdir()
    (worker / "__init__.py").touch()
    for name in ("wire.py", "worker.py", "namespaces.py"):
        shutil.copy(Path(__file__).with_name(name), worker)
    library = _package("cnnlib")
    if library is not None:
        shutil.copytree(library, folder / "cnnlib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in withheld:
        path = withheld_file(name)
        if path is None or library not in path.parents:
            raise SandboxError(
                f"The notebook withholds {name!r}, but cnnlib has no such function; correct `withheld` in the lesson."
            )
        target = folder / "cnnlib" / path.relative_to(library)
        if path.is_dir():
            shutil.rmtree(target)
        else:
            target.write_text(stand_in(path.read_text()))
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder.chmod(0o755)


def withheld_file(name: str) -> Path | None:
    """The file that defines the library's function or class `name`, such as "cnnlib.ops.conv2d_forward"; a package's folder."""
    module, _, function = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), function)
        return Path(found.__path__[0] if hasattr(found, "__path__") else inspect.getfile(found))
    except (ImportError, AttributeError, ValueError, TypeError):
        return None


def bubblewrap() -> str | None:
    return shutil.which("bwrap")


def require() -> None:
    """Raises SandboxError, with what to install, where bubblewrap is missing or does not work."""
    if sys.platform != "linux":
        raise SandboxError(INSTALL_HINT.format(why="it exists on Linux only"))
    if bubblewrap() is None:
        raise SandboxError(INSTALL_HINT.format(why="it is not installed"))
    root = [] if os.geteuid() == 0 else ["--unshare-user"]
    test = [bubblewrap(), *root, "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    tried = subprocess.run(test, capture_output=True, text=True, timeout=30)
    if tried.returncode != 0:
        raise SandboxError(INSTALL_HINT.format(why=f"it does not work here ({tried.stderr.strip()[:200]})"))


def _command(stage_folder: Path, isolate: bool, fd: int, modules: tuple[str, ...]) -> list[str]:
    root = isolate and os.geteuid() == 0
    program = [sys.executable, "-m", "autograder.worker", str(fd), str(NOBODY) if root else "", *modules]
    if not isolate:
        return program
    args = [bubblewrap(), "--unshare-pid", "--unshare-ipc", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    args += ["--die-with-parent", "--new-session", "--hostname", "sandbox"]
    args += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if root else ["--unshare-user"]
    for path in _SYSTEM:
        if os.path.islink(path):
            args += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            args += ["--ro-bind", path, path]
    args += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
    args += ["--dev-bind", "/dev/null", "/dev/zero"]  # a mapping of that is memory which counts for nobody
    prefixes = {str(Path(p).resolve()) for p in (sys.prefix, sys.base_prefix)} | {sys.prefix, sys.base_prefix}
    for prefix in sorted(prefixes):
        if not prefix.startswith(("/usr/", "/lib/")) and prefix != "/usr":
            for parent in reversed(Path(prefix).parents[:-1]):  # bubblewrap would make them for its own user alone
                args += ["--perms", "0755", "--dir", str(parent)]
            args += ["--ro-bind", prefix, prefix]
    for name in ("autograder", "cnnlib"):  # an installed copy must not show through
        installed = _package(name)
        if installed is not None and any(str(installed).startswith(p + "/") for p in prefixes):
            args += ["--tmpfs", str(installed)]
    args += ["--ro-bind", str(stage_folder), "/course", "--dir", "/student", "--chdir", "/tmp"]
    args += ["--remount-ro", "/dev", "--remount-ro", "/"]  # what one submission could write there, the next could read
    return [*args, "--", *program]


def _environment(stage_folder: str, isolate: bool) -> dict[str, str]:
    kept = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
        "PYTHONPATH": "/course" if isolate else stage_folder,
    }
    kept["JOBLIB_MULTIPROCESSING"] = "0"  # its processes look for themselves in /proc, which may be hidden
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    kept |= dict.fromkeys(threads, "1") | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}
    if not isolate:
        kept["HOME"] = kept["MPLCONFIGDIR"] = stage_folder
    return kept


class Sandbox:
    """A warm template process for one set of withheld functions and imported modules; `start` gives a worker for a submission.

    Raises SandboxError where isolation is asked for and cannot be had.
    """

    def __init__(self, withheld: tuple[str, ...] = (), isolate: bool = True, modules: tuple[str, ...] = ()):
        self.isolate, self.nested = isolate, isolate
        self.withheld, self.modules = tuple(sorted(withheld)), modules
        if isolate:
            require()
        self.folder = tempfile.TemporaryDirectory(prefix="autograder-")
        self.stage = Path(self.folder.name) / "stage"
        self.stage.mkdir()
        Path(self.folder.name).chmod(0o711)
        stage(self.stage, self.withheld)
        self.process = self.control = None
        self._launch()

    def _launch(self):
        ours, theirs = socket.socketpair()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        self.launched_by = os.getpid()
        with theirs:
            try:
                self.process = subprocess.Popen(
                    _command(self.stage, self.isolate, theirs.fileno(), self.modules),
                    env=_environment(str(self.stage), self.isolate),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self.log,
                    cwd="/" if self.isolate else self.stage,
                    start_new_session=True,
                )
            except OSError as error:
                raise SandboxError(INSTALL_HINT.format(why=f"it does not start ({error})")) from None
        self.control, self.base = Channel(ours), None

    def wait(self):
        """Until the template is warm. Raises SandboxError where it does not start."""
        if self.base is not None:
            return
        try:
            self.control.receive(time.monotonic() + 120)
        except WireError:
            self.process.kill()
            self.process.wait()
            self.log.seek(0)
            last = self.log.read().decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
            raise SandboxError(f"The process for students' code does not start: {last[0][:300]}") from None
        self.base = self._held()

    def start(self, limits: Limits) -> socket.socket:
        """A fresh worker; the socket on which it answers."""
        self.wait()
        self.looked = time.monotonic()
        for _attempt in range(3):
            ours, theirs = socket.socketpair()
            folder = tempfile.mkdtemp(dir=self.folder.name) if not self.isolate else "/tmp"
            with theirs:
                try:
                    self._tell(["spawn", folder, asdict(limits), self.nested], theirs)
                    return ours
                except WireError:
                    self._relaunch()
                except SandboxError:
                    ours.close()
                    if not self.nested:
                        raise
                    # no namespaces inside namespaces here: a sandbox for each submission instead of a fork of a warm one
                    self.nested = False
        raise SandboxError("The sandbox ends again and again; run `autograder doctor`.")

    def _tell(self, message, sock=None):
        self.control.send(message)
        if sock is not None:
            socket.send_fds(self.control.sock, [b"f"], [sock.fileno()])
        reply = self.control.receive(time.monotonic() + 60)
        if reply[0] == "raised":
            raise SandboxError(reply[1])
        return reply[1]

    def interrupt(self):
        with contextlib.suppress(WireError):
            self._tell(["interrupt"])

    def end(self, gone=False) -> bool:
        """End the submission's worker and all that it started. Whether somebody had killed it before, if it seems to be `gone`."""
        try:
            killed = self._tell(["end", gone]) is True
            if self.isolate and not self.nested:
                self._relaunch()
        except WireError:
            self._relaunch()
            killed = gone
        return killed

    def _relaunch(self):
        self.close(keep_files=True)
        self._launch()
        self.wait()

    @property
    def fit_for_another(self) -> bool:
        """Whether this process, a fork of the runner, leaves the runner's template clean: the same one, and each submission apart."""
        return self.launched_by == os.getppid() and (self.nested or not self.isolate)

    def time_to_look(self) -> bool:
        """Whether half a second has passed since the last look at the memory of this submission, or since its start."""
        now = time.monotonic()
        if now - self.looked <= 0.5:
            return False
        self.looked = now
        return True

    def used_memory(self) -> int:
        """Bytes that the sandbox's processes hold beyond what the template held alone; what several of them share counts once."""
        return self._held() - self.base

    def _held(self):
        family = self.family()
        return sum(map(_held, family)) + (_in_sockets(family) if self.isolate else 0)

    def family(self) -> set[int]:
        """The processes of the sandbox, from outside; the first alone where /proc is not to be had."""
        parents = {}
        with contextlib.suppress(OSError):
            for name in os.listdir("/proc"):
                if name.isdigit():
                    with contextlib.suppress(OSError, ValueError, IndexError):
                        stat = Path(f"/proc/{name}/stat").read_text()
                        parents[int(name)] = int(stat.rpartition(")")[2].split()[1])
        found, grew = {self.process.pid}, True
        while grew:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            found, grew = found | more, bool(more)
        return found

    def close(self, keep_files=False):
        with contextlib.suppress(OSError, AttributeError):
            self.control.close()
            self.log.close()
        if self.process is not None:
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not keep_files:
            self.folder.cleanup()


def _held(pid):
    """A process's share of memory but for that of files, swapped out or not, in bytes."""
    with contextlib.suppress(OSError):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except PermissionError:  # then all that it shares counts, too
            text = Path(f"/proc/{pid}/status").read_text()
        sizes = re.findall(r"^(?:Pss_Anon|Pss_Shmem|SwapPss|RssAnon|RssShmem|VmSwap):\s+(\d+)", text, re.MULTILINE)
        return sum(int(kb) << 10 for kb in sizes)
    return 0  # it has ended


def _in_sockets(pids):
    """Bytes that may wait in the sockets of these processes, in those that nobody has accepted yet, and in those on their way."""
    networks = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            networks[_network(pid)] = Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]
    networks.pop(_network("self"), None)  # of bubblewrap itself
    kinds = [line.split()[4] for lines in networks.values() for line in lines]
    return sum(DATAGRAMS if kind == "0002" else 1 for kind in kinds) * SOCKET_BYTES


def _network(pid):
    """What is the same for processes of one network; of one that hides it, its own number."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except PermissionError:
        return pid
