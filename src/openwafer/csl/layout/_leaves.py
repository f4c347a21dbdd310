"""Numbers inside parameters: the parts that may differ between PEs which share a program.

A parameter is opened into fields of structs and elements of short arrays; what is a number there is a leaf.
All that counts leaves, finds them or puts cells in their place goes through `opened`, so that their order is
one and the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from openwafer.csl.evaluate._unit import Untraceable
from openwafer.csl.syntax._module import Module
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Cell, FnValue, RangeValue, Ref, Static, Value

Path = tuple[str, ...]
MAX_ELEMENTS = 64
"""Arrays with more scalars are compared as a whole: a program each, instead of a cell an element."""


def is_number(value: Value) -> bool:
    t = value.type
    return (
        isinstance(t, (ty.IntType, ty.EnumType))
        or t in (ty.COMPTIME_INT, ty.BOOL, ty.F32, ty.F16)
        or ty.is_id(t)
    )


def opened(value: Value) -> dict[str, Value] | None:
    """The parts of a struct, a tuple or a short array; None for what is compared as a whole."""
    if value.parts is not None:
        return value.parts
    if value.elements is None or not isinstance(value.type, ty.ArrayType) or not _is_short(value.type):
        return None
    return {str(i): item for i, item in enumerate(items_of(value))}


def items_of(value: Value) -> list[Value]:
    """The elements of a known array as values."""
    assert isinstance(value.type, ty.ArrayType) and value.elements is not None
    element = value.type.element
    return [item if isinstance(item, Value) else Value(element, item) for item in value.elements]


def _is_short(t: ty.ArrayType) -> bool:
    return t.count * _scalars(t.element) <= MAX_ELEMENTS


def _scalars(t: ty.Type) -> int:
    """How many scalars a value of the type holds."""
    match t:
        case ty.ArrayType():
            return t.count * _scalars(t.element)
        case ty.StructType(fields=fields) | ty.NamedStruct(fields=fields):
            return sum(_scalars(field) for _, field in fields)
        case _:
            return 1


def replaced(value: Value, path: Path, leaf: Callable[[Path, Value], Value]) -> Value:
    """The value with `leaf(path, part)` for each part that is not opened."""
    parts = opened(value)
    if parts is None:
        return leaf(path, value)
    new = {name: replaced(part, (*path, name), leaf) for name, part in parts.items()}
    return Value(value.type, new if value.parts is not None else [_item(v) for v in new.values()])


def _item(value: Value) -> object:
    """An element as known arrays hold it: a plain one without its type."""
    is_plain = value.ir is None and isinstance(value.known, (bool, int, float, str))
    return value.known if is_plain else value


def clean(value: Value) -> Value:
    """The value without the expressions that computed it; what may hide one raises `Untraceable`."""
    if value.parts is not None:
        parts = {name: clean(part) for name, part in value.parts.items()}
        return value if all(parts[n] is p for n, p in value.parts.items()) else Value(value.type, parts)
    if value.elements is not None and any(isinstance(item, Value) for item in value.elements):
        return Value(value.type, [_item(clean(item)) for item in items_of(value)])
    known = value.known
    if isinstance(known, RangeValue):
        known = RangeValue(clean(known.start), clean(known.stop), clean(known.step))
    _check_plain(known)
    return value if value.ir is None and known is value.known else Value(value.type, known)


def _check_plain(known: object) -> None:
    """Raises `Untraceable` for what may hold an expression of the loop that is recorded: a variable made in
    the pass, and any kind of value that is not known here."""
    base = known.base if isinstance(known, Ref) else None
    is_outside = isinstance(base, Static) or (isinstance(base, Cell) and not base.is_recorded)
    plain = (bool, int, float, str, list, RangeValue, FnValue, Module, ty.Type)
    if not (is_outside or isinstance(known, plain) or known == ()):
        raise Untraceable


def varying_numbers(values: Sequence[Value]) -> Iterator[tuple[int, Value]]:
    """The leaves of parameters (numbered in their order) that an expression computes."""
    at = 0
    stack = list(reversed(values))
    while stack:
        value = stack.pop()
        parts = opened(value)
        if parts is not None:
            stack += reversed(parts.values())
        elif is_number(value):
            if value.ir is not None:
                yield at, value
            at += 1


def undecided(value: Value) -> Iterator[Value]:
    """What an expression computes in a value, other than its leaves."""
    parts = opened(value)
    if parts is not None:
        for part in parts.values():
            yield from undecided(part)
    elif not is_number(value):
        yield from computed(value)


def computed(value: Value) -> Iterator[Value]:
    """All parts of a value that an expression computes."""
    if value.ir is not None:
        yield value
    for part in _inner(value):
        yield from computed(part)


def _inner(value: Value) -> Iterable[Value]:
    """Everything inside a value, short or long."""
    if value.parts is not None:
        return value.parts.values()
    if value.elements is not None:
        return [item for item in value.elements if isinstance(item, Value)]
    known = value.known
    return (known.start, known.stop, known.step) if isinstance(known, RangeValue) else ()
