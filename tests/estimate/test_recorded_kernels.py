"""Closed-form kernels against the simulator: the recorded cycles are what the simulator gives now."""

import statistics
import sys
from pathlib import Path

import pytest

from openwafer.estimate._constants import constants
from openwafer.estimate.validation._cases_mesh import case_of, simulated
from openwafer.estimate.validation._predict import predict

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
RECORDED = {case.id: case for case in simulated()}


def test_recorded_cycles_are_the_simulators() -> None:
    """All of 4 PEs a side on wse3."""
    import closed_forms

    found = [case_of(row) for row in closed_forms.measure("wse3", 4)]
    assert len(found) == 14
    for case in found:
        assert case.value == RECORDED[case.id].value


@pytest.mark.parametrize("kernel", sorted({case.scenario for case in simulated()}))
def test_closed_forms(kernel: str) -> None:
    """4 × 4 to 64 × 64 PEs, both wafers: median at most 10 %, worst at most 25 %."""
    own = [case for case in RECORDED.values() if case.scenario == kernel]
    assert {case.extra["width"] for case in own} == {4, 8, 16, 32, 64}
    errors = []
    for case in own:
        value = predict(case, constants())
        assert value is not None
        errors.append(abs(value / case.value - 1))
    assert statistics.median(errors) <= 0.10
    assert max(errors) <= 0.25
