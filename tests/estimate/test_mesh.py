"""Collectives in closed form: against published measurements, and against the kernels' own cost."""

import statistics

import pytest

from openwafer.estimate._constants import constants
from openwafer.estimate._mesh import all_reduce_cycles, mesh_of, reduce_cycles
from openwafer.estimate.validation._cases_mesh import reductions
from openwafer.estimate.validation._predict import predict
from openwafer.machine import load_machine
from openwafer.nn.kernels._collectives import all_reduce_cycles as kernel_cycles
from openwafer.nn.kernels._collectives import choose_line

STEPS = {2: 10055, 4: 9421, 8: 9117, 16: 8989, 32: 8973, 64: 9061, 128: 9297, 256: 9800}
"""Groups of a two-phase sum of 4,096 elements over 512 PEs → cycles (pr0f3ss/SpMM_Cerebras)."""


def test_published_reductions() -> None:
    errors = []
    for case in reductions():
        value = predict(case, constants())
        assert value is not None
        errors.append(abs(value / case.value - 1))
    assert statistics.median(errors) < 0.01
    assert max(errors) < 0.12


@pytest.mark.parametrize("step", STEPS)
def test_groups_of_a_two_phase_sum(step: int) -> None:
    mesh = mesh_of(load_machine("wse2"), 1.0)
    assert reduce_cycles(mesh, "two-phase", 512, 4096, step) == pytest.approx(STEPS[step], rel=0.03)


@pytest.mark.parametrize("name", ["wse2", "wse3"])
def test_all_reduce_agrees_with_the_kernels(name: str) -> None:
    """The kernels' cost is checked against the simulator by the tests of `nn`; 4 to 1,000 PEs, on the line
    of a program that has longer sums too."""
    machine = load_machine(name)
    mesh = mesh_of(machine, 1.0)
    errors = []
    for pes in (4, 8, 16, 32, 64, 160, 512, 1000):
        for count in (1, 8, 64, 512):
            kernel = kernel_cycles(machine, choose_line(machine, "x", pes, [count, count + 1]), count)
            errors.append(abs(float(all_reduce_cycles(mesh, pes, count)) / kernel - 1))
    assert statistics.median(errors) <= 0.03
    assert max(errors) <= 0.15
