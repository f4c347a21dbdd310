"""A PyTorch model to a graph of operators: `capture`.

`torch.export` gives ATen operators as the model calls them (nothing is decomposed); the table `ATEN` says
what each does to the values of `_abstract.py`. What depends on constants only is computed here.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export.graph_signature import InputKind
from torch.utils import _pytree

from openwafer.diag import DiagnosticError, error
from openwafer.nn._abstract import MeanSquare, Negated, Param, Pending, Squares, Times
from openwafer.nn._export import export
from openwafer.nn._graph import Graph, Kind, Op, Origin, Shape, Value, Weight
from openwafer.nn._hints import hint
from openwafer.nn._inputs import (
    Input,
    id_limits,
    is_rearranging,
    lying_as,
    make_input,
    rearranged_input,
    used_inputs,
)
from openwafer.nn._nodes import flat, needed_by, origin_of, out_of_place, overload_name, target_name
from openwafer.nn._view import Atom, Dim, View, ViewError, from_matrix, to_matrix


@dataclass(slots=True)
class Captured:
    """The graph of a model, its inputs in order, and what it returns."""

    graph: Graph
    inputs: list[Input]
    outputs: list[View]
    known: dict[int, Any]
    """Results that do not depend on the inputs (or are None), by their place."""
    structure: Any
    """The pytree of all results, of torch.utils._pytree."""

    def arranged(self, args: Sequence[torch.Tensor]) -> list[tuple[Input, NDArray[Any]]]:
        """The caller's tensors, checked, each with the input it is for.

        Diagnostics: input-count, input-shape, id-out-of-range."""
        count = len({i.argument for i in self.inputs})
        if len(args) != count:
            raise error("input-count", f"compiled for {count} inputs, found {len(args)}")
        limits = id_limits(self.graph)
        return [(i, i.arrange(args[i.argument], limits.get(i.value))) for i in self.inputs]

    def results(self, computed: list[Any]) -> Any:
        """What the model returns, from the tensors of `outputs`."""
        left = iter(computed)
        count = len(self.outputs) + len(self.known)
        leaves = [self.known[i] if i in self.known else next(left) for i in range(count)]
        return _pytree.tree_unflatten(leaves, self.structure)


Handler = Callable[..., Any]


def capture(
    model: torch.nn.Module, args: tuple[Any, ...], *, moves_parts: bool = False, draws: bool = False
) -> Captured:
    """Captures `model(*args)`. Part of a layer's result is computed by part of its weight, or, with
    `moves_parts`, moved. Dropout needs `draws`: words that the host gives at each step.

    Diagnostics: capture-failed, missing-operator, unsupported-view, and the operators' own."""
    return Capture(export(model, args), moves_parts=moves_parts, draws=draws).run()


