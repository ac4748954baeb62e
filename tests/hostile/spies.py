"""Threat: reads hidden tests (history, frames, gc, files, environment). What holds: they are not there.

Each of these prints, or raises with, all that it can find; the tests look for words of the hidden tests, of other
submissions and of the grader's environment in every page.
"""

from .classroom import Submission

TOKEN = "grader-token-58213"  # in the environment of the grader
MESSAGE = "message-from-a-friend-90417"  # left by one submission for another


def spy(name, must_not, look, **more):
    """Looks once in a cell of its own, which prints what it found, and once while the hidden tests run, which raises it."""
    code = f"{look}\nprint(look()[:15000])\n"
    relu = "def relu(x):\n    found = look()\n    assert not np.ndim(x), found[:1900]\n    return max(x, 0)"
    return Submission(name, must_not, before=code, relu=relu, loses=("relu_hidden",), **more)


SUBMISSIONS = [
    spy(
        "history",
        "find tests in IPython's history",
        """
def look():
    ip = get_ipython()
    return repr([ip.user_ns.get(n) for n in ("In", "_ih", "Out", "_i", "_ii")]) + repr(ip.history_manager.input_hist_raw)""",
    ),
    spy(
        "frames",
        "find tests in the frames of their callers",
        """
import inspect, sys
def look():
    found, frame = [], sys._getframe()
    while frame:
        found.append(repr(frame.f_code.co_filename) + repr(frame.f_code.co_consts) + repr(list(frame.f_locals.items()))[:5000])
        frame = frame.f_back
    return " ".join(found) + repr(sys._current_frames()) + repr(inspect.stack(5)[-1])""",
    ),
    spy(
        "gc",
        "find tests among the objects of the interpreter",
        """
import gc
def look():
    found = []
    for thing in gc.get_objects() + gc.get_referents(*gc.get_objects()[:20000]):
        if isinstance(thing, (str, bytes, dict, list, tuple)):
            text = repr(thing)[:300]
            if "hidden" in text.lower() or "azurit" in text: found.append(text)
    return "".join(found)""",
    ),
    spy(
        "memory-read",
        "find tests in the memory of the process, freed or not",
        """
import re
def look():
    found = []
    try:
        maps, mem = open("/proc/self/maps").read().splitlines(), open("/proc/self/mem", "rb", 0)
    except OSError as error:
        return repr(error)
    for line in maps:
        span, mode = line.split()[:2]
        start, end = (int(n, 16) for n in span.split("-"))
        if mode.startswith("rw") and end - start < 1 << 27:
            try:
                mem.seek(start)
                found += re.findall(rb"[ -~]{0,20}azurit[e][ -~]{0,40}|cinnaba[r].{0,40}", mem.read(end - start))
            except (OSError, ValueError):
                pass
    return repr(found)""",
    ),
    spy(
        "files",
        "find tests, solutions, grades or others' work in files",
        """
import os, sys
def look():
    found = []
    for top in ("/course", "/student", "/tmp", "/home", "/root", "/var", "/run", "/dev/shm", "@COURSE@", os.getcwd()):
        for folder, folders, files in os.walk(top):
            folders[:] = [f for f in folders if f not in ("lib", "site-packages", "trained", "proc")]
            for name in files:
                try: text = open(os.path.join(folder, name), errors="replace").read(200000)
                except OSError: continue
                if any(w in text for w in ("azurit" + "e", "cinnaba" + "r", "BEGIN HIDDE" + "N")):
                    found.append(folder + "/" + name + text[:300])
    return repr(found)""",
    ),
    spy(
        "environment",
        "find secrets in the environment of the grader",
        """
import glob, os
def look():
    found = [repr(dict(os.environ))]
    for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
        try: found.append(repr(open(path, "rb").read()))
        except OSError: pass
    return " ".join(found)""",
    ),
    spy(
        "modules",
        "find tests in modules and in the lines that tracebacks keep",
        """
import linecache, sys
def look():
    return repr({k: v for k, v in linecache.cache.items() if "test" in str(k)}) + repr([m for m in sys.modules if "hostile" in m])""",
    ),
    spy(
        "gradebook",
        "open the gradebook or the instructor's notebook",
        """
def look():
    found = []
    for path in ("@COURSE@/out/gradebook.db", "@COURSE@/solutions/hostile/hostile.ipynb", "../../gradebook.db", "/proc/1/cwd", "/proc/1/root/@COURSE@"):
        try: found.append(open(path, "rb").read().decode(errors="replace"))
        except OSError as error: found.append(type(error).__name__)
    import sqlite3
    try: found.append(repr(sqlite3.connect("file:@COURSE@/out/gradebook.db?mode=ro", uri=True).execute("select * from grade_cell").fetchall()))
    except BaseException as error: found.append(type(error).__name__)
    return repr(found)""",
    ),
    Submission(
        "leaves-a-message",
        "leave something for another submission",
        before=f"""
        import os, subprocess
        for place in ("/tmp", "/dev/shm", "/student", "/course", "/var/tmp", os.getcwd()):
            try: open(place + "/message", "w").write("{MESSAGE[:12]}" "{MESSAGE[12:]}")
            except OSError: pass
        for fd in range(64):
            try: os.write(fd, b"") if fd > 2 else os.write(fd, b"{MESSAGE[:12]}" b"{MESSAGE[12:]}")
            except OSError: pass
        """,
    ),
    spy(
        "looks-for-a-message",
        "find what another submission left",
        """
import os
def look():
    found = []
    for place in ("/tmp", "/dev/shm", "/student", "/course", "/var/tmp", os.getcwd()):
        try: found.append(open(place + "/message").read())
        except OSError: pass
    for fd in range(64):
        for start in (0, -10000):
            try: found.append(os.pread(fd, 10000, max(0, os.fstat(fd).st_size + start) if start else 0).decode(errors="replace"))
            except OSError: pass
    return repr(found)""",
    ),
    Submission(
        "traceback",
        "see a line of a hidden test in the traceback of their own error",
        relu="def relu(x):\n    raise KeyError('mine') from AssertionError('mine too')",
        loses=("relu",),
        says="Your code raised KeyError",
    ),
    Submission(
        "exception-groups",
        "see the tests through an exception that keeps its context",
        relu="class Mine(Exception):\n"
        "    def __str__(self):\n"
        "        import sys\n"
        "        f, out = sys._getframe(), []\n"
        "        while f: out.append(repr(f.f_locals)[:800]); f = f.f_back\n"
        "        return ' '.join(out)\n"
        "def relu(x):\n    raise Mine",
        loses=("relu",),
        says="Your code raised",
    ),
    Submission(
        "breaks-off-inside",
        "make a line of a test fail, and read it",
        scale="calls = []\ndef scale_forward(x, w):\n    calls.append(1)\n    return (w * x, (x, w)) if len(calls) < 2 else 3",
        loses=("scale",),
        says="backward raised TypeError",
    ),
]
