"""A program that hangs is told why: the chain from the host's command to the cause."""

from __future__ import annotations

from pathlib import Path

import pytest
from hung_programs import HUNG, Hung

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
