"""A program with its weights on a device: what compiled models and training steps share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.image import Image
from openwafer.nn._wafer import Wafer
from openwafer.nn.capture._view import View
from openwafer.nn.program._emit import Emitted, emit
from openwafer.nn.program._fit import Replan, check_fit
from openwafer.nn.program._memory import Plan, plan_memory
from openwafer.nn.program._plan import ModelPlan, describe
from openwafer.nn.program._program import Buffer, Entry, Program
from openwafer.nn.run._device import (
    Device,
    EngineName,
    InterpretedDevice,
    SimulatedDevice,
    buffer_dtype,
    compile_emitted,
)
from openwafer.nn.run._host import Arrays, input_tiles, output_tensor, put_tiles, weight_tiles
from openwafer.nn.run._profile import By, Phase, by_kind, phases, sums
from openwafer.nn.run._usage import Usage


@dataclass
class Session:
    """Host side of a program. `parameters` are the whole arrays by name; the device is made at the first
    use."""

    program: Program
    wafer: Wafer
    engine: EngineName
    parameters: Arrays
    threads: int
    replan: Replan
    last: dict[str, tuple[dict[Buffer, NDArray[Any]], dict[str, float]]] = field(
        default_factory=dict[str, tuple[dict[Buffer, NDArray[Any]], dict[str, float]]]
    )

    def __post_init__(self) -> None:
        if self.engine not in get_args(EngineName):
            names = ", ".join(f"`{name}`" for name in get_args(EngineName))
            raise error("host-argument", f"there is no engine `{self.engine}`", help=f"there are {names}")
        check_fit(self.program, self.memory, self.wafer.load(), self.replan)

    @cached_property
    def memory(self) -> Plan:
        return plan_memory(self.program)

    @cached_property
    def emitted(self) -> Emitted:
        return emit(self.program, self.memory, self.wafer.load())

    @cached_property
    def image(self) -> Image:
        """The emitted CSL, compiled."""
        return compile_emitted(self.emitted, self.wafer.load())

    @cached_property
    def device(self) -> Device:
        if self.engine == "numpy":
            device: Device = InterpretedDevice(self.program, self.memory)
        else:
            device = self._simulated(self.emitted, self.image)
        self._load(device)
        return device

    def _simulated(self, emitted: Emitted, image: Image) -> SimulatedDevice:
        assert self.engine != "numpy", "the interpreter counts no cycles"
        machine = self.wafer.load()
        return SimulatedDevice(
            self.program, emitted.symbols, image, machine, self.engine, threads=self.threads
        )

    def _load(self, device: Device) -> None:
        for buffer in self.program.buffers:
            if buffer.kind in ("weight", "constant"):
                device.write(buffer, weight_tiles(buffer, self.parameters, self.wafer.mesh))

    def reload(self, parameters: Arrays, changed: Collection[str]) -> None:
        """Takes the weights of a model in which those named `changed` are others."""
        self.parameters = parameters
        if "device" not in self.__dict__:
            return
        for buffer in self.program.buffers:
            if buffer.kind == "weight" and buffer.weight and buffer.weight.parameter in changed:
                self.device.write(buffer, weight_tiles(buffer, parameters, self.wafer.mesh))

    def run(
        self, entry: Entry, inputs: Mapping[Buffer, NDArray[Any]], 
        arguments: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        """Copies inputs (tiles) in and runs the entry."""
        given = dict(arguments or {})
        self.last[entry.name] = (dict(inputs), given)
        _run(self.device, entry, inputs, given)

    def read(self, buffer: Buffer, view: View) -> NDArray[Any]:
        """The tensor that a view shows of an output."""
        return output_tensor(buffer, self.device.read(buffer), view, self.wafer.mesh)

    def collect(self, kind: str, into: Arrays) -> None:
        """Adds all buffers of a kind (weight, gradient, state) to whole arrays by parameter."""
        for buffer in self.program.buffers:
            if buffer.kind == kind and buffer.weight is not None and buffer.weight.parameter in into:
                put_tiles(buffer, self.device.read(buffer), into, self.wafer.mesh)

    def states(self) -> dict[str, NDArray[Any]]:
        """What optimisers keep between steps, by buffer: `[h, w, *local shape]`."""
        return {b.name: self.device.read(b) for b in self.program.buffers if b.kind == "state"}

    def restore(self, states: Arrays) -> None:
        """Puts back what `states` gave. Diagnostics: state-mismatch."""
        wanted = {b.name: b for b in self.program.buffers if b.kind == "state"}
        if states.keys() != wanted.keys():
            raise error("state-mismatch", f"states of {len(states)} buffers for a program with {len(wanted)}")
        mesh = self.wafer.mesh
        for name, buffer in wanted.items():
            if states[name].shape != (mesh.h, mesh.w, *buffer.shape):
                raise error("state-mismatch", f"`{name}` has the shape {list(states[name].shape)}")
            if states[name].dtype != buffer_dtype(buffer):
                raise error("state-mismatch", f"`{name}` is of type {states[name].dtype}")
            self.device.write(buffer, states[name])

    def tiles(self, buffer: Buffer, tensor: NDArray[Any], view: View) -> NDArray[Any]:
        return input_tiles(buffer, tensor, view, self.wafer.mesh)

    # --- what it looks like ---

    @property
    def usage(self) -> Usage:
        """Of the wafer since it was started."""
        mesh = self.wafer.mesh
        return Usage(self.wafer.load(), mesh.w * mesh.h, self.device.now, self.device.busy_cycles)

    def describe(self) -> ModelPlan:
        return describe(self.program, self.memory, self.wafer)

    def profile(self, entry: Entry, by: By = "module") -> list[Phase]:
        """Cycles by phase of the entry's last run, which is repeated with time stamps on a second wafer: by
        module in the order of the run, or by kind of work, most first.

        Diagnostics: host-argument, not-run."""
        if by not in get_args(By):
            raise error("host-argument", f"there is no profile by `{by}`", help="by `module` or by `kind`")
        if self.engine == "numpy":
            raise error("host-argument", "the engine `numpy` counts no cycles", help='engine="fast"')
        if entry.name not in self.last:
            raise error(
                "not-run", f"`{entry.name}` has not run yet, so it has no profile", help="call it first"
            )
        machine = self.wafer.load()
        program = by_kind(self.program) if by == "kind" else self.program
        emitted = emit(program, self.memory, machine)
        device = self._simulated(emitted, compile_emitted(emitted, machine, profile=True))
        self._load(device)
        _run(device, entry, *self.last[entry.name])
        return (sums if by == "kind" else phases)(device, emitted.phases[entry.name])

    def save(self, directory: str | Path) -> None:
        """Writes the CSL, the tiles of the weights, and a host script that runs them."""
        from openwafer.nn.run._save import save

        save(self, Path(directory))


def _run(
    device: Device, entry: Entry, inputs: Mapping[Buffer, NDArray[Any]], arguments: Mapping[str, float]
) -> None:
    for buffer, tiles in inputs.items():
        device.write(buffer, tiles)
    device.launch(entry, arguments)
