"""A PyTorch model to a graph of operators: `capture`.

`torch.export` gives ATen operators as the model calls them (nothing is decomposed); the table `ATEN` says
what each does to the values of `_abstract.py`. What depends on constants only is computed here.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import linecache
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.export.graph_signature import InputKind

from openwafer.diag import DiagnosticError, error, suggest
from openwafer.nn._abstract import Negated, Param, Pending
from openwafer.nn._graph import Graph, Op, Origin, Shape, Value, Weight
from openwafer.nn._view import Atom, View, ViewError, to_matrix


@dataclass(frozen=True, slots=True)
class Input:
    """What the caller gives: the value, and how its tensor (in the shape `view.shape`) lies in it."""

    value: Value
    view: View
    shape: tuple[int, ...]
    """The shape in which the caller gives it."""


@dataclass(slots=True)
class Captured:
    """The graph of a model, its inputs in order, and what it returns."""

    graph: Graph
    inputs: list[Input]
    outputs: list[View]
    structure: Any
    """The pytree of the outputs, of torch.utils._pytree."""


Handler = Callable[..., Any]


def capture(model: torch.nn.Module, args: tuple[Any, ...]) -> Captured:
    """Captures `model(*args)`. Diagnostics: capture-failed, missing-operator, unsupported-view, and the
    operators' own."""
    program = _export(model, args)
    return Capture(program).run()


def _export(model: torch.nn.Module, args: tuple[Any, ...]) -> Any:
    # one tensor given twice would be captured as one input
    distinct = tuple(a.clone() if isinstance(a, torch.Tensor) else a for a in args)
    try:
        return torch.export.export(model, distinct, strict=False)
    except Exception as failure:
        text = str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
        raise error(
            "capture-failed",
            f"torch.export cannot capture this model: {text}",
            help="the model's control flow may depend on shapes, not on values",
        ) from failure


@dataclass
class Capture:
    """Walks the exported graph once."""

    program: Any
    graph: Graph = field(default_factory=Graph)
    env: dict[Any, Any] = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)
    node: Any = None
    weights: dict[tuple[Any, ...], Weight] = field(default_factory=dict)
    slices: dict[tuple[Value, bytes], Value] = field(default_factory=dict)

    def run(self) -> Captured:
        from openwafer.nn._aten import ATEN

        with torch.no_grad():
            self._placeholders()
            for node in self.program.graph.nodes:
                self.node = node
                if node.op == "call_function" and node not in self.env:
                    self.env[node] = self._call(ATEN)
            self.node = output = next(n for n in self.program.graph.nodes if n.op == "output")
            results = [self._output(r) for r in _flat(self._value(output.args[0]))]
        self.graph.prune([v.value for v in results])
        return Captured(self.graph, self.inputs, results, self.program.call_spec.out_spec)

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
        while _only_reshaped(node):
            node = next(iter(node.users))
        shape = tuple(node.meta["val"].shape)
        if tensor.dtype.is_floating_point:
            view = self._float_input(node.name, shape)
        else:
            count = int(np.prod(shape, dtype=int))
            value = self.graph.input(node.name, Shape(1, count, "ids"))
            view = View(value, _row_major("t", shape))
        self.inputs.append(Input(view.value, view, tuple(tensor.shape)))
        self.env[node] = view

    def _float_input(self, name: str, shape: tuple[int, ...]) -> View:
        *tokens, features = shape
        value = self.graph.input(name, Shape(features, int(np.prod(tokens, dtype=int))))
        return View(value, (*_row_major("t", tuple(tokens)), (Atom("f", 1, features),)))

    def _output(self, result: Any) -> View:
        if not isinstance(result, View):
            raise self.unsupported("what the model returns does not depend on its inputs")
        return result

    # --- nodes ---

    def _call(self, table: Mapping[Any, Handler]) -> Any:
        target = self.node.target
        args = [self._value(a) for a in self.node.args]
        kwargs = {k: self._value(v) for k, v in self.node.kwargs.items()}
        if target is operator.getitem:
            return args[0][args[1]]
        leaves = [*_flat(args), *_flat(list(kwargs.values()))]
        if not any(isinstance(a, View | Param | Pending) for a in leaves):
            return target(*args, **kwargs)
        handler = table.get(target)
        if handler is None:
            raise self._missing(table)
        try:
            return handler(self, *args, **kwargs)
        except ViewError as failure:
            raise self.unsupported(str(failure)) from failure

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
        return Origin(_module_path(self.node), _source_line(self.node))

    def emit(self, name: str, inputs: list[Value], shape: Shape, *more: Shape, **attributes: Any) -> Value:
        """Appends an operator; its first output."""
        return self.graph.emit(name, inputs, [shape, *more], origin=self.origin, **attributes).outputs[0]

    # --- weights ---

    def weight(self, source: Param | torch.Tensor) -> Weight:
        """The weight for a parameter, or for a constant used as one."""
        if isinstance(source, Param):
            return self.parameter(source.name, source.index.numpy())
        return self.constant(source.detach().to(torch.float32).numpy())

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
        if not isinstance(x, View):
            raise self.unsupported(f"a {type(x).__name__.lower()} cannot be used here")
        if any(a.axis == "n" for d in x.dims for a in d):
            raise ViewError("an expanded tensor cannot be used here")
        return x if x.is_whole() else self._part(x)

    def _part(self, view: View) -> View:
        from openwafer.nn._parts import part

        return part(self, view)

    def rows(self, x: Any) -> View:
        """`x` whole, with all features in order in its last dimension, and tokens in the others."""
        view = self.whole(x)
        if view.dims[-1] != ((Atom("f", 1, view.value.features),) if view.value.features > 1 else ()):
            raise ViewError(f"the last dimension of {list(view.shape)} does not hold the features")
        return view

    # --- diagnostics ---

    def unsupported(self, why: str, *, help: str | None = None) -> DiagnosticError:
        """The diagnostic unsupported-view at the current node."""
        return error(
            "unsupported-view", f"`{_target_name(self.node)}`: {why}", notes=self._notes(), help=help
        )

    def _missing(self, table: Mapping[Any, Handler]) -> DiagnosticError:
        name = _target_name(self.node)
        known = {_overload_name(t) for t in table}
        return error(
            "missing-operator",
            f"the operator `{name}` is not supported",
            notes=self._notes(),
            help=_nearest(name, known),
        )

    def _notes(self) -> tuple[str, ...]:
        origin = self.origin
        notes = [f"in module `{origin.module}`"] if origin.module else []
        return (*notes, *([origin.line] if origin.line else []))


