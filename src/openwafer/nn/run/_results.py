"""From what the wafer computed to what the model returns, and to what it writes into inputs and buffers."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree

from openwafer.diag import error
from openwafer.nn.capture._abstract import Param
from openwafer.nn.capture._inputs import Input
from openwafer.nn.capture._memories import Memories, memory_of
from openwafer.nn.capture._nodes import flat
from openwafer.nn.capture._view import View, from_matrix, to_matrix

Live = Callable[[str], torch.Tensor]
"""A parameter or buffer of the model, as it is now, by name."""
Owner = int | str
"""One of the caller's tensors, by number, or a parameter or buffer, by name."""


@dataclass(frozen=True, slots=True)
class Given:
    """A result that is an input, rearranged: the host has it."""

    input: Input
    view: View

    def of(self, args: Sequence[torch.Tensor]) -> NDArray[Any]:
        array = self.input.arrange(args[self.input.argument])
        return from_matrix(to_matrix(array.reshape(self.input.view.shape), self.input.view), self.view)


@dataclass(frozen=True, slots=True)
class Alias:
    """How a result shares memory: with an argument, a parameter or a buffer, or (owner None) with the other
    results of the same `memory`."""

    memory: int
    owner: Owner | None
    owner_stride: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


def aliases(program: Any, memories: Memories) -> dict[int, Alias]:
    """Of the results that share memory, by their places; of a program with its writes in place."""
    owners = _owners(program, memories)
    output = next(n for n in program.graph.nodes if n.op == "output")
    values = {i: _value(node) for i, node in enumerate(flat(output.args[0]))}
    tensors = {i: (memories.one(v), v) for i, v in values.items() if v is not None}
    all_memories = [memory for memory, _ in tensors.values()]
    _check_assigned(program, memories, set(all_memories))
    shared = {m for m in all_memories if m in owners or all_memories.count(m) > 1}
    for memory, value in tensors.values():
        if memory in shared and memory_of(value) != memory:
            raise error(
                "unsupported-write", "two results share memory behind dropout, or a similar operator",
                help="return `result.clone()`",
            )  # fmt: skip
    return {i: _alias(m, v, owners) for i, (m, v) in tensors.items() if m in shared}


def _check_assigned(program: Any, memories: Memories, returned: set[int]) -> None:
    """A tensor that becomes a buffer (`self.buffer = …`) is no result besides: `torch.export` writes a copy
    of it at the end.

    Diagnostics: unsupported-write."""
    for node in program.graph.nodes:
        if node.name.startswith("copy__default") and memories.of(node.args[1]) & returned:
            raise error(
                "unsupported-write", f"a result is the new tensor of the buffer `{node.args[0].name}`",
                help="`self.buffer.copy_(…)`",
            )  # fmt: skip


def _value(node: Any) -> torch.Tensor | None:
    value = node.meta.get("val") if isinstance(node, torch.fx.Node) else None
    return value if isinstance(value, torch.Tensor) else None


def _alias(memory: int, value: torch.Tensor, owners: dict[int, tuple[Owner, torch.Tensor]]) -> Alias:
    owner, tensor = owners.get(memory, (None, value))
    offset = int(value.storage_offset())
    return Alias(memory, owner, tuple(tensor.stride()), tuple(value.shape), tuple(value.stride()), offset)


def _owners(program: Any, memories: Memories) -> dict[int, tuple[Owner, torch.Tensor]]:
    """Who has the memory of each tensor that the graph is given."""
    found: dict[int, tuple[Owner, torch.Tensor]] = {}
    for name, owner in owners_of(program).items():
        value = _value(_placeholder(program, name))
        if value is not None:
            found[memories.one(value)] = (owner, value)
    return found


def _placeholder(program: Any, name: str) -> Any:
    return next(n for n in program.graph.nodes if n.op == "placeholder" and n.name == name)


def owners_of(program: Any) -> dict[str, Owner]:
    """By the names of placeholders."""
    found: dict[str, Owner] = {}
    given = 0
    for spec in program.graph_signature.input_specs:
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
            found[spec.arg.name] = spec.target
        elif spec.kind == InputKind.USER_INPUT and _value(_placeholder(program, spec.arg.name)) is not None:
            found[spec.arg.name] = given
            given += 1
    return found


