"""Classes of hostile, malformed and unusual submissions, graded as an instructor grades: what they must not achieve.

Each row of the threats table is a module here; each entry of a module is a student. All of this looks from outside of the
sandbox: at scores, pages, files, processes, memory, and at a server that nobody may call.
"""

import contextlib
import json
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autograder.runner import Cell, Plan, Runner

from . import breakers, browser, cheats, classroom, liars, malformed, markup, patches, reachers, spies, styles
from .classroom import HIDDEN, LESSON, ROOT

HOSTILE = (patches, spies, liars, breakers, reachers, cheats)
HARMLESS = (malformed, markup, styles)
SHORT = {
    "cell_seconds": 2.0,
    "call_seconds": 2.0,
    "test_seconds": 4.0,
    "seconds": 12.0,
    "memory": 600 << 20,
    "disk": 16 << 20,
}
MEMORY = 3 << 30  # that the grader and all that it runs may hold at any time
PROCESSES = 400


@dataclass
class Graded:
    """A class after grading."""

    course: Path
    out: Path
    rows: dict
    skipped: list
    calls: list = field(default_factory=list)
    changed: list = field(default_factory=list)
    most_memory: int = 0
    most_processes: int = 0
    seconds: float = 0.0


def snapshot(folder, but=()):
    """{path: what it holds}, without following links."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if not any(b in p.parents or b == p for b in but)):
        if path.is_symlink():
            found[path] = os.readlink(path)
        elif path.is_file() and path.stat().st_size < 1 << 20:
            with contextlib.suppress(PermissionError):
                found[path] = path.read_bytes()
    return found


def descendants():
    """The processes that this one has started, and those that they started: {pid: resident bytes of its own}."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    family, grew = {os.getpid()}, True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family, grew = family | more, bool(more)
    sizes = {}
    for pid in family - {os.getpid()}:
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            sizes[pid] = sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return sizes


def names_of_processes():
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.append((path / "comm").read_text().strip() + " " + (path / "cmdline").read_text().replace("\0", " "))
    return found


class Watch:
    """Measures, while a class is graded, what the grader and all that it starts hold."""

    def __enter__(self):
        self.memory = self.processes = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def _look(self):
        while not self.done.wait(0.5):
            sizes = descendants()
            self.memory, self.processes = max(self.memory, sum(sizes.values())), max(self.processes, len(sizes))

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()


class Server:
    """Listens on TCP, UDP and two Unix sockets, and remembers who called."""

    def __init__(self, folder):
        self.calls, self.sockets = [], []
        self.file = str(folder / "s")
        tcp = self._listen(socket.AF_INET, ("127.0.0.1", 0))
        self.port = tcp.getsockname()[1]
        self._listen(socket.AF_UNIX, self.file)
        self._listen(socket.AF_UNIX, f"\0hostile-{self.port}")
        self._listen(socket.AF_INET, ("127.0.0.1", self.port), socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):
            self._listen(socket.AF_INET6, ("::1", self.port))

    def _listen(self, family, address, kind=socket.SOCK_STREAM):
        sock = socket.socket(family, kind)
        sock.bind(address)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        sock.setblocking(False)
        self.sockets.append(sock)
        return sock

    def close(self):
        """Who called: connections wait in the queue until somebody looks."""
        for sock in self.sockets:
            with contextlib.suppress(BlockingIOError):
                self.calls.append(sock.recvfrom(10) if sock.type == socket.SOCK_DGRAM else sock.accept()[1])
            sock.close()
        return self.calls


def grade(folder, rows, isolate, settings=()):
    course = classroom.make_course(folder / "course", settings)
    server = Server(folder)
    (course / "secret.txt").write_text("a secret of the instructor's")
    words = {"@COURSE@": str(course), "@ROOT@": str(ROOT), "@PORT@": str(server.port), "@SOCKET@": server.file}
    for row in rows:
        for submission in row.SUBMISSIONS:
            classroom.hand_in(submission, course / "class", words)
    before, root = snapshot(course), set(ROOT.iterdir())
    os.environ["GRADER_TOKEN"] = spies.TOKEN
    started = time.monotonic()
    try:
        with Watch() as watch:
            graded, skipped, out = classroom.grade(course, course / "class", isolate)
    finally:
        del os.environ["GRADER_TOKEN"]
    seconds = time.monotonic() - started
    after = snapshot(course, but=[out])
    changed = [str(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    changed += [str(path) for path in set(ROOT.iterdir()) - root if path.name in ("new", "x")]
    return Graded(course, out, graded, skipped, server.close(), changed, watch.memory, watch.processes, seconds)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, sandboxed):
    done = grade(tmp_path_factory.mktemp("hostile"), HOSTILE, True, SHORT)
    yield done
    classroom.remove(done.course)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory, isolate):
    done = grade(tmp_path_factory.mktemp("harmless"), HARMLESS, isolate)
    yield done
    classroom.remove(done.course)


def entries(rows):
    return [
        pytest.param(entry, id=f"{row.__name__.rpartition('.')[2]}-{ascii(entry.name)[1:-1]}")
        for row in rows
        for entry in row.SUBMISSIONS
    ]


