"""Runs the Markdown files of this directory, which are the reference of the language; README.md says how
they are read."""

from __future__ import annotations

from pathlib import Path

import lang_blocks as blocks
import pytest

from openwafer.diag import DiagnosticError

HERE = Path(__file__).parent
BLOCKS = [block for path in sorted(HERE.glob("*.md")) for block in blocks.read(path)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block(block: blocks.Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    block.write(tmp_path)
    if block.error is not None:
        with pytest.raises(DiagnosticError) as caught:
            blocks.compile_block(block)
        blocks.check_place(block, block.error, caught.value.diagnostics[0])
        return
    image, printed, warned = blocks.compile_block(block)
    assert len(warned) == (block.warning is not None)
    for warning in warned:
        blocks.check_place(block, block.warning, warning)
    assert printed == block.prints
    if block.results:
        engines = [blocks.run(image, name) for name in ("reference", "fast")]
        for name, expected in block.results.items():
            assert [blocks.values(image, engine, name) for engine in engines] == [expected] * 2, name
        assert engines[0].now == engines[1].now


def test_ids_of_errors_are_documented_once() -> None:
    """Every wrong program of the errors*.md files is of a kind of its own."""
    kinds = [(b.heading, b.error.id) for b in BLOCKS if b.path.name.startswith("errors") and b.error]
    assert len(kinds) == len(set(kinds))
    assert len(kinds) >= 40
