"""`openwafer demo`: a matrix-vector product in CSL over a grid of PEs, and where its cycles go."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PHASES = ("send x down the columns", "multiply the blocks", "add along the rows")
STAMPS = 4
STAMP_WORDS = 3


@dataclass(frozen=True, slots=True)
class Phase:
    """Cycles of one phase over all PEs."""

    name: str
    least: int
    mean: float
    most: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the demonstration measured. `error` is the largest difference from NumPy, relative to the
    largest |y|."""

    machine: str
    width: int
    height: int
    rows: int
    cols: int
    phases: tuple[Phase, ...]
    total_cycles: int
    clock_hz: float
    fmacs: int
    error: float


@click.command()
@click.option("--arch", type=click.Choice(["wse2", "wse3"]), default="wse3", show_default=True)
@click.option("--grid", type=click.IntRange(1, 64), default=4, show_default=True, help="PEs a side.")
@click.option(
    "--block", type=click.IntRange(1, 64), default=32, show_default=True, help="Rows and columns of A a PE."
)
@click.option("--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(arch: str, grid: int, block: int, style: str) -> None:
    """A matrix-vector product in CSL over a grid of PEs, checked against NumPy, with its cycles by phase."""
    report = run(arch, grid, block)
    if style == "json":
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        _print(report)


def run(arch: str, grid: int, block: int) -> Report:
    """Compiles and runs the program on `grid` × `grid` PEs with `block` × `block` elements of A on each."""
    from openwafer.csl import CompileOptions, compile_layout
    from openwafer.image import build, write

    params = {"width": str(grid), "height": str(grid), "rows": str(block), "cols": str(block)}
    program = resources.files("openwafer.cli") / "programs" / "gemv" / "layout.csl"
    with resources.as_file(program) as layout, tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        options = CompileOptions(arch=arch, params=params, memcpy=True)
        write(build(compile_layout(str(layout), options), arch), str(out))
        return _measure(str(out), arch, grid, block)


def _measure(out: str, arch: str, grid: int, block: int) -> Report:
    import numpy as np

    from openwafer.machine import load_machine

    size = grid * block
    random = np.random.default_rng(1)
    a, x = random.random((size, size), np.float32), random.random(size, np.float32)
    y, stamps = _execute(out, grid, block, a, x)
    spans = np.diff(stamps, axis=2)
    phases = tuple(
        Phase(name, int(spans[:, :, i].min()), float(spans[:, :, i].mean()), int(spans[:, :, i].max()))
        for i, name in enumerate(PHASES)
    )
    expected = a.astype(np.float64) @ x.astype(np.float64)
    return Report(
        machine=arch,
        width=grid,
        height=grid,
        rows=size,
        cols=size,
        phases=phases,
        total_cycles=int(stamps[:, :, -1].max() - stamps[:, :, 0].min()),
        clock_hz=load_machine(arch).clock_hz,
        fmacs=size * size,
        error=float(np.abs(y - expected).max() / np.abs(expected).max()),
    )


def _execute(
    out: str, grid: int, block: int, a: NDArray[np.float32], x: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Result vector, and time stamps `[y, x, stamp]` in cycles."""
    import numpy as np

    from openwafer.host import MemcpyDataType, MemcpyOrder, SdkRuntime

    wide: dict[str, Any] = {"streaming": False, "order": MemcpyOrder.ROW_MAJOR, "nonblock": False}
    words: dict[str, Any] = {**wide, "data_type": MemcpyDataType.MEMCPY_32BIT}
    halves: dict[str, Any] = {**wide, "data_type": MemcpyDataType.MEMCPY_16BIT}
    runner = SdkRuntime(out)
    symbols = {name: runner.get_id(name) for name in ("A", "x", "y", "stamps")}
    runner.load()
    runner.run()
    blocks = a.reshape(grid, block, grid, block).transpose(0, 2, 3, 1)
    runner.memcpy_h2d(symbols["A"], blocks.ravel(), 0, 0, grid, grid, block * block, **words)
    runner.memcpy_h2d(symbols["x"], x, 0, 0, grid, 1, block, **words)
    runner.launch("run", nonblock=False)
    y = np.zeros(grid * block, np.float32)
    runner.memcpy_d2h(y, symbols["y"], grid - 1, 0, 1, grid, block, **words)
    raw = np.zeros(grid * grid * STAMPS * STAMP_WORDS, np.uint32)
    runner.memcpy_d2h(raw, symbols["stamps"], 0, 0, grid, grid, STAMPS * STAMP_WORDS, **halves)
    runner.stop()
    parts = raw.astype(np.int64).reshape(grid, grid, STAMPS, STAMP_WORDS)
    return y, parts[..., 0] + (parts[..., 1] << 16) + (parts[..., 2] << 32)


def _print(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    pes = f"{report.width} × {report.height} PEs of a simulated {report.machine}"
    console.print(f"y = A x, A {report.rows} × {report.cols} f32, on {pes}")
    table = Table()
    table.add_column("phase")
    for name in ("least", "mean", "most"):
        table.add_column(f"{name} (cycles)", justify="right")
    for phase in report.phases:
        table.add_row(phase.name, f"{phase.least:,}", f"{phase.mean:,.1f}", f"{phase.most:,}")
    table.add_row("all", "", "", f"{report.total_cycles:,}", end_section=True)
    console.print(table)
    rate = report.fmacs / report.total_cycles / (report.width * report.height)
    microseconds = report.total_cycles / report.clock_hz * 1e6
    console.print(
        f"{microseconds:.2f} µs at {report.clock_hz / 1e6:.0f} MHz; {rate:.2f} multiply-adds a cycle and PE"
    )
    console.print(f"largest difference from NumPy: {report.error:.1e} of the largest element")
