"""Running a study on this machine's cores. Results are kept, so that a run that was killed goes on."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from multiprocessing import get_context, parent_process
from pathlib import Path

import msgspec

from openwafer.diag import DiagnosticError, error
from openwafer.files import LOCK, MIB, one_writer, pack, read_bytes, write_bytes
from openwafer.fleet.simulation._study import Study, check_study, simulate_day, study_digest, unpack
from openwafer.fleet.simulation._unit import UnitResult

Progress = Callable[[int, int], None]
CANNOT_WRITE = "simulation-cannot-write"
_MOST_BYTES = 16 * MIB


def run_study(
    study: Study, *, processes: int = 1, parts: Path | None = None, progress: Progress = lambda _, __: None
) -> list[UnitResult]:
    """The results of all units, in their order, the same for any number of processes.

    `parts`: a folder for the results of units; what is there of this study is not simulated again. Remove it
    with `remove_parts` when the result is safe. Diagnostics: simulation-bad-option, simulation-busy,
    simulation-cannot-write, simulation-worker-lost, and those of `simulate_unit`.
    """
    check_study(study)
    units, name = study.units, study_digest(study)
    with one_writer(parts, "simulation-busy", CANNOT_WRITE) if parts else nullcontext():
        found = {k: r for k in range(len(units)) if parts and (r := _read(parts, name, k)) is not None}
        progress(len(found), len(units))
        todo = [k for k in range(len(units)) if k not in found]
        for k, data in _results(study, todo, processes):
            found[k] = _decode(data)
            if parts:
                write_bytes(_path(parts, name, k), _seal(data), CANNOT_WRITE)
            progress(len(found), len(units))
    return [found[k] for k in range(len(units))]


def remove_parts(parts: Path) -> None:
    """The folder of a study that has ended, if it holds parts only."""
    if parts.is_dir() and all(p.suffix == ".part" or p.name == LOCK for p in parts.iterdir()):
        shutil.rmtree(parts, ignore_errors=True)


def _path(parts: Path, name: str, k: int) -> Path:
    return parts / f"{name[:16]}-{k:05}.part"


def _seal(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def _read(parts: Path, name: str, k: int) -> UnitResult | None:
    """What was kept of a unit; None where it is missing or damaged."""
    try:
        whole = read_bytes(_path(parts, name, k), "part", CANNOT_WRITE, _MOST_BYTES)
        data = whole.partition(b"\n")[2]
        return _decode(data) if whole == _seal(data) else None
    except (DiagnosticError, msgspec.MsgspecError):
        return None


def _decode(data: bytes) -> UnitResult:
    return msgspec.json.decode(data, type=UnitResult)


def _simulate(packed: bytes, k: int) -> bytes:
    study = unpack(packed)
    return msgspec.json.encode(simulate_day(study, *study.units[k]))


def _results(study: Study, todo: Sequence[int], processes: int) -> Iterator[tuple[int, bytes]]:
    count = min(processes, len(todo))
    if count <= 1:
        yield from ((k, msgspec.json.encode(simulate_day(study, *study.units[k]))) for k in todo)
        return
    packed = pack(study)
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        jobs: dict[Future[bytes], int] = {pool.submit(_simulate, packed, k): k for k in todo}
        yield from ((jobs[job], job.result()) for job in as_completed(jobs))
    except BrokenProcessPool:
        help = "give the same command again: with `--out` it goes on where it was"
        raise error("simulation-worker-lost", "a worker process died", help=help) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """A worker whose parent was killed does not stay behind."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
