"""The wafer: routers, queues, DSD engine, tasks, microthreads, time.

Two engines with one interface (`Engine`): `fast`, compiled, and `reference`, the executable definition."""

from __future__ import annotations

from typing import Literal

from openwafer.image import Image
from openwafer.machine import Machine
from openwafer.sim._engine import Command, CopyIn, CopyOut, Engine, Launch, PeStats


def make_engine(
    image: Image, machine: Machine, engine: Literal["fast", "reference"] = "fast", threads: int = 1
) -> Engine:
    """A wafer with `image` loaded. Neither numba nor LLVM is imported for the reference engine."""
    if engine == "reference":
        from openwafer.sim._reference import ReferenceEngine

        return ReferenceEngine(image, machine, threads=threads)
    from openwafer.sim._fast_engine import FastEngine

    return FastEngine(image, machine, threads=threads)


__all__ = ["Command", "CopyIn", "CopyOut", "Engine", "Launch", "PeStats", "make_engine"]
