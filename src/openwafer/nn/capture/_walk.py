"""The walk over an exported graph: `Capture`.

A table of rules says what each operator does to the values of `_abstract.py`. What depends on constants only
is computed here.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.export.graph_signature import InputKind

from openwafer.diag import DiagnosticError, error
from openwafer.nn.capture._abstract import MeanSquare, Negated, Param, Pending, Squares, Times
from openwafer.nn.capture._captured import Captured
from openwafer.nn.capture._export import unsupported_dtype
from openwafer.nn.capture._hints import hint
from openwafer.nn.capture._inputs import Input, lying_as, make_input, rearranged_input, used_inputs
from openwafer.nn.capture._memories import is_write
from openwafer.nn.capture._nodes import flat, needed_by, notes_of, origin_of, overload_name, target_name
from openwafer.nn.capture._parts import part
from openwafer.nn.capture._view import Atom, Dim, View, ViewError, from_matrix, to_matrix
from openwafer.nn.graph._graph import Graph, Kind, Op, Origin, Shape, Value, Weight
from openwafer.nn.run._results import Alias, Given, Results

Handler = Callable[..., Any]

READING_IDS = ("embedding", "cross_entropy", "token_cross_entropy", "counted")
"""Operators that read whole numbers."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is known of the operators of PyTorch; a rule gets the walk, then its operands."""

    operators: Mapping[Any, Handler]
    completed: Callable[[Capture, Times | Squares | MeanSquare], View]
    """A value that waited for its use, computed by itself."""
    flattened: Callable[[Capture, View], View]
    """Channels and places as features, where a linear layer reads them."""
    spread: Callable[[Capture, View, View], View]
    """A view repeated to the shape of another."""


