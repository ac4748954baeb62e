"""Many submissions at once: on this machine's cores and on a Dask cluster, stopped at any moment, two graders at a time."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import batch, grade
from autograder.export_grades import export_grades
from autograder.problem import Problem
from autograder.record import OpenGradebook
from autograder.store import Store, alone

ROOT = Path(__file__).parents[2]
LESSON = "cubes"
RIGHT, WRONG = "def cube(x):\n    return x**3  # {}", "def cube(x):\n    return 27  # {}"


def make_course(folder, students):
    """A course of one small lesson; `students` is {name: answer}."""
    (folder / "solutions" / LESSON).mkdir(parents=True)
    (folder / "solutions" / f"{LESSON}.py").touch()
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    nb = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    marks = {"schema_version": 3, "task": False, "grade": False, "solution": False, "locked": True}
    for source, label, flags in (
        ("import math\n", "setup", {}),
        ("### BEGIN SOLUTION\n### END SOLUTION", "cube", {"solution": True, "locked": False}),
        ("assert cube(3) == 27", "visible", {"grade": True, "points": 1}),
        ("### BEGIN HIDDEN TESTS\nassert cube(-2) == -8\n### END HIDDEN TESTS", "hidden", {"grade": True, "points": 3}),
    ):
        nb.cells.append(nbformat.v4.new_code_cell(source, id=label))
        nb.cells[-1].metadata = {"nbgrader": {"grade_id": label, **marks, **flags}, "tags": [label]}
    nb.cells.append(nbformat.v4.new_markdown_cell("Why?", id="why"))
    nb.cells[-1].metadata = {"nbgrader": {"grade_id": "why", **marks, "grade": True, "solution": True, "points": 2}}
    nbformat.write(nb, folder / "solutions" / LESSON / f"{LESSON}.ipynb")
    for name, answer in students.items():
        hand_in(folder, name, answer)
    return folder


def hand_in(folder, student, answer):
    nb = nbformat.read(folder / "solutions" / LESSON / f"{LESSON}.ipynb", as_version=4)
    nb.cells[1].source = answer
    target = folder / "class" / student / LESSON
    target.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, target / f"{LESSON}.ipynb")


def make_class(n):
    """Every third answer is wrong, each is another text."""
    return {f"s{i:02}": (WRONG if i % 3 == 0 else RIGHT).format(i) for i in range(n)}


def deserved(students):
    return {name: 1.0 if "27" in answer else 4.0 for name, answer in students.items()}


def sound(folder):
    """{student: score}, after a look at all that a run leaves: whole files, a sound gradebook, every row once."""
    out = folder / "out"
    with sqlite3.connect(out / "gradebook.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for table, keys in (
            ("student", "id"),
            ("submitted_assignment", "assignment_id, student_id"),
            ("submitted_notebook", "notebook_id, assignment_id"),
            ("grade", "cell_id, notebook_id"),
            ("comment", "cell_id, notebook_id"),
        ):
            assert db.execute(f"SELECT 1 FROM {table} GROUP BY {keys} HAVING COUNT(*) > 1").fetchall() == [], table
    scores = {}
    with Gradebook(f"sqlite:///{out}/gradebook.db", "cnn-by-hand") as gradebook:
        for submission in gradebook.assignment_submissions(LESSON):
            name = submission.student.id
            [notebook] = submission.notebooks
            assert {g.name: g.auto_score is None for g in notebook.grades} == {
                "visible": False,
                "hidden": False,
                "why": True,
            }
            scores[name] = submission.score
            nbformat.validate(
                nbformat.read(out / "autograded" / name / LESSON / f"{LESSON}.ipynb", as_version=4), version=4
            )
            page = (out / "feedback" / name / LESSON / f"{LESSON}.html").read_text()
            assert page.rstrip().endswith("</html>") and f'{submission.score:g}<span class="unit"> of ' in page
    rows = (out / "grades.csv").read_text().splitlines()[1:]
    assert {row.split(",")[3]: float(row.split(",")[7]) for row in rows} == scores and len(rows) == len(scores)
    return scores


@pytest.fixture
def run(isolate):
    def run(folder, **options):
        """(the report of the run, its rows, what was skipped)"""
        options = grade.Options(**{"isolate": isolate, "jobs": 2, **options})
        grading = grade.Grading(folder, [LESSON], folder / "class", folder / "out", options)
        rows, skipped = grading.run()
        return grading.report, rows, skipped

    return run


def command(folder, isolate, *options):
    """`autograder grade`, as a process."""
    sandbox = [] if isolate else ["--no-sandbox"]
    line = [sys.executable, "-m", "autograder", "grade", LESSON, "--submissions", "class", "--output", "out"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*line, *sandbox, *options],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


# ---- one machine


def test_all_cores_and_then_only_what_changed(tmp_path, run):
    students = make_class(9) | {"twin": RIGHT.format(1)}
    folder = make_course(tmp_path, students)
    report, rows, skipped = run(folder)
    assert sound(folder) == deserved(students) and skipped == []
    assert report["graded"] == report["submissions"] == 10 and report["slots"] == 2
    assert json.loads((folder / "out" / ".graded" / "run.json").read_text()) == report
    assert [row.student for row in rows] == sorted(students)
    results = list((folder / "out" / ".graded" / "results").rglob("*.gz"))
    assert len(results) == 9, "the same work handed in twice is run once"
    hand_in(folder, "s04", WRONG.format("new"))
    report, again, _ = run(folder)
    assert report["graded"] == 1 and sound(folder) == deserved(students) | {"s04": 1.0}
    assert [row for row in again if row.student != "s04"] == [row for row in rows if row.student != "s04"]
    assert run(folder, only=["s01", "s02"], force=True)[0]["graded"] == 2


def test_what_is_kept_is_recorded_without_running_anything(tmp_path, run, monkeypatch):
    folder = make_course(tmp_path, make_class(4))
    run(folder)
    (folder / "out" / "gradebook.db").unlink()
    shutil.rmtree(folder / "out" / "feedback")
    monkeypatch.setattr("autograder.task.grade", None)
    assert run(folder)[0]["ran"] == 0 and sound(folder) == deserved(make_class(4))


def test_marks_comments_and_penalties_of_a_person_survive(tmp_path, run):
    folder = make_course(tmp_path, make_class(3))
    run(folder)
    with Gradebook(f"sqlite:///{folder}/out/gradebook.db", "cnn-by-hand") as gradebook:
        gradebook.find_grade("why", LESSON, LESSON, "s01").manual_score = 2
        gradebook.find_grade("hidden", LESSON, LESSON, "s01").manual_score = 1.5
        gradebook.find_grade("hidden", LESSON, LESSON, "s01").extra_credit = 0.5
        gradebook.find_comment("why", LESSON, LESSON, "s01").manual_comment = "a clear argument"
        gradebook.db.commit()
    report, _, _ = run(folder)
    page = folder / "out" / "feedback" / "s01" / LESSON / f"{LESSON}.html"
    assert report["graded"] == 0 and "a clear argument" in page.read_text() and "5<span" in page.read_text()
    hand_in(folder, "s01", WRONG.format("other"))
    run(folder)
    with Gradebook(f"sqlite:///{folder}/out/gradebook.db", "cnn-by-hand") as gradebook:
        grade_of = gradebook.find_grade("hidden", LESSON, LESSON, "s01")
        assert (grade_of.auto_score, grade_of.manual_score, grade_of.extra_credit) == (0, 1.5, 0.5)
        assert grade_of.needs_manual_grade, "a person looks at it again"
        assert gradebook.find_comment("why", LESSON, LESSON, "s01").comment == "a clear argument"
    assert "a clear argument" in page.read_text()


def hand_in_reason(folder, student, answer, reason):
    hand_in(folder, student, answer)
    path = folder / "class" / student / LESSON / f"{LESSON}.ipynb"
    nb = nbformat.read(path, as_version=4)
    nb.cells[-1].source = reason
    nbformat.write(nb, path)


def mark(folder, student, cell, score, extra=None):
    """As Formgrader does it."""
    with Gradebook(f"sqlite:///{folder}/out/gradebook.db", "cnn-by-hand") as gradebook:
        found = gradebook.find_grade(cell, LESSON, LESSON, student)
        found.manual_score, found.extra_credit = score, extra
        found.needs_manual_grade = score is None and found.auto_score is None
        gradebook.db.commit()


def marked(folder):
    """{(student, cell): (points, waits)} of what a person marks or marked."""
    with Gradebook(f"sqlite:///{folder}/out/gradebook.db", "cnn-by-hand") as gradebook:
        return {
            (submission.student.id, grade.name): (grade.score, grade.needs_manual_grade)
            for submission in gradebook.assignment_submissions(LESSON)
            for grade in submission.notebooks[0].grades
            if grade.name == "why" or grade.manual_score is not None
        }


def test_a_mark_stays_done_until_its_answer_is_another_one(tmp_path, run):
    names = ("same", "other", "extra", "never", "override", "bonus")
    folder = make_course(tmp_path, {})
    for name in names:
        hand_in_reason(folder, name, RIGHT.format(name), f"Because, says {name}.")
    run(folder)
    for name in ("same", "other", "override"):
        mark(folder, name, "why", 1)
    mark(folder, "extra", "why", 2, extra=0.5)
    mark(folder, "bonus", "why", None, extra=0.5)  # no mark yet
    mark(folder, "override", "hidden", 1.5)
    before = marked(folder)
    _, rows, _ = run(folder, force=True)
    assert marked(folder) == before == {
        ("same", "why"): (1, False), ("other", "why"): (1, False), ("extra", "why"): (2.5, False), ("never", "why"): (0, True),
        ("override", "why"): (1, False), ("override", "hidden"): (1.5, False), ("bonus", "why"): (0, True),
    }  # fmt: skip
    assert {row.student for row in rows if row.to_mark} == {"never", "bonus"}
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write("# changed\n")
    run(folder)
    assert marked(folder) == before, "a plain run records anew after a change of the settings"
    hand_in_reason(folder, "other", RIGHT.format("other"), "No, because of something else.")
    hand_in_reason(folder, "same", RIGHT.format("same, in other code"), "Because, says same.")
    hand_in_reason(folder, "override", WRONG.format("override"), "Because, says override.")
    changed = before | {("other", "why"): (1, True), ("override", "hidden"): (1.5, True)}
    run(folder)
    assert marked(folder) == changed, "the old points count until it is marked again"
    run(folder, force=True)
    assert marked(folder) == changed, "what waits goes on waiting"
    mark(folder, "other", "why", 0)
    run(folder, force=True)
    assert marked(folder) == changed | {("other", "why"): (0, False)}
    said = export_grades(folder / "out", [LESSON])
    assert f"{LESSON}: points of 2 submissions wait for your marks and are not in these grades yet." in said
    assert (
        f"{LESSON}: what you marked in 1 submission was changed since; the old points count until you mark it again."
        in said
    )


def test_a_run_that_is_stopped_takes_no_changed_answer_for_the_marked_one(tmp_path, run, monkeypatch):
    folder = make_course(tmp_path, {})
    hand_in_reason(folder, "ada", RIGHT.format(1), "Because.")
    run(folder)
    mark(folder, "ada", "why", 1)
    hand_in_reason(folder, "ada", RIGHT.format(1), "Because of another thing.")
    with monkeypatch.context() as stopping:
        stopping.setattr(OpenGradebook, "save", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(folder)
    assert marked(folder) == {("ada", "why"): (1, False)}
    run(folder)
    assert marked(folder) == {("ada", "why"): (1, True)}


def test_a_new_due_date_counts_without_running_anything(tmp_path, run):
    folder = make_course(tmp_path, make_class(2))
    (folder / "class" / "s01" / LESSON / "timestamp.txt").write_text("2026-11-22 12:00:00 UTC")
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write("from autograder.late import LatePenalty\nc.AssignLatePenalties.plugin_class = LatePenalty\n")
    run(folder)
    assert sound(folder)["s01"] == 4
    with Gradebook(f"sqlite:///{folder}/out/gradebook.db", "cnn-by-hand") as gradebook:
        gradebook.update_or_create_assignment(LESSON, duedate="2026-11-21 12:00:00 UTC")
    assert run(folder)[0]["ran"] == 0
    with Gradebook(f"sqlite:///{folder}/out/gradebook.db", "cnn-by-hand") as gradebook:
        assert gradebook.find_submission(LESSON, "s01").late_submission_penalty == pytest.approx(0.4)


def test_a_half_written_result_is_made_again(tmp_path, run):
    folder = make_course(tmp_path, make_class(3))
    run(folder)
    for path in (folder / "out" / ".graded" / "results").rglob("*.gz"):
        path.write_bytes(path.read_bytes()[: random.randrange(100)])
    shutil.rmtree(folder / "out" / ".graded" / "marks")
    assert run(folder)[0]["graded"] == 3 and sound(folder) == deserved(make_class(3))


def test_a_set_up_cell_that_fails_here_stops_the_run_and_saves_everything(tmp_path, run):
    folder = make_course(tmp_path, make_class(3))
    run(folder)
    before = sound(folder)
    source = folder / "solutions" / LESSON / f"{LESSON}.ipynb"
    good = source.read_text()
    source.write_text(good.replace("import math\\n", "import math\\ntable = open('/nowhere/table.csv')"))
    with pytest.raises(Problem, match=r"cubes: .*set-up cell fails .*`table = open.*FileNotFoundError.*Nobody loses"):
        run(folder)
    assert sound(folder) == before
    source.write_text(good)
    run(folder)
    assert sound(folder) == before


def test_two_graders_do_not_meet(tmp_path):
    told = rf"is in use by a grader or a collection \(process {os.getpid()} on .*\)\. Wait"
    with alone(tmp_path / ".graded"), pytest.raises(Problem, match=told), alone(tmp_path / ".graded"):
        raise AssertionError
    with alone(tmp_path / ".graded"):
        pass


def test_a_result_of_another_key_is_none(tmp_path):
    store = Store(tmp_path)
    store.keep("ab12", {"notebook": "é"})
    assert store.result("ab12") == {"notebook": "é"} and store.result("ab13") is None
    assert store.mark("results", "lock") == {}


# ---- stopped at any moment


def family(pid):
    """A process and its descendants."""
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout.split()
    parents = dict(zip(map(int, found[::2]), map(int, found[1::2]), strict=True))
    members = {pid}
    while more := {p for p, parent in parents.items() if parent in members} - members:
        members |= more
    return members


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_and_started_again(tmp_path, isolate, seed):
    """SIGKILL to the grader, or to one of the processes that grade for it, again and again; then a run to the end."""
    students = make_class(12)
    folder, dice = make_course(tmp_path, students), random.Random(seed)
    for _ in range(4):
        process = command(folder, isolate, "--jobs", "2")
        try:
            process.wait(dice.uniform(2, 14))
        except subprocess.TimeoutExpired:
            victims = family(process.pid)
            os.kill(process.pid if dice.random() < 0.5 else dice.choice(sorted(victims)), signal.SIGKILL)
            time.sleep(1)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            _gone(victims)
    process = command(folder, isolate, "--jobs", "2")
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert sound(folder) == deserved(students)


def _gone(processes):
    deadline = time.monotonic() + 30
    while alive := [pid for pid in processes if _runs(pid)]:
        assert time.monotonic() < deadline, f"left behind: {alive}"
        time.sleep(0.2)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_two_graders_at_once_as_processes(tmp_path, isolate):
    students = make_class(6)
    folder = make_course(tmp_path, students)
    both = [command(folder, isolate), command(folder, isolate)]
    said = [process.communicate(timeout=300)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 1], [0, 0]), said  # the second may come when the first is done
    if codes == [0, 1]:
        [loser] = [text for process, text in zip(both, said, strict=True) if process.returncode]
        assert "is in use by a grader" in loser and "Traceback" not in loser
    assert sound(folder) == deserved(students)


IDLE = """
import os, sys, time
from autograder import batch
if __name__ == "__main__":
    pool = batch.Local(2)
    print(*(pool.submit(batch.Call(i, os.getpid, ())).result() for i in range(8)), flush=True)
    time.sleep(600)
