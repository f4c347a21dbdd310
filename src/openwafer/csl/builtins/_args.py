"""Shared checks of builtin arguments."""

from __future__ import annotations

from openwafer.csl.builtins._struct_fields import Struct
from openwafer.csl.evaluate._eval import Evaluator
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Value
from openwafer.diag import error, suggest


def arity(node: ast.Builtin, low: int, high: int | None = None) -> None:
    """Checks the number of arguments: exactly `low`, or `low` to `high`."""
    given = len(node.args)
    high = low if high is None else high
    if not low <= given <= high:
        wanted = f"{low}" if low == high else f"{low} to {high}"
        noun = "argument" if wanted == "1" else "arguments"
        raise error("wrong-arity", f"`@{node.name}` takes {wanted} {noun}, found {given}", node.span)


def argument(node: ast.Builtin, number: int) -> ast.Expr | None:
    """An argument that can be left out."""
    return node.args[number] if number < len(node.args) else None


def struct_fields(ev: Evaluator, node: ast.Expr, struct: Struct) -> dict[str, Value]:
    """The fields of a struct argument. Diagnostics: those of `Struct.of`."""
    return struct.of(ev.expr(node), ev.unit.arch, node.span)


def flag(ev: Evaluator, fields: dict[str, Value], name: str, span: ast.Node) -> bool:
    """A known bool field, false if absent."""
    value = fields.get(name)
    if value is None:
        return False
    if value.type is not ty.BOOL:
        raise error("type-mismatch", f"`.{name}` must be a bool, found {value.type}", span.span)
    return bool(ev.decide(value, span.span))


def choice(ev: Evaluator, value: Value, names: tuple[str, ...], what: str, node: ast.Node) -> str:
    """The one field of `.{ .name = true }`. Diagnostics: bad-option."""
    fields = value.parts or {}
    name = next(iter(fields), "")
    if len(fields) != 1 or name not in names or not _is_true(ev, fields[name], node):
        message = f"{what} is one of {', '.join(names)}, each as `.{{ .name = true }}`"
        raise error("bad-option", message, node.span, help=suggest(name, names))
    return name


def _is_true(ev: Evaluator, value: Value, node: ast.Node) -> bool:
    return value.type is ty.BOOL and bool(ev.decide(value, node.span))
