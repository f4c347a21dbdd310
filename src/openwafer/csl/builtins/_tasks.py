"""Builtins of tasks, queues, exported symbols and routes in the code of a PE."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.builtins import _struct_fields as structs
from openwafer.csl.builtins._args import argument, arity, struct_fields
from openwafer.csl.builtins._routes import check_color, color_config
from openwafer.csl.evaluate._call import instance
from openwafer.csl.evaluate._eval import Evaluator, builtin, program_unit
from openwafer.csl.evaluate._place import in_memory, place_of
from openwafer.csl.evaluate._unit import ProgramUnit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import FnValue, MemoryPlace, Static, Value, ValuePlace
from openwafer.diag import Label, Span, error, suggest


def _void() -> Value:
    return Value(ty.VOID, ())


# --- binding ------------------------------------------------------------------------


@builtin("bind_local_task", "bind_data_task", "bind_control_task")
def _bind(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    unit = program_unit(ev, node)
    kind = node.name.split("_")[1]
    task = ev.expr(node.args[0])
    if not isinstance(task.known, FnValue) or task.known.decl.kind != "task":
        raise error("type-mismatch", f"`@{node.name}` needs a task, found {task.type}", node.args[0].span)
    wanted = {"local": ty.LOCAL_TASK_ID, "data": ty.DATA_TASK_ID, "control": ty.CONTROL_TASK_ID}[kind]
    value = ev.expr(node.args[1])
    if value.type is not wanted:
        raise error("type-mismatch", f"expected {wanted}, found {value.type}", node.args[1].span)
    number = int(ev.decide(value, node.args[1].span, "a task id"))
    _check_params(task.known, kind, node)
    _check_free(unit, kind, number, node)
    key = number + (64 if kind == "control" else 0)
    if key in unit.tasks:
        first = Label(unit.task_spans[key], "first bound here")
        raise error("task-id-bound-twice", f"{wanted} {number} is bound twice", node.span, labels=[first])
    index = instance(ev, task.known, node.span)
    params = tuple(_param_type(ev, task.known, p) for p in task.known.decl.params)
    if kind == "control" and params and params[0] not in ("u16", "i16", "f16"):
        message = f"the data of a control wavelet have 16 bits, found {params[0]}"
        raise error("bad-task-parameter", message, task.known.decl.params[0].span)
    unit.tasks[key] = tir.Task(number, kind, index, params)
    unit.task_spans[key] = node.span
    return _void()


def _check_free(unit: ProgramUnit, kind: str, number: int, node: ast.Builtin) -> None:
    """With `--memcpy` some task ids belong to it. Source: “memcpy” in the SDK documentation."""
    host = unit.machine.host
    taken = {"local": host.memcpy_local_ids, "control": host.memcpy_control_ids}.get(kind, ())
    if unit.options.memcpy and number in taken:
        message = f"{kind} task id {number} belongs to `--memcpy`"
        ids = ", ".join(map(str, taken))
        raise error("reserved-by-memcpy", message, node.args[1].span, notes=(f"it uses {kind} ids {ids}",))


def _param_type(ev: Evaluator, fn: FnValue, param: ast.FnParam) -> str:
    t = Evaluator(ev.unit, fn.module).type_expr(param.type)
    if ty.is_comptime_only(t) or isinstance(t, (ty.ArrayType, ty.StructType, ty.NamedStruct)):
        raise error("bad-task-parameter", f"a task cannot take a {t}", param.span)
    return ty.tir_type(t)


def _check_params(fn: FnValue, kind: str, node: ast.Builtin) -> None:
    count = len(fn.decl.params)
    if kind == "local" and count:
        raise error(
            "bad-task-parameter", f"local task `{fn.name}` takes no arguments, found {count}", node.span
        )
    if kind == "data" and not count:
        raise error(
            "bad-task-parameter", f"data task `{fn.name}` needs an argument for the wavelet", node.span
        )
    if kind == "control" and count > 1:
        message = (
            f"control task `{fn.name}` takes the 16 bits of data of its wavelet, found {count} arguments"
        )
        raise error("bad-task-parameter", message, node.span)


def task_number(ev: Evaluator, node: ast.Expr, value: Value, allowed: tuple[ty.Type, ...]) -> tir.Expr:
    """A task id as IR: an id of one of the types, or the name of a bound task."""
    unit = ev.program
    if isinstance(value.known, FnValue) and value.known.decl.kind == "task":
        index = unit.instances.get((value.known.module, id(value.known.decl)))
        for task in unit.tasks.values():
            if task.function == index:
                return tir.Const("u16", task.id)
        raise error("task-not-bound", f"task `{value.known.name}` is not bound to an id", node.span)
    if value.type not in allowed:
        names = ", ".join(map(str, allowed))
        raise error("type-mismatch", f"expected a task or one of {names}, found {value.type}", node.span)
    if value.type is ty.LOCAL_TASK_ID and isinstance(value.known, int) and value.ir is None:
        _check_bound(ev, node, value.known)
    return ev.runtime(value, node.span)


def _check_bound(ev: Evaluator, node: ast.Expr, number: int) -> None:
    """Local task ids must be bound when all comptime blocks have been run."""
    ev.program.used_task_ids.append((number, node.span))


ACTIVATABLE = (ty.LOCAL_TASK_ID,)
BLOCKABLE: dict[str, tuple[ty.Type, ...]] = {
    "wse2": (ty.LOCAL_TASK_ID, ty.DATA_TASK_ID, ty.COLOR),
    "wse3": (ty.LOCAL_TASK_ID, ty.DATA_TASK_ID, ty.INPUT_QUEUE),
}
"""By architecture: the number of a color or of a queue is that of its data task on one of them only."""


@builtin("activate")
def _activate(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    unit = program_unit(ev, node)
    number = task_number(ev, node.args[0], ev.expr(node.args[0]), ACTIVATABLE)
    if ev.is_emitting():
        ev.emit(tir.Activate(number, ev.loc(node.span)))
    else:
        unit.activated.add(known_number(number, node))
    return _void()


def known_number(number: tir.Expr, node: ast.Builtin) -> int:
    """A task id that must be known at compile time."""
    if not isinstance(number, tir.Const):
        raise error("not-comptime", "a task id must be known here", node.span)
    return int(number.value)


@builtin("block", "unblock")
def _block(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    unit = program_unit(ev, node)
    value = ev.expr(node.args[0])
    if value.type is ty.UT_ID:
        raise error("not-supported-block-ut", "blocking a microthread is not supported yet", node.span)
    number = task_number(ev, node.args[0], value, BLOCKABLE[unit.arch])
    if ev.is_emitting():
        ev.emit(tir.SetBlocked(number, node.name == "block", ev.loc(node.span)))
    elif node.name == "block":
        unit.blocked.add(known_number(number, node))
    else:
        unit.blocked.discard(known_number(number, node))
        unit.unblocked[known_number(number, node)] = node.span
    return _void()


# --- queues and routes ---------------------------------------------------------------


@builtin("initialize_queue")
def _initialize_queue(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1, 2)
    unit = program_unit(ev, node)
    queue = ev.expr(node.args[0])
    if queue.type not in (ty.INPUT_QUEUE, ty.OUTPUT_QUEUE):
        raise error("type-mismatch", f"expected a queue, found {queue.type}", node.args[0].span)
    number = int(ev.decide(queue, node.args[0].span, "a queue"))
    direction = "in" if queue.type is ty.INPUT_QUEUE else "out"
    check_queue(unit, direction, number, node.args[0].span)
    given = argument(node, 1)
    fields = (
        {}
        if given is None
        else struct_fields(ev, given, structs.INPUT_QUEUE if direction == "in" else structs.OUTPUT_QUEUE)
    )
    _check_table(ev, fields, node)
    _check_first(unit, direction, number, node)
    if given is None or "color" not in fields:
        if direction == "in" or unit.arch == "wse3":
            raise error("missing-color", f"{direction}put queue {number} needs a `.color`", node.span)
        return _void()
    color, cell = ev.queue_color(fields["color"], given.span)
    unit.bind_queue(direction, number, color, node.span, cell)
    return _void()


def _check_first(unit: ProgramUnit, direction: str, number: int, node: ast.Builtin) -> None:
    before = unit.queue_spans.get((direction, number))
    if before is not None:
        first = Label(before, "first initialized here")
        message = f"{direction}put queue {number} is initialized twice"
        raise error("queue-initialized-twice", message, node.span, labels=[first])
    unit.queue_spans[direction, number] = node.span


def _check_table(ev: Evaluator, fields: dict[str, Value], node: ast.Builtin) -> None:
    """Diagnostics: not-supported-queue."""
    table = fields.get("ctrl_table_id")
    if table is not None and ev.known_integer(table, node.span, "control task table"):
        message = "a control task table other than 0 is not supported yet"
        raise error("not-supported-queue", message, node.span)


def check_queue(unit: ProgramUnit, direction: str, number: int, span: Span) -> None:
    """With `--memcpy` some queues belong to it. Source: “memcpy” in the SDK documentation.

    An output queue of WSE-2 belongs to no color; public programs share the one of memcpy."""
    host = unit.machine.host
    outputs = () if unit.arch == "wse2" else host.memcpy_output_queues
    taken = host.memcpy_input_queues if direction == "in" else outputs
    if unit.options.memcpy and number in taken:
        message = f"{direction}put queue {number} belongs to `--memcpy`"
        numbers = ", ".join(map(str, taken))
        note = f"it uses {direction}put queues {numbers} on {unit.arch}"
        raise error("reserved-by-memcpy", message, span, notes=(note,))


@builtin("set_local_color_config")
def _set_local_color_config(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    unit = program_unit(ev, node)
    color = ev.known_integer(ev.expr(node.args[0]), node.args[0].span, "color")
    if not 0 <= color < unit.machine.fabric.colors:
        raise error("id-out-of-range", f"color {color} is not routable", node.args[0].span)
    if color in unit.colors:
        raise error("color-set-twice", f"color {color} is configured twice", node.span)
    config = ev.expr(node.args[1])
    check_color(unit, color, config, node.span)
    unit.colors[color] = color_config(ev, color, config, node)
    return _void()


# --- exported symbols -------------------------------------------------------------------


@builtin("export_symbol")
def _export_symbol(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1, 2)
    unit = program_unit(ev, node)
    symbol = node.args[0]
    if len(node.args) > 1:
        name = ev.string(node.args[1], "name")
    elif isinstance(symbol, ast.Ident):
        name = symbol.name
    else:
        raise error("missing-name", "`@export_symbol` of an expression needs a name", node.span)
    declared = unit.export_names.get(name)
    if declared is None:
        message = f"`{name}` is not declared with `@export_name` in the layout"
        raise error("export-not-declared", message, node.span, help=suggest(name, unit.export_names))
    if name in unit.exports:
        raise error("duplicate-export", f"`{name}` is exported twice", node.span)
    place = place_of(ev, symbol)
    if not exports_as(place.type, unit.export_types[name]):
        raise error(
            "export-mismatch", f"`{name}` is declared as {declared.type}, found {place.type}", node.span
        )
    if isinstance(place, ValuePlace) and isinstance(place.value.known, FnValue):
        unit.exports[name] = _export_function(ev, unit, name, place.value.known, node)
    else:
        unit.exports[name] = _export_variable(ev, name, place, node)
    return _void()


def exports_as(t: ty.Type, declared: ty.Type) -> bool:
    """Whether a symbol may be exported under a declared type: pointers agree in what they point to."""
    if isinstance(t, ty.PtrType) and isinstance(declared, ty.PtrType):
        return _element(t) == _element(declared)
    return t == declared


def _element(t: ty.PtrType) -> ty.Type:
    return t.element.element if isinstance(t.element, ty.ArrayType) else t.element


def _export_function(
    ev: Evaluator, unit: ProgramUnit, name: str, fn: FnValue, node: ast.Builtin
) -> tir.Export:
    params = tuple(_param_type(ev, fn, p) for p in fn.decl.params)
    index = instance(ev, fn, node.span)
    names = tuple(p.name for p in fn.decl.params)
    return tir.Export(name, "func", index, "void", params, names, False, 0)


def _export_variable(ev: Evaluator, name: str, place: object, node: ast.Builtin) -> tir.Export:
    if isinstance(place, ValuePlace) and not ty.is_comptime_only(place.type):
        place = in_memory(ev, place, node.span)
    if not isinstance(place, MemoryPlace) or not isinstance(place.addr, tir.Addr):
        raise error("export-mismatch", f"`{name}` is not a variable in the memory of the PE", node.span)
    t = place.type
    static = place.static
    mutable = isinstance(static, Static)
    if isinstance(t, ty.PtrType):
        return tir.Export(name, "ptr", place.addr.symbol, str(t), (), (), mutable, ty.size_of(_element(t)))
    return tir.Export(name, "var", place.addr.symbol, str(t), (), (), mutable, ty.size_of(t))


@builtin("rpc")
def _rpc(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """Old programs start the RPC server themselves; here it is part of the command stream."""
    arity(node, 1)
    program_unit(ev, node)
    value = ev.expr(node.args[0])
    if value.type is not ty.DATA_TASK_ID:
        raise error("type-mismatch", f"expected data_task_id, found {value.type}", node.args[0].span)
    return _void()


@builtin("has_exported_tensors")
def _has_exported_tensors(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 0)
    return Value(ty.BOOL, any(e.kind == "ptr" for e in program_unit(ev, node).exports.values()))