"""


def test_idle_workers_end_with_who_gave_them_work(tmp_path):
    (tmp_path / "idle.py").write_text(IDLE)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "idle.py"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True)
    workers = set(map(int, process.stdout.readline().split()))
    started = family(process.pid)
    assert workers <= started and process.pid not in workers
    process.kill()
    process.communicate()
    _gone(started)


def test_when_the_command_has_ended_nothing_that_ran_code_is_left(tmp_path, isolate):
    folder = make_course(tmp_path, make_class(2))
    process = command(folder, isolate, "--jobs", "2")
    runners = set()
    while process.poll() is None:
        runners |= {pid for pid in family(process.pid) if "autograder.runner" in _line_of(pid)}
    process.communicate()
    assert process.returncode == 0 and runners and not [pid for pid in runners if _runs(pid)]


def _line_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_what_python_need_not_look_through_at_its_end_is_frozen(tmp_path):
    asks = "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 10_000)); {}"
    for end in (
        "sys.argv = ['autograder', 'build']; from autograder.cli import script; script()",
        "import autograder.preload",
    ):
        line = [sys.executable, "-c", asks.format(end)]
        done = subprocess.run(
            line, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
        assert done.stdout == "True\n"


def test_an_interrupt_ends_no_process_of_the_pool():
    pool = batch.Local(1)
    try:
        assert pool.submit(batch.Call("", signal.getsignal, (signal.SIGINT,))).result() == signal.SIG_IGN
    finally:
        pool.close(idle=False)
    early = "from multiprocessing.forkserver import _forkserver; from autograder import batch; batch.prepare(); print(_forkserver._forkserver_pid, flush=True); input()"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", early], env=env, stdin=-1, stdout=-1, text=True) as process:
        server = process.stdout.readline().strip()
        ignored = re.search(r"SigIgn:\s+(\w+)", Path(f"/proc/{server}/status").read_text())[1]
        process.communicate("\n")
    assert int(ignored, 16) & 1 << (signal.SIGINT - 1), "while it still imports, too"


def test_a_changed_lesson_is_told_until_nobody_has_a_grade_of_before(tmp_path, run):
    """As where sections are graded one by one, from folders of their own."""
    folder = make_course(tmp_path / "course", make_class(2))
    run(folder)
    path = folder / "solutions" / LESSON / f"{LESSON}.ipynb"
    path.write_text(path.read_text().replace("cube(3) == 27", "cube(2) == 8"))
    (folder / "class" / "s00").rename(folder / "s00")
    for changed in (True, False):
        run(folder)
        assert bool(Store(folder / "out" / ".graded").other_sources(LESSON, folder)) == changed
        if changed:
            (folder / "s00").rename(folder / "class" / "s00")


# ---- who ends a worker


def gentle(x):
    return 2 * x


def deadly(x):
    os.kill(os.getpid(), signal.SIGKILL)


def failing(x):
    raise ValueError(x)


def test_the_culprit_that_ends_workers_is_found():
    pool = batch.Local(2)
    calls = [batch.Call(i, {3: deadly, 5: failing}.get(i, gentle), (i,)) for i in range(12)]
    try:
        found = list(batch.drive(pool, calls, batch.deque([batch.Call("first", gentle, (50,))])))
    finally:
        pool.close(idle=False)
    outcomes = {call.about: outcome for call, outcome in found}
    assert len(found) == 13 and outcomes["first"] == 100
    assert isinstance(outcomes.pop(3), batch.WorkerDied) and isinstance(outcomes.pop(5), ValueError)
    assert outcomes == {i: 2 * i for i in range(12) if i not in (3, 5)} | {"first": 100}


def test_what_never_ends_is_ended_and_named():
    pool = batch.Local(2)
    calls = [batch.Call("never", time.sleep, (600,), home=True, seconds=1)]
    calls += [batch.Call(i, gentle, (i,), seconds=60) for i in range(4)]
    try:
        outcomes = {call.about: outcome for call, outcome in batch.drive(pool, calls, batch.deque())}
    finally:
        pool.close(idle=False)
    assert isinstance(outcomes.pop("never"), batch.WorkerDied) and outcomes == {i: 2 * i for i in range(4)}


def test_while_none_is_done_the_bar_goes_on():
    future = batch.Future()
    pool = SimpleNamespace(submit=lambda call: future, look=lambda: None, has_room=lambda calls: not calls)
    call = batch.Call("slow", gentle, (1,))
    assert list(batch.drive(pool, [call], batch.deque(), lambda: future.set_result(2))) == [(call, 2)]


@pytest.mark.parametrize(("quick", "pages", "work"), [(2, 2, 4), (99, 4, 0)])
def test_pages_at_home_keep_no_work_from_the_workers_and_do_not_pile_up(quick, pages, work):
    """Of a cluster with two workers, where the first calls are quick, all others and the pages never done."""

    def submit(call):
        under_way.append((call, future := batch.Future()))
        if not call.home and call.about < quick:
            future.set_result(None)
        return future

    def enough():
        raise TimeoutError

    under_way, more = [], batch.deque()
    calls = [batch.Call(i, gentle, (i,)) for i in range(99)]
    pool = SimpleNamespace(slots=2, submit=submit, look=lambda: None)
    pool.has_room = partial(batch.Cluster.has_room, pool)
    with pytest.raises(TimeoutError):
        for call, _ in batch.drive(pool, calls, more, enough):
            more.append(batch.Call(call.about, gentle, (), home=True))
    left = [call for call, future in under_way if not future.done()]
    assert (sum(call.home for call in left), sum(not call.home for call in left)) == (pages, work)


KILLER = """
import os, signal
for line in open("/proc/self/stat"):
    pid = os.getppid()
