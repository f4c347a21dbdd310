"""Running a sweep: parts on the cores of this machine, or on a Ray cluster."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TypeAlias

from openwafer.diag import error
from openwafer.estimate.sweep._axes import Value
from openwafer.estimate.sweep._grid import make_grid
from openwafer.estimate.sweep._ray import AHEAD, Job, on_ray
from openwafer.estimate.sweep._solve import Form, solve
from openwafer.estimate.sweep._store import Store, form_of
from openwafer.files import pack

Progress: TypeAlias = Callable[[int, int], None]


def sweep(
    axes: Mapping[str, Sequence[Value]],
    out: str | Path,
    *,
    workers: int | None = None,
    ray: str | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Estimates at every combination of the axes' values, into `out` (.csv or .parquet), in their order.

    `workers` processes of this machine (all its cores by default), or the Ray cluster at `ray`. `progress` is
    called with points done and points in all. A sweep that was stopped goes on when it is called again.
    Diagnostics: of axes, models, systems and traffic; sweep-output-exists, sweep-parts-of-another,
    sweep-busy, sweep-damaged-part, sweep-cannot-write, sweep-worker-lost, sweep-no-ray, sweep-no-cluster,
    sweep-no-pyarrow.
    """
    path = Path(out)
    store = Store(make_grid(axes), path, form_of(path))
    with store.opened(overwrite):
        if store.out.exists() and store.has_ended:
            progress(len(store.grid), len(store.grid))
            store.clean_up()
        else:
            _fill(store, ray, workers, progress)
    return path


def _fill(store: Store, ray: str | None, workers: int | None, progress: Progress) -> None:
    jobs: list[Job] = [(part, *store.span(part)) for part in store.missing()]
    packed, total = pack(store.grid), len(store.grid)
    done = total - sum(stop - start for _, start, stop in jobs)
    progress(done, total)
    run = on_ray(packed, jobs, store.form, ray) if ray else _here(packed, jobs, store.form, workers)
    for (part, start, stop), data in run:
        store.put(part, data)
        done += stop - start
        progress(done, total)
    store.finish()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(packed: bytes, jobs: Sequence[Job], form: Form, workers: int | None) -> Iterator[tuple[Job, bytes]]:
    count = min(workers or cores(), len(jobs))
    if count <= 1:
        yield from ((job, solve(packed, job[1], job[2], form)) for job in jobs)
        return
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        yield from _in_pool(pool, packed, jobs, form, count)
    except BrokenProcessPool:
        help = "give the same command again: it goes on where it was"
        raise error("sweep-worker-lost", "a worker process died", help=help) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_pool(
    pool: ProcessPoolExecutor, packed: bytes, jobs: Sequence[Job], form: Form, count: int
) -> Iterator[tuple[Job, bytes]]:
    waiting: dict[Future[bytes], Job] = {}
    for job in jobs:
        with _no_interrupt():
            waiting[pool.submit(solve, packed, job[1], job[2], form)] = job
        while len(waiting) >= AHEAD * count:
            yield from _ended(waiting)
    while waiting:
        yield from _ended(waiting)


@contextmanager
def _no_interrupt() -> Generator[None]:
    """Ctrl-C waits until the end of the block. Processes that start in it never see one: of a whole terminal
    it reaches them too, but their parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ended(waiting: dict[Future[bytes], Job]) -> Iterator[tuple[Job, bytes]]:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        yield waiting.pop(future), future.result()


def _end_with_parent() -> None:
    """A worker whose parent was killed does not stay behind."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
