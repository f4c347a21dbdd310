"""`for`: over ranges, arrays and tuples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from openwafer import tir
from openwafer.csl.evaluate._eval import Evaluator, Signal, Target, is_constant, stmt_rule
from openwafer.csl.evaluate._names import read
from openwafer.csl.evaluate._place import address_of, element_place, place_of
from openwafer.csl.evaluate._unroll import Unrolling, after_body, unrolled_body
from openwafer.csl.layout._loop_record import execute_nest, is_nest, recorded
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _numbers as numbers
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._values import Place, RangeValue, Value, ValuePlace
from openwafer.diag import error
from openwafer.tir import trip_bound


@stmt_rule(ast.For)
def _for(ev: Evaluator, node: ast.For) -> Signal | None:
    if len(node.variables) > 2:
        raise error(
            "wrong-arity", f"a for loop takes 1 or 2 variables, found {len(node.variables)}", node.span
        )
    place = place_of(ev, node.iterable)
    if isinstance(place.type, ty.PtrType) and isinstance(place.type.element, ty.ArrayType):
        place = place_of(ev, ast.Deref(node.iterable, span=node.iterable.span))
    if isinstance(place.type, ty.RangeType):
        value = read(ev, place, node.iterable.span)
        assert isinstance(value.known, RangeValue)
        return _over_range(ev, node, place.type.element, value.known)
    if isinstance(place.type, ty.ArrayType):
        return _over_array(ev, node, place, place.type)
    if isinstance(place.type, ty.StructType) and place.type.is_tuple:
        fields: dict[str, Value] = read(ev, place, node.iterable.span).known
        return _unrolled(ev, node, iter(ValuePlace(v.type, v) for v in fields.values()))
    raise error("not-iterable", f"a for loop cannot go over a {place.type}", node.iterable.span)


def _known_range(ev: Evaluator, r: RangeValue) -> range:
    start, stop, step = (ev.decide(v, what="a bound of the loop") for v in (r.start, r.stop, r.step))
    return range(start, stop, step)


def _over_range(ev: Evaluator, node: ast.For, t: ty.Type, r: RangeValue) -> Signal | None:
    if not ev.is_emitting() or node.inline or t is ty.COMPTIME_INT:
        values = _known_range(ev, r)
        if ev.is_emitting():
            return _unrolled(ev, node, (ValuePlace(t, Value(t, i)) for i in values))
        return _over_known(ev, node, t, values)
    return _range_later(ev, node, t, r)


def _over_known(ev: Evaluator, node: ast.For, t: ty.Type, values: range) -> Signal | None:
    """A loop that is executed now, many iterations at once where that can be. What a body makes only once, a
    module, keeps the first iteration from being told for others: then it is tried again from the second."""
    start = _start(ev, node)
    if is_nest(ev, node) and values:
        if execute_nest(ev, node, t, values, start):
            return None
        signal = _now(ev, node, _places(t, [(start, values[0])]))
        if signal is not None or execute_nest(ev, node, t, values[1:], start + 1):
            return signal
        values, start = values[1:], start + 1
    return _now(ev, node, _places(t, recorded(ev, node, t, values, start)))


def _places(t: ty.Type, numbered: Iterable[tuple[int, int]]) -> Iterator[tuple[int, Place]]:
    return ((number, ValuePlace(t, Value(t, i))) for number, i in numbered)


def _start(ev: Evaluator, node: ast.For) -> int:
    return 0 if node.start is None else ev.integer(node.start, "the first index")


def _bind(ev: Evaluator, node: ast.For, element: Place, index: int) -> None:
    if node.variables and node.variables[0] != "_":
        ev.scope.names[node.variables[0]] = element
    if len(node.variables) == 2 and node.variables[1] != "_":
        ev.bind(node.variables[1], Value(ty.COMPTIME_INT, index))


def _numbered(ev: Evaluator, node: ast.For, elements: Iterator[Place]) -> Iterator[tuple[int, Place]]:
    return enumerate(elements, _start(ev, node))


def _now(ev: Evaluator, node: ast.For, elements: Iterator[tuple[int, Place]]) -> Signal | None:
    for number, element in elements:
        ev.step(node.span)
        with ev.new_scope():
            _bind(ev, node, element, number)
            leave, signal = after_body(ev.stmt(node.body), node.label)
        if leave:
            return signal
    return None


def _unrolled(ev: Evaluator, node: ast.For, elements: Iterator[Place]) -> Signal | None:
    if not ev.is_emitting():
        return _now(ev, node, _numbered(ev, node, elements))
    first = _start(ev, node)
    with Unrolling(ev, node.label) as target:
        for number, element in enumerate(elements, first):
            ev.step(node.span)
            with ev.new_scope():
                _bind(ev, node, element, number)
                unrolled_body(ev, target, node.body)
    return None


def _array_elements(ev: Evaluator, node: ast.For, place: Place, t: ty.ArrayType) -> Iterator[Place]:
    for i in range(t.count):
        element = element_place(ev, place, t, Value(ty.COMPTIME_INT, i), node.span)
        if node.by_pointer:
            pointer = address_of(ev, element, node.span)
            element = ValuePlace(pointer.type, pointer)
        yield element


def _over_array(ev: Evaluator, node: ast.For, place: Place, t: ty.ArrayType) -> Signal | None:
    if not ev.is_emitting() or ty.is_comptime_only(t.element):
        return (
            _now(ev, node, _numbered(ev, node, _array_elements(ev, node, place, t)))
            if not ev.is_emitting()
            else _unrolled(ev, node, _array_elements(ev, node, place, t))
        )
    if node.inline:
        return _unrolled(ev, node, _array_elements(ev, node, place, t))
    return _array_later(ev, node, place, t)


def _array_later(ev: Evaluator, node: ast.For, place: Place, t: ty.ArrayType) -> Signal | None:
    slot = ev.code.slot("u16")
    ev.emit(tir.Set(slot, tir.Const("u16", 0)))
    index = Value(ty.U16, ir=tir.Local("u16", slot))
    done = tir.Binary("ge", "bool", tir.Local("u16", slot), tir.Const("u16", t.count))

    def enter() -> None:
        element = element_place(ev, place, t, index, node.span)
        if node.by_pointer:
            pointer = address_of(ev, element, node.span)
            element = ValuePlace(pointer.type, pointer)
        _bind_later(ev, node, element)

    step = (tir.Set(slot, tir.Binary("add", "u16", tir.Local("u16", slot), tir.Const("u16", 1))),)
    return _loop(ev, node, done, step, enter)


def _bind_later(ev: Evaluator, node: ast.For, element: Place) -> None:
    if node.variables and node.variables[0] != "_":
        ev.scope.names[node.variables[0]] = element


def _range_later(ev: Evaluator, node: ast.For, t: ty.Type, r: RangeValue) -> Signal | None:
    name = ty.tir_type(t)
    slot = ev.code.slot(name)
    ev.emit(tir.Set(slot, ev.runtime(coerce(ev, r.start, t, node.span))))
    step = int(ev.decide(r.step, node.span, "the step of a loop"))
    stop = ev.runtime(coerce(ev, r.stop, t, node.span))
    if not is_constant(stop):
        stop = ev.code.save(stop)
    here = tir.Local(name, slot)
    done = tir.Binary("ge" if step > 0 else "le", "bool", here, stop)
    assert isinstance(t, ty.IntType)
    amount = tir.Const(name, t.wrap(step))

    def enter() -> None:
        _bind_later(ev, node, ValuePlace(t, Value(t, ir=here)))

    return _loop(ev, node, done, (tir.Set(slot, tir.Binary("add", name, here, amount)),), enter)


def _loop(
    ev: Evaluator, node: ast.For, done: tir.Expr, step: tuple[tir.Stmt, ...], enter: object
) -> Signal | None:
    """A counted loop; a second variable counts from `start`."""
    target = Target(node.label, ev.code.label(), 0)
    target.continue_label = target.break_label
    counter = _counter(ev, node)
    ev.targets.append(target)
    try:
        with ev.branch() as body, ev.new_scope():
            ev.emit(tir.If(done, (tir.Break(target.break_label),), ()))
            assert callable(enter)
            enter()
            if counter is not None:
                t = ty.U16
                ev.scope.names[node.variables[1]] = ValuePlace(t, Value(t, ir=counter))
                advance = tir.Binary("add", "u16", counter, tir.Const("u16", 1))
                step = (*step, tir.Set(counter.slot, advance))
            ev.stmt(node.body)
    finally:
        ev.targets.pop()
    loop = tir.Loop(target.break_label, tuple(body), step, True)
    ends = trip_bound(loop) is not None
    ev.emit(loop if ends else msgspec.structs.replace(loop, bounded=False))
    return None


def _counter(ev: Evaluator, node: ast.For) -> tir.Local | None:
    if len(node.variables) < 2 or node.variables[1] == "_":
        return None
    start = 0 if node.start is None else numbers.convert(ev.integer(node.start, "the first index"), ty.U16)
    return ev.code.save(tir.Const("u16", start))
