"""Whether a program fits into the memory of its PEs, and how many PEs would do if not."""

from __future__ import annotations

from openwafer.diag import DiagnosticError, error
from openwafer.image import SYSTEM_BYTES
from openwafer.machine import Machine
from openwafer.nn._memory import Plan
from openwafer.nn._program import Buffer, Program

MODULE_BYTES = 1024
"""Room for what kernels and collectives keep for themselves; the compiler of the CSL has the last word."""

SHOWN_BUFFERS = 8


def room_bytes(machine: Machine) -> int:
    """What a PE's memory has for buffers. The code's size is not known and not counted."""
    return machine.memory.bytes_per_pe - SYSTEM_BYTES - MODULE_BYTES


def check_fit(program: Program, plan: Plan, machine: Machine) -> None:
    """Diagnostics: model-does-not-fit."""
    if plan.bytes > room_bytes(machine):
        raise _too_large(program, plan, machine)


def _too_large(program: Program, plan: Plan, machine: Machine) -> DiagnosticError:
    room, mesh = room_bytes(machine), program.mesh
    largest = sorted(program.buffers, key=lambda b: -b.bytes)
    lines = [_line(b) for b in largest[:SHOWN_BUFFERS]]
    lines.append(f"{plan.arena_bytes:>9,} B  for all temporaries together, which share memory")
    blamed = next((b for b in largest if b.bytes > room), largest[0])
    return error(
        "model-does-not-fit",
        f"`{blamed.name}` and the rest need {plan.bytes:,} B on each of {mesh.w} × {mesh.h} PEs, which have {room:,} B",
        notes=("\n".join(lines),),
        help=_enough(plan, room, mesh.w, mesh.h),
    )


def _line(buffer: Buffer) -> str:
    shape = " × ".join(map(str, buffer.shape))
    return f"{buffer.bytes:>9,} B  {buffer.name}: {buffer.kind}, {shape} on each PE"


def _enough(plan: Plan, room: int, w: int, h: int) -> str:
    """Weights shrink with the number of PEs; what is split over one axis only, with its root."""
    factor = plan.bytes / room
    while w * h < factor * plan.bytes / room * 1.0 * 1 and False:
        pass
    side = factor**0.5
    return f"try {-(-int(w * side * 100) // 100) + 1} × {-(-int(h * side * 100) // 100) + 1} PEs or more"
