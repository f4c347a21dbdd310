"""What of a program can wait, and where its frames lie.

CSL has no recursion, so every function that can wait has one frame at a fixed place: a state word, its
locals, its result.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from openwafer import tir
from openwafer.codegen._abi import DSD_BYTES, DSR_OFFSET
from openwafer.codegen._types import DSD_SIZE
from openwafer.cost import DsdKinds
from openwafer.diag import error
from openwafer.tir import DsdWord, walk

SLOT_BYTES = 8
TIME_POINTS = (
    tir.Activate,
    tir.SetBlocked,
    tir.SetFifoLength,
    tir.Print,
    tir.ReadConfig,
    tir.WriteConfig,
    tir.ReadTsc,
    tir.UnblockCommands,
    tir.Yield,
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Byte offsets in the PE's frame."""

    state: int
    slots: tuple[int, ...]
    result: int
    end: int


class Piece(msgspec.Struct, frozen=True):
    """What a `Print` appends: `text`, or a value of `type` ("" for none) as `format` says."""

    text: str
    format: str
    type: str


def piece_of(node: tir.Print) -> Piece:
    return Piece(node.text, node.format, "" if node.value is None else node.value.type)


class ProgramLayout:
    """Frames by function index; functions without one never wait."""

    def __init__(self, program: tir.Program) -> None:
        self.program = program
        self.kinds = DsdKinds(program)
        self.dsr_offsets = tuple(DSR_OFFSET + DSD_BYTES * i for i in range(len(program.dsrs)))
        self.has_dsr_actions = _has_dsr_actions(program)
        self.frames: dict[int, Frame] = {}
        at = DSR_OFFSET + DSD_BYTES * len(program.dsrs)
        for index in self._waiting():
            self.frames[index] = _frame(program.functions[index], at)
            at = self.frames[index].end
        self.frame_bytes = at
        nodes = [node for function in program.functions for node in walk(function.body)]
        self.messages = tuple(node.message for node in nodes if isinstance(node, tir.Assert))
        self.pieces = tuple(dict.fromkeys(piece_of(node) for node in nodes if isinstance(node, tir.Print)))

    def can_wait(self, function: int, op: tir.DsdOp) -> bool:
        """Whether an operation is a time point or can be one."""
        if self.kinds.may_be_fabric(function, op) or op.activate is not None or op.unblock is not None:
            return True
        return self.has_dsr_actions and any(isinstance(o, tir.Dsr) for o in (op.dest, op.src0, op.src1))

    def _waiting(self) -> list[int]:
        """Functions that can wait, themselves or through a call, callees first."""
        order = call_order(self.program)
        waiting: set[int] = set()
        for index in order:
            for node in walk(self.program.functions[index].body):
                if (
                    isinstance(node, TIME_POINTS)
                    or (isinstance(node, tir.DsdOp) and self.can_wait(index, node))
                    or (isinstance(node, tir.Call) and node.function in waiting)
                ):
                    waiting.add(index)
                    break
        return [index for index in order if index in waiting]


def call_order(program: tir.Program) -> list[int]:
    """Function indices, callees before callers; raises `recursive-call`."""
    done: list[int] = []
    state: dict[int, bool] = {}

    def visit(index: int) -> None:
        if index in state:
            if not state[index]:
                raise error("recursive-call", f"`{program.functions[index].name}` calls itself")
            return
        state[index] = False
        for node in walk(program.functions[index].body):
            if isinstance(node, tir.Call):
                visit(node.function)
        state[index] = True
        done.append(index)

    for index in range(len(program.functions)):
        visit(index)
    return done


def _frame(function: tir.Function, at: int) -> Frame:
    state, at = at, at + SLOT_BYTES
    slots: list[int] = []
    for type_ in (*function.slots, function.result):
        slots.append(at)
        at += 0 if type_ == "void" else DSD_SIZE if type_ == "dsd" else SLOT_BYTES
    return Frame(state, tuple(slots[:-1]), slots[-1], at)


def _has_dsr_actions(program: tir.Program) -> bool:
    """Whether any DSD record of the program can name a task to activate or unblock."""
    for symbol in program.symbols:
        if "dsd" in symbol.type and any(
            symbol.init[i + 28 : i + 30] != b"\0\0" for i in range(0, len(symbol.init), 32)
        ):
            return True
    for node in walk(tuple(function.body for function in program.functions)):
        match node:
            case tir.DsdMake(words) if not _is_zero(words[DsdWord.ACTIONS]):
                return True
            case tir.DsdWith(_, DsdWord.ACTIONS, value) if not _is_zero(value):
                return True
            case _:
                pass
    return False


def _is_zero(expr: tir.Expr) -> bool:
    return isinstance(expr, tir.Const) and not expr.value
