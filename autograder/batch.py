"""Many independent calls at once: on the cores of this machine, or on a Dask cluster, in one way.

A pool has a number of `slots`, and its `submit` gives a `concurrent.futures.Future` for a call. `drive` keeps it busy and finds out which call it was that ended a worker.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import forkserver

from autograder.problem import Problem

PATIENCE = 60  # seconds without any worker
GET_DASK = "`pip install --editable '.[cluster]'` in the folder of this course"


@dataclass
class Call:
    """A function of a module with its arguments, and what it is for."""

    about: object
    function: Callable
    args: tuple
    home: bool = False  # on this machine, wherever the others go
    seconds: int = 0  # at home, after which its process is ended; 0: it ends itself
    tries: int = 0


class WorkerDied(Exception):
    """The process that ran a call ended, again when it ran nothing else."""


def prepare():
    """Start the server that the processes of `Local` are forks of; it imports for seconds, and this one can do so meanwhile."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["autograder.preload"])
    if threading.current_thread() is threading.main_thread():
        # the server and its forks inherit this: the main process ends them
        here = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            forkserver.ensure_running()
        finally:
            signal.signal(signal.SIGINT, here)
    return context


class Local:
    """The cores of this machine: one process for each job, which stays warm until this one ends."""

    def __init__(self, jobs: int):
        self.slots = jobs
        self._start()

    def _start(self):
        self.pool = ProcessPoolExecutor(self.slots, mp_context=prepare(), initializer=_begin)

    def submit(self, call: Call) -> Future:
        try:
            return self.pool.submit(_limited, call.seconds, call.function, *call.args)
        except BrokenExecutor:
            self.pool.shutdown(wait=False)
            self._start()
            return self.pool.submit(_limited, call.seconds, call.function, *call.args)

    def has_room(self, calls) -> bool:
        """Whether one more call may be under way beside these."""
        return len(calls) < 2 * self.slots

    def look(self):
        """Nothing can be missing here."""

    def close(self, idle: bool):
        """Unless they are idle, end the processes, whatever they are doing: what matters is on disk."""
        if not idle:
            self.pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.kill()
            self._start()


def _limited(seconds, function, *args):
    """The value of a call; after `seconds`, if not 0, this process ends, whatever it does."""
    if not seconds:
        return function(*args)
    signal.alarm(seconds)  # nobody handles that
    try:
        return function(*args)
    finally:
        signal.alarm(0)


local = functools.cache(Local)  # a second run in one process finds warm workers


def _begin():
    threading.Thread(target=_follow, args=(multiprocessing.parent_process(),), daemon=True).start()


def _follow(grader):
    """End this process when the one that gives it work is gone, even while it waits for work: nobody else would tell it."""
    grader.join()
    os._exit(1)


class Cluster:
    """The workers of a Dask scheduler. Raises Problem where it cannot be reached or its workers cannot grade."""

    def __init__(self, address: str, ready: Callable[[], str], home: Local, say: Callable[[str], None] | None = None):
        try:
            import distributed
        except ImportError:
            raise Problem(f"Grading on a cluster needs Dask. Get it here and on the workers with {GET_DASK}.") from None
        self.died = distributed.KilledWorker
        self.address, self.alone_since, self.home = address, None, home
        start = f"start `dask worker {address} --nworkers CORES --nthreads 1`"
        try:
            self.client = distributed.Client(address, timeout=10, set_as_default=False)
            if say and not self.client.nthreads():
                say(f"No worker is at {address} yet; waiting {PATIENCE} s for one. On each machine, {start}.")
            self.client.wait_for_workers(1, timeout=PATIENCE)
            answers = self.client.run(ready, on_error="return")
        except (OSError, ValueError, TimeoutError) as error:
            raise Problem(
                f"There is no Dask scheduler with workers at {address} ({error or type(error).__name__}). Start `dask scheduler`; "
                f"on each machine, {start}."
            ) from None
        self._inspect(answers)
        self.pool = self.client.get_executor(pure=False)

    def _inspect(self, answers):
        """Raises Problem where a worker has another grader than we have, or no isolation."""
        for worker, answer in answers.items():
            if isinstance(answer, OSError):  # it is gone already, and says nothing
                continue
            if isinstance(answer, Exception):  # whatever a worker raises that has no such function
                answer = f"it cannot run this grader ({type(answer).__name__}: {answer}); install it there."
            if answer:
                self.client.close()
                raise Problem(f"The worker {worker} cannot grade: {answer}")

    @property
    def slots(self) -> int:
        return max(1, sum(self.client.nthreads().values()))

    def submit(self, call: Call) -> Future:
        return self.home.submit(call) if call.home else self.pool.submit(call.function, *call.args)

    def has_room(self, calls) -> bool:
        """As of `Local`; the calls for home do not keep the others from the workers, unless they pile up."""
        at_home = sum(call.home for call in calls)
        return max(at_home, len(calls) - at_home) < 2 * self.slots

    def look(self):
        """Raises Problem where the scheduler is gone, or all workers have been for a minute."""
        if self.client.status != "running":
            raise Problem(f"The Dask scheduler at {self.address} is gone. What was graded is kept; run this again.")
        now = time.monotonic()
        self.alone_since = None if self.client.nthreads() else self.alone_since or now
        if self.alone_since and now - self.alone_since > PATIENCE:
            raise Problem(
                f"No worker is left at {self.address}. What was graded is kept; start workers and run this again."
            )

    def close(self, idle: bool):
        with contextlib.suppress(Exception):  # a cluster that is half gone
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.client.close(timeout=5)
        self.home.close(idle)


def drive(pool, calls: Iterable[Call], more: deque, meanwhile: Callable[[], None] = lambda: None):
    """Yield (call, its result or the exception it raised) for all `calls`, and for those that are put into `more` meanwhile.
    `meanwhile` is called every second in which none is done.

    A few calls are under way at a time, so that memory does not grow with their number. A call whose worker ends may be innocent: it is
    run again at the end with nothing beside it, and only who ends a worker then comes back as WorkerDied.
    """
    calls, suspects, running = iter(calls), deque(), {}
    while True:
        while more or pool.has_room(running.values()):
            call = more.popleft() if more else next(calls, None)
            if call is None:
                break
            running[pool.submit(call)] = call
        if not running:
            if not suspects:
                return
            call = suspects.popleft()
            running[pool.submit(call)] = call
        while True:
            done, _ = wait(running, timeout=1, return_when=FIRST_COMPLETED)
            if done:
                break
            pool.look()
            meanwhile()
        for future in done:
            call = running.pop(future)
            try:
                outcome = future.result()
            except CancelledError:  # what a cluster does with its calls when it goes
                pool.look()
                outcome = WorkerDied()
            except Exception as error:
                outcome = error
            if not isinstance(outcome, (BrokenExecutor, WorkerDied, getattr(pool, "died", BrokenExecutor))):
                yield call, outcome
            elif call.tries:
                yield call, WorkerDied()
            else:
                call.tries = 1
                suspects.append(call)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
