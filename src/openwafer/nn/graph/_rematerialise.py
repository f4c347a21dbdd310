"""Making results again in the backward pass instead of keeping them from the forward pass."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from openwafer.nn.graph._graph import Graph, Op, Value

MADE_AGAIN = ("unary", "mul", "unfold")
"""Operators without communication whose operands their own backward keeps anyway, or that are much smaller
than the result."""


def rematerialise(graph: Graph, forward: Container[Op]) -> Graph:
    """The same graph, in which backward operators (those not in `forward`) read no result of `MADE_AGAIN`
    from the forward pass: each is made again before its first use there. Less memory, more cycles."""
    out = Graph([], list(graph.inputs), set(graph.names), {})
    copies: dict[Value, Value] = {}
    for op in graph.ops:
        if op not in forward:
            inputs = tuple(_again(graph, out, forward, copies, value) for value in op.inputs)
            op = replace(op, inputs=inputs)
        out.append(op)
    return out


def _again(
    graph: Graph, out: Graph, forward: Container[Op], copies: dict[Value, Value], value: Value
) -> Value:
    """What stands for a value in the backward pass; appends what makes it, once."""
    op = graph.producers.get(value)
    if op is None or op not in forward or op.name not in MADE_AGAIN:
        return value
    if value not in copies:
        inputs = [_again(graph, out, forward, copies, v) for v in op.inputs]
        origin = replace(op.origin, module=f"{op.origin.module}'")
        made = out.emit(op.name, inputs, [value.shape], weights=op.weights, origin=origin, **op.attributes)
        copies[value] = made.output
    return copies[value]
