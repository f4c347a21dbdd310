"""Builtins that make DSDs and change their properties."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.builtins import _struct_fields as structs
from openwafer.csl.builtins._args import arity, choice, flag, struct_fields
from openwafer.csl.builtins._tasks import check_queue
from openwafer.csl.evaluate._eval import Evaluator, builtin, program_unit
from openwafer.csl.evaluate._place import address_of, place_of
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _dsd_value as dsd
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import bare_cell
from openwafer.csl.values._values import Value
from openwafer.diag import error
from openwafer.tir import DsdFlag, DsdKind, DsdWord

SIMD_MODES = {
    "simd_32": DsdFlag.SIMD_32,
    "simd_64": DsdFlag.SIMD_64,
    "simd_32_or_64": DsdFlag.SIMD_32 | DsdFlag.SIMD_64,
}


@builtin("get_dsd")
def _get_dsd(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    program_unit(ev, node)
    t = ev.type_expr(node.args[0])
    match t:
        case ty.MEM1D | ty.MEM4D:
            record = _memory(ev, node, t)
        case ty.CIRCBUF:
            record = _circbuf(ev, node)
        case ty.FABIN | ty.FABOUT:
            record = _fabric(ev, node, t)
        case _:
            raise error("type-mismatch", f"expected a DSD type, found {t}", node.args[0].span)
    return Value(t, ir=record)


# --- memory ---------------------------------------------------------------------------


def _memory(ev: Evaluator, node: ast.Builtin, t: ty.Type) -> tir.Expr:
    fields = struct_fields(ev, node.args[1], structs.MEM1D if t is ty.MEM1D else structs.MEM4D)
    if "tensor_access" in fields:
        fields = _with_access(ev, fields, node)
    pointer = _base(ev, fields, node, t)
    assert isinstance(pointer.type, ty.PtrType)
    element = (
        pointer.type.element.element
        if isinstance(pointer.type.element, ty.ArrayType)
        else pointer.type.element
    )
    size = ty.size_of(element)
    extents = _tuple(fields, "extent", node)
    strides = (
        _tuple(fields, "stride", node) if "stride" in fields else [Value(ty.COMPTIME_INT, 1)] * len(extents)
    )
    if not extents or len(extents) > (1 if t is ty.MEM1D else 4) or len(strides) != len(extents):
        message = f"a {t} with {len(extents)} extents and {len(strides)} strides"
        raise error("bad-dimensions", message, node.args[1].span)
    words: dict[DsdWord, tir.Expr | int] = {
        DsdWord.KIND: DsdKind.MEM1D if t is ty.MEM1D else DsdKind.MEM4D,
        DsdWord.BASE: _start(ev, pointer, fields, size, node),
        DsdWord.ELEMENT_BYTES: size,
        DsdWord.FLAGS: _index_flag(ev, fields, node),
    }
    for i in range(4 if t is ty.MEM4D else 1):
        inside = i < len(extents)
        words[DsdWord(DsdWord.EXTENT0 + i)] = (
            _length(ev, extents[len(extents) - 1 - i], node) if inside else 1
        )
        words[DsdWord(DsdWord.STRIDE0 + i)] = dsd.scaled(_word(ev, strides[i], node), size) if inside else 0
    return dsd.make(words)


def _index_flag(ev: Evaluator, fields: dict[str, Value], node: ast.Builtin) -> int:
    return int(DsdFlag.WAVELET_INDEX) if flag(ev, fields, "wavelet_index_offset", node) else 0


def _with_access(ev: Evaluator, fields: dict[str, Value], node: ast.Builtin) -> dict[str, Value]:
    """Replaces `.tensor_access` by the properties it stands for."""
    given = structs.TENSOR_ACCESS.of(fields["tensor_access"], ev.unit.arch, node.args[1].span)
    rest = {n: v for n, v in fields.items() if n != "tensor_access"}
    twice = [n for n in rest if n in given]
    if twice:
        raise error("duplicate-field", f"`.{twice[0]}` is given twice, also by `.tensor_access`", node.span)
    return {**given, **rest}


def _base(ev: Evaluator, fields: dict[str, Value], node: ast.Builtin, t: ty.Type) -> Value:
    pointer = fields.get("base_address")
    if pointer is None or "extent" not in fields:
        missing = "base_address" if pointer is None else "extent"
        raise error("missing-field", f"a {t} needs `.{missing}` or `.tensor_access`", node.args[1].span)
    if not isinstance(pointer.type, ty.PtrType):
        raise error(
            "type-mismatch", f"`.base_address` must be a pointer, found {pointer.type}", node.args[1].span
        )
    return pointer


def _start(ev: Evaluator, pointer: Value, fields: dict[str, Value], size: int, node: ast.Builtin) -> tir.Expr:
    base = ev.runtime(pointer, node.span)
    if "offset" not in fields:
        return base
    return dsd.plus(base, dsd.scaled(_word(ev, fields["offset"], node), size))


def _tuple(fields: dict[str, Value], name: str, node: ast.Builtin) -> list[Value]:
    return structs.elements_of(fields[name], f"`.{name}`", node.args[1].span)


def _length(ev: Evaluator, value: Value, node: ast.Builtin) -> tir.Expr:
    """A property that cannot be negative."""
    if ty.is_integer(value.type) and value.is_known and value.known < 0:
        raise error("bad-extent", f"a length of {value.known} is negative", node.args[-1].span)
    return _word(ev, value, node)


def _word(ev: Evaluator, value: Value, node: ast.Builtin) -> tir.Expr:
    """An integer property; anything that fits into 16 bits either way."""
    if not ty.is_integer(value.type):
        raise error(
            "type-mismatch", f"a property of a DSD must be an integer, found {value.type}", node.args[-1].span
        )
    if value.is_known and not -0x8000 <= value.known <= 0xFFFF:
        raise error("bad-extent", f"{value.known} does not fit into 16 bits", node.args[-1].span)
    if value.is_known and value.ir is None:
        return tir.Const("u16", value.known & 0xFFFF)
    ir = ev.runtime(value)
    cell = bare_cell(ir)
    if cell is not None:
        return tir.Param("u16", cell.index)
    return ir if ir.type in ("u16", "i16") else tir.Cast("u16", ir)


def _circbuf(ev: Evaluator, node: ast.Builtin) -> tir.Expr:
    fields = struct_fields(ev, node.args[1], structs.CIRCBUF)
    pointer = _base(ev, fields, node, ty.CIRCBUF)
    assert isinstance(pointer.type, ty.PtrType)
    array = pointer.type.element
    size = ty.size_of(array.element if isinstance(array, ty.ArrayType) else array)
    if "wraparound" in fields:
        count = _length(ev, fields["wraparound"], node)
        known = fields["wraparound"]
        if isinstance(array, ty.ArrayType) and known.is_known and known.known > array.count:
            raise error(
                "bad-extent",
                f"wraparound {known.known} exceeds the {array.count} elements",
                node.args[1].span,
            )
    elif isinstance(array, ty.ArrayType):
        count = tir.Const("u16", array.count)
    else:
        raise error("missing-field", "`.wraparound` is needed: the base is not an array", node.args[1].span)
    base = ev.runtime(pointer, node.span)
    return dsd.make(
        {
            DsdWord.KIND: DsdKind.CIRCBUF,
            DsdWord.BASE: base,
            DsdWord.EXTENT0: _length(ev, fields["extent"], node),
            DsdWord.STRIDE0: size,
            DsdWord.COLOR: base,
            DsdWord.END: dsd.plus(base, dsd.scaled(count, size)),
            DsdWord.ELEMENT_BYTES: size,
        }
    )


# --- fabric -----------------------------------------------------------------------------


def _fabric(ev: Evaluator, node: ast.Builtin, t: ty.Type) -> tir.Expr:
    is_input = t is ty.FABIN
    fields = struct_fields(ev, node.args[1], structs.FABIN if is_input else structs.FABOUT)
    if "extent" not in fields:
        raise error("missing-field", f"a {t} needs `.extent`", node.args[1].span)
    queue, color = _queue_and_color(ev, node, fields, is_input)
    return dsd.make(
        {
            DsdWord.KIND: DsdKind.FABIN if is_input else DsdKind.FABOUT,
            DsdWord.BASE: queue,
            DsdWord.EXTENT0: _length(ev, fields["extent"], node),
            DsdWord.COLOR: color,
            DsdWord.FLAGS: _flags(ev, node, fields),
        }
    )


def _queue_and_color(
    ev: Evaluator, node: ast.Builtin, fields: dict[str, Value], is_input: bool
) -> tuple[int, tir.Expr | int]:
    """Queue and color. A queue that nothing has bound to a color is accepted: the operation may never run."""
    unit = ev.program
    direction = "in" if is_input else "out"
    queue = fields.get(f"{direction}put_queue")
    color = fields.get("fabric_color")
    wanted = ty.INPUT_QUEUE if is_input else ty.OUTPUT_QUEUE
    if queue is not None and queue.type is not wanted:
        raise error(
            "type-mismatch", f"`.{direction}put_queue` must be an {wanted}, found {queue.type}", node.span
        )
    color_number, cell = (None, None) if color is None else ev.queue_color(color, node.args[1].span)
    number = None if queue is None else int(ev.decide(queue, node.args[1].span, "a queue"))
    if number is not None:
        check_queue(unit, direction, number, node.args[1].span)
    if number is None and color_number is None:
        raise error(
            "missing-field",
            f"a fabric DSD needs `.{direction}put_queue` or `.fabric_color`",
            node.args[1].span,
        )
    if number is None:
        assert color is not None and color_number is not None
        ev.decide(color)
        number = unit.queue_of(direction, color_number, node.span)
    bound = unit.queues.get((direction, number))
    if unit.arch == "wse3" or color_number is None:
        if bound is None:
            return number, cell or color_number or 0
        return number, unit.queue_cells.get((direction, number), bound.color)
    unit.bind_queue(direction, number, color_number, node.span, cell)
    return number, cell or color_number


def _flags(ev: Evaluator, node: ast.Builtin, fields: dict[str, Value]) -> int:
    flags = 0
    for name, bit in (("control", DsdFlag.CONTROL), ("wavelet_index_offset", DsdFlag.WAVELET_INDEX)):
        if flag(ev, fields, name, node):
            flags |= bit
    if "simd_mode" in fields:
        flags |= SIMD_MODES[choice(ev, fields["simd_mode"], tuple(SIMD_MODES), "a SIMD mode", node)]
    if "priority" in fields:
        flags |= priority_flag(ev, fields["priority"], node)
    return int(flags)


def priority_flag(ev: Evaluator, value: Value, node: ast.Builtin) -> int:
    which = choice(ev, value, ("high", "medium", "low"), "a priority", node)
    return {"high": DsdFlag.PRIORITY_HIGH, "medium": 0, "low": DsdFlag.PRIORITY_LOW}[which]


# --- changing -----------------------------------------------------------------------------


def _dsd_arg(ev: Evaluator, node: ast.Builtin, allowed: tuple[ty.Type, ...]) -> Value:
    value = ev.expr(node.args[0])
    if value.type not in allowed:
        names = ", ".join(map(str, allowed))
        raise error(
            "type-mismatch", f"`@{node.name}` needs one of {names}, found {value.type}", node.args[0].span
        )
    return value


@builtin("set_dsd_base_addr")
def _set_base(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    value = _dsd_arg(ev, node, (ty.MEM1D, ty.MEM4D))
    place = place_of(ev, node.args[1])
    pointer = (
        ev.expr(node.args[1])
        if isinstance(place.type, ty.PtrType)
        else address_of(ev, place, node.args[1].span)
    )
    base = ev.runtime(pointer, node.args[1].span)
    record = dsd.fitted(ev.runtime(value), _element_bytes(pointer))
    return Value(value.type, ir=dsd.replaced(record, DsdWord.BASE, base))


def _element_bytes(pointer: Value) -> int:
    """Size of what a pointer, or a pointer to an array, points to."""
    assert isinstance(pointer.type, ty.PtrType)
    element = pointer.type.element
    return ty.size_of(element.element if isinstance(element, ty.ArrayType) else element)


@builtin("increment_dsd_offset")
def _increment_offset(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 3)
    value = _dsd_arg(ev, node, (ty.MEM1D, ty.MEM4D))
    t = ev.type_expr(node.args[2])
    offset = ev.expr(node.args[1])
    record = ev.runtime(value)
    moved = dsd.plus(dsd.get(record, DsdWord.BASE), dsd.scaled(_word(ev, offset, node), ty.size_of(t)))
    return Value(value.type, ir=dsd.replaced(record, DsdWord.BASE, moved))


@builtin("set_dsd_length")
def _set_length(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    value = _dsd_arg(ev, node, (ty.MEM1D, ty.FABIN, ty.FABOUT, ty.CIRCBUF))
    length = _length(ev, ev.expr(node.args[1]), node)
    return Value(value.type, ir=dsd.replaced(ev.runtime(value), DsdWord.EXTENT0, length))


@builtin("set_dsd_stride")
def _set_stride(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    value = _dsd_arg(ev, node, (ty.MEM1D,))
    record = ev.runtime(value)
    size = dsd.get(record, DsdWord.ELEMENT_BYTES)
    stride = _word(ev, ev.expr(node.args[1]), node)
    if isinstance(size, tir.Const):
        scaled = dsd.scaled(stride, int(size.value))
    else:
        scaled = tir.Binary("mul", "u16", dsd.as_word(stride), size)
    return Value(value.type, ir=dsd.replaced(record, DsdWord.STRIDE0, scaled))
