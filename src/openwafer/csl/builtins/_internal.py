"""Builtins for the standard library only (`@openwafer_…`), and documented builtins that are not built yet."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.builtins._args import arity
from openwafer.csl.builtins._ids import coordinate
from openwafer.csl.builtins._struct_fields import LIBRARY
from openwafer.csl.evaluate._eval import Evaluator, builtin, emitting
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._numbers import round_float
from openwafer.csl.values._values import Value
from openwafer.diag import error

NOT_BUILT = (
    "dfilt", "get_filter_id", "set_active_prng", "get_symbol_id", "get_symbol_value", "get_tensor_ptr",
    "queue_flush", "set_control_task_table", "set_empty_queue_handler", "bind_rotating_tasks",
    "set_dsr_stride",
)  # fmt: skip
"""Documented builtins without an implementation; using one is a diagnostic that names it."""


@builtin(*NOT_BUILT)
def _not_built(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    raise error("not-supported-builtin", f"`@{node.name}` is not supported yet", node.span)


@builtin("openwafer_struct")
def _struct(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_struct("name", value)`: a struct that a program gave to the library, its fields checked.

    Diagnostics, at the import of the library: those of `Struct.of`."""
    arity(node, 2)
    value = ev.expr(node.args[1])
    LIBRARY[ev.string(node.args[0], "struct")].of(value, ev.unit.arch, ev.module.imported or node.span)
    return value


@builtin("random16")
def _random16(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 0)
    builder = emitting(ev, node)
    slot = builder.slot("u16")
    builder.emit(tir.Random16(slot))
    return Value(ty.U16, ir=tir.Local("u16", slot))


@builtin("openwafer_seed_random")
def _seed_random(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    builder = emitting(ev, node)
    builder.emit(tir.SeedRandom(ev.runtime(coerce(ev, ev.expr(node.args[0]), ty.U32, node.span))))
    return Value(ty.VOID, ())


@builtin("openwafer_unblock_commands")
def _unblock_commands(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    emitting(ev, node).emit(tir.UnblockCommands(ev.loc(node.span)))
    return Value(ty.VOID, ())


@builtin("openwafer_read_tsc")
def _read_tsc(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    builder = emitting(ev, node)
    addr = ev.runtime(ev.expr(node.args[0]), node.span)
    builder.emit(tir.ReadTsc(addr, ev.loc(node.span)))
    return Value(ty.VOID, ())


@builtin("openwafer_coordinate")
def _coordinate(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    emitting(ev, node)
    return coordinate(ev.integer(node.args[0], "axis"))


@builtin("openwafer_intrinsic")
def _intrinsic(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_intrinsic("name", x)`: a correctly rounded function of one float."""
    arity(node, 2)
    name = ev.string(node.args[0], "name")
    value = ev.expr(node.args[1])
    if value.type is ty.COMPTIME_FLOAT:
        value = coerce(ev, value, ty.F32, node.span)
    if value.is_known and value.ir is None:
        return Value(value.type, round_float(_known_intrinsic(name, value.known, node), value.type))
    ir = ev.runtime(value)
    return Value(value.type, ir=tir.Intrinsic(name, ir.type, (ir,)))


def _known_intrinsic(name: str, x: float, node: ast.Builtin) -> float:
    import math

    match name:
        case "sqrt":
            return math.sqrt(x) if x >= 0 else math.nan
        case "floor":
            return float(math.floor(x)) if math.isfinite(x) else x
        case "ceil":
            return float(math.ceil(x)) if math.isfinite(x) else x
        case _:
            raise error("unknown-intrinsic", f"no intrinsic `{name}`", node.span)
