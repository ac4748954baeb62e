"""The library's layers against PyTorch's on one processor core, forward and backward, and two networks in training.

    python benchmarks/layers.py [--rounds 15] [--only WORD ...] [--write]

Needs PyTorch (`pip install -e .[oracle]`). All sides do the same work in turn, in one process on one core, with one thread
each; what counts is the processor time of the process, so that other programs on the machine disturb little. For every row
the table has the median over the rounds of ours / theirs, with the middle half of the rounds in brackets: first against
PyTorch's usual memory order (N, C, H, W), then against its channels_last, in which its layers are quickest. Then: the same in
float64; our milliseconds; our multiply-adds as a share of what numpy's matrix product reaches in the same round (Winograd's
way counts as the definition does, so it may be over 100 %); the peak of additional memory, ours / theirs; the largest error
against float64, ours and theirs, in units of the result's standard deviation; how many times as long a textbook's
convolution takes as ours. A star reaches the goal of the design, an exclamation mark misses its floor.

With --write the results go to benchmarks/layers.json, and table and chart to docs/performance.md. Two threads on two cores
are measured in a second process, by the clock on the wall.
"""

import os
import sys

THREADS = 2 if "--two" in sys.argv else 1
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(THREADS)  # before numpy and torch are loaded

import argparse  # noqa: E402
import json  # noqa: E402
import subprocess  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import measuring  # noqa: E402
import numpy as np  # noqa: E402
import report  # noqa: E402
import torch  # noqa: E402
from sides import LAYOUTS, NETWORKS, ROWS, multiply_adds, our_layer, ours, products, textbook, theirs  # noqa: E402

torch.set_num_threads(THREADS)
CLOCK = time.perf_counter if THREADS > 1 else time.process_time
ON_TWO = ["3x3, 64, 56²", "3x3, 128, 28²", "3x3, 16, 32²", "ResNet-20, training step, batch 64"]


def memory(row):
    """Megabytes of ours and theirs, forward and backward, after a first call with one image."""
    if row.kind == "inference":
        return None
    small = row if row.kind in NETWORKS else row._replace(x=(1, *row.x[1:]))

    def prepare(side):
        make = ours if side == "ours" else lambda row, dtype: theirs(row, dtype, LAYOUTS[side])
        make(small, np.float32)()
        return make(row, np.float32)

    return {side: measuring.megabytes(lambda side=side: prepare(side)) for side in ("ours", *LAYOUTS)}


def errors(row):
    """The largest errors of ours and theirs in float32, in standard deviations of float64's results by the plain way."""
    plain = row._replace(options={**row.options, "algo": "direct"})
    exact = our_layer(plain, np.float64)()
    sides = ours(row, np.float32)(), [a.numpy() for a in theirs(row, np.float32, torch.contiguous_format)()]
    return [
        float(f"{max(np.abs(a - b).max() / b.std() for a, b in zip(side, exact, strict=True)):.2g}") for side in sides
    ]


def measure(row, rounds, dtypes):
    """One row of the table as a dictionary."""
    result = {"name": row.name, "kind": row.kind, "goal": row.goal, "floor": row.floor}
    for dtype in dtypes:
        sides = {side: theirs(row, dtype, layout) for side, layout in LAYOUTS.items()} | {"ours": ours(row, dtype)}
        a = np.ones((512, 512), dtype)
        sides["product"] = lambda a=a: a @ a
        if row.w[2:] == (1, 1):
            sides["three products"] = products(row, dtype)
        taken = measuring.times(sides, rounds, CLOCK)
        found = {
            "milliseconds": {side: measuring.spread(1000 * taken[side]) for side in ("ours", *LAYOUTS)},
            "ratio": {side: measuring.spread(taken["ours"] / taken[side]) for side in LAYOUTS},
        }
        if multiply_adds(row):
            share = multiply_adds(row) / taken["ours"] / (512**3 / taken["product"])
            found["share of peak"] = measuring.spread(share)[0]
        if "three products" in sides:
            found["three products"] = {
                side: measuring.spread(taken["three products"] / taken[side]) for side in LAYOUTS
            }
        result[np.dtype(dtype).name] = found
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="*", default=[], help="rows whose name has one of these words")
    parser.add_argument("--write", action="store_true", help="the result file, and the page that shows it")
    parser.add_argument("--two", action="store_true", help="two threads, as JSON on one line")
    arguments = parser.parse_args()
    measuring.pin(THREADS)
    if arguments.two:
        rows = [measure(row, arguments.rounds, [np.float32]) for row in ROWS if row.name in ON_TWO]
        return print(json.dumps(rows))

    rows = [row for row in ROWS if not arguments.only or any(word in row.name for word in arguments.only)]
    needs = {row.name: memory(row) for row in rows}  # first, while the process has nothing in stock
    found = {"machine": measuring.machine() | {"torch": torch.__version__}, "rounds": arguments.rounds, "rows": []}
    print("\n".join(f"{key}: {value}" for key, value in found["machine"].items()), report.HEADER, sep="\n\n")
    for row in rows:
        result = measure(row, arguments.rounds, (np.float32, np.float64))
        result["megabytes"] = needs[row.name]
        if row.kind not in NETWORKS:
            result["errors"] = errors(row)
        if row.kind == "conv2d":
            sides = {"textbook": textbook(row, np.float32), "ours": ours(row, np.float32)}
            taken = measuring.times(sides, 3)
            result["textbook"] = measuring.spread(taken["textbook"] / taken["ours"])[0]
        found["rows"].append(result)
        print(report.line(result), flush=True)
    found["import milliseconds"] = measuring.import_milliseconds()
    print("\nimport: " + ", ".join(f"{name} {ms} ms" for name, ms in found["import milliseconds"].items()))
    if (os.cpu_count() or 1) < 2 or arguments.only or os.getloadavg()[0] > 1.5:  # this process alone is 1
        print("Two threads are not measured: that takes a second core that has nothing else to do.")
    else:
        again = [sys.executable, __file__, "--two", "--rounds", str(arguments.rounds)]
        environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
        os.sched_setaffinity(0, range(os.cpu_count())) if hasattr(os, "sched_setaffinity") else None
        found["two threads"] = json.loads(subprocess.run(again, env=environment, check=True, stdout=-1).stdout)
        print("\nTwo threads, wall time:\n" + "\n".join(report.line(row) for row in found["two threads"]))
    if arguments.write:
        path = Path(__file__).with_name("layers.json")
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        report.write(found)


if __name__ == "__main__":
    main()
