"""Threat: touches files, network, gradebook, other submissions. What holds: not reachable.

@COURSE@ is the course's folder outside, @PORT@ and @SOCKET@ a server that listens there, @ROOT@ this project. A cell
prints REACHED where it gets through; the tests look for that word, at the files, and at who called the server.
"""

import os
from pathlib import Path

from .classroom import Submission

REACHED = "REACHED"


def reaches(name, must_not, code, **more):
    word = f"'{REACHED[:4]}' '{REACHED[4:]}'"
    return Submission(name, must_not, before=code.replace("GOT", word), never=REACHED, **more)


def connect(kind, address, what="s.send(b'hello')"):
    return f"""
import socket
try:
    s = socket.socket(socket.{kind}) if "," not in "{kind}" else socket.socket(*[getattr(socket, k) for k in "{kind}".split(",")])
    s.settimeout(1)
    s.connect({address})
    {what}
    print(GOT)
except OSError as error:
    print(type(error).__name__)
"""


def opens(*paths, mode="rb"):
    return f"""
for path in {list(paths)}:
    try:
        with open(path, "{mode}") as f: f.write("hacked") if "{mode}" != "rb" else f.read(1)
        print(GOT, path)
    except OSError as error:
        print(type(error).__name__)
"""


def links(folder):
    """Links from the submission's folder to what is not the student's."""
    for name, target in (
        ("notes.txt", "../../../solutions/hostile/hostile.ipynb"),
        ("passwords", "/etc/passwd"),
        ("gradebook.db", "../../../out/gradebook.db"),
        ("up", "../.."),
        ("root", "/"),
    ):
        os.symlink(target, folder / name)


def shadows(folder):
    """Files with the names of modules and settings that the grader reads."""
    names = "numpy msgpack autograder cnnlib nbgrader_config sitecustomize usercustomize conftest os json nbformat traitlets"
    for name in names.split():
        (folder / f"{name}.py").write_text("raise SystemExit('shadowed')")
    for name in ("jupyter_config.json", "config.json", "header.ipynb.txt", "gradebook.db", "grades.csv", ".env"):
        (folder / name).write_text("{")
    (folder / "cnnlib").mkdir()
    (folder / "cnnlib" / "__init__.py").write_text("raise SystemExit('shadowed')")


SUBMISSIONS = [
    reaches("tcp", "call a server on this machine", connect("AF_INET", "('127.0.0.1', @PORT@)")),
    reaches("tcp-6", "call it by the newer protocol", connect("AF_INET6", "('::1', @PORT@)")),
    reaches(
        "udp", "send it a letter", connect("AF_INET,SOCK_DGRAM", "('127.0.0.1', @PORT@)", "s.send(b'hello'); s.recv(1)")
    ),
    reaches("unix-socket", "call it by its file", connect("AF_UNIX", "'@SOCKET@'")),
    reaches("abstract-socket", "call it by its abstract name", connect("AF_UNIX", "'\\0hostile-@PORT@'")),
    reaches(
        "internet",
        "call anybody",
        "import urllib.request\nfor url in ('http://127.0.0.1:@PORT@', 'http://192.0.2.1', 'http://example.org'):\n"
        "    try: urllib.request.urlopen(url, timeout=1); print(GOT)\n    except OSError as error: print(type(error).__name__)",
    ),
    reaches(
        "interfaces",
        "see a network card",
        "import socket\nprint([GOT for _, name in socket.if_nameindex() if name != 'lo'])",
    ),
    reaches(
        "course-read",
        "read the course, its grades and its tests",
        opens(
            "@COURSE@/solutions/hostile/hostile.ipynb",
            "@COURSE@/out/gradebook.db",
            "@COURSE@/secret.txt",
            "@COURSE@/class/tcp/hostile/hostile.ipynb",
            "@ROOT@/README.md",
        ),
    ),
    reaches(
        "course-written",
        "write to the course and its gradebook",
        opens("@COURSE@/secret.txt", "@COURSE@/out/gradebook.db", "@COURSE@/new", "@ROOT@/new", mode="a"),
    ),
    reaches(
        "system-read",
        "read what is the machine's own",
        opens(
            "/etc/passwd",
            "/etc/shadow",
            str(Path.home() / ".bashrc"),
            "/dev/mem",
            "/dev/kmsg",
            "/proc/kcore",
            "/proc/1/mem",
            "/sys/kernel/notes",
        ),
    ),
    reaches(
        "system-written",
        "write to the system",
        opens(
            "/usr/bin/x",
            "/etc/x",
            "/course/autograder/wire.py",
            "/course/cnnlib/x.py",
            "/proc/sys/kernel/core_pattern",
            "/proc/1/oom_score_adj",
            "/x",
            mode="w",
        ),
    ),
    reaches(
        "through-proc",
        "walk out through /proc",
        "import glob, os\nfor path in glob.glob('/proc/[0-9]*/root@COURSE@/secret.txt') + glob.glob('/proc/[0-9]*/cwd/secret.txt'):\n    print(GOT)\n"
        "for fd in glob.glob('/proc/self/fd/*') + glob.glob('/proc/1/fd/*'):\n"
        "    try: print(GOT if '@COURSE@' in os.readlink(fd) else '')\n    except OSError: pass",
    ),
    reaches(
        "other-processes",
        "see or signal a process outside",
        "import os\nfor pid in range(1, 70000):\n    try: os.kill(pid, 0)\n    except OSError: continue\n"
        "    try: cmd = open(f'/proc/{pid}/cmdline').read()\n    except OSError: cmd = ''\n"
        "    if 'pytest' in cmd or 'autograder.runner' in cmd or 'bwrap' in cmd: print(GOT, cmd)",
    ),
    reaches(
        "mounts",
        "mount or leave the root",
        "import ctypes, os\nlibc = ctypes.CDLL(None)\n"
        "if libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0 or libc.unshare(0x10000000) == 0 or libc.chroot(b'/') == 0: print(GOT)",
    ),
    reaches(
        "becomes-root",
        "get privileges back",
        "import os, subprocess\nfor uid in (0,):\n    try: os.setuid(uid); print(GOT if open('/etc/x', 'w') else '')\n    except OSError: pass\n"
        "for command in (['su', '-c', 'id'], ['sudo', '-n', 'id'], ['mount', '-t', 'tmpfs', 'x', '/tmp'], ['bwrap', '--ro-bind', '/', '/', 'true']):\n"
        "    try: print(GOT if subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=2).returncode == 0 else '')\n"
        "    except (OSError, subprocess.TimeoutExpired): pass",
    ),
    reaches(
        "devices-made",
        "make a device of their own",
        "import os, stat\ntry: os.mknod('disk', 0o666 | stat.S_IFBLK, os.makedev(8, 0)); print(GOT)\nexcept OSError: pass",
    ),
    reaches(
        "traces",
        "trace the process that runs it",
        "import ctypes, os\nlibc = ctypes.CDLL(None)\nif libc.ptrace(16, os.getppid(), 0, 0) == 0: print(GOT)",
    ),
    reaches(
        "links-made",
        "leave a link that the grader follows",
        "import os\nfor name in ('hostile.ipynb', 'gradebook.db', 'link'):\n    os.symlink('@COURSE@/secret.txt', name)",
    ),
    Submission("links-handed-in", "have the grader copy what a link points to", folder=links, note="Links"),
    Submission("modules-handed-in", "have the grader import what was handed in", folder=shadows),
    Submission(
        "late-and-early",
        "say when it was handed in, to no end",
        folder=lambda folder: (folder / "timestamp.txt").write_text("9999-99-99 soon"),
        note="unreadable times",
    ),
]
