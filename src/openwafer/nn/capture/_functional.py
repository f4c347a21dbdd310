"""Writes in place, made into values: what a model writes through a view, into a buffer or an input becomes a
result of the graph.

PyTorch's own functionalisation does it. It trusts what operators declare about aliases; those that say
nothing have been asked (`_memories.py`).
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import warnings
from typing import Any

import torch
from torch.export.graph_signature import InputKind

from openwafer.diag import DiagnosticError, error
from openwafer.nn.capture._memories import Memories, Memory, is_write, nodes_of, parts_of
from openwafer.nn.capture._nodes import notes_of, overload_name

aten: Any = torch.ops.aten
Written = dict[Memory, list[Any]]
"""The nodes that write each piece of memory, in order."""


def functional(program: Any, memories: Memories, *, is_training: bool) -> Any:
    """The program without writes that what the model is given could reach. In training, what is computed
    without gradients is marked by `detach`.

    Diagnostics: unsupported-write, capture-failed."""
    if is_training:
        _mark_without_gradients(program.graph_module, memories)
    if not (written := _written(program, memories)):
        return program
    _check_targets(program, written, memories)
    _check_hidden(program, written, memories)
    if is_training:
        _check_detached(written, memories)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return program.run_decompositions({})
        except (RuntimeError, ValueError) as failure:
            text = str(failure).splitlines()[0]
            raise error("capture-failed", f"PyTorch cannot make values of the writes: {text}") from failure


def _written(program: Any, memories: Memories) -> Written:
    """What is written in place; nothing if only constants made by the model are: these writes PyTorch does
    while the model is compiled."""
    nodes = list(nodes_of(program.graph_module))
    writes = [node for node in nodes if is_write(node)]
    if not writes:
        return {}
    given = set().union(*(memories.of(n) for n in program.graph.nodes if n.op == "placeholder"))
    varying = _varying(program, nodes, memories)
    touched = [memories.of(node.args[0]) & given or memories.at(node) & varying for node in writes]
    if not any(touched):
        return {}
    written: Written = {}
    for node in writes:
        for memory in memories.of(node.args[0]):
            written.setdefault(memory, []).append(node)
    return written


def _varying(program: Any, nodes: list[Any], memories: Memories) -> set[Memory]:
    """Memory that holds what depends on inputs and parameters."""
    kinds = {spec.arg.name: spec.kind for spec in program.graph_signature.input_specs}
    first = (InputKind.PARAMETER, InputKind.USER_INPUT)
    placeholders = [n for n in program.graph.nodes if n.op == "placeholder"]
    varying = set().union(*(memories.of(n) for n in placeholders if kinds[n.name] in first))
    before = -1
    while before < len(varying):  # a write may reach what was made before it
        before = len(varying)
        for node in nodes:
            if any(memories.of(a) & varying for a in node.all_input_nodes):
                varying |= memories.of(node) | (memories.of(node.args[0]) if is_write(node) else set())
    return varying


def _check_targets(program: Any, written: Written, memories: Memories) -> None:
    """Diagnostics: unsupported-write."""
    placeholders = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        given = memories.of(placeholders[spec.arg.name])
        node = next((written[m][0] for m in given if m in written), None)
        if node is not None and spec.kind == InputKind.PARAMETER:
            raise unsupported_write(node, f"it changes the parameter `{spec.target}`")
        if node is not None and spec.kind == InputKind.CONSTANT_TENSOR:
            help = "`register_buffer` makes it a buffer, which may change"
            raise unsupported_write(node, f"it changes the tensor `{spec.target}`", help)


def unsupported_write(node: Any, why: str, help: str | None = None) -> DiagnosticError:
    name = overload_name(node.target)
    return error("unsupported-write", f"`{name}`: {why}", notes=notes_of(node), help=help)


def _check_hidden(program: Any, written: Written, memories: Memories) -> None:
    """Diagnostics: unsupported-write."""
    order = {node: i for i, node in enumerate(nodes_of(program.graph_module))}
    for node in memories.hidden:
        shared = memories.of(node) & written.keys()
        if any(order[written[memory][-1]] > order[node] for memory in shared):
            raise unsupported_write(node, "its result shares memory that is written in place")


def _check_detached(written: Written, memories: Memories) -> None:
    """What is written through `detach` changes numbers and no gradients.

    Diagnostics: unsupported-write."""
    for memory, writes in written.items():
        for node in writes:
            viewed = node.args[0]
            while isinstance(viewed, torch.fx.Node) and viewed.args and memory in memories.of(viewed):
                if viewed.target is aten.detach.default:
                    raise unsupported_write(node, "a write through `detach` in training")
                viewed = viewed.args[0]


def _mark_without_gradients(module: torch.fx.GraphModule, memories: Memories) -> None:
    """Results of what runs under `torch.no_grad` are detached; a write there that reaches farther is refused.

    Diagnostics: unsupported-write."""
    for node in list(module.graph.nodes):
        if "wrap_with_set_grad_enabled" not in str(node.target) or node.args[0] is not False:
            continue
        (part,) = parts_of(module, node)
        given = set().union(*(memories.of(n) for n in part.graph.nodes if n.op == "placeholder"))
        for inner in nodes_of(part):
            if is_write(inner) and memories.of(inner.args[0]) & given:
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
