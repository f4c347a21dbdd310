"""The hot loops of memory-only DSD operations: operands that are one-dimensional, in bounds and
unwrapped.

Element by element in order, whatever overlaps: LLVM vectorises a loop only behind its own overlap checks.
Each shape of an operation exists twice, with contiguous elements (known strides) and with any strides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb

from openwafer.sim.fast._raw import (
    f32_from_bits,
    fma32,
    kernel,
    load16,
    load32,
    loadf,
    store16,
    store32,
    storef,
)
from openwafer.sim.fast.memory import _alu as ops
from openwafer.sim.fast.memory._half import add_half, fma_half, multiply_half, subtract_half

ARRAY_ARRAY, SCALAR_ARRAY, ARRAY_SCALAR = 0, 1, 2
"""Shapes of two sources; a single source is ARRAY_ARRAY or, to fill, SCALAR_ARRAY."""


@kernel
def _pass(bits: Any) -> Any:
    return bits


@kernel
def _add(x: Any, y: Any) -> Any:
    return x + y


@kernel
def _subtract(x: Any, y: Any) -> Any:
    return x - y


@kernel
def _multiply(x: Any, y: Any) -> Any:
    return x * y


@kernel
def _fma_single(a: Any, b: Any, s: Any) -> Any:
    return fma32(b, s, a)


def _binary(load: Any, store: Any, scalar: Any, of: Any, size: int) -> Callable[..., Any]:
    """A loop `dest[i] = of(src0[i], src1[i])` where `shape` says which source is a scalar."""

    @kernel
    def run(shape: Any, n: Any, d: Any, ds: Any, a: Any, sa: Any, b: Any, sb: Any) -> Any:
        if shape == ARRAY_ARRAY:
            if ds == size and sa == size and sb == size:
                for i in range(n):
                    store(d + i * size, of(load(a + i * size), load(b + i * size)))
            else:
                for i in range(n):
                    store(d + i * ds, of(load(a + i * sa), load(b + i * sb)))
        elif shape == SCALAR_ARRAY:
            x = scalar(a)
            if ds == size and sb == size:
                for i in range(n):
                    store(d + i * size, of(x, load(b + i * size)))
            else:
                for i in range(n):
                    store(d + i * ds, of(x, load(b + i * sb)))
        else:
            y = scalar(b)
            if ds == size and sa == size:
                for i in range(n):
                    store(d + i * size, of(load(a + i * size), y))
            else:
                for i in range(n):
                    store(d + i * ds, of(load(a + i * sa), y))

    return run


def _fma(load: Any, store: Any, scalar: Any, of: Any, size: int) -> Callable[..., Any]:
    """A loop `dest[i] = src0[i] + src1[i] · s`."""

    @kernel
    def run(n: Any, d: Any, ds: Any, a: Any, sa: Any, b: Any, sb: Any, s: Any) -> Any:
        factor = scalar(s)
        if ds == size and sa == size and sb == size:
            for i in range(n):
                store(d + i * size, of(load(a + i * size), load(b + i * size), factor))
        else:
            for i in range(n):
                store(d + i * ds, of(load(a + i * sa), load(b + i * sb), factor))

    return run


def _move(load: Any, store: Any, size: int) -> Callable[..., Any]:
    """A loop `dest[i] = src0[i]`, or `dest[i] = a` for a scalar."""

    @kernel
    def run(shape: Any, n: Any, d: Any, ds: Any, a: Any, sa: Any) -> Any:
        if shape == SCALAR_ARRAY:
            if ds == size:
                for i in range(n):
                    store(d + i * size, a)
            else:
                for i in range(n):
                    store(d + i * ds, a)
        elif ds == size and sa == size:
            for i in range(n):
                store(d + i * size, load(a + i * size))
        else:
            for i in range(n):
                store(d + i * ds, load(a + i * sa))

    return run


_move16, _move32 = _move(load16, store16, 2), _move(load32, store32, 4)
_adds = _binary(loadf, storef, f32_from_bits, _add, 4)
_subs = _binary(loadf, storef, f32_from_bits, _subtract, 4)
_muls = _binary(loadf, storef, f32_from_bits, _multiply, 4)
_addh = _binary(load16, store16, _pass, add_half, 2)
_subh = _binary(load16, store16, _pass, subtract_half, 2)
_mulh = _binary(load16, store16, _pass, multiply_half, 2)
_macs = _fma(loadf, storef, f32_from_bits, _fma_single, 4)
_mach = _fma(load16, store16, _pass, fma_half, 2)


@kernel
def fast_loop(op: Any, shape: Any, n: Any, d: Any, ds: Any, a: Any, sa: Any, b: Any, sb: Any, s: Any) -> Any:
    """Runs `n` elements if there is a loop for this operation and shape; whether there is.

    `d a b` are addresses in this process (or the bits of a scalar), `ds sa sb` strides in bytes."""
    if op == ops.FMOVS or op == ops.MOV32:
        _move32(shape, n, d, ds, a, sa)
    elif op == ops.FMOVH or op == ops.MOV16:
        _move16(shape, n, d, ds, a, sa)
    elif op == ops.FMACS and shape == ARRAY_ARRAY:
        _macs(n, d, ds, a, sa, b, sb, s)
    elif op == ops.FMACH and shape == ARRAY_ARRAY:
        _mach(n, d, ds, a, sa, b, sb, s)
    elif op == ops.FADDS:
        _adds(shape, n, d, ds, a, sa, b, sb)
    elif op == ops.FSUBS:
        _subs(shape, n, d, ds, a, sa, b, sb)
    elif op == ops.FMULS:
        _muls(shape, n, d, ds, a, sa, b, sb)
    elif op == ops.FADDH:
        _addh(shape, n, d, ds, a, sa, b, sb)
    elif op == ops.FSUBH:
        _subh(shape, n, d, ds, a, sa, b, sb)
    elif op == ops.FMULH:
        _mulh(shape, n, d, ds, a, sa, b, sb)
    else:
        return False
    return True


@kernel
def fast_sum(op: Any, start: Any, n: Any, b: Any, sb: Any) -> Any:
    """Bits of `start` + b[0] + b[1] + …, in that order, for fadds (f32)."""
    total = f32_from_bits(start)
    for i in range(n):
        total += loadf(b + i * sb)
    return nb.float32(total)
