"""A program that hangs is told why: the chain from the host's command to the cause."""

from __future__ import annotations

import _thread
from dataclasses import replace
from pathlib import Path
from threading import Timer

import pytest
from hung_programs import HUNG, Hung, copy_after, go, program

from csl_kit import ENGINES, start
from openwafer.diag import Diagnostic, DiagnosticError, to_json


def stopped(hung: Hung, engine_name: str, directory: Path) -> Diagnostic:
    """The diagnostic with which the host's wait for its last command ends."""
    engine = start(hung.sources().compile(directory, "wse3"), engine_name)
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
    (program("var flag: u16 = 0;\n" + go("while (flag == 0) {}")),),
    "under-way",
    ("command", "taker", "main"),
    ("PE (0, 0) is running `go`",),
    copy_after("go"),
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
