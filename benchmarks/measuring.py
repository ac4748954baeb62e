"""Times, memory and the machine: what the benchmarks of layers measure with."""

import ctypes
import gc
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def pin(cores):
    """The process, and those that it starts, on so many processor cores, always the same ones."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


def times(sides, rounds, clock=time.process_time):
    """Seconds for each side, round by round in turn; quick work is repeated until it takes 5 ms."""
    repeats = {}
    for side, run in sides.items():
        run()
        started = clock()
        run()
        repeats[side] = max(1, round(0.005 / max(clock() - started, 1e-6)))
    taken = {side: [] for side in sides}
    gc.disable()
    for _ in range(rounds):
        for side, run in sides.items():
            started = clock()
            for _ in range(repeats[side]):
                run()
            taken[side].append((clock() - started) / repeats[side])
        gc.collect()
    gc.enable()
    return {side: np.array(values) for side, values in taken.items()}


def spread(values):
    """Median, and the middle half."""
    return [float(f"{v:.3g}") for v in np.percentile(values, [50, 25, 75])]


def megabytes(prepare):
    """What one call of `prepare()` needs beyond what it is given: the peak of resident memory, in a fork of its own."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        run = prepare()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # what is free goes back to the system, so that it counts when it is used
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        before = _resident("VmRSS")
        kept = run()
        os.write(write, str(_resident("VmHWM") - before).encode())
        del kept
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as answer:
        return round(float(answer.read()), 2)


def _resident(name):
    return int(re.search(rf"{name}:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def import_milliseconds(rounds=9):
    """Processor time of `import` in fresh processes, from bytecode as installed packages have it; ours after numpy's."""
    statements = {"numpy": "", "cnnlib": "import numpy", "cnnlib.ops": "import numpy", "torch": ""}
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = folder

        def milliseconds(name, before):
            program = f"import time\n{before}\nstarted = time.process_time()\nimport {name}\n"
            program += "print(1000 * (time.process_time() - started))"
            ran = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, env=environment)
            return float(ran.stdout)

        for name, before in statements.items():
            milliseconds(name, before)
        return {
            name: round(float(np.median([milliseconds(name, before) for _ in range(rounds)])), 1)
            for name, before in statements.items()
        }


def machine():
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*:\s*(.+)", flags)
    cache = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    return {
        "processor": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "widest vectors": "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "unknown",
        "second cache": cache.read_text().strip() if cache.exists() else "unknown",
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "OpenBLAS": np.__config__.show(mode="dicts")["Build Dependencies"]["blas"].get("version"),
    }
