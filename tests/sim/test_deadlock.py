"""A program that hangs is told why: the chain from the host's command to the cause."""

from __future__ import annotations

import _thread
from dataclasses import replace
from pathlib import Path
from threading import Timer

import hung_programs
import hung_streams
import hung_waits
import numpy as np
import pytest
from hung_kit import Hung, copy_after, go, program

from csl_kit import ENGINES, Sources, start
from openwafer.diag import Diagnostic, DiagnosticError, to_json
from openwafer.machine import load_machine
from openwafer.sim._engine import StreamIn, StreamOut

HUNG = (*hung_programs.HUNG, *hung_streams.HUNG, *hung_waits.HUNG)


def stopped(hung: Hung, engine_name: str, directory: Path) -> Diagnostic:
    """The diagnostic with which the host's wait for its last command ends."""
    engine = start(hung.sources().compile(directory, hung.arch), engine_name)
    tickets = [engine.submit(command) for command in hung.commands()]
    with pytest.raises(DiagnosticError) as failure:
        engine.run(tickets[-1], max_cycles=100_000)
    (diagnostic,) = failure.value.diagnostics
    return diagnostic


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("hung", HUNG, ids=lambda hung: hung.name)
def test_the_chain_leads_to_the_cause(hung: Hung, engine: str, tmp_path: Path) -> None:
    diagnostic = stopped(hung, engine, tmp_path)
    data = to_json(diagnostic)["data"]
    assert diagnostic.id == "deadlock"
    assert (data["cause"], tuple(link["kind"] for link in data["chain"])) == (hung.cause, hung.chain)
    assert (data["repeats"] is not None) == hung.repeats
    assert all(part in data["message"] for part in hung.says), data["message"]
    if hung.where:
        file, line = hung.line_of(hung.where)
        assert (Path(data["line"]["file"]).name, data["line"]["line"]) == (file, line)
        assert diagnostic.span and diagnostic.span.source.position(diagnostic.span.start)[0] == line


SPIN = Hung(
    "spin",
    (program("var flag: u16 = 0;\nfn spin() void {\n  while (flag == 0) {}\n}\n" + go("spin();")),),
    "under-way",
    ("command", "taker", "main"),
    ("PE (0, 0) is running `go`",),
    copy_after("go"),
    where="while (flag == 0)",
)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("id", ["livelock", "cycle-limit", "interrupted"])
def test_a_program_that_only_spins_is_stopped(id: str, name: str, tmp_path: Path) -> None:
    """By the watchdog, by a limit, by Ctrl-C; each tells where the program is."""
    engine = start(SPIN.sources().compile(tmp_path, "wse3"), name)
    engine.watchdog.cycles = 3000 if id == "livelock" else 0
    engine.watchdog.last = 2000 if id == "cycle-limit" else engine.watchdog.last
    tickets = [engine.submit(command) for command in SPIN.commands()]
    alarm = Timer(0.3, _thread.interrupt_main)
    if id == "interrupted":
        alarm.start()
    with pytest.raises(DiagnosticError) as failure:
        engine.run(tickets[-1])
    (diagnostic,) = failure.value.diagnostics
    data = to_json(diagnostic)["data"]
    assert (diagnostic.id, data["cause"]) == (id, SPIN.cause)
    assert tuple(link["kind"] for link in data["chain"]) == SPIN.chain
    assert (Path(data["line"]["file"]).name, data["line"]["line"]) == SPIN.line_of(SPIN.where)
    assert all(part in data["message"] for part in SPIN.says)


@pytest.mark.parametrize("name", ENGINES)
def test_the_watchdog_lets_a_program_work(name: str, tmp_path: Path) -> None:
    """A program that computes with DSDs for longer than the watchdog waits is not stopped."""
    body = go("var i: u16 = 0;", "while (i < 1000) : (i += 1) { @add16(halves, halves, 1); }")
    access = ".tensor_access = |i|{60} -> h[i]"
    halves = f"var h = @zeros([60]u16);\nconst halves = @get_dsd(mem1d_dsd, .{{ {access} }});\n"
    hung = replace(SPIN, code=(program(halves + body),))
    engine = start(hung.sources().compile(tmp_path, "wse3"), name)
    engine.watchdog.cycles = 6000
    tickets = [engine.submit(command) for command in hung.commands()]
    engine.run(tickets[-1])
    assert engine.now > 3 * engine.watchdog.cycles


def pipeline(length: int) -> Sources:
    """A PE that adds 1 to what the host sends and sends it back, in one operation that runs by itself."""
    pe = f"""param memcpy_params;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const len = {length};
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
const start_id = @get_local_task_id(8);
var one = @zeros([1]u16);
const ones = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{len}} -> one[0] }});
const come = @get_dsd(fabin_dsd, .{{ .extent = len, .fabric_color = sys.MEMCPYH2D_1, .input_queue = iq }});
const go = @get_dsd(fabout_dsd, .{{ .extent = len, .fabric_color = sys.MEMCPYD2H_1, .output_queue = oq }});
task start() void {{
  one[0] = 1;
  @add16(go, come, ones, .{{ .async = true }});
}}
comptime {{
  @bind_local_task(start, start_id);
  @activate(start_id);
  if (@is_arch("wse3")) {{
    @initialize_queue(iq, .{{ .color = sys.MEMCPYH2D_1 }});
    @initialize_queue(oq, .{{ .color = sys.MEMCPYD2H_1 }});
  }}
}}
"""
    layout = """const memcpy = @import_module("<memcpy/get_params>", .{ .width = 1, .height = 1,
  .MEMCPYH2D_1 = @get_color(5), .MEMCPYD2H_1 = @get_color(6) });
layout {
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(0) });
}
"""
    return Sources({"layout.csl": layout, "pe.csl": pe})


@pytest.mark.parametrize(("arch", "most"), [("wse2", 14), ("wse3", 20)])
@pytest.mark.parametrize("name", ENGINES)
def test_a_pipeline_holds_what_its_queues_hold(name: str, arch: str, most: int, tmp_path: Path) -> None:
    """A stream in is done before that out begins: as much passes as the queues of both hold. 14 wavelets
    is what the vendor's pipeline-01 says of itself."""
    queues, fabric = load_machine(arch).queues, load_machine(arch).fabric
    assert most == queues.input_depth[2] + queues.output_depth[3] + 2 * fabric.router_queue_depth
    for length in (most, most + 1):
        sent = np.arange(length, dtype=np.uint32).reshape(1, 1, length)
        got = np.zeros_like(sent)
        engine = start(pipeline(length).compile(tmp_path, arch), name)
        engine.submit(StreamIn(5, 0, 0, sent))
        ticket = engine.submit(StreamOut(6, 0, 0, got))
        if length == most:
            engine.run(ticket)
            assert got.tolist() == (sent + 1).tolist()
            continue
        with pytest.raises(DiagnosticError) as failure:
            engine.run(ticket)
        (diagnostic,) = failure.value.diagnostics
        data = to_json(diagnostic)["data"]
        assert (diagnostic.id, data["cause"], data["line"]["line"]) == ("deadlock", "host-order", 13)
        assert [link["kind"] for link in data["chain"]] == [
            "command", "command", "host in", "full input", "operation", "full output", "host out",
        ]  # fmt: skip
