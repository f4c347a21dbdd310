"""What a machine file says: one dataclass a table, one field a fact, with its unit and its range.

What a fact means stands over it in `wse3.toml`; here stand the types that the rest of the code reads.
The upper end of a range is what this implementation can represent, not what can be built.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

Arch: TypeAlias = Literal["wse2", "wse3"]
BUILT_IN: tuple[Arch, ...] = get_args(Arch)
Kind: TypeAlias = Literal["integer", "number", "integers"]


@dataclass(frozen=True, slots=True)
class Spec:
    """What a fact must be: its kind, its unit, and the range of its value (of each element of a list)."""

    kind: Kind
    unit: str
    low: float
    high: float
    lengths: tuple[int, int] = (1, 1)
    optional: bool = False


def _fact(spec: Spec) -> Any:
    if spec.optional:
        return dataclasses.field(default=None, metadata={"spec": spec})
    return dataclasses.field(metadata={"spec": spec})


def _integer(unit: str, low: int, high: int, *, optional: bool = False) -> Any:
    return _fact(Spec("integer", unit, low, high, optional=optional))


def _number(unit: str, low: float, high: float, *, optional: bool = False) -> Any:
    return _fact(Spec("number", unit, low, high, optional=optional))


def _integers(unit: str, low: int, high: int, *, lengths: tuple[int, int]) -> Any:
    return _fact(Spec("integers", unit, low, high, lengths))


def _cycles(low: int = 0) -> Any:
    return _integer("cycles", low, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wafer:
    fabric_width: int = _integer("PEs", 1, 32_767)
    fabric_height: int = _integer("PEs", 1, 32_767)
    max_width: int = _integer("PEs", 1, 32_767)
    max_height: int = _integer("PEs", 1, 32_767)
    pes_sold: int = _integer("PEs", 1, 10**9)
    clock_hz: float = _number("Hz", 1e3, 1e12)
    top_clock_hz: float = _number("Hz", 1e3, 1e12)
    sram_gb: float = _number("GB", 0, 1e6)
    sram_bandwidth_pb_per_s: float = _number("PB/s", 0, 1e6)
    area_mm2: float = _number("mm2", 1, 1e6)
    process_nm: int = _integer("nm", 1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pe:
    f16_fma_per_cycle: int = _integer("1/cycle", 1, 1024)
    peak_f16_dense_pflop_per_s: float = _number("PFLOP/s", 0, 1e6)
    peak_f16_sparse_pflop_per_s: float | None = _number("PFLOP/s", 0, 1e6, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    bytes_per_pe: int = _integer("B", 64, 65_536)
    banks: int = _integer("banks", 1, 64)
    bank_shift: int = _integer("bits", 0, 15)
    bank_conflict_modulus: int = _integer("banks", 1, 64)
    read_bytes_per_cycle: int = _integer("B/cycle", 2, 1024)
    write_bytes_per_cycle: int = _integer("B/cycle", 2, 1024)
    fifo_alignment_bytes: int = _integer("B", 1, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    colors: int = _integer("colors", 1, 31)
    wavelet_bits: int = _integer("bits", 32, 32)
    hop_cycles: int = _cycles(1)
    link_cycles_per_wavelet: int = _integer("cycles", 1, 1)
    ramp_up_cycles: int = _cycles()
    ramp_down_cycles: int = _cycles()
    router_queue_depth: int = _integer("wavelets", 1, 64)
    switch_positions: int = _integer("positions", 1, 4)
    switch_colors: tuple[int, ...] = _integers("colors", 0, 30, lengths=(0, 31))
    color_config_address: int | None = _integer("address", 0, 65_535, optional=True)
    switch_config_address: int | None = _integer("address", 0, 65_535, optional=True)
    second_switch_config_address: int | None = _integer("address", 0, 65_535, optional=True)
    timestamp_address: int | None = _integer("address", 0, 65_535, optional=True)
    perf_counter_control_address: int | None = _integer("address", 0, 65_535, optional=True)
    teardown_pending_address: int | None = _integer("address", 0, 65_535, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    input_depth: tuple[int, ...] = _integers("wavelets", 1, 1024, lengths=(1, 8))
    output_depth: tuple[int, ...] = _integers("wavelets", 1, 1024, lengths=(1, 8))


SIMD_BUILTINS: tuple[str, ...] = (
    "add16", "addc16", "and16", "clz", "ctz", "fabsh", "fabss", "faddh", "faddhs", "fadds", "fh2s", "fh2xp16",
    "fmach", "fmachs", "fmacs", "fmaxh", "fmaxs", "fmovh", "fmovs", "fmulh", "fmuls", "fnegh", "fnegs",
    "fnormh", "fnorms", "fs2h", "fs2xp16", "fscaleh", "fscales", "fsubh", "fsubs", "mov16", "mov32", "or16",
    "popcnt", "sar16", "sll16", "slr16", "sub16", "xor16", "xp162fh", "xp162fs",
)  # fmt: skip
SIMD_SPEC = Spec("integer", "elements/cycle", 1, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsd:
    """`simd_width` maps the name of a builtin, without `@`, to elements a cycle."""

    dsr_count: int = _integer("DSRs", 1, 64)
    microthreads: int = _integer("microthreads", 1, 8)
    fmac32_elements_per_cycle: int = _integer("elements/cycle", 1, 64)
    reduce_cycles_per_element: int = _cycles(1)
    setup_copy_cycles: int = _cycles()
    setup_fma_cycles: int = _cycles()
    setup_elementwise_cycles: int = _cycles()
    setup_write_cycles: int = _cycles()
    setup_reduce_cycles: int = _cycles()
    explicit_dsr_setup_cycles: int = _cycles()
    dsr_load_to_use_cycles: int = _cycles()
    issue_cycles: int = _cycles()
    fabric_setup_cycles: int = _cycles()
    completion_cycles: int = _cycles()
    simd_width: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    load_cycles: int = _cycles()
    store_cycles: int = _cycles()
    alu_cycles: int = _cycles()
    float_cycles: int = _cycles()
    index_cycles: int = _cycles()
    computed_index_cycles: int = _cycles()
    divide_float_cycles: int = _cycles()
    divide_int_cycles: int = _cycles()
    branch_taken_cycles: int = _cycles()
    branch_not_taken_cycles: int = _cycles()
    selection_cycles: int = _cycles()
    loop_cycles: int = _cycles()
    unrolled_trips: int = _integer("trips", 0, 1024)
    call_cycles: int = _cycles()
    map_step_cycles: int = _cycles()
    print_cycles: int = _cycles()
    intrinsic_cycles: int = _cycles()
    tsc_read_cycles: int = _cycles()
    tsc_bits: int = _integer("bits", 48, 48)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    dispatch_cycles: int = _cycles()
    local_id_first: int = _integer("id", 0, 63)
    local_id_last: int = _integer("id", 0, 63)
    control_id_last: int = _integer("id", 0, 63)
    teardown_id: int | None = _integer("id", 0, 63, optional=True)
    timer_id: int | None = _integer("id", 0, 63, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    copy_words_per_cycle: int = _integer("words/cycle", 1, 1024)
    stream_words_per_cycle: int = _integer("words/cycle", 1, 1024)
    stream_start_cycles: int = _cycles()
    launch_cycles: int = _cycles()
    memcpy_margin_x: int = _integer("PEs", 0, 64)
    memcpy_margin_y: int = _integer("PEs", 0, 64)
    memcpy_min_offset_x: int = _integer("PEs", 0, 64)
    memcpy_min_offset_y: int = _integer("PEs", 0, 64)
    memcpy_colors: tuple[int, ...] = _integers("colors", 0, 30, lengths=(0, 31))
    memcpy_local_ids: tuple[int, ...] = _integers("id", 0, 63, lengths=(0, 64))
    memcpy_control_ids: tuple[int, ...] = _integers("id", 0, 63, lengths=(0, 64))
    memcpy_input_queues: tuple[int, ...] = _integers("queues", 0, 7, lengths=(0, 8))
    memcpy_output_queues: tuple[int, ...] = _integers("queues", 0, 7, lengths=(0, 8))
    memcpy_microthreads: tuple[int, ...] = _integers("microthreads", 0, 7, lengths=(0, 8))
    max_channels: int = _integer("channels", 1, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    power_idle_w: float = _number("W", 0, 1e7)
    power_busy_w: float = _number("W", 0, 1e7)
    power_usual_w: float = _number("W", 0, 1e7)
    power_max_w: float = _number("W", 0, 1e7)
    io_tb_per_s: float = _number("Tb/s", 0, 1e6)
    io_links: int = _integer("links", 1, 4096)
    io_link_gb_per_s: float = _number("Gb/s", 0, 1e6)
    wafer_to_wafer_us: float = _number("us", 0, 1e6)
    price_usd: float | None = _number("USD", 0, 1e12, optional=True)
    price_usd_per_hour: float | None = _number("USD/h", 0, 1e9, optional=True)


def _picojoule() -> Any:
    return _number("pJ", 0, 1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Picojoules an event."""

    f16_add_pj: float = _picojoule()
    f16_multiply_pj: float = _picojoule()
    f32_add_pj: float = _picojoule()
    f32_multiply_pj: float = _picojoule()
    sram_read_byte_pj: float = _picojoule()
    sram_write_byte_pj: float = _picojoule()
    wavelet_hop_pj: float = _picojoule()
    wavelet_ramp_pj: float = _picojoule()
    instruction_pj: float = _picojoule()


TABLES: dict[str, type[Any]] = {
    "wafer": Wafer,
    "pe": Pe,
    "memory": Memory,
    "fabric": Fabric,
    "queues": Queues,
    "dsd": Dsd,
    "scalar": Scalar,
    "task": Task,
    "host": Host,
    "system": System,
    "energy": Energy,
}


def specs(table: type[Any]) -> dict[str, Spec]:
    """The facts of a table class by name."""
    return {f.name: f.metadata["spec"] for f in dataclasses.fields(table) if "spec" in f.metadata}


def all_specs() -> dict[str, Spec]:
    """Every fact that a machine file may state outside `[published]`, by dotted name."""
    named = {f"{table}.{name}": spec for table, cls in TABLES.items() for name, spec in specs(cls).items()}
    return named | {f"dsd.simd_width.{name}": SIMD_SPEC for name in SIMD_BUILTINS}
