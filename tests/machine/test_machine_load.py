"""Machine files: the built-in ones, and files that build on them."""

from pathlib import Path

import pytest

from openwafer.machine import BUILT_IN, STATUSES, Machine, load_machine


@pytest.fixture(params=BUILT_IN)
def machine(request: pytest.FixtureRequest) -> Machine:
    return load_machine(request.param)


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_every_fact_has_unit_source_and_status(machine: Machine) -> None:
    for fact in machine.facts():
        assert fact.unit.strip() and fact.source.strip() and fact.status in STATUSES, fact


def test_typed_values_are_the_facts(machine: Machine) -> None:
    assert machine.arch == machine.name
    assert machine.memory.bytes_per_pe == machine.fact("memory.bytes_per_pe").value == 48 * 1024
    assert machine.dsd.simd_width["fmacs"] == machine.fact("dsd.simd_width.fmacs").value
    assert machine.clock_hz == machine.wafer.clock_hz == 850e6
    assert isinstance(machine.clock_hz, float) and isinstance(machine.fabric.switch_colors, tuple)


def test_scalar_costs_add_up_to_what_is_measured(machine: Machine) -> None:
    s = machine.scalar
    assert 2 * s.load_cycles + s.float_cycles + s.store_cycles == 7
    axpy = 3 * s.index_cycles + 2 * s.load_cycles + 2 * s.float_cycles + s.store_cycles + s.loop_cycles
    assert axpy == 22


def test_eight_words_over_one_hop_on_wse3() -> None:
    m = load_machine("wse3")
    first = m.dsd.fabric_setup_cycles + 1 + m.fabric.ramp_up_cycles
    last = m.fabric.ramp_down_cycles + 1 + m.dsd.completion_cycles + m.task.dispatch_cycles
    cycles = first + (8 - 1) + m.fabric.hop_cycles + last
    assert cycles == m.fact("published.eight_words_one_hop_cycles").value == 19


def test_a_chain_of_pes_on_wse2_costs_6_cycles_a_pe() -> None:
    fabric = load_machine("wse2").fabric
    add_cycles = 1
    chain = fabric.ramp_up_cycles + fabric.hop_cycles + fabric.ramp_down_cycles + add_cycles
    assert chain == load_machine("wse2").fact("published.chain_reduce_cycles_per_pe").value


def test_assumed_lists_what_rests_on_nothing(machine: Machine) -> None:
    names = {fact.name for fact in machine.assumed()}
    assert "host.copy_words_per_cycle" in names and "memory.bytes_per_pe" not in names


def test_hash_is_of_the_values_only(tmp_path: Path) -> None:
    base = load_machine("wse3")
    same = write(tmp_path, 'base = "wse3"\n')
    assert load_machine(same).hash() == base.hash() == load_machine("wse3").hash()
    assert load_machine("wse2").hash() != base.hash()


def test_override_in_an_own_file(tmp_path: Path) -> None:
    text = """
base = "wse3"
name = "half-clock"
[wafer]
clock_hz = { value = 425_000_000, unit = "Hz", source = "mine", status = "assumed" }
[memory.bytes_per_pe]
value = 65_536
unit = "B"
source = "mine"
status = "assumed"
note = "larger"
[published]
my_program_cycles = { value = 12, unit = "cycles", source = "mine", status = "measured" }
"""
    machine = load_machine(write(tmp_path, text))
    base = load_machine("wse3")
    assert (machine.name, machine.arch) == ("half-clock", "wse3")
    assert machine.clock_hz == 425e6 and machine.memory.bytes_per_pe == 65_536
    assert machine.queues == base.queues and machine.hash() != base.hash()
    assert machine.fact("published.my_program_cycles").value == 12
    assert {f.name for f in machine.assumed()} >= {"wafer.clock_hz", "memory.bytes_per_pe"}


def test_without_a_base_a_file_must_state_everything(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "src/openwafer/machine/wse2.toml"
    copy = write(tmp_path, path.read_text("utf-8").replace('name = "wse2"', 'name = "copy"'))
    assert load_machine(copy).hash() == load_machine("wse2").hash()


def test_simd_width_covers_the_dsd_operations(machine: Machine) -> None:
    dsd_ops = pytest.importorskip("openwafer.tir._dsd_ops")
    assert set(dsd_ops.DSD_OPS) <= set(machine.dsd.simd_width)


def test_wafer_dimensions() -> None:
    sizes = [(m.wafer.fabric_width, m.wafer.fabric_height) for m in map(load_machine, BUILT_IN)]
    assert sizes == [(757, 996), (762, 1172)]
