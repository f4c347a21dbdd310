"""Switches and filters of the fast engine's routers: where wavelets go, what they do to both. Compiled code.

The rules: docs/semantics.md, “Control wavelets” and “Filters”.
"""

from __future__ import annotations

from typing import Any

from openwafer.sim import _control as control
from openwafer.sim import _filter as filters
from openwafer.sim.fast._raw import kernel, load64, store64
from openwafer.sim.fast._state import (
    CONFIG_SHIFT,
    CONFIG_TEARDOWN,
    CONTROL_BIT,
    COUNTS_CONTROL,
    COUNTS_DATA,
    FILTERED_BIT,
    ONLY_CONTROL,
    POSITIONS,
    RAMP_BIT,
    SWITCH_BYTES,
    Channel,
    Switch,
    World,
)

NOP, ADVANCE, RESET, TEARDOWN = control.NOP, control.ADVANCE, control.RESET, control.TEARDOWN
POP_ALWAYS, POP_IF_CHANGED, POP_IF_CHANGED_OR_NOP = 1, 2, 3
NO_TASK, POSITION_MASK = control.NO_TASK, POSITIONS - 1
NO_FILTER, SPARSE, RANGE = filters.NONE, filters.SPARSE, filters.RANGE
_first_command, _without_first = kernel(control.first_command), kernel(control.without_first)
_is_ignored_by_pe = kernel(control.is_ignored_by_pe)
_accepts, _after, _is_spent = kernel(filters.accepts), kernel(filters.after), kernel(filters.is_spent)
task_id = kernel(control.task_id)


@kernel
def switch_record(w: Any, channel: Any) -> Any:
    """The row of the table of switches that a channel has."""
    return load64(w + World.CONFIGS) + (load64(channel + Channel.CONFIG) >> CONFIG_SHIFT) * SWITCH_BYTES


@kernel
def outputs_of(w: Any, channel: Any, data: Any, tx: Any) -> Any:
    """Where a wavelet goes: it may ask not to be given to the PE, or be rejected by the filter."""
    if (data & CONTROL_BIT) | (tx & FILTERED_BIT) == 0:
        return tx
    if data & CONTROL_BIT and _is_ignored_by_pe(data):
        tx &= ~RAMP_BIT
    if tx & FILTERED_BIT and tx & RAMP_BIT and not _passes(switch_record(w, channel), data):
        tx &= ~RAMP_BIT
    return tx & ~FILTERED_BIT


@kernel
def _passes(switch: Any, data: Any) -> Any:
    only = load64(switch + Switch.COUNTS) & ONLY_CONTROL
    counter, limit = load64(switch + Switch.COUNTER), load64(switch + Switch.LIMIT1)
    kind, maximum = load64(switch + Switch.FILTER), load64(switch + Switch.MAXIMUM)
    return _accepts(kind, only, counter, limit, maximum, data & CONTROL_BIT != 0, data & 0xFFFFFFFF)


@kernel
def count(w: Any, channel: Any, data: Any) -> Any:
    """Tells the filter of a wavelet that the router moves."""
    tx, switch = load64(channel + Channel.ROUTE) >> 8, switch_record(w, channel)
    kind, is_control = load64(switch + Switch.FILTER), data & CONTROL_BIT != 0
    if kind == NO_FILTER or tx & RAMP_BIT == 0 or (is_control and _is_ignored_by_pe(data)):
        return
    if not _passes(switch, data):
        store64(switch + Switch.REJECTED, load64(switch + Switch.REJECTED) + 1)
    if kind == RANGE or load64(switch + Switch.COUNTS) & (COUNTS_CONTROL if is_control else COUNTS_DATA) == 0:
        return
    counter, limit1, limit2 = (
        load64(switch + Switch.COUNTER),
        load64(switch + Switch.LIMIT1),
        load64(switch + Switch.LIMIT2),
    )
    store64(switch + Switch.COUNTER, _after(counter, limit1))
    if _is_spent(kind, counter, limit1, limit2):
        store64(switch + Switch.FILTER, NO_FILTER)
    elif kind == SPARSE and counter == limit1:
        store64(switch + Switch.LIMIT1, limit2)
        store64(switch + Switch.LIMIT2, -1)


@kernel
def _next_position(switch: Any, position: Any) -> Any:
    for later in range(position + 1, POSITIONS):
        if load64(switch + Switch.ROUTES + 8 * later) >= 0:
            return later
    return 0 if load64(switch + Switch.RING) else position


@kernel
def route_at(switch: Any, position: Any) -> Any:
    """The live route in a position; nothing is taken in an invalid one."""
    return max(load64(switch + Switch.ROUTES + 8 * position), 0)


@kernel
def carry_out(w: Any, channel: Any, data: Any) -> Any:
    """Carries out the first command of a control wavelet; what is sent on."""
    command, config = _first_command(data), load64(channel + Channel.CONFIG)
    switch, before = switch_record(w, channel), config & POSITION_MASK
    after = before
    if command == RESET:
        after = 0
    elif command == ADVANCE:
        after = _next_position(switch, before)
    elif command == TEARDOWN:
        store64(channel + Channel.CONFIG, config | CONFIG_TEARDOWN)
        store64(channel + Channel.ROUTE, 0)
    if after != before:
        store64(channel + Channel.CONFIG, config - before + after)
        store64(channel + Channel.ROUTE, route_at(switch, after))
    mode = load64(switch + Switch.POP_MODE)
    pops = mode == POP_ALWAYS or (mode >= POP_IF_CHANGED and after != before)
    if pops or (mode == POP_IF_CHANGED_OR_NOP and command == NOP):
        return CONTROL_BIT | _without_first(data & 0xFFFFFFFF)
    return data
