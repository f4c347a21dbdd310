"""DSD operations in LLVM IR: at once by the engine's function, or as a request to the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from openwafer import tir
from openwafer.codegen._abi import Ctx, Fault, Req, Status
from openwafer.codegen._env import COLD, Env
from openwafer.codegen._exit import PlainExits, WaitingExits
from openwafer.codegen._expr import Expressions
from openwafer.codegen._types import DSD, I1, I16, I32, I64, register_type, resize, to_word
from openwafer.cost import FABRIC, setup_cycles
from openwafer.machine import Machine
from openwafer.tir import DSD_OPS, DsdFlag, DsdKind, DsdWord

RECORD = {"dest": Req.DEST, "src0": Req.SRC0, "src1": Req.SRC1}
DSR_FIELD = {"dest": Req.DEST_DSR, "src0": Req.SRC0_DSR, "src1": Req.SRC1_DSR}


class Operands(NamedTuple):
    """Frame offset of each operand's record (a DSR's own, or its copy in the request area), and what else
    was evaluated: the last scalar, and the optional task ids and numbers (None: absent)."""

    places: tuple[int, ...]
    scalar: Any
    activate: Any
    unblock: Any
    ut: Any
    index: Any
    control_activate: Any
    control_unblock: Any


class DsdStatements:
    """Emits the DSD operations of one function."""

    def __init__(self, env: Env, exits: PlainExits | WaitingExits, machine: Machine) -> None:
        self._env, self._exits, self._machine = env, exits, machine
        self._expr = Expressions(env)

    def operation(self, op: tir.DsdOp) -> None:
        """Evaluates the operands, then runs the operation at once if none of them is of the fabric."""
        env = self._env
        operands = self._evaluate(op)
        if not env.layout.kinds.may_be_fabric(env.index, op):
            self._at_once(op, operands)
            return
        is_fabric = self._is_fabric(op, operands)
        fabric, memory, after = env.block("fabric"), env.block("memory"), env.block("after")
        env.builder.cbranch(is_fabric, fabric, memory)
        env.builder.position_at_end(fabric)
        self._request(op, operands)
        env.builder.branch(after)
        env.builder.position_at_end(memory)
        self._at_once(op, operands)
        env.builder.branch(after)
        env.builder.position_at_end(after)

    # --- operands ----------------------------------------------------------

    def _evaluate(self, op: tir.DsdOp) -> Operands:
        """Records go to the request area; a DSR stays where it is."""
        records = [self._record(o) for o in (op.dest, op.src0, op.src1)]
        scalar = I32(0) if op.scalar is None else self._bits(op.scalar)
        action = op.on_control or tir.ControlAction(None, None)
        optional = (op.activate, op.unblock, op.ut, op.index, action.activate, action.unblock)
        numbers = [None if e is None else self._expr.word(e) for e in optional]
        places: list[int] = []
        for record, place in zip(records, RECORD.values(), strict=True):
            if isinstance(record, int):
                places.append(record)
            else:
                self._env.store_frame(place, record)
                places.append(place)
        return Operands(tuple(places), scalar, *numbers)

    def _bits(self, expr: tir.Expr) -> Any:
        return to_word(self._env.builder, expr.type, self._expr.value(expr))

    def _record(self, operand: tir.Operand | None) -> Any:
        """A record, or the frame offset of a DSR."""
        match operand:
            case None:
                return self._words(DsdKind.NONE)
            case tir.Dsd(value):
                return self._expr.value(value)
            case tir.Dsr(index):
                return self._env.layout.dsr_offsets[index]
            case tir.Pointer(addr):
                return self._words(DsdKind.POINTER, self._expr.address(addr))
            case tir.Scalar(value):
                bits, builder = self._bits(value), self._env.builder
                low, high = builder.trunc(bits, I16), builder.trunc(builder.lshr(bits, I32(16)), I16)
                return self._words(DsdKind.SCALAR, low, high)

    def _words(self, kind: DsdKind, *words: Any) -> Any:
        record: Any = DSD([int(kind)] + [0] * 15)
        for index, word in enumerate(words, DsdWord.BASE):
            record = self._env.builder.insert_element(record, word, I32(index))
        return record

    def _is_fabric(self, op: tir.DsdOp, operands: Operands) -> Any:
        """Whether any operand is FABIN, FABOUT or FIFO; a constant where the compiler knows it."""
        env = self._env
        result: Any = I1(0)
        for operand, place in zip((op.dest, op.src0, op.src1), operands.places, strict=True):
            kinds = env.layout.kinds.operand(env.index, operand)
            if not kinds & FABRIC:
                continue
            if not kinds & ~FABRIC:
                return I1(1)
            kind = env.builder.zext(env.load_frame(place, I16), I32)
            bit = env.builder.shl(I32(1), env.builder.and_(kind, I32(31)))
            is_one = env.builder.icmp_unsigned("!=", env.builder.and_(bit, I32(FABRIC)), I32(0))
            result = env.builder.or_(result, is_one)
        return result

    # --- at once -----------------------------------------------------------

    def _at_once(self, op: tir.DsdOp, operands: Operands) -> None:
        env = self._env
        builder = env.builder
        records = [env.frame_place(place) for place in operands.places]
        number, setup = I32(DSD_OPS[op.op].number), I32(setup_cycles(op, self._machine))
        args = [env.ctx, number, *records, operands.scalar, setup, I32(op.loc)]
        if operands.index is not None:
            env.set_context(Ctx.INDEX, builder.zext(operands.index, I64))
        cycles = builder.call(env.helpers.memory_op(), args)
        if operands.index is not None:
            env.set_context(Ctx.INDEX, I64(0))
        self._fault_if_negative(cycles)
        env.tick(cycles)
        self._actions(op, operands)
        self._result(op, I32(1))

    def _fault_if_negative(self, cycles: Any) -> None:
        """The engine's function has set place and detail."""
        env = self._env
        bad, good = env.block("bad"), env.block("good")
        env.builder.cbranch(env.builder.icmp_signed("<", cycles, I64(0)), bad, good).set_weights(COLD)
        env.builder.position_at_end(bad)
        env.store_frame(Req.A0, I32(Fault.MEMORY))
        env.builder.branch(env.fault_block)
        env.builder.position_at_end(good)

    def _actions(self, op: tir.DsdOp, operands: Operands) -> None:
        """Tasks to activate and unblock: those of the operation, else those of the first DSR that names one.
        Ids are kept over the waits in the request area, plus 1, 0 for none."""
        env = self._env
        if not env.layout.can_wait(env.index, op):
            return
        fields = self._action_fields(op, operands)
        for field, value in fields.items():
            env.store_frame(field, value)
        for field, status in ((Req.ACTIVATE, Status.ACTIVATE), (Req.UNBLOCK, Status.UNBLOCK)):
            if fields[field] is not NO_TASK:
                self._when(lambda field=field: env.load_frame(field, I32), status)

    def _action_fields(self, op: tir.DsdOp, operands: Operands) -> dict[Req, Any]:
        env = self._env
        fields: dict[Req, Any] = {
            Req.ACTIVATE: NO_TASK
            if operands.activate is None
            else env.builder.add(operands.activate, I32(1)),
            Req.UNBLOCK: NO_TASK if operands.unblock is None else env.builder.add(operands.unblock, I32(1)),
        }
        if not env.layout.has_dsr_actions:
            return fields
        for operand, place in reversed(list(zip((op.dest, op.src0, op.src1), operands.places, strict=True))):
            if not isinstance(operand, tir.Dsr):
                continue
            word = env.builder.zext(env.load_frame(place + 2 * DsdWord.ACTIONS, I16), I32)
            parts = {
                Req.ACTIVATE: (operands.activate, env.builder.and_(word, I32(0xFF))),
                Req.UNBLOCK: (operands.unblock, env.builder.lshr(word, I32(8))),
            }
            for field, (given, own) in parts.items():
                if given is None:
                    has_own = env.builder.icmp_unsigned("!=", own, I32(0))
                    fields[field] = env.builder.select(has_own, own, fields[field])
        return fields

    def _when(self, number: Callable[[], Any], status: Status) -> None:
        """Makes the request for task id `number` - 1 if it is not 0."""
        env = self._env
        request, after = env.block("request"), env.block("after")
        value = number()
        env.builder.cbranch(env.builder.icmp_unsigned("==", value, I32(0)), after, request)
        env.builder.position_at_end(request)
        env.store_frame(Req.A0, env.builder.sub(value, I32(1)))
        env.store_frame(Req.LOC, I32(env.loc))
        self._exits.suspend(I32(status))
        env.builder.branch(after)
        env.builder.position_at_end(after)

    # --- as a request ------------------------------------------------------

    def _request(self, op: tir.DsdOp, operands: Operands) -> None:
        env = self._env
        for name, operand, place in zip(RECORD, (op.dest, op.src0, op.src1), operands.places, strict=True):
            env.store_frame(DSR_FIELD[name], I32(operand.index + 1 if isinstance(operand, tir.Dsr) else 0))
            if isinstance(operand, tir.Dsr):
                env.store_frame(RECORD[name], self._prioritized(env.load_frame(place, DSD), operand))
        plus_one = {
            Req.ACTIVATE: operands.activate, Req.UNBLOCK: operands.unblock, Req.UT: operands.ut,
            Req.CONTROL_ACTIVATE: operands.control_activate, Req.CONTROL_UNBLOCK: operands.control_unblock,
        }  # fmt: skip
        for field, value in plus_one.items():
            env.store_frame(field, NO_TASK if value is None else env.builder.add(value, I32(1)))
        env.store_frame(Req.OP, I32(DSD_OPS[op.op].number))
        env.store_frame(Req.IS_ASYNC, I32(int(op.is_async)))
        env.store_frame(Req.ON_CONTROL, I32(int(op.on_control is not None)))
        env.store_frame(Req.SCALAR, operands.scalar)
        env.store_frame(Req.INDEX, I32(0) if operands.index is None else operands.index)
        env.store_frame(Req.LOC, I32(op.loc))
        self._exits.suspend(I32(Status.DSD_OP))
        self._result(op, env.load_frame(Req.RESULT, I32))

    def _prioritized(self, record: Any, operand: tir.Dsr) -> Any:
        """The record of a DSR, with the priority that the operation gives."""
        if operand.priority is None:
            return record
        builder, word = self._env.builder, I32(DsdWord.FLAGS)
        own = builder.and_(builder.extract_element(record, word), I16(~PRIORITIES & 0xFFFF))
        return builder.insert_element(record, builder.or_(own, I16(operand.priority & PRIORITIES)), word)

    def _result(self, op: tir.DsdOp, value: Any) -> None:
        env = self._env
        if op.result is None:
            return
        width = register_type(env.function.slots[op.result]).width
        env.builder.store(resize(env.builder, value, width, signed=False), env.slots[op.result])


NO_TASK = I32(0)
PRIORITIES = int(DsdFlag.PRIORITY_LOW | DsdFlag.PRIORITY_HIGH)
