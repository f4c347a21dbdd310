"""A graph to a program: place, lower, collect the buffers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from openwafer.nn.graph._graph import Graph, Value
from openwafer.nn.graph._mesh import Mesh, local_shape
from openwafer.nn.graph._place import Placement
from openwafer.nn.kernels._kernel import DType, Storage
from openwafer.nn.ops._passes import lower, place
from openwafer.nn.program._join_sums import join_sums
from openwafer.nn.program._lower import Lowering, Memory, value_layout
from openwafer.nn.program._program import Buffer, BufferKind, Call, Entry, Instruction, Program, Runtime
from openwafer.nn.run._dropout_seed import HIGH, LOW


@dataclass(slots=True)
class Built:
    """One entry, and the buffers by which the host sees its values."""

    entry: Entry
    values: dict[Value, Buffer]
    gradients: list[Buffer]


@dataclass(slots=True)
class Builder:
    """Builds entries that share one memory."""

    mesh: Mesh
    storage: Storage = "f32"
    memory: Memory = field(default_factory=Memory)
    built: list[Built] = field(default_factory=list[Built])

    def entry(
        self, name: str, graph: Graph, outputs: Sequence[Value], *, keep_gradients: bool = False
    ) -> Built:
        """Places and lowers a graph, which stays as it is; `outputs` stay readable after the run."""
        graph = graph.copy()
        placement = place(graph, self.mesh)
        to = Lowering(
            self.mesh, placement, self.memory, graph, keep_gradients=keep_gradients, storage=self.storage
        )
        for value in graph.inputs:
            to.set(value, self._visible(value, placement, "input"))
        for value in outputs:
            if value not in to.values:
                to.set(value, self._visible(value, placement, "output"))
        instructions = join_sums(lower(to))
        made = Built(
            Entry(name, instructions, _arguments(instructions)), to.values, list(to.gradients.values())
        )
        self.built.append(made)
        return made

    def _visible(self, value: Value, placement: Placement, kind: BufferKind) -> Buffer:
        layout = value_layout(value, placement)
        dtype: DType = "i32" if value.shape.kind == "ids" else "f32"
        return self.memory.kept(value.name, local_shape(layout), kind, dtype=dtype, layout=layout)

    def program(self) -> Program:
        entries = tuple(b.entry for b in self.built)
        return Program(self.mesh, entries, tuple(_buffers(entries)))


WHOLE = ("past", "last", LOW, HIGH)
"""What counts tokens, or is a word."""


def _arguments(instructions: Iterable[Instruction]) -> tuple[tuple[str, DType], ...]:
    """What the host must give: whole numbers, all else are f32."""
    names = dict.fromkeys(
        a.name for i in instructions if isinstance(i, Call) for a in i.arguments if isinstance(a, Runtime)
    )
    return tuple((name, "u16" if name in WHOLE else "f32") for name in names)


def _buffers(entries: Iterable[Entry]) -> Iterable[Buffer]:
    """Every buffer that an instruction touches, in the order of first use."""
    return dict.fromkeys(r.buffer for e in entries for i in e.instructions for r in i.refs())
