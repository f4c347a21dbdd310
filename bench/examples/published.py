"""Cycles of the vendor's example programs on wse3, against the facts under `[published]`.

Programs that do not tell their cycles get the timers with which the published numbers were taken
(`timers.py`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from examples.timers import END, START, Timer
from openwafer.cli._examples import Example, copy_example, find_examples
from openwafer.cli._run_example import make_commands
from openwafer.machine import load_machine

ARCH = "wse3"
OWN_CYCLES = re.compile(r"(?:cycles_send = |Max cycles [^:]*: +)(\d+)")


@dataclass(frozen=True)
class Row:
    """An example, its fact, its timer if it has none, and what is changed in its script (before, after)."""

    example: str
    fact: str
    timer: Timer | None = None
    edits: tuple[tuple[str, str], ...] = ()


def on_device(name: str, found: str = "2", iterations: str = "2") -> tuple[tuple[str, str], ...]:
    """The solver's loop runs on the wafer instead of the host."""
    return (
        ("layout.csl", f"layout_{name}.csl"),
        ("./run.py", "./device_run.py"),
        (f"--max-ite={found}", f"--max-ite={iterations}"),
    )


MAIN = ('runner.launch("main"', 'runner.launch("main"')
CHOLESKY = ('runner.launch("f_chol"', 'runner.launch("f_chol"')
MATVEC_AREA = ("0", "0", "kernel_cols", "kernel_rows")
FIRST_WAVELET = "task fmac_task(wlet_data: f16, idx: u16) void {\n"
FIRST_PIXEL = "task process() void {\n"
PIXELS = "var openwafer_pixels: u32 = 0;\n"
LAST_PIXEL = "openwafer_pixels += 1; if (openwafer_pixels == rows_per_pe * image_width) {"
ROWS = (
    Row(
        "residual",
        "residual_cycles",
        Timer(
            ("residual.csl",),
            "layout.csl",
            ("0", "0", "width", "height"),
            ('runner.launch("bcast_x"', 'runner.launch("bcast_x"'),
        ),
    ),
    Row(
        "game-of-life",
        "game_of_life_cycles",
        Timer(
            ("pe_program.csl",),
            "layout.csl",
            ("0", "0", "x_dim", "y_dim"),
            ("runner.launch('generate'", "runner.launch('generate'"),
        ),
    ),
    Row(
        "wide-multiplication",
        "wide_multiplication_cycles",
        Timer(
            ("pe.csl",),
            "code.csl",
            ("0", "0", "1", "1"),
            ('print("streaming H2D', "runner.memcpy_d2h("),
        ),
    ),
    Row(
        "gemv-checkerboard-pattern",
        "gemv_checkerboard_cycles",
        Timer(
            ("pe.csl",),
            "layout.csl",
            ("kernel_cols - 1", "0", "1", "1"),
            inside=(
                (
                    "pe.csl",
                    FIRST_WAVELET,
                    FIRST_WAVELET + f"if (num_recv_x == 0) {{ openwafer_time.enable_tsc(); {START} }}\n",
                ),
                ("pe.csl", "@activate(REDUCE);", f"{END} @activate(REDUCE);"),
            ),
        ),
    ),
    Row(
        "mandelbrot",
        "mandelbrot_cycles",
        Timer(
            ("left.csl", "middle.csl"),
            "code.csl",
            ("3", "0", "1", "1"),
            inside=(
                (
                    "middle.csl",
                    FIRST_PIXEL,
                    f"{PIXELS}{FIRST_PIXEL} if (openwafer_pixels == 0) {{ {START} }}\n",
                ),
                ("middle.csl", "  col += 1;", f"{LAST_PIXEL} {END} }}\n  col += 1;"),
                (
                    "middle.csl",
                    "fn f_mandelbrot() void {",
                    "fn f_mandelbrot() void { openwafer_time.enable_tsc();",
                ),
            ),
        ),
    ),
    Row("single-tile-matvec", "single_tile_matvec_cycles"),
    Row(
        "cholesky",
        "cholesky_cycles",
        Timer(("pe.csl", "launch.csl"), "layout.csl", ("0", "0", "P", "P"), CHOLESKY),
    ),
    Row(
        "gemm-collectives_2d",
        "gemm_collectives_cycles",
        Timer(("pe.csl",), "layout.csl", ("0", "0", "P", "P"), MAIN),
    ),
    Row(
        "gemv-collectives_2d",
        "gemv_collectives_cycles",
        Timer(("pe.csl",), "layout.csl", MATVEC_AREA, MAIN),
    ),
    Row("7pt-stencil-spmv", "stencil_spmv_7pt_z5_cycles"),
    Row("power-method", "power_method_cycles", edits=on_device("power", "1", "10")),
    Row("conjugate-gradient", "conjugate_gradient_cycles", edits=on_device("cg")),
    Row(
        "preconditioned-conjugate-gradient",
        "preconditioned_conjugate_gradient_cycles",
        edits=on_device("pcg"),
    ),
    Row("bicgstab", "bicgstab_cycles", edits=on_device("bicgstab", "2", "20")),
    Row("power-method", "power_method_host_loop_cycles"),
    Row("conjugate-gradient", "conjugate_gradient_host_loop_cycles"),
    Row("preconditioned-conjugate-gradient", "preconditioned_conjugate_gradient_host_loop_cycles"),
    Row("bicgstab", "bicgstab_host_loop_cycles"),
)


def cycles(example: Example, row: Row) -> float | str:
    """Cycles, or why there are none."""
    with tempfile.TemporaryDirectory(prefix="openwafer-published-") as scratch:
        commands = Path(scratch, "bin")
        commands.mkdir()
        Path(scratch, "work").mkdir()
        make_commands(commands)
        folder = copy_example(example.folder, Path(scratch, "work"))
        script = folder / example.script
        for before, after in row.edits:
            script.write_text(script.read_text().replace(before, after))
        if row.timer:
            row.timer.add_to(folder)
        environment = os.environ | {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path))),
        }
        done = subprocess.run(
            ["bash", example.script], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            return next((line for line in said if line.startswith("error")), said[-1] if said else "failed")
        return float(OWN_CYCLES.findall(done.stdout)[-1])


def compare(directory: Path, results_directory: Path) -> None:
    """Prints the table and writes it as JSON."""
    machine = load_machine(ARCH)
    results: list[dict[str, object]] = []
    print(f"{'fact':<52}{'ours':>10}{'published':>11}{'error':>9}")
    for row in ROWS:
        (example,) = find_examples(directory, ARCH, row.example)
        found = cycles(example, row)
        published = float(machine.fact(f"published.{row.fact}").value)  # type: ignore[arg-type]
        if isinstance(found, str):
            print(f"{row.fact:<52}{'-':>10}{published:>11.0f}{'':>9}  {found}")
            continue
        error = found / published - 1
        results.append(
            {"example": row.example, "fact": row.fact, "ours": found, "published": published, "error": error}
        )
        print(f"{row.fact:<52}{found:>10.0f}{published:>11.0f}{error:>+9.1%}")
    (results_directory / "published_examples.json").write_text(json.dumps(results, indent=2) + "\n")
