from __future__ import annotations

import pytest
from image_samples import sample_layout, sample_program

from openwafer.diag import DiagnosticError
from openwafer.image import SYSTEM_BYTES, assign_addresses, build, used_bytes
from openwafer.machine import load_machine
from openwafer.tir import Symbol


def test_symbols_lie_in_order_at_their_alignment() -> None:
    program = sample_program(Symbol("big", 3, 32, b"", "[3]u8"), Symbol("c", 1, 1, b"", "u8"))
    placed = assign_addresses(program, load_machine("wse2"))
    at = {s.name: s.address for s in placed.symbols}
    assert at == {
        "A": SYSTEM_BYTES,
        "A_ptr": SYSTEM_BYTES + 16,
        "big": SYSTEM_BYTES + 32,
        "c": SYSTEM_BYTES + 35,
    }
    assert used_bytes(placed) == SYSTEM_BYTES + 36


def test_memory_can_be_filled_to_the_last_byte() -> None:
    machine = load_machine("wse3")
    room = machine.memory.bytes_per_pe - SYSTEM_BYTES - 18
    assert used_bytes(assign_addresses(sample_program(Symbol("x", room, 1, b"", "")), machine)) == 49_152
    with pytest.raises(DiagnosticError):
        assign_addresses(sample_program(Symbol("x", room + 1, 1, b"", "")), machine)


def test_memory_overflow_lists_the_largest_symbols_first() -> None:
    small = [Symbol(f"s{i}", 10 + i, 1, b"", "[]u8") for i in range(12)]
    with pytest.raises(DiagnosticError) as caught:
        build(sample_layout(1, 1, Symbol("weights", 50_000, 2, b"", "[25000]f16"), *small), "wse2")
    (found,) = caught.value.diagnostics
    assert found.id == "memory-overflow"
    assert "`pe.csl`" in found.message and "49,152 B" in found.message
    lines = found.notes[0].splitlines()
    assert lines[0].split() == ["50,000", "B", "weights:", "[25000]f16"]
    assert any("smaller symbols" in line for line in lines)
    total = sum(int(line.split()[0].replace(",", "")) for line in lines)
    assert f"{total:,} B" in found.message


def test_build_gives_addresses_and_keeps_the_rest() -> None:
    layout = sample_layout()
    image = build(layout, "wse2", {"source": "layout.csl"})
    assert [s.address for s in image.layout.programs[0].symbols] == [SYSTEM_BYTES, SYSTEM_BYTES + 16]
    assert image.layout.cells is layout.cells
    assert (image.machine, image.metadata) == (load_machine("wse2"), {"source": "layout.csl"})
