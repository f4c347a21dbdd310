"""What must hold between the fields of one struct; each check gives None, or what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from openwafer import tir
from openwafer.image._calls import call_fault
from openwafer.image._rules import FLOATS, INTEGERS, SCALARS, Illegal
from openwafer.tir import DSD_OPS, DsdKind, DsdWord, trip_bound

if TYPE_CHECKING:
    from openwafer.image._scope import Scope

Check: TypeAlias = "Callable[[Scope, Any], str | None]"

COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))
BINARY: dict[str, frozenset[str]] = {
    **dict.fromkeys(("add", "sub", "mul", "div", "rem"), INTEGERS | FLOATS),
    **dict.fromkeys(("and", "or", "xor"), INTEGERS | {"bool"}),
    **dict.fromkeys(("shl", "shr"), INTEGERS),
    **dict.fromkeys(COMPARISONS, SCALARS),
}
"""Operations and the types of their left operands."""
INTRINSICS: dict[str, tuple[int, frozenset[str]]] = {
    **dict.fromkeys(("clz", "ctz", "popcnt"), (1, INTEGERS)),
    **dict.fromkeys(("abs", "fabs"), (1, INTEGERS | FLOATS)),
    **dict.fromkeys(("max", "min", "fmax", "fmin"), (2, INTEGERS | FLOATS)),
    **dict.fromkeys(("sqrt", "floor", "ceil", "trunc", "rint", "round"), (1, FLOATS)),
}
"""Intrinsics with the number and the types of their operands."""
LARGEST = {"f16": 65504.0, "f32": 3.4028234663852886e38}
MOST_ARGUMENTS = 16


# --- expressions -----------------------------------------------------------


def const(scope: Scope, node: tir.Const) -> str | None:
    if node.type in FLOATS:
        held = not math.isfinite(node.value) or abs(node.value) <= LARGEST[node.type]
    else:
        bits = 1 if node.type == "bool" else int(node.type[1:])
        held = isinstance(node.value, int) and -(1 << bits - 1) <= node.value < 1 << bits
    return None if held else f"{node.type} does not hold {node.value}"


def local(scope: Scope, node: tir.Local) -> str | None:
    return _of_slot(scope, node.slot, node.type)


def _of_slot(scope: Scope, slot: int, type: str) -> str | None:
    own = scope.slots[slot]
    return None if own == type else f"slot {slot} is {own}, not {type}"


def unary(scope: Scope, node: tir.Unary) -> str | None:
    types = {"neg": INTEGERS | FLOATS, "inv": INTEGERS, "not": ("bool",)}[node.op]
    return None if node.type == node.a.type and node.type in types else f"{node.op} of {node.a.type}"


def binary(scope: Scope, node: tir.Binary) -> str | None:
    a, b = node.a.type, node.b.type
    result = "bool" if node.op in COMPARISONS else a
    is_shift = node.op in ("shl", "shr")
    fits = a in BINARY[node.op] and node.type == result and (b in INTEGERS if is_shift else a == b)
    return None if fits else f"{node.op} of {a} and {b} as {node.type}"


def select(scope: Scope, node: tir.Select) -> str | None:
    return None if node.type == node.a.type == node.b.type else "its parts have different types"


def intrinsic(scope: Scope, node: tir.Intrinsic) -> str | None:
    count, types = INTRINSICS[node.name]
    given = {arg.type for arg in node.args}
    fits = len(node.args) == count and len(given) == 1 and given <= types
    fits = fits and (given == {node.type} if given <= FLOATS else node.type in INTEGERS)
    return None if fits else f"{node.name} of {', '.join(arg.type for arg in node.args)} as {node.type}"


def record(scope: Scope, node: tir.DsdMake) -> str | None:
    if len(node.words) != len(DsdWord):
        return f"it has {len(node.words)} words"
    kind = node.words[DsdWord.KIND]
    if isinstance(kind, tir.Const) and not 0 <= kind.value < len(DsdKind):
        return f"its kind is {kind.value}"
    return None


# --- statements ------------------------------------------------------------


def assignment(scope: Scope, node: tir.Set) -> str | None:
    return _of_slot(scope, node.slot, node.value.type)


def whole_slot(scope: Scope, node: tir.Random16 | tir.ReadConfig) -> str | None:
    """A slot that receives 16 bits."""
    own = scope.slots[node.slot]
    return None if own in INTEGERS else f"slot {node.slot} is {own}"


def step(scope: Scope, statements: Sequence[tir.Stmt]) -> bool:
    """The step of a loop: it does not begin itself anew."""
    last = next(reversed(scope.labels), None)
    if last is not None:
        scope.labels[last] = "step"
    scope.body(statements)
    return True


def loop(scope: Scope, node: tir.Loop) -> str | None:
    return "it is called bounded, and has no end" if node.bounded and trip_bound(node) is None else None


def leaves(scope: Scope, label: int) -> bool:
    return label in scope.labels


def repeats(scope: Scope, label: int) -> bool:
    return scope.labels.get(label) == "body"


def returned(scope: Scope, node: tir.Return) -> str | None:
    type = "void" if node.value is None else node.value.type
    return None if type == scope.result else f"it gives {type}, the function {scope.result}"


def call(scope: Scope, node: tir.Call) -> str | None:
    callee = scope.program.functions[node.function]
    if tuple(arg.type for arg in node.args) != callee.slots[: callee.params] or callee.params < 0:
        return f"the arguments are not those of `{callee.name}`"
    return None if node.result is None else _of_slot(scope, node.result, callee.result)


def operation(scope: Scope, node: tir.DsdOp) -> str | None:
    row = DSD_OPS[node.op]
    if (node.src1 is not None) != (row.sources == 2) or (node.scalar is not None) != row.scalar:
        return f"{node.op} does not have these operands"
    if node.result is not None and scope.slots[node.result] not in INTEGERS | {"bool"}:
        return f"its result is {scope.slots[node.result]}"
    return None


def printed(scope: Scope, node: tir.Print) -> str | None:
    if node.value is None:
        return None
    types = FLOATS if node.format == "f" else INTEGERS
    return None if node.value.type in types else f"{node.value.type} as `{node.format}`"


def added_later(scope: Scope, node: Any) -> str | None:
    return "it is put in when the program is loaded"


# --- programs --------------------------------------------------------------


def function(scope: Scope, node: tir.Function) -> bool:
    """A function, its body in its own scope."""
    try:
        scope.function(node)
    except Illegal as reason:
        raise Illegal(f"`{node.name[:60]}`: {reason}") from None
    return True


def symbol(scope: Scope, node: tir.Symbol) -> str | None:
    if len(node.init) > node.size:
        return f"`{node.name[:60]}` is larger than its size"
    return None


def task(scope: Scope, node: tir.Task) -> str | None:
    called = scope.program.functions[node.function]
    if node.kind != "control" and node.id > 30:
        return f"{node.kind} task {node.id}"
    if node.params != called.slots[: called.params]:
        return f"the parameters of {node.kind} task {node.id} are not those of its function"
    return _startable(called)


def _startable(called: tir.Function) -> str | None:
    """A function that an engine can call: its arguments are words."""
    types = called.slots[: called.params]
    fits = len(types) <= MOST_ARGUMENTS and all(type in SCALARS for type in types)
    return (
        None
        if fits
        else f"`{called.name[:60]}` cannot be started, its parameters are {', '.join(types)[:60]}"
    )


def export(scope: Scope, node: tir.Export) -> str | None:
    of = "functions" if node.kind == "func" else "symbols"
    if node.target >= scope.counts[of]:
        return f"`{node.name[:60]}` names {node.target} of {scope.counts[of]} {of}"
    if node.kind == "func":
        called = scope.program.functions[node.target]
        if node.params != called.slots[: called.params]:
            return f"the parameters of `{node.name[:60]}` are not those of its function"
        return _startable(called)
    if node.kind == "ptr" and scope.program.symbols[node.target].size < 2:
        return f"`{node.name[:60]}` is no pointer"
    return None


def fifo(scope: Scope, node: tir.Fifo) -> str | None:
    room, needed = scope.program.symbols[node.symbol].size, node.elements * node.element_bytes
    return None if needed <= room else f"{needed:,} B in a buffer of {room:,} B"


def color_config(scope: Scope, node: tir.ColorConfig) -> str | None:
    first = node.positions[0] if node.positions else None
    if first is None or tir.INHERITED in first:
        return f"color {node.color} has no first position"
    return None if node.current < len(node.positions) else f"color {node.color} begins at {node.current}"


def program(scope: Scope, node: tir.Program) -> str | None:
    if node.init is not None and node.functions[node.init].params:
        return "what runs before the first cycle has parameters"
    return call_fault(node)
