"""Profiles: where the cycles went, the same on both engines (`engine_cases.agree`), and right."""

from __future__ import annotations

from pathlib import Path

import pytest

from csl_kit import ENGINES, Sources
from openwafer import tir
from openwafer.cost._cost import add_costs
from openwafer.diag import DiagnosticError
from openwafer.machine import load_machine
from openwafer.sim import Launch, Profile, make_engine
from openwafer.sim._profile import CYCLES, check_profile_size
from openwafer.tir import Counter

LAYOUT = """param n: u16;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = 2, .height = 1 });
const line = @get_color(5);
layout {
  @set_rectangle(2, 1);
  @set_tile_code(0, 0, "left.csl", .{ .memcpy_params = memcpy.get_params(0), .n = n });
  @set_tile_code(1, 0, "right.csl", .{ .memcpy_params = memcpy.get_params(1), .n = n });
  @set_color_config(0, 0, line, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } });
  @set_color_config(1, 0, line, .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } });
  @export_name("go", fn()void);
}
"""
HEAD = """param memcpy_params: comptime_struct;
param n: u16;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const line = @get_color(5);
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
var a align(16) = @zeros([64]f32);
var b align(16) = @zeros([64]f32);
const as = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{n} -> a[i] });
const bs = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{n} -> b[i] });
"""
LEFT = (
    HEAD
    + """const out = @get_dsd(fabout_dsd, .{ .extent = n, .fabric_color = line, .output_queue = oq });
fn go() void {
  @fmacs(as, as, bs, 2.0);
  @fmovs(out, as);
  sys.unblock_cmd_stream();
}
comptime {
  @initialize_queue(oq, if (@is_arch("wse3")) .{ .color = line } else .{});
  @export_symbol(go);
}
"""
)
RIGHT = (
    HEAD
    + """const in = @get_dsd(fabin_dsd, .{ .extent = n, .input_queue = iq });
fn go() void {
  @fmovs(as, in);
  for (@range(u16, 9)) |i| {
    a[i] += 1.0;
  }
  sys.unblock_cmd_stream();
}
comptime { @initialize_queue(iq, .{ .color = line }); @export_symbol(go); }
"""
)
SOURCES = Sources({"layout.csl": LAYOUT, "left.csl": LEFT, "right.csl": RIGHT})
N = 40


def line_of(file: str, text: str) -> int:
    return next(i for i, line in enumerate(SOURCES.files[file].splitlines(), 1) if text in line)


def profile_of(directory: Path, engine: str, arch: str = "wse3") -> Profile:
    image = SOURCES.compile(directory, arch, n=N)
    made = make_engine(image, load_machine(arch), engine=engine, profile=True)  # type: ignore[arg-type]
    made.run(made.submit(Launch("go")))
    made.run()
    return made.profile()


def counts(profile: Profile, file: str, text: str) -> dict[Counter, int]:
    (found,) = (v for v in profile.lines if Path(v.file).name == file and v.line == line_of(file, text))
    return {counter: found[counter] for counter in Counter}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("arch", ("wse2", "wse3"))
def test_lines(tmp_path: Path, engine: str, arch: str) -> None:
    profile, machine = profile_of(tmp_path, engine, arch), load_machine(arch)
    fmacs = counts(profile, "left.csl", "@fmacs")
    assert (fmacs[Counter.RUNS], fmacs[Counter.OPERATIONS], fmacs[Counter.ELEMENTS]) == (1, 1, N)
    rate = machine.dsd.fmac32_elements_per_cycle
    assert fmacs[Counter.BUSY] == machine.dsd.setup_fma_cycles + N // rate
    assert fmacs[Counter.BANKS] == N // rate, "both vectors start in bank 0"
    receive = counts(profile, "right.csl", "@fmovs(as, in)")
    overhead = machine.dsd.fabric_setup_cycles + machine.dsd.completion_cycles
    assert receive[Counter.BUSY] == N + overhead and receive[Counter.WAVELETS] > 0
    loop = counts(profile, "right.csl", "a[i] += 1.0")
    assert loop[Counter.RUNS] == 9 and loop[Counter.SCALAR] % 9 == 0 and loop[Counter.SCALAR] > 0
    assert counts(profile, "right.csl", "for (@range")[Counter.SCALAR] >= 9 * machine.scalar.loop_cycles


@pytest.mark.parametrize("engine", ENGINES)
def test_sums(tmp_path: Path, engine: str) -> None:
    """Without microthreads, a task's cycles are its dispatch and those of its lines."""
    profile, machine = profile_of(tmp_path, engine), load_machine("wse3")
    assert [(task.name, task.runs) for task in profile.tasks] == [("go", 2)]
    assert [(pe.x, pe.y) for pe in profile.pes] == [(0, 0), (1, 0)]
    for pe in profile.pes:
        lines = sum(pe.counts[counter] for counter in CYCLES)
        assert pe.task_cycles == machine.task.dispatch_cycles + lines
        waits = sum(pe.counts[c] for c in (Counter.WAVELETS, Counter.SPACE, Counter.OTHERS))
        assert waits <= pe.waiting_cycles < pe.task_cycles <= profile.cycles
    assert sum(line.cycles for line in profile.lines) == sum(
        sum(pe.counts[counter] for counter in CYCLES) for pe in profile.pes
    )


def test_engines_agree(tmp_path: Path) -> None:
    assert profile_of(tmp_path, "fast") == profile_of(tmp_path, "reference")


def ticks(body: object) -> list[object]:
    """Statements with what the cost pass adds, without what only profiles need."""
    if isinstance(body, tuple):
        return [ticks(b) for b in body if not isinstance(b, tir.Count)]
    if isinstance(body, (tir.If, tir.Loop, tir.Block)):
        return [type(body).__name__, *(ticks(getattr(body, name)) for name in body.__struct_fields__)]
    return [body]


def test_a_profile_changes_no_cycle(tmp_path: Path) -> None:
    image, machine = SOURCES.compile(tmp_path, "wse3", n=N), load_machine("wse3")
    for program in image.layout.programs:
        plain, profiled = add_costs(program, machine), add_costs(program, machine, profile=True)
        assert ticks(tuple(f.body for f in plain.functions)) == ticks(
            tuple(f.body for f in profiled.functions)
        )
        assert "Line(" not in repr(plain) and "Count(" not in repr(plain)


def test_too_many_counters() -> None:
    with pytest.raises(DiagnosticError, match="profile-too-large"):
        check_profile_size(10**11)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wafer_without_any_code_has_an_empty_profile(engine: str) -> None:
    from openwafer.image import Image
    from tir_kit import image

    made: Image = image([[None, None]])
    found = make_engine(made, load_machine("wse3"), engine, profile=True).profile()  # pyright: ignore
    assert (found.cycles, found.lines, found.tasks, found.pes) == (0, (), (), ())
