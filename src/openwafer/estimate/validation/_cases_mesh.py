"""Kernels on meshes: what others measured on the vendor's simulator, and what ours gives."""

from __future__ import annotations

import csv
import io
from importlib import resources

from openwafer.estimate.validation._case import Case
from openwafer.machine import Value, load_machine


def simulated() -> list[Case]:
    """Kernels of `nn` on the simulator, 4 × 4 to 64 × 64 PEs; written by `bench/closed_forms.py`."""
    text = resources.files("openwafer.estimate").joinpath("data/simulated.csv").read_text("utf-8")
    return [case_of(row) for row in csv.DictReader(io.StringIO(text))]


def case_of(row: dict[str, str]) -> Case:
    width, height, n = (int(row[name]) for name in ("width", "height", "n"))
    kernel = row["kernel"]
    return Case(
        id=f"{kernel} {width}×{height} {n} {row['machine']}", group="kernels on the simulator",
        system=row["machine"], model="-", value=float(row["cycles"]), unit="cycles", chips=width * height,
        scenario=kernel, fit=False, extra={"width": width, "height": height, "n": n},
    )  # fmt: skip


def reductions() -> list[Case]:
    """Sums over a line of 512 PEs on the vendor's simulator: facts of `wse2`, `published.*_reduce_*`."""
    value = {
        name.removeprefix("published."): fact.value for name, fact in load_machine("wse2").by_name.items()
    }
    found: list[tuple[str, float, float]] = [
        ("tree", b, _number(value[f"tree_reduce_p512_b{b}_cycles"])) for b in (1, 64, 1024, 8192)
    ]
    for b in (1, 64, 1024, 8192):
        chain = (
            b
            + _number(value["chain_reduce_cycles_per_pe"]) * 511
            + _number(value["chain_reduce_base_cycles"])
        )
        each = _number(value["two_phase_reduce_p512_cycles_per_wavelet"])
        found += [
            ("chain", b, chain),
            ("two-phase", b, _number(value["two_phase_reduce_p512_base_cycles"]) + each * b),
        ]
    return [_reduction(*row) for row in found]


def _number(value: Value) -> float:
    assert not isinstance(value, tuple)
    return float(value)


def _reduction(algorithm: str, wavelets: float, cycles: float) -> Case:
    return Case(
        id=f"{algorithm} {wavelets:g}", group="reduction on the mesh", system="wse2", model="-", value=cycles,
        unit="cycles", chips=512, scenario=algorithm, fit=False,
        extra={"pes": 512.0, "wavelets": float(wavelets), "step": 32.0},
    )  # fmt: skip
