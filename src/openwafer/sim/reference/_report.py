"""Diagnostics of the reference engine: what went wrong, on which PE, in which cycle, at which line."""

from __future__ import annotations

from openwafer.diag import DiagnosticError, error
from openwafer.sim.reference._dsd import Fault
from openwafer.sim.reference._fabric import Router
from openwafer.sim.reference._pe import Pe
from openwafer.tir import Program


def _line(program: Program, loc: int) -> str:
    if not 0 <= loc < len(program.locations):
        return "unknown line"
    file, line = program.locations[loc]
    return f"{file}:{line}"


def fault(reason: Fault | ZeroDivisionError, item: Router | Pe, cycle: int) -> DiagnosticError:
    """The diagnostic for what a PE or its router did wrong."""
    if isinstance(reason, ZeroDivisionError):
        reason = Fault("divide-by-zero", "integer division by zero")
    place = f"PE ({item.x}, {item.y}), cycle {cycle}"
    if isinstance(item, Pe):
        place += f", {_line(item.program, item.loc)}"
    return error(reason.id, reason.message, notes=[place])