def _row_major(axis: Any, shape: tuple[int, ...]) -> tuple[tuple[Atom, ...], ...]:
    strides = [int(np.prod(shape[i + 1 :], dtype=int)) for i in range(len(shape))]
    return tuple(
        (Atom(axis, stride, size),) if size > 1 else () for stride, size in zip(strides, shape, strict=True)
    )


def _only_reshaped(node: Any) -> bool:
    """Whether all that happens to an input is one reshape."""
    users = list(node.users)
    names = ("view", "reshape", "flatten", "squeeze", "unsqueeze")
    return len(users) == 1 and _target_name(users[0]).split(".")[0] in names


def _flat(x: Any) -> list[Any]:
    return [leaf for item in x for leaf in _flat(item)] if isinstance(x, list | tuple) else [x]


def _target_name(node: Any) -> str:
    return "output" if node.op == "output" else _overload_name(node.target)


def _overload_name(target: Any) -> str:
    return str(target).removeprefix("aten.")


def _nearest(name: str, known: set[str]) -> str | None:
    base = name.split(".")[0]
    overloads = sorted(k for k in known if k.split(".")[0] == base)
    if overloads:
        return f"supported: {', '.join(f'`{o}`' for o in overloads)}"
    return suggest(base, sorted({k.split(".")[0] for k in known})) or "docs/operators.md lists what is"


def _module_path(node: Any) -> str:
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0].removeprefix("L['self'].") if stack else ""


def _source_line(node: Any) -> str:
    """`file:line: text` of the innermost frame outside PyTorch."""
    frames = re.findall(r'File "([^"]+)", line (\d+), in', node.meta.get("stack_trace") or "")
    own = [f for f in frames if "/torch/" not in f[0]] or frames
    if not own:
        return ""
    file, line = own[-1]
    return f"{file}:{line}: {linecache.getline(file, int(line)).strip()}"


def matrix_of(array: torch.Tensor, view: View) -> np.ndarray[Any, Any]:
    """A constant (or the index of a parameter), broadcast to the view's shape, as [features][tokens]."""
    return to_matrix(array.numpy(), view)


def producer(context: Capture, value: Value) -> Op | None:
    """The operator that makes the value; None for an input."""
    return context.graph.producers.get(value)
