"""Writes in place, made into values: what a model writes through a view, into a buffer or an input becomes a
result of the graph.

PyTorch's own functionalisation does it. It trusts what operators declare about aliases, so those that return
their argument and do not say so (dropout in evaluation) become aliases first.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.export.graph_signature import InputKind

from openwafer.diag import DiagnosticError, error
from openwafer.nn._nodes import flat, notes_of, overload_name

aten: Any = torch.ops.aten
Memory = int
"""Tells one piece of memory from another, in the tensors of a traced graph."""
Written = dict[Memory, list[Any]]
"""The nodes that write each piece of memory, in order."""


def functional(program: Any, *, is_training: bool) -> Any:
    """The program without writes that what the model is given could reach. In training, what is computed
    without gradients is marked by `detach`.

    Diagnostics: unsupported-write."""
    if is_training:
        _mark_without_gradients(program.graph_module)
    if not (written := _written(program)):
        return program
    _check_targets(program, written)
    _say_aliases(program.graph_module, written)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return program.run_decompositions({})


def memory_of(tensor: torch.Tensor) -> Memory:
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]


def is_write(node: Any) -> bool:
    """Whether a node changes one of its arguments."""
    schema = getattr(node.target, "_schema", None) if node.op == "call_function" else None
    return schema is not None and schema.is_mutable


def _written(program: Any) -> Written:
    """What is written in place; nothing if only constants made by the model are: these writes PyTorch does
    while the model is compiled."""
    nodes = list(_nodes(program.graph_module))
    writes = [node for node in nodes if is_write(node)]
    if not writes:
        return {}
    given = set().union(*(_memories(n) for n in program.graph.nodes if n.op == "placeholder"))
    varying = _varying(program, nodes)
    touched = [_memories(node.args[0]) & given or _memories_at(node) & varying for node in writes]
    if not any(touched):
        return {}
    written: Written = {}
    for node in writes:
        for memory in _memories(node.args[0]):
            written.setdefault(memory, []).append(node)
    return written


def _varying(program: Any, nodes: list[Any]) -> set[Memory]:
    """Memory that holds what depends on inputs and parameters."""
    kinds = {spec.arg.name: spec.kind for spec in program.graph_signature.input_specs}
    first = (InputKind.PARAMETER, InputKind.USER_INPUT)
    placeholders = [n for n in program.graph.nodes if n.op == "placeholder"]
    varying = set().union(*(_memories(n) for n in placeholders if kinds[n.name] in first))
    before = -1
    while before < len(varying):  # a write may reach what was made before it
        before = len(varying)
        for node in nodes:
            if any(_memories(a) & varying for a in node.all_input_nodes):
                varying |= _memories(node) | (_memories(node.args[0]) if is_write(node) else set())
    return varying


def _memories(node: Any) -> set[Memory]:
    """Of the tensors that a node returns."""
    value = node.meta.get("val") if isinstance(node, torch.fx.Node) else None
    return {memory_of(x) for x in flat(value) if isinstance(x, torch.Tensor)}


def _memories_at(node: Any) -> set[Memory]:
    """Of what a node returns and reads."""
    return _memories(node).union(*(_memories(a) for a in node.all_input_nodes))


def _nodes(module: torch.fx.GraphModule) -> Iterator[Any]:
    """In the order of execution, those of graphs that are called in it included."""
    for node in module.graph.nodes:
        for part in _parts(module, node):
            yield from _nodes(part)
        yield node


def _parts(module: torch.fx.GraphModule, node: Any) -> Iterator[torch.fx.GraphModule]:
    """The graphs that a node calls."""
    for argument in node.all_input_nodes:
        part = getattr(module, argument.target, None) if argument.op == "get_attr" else None
        if isinstance(part, torch.fx.GraphModule):
            yield part


def _check_targets(program: Any, written: Written) -> None:
    """Diagnostics: unsupported-write."""
    placeholders = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        memories = _memories(placeholders[spec.arg.name])
        node = next((written[m][0] for m in memories if m in written), None)
        if node is not None and spec.kind == InputKind.PARAMETER:
            raise unsupported_write(node, f"it changes the parameter `{spec.target}`")
        if node is not None and spec.kind == InputKind.CONSTANT_TENSOR:
            help = "`register_buffer` makes it a buffer, which may change"
            raise unsupported_write(node, f"it changes the tensor `{spec.target}`", help)


def unsupported_write(node: Any, why: str, help: str | None = None) -> DiagnosticError:
    name = overload_name(node.target)
    return error("unsupported-write", f"`{name}`: {why}", notes=notes_of(node), help=help)


def _say_aliases(module: torch.fx.GraphModule, written: Written) -> None:
    """Operators that returned their first argument as it was, without declaring it, become `alias`, if what
    they share is written later."""
    order = {node: i for i, node in enumerate(_nodes(module))}
    for node, i in order.items():
        shared = _memories(node) & written.keys() if node.op == "call_function" else set()
        if any(order[written[m][-1]] > i for m in shared) and _is_hidden_alias(node):
            with node.graph.inserting_before(node):
                alias = node.graph.call_function(aten.alias.default, (node.args[0],))
            alias.meta = dict(node.meta)
            node.replace_all_uses_with(alias)
            node.graph.erase_node(node)
    for part in module.modules():
        if isinstance(part, torch.fx.GraphModule):
            part.recompile()


def _is_hidden_alias(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None or any(a.alias_info for a in schema.arguments):
        return False
    memories = _memories(node)
    shared = [a for a in node.all_input_nodes if _memories(a) & memories]
    if shared and (shared[0] is not node.args[0] or not _is_same(node, shared[0])):
        raise unsupported_write(node, "its result shares memory that is written in place")
    return bool(shared)


def _is_same(a: Any, b: Any) -> bool:
    x, y = a.meta["val"], b.meta["val"]
    if not isinstance(x, torch.Tensor):
        return False
    same = (x.shape == y.shape, x.stride() == y.stride(), x.storage_offset() == y.storage_offset())
    return all(same) and x.dtype == y.dtype


def _mark_without_gradients(module: torch.fx.GraphModule) -> None:
    """Results of what runs under `torch.no_grad` are detached; a write there that reaches farther is refused.

    Diagnostics: unsupported-write."""
    for node in list(module.graph.nodes):
        if "wrap_with_set_grad_enabled" not in str(node.target) or node.args[0] is not False:
            continue
        (part,) = _parts(module, node)
        given = set().union(*(_memories(n) for n in part.graph.nodes if n.op == "placeholder"))
        for inner in _nodes(part):
            if is_write(inner) and _memories(inner.args[0]) & given:
                raise unsupported_write(inner, "a write under `torch.no_grad` in training")
        output = next(n for n in part.graph.nodes if n.op == "output")
        with part.graph.inserting_before(output):
            output.args = (torch.fx.map_arg(output.args[0], _detached),)
        part.recompile()


def _detached(node: Any) -> Any:
    if not isinstance(node.meta.get("val"), torch.Tensor):
        return node
    made = node.graph.call_function(aten.detach.default, (node,))
    made.meta = dict(node.meta)
    return made
