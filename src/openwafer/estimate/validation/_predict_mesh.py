"""Cycles of kernels on meshes of PEs in closed form, for the published and the simulated ones."""

from __future__ import annotations

from openwafer.estimate._constants import Constants
from openwafer.estimate._mesh import ALGORITHMS, mesh_of, reduce_cycles
from openwafer.estimate._mesh import all_reduce_cycles as estimated_sum
from openwafer.estimate.validation._case import Case, Predictor
from openwafer.machine import Machine, load_machine
from openwafer.nn.kernels import all_reduce_cycles, choose_line, linear_cycles, linear_half_cycles

TILE = 32
"""Rows, columns and tokens of a PE in the measured products."""


def _reduction(case: Case, c: Constants) -> float | None:
    mesh = mesh_of(load_machine(case.system), 1.0)
    step = case.extra.get("step", 1.0)
    algorithm = ALGORITHMS[[str(a) for a in ALGORITHMS].index(case.scenario)]
    return float(reduce_cycles(mesh, algorithm, case.extra["pes"], case.extra["wavelets"], step))


def _kernel(case: Case, c: Constants) -> float | None:
    """Products as `nn` plans them; sums along a row as `nn` plans them, and as wafers are estimated."""
    machine = load_machine(case.system)
    width, n = int(case.extra["width"]), int(case.extra["n"])
    match case.scenario:
        case "gemm":
            return _product(machine, width, TILE)
        case "gemv":
            return _product(machine, width, 1)
        case "all-reduce":
            return _planned_sum(machine, width, n)
        case _:
            return float(estimated_sum(mesh_of(machine, 1.0), width, n))


def _product(machine: Machine, width: int, tokens: int) -> float:
    cycles = linear_half_cycles if tokens == 1 else linear_cycles
    sizes = {"n": TILE, "k": TILE, "t": tokens}
    return cycles(machine, sizes) + _planned_sum(machine, width, TILE * tokens)


def _planned_sum(machine: Machine, pes: int, n: int) -> float:
    return all_reduce_cycles(machine, choose_line(machine, "x", pes, [n]), n)


PREDICTORS: dict[str, Predictor] = {
    "reduction on the mesh": _reduction,
    "kernels on the simulator": _kernel,
}
