"""The loop over cycles of the fast engine. Compiled code, and the function by which Python enters it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba as nb

from openwafer.codegen._memory_op import source_hash
from openwafer.codegen._operand import PLACE
from openwafer.codegen._raw import kernel, load64, prefetch, store64, trailing_zeros
from openwafer.sim._fast_commands import command_record, concerns, count_open
from openwafer.sim._fast_fabric import channel_record, fault, router_record, serve_router, wake_pe
from openwafer.sim._fast_ops import UNSUPPORTED, slot_record
from openwafer.sim._fast_pe import DSD_OP, call_code, grant, step_pe
from openwafer.sim._fast_ports import start_stream
from openwafer.sim._fast_schedule import clear, count, next_cycle, peek, pull_due, take, unwind
from openwafer.sim._fast_state import (
    C_INPUT,
    C_NEXT,
    C_ROUTE,
    CHANNEL_HEAD_BYTES,
    DONE,
    END,
    FAULTED,
    IDLE,
    K_KIND,
    K_LEFT,
    LIMIT,
    LINE,
    MORE,
    NEVER,
    P_ACTION,
    P_ACTIVE,
    P_ENTRY,
    P_INDEX,
    P_MEMORY,
    P_NEXT,
    P_PROGRAM,
    P_QUEUES,
    P_STATE,
    P_STATUS,
    P_USED,
    P_WAKE,
    PE_BYTES,
    QUIET,
    R_COLORS_WAITING,
    RAMP_BIT,
    REQUEST,
    S_WALKERS,
    STREAM_IN,
    W_BUSY,
    W_COMMAND_COUNT,
    W_FAULT,
    W_NOW,
    W_OPEN,
    W_OPEN_STREAMS,
    W_PE_COUNT,
    W_PE_RING,
    W_PES,
    W_PORT_BYTES,
    W_RELEASED,
    W_ROUTER_RING,
    W_TIME,
)

AHEAD, NEAR, NEXT = 8, 4, 2
"""How many items ahead memory is asked for: records, what they point to, and what that points to."""


@kernel
def _prefetch_router(w: Any, ring: Any, bucket: Any, k: Any, n: Any) -> Any:
    if k + AHEAD < n:
        prefetch(router_record(w, peek(ring, bucket, k + AHEAD)))
    if k + NEAR < n:
        router = router_record(w, peek(ring, bucket, k + NEAR))
        waiting = load64(router + R_COLORS_WAITING)
        if waiting != 0:
            channel = channel_record(w, router, trailing_zeros(waiting))
            prefetch(channel)
            prefetch(channel + CHANNEL_HEAD_BYTES)
            prefetch(channel + CHANNEL_HEAD_BYTES + load64(w + W_PORT_BYTES))
    if k + NEXT < n:
        router = router_record(w, peek(ring, bucket, k + NEXT))
        waiting = load64(router + R_COLORS_WAITING)
        if waiting != 0:
            channel = channel_record(w, router, trailing_zeros(waiting))
            tx = load64(channel + C_ROUTE) >> 8
            prefetch(
                load64(channel + (C_INPUT if tx & RAMP_BIT else C_NEXT + 8 * trailing_zeros(tx | RAMP_BIT)))
            )


@kernel
def _prefetch_pe(w: Any, ring: Any, bucket: Any, k: Any, n: Any) -> Any:
    pes = load64(w + W_PES)
    if k + AHEAD < n:
        pe = pes + peek(ring, bucket, k + AHEAD) * PE_BYTES
        prefetch(pe)
        prefetch(pe + LINE)
    if k + NEAR < n:
        pe = pes + peek(ring, bucket, k + NEAR) * PE_BYTES
        left = load64(pe + P_USED)
        while left:
            slot = slot_record(w, pe, trailing_zeros(left))
            left &= left - 1
            prefetch(slot)
            prefetch(slot + LINE)
            prefetch(slot + S_WALKERS)
            prefetch(slot + S_WALKERS + LINE)
        queues = load64(pe + P_QUEUES)
        prefetch(queues)
        prefetch(queues + LINE)
    if k + NEXT < n:
        pe = pes + peek(ring, bucket, k + NEXT) * PE_BYTES
        memory, left = load64(pe + P_MEMORY), load64(pe + P_USED)
        while left:
            slot = slot_record(w, pe, trailing_zeros(left))
            left &= left - 1
            prefetch(memory + load64(slot + S_WALKERS + PLACE))
            prefetch(memory + load64(slot + S_WALKERS + LINE + PLACE))


@kernel
def _serve_routers(w: Any, ring: Any, now: Any) -> Any:
    """Whether a wavelet moved anywhere."""
    bucket, happened = now & 63, False
    n = count(ring, bucket)
    for k in range(n):
        _prefetch_router(w, ring, bucket, k, n)
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
        _prefetch_pe(w, ring, bucket, k, n)
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
    """Simulates cycles < `limit` until command `ticket` (-1: none) is done, nothing is left, or `budget`
    items have been served; returns which."""
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
        if load64(w + W_RELEASED) < load64(w + W_COMMAND_COUNT):
            _release(w, now + 1)
        is_wrong = load64(w + W_FAULT) != 0
        if happened or is_wrong:
            store64(w + W_NOW, now + 1)
        if is_wrong:
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
def _wake_concerned(w: Any, command: Any, now: Any) -> Any:
    """Has the PEs that a command concerns look at it; how many there are."""
    concerned = 0
    for index in range(load64(w + W_PE_COUNT)):
        pe = load64(w + W_PES) + index * PE_BYTES
        if load64(pe + P_PROGRAM) != 0 and concerns(command, pe):
            concerned += 1
            if load64(pe + P_STATE) == IDLE:
                wake_pe(w, index, pe, now, now)
    return concerned


@kernel
def _release(w: Any, now: Any) -> Any:
    """Releases the commands that can be taken from cycle `now` on: a stream waits for all commands before
    it, the others wait for streams."""
    number = load64(w + W_RELEASED)
    while number < load64(w + W_COMMAND_COUNT):
        command = command_record(w, number)
        is_stream = load64(command + K_KIND) >= STREAM_IN
        if load64(w + (W_OPEN if is_stream else W_OPEN_STREAMS)) != 0:
            return
        number += 1
        store64(w + W_RELEASED, number)
        concerned = start_stream(w, number - 1, now) if is_stream else _wake_concerned(w, command, now)
        store64(command + K_LEFT, concerned)
        if concerned != 0:
            count_open(w, command, 1)


@kernel
def _run_init(w: Any, pe: Any) -> Any:
    """Runs the code at P_ENTRY to its end, before the first cycle."""
    while load64(w + W_FAULT) == 0:
        call_code(w, pe, 0)
        action = load64(pe + P_ACTION)
        if action == END or load64(w + W_FAULT) != 0:
            return
        if action == REQUEST:
            if load64(pe + P_STATUS) == DSD_OP:
                fault(w, UNSUPPORTED, load64(pe + P_INDEX), -1, 0, 0)
                return
            grant(w, pe, 0)


@kernel
def _initialize(w: Any) -> Any:
    """Runs `init` (at P_ENTRY, 0 for none) on all PEs, and has every PE with code stepped in cycle 0."""
    for index in range(load64(w + W_PE_COUNT)):
        pe = load64(w + W_PES) + index * PE_BYTES
        if load64(pe + P_PROGRAM) == 0:
            continue
        if load64(pe + P_ENTRY) != 0:
            _run_init(w, pe)
        store64(pe + P_WAKE, 0)
        if load64(pe + P_ACTIVE) != 0:
            wake_pe(w, index, pe, 0, 0)
    store64(w + W_BUSY, 0)


@kernel
def _enter(what: Any, w: Any, a: Any, b: Any, c: Any) -> Any:
    if what == RUN_CYCLES:
        return _run(w, a, b, c)
    if what == REWIND:
        _rewind(w)
    elif what == SUBMIT:
        _release(w, load64(w + W_TIME))
    else:
        _initialize(w)
    return 0


RUN_CYCLES, REWIND, SUBMIT, INITIALIZE = 0, 1, 2, 3
"""What `entry_point()` does; its other arguments are those of the functions above."""


@cache
def entry_point() -> Callable[[int, int, int, int, int], int]:
    """The compiled way in: `f(what, w, a, b, c)`. About half a minute the first time, then cached on disk."""
    version = source_hash() + _own_hash()

    @nb.njit("int64(int64, int64, int64, int64, int64)", nogil=True, cache=True, error_model="numpy")
    def openwafer_engine(what: Any, w: Any, a: Any, b: Any, c: Any) -> Any:
        return _enter(what, w, a, b, c) if version else 0

    return openwafer_engine


def _own_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("_fast_*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
