"""Every table of every command, at several widths and in a pipe: no number and no name is cut."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest
from cli_samples import SOURCE
from hypothesis import given
from hypothesis import strategies as st

from openwafer.cli import _table, conform, demo, run
from openwafer.cli._errors import run_command
from openwafer.cli._examples import Example
from openwafer.cli._main import _group
from openwafer.cli._run_example import Outcome
from openwafer.cli._table import Cell, table_lines, wrapped
from openwafer.diag import showable
from patience import PATIENCE_S

WIDTHS = (40, 80, 120, None)
COUNTS = ("runs", "scalar_cycles", "elements", "busy_cycles", "bank_cycles", "wavelet_cycles", "space_cycles")
MANY = "cs2,cs3,cs4,a100,h100,h200,b200,gb200,mi300x,mi355x"


def call(*args: str) -> Callable[[], object]:
    def command() -> None:
        assert run_command(_group, "openwafer", list(args)) == 0

    return command


CODE = "@fmacs(a_dsd, a_dsd, another_dsd, [factor], .{ .async = true });"


def profile() -> None:
    """A run with large counters, a long name of a file, a library, and a long source line."""
    files = [("a_very_long_name_of_a_program[x].csl", 10_234), ("<memcpy/memcpy>", 25), ("pe.csl", 7)]
    counts = {c: 10 ** (3 * k) + 7 for k, c in enumerate(COUNTS)}
    lines = [{"file": name, "line": line, "source": CODE, "other_cycles": 0} | counts for name, line in files]
    tasks = [{"name": "the_task_that_[ends]_it", "runs": 12_345, "cycles": 9_876_543, "waiting_cycles": 1}]
    pes = [{"x": 749, "y": 993, "task_cycles": 12_345_678, "waiting_cycles": 9, "idle_cycles": 5}]
    run._show_run({"cycles": 123_456_789, "lines": lines, "tasks": tasks, "pes": pes}, 20)


def demonstration() -> None:
    numbers = {
        "cycles": 123_456_789,
        "seconds": 1.25,
        "tokens_per_s": 98_765.0,
        "utilisation": 0.5,
        "joules": 3.0,
    }
    phases = {"residual, backward": 12_345_678.0, "a_module_with_a_long_name": 1e9, "softmax": 3.0}
    demo._print(
        demo.Report(
            "wse3", (8, 8), 1000, 400, (3.0, 1.0), 1e-5, 1e-6, "", numbers,
            numbers | {"cycles_per_token": 1234.0}, phases,
        )
    )  # fmt: skip


def examples() -> None:
    reason = "type-mismatch: expected [16]f32, found [32]f32 in a_long_word_without_any_blank_in_it_at_all"
    outcomes = [
        Outcome(
            Example("a/[b]/gemv_with_a_long_name", "wse2", Path(), "c.sh"),
            "fail",
            reason,
            12.5,
            None,
            None,
            "",
        ),
        Outcome(Example("tutorials/one", "wse3", Path(), "c.sh"), "pass", "", 3.0, 123_456_789, 5, ""),
    ]
    conform._print_outcomes(outcomes)


COMMANDS: dict[str, Callable[[], object]] = {
    "machine wse2": call("machine", "wse2"),
    "machine wse3": call("machine", "wse3"),
    "validate": call("validate", "--unused"),
    "validate groups": call("validate", "--groups"),
    "validate constants": call("validate", "--constants"),
    "estimate": call("estimate", "llama-3.1-8b", "--on", MANY, "--users", "64"),
    "estimate frontier": call("estimate", "llama-3.1-8b", "--on", "cs3,h100,b200,mi355x", "--frontier"),
    "estimate training": call("estimate", "llama-3.1-70b", "--on", "cs3,h100,b200", "--train-tokens", "2T"),
    "run": profile,
    "demo": demonstration,
    "conform": examples,
}


Given = tuple[tuple[Any, ...], dict[str, Any]]


@functools.cache
def tables_of(name: str) -> tuple[list[Given], str]:
    """What each table of a command was made of, and what the command printed without a terminal."""
    given: list[Given] = []

    def note(*values: Any, **options: Any) -> Any:
        given.append((values, options))
        return table_lines(*values, **options)

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr(_table, "table_lines", note)
        COMMANDS[name]()
    return given, out.getvalue()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_cell_is_whole(name: str) -> None:
    given, printed = tables_of(name)
    assert given and all(options["room"] is None for _, options in given)
    for values, options in given:
        assert "\n".join(str(line) for line in table_lines(*values, **options)) in printed
        for room in WIDTHS:
            check(values, options | {"room": room})


def check(values: tuple[Any, ...], options: dict[str, Any]) -> None:
    """All words of all cells are there, as often as the table has them. What is not words is not broken."""
    lines = [str(line) for line in table_lines(*values, **options)]
    grid = [[text_of(cell) for cell in row] for row in (values[1], *values[2])]
    shown = Counter(word for line in lines for word in line.split())
    assert not Counter(word for row in grid for cell in row for word in cell.split()) - shown
    loose = {k for k, header in enumerate(grid[0]) if header in options.get("words", ())}
    for cell in (cell for row in grid for k, cell in enumerate(row) if k not in loose):
        assert any(cell in line for line in lines), cell
    if options["room"] is None:
        assert all(any(all(cell in line for cell in row) for line in lines) for row in grid)
    elif options["room"] >= 80:
        assert all(len(line) <= options["room"] for line in lines)


def text_of(cell: Cell) -> str:
    return showable(cell if isinstance(cell, str) else cell[0])


CELLS = st.text(st.sampled_from("ab1. ,[é漢"), max_size=14)


@given(st.integers(1, 6), st.data(), st.one_of(st.none(), st.integers(1, 60)))
def test_any_table(columns: int, data: st.DataObject, room: int | None) -> None:
    headers = [f"h{k}" for k in range(columns)]
    rows = data.draw(st.lists(st.lists(CELLS, min_size=columns, max_size=columns), max_size=4))
    words = data.draw(st.sets(st.sampled_from(headers)))
    left, keys = data.draw(st.integers(0, columns)), data.draw(st.integers(1, columns))
    lines = [str(v) for v in table_lines("", headers, rows, room=room, words=words, left=left, keys=keys)]
    shown = Counter(word for line in lines for word in line.split())
    assert not Counter(w for row in (headers, *rows) for cell in row for w in cell.split()) - shown


def test_words_of_a_text_are_wrapped_whole() -> None:
    assert wrapped("cycles: 1,234,567 on 8 PEs", 12) == ["cycles:", "1,234,567 on", "8 PEs"]
    assert wrapped("a 1234567890 b", 4) == ["a", "1234567890", "b"]
    assert wrapped("a 1234567890 b", None) == ["a 1234567890 b"]


START = "from openwafer.cli._start import openwafer; openwafer()"


def in_terminal(columns: int, *args: str) -> str:
    """What a command writes to a terminal of so many columns."""
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")} | {"PYTHONPATH": SOURCE}
    command = [sys.executable, "-P", "-c", START, *args]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=env) as process:
        os.close(follower)
        pieces: list[bytes] = []
        while piece := _read(leader):
            pieces.append(piece)
        assert process.wait(PATIENCE_S) == 0
    os.close(leader)
    return b"".join(pieces).decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the command has ended
        return b""


def test_a_terminal_is_as_wide_as_it_is_and_a_pipe_has_no_width() -> None:
    narrow = in_terminal(50, "machine", "wse3")
    assert "\x1b[" in narrow and "queue" in narrow
    env = os.environ | {"PYTHONPATH": SOURCE, "COLUMNS": "50"}
    command = [sys.executable, "-P", "-c", START, "machine", "wse3"]
    wide = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in wide.splitlines()[2:] if "." in line.split()[0]]
    assert len(names) > 50 and all(name in narrow for name in names)
    assert max(map(len, wide.splitlines())) > 100 and "\x1b" not in wide
