"""The wafer: routers, queues, DSD engine, tasks, microthreads, time.

Two engines with one interface (`Engine`): `fast`, compiled, and `reference`, the executable definition."""

from __future__ import annotations

from typing import Literal

from openwafer.diag import error
from openwafer.image import Image, check_fit
from openwafer.machine import Machine
from openwafer.sim._compiled import is_engine_compiled
from openwafer.sim._engine import Command, CopyIn, CopyOut, Engine, Launch, PeStats, StreamIn, StreamOut
from openwafer.sim._profile import LineProfile, Profile
from openwafer.sim._watchdog import Watchdog


def make_engine(
    image: Image,
    machine: Machine,
    engine: Literal["fast", "reference"] = "fast",
    threads: int = 1,
    *,
    profile: bool = False,
) -> Engine:
    """A wafer with `image` loaded, which counts for `Engine.profile` if asked to. Neither numba nor LLVM is
    imported for the reference engine.

    Diagnostics: image-does-not-fit, not-enough-memory, and those of what programs do before cycle 0."""
    check_fit(image, machine)
    try:
        if engine == "reference":
            from openwafer.sim.reference._engine import ReferenceEngine

            return ReferenceEngine(image, machine, threads=threads, profile=profile)
        from openwafer.sim.fast._engine import FastEngine

        return FastEngine(image, machine, threads=threads, profile=profile)
    except MemoryError:
        pes = image.layout.width * image.layout.height
        raise error("not-enough-memory", f"{pes:,} PEs do not fit the memory of this computer") from None


def compile_engine() -> None:
    """Compiles the fast engine if this installation has not yet: one to two minutes. The first run would."""
    from openwafer.sim.fast._entry import entry_point
    from openwafer.sim.fast.memory._entry import compiled_memory_op

    entry_point()
    compiled_memory_op()


__all__ = [
    "Command",
    "CopyIn",
    "CopyOut",
    "Engine",
    "Launch",
    "LineProfile",
    "PeStats",
    "Profile",
    "StreamIn",
    "StreamOut",
    "Watchdog",
    "compile_engine",
    "is_engine_compiled",
    "make_engine",
]
