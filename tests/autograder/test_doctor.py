"""`autograder doctor` on machines that lack something: it says what, how to get it, and whether grading would stop."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from autograder import cli, doctor, sandbox

ROOT = Path(__file__).parents[2]


@pytest.fixture
def course(tmp_path, monkeypatch):
    folder = tmp_path / "course"
    (folder / "solutions" / "squares").mkdir(parents=True)
    (folder / "solutions" / "squares" / "squares.ipynb").write_text("{}")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def machine(tmp_path):
    """A file system's root with these files."""

    def make(files):
        root = tmp_path / "root"
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        root.mkdir(exist_ok=True)
        return root

    return make


def stops(findings):
    return [one for one in findings if one.stops]


def test_where_all_is_well_it_says_so(course, capsys, sandboxed):
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "Ready to grade" in said and "✗" not in said and "squares" in said
    assert cli.main(["doctor", "--isolation"]) == 0
    assert "Gradebook" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("system", "says"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "sudo apt install bubblewrap"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install bubblewrap"),
        ("ID=manjaro\nID_LIKE=arch\n", "sudo pacman -S bubblewrap"),
        ("", "dnf install bubblewrap"),  # unknown: all that we know
    ],
)
def test_without_bubblewrap_it_says_how_to_get_it(course, machine, monkeypatch, capsys, system, says):
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: None)
    root = machine({"etc/os-release": system})
    assert doctor.doctor(course, root=root) == 1
    said = capsys.readouterr().out
    assert says in said and "bubblewrap is not installed" in said and "--no-sandbox" in said
    assert "Gradebook" in said  # the rest is looked at all the same


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, "apparmor_restrict_unprivileged_userns=0"),
        ({"proc/sys/kernel/unprivileged_userns_clone": "0\n"}, "unprivileged_userns_clone=1"),
        ({"proc/sys/user/max_user_namespaces": "0\n"}, "max_user_namespaces=15000"),
        ({".dockerenv": ""}, "--security-opt"),
        ({"proc/version": "Linux version 4.4.0-Microsoft"}, "--set-version"),
        ({}, "virtual machine"),
    ],
)
def test_where_namespaces_are_forbidden_it_says_who_forbids_them(course, machine, monkeypatch, capsys, files, says):
    def refuse(*args, **kwargs):
        return subprocess.CompletedProcess(args, 1, "", "bwrap: setting up uid map: Permission denied\n")

    monkeypatch.setattr(sandbox, "bubblewrap", lambda: "/usr/bin/bwrap")
    monkeypatch.setattr(sandbox.subprocess, "run", refuse)
    assert doctor.doctor(course, isolation_only=True, root=machine(files)) == 1
    said = capsys.readouterr().out
    assert "does not work here: bwrap: setting up uid map: Permission denied" in said and says in said


def test_on_a_mac_it_says_where_to_grade(course, monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert doctor.doctor(course, isolation_only=True) == 1
    assert "Isolation needs Linux" in capsys.readouterr().out


def test_where_namespaces_do_not_nest_grading_goes_on(monkeypatch):
    class Box:
        nested = False

        def start(self, limits):
            return self

        def end(self):
            pass

        close = end

    monkeypatch.setattr(doctor, "Sandbox", Box)
    (one,) = doctor._nested("group")
    assert not one.good and not one.stops and "Nothing is less safe" in one.says


def test_a_folder_that_is_no_course(tmp_path, monkeypatch):
    (one,) = doctor.course(tmp_path)
    assert one.stops and "no nbgrader_config.py" in one.says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c = get_config()\n", "without isolation"),
        ("1/0\n", "ZeroDivisionError"),
        ("def broken(:\n", "SyntaxError"),
    ],
)
def test_a_configuration_that_would_not_isolate(course, text, says):
    (course / "nbgrader_config.py").write_text(text)
    assert says in stops(doctor.course(course))[0].says


def test_a_course_whose_notebooks_are_not_built(course):
    (course / "solutions" / "02_more.py").touch()
    assert "02_more" in stops(doctor.course(course))[0].says
    shutil.rmtree(course / "solutions" / "squares")
    assert "holds no notebook" in stops(doctor.course(course))[0].says


def test_a_gradebook_that_is_damaged_locked_or_well(course):
    book = course / "gradebook.db"
    with sqlite3.connect(book) as base:
        base.execute("create table submitted_assignment (id integer)")
        base.execute("insert into submitted_assignment values (1)")
    base.close()
    assert "it has 1 submissions" in next(doctor.gradebook(course)).says
    other = sqlite3.connect(book, isolation_level=None)
    other.execute("begin immediate")
    (one,) = doctor.gradebook(course)
    assert one.stops and "locked" in one.says and "Formgrader" in one.do
    other.rollback()
    other.close()
    book.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (one,) = doctor.gradebook(course)
    assert one.stops and "backup" in one.do


@pytest.mark.parametrize("there", [True, False])
def test_a_gradebook_in_a_folder_that_is_read_only(course, monkeypatch, there):
    def refused(dir):
        raise OSError(30, "Read-only file system")

    if there:
        with contextlib.closing(sqlite3.connect(course / "gradebook.db")) as base:
            base.execute("create table submitted_assignment (id)")
    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refused)
    (found,) = doctor.gradebook(course)
    assert found.stops and "cannot be written in this folder: Read-only file system." in found.says
    assert str(course) in found.do and all(one.stops for one in doctor.disk(course))


def test_a_disk_that_is_full_or_read_only(tmp_path, monkeypatch):
    assert all(one.good for one in doctor.disk(tmp_path)) or shutil.disk_usage(tmp_path).free < doctor.ROOM
    monkeypatch.setattr(doctor, "ROOM", 1 << 60)
    assert all(not one.good and not one.stops and "GB free" in one.says for one in doctor.disk(tmp_path))
    full = Path("/dev/full")
    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", lambda **kwargs: full.open("wb", buffering=0))
    assert len(stops(doctor.disk(tmp_path))) == 2


def test_packages_that_do_not_fit_are_named(monkeypatch):
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.1" if name == "numpy" else version(name))
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy>=2,<3", "no-such-package", 'other; extra == "dev"'])
    (one,) = stops(doctor.python())
    assert (
        "numpy 0.1 (needed: <3,>=2)" in one.says
        and "no-such-package is missing" in one.says
        and "other" not in one.says
    )


@pytest.mark.parametrize(
    ("has", "sign", "says"),
    [
        ("2.0", "✓", "dask-engine 2.0 is there"),
        ("1.0", "!", "(needed: >=2)"),
        (None, "✓", "only `--scheduler` needs it"),
    ],
)
def test_what_a_cluster_needs(monkeypatch, has, sign, says):
    def version(name, known=metadata.version):
        if name == "dask-engine" and has is None:
            raise metadata.PackageNotFoundError(name)
        return has if name == "dask-engine" else known(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy>=2,<3", 'dask-engine>=2; extra == "cluster"'])
    (one,) = [one for one in doctor.python() if says in one.says]
    assert one.sign == sign and not one.stops
