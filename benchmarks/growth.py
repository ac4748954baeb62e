"""How time and memory grow with the batch, the channels, the image and the depth, from small to large.

    python benchmarks/growth.py [--gigabytes 8] [--write]

One 3 x 3 layer of 32 channels on 32 x 32 pixels, batch 16, forward and backward; one of its sizes grows by a factor of two
until the arrays would need more than the memory given, or a call takes longer than 5 s. Depth is a stack of such layers with
ReLU, one training step. Each point has milliseconds of processor time and megabytes at the peak, both also for one unit of
work, which should fall and then stay: there is no size from which on it is suddenly dear. With --write the chart
docs/images/growth.svg and the numbers benchmarks/growth.json are made again.
"""

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import argparse  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import measuring  # noqa: E402
import numpy as np  # noqa: E402
from report import BLUE, DOCS, GREY, ORANGE  # noqa: E402

from cnnlib import nn, ops  # noqa: E402
from cnnlib.autograd import Tensor  # noqa: E402

START = {"batch": 16, "channels": 32, "image": 32, "depth": 1}
FIRST = {"batch": 1, "channels": 1, "image": 4, "depth": 1}
UNIT = {"batch": "image", "channels": "channel²", "image": "pixel", "depth": "layer"}
LONGEST = 5  # seconds of a call after which a curve ends
COPIES = 12  # arrays as large as the images that a layer may have at once, forward and backward


def work(batch, channels, image, depth):
    """A function that goes forward and backward once."""
    x = np.zeros((batch, image, image, channels), np.float32).transpose(0, 3, 1, 2)
    x += np.float32(0.5)
    if depth == 1:
        w = np.full((channels, channels, 3, 3), 0.01, np.float32)

        def layer():
            out, cache = ops.conv2d_forward(x, w, padding=1)
            return ops.conv2d_backward(out, cache)

        return layer
    layers = [part for _ in range(depth) for part in (nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())]
    net = nn.Sequential(*layers)

    def step():
        (net(Tensor(x)) * (1 / x.size)).sum().backward()

    return step


def seconds(run):
    started = time.process_time()
    run()
    return time.process_time() - started


def units(what, sizes):
    """How much work it is, in the unit of the chart."""
    value = sizes[what]
    return {"batch": value, "channels": value**2, "image": value**2, "depth": value}[what]


def grow(what, gigabytes):
    """The points of one curve."""
    sizes, points = START | {what: FIRST[what]}, []
    while (
        sizes["batch"] * sizes["channels"] * sizes["image"] ** 2 * 4 * (COPIES + 3 * (sizes["depth"] - 1))
        < gigabytes * 1e9
    ):
        run = work(**sizes)
        first = seconds(run)  # not counted: memory that a machine hands out for the first time is dear
        times = max(3 if first < 1 else 1, min(50, int(0.1 / max(first, 1e-6))))
        rounds = [seconds(run) for _ in range(times)]
        del run
        point = {"size": sizes[what], "milliseconds": round(1000 * float(np.median(rounds)), 4)}
        point["megabytes"] = measuring.megabytes(lambda sizes=sizes: work(**sizes))
        point["units"] = units(what, sizes)
        points.append(point)
        megabytes = f"{point['megabytes']:9.1f}" if point["megabytes"] is not None else "        ?"
        each = 1e3 * point["milliseconds"] / point["units"]
        print(
            f"{what:9} {point['size']:7} {point['milliseconds']:11.3f} ms {megabytes} MB {each:11.4f} µs per {UNIT[what]}",
            flush=True,
        )
        if rounds[-1] > LONGEST:
            break
        sizes = sizes | {what: 2 * sizes[what]}
    return points


def cliff(points):
    """The largest growth of the time for one unit of work from one size to the next."""
    each = [point["milliseconds"] / point["units"] for point in points]
    return max((after / before for before, after in itertools.pairwise(each)), default=1.0)


def chart(curves):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.6), layout="constrained")
    axes = figure.subplots(2, len(curves), sharex="col")
    for column, (what, points) in enumerate(curves.items()):
        for row, (key, colour, label) in enumerate([("milliseconds", BLUE, "ms"), ("megabytes", ORANGE, "MB")]):
            ax = axes[row, column]
            shown = [p for p in points if p[key]]
            ax.plot([p["size"] for p in shown], [p[key] for p in shown], "o-" if row == 0 else "D-", color=colour, ms=4)
            if shown:
                last = shown[-1]
                ax.plot(
                    [p["size"] for p in shown],
                    [last[key] * p["units"] / last["units"] for p in shown],
                    "--",
                    color=GREY,
                    lw=1,
                )
            ax.set(xscale="log", yscale="log")
            ax.spines[["top", "right"]].set_visible(False)
            if column == 0:
                ax.set_ylabel(f"{label}, forward and backward")
        axes[1, column].set_xlabel(what if what != "image" else "image: pixels a side")
    figure.suptitle("One layer (or a stack) as one of its sizes grows; dashed: in proportion to the work", fontsize=11)
    figure.savefig(DOCS / "images" / "growth.svg", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    measuring.pin(1)
    curves = {what: grow(what, arguments.gigabytes) for what in START}
    for what, points in curves.items():
        print(f"{what}: from one size to the next, a unit of work takes at most {cliff(points):.2f} times as long")
    if arguments.write:
        found = {"machine": measuring.machine(), "curves": curves}
        Path(__file__).with_name("growth.json").write_text(json.dumps(found, indent=1) + "\n")
        chart(curves)


if __name__ == "__main__":
    main()
