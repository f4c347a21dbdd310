"""Loads, stores and calls at raw addresses, for code that numba compiles.

An address is an int64. Nothing here is checked: the caller vouches for every address. No alignment is asked
for, and integers narrower than 64 bits are widened with zeros. None of this can be called from plain Python.
A build for debugging checks them all (`_checked`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from openwafer.sim.fast import _checked as checked

kernel: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy", _nrt=False, no_cpython_wrapper=True)
"""Decorator of functions that are called only from compiled code: no reference counts, no exceptions."""

_I8, _I16, _I32, _I64 = (ir.IntType(n) for n in (8, 16, 32, 64))
_F32, _F64 = ir.FloatType(), ir.DoubleType()


def _pointer(builder: Any, address: Any, element: Any) -> Any:
    return builder.inttoptr(address, element.as_pointer())


def _size(element: Any) -> int:
    return 4 if element == _F32 else element.width // 8


def _loader(element: Any, result: Any, widen: Callable[[Any, Any], Any]) -> Any:
    @intrinsic
    def load(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if checked.IS_CHECKED:
                checked.emit_check(builder, args[0], _size(element))
            value = builder.load(_pointer(builder, args[0], element), align=1)
            return widen(builder, value)

        return result(types.int64), codegen

    return load


def _storer(element: Any, value_type: Any, narrow: Callable[[Any, Any], Any]) -> Any:
    @intrinsic
    def store(typingctx: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if checked.IS_CHECKED:
                checked.emit_check(builder, args[0], _size(element))
            builder.store(narrow(builder, args[1]), _pointer(builder, args[0], element), align=1)
            return context.get_dummy_value()

        return types.void(types.int64, value_type), codegen

    return store


def _same(builder: Any, value: Any) -> Any:
    return value


def _zext(builder: Any, value: Any) -> Any:
    return builder.zext(value, _I64)


load64 = _loader(_I64, types.int64, _same)
load32 = _loader(_I32, types.int64, _zext)
load16 = _loader(_I16, types.int64, _zext)
load8 = _loader(_I8, types.int64, _zext)
loadf = _loader(_F32, types.float32, _same)
store64 = _storer(_I64, types.int64, _same)
store32 = _storer(_I32, types.int64, lambda b, v: b.trunc(v, _I32))
store16 = _storer(_I16, types.int64, lambda b, v: b.trunc(v, _I16))
storef = _storer(_F32, types.float32, _same)


def _converter(argument: Any, result: Any, convert: Callable[[Any, Any], Any]) -> Any:
    @intrinsic
    def convert_bits(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return convert(builder, args[0])

        return result(argument), codegen

    return convert_bits


f32_from_bits = _converter(types.int64, types.float32, lambda b, v: b.bitcast(b.trunc(v, _I32), _F32))
bits_from_f32 = _converter(types.float32, types.int64, lambda b, v: b.zext(b.bitcast(v, _I32), _I64))
f64_from_bits = _converter(types.int64, types.float64, lambda b, v: b.bitcast(v, _F64))
bits_from_f64 = _converter(types.float64, types.int64, lambda b, v: b.bitcast(v, _I64))
sext16 = _converter(types.int64, types.int64, lambda b, v: b.sext(b.trunc(v, _I16), _I64))
sext32 = _converter(types.int64, types.int64, lambda b, v: b.sext(b.trunc(v, _I32), _I64))
trailing_zeros = _converter(types.int64, types.int64, lambda b, v: b.cttz(v, ir.Constant(ir.IntType(1), 0)))
popcount = _converter(types.int64, types.int64, lambda b, v: b.ctpop(v))


@intrinsic
def fma32(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once, on every processor (a library call where there is no instruction)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@intrinsic
def call_entry(typingctx: Any, address: Any, ctx: Any) -> Any:
    """Calls `i32 f(i8* ctx)` by its address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I32, [_I8.as_pointer()])
        function = builder.inttoptr(args[0], kind.as_pointer())
        return builder.sext(builder.call(function, [builder.inttoptr(args[1], _I8.as_pointer())]), _I64)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def prefetch(typingctx: Any, address: Any) -> Any:
    """Asks for the cache line at an address, which need not be valid."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [_pointer(builder, args[0], _I8), _I32(1), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def to_pointer(typingctx: Any, address: Any) -> Any:
    """An address as the pointer to int64 that `numba.carray` takes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _pointer(builder, args[0], _I64)

    return types.CPointer(types.int64)(types.int64), codegen


def stack_block(words: int) -> Any:
    """An intrinsic without arguments: the address of `words` 64-bit words that live until the calling
    function returns; not cleared."""

    @intrinsic
    def allocate(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.ptrtoint(cgutils.alloca_once(builder, _I64, size=words), _I64)

        return types.int64(), codegen

    return allocate


@kernel
def add64(address: Any, amount: Any) -> Any:
    """Adds to the word at an address."""
    store64(address, load64(address) + amount)