def check(graded, entry):
    """What holds for every submission: its score, its reasons, and what its page may not hold."""
    if entry.skipped:
        assert entry.name not in graded.rows
        name = "".join(filter(str.isprintable, entry.name))
        assert any(name in line and entry.skipped in line for line in graded.skipped), graded.skipped
        return
    assert entry.name in graded.rows, graded.skipped
    row = graded.rows[entry.name]
    page, text = classroom.pages(graded.out, entry.name)
    shown = json.loads(text)
    errors = [
        (c["metadata"].get("nbgrader", {}).get("grade_id"), o["evalue"])
        for c in shown["cells"]
        for o in c.get("outputs", [])
        if o["output_type"] == "error"
    ]
    assert row.score == entry.score, (entry.must_not, row.notes, errors)
    assert entry.note in " ".join(row.notes), row.notes
    assert entry.says in page.replace("&#39;", "'").replace("&quot;", '"'), errors
    for word in (*HIDDEN, spies.TOKEN, *([entry.never] if entry.never else [])):
        assert word not in page and word not in text, (entry.must_not, word)
    found = browser.dangers(page)
    assert found == [], (entry.must_not, found)
    assert len(page) < 8 << 20 and len(text) < 24 << 20


@pytest.mark.parametrize("entry", entries(HOSTILE))
def test_what_a_hostile_submission_must_not_achieve(hostile, entry):
    check(hostile, entry)


@pytest.mark.parametrize("entry", entries(HARMLESS))
def test_what_a_malformed_or_unusual_submission_gets(harmless, entry):
    check(harmless, entry)


def test_one_submission_learns_nothing_of_another(hostile):
    for entry in spies.SUBMISSIONS:
        assert spies.MESSAGE not in classroom.pages(hostile.out, entry.name)[0] or entry.name == "leaves-a-message"
    assert spies.MESSAGE not in classroom.pages(hostile.out, "looks-for-a-message")[1]


def test_no_descriptor_leads_from_one_submission_to_the_next(sandboxed):
    """What one writes below Python, to any descriptor that it was born with, the next cannot read."""
    write = "import os\nfor fd in range(3): os.write(fd, b'a word for you')"
    read = """
import os, stat
for fd in range(256):
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        continue
    print("a file" if stat.S_ISREG(mode) else "", "a word" if stat.S_ISREG(mode) and os.pread(fd, 10**6, 0) else "")
"""
    runner = Runner()
    try:
        runner.run(Plan([Cell("a", "run", write)]))
        (result,) = runner.run(Plan([Cell("a", "run", read)]))
    finally:
        runner.close()
    assert result.message == "" and "a " not in str(result.outputs)


@pytest.mark.parametrize(
    "test",
    ["assert f() == 3, f()", "{1: 2}[f()]", "f()", "ok(f())", "assert f() == 3, deep()", "raise KeyError(deep())"],
)
def test_a_value_that_cannot_be_written_costs_its_test_alone(isolate, test):
    """Python refuses to write an integer of more than 4300 digits: not in the message of an exception either."""
    code = "def ok(*args): return 1\ndef f(): return 7**9000\n"
    code += "def deep():\n    y = {}\n    for _ in range(400): y = [y]\n    return y"
    cells = [Cell("code", "run", code), Cell("before", "test", "assert ok() == 1", points=1)]
    cells += [Cell("bad", "test", test, points=1), Cell("after", "test", "assert ok() == 1", points=1)]
    runner = Runner()
    try:
        scores = [result.score for result in runner.run(Plan(cells, isolate=isolate))]
    finally:
        runner.close()
    assert scores == [None, 1, 0, 1]


def test_nothing_outside_is_reached(hostile):
    assert hostile.calls == [] and hostile.changed == []


def test_no_process_is_left(hostile):
    left = [name for name in names_of_processes() if breakers.LEFT in name or "sleep 86397" in name]
    assert left == []


def test_memory_and_processes_are_bounded(hostile):
    assert 0 < hostile.most_memory < MEMORY and hostile.most_processes < PROCESSES


def test_malformed_submissions_change_and_cost_nothing(harmless):
    assert harmless.changed == [] and harmless.most_memory < MEMORY
    assert (
        sum(path.stat().st_size for path in harmless.out.rglob("*") if path.is_file() and not path.is_symlink())
        < 512 << 20
    )
    assert not Path("/absolute.txt").exists() and not list(harmless.out.rglob("escaped.txt"))


def test_no_page_runs_or_loads_anything_in_a_browser(harmless):
    if browser.CHROMIUM is None:
        pytest.skip("Chromium is not installed: the pages were parsed, and not opened in a browser.")
    chromium, found = browser.Browser(), {}
    try:
        for entry in markup.SUBMISSIONS:
            if done := chromium.visit(harmless.out / "feedback" / entry.name / LESSON / f"{LESSON}.html"):
                found[entry.name] = done
    finally:
        chromium.close()
    assert found == {}


def test_the_browser_and_the_parse_see_what_runs(tmp_path):
    """Without the grader's care the same payloads run; so those who look for it would see it."""
    found = {name: browser.dangers(f"<body>{text}") for name, text in markup.PAYLOADS.items()}
    assert sum(map(bool, found.values())) >= 12 and found["script"] and found["handlers"] and found["links"]
    if browser.CHROMIUM is None:
        pytest.skip("Chromium is not installed: only the parse was tried.")
    chromium, page = browser.Browser(), tmp_path / "page.html"
    try:
        for name in ("script", "handlers", "svg", "mutation", "styles", "loads"):
            page.write_text(f"<body>{markup.PAYLOADS[name]}")
            assert chromium.visit(page), name
    finally:
        chromium.close()


def test_every_row_of_the_threats_has_many_entries():
    counts = {row.__name__.rpartition(".")[2]: len(row.SUBMISSIONS) for row in (*HOSTILE, *HARMLESS)}
    assert all(count >= 10 for count in counts.values()) and sum(counts.values()) - counts["styles"] >= 80, counts
    names = [entry.name for rows in (HOSTILE, HARMLESS) for row in rows for entry in row.SUBMISSIONS]
    assert len(names) == len(set(names))
    assert all(entry.must_not for row in (*HOSTILE, *HARMLESS) for entry in row.SUBMISSIONS)
