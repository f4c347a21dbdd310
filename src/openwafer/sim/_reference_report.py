"""Diagnostics of the reference engine: what went wrong, on which PE, in which cycle, at which line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from openwafer.csl._tir import DsdKind, Program
from openwafer.diag import DiagnosticError, error
from openwafer.sim._engine import Command, CopyIn, CopyOut, Launch
from openwafer.sim._reference_dsd import Fault
from openwafer.sim._reference_fabric import Router
from openwafer.sim._reference_pe import Pe, Slot


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


def deadlock(command: Command, pes: Iterable[Pe], cycle: int) -> DiagnosticError:
    """Nothing can happen any more; the notes say what each PE waits for."""
    waits = [f"PE ({pe.x}, {pe.y}), cycle {cycle}, {wait}" for pe in pes for wait in _waits(pe)]
    return error(
        "deadlock",
        f"nothing can happen any more, and the {_name(command)} is not done",
        notes=waits,
    )


def _name(command: Command) -> str:
    match command:
        case Launch(name):
            return f"launch of `{name}`"
        case CopyIn(name) | CopyOut(name):
            return f"copy of `{name}`"
        case _:
            return f"stream on color {command.color}"


def _waits(pe: Pe) -> Iterator[str]:
    for slot in filter(None, pe.slots):
        yield f"{_line(pe.program, slot.operation.loc)}: `{slot.operation.row.name}` {_wait(pe, slot)}"
    if pe.trying:
        yield f"{_line(pe.program, pe.trying.operation.loc)}: microthread {pe.trying.slot} is in use"
    elif pe.main is None and pe.commands and pe.is_stream_blocked:
        yield f"the {_name(pe.commands[0].command)} waits for `unblock_cmd_stream()`"


def _wait(pe: Pe, slot: Slot) -> str:
    for operand in slot.operation.fabric:
        kind, id = operand.kind, operand.queue
        if kind == DsdKind.FABIN and not (id in pe.inputs and pe.inputs[id].items):
            return f"waits for a wavelet in input queue {id}"
        if kind == DsdKind.FABOUT and not pe.outputs[id].has_room():
            return f"waits for room in output queue {id}, color {pe.color_of['out', id]}"
    return "is under way"