@dataclass(frozen=True, slots=True)
class Results:
    """All results in order: those that are written first, then those that are returned."""

    sources: tuple[Any, ...]
    """A view of what is computed, `Given`, `Param`, or what is known."""
    dtypes: tuple[torch.dtype | None, ...]
    writes: tuple[tuple[int, Owner], ...]
    """Which result is written over which tensor."""
    returned: int
    """The first result that is returned."""
    aliases: dict[int, Alias]
    structure: Any
    """The pytree of what is returned, of torch.utils._pytree."""

    @staticmethod
    def of(program: Any, sources: Iterable[Any], places: dict[int, Alias]) -> Results:
        owners = owners_of(program)
        specs = program.graph_signature.output_specs
        output = next(n for n in program.graph.nodes if n.op == "output")
        values = [_value(node) for node in flat(output.args[0])]
        dtypes = tuple(None if v is None else v.dtype for v in values)
        writes: list[tuple[int, Owner]] = []
        for i, spec in enumerate(specs):
            if spec.kind == OutputKind.BUFFER_MUTATION:
                writes.append((i, spec.target))
            elif spec.kind == OutputKind.USER_INPUT_MUTATION:
                writes.append((i, owners[spec.target]))
        structure = program.call_spec.out_spec
        return Results(tuple(sources), dtypes, tuple(writes), len(writes), places, structure)

    def check_written(self, args: Sequence[torch.Tensor]) -> None:
        """Diagnostics: input-shared."""
        written = {owner for _, owner in self.writes}
        for i in (owner for owner in written if isinstance(owner, int)):
            if any(s == 0 and n > 1 for s, n in zip(args[i].stride(), args[i].shape, strict=True)):
                raise error("input-shared", f"the model changes input {i + 1}, whose elements share memory")
            memory = memory_of(args[i])
            others = [k for k, other in enumerate(args) if k != i and memory_of(other) == memory]
            if others:
                raise error(
                    "input-shared",
                    f"the model changes input {i + 1}, which shares memory with input {others[0] + 1}",
                    help=f"give `input.clone()` for input {others[0] + 1}",
                )

    def finish(self, computed: Iterable[NDArray[Any]], args: Sequence[torch.Tensor], live: Live) -> Any:
        """Makes the writes, with the results that the wafer computed in their order; what the model
        returns."""
        left = iter(computed)
        values = [self._made(i, left, args, live) for i in range(len(self.sources))]
        with torch.no_grad():
            for place, owner in self.writes:
                target = live(owner) if isinstance(owner, str) else args[owner]
                target.copy_(values[place])
        shared: dict[int, torch.Tensor] = {}
        leaves = [
            self._placed(i, value, args, live, shared) for i, value in enumerate(values[self.returned :])
        ]
        return _pytree.tree_unflatten(leaves, self.structure)

    def _made(self, place: int, left: Any, args: Sequence[torch.Tensor], live: Live) -> Any:
        source, dtype = self.sources[place], self.dtypes[place]
        match source:
            case View():
                value = torch.as_tensor(next(left))
            case Given():
                value = torch.as_tensor(source.of(args))
            case Param():
                value = live(source.name).detach().flatten()[source.index]
            case torch.Tensor():
                value = source.clone()
            case _:
                return source
        return value if dtype is None else value.to(dtype)

    def _placed(
        self,
        place: int,
        value: Any,
        args: Sequence[torch.Tensor],
        live: Live,
        shared: dict[int, torch.Tensor],
    ) -> Any:
        """A result as a view of the memory that it shares."""
        alias = self.aliases.get(place)
        if alias is None:
            return value
        if alias.owner is None:
            return _joined(alias, value, shared)
        owner = live(alias.owner).detach() if isinstance(alias.owner, str) else args[alias.owner]
        if tuple(owner.stride()) != alias.owner_stride:
            return value
        if _is_whole(owner, alias):
            return owner
        return torch.as_strided(owner, alias.size, alias.stride, owner.storage_offset() + alias.offset)


def _is_whole(owner: torch.Tensor, alias: Alias) -> bool:
    return tuple(owner.shape) == alias.size and tuple(owner.stride()) == alias.stride and not alias.offset


def _joined(alias: Alias, value: torch.Tensor, shared: dict[int, torch.Tensor]) -> torch.Tensor:
    """A view of memory in which other results lie, too."""
    reach = alias.offset + 1 + sum((n - 1) * s for n, s in zip(alias.size, alias.stride, strict=True))
    if alias.memory not in shared:
        shared[alias.memory] = torch.zeros(0, dtype=value.dtype)
    memory = shared[alias.memory]
    if memory.numel() < reach:
        memory.resize_(reach)  # views of it see the same storage
    view = torch.as_strided(memory, alias.size, alias.stride, alias.offset)
    return view.copy_(value) if 0 not in alias.stride else value
