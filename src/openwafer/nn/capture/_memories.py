"""Which tensors of a traced graph share memory.

The tensors of a trace say so themselves, except for operators that return an argument in some cases without
declaring it, such as dropout in evaluation: these are asked.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch

from openwafer.nn.capture._nodes import flat

Memory = int
"""Tells one piece of memory from another."""
COMPOSITE = "CompositeImplicitAutograd"
"""The kind of operators that are made of others, and may return what one of these returns."""


def memory_of(tensor: torch.Tensor) -> Memory:
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]


class Memories:
    """Of a program, in which nothing reads nodes that return an argument as it is any more; those in `hidden`
    share memory with one otherwise."""

    def __init__(self, program: Any) -> None:
        self._merged: dict[Memory, Memory] = {}
        self.hidden: list[Any] = []
        if not any(_is_asked(node) for node in _asked(program)):
            return
        parts = [m for m in program.graph_module.modules() if isinstance(m, torch.fx.GraphModule)]
        for part in parts:
            part.graph = _copied(part.graph)
        replaced = [node for node in _asked(program) if _is_asked(node) and self._ask(node)]
        for part in parts if replaced else ():
            part.recompile()

    def of(self, node: Any) -> set[Memory]:
        """Of the tensors that a node returns."""
        value = node.meta.get("val") if isinstance(node, torch.fx.Node) else None
        return {self.one(x) for x in flat(value) if isinstance(x, torch.Tensor)}

    def one(self, tensor: torch.Tensor) -> Memory:
        """Of one tensor of the trace."""
        memory = memory_of(tensor)
        while memory in self._merged:
            memory = self._merged[memory]
        return memory

    def at(self, node: Any) -> set[Memory]:
        """Of what a node returns and reads."""
        return self.of(node).union(*(self.of(a) for a in node.all_input_nodes))

    def _ask(self, node: Any) -> bool:
        """Whether another node now stands for this one."""
        shared = _shared(node)
        if shared is None:
            return False
        argument, is_itself = shared
        for memory in self.of(node) - self.of(argument):
            self._merged[memory] = next(iter(self.of(argument)))
        if is_itself:
            node.replace_all_uses_with(argument)
        else:
            self.hidden.append(node)
        return is_itself


def _asked(program: Any) -> list[Any]:
    """All nodes, or, if nothing is written in place, those that results may share memory with."""
    nodes = list(nodes_of(program.graph_module))
    return nodes if any(map(is_write, nodes)) else list(_before(nodes[-1]))


def _is_asked(node: Any) -> bool:
    return node.op == "call_function" and _may_hide(node.target)


def _copied(graph: torch.fx.Graph) -> torch.fx.Graph:
    """With right lists of users, under the same names. Where a model has `torch.no_grad`, those that
    `torch.export` makes lack some, also if it is captured under `no_grad`."""
    made = copy.deepcopy(graph)
    for node, old in zip(made.nodes, graph.nodes, strict=True):
        node.name = old.name
    return made


def is_write(node: Any) -> bool:
    """Whether a node changes one of its arguments."""
    schema = getattr(node.target, "_schema", None) if node.op == "call_function" else None
    return schema is not None and schema.is_mutable


def _before(output: Any) -> Iterator[Any]:
    """What the results may be other views of: first arguments, and theirs."""
    for node in output.all_input_nodes:
        while node.op == "call_function" and (_may_hide(node.target) or _is_view(node)):
            yield node
            if not node.all_input_nodes:
                break
            node = node.all_input_nodes[0]


def _is_view(node: Any) -> bool:
    values = [n.meta.get("val") for n in (node, *node.all_input_nodes)]
    made, *given = [memory_of(v) if isinstance(v, torch.Tensor) else None for v in values]
    return made is not None and made in given


def nodes_of(module: torch.fx.GraphModule) -> Iterator[Any]:
    """In the order of execution, those of graphs that are called in it included."""
    for node in module.graph.nodes:
        for part in parts_of(module, node):
            yield from nodes_of(part)
        yield node


def parts_of(module: torch.fx.GraphModule, node: Any) -> Iterator[torch.fx.GraphModule]:
    """The graphs that a node calls."""
    for argument in node.all_input_nodes:
        part = getattr(module, argument.target, None) if argument.op == "get_attr" else None
        if isinstance(part, torch.fx.GraphModule):
            yield part


def _may_hide(target: Any) -> bool:
    """Whether an operator is made of others, and declares no aliases."""
    schema = getattr(target, "_schema", None)
    if schema is None or schema.is_mutable or any(a.alias_info for a in schema.arguments):
        return False
    return torch._C._dispatch_has_kernel_for_dispatch_key(target.name(), COMPOSITE)  # pyright: ignore


def _shared(node: Any) -> tuple[Any, bool] | None:
    """The argument whose memory the result shares, and whether the result is that very tensor. The operator
    says it on tensors without numbers."""
    empty: dict[Any, Any] = {}

    def of(argument: Any) -> Any:
        return empty.setdefault(argument, _empty(argument.meta.get("val")))

    args, kwargs = torch.fx.map_arg((node.args, node.kwargs), of)
    try:
        made = node.target(*args, **kwargs)
    except Exception:  # without numbers some operators do not work; they make new tensors
        return None
    for argument, tensor in empty.items():
        if isinstance(tensor, torch.Tensor):
            for result in flat(made):
                if isinstance(result, torch.Tensor) and memory_of(result) == memory_of(tensor):
                    return argument, result is made and _is_alike(result, tensor)
    return None


def _is_alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    where = [(x.shape, x.stride(), x.storage_offset(), x.dtype) for x in (a, b)]
    return where[0] == where[1]


def _empty(value: Any) -> Any:
    """A tensor without numbers, or several."""
    if isinstance(value, list | tuple):
        return type(value)(map(_empty, value))
    if not isinstance(value, torch.Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