@dataclass
class Capture:
    """Walks the exported graph once."""

    program: Any
    rules: Rules
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
    states: list[str] = field(default_factory=list[str])
    """Buffers that the model changes."""

    stored: dict[str, torch.Tensor] = field(default_factory=dict[str, torch.Tensor])
    """Constants and buffers that do not change."""

    def run(self, text: str, places: dict[int, Alias]) -> Captured:
        with torch.no_grad():
            self._placeholders()
            sources = [self._output(r) for r in flat(self._walk(self.program.graph_module))]
        views = [r for r in sources if isinstance(r, View)]
        if not views:
            raise self.unsupported("nothing that the model returns is computed from its inputs")
        self.graph.prune([v.value for v in views])
        inputs = used_inputs(self.graph, self.inputs, [v.value for v in views])
        results = Results.of(self.program, sources, places)
        return Captured(text, self.stored, self.graph, inputs, tuple(self.states), results)

    # --- what enters ---

    def _placeholders(self) -> None:
        nodes = {n.name: n for n in self.program.graph.nodes if n.op == "placeholder"}
        signature = self.program.graph_signature
        changed = set(signature.buffers_to_mutate.values())
        for spec in signature.input_specs:
            if spec.kind == InputKind.USER_INPUT:
                self._given(nodes[spec.arg.name])
            elif spec.target not in changed:
                self.env[nodes[spec.arg.name]] = self._stored(spec)
        for spec in (s for s in signature.input_specs if s.target in changed):
            self.states.append(spec.target)
            self._given(nodes[spec.arg.name])

    def _stored(self, spec: Any) -> Any:
        program = self.program
        if spec.kind == InputKind.PARAMETER:
            tensor = program.state_dict[spec.target]
            return Param(spec.target, torch.arange(tensor.numel()).reshape(tensor.shape))
        known = program.constants if spec.target in program.constants else program.state_dict
        if isinstance(known[spec.target], torch.Tensor):
            self.stored[spec.target] = known[spec.target].detach()
        return self.stored.get(spec.target, known[spec.target])

    def _given(self, node: Any) -> None:
        """What the caller gives, or a buffer that changes."""
        tensor = node.meta["val"]
        if not isinstance(tensor, torch.Tensor):
            self.env[node] = tensor
            return
        if tensor.dtype == torch.float64 or tensor.dtype.is_complex:
            raise unsupported_dtype(f"the input `{node.name}`", tensor.dtype)
        nodes, made = make_input(self.graph, node, len(self.inputs))
        self.inputs.append(made)
        self.env.update(dict.fromkeys(nodes, made.view))

    def _output(self, result: Any) -> Any:
        """A view of what is computed, a view of an input that the host has, a parameter, or what is known."""
        if not isinstance(result, View | Pending):
            return result
        try:
            view = _shown(self, result)
        except ViewError as failure:
            raise self.unsupported(str(failure)) from failure
        given = self._input(view)
        return view if given is None else Given(given, view)

    # --- nodes ---

    def _walk(self, module: torch.fx.GraphModule) -> Any:
        """What a graph returns, its placeholders being known."""
        output = next(n for n in module.graph.nodes if n.op == "output")
        needed = needed_by(output, *filter(is_write, module.graph.nodes))
        for node in module.graph.nodes:
            self.node = node
            if node.op == "get_attr":
                self.env[node] = operator.attrgetter(node.target)(module)
            elif node.op == "call_function" and node in needed and node not in self.env:
                self.env[node] = self._call()
        self.node = output
        return self._value(output.args[0])

    def _wrapped(self, args: list[Any]) -> Any:
        """A part of the model in a graph of its own, such as under `torch.no_grad`: `args` are what wraps it,
        its graph, and what it is called with."""
        place = next(i for i, a in enumerate(args) if isinstance(a, torch.fx.GraphModule))
        placeholders = [n for n in args[place].graph.nodes if n.op == "placeholder"]
        self.env.update(zip(placeholders, args[place + 1 :], strict=True))
        return self._walk(args[place])

    def _call(self) -> Any:
        target = self.node.target
        if torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()):
            self._check_random()
        args = [self._value(a) for a in self.node.args]
        kwargs = {k: self._value(v) for k, v in self.node.kwargs.items()}
        if target is operator.getitem:
            return args[0][args[1]]
        if any(isinstance(a, torch.fx.GraphModule) for a in args):
            return self._wrapped(args)
        leaves = [*flat(args), *flat(list(kwargs.values()))]
        if not any(isinstance(a, View | Param | Pending) for a in leaves):
            return self._known(target, args, kwargs)
        handler = self.rules.operators.get(target)
        if handler is None:
            raise self._missing()
        try:
            return handler(self, *args, **kwargs)
        except ViewError as failure:
            raise self.unsupported(str(failure)) from failure

    def _known(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What PyTorch makes of constants, whose strides may be others than those that were traced."""
        if target is torch.ops.aten.view.default:
            target = torch.ops.aten.reshape.default
        try:
            return target(*args, **kwargs)
        except (RuntimeError, ValueError, IndexError) as failure:
            raise self.unsupported(str(failure).splitlines()[0]) from failure

    def _check_random(self) -> None:
        """Diagnostics: missing-operator. Dropout is drawn on the wafer, or is nothing."""
        name = target_name(self.node).split(".")[0]
        if name not in ("dropout", "scaled_dot_product_attention", "lstm", "gru", "rnn_tanh", "rnn_relu"):
            raise self._missing()

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
    def dtype(self) -> torch.dtype:
        """Of the node's result."""
        return self.node.meta["val"].dtype

    @cached_property
    def is_half(self) -> bool:
        """Whether the model is stored in half precision, at least in part."""
        halves = (torch.float16, torch.bfloat16)
        return any(tensor.dtype in halves for tensor in self.program.state_dict.values())

    @property
    def origin(self) -> Origin:
        return origin_of(self.node)

    def emit(self, name: str, inputs: list[Value], shape: Shape, *more: Shape, **attributes: Any) -> Value:
        """Appends an operator; its first output."""
        if name not in READING_IDS and any(v.shape.kind == "ids" for v in inputs):
            raise self.unsupported("whole numbers are only looked up in tables, or are labels")
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
        return x if x.is_whole() else part(self, x)

    def _completed(self, x: Times | Squares | MeanSquare) -> View:
        """What turned out to be no part of a rotary embedding, or of a norm."""
        return self.rules.completed(self, x)

    def rows(self, x: Any) -> View:
        """`x` whole, with all features in order in its last dimension, and tokens in the others."""
        view = self.rules.flattened(self, self.whole(x))
        if view.dims[-1] != features_of(view) and self.is_input(view):
            return self.rearranged(view, lambda places: places)
        if view.dims[-1] != features_of(view):
            raise ViewError(f"the last dimension of {list(view.shape)} does not hold the features")
        return view

    def alike(self, a: Any, b: Any) -> tuple[View, View]:
        """Two whole matrices of one arrangement; an input that nobody has read takes that of the other."""
        a, b = self.whole(a), self.whole(b)
        if a.shape != b.shape:
            a, b = self.rules.spread(self, a, b), self.rules.spread(self, b, a)
        if a.dims != b.dims and a.shape == b.shape:
            a = self._relaid(a, b)
        if a.dims != b.dims and a.shape == b.shape:
            b = self._relaid(b, a)
        if a.dims != b.dims:
            raise ViewError(f"{list(a.shape)} and {list(b.shape)} do not lie alike on the wafer")
        return a, b

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

    def _missing(self) -> DiagnosticError:
        name = target_name(self.node)
        known = {overload_name(t) for t in self.rules.operators}
        return error(
            "missing-operator",
            f"the operator `{name}` is not supported",
            notes=self._notes(),
            help=hint(name, known),
        )

    def _notes(self) -> tuple[str, ...]:
        return notes_of(self.node)


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
