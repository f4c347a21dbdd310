"""The table of switches of the fast engine, and which row each color of each router has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openwafer import tir
from openwafer.machine import Fabric
from openwafer.sim.fast import _state as st
from openwafer.tir import (
    CONFIG_COLUMNS,
    FILTER_COLUMN,
    POSITIONS_COLUMN,
    SWAP_COLUMN,
    ColorConfig,
    Filter,
    FilterKind,
    Layout,
    config_row,
    effective_positions,
    row_config,
    walk,
)

Ints = NDArray[np.int64]
CURRENT_COLUMN, TEARDOWN_COLUMN = CONFIG_COLUMNS.index("current"), CONFIG_COLUMNS.index("teardown")


class Routes:
    """`row_of[pe, color]` indexes the rows of `switches`, `live` and `config` (what Channel.ROUTE and
    Channel.CONFIG are at the start); `has` says which are used."""

    def __init__(self, layout: Layout, programs: Sequence[tir.Program]) -> None:
        configs, config_of = _merged(layout, programs)
        distinct = configs.astype(np.int64)
        flat = config_of.reshape(-1, config_of.shape[2]).astype(np.int64)
        own = (flat >= 0) & _needs_own_row(layout, programs, distinct, flat)
        rows = np.concatenate([distinct, distinct[flat[own]]])
        flat[own] = len(distinct) + np.arange(own.sum())
        table = _switches(distinct)
        copies = table[config_of.reshape(flat.shape)[own]]
        self.switches = np.ascontiguousarray(np.concatenate([table, copies]))
        current, torn = rows[:, CURRENT_COLUMN], rows[:, TEARDOWN_COLUMN]
        first = self.switches[np.arange(len(rows)), st.Switch.ROUTES // 8 + current]
        self.live = np.where(torn, 0, first)
        self._swap_of_row = rows[:, SWAP_COLUMN]
        self.config = np.arange(len(rows)) << st.CONFIG_SHIFT | torn * st.CONFIG_TEARDOWN | current
        self.row_of = flat
        self.has = (flat >= 0) & (first[flat] >= 0) if len(rows) else flat >= 0

    def swaps(self) -> Ints:
        """The swap of each color of each router, 0 for those that it has not."""
        if not self._swap_of_row.any():
            return np.zeros((1, 1), np.int64)
        return np.where(self.has, self._swap_of_row[self.row_of], 0)


def register_blocks(fabric: Fabric) -> Ints:
    """First addresses of the blocks of registers; see World.REGISTERS."""
    addresses = (
        fabric.color_config_address,
        fabric.switch_config_address,
        fabric.second_switch_config_address,
        fabric.teardown_pending_address,
    )
    return np.array([-1 if address is None else address for address in addresses], np.int64)


def _merged(layout: Layout, programs: Sequence[tir.Program]) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
    """`Layout.configs` and `config_of` with what the programs' own `colors` override."""
    if not any(program.colors for program in programs):
        return layout.configs, layout.config_of
    rows, config_of = list[tuple[int, ...]](), layout.config_of.copy()
    for number, program in enumerate(programs):
        for config in program.colors:
            config_of[..., config.color][layout.program_of == number] = len(layout.configs) + len(rows)
            rows.append(config_row(config))
    return np.concatenate([layout.configs, np.array(rows, np.int32)]), config_of


def _needs_own_row(
    layout: Layout, programs: Sequence[tir.Program], configs: Ints, flat: Ints
) -> NDArray[np.bool_]:
    """Where a row changes while the program runs: with a filter, or on a PE whose code writes registers."""
    functions = {id(program.functions): program.functions for program in programs}
    found = {key: _writes_registers(f) for key, f in functions.items()}
    writes = np.array([*(found[id(program.functions)] for program in programs), False])
    by_pe = writes[layout.program_of.reshape(-1)][:, None]
    filtered = np.array([*(configs[:, FILTER_COLUMN] != 0), False])
    return by_pe | filtered[flat]


def _writes_registers(functions: tuple[tir.Function, ...]) -> bool:
    return any(isinstance(n, tir.WriteConfig) for f in functions for n in walk(f.body))


def _switches(configs: Ints) -> Ints:
    """One row each; see `_state`, “Switch”."""
    table = np.zeros((len(configs), st.SWITCH_BYTES // 8), np.int64)
    for row, columns in zip(table, configs, strict=True):
        _fill(row, row_config(0, columns.tolist()), columns)
    return table


def _fill(row: Ints, config: ColorConfig, columns: Ints) -> None:
    f = config.filter or Filter(FilterKind.NONE)
    is_idle = f.kind == FilterKind.SPARSE_COUNTER and f.limit1 is None
    flag = st.FILTERED_BIT << 8 if f.kind and not is_idle else 0
    counts = f.count_data * st.COUNTS_DATA | f.count_control * st.COUNTS_CONTROL
    counts |= f.filter_control * st.ONLY_CONTROL
    limits = [-1 if limit is None else limit for limit in (f.limit1, f.limit2)]
    fields: dict[int, int] = {
        st.Switch.RING: config.ring,
        st.Switch.POP_MODE: config.pop_mode, st.Switch.FILTER: 0 if is_idle else f.kind,
        st.Switch.COUNTS: counts | config.swap << st.SWAP_SHIFT, st.Switch.COUNTER: f.counter,
        st.Switch.LIMIT1: limits[0], st.Switch.LIMIT2: limits[1], st.Switch.MAXIMUM: f.maximum,
    }  # fmt: skip
    for k, masks in enumerate(effective_positions(config.positions)):
        fields[st.Switch.ROUTES + st.WORD * k] = -1 if masks is None else masks[0] | masks[1] << 8 | flag
    for k in range(1, st.POSITIONS):
        rx, tx = columns[POSITIONS_COLUMN + 2 * k : POSITIONS_COLUMN + 2 * k + 2]
        fields[st.Switch.CHANGES + st.WORD * (k - 1)] = int(rx + 1 | tx + 1 << 8)
    for field, value in fields.items():
        row[field // 8] = value
