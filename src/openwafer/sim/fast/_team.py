"""Threads of the fast engine: each serves the rows of one part of the wafer. Compiled code.

The leader says what is to be done in which cycle, does its own part, and waits for the others. Nothing is
locked: within a phase a thread touches only its own part, the edges between parts are served by the leader
alone, and what is counted for all parts is counted atomically.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from openwafer.sim.fast._raw import call_entry, kernel, load64, store64
from openwafer.sim.fast._state import LINE, WORD, World

TEAM_GO, TEAM_PHASE, TEAM_NOW, TEAM_YIELD = 0, WORD, 2 * WORD, 3 * WORD
TEAM_ARRIVED = LINE
TEAM_BYTES = 2 * LINE
"""GO counts what the leader has asked for, PHASE and NOW are what that is, YIELD the address of `sched_yield`
(0: none), ARRIVED counts the helpers that have done it."""
STOP, ROUTERS, PES = 0, 1, 2
"""TEAM_PHASE."""
FAULT_FIELDS = tuple(range(World.FAULT, World.FAULT_CYCLE + WORD, WORD))
SPINS = 512
"""How often a waiting thread looks before it lets others have the processor."""

_I64 = ir.IntType(64)


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _I64.as_pointer())


@intrinsic
def atomic_load(typingctx: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0]), "acquire", WORD)

    return types.int64(types.int64), codegen


@intrinsic
def atomic_store(typingctx: Any, address: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0]), "release", WORD)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def atomic_add(typingctx: Any, address: Any, value: Any) -> Any:
    """Adds; gives what was there before."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@kernel
def part(w: Any, k: Any) -> Any:
    """World record of part `k`."""
    return load64(load64(w + World.PARTS) + WORD * k)


@kernel
def _look_again(team: Any, looks: Any) -> Any:
    address = load64(team + TEAM_YIELD)
    if looks % SPINS == 0 and address != 0:
        call_entry(address, 0)
    return looks + 1


@kernel
def next_order(team: Any, seen: Any) -> Any:
    """Waits for an order after number `seen`; its number."""
    looks = 1
    while atomic_load(team + TEAM_GO) == seen:
        looks = _look_again(team, looks)
    return atomic_load(team + TEAM_GO)


@kernel
def give_order(w: Any, phase: Any, now: Any) -> Any:
    team = load64(w + World.TEAM)
    store64(team + TEAM_PHASE, phase)
    store64(team + TEAM_NOW, now)
    atomic_store(team + TEAM_GO, load64(team + TEAM_GO) + 1)


@kernel
def await_helpers(w: Any) -> Any:
    team, looks = load64(w + World.TEAM), 1
    while atomic_load(team + TEAM_ARRIVED) < load64(w + World.HELPERS):
        looks = _look_again(team, looks)
    store64(team + TEAM_ARRIVED, 0)


@kernel
def merge_faults(w: Any) -> Any:
    """Gives the leader's record the fault of the lowest PE; whether there is one."""
    for k in range(1, load64(w + World.PART_COUNT)):
        other = part(w, k)
        wrong = load64(other + World.FAULT) != 0
        if wrong and (
            load64(w + World.FAULT) == 0 or load64(other + World.FAULT_PE) < load64(w + World.FAULT_PE)
        ):
            for field in FAULT_FIELDS:
                store64(w + field, load64(other + field))
    return load64(w + World.FAULT) != 0
