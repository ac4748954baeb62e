"""Is this machine, and this folder, ready to grade? Plain sentences, and what to do about each thing that is not."""

import contextlib
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from autograder import sandbox
from autograder.batch import GET_DASK
from autograder.sandbox import Limits, Sandbox, SandboxError

ISOLATION = "Isolation of students' code"
ROOM = 1 << 30  # bytes that a class of some hundreds needs at least
INSTALL = {
    "debian": "sudo apt install bubblewrap",
    "fedora": "sudo dnf install bubblewrap",
    "arch": "sudo pacman -S bubblewrap",
    "suse": "sudo zypper install bubblewrap",
    "alpine": "sudo apk add bubblewrap",
}
MACHINE = (
    "Isolation needs Linux. Grade in a virtual machine with it (such as Multipass, Lima or UTM with Ubuntu), or in a container "
    "on a Linux machine; build, the lessons and the reports work here as they are."
)


@dataclass
class Finding:
    """One thing that was looked at. `stops`: grading would stop, or could not be trusted."""

    group: str
    good: bool
    says: str
    do: str = ""
    stops: bool = False

    @property
    def sign(self) -> str:
        return "✓" if self.good else "✗" if self.stops else "!"


def doctor(folder: Path, isolation_only=False, root=Path("/")) -> int:
    """Print what was found; 1 if grading would stop, else 0."""
    found, group = [], ""
    for one in isolation(root) if isolation_only else everything(folder, root):
        found.append(one)
        if one.group != group:
            group = one.group
            print(f"{group}")
        print(f"  {one.sign} {one.says}")
        if one.do:
            print(f"    {one.do}")
    stops = sum(one.stops for one in found)
    print()
    if stops:
        print(f"Grading would stop: mend what has a ✗ ({stops}).")
        if any(one.stops and one.group == ISOLATION for one in found):
            print("Without isolation you can grade submissions that you trust: `autograder grade ... --no-sandbox`.")
    else:
        print("Ready to grade." if all(one.good for one in found) else "Ready to grade; what has a ! is worth a look.")
    return 1 if stops else 0


def everything(folder: Path, root=Path("/")) -> Iterator[Finding]:
    yield from isolation(root)
    yield from course(folder)
    yield from gradebook(folder)
    yield from disk(folder)
    yield from python()


# ---- isolation


def isolation(root=Path("/")) -> Iterator[Finding]:
    """What of bubblewrap, namespaces and seccomp there is."""
    group = ISOLATION
    if sys.platform != "linux":
        yield Finding(group, False, f"This is {platform.system() or sys.platform}, not Linux.", MACHINE, stops=True)
        return
    if sandbox.bubblewrap() is None:
        yield Finding(group, False, "bubblewrap is not installed.", install(root), stops=True)
        return
    try:
        sandbox.require()
    except (SandboxError, subprocess.SubprocessError, OSError) as error:
        reason = re.search(r"it does not work here \((.*?)\)\. Install", str(error), re.DOTALL)
        said = reason[1].strip() if reason else str(error)
        yield Finding(
            group, False, f"bubblewrap is installed, but does not work here: {said}", advice(root), stops=True
        )
        return
    yield Finding(group, True, f"{_version()} works: no network, no files of the course, processes of its own.")
    yield from _nested(group)
    yield _seccomp(group, root)
    yield from _limits(group, root)


def _version():
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run([sandbox.bubblewrap(), "--version"], capture_output=True, text=True, timeout=10)
        return said.stdout.strip() or "bubblewrap"
    return "bubblewrap"


def _nested(group):
    try:
        box = Sandbox()
    except SandboxError as error:
        yield Finding(group, False, f"The process for students' code does not start: {error}", stops=True)
        return
    try:
        box.start(Limits()).close()
        box.end()
        if box.nested:
            yield Finding(
                group, True, "Namespaces nest: each submission is forked from a warm process into its own (fast)."
            )
        else:
            slow = "Namespaces do not nest here: each submission gets a sandbox started for it, about a second more. Nothing is less safe."
            yield Finding(group, False, slow)
    except SandboxError as error:
        yield Finding(group, False, f"A submission cannot be isolated: {error}", stops=True)
    finally:
        box.close()


def _seccomp(group, root):
    machine, known = platform.machine(), ("x86_64", "aarch64")
    there = _text(root / "proc/sys/kernel/seccomp/actions_avail")
    if machine in known and there:
        return Finding(group, True, "seccomp is there: system calls that no exercise needs are forbidden.")
    why = f"it is not written for {machine}" if there else "this kernel was built without it"
    return Finding(group, False, f"No filter for system calls (seccomp): {why}. The other walls stand.")


