"""Builtins that make identifiers: colors, task ids, queues, microthreads, DSRs."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.builtins._args import arity
from openwafer.csl.evaluate._eval import Evaluator, builtin
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Value
from openwafer.diag import error


def _id(ev: Evaluator, node: ast.Builtin, t: ty.Type, low: int, high: int, what: str) -> Value:
    """An identifier from an integer: known ones are checked, run-time ones must be u16."""
    arity(node, 1)
    value = ev.expr(node.args[0])
    if value.is_known:
        number = ev.known_integer(value, node.args[0].span, what)
        if not low <= number <= high:
            message = f"{what} {number} is not between {low} and {high} on {ev.unit.arch}"
            raise error("id-out-of-range", message, node.args[0].span)
        return Value(t, number)
    if value.type != ty.U16:
        raise error(
            "type-mismatch", f"{what} must be a u16 at run time, found {value.type}", node.args[0].span
        )
    return Value(t, ir=ev.runtime(value))


@builtin("get_color")
def _color(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    return _id(ev, node, ty.COLOR, 0, ev.unit.machine.fabric.colors - 1, "color")


@builtin("get_local_task_id")
def _local(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    task = ev.unit.machine.task
    return _id(ev, node, ty.LOCAL_TASK_ID, task.local_id_first, task.local_id_last, "local task id")


@builtin("get_control_task_id")
def _control(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    return _id(ev, node, ty.CONTROL_TASK_ID, 0, ev.unit.machine.task.control_id_last, "control task id")


@builtin("get_data_task_id")
def _data(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    value = ev.expr(node.args[0])
    wanted = ty.COLOR if ev.unit.arch == "wse2" else ty.INPUT_QUEUE
    if value.type is not wanted:
        message = (
            f"a data task id on {ev.unit.arch} is made from a value of type {wanted}, found {value.type}"
        )
        raise error("type-mismatch", message, node.args[0].span)
    return Value(ty.DATA_TASK_ID, value.known, value.ir)


@builtin("get_input_queue")
def _input_queue(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    last = len(ev.unit.machine.queues.input_depth) - 1
    return _id(ev, node, ty.INPUT_QUEUE, 0, last, "input queue")


@builtin("get_output_queue")
def _output_queue(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    last = len(ev.unit.machine.queues.output_depth) - 1
    return _id(ev, node, ty.OUTPUT_QUEUE, 0, last, "output queue")


@builtin("get_ut_id")
def _ut(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    if ev.unit.arch == "wse2":
        raise error("wrong-arch", "`@get_ut_id` does not exist on wse2", node.span)
    return _id(ev, node, ty.UT_ID, 0, ev.unit.machine.dsd.microthreads - 1, "microthread id")


FIFO_DSRS: dict[ty.Type, ty.Type] = {ty.DSR_FIFO_DEST: ty.DSR_DEST, ty.DSR_FIFO_SRC1: ty.DSR_SRC1}
"""The types for DSRs that hold a FIFO, each with that of the DSR from which it is made."""


@builtin("get_dsr")
def _dsr(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    t = ev.type_expr(node.args[0])
    if not ty.is_dsr(t) or t in (ty.XDSR, ty.SR):
        raise error("type-mismatch", f"expected a DSR type, found {t}", node.args[0].span)
    number = ev.comptime_expr(node.args[1])
    if ty.is_dsr(number.type):
        if FIFO_DSRS.get(t) is not number.type:
            raise error("type-mismatch", f"a {t} cannot be made from a {number.type}", node.args[1].span)
        return Value(t, number.known)
    last = ev.unit.machine.dsd.dsr_count - 1
    known = ev.known_integer(number, node.args[1].span, "number of a DSR")
    if not 0 <= known <= last:
        raise error("id-out-of-range", f"DSR {known} is not between 0 and {last}", node.args[1].span)
    return Value(t, known)


@builtin("get_xdsr", "get_sr")
def _xdsr(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    known = ev.integer(node.args[0], "number of a register")
    return Value(ty.XDSR if node.name == "get_xdsr" else ty.SR, known)


def coordinate(axis: int) -> Value:
    """Column (0) or row (1) of the PE, as a run-time value."""
    return Value(ty.U16, ir=tir.Coord(axis))
