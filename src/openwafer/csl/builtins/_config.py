"""Builtins of `<tile_config>`: priorities, and facts of the machine."""

from __future__ import annotations

from openwafer.csl.builtins._args import arity
from openwafer.csl.builtins._tasks import BLOCKABLE, known_number, task_number
from openwafer.csl.evaluate._eval import Evaluator, builtin, program_unit
from openwafer.csl.evaluate._unit import ProgramUnit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Value
from openwafer.diag import error


@builtin("openwafer_task_priority")
def _task_priority(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_task_priority(id, is_high)`. Diagnostics: not-supported-priority, at run time."""
    arity(node, 2)
    unit = _at_comptime(ev, node)
    number = known_number(task_number(ev, node.args[0], ev.expr(node.args[0]), BLOCKABLE[unit.arch]), node)
    is_high = ev.decide(ev.expr(node.args[1]), node.args[1].span, "a priority")
    (unit.high.add if is_high else unit.high.discard)(number)
    return Value(ty.VOID, ())


@builtin("openwafer_main_priority")
def _main_priority(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_main_priority(class)`. Diagnostics: not-supported-priority, at run time."""
    arity(node, 1)
    unit = _at_comptime(ev, node)
    unit.main_priority = ev.integer(node.args[0], "a priority")
    return Value(ty.VOID, ())


def _at_comptime(ev: Evaluator, node: ast.Builtin) -> ProgramUnit:
    unit = program_unit(ev, node)
    if ev.is_emitting():
        raise error(
            "not-supported-priority", "changing a priority at run time is not supported yet", node.span
        )
    return unit


@builtin("openwafer_machine")
def _machine(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_machine("fact")`: a fact about the PE's memory."""
    arity(node, 1)
    return Value(ty.COMPTIME_INT, getattr(ev.unit.machine.memory, ev.string(node.args[0], "fact")))
