"""Where values lie: placing gives every matrix an axis and a chunk, and inserts moves where operators
disagree.

Values that an operator reads together must lie alike (`same`); a linear layer turns from one axis to the
other (`flip`). Both are unions of sets; a union that would contradict an earlier one becomes a move of the
operand instead. The two dimensions of a weight matrix take part: all that use it must find the same tile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from openwafer.nn.graph._graph import Graph, Op, Shape, Value, Weight
from openwafer.nn.graph._mesh import Mesh, Split, split

Node = Value | tuple[Weight, int]
"""A value, or dimension 0 (N) or 1 (K) of a weight."""


@dataclass(slots=True)
class _Sets:
    """Disjoint sets in which each member knows its parity relative to the root."""

    parent: dict[Node, tuple[Node, int]] = field(default_factory=dict[Node, tuple[Node, int]])
    ages: dict[Node, int] = field(default_factory=dict[Node, int])

    def find(self, node: Node) -> tuple[Node, int]:
        up, parity = self.parent.setdefault(node, (node, 0))
        self.ages.setdefault(node, len(self.ages))
        if up is node or up == node:
            return node, 0
        root, above = self.find(up)
        self.parent[node] = (root, parity ^ above)
        return root, parity ^ above

    def join(self, a: Node, b: Node, parity: int) -> bool:
        """Whether the parity of `a` and `b` is (or now becomes) `parity`. The older root stays one."""
        (ra, pa), (rb, pb) = self.find(a), self.find(b)
        if ra == rb:
            return pa ^ pb == parity
        old, new = (ra, rb) if self.ages[ra] < self.ages[rb] else (rb, ra)
        self.parent[new] = (old, pa ^ pb ^ parity)
        return True


@dataclass(slots=True)
class Placing:
    """Constraints of the operators, in their order."""

    graph: Graph
    axes: _Sets = field(default_factory=_Sets)
    chunks: _Sets = field(default_factory=_Sets)
    units: dict[Node, int] = field(default_factory=dict[Node, int])
    moved: dict[tuple[Value, Node], Value] = field(default_factory=dict[tuple[Value, Node], Value])
    pending: list[Op] = field(default_factory=list[Op])
    swaps: dict[Value, Value] = field(default_factory=dict[Value, Value])
    undivided: set[Weight] = field(default_factory=set[Weight])

    def whole(self, weight: Weight) -> None:
        """Every PE has all of this weight matrix."""
        self.undivided.add(weight)

    def same(self, operand: Value, node: Node) -> None:
        """`operand` lies as `node` does: same axis, same chunk."""
        operand = self.now(operand)
        if isinstance(node, Value):
            node = self.now(node)
        if not self.axes.join(operand, node, 0):
            operand = self._move(operand, node)
        self.chunks.join(operand, node, 0)

    def parallel(self, operand: Value, node: Value) -> None:
        """On the same axis, in chunks of another size."""
        operand, node = self.now(operand), self.now(node)
        if not self.axes.join(operand, node, 0):
            self._move(operand, node)

    def flip(self, a: Node, b: Node) -> None:
        """`b`, which is new, lies on the other axis than `a`."""
        self.axes.join(a, b, 1)

    def unit(self, node: Value, size: int) -> None:
        """Chunks hold whole pieces of `size` features."""
        node = self.now(node)
        self.units[node] = math.lcm(self.units.get(node, 1), size)

    def now(self, value: Value) -> Value:
        """The value, or its moved copy in the operator that is being placed."""
        return self.swaps.get(value, value)

    def _move(self, operand: Value, node: Node) -> Value:
        root, parity = self.axes.find(node)
        key = (operand, root)
        if key not in self.moved:
            copy = self.graph.value(f"{operand.name}.moved", operand.shape)
            self.axes.join(root, copy, parity)
            self.pending.append(Op("move", (operand,), (copy,)))
            self.moved[key] = copy
        self.swaps[operand] = self.moved[key]
        return self.moved[key]


@dataclass(frozen=True, slots=True)
class Placement:
    """The result: `split_of` a value's features or a weight's dimension."""

    splits: dict[Node, Split]

    def split_of(self, node: Node) -> Split:
        return self.splits[node]


def resolve(graph: Graph, placing: Placing, mesh: Mesh) -> Placement:
    """The places that meet all constraints of `placing`."""
    nodes = _nodes(graph)
    units: dict[Node, int] = {}
    for node, unit in placing.units.items():
        root, _ = placing.chunks.find(node)
        units[root] = math.lcm(units.get(root, 1), unit)
    splits: dict[Node, Split] = {}
    for node, size in nodes:
        root, _ = placing.chunks.find(node)
        _, parity = placing.axes.find(node)
        splits[node] = split(size, "y" if parity else "x", units.get(root, 1), mesh)
    for value in (v for op in graph.ops for v in op.outputs if v.shape.kind == "scalar"):
        splits[value] = Split(1)
    for weight in placing.undivided:
        splits.update({(weight, i): Split(size) for i, size in enumerate(weight.shape)})
    return Placement(splits)


def _nodes(graph: Graph) -> Sequence[tuple[Node, int]]:
    """Every matrix and every dimension of a weight matrix, with its size."""
    values = dict.fromkeys([*graph.inputs, *(v for op in graph.ops for v in op.outputs)])
    out: list[tuple[Node, int]] = [(v, v.features) for v in values if _is_split(v.shape)]
    for weight in graph.weights():
        out += [((weight, i), size) for i, size in enumerate(weight.shape) if len(weight.shape) == 2]
    return out


def _is_split(shape: Shape) -> bool:
    return shape.kind == "matrix"
