"""Lesson 05, bonus: one layer by loops, im2col, Winograd's way and PyTorch, with how often each multiplies."""

import importlib.util
import time

import numpy as np

from .. import ops
from ..plot import BLUE, GREY, INK, ORANGE, axes, picture

SHAPE, FILTERS = (2, 32, 32, 32), (32, 32, 3, 3)


def ways():
    """For each way a function that computes the layer, and the multiplications for 16 outputs of one channel."""
    rng = np.random.default_rng(5)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in (SHAPE, FILTERS))
    xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))

    def loop():
        out = np.empty((SHAPE[0], FILTERS[0], *SHAPE[2:]), np.float32)
        for n, k, i, j in np.ndindex(out.shape):
            out[n, k, i, j] = np.vdot(xp[n, :, i : i + 3, j : j + 3], w[k])
        return out

    def library(algo):
        return ops.conv2d_forward(x, w, padding=1, algo=algo)[0]

    found = {
        "loop over windows": (loop, 144),
        "im2col": (lambda: library("direct"), 144),
        "Winograd": (lambda: library("winograd"), 36),
    }
    if importlib.util.find_spec("torch"):
        import torch

        def theirs():
            threads = torch.get_num_threads()
            torch.set_num_threads(1)  # idle threads wait busily, and would count
            out = torch.conv2d(torch.from_numpy(x), torch.from_numpy(w), padding=1).numpy()
            torch.set_num_threads(threads)
            return out

        found["PyTorch"] = (theirs, None)
    return found


def milliseconds(run):
    """Of processor time, all threads together: the best of a few runs in 0.2 s."""
    times = []
    while len(times) < 2 or (sum(times) < 0.2 and len(times) < 20):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1000 * min(times)


@picture(
    "The processor time of one layer's forward pass as bars on a logarithmic scale: a loop over windows takes longest, then "
    "im2col; Winograd's way, with 36 instead of 144 products for 16 outputs, is the quickest in numpy. PyTorch stands beside it where it is "
    "installed."
)
def four_ways():
    """Milliseconds of a layer, four ways. PyTorch is left out, and said to be, where it is not installed."""
    found = ways()
    taken = [milliseconds(run) for run, _ in found.values()]
    figure, ax = axes(height=0.7 * len(found) + 1.5)
    bars = ax.barh(list(found), taken, color=[GREY, ORANGE, BLUE, INK][: len(found)])
    texts = [
        f" {float(f'{t:.2g}'):g} ms" + (f", {count} products" if count else "")
        for t, (_, count) in zip(taken, found.values(), strict=True)
    ]
    ax.bar_label(bars, texts, fontsize=15)
    missing = "" if "PyTorch" in found else "\n(PyTorch is not installed here)"
    ax.set(xscale="log", xlim=(0.1, 1000 * max(taken)))
    ax.minorticks_off()
    ax.set_xlabel("processor milliseconds for 2 images of 32×32, 32 to 32 channels" + missing, fontsize=13)
    ax.invert_yaxis()
    return figure
