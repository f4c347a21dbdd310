"""What a model is called with: the caller's tensors as matrices of features × tokens.

What a model does first is often to rearrange its input, such as an image into patches. The host does that:
the matrix on the wafer is the rearranged tensor.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.nn.capture._view import Atom, Axis, Dim, View
from openwafer.nn.graph._graph import Graph, Kind, Shape, Value

REARRANGING = (
    "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t", "numpy_T",
    "movedim", "swapaxes", "contiguous", "clone", "alias", "detach", "slice", "select", "narrow", "unfold",
)  # fmt: skip
"""Operators that only rearrange, by the first part of their names."""


NOTHING = -1
"""An index of no element."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Ids are below `count`, or `ignored`."""

    count: int
    ignored: int | None = None

    def check(self, ids: NDArray[Any]) -> None:
        """Diagnostics: id-out-of-range."""
        wrong = ids[((ids < 0) | (ids >= self.count)) & (ids != self.ignored)]
        if wrong.size:
            raise error("id-out-of-range", f"the id {wrong[0]} is not one of 0 … {self.count - 1}")


@dataclass(frozen=True, slots=True)
class Input:
    """What the caller gives, in `shape`; its elements in the order `order` are what `view` shows."""

    value: Value
    view: View
    shape: tuple[int, ...]
    argument: int = 0
    """Which of the tensors that the caller gives; several inputs may be arrangements of one."""
    order: NDArray[np.int64] | None = None
    """Indices into the flat tensor, or `NOTHING`, a zero; None: as it is."""

    def arrange(self, tensor: torch.Tensor, limit: Limit | None = None) -> NDArray[Any]:
        """The caller's tensor in the shape of the view. Diagnostics: input-shape, id-out-of-range."""
        if tuple(tensor.shape) != self.shape:
            found = list(tensor.shape)
            raise error("input-shape", f"compiled for an input of shape {list(self.shape)}, found {found}")
        tensor = tensor.detach().cpu()
        array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        if limit is not None:
            limit.check(array)
        return array if self.order is None else np.append(array.ravel(), array.dtype.type(0))[self.order]


def id_limits(graph: Graph) -> dict[Value, Limit]:
    """Of inputs that are looked up in a table, or are labels."""
    limits: dict[Value, Limit] = {}
    for op in graph.ops:
        if op.name == "embedding":
            limit = Limit(op.weights[0].shape[0], op.attributes.get("ignored"))
            limits.setdefault(op.inputs[0], limit)
        elif op.name in ("cross_entropy", "token_cross_entropy"):
            limits.setdefault(op.inputs[1], Limit(op.inputs[0].features, op.attributes["ignore_index"]))
    return limits


def make_input(graph: Graph, placeholder: Any, argument: int) -> tuple[list[Any], Input]:
    """The input for a placeholder, and the nodes that it stands for: those that only rearrange it."""
    tensor: torch.Tensor = placeholder.meta["val"]
    nodes, order = _rearranged(placeholder, torch.arange(tensor.numel()).reshape(tensor.shape))
    kind = "matrix" if tensor.dtype.is_floating_point else "ids"
    return nodes, _input(graph, nodes[-1].name, kind, tuple(tensor.shape), argument, order)


def _input(
    graph: Graph, name: str, kind: Kind, given: tuple[int, ...], argument: int, order: torch.Tensor
) -> Input:
    """The input of which the caller gives the shape `given`, and the model sees the elements `order`."""
    shape = tuple(order.shape)
    if kind == "matrix":
        *tokens, features = shape or (1,)
        value = graph.input(name, Shape(features, int(np.prod(tokens, dtype=int))))
        dims = (*row_major("t", tuple(tokens)), *row_major("f", (features,)))
        view = View(value, dims if shape else ())
    else:
        value = graph.input(name, Shape(1, int(np.prod(shape, dtype=int)), "ids"))
        view = View(value, row_major("t", shape))
    count = int(np.prod(given, dtype=int))
    is_same = order.numel() == count and bool((order.flatten().diff() == 1).all())
    return Input(value, view, given, argument, None if is_same else order.numpy())


def rearranged_input(
    graph: Graph, old: Input, how: Callable[[torch.Tensor], torch.Tensor], kind: Kind | None = None
) -> Input:
    """The same input after more views, ids as numbers if `kind` says so."""
    count = int(np.prod(old.shape, dtype=int))
    order = torch.arange(count) if old.order is None else torch.from_numpy(old.order)
    order = how(order.reshape(old.view.shape))
    return _input(graph, old.value.name, kind or old.value.shape.kind, old.shape, old.argument, order)


def _rearranged(node: Any, order: torch.Tensor) -> tuple[list[Any], torch.Tensor]:
    """A node and what follows it while its only user rearranges it, and the elements in their last order."""
    nodes = [node]
    while len(node.users) == 1:
        (user,) = node.users
        if user.op != "call_function" or not is_rearranging(user) or user.args[0] is not node:
            break
        order, node = user.target(order, *user.args[1:], **user.kwargs), user
        nodes.append(node)
    return nodes, order


def is_rearranging(node: Any) -> bool:
    """Whether the result of a node is its first argument, seen otherwise."""
    return str(node.target).removeprefix("aten.").split(".")[0] in REARRANGING


def lying_as(graph: Graph, old: Input, like: View) -> Input:
    """The same input, arranged as another matrix is."""
    value = graph.input(old.value.name, like.value.shape)
    return Input(value, like.on(value), old.shape, old.argument, old.order)


def used_inputs(graph: Graph, inputs: Sequence[Input], results: Iterable[Value]) -> list[Input]:
    """The arrangements that something reads, and one of each tensor that nothing reads; the graph keeps
    these."""
    read = {*results, *(v for op in graph.ops for v in op.inputs)}
    used = [i for i in inputs if i.value in read]
    known = {i.argument for i in used}
    for made in inputs:
        if made.argument not in known:
            used.append(made)
            known.add(made.argument)
    used.sort(key=lambda i: i.argument)
    graph.inputs = [i.value for i in used]
    return used


def row_major(axis: Axis, shape: tuple[int, ...]) -> tuple[Dim, ...]:
    """The atoms of a tensor that lies along one axis in its own order."""
    strides = [int(np.prod(shape[i + 1 :], dtype=int)) for i in range(len(shape))]
    return tuple(
        (Atom(axis, stride, size),) if size > 1 else () for stride, size in zip(strides, shape, strict=True)
    )
