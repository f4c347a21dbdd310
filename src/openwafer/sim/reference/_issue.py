"""The statement that starts a DSD operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from openwafer import tir
from openwafer.cost import setup_cycles
from openwafer.machine import Machine
from openwafer.sim.reference._dsd import Actions, Fault, Operand, Operation, pointer_record, scalar_record
from openwafer.sim.reference._expr import Expression, Slots
from openwafer.sim.reference._run import Pe, Run, Start, apply_actions, pass_time
from openwafer.tir import DSD_OPS, ELEMENT_BYTES, DsdFlag, DsdKind, DsdWord

Compile: TypeAlias = Callable[[tir.Expr], Expression]


def _none(pe: Any, slots: Slots) -> None:
    """The value of an optional operand that is absent."""


class DsdStatement:
    """One DSD operation of the program: evaluates its operands, then runs or starts it."""

    def __init__(self, compile: Compile, machine: Machine, node: tir.DsdOp) -> None:
        self.node, self.row = node, DSD_OPS[node.op]
        self.setup = setup_cycles(node, machine)
        self.microthreads = machine.dsd.microthreads
        sources = ((node.src0, self.row.src0), (node.src1, self.row.src))
        self.dest = _operand(compile, node.dest, ELEMENT_BYTES[self.row.dest])
        self.sources = [
            _operand(compile, node, ELEMENT_BYTES[type]) for node, type in sources if node is not None
        ]
        action = node.on_control or tir.ControlAction(None, None)
        optional = (node.scalar, node.index, node.activate, node.unblock, node.ut)
        self.optional = [
            _none if e is None else compile(e) for e in (*optional, action.activate, action.unblock)
        ]

    def run(self, pe: Pe, slots: Slots) -> Run:
        pe.loc = self.node.loc
        scalar, index, activate, unblock, ut, *control = [value(pe, slots) for value in self.optional]
        dest, *sources = [_bound(pe, make(pe, slots), index or 0) for make in (self.dest, *self.sources)]
        operation = Operation(self.row, dest, sources, scalar or 0, index, self.node.loc)
        actions = _actions(operation, activate, unblock)
        on_control = Actions(*control) if self.node.on_control else None
        if operation.is_stepped:
            yield from pass_time(pe, self.node.loc)
            yield Start(operation, self._slot(operation, ut), actions, on_control)
        else:
            pe.run_at_once(operation, self.setup)
            if actions:
                yield from pass_time(pe, self.node.loc)
                apply_actions(pe, actions)
        if self.node.result is not None:
            slots[self.node.result] = int(operation.result)
        return None

    def _slot(self, operation: Operation, ut: int | None) -> int | None:
        """The microthread of an asynchronous operation, None for a synchronous one."""
        from_dsr = any(o.dsr is not None and o.has(DsdFlag.ASYNC) for o in operation.operands)
        if not (self.node.is_async or from_dsr) or not operation.fabric:
            return None
        named = _microthread(operation, ut)
        slot = named if named is not None else (operation.outputs + operation.inputs)[0].queue
        if slot >= self.microthreads:
            raise Fault("unsupported", f"microthread {slot}")
        return slot


def _bound(pe: Pe, operand: Operand, index: int) -> Operand:
    """An operand with its FIFO, or with the index that moves its start."""
    if operand.kind == DsdKind.FIFO:
        if operand.queue >= len(pe.fifos):
            raise Fault("unsupported", f"FIFO {operand.queue}, of {len(pe.fifos)}")
        operand.fifo = pe.fifos[operand.queue]
        return operand
    return Operand(operand.record, operand.element_bytes, operand.dsr, index=index)


def _actions(operation: Operation, activate: int | None, unblock: int | None) -> Actions:
    """Those of the operation, else those of the first DSR that has some."""
    for operand in operation.operands:
        word = operand.record[DsdWord.ACTIONS] if operand.dsr is not None else 0
        activate = (word & 0xFF) - 1 if activate is None and word & 0xFF else activate
        unblock = (word >> 8) - 1 if unblock is None and word >> 8 else unblock
    return Actions(activate, unblock)


def _microthread(operation: Operation, ut: int | None) -> int | None:
    """That of the operation, else that of the first DSR that names one."""
    words = [o.record[DsdWord.MICROTHREAD] for o in operation.operands if o.dsr is not None]
    return ut if ut is not None else next((word - 1 for word in words if word), None)


def prioritized(record: tuple[int, ...], priority: int | None) -> tuple[int, ...]:
    """A record with the priority that an operation gives."""
    if priority is None:
        return record
    flags = record[DsdWord.FLAGS] & ~(DsdFlag.PRIORITY_LOW | DsdFlag.PRIORITY_HIGH) | priority
    return (*record[: DsdWord.FLAGS], flags, *record[DsdWord.FLAGS + 1 :])


def fitted(record: tuple[int, ...], size: int) -> tuple[int, ...]:
    """A record whose strides, if it is one of memory, count elements of `size` bytes."""
    old, kind = record[DsdWord.ELEMENT_BYTES], record[DsdWord.KIND]
    if old in (0, size) or kind not in (DsdKind.MEM1D, DsdKind.MEM4D, DsdKind.CIRCBUF):
        return record
    strides = slice(DsdWord.STRIDE0, DsdWord.STRIDE3 + 1)
    scaled = [((s ^ 0x8000) - 0x8000) // old * size & 0xFFFF for s in record[strides]]
    return (*record[: DsdWord.STRIDE0], *scaled, *record[DsdWord.STRIDE3 + 1 :])


def _operand(compile: Compile, node: tir.Operand, size: int) -> Callable[[Any, Slots], Operand]:
    match node:
        case tir.Dsd(expr):
            value = compile(expr)
            return lambda pe, slots: Operand(fitted(value(pe, slots), size), size)
        case tir.Dsr(index, priority):
            return lambda pe, slots: Operand(prioritized(fitted(pe.dsrs[index], size), priority), size, index)
        case tir.Scalar(expr):
            value = compile(expr)
            return lambda pe, slots: Operand(scalar_record(value(pe, slots)), size)
        case tir.Pointer(expr):
            value = compile(expr)
            return lambda pe, slots: Operand(pointer_record(value(pe, slots)), size)