for _ in range(20):  # up to the process that grades
    text = open(f"/proc/{pid}/cmdline").read().replace("\\0", " ")
    if "forkserver" in text or "distributed" in text or "dask" in text or "multiprocessing" in text:
        os.kill(pid, signal.SIGKILL)
        break
    pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
def cube(x): return x**3
"""


def test_a_submission_that_ends_its_worker_is_named_and_costs_nobody_else(tmp_path, run):
    """Without isolation a student's code can end the process that grades it."""
    students = make_class(5)
    folder = make_course(tmp_path, students | {"zoe": KILLER})
    _, rows, skipped = run(folder, isolate=False)
    [zoe] = [row for row in rows if row.student == "zoe"]
    assert "was ended twice" in zoe.note and zoe.score == 0 and skipped == []
    assert sound(folder) == deserved(students) | {"zoe": 0.0}


# ---- many machines


@contextmanager
def cluster(workers=2):
    """A real scheduler with workers: (its address, the processes of the workers)."""
    pytest.importorskip("distributed", reason="Dask is not installed: grading on a cluster is not tested")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": env}

    def start(*line):
        return subprocess.Popen([sys.executable, "-m", *line], **quiet)

    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"scheduler-{os.getpid()}-{time.monotonic_ns()}.json"
    scheduler = start(
        "distributed.cli.dask_scheduler",
        "--host=127.0.0.1",
        "--port=0",
        "--no-dashboard",
        f"--scheduler-file={folder}",
    )
    started = [scheduler]
    try:
        while not (folder.exists() and folder.stat().st_size):  # made first, then written
            assert scheduler.poll() is None
            time.sleep(0.1)
        address = json.loads(folder.read_text())["address"]
        made = [
            start("distributed.cli.dask_worker", address, "--nthreads=1", "--no-dashboard", "--host=127.0.0.1")
            for _ in range(workers)
        ]
        started += made
        yield address, made
    finally:
        for process in reversed(started):
            for pid in family(process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    continue
            process.wait()
        folder.unlink(missing_ok=True)


def test_a_cluster_gives_what_one_machine_gives(tmp_path, run):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: grading on a cluster is not tested")
    students = make_class(10)
    one, many = make_course(tmp_path / "one", students), make_course(tmp_path / "many", students)
    _, rows, _ = run(one)
    with cluster() as (address, _):
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2)
        report, rows_too, skipped = run(many, scheduler=address)
    assert rows_too == rows and skipped == [] and report["graded"] == 10 and report["slots"] == 2
    assert sound(many) == sound(one) == deserved(students)


