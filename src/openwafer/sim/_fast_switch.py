"""Switches of the fast engine's routers: what control wavelets do to them. Compiled code.

The rules: docs/semantics.md, “Control wavelets”.
"""

from __future__ import annotations

from typing import Any

from openwafer.codegen._raw import kernel, load64, store64
from openwafer.sim import _control as control
from openwafer.sim._fast_state import (
    C_CONFIG,
    C_ROUTE,
    CONTROL_BIT,
    POSITIONS,
    RAMP_BIT,
    SWITCH_BYTES,
    W_CONFIGS,
    X_POP_MODE,
    X_RING,
    X_ROUTES,
)

NOP, ADVANCE, RESET, TEARDOWN = control.NOP, control.ADVANCE, control.RESET, control.TEARDOWN
POP_ALWAYS, POP_IF_CHANGED, POP_IF_CHANGED_OR_NOP = 1, 2, 3
IS_TEARDOWN = -1
NO_TASK = control.NO_TASK
_first_command, _without_first = kernel(control.first_command), kernel(control.without_first)
_is_ignored_by_pe = kernel(control.is_ignored_by_pe)
task_id = kernel(control.task_id)


@kernel
def outputs_of(data: Any, tx: Any) -> Any:
    """Where a wavelet goes: a control wavelet may ask not to be given to the PE."""
    return tx & ~RAMP_BIT if data & CONTROL_BIT and _is_ignored_by_pe(data) else tx


@kernel
def _next_position(switch: Any, position: Any) -> Any:
    for later in range(position + 1, POSITIONS):
        if load64(switch + X_ROUTES + 8 * later) >= 0:
            return later
    return 0 if load64(switch + X_RING) else position


@kernel
def carry_out(w: Any, channel: Any, data: Any) -> Any:
    """Carries out the first command of a control wavelet; what is sent on, or IS_TEARDOWN."""
    command, config = _first_command(data), load64(channel + C_CONFIG)
    if command == TEARDOWN:
        return IS_TEARDOWN
    switch, before = load64(w + W_CONFIGS) + (config >> 2) * SWITCH_BYTES, config & 3
    after = before
    if command == RESET:
        after = 0
    elif command == ADVANCE:
        after = _next_position(switch, before)
    if after != before:
        store64(channel + C_CONFIG, config - before + after)
        store64(channel + C_ROUTE, load64(switch + X_ROUTES + 8 * after))
    mode = load64(switch + X_POP_MODE)
    pops = mode == POP_ALWAYS or (mode >= POP_IF_CHANGED and after != before)
    if pops or (mode == POP_IF_CHANGED_OR_NOP and command == NOP):
        return CONTROL_BIT | _without_first(data & 0xFFFFFFFF)
    return data
