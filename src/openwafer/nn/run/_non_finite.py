"""Where the first number that is not finite comes from, when a step has gone wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.nn.kernels._kernel import Array
from openwafer.nn.kernels._kernels import KERNELS
from openwafer.nn.program._interpret import Interpreter
from openwafer.nn.program._program import Buffer, Call, Entry, Instruction, Ref
from openwafer.nn.run._session import Session

Launch = tuple[dict[Buffer, NDArray[Any]], dict[str, float]]
"""Inputs and arguments of a launch."""

SNAPSHOT_STEPS = 64
"""Steps between snapshots of the PEs' memory: what a search has to repeat at most."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """`step` counts from 1; `phase` is the module of the model, with a prime behind it in the backward pass;
    `kernel` the operation whose result, in `buffer`, is not finite though its operands are."""

    step: int
    phase: str
    kernel: str
    buffer: str

    def __str__(self) -> str:
        layer = self.phase.removeprefix("model.").rstrip("'") or "the model"
        direction = ", backward" if self.phase.endswith("'") else ""
        return f"step {self.step}, `{layer}`{direction}: `{self.kernel}` into `{self.buffer}`"


@dataclass
class History:
    """The memory of the wafer at some step, and the launches since: enough to see a later one again."""

    session: Session
    entry: Entry
    memories: list[bytes] = field(default_factory=list[bytes])
    launches: list[Launch] = field(default_factory=list[Launch])
    first: int = 0
    """The step of the first of `launches`."""

    def note(self, step: int, inputs: Mapping[Buffer, NDArray[Any]], arguments: Mapping[str, float]) -> None:
        """The launch of a step that is about to happen."""
        if not self.memories or len(self.launches) == SNAPSHOT_STEPS:
            self.memories, self.launches, self.first = self.session.device.memories(), [], step
        self.launches.append((dict(inputs), dict(arguments)))

    def culprit(self) -> Culprit | None:
        """Repeats the steps up to the first that leaves weights that are not finite, or to the last one; and
        that one instruction by instruction on the interpreter. None if there every number is finite."""
        device = self.session.device
        device.restore(self.memories)
        for step, (inputs, arguments) in enumerate(self.launches, self.first):
            before = device.memories()
            self.session.run(self.entry, inputs, arguments)
            if not self._is_sound() or step == self.first + len(self.launches) - 1:
                device.restore(before)
                return first_not_finite(step, self._interpreter(inputs), self.entry, arguments)
        return None

    def _is_sound(self) -> bool:
        session = self.session
        weights = (b for b in session.program.buffers if b.kind in ("weight", "state"))
        return all(np.isfinite(session.device.read(b)).all() for b in weights)

    def _interpreter(self, inputs: Mapping[Buffer, NDArray[Any]]) -> Interpreter:
        """With the memory that the wafer has now."""
        program, memory, device = self.session.program, self.session.memory, self.session.device
        interpreter = Interpreter(program, memory.addresses, memory.bytes)
        interpreter.memory[:] = 0
        for buffer in program.buffers:
            if buffer.kind in ("weight", "constant", "state"):
                interpreter.array(buffer)[:] = device.read(buffer)
        for buffer, tiles in inputs.items():
            interpreter.array(buffer)[:] = tiles
        return interpreter


def first_not_finite(
    step: int, interpreter: Interpreter, entry: Entry, arguments: Mapping[str, float]
) -> Culprit | None:
    """The first instruction that makes a number which is not finite."""
    for instruction in entry.instructions:
        interpreter.step(instruction, arguments)
        for ref in _results(instruction):
            if not np.isfinite(interpreter.array(ref.buffer)).all():
                return Culprit(step, instruction.phase, _name(instruction), ref.buffer.name)
    return None


def _results(instruction: Instruction) -> list[Ref]:
    """Places of floats that an instruction writes. A buffer that is written in part is judged whole."""
    if not isinstance(instruction, Call):
        return [instruction.ref]
    parameters = KERNELS[instruction.kernel].parameters
    pairs = zip(parameters, instruction.arguments, strict=True)
    return [
        a for p, a in pairs
        if isinstance(a, Ref) and isinstance(p, Array) and p.role in ("out", "update") and p.dtype == "f32"
    ]  # fmt: skip


def _name(instruction: Instruction) -> str:
    return instruction.kernel if isinstance(instruction, Call) else f"all-reduce ({instruction.op})"
