"""A build of the engine that checks every address: what an address sanitiser does, for code of numba.

Where `OPENWAFER_CHECKED_ENGINE` is 1, each load and store of `_raw` first asks whether its bytes lie in an
array that was made known here, or on the stack. If not, the process says which and aborts. About ten times
slower; compiled and cached apart from the usual engine.
"""

from __future__ import annotations

import bisect
import ctypes
import os
import sys
import traceback
import weakref
from functools import cache
from typing import Any

import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

IS_CHECKED = os.environ.get("OPENWAFER_CHECKED_ENGINE") == "1"
"""Read without `diag.environment`, which declares it: compiled code would depend on how diagnostics look."""
BUILD = "checked" if IS_CHECKED else ""
"""What tells this build from the usual one in the key of a cache."""
SYMBOL = "openwafer_check_address"
STACK_BYTES = 1 << 20
"""So far above the frame of the check lies what the stack holds."""
MOST_RANGES = 1 << 14

_I1, _I64, _VOID = ir.IntType(1), ir.IntType(64), ir.VoidType()
_CHECK = ir.FunctionType(_VOID, [_I64, _I64])
_TABLE = (ctypes.c_int64 * (2 * MOST_RANGES + 1))()
"""The number of ranges, then the first and last address + 1 of each, in order."""
_ranges: list[tuple[int, int]] = []
_keep: list[Any] = []


def make_known(array: NDArray[Any]) -> None:
    """Lets compiled code touch an array for as long as the memory behind it lives."""
    root: Any = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    first, end = byte_bounds(array)
    if end > first and (first, end) not in _ranges:
        bisect.insort(_ranges, (int(first), int(end)))
        weakref.finalize(root, _forget, (int(first), int(end)))
        _publish()


def _forget(known: tuple[int, int]) -> None:
    if known in _ranges:
        _ranges.remove(known)
        _publish()


def _publish() -> None:
    flat = [address for known in _ranges for address in known]
    _TABLE[0] = len(_ranges)
    _TABLE[1 : 1 + len(flat)] = flat


def emit_check(builder: Any, address: Any, size: int) -> None:
    """In code under construction: checks `size` bytes at an address."""
    function = builder.module.globals.get(SYMBOL) or ir.Function(builder.module, _CHECK, SYMBOL)
    builder.call(function, [address, _I64(size)])


@cache
def bind_check() -> None:
    """Compiles the check and makes it known to all code that is linked from now on."""
    wrong = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(_abort)
    module = llvm.parse_assembly(str(_module(ctypes.cast(wrong, ctypes.c_void_p).value or 0)))
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(opt=2, jit=True)
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    llvm.add_symbol(SYMBOL, engine.get_function_address(SYMBOL))
    _keep.extend((wrong, engine))


def _abort(address: int, size: int) -> None:
    text = f"the engine touches {size} bytes at {address:#x}, which belong to no array"
    near = sorted(_ranges, key=lambda known: min(abs(address - known[0]), abs(address - known[1])))[:1]
    print(text, [f"{a:#x} … {b:#x}" for a, b in near], file=sys.stderr, flush=True)
    traceback.print_stack()
    sys.stderr.flush()
    os.abort()


def _module(wrong: int) -> ir.Module:
    """`check(address, size)`: a binary search for the last range that begins at or below the address."""
    module = ir.Module(name="openwafer_checked")
    function = ir.Function(module, _CHECK, SYMBOL)
    address, size = function.args
    entry, loop, step, found, stack, bad, end = (
        function.append_basic_block(name)
        for name in ("entry", "loop", "step", "found", "stack", "bad", "end")
    )
    b = ir.IRBuilder(entry)
    here = b.ptrtoint(b.alloca(_I64), _I64)
    table = b.inttoptr(_I64(ctypes.addressof(_TABLE)), _I64.as_pointer())
    count = b.load(table)
    b.branch(loop)
    b.position_at_end(loop)
    low, high = b.phi(_I64), b.phi(_I64)
    b.cbranch(b.icmp_signed("<", low, high), step, found)
    b.position_at_end(step)
    middle = b.lshr(b.add(low, high), _I64(1))
    first = b.load(b.gep(table, [b.add(b.shl(middle, _I64(1)), _I64(1))]))
    below = b.icmp_signed("<=", first, address)
    after = b.add(middle, _I64(1))
    low.add_incoming(_I64(0), entry)
    low.add_incoming(b.select(below, after, low), step)
    high.add_incoming(count, entry)
    high.add_incoming(b.select(below, high, middle), step)
    b.branch(loop)
    b.position_at_end(found)
    last = b.load(b.gep(table, [b.shl(low, _I64(1))]))
    inside = b.icmp_signed("<=", b.add(address, size), last)
    b.cbranch(b.and_(inside, b.icmp_signed(">", low, _I64(0))), end, stack)
    b.position_at_end(stack)
    above = b.sub(address, here)
    b.cbranch(b.icmp_unsigned("<", above, _I64(STACK_BYTES)), end, bad)
    b.position_at_end(bad)
    kind = ir.FunctionType(_VOID, [_I64, _I64]).as_pointer()
    b.call(b.inttoptr(_I64(wrong), kind), [address, size])
    b.branch(end)
    b.position_at_end(end)
    b.ret_void()
    return module
