"""Whether a program fits into the memory of its PEs, and how many PEs would do if not."""

from __future__ import annotations

from collections.abc import Callable

from openwafer.diag import DiagnosticError, error
from openwafer.image import SYSTEM_BYTES
from openwafer.machine import Machine
from openwafer.nn.graph._mesh import Mesh
from openwafer.nn.program._memory import Plan
from openwafer.nn.program._program import Buffer, Program

MODULE_BYTES = 3072
"""Room for what kernels and collectives keep for themselves: 2604 B for a training step of a Llama, which
uses most of them. The compiler of the CSL has the last word."""

SHOWN_BUFFERS = 8


def room_bytes(machine: Machine) -> int:
    """What a PE's memory has for buffers. The code's size is not known and not counted."""
    return machine.memory.bytes_per_pe - SYSTEM_BYTES - MODULE_BYTES


Replan = Callable[[Mesh], int]
"""Bytes a PE of the same model on another mesh."""


def check_fit(program: Program, plan: Plan, machine: Machine, replan: Replan) -> None:
    """Diagnostics: model-does-not-fit."""
    if plan.bytes > room_bytes(machine):
        raise _too_large(program, plan, machine, replan)


def _too_large(program: Program, plan: Plan, machine: Machine, replan: Replan) -> DiagnosticError:
    room, mesh = room_bytes(machine), program.mesh
    largest = sorted(program.buffers, key=lambda b: -b.bytes)
    lines = [_line(b) for b in largest[:SHOWN_BUFFERS]]
    lines.append(f"{plan.arena_bytes:>9,} B  for all temporaries together, which share memory")
    need = f"{plan.bytes:,} B on each of {mesh.w} × {mesh.h} PEs, which have {room:,} B"
    blamed = next((b for b in largest if b.bytes > room), None)
    what = f"`{blamed.name}` alone needs {blamed.bytes:,} B, the model" if blamed else "the model needs"
    enough = _enough(mesh, machine, replan)
    text = f"{enough.w} × {enough.h} PEs would do" if enough else f"no rectangle of {machine.name} would do"
    return error("model-does-not-fit", f"{what} {need}", notes=("\n".join(lines),), help=text)


def _line(buffer: Buffer) -> str:
    shape = " × ".join(map(str, buffer.shape))
    return f"{buffer.bytes:>9,} B  {buffer.name}: {buffer.kind}, {shape} on each PE"


def _enough(mesh: Mesh, machine: Machine, replan: Replan) -> Mesh | None:
    """The first of ever larger rectangles of this form on which the model fits."""
    for i in range(2, 2 * max(machine.wafer.max_width, machine.wafer.max_height)):
        w, h = -(-mesh.w * i // 2), -(-mesh.h * i // 2)
        if w > machine.wafer.max_width or h > machine.wafer.max_height:
            return None
        if replan(Mesh(w, h)) <= room_bytes(machine):
            return Mesh(w, h)
    return None
