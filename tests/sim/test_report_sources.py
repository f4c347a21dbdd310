"""Source lines in reports come from the image, never from a file that a program names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from openwafer.diag import DiagnosticError, render
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim import Launch, make_engine
from openwafer.sim.standstill._report import source_span
from openwafer.tir import DsdKind
from tir_kit import Kit, dsd_op, image, mem1d, record


def waiting(path: str, sources: dict[str, str]) -> Image:
    """A PE that waits for a wavelet that does not come, at line 2 of `path`."""
    kit = Kit("wse3")
    kit.queue("in", 2, 3)
    a = kit.symbol("a", 8)
    kit.function([dsd_op("mov32", mem1d(a, 1, 4), record(DsdKind.FABIN, base=2, extent0=1))], export="go")
    import msgspec

    program = msgspec.structs.replace(kit.build(), locations=((path, 2),))
    made = image([[program]])
    return replace(made, layout=replace(made.layout, sources=sources))


def said(made: Image, engine: str) -> str:
    running = make_engine(made, load_machine("wse3"), engine=engine)  # type: ignore[arg-type]
    with pytest.raises(DiagnosticError) as caught:
        running.submit(Launch("go"))
        running.run(running.submit(Launch("go")))
    return render(caught.value.diagnostics[0])


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_a_file_that_a_program_names_is_not_shown(engine: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("user:x\nroot:hash\n")
    assert "root:hash" not in said(waiting(str(secret), {}), engine)
    shown = said(waiting("pe.csl", {"pe.csl": "// head\n  @mov32(a, in);\n"}), engine)
    assert "@mov32(a, in);" in shown


@pytest.mark.parametrize("line", [0, -1, 3, 1 << 30])
def test_a_line_that_is_not_there_is_not_shown(line: int) -> None:
    assert source_span(("a", line), {"a": "one\ntwo"}) is None
