"""What goes through a graph and asks each operator: where its values lie, its gradient, its instructions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Graph, Op, Value
from openwafer.nn.graph._mesh import Mesh
from openwafer.nn.graph._place import Placement, Placing, resolve
from openwafer.nn.ops import OPERATORS
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Instruction


def place(graph: Graph, mesh: Mesh) -> Placement:
    """Places every value of the graph; moves are inserted into it."""
    placing = Placing(graph)
    ops, graph.ops = graph.ops, []
    for op in ops:
        placing.swaps = {}
        OPERATORS[op.name].place(op, placing)
        for move in placing.pending:
            graph.append(move)
        placing.pending = []
        graph.append(_swapped(op, placing.swaps))
    return resolve(graph, placing, mesh)


def _swapped(op: Op, swaps: dict[Value, Value]) -> Op:
    if not swaps:
        return op
    inputs = tuple(swaps.get(v, v) for v in op.inputs)
    return Op(op.name, inputs, op.outputs, op.weights, op.attributes, op.origin)


def differentiate(graph: Graph, loss: Value, trained: Iterable[str]) -> None:
    """Appends what computes the gradient of `loss`, a scalar, by the parameters `trained`."""
    forward = list(graph.ops)
    parameters = frozenset(trained)
    tape = Tape(graph, needed=_needed(graph, parameters), trained=parameters)
    for op in reversed(forward):
        grad = tape.known.get(op.outputs[0]) if op.outputs else None
        if op.outputs and op.outputs[0] is loss:
            grad = tape.number(1.0)
        if grad is not None and tape.needs(op.outputs[0]):
            tape.origin = replace(op.origin, module=f"{op.origin.module}'")
            OPERATORS[op.name].backward(op, grad, tape)


def _needed(graph: Graph, trained: frozenset[str]) -> set[Value]:
    """Values that depend on a trained parameter."""
    needed: set[Value] = set()
    for op in graph.ops:
        reads = any(w.parameter in trained for w in op.weights) or any(v in needed for v in op.inputs)
        if reads and not op.attributes.get("stops"):
            needed.update(op.outputs)
    return needed


def lower(lowering: Lowering) -> tuple[Instruction, ...]:
    """The instructions of the whole graph."""
    for op in lowering.graph.ops:
        lowering.users.update(dict.fromkeys(op.inputs, 1))
    for op in lowering.graph.ops:
        with lowering.op_phase(op):
            OPERATORS[op.name].lower(op, lowering)
    return tuple(lowering.instructions)
