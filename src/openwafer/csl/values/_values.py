"""Values of the evaluator: known at compile time, or computed by typed IR at run time, or both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from openwafer import tir
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.diag import Span

if TYPE_CHECKING:
    from openwafer.csl.syntax._module import Module


class Unknown:
    """The `known` of a value that exists only at run time."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


class Value:
    """A typed value.

    `known` is the value at compile time or `UNKNOWN`: int, float, bool, str, a `Type`, a list of element
    values (arrays,
    row-major), a dict of `Value`s (structs and tuples), `FnValue`, `Module`, `RangeValue`, `Ref`
    (pointers), `()` for void.
    `ir` computes the value at run time. A value has both when it is known for the PE being compiled but
    differs
    between the PEs that share the program; deciding anything on it goes through `Evaluator.decide`.
    """

    __slots__ = ("ir", "known", "type")

    def __init__(self, type: ty.Type, known: Any = UNKNOWN, ir: tir.Expr | None = None) -> None:
        self.type = type
        self.known = known
        self.ir = ir

    @property
    def is_known(self) -> bool:
        return self.known is not UNKNOWN

    @property
    def parts(self) -> dict[str, Value] | None:
        """The fields of a struct or tuple; None for other values."""
        known = self.known
        return cast("dict[str, Value]", known) if isinstance(known, dict) else None

    @property
    def fields(self) -> dict[str, Value]:
        """The fields of a value that is a struct or tuple."""
        assert self.parts is not None
        return self.parts

    @property
    def elements(self) -> list[Any] | None:
        """The elements of a known array; None for other values."""
        known = self.known
        return cast("list[Any]", known) if isinstance(known, list) else None

    def __repr__(self) -> str:
        return f"Value({self.type}, {self.known!r}, {self.ir!r})"


VOID_VALUE = Value(ty.VOID, ())


@dataclass(slots=True, eq=False)
class Cell:
    """A variable that exists at compile time only; `value` is replaced on assignment.

    While `shared`, others may hold the same list or dict: it is copied before a part of it is changed."""

    value: Value
    shared: bool = True
    is_recorded: bool = False
    """Whether it came into being in the pass over a loop that is being recorded (`_loop_trace`)."""
    is_of_layout: bool = False
    """Whether it is a global variable of a layout: programs do not have it."""


@dataclass(slots=True, eq=False)
class Static:
    """A variable in the memory of the PE. `symbol` is its index in the program under construction.

    `constant` is the value if the program cannot change it."""

    symbol: int
    type: ty.Type
    const: bool
    constant: Value | None = None


@dataclass(slots=True, frozen=True)
class Ref:
    """Pointer known at compile time: to a static at a byte offset, or to a compile-time cell."""

    base: Static | Cell
    offset: int = 0


@dataclass(slots=True, frozen=True, eq=False)
class FnValue:
    """A function or task of a module instance."""

    module: Module
    decl: ast.FnDecl

    @property
    def name(self) -> str:
        return self.decl.name

    @property
    def head(self) -> Span:
        """Where it is declared, without its body."""
        span, body = self.decl.span, self.decl.body
        if body is None:
            return span
        text = span.source.text[span.start : body.span.start]
        return Span(span.source, span.start, span.start + len(text.rstrip()))


@dataclass(slots=True, frozen=True)
class RangeValue:
    """`@range`: the three numbers, each of the range's element type."""

    start: Value
    stop: Value
    step: Value


# --- places: what can be assigned to ----------------------------------------


@dataclass(slots=True, frozen=True, eq=False)
class SlotPlace:
    """A local slot of the function under construction."""

    type: ty.Type
    slot: int


@dataclass(slots=True, frozen=True, eq=False)
class MemoryPlace:
    """Memory of the PE at the address that `addr` computes."""

    type: ty.Type
    addr: tir.Expr
    const: bool = False
    static: Static | None = None
    offset: int = 0


@dataclass(slots=True, frozen=True, eq=False)
class BitsPlace:
    """A field of a packed struct in memory: the bits from `low` on of the integer `word`."""

    type: ty.Type
    word: MemoryPlace
    low: int


@dataclass(slots=True, frozen=True, eq=False)
class CellPlace:
    """Part of a compile-time cell: `path` are the field names and flat indices that lead to it."""

    type: ty.Type
    cell: Cell
    path: tuple[str | int, ...] = ()
    const: bool = False


@dataclass(slots=True, frozen=True, eq=False)
class FieldsPlace:
    """A local struct variable: one place a field."""

    type: ty.Type
    fields: dict[str, Place]


@dataclass(slots=True, frozen=True, eq=False)
class ValuePlace:
    """Not assignable: a constant or an intermediate value."""

    type: ty.Type
    value: Value
    owner: Any = field(default=None)


Place = SlotPlace | MemoryPlace | BitsPlace | CellPlace | FieldsPlace | ValuePlace
