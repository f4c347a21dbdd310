"""The slow definition of a program: every PE's buffers as NumPy arrays, kernels by their NumPy definitions.

It holds what placement, differentiation and memory must give, whatever the CSL does; `addresses` makes
buffers share memory as they do on the wafer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.nn.kernels._kernel import NUMPY_DTYPES, Array, Kernel, Size
from openwafer.nn.kernels._kernels import KERNELS
from openwafer.nn.program._program import (
    Argument,
    Buffer,
    Call,
    Collective,
    Entry,
    Instruction,
    Position,
    Program,
    Ref,
    Runtime,
    Share,
    Valid,
)


@dataclass(slots=True)
class Interpreter:
    """A mesh of PEs, each with one memory in which buffers lie at their addresses."""

    program: Program
    addresses: Mapping[Buffer, int]
    bytes: int
    memory: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        mesh = self.program.mesh
        words = np.full((mesh.h, mesh.w, -(-self.bytes // 4)), np.nan, np.float32)
        self.memory = words.view(np.uint8)
        for buffer in self.program.buffers:
            if buffer.kind in ("state", "cache"):
                self.array(buffer)[:] = 0

    def array(self, buffer: Buffer) -> NDArray[Any]:
        """`[h, w, *shape]`: the buffer on all PEs, as a view of their memories."""
        start = self.addresses[buffer]
        flat = self.memory[:, :, start : start + buffer.bytes]
        mesh = self.program.mesh
        return flat.view(NUMPY_DTYPES[buffer.dtype]).reshape(mesh.h, mesh.w, *buffer.shape)

    def run(self, entry: Entry, arguments: Mapping[str, float] | None = None) -> None:
        """Runs an entry on all PEs, instruction by instruction."""
        for instruction in entry.instructions:
            self.step(instruction, arguments or {})

    def step(self, instruction: Instruction, arguments: Mapping[str, float]) -> None:
        """Runs one instruction on all PEs."""
        match instruction:
            case Call():
                self._call(instruction, arguments)
            case Collective():
                self._collective(instruction)

    def _collective(self, c: Collective) -> None:
        start = self._address(c.ref)
        data = self.memory[:, :, start : start + 4 * c.n].view(np.float32)
        axis = 1 if c.axis == "x" else 0
        reduce = np.sum if c.op == "sum" else np.max
        data[:] = reduce(data, axis=axis, keepdims=True)

    def _call(self, call: Call, runtime: Mapping[str, float]) -> None:
        kernel = KERNELS[call.kernel]
        mesh = self.program.mesh
        with np.errstate(all="ignore"):
            for y in range(mesh.h):
                for x in range(mesh.w):
                    self._call_on(kernel, call, runtime, x, y)

    def _call_on(self, kernel: Kernel, call: Call, runtime: Mapping[str, float], x: int, y: int) -> None:
        pairs = list(zip(kernel.parameters, call.arguments, strict=True))
        sizes = {p.name: int(scalar(a, x, y, runtime)) for p, a in pairs if isinstance(p, Size)}
        values: list[Any] = []
        for parameter, argument in pairs:
            if isinstance(parameter, Array):
                assert isinstance(argument, Ref)
                values.append(self._view(argument, parameter, parameter.local_shape(sizes), x, y))
            else:
                values.append(sizes.get(parameter.name, scalar(argument, x, y, runtime)))
        kernel.define(*values)

    def _view(self, ref: Ref, array: Array, shape: tuple[int, ...], x: int, y: int) -> NDArray[Any]:
        start, dtype = self._address(ref), array.numpy_dtype
        size = int(np.prod(shape, dtype=int))
        assert ref.offset + size <= ref.buffer.size, f"{array.name} runs over {ref.buffer.name}"
        return self.memory[y, x, start : start + size * dtype.itemsize].view(dtype).reshape(shape)

    def _address(self, ref: Ref) -> int:
        return self.addresses[ref.buffer] + ref.offset * np.dtype(NUMPY_DTYPES[ref.buffer.dtype]).itemsize


def scalar(argument: Argument, x: int, y: int, runtime: Mapping[str, float]) -> float:
    """The value of a number argument on the PE (x, y)."""
    match argument:
        case Position(axis):
            return x if axis == "x" else y
        case Valid(axis, size, chunk):
            position = x if axis == "x" else y
            return max(0, min(chunk, size - position * chunk))
        case Share(axis, size, count):
            position = x if axis == "x" else y
            return max(0, -(-(size - position) // count))
        case Runtime(name):
            return runtime[name]
        case Ref():
            raise TypeError("a number is needed")
        case _:
            return argument
