"""Configuration registers of the fast engine's PEs. Compiled code.

The rules: docs/semantics.md, “Registers”. A PE whose code writes registers has a row of the table of switches
for each of its colors.
"""

from __future__ import annotations

from typing import Any

from openwafer.codegen import Req
from openwafer.sim import _registers as registers
from openwafer.sim.fast._fabric import channel_record, fault, home, router_record
from openwafer.sim.fast._raw import kernel, load32, load64, store32, store64
from openwafer.sim.fast._schedule import schedule
from openwafer.sim.fast._state import (
    CONFIG_SHIFT,
    CONFIG_TEARDOWN,
    FAULT_NO_REGISTER,
    FILTERED_BIT,
    POSITIONS,
    Channel,
    Pe,
    Router,
    Switch,
    World,
)
from openwafer.sim.fast._switch import POSITION_MASK, route_at, switch_record

COLOR, SWITCH, SECOND_SWITCH, PENDING, NOTHING = range(5)
PENDING_WORDS, WORD_BITS, WORD, COLORS_MASK = 2, 16, 0xFFFF, 31
FIELD_BITS, FIELD_MASK = registers.FIELD_BITS, (1 << registers.FIELD_BITS) - 1
RING_SHIFT, CURRENT_SHIFT = registers.RING_SHIFT, registers.CURRENT_SHIFT
_color_word, _word_rx, _word_tx = map(kernel, (registers.color_word, registers.word_rx, registers.word_tx))
_pop_mode, _teardown = kernel(registers.word_pop_mode), kernel(registers.word_teardown)
_change_field, _second_field = kernel(registers.change_field), kernel(registers.second_field)
_field_rx, _field_tx = kernel(registers.field_rx), kernel(registers.field_tx)
_swapped, _direction = kernel(registers.swapped), kernel(registers.direction)
NO_DIRECTION = registers.NONE


@kernel
def _direction_of(mask: Any) -> Any:
    """The direction of a register for a mask, -1 for none."""
    return NO_DIRECTION if mask < 0 else _direction(_swapped(mask))


@kernel
def _mask_of(direction: Any) -> Any:
    return -1 if direction == NO_DIRECTION else _swapped(1 << direction)


@kernel
def _block_of(w: Any, router: Any, address: Any) -> Any:
    """(which block of registers an address lies in, its number there)."""
    for block in range(NOTHING):
        first = load64(load64(w + World.REGISTERS) + 8 * block)
        number = address - first
        if first < 0 or number < 0:
            continue
        if block == PENDING and number < PENDING_WORDS:
            return block, number
        if block != PENDING and number <= COLORS_MASK and (load64(router + Router.COLORS) >> number) & 1:
            return block, number
    return NOTHING, 0


@kernel
def _fields(switch: Any, is_second: Any) -> Any:
    """What the positions say, as bits of the first or second switch word."""
    word = 0
    for k in range(POSITIONS - 1):
        change = load64(switch + Switch.CHANGES + 8 * k)
        rx, tx = _direction_of((change & 0xFF) - 1), _direction_of((change >> 8) - 1)
        field = _second_field(rx, tx) if is_second else _change_field(rx, tx)
        word |= field << (FIELD_BITS * k)
    return word


@kernel
def _switch_word(switch: Any, config: Any) -> Any:
    return (
        load64(switch + Switch.RING) << RING_SHIFT
        | (config & POSITION_MASK) << CURRENT_SHIFT
        | _fields(switch, False)
    )


@kernel
def _color_register(switch: Any, config: Any) -> Any:
    route, is_torn = load64(switch + Switch.ROUTES), 1 if config & CONFIG_TEARDOWN else 0
    tx = (route >> 8) & ~FILTERED_BIT
    return _color_word(_swapped(route & 0xFF), _swapped(tx), load64(switch + Switch.POP_MODE), is_torn)