@dataclass
class Capture:
    """Walks the exported graph once."""

    program: Any
    moves_parts: bool = False
    draws: bool = False
    graph: Graph = field(default_factory=Graph)
    env: dict[Any, Any] = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)
    node: Any = None
    weights: dict[tuple[Any, ...], Weight] = field(default_factory=dict)
    slices: dict[tuple[Value, bytes], Value] = field(default_factory=dict)
    dropouts: int = 0
    """Layers of dropout so far."""

    def run(self) -> Captured:
        with torch.no_grad():
            self._placeholders()
            found = self._walk(self.program.graph_module)
            results = [self._output(r) for r in flat(found)]
        views = [r for r in results if isinstance(r, View)]
        if not views:
            raise self.unsupported("what the model returns does not depend on its inputs")
        known = {i: r for i, r in enumerate(results) if not isinstance(r, View)}
        self.graph.prune([v.value for v in views])
        inputs = used_inputs(self.graph, self.inputs, [v.value for v in views])
        return Captured(self.graph, inputs, views, known, self.program.call_spec.out_spec)

    # --- what enters ---

    def _placeholders(self) -> None:
        nodes = {n.name: n for n in self.program.graph.nodes if n.op == "placeholder"}
        for spec in self.program.graph_signature.input_specs:
            node = nodes[spec.arg.name]
            if spec.kind == InputKind.USER_INPUT:
                self._user_input(node)
            else:
                self.env[node] = self._stored(spec)

    def _stored(self, spec: Any) -> Any:
        program = self.program
        if spec.kind == InputKind.PARAMETER:
            tensor = program.state_dict[spec.target]
            return Param(spec.target, torch.arange(tensor.numel()).reshape(tensor.shape))
        if spec.target in program.constants:
            return program.constants[spec.target].detach()
        return program.state_dict[spec.target].detach()

    def _user_input(self, node: Any) -> None:
        tensor = node.meta["val"]
        if not isinstance(tensor, torch.Tensor):
            self.env[node] = tensor
            return
        nodes, made = make_input(self.graph, node, len(self.inputs))
        self.inputs.append(made)
        self.env.update(dict.fromkeys(nodes, made.view))

    def _output(self, result: Any) -> Any:
        """A view of what is computed, or what is known."""
        if isinstance(result, Param):
            data = self.program.state_dict[result.name].detach()
            return data.flatten()[result.index]
        return result if result is None or isinstance(result, torch.Tensor) else _shown(self, result)

    # --- nodes ---

    def _walk(self, module: torch.fx.GraphModule) -> Any:
        """What a graph returns, its placeholders being known."""
        from openwafer.nn._aten import ATEN

        output = next(n for n in module.graph.nodes if n.op == "output")
        needed = needed_by(output)
        for node in module.graph.nodes:
            self.node = node
            if node.op == "get_attr":
                self.env[node] = operator.attrgetter(node.target)(module)
            elif node.op == "call_function" and node in needed and node not in self.env:
                self.env[node] = self._call(ATEN)
        self.node = output
        return self._value(output.args[0])

    def _wrapped(self, args: list[Any]) -> Any:
        """A part of the model in a graph of its own, such as under `torch.no_grad`: `args` are what wraps it,
        its graph, and what it is called with."""
        place = next(i for i, a in enumerate(args) if isinstance(a, torch.fx.GraphModule))
        placeholders = [n for n in args[place].graph.nodes if n.op == "placeholder"]
        self.env.update(zip(placeholders, args[place + 1 :], strict=True))
        return self._walk(args[place])

    def _call(self, table: Mapping[Any, Handler]) -> Any:
        target = self.node.target
        args = [self._value(a) for a in self.node.args]
        kwargs = {k: self._value(v) for k, v in self.node.kwargs.items()}
        if target is operator.getitem:
            return args[0][args[1]]
        if any(isinstance(a, torch.fx.GraphModule) for a in args):
            return self._wrapped(args)
        leaves = [*flat(args), *flat(list(kwargs.values()))]
        if not any(isinstance(a, View | Param | Pending) for a in leaves):
            return target(*args, **kwargs)
        handler = table.get(target) or table.get(out_of_place(target))
        if handler is None:
            raise self._missing(table)
        try:
            result = handler(self, *args, **kwargs)
        except ViewError as failure:
            raise self.unsupported(str(failure)) from failure
        if target not in table:
            self._write_over(self.node.args[0], result)
        return result

    def _write_over(self, node: Any, result: Any) -> None:
        """What an operator in place does to the tensor that it changes."""
        source = node.args[0] if node.op == "call_function" and is_rearranging(node) else None
        if source is not None and len(source.users) > 1:
            raise self.unsupported("it changes a part of a tensor in place", help="use the result instead")
        self.env[node] = result

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, torch.fx.Node):
            return self.env[argument]
        if isinstance(argument, list | tuple):
            return type(argument)(self._value(a) for a in argument)
        return argument

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the node's result."""
        return tuple(self.node.meta["val"].shape)

    @property
    def origin(self) -> Origin:
        return origin_of(self.node)

    def emit(self, name: str, inputs: list[Value], shape: Shape, *more: Shape, **attributes: Any) -> Value:
        """Appends an operator; its first output."""
        return self.graph.emit(name, inputs, [shape, *more], origin=self.origin, **attributes).outputs[0]

    def next_dropout(self) -> int:
        """The number of a new layer of dropout."""
        if not self.draws:
            raise self.unsupported(
                "dropout is for training", help="set its probability to 0, or call `model.eval()`"
            )
        self.dropouts += 1
        return self.dropouts

    # --- weights ---

    def weight(self, source: Param | torch.Tensor) -> Weight:
        """The weight for a parameter, or for a constant used as one."""
        if isinstance(source, Param):
            return self.parameter(source.name, source.index.numpy())
        return self.constant(source.detach().to(torch.float32).numpy())

    def known(self, name: str, index: torch.Tensor) -> Weight | None:
        """The weight of these elements, if something uses it already (and not as their own transpose)."""
        if all(key[0] != name for key in self.weights):
            return None
        array = np.ascontiguousarray(index.numpy())
        found = self.weights.get((name, array.shape, array.tobytes()))
        return found if min(array.shape) > 1 else None

    def parameter(self, name: str, index: np.ndarray[Any, Any]) -> Weight:
        """The weight of these elements of a flat parameter; the same elements give the same weight."""
        index = np.ascontiguousarray(index)
        key = (name, index.shape, index.tobytes())
        if key not in self.weights:
            size = self.program.state_dict[name].numel()
            is_all = index.size == size and bool((np.diff(index.ravel()) == 1).all())
            self.weights[key] = Weight(self._free(name), index.shape, name, None if is_all else index)
        return self.weights[key]

    def constant(self, data: np.ndarray[Any, Any]) -> Weight:
        data = np.ascontiguousarray(data, np.float32)
        key = ("constant", data.shape, data.tobytes())
        if key not in self.weights:
            self.weights[key] = Weight(self._free("constant"), data.shape, constant=data)
        return self.weights[key]

    def _free(self, name: str) -> str:
        same = sum(key[0] == name for key in self.weights)
        return f"{name}.{same}" if same else name

    # --- views ---

    def whole(self, x: Any) -> View:
        """`x` as an arrangement of a whole matrix: parts of one are computed by themselves."""
        if isinstance(x, Negated):
            view = self.whole(x.view)
            return view.on(self.emit("affine", [view.value], view.value.shape, factor=-1.0, offset=0.0))
        if isinstance(x, Times | Squares | MeanSquare):
            return self._completed(x)
        if not isinstance(x, View):
            raise self.unsupported(f"a {type(x).__name__.lower()} cannot be used here")
        if any(a.axis == "n" for d in x.dims for a in d):
            raise ViewError("an expanded tensor cannot be used here")
        return x if x.is_whole() else self._part(x)

    def _completed(self, x: Times | Squares | MeanSquare) -> View:
        """What turned out to be no part of a rotary embedding, or of a norm."""
        from openwafer.nn._aten_elementwise import completed

        return completed(self, x)

    def _part(self, view: View) -> View:
        from openwafer.nn._parts import part

        return part(self, view)

    def rows(self, x: Any) -> View:
        """`x` whole, with all features in order in its last dimension, and tokens in the others."""
        from openwafer.nn._aten_pictures import flattened

        view = flattened(self, self.whole(x))
        if view.dims[-1] != features_of(view) and self.is_input(view):
            return self.rearranged(view, lambda places: places)
        if view.dims[-1] != features_of(view):
            raise ViewError(f"the last dimension of {list(view.shape)} does not hold the features")
        return view

    def alike(self, a: Any, b: Any) -> tuple[View, View]:
        """Two whole matrices of one arrangement; an input that nobody has read takes that of the other."""
        a, b = self.whole(a), self.whole(b)
        if a.shape != b.shape:
            a, b = self._spread(a, b), self._spread(b, a)
        if a.dims != b.dims and a.shape == b.shape:
            a = self._relaid(a, b)
        if a.dims != b.dims and a.shape == b.shape:
            b = self._relaid(b, a)
        if a.dims != b.dims:
            raise ViewError(f"{list(a.shape)} and {list(b.shape)} do not lie alike on the wafer")
        return a, b

    def _spread(self, x: View, like: View) -> View:
        from openwafer.nn._aten_join import spread

        return spread(self, x, like)

    def rearranged(
        self, x: View, how: Callable[[torch.Tensor], torch.Tensor], kind: Kind | None = None
    ) -> View:
        """An input after views that `how` makes, ids as numbers if `kind` says so: one more arrangement, by
        the host."""
        old = self._input(x)
        if old is None:
            raise ViewError("features and tokens would have to change places between PEs")

        def seen(places: torch.Tensor) -> torch.Tensor:
            return how(torch.from_numpy(from_matrix(to_matrix(places.numpy(), old.view), x)))

        self.inputs.append(rearranged_input(self.graph, old, seen, kind))
        return self.inputs[-1].view

    def is_input(self, x: View) -> bool:
        return self._input(x) is not None

    def _input(self, x: View) -> Input | None:
        return next((made for made in self.inputs if made.value is x.value), None)

    def _relaid(self, x: View, like: View) -> View:
        """An input lying as another matrix, for what follows, too."""
        old = self._input(x)
        if old is None or old.view != x or x.value is like.value:
            return x
        self.inputs.append(lying_as(self.graph, old, like))
        new = self.inputs[-1].view
        self.env = {node: _replaced(known, x, new) for node, known in self.env.items()}
        return new

    # --- diagnostics ---

    def unsupported(self, why: str, *, help: str | None = None) -> DiagnosticError:
        """The diagnostic unsupported-view at the current node."""
        return error("unsupported-view", f"`{target_name(self.node)}`: {why}", notes=self._notes(), help=help)

    def _missing(self, table: Mapping[Any, Handler]) -> DiagnosticError:
        name = target_name(self.node)
        known = {overload_name(t) for t in table}
        return error(
            "missing-operator",
            f"the operator `{name}` is not supported",
            notes=self._notes(),
            help=hint(name, known),
        )

    def _notes(self) -> tuple[str, ...]:
        origin = self.origin
        notes = [f"in module `{origin.module}`"] if origin.module else []
        return (*notes, *([origin.line] if origin.line else []))


def _shown(context: Capture, result: Any) -> View:
    """A result as a view without repetitions; a part of a matrix stays one."""
    has_repeats = isinstance(result, View) and any(a.axis == "n" for d in result.dims for a in d)
    return result if isinstance(result, View) and not has_repeats else context.whole(result)


def features_of(view: View) -> Dim:
    """A dimension that holds all features in order."""
    return (Atom("f", 1, view.value.features),) if view.value.features > 1 else ()


def _replaced(known: Any, old: View, new: View) -> Any:
    if isinstance(known, list | tuple):
        return type(known)(_replaced(item, old, new) for item in known)
    return new if isinstance(known, View) and known == old else known


def matrix_of(array: torch.Tensor, view: View) -> np.ndarray[Any, Any]:
    """A constant (or the index of a parameter), broadcast to the view's shape, as [features][tokens]."""
    return to_matrix(array.numpy(), view)


def producer(context: Capture, value: Value) -> Op | None:
    """The operator that makes the value; None for an input."""
    return context.graph.producers.get(value)
