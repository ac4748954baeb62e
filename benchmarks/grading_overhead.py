"""Grading time per submission, beyond the student's own code: this grader against stock nbgrader, on the same submissions in the same run.

Ten copies of nbgrader's quickstart solution (its code takes next to no time) are graded by `nbgrader autograde`, once with nbgrader's own run and
once with ours, isolated, in turn. Whole processes are timed, start and gradebook included; medians and the ratio are printed.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDENTS, ROUNDS = 10, 3
ADOPT = "\nfrom autograder.execute import configure\nconfigure(get_config())\n"


def nbgrader(folder, *args):
    env = {**os.environ, "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "nbgrader", *args], cwd=folder, env=env, check=True, capture_output=True)
    return time.perf_counter() - started


def course(parent, adopt):
    nbgrader(parent, "quickstart", "ours" if adopt else "stock")
    folder = parent / ("ours" if adopt else "stock")
    if adopt:
        config = folder / "nbgrader_config.py"
        config.write_text(config.read_text() + ADOPT)
    nbgrader(folder, "generate_assignment", "ps1")
    for number in range(STUDENTS):
        shutil.copytree(folder / "source" / "ps1", folder / "submitted" / f"s{number}" / "ps1")
    return folder


def main():
    with tempfile.TemporaryDirectory() as parent:
        folders = {name: course(Path(parent), name == "ours") for name in ("stock", "ours")}
        times = {name: [] for name in folders}
        for _ in range(ROUNDS):
            for name, folder in folders.items():
                times[name].append(nbgrader(folder, "autograde", "ps1", "--force"))
        one = {}
        for name, folder in folders.items():  # the cost of starting, from a run over one student
            one[name] = statistics.median(
                nbgrader(folder, "autograde", "ps1", "--student", "s0", "--force") for _ in range(ROUNDS)
            )
        each = {}
        for name, values in times.items():
            each[name] = (statistics.median(values) - one[name]) / (STUDENTS - 1)
            print(
                f"{name:5}: {STUDENTS} submissions (two notebooks each) {statistics.median(values):6.2f} s, one {one[name]:5.2f} s, each further one {each[name]:5.2f} s"
            )
        ratios = [stock / ours for stock, ours in zip(times["stock"], times["ours"], strict=True)]
        print(
            f"stock / ours: whole run {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}), per further submission {each['stock'] / each['ours']:.1f}"
        )


if __name__ == "__main__":
    main()
