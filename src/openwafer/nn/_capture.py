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
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch.export.graph_signature import InputKind
from torch.utils import _pytree

from openwafer.diag import DiagnosticError, error
from openwafer.nn._abstract import Negated, Param, Pending, Times
from openwafer.nn._graph import Graph, Op, Origin, Shape, Value, Weight
from openwafer.nn._hints import hint
from openwafer.nn._inputs import Input, is_rearranging, lying_as, make_input
from openwafer.nn._view import Atom, View, ViewError, to_matrix


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

    def results(self, computed: list[Any]) -> Any:
        """What the model returns, from the tensors of `outputs`."""
        left = iter(computed)
        count = len(self.outputs) + len(self.known)
        leaves = [self.known[i] if i in self.known else next(left) for i in range(count)]
        return _pytree.tree_unflatten(leaves, self.structure)


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
            output = next(n for n in self.program.graph.nodes if n.op == "output")
            needed = _needed(output)
            for node in self.program.graph.nodes:
                self.node = node
                if node.op == "call_function" and node in needed and node not in self.env:
                    self.env[node] = self._call(ATEN)
            self.node = output
            results = [self._output(r) for r in _flat(self._value(output.args[0]))]
        views = [r for r in results if isinstance(r, View)]
        if not views:
            raise self.unsupported("what the model returns does not depend on its inputs")
        known = {i: r for i, r in enumerate(results) if not isinstance(r, View)}
        self.graph.prune([v.value for v in views])
        return Captured(self.graph, self.inputs, views, known, self.program.call_spec.out_spec)

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
        nodes, made = make_input(self.graph, node)
        self.inputs.append(made)
        self.env.update(dict.fromkeys(nodes, made.view))

    def _output(self, result: Any) -> Any:
        """A view of what is computed, or what is known."""
        if isinstance(result, Param):
            data = self.program.state_dict[result.name].detach()
            return data.flatten()[result.index]
        return result if result is None or isinstance(result, torch.Tensor) else _shown(self, result)

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
        handler = table.get(target) or table.get(_out_of_place(target))
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
        if isinstance(x, Times):
            return self._call_again(x)
        if not isinstance(x, View):
            raise self.unsupported(f"a {type(x).__name__.lower()} cannot be used here")
        if any(a.axis == "n" for d in x.dims for a in d):
            raise ViewError("an expanded tensor cannot be used here")
        return x if x.is_whole() else self._part(x)

    def _call_again(self, x: Times) -> View:
        """A product that turned out to be no part of a rotary embedding."""
        from openwafer.nn._aten_elementwise import times_table

        return times_table(self, self.whole(x.view), x.table)

    def _part(self, view: View) -> View:
        from openwafer.nn._parts import part

        return part(self, view)

    def rows(self, x: Any) -> View:
        """`x` whole, with all features in order in its last dimension, and tokens in the others."""
        view = self.whole(x)
        if view.dims[-1] != ((Atom("f", 1, view.value.features),) if view.value.features > 1 else ()):
            raise ViewError(f"the last dimension of {list(view.shape)} does not hold the features")
        return view

    def alike(self, a: Any, b: Any) -> tuple[View, View]:
        """Two whole matrices of one arrangement; an input that nobody has read takes that of the other."""
        a, b = self.whole(a), self.whole(b)
        if a.dims != b.dims and a.shape == b.shape:
            a, b = self._relaid(a, b), self._relaid(b, a)
        if a.dims != b.dims:
            raise ViewError(f"{list(a.shape)} and {list(b.shape)} do not lie alike on the wafer")
        return a, b

    def _relaid(self, x: View, like: View) -> View:
        place = next((i for i, made in enumerate(self.inputs) if made.view == x), None)
        is_read = any(x.value in op.inputs for op in self.graph.ops)
        if place is None or is_read or x.value is like.value or self._is_seen_otherwise(x):
            return x
        self.inputs[place] = new = lying_as(self.graph, self.inputs[place], like)
        self.env = {node: _replaced(known, x, new.view) for node, known in self.env.items()}
        return new.view

    def _is_seen_otherwise(self, x: View) -> bool:
        """Whether something not yet computed depends on the value in another arrangement."""
        leaves = [leaf for known in self.env.values() for leaf in _flat(known)]
        views = [v for leaf in leaves for v in _views_in(leaf)]
        return any(v.value is x.value and v != x for v in views)

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
            help=hint(name, known),
        )

    def _notes(self) -> tuple[str, ...]:
        origin = self.origin
        notes = [f"in module `{origin.module}`"] if origin.module else []
        return (*notes, *([origin.line] if origin.line else []))


def _needed(output: Any) -> set[Any]:
    """The nodes that the results depend on."""
    needed, left = {output}, [output]
    while left:
        new = set(left.pop().all_input_nodes) - needed
        needed |= new
        left += new
    return needed


def _shown(context: Capture, result: Any) -> View:
    """A result as a view without repetitions; a part of a matrix stays one."""
    has_repeats = isinstance(result, View) and any(a.axis == "n" for d in result.dims for a in d)
    return result if isinstance(result, View) and not has_repeats else context.whole(result)


def _flat(x: Any) -> list[Any]:
    return [leaf for item in x for leaf in _flat(item)] if isinstance(x, list | tuple) else [x]


def _replaced(known: Any, old: View, new: View) -> Any:
    if isinstance(known, list | tuple):
        return type(known)(_replaced(item, old, new) for item in known)
    return new if isinstance(known, View) and known == old else known


def _views_in(leaf: Any) -> list[View]:
    """The views in what a node stands for."""
    if isinstance(leaf, View):
        return [leaf]
    if not isinstance(leaf, Pending):
        return []
    return [v for f in fields(leaf) for v in _views_in(getattr(leaf, f.name))]


def _target_name(node: Any) -> str:
    return "output" if node.op == "output" else _overload_name(node.target)


def _out_of_place(target: Any) -> Any:
    """The overload that returns what an overload in place writes; None if there is none."""
    name, _, overload = _overload_name(target).partition(".")
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None) if name.endswith("_") else None
    return getattr(packet, overload, None)


def _overload_name(target: Any) -> str:
    return str(target).removeprefix("aten.")


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