def _limits(group, root):
    """Memory for the submissions that run at once; cgroups are not needed, since the grader watches the memory itself."""
    memory = re.search(r"MemAvailable:\s+(\d+)", _text(root / "proc/meminfo"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if memory is None:
        return
    free, one = int(memory[1]) << 10, Limits.memory
    says = f"{cores} cores, {free / 2**30:.1f} GB of memory free; a submission may use {one >> 30} GB (its processes together; watched by the grader, no cgroup needed)."
    if free < one + (512 << 20):
        yield Finding(
            group, False, says, "Close other programs, or lower c.TwoProcessRun.memory in nbgrader_config.py."
        )
    else:
        yield Finding(group, True, says)


def install(root=Path("/")) -> str:
    """How to get bubblewrap on this system; on an unknown one, on all that we know."""
    family = _family(root)
    if family:
        return f"Install it: {INSTALL[family]}"
    return (
        "Install it with your package manager: "
        + ", ".join(f"{command.removeprefix('sudo ')}" for command in INSTALL.values())
        + "."
    )


def _family(root):
    said = dict(re.findall(r'^(\w+)="?([^"\n]*)"?', _text(root / "etc/os-release"), re.MULTILINE))
    names = f"{said.get('ID', '')} {said.get('ID_LIKE', '')}".split()
    also = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse"}
    return next((also.get(name, name) for name in names if also.get(name, name) in INSTALL), None)


def advice(root=Path("/")) -> str:
    """Why bubblewrap may be forbidden to make namespaces, and what to do."""
    setting = "/proc/sys/{}".format
    if (root / ".dockerenv").exists() or (root / "run/.containerenv").exists():
        return (
            "This is a container, which forbids namespaces inside it. Start it with "
            "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`, or grade outside of it."
        )
    for name, forbidden, how in (
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "Ubuntu's AppArmor forbids namespaces to programs without a profile. Allow them: "
            "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (until the next start; to keep it, put the setting in /etc/sysctl.d/).",
        ),
        (
            "kernel/unprivileged_userns_clone",
            "0",
            "Allow namespaces: `sudo sysctl -w kernel.unprivileged_userns_clone=1`.",
        ),
        ("user/max_user_namespaces", "0", "Allow namespaces: `sudo sysctl -w user.max_user_namespaces=15000`."),
    ):
        if _text(root / setting(name).lstrip("/")).strip() == forbidden:
            return how
    if "microsoft" in _text(root / "proc/version").lower():
        return "This is the Windows subsystem for Linux; version 1 has no namespaces. Change to version 2: `wsl --set-version NAME 2`."
    return "Ask whoever runs this machine to allow unprivileged user namespaces, or grade in a virtual machine."


def _text(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


# ---- the course


def course(folder: Path) -> Iterator[Finding]:
    group = "Course folder"
    file = folder / "nbgrader_config.py"
    if not file.exists():
        yield Finding(
            group, False, f"{folder} has no nbgrader_config.py.", "Run this in the folder of the course.", stops=True
        )
        return
    try:
        from traitlets.config import PyFileConfigLoader

        from autograder.execute import ADD_IT, configured

        config = PyFileConfigLoader(file.name, path=str(folder)).load_config()
        inside = configured(config)
    except Exception as error:  # whatever a configuration does
        yield Finding(group, False, f"nbgrader_config.py fails: {type(error).__name__}: {error}", stops=True)
        return
    if inside:
        yield Finding(group, True, "nbgrader_config.py puts the isolated run into nbgrader.")
    else:
        yield Finding(
            group,
            False,
            "nbgrader_config.py does not call `configure`: nbgrader would run students' code without isolation.",
            ADD_IT,
            stops=True,
        )
    tree = folder / str(config.get("CourseDirectory", {}).get("source_directory", "source"))
    lessons = sorted(path.parent.name for path in tree.glob("*/*.ipynb"))
    if not lessons:
        yield Finding(
            group, False, f"{tree.name}/ holds no notebook.", "Make them with `autograder build`.", stops=True
        )
        return
    missing = sorted({p.stem for p in tree.glob("[0-9][0-9]_*.py")} - set(lessons))
    if missing:
        yield Finding(
            group, False, f"Not built: {', '.join(missing)}.", "Make them with `autograder build`.", stops=True
        )
    yield Finding(group, True, f"{len(set(lessons))} lessons: {', '.join(sorted(set(lessons)))}.")


def gradebook(folder: Path) -> Iterator[Finding]:
    group, book = "Gradebook", folder / "gradebook.db"
    try:
        if not book.exists():
            _write(folder)
            yield Finding(group, True, "There is none yet; the first grading makes it.")
            return
        with contextlib.closing(sqlite3.connect(f"{book.resolve().as_uri()}?mode=rw", uri=True, timeout=2)) as base:
            said = base.execute("pragma quick_check").fetchone()[0]
            if said != "ok":
                raise sqlite3.DatabaseError(said)
            count = base.execute("select count(*) from submitted_assignment").fetchone()[0]
            base.execute("begin immediate")  # as a writer does
            base.rollback()
        _write(book.resolve().parent)  # where SQLite keeps its journal
    except OSError as error:
        do = f"See that you may write to {folder}, and that the disk has room."
        yield Finding(group, False, f"{book.name} cannot be written in this folder: {error.strerror}.", do, stops=True)
    except sqlite3.OperationalError as error:
        do = (
            "Close Formgrader and other gradings."
            if "locked" in str(error)
            else "See that you may write to it, and that the disk has room."
        )
        yield Finding(group, False, f"{book.name} cannot be written: {error}.", do, stops=True)
    except sqlite3.DatabaseError as error:
        do = "Put a copy from your backup in its place, or move it away and grade again; marks given by hand are in it."
        yield Finding(group, False, f"{book.name} is damaged: {str(error)[:200]}.", do, stops=True)
    else:
        yield Finding(group, True, f"{book.name} is whole and can be written; it has {count:,} submissions.")


def disk(folder: Path) -> Iterator[Finding]:
    for place, what in ((folder, "the course folder"), (Path(tempfile.gettempdir()), "the temporary folder")):
        try:
            free = shutil.disk_usage(place).free
            _write(place)
        except OSError as error:
            yield Finding("Disk", False, f"Nothing can be written to {place}: {error.strerror}.", stops=True)
            continue
        says = f"{free / 2**30:.1f} GB free in {what}."
        yield Finding(
            "Disk", free >= ROOM, says, "" if free >= ROOM else "Make room: a class of some hundreds needs 1 GB."
        )


def _write(folder):
    """Raises OSError where a new file cannot be written."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\0" * 65536)


def _cluster(group, needed):
    """What `--scheduler` needs, and nothing else."""
    for need in needed:
        if need.marker is not None and need.marker.evaluate({"extra": "cluster"}):
            get = f"For a cluster, {GET_DASK}."
            try:
                has = metadata.version(need.name)
            except metadata.PackageNotFoundError:
                yield Finding(group, True, f"Dask is not installed: only `--scheduler` needs it. {get}")
                continue
            good = need.specifier.contains(has, prereleases=True)
            fits = "is there for `--scheduler`" if good else f"does not fit `--scheduler` (needed: {need.specifier})"
            yield Finding(group, good, f"{need.name} {has} {fits}.", "" if good else get)


def python() -> Iterator[Finding]:
    """The version of Python and of the packages, against what the project declares."""
    group, good = "Python", sys.version_info >= (3, 11)
    yield Finding(
        group, good, f"Python {platform.python_version()}.", "" if good else "3.11 or newer is needed.", stops=not good
    )
    try:
        needed = [Requirement(line) for line in metadata.requires("cnn-by-hand") or []]
    except metadata.PackageNotFoundError:
        yield Finding(group, False, "The project itself is not installed.", "Run `make setup`.")
        return
    wrong = []
    for need in needed:
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            try:
                has = metadata.version(need.name)
                if not need.specifier.contains(has, prereleases=True):
                    wrong.append(f"{need.name} {has} (needed: {need.specifier})")
            except metadata.PackageNotFoundError:
                wrong.append(f"{need.name} is missing")
    if wrong:
        yield Finding(group, False, f"Packages: {'; '.join(wrong)}.", "Run `make setup`.", stops=True)
    else:
        yield Finding(group, True, "All packages are there, in versions that fit.")
    yield from _cluster(group, needed)
    beside = Path(sys.executable).parent / "alembic"
    if not (beside.exists() or shutil.which("alembic")):
        yield Finding(
            group,
            False,
            "The program `alembic` is missing, which nbgrader needs for a new gradebook.",
            "Run `make setup`.",
            stops=True,
        )
