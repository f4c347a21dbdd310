"""The loop over cycles of the fast engine. Compiled code, and the functions by which Python enters it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numba as nb

from openwafer.codegen._abi import Ctx, Status
from openwafer.codegen._memory_op import CTX_ELEMENTS, source_hash
from openwafer.codegen._raw import kernel, load32, load64, store64
from openwafer.sim._fast_commands import command_record, concerns
from openwafer.sim._fast_fabric import fault, serve_router, wake_pe
from openwafer.sim._fast_pe import _call, step_pe
from openwafer.sim._fast_schedule import clear, count, next_cycle, pull_due, take, unwind
from openwafer.sim._fast_state import (
    BUSY,
    COMMAND_BYTES,
    DONE,
    FAULTED,
    IDLE,
    K_LEFT,
    LIMIT,
    MORE,
    NEVER,
    P_ENTRY,
    P_NEXT,
    P_PROGRAM,
    P_STATE,
    P_TAKEN,
    P_WAKE,
    PE_BYTES,
    QUIET,
    W_COMMANDS,
    W_CTX,
    W_ELEMENTS,
    W_FAULT,
    W_NOW,
    W_PE_COUNT,
    W_PE_RING,
    W_PES,
    W_ROUTER_RING,
    W_TIME,
    W_WORK,
)


@kernel
def _serve_routers(w: Any, ring: Any, now: Any) -> Any:
    """Whether a wavelet moved anywhere."""
    bucket, happened = now & 63, False
    n = count(ring, bucket)
    for k in range(n):
        if serve_router(w, take(ring, bucket, k), now):
            happened = True
    clear(ring, bucket)
    return happened


@kernel
def _step_pes(w: Any, ring: Any, now: Any) -> Any:
    """Whether something happened on any PE. PEs whose time has been put off since are left out."""
    bucket, happened = now & 63, False
    n = count(ring, bucket)
    pes = load64(w + W_PES)
    for k in range(n):
        index = take(ring, bucket, k)
        due = load64(pes + index * PE_BYTES + P_NEXT)
        if due == now:
            if step_pe(w, index, now):
                happened = True
        elif due < NEVER and due > now:
            store64(pes + index * PE_BYTES + P_NEXT, NEVER)
            wake_pe(w, index, pes + index * PE_BYTES, due, now)
    clear(ring, bucket)
    return happened


@kernel
def _run(w: Any, ticket: Any, limit: Any, budget: Any) -> Any:
    """Simulates cycles < `limit` until command `ticket` (-1: none) is done, nothing is left, or `budget` items
    have been served; returns which."""
    routers, pes = load64(w + W_ROUTER_RING), load64(w + W_PE_RING)
    work = 0
    while True:
        if ticket >= 0 and load64(command_record(w, ticket) + K_LEFT) == 0:
            return DONE
        now = load64(w + W_TIME)
        now = min(next_cycle(routers, now), next_cycle(pes, now))
        if now == NEVER:
            return QUIET
        if now >= limit:
            return LIMIT
        if work > budget:
            return MORE
        pull_due(routers, now)
        work += 1 + count(routers, now & 63)
        happened = _serve_routers(w, routers, now)
        pull_due(pes, now)
        work += count(pes, now & 63)
        happened = _step_pes(w, pes, now) or happened
        store64(w + W_TIME, now + 1)
        if happened:
            store64(w + W_NOW, now + 1)
        if load64(w + W_FAULT) != 0:
            return FAULTED


@kernel
def _rewind(w: Any) -> Any:
    """Sets the time back to NOW, after cycles in which nothing happened."""
    time, now = load64(w + W_TIME), load64(w + W_NOW)
    if now < time:
        unwind(load64(w + W_ROUTER_RING), time)
        unwind(load64(w + W_PE_RING), time)
        store64(w + W_TIME, now)


@kernel
def _wake_concerned(w: Any, number: Any) -> Any:
    """Counts the PEs that a new command concerns and has them look at it."""
    command, concerned = command_record(w, number), 0
    now = load64(w + W_TIME)
    for index in range(load64(w + W_PE_COUNT)):
        pe = load64(w + W_PES) + index * PE_BYTES
        if load64(pe + P_PROGRAM) != 0 and concerns(command, pe):
            concerned += 1
            if load64(pe + P_STATE) == IDLE:
                wake_pe(w, index, pe, now, now)
    store64(command + K_LEFT, concerned)
    return concerned


@kernel
def _initialize(w: Any, entries: Any) -> Any:
    """Runs each program's `init` (entries: address of one code address a PE's program, by record offset 0: none) on
    all its PEs, and has every PE with code stepped in cycle 0."""
    for index in range(load64(w + W_PE_COUNT)):
        pe = load64(w + W_PES) + index * PE_BYTES
        if load64(pe + P_PROGRAM) == 0:
            continue
        entry = load64(pe + P_ENTRY)
        store64(pe + P_TAKEN, -1)
        store64(pe + P_NEXT, NEVER)
        while entry != 0 and load64(w + W_FAULT) == 0:
            _call(w, pe, 0)
            if load64(pe + P_ACTION) == END:
                break
        store64(pe + P_WAKE, 0)
        wake_pe(w, index, pe, 0, 0)
