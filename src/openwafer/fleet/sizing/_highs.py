"""Linear programmes, solved by HiGHS: rows with names, columns by blocks of arrays."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openwafer.diag import error
from openwafer.fleet.sizing._problem import Floats

THREADS = 1
"""Two would not be faster: simplex is serial."""


def load_highspy() -> Any:
    """The module of HiGHS. Diagnostics: fleet-no-highspy."""
    try:
        return importlib.import_module("highspy")
    except ImportError:
        help = "pip install 'openwafer[fleet]'"
        raise error("fleet-no-highspy", "plans need the package highspy (HiGHS)", help=help) from None


def _solver(highspy: Any) -> Any:
    """A solver that prints nothing, not even its name: highspy's constructor would."""

    def enable(self: Any) -> None:
        self.silent()
        super(quiet, self).enableCallbacks()  # pyright: ignore[reportUnknownMemberType]

    quiet = type("Quiet", (highspy.Highs,), {"enableCallbacks": enable})
    return quiet()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one kind: `group` names what they stand for (`power of regina`), `at` their index arrays."""

    kind: str
    first: int
    count: int
    groups: tuple[str, ...]
    quarters: NDArray[np.intp]


@dataclass(slots=True)
class Program:
    """min cost · x with row bounds and column bounds; built by `columns` and `rows`."""

    cost: list[Floats] = field(default_factory=list[Floats])
    low: list[Floats] = field(default_factory=list[Floats])
    high: list[Floats] = field(default_factory=list[Floats])
    entries: list[tuple[NDArray[np.intp], NDArray[np.intp], Floats]] = field(
        default_factory=list[tuple[NDArray[np.intp], NDArray[np.intp], Floats]]
    )
    row_low: list[Floats] = field(default_factory=list[Floats])
    row_high: list[Floats] = field(default_factory=list[Floats])
    kinds: list[Rows] = field(default_factory=list[Rows])
    integer: list[NDArray[np.bool_]] = field(default_factory=list[NDArray[np.bool_]])
    n_columns: int = 0
    n_rows: int = 0

    def columns(
        self, cost: Floats, low: ArrayLike = 0.0, high: ArrayLike = np.inf, integer: bool = False
    ) -> NDArray[np.intp]:
        """Adds columns of the shape of `cost`; their numbers."""
        first, size = self.n_columns, cost.size
        self.cost.append(np.ravel(cost).astype(np.float64))
        self.low.append(np.ravel(np.broadcast_to(np.asarray(low, np.float64), cost.shape)).copy())
        self.high.append(np.ravel(np.broadcast_to(np.asarray(high, np.float64), cost.shape)).copy())
        self.integer.append(np.full(size, integer))
        self.n_columns += size
        return np.arange(first, first + size, dtype=np.intp).reshape(cost.shape)

    def rows(
        self, kind: str, low: ArrayLike, high: ArrayLike, groups: Sequence[str], quarters: ArrayLike
    ) -> NDArray[np.intp]:
        """Adds as many rows as `groups`; their numbers."""
        first, count = self.n_rows, len(groups)
        self.row_low.append(np.broadcast_to(np.asarray(low, np.float64), (count,)).copy())
        self.row_high.append(np.broadcast_to(np.asarray(high, np.float64), (count,)).copy())
        when = np.broadcast_to(np.asarray(quarters, np.intp), (count,)).copy()
        self.kinds.append(Rows(kind, first, count, tuple(groups), when))
        self.n_rows += count
        return np.arange(first, first + count, dtype=np.intp)

    def put(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """Adds entries; the three are broadcast together."""
        row, column, value = np.broadcast_arrays(rows, columns, values)
        self.entries.append(
            (row.ravel().astype(np.intp), column.ravel().astype(np.intp), value.ravel().astype(np.float64))
        )


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """`status`: optimal, infeasible, limit (with the best found). `dual`: by row; `bound` is the least that
    the
    objective can be."""

    status: str
    objective: float
    bound: float
    x: Floats
    dual: Floats
    seconds: float


def to_highs(program: Program, highspy: Any) -> Any:
    """The model of HiGHS, columns first."""
    rows, columns, values = (
        np.concatenate([entry[k] for entry in program.entries]) if program.entries else np.zeros(0)
        for k in range(3)
    )
    order = np.lexsort((rows, columns))
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = program.n_columns, program.n_rows
    model.col_cost_ = np.concatenate(program.cost)
    model.col_lower_, model.col_upper_ = np.concatenate(program.low), np.concatenate(program.high)
    model.row_lower_, model.row_upper_ = np.concatenate(program.row_low), np.concatenate(program.row_high)
    matrix = model.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    counts = np.bincount(columns.astype(np.intp), minlength=program.n_columns)
    matrix.start_ = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    matrix.index_, matrix.value_ = rows[order].astype(np.int32), values[order]
    integer = np.concatenate(program.integer)
    if integer.any():
        kinds = highspy.HighsVarType
        model.integrality_ = [kinds.kInteger if whole else kinds.kContinuous for whole in integer]
    return model


def solve(
    program: Program,
    *,
    relaxed: bool = True,
    nodes: int | None = None,
    gap: float = 1e-4,
    start: Floats | None = None,
) -> Solved:
    """Solves it; `relaxed` takes whole numbers as real. `nodes` bounds the search for whole
    ones, the same on every machine. `start`: a solution to begin with.

    Diagnostics: fleet-no-highspy, fleet-unsolved."""
    highspy = load_highspy()
    solver, model = _solver(highspy), to_highs(program, highspy)
    if relaxed:
        model.integrality_ = []
    solver.setOptionValue("threads", THREADS)
    solver.setOptionValue("random_seed", 0)
    solver.setOptionValue("mip_rel_gap", gap)
    if nodes is not None:
        solver.setOptionValue("mip_max_nodes", nodes)
    solver.passModel(model)
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = list(start)
        solver.setSolution(solution)
    solver.run()
    return _read(solver, highspy, is_mip=not relaxed)


def _read(solver: Any, highspy: Any, is_mip: bool) -> Solved:
    status, info, solution = solver.getModelStatus(), solver.getInfo(), solver.getSolution()
    kinds = highspy.HighsModelStatus
    if status == kinds.kOptimal:
        word = "optimal"
    elif status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
        word = "infeasible"
    elif status in (kinds.kTimeLimit, kinds.kSolutionLimit, kinds.kIterationLimit):
        word = "limit"
    else:
        raise error("fleet-unsolved", f"HiGHS ended with {solver.modelStatusToString(status)}")
    return Solved(
        word,
        float(info.objective_function_value),
        float(info.mip_dual_bound if is_mip else info.objective_function_value),
        np.array(solution.col_value, dtype=np.float64),
        np.array(solution.row_dual, dtype=np.float64),
        float(solver.getRunTime()),
    )