@kernel
def read_config(w: Any, pe: Any, address: Any, loc: Any, now: Any) -> Any:
    """Puts the value of a register into the PE's request area."""
    router = router_record(w, load64(pe + Pe.INDEX))
    block, number = _block_of(w, router, address)
    value = 0
    if block == PENDING:
        torn = load64(pe + Pe.TORN)
        value = (torn >> (WORD_BITS * number)) & WORD
        store64(pe + Pe.TORN, torn & ~(WORD << (WORD_BITS * number)))
    elif block == NOTHING:
        fault(w, FAULT_NO_REGISTER, load64(pe + Pe.INDEX), loc, address, now)
        return False
    else:
        channel = channel_record(w, router, number)
        switch, config = switch_record(w, channel), load64(channel + Channel.CONFIG)
        if block == COLOR:
            value = _color_register(switch, config)
        elif block == SWITCH:
            value = _switch_word(switch, config)
        else:
            value = _fields(switch, True)
    store32(load64(pe + Pe.FRAME) + Req.INDEX, value)
    return True


@kernel
def _set_changes(switch: Any, first: Any, second: Any) -> Any:
    for k in range(POSITIONS - 1):
        a, b = (first >> (FIELD_BITS * k)) & FIELD_MASK, (second >> (FIELD_BITS * k)) & FIELD_MASK
        change = (_mask_of(_field_rx(a)) + 1) | (_mask_of(_field_tx(a, b)) + 1) << 8
        store64(switch + Switch.CHANGES + 8 * k, change)


@kernel
def _refresh(channel: Any, switch: Any) -> Any:
    """The routes of all positions, and the live one."""
    route = load64(switch + Switch.ROUTES)
    rx, tx = route & 0xFF, (route >> 8) & ~FILTERED_BIT
    flag = FILTERED_BIT << 8 if load64(switch + Switch.FILTER) else 0
    for k in range(POSITIONS - 1):
        change = load64(switch + Switch.CHANGES + 8 * k)
        place = switch + Switch.ROUTES + 8 * (k + 1)
        if change == 0:
            store64(place, -1)
            continue
        rx = (change & 0xFF) - 1 if change & 0xFF else rx
        tx = (change >> 8) - 1 if change >> 8 else tx
        store64(place, rx | tx << 8 | flag)
    config = load64(channel + Channel.CONFIG)
    is_torn = config & CONFIG_TEARDOWN != 0
    store64(channel + Channel.ROUTE, 0 if is_torn else route_at(switch, config & POSITION_MASK))


@kernel
def write_config(w: Any, pe: Any, address: Any, value: Any, loc: Any, now: Any) -> Any:
    """Sets a register of a color; holds from the next cycle on."""
    index = load64(pe + Pe.INDEX)
    router = router_record(w, index)
    block, number = _block_of(w, router, address)
    if block in (PENDING, NOTHING):
        fault(w, FAULT_NO_REGISTER, index, loc, address, now)
        return False
    channel = channel_record(w, router, number)
    switch, config = switch_record(w, channel), load64(channel + Channel.CONFIG)
    row = config >> CONFIG_SHIFT << CONFIG_SHIFT
    if block == COLOR:
        flag = load64(switch + Switch.ROUTES) & FILTERED_BIT << 8
        store64(switch + Switch.ROUTES, _swapped(_word_rx(value)) | _swapped(_word_tx(value)) << 8 | flag)
        store64(switch + Switch.POP_MODE, _pop_mode(value))
        torn = CONFIG_TEARDOWN if _teardown(value) else 0
        store64(channel + Channel.CONFIG, row | torn | config & POSITION_MASK)
    elif block == SWITCH:
        store64(switch + Switch.RING, (value >> RING_SHIFT) & 1)
        current = (value >> CURRENT_SHIFT) & POSITION_MASK
        store64(channel + Channel.CONFIG, row | config & CONFIG_TEARDOWN | current)
        _set_changes(switch, value, _fields(switch, True))
    else:
        _set_changes(switch, _fields(switch, False), value)
    _refresh(channel, switch)
    schedule(load64(home(w, index) + World.ROUTER_RING), index, now + 1, now)
    return True


@kernel
def serve_config(w: Any, pe: Any, is_write: Any, address: Any, now: Any) -> Any:
    """What code asks of a register; False after a fault."""
    frame = load64(pe + Pe.FRAME)
    loc = load32(frame + Req.LOC)
    if is_write:
        return write_config(w, pe, address, load32(frame + Req.INDEX) & WORD, loc, now)
    return read_config(w, pe, address, loc, now)
