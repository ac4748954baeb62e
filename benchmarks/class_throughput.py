"""Whole classes: `autograder grade`, isolated and with feedback pages, against `nbgrader autograde` without either, on the same submissions.

    python benchmarks/class_throughput.py                        trivial code: 10, 100 and 1,000 submissions
    python benchmarks/class_throughput.py --typical --sizes 10 100     the solution of a lesson: its tests take a second
    python benchmarks/class_throughput.py --cluster --typical    one against two workers of a Dask cluster
    python benchmarks/class_throughput.py --cluster --waiting    the same where submissions wait: how well the workers are kept busy

With two cores, two workers that compute have no core left for the grader that feeds them and makes pages; one worker has. So one worker
and two are also compared with as many cores as workers, for all processes together.

Every submission differs from the others. nbgrader is measured before and after each of our runs, on a few submissions: it grades one after
the other, so that its rate does not depend on how many there are. Whole processes are timed, their start included; the rate without it
comes from the difference to the run before. Memory is that of all processes together, each shared page counted once.
"""

import argparse
import contextlib
import copy
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
TYPICAL, WAITS = "05_conv_backward", 0.1  # seconds
ENV = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
STOCK_CONFIG = 'c = get_config()\nc.CourseDirectory.course_id = "stock"\n'


def trivial(waits=0.0):
    """A notebook with four tests that call a function twice; it does next to nothing, or waits so many seconds."""
    marks = {"schema_version": 3, "task": False, "grade": False, "solution": False, "locked": True}
    wait = f"    import time\n    time.sleep({waits})\n" if waits else ""
    cells = [
        (
            f"def square(x):\n    ### BEGIN SOLUTION\n{wait}    return x * x\n    ### END SOLUTION",
            "square",
            {"solution": True, "locked": False},
        )
    ]
    for n in range(4):
        test = f"assert square({n}) == {n * n}\n### BEGIN HIDDEN TESTS\nassert square(-{n}) == {n * n}\n### END HIDDEN TESTS"
        cells.append((test, f"test-{n}", {"grade": True, "points": 1}))
    nb = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    for source, label, flags in cells:
        nb.cells.append(nbformat.v4.new_code_cell(source, id=label))
        nb.cells[-1].metadata["nbgrader"] = {"grade_id": label, **marks, **flags}
    return "squares", nb


def typical():
    return TYPICAL, nbformat.read(ROOT / "solutions" / TYPICAL / f"{TYPICAL}.ipynb", as_version=4)


def submissions(folder, name, nb, n):
    """n submissions, each with a comment of its own."""
    for number in range(n):
        theirs = copy.deepcopy(nb)
        for cell in theirs.cells:
            if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution"):
                cell.source += f"\n# student {number}"
        target = folder / f"s{number:05}" / name
        target.mkdir(parents=True)
        nbformat.write(theirs, target / f"{name}.ipynb")


def course(parent, name, nb, config):
    parent.mkdir(parents=True)
    for tree in ("solutions", "source"):
        (parent / tree / name).mkdir(parents=True)
        nbformat.write(nb, parent / tree / name / f"{name}.ipynb")
    (parent / "solutions" / f"{name}.py").touch()
    (parent / "nbgrader_config.py").write_text(config)
    return parent


class Memory(threading.Thread):
    """The most memory that a process and its descendants have at a time, in MB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.ended = pid, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.5):
            self.most = max(self.most, sum(map(self.size, self.family())) >> 10)

    def family(self):
        parents = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        found = {self.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    @staticmethod
    def size(pid):
        try:
            return int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])
        except (OSError, TypeError):
            return 0


def started(folder, *line):
    return subprocess.Popen(
        [sys.executable, "-m", *line], cwd=folder, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(process):
    said, _ = process.communicate()
    if process.returncode:
        sys.exit(said)


def timed(folder, *line):
    """(seconds, MB)"""
    start = time.perf_counter()
    process = started(folder, *line)
    memory = Memory(process.pid)
    finished(process)
    memory.ended.set()
    return time.perf_counter() - start, memory.most


def stock_rate(folder, name, few):
    """Seconds for one more submission, by nbgrader's own run."""
    one, _ = timed(folder, "nbgrader", "autograde", name, "--force", "--student", "s00000")
    all_, _ = timed(folder, "nbgrader", "autograde", name, "--force")
    return (all_ - one) / (few - 1)


def throughput(parent, name, nb, sizes, few):
    """Print a line for each size."""
    stock = course(parent / "stock", name, nb, STOCK_CONFIG)
    submissions(stock / "submitted", name, nb, few)
    timed(stock, "nbgrader", "generate_assignment", name)
    print("submissions    s   s each   s for one more   nbgrader's   ratio whole   ratio   MB   core-s each")
    before, last = stock_rate(stock, name, few), None
    for n in sizes:
        ours = course(parent / f"ours{n}", name, nb, (ROOT / "nbgrader_config.py").read_text())
        submissions(ours / "class", name, nb, n)
        seconds, memory = timed(ours, "autograder", "grade", name, "--submissions", "class", "--output", "out")
        after = stock_rate(stock, name, few)
        report = json.loads((ours / "out" / ".graded" / "run.json").read_text())
        assert report["graded"] == n and not report["not_graded"] and not report["attention"] and report["isolated"]
        more = (seconds - last[1]) / (n - last[0]) if last else float("nan")
        theirs, last = statistics.mean([before, after]), (n, seconds)
        print(
            f"{n:11,} {seconds:6.1f} {seconds / n:7.3f} {more:15.3f} {theirs:12.3f} {theirs * n / seconds:12.1f} {theirs / more:7.1f} "
            f"{memory:5} {more * report['slots']:9.3f}",
            flush=True,
        )
        before = after
        shutil.rmtree(ours)