def test_workers_that_die_lose_and_double_nothing(tmp_path, run):
    """One worker is killed in the middle; another submission kills every worker that runs it."""
    slow = "import time\ntime.sleep(0.3)\n"
    students = {name: slow + answer for name, answer in make_class(12).items()}
    folder = make_course(tmp_path, students | {"mallory": KILLER})
    with cluster() as (address, workers):
        import threading

        def kill():
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and len(list((folder / "out").rglob("*.gz"))) < 3:
                time.sleep(0.05)
            for pid in family(workers[0].pid) - {workers[0].pid}:  # the nanny starts another
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    continue

        killer = threading.Thread(target=kill)
        killer.start()
        _, rows, skipped = run(folder, isolate=False, scheduler=address)
        killer.join()
    assert skipped == [] and Counter(row.student for row in rows) == Counter([*students, "mallory"])
    assert ["was ended twice" in row.note for row in rows] == [row.student == "mallory" for row in rows]
    assert sound(folder) == deserved(students) | {"mallory": 0.0}


def test_a_scheduler_that_is_not_there(tmp_path, run, monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed: grading on a cluster is not tested")
    monkeypatch.setattr(batch, "PATIENCE", 1)
    folder = make_course(tmp_path, make_class(1))
    with pytest.raises(Problem, match=r"no Dask scheduler with workers at tcp://127.0.0.1:9"):
        run(folder, scheduler="tcp://127.0.0.1:9")


def test_who_waits_for_workers_is_told_at_once(monkeypatch):
    monkeypatch.setattr(batch, "PATIENCE", 2)
    said, pool = [], batch.local(1)
    with cluster(workers=0) as (address, _), pytest.raises(Problem, match="no Dask scheduler with workers"):
        batch.Cluster(address, str, pool, said.append)
    start = f"On each machine, start `dask worker {address} --nworkers CORES --nthreads 1`."
    assert said == [f"No worker is at {address} yet; waiting 2 s for one. {start}"]


def test_only_a_worker_that_answers_can_be_refused():
    pool = object.__new__(batch.Cluster)
    pool.client = SimpleNamespace(close=lambda: None)
    pool._inspect({"one": "", "two": OSError("Timed out trying to connect")})
    with pytest.raises(Problem, match=r"The worker two cannot grade: it cannot run this grader \(ModuleNotFoundError"):
        pool._inspect({"one": "", "two": ModuleNotFoundError("autograder")})


def test_workers_of_another_version_are_refused(tmp_path, run, monkeypatch):
    folder = make_course(tmp_path, make_class(1))
    monkeypatch.setattr(grade, "grader", lambda: "another")
    with cluster(1) as (address, _), pytest.raises(Problem, match=r"The worker .* is of another version"):
        run(folder, scheduler=address)
