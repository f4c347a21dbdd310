"""All-reduces along rows and columns: what they compute, that they do not mix, and what they cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mesh_kit import Mesh, lines, run_mesh

from csl_kit import ENGINES
from openwafer.machine import load_machine
from openwafer.nn._collectives import Line, all_reduce_cycles, axis_queues, choose_line

ARCHS = ("wse2", "wse3")
BODY = """
  row.sum(a, {n});
  column.sum(a, {n});
  row.max(b, {n});
  row.sum(c, {n});
  column.max(b, {n});
  column.sum(c, {n});
"""
CASES = [
    # width, height, elements, (root, group) of rows, of columns
    (1, 1, 3, (0, 1), (0, 1)),
    (4, 4, 1, (3, 1), (2, 1)),
    (4, 4, 17, (2, 2), (3, 2)),
    (7, 5, 5, (3, 2), (2, 3)),
    (7, 5, 33, (6, 4), (0, 2)),
    (16, 1, 9, (8, 3), (0, 1)),
    (1, 16, 20, (0, 1), (15, 5)),
]


def mesh(arch: str, width: int, height: int, n: int, row: tuple[int, int], column: tuple[int, int]) -> Mesh:
    machine = load_machine(arch)
    both = (
        Line(width, *row, axis_queues(machine, "x")),
        Line(height, *column, axis_queues(machine, "y")),
    )
    return Mesh(both, {name: (n, "f32") for name in "abc"}, BODY.format(n=n))


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_reduce(
    tmp_path: Path, case: tuple[int, int, int, tuple[int, int], tuple[int, int]], arch: str
) -> None:
    """Sums in f32 have an error of at most (PEs − 1) · 2⁻²⁴ of the sum of magnitudes; every PE has the same
    bits."""
    width, height, n, *_ = case
    program = mesh(arch, *case)
    image = program.compile(tmp_path, arch)
    random = np.random.default_rng(1)
    inputs = {name: random.standard_normal((height, width, n)).astype(np.float32) for name in "abc"}
    engines = ENGINES if width * height * n <= 300 else ("fast",)
    runs = [run_mesh(program, image, inputs, engine).arrays for engine in engines]
    for name, values in runs[0].items():
        assert all(np.array_equal(values, other[name]) for other in runs)
        assert (values == values[:1, :1]).all()
        exact = inputs[name].astype(np.float64)
        wanted = exact.max((0, 1)) if name == "b" else exact.sum((0, 1))
        allowed = width * height * 2.0**-24 * np.abs(exact).sum((0, 1)) * (name != "b")
        assert (np.abs(values[0, 0] - wanted) <= allowed).all()


def test_all_pes_run_the_same_code(tmp_path: Path) -> None:
    """PEs differ in the colors of their queues and in parameter cells only."""
    image = mesh("wse3", 7, 5, 5, (3, 2), (2, 3)).compile(tmp_path, "wse3")
    assert len(image.layout.programs) > 1
    assert all(p.functions == image.layout.programs[0].functions for p in image.layout.programs)


TIMED = """
  stamp(0);
  stamp(1);
  row.sum(a, {n});
  stamp(2);
"""
PLACES = [
    (length, root, group)
    for length in (1, 3, 8, 32)
    for root in sorted({(length - 1) // 2, length - 1})
    for group in (1, 3)
    if group <= length
]


@pytest.mark.parametrize("arch", ARCHS)
def test_cost(tmp_path: Path, arch: str) -> None:
    """The closed form is off by at most 10 %, in the median by at most 1 %."""
    machine = load_machine(arch)
    column = choose_line(machine, "y", 1, ())
    errors: list[float] = []
    for length, root, group in PLACES:
        line = Line(length, root, group, axis_queues(machine, "x"))
        for n in (1, 16, 400):
            program = Mesh((line, column), {"a": (n, "f32")}, TIMED.format(n=n), stamps=3)
            image = program.compile(tmp_path / f"{length}-{root}-{group}-{n}", arch)
            times = run_mesh(program, image, {}).stamps[0]
            measured = times[:, 2].max() - times[:, 1].min() - (times[0, 1] - times[0, 0])
            errors.append(abs(all_reduce_cycles(machine, line, n) / float(measured) - 1))
    assert max(errors) <= 0.10
    assert np.median(errors) <= 0.01


def test_choice() -> None:
    """Many elements: one chain to one end. Few on a long line: two phases to the middle."""
    machine = load_machine("wse2")
    long, short = choose_line(machine, "x", 8, [4096]), choose_line(machine, "x", 128, [1])
    assert (long.root, long.group) == (7, 1)
    assert short.root == 63
    assert short.group > 1


def test_lines_use_queues_of_their_own() -> None:
    for arch in ARCHS:
        machine = load_machine(arch)
        x, y = lines(arch, 4, 4, 1)
        inputs = (*x.queues.inputs, *y.queues.inputs, *machine.host.memcpy_input_queues)
        assert len(set(inputs)) == len(inputs)
        assert len({x.queues.output, y.queues.output, *machine.host.memcpy_output_queues}) == 3