@contextlib.contextmanager
def dask(folder, workers, cores):
    """The address of a scheduler with workers, all of them on these cores."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    here = ["--no-dashboard", "--host=127.0.0.1"]
    scheduler = pinned(cores, folder, "distributed.cli.dask_scheduler", "--port=0", f"--scheduler-file={file}", *here)
    processes = [scheduler]
    try:
        while not (file.exists() and file.stat().st_size):  # made first, then written
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        line = ["distributed.cli.dask_worker", address, "--nthreads=1", f"--nworkers={workers}", *here]
        processes.append(pinned(cores, folder, *line))
        yield address
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
            process.wait()


def pinned(cores, folder, *line):
    """A Python module's process on these cores."""
    return subprocess.Popen(
        [sys.executable, "-m", *line],
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        cwd=folder,
        env=ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def cluster(parent, name, nb, n, rounds=3):
    """Print how much faster two workers are than one, in turn: with all cores for both, and with a core for each worker."""
    made = course(parent / "cluster", name, nb, (ROOT / "nbgrader_config.py").read_text())
    submissions(made / "class", name, nb, n)
    cores = sorted(os.sched_getaffinity(0))
    for what, few in (
        ("all cores for one worker and for two", len(cores)),
        ("a core for all with one worker, two with two", 1),
    ):
        times, busy = {1: [], 2: []}, {1: [], 2: []}
        for turn in range(rounds + 1):
            for workers in times:
                report = on_cluster(made, name, workers, cores[: few * workers])
                assert report["graded"] == n
                if turn:
                    times[workers].append(report["seconds"])
                    busy[workers].append(report["core_seconds"])
        print(f"{what}, {n} submissions: {scaling(times, busy)}", flush=True)


def on_cluster(made, name, workers, cores):
    """The report of a run over the class, with workers that are warm."""
    options = ["--submissions", "class", "--output", f"out{workers}", "--force", "--scheduler"]
    few = [f"s{i:05}" for i in range(2 * workers)]  # these warm it up
    with dask(made, workers, cores) as address:
        for only in (["--only", *few], []):
            if pinned(cores, made, "autograder", "grade", name, *options, address, *only).wait():
                sys.exit("A run on the cluster failed.")
    return json.loads((made / f"out{workers}" / ".graded" / "run.json").read_text())


def scaling(times, busy):
    """What the seconds of runs, and those in which their workers had a submission in hand, say of one and two workers."""
    one, two = (statistics.median(values) for values in times.values())
    ratios = [a / b / 2 for a, b in zip(times[1], times[2], strict=True)]
    longer = statistics.median(b / a for a, b in zip(busy[1], busy[2], strict=True))
    shares = [
        statistics.median(b / t / workers for b, t in zip(busy[workers], times[workers], strict=True))
        for workers in times
    ]
    return (
        f"one worker {one:.1f} s, two {two:.1f} s, efficiency {statistics.median(ratios):.2f} "
        f"(in turn: {', '.join(f'{ratio:.2f}' for ratio in ratios)}); "
        f"a submission took {longer:.2f} times as long with the other worker beside it; "
        f"one worker had one in hand {shares[0]:.0%} of the time, each of two {shares[1]:.0%}"
    )


def side_by_side(parent, name, nb, n, rounds=3):
    """Print how long a grader with one core takes beside another that has the other core: alone / beside it, in turn."""
    folders = [course(parent / f"alone{i}", name, nb, (ROOT / "nbgrader_config.py").read_text()) for i in range(2)]
    for folder in folders:
        submissions(folder / "class", name, nb, n)
    cores = sorted(os.sched_getaffinity(0))[:2]
    line = ["autograder", "grade", name, "--submissions", "class", "--output", "out", "--force", "--jobs", "1"]

    def seconds(some):
        both = [pinned([core], folder, *line) for folder, core in zip(some, cores, strict=False)]
        if any([process.wait() for process in both]):
            sys.exit("A grader failed.")
        reports = [json.loads((folder / "out" / ".graded" / "run.json").read_text()) for folder in some]
        assert all(report["graded"] == n for report in reports)
        return max(report["seconds"] for report in reports)

    seconds(folders)
    ratios = [seconds(folders[:1]) / seconds(folders) for _ in range(rounds)]
    print(
        f"two graders that share nothing, each with a core of its own: {statistics.median(ratios):.2f} (in turn: "
        + ", ".join(f"{ratio:.2f}" for ratio in ratios)
        + ")"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    code = parser.add_mutually_exclusive_group()
    code.add_argument("--typical", action="store_true")
    code.add_argument("--waiting", action="store_true")
    parser.add_argument("--cluster", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--stock", type=int, default=10, help="submissions on which nbgrader is measured")
    args = parser.parse_args()
    name, nb = typical() if args.typical else trivial(WAITS if args.waiting else 0)
    with tempfile.TemporaryDirectory() as parent:
        if args.cluster:
            cluster(Path(parent), name, nb, args.sizes[0])
            if not args.waiting:
                side_by_side(Path(parent), name, nb, args.sizes[0])
        else:
            throughput(Path(parent), name, nb, args.sizes, args.stock)


if __name__ == "__main__":
    main()
